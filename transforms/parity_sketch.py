# SPDX-License-Identifier: Apache-2.0
"""Parity sketches of sets: a quick lower bound on how many elements two sets do not share.

Bit k of a sketch says whether an odd number of the set's hashes end in the bits k. A shared element
flips the same bit of both sketches, so bits that differ come from elements that only one set has:
there are at least as many of those as of these (Sandes, Teodoro and Melo, "Bitmap filter: speeding
up exact set similarity joins with bitwise operations", 2020). Two to four bits an element are
enough to settle most pairs that are some way below a threshold, at a fiftieth of the cost of
comparing the sets; of short texts even a sketch folded to two words is, and two words fit beside
each entry of an index.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .buffers import bits_set

_WORD = 64


@njit(cache=True, nogil=True)
def sketch_words(n: int) -> int:
    """Return the words of 64 bits in the sketch of a set of n.

    They are a power of two, two or more, and have 2n bits or more.
    """
    words = 2
    while _WORD * words < 2 * n:
        words *= 2
    return words


@njit(cache=True, nogil=True)
def fill_sketches(begin: Any, end: Any, hashes: Any) -> Any:
    """Sketch sets of uniform hashes.

    Args:
        begin: int64[n], where each set begins in `hashes`.
        end: int64[n], where it ends.
        hashes: uint64, each set without repeats.

    Returns:
        (offsets int64[n + 1], sketches uint64[offsets[n]]).
    """
    n = len(begin)
    offsets = np.zeros(n + 1, np.int64)
    for x in range(n):
        offsets[x + 1] = offsets[x] + sketch_words(end[x] - begin[x])
    sketches = np.zeros(offsets[n], np.uint64)
    for x in range(n):
        last_bit = np.uint64(_WORD * (offsets[x + 1] - offsets[x]) - 1)
        for i in range(begin[x], end[x]):
            bit = hashes[i] & last_bit
            word = offsets[x] + np.int64(bit >> np.uint64(6))
            sketches[word] ^= np.uint64(1) << (bit & np.uint64(_WORD - 1))
    return offsets, sketches


@njit(cache=True, nogil=True)
def folded_to_two(sketch: Any) -> Any:
    """Return the sketch, uint64[2], that the same set would have had with two words."""
    folded = np.zeros(2, np.uint64)
    for i in range(len(sketch)):
        folded[i & 1] ^= sketch[i]
    return folded


@njit(cache=True, nogil=True)
def keep_close(sketches: Any, offsets: Any, x: int, others: Any, most: Any, count: int) -> int:
    """Drop from `others` the sets that certainly differ by more than `most` from set x.

    The larger sketch is folded to the size of the smaller: the sketch that its set would have had.

    Args:
        sketches: As `fill_sketches` returns.
        offsets: Likewise.
        x: A set.
        others: uint32[count or more], sets that it is held against; those kept move to the front.
        most: float64, likewise; elements that are in one of the two sets only, at most.
        count: How many there are.

    Returns:
        How many are kept.
    """
    mine = sketches[offsets[x] : offsets[x + 1]]
    kept = 0
    for k in range(count):
        other = others[k]
        theirs = sketches[offsets[other] : offsets[other + 1]]
        if len(mine) == len(theirs):
            different = 0
            for i in range(len(mine)):
                different += bits_set(mine[i] ^ theirs[i])
        elif len(mine) < len(theirs):
            different = _folded(mine, theirs)
        else:
            different = _folded(theirs, mine)
        others[kept] = other
        kept += different <= most[k]
    return kept


@njit(cache=True, nogil=True)
def _folded(sketch: Any, larger: Any) -> int:
    """Count the bits that differ between a sketch and a larger one folded to its size."""
    different = 0
    for i in range(len(sketch)):
        word, j = sketch[i], i
        while j < len(larger):
            word ^= larger[j]
            j += len(sketch)
        different += bits_set(word)
    return different
