# SPDX-License-Identifier: Apache-2.0
"""What a row of the pattern tables is, and the gaps between a cue and its value."""

from __future__ import annotations

from dataclasses import dataclass

from ...schemas.reasons import PiiGrade
from .validators import Check


@dataclass(frozen=True)
class Pattern:
    """One way to find one type of value.

    Args:
        detector: Name in the `detector` column.
        entity: A name of `entities.ENTITY`.
        regex: RE2 expression over UTF-8; group 1, if there is one, is the value.
        score: Probability-like confidence of a confirmed hit, in (0, 1].
        check: Confirms a hit or shortens it; None where the shape says enough.
        priority: Of overlapping hits the one with the higher priority names the type.
        more: RE2 expression of a further value right behind a confirmed one, its group 1: the
            second and third of a list after one cue. The same check confirms it.
        grade: Grade of its spans; None for that of the entity type.
    """

    detector: str
    entity: str
    regex: str
    score: float
    check: Check | None = None
    priority: int = 50
    more: str | None = None
    grade: PiiGrade | None = None


GAP = (
    r"[^0-9A-Za-z\[\n]{0,8}(?:(?i:is|was|are|no|nr|number|num|code|id|at|on|of|the|my|our)\b"
    r"[^0-9A-Za-z\[\n]{0,4}){0,4}"
)
"""What may stand between a cue and its value: punctuation, blanks, a few small words."""

ZH_GAP = r"(?:号码|编号|账号|账户|帐号|号|证)?(?:\s|[:：是为，,（(「“\"'#=]){0,6}"
"""The same in Chinese."""


def custom(name: str, regex: str, score: float = 0.8) -> Pattern:
    """Return a pattern of the user's own.

    Args:
        name: Its name; the detector column says `custom:<name>`.
        regex: An RE2 expression (no look-around, no back-reference); group 1, if any, is the value.
        score: In (0, 1].

    Returns:
        The pattern, entity type `CUSTOM`.
    """
    return Pattern(f"custom:{name}", "CUSTOM", regex, score, priority=65)
