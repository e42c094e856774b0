# SPDX-License-Identifier: Apache-2.0
"""Containment: which documents hold another one whole, or nearly so.

The containment of x in y is the share of the shingles of x that y has too (Broder, "On the
resemblance and containment of documents", 1997). A chapter in its book, a page quoted whole: their
Jaccard similarity is low, so bands of MinHash values do not propose them. Two ways do:

- inside a corpus, samples propose. Every document keeps the shingles whose keyed hash is below
  2^64 / `ONE_IN` (`minhash.shingle_hashes(one_in=ONE_IN)`); its smallest `PROBES` ones are looked
  up among the samples of all others. Where x is contained in y by a share c, each probe of x is in
  y with chance c, so enough of them are, or x is not contained (`least_hits`, `proposal_recall`).
  Work and memory are linear: a probe is compared with at most `LONGEST` documents that have it.
- given works (a book to be taken down) are few, so nothing needs to be sampled: `work_overlaps`
  counts the shingles that every document shares with every work, exactly. Its recall is 1; fed
  with samples, it is an estimate at an eighth of the cost.

As with bands, a proposal removes nobody: `verification.py` does, by whole sets.
"""

from __future__ import annotations

from functools import cache
from math import comb
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from .buffers import BoolArray, UInt64Array

ONE_IN = 8
"""One shingle in how many is in a sample: two bytes a shingle are exchanged, and a text of 30
shingles still has 4."""

PROBES = 16
"""Sampled shingles of a document that are looked up, its smallest ones: a random choice."""

LONGEST = 16
"""Documents with a probe that it is compared with, the longest: what contains another document is
long. Bounds the pairs of a document by PROBES x LONGEST, whatever a corpus repeats."""

MISSED = 1e-3
"""Chance, by design, that a document contained just at the threshold has too few hits."""

OVERLAPS = pa.schema(
    [
        pa.field("document", pa.int64(), nullable=False),
        pa.field("work", pa.int64(), nullable=False),
        pa.field("common", pa.int64(), nullable=False),
        # Share of the document's shingles in the work, and of the work's in the document.
        pa.field("in_work", pa.float32(), nullable=False),
        pa.field("of_work", pa.float32(), nullable=False),
        pa.field("jaccard", pa.float32(), nullable=False),
    ]
)
"""What `work_overlaps` returns: the pairs that share a shingle, by document and work."""


def _at_least(hits: int, probes: int, share: float) -> float:
    """Return the chance of so many hits or more, each probe a hit with chance `share`."""
    return sum(
        comb(probes, k) * share**k * (1.0 - share) ** (probes - k) for k in range(hits, probes + 1)
    )


@cache
def least_hits(threshold: float) -> tuple[int, ...]:
    """Return the fewest hits that propose a document, by the number of its probes.

    As many as leave a document contained just at the threshold a chance of at most `MISSED` to
    have fewer, and one at least.

    Args:
        threshold: Containment in (0, 1].

    Returns:
        `PROBES + 1` numbers, for 0 to `PROBES` probes.
    """
    needed = []
    for probes in range(PROBES + 1):
        enough = [n for n in range(1, probes + 1) if _at_least(n, probes, threshold) >= 1 - MISSED]
        needed.append(max(enough, default=1))
    return tuple(needed)


def proposal_recall(containment: float, shingles: int, threshold: float) -> float:
    """Return the chance that a document is proposed with one that contains it.

    Args:
        containment: True containment in [0, 1].
        shingles: Distinct shingles of the contained document.
        threshold: Containment threshold of the job.

    Returns:
        In [0, 1]: over the size of its sample (binomial, one in `ONE_IN`) and the hits among its
        probes. `LONGEST` is not in it: it takes away where more documents than that share every
        shingle.
    """
    needed, sampled, total = least_hits(threshold), 1.0 / ONE_IN, 0.0
    chance = (1.0 - sampled) ** shingles
    for size in range(shingles + 1):
        if size:
            chance *= (shingles - size + 1) / size * sampled / (1.0 - sampled)
        probes = min(size, PROBES)
        total += chance * _at_least(needed[probes], probes, containment) if probes else 0.0
        if size > shingles * sampled and chance < 1e-12:
            break
    return min(total, 1.0)


