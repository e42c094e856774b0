# SPDX-License-Identifier: Apache-2.0
"""Merkle roots of a release: made when it is put together, and made again to verify it.

    MANIFEST.json, roots            context, and for each table rows, salted and comparable root
    proof/<table>.leaves            salted leaf hashes, 32 bytes each, in the order of the rows

The leaves can be published with the release: anybody can see that they have the root, and whoever
holds the project's key that they are those of the rows. Comparable roots of two releases under one
key are equal exactly if their tables hold the same rows.

A row that must be erased takes its content and, with it, its salt along; its leaf stays in the
file of leaves. So the root, the signature over it and the proofs of all other rows stay valid, and
`verify` names the file and the leaf that lost its row. Whoever holds the key can still tell whether
a guess of the whole row was that leaf; nobody else can.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from ..schemas.errors import KeyFileError
from ..schemas.fields import TableSpec
from ..schemas.tables import DECISIONS, DOCUMENTS
from ..transforms.keys import Keyring
from ..transforms.leaves import LeafKeys, Leaves, leaf_keys, leaves_of
from ..transforms.merkle import Digests, merkle_root, sort_leaves
from ..transforms.sha256 import DIGEST_BYTES
from ..transforms.stores import store_at

ROOTED: tuple[TableSpec, ...] = (DOCUMENTS, DECISIONS)
"""Tables with roots: what became of every document, and why."""

ALGORITHM = "sha256-rfc6962-sorted"


def leaves_path(table: str) -> str:
    """Return where the leaves of a table lie in a release."""
    return f"proof/{table}.leaves"


def table_leaves(spec: TableSpec, parts: Sequence[str], keys: LeafKeys) -> Leaves:
    """Hash the rows of the parts of a table.

    Args:
        spec: The table.
        parts: Locations of its Parquet files, in the order of their paths in the release.
        keys: Its keys.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        hashed = list(pool.map(lambda place: _part_leaves(spec, place, keys), parts))
    return Leaves(_stacked(part.salted for part in hashed), _stacked(p.comparable for p in hashed))


def _part_leaves(spec: TableSpec, place: str, keys: LeafKeys) -> Leaves:
    with store_at(place).localised(place) as local, pq.ParquetFile(local) as parquet:
        names = [field.name for field in spec.fields]
        groups = [
            leaves_of(spec, parquet.read_row_group(group, columns=names), keys)
            for group in range(parquet.num_row_groups)
        ]
    return Leaves(_stacked(part.salted for part in groups), _stacked(p.comparable for p in groups))


def _stacked(parts: Iterable[Digests]) -> Digests:
    return np.concatenate([np.empty((0, DIGEST_BYTES), np.uint8), *parts])


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
