# SPDX-License-Identifier: Apache-2.0
"""The one shuffle: two ways, any order of arrival, the same table; and small when encoded."""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.transforms.arrow_coder import RecordBatchCoder
from muniment.transforms.exchange import (
    AnnouncePartitions,
    ExchangeBatches,
    gather,
    parcels_of,
    write_parcels,
)
from muniment.transforms.storage import read_ipc_batches
from muniment.transforms.units import UnitOutputs

WAYS = ("files", "engine")
ROWS = pa.schema(
    [
        pa.field("ref", pa.uint64(), nullable=False),
        pa.field("word", pa.string()),
        pa.field("set", pa.large_list(pa.uint64()), nullable=False),
    ]
)


def rows(refs: Sequence[int]) -> pa.Table:
    return pa.table(
        [
            refs,
            [None if ref % 5 == 0 else f"word {ref}" for ref in refs],
            [list(range(ref % 4)) for ref in refs],
        ],
        schema=ROWS,
    )


def send(
    folder: Path, sender: int, refs: Sequence[int], partition: Sequence[int], name: str = "rows"
) -> str:
    """Write what one unit sends; return the path."""
    out = UnitOutputs(folder, sender)
    write_parcels(out, name, ROWS, rows(refs), np.array(partition, dtype=np.int64))
    return out.files[name].path


def received(paths: Sequence[str], way: str) -> dict[int, list[Any]]:
    """Do what the engine does between the stages: encode, decode, group by partition."""
    coder = RecordBatchCoder()
    groups: dict[int, list[Any]] = {}
    for path in paths:
        for partition, parcel in parcels_of(path):
            value: Any = tuple(parcel)
            if way == "engine":
                batch = read_ipc_batches(parcel.path, [parcel.batch])[0]
                value = coder.decode(coder.encode(batch))
            groups.setdefault(partition, []).append(value)
    return groups


# Parcels


def test_a_file_holds_one_batch_for_each_partition_that_gets_something(tmp_path: Path) -> None:
    path = send(tmp_path, 0, [10, 11, 12, 13, 14], [7, 2, 7, 0, 2])
    found = parcels_of(path)
    assert [partition for partition, _ in found] == [0, 2, 7]
    assert all(parcel.name == "rows" and parcel.path == path for _, parcel in found)
    contents = [read_ipc_batches(path, [parcel.batch])[0]["ref"].to_pylist() for _, parcel in found]
    assert contents == [[13], [11, 14], [10, 12]]


def test_nothing_to_send_is_a_file_without_parcels(tmp_path: Path) -> None:
    assert parcels_of(send(tmp_path, 0, [], [])) == []


def test_rows_may_come_in_chunks_and_slices(tmp_path: Path) -> None:
    table = pa.concat_tables([rows([9, 1]), rows([2, 3, 9]).slice(0, 2)])
    out = UnitOutputs(tmp_path, 0)
    write_parcels(out, "rows", ROWS, table.slice(1), np.array([1, 0, 1]))
    groups = received([out.files["rows"].path], "files")
    assert gather(groups[1], "rows", ROWS, ["ref"]) == rows([1, 3])
    assert gather(groups[0], "rows", ROWS, ["ref"]) == rows([2])


# Gathering


@settings(max_examples=25)
@given(
    st.lists(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=8), max_size=5),
    st.randoms(use_true_random=False),
)
def test_both_ways_gather_the_same_table_in_any_order_of_arrival(
    tmp_path_factory: pytest.TempPathFactory,
    senders: list[list[tuple[int, bool]]],
    shuffle: random.Random,
) -> None:
    folder = tmp_path_factory.mktemp("sent")
    expected: dict[int, list[int]] = {}
    paths = []
    for sender, sent in enumerate(senders):
        refs = [sender * 100 + (n if up else 50 - n) for n, (_, up) in enumerate(sent)]
        partition = [part for part, _ in sent]
        paths.append(send(folder, sender, refs, partition))
        paths.append(send(folder, sender, refs, partition, "others"))
        for ref, part in zip(refs, partition, strict=True):
            expected.setdefault(part, []).append(ref)
    for way in WAYS:
        shuffle.shuffle(paths)
        groups = received(paths, way)
        assert set(groups) == set(expected)
        for partition, values in groups.items():
            shuffle.shuffle(values)
            table = gather(values, "rows", ROWS, ["ref"])
            assert table == rows(sorted(expected[partition]))
            assert table.schema == ROWS
            assert all(column.num_chunks == 1 for column in table.columns)


