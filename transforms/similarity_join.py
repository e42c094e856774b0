# SPDX-License-Identifier: Apache-2.0
"""Exact search for the most similar earlier member of a cluster: the kernel of verification.

The members of each cluster are walked in order. A member with `PROBE` is compared with those
inserted before it; a member with `INSERT` that has found no match is inserted. `_scan_plain`
compares with every inserted member; `_scan_indexed` finds the same matches as PPJoin does (Xiao,
Wang, Lin and Yu, "Efficient similarity joins for near duplicate detection", WWW 2008), which is
exact: two sets can only reach a threshold if their sizes allow it (length filter) and if they
share one of their rarest shingles (prefix filter), at places that leave enough to share
(positional filter). Rarest first is what keeps a hundred thousand documents with one footer in
common near-linear: the footer comes last. Most pairs that are left are settled by sketches of the
sets (`parity_sketch.py`), which is exact too; of short texts already beside the entries of the
index, which lie in the order in which they are read. Where that is not enough, because very many members
resemble each other, `MOST_LOOKED_UP` and `MOST_COMPARED` bound the work of each: what is not found
is kept.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from .buffers import bits_set
from .parity_sketch import fill_sketches, folded_to_two, keep_close

PROBE, INSERT = 1, 2
NO_MATCH, NEAR, CONTAINED = 0, 1, 2
NEVER = 2.0
"""Threshold that no pair reaches."""

MOST_COMPARED = 1024
"""Members that one member is compared with at most, by whole sets; those that share its rarest
shingles come first, of these the latest."""

MOST_LOOKED_UP = 4 * MOST_COMPARED
"""Places in the index that one member looks at, at most. Without a bound, a hundred thousand texts
that resemble each other just below the threshold are five thousand million pairs. Of 25,000 such
texts 2,093 near copies are found instead of 2,188."""

_NEVER = 1 << 60
# Rounding may make a bound one too high and so miss a pair; a bound a hair lower is still right.
_SLACK = 1e-6

_POSTING = np.dtype(
    [
        ("tag", np.uint32),  # low half of the shingle; its slot says most of the rest
        ("row", np.uint32),
        ("left", np.int32),  # shingles of the row from this one on
        ("size", np.int32),  # all of them
        ("even", np.uint64),  # the row's sketch, folded to two words
        ("odd", np.uint64),
    ],
    align=True,
)


@njit(cache=True, nogil=True)
def _overlap(hashes: Any, x: int, x_end: int, y: int, y_end: int, needed: int) -> int:
    """Count the common values of two ascending ranges; stop (-1) once `needed` is out of reach."""
    if x_end - x > y_end - y:
        x, x_end, y, y_end = y, y_end, x, x_end
    common = 0
    search = (y_end - y) > 16 * (x_end - x)
    while x < x_end and y < y_end:
        if common + min(x_end - x, y_end - y) < needed:
            return -1
        if search:
            low, high = y, y_end
            while low < high:
                middle = (low + high) >> 1
                if hashes[middle] < hashes[x]:
                    low = middle + 1
                else:
                    high = middle
            y = low
            if y < y_end and hashes[y] == hashes[x]:
                common += 1
                y += 1
            x += 1
        else:
            left, right = hashes[x], hashes[y]
            common += left == right
            x += left <= right
            y += right <= left
    return common if common >= needed else -1


@njit(cache=True, nogil=True)
def _needed(nx: int, ny: int, threshold: float, containment: float) -> int:
    """Return the fewest common shingles with which x (nx shingles) can match y (ny)."""
    needed = _NEVER
    if min(nx, ny) >= threshold * max(nx, ny) - _SLACK:
        needed = math.ceil(threshold / (1.0 + threshold) * (nx + ny) - _SLACK)
    if containment < NEVER:
        needed = min(needed, math.ceil(containment * nx - _SLACK))
    return max(needed, 1)


@njit(cache=True, nogil=True)
def _improve(
    x: int,
    y: int,
    begin: Any,
    end: Any,
    hashes: Any,
    threshold: float,
    containment: float,
    kind: Any,
    partner: Any,
    jaccard: Any,
    contained: Any,
) -> None:
    """Make y the match of x if it is better than the match x has. Rows are in priority order."""
    nx, ny = end[x] - begin[x], end[y] - begin[y]
    if kind[x] == NEAR:  # only what is as near can be better
        threshold, containment = jaccard[x], NEVER
    needed = _needed(nx, ny, threshold, containment)
    if needed > min(nx, ny):
        return
    common = _overlap(hashes, begin[x], end[x], begin[y], end[y], needed)
    if common < 0:
        return
    j = common / (nx + ny - common)
    c = common / nx
    if j >= threshold:
        better = kind[x] != NEAR or j > jaccard[x] or (j == jaccard[x] and y < partner[x])
        found = NEAR
    elif c >= containment and kind[x] != NEAR:
        better = kind[x] == NO_MATCH or c > contained[x] or (c == contained[x] and y < partner[x])
        found = CONTAINED
    else:
        return
    if better:
        kind[x], partner[x], jaccard[x], contained[x] = found, y, j, c


@njit(cache=True, nogil=True)
def _scan_plain(
    first: int,
    last: int,
    mode: Any,
    begin: Any,
    end: Any,
    hashes: Any,
    threshold: float,
    containment: float,
    kind: Any,
    partner: Any,
    jaccard: Any,
    contained: Any,
) -> None:
    """Compare each member with every member inserted before it."""
    inserted = np.empty(last - first, np.int64)
    count = 0
    for x in range(first, last):
        if mode[x] & PROBE:
            for k in range(count):
                _improve(
                    x,
                    inserted[k],
                    begin,
                    end,
                    hashes,
                    threshold,
                    containment,
                    kind,
                    partner,
                    jaccard,
                    contained,
                )
        if mode[x] & INSERT and kind[x] == NO_MATCH:
            inserted[count] = x
            count += 1


@njit(cache=True, nogil=True)
def _prefix(n: int, smallest: int, threshold: float) -> int:
    """Return how many of n shingles, rarest first, hold one of every near member's prefix."""
    if n == 0:
        return 0
    other = max(float(smallest), threshold * n)
    needed = max(math.ceil(threshold / (1.0 + threshold) * (n + other) - _SLACK), 1)
    return max(n - needed + 1, 0)


