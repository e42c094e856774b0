# SPDX-License-Identifier: Apache-2.0
"""Local worker processes, forked from one that has already loaded everything.

Starting a worker costs as much as measuring 40 MB: imports, character tables, compiled kernels,
models, lists. One process pays that once, while the launcher still plans, and every worker is a
fork of it, which also shares the memory of models and lists. This module imports next to nothing,
so that the command line can start that process first of all.
"""

from __future__ import annotations

import glob
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Self

from ..schemas.errors import StageError
from ..schemas.job import Job
from ..schemas.job_file import LoadedJob

SMALL_JOB_BYTES = 8 << 20
"""Inputs up to which one process is faster: starting two workers costs 2 to 4 s of imports and
model loading, annotating 8 MiB with every stage on one core about as long."""

_START = f"import gc; gc.disable(); from {__package__}.worker import main; main()"
"""Imports and models make no garbage; they are a tenth faster without its collection."""

_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",  # one worker a core
    "OPENBLAS_NUM_THREADS": "1",
    # Buffers of every batch come from the heap again, not from the system, which would clear their
    # pages each time: canonical texts of 223 MB in 0.38 s of CPU instead of 0.44.
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 28),
    # Arrow's own buffers likewise: ten heavy splits of `large` finalized in 2.49 s of CPU instead of
    # 2.78, with 20 of 586 MB more held.
    "MIMALLOC_PURGE_DELAY": "-1",
}


def worker_count(job: Job, file_bytes: Iterable[int]) -> int:
    """Return how many local worker processes suit a job: 1 means inside the launcher.

    Args:
        job: The job.
        file_bytes: Size of each input file (bytes).
    """
    if job.engine.workers:
        return job.engine.workers
    if sum(file_bytes) <= SMALL_JOB_BYTES:
        return 1
    return len(os.sched_getaffinity(0))


def is_local(beam_arguments: Sequence[str]) -> bool:
    """Return whether a job runs on this machine, without a runner of its own."""
    return not any(item.startswith("--runner") for item in beam_arguments)


def start_workers(loaded: LoadedJob, beam_arguments: Sequence[str]) -> LocalWorkers | None:
    """Start what the workers of a job will be forked from, if it is to have any.

    Meant to be called before anything slow is imported. A guess is enough: what a job really needs
    is known when it is planned.

    Args:
        loaded: The job.
        beam_arguments: Flags for Beam.
    """
    if not is_local(beam_arguments):
        return None
    patterns = (os.path.join(loaded.inputs, path) for s in loaded.job.sources for path in s.paths)
    files = (path for pattern in patterns for path in glob.iglob(pattern, recursive=True))
    sizes = (os.path.getsize(path) for path in files if os.path.isfile(path))
    return LocalWorkers() if worker_count(loaded.job, sizes) > 1 else None


class LocalWorkers:
    """A process from which the workers of a job are forked; ends with the block that it is for.

    What libraries print there goes to a file in the private work folder, because it is not known
    to be free of document text.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603  (this interpreter, a constant text)
            [sys.executable, "-c", _START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,  # a byte for each worker that was forked
            stderr=subprocess.DEVNULL,
            env=os.environ | _ENVIRONMENT,
        )

    @property
    def pid(self) -> int:
        """Process that the workers are forked from."""
        return self._process.pid

    def prepare(self, plan_path: str, digest: str, log: str) -> None:
        """Let the process load what the workers of a run will need.

        Args:
            plan_path: The plan on disk.
            digest: Fingerprint of the plan.
            log: File for what workers print; it exists and is private.
        """
        self._send({"plan": plan_path, "digest": digest, "log": log})

    def fork(self, environment: Mapping[str, str]) -> None:
        """Fork a worker.

        Args:
            environment: What Beam tells its workers.

        Raises:
            StageError: The process has ended, and Beam would wait for the worker for ever.
        """
        assert self._process.stdout is not None  # noqa: S101  (for the type checker: it is a pipe)
        try:
            self._send({"environment": dict(environment)})
            forked = self._process.stdout.read(1)
        except BrokenPipeError:
            forked = b""
        if not forked:
            message = "the process that workers are forked from has ended; run the job again"
            raise StageError(message)

    def _send(self, message: Mapping[str, object]) -> None:
        assert self._process.stdin is not None  # noqa: S101  (for the type checker: it is a pipe)
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()

    def close(self, *, kill: bool = False) -> None:
        """Wait until every worker has ended.

        Args:
            kill: Whether to end them now; workers die with the process they were forked from.
        """
        if kill:
            self._process.kill()
        try:
            self._process.communicate()
        except BrokenPipeError:
            self._process.wait()

    def __enter__(self) -> Self:
        """Nothing to do: the process has been started."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        """End."""
        self.close(kill=kind is not None)
