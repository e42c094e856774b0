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

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..schemas.errors import ModelError
from .fasttext_features import find_word, index_words, join_words, parts_capacity, word_parts
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


@dataclass(frozen=True)
class TreeModel:
    """A fastText model with hierarchical softmax, ready to be searched.

    Args:
        labels: The labels without their prefix.
        keys: Hashes of the known words, from `index_words`.
        ids: Their numbers, from `index_words`.
        word_sums: float32[words, columns], sum of the vectors of a known word and of its parts.
        word_counts: Number of vectors in that sum.
        rows: int32[bucket], row of each hashed feature in `vectors`, -1 where it was pruned.
        vectors: float32[features, columns].
        line_end: float32[columns], the vector of the end of a line, a feature of every line.
        children: int32[nodes, 2], left and right child of each inner node: an inner node, or the
            complement (`~label`) of a label. The last node is the root.
        nodes: float32[nodes, columns], the vector of each inner node.
        shape: (shortest, longest) part of a word in characters.
    """

    labels: tuple[str, ...]
    keys: _U64
    ids: _I32
    word_sums: _F32
    word_counts: _I64
    rows: _I32
    vectors: _F32
    line_end: _F32
    children: _I32
    nodes: _F32
    shape: tuple[int, int]


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
    table = file.inputs.product(identity).astype(np.float32)
    vectors = np.ascontiguousarray(table[n_words:])
    rows = np.full(file.bucket, -1, np.int32)
    if file.kept is None:
        rows[:] = np.arange(file.bucket)
    else:
        rows[file.kept[:, 0]] = file.kept[:, 1]
    keys, ids = index_words(file.words)
    line_end = file.words.index(LINE_END)
    sums, counts = table[:n_words].copy(), np.ones(n_words, np.int64)
    data, ends = join_words(file.words)
    parts = np.empty(parts_capacity(max(map(len, file.words)), file.maxn), np.int32)
    shape = (file.minn, file.maxn)
    _add_parts(data, ends, rows, vectors, shape, parts, sums, counts)
    return TreeModel(
        tuple(label.removeprefix(LABEL_PREFIX).decode() for label in file.labels),
        keys,
        ids,
        sums,
        counts,
        rows,
        vectors,
        table[line_end].copy(),
        _build_tree(file.label_counts.tolist()),
        file.outputs.product(identity).astype(np.float32),
        shape,
    )


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


@numba.njit(cache=True, nogil=True)
def _add_word(
    data: _U8,
    start: int,
    stop: int,
    rows: _I32,
    vectors: _F32,
    shape: tuple[int, int],
    parts: _I32,
    total: _F32,
) -> int:
    """Add the vectors of the parts of a word to `total`; return how many."""
    found = word_parts(data, start, stop, len(rows), shape[0], shape[1], parts)
    count = 0
    for i in range(found):
        row = rows[parts[i]]
        if row >= 0:
            count += 1
            for column in range(len(total)):
                total[column] += vectors[row, column]
    return count


@numba.njit(cache=True, nogil=True)
def _add_parts(
    data: _U8,
    ends: _I64,
    rows: _I32,
    vectors: _F32,
    shape: tuple[int, int],
    parts: _I32,
    sums: _F32,
    counts: _I64,
) -> None:
    for word in range(len(ends) - 1):
        start, stop = ends[word], ends[word + 1]
        counts[word] += _add_word(data, start, stop, rows, vectors, shape, parts, sums[word])


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
def _best_leaf(hidden: _F32, children: _I32, nodes: _F32, stack: _I32, odds: _F64) -> None:
    """Search the tree; leave the best leaf in `stack[0]` and its probability in `odds[0]`."""
    best, best_odds = 0, -1.0
    top = 0
    stack[0], odds[0] = len(children) - 1, 1.0
    while top >= 0:
        node, chance = stack[top], odds[top]
        top -= 1
        # fastText leaves out what is below its threshold of 0, which it reads as `_EPSILON` too.
        if chance < best_odds or chance < _EPSILON:
            continue
        if node < 0:
            best, best_odds = node, chance
            continue
        dot = np.float32(0)
        for column in range(len(hidden)):
            dot += nodes[node, column] * hidden[column]
        right = 1.0 / (1.0 + np.exp(-np.float64(dot)))
        for side in range(1, -1, -1):  # the left child on top: it is searched first
            top += 1
            stack[top] = children[node, side]
            odds[top] = chance * ((right if side == 1 else 1.0 - right) + _EPSILON)
    stack[0], odds[0] = best, best_odds


@numba.njit(cache=True, nogil=True)
def _label_lines(
    offsets: _I64,
    data: _U8,
    keys: _U64,
    ids: _I32,
    word_sums: _F32,
    word_counts: _I64,
    rows: _I32,
    vectors: _F32,
    line_end: _F32,
    children: _I32,
    nodes: _F32,
    shape: tuple[int, int],
    names: tuple[_U8, _U8],
    labels: _I32,
    scores: _F64,
) -> None:
    end_name, label_prefix = names
    longest = 0
    for line in range(len(offsets) - 1):
        longest = max(longest, offsets[line + 1] - offsets[line])
    parts = np.empty(parts_capacity(longest, shape[1]), np.int32)
    stack = np.empty(len(children) + 2, np.int32)
    odds = np.empty(len(children) + 2, np.float64)
    hidden = np.empty(len(line_end), np.float32)
    for line in range(len(offsets) - 1):
        hidden[:] = line_end
        count = 1
        stop = offsets[line + 1]
        end = offsets[line]
        while end < stop:
            start = end
            while end < stop and not _is_space(data[end]):
                end += 1
            if end > start:
                word = find_word(keys, ids, data, start, end)
                if word >= 0:
                    if end - start == len(end_name) and _starts_with(data, start, end, end_name):
                        break  # the name of the line end in a text ends the line
                    count += word_counts[word]
                    for column in range(len(hidden)):
                        hidden[column] += word_sums[word, column]
                elif not _starts_with(data, start, end, label_prefix):
                    count += _add_word(data, start, end, rows, vectors, shape, parts, hidden)
            end += 1
        for column in range(len(hidden)):
            hidden[column] /= count
        _best_leaf(hidden, children, nodes, stack, odds)
        labels[line] = ~stack[0]
        scores[line] = odds[0]


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
    names = (np.frombuffer(LINE_END, np.uint8), np.frombuffer(LABEL_PREFIX, np.uint8))
    _label_lines(
        offsets,
        data,
        model.keys,
        model.ids,
        model.word_sums,
        model.word_counts,
        model.rows,
        model.vectors,
        model.line_end,
        model.children,
        model.nodes,
        model.shape,
        names,
        labels,
        scores,
    )
    return labels, scores