@njit(cache=True, nogil=True)
def _rarest_first(values: Any, wanted: int, frequency: Any, shift: Any, shared: Any) -> int:
    """Write to `shared` the values that others may hold too, rarest first, ties by hash.

    Returns:
        How many values nobody else holds: they come before, and match nothing. Where these are
        `wanted` or more, `shared` is of no use and left unsorted.
    """
    count = 0
    for value in values:
        if frequency[np.int64(value >> shift)] > 1:
            shared[count] = value
            count += 1
    alone = len(values) - count
    if wanted > alone:
        keys = np.empty(count, np.int64)  # frequency, then place in the order of hashes
        for i in range(count):
            keys[i] = np.int64(frequency[np.int64(shared[i] >> shift)]) << 32 | i
        keys.sort()
        unsorted = shared[:count].copy()
        for i in range(count):
            shared[i] = unsorted[keys[i] & 0xFFFFFFFF]
    return alone


@njit(cache=True, nogil=True)
def _rank(
    mode: Any, begin: Any, end: Any, hashes: Any, threshold: float, containment: float, bits: int
) -> Any:
    """Choose what of each member is looked up and inserted: its rarest shingles, in that order.

    Returns:
        (probes, inserts, alone, offsets, ranked): how many shingles of each member are looked up
        and inserted, the first `alone` of which nobody else holds; from `offsets` on in `ranked`
        are the others.
    """
    m = len(mode)
    shift = np.uint64(64 - bits)
    # How many members hold a shingle, counted by slot: shingles in one slot share their count,
    # which costs time at worst, since any order that all members share is exact.
    frequency = np.zeros(1 << bits, np.int32)
    smallest, largest = _NEVER, 0
    for x in range(m):
        n = end[x] - begin[x]
        largest = max(largest, n)
        if n:
            smallest = min(smallest, n)
        if mode[x]:
            for i in range(begin[x], end[x]):
                frequency[np.int64(hashes[i] >> shift)] += 1
    probes, inserts = np.zeros(m, np.int32), np.zeros(m, np.int32)
    offsets = np.zeros(m + 1, np.int64)
    for x in range(m):
        n = end[x] - begin[x]
        if n:
            looked_up = inserted = _prefix(n, smallest, threshold)
            if containment < NEVER:
                looked_up = max(looked_up, n - max(math.ceil(containment * n - _SLACK), 1) + 1)
                inserted = n
            probes[x] = looked_up if mode[x] & PROBE else 0
            inserts[x] = inserted if mode[x] & INSERT else 0
        offsets[x + 1] = offsets[x] + max(probes[x], inserts[x])
    alone = np.zeros(m, np.int32)
    ranked = np.empty(offsets[m], np.uint64)
    shared = np.empty(largest, np.uint64)
    for x in range(m):
        wanted = offsets[x + 1] - offsets[x]
        if wanted:
            alone[x] = _rarest_first(hashes[begin[x] : end[x]], wanted, frequency, shift, shared)
            for i in range(wanted - alone[x]):
                ranked[offsets[x] + i] = shared[i]
    return probes, inserts, alone, offsets, ranked


