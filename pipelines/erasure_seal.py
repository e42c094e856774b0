# SPDX-License-Identifier: Apache-2.0
"""The seal of an erasure, and whether a release lacks exactly what its tombstones say."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ..schemas.errors import KeyFileError
from ..schemas.tables import DOCUMENTS
from ..transforms.keys import Keyring
from ..transforms.leaves import ROOTED
from ..transforms.storage import canonical_json
from .erasure import ERASED, Erasure
from .faults import Fault

if TYPE_CHECKING:
    from .release import Release, ReleaseFile


def seal_of(release: Release, keyring: Keyring) -> Callable[[bytes], str]:
    """Return what seals an erasure from a release: HMAC-SHA256 under a key of its own (HKDF).

    Raises:
        KeyFileError: The release was made with another key.
    """
    if keyring.key_id.hex() != release.manifest.get("key_id"):
        raise KeyFileError(
            f"release {release.id} was made with key {release.manifest.get('key_id')}, this one is "
            f"{keyring.key_id.hex()}; give the key file of its job"
        )
    key = keyring.derive(f"erasure-seal/v1/{release.id}", 32)
    return lambda content: hmac.new(key, content, hashlib.sha256).hexdigest()


def check_erasure(
    release: Release, restricted: tuple[ReleaseFile, ...], keyring: Keyring | None
) -> Iterator[Fault]:
    """Yield where ERASED.json, the parts and the leaves of a release do not fit together.

    Args:
        release: The release.
        restricted: Its restricted files.
        keyring: Its key, for the seal; None to leave that out.
    """
    erasure = release.erasure
    if erasure is None:
        return
    now = {item.was: item for item in (*release.listed, *restricted)}
    gone = erasure.files.keys() - now.keys()
    for was in sorted(gone if restricted else {w for w in gone if not w.startswith("restricted/")}):
        yield Fault(ERASED, was, "erased", "the release never had this file")
    if keyring:
        said = seal_of(release, keyring)(canonical_json(erasure.content))
        if not hmac.compare_digest(said, erasure.seal):
            yield Fault(ERASED, "", "seal", "not sealed with the key of this release")
    yield from _check_counts(release)
    yield from _check_leaves(release, erasure)


def _check_counts(release: Release) -> Iterator[Fault]:
    """Yield the parts that lack another number of rows than were erased."""
    rows = {entry["path"]: entry["rows"] for entry in release.manifest["files"]}
    for item in release.listed:
        if item.removed and rows[item.was] != (item.rows or 0) + len(item.removed):
            detail = (
                f"{rows[item.was]} rows were released and {len(item.removed)} erased, "
                f"{item.rows} are left"
            )
            yield Fault(item.path, "", "erased", detail)
        elif item.removed and item.removed[-1] >= (rows[item.was] or 0):
            yield Fault(item.path, "", "erased", "a row was erased that was never there")


def _check_leaves(release: Release, erasure: Erasure) -> Iterator[Fault]:
    """Yield the tables whose erased rows are not those of the tombstones."""
    for spec in ROOTED:
        first, removed = 0, []
        for item in release.files(spec.name):
            removed += [first + row for row in item.removed]
            first += (item.rows or 0) + len(item.removed)
        stones = [leaf for stone in erasure.tombstones for leaf in stone.leaves.get(spec.name, ())]
        if sorted(stones) != removed:
            detail = f"the rows erased from table {spec.name} are not those of the tombstones"
            yield Fault(ERASED, "", "erased", detail)
    documents = sum(entry["documents"] for entry in erasure.withheld)
    named = {stone.document for stone in erasure.tombstones}
    each = all(len(stone.leaves.get(DOCUMENTS.name, ())) == 1 for stone in erasure.tombstones)
    if not each or not len(erasure.tombstones) == len(named) == documents:
        yield Fault(ERASED, "", "erased", "expected one tombstone for each document that is gone")


def erased_leaves(release: Release, table: str) -> set[int]:
    """Return the places of the leaves of a table whose rows were erased."""
    stones = release.erasure.tombstones if release.erasure else ()
    return {leaf for stone in stones for leaf in stone.leaves.get(table, ())}
