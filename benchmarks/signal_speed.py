# SPDX-License-Identifier: Apache-2.0
"""Measure rights signals: CPU time a document without any, with headers and tags, with snapshots.

    python benchmarks/signal_speed.py [--documents 100000] [--origins 10000]

Prints one JSON object: microseconds of CPU a document for each kind of input, the time to write a
snapshot table into mapped files, and what that added to the peak of memory. Half the robots.txt
files forbid by path, so that every address of theirs is judged; the others answer for all paths.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from muniment.schemas.reasons import RightsObservability
from muniment.schemas.rights import AsOf, Protocol, SnapshotKind, UaPolicy
from muniment.transforms.rights.agents import agents_of
from muniment.transforms.rights.marks import find_marks
from muniment.transforms.rights.notices import find_notices
from muniment.transforms.rights.origins import url_origins
from muniment.transforms.rights.signals import (
    Documents,
    SignalPolicy,
    file_readers,
    measure_signals,
)
from muniment.transforms.rights.snapshots import SnapshotStore, describe_snapshot, open_snapshots

_BATCH = 5_000
_HEADERS = ["", "x-robots-tag: noai", "content-usage: train-ai=n", "tdm-reservation: 0", None]
_TAGS = ["", "robots=noindex", "tdm-reservation=1", 'link=</l>; rel="license"', None]
_AGENTS = "GPTBot CCBot ClaudeBot Google-Extended Bytespider".split()


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--documents", type=int, default=100_000, help="documents to measure")
    parser.add_argument("--origins", type=int, default=10_000, help="origins in the snapshot")
    args = parser.parse_args()
    report: dict[str, Any] = {"python": platform.python_version(), "machine": platform.machine()}
    with tempfile.TemporaryDirectory() as folder:
        path = write_table(Path(folder) / "robots.parquet", args.origins)
        before, start = _peak_rss(), time.process_time()
        store = open_snapshots([path], [describe_snapshot(path)["sha256"]], Path(folder) / "maps")
        report["snapshot_seconds"] = round(time.process_time() - start, 2)
        report["snapshot_peak_added_mb"] = round((_peak_rss() - before) / 1e6, 1)
        for name, page, stores in (
            ("nothing", False, {}),
            ("pages", True, {}),
            ("pages_and_robots", True, {SnapshotKind.ROBOTS: store}),
        ):
            report[f"{name}_us"] = measure(args, stores, page=page)
    texts = pa.array(
        [f"Prose about the year {n} and its rights in general. " * 40 for n in range(5000)]
    )
    find_notices(texts, find_marks(texts))
    start = time.process_time()
    find_notices(texts, find_marks(texts))
    report["notices_mb_per_s"] = round(texts.nbytes / 1e6 / (time.process_time() - start))
    print(json.dumps(report, indent=2))


def write_table(path: Path, origins: int) -> Path:
    """Write a snapshot table of robots.txt files: every second one forbids by path."""
    bodies = []
    for number in range(origins):
        agent = _AGENTS[number % len(_AGENTS)]
        where = f"/private-{number}/" if number % 2 else "/"
        rules = f"User-agent: {agent}\nDisallow: {where}\n\nUser-agent: *\nDisallow:\n"
        bodies.append(rules + f"Sitemap: https://site-{number}.example/s.xml\n" * 20)
    table = {
        "origin": [f"https://site-{number}.example" for number in range(origins)],
        "fetched": pa.array(np.full(origins, 1_735_689_600), pa.timestamp("s", "UTC")),
        "status": [200] * origins,
        "body": bodies,
    }
    pq.write_table(pa.table(table), path)
    return path


def measure(
    args: argparse.Namespace, stores: dict[SnapshotKind, SnapshotStore], *, page: bool
) -> float:
    """Return microseconds of CPU a document."""
    agents = agents_of(UaPolicy.ANY_TRAIN_AGENT, crawler="CCBot/2.0", own_token=None)
    policy = SignalPolicy(agents, AsOf.BOTH, frozenset({Protocol.NOTICE}), RightsObservability.NONE)
    readers = file_readers(stores, agents)
    batches = [
        documents(start, min(_BATCH, args.documents - start), args.origins, page=page)
        for start in range(0, args.documents, _BATCH)
    ]
    measure_signals(documents(0, 10, args.origins, page=page), policy, stores, readers)
    start = time.process_time()
    for batch in batches:
        measure_signals(batch, policy, stores, readers)
    return round((time.process_time() - start) / args.documents * 1e6, 2)


def documents(first: int, count: int, origins: int, *, page: bool) -> Documents:
    """Return documents that follow each other on a site, as in a crawl, five to an origin."""
    numbers = range(first, first + count)
    urls = pa.array([f"https://site-{n // 5 % origins}.example/a/{n}?x={n}" for n in numbers])
    found, paths = url_origins(urls)
    empty = pa.nulls(count, pa.string())
    headers = pa.array([_HEADERS[n % 5] for n in numbers], pa.string()) if page else empty
    tags = pa.array([_TAGS[n // 5 % 5] for n in numbers], pa.string()) if page else empty
    fetched = np.full(count, 1_740_000_000)
    hosts = pa.array([f"site-{n // 5 % origins}.example" for n in numbers])
    return Documents(found, paths, hosts, fetched, headers, tags)


def _peak_rss() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
