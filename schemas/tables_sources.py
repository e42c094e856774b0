# SPDX-License-Identifier: Apache-2.0
"""The tables of what came in: input files, records of them that are no documents, and sources."""

from __future__ import annotations

import pyarrow as pa

from .fields import WORD, Field, TableSpec

INPUTS = TableSpec(
    "inputs",
    "One input file.",
    (
        Field("input_number", pa.int32(), "Number of the file in canonical order."),
        Field("source_id", WORD, "Source it belongs to."),
        Field("path", pa.string(), "Path relative to the job file, personal data in it replaced."),
        Field("format", WORD, "jsonl, parquet, warc or wet."),
        Field("codec", WORD, "Compression of the stream, or none."),
        Field("sha256", pa.binary(32), "Digest of the file as it was read."),
        Field("file_bytes", pa.int64(), "Size on disk.", "bytes"),
        Field(
            "stream_bytes",
            pa.int64(),
            "Decompressed bytes that the reader accounted for; of Parquet, UTF-8 bytes of its texts; "
            "of a crawl with one gzip member a record, bytes of the file.",
            "bytes",
        ),
        Field(
            "blank_bytes",
            pa.int64(),
            "Those of them that belong to no record: blank lines, byte order mark.",
            "bytes",
        ),
        Field("records", pa.int64(), "Records the reader counted.", "records"),
    ),
)

PASSED_RECORDS = TableSpec(
    "passed_records",
    "Records of one kind in a crawl file that are no input documents; with the documents and the "
    "blank bytes of the file they are all of its bytes.",
    (
        Field("input_number", pa.int32(), "Input file, see inputs."),
        Field("source_id", WORD, "Source it belongs to."),
        Field(
            "kind",
            WORD,
            "warcinfo, request, metadata, revisit (the page was stored before), continuation, "
            "other_type; of responses: http_status (not 200 or 203), media_type (neither HTML nor "
            "plain text), not_web (no http address).",
            standard="ISO 28500 WARC-Type",
        ),
        Field("records", pa.int64(), "Records.", "records"),
        Field("bytes", pa.int64(), "Their bytes, counted as documents.length.", "bytes"),
    ),
)

SOURCES = TableSpec(
    "sources",
    "One source with what its declaration says.",
    (
        Field("source_id", pa.string(), "Short name."),
        Field("kind", WORD, "Kind of source.", standard="EU summary 2.1-2.6"),
        Field("uri", pa.string(), "Where it was obtained.", nullable=True),
        Field("version", pa.string(), "Version as published.", nullable=True),
        Field("publisher", pa.string(), "Who publishes it.", nullable=True),
        Field(
            "attribution",
            pa.string(),
            "Line that credits its rightsholders; null if none is declared.",
            standard="CC BY 4.0, section 3(a)(1)",
            nullable=True,
        ),
        Field("crawler", pa.string(), "Crawler name.", standard="EU summary 2.3", nullable=True),
        Field("licence_default", pa.string(), "SPDX licence where a document has none."),
        Field("legal_basis", WORD, "Copyright basis of the use."),
        Field("personal_data_basis", WORD, "Ground for personal data in it."),
        Field("contract_ref", pa.string(), "Contract or permission.", nullable=True),
        Field("consent_doc", pa.string(), "Consent text.", nullable=True),
        Field(
            "generator", pa.string(), "Generating model.", standard="EU summary 2.5", nullable=True
        ),
        Field("origin", pa.string(), "Country codes, or worldwide.", standard="DPS data_origin"),
        Field(
            "collected_from",
            pa.date32(),
            "First day of collection.",
            standard="RAI dataCollectionTimeframe",
        ),
        Field(
            "collected_to",
            pa.date32(),
            "Last day of collection.",
            standard="RAI dataCollectionTimeframe",
        ),
        Field("reviewer", pa.string(), "Who reviewed it.", nullable=True),
        Field(
            "trust_tier",
            WORD,
            "official, established, community or unverified; null if not declared.",
            nullable=True,
        ),
        Field(
            "illegal_n",
            pa.int32(),
            "Documents of it that were examined before use; null without a sample.",
            "documents",
            "TC260-003; GB/T 45654-2025",
            nullable=True,
        ),
        Field(
            "illegal_k",
            pa.int32(),
            "Those among them that were illegal; null likewise.",
            "documents",
            "TC260-003; GB/T 45654-2025",
            nullable=True,
        ),
        Field("blacklisted", pa.bool_(), "Whether more than 5 % were: none of it may be kept."),
        Field("rank", pa.int32(), "Priority among duplicates; lower is kept."),
        Field("observability", WORD, "How much of the rights signals it could show."),
        Field("digest", pa.binary(32), "Digest over the digests of its files."),
    ),
)
