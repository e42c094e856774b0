# SPDX-License-Identifier: Apache-2.0
"""The 32 questions a release must answer: each has a query, each answer was worked out by hand."""

from __future__ import annotations

import csv
import hashlib
import json
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from muniment.pipelines.named_queries import NAMED_QUERIES, NamedQuery
from muniment.pipelines.query import ask, connect, run_named
from muniment.pipelines.release import Release, open_release
from muniment.schemas.errors import QueryError
from muniment.schemas.restricted import PII_LINKS
from muniment.schemas.tables_governance import SAMPLES
from release_fixture import build_release, doc_id, tables, write_release


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    output = tmp_path_factory.mktemp("story")
    build_release(output)
    return open_release(output)


def answer(
    release: Release, name: str, args: dict[str, str] | None = None
) -> list[tuple[Any, ...]]:
    with connect(release, native=True) as connection:
        return [tuple(row.values()) for row in ask(connection, name, args)]


def test_every_question_has_a_query():
    numbers = {query.number for query in NAMED_QUERIES if query.number}
    assert sorted(numbers) == [f"Q{number:02}" for number in range(1, 33) if number not in PENDING]


PENDING: set[int] = set()


@pytest.mark.parametrize("query", NAMED_QUERIES, ids=lambda query: query.name)
def test_a_statement_says_first_which_question_it_answers(query: NamedQuery):
    assert query.sql.startswith(query.header)


def test_q03_a_request_names_what_it_meets_and_what_became_of_it(release: Release):
    rows = answer(release, "request", {"request": "case-1"})
    assert [row[:6] for row in rows] == [
        (doc_id(25), "content_hash", None, "remove", "removed", "takedown")
    ]
    # Document 17 copies document 3 under another address: the request reaches it through 3.
    copies = answer(release, "request", {"request": "case-2"})
    assert [(row[0], row[1], row[4], row[5]) for row in copies] == [
        (doc_id(3), "domain", "removed", "optout_domain"),
        (doc_id(17), "copy", "removed", "optout_dup"),
    ]


def test_q04_a_kept_copy_of_a_denied_document_is_shown_with_it(tmp_path: Path):
    made = tables()
    survivor = next(row for row in made["documents"] if row["doc_id"] == doc_id(5))
    denied = next(row for row in made["documents"] if row["doc_id"] == doc_id(7))
    assert survivor["outcome"] == "kept"
    denied["rights_state"] = "deny"
    write_release(tmp_path, made)
    ((kept, *_, members, denied_id, reason),) = answer(open_release(tmp_path), "tainted")
    assert (kept, members, denied_id, reason) == (doc_id(5), 1, doc_id(7), "dup_near")


def test_q23_lists_grow_stale_from_the_day_they_were_retrieved(release: Release):
    assert answer(release, "stale-lists", {"asof": "2025-11-08"}) == []
    rows = answer(release, "stale-lists", {"asof": "2025-11-09"})
    assert [(row[0], row[3]) for row in rows] == [
        ("optout-urls", 8),
        ("optouts", 8),
        ("takedowns", 8),
    ]


def test_q23_a_missed_canary_shows_whatever_the_age(tmp_path: Path):
    made = tables()
    made["lists"][1]["canaries_passed"] = 1
    write_release(tmp_path, made)
    rows = answer(open_release(tmp_path), "stale-lists", {"asof": "2025-11-01"})
    assert [row[0] for row in rows] == ["optout-urls"]


def test_q24_what_fared_otherwise_before_is_told_with_the_rule_behind_it(tmp_path: Path):
    before = tables()
    toxic = next(row for row in before["documents"] if row["doc_id"] == doc_id(4))
    toxic |= {"outcome": "kept", "reason": None, "tokens_out": 100}
    del before["documents"][11]  # document 12 is new
    first = write_release(tmp_path, before)
    second = write_release(tmp_path, tables(), parent={"release": first, "manifest_sha256": ""})
    with connect(
        open_release(tmp_path), native=True, before=open_release(tmp_path, snapshot=first)
    ) as connection:
        rows = ask(connection, "changes")
    assert [(r["doc_id"], r["was"], r["now"], r["deciding_rule"]) for r in rows] == [
        (doc_id(4), "kept", "removed", "toxicity"),
        (doc_id(12), None, "kept", None),
    ]
    out = tmp_path / "changes.json"
    with out.open("wb") as stream:  # the parent is what it compares with where nothing is named
        run_named(open_release(tmp_path, snapshot=second), "changes", {}, "json", stream)
    assert len(json.loads(out.read_text())) == 2


