# SPDX-License-Identifier: Apache-2.0
"""Licence fields as SPDX expressions, and whether an allow-list covers them.

A value is taken at its word only as a whole: an SPDX expression, or a name or address in the alias
table. Anything longer, conflicting or unclear is `unknown`, and a name that covers several licences
stands for the most restrictive of them: a claim is never upgraded (reliability case 83).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from license_expression import ExpressionError, Licensing, get_spdx_licensing

from ...schemas.errors import ListError
from .licence_names import ALIASES, CC_CODES, URL_RULES

UNKNOWN = "unknown"
EVIDENCE = ("declared", "mapped", "none")
"""Where a licence comes from: SPDX as declared; a usual name or address, mapped; nowhere."""

LICENCES = pa.schema(
    [
        pa.field("licence", pa.string(), nullable=False),
        pa.field("evidence", pa.dictionary(pa.int32(), pa.string()), nullable=False),
    ]
)
"""What `normalise_licences` yields, one row per value."""

# Longer values are licence texts or remarks, not names; also bounds the work per distinct value.
_LONGEST = 200
_EXPRESSION = re.compile(r"[A-Za-z0-9.+\-() ]+")
_SPACES = re.compile(r"[\s_]+")
_CC_NAME = re.compile(
    r"(?:cc|creative commons)[ -](?P<code>[a-z -]+?)[ -]v?(?P<version>[1-4]\.[05])"
    r"(?: (?:international|unported|generic|deed))?(?: licen[cs]e| public licen[cs]e)?"
)
_CC_URL = re.compile(
    r"creativecommons\.org/licenses/(?P<code>[a-z-]+)/(?P<version>\d\.\d)(?:/(?P<place>[a-z]{2,3}))?"
    r"(?:/(?:legalcode|deed)(?:\.[a-z_-]+)?)?/?"
)
_SCHEME = re.compile(r"(?:https?:)?//(?:www\.)?")


def normalise_licences(values: pa.Array) -> pa.RecordBatch:
    """Read licence fields as SPDX.

    Args:
        values: string array of licence fields; null allowed.

    Returns:
        Record batch of schema `LICENCES`: `licence` is an SPDX id or expression in its canonical
        spelling, or `unknown`; `evidence` is one of `EVIDENCE`.
    """
    encoded = values.dictionary_encode().cast(pa.dictionary(pa.int32(), pa.string()))
    read = [_read(value) for value in encoded.dictionary.to_pylist()]
    # Null rows point at a last, unknown entry.
    licences = pa.array([licence for licence, _ in read] + [UNKNOWN], pa.string())
    evidence = pa.array([EVIDENCE.index(kind) for _, kind in read] + [2], pa.int32())
    codes = encoded.indices.fill_null(len(read))
    kinds = pa.DictionaryArray.from_arrays(evidence.take(codes), pa.array(EVIDENCE))
    return pa.RecordBatch.from_arrays([licences.take(codes), kinds], schema=LICENCES)


def reconcile_licences(claims: Sequence[pa.Array]) -> pa.Array:
    """Return the licence that all claims agree on.

    Args:
        claims: Arrays of one length, as `normalise_licences` returns `licence`: what the source
            declares, what the record claims, and so on.

    Returns:
        string array: the one known licence of the row; `unknown` where claims conflict or where
        there is none.
    """
    known = [
        pc.if_else(pc.equal(claim, UNKNOWN), pa.scalar(None, pa.string()), claim)
        for claim in claims
    ]
    first = pc.coalesce(*known, UNKNOWN)
    conflict = np.zeros(len(first), np.bool_)
    for claim in known:
        conflict |= pc.not_equal(claim, first).fill_null(False).to_numpy(zero_copy_only=False)
    return pc.if_else(pa.array(conflict), UNKNOWN, first)


def check_allowed(allow: Sequence[str]) -> tuple[str, ...]:
    """Return an allow-list in canonical SPDX spelling.

    Args:
        allow: SPDX ids, or `ID WITH EXCEPTION`.

    Raises:
        ListError: An entry is no single SPDX licence, or the list is empty; the message says which.
    """
    canonical, refused = [], []
    for entry in allow:
        parsed = _parse(entry)
        if parsed is None or not parsed.isliteral:
            refused.append(entry)
        else:
            canonical.append(parsed.render())
    if refused:
        raise ListError(
            f"licence allow-list: {', '.join(map(repr, refused))}: expected an SPDX licence id such "
            "as 'CC-BY-4.0', or 'ID WITH EXCEPTION'; see https://spdx.org/licenses"
        )
    if not canonical:
        raise ListError("licence allow-list: expected at least one SPDX licence id, got none")
    return tuple(canonical)


def licence_allowed(licences: pa.Array, allow: Sequence[str]) -> pa.Array:
    """Return whether an allow-list covers each licence.

    `A OR B` is covered if either is, `A AND B` if both are. `A WITH E` is covered by `A WITH E` or
    by `A`, as an exception only adds permissions (SPDX 3.0 annex B). Versions are not inferred:
    `GPL-2.0-or-later` is covered by itself alone.

    Args:
        licences: string array of SPDX expressions as `normalise_licences` returns them.
        allow: SPDX ids; checked by `check_allowed`.

    Returns:
        bool array without nulls; False for `unknown`, null and what is no SPDX expression.

    Raises:
        ListError: As `check_allowed`.
    """
    allowed = frozenset(check_allowed(allow))
    encoded = licences.dictionary_encode()
    verdicts = []
    for licence in encoded.dictionary.to_pylist():
        parsed = _parse(licence)
        verdicts.append(parsed is not None and _covered(parsed, allowed))
    codes = encoded.indices.fill_null(len(verdicts))
    return pa.array([*verdicts, False], pa.bool_()).take(codes)


def denied_part(licence: str, listed: Callable[[str], int | None]) -> int | None:
    """Return the entry of a list for which a licence leaves no way to use a document, or None.

    `A OR B` is denied if both are, `A AND B` if either is; `A WITH E` if it or `A` is.

    Args:
        licence: SPDX expression as `normalise_licences` returns it.
        listed: Gives the entry number of one licence or whole expression, None if it is not listed.
    """
    whole = listed(licence)
    parsed = _parse(licence)
    return whole if whole is not None or parsed is None else _denied(parsed, listed)


def _denied(expression: Any, listed: Callable[[str], int | None]) -> int | None:
    if expression.isliteral:
        base = getattr(expression, "license_symbol", expression)
        found = listed(expression.render())
        return listed(base.render()) if found is None else found
    parts = [_denied(part, listed) for part in expression.args]
    denied = [part for part in parts if part is not None]
    either = expression.operator.strip() == "OR"
    return min(denied) if denied and (not either or len(denied) == len(parts)) else None


def _covered(expression: Any, allowed: frozenset[str]) -> bool:
    if expression.isliteral:
        base = getattr(expression, "license_symbol", expression)
        return expression.render() in allowed or base.render() in allowed
    either = expression.operator.strip() == "OR"
    return (any if either else all)(_covered(part, allowed) for part in expression.args)


@functools.cache
def _licensing() -> Licensing:
    return get_spdx_licensing()


@functools.lru_cache(maxsize=4096)
def _parse(text: str) -> Any:
    """Return the parsed expression if every symbol in it is SPDX, else None."""
    if not _EXPRESSION.fullmatch(text) or len(text) > _LONGEST:
        return None
    try:
        return _licensing().parse(text, validate=True, strict=True)
    except (ExpressionError, ValueError, AttributeError, TypeError):
        return None


def _read(value: str) -> tuple[str, str]:
    text = value.strip()
    if len(text) > _LONGEST:
        return UNKNOWN, "none"
    parsed = _parse(text)
    if parsed is not None:
        return str(parsed.render()), "declared"
    licence = _by_name(text)
    return (licence, "mapped") if licence else (UNKNOWN, "none")


def _by_name(text: str) -> str | None:
    """Return the SPDX expression of a usual name, PyPI classifier or licence address."""
    lines = {line.strip() for line in text.splitlines() if line.strip()}
    if len(lines) > 1:
        # Several classifiers: they must mean the same.
        found = {_read(line)[0] for line in lines}
        return found.pop() if len(found) == 1 and UNKNOWN not in found else None
    name = _SPACES.sub(" ", text).casefold().replace("licence", "license").strip(" .\"'")
    name = name.rpartition("::")[2].strip()
    if address := _SCHEME.match(name):
        return _by_address(name[address.end() :])
    if "creativecommons.org/" in name:
        return _by_address(name[name.index("creativecommons.org/") :])
    name = name.removeprefix("the ").strip()
    if name in ALIASES:
        return ALIASES[name]
    if match := _CC_NAME.fullmatch(name):
        code = CC_CODES.get(re.sub(r"[ -]", "", match["code"]))
        return _known(f"CC-{code}-{match['version']}") if code else None
    return None


def _by_address(address: str) -> str | None:
    if match := _CC_URL.fullmatch(address):
        base = f"CC-{match['code'].upper()}-{match['version']}"
        place = (match["place"] or "").upper()
        # Not every ported licence has an SPDX id; the unported one then stands for it.
        return (_known(f"{base}-{place}") if place else None) or _known(base)
    for pattern, template in URL_RULES:
        if match := pattern.fullmatch(address):
            return _known(match.expand(template))
    return None


def _known(text: str) -> str | None:
    parsed = _parse(text)
    return str(parsed.render()) if parsed is not None and parsed.isliteral else None
