# SPDX-License-Identifier: Apache-2.0
"""Closed vocabularies: what can happen to a document, and why.

Every input record ends with exactly one `Outcome`; removed and quarantined records carry exactly
one terminal `Reason`, kept records none. Adding a member is a schema change (see CHANGELOG).
"""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Outcome(StrEnum):
    """What became of an input record."""

    KEPT = "kept"
    REMOVED = "removed"
    QUARANTINED = "quarantined"


class Reason(StrEnum):
    """Why a record was removed or quarantined; the value is what the manifest holds."""

    # removed: a rule decided
    EMPTY = "empty"
    SOURCE_BLACKLISTED = "source_blacklisted"
    OPTOUT_DOMAIN = "optout_domain"
    OPTOUT_URL = "optout_url"
    OPTOUT_AUTHOR = "optout_author"
    TAKEDOWN = "takedown"
    ERASURE = "erasure"
    RIGHTS_RESERVED = "rights_reserved"
    LICENCE_NOT_ALLOWED = "licence_not_allowed"
    RIGHTS_UNKNOWN = "rights_unknown"
    LANGUAGE_NOT_ALLOWED = "language_not_allowed"
    TOXIC = "toxic"
    PII_DENSE = "pii_dense"
    PII_MINOR = "pii_minor"
    PII_DROPPED = "pii_dropped"
    NAMES_UNREAD = "names_unread"
    DUP_EXACT = "dup_exact"
    DUP_NEAR = "dup_near"
    DUP_CONTAINED = "dup_contained"
    DUP_URL = "dup_url"
    BOILERPLATE = "boilerplate"
    OPTOUT_DUP = "optout_dup"
    # quarantined: the record could not be judged; it is never kept (fail closed)
    JSON_SYNTAX = "json_syntax"
    NOT_AN_OBJECT = "not_an_object"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    INVALID_UTF8 = "invalid_utf8"
    SURROGATE = "surrogate"
    NUMBER_OUT_OF_RANGE = "number_out_of_range"
    TOO_DEEP = "too_deep"
    DUPLICATE_KEY = "duplicate_key"
    TOO_LARGE = "too_large"
    BAD_ID = "bad_id"
    NO_SOURCE = "no_source"
    AMBIGUOUS_URL = "ambiguous_url"
    TRUNCATED_STREAM = "truncated_stream"
    CORRUPT_STREAM = "corrupt_stream"
    EMPTY_STREAM = "empty_stream"
    DECOMPRESSION_LIMIT = "decompression_limit"
    CORRUPT_PARQUET = "corrupt_parquet"
    CORRUPT_RECORD = "corrupt_record"
    TRUNCATED_RECORD = "truncated_record"
    DIGEST_MISMATCH = "digest_mismatch"
    EXTRACTION_FAILED = "extraction_failed"
    BIDI_CONTROL = "bidi_control"
    DETECTOR_CAP = "detector_cap"
    STAGE_ERROR = "stage_error"


QUARANTINE_REASONS: tuple[Reason, ...] = tuple(Reason)[tuple(Reason).index(Reason.JSON_SYNTAX) :]
"""Reasons that quarantine; all others remove."""

REASON_CODES: dict[Reason, int] = {reason: code for code, reason in enumerate(Reason, start=1)}
"""Reason as a `uint8` inside the run (0 = none); the manifest holds the word, never the code."""

REASON_WORDS: tuple[str | None, ...] = (None, *(reason.value for reason in Reason))
"""`REASON_WORDS[code]` is the word of a code."""


class RightsState(StrEnum):
    """What the rights signals of a document resolve to."""

    ALLOW = "allow"
    DENY = "deny"
    UNKNOWN = "unknown"


class RightsObservability(StrEnum):
    """How much of the rights signals the input could show (reference: reservation protocols)."""

    FULL = "full"
    PAGE_ONLY = "page_only"
    ROBOTS_ONLY = "robots_only"
    NONE = "none"


class PiiGrade(StrEnum):
    """Grade of personal data, after GB/T 35273-2020 and PIPL, mildest first."""

    GENERAL = "general"
    SENSITIVE = "sensitive"
    MINOR = "minor"
    SECRET = "secret"  # noqa: S105  (a grade)


class ClusterRole(IntEnum):
    """What a document is in its duplicate cluster."""

    NONE = 0
    SURVIVOR = 1
    EXACT_COPY = 2
    NEAR_COPY = 3
    CONTEXT = 4
    """Removed or quarantined for another reason; never a witness for a removal."""
    CONTAINED_COPY = 5
    ADDRESS_COPY = 6
