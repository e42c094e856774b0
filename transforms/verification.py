# SPDX-License-Identifier: Apache-2.0
"""Who in a cluster is a duplicate of whom, by true similarity: the only place that says so.

Locality-sensitive hashing proposes clusters; here every member is compared, by the full sets of
its shingles, with the members that *survive*. Members come in order of priority. One that reaches
the threshold with a survivor is removed and names it; any other becomes a survivor itself. So a
removed document always names a survivor it really resembles: nothing is removed by transitivity,
by an unverified collision, or because of a document that is itself removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from .buffers import BoolArray, UInt64Array
from .similarity_join import CONTAINED, INSERT, NEAR, NO_CONTAINMENT, NO_MATCH, PROBE, find_matches

INDEX_FROM = 32
"""Cluster size from which an index replaces plain comparison with every survivor (measured: about
equal between 20 and 50 members); the outcome is the same either way."""


class DuplicateRole(IntEnum):
    """What verification found a member of a cluster to be."""

    CONTEXT = 0
    """Not eligible: another rule has already decided. Never a witness, never removed here."""
    SURVIVOR = 1
    """Reaches the threshold with no survivor of better priority: kept, as far as duplicates go."""
    NEAR = 2
    """Its Jaccard similarity to the survivor `partner` reaches the threshold."""
    CONTAINED = 3
    """Not near, but the share of its own shingles found in the survivor `partner` reaches the
    containment threshold."""
    TAINTED = 4
    """Resembles a denied member (`denied_partner`) and is to be removed for that: no witness."""


VERIFIED = pa.schema(
    [
        pa.field("ref", pa.uint64(), nullable=False),
        pa.field("cluster", pa.uint64(), nullable=False),
        pa.field("role", pa.uint8(), nullable=False),
        # The survivor that a NEAR or CONTAINED member resembles, and how much; null otherwise.
        pa.field("partner", pa.uint64()),
        pa.field("jaccard", pa.float32()),
        pa.field("containment", pa.float32()),
        # The denied member that an eligible member resembles most, and how much.
        pa.field("tainted", pa.bool_(), nullable=False),
        pa.field("denied_partner", pa.uint64()),
        pa.field("denied_jaccard", pa.float32()),
    ]
)
"""What `verify_clusters` returns: one row per member, ascending by `ref`."""


def _round_up(values: npt.NDArray[np.float64], valid: BoolArray) -> pa.Array:
    """Round to float32, upwards: a score that reached its threshold still reads as reaching it."""
    rounded = values.astype(np.float32)
    below = rounded.astype(np.float64) < values
    rounded[below] = np.nextafter(rounded[below], np.float32(2.0))
    return pa.array(rounded, pa.float32(), mask=~valid)


def _check(
    threshold: float, containment_threshold: float | None, lengths: dict[str, int], rows: int
) -> None:
    if not 0.0 < threshold <= 1.0:
        message = f"expected 0 < threshold <= 1, got {threshold}"
        raise ValueError(message)
    if containment_threshold is not None and not 0.0 < containment_threshold <= 1.0:
        message = f"expected 0 < containment_threshold <= 1 or None, got {containment_threshold}"
        raise ValueError(message)
    wrong = {name: length for name, length in lengths.items() if length != rows}
    if wrong:
        message = f"expected {rows} rows in every column (offsets one more), got {wrong}"
        raise ValueError(message)


def verify_clusters(
    cluster: UInt64Array,
    ref: UInt64Array,
    priority: Sequence[npt.NDArray[Any]] | UInt64Array,
    eligible: BoolArray,
    offsets: npt.NDArray[np.int64],
    hashes: UInt64Array,
    *,
    threshold: float,
    containment_threshold: float | None = None,
    denied: BoolArray | None = None,
    remove_tainted: bool = True,
    index_from: int = INDEX_FROM,
) -> pa.RecordBatch:
    """Decide by true similarity who survives in each cluster, and of whom the others are copies.

    Members are taken in ascending order of priority, then `ref`. An eligible member is compared
    with the survivors so far and becomes NEAR if its Jaccard similarity to one of them reaches
    `threshold`, else CONTAINED if the share of its own shingles found in one of them reaches
    `containment_threshold`, else SURVIVOR. Its partner is the survivor with the highest such score,
    of equal ones the one of best priority. Empty sets match nothing, not even each other.

    Eligible members are also compared with the denied ones (opted out, taken down), and the best
    Jaccard similarity that reaches `threshold` is reported; with `remove_tainted` such a member is
    TAINTED, so it is no witness either, else it takes part like any other.

    Args:
        cluster: uint64[m], in any order.
        ref: uint64[m], distinct.
        priority: Columns of length m, most important first, or uint64[m, k]; smaller is better.
        eligible: bool[m], False for members that another rule removes: never a witness.
        offsets: int64[m + 1]; with `hashes`, the shingle sets of `minhash.shingle_hashes`.
        hashes: uint64[offsets[m]], each set ascending without repeats.
        threshold: Jaccard similarity in (0, 1] from which two documents are near-duplicates.
        containment_threshold: Share in (0, 1] from which a document counts as contained in
            another; None to leave containment out.
        denied: bool[m], or None for nobody. A denied member is not eligible, whatever is said.
        remove_tainted: Whether members that resemble a denied one are to be removed.
        index_from: Cluster size from which the index is used; changes speed only.

    Returns:
        A `VERIFIED` batch of m rows, ascending by `ref`. Scores are rounded up to float32.

    Raises:
        ValueError: A threshold is out of its range, or columns differ in length.
    """
    m = len(ref)
    columns = list(priority.T) if isinstance(priority, np.ndarray) else list(priority)
    denied = np.zeros(m, np.bool_) if denied is None else np.asarray(denied, np.bool_)
    lengths = {f"priority[{i}]": len(column) for i, column in enumerate(columns)}
    lengths |= {"cluster": len(cluster), "eligible": len(eligible), "denied": len(denied)}
    lengths["offsets"] = len(offsets) - 1
    _check(threshold, containment_threshold, lengths, m)

    order = np.lexsort([ref, *reversed(columns), cluster])
    members = np.asarray(cluster, np.uint64)[order]
    refs = np.asarray(ref, np.uint64)[order]
    begin = np.asarray(offsets, np.int64)[order]
    end = np.asarray(offsets, np.int64)[order + 1]
    denied = denied[order]
    eligible = np.asarray(eligible, np.bool_)[order] & ~denied
    new = np.ones(m, np.bool_)
    new[1:] = members[1:] != members[:-1]
    starts = np.append(np.flatnonzero(new), m)
    sets = np.ascontiguousarray(hashes, np.uint64)
    limit = NO_CONTAINMENT if containment_threshold is None else float(containment_threshold)

    tainted = np.zeros(m, np.bool_)
    denied_partner = np.zeros(m, np.int64)
    denied_score = np.zeros(m, np.float64)
    if denied.any():
        # The same scan, with the denied members in front of their clusters: they are inserted
        # without being compared, the eligible ones compared without being inserted.
        front = np.lexsort([np.arange(m), ~denied, members])
        mode = np.where(denied, INSERT, np.where(eligible, PROBE, 0))[front].astype(np.uint8)
        kind, partner, score, _ = find_matches(
            starts, mode, begin[front], end[front], sets, threshold, NO_CONTAINMENT, index_from
        )
        tainted[front] = kind == NEAR
        denied_partner[front] = front[partner]
        denied_score[front] = score
    competing = eligible & ~tainted if remove_tainted else eligible
    mode = np.where(competing, PROBE | INSERT, 0).astype(np.uint8)
    kind, partner, jaccard, contained = find_matches(
        starts, mode, begin, end, sets, threshold, limit, index_from
    )

    role = np.full(m, int(DuplicateRole.CONTEXT), np.uint8)
    role[competing] = int(DuplicateRole.SURVIVOR)
    role[kind == NEAR] = int(DuplicateRole.NEAR)
    role[kind == CONTAINED] = int(DuplicateRole.CONTAINED)
    role[eligible & ~competing] = int(DuplicateRole.TAINTED)
    matched = kind != NO_MATCH
    back = np.argsort(refs, kind="stable")
    return pa.RecordBatch.from_arrays(
        [
            pa.array(refs[back]),
            pa.array(members[back]),
            pa.array(role[back]),
            pa.array(refs[partner][back], mask=~matched[back]),
            _round_up(jaccard[back], matched[back]),
            _round_up(contained[back], matched[back]),
            pa.array(tainted[back]),
            pa.array(refs[denied_partner][back], mask=~tainted[back]),
            _round_up(denied_score[back], tainted[back]),
        ],
        schema=VERIFIED,
    )
