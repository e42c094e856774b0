# SPDX-License-Identifier: Apache-2.0
"""The tables of what was found and changed inside documents: places and types, never text."""

from __future__ import annotations

import pyarrow as pa

from .fields import ID, WORD, Field, TableSpec

SPANS = TableSpec(
    "spans",
    "One personal-data span found in a kept document; places and types only.",
    (
        Field("doc_id", ID, "Document."),
        Field("start", pa.uint32(), "First code point in the text as read.", "code points"),
        Field("end", pa.uint32(), "One past the last code point.", "code points"),
        Field("entity_type", WORD, "Type of the identifier."),
        Field("grade", WORD, "general, sensitive, minor or secret."),
        Field("score", pa.float32(), "Confidence of the detector.", "[0, 1]"),
        Field("detector", WORD, "Detector; of what set and version, see models."),
        Field("action", WORD, "What was done: placeholder, mask, hash, surrogate, or left."),
    ),
)

CUTS = TableSpec(
    "cuts",
    "One repeated line or paragraph that was cut out of a kept document.",
    (
        Field("doc_id", ID, "Document."),
        Field("start", pa.uint32(), "First code point in the text as read.", "code points"),
        Field("end", pa.uint32(), "One past the last, line feed included.", "code points"),
        Field("documents", pa.uint32(), "Documents that it stood in.", "documents"),
    ),
)

PII_STATS = TableSpec(
    "pii_stats",
    "Personal-data counts of one document by type; documents with none have no row.",
    (
        Field("doc_id", ID, "Document."),
        Field("entity_type", WORD, "Type of the identifier."),
        Field("grade", WORD, "Grade of the type."),
        Field("detector", WORD, "Detector; of what set and version, see models."),
        Field("n_found", pa.uint32(), "Spans found.", "spans"),
        Field("n_redacted", pa.uint32(), "Spans replaced in the corpus.", "spans"),
        Field("action", WORD, "What was done, see spans; not_kept: the document was not kept."),
    ),
)
