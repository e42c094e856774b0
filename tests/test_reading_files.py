# SPDX-License-Identifier: Apache-2.0
"""Files: what is accepted, how it is cut, and that no byte is lost or read twice."""

from __future__ import annotations

import bz2
import dataclasses
import gzip
import io
import json
import lzma
import os
import pickle
import random
import socket
import stat
import struct
import tarfile
import zipfile

import pyarrow as pa
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.schemas.batches import RECORDS
from muniment.schemas.errors import InputError, StageError
from muniment.schemas.reasons import REASON_WORDS
from muniment.transforms.reading import (
    PieceReader,
    ReadLimits,
    Split,
    SplitReader,
    inspect_file,
    plan_splits,
    printable,
)
from muniment.transforms.reading.html_text import PageReader

FIELDS = {"text": "text", "id": "id"}
CODECS = {"gzip": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
CODECS["zstd"] = zstandard.ZstdCompressor(write_checksum=True).compress
SUFFIX = {"gzip": ".gz", "bz2": ".bz2", "xz": ".xz", "zstd": ".zst"}
SMALL = ReadLimits(block_bytes=4096)


def lines_of(count: int, start: int = 0) -> bytes:
    rng = random.Random(start)
    rows = ({"id": str(i), "text": rng.randbytes(20).hex()} for i in range(start, start + count))
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def splits_of(path, **kwargs) -> list[Split]:
    return plan_splits([("s", path.name, str(path), inspect_file(path))], **kwargs)


def read(splits, fields=FIELDS, **kwargs):
    """Return `(rows as dicts, tallies)` of some splits."""
    rows, tallies = [], []
    for split in splits:
        reader = SplitReader(split, fields, **kwargs)
        for batch in reader:
            assert batch.schema == RECORDS
            rows += batch.to_pylist()
        tallies += reader.tallies
    return rows, tallies


def faults_of(rows) -> list[str | None]:
    return [REASON_WORDS[row["fault"]] for row in rows]


def write(path, data: bytes):
    path.write_bytes(data)
    return path


# Splits


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [b"", b"  ", b"{}", b'{"text":"a"}', b'{"text":"\xff"}', b"\r", b'{"text":"bb"}\r',
             b'{"text":"' + b"y" * 60 + b'"}', b"x" * 90, b"nonsense"]
        ),
        max_size=12,
    ),
    st.booleans(),
    st.integers(1, 80),
    st.integers(1, 60),
    st.sampled_from([8, 64, 1000]),
)  # fmt: skip
def test_records_tile_the_file_however_it_is_cut(
    tmp_path_factory, lines, final_feed, target, block, longest
):
    data = b"\n".join(lines) + (b"\n" if final_feed else b"")
    path = write(tmp_path_factory.mktemp("tiling") / "a.jsonl", data)
    whole, _ = read(splits_of(path))
    limits = ReadLimits(block_bytes=block, max_record_bytes=longest, batch_rows=3)
    rows, tallies = read(splits_of(path, target_bytes=target), limits=limits)
    assert all(t.complete and t.bytes_accounted == t.bytes_total for t in tallies)
    assert sum(t.bytes_total for t in tallies) == len(data)
    assert sum(t.records for t in tallies) == len(rows)
    assert sum(r["length"] for r in rows) + sum(t.blank_bytes for t in tallies) == len(data)
    pieces, at = [], 0
    for line in data.splitlines(keepends=True) if b"\r" not in data else split_feeds(data):
        if line.strip() or len(line.rstrip(b"\n")) > longest:
            pieces.append((at, len(line)))
        at += len(line)
    assert [(r["offset"], r["length"]) for r in rows] == pieces
    by_offset = {r["offset"]: r for r in whole}
    for row in rows:
        if row["length"] - 1 > longest:
            assert REASON_WORDS[row["fault"]] == "too_large"
        elif row["length"] <= longest:
            expected = by_offset[row["offset"]]
            assert (row["fault"], row["text"]) == (expected["fault"], expected["text"])


