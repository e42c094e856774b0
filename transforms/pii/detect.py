# SPDX-License-Identifier: Apache-2.0
"""Detection: texts in, a table of spans out.

    texts -> classify -> shadow (only where something could hide) -> set prefilter -> exact patterns
          -> checks -> [NER] -> merge -> spans in code points of the original

Fail closed: a document whose detection raised, met a cap or hid values behind bidi overrides gets
a fault code, and the caller quarantines it.
"""

from __future__ import annotations

import functools
from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ...schemas.errors import JobError
from ...schemas.reasons import REASON_CODES, REASON_WORDS, PiiGrade, Reason
from .covered import Covered
from .disguise import decoded, joined, spelled
from .entities import ENTITY
from .identifiers import IPV4_DISGUISED
from .keys import ValueHasher
from .minors import near_minor_cue
from .pattern import Pattern
from .patterns import PATTERNS
from .scan import DetectorCapError, Found, Hit, Scanner, Steps
from .shadow import FLAG_BIDI, FLAG_NON_ASCII, View, classify, fold, fold_all, pieces
from .spans import SPANS, Span, merge

if TYPE_CHECKING:
    from .ner import PiiModels

NerScope = Literal["off", "contact", "all"]

MIN_SCORE = 0.5
"""Hits below this score are not reported (Presidio's analyzers use 0.5 for context-free shapes)."""

_NER_ROWS = 256
"""Documents whose pieces are fed to a model together."""

_JOIN_PRIORITY = 60
"""Only detectors this sure (a check digit, or the mobile prefix) read the joined view."""
_NOT_JOINED = ("stdnum", "phone:international", "ipv4", "ipv6", "mac", "birth", "us_ssn", "licence")

_CUE_REACH = 48
"""Characters before a right-to-left override that are read with what it turns round."""

_UNCOVER_ROUNDS = 3
"""Layers of values uncovered; what is deeper, the second search of the job quarantines."""

_CAP, _BIDI, _ERROR = (
    REASON_CODES[reason]
    for reason in (Reason.DETECTOR_CAP, Reason.BIDI_CONTROL, Reason.STAGE_ERROR)
)


@dataclass(frozen=True)
class Detection:
    """What was found in a batch of texts.

    Args:
        spans: Table of schema `spans.SPANS`, sorted by (row, start); no two spans overlap.
        faults: uint8[n], 0 or a code of `REASON_CODES`; a document with a fault must not be kept,
            its spans may be incomplete.
        unread: bool[n], names were wanted and the document's language has no model.
    """

    spans: pa.Table
    faults: npt.NDArray[np.uint8]
    unread: npt.NDArray[np.bool_]


@functools.lru_cache(maxsize=8)
def _scanner(custom: tuple[Pattern, ...]) -> Scanner:
    return Scanner(PATTERNS + custom)


def _structured(
    scanner: Scanner, view: View, steps: Steps, found: Found | None = None
) -> list[Span]:
    """Return the hits of structured detectors in one document, overlaps included."""
    parts = pieces(view)
    if len(parts) > 1:
        return [span for part in parts for span in _structured(scanner, part, steps)]
    found = scanner.which(view.data[view.begin : view.end]) if found is None else found
    spans = [_span(view, hit) for hit in scanner.exact(view, found.patterns, steps)]
    if not found.disguised:
        return spans
    for rewrite in (decoded, spelled, joined):
        # Beside the view as it is: peeling can also break a value in plain sight ("50%20...").
        plain = rewrite(view)
        if plain is not None:
            hits = [(piece, hit) for piece in plain.windows() for hit in scanner.hits(piece, steps)]
            spans += [
                _span(piece, hit)
                for piece, hit in hits
                if rewrite is not joined or _sure(hit.pattern)
            ]
            view = plain.view
    return spans


def _sure(row: Pattern) -> bool:
    """Whether a detector may read the joined view."""
    return (
        row.priority >= _JOIN_PRIORITY
        and row.check is not None
        and not row.detector.startswith(_NOT_JOINED)
    )


def _span(view: View, hit: Hit) -> Span:
    row = hit.pattern
    start, end = view.original(hit.start, hit.end)
    value = bytes(view.data[hit.start : hit.end]).decode("utf-8", "replace")
    return Span(start, end, row.entity, row.detector, row.score, row.priority, value)


