# SPDX-License-Identifier: Apache-2.0
"""A job file on an object store, with what lies beside it.

Machines that share no disk need the key, the lists and the snapshots too. Where the job file is on
an object store, its folder is where every process fetches them from, into a private folder of its
own that goes with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ..schemas.errors import JobError
from ..schemas.job import Job
from ..schemas.job_file import LoadedJob, load_job
from ..schemas.locations import remote_problem
from ..transforms.stores import Location, Mirror, location_of, store_at


@contextmanager
def remote_job(
    place: Location, *, inputs: Location | None = None, allow_outside: bool = False
) -> Iterator[LoadedJob]:
    """Read a job file and bring what it names.

    Args:
        place: The job file: s3:// or gs://.
        inputs: What the sources' paths are relative to; the folder of the job file by default.
        allow_outside: As for `load_job`.

    Yields:
        The job; local copies last as long as the block.

    Raises:
        JobError: The job has problems, or a file beside it is missing.
    """
    place = location_of(place)
    if problem := remote_problem(place):
        raise JobError(problem)
    folder, _, name = place.rpartition("/")
    mirror = store_at(folder).mirror(folder)
    there = Path(mirror.folder)
    _bring(mirror, folder, [name])
    loaded = load_job(there / name, inputs=inputs or folder, allow_outside=allow_outside)
    _bring(mirror, folder, beside(loaded.job))
    yield replace(loaded, path=Path(place), origin=folder)


def _bring(mirror: Mirror, folder: str, names: list[str]) -> None:
    mirror.bring(names)
    missing = [name for name in names if not Path(mirror.folder, name).exists()]
    if missing:
        raise JobError([f"{folder}/{name}: there is no such object" for name in missing])


def beside(job: Job) -> list[str]:
    """Return the files that a job names besides its inputs, as written: key, lists, snapshots."""
    return [
        job.key_file,
        *(item.path for item in job.lists),
        *(item.path for item in job.rights.snapshots),
    ]
