# SPDX-License-Identifier: Apache-2.0
"""Merkle roots of a release: made when it is put together, and made again to verify it.

    MANIFEST.json, roots            context, and for each table rows, salted and comparable root
    proof/<table>.leaves            salted leaf hashes, 32 bytes each, in the order of the rows

The leaves can be published with the release: anybody can see that they have the root, and whoever
holds the project's key that they are those of the rows. Comparable roots of two releases under one
key are equal exactly if their tables hold the same rows.

A row that is erased (`erase`) takes its content and, with it, its salt along; its leaf stays in the
file of leaves. So the root, the signature over it and the proofs of all other rows stay valid, and
`verify` accepts exactly the leaves without a row that have a tombstone. Whoever holds the key can
still tell whether a guess of the whole row was that leaf; nobody else can.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..schemas.errors import KeyFileError
from ..transforms.keys import Keyring
from ..transforms.leaves import LeafKeys, Leaves, leaf_keys
from ..transforms.merkle import Digests, merkle_root, sort_leaves
from ..transforms.sha256 import DIGEST_BYTES

ALGORITHM = "sha256-rfc6962-sorted"


def leaves_path(table: str) -> str:
    """Return where the leaves of a table lie in a release."""
    return f"proof/{table}.leaves"


def root_entry(leaves: Leaves) -> dict[str, Any]:
    """Return what MANIFEST.json says of the rows of one table."""
    return {
        "rows": len(leaves.salted),
        "salted": merkle_root(sort_leaves(leaves.salted)).hex(),
        "comparable": merkle_root(sort_leaves(leaves.comparable)).hex(),
    }


def keys_of(manifest: Mapping[str, Any], keyring: Keyring, table: str) -> LeafKeys:
    """Return the keys of a table of a release.

    Raises:
        KeyFileError: The release was made with another key.
    """
    if keyring.key_id.hex() != manifest.get("key_id"):
        raise KeyFileError(
            f"the release was made with key {manifest.get('key_id')}, this one is "
            f"{keyring.key_id.hex()}; give the key file of its job"
        )
    return leaf_keys(keyring, table, str(manifest["roots"]["context"]))


def read_leaves(raw: bytes) -> Digests:
    """Return the leaf hashes that a file of leaves holds, uint8 `[n, 32]`."""
    return np.frombuffer(raw, np.uint8).reshape(-1, DIGEST_BYTES)
