# SPDX-License-Identifier: Apache-2.0
"""Near-duplicates, unit by unit: propose by band, connect, fetch shingles, verify.

    propose (split)        band hashes of exact leaders, by band partition
    connect (partition)    documents that share a band, as a spanning forest
    sample  (split)        sampled shingles of the same documents, by hash     } if parts of other
    overlap (partition)    documents with a probe of another, by split         } documents are
    weigh   (split)        those that may be contained in another              } looked for
    join (one)             connected components of all forests, by split
    collect (split)        shingle sets of the candidates, read again from the input, by component
    verify (partition)     who is a copy or a part of which survivor, by whole sets, by split

Text is read but never sent: a parcel holds keyed hashes only.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..schemas.reasons import ClusterRole
from ..schemas.staged import (
    BANDS,
    CANDIDATES,
    EDGES,
    EXACT,
    MEMBERSHIPS,
    NEAR,
    PAIRS,
    SAMPLES,
)
from .bands import star_edges
from .components import connect, spanning_forest
from .containment import pair_by_sample, probe_mask, proposed_pairs
from .exchange import Received, gather, write_parcels
from .hashing import canonical_text
from .minhash import shingle_hashes
from .reading import Split
from .refs import split_base, split_of, top_bits
from .run_state import FormerPart, Run
from .signatures import read_sets
from .storage import read_ipc
from .units import UnitOutputs
from .verification import DuplicateRole, Standing, verify_clusters

_SPREAD = np.uint64(0x9E3779B97F4A7C15)
"""Fibonacci hashing (Knuth, TAOCP 6.4): spreads consecutive component names over partitions."""

_ROLES = {
    DuplicateRole.CONTEXT: ClusterRole.CONTEXT,
    DuplicateRole.SURVIVOR: ClusterRole.SURVIVOR,
    DuplicateRole.NEAR: ClusterRole.NEAR_COPY,
    DuplicateRole.CONTAINED: ClusterRole.CONTAINED_COPY,
    DuplicateRole.TAINTED: ClusterRole.CONTEXT,
}


def propose_split(
    run: Run, split: Split | FormerPart, bands: str, received: Received, out: UnitOutputs
) -> None:
    """Send the band hashes of the documents of a split that stand for themselves or a group."""
    table = read_ipc(bands)
    ref = split_base(split) | table["row"].to_numpy().astype(np.uint64)
    sends = ~np.isin(ref, _followers(received))
    hashes = table["bands"].combine_chunks()
    values = np.asarray(hashes.flatten()).reshape(len(ref), hashes.type.list_size)[sends]
    band = values.ravel()
    rows = pa.table([band, np.repeat(ref[sends], values.shape[1])], schema=BANDS)
    partition = top_bits(band, run.plan.partitions)
    write_parcels(out, "bands", BANDS, rows, partition)


def _followers(received: Received) -> npt.NDArray[np.uint64]:
    """Return the documents of a split for which an exact leader answers."""
    groups = gather(received, "exact", EXACT, [])
    followers: npt.NDArray[np.uint64] = groups.filter(
        pc.not_equal(groups["ref"], groups["leader"])
    )["ref"].to_numpy()
    return followers


def sample_split(
    run: Run,
    split: Split | FormerPart,
    annotations: str,
    samples: str,
    received: Received,
    out: UnitOutputs,
) -> None:
    """Send the sampled shingles of the documents of a split that stand for themselves or a group."""
    table = read_ipc(samples)
    row = table["row"].to_numpy()
    ref = split_base(split) | row.astype(np.uint64)
    table = table.append_column("ref", pa.array(ref))
    table = table.filter(pa.array(~np.isin(ref, _followers(received)))).combine_chunks()
    lists = table["shingles"].combine_chunks()
    offsets = np.asarray(lists.offsets).astype(np.int64)
    is_probe, probes = probe_mask(offsets - offsets[0])
    sizes = np.diff(offsets)
    tokens = read_ipc(annotations)["tokens"].to_numpy()[table["row"].to_numpy()]
    shingles = np.asarray(lists.flatten())
    columns = [
        shingles,
        np.repeat(table["ref"].to_numpy(), sizes),
        np.repeat(tokens, sizes),
        probes * is_probe,
    ]
    # All samples are below 2^64 / ONE_IN: their top bits say nothing, so they are spread again.
    partition = top_bits(shingles * _SPREAD, run.plan.partitions)
    write_parcels(out, "samples", SAMPLES, pa.table(columns, schema=SAMPLES), partition)


def overlap_partition(received: Received, out: UnitOutputs) -> None:
    """Pair the probes of one partition with the documents that have the same shingle."""
    table = gather(received, "samples", SAMPLES, [])
    columns = {name: table[name].to_numpy() for name in table.column_names}
    probes = columns["probes"]
    contained, container = pair_by_sample(
        columns["shingle"], columns["ref"], columns["tokens"], probes > 0
    )
    ref = columns["ref"]
    rows = pa.table([ref[contained], ref[container], probes[contained]], schema=PAIRS)
    write_parcels(out, "pairs", PAIRS, rows, split_of(ref[contained]))


def weigh_split(run: Run, received: Received, out: UnitOutputs) -> None:
    """Tell the joiner which documents of a split may be contained in which others."""
    table = gather(received, "pairs", PAIRS, [])
    threshold = run.job.deduplication.near.containment or 1.0  # not run without one
    contained, container, probes = (table[name].to_numpy() for name in PAIRS.names)
    contained, container = proposed_pairs(contained, container, probes, threshold)
    a, b = spanning_forest(contained, container)
    write_parcels(out, "edges", EDGES, pa.table([a, b], schema=EDGES), np.zeros(len(a), np.int64))


def connect_partition(received: Received, out: UnitOutputs) -> None:
    """Reduce the buckets of one band partition to a spanning forest, for the one joiner."""
    table = gather(received, "bands", BANDS, [])
    a, b = spanning_forest(*star_edges(table["band"].to_numpy(), table["ref"].to_numpy()))
    forest = pa.table([a, b], schema=EDGES)
    write_parcels(out, "edges", EDGES, forest, np.zeros(len(a), dtype=np.int64))


def join_forests(received: Received, out: UnitOutputs) -> None:
    """Join the forests of all partitions into components, and tell each split its members."""
    table = gather(received, "edges", EDGES, [])
    ref, cluster = connect(table["a"].to_numpy(), table["b"].to_numpy())
    members = pa.table([ref, cluster], schema=MEMBERSHIPS)
    write_parcels(out, "memberships", MEMBERSHIPS, members, split_of(ref))


def collect_split(
    run: Run,
    split: Split | FormerPart,
    annotations: str,
    screened: str,
    received: Received,
    out: UnitOutputs,
) -> None:
    """Read the candidates of a split again and send their shingle sets to their components."""
    members = gather(received, "memberships", MEMBERSHIPS, ["ref"])
    ref = members["ref"].to_numpy()
    rows = (ref & np.uint64(0xFFFFFFFF)).astype(np.int64)
    known = read_ipc(annotations)
    with out.timed("collect"):
        offsets, shingles = _shingles_of(run, split, rows, known)
    place = pa.array(rows)
    table = read_ipc(screened)
    at = np.searchsorted(table["ref"].to_numpy(), ref)
    columns = {name: table[name].to_numpy()[at] for name in table.column_names}
    for name in ("id_hi", "id_lo"):
        columns[name] = known[name].take(place).to_numpy().copy()
    followers = _apply_groups(columns, ref, gather(received, "exact", EXACT, ["ref"]))
    columns["ref"] = ref
    columns["cluster"] = members["cluster"].to_numpy()
    columns["followers"] = followers
    columns["shingles"] = pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(shingles))
    rows_out = pa.table([columns[name] for name in CANDIDATES.names], schema=CANDIDATES)
    spread = columns["cluster"] * _SPREAD
    partition = top_bits(spread, run.plan.partitions)
    write_parcels(out, "candidates", CANDIDATES, rows_out, partition)


def _apply_groups(
    columns: dict[str, npt.NDArray[np.generic]], ref: npt.NDArray[np.uint64], groups: pa.Table
) -> pa.Array:
    """Let the answers of the exact stage replace what the split knew of its leaders.

    Returns:
        Followers of each candidate, list<uint64> `[n]`.
    """
    n = len(ref)
    group_ref = groups["ref"].to_numpy()
    at = np.searchsorted(group_ref, ref)
    found = np.zeros(n, dtype=bool)
    inside = at < len(group_ref)
    found[inside] = group_ref[at[inside]] == ref[inside]
    for name in ("id_hi", "id_lo", "eligible", "denied"):
        values = columns[name].copy()
        values[found] = groups[name].to_numpy()[at[found]]
        columns[name] = values
    nobody = pa.scalar([], pa.list_(pa.uint64()))
    lists = groups["followers"].combine_chunks().take(pa.array(at, mask=~found))
    return pc.coalesce(lists, nobody) if n else lists


def _shingles_of(
    run: Run, split: Split | FormerPart, rows: npt.NDArray[np.int64], annotations: pa.Table
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
    """Return the shingle sets of some rows of a split, ascending by row."""
    offsets, hashes, base = [np.zeros(1, dtype=np.int64)], [], 0
    if isinstance(split, FormerPart):
        sets = read_sets(split, rows)
    else:
        sets = _sets_of_texts(run, split, rows, annotations)
    for starts, values in sets:
        offsets.append(starts[1:] + base)
        hashes.append(values)
        base += len(values)
    joined = np.concatenate(hashes) if hashes else np.zeros(0, dtype=np.uint64)
    return np.concatenate(offsets), joined


def _sets_of_texts(
    run: Run, split: Split, rows: npt.NDArray[np.int64], annotations: pa.Table
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]]:
    size = run.job.deduplication.near.shingle_size
    for texts in texts_of(run, split, rows, annotations):
        yield shingle_hashes(canonical_text(texts), shingle_size=size, key=run.shingle_key)


def texts_of(
    run: Run, split: Split, rows: npt.NDArray[np.int64], annotations: pa.Table
) -> Iterator[pa.Array]:
    """Yield the texts of some rows of a split that was read before, batch by batch."""
    if not len(rows):
        return
    for batch in run.reader(split, ("text",), annotations):
        first = batch["row"][0].as_py()
        low, high = np.searchsorted(rows, [first, first + batch.num_rows])
        if low < high:
            yield batch["text"].take(pa.array(rows[low:high] - first))
        if high == len(rows):
            return


def verify_partition(run: Run, received: Received, out: UnitOutputs) -> None:
    """Decide by whole sets in one partition, and tell each split what became of its members.

    `stats` get the sizes of the components, for the cluster guard.
    """
    table = gather(received, "candidates", CANDIDATES, ["ref"])
    columns = {
        name: table[name].to_numpy()
        for name in table.column_names
        if name not in {"shingles", "followers"}
    }
    sets = table["shingles"].combine_chunks()
    near = run.job.deduplication.near
    with out.timed("verify"):
        verified, bounded = verify_clusters(
            columns["cluster"],
            columns["ref"],
            [columns[name] for name in ("priority_hi", "priority_lo", "id_hi", "id_lo")],
            _standing(run, columns["ref"], columns["eligible"]),
            np.asarray(sets.offsets).astype(np.int64) - np.int64(sets.offsets[0].as_py()),
            np.asarray(sets.flatten()),
            threshold=near.threshold,
            containment_threshold=near.containment,
            denied=columns["denied"],
            remove_tainted=run.job.rights.optout_copies == "remove",
        )
    answers = _answers(verified, columns, table["followers"].combine_chunks())
    write_parcels(out, "near", NEAR, answers, split_of(answers["ref"].to_numpy()))
    survivors = answers["cluster_hi"].to_numpy()
    sizes = np.unique(survivors, return_counts=True)[1] if len(survivors) else np.zeros(0, int)
    out.stats["largest_clusters"] = sorted((int(size) for size in sizes), reverse=True)[:10]
    out.stats["candidates"] = len(columns["ref"])
    out.stats["bounded"] = bounded


def _standing(
    run: Run, ref: npt.NDArray[np.uint64], eligible: npt.NDArray[np.bool_]
) -> npt.NDArray[np.uint8]:
    """Say how each candidate takes part; documents of former releases do not compete."""
    standing = eligible.astype(np.uint8) * np.uint8(Standing.COMPETING)
    former = np.flatnonzero(eligible & (ref >= run.plan.former_base))
    stays = np.array([part.stays for part in run.plan.former], dtype=bool)
    number = split_of(ref[former]) - len(run.plan.splits)
    standing[former] = np.where(stays[number], Standing.FIXED, Standing.LAST)
    return standing


def _answers(
    verified: pa.RecordBatch, columns: dict[str, npt.NDArray[np.generic]], followers: pa.Array
) -> pa.Table:
    """Keep what is a verified relation, say it by identifier, and repeat it for followers.

    Args:
        verified: One row a candidate, ascending by `ref`, as `verify_clusters` returns.
        columns: Candidates, ascending by `ref`.
        followers: list<uint64>, likewise.
    """
    ref = columns["ref"]
    role = np.asarray(verified["role"])
    partner = pc.fill_null(verified["partner"], 0).to_numpy()
    has_partner = pc.is_valid(verified["partner"]).to_numpy(zero_copy_only=False)
    denied = pc.fill_null(verified["denied_partner"], 0).to_numpy()
    has_denied = pc.is_valid(verified["denied_partner"]).to_numpy(zero_copy_only=False)
    named = np.isin(ref, partner[has_partner])
    tells = has_partner | has_denied | named
    partner_at = np.searchsorted(ref, np.where(has_partner, partner, ref))
    denied_at = np.searchsorted(ref, np.where(has_denied, denied, ref))
    answers = pa.table(
        [
            ref,
            np.array([_ROLES[DuplicateRole(code)] for code in range(5)], dtype=np.uint8)[role],
            columns["id_hi"][partner_at],
            columns["id_lo"][partner_at],
            pa.array(partner, mask=~has_partner),
            pa.array(columns["id_hi"][partner_at], mask=~has_partner),
            pa.array(columns["id_lo"][partner_at], mask=~has_partner),
            verified["jaccard"],
            verified["containment"],
            pa.array(columns["id_hi"][denied_at], mask=~has_denied),
            pa.array(columns["id_lo"][denied_at], mask=~has_denied),
            verified["denied_jaccard"],
            verified["denied_containment"],
        ],
        schema=NEAR,
    )
    counts = np.asarray(pc.list_value_length(followers))
    changed = tells & (has_partner | has_denied)
    repeated = np.repeat(np.arange(len(ref)), np.where(changed, counts, 0))
    chosen = followers.filter(pa.array(changed)).flatten()
    echo = _echo(answers.take(pa.array(repeated)), chosen)
    return pa.concat_tables([answers.filter(pa.array(tells)), echo]).sort_by("ref")


def _echo(leads: pa.Table, followers: pa.Array) -> pa.Table:
    """Repeat what was found of exact leaders for their followers, which have the same text.

    While the leader survives, its follower stays an exact copy of it.

    Args:
        leads: The leader of each follower, schema `NEAR`.
        followers: `doc_ref` of each follower.
    """
    stays = pc.equal(leads["role"], ClusterRole.SURVIVOR)
    copy = {
        "role": pa.scalar(ClusterRole.EXACT_COPY, pa.uint8()),
        "partner": leads["ref"],
        "partner_hi": leads["cluster_hi"],
        "partner_lo": leads["cluster_lo"],
        "jaccard": pa.scalar(1.0, pa.float32()),
        "containment": pa.scalar(1.0, pa.float32()),
    }
    columns = {name: pc.if_else(stays, value, leads[name]) for name, value in copy.items()}
    columns["ref"] = followers
    return pa.table([columns.get(name, leads[name]) for name in NEAR.names], schema=NEAR)
