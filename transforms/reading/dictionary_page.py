# SPDX-License-Identifier: Apache-2.0
"""How large the values of a dictionary page are, before a library unfolds them.

A value of a dictionary is stored once and may be named by each row, so a small file can unfold to
any size. How many rows can be read at once depends on the largest value, which no header says.
"""

from __future__ import annotations

import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numba import njit

from .footer import PageSizes, page_sizes
from .limits import MIB

MAX_DICTIONARY_BYTES = 64 * MIB
"""Hostile case 34. Writers give up a dictionary page at 1 MiB (parquet-java, Arrow C++ defaults)."""

# Enough for a page header; what does not fit is no header of a dictionary page.
_HEADER_BYTES = 128

# A page up to this size is not worth looking into: its size bounds its values well enough.
_SMALL_BYTES = 16 << 10

_CODECS = {"ZSTD": "zstd", "SNAPPY": "snappy", "GZIP": "gzip", "BROTLI": "brotli"}


def dictionary_page(fd: int, column: pq.ColumnChunkMetaData) -> PageSizes | None:
    """Return the sizes of a column's dictionary page, None if it has none.

    Args:
        fd: The file.
        column: A column of strings.

    Raises:
        ValueError: The page is larger than `MAX_DICTIONARY_BYTES`, or has no header.
    """
    if not column.has_dictionary_page or not column.dictionary_page_offset:
        return None
    page = page_sizes(os.pread(fd, _HEADER_BYTES, column.dictionary_page_offset))
    if not 0 <= page.uncompressed <= MAX_DICTIONARY_BYTES:
        raise ValueError
    return page


def largest_value(fd: int, column: pq.ColumnChunkMetaData, page: PageSizes) -> int:
    """Return a bound on the bytes of one value of a column's dictionary.

    Args:
        fd: The file.
        column: A column of strings.
        page: Its dictionary page.
    """
    if page.uncompressed <= _SMALL_BYTES or not 0 < page.compressed <= MAX_DICTIONARY_BYTES:
        return page.uncompressed
    values = _content(fd, column, page)
    longest = -1 if values is None else int(_longest(np.frombuffer(values, np.uint8)))
    return page.uncompressed if longest < 0 else longest


def _content(fd: int, column: pq.ColumnChunkMetaData, page: PageSizes) -> pa.Buffer | None:
    """Return the page as it was before compression, None where only the library can tell."""
    stored = os.pread(fd, page.compressed, column.dictionary_page_offset + page.header)
    if column.compression == "UNCOMPRESSED":
        return pa.py_buffer(stored)
    codec = _CODECS.get(column.compression)
    if codec is None or not pa.Codec.is_available(codec):
        return None
    try:
        return pa.Codec(codec).decompress(stored, page.uncompressed)
    except (pa.ArrowException, OSError):
        return None  # reading the rows will say what is wrong with it


@njit(cache=True, nogil=True)
def _longest(values):  # type: ignore[no-untyped-def]
    """Return the longest of values that stand behind their length (uint32), -1 if they do not."""
    at, longest = np.int64(0), np.int64(0)
    while at + 4 <= len(values):
        length = np.int64(0)
        for byte in range(4):
            length |= np.int64(values[at + byte]) << (8 * byte)
        longest = max(longest, length)
        at += 4 + length
    return longest if at == len(values) else -1
