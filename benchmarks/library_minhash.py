# SPDX-License-Identifier: Apache-2.0
"""Time near-duplicate removal written with a MinHash library, as its documentation shows it.

    python benchmarks/library_minhash.py FOLDER --library rensa|datasketch [--bands 14] [--rows 9]
        [--ngrams 5] [--workers 2]

Runs in an environment of its own (`requirements-rensa.txt`, `requirements-datasketch.txt`) and prints
one JSON object on stdout. Worker processes read Parquet files and sign their documents: words by
regular expression, lower case, n-grams of words; the first process asks and fills the library's LSH
index, keeps a document that it does not know, and the kept texts are written. Nothing is verified.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

WORD = re.compile(r"\w+")


def shingles(text: str, ngrams: int) -> set[str]:
    """Return the n-grams of words of a text; all its words where there are fewer."""
    words = WORD.findall(text.lower())
    return {" ".join(words[i : i + ngrams]) for i in range(max(1, len(words) - ngrams + 1))}


def sign_with_datasketch(path: Path, *, num_perm: int, ngrams: int) -> list[Any]:
    """Return the signatures of the documents of a file."""
    from datasketch import MinHash

    empty = MinHash(num_perm=num_perm)
    signed = []
    for text in pq.read_table(path, columns=["text"])["text"].to_pylist():
        minhash = empty.copy()
        minhash.update_batch([item.encode() for item in shingles(text or "", ngrams)])
        signed.append(minhash)
    return signed


def sign_with_rensa(path: Path, *, num_perm: int, ngrams: int) -> list[Any]:
    """Return the signatures of the documents of a file."""
    from rensa import RMinHash

    signed = []
    for text in pq.read_table(path, columns=["text"])["text"].to_pylist():
        minhash = RMinHash(num_perm=num_perm, seed=1)
        minhash.update(list(shingles(text or "", ngrams)))
        signed.append(minhash)
    return signed


def datasketch_index(bands: int, rows: int) -> Any:
    """Return an empty index."""
    from datasketch import MinHashLSH

    return MinHashLSH(num_perm=bands * rows, params=(bands, rows))


def rensa_index(bands: int, rows: int) -> Any:
    """Return an empty index; the threshold is only its note."""
    from rensa import RMinHashLSH

    return RMinHashLSH(threshold=0.8, num_perm=bands * rows, num_bands=bands)


LIBRARIES: dict[str, tuple[Callable[..., list[Any]], Callable[[int, int], Any]]] = {
    "datasketch": (sign_with_datasketch, datasketch_index),
    "rensa": (sign_with_rensa, rensa_index),
}


def kept_rows(index: Any, signed: Iterator[list[Any]]) -> Iterator[list[bool]]:
    """Yield, file by file, which documents the index did not know before."""
    number = 0
    for signatures in signed:
        keep = []
        for signature in signatures:
            new = not index.query(signature)
            keep.append(new)
            if new:
                index.insert(number, signature)
            number += 1
        yield keep


def measure(
    folder: Path, library: str, bands: int, rows: int, ngrams: int, workers: int
) -> dict[str, Any]:
    """Run once on a folder of Parquet files and return what was measured.

    Args:
        folder: Parquet files with `text`, at any depth.
        library: Name in `LIBRARIES`.
        bands: Bands of the index.
        rows: Rows of a band; signatures have bands x rows values.
        ngrams: Words of a shingle.
        workers: Processes that sign.
    """
    paths = sorted(folder.rglob("*.parquet"))
    if not paths:
        sys.exit(f"library_minhash.py: expected Parquet files under {folder}, found none")
    sign, make_index = LIBRARIES[library]
    work = partial(sign, num_perm=bands * rows, ngrams=ngrams)
    documents = kept = text_bytes = 0
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="library-") as output, Pool(workers) as pool:
        flags = kept_rows(make_index(bands, rows), pool.imap(work, paths))
        for number, (path, keep) in enumerate(zip(paths, flags, strict=True)):
            table = pq.read_table(path, columns=["id", "text"])
            left = table.filter(pa.array(keep))
            target = Path(output) / f"part-{number}.parquet"
            pq.write_table(left, target, compression="zstd")
            documents += table.num_rows
            kept += left.num_rows
            text_bytes += pc.sum(pc.binary_length(table["text"])).as_py() or 0
    return {
        "tool": f"{library} {importlib.metadata.version(library)}",
        "tasks": len(paths),
        "total_seconds": round(time.perf_counter() - started, 2),
        "text_bytes": text_bytes,
        "documents": documents,
        "kept": kept,
    }


def main() -> None:
    """Read the command line, measure, print JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--library", choices=sorted(LIBRARIES), required=True)
    parser.add_argument("--bands", type=int, default=14)
    parser.add_argument("--rows", type=int, default=9)
    parser.add_argument("--ngrams", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    found = measure(
        asked.folder.resolve(), asked.library, asked.bands, asked.rows, asked.ngrams, asked.workers
    )
    print(json.dumps(found))


if __name__ == "__main__":
    main()
