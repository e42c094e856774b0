# SPDX-License-Identifier: Apache-2.0
"""What a parser of rights signals returns, and how several readings of one protocol combine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ...schemas.rights import SignalStatus, SignalValue

VALUES = tuple(SignalValue)
STATUSES = tuple(SignalStatus)
"""A value or status is its position here in compiled columns; values grow with strictness."""


class Reading(NamedTuple):
    """What one protocol says in one place.

    Attributes:
        value: What it says of training.
        status: How reading it went; `allow` and `licence_required` come with `ok` alone.
        agent: Product token whose rule decided, lower case, where agents are addressed; else None.
    """

    value: SignalValue
    status: SignalStatus
    agent: str | None = None


SILENT = Reading(SignalValue.UNKNOWN, SignalStatus.SILENT)
MALFORMED = Reading(SignalValue.UNKNOWN, SignalStatus.MALFORMED)
TOO_LARGE = Reading(SignalValue.UNKNOWN, SignalStatus.TOO_LARGE)
NO_FILE = Reading(SignalValue.UNKNOWN, SignalStatus.NO_FILE)
UNREACHABLE = Reading(SignalValue.UNKNOWN, SignalStatus.UNREACHABLE)
NOT_FETCHED = Reading(SignalValue.UNKNOWN, SignalStatus.NOT_FETCHED)


def allow(agent: str | None = None) -> Reading:
    """Return a reading that permits training."""
    return Reading(SignalValue.ALLOW, SignalStatus.OK, agent)


def deny(agent: str | None = None) -> Reading:
    """Return a reading that reserves training."""
    return Reading(SignalValue.DENY, SignalStatus.OK, agent)


def licence_required() -> Reading:
    """Return a reading that permits training against payment or another licence."""
    return Reading(SignalValue.LICENCE_REQUIRED, SignalStatus.OK)


def strictest(readings: Iterable[Reading]) -> Reading:
    """Return the most restrictive reading, the first of equals; silent where there is none.

    Of readings that say nothing, one that could not be read wins over one that is silent.
    """
    best = SILENT
    for reading in readings:
        if _rank(reading) > _rank(best):
            best = reading
    return best


def cut(reading: Reading) -> Reading:
    """Return a reading of a carrier or file that was not read to its end.

    What it reserves stays reserved; that it permits is unknown, as the rest might reserve.
    """
    return reading if reading.value is SignalValue.DENY else TOO_LARGE


def _rank(reading: Reading) -> tuple[int, bool]:
    return VALUES.index(reading.value), reading.status is not SignalStatus.SILENT
