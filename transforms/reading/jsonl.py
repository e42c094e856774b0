# SPDX-License-Identifier: Apache-2.0
"""Parse lines of JSON into Arrow columns without one Python object per record.

`LineParser` runs the kernels of `json_record` over a block and notes where the wanted values are;
`string_column` unescapes one of them into an Arrow array. Only the line feed ends a record: U+2028,
carriage returns and control characters inside strings stay as they are.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ...schemas.reasons import REASON_CODES, Reason
from .json_record import STRING, gather_strings, parse_lines
from .json_scan import LINE_FEED, OK
from .limits import ReadLimits

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

# Points of the hash in the duplicate-key check. Random, so that nobody can prepare colliding keys;
# equal hashes are compared byte by byte, so no result depends on them.
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

        Raises:
            ValueError: No line feed is where one must be; the kernels would run past the end.
        """
        if block[end - 1] != LINE_FEED and (end >= block.size or block[end] != LINE_FEED):
            msg = f"block: expected a line feed at {end - 1} or {end}, got none"
            raise ValueError(msg)
        rows = self._limits.batch_rows
        lines = np.empty((rows, 2), dtype=np.int64)
        faults = np.empty(rows, dtype=np.uint8)
        values = np.empty((rows, self._paths.slots, 4), dtype=np.int64)
        count, after, blank = parse_lines(
            block, pos, end, self._tree, self._roles, self._bounds, self._work,
            lines, faults, values,
        )  # fmt: skip
        return ParsedLines(after, blank, lines[:count], faults[:count], values[:count])


def string_column(block: npt.NDArray[np.uint8], parsed: ParsedLines, slot: int) -> pa.StringArray:
    """Return one wanted field of every row, unescaped; null where absent or the row is faulty."""
    rows = parsed.faults.size
    values = np.ascontiguousarray(parsed.values[:, slot])
    good = (parsed.faults == OK) & (values[:, 0] == STRING)
    offsets = np.empty(rows + 1, dtype=np.int32)
    validity = np.zeros((rows + 7) // 8, dtype=np.uint8)
    data = np.empty(int(values[good, 3].sum()), dtype=np.uint8)
    nulls = gather_strings(block, values, parsed.faults, offsets, validity, data)
    buffers = [pa.py_buffer(validity), pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.string(), rows, buffers, nulls)
