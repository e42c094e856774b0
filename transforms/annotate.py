# SPDX-License-Identifier: Apache-2.0
"""Measure one split: read it once, write its annotations; decide nothing.

Outputs of a unit: `annotations` (one row a record), `bands` (band hashes of its documents),
`samples` and `passages` (some of their shingles, their lines or paragraphs; if they are looked for)
and `spans` (structured personal data). None of them holds text.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..schemas.batches import RECORDS
from ..schemas.job import Source
from ..schemas.job_lists import ListKind
from ..schemas.staged import ANNOTATIONS, PASSAGES, SIGNALS_SEEN, SPANS_FOUND, required
from .bands import band_hashes
from .containment import ONE_IN
from .dates import parse_dates
from .hashing import canonical_text, hash_rows, siphash128
from .list_rules import list_column, score_column, staying_column
from .measure_rights import match_persons, measure_rights
from .minhash import shingle_hashes, sign
from .pii import SPANS, Detection, detect, document_counts, document_kinds
from .reading import Piece, ReadTally, Split
from .repeated_passages import passage_rows
from .rights import url_key
from .run_state import Run
from .tokens import count_tokens
from .units import UnitOutputs

Columns = dict[str, Any]
"""Column name to an Arrow or NumPy array, all of one length."""


SAMPLED = pa.schema(
    [required("row", pa.uint32()), required("shingles", pa.large_list(pa.uint64()))]
)
"""Sampled shingles by row, ascending."""


class Measured(NamedTuple):
    """What is known of one record batch.

    Args:
        annotations: One row a record, schema of `annotation_schema`.
        bands: One row a document with tokens, schema of `bands_schema`.
        samples: Sampled shingles of its documents, schema `SAMPLED`, or None if they are not used.
        passages: Their lines or paragraphs, schema `PASSAGES`, likewise.
        spans: Schema `SPANS_FOUND`.
        signals: Schema `SIGNALS_SEEN`.
    """

    annotations: pa.RecordBatch
    bands: pa.RecordBatch
    samples: pa.RecordBatch | None
    passages: pa.RecordBatch | None
    spans: pa.RecordBatch
    signals: pa.Table


def annotation_schema(run: Run) -> pa.Schema:
    """Return the schema of the annotations of a run: one column more for each applied list."""
    columns = []
    for item in run.job.lists:
        if item.name not in run.job.rights.lists:
            continue
        columns.append(pa.field(list_column(item.name), pa.int64()))
        if item.kind is ListKind.WORK:
            columns.append(pa.field(score_column(item.name), pa.float32()))
        if item.kind is ListKind.PERSON:
            columns.append(required(staying_column(item.name), pa.bool_()))
    return pa.schema([*ANNOTATIONS, *columns])


def bands_schema(bands: int) -> pa.Schema:
    """Return the schema of the band hashes of a split."""
    row = pa.field("row", pa.uint32(), nullable=False)
    return pa.schema([row, pa.field("bands", pa.list_(pa.uint64(), max(bands, 1)), nullable=False)])


def annotate_split(run: Run, split: Split, out: UnitOutputs) -> None:
    """Measure every record of a split.

    Args:
        run: The run.
        split: The split.
        out: Where the three outputs go; its `stats` get what the reader tallied.
    """
    source = run.plan.source(split.source)
    reader = run.reader(split)
    batches = iter(reader)
    measured: list[Measured] = []
    while True:
        with out.timed("read"):
            batch = next(batches, None)
        if batch is None:
            break
        measured.append(_measure(run, source, split, batch, out))
    with out.timed("stage"):
        out.write_ipc("annotations", annotation_schema(run), [m.annotations for m in measured])
        out.write_ipc("bands", bands_schema(run.plan.bands), [m.bands for m in measured])
        out.write_ipc("spans", SPANS_FOUND, [m.spans for m in measured])
        signals = [batch for m in measured for batch in m.signals.combine_chunks().to_batches()]
        out.write_ipc("signals", SIGNALS_SEEN, signals)
        if run.plan.samples:
            out.write_ipc("samples", SAMPLED, [m.samples for m in measured if m.samples])
        if run.plan.passages:
            out.write_ipc("passages", PASSAGES, [m.passages for m in measured if m.passages])
    texts = np.zeros(len(split.pieces), np.int64)
    for m in measured:
        np.add.at(texts, m.annotations["file"].to_numpy(), m.annotations["bytes"].to_numpy())
    files = [
        _file_counts(piece, tally, int(size))
        for piece, tally, size in zip(split.pieces, reader.tallies, texts, strict=True)
    ]
    for name in ("records", "bytes_in"):
        out.stats[name] = sum(counts[name] for counts in files)
    out.stats["files"] = files
    out.timings["read"][2] = out.stats["bytes_in"]


def _file_counts(piece: Piece, tally: ReadTally, text_bytes: int) -> dict[str, Any]:
    """Return what the marker says of one file of a split; of Parquet, bytes of text count."""
    is_stream = piece.format != "parquet"
    return {
        "records": tally.records,
        "bytes_in": tally.bytes_total if is_stream else text_bytes,
        "stream_bytes": tally.bytes_accounted if is_stream else text_bytes,
        "blank_bytes": tally.blank_bytes,
        "passed": tally.passed,
    }


# Two scripts and a number, so that no kernel is left out.
_MADE_UP = ["A made-up document of 2 sentences. The other, longer one.", "编造的文件。"]


def warm_tables() -> None:
    """Load what measuring needs whatever the job is: tables of characters, compiled kernels."""
    count_tokens(canonical_text(pa.array(_MADE_UP)))


def warm(run: Run) -> None:
    """Load what measuring needs (models, lists, compiled kernels) by measuring made-up records.

    Args:
        run: The run.
    """
    split = run.plan.splits[0]
    known = {"text": _MADE_UP, "url": ["https://example.org/a"] * 2, "row": [0, 1], "fault": [0, 0]}
    columns = [
        pa.array(known.get(field.name, [None if field.nullable else 0] * 2), field.type)
        for field in RECORDS
    ]
    batch = pa.RecordBatch.from_arrays(columns, schema=RECORDS)
    _measure(run, run.plan.source(split.source), split, batch, UnitOutputs("", 0))


def _measure(
    run: Run, source: Source, split: Split, batch: pa.RecordBatch, out: UnitOutputs
) -> Measured:
    clean = batch.filter(pc.equal(batch["fault"], 0))
    texts = clean["text"]
    size = texts.nbytes
    columns: Columns = {name: clean[name] for name in ("row", "file", "offset", "length")}
    with out.timed("identity", size):
        columns |= _identity(run, source, clean)
    with out.timed("rights", size):
        canonical, address = columns["_canonical"], columns["_address"]
        rights, signals = measure_rights(run, source, clean, canonical, address)
        columns |= rights
    with out.timed("language", size):
        columns |= _language(run, texts)
    with out.timed("toxicity", size):
        columns["toxicity"] = _toxicity(run, texts, columns["lang"])
    with out.timed("personal_data", size):
        found = _personal_data(run, texts, columns["lang"])
        counts = document_counts(texts, found.spans)
        columns["pii_sensitive"], columns["pii_minor"] = counts.distinct_sensitive, counts.minor
        least = run.job.personal_data.min_score
        columns |= match_persons(run, found.spans, len(texts))
        columns["pii_kinds"] = document_kinds(len(texts), found.spans, least)
        columns["fault"] = found.faults
    with out.timed("signature", size):
        columns["tokens"], bands = _signature(run, columns["_canonical"], clean["row"])
        samples = _samples(run, columns["_canonical"], clean["row"]) if run.plan.samples else None
    schema = annotation_schema(run)
    annotations = pa.RecordBatch.from_arrays(
        [_array(columns[field.name], field.type) for field in schema], schema=schema
    )
    if clean.num_rows < batch.num_rows:
        annotations = _with_faulty(run, source, split, batch, annotations)
    passages = None
    if run.plan.passages:
        with out.timed("passages", size):
            passages = passage_rows(run, texts, clean["row"])
    spans = _spans(found, clean["row"])
    return Measured(annotations, bands, samples, passages, spans, signals)


def _array(values: Any, kind: pa.DataType) -> pa.Array:
    array = values if isinstance(values, pa.Array) else pa.array(values)
    return array if array.type == kind else array.cast(kind)


def _identity(run: Run, source: Source, clean: pa.RecordBatch) -> Columns:
    """Hash text, address and identity; look at the text's size."""
    n = clean.num_rows
    canonical = canonical_text(clean["text"])
    text = siphash128(canonical, run.text_key)
    address = url_key(clean["url"])
    own_name = pc.coalesce(clean["id"], address)
    names = pa.repeat(pa.scalar(source.name), n)
    identity = hash_rows([names, own_name, text[:, 0], text[:, 1]], run.text_key)
    url = siphash128(address, run.url_key)
    absent = pc.is_null(address).to_numpy(zero_copy_only=False)
    return {
        "id_hi": identity[:, 0],
        "id_lo": identity[:, 1],
        "text_hi": text[:, 0],
        "text_lo": text[:, 1],
        "url_hi": pa.array(url[:, 0], mask=absent),
        "url_lo": pa.array(url[:, 1], mask=absent),
        "no_url": absent,
        "published": parse_dates(clean["date"]),
        "bytes": pc.binary_length(clean["text"]),
        "source_blacklisted": np.full(
            n, source.illegal_sample is not None and source.illegal_sample.condemns
        ),
        "empty": pc.equal(pc.binary_length(canonical), 0),
        "_canonical": canonical,
        "_address": address,
    }


