# SPDX-License-Identifier: Apache-2.0
"""SPDX licence tags in texts, as source files carry them in their heads.

Source: SPDX specification 2.3, annex E: `SPDX-License-Identifier: EXPRESSION` to the end of the line.
"""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa

from .literals import Hits, lines_around
from .marks import LICENCE, LICENCE_TAG

_VALUE = re.compile(r"[ \t]{0,8}([^\r\n]{1,200})")
_ENDS = re.compile(r"[ \t]*(?:\*/|-->|#}|\*\)|\"|'|,|;).*$")

_REACH = 1024
"""Bytes behind a tag that its value can take: 208 characters, at most 4 bytes each."""


def text_licences(texts: pa.Array, marks: Hits) -> pa.Array:
    """Return the licence that the tags in each text name.

    Args:
        texts: string array; null allowed.
        marks: What `find_marks` found in them.

    Returns:
        string array: the expression as written; null where there is no tag or where tags differ.
    """
    chosen = (marks.groups & LICENCE) > 0
    rows, lines = lines_around(texts, marks.row[chosen], marks.end[chosen], _REACH)
    names: dict[int, set[str]] = {}
    for row, line in zip(rows.tolist(), lines.to_pylist(), strict=True):
        # Cut at the tags and matched there: an expression searches a text six times as slowly.
        tags = (_VALUE.match(after) for after in line.split(LICENCE_TAG)[1:])
        names.setdefault(row, set()).update(_ENDS.sub("", tag[1]).strip() for tag in tags if tag)
    named = {row: found.pop() for row, found in names.items() if len(found) == 1}
    place = np.full(len(texts), -1)
    place[list(named)] = np.arange(len(named))
    return pa.array(list(named.values()), pa.string()).take(pa.array(place, mask=place < 0))
