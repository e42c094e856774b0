# SPDX-License-Identifier: Apache-2.0
"""Counts per document, for the policy: how many identifiers of which grade, and minor cues."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import re2

from ...schemas.reasons import PiiGrade
from .entities import ENTITY

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


@dataclass(frozen=True)
class DocumentPii:
    """Counts of one batch, one value per document.

    Args:
        total: int32[n], spans of any type, reserved addresses and bare place names left out.
        sensitive: int32[n], spans graded sensitive, minor or secret.
        distinct_sensitive: int32[n], the same by distinct value, so a repeated number counts once.
        secret: int32[n], spans graded secret.
        minor: bool[n], personal data stands near a cue that its subject is under 18.
    """

    total: npt.NDArray[np.int32]
    sensitive: npt.NDArray[np.int32]
    distinct_sensitive: npt.NDArray[np.int32]
    secret: npt.NDArray[np.int32]
    minor: npt.NDArray[np.bool_]


def document_counts(texts: pa.Array, spans: pa.Table) -> DocumentPii:
    """Count personal data per document.

    Args:
        texts: string or large_string[n].
        spans: What `detect` found in them.

    Returns:
        The counts; the policy compares them with its bounds (for example 3 sensitive or more).
    """
    rows = len(texts)
    kinds = spans["entity_type"].to_pylist()
    counted = np.array([ENTITY[kind].action != "keep" for kind in kinds], np.bool_)
    row = spans["row"].to_numpy()
    grade = spans["grade"].to_pylist()
    grave = np.array([word != PiiGrade.GENERAL.value for word in grade], np.bool_)
    hidden = np.array([word == PiiGrade.SECRET.value for word in grade], np.bool_)

    def tally(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
        return np.bincount(row[mask], minlength=rows).astype(np.int32)

    distinct = np.zeros(rows, np.int32)
    if grave.any():
        pairs = (
            spans.select(["row", "value_hmac"])
            .filter(pa.array(grave))
            .group_by(["row", "value_hmac"])
            .aggregate([])
        )
        distinct = np.bincount(pairs["row"].to_numpy(), minlength=rows).astype(np.int32)
    minor = np.zeros(rows, np.bool_)
    start, end = spans["start"].to_numpy(), spans["end"].to_numpy()
    for number in np.unique(row[counted]).tolist():
        text = texts[number].as_py()
        cues = [match.span() for match in _MINOR_CUE.finditer(text)]
        if cues:
            own = np.flatnonzero((row == number) & counted)
            minor[number] = any(
                start[i] - MINOR_DISTANCE <= cue[1] and cue[0] <= end[i] + MINOR_DISTANCE
                for i in own.tolist()
                for cue in cues
            )
    return DocumentPii(tally(counted), tally(grave), distinct, tally(hidden), minor)
