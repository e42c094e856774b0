# SPDX-License-Identifier: Apache-2.0
"""Files appear whole or not at all, private, with checksums, and with the same bytes each time."""

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.schemas.fields import Field
from muniment.transforms.storage import (
    Packing,
    canonical_json,
    link_or_copy,
    make_private_folder,
    read_ipc,
    read_ipc_batches,
    rechunk,
    replace_file,
    sha256_file,
    write_bytes,
    write_ipc,
    write_json,
    write_parquet,
)
from muniment.transforms.stores.local import TEMPORARY_PREFIX

SCHEMA = pa.schema([pa.field("n", pa.int64(), nullable=False), ("word", pa.string())])


def table(rows: int, start: int = 0) -> pa.Table:
    numbers = range(start, start + rows)
    return pa.table([list(numbers), [f"word {n % 7}" for n in numbers]], schema=SCHEMA)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


# Whole or not at all


def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old")

    def write_half() -> None:
        with replace_file(path) as file:
            file.write(b"half of the new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_until_the_block_ends_a_reader_sees_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old")
    with replace_file(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
        others = [name for name in os.listdir(tmp_path) if name != "file"]
        assert all(name.startswith(TEMPORARY_PREFIX) for name in others)
        assert others
    assert path.read_bytes() == b"new"


def test_a_failing_table_leaves_no_parquet_and_no_arrow_file(tmp_path: Path) -> None:
    def pieces() -> Iterator[pa.Table]:
        yield table(3)
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_parquet(tmp_path / "t.parquet", SCHEMA, pieces())
    with pytest.raises(OSError, match="No space"):
        write_ipc(tmp_path / "t.arrow", SCHEMA, (t.to_batches()[0] for t in pieces()))
    assert os.listdir(tmp_path) == []


@pytest.mark.usefixtures("open_umask")
def test_files_and_folders_are_private_even_under_umask_0(tmp_path: Path) -> None:
    make_private_folder(tmp_path / "private")
    assert mode_of(tmp_path / "private") == 0o700
    write_bytes(tmp_path / "bytes", b"x")
    write_json(tmp_path / "json", {})
    write_parquet(tmp_path / "parquet", SCHEMA, [table(1)])
    write_ipc(tmp_path / "arrow", SCHEMA, table(1).to_batches())
    for name in ("bytes", "json", "parquet", "arrow"):
        assert mode_of(tmp_path / name) == 0o600, name
    with replace_file(tmp_path / "open") as file:
        temporary = next(tmp_path.glob(f"{TEMPORARY_PREFIX}*"))
        assert mode_of(temporary) == 0o600
        file.write(b"x")
    write_bytes(tmp_path / "public", b"x", 0o644)
    assert mode_of(tmp_path / "public") == 0o644


def test_a_strict_umask_does_not_hide_what_is_public(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_bytes(tmp_path / "public", b"x", 0o644)
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "public") == 0o644


@pytest.mark.usefixtures("open_umask")
def test_an_existing_folder_becomes_private(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir(mode=0o777)
    make_private_folder(tmp_path / "folder")
    assert mode_of(tmp_path / "folder") == 0o700


# What is known of a written file


def test_the_facts_of_a_file_are_those_of_its_bytes(tmp_path: Path) -> None:
    written = [
        (write_bytes(tmp_path / "b", b"some bytes"), None),
        (write_json(tmp_path / "j", {"b": 1, "a": "é"}), None),
        (write_parquet(tmp_path / "p", SCHEMA, [table(5), table(2)]), 7),
        (write_ipc(tmp_path / "i", SCHEMA, table(3).to_batches()), 3),
    ]
    for facts, rows in written:
        content = Path(facts.path).read_bytes()
        assert facts.bytes == len(content)
        assert facts.sha256 == hashlib.sha256(content).hexdigest() == sha256_file(facts.path)
        assert facts.rows == rows
        assert json.loads(json.dumps(facts.as_dict()))["sha256"] == facts.sha256


def test_canonical_json_has_one_spelling_and_refuses_what_is_not_json() -> None:
    assert canonical_json({"b": [1], "a": "é"}) == '{\n "a": "é",\n "b": [\n  1\n ]\n}\n'.encode()
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(float("nan"))


# Same rows, same bytes


def test_identifiers_have_no_dictionary_and_growing_numbers_are_differences(
    tmp_path: Path,
) -> None:
    ascending = Field("place", pa.uint64(), "Place.", ascending=True).arrow()
    schema = pa.schema([("id", pa.binary(16)), ascending, ("word", pa.string())])
    rows = pa.table(
        {
            "id": [bytes([n]) * 16 for n in range(100)],
            "place": pa.array(range(100), pa.uint64()),
            "word": ["a"] * 100,
        }
    ).cast(schema)
    write_parquet(tmp_path / "t.parquet", schema, [rows])
    with pq.ParquetFile(tmp_path / "t.parquet") as file:
        group = file.metadata.row_group(0)
        encodings = [set(group.column(place).encodings) for place in range(3)]
        assert file.read().equals(rows)
    assert [column & {"PLAIN_DICTIONARY", "RLE_DICTIONARY"} != set() for column in encodings] == [
        False,
        False,
        True,
    ]
    assert "DELTA_BINARY_PACKED" in encodings[1]


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    first = write_parquet(tmp_path / "a", SCHEMA, [table(5000)], Packing(1000, 3))
    again = write_parquet(tmp_path / "b", SCHEMA, [table(5000)], Packing(1000, 3))
    assert first.sha256 == again.sha256
    ipc = [write_ipc(tmp_path / name, SCHEMA, table(50).to_batches()).sha256 for name in "cd"]
    assert ipc[0] == ipc[1]


@settings(max_examples=30)
@given(st.lists(st.integers(0, 40), max_size=6), st.integers(1, 30))
def test_row_groups_and_bytes_do_not_depend_on_how_rows_arrive(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], group: int
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    total = sum(sizes)
    pieces = [table(size, sum(sizes[:n])) for n, size in enumerate(sizes)]
    cut = write_parquet(folder / "cut", SCHEMA, pieces, Packing(group, 3))
    whole = write_parquet(folder / "whole", SCHEMA, [table(total)], Packing(group, 3))
    metadata = pq.read_metadata(folder / "cut")
    groups = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
    assert sum(groups) == total
    assert groups[:-1] == [group] * len(groups[:-1])
    assert pq.read_table(folder / "cut") == table(total)
    assert cut.sha256 == whole.sha256


def test_word_columns_with_different_dictionaries_become_one(tmp_path: Path) -> None:
    schema = pa.schema([pa.field("word", pa.dictionary(pa.int32(), pa.string()), nullable=False)])
    values = ["b", "a", "b", "c", "a"]

    def encoded(*parts: list[str]) -> list[pa.Table]:
        return [pa.table([pa.array(part).dictionary_encode()], schema=schema) for part in parts]

    cut = write_parquet(tmp_path / "cut", schema, encoded(values[:2], values[2:3], values[3:]))
    whole = write_parquet(tmp_path / "whole", schema, encoded(values))
    read = pq.read_table(tmp_path / "cut")
    assert read["word"].cast(pa.string()).to_pylist() == values
    assert read.schema.field("word").type == schema.field("word").type
    assert cut.sha256 == whole.sha256


def test_a_word_that_was_cut_away_is_not_in_the_file(tmp_path: Path) -> None:
    schema = pa.schema([("word", pa.dictionary(pa.int32(), pa.string()))])
    rows = pa.table([pa.array(["gone", "stays"]).dictionary_encode()], schema=schema)
    write_parquet(tmp_path / "t", schema, [rows.slice(1)])
    assert pq.read_table(tmp_path / "t")["word"].to_pylist() == ["stays"]
    assert b"gone" not in (tmp_path / "t").read_bytes()


def test_no_rows_make_a_file_with_the_schema(tmp_path: Path) -> None:
    assert write_parquet(tmp_path / "none", SCHEMA, []).rows == 0
    assert write_parquet(tmp_path / "empty", SCHEMA, [table(0)]).rows == 0
    assert pq.read_schema(tmp_path / "none").equals(SCHEMA)
    assert write_ipc(tmp_path / "ipc", SCHEMA, []).rows == 0
    assert read_ipc(tmp_path / "ipc") == table(0)


def test_rechunk_takes_record_batches_and_keeps_order() -> None:
    batches = [table(3).to_batches()[0], table(4, 3).to_batches()[0]]
    cut = list(rechunk(batches, 5))
    assert [piece.num_rows for piece in cut] == [5, 2]
    assert pa.concat_tables(cut) == table(7)


# Damage is noticed


def test_a_flipped_bit_in_a_page_fails_the_checksum(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    write_parquet(path, SCHEMA, [table(2000)])
    assert pq.read_table(path, page_checksum_verification=True) == table(2000)
    column = pq.read_metadata(path).row_group(0).column(0)
    content = bytearray(path.read_bytes())
    content[column.dictionary_page_offset + column.total_compressed_size - 1] ^= 1
    path.write_bytes(content)
    with pytest.raises(OSError, match=r"CRC|checksum"):
        pq.read_table(path, page_checksum_verification=True)


# Arrow files


def test_an_arrow_file_is_read_back_by_batch(tmp_path: Path) -> None:
    batches = [table(2, start).to_batches()[0] for start in (0, 2, 4)]
    write_ipc(tmp_path / "t", SCHEMA, batches)
    assert read_ipc(tmp_path / "t") == table(6)
    assert read_ipc_batches(tmp_path / "t", [2, 0]) == [batches[2], batches[0]]
    assert read_ipc_batches(tmp_path / "t", []) == []


def test_what_was_read_outlives_the_file_name(tmp_path: Path) -> None:
    write_ipc(tmp_path / "t", SCHEMA, table(100).to_batches())
    read = read_ipc(tmp_path / "t")
    os.unlink(tmp_path / "t")
    assert read == table(100)


# A second name


def test_a_file_gets_a_second_name_or_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bytes(tmp_path / "a", b"content")
    link_or_copy(tmp_path / "a", tmp_path / "linked")
    assert (tmp_path / "linked").samefile(tmp_path / "a")

    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    link_or_copy(tmp_path / "a", tmp_path / "copied")
    assert not (tmp_path / "copied").samefile(tmp_path / "a")
    assert (tmp_path / "copied").read_bytes() == b"content"
