# SPDX-License-Identifier: Apache-2.0
"""Tell a lineage service what a run reads, writes and proves: OpenLineage events.

One run event at the start; when the run ends, one pair for each stage, from the unit markers on
disk, and one for the run with its release, or with what stopped it. They hold names, counts, sizes
and digests, never text. A service that cannot be reached is a warning: it stops no run.

https://openlineage.io/spec/2-0-2/OpenLineage.json
"""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from openlineage.client.event_v2 import (
    InputDataset,
    Job,
    OutputDataset,
    RunEvent,
    RunState,
)
from openlineage.client.event_v2 import Run as EventRun
from openlineage.client.generated.data_quality_assertions_dataset import (
    Assertion,
    DataQualityAssertionsDatasetFacet,
)
from openlineage.client.generated.dataset_version_dataset import DatasetVersionDatasetFacet
from openlineage.client.generated.error_message_run import ErrorMessageRunFacet
from openlineage.client.generated.input_statistics_input_dataset import (
    InputStatisticsInputDatasetFacet,
)
from openlineage.client.generated.output_statistics_output_dataset import (
    OutputStatisticsOutputDatasetFacet,
)
from openlineage.client.generated.parent_run import Job as ParentJob
from openlineage.client.generated.parent_run import ParentRunFacet
from openlineage.client.generated.parent_run import Run as ParentRun
from openlineage.client.transport.file import FileConfig, FileTransport
from openlineage.client.transport.http import ApiKeyTokenProvider, HttpConfig, HttpTransport
from openlineage.client.transport.transport import Transport
from openlineage.client.uuid import generate_new_uuid

from .. import __version__
from ..schemas.errors import MunimentError
from ..schemas.job import Lineage
from ..transforms.run_state import Run
from ..transforms.stage_units import STAGES, finished
from ..transforms.stores import join, store_at
from ..transforms.units import Marker
from .release import Release, open_release

_PRODUCER = f"urn:muniment:{__version__}"

_LOG = logging.getLogger(__name__)


