# SPDX-License-Identifier: Apache-2.0
"""A release on disk, opened for reading: where it is, what it holds, whether a file is intact.

    <output>/CURRENT                      one line: snapshots/<release id>
    <output>/HISTORY                      what CURRENT has named so far, see `chain`
    <output>/snapshots/<release id>/      MANIFEST.json and the files it lists

The release id is the first 16 hexadecimal digits of the SHA-256 of MANIFEST.json, so a folder
name vouches for its manifest, and the manifest for every file. Nothing here follows a symbolic
link or a path that leaves the release.
"""

from __future__ import annotations

import hashlib
import json
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..schemas.errors import IntegrityError, ReleaseError
from ..schemas.tables import CORPUS, SCHEMA_VERSION
from ..transforms.stores import Location, Mirror, join, location_of, store_at
from .erasure import ERASED, Erasure, read_erasure

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = "muniment-release"
WORK_FOLDER = ".work"
"""Private folder of a run, below the output folder."""

LOCK_FILE = ".lock"
"""Held by the run that writes to the output folder."""

UNLISTED = ("MANIFEST.json", "run.json", ERASED)
"""Files that the manifest of a release does not list: itself, times and host of the run, and what
was erased later."""

BESIDE = re.compile(
    r"CURRENT|HISTORY|snapshots/[0-9a-f]{16}/(MANIFEST|run|ERASED)\.json|attestations/.+\.json|samples/.+\.csv"
)
"""Files of an output folder that are no part of a release, and those that tell of each release."""

_ID = re.compile(r"[0-9a-f]{16}")
_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_HEX64 = re.compile(r"[0-9a-f]{64}")
_MANIFEST_LIMIT = 256 << 20  # bytes; a file entry takes about 160, so 1.6 million files
_CHUNK = 1 << 20


@dataclass(frozen=True)
class ReleaseFile:
    """One file of a release as its manifest lists it.

    Args:
        path: Path below the release folder, with `/`.
        table: Table it is a part of, or None.
        bytes: Size.
        rows: Rows or lines, or None for files without.
        sha256: Digest, 64 hexadecimal digits.
        was: Path that the manifest lists it under; another one only if rows were erased from it.
        removed: Numbers that the erased rows had, ascending.
    """

    path: str
    table: str | None
    bytes: int
    rows: int | None
    sha256: str
    was: str
    removed: tuple[int, ...] = ()


