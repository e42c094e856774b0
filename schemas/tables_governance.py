# SPDX-License-Identifier: Apache-2.0
"""Requests and rules, and the views of what lies beside the tables of a release.

`requests` and `rules` are tables of the release. The others are facts that a release cannot hold of itself:
times and hosts, its signatures, the releases before and after it, what reviewers found in it
later. `muniment query` reads them from the files named below and shows them as views; the digests
of the release do not cover them, so `verify` says nothing of them.
"""

from __future__ import annotations

import pyarrow as pa

from .fields import ID, WORD, Field, TableSpec

TIME = pa.timestamp("s", tz="UTC")

REQUESTS = TableSpec(
    "requests",
    "One request that a list of the job carries out; the asker is never named.",
    (
        Field("request_id", pa.string(), "Short name."),
        Field("kind", WORD, "What is asked for.", standard="GDPR Art. 17, 21; EU 2019/790 Art. 4"),
        Field("list_id", pa.string(), "List that carries it out, see lists."),
        Field("selector_kind", WORD, "What the entries of that list are."),
        Field("legal_ref", pa.string(), "Law or contract it rests on."),
        Field("received", pa.date32(), "Day it was received."),
        Field("verified", pa.date32(), "Day it was verified; null if not yet.", nullable=True),
        Field("due", pa.date32(), "Last day to answer."),
        Field("closed", pa.date32(), "Day it was answered; null while open.", nullable=True),
    ),
)

REQUEST_MATCHES = TableSpec(
    "request_matches",
    "One document that a request meets, itself or as a copy; worked out from decisions.",
    (
        Field("request_id", pa.string(), "Request."),
        Field("doc_id", ID, "Document."),
        Field("match_kind", WORD, "Kind of the list, or copy: through its duplicate cluster."),
        Field("score", pa.float32(), "Jaccard of a copy; null otherwise.", "[0, 1]", nullable=True),
        Field("action", WORD, "remove, or what the rule did instead."),
    ),
)

RELEASES = TableSpec(
    "releases",
    "One release of the output folder, from its MANIFEST.json and run.json, and from HISTORY.",
    (
        Field("release_id", pa.string(), "First 16 hexadecimal digits of the manifest's digest."),
        Field(
            "manifest_sha256",
            pa.string(),
            "Digest of its MANIFEST.json as it lies there; it covers every file.",
        ),
        Field("parent_id", pa.string(), "Release before it; null for the first.", nullable=True),
        Field(
            "parent_sha256",
            pa.string(),
            "Digest of the parent's MANIFEST.json when this one was made; null for the first.",
            nullable=True,
        ),
        Field("is_current", pa.bool_(), "Whether CURRENT names it."),
        Field("is_this", pa.bool_(), "Whether it is the one that is asked."),
        Field("finished", TIME, "When the run ended; null if not known.", nullable=True),
        Field("became_current", TIME, "When CURRENT first named it; null if never.", nullable=True),
        Field("documents_kept", pa.int64(), "Records kept; null if damaged.", nullable=True),
        Field("tokens_out", pa.int64(), "Tokens kept; null if damaged.", "tokens", nullable=True),
    ),
)

ATTESTATIONS = TableSpec(
    "attestations",
    "One signature over a release, from attestations/<release id>/*.json (DSSE envelopes).",
    (
        Field("release_id", pa.string(), "Release whose folder it lies in."),
        Field("subject_sha256", pa.string(), "Digest that the statement speaks of."),
        Field("predicate_type", pa.string(), "Kind of statement.", standard="in-toto Statement v1"),
        Field(
            "signer",
            pa.string(),
            "Public ed25519 key of the job that verifies it; null if none does.",
            nullable=True,
        ),
        Field("file", pa.string(), "Where it lies, below the output folder."),
    ),
)

STAGES = TableSpec(
    "stages",
    "One stage of the run, or one step of a stage (`stage.step`), from run.json.",
    (
        Field("stage", pa.string(), "Stage, or stage and step."),
        Field("seconds", pa.float64(), "Wall time, added over workers.", "seconds"),
        Field("cpu_seconds", pa.float64(), "CPU time, added over workers.", "seconds"),
        Field("bytes", pa.int64(), "Bytes it read.", "bytes"),
    ),
)

GATES = TableSpec(
    "gates",
    "One gate that the release met on its way to become current, from run.json.",
    (
        Field("gate", pa.string(), "Named query behind it."),
        Field("question", pa.string(), "Number of the question, Q01 to Q32."),
        Field("state", pa.string(), "passed, failed, or off: the job does not ask for it."),
        Field("breaches", pa.int64(), "Rows that broke it.", "rows"),
    ),
)

