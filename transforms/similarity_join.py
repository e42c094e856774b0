# SPDX-License-Identifier: Apache-2.0
"""Exact search for the most similar earlier member of a cluster: the kernel of verification.

The members of each cluster are walked in order. A member with `PROBE` is compared with those
inserted before it; a member with `INSERT` that has found no match is inserted. `_scan_plain`
compares with every inserted member; `_scan_indexed` finds the same matches as PPJoin does (Xiao,
Wang, Lin and Yu, "Efficient similarity joins for near duplicate detection", WWW 2008), which is
exact: two sets can only reach a threshold if their sizes allow it (length filter) and if they
share one of their rarest shingles (prefix filter), at places that leave enough to share
(positional filter). Rarest first is what keeps a hundred thousand documents with one footer in
common near-linear: the footer comes last. Where that is not enough, because very many members
resemble each other just below the threshold, `MOST_COMPARED` bounds the work of each.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

PROBE, INSERT = 1, 2
NO_MATCH, NEAR, CONTAINED = 0, 1, 2
NEVER = 2.0
"""Threshold that no pair reaches."""

MOST_COMPARED = 1024
"""Members that one member is compared with at most; those that share its rarest shingles come
first, of these the latest. Without a bound, a hundred thousand texts that resemble each other just
below the threshold are five thousand million comparisons."""

MOST_LOOKED_UP = 16 * MOST_COMPARED
"""Places in the index that one member looks at, at most, for the same reason."""

_NEVER = 1 << 60
# Rounding may make a bound one too high and so miss a pair; a bound a hair lower is still right.
_SLACK = 1e-6


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
    total, smallest, largest = 0, _NEVER, 0
    for x in range(first, last):
        n = end[x] - begin[x]
        total += n
        largest = max(largest, n)
        if n:
            smallest = min(smallest, n)
    bits = 10
    while (1 << bits) < 2 * total and bits < 24:
        bits += 1
    shift = np.uint64(64 - bits)
    # How many members hold a shingle, counted by slot: shingles in one slot share their count,
    # which costs time at worst, since any order that all members share is exact.
    frequency = np.zeros(1 << bits, np.int32)
    for x in range(first, last):
        if mode[x]:
            for i in range(begin[x], end[x]):
                frequency[np.int64(hashes[i] >> shift)] += 1
    shared = np.empty(largest, np.uint64)
    room = 0
    for x in range(first, last):
        if mode[x] & INSERT:
            n = end[x] - begin[x]
            room += n if containment < NEVER else _prefix(n, smallest, threshold)
    # The postings of a slot are a linked list: head[slot], then following[posting], -1 at its end.
    head = np.full(1 << bits, -1, np.int32)
    following = np.empty(room, np.int32)
    posting_hash = np.empty(room, np.uint64)
    posting_row = np.empty(room, np.int32)
    posting_place = np.empty(room, np.int32)
    used, bounded = 0, 0
    seen = np.full(last - first, -1, np.int64)
    for x in range(first, last):
        n = end[x] - begin[x]
        if not mode[x] or n == 0:
            continue
        probes = inserts = _prefix(n, smallest, threshold)
        if containment < NEVER:
            probes = max(probes, n - max(math.ceil(containment * n - _SLACK), 1) + 1)
            inserts = n
        probes = probes if mode[x] & PROBE else 0
        inserts = inserts if mode[x] & INSERT else 0
        alone = _rarest_first(
            hashes[begin[x] : end[x]], max(probes, inserts), frequency, shift, shared
        )
        compared, looked = 0, 0
        for i in range(alone, probes):
            value = shared[i - alone]
            p = head[np.int64(value >> shift)]
            while p >= 0 and compared < MOST_COMPARED and looked < MOST_LOOKED_UP:
                here, p = p, following[p]
                looked += 1
                y = first + posting_row[here]
                if posting_hash[here] != value or seen[y - first] == x:
                    continue
                seen[y - first] = x
                ny = end[y] - begin[y]
                # The first shingle they share: before it none, after it at most what is left.
                reach = min(n - i, ny - posting_place[here])
                if reach >= _needed(n, ny, threshold, containment):
                    compared += 1
                    _improve(
                        x,
                        y,
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
        bounded += compared == MOST_COMPARED or looked == MOST_LOOKED_UP
        if inserts and kind[x] == NO_MATCH:
            for i in range(alone, inserts):
                value = shared[i - alone]
                slot = np.int64(value >> shift)
                posting_hash[used], posting_row[used] = value, x - first
                posting_place[used], following[used] = i, head[slot]
                head[slot] = used
                used += 1
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
