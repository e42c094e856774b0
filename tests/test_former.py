# SPDX-License-Identifier: Apache-2.0
"""Later jobs against former releases: copies are found, named, and go or supersede."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from muniment.pipelines.explain import explain, render_text
from muniment.pipelines.plan import make_plan
from muniment.pipelines.query import connect
from muniment.pipelines.release import Release, open_release
from muniment.pipelines.restricted import restricted_files
from muniment.pipelines.run import run_job
from muniment.pipelines.verify import verify
from muniment.schemas.errors import InputError, IntegrityError
from muniment.schemas.job_file import load_job
from muniment.transforms.canonical import canonical_text
from muniment.transforms.minhash import shingle_hashes, sign, sign_sets
from stage_runner import digests, documents, govern, planned
from test_stage_units import edited, prose, write_job

pytestmark = pytest.mark.slow

CHAPTER, BOOK = prose(301), " ".join(prose(n) for n in (310, 311, 312))
NEW = {
    "exact": prose(100),
    "near": edited(prose(101)),
    "near again": edited(prose(101)) + " indeed",
    "part": prose(311),
    "whole": f"{prose(320)} {CHAPTER} {prose(321)}",
    "other": prose(330),
}


@given(st.lists(st.text("ab c", max_size=40) | st.none(), max_size=6), st.integers(1, 20))
def test_signatures_of_sets_are_those_of_their_texts(
    texts: list[str | None], num_perm: int
) -> None:
    array = canonical_text(pa.array(texts, pa.string()))
    key = bytes(range(16))
    sets = shingle_hashes(array, shingle_size=2, key=key)
    expected, _ = sign(array, num_perm=num_perm, seed=3, shingle_size=2, key=key)
    assert np.array_equal(sign_sets(*sets, num_perm=num_perm, seed=3), expected)


def test_signatures_of_long_sets_are_those_of_their_texts() -> None:
    array = pa.array([" ".join(f"w{n}" for n in range(3000))])
    key = bytes(range(16))
    sets = shingle_hashes(array, shingle_size=5, key=key)
    expected, _ = sign(array, num_perm=64, seed=1, shingle_size=5, key=key)
    assert np.array_equal(sign_sets(*sets, num_perm=64, seed=1), expected)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a release `old` that keeps signatures, and its job."""
    folder = tmp_path_factory.mktemp("former")
    path = write_job(folder, output={"signatures": True})
    for name in ("one", "two"):
        with (folder / f"{name}.jsonl").open("a") as file:
            for text in (CHAPTER, BOOK):
                file.write(json.dumps({"id": f"{name}{len(text)}", "text": text}) + "\n")
    run_job(load_job(path), folder / "old")
    return folder


@pytest.fixture(scope="module")
def old(folder: Path) -> Release:
    return open_release(folder / "old")


def write_later(folder: Path, name: str, keep: str = "old", **settings: Any) -> Path:
    """Write a later job over the texts of `NEW`."""
    own = folder / name
    own.mkdir(exist_ok=True)
    lines = (json.dumps({"id": name, "text": text}) + "\n" for name, text in NEW.items())
    (own / "new.jsonl").write_text("".join(lines))
    job = yaml.safe_load((folder / "job.yaml").read_text())
    job["sources"][0]["paths"] = [f"{name}/*.jsonl"]
    job["deduplication"] = {
        "against": [{"release": "old", "keep": keep}],
        "near": {"containment": 0.9},
        "override_guards": "most of it is old on purpose",
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(job | settings))
    return path


def texts_by_id(release: Release) -> dict[bytes, str]:
    corpus = connect(release, with_corpus=True).execute("SELECT doc_id, text FROM corpus")
    return dict(corpus.fetchall())


def test_a_release_keeps_signatures_of_kept_documents_only(old: Release) -> None:
    assert verify(old) == []
    parts = [pq.read_table(old.path(item)) for item in restricted_files(old)]
    assert len(parts) == 2
    rows = pa.concat_tables(parts).to_pylist()
    texts = texts_by_id(old)
    assert {row["doc_id"] for row in rows} == set(texts)
    assert old.manifest["signatures"]["shingle_size"] == 5
    for row in rows:
        assert row["shingles"] == sorted(set(row["shingles"]))
        assert len(row["shingles"]) == row["tokens"] - 4
    folder = old.folder / "restricted"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.rglob("*.parquet")} == {0o600}


def test_a_copy_may_leave_the_restricted_part_out_but_not_half_of_it(
    old: Release, tmp_path: Path
) -> None:
    shutil.copytree(old.output, tmp_path / "copy")
    copy = open_release(tmp_path / "copy")
    first = copy.path(restricted_files(copy)[0])
    first.unlink()
    assert {fault.check for fault in verify(copy)} == {"digest"}
    shutil.rmtree(copy.folder / "restricted")
    assert verify(copy) == []


def test_copies_of_former_documents_go_and_name_them(folder: Path, old: Release) -> None:
    run_job(load_job(write_later(folder, "later")), folder / "out")
    release = open_release(folder / "out")
    assert verify(release) == []
    rows = connect(release).execute(
        """SELECT d.doc_id, "offset", reason, partner_id, partner_release, u.jaccard, u.containment
        FROM documents AS d LEFT JOIN duplicates AS u USING (doc_id) ORDER BY "offset" """
    )
    found = dict(zip(NEW, rows.fetchall(), strict=True))
    reasons = {name: row[2] for name, row in found.items()}
    assert reasons == {
        "exact": "dup_exact", "near": "dup_near", "near again": "dup_near",
        "part": "dup_contained", "whole": None, "other": None,
    }  # fmt: skip
    texts = texts_by_id(old)
    assert texts[found["exact"][3]] == NEW["exact"]
    assert texts[found["near"][3]] == prose(101)
    assert texts[found["part"][3]] == BOOK
    assert {row[4] for row in found.values() if row[2]} == {old.id}
    assert found["near"][5] >= 0.8
    assert found["part"][6] == 1.0
    text = render_text(explain(release, found["near"][0].hex()))
    assert f"compared with {found['near'][3].hex()} of release {old.id}" in text
    former = connect(release).execute("SELECT * FROM former_releases").fetchall()
    assert former == [(old.id, "old", len(texts), 0)]


def test_new_documents_may_stay_and_supersede_old_ones(folder: Path, old: Release) -> None:
    run_job(load_job(write_later(folder, "newer", "new")), folder / "out2")
    release = open_release(folder / "out2")
    assert verify(release) == []
    connection = connect(release)
    kept = texts_by_id(release)
    former = texts_by_id(old)
    rows = connection.execute(
        "SELECT doc_id, successor_id, method, jaccard, containment, release_id FROM superseded"
    ).fetchall()
    told = {former[row[0]]: row for row in rows}
    assert len(kept) == len(NEW) - 1  # one near copy of the other
    assert {text: (kept[row[1]], row[2]) for text, row in told.items()} == {
        prose(100): (NEW["exact"], "exact"),
        prose(101): (NEW["near again"], "minhash"),
        CHAPTER: (NEW["whole"], "containment"),
    }
    assert told[CHAPTER][4] == 1.0
    assert {row[5] for row in rows} == {old.id}
    reasons = connection.execute("SELECT reason FROM documents WHERE reason IS NOT NULL").fetchall()
    assert reasons == [("dup_near",)]  # the part of an old book stays: the new one is kept


@pytest.mark.parametrize("keep", ["old", "new"])
def test_the_same_is_found_however_the_batches_travel(
    folder: Path, tmp_path: Path, keep: str
) -> None:
    job = write_later(folder, f"ways-{keep}", keep)
    results = [
        digests(govern(planned(job, tmp_path / f"work{seed}"), way, seed))
        for seed, way in enumerate(("files", "engine"))
    ]
    assert results[0] == results[1]


def test_a_document_that_is_already_released_keeps_its_identifier(
    folder: Path, old: Release, tmp_path: Path
) -> None:
    job = yaml.safe_load(write_later(folder, "again").read_text())
    job["sources"][0]["paths"] = ["*.jsonl"]
    (folder / "again.yaml").write_text(yaml.safe_dump(job))
    rows = documents(govern(planned(folder / "again.yaml", tmp_path / "work")))
    assert {row["outcome"] for row in rows} == {"removed"}
    assert set(texts_by_id(old)) < {row["doc_id"] for row in rows}


def test_other_bands_and_permutations_find_the_same(folder: Path, tmp_path: Path) -> None:
    path = write_later(folder, "shape")
    job = yaml.safe_load(path.read_text())
    job["deduplication"]["near"] |= {"num_perm": 64, "seed": 9, "threshold": 0.7}
    path.write_text(yaml.safe_dump(job))
    rows = documents(govern(planned(path, tmp_path / "work")))
    assert sum(row["reason"] == "dup_near" for row in rows) == 2


def test_releases_that_cannot_be_compared_are_refused(
    folder: Path, old: Release, tmp_path: Path
) -> None:
    def plan(**changes: Any) -> None:
        path = write_later(folder, "refused")
        job = yaml.safe_load(path.read_text())
        job["deduplication"] |= changes.pop("deduplication", {})
        path.write_text(yaml.safe_dump(job | changes))
        make_plan(load_job(path), tmp_path / "work")

    other = folder / "other-key"
    other.write_bytes(bytes(range(64, 96)))
    other.chmod(0o600)
    with pytest.raises(InputError, match=r"against\[0\]: release \w+ was made with key \w+, this"):
        plan(key_file="other-key")
    with pytest.raises(InputError, match="made with shingle_size 5, this job has 3"):
        plan(deduplication={"near": {"shingle_size": 3}})
    with pytest.raises(InputError, match=r"against\[1\]: release \w+ is given twice"):
        plan(deduplication={"against": [{"release": "old"}, {"release": "old"}]})
    with pytest.raises(InputError, match=r"path_outside_root: '\.\./old'"):
        plan(deduplication={"against": [{"release": "../old"}]})
    plain = write_job(folder / "plain")
    run_job(load_job(plain), folder / "unsigned")
    with pytest.raises(InputError, match="holds no signatures; run its job with"):
        plan(deduplication={"against": [{"release": "unsigned"}]})
    shutil.copytree(old.output, folder / "damaged")
    copy = open_release(folder / "damaged")
    place = copy.path(restricted_files(copy)[0])
    place.write_bytes(place.read_bytes()[:-1])
    with pytest.raises(IntegrityError, match=r"signatures/part-00000.parquet: expected \d+ bytes"):
        plan(deduplication={"against": [{"release": "damaged"}]})
    shutil.rmtree(copy.folder / "restricted")
    with pytest.raises(InputError, match="were taken away; use a copy that still has"):
        plan(deduplication={"against": [{"release": "damaged"}]})
