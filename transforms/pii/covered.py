# SPDX-License-Identifier: Apache-2.0
"""A text as it reads once its spans are replaced, so that detection can look at it before."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

import numpy as np

from .entities import ENTITY
from .operators import placeholder
from .shadow import View, fold
from .spans import Span

MARGIN = 160
"""Characters on either side of a placeholder that are searched again: a value with its cue."""


class Covered:
    """A text as it reads once spans are replaced by placeholders, and the way back.

    Args:
        text: The original.
        spans: Disjoint spans by start; those whose type is kept by default stay as they are.
    """

    def __init__(self, text: str, spans: Sequence[Span]) -> None:
        self._spans = [span for span in spans if ENTITY[span.entity].action != "keep"]
        pieces: list[str] = []
        self._begins: list[int] = []
        self._ends: list[int] = []
        at = length = 0
        for span in self._spans:
            label = placeholder(span.entity)
            length += span.start - at
            self._begins.append(length)
            length += len(label)
            self._ends.append(length)
            pieces += (text[at : span.start], label)
            at = span.end
        pieces.append(text[at:])
        self._text = "".join(pieces)

    def windows(self) -> Iterator[tuple[int, View]]:
        """Yield the text `MARGIN` characters around its placeholders, neighbours together.

        Yields:
            (where the window begins in the redacted text, its shadow).
        """
        text, last = self._text, 0
        for i, begin in enumerate(self._begins):
            if i and begin - self._ends[i - 1] <= 2 * MARGIN:
                continue
            stop = i
            while stop + 1 < len(self._begins) and (
                self._begins[stop + 1] - self._ends[stop] <= 2 * MARGIN
            ):
                stop += 1
            # Cut at blanks, where no value can be.
            low = max(
                last, text.rfind(" ", last, max(last, begin - MARGIN)) + 1, begin - 2 * MARGIN
            )
            high = text.find(" ", self._ends[stop] + MARGIN, self._ends[stop] + 2 * MARGIN)
            high = self._ends[stop] + 2 * MARGIN if high < 0 else high
            raw = text[low:high].encode()
            if raw.isascii():
                yield low, View(memoryview(raw), 0, len(raw), None)
            else:
                yield low, fold(np.frombuffer(raw, np.uint8), 0, len(raw))

    def original(self, span: Span, place: int) -> Span:
        """Return a span of the window that begins at `place` as a span of the original text."""
        return span._replace(
            start=self._back(place + span.start, end=False),
            end=self._back(place + span.end, end=True),
        )

    def _back(self, at: int, *, end: bool) -> int:
        i = bisect_right(self._begins, at - end) - 1
        if i < 0:
            return at
        span = self._spans[i]
        if at < self._ends[i] or (end and at == self._ends[i]):
            return span.end if end else span.start
        return at - self._ends[i] + span.end
