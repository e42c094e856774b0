# SPDX-License-Identifier: Apache-2.0
"""Label lines of text with a fastText model of many labels, at compiled speed.

The labels of a model with hierarchical softmax are the leaves of a Huffman tree over how often each
occurred in training; every inner node says with which probability a text belongs on its right. A
line of text is the mean vector of its features (words and parts of words); its label is the leaf
with the highest product of probabilities on the way to it, found depth first (Joulin et al. 2016,
arXiv:1607.01759; `HierarchicalSoftmaxLoss::buildTree` and `::dfs` in fastText 0.9). Known words are
summed with their parts when the model is loaded, and no text becomes a Python string.

Labels equal fastText's own; scores differ by the order in which floats are added (see the tests).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..schemas.errors import ModelError
from .fasttext_features import find_word, index_words, join_words, parts_buffer, word_parts
from .fasttext_file import (
    HIERARCHICAL_SOFTMAX,
    LABEL_PREFIX,
    LINE_END,
    FastTextFile,
    read_fasttext,
)
from .folding import string_buffers

_EPSILON = 1e-5  # fastText adds it to a probability before it takes the logarithm (`std_log`)

_F32 = npt.NDArray[np.float32]
_F64 = npt.NDArray[np.float64]
_I32 = npt.NDArray[np.int32]
_I64 = npt.NDArray[np.int64]
_U64 = npt.NDArray[np.uint64]
_U8 = npt.NDArray[np.uint8]


class Features(NamedTuple):
    """The features of a model as the kernels take them.

    Attributes:
        keys: Hashes of the known words, from `index_words`.
        ids: Their numbers, from `index_words`.
        counts: int64[words], number of vectors behind a known word: its own and its parts'.
        present: uint64[bucket / 64 + 1], a bit for each bucket that pruning left. Of lid.176's two
            million buckets two in a hundred are left, and nine of ten parts of a text have none:
            the bits (250 kB) stay in a core's own cache, where a table of rows (8 MB) does not.
        ranks: int32[bucket / 64 + 1], row of the first present bucket of each 64.
        vectors: float32[words + present buckets, columns], the sum of the vectors of each known
            word and of its parts, then the vector of each bucket, in order.
        line_end: Number of the word that stands for the end of a line, a feature of every line.
        shape: (buckets, shortest, longest part of a word in characters).
    """

    keys: _U64
    ids: _I32
    counts: _I64
    present: _U64
    ranks: _I32
    vectors: _F32
    line_end: int
    shape: tuple[int, int, int]


class Tree(NamedTuple):
    """The labels of a model as leaves of a tree.

    Attributes:
        children: int32[nodes, 2], left and right child of each inner node: an inner node, or the
            complement (`~label`) of a label. The last node is the root.
        vectors: float32[nodes, columns], the vector of each inner node.
    """

    children: _I32
    vectors: _F32


@dataclass(frozen=True)
class TreeModel:
    """A fastText model with hierarchical softmax, ready to be searched.

    Args:
        labels: The labels without their prefix.
        features: What a text is looked up in.
        tree: What its label is looked up in.
    """

    labels: tuple[str, ...]
    features: Features
    tree: Tree


def load_tree(path: Path) -> TreeModel:
    """Load a fastText model that has its labels in a tree.

    Args:
        path: A supervised model with hierarchical softmax and without word n-grams, `.bin` or
            `.ftz`.

    Raises:
        ModelError: The file has another layout, another loss, word n-grams or fewer than two
            labels.
    """
    try:
        return _prepare(read_fasttext(path))
    except ValueError:
        msg = (
            f"{path}: expected a fastText model of words and labels "
            "(version 12, hierarchical softmax, no word n-grams)"
        )
        raise ModelError(msg) from None


def _prepare(file: FastTextFile) -> TreeModel:
    if file.loss != HIERARCHICAL_SOFTMAX or file.word_ngrams != 1 or len(file.labels) < 2:
        raise ValueError
    n_words, identity = len(file.words), np.eye(file.inputs.columns)
    vectors = file.inputs.product(identity).astype(np.float32)
    buckets = np.arange(file.bucket)
    if file.kept is not None:
        order = np.argsort(file.kept[:, 0])
        buckets = file.kept[order, 0]
        vectors[n_words:] = vectors[n_words + file.kept[order, 1]]
    mask = np.zeros((file.bucket // 64 + 1, 64), np.bool_)
    mask.ravel()[buckets] = True
    here = mask.sum(axis=1)
    features = Features(
        *index_words(file.words),
        counts=np.ones(n_words, np.int64),
        present=np.packbits(mask, bitorder="little").view(np.uint64),
        ranks=(n_words + here.cumsum() - here).astype(np.int32),
        vectors=vectors,
        line_end=file.words.index(LINE_END),
        shape=(file.bucket, file.minn, file.maxn),
    )
    _sum_words(*join_words(file.words), features)
    labels = tuple(label.removeprefix(LABEL_PREFIX).decode() for label in file.labels)
    nodes = file.outputs.product(identity).astype(np.float32)
    return TreeModel(labels, features, Tree(_build_tree(file.label_counts), nodes))


def _build_tree(counts: list[int]) -> _I32:
    """Build the Huffman tree of labels sorted by falling count, with fastText's order of ties."""
    weights: list[int] = []  # of the inner nodes so far; it grows by merging, so it rises
    children = np.empty((len(counts) - 1, 2), np.int32)
    leaf, inner = len(counts) - 1, 0
    for node in range(len(children)):
        total = 0
        for side in range(2):
            if leaf >= 0 and (inner == node or counts[leaf] < weights[inner]):
                children[node, side] = ~leaf
                total += counts[leaf]
                leaf -= 1
            else:
                children[node, side] = inner
                total += weights[inner]
                inner += 1
        weights.append(total)
    return children


