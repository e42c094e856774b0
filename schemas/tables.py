# SPDX-License-Identifier: Apache-2.0
"""The tables of a release: every column once, with type, unit, meaning and standard.

No column holds document text or personal data: identifiers are keyed 128-bit hashes, places are
offsets, words come from closed vocabularies or from the job file. `manifest/<table>/` holds the
Parquet files of a table; `restricted/<table>/` those that are never published.
"""

from __future__ import annotations

import pyarrow as pa

from .fields import ID, WORD, Field, TableSpec
from .tables_duplicates import DUPLICATES, FORMER_RELEASES, SUPERSEDED
from .tables_edits import CUTS, PII_STATS, SPANS
from .tables_governance import REQUESTS, RULES
from .tables_rights import LISTS, RIGHTS_SIGNALS, SNAPSHOTS
from .tables_sources import INPUTS, PASSED_RECORDS, SOURCES

SCHEMA_VERSION = 1
"""Version of the tables below; a reader refuses a release with another one."""

RUNS = TableSpec(
    "runs",
    "The run that made this release (one row); times and host facts are in run.json.",
    (
        Field("job_name", pa.string(), "Name of the corpus in the job file."),
        Field("code_version", pa.string(), "Version of muniment."),
        Field("schema_version", pa.int32(), "Version of these tables."),
        Field("config_sha256", pa.binary(32), "Digest of the canonical job."),
        Field("policy_sha256", pa.binary(32), "Digest of the rules in force."),
        Field("inputs_sha256", pa.binary(32), "Digest over the digests of all inputs."),
        Field("key_id", pa.binary(8), "First 8 bytes of SHA-256('id' || key)."),
        Field("tokenizer", pa.string(), "Tokenizer that counted, with version."),
        Field("dedup_bands", pa.int32(), "Bands of the MinHash signature; 0 = off."),
        Field("dedup_rows", pa.int32(), "Rows of a band; 0 = off."),
        Field("dedup_threshold", pa.float32(), "Jaccard threshold.", "[0, 1]"),
        Field(
            "dedup_containment",
            pa.float32(),
            "Containment threshold; null = not looked for.",
            "[0, 1]",
            nullable=True,
        ),
        Field(
            "guard_override", pa.string(), "Why a guard was overridden; null = no.", nullable=True
        ),
        Field("documents_in", pa.int64(), "Input records.", "records"),
        Field(
            "documents_kept",
            pa.int64(),
            "Records kept.",
            "records",
            "EU summary 1.3; HF num_examples",
        ),
        Field("documents_removed", pa.int64(), "Records removed by a rule.", "records"),
        Field("documents_quarantined", pa.int64(), "Records that could not be judged.", "records"),
        Field("tokens_in", pa.int64(), "Tokens read.", "tokens"),
        Field(
            "tokens_out", pa.int64(), "Tokens kept, after redaction.", "tokens", "EU summary 1.3"
        ),
        Field(
            "bytes_in",
            pa.int64(),
            "Bytes of all inputs, see inputs.stream_bytes.",
            "bytes",
        ),
        Field("bytes_out", pa.int64(), "UTF-8 bytes of kept text.", "bytes"),
        Field("outputs_sha256", pa.binary(32), "Digest over the digests of all corpus files."),
    ),
)

