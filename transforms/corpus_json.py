# SPDX-License-Identifier: Apache-2.0
"""The corpus as JSON lines, compressed with zstandard and checksummed."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from .storage import FileFacts, facts_of, replace_file
from .stores import Location, location_of, store_at

_LEVEL = 3


def write_jsonl(path: Location, corpus: Location, mode: int = 0o600) -> FileFacts:
    """Write corpus rows as one JSON object a line; identifiers in hexadecimal, days in ISO 8601.

    Args:
        path: Final name.
        corpus: A Parquet part of the `corpus` table; read one row group at a time.
        mode: Permission bits, where the store has any.

    Returns:
        Size, rows and digest.
    """
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
    with (
        store_at(corpus).localised(location_of(corpus)) as local,
        pq.ParquetFile(local, page_checksum_verification=True) as parts,
        replace_file(path, mode) as file,
        compressor.stream_writer(file, closefd=False) as stream,  # type: ignore[arg-type]  # a Sink writes,
    ):
        rows = parts.metadata.num_rows
        for group in range(parts.num_row_groups):
            for line_block in _lines(parts.read_row_group(group)):
                stream.write(line_block)
    return facts_of(path, file, rows)


def _lines(rows: pa.Table) -> list[memoryview]:
    """Return the JSON lines of some rows as one block of bytes, with no Python object a row."""
    names = [f'"{name}"' for name in rows.column_names]
    names[rows.column_names.index("doc_id")] = "lower(hex(doc_id)) AS doc_id"
    import duckdb  # noqa: PLC0415  (80 ms that jobs without this form save)

    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        connection.register("rows", rows)
        query = f"SELECT to_json(t) || chr(10) AS line FROM (SELECT {', '.join(names)} FROM rows) t"  # noqa: S608 (names come from the declared table)
        lines = connection.sql(query).to_arrow_table()["line"]
    blocks = []
    for chunk in lines.chunks:
        text = chunk.cast(pa.large_string())
        offsets = np.frombuffer(text.buffers()[1], np.int64)[
            text.offset : text.offset + len(text) + 1
        ]
        blocks.append(memoryview(text.buffers()[2])[offsets[0] : offsets[-1]])
    return blocks
