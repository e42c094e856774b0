# SPDX-License-Identifier: Apache-2.0
"""What the register says of a source besides its papers: how far it is trusted, how clean it is."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from pydantic import Field

from .job_model import JobModel

MAX_ILLEGAL_SHARE = 0.05
"""Share of illegal content above which a source must not be used.

Source: TC260-003 and GB/T 45654-2025, assessment of a source before collection and again after it.
"""

MIN_EXAMINED = 100
"""Fewest documents of a sample (GB/T 45652 draft of 2024-03-28, 8.2.2: 100 of each type of source)."""


class TrustTier(StrEnum):
    """How far a source is trusted to hold what its publisher says."""

    OFFICIAL = "official"
    """Published by the authority that answers for it: law, statistics, standards."""
    ESTABLISHED = "established"
    """A publisher that can be held to account, with a release process of its own."""
    COMMUNITY = "community"
    """Made by many, with public rules and history: encyclopaedias, free software."""
    UNVERIFIED = "unverified"
    """Anything else, open crawls among it."""


class IllegalSample(JobModel):
    """What a review of a random sample of a source found before it was used."""

    examined: int = Field(
        ge=MIN_EXAMINED, description="Documents examined (GB/T 45652 draft, 8.2.2: at least 100)."
    )
    illegal: int = Field(ge=0, description="Those among them with illegal or harmful content.")
    reviewer: str = Field(min_length=1, description="Who examined them.")
    sampled: date = Field(description="Day of the review (ISO 8601).")

    @property
    def share(self) -> float:
        """Share of illegal content in the sample."""
        return self.illegal / self.examined

    @property
    def condemns(self) -> bool:
        """Whether the source must not be used."""
        return self.share > MAX_ILLEGAL_SHARE


def sample_problems(place: str, sample: IllegalSample | None, on_blacklisted: str) -> list[str]:
    """Return why the sample of a source refuses the job.

    Args:
        place: Place of the source in the job file.
        sample: What its review found, if there was one.
        on_blacklisted: `refuse`, or `remove`: the source is recorded, none of it is kept.
    """
    if sample is None:
        return []
    if sample.illegal > sample.examined:
        return [
            f"{place}.illegal_sample: {sample.illegal} illegal of {sample.examined} examined; "
            "expected no more than were examined"
        ]
    if sample.condemns and on_blacklisted == "refuse":
        return [
            f"{place}.illegal_sample: {sample.illegal} of {sample.examined} documents are illegal, "
            f"more than {MAX_ILLEGAL_SHARE:.0%}: the source must not be used (GB/T 45654-2025); "
            "leave it out, or set on_blacklisted: remove to record it and keep nothing of it"
        ]
    return []
