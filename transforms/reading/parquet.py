# SPDX-License-Identifier: Apache-2.0
"""Inspect Parquet files and read the mapped columns of their row groups as Arrow batches.

Parquet from outside is hostile until shown otherwise: the footer is held against limits before a
parser sees it, extension types are refused unread (one ran code while a schema was parsed:
CVE-2026-41486), page checksums are verified, and string columns are checked for UTF-8, which the
format promises and no reader verifies.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numba import njit

from ...schemas.errors import InputError
from ...schemas.reasons import Reason
from ..stores import Excerpt, store_at
from .dictionary_page import dictionary_page, largest_value
from .footer import has_extension_type, schema_shape
from .json_scan import is_utf8
from .limits import MIB, ReadLimits
from .streams import StreamFault

_MAGIC = b"PAR1"
_ENCRYPTED = b"PARE"

# What pyarrow raises for damaged files; messages are dropped, they may quote content.
_DAMAGE = (pa.ArrowException, OSError, ValueError, OverflowError)

MAX_FOOTER_BYTES = 64 * MIB
MAX_COLUMNS = 10_000
MAX_ROW_GROUPS = 100_000
MAX_NESTING = 64
"""Hostile case 34. Ordinary corpora have tens of columns, a few levels, fewer than 10,000 row
groups."""

# Bytes that one read of a row group may unfold to: rows times the largest value of a dictionary.
_READ_BYTES = 256 * MIB

# Bytes that it unfolds to as a rule: it is in the processor's cache when it is joined to a batch
# (26 MB instead of 1.5 at a time: 8 % more time for a whole job on `large`).
_PIECE_BYTES = MIB

# A fourth of that is worth more than looking for the largest value, which unfolds the page once
# more (heavy splits of `large`: read in 0.43 s of CPU instead of 0.58).
_FRACTION = 4

# Fetched at once from an object store: it holds most footers (measured: 2 KiB for 4 columns and 8
# row groups).
_TAIL_BYTES = 64 << 10


@dataclass(frozen=True)
class ParquetFacts:
    """Row groups and columns of one Parquet file.

    Args:
        group_rows: Rows of each row group.
        group_bytes: Uncompressed bytes of each row group.
        types: Arrow type of each mapped column by its path, dots into structs; every type that can
            hold text is `string`, a name that appears twice is `ambiguous`.
    """

    group_rows: tuple[int, ...]
    group_bytes: tuple[int, ...]
    types: dict[str, str]


@contextmanager
def open_parquet(path: str, label: str) -> Iterator[tuple[pq.ParquetFile, Excerpt]]:
    """Open a Parquet file whose footer passed the limits.

    Of a stored object only the ends are here at first: fetch the ranges that will be read.

    Args:
        path: The file.
        label: How messages name it.

    Yields:
        The file, and the local excerpt that it reads.

    Raises:
        InputError: `corrupt_parquet`, `parquet_limit` or `extension_type_refused`.
    """
    store = store_at(path)
    with store.excerpt(path) as excerpt:
        _check_footer(excerpt, store.stat(path).bytes, label)
        try:
            metadata = pq.read_metadata(excerpt.path)
            _check_metadata(metadata, label)
            file = pq.ParquetFile(
                excerpt.path, metadata=metadata, page_checksum_verification=True, pre_buffer=False
            )
        except _DAMAGE:
            raise _corrupt(label, "the footer cannot be read") from None
        with file:
            yield file, excerpt


def _corrupt(label: str, detail: str) -> InputError:
    return InputError(f"{label}: corrupt_parquet: {detail}; replace the file")


def _limit(label: str, what: str, most: int, got: int) -> InputError:
    return InputError(f"{label}: parquet_limit: expected at most {most} {what}, got {got}")


def _check_footer(excerpt: Excerpt, size: int, label: str) -> None:
    """Hold the frame and the schema's shape against the limits before any parser sees them."""
    excerpt.fetch(0, min(4, size))
    excerpt.fetch(max(size - _TAIL_BYTES, 0), size)
    with open(excerpt.path, "rb") as file:
        head = file.read(4)
        file.seek(max(size - 8, 0))
        tail = file.read(8)
        if _ENCRYPTED in (head, tail[4:]):
            raise _corrupt(label, "it is encrypted")
        if head != _MAGIC or tail[4:] != _MAGIC:
            raise _corrupt(label, f"expected PAR1 at both ends of {size} bytes")
        (length,) = struct.unpack("<I", tail[:4])
        if length == 0 or length > size - 12:
            raise _corrupt(label, f"footer length {length} in a file of {size} bytes")
        if length > MAX_FOOTER_BYTES:
            raise _limit(label, "footer bytes", MAX_FOOTER_BYTES, length)
        if length + 8 > _TAIL_BYTES:
            excerpt.fetch(size - 8 - length, size)
        file.seek(size - 8 - length)
        footer = file.read(length)
    if has_extension_type(footer):
        msg = (
            f"{label}: extension_type_refused: a column has an Arrow extension type; "
            "write plain types"
        )
        raise InputError(msg)
    try:
        # Each column needs its own element; groups add theirs.
        elements, depth = schema_shape(footer, 2 * MAX_COLUMNS)
    except ValueError:
        raise _corrupt(label, "the footer cannot be read") from None
    if elements > 2 * MAX_COLUMNS:
        raise _limit(label, "schema elements", 2 * MAX_COLUMNS, elements)
    if depth > MAX_NESTING:
        raise _limit(label, "nested levels", MAX_NESTING, depth)


