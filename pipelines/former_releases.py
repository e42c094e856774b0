# SPDX-License-Identifier: Apache-2.0
"""Former releases that a job compares its documents with: found, proved and fit to be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..schemas.errors import InputError, IntegrityError
from ..schemas.job_file import is_inside
from ..schemas.restricted import SIGNATURES
from ..transforms.run_state import FormerPart
from ..transforms.tokens import TOKENIZER
from .release import Release, ReleaseFile, open_release
from .restricted import restricted_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..schemas.deduplication import FormerRelease
    from ..schemas.job import Job
    from ..schemas.job_file import LoadedJob
    from ..transforms.run_state import Plan
    from ..transforms.units import Marker


def signature_parameters(job: Job) -> dict[str, Any]:
    """Return what two jobs must have in common, beside the key, for their signatures to compare."""
    return {"tokenizer": TOKENIZER, "shingle_size": job.deduplication.near.shingle_size}


def former_parts(loaded: LoadedJob, job: Job, key_id: str, first: int) -> tuple[FormerPart, ...]:
    """Resolve the former releases of a job to their files of signatures.

    Args:
        loaded: The job and its folder.
        job: The job.
        key_id: Public name of its key, hexadecimal.
        first: Number of the first part.

    Raises:
        InputError: A release has no signatures, or they were made in another way.
        IntegrityError: A file of signatures is damaged.
    """
    releases: dict[str, tuple[Release, FormerRelease]] = {}
    for number, asked in enumerate(job.deduplication.against):
        place = f"deduplication.against[{number}]"
        if not loaded.allow_outside and not is_inside(asked.release, loaded.root):
            raise InputError(
                f"{place}: path_outside_root: {asked.release!r} leads out of the job file's folder"
            )
        release = open_release(loaded.root / asked.release, snapshot=asked.snapshot)
        if release.id in releases:
            raise InputError(f"{place}: release {release.id} is given twice")
        _check(place, release, job, key_id)
        releases[release.id] = release, asked
    return tuple(
        FormerPart(
            number=first + number,
            release=release.id,
            label=item.path,
            path=str(release.path(item).absolute()),
            sha256=item.sha256,
            rows=item.rows or 0,
            stays=asked.keep == "old",
        )
        for number, (release, asked, item) in enumerate(
            (release, asked, item)
            for _, (release, asked) in sorted(releases.items())
            for item in _signatures(release)
        )
    )


def _signatures(release: Release) -> list[ReleaseFile]:
    """Return the files of signatures of a release, by path."""
    return [item for item in restricted_files(release) if item.table == SIGNATURES.name]


def _check(place: str, release: Release, job: Job, key_id: str) -> None:
    made, wanted = release.manifest.get("signatures"), signature_parameters(job)
    if made is None:
        raise InputError(
            f"{place}: release {release.id} holds no signatures; run its job with "
            "output.signatures: true"
        )
    if release.manifest.get("key_id") != key_id:
        raise InputError(
            f"{place}: release {release.id} was made with key {release.manifest.get('key_id')}, "
            f"this job has {key_id}; releases compare only under the same key"
        )
    for name, value in wanted.items():
        if made.get(name) != value:
            raise InputError(
                f"{place}: release {release.id} was made with {name} {made.get(name)!r}, this job "
                f"has {value!r}; they compare only if both are the same"
            )
    files = _signatures(release)
    if not files:
        raise InputError(
            f"{place}: the signatures of release {release.id} were taken away; "
            "use a copy that still has its restricted/ folder"
        )
    for item in files:
        if damage := release.damage(item):
            raise IntegrityError(f"{place}: release {release.id}: {item.path}: {damage}")


def former_rows(plan: Plan, markers: Sequence[Marker]) -> list[dict[str, Any]]:
    """Return the `former_releases` rows of a finished run.

    Args:
        plan: Its plan.
        markers: Markers of the parts of former releases, by number.
    """
    rows: dict[str, dict[str, Any]] = {}
    for part, marker in zip(plan.former, markers, strict=True):
        keep = "old" if part.stays else "new"
        row = rows.setdefault(
            part.release,
            {"release_id": part.release, "keep": keep, "documents": 0, "superseded": 0},
        )
        row["documents"] += marker.stats["documents"]
        row["superseded"] += marker.stats["superseded"]
    return list(rows.values())