@dataclass(frozen=True)
class Release:
    """One release whose manifest has been read and proved by its folder's name.

    Args:
        output: Folder that holds `CURRENT` and `snapshots/`; of a release on an object store, a
            private local copy of what was asked for so far.
        id: Release id, 16 hexadecimal digits.
        manifest: Content of MANIFEST.json.
        listed: Every file of the release, those with erased rows as they are now.
        origin: Location of the output folder.
        mirror: Brings files to `output`.
        erasure: What was erased from it since, or None.
    """

    output: Path
    id: str
    manifest: Mapping[str, Any] = field(repr=False)
    listed: tuple[ReleaseFile, ...] = field(repr=False)
    origin: str
    mirror: Mirror = field(repr=False, compare=False)
    erasure: Erasure | None = field(default=None, repr=False)

    @property
    def folder(self) -> Path:
        """Return the folder of the release."""
        return self.output / "snapshots" / self.id

    @property
    def totals(self) -> Mapping[str, Any]:
        """Return the totals of the manifest: documents, tokens, bytes, reasons."""
        totals: Mapping[str, Any] = self.manifest["totals"]
        return totals

    def files(self, table: str | None = None) -> tuple[ReleaseFile, ...]:
        """Return the listed files, all or those of one table, in the order of their paths."""
        return tuple(item for item in self.listed if table is None or item.table == table)

    def parts(self, table: str) -> list[Path]:
        """Return the Parquet files of a table as paths, each inside the release.

        Raises:
            IntegrityError: A part is missing, or is not a plain file below the release folder.
        """
        items = [item for item in self.files(table) if item.path.endswith(".parquet")]
        self.bring(items)
        return [self.path(item) for item in items]

    def bring(self, items: Iterable[ReleaseFile]) -> None:
        """Make some files local, several at once; a release on a disk is."""
        self.mirror.bring([f"snapshots/{self.id}/{item.path}" for item in items])

    def bring_beside(self) -> None:
        """Make local what lies beside the release: other manifests, reports, signatures, samples."""
        self.mirror.bring_like(BESIDE)

    @contextmanager
    def content(self, item: ReleaseFile) -> Iterator[Path]:
        """Give the local path of a file for one look; no copy of a corpus part is kept.

        Raises:
            IntegrityError: As `path`.
        """
        store = store_at(self.origin)
        if store.is_mapped or item.table != CORPUS.name:
            yield self.path(item)
            return
        try:
            with store.localised(join(self.origin, "snapshots", self.id, item.path)) as local:
                yield Path(local)
        except FileNotFoundError:
            raise IntegrityError(f"{item.path}: the file is missing") from None

    def path(self, item: ReleaseFile) -> Path:
        """Return where a listed file lies, after making sure that no link leads elsewhere.

        Raises:
            IntegrityError: The file is missing, not a plain file, or reached through a link.
        """
        self.bring([item])
        place = self.folder
        parts = item.path.split("/")
        for number, part in enumerate(parts, start=1):
            place = place / part
            try:
                mode = place.lstat().st_mode
            except OSError:
                raise IntegrityError(f"{item.path}: the file is missing") from None
            if number < len(parts) and not stat.S_ISDIR(mode):
                raise IntegrityError(f"{item.path}: expected a folder on the way to it")
            if number == len(parts) and not stat.S_ISREG(mode):
                raise IntegrityError(f"{item.path}: expected a plain file")
        return place

    def damage(self, item: ReleaseFile) -> str | None:
        """Return what is wrong with the bytes of a listed file, or None if they are intact."""
        try:
            with self.content(item) as place:
                return self.difference(place, item)
        except IntegrityError as error:
            return str(error).removeprefix(f"{item.path}: ")
        except OSError as error:
            return f"cannot be read: {error.strerror}"

    @staticmethod
    def difference(place: Path, item: ReleaseFile) -> str | None:
        """Return how a local file differs from a listed one, or None."""
        size = place.stat().st_size
        if size != item.bytes:
            return f"expected {item.bytes} bytes, found {size}"
        if file_sha256(place) != item.sha256:
            return f"expected sha256 {item.sha256[:16]}..., found another"
        return None


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def open_release(output_dir: Location, *, snapshot: str | None = None) -> Release:
    """Open the current release of an output folder, or one named by its id.

    Args:
        output_dir: Folder that `muniment run --output` wrote, on a disk or an object store.
        snapshot: Release id, or None for the one that `CURRENT` names.

    Returns:
        The release; its manifest is proved, its files are not read yet.

    Raises:
        ReleaseError: There is no release here, or this version cannot read it.
        IntegrityError: The manifest is not the one that the folder's name vouches for.
    """
    origin = location_of(output_dir)
    mirror = store_at(origin).mirror(origin)
    output = Path(mirror.folder)
    if snapshot is None:
        mirror.bring(["CURRENT"])
    release_id = _current(output, origin) if snapshot is None else snapshot
    if not _ID.fullmatch(release_id):
        raise ReleaseError(f"{origin}: expected a release id of 16 hexadecimal digits")
    mirror.bring([f"snapshots/{release_id}/{name}" for name in ("MANIFEST.json", ERASED)])
    raw = manifest_bytes(output, release_id, origin)
    found = hashlib.sha256(raw).hexdigest()[:16]
    if found != release_id:
        raise IntegrityError(
            f"snapshots/{release_id}/MANIFEST.json: expected a digest that starts with the folder's "
            f"name, found {found}; the manifest was changed after the release"
        )
    manifest = _parse(raw, release_id)
    erasure = read_erasure(output / "snapshots" / release_id)
    listed = without_erased(_listed(manifest, release_id), erasure)
    return Release(output, release_id, manifest, listed, origin, mirror, erasure)


def without_erased(
    files: tuple[ReleaseFile, ...], erasure: Erasure | None
) -> tuple[ReleaseFile, ...]:
    """Return files as they are now: those with erased rows as they were written anew."""
    after = erasure.files if erasure else {}

    def now(item: ReleaseFile) -> ReleaseFile:
        new = after.get(item.path)
        if new is None:
            return item
        return ReleaseFile(
            new.path, item.table, new.bytes, new.rows, new.sha256, item.path, new.removed
        )

    return tuple(now(item) for item in files)


def _current(output: Path, origin: str = "") -> str:
    pointer = output / "CURRENT"
    if output.is_dir() and not pointer.exists() and not pointer.is_symlink():
        raise ReleaseError(
            f"{origin or output}: no release here; run `muniment run JOB --output` first"
        )
    if not output.is_dir():
        raise ReleaseError(f"{origin or output}: no such folder; give the output folder of a run")
    if pointer.is_symlink() or not pointer.is_file():
        raise ReleaseError(f"{pointer}: expected a plain file, not a link or a folder")
    with pointer.open("rb") as stream:
        line = stream.read(128)
    match = re.fullmatch(rb"snapshots/([0-9a-f]{16})\n", line)
    if not match:
        raise IntegrityError(f"{pointer}: expected one line `snapshots/<release id>`")
    return match[1].decode("ascii")


