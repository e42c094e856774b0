# SPDX-License-Identifier: Apache-2.0
"""Run jobs here and on a Flink cluster on this machine: equal bytes, and the ratio of wall times.

    python infra/flink/compare.py --jars FOLDER demo mixed

FOLDER is what `jars.py` filled. `mixed` needs `python benchmarks/corpora.py mixed` first. Each job
runs on both twice and the better time counts: the first run compiles kernels and warms caches.
Prints one JSON line for each job; exit code 1 if a file differs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cluster import Cluster, ClusterError

from muniment.pipelines.demo_corpus import build_demo

_BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
ROUNDS = 2
WORKERS = 2
"""Local workers, and tasks at a time on the cluster."""


def prepare(name: str, folder: Path) -> Path:
    """Write a job and, for `demo`, its corpus; return the job file."""
    if name == "demo":
        return build_demo(folder)
    sys.path.insert(0, str(_BENCHMARKS))
    from corpora import default_cache
    from corpus_job import open_corpus, write_job

    corpus = open_corpus(default_cache(), name)
    reason = "benchmark: the corpus is meant to hold many near-duplicates"
    return write_job(corpus, folder, dedup_only=False, ner="contact", override=reason)


def timed(job: Path, output: Path, flags: Sequence[str]) -> float:
    """Run a job and return its seconds, interpreter start included.

    Raises:
        ClusterError: It fails.
    """
    command = [sys.executable, "-m", "muniment", "run", str(job), "--allow-outside"]
    start = time.perf_counter()
    done = subprocess.run(
        [*command, "-o", str(output), *flags], capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["nothing"]
        raise ClusterError(f"muniment run {' '.join(flags)}: {said[-1]}")
    return time.perf_counter() - start


def digests(output: Path) -> dict[str, str]:
    """Return the sha256 of every file of the current release but run.json, by path."""
    release = output / (output / "CURRENT").read_text().strip()
    return {
        str(path.relative_to(release)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(release.rglob("*"))
        if path.is_file() and path.name != "run.json"
    }


def compare(name: str, folder: Path, flags: Sequence[str]) -> dict[str, Any]:
    """Run a job on both; return times, their ratio, and the files that differ."""
    job = prepare(name, folder / "job")
    seconds: dict[str, float] = {}
    ways = {"local": [f"--workers={WORKERS}"], "flink": flags}
    for number in range(ROUNDS):
        for way, own in ways.items():
            took = timed(job, folder / f"{way}-{number}", own)
            seconds[way] = min(took, seconds.get(way, took))
    here, there = (digests(folder / f"{way}-{ROUNDS - 1}") for way in ways)
    differing = sorted(path for path in here | there if here.get(path) != there.get(path))
    return {
        "job": name,
        "files": len(here),
        "differing": differing,
        "local_seconds": round(seconds["local"], 1),
        "flink_seconds": round(seconds["flink"], 1),
        "ratio": round(seconds["flink"] / seconds["local"], 2),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Read the command line, start a cluster, compare, stop it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--jars", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("names", nargs="+", choices=("demo", "mixed"), metavar="JOB")
    options = parser.parse_args(argv)
    equal = True
    with tempfile.TemporaryDirectory(prefix="muniment-flink-") as name:
        folder = Path(name).resolve()
        cluster = Cluster(folder / "cluster")
        try:
            cluster.start(options.jars / "flink", task_managers=2, slots=2, python=sys.executable)
            jar = options.jars.absolute() / "job-server.jar"
            flags = [*cluster.flags(WORKERS), f"--flink_job_server_jar={jar}"]
            for item in options.names:
                (folder / item / "job").mkdir(parents=True)
                report = compare(item, folder / item, flags)
                print(json.dumps(report), flush=True)
                equal = equal and not report["differing"]
        except (ClusterError, OSError) as error:
            print(f"compare.py: {error}", file=sys.stderr)
            return 2
        finally:
            cluster.stop()
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