def split_feeds(data: bytes) -> list[bytes]:
    parts = data.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def test_splits_are_numbered_in_canonical_order_whatever_the_order_given(tmp_path):
    facts = {}
    for name in ("b.jsonl", "a.jsonl", "c.jsonl"):
        path = write(tmp_path / name, lines_of(20))
        facts[name] = (str(path), inspect_file(path))
    files = [("z", "a.jsonl", *facts["a.jsonl"]), ("s", "c.jsonl", *facts["c.jsonl"])]
    files += [("s", "b.jsonl", *facts["b.jsonl"])]
    splits = plan_splits(files, target_bytes=500)
    assert splits == plan_splits(files[::-1], target_bytes=500)
    assert [s.number for s in splits] == list(range(len(splits)))
    order = [(s.source, piece.label, piece.start) for s in splits for piece in s.pieces]
    assert order == sorted(order)
    with pytest.raises(InputError, match="expected once in source s, got it twice"):
        plan_splits([*files, files[1]])


def test_a_split_is_plain_data(tmp_path):
    (split,) = splits_of(write(tmp_path / "a.jsonl", lines_of(3)))
    assert pickle.loads(pickle.dumps(split)) == split
    assert Split.from_dict(json.loads(json.dumps(dataclasses.asdict(split)))) == split


def test_one_huge_line_costs_its_splits_no_more_than_their_own_bytes(tmp_path):
    data = b'{"text":"' + b"z" * 50_000 + b'"}\n' + lines_of(2)
    rows, tallies = read(splits_of(write(tmp_path / "a.jsonl", data), target_bytes=1000))
    assert [len(r["text"]) for r in rows] == [50_000, 40, 40]
    assert sum(t.bytes_total for t in tallies) == len(data)
    assert sum(t.bytes_total == 0 for t in tallies) > 40


@pytest.mark.parametrize("columns", [("text",), ("id",), ()])
def test_a_subset_of_columns_changes_neither_rows_nor_batches(tmp_path, columns):
    data = lines_of(50) + b'{"text":1}\n{"text":"t","id":3}\n' + lines_of(50, 50)
    (split,) = splits_of(write(tmp_path / "a.jsonl", data))
    limits = ReadLimits(batch_rows=30)
    full = list(SplitReader(split, FIELDS, limits=limits))
    part = list(SplitReader(split, FIELDS, limits=limits, columns=columns))
    keep = ["row", "offset", "length", "fault", *columns]
    assert [b.select(keep) for b in part] == [b.select(keep) for b in full]
    for name in {"text", "id"} - set(columns):
        assert pa.Table.from_batches(part)[name].null_count == 102


def test_rows_are_numbered_from_zero_over_batches(tmp_path):
    (split,) = splits_of(write(tmp_path / "a.jsonl", lines_of(100)))
    rows, (tally,) = read([split], limits=ReadLimits(batch_rows=7))
    assert [r["row"] for r in rows] == list(range(100))
    assert tally.records == 100


def test_a_reader_is_iterated_once_and_refuses_unknown_columns(tmp_path):
    (split,) = splits_of(write(tmp_path / "a.jsonl", lines_of(1)))
    reader = SplitReader(split, FIELDS)
    list(reader)
    with pytest.raises(ValueError, match="got a second"):
        list(reader)
    with pytest.raises(ValueError, match=r"expected columns among .*, got body"):
        SplitReader(split, {"text": "t", "body": "b"})


def test_a_reader_that_lost_bytes_would_stop_the_run(tmp_path, monkeypatch):
    (split,) = splits_of(write(tmp_path / "a.jsonl", lines_of(5)))
    reader = PieceReader(split.pieces[0], FIELDS, PageReader(main_content=True), ReadLimits())
    monkeypatch.setattr(reader, "_check_tiling", lambda *_: None)
    original = reader._records
    monkeypatch.setattr(reader, "_records", lambda at, size, *rest: original(at, size - 1, *rest))
    with pytest.raises(StageError, match="bytes accounted for, the piece has"):
        list(reader.read())


# Containers and bytes


def cuts_of(size: int, rng: random.Random) -> list[int]:
    """Sizes to cut a file to: 1 to 63 bytes off the end, and random points."""
    return sorted({size - k for k in range(1, 64)} | {rng.randrange(1, size) for _ in range(60)})


