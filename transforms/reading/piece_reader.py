# SPDX-License-Identifier: Apache-2.0
"""Read one piece of a split as record batches and account for each of its bytes.

The offsets and lengths of the records, with the blank lines between them, tile the bytes of the
piece: no gap, no overlap, up to the proven end of the stream (invariant I1). Whatever is wrong with
one record costs that record only; whatever is wrong with the file stops the run, or becomes one
record that stands for the rest of it.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ...schemas.batches import RECORDS, TEXT_COLUMNS
from ...schemas.errors import InputError, StageError
from ...schemas.reasons import REASON_CODES, Reason
from ..stores import Stat, store_at
from .crawl import CRAWL_COLUMNS, CrawlReader
from .gzip_members import AmbiguousMembersError, MemberFrames
from .html_text import PageReader
from .jsonl import LineParser, ParsedLines, field_paths, string_column
from .limits import ReadLimits
from .parquet import PLACE, invalid_utf8_rows, read_groups
from .splits import CRAWL_FORMATS, Piece, printable
from .streams import BinaryFile, HashedFile, StreamFault, open_source
from .warc_frames import StreamFrames
from .wat import WatPages
from .window import Window

_BAD_ID = REASON_CODES[Reason.BAD_ID]
_INVALID_UTF8 = REASON_CODES[Reason.INVALID_UTF8]
_MISSING_FIELD = REASON_CODES[Reason.MISSING_FIELD]
_TOO_LARGE = REASON_CODES[Reason.TOO_LARGE]


OnBadFile = Literal["fail", "quarantine"]
WatOf = Callable[[Piece], WatPages | None]
"""What gives the WAT file beside a piece of a WET file, if there is one."""


class _Stream(Protocol):
    """A stream that was cut into records, up to a fault perhaps.

    `first` is the place of its first byte.
    """

    first: int

    @property
    def received(self) -> int:
        """Bytes that came."""

    @property
    def position(self) -> int:
        """Place of the first byte that belongs to no record."""


@dataclass(frozen=True)
class ReadTally:
    """What was read from a piece; complete once the iteration has ended.

    Args:
        records: Rows yielded, faulty ones included.
        faulty: Rows with a fault.
        bytes_accounted: Bytes of the records, the blank lines and what was passed over; 0 for
            Parquet, where rows are counted against the footer instead.
        bytes_total: Bytes the piece has, decompressed; 0 for Parquet. Over the pieces of a plain
            file, or of a crawl that is cut, they add up to its size.
        blank_bytes: Bytes that belong to no record: blank lines and a byte order mark.
        complete: Whether the end was reached without a stream fault.
        passed: Records of a crawl that are no documents: kind (`warc_record.Passed`) to number and
            bytes.
    """

    records: int
    faulty: int
    bytes_accounted: int
    bytes_total: int
    blank_bytes: int
    complete: bool
    passed: Mapping[str, tuple[int, int]]


class PieceReader:
    """Iterate once over the records of a piece.

    Args:
        piece: What to read.
        fields: Column of `RECORDS` to input field; must map `text`. Dots go into nested objects.
            A crawl fills `CRAWL_COLUMNS`, whatever is mapped.
        pages: What turns pages of a crawl into text; the caller starts and ends it.
        limits: Bounds on records, streams and batches.
        columns: Value columns to fill, all mapped ones by default. The rows, their faults and the
            batch boundaries do not depend on it.
        records: Rows of the piece, if all of it was read before, see `SplitReader`.
        on_bad_file: `fail` raises at a stream fault; `quarantine` yields one more record that
            stands for the rest of the stream.
        wat: Gives headers and tags of the pages of a WET file.

    Raises:
        ValueError: `fields` or `columns` name an unknown column.
        InputError: While iterating: the file cannot be opened, has changed since it was planned
            (`input_changed`), or has a stream fault and `on_bad_file` is `fail`.
    """

    def __init__(
        self,
        piece: Piece,
        fields: Mapping[str, str],
        pages: PageReader,
        limits: ReadLimits,
        *,
        columns: tuple[str, ...] | None = None,
        records: int | None = None,
        on_bad_file: OnBadFile = "fail",
        wat: WatOf | None = None,
    ) -> None:
        if piece.format in CRAWL_FORMATS:
            fields = {name: name for name in CRAWL_COLUMNS}
        wanted = tuple(fields) if columns is None else columns
        unknown = sorted({*fields, *wanted} - set(TEXT_COLUMNS))
        if unknown:
            msg = f"expected columns among {', '.join(TEXT_COLUMNS)}, got {', '.join(unknown)}"
            raise ValueError(msg)
        self._piece = piece
        self._fields = dict(fields)
        self._paths = field_paths(fields)
        self._pages = pages
        self._limits = limits
        self._columns = tuple(c for c in TEXT_COLUMNS if c in fields and c in wanted)
        self._known = records
        self._quarantine = on_bad_file == "quarantine"
        self._wat = wat
        self._label = printable(piece.label)
        self._number = 0
        self._first = 0
        self._row = 0
        self._faulty = 0
        self._accounted = 0
        self._total = 0
        self._blank = 0
        self._complete = False
        self._passed: dict[str, list[int]] = {}

    @property
    def tally(self) -> ReadTally:
        """What was read so far; the whole piece once the iteration has ended."""
        passed = {kind: (count[0], count[1]) for kind, count in sorted(self._passed.items())}
        return ReadTally(
            self._row,
            self._faulty,
            self._accounted,
            self._total,
            self._blank,
            self._complete,
            passed,
        )

    def read(self, number: int = 0, first_row: int = 0) -> Iterator[pa.RecordBatch]:
        """Yield batches of the schema `RECORDS`.

        Args:
            number: Place of the piece in its split.
            first_row: Row of its first record in the split.
        """
        self._number, self._first = number, first_row
        try:
            before = self._stat()
            if self._piece.format == "parquet":
                yield from self._parquet()
            elif self._piece.format in CRAWL_FORMATS:
                yield from self._crawl()
            else:
                yield from self._jsonl()
            after = self._stat()
        except FileNotFoundError:
            raise self._changed("the file that was planned", "none at its place") from None
        except OSError as error:
            cause = errno.errorcode.get(error.errno or 0, "an unknown cause")
            msg = f"{self._label}: unreadable: the system says {cause}; check the disk and rights"
            raise InputError(msg) from None
        if before != after:
            raise self._changed("no change while reading", "another size or time of change")
        if self._accounted != self._total:
            msg = (
                f"{self._label}: {self._accounted} bytes accounted for, the piece has "
                f"{self._total}; this is a defect of the reader"
            )
            raise StageError(msg)

    def _stat(self) -> Stat:
        """Return what the store knows of the file, which must be the one that was planned."""
        piece = self._piece
        found = store_at(piece.path).stat(piece.path)
        if found.bytes != piece.file_bytes:
            raise self._changed(f"{piece.file_bytes} bytes", f"{found.bytes} bytes")
        if found.etag != piece.etag and piece.etag:
            raise self._changed("the bytes that were planned", "other bytes of the same number")
        return found

    def _changed(self, expected: str, got: str) -> InputError:
        return InputError(
            f"{self._label}: input_changed: expected {expected}, got {got}; run again"
        )

    # JSON lines

    def _jsonl(self) -> Iterator[pa.RecordBatch]:
        piece = self._piece
        whole = piece.codec != "none" or (piece.start, piece.end) == (0, piece.file_bytes)
        with store_at(piece.path).open(piece.path) as raw:
            hashed = HashedFile(raw)
            file: BinaryFile = hashed if whole else raw
            source = open_source(
                file, piece.codec, piece.start, piece.end, piece.file_bytes, self._limits
            )
            window = Window(
                source,
                block_bytes=self._limits.block_bytes,
                max_record_bytes=self._limits.max_record_bytes,
                first=source.first,
            )
            try:
                yield from self._lines(window)
            finally:
                self._total = window.received
        self._complete = window.fault is None
        if window.fault is not None:
            yield from self._stream_fault(window, window.fault)
        elif whole and hashed.sha256 != piece.file_sha256:
            raise self._changed("the bytes that were planned", "other bytes of the same number")

    def _fault_error(self, fault: StreamFault, place: str) -> InputError:
        return InputError(
            f"{self._label}: {fault.reason} {place}: {fault.detail}; "
            "replace the file, or let bad files be quarantined"
        )

    def _stream_fault(self, window: _Stream, fault: StreamFault) -> Iterator[pa.RecordBatch]:
        if self._piece.codec == "none":
            raise self._changed(f"{self._piece.file_bytes} bytes", "fewer")
        if not self._quarantine:
            raise self._fault_error(fault, f"at byte {window.received} of its stream")
        rest = window.first + window.received - window.position
        yield self._one(fault.reason, window.position, rest)

    def _lines(self, window: Window) -> Iterator[pa.RecordBatch]:
        parser = LineParser(self._paths, self._limits)
        if self._piece.start == 0:
            self._blank = self._accounted = window.skip_bom()
        while window.fill():
            if window.oversize:
                start, length = window.skip_line()
                if window.fault is None:
                    yield self._one(Reason.TOO_LARGE, start, length)
                continue
            while window.lo < window.lines_end:
                parsed = parser.parse(window.block, window.lo, window.lines_end)
                self._check_tiling(parsed, window.lo)
                window.lo = parsed.after
                self._blank += parsed.blank_bytes
                self._accounted += parsed.blank_bytes
                if parsed.faults.size:
                    yield self._batch(window.block, window.base, parsed)

    def _check_tiling(self, parsed: ParsedLines, start: int) -> None:
        """Check that lines and blank bytes fill `[start, parsed.after)` without an overlap."""
        starts, lengths = parsed.lines[:, 0], parsed.lines[:, 1]
        ends = starts + lengths
        apart = (starts[1:] >= ends[:-1]).all() and (starts[:1] >= start).all()
        total = int(lengths.sum()) + parsed.blank_bytes
        if not apart or (ends[-1:] > parsed.after).any() or total != parsed.after - start:
            msg = f"{self._label}: records do not tile the bytes; this is a defect of the reader"
            raise StageError(msg)

    def _batch(
        self, block: npt.NDArray[np.uint8], base: int, parsed: ParsedLines
    ) -> pa.RecordBatch:
        offsets = parsed.lines[:, 0].astype(np.uint64) + np.uint64(base)
        lengths = parsed.lines[:, 1].astype(np.uint64)
        values = {
            column: string_column(block, parsed, self._paths.columns[column])
            for column in self._columns
        }
        return self._records(offsets, lengths, parsed.fault_codes(), values)

    def _one(self, reason: Reason, offset: int, length: int) -> pa.RecordBatch:
        """Return a batch of one faulty record."""
        place = np.array([offset], dtype=np.uint64), np.array([length], dtype=np.uint64)
        return self._records(*place, np.array([REASON_CODES[reason]], dtype=np.uint8), {})

    def _records(
        self,
        offsets: npt.NDArray[np.uint64],
        lengths: npt.NDArray[np.uint64],
        faults: npt.NDArray[np.uint8],
        values: Mapping[str, pa.Array],
    ) -> pa.RecordBatch:
        rows = faults.size
        first = self._first + self._row
        numbers = np.arange(first, first + rows, dtype=np.uint32)
        of_file = np.full(rows, self._number, dtype=np.uint16)
        self._row += rows
        self._faulty += int(np.count_nonzero(faults))
        self._accounted += int(lengths.sum())
        arrays = [pa.array(part) for part in (numbers, of_file, offsets, lengths, faults)]
        nothing = pa.nulls(rows, pa.string())
        arrays += [values.get(column, nothing) for column in TEXT_COLUMNS]
        return pa.RecordBatch.from_arrays(arrays, schema=RECORDS)

    # Crawls

    def _crawl(self) -> Iterator[pa.RecordBatch]:
        piece, limits = self._piece, self._limits
        ranged = piece.codec == "gzip" and piece.end >= 0
        with store_at(piece.path).open(piece.path) as raw:
            hashed = HashedFile(raw)
            frames: StreamFrames | MemberFrames
            if ranged:
                place = piece.start, piece.end, piece.file_bytes
                frames = MemberFrames(raw, *place, limits)
            else:
                source = open_source(
                    hashed, piece.codec, piece.start, piece.end, piece.file_bytes, limits
                )
                frames = StreamFrames(source, limits.max_record_bytes)
            yield from self._documents(frames)
            self._total = frames.received
        self._complete = frames.fault is None
        if frames.fault is not None:
            yield from self._stream_fault(frames, frames.fault)
        elif not ranged and hashed.sha256 != piece.file_sha256:
            raise self._changed("the bytes that were planned", "other bytes of the same number")

    def _documents(self, frames: StreamFrames | MemberFrames) -> Iterator[pa.RecordBatch]:
        wat = self._wat(self._piece) if self._wat else None
        reader = CrawlReader(self._pages, self._limits, self._columns, self._passed, wat)
        try:
            for rows in reader.read(frames):
                yield self._records(*rows)
        except AmbiguousMembersError:
            msg = (
                f"{self._label}: ambiguous_members: a record holds bytes that look like records "
                "of their own where the file is cut; raise partitioning.split_bytes above the "
                "size of the file"
            )
            raise InputError(msg) from None
        self._blank = frames.blank
        self._accounted += frames.blank + sum(count[1] for count in self._passed.values())

    # Parquet

    def _parquet(self) -> Iterator[pa.RecordBatch]:
        piece = self._piece
        groups = range(piece.start, piece.end)
        fields = self._fields
        if self._known is not None:  # what is wrong in other columns was seen the first time
            fields = {c: p for c, p in fields.items() if c == "text" or c in self._columns}
        batches = read_groups(piece.path, self._label, groups, fields, self._limits)
        place = piece.start << 32
        try:
            for batch in batches:
                # A fault in a column that is not read again may have ended the piece before.
                rest = batch.num_rows if self._known is None else self._known - self._row
                if rest <= 0:
                    break
                yield self._columns_batch(batch.slice(0, rest), fields)
                place = batch[PLACE][-1].as_py() + 1
            self._complete = True
        except StreamFault as fault:
            if not self._quarantine:
                raise self._fault_error(fault, f"after row {place & 0xFFFFFFFF}") from None
            if self._known is None or self._row < self._known:
                yield self._one(fault.reason, place, 0)

    def _columns_batch(self, batch: pa.RecordBatch, fields: Mapping[str, str]) -> pa.RecordBatch:
        columns = {column: batch[path] for column, path in fields.items()}
        faults = np.zeros(batch.num_rows, dtype=np.uint8)
        if "id" in columns:
            faults[_longer(columns["id"], self._limits.max_id_bytes)] = _BAD_ID
        faults[_longer(columns["text"], self._limits.max_record_bytes)] = _TOO_LARGE
        faults[_nulls(columns["text"])] = _MISSING_FIELD
        for column in columns.values():
            faults[invalid_utf8_rows(column)] = _INVALID_UTF8
        wanted = {column: columns[column] for column in self._columns}
        if faults.any():
            bad, null = pa.array(faults != 0), pa.scalar(None, pa.string())
            wanted = {name: pc.if_else(bad, null, column) for name, column in wanted.items()}
        offsets = batch[PLACE].to_numpy()
        return self._records(offsets, np.zeros_like(offsets), faults, wanted)


def _nulls(column: pa.StringArray) -> npt.NDArray[np.bool_]:
    return np.asarray(column.is_null().to_numpy(zero_copy_only=False))


def _longer(column: pa.StringArray, most: int) -> npt.NDArray[np.bool_]:
    """Return where a string column has more than `most` bytes."""
    lengths = pc.fill_null(pc.binary_length(column), 0)
    return np.asarray(lengths.to_numpy(zero_copy_only=False)) > most
