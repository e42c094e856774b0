# SPDX-License-Identifier: Apache-2.0
"""Connected components of a random graph through the exchange: exact (against scipy), and memory.

    python benchmarks/components.py [--edges 10000000] [--partitions 16]

Both ways of the exchange run in a process of their own: edges by partition -> spanning forests ->
one reducer, on Beam's local runner. The graph has long chains and one large component beside many
small ones. Prints one JSON line for each way; exit code 1 if a label differs.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from muniment.schemas.staged import EDGES
from muniment.transforms.components import connect, spanning_forest
from muniment.transforms.exchange import ExchangeBatches, gather, write_parcels
from muniment.transforms.units import UnitOutputs

WAYS = ("files", "engine")
SEED = 6

Nodes = npt.NDArray[np.uint64]


def random_edges(edges: int) -> tuple[Nodes, Nodes]:
    """Return the edges of a random graph.

    Args:
        edges: How many. Half are random pairs among as many nodes as edges, near the point where a
            giant component appears; a quarter link runs of 20 nodes; a quarter are chains of 1,000.

    Returns:
        Two columns of node numbers, spread over 64 bits.
    """
    random = np.random.default_rng(SEED)
    free, runs, chains = edges // 2, edges // 4, edges - edges // 2 - edges // 4
    a = [random.integers(0, edges, free)]
    b = [random.integers(0, edges, free)]
    run = np.arange(runs)
    a.append(edges + run // 19 * 20)
    b.append(edges + run // 19 * 20 + 1 + run % 19)
    chain = np.arange(chains)
    chain += chain // 999
    a.append(3 * edges + chain)
    b.append(3 * edges + chain + 1)
    order = random.permutation(edges)
    spread = np.uint64(0x9E3779B97F4A7C15)  # odd: multiplication modulo 2^64 keeps nodes apart
    first, second = (np.concatenate(side)[order].astype(np.uint64) * spread for side in (a, b))
    return first, second


def expected(a: Nodes, b: Nodes) -> tuple[Nodes, Nodes]:
    """Return every node and the smallest node of its component, by scipy."""
    nodes, index = np.unique(np.concatenate([a, b]), return_inverse=True)
    size, ones = len(nodes), np.ones(len(a), np.int8)
    graph = coo_matrix((ones, (index[: len(a)], index[len(a) :])), shape=(size, size))
    _, label = connected_components(graph, directed=False)
    smallest = np.full(label.max() + 1, size)
    np.minimum.at(smallest, label, np.arange(size))
    return nodes, nodes[smallest[label]]


def forest(number: int, folder: str) -> str:
    """Reduce the edges of a partition; return the parcels of its forest."""
    edges = np.load(f"{folder}/{number}.npy", mmap_mode="r")
    a, b = spanning_forest(edges[0], edges[1])
    out = UnitOutputs(Path(folder), number)
    write_parcels(out, "edges", EDGES, pa.table([a, b], schema=EDGES), np.zeros(len(a), np.int64))
    return out.files["edges"].path


def join(element: tuple[int, Iterable[Any]], folder: str) -> Iterator[int]:
    """Join the forests, and write the labels."""
    table = gather(list(element[1]), "edges", EDGES, [])
    node, cluster = connect(table["a"].to_numpy(), table["b"].to_numpy())
    np.save(f"{folder}/labels.npy", np.stack([node, cluster]))
    yield len(node)


def run(way: str, folder: str, partitions: int) -> None:
    """Run the graph; print its seconds and the largest resident set of the process."""
    start, cpu = time.perf_counter(), time.process_time()
    pipeline = beam.Pipeline(runner="FnApiRunner")
    _ = (
        pipeline
        | beam.Create(range(partitions))
        | beam.Reshuffle()
        | "Forest" >> beam.Map(forest, folder).with_output_types(str)
        | "ToOne" >> ExchangeBatches(way)
        | beam.GroupByKey()
        | "Join" >> beam.FlatMap(join, folder).with_output_types(int)
    )
    pipeline.run().wait_until_finish()
    report = {
        "seconds": round(time.perf_counter() - start, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    print(json.dumps(report))


def compare(edges: int, partitions: int) -> bool:
    """Run both ways, print what they cost, and return whether both are exact."""
    a, b = random_edges(edges)
    node, cluster = expected(a, b)
    in_edges = np.isin(node, np.concatenate([a[a != b], b[a != b]]))  # loops connect nothing
    node, cluster = node[in_edges], cluster[in_edges]
    exact = True
    for way in WAYS:
        with tempfile.TemporaryDirectory(prefix="muniment-components-") as folder:
            for number in range(partitions):
                part = slice(number, None, partitions)
                np.save(f"{folder}/{number}.npy", np.stack([a[part], b[part]]))
            command = [sys.executable, __file__, "--way", way, "--folder", folder]
            done = subprocess.run(
                [*command, f"--partitions={partitions}"], capture_output=True, text=True, check=True
            )
            labels = np.load(f"{folder}/labels.npy")
        same = np.array_equal(labels, np.stack([node, cluster]))
        exact = exact and same
        facts = {
            "edges": edges,
            "nodes": len(node),
            "components": len(np.unique(cluster)),
            "largest": int(np.unique(cluster, return_counts=True)[1].max()),
            "partitions": partitions,
            "exchange": way,
            "exact": same,
        }
        print(json.dumps(facts | json.loads(done.stdout)), flush=True)
    return exact


def main(argv: Sequence[str] | None = None) -> int:
    """Read the command line and compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--edges", type=int, default=10_000_000)
    parser.add_argument("--partitions", type=int, default=16)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.way:
        run(options.way, options.folder, options.partitions)
        return 0
    return 0 if compare(options.edges, options.partitions) else 1


if __name__ == "__main__":
    sys.exit(main())
