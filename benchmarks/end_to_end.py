# SPDX-License-Identifier: Apache-2.0
"""Run a whole job on a corpus and print what it cost, as one JSON object.

    python benchmarks/end_to_end.py mail|mixed|large [--only dedup] [--ner off|contact|all]
        [--workers N] [--source NAME ...] [--output DIR] [--profile]

The job runs as `python -m muniment run`, so start-up is in the time; then `muniment verify` checks
the release. A job on the first rows of each source goes before, off the clock: it compiles what a
new installation has not compiled yet. `--profile` runs the job twice in this process instead and
counts what Python did for each document (`call_counts.py`). `benchmarks/README.md` explains the
numbers.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from call_counts import profile_job
from corpora import default_cache
from corpus_catalogue import CORPORA
from corpus_job import BenchmarkError, Corpus, first_rows, open_corpus, write_job
from process_tree import Measured, run_measured

MUNIMENT = (sys.executable, "-m", "muniment")
GUARD_EXIT = 3
OVERRIDE = "benchmark: the corpus is meant to hold many near-duplicates"


@dataclass(frozen=True)
class Settings:
    """What to run.

    Args:
        dedup_only: Language, exact and near-duplicates only.
        ner: Where to look for names.
        workers: Worker processes; 0 leaves it to muniment.
        override: Whether to override the guards from the start.
    """

    dedup_only: bool = False
    ner: str = "contact"
    workers: int = 0
    override: bool = False


@dataclass(frozen=True)
class Finished:
    """A run that made a release.

    Args:
        measured: What it cost.
        summary: What `muniment run` printed.
        output: Folder of the release.
        stopped_by: What the guard said that stopped a first run, or None.
    """

    measured: Measured
    summary: dict[str, Any]
    output: Path
    stopped_by: str | None


def muniment(*arguments: str) -> Measured:
    """Run the command line of muniment and measure it."""
    return run_measured([*MUNIMENT, *arguments])


def last_line(measured: Measured) -> str:
    """Return what a failed command said last."""
    lines = measured.stderr.strip().splitlines() or [f"exit code {measured.code}, no message"]
    return lines[-1].removeprefix("error: ")


def run_job(corpus: Corpus, settings: Settings, folder: Path, output: Path) -> Finished:
    """Run a job to its release; where a guard stops it, run it again with the guard overridden.

    Args:
        corpus: What it reads.
        settings: What it does.
        folder: Empty folder for the job file and for a run that a guard stops.
        output: Folder for the release; empty or missing, because a job resumes what it finds.

    Raises:
        BenchmarkError: The job fails, or the output folder holds something.
    """
    if output.exists() and any(output.iterdir()):
        raise BenchmarkError(f"{output}: expected an empty folder, since a job resumes a former one")
    stopped_by = None
    override = OVERRIDE if settings.override else None
    target = output if settings.override else folder / "first"
    while True:
        job = write_job(
            corpus, folder, dedup_only=settings.dedup_only, ner=settings.ner, override=override
        )
        workers = ("--workers", str(settings.workers)) if settings.workers else ()
        measured = muniment("run", str(job), "--allow-outside", "-o", str(target), *workers)
        if measured.code == 0:
            break
        message = last_line(measured)
        guarded = measured.code == GUARD_EXIT and "deduplication.override_guards" in message
        if not guarded or override is not None:
            raise BenchmarkError(f"muniment run: exit code {measured.code}: {message}")
        # A new folder: in the old one the second run would resume, and cost next to nothing.
        stopped_by, override, target = message, OVERRIDE, output
        print(f"stopped by a guard, running again without: {message}", file=sys.stderr)
    if target != output:
        output.parent.mkdir(parents=True, exist_ok=True)
        if output.exists():
            output.rmdir()
        target.rename(output)
    return Finished(measured, json.loads(measured.stdout), output, stopped_by)
