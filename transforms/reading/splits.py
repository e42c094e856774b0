# SPDX-License-Identifier: Apache-2.0
"""Look at input files and cut them into splits, in an order that does not depend on the caller.

What a file is, is decided by its first bytes and never by its name (a file without any byte
excepted: there only the name is left). Anything that is neither JSON lines or a crawl (WARC, WET),
plain or compressed, nor Parquet is refused before a job starts.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np

from ...schemas.errors import InputError
from ..stores import StoredFile, store_at
from .gzip_members import one_record_each
from .limits import ReadLimits
from .parquet import ParquetFacts, check_columns, inspect_parquet
from .streams import MEMBER_MAGIC, Codec, StreamFault, open_source
from .warc_frames import StreamFrames

Format = Literal["jsonl", "parquet", "warc", "wet", "wat"]

CRAWL_FORMATS = ("warc", "wet")
"""Formats whose records the crawl reader reads."""

_HEAD = 4096
_BLOCK = 1 << 20

_SUFFIXES: dict[str, Codec] = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2", ".xz": "xz"}

# Containers that are often mistaken for JSON lines; never opened, nothing is extracted.
_CONTAINERS: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"PK\x07\x08", "zip"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\xff\x06\x00\x00sNaPpY", "snappy"),
    (b"\x1f\x9d", "compress (.Z)"),
    (b"LZIP", "lzip"),
    (b"\x5d\x00\x00", "lzma without container"),
    (b"ARROW1", "Arrow IPC"),
    (b"FEA1", "Feather"),
    (b"Obj\x01", "Avro"),
    (b"ORC", "ORC"),
    (b"SQLite format 3\x00", "SQLite"),
    (b"\x89HDF", "HDF5"),
    (b"%PDF", "PDF"),
    (b"filedesc://", "ARC"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
)
_TAR_MAGIC = slice(257, 262)

# Records looked at for the kind of a crawl file; its first ones describe the file.
_WARC_HEAD = 8


@dataclass(frozen=True)
class Piece:
    """A part of one input file, or all of it.

    Args:
        label: Path as the manifest shows it, relative.
        path: Path to open.
        format: `jsonl`, `parquet`, `warc` or `wet`.
        codec: Compression of the stream.
        start: First byte of the range (plain JSONL, crawl with one gzip member a record) or first
            row group (Parquet), else 0.
        end: Byte after the range or row group after the last one; -1 for a whole stream.
        file_bytes: Size of the file.
        file_sha256: SHA-256 of the file, hexadecimal.
        etag: The store's own name for the bytes that were planned; empty where it has none.
    """

    label: str
    path: str
    format: Format
    codec: Codec
    start: int
    end: int
    file_bytes: int
    file_sha256: str
    etag: str = ""


@dataclass(frozen=True)
class Split:
    """What one worker reads: a part of a file, or several small files. Plain data, JSON-able.

    Args:
        number: Position in canonical order, from 0.
        source: Name of the declared source.
        pieces: What is read, in canonical order.
    """

    number: int
    source: str
    pieces: tuple[Piece, ...]

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """Return the split of a JSON-able copy (`dataclasses.asdict`)."""
        pieces = tuple(Piece(**piece) for piece in record["pieces"])
        return cls(record["number"], record["source"], pieces)


@dataclass(frozen=True)
class FileFacts:
    """What was found out about one input file.

    Args:
        format: `jsonl`, `parquet`, `warc`, `wet` or `wat`.
        codec: Compression of the stream; `none` for Parquet.
        bytes: Size.
        sha256: SHA-256, hexadecimal.
        mtime_ns: Time of last change, nanoseconds.
        parquet: Row groups and columns, None for other formats.
        members: Whether it is a crawl with one gzip member a record, which can be cut.
        etag: The store's own name for these bytes; empty where it has none.
        block_lines: Line feeds in each MiB of plain JSON lines.
    """

    format: Format
    codec: Codec
    bytes: int
    sha256: str
    mtime_ns: int
    parquet: ParquetFacts | None = None
    members: bool = False
    etag: str = ""
    block_lines: tuple[int, ...] = ()


def printable(path: str) -> str:
    r"""Return a path that is safe in a one-line message: controls and lone bytes escaped.

    >>> printable("a\nb.jsonl")
    'a\\nb.jsonl'
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in path)


