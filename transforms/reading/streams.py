# SPDX-License-Identifier: Apache-2.0
"""Byte sources that never end early: a damaged stream is a fault, not a short read.

Beam's text source reports success on a truncated gzip, bzip2 or Zstandard file, with the rest of
the rows missing (measured at 2.77.0), because nobody asks the decompressor whether it reached its
end. These sources do: every member must end, with its checksum, exactly where the file ends.
"""

from __future__ import annotations

import bz2
import hashlib
import lzma
import zlib
from typing import Literal, Protocol

import zstandard

from ...schemas.reasons import Reason
from .limits import ReadLimits

# Compressed bytes read at a time.
_CHUNK = 64 << 10

# A Zstandard block of 4 bytes can stand for 128 KiB (RFC 8878, 3.1.1.2), and the library's
# decompressor has no bound on what one call returns: 2 KiB in are at most 64 MiB out.
_ZSTD_CHUNK = 2 << 10

# Largest window a Zstandard frame may ask for: the reference decoder's own limit, 2^27.
_ZSTD_WINDOW = 1 << 27

# xz -9 needs 65 MiB to decompress (xz(1)); a header may ask for 4 GiB.
_XZ_MEMORY = 128 << 20

Codec = Literal["none", "gzip", "zstd", "bz2", "xz"]
"""Compression of a JSON lines file."""

_SUPERFLUOUS = "data after the end of the stream"


class StreamFault(Exception):  # noqa: N818 - a finding about the file, not yet an error
    """A stream cannot be read on; what came before it is good.

    Args:
        reason: The closed reason of the fault.
        detail: What was found, without file content.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(reason, detail)


class BinaryFile(Protocol):
    """What the sources need of an open file."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, none at the end."""

    def readinto(self, view: memoryview, /) -> int | None:
        """Fill the start of `view`."""

    def seek(self, position: int, /) -> int:
        """Go to a position."""


class HashedFile:
    """A binary file that is read once, from start to end, and its SHA-256 on the way.

    Args:
        file: Open binary file at its start.
    """

    def __init__(self, file: BinaryFile) -> None:
        self._file = file
        self._digest = hashlib.sha256()

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, none at the end."""
        data = self._file.read(size)
        self._digest.update(data)
        return data

    def readinto(self, view: memoryview, /) -> int | None:
        """Fill the start of `view`."""
        count = self._file.readinto(view)
        self._digest.update(view[: count or 0])
        return count

    def seek(self, position: int, /) -> int:
        """Stay at the start; no other place can be hashed."""
        if position:
            msg = f"expected position 0, got {position}"
            raise ValueError(msg)
        return 0

    @property
    def sha256(self) -> str:
        """SHA-256 of what was read, hexadecimal."""
        return self._digest.hexdigest()


class ByteSource(Protocol):
    """Where blocks come from.

    `first` is the position of the first byte it gives in the decompressed stream.
    """

    first: int

    def read_into(self, view: memoryview) -> int:
        """Fill the start of `view`; return the bytes written, 0 only at the true end.

        Raises:
            StreamFault: The stream is damaged here, or is past a limit.
        """


class RangeSource:
    """The lines of a plain file that start in `[start, end)`, and no other byte.

    Args:
        file: Open binary file.
        start: First byte of the range, 0 or any position.
        end: Byte after the range; the last line may run past it.
        file_bytes: Size of the file when it was planned; nothing beyond is read.
    """

    def __init__(self, file: BinaryFile, start: int, end: int, file_bytes: int) -> None:
        self._file = file
        self._end = end
        self._size = file_bytes
        self._done = False
        self._at_line_end = True
        self.first = self._first_line(start)
        self._pos = self.first

    def _first_line(self, start: int) -> int:
        """Return where the first line at or after `start` begins, `end` at the latest.

        The search is bounded by the range, so a file of one huge line costs its splits no more
        than their own bytes.
        """
        self._file.seek(max(start - 1, 0))
        if start == 0:
            return 0
        pos = start - 1
        while pos < self._end - 1:
            chunk = self._file.read(min(1 << 20, self._end - 1 - pos))
            if not chunk:
                break
            found = chunk.find(b"\n")
            if found >= 0:
                self._file.seek(pos + found + 1)
                return pos + found + 1
            pos += len(chunk)
        self._done = True
        return start

    def read_into(self, view: memoryview) -> int:
        """Fill the start of `view` with the next bytes of the owned lines."""
        if self._done:
            return 0
        if self._pos < self._end:
            room = min(len(view), self._end - self._pos)
        else:
            room = min(len(view), _CHUNK, self._size - self._pos)
        count = self._file.readinto(view[:room]) or 0
        if count and self._pos >= self._end:
            found = bytes(view[:count]).find(b"\n")
            if found >= 0:
                count = found + 1
        if count:
            self._pos += count
            self._at_line_end = view[count - 1] == 10
        if self._pos >= self._size or (self._pos >= self._end and self._at_line_end):
            self._done = True
        elif not count:
            self._done = True
            detail = f"the file ends at byte {self._pos}, expected {self._size}"
            raise StreamFault(Reason.TRUNCATED_STREAM, detail)
        return count


class _Member(Protocol):
    """A decompressor of one member: gzip member, xz or bzip2 stream, Zstandard frame."""

    @property
    def pending(self) -> bool:
        """Whether `feed(b"")` may give more."""

    @property
    def eof(self) -> bool:
        """Whether the member has ended, its checksum right."""

    @property
    def unused_data(self) -> bytes:
        """What was fed beyond the end."""

    def feed(self, data: bytes, room: int) -> bytes:
        """Return decompressed bytes, at most `room` where the library can be told."""


class _Gzip:
    """zlib checks the CRC-32 and ISIZE of the member itself (RFC 1952)."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)

    @property
    def pending(self) -> bool:
        return bool(self._inner.unconsumed_tail)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def feed(self, data: bytes, room: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, room)


