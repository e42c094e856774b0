# SPDX-License-Identifier: Apache-2.0
"""What was erased from a release after it was made: read from ERASED.json, laid over its files.

    <snapshot>/ERASED.json                  files written anew, tombstones, a seal
    <snapshot>/<part>-erased-<n>.parquet    the part without the rows that were erased

MANIFEST.json, the roots and the leaves stay as they were signed. A tombstone says on which request
and day the rows with certain leaves went. It names the document by the SHA-256 of its id only: who
has the id finds it, nobody learns one from it. The seal is a MAC under the project's key, so files
that have no root cannot be exchanged under the name of an erasure.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..schemas.errors import IntegrityError

ERASED = "ERASED.json"
FORMAT = "muniment-erased-1"

_LIMIT = 256 << 20
_HEX64 = re.compile(r"[0-9a-f]{64}")
_PATH = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_./-]*?)(-erased-[0-9]+)?(\.parquet|\.jsonl\.zst)")


@dataclass(frozen=True)
class ErasedFile:
    """A file of a release that was written anew without some rows.

    Args:
        was: Path that the release lists it under.
        path: Path of what stands in its place.
        bytes: Size of that.
        rows: Its rows.
        sha256: Its digest.
        removed: Numbers that the erased rows had when the release was made, ascending.
    """

    was: str
    path: str
    bytes: int
    rows: int
    sha256: str
    removed: tuple[int, ...]


@dataclass(frozen=True)
class Tombstone:
    """A document that was erased.

    Args:
        document: SHA-256 of its id, hexadecimal.
        request: Request that asked for it.
        day: Day on which it was done, ISO 8601.
        leaves: Places of its rows among the leaves of each rooted table.
    """

    document: str
    request: str
    day: str
    leaves: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Erasure:
    """Everything that was erased from a release.

    Args:
        files: Files that were written anew, by the path they were listed under.
        tombstones: The documents, in the order in which they went.
        withheld: What the erased rows of `documents` counted, by input, outcome and reason.
        content: What ERASED.json says, without its seal.
        seal: MAC over that, hexadecimal.
        sha256: Digest of ERASED.json.
    """

    files: Mapping[str, ErasedFile]
    tombstones: tuple[Tombstone, ...]
    withheld: tuple[Mapping[str, Any], ...]
    content: Mapping[str, Any]
    seal: str
    sha256: str

    def stone(self, doc_id: bytes) -> Tombstone | None:
        """Return the tombstone of a document."""
        wanted = tombstone_name(doc_id)
        return next((stone for stone in self.tombstones if stone.document == wanted), None)


def tombstone_name(doc_id: bytes) -> str:
    """Return how a tombstone names a document."""
    return hashlib.sha256(doc_id).hexdigest()


def path_after(was: str, number: int) -> str:
    """Return where a part lies after the erasure of a number."""
    match = _PATH.fullmatch(was)
    if match is None:
        raise IntegrityError(f"{was}: expected a part of a table")
    return f"{match[1]}-erased-{number}{match[3]}"


def is_after_erasure(path: str) -> bool:
    """Tell whether a path is one that an erasure wrote."""
    match = _PATH.fullmatch(path)
    return match is not None and match[2] is not None


def read_erasure(snapshot: Path) -> Erasure | None:
    """Return what was erased from a release; None if nothing was.

    Args:
        snapshot: Folder of the release.

    Raises:
        IntegrityError: ERASED.json cannot be read as one.
    """
    place = snapshot / ERASED
    if not place.exists() and not place.is_symlink():
        return None
    if place.is_symlink() or not place.is_file() or place.stat().st_size > _LIMIT:
        raise IntegrityError(f"{ERASED}: expected a plain file of at most 256 MiB")
    raw = place.read_bytes()
    try:
        content = json.loads(raw)
        _require(content["format"] == FORMAT and content["release"] == snapshot.name)
        seal = content.pop("seal")
        files = [_file(entry) for entry in content["files"]]
        stones = tuple(_stone(entry) for entry in content["tombstones"])
        withheld = tuple({**_COUNTS, **entry} for entry in content["withheld"])
        _require(isinstance(seal, str) and len({file.was for file in files}) == len(files))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise IntegrityError(f"{ERASED}: not a record of erasures from this release") from None
    by_path = {file.was: file for file in files}
    return Erasure(by_path, stones, withheld, content, seal, hashlib.sha256(raw).hexdigest())


def _require(sound: bool) -> None:  # noqa: FBT001  (a condition)
    if not sound:
        raise ValueError


_COUNTS = dict.fromkeys(
    ("documents", "length", "tokens_in", "tokens_out", "bytes_in", "bytes_out"), 0
)


def _file(entry: Mapping[str, Any]) -> ErasedFile:
    file = ErasedFile(
        was=entry["was"],
        path=entry["path"],
        bytes=_count(entry["bytes"]),
        rows=_count(entry["rows"]),
        sha256=entry["sha256"],
        removed=_places(entry["removed"]),
    )
    before, after = _PATH.fullmatch(file.was), _PATH.fullmatch(file.path)
    if before is None or after is None or before.group(1, 3) != after.group(1, 3):
        raise ValueError
    _require(not before[2] and bool(after[2]) and ".." not in file.path)
    _require(_HEX64.fullmatch(file.sha256) is not None)
    return file


def _stone(entry: Mapping[str, Any]) -> Tombstone:
    leaves = {str(table): _places(places) for table, places in entry["leaves"].items()}
    stone = Tombstone(entry["document"], entry["request"], entry["day"], leaves)
    _require(_HEX64.fullmatch(stone.document) is not None and isinstance(stone.request, str))
    date.fromisoformat(stone.day)
    return stone


def _count(value: object) -> int:
    _require(isinstance(value, int) and not isinstance(value, bool) and value >= 0)
    return int(str(value))


def _places(values: Iterable[object]) -> tuple[int, ...]:
    places = tuple(_count(value) for value in values)
    _require(all(left < right for left, right in pairwise(places)))
    return places