def inspect_file(
    path: str | os.PathLike[str],
    *,
    format: Literal["auto", "jsonl", "parquet", "warc", "wet", "wat"] = "auto",  # noqa: A002 - the job file's word
    fields: Mapping[str, str] | None = None,
    limits: ReadLimits | None = None,
) -> FileFacts:
    """Return what a file is, its size and its SHA-256; refuse what cannot be an input.

    Args:
        path: A regular file.
        format: What it must be; `auto` takes what its bytes say.
        fields: Column of `RECORDS` to input field; Parquet must have those columns, and
            `check_same_types` judges their types.
        limits: Bounds, for a look at the first decompressed bytes.

    Raises:
        InputError: `not_a_file`, `unreadable`, `unsupported_container`, `unexpected_format`,
            `no_text`, `input_changed`, `corrupt_parquet`, `extension_type_refused`,
            `parquet_limit` or `column_missing`, after the path.
    """
    path = os.fspath(path)
    shown = printable(path)
    limits = limits or ReadLimits()
    store = store_at(path)
    try:
        before = store.stat(path)
        if before.kind != "file":
            msg = f"{shown}: not_a_file: expected a regular file, got a {before.kind}"
            raise InputError(msg)
        digest = hashlib.sha256()
        head = b""
        block_lines: list[int] = []
        with store.open(path) as file:
            while block := _read_block(file):
                head = head or block[:_HEAD]
                digest.update(block)
                line_feeds = np.frombuffer(block, np.uint8) == _LINE_FEED
                block_lines.append(int(np.count_nonzero(line_feeds)))
        after = store.stat(path)
    except OSError as error:
        cause = errno.errorcode.get(error.errno or 0, "unknown cause")
        msg = f"{shown}: unreadable: the system says {cause}; check that it exists and its rights"
        raise InputError(msg) from None
    if before != after:
        msg = f"{shown}: input_changed: it was written to while it was read; wait, then run again"
        raise InputError(msg)
    found, codec = _sniff(path, head, after.bytes)
    if codec != "none":
        head = _unpacked_head(path, codec, after.bytes, limits)
    members = False
    if found == "jsonl" and head.startswith(b"WARC/"):
        found = _crawl_format(path, codec, after.bytes, limits)
        members = codec == "gzip" and one_record_each(path, after.bytes, limits)
    if format not in ("auto", found):
        msg = f"{shown}: unexpected_format: expected {format}, its bytes say {found}"
        raise InputError(msg)
    if found == "wat" and format != "wat":
        msg = (
            f"{shown}: no_text: a WAT file holds no text; give the WARC or WET files of the crawl, "
            "and WAT files beside WET files in `wat`"
        )
        raise InputError(msg)
    parquet = inspect_parquet(path, shown, fields or {}) if found == "parquet" else None
    sha256, mtime = digest.hexdigest(), after.mtime_ns
    lines = tuple(block_lines) if (found, codec) == ("jsonl", "none") else ()
    return FileFacts(found, codec, after.bytes, sha256, mtime, parquet, members, after.etag, lines)


_LINE_FEED = 10


def _read_block(file: StoredFile) -> bytes:
    """Return the next block, shorter only at the end: a store may give less than it is asked for."""
    parts: list[bytes] = []
    missing = _BLOCK
    while missing and (part := file.read(missing)):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def _sniff(path: str, head: bytes, size: int) -> tuple[Format, Codec]:
    """Return format and codec by the first bytes."""
    if size == 0:
        suffix = os.path.splitext(path)[1].lower()
        if suffix == ".parquet":
            return "parquet", "none"
        return "jsonl", _SUFFIXES.get(suffix, "none")
    _refuse_container(printable(path), head)
    if head.startswith((b"PAR1", b"PARE")):
        return "parquet", "none"
    # A file cut inside its magic; `B` or `(` alone may as well be a bad line of text.
    cut = not head.isascii() or head[0] < 9
    for codec, magics in MEMBER_MAGIC.items():
        if head.startswith(magics) or (cut and any(magic.startswith(head) for magic in magics)):
            return "jsonl", codec
    # No text begins with this byte: a gzip header that is cut or damaged.
    return "jsonl", "gzip" if head[:1] == b"\x1f" else "none"


