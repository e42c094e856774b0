# SPDX-License-Identifier: Apache-2.0
"""Leaf hashes of the rows of a table: what a Merkle root of a release is made of.

A row is encoded column by column in the declared order: a null is the byte 0; a value is the byte
1, then its bytes, little-endian where it has a fixed width, else after their number as uint32.

    salt       = SipHash-2-4-128 of the encoded row under a key of this table and this run (HKDF)
    leaf       = SHA-256(0x00 || salt || tag of the columns || encoded row)
    comparable = SHA-256(0x00 || SipHash-2-4-128 of the encoded row under a key of this table)

A leaf can be published: without its salt nobody can test a guess of the row, and one salt tells
nothing of another. The salts of two runs differ, so their leaves cannot be matched; comparable
leaves are the same in every release under one project key, and only their root is ever written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from ..schemas.fields import TableSpec
from ..schemas.tables import DECISIONS, DOCUMENTS
from .buffers import text_buffers
from .hashing import siphash128
from .keys import Keyring
from .merkle import LEAF, Digests
from .sha256 import DIGEST_BYTES, hash_slices

__all__ = [
    "ROOTED",
    "LeafKeys",
    "Leaves",
    "columns_tag",
    "encode_rows",
    "join_leaves",
    "leaf_keys",
    "leaves_of",
    "salts_of",
]

ROOTED: tuple[TableSpec, ...] = (DOCUMENTS, DECISIONS)
"""Tables with roots: what became of every document, and why."""

SALT_BYTES = 16
TAG_BYTES = 16

_AT_ONCE = 1 << 15
"""Rows encoded at a time: their columns are written one after the other, into cache."""


class LeafKeys(NamedTuple):
    """The two keys of one table, 16 secret bytes each.

    Attributes:
        salt: Makes the salts of one run.
        compare: Makes the comparable leaves of all runs.
    """

    salt: bytes
    compare: bytes


class Leaves(NamedTuple):
    """Leaf hashes of some rows, in their order.

    Attributes:
        salted: uint8 `[n, 32]`.
        comparable: uint8 `[n, 32]`.
    """

    salted: Digests
    comparable: Digests

    def to_bytes(self) -> bytes:
        """Return both leaves of each row, one row behind the other."""
        return np.stack([self.salted, self.comparable], axis=1).tobytes()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Leaves:
        """Return the leaves that `to_bytes` made bytes of."""
        both = np.frombuffer(raw, np.uint8).reshape(-1, 2, DIGEST_BYTES)
        return cls(both[:, 0], both[:, 1])


def join_leaves(parts: Iterable[Leaves]) -> Leaves:
    """Return the leaves of several parts of a table as one."""
    none = np.empty((0, DIGEST_BYTES), np.uint8)
    salted, comparable = zip(Leaves(none, none), *parts, strict=True)
    return Leaves(np.concatenate(salted), np.concatenate(comparable))


def leaf_keys(keyring: Keyring, table: str, context: str) -> LeafKeys:
    """Derive the keys of a table.

    Args:
        keyring: The project's key.
        table: Name of the table.
        context: What tells this run from others; it stands in MANIFEST.json.
    """
    return LeafKeys(
        keyring.derive(f"leaf-salt/v1/{table}/{context}"),
        keyring.derive(f"leaf-compare/v1/{table}"),
    )


def columns_tag(spec: TableSpec) -> bytes:
    """Return 16 bytes that bind a leaf to its table and columns.

    They are the first half of the SHA-256 of the table's name and, for each column, a line with
    name and Arrow type.
    """
    lines = [spec.name, *(f"{field.name} {field.type}" for field in spec.arrow())]
    return hashlib.sha256("\n".join(lines).encode()).digest()[:TAG_BYTES]


def leaves_of(spec: TableSpec, rows: pa.Table, keys: LeafKeys) -> Leaves:
    """Hash the rows of a table.

    Args:
        spec: The table; `rows` has its columns.
        rows: The rows.
        keys: Keys of the table.
    """
    cuts = range(0, len(rows), _AT_ONCE)
    return join_leaves(_leaves_of(spec, rows.slice(at, _AT_ONCE), keys) for at in cuts)


def _leaves_of(spec: TableSpec, rows: pa.Table, keys: LeafKeys) -> Leaves:
    data, offsets = encode_rows(spec, rows)
    encoded = _as_array(data, offsets)
    front = np.empty((len(offsets) - 1, 1 + SALT_BYTES + TAG_BYTES), np.uint8)
    front[:, 0] = LEAF
    front[:, 1 : 1 + SALT_BYTES] = siphash128(encoded, keys.salt).view(np.uint8)
    front[:, 1 + SALT_BYTES :] = np.frombuffer(columns_tag(spec), np.uint8)
    width = 1 + SALT_BYTES
    short = np.empty((len(front), width), np.uint8)
    short[:, 0] = LEAF
    short[:, 1:] = siphash128(encoded, keys.compare).view(np.uint8)
    return Leaves(
        hash_slices(*_join(front, data, offsets)),
        hash_slices(short.reshape(-1), np.arange(len(front) + 1, dtype=np.int64) * width),
    )


def salts_of(spec: TableSpec, rows: pa.Table, keys: LeafKeys) -> npt.NDArray[np.uint8]:
    """Return the salt of each row, uint8 `[n, 16]`."""
    return siphash128(_as_array(*encode_rows(spec, rows)), keys.salt).view(np.uint8)


def encode_rows(
    spec: TableSpec, rows: pa.Table
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Encode the rows of a table, one behind the other.

    Args:
        spec: The table.
        rows: Its rows.

    Returns:
        The bytes, uint8 `[m]`, and where each row starts, int64 `[n + 1]`.
    """
    columns = [_column(rows.column(field.name)) for field in spec.fields]
    sizes = np.zeros(len(rows), np.int64)
    for _, offsets, valid, width in columns:
        _measure(sizes, offsets, valid, width)
    places = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(sizes, out=places[1:])
    out = np.empty(places[-1], np.uint8)
    cursor = places[:-1].copy()
    for data, offsets, valid, width in columns:
        _put(out, cursor, data, offsets, valid, width)
    return out, places


