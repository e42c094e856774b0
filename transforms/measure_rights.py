# SPDX-License-Identifier: Apache-2.0
"""Measure the rights of a batch: lists, licences, every signal, and the state they come to."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..schemas.job import LegalBasis, Source
from ..schemas.job_lists import ListKind
from ..schemas.reasons import RightsObservability
from ..schemas.rights import Channel, Protocol, SignalStatus, SignalValue
from .dates import parse_times
from .list_rules import list_column, score_column, staying_column
from .pii import span_actions
from .protect import only_where, withhold_hosts
from .rights import (
    first_entries,
    licence_allowed,
    match_authors,
    match_content,
    match_licences,
    match_readings,
    match_urls,
    match_values,
    normalise_licences,
    parse_hosts,
)
from .rights.agents import agents_of
from .rights.aigc import find_labels
from .rights.licence_tags import text_licences
from .rights.marks import find_marks
from .rights.notices import find_notices
from .rights.origins import url_origins
from .rights.readings import Reading, allow, deny
from .rights.resolve import Seen
from .rights.signals import (
    Documents,
    SignalPolicy,
    constant_signal,
    licence_signal,
    measure_signals,
    page_licences,
)
from .run_state import Run
from .works import match_works

Columns = dict[str, Any]

_OWN_GROUNDS = {LegalBasis.OWN_CONTENT, LegalBasis.PUBLIC_DOMAIN, LegalBasis.CONSENT}
_LEAVING = {"left", "keep"}
_STATED = Reading(SignalValue.UNKNOWN, SignalStatus.OK)
_LICENCE_CHANNELS = {
    "document": Channel.RECORD,
    "link": Channel.HTML_META,
    "text": Channel.TEXT,
    "source": Channel.SOURCE,
}
"""Evidence of a licence, strongest first, and the channel it counts as."""


def signal_policy(run: Run, source: Source) -> SignalPolicy:
    """Return how the signals of a source are read."""
    rights = run.job.rights
    return SignalPolicy(
        agents=agents_of(rights.ua_policy, crawler=source.crawler, own_token=rights.own_token),
        asof=rights.asof,
        record_only=frozenset(rights.record_only),
        declared=RightsObservability(source.observability),
    )


def measure_rights(
    run: Run, source: Source, clean: pa.RecordBatch, canonical: pa.Array, address: pa.Array
) -> tuple[Columns, pa.Table]:
    """Measure the rights of the readable records of a batch.

    Args:
        run: The run.
        source: Their source.
        clean: The records, schema `RECORDS`.
        canonical: Their normalised texts, string `[n]`.
        address: Their addresses as `url_key` spells them, string `[n]`.

    Returns:
        The rights columns of the annotations, and the signals, schema `SIGNALS_SEEN`, `row` in
        the split.
    """
    n = clean.num_rows
    policy = signal_policy(run, source)
    hosts = parse_hosts(clean["url"])
    host = withhold_hosts(run, hosts["host"])
    marks = find_marks(clean["text"])
    columns: Columns = {
        "host": host,
        "domain": only_where(pc.is_valid(host), hosts["domain"]),
        "fetched_at": parse_times(clean["fetched"]),
        "source_kind": pa.repeat(source.kind.value, n),
        "notice": find_notices(clean["text"], marks),
        "synthetic_mark": find_labels(clean["text"]),
    }
    nothing = pa.nulls(n, pa.string())  # origins and paths are for what the snapshots say
    origins, paths = url_origins(clean["url"], address) if run.snapshots else (nothing, nothing)
    documents = Documents(
        origins,
        paths,
        host,
        _fetch_seconds(columns["fetched_at"], source),
        clean["http_headers"],
        clean["html_meta"],
    )
    claims = {
        "document": clean["licence"],
        "link": page_licences(documents, policy),
        "text": text_licences(clean["text"], marks),
    }
    columns |= _licences(run, source, claims)
    looked = _Looked(hosts, address, canonical, columns["licence"], clean["author"])
    listed = _match_lists(run, columns, looked)
    # Two readings of an address: listed under either is listed; else it cannot be judged.
    columns["ambiguous_url"] = pc.and_(hosts["ambiguous"], pa.array(~listed))
    others = [*_own_signals(source, columns, listed), *_licence_signals(columns)]
    readers = run.file_readers(policy.agents)
    measured = measure_signals(documents, policy, run.snapshots, readers, others)
    resolved = measured.resolved
    columns["rights_state"] = resolved.state_words()
    columns["rights_signal"] = resolved.signal_words()
    columns["rights_reserved"] = resolved.reserved
    columns["rights_observability"] = measured.observability
    return columns, _in_split(measured.rows, clean["row"], columns["fetched_at"])


class _Looked(NamedTuple):
    """What lists are compared with, a value a document."""

    hosts: pa.RecordBatch
    address: pa.Array
    canonical: pa.Array
    licence: pa.Array
    author: pa.Array


def _match_lists(run: Run, columns: Columns, looked: _Looked) -> npt.NDArray[np.bool_]:
    """Add the entry that matched of each list; return where any reserves a right."""
    listed = np.zeros(len(looked.address), dtype=bool)
    for name, kind, entries in run.lists:
        if kind is ListKind.DOMAIN:
            entry = match_readings(looked.hosts, entries)
        elif kind is ListKind.CONTENT_HASH:
            entry = match_content(looked.canonical, entries)
        elif kind is ListKind.LICENCE:
            entry = match_licences(looked.licence, entries)
        elif kind is ListKind.AUTHOR:
            entry = match_authors(looked.author, entries)
        elif kind is ListKind.PERSON:
            continue  # once personal data has been looked for, see match_persons
        else:
            entry = match_urls(looked.address, entries)
        columns[list_column(name)] = entry
        listed |= pc.is_valid(entry).to_numpy(zero_copy_only=False)
    for name, share, works in run.works:
        size = run.job.deduplication.near.shingle_size
        entry, score = match_works(
            looked.canonical, works, key=run.shingle_key, shingle_size=size, share=share
        )
        columns[list_column(name)], columns[score_column(name)] = entry, score
        listed |= pc.is_valid(entry).to_numpy(zero_copy_only=False)
    return listed


def match_persons(run: Run, spans: pa.Table, rows: int) -> Columns:
    """Return the list columns of persons: which entry an identifier in a document is, if any.

    Args:
        run: The run.
        spans: Personal data that was found, schema `pii.SPANS`.
        rows: Number of documents.
    """
    columns: Columns = {}
    persons = [(name, entries) for name, kind, entries in run.lists if kind is ListKind.PERSON]
    if not persons:
        return columns
    values = [value.hex() for value in spans["value_hmac"].to_pylist()]
    hashes = pa.array(values, pa.string())
    row = spans["row"].to_numpy().astype(np.int64)
    order = np.argsort(row, kind="stable")
    for name, entries in persons:
        found = match_values(hashes, entries)
        columns[list_column(name)] = first_entries(row[order], found.take(pa.array(order)), rows)
        met = spans.filter(found.is_valid())
        left = [action in _LEAVING for action in span_actions(met, run.pii.policy)[1]]
        staying = np.zeros(rows, dtype=bool)
        staying[met["row"].to_numpy()[left]] = True
        columns[staying_column(name)] = staying
    return columns


def _licences(run: Run, source: Source, claims: dict[str, pa.Array]) -> dict[str, pa.Array]:
    """Return the licence of each document, where it was seen, and whether it is allowed.

    What a document says of itself in several places must agree, else its licence is unknown
    (reliability case 83); only where it says nothing the source's declaration holds.
    """
    n = len(claims["document"])
    licence, evidence = pa.repeat("unknown", n), pa.repeat("none", n)
    conflict = np.zeros(n, dtype=bool)
    for word, raw in claims.items():
        if raw.null_count == n:
            continue
        own = normalise_licences(raw)["licence"]
        known = pc.not_equal(own, "unknown")
        first = pc.equal(licence, "unknown")
        differs = pc.and_(pc.and_(known, pc.invert(first)), pc.not_equal(own, licence))
        conflict |= differs.to_numpy(zero_copy_only=False)
        fresh = pc.and_(known, first)
        licence = pc.if_else(fresh, own, licence)
        evidence = pc.if_else(fresh, word, evidence)
    silent = pc.equal(licence, "unknown")
    if source.licence != "unknown":
        licence = pc.if_else(silent, source.licence, licence)
        evidence = pc.if_else(silent, "source", evidence)
    if conflict.any():
        licence = pc.if_else(pa.array(conflict), "unknown", licence)
        evidence = pc.if_else(pa.array(conflict), "none", evidence)
    allowed = run.job.rights.allow_licences
    covered = licence_allowed(licence, allowed) if allowed else pc.not_equal(licence, "unknown")
    return {"licence": licence, "licence_evidence": evidence, "licence_allowed": covered}


def _own_signals(source: Source, columns: Columns, listed: npt.NDArray[np.bool_]) -> list[Seen]:
    """Return what contract, lists and notices say."""
    n = len(listed)
    found = []
    if source.contract_ref is not None or source.legal_basis in _OWN_GROUNDS:
        every = np.ones(n, dtype=bool)
        found.append(constant_signal(Protocol.CONTRACT, Channel.SOURCE, every, allow()))
    if listed.any():
        found.append(constant_signal(Protocol.LIST, Channel.LIST_FILE, listed, deny()))
    if columns["notice"].null_count < n:
        for word, reading in (("reservation", deny()), ("copyright", _STATED)):
            mask = pc.fill_null(pc.equal(columns["notice"], word), False)
            flags = mask.to_numpy(zero_copy_only=False)
            found.append(constant_signal(Protocol.NOTICE, Channel.TEXT, flags, reading))
    return found


def _licence_signals(columns: Columns) -> list[Seen]:
    """Return what the licences say, by where they were seen."""
    allowed = columns["licence_allowed"].to_numpy(zero_copy_only=False)
    evidence = columns["licence_evidence"]
    found = []
    for word, channel in _LICENCE_CHANNELS.items():
        known = pc.equal(evidence, word).to_numpy(zero_copy_only=False)
        if known.any():
            found.append(licence_signal(channel, known, allowed))
    return found


def _fetch_seconds(fetched: pa.Array, source: Source) -> npt.NDArray[np.int64]:
    """Return when each document was fetched, at the latest: where it does not say, the period's end."""
    end = datetime.combine(source.collected.end, time.max, UTC)
    seconds = fetched.cast(pa.int64())
    return np.asarray(pc.fill_null(seconds, int(end.timestamp())))


def _in_split(rows: pa.Table, places: pa.Array, fetched: pa.Array) -> pa.Table:
    """Return signals by row of the split; what came with a document was seen when it was fetched."""
    row = rows["row"].combine_chunks()
    came = pc.and_(pc.is_valid(row), pc.is_null(rows["snapshot_sha256"].combine_chunks()))
    seen = pc.if_else(came, fetched.take(row), rows["observed_at"].combine_chunks())
    names = rows.schema
    rows = rows.set_column(names.get_field_index("observed_at"), names.field("observed_at"), seen)
    return rows.set_column(names.get_field_index("row"), names.field("row"), places.take(row))
