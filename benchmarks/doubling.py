# SPDX-License-Identifier: Apache-2.0
"""How the cost of the dedup-only job grows when the corpus doubles, up to the whole of it.

    python benchmarks/doubling.py mail|mixed|large [--parts 8] [--source NAME ...]

One part in eight of the rows of every source (every eighth row, so that the parts are alike), one
in four, one in two, and all: each a job in a process of its own, guards overridden. Prints one JSON
object; `grew` divides by the row before. Start-up is in the times, so small corpora grow less.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from corpus_job import BenchmarkError, Corpus, open_corpus
from end_to_end import Settings, parser_of, run_job, warm_up


def every(corpus: Corpus, step: int, folder: Path) -> Corpus:
    """Write every `step`-th row of each file of a corpus as a corpus of its own.

    Args:
        corpus: The corpus.
        step: 1 or more.
        folder: Empty folder for it.
    """
    documents = text_bytes = 0
    for source in corpus.sources:
        (folder / source["name"]).mkdir()
        for path in sorted(p for glob in source["paths"] for p in corpus.folder.glob(glob)):
            table = pq.read_table(path)
            part = table.take(pa.array(range(0, table.num_rows, step)))
            pq.write_table(part, folder / source["name"] / path.name, compression="zstd")
            documents += part.num_rows
            text_bytes += pc.sum(pc.binary_length(part["text"])).as_py() or 0
    return replace(
        corpus,
        name=f"{corpus.name}, 1 row in {step}",
        folder=folder.resolve(),
        documents=documents,
        text_bytes=text_bytes,
    )


def grow(corpus: Corpus, parts: int) -> list[dict[str, Any]]:
    """Run the job on doubling parts of a corpus.

    Args:
        corpus: The corpus.
        parts: What the first part is one in; a power of two.
    """
    settings = Settings(dedup_only=True, ner="off", override=True)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="muniment-doubling-") as name:
        work = Path(name).resolve()
        (work / "warm").mkdir()
        warm_up(corpus, settings, work / "warm")
        step = parts
        while step:
            for folder in (work / str(step), work / f"{step}-rows"):
                folder.mkdir()
            part = corpus if step == 1 else every(corpus, step, work / f"{step}-rows")
            done = run_job(part, settings, work / str(step), work / str(step) / "release")
            row = {
                "one_in": step,
                "documents": part.documents,
                "text_mb": round(part.text_bytes / 1e6, 1),
                "seconds": round(done.measured.seconds, 2),
                "cpu_seconds": round(done.measured.cpu_seconds, 2),
                "peak_rss_sum_mb": round(done.measured.rss_sum / 1e6),
            }
            if rows:
                row["grew"] = {
                    key: round(row[key] / rows[-1][key], 2)
                    for key in ("text_mb", "seconds", "cpu_seconds")
                }
            rows.append(row)
            step //= 2
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """Read the command line, measure, print JSON."""
    parser = parser_of((__doc__ or "").partition("\n")[0])
    parser.add_argument("--parts", type=int, default=8, help="what the first part is one in")
    options = parser.parse_args(argv)
    try:
        corpus = open_corpus(options.cache, options.name, options.source)
        report = {"corpus": corpus.name, "parts": grow(corpus, options.parts)}
    except (BenchmarkError, OSError) as error:
        print(f"doubling.py: {error}", file=sys.stderr)
        return 2
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
