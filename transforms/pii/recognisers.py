# SPDX-License-Identifier: Apache-2.0
"""Recognisers of the job's own: from what the job file says to rows of the pattern table.

They go through the same shadow text, prefilter and checks as the built-in ones. RE2 only, and
bounded: whatever a job file says, a document costs linear time.
"""

from __future__ import annotations

import functools
import importlib.util
import re
from collections.abc import Sequence

import re2

from ...schemas.errors import JobError
from ...schemas.personal_data import Recogniser
from . import national_checks, validators
from .entities import ENTITY
from .pattern import Pattern
from .validators import Check, Span, Text

MAX_PROGRAM = 20_000
"""Instructions of a compiled expression; `(?:[^x]{1,100}){1,100}` has more. The largest built-in one
has 9,000 (a list of surnames)."""
CONTEXT_BYTES = 100
"""Bytes on either side of a value in which a context word counts: a sentence."""
PRIORITY = 65

CHECKS: dict[str, Check] = {
    "luhn": validators.luhn_digits,
    "card": validators.card,
    "iban": validators.iban,
    "email": validators.email,
    "resident_id": national_checks.resident_id,
    "uscc": national_checks.uscc,
    "date": validators.birth_date,
    "entropy": validators.token,
}
"""Validator name to check; `stdnum:<module>` besides."""

_MODULE = re.compile(r"stdnum:([a-z]{2}_?\.[a-z0-9_]{2,30}|[a-z0-9_]{2,30})")


def recogniser_patterns(recognisers: Sequence[Recogniser]) -> tuple[Pattern, ...]:
    """Return the rows of a job's recognisers.

    Args:
        recognisers: What the job file says, each field valid by itself.

    Returns:
        One row for each expression, detector `custom:<name>@<version>`.

    Raises:
        JobError: An expression is not RE2, matches nothing at all, is too large once compiled, or
            a validator or entity type is unknown; every one is named.
    """
    problems: list[str] = []
    rows = []
    for number, item in enumerate(recognisers):
        place = f"personal_data.recognisers[{number}]"
        if item.entity not in ENTITY:
            problems.append(f"{place}.entity: expected an entity type, got {item.entity}")
        check = _validator(item.validator)
        if item.validator is not None and check is None:
            problems.append(
                f"{place}.validator: expected one of {', '.join(CHECKS)} or a module of "
                f"python-stdnum such as stdnum:de.idnr, got {item.validator}"
            )
        words = tuple(word.casefold().encode() for word in item.context)
        if words:
            check = functools.partial(_in_context, words=words, check=check)
        for which, regex in enumerate(item.patterns):
            fault = regex_fault(regex)
            if fault:
                problems.append(f"{place}.patterns[{which}]: {fault}")
            rows.append(
                Pattern(
                    f"custom:{item.name}@{item.version}",
                    item.entity,
                    regex,
                    item.score,
                    check,
                    PRIORITY,
                    grade=item.grade,
                )
            )
    if problems:
        raise JobError(problems)
    return tuple(rows)


def regex_fault(regex: str) -> str | None:
    """Return what is wrong with a user's expression, or None."""
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(regex.encode(), options)
    except re2.error as error:
        (said,) = error.args
        what = (said.decode() if isinstance(said, bytes) else str(said)).partition(":")[0]
        return f"expected an RE2 expression (no look-around, no back-references): {what}"
    if compiled.programsize > MAX_PROGRAM:
        return (
            f"expected an expression of at most {MAX_PROGRAM} instructions, got "
            f"{compiled.programsize}: lower its repeat counts"
        )
    if compiled.search(b"") is not None:
        return "expected an expression that needs at least one character, got one that needs none"
    return None


def _validator(name: str | None) -> Check | None:
    """Return a check by its name; None where there is none of the name."""
    if name is None:
        return None
    module = _MODULE.fullmatch(name)
    if module is None:
        return CHECKS.get(name)
    found = f"stdnum.{module[1]}"
    try:
        known = importlib.util.find_spec(found) is not None
    except ModuleNotFoundError:
        known = False
    return national_checks.stdnum_check(module[1]) if known else None


def _in_context(
    data: Text, start: int, end: int, *, words: tuple[bytes, ...], check: Check | None
) -> Span | None:
    """Confirm a hit that has a word of its context near it, and passes the check if any."""
    near = bytes(data[max(0, start - CONTEXT_BYTES) : end + CONTEXT_BYTES])
    around = near.decode("utf-8", "ignore").casefold().encode()
    if not any(word in around for word in words):
        return None
    return (start, end) if check is None else check(data, start, end)
