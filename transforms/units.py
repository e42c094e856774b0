# SPDX-License-Identifier: Apache-2.0
"""Units of work that survive a crash: compute once, write atomically, mark last.

A unit is one stage applied to one split or one partition. Its outputs are written under their
final names by temp + flush + rename; its marker comes last and holds a fingerprint of everything
that could change the outputs, and the digest of each output. On the next run a unit whose marker
has the same fingerprint and whose files are intact is not computed again; any other is.

    <work>/<stage>/<number>.<output>.<arrow|parquet|...>
    <work>/<stage>/<number>.json            the marker
    <work>/<stage>/<number>.lock            held by the worker that computes it, where several could
    <work>/failures/<stage>-<number>.json   class and message of what stopped a unit
"""

from __future__ import annotations

import hashlib
import json
import re
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..schemas import errors
from ..schemas.errors import MunimentError, StageError
from .storage import (
    MANIFEST_PACKING,
    FileFacts,
    Packing,
    canonical_json,
    make_private_folder,
    write_ipc,
    write_json,
    write_parquet,
)
from .stores import join, store_at

_MARKER = re.compile(r"[0-9]+\.json")


def fingerprint(*parts: object) -> str:
    """Return the SHA-256 of some JSON-able parts, hexadecimal."""
    return hashlib.sha256(canonical_json(list(parts))).hexdigest()


