# SPDX-License-Identifier: Apache-2.0
"""Passages that stand in many documents: counted over what is left, cut out of it.

    tally (split)      passages of the documents that are left, by hash
    count (partition)  which stand in enough of them, and in which one first, to their splits

Only documents that no rule and no other duplicate removes are counted: else the copies of a page
would make every line of it boilerplate. The hashes were written while measuring, so the text is not
read for this; a parcel holds keyed hashes only.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..schemas.staged import PASSAGES, REPEATED, TALLIES
from .exchange import Received, gather, write_parcels
from .outcomes import Outcomes
from .passages import Cut, Passages, cut_passages, find_passages
from .reading import Split
from .refs import split_base, split_of, top_bits
from .run_state import Run
from .storage import read_ipc
from .units import UnitOutputs


def passages_of(run: Run, texts: pa.Array) -> Passages:
    """Return the passages of texts that the job looks at."""
    wanted = run.job.deduplication.passages
    return find_passages(texts, wanted.unit.value, min_chars=wanted.min_chars, key=run.shingle_key)


def passage_rows(run: Run, texts: pa.Array, row: pa.Array) -> pa.RecordBatch:
    """Return the different passages of each text, `PASSAGES`.

    Args:
        run: The run.
        texts: string `[n]`.
        row: Row of each text in its split, uint32 `[n]`.
    """
    found = passages_of(run, texts)
    order = np.lexsort([found.hash, found.row])
    place, said = found.row[order], found.hash[order]
    new = np.ones(len(place), bool)
    new[1:] = (place[1:] != place[:-1]) | (said[1:] != said[:-1])
    rows = row.take(pa.array(place[new]))
    return pa.RecordBatch.from_arrays([rows, pa.array(said[new])], schema=PASSAGES)


def tally_split(
    run: Run, split: Split, outcomes: Outcomes, passages: str, out: UnitOutputs
) -> None:
    """Send the passages of the documents of a split that are left.

    Args:
        run: The run.
        split: The split.
        outcomes: What became of its documents so far.
        passages: Passages of all of them.
        out: Where the parcels go.
    """
    table = read_ipc(passages)
    row = table["row"].to_numpy()
    left = outcomes.kept[row]
    # Rows ascend, so the first of equal hashes is in the first document.
    said, first, counts = np.unique(
        table["passage"].to_numpy()[left], return_index=True, return_counts=True
    )
    rows = pa.table(
        [said, counts.astype(np.uint32), split_base(split) + row[left][first].astype(np.uint64)],
        schema=TALLIES,
    )
    partition = top_bits(said, run.plan.partitions)
    write_parcels(out, "tallies", TALLIES, rows, partition)


def count_partition(run: Run, received: Received, out: UnitOutputs) -> None:
    """Find the passages that stand in enough documents; tell every split that has them."""
    table = gather(received, "tallies", TALLIES, ["passage", "first"])
    repeated = find_repeated(table, run.job.deduplication.passages.min_documents)
    write_parcels(out, "repeated", REPEATED, repeated, split_of(repeated["asked_by"].to_numpy()))


def find_repeated(tallies: pa.Table, least: int) -> pa.Table:
    """Find the passages that stand in enough documents.

    Args:
        tallies: Rows of `TALLIES`, by passage and first document.
        least: Documents from which a passage is repeated.

    Returns:
        Rows of `REPEATED`, one for each split that has the passage.
    """
    said = tallies["passage"].to_numpy()
    first = tallies["first"].to_numpy()
    starts = (
        np.flatnonzero(np.append(True, said[1:] != said[:-1])) if len(said) else np.zeros(0, int)
    )
    totals = np.add.reduceat(tallies["documents"].to_numpy().astype(np.uint64), starts)
    which = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(said))))
    chosen = totals[which] >= least
    columns = [said, totals[which].astype(np.uint32), first[starts][which], first]
    return pa.table([column[chosen] for column in columns], schema=REPEATED)


class Repeated(NamedTuple):
    """Passages of a split that stand in many documents.

    Args:
        passage: Hashes, uint64 `[p]`, ascending.
        documents: Documents each stands in, uint32 `[p]`.
        first: `doc_ref` of the first one, uint64 `[p]`.
    """

    passage: npt.NDArray[np.uint64]
    documents: npt.NDArray[np.uint32]
    first: npt.NDArray[np.uint64]


def repeated_of(received: Received) -> Repeated:
    """Return what the count says to a split."""
    table = gather(received, "repeated", REPEATED, ["passage"])
    return Repeated(*(table[name].to_numpy() for name in ("passage", "documents", "first")))


def cut_repeated(
    run: Run, texts: pa.Array, refs: npt.NDArray[np.uint64], repeated: Repeated
) -> tuple[Cut, npt.NDArray[np.uint32]]:
    """Cut repeated passages out of texts.

    Args:
        run: The run.
        texts: string `[n]`.
        refs: Their `doc_ref`, uint64 `[n]`.
        repeated: Passages that stand in many documents.

    Returns:
        What is left and what was cut; and in how many documents each cut passage stands.
    """
    if not len(repeated.passage):
        nowhere = np.zeros(0, np.int64)
        return Cut(texts, nowhere, nowhere, nowhere), repeated.documents
    found = passages_of(run, texts)
    at = np.searchsorted(repeated.passage, found.hash)
    known = at < len(repeated.passage)
    chosen = known.copy()
    chosen[known] = repeated.passage[at[known]] == found.hash[known]
    if run.job.deduplication.passages.keep_first:
        chosen[chosen] = repeated.first[at[chosen]] != refs[found.row[chosen]]
    return cut_passages(texts, found, chosen), repeated.documents[at[chosen]]