class RunEvents:
    """The events of one run.

    Args:
        settings: Where they go; both a file and a service may be named.
        run: The run.
    """

    def __init__(self, settings: Lineage, run: Run) -> None:
        self._settings = settings
        self._run = run
        self._name = run.plan.job.name
        self._id = str(generate_new_uuid())
        self._transports = list(_transports(settings, run.path("")))

    def start(self) -> None:
        """Say that the run begins, and what it reads."""
        self._emit("START", self._id, self._name, inputs=self._sources())

    def complete(self, release: Release) -> None:
        """Say what each stage did, and what was released.

        Args:
            release: The release, proved and current.
        """
        self._emit_stages()
        proof = str(generate_new_uuid())
        for kind in ("START", "COMPLETE"):
            self._emit(
                kind,
                proof,
                f"{self._name}.prove",
                facets={"parent": self._parent()},
                inputs=[self._proved(release)],
            )
        outputs = [self._corpus(release)]
        self._emit("COMPLETE", self._id, self._name, inputs=self._sources(), outputs=outputs)

    def fail(self, error: BaseException) -> None:
        """Say what stopped the run.

        Args:
            error: It; only muniment's own errors are known to hold no text of documents.
        """
        words = str(error) if isinstance(error, MunimentError) else type(error).__name__
        facets = {"errorMessage": ErrorMessageRunFacet(words, "Python")}
        self._emit_stages()
        self._emit("FAIL", self._id, self._name, facets=facets, inputs=self._sources())

    def _parent(self) -> ParentRunFacet:
        return ParentRunFacet(ParentRun(self._id), ParentJob(self._settings.namespace, self._name))

    def _emit_stages(self) -> None:
        for stage in STAGES:
            markers = finished(self._run, stage)
            if not markers:
                continue
            begun, ended = _period(self._run, markers)
            name, run_id = f"{self._name}.{stage}", str(generate_new_uuid())
            facets = {"parent": self._parent()}
            self._emit("START", run_id, name, facets=facets, at=begun)
            written = [self._written(stage, markers)]
            self._emit("COMPLETE", run_id, name, facets=facets, outputs=written, at=ended)

    def _sources(self) -> list[InputDataset]:
        """Return the sources, with what was read of each once that is known."""
        plan = self._run.plan
        rows: Counter[str] = Counter()
        for marker in finished(self._run, "annotate"):
            if marker.number < len(plan.splits):  # the others are parts of former releases
                rows[plan.splits[marker.number].source] += int(marker.stats["records"])
        datasets = []
        for source in plan.job.sources:
            files = [item for item in plan.inputs if item["source_id"] == source.name]
            facet = InputStatisticsInputDatasetFacet(
                rowCount=rows[source.name] if rows else None,
                size=sum(item["file_bytes"] for item in files),
                fileCount=len(files),
            )
            name = f"{self._name}/{source.name}"
            datasets.append(
                InputDataset(self._settings.namespace, name, inputFacets={"inputStatistics": facet})
            )
        return datasets

    def _written(self, stage: str, markers: Sequence[Marker]) -> OutputDataset:
        files = [facts for marker in markers for facts in marker.outputs.values()]
        rows = sum(facts.rows or 0 for facts in files)
        size = sum(facts.bytes for facts in files)
        return self._output(f"{self._name}/{stage}", rows, size, len(files))

    def _corpus(self, release: Release) -> OutputDataset:
        files = [file for file in release.manifest["files"] if file["table"] == "corpus"]
        dataset = self._output(
            f"{self._name}/corpus",
            release.manifest["totals"]["documents"]["kept"],
            sum(file["bytes"] for file in files),
            len(files),
        )
        dataset.facets = {"version": DatasetVersionDatasetFacet(release.id)}
        return dataset

    def _proved(self, release: Release) -> InputDataset:
        """Return the released corpus with what was asserted of it."""
        report = json.loads((release.folder / "run.json").read_bytes())
        # Books that do not balance stop a run before its release.
        tests = [Assertion("conservation", success=True, severity="error", name="books")]
        tests += [
            Assertion(
                gate["question"],
                success=gate["state"] != "failed",
                severity="error",
                name=gate["gate"],
            )
            for gate in report.get("gates", ())
            if gate["state"] != "off"
        ]
        facets = {"dataQualityAssertions": DataQualityAssertionsDatasetFacet(tests)}
        name = f"{self._name}/corpus"
        return InputDataset(self._settings.namespace, name, inputFacets=dict(facets))

    def _output(self, name: str, rows: int, size: int, files: int) -> OutputDataset:

        facet = OutputStatisticsOutputDatasetFacet(rowCount=rows, size=size, fileCount=files)
        return OutputDataset(
            self._settings.namespace, name, outputFacets={"outputStatistics": facet}
        )

    def _emit(
        self,
        kind: str,
        run_id: str,
        name: str,
        *,
        facets: dict[str, Any] | None = None,
        inputs: Sequence[InputDataset] = (),
        outputs: Sequence[OutputDataset] = (),
        at: datetime | None = None,
    ) -> None:

        event = RunEvent(
            eventTime=(at or datetime.now(UTC)).isoformat(timespec="milliseconds"),
            run=EventRun(run_id, facets or {}),
            job=Job(self._settings.namespace, name),
            eventType=RunState[kind],
            inputs=list(inputs),
            outputs=list(outputs),
            producer=_PRODUCER,
        )
        for transport in self._transports:
            try:
                transport.emit(event)
            except Exception as error:  # noqa: BLE001  (a service may fail in any way)
                kind_of = type(error).__name__
                _LOG.warning("lineage: an event could not be delivered (%s)", kind_of)


@contextmanager
def reported(run: Run, output: str) -> Iterator[None]:
    """Report what happens in a block, which is to end with a release.

    Args:
        run: The run.
        output: Output folder.
    """
    events = RunEvents(run.plan.job.engine.lineage, run)
    events.start()
    try:
        yield
    except BaseException as error:
        events.fail(error)
        raise
    events.complete(open_release(output))


def _transports(settings: Lineage, root: Path) -> Iterator[Transport]:

    if settings.file is not None:
        yield FileTransport(FileConfig(str(root / settings.file), append=True))
    if settings.url is not None:
        service = HttpConfig(settings.url, retry={"total": 2})
        if key := os.environ.get("OPENLINEAGE_API_KEY"):
            service.auth = ApiKeyTokenProvider({"apiKey": key})
        yield HttpTransport(service)


def _period(run: Run, markers: Iterable[Marker]) -> tuple[datetime, datetime]:
    """Return when the first unit of a stage began and the last one ended."""
    ends = [(_ended(run, marker), marker.timings["total"][0]) for marker in markers]
    begun = min(end - seconds for end, seconds in ends)
    ended = max(end for end, _ in ends)
    return datetime.fromtimestamp(begun, UTC), datetime.fromtimestamp(ended, UTC)


def _ended(run: Run, marker: Marker) -> float:
    """Return when a marker was written, or now where the store does not tell."""
    try:
        place = join(run.workspace.root, marker.stage, f"{marker.number:05d}.json")
        return store_at(place).stat(place).mtime_ns / 1e9
    except OSError:
        return datetime.now(UTC).timestamp()
