# SPDX-License-Identifier: Apache-2.0
"""Whole jobs: every record's fate is known, and nothing but the job decides it.

Same job twice, other workers, other exchange, other order of inputs: the same bytes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from muniment.pipelines.query import ask, connect
from muniment.pipelines.release import open_release
from muniment.pipelines.run import run_job
from muniment.pipelines.verify import verify
from muniment.schemas.errors import GateError
from muniment.schemas.job import ExchangeWay
from muniment.schemas.job_file import LoadedJob, load_job
from small_corpus import EXPECTED, dump_job, release_digests, write_corpus

pytestmark = [pytest.mark.slow, pytest.mark.model]


def on_engine(loaded: LoadedJob, **changes: Any) -> LoadedJob:
    engine = loaded.job.engine.model_copy(update=changes)
    return replace(loaded, job=loaded.job.model_copy(update={"engine": engine}))


def test_every_record_meets_the_fate_the_corpus_was_written_for(small_release):
    output, summary = small_release
    found = summary["removed_by_reason"] | summary["quarantined_by_reason"]
    expected = {reason: count for reason, count in EXPECTED.items() if count is not None}
    assert found == expected
    documents = summary["documents"]
    assert documents["read"] == documents["kept"] + sum(expected.values())
    assert verify(open_release(output)) == []


def test_personal_data_is_replaced_in_the_corpus_and_counted_in_the_manifest(small_release):
    release = open_release(small_release[0])
    connection = connect(release, with_corpus=True)
    texts = [row[0] for row in connection.execute("SELECT text FROM corpus").fetchall()]
    assert not any("jane.roe@" in text or "93.184.216.34" in text for text in texts)
    counted = connection.execute(
        "SELECT entity_type, sum(n_redacted) FROM pii_stats GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert counted == [("EMAIL_ADDRESS", 1), ("IP_ADDRESS", 1)]


def test_near_duplicates_name_a_kept_witness_that_reaches_the_threshold(small_release):
    connection = connect(open_release(small_release[0]))
    rows = connection.execute(
        """
        SELECT d.jaccard, w.outcome FROM duplicates d
        JOIN documents w ON w.doc_id = d.partner_id WHERE d.role = 'near_copy'
        """
    ).fetchall()
    assert len(rows) == EXPECTED["dup_near"]
    assert all(jaccard >= 0.8 and outcome == "kept" for jaccard, outcome in rows)


def test_the_source_with_the_better_rank_keeps_its_copy(small_release):
    connection = connect(open_release(small_release[0]))
    (losers,) = connection.execute(
        "SELECT count(*) FROM documents WHERE reason = 'dup_exact' AND source_id = 'mail'"
    ).fetchone()
    assert losers == 0  # mail holds no exact copies; web's own were removed within web
    books = ask(connect(open_release(small_release[0])), "books")
    assert books


VARIANTS = {
    "engine exchange": {"exchange": ExchangeWay.ENGINE, "workers": 1},
    "two workers": {"exchange": ExchangeWay.FILES, "workers": 2},
    "two workers, engine exchange": {"exchange": ExchangeWay.ENGINE, "workers": 2},
}


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS.keys())
def test_workers_and_exchange_change_no_byte(small_job, small_release, tmp_path, changes):
    run_job(on_engine(load_job(small_job), **changes), tmp_path)
    assert release_digests(tmp_path) == release_digests(small_release[0])


def test_the_order_of_inputs_changes_no_byte(small_job, small_release, tmp_path):
    content = yaml.safe_load(small_job.read_text())
    content["sources"].reverse()
    content["lists"].reverse()
    for source in content["sources"]:
        source["paths"].reverse()
    other = small_job.with_name("reversed.yaml")
    other.write_text(dump_job(content))
    run_job(load_job(other), tmp_path)
    assert release_digests(tmp_path) == release_digests(small_release[0])


def test_a_job_that_was_run_before_gives_the_same_release(small_job, small_release):
    output, summary = small_release
    before = release_digests(output)
    assert run_job(load_job(small_job), output)["release"] == summary["release"]
    assert release_digests(output) == before


def test_a_damaged_release_is_replaced_by_the_next_run(small_job, tmp_path):
    run_job(load_job(small_job), tmp_path)
    before = release_digests(tmp_path)
    part = tmp_path / (tmp_path / "CURRENT").read_text().strip() / "corpus/part-00000.parquet"
    part.write_bytes(part.read_bytes()[:-1] + b"X")
    assert verify(open_release(tmp_path))
    run_job(load_job(small_job), tmp_path)
    assert release_digests(tmp_path) == before
    assert verify(open_release(tmp_path)) == []


def test_without_near_duplicates_only_equal_texts_are_removed(tmp_path):
    job = write_corpus(tmp_path / "corpus", near_enabled=False)
    reasons = run_job(load_job(job), tmp_path / "out")["removed_by_reason"]
    assert reasons["dup_exact"] == EXPECTED["dup_exact"]
    assert "dup_near" not in reasons


def test_a_template_that_would_swallow_a_source_stops_the_release(tmp_path):
    job = write_corpus(tmp_path / "corpus")
    template = " ".join(f"line{n}" for n in range(200))
    lines = [f'{{"text": "{template} number {n}", "id": "t{n}"}}' for n in range(300)]
    (tmp_path / "corpus" / "web.jsonl").write_text("\n".join(lines) + "\n")
    output = tmp_path / "out"
    with pytest.raises(GateError, match="source web would lose 299 of"):
        run_job(load_job(job), output)
    assert not (output / "CURRENT").exists()
