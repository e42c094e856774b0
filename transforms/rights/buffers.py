# SPDX-License-Identifier: Apache-2.0
"""Arrow string arrays as flat NumPy buffers and back, without a Python string."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray


def string_buffers(
    values: pa.Array,
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.bool_]]:
    """Return the buffers of a string array as NumPy arrays, whatever its offset or width.

    Args:
        values: string, large_string, binary or large_binary array; other string types are cast.

    Returns:
        data: uint8; offsets: int64 (n + 1) into data; valid: bool (n), False where null.
    """
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    wide = pa.types.is_large_string(values.type) or pa.types.is_large_binary(values.type)
    if not wide and not (pa.types.is_string(values.type) or pa.types.is_binary(values.type)):
        values = values.cast(pa.string())
    size = len(values)
    buffers = values.buffers()
    dtype = np.int64 if wide else np.int32
    if size == 0 or buffers[1] is None:
        offsets = np.zeros(size + 1, np.int64)
    else:
        offsets = np.frombuffer(
            buffers[1], dtype, size + 1, values.offset * np.dtype(dtype).itemsize
        )
        offsets = offsets.astype(np.int64)
    data = np.frombuffer(buffers[2] or b"", np.uint8)
    valid = np.ones(size, np.bool_)
    if values.null_count:
        valid = values.is_valid().to_numpy(zero_copy_only=False)
    return data, offsets, valid


def slice_strings(
    data: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    valid: NDArray[np.bool_],
) -> pa.Array:
    """Return the string array of `data[starts[i]:ends[i]]`, null where not valid."""
    sizes = np.where(valid, ends - starts, 0)
    offsets = np.zeros(len(starts) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    out = np.empty(offsets[-1], np.uint8)
    _copy_slices(data, starts, offsets, out)
    return string_array(out, offsets, valid)


def string_array(
    data: NDArray[np.uint8], offsets: NDArray[np.int64], valid: NDArray[np.bool_]
) -> pa.Array:
    """Return a string array (large_string past 2 GiB) over the given buffers."""
    mask = None if valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))
    small = offsets[-1] <= np.iinfo(np.int32).max
    kind, width = (pa.string(), np.int32) if small else (pa.large_string(), np.int64)
    buffers = [mask, pa.py_buffer(offsets.astype(width)), pa.py_buffer(data)]
    return pa.Array.from_buffers(kind, len(valid), buffers)


@njit(cache=True, nogil=True)
def _copy_slices(data, starts, offsets, out):  # type: ignore[no-untyped-def]
    for row in range(len(starts)):
        size = offsets[row + 1] - offsets[row]
        for place in range(size):
            out[offsets[row] + place] = data[starts[row] + place]
