# SPDX-License-Identifier: Apache-2.0
"""An immutable index of strings in flat NumPy arrays: exact look-up of suffixes and prefixes.

A look-up hashes, goes through a bucket table on the top bits of the hash to the few entries that
may be equal, and then compares the bytes: there are no false positives. Hashes run either from the
right (for host suffixes: one pass over a host gives the hash of each of its suffixes) or from the
left (for URL prefixes). The arrays can be memory-mapped and shared by all workers of a machine.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from .buffers import string_buffers

# FNV-1a, 64 bits (https://www.rfc-editor.org/rfc/rfc9923), finished by MurmurHash3's fmix64 so
# that the top bits, which choose the bucket, depend on every byte.
FNV_OFFSET = np.uint64(0xCBF29CE484222325)
FNV_PRIME = np.uint64(0x100000001B3)
DOT, SLASH, QUESTION, AND, EQUALS = (ord(c) for c in "./?&=")


class StringIndex(NamedTuple):
    """Strings, numbered in the order given; equal ones are found by the number of the first.

    Attributes:
        data: uint8, the strings back to back.
        offsets: int64 (n + 1), string i is `data[offsets[i]:offsets[i + 1]]`.
        hashes: uint64 (m, the distinct strings), ascending.
        order: int32 (m), number of the string that has `hashes[i]`.
        buckets: int32 (2 ** bits + 1), first position in `hashes` for each value of the top bits.
        shift: 64 - bits.
    """

    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    hashes: NDArray[np.uint64]
    order: NDArray[np.int32]
    buckets: NDArray[np.int32]
    shift: int


def build_index(values: pa.Array, *, reverse: bool) -> StringIndex:
    """Index the strings of an array.

    Args:
        values: string array without nulls. Of equal strings only the first can be found.
        reverse: Whether hashes run from the right (to look suffixes up) or from the left.

    Returns:
        The index; where the array's buffers are compact they are shared, not copied.
    """
    data, offsets, _ = string_buffers(values)
    hashes = _hash_all(data, offsets, reverse)
    order = np.argsort(hashes, kind="stable").astype(np.int32)
    hashes = hashes[order]
    first = _mark_first(data, offsets, hashes, order)
    if not first.all():
        hashes, order = hashes[first], order[first]
    bits = max(1, len(values).bit_length() - 2)  # about four entries a bucket: one cache line
    edges = np.arange(1 << bits, dtype=np.uint64) << np.uint64(64 - bits)
    buckets = np.empty(len(edges) + 1, np.int32)
    buckets[:-1] = np.searchsorted(hashes, edges)
    buckets[-1] = len(hashes)
    start, end = int(offsets[0]), int(offsets[-1])
    return frozen_index(data[start:end], offsets - start, hashes, order, buckets)


def frozen_index(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    hashes: NDArray[np.uint64],
    order: NDArray[np.int32],
    buckets: NDArray[np.int32],
) -> StringIndex:
    """Return an index of read-only plain arrays: one compiled kernel for built and mapped ones."""
    data, offsets, hashes = np.asarray(data), np.asarray(offsets), np.asarray(hashes)
    order, buckets = np.asarray(order), np.asarray(buckets)
    for array in (data, offsets, hashes, order, buckets):
        array.setflags(write=False)
    bits = (len(buckets) - 1).bit_length() - 1
    return StringIndex(data, offsets, hashes, order, buckets, 64 - bits)


def entry_text(index: StringIndex, number: int) -> str:
    """Return one string of an index by its number."""
    return bytes(index.data[index.offsets[number] : index.offsets[number + 1]]).decode("utf-8")


@njit(cache=True, nogil=True, inline="always")
def finish_hash(state):  # type: ignore[no-untyped-def]
    """Return the hash for a running FNV-1a state (MurmurHash3 fmix64)."""
    state ^= state >> np.uint64(33)
    state *= np.uint64(0xFF51AFD7ED558CCD)
    state ^= state >> np.uint64(33)
    state *= np.uint64(0xC4CEB9FE1A85EC53)
    return state ^ (state >> np.uint64(33))


@njit(cache=True, nogil=True)
def find(index, state, data, start, end):  # type: ignore[no-untyped-def]
    """Return the number of the indexed string equal to `data[start:end]`, or -1.

    Args:
        index: A `StringIndex`.
        state: Running FNV-1a state over those bytes, in the index's direction.
        data: uint8 array that holds the bytes.
        start: First byte.
        end: One past the last byte.
    """
    wanted = finish_hash(state)
    bucket = np.int64(wanted >> np.uint64(index.shift))
    for at in range(index.buckets[bucket], index.buckets[bucket + 1]):
        if index.hashes[at] != wanted:
            continue
        entry = index.order[at]
        begin = index.offsets[entry]
        if index.offsets[entry + 1] - begin != end - start:
            continue
        same = True
        for place in range(end - start):
            if index.data[begin + place] != data[start + place]:
                same = False
                break
        if same:
            return np.int64(entry)
    return np.int64(-1)


@njit(cache=True, nogil=True)
def longest_suffixes(index, data, offsets, valid):  # type: ignore[no-untyped-def]
    """Return for each string the number of its longest indexed suffix at a dot, or -1.

    Args:
        index: A `StringIndex` built with reverse hashes.
        data: uint8, the strings.
        offsets: int64 (n + 1) into data.
        valid: bool (n), False for null.
    """
    found = np.full(len(valid), -1, np.int64)
    for row in range(len(valid)):
        if not valid[row]:
            continue
        start, end = offsets[row], offsets[row + 1]
        state = FNV_OFFSET
        for at in range(end - 1, start - 1, -1):
            state = (state ^ np.uint64(data[at])) * FNV_PRIME
            if at == start or data[at - 1] == DOT:
                entry = find(index, state, data, at, end)
                if entry >= 0:
                    found[row] = entry
    return found


@njit(cache=True, nogil=True)
def longest_prefixes(index, data, offsets, valid, whole):  # type: ignore[no-untyped-def]
    """Return for each string the number of its longest indexed prefix at a boundary, or -1.

    Args:
        index: A `StringIndex` built with forward hashes.
        data: uint8, the strings.
        offsets: int64 (n + 1) into data.
        valid: bool (n), False for null.
        whole: Whether only the whole string counts; otherwise a prefix may also end before or
            after `/`, `?`, `&`, or after `=`.
    """
    found = np.full(len(valid), -1, np.int64)
    for row in range(len(valid)):
        if not valid[row]:
            continue
        start, end = offsets[row], offsets[row + 1]
        state = FNV_OFFSET
        for at in range(start, end):
            byte = data[at]
            state = (state ^ np.uint64(byte)) * FNV_PRIME
            boundary = at + 1 == end
            if not (whole or boundary):
                after = data[at + 1]
                boundary = byte in (SLASH, QUESTION, AND, EQUALS)
                boundary = boundary or after in (SLASH, QUESTION, AND)
            if boundary:
                entry = find(index, state, data, start, at + 1)
                if entry >= 0:
                    found[row] = entry
    return found


@njit(cache=True, nogil=True)
def _hash_all(data, offsets, reverse):  # type: ignore[no-untyped-def]
    hashes = np.empty(len(offsets) - 1, np.uint64)
    for row in range(len(hashes)):
        state = FNV_OFFSET
        size = offsets[row + 1] - offsets[row]
        for place in range(size):
            at = offsets[row + 1] - 1 - place if reverse else offsets[row] + place
            state = (state ^ np.uint64(data[at])) * FNV_PRIME
        hashes[row] = finish_hash(state)
    return hashes


@njit(cache=True, nogil=True)
def _mark_first(data, offsets, hashes, order):  # type: ignore[no-untyped-def]
    """Mark every place in `order` whose string no string before it equals."""
    first = np.ones(len(order), np.bool_)
    for here in range(1, len(order)):
        before = here - 1
        while before >= 0 and hashes[before] == hashes[here]:
            a, b = order[before], order[here]
            size = offsets[a + 1] - offsets[a]
            same = size == offsets[b + 1] - offsets[b]
            place = 0
            while same and place < size:
                same = data[offsets[a] + place] == data[offsets[b] + place]
                place += 1
            if same:
                first[here] = False
                break
            before -= 1
    return first