DOCUMENTS = TableSpec(
    "documents",
    "One input record, whatever became of it.",
    (
        Field(
            "doc_id",
            ID,
            "Keyed hash of source, own id or address, and text; records equal in "
            "all three are told apart by an occurrence number.",
        ),
        Field("source_id", WORD, "Source."),
        Field("input_number", pa.int32(), "Input file, see inputs."),
        Field(
            "offset",
            pa.uint64(),
            "Byte offset in the decompressed stream (JSONL, crawls), row group << 32 | row (Parquet), "
            "or in the file itself (crawls with one gzip member a record).",
            ascending=True,
        ),
        Field("length", pa.uint64(), "Bytes of the record there; 0 for Parquet.", "bytes"),
        Field("outcome", WORD, "kept, removed or quarantined."),
        Field("reason", WORD, "Terminal reason; null exactly for kept documents.", nullable=True),
        Field(
            "url_hash", ID, "Keyed hash of the canonical address; null without one.", nullable=True
        ),
        Field(
            "host",
            WORD,
            "Host of the address; null without one, or if it holds personal data.",
            nullable=True,
        ),
        Field(
            "domain",
            WORD,
            "Registrable domain of the address; null where host is.",
            standard="EU summary 2.3",
            nullable=True,
        ),
        Field(
            "published",
            pa.date32(),
            "Date the input gives; null where none or unreadable.",
            nullable=True,
        ),
        Field(
            "fetched_at",
            pa.timestamp("ms", "UTC"),
            "Time the input says it was fetched; null where none or unreadable.",
            standard="EU summary 1.3",
            nullable=True,
        ),
        Field("licence", WORD, "SPDX licence expression, or unknown."),
        Field(
            "licence_evidence",
            WORD,
            "Where the licence was seen: document (its record), link (headers or tags), text (an "
            "SPDX tag), source, or none.",
        ),
        Field("rights_state", WORD, "allow, deny or unknown, after resolution."),
        Field(
            "rights_signal",
            WORD,
            "Protocol that decided the state (contract, list, tdmrep, robots, licence ...), see "
            "rights_signals; null where it is unknown.",
            nullable=True,
        ),
        Field(
            "rights_observability",
            WORD,
            "What could be seen of it: full (headers or tags, and robots.txt), page_only, "
            "robots_only or none.",
        ),
        Field(
            "notice",
            WORD,
            "Notice in its text: reservation (of mining or training) or copyright; null if none.",
            nullable=True,
        ),
        Field(
            "synthetic_mark",
            WORD,
            "What the AIGC label in its front matter says; null without one.",
            standard="GB 45438-2025",
            nullable=True,
        ),
        Field(
            "lang",
            WORD,
            "ISO 639 language; und where not measured or not identifiable.",
            standard="Croissant inLanguage",
        ),
        Field("lang_score", pa.float32(), "Score of the language.", "[0, 1]"),
        Field(
            "toxicity",
            pa.float32(),
            "Score of the worst window; null without a model for the language.",
            "[0, 1]",
            nullable=True,
        ),
        Field("tokens_in", pa.uint32(), "Tokens of the text as read.", "tokens"),
        Field("tokens_out", pa.uint32(), "Tokens of the text as written; 0 if not kept.", "tokens"),
        Field("bytes_in", pa.uint32(), "UTF-8 bytes of the text as read.", "bytes"),
        Field(
            "bytes_out", pa.uint32(), "UTF-8 bytes of the text as written; 0 if not kept.", "bytes"
        ),
        Field(
            "text_hash",
            ID,
            "Keyed hash of the normalised text; null if quarantined.",
            nullable=True,
        ),
        Field(
            "text_hash_out",
            ID,
            "Keyed hash of the text as written; null if not kept.",
            nullable=True,
        ),
        Field("pii_found", pa.uint32(), "Personal-data spans found.", "spans"),
        Field("pii_redacted", pa.uint32(), "Personal-data spans replaced.", "spans"),
        Field("pii_grade", WORD, "Highest grade found; null if none.", nullable=True),
        Field(
            "cluster_id",
            ID,
            "Duplicate cluster, the doc_id of its first member by priority; null outside clusters.",
            nullable=True,
        ),
        Field(
            "out_file", WORD, "Corpus file that it was written to; null if not kept.", nullable=True
        ),
        Field(
            "out_row",
            pa.uint32(),
            "Row in that file when it was made; null if not kept.",
            nullable=True,
            ascending=True,
        ),
    ),
)

