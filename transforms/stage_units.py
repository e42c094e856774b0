# SPDX-License-Identifier: Apache-2.0
"""The stages of a job as resumable units: which outputs of which former unit each one takes.

    annotate (split)      read and measure                              -> annotations, bands, spans
    screen   (split)      rules that look at one document               -> identities, by text hash
    elect    (partition)  which version of an address stays             -> versions, by split
    identify (split)      the others are out of the competition         -> identities, by text hash
    group    (partition)  exact copies and final identifiers            -> exact, by split
    introduce (split)     final identifiers of versions that stay       -> same_address, by split
    propose  (split)      band hashes of exact leaders                  -> bands, by band hash
    connect  (partition)  documents that share a band                   -> edges, to one
    sample   (split)      sampled shingles of exact leaders             -> samples, by hash
    overlap  (partition)  documents with a probe of another             -> pairs, by split
    weigh    (split)      documents that may be contained in another    -> edges, to one
    join     (one)        connected components                          -> memberships, by split
    collect  (split)      shingle sets of candidates                    -> candidates, by component
    verify   (partition)  true Jaccard                                  -> near, by split
    tally    (split)      passages of what is left                      -> tallies, by passage
    count    (partition)  which stand in many documents                 -> repeated, by split
    finalize (split)      decide, redact, write                         -> parts of the release
    settle   (split)      the same again, where a witness had to fall   -> parts of the release

A part of a former release goes through the same stages as a split, from its signatures (`former`).
Nothing here knows Beam: the same functions, called in order, are a job without an engine.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from ..schemas.staged import EXACT, IDENTITIES, TALLIES
from .annotate import annotate_split
from .exact import group_exact
from .exchange import (
    Parcel,
    Received,
    count_received,
    gather,
    open_received,
    parcels_of,
    write_parcels,
)
from .finalize import decide_split, finalize_split
from .former import annotate_former, finalize_former, screen_former
from .near import (
    collect_split,
    connect_partition,
    join_forests,
    overlap_partition,
    propose_split,
    sample_split,
    verify_partition,
    weigh_split,
)
from .refs import split_of
from .repeated_passages import count_partition, tally_split
from .run_state import FormerPart, Run
from .same_address import elect_partition, identify_split, introduce_split
from .screen import screen_split
from .storage import read_ipc
from .units import Compute, Marker, UnitOutputs, fingerprint

STAGES = (
    "annotate",
    "screen",
    "elect",
    "identify",
    "group",
    "introduce",
    "propose",
    "connect",
    "sample",
    "overlap",
    "weigh",
    "join",
    "collect",
    "verify",
    "tally",
    "count",
    "finalize",
    "settle",
)
"""Stage names in order."""

EXCHANGES = (
    ("addresses", ("screen",), "elect"),
    ("versions", ("elect",), "identify"),
    ("versions", ("elect",), "introduce"),
    ("identities", ("screen", "identify"), "group"),
    ("exact", ("group",), "introduce"),
    ("same_address", ("introduce",), "finalize"),
    ("exact", ("group",), "propose"),
    ("exact", ("group",), "sample"),
    ("exact", ("group",), "collect"),
    ("exact", ("group",), "finalize"),
    ("bands", ("propose",), "connect"),
    ("samples", ("sample",), "overlap"),
    ("pairs", ("overlap",), "weigh"),
    ("edges", ("connect", "weigh"), "join"),
    ("memberships", ("join",), "collect"),
    ("candidates", ("collect",), "verify"),
    ("near", ("verify",), "finalize"),
    ("exact", ("group",), "tally"),
    ("near", ("verify",), "tally"),
    ("tallies", ("tally",), "count"),
    ("repeated", ("count",), "finalize"),
)
"""Kind of row, the stages that send it, and a stage that takes every row of it."""


def finished(run: Run, stage: str) -> list[Marker]:
    """Return the markers of a stage that are of this run, by number.

    The work folder may hold others: of a job that was stopped and then changed.
    """
    return [
        marker
        for marker in run.workspace.markers(stage)
        if marker.fingerprint == _fingerprint_of(run, marker)
    ]


def exchange_counts(run: Run) -> list[tuple[str, int, int]]:
    """Return what was sent and what arrived between the stages of a finished run.

    An engine that loses or repeats a row would change a release without a word; so both sides
    count, each for itself.

    Returns:
        `senders to receiver: kind`, rows sent, rows received.
    """
    counts = []
    for kind, senders, receiver in EXCHANGES:
        markers = (marker for stage in senders for marker in finished(run, stage))
        sending = [marker for marker in markers if kind in marker.stats["sent"]]
        receiving = finished(run, receiver)
        if sending and receiving:
            sent = sum(marker.stats["sent"][kind] for marker in sending)
            received = sum(marker.stats["received"].get(kind, 0) for marker in receiving)
            counts.append((f"{' and '.join(senders)} to {receiver}: {kind}", sent, received))
    return counts


def unclaimed(
    run: Run, stage: str, received: Mapping[int, Received]
) -> Iterator[tuple[int, Received]]:
    """Hold each split of a stage that no process has begun, one after the other.

    Args:
        run: The run.
        stage: A stage of splits; the stages before it have ended.
        received: What was sent to some of the splits. What was sent to the others is on disk,
            whichever way it is exchanged.

    Returns:
        Numbers, in order of work, and what was sent to each.
    """
    sent: dict[int, list[Parcel]] | None = None
    for number in run.plan.by_size:
        if run.workspace.is_finished(stage, number):
            continue
        with run.workspace.claimed(stage, number, wait=False) as held:
            if not held or run.workspace.is_finished(stage, number):
                continue
            if number in received:
                yield number, received[number]
            else:
                sent = _parcels_sent(run, stage) if sent is None else sent
                yield number, sent.get(number, [])


def _parcels_sent(run: Run, receiver: str) -> dict[int, list[Parcel]]:
    """Return what other stages have for a stage, by number."""
    sent: dict[int, list[Parcel]] = {}
    for kind, senders, stage in EXCHANGES:
        for sender in senders if stage == receiver else ():
            for marker in finished(run, sender):
                if kind in marker.outputs:
                    for number, parcel in parcels_of(marker.path(kind)):
                        sent.setdefault(number, []).append(parcel)
    return sent


def _fingerprint_of(run: Run, marker: Marker) -> str:
    """Return the fingerprint that the unit of a marker has in this run."""
    if marker.stage == "annotate":
        known = marker.number in run.plan.numbers
        return run.plan.annotate_fingerprint(run.plan.part(marker.number)) if known else ""
    extra = [marker.stats["settled_for"]] if marker.stage in {"finalize", "settle"} else []
    return fingerprint(run.whole_fingerprint, marker.stage, *extra)


def _run(
    run: Run,
    stage: str,
    number: int,
    compute: Callable[..., None],
    *extra: object,
    received: Received | None = None,
) -> Marker:
    """Run a unit; its marker says how many rows of each kind arrived.

    `compute` gets what arrived as `received`, if anything is to, and `out`.
    """

    def counted(out: UnitOutputs) -> None:
        if received is None:
            out.stats["received"] = {}
            compute(out=out)
            return
        batches = open_received(received)
        out.stats["received"] = count_received(batches)
        compute(received=batches, out=out)

    digest = fingerprint(run.whole_fingerprint, stage, *extra)
    return run.workspace.run_unit(stage, number, digest, counted)


def _path(run: Run, stage: str, number: int, output: str) -> str:
    return run.workspace.marker(stage, number).path(output)


def annotate(run: Run, number: int, _received: Received = ()) -> Marker:
    """Measure one split; nothing is sent to it."""
    part = run.plan.part(number)
    digest = run.plan.annotate_fingerprint(part)
    if isinstance(part, FormerPart):
        compute: Compute = partial(annotate_former, run, part)
    else:
        compute = partial(annotate_split, run, part)
    return run.workspace.run_unit("annotate", number, digest, compute)


def screen(run: Run, number: int) -> str:
    """Apply the rules of one document; return the parcels of identities, or of addresses."""
    annotations = _path(run, "annotate", number, "annotations")
    part = run.plan.part(number)
    if isinstance(part, FormerPart):
        compute: Compute = partial(screen_former, run, part, annotations)
    else:
        compute = partial(screen_split, run, part, annotations)
    marker = _run(run, "screen", number, compute)
    return marker.path("addresses" if run.plan.addresses else "identities")


def elect(run: Run, number: int, received: Received) -> str:
    """Choose one version of each address; return the parcels of answers."""
    compute = partial(elect_partition, run)
    return _run(run, "elect", number, compute, received=received).path("versions")


def identify(run: Run, number: int, received: Received) -> str:
    """Take the other versions out; return the parcels of identities."""
    compute = partial(
        identify_split,
        run,
        _path(run, "annotate", number, "annotations"),
        _path(run, "screen", number, "screened"),
    )
    return _run(run, "identify", number, compute, received=received).path("identities")


def introduce(run: Run, number: int, received: Received) -> str:
    """Name the versions that stay; return the parcels for their copies."""
    annotations = _path(run, "annotate", number, "annotations")
    compute = partial(introduce_split, run.plan.part(number), annotations)
    return _run(run, "introduce", number, compute, received=received).path("same_address")


def group(run: Run, number: int, received: Received) -> str:
    """Resolve exact groups; return the parcels of answers."""
    compute = partial(_group, run)
    return _run(run, "group", number, compute, received=received).path("exact")


def _group(run: Run, received: Received, out: UnitOutputs) -> None:
    members = gather(received, "identities", IDENTITIES, ["ref"])
    answers = group_exact(
        members,
        run.text_key,
        remove=run.job.deduplication.exact,
        deny_copies=run.job.rights.optout_copies == "remove",
        former_base=run.plan.former_base,
    )
    write_parcels(out, "exact", EXACT, answers, split_of(answers["ref"].to_numpy()))


def propose(run: Run, number: int, received: Received) -> str:
    """Send band hashes; return their parcels."""
    bands = _path(run, "annotate", number, "bands")
    compute = partial(propose_split, run, run.plan.part(number), bands)
    return _run(run, "propose", number, compute, received=received).path("bands")


def connect(run: Run, number: int, received: Received) -> str:
    """Reduce buckets to a forest; return its parcels."""
    return _run(run, "connect", number, connect_partition, received=received).path("edges")


def sample(run: Run, number: int, received: Received) -> str:
    """Send sampled shingles; return their parcels."""
    compute = partial(
        sample_split,
        run,
        run.plan.part(number),
        _path(run, "annotate", number, "annotations"),
        _path(run, "annotate", number, "samples"),
    )
    return _run(run, "sample", number, compute, received=received).path("samples")


def overlap(run: Run, number: int, received: Received) -> str:
    """Pair documents that share a probe; return the parcels of pairs."""
    return _run(run, "overlap", number, overlap_partition, received=received).path("pairs")


def weigh(run: Run, number: int, received: Received) -> str:
    """Choose the pairs to verify; return their parcels."""
    compute = partial(weigh_split, run)
    return _run(run, "weigh", number, compute, received=received).path("edges")


def join(run: Run, number: int, received: Received) -> str:
    """Join forests to components; return the parcels of memberships."""
    return _run(run, "join", number, join_forests, received=received).path("memberships")


def collect(run: Run, number: int, received: Received) -> str:
    """Fetch the shingle sets of candidates; return their parcels."""
    compute = partial(
        collect_split,
        run,
        run.plan.part(number),
        _path(run, "annotate", number, "annotations"),
        _path(run, "identify" if run.plan.addresses else "screen", number, "screened"),
    )
    return _run(run, "collect", number, compute, received=received).path("candidates")


def verify(run: Run, number: int, received: Received) -> str:
    """Decide near-duplicates; return the parcels of answers."""
    compute = partial(verify_partition, run)
    return _run(run, "verify", number, compute, received=received).path("near")


def tally(run: Run, number: int, received: Received) -> str:
    """Send the passages of the documents that are left; return their parcels."""
    compute = partial(_tally, run, number)
    return _run(run, "tally", number, compute, received=received).path("tallies")


def _tally(run: Run, number: int, received: Received, out: UnitOutputs) -> None:
    part = run.plan.part(number)
    if isinstance(part, FormerPart):  # its texts are not there, and not to be cut
        write_parcels(out, "tallies", TALLIES, TALLIES.empty_table(), np.zeros(0, np.int64))
        return
    annotations = read_ipc(_path(run, "annotate", number, "annotations"))
    _, outcomes = decide_split(run, part, annotations, received, ())
    tally_split(run, part, outcomes, _path(run, "annotate", number, "passages"), out)


def count(run: Run, number: int, received: Received) -> str:
    """Find the passages that stand in many documents; return the parcels of answers."""
    compute = partial(count_partition, run)
    return _run(run, "count", number, compute, received=received).path("repeated")


def finalize(run: Run, number: int, received: Received) -> Marker:
    """Decide and write one split."""
    return _finalize(run, "finalize", number, received, ())


def settle(run: Run, number: int, received: Received, fallen: Sequence[int]) -> Marker:
    """Decide and write one split again, whose witnesses had to be quarantined."""
    return _finalize(run, "settle", number, received, fallen)


def _finalize(
    run: Run, stage: str, number: int, received: Received, fallen: Collection[int]
) -> Marker:
    part = run.plan.part(number)
    annotations = _path(run, "annotate", number, "annotations")
    if isinstance(part, FormerPart):
        former = partial(finalize_former, run, part, annotations, fallen=fallen)
        return _run(run, stage, number, former, sorted(fallen), received=received)
    compute = partial(
        finalize_split,
        run,
        part,
        annotations,
        _path(run, "annotate", number, "spans"),
        _path(run, "annotate", number, "signals"),
        fallen=fallen,
    )
    return _run(run, stage, number, compute, sorted(fallen), received=received)
