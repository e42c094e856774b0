# SPDX-License-Identifier: Apache-2.0
"""The forms of files: Parquet, Arrow IPC and JSON with the same bytes for the same content.

Fixed compression, fixed row groups, no times, no host facts. Parquet pages carry checksums,
because a flipped bit in a compressed page can otherwise be read back silently wrong. Where a file
lies and how it appears whole is the business of its store (`stores`).
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from .stores import Location, Sink, location_of, store_at

_BLOCK = 1 << 20


class Packing(NamedTuple):
    """How the rows of a Parquet file are packed.

    Attributes:
        rows: Rows of a row group.
        level: Level of zstd.
    """

    rows: int
    level: int


MANIFEST_PACKING = Packing(rows=64 * 1024, level=3)

CORPUS_PACKING = Packing(rows=4096, level=2)
"""Texts on level 2: 284 MB/s against 156 on level 3 for 8 to 10 % more bytes (187 MB of `large`;
level 1 is a tenth faster still, for 5 % more bytes there and 12 on `mixed`)."""


@dataclass(frozen=True)
class FileFacts:
    """What is known of a written file.

    Args:
        path: Location as the caller gave it.
        bytes: Size.
        rows: Rows, or None where the file has none.
        sha256: Digest, hexadecimal.
    """

    path: str
    bytes: int
    rows: int | None
    sha256: str

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-able copy."""
        return asdict(self)


def digest_of(digests: Iterable[str]) -> bytes:
    """Return the SHA-256 over some hexadecimal digests, one a line, in the order given."""
    return hashlib.sha256("\n".join(digests).encode()).digest()


def facts_of(path: Location, sink: Sink, rows: int | None) -> FileFacts:
    """Return the facts of a file from what was written to it."""
    return FileFacts(location_of(path), sink.bytes, rows, sink.sha256)


def sha256_file(path: Location) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    digest = hashlib.sha256()
    with store_at(path).open(location_of(path)) as file:
        while chunk := file.read(_BLOCK):
            digest.update(chunk)
    return digest.hexdigest()


def make_private_folder(path: Location) -> None:
    """Create a folder that only its owner can enter, whatever the umask."""
    store_at(path).make_folder(location_of(path), private=True)


@contextmanager
def replace_file(path: Location, mode: int = 0o600, *, flush: bool = True) -> Iterator[Sink]:
    """Open a file that takes its name only when the block ends without an error.

    Args:
        path: Final name; an existing file is replaced in one step.
        mode: Permission bits, where the store has any.
        flush: Whether it is to survive a power cut.

    Yields:
        A binary file to write to; it knows size and digest in the end.
    """
    with store_at(path).replace(location_of(path), mode, flush=flush) as sink:
        yield sink


def write_bytes(path: Location, data: bytes, mode: int = 0o600, *, flush: bool = True) -> FileFacts:
    """Write a small file in one step, and flush the names in its folder to disk.

    Pointers are written so, always last: whatever they speak of is on disk with them.
    """
    place = location_of(path)
    with replace_file(place, mode, flush=flush) as file:
        file.write(data)
    if flush:
        store_at(place).flush_folder(place.rpartition("/")[0] or ".")
    return facts_of(place, file, None)


def write_json(
    path: Location, value: object, mode: int = 0o600, *, flush: bool = True
) -> FileFacts:
    """Write canonical JSON (sorted keys, UTF-8, one trailing line feed), as `write_bytes` does."""
    return write_bytes(path, canonical_json(value), mode, flush=flush)


