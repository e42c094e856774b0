# SPDX-License-Identifier: Apache-2.0
r"""Parse lines of JSON into Arrow columns without one Python object per record.

`parse_lines` checks the whole grammar of each line (RFC 8259, UTF-8, duplicate keys, ranges) and
notes where the wanted values are; `string_column` unescapes one of them into an Arrow array. Only
the line feed ends a record: U+2028, `\r` and control characters inside strings stay as they are.

Which fault a line gets when it has several: bytes that are no UTF-8 come first, then a broken
grammar or depth, then (first in the line) a lone surrogate, a number out of range, a duplicate
key, and last the fields: text, id, the others.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from ...schemas.reasons import REASON_CODES, Reason
from .json_scan import (
    BACKSLASH,
    DEEP,
    DUPLICATE,
    LARGE,
    LINE_FEED,
    OK,
    QUOTE,
    SYNTAX,
    UTF8,
    is_utf8,
    scan_number,
    scan_string,
    scan_word,
    unescape,
)
from .limits import ReadLimits

_NOT_OBJECT = 8
_MISSING = 9
_WRONG_TYPE = 10
_BAD_ID = 11

FAULT_REASONS: tuple[Reason | None, ...] = (
    None,
    Reason.JSON_SYNTAX,
    Reason.INVALID_UTF8,
    Reason.SURROGATE,
    Reason.NUMBER_OUT_OF_RANGE,
    Reason.TOO_DEEP,
    Reason.DUPLICATE_KEY,
    Reason.TOO_LARGE,
    Reason.NOT_AN_OBJECT,
    Reason.MISSING_FIELD,
    Reason.WRONG_TYPE,
    Reason.BAD_ID,
)
"""Reason of each private fault code of the kernels."""

_FAULT_CODES = np.array([REASON_CODES[r] if r else 0 for r in FAULT_REASONS], dtype=np.uint8)

# What a wanted value turned out to be.
_ABSENT, _STRING, _NULL, _OTHER = range(4)

# Objects with more keys are checked for duplicates by sorted hashes, not pair by pair.
_PAIRWISE_KEYS = 16

# Points of the keyed polynomial hash of `_key_hash`. Random, so that nobody can prepare colliding
# keys; equal hashes are compared byte by byte, so the result does not depend on them.
_POINTS = np.frombuffer(os.urandom(16), dtype=np.uint64) % np.uint64(2**31 - 1)


@dataclass(frozen=True)
class FieldPaths:
    """The wanted fields as a small tree that the kernel walks along with the record.

    Build it with `field_paths`. Node 0 is the record itself; node `k` hangs on `parent[k]` under
    the key `keys[key_start[k]:key_start[k + 1]]`; `slot[k]` is the index of the wanted value or -1,
    `inner[k]` tells whether other nodes hang on it.
    """

    columns: dict[str, int]
    slots: int
    parent: npt.NDArray[np.int64]
    key_start: npt.NDArray[np.int64]
    keys: npt.NDArray[np.uint8]
    slot: npt.NDArray[np.int64]
    inner: npt.NDArray[np.bool_]


def field_paths(fields: Mapping[str, str]) -> FieldPaths:
    """Return the tree of the input fields that a mapping names.

    Args:
        fields: Column of `RECORDS` to input field; a dot goes into a nested object
            (`metadata.url`). Must map `text`. Two columns may name one field.

    Raises:
        ValueError: `text` is not mapped or a path has an empty part.
    """
    if "text" not in fields:
        msg = f"fields: expected an input field for text, got only {sorted(fields)}"
        raise ValueError(msg)
    nodes: dict[tuple[str, ...], int] = {(): 0}
    slots: dict[tuple[str, ...], int] = {}
    for column, path in fields.items():
        parts = tuple(path.split("."))
        if not all(parts):
            msg = f"fields.{column}: expected names joined by dots, got {path!r}"
            raise ValueError(msg)
        for depth in range(1, len(parts) + 1):
            nodes.setdefault(parts[:depth], len(nodes))
        slots.setdefault(parts, len(slots))
    paths = list(nodes)
    names = [parts[-1].encode() if parts else b"" for parts in paths]
    return FieldPaths(
        columns={column: slots[tuple(path.split("."))] for column, path in fields.items()},
        slots=len(slots),
        parent=np.array([nodes[p[:-1]] if p else -1 for p in paths], dtype=np.int64),
        key_start=np.cumsum([0, *map(len, names)], dtype=np.int64),
        keys=np.frombuffer(b"".join(names), dtype=np.uint8),
        slot=np.array([slots.get(p, -1) for p in paths], dtype=np.int64),
        inner=np.array([any(q[:-1] == p for q in paths if q) for p in paths], dtype=np.bool_),
    )


@njit(cache=True, nogil=True)
def _skip_space(buf, i):  # type: ignore[no-untyped-def]
    """Return the position of the first byte from `i` on that is no space, tab or CR."""
    while buf[i] == 32 or buf[i] == 9 or buf[i] == 13:
        i += 1
    return i


@njit(cache=True, nogil=True)
def _key_bytes(buf, start, end, length):  # type: ignore[no-untyped-def]
    """Return the unescaped bytes of the key `buf[start:end]`."""
    if length == end - start:
        return buf[start:end]
    out = np.empty(length, dtype=np.uint8)
    unescape(buf, start, end, out, 0)
    return out


@njit(cache=True, nogil=True)
def _same_key(buf, one, other):  # type: ignore[no-untyped-def]
    """Return whether two keys, each `(start, end, unescaped length)`, are equal."""
    if one[2] != other[2]:
        return False
    a = _key_bytes(buf, one[0], one[1], one[2])
    b = _key_bytes(buf, other[0], other[1], other[2])
    for i in range(a.size):
        if a[i] != b[i]:
            return False
    return True


@njit(cache=True, nogil=True)
def _key_hash(data, points):  # type: ignore[no-untyped-def]
    """Return a keyed 62-bit polynomial hash: two random points over GF(2^31 - 1).

    Two different keys of n bytes collide with probability at most (n / 2^31)^2 (Schwartz-Zippel).
    """
    prime = np.uint64(2**31 - 1)
    h0 = np.uint64(data.size)
    h1 = np.uint64(data.size)
    for i in range(data.size):
        byte = np.uint64(data[i]) + np.uint64(1)
        h0 = (h0 * points[0] + byte) % prime
        h1 = (h1 * points[1] + byte) % prime
    return (h0 << np.uint64(31)) | h1


@njit(cache=True, nogil=True)
def _has_duplicate(buf, keys, first, last, points):  # type: ignore[no-untyped-def]
    """Return whether two of the keys `keys[first:last]` are equal once unescaped."""
    if last - first <= _PAIRWISE_KEYS:
        for i in range(first + 1, last):
            for j in range(first, i):
                if _same_key(buf, keys[i], keys[j]):
                    return True
        return False
    hashes = np.empty(last - first, dtype=np.uint64)
    for i in range(first, last):
        hashes[i - first] = _key_hash(_key_bytes(buf, keys[i, 0], keys[i, 1], keys[i, 2]), points)
    order = np.argsort(hashes)
    for i in range(1, order.size):
        j = i - 1
        while j >= 0 and hashes[order[j]] == hashes[order[i]]:
            if _same_key(buf, keys[first + order[i]], keys[first + order[j]]):
                return True
            j -= 1
    return False


@njit(cache=True, nogil=True)
def _child(buf, key, node, parent, key_start, names):  # type: ignore[no-untyped-def]
    """Return the node that hangs on `node` under this key, or -1."""
    for k in range(node + 1, parent.size):
        if parent[k] != node or key_start[k + 1] - key_start[k] != key[2]:
            continue
        data = _key_bytes(buf, key[0], key[1], key[2])
        base = key_start[k]
        equal = True
        for i in range(data.size):
            if data[i] != names[base + i]:
                equal = False
                break
        if equal:
            return k
    return -1


@njit(cache=True, nogil=True)
def _scan_record(buf, i, tree, values, stack, keys, points):  # type: ignore[no-untyped-def]
    """Check one record from its first byte that is no space; note the wanted values.

    Args:
        buf: `uint8` bytes; a line feed ends the record.
        i: Position of the first byte.
        tree: `(parent, key_start, names, slot, inner)` of `FieldPaths`.
        values: int64 (slots, 4), written: kind, start, end, unescaped length.
        stack: int64 (max_depth, 3): node (-1: not wanted, -2: an array), first key, unused.
        keys: int64 (max_keys, 3): start, end, unescaped length of each key of the open objects.
        points: Secret points of `_key_hash`.

    Returns:
        `(position, fault)`: where the scan stopped, at the line feed if nothing is broken.
    """
    parent, key_start, names, slot, inner = tree
    pending = OK
    depth = 0
    open_keys = 0
    node = 0
    if buf[i] != 123:
        pending = _NOT_OBJECT
        node = -1
    while True:
        # A value starts at i; `node` is its place in the tree or -1.
        byte = buf[i]
        kind = _OTHER
        start = i
        length = 0
        opened = False
        if byte == QUOTE:
            kind = _STRING
            start = i + 1
            i, length, fault = scan_string(buf, start)
        elif byte == 123 or byte == 91:
            if depth == stack.shape[0]:
                return i, DEEP
            fault = OK
            opened = True
            stack[depth, 0] = byte
            stack[depth, 1] = node if byte == 123 else -1
            stack[depth, 2] = open_keys
            depth += 1
            i = _skip_space(buf, i + 1)
        elif byte == 45 or 48 <= byte <= 57:
            i, fault = scan_number(buf, i)
        else:
            if byte == 110:
                kind = _NULL
            i, fault = scan_word(buf, i)
        if fault == SYNTAX or fault == UTF8:
            return i, fault
        if fault != OK and pending == OK:
            pending = fault
        if node > 0:
            if slot[node] >= 0:
                target = values[slot[node]]
                target[0] = kind
                target[1] = start
                target[2] = i - 1
                target[3] = length
            if inner[node] and kind != _NULL and not (opened and byte == 123) and pending == OK:
                pending = _WRONG_TYPE
        # Close what ends here, then go on to the next value.
        while True:
            if depth == 0:
                i = _skip_space(buf, i)
                if buf[i] != LINE_FEED:
                    return i, SYNTAX
                return i, pending
            if not opened:
                i = _skip_space(buf, i)
            byte = buf[i]
            is_object = stack[depth - 1, 0] == 123
            if byte == (125 if is_object else 93):
                if is_object:
                    first = stack[depth - 1, 2]
                    if pending == OK and _has_duplicate(buf, keys, first, open_keys, points):
                        pending = DUPLICATE
                    open_keys = first
                depth -= 1
                i += 1
                opened = False
                continue
            if not opened:
                if byte != 44:
                    return i, SYNTAX
                i = _skip_space(buf, i + 1)
            node = -1
            if is_object:
                if buf[i] != QUOTE:
                    return i, SYNTAX
                start = i + 1
                i, length, fault = scan_string(buf, start)
                if fault == SYNTAX or fault == UTF8:
                    return i, fault
                if fault != OK and pending == OK:
                    pending = fault
                if open_keys == keys.shape[0]:
                    return i, LARGE
                key = keys[open_keys]
                key[0] = start
                key[1] = i - 1
                key[2] = length
                open_keys += 1
                i = _skip_space(buf, i)
                if buf[i] != 58:
                    return i, SYNTAX
                i = _skip_space(buf, i + 1)
                above = stack[depth - 1, 1]
                if above >= 0:
                    node = _child(buf, key, above, parent, key_start, names)
            break


@njit(cache=True, nogil=True)
def _field_fault(values, text_slot, id_slot, max_id_bytes):  # type: ignore[no-untyped-def]
    """Return the fault of the wanted values of a well-formed record."""
    if values[text_slot, 0] == _ABSENT:
        return _MISSING
    if values[text_slot, 0] != _STRING:
        return _WRONG_TYPE
    if id_slot >= 0:
        if values[id_slot, 0] == _OTHER:
            return _BAD_ID
        if values[id_slot, 0] == _STRING and values[id_slot, 3] > max_id_bytes:
            return _BAD_ID
    for k in range(values.shape[0]):
        if values[k, 0] == _OTHER:
            return _WRONG_TYPE
    return OK


@njit(cache=True, nogil=True)
def _parse_lines(  # type: ignore[no-untyped-def]
    buf, pos, end, tree, roles, bounds, work, lines, faults, values
):
    """Parse lines from `pos`; return `(rows, position after them, bytes of blank lines)`.

    `buf[end - 1]` or, at the end of the stream, `buf[end]` is a line feed.
    """
    text_slot, id_slot = roles
    max_record_bytes, max_id_bytes, max_text = bounds
    stack, keys, points = work
    rows = 0
    blank = 0
    text_bytes = 0
    while pos < end and rows < faults.size:
        i = _skip_space(buf, pos)
        if buf[i] == LINE_FEED and i - pos <= max_record_bytes:
            after = min(i + 1, end)
            blank += after - pos
            pos = after
            continue
        row = values[rows]
        row[:, 0] = _ABSENT
        i, fault = _scan_record(buf, i, tree, row, stack, keys, points)
        if buf[i] != LINE_FEED or fault == SYNTAX:
            stop = i
            while buf[stop] != LINE_FEED:
                stop += 1
            if not is_utf8(buf, i, stop):
                fault = UTF8
            i = stop
        if i - pos > max_record_bytes:
            fault = LARGE
        if fault == OK:
            fault = _field_fault(row, text_slot, id_slot, max_id_bytes)
        if fault == OK:
            length = row[text_slot, 3]
            if rows > 0 and text_bytes + length > max_text:
                break
            text_bytes += length
        after = min(i + 1, end)
        lines[rows, 0] = pos
        lines[rows, 1] = after - pos
        faults[rows] = fault
        rows += 1
        pos = after
    return rows, pos, blank


@njit(cache=True, nogil=True)
def _gather(buf, values, faults, offsets, validity, data):  # type: ignore[no-untyped-def]
    """Unescape one wanted value of each row into Arrow buffers; return the number of nulls."""
    pos = 0
    nulls = 0
    offsets[0] = 0
    for row in range(faults.size):
        if faults[row] == OK and values[row, 0] == _STRING:
            start, stop = values[row, 1], values[row, 2]
            if values[row, 3] == stop - start:
                data[pos : pos + stop - start] = buf[start:stop]
                pos += stop - start
            else:
                pos = unescape(buf, start, stop, data, pos)
            validity[row >> 3] |= np.uint8(1 << (row & 7))
        else:
            nulls += 1
        offsets[row + 1] = pos
    return nulls


@dataclass(frozen=True)
class ParsedLines:
    """Lines that were parsed: where they are, their faults and where their values are.

    Args:
        after: Position in the block after the last of them.
        blank_bytes: Bytes of the blank lines among them, which are no records.
        lines: int64 (rows, 2): position in the block and length, line feed included.
        faults: uint8 (rows,): private codes, `OK` is 0.
        values: int64 (rows, slots, 4): kind, start, end, unescaped length.
    """

    after: int
    blank_bytes: int
    lines: npt.NDArray[np.int64]
    faults: npt.NDArray[np.uint8]
    values: npt.NDArray[np.int64]

    def fault_codes(self) -> npt.NDArray[np.uint8]:
        """Return the code of `REASON_CODES` of each row, 0 for a good one."""
        return _FAULT_CODES[self.faults]


class LineParser:
    """The kernel with its work space: one for each reader, reused for every block.

    Args:
        paths: The wanted fields.
        limits: Bounds on records and batches.
    """

    def __init__(self, paths: FieldPaths, limits: ReadLimits) -> None:
        self._limits = limits
        self._paths = paths
        self._tree = (paths.parent, paths.key_start, paths.keys, paths.slot, paths.inner)
        self._roles = (paths.columns["text"], paths.columns.get("id", -1))
        self._bounds = (limits.max_record_bytes, limits.max_id_bytes, limits.batch_text_bytes)
        self._work = (
            np.empty((limits.max_depth, 3), dtype=np.int64),
            np.empty((limits.max_keys, 3), dtype=np.int64),
            _POINTS,
        )

    def parse(self, block: npt.NDArray[np.uint8], pos: int, end: int) -> ParsedLines:
        """Parse the lines of `block[pos:end]`, as many as make one batch.

        Args:
            block: Bytes. `block[end - 1]` must be a line feed, or `block[end]`, which then is not
                counted: the last line of a file may lack one.
            pos: Position of the start of a line.
            end: Position after the last byte.
        """
        rows = self._limits.batch_rows
        lines = np.empty((rows, 2), dtype=np.int64)
        faults = np.empty(rows, dtype=np.uint8)
        values = np.empty((rows, self._paths.slots, 4), dtype=np.int64)
        count, after, blank = _parse_lines(
            block, pos, end, self._tree, self._roles, self._bounds, self._work,
            lines, faults, values,
        )  # fmt: skip
        return ParsedLines(after, blank, lines[:count], faults[:count], values[:count])


def string_column(block: npt.NDArray[np.uint8], parsed: ParsedLines, slot: int) -> pa.StringArray:
    """Return one wanted field of every row, unescaped; null where absent or the row is faulty."""
    rows = parsed.faults.size
    values = np.ascontiguousarray(parsed.values[:, slot])
    good = (parsed.faults == OK) & (values[:, 0] == _STRING)
    offsets = np.empty(rows + 1, dtype=np.int32)
    validity = np.zeros((rows + 7) // 8, dtype=np.uint8)
    data = np.empty(int(values[good, 3].sum()), dtype=np.uint8)
    nulls = _gather(block, values, parsed.faults, offsets, validity, data)
    buffers = [pa.py_buffer(validity), pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.string(), rows, buffers, nulls)
