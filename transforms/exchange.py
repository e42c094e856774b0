# SPDX-License-Identifier: Apache-2.0
"""ExchangeBatches: the one shuffle of a job, in two ways that give the same bytes.

A unit writes what it sends as one Arrow IPC file with one record batch for each partition that
gets something (`write_parcels`). Then

- `files`: only (partition, file, index) goes through the engine; the receiver maps the file. Takes
  a fifth of the memory of the other way and keeps stage boundaries tiny;
- `engine`: the record batches themselves go through the engine's shuffle, which carries and spills
  them; right where workers share no fast folder.

Nothing depends on the order in which parcels arrive: `gather` sorts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from apache_beam.pvalue import PCollection

from . import arrow_coder  # noqa: F401  (registers the coder on import)
from .storage import open_ipc, read_ipc_batches
from .units import UnitOutputs

PARTITION_KEY = b"partitions"
NAME_KEY = b"parcels"


class Parcel(NamedTuple):
    """Where the rows of one sender for one partition are.

    Args:
        name: What is sent (`bands`, `exact`); one consumer may receive several kinds.
        path: Arrow IPC file.
        batch: Number of the record batch in it.
    """

    name: str
    path: str
    batch: int


Received = Iterable[tuple[str, str, int] | pa.RecordBatch]
"""What arrives at a partition: parcels (`files`) or the batches themselves (`engine`)."""

_NOTHING = pa.RecordBatch.from_arrays([], schema=pa.schema([], metadata={NAME_KEY: b""}))


def write_parcels(
    outputs: UnitOutputs,
    name: str,
    schema: pa.Schema,
    table: pa.Table,
    partition: npt.NDArray[np.int64],
) -> None:
    """Write the rows a unit sends, grouped by partition.

    Args:
        outputs: Outputs of the unit.
        name: Name of the output and of the parcels.
        schema: Schema of the rows, without metadata.
        table: Rows, shape `[n, ...]`.
        partition: Partition of each row, int64 `[n]`.
    """
    # Numbers of 16 bits are sorted by radix, four times as fast.
    narrow = not len(partition) or partition.max() < 1 << 16
    order = np.argsort(partition.astype(np.uint16) if narrow else partition, kind="stable")
    keys, starts = np.unique(partition[order], return_index=True)
    bounds = np.append(starts, len(order))
    metadata = {NAME_KEY: name.encode(), PARTITION_KEY: ",".join(map(str, keys)).encode()}
    tagged = schema.with_metadata(metadata)
    rows = table.take(pa.array(order)).combine_chunks()
    outputs.stats["sent"] = {name: table.num_rows}
    outputs.write_ipc(
        name,
        tagged,
        [
            pa.RecordBatch.from_arrays(
                [column.combine_chunks() for column in rows.slice(start, end - start).columns],
                schema=tagged,
            )
            for start, end in pairwise(bounds)
        ],
    )


def parcels_of(path: str) -> list[tuple[int, Parcel]]:
    """Return the partition and place of each parcel in a file that `write_parcels` wrote."""
    with open_ipc(path) as reader:
        return _parcels(reader, path)


def _parcels(reader: pa.ipc.RecordBatchFileReader, path: str) -> list[tuple[int, Parcel]]:
    metadata = reader.schema.metadata
    name, keys = metadata[NAME_KEY].decode(), metadata[PARTITION_KEY]
    numbers = [int(key) for key in keys.split(b",")] if keys else []
    return [(key, Parcel(name, path, batch)) for batch, key in enumerate(numbers)]


def gather(values: Received, name: str, schema: pa.Schema, sort_by: Sequence[str]) -> pa.Table:
    """Collect the parcels of one kind, in an order that does not depend on arrival.

    Args:
        values: What arrived, in any order.
        name: Kind of parcels wanted.
        schema: Schema of their rows.
        sort_by: Columns that together tell rows apart; none if the consumer sorts by itself.

    Returns:
        All rows, sorted ascending by `sort_by`.
    """
    batches = [
        batch for batch in open_received(values) if batch.schema.metadata[NAME_KEY] == name.encode()
    ]
    plain = [batch.replace_schema_metadata(None) for batch in batches]
    table = pa.Table.from_batches(plain, schema=schema)
    if not table.num_rows or not sort_by:
        return table.combine_chunks()
    return table.sort_by([(column, "ascending") for column in sort_by]).combine_chunks()


def open_received(values: Received) -> list[pa.RecordBatch]:
    """Return the batches that arrived; those of one file, which is mapped once, in one place."""
    batches: list[pa.RecordBatch] = []
    places: dict[str, list[int]] = {}
    for value in values:
        if isinstance(value, pa.RecordBatch):
            batches.append(value)
        elif value[1]:  # else it only announces a partition
            places.setdefault(value[1], []).append(value[2])
    for path in sorted(places):
        batches += read_ipc_batches(path, sorted(places[path]))
    return batches


def count_received(values: Received) -> dict[str, int]:
    """Return the rows that arrived, by kind; the books compare them with the rows sent."""
    counts: dict[str, int] = {}
    for batch in open_received(values):
        name = batch.schema.metadata[NAME_KEY].decode()
        counts[name] = counts.get(name, 0) + batch.num_rows
    counts.pop("", None)  # what only announces a partition
    return counts


def _locate(path: str) -> Iterator[tuple[int, tuple[str, str, int]]]:
    for partition, parcel in parcels_of(path):
        yield partition, (parcel.name, parcel.path, parcel.batch)


def _load(path: str) -> Iterator[tuple[int, pa.RecordBatch]]:
    with open_ipc(path) as reader:
        for partition, parcel in _parcels(reader, path):
            yield partition, reader.get_batch(parcel.batch)


def _announce_parcel(number: int) -> tuple[int, tuple[str, str, int]]:
    return number, ("", "", -1)


def _announce_batch(number: int) -> tuple[int, pa.RecordBatch]:
    return number, _NOTHING


_TYPES = {"files": tuple[int, tuple[str, str, int]], "engine": tuple[int, pa.RecordBatch]}


@dataclass
class ExchangeBatches(beam.PTransform[PCollection[str], PCollection[tuple[int, object]]]):
    """Send parcels to their partitions.

    Takes the paths of parcel files; gives `(partition, parcel)` pairs, to be grouped by key.

    Args:
        way: `files` or `engine`.
    """

    way: str

    def expand(self, paths: PCollection[str]) -> PCollection[tuple[int, object]]:
        """Wire the chosen way."""
        send = _locate if self.way == "files" else _load
        return paths | "Send" >> beam.FlatMap(send).with_output_types(_TYPES[self.way])


@dataclass
class AnnouncePartitions(beam.PTransform[PCollection[int], PCollection[tuple[int, object]]]):
    """Give every partition an empty parcel, so that it is treated even if nothing is sent to it.

    Args:
        way: `files` or `engine`.
    """

    way: str

    def expand(self, numbers: PCollection[int]) -> PCollection[tuple[int, object]]:
        """Wire the chosen way."""
        announce = _announce_parcel if self.way == "files" else _announce_batch
        return numbers | "Announce" >> beam.Map(announce).with_output_types(_TYPES[self.way])
