# SPDX-License-Identifier: Apache-2.0
"""One version of each address stays: which one, who it is, and what becomes of the others."""

import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from muniment.schemas.deduplication import AddressCopies
from muniment.schemas.staged import ADDRESSES
from muniment.transforms.same_address import choose_versions
from stage_runner import added, digests, documents, govern, planned
from test_stage_units import edited, prose, write_job

FIRST, NEWEST = AddressCopies.FIRST, AddressCopies.NEWEST


def rows_of(drawn: list[tuple[int, int, int, bool]]) -> list[dict[str, Any]]:
    return [
        {
            "url_hi": url, "url_lo": 1, "ref": ref, "id_hi": 50 - ref, "id_lo": 0,
            "priority_hi": priority, "priority_lo": 0, "published": day, "eligible": eligible,
        }
        for ref, (url, priority, day, eligible) in enumerate(drawn)
    ]  # fmt: skip


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(-2, 2), st.booleans()),
        max_size=12,
    ),
    st.sampled_from([FIRST, NEWEST]),
    st.randoms(use_true_random=False),
)
def test_the_best_version_of_each_address_stays(
    drawn: list[tuple[int, int, int, bool]], keep: AddressCopies, shuffle: random.Random
) -> None:
    rows = rows_of(drawn)
    expected = []
    for row in rows:
        peers = [peer for peer in rows if peer["eligible"] and peer["url_hi"] == row["url_hi"]]
        peers.sort(
            key=lambda peer: (
                -peer["published"] if keep is NEWEST else 0,
                peer["priority_hi"],
                peer["id_hi"],
            )
        )
        if row["eligible"] and row is not peers[0]:
            expected.append({"ref": row["ref"], "stays": peers[0]["ref"]})
    shuffle.shuffle(rows)
    assert choose_versions(pa.Table.from_pylist(rows, schema=ADDRESSES), keep).to_pylist() == (
        expected
    )


def write_versions(folder: Path, keep: str, **settings: Any) -> Path:
    """Write a job over pages that were crawled more than once."""
    path = write_job(folder, deduplication={"url": keep}, **settings)
    job = yaml.safe_load(path.read_text())
    job["sources"][0]["fields"] = {"id": "id", "url": "url", "date": "date"}
    path.write_text(yaml.safe_dump(job))
    page = "http://pages.example.org/a"
    records = [
        {"id": "old", "url": page, "date": "2024-01-01", "text": prose(900) + " " + prose(901)},
        {"id": "new", "url": "HTTPS://Pages.example.org:443/a#top", "date": "2024-03-01",
         "text": prose(902)},
        {"id": "undated", "url": f"{page}?", "text": prose(903)},
        {"id": "other", "url": f"{page}b", "text": prose(904)},
        {"id": "nowhere", "text": edited(prose(900) + " " + prose(901))},
        # Equal in source, id and text: the second is told apart by a number, and is the one chosen.
        {"id": "same", "url": "http://x.example.org/1", "text": prose(905)},
        {"id": "same", "url": "http://y.example.org/1", "text": prose(905)},
        {"id": "short", "url": "http://y.example.org/1", "text": "far less text"},
    ]  # fmt: skip
    (folder / "pages.jsonl").write_text("".join(json.dumps(item) + "\n" for item in records))
    return path


def fates(run_folder: Path, keep: str) -> tuple[Any, dict[str, int], dict[str, Any]]:
    markers = govern(planned(write_versions(run_folder / "in", keep), run_folder / "work"))
    rows = [row for row in documents(markers) if row["input_number"] == 1]
    parts = pa.concat_tables(pq.read_table(marker.path("duplicates")) for marker in markers)
    by_id = {row["doc_id"]: row for row in parts.to_pylist()}
    rows.sort(key=lambda row: row["offset"])
    return rows, added(markers), by_id


def test_the_first_version_is_the_best_by_priority_and_copies_elsewhere_follow_it(
    tmp_path: Path,
) -> None:
    rows, found, duplicates = fates(tmp_path, "first")
    old, new, undated, other, nowhere, x, y, short = rows
    assert found["dup_url"] == 3
    assert [row["reason"] for row in (old, new, undated, other, nowhere)] == [
        None, "dup_url", "dup_url", None, "dup_near",
    ]  # fmt: skip
    for row in (new, undated):
        told = duplicates[row["doc_id"]]
        assert (told["role"], told["method"], told["partner_id"]) == (
            "address_copy", "url", old["doc_id"],
        )  # fmt: skip
        assert told["jaccard"] is None
    assert duplicates[nowhere["doc_id"]]["partner_id"] == old["doc_id"]
    assert sorted(str(row["reason"]) for row in (x, y, short)) == ["None", "dup_exact", "dup_url"]
    assert duplicates[short["doc_id"]]["partner_id"] == y["doc_id"]
    assert y["url_hash"] == short["url_hash"]


def test_the_newest_version_stays_and_one_that_fell_is_nobodys_witness(tmp_path: Path) -> None:
    rows, found, _ = fates(tmp_path, "newest")
    old, new, undated, _, nowhere, *_ = rows
    assert found["dup_url"] == 3
    assert [row["reason"] for row in (old, new, undated, nowhere)] == [
        "dup_url", None, "dup_url", None,
    ]  # fmt: skip


@pytest.mark.parametrize("keep", ["first", "newest"])
def test_versions_are_the_same_however_the_batches_travel(tmp_path: Path, keep: str) -> None:
    job = write_versions(tmp_path / "in", keep)
    results = [
        digests(govern(planned(job, tmp_path / f"work{seed}"), way, seed))
        for seed, way in enumerate(("files", "engine"))
    ]
    assert results[0] == results[1]