@numba.njit(cache=True, nogil=True, inline="always")
def _find_parts(
    data: _U8,
    start: int,
    stop: int,
    present: _U64,
    ranks: _I32,
    shape: tuple[int, int, int],
    rows: _I32,
    count: int,
) -> int:
    """Append the rows of the parts of a word to the `count` in `rows`; return the new count."""
    for i in range(count, word_parts(data, start, stop, shape, rows, count)):
        block, bit = rows[i] >> 6, np.uint64(1) << np.uint64(rows[i] & 63)
        bits = present[block]
        if bits & bit:
            bits &= bit - np.uint64(1)
            rank = ranks[block]
            while bits:
                bits &= bits - np.uint64(1)
                rank += 1
            rows[count] = rank
            count += 1
    return count


@numba.njit(cache=True, nogil=True)
def _sum_words(data: _U8, ends: _I64, features: Features) -> None:
    """Add the vectors of its parts to that of each known word; the line end has none."""
    _, _, counts, present, ranks, vectors, line_end, shape = features
    rows = parts_buffer(ends, shape[2])
    for word in range(len(ends) - 1):
        if word != line_end:
            found = _find_parts(data, ends[word], ends[word + 1], present, ranks, shape, rows, 0)
            counts[word] += found
            _add_rows(vectors, rows, found, vectors[word])


@numba.njit(cache=True, nogil=True)
def _add_rows(vectors: _F32, rows: _I32, count: int, total: _F32) -> None:
    for i in range(count):
        for column in range(len(total)):
            total[column] += vectors[rows[i], column]


@numba.njit(cache=True, nogil=True)
def _is_space(byte: int) -> bool:
    """Return whether fastText ends a word here: ASCII white space or NUL, nothing else."""
    return byte == 32 or 9 <= byte <= 13 or byte == 0


@numba.njit(cache=True, nogil=True)
def _starts_with(data: _U8, start: int, stop: int, prefix: _U8) -> bool:
    if stop - start < len(prefix):
        return False
    for i in range(len(prefix)):
        if data[start + i] != prefix[i]:
            return False
    return True