DECISIONS = TableSpec(
    "decisions",
    "One rule that fired on one document; every rule that fired is here, not only the first.",
    (
        Field("doc_id", ID, "Document."),
        Field("seq", pa.uint16(), "Order of the rule among those that fired on the document."),
        Field("stage", WORD, "Stage of the rule."),
        Field("rule_id", WORD, "Rule, see rules."),
        Field("rule_version", pa.int16(), "Version of the rule."),
        Field("mode", WORD, "enforce, or shadow (recorded, never acts)."),
        Field("action", WORD, "remove, quarantine, transform or flag."),
        Field("terminal", pa.bool_(), "Whether this rule decided the outcome."),
        Field("reason", WORD, "Reason the rule gives; null for transform and flag.", nullable=True),
        Field(
            "score",
            pa.float32(),
            "What was measured; null for rules without a score.",
            nullable=True,
        ),
        Field(
            "threshold", pa.float32(), "What it was compared with; null likewise.", nullable=True
        ),
        Field("list_id", WORD, "List that matched, see lists.", nullable=True),
        Field(
            "list_entry", pa.int64(), "Number of the matching entry in that list.", nullable=True
        ),
        Field("partner_id", ID, "doc_id of the duplicate partner.", nullable=True),
        Field("n_spans", pa.uint32(), "Spans the rule replaced.", "spans", nullable=True),
    ),
)

MODELS = TableSpec(
    "models",
    "One model, or set of recognisers, that measured.",
    (
        Field("model", pa.string(), "Name."),
        Field("version", pa.string(), "Version."),
        Field("sha256", pa.binary(32), "Digest of the file, or over the digests of its files."),
        Field("licence", pa.string(), "Licence."),
        Field("task", WORD, "language, toxicity, ner or recogniser."),
    ),
)

METRICS = TableSpec(
    "metrics",
    "One number about the run that no other table gives.",
    (
        Field("name", WORD, "Metric."),
        Field("slice", pa.string(), "Part of the data it speaks of; empty = all."),
        Field("value", pa.float64(), "Value.", "as the metric says"),
        Field("unit", WORD, "Unit."),
        Field("k", pa.int64(), "Hits, of a share; null otherwise.", nullable=True),
        Field("n", pa.int64(), "Cases, of a share; null otherwise.", nullable=True),
        Field("low", pa.float64(), "Lower bound, 95 %; null for exact numbers.", nullable=True),
        Field("high", pa.float64(), "Upper bound, 95 %; null likewise.", nullable=True),
        Field("method", WORD, "How the bounds were made; null likewise.", nullable=True),
    ),
)

QUARANTINE = TableSpec(
    "quarantine",
    "One record that could not be judged: why, where and how large; never its text.",
    (
        Field("doc_id", ID, "Record; here a keyed hash of its place."),
        Field("source_id", WORD, "Source."),
        Field("input_number", pa.int32(), "Input file, see inputs."),
        Field("offset", pa.uint64(), "As in documents."),
        Field("length", pa.uint64(), "Bytes it covers in the stream; 0 for Parquet.", "bytes"),
        Field("reason", WORD, "Why."),
        Field("stage", WORD, "Stage that gave up."),
    ),
)

CORPUS = TableSpec(
    "corpus",
    "One kept document with its text; the product.",
    (
        Field("doc_id", ID, "Document, as in documents."),
        Field("text", pa.string(), "Text, redacted.", distinct=True),
        Field("source_id", WORD, "Source."),
        Field(
            "url",
            pa.string(),
            "Address, if the document has one and it holds no personal data; null otherwise.",
            nullable=True,
        ),
        Field("title", pa.string(), "Title, redacted.", nullable=True),
        Field("licence", WORD, "SPDX licence expression, or unknown."),
        Field(
            "author",
            pa.string(),
            "Author to credit where the licence asks for it; null otherwise.",
            nullable=True,
        ),
        Field("lang", WORD, "Language."),
        Field("published", pa.date32(), "Date the input gives.", nullable=True),
        Field("tokens", pa.uint32(), "Tokens.", "tokens"),
    ),
)

MANIFEST_TABLES: tuple[TableSpec, ...] = (
    RUNS,
    INPUTS,
    PASSED_RECORDS,
    SOURCES,
    DOCUMENTS,
    DECISIONS,
    DUPLICATES,
    FORMER_RELEASES,
    SUPERSEDED,
    SPANS,
    PII_STATS,
    CUTS,
    RULES,
    LISTS,
    REQUESTS,
    RIGHTS_SIGNALS,
    SNAPSHOTS,
    MODELS,
    METRICS,
)
"""Tables under `manifest/`; `quarantine/` and `corpus/` stand beside it."""

ALL_TABLES: tuple[TableSpec, ...] = (*MANIFEST_TABLES, QUARANTINE, CORPUS)
