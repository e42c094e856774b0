# SPDX-License-Identifier: Apache-2.0
"""Snapshots of files of origins: robots.txt and the like as they were once fetched.

A snapshot table is Parquet from outside. It is turned once into flat files in the work folder,
which all workers of a machine map: a row costs some 60 bytes of memory while they are written, its
body none. Joined by origin (scheme, host, port), the nearest row not later than a document's fetch
and the latest one; where the scheme of an address has no row the other one stands in, so that an
opt-out fetched over https holds for a page fetched over http.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ...schemas.errors import InputError
from ..dates import parse_times
from ..reading.parquet import open_parquet
from ..written_once import mapped, written_once
from .buffers import string_buffers
from .origins import other_scheme, url_origins
from .string_index import StringIndex, build_index, frozen_index, longest_prefixes

MAX_BODY_BYTES = (1 << 20) + 1
"""Bytes of a body that are kept: one more than the largest file any parser reads."""

NO_TIME = np.iinfo(np.int64).max
"""Fetch time of a document that is not known (seconds)."""

_BATCH_ROWS = 1024
_INDEX = ("data", "offsets", "hashes", "order", "buckets")
_ARRAYS = ("starts", "times", "status", "body_at", "digests")


@dataclass(frozen=True)
class SnapshotStore:
    """Rows of snapshot tables by origin and time, mapped from disk.

    Args:
        index: Distinct origins.
        starts: int64 (origins + 1), rows of origin i are `starts[i]:starts[i + 1]`, by time.
        times: int64 (rows), seconds since 1970.
        status: int16 (rows), -1 where the table has none.
        body_at: int64 (rows, 2), place of the body in `bodies`; start -1 where there is none.
        digests: uint8 (rows, 32), sha256 of the body.
        bodies: uint8.
    """

    index: StringIndex
    starts: NDArray[np.int64]
    times: NDArray[np.int64]
    status: NDArray[np.int16]
    body_at: NDArray[np.int64]
    digests: NDArray[np.uint8]
    bodies: NDArray[np.uint8]

    def find(
        self, origins: pa.Array, fetched: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows that hold for documents.

        Args:
            origins: string array of origins; null allowed.
            fetched: int64 (n), seconds since 1970.

        Returns:
            Two int64 arrays (n): the nearest row not later than the fetch, and the latest row; -1
            where there is none.
        """
        if not len(self.times):
            nowhere = np.full(len(origins), -1, np.int64)
            return nowhere, nowhere
        number = self._numbers(origins)
        missing = number < 0
        if missing.any():
            number = np.where(missing, self._numbers(other_scheme(origins)), number)
        known = number >= 0
        own = np.where(known, number, 0)
        first, end = self.starts[own], self.starts[own + 1]
        latest = np.where(known, end - 1, -1)
        # Rows of an origin lie together by time: a binary search within them.
        low, high = first.copy(), end.copy()
        while (open_ := low < high).any():
            middle = (low + high) // 2
            later = self.times[np.where(open_, middle, 0)] > fetched
            high = np.where(open_ & later, middle, high)
            low = np.where(open_ & ~later, middle + 1, low)
        nearest = np.where(known & (low > first), low - 1, -1)
        return nearest, latest

    def _numbers(self, origins: pa.Array) -> NDArray[np.int64]:
        return np.asarray(longest_prefixes(self.index, *string_buffers(origins), True))

    def body(self, row: int) -> bytes | None:
        """Return the body of a row, cut to `MAX_BODY_BYTES`; None where the table has none."""
        start, end = self.body_at[row]
        return None if start < 0 else self.bodies[start:end].tobytes()


def open_snapshots(paths: Sequence[Path], digests: Sequence[str], folder: Path) -> SnapshotStore:
    """Map the rows of snapshot tables, writing them first if no worker has.

    Args:
        paths: The tables, all of one kind.
        digests: Their sha256, as planned.
        folder: Folder for what is written; shared by all workers.

    Raises:
        InputError: A table changed since it was planned, or is not one.
    """
    name = hashlib.sha256("".join(digests).encode()).hexdigest()[:32]
    target = written_once(folder, name, lambda staging: _write(paths, digests, staging))
    arrays = {name: mapped(target / f"{name}.npy") for name in (*_INDEX, *_ARRAYS)}
    index = frozen_index(*(arrays.pop(name) for name in _INDEX))
    size = (target / "bodies").stat().st_size
    bodies = np.memmap(target / "bodies", np.uint8, "r") if size else np.zeros(0, np.uint8)
    return SnapshotStore(index=index, bodies=bodies, **arrays)