class _Buffered:
    """bzip2 and xz streams: the decompressor keeps what it has not consumed."""

    def __init__(self, inner: bz2.BZ2Decompressor | lzma.LZMADecompressor) -> None:
        self._inner = inner

    @property
    def pending(self) -> bool:
        return not self._inner.needs_input

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def feed(self, data: bytes, room: int) -> bytes:
        return self._inner.decompress(data, room)


class _Zstd:
    """Zstandard frames, skippable ones included."""

    pending = False

    def __init__(self) -> None:
        self._inner = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def feed(self, data: bytes, room: int) -> bytes:  # noqa: ARG002 - see _ZSTD_CHUNK
        return self._inner.decompress(data)


def _new_member(codec: Codec) -> _Member:
    if codec == "gzip":
        return _Gzip()
    if codec == "bz2":
        return _Buffered(bz2.BZ2Decompressor())
    if codec == "xz":
        return _Buffered(lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY))
    return _Zstd()


# How a member starts: gzip (RFC 1952), bzip2, xz (xz-file-format 2.1.1.1), Zstandard and its
# sixteen skippable frames (RFC 8878, 3.1).
MEMBER_MAGIC: dict[Codec, tuple[bytes, ...]] = {
    "gzip": (b"\x1f\x8b\x08",),
    "bz2": tuple(b"BZh%d" % level for level in range(1, 10)),
    "xz": (b"\xfd7zXZ\x00",),
    "zstd": (b"\x28\xb5\x2f\xfd", *(bytes([0x50 + k]) + b"\x2a\x4d\x18" for k in range(16))),
}


