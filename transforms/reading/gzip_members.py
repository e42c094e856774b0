# SPDX-License-Identifier: Apache-2.0
"""Crawl files with one gzip member a record, as crawlers write them: cut by bytes, never by guess.

Such a file can be read from the start of any member. A split owns the members that start in its
range; where the first of them starts is found by looking for a member that holds a WARC record and
is followed by sound ones for 64 KiB. Bytes inside a record cannot pass for one by chance: deflate
puts a block header into incompressible data every 65,535 bytes (RFC 1951, 3.2.4). Who wants to fool
it is found out: a split that reaches the next one's range compares where its members really start
with what the next split will find, and stops the job if they differ.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from ...schemas.reasons import Reason
from ..stores import StoredFile, store_at
from .limits import ReadLimits
from .streams import StreamFault
from .warc_frames import END, MAX_HEADER_BYTES, Frame, parse_header

CHAIN_BYTES = 64 << 10
"""How far sound members must follow a place for it to count as the start of one."""

_MAGIC = b"\x1f\x8b\x08"
_RECORD = b"WARC/"
_CHUNK = 64 << 10
_PIECE = 1 << 20
_NO_END = "the gzip member has no end"
_DAMAGED = "the gzip data is damaged"


class AmbiguousMembersError(Exception):
    """Bytes inside a record look like records: the file cannot be read in parts."""


def one_record_each(path: str, size: int, limits: ReadLimits) -> bool:
    """Return whether a gzip file begins with members that hold one WARC record each."""
    with store_at(path).open(path) as file:
        frames = MemberFrames(file, 0, CHAIN_BYTES, size, limits)
        try:
            checked = [frame.fault for frame in frames]
        except AmbiguousMembersError:
            return False
        return bool(checked) and frames.fault is None and not any(checked)


class MemberFrames:
    """The records whose members start in `[start, end)` of a file; positions are those in the file.

    Args:
        file: Open file.
        start: First byte of the range.
        end: Byte after it.
        size: Bytes of the file.
        limits: Bounds on records and decompression.
    """

    def __init__(
        self, file: StoredFile, start: int, end: int, size: int, limits: ReadLimits
    ) -> None:
        self.fault: StreamFault | None = None
        self.blank = 0
        self._file = file
        self._size = size
        self._end = end
        self._limits = limits
        self._most = limits.max_record_bytes + MAX_HEADER_BYTES
        found = 0 if start == 0 else self._first_start(start, end)
        self.first = self.position = end if found is None else found
        self._past = self.first
        self._empty = found is None
        self._bytes_out = 0

    @property
    def received(self) -> int:
        """Bytes of the file that belong to this split, known once the iteration has ended."""
        return self._past - self.first

    def __iter__(self) -> Iterator[Frame]:
        """Yield the records of the split.

        Raises:
            AmbiguousMembersError: The next split would not begin where this one ends.
        """
        checked = self._end
        while not self._empty and self.position < self._size:
            if self.position >= self._end:
                # What comes is the next split's if it will find it, and must be all it finds.
                if self._first_start(checked, self.position) is not None:
                    raise AmbiguousMembersError
                checked = self.position + 1
                if self._starts_here(self.position):
                    break
            frame = self._member()
            if frame is None:
                follow = max(self._end, self.position + 1)
                found = self._first_start(follow, self._size)
                self._past = self._size if found is None else found
                return
            self.position += frame.length
            yield frame
        self._past = self.position

    def _member(self) -> Frame | None:
        """Return the record of the member at `position`, or None with a `fault`."""
        try:
            data, end = _inflate(self._file, self.position, self._size, self._most)
        except _TooMuch as large:
            return self._oversize(large)
        except StreamFault as fault:
            self.fault = fault
            return None
        self._bytes_out += len(data)
        length = end - self.position
        header = parse_header(data)
        if header is None or data[header.end :].strip(END) or len(data) < header.end:
            return Frame(self.position, length, None, b"", Reason.CORRUPT_RECORD)
        return Frame(self.position, length, header, data[header.start : header.end], None)

    def _oversize(self, large: _TooMuch) -> Frame | None:
        """Step over a member that is too large to hold, unless it is a bomb."""
        limits = self._limits
        inflate, position = large.inflate, large.position
        data = large.rest
        out = large.produced
        while not inflate.eof:
            if not data:
                data = self._file.pread(_CHUNK, position)
                position += len(data)
            if not data:
                self.fault = StreamFault(Reason.TRUNCATED_STREAM, _NO_END)
                return None
            try:
                out += len(inflate.decompress(data, _PIECE))
            except zlib.error:
                self.fault = StreamFault(Reason.CORRUPT_STREAM, _DAMAGED)
                return None
            data = inflate.unconsumed_tail
            taken = position - self.position
            bomb = out > max(limits.ratio_floor_bytes, limits.max_ratio * taken)
            if bomb or self._bytes_out + out > limits.max_file_bytes:
                self.fault = StreamFault(Reason.DECOMPRESSION_LIMIT, "a member expands too far")
                return None
        self._bytes_out += out
        length = position - len(inflate.unused_data) - self.position
        return Frame(self.position, length, None, b"", Reason.TOO_LARGE)

    def _first_start(self, start: int, end: int) -> int | None:
        """Return the first place in `[start, end)` that counts as the start of a member."""
        place = start
        while place < end:
            window = self._file.pread(min(_PIECE, end - place) + len(_MAGIC) - 1, place)
            found = window.find(_MAGIC)
            while found >= 0:
                if place + found < end and self._starts_here(place + found):
                    return place + found
                found = window.find(_MAGIC, found + 1)
            if len(window) < len(_MAGIC):
                break
            place += len(window) - len(_MAGIC) + 1
        return None

    def _starts_here(self, start: int) -> bool:
        place = start
        while place < min(start + CHAIN_BYTES, self._size):
            try:
                _, place = _inflate(self._file, place, self._size, self._most)
            except (_TooMuch, StreamFault):
                return False
        return place > start


class _TooMuch(Exception):  # noqa: N818 - where decompression stopped, not an error
    """A member has more decompressed bytes than can be held."""

    def __init__(self, inflate: zlib._Decompress, position: int, produced: int) -> None:
        self.inflate = inflate
        self.rest = inflate.unconsumed_tail
        self.position = position
        self.produced = produced
        super().__init__(position)


def _inflate(file: StoredFile, start: int, size: int, most: int) -> tuple[bytes, int]:
    """Return the decompressed bytes of the member at `start`, and the position after it.

    Raises:
        StreamFault: It is damaged, has no end, or holds no WARC record.
        _TooMuch: It has more than `most` bytes.
    """
    inflate = zlib.decompressobj(wbits=31)
    parts: list[bytes] = []
    produced, position = 0, start
    while not inflate.eof:
        data = file.pread(min(_CHUNK, size - position), position)
        if not data:
            raise StreamFault(Reason.TRUNCATED_STREAM, _NO_END)
        position += len(data)
        try:
            part = inflate.decompress(data, most + 1 - produced)
        except zlib.error:
            raise StreamFault(Reason.CORRUPT_STREAM, _DAMAGED) from None
        if not produced and part and not part.startswith(_RECORD[: len(part)]):
            raise StreamFault(Reason.CORRUPT_STREAM, "a gzip member holds no WARC record")
        produced += len(part)
        parts.append(part)
        if produced > most:
            raise _TooMuch(inflate, position, produced)
    if not produced:
        raise StreamFault(Reason.CORRUPT_STREAM, "a gzip member holds no WARC record")
    return b"".join(parts), position - len(inflate.unused_data)
