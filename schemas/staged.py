# SPDX-License-Identifier: Apache-2.0
"""Arrow schemas of what stages leave for each other in the work folder.

`ref` is a `doc_ref` (see `batches`). A 128-bit hash travels as two `uint64` columns `*_hi`, `*_lo`.
"""

from __future__ import annotations

import pyarrow as pa

U64 = pa.uint64()


def required(name: str, kind: pa.DataType) -> pa.Field:
    """Return a column without nulls."""
    return pa.field(name, kind, nullable=False)


ANNOTATIONS = pa.schema(
    [
        required("row", pa.uint32()),
        required("file", pa.uint16()),
        required("offset", U64),
        required("length", U64),
        required("fault", pa.uint8()),
        required("id_hi", U64),
        required("id_lo", U64),
        required("text_hi", U64),
        required("text_lo", U64),
        pa.field("url_hi", U64),
        pa.field("url_lo", U64),
        required("no_url", pa.bool_()),
        pa.field("host", pa.string()),
        pa.field("domain", pa.string()),
        required("ambiguous_url", pa.bool_()),
        pa.field("published", pa.date32()),
        required("licence", pa.string()),
        required("licence_evidence", pa.string()),
        required("licence_allowed", pa.bool_()),
        pa.field("fetched_at", pa.timestamp("s", "UTC")),
        required("source_kind", pa.string()),
        required("rights_state", pa.string()),
        required("rights_observability", pa.string()),
        pa.field("rights_signal", pa.string()),
        required("rights_reserved", pa.bool_()),
        pa.field("notice", pa.string()),
        pa.field("synthetic_mark", pa.string()),
        required("lang", pa.string()),
        required("lang_score", pa.float32()),
        pa.field("toxicity", pa.float32()),
        required("tokens", pa.uint32()),
        required("bytes", pa.uint32()),
        required("empty", pa.bool_()),
        required("source_blacklisted", pa.bool_()),
        required("pii_sensitive", pa.uint32()),
        required("pii_minor", pa.bool_()),
        pa.field("pii_kinds", pa.string()),
    ]
)
"""One row for each record of a split; the columns of the lists follow: `list:<name>`
(int64, null = no match), `score:<name>` of works, `staying:<name>` of persons."""

SPANS_FOUND = pa.schema(
    [
        required("row", pa.uint32()),
        required("start", pa.uint32()),
        required("end", pa.uint32()),
        required("entity_type", pa.string()),
        required("grade", pa.string()),
        required("score", pa.float32()),
        required("detector", pa.string()),
        required("value_hmac", pa.binary(16)),
    ]
)
"""Structured personal data found while measuring; `row` is the row in the split."""

SIGNALS_SEEN = pa.schema(
    [
        pa.field("row", pa.uint32()),
        pa.field("host", pa.string()),
        required("protocol", pa.string()),
        required("channel", pa.string()),
        required("version", pa.string()),
        pa.field("agent", pa.string()),
        required("value", pa.string()),
        required("status", pa.string()),
        pa.field("observed_at", pa.timestamp("s", "UTC")),
        pa.field("asof", pa.string()),
        pa.field("snapshot_sha256", pa.binary(32)),
        required("applied", pa.bool_()),
        required("winner", pa.bool_()),
        required("documents", pa.uint32()),
    ]
)
"""Rights signals; `row` is the row in the split, null for a row about an origin or a source."""

IDENTITIES = pa.schema(
    [
        required("text_hi", U64),
        required("text_lo", U64),
        required("id_hi", U64),
        required("id_lo", U64),
        required("ref", U64),
        required("priority_hi", U64),
        required("priority_lo", U64),
        required("eligible", pa.bool_()),
        required("denied", pa.bool_()),
    ]
)
"""What a document sends to the exact stage: who it is, and how good a representative."""

