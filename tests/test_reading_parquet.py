# SPDX-License-Identifier: Apache-2.0
"""Parquet inputs: what is refused before anything runs, and that damage never passes silently."""

from __future__ import annotations

import os
import pickle
import random
import struct
import subprocess
import sys
import textwrap

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from muniment.schemas.batches import RECORDS
from muniment.schemas.errors import InputError
from muniment.schemas.reasons import REASON_WORDS
from muniment.transforms.reading import (
    ReadLimits,
    SplitReader,
    check_same_types,
    inspect_file,
    plan_splits,
)
from muniment.transforms.reading.dictionary_page import dictionary_page, largest_value
from muniment.transforms.reading.footer import page_sizes, schema_shape

FIELDS = {"text": "text", "id": "id"}


def table_of(rows: int) -> pa.Table:
    rng = random.Random(5)
    texts = [rng.randbytes(rng.randrange(100)).hex() for _ in range(rows)]
    return pa.table({"id": [str(i) for i in range(rows)], "text": texts, "n": range(rows)})


def write(path, table: pa.Table, **kwargs):
    pq.write_table(table, path, write_page_checksum=True, **kwargs)
    return path


def splits_of(path, fields=FIELDS, **kwargs):
    facts = inspect_file(path, fields=fields)
    check_same_types([(path.name, facts)])
    return plan_splits([("s", path.name, str(path), facts)], **kwargs)


def read(splits, fields=FIELDS, **kwargs):
    rows, tallies = [], []
    for split in splits:
        reader = SplitReader(split, fields, **kwargs)
        for batch in reader:
            assert batch.schema == RECORDS
            rows += batch.to_pylist()
        tallies += reader.tallies
    return rows, tallies


def test_row_groups_are_read_in_order_however_they_are_cut(tmp_path):
    table = table_of(1000)
    path = write(tmp_path / "a.parquet", table, row_group_size=70)
    expected = None
    for target in (1, 5000, 1 << 30):
        splits = splits_of(path, target_bytes=target)
        rows, tallies = read(splits)
        assert [r["text"] for r in rows] == table["text"].to_pylist()
        assert [r["id"] for r in rows] == table["id"].to_pylist()
        assert [r["offset"] for r in rows] == [i // 70 << 32 | i % 70 for i in range(1000)]
        assert all(t.complete for t in tallies)
        assert sum(t.records for t in tallies) == 1000
        places = [(r["offset"], r["text"]) for r in rows]
        assert expected in (None, places)
        expected = places
    assert len(splits_of(path, target_bytes=1)) == 15


def test_batches_end_at_the_row_and_text_limits(tmp_path):
    path = write(tmp_path / "a.parquet", pa.table({"text": ["x" * n for n in (9, 9, 9, 50, 1, 1)]}))
    (split,) = splits_of(path, {"text": "text"})

    def sizes(**limits):
        reader = SplitReader(split, {"text": "text"}, limits=ReadLimits(**limits))
        return [batch.num_rows for batch in reader]

    assert sizes(batch_rows=4) == [4, 2]
    assert sizes(batch_text_bytes=20) == [2, 1, 1, 2]
    assert sizes(batch_rows=1) == [1] * 6
    assert sizes() == [6]


def test_batches_go_on_over_the_ends_of_row_groups(tmp_path):
    table = table_of(1000)
    path = write(tmp_path / "a.parquet", table, row_group_size=70)
    (split,) = splits_of(path, target_bytes=1 << 30)
    batches = list(SplitReader(split, FIELDS, limits=ReadLimits(batch_rows=400)))
    assert [batch.num_rows for batch in batches] == [400, 400, 200]


@pytest.mark.parametrize("columns", [("text",), ("id",), ()])
def test_a_subset_of_columns_changes_neither_rows_nor_batches(tmp_path, columns):
    table = pa.table({"text": ["a", None, "c"] * 40, "id": ["x" * 2000, "i", "i"] * 40})
    (split,) = splits_of(write(tmp_path / "a.parquet", table))
    limits = ReadLimits(batch_rows=50)
    full = list(SplitReader(split, FIELDS, limits=limits))
    part = list(SplitReader(split, FIELDS, limits=limits, columns=columns))
    keep = ["row", "offset", "length", "fault", *columns]
    assert [b.select(keep) for b in part] == [b.select(keep) for b in full]


def test_what_was_read_before_is_read_again_without_the_other_columns_row_for_row(tmp_path):
    table = table_of(1000)
    paths = [write(tmp_path / name, table, row_group_size=400) for name in "ab"]
    damaged = bytearray(paths[0].read_bytes())
    chunk = pq.read_metadata(paths[0]).row_group(1).column(table.column_names.index("id"))
    damaged[chunk.data_page_offset + chunk.total_compressed_size // 2] ^= 0xFF
    paths[0].write_bytes(damaged)
    (split,) = plan_splits([("s", p.name, str(p), inspect_file(p, fields=FIELDS)) for p in paths])
    first = SplitReader(split, FIELDS, on_bad_file="quarantine")
    rows = [row for batch in first for row in batch.to_pylist()]
    assert first.tallies[0].records < 1000 == first.tallies[1].records
    files = np.array([row["file"] for row in rows], np.uint16)
    again = SplitReader(split, FIELDS, columns=("text",), files=files, on_bad_file="quarantine")
    known = {row["row"]: row for row in rows}
    good = 0
    for row in (row for batch in again for row in batch.to_pylist()):
        before = known[row["row"]]
        good += before["fault"] == 0
        assert before["fault"] or (row["text"], row["offset"]) == (before["text"], before["offset"])
    assert good == len(rows) - 1


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())]
)
def test_every_string_type_is_text(tmp_path, kind):
    values = ["é", None, "", "long " * 100, "é"]
    table = pa.table({"text": pa.array(values, pa.string()).cast(kind)})
    rows, _ = read(splits_of(write(tmp_path / "a", table), {"text": "text"}), {"text": "text"})
    assert [r["text"] for r in rows] == values
    assert [REASON_WORDS[r["fault"]] for r in rows] == [None, "missing_field", None, None, None]


