# SPDX-License-Identifier: Apache-2.0
"""The part of a byte stream that is in memory: whole lines to parse, and the start of the next."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .streams import ByteSource, StreamFault

_BOM = b"\xef\xbb\xbf"


class Window:
    """Slide over a byte source, block by block, so that lines are never cut.

    `block[lo:lines_end]` are whole lines; the very last line of a stream that has no fault may
    lack its line feed, then `block[lines_end]` is one. `base` is the position of `block[0]` in the
    decompressed stream. The caller moves `lo` forward as it takes lines.

    Args:
        source: Where the bytes come from.
        block_bytes: Bytes to hold at a time; grows to hold one record.
        max_record_bytes: Length from which on a line is not held but skipped.
        first: Position of the first byte that the source gives.
    """

    def __init__(
        self, source: ByteSource, *, block_bytes: int, max_record_bytes: int, first: int = 0
    ) -> None:
        self.base = first
        self.lo = 0
        self.lines_end = 0
        self.fault: StreamFault | None = None
        self._source = source
        self.first = first
        self._most = max_record_bytes
        self._hi = 0
        self._skipped = 0
        self._ended = False
        self._data = bytearray()
        self._allocate(block_bytes)

    def _allocate(self, size: int) -> None:
        # One spare byte: for the line feed that the last line may lack.
        data = bytearray(size + 1)
        data[: self._hi] = self._data[: self._hi]
        self._data = data
        self._size = size
        self.block: npt.NDArray[np.uint8] = np.frombuffer(data, dtype=np.uint8)

    @property
    def received(self) -> int:
        """Bytes that the source has given so far."""
        return self.base + self._hi - self.first

    @property
    def position(self) -> int:
        """Position of the first byte that was not taken yet."""
        return self.base + self.lo - self._skipped

    @property
    def oversize(self) -> bool:
        """Whether the next line is too long to be held; `skip_line` then steps over it."""
        return self.lo == self.lines_end and self._hi - self.lo > self._most

    def fill(self) -> bool:
        """Get lines to parse, or an oversize one to skip; return False at the end or a fault."""
        if self.lo < self.lines_end:
            return True
        self._compact()
        while not self._ended:
            if self._hi > self._most:
                return True
            if self._hi == self._size:
                self._allocate(min(self._size * 2, self._most + 1))
            if self._read_lines():
                return True
        if self._hi and self.fault is None:
            self._data[self._hi] = 10
            self.lines_end = self._hi
            return True
        return False

    def skip_bom(self) -> int:
        """Step over a byte order mark at the start of the stream; return its length."""
        self.fill()
        if self._hi >= len(_BOM) and self._data.startswith(_BOM):
            self.lo = len(_BOM)
        return self.lo

    def skip_line(self) -> tuple[int, int]:
        """Step over an oversize line; return its position and length.

        Memory stays that of one block. If the stream has a fault before the line's end, `fault` is
        set and `position` stays at the start of the line.
        """
        start = self.position
        while True:
            self._skipped += self._hi - self.lo
            self.base += self._hi
            self.lo = self.lines_end = self._hi = 0
            if self._ended:
                break
            if self._read_lines():
                self.lo = self._data.index(b"\n") + 1
                break
        if self.fault is None:
            self._skipped = 0
        return start, self.base + self.lo - start

    def _compact(self) -> None:
        """Move what is left to the start of the block."""
        rest = self._data[self.lo : self._hi]
        self._data[: len(rest)] = rest
        self.base += self.lo
        self.lo = self.lines_end = 0
        self._hi = len(rest)

    def _read_lines(self) -> bool:
        """Read once; return whether a line now ends in the block."""
        room = memoryview(self._data)[self._hi : self._size]
        try:
            count = self._source.read_into(room)
        except StreamFault as fault:
            self.fault = fault
            count = 0
        if count == 0:
            self._ended = True
            return False
        before = self._hi
        self._hi += count
        self.lines_end = self._data.rfind(b"\n", before, self._hi) + 1
        return self.lines_end > 0