@pytest.mark.parametrize("codec", CODECS)
def test_case_24_every_cut_of_a_compressed_file_is_found(tmp_path, codec):
    data = lines_of(200)
    packed = CODECS[codec](data[:5000]) + CODECS[codec](data[5000:])
    boundary = len(CODECS[codec](data[:5000]))
    whole, _ = read(splits_of(write(tmp_path / "whole", packed)))
    path = tmp_path / f"a{SUFFIX[codec]}"
    for size in cuts_of(len(packed), random.Random(24)):
        if size == boundary:
            continue  # what is left is a whole file
        (split,) = splits_of(write(path, packed[:size]))
        assert split.pieces[0].codec == codec, size
        with pytest.raises(InputError, match=r"(truncated|corrupt)_stream at byte \d+ "):
            read([split], limits=SMALL)
        rows, (tally,) = read([split], limits=SMALL, on_bad_file="quarantine")
        good, bad = rows[:-1], rows[-1]
        assert good == whole[: len(good)]
        expected = "truncated_stream" if size >= 6 else "corrupt_stream"
        assert faults_of([bad]) == [expected]
        assert bad["offset"] == (good[-1]["offset"] + good[-1]["length"] if good else 0)
        assert bad["text"] is None
        assert not tally.complete
        assert tally.bytes_accounted == tally.bytes_total