ADDRESSES = pa.schema(
    [
        required("url_hi", U64),
        required("url_lo", U64),
        required("ref", U64),
        required("id_hi", U64),
        required("id_lo", U64),
        required("priority_hi", U64),
        required("priority_lo", U64),
        required("published", pa.int32()),
        required("eligible", pa.bool_()),
    ]
)
"""A document at an address; `published` in days since 1970, the least int32 where unknown."""

VERSIONS = pa.schema([required("ref", U64), required("stays", U64)])
"""A document, and the other one with the same address that stays."""

SAME_ADDRESS = pa.schema(
    [
        required("ref", U64),
        required("partner", U64),
        required("partner_hi", U64),
        required("partner_lo", U64),
    ]
)
"""The same, with the final identifier of the one that stays."""

EXACT = pa.schema(
    [
        required("ref", U64),
        required("id_hi", U64),
        required("id_lo", U64),
        required("leader", U64),
        required("leader_id_hi", U64),
        required("leader_id_lo", U64),
        required("role", pa.uint8()),
        pa.field("denied_partner_hi", U64),
        pa.field("denied_partner_lo", U64),
        required("eligible", pa.bool_()),
        required("denied", pa.bool_()),
        required("followers", pa.list_(U64)),
    ]
)
"""What the exact stage answers, for members of groups of two or more only.

The leader is the one member that goes on to the near stage, with its group's `eligible` and
`denied`; `followers` are the others, so that what happens to the leader happens to them.
"""

BANDS = pa.schema([required("band", U64), required("ref", U64)])
"""One band hash of one document."""

SAMPLES = pa.schema(
    [
        required("shingle", U64),
        required("ref", U64),
        required("tokens", pa.uint32()),
        # How many probes its document has, if this one is a probe; else 0.
        required("probes", pa.uint8()),
    ]
)
"""One sampled shingle of one document, to find what contains it (`transforms.containment`)."""

PAIRS = pa.schema(
    [required("contained", U64), required("container", U64), required("probes", pa.uint8())]
)
"""A document with a probe that another document has too; one row for each such probe."""

EDGES = pa.schema([required("a", U64), required("b", U64)])
"""Two documents that share a band, or may contain one another."""

MEMBERSHIPS = pa.schema([required("ref", U64), required("cluster", U64)])
"""A candidate and its connected component, named by its smallest `ref`."""

CANDIDATES = pa.schema(
    [
        required("cluster", U64),
        required("ref", U64),
        required("id_hi", U64),
        required("id_lo", U64),
        required("priority_hi", U64),
        required("priority_lo", U64),
        required("eligible", pa.bool_()),
        required("denied", pa.bool_()),
        required("followers", pa.list_(U64)),
        required("shingles", pa.large_list(U64)),
    ]
)
"""A candidate with its sorted set of shingle hashes."""

NEAR = pa.schema(
    [
        required("ref", U64),
        required("role", pa.uint8()),
        required("cluster_hi", U64),
        required("cluster_lo", U64),
        pa.field("partner", U64),
        pa.field("partner_hi", U64),
        pa.field("partner_lo", U64),
        pa.field("jaccard", pa.float32()),
        pa.field("containment", pa.float32()),
        pa.field("denied_partner_hi", U64),
        pa.field("denied_partner_lo", U64),
        pa.field("denied_jaccard", pa.float32()),
        # Set only where it is contained in the denied document, and not near to it.
        pa.field("denied_containment", pa.float32()),
    ]
)
"""What the near stage answers, for verified members only."""

PASSAGES = pa.schema([required("row", pa.uint32()), required("passage", U64)])
"""A passage of a document, once for each document, by row in the split."""

TALLIES = pa.schema(
    [required("passage", U64), required("documents", pa.uint32()), required("first", U64)]
)
"""A passage, in how many documents of one split it stands, and the first of them."""

REPEATED = pa.schema(
    [
        required("passage", U64),
        required("documents", pa.uint32()),
        required("first", U64),
        required("asked_by", U64),
    ]
)
"""A passage that stands in many documents, the first of all, and the first of the split."""
