# SPDX-License-Identifier: Apache-2.0
"""What files of origins say of documents, each file parsed once and each path judged once."""

from __future__ import annotations

import typing
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...schemas.rights import Channel, Protocol, SnapshotKind
from .ai_txt import AiTxt
from .readings import NO_FILE, SILENT, UNREACHABLE, Reading
from .robots import RobotsFile, of_status
from .rsl import RslFile
from .snapshots import SnapshotStore
from .tdmrep import TdmFile

CHANNELS = {
    SnapshotKind.ROBOTS: Channel.ROBOTS_TXT,
    SnapshotKind.TDMREP: Channel.TDMREP_JSON,
    SnapshotKind.RSL: Channel.RSL_FILE,
    SnapshotKind.AI_TXT: Channel.AI_TXT_FILE,
}
"""Where the signals of each kind of file are seen."""

Readings = dict[Protocol, Reading]

_CACHE_BYTES = 64 << 20
"""Bodies whose parsed files a worker keeps (their bytes); parsed files are some times larger."""


class _PathFile(typing.Protocol):
    """A file that says something of each path."""

    def read(self, path: str) -> Reading:
        """Return what it says of a path."""
        ...


class FileReadings(NamedTuple):
    """What the files of one kind say of the documents of a batch.

    Attributes:
        readings: Distinct answers.
        answer: int64 (n), which of them a document gets; -1 where there is no file.
    """

    readings: list[Readings]
    answer: NDArray[np.int64]


class FileReader:
    """Reads files of origins of one kind; keeps those it parsed last.

    Args:
        kind: Which file.
        store: The snapshots.
        agents: Product tokens, lower case, whose rules count.
    """

    def __init__(self, kind: SnapshotKind, store: SnapshotStore, agents: tuple[str, ...]) -> None:
        self._kind = kind
        self._store = store
        self._agents = agents
        self._parsed: OrderedDict[bytes, tuple[int, Callable[[str], Readings], bool]] = (
            OrderedDict()
        )
        self._held = 0

    def read(self, rows: NDArray[np.int64], paths: pa.Array) -> FileReadings:
        """Read the file of each document.

        Args:
            rows: int64 (n), row of the store; -1 where there is none.
            paths: string array (n), path and query as `urls.url_key` spells them.
        """
        index = np.full(len(rows), -1, np.int64)
        readings: list[Readings] = []
        known = np.flatnonzero(rows >= 0)
        known = known[np.argsort(rows[known], kind="stable")]
        distinct, first = np.unique(rows[known], return_index=True)
        by_path: list[tuple[Callable[[str], Readings], NDArray[np.int64]]] = []
        for row, documents in zip(distinct.tolist(), np.split(known, first[1:]), strict=True):
            judge, same = self._file(row)
            if same:
                index[documents] = len(readings)
                readings.append(judge("/"))
            else:
                by_path.append((judge, documents))
        if not by_path:
            return FileReadings(readings, index)
        every = np.concatenate([documents for _, documents in by_path])
        named = iter(paths.take(pa.array(every)).to_pylist())
        for judge, documents in by_path:
            answers: dict[str, int] = {}
            for document, path in zip(documents.tolist(), named, strict=False):
                if path not in answers:
                    answers[path] = len(readings)
                    readings.append(judge(path or "/"))
                index[document] = answers[path]
        return FileReadings(readings, index)

    def _file(self, row: int) -> tuple[Callable[[str], Readings], bool]:
        """Return what answers for a path, and whether it answers the same for all paths."""
        body = self._store.body(row)
        status = int(self._store.status[row])
        served = of_status(None if status < 0 else status, has_body=body is not None)
        if served is None and body is None:
            served = SILENT  # an empty file
        if served is not None:
            return (lambda _: self._unserved(served)), True
        key = self._store.digests[row].tobytes()
        found = self._parsed.pop(key, None)
        if found is None:
            judge, same = self._parse(body or b"")
            found = len(body or b""), judge, same
            self._held += found[0]
            while self._held > _CACHE_BYTES and self._parsed:
                self._held -= self._parsed.popitem(last=False)[1][0]
        self._parsed[key] = found
        return found[1], found[2]

    def _unserved(self, served: Reading) -> Readings:
        if self._kind is SnapshotKind.ROBOTS:
            return {Protocol.ROBOTS: served}
        # Only robots.txt closes a site by not answering (RFC 9309, section 2.3.1.4).
        known = served if served in (NO_FILE, SILENT) else UNREACHABLE
        return {Protocol(self._kind.value): known}

    def _parse(self, body: bytes) -> tuple[Callable[[str], Readings], bool]:
        if self._kind is SnapshotKind.ROBOTS:
            robots = RobotsFile(body, self._agents)

            def judge(path: str) -> Readings:
                found = robots.read(path)
                return {Protocol(name): reading for name, reading in found._asdict().items()}

            return judge, robots.same_everywhere
        kinds: dict[SnapshotKind, Callable[[bytes], _PathFile]] = {
            SnapshotKind.TDMREP: TdmFile,
            SnapshotKind.RSL: RslFile,
            SnapshotKind.AI_TXT: AiTxt,
        }
        file, protocol = kinds[self._kind](body), Protocol(self._kind.value)
        return (lambda path: {protocol: file.read(path)}), False
