# SPDX-License-Identifier: Apache-2.0
"""Tables about copies: of documents of the same run, and of documents of former releases."""

from __future__ import annotations

import pyarrow as pa

from .fields import ID, WORD, Field, TableSpec

DUPLICATES = TableSpec(
    "duplicates",
    "One member of a duplicate cluster.",
    (
        Field("cluster_id", ID, "doc_id of the member with the best priority."),
        Field("doc_id", ID, "Member."),
        Field(
            "role",
            WORD,
            "survivor, exact_copy, near_copy, contained_copy, address_copy, or context (decided "
            "elsewhere).",
        ),
        Field(
            "partner_id",
            ID,
            "Surviving member it was compared with; for copies of an address, the version that was "
            "chosen, which may be a copy of another page itself; null for survivors.",
            nullable=True,
        ),
        Field(
            "jaccard",
            pa.float32(),
            "True Jaccard of full shingle sets with the partner.",
            "[0, 1]",
            nullable=True,
        ),
        Field(
            "containment",
            pa.float32(),
            "Share of its own shingles that the partner has; of near and contained copies.",
            "[0, 1]",
            nullable=True,
        ),
        Field(
            "method",
            WORD,
            "exact (equal text), minhash (true Jaccard), containment (share of shingles), or url "
            "(same address).",
        ),
        Field(
            "partner_release",
            WORD,
            "Former release that holds the partner; null for a partner of this one.",
            nullable=True,
        ),
        Field("tainted", pa.bool_(), "Whether it copies an opted-out or taken-down document."),
    ),
)

FORMER_RELEASES = TableSpec(
    "former_releases",
    "One former release whose documents were compared with those of this one.",
    (
        Field("release_id", pa.string(), "Release, by its id."),
        Field("keep", WORD, "Which of two copies stays: old or new."),
        Field("documents", pa.int64(), "Its documents.", "documents"),
        Field("superseded", pa.int64(), "Its documents that this release replaces.", "documents"),
    ),
)

SUPERSEDED = TableSpec(
    "superseded",
    "One document of a former release that a kept document of this one replaces.",
    (
        Field("release_id", WORD, "Former release."),
        Field("doc_id", ID, "Document of that release."),
        Field("successor_id", ID, "Kept document of this release."),
        Field("method", WORD, "exact, minhash or containment, as in duplicates."),
        Field(
            "jaccard",
            pa.float32(),
            "True Jaccard of full shingle sets with the successor.",
            "[0, 1]",
            nullable=True,
        ),
        Field(
            "containment",
            pa.float32(),
            "Share of its own shingles that the successor has.",
            "[0, 1]",
            nullable=True,
        ),
    ),
)