def test_a_dotted_path_goes_into_structs_and_a_null_struct_is_a_null_value(tmp_path):
    meta = [{"url": "u1", "n": 1}, None, {"url": None, "n": 2}, {"url": "u4", "n": None}]
    path = write(tmp_path / "a", pa.table({"text": list("abcd"), "metadata": meta}))
    fields = {"text": "text", "url": "metadata.url"}
    rows, _ = read(splits_of(path, fields), fields)
    assert [r["url"] for r in rows] == ["u1", None, None, "u4"]


def test_case_39_null_text_and_case_47_long_ids_are_faults_of_their_row(tmp_path):
    table = pa.table(
        {"text": ["a", None, "c", "d" * 500, "e"], "id": ["1", "2", "x" * 1025, "4", None]}
    )
    rows, (tally,) = read(
        splits_of(write(tmp_path / "a", table)), limits=ReadLimits(max_record_bytes=400)
    )
    faults = [REASON_WORDS[r["fault"]] for r in rows]
    assert faults == [None, "missing_field", "bad_id", "too_large", None]
    assert [r["text"] for r in rows] == ["a", None, None, None, "e"]
    assert [r["id"] for r in rows] == ["1", None, None, None, None]
    assert (tally.records, tally.faulty) == (5, 3)


def test_case_41_bytes_that_are_no_utf8_are_found_though_parquet_says_string(tmp_path):
    raw = [b"good", b"bad\xff", b"cut \xe4\xb8", "中".encode(), b"\xed\xa0\x80"]
    text = pa.Array.from_buffers(pa.string(), 5, pa.array(raw, pa.binary()).buffers())
    rows, _ = read(splits_of(write(tmp_path / "a", pa.table({"text": text})), {"text": "text"}), {"text": "text"})  # fmt: skip
    faults = [REASON_WORDS[r["fault"]] for r in rows]
    assert faults == [None, "invalid_utf8", "invalid_utf8", None, "invalid_utf8"]
    assert rows[3]["text"] == "中"


