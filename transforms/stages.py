# SPDX-License-Identifier: Apache-2.0
"""The stages of a job as PTransforms: each wires units of `stage_units`, and nothing more.

Only split and partition numbers, file places and, with the `engine` exchange, small record
batches cross a stage boundary. Workers get the path of the plan, never the key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.metrics.metric import Metrics
from apache_beam.pvalue import AsList, PCollection
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

from . import stage_units
from .exchange import AnnouncePartitions, ExchangeBatches, Received
from .finalize import witnesses
from .run_state import Run, load_run
from .units import Marker

Keyed = PCollection[tuple[int, object]]
Answers = tuple[Keyed, ...]
"""What several stages have for the splits."""


@dataclass(frozen=True)
class RunRef:
    """Where workers find the run.

    Args:
        plan_path: The plan on disk.
        digest: Fingerprint of the plan.
        way: `files` or `engine`.
        shared: Whether workers are processes of one machine, each with a part of the splits: then
            they help each other out.
    """

    plan_path: str
    digest: str
    way: str
    shared: bool = False

    def load(self) -> Run:
        """Load the run, once in a process."""
        return load_run(self.plan_path, self.digest)


def count(stage: str, **numbers: int) -> None:
    """Add to the counters that an engine shows: a namespace a stage, `muniment.annotate` and so on.

    They count attempts: a unit that an engine tries again counts again. The books do not use them.

    Args:
        stage: Stage name.
        numbers: What to add to which counter; `units` goes up by one.
    """
    for name, number in {"units": 1, **numbers}.items():
        Metrics.counter(f"muniment.{stage}", name).inc(number)


class _Each(beam.DoFn):
    """Run a unit for each number; give its parcels."""

    def __init__(self, ref: RunRef, unit: Callable[[Run, int], str]) -> None:
        self.ref, self.unit = ref, unit

    def process(self, number: int) -> Iterator[str]:
        """Run one unit."""
        yield self.unit(self.ref.load(), number)
        count(self.unit.__name__)


class _Received(beam.DoFn):
    """Run a unit for each number with what was sent to it; give its parcels."""

    def __init__(self, ref: RunRef, unit: Callable[[Run, int, Received], str]) -> None:
        self.ref, self.unit = ref, unit

    def process(self, element: tuple[int, Iterable[Any]]) -> Iterator[str]:
        """Run one unit."""
        number, received = element
        yield self.unit(self.ref.load(), number, list(received))
        count(self.unit.__name__)


class _EachSplit(beam.DoFn):
    """Run a unit for each split; workers of one machine take them in turn, whoever is free.

    Such workers would else wait for the slowest, up to a quarter of a stage: their runner deals the
    splits out once, before it is known what each costs.

    Args:
        ref: The run.
        unit: Runs one unit; named as its stage.
        tell: Counts what a unit did, and returns what to send on.
    """

    def __init__(
        self,
        ref: RunRef,
        unit: Callable[[Run, int, Received], Any],
        tell: Callable[[Any], Iterable[Any]],
    ) -> None:
        self.ref, self.unit, self.tell = ref, unit, tell

    def start_bundle(self) -> None:
        """Begin with no split of its own."""
        self._own: dict[int, Received] = {}

    def process(self, element: tuple[int, Iterable[Any]]) -> Iterator[Any]:
        """Run one unit, or keep it for the end of the bundle, when all are known."""
        number, received = element[0], list(element[1])
        if self.ref.shared:
            self._own[number] = received
        else:
            yield from self.tell(self.unit(self.ref.load(), number, received))

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Run what nobody has begun, whosever it is; then tell of its own splits."""
        if not self._own:
            return
        run, stage = self.ref.load(), self.unit.__name__
        done = {
            number: self.unit(run, number, received)
            for number, received in stage_units.unclaimed(run, stage, self._own)
        }
        for number, received in self._own.items():
            if number not in done:  # another worker has it
                with run.workspace.claimed(stage, number, wait=True):
                    done[number] = self.unit(run, number, received)
            yield from map(GlobalWindows.windowed_value, self.tell(done[number]))


def _annotated(marker: Marker) -> list[int]:
    count("annotate", records=marker.stats["records"], bytes=marker.stats["bytes_in"])
    return [marker.number]


def _collected(parcels: str) -> list[str]:
    count("collect")
    return [parcels]


def _finalized(marker: Marker) -> list[int]:
    """Return which of its survivors fell."""
    outcomes = {name: marker.stats[name] for name in ("kept", "removed", "quarantined")}
    count("finalize", **outcomes)
    return list(marker.stats["fallen"])


@dataclass
class AnnotateSplits(beam.PTransform[PCollection[int], PCollection[int]]):
    """Read and measure every split.

    Args:
        ref: The run.
    """

    ref: RunRef

    def expand(self, splits: PCollection[int]) -> PCollection[int]:
        """Spread the splits over the workers, then measure."""
        unit = _EachSplit(self.ref, stage_units.annotate, _annotated)
        return (
            splits
            | "EverySplit" >> AnnouncePartitions(self.ref.way)
            | "Spread" >> beam.GroupByKey()
            | "Annotate" >> beam.ParDo(unit).with_output_types(int)
        )


