# SPDX-License-Identifier: Apache-2.0
"""What a WAT file knows of the pages of its WET file: rights headers, tags and licence links.

A WET file holds the text of pages and nothing of their responses; the WAT file beside it holds
headers and tags as JSON and no text. What speaks of rights is taken from it once, into a small
file in the work folder that all splits of the WET file read. Pages are joined by the identifier of
the response (`WARC-Refers-To` of both), else by address and fetch time. Two records that say
different things of one page say nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from ...schemas.errors import InputError
from ..rights.carriers import header_lines, tag_lines
from ..storage import open_ipc, write_ipc
from ..stores import store_at
from .html_worker import licence_tag
from .limits import ReadLimits
from .streams import HashedFile, open_source
from .warc_frames import Frame, StreamFrames
from .warc_record import bare_field

_PAGES = pa.schema(
    [(name, pa.string()) for name in ("id", "url", "fetched", "http_headers", "html_meta")]
)
_BATCH = 4096
_LINKS = {"LINK@/href": "link", "A@/href": "a"}

Carriers = tuple[str | None, str | None]
"""Headers and tags of a page, as `rights.carriers` writes them; null what was not seen."""


def wat_label(label: str) -> str | None:
    """Return the name of the WAT file of a WET file, as Common Crawl names them.

    >>> wat_label("wet/CC-MAIN-00000.warc.wet.gz")
    'CC-MAIN-00000.warc.wat.gz'
    >>> wat_label("text.gz") is None
    True
    """
    name = label.rpartition("/")[2]
    head, between, tail = name.rpartition(".wet")
    return f"{head}.wat{tail}" if between else None


class WatPages:
    """The pages of one WAT file. It holds some 500 bytes a page (Common Crawl: 20 MB a file).

    Args:
        rows: Pages, columns `id`, `url`, `fetched`, `http_headers` and `html_meta`.
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        self._known: dict[str | tuple[str, str], Carriers] = {}
        for row in rows:
            carriers = row["http_headers"], row["html_meta"]
            for key in (row["id"], (row["url"], row["fetched"])):
                if self._known.setdefault(key, carriers) != carriers:
                    self._known[key] = None, None

    @classmethod
    def open(cls, facts: Mapping[str, Any], folder: Path, limits: ReadLimits) -> Self:
        """Read a WAT file, or what was taken from it before.

        Args:
            facts: Its `location`, `codec` and `sha256` as planned; `path` names it in messages.
            folder: Private folder for what is taken from it; shared by all workers of a machine.
            limits: Bounds on records and streams.

        Raises:
            InputError: It is damaged, or changed since it was planned.
        """
        taken = folder / f"{facts['sha256']}.arrow"
        if not taken.exists():
            folder.mkdir(parents=True, exist_ok=True)
            write_ipc(taken, _PAGES, _batches(_pages(facts, limits)))
        with open_ipc(taken) as reader:
            batches = (reader.get_batch(number) for number in range(reader.num_record_batches))
            return cls(row for batch in batches for row in batch.to_pylist())

    def find(self, refers_to: str, url: str, fetched: str) -> Carriers:
        """Return headers and tags of a page, null where the file does not have it."""
        found = self._known.get(refers_to) if refers_to else None
        return found or self._known.get((url, fetched), (None, None))


def _pages(facts: Mapping[str, Any], limits: ReadLimits) -> Iterator[dict[str, str | None]]:
    location, label = facts["location"], facts["path"]
    with store_at(location).open(location) as raw:
        size = store_at(location).stat(location).bytes
        end = size if facts["codec"] == "none" else -1
        file = HashedFile(raw)
        frames = StreamFrames(
            open_source(file, facts["codec"], 0, end, size, limits), limits.max_record_bytes
        )
        for frame in frames:
            page = read_page(frame)
            if page is not None:
                yield page
        if frames.fault is not None:
            raise InputError(
                f"{label}: {frames.fault.reason}: {frames.fault.detail}; replace the file, or "
                "take it out of `wat`"
            )
        if file.sha256 != facts["sha256"]:
            raise InputError(f"{label}: input_changed: other bytes than were planned; run again")


def _batches(pages: Iterable[dict[str, str | None]]) -> Iterator[pa.RecordBatch]:
    held: list[dict[str, str | None]] = []
    for page in pages:
        held.append(page)
        if len(held) == _BATCH:
            yield pa.RecordBatch.from_pylist(held, _PAGES)
            held = []
    if held:
        yield pa.RecordBatch.from_pylist(held, _PAGES)


def read_page(frame: Frame) -> dict[str, str | None] | None:
    """Return what a WAT record says of the response it is about, or None.

    A record that cannot be read is none: of its page nothing was seen then.
    """
    if frame.header is None or frame.header.fields.get("WARC-Type") != "metadata":
        return None
    try:
        envelope = json.loads(frame.block, object_pairs_hook=_merged)["Envelope"]
        record = envelope["WARC-Header-Metadata"]
        if record["WARC-Type"] != "response":
            return None
        message = envelope["Payload-Metadata"]["HTTP-Response-Metadata"]
        markup = message.get("HTML-Metadata")
        return {
            "id": bare_field(frame.header.fields, "WARC-Refers-To"),
            "url": str(record["WARC-Target-URI"]),
            "fetched": str(record["WARC-Date"]),
            "http_headers": header_lines(_pairs(message["Headers"])),
            "html_meta": None if markup is None else tag_lines(_tags(markup)),
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _merged(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of which no member is lost: those of one name become a list."""
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            before = members[name]
            value = [*(before if isinstance(before, list) else [before]), value]  # noqa: PLW2901
        members[name] = value
    return members


def _pairs(headers: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, values in headers.items():
        for value in values if isinstance(values, list) else [values]:
            yield name, str(value)


def _tags(markup: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    head = markup.get("Head", {})
    for tag in head.get("Metas", ()):
        name = tag.get("name") or tag.get("property") or tag.get("http-equiv") or ""
        yield str(name), str(tag.get("content") or "")
    for link in (*head.get("Link", ()), *markup.get("Links", ())):
        element = _LINKS.get(link.get("path", ""))
        if element and "license" in (rel := str(link.get("rel") or "")).lower().split():
            yield element, licence_tag(element, link.get("url"), rel, link.get("type"))