class CompressedSource:
    """The decompressed bytes of a whole file, member after member.

    Args:
        file: Open binary file, at its start.
        codec: `gzip`, `bz2`, `xz` or `zstd`.
        limits: Bounds on the ratio and the number of decompressed bytes.
    """

    def __init__(self, file: BinaryFile, codec: Codec, limits: ReadLimits) -> None:
        self.first = 0
        self._file = file
        self._codec = codec
        self._limits = limits
        self._chunk = _ZSTD_CHUNK if codec == "zstd" else _CHUNK
        self._member: _Member | None = None
        self._data = b""
        self._out = memoryview(b"")
        self._bytes_in = 0
        self._bytes_out = 0
        self._fault: StreamFault | None = None

    def read_into(self, view: memoryview) -> int:
        """Fill the start of `view` with the next decompressed bytes."""
        filled = 0
        while filled < len(view):
            if not self._out:
                if self._fault is None:
                    try:
                        self._out = memoryview(self._next(len(view) - filled))
                    except StreamFault as fault:
                        self._fault = fault
                if not self._out:
                    if filled == 0 and self._fault is not None:
                        raise self._fault
                    break
            count = min(len(self._out), len(view) - filled)
            view[filled : filled + count] = self._out[:count]
            self._out = self._out[count:]
            filled += count
        return filled

    def _next(self, room: int) -> bytes:
        """Return some decompressed bytes, none at the true end of the file."""
        while True:
            member = self._member
            pending = member is not None and member.pending
            if not self._data and not pending:
                self._data = self._file.read(self._chunk)
                self._bytes_in += len(self._data)
            if not self._data and not pending:
                if self._bytes_in == 0:
                    raise StreamFault(Reason.EMPTY_STREAM, "the file has no bytes")
                if member is None:
                    return b""
                raise StreamFault(Reason.TRUNCATED_STREAM, f"the {self._codec} member has no end")
            if member is None:
                if not self._begin_member():
                    return b""
                member = self._member = _new_member(self._codec)
            out = self._feed(member, room)
            if out:
                return out

    def _begin_member(self) -> bool:
        """Check that a member begins here; skip xz padding. Return False at the end."""
        if self._codec == "xz" and self._bytes_in > len(self._data) and self._data[:1] == b"\0":
            self._skip_padding()
            if not self._data:
                return False
        magics = MEMBER_MAGIC[self._codec]
        longest = max(map(len, magics))
        if len(self._data) < longest:
            more = self._file.read(self._chunk)
            self._bytes_in += len(more)
            self._data += more
        if self._data.startswith(magics):
            return True
        if self._bytes_in > len(self._data):
            raise StreamFault(Reason.CORRUPT_STREAM, _SUPERFLUOUS)
        raise StreamFault(Reason.CORRUPT_STREAM, f"no {self._codec} header")

    def _skip_padding(self) -> None:
        """Skip stream padding: zero bytes, a multiple of four (xz-file-format 2.2)."""
        zeros = 0
        while True:
            rest = self._data.lstrip(b"\0")
            zeros += len(self._data) - len(rest)
            self._data = rest
            if rest:
                break
            self._data = self._file.read(self._chunk)
            self._bytes_in += len(self._data)
            if not self._data:
                break
        if zeros % 4:
            raise StreamFault(Reason.CORRUPT_STREAM, _SUPERFLUOUS)

    def _feed(self, member: _Member, room: int) -> bytes:
        """Decompress the next piece of the data at hand; hold the result against the limits."""
        data, self._data = self._data[: self._chunk], self._data[self._chunk :]
        try:
            out = member.feed(data, room)
        except lzma.LZMAError as error:
            # liblzma has no class of its own for this; the text is the standard library's.
            limit = "Memory usage limit" in str(error)
            reason = Reason.DECOMPRESSION_LIMIT if limit else Reason.CORRUPT_STREAM
            raise StreamFault(reason, f"the {self._codec} data is damaged or too costly") from None
        except (zlib.error, OSError, EOFError, ValueError, zstandard.ZstdError):
            detail = f"the {self._codec} data is damaged"
            raise StreamFault(Reason.CORRUPT_STREAM, detail) from None
        if member.eof:
            self._data = member.unused_data + self._data
            self._member = None
        self._bytes_out += len(out)
        limits = self._limits
        if self._bytes_out > limits.max_file_bytes:
            detail = f"more than {limits.max_file_bytes} decompressed bytes"
            raise StreamFault(Reason.DECOMPRESSION_LIMIT, detail)
        if self._bytes_out > max(limits.ratio_floor_bytes, limits.max_ratio * self._bytes_in):
            detail = f"expands more than {limits.max_ratio} times"
            raise StreamFault(Reason.DECOMPRESSION_LIMIT, detail)
        return out


def open_source(
    file: BinaryFile, codec: Codec, start: int, end: int, file_bytes: int, limits: ReadLimits
) -> ByteSource:
    """Return the source of a split's bytes.

    Args:
        file: Open binary file.
        codec: `none`, `gzip`, `bz2`, `xz` or `zstd`.
        start: First byte of a plain range.
        end: Byte after a plain range.
        file_bytes: Size of the file when it was planned.
        limits: Bounds on decompression.
    """
    if codec == "none":
        return RangeSource(file, start, end, file_bytes)
    return CompressedSource(file, codec, limits)
