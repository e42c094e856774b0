# SPDX-License-Identifier: Apache-2.0
"""Shingles and MinHash signatures, straight from Arrow buffers.

A shingle is `shingle_size` consecutive tokens (`tokens.py`); its hash is SipHash-1-3 (64 bits) of
their hashes, 8 little-endian bytes each, under the key derived for "shingle". So two shingles
collide by chance only (2^-64 a pair), and without the key nobody can compute, and so choose, the
minima of a document: with a public seed, eight copied shingles and a thousand fillers are enough
to forge a bucket collision with any victim.

Signatures are datasketch's scheme `affine32`, value by value: the low 32 bits of each shingle hash
go through the MurmurHash3 finaliser, then each permutation is `a * h + b mod 2^32` with the `a`
and `b` that datasketch draws for the seed; the minimum over the shingles is kept (Broder, "On the
resemblance and containment of documents", 1997).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from .buffers import UInt64Array, text_buffers
from .hashing import derive_key, key_halves, sip_round, sip_start
from .tokens import character_tables, fill_tokens

UInt32Array = npt.NDArray[np.uint32]

EMPTY_MINIMUM = 0xFFFF_FFFF
"""Every value of the signature of a document without tokens; datasketch's own marker."""

MAX_SHINGLE_SIZE = 64
MAX_PERMUTATIONS = 4096
_BLOCK = 512  # tokens hashed at a time: the scratch arrays stay in the first-level cache; 4 x n


