# SPDX-License-Identifier: Apache-2.0
"""The tables of rights: lists and snapshots as they were used, and every signal that was seen."""

from __future__ import annotations

import pyarrow as pa

from .fields import ID, WORD, Field, TableSpec

LISTS = TableSpec(
    "lists",
    "One opt-out or takedown list as it was used.",
    (
        Field("list_id", pa.string(), "Short name."),
        Field("kind", WORD, "domain, url, url_prefix or content_hash."),
        Field("version", pa.string(), "Version."),
        Field("sha256", pa.binary(32), "Digest of the file."),
        Field("licence", pa.string(), "Licence of the list."),
        Field("retrieved", pa.date32(), "Day it was retrieved.", nullable=True),
        Field("entries", pa.int64(), "Entries.", "entries"),
        Field("canaries", pa.int32(), "Canaries in the list."),
        Field("canaries_passed", pa.int32(), "Canaries that behaved."),
        Field("documents_matched", pa.int64(), "Documents it matched.", "documents"),
        Field("request_id", pa.string(), "Request it carries out; null if none.", nullable=True),
    ),
)


RIGHTS_SIGNALS = TableSpec(
    "rights_signals",
    "One input of the rights resolution: what a protocol said of a document, or that a file of its "
    "origin was seen and said nothing.",
    (
        Field(
            "doc_id",
            ID,
            "Document; null for a row about an origin or a source.",
            nullable=True,
        ),
        Field("source_id", WORD, "Source."),
        Field(
            "host",
            WORD,
            "Host, as in documents; null for rows about a source.",
            nullable=True,
        ),
        Field("protocol", WORD, "Protocol that speaks: tdmrep, content_usage, robots and so on."),
        Field(
            "channel",
            WORD,
            "Where it was seen: http_header, html_meta, robots_txt, tdmrep_json, rsl_file, "
            "ai_txt_file, text, record, source or list_file.",
        ),
        Field("version", WORD, "Text of the protocol that the parser follows."),
        Field(
            "agent",
            WORD,
            "Crawler whose rule decided, * for everyone; null where none is addressed.",
            nullable=True,
        ),
        Field("value", WORD, "allow, licence_required, deny or unknown."),
        Field(
            "status",
            WORD,
            "How reading it went: ok, silent, malformed, too_large, no_file (4xx), unreachable or "
            "not_fetched; only ok can allow.",
        ),
        Field(
            "observed_at",
            pa.timestamp("ms", "UTC"),
            "When it was seen: fetch of the document or of the file; null where not known.",
            nullable=True,
        ),
        Field(
            "asof",
            WORD,
            "Snapshot it is from: fetch (nearest not later than the document's), latest, or both; "
            "null for what came with the document.",
            nullable=True,
        ),
        Field(
            "snapshot_sha256",
            pa.binary(32),
            "Digest of the file; null for what is no file.",
            nullable=True,
        ),
        Field("applied", pa.bool_(), "Whether it took part, or was recorded only."),
        Field("winner", pa.bool_(), "Whether it decided the state of the document."),
        Field("documents", pa.uint32(), "Documents the row speaks of.", "documents"),
    ),
)


SNAPSHOTS = TableSpec(
    "snapshots",
    "One table of files of origins, or WAT file, as it was used.",
    (
        Field("kind", WORD, "robots, tdmrep, ai_txt, rsl or wat."),
        Field("path", pa.string(), "Path as the job file names it."),
        Field("sha256", pa.binary(32), "Digest of the table."),
        Field("rows", pa.int64(), "Files in it; of a WAT file null.", "rows", nullable=True),
    ),
)
