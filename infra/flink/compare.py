# SPDX-License-Identifier: Apache-2.0
"""Run jobs here and on a Flink cluster on this machine: equal bytes, and the ratio of wall times.

    python infra/flink/compare.py --jars FOLDER demo mixed

FOLDER is what `jars.py` filled. `mixed` needs `python benchmarks/corpora.py mixed` first. Each job
runs on both twice and the better time counts: the first run compiles kernels and warms caches. The
cluster and its pool are up before, as a cluster is: `cluster_seconds` says what that took. A run on
it includes the start of its job server, and of its workers with their models: the pool keeps none
between jobs. Prints one JSON line for each job, with CPU seconds by process; exit code 1 if a file
differs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from cluster import Cluster, ClusterError

from muniment.pipelines.demo_corpus import build_demo

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from corpora import default_cache
from corpus_job import BenchmarkError, open_corpus, write_job
from process_tree import Measured, Peaks, run_measured

ROUNDS = 2
INTERVAL = 0.2
"""Seconds between two looks at the processes."""
WORKERS = 2
"""Local workers, and tasks at a time on the cluster."""


def prepare(name: str, folder: Path) -> Path:
    """Write a job and, for `demo`, its corpus; return the job file."""
    if name == "demo":
        return build_demo(folder)
    corpus = open_corpus(default_cache(), name)
    reason = "benchmark: the corpus is meant to hold many near-duplicates"
    return write_job(corpus, folder, dedup_only=False, ner="contact", override=reason)


class Parts:
    """CPU seconds of the parts of a cluster while a block runs."""

    def __init__(self, cluster: Cluster) -> None:
        self._pids = {name: cluster.pid(name) for name in cluster.status()["processes"]}
        self._peaks = {name: Peaks() for name in self._pids}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._poll)
        self.cpu_seconds: dict[str, float] = {}

    def __enter__(self) -> Self:
        self._look()
        self._before = {name: peaks.cpu_seconds for name, peaks in self._peaks.items()}
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._look()
        self.cpu_seconds = {
            name: round(peaks.cpu_seconds - self._before[name], 1)
            for name, peaks in self._peaks.items()
        }

    def _poll(self) -> None:
        while not self._stop.wait(INTERVAL):
            self._look()

    def _look(self) -> None:
        for name, peaks in self._peaks.items():
            peaks.look(self._pids[name])


def run(job: Path, output: Path, flags: Sequence[str]) -> Measured:
    """Run a job and measure it, interpreter start included.

    Raises:
        ClusterError: It fails.
    """
    command = [sys.executable, "-m", "muniment", "run", str(job), "--allow-outside"]
    done = run_measured([*command, "-o", str(output), *flags], INTERVAL)
    if done.code:
        said = done.stderr.strip().splitlines() or ["nothing"]
        raise ClusterError(f"muniment run {' '.join(flags)}: {said[-1]}")
    return done


def digests(output: Path) -> dict[str, str]:
    """Return the sha256 of every file of the current release but run.json, by path."""
    release = output / (output / "CURRENT").read_text().strip()
    return {
        str(path.relative_to(release)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(release.rglob("*"))
        if path.is_file() and path.name != "run.json"
    }


def compare(name: str, folder: Path, cluster: Cluster, flags: Sequence[str]) -> dict[str, Any]:
    """Run a job on both; return times, their ratio, CPU seconds, and the files that differ."""
    job = prepare(name, folder / "job")
    seconds: dict[str, float] = {}
    cpu: dict[str, dict[str, float]] = {}
    ways = {"local": [f"--workers={WORKERS}"], "flink": flags}
    for number in range(ROUNDS):
        for way, own in ways.items():
            with Parts(cluster) as parts:
                done = run(job, folder / f"{way}-{number}", own)
            if done.seconds < seconds.get(way, done.seconds + 1):
                seconds[way] = done.seconds
                launcher = {"launcher": round(done.cpu_seconds, 1)}
                cpu[way] = launcher | (parts.cpu_seconds if way == "flink" else {})
    here, there = (digests(folder / f"{way}-{ROUNDS - 1}") for way in ways)
    differing = sorted(path for path in here | there if here.get(path) != there.get(path))
    return {
        "job": name,
        "files": len(here),
        "differing": differing,
        "local_seconds": round(seconds["local"], 1),
        "flink_seconds": round(seconds["flink"], 1),
        "ratio": round(seconds["flink"] / seconds["local"], 2),
        "cpu_seconds": cpu,
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
        cluster, jar = Cluster(folder / "cluster"), options.jars.absolute() / "job-server.jar"
        try:
            start = time.perf_counter()
            cluster.start(
                options.jars / "flink", task_managers=2, slots=2, python=sys.executable, jar=jar
            )
            print(
                json.dumps({"cluster_seconds": round(time.perf_counter() - start, 1)}), flush=True
            )
            flags = [*cluster.flags(WORKERS), f"--flink_job_server_jar={jar}"]
            for item in options.names:
                (folder / item / "job").mkdir(parents=True)
                report = compare(item, folder / item, cluster, flags)
                print(json.dumps(report), flush=True)
                equal = equal and not report["differing"]
        except (BenchmarkError, ClusterError, OSError) as error:
            print(f"compare.py: {error}", file=sys.stderr)
            return 2
        finally:
            cluster.stop()
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