@cache
def permutations(num_perm: int, seed: int) -> tuple[UInt32Array, UInt32Array]:
    """Return datasketch's `affine32` permutations for a seed.

    Args:
        num_perm: Number of permutations.
        seed: As given to `datasketch.MinHash`.

    Returns:
        (a, b), each uint32[num_perm], `a` odd.
    """
    # As datasketch 2.0 draws them (an odd factor makes the map a bijection); a test compares the
    # two. Importing datasketch for it would take each worker half a second.
    draw = np.random.RandomState(seed)
    a = draw.randint(0, 1 << 31, num_perm, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    b = draw.randint(0, 1 << 32, num_perm, dtype=np.uint32)
    return a, b


@njit(cache=True, nogil=True)
def _absorb_all(tokens: Any, count: int, s0: Any, s1: Any, s2: Any, s3: Any) -> None:
    for i in range(count):
        word = tokens[i]
        v0, v1, v2, v3 = sip_round(s0[i], s1[i], s2[i], s3[i] ^ word)
        s0[i], s1[i], s2[i], s3[i] = v0 ^ word, v1, v2, v3


@njit(cache=True, nogil=True)
def _scratch() -> Any:
    """Return the state arrays of `_fill_shingles`."""
    return (
        np.empty(_BLOCK, np.uint64),
        np.empty(_BLOCK, np.uint64),
        np.empty(_BLOCK, np.uint64),
        np.empty(_BLOCK, np.uint64),
    )


@njit(cache=True, nogil=True)
def _fill_shingles(
    tokens: Any, filled: int, size: int, k0: Any, k1: Any, state: Any, out: Any
) -> int:
    """Hash every shingle among `filled` tokens to `out`; returns how many.

    One pass over all shingles for each word that SipHash absorbs, its four state words in arrays:
    the loops have no dependencies, so the compiler makes vector instructions of them.
    """
    count = max(filled - size + 1, 0)
    s0, s1, s2, s3 = state
    start0, start1, start2, start3 = sip_start(k0, k1)
    for i in range(count):
        s0[i], s1[i], s2[i], s3[i] = start0, start1, start2, start3
    for j in range(size):
        _absorb_all(tokens[j:], count, s0, s1, s2, s3)
    tail = np.uint64(size) << np.uint64(59)  # 8 x size bytes, in the top byte
    for i in range(count):
        v0, v1, v2, v3 = sip_round(s0[i], s1[i], s2[i], s3[i] ^ tail)
        v0 ^= tail
        v2 ^= np.uint64(0xFF)
        v0, v1, v2, v3 = sip_round(v0, v1, v2, v3)
        v0, v1, v2, v3 = sip_round(v0, v1, v2, v3)
        v0, v1, v2, v3 = sip_round(v0, v1, v2, v3)
        out[i] = v0 ^ v1 ^ v2 ^ v3
    return count


@njit(cache=True, nogil=True)
def _lower_minima(shingles: Any, count: int, a: Any, b: Any, mixed: Any, minima: Any) -> None:
    for i in range(count):
        # Numba widens 32-bit products to 64 bits: cut them back before they are shifted.
        h = np.uint32(shingles[i])
        h = np.uint32((h ^ (h >> np.uint32(16))) * np.uint32(0x85EBCA6B))
        h = np.uint32((h ^ (h >> np.uint32(13))) * np.uint32(0xC2B2AE35))
        h ^= h >> np.uint32(16)
        mixed[i] = h
    # Four shingles at a time, all permutations inside: no minimum to reduce at the end of a short
    # document. A shingle that fills up the last four changes no minimum.
    fours = (count + 3) // 4 * 4
    for i in range(count, fours):
        mixed[i] = mixed[0]
    for i in range(0, fours, 4):
        h0, h1, h2, h3 = mixed[i], mixed[i + 1], mixed[i + 2], mixed[i + 3]
        for p in range(len(a)):
            factor, term = a[p], b[p]
            lowest = min(minima[p], np.uint32(h0 * factor + term))
            lowest = min(lowest, np.uint32(h1 * factor + term))
            lowest = min(lowest, np.uint32(h2 * factor + term))
            minima[p] = min(lowest, np.uint32(h3 * factor + term))


@njit(cache=True, nogil=True)
def _sign(
    data: Any,
    offsets: Any,
    valid: Any,
    token_key: Any,
    shingle_key: Any,
    size: int,
    t1: Any,
    t2: Any,
    a: Any,
    b: Any,
) -> Any:
    n = len(valid)
    signatures = np.full((n, len(a)), np.uint32(EMPTY_MINIMUM), np.uint32)
    counts = np.zeros(n, np.uint32)
    tokens = np.empty(_BLOCK, np.uint64)
    shingles = np.empty(_BLOCK, np.uint64)
    mixed = np.empty(_BLOCK, np.uint32)
    state = _scratch()
    k0, k1 = token_key
    s0, s1 = shingle_key
    for i in range(n):
        position, end = offsets[i], offsets[i + 1]
        carried, total = 0, 0
        while valid[i] and position < end:
            filled, position = fill_tokens(data, position, end, k0, k1, t1, t2, tokens, carried)
            total += filled - carried
            count = _fill_shingles(tokens, filled, size, s0, s1, state, shingles)
            _lower_minima(shingles, count, a, b, mixed, signatures[i])
            carried = min(filled, size - 1)
            for j in range(carried):
                tokens[j] = tokens[filled - carried + j]
        if 0 < total < size:
            _fill_shingles(tokens, total, total, s0, s1, state, shingles)
            _lower_minima(shingles, 1, a, b, mixed, signatures[i])
        counts[i] = total
    return signatures, counts


@njit(cache=True, nogil=True)
def _sort_unique(values: Any, scratch: Any) -> int:
    """Sort in place, drop repeats, return how many are left.

    The values are uniform (keyed hashes), so one pass that spreads them over as many buckets as
    there are values leaves only neighbours to put right by insertion: linear time. Repeats cost
    nothing, because equal values are never moved.
    """
    n = len(values)
    bits = 0
    while (1 << bits) < n and bits < 20:
        bits += 1
    if bits > 4:
        shift = np.uint64(64 - bits)
        starts = np.zeros((1 << bits) + 1, np.int64)
        for i in range(n):
            starts[np.int64(values[i] >> shift) + 1] += 1
        for j in range(1 << bits):
            starts[j + 1] += starts[j]
        for i in range(n):
            bucket = np.int64(values[i] >> shift)
            scratch[starts[bucket]] = values[i]
            starts[bucket] += 1
        for i in range(n):
            values[i] = scratch[i]
    for i in range(1, n):
        value = values[i]
        j = i
        while j > 0 and values[j - 1] > value:
            values[j] = values[j - 1]
            j -= 1
        values[j] = value
    left = 0
    for i in range(n):
        if i == 0 or values[i] != values[left - 1]:
            values[left] = values[i]
            left += 1
    return left


@njit(cache=True, nogil=True)
def _keep_small(values: Any, below: Any) -> int:
    """Move the values up to `below` to the front; return how many."""
    left = 0
    for i in range(len(values)):
        if values[i] <= below:
            values[left] = values[i]
            left += 1
    return left


@njit(cache=True, nogil=True)
def _collect(
    data: Any,
    offsets: Any,
    valid: Any,
    token_key: Any,
    shingle_key: Any,
    size: int,
    t1: Any,
    t2: Any,
    below: Any,
) -> Any:
    n = len(valid)
    # A token takes two bytes at least, its separator included. Untouched memory costs nothing.
    longest = np.int64(0)
    for i in range(n):
        longest = max(longest, offsets[i + 1] - offsets[i])
    out = np.empty((offsets[n] - offsets[0] + n) // 2 + 1, np.uint64)
    scratch = np.empty(longest // 2 + 1, np.uint64)
    out_offsets = np.zeros(n + 1, np.int64)
    tokens = np.empty(_BLOCK, np.uint64)
    state = _scratch()
    k0, k1 = token_key
    s0, s1 = shingle_key
    used = np.int64(0)
    for i in range(n):
        first = used
        position, end = offsets[i], offsets[i + 1]
        carried, total = 0, 0
        while valid[i] and position < end:
            filled, position = fill_tokens(data, position, end, k0, k1, t1, t2, tokens, carried)
            total += filled - carried
            count = _fill_shingles(tokens, filled, size, s0, s1, state, out[used:])
            used += _keep_small(out[used : used + count], below)
            carried = min(filled, size - 1)
            for j in range(carried):
                tokens[j] = tokens[filled - carried + j]
        if 0 < total < size:
            count = _fill_shingles(tokens, total, total, s0, s1, state, out[used:])
            used += _keep_small(out[used : used + count], below)
        used = first + _sort_unique(out[first:used], scratch)
        out_offsets[i + 1] = used
    return out_offsets, out[:used].copy()


def _check_shingle_size(shingle_size: int) -> None:
    if not 1 <= shingle_size <= MAX_SHINGLE_SIZE:
        message = f"expected 1 <= shingle_size <= {MAX_SHINGLE_SIZE} tokens, got {shingle_size}"
        raise ValueError(message)


def _shingle_keys(key: bytes) -> tuple[tuple[np.uint64, np.uint64], tuple[np.uint64, np.uint64]]:
    return key_halves(derive_key(key, "token")), key_halves(derive_key(key, "shingle"))


def shingle_hashes(
    texts: pa.Array, *, shingle_size: int, key: bytes, one_in: int = 1
) -> tuple[npt.NDArray[np.int64], UInt64Array]:
    """Hash the set of shingles of each text, or the same sample of every set.

    Args:
        texts: n strings.
        shingle_size: Tokens in a shingle, 1 to 64. A text of fewer tokens has one shingle, all of
            them; a text without tokens, or a null, has none.
        key: 16 secret bytes.
        one_in: 1 for whole sets; k keeps the hashes below 2^64 / k, one shingle in k on average.
            The same shingles are kept in every text, so samples overlap as their sets do
            (FracMinHash: Irber et al., "Lightweight compositional analysis of metagenomes", 2022).

    Returns:
        (offsets int64[n + 1], hashes uint64[offsets[n]]): the set of text i is
        `hashes[offsets[i]:offsets[i + 1]]`, ascending, without repeats.

    Raises:
        ValueError: A parameter is out of its range.
    """
    _check_shingle_size(shingle_size)
    if not 1 <= one_in < 1 << 32:
        message = f"expected 1 <= one_in < 2^32, got {one_in}"
        raise ValueError(message)
    below = np.uint64((1 << 64) // one_in - 1)
    offsets, hashes = _collect(
        *text_buffers(texts), *_shingle_keys(key), shingle_size, *character_tables(), below
    )
    return offsets, hashes


def sign(
    texts: pa.Array, *, num_perm: int, seed: int, shingle_size: int, key: bytes
) -> tuple[UInt32Array, UInt32Array]:
    """Compute MinHash signatures and count tokens in one pass over the text.

    Args:
        texts: n strings.
        num_perm: Permutations, 1 to 4096.
        seed: datasketch's seed of the permutations, 0 to 2^32 - 1.
        shingle_size: Tokens in a shingle, 1 to 64.
        key: 16 secret bytes; signatures compare only under the same key.

    Returns:
        (signatures uint32[n, num_perm], tokens uint32[n]). A text without tokens, or a null, has
        `EMPTY_MINIMUM` everywhere; leave such rows out of the banding.

    Raises:
        ValueError: A parameter is out of its range.
    """
    _check_shingle_size(shingle_size)
    if not 1 <= num_perm <= MAX_PERMUTATIONS:
        message = f"expected 1 <= num_perm <= {MAX_PERMUTATIONS}, got {num_perm}"
        raise ValueError(message)
    signatures, counts = _sign(
        *text_buffers(texts),
        *_shingle_keys(key),
        shingle_size,
        *character_tables(),
        *permutations(num_perm, seed),
    )
    return signatures, counts


@njit(cache=True, nogil=True)
def _sign_sets(offsets: Any, hashes: Any, a: Any, b: Any) -> Any:
    n = len(offsets) - 1
    signatures = np.full((n, len(a)), np.uint32(EMPTY_MINIMUM), np.uint32)
    mixed = np.empty(_BLOCK, np.uint32)
    for i in range(n):
        for start in range(offsets[i], offsets[i + 1], _BLOCK):
            count = min(offsets[i + 1] - start, _BLOCK)
            _lower_minima(hashes[start : start + count], count, a, b, mixed, signatures[i])
    return signatures


def sign_sets(
    offsets: npt.NDArray[np.int64], hashes: UInt64Array, *, num_perm: int, seed: int
) -> UInt32Array:
    """Compute MinHash signatures of shingle sets: what `sign` gives for their texts.

    Args:
        offsets: int64[n + 1], as `shingle_hashes` returns.
        hashes: uint64[offsets[n]], likewise.
        num_perm: Permutations.
        seed: datasketch's seed of the permutations.

    Returns:
        uint32[n, num_perm]; `EMPTY_MINIMUM` everywhere for an empty set.
    """
    signatures: UInt32Array = _sign_sets(offsets, hashes, *permutations(num_perm, seed))
    return signatures


def compute_signatures(
    texts: pa.Array, *, num_perm: int, seed: int, shingle_size: int, key: bytes
) -> UInt32Array:
    """Compute MinHash signatures: `sign` without the token counts."""
    return sign(texts, num_perm=num_perm, seed=seed, shingle_size=shingle_size, key=key)[0]
