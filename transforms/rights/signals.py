# SPDX-License-Identifier: Apache-2.0
"""All rights signals of a batch of documents: read, resolved, and laid down as rows.

Headers, tags and files are parsed once per distinct value; what is not there costs nothing. The
rows are inputs of the resolution with their time and winner; they hold no text of a document.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ...schemas.reasons import RightsObservability
from ...schemas.rights import AsOf, Channel, Protocol, SignalStatus, SnapshotKind
from ...schemas.staged import SIGNALS_SEEN
from . import ai_txt, aipref, content_signal, notices, robots, rsl, tdmrep, x_robots
from .files import CHANNELS, FileReader
from .page import PageReadings, read_headers, read_tags
from .readings import SILENT, STATUSES, VALUES, Reading, allow
from .resolve import (
    Resolved,
    Seen,
    code_of,
    observability,
    resolve,
    status_part,
    value_part,
    winners,
)
from .snapshots import SnapshotStore

VERSIONS: dict[Protocol, str] = {
    Protocol.CONTRACT: "job",
    Protocol.LIST: "job",
    Protocol.TDMREP: tdmrep.VERSION,
    Protocol.CONTENT_USAGE: aipref.VERSION,
    Protocol.CONTENT_SIGNAL: content_signal.VERSION,
    Protocol.X_ROBOTS: x_robots.VERSION,
    Protocol.RSL: rsl.VERSION,
    Protocol.ROBOTS: robots.VERSION,
    Protocol.AI_TXT: ai_txt.VERSION,
    Protocol.LICENCE: "spdx",
    Protocol.NOTICE: notices.VERSION,
}
"""Which text of each protocol its parser follows; part of every row."""

_SILENT = code_of(SILENT)
_QUIET = np.array(
    [status in (SignalStatus.SILENT, SignalStatus.NO_FILE) for status in STATUSES], np.bool_
)
_UNREACHABLE = STATUSES.index(SignalStatus.UNREACHABLE)


@dataclass(frozen=True)
class SignalPolicy:
    """How a source's signals are read.

    Args:
        agents: Product tokens, lower case, whose rules count.
        asof: Which snapshots count.
        record_only: Protocols that decide nothing.
        declared: What the source declares could be seen when it was made.
    """

    agents: tuple[str, ...]
    asof: AsOf
    record_only: frozenset[Protocol]
    declared: RightsObservability


@dataclass(frozen=True)
class Documents:
    """What the signals of a batch are read from.

    Args:
        origins: Origins of the addresses, string (n); null without one.
        paths: Paths within them, string (n).
        hosts: Hosts as they may be published, string (n).
        fetched: Fetch times, seconds since 1970, int64 (n).
        headers: Carriers of response headers, string (n).
        tags: Carriers of tags, string (n).
    """

    origins: pa.Array
    paths: pa.Array
    hosts: pa.Array
    fetched: NDArray[np.int64]
    headers: pa.Array
    tags: pa.Array


@dataclass(frozen=True)
class Measured:
    """The signals of a batch.

    Args:
        resolved: What they come to.
        observability: How much could be seen, string (n).
        rows: Schema `SIGNALS_SEEN`; `row` is the place in the batch.
    """

    resolved: Resolved
    observability: pa.Array
    rows: pa.Table


def file_readers(
    stores: Mapping[SnapshotKind, SnapshotStore], agents: tuple[str, ...]
) -> dict[SnapshotKind, FileReader]:
    """Return a reader of the files of each kind of snapshot."""
    return {kind: FileReader(kind, store, agents) for kind, store in stores.items()}


def page_licences(documents: Documents, policy: SignalPolicy) -> pa.Array:
    """Return the licence that headers and tags of each document name, string (n).

    Several different names are no name; null where there is none.
    """
    found = []
    for carriers, parse in ((documents.headers, _headers), (documents.tags, _tags)):
        pages, index = _parsed(carriers, policy.agents, parse)
        names = [page.licences[0] if len(page.licences) == 1 else None for page in pages]
        found.append(pa.array(names, pa.string()).take(pa.array(index, mask=index < 0)))
    same = pc.fill_null(pc.equal(*found), True)
    return pc.if_else(same, pc.coalesce(*found), pa.scalar(None, pa.string()))


def measure_signals(
    documents: Documents,
    policy: SignalPolicy,
    stores: Mapping[SnapshotKind, SnapshotStore],
    readers: Mapping[SnapshotKind, FileReader],
    others: Sequence[Seen] = (),
) -> Measured:
    """Read and resolve the signals of a batch.

    Args:
        documents: What to read.
        policy: How.
        stores: Snapshots by kind.
        readers: `file_readers` of them.
        others: Signals that were measured elsewhere: contracts, lists, licences, notices.
    """
    size = len(documents.headers)
    seen = [*others]
    for channel, carriers, parse in (
        (Channel.HTTP_HEADER, documents.headers, _headers),
        (Channel.HTML_META, documents.tags, _tags),
    ):
        seen += _of_pages(channel, *_parsed(carriers, policy.agents, parse))
    has_robots = np.zeros(size, np.bool_)
    for kind, store in stores.items():
        nearest, latest = store.find(documents.origins, documents.fetched)
        for asof, rows in _times(nearest, latest):
            applied = policy.asof is AsOf.BOTH or asof in ("both", policy.asof.value)
            if kind is SnapshotKind.ROBOTS and applied:
                has_robots |= rows >= 0
            if (rows >= 0).any():
                found = _of_files(CHANNELS[kind], asof, rows, readers[kind], documents.paths)
                seen += [replace(signal, applied=applied) for signal in found]
    resolved = resolve(seen, size, policy.record_only)
    page = (documents.headers.is_valid().to_numpy(zero_copy_only=False)) | (
        documents.tags.is_valid().to_numpy(zero_copy_only=False)
    )
    rows_of = {CHANNELS[kind]: store for kind, store in stores.items()}
    tables = [
        _rows(signal, won, documents.hosts, rows_of.get(signal.channel), policy.record_only)
        for signal, won in zip(seen, winners(seen, resolved), strict=True)
    ]
    return Measured(
        resolved,
        observability(page, has_robots, policy.declared),
        pa.concat_tables([SIGNALS_SEEN.empty_table(), *tables]),
    )


def constant_signal(
    protocol: Protocol, channel: Channel, mask: NDArray[np.bool_], reading: Reading
) -> Seen:
    """Return a signal with one reading where the mask is True, silent elsewhere."""
    codes = np.where(mask, code_of(reading), _SILENT).astype(np.uint8)
    return Seen(protocol, channel, codes, by_source=channel is Channel.SOURCE)


def licence_signal(channel: Channel, known: NDArray[np.bool_], allowed: NDArray[np.bool_]) -> Seen:
    """Return the signal of licences seen in one channel: known ones, and those that allow."""
    stated = code_of(Reading(SILENT.value, SignalStatus.OK))
    codes = np.where(known & allowed, code_of(allow()), np.where(known, stated, _SILENT))
    by_source = channel is Channel.SOURCE
    return Seen(Protocol.LICENCE, channel, codes.astype(np.uint8), by_source=by_source)


@functools.lru_cache(maxsize=4096)
def _headers(carrier: str, agents: tuple[str, ...]) -> PageReadings:
    return read_headers(carrier, agents)


@functools.lru_cache(maxsize=4096)
def _tags(carrier: str, agents: tuple[str, ...]) -> PageReadings:
    return read_tags(carrier, agents)


def _parsed(
    carriers: pa.Array,
    agents: tuple[str, ...],
    parse: Callable[[str, tuple[str, ...]], PageReadings],
) -> tuple[list[PageReadings], NDArray[np.int64]]:
    """Return the distinct pages, and which one each document has (-1: none)."""
    if carriers.null_count == len(carriers):
        return [], np.full(len(carriers), -1, np.int64)
    encoded = carriers.dictionary_encode()
    pages = [parse(carrier, agents) for carrier in encoded.dictionary.to_pylist()]
    return pages, encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)


def _of_pages(channel: Channel, pages: list[PageReadings], index: NDArray[np.int64]) -> list[Seen]:
    return _of_readings([page.signals for page in pages], index, channel, None, None)


def _of_files(
    channel: Channel, asof: str, rows: NDArray[np.int64], reader: FileReader, paths: pa.Array
) -> list[Seen]:
    readings, index = reader.read(rows, paths)
    return _of_readings(readings, index, channel, asof, rows)


def _of_readings(
    readings: Sequence[Mapping[Protocol, Reading]],
    index: NDArray[np.int64],
    channel: Channel,
    asof: str | None,
    rows: NDArray[np.int64] | None,
) -> list[Seen]:
    """Return one signal for each protocol that speaks; -1 in the index takes the last, silent."""
    spoken = sorted({p for found in readings for p in found}, key=list(Protocol).index)
    result = []
    for protocol in spoken:
        found = [*(reading.get(protocol, SILENT) for reading in readings), SILENT]
        words = sorted({reading.agent for reading in found if reading.agent is not None})
        agents = [-1 if r.agent is None else words.index(r.agent) for r in found]
        result.append(
            Seen(
                protocol,
                channel,
                np.array([code_of(reading) for reading in found], np.uint8)[index],
                asof,
                np.array(agents, np.int32)[index],
                words,
                rows,
            )
        )
    return result


def _times(
    nearest: NDArray[np.int64], latest: NDArray[np.int64]
) -> list[tuple[str, NDArray[np.int64]]]:
    """Return the snapshot rows to look at, by which point in time they stand for.

    Both are read whatever the policy: what a later file says is a question people ask.
    """
    same = nearest == latest
    return [
        ("both", np.where(same, latest, -1)),
        ("fetch", np.where(same, -1, nearest)),
        ("latest", np.where(same, -1, latest)),
    ]


def _rows(
    signal: Seen,
    won: NDArray[np.bool_],
    hosts: pa.Array,
    store: SnapshotStore | None,
    record_only: Collection[Protocol],
) -> pa.Table:
    """Return the rows of one signal: one a document that it speaks of, one an origin that is quiet.

    A file that says nothing, or is not there, is one row an origin: the proof that it was seen.
    """
    status = status_part(signal.codes)
    quiet = _QUIET[status] | ((status == _UNREACHABLE) & (value_part(signal.codes) == 0))
    stated = np.flatnonzero(~quiet)
    applied = signal.applied and signal.protocol not in record_only
    if signal.by_source:
        return _table(
            signal,
            stated[:1],
            won,
            hosts,
            store,
            [len(stated)] * min(1, len(stated)),
            None,
            applied,
        )
    tables = [_table(signal, stated, won, hosts, store, [1] * len(stated), stated, applied)]
    if signal.rows is not None:
        silent = np.flatnonzero(quiet & (signal.rows >= 0))
        keys = signal.rows[silent] * len(STATUSES) + status[silent]
        _, first, counts = np.unique(keys, return_index=True, return_counts=True)
        tables.append(
            _table(signal, silent[first], won, hosts, store, counts.tolist(), None, applied)
        )
    return pa.concat_tables(tables)


def _table(
    signal: Seen,
    chosen: NDArray[np.int64],
    won: NDArray[np.bool_],
    hosts: pa.Array,
    store: SnapshotStore | None,
    documents: list[int],
    row: NDArray[np.int64] | None,
    applied: bool,  # noqa: FBT001
) -> pa.Table:
    n = len(chosen)
    places = pa.array(chosen)
    codes = signal.codes[chosen]
    columns: dict[str, Any] = {
        "row": pa.nulls(n, pa.uint32()) if row is None else pa.array(row.astype(np.uint32)),
        "host": pa.nulls(n, pa.string()) if signal.by_source else hosts.take(places),
        "protocol": pa.repeat(signal.protocol.value, n),
        "channel": pa.repeat(signal.channel.value, n),
        "version": pa.repeat(VERSIONS[signal.protocol], n),
        "agent": pa.nulls(n, pa.string()),
        "value": pa.array([value.value for value in VALUES]).take(pa.array(value_part(codes))),
        "status": pa.array([s.value for s in STATUSES]).take(pa.array(status_part(codes))),
        "observed_at": pa.nulls(n, pa.timestamp("s", "UTC")),
        "asof": pa.repeat(pa.scalar(signal.asof, pa.string()), n),
        "snapshot_sha256": pa.nulls(n, pa.binary(32)),
        "applied": pa.repeat(pa.scalar(applied), n),
        "winner": pa.array(won[chosen]),
        "documents": pa.array(documents, pa.uint32()),
    }
    if signal.agents is not None and len(signal.agent_words):
        own = signal.agents[chosen]
        columns["agent"] = pa.array(signal.agent_words).take(pa.array(own, mask=own < 0))
    if signal.rows is not None and store is not None:
        rows = signal.rows[chosen]
        columns["observed_at"] = pa.array(store.times[rows]).cast(pa.timestamp("s", "UTC"))
        digests = np.ascontiguousarray(store.digests[rows])
        buffers = [None, pa.py_buffer(digests)]
        columns["snapshot_sha256"] = pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), n, buffers)
    return pa.table([columns[name] for name in SIGNALS_SEEN.names], schema=SIGNALS_SEEN)
