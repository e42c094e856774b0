# SPDX-License-Identifier: Apache-2.0
"""What words say for themselves: how they are used (word vectors) and how they are spelled."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

BUCKETS = 1 << 12
"""Weights of the spelling: letter groups are hashed, as in Weinberger et al. 2009 (ICML)."""
_GROUPS = (2, 3, 4)
"""Letters of a group; the ends of the word count as letters."""


@lru_cache(maxsize=50_000)
def letter_groups(word: str) -> tuple[int, ...]:
    """Return the buckets of a word's groups of two to four letters, case folded."""
    marked = f"^{word.lower()}$"
    return tuple(
        zlib.crc32(marked[at : at + size].encode()) % BUCKETS
        for size in _GROUPS
        for at in range(len(marked) - size + 1)
    )


class Words:
    """What a pipeline and the list of names teach of words.

    Args:
        nlp: The pipeline.
        likeness: Direction of listed names among its word vectors and, last, the constant; empty:
            no word is like a name.
        spelling: Weight of each bucket of letter groups and, last, the constant; empty likewise.

    Attributes:
        table: Word vectors of length one, float32 `[rows, width]`.

    Raises:
        ValueError: The direction is not as wide as the vectors.
    """

    def __init__(
        self, nlp: Any, likeness: Sequence[float] = (), spelling: Sequence[float] = ()
    ) -> None:
        from spacy.strings import get_string_id  # noqa: PLC0415 (heavy)

        self._rows: dict[int, int] = dict(nlp.vocab.vectors.key2row)
        self._identify = get_string_id
        self._spelling = tuple(spelling)
        table = np.asarray(nlp.vocab.vectors.data, np.float32)
        length = np.linalg.norm(table, axis=1, keepdims=True)
        self.table = table / np.maximum(length, np.float32(1e-6))
        if len(likeness) not in (0, self.table.shape[1] + 1):
            msg = "name judge: expected the word vectors it was trained on, got others"
            raise ValueError(msg)
        self._likeness: list[float] = (
            (self.table @ np.array(likeness[:-1], np.float32) + np.float32(likeness[-1])).tolist()
            if len(likeness)
            else [-math.inf] * len(self.table)
        )

    def row(self, word: str) -> int:
        """Return the row of a word, or of its small letters; -1 if neither is known."""
        row = self._rows.get(self._identify(word), -1)
        return row if row >= 0 else self._rows.get(self._identify(word.lower()), -1)

    def likeness(self, word: str) -> float | None:
        """Return how much a word is used as listed names are (logit); None: it has no vector."""
        row = self.row(word)
        return None if row < 0 else self._likeness[row]

    def spelled(self, word: str) -> float:
        """Return how much a word is spelled as listed names are (logit)."""
        if not self._spelling:
            return -math.inf
        return sum(self._spelling[at] for at in letter_groups(word)) + self._spelling[-1]
