# SPDX-License-Identifier: Apache-2.0
"""Score sliding windows of text with a two-label fastText model, at compiled speed.

A fastText classifier (Joulin et al. 2016, arXiv:1607.01759) with two labels is linear: the score
is the logistic function of the *mean* over a text's features (words, parts of words, word n-grams)
of `row . (output[positive] - output[negative])`. So the weights collapse to one number a feature
when the model is loaded, features need no Python string, and with prefix sums every window of a
document costs the same, whatever its length. Scores equal fastText's own to 2e-5
(tested; fastText itself adds 1e-5 to a probability before it takes the logarithm).

The file layout read here is the one fastText 0.9 writes (version 12), quantised or not.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..schemas.errors import ModelError
from .folding import string_buffers

_MAGIC, _VERSION = 793712314, 12
_SUPERVISED, _SOFTMAX = 3, 3
_CENTROIDS = 256
_EOS = b"</s>"
_NGRAM_MULTIPLIER = 116049371  # fastText's Dictionary::addWordNgrams

_F64 = npt.NDArray[np.float64]
_I64 = npt.NDArray[np.int64]
_U64 = npt.NDArray[np.uint64]
_U8 = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class LinearModel:
    """A two-label fastText model as one weight a feature.

    Args:
        keys: Open-addressing table of 64-bit word hashes, a power of two long; 0 is free.
        word_sums: Weight of the word in the same slot, its parts included.
        word_counts: Number of features behind that weight.
        buckets: Weight of each hashed feature.
        shape: (shortest part, longest part, longest word n-gram), in characters and words.
        line_end: (weight, features, hash) of the end of a line, which fastText counts as a word.
    """

    keys: _U64
    word_sums: _F64
    word_counts: _I64
    buckets: _F64
    shape: tuple[int, int, int]
    line_end: tuple[float, int, int]


class _Reader:
    """Read little-endian values one after another."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def values(self, layout: str) -> tuple[int, ...]:
        found = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return found

    def array(self, dtype: str, count: int) -> npt.NDArray[np.float64]:
        found = np.frombuffer(self.data, dtype, count, self.at)
        self.at += found.nbytes
        return found

    def word(self) -> bytes:
        end = self.data.index(0, self.at)
        found = self.data[self.at : end]
        self.at = end + 1
        return found


def load_linear(path: Path, positive: str) -> LinearModel:
    """Load a two-label fastText model and collapse it.

    Args:
        path: A supervised model with softmax loss, `.bin` or `.ftz`.
        positive: The label, without prefix, whose probability is the score.

    Raises:
        ModelError: The file has another layout, other labels or another loss.
    """
    try:
        return _collapse(_Reader(path.read_bytes()), f"__label__{positive}".encode())
    except (struct.error, ValueError, IndexError):
        msg = f"{path}: expected a two-label fastText model (version {_VERSION}, softmax)"
        raise ModelError(msg) from None


def _collapse(reader: _Reader, positive: bytes) -> LinearModel:
    magic, version = reader.values("ii")
    dim, *_, word_ngrams, loss, kind, bucket, minn, maxn, _, _ = reader.values("12id")
    size, n_words, n_labels, _, pruned = reader.values("iiiqq")
    entries = [(reader.word(), reader.values("qb")) for _ in range(size)]
    words = [word for word, (_, label) in entries if not label]
    labels = [word for word, (_, label) in entries if label]
    known = (magic, version, loss, kind) == (_MAGIC, _VERSION, _SOFTMAX, _SUPERVISED)
    if not known or n_labels != 2 or positive not in labels or pruned > 0:
        raise ValueError
    quantised = bool(reader.values("?")[0])
    matrix_at = reader.at
    _skip_matrix(reader, quantised=quantised)
    if reader.values("?")[0]:
        raise ValueError  # a quantised output layer: never written without `qout`
    rows, columns = reader.values("qq")
    output = reader.array("<f4", rows * columns).reshape(rows, columns).astype(np.float64)
    direction = output[labels.index(positive)] - output[1 - labels.index(positive)]
    reader.at = matrix_at
    weights = _project(reader, direction, quantised=quantised)
    if len(weights) != n_words + bucket or dim != columns or not np.isfinite(weights).all():
        raise ValueError
    buckets = np.ascontiguousarray(weights[n_words:])
    slots = 1 << (2 * n_words).bit_length()
    keys = np.zeros(slots, np.uint64)
    sums, counts = np.zeros(slots), np.zeros(slots, np.int64)
    data = np.frombuffer(b"".join(words), np.uint8)
    ends = np.cumsum([0, *map(len, words)])
    _fill(data, ends, weights, buckets, minn, maxn, keys, sums, counts)
    return LinearModel(
        keys,
        sums,
        counts,
        buckets,
        (minn, maxn, word_ngrams),
        (float(weights[words.index(_EOS)]), 1, int(_line_end_hash())),
    )


