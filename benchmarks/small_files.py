# SPDX-License-Identifier: Apache-2.0
"""What small files cost: the same documents in one JSONL file, and in a file each.

    python benchmarks/small_files.py [--documents 1000 10000] [--rounds 1]

Documents are those of the corpus `mail` (`corpora.py mail`), in turn, each with a line of its own so
that none is a copy; the job is `end_to_end.py`'s whole job. Prints one JSON line for each number of
documents; exit code 1 if the two releases do not keep the same documents.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from corpora import default_cache
from corpus_job import BenchmarkError, Corpus, open_corpus, write_job
from process_tree import Measured, run_measured

from muniment.pipelines.query import connect
from muniment.pipelines.release import open_release


def write_files(texts: Sequence[str], folder: Path, documents: int) -> dict[str, Path]:
    """Write the documents in one file and in a file each; return both folders."""
    folders = {"one": folder / "one", "each": folder / "each"}
    for made in folders.values():
        made.mkdir(parents=True)
    with (folders["one"] / "all.jsonl").open("w") as together:
        for number, text in enumerate(itertools.islice(itertools.cycle(texts), documents)):
            line = json.dumps({"id": str(number), "text": f"Copy {number}.\n{text}"}) + "\n"
            together.write(line)
            (folders["each"] / f"{number:07d}.jsonl").write_text(line)
    return folders


def run(job: Path, output: Path) -> Measured:
    """Run a job and measure it.

    Raises:
        BenchmarkError: It fails.
    """
    command = [sys.executable, "-m", "muniment", "run", str(job), "--allow-outside"]
    done = run_measured([*command, "-o", str(output)])
    if done.code:
        said = done.stderr.strip().splitlines() or ["nothing"]
        raise BenchmarkError(f"muniment run: exit code {done.code}: {said[-1]}")
    return done


def kept(output: Path) -> list[tuple[bytes]]:
    """Return the identifiers of the documents that a release keeps."""
    with connect(open_release(output), verified=False) as connection:
        wanted = "SELECT doc_id FROM documents WHERE outcome = 'kept' ORDER BY 1"
        return connection.execute(wanted).fetchall()


def compare(corpus: Corpus, folder: Path, documents: int, rounds: int) -> dict[str, Any]:
    """Run the job over both; return what each took at best."""
    paths = [path for source in corpus.sources for path in source["paths"]]
    parts = [path for pattern in paths for path in sorted(corpus.folder.glob(pattern))]
    texts = pq.read_table(parts, columns=["text"])["text"].to_pylist()
    report: dict[str, Any] = {"documents": documents}
    found = {}
    for name, place in write_files(texts, folder, documents).items():
        source = corpus.sources[0] | {
            "paths": ["*.jsonl"],
            "format": "jsonl",
            "fields": {"id": "id"},
        }
        own = Corpus(name, place, (source,), documents, 0)
        (folder / "job").mkdir(exist_ok=True)  # one key for both, so that identifiers are equal
        job = write_job(own, folder / "job", dedup_only=False, ner="contact", override="-")
        done = [run(job, folder / f"out-{name}-{number}") for number in range(rounds)]
        report[name] = {
            "seconds": round(min(item.seconds for item in done), 1),
            "cpu_seconds": round(min(item.cpu_seconds for item in done), 1),
            "peak_rss_sum_bytes": done[-1].rss_sum,
        }
        found[name] = kept(folder / f"out-{name}-0")
    report["same_documents"] = found["one"] == found["each"]
    return report


def main(argv: Sequence[str] | None = None) -> int:
    """Read the command line, run, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--documents", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--rounds", type=int, default=1, help="the best of so many runs")
    options = parser.parse_args(argv)
    equal = True
    try:
        corpus = open_corpus(default_cache(), "mail")
        for documents in options.documents:
            with tempfile.TemporaryDirectory(prefix="muniment-files-") as name:
                report = compare(corpus, Path(name).resolve(), documents, options.rounds)
            print(json.dumps(report), flush=True)
            equal = equal and report["same_documents"]
    except BenchmarkError as error:
        print(f"small_files.py: {error}", file=sys.stderr)
        return 2
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