def is_release_id(word: str) -> bool:
    """Tell whether a word is a release id: 16 hexadecimal digits."""
    return _ID.fullmatch(word) is not None


def current_id(output: Path) -> str | None:
    """Return the release id that CURRENT names, or None where it names none."""
    try:
        return _current(output)
    except (ReleaseError, IntegrityError):
        return None


def release_ids(output: Path) -> list[str]:
    """Return the ids of all releases of an output folder, current or not, sorted."""
    folder = output / "snapshots"
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if _ID.fullmatch(path.name))


def manifest_bytes(output: Path, release_id: str, origin: str = "") -> bytes:
    """Return MANIFEST.json of a release as it lies there, proved by nothing yet.

    Args:
        output: The output folder, or a local copy of it.
        release_id: The release.
        origin: How messages name the output folder.

    Raises:
        ReleaseError: There is no such release.
        IntegrityError: It cannot be read, is too large, or is reached through a link.
    """
    place = output / "snapshots" / release_id / "MANIFEST.json"
    for step in (place.parent.parent, place.parent, place):
        if step.is_symlink():
            raise IntegrityError(f"{step}: a release must not hold symbolic links")
    if not place.parent.is_dir():
        raise ReleaseError(f"{origin or output}: there is no release {release_id}")
    try:
        with place.open("rb") as stream:
            raw = stream.read(_MANIFEST_LIMIT + 1)
    except OSError as error:
        raise IntegrityError(
            f"snapshots/{release_id}/MANIFEST.json: cannot be read: {error.strerror}"
        ) from None
    if len(raw) > _MANIFEST_LIMIT:
        raise IntegrityError(f"snapshots/{release_id}/MANIFEST.json: larger than 256 MiB")
    return raw


def _parse(raw: bytes, release_id: str) -> dict[str, Any]:
    place = f"snapshots/{release_id}/MANIFEST.json"
    try:
        manifest = json.loads(raw)
    except (ValueError, RecursionError):
        raise IntegrityError(f"{place}: not JSON") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ReleaseError(f"{place}: expected format {FORMAT!r}")
    version = manifest.get("schema_version")
    if version != SCHEMA_VERSION:
        raise ReleaseError(
            f"{place}: unsupported_version: this muniment reads schema version {SCHEMA_VERSION}, "
            f"the release has {version!r}; use the version of muniment that made it"
        )
    return manifest


def _listed(manifest: Mapping[str, Any], release_id: str) -> tuple[ReleaseFile, ...]:
    place = f"snapshots/{release_id}/MANIFEST.json"
    if not isinstance(manifest.get("totals"), dict):
        raise IntegrityError(f"{place}: expected `files` and `totals`")
    return file_entries(manifest.get("files"), place)


def file_entries(entries: object, place: str) -> tuple[ReleaseFile, ...]:
    """Return the file entries of a manifest or an index, in the order of their paths.

    Args:
        entries: The list as it was read.
        place: Name of the file it stands in, for messages.

    Raises:
        IntegrityError: It is no list of sound entries, each path once.
    """
    if not isinstance(entries, list):
        raise IntegrityError(f"{place}: expected `files` and `totals`")
    found: dict[str, ReleaseFile] = {}
    for number, entry in enumerate(entries):
        item = _file(entry)
        if item is None:
            raise IntegrityError(f"{place}: files[{number}]: not a file entry inside the release")
        if item.path in found:
            raise IntegrityError(f"{place}: files[{number}]: listed twice")
        found[item.path] = item
    return tuple(found[path] for path in sorted(found))


def _file(entry: object) -> ReleaseFile | None:
    """Return a file entry, or None where a field is missing, of the wrong type or unsafe."""
    if not isinstance(entry, dict):
        return None
    path, table, size, rows, digest = (
        entry.get(name) for name in ("path", "table", "bytes", "rows", "sha256")
    )
    sound = (
        isinstance(path, str)
        and _PATH.fullmatch(path) is not None
        and path not in UNLISTED
        and (table is None or isinstance(table, str))
        and _count(size)
        and (rows is None or _count(rows))
        and isinstance(digest, str)
        and _HEX64.fullmatch(digest) is not None
    )
    return ReleaseFile(path, table, size, rows, digest, path) if sound else None  # type: ignore[arg-type]


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
