# SPDX-License-Identifier: Apache-2.0
"""Redaction: replace spans by something that says what stood there and no more.

Nothing that is written is found again by a detector, so redacting twice changes nothing and a
search of the result finds nothing. For placeholders that holds by construction; what masks and
surrogates wrote is searched again in its place, and becomes a placeholder where something is found
("account 0000..." after a card number's surrogate, say).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ...schemas.errors import JobError
from ...schemas.reasons import PiiGrade
from .detect import detect
from .entities import ENTITY, Action
from .operators import OPERATORS, SHAPED, placeholder, replacement
from .pattern import Pattern

_ANY_KEY = b"hashes of this search are not read"


@dataclass(frozen=True)
class RedactionPolicy:
    """Which operator replaces which span: its type's, else its grade's, else the default.

    Types that the entity table keeps (place names, reserved addresses) are no personal data by
    themselves: only an operator for the very type replaces them.

    Args:
        actions: Operator by entity type.
        minimum_score: Spans scored lower are left alone, in [0, 1].
        grades: Operator by grade: general, sensitive, minor, secret.
        default: Operator of every other type; None: that of the entity table.
        entities: Types that were looked for, None for all; the search of masks and surrogates
            takes no notice of others.
        custom: The patterns of the job's own that were looked for, likewise.

    Raises:
        JobError: An unknown type, grade or operator; every one is named.
    """

    actions: Mapping[str, Action] = field(default_factory=dict)
    minimum_score: float = 0.0
    grades: Mapping[str, Action] = field(default_factory=dict)
    default: Action | None = None
    entities: frozenset[str] | None = None
    custom: tuple[Pattern, ...] = ()

    def __post_init__(self) -> None:
        problems = [
            f"pii actions: expected an entity type, got {name}"
            for name in self.actions
            if name not in ENTITY
        ]
        problems += [
            f"pii grades: expected one of {', '.join(PiiGrade)}, got {name}"
            for name in self.grades
            if name not in tuple(PiiGrade)
        ]
        chosen = {**self.actions, **self.grades, "default": self.default or "placeholder"}
        problems += [
            f"pii actions.{name}: expected one of {', '.join(OPERATORS)}, got {action}"
            for name, action in chosen.items()
            if action not in OPERATORS
        ]
        if problems:
            raise JobError(sorted(problems))

    def action(self, entity: str, grade: str | None = None) -> Action:
        """Return the operator for spans of an entity type.

        Args:
            entity: Entity type.
            grade: Grade of the span; None for the type's own.
        """
        row = ENTITY[entity]
        if entity in self.actions:
            return self.actions[entity]
        if row.action == "keep":
            return "keep"
        return self.grades.get(grade or row.grade.value, self.default or row.action)

    @property
    def drops(self) -> bool:
        """Whether a span can cost its document."""
        return "drop" in {*self.actions.values(), *self.grades.values(), self.default}


@dataclass(frozen=True)
class Redaction:
    """Redacted texts, and what was done with each span.

    Args:
        texts: Array of the type of the input; null where a span dropped its document.
        actions: string, one for each span: the operator, `left`, or `placeholder` where a mask or
            surrogate would have been found again.
    """

    texts: pa.Array
    actions: pa.Array


def redact(texts: pa.Array, spans: pa.Table, policy: RedactionPolicy) -> pa.Array:
    """Replace spans in texts.

    Args:
        texts: string or large_string[n]; nulls stay null.
        spans: Table of schema `spans.SPANS`; disjoint within a row, as `detect` returns them.
        policy: Operators by type and grade.

    Returns:
        Array of the type of `texts`, null where a span dropped its document. Rows without spans are
        copied as they are, in bulk.

    Raises:
        ValueError: A span lies outside its text or overlaps another.
    """
    return apply_policy(texts, spans, policy).texts


def apply_policy(texts: pa.Array, spans: pa.Table, policy: RedactionPolicy) -> Redaction:
    """Replace spans in texts, and say what was done with each; see `redact`."""
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    names, actions = span_actions(spans, policy)
    rows = spans["row"].to_numpy()
    chosen = np.array([action != "left" for action in actions], np.bool_)
    touched = np.unique(rows[chosen])
    if len(touched) == 0:
        return Redaction(texts, pa.array(actions, pa.string()))
    order = np.lexsort((spans["start"].to_numpy(), rows))
    order = order[chosen[order]]
    starts, ends = spans["start"].to_numpy(), spans["end"].to_numpy()
    digests = spans["value_hmac"].to_pylist()
    bounds = np.append(np.searchsorted(rows[order], touched), len(order))
    drafts = []
    for number, row in enumerate(touched.tolist()):
        own = order[bounds[number] : bounds[number + 1]].tolist()
        text = texts[row].as_py()
        _check_fit(row, text, [(int(starts[i]), int(ends[i])) for i in own])
        draft = _Draft(text, {i: (int(starts[i]), int(ends[i])) for i in own})
        if any(actions[i] == "drop" for i in own):
            draft.dropped = True
        else:
            for i in own:
                start, end = draft.places[i]
                draft.written[i] = replacement(actions[i], names[i], digests[i], text[start:end])
            draft.shaped = {i for i in own if actions[i] in SHAPED}
        drafts.append(draft)
    for i in _settle(drafts, names, policy):
        actions[i] = "placeholder"
    out = [None if draft.dropped else draft.text() for draft in drafts]
    mask = np.zeros(len(texts), np.bool_)
    mask[touched] = True
    replaced = pc.replace_with_mask(texts, pa.array(mask), pa.array(out, texts.type))
    return Redaction(replaced, pa.array(actions, pa.string()))


def span_actions(spans: pa.Table, policy: RedactionPolicy) -> tuple[list[str], list[str]]:
    """Return the type of each span and its operator, `left` where it is not replaced."""
    names = spans["entity_type"].to_pylist()
    grades = spans["grade"].to_pylist()
    pairs = {pair: policy.action(*pair) for pair in set(zip(names, grades, strict=True))}
    low = spans["score"].to_numpy() < np.float32(policy.minimum_score)
    actions = [
        "left" if below or pairs[pair] == "keep" else pairs[pair]
        for pair, below in zip(zip(names, grades, strict=True), low.tolist(), strict=True)
    ]
    return names, actions


class _Draft:
    """One text and what its spans are replaced by, by number of the span."""

    def __init__(self, original: str, places: dict[int, tuple[int, int]]) -> None:
        self._original = original
        self.places = places
        self.written: dict[int, str] = {}
        self.shaped: set[int] = set()
        self.dropped = False

    def text(self) -> str:
        """Return the text as it is written."""
        pieces: list[str] = []
        at = 0
        for i, (start, end) in self.places.items():
            pieces += (self._original[at:start], self.written[i])
            at = end
        return "".join([*pieces, self._original[at:]])

    def under(self, hits: list[tuple[int, int]]) -> set[int]:
        """Return the masks and surrogates that disjoint places of the written text overlap."""
        found, shift, hits = set(), 0, sorted(hits)
        at = 0
        for i, (start, end) in self.places.items():
            begin, stop = start + shift, start + shift + len(self.written[i])
            shift += len(self.written[i]) - (end - start)
            while at < len(hits) and hits[at][1] <= begin:
                at += 1
            if i in self.shaped and at < len(hits) and hits[at][0] < stop:
                found.add(i)
        return found


def _settle(drafts: list[_Draft], names: list[str], policy: RedactionPolicy) -> list[int]:
    """Make placeholders of the masks and surrogates that a detector would find; name them.

    The second search also sees what the first one uncovered; after it a text with any finding has
    placeholders only, and of those nothing is found.
    """
    changed: list[int] = []
    pending = [draft for draft in drafts if draft.shaped]
    for last in (False, True):
        if not pending:
            break
        found = _findings([draft.text() for draft in pending], policy)
        again = []
        for draft, hits in zip(pending, found, strict=True):
            if hits:
                fallen = set(draft.shaped) if last else draft.under(hits)
                for i in fallen:
                    draft.written[i] = placeholder(names[i])
                draft.shaped -= fallen
                changed += sorted(fallen)
                again.append(draft)
        pending = [draft for draft in again if draft.shaped]
    return changed


def _findings(texts: list[str], policy: RedactionPolicy) -> list[list[tuple[int, int]]]:
    """Return the places in texts that the policy would replace; a fault is the whole text."""
    detection = detect(
        pa.array(texts, pa.large_string()),
        pa.repeat("und", len(texts)),
        entities=policy.entities,
        key=_ANY_KEY,
        custom=policy.custom,
    )
    out: list[list[tuple[int, int]]] = [[] for _ in texts]
    _, actions = span_actions(detection.spans, policy)
    for span, action in zip(detection.spans.to_pylist(), actions, strict=True):
        if action != "left":
            out[span["row"]].append((span["start"], span["end"]))
    for row in np.flatnonzero(detection.faults).tolist():
        out[row] = [(0, len(texts[row]))]
    return out


def _check_fit(row: int, text: str | None, places: list[tuple[int, int]]) -> None:
    if text is None:
        msg = f"spans: row {row} is null and has spans"
        raise ValueError(msg)
    at = 0
    for start, end in places:
        if start < at or end > len(text) or start >= end:
            msg = f"spans: row {row} has a span outside its text or over another: [{start}, {end})"
            raise ValueError(msg)
        at = end
