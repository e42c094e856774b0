# SPDX-License-Identifier: Apache-2.0
"""Redaction: replace spans by something that says what stood there and no more.

What replaces a value is a pure function of (entity type, keyed hash, length): no counter, no order
of arrival. Nothing an operator writes is found again by a detector, so redacting twice changes
nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ...schemas.errors import JobError
from .entities import ENTITIES, ENTITY, Action
from .shadow import View, fold
from .spans import Span

OPERATORS: tuple[Action, ...] = ("placeholder", "mask", "hash", "surrogate", "keep")
"""What can be done with a span; dropping a whole document is the policy's business."""


@dataclass(frozen=True)
class RedactionPolicy:
    """Which operator replaces which type.

    Args:
        actions: Operator by entity type; types not named have the default of the entity table.
        minimum_score: Spans scored lower are left alone, in [0, 1].

    Raises:
        JobError: An unknown type or operator.
    """

    actions: Mapping[str, Action] = field(default_factory=dict)
    minimum_score: float = 0.0

    def __post_init__(self) -> None:
        problems = [
            f"pii actions: expected an entity type, got {name}"
            for name in self.actions
            if name not in ENTITY
        ]
        problems += [
            f"pii actions.{name}: expected one of {', '.join(OPERATORS)}, got {action}"
            for name, action in self.actions.items()
            if action not in OPERATORS
        ]
        if problems:
            raise JobError(sorted(problems))

    def action(self, entity: str) -> Action:
        """Return the operator for an entity type."""
        return self.actions.get(entity, ENTITY[entity].action)


def _mask(value: str) -> str:
    """Stars for letters and digits, the shape kept, so length and separators still show."""
    return "".join("*" if char.isalnum() else char for char in value) if value else ""


_LETTERS = bytes.maketrans(b"0123456789abcdef", b"abcdefghijklmnop")


def _tag(digest: bytes, size: int) -> str:
    """Return the first bytes of a digest as letters a to p: no digit, so no detector matches it."""
    return digest[:size].hex().encode().translate(_LETTERS).decode()


def _surrogate(entity: str, digest: bytes) -> str:
    """Return a value from ranges reserved for documentation, chosen by the keyed hash."""
    number = int.from_bytes(digest[:6], "big")
    if entity == "EMAIL_ADDRESS":
        # RFC 2606 section 2: .invalid never resolves.
        return f"user-{_tag(digest, 4)}@redacted.invalid"
    if entity == "IP_ADDRESS":
        # RFC 5737 documentation ranges.
        block = ("192.0.2", "198.51.100", "203.0.113")[number % 3]
        return f"{block}.{number // 3 % 254 + 1}"
    # Other types have no reserved range that detectors tell apart from real values.
    return f"[{ENTITY[entity].label}:{_tag(digest, 4)}]"


def replacement(action: Action, entity: str, digest: bytes, value: str) -> str:
    """Return what stands in place of a value.

    Args:
        action: The operator.
        entity: Entity type.
        digest: Its keyed hash, 16 bytes.
        value: The value; only its shape is used, by `mask`.

    Returns:
        The replacement.
    """
    label = ENTITY[entity].label
    if action == "placeholder":
        return f"[{label}]"
    if action == "hash":
        return f"[{label}:{_tag(digest, 8)}]"
    if action == "surrogate":
        return _surrogate(entity, digest)
    return _mask(value) if action == "mask" else value


PLACEHOLDER = r"\[(?:" + "|".join(sorted({e.label for e in ENTITIES})) + r")(?::[a-p]{8,16})?\]"
"""RE2 expression of everything `placeholder` and `hash` write; detectors read over it."""


def redact(texts: pa.Array, spans: pa.Table, policy: RedactionPolicy) -> pa.Array:
    """Replace spans in texts.

    Args:
        texts: string or large_string[n]; nulls stay null.
        spans: Table of schema `spans.SPANS`; disjoint within a row, as `detect` returns them.
        policy: Operators by type.

    Returns:
        Array of the type of `texts`. Rows without spans are copied as they are, in bulk.

    Raises:
        ValueError: A span lies outside its text or overlaps another.
    """
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    if spans.num_rows == 0:
        return texts
    if policy.minimum_score > 0:
        spans = spans.filter(pc.greater_equal(spans["score"], policy.minimum_score))
    names = spans["entity_type"].to_pylist()
    actions = [policy.action(name) for name in names]
    act = np.array([action != "keep" for action in actions], np.bool_)
    rows = spans["row"].to_numpy()
    touched = np.unique(rows[act])
    if len(touched) == 0:
        return texts
    order = np.lexsort((spans["start"].to_numpy(), rows))
    order = order[act[order]]
    starts, ends = spans["start"].to_numpy(), spans["end"].to_numpy()
    digests = spans["value_hmac"].to_pylist()
    bounds = np.searchsorted(rows[order], touched)
    limits = np.append(bounds[1:], len(order))
    out = []
    for row, low, high in zip(touched.tolist(), bounds.tolist(), limits.tolist(), strict=True):
        text = texts[row].as_py()
        if text is None:
            msg = f"spans: row {row} is null and has spans"
            raise ValueError(msg)
        pieces, at = [], 0
        for i in order[low:high].tolist():
            start, end = int(starts[i]), int(ends[i])
            if start < at or end > len(text) or start >= end:
                msg = (
                    f"spans: row {row} has a span outside its text or over another"
                    f": [{start}, {end})"
                )
                raise ValueError(msg)
            pieces.append(text[at:start])
            pieces.append(replacement(actions[i], names[i], digests[i], text[start:end]))
            at = end
        pieces.append(text[at:])
        out.append("".join(pieces))
    mask = np.zeros(len(texts), np.bool_)
    mask[touched] = True
    return pc.replace_with_mask(texts, pa.array(mask), pa.array(out, texts.type))


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
            label = f"[{ENTITY[span.entity].label}]"
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
