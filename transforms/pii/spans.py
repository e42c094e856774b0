# SPDX-License-Identifier: Apache-2.0
"""Spans of personal data: their schema, and how overlapping ones become one.

A span is `[start, end)` in Unicode code points of the original text. Spans of one document never
overlap: of hits that overlap, the union is kept (so no fragment of a value stays in the text), and
the hit with the highest (priority, length, place in the entity table, detector name) names it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import pyarrow as pa

from .entities import ENTITIES

WORD = pa.dictionary(pa.int32(), pa.string())

SPANS = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("start", pa.int32(), nullable=False),
        pa.field("end", pa.int32(), nullable=False),
        pa.field("entity_type", WORD, nullable=False),
        pa.field("grade", WORD, nullable=False),
        pa.field("score", pa.float32(), nullable=False),
        pa.field("detector", WORD, nullable=False),
        pa.field("value_hmac", pa.binary(16), nullable=False),
    ]
)
"""What `detect_pii` returns, sorted by (row, start)."""

_RANK = {entity.name: rank for rank, entity in enumerate(ENTITIES)}


class Span(NamedTuple):
    """One hit in one document.

    Args:
        start: First code point of the original.
        end: Code point after the last.
        entity: Entity type.
        detector: Who found it.
        score: Confidence in (0, 1].
        priority: Who names the union of overlapping hits.
        value: The value as the detector read it; never leaves the process.
        value_hmac: Its keyed hash, where it was found before and only that is left; else empty.
    """

    start: int
    end: int
    entity: str
    detector: str
    score: float
    priority: int
    value: str
    value_hmac: bytes = b""


def _strength(span: Span) -> tuple[int, int, int, str]:
    return span.priority, span.end - span.start, _RANK[span.entity], span.detector


def merge(spans: Iterable[Span]) -> list[Span]:
    """Join overlapping spans.

    Args:
        spans: Hits of one document, in any order.

    Returns:
        Disjoint spans by start; each the union of hits that overlap, named by the strongest.
    """
    out: list[Span] = []
    ordered = sorted(set(spans), key=lambda span: (span.start, span.end, _strength(span)))
    for span in ordered:
        if out and span.start < out[-1].end:
            last = out[-1]
            best = max(last, span, key=_strength)
            out[-1] = best._replace(start=last.start, end=max(last.end, span.end))
        else:
            out.append(span)
    return out