def _refuse_container(shown: str, head: bytes) -> None:
    """Raise for bytes that are known to be another format, or clearly no text."""
    kind = next((name for magic, name in _CONTAINERS if head.startswith(magic)), None)
    if head[_TAR_MAGIC] == b"ustar":
        kind = "tar"
    is_text = head.startswith((*_KNOWN, b"WARC/")) or head.lstrip()[:1] == b"{"
    if kind is None and b"\0" in head and not is_text:
        kind = "binary"
    if kind is not None:
        msg = (
            f"{shown}: unsupported_container: its bytes are {kind}; expected JSON lines or WARC "
            "(plain, gzip, zstd, bz2, xz), or Parquet"
        )
        raise InputError(msg)


_KNOWN = (b"PAR1", b"PARE", b"\x1f", *(m for magics in MEMBER_MAGIC.values() for m in magics))


def _unpacked_head(path: str, codec: Codec, size: int, limits: ReadLimits) -> bytes:
    """Return the first decompressed bytes; raise when they are a container (`.tar.gz`)."""
    view = bytearray(_HEAD)
    with store_at(path).open(path) as file:
        try:
            count = open_source(file, codec, 0, -1, size, limits).read_into(memoryview(view))
        except StreamFault:
            return b""  # the reader reports it with its place
    head = bytes(view[:count])
    if head.startswith(_KNOWN):
        msg = (
            f"{printable(path)}: unsupported_container: {codec} data inside is compressed again "
            "or Parquet; expected JSON lines or WARC"
        )
        raise InputError(msg)
    if head:
        _refuse_container(printable(path), head)
    return head


def _crawl_format(path: str, codec: Codec, size: int, limits: ReadLimits) -> Format:
    """Return what kind of crawl file it is, by its first record that describes no file."""
    with store_at(path).open(path) as file:
        end = size if codec == "none" else -1
        source = open_source(file, codec, 0, end, size, limits)
        for frame in itertools.islice(StreamFrames(source, limits.max_record_bytes), _WARC_HEAD):
            if frame.header is None:
                break
            fields = frame.header.fields
            kind = fields.get("WARC-Type")
            if kind == "conversion":
                return "wet"
            if kind == "metadata" and fields.get("Content-Type") == "application/json":
                return "wat"
            if kind != "warcinfo":
                break
    return "warc"