def probe_mask(offsets: npt.NDArray[np.int64]) -> tuple[BoolArray, npt.NDArray[np.uint8]]:
    """Choose the probes of samples, whose values ascend in each.

    Args:
        offsets: int64[n + 1], where the sample of each document begins.

    Returns:
        (bool, uint8), one for each value: whether it is a probe, and how many its document has.
    """
    sizes = np.diff(offsets)
    place = np.arange(offsets[-1]) - np.repeat(offsets[:-1], sizes)
    return place < PROBES, np.repeat(np.minimum(sizes, PROBES).astype(np.uint8), sizes)


@njit(cache=True, nogil=True)
def _pair_up(first: Any, probe: Any, longest: int, left: Any, right: Any) -> int:
    """Pair the probes of every bucket with its first members; only count if `left` is empty."""
    used, fill = 0, len(left) > 0
    for bucket in range(len(first) - 1):
        start, end = first[bucket], first[bucket + 1]
        top = min(end, start + longest)
        for i in range(start, end):
            if probe[i]:
                for j in range(start, top):
                    if i != j:
                        if fill:
                            left[used], right[used] = i, j
                        used += 1
    return used


def pair_by_sample(
    hashes: UInt64Array, refs: UInt64Array, sizes: npt.NDArray[np.uint32], probe: BoolArray
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Pair every probe with the longest other documents that have the same shingle.

    Args:
        hashes: uint64[n], sampled shingles; every entry of one shingle must be given.
        refs: uint64[n], their documents; (hash, ref) is distinct.
        sizes: uint32[n], tokens of those documents.
        probe: bool[n], whether the entry is a probe of its document.

    Returns:
        (contained, container), int64 each: entries of the two documents of each pair, one pair for
        each shingle that they share; the same pairs for any order of entries.
    """
    order = np.lexsort((refs, np.uint32(0xFFFFFFFF) - sizes, hashes))
    sorted_hashes = hashes[order]
    new = np.append(True, sorted_hashes[1:] != sorted_hashes[:-1]) if len(order) else order == 0
    first = np.append(np.flatnonzero(new), len(order))
    nothing = np.zeros(0, np.int64)
    count = _pair_up(first, probe[order], LONGEST, nothing, nothing)
    left, right = np.empty(count, np.int64), np.empty(count, np.int64)
    _pair_up(first, probe[order], LONGEST, left, right)
    return order[left], order[right]


def proposed_pairs(
    contained: UInt64Array,
    container: UInt64Array,
    probes: npt.NDArray[np.uint8],
    threshold: float,
) -> tuple[UInt64Array, UInt64Array]:
    """Count the hits of each pair and return the pairs with enough.

    Args:
        contained: uint64[n], document of a probe; every hit of a document must be given.
        container: uint64[n], a document that has the same shingle.
        probes: uint8[n], how many probes the first one has.
        threshold: Containment threshold.

    Returns:
        (contained, container), uint64 each, sorted.
    """
    order = np.lexsort((container, contained))
    x, y, tried = contained[order], container[order], probes[order]
    new = np.ones(len(order), np.bool_)
    new[1:] = (x[1:] != x[:-1]) | (y[1:] != y[:-1])
    starts = np.flatnonzero(new)
    hits = np.diff(np.append(starts, len(order)))
    enough = hits >= np.array(least_hits(threshold))[tried[starts]]
    chosen = starts[enough]
    return x[chosen], y[chosen]


@njit(cache=True, nogil=True)
def _count_common(
    offsets: Any, hashes: Any, values: Any, first: Any, owners: Any, works: int, shift: Any, at: Any
) -> Any:
    """Return (document, work, common) of the pairs that share a value."""
    room = 1024
    document, work = np.empty(room, np.int64), np.empty(room, np.int64)
    common = np.empty(room, np.int64)
    used = 0
    count = np.zeros(works, np.int64)
    touched = np.empty(works, np.int64)
    for i in range(len(offsets) - 1):
        found = 0
        for k in range(offsets[i], offsets[i + 1]):
            slot = np.int64(hashes[k] >> shift)
            for v in range(at[slot], at[slot + 1]):
                if values[v] == hashes[k]:
                    for p in range(first[v], first[v + 1]):
                        if count[owners[p]] == 0:
                            touched[found] = owners[p]
                            found += 1
                        count[owners[p]] += 1
        chosen = np.sort(touched[:found])
        while used + found > room:
            document = np.concatenate((document, np.empty(room, np.int64)))
            work = np.concatenate((work, np.empty(room, np.int64)))
            common = np.concatenate((common, np.empty(room, np.int64)))
            room *= 2
        for w in chosen:
            document[used], work[used], common[used] = i, w, count[w]
            count[w] = 0
            used += 1
    return document[:used], work[:used], common[:used]


class WorkIndex(NamedTuple):
    """Shingle sets of given works, by hash: plain arrays, that workers may map.

    Attributes:
        values: uint64[v], the distinct hashes, ascending.
        first: int64[v + 1], where the works that have each begin in `owner`.
        owner: int64[s], works by hash.
        slots: int64[2^bits + 1], first place in `values` for each value of the top bits.
        sizes: int64[w], shingles of each work.
    """

    values: UInt64Array
    first: npt.NDArray[np.int64]
    owner: npt.NDArray[np.int64]
    slots: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]


def index_works(offsets: npt.NDArray[np.int64], hashes: UInt64Array) -> WorkIndex:
    """Index the shingle sets of works.

    Args:
        offsets: int64[w + 1], sets of w works, as `minhash.shingle_hashes` returns them.
        hashes: uint64[offsets[w]].
    """
    works = len(offsets) - 1
    owner = np.repeat(np.arange(works), np.diff(offsets))
    own = hashes[offsets[0] : offsets[-1]]
    order = np.lexsort((owner, own))
    values, first = np.unique(own[order], return_index=True)
    first = np.append(first, len(order)).astype(np.int64)
    # Hashes are uniform: their top bits are a table in which a value is found in a step or two.
    bits = max(len(values).bit_length(), 1)
    shift = np.uint64(64 - bits)
    counts = np.bincount((values >> shift).astype(np.int64), minlength=1 << bits)
    slots = np.append(0, np.cumsum(counts))
    return WorkIndex(values, first, owner[order], slots, np.diff(offsets))


def work_overlaps(
    offsets: npt.NDArray[np.int64], hashes: UInt64Array, works: WorkIndex
) -> pa.RecordBatch:
    """Count what every document shares with every given work, exactly.

    Both are shingle sets as `minhash.shingle_hashes` returns, under the same key. Time is linear in
    the shingles of the documents, memory in those of the works (24 bytes each): give documents
    batch by batch.

    Args:
        offsets: int64[n + 1], sets of n documents.
        hashes: uint64[offsets[n]].
        works: The works.

    Returns:
        An `OVERLAPS` batch: every pair that shares a shingle (recall 1), so that a document which
        is a near copy (`jaccard`), a part (`in_work`) or a container (`of_work`) of a work is
        found by comparing with a threshold.
    """
    shift = np.uint64(64 - (len(works.slots) - 1).bit_length() + 1)
    document, work, common = _count_common(
        offsets,
        hashes,
        works.values,
        works.first,
        works.owner,
        len(works.sizes),
        shift,
        works.slots,
    )
    mine, theirs = np.diff(offsets)[document], works.sizes[work]
    columns = [
        document,
        work,
        common,
        (common / mine).astype(np.float32),
        (common / theirs).astype(np.float32),
        (common / (mine + theirs - common)).astype(np.float32),
    ]
    return pa.RecordBatch.from_arrays([pa.array(column) for column in columns], schema=OVERLAPS)