def _skip_matrix(reader: _Reader, *, quantised: bool) -> None:
    if not quantised:
        rows, columns = reader.values("qq")
        reader.at += 4 * rows * columns
        return
    normed, rows, _, codes = reader.values("?qqi")
    for size in (codes, rows) if normed else (codes,):  # codes of the rows, then of their norms
        reader.at += size
        dim, *_ = reader.values("4i")
        reader.at += 4 * dim * _CENTROIDS


def _project(reader: _Reader, direction: _F64, *, quantised: bool) -> _F64:
    """Return the product of each row of the input matrix with one vector."""
    if not quantised:
        rows, columns = reader.values("qq")
        return reader.array("<f4", rows * columns).reshape(rows, columns) @ direction
    normed, rows, _, n_codes = reader.values("?qqi")
    codes = reader.array("u1", n_codes).reshape(rows, -1)
    dim, parts, width, last = reader.values("4i")
    centroids = reader.array("<f4", dim * _CENTROIDS)
    total = np.zeros(rows)
    for part in range(parts):
        size = last if part == parts - 1 else width
        start = part * _CENTROIDS * width
        table = centroids[start : start + _CENTROIDS * size].reshape(_CENTROIDS, size)
        total += (table @ direction[part * width : part * width + size])[codes[:, part]]
    if normed:
        norm_codes = reader.array("u1", rows)
        reader.values("4i")
        total *= reader.array("<f4", _CENTROIDS)[norm_codes]
    return total


@numba.njit(cache=True, nogil=True)
def _hash32(data: _U8, start: int, stop: int) -> np.int64:
    """FNV-1a as fastText computes it: bytes are signed, the result is read as signed."""
    h = np.uint32(2166136261)
    for i in range(start, stop):
        h = np.uint32((h ^ np.uint32(np.int64(np.int8(data[i])))) * np.uint32(16777619))
    return np.int64(np.int32(h))


@numba.njit(cache=True, nogil=True)
def _hash64(data: _U8, start: int, stop: int) -> np.uint64:
    h = np.uint64(14695981039346656037)
    for i in range(start, stop):
        h = (h ^ np.uint64(data[i])) * np.uint64(1099511628211)
    return h | np.uint64(1)  # never the free mark


@numba.njit(cache=True, nogil=True)
def _slot(keys: _U64, key: np.uint64) -> np.int64:
    """Return the slot of a key, or the free one where it belongs."""
    mask = np.uint64(len(keys) - 1)
    slot = (key >> np.uint64(17)) & mask
    while keys[slot] != 0 and keys[slot] != key:
        slot = (slot + np.uint64(1)) & mask
    return np.int64(slot)


@numba.njit(cache=True, nogil=True)
def _parts(
    data: _U8, start: int, stop: int, buckets: _F64, minn: int, maxn: int
) -> tuple[float, int]:
    """Sum the weights of a word's character n-grams, `<` and `>` around it: (sum, features)."""
    total = 0.0
    count = 0
    if maxn <= 0:
        return total, count
    i = start - 1  # position start - 1 is `<`, position stop is `>`
    while i <= stop:
        h = np.uint32(2166136261)
        j = i
        n = 0
        while j <= stop and n < maxn:
            n += 1
            first = True
            while j <= stop and (first or (j < stop and data[j] & 0xC0 == 0x80)):
                byte = 60 if j == start - 1 else 62 if j == stop else np.int64(data[j])
                signed = np.uint32(np.int64(np.int8(byte)))
                h = np.uint32((h ^ signed) * np.uint32(16777619))
                first = False
                j += 1
            if n >= minn and not (n == 1 and (i == start - 1 or j > stop)):
                total += buckets[np.int64(h) % len(buckets)]
                count += 1
        i += 1
        while i < stop and data[i] & 0xC0 == 0x80:
            i += 1
    return total, count


@numba.njit(cache=True, nogil=True)
def _fill(
    data: _U8,
    ends: _I64,
    weights: _F64,
    buckets: _F64,
    minn: int,
    maxn: int,
    keys: _U64,
    sums: _F64,
    counts: _I64,
) -> None:
    """Put every word with the sum of its features into the table.

    The line end is among them, harmlessly: folded text cannot contain `</s>`.
    """
    for word in range(len(ends) - 1):
        key = _hash64(data, ends[word], ends[word + 1])
        slot = _slot(keys, key)
        total, count = _parts(data, ends[word], ends[word + 1], buckets, minn, maxn)
        keys[slot] = key
        sums[slot] = weights[word] + total
        counts[slot] = 1 + count


