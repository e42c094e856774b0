# SPDX-License-Identifier: Apache-2.0
"""Cues that the subject of personal data is under 18, in English and Chinese."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import re2

MINOR_DISTANCE = 160
"""Code points between a minor cue and personal data that still count as near: two sentences."""

_MINOR = (
    r"(?i:\b(?:aged?|is)\s(?:[1-9]|1[0-7])\b(?:\s?(?:years?|yrs?)(?:\s|-)?old)?[^0-9%]|"
    r"\b(?:[1-9]|1[0-7])[ -]?(?:years?|yrs?)[ -]old\b|\b(?:[1-9]|1[0-7])yo\b|"
    r"\b(?:kindergarten|kindergartner|preschool(?:er)?|toddler|"
    r"(?:elementary|primary|middle|grade) school|"
    r"schoolboy|schoolgirl|(?:first|second|third|fourth|fifth|sixth|seventh|"
    r"eighth)[ -]grader?|minor child)\b)|"
    r"(?:[1-9]|1[0-7])\s?(?:岁|周岁|歲)|[一二三四五六七八九]岁|十[一二三四五六七]?岁|未成年|小学生|中学生|初中生|幼儿园|"
    r"小学[一二三四五六]年级|[一二三四五六七八九]年级|初[一二三]|高[一二](?:学生|[（(]|班)|学籍号|班级名单"
)
_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_MINOR_CUE = re2.compile(_MINOR, _OPTIONS)


def near_minor_cue(text: str, spans: Sequence[tuple[int, int]]) -> list[bool]:
    """Say of each span whether a cue stands within `MINOR_DISTANCE`.

    Args:
        text: The document.
        spans: [start, end) in code points.
    """
    cues = [match.span() for match in _MINOR_CUE.finditer(text)] if spans else []
    if not cues:
        return [False] * len(spans)
    # Cues are disjoint and in order, so the first one that does not end too early is the nearest.
    ends = [last for _, last in cues]
    near = []
    for start, end in spans:
        at = bisect_left(ends, start - MINOR_DISTANCE)
        near.append(at < len(cues) and cues[at][0] <= end + MINOR_DISTANCE)
    return near
