# SPDX-License-Identifier: Apache-2.0
"""Find the features of words as fastText does: known words by hash, parts of words as buckets.

A known word is a row of the model; every word also stands for its parts: all its character n-grams
with `<` before and `>` behind it, each hashed to one of `bucket` numbers (Bojanowski et al. 2017,
arXiv:1607.04606; `Dictionary::computeSubwords`). The kernels read words where they lie in an Arrow
buffer and write numbers: no string is made.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

_I32 = npt.NDArray[np.int32]
_U64 = npt.NDArray[np.uint64]
_U8 = npt.NDArray[np.uint8]

_BEFORE, _BEHIND = 60, 62  # < and >
_BASIS = 2166136261


@numba.njit(cache=True, nogil=True, inline="always")
def _step(h: np.uint32, byte: int) -> np.uint32:
    """Hash one more byte by 32-bit FNV-1a; fastText takes bytes as signed."""
    return np.uint32((h ^ np.uint32(np.int64(np.int8(byte)))) * np.uint32(16777619))


@numba.njit(cache=True, nogil=True)
def hash32(data: _U8, start: int, stop: int) -> np.int64:
    """Hash bytes as fastText hashes a word for its n-grams, where it reads the hash as signed."""
    h = np.uint32(_BASIS)
    for i in range(start, stop):
        h = _step(h, data[i])
    return np.int64(np.int32(h))


@numba.njit(cache=True, nogil=True)
def _hash64(data: _U8, start: int, stop: int) -> np.uint64:
    h = np.uint64(14695981039346656037)
    for i in range(start, stop):
        h = (h ^ np.uint64(data[i])) * np.uint64(1099511628211)
    return h | np.uint64(1)  # never the free mark


@numba.njit(cache=True, nogil=True)
def _slot(keys: _U64, key: np.uint64) -> np.int64:
    """Return the slot of a key, or the free one where it belongs."""
    mask = np.uint64(len(keys) - 1)
    slot = (key >> np.uint64(17)) & mask
    while keys[slot] != 0 and keys[slot] != key:
        slot = (slot + np.uint64(1)) & mask
    return np.int64(slot)


@numba.njit(cache=True, nogil=True)
def find_word(keys: _U64, ids: _I32, data: _U8, start: int, stop: int) -> np.int64:
    """Return the number of the known word `data[start:stop]`, or -1."""
    return np.int64(ids[_slot(keys, _hash64(data, start, stop))])


@numba.njit(cache=True, nogil=True)
def _fill(data: _U8, ends: npt.NDArray[np.int64], keys: _U64, ids: _I32) -> None:
    for word in range(len(ends) - 1):
        key = _hash64(data, ends[word], ends[word + 1])
        slot = _slot(keys, key)
        keys[slot] = key
        ids[slot] = word


def index_words(words: list[bytes]) -> tuple[_U64, _I32]:
    """Build the table that `find_word` searches.

    Args:
        words: n distinct words, UTF-8.

    Returns:
        `keys` (uint64) and `ids` (int32), an open-addressing table a power of two long, at most
        half full: the 64-bit hash of a word, 0 where free, and the word's number, -1 where free.
    """
    slots = 1 << (2 * len(words)).bit_length()
    keys, ids = np.zeros(slots, np.uint64), np.full(slots, -1, np.int32)
    _fill(*join_words(words), keys, ids)
    return keys, ids


def join_words(words: list[bytes]) -> tuple[_U8, npt.NDArray[np.int64]]:
    """Return the bytes of all words, and the n + 1 offsets between them."""
    return np.frombuffer(b"".join(words), np.uint8), np.cumsum([0, *map(len, words)])


@numba.njit(cache=True, nogil=True)
def parts_buffer(offsets: npt.NDArray[np.int64], maxn: int) -> _I32:
    """Return room for the features of the longest text between these offsets.

    Args:
        offsets: int64[n + 1], in bytes.
        maxn: Longest part of a word in characters.

    Returns:
        int32, uninitialised: one a byte for words, and for parts `maxn` a byte and two a word more.
    """
    longest = 0
    for i in range(len(offsets) - 1):
        longest = max(longest, offsets[i + 1] - offsets[i])
    return np.empty((longest + 1) * (1 + 2 * max(maxn, 0)) + maxn, np.int32)


@numba.njit(cache=True, nogil=True, inline="always")
def word_parts(
    data: _U8,
    start: int,
    stop: int,
    shape: tuple[int, int, int],
    out: _I32,
    count: int,
) -> int:
    """Append the buckets of the parts of the word `data[start:stop]`; return the new count.

    Args:
        data: UTF-8.
        start: First byte of the word.
        stop: Behind its last byte.
        shape: (number of buckets, shortest part in characters with `<` and `>`, longest part); a
            longest part of 0 is none.
        out: int32, with room for `longest * (stop - start + 2)` more, as `parts_buffer` has.
        count: How many there are in `out` already.
    """
    bucket, minn, maxn = shape
    divisor = np.uint64(bucket)
    first = start - 1  # position start - 1 is `<`, position stop is `>`
    while first <= stop and maxn > 0:
        h = np.uint32(_BASIS)
        at = first
        for size in range(1, maxn + 1):
            h = _step(h, _BEFORE if at < start else _BEHIND if at == stop else data[at])
            at += 1
            while at < stop and data[at] & 0xC0 == 0x80:
                h = _step(h, data[at])
                at += 1
            if size >= minn and (size > 1 or start <= first < stop):
                out[count] = np.int32(np.uint64(h) % divisor)
                count += 1
            if at > stop:
                break
        first += 1
        while first < stop and data[first] & 0xC0 == 0x80:
            first += 1
    return count