@numba.njit(cache=True, nogil=True)
def _mean_vector(
    data: _U8,
    start: int,
    stop: int,
    features: Features,
    label_prefix: _U8,
    rows: _I32,
    mean: _F32,
) -> None:
    """Write the mean of the vectors of a line's features to `mean`; `rows` is scratch."""
    # Taken apart here: handed on whole with each word, it took a fifth of the time of a line.
    keys, ids, counts, present, ranks, vectors, line_end, shape = features
    rows[0] = line_end
    found = total = 1
    end = start
    while end < stop:
        start = end
        while end < stop and not _is_space(data[end]):
            end += 1
        if end > start:
            word = find_word(keys, ids, data, start, end)
            if word == line_end:
                break  # its name, written out in a text, ends the line
            if word >= 0:
                rows[found] = word
                found += 1
                total += counts[word]
            elif not _starts_with(data, start, end, label_prefix):
                before = found
                found = _find_parts(data, start, end, present, ranks, shape, rows, found)
                total += found - before
        end += 1
    mean[:] = 0
    _add_rows(vectors, rows, found, mean)
    for column in range(len(mean)):
        mean[column] /= total


@numba.njit(cache=True, nogil=True)
def _best_leaf(mean: _F32, tree: Tree, stack: _I32, odds: _F64) -> tuple[int, float]:
    """Return the best label (-1 for none) and its probability; `stack` and `odds` are scratch."""
    best, best_odds = -1, 0.0
    top = 0
    stack[0], odds[0] = len(tree.children) - 1, 1.0
    while top >= 0:
        node, chance = stack[top], odds[top]
        top -= 1
        # fastText leaves out what is below its threshold of 0, to which it adds `_EPSILON` too.
        if chance < best_odds or chance < _EPSILON:
            continue
        if node < 0:
            best, best_odds = ~node, chance
            continue
        dot = 0.0
        for column in range(len(mean)):
            dot += np.float64(tree.vectors[node, column]) * np.float64(mean[column])
        right = 1.0 / (1.0 + np.exp(-dot))
        top += 2  # the left child on top: it is searched first
        stack[top - 1], odds[top - 1] = tree.children[node, 1], chance * (right + _EPSILON)
        stack[top], odds[top] = tree.children[node, 0], chance * (1.0 - right + _EPSILON)
    return best, best_odds


@numba.njit(cache=True, nogil=True)
def _label_lines(
    offsets: _I64,
    data: _U8,
    features: Features,
    tree: Tree,
    label_prefix: _U8,
    labels: _I32,
    scores: _F64,
) -> None:
    rows = parts_buffer(offsets, features.shape[2])
    stack = np.empty(len(tree.children) + 2, np.int32)
    odds = np.empty(len(stack), np.float64)
    mean = np.empty(features.vectors.shape[1], np.float32)
    for line in range(len(labels)):
        start, stop = offsets[line], offsets[line + 1]
        _mean_vector(data, start, stop, features, label_prefix, rows, mean)
        labels[line], scores[line] = _best_leaf(mean, tree, stack, odds)


def best_labels(model: TreeModel, lines: pa.Array) -> tuple[_I32, _F64]:
    """Return the best label of each line of text.

    Args:
        model: From `load_tree`.
        lines: `string` or `large_string`, length n; line ends count as spaces; null is empty.

    Returns:
        int32[n], position in `model.labels`, -1 if none has a probability of 1e-5; and float64[n],
        its probability, which may be up to 1e-3 above 1: fastText's own arithmetic.
    """
    offsets, data = string_buffers(lines)
    labels = np.empty(len(offsets) - 1, np.int32)
    scores = np.empty(len(offsets) - 1, np.float64)
    label_prefix = np.frombuffer(LABEL_PREFIX, np.uint8)
    _label_lines(offsets, data, model.features, model.tree, label_prefix, labels, scores)
    return labels, scores
