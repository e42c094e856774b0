# SPDX-License-Identifier: Apache-2.0
"""Where the records of a WARC stream begin and end, so that every byte belongs to one of them.

A record is a header, an empty line, `Content-Length` bytes of block and two line breaks (ISO
28500:2017, 4). fastwarc parses the headers; the framing is done here because its iterator steps
over damaged places in silence. A record that does not end where its length says is one faulty
record up to the next line that begins a record.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import NamedTuple

from fastwarc.warc import HeaderMap

from ...schemas.reasons import Reason
from .streams import ByteSource, StreamFault

MAX_HEADER_BYTES = 64 << 10
"""Longest header of a record; twice what fastwarc and warcio accept by default."""

END = b"\r\n\r\n"
"""What follows the block of a record, and the header."""

_MAGIC = re.compile(rb"WARC/[01]\.\d{1,2}\r\n")
_NEXT = END + b"WARC/"
_LENGTH = re.compile(r"\d{1,15}")
_CHUNK = 1 << 20


class Header(NamedTuple):
    """The header of a record and how long the record is.

    Args:
        fields: Named fields, as fastwarc read them.
        start: First byte of the block, counted from the start of the record.
        end: Byte after the block; two line breaks follow.
    """

    fields: HeaderMap
    start: int
    end: int


class Frame(NamedTuple):
    """One record with its place.

    Args:
        offset: Position of its first byte.
        length: Bytes it takes there, line breaks included.
        header: Its header; None if it is faulty.
        block: Its block; empty if it is faulty.
        fault: Why it cannot be read, or None.
    """

    offset: int
    length: int
    header: Header | None
    block: bytes
    fault: Reason | None


def parse_header(data: bytes | bytearray) -> Header | None:
    """Return the header of the record that starts at `data[0]`, or None if it is not one.

    Exactly one `Content-Length` and one `WARC-Type` are needed: with two, two readers could see
    two different records.
    """
    if not _MAGIC.match(data):
        return None
    end = data.find(END, 0, MAX_HEADER_BYTES)
    if end < 0:
        return None
    fields = HeaderMap()
    fields.parse(io.BytesIO(bytes(data[: end + len(END)])))
    lengths = fields.get_multiple("Content-Length")
    if len(lengths) != 1 or not _LENGTH.fullmatch(lengths[0]):
        return None
    if len(fields.get_multiple("WARC-Type")) != 1:
        return None
    start = end + len(END)
    return Header(fields, start, start + int(lengths[0]))


class StreamFrames:
    """The records of a byte stream, in order; together they are all of its bytes.

    Args:
        source: Where the bytes come from.
        max_record_bytes: Length of a block from which on a record is stepped over (`too_large`).
    """

    def __init__(self, source: ByteSource, max_record_bytes: int) -> None:
        self.fault: StreamFault | None = None
        self.blank = 0
        self.first = source.first
        self._source = source
        self._most = max_record_bytes
        self._data = bytearray()
        self._chunk = bytearray(_CHUNK)
        self._place = source.first
        self._dropped = 0
        self._ended = False

    @property
    def received(self) -> int:
        """Bytes that the source has given so far."""
        return self._place + len(self._data) - self.first

    @property
    def position(self) -> int:
        """Position of the first byte that belongs to no record yet."""
        return self._place - self._dropped

    def __iter__(self) -> Iterator[Frame]:
        """Yield the records up to the end of the stream, or to its `fault`."""
        while True:
            self._skip_blank()
            if not self._data:
                return
            frame = self._next()
            if frame is None:
                return
            yield frame

    def _fill(self, size: int) -> bool:
        """Hold `size` bytes in memory; return False if the stream ends before."""
        while len(self._data) < size and not self._ended:
            try:
                count = self._source.read_into(memoryview(self._chunk))
            except StreamFault as fault:
                self.fault = fault
                count = 0
            self._ended = count == 0
            self._data += memoryview(self._chunk)[:count]
        return len(self._data) >= size

    def _drop(self, size: int) -> None:
        """Let go of bytes of a record that is not complete."""
        del self._data[:size]
        self._place += size
        self._dropped += size

    def _frame(self, header: Header | None, block: bytes, fault: Reason | None) -> Frame:
        frame = Frame(self.position, self._dropped, header, block, fault)
        self._dropped = 0
        return frame

    def _skip_blank(self) -> None:
        """Step over superfluous line breaks between records."""
        while self._fill(1) and self._data[0] in END:
            blank = len(self._data) - len(self._data.lstrip(END))
            del self._data[:blank]
            self._place += blank
            self.blank += blank

    def _next(self) -> Frame | None:
        self._fill(MAX_HEADER_BYTES)
        header = parse_header(self._data)
        if header is None:
            return self._resume()
        if header.end > self._most + MAX_HEADER_BYTES:
            return self._step_over(header.end)
        total = header.end + len(END)
        if not self._fill(total):
            if self.fault is not None:
                return None
            total = len(self._data)
            if total < header.end:
                return self._resume(Reason.TRUNCATED_RECORD)
        if not END.startswith(self._data[header.end : total]):
            return self._resume()
        block = bytes(memoryview(self._data)[header.start : header.end])
        self._drop(total)
        return self._frame(header, block, None)

    def _resume(self, at_end: Reason = Reason.CORRUPT_RECORD) -> Frame | None:
        """Step over what is no sound record, up to where the next one begins."""
        while (found := self._data.find(_NEXT, 1)) < 0:
            if not self._fill(len(self._data) + 1):
                if self.fault is not None:
                    return None
                self._drop(len(self._data))
                return self._frame(None, b"", at_end)
            # Small enough to hold; a longer search lets go of what it has seen.
            if len(self._data) > self._most:
                self._drop(len(self._data) - len(_NEXT))
        self._drop(found + len(END))
        return self._frame(None, b"", Reason.CORRUPT_RECORD)

    def _step_over(self, size: int) -> Frame | None:
        """Step over a record that is too large to hold."""
        while size:
            if not self._fill(1):
                return None if self.fault else self._frame(None, b"", Reason.TRUNCATED_RECORD)
            count = min(size, len(self._data))
            self._drop(count)
            size -= count
        self._fill(len(END))
        if not self._data.startswith(END):
            return self._resume()
        self._drop(len(END))
        return self._frame(None, b"", Reason.TOO_LARGE)