def test_q24_needs_a_release_before_this_one(release: Release):
    with pytest.raises(QueryError, match="none before it"):
        run_named(release, "changes", {}, "json")


def test_q25_open_requests_are_overdue_after_their_last_day(release: Release):
    assert answer(release, "overdue", {"asof": "2025-12-01"}) == []
    ((request, *_, days),) = answer(release, "overdue", {"asof": "2025-12-03"})
    assert (request, days) == ("case-1", 2)  # case-2 is closed


def test_q30_energy_is_cpu_time_times_declared_factors(tmp_path: Path):
    build_release(tmp_path)
    release = open_release(tmp_path)
    stages = {
        "annotate": {"seconds": 4000, "cpu_seconds": 3000, "bytes": 1},
        "annotate.read": {"seconds": 1, "cpu_seconds": 1000, "bytes": 1},
        "finalize": {"seconds": 1000, "cpu_seconds": 600, "bytes": 1},
    }
    (release.folder / "run.json").write_text(json.dumps({"stages": stages}))
    factors = {"watts": "10", "pue": "1.5", "grams": "400"}
    ((cpu, kwh, grams, per_billion, method),) = answer(release, "energy", factors)
    assert cpu == 3600
    assert kwh == pytest.approx(0.015)  # 3600 s x 10 W x 1.5 = 54 kJ
    assert grams == pytest.approx(6)
    assert per_billion == pytest.approx(1e9 * 0.015 / 3300)
    assert method == "CPU time x 10.0 W x PUE 1.5 x 400.0 g/kWh"