class GroupAnswers(beam.PTransform[Answers, Keyed]):
    """Bring what several stages have for a split together.

    They come one by one, since no Flatten may take the output of another: the Flink runner of Beam
    2.62 refuses such a graph.
    """

    def expand(self, answers: Answers) -> Keyed:
        """Wire flatten -> group by split."""
        return answers | beam.Flatten() | beam.GroupByKey()


@dataclass
class ElectVersions(beam.PTransform[PCollection[str], Keyed]):
    """Choose one document of each address, and answer by split.

    Takes the parcels of addresses.

    Args:
        ref: The run.
    """

    ref: RunRef

    def expand(self, screened: PCollection[str]) -> Keyed:
        """Wire exchange by address -> elect -> exchange by split."""
        return (
            screened
            | "ByAddress" >> ExchangeBatches(self.ref.way)
            | "GroupAddresses" >> beam.GroupByKey()
            | "Elect" >> beam.ParDo(_Received(self.ref, stage_units.elect)).with_output_types(str)
            | "BySplit" >> ExchangeBatches(self.ref.way)
        )


@dataclass
class IntroduceVersions(beam.PTransform[Answers, Keyed]):
    """Name the documents that stay to the others of their address.

    Takes the announcement of every split and the answers of the election and the exact stage.

    Args:
        ref: The run.
    """

    ref: RunRef

    def expand(self, answers: Answers) -> Keyed:
        """Wire introduce -> exchange by split."""
        unit = _Received(self.ref, stage_units.introduce)
        return (
            answers
            | "GroupSplits" >> GroupAnswers()
            | "Introduce" >> beam.ParDo(unit).with_output_types(str)
            | "BySplit" >> ExchangeBatches(self.ref.way)
        )


@dataclass
class GroupExactCopies(beam.PTransform[PCollection[str], Keyed]):
    """Group equal texts, and answer by split.

    Takes the parcels of identities.

    Args:
        ref: The run.
    """

    ref: RunRef

    def expand(self, identities: PCollection[str]) -> Keyed:
        """Wire exchange by text hash -> group -> exchange by split."""
        return (
            identities
            | "ByText" >> ExchangeBatches(self.ref.way)
            | "GroupTexts" >> beam.GroupByKey()
            | "Group" >> beam.ParDo(_Received(self.ref, stage_units.group)).with_output_types(str)
            | "BySplit" >> ExchangeBatches(self.ref.way)
        )


@dataclass
class FindNearCopies(beam.PTransform[Answers, Keyed]):
    """Propose near-duplicates by band, verify them, and answer by split.

    Takes the announcement of every split and the answers of the exact stage.

    Args:
        ref: The run.
        parts: Whether documents contained in others are looked for.
    """

    ref: RunRef
    parts: bool

    def expand(self, exact: Answers) -> Keyed:
        """Wire propose -> connect -> join -> collect -> verify, with an exchange between each."""
        ref, way = self.ref, self.ref.way
        collect = _EachSplit(ref, stage_units.collect, _collected)
        leaders = exact | "GroupSplits" >> GroupAnswers()
        edges = (
            leaders
            | "Propose" >> beam.ParDo(_Received(ref, stage_units.propose)).with_output_types(str)
            | "ByBand" >> ExchangeBatches(way)
            | "GroupBands" >> beam.GroupByKey()
            | "Connect" >> beam.ParDo(_Received(ref, stage_units.connect)).with_output_types(str)
        )
        if self.parts:
            edges = (edges, leaders | ProposeParts(ref)) | "AllEdges" >> beam.Flatten()
        memberships = (
            edges
            | "ToOne" >> ExchangeBatches(way)
            | "GroupForests" >> beam.GroupByKey()
            | "Join" >> beam.ParDo(_Received(ref, stage_units.join)).with_output_types(str)
            | "MembersBySplit" >> ExchangeBatches(way)
        )
        return (
            (*exact, memberships)
            | "GroupMembers" >> GroupAnswers()
            | "Collect" >> beam.ParDo(collect).with_output_types(str)
            | "ByComponent" >> ExchangeBatches(way)
            | "GroupComponents" >> beam.GroupByKey()
            | "Verify" >> beam.ParDo(_Received(ref, stage_units.verify)).with_output_types(str)
            | "BySplit" >> ExchangeBatches(way)
        )


