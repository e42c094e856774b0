# SPDX-License-Identifier: Apache-2.0
"""Tables that are never published: pseudonymous personal data, signatures; under `restricted/`.

They lie beside the manifest, in a folder of mode 0700 with files of mode 0600, and are listed in
`restricted/RESTRICTED.json`, of which MANIFEST.json holds the digest only. A release from which the
folder was taken away is still whole; destroying the key makes what is left unreadable.
"""

from __future__ import annotations

import pyarrow as pa

from .fields import ID, WORD, Field, TableSpec

PII_LINKS = TableSpec(
    "pii_links",
    "One span of personal data in a kept document, by the keyed hash of its value.",
    (
        Field("key_id", pa.binary(8), "Key of the hashes, as in runs."),
        Field("entity_type", WORD, "Type of the identifier; each has a key of its own (HKDF)."),
        Field(
            "value_hmac",
            ID,
            "HMAC-SHA256 of the normalised value under the type's key, first 16 bytes.",
        ),
        Field("doc_id", ID, "Document."),
        Field("start", pa.uint32(), "First code point in the text as read.", "code points"),
        Field("end", pa.uint32(), "One past the last code point.", "code points"),
        Field("action", WORD, "What was done, see spans."),
    ),
)

SIGNATURES = TableSpec(
    "signatures",
    "One kept document as later jobs compare it; under restricted/, never to be published.",
    (
        Field("doc_id", ID, "Document."),
        Field("text_hash", ID, "Keyed hash of the normalised text."),
        Field("tokens", pa.uint32(), "Tokens of the text as read.", "tokens"),
        Field(
            "shingles",
            pa.large_list(pa.field("element", pa.uint64(), nullable=False)),
            "Keyed hashes of its distinct shingles, ascending.",
        ),
    ),
)

RESTRICTED_TABLES: tuple[TableSpec, ...] = (PII_LINKS, SIGNATURES)
"""Tables under `restricted/`."""