@njit(cache=True, nogil=True)
def _places(inserts: Any, alone: Any, offsets: Any, ranked: Any, bits: int) -> Any:
    """Return where the postings of each slot begin, and last where they end."""
    starts = np.zeros((1 << bits) + 1, np.int32)
    shift = np.uint64(64 - bits)
    for x in range(len(inserts)):
        for i in range(inserts[x] - alone[x]):
            starts[np.int64(ranked[offsets[x] + i] >> shift) + 1] += 1
    for slot in range(1 << bits):
        starts[slot + 1] += starts[slot]
    return starts


@njit(cache=True, nogil=True)
def _unsettled(
    postings: Any,
    tag: Any,
    n: int,
    left: int,
    folded: Any,
    threshold: float,
    containment: float,
    row: int,
    seen: Any,
    others: Any,
    most: Any,
) -> int:
    """Write to `others` whom a row may match, of those not seen before that have one of its shingles.

    It is the first that they share, so what they share is at most what is `left` of either: the
    positional filter, which implies the length filter. To `most` goes how many shingles the two
    can have that the other has not. Here a search spends its time, so no branch is one that a
    processor could guess wrong.

    Returns:
        How many there are, in the order of `postings`.
    """
    share = threshold / (1.0 + threshold)
    part = containment * n - _SLACK if containment < NEVER else np.inf
    even, odd = folded
    count = 0
    for k in range(len(postings)):
        size = postings[k]["size"]
        needed = min(share * (n + size) - _SLACK, part)
        different = bits_set(postings[k]["even"] ^ even) + bits_set(postings[k]["odd"] ^ odd)
        other = postings[k]["row"]
        others[count], most[count] = other, n + size - 2.0 * needed
        new = (
            (postings[k]["tag"] == tag)
            & (min(left, postings[k]["left"]) >= needed)
            & (different <= most[count])
            & (seen[other] != row)
        )
        seen[other] = row if new else seen[other]
        count += new
    return count


