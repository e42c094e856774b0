# SPDX-License-Identifier: Apache-2.0
"""Presidio's pattern recognisers as rows of the pattern table, behind the same prefilter.

presidio-analyzer runs every recogniser over every text with a backtracking engine, and a pattern
that times out is skipped with a warning. Here its patterns that compile under
RE2 are rows like any other: linear, prefiltered, fail closed. Its scores, validators and context
words are kept; the detector is named `presidio:<recogniser>:<pattern>`.

    rows = presidio_patterns()
    detect(texts, langs, key=key, custom=rows)
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Collection
from typing import Any

import re2

from .pattern import Pattern
from .validators import Check, Span, Text

CONTEXT_BYTES = 60
"""Bytes before a value in which a context word counts: Presidio looks at 5 words, about as much."""
CONTEXT_BOOST = 0.35
"""Presidio's `context_similarity_factor` (LemmaContextAwareEnhancer, 2.2.366)."""
MIN_SCORE = 0.5
"""Rows that stay below this even with context are left out."""
PRIORITY = 33
"""Below muniment's own rows, which name a value that both find."""

# Presidio entity to muniment type. What is not here (URL, DATE_TIME, medical codes of drugs and
# organisations) is no personal identifier.
ENTITY_TYPES: dict[str, str] = {
    "CREDIT_CARD": "CREDIT_CARD",
    "CRYPTO": "CRYPTO",
    "EMAIL_ADDRESS": "EMAIL_ADDRESS",
    "IBAN_CODE": "IBAN_CODE",
    "MAC_ADDRESS": "MAC_ADDRESS",
    "US_SSN": "US_SSN",
    "US_ITIN": "US_ITIN",
    "US_PASSPORT": "PASSPORT",
    "UK_PASSPORT": "PASSPORT",
    "IN_PASSPORT": "PASSPORT",
    "IT_PASSPORT": "PASSPORT",
    "US_DRIVER_LICENSE": "DRIVER_LICENCE",
    "UK_DRIVING_LICENCE": "DRIVER_LICENCE",
    "IT_DRIVER_LICENSE": "DRIVER_LICENCE",
    "US_BANK_NUMBER": "BANK_ACCOUNT",
    "ABA_ROUTING_NUMBER": "BANK_ACCOUNT",
    "UK_NHS": "UK_NHS",
    "UK_NINO": "UK_NINO",
    "UK_VEHICLE_REGISTRATION": "VEHICLE_PLATE",
    "IN_VEHICLE_REGISTRATION": "VEHICLE_PLATE",
    "MEDICAL_LICENSE": "NATIONAL_ID",
    **dict.fromkeys(
        (
            "AU_MEDICARE AU_TFN ES_NIE ES_NIF FI_PERSONAL_IDENTITY_CODE IN_AADHAAR IN_PAN IN_VOTER "
            "IT_FISCAL_CODE IT_IDENTITY_CARD KR_RRN KR_FRN PL_PESEL SG_NRIC_FIN SE_PERSONNUMMER "
            "TH_TNIN TR_NATIONAL_ID DE_TAX_ID DE_SOCIAL_SECURITY NG_NIN CA_SIN US_MBI"
        ).split(),
        "NATIONAL_ID",
    ),
}


@functools.cache
def presidio_patterns(entities: Collection[str] | None = None) -> tuple[Pattern, ...]:
    """Return Presidio's English pattern recognisers as rows.

    Args:
        entities: Presidio entity names to take (hashable, such as a tuple); None for all of
            `ENTITY_TYPES`.

    Returns:
        Rows sorted by detector. Patterns that RE2 refuses (look-around, back-references) are left
        out: muniment's own rows cover their types.

    Raises:
        ImportError: presidio-analyzer is not installed.
    """
    # Set before the import: the mail recogniser's suffix list would be fetched on first use.
    os.environ.setdefault("TLDEXTRACT_PUBLIC_SUFFIX_LIST_URLS", "")
    from presidio_analyzer import (  # noqa: PLC0415 (seconds to import)
        PatternRecognizer,
        predefined_recognizers,
    )

    rows = []
    for _, kind in sorted(inspect.getmembers(predefined_recognizers, inspect.isclass)):
        if not issubclass(kind, PatternRecognizer) or kind is PatternRecognizer:
            continue
        try:
            recogniser: Any = kind()  # type: ignore[call-arg]  # predefined ones have defaults
        except (TypeError, ValueError, ImportError):
            continue  # Needs settings or a package of its own.
        entity = recogniser.supported_entities[0]
        if entity in ENTITY_TYPES and (entities is None or entity in entities):
            rows += _rows(recogniser, ENTITY_TYPES[entity])
    return tuple(sorted(rows, key=lambda row: (row.detector, row.regex)))


def _rows(recogniser: Any, entity: str) -> list[Pattern]:
    rows = []
    # Presidio compiles with DOTALL, MULTILINE and IGNORECASE.
    for pattern in recogniser.patterns:
        regex = "(?ims)" + pattern.regex
        if not _is_re2(regex):
            continue
        detector = f"presidio:{recogniser.name}:{pattern.name}"
        validates = type(recogniser).validate_result is not _base_validate()
        words = tuple(word.lower().encode() for word in recogniser.context or ())
        if validates and pattern.score >= 0.1:
            rows.append(Pattern(detector, entity, regex, 1.0, _validated(recogniser), PRIORITY))
        elif pattern.score >= MIN_SCORE:
            rows.append(Pattern(detector, entity, regex, pattern.score, None, PRIORITY))
        elif words and pattern.score + CONTEXT_BOOST >= MIN_SCORE:
            score = pattern.score + CONTEXT_BOOST
            rows.append(Pattern(detector, entity, regex, score, _in_context(words), PRIORITY))
    return rows


@functools.cache
def _base_validate() -> object:
    from presidio_analyzer import PatternRecognizer  # noqa: PLC0415

    return PatternRecognizer.validate_result


def _is_re2(regex: str) -> bool:
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(regex.encode(), options)
    except re2.error:
        return False
    return True


def _validated(recogniser: Any) -> Check:
    def check(data: Text, start: int, end: int) -> Span | None:
        value = bytes(data[start:end]).decode("utf-8", "replace")
        return (start, end) if recogniser.validate_result(value) is True else None

    return check


def _in_context(words: tuple[bytes, ...]) -> Check:
    def check(data: Text, start: int, end: int) -> Span | None:
        before = bytes(data[max(0, start - CONTEXT_BYTES) : start]).lower()
        return (start, end) if any(word in before for word in words) else None

    return check
