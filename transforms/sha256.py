# SPDX-License-Identifier: Apache-2.0
"""SHA-256 of millions of short byte strings in one call, straight from a buffer.

`hashlib` takes about a microsecond to be called; a row of a manifest has a few hundred bytes, so
most of that would be spent on making Python objects. The tests hold it to `hashlib`.

Source: FIPS 180-4, sections 4.2.2, 5 and 6.2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from .sha256_native import fold_blocks, has_instructions

__all__ = ["hash_pairs", "hash_slices"]

DIGEST_BYTES = 32


def _constants() -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """Return fractional parts of cube roots of 64 primes and square roots of 8, 32 bits each."""
    primes: list[int] = []
    number = 2
    while len(primes) < 64:
        if all(number % prime for prime in primes):
            primes.append(number)
        number += 1
    cubes = [_root(prime << 96, 3) & 0xFFFFFFFF for prime in primes]
    squares = [_root(prime << 64, 2) & 0xFFFFFFFF for prime in primes[:8]]
    return np.array(cubes, np.uint32), np.array(squares, np.uint32)


def _root(value: int, degree: int) -> int:
    """Return the whole part of a root."""
    low, high = 0, 1 << (value.bit_length() // degree + 1)
    while low < high - 1:
        middle = (low + high) // 2
        low, high = (middle, high) if middle**degree <= value else (low, middle)
    return low


_ROUNDS, _START = _constants()


@njit(cache=True, nogil=True)
def _rotate(word: Any, bits: int) -> Any:
    return (word >> np.uint32(bits)) | (word << np.uint32(32 - bits))


@njit(cache=True, nogil=True)
def _compress(state: Any, words: Any) -> None:
    """Fold one block, sixteen big-endian words, into the state; `words` has room for 64."""
    for t in range(16, 64):
        x, y = words[t - 15], words[t - 2]
        s0 = _rotate(x, 7) ^ _rotate(x, 18) ^ (x >> np.uint32(3))
        s1 = _rotate(y, 17) ^ _rotate(y, 19) ^ (y >> np.uint32(10))
        words[t] = words[t - 16] + s0 + words[t - 7] + s1
    a, b, c, d = state[0], state[1], state[2], state[3]
    e, f, g, h = state[4], state[5], state[6], state[7]
    for t in range(64):
        s1 = _rotate(e, 6) ^ _rotate(e, 11) ^ _rotate(e, 25)
        first = np.uint32(h + s1 + ((e & f) ^ (~e & g)) + _ROUNDS[t] + words[t])
        s0 = _rotate(a, 2) ^ _rotate(a, 13) ^ _rotate(a, 22)
        second = np.uint32(s0 + ((a & b) ^ (a & c) ^ (b & c)))
        h, g, f, e = g, f, e, np.uint32(d + first)
        d, c, b, a = c, b, a, np.uint32(first + second)
    state[0] += a
    state[1] += b
    state[2] += c
    state[3] += d
    state[4] += e
    state[5] += f
    state[6] += g
    state[7] += h


@njit(cache=True, nogil=True)
def _load(data: Any, at: int, words: Any, first: int, last: int) -> None:
    for word in range(first, last):
        place = at + 4 * (word - first)
        words[word] = (
            (np.uint32(data[place]) << np.uint32(24))
            | (np.uint32(data[place + 1]) << np.uint32(16))
            | (np.uint32(data[place + 2]) << np.uint32(8))
            | np.uint32(data[place + 3])
        )


@njit(cache=True, nogil=True)
def _store(state: Any, out: Any) -> None:
    for word in range(8):
        for byte in range(4):
            out[4 * word + byte] = np.uint8(state[word] >> np.uint32(24 - 8 * byte))


@njit(cache=True, nogil=True)
def _fold_plain(state: Any, words: Any, data: Any, at: Any, count: Any) -> None:
    """Fold consecutive blocks into the state; `words` has room for 64."""
    for block in range(count):
        _load(data, at + 64 * block, words, 0, 16)
        _compress(state, words)


@njit(cache=True, nogil=True)
def _fold_native(state: Any, words: Any, data: Any, at: Any, count: Any) -> None:  # noqa: ARG001
    fold_blocks(state, data, at, count, _ROUNDS)


_fold = _fold_native if has_instructions() else _fold_plain
"""Measured: 60 ns a block against 310; a row of 319 bytes in 0.31 us against 1.81."""


@njit(cache=True, nogil=True)
def _hash_slices(data: Any, offsets: Any, start: Any, out: Any) -> None:
    words = np.empty(64, np.uint32)
    state = np.empty(8, np.uint32)
    tail = np.empty(128, np.uint8)
    for row in range(len(out)):
        at, end = offsets[row], offsets[row + 1]
        size = end - at
        state[:] = start
        whole = size // 64
        _fold(state, words, data, at, whole)
        at += 64 * whole
        left = end - at
        blocks = 1 if left < 56 else 2
        tail[:] = 0
        for byte in range(left):
            tail[byte] = data[at + byte]
        tail[left] = 0x80
        for byte in range(8):
            tail[64 * blocks - 1 - byte] = np.uint8((size * 8) >> (8 * byte))
        _fold(state, words, tail, 0, blocks)
        _store(state, out[row])


@njit(cache=True, nogil=True)
def _hash_pairs(prefix: Any, left: Any, right: Any, start: Any, out: Any) -> None:
    words = np.empty(64, np.uint32)
    state = np.empty(8, np.uint32)
    block = np.empty(128, np.uint8)
    block[:] = 0
    block[0] = prefix
    block[65] = 0x80
    block[126] = 2  # 65 bytes are 520 bits
    block[127] = 8
    for row in range(len(out)):
        state[:] = start
        for byte in range(32):
            block[1 + byte] = left[row, byte]
            block[33 + byte] = right[row, byte]
        _fold(state, words, block, 0, 2)
        _store(state, out[row])


def hash_slices(
    data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint8]:
    """Hash consecutive slices of a buffer.

    Args:
        data: The bytes, uint8 `[m]`.
        offsets: Where each slice starts, and where the last ends, int64 `[n + 1]`, ascending.

    Returns:
        Digests, uint8 `[n, 32]`.
    """
    out = np.empty((len(offsets) - 1, DIGEST_BYTES), np.uint8)
    _hash_slices(data, offsets, _START, out)
    return out


def hash_pairs(
    prefix: int, left: npt.NDArray[np.uint8], right: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    """Hash a byte and two digests, row by row.

    Args:
        prefix: The byte in front.
        left: Digests, uint8 `[n, 32]`.
        right: Digests, uint8 `[n, 32]`.

    Returns:
        SHA-256 of prefix, left and right, uint8 `[n, 32]`.
    """
    out = np.empty((len(left), DIGEST_BYTES), np.uint8)
    _hash_pairs(np.uint8(prefix), left, right, _START, out)
    return out
