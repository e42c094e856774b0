# SPDX-License-Identifier: Apache-2.0
"""Marks that say a text was generated: the `AIGC` label of GB 45438-2025 in front matter.

The implicit label stands in metadata; in plain text that is YAML front matter with a mapping
`AIGC:` that holds `Label` and the codes of producer and propagator (annex E of the standard, as
seen in public Markdown files). `Label: 1` is generated, 2 may be, 3 is suspected to be.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

VERSION = "gb45438-2025"

MARKS = ("generated", "possibly_generated", "suspected", "labelled")
"""What the label says; `labelled` where its value is missing or not one of the three."""

MAX_FRONT_MATTER = 8192
"""Code points in which the label must stand; front matter has some hundred."""

_LABEL = re.compile(
    r"^[ \t]{0,8}[\"']?AIGC[\"']?[ \t]{0,8}:(?P<rest>[^\n]{0,2048})\n?(?P<below>(?:[ \t]+[^\n]*\n?){0,16})",
    re.MULTILINE,
)
_VALUE = re.compile(r"[\"']?\bLabel\b[\"']?[ \t]{0,8}:[ \t]{0,8}[\"']?([0-9]{1,2})\b")


def find_labels(texts: pa.Array) -> pa.Array:
    """Return what the AIGC label in the front matter of each text says.

    Args:
        texts: string array; null allowed.

    Returns:
        string array: a word of `MARKS`, null where there is no label.
    """
    framed = pc.fill_null(pc.match_substring_regex(texts, r"^\x{FEFF}?---\s"), False)
    if not pc.any(framed).as_py():
        return pa.nulls(len(texts), pa.string())
    heads = pc.utf8_slice_codeunits(texts.filter(framed), 0, MAX_FRONT_MATTER)
    marks = [_mark(head) for head in heads.to_pylist()]
    return pc.replace_with_mask(
        pa.nulls(len(texts), pa.string()), framed, pa.array(marks, pa.string())
    )


def _mark(head: str) -> str | None:
    front = head.lstrip("\ufeff")
    if not front.startswith("---"):
        return None
    found = _LABEL.search(front.partition("\n---")[0] + "\n", 3)
    if found is None:
        return None
    value = _VALUE.search(found["rest"]) or _VALUE.search(found["below"])
    known = value is not None and value[1] in ("1", "2", "3")
    return MARKS[int(value[1]) - 1] if value is not None and known else MARKS[3]
