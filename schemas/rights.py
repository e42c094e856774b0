# SPDX-License-Identifier: Apache-2.0
"""Words of rights signals: who can say what, where it is seen, and what it comes to.

A *signal* is what one protocol says of one document in one place. The set of protocols is data: a
job can record any of them without letting it act.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from .job_model import JobModel


class Protocol(StrEnum):
    """A way to state a preference about training, in the order that names the deciding signal."""

    CONTRACT = "contract"
    LIST = "list"
    TDMREP = "tdmrep"
    CONTENT_USAGE = "content_usage"
    CONTENT_SIGNAL = "content_signal"
    X_ROBOTS = "x_robots"
    RSL = "rsl"
    ROBOTS = "robots"
    AI_TXT = "ai_txt"
    LICENCE = "licence"
    NOTICE = "notice"


class Channel(StrEnum):
    """Where a signal was seen."""

    HTTP_HEADER = "http_header"
    HTML_META = "html_meta"
    ROBOTS_TXT = "robots_txt"
    TDMREP_JSON = "tdmrep_json"
    RSL_FILE = "rsl_file"
    AI_TXT_FILE = "ai_txt_file"
    TEXT = "text"
    RECORD = "record"
    SOURCE = "source"
    LIST_FILE = "list_file"


class SignalValue(StrEnum):
    """What a signal says of training, least restrictive first."""

    UNKNOWN = "unknown"
    ALLOW = "allow"
    LICENCE_REQUIRED = "licence_required"
    DENY = "deny"


class SignalStatus(StrEnum):
    """How reading a signal went; only `ok` can allow."""

    SILENT = "silent"
    """Looked at, and it says nothing of training."""
    OK = "ok"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    NO_FILE = "no_file"
    """The origin has no such file (4xx)."""
    UNREACHABLE = "unreachable"
    """The origin did not answer the request for the file (5xx and the like)."""
    NOT_FETCHED = "not_fetched"
    """It is named elsewhere, but no snapshot holds it."""


class SnapshotKind(StrEnum):
    """Files of an origin that a snapshot table can hold."""

    ROBOTS = "robots"
    TDMREP = "tdmrep"
    AI_TXT = "ai_txt"
    RSL = "rsl"


class UaPolicy(StrEnum):
    """Whose rules count where a protocol addresses crawlers by name."""

    CRAWLER_ONLY = "crawler_only"
    OWN_TOKEN = "own_token"  # noqa: S105  (a product token, no secret)
    ANY_TRAIN_AGENT = "any_train_agent"
    ANY_AI_AGENT = "any_ai_agent"


class AsOf(StrEnum):
    """Which snapshot of an origin's file counts."""

    FETCH = "fetch"
    LATEST = "latest"
    BOTH = "both"


class Snapshot(JobModel):
    """One table of files that origins served, as they were fetched; never the live network."""

    kind: SnapshotKind = Field(description="Which file of an origin the table holds.")
    path: str = Field(
        description="Parquet file, relative to the job file: `origin` (scheme, host and port), "
        "`fetched` (timestamp or ISO 8601), `status` (HTTP status), `body` and, to be checked, "
        "`digest` (sha256 of the body)."
    )
