# SPDX-License-Identifier: Apache-2.0
"""Score sliding windows of text with a two-label fastText model, at compiled speed.

A fastText classifier (Joulin et al. 2016, arXiv:1607.01759) with two labels is linear: the score
is the logistic function of the *mean* over a text's features (words, parts of words, word n-grams)
of `row . (output[positive] - output[negative])`. So the weights collapse to one number a feature
when the model is loaded, features need no Python string, and with prefix sums every window of a
document costs the same, whatever its length. Scores equal fastText's own to 2e-5
(tested; fastText itself adds 1e-5 to a probability before it takes the logarithm).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..schemas.errors import ModelError
from .fasttext_features import (
    find_word,
    hash32,
    index_words,
    join_words,
    parts_buffer,
    word_parts,
)
from .fasttext_file import LABEL_PREFIX, LINE_END, SOFTMAX, FastTextFile, read_fasttext
from .folding import string_buffers

_NGRAM_MULTIPLIER = 116049371  # fastText's Dictionary::addWordNgrams

_F64 = npt.NDArray[np.float64]
_I32 = npt.NDArray[np.int32]
_I64 = npt.NDArray[np.int64]
_U64 = npt.NDArray[np.uint64]
_U8 = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class LinearModel:
    """A two-label fastText model as one weight a feature.

    Args:
        keys: Hashes of the known words, from `index_words`.
        ids: Their numbers, from `index_words`.
        word_sums: Weight of each known word, its parts included.
        word_counts: Number of features behind that weight.
        buckets: Weight of each hashed feature.
        shape: (shortest part, longest part, longest word n-gram), in characters and words.
        line_end: (weight, features, hash) of the end of a line, which fastText counts as a word.
    """

    keys: _U64
    ids: _I32
    word_sums: _F64
    word_counts: _I64
    buckets: _F64
    shape: tuple[int, int, int]
    line_end: tuple[float, int, int]


def load_linear(path: Path, positive: str) -> LinearModel:
    """Load a two-label fastText model and collapse it.

    Args:
        path: A supervised model with softmax loss, `.bin` or `.ftz`.
        positive: The label, without prefix, whose probability is the score.

    Raises:
        ModelError: The file has another layout, other labels or another loss.
    """
    try:
        return _collapse(read_fasttext(path), LABEL_PREFIX + positive.encode())
    except ValueError:
        msg = f"{path}: expected a two-label fastText model (version 12, softmax)"
        raise ModelError(msg) from None


def _collapse(file: FastTextFile, positive: bytes) -> LinearModel:
    if file.loss != SOFTMAX or len(file.labels) != 2 or file.kept is not None:
        raise ValueError
    this = file.labels.index(positive)
    output = file.outputs.product(np.eye(file.outputs.columns))
    weights = file.inputs.product(output[this] - output[1 - this])
    n_words = len(file.words)
    buckets = np.ascontiguousarray(weights[n_words:])
    keys, ids = index_words(file.words)
    sums, counts = np.zeros(n_words), np.zeros(n_words, np.int64)
    data, ends = join_words(file.words)
    # The line end is among them, harmlessly: folded text cannot contain `</s>`.
    _add_parts(data, ends, weights, buckets, file.minn, file.maxn, sums, counts)
    line_end = np.frombuffer(LINE_END, np.uint8)
    return LinearModel(
        keys,
        ids,
        sums,
        counts,
        buckets,
        (file.minn, file.maxn, file.word_ngrams),
        (float(weights[file.words.index(LINE_END)]), 1, int(hash32(line_end, 0, len(line_end)))),
    )


@numba.njit(cache=True, nogil=True, inline="always")
def _weigh(
    data: _U8, start: int, stop: int, buckets: _F64, minn: int, maxn: int, parts: _I32
) -> tuple[float, int]:
    """Sum the weights of the parts of a word: (sum, how many)."""
    count = word_parts(data, start, stop, (len(buckets), minn, maxn), parts, 0)
    total = 0.0
    for i in range(count):
        total += buckets[parts[i]]
    return total, count


@numba.njit(cache=True, nogil=True)
def _add_parts(
    data: _U8,
    ends: _I64,
    weights: _F64,
    buckets: _F64,
    minn: int,
    maxn: int,
    sums: _F64,
    counts: _I64,
) -> None:
    parts = parts_buffer(ends, maxn)
    for word in range(len(ends) - 1):
        total, count = _weigh(data, ends[word], ends[word + 1], buckets, minn, maxn, parts)
        sums[word] = weights[word] + total
        counts[word] = 1 + count


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
    ids: _I32,
    word_sums: _F64,
    word_counts: _I64,
    buckets: _F64,
    shape: tuple[int, int, int],
    line_end: tuple[float, int, int],
    scores: _F64,
) -> None:
    minn, maxn, orders = shape
    end_weight, end_count, end_hash = line_end
    parts = parts_buffer(offsets, maxn)
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
            hashes[token] = hash32(data, at, i)
            word = find_word(keys, ids, data, at, i)
            if word >= 0:
                total, count = word_sums[word], word_counts[word]
            else:
                total, count = _weigh(data, at, i, buckets, minn, maxn, parts)
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
        model.ids,
        model.word_sums,
        model.word_counts,
        model.buckets,
        model.shape,
        model.line_end,
        scores,
    )
    return scores
