# SPDX-License-Identifier: Apache-2.0
"""Measure the deduplication kernels on one core: text in, JSON with MB/s of text out.

    python benchmarks/kernel_speed.py [FILE.parquet|FOLDER [COLUMN]] [--megabytes 50] [--repeats 5]

Without a file, the text is the Python sources, documentation and metadata of the installed
distributions. Rates are megabytes (10^6 bytes) of UTF-8 text per CPU second, the best of the
repeats, after one call that compiles. `datasketch` is its MinHash fed with ready shingle hashes,
on a small part of the text: what our kernel replaces, without the tokenising.
"""

from __future__ import annotations

import argparse
import json
import platform
import sysconfig
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from datasketch import MinHash

from muniment.transforms.bands import band_hashes, star_edges
from muniment.transforms.components import connect, spanning_forest
from muniment.transforms.hashing import canonical_text, siphash128
from muniment.transforms.minhash import compute_signatures, shingle_hashes, sign
from muniment.transforms.tokens import count_tokens
from muniment.transforms.verification import verify_clusters

KEY = bytes(range(16))
NUM_PERM, SEED, SHINGLE_SIZE = 128, 1, 5
BANDS, ROWS = 9, 13  # datasketch's choice for a threshold of 0.8
SUFFIXES = (".py", ".rst", ".md", ".txt")


def installed_text(megabytes: float) -> pa.Array:
    """Read text files of the installed distributions, in order of path, up to a size."""
    texts, size = [], 0
    for path in sorted(Path(sysconfig.get_path("purelib")).rglob("*")):
        if size >= megabytes * 1e6:
            break
        if path.is_file() and (path.suffix in SUFFIXES or path.name == "METADATA"):
            raw = path.read_bytes()
            try:
                texts.append(raw.decode())
            except UnicodeDecodeError:
                continue
            size += len(raw)
    return pa.array(texts, pa.string())


def column_text(path: str, column: str, megabytes: float) -> pa.Array:
    """Read the first texts of a column of a Parquet file, or of all in a folder, up to a size."""
    files = sorted(Path(path).rglob("*.parquet")) or [Path(path)]
    tables = [pq.read_table(file, columns=[column]) for file in files]
    texts = pa.concat_tables(tables)[column].combine_chunks()
    sizes = np.cumsum(pc.fill_null(pc.binary_length(texts), 0).to_numpy())
    return texts[: int(np.searchsorted(sizes, megabytes * 1e6)) + 1]


def best_seconds(call: Callable[[], object], repeats: int) -> float:
    """Return the CPU seconds of the fastest of several calls, after one to compile."""
    call()
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        call()
        best = min(best, time.process_time() - start)
    return best


def datasketch_rate(texts: pa.Array) -> float:
    """Return datasketch's MB/s with ready shingle hashes, on about one megabyte."""
    part = texts[: max(1, len(texts) * 1_000_000 // max(texts.nbytes, 1))]
    offsets, hashes = shingle_hashes(part, shingle_size=SHINGLE_SIZE, key=KEY)
    low = (hashes & np.uint64(0xFFFFFFFF)).tolist()
    sets = [low[start:end] for start, end in pairwise(offsets)]

    def run() -> None:
        for hashed in sets:
            sketch = MinHash(NUM_PERM, seed=SEED, scheme="affine32", hashfunc=lambda h: h)
            sketch.update_batch(hashed)

    return float(pc.sum(pc.binary_length(part)).as_py()) / 1e6 / best_seconds(run, 1)


def measure(texts: pa.Array, repeats: int) -> dict[str, float]:
    """Time every kernel on the same text; returns MB/s of text by kernel."""
    settings = {"num_perm": NUM_PERM, "seed": SEED, "shingle_size": SHINGLE_SIZE, "key": KEY}
    signatures, tokens = sign(texts, **settings)
    signatures = signatures[tokens > 0]
    buckets = band_hashes(signatures, BANDS, ROWS)
    refs = np.repeat(np.arange(len(buckets), dtype=np.uint64), BANDS)
    edges = star_edges(buckets.ravel(), refs)
    forest = spanning_forest(*edges)
    sets = shingle_hashes(texts, shingle_size=SHINGLE_SIZE, key=KEY)
    everybody = np.arange(len(texts), dtype=np.uint64)
    pairs = everybody // np.uint64(2)  # neighbours by path: many are nearly alike
    calls: dict[str, Callable[[], object]] = {
        "canonical_text": lambda: canonical_text(texts),
        "siphash128": lambda: siphash128(texts, KEY),
        "count_tokens": lambda: count_tokens(texts),
        "shingle_hashes": lambda: shingle_hashes(texts, shingle_size=SHINGLE_SIZE, key=KEY),
        "compute_signatures": lambda: compute_signatures(texts, **settings),
        "band_hashes": lambda: band_hashes(signatures, BANDS, ROWS),
        "star_edges": lambda: star_edges(buckets.ravel(), refs),
        "spanning_forest": lambda: spanning_forest(*edges),
        "connect": lambda: connect(*forest),
        "verify_clusters": lambda: verify_clusters(
            pairs, everybody, [], np.ones(len(texts), bool), *sets, threshold=0.8
        ),
    }
    megabytes = float(pc.sum(pc.binary_length(texts)).as_py()) / 1e6
    rates = {name: megabytes / best_seconds(call, repeats) for name, call in calls.items()}
    return rates | {"datasketch": datasketch_rate(texts)}


def main() -> None:
    """Parse the command line, measure, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", help="Parquet file with a text column, or folder")
    parser.add_argument("column", nargs="?", default="text")
    parser.add_argument("--megabytes", type=float, default=50.0, help="text to use (default 50)")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    if options.file:
        texts = column_text(options.file, options.column, options.megabytes)
    else:
        texts = installed_text(options.megabytes)
    rates = measure(texts, options.repeats)
    result = {
        "documents": len(texts),
        "bytes": pc.sum(pc.binary_length(texts)).as_py(),
        "tokens": int(count_tokens(texts).sum()),
        "num_perm": NUM_PERM,
        "shingle_size": SHINGLE_SIZE,
        "machine": platform.machine(),
        "megabytes_per_cpu_second": {name: round(rate, 1) for name, rate in rates.items()},
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
