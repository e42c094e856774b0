# SPDX-License-Identifier: Apache-2.0
"""Reading the shingle sets of a former release from its file of signatures."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from .buffers import UInt64Array
from .run_state import FormerPart

BATCH_ROWS = 4096
"""Documents read at a time."""


def sets_of(lists: pa.Array) -> tuple[npt.NDArray[np.int64], UInt64Array]:
    """Return a column of shingle sets as (offsets int64[n + 1], hashes uint64[offsets[n]])."""
    offsets = np.asarray(lists.offsets).astype(np.int64)
    return offsets - offsets[0], np.asarray(lists.flatten())


def read_sets(
    part: FormerPart, rows: npt.NDArray[np.int64]
) -> Iterator[tuple[npt.NDArray[np.int64], UInt64Array]]:
    """Yield the shingle sets of some documents of a part, batch by batch.

    Args:
        part: The part.
        rows: Their rows, ascending.
    """
    first = 0
    with pq.ParquetFile(part.path) as file:
        for batch in file.iter_batches(BATCH_ROWS, columns=["shingles"]):
            low, high = np.searchsorted(rows, [first, first + batch.num_rows])
            if low < high:
                yield sets_of(batch["shingles"].take(pa.array(rows[low:high] - first)))
            first += batch.num_rows
