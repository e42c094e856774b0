# SPDX-License-Identifier: Apache-2.0
"""Copyright and reservation notices in the text of documents, in six languages: flags, never verdicts.

Whether a sentence in a text reserves rights in the meaning of the law is disputed, so a notice is
evidence for people. Patterns are written from notices as they stand on pages in English, German,
French, Spanish, Chinese (both scripts) and Japanese, and in EU model clauses on article 4 of
Directive (EU) 2019/790; they are matched by RE2, in time linear in the text.
"""

from __future__ import annotations

import functools

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import re2

from .literals import Hits, lines_around
from .marks import COPYRIGHT, RESERVATION

VERSION = "notices-1"

NOTICES = ("reservation", "copyright")
"""A notice that reserves mining or training; any other notice of copyright."""

_RESERVATIONS = (
    # English
    r"(?:may|must|shall|can) ?not be (?:used|copied|reproduced|scraped|crawled)[^.\n]{0,100}"
    r"(?:\btrain|machine.learning|data.mining|artificial.intelligence|\bai\b)",
    r"text.and.data.mining[^.\n]{0,60}(?:reserved|prohibited|not.permitted|not.allowed|forbidden)",
    r"(?:reserve[sd]?|prohibits?|forbidden|no)[^.\n]{0,60}(?:ai.training|text.and.data.mining)",
    # German
    r"text.{1,5}data.{0,2}mining[^.\n]{0,60}(?:vorbehalten|untersagt|nicht gestattet)",
    r"nutzungsvorbehalt[^.\n]{0,60}44b",
    # French
    r"fouille de textes et de donn[^.\n]{0,80}(?:r.serv|interdit)",
    r"(?:oppos|interdi)[^.\n]{0,80}fouille de textes",
    # Spanish
    r"miner.a de textos? y datos[^.\n]{0,80}(?:reserv|prohib)",
    # Chinese
    r"(?:不得|禁止)[^。\n]{0,24}(?:训练|訓練|数据挖掘|資料探勘)",
    # Japanese
    r"(?:AI|人工知能|機械学習)[^。\n]{0,24}(?:学習|利用|解析)[^。\n]{0,24}(?:禁止|禁じ|お断り)",
)
_COPYRIGHTS = (
    r"all rights reserved",
    r"(?:©|\(c\)|copyright)[ ©(c)]{0,6}(?:19|20)[0-9][0-9]",
    r"alle rechte vorbehalten",
    r"tous droits r.serv",
    r"todos los derechos reservados|reservados todos los derechos",
    r"版权所有|版權所有|著作权归|著作權歸",
    r"(?:禁止|不得|请勿|請勿)[^。\n]{0,8}(?:转载|轉載)",
    r"無断転載|無断複製|無断使用|転載禁止|転載を禁",
)


_REACH = 512
"""Bytes on either side of a literal that a notice can take: 120 characters, at most 4 bytes each."""


@functools.cache
def _expression(patterns: tuple[str, ...]) -> re2._Regexp:
    """Compile patterns once: that takes as long as searching a megabyte."""
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    return re2.compile("|".join(patterns), options)


def find_notices(texts: pa.Array, marks: Hits) -> pa.Array:
    """Return the strongest notice in each text.

    Args:
        texts: string array; null allowed.
        marks: What `find_marks` found in them.

    Returns:
        string array: a word of `NOTICES`, null where there is none.
    """
    found = pa.nulls(len(texts), pa.string())
    for group, patterns in ((COPYRIGHT, _COPYRIGHTS), (RESERVATION, _RESERVATIONS)):
        chosen = (marks.groups & group) > 0
        rows, lines = lines_around(texts, marks.row[chosen], marks.end[chosen], _REACH)
        search = _expression(patterns).search
        parts = lines.cast(pa.binary()).to_pylist()  # RE2 takes twice as long for str
        hit = np.zeros(len(texts), dtype=bool)
        hit[[row for row, part in zip(rows, parts, strict=True) if search(part)]] = True
        found = pc.if_else(pa.array(hit), NOTICES[group == COPYRIGHT], found)
    return found
