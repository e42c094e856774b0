# SPDX-License-Identifier: Apache-2.0
"""Given works (a book, an article to be taken down), and which documents hold how much of them.

A work is read once and becomes a set of keyed shingle hashes; its text is never written. A document
is compared in two steps. The sampled shingles of both (one in `ONE_IN`, the same ones in every text)
propose: where one of a document is also one of a work, the document is compared by whole sets, so a
score is never an estimate. A document that shares n shingles with a work is missed with chance
(1 - 1 / ONE_IN)^n: 1e-4 at the least number that counts, `MIN_SHARED`.

The score is the larger of two shares: of the work's shingles in the document (a page that quotes
it), and of the document's in the work (a chapter). Two texts of Jaccard similarity j share at least
j of either, so near copies are found by the same number (Broder 1997).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..schemas.errors import ListError
from .containment import WorkIndex, index_works, work_overlaps
from .hashing import canonical_text
from .minhash import shingle_hashes
from .written_once import mapped, written_once

ONE_IN = 4
"""One shingle in how many proposes: (3/4)^32 = 1e-4 of the documents at the limit are missed."""

MIN_SHARED = 32
"""Shingles that a document and a work must share: a run of 36 words. With works of six sources, no
document of another source among the 118,901 of `mixed` was met by chance: what was met are real
copies (benchmarks/takedown_recall.py)."""

MIN_WORK = 16
"""Fewest shingles of a work: 20 words are a phrase that anybody may write."""

_SUFFIXES = (".jsonl", ".txt", ".md")
_MAX_WORK_BYTES = 256 << 20
_ARRAYS = WorkIndex._fields


@dataclass(frozen=True)
class Works:
    """Works ready to be looked for.

    Args:
        name: File or folder name without its suffix.
        sha256: Digest of what was read: of the file, or of the names and digests of a folder's.
        entries: Number of works.
        index: Their shingles; entries are numbered from 0 in file order.
    """

    name: str
    sha256: str
    entries: int
    index: WorkIndex


def works_digest(path: Path) -> str:
    """Return the digest of the works at a path, nothing parsed.

    Args:
        path: As `load_works` takes it.

    Raises:
        ListError: It cannot be read.
    """
    files = _files(path)
    if files == [path]:
        return _digest_of(path)
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}\0{_digest_of(file)}\n".encode())
    return digest.hexdigest()


def load_works(path: Path, *, key: bytes, shingle_size: int) -> Works:
    """Read and hash works.

    Args:
        path: A JSONL file with a field `text` in each record, a text file that is one work, or a
            folder of either.
        key: Key of shingles; the one the documents are hashed with.
        shingle_size: Tokens in a shingle.

    Raises:
        ListError: `empty_optout` (no work), `too_broad` (one too short to be told from what
            anybody writes), `malformed`, or no such file.
    """
    digest = works_digest(path)
    texts = [text for file in _files(path) for text in _texts(file)]
    if not texts:
        raise ListError(
            f"{path.name}: empty_optout: expected at least one work, found none; remove the list "
            "from the job if nothing is to be taken down"
        )
    canonical = canonical_text(pa.array(texts, pa.large_string()).cast(pa.string()))
    offsets, hashes = shingle_hashes(canonical, shingle_size=shingle_size, key=key)
    short = np.flatnonzero(np.diff(offsets) < MIN_WORK) + 1
    if len(short):
        shown = ", ".join(map(str, short[:10].tolist()))
        raise ListError(
            f"{path.name}: too_broad: work {shown}: expected {MIN_WORK + shingle_size - 1} words or "
            "more; take a short text down by its content hash"
        )
    return Works(path.stem, digest, len(texts), index_works(offsets, hashes))


def open_works(path: Path, folder: Path, *, sha256: str, key: bytes, shingle_size: int) -> Works:
    """Map works from a folder that all workers share, hashing them first if nobody has.

    Args:
        path: As `load_works` takes it.
        folder: Folder of the run; only keyed hashes are written to it.
        sha256: Digest that was planned with.
        key: Key of shingles.
        shingle_size: Tokens in a shingle.

    Raises:
        ListError: As `load_works`, or the works changed since the job was planned.
    """

    def write(staging: Path) -> None:
        works = load_works(path, key=key, shingle_size=shingle_size)
        if works.sha256 != sha256:
            raise ListError(f"list {path.name}: the file changed after the job was planned")
        for name in _ARRAYS:
            np.save(staging / f"{name}.npy", getattr(works.index, name))

    target = written_once(folder, f"{sha256[:32]}-{shingle_size}", write)
    index = WorkIndex(*(mapped(target / f"{name}.npy") for name in _ARRAYS))
    return Works(path.stem, sha256, len(index.sizes), index)


def match_works(
    texts: pa.Array, works: Works, *, key: bytes, shingle_size: int, share: float
) -> tuple[pa.Array, pa.Array]:
    """Return the work that each text holds most of, or is most part of.

    Args:
        texts: string `[n]`, normalised by `canonical_text`; null allowed.
        works: The works.
        key: Key of shingles.
        shingle_size: Tokens in a shingle.
        share: Least score in (0, 1].

    Returns:
        int64 `[n]`, entry number, and float32 `[n]`, its score; null where no score reaches
        `share` by `MIN_SHARED` shingles (all of them, for a work that has fewer).
    """
    n = len(texts)
    sampled, hashes = shingle_hashes(texts, shingle_size=shingle_size, key=key, one_in=ONE_IN)
    found = work_overlaps(sampled, hashes, works.index)["document"]
    rows = np.unique(found.to_numpy())
    entry, score = np.full(n, -1, np.int64), np.zeros(n, np.float32)
    if len(rows):
        sets = shingle_hashes(texts.take(pa.array(rows)), shingle_size=shingle_size, key=key)
        row, work, value = _scores(work_overlaps(*sets, works.index), works, share)
        # The best of a document comes last and stays; of equal ones the first work.
        order = np.lexsort((-work, value, row))
        entry[rows[row[order]]], score[rows[row[order]]] = work[order], value[order]
    none = entry < 0
    return pa.array(entry, mask=none), pa.array(score, mask=none)


def _scores(
    pairs: pa.RecordBatch, works: Works, share: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    columns = {name: pairs[name].to_numpy() for name in pairs.schema.names}
    work = columns["work"]
    score = np.maximum(columns["in_work"], columns["of_work"])
    enough = columns["common"] >= np.minimum(MIN_SHARED, works.index.sizes[work])
    chosen = enough & (score >= np.float32(share))
    return columns["document"][chosen], work[chosen], score[chosen]


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(item for item in path.iterdir() if item.suffix in _SUFFIXES)
    if not files:
        kinds = ", ".join(_SUFFIXES)
        raise ListError(f"{path}: empty_optout: expected files of works ({kinds}), found none")
    return files


def _digest_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ListError(f"{path}: cannot be read ({error.strerror})") from None


def _texts(path: Path) -> Iterator[str]:
    """Yield the texts of the works of a file; a message names the line, never what it says."""
    if path.stat().st_size > _MAX_WORK_BYTES:
        raise ListError(f"{path.name}: expected at most {_MAX_WORK_BYTES} bytes of works, got more")
    try:
        content = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise ListError(f"{path.name}: malformed: expected UTF-8") from None
    if path.suffix != ".jsonl":
        yield from [content] if content.strip() else []
        return
    for number, line in enumerate(content.split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            text = record["text"]
            text.encode("utf-8")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise ListError(
                f"{path.name}: malformed: line {number}: expected a JSON object with a text `text`"
            ) from None
        yield text
