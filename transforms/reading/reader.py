# SPDX-License-Identifier: Apache-2.0
"""Read one split, piece after piece, as record batches that may span small files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from .html_text import CPU_SECONDS, PATIENCE, PageReader
from .limits import ReadLimits
from .piece_reader import OnBadFile, PieceReader, ReadTally, WatOf
from .splits import Split


class SplitReader:
    """Iterate once over the records of a split. One file is open at a time.

    Args:
        split: What to read.
        fields: Column of `RECORDS` to input field; must map `text`. Dots go into nested objects.
            A crawl fills `CRAWL_COLUMNS`, whatever is mapped.
        limits: Bounds on records, streams and batches.
        columns: Value columns to fill, all mapped ones by default. The rows and their faults do not
            depend on it, nor do the batch boundaries if `text` is among them.
        files: Piece of each row, if all were read before: then no others are, and of Parquet the
            text and `columns` alone; a row has no fault then for what stands in another.
        on_bad_file: `fail` raises at a stream fault; `quarantine` yields one more record that
            stands for the rest of that stream.
        html_text: Text to take from pages of a crawl: their `main` content, or `all`.
        wat: Gives headers and tags of the pages of a WET file.

    Raises:
        ValueError: `fields` or `columns` name an unknown column.
        InputError: While iterating: a file cannot be opened, has changed since it was planned
            (`input_changed`), or has a stream fault and `on_bad_file` is `fail`.
    """

    def __init__(
        self,
        split: Split,
        fields: Mapping[str, str],
        *,
        limits: ReadLimits | None = None,
        columns: tuple[str, ...] | None = None,
        files: npt.NDArray[np.uint16] | None = None,
        on_bad_file: OnBadFile = "fail",
        html_text: Literal["main", "all"] = "main",
        wat: WatOf | None = None,
    ) -> None:
        self._limits = limits or ReadLimits()
        seconds = CPU_SECONDS * (1 if columns is None else PATIENCE)
        self._pages = PageReader(main_content=html_text == "main", seconds=seconds)
        self._records: list[int] | None = None
        if files is not None:
            self._records = np.bincount(files, minlength=len(split.pieces)).tolist()
        self._readers = [
            PieceReader(
                piece,
                fields,
                self._pages,
                self._limits,
                columns=columns,
                records=self._records[number] if self._records is not None else None,
                on_bad_file=on_bad_file,
                wat=wat,
            )
            for number, piece in enumerate(split.pieces)
        ]
        self._begun = False

    @property
    def tallies(self) -> list[ReadTally]:
        """What was read so far of each piece; all of it once the iteration has ended."""
        return [reader.tally for reader in self._readers]

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yield batches of the schema `RECORDS`."""
        if self._begun:
            msg = "expected one iteration of a SplitReader, got a second; make a new one"
            raise ValueError(msg)
        self._begun = True
        with self._pages:
            batches = self._batches()
            yield from batches if len(self._readers) == 1 else _joined(batches, self._limits)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        row = 0
        for number, reader in enumerate(self._readers):
            yield from reader.read(number, row)
            row += reader.tally.records if self._records is None else self._records[number]


def _joined(batches: Iterable[pa.RecordBatch], limits: ReadLimits) -> Iterator[pa.RecordBatch]:
    """Join the batches of small files, up to the limits of one: each costs as much as many rows."""
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        more = batch["text"].nbytes
        full = rows + batch.num_rows > limits.batch_rows or size + more > limits.batch_text_bytes
        if held and full:
            yield pa.concat_batches(held)
            held, rows, size = [], 0, 0
        held.append(batch)
        rows, size = rows + batch.num_rows, size + more
    if held:
        yield pa.concat_batches(held)
