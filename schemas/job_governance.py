# SPDX-License-Identifier: Apache-2.0
"""What a job file says of requests, of the approval of its rules, and of release gates."""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from .job_model import JobModel, Name

Sha256Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Ed25519Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

DAYS_TO_ANSWER = 30
"""Days in which a request is to be answered where it names no other day.

Source: GDPR Art. 12(3), one month; PIPL Art. 50 leaves the time to the handler.
"""


class RequestKind(StrEnum):
    """What a request asks for."""

    TDM_OPTOUT = "tdm_optout"
    TAKEDOWN = "takedown"
    ERASURE = "erasure"
    RECTIFICATION = "rectification"
    OBJECTION = "objection"
    WITHDRAWAL = "withdrawal"
    AUTHOR_OPTOUT = "author_optout"


class Request(JobModel):
    """The request of a person or rightsholder that a list carries out.

    The person is never named here: the list holds what is to leave (addresses, hashes), the file
    of the request stays with whoever handles it.
    """

    id: Name = Field(description="Short name, unique in the job; also a case number.")
    kind: RequestKind = Field(description="What is asked for.")
    legal_ref: str = Field(min_length=2, description="Law or contract it rests on, with article.")
    received: date = Field(description="Day it was received.")
    verified: date | None = Field(None, description="Day the asker's right was verified.")
    due: date | None = Field(
        None, description="Last day to answer; 30 days after receipt where not given."
    )
    closed: date | None = Field(None, description="Day it was answered; open without one.")

    @property
    def last_day(self) -> date:
        """Return the last day to answer."""
        return self.due or self.received + timedelta(days=DAYS_TO_ANSWER)


class Approval(JobModel):
    """Who approved the rules of this job; other rules than those are refused."""

    approved_by: str = Field(
        min_length=2, description="Who approved; another person than who runs the job."
    )
    approved_on: date = Field(description="Day of the approval.")
    policy_sha256: Sha256Hex = Field(
        description="Digest of the rules that were approved; `muniment run --dry-run` prints it."
    )


class Gates(JobModel):
    """What must hold before a release becomes current, besides what always must."""

    max_list_age_days: int | None = Field(
        None,
        ge=0,
        le=3650,
        description="Days since a list was retrieved from which it is too old; null only reports "
        "the age, so that an old job can be run again.",
    )
    signers: tuple[Ed25519Hex, ...] = Field(
        (),
        description="Public ed25519 keys (hexadecimal) of which one must have signed a release "
        "before it becomes current; empty asks for no signature.",
    )