SAMPLES = TableSpec(
    "samples",
    "One document that a reviewer labelled, from samples/*.csv in the output folder.",
    (
        Field("release_id", pa.string(), "Release it was drawn from."),
        Field("doc_id", ID, "Document."),
        Field("purpose", pa.string(), "residual_pii, content, illegal, or another word."),
        Field("stratum", pa.string(), "Stratum it was drawn from."),
        Field("inclusion", pa.float64(), "Chance that it was drawn.", "(0, 1]"),
        Field("reviewer", pa.string(), "Who labelled it; null if not yet.", nullable=True),
        Field(
            "label",
            pa.string(),
            "clean, or what is wrong with it (pii, illegal, ...); null if not yet.",
            nullable=True,
        ),
        Field("items", pa.int32(), "Faults found in it; null if not yet.", nullable=True),
        Field("labelled", pa.date32(), "Day of the label; null if not yet.", nullable=True),
    ),
)

ERASURES = TableSpec(
    "erasures",
    "One document that was erased from the release after it was made, from its ERASED.json.",
    (
        Field("document", pa.string(), "SHA-256 of its id, hexadecimal; the id itself is gone."),
        Field("request_id", pa.string(), "Request that asked for it."),
        Field("erased_on", pa.date32(), "Day it was done.", standard="GDPR Art. 17"),
        Field("rows", pa.int32(), "Leaves of rooted tables that have no row any more.", "rows"),
    ),
)

_COUNTED = (
    Field("input_number", pa.int32(), "Input file, see inputs."),
    Field("source_id", pa.string(), "Source."),
    Field("outcome", pa.string(), "kept, removed or quarantined."),
    Field("reason", pa.string(), "Terminal reason; null exactly for kept ones.", nullable=True),
    Field("documents", pa.int64(), "Documents.", "documents"),
    Field("length", pa.int64(), "Bytes of their records, see documents.", "bytes"),
    Field("tokens_in", pa.int64(), "Tokens of the texts as read.", "tokens"),
    Field("tokens_out", pa.int64(), "Tokens of the texts as written.", "tokens"),
    Field("bytes_in", pa.int64(), "UTF-8 bytes of the texts as read.", "bytes"),
    Field("bytes_out", pa.int64(), "UTF-8 bytes of the texts as written.", "bytes"),
)

WITHHELD = TableSpec(
    "withheld",
    "What rows of documents that were erased had counted, so that the books still balance; by input, "
    "outcome and reason, from ERASED.json.",
    _COUNTED,
)

ACCOUNTED = TableSpec(
    "accounted",
    "What each row of documents counts, and what those counted that were erased since; worked out.",
    _COUNTED,
)

PUBLISHED_GROUPS = TableSpec(
    "published_groups",
    "One rule by which documents left, and how it is named where its count is published: counts about "
    "persons speak of 11 documents or more.",
    (
        Field("rule_id", WORD, "Rule."),
        Field("reason", WORD, "Reason it gave."),
        Field("shown_reason", pa.string(), "The reason, or what it stands together with."),
        Field("shown_rule", pa.string(), "The rule, or what it stands together with."),
        Field("silent", pa.bool_(), "Whether there are too few even together."),
    ),
)

WORKED_OUT: tuple[TableSpec, ...] = (REQUEST_MATCHES, ACCOUNTED, PUBLISHED_GROUPS)
"""Views that are statements over other tables."""

BESIDE: tuple[TableSpec, ...] = (
    *(RELEASES, ATTESTATIONS, STAGES, GATES, ERASURES, WITHHELD, SAMPLES),
)
"""Views over files that are no part of the release."""

RULES = TableSpec(
    "rules",
    "One rule of the policy in force.",
    (
        Field("rule_id", pa.string(), "Short name."),
        Field("version", pa.int16(), "Version."),
        Field("stage", WORD, "Stage."),
        Field("mode", WORD, "enforce, shadow or off."),
        Field("action", WORD, "remove, quarantine, transform or flag."),
        Field("reason", WORD, "Reason it gives.", nullable=True),
        Field("signal", pa.string(), "Signal it reads."),
        Field("parameters", pa.string(), "Thresholds and settings as canonical JSON."),
        Field("meaning", pa.string(), "What it does, one sentence."),
        Field("basis", pa.string(), "Law, standard, paper or measurement behind it."),
        Field("approved_by", pa.string(), "Who approved the rules; null = nobody.", nullable=True),
        Field("approved_on", pa.date32(), "Day of the approval; null likewise.", nullable=True),
    ),
)
