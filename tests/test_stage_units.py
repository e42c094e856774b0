# SPDX-License-Identifier: Apache-2.0
"""The stages as plain functions, called in order: a job without an engine.

What the engine does between them (group parcels by partition, in any order) `stage_runner` does.
"""

import json
import os
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from muniment.schemas.reasons import REASON_CODES, Reason
from muniment.transforms import finalize, stage_units
from muniment.transforms.exchange import count_received
from muniment.transforms.run_state import Run
from muniment.transforms.stage_units import finished
from muniment.transforms.stores import join
from stage_runner import added, digests, documents, govern, planned

WORDS = [a + b + c for a in "bdfgklmnprst" for b in "aeiou" for c in ("n", "r", "st")]
FAMILIES = 6
"""Families of four: a text, its exact copy, a near copy of it, and an exact copy of that."""


def prose(seed: int) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=120))


def edited(text: str) -> str:
    words = text.split()
    return " ".join([*words[:30], "otherwise", *words[31:]])


def write_job(folder: Path, **settings: Any) -> Path:
    """Write two files, a list and a job; return the job file."""
    folder.mkdir(exist_ok=True)
    records = []
    for n in range(FAMILIES):
        text = prose(n)
        versions = (text, text, edited(text), edited(text))
        records += [
            {"id": f"{n}{v}", "text": item} for v, item in zip("abcd", versions, strict=True)
        ]
    records += [{"id": f"own{n}", "text": prose(100 + n)} for n in range(20)]
    random.Random(1).shuffle(records)
    for name, part in (("one", records[:20]), ("two", records[20:])):
        lines = "".join(json.dumps(record) + "\n" for record in part)
        (folder / f"{name}.jsonl").write_text(lines)
    (folder / "key").write_bytes(bytes(range(32)))
    (folder / "key").chmod(0o600)
    job = {
        "name": "j",
        "key_file": "key",
        "sources": [
            {
                "name": "s", "kind": "other", "reviewer": "somebody", "paths": ["*.jsonl"], "fields": {"id": "id"},
                "licence": "unknown", "legal_basis": "unknown", "origin": "worldwide",
                "collected": {"start": "2024-01-01", "end": "2024-01-01"},
            }
        ],
        "language": {"enabled": False},
        "toxicity": {"enabled": False},
        "personal_data": {"ner": "off"},
        "partitioning": {"exchange_partitions": 3, "split_bytes": 1 << 16},
    }  # fmt: skip
    path = folder / "job.yaml"
    path.write_text(yaml.safe_dump(job | settings))
    return path


def refuse(*_: object) -> None:
    """Stand for work that must not be done."""
    raise AssertionError


def test_of_each_family_one_is_kept(tmp_path: Path) -> None:
    markers = govern(planned(write_job(tmp_path / "in"), tmp_path / "work"))
    rows = documents(markers)
    assert len(rows) == 4 * FAMILIES + 20
    assert sum(row["outcome"] == "kept" for row in rows) == FAMILIES + 20
    found = added(markers)
    assert found["dup_exact"] + found["dup_near"] == 3 * FAMILIES
    assert found["dup_near"] >= FAMILIES
    assert len({row["doc_id"] for row in rows}) == len(rows)


def test_both_exchanges_and_any_order_of_arrival_give_the_same_bytes(tmp_path: Path) -> None:
    job = write_job(tmp_path / "in")
    results = [
        digests(govern(planned(job, tmp_path / f"work{seed}"), way, seed))
        for seed, way in enumerate(("files", "engine", "files"))
    ]
    assert results[0] == results[1] == results[2]


def test_what_was_finished_is_not_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = write_job(tmp_path / "in")
    first = govern(planned(job, tmp_path / "work"))
    for name in ("annotate_split", "screen_split", "group_exact", "collect_split"):
        monkeypatch.setattr(stage_units, name, refuse)
    for name in ("verify_partition", "finalize_split"):
        monkeypatch.setattr(stage_units, name, refuse)
    assert govern(planned(job, tmp_path / "work")) == first


def test_another_threshold_does_not_read_the_text_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    near = {"num_perm": 128, "threshold": 0.8}
    govern(planned(write_job(tmp_path / "in", deduplication={"near": near}), tmp_path / "work"))
    monkeypatch.setattr(stage_units, "annotate_split", refuse)
    strict = {"personal_data": {"ner": "off", "max_sensitive": 1}, "deduplication": {"near": near}}
    markers = govern(planned(write_job(tmp_path / "in", **strict), tmp_path / "work"))
    assert len(documents(markers)) == 4 * FAMILIES + 20