def _check_metadata(metadata: pq.FileMetaData, label: str) -> None:
    if metadata.num_columns > MAX_COLUMNS:
        raise _limit(label, "columns", MAX_COLUMNS, metadata.num_columns)
    if metadata.num_row_groups > MAX_ROW_GROUPS:
        raise _limit(label, "row groups", MAX_ROW_GROUPS, metadata.num_row_groups)


def inspect_parquet(path: str, label: str, fields: Mapping[str, str]) -> ParquetFacts:
    """Return the row groups and mapped columns of a file.

    Args:
        path: The file.
        label: How messages name it.
        fields: Column of `RECORDS` to column path.

    Raises:
        InputError: `corrupt_parquet`, `parquet_limit`, `extension_type_refused` or
            `column_missing`.
    """
    with open_parquet(path, label) as (file, _):
        metadata = file.metadata
        groups = [metadata.row_group(k) for k in range(metadata.num_row_groups)]
        rows = tuple(group.num_rows for group in groups)
        sizes = tuple(group.total_byte_size for group in groups)
        types = _mapped_types(file.schema_arrow, label, fields)
    if any(value < 0 for value in (*rows, *sizes)) or sum(rows) != metadata.num_rows:
        raise _corrupt(label, "the row counts of its row groups do not add up")
    if max(rows, default=0) >= 1 << 32:
        raise _limit(label, "rows in a row group", (1 << 32) - 1, max(rows))
    return ParquetFacts(rows, sizes, types)


def _column_types(fields: Iterable[pa.Field], above: str = "") -> dict[str, str]:
    """Return the type of each column and struct field by its path."""
    types: dict[str, str] = {}
    for field in fields:
        path = above + field.name
        found = {path: "string" if _is_text(field.type) else str(field.type)}
        if pa.types.is_struct(field.type):
            inner = [field.type.field(k) for k in range(field.type.num_fields)]
            found |= _column_types(inner, path + ".")
        for name, kind in found.items():
            types[name] = "ambiguous" if name in types else kind
    return types


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_null(kind)  # a column without any value
    )


def _mapped_types(schema: pa.Schema, label: str, fields: Mapping[str, str]) -> dict[str, str]:
    types = _column_types(schema)
    for column, path in fields.items():
        if path not in types:
            msg = f"{label}: column_missing: expected a column {path} (for {column}), there is none"
            raise InputError(msg)
    return {path: types[path] for path in fields.values()}


def check_columns(files: Iterable[tuple[str, ParquetFacts]]) -> None:
    """Refuse Parquet files that hold something else than strings in a mapped column.

    Args:
        files: `(label, facts)` of the files of one source.

    Raises:
        InputError: `column_type`, or `type_drift` where it is a string in one file and not in
            another: both are named.
    """
    ordered = sorted(files, key=lambda file: file[0])
    text: dict[str, str] = {}
    for label, facts in ordered:
        for path, kind in facts.types.items():
            if kind == "string":
                text.setdefault(path, label)
    for label, facts in ordered:
        for path, kind in facts.types.items():
            if kind == "string":
                continue
            if path in text:
                code, other = "type_drift", f" as in {text[path]}"
            else:
                code, other = "column_type", ""
            msg = f"{label}: {code}: expected strings in column {path}{other}, got {kind}"
            raise InputError(msg)


PLACE = ""
"""Column of `read_groups`: where each row is, its row group in the upper 32 bits; no path is empty."""


def read_groups(
    path: str, label: str, groups: range, fields: Mapping[str, str], limits: ReadLimits
) -> Iterator[pa.RecordBatch]:
    """Yield batches of one string column a path, and `PLACE`, uint64.

    Batches end after `limits.batch_rows` rows or `limits.batch_text_bytes` bytes of text.

    Args:
        path: The file.
        label: How messages name it.
        groups: Row groups to read.
        fields: Column of `RECORDS` to column path.
        limits: Bounds on the batches.

    Raises:
        InputError: The footer is damaged, or a mapped column is missing or no string.
        StreamFault: `corrupt_parquet`; every good row before it was yielded.
    """
    paths = list(dict.fromkeys(fields.values()))
    with open_parquet(path, label) as (file, excerpt), open(excerpt.path, "rb") as raw:
        types = _mapped_types(file.schema_arrow, label, fields)
        check_columns([(label, ParquetFacts((), (), types))])
        pieces = (
            piece
            for group in groups
            for piece in _read_pieces(file, excerpt, raw.fileno(), group, paths, limits.batch_rows)
        )
        yield from _rebatch(pieces, fields["text"], limits)