@numba.njit(cache=True, nogil=True)
def _ngram(hashes: _I64, start: int, order: int, last: int, size: int, buckets: _F64) -> float:
    """Return the weight of the word n-gram at `start`; position `size` is the line end `last`."""
    h = np.uint64(hashes[start])
    for i in range(start + 1, start + order):
        follower = last if i == size else hashes[i]
        h = h * np.uint64(_NGRAM_MULTIPLIER) + np.uint64(follower)
    return float(buckets[np.int64(h % np.uint64(len(buckets)))])


@numba.njit(cache=True, nogil=True)
def _max_scores(
    offsets: _I64,
    data: _U8,
    window: int,
    stride: int,
    least: int,
    keys: _U64,
    word_sums: _F64,
    word_counts: _I64,
    buckets: _F64,
    shape: tuple[int, int, int],
    line_end: tuple[float, int, int],
    scores: _F64,
) -> None:
    minn, maxn, orders = shape
    end_weight, end_count, end_hash = line_end
    for row in range(len(offsets) - 1):
        start, stop = offsets[row], offsets[row + 1]
        size = 1 if stop > start else 0
        for i in range(start, stop):
            size += data[i] == 32
        if size == 0:
            scores[row] = 0.0
            continue
        hashes = np.empty(size, np.int64)
        # sums[o, t]: weight of all features of order o + 1 that start before token t.
        sums = np.zeros((orders, size + 1))
        counts = np.zeros(size + 1, np.int64)
        token = 0
        at = start
        for i in range(start, stop + 1):
            if i < stop and data[i] != 32:
                continue
            hashes[token] = _hash32(data, at, i)
            key = _hash64(data, at, i)
            slot = _slot(keys, key)
            if keys[slot] == key:
                total, count = word_sums[slot], word_counts[slot]
            else:
                total, count = _parts(data, at, i, buckets, minn, maxn)
            sums[0, token + 1] = sums[0, token] + total
            counts[token + 1] = counts[token] + count
            token += 1
            at = i + 1
        for order in range(2, orders + 1):
            for t in range(size):
                weight = 0.0
                if t + order <= size:
                    weight = _ngram(hashes, t, order, 0, size, buckets)
                sums[order - 1, t + 1] = sums[order - 1, t] + weight
        best = -np.inf
        first = 0
        while True:
            last = min(first + window, size)
            total = sums[0, last] - sums[0, first] + end_weight
            count = counts[last] - counts[first] + end_count
            for order in range(2, orders + 1):
                if last - first >= order:
                    total += sums[order - 1, last - order + 1] - sums[order - 1, first]
                    count += last - first - order + 1
                if last - first >= order - 1:
                    total += _ngram(hashes, last - order + 1, order, end_hash, last, buckets)
                    count += 1
            best = max(best, total / max(count, least))
            if last == size:
                break
            first += stride
        scores[row] = 1.0 / (1.0 + np.exp(-best))


def _line_end_hash() -> np.int64:
    data = np.frombuffer(_EOS, np.uint8)
    return np.int64(_hash32(data, 0, len(data)))


def max_scores(
    model: LinearModel, tokens: pa.Array, *, window: int, stride: int, least: int = 1
) -> npt.NDArray[np.float64]:
    """Return the highest score of any window of each text.

    Args:
        model: From `load_linear`.
        tokens: `string` or `large_string`, length n: tokens with one space between them, as
            `fold_text` gives them.
        window: Tokens a window, at least 1; a shorter text is one window.
        stride: Tokens from one window to the next, from 1 to `window`: no token is left out.
        least: Features a window counts as having at least. The mean of few features is extreme;
            this draws short texts towards .5. With 1 scores are fastText's own.

    Returns:
        n probabilities of the positive label in [0, 1]; 0 for a text without tokens.
    """
    if not 1 <= stride <= window:
        msg = f"expected 1 <= stride <= window, got stride {stride} and window {window}"
        raise ValueError(msg)
    offsets, data = string_buffers(tokens)
    scores = np.empty(len(offsets) - 1, np.float64)
    _max_scores(
        offsets,
        data,
        window,
        stride,
        least,
        model.keys,
        model.word_sums,
        model.word_counts,
        model.buckets,
        model.shape,
        model.line_end,
        scores,
    )
    return scores
