# SPDX-License-Identifier: Apache-2.0
"""Former releases: their documents take part in deduplication, from their signatures alone.

A release that keeps signatures (`output.signatures`) holds, for each kept document, the keyed hash
of its text and the whole set of its keyed shingle hashes. That is all that the stages of exact and
near-duplicates read of a document, so a part of a former release is one more split to them, with
numbers after those of the job's own splits; bands follow from the sets, so releases compare
whatever bands either job uses, as long as key, tokenizer and shingle size are the same. A former
document is never judged (`keep: old`), or is judged last and judges nobody (`keep: new`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ..schemas.errors import InputError
from ..schemas.restricted import SIGNATURES
from ..schemas.staged import EXACT, NEAR, U64, required
from ..schemas.tables_duplicates import SUPERSEDED
from . import ledger
from .annotate import SAMPLED, bands_schema
from .bands import band_hashes
from .buffers import UInt64Array
from .containment import ONE_IN
from .exchange import Received, gather, write_parcels
from .hashing import canonical_text, hashes_to_ids, ids_to_hashes
from .minhash import shingle_hashes, sign_sets
from .near import texts_of
from .outcomes import COPY_ROLES, Relations, relate
from .reading import Split
from .refs import split_base
from .run_state import FormerPart, Run
from .screen import SCREENED, send_identities
from .signatures import BATCH_ROWS, sets_of
from .storage import read_ipc, sha256_file
from .units import UnitOutputs

KNOWN = pa.schema(
    [
        required("row", pa.uint32()),
        required("fault", pa.uint8()),
        required("id_hi", U64),
        required("id_lo", U64),
        required("text_hi", U64),
        required("text_lo", U64),
        required("tokens", pa.uint32()),
    ]
)
"""What takes the place of annotations for the documents of a former release."""

_WORST = np.iinfo(np.uint64).max


def signature_rows(
    run: Run,
    split: Split,
    annotations: pa.Table,
    relations: Relations,
    kept: npt.NDArray[np.int64],
) -> Iterator[pa.Table]:
    """Yield the `signatures` rows of the kept documents of a split, reading their texts again.

    Args:
        run: The run.
        split: The split.
        annotations: All its records, by row.
        relations: Identifiers of the records.
        kept: Rows of the kept documents, ascending.
    """
    first = 0
    for texts in texts_of(run, split, kept, annotations):
        rows = kept[first : first + len(texts)]
        first += len(texts)
        known = annotations.take(pa.array(rows))
        offsets, hashes = shingle_hashes(
            canonical_text(texts),
            shingle_size=run.job.deduplication.near.shingle_size,
            key=run.shingle_key,
        )
        halves = np.column_stack([known["text_hi"].to_numpy(), known["text_lo"].to_numpy()])
        columns = {
            "doc_id": ledger.ids(relations.ids[rows]),
            "text_hash": ledger.ids(halves),
            "tokens": known["tokens"],
            "shingles": pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(hashes)),
        }
        yield ledger.table_of(SIGNATURES, columns, len(rows))


def annotate_former(run: Run, part: FormerPart, out: UnitOutputs) -> None:
    """Read one part of a former release: identities, bands and samples of its documents.

    Raises:
        InputError: The file is not the one that was planned with.
    """
    if sha256_file(part.path) != part.sha256:
        raise InputError(f"release {part.release}: {part.label} changed after the job was planned")
    known, bands, samples, row = [], [], [], 0
    with pq.ParquetFile(part.path) as file:
        for batch in file.iter_batches(BATCH_ROWS):
            rows = np.arange(row, row + batch.num_rows, dtype=np.uint32)
            row += batch.num_rows
            known.append(_known(batch, rows))
            offsets, hashes = sets_of(batch["shingles"])
            some = np.flatnonzero(np.diff(offsets))
            if run.plan.bands:
                bands.append(_bands(run, offsets, hashes, rows, some))
            if run.plan.samples:
                samples.append(_samples(offsets, hashes, rows))
    out.stats.update(records=0, bytes_in=0)  # none of its documents is a record of this run
    out.write_ipc("annotations", KNOWN, known)
    out.write_ipc("bands", bands_schema(run.plan.bands), bands)
    if run.plan.samples:
        out.write_ipc("samples", SAMPLED, samples)


def _known(batch: pa.RecordBatch, rows: npt.NDArray[np.uint32]) -> pa.RecordBatch:
    ids, text = ids_to_hashes(batch["doc_id"]), ids_to_hashes(batch["text_hash"])
    columns = [
        rows, np.zeros(len(rows), np.uint8), ids[:, 0], ids[:, 1], text[:, 0], text[:, 1],
        batch["tokens"],
    ]  # fmt: skip
    arrays = [item if isinstance(item, pa.Array) else pa.array(item) for item in columns]
    return pa.RecordBatch.from_arrays(arrays, schema=KNOWN)


def _bands(
    run: Run,
    offsets: npt.NDArray[np.int64],
    hashes: UInt64Array,
    rows: npt.NDArray[np.uint32],
    some: npt.NDArray[np.int64],
) -> pa.RecordBatch:
    near, count = run.job.deduplication.near, run.plan.bands
    signatures = sign_sets(offsets, hashes, num_perm=near.num_perm, seed=near.seed)
    values = band_hashes(signatures[some], count, run.plan.rows)
    lists = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), count)
    return pa.RecordBatch.from_arrays([pa.array(rows[some]), lists], schema=bands_schema(count))


def _samples(
    offsets: npt.NDArray[np.int64], hashes: UInt64Array, rows: npt.NDArray[np.uint32]
) -> pa.RecordBatch:
    small = hashes <= np.uint64((1 << 64) // ONE_IN - 1)
    before = np.append(0, np.cumsum(small))
    lists = pa.LargeListArray.from_arrays(pa.array(before[offsets]), pa.array(hashes[small]))
    return pa.RecordBatch.from_arrays([pa.array(rows), lists], schema=SAMPLED)


def screen_former(run: Run, part: FormerPart, annotations: str, out: UnitOutputs) -> None:
    """Send the identities of the documents of a part: the best representatives, or the worst."""
    table = read_ipc(annotations)
    n = table.num_rows
    priority = np.full(n, 0 if part.stays else _WORST, dtype=np.uint64)
    ref = split_base(part) | table["row"].to_numpy().astype(np.uint64)
    columns = [ref, priority, priority, np.ones(n, bool), np.zeros(n, bool)]
    screened = pa.table(columns, schema=SCREENED)
    out.write_ipc("screened", SCREENED, screened.to_batches())
    if run.plan.addresses:  # they have none: the next stage sends their identities
        write_parcels(out, "addresses", KNOWN, KNOWN.empty_table(), np.zeros(0, np.int64))
    else:
        send_identities(run, table, screened, out)


def finalize_former(
    run: Run,
    part: FormerPart,
    annotations: str,
    received: Received,
    fallen: Collection[int],
    out: UnitOutputs,
) -> None:
    """Write which documents of a part are superseded by which kept documents of this release."""
    table, base = read_ipc(annotations), split_base(part)
    exact, near = gather(received, "exact", EXACT, ["ref"]), gather(received, "near", NEAR, ["ref"])
    relations = relate(table, base, exact, near)
    partner = relations.partner_ref
    gone = np.isin(relations.role, COPY_ROLES) & (partner < run.plan.former_base)
    gone &= ~np.isin(partner, np.fromiter(fallen, dtype=np.uint64, count=len(fallen)))
    rows = np.flatnonzero(gone)
    columns = {
        "release_id": part.release,
        "doc_id": hashes_to_ids(relations.ids[rows]),
        "successor_id": hashes_to_ids(relations.partner[rows]),
        "method": ledger.methods(relations, rows),
        "jaccard": ledger.scores(relations.jaccard[rows]),
        "containment": ledger.scores(relations.containment[rows]),
    }
    out.write_parquet(
        "superseded", SUPERSEDED.arrow(), [ledger.table_of(SUPERSEDED, columns, len(rows))]
    )
    out.stats.update(dict.fromkeys(("kept", "removed", "quarantined"), 0))
    out.stats.update(
        documents=table.num_rows, superseded=len(rows), fallen=[], settled_for=sorted(fallen)
    )