def _column(values: pa.ChunkedArray) -> tuple[Any, Any, Any, int]:
    """Return bytes, offsets, validity and fixed width (0 for none) of a column."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        values, kind = values.cast(kind.value_type), kind.value_type
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        return *text_buffers(values), 0
    if pa.types.is_fixed_size_binary(kind):
        return *text_buffers(values.cast(pa.binary())), kind.byte_width
    if pa.types.is_boolean(kind):
        values = values.cast(pa.uint8())
    width = values.type.bit_width // 8
    whole = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], values.type)
    valid = whole.is_valid().to_numpy(zero_copy_only=False).astype(np.bool_)
    data = np.zeros(0, np.uint8)
    if len(whole):
        start = whole.offset * width
        data = np.frombuffer(whole.buffers()[1], np.uint8)[start : start + len(whole) * width]
    data.flags.writeable = False
    return data, np.arange(len(whole) + 1, dtype=np.int64) * width, valid, width


@njit(cache=True, nogil=True)
def _measure(sizes: Any, offsets: Any, valid: Any, width: Any) -> None:
    for row in range(len(sizes)):
        sizes[row] += 1
        if valid[row]:
            sizes[row] += offsets[row + 1] - offsets[row] + (0 if width else 4)


@njit(cache=True, nogil=True)
def _put(out: Any, cursor: Any, data: Any, offsets: Any, valid: Any, width: Any) -> None:
    for row in range(len(cursor)):
        at = cursor[row]
        out[at] = valid[row]
        at += 1
        if valid[row]:
            start, end = offsets[row], offsets[row + 1]
            if not width:
                for byte in range(4):
                    out[at + byte] = np.uint8((end - start) >> (8 * byte))
                at += 4
            for place in range(start, end):
                out[at] = data[place]
                at += 1
        cursor[row] = at


def _join(
    front: npt.NDArray[np.uint8], data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return each row with bytes in front of it."""
    width = front.shape[1]
    places = offsets + width * np.arange(len(offsets), dtype=np.int64)
    out = np.empty(places[-1], np.uint8)
    _copy(out, places, front, data, offsets)
    return out, places


@njit(cache=True, nogil=True)
def _copy(out: Any, places: Any, front: Any, data: Any, offsets: Any) -> None:
    width = front.shape[1]
    for row in range(len(front)):
        at = places[row]
        out[at : at + width] = front[row]
        out[at + width : places[row + 1]] = data[offsets[row] : offsets[row + 1]]


def _as_array(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> pa.Array:
    """Return slices of a buffer as an Arrow array, without copying them."""
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.large_binary(), len(offsets) - 1, buffers)
