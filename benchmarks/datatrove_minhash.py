# SPDX-License-Identifier: Apache-2.0
"""Time the four MinHash stages of datatrove on a folder of Parquet files: the baseline for dedup.

    python benchmarks/datatrove_minhash.py FOLDER [--bands 14] [--rows 8] [--workers 2]

Runs in its own environment (`requirements-datatrove.txt`), prints one JSON object on stdout. The
stages are datatrove's own, with its local executor and its defaults: 5-grams of words from a blank
English spaCy tokeniser, 64-bit xxhash, signatures, buckets, cluster, filter. The filter stage
writes the documents that are kept, as a job would.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import (
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.readers import ParquetReader
from datatrove.pipeline.writers import ParquetWriter


def stages(
    folder: Path, work: Path, config: MinhashConfig, files: int, workers: int
) -> dict[str, LocalPipelineExecutor]:
    """Return the executors of the four stages, in order.

    Args:
        folder: Parquet files with `text` and `id`, at any depth.
        work: Empty folder for signatures, logs and output.
        config: Shingle size, bands and rows.
        files: Number of input files. A task reads whole files, so it is the number of tasks.
        workers: Processes at a time.

    Returns:
        Executor by stage name.
    """

    def executor(name: str, tasks: int, *pipeline: Any) -> LocalPipelineExecutor:
        return LocalPipelineExecutor(
            list(pipeline), tasks=tasks, workers=workers, logging_dir=str(work / "logs" / name)
        )

    signatures, buckets, remove = (str(work / name) for name in ("signatures", "buckets", "remove"))
    return {
        "signature": executor(
            "signature",
            files,
            # Text and id only, here and below: the other columns would be charged to the baseline,
            # and its writer takes the schema from the first batch, so a column of nulls breaks it.
            ParquetReader(str(folder), glob_pattern="**/*.parquet", read_metadata=False),
            MinhashDedupSignature(output_folder=signatures, config=config),
        ),
        # One task a band: the number of tasks has to be a multiple of the number of bands.
        "buckets": executor(
            "buckets",
            config.num_buckets,
            MinhashDedupBuckets(input_folder=signatures, output_folder=buckets, config=config),
        ),
        "cluster": executor(
            "cluster",
            1,
            MinhashDedupCluster(input_folder=buckets, output_folder=remove, config=config),
        ),
        # Same reader and number of tasks as the first stage: rank and row name the documents.
        "filter": executor(
            "filter",
            files,
            ParquetReader(str(folder), glob_pattern="**/*.parquet", read_metadata=False),
            MinhashDedupFilter(input_folder=remove),
            ParquetWriter(str(work / "kept"), compression="zstd"),
        ),
    }


def measure(
    folder: Path, config: MinhashConfig, workers: int, kept_ids: Path | None = None
) -> dict[str, Any]:
    """Run the stages once on a folder and return what was measured.

    Args:
        folder: Parquet files with `text` and `id`, at any depth.
        config: Shingle size, bands and rows.
        workers: Processes at a time.
        kept_ids: File for the ids of the documents that are kept, as a JSON array.

    Returns:
        Seconds by stage and in all, bytes of text, MB/s (10^6 bytes of UTF-8 text), documents.
    """
    paths = sorted(folder.rglob("*.parquet"))
    if not paths:
        sys.exit(f"datatrove_minhash.py: expected Parquet files under {folder}, found none")
    text_bytes = documents = 0
    for path in paths:
        text = pq.read_table(path, columns=["text"])["text"]
        documents += len(text)
        text_bytes += pc.sum(pc.binary_length(text)).as_py() or 0
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="datatrove-") as work:
        for name, stage in stages(folder, Path(work), config, len(paths), workers).items():
            started = time.perf_counter()
            stage.run()
            seconds[name] = round(time.perf_counter() - started, 2)
        outputs = sorted(Path(work, "kept").rglob("*.parquet"))
        kept = sum(pq.read_metadata(path).num_rows for path in outputs)
        if kept_ids:
            columns = [pq.read_table(path, columns=["id"])["id"].to_pylist() for path in outputs]
            kept_ids.write_text(json.dumps([name for column in columns for name in column]))
    total = sum(seconds.values())
    return {
        "tool": f"datatrove {importlib.metadata.version('datatrove')}",
        "folder": str(folder),
        "bands": config.num_buckets,
        "rows": config.hashes_per_bucket,
        "ngrams": config.n_grams,
        "workers": workers,
        "tasks": len(paths),
        "seconds": seconds,
        "total_seconds": round(total, 2),
        "text_bytes": text_bytes,
        "mb_per_s": round(text_bytes / 1e6 / total, 3),
        "documents": documents,
        "kept": kept,
    }


def main() -> None:
    """Read the command line, measure, print JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--bands", type=int, default=14)
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--ngrams", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kept-ids", type=Path, metavar="FILE", help="write the ids kept to it")
    options = parser.parse_args()
    config = MinhashConfig(
        n_grams=options.ngrams, num_buckets=options.bands, hashes_per_bucket=options.rows
    )
    print(json.dumps(measure(options.folder.resolve(), config, options.workers, options.kept_ids)))


if __name__ == "__main__":
    main()