def test_a_receiver_picks_one_kind_and_leaves_the_others(tmp_path: Path) -> None:
    paths = [send(tmp_path, 0, [1], [0], "exact"), send(tmp_path, 0, [2], [0], "near")]
    for way in WAYS:
        values = received(paths, way)[0]
        assert gather(values, "exact", ROWS, ["ref"]) == rows([1])
        assert gather(values, "near", ROWS, ["ref"]) == rows([2])
        assert gather(values, "unknown", ROWS, ["ref"]).num_rows == 0


def test_nothing_received_is_an_empty_table_with_the_schema() -> None:
    table = gather([], "rows", ROWS, ["ref"])
    assert table.schema == ROWS
    assert table.num_rows == 0


# The coder


def batch_of(refs: Sequence[int]) -> pa.RecordBatch:
    return rows(refs).combine_chunks().to_batches()[0]


@given(st.lists(st.integers(0, 1000), max_size=20), st.integers(0, 20), st.integers(0, 20))
def test_a_batch_survives_the_coder_whatever_part_of_its_parent_it_is(
    refs: list[int], start: int, length: int
) -> None:
    table = rows(refs).combine_chunks()
    batch = pa.RecordBatch.from_arrays(
        [column.combine_chunks() for column in table.columns],
        schema=ROWS.with_metadata({"parcels": "rows"}),
    ).slice(min(start, len(refs)), length)
    coder = RecordBatchCoder()
    decoded = coder.decode(coder.encode(batch))
    assert decoded.equals(batch, check_metadata=True)
    assert coder.encode(decoded) == coder.encode(batch)


def test_a_slice_is_encoded_without_its_parent() -> None:
    parent = batch_of(range(100_000))
    one_row = parent.slice(77_777, 1)
    assert parent.nbytes > 3_000_000
    assert len(RecordBatchCoder().encode(one_row)) < 2_000


def test_the_coder_is_the_default_for_batches_and_deterministic() -> None:
    assert isinstance(beam.coders.registry.get_coder(pa.RecordBatch), RecordBatchCoder)
    assert RecordBatchCoder().is_deterministic()
    assert RecordBatchCoder() == RecordBatchCoder()
    assert hash(RecordBatchCoder()) == hash(RecordBatchCoder())
    assert RecordBatchCoder().to_type_hint() is pa.RecordBatch
    assert RecordBatchCoder().estimate_size(batch_of([1, 2])) == batch_of([1, 2]).nbytes


# In a pipeline


def _note(element: tuple[int, Any], folder: str) -> None:
    partition, values = element
    refs = gather(list(values), "rows", ROWS, ["ref"])["ref"].to_pylist()
    (Path(folder) / str(partition)).write_text(json.dumps(refs))


@pytest.mark.parametrize("way", WAYS)
def test_a_pipeline_gathers_every_announced_partition(
    tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []
    plain = RecordBatchCoder.encode

    def encode(self: RecordBatchCoder, value: pa.RecordBatch) -> bytes:
        encoded.append(value.num_rows)
        return plain(self, value)

    monkeypatch.setattr(RecordBatchCoder, "encode", encode)
    paths = [send(tmp_path, 0, [4, 1, 3], [0, 1, 0]), send(tmp_path, 1, [2, 0], [0, 3])]
    folder = tmp_path / "gathered"
    folder.mkdir()
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        sent = pipeline | beam.Create(paths) | ExchangeBatches(way)
        every = pipeline | "Numbers" >> beam.Create(range(5)) | AnnouncePartitions(way)
        both = (sent, every) | beam.Flatten()
        _ = both | beam.GroupByKey() | beam.Map(_note, str(folder))
    found = {int(path.name): json.loads(path.read_text()) for path in folder.iterdir()}
    assert found == {0: [2, 3, 4], 1: [1], 2: [], 3: [0], 4: []}
    # Batches cross a stage boundary with `engine` only, and then by our coder, each by itself.
    sizes = {"files": set(), "engine": {0, 1, 2}}
    assert set(encoded) == sizes[way]
