# SPDX-License-Identifier: Apache-2.0
"""Find and remove what no release of an output folder needs.

    snapshots/<id>/          releases that are neither current nor among those kept
    snapshots/.staging-*     what a killed run was putting together
    snapshots/<id>/          on an object store also without MANIFEST.json: the same
    .tmp-*, .staging-*       what a killed process was writing or removing beside them
    .work/                   the work folder of a run that ended early (running it again is slower)

The current release is never touched, nor is one that a signature stands for or that a signed
release goes back to, unless that is asked for. Signatures themselves stay. A kill on the way leaves
what the next call removes, and never a part of a release under its name.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..schemas.errors import ReleaseError
from ..transforms.stores import Location, Store, join, store_at
from .chain import line_of, parents_of
from .release import BESIDE, LOCK_FILE, WORK_FOLDER, current_id, open_release
from .signatures import ATTESTATIONS_FOLDER

KEEP = 2
"""Releases kept by default: the current one and the one before it."""


@dataclass(frozen=True)
class Garbage:
    """Something that no release needs.

    Args:
        path: Path below the output folder.
        why: Why it is not needed.
        files: Files in it.
        bytes: Their size.
    """

    path: str
    why: str
    files: int
    bytes: int


def collect_garbage(
    output: Location, *, keep: int = KEEP, signed: bool = False, remove: bool = False
) -> dict[str, Any]:
    """List what no release needs, and remove it if asked to.

    Args:
        output: Output folder, on a disk or an object store.
        keep: Releases to keep: the current one and those it goes back to, at least 1.
        signed: Whether releases that are signed, or that a signed one goes back to, may go too.
        remove: Whether to remove what was found; else nothing is touched.

    Returns:
        What was found: `removed`, `bytes`, and `items` in the order of their paths.

    Raises:
        ReleaseError: There is no current release here, or a run is going on.
        IntegrityError: The current release cannot be trusted to say what it needs.
    """
    store = store_at(output)
    output = store.absolute(join(output))
    current = open_release(output)
    if not remove:
        return _report(find_garbage(output, keep=keep, signed=signed), removed=False)
    with store.locked(join(output, LOCK_FILE)) as held:
        if open_release(output).id != current.id:
            raise ReleaseError(f"{output}: another release became current meanwhile; run again")
        found = find_garbage(output, keep=keep, signed=signed)
        for item in found:
            held.check()
            _remove(store, join(output, item.path))
    return _report(found, removed=True)


def _report(found: list[Garbage], *, removed: bool) -> dict[str, Any]:
    items = [asdict(item) for item in found]
    return {"removed": removed, "bytes": sum(item.bytes for item in found), "items": items}


def _remove(store: Store, place: str) -> None:
    if place.rpartition("/")[2].startswith(".tmp-"):
        store.remove(place)
    else:
        store.discard(place, "MANIFEST.json")


def find_garbage(output: str, *, keep: int, signed: bool) -> list[Garbage]:
    """Return what no release needs, sorted by path; touch nothing.

    Args:
        output: Output folder with a current release.
        keep: Releases of the current line to keep.
        signed: Whether signed ones may be in it.
    """
    store = store_at(output)
    held: dict[str, list[str]] = {}
    for path in store.tree(output):
        parts = path.split("/")
        entry = "/".join(parts[:2]) if parts[0] == "snapshots" else parts[0]
        if path.strip("/") != "snapshots":
            held.setdefault(entry, []).append(path)
    reasons = _unneeded_releases(output, keep, signed=signed)
    found = []
    for entry, paths in sorted(held.items()):
        why = reasons.get(entry) or _leftover(entry, paths)
        if why:
            sizes = [store.stat(join(output, p)).bytes for p in paths if not p.endswith("/")]
            found.append(Garbage(entry, why, len(sizes), sum(sizes)))
    return found


def _leftover(entry: str, paths: list[str]) -> str | None:
    """Return why something that is no release is not needed, None if it is."""
    if entry == WORK_FOLDER:
        return "work folder of a run that did not finish"
    if entry.startswith((".tmp-", ".staging-")):
        return "was being written or removed when its process died"
    if entry.startswith("snapshots/") and f"{entry}/MANIFEST.json" not in paths:
        return "never became a release"
    if entry.startswith("snapshots/."):
        return "was being put together when its process died"
    return None


def _unneeded_releases(output: str, keep: int, *, signed: bool) -> dict[str, str]:
    """Return the releases that are not to be kept, as `snapshots/<id>`, each with a reason."""
    mirror = store_at(output).mirror(output)
    mirror.bring_like(BESIDE)
    there = Path(mirror.folder)
    parents = parents_of(there)
    line = line_of(parents, current_id(there))
    kept = set(line[: max(keep, 1)])
    if not signed:
        folder = there / ATTESTATIONS_FOLDER
        for release_id in parents:
            if any((folder / release_id).glob("*.json")):
                kept.update(line_of(parents, release_id))
    return {
        f"snapshots/{release_id}": "older than the releases to keep"
        if release_id in line
        else "not current, and no release that is kept goes back to it"
        for release_id in parents
        if release_id not in kept
    }
