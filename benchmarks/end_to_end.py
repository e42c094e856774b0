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
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
WRITTEN = ("units", "files", "written", "sent", "sent_bytes")
LEAST_CPU = 0.01
"""CPU seconds below which a rate says nothing."""


@dataclass(frozen=True)
class Settings:
    """What to run.

    Args:
        dedup_only: Exact and near-duplicates only.
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
        stopped_by: What the guard said that stopped a first run, or None.
    """

    measured: Measured
    summary: dict[str, Any]
    stopped_by: str | None


def muniment(*arguments: str) -> Measured:
    """Run the command line of muniment and measure it."""
    return run_measured([*MUNIMENT, *arguments])


def complaint(measured: Measured) -> str:
    """Return the error that a failed command printed, or the last that it said at all."""
    lines = measured.stderr.strip().splitlines() or [f"exit code {measured.code}, no message"]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return (errors or lines)[-1]


def run_job(corpus: Corpus, settings: Settings, folder: Path, output: Path) -> Finished:
    """Run a job to its release; where a guard stops it, run it again with the guard overridden.

    Args:
        corpus: What it reads.
        settings: What it does.
        folder: Folder for the job file and its key.
        output: Folder for the release; empty or missing, because a job resumes what it finds.

    Raises:
        BenchmarkError: The job fails, or the output folder holds something.
    """
    if output.exists() and any(output.iterdir()):
        raise BenchmarkError(f"{output}: expected an empty folder, a job resumes what it finds")
    stopped_by = None
    for override in (OVERRIDE,) if settings.override else (None, OVERRIDE):
        job = write_job(
            corpus,
            folder,
            dedup_only=settings.dedup_only,
            ner=settings.ner,
            workers=settings.workers,
            override=override,
        )
        measured = muniment("run", str(job), "--allow-outside", "-o", str(output))
        if measured.code == 0:
            return Finished(measured, json.loads(measured.stdout), stopped_by)
        message = complaint(measured)
        if measured.code != GUARD_EXIT or "override_guards" not in message:
            break
        stopped_by = message
        print(f"stopped by a guard, running again without it: {message}", file=sys.stderr)
        shutil.rmtree(output)  # or the second run would resume the first, and cost next to nothing
    raise BenchmarkError(f"muniment run: exit code {measured.code}: {message}")


def verify(output: Path) -> dict[str, Any]:
    """Check the files and the books of a release.

    Raises:
        BenchmarkError: Something is wrong with it.
    """
    measured = muniment("verify", str(output))
    if measured.code:
        raise BenchmarkError(f"muniment verify: exit code {measured.code}: {complaint(measured)}")
    return {
        "verified": json.loads(measured.stdout)["verified"],
        "seconds": round(measured.seconds, 2),
    }


def speed(corpus: Corpus, seconds: float) -> dict[str, float]:
    """Return megabytes (10^6 bytes) of text and documents a second."""
    return {
        "mb_per_s": round(corpus.text_bytes / 1e6 / seconds, 3),
        "documents_per_s": round(corpus.documents / seconds, 1),
    }


def cost(measured: Measured) -> dict[str, Any]:
    """Return seconds, CPU and memory of a command."""
    return {
        "seconds": round(measured.seconds, 2),
        "cpu_seconds": round(measured.cpu_seconds, 2),
        "peak_rss_sum_bytes": measured.rss_sum,
        "peak_rss_largest_bytes": measured.rss_largest,
        "processes": measured.processes,
    }


def by_stage(corpus: Corpus, stages: dict[str, dict[str, float]]) -> dict[str, dict[str, Any]]:
    """Return the cost of each stage, and of the steps within (`stage.step`).

    Args:
        corpus: What was read.
        stages: As in the summary of a run: seconds and CPU seconds, summed over workers.

    Returns:
        For each: seconds, CPU seconds, and megabytes of the corpus' text a CPU second; the
        last is None where the CPU time is too small to tell. For stages also what they wrote.
    """
    megabytes = corpus.text_bytes / 1e6
    return {
        name: {
            "seconds": round(entry["seconds"], 2),
            "cpu_seconds": round(entry["cpu_seconds"], 2),
            "mb_per_cpu_second": round(megabytes / entry["cpu_seconds"], 1)
            if entry["cpu_seconds"] >= LEAST_CPU
            else None,
            **{count: entry[count] for count in WRITTEN if count in entry},
        }
        for name, entry in stages.items()
    }


