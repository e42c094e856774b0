# SPDX-License-Identifier: Apache-2.0
"""The ways an opt-out list is written down, and how its lines become candidate entries.

Understood without being told: one entry a line (UT1 `domains` and `urls` files), hosts files
(`0.0.0.0 example.com`), adblock domain rules (`||example.com^`), and CSV with a header that has a
column `entry`. In all of them blank lines, a byte order mark and comments (`#`, and `!` for
adblock) are skipped, and these comments mean something:

    # version: 2026-11-01
    # canary+: http://www.example.com/page      must match, or the list is refused
    # canary-: http://notexample.com/           must not match
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from .buffers import slice_strings

_BLOCK = 4 << 20  # bytes; keeps the working memory of a load small beside the index it builds
_CSV_ROWS = 100_000
_BOM = b"\xef\xbb\xbf"
_DIRECTIVE = re.compile(
    rb"^[ \t]*#[ \t]*(version|canary\+|canary-):[ \t]*(.*?)[ \t\r]*$", re.MULTILINE
)
_HEADER = re.compile(rb"(?:[ \t]*(?:#[^\n]*)?\r?\n)*([^\n]*)")


@dataclass(frozen=True)
class ListLines:
    """Candidate entries of one block of a list file.

    Args:
        entries: string array, trimmed text of each candidate, comments and blank lines left out.
        lines: uint32, line number in the file of each, from 1.
        directives: (name, value) of each comment that means something.
    """

    entries: pa.Array
    lines: NDArray[np.uint32]
    directives: tuple[tuple[str, str], ...]


def read_lines(file: BinaryIO, digest: Any) -> Iterator[ListLines]:
    """Find the candidate entries of a list file, block by block.

    Args:
        file: The file, at its start.
        digest: A hashlib object; it is given every byte that is read.

    Yields:
        Candidates in file order, not yet normalised or judged.
    """
    line, header = 0, b""
    blocks = _blocks(file, digest)
    for block in blocks:
        if not header and (match := _HEADER.match(block)):
            header = match[1]
            columns = [name.strip(b' \t\r"').lower() for name in header.split(b",")]
            if b"entry" in columns:
                whole = itertools.chain([block], blocks)
                yield from _csv_lines(whole, line, columns.index(b"entry"))
                return
        data = np.frombuffer(_as_utf8(block), np.uint8)
        most = int(np.count_nonzero(data <= _BLANK)) + 1
        starts, ends, lines = _entry_spans(data, most, line)
        line += int(np.count_nonzero(data == _LF))
        entries = slice_strings(data, starts, ends, np.ones(len(starts), np.bool_))
        yield ListLines(entries, lines, _directives(block))


def _blocks(file: BinaryIO, digest: Any) -> Iterator[bytes]:
    """Yield the file in blocks of whole lines, without its byte order mark."""
    carry, first = b"", True
    while part := file.read(_BLOCK):
        digest.update(part)
        if first:
            part, first = part.removeprefix(_BOM), False
        cut = part.rfind(b"\n") + 1
        if cut:
            yield carry + part[:cut]
            carry = b""
        carry += part[cut:]
    if carry:
        yield carry


def _as_utf8(block: bytes) -> bytes:
    """Return the block, what is no UTF-8 replaced: its entries are found malformed later."""
    try:
        block.decode("utf-8")
    except UnicodeDecodeError:
        return block.decode("utf-8", "replace").encode("utf-8")
    return block


def _directives(block: bytes) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name.decode(), value.decode("utf-8", "replace"))
        for name, value in _DIRECTIVE.findall(block)
    )


def _csv_lines(blocks: Iterator[bytes], line: int, column: int) -> Iterator[ListLines]:
    """Yield the entry column of a CSV file that starts after `line` lines."""
    directives: list[tuple[str, str]] = []

    def text_lines() -> Iterator[str]:
        for block in blocks:
            directives.extend(_directives(block))
            yield from io.StringIO(block.decode("utf-8", "replace"), newline="")

    reader = csv.reader(text_lines())
    rows = (row for row in reader if any(row) and not row[0].lstrip().startswith("#"))
    next(rows)
    while True:
        entries, numbers = [], array("I")
        for row in itertools.islice(rows, _CSV_ROWS):
            # A row without its entry is malformed, not blank.
            entries.append(row[column].strip() if column < len(row) else "")
            numbers.append(line + reader.line_num)
        found = tuple(directives)
        directives.clear()
        yield ListLines(pa.array(entries, pa.string()), np.frombuffer(numbers, np.uint32), found)
        if not entries:
            return


_LF, _BLANK, _SHARP, _BANG, _BAR, _CARET, _STAR, _DOT = (ord(c) for c in "\n #!|^*.")
_SINKS = (b"0.0.0.0", b"127.0.0.1", b"::1", b"::", b"fe80::1%lo0", b"255.255.255.255", b"ff02::1")
_SINK_BYTES = np.frombuffer(b"".join(_SINKS), np.uint8)
_SINK_OFFSETS = np.cumsum([0, *map(len, _SINKS)])


@njit(cache=True, nogil=True)
def _entry_spans(data, most, line):  # type: ignore[no-untyped-def]
    """Return start, end and line number of every line that is not blank or a comment.

    A hosts file's address and an adblock rule's `||` and `^` are left out of the span; so are
    `*.` and `.` before a domain, which say what a domain entry means anyway.
    """
    starts = np.empty(most, np.int64)
    ends = np.empty(most, np.int64)
    lines = np.empty(most, np.uint32)
    count, at, size = 0, 0, len(data)
    while at < size:
        line += 1
        start = at
        while at < size and data[at] != _LF:
            at += 1
        end = at
        at += 1
        start, end = _without_remark(data, *_trim(data, start, end))
        if start == end:
            continue
        name = _after_sink(data, start, end)
        if name == start:
            starts[count], ends[count] = _without_marks(data, start, end)
            lines[count] = line
            count += 1
        while start < name < end:
            # A hosts file: several names may follow the address; undotted ones are local.
            stop, dotted = name, False
            while stop < end and data[stop] > _BLANK:
                dotted = dotted or data[stop] == _DOT
                stop += 1
            if dotted:
                starts[count], ends[count], lines[count] = name, stop, line
                count += 1
            name, _ = _trim(data, stop, end)
    return starts[:count].copy(), ends[:count].copy(), lines[:count].copy()


@njit(cache=True, nogil=True)
def _trim(data, start, end):  # type: ignore[no-untyped-def]
    while start < end and (data[start] <= _BLANK):
        start += 1
    while end > start and (data[end - 1] <= _BLANK):
        end -= 1
    return start, end


@njit(cache=True, nogil=True)
def _without_remark(data, start, end):  # type: ignore[no-untyped-def]
    """Cut a comment off: a whole line, or from a `#` after a blank."""
    if start < end and data[start] in (_SHARP, _BANG):
        return start, start
    for place in range(start + 1, end):
        if data[place] == _SHARP and data[place - 1] <= _BLANK:
            return _trim(data, start, place)
    return start, end


@njit(cache=True, nogil=True)
def _without_marks(data, start, end):  # type: ignore[no-untyped-def]
    """Cut `||` and `^` of an adblock rule off, and `*.` or `.` before a domain."""
    if end - start > 1 and data[start] == _BAR and data[start + 1] == _BAR:
        start += 2
        if end > start and data[end - 1] == _CARET:
            end -= 1
    if end - start > 1 and data[start] == _STAR and data[start + 1] == _DOT:
        start += 2
    elif end - start > 1 and data[start] == _DOT:
        start += 1
    return start, end


@njit(cache=True, nogil=True)
def _after_sink(data, start, end):  # type: ignore[no-untyped-def]
    """Return where the name of a hosts-file line starts, or `start` for any other line."""
    for sink in range(len(_SINK_OFFSETS) - 1):
        size = _SINK_OFFSETS[sink + 1] - _SINK_OFFSETS[sink]
        if start + size >= end or data[start + size] > _BLANK:
            continue
        same = True
        for place in range(size):
            same = same and data[start + place] == _SINK_BYTES[_SINK_OFFSETS[sink] + place]
        if same:
            after = start + size
            while after < end and data[after] <= _BLANK:
                after += 1
            return after
    return start
