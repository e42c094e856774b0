# SPDX-License-Identifier: Apache-2.0
"""Check the Merkle roots of a release, and name the rows that they do not hold.

Without the key: the leaves have the root of MANIFEST.json. With it: they are the leaves of the
rows, each named by document where it is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ..schemas.errors import IntegrityError
from ..schemas.fields import TableSpec
from ..transforms.keys import Keyring
from ..transforms.leaves import ROOTED, LeafKeys, leaves_of
from ..transforms.merkle import Digests, merkle_root, sort_leaves
from ..transforms.sha256 import DIGEST_BYTES
from .erasure_seal import erased_leaves
from .faults import Fault
from .release import Release
from .roots import keys_of, leaves_path, read_leaves

MOST_ROWS = 20
"""Rows named for each kind of fault of a table; how many there are in all is always said."""


def check_leaves(release: Release) -> Iterator[Fault]:
    """Yield the leaves that do not have the root of MANIFEST.json; their files were proved."""
    said = release.manifest.get("roots")
    if not isinstance(said, dict):
        yield Fault("MANIFEST.json", "", "roots", "expected roots, found none")
        return
    for spec in ROOTED:
        entry = said["tables"].get(spec.name)
        leaves = stored_leaves(release, spec.name)
        if entry is None or leaves is None:
            detail = f"expected root and leaves of table {spec.name}, found none"
            yield Fault("MANIFEST.json", "", "roots", detail)
        elif len(leaves) != entry["rows"]:
            detail = f"manifest says {entry['rows']} rows, file holds {len(leaves)} leaves"
            yield Fault(leaves_path(spec.name), "", "root", detail)
        elif merkle_root(sort_leaves(leaves)).hex() != entry["salted"]:
            detail = f"expected root {entry['salted'][:16]}..., the leaves have another"
            yield Fault(leaves_path(spec.name), "", "root", detail)


def stored_leaves(release: Release, table: str) -> Digests | None:
    """Return the salted leaves of a table in the order of its rows, None if they are not here."""
    for item in release.listed:
        if item.path == leaves_path(table):
            with release.content(item) as place:
                raw = place.read_bytes()
            return read_leaves(raw) if len(raw) % DIGEST_BYTES == 0 else None
    return None


def check_rows(release: Release, keyring: Keyring) -> Iterator[Fault]:
    """Yield the rows that are not those of the roots: changed, added or removed.

    Args:
        release: The release; its leaves were proved, its other files need not be sound.
        keyring: Its key.

    Raises:
        KeyFileError: The release was made with another key.
    """
    for spec in ROOTED:
        keys = keys_of(release.manifest, keyring, spec.name)
        stored = stored_leaves(release, spec.name)
        parts = _parts(release, spec, keys)
        if stored is None or parts is None:
            continue  # what cannot be read is named already; all its rows would seem removed
        erased = erased_leaves(release, spec.name)
        faults = list(_differences(spec.name, stored, parts, erased))
        yield from faults
        comparable = merkle_root(sort_leaves(np.concatenate([p.comparable for p in parts]))).hex()
        said = release.manifest["roots"]["tables"][spec.name]["comparable"]
        if not faults and not erased and comparable != said:
            detail = f"the comparable root of table {spec.name} is not that of its rows"
            yield Fault("MANIFEST.json", "", "root", detail)


class _Part(NamedTuple):
    """Rows of one file: where the leaf of each stands, ids, and both kinds of leaves."""

    path: str
    places: npt.NDArray[np.int64]
    ids: pa.ChunkedArray
    salted: Digests
    comparable: Digests


def _parts(release: Release, spec: TableSpec, keys: LeafKeys) -> list[_Part] | None:
    """Return the rows of a table by file, None where a file is none of the table."""
    parts, first = [], 0
    for item in release.files(spec.name):
        try:
            with release.content(item) as place:
                rows = pq.read_table(place, columns=[field.name for field in spec.fields])
        except (IntegrityError, pa.ArrowException, OSError):
            return None
        if not rows.schema.equals(spec.arrow(), check_metadata=False):
            return None
        released = (item.rows or 0) + len(item.removed)
        places = np.delete(np.arange(first, first + released), list(item.removed))
        parts.append(_Part(item.path, places, rows.column("doc_id"), *leaves_of(spec, rows, keys)))
        first += released
    return parts


def _differences(
    table: str, stored: Digests, parts: list[_Part], erased: set[int]
) -> Iterator[Fault]:
    """Yield the rows without a leaf, and the leaves without a row that no tombstone accounts for."""
    missing, extra = _unmatched(stored, np.concatenate([part.salted for part in parts]))
    gone = set(missing) - erased
    changed: list[Fault] = []
    added: list[Fault] = []
    start = 0
    for part in parts:
        inside = [row - start for row in extra if 0 <= row - start < len(part.salted)]
        for row in inside:
            place = f"row {row}, document {part.ids[row].as_py().hex()}"
            leaf = part.places[row] if row < len(part.places) else None
            if leaf in gone:
                gone.discard(leaf)
                detail = "not the row that the root holds"
                changed.append(Fault(part.path, place, "changed-row", detail))
            else:
                added.append(Fault(part.path, place, "added-row", "the root holds no such row"))
        start += len(part.salted)
    removed = [
        Fault(
            leaves_path(table),
            f"leaf {leaf}, {stored[leaf].tobytes().hex()[:16]}...",
            "removed-row",
            f"no row of table {table} has it",
        )
        for leaf in sorted(gone)
    ]
    still = [
        Fault(leaves_path(table), f"leaf {leaf}", "erased", "its row is still here")
        for leaf in sorted(erased.difference(missing))
    ]
    for faults in (changed, added, removed, still):
        yield from faults[:MOST_ROWS]
        if len(faults) > MOST_ROWS:
            detail = f"and {len(faults) - MOST_ROWS} rows more"
            yield Fault(faults[0].file, "", faults[0].check, detail)


def _unmatched(left: Digests, right: Digests) -> tuple[list[int], list[int]]:
    """Return the places of digests of each side that have no partner on the other, ascending."""
    if len(left) == len(right) and (sort_leaves(left) == sort_leaves(right)).all():
        return [], []
    return _left_over(left, right), _left_over(right, left)


def _left_over(digests: Digests, others: Digests) -> list[int]:
    partners = Counter(digest.tobytes() for digest in others)
    places = []
    for place, digest in enumerate(digests):
        word = digest.tobytes()
        partners[word] -= 1
        if partners[word] < 0:
            places.append(place)
    return places