def canonical_json(value: object) -> bytes:
    """Return the one JSON encoding of a value that muniment hashes and writes."""
    text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def write_parquet(
    path: Location,
    schema: pa.Schema,
    tables: Iterable[pa.Table | pa.RecordBatch],
    packing: Packing = MANIFEST_PACKING,
    mode: int = 0o600,
) -> FileFacts:
    """Write a Parquet file with page checksums and reproducible bytes.

    Args:
        path: Final name.
        schema: Schema of the file; every table must have it.
        tables: Rows, in order; row groups do not depend on how they are cut.
        packing: Size of row groups, and how hard they are compressed.
        mode: Permission bits, where the store has any.

    Returns:
        Size, rows and digest.
    """
    rows = 0
    with (
        replace_file(path, mode) as file,
        pq.ParquetWriter(
            file,
            schema,
            compression="zstd",
            compression_level=packing.level,
            write_page_checksum=True,
            store_schema=True,
            **_encodings(schema),
        ) as writer,
    ):
        for table in rechunk(tables, packing.rows):
            writer.write_table(table, row_group_size=packing.rows)
            rows += table.num_rows
    return facts_of(path, file, rows)


def _encodings(schema: pa.Schema) -> dict[str, Any]:
    """Return how the columns of a schema are encoded: dictionaries, but where they only cost.

    Identifiers are random and texts long, so each would be in its dictionary once; growing numbers
    are stored as differences (measured on 118,901 documents: 13 of 74 bytes a document saved).
    """
    notes = {f.name: f.metadata or {} for f in schema}
    differences = [name for name in notes if notes[name].get(b"order") == b"ascending"]
    plain = [f.name for f in schema if f.type == pa.binary(16) and not f.name.startswith("cluster")]
    plain += [name for name in notes if notes[name].get(b"values") == b"distinct"]
    words = [f.name for f in schema if f.name not in {*plain, *differences}]
    return {
        "use_dictionary": words or False,
        "column_encoding": dict.fromkeys(differences, "DELTA_BINARY_PACKED") or None,
    }


def rechunk(tables: Iterable[pa.Table | pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    """Cut a stream of tables into tables of exactly `rows` rows, the last one shorter, none empty."""
    waiting: list[pa.Table] = []
    held = 0
    for piece in tables:
        table = piece if isinstance(piece, pa.Table) else pa.Table.from_batches([piece])
        waiting.append(table)
        held += table.num_rows
        while held >= rows:
            whole = pa.concat_tables(waiting)
            yield _plainest(whole.slice(0, rows))
            rest = whole.slice(rows)
            waiting, held = [rest], rest.num_rows
    if held:
        yield _plainest(pa.concat_tables(waiting))


def _plainest(table: pa.Table) -> pa.Table:
    """Return equal rows in one layout: one chunk, and dictionaries in order of first use.

    A slice keeps the whole dictionary of its parent; words that no row has must not be written.
    """
    table = table.combine_chunks()
    for place, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            words = table.column(place).cast(field.type.value_type).dictionary_encode()
            table = table.set_column(place, field, words.cast(field.type))
    return table


def write_ipc(path: Location, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> FileFacts:
    """Write an Arrow IPC file, one record batch for each given, uncompressed to be mapped."""
    rows = 0
    with replace_file(path) as file, pa.ipc.new_file(file, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
            rows += batch.num_rows
    return facts_of(path, file, rows)


def read_ipc(path: Location) -> pa.Table:
    """Map an Arrow IPC file and return its rows without copying them."""
    with open_ipc(path) as reader:
        return reader.read_all()


def read_ipc_batches(path: Location, indices: Sequence[int]) -> list[pa.RecordBatch]:
    """Map an Arrow IPC file and return some of its record batches without copying them."""
    with open_ipc(path) as reader:
        return [reader.get_batch(index) for index in indices]


@contextmanager
def open_ipc(path: Location) -> Iterator[pa.ipc.RecordBatchFileReader]:
    """Map an Arrow IPC file; what is read from it outlives the block."""
    with store_at(path).localised(location_of(path)) as local, pa.memory_map(local) as source:
        yield pa.ipc.open_file(source)


def link_or_copy(source: Location, target: Location) -> None:
    """Give an immutable file a second name; copy it where that cannot be."""
    origin, place = location_of(source), location_of(target)
    if not store_at(place).adopt(origin, place):
        with store_at(origin).open(origin) as reading, replace_file(place, 0o644) as writing:
            shutil.copyfileobj(reading, writing, _BLOCK)
