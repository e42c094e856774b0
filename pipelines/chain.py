# SPDX-License-Identifier: Apache-2.0
"""The line of releases of an output folder: which goes back to which, and which were current.

    MANIFEST.json     names the release that was current when this one was made
    HISTORY           one line for each time CURRENT was moved: when, and `snapshots/<id>`

HISTORY is written after CURRENT, so a pointer that was set back can be told from one that a killed
run, or a gate, never moved. Who goes back to a former release on purpose adds a line. Whoever can
write to the folder can take lines away as well: an id that was noted elsewhere (`verify --known`)
holds against that too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..schemas.errors import IntegrityError, ReleaseError
from .faults import Fault
from .release import current_id, manifest_bytes, release_ids

if TYPE_CHECKING:
    from .release import Release

HISTORY = "HISTORY"
"""File beside CURRENT: what it has named so far."""

_LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00) snapshots/([0-9a-f]{16})")


def parents_of(output: Path) -> dict[str, str | None]:
    """Return every release of a folder with the one that it goes back to."""
    return {release_id: _parent(output, release_id) for release_id in release_ids(output)}


def line_of(parents: Mapping[str, str | None], release_id: str | None) -> list[str]:
    """Return a release and those it goes back to, as far as they are there."""
    line: list[str] = []
    while release_id and release_id in parents and release_id not in line:  # a circle must end
        line.append(release_id)
        release_id = parents[release_id]
    return line


def read_history(output: Path) -> list[tuple[str, str]]:
    """Return when CURRENT was moved to which release, oldest first; nothing where it is not noted.

    Raises:
        IntegrityError: A line cannot be read.
    """
    try:
        lines = (output / HISTORY).read_text("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return []
    found = [_LINE.fullmatch(line) for line in lines]
    if not all(found):
        raise IntegrityError(f"{HISTORY}: expected lines `<time> snapshots/<release id>`")
    return [(match[1], match[2]) for match in found if match]


def became_current(output: Path) -> dict[str, str]:
    """Return when each release first became current, as far as that can be read."""
    try:
        return {release_id: time for time, release_id in reversed(read_history(output))}
    except IntegrityError:
        return {}


def history_with(history: bytes, pointer: bytes) -> bytes | None:
    """Return what HISTORY is to say of what CURRENT says; None where it says so already."""
    if not pointer or history.endswith(b" " + pointer):
        return None
    return history + datetime.now(UTC).isoformat(timespec="seconds").encode() + b" " + pointer


def run_report(output: Path, release_id: str) -> dict[str, Any]:
    """Return run.json of a release, which no digest covers; empty where it cannot be read."""
    try:
        value = json.loads((output / "snapshots" / release_id / "run.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def check_current(release: Release) -> Iterator[Fault]:
    """Yield what is wrong with CURRENT where it names this release: set back, or never allowed."""
    release.bring_beside()
    output = release.output
    damage, named = "", [release.id]
    try:  # before CURRENT, which a run moves first
        named = [release_id for _, release_id in read_history(output)] or named
    except IntegrityError as error:
        damage = str(error).removeprefix(f"{HISTORY}: ")
    if current_id(output) != release.id:
        return
    if damage:
        yield Fault(HISTORY, "", "history", damage)
    last = named[-1]
    if last != release.id and (release.id in named or not _goes_back(output, release.id, last)):
        detail = f"set back: the release that was made current last is {last}"
        yield Fault("CURRENT", "", "rolled-back", detail)
    gates = run_report(output, release.id).get("gates")
    states = [gate.get("state") for gate in gates or () if isinstance(gate, dict)]
    if "failed" in states and release.id not in became_current(output):
        yield Fault("CURRENT", "", "refused", "names a release that failed a gate")


def check_known(release: Release, known: str) -> Iterator[Fault]:
    """Yield that a release does not go back to one that was noted elsewhere.

    Args:
        release: The release.
        known: Id of a release that was current once.
    """
    release.bring_beside()
    if not _goes_back(release.output, release.id, known):
        detail = f"set back or replaced: release {release.id} does not go back to {known}"
        yield Fault("CURRENT", "", "rolled-back", detail)


def _goes_back(output: Path, release_id: str, known: str) -> bool:
    """Return whether a release is, or goes back to, another; its last link may be gone."""
    parents = parents_of(output)
    line = line_of(parents, release_id)
    return known in line or (bool(line) and known == parents[line[-1]])


def _parent(output: Path, release_id: str) -> str | None:
    try:
        parent = json.loads(manifest_bytes(output, release_id)).get("parent") or {}
    except (IntegrityError, ReleaseError, ValueError, AttributeError):
        return None
    found = parent.get("release")
    return found if isinstance(found, str) else None