def describe_snapshot(path: Path) -> dict[str, Any]:
    """Return the facts of a snapshot table for the plan: sha256 and rows.

    Raises:
        InputError: It cannot be read, or is not a snapshot table.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"snapshot {path}: cannot be read ({error.strerror})") from None
    schema, rows = _inspect(path)
    for name in ("origin", _time_column(schema), "status", "body"):
        if name not in schema.names:
            raise InputError(f"snapshot {path.name}: expected a column {name}, there is none")
    return {"sha256": digest, "rows": rows}


def _inspect(path: Path) -> tuple[pa.Schema, int]:
    with open_parquet(str(path), f"snapshot {path.name}") as (file, _):
        return file.schema_arrow, file.metadata.num_rows


def _time_column(schema: pa.Schema) -> str:
    return "fetched_at" if "fetched_at" in schema.names else "fetched"


def _write(paths: Sequence[Path], digests: Sequence[str], folder: Path) -> None:
    origins: list[pa.Array] = []
    columns: dict[str, list[NDArray[Any]]] = {
        "times": [],
        "status": [],
        "body_at": [],
        "digests": [],
    }
    with (folder / "bodies").open("wb") as bodies:
        for path, digest in zip(paths, digests, strict=True):
            if describe_snapshot(path)["sha256"] != digest:
                raise InputError(f"snapshot {path.name}: changed after the job was planned")
            for batch in _batches(path):
                origins.append(batch[0])
                columns["times"].append(batch[1])
                columns["status"].append(batch[2])
                places, marks = _keep_bodies(path.name, batch[3], batch[4], bodies)
                columns["body_at"].append(places)
                columns["digests"].append(marks)
    empty: dict[str, Any] = {
        "times": np.zeros(0, np.int64),
        "status": np.zeros(0, np.int16),
        "body_at": np.zeros((0, 2), np.int64),
        "digests": np.zeros((0, 32), np.uint8),
    }
    rows = {name: np.concatenate([empty[name], *parts]) for name, parts in columns.items()}
    encoded = pa.chunked_array([*origins, pa.array([], pa.string())]).combine_chunks()
    encoded = encoded.dictionary_encode()
    number = encoded.indices.to_numpy(zero_copy_only=False)
    order = np.lexsort((rows["times"], number))
    starts = np.zeros(len(encoded.dictionary) + 1, np.int64)
    np.cumsum(np.bincount(number, minlength=len(encoded.dictionary)), out=starts[1:])
    index = build_index(encoded.dictionary, reverse=False)
    for name in _INDEX:
        np.save(folder / f"{name}.npy", getattr(index, name))
    np.save(folder / "starts.npy", starts)
    for name, values in rows.items():
        np.save(folder / f"{name}.npy", values[order])


def _batches(path: Path) -> Iterator[tuple[pa.Array, Any, Any, pa.Array, pa.Array]]:
    """Yield origin, seconds, status, body and digest of the rows that have an origin and a time."""
    with open_parquet(str(path), f"snapshot {path.name}") as (file, _):
        schema = file.schema_arrow
        time = _time_column(schema)
        names = [
            "origin",
            time,
            "status",
            "body",
            *(["digest"] if "digest" in schema.names else []),
        ]
        try:
            for batch in file.iter_batches(_BATCH_ROWS, columns=names, use_threads=False):
                yield _rows(batch, time)
        except (pa.ArrowException, OSError, ValueError):
            raise InputError(
                f"snapshot {path.name}: expected origin (string), {time} (timestamp or ISO 8601), "
                "status (integer), body (string or binary); it holds something else or is damaged"
            ) from None


def _rows(batch: pa.RecordBatch, time: str) -> tuple[pa.Array, Any, Any, pa.Array, pa.Array]:
    origins, _ = url_origins(batch["origin"].cast(pa.string()))
    seconds = batch[time]
    if not pa.types.is_timestamp(seconds.type):
        seconds = parse_times(seconds.cast(pa.string()))
    seconds = seconds.cast(pa.timestamp("s", "UTC"), safe=False).cast(pa.int64())
    usable = pc.and_(pc.is_valid(origins), pc.is_valid(seconds))
    status = pc.fill_null(batch["status"].cast(pa.int64()), -1).cast(pa.int16())
    digest = (
        batch["digest"] if "digest" in batch.schema.names else pa.nulls(batch.num_rows, pa.string())
    )
    return (
        origins.filter(usable),
        seconds.filter(usable).to_numpy(),
        status.filter(usable).to_numpy(),
        batch["body"].cast(pa.large_binary()).filter(usable),
        digest.filter(usable),
    )


def _keep_bodies(
    name: str, bodies: pa.Array, declared: pa.Array, file: Any
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    places = np.full((len(bodies), 2), -1, np.int64)
    digests = np.zeros((len(bodies), 32), np.uint8)
    for row, (body, digest) in enumerate(zip(bodies, declared.to_pylist(), strict=True)):
        if not body.is_valid:
            continue
        content = body.as_buffer()
        found = hashlib.sha256(content)
        if digest is not None and not _is_digest(digest, found):
            raise InputError(
                f"snapshot {name}: expected in `digest` the sha256 of `body`, row {row} of a batch "
                "has another; take the table again"
            )
        digests[row] = np.frombuffer(found.digest(), np.uint8)
        start = file.tell()
        file.write(memoryview(content)[:MAX_BODY_BYTES])
        places[row] = start, file.tell()
    return places, digests


def _is_digest(declared: str | bytes, found: Any) -> bool:
    if isinstance(declared, bytes):
        return declared == found.digest()
    return declared.lower().removeprefix("sha256:") == found.hexdigest()