def _language(run: Run, texts: pa.Array) -> Columns:
    if run.job.language.enabled:
        found = run.language_model.identify(texts)
        return {"lang": found["lang"].cast(pa.string()), "lang_score": found["lang_score"]}
    n = len(texts)
    return {"lang": pa.repeat("und", n), "lang_score": np.zeros(n, dtype=np.float32)}


def _toxicity(run: Run, texts: pa.Array, langs: pa.Array) -> pa.Array:
    if run.job.toxicity.enabled:
        return run.toxicity_models.score(texts, langs)["toxicity"]
    return pa.nulls(len(texts), pa.float32())


def _personal_data(run: Run, texts: pa.Array, langs: pa.Array) -> Detection:
    settings = run.job.personal_data
    if not settings.enabled:
        nothing = np.zeros(len(texts), dtype=np.uint8)
        return Detection(SPANS.empty_table(), nothing, nothing.astype(bool))
    return detect(
        texts, langs, ner="off", entities=run.pii.entities, key=run.pii_key, custom=run.pii.custom
    )


def _signature(
    run: Run, texts: pa.Array, row: pa.Array
) -> tuple[npt.NDArray[np.uint32], pa.RecordBatch]:
    """Count tokens, sign, and return the band hashes of documents that have tokens."""
    near, bands = run.job.deduplication.near, run.plan.bands
    schema = bands_schema(bands)
    if not bands:
        return count_tokens(texts), pa.RecordBatch.from_pylist([], schema=schema)
    signatures, tokens = sign(
        texts,
        num_perm=near.num_perm,
        seed=near.seed,
        shingle_size=near.shingle_size,
        key=run.shingle_key,
    )
    some = np.flatnonzero(tokens)
    hashes = band_hashes(signatures[some], bands, run.plan.rows)
    values = pa.FixedSizeListArray.from_arrays(pa.array(hashes.ravel()), bands)
    batch = pa.RecordBatch.from_arrays([row.take(pa.array(some)), values], schema=schema)
    return tokens, batch