def test_copies_of_a_survivor_that_could_not_be_searched_are_quarantined_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    protect = finalize.protect_texts
    starts = {prose(n)[:20] for n in (0, 1)}

    def failing(run: Run, texts: pa.Array, *rest: Any) -> Any:
        safe = protect(run, texts, *rest)
        for place, text in enumerate(texts.to_pylist()):
            if text[:20] in starts:
                safe.faults[place] = REASON_CODES[Reason.DETECTOR_CAP]
        return safe

    monkeypatch.setattr(finalize, "protect_texts", failing)
    run = planned(write_job(tmp_path / "in"), tmp_path / "work")
    markers = govern(run)
    assert "settle" in {marker.stage for marker in markers}
    assert sum(marker.stats["quarantined"] for marker in markers) == 2 * 4
    found = added(markers)
    assert (found["detector_cap"], found["stage_error"]) == (2, 6)
    assert found["dup_exact"] + found["dup_near"] == 3 * (FAMILIES - 2)
    kept = {row["doc_id"] for row in documents(markers) if row["outcome"] == "kept"}
    for marker in markers:
        for row in pq.read_table(marker.path("duplicates")).to_pylist():
            assert row["partner_id"] is None or row["partner_id"] in kept
    for row in documents(markers):
        assert (row["text_hash"] is None) == (row["outcome"] == "quarantined")


def test_markers_of_a_job_that_was_changed_are_not_taken_for_this_runs(tmp_path: Path) -> None:
    every = {"deduplication": {"near": {"containment": 0.9}}}
    before = planned(write_job(tmp_path / "in", **every), tmp_path / "work")
    govern(before)
    absent = {"settle", "elect", "identify", "introduce", "tally", "count"}
    stages = [stage for stage in stage_units.STAGES if stage not in absent]
    for stage in stages:
        assert stage_units.finished(before, stage) == before.workspace.markers(stage)
        assert stage_units.finished(before, stage)
    changed = {"deduplication": {"near": {"enabled": False}}}
    after = planned(write_job(tmp_path / "in", **changed), tmp_path / "work")
    for stage in stages:
        assert stage_units.finished(after, stage) == []
    assert after.workspace.markers("verify")  # they are still there


def test_files_without_documents_are_governed_too(tmp_path: Path) -> None:
    job = write_job(tmp_path / "in")
    for path in (tmp_path / "in").glob("*.jsonl"):
        path.unlink()
    (tmp_path / "in" / "empty.jsonl").write_bytes(b"")
    (tmp_path / "in" / "broken.jsonl").write_bytes(b'{"text": \n')
    (tmp_path / "in" / "blank.jsonl").write_bytes(b'{"text": " "}\n')
    markers = govern(planned(job, tmp_path / "work"))
    assert added(markers) == {"json_syntax": 1, "empty": 1}
    assert len(documents(markers)) == 2


EVERY_STAGE = {
    "deduplication": {
        "near": {"containment": 0.9},
        "url": "first",
        "passages": {"unit": "line", "min_documents": 2},
    }
}


def test_every_exchange_counts_what_was_sent_and_what_arrived(tmp_path: Path) -> None:
    for way in ("files", "engine"):
        run = planned(write_job(tmp_path / "in", **EVERY_STAGE), tmp_path / way)
        govern(run, way)
        counts = {
            place: (sent, received) for place, sent, received in stage_units.exchange_counts(run)
        }
        # None of the documents has an address, so no version of one is elected.
        without = [
            kind for kind, *_ in stage_units.EXCHANGES if kind not in ("addresses", "versions")
        ]
        assert sorted(place.split(": ")[1] for place in counts) == sorted(without)
        assert all(sent == received for sent, received in counts.values())
        documents_sent, _ = counts["screen and identify to group: identities"]
        assert documents_sent == 4 * FAMILIES + 20


@pytest.mark.parametrize("change", ["lost", "repeated"])
def test_a_parcel_that_the_engine_loses_or_repeats_is_seen_in_the_books(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    propose = stage_units.propose

    def careless(run: Run, number: int, received: list[Any]) -> str:
        return propose(run, number, received[1:] if change == "lost" else received + received[:1])

    monkeypatch.setattr(stage_units, "propose", careless)
    run = planned(write_job(tmp_path / "in"), tmp_path / "work")
    govern(run)
    unequal = [
        place for place, sent, received in stage_units.exchange_counts(run) if sent != received
    ]
    assert unequal == ["group to propose: exact"]


def test_what_was_sent_to_a_split_can_be_had_from_disk(tmp_path: Path) -> None:
    run = planned(write_job(tmp_path / "in", **EVERY_STAGE), tmp_path / "work")
    govern(run)
    for stage in ("collect", "finalize"):
        arrived = {marker.number: marker.stats["received"] for marker in finished(run, stage)}
        for marker in finished(run, stage):
            os.remove(join(run.plan.work, stage, f"{marker.number:05d}.json"))
        on_disk = {
            number: count_received(received)
            for number, received in stage_units.unclaimed(run, stage, {})
        }
        assert on_disk == arrived
        assert any(on_disk.values())


def test_a_split_that_is_taken_or_finished_is_not_taken_again(tmp_path: Path) -> None:
    run = planned(write_job(tmp_path / "in"), tmp_path / "work")
    assert run.plan.by_size == [1, 0]  # the second file is the larger one
    with run.workspace.claimed("annotate", 1, wait=False) as held:
        assert held
        with run.workspace.claimed("annotate", 1, wait=False) as again:
            assert not again
        assert [number for number, _ in stage_units.unclaimed(run, "annotate", {})] == [0]
    stage_units.annotate(run, 0)
    assert [number for number, _ in stage_units.unclaimed(run, "annotate", {})] == [1]