@pytest.mark.parametrize("cut", [1, 4, 8, 100, 0.5])
def test_case_31_a_cut_file_is_corrupt_parquet(tmp_path, cut):
    path = write(tmp_path / "a.parquet", table_of(500))
    data = path.read_bytes()
    path.write_bytes(data[: -cut if isinstance(cut, int) else int(len(data) * cut)])
    with pytest.raises(InputError, match=r"a\.parquet: corrupt_parquet: "):
        inspect_file(path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: d[:-8] + struct.pack("<I", 0) + b"PAR1",
        lambda d: d[:-8] + struct.pack("<I", 2**31) + b"PAR1",
        lambda d: d[:-8] + struct.pack("<I", 20) + b"PAR1",
        lambda d: d[:-4] + b"PAR2",
        lambda d: d[:-4] + b"PARE",
        lambda d: d[:-60] + b"\xff" * 40 + d[-20:],
        lambda _: b"PAR1",
        lambda _: b"PAR1" + b"\0" * 20 + struct.pack("<I", 10) + b"PAR1",
    ],
    ids=["no footer", "huge footer", "wrong footer", "magic", "encrypted", "bytes", "4", "zeros"],
)
def test_case_31_a_damaged_footer_is_corrupt_parquet(tmp_path, damage):
    path = write(tmp_path / "a.parquet", table_of(50))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=r"a\.parquet: corrupt_parquet: "):
        read(splits_of(path))


def test_case_26_a_parquet_file_of_no_bytes_is_corrupt(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"")
    with pytest.raises(InputError, match="corrupt_parquet"):
        inspect_file(tmp_path / "a.parquet")