@njit(cache=True, nogil=True)
def _scan_indexed(
    first: int,
    last: int,
    mode: Any,
    begin: Any,
    end: Any,
    hashes: Any,
    threshold: float,
    containment: float,
    kind: Any,
    partner: Any,
    jaccard: Any,
    contained: Any,
) -> int:
    """Do what `_scan_plain` does with an inverted index of the inserted members' prefixes.

    Returns:
        How many members reached a bound on comparisons.
    """
    mode_here, begin_here, end_here = mode[first:last], begin[first:last], end[first:last]
    bits = 10
    while (1 << bits) < 2 * (end_here - begin_here).sum() and bits < 24:
        bits += 1
    shift = np.uint64(64 - bits)
    probes, inserts, alone, offsets, ranked = _rank(
        mode_here, begin_here, end_here, hashes, threshold, containment, bits
    )
    # The postings of a slot lie side by side, the latest member first, so that looking through them
    # is fast: those from filled[slot] to ends[slot].
    ends = _places(inserts, alone, offsets, ranked, bits)[1:]
    filled = ends.copy()
    postings = np.empty(ends[-1], _POSTING)
    sketch_at, sketches = fill_sketches(begin_here, end_here, hashes)
    seen = np.full(last - first, -1, np.int32)
    others = np.empty(min(last - first, MOST_LOOKED_UP) + 1, np.uint32)
    most = np.empty(len(others), np.float64)
    bounded = 0
    for row in range(last - first):
        x, n = first + row, end_here[row] - begin_here[row]
        folded = folded_to_two(sketches[sketch_at[row] : sketch_at[row + 1]])
        compared, looked = 0, 0
        for i in range(alone[row], probes[row]):
            value = ranked[offsets[row] + i - alone[row]]
            slot = np.int64(value >> shift)
            here = min(ends[slot] - filled[slot], MOST_LOOKED_UP - looked)
            looked += here
            count = _unsettled(
                postings[filled[slot] : filled[slot] + here],
                np.uint32(value & np.uint64(0xFFFFFFFF)),
                n,
                n - i,
                folded,
                threshold,
                containment,
                row,
                seen,
                others,
                most,
            )
            count = keep_close(sketches, sketch_at, row, others, most, count)
            count = min(count, MOST_COMPARED - compared)
            compared += count
            for k in range(count):
                _improve(
                    x,
                    first + others[k],
                    begin,
                    end,
                    hashes,
                    threshold,
                    containment,
                    kind,
                    partner,
                    jaccard,
                    contained,
                )
            if compared == MOST_COMPARED or looked == MOST_LOOKED_UP:
                bounded += 1
                break
        if kind[x] == NO_MATCH:
            for i in range(alone[row], inserts[row]):
                value = ranked[offsets[row] + i - alone[row]]
                slot = np.int64(value >> shift)
                filled[slot] -= 1
                posting = postings[filled[slot]]
                posting["tag"], posting["row"] = value & np.uint64(0xFFFFFFFF), row
                posting["left"], posting["size"] = n - i, n
                posting["even"], posting["odd"] = folded
    return bounded


@njit(cache=True, nogil=True)
def find_matches(
    starts: Any,
    mode: Any,
    begin: Any,
    end: Any,
    hashes: Any,
    threshold: float,
    containment: float,
    index_from: int,
) -> Any:
    """Find the best match of every member among the members inserted before it.

    Args:
        starts: int64[clusters + 1], cluster k holds the rows `starts[k]` to `starts[k + 1]`.
        mode: uint8[m], any of `PROBE` and `INSERT`; 0 for rows that take no part.
        begin: int64[m], where the row's set begins in `hashes`.
        end: int64[m], where it ends.
        hashes: uint64, each set ascending without repeats.
        threshold: Jaccard similarity in (0, 1] of a `NEAR` match, which is preferred, or `NEVER`.
        containment: Share of the row's own set in (0, 1] of a `CONTAINED` match, or
            `NEVER`.
        index_from: Cluster size from which the index is used; changes speed only.

    Returns:
        (kind uint8[m], partner int64[m], jaccard float64[m], contained float64[m], bounded): the
        match with the highest score of its kind, of equal ones the earliest row; partner -1 without
        a match; and how many rows reached a bound on comparisons.
    """
    m = len(mode)
    kind = np.zeros(m, np.uint8)
    partner = np.full(m, -1, np.int64)
    jaccard = np.zeros(m, np.float64)
    contained = np.zeros(m, np.float64)
    bounded = 0
    for k in range(len(starts) - 1):
        first, last = starts[k], starts[k + 1]
        if last - first >= index_from:
            bounded += _scan_indexed(
                first,
                last,
                mode,
                begin,
                end,
                hashes,
                threshold,
                containment,
                kind,
                partner,
                jaccard,
                contained,
            )
        else:
            _scan_plain(
                first,
                last,
                mode,
                begin,
                end,
                hashes,
                threshold,
                containment,
                kind,
                partner,
                jaccard,
                contained,
            )
    return kind, partner, jaccard, contained, bounded
