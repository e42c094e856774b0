# SPDX-License-Identifier: Apache-2.0
"""Small files are read together: as if each were alone, at the price of one."""

from __future__ import annotations

import gzip
import itertools
import json
import random
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from muniment.pipelines.cli import main
from muniment.pipelines.release import open_release
from muniment.pipelines.verify import verify
from muniment.schemas.errors import InputError
from muniment.schemas.reasons import REASON_WORDS
from muniment.transforms.reading import FileFacts, Split, SplitReader, inspect_file, plan_splits
from muniment.transforms.reading import splits as splits_module
from muniment.transforms.reading.parquet import ParquetFacts
from muniment.transforms.reading.splits import MAX_PIECES
from small_corpus import prose, write_corpus
from stage_runner import digests, documents, govern, planned
from warc_builder import members, response

FIELDS = {"text": "text", "id": "id"}


def facts_of(size: int, codec: str, groups: int) -> FileFacts:
    parquet = ParquetFacts((1,) * groups, (size,) * groups, {}) if groups else None
    found = "parquet" if groups else "jsonl"
    return FileFacts(found, "none" if groups else codec, size, "00", 0, parquet)  # type: ignore[arg-type]


@given(
    st.lists(
        st.builds(
            facts_of,
            st.integers(0, 300),
            st.sampled_from(["none", "gzip"]),
            st.sampled_from([0, 0, 1, 3]),
        ),
        max_size=12,
    ),
    st.integers(1, 400),
    st.randoms(use_true_random=False),
)
def test_every_part_of_every_file_is_in_one_split_in_canonical_order(
    found: list[FileFacts], target: int, chance: random.Random
) -> None:
    files = [("ab"[n % 2], f"f{n:02d}", f"/in/f{n:02d}", facts) for n, facts in enumerate(found)]
    shuffled = chance.sample(files, len(files))
    splits = plan_splits(files, target_bytes=target)
    assert splits == plan_splits(shuffled, target_bytes=target)
    assert [split.number for split in splits] == list(range(len(splits)))
    places = [(s.source, piece.label, piece.start) for s in splits for piece in s.pieces]
    assert places == sorted(set(places))
    for source, label, _, facts in files:
        own = [p for s in splits for p in s.pieces if (s.source, p.label) == (source, label)]
        assert own[0].start == 0
        assert own[-1].end == {"parquet": len(facts.parquet.group_bytes) if facts.parquet else 0,
                               "jsonl": facts.bytes if facts.codec == "none" else -1}[facts.format]  # fmt: skip
        assert all(a.end == b.start for a, b in itertools.pairwise(own))
    for split in splits:
        assert split.pieces
        if len(split.pieces) > 1:
            sizes = [
                sum(facts.parquet.group_bytes[p.start : p.end]) if facts.parquet
                else facts.bytes if p.end < 0 else p.end - p.start
                for p in split.pieces
                for facts in [next(f[3] for f in files if f[1] == p.label)]
            ]  # fmt: skip
            assert sum(sizes) <= target // 8


def test_a_split_has_a_bounded_number_of_files() -> None:
    files = [("s", f"{n:05d}", f"/{n}", facts_of(1, "none", 0)) for n in range(2 * MAX_PIECES + 1)]
    assert [len(split.pieces) for split in plan_splits(files)] == [MAX_PIECES, MAX_PIECES, 1]


def blank_groups(*rows: int) -> FileFacts:
    """Return a Parquet file whose row groups have that many rows and next to no bytes."""
    parquet = ParquetFacts(rows, (40,) * len(rows), {})
    return FileFacts("parquet", "none", 1000, "00", 0, parquet)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([blank_groups(*[100_000] * 5)], [[(0, 2)], [(2, 4)], [(4, 5)]]),
        ([blank_groups(1, 1_000_000, 1)], [[(0, 1)], [(1, 2)], [(2, 3)]]),
        ([blank_groups(100_000)] * 5, [[(0, 1)] * 2, [(0, 1)] * 2, [(0, 1)]]),
    ],
    ids=["row groups", "a row group with more than a split may have", "small files"],
)
def test_a_split_of_parquet_has_a_bounded_number_of_rows(
    files: list[FileFacts], expected: list[list[tuple[int, int]]]
) -> None:
    named = [("s", f"{n}", f"/{n}", facts) for n, facts in enumerate(files)]
    splits = plan_splits(named)
    assert [[(piece.start, piece.end) for piece in split.pieces] for split in splits] == expected


def test_a_split_of_json_lines_has_a_bounded_number_of_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jsonl"
    long = [json.dumps({"id": f"j{n}", "text": prose(n, 20)}) for n in range(40)]
    path.write_text("\n".join([*long, *["{}"] * 5000, *long]))
    whole = plan_splits([("s", path.name, str(path), inspect_file(path))])
    monkeypatch.setattr(splits_module, "_BLOCK", 300)
    monkeypatch.setattr(splits_module, "MAX_ROWS", 600)
    facts = inspect_file(path)
    assert sum(facts.block_lines) == 5079
    cut = plan_splits([("s", path.name, str(path), facts)])
    parts = [rows_of(split) for split in cut]
    assert max(map(len, parts)) <= 600
    assert 9 <= len(parts) <= 12
    assert [row for part in parts for row in part] == [
        row for split in whole for row in rows_of(split)
    ]


