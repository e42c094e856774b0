# SPDX-License-Identifier: Apache-2.0
"""Read the binary files of fastText: settings, dictionary and matrices.

The layout is the one that fastText 0.9 writes (version 12; `FastText::saveModel`,
`Dictionary::save`, `QuantMatrix::save`), full (`.bin`) or quantised (`.ftz`: rows as centroids of
parts of a row, Jegou et al. 2011, and pruned features; Joulin et al. 2016, arXiv:1612.03651).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

HIERARCHICAL_SOFTMAX, SOFTMAX = 1, 3
LABEL_PREFIX = b"__label__"
LINE_END = b"</s>"

_MAGIC, _VERSION = 793712314, 12
_SUPERVISED = 3
_CENTROIDS = 256


@dataclass(frozen=True)
class Matrix:
    """A matrix as its file holds it; one that is not quantised is one part without codes.

    Args:
        rows: Number of rows.
        columns: Number of columns.
        parts: Centroids of each part of a row, float32[256, width]; or the rows themselves.
        codes: uint8[rows, parts], the centroid of each part of each row; None: not quantised.
        norms: float32[rows], what each row is multiplied by; None: by nothing.
    """

    rows: int
    columns: int
    parts: tuple[npt.NDArray[np.float32], ...]
    codes: npt.NDArray[np.uint8] | None
    norms: npt.NDArray[np.float32] | None

    def product(self, other: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Multiply with a vector float64[columns] or a matrix float64[columns, k] on the right."""
        if self.codes is None:
            return np.asarray(self.parts[0] @ other, np.float64)
        total = np.zeros((self.rows, *other.shape[1:]))
        start = 0
        for codes, part in zip(self.codes.T, self.parts, strict=True):
            stop = start + part.shape[1]
            total += (part @ other[start:stop])[codes]
            start = stop
        return total if self.norms is None else np.asarray((total.T * self.norms).T)


@dataclass(frozen=True)
class FastTextFile:
    """A supervised fastText model as its file holds it.

    Args:
        loss: `SOFTMAX`, `HIERARCHICAL_SOFTMAX` or another of fastText's numbers.
        word_ngrams: Longest word n-gram, in words.
        minn: Shortest part of a word, in characters.
        maxn: Longest part of a word, in characters; 0 for none.
        bucket: Number of hash values of parts and word n-grams.
        words: Known words, UTF-8; word i has row i of `inputs`.
        labels: Labels with their prefix, UTF-8; most frequent first.
        label_counts: Occurrences of each label in training.
        kept: int32[k, 2], (hash value, row after the words) of the features that pruning left;
            None if all buckets have a row.
        inputs: A row for each word, then for each hashed feature.
        outputs: A row for each label or inner node.
    """

    loss: int
    word_ngrams: int
    minn: int
    maxn: int
    bucket: int
    words: list[bytes]
    labels: list[bytes]
    label_counts: list[int]
    kept: npt.NDArray[np.int32] | None
    inputs: Matrix
    outputs: Matrix


class _Reader:
    """Read little-endian values one after another."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def values(self, layout: str) -> tuple[int, ...]:
        found = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return found

    def array(self, dtype: str, count: int) -> npt.NDArray[Any]:
        found = np.frombuffer(self.data, dtype, count, self.at)
        self.at += found.nbytes
        return found

    def word(self) -> bytes:
        end = self.data.index(0, self.at)
        found = self.data[self.at : end]
        self.at = end + 1
        return found


def read_fasttext(path: Path) -> FastTextFile:
    """Read a supervised fastText model, `.bin` or `.ftz`.

    Args:
        path: The file; it is read whole.

    Raises:
        ValueError: The file has another layout or kind, is cut off, or holds values that are not
            finite. What to say of it is the caller's, who knows what it expects.
    """
    try:
        return _parse(_Reader(path.read_bytes()))
    except (struct.error, IndexError):
        raise ValueError from None


def _parse(reader: _Reader) -> FastTextFile:
    magic, version = reader.values("ii")
    dim, *_, word_ngrams, loss, kind, bucket, minn, maxn, _, _ = reader.values("12id")
    size, n_words, n_labels, _, pruned = reader.values("iiiqq")
    words: list[bytes] = []
    labels: list[bytes] = []
    counts: list[int] = []
    for _ in range(size):
        word = reader.word()
        count, is_label = reader.values("qb")
        if is_label:
            labels.append(word)
            counts.append(count)
        else:
            words.append(word)
    if (magic, version, kind) != (_MAGIC, _VERSION, _SUPERVISED):
        raise ValueError
    if (len(words), len(labels)) != (n_words, n_labels):
        raise ValueError
    kept = None
    if pruned >= 0:  # -1: not pruned
        kept = reader.array("<i4", 2 * pruned).reshape(pruned, 2)
        if pruned and (kept.min() < 0 or (kept.max(axis=0) >= (bucket, pruned)).any()):
            raise ValueError
    quantised = bool(reader.values("?")[0])
    inputs = _matrix(reader, quantised=quantised)
    # A quantised output layer is only written beside a quantised input (`-qout`).
    outputs = _matrix(reader, quantised=bool(reader.values("?")[0]) and quantised)
    expected = n_words + (bucket if kept is None else len(kept))
    if (inputs.rows, outputs.rows) != (expected, n_labels):
        raise ValueError
    if not inputs.columns == outputs.columns == dim:
        raise ValueError
    return FastTextFile(
        loss=loss,
        word_ngrams=word_ngrams,
        minn=minn,
        maxn=maxn,
        bucket=bucket,
        words=words,
        labels=labels,
        label_counts=counts,
        kept=kept,
        inputs=inputs,
        outputs=outputs,
    )


def _matrix(reader: _Reader, *, quantised: bool) -> Matrix:
    if not quantised:
        rows, columns = reader.values("qq")
        found = reader.array("<f4", rows * columns).reshape(rows, columns)
        _check_finite(found)
        return Matrix(rows, columns, (found,), None, None)
    normed, rows, columns, n_codes = reader.values("?qqi")
    codes = reader.array("u1", n_codes).reshape(rows, -1)
    parts = _centroids(reader)
    norms = None
    if normed:
        norm_codes = reader.array("u1", rows)
        norms = _centroids(reader)[0].ravel()[norm_codes]
    return Matrix(rows, columns, parts, codes, norms)


def _centroids(reader: _Reader) -> tuple[npt.NDArray[np.float32], ...]:
    _, count, width, last = reader.values("4i")
    widths = [width] * (count - 1) + [last]
    parts = tuple(
        reader.array("<f4", _CENTROIDS * size).reshape(_CENTROIDS, size) for size in widths
    )
    _check_finite(*parts)
    return parts


def _check_finite(*arrays: npt.NDArray[np.float32]) -> None:
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError
