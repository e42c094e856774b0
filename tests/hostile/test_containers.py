# SPDX-License-Identifier: Apache-2.0
"""Cases about containers and records that no module's own tests hold."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from muniment.pipelines.release import open_release
from muniment.pipelines.verify import verify
from muniment.schemas.errors import InputError, MunimentError
from muniment.transforms.reading import ReadLimits, SplitReader, inspect_file, plan_splits
from muniment.transforms.reading import splits as planning
from release_fixture import build_release

FIELDS = {"text": "text", "id": "id"}
CUT_BYTES = 364
"""Size of the packed file of case 24: with it 363 cuts leave something, and lose something."""

CODECS = {
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
}
CUTS_IN_CI = 7  # every seventh


def read(path: Path, limits: ReadLimits | None = None) -> list[dict[str, object]]:
    found = plan_splits([("s", path.name, str(path), inspect_file(path))])
    rows: list[dict[str, object]] = []
    for split in found:
        reader = SplitReader(split, FIELDS, limits=limits or ReadLimits())
        rows += [row for batch in reader for row in batch.to_pylist()]
        assert reader.tallies[0].complete
    return rows


def packed(codec: str) -> bytes:
    """Return lines of JSON in one member of exactly `CUT_BYTES` bytes."""
    rng = random.Random(24)
    for size in range(40, 4000):
        line = json.dumps({"text": rng.randbytes(size // 2).hex()[:size]}).encode() + b"\n"
        data = CODECS[codec](line)
        if len(data) == CUT_BYTES:
            return bytes(data)
    raise AssertionError(codec)


def found_cuts(codec: str, folder: Path, step: int) -> tuple[int, int]:
    """Cut a file at every `step`-th byte; return how many cuts there were and were found."""
    whole = packed(codec)
    path = folder / "cut"
    sizes = range(1, len(whole), step)
    found = 0
    for size in sizes:
        path.write_bytes(whole[:size])
        try:
            rows = read(path)
        except InputError:
            found += 1
        else:
            # The first bytes of a magic number are a plain file of one broken line: quarantined.
            found += all(row["fault"] for row in rows) and bool(rows)
    return len(sizes), found


@pytest.mark.parametrize("codec", CODECS)
def test_case_24_some_of_363_truncations_are_found(tmp_path: Path, codec: str) -> None:
    cuts, found = found_cuts(codec, tmp_path, CUTS_IN_CI)
    assert found == cuts == -(-(CUT_BYTES - 1) // CUTS_IN_CI)


@pytest.mark.long
@pytest.mark.parametrize("codec", CODECS)
def test_case_24_all_of_363_truncations_are_found(tmp_path: Path, codec: str) -> None:
    assert found_cuts(codec, tmp_path, 1) == (363, 363)


def named_flips(folder: Path, count: int) -> int:
    """Flip bits in the files of a release, one at a time; return how many `verify` names."""
    build_release(folder)
    release = open_release(folder)
    files = [item.path for item in release.listed] + ["MANIFEST.json"]
    draw = random.Random(32)
    named = 0
    for _ in range(count):
        file = release.folder / draw.choice(files)
        before = file.read_bytes()
        flipped = bytearray(before)
        flipped[draw.randrange(len(before))] ^= 1 << draw.randrange(8)
        file.write_bytes(flipped)
        try:
            faults = verify(open_release(folder))
            named += [fault.file for fault in faults] == [str(file.relative_to(release.folder))]
        except MunimentError as error:
            named += file.name in str(error)
        file.write_bytes(before)
    assert verify(open_release(folder)) == []
    return named


def test_case_32_flipped_bits_of_outputs_are_named(tmp_path: Path) -> None:
    assert named_flips(tmp_path, 40) == 40


@pytest.mark.long
def test_case_32_a_thousand_flipped_bits_of_outputs_are_named(tmp_path: Path) -> None:
    assert named_flips(tmp_path, 1000) == 1000


def test_case_40_a_hundred_thousand_empty_texts_are_one_record_each(tmp_path: Path) -> None:
    path = tmp_path / "empty.jsonl"
    path.write_bytes(b'{"text": ""}\n{"text": " \\n"}\n' * 50_000)
    rows = read(path)
    assert len(rows) == 100_000
    assert {row["fault"] for row in rows} == {rows[0]["fault"]}


def test_case_46_a_text_of_64_megabytes_is_too_large_and_the_next_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.jsonl"
    with path.open("wb") as file:
        file.write(b'{"text": "')
        for _ in range(64):
            file.write(b"x" * (1 << 20))
        file.write(b'"}\n{"text": "small"}\n')
    huge, small = read(path, ReadLimits())
    assert huge["fault"]
    assert huge["text"] is None
    assert small["text"] == "small"


FILES = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
sys.path.insert(0, {tests!r})
from pathlib import Path
from hostile.test_containers import read
rows = [row for path in sorted(Path({folder!r}).iterdir()) for row in read(path)]
print(len(rows), len({{row["text"] for row in rows}}))
"""


def test_case_51_many_files_of_one_record_are_read_with_256_open_files(tmp_path: Path) -> None:
    for number in range(600):
        (tmp_path / f"{number}.jsonl").write_text(json.dumps({"text": f"text {number}"}))
    code = FILES.format(tests=str(Path(__file__).parent.parent), folder=str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=300
    )
    assert done.stdout.split() == ["600", "600"]


def test_case_30_without_the_check_an_archive_would_be_read_as_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.zip"
    shutil.make_archive(str(tmp_path / "a"), "zip", os.fspath(Path(__file__).parent))
    with pytest.raises(InputError, match="unsupported_container"):
        inspect_file(path)
    monkeypatch.setattr(planning, "_refuse_container", lambda *_: None)
    assert inspect_file(path).format == "jsonl"