def test_case_31_no_flipped_bit_passes_silently_or_ends_the_process(tmp_path):
    table = table_of(400)
    path = write(tmp_path / "a.parquet", table, row_group_size=100, compression="zstd")
    whole = path.read_bytes()
    truth = [(r["offset"], r["text"], r["id"]) for r in read(splits_of(path))[0]]
    script = """
        import random, sys
        from pathlib import Path
        sys.path.insert(0, sys.argv[2])
        from test_reading_parquet import FIELDS, InputError, read, splits_of
        path = Path(sys.argv[1]); whole = path.read_bytes(); rng = random.Random(31)
        truth = [(r["offset"], r["text"], r["id"]) for r in read(splits_of(path))[0]]
        for _ in range(150):
            data = bytearray(whole); at = rng.randrange(len(data)); data[at] ^= 1 << rng.randrange(8)
            path.write_bytes(data)
            try:
                rows, _ = read(splits_of(path))
            except InputError:
                continue
            if [(r["offset"], r["text"], r["id"]) for r in rows] != truth:
                print("silent", at)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(path), str(__file__).rsplit("/", 1)[0]],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    silent = [int(line.split()[1]) for line in done.stdout.splitlines()]
    assert len(truth) == 400
    # Only the footer has no checksum; page data must never change unnoticed.
    footer = len(whole) - 8 - struct.unpack("<I", whole[-8:-4])[0]
    assert [at for at in silent if at < footer] == []


def test_case_31_a_damaged_page_gives_the_good_rows_then_one_fault(tmp_path):
    table = table_of(300)
    path = write(
        tmp_path / "a.parquet", table, row_group_size=100, compression="none", use_dictionary=False
    )
    data = bytearray(path.read_bytes())
    column = pq.read_metadata(path).row_group(1).column(1)
    data[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    path.write_bytes(data)
    (split,) = splits_of(path)
    with pytest.raises(
        InputError, match=r"^a\.parquet: corrupt_parquet .*: row group 1 is damaged"
    ):
        read([split])
    rows, (tally,) = read([split], on_bad_file="quarantine")
    assert [r["text"] for r in rows] == [*table["text"].to_pylist()[:100], None]
    assert REASON_WORDS[rows[-1]["fault"]] == "corrupt_parquet"
    assert rows[-1]["offset"] >> 32 in (0, 1)
    assert not tally.complete


class Canary:
    """Unpickling it leaves a directory behind."""

    def __init__(self, path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_case_33_extension_types_are_refused_and_no_code_runs(tmp_path):
    class Hostile(pa.ExtensionType):
        def __init__(self, path="") -> None:
            self.path = path
            super().__init__(pa.string(), "ray.data.hostile")

        def __arrow_ext_serialize__(self) -> bytes:
            return pickle.dumps(Canary(self.path))

        @classmethod
        def __arrow_ext_deserialize__(cls, _storage, serialized):
            pickle.loads(serialized)
            return cls()

    canary = tmp_path / "canary"
    storage = pa.array(["a"])
    plain = write(tmp_path / "plain", pa.table({"text": ["a"], "blob": ["x"]}))
    hostile = write(
        tmp_path / "hostile",
        pa.table({"text": ["a"], "nested": pa.StructArray.from_arrays(
            [pa.ExtensionArray.from_storage(Hostile(canary), storage)], ["inner"])}),
    )  # fmt: skip
    pa.register_extension_type(Hostile())
    try:
        assert inspect_file(plain).parquet is not None
        with pytest.raises(InputError, match="hostile: extension_type_refused: "):
            inspect_file(hostile)
        assert not canary.exists()
        # The control: pyarrow alone runs the code, even for the metadata only.
        pq.read_metadata(hostile)
        assert canary.exists()
    finally:
        pa.unregister_extension_type("ray.data.hostile")


@pytest.mark.parametrize("padding", range(6))
def test_case_33_an_extension_type_is_seen_at_every_alignment(tmp_path, padding):
    field = pa.field("x", pa.string(), metadata={"ARROW:extension:name": "any", "p": "p" * padding})
    table = pa.table([pa.array(["a"])], schema=pa.schema([field]))
    with pytest.raises(InputError, match="extension_type_refused"):
        inspect_file(write(tmp_path / "a", table))


def test_case_34_columns_row_groups_and_nesting_have_limits(tmp_path):
    wide = write(
        tmp_path / "wide", pa.table({f"c{i}": [1] for i in range(10_001)}), store_schema=False
    )
    with pytest.raises(
        InputError, match="parquet_limit: expected at most 10000 columns, got 10001"
    ):
        inspect_file(wide)
    wider = write(
        tmp_path / "wider", pa.table({f"c{i}": [1] for i in range(20_001)}), store_schema=False
    )
    with pytest.raises(InputError, match="parquet_limit: expected at most 20000 schema elements"):
        inspect_file(wider)
    kind = pa.string()
    for _ in range(500):
        kind = pa.struct([("a", kind)])
    deep = write(
        tmp_path / "deep", pa.table({"text": ["a"], "n": pa.nulls(1, kind)}), store_schema=False
    )
    with pytest.raises(
        InputError, match="parquet_limit: expected at most 64 nested levels, got 501"
    ):
        inspect_file(deep)


def footer_of(elements: int) -> bytes:
    """Return a footer whose schema nests `elements` groups."""
    group = b"\x35\x00\x18\x01a\x15\x02\x00"  # REQUIRED, name "a", one child
    size = bytearray()
    count = elements
    while count >= 0x80:
        size.append(count & 0x7F | 0x80)
        count >>= 7
    size.append(count)
    return b"\x15\x02\x19\xfc" + bytes(size) + group * elements + b"\x16\x02\x19\x0c\x00"


def test_case_34_a_footer_that_would_exhaust_the_stack_is_refused_without_parsing(tmp_path):
    footer = footer_of(50_000)
    path = tmp_path / "bomb"
    path.write_bytes(b"PAR1" + footer + struct.pack("<I", len(footer)) + b"PAR1")
    with pytest.raises(InputError, match="parquet_limit: expected at most 20000 schema elements"):
        inspect_file(path)
    footer = footer_of(15_000)
    path.write_bytes(b"PAR1" + footer + struct.pack("<I", len(footer)) + b"PAR1")
    with pytest.raises(InputError, match="parquet_limit: expected at most 64 nested levels"):
        inspect_file(path)


def test_case_34_a_dictionary_bomb_is_read_in_small_pieces(tmp_path):
    # One value of 4 MB, named by each of 2,000 rows: a small file that unfolds to 8 GB.
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 2000, pa.int32()), ["b" * 4_000_000])
    path = write(tmp_path / "bomb", pa.table({"text": text}), compression="zstd")
    assert path.stat().st_size < 1_000_000
    (split,) = splits_of(path, {"text": "text"})
    before = pa.total_allocated_bytes()
    peak = 0
    for number, batch in enumerate(SplitReader(split, {"text": "text"})):
        peak = max(peak, pa.total_allocated_bytes() - before)
        assert batch.num_rows <= 4
        if number == 20:
            break
    assert peak < 700 << 20


@pytest.mark.parametrize("codec", ["none", "zstd", "snappy", "gzip", "lz4"])
def test_rows_are_read_by_the_largest_value_of_a_dictionary_not_by_its_size(tmp_path, codec):
    texts = [f"{number:05}" * 40 for number in range(3000)]
    path = write(tmp_path / "a", pa.table({"text": texts}), compression=codec)
    column = pq.read_metadata(path).row_group(0).column(0)
    with path.open("rb") as file:
        page = dictionary_page(file.fileno(), column)
        bound = largest_value(file.fileno(), column, page)
    # Of LZ4 there are two kinds, which a footer does not tell apart: the page bounds its values.
    assert bound == (200 if codec != "lz4" else 3000 * 204)
    damaged = bytearray(path.read_bytes())
    damaged[column.dictionary_page_offset + 40] ^= 0xFF
    path.write_bytes(damaged)
    with path.open("rb") as file:
        assert largest_value(file.fileno(), column, page) >= 200


def test_case_50_a_column_that_is_text_in_one_file_only_names_both(tmp_path):
    write(tmp_path / "a", pa.table({"text": ["x"], "id": ["1"]}))
    write(tmp_path / "b", pa.table({"text": ["x"], "id": [1]}))
    files = [(name, inspect_file(tmp_path / name, fields=FIELDS)) for name in "ba"]
    with pytest.raises(InputError) as caught:
        check_same_types(files)
    assert str(caught.value) == "b: type_drift: expected strings in column id as in a, got int64"
    with pytest.raises(
        InputError, match="b: column_type: expected strings in column id, got int64"
    ):
        check_same_types(files[:1])
    (split,) = plan_splits([("s", "b", str(tmp_path / "b"), files[0][1])])
    with pytest.raises(InputError, match="b: column_type"):
        read([split])


def test_a_missing_or_ambiguous_column_is_named(tmp_path):
    path = write(tmp_path / "a", pa.table({"body": ["x"]}))
    with pytest.raises(InputError, match=r"a: column_missing: expected a column text \(for text\)"):
        inspect_file(path, fields=FIELDS)
    twice = pa.Table.from_arrays([pa.array(["x"])] * 2, names=["text", "text"])
    facts = inspect_file(write(tmp_path / "b", twice), fields={"text": "text"})
    with pytest.raises(InputError, match=r"b: column_type: .* got ambiguous"):
        check_same_types([("b", facts)])


def test_an_empty_file_with_columns_has_no_records(tmp_path):
    path = write(tmp_path / "a", table_of(0))
    rows, (tally,) = read(splits_of(path))
    assert rows == []
    assert tally.complete


def test_the_footer_cursor_agrees_with_the_library(tmp_path):
    path = write(
        tmp_path / "a", pa.table({"text": ["a"], "m": [{"x": {"y": [1]}}]}), row_group_size=1
    )
    data = path.read_bytes()
    (length,) = struct.unpack("<I", data[-8:-4])
    # root, text, m, x, y, list, element
    assert schema_shape(data[-8 - length : -8], 100) == (7, 5)
    column = pq.read_metadata(path).row_group(0).column(0)
    page = page_sizes(data[column.dictionary_page_offset :][:128])
    assert page.uncompressed == 5
    # The column chunk is this page and those of its data.
    first = column.dictionary_page_offset
    assert first + page.header + page.compressed == column.data_page_offset
    for nonsense in (b"", b"\xff" * 40, b"\x19", b"\x00", b"\x2c" * 100):
        with pytest.raises(ValueError):  # noqa: PT011 - it has no message, callers add one
            schema_shape(nonsense, 100)
