# SPDX-License-Identifier: Apache-2.0
"""A corpus as deduplication sees it: its distinct texts, and the shingle set of each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from all_pairs import Ints, Sets, number_shingles
from corpus_job import BenchmarkError, Corpus

from muniment.schemas.deduplication import NearDuplicates
from muniment.transforms.canonical import canonical_text
from muniment.transforms.minhash import shingle_hashes

NEAR = NearDuplicates()
"""Threshold, shingle size and permutations that a job has by default."""


@dataclass(frozen=True)
class Texts:
    """What was read, and its distinct texts.

    Args:
        ids: Each document's `id`, or an empty string.
        place: Number of a document by (sha256 of its file, row group << 32 | row).
        text: int64[documents], which distinct text each document has.
        distinct: The distinct texts, normalised as for exact duplicates.
        sets: Their shingle sets.
    """

    ids: list[str]
    place: dict[tuple[bytes, int], int]
    text: Ints
    distinct: pa.Array
    sets: Sets


def read_texts(corpus: Corpus) -> Texts:
    """Read every document of a corpus and shingle the distinct texts.

    Raises:
        BenchmarkError: Two of its files are equal, so their documents cannot be told apart.
    """
    ids: list[str] = []
    place: dict[tuple[bytes, int], int] = {}
    texts = []
    for path in _paths(corpus):
        file = pq.ParquetFile(path)
        digest = hashlib.sha256(path.read_bytes()).digest()
        columns = [name for name in ("text", "id") if name in file.schema_arrow.names]
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=columns)
            for row in range(table.num_rows):
                place[digest, group << 32 | row] = len(place)
            names = table["id"].to_pylist() if "id" in columns else [""] * table.num_rows
            ids += names
            texts.append(canonical_text(table["text"].combine_chunks()))
    if len(place) < len(ids):
        raise BenchmarkError(f"corpus {corpus.name}: expected different files, two are equal")
    coded = pa.chunked_array(texts).combine_chunks().dictionary_encode()
    number = coded.indices.to_numpy().astype(np.int64)
    return Texts(ids, place, number, coded.dictionary, sets_of(coded.dictionary))


def sets_of(texts: pa.Array) -> Sets:
    """Return the shingle sets of some texts, under a key of no importance."""
    return number_shingles(
        *shingle_hashes(texts, shingle_size=NEAR.shingle_size, key=key_named(b"truth"))
    )


def key_named(name: bytes) -> bytes:
    """Return the key of a name: the same in every run."""
    return hashlib.blake2b(name, digest_size=16).digest()


def _paths(corpus: Corpus) -> Iterator[Path]:
    for source in corpus.sources:
        for pattern in source["paths"]:
            yield from sorted(corpus.folder.glob(pattern))
