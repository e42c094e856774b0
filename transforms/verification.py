# SPDX-License-Identifier: Apache-2.0
"""Who in a cluster is a duplicate of whom, by true similarity: the only place that says so.

Locality-sensitive hashing proposes clusters; here every member is compared, by the full sets of
its shingles, with the members that *survive*. Members come in order of priority. One that reaches
the threshold with a survivor is removed and names it; any other becomes a survivor itself. Then
survivors contained in longer survivors fall, the longest first, whatever their priority: a part
says nothing that the whole does not. Copies whose survivor has fallen so are judged once more. So
a removed document always names a survivor that really resembles or contains it: nothing is removed
by transitivity, by an unverified collision, or because of a document that is itself removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from .buffers import BoolArray, UInt64Array
from .similarity_join import CONTAINED, INSERT, NEAR, NEVER, NO_MATCH, PROBE, find_matches

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
    """Resembles a denied member (`denied_partner`), or is contained in it, and is to be removed for
    that: no witness."""


class Standing(IntEnum):
    """How a member takes part."""

    NONE = 0
    """Not at all, but may be denied: another rule has already decided."""
    COMPETING = 1
    """Compared with the survivors so far, and then one of them or a copy."""
    FIXED = 2
    """A survivor whatever it resembles, before all others: it has been published."""
    LAST = 3
    """Compared with all survivors, but never one that others are compared with."""


VERIFIED = pa.schema(
    [
        pa.field("ref", pa.uint64(), nullable=False),
        pa.field("cluster", pa.uint64(), nullable=False),
        pa.field("role", pa.uint8(), nullable=False),
        # The survivor that a NEAR or CONTAINED member resembles, and how much; null otherwise.
        pa.field("partner", pa.uint64()),
        pa.field("jaccard", pa.float32()),
        pa.field("containment", pa.float32()),
        # The denied member that an eligible member resembles most, or is contained in, and how much.
        pa.field("tainted", pa.bool_(), nullable=False),
        pa.field("denied_partner", pa.uint64()),
        pa.field("denied_jaccard", pa.float32()),
        pa.field("denied_containment", pa.float32()),
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


class Verified(NamedTuple):
    """What verification found.

    Args:
        rows: A `VERIFIED` batch.
        bounded: Members that were compared with as many survivors as they may be.
    """

    rows: pa.RecordBatch
    bounded: int


class _Found(NamedTuple):
    kind: npt.NDArray[np.uint8]
    partner: npt.NDArray[np.int64]
    jaccard: npt.NDArray[np.float64]
    contained: npt.NDArray[np.float64]


@dataclass
class _Search:
    """The members in order of cluster and priority, and the matches found for them so far."""

    cluster: UInt64Array
    begin: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    hashes: UInt64Array
    index_from: int

    def __post_init__(self) -> None:
        self.bounded = 0
        self._forget()

    def _forget(self) -> None:
        m = len(self.cluster)
        self.kind = np.full(m, NO_MATCH, np.uint8)
        self.partner = np.full(m, -1, np.int64)
        self.jaccard = np.zeros(m, np.float64)
        self.contained = np.zeros(m, np.float64)

    def found(self) -> _Found:
        """Return the matches, and start anew."""
        found = _Found(self.kind, self.partner, self.jaccard, self.contained)
        self._forget()
        return found

    def scan(
        self,
        rank: npt.NDArray[Any],
        inserts: BoolArray,
        probes: BoolArray,
        threshold: float,
        containment: float,
    ) -> None:
        """Match members with those inserted before them in their cluster.

        Args:
            rank: `[m]`, to sort by inside a cluster, ascending; ties by priority.
            inserts: Members that others are matched with, unless they match themselves.
            probes: Members to match; what was found for them before is forgotten.
            threshold: Of Jaccard similarity, or `NEVER`.
            containment: Likewise.
        """
        who = np.flatnonzero(inserts | probes)
        order = who[np.lexsort([who, rank[who], self.cluster[who]])]
        members = self.cluster[order]
        new = np.ones(len(order), np.bool_)
        new[1:] = members[1:] != members[:-1]
        starts = np.append(np.flatnonzero(new), len(order))
        mode = (np.where(probes, PROBE, 0) | np.where(inserts, INSERT, 0))[order].astype(np.uint8)
        kind, partner, jaccard, contained, bounded = find_matches(
            starts,
            mode,
            self.begin[order],
            self.end[order],
            self.hashes,
            threshold,
            containment,
            self.index_from,
        )
        judged = probes[order]
        at = order[judged]
        self.kind[at] = kind[judged]
        self.partner[at] = np.where(partner >= 0, order[partner], -1)[judged]
        self.jaccard[at] = jaccard[judged]
        self.contained[at] = contained[judged]
        self.bounded += bounded


def verify_clusters(
    cluster: UInt64Array,
    ref: UInt64Array,
    priority: Sequence[npt.NDArray[Any]] | UInt64Array,
    standing: npt.NDArray[Any],
    offsets: npt.NDArray[np.int64],
    hashes: UInt64Array,
    *,
    threshold: float,
    containment_threshold: float | None = None,
    denied: BoolArray | None = None,
    remove_tainted: bool = True,
    index_from: int = INDEX_FROM,
) -> Verified:
    """Decide by true similarity who survives in each cluster, and of whom the others are copies.

    Members are taken in ascending order of priority, then `ref`. A competing member is compared
    with the survivors so far and becomes NEAR if its Jaccard similarity to one of them reaches
    `threshold`, else SURVIVOR. With a containment threshold, survivors are then taken by size, the
    largest first, and become CONTAINED if the share of their own shingles found in one that still
    survives reaches it; members that were NEAR one of these are judged again, by both thresholds,
    against who is left. The partner is the survivor with the highest score of its kind, of equal
    ones the one of best priority. Empty sets match nothing, not even each other.

    Competing members are first compared with the denied ones (opted out, taken down), and the
    best match by the same thresholds is reported; with `remove_tainted` such a member is TAINTED,
    so it is no witness either, else it takes part like any other.

    A member is compared with up to `similarity_join.MOST_COMPARED` survivors that share its rarest
    shingles: in a cluster of that size or less with every one that can match.

    Args:
        cluster: uint64[m], in any order.
        ref: uint64[m], distinct.
        priority: Columns of length m, most important first, or uint64[m, k]; smaller is better.
        standing: `Standing`[m]; booleans are fine, for COMPETING or NONE.
        offsets: int64[m + 1]; with `hashes`, the shingle sets of `minhash.shingle_hashes`.
        hashes: uint64[offsets[m]], each set ascending without repeats.
        threshold: Jaccard similarity in (0, 1] from which two documents are near-duplicates.
        containment_threshold: Share in (0, 1] from which a document counts as contained in
            another; None to leave containment out.
        denied: bool[m], or None for nobody. A denied member does not compete, whatever is said.
        remove_tainted: Whether members that resemble a denied one are to be removed.
        index_from: Cluster size from which the index is used; changes speed only.

    Returns:
        `rows`, a `VERIFIED` batch of m rows, ascending by `ref`, its scores rounded up to float32;
        and `bounded`, how many members reached the bound on comparisons.

    Raises:
        ValueError: A threshold is out of its range, or columns differ in length.
    """
    m = len(ref)
    columns = list(priority.T) if isinstance(priority, np.ndarray) else list(priority)
    denied = np.zeros(m, np.bool_) if denied is None else np.asarray(denied, np.bool_)
    lengths = {f"priority[{i}]": len(column) for i, column in enumerate(columns)}
    lengths |= {"cluster": len(cluster), "standing": len(standing), "denied": len(denied)}
    lengths["offsets"] = len(offsets) - 1
    _check(threshold, containment_threshold, lengths, m)

    order = np.lexsort([ref, *reversed(columns), cluster])
    refs = np.asarray(ref, np.uint64)[order]
    denied = denied[order]
    standing = np.where(denied, Standing.NONE, np.asarray(standing, np.uint8)[order])
    search = _Search(
        np.asarray(cluster, np.uint64)[order],
        np.asarray(offsets, np.int64)[order],
        np.asarray(offsets, np.int64)[order + 1],
        np.ascontiguousarray(hashes, np.uint64),
        index_from,
    )
    limit = NEVER if containment_threshold is None else float(containment_threshold)
    competing, fixed = standing == Standing.COMPETING, standing == Standing.FIXED
    last = standing == Standing.LAST

    if denied.any():
        search.scan(~denied, denied, competing, threshold, limit)
    to_denied = search.found()
    tainted = to_denied.kind != NO_MATCH
    tainted_out = tainted & remove_tainted
    competing = competing & ~tainted_out
    search.scan(~fixed, fixed | competing, competing, threshold, NEVER)
    orphaned = np.zeros(m, np.bool_)
    if containment_threshold is not None:
        alone = competing & (search.kind == NO_MATCH)
        size = np.where(fixed, np.iinfo(np.int64).max, search.end - search.begin)
        search.scan(-size, fixed | alone, alone, NEVER, limit)
        orphaned = (search.kind == NEAR) & (search.kind[search.partner] == CONTAINED)
    if orphaned.any() or last.any():
        survivors = fixed | (competing & (search.kind == NO_MATCH))
        turn = np.where(survivors, 0, np.where(last, 2, 1))
        search.scan(turn, survivors | orphaned, orphaned | last, threshold, limit)

    role = np.full(m, int(DuplicateRole.CONTEXT), np.uint8)
    role[competing | fixed] = int(DuplicateRole.SURVIVOR)
    role[search.kind == NEAR] = int(DuplicateRole.NEAR)
    role[search.kind == CONTAINED] = int(DuplicateRole.CONTAINED)
    role[tainted_out] = int(DuplicateRole.TAINTED)
    matched = search.kind != NO_MATCH
    back = np.argsort(refs, kind="stable")
    rows = pa.RecordBatch.from_arrays(
        [
            pa.array(refs[back]),
            pa.array(search.cluster[back]),
            pa.array(role[back]),
            pa.array(refs[search.partner][back], mask=~matched[back]),
            _round_up(search.jaccard[back], matched[back]),
            _round_up(search.contained[back], matched[back]),
            pa.array(tainted[back]),
            pa.array(refs[to_denied.partner][back], mask=~tainted[back]),
            _round_up(to_denied.jaccard[back], tainted[back]),
            _round_up(to_denied.contained[back], (to_denied.kind == CONTAINED)[back]),
        ],
        schema=VERIFIED,
    )
    return Verified(rows, search.bounded)
