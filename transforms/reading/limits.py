# SPDX-License-Identifier: Apache-2.0
"""Limits of the reader: what one hostile record or file may cost."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True)
class ReadLimits:
    """Bounds on what is read; the defaults hold a reader under 512 MiB.

    Args:
        max_record_bytes: Longest record (JSONL: the line without its line feed; Parquet: the text
            in bytes); a longer one is quarantined as `too_large`.
        max_depth: Nested containers of a record, its own object included (`too_deep`).
        max_keys: Keys of the objects open at one place of a record (`too_large`): bounds the
            memory of the duplicate-key check.
        max_id_bytes: Longest external id in UTF-8 bytes (`bad_id`).
        max_ratio: Decompressed over compressed bytes, once `ratio_floor_bytes` came out
            (`decompression_limit`). Text compresses 3 to 20 times; the worst gzip bomb 1,028
            times and a zstd one 32,482 times (measured, hostile case 29).
        ratio_floor_bytes: Decompressed bytes below which no ratio is held against a file.
        max_file_bytes: Decompressed bytes of one file (`decompression_limit`).
        block_bytes: Bytes parsed at a time.
        batch_rows: Most rows of a record batch.
        batch_text_bytes: Text bytes after which a record batch ends; one record may exceed it. A
            batch costs 4 ms to measure whatever it holds: with 16 MiB instead of 4 a tenth less
            CPU on `large` (32 MiB: no more than that).

    Raises:
        ValueError: A limit is not a positive number.
    """

    max_record_bytes: int = 64 * MIB
    max_depth: int = 64
    max_keys: int = 65_536
    max_id_bytes: int = 1024
    max_ratio: int = 1000
    ratio_floor_bytes: int = 64 * MIB
    max_file_bytes: int = 256 << 30
    block_bytes: int = 8 * MIB
    batch_rows: int = 4096
    batch_text_bytes: int = 16 * MIB

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value <= 0:
                msg = f"{name}: expected a positive number, got {value}"
                raise ValueError(msg)
