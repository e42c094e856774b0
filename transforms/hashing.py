# SPDX-License-Identifier: Apache-2.0
"""Keyed hashes and identifiers, straight from Arrow buffers.

Every hash is SipHash (Aumasson and Bernstein, "SipHash: a fast short-input PRF", INDOCRYPT 2012):
a pseudorandom function under a secret 128-bit key, so that nobody without the key can make two
values collide on purpose. Identifiers use SipHash-2-4 with the 128-bit output of the authors'
reference code; the tests hold its published vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numba import njit

from .buffers import UInt64Array, load_tail, load_word, text_buffers
from .canonical import canonical_text

__all__ = [
    "canonical_text",
    "derive_key",
    "hash_rows",
    "hashes_to_ids",
    "ids_to_hashes",
    "key_halves",
    "sip_round",
    "sip_start",
    "siphash128",
]

KEY_BYTES = 16
NULL_HASH = 0xFFFF_FFFF_FFFF_FFFF
"""Both halves of the hash of a null: a fixed marker, not the hash of any known value."""


def key_halves(key: bytes) -> tuple[np.uint64, np.uint64]:
    """Split a secret key into the two little-endian words SipHash starts from.

    Args:
        key: Exactly 16 bytes.

    Returns:
        Two uint64.

    Raises:
        ValueError: The key is not 16 bytes; its content is never shown.
    """
    if len(key) != KEY_BYTES:
        message = f"expected a key of {KEY_BYTES} bytes, got {len(key)}; derive one of that length"
        raise ValueError(message)
    return np.uint64(int.from_bytes(key[:8], "little")), np.uint64(
        int.from_bytes(key[8:], "little")
    )


def derive_key(key: bytes, purpose: str) -> bytes:
    """Derive the key of one purpose, so that hashes of different purposes are independent.

    Args:
        key: 16 secret bytes.
        purpose: A fixed name such as "token".

    Returns:
        16 bytes: SipHash-2-4-128 of the name.
    """
    return hashes_to_ids(siphash128(pa.array([purpose]), key))[0].as_py()


@njit(cache=True, nogil=True)
def sip_start(k0: Any, k1: Any) -> Any:
    """Return the four state words of SipHash for a key."""
    return (
        k0 ^ np.uint64(0x736F6D6570736575),
        k1 ^ np.uint64(0x646F72616E646F6D),
        k0 ^ np.uint64(0x6C7967656E657261),
        k1 ^ np.uint64(0x7465646279746573),
    )


@njit(cache=True, nogil=True)
def sip_round(v0: Any, v1: Any, v2: Any, v3: Any) -> Any:
    """Apply one SipRound to the state."""
    v0 += v1
    v2 += v3
    v1 = (v1 << np.uint64(13)) | (v1 >> np.uint64(51))
    v3 = (v3 << np.uint64(16)) | (v3 >> np.uint64(48))
    v1 ^= v0
    v3 ^= v2
    v0 = (v0 << np.uint64(32)) | (v0 >> np.uint64(32))
    v2 += v1
    v0 += v3
    v1 = (v1 << np.uint64(17)) | (v1 >> np.uint64(47))
    v3 = (v3 << np.uint64(21)) | (v3 >> np.uint64(43))
    v1 ^= v2
    v3 ^= v0
    v2 = (v2 << np.uint64(32)) | (v2 >> np.uint64(32))
    return v0, v1, v2, v3


@njit(cache=True, nogil=True)
def _absorb2(v0: Any, v1: Any, v2: Any, v3: Any, word: Any) -> Any:
    v3 ^= word
    v0, v1, v2, v3 = sip_round(v0, v1, v2, v3)
    v0, v1, v2, v3 = sip_round(v0, v1, v2, v3)
    v0 ^= word
    return v0, v1, v2, v3


@njit(cache=True, nogil=True)
def _siphash128(data: Any, offsets: Any, valid: Any, k0: Any, k1: Any) -> Any:
    n = len(valid)
    out = np.empty((n, 2), np.uint64)
    for i in range(n):
        if not valid[i]:
            out[i, 0] = out[i, 1] = np.uint64(NULL_HASH)
            continue
        start, end = offsets[i], offsets[i + 1]
        v0, v1, v2, v3 = sip_start(k0, k1)
        v1 ^= np.uint64(0xEE)
        position = start
        while position + 8 <= end:
            v0, v1, v2, v3 = _absorb2(v0, v1, v2, v3, load_word(data, position))
            position += 8
        tail = load_tail(data, position, end) | np.uint64(end - start) << np.uint64(56)
        v0, v1, v2, v3 = _absorb2(v0, v1, v2, v3, tail)
        v2 ^= np.uint64(0xEE)
        for _ in range(4):
            v0, v1, v2, v3 = sip_round(v0, v1, v2, v3)
        out[i, 0] = v0 ^ v1 ^ v2 ^ v3
        v1 ^= np.uint64(0xDD)
        for _ in range(4):
            v0, v1, v2, v3 = sip_round(v0, v1, v2, v3)
        out[i, 1] = v0 ^ v1 ^ v2 ^ v3
    return out


def siphash128(texts: pa.Array, key: bytes) -> UInt64Array:
    """Hash each value's bytes with SipHash-2-4 and 128 bits of output.

    Args:
        texts: n strings (their UTF-8 bytes count) or binary values.
        key: 16 secret bytes.

    Returns:
        uint64[n, 2]: the first and last 8 bytes of the reference output, little-endian. A null is
        `NULL_HASH` twice, so it differs from the empty string.
    """
    data, offsets, valid = text_buffers(texts)
    hashes: UInt64Array = _siphash128(data, offsets, valid, *key_halves(key))
    return hashes


def hash_rows(columns: Sequence[pa.Array | UInt64Array], key: bytes) -> UInt64Array:
    """Hash rows of several columns, so that equal rows and only equal rows hash alike.

    Each string column is hashed to 16 bytes and each uint64 word taken as 8 bytes; their
    concatenation is hashed again. Every part has a fixed width, so ("a", "bc") is not ("ab", "c")
    and null is not the empty string.

    Args:
        columns: At least one column; all have n rows. Arrow arrays of strings or bytes, or uint64
            arrays of shape [n] or [n, words] (a hash made before).
        key: 16 secret bytes.

    Returns:
        uint64[n, 2].

    Raises:
        ValueError: No column, or columns of different lengths.
    """
    parts = []
    for column in columns:
        if isinstance(column, np.ndarray):
            words = np.asarray(column, np.uint64)
            parts.append(words.reshape(len(words), -1 if words.size else 1))
        else:
            parts.append(siphash128(column, key))
    lengths = sorted({len(part) for part in parts})
    if len(lengths) != 1:
        message = f"expected one or more columns of the same length, got lengths {lengths}"
        raise ValueError(message)
    rows = np.ascontiguousarray(np.hstack(parts), np.dtype("<u8"))
    n, width = rows.shape[0], rows.shape[1] * 8
    data = rows.reshape(-1).view(np.uint8)
    data.flags.writeable = False
    offsets = np.arange(n + 1, dtype=np.int64) * width
    hashes: UInt64Array = _siphash128(data, offsets, np.ones(n, np.bool_), *key_halves(key))
    return hashes


def hashes_to_ids(hashes: UInt64Array) -> pa.FixedSizeBinaryArray:
    """Write 128-bit hashes as binary(16) in big-endian order, so that ids sort as hashes do.

    Args:
        hashes: uint64[n, 2].

    Returns:
        n identifiers without nulls.
    """
    raw = np.ascontiguousarray(hashes, np.dtype(">u8"))
    kind = pa.binary(KEY_BYTES)
    return pa.FixedSizeBinaryArray.from_buffers(kind, len(raw), [None, pa.py_buffer(raw.tobytes())])


def ids_to_hashes(ids: pa.FixedSizeBinaryArray) -> UInt64Array:
    """Read identifiers back as hashes: the inverse of `hashes_to_ids`.

    Args:
        ids: n values of binary(16) without nulls.

    Returns:
        uint64[n, 2].

    Raises:
        ValueError: The type is not binary(16), or a value is null.
    """
    if ids.type != pa.binary(KEY_BYTES) or ids.null_count:
        message = f"expected binary(16) without nulls, got {ids.type} with {ids.null_count} nulls"
        raise ValueError(message)
    if len(ids) == 0:
        return np.zeros((0, 2), np.uint64)
    raw = np.frombuffer(ids.buffers()[1], np.dtype(">u8"))
    first = 2 * ids.offset
    return raw[first : first + 2 * len(ids)].astype(np.uint64).reshape(-1, 2)