@dataclass(frozen=True)
class Marker:
    """What a finished unit left behind.

    Args:
        stage: Stage name.
        number: Split or partition.
        fingerprint: Digest of everything that could change the outputs.
        outputs: Output name to the facts of its file.
        stats: Counts the unit reported; JSON-able.
        timings: Step name to (wall seconds, CPU seconds, bytes).
    """

    stage: str
    number: int
    fingerprint: str
    outputs: Mapping[str, FileFacts]
    stats: Mapping[str, Any]
    timings: Mapping[str, tuple[float, float, int]]

    def path(self, output: str) -> str:
        """Return the file of an output."""
        return self.outputs[output].path

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of the marker."""
        return {
            "stage": self.stage,
            "number": self.number,
            "fingerprint": self.fingerprint,
            "outputs": {name: facts.as_dict() for name, facts in self.outputs.items()},
            "stats": dict(self.stats),
            "timings": {name: list(value) for name, value in self.timings.items()},
        }


@dataclass
class UnitOutputs:
    """Where one unit writes; collects the facts of its files and its counts.

    Args:
        folder: Folder of the stage.
        number: Split or partition.
    """

    folder: str
    number: int
    files: dict[str, FileFacts] = field(default_factory=dict)
    stats: dict[str, Any] = field(default_factory=dict)
    timings: dict[str, list[float]] = field(default_factory=dict)

    def path(self, name: str, extension: str) -> str:
        """Return the final location of an output."""
        return join(self.folder, f"{self.number:05d}.{name}.{extension}")

    def write_ipc(
        self, name: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]
    ) -> FileFacts:
        """Write an output as an Arrow IPC file."""
        return self.keep(name, write_ipc(self.path(name, "arrow"), schema, batches))

    def write_parquet(
        self,
        name: str,
        schema: pa.Schema,
        tables: Iterable[pa.Table],
        packing: Packing = MANIFEST_PACKING,
    ) -> FileFacts:
        """Write an output as a Parquet file."""
        return self.keep(name, write_parquet(self.path(name, "parquet"), schema, tables, packing))

    def keep(self, name: str, facts: FileFacts) -> FileFacts:
        """Record a file that the unit wrote itself."""
        self.files[name] = facts
        return facts

    @contextmanager
    def timed(self, step: str, size: int = 0) -> Iterator[None]:
        """Add the wall and CPU seconds of a block, and the bytes it treats, to a step."""
        wall, cpu = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            total = self.timings.setdefault(step, [0.0, 0.0, 0])
            total[0] += time.perf_counter() - wall
            total[1] += time.thread_time() - cpu
            total[2] += size


Compute = Callable[[UnitOutputs], None]


@dataclass(frozen=True)
class Workspace:
    """The private folder of a run.

    Args:
        root: The folder; created with mode 0700.
    """

    root: str

    def folder(self, stage: str) -> str:
        """Return the folder of a stage, created if missing."""
        path = join(self.root, stage)
        for folder in (self.root, path):
            make_private_folder(folder)
        return path

    def finished(self, stage: str) -> list[str]:
        """Return the names of the markers of a stage, by number; none is opened."""
        names = store_at(self.root).names(join(self.root, stage))
        return [name for name in names if _MARKER.fullmatch(name)]

    def markers(self, stage: str) -> list[Marker]:
        """Return the markers of a stage by number."""
        return self._read(stage, self.finished(stage))

    def marker(self, stage: str, number: int) -> Marker:
        """Return the marker of a finished unit.

        Raises:
            StageError: The unit has not finished.
        """
        markers = self._read(stage, [f"{number:05d}.json"])
        if not markers:
            message = f"{stage} {number}: its marker is missing or torn; run the job again"
            raise StageError(message)
        return markers[0]

    def _read(self, stage: str, names: list[str]) -> list[Marker]:
        """Return those markers of a stage that are there and whole."""
        store = store_at(self.root)
        contents = store.read_each([join(self.root, stage, name) for name in names])
        found = (_parse_marker(content) for content in contents)
        return [marker for marker in found if marker is not None]

    def run_unit(self, stage: str, number: int, unit_fingerprint: str, compute: Compute) -> Marker:
        """Compute a unit, unless an intact result with the same fingerprint is there.

        Args:
            stage: Stage name.
            number: Split or partition.
            unit_fingerprint: Digest of everything that could change the outputs.
            compute: Writes the outputs; must give the same bytes each time.

        Returns:
            The marker, read back or new.

        Raises:
            MunimentError: What `compute` raised on purpose; also noted in `failures/`, because
                the engine between worker and launcher turns exceptions into text.
            StageError: `compute` failed otherwise; the message names class and place only, since
                the message of a foreign exception may hold document text.
        """
        folder = self.folder(stage)
        name = f"{number:05d}.json"
        for marker in self._read(stage, [name]):
            if marker.fingerprint == unit_fingerprint and _intact(marker):
                return marker
        outputs = UnitOutputs(folder, number)
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            compute(outputs)
        except MunimentError as error:
            self.note_failure(stage, number, error)
            raise
        except MemoryError:
            failure = StageError(f"{stage} {number}: out of memory")
            self.note_failure(stage, number, failure)
            raise failure from None
        except Exception as error:  # noqa: BLE001  (turned into a typed error without its message)
            frames = traceback.extract_tb(error.__traceback__)
            place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
            failure = StageError(f"{stage} {number}: {type(error).__name__} at {place}")
            trace = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
            self.note_failure(stage, number, failure, trace)
            raise failure from None
        outputs.timings["total"] = [time.perf_counter() - wall, time.process_time() - cpu, 0]
        marker = Marker(
            stage,
            number,
            unit_fingerprint,
            outputs.files,
            outputs.stats,
            {name: (wall, cpu, int(size)) for name, (wall, cpu, size) in outputs.timings.items()},
        )
        # What a power cut takes of it is computed again: only what it speaks of is flushed.
        write_json(join(folder, name), marker.as_dict(), flush=False)
        return marker

    def is_finished(self, stage: str, number: int) -> bool:
        """Return whether a unit has a marker, of whatever run; it is not opened."""
        return store_at(self.root).exists(join(self.root, stage, f"{number:05d}.json"))

    def claimed(self, stage: str, number: int, *, wait: bool) -> AbstractContextManager[bool]:
        """Hold a unit against the other processes of this machine.

        Args:
            stage: Stage name.
            number: Split or partition.
            wait: Whether to wait for another process that holds it.

        Returns:
            A context that yields whether it is held.
        """
        place = join(self.folder(stage), f"{number:05d}.lock")
        return store_at(self.root).claimed(place, wait=wait)

    def failure(self) -> MunimentError | None:
        """Return what stopped the first failed unit, as the error it was, or None."""
        for path in self._failures():
            record = json.loads(store_at(path).read(path))
            kind = getattr(errors, record["class"], StageError)
            return kind(record["message"])
        return None

    def forget_failures(self) -> None:
        """Remove the notes of former failures."""
        for path in self._failures():
            store_at(path).remove(path)

    def _failures(self) -> list[str]:
        folder = join(self.root, "failures")
        return [join(folder, name) for name in store_at(folder).names(folder) if name[0] != "."]

    def note_failure(
        self, stage: str, number: int, error: MunimentError, trace: list[str] | None = None
    ) -> None:
        """Leave word of what stopped a unit: the engine between turns exceptions into text.

        Args:
            stage: Stage name.
            number: Split or partition.
            error: What stopped it.
            trace: Places it came from.
        """
        note = {"class": type(error).__name__, "message": str(error), "trace": trace or []}
        write_json(join(self.folder("failures"), f"{stage}-{number:05d}.json"), note)


def _parse_marker(content: bytes | None) -> Marker | None:
    """Return a marker, or None if it is missing or torn: the unit is then computed again."""
    try:
        record = json.loads(content or b"")
        return Marker(
            record["stage"],
            record["number"],
            record["fingerprint"],
            {name: FileFacts(**facts) for name, facts in record["outputs"].items()},
            record["stats"],
            {name: tuple(value) for name, value in record["timings"].items()},
        )
    except (ValueError, KeyError, TypeError):
        return None


def _intact(marker: Marker) -> bool:
    return all(
        store_at(facts.path).intact(facts.path, facts.bytes, facts.sha256)
        for facts in marker.outputs.values()
    )
