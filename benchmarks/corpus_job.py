# SPDX-License-Identifier: Apache-2.0
"""A built corpus as a muniment job: what is in it, and the job file that reads it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from muniment.transforms.keys import generate_key

KEY_FILE = "muniment.key"
WARM_UP_ROWS = 100


class BenchmarkError(Exception):
    """The benchmark cannot be run, or what it ran has failed; one line says why."""


@dataclass(frozen=True)
class Corpus:
    """A corpus, or some of its sources.

    Args:
        name: Name for the report.
        folder: Folder of `sources.json`, resolved.
        sources: Its sources as a job file declares them, paths relative to `folder`.
        documents: Documents in them.
        text_bytes: Bytes of UTF-8 text in them.
    """

    name: str
    folder: Path
    sources: tuple[dict[str, Any], ...]
    documents: int
    text_bytes: int


def open_corpus(cache: Path, name: str, only: Sequence[str] = ()) -> Corpus:
    """Find a corpus that `corpora.py` has built.

    Args:
        cache: Cache folder of `corpora.py`.
        name: `mail`, `mixed` or `large`.
        only: Names of the sources to take; all of them if empty.

    Raises:
        BenchmarkError: It is not built, or has no such source.
    """
    folder = (cache / name / "parquet").resolve()
    try:
        described = json.loads((folder / "sources.json").read_text())
    except FileNotFoundError:
        raise BenchmarkError(
            f"no corpus {name} in {cache}; run `python benchmarks/corpora.py {name}` first"
        ) from None
    built = described["built"]
    missing = sorted(set(only) - set(built))
    if missing:
        raise BenchmarkError(f"corpus {name} has no source {missing[0]}; it has {', '.join(built)}")
    sources = tuple(item for item in described["sources"] if not only or item["name"] in only)
    names = [source["name"] for source in sources]
    return Corpus(
        name=f"{name}/{'+'.join(names)}" if only else name,
        folder=folder,
        sources=sources,
        documents=sum(built[source]["documents"] for source in names),
        text_bytes=sum(built[source]["text_bytes"] for source in names),
    )


def write_job(
    corpus: Corpus,
    folder: Path,
    *,
    dedup_only: bool,
    ner: str,
    workers: int = 0,
    override: str | None = None,
) -> Path:
    """Write a job file, and its key if there is none yet.

    Args:
        corpus: What it reads. Its paths are absolute, so the job needs `--allow-outside`.
        folder: Folder for the job file and the key.
        dedup_only: Exact and near-duplicates; no language, toxicity and personal data.
        ner: Where to look for names: `off`, `contact` or `all`.
        workers: Worker processes; 0 leaves it to muniment.
        override: Reason to release although a guard stops.

    Returns:
        The job file: JSON, which is YAML.
    """
    if not (folder / KEY_FILE).exists():
        generate_key(folder / KEY_FILE)
    sources = [
        source | {"paths": [str(corpus.folder / path) for path in source["paths"]]}
        for source in corpus.sources
    ]
    job: dict[str, Any] = {
        "name": "benchmark",
        "description": f"Benchmark on the corpus {corpus.name}.",
        "key_file": KEY_FILE,
        "sources": sources,
        "language": {"enabled": not dedup_only},
        "toxicity": {"enabled": not dedup_only},
        "personal_data": {"enabled": not dedup_only, "ner": ner},
        "engine": {"workers": workers},
    }
    if override is not None:
        job["deduplication"] = {"override_guards": override}
    path = folder / "job.yaml"
    path.write_text(json.dumps(job, indent=1), encoding="utf-8")
    return path


def first_rows(corpus: Corpus, folder: Path, rows: int = WARM_UP_ROWS) -> Corpus:
    """Write the first rows of each source as a corpus of its own: enough to compile every kernel.

    Args:
        corpus: The corpus.
        folder: Empty folder for it.
        rows: Rows of each source.
    """
    documents = 0
    for source in corpus.sources:
        (first, *_) = sorted(corpus.folder.glob(source["paths"][0]))
        batch = next(pq.ParquetFile(first).iter_batches(batch_size=rows))
        (folder / source["name"]).mkdir()
        pq.write_table(pa.Table.from_batches([batch]), folder / source["name"] / "part-0.parquet")
        documents += batch.num_rows
    return Corpus(f"{corpus.name}, first rows", folder.resolve(), corpus.sources, documents, 0)