def test_case_24_good_records_before_a_cut_are_given(tmp_path):
    data = lines_of(20_000)
    packed = gzip.compress(data)
    (split,) = splits_of(write(tmp_path / "a.gz", packed[: len(packed) // 2]))
    rows, _ = read([split], on_bad_file="quarantine")
    assert 9_000 < len(rows) < 11_000
    assert rows[-2]["id"] == str(len(rows) - 2)


@pytest.mark.parametrize(
    "damage",
    [
        lambda packed: packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:],
        lambda packed: packed[:-4] + bytes([packed[-4] ^ 1]) + packed[-3:],
        lambda packed: packed + b"garbage",
        lambda packed: packed + b"\0\0",
        lambda packed: packed + b"\n",
        lambda _: b"\x1f",
        lambda _: b"\x1f\x8b",
        lambda packed: packed[:40] + b"\xff" * 20 + packed[60:],
    ],
    ids=["crc", "isize", "garbage", "zeros", "feed", "one byte", "two bytes", "middle"],
)
def test_case_25_a_damaged_gzip_is_a_corrupt_stream(tmp_path, damage):
    packed = gzip.compress(lines_of(50))
    (split,) = splits_of(write(tmp_path / "a.gz", damage(packed)))
    with pytest.raises(InputError, match=r"^a\.gz: corrupt_stream at byte "):
        read([split])
    rows, _ = read([split], on_bad_file="quarantine")
    assert faults_of(rows)[-1] == "corrupt_stream"


@pytest.mark.parametrize("codec", CODECS)
def test_case_25_garbage_after_any_codec_is_a_corrupt_stream(tmp_path, codec):
    packed = CODECS[codec](lines_of(50))
    (split,) = splits_of(write(tmp_path / "a", packed + b"trailing"))
    rows, _ = read([split], on_bad_file="quarantine")
    assert faults_of(rows) == [None] * 50 + ["corrupt_stream"]
    assert rows[-1]["length"] == 0


@pytest.mark.parametrize("codec", CODECS)
def test_case_26_a_file_of_no_bytes_is_empty_only_if_it_should_be_compressed(tmp_path, codec):
    (split,) = splits_of(write(tmp_path / f"a.jsonl{SUFFIX[codec]}", b""))
    with pytest.raises(InputError, match="empty_stream at byte 0 "):
        read([split])
    rows, (tally,) = read([split], on_bad_file="quarantine")
    assert faults_of(rows) == ["empty_stream"]
    assert (rows[0]["offset"], rows[0]["length"], tally.bytes_total) == (0, 0, 0)
    (plain,) = splits_of(write(tmp_path / "a.jsonl", b""))
    rows, (tally,) = read([plain])
    assert rows == []
    assert tally.complete
    (nothing_inside,) = splits_of(write(tmp_path / "b", CODECS[codec](b"")))
    assert read([nothing_inside])[0] == []


def test_case_27_members_skippable_frames_padding_and_unknown_sizes_are_read_fully(tmp_path):
    data = lines_of(300)
    unsized = zstandard.ZstdCompressor(write_content_size=False).compress
    skippable = b"\x53\x2a\x4d\x18" + struct.pack("<I", 5000) + b"s" * 5000
    halves = data[:7001], data[7001:]
    files = {
        "gz": b"".join(gzip.compress(data[k : k + 500]) for k in range(0, len(data), 500)),
        "bz2": b"".join(map(bz2.compress, halves)),
        "xz": lzma.compress(halves[0]) + b"\0" * 8 + lzma.compress(halves[1]) + b"\0" * 4,
        "zst": skippable + unsized(halves[0]) + skippable + unsized(halves[1]) + skippable,
        "empty member": gzip.compress(b"") + gzip.compress(data) + gzip.compress(b""),
    }
    expected, _ = read(splits_of(write(tmp_path / "plain", data)))
    for name, packed in files.items():
        rows, (tally,) = read(splits_of(write(tmp_path / name, packed)), limits=SMALL)
        assert rows == expected, name
        assert tally.complete
        assert tally.bytes_total == len(data)


def test_case_27_xz_padding_must_be_a_multiple_of_four(tmp_path):
    packed = lzma.compress(lines_of(3))
    rows, _ = read(splits_of(write(tmp_path / "a", packed + b"\0" * 3)), on_bad_file="quarantine")
    assert faults_of(rows) == [None, None, None, "corrupt_stream"]


def test_case_28_format_and_codec_come_from_the_bytes_not_the_name(tmp_path):
    data = lines_of(3)
    facts = inspect_file(write(tmp_path / "plain.gz", data))
    assert (facts.format, facts.codec) == ("jsonl", "none")
    facts = inspect_file(write(tmp_path / "packed.jsonl", gzip.compress(data)))
    assert (facts.format, facts.codec) == ("jsonl", "gzip")
    facts = inspect_file(write(tmp_path / "b.xz", zstandard.compress(data)))
    assert facts.codec == "zstd"
    with pytest.raises(InputError, match="unexpected_format: expected parquet, its bytes say jso"):
        inspect_file(tmp_path / "plain.gz", format="parquet")


@pytest.mark.parametrize("codec", CODECS)
def test_case_29_a_bomb_stops_at_the_limits(tmp_path, codec):
    packed = CODECS[codec](b"\n" * (24 << 20))
    (split,) = splits_of(write(tmp_path / "bomb", packed))
    ratio = ReadLimits(max_ratio=100, ratio_floor_bytes=1 << 20)
    with pytest.raises(InputError, match=r"decompression_limit at byte .* more than 100 times"):
        read([split], limits=ratio)
    with pytest.raises(InputError, match=r"decompression_limit at byte .* more than 2000000 "):
        read([split], limits=ReadLimits(max_file_bytes=2_000_000))
    _, (tally,) = read([split], limits=ratio, on_bad_file="quarantine")
    assert tally.bytes_total < 20 << 20
    assert tally.bytes_accounted == tally.bytes_total


def test_case_29_a_window_larger_than_the_cap_is_refused(tmp_path):
    # A frame header that asks for a window of 2^31 bytes (RFC 8878, 3.1.1.1.2), then a raw block.
    frame = b"\x28\xb5\x2f\xfd\x00" + bytes([(31 - 10) << 3]) + b"\x09\x00\x00{"
    (split,) = splits_of(write(tmp_path / "a.zst", frame))
    rows, _ = read([split], on_bad_file="quarantine")
    assert faults_of(rows) == ["corrupt_stream"]


def test_case_30_archives_and_other_formats_are_refused_and_nothing_is_extracted(tmp_path):
    def zipped() -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("../evil.jsonl", "{}")
        return out.getvalue()

    def tarred() -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            archive.addfile(tarfile.TarInfo("/abs/evil.jsonl"), io.BytesIO())
        return out.getvalue()

    contents = {
        "zip": zipped(),
        "tar": tarred(),
        "tar.gz": gzip.compress(tarred()),
        "zip.zst": zstandard.compress(zipped()),
        "gz.gz": gzip.compress(gzip.compress(lines_of(3))),
        "7z": b"7z\xbc\xaf\x27\x1c" + b"\0" * 50,
        "lz4": b"\x04\x22\x4d\x18" + b"\0" * 50,
        "arrow": b"ARROW1\0\0" + b"\0" * 50,
        "utf16": '{"text":"a"}'.encode("utf-16"),
        "binary": b"\x00\x01\x02\x03" * 30,
    }
    for name, data in contents.items():
        with pytest.raises(InputError, match=rf"{name}: unsupported_container: "):
            inspect_file(write(tmp_path / name, data))
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(contents)


def test_case_35_what_is_no_regular_file_is_refused_without_a_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
    (tmp_path / "directory").mkdir()
    for name in ("pipe", "socket", "directory"):
        with pytest.raises(InputError, match=rf"{name}: not_a_file: .* got a {name}"):
            inspect_file(tmp_path / name)
    with pytest.raises(InputError, match=r"/dev/zero: not_a_file: .* got a device"):
        inspect_file("/dev/zero")
    with pytest.raises(InputError, match="none: unreadable: the system says ENOENT"):
        inspect_file(tmp_path / "none")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(InputError, match="loop: unreadable: the system says ELOOP"):
        inspect_file(tmp_path / "loop")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_case_35_a_file_without_read_permission_is_refused(tmp_path):
    path = write(tmp_path / "secret", b"{}")
    path.chmod(stat.S_IWUSR)
    with pytest.raises(InputError, match="secret: unreadable: the system says EACCES"):
        inspect_file(path)


@pytest.mark.parametrize("change", ["grow", "shrink", "replace", "touch", "remove"])
def test_case_36_a_file_that_changes_while_it_is_read_stops_the_run(tmp_path, change):
    path = write(tmp_path / "a.jsonl", lines_of(2000))
    (split,) = splits_of(path)
    batches = iter(SplitReader(split, FIELDS, limits=ReadLimits(batch_rows=10, block_bytes=5000)))
    next(batches)
    data = path.read_bytes()
    if change == "grow":
        path.write_bytes(data + b"{}\n")
    elif change == "shrink":
        os.truncate(path, 6000)
    elif change == "replace":
        write(tmp_path / "b", data.replace(b"a", b"b"))
        os.replace(tmp_path / "b", path)
    elif change == "touch":
        os.utime(path, ns=(1, 1))
    else:
        path.unlink()
    with pytest.raises(InputError, match=r"^a\.jsonl: input_changed: "):
        list(batches)


def test_case_36_a_file_that_changed_since_it_was_planned_stops_the_run(tmp_path):
    for codec, data in (("none", lines_of(5)), ("gzip", gzip.compress(lines_of(5), mtime=1))):
        path = write(tmp_path / codec, data)
        (split,) = splits_of(path)
        write(path, data + b"\n")
        with pytest.raises(InputError, match=r"input_changed: expected .* bytes, got "):
            read([split])
        other = (
            lines_of(5, 9)[: len(data)] if codec == "none" else gzip.compress(lines_of(5), mtime=2)
        )
        write(path, other.ljust(len(data)))
        with pytest.raises(InputError, match="input_changed: expected the bytes that were planned"):
            read([split])
        path.unlink()
        with pytest.raises(InputError, match=r"input_changed: .*, got none at its place"):
            read([split])


def test_case_32_every_flipped_bit_of_a_planned_file_is_found(tmp_path):
    rng = random.Random(32)
    for codec, data in (("none", lines_of(40)), ("zstd", zstandard.compress(lines_of(40)))):
        path = write(tmp_path / codec, data)
        (split,) = splits_of(path)
        for _ in range(100):
            damaged = bytearray(data)
            damaged[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            write(path, damaged)
            with pytest.raises(InputError, match=r"_stream at byte|input_changed"):
                read([split])


# Records in their file


@pytest.mark.parametrize("place", [0, 100, 199])
def test_case_37_one_malformed_line_costs_only_itself(tmp_path, place):
    lines = lines_of(200).splitlines(keepends=True)
    lines[place] = lines[place][:20] + b"\n"
    rows, (tally,) = read(splits_of(write(tmp_path / "a.jsonl", b"".join(lines))))
    assert [k for k, fault in enumerate(faults_of(rows)) if fault] == [place]
    assert faults_of(rows)[place] == "json_syntax"
    assert rows[place]["text"] is rows[place]["id"] is None
    assert (tally.records, tally.faulty) == (200, 1)


def test_case_45_a_byte_order_mark_and_crlf_belong_to_no_text_and_offsets_are_right(tmp_path):
    data = b'\xef\xbb\xbf{"text":"a"}\r\n\r\n{"text":"b"}\r\n{"text":"c"}'
    for codec in (None, "gzip"):
        packed = CODECS[codec](data) if codec else data
        rows, (tally,) = read(splits_of(write(tmp_path / "a", packed)))
        assert [r["text"] for r in rows] == ["a", "b", "c"]
        assert [data[r["offset"] :][: r["length"]].strip() for r in rows] == [
            b'{"text":"a"}',
            b'{"text":"b"}',
            b'{"text":"c"}',
        ]
        assert tally.blank_bytes == 5
    rows, _ = read(splits_of(write(tmp_path / "b", b'{"text":"a"}\n\xef\xbb\xbf{"text":"b"}\n')))
    assert faults_of(rows) == [None, "json_syntax"]
    assert read(splits_of(write(tmp_path / "c", b"\xef\xbb\xbf")))[1][0].blank_bytes == 3


@pytest.mark.parametrize("codec", [None, "gzip", "zstd"])
def test_case_46_a_line_over_the_limit_is_too_large_and_the_next_is_read(tmp_path, codec):
    huge = b'{"text":"' + b"h" * 300_000 + b'"}\n'
    data = lines_of(2) + huge + lines_of(2, 2) + huge[:-1]
    path = write(tmp_path / "a", CODECS[codec](data) if codec else data)
    limits = ReadLimits(max_record_bytes=10_000, block_bytes=4096)
    rows, (tally,) = read(splits_of(path), limits=limits)
    assert faults_of(rows) == [None, None, "too_large", None, None, "too_large"]
    assert [r["length"] for r in rows][2::3] == [len(huge), len(huge) - 1]
    assert tally.bytes_accounted == len(data)
    rows, _ = read(splits_of(path), limits=ReadLimits(block_bytes=4096))
    assert [len(r["text"]) for r in rows] == [40, 40, 300_000, 40, 40, 300_000]


def test_case_46_a_cut_inside_an_oversize_line_is_accounted_from_its_start(tmp_path):
    data = lines_of(2) + b'{"text":"' + random.Random(1).randbytes(50_000).hex().encode()
    packed = gzip.compress(data)
    (split,) = splits_of(write(tmp_path / "a.gz", packed[:-100]))
    limits = ReadLimits(max_record_bytes=1000, block_bytes=512)
    rows, (tally,) = read([split], limits=limits, on_bad_file="quarantine")
    assert faults_of(rows) == [None, None, "truncated_stream"]
    assert rows[-1]["offset"] == len(lines_of(2))
    assert tally.bytes_accounted == tally.bytes_total


def test_case_48_the_same_record_in_two_files_is_read_twice(tmp_path):
    files = [write(tmp_path / name, lines_of(1)) for name in ("a.jsonl", "b.jsonl")]
    rows, _ = read([split for path in files for split in splits_of(path)])
    assert rows[0] == rows[1]


def test_case_52_strange_file_names_are_read_and_shown_on_one_line(tmp_path):
    for name in ("new\nline", "'quo\"te'", "100%", "-rf", "emoji 😀", b"latin \xe9".decode("utf-8", "surrogateescape")):  # fmt: skip
        path = write(tmp_path / name, lines_of(2))
        assert len(read(splits_of(path))[0]) == 2
        shown = printable(name)
        assert shown.isprintable()
        shown.encode()
        write(path, gzip.compress(b"{}") + b"!")
        with pytest.raises(InputError) as caught:
            read(splits_of(path))
        assert str(caught.value).startswith(f"{shown}: corrupt_stream")


def test_errors_never_hold_document_text(tmp_path):
    secret = b'{"text":"SECRET"}\n'
    packed = gzip.compress(secret * 100) + b"SECRET"
    (split,) = splits_of(write(tmp_path / "a.gz", packed))
    with pytest.raises(InputError) as caught:
        read([split])
    error = caught.value
    assert "SECRET" not in repr(error)
    assert error.__cause__ is None
    assert "SECRET" not in str(pickle.loads(pickle.dumps(error)))
