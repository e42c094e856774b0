# SPDX-License-Identifier: Apache-2.0
"""Seconds of Merkle roots, proofs and the difference of two releases, at any size.

    python benchmarks/proof_speed.py --documents 1000000

The release is the generated one of `query_speed.py`; the difference is between two of them, so
that every document of one is missing from the other. CPU seconds of all threads.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
from query_speed import make_release

from muniment.pipelines.diff import compare_releases
from muniment.pipelines.release import Release
from muniment.pipelines.roots import root_entry
from muniment.transforms.keys import Keyring
from muniment.transforms.leaves import ROOTED, leaf_keys, leaves_of
from muniment.transforms.merkle import inclusion_path, sort_leaves

KEY = Keyring(bytes(range(32)))


def _release(folder: Path, documents: int) -> Release:
    """Make a release, with the totals that its generator leaves out."""
    release = make_release(folder, documents)
    totals = {"documents": {"read": documents}, "tokens": {"out": 0}}
    return replace(release, manifest={**release.manifest, "totals": totals})


def main() -> None:
    """Make the releases, time each step, print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=1_000_000)
    number = parser.parse_args().documents
    report: dict[str, object] = {"documents": number}
    with tempfile.TemporaryDirectory() as folder:
        first = _release(Path(folder) / "first", number)
        second = _release(Path(folder) / "second", number // 2)
        for spec in ROOTED:
            keys = leaf_keys(KEY, spec.name, "speed")
            leaves_of(spec, pq.read_table(first.parts(spec.name)[-1]), keys)  # compiled once
            start, cpu = time.perf_counter(), time.process_time()
            leaves = leaves_of(spec, pq.read_table(first.parts(spec.name)), keys)
            hashed = time.process_time() - cpu
            root_entry(leaves)
            report[spec.name] = {
                "rows": len(leaves.salted),
                "leaves_cpu_s": round(hashed, 2),
                "roots_cpu_s": round(time.process_time() - cpu - hashed, 2),
                "wall_s": round(time.perf_counter() - start, 2),
            }
            start = time.perf_counter()
            inclusion_path(sort_leaves(leaves.salted), 0)
            report[f"path_{spec.name}_wall_s"] = round(time.perf_counter() - start, 2)
        start, cpu = time.perf_counter(), time.process_time()
        compare_releases(first, second, verified=False)
        report["diff_cpu_s"] = round(time.process_time() - cpu, 2)
        report["diff_wall_s"] = round(time.perf_counter() - start, 2)
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