@dataclass
class ProposeParts(beam.PTransform[Keyed, PCollection[str]]):
    """Propose documents that may be contained in others.

    Takes the answers of the exact stage, grouped by split; gives the parcels of edges.

    Args:
        ref: The run.
    """

    ref: RunRef

    def expand(self, leaders: Keyed) -> PCollection[str]:
        """Wire sample -> overlap -> weigh, with an exchange between each."""
        ref, way = self.ref, self.ref.way
        return (
            leaders
            | "Sample" >> beam.ParDo(_Received(ref, stage_units.sample)).with_output_types(str)
            | "BySample" >> ExchangeBatches(way)
            | "GroupSamples" >> beam.GroupByKey()
            | "Overlap" >> beam.ParDo(_Received(ref, stage_units.overlap)).with_output_types(str)
            | "PairsBySplit" >> ExchangeBatches(way)
            | "GroupPairs" >> beam.GroupByKey()
            | "Weigh" >> beam.ParDo(_Received(ref, stage_units.weigh)).with_output_types(str)
        )


@dataclass
class CountPassages(beam.PTransform[Answers, Keyed]):
    """Find the passages that stand in many of the documents that are left, and answer by split.

    Takes the announcement of every split and the answers of the exact and near stages.

    Args:
        ref: The run.
    """

    ref: RunRef

    def expand(self, answers: Answers) -> Keyed:
        """Wire tally -> exchange by passage -> count -> exchange by split."""
        ref, way = self.ref, self.ref.way
        return (
            answers
            | "GroupAnswers" >> GroupAnswers()
            | "Tally" >> beam.ParDo(_Received(ref, stage_units.tally)).with_output_types(str)
            | "ByPassage" >> ExchangeBatches(way)
            | "GroupPassages" >> beam.GroupByKey()
            | "Count" >> beam.ParDo(_Received(ref, stage_units.count)).with_output_types(str)
            | "BySplit" >> ExchangeBatches(way)
        )


class _Settle(beam.DoFn):
    """Write a split again if one of its witnesses fell; else it stands."""

    def __init__(self, ref: RunRef) -> None:
        self.ref = ref

    def process(self, element: tuple[int, Iterable[Any]], fallen: list[int]) -> Iterator[int]:
        """Run one unit where needed."""
        number, received = element
        values = list(received)
        concerned = witnesses(values).intersection(fallen) if fallen else set()
        if concerned:
            stage_units.settle(self.ref.load(), number, values, sorted(concerned))
            count("settle")
            yield number


@dataclass
class FinalizeSplits(beam.PTransform[Answers, PCollection[int]]):
    """Decide, redact and write every split; write again those whose witnesses fell.

    Takes the announcement of every split and the answers of the exact and near stages; gives the
    numbers of the splits that were written again.

    Args:
        ref: The run.
    """

    ref: RunRef

    def expand(self, answers: Answers) -> PCollection[int]:
        """Wire finalize -> the fallen, as a side input -> settle."""
        grouped = answers | "GroupAnswers" >> GroupAnswers()
        unit = _EachSplit(self.ref, stage_units.finalize, _finalized)
        fallen = grouped | "Finalize" >> beam.ParDo(unit).with_output_types(int)
        return grouped | "Settle" >> beam.ParDo(
            _Settle(self.ref), AsList(fallen)
        ).with_output_types(int)


@dataclass
class GovernCorpus(beam.PTransform[PCollection[int], PCollection[int]]):
    """The whole job: split numbers in, the parts of a release on disk.

    Args:
        ref: The run.
        near: Whether near-duplicates are looked for.
        parts: Whether documents contained in others are, too.
        addresses: Whether one document of each address is to stay.
        passages: Whether lines or paragraphs that repeat are looked for.
        model_ram: Least memory of a worker that loads models (`4GB`), for engines that choose
            machines by it; empty says nothing, and saves others a boundary between stages.
    """

    ref: RunRef
    near: bool
    parts: bool = False
    addresses: bool = False
    passages: bool = False
    model_ram: str = ""

    def expand(self, splits: PCollection[int]) -> PCollection[int]:
        """Wire the stages."""
        hints = {"min_ram": self.model_ram} if self.model_ram else {}
        annotated = splits | "AnnotateSplits" >> AnnotateSplits(self.ref).with_resource_hints(
            **hints
        )
        every = annotated | "EverySplit" >> AnnouncePartitions(self.ref.way)
        unit = _Each(self.ref, stage_units.screen)
        screened = annotated | "Screen" >> beam.ParDo(unit).with_output_types(str)
        answers: Answers = (every,)
        if self.addresses:
            elected = screened | "ElectVersions" >> ElectVersions(self.ref)
            answers = (*answers, elected)
            screened = (
                answers
                | "GroupElected" >> GroupAnswers()
                | "Identify"
                >> beam.ParDo(_Received(self.ref, stage_units.identify)).with_output_types(str)
            )
        answers = (*answers, screened | "GroupExactCopies" >> GroupExactCopies(self.ref))
        if self.addresses:
            named = answers | "IntroduceVersions" >> IntroduceVersions(self.ref)
            answers = (*answers, named)
        if self.near:
            near = answers | "FindNearCopies" >> FindNearCopies(self.ref, self.parts)
            answers = (*answers, near)
        if self.passages:
            answers = (*answers, answers | "CountPassages" >> CountPassages(self.ref))
        return answers | "FinalizeSplits" >> FinalizeSplits(self.ref).with_resource_hints(**hints)