def reviewed(release: Release, rows: list[tuple[int, str, float, str, int]]) -> None:
    folder = release.output / "samples"
    folder.mkdir()
    with (folder / "review.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, SAMPLES.arrow().names)
        writer.writeheader()
        for number, purpose, inclusion, label, items in rows:
            writer.writerow(
                {
                    "release_id": release.id,
                    "doc_id": doc_id(number).hex(),
                    "purpose": purpose,
                    "stratum": "web/en",
                    "inclusion": inclusion,
                    "reviewer": "a",
                    "label": label,
                    "items": items,
                    "labelled": date(2025, 12, 1),
                }
            )


def with_link(output: Path, number: int, value: bytes, job: str) -> Release:
    """Write the story with one link of a person in a document."""
    release_id = write_release(output, tables(), job={"name": job})
    folder = output / "snapshots" / release_id
    part = folder / "restricted/pii_links/part-00000.parquet"
    part.parent.mkdir(parents=True)
    row = {
        "key_id": bytes(8),
        "entity_type": "EMAIL_ADDRESS",
        "value_hmac": value,
        "doc_id": doc_id(number),
        "start": 5,
        "end": 15,
        "action": "left",
    }
    pq.write_table(pa.Table.from_pylist([row], PII_LINKS.arrow()), part)
    raw = part.read_bytes()
    entry = {
        "path": "restricted/pii_links/part-00000.parquet",
        "table": "pii_links",
        "bytes": len(raw),
        "rows": 1,
        "sha256": hashlib.sha256(raw).hexdigest(),
    }
    index = json.dumps({"files": [entry]})
    (folder / "restricted/RESTRICTED.json").write_text(index)
    content = json.loads((folder / "MANIFEST.json").read_text())
    content["restricted"] = {"sha256": hashlib.sha256(index.encode()).hexdigest()}
    text = json.dumps(content)
    (folder / "MANIFEST.json").write_text(text)
    real = hashlib.sha256(text.encode()).hexdigest()[:16]
    folder.rename(folder.with_name(real))
    (output / "CURRENT").write_text(f"snapshots/{real}\n")
    return open_release(output)


def test_q06_a_person_is_found_by_keyed_hash_in_every_release(tmp_path: Path):
    value = bytes(range(16))
    first = with_link(tmp_path, 1, value, "first")
    second = with_link(tmp_path, 2, value, "second")
    with_link(tmp_path, 4, value, "third")  # document 4 was removed: nothing of it is left
    build_release(tmp_path)  # no restricted part at all
    out = tmp_path / "person.json"
    with out.open("wb") as stream:
        run_named(open_release(tmp_path), "person", {"value": value.hex()}, "json", stream)
    rows = json.loads(out.read_text())
    assert sorted((row["release_id"], row["doc_id"], row["out_row"]) for row in rows) == sorted(
        [(first.id, doc_id(1).hex(), 0), (second.id, doc_id(2).hex(), 1)]
    )


def test_q20_and_q21_samples_are_judged_and_weighted_by_their_chance(tmp_path: Path):
    build_release(tmp_path)
    release = open_release(tmp_path)
    reviewed(
        release,
        [
            (1, "residual_pii", 0.5, "pii", 3),  # stands for 2 documents
            (2, "residual_pii", 0.25, "clean", 0),  # stands for 4
            (5, "residual_pii", 0.5, "Clean", 0),
            (11, "content", 1.0, "clean", 0),
            (12, "content", 1.0, "", 0),  # not labelled yet
        ],
    )
    with connect(release, native=True) as connection:
        found = {row["purpose"]: row for row in ask(connection, "residual")}
        passed = {row["purpose"]: row for row in ask(connection, "reviewed")}
    pii = found["residual_pii"]
    assert (pii["n"], pii["k"], pii["total_items"], pii["documents"]) == (3, 1, 6, 8)
    assert pii["share"] == 2 / 8
    assert 0 < pii["low"] < 2 / 8 < pii["high"] < 1
    assert found["content"]["high"] == pytest.approx(0.95)  # 0 of 1: up to 95 %
    assert (passed["residual_pii"]["n"], passed["residual_pii"]["clean"]) == (3, 2)
    assert passed["residual_pii"]["passes"] is False


def test_q20_passes_at_four_thousand_and_96_percent_and_shows_the_bound(tmp_path: Path):
    build_release(tmp_path)
    release = open_release(tmp_path)
    reviewed(release, [(1, "content", 1.0, "bad" if n < 160 else "clean", 0) for n in range(4000)])
    ((_, n, clean, share, low, passes, _),) = answer(release, "reviewed")
    assert (n, clean, share, passes) == (4000, 3840, 0.96, True)
    assert low == pytest.approx(0.9535, abs=2e-4)  # so the share alone says little


def test_a_drawn_sample_covers_every_stratum_and_knows_its_chances(release: Release):
    # The ids of the story are 1 to 30 times 01...: a purpose whose place is among them.
    among = next(
        word
        for word in map(str, range(1000))
        if 11 < hashlib.md5(word.encode()).digest()[0] < 18  # noqa: S324  (as in the query)
    )
    args = {"purpose": "content", "documents": "5"}
    with connect(release, native=True) as connection:
        rows = ask(connection, "draw-sample", args)
        other = ask(connection, "draw-sample", args | {"purpose": among})
    assert sum(1 / row["inclusion"] for row in rows) == pytest.approx(15)  # the kept documents
    assert len({row["stratum"] for row in rows}) == 8
    assert {row["purpose"] for row in rows} == {"content"}
    assert [row["doc_id"] for row in rows] != [row["doc_id"] for row in other]


def test_a_malformed_review_is_named_with_its_line(tmp_path: Path):
    build_release(tmp_path)
    release = open_release(tmp_path)
    reviewed(release, [(1, "content", 2.0, "clean", 0)])
    with pytest.raises(QueryError, match=r"review\.csv, line 2: expected an id"):
        answer(release, "reviewed")