def plan_splits(
    files: Iterable[tuple[str, str, str | os.PathLike[str], FileFacts]],
    *,
    target_bytes: int = 32 << 20,
) -> list[Split]:
    """Cut files into splits, numbered in canonical order (source, label, start).

    Plain JSONL is cut by bytes (a split owns the lines that start in its range), a crawl with one
    gzip member a record likewise (`gzip_members`), Parquet into runs of row groups; other compressed
    files and plain crawls, in which no place is known to begin a record, not at all. Small files of
    a source that follow each other are read together, up to an eighth of `target_bytes`: larger
    packs would leave workers without work where there are few files. Of Parquet and plain JSONL a
    split also has about `MAX_ROWS` rows at most, unless a row group alone has more.

    Args:
        files: `(source, label, path, facts)` of each file, in any order.
        target_bytes: Size of a split (Parquet: uncompressed bytes).

    Raises:
        InputError: A (source, label) appears twice.
        ValueError: `target_bytes` is not positive.
    """
    if target_bytes <= 0:
        msg = f"target_bytes: expected a positive number, got {target_bytes}"
        raise ValueError(msg)
    ordered = sorted(files, key=lambda file: file[:2])
    for before, after in itertools.pairwise(ordered):
        if before[:2] == after[:2]:
            msg = f"{printable(after[1])}: expected once in source {after[0]}, got it twice"
            raise InputError(msg)
    splits: list[Split] = []
    for source, own in itertools.groupby(ordered, key=lambda file: file[0]):
        pieces = (
            (_piece(label, path, facts, part.start, part.end), part)
            for _, label, path, facts in own
            for part in _parts(facts, target_bytes)
        )
        for pack in _packs(pieces, target_bytes // _PACKS):
            splits.append(Split(len(splits), source, pack))
    return splits


_PACKS = 8
"""Packs that a split of full size could hold. A split costs 55 ms beside its bytes (1,000 files of
one record: 55 s), 4 MiB of text cost 1.5 s in the whole job: what is left of the cost is 4 %."""

MAX_ROWS = 250_000
"""Rows of a split. A unit holds about 1 KB for each beside the text (1,000,000 rows without text:
1.35 GB); of 32 MiB of web pages there are 10,000, of short forum posts 70,000."""

MAX_PIECES = 1000
"""Files of a pack: what is counted of each stays small beside its marker's other content."""


def _piece(label: str, path: str | os.PathLike[str], facts: FileFacts, *place: int) -> Piece:
    start, end = place
    return Piece(
        label=label,
        path=os.fspath(path),
        format=facts.format,
        codec=facts.codec,
        start=start,
        end=end,
        file_bytes=facts.bytes,
        file_sha256=facts.sha256,
        etag=facts.etag,
    )


@dataclass
class _Part:
    """A part of a file: where it starts and ends, and how much it holds as far as is known."""

    start: int
    end: int
    bytes: int
    rows: int = 0


def _packs(pieces: Iterable[tuple[Piece, _Part]], most: int) -> Iterator[tuple[Piece, ...]]:
    """Put pieces that follow each other together while they have at most `most` bytes."""
    held: list[Piece] = []
    held_bytes = held_rows = 0
    for piece, part in pieces:
        full = held_bytes + part.bytes > most or held_rows + part.rows > MAX_ROWS
        if held and (full or len(held) == MAX_PIECES):
            yield tuple(held)
            held, held_bytes, held_rows = [], 0, 0
        held.append(piece)
        held_bytes += part.bytes
        held_rows += part.rows
    if held:
        yield tuple(held)


def _parts(facts: FileFacts, target_bytes: int) -> list[_Part]:
    """Cut a file."""
    if facts.parquet is not None:
        groups = zip(facts.parquet.group_bytes, facts.parquet.group_rows, strict=True)
        steps = [_Part(k, k + 1, size, rows) for k, (size, rows) in enumerate(groups)]
        return _joined(steps, target_bytes, MAX_ROWS) or [_Part(0, 0, 0)]
    if facts.codec != "none" and not facts.members:
        return [_Part(0, -1, facts.bytes)]
    if facts.format in CRAWL_FORMATS and not facts.members:
        return [_Part(0, facts.bytes, facts.bytes)]
    # Equal parts, so that the last one is not a sliver.
    count = max(1, -(-facts.bytes // target_bytes))
    cuts = [facts.bytes * k // count for k in range(count + 1)]
    return [
        part
        for start, end in itertools.pairwise(cuts)
        for part in _by_lines(_Part(start, end, end - start), facts.block_lines)
    ]


def _by_lines(part: _Part, block_lines: tuple[int, ...]) -> list[_Part]:
    """Cut a part of a text file between blocks where it has more than `MAX_ROWS` lines."""
    steps = []
    for k in range(part.start // _BLOCK, min(-(-part.end // _BLOCK), len(block_lines))):
        start, end = max(k * _BLOCK, part.start), min((k + 1) * _BLOCK, part.end)
        steps.append(_Part(start, end, end - start, block_lines[k]))
    lines = sum(step.rows for step in steps)
    if lines <= MAX_ROWS:
        return [replace(part, rows=lines)]
    return _joined(steps, part.bytes, lines // -(-lines // MAX_ROWS))


def _joined(steps: Iterable[_Part], most_bytes: int, most_rows: int) -> list[_Part]:
    """Join parts that follow each other while they have at most so many bytes and rows."""
    parts: list[_Part] = []
    for step in steps:
        last = parts[-1] if parts else None
        if last is None or (
            (last.bytes and last.bytes + step.bytes > most_bytes)
            or (last.rows and last.rows + step.rows > most_rows)
        ):
            parts.append(replace(step))
        else:
            last.end = step.end
            last.bytes += step.bytes
            last.rows += step.rows
    return parts


def check_same_types(files: Iterable[tuple[str, FileFacts]]) -> None:
    """Refuse Parquet files of one source that do not all hold strings in the mapped columns.

    Args:
        files: `(label, facts)` of the files of a source; others than Parquet are passed over,
            there each record is judged.

    Raises:
        InputError: `column_type`, or `type_drift`, which names both files.
    """
    check_columns((printable(label), facts.parquet) for label, facts in files if facts.parquet)
