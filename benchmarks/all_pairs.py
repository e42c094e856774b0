# SPDX-License-Identifier: Apache-2.0
"""Every pair of documents that shares a shingle, with its true Jaccard similarity: exact.

An inverted index from shingle to documents; for each document, the documents before it that share
a shingle are counted once for each shingle they share. Nothing is sampled, hashed or pruned, so
what is found is the truth that a search by signatures is held against.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

CLASSES = 11
"""Ten deciles of similarity, [0, .1) to [.9, 1), and 1 by itself: equal sets are always found."""


@dataclass(frozen=True)
class Sets:
    """Shingle sets of n documents, their values numbered.

    Args:
        offsets: int64[n + 1]; set i is `values[offsets[i]:offsets[i + 1]]`, ascending.
        values: Numbers of shingles, each in [0, kinds).
        kinds: How many different shingles there are.
    """

    offsets: Ints
    values: Ints
    kinds: int

    def __len__(self) -> int:
        """Return the number of documents."""
        return len(self.offsets) - 1

    def take(self, rows: Ints) -> Sets:
        """Return the sets of some documents."""
        sizes = np.diff(self.offsets)[rows]
        offsets = np.append(0, np.cumsum(sizes))
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], sizes)
        return Sets(offsets, self.values[np.repeat(self.offsets[rows], sizes) + within], self.kinds)


def number_shingles(offsets: Ints, hashes: npt.NDArray[np.uint64]) -> Sets:
    """Number the shingles of `shingle_hashes` in the order of their hashes."""
    kinds, values = np.unique(hashes, return_inverse=True)
    return Sets(offsets, values.astype(np.int64), len(kinds))


@njit(cache=True, nogil=True)
def class_of(jaccard: float) -> int:
    """Return the decile of a similarity, 0 to 9; 10 for 1."""
    # No quotient of two integers up to 2,000 is rounded to the decile below (tried, all of them).
    return int(jaccard * 10.0)


@njit(cache=True, nogil=True)
def _postings(offsets: Any, values: Any, kinds: int) -> Any:
    """Return (starts, documents): where each shingle occurs, ascending."""
    starts = np.zeros(kinds + 1, np.int64)
    for value in values:
        starts[value + 1] += 1
    for kind in range(kinds):
        starts[kind + 1] += starts[kind]
    free = starts[:-1].copy()
    documents = np.empty(len(values), np.int32)
    for x in range(len(offsets) - 1):
        for k in range(offsets[x], offsets[x + 1]):
            documents[free[values[k]]] = x
            free[values[k]] += 1
    return starts, documents


@njit(cache=True, nogil=True)
def _scan(offsets: Any, values: Any, kinds: int, bands: int, rows: int, floor: float) -> Any:
    n = len(offsets) - 1
    starts, documents = _postings(offsets, values, kinds)
    seen_until = starts[:-1].copy()  # the documents before x that hold the shingle
    common = np.zeros(n, np.int32)
    touched = np.empty(n, np.int32)
    count = np.zeros(CLASSES, np.int64)
    expected = np.zeros(CLASSES, np.float64)
    found_a, found_b, found_j = [np.int64(0)], [np.int64(0)], [0.0]
    for x in range(n):
        met = 0
        for k in range(offsets[x], offsets[x + 1]):
            value = values[k]
            for at in range(starts[value], seen_until[value]):
                y = documents[at]
                if common[y] == 0:
                    touched[met] = y
                    met += 1
                common[y] += 1
            seen_until[value] += 1
        size = offsets[x + 1] - offsets[x]
        for i in range(met):
            y = touched[i]
            shared = common[y]
            common[y] = 0
            jaccard = shared / (size + offsets[y + 1] - offsets[y] - shared)
            decile = class_of(jaccard)
            count[decile] += 1
            expected[decile] += 1.0 - (1.0 - jaccard**rows) ** bands
            if jaccard >= floor:
                found_a.append(np.int64(y))
                found_b.append(np.int64(x))
                found_j.append(jaccard)
    return count, expected, np.array(found_a[1:]), np.array(found_b[1:]), np.array(found_j[1:])


@dataclass(frozen=True)
class Truth:
    """All pairs that share a shingle.

    Args:
        count: Pairs by class of similarity, int64[CLASSES].
        expected: Pairs that the S-curve says are proposed, summed over the true similarities.
        a: One document of each pair at or above the floor.
        b: The other; a < b.
        jaccard: Their similarity.
    """

    count: Ints
    expected: Floats
    a: Ints
    b: Ints
    jaccard: Floats


def all_pairs(sets: Sets, bands: int, rows: int, floor: float) -> Truth:
    """Count all pairs that share a shingle by similarity, and list the similar ones.

    Args:
        sets: The documents.
        bands: Bands of the S-curve 1 - (1 - s^rows)^bands.
        rows: Its rows.
        floor: Similarity from which pairs are listed.
    """
    return Truth(*_scan(sets.offsets, sets.values, sets.kinds, bands, rows, floor))


@njit(cache=True, nogil=True)
def _pair_jaccard(offsets: Any, values: Any, a: Any, b: Any) -> Any:
    out = np.zeros(len(a), np.float64)
    for i in range(len(a)):
        x, x_end = offsets[a[i]], offsets[a[i] + 1]
        y, y_end = offsets[b[i]], offsets[b[i] + 1]
        union = x_end - x + y_end - y
        shared = 0
        while x < x_end and y < y_end:
            left, right = values[x], values[y]
            shared += left == right
            x += left <= right
            y += right <= left
        if union:
            out[i] = shared / (union - shared)
    return out


def pair_jaccard(sets: Sets, a: Ints, b: Ints) -> Floats:
    """Return the Jaccard similarity of pairs by merging their sets; 0 for two empty ones."""
    similarity: Floats = _pair_jaccard(sets.offsets, sets.values, a, b)
    return similarity


def by_class(jaccard: Floats) -> Ints:
    """Count similarities by class, int64[CLASSES]."""
    return np.bincount((jaccard * 10.0).astype(np.int64), minlength=CLASSES)


@njit(cache=True, nogil=True)
def _bucket_pairs(order: Any, first: Any, n: int) -> Any:
    codes = [np.int64(0)]
    start = 0
    for i in range(len(order)):
        if first[i]:
            start = i
        for k in range(start, i):
            low, high = min(order[k], order[i]), max(order[k], order[i])
            codes.append(np.int64(low) * n + high)
    return np.array(codes[1:])


def bucket_pairs(buckets: npt.NDArray[np.generic]) -> tuple[Ints, Ints]:
    """Return each pair of documents that are in one bucket of some band, once.

    Args:
        buckets: `[n, bands]`, the bucket of each document in each band.

    Returns:
        (a, b), ascending, a < b.
    """
    n = len(buckets)
    codes = np.zeros(0, np.int64)
    for band in range(buckets.shape[1]):
        order = np.argsort(buckets[:, band], kind="stable")
        bucket = buckets[order, band]
        first = np.append(True, bucket[1:] != bucket[:-1])[:n]
        codes = np.union1d(codes, _bucket_pairs(order, first, n))
    return codes // max(n, 1), codes % max(n, 1)


@njit(cache=True, nogil=True)
def _best_kept(offsets: Any, values: Any, kinds: int, kept: Any) -> Any:
    n = len(offsets) - 1
    starts, documents = _postings(offsets, values, kinds)
    common = np.zeros(n, np.int32)
    touched = np.empty(n, np.int32)
    best = np.zeros(n, np.float64)
    for x in range(n):
        if kept[x]:
            best[x] = 1.0
            continue
        met = 0
        for k in range(offsets[x], offsets[x + 1]):
            for at in range(starts[values[k]], starts[values[k] + 1]):
                y = documents[at]
                if kept[y]:
                    if common[y] == 0:
                        touched[met] = y
                        met += 1
                    common[y] += 1
        for i in range(met):
            y = touched[i]
            union = offsets[x + 1] - offsets[x] + offsets[y + 1] - offsets[y] - common[y]
            best[x] = max(best[x], common[y] / union)
            common[y] = 0
    return best


def best_kept(sets: Sets, kept: Bools) -> Floats:
    """Return each document's similarity to the most similar document that is kept; its own is 1."""
    best: Floats = _best_kept(sets.offsets, sets.values, sets.kinds, kept)
    return best
