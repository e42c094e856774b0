# SPDX-License-Identifier: Apache-2.0
r"""Record kernels: check whole lines of JSON and note where the wanted values are.

The whole grammar of each line is checked (RFC 8259, UTF-8, duplicate keys, ranges), whatever of it
is wanted. Which fault a line gets when it has several: bytes that are no UTF-8 come first, then a
broken grammar, depth or too many keys, then (first in the line) a lone surrogate, a number out of
range, a duplicate key, a value where an object was to be entered, and last the fields: text, id,
the others.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .json_scan import (
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

# Faults of a record as a whole, after those of `json_scan`.
NOT_OBJECT = 8
MISSING = 9
WRONG_TYPE = 10
BAD_ID = 11

# What a wanted value turned out to be.
ABSENT, STRING, NULL, OTHER = range(4)

# Objects with more keys are checked for duplicates by sorted hashes, not pair by pair.
_PAIRWISE_KEYS = 16

_COMMA, _MINUS, _COLON, _N = (ord(c) for c in ",-:n")
_OBJECT, _OBJECT_END, _ARRAY, _ARRAY_END = (ord(c) for c in "{}[]")


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
        stack: int64 (max_depth, 3): opening byte, node or -1, first key of each open container.
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
    if buf[i] != _OBJECT:
        pending = NOT_OBJECT
        node = -1
    while True:
        # A value starts at i; `node` is its place in the tree or -1.
        byte = buf[i]
        kind = OTHER
        start = i
        length = 0
        opened = False
        if byte == QUOTE:
            kind = STRING
            start = i + 1
            i, length, fault = scan_string(buf, start)
        elif byte == _OBJECT or byte == _ARRAY:
            if depth == stack.shape[0]:
                return i, DEEP
            fault = OK
            opened = True
            stack[depth, 0] = byte
            stack[depth, 1] = node if byte == _OBJECT else -1
            stack[depth, 2] = open_keys
            depth += 1
            i = _skip_space(buf, i + 1)
        elif byte == _MINUS or 48 <= byte <= 57:
            i, fault = scan_number(buf, i)
        else:
            if byte == _N:
                kind = NULL
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
            if inner[node] and kind != NULL and not (opened and byte == _OBJECT) and pending == OK:
                pending = WRONG_TYPE
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
            is_object = stack[depth - 1, 0] == _OBJECT
            if byte == (_OBJECT_END if is_object else _ARRAY_END):
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
                if byte != _COMMA:
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
                if buf[i] != _COLON:
                    return i, SYNTAX
                i = _skip_space(buf, i + 1)
                above = stack[depth - 1, 1]
                if above >= 0:
                    node = _child(buf, key, above, parent, key_start, names)
            break


@njit(cache=True, nogil=True)
def _field_fault(values, text_slot, id_slot, max_id_bytes):  # type: ignore[no-untyped-def]
    """Return the fault of the wanted values of a well-formed record."""
    if values[text_slot, 0] == ABSENT:
        return MISSING
    if values[text_slot, 0] != STRING:
        return WRONG_TYPE
    if id_slot >= 0:
        if values[id_slot, 0] == OTHER:
            return BAD_ID
        if values[id_slot, 0] == STRING and values[id_slot, 3] > max_id_bytes:
            return BAD_ID
    for k in range(values.shape[0]):
        if values[k, 0] == OTHER:
            return WRONG_TYPE
    return OK


@njit(cache=True, nogil=True)
def parse_lines(  # type: ignore[no-untyped-def]
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
        row[:, 0] = ABSENT
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
def gather_strings(buf, values, faults, offsets, validity, data):  # type: ignore[no-untyped-def]
    """Unescape one wanted value of each row into Arrow buffers; return the number of nulls."""
    pos = 0
    nulls = 0
    offsets[0] = 0
    for row in range(faults.size):
        if faults[row] == OK and values[row, 0] == STRING:
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