def outside_stages(stages: dict[str, dict[str, float]], cpu_seconds: float) -> float:
    """Return the CPU seconds that no stage took: start-up, planning, the engine, the commit."""
    return round(
        cpu_seconds
        - sum(entry["cpu_seconds"] for name, entry in stages.items() if "." not in name),
        2,
    )


def slowest_step(stages: dict[str, dict[str, float]], cpu_seconds: float) -> dict[str, Any]:
    """Return the dearest step, and how many times its CPU seconds the whole job took."""
    owners = {name.partition(".")[0] for name in stages if "." in name}
    steps = {name: entry["cpu_seconds"] for name, entry in stages.items() if name not in owners}
    name = max(steps, key=lambda step: steps[step])
    return {"step": name, "job_to_step": round(cpu_seconds / max(steps[name], LEAST_CPU), 2)}


def warm_up(corpus: Corpus, settings: Settings, folder: Path) -> float:
    """Run the job on the first rows of each source; return its seconds."""
    (folder / "data").mkdir()
    small = first_rows(corpus, folder / "data")
    tried = run_job(small, replace(settings, override=True), folder, folder / "release")
    return tried.measured.seconds


def measure(corpus: Corpus, settings: Settings, output: Path | None = None) -> dict[str, Any]:
    """Run a job on a corpus, verify its release, and report.

    Args:
        corpus: What it reads.
        settings: What it does.
        output: Folder to keep the release in; None throws it away.
    """
    with tempfile.TemporaryDirectory(prefix="muniment-bench-") as name:
        folder = Path(name).resolve()
        (folder / "warm").mkdir()
        warm_up_seconds = warm_up(corpus, settings, folder / "warm")
        release = output or folder / "release"
        done = run_job(corpus, settings, folder, release)
        checked = verify(release)
    summary, measured = done.summary, done.measured
    return {
        "corpus": corpus.name,
        "documents": corpus.documents,
        "text_bytes": corpus.text_bytes,
        "job": "dedup" if settings.dedup_only else f"all, names {settings.ner}",
        "workers_asked": settings.workers or None,
        "machine": {"cores": len(os.sched_getaffinity(0)), "machine": platform.machine()},
        "python": platform.python_version(),
        "warm_up_seconds": round(warm_up_seconds, 2),
        **cost(measured),
        **speed(corpus, measured.seconds),
        "counts": summary["documents"],
        "removed_by_reason": summary["removed_by_reason"],
        "quarantined_by_reason": summary["quarantined_by_reason"],
        "guard": done.stopped_by,
        "guards_overridden": settings.override or done.stopped_by is not None,
        "books": checked,
        "cpu_seconds_outside_stages": outside_stages(summary["stages"], measured.cpu_seconds),
        "slowest": slowest_step(summary["stages"], measured.cpu_seconds),
        "stages": by_stage(corpus, summary["stages"]),
    }


def parser_of(description: str) -> argparse.ArgumentParser:
    """Return a command line with what every benchmark on a corpus takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("name", choices=sorted(CORPORA), metavar="NAME", help=" or ".join(CORPORA))
    parser.add_argument("--cache", type=Path, default=default_cache(), metavar="DIR",
                        help="default: $MUNIMENT_CACHE or ~/.cache/muniment/corpora")  # fmt: skip
    parser.add_argument("--source", action="append", default=[], metavar="NAME",
                        help="take this source only; may be repeated")  # fmt: skip
    parser.add_argument("--override-guards", action="store_true",
                        help="override the guards from the start: saves the run they stop")  # fmt: skip
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Read the command line, measure, print JSON."""
    parser = parser_of((__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", choices=("dedup", "all"), default="all")
    parser.add_argument("--ner", choices=("off", "contact", "all"), default="contact")
    parser.add_argument("--workers", type=int, default=0, help="default: what muniment chooses")
    parser.add_argument("--output", type=Path, metavar="DIR", help="keep the release here")
    parser.add_argument("--profile", action="store_true", help="count calls for each document")
    options = parser.parse_args(argv)
    settings = Settings(
        options.only == "dedup", options.ner, options.workers, options.override_guards
    )
    try:
        corpus = open_corpus(options.cache, options.name, options.source)
        if options.profile:
            report = profile_job(corpus, dedup_only=settings.dedup_only, ner=settings.ner)
        else:
            report = measure(corpus, settings, options.output)
    except (BenchmarkError, OSError) as error:
        print(f"end_to_end.py: {error}", file=sys.stderr)
        return 2
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