def _samples(run: Run, texts: pa.Array, row: pa.Array) -> pa.RecordBatch:
    size = run.job.deduplication.near.shingle_size
    offsets, hashes = shingle_hashes(texts, shingle_size=size, key=run.shingle_key, one_in=ONE_IN)
    lists = pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(hashes))
    return pa.RecordBatch.from_arrays([row, lists], schema=SAMPLED)


def _spans(found: Detection, row: pa.Array) -> pa.RecordBatch:
    """Return the spans by row of the split."""
    spans = found.spans.combine_chunks()
    arrays = [row.take(spans["row"].combine_chunks())]
    arrays += [
        spans[name].combine_chunks().cast(SPANS_FOUND.field(name).type)
        for name in SPANS_FOUND.names[1:]
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=SPANS_FOUND)


def _with_faulty(
    run: Run, source: Source, split: Split, batch: pa.RecordBatch, clean: pa.RecordBatch
) -> pa.RecordBatch:
    """Put the records that could not be read back in their places.

    They are named by where they were, since they have neither text nor name.
    """
    fault = batch["fault"].to_numpy()
    index = pa.array(np.cumsum(fault == 0) - 1, mask=fault != 0)
    places = pa.array([f"fault/{source.name}/{piece.file_sha256}" for piece in split.pieces])
    marks = hash_rows(
        [places.take(batch["file"]), batch["offset"].to_numpy(), batch["length"].to_numpy()],
        run.text_key,
    )
    own: Columns = {name: batch[name] for name in ("row", "file", "offset", "length", "fault")}
    own |= {"id_hi": pa.array(marks[:, 0]), "id_lo": pa.array(marks[:, 1]), "no_url": True}
    own |= {"licence": "unknown", "licence_evidence": "none", "rights_state": "unknown"}
    own |= {"rights_observability": "none", "source_kind": source.kind.value}
    own |= {"lang": "und"}
    columns = []
    for field in clean.schema:
        values = clean[field.name].take(index)
        fill = own.get(field.name)
        if fill is None and not field.nullable:
            fill = pa.scalar(0, pa.int8()).cast(field.type)
        columns.append(values if fill is None else pc.coalesce(values, fill))
    return pa.RecordBatch.from_arrays(columns, schema=clean.schema)