def rows_of(split: Split) -> list[dict[str, Any]]:
    """Read a split; which piece of it a row comes from, and its number there, are left out."""
    batches = [batch.drop_columns(["file", "row"]) for batch in SplitReader(split, FIELDS)]
    return [row for batch in batches for row in batch.to_pylist()]


def write_files(folder: Path) -> list[Path]:
    """Write small files of every kind; one of them empty."""
    lines = [json.dumps({"id": f"j{n}", "text": prose(n, 20)}) + "\n" for n in range(9)]
    (folder / "a.jsonl").write_text("".join(lines[:4]) + "\n{bad\n")
    (folder / "b.jsonl").write_bytes(b"")
    (folder / "c.jsonl.gz").write_bytes(gzip.compress("".join(lines[4:]).encode()))
    table = pa.table({"id": ["p0", "p1", "p2"], "text": [prose(20), None, prose(22)]})
    pq.write_table(table, folder / "d.parquet", row_group_size=2)
    pages = (response(f"<p>{prose(n, 30)}</p>".encode()) for n in (30, 31))
    (folder / "e.warc.gz").write_bytes(members(*pages))
    (folder / "f.jsonl").write_text(lines[0])
    return sorted(folder.iterdir())


@pytest.mark.parametrize("columns", [None, ("text",)])
def test_files_read_together_give_the_rows_that_each_gives_alone(
    tmp_path: Path, columns: tuple[str, ...] | None
) -> None:
    paths = write_files(tmp_path)
    files = [("s", path.name, str(path), inspect_file(path)) for path in paths]
    (together,) = plan_splits(files)
    reader = SplitReader(together, FIELDS, columns=columns)
    (batch,) = reader
    expected: list[dict[str, Any]] = []
    for number, file in enumerate(files):
        (alone,) = plan_splits([file])
        single = SplitReader(alone, FIELDS, columns=columns)
        rows = [row for part in single for row in part.to_pylist()]
        assert reader.tallies[number] == single.tallies[0]
        expected += [row | {"row": len(expected) + row["row"], "file": number} for row in rows]
    assert batch.to_pylist() == expected
    assert len(expected) == 16
    assert {REASON_WORDS[row["fault"]] for row in expected} == {
        None,
        "json_syntax",
        "missing_field",
    }


def write_job(folder: Path, count: int, **changes: Any) -> Path:
    """Write the small corpus with its texts in many files, one record each."""
    path = write_corpus(folder)
    job = yaml.safe_load(path.read_text())
    lines = (folder / "web.jsonl").read_text().splitlines()
    for number, line in enumerate(lines[:count]):
        (folder / f"web-{number:03d}.jsonl").write_text(line + "\n")
    job["sources"] = [job["sources"][0] | {"paths": ["web-*.jsonl", "*.jsonl.gz"]}]
    job["partitioning"]["split_bytes"] = 1 << 20
    path.write_text(yaml.safe_dump(job | changes))
    return path


def test_of_several_files_that_cannot_be_read_the_first_one_is_named(tmp_path: Path) -> None:
    path = write_job(tmp_path, 40)
    for number in (12, 7, 31):
        (tmp_path / f"web-{number:03d}.jsonl").write_bytes(b"PK\x03\x04")
    with pytest.raises(InputError, match=r"web-007\.jsonl: unsupported_container"):
        planned(path, tmp_path / "work")


def as_known(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out where a document lies in the corpus: that is the split's."""
    return [{k: v for k, v in row.items() if k not in {"out_file", "out_row"}} for row in rows]


@pytest.fixture
def few_files() -> Iterator[None]:
    """Let the process open 32 files more than it has now, and no others."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened = len(list(Path("/proc/self/fd").iterdir()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (opened + 32, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("few_files")
def test_packed_or_not_every_document_has_the_same_fate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_job(tmp_path, 49)
    run = planned(path, tmp_path / "packed")
    assert [len(split.pieces) for split in run.plan.splits] == [50]
    packed = govern(run)
    assert digests(packed) == digests(govern(planned(path, tmp_path / "again"), "engine", seed=3))
    monkeypatch.setattr("muniment.transforms.reading.splits.MAX_PIECES", 1)
    run = planned(path, tmp_path / "single")
    assert len(run.plan.splits) == 50
    assert as_known(documents(packed)) == as_known(documents(govern(run)))


def test_a_damaged_file_costs_only_itself(tmp_path: Path) -> None:
    path = write_job(tmp_path, 30, on_bad_file="quarantine")
    whole = gzip.compress(
        b"".join(json.dumps({"text": prose(n)}).encode() + b"\n" for n in range(9))
    )
    damaged = tmp_path / "web-015.jsonl"
    damaged.write_bytes(whole[:-20])
    assert main(["run", str(path), "-o", str(tmp_path / "out"), "--workers", "1"]) == 0
    release = tmp_path / "out" / (tmp_path / "out" / "CURRENT").read_text().strip()
    assert verify(open_release(tmp_path / "out")) == []
    inputs = pq.read_table(release / "manifest" / "inputs").to_pylist()
    bad = pq.read_table(release / "quarantine").to_pylist()
    rest = [row for row in bad if row["reason"] == "truncated_stream"]
    assert [inputs[row["input_number"]]["path"] for row in rest] == [damaged.name]
    assert {
        row["records"] for row in inputs if row["path"] not in {damaged.name, "packed.jsonl.gz"}
    } == {1}
    job = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(job | {"on_bad_file": "fail"}))
    with pytest.raises(InputError, match=r"web-015\.jsonl: truncated_stream"):
        govern(planned(path, tmp_path / "work"))
