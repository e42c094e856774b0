# SPDX-License-Identifier: Apache-2.0
"""Where a row belongs: from `doc_ref` to split and back, and from hash to partition."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt


class _Numbered(Protocol):
    @property
    def number(self) -> int: ...


_SPLIT_SHIFT = np.uint64(32)  # schemas.batches: doc_ref = split_number << 32 | row


def split_base(split: _Numbered) -> np.uint64:
    """Return the `doc_ref` of a split's first record."""
    return np.uint64(split.number) << _SPLIT_SHIFT


def split_of(refs: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Return the split number of each `doc_ref`, which is its partition when sent by split."""
    return (refs >> _SPLIT_SHIFT).astype(np.int64)


def top_bits(values: npt.NDArray[np.uint64], partitions: int) -> npt.NDArray[np.int64]:
    """Return the partition of each hash: its top 16 bits, scaled.

    Args:
        values: Evenly spread hashes, `[n]`.
        partitions: In [1, 4096]; from the job, never from the number of workers.
    """
    high = (values >> np.uint64(48)).astype(np.int64)
    return high * partitions >> 16