def _reversed_hides(scanner: Scanner, text: str, steps: Steps) -> bool:
    """Whether text behind a right-to-left override holds a value when read as it is displayed.

    What is displayed before it is read with it: a cue may stand there.
    """
    shown: list[str] = []
    places: list[tuple[int, int]] = []
    at = 0
    before, *behind = text.replace("\u202d", "\u202e").split("\u202e")
    for piece in behind:
        turned, _, after = piece.partition("\u202c")
        shown += (before[-_CUE_REACH:], turned[::-1], "\n")
        start = at + len(shown[-3])
        places.append((start, start + len(turned)))
        at, before = start + len(turned) + 1, after
    raw = "".join(shown).encode()
    view = fold(np.frombuffer(raw, np.uint8), 0, len(raw))
    spans = [
        (span.start, span.end)
        for span in _structured(scanner, view, steps)
        if span.entity != "LOCATION" and span.detector != IPV4_DISGUISED
    ]
    begins = [begin for begin, _ in places]
    return any(
        places[at][1] > start for start, end in spans if (at := bisect_left(begins, end) - 1) >= 0
    )


def _buffers(
    texts: pa.Array | pa.ChunkedArray,
) -> tuple[pa.Array, npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return the texts as one array, their bytes, and int64 offsets (nulls are empty)."""
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
        if isinstance(texts, pa.ChunkedArray):
            texts = pa.concat_arrays(texts.chunks) if texts.num_chunks else pa.array([], texts.type)
    if texts.type == pa.string_view() or pa.types.is_dictionary(texts.type):
        texts = texts.cast(pa.large_string())
    if not (pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type)):
        msg = f"texts: expected an array of string, got {texts.type}"
        raise TypeError(msg)
    _, positions, data = texts.buffers()
    wide = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    if len(texts) == 0 or positions is None:
        return texts, np.empty(0, np.uint8), np.zeros(len(texts) + 1, np.int64)
    offsets = np.frombuffer(positions, wide)[texts.offset : texts.offset + len(texts) + 1]
    raw = np.empty(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    return texts, raw, offsets.astype(np.int64)


def detect(
    texts: pa.Array,
    langs: pa.Array,
    *,
    ner: NerScope = "off",
    entities: Collection[str] | None = None,
    key: bytes,
    models: PiiModels | None = None,
    custom: Collection[Pattern] = (),
    known: pa.Table | None = None,
) -> Detection:
    """Find personal data in texts, and report the documents that could not be judged.

    Args:
        texts: string or large_string[n]; a null has no spans and no fault.
        langs: string[n], ISO 639-1 codes (`zh-CN` counts as `zh`); they choose the NER model only,
            structured identifiers of every country are looked for in every text.
        ner: `off`; `contact`: names near other identifiers and contact cues; `all`: every name.
        entities: Entity types to report; None for all.
        key: The project's secret key, 32 bytes or more.
        models: NER models, needed unless `ner` is `off`.
        custom: The user's own patterns, made by `patterns.custom`.
        known: What `detect` found in the same texts with `ner="off"` and the other arguments as
            they are here, schema `spans.SPANS`; only names are looked for then. None to search.

    Returns:
        Spans and faults.

    Raises:
        JobError: `ner` or `entities` name something unknown, or a custom pattern is not RE2.
        KeyFileError: The key is too short.
        ModelError: NER is wanted and there are no models.
    """
    scanner = _scanner(tuple(custom))
    hasher = ValueHasher(key)
    wanted = _wanted(entities)
    recogniser = _recogniser(ner, models)
    texts, data, offsets = _buffers(texts)
    rows = len(texts)
    if len(langs) != rows:
        msg = f"langs: expected {rows} values, one per text, got {len(langs)}"
        raise ValueError(msg)
    faults = np.zeros(rows, np.uint8)
    if known is None:
        per_row = _search(scanner, texts, data, offsets, faults)
    else:
        per_row = _known(known, scanner.priorities)
    searched = {row: len(spans) for row, spans in per_row.items()} if known is not None else {}
    unread = np.zeros(rows, np.bool_)
    if recogniser is not None:
        _add_names(recogniser, texts, langs, ner == "all", per_row, faults, unread)
    for row in sorted(per_row):
        # What was known was uncovered when it was found; names may cover more.
        if not faults[row] and len(per_row[row]) > searched.get(row, 0):
            try:
                per_row[row] += _uncovered(scanner, texts[row].as_py(), per_row[row], wanted)
            except DetectorCapError:
                faults[row] = _CAP
            except Exception:  # noqa: BLE001 (I12)
                faults[row] = _ERROR
    grades = {row.detector: row.grade for row in custom if row.grade is not None}
    return Detection(_table(per_row, wanted, hasher, grades, texts), faults, unread)


def _search(
    scanner: Scanner,
    texts: pa.Array,
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    faults: npt.NDArray[np.uint8],
) -> dict[int, list[Span]]:
    """Return the hits of structured detectors by row; write into `faults` what went wrong."""
    flags = classify(data, offsets)
    valid = texts.is_valid().to_numpy(zero_copy_only=False) if texts.null_count else None
    memory = memoryview(data.data)
    per_row: dict[int, list[Span]] = {}
    shadow, places = fold_all(data, offsets, flags)
    overridden = np.flatnonzero(flags & FLAG_BIDI).tolist()
    suspects = dict(scanner.suspects(memoryview(shadow.data), places.tolist()))
    for row in sorted({*suspects, *overridden}):
        begin, end = int(offsets[row]), int(offsets[row + 1])
        steps: Steps = {}
        if begin == end or (valid is not None and not valid[row]):
            continue
        try:
            if flags[row] & FLAG_NON_ASCII:
                view = fold(data, begin, end)
            else:
                # Sliced, so that no pattern or check sees the document before.
                view = View(memory[begin:end], 0, end - begin, None)
            spans = _structured(scanner, view, steps, suspects.get(row))
            if any(span.detector == IPV4_DISGUISED for span in spans):
                spans = _disguised_only(spans, bytes(memory[begin:end]).decode())
            if flags[row] & FLAG_BIDI and _reversed_hides(
                scanner, bytes(memory[begin:end]).decode("utf-8", "replace"), steps
            ):
                faults[row] = _BIDI
        except DetectorCapError:
            faults[row] = _CAP
            continue
        except Exception:  # noqa: BLE001 (I12: whatever went wrong, the document is not kept)
            faults[row] = _ERROR
            continue
        if spans:
            per_row[row] = spans
    return per_row


def _disguised_only(spans: list[Span], text: str) -> list[Span]:
    """Leave out what counts only in disguise and stands in the text in plain or full-width digits."""
    return [
        span
        for span in spans
        if span.detector != IPV4_DISGUISED
        or (
            not (written := text[span.start : span.end]).startswith(span.value)
            and any(c >= "\U0001d7ce" or (c.isascii() and c.isdigit()) for c in written)
        )
    ]


def _known(known: pa.Table, priorities: Mapping[str, int]) -> dict[int, list[Span]]:
    """Return spans found before by row; they are named by their detectors' priorities."""
    per_row: dict[int, list[Span]] = {}
    for span in known.to_pylist():
        per_row.setdefault(span["row"], []).append(
            Span(
                span["start"],
                span["end"],
                span["entity_type"],
                span["detector"],
                span["score"],
                priorities.get(span["detector"], _JOIN_PRIORITY),
                "",
                span["value_hmac"],
            )
        )
    return per_row


def _uncovered(
    scanner: Scanner, text: str, spans: list[Span], wanted: frozenset[str]
) -> list[Span]:
    """Return the values that are found only once their neighbours are replaced.

    A value can hide another: "852-24218309-852-24259526" is a number and a rest. Text around what
    will be replaced is searched as redaction leaves it, so a search of the result finds nothing.
    """
    more: list[Span] = []
    steps: Steps = {}
    for _ in range(_UNCOVER_ROUNDS):
        covered = Covered(text, _shown([*spans, *more], wanted))
        fresh = [
            covered.original(span, place)
            for place, view in covered.windows()
            for span in _structured(scanner, view, steps)
            if span.entity in wanted
            and span.score >= MIN_SCORE
            and span.detector != IPV4_DISGUISED
            and ENTITY[span.entity].action != "keep"
        ]
        if not fresh:
            break
        more += fresh
    return more


def _shown(spans: list[Span], wanted: frozenset[str]) -> list[Span]:
    """Return what is reported of these spans."""
    return merge(span for span in spans if span.entity in wanted and span.score >= MIN_SCORE)


def _add_names(
    models: PiiModels,
    texts: pa.Array,
    langs: pa.Array,
    everywhere: bool,  # noqa: FBT001
    per_row: dict[int, list[Span]],
    faults: npt.NDArray[np.uint8],
    unread: npt.NDArray[np.bool_],
) -> None:
    """Add what the models find to `per_row`; a batch that fails is read again one by one."""
    codes = langs.to_pylist()
    for first in range(0, len(texts), _NER_ROWS):
        rows = [
            row
            for row in range(first, min(first + _NER_ROWS, len(texts)))
            if texts[row].is_valid and not faults[row]
        ]
        documents = [(texts[row].as_py(), codes[row] or "", per_row.get(row, [])) for row in rows]
        try:
            results = models.batch(documents, everywhere=everywhere)
        except Exception:  # noqa: BLE001 (I12)
            results = []
            for row, document in zip(rows, documents, strict=True):
                try:
                    results += models.batch([document], everywhere=everywhere)
                except DetectorCapError:
                    faults[row] = _CAP
                    results.append([])
                except Exception:  # noqa: BLE001 (I12)
                    faults[row] = _ERROR
                    results.append([])
        for row, names in zip(rows, results, strict=True):
            if names is None:
                unread[row] = True
            elif names:
                per_row.setdefault(row, []).extend(names)


def _wanted(entities: Collection[str] | None) -> frozenset[str]:
    if entities is None:
        return frozenset(ENTITY)
    unknown = sorted(set(entities) - set(ENTITY))
    if unknown:
        raise JobError(
            [f"pii entities: expected names of the entity table, got {name}" for name in unknown]
        )
    return frozenset(entities)


def _recogniser(ner: NerScope, models: PiiModels | None) -> PiiModels | None:
    if ner not in ("off", "contact", "all"):
        msg = f"pii ner: expected off, contact or all, got {ner!r}"
        raise JobError(msg)
    if ner == "off":
        return None
    if models is None:
        from ...schemas.errors import ModelError  # noqa: PLC0415

        msg = f"pii ner: {ner} needs models, got none: load them with PiiModels.load()"
        raise ModelError(msg)
    return models


def _grades(shown: list[Span], own: Mapping[str, PiiGrade], text: str | None) -> Iterator[PiiGrade]:
    """Yield the grade of each span: its recogniser's, else its type's; `minor` near a cue."""
    places = [(span.start, span.end) for span in shown]
    near = [False] * len(shown) if text is None else near_minor_cue(text, places)
    for span, minor in zip(shown, near, strict=True):
        entity = ENTITY[span.entity]
        grade = own.get(span.detector, entity.grade)
        mild = entity.action != "keep" and grade is not PiiGrade.SECRET
        yield PiiGrade.MINOR if minor and mild else grade


def _table(
    per_row: dict[int, list[Span]],
    wanted: frozenset[str],
    hasher: ValueHasher,
    own: Mapping[str, PiiGrade],
    texts: pa.Array | None,
) -> pa.Table:
    row_numbers: list[int] = []
    kept: list[Span] = []
    grades: list[PiiGrade] = []
    for row in sorted(per_row):
        shown = _shown(per_row[row], wanted)
        row_numbers += [row] * len(shown)
        kept += shown
        grades += _grades(shown, own, None if texts is None else texts[row].as_py())
    columns = [
        pa.array(row_numbers, pa.int64()),
        pa.array([span.start for span in kept], pa.int32()),
        pa.array([span.end for span in kept], pa.int32()),
        pa.array([span.entity for span in kept], pa.string()).dictionary_encode(),
        pa.array([grade.value for grade in grades], pa.string()).dictionary_encode(),
        pa.array([span.score for span in kept], pa.float32()),
        pa.array([span.detector for span in kept], pa.string()).dictionary_encode(),
        pa.array(
            [span.value_hmac or hasher(span.entity, span.detector, span.value) for span in kept],
            pa.binary(16),
        ),
    ]
    return pa.Table.from_arrays(columns, schema=SPANS)


def detect_pii(
    texts: pa.Array,
    langs: pa.Array,
    *,
    ner: NerScope = "off",
    entities: Collection[str] | None = None,
    key: bytes,
    models: PiiModels | None = None,
) -> pa.Table:
    """Find personal data in texts.

    Args:
        texts: string or large_string[n].
        langs: string[n], ISO 639-1 codes.
        ner: `off`, `contact` or `all`.
        entities: Entity types to report; None for all.
        key: The project's secret key, 32 bytes or more.
        models: NER models, needed unless `ner` is `off`.

    Returns:
        Table of schema `spans.SPANS`: row int64, start and end int32 (code points of the original
        text, half open), entity_type, grade, score in (0, 1], detector, value_hmac binary(16).

    A document that could not be judged comes back as one span of type `UNJUDGED` over all of it, so
    redaction leaves nothing of it (fail closed); `detect` tells its fault instead.
    """
    detection = detect(texts, langs, ner=ner, entities=entities, key=key, models=models)
    if not detection.faults.any():
        return detection.spans
    hasher = ValueHasher(key)
    texts, _, _ = _buffers(texts)
    bad = np.flatnonzero(detection.faults)
    whole = {
        row: [
            Span(
                0, len(texts[row].as_py()), "UNJUDGED", f"fault:{REASON_WORDS[code]}", 1.0, 100, ""
            )
        ]
        for row, code in zip(bad.tolist(), detection.faults[bad].tolist(), strict=True)
    }
    good = detection.spans.filter(pa.array(~np.isin(detection.spans["row"].to_numpy(), bad)))
    joined_table = pa.concat_tables([good, _table(whole, frozenset(ENTITY), hasher, {}, None)])
    return (
        joined_table.unify_dictionaries()
        .combine_chunks()
        .sort_by([("row", "ascending"), ("start", "ascending")])
    )
