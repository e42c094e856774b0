# SPDX-License-Identifier: Apache-2.0
"""The restricted part of a release: its index, and whether it is private and intact.

    restricted/                 mode 0700, files 0600
      RESTRICTED.json           why, until when, every file; MANIFEST.json holds its digest
      <table>/part-*.parquet

The part may be missing (a release is published without it), but never in pieces.
"""

from __future__ import annotations

import hashlib
import json
import stat
from typing import TYPE_CHECKING

from ..schemas.errors import IntegrityError
from .release import file_entries, without_erased

if TYPE_CHECKING:
    from .release import Release, ReleaseFile

FOLDER = "restricted"
INDEX = f"{FOLDER}/RESTRICTED.json"
_SECRET_BITS = stat.S_IRWXG | stat.S_IRWXO


def is_restricted(path: str) -> bool:
    """Tell whether a path of a release lies in its restricted part."""
    return path.startswith(f"{FOLDER}/")


def restricted_files(release: Release) -> tuple[ReleaseFile, ...]:
    """Return the restricted files that are here; none if the release has no such part, or lost it.

    Raises:
        IntegrityError: There is one that MANIFEST.json does not vouch for.
    """
    release.mirror.bring([f"snapshots/{release.id}/{INDEX}"])
    if not (release.folder / FOLDER).exists():
        return ()
    said = release.manifest.get("restricted")
    try:
        raw = (release.folder / INDEX).read_bytes()
    except OSError as error:
        raise IntegrityError(f"{INDEX}: cannot be read: {error.strerror}") from None
    if not isinstance(said, dict) or hashlib.sha256(raw).hexdigest() != said.get("sha256"):
        raise IntegrityError(f"{INDEX}: not the index that MANIFEST.json names")
    files = file_entries(json.loads(raw).get("files"), INDEX)
    if not all(is_restricted(item.path) for item in files):
        raise IntegrityError(f"{INDEX}: lists a file outside its folder")
    return without_erased(files, release.erasure)


def open_to_others(release: Release) -> list[str]:
    """Return the restricted files and folders that others than their owner can reach."""
    place = release.folder / FOLDER
    found = [place, *place.rglob("*")] if place.exists() else []
    return sorted(
        str(path.relative_to(release.folder))
        for path in found
        if path.lstat().st_mode & _SECRET_BITS
    )
