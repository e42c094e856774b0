# SPDX-License-Identifier: Apache-2.0
"""The records of a crawl file as rows: the one loop over records, from frames to columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ...schemas.reasons import REASON_CODES, Reason
from ..rights.carriers import header_lines, tag_lines
from .html_text import PageReader
from .limits import ReadLimits
from .warc_frames import Frame
from .warc_record import Passed, WebPage, judge_record
from .wat import WatPages

CRAWL_COLUMNS = ("text", "id", "url", "date", "title", "fetched", "http_headers", "html_meta")
"""Columns of `RECORDS` that a crawl file fills by itself."""


class Rows(NamedTuple):
    """Some documents of a crawl file.

    Args:
        offsets: Where each begins, uint64 `[n]`.
        lengths: Bytes of each, uint64 `[n]`.
        faults: Reason codes, 0 for a good one, uint8 `[n]`.
        values: Column name to string array `[n]`.
    """

    offsets: npt.NDArray[np.uint64]
    lengths: npt.NDArray[np.uint64]
    faults: npt.NDArray[np.uint8]
    values: dict[str, pa.Array]


@dataclass
class CrawlReader:
    """Make rows of the records of a crawl file.

    Args:
        pages: What turns pages into text.
        limits: Bounds on records and batches.
        columns: Columns to fill, among `CRAWL_COLUMNS`.
        passed: Records that are no documents: kind to [records, bytes]; filled while reading.
        wat: Headers and tags of pages whose records hold text only.
    """

    pages: PageReader
    limits: ReadLimits
    columns: tuple[str, ...]
    passed: dict[str, list[int]] = field(default_factory=dict)
    wat: WatPages | None = None

    def read(self, frames: Iterable[Frame]) -> Iterator[Rows]:
        """Yield the documents of some frames, in order."""
        places: list[tuple[int, int, int]] = []
        values: dict[str, list[str | None]] = {name: [] for name in self.columns}
        size = 0
        for frame in frames:
            found = self._judge(frame)
            if isinstance(found, Passed):
                count = self.passed.setdefault(found.value, [0, 0])
                count[0] += 1
                count[1] += frame.length
                continue
            fault = REASON_CODES[found] if isinstance(found, Reason) else 0
            columns: Mapping[str, str | None] = {} if isinstance(found, Reason) else found
            places.append((frame.offset, frame.length, fault))
            for name, column in values.items():
                column.append(columns.get(name))
            size += len(columns.get("text") or "")
            if len(places) == self.limits.batch_rows or size >= self.limits.batch_text_bytes:
                yield _rows(places, values)
                places, values, size = [], {name: [] for name in self.columns}, 0
        if places:
            yield _rows(places, values)

    def _judge(self, frame: Frame) -> Mapping[str, str | None] | Passed | Reason:
        """Return the values of a document, or what the record is instead."""
        if frame.fault is not None:
            return frame.fault
        page = judge_record(frame, self.limits.max_record_bytes)
        if not isinstance(page, WebPage):
            return page
        if len(page.id.encode()) > self.limits.max_id_bytes:
            return Reason.BAD_ID
        found = self.pages.read(page.body, page.charset, is_html=page.is_html)
        if isinstance(found, Reason):
            return found
        headers = None if page.headers is None else header_lines(page.headers)
        tags = tag_lines(found.tags) if page.has_markup else None
        if self.wat is not None and not page.has_markup:
            headers, tags = self.wat.find(page.refers_to, page.url, page.fetched)
        return {
            "text": found.text,
            "id": page.id or None,
            "url": page.url or None,
            "date": page.fetched or None,
            "title": found.title or None,
            "fetched": page.fetched or None,
            "http_headers": headers,
            "html_meta": tags,
        }


def _rows(places: list[tuple[int, int, int]], values: Mapping[str, list[str | None]]) -> Rows:
    offsets, lengths, faults = np.array(places, dtype=np.uint64).T
    return Rows(
        offsets,
        lengths,
        faults.astype(np.uint8),
        {name: pa.array(column, pa.string()) for name, column in values.items()},
    )
