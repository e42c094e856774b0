# SPDX-License-Identifier: Apache-2.0
"""Arrow schemas of the batches that move inside a run (never part of a release).

A run addresses a record by `doc_ref = split_number << 32 | row`: splits are numbered in canonical
order (source, path, offset), rows from 0 within their split, faulty records included. So a
`doc_ref` means the same record in every stage, whatever the worker count.
"""

from __future__ import annotations

import pyarrow as pa

RECORDS = pa.schema(
    [
        # Where the record was. JSONL: byte offset and length in the decompressed stream, the line
        # feed included; crawls likewise, or of the gzip member in the file where each record has its
        # own. Parquet: offset = row group << 32 | row in group, length = 0.
        pa.field("row", pa.uint32(), nullable=False),
        # Place of its file among the pieces of the split.
        pa.field("file", pa.uint16(), nullable=False),
        pa.field("offset", pa.uint64(), nullable=False),
        pa.field("length", pa.uint64(), nullable=False),
        # 0, or the code of the reason (schemas.reasons.REASON_CODES) why it is quarantined; every
        # column below is null then.
        pa.field("fault", pa.uint8(), nullable=False),
        pa.field("text", pa.string()),
        pa.field("id", pa.string()),
        pa.field("url", pa.string()),
        pa.field("licence", pa.string()),
        pa.field("date", pa.string()),
        pa.field("author", pa.string()),
        pa.field("title", pa.string()),
        # When the document was fetched, ISO 8601 with time and zone (`2024-05-18T10:11:12Z`).
        pa.field("fetched", pa.string()),
        # What the response said about rights, as `transforms.rights.carriers` writes it: one line
        # a header or tag. Null: could not be seen in this input; empty: seen, and silent.
        pa.field("http_headers", pa.string()),
        pa.field("html_meta", pa.string()),
    ]
)
"""What the reader yields: one row per input record, in input order."""

TEXT_COLUMNS = (
    "text",
    "id",
    "url",
    "licence",
    "date",
    "author",
    "title",
    "fetched",
    "http_headers",
    "html_meta",
)
"""Columns of `RECORDS` that a job's field mapping can fill; only `text` is mandatory."""
