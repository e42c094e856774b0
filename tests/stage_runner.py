# SPDX-License-Identifier: Apache-2.0
"""The stages of a job called in order, by hand: what an engine does between them, without one."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from muniment.pipelines.plan import make_plan
from muniment.schemas.job_file import load_job
from muniment.transforms import finalize, stage_units
from muniment.transforms.exchange import parcels_of
from muniment.transforms.run_state import Run
from muniment.transforms.storage import read_ipc_batches
from muniment.transforms.units import Marker


def planned(path: Path, work: Path) -> Run:
    return Run(make_plan(load_job(path), work))


def exchanged(paths: Iterable[str], way: str, seed: int) -> dict[int, list[Any]]:
    """Group what was sent by partition, in an order of arrival that the seed chooses."""
    groups: dict[int, list[Any]] = {}
    for path in paths:
        for partition, parcel in parcels_of(path):
            value: Any = tuple(parcel)
            if way == "engine":
                value = read_ipc_batches(parcel.path, [parcel.batch])[0]
            groups.setdefault(partition, []).append(value)
    for values in groups.values():
        random.Random(seed).shuffle(values)
    return groups


def govern(run: Run, way: str = "files", seed: int = 0) -> list[Marker]:
    """Run every stage and return the markers of the parts to release."""
    splits = list(run.plan.numbers)
    random.Random(seed).shuffle(splits)

    def each(unit: Callable[[Run, int, Any], str], sent: dict[int, list[Any]]) -> list[str]:
        return [unit(run, number, values) for number, values in sent.items()]

    def by_split(*sent: dict[int, list[Any]]) -> dict[int, list[Any]]:
        return {number: [v for part in sent for v in part.get(number, [])] for number in splits}

    for number in splits:
        stage_units.annotate(run, number)
    screened = [stage_units.screen(run, number) for number in splits]
    versions: dict[int, list[Any]] = {}
    if run.plan.addresses:
        versions = exchanged(each(stage_units.elect, exchanged(screened, way, seed)), way, seed)
        screened = each(stage_units.identify, by_split(versions))
    exact = exchanged(each(stage_units.group, exchanged(screened, way, seed)), way, seed)
    named: dict[int, list[Any]] = {}
    if run.plan.addresses:
        named = exchanged(each(stage_units.introduce, by_split(exact, versions)), way, seed)
    bands = exchanged(each(stage_units.propose, by_split(exact)), way, seed)
    edges = each(stage_units.connect, bands)
    if run.plan.samples:
        samples = exchanged(each(stage_units.sample, by_split(exact)), way, seed)
        pairs = exchanged(each(stage_units.overlap, samples), way, seed)
        edges += each(stage_units.weigh, pairs)
    forests = exchanged(edges, way, seed)
    members = exchanged(each(stage_units.join, forests), way, seed)
    candidates = exchanged(each(stage_units.collect, by_split(exact, members)), way, seed)
    near = exchanged(each(stage_units.verify, candidates), way, seed)
    repeated: dict[int, list[Any]] = {}
    if run.plan.passages:
        tallies = each(stage_units.tally, by_split(exact, near, named))
        counted = each(stage_units.count, exchanged(tallies, way, seed))
        repeated = exchanged(counted, way, seed)
    answers = by_split(exact, near, named, repeated)
    final = {number: stage_units.finalize(run, number, answers[number]) for number in splits}
    fallen = {ref for marker in final.values() for ref in marker.stats["fallen"]}
    for number in splits:
        concerned = finalize.witnesses(answers[number]).intersection(fallen)
        if concerned:
            final[number] = stage_units.settle(run, number, answers[number], sorted(concerned))
    return [final[split.number] for split in run.plan.splits]


def documents(markers: list[Marker]) -> list[dict[str, Any]]:
    parts = [pq.read_table(marker.path("documents")) for marker in markers]
    rows: list[dict[str, Any]] = pa.concat_tables(parts).to_pylist()
    return rows


def digests(markers: list[Marker]) -> list[dict[str, str]]:
    return [{name: facts.sha256 for name, facts in marker.outputs.items()} for marker in markers]


def added(markers: list[Marker]) -> dict[str, int]:
    total: dict[str, int] = {}
    for marker in markers:
        for reason, count in marker.stats["reasons"].items():
            total[reason] = total.get(reason, 0) + count
    return total