def _extent(metadata: pq.FileMetaData, group: int) -> tuple[int, int]:
    """Return where the bytes of a row group begin and end; nowhere if its footer lies."""
    row_group = metadata.row_group(group)
    columns = [row_group.column(index) for index in range(row_group.num_columns)]
    starts = [
        min(column.data_page_offset, column.dictionary_page_offset or column.data_page_offset)
        for column in columns
    ]
    ends = [
        start + column.total_compressed_size for start, column in zip(starts, columns, strict=True)
    ]
    first, last = min(starts, default=0), max(ends, default=0)
    return (first, last) if 0 <= first <= last else (0, 0)


def _read_pieces(
    file: pq.ParquetFile, excerpt: Excerpt, fd: int, group: int, paths: list[str], batch_rows: int
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a row group as plain strings, in pieces of bounded size."""
    excerpt.fetch(*_extent(file.metadata, group))
    first = 0
    try:
        rows = min(batch_rows, _bounded_rows(file.metadata.row_group(group), fd, set(paths)))
        batches = file.iter_batches(
            batch_size=rows, row_groups=[group], columns=paths, use_threads=False
        )
        for batch in batches:
            columns = [_strings(batch, path) for path in paths]
            place = np.arange(first, first + batch.num_rows, dtype=np.uint64)
            columns.append(pa.array(place | np.uint64(group << 32)))
            yield pa.RecordBatch.from_arrays(columns, names=[*paths, PLACE])
            first += batch.num_rows
    except _DAMAGE:
        raise StreamFault(Reason.CORRUPT_PARQUET, f"row group {group} is damaged") from None
    if first != file.metadata.row_group(group).num_rows:
        detail = f"row group {group} has {first} rows, the footer says otherwise"
        raise StreamFault(Reason.CORRUPT_PARQUET, detail)


def _bounded_rows(group: pq.RowGroupMetaData, fd: int, paths: set[str]) -> int:
    """Return how many rows can be read at once, whatever the dictionary pages hold."""
    chunks = [group.column(index) for index in range(group.num_columns)]
    chunks = [chunk for chunk in chunks if chunk.path_in_schema in paths]
    average = sum(max(chunk.total_uncompressed_size, 0) for chunk in chunks)
    average = 1 + average // max(group.num_rows, 1)
    few = max(1, _PIECE_BYTES // average)
    pages = [(chunk, page) for chunk in chunks if (page := dictionary_page(fd, chunk)) is not None]
    largest = sum(page.uncompressed for _, page in pages)
    if _READ_BYTES // (largest + average) < few // _FRACTION:
        largest = sum(largest_value(fd, chunk, page) for chunk, page in pages)
    return max(1, min(_READ_BYTES // (largest + average), few))


def _rebatch(
    pieces: Iterable[pa.RecordBatch], text: str, limits: ReadLimits
) -> Iterator[pa.RecordBatch]:
    """Join and cut batches to the limits; at a fault, give what came before it first."""
    held: list[pa.RecordBatch] = []
    rows = size = 0
    fault = None
    try:
        for piece in pieces:
            rest = piece
            while rest.num_rows:
                offsets = _offsets(rest[text]).astype(np.int64)
                room = offsets[0] + limits.batch_text_bytes - size
                fitting = int(np.searchsorted(offsets, room, side="right")) - 1
                count = min(max(fitting, 0 if held else 1), limits.batch_rows - rows)
                if count > 0:
                    held.append(rest.slice(0, count))
                    rows += count
                    size += int(offsets[min(count, rest.num_rows)] - offsets[0])
                    rest = rest.slice(count)
                if rest.num_rows:
                    yield pa.concat_batches(held)
                    held = []
                    rows = size = 0
    except StreamFault as found:
        fault = found
    if held:
        yield pa.concat_batches(held)
    if fault is not None:
        raise fault


def _offsets(column: pa.StringArray) -> npt.NDArray[np.int32]:
    start = column.offset
    return np.frombuffer(column.buffers()[1], dtype=np.int32)[start : start + len(column) + 1]


def _strings(batch: pa.RecordBatch, path: str) -> pa.StringArray:
    """Return a column, or a field inside structs, as plain strings."""
    if path in batch.schema.names:
        column = batch.column(path)
    else:
        name, *inner = path.split(".")
        column = batch.column(name)
        for part in inner:
            column = pc.struct_field(column, part)
    return column if pa.types.is_string(column.type) else column.cast(pa.string())


@njit(cache=True, nogil=True)
def _mark_bad_utf8(data, offsets, valid, bad):  # type: ignore[no-untyped-def]
    """Set `bad[row]` where a value is no UTF-8."""
    for row in range(bad.size):
        if valid[row] and not is_utf8(data, offsets[row], offsets[row + 1]):
            bad[row] = True


def invalid_utf8_rows(column: pa.StringArray) -> npt.NDArray[np.bool_]:
    """Return where the bytes of a string column are no UTF-8."""
    bad = np.zeros(len(column), dtype=np.bool_)
    try:
        column.validate(full=True)  # says that there is one, not where, ten times as fast
    except pa.ArrowInvalid:
        content = np.frombuffer(column.buffers()[2], dtype=np.uint8)
        valid = column.is_valid().to_numpy(zero_copy_only=False)
        _mark_bad_utf8(content, _offsets(column), valid, bad)
    return bad
