# SPDX-License-Identifier: Apache-2.0
"""A detector that fails for one document costs that document and its copies, and nothing else.

The document is the one that was kept out of a cluster of copies, so that without it no copy has a
witness in the corpus: the copies must not come back unexamined, and the books must still balance.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from muniment.pipelines.query import connect
from muniment.pipelines.release import open_release
from muniment.pipelines.run import run_job
from muniment.pipelines.verify import verify
from muniment.schemas.errors import StageError
from muniment.schemas.job_file import load_job
from muniment.schemas.reasons import REASON_CODES, Reason
from muniment.transforms import protect
from muniment.transforms.pii import Detection
from small_corpus import dump_job, edited, prose, write_corpus

pytestmark = [pytest.mark.slow, pytest.mark.model]

MARK = "untreatable"
FILES = ("best", "second", "third")
"""One source each, in the order of their ranks; one row group each."""

Fate = tuple[str, str | None]
KEPT: Fate = ("kept", None)
FAILED: Fate = ("quarantined", "stage_error")
EXACT: Fate = ("removed", "dup_exact")
NEAR: Fate = ("removed", "dup_near")


def letter(seed: int, *, marked: bool = False) -> str:
    """Return a text with an address to redact, so that it is searched again when it is kept."""
    return f"Write to {MARK if marked else 'them'} at jane.roe@university-mail.org. {prose(seed)}"


def write_job(folder: Path, texts: dict[str, list[str]]) -> Path:
    """Write a job over three files of texts; the first file wins among copies."""
    job = write_corpus(folder)
    content = yaml.safe_load(job.read_text())
    declared = {
        key: content["sources"][0][key]
        for key in ("kind", "licence", "legal_basis", "origin", "collected", "reviewer")
    }
    for name in FILES:
        others = [prose(hash_of(name) + n) for n in range(6)]  # so that no guard sees a landslide
        pq.write_table(pa.table({"text": texts[name] + others}), folder / f"{name}.parquet")
    content["sources"] = [
        {"name": name, "paths": [f"{name}.parquet"], "rank": rank, **declared}
        for rank, name in enumerate(FILES)
    ]
    job.write_text(dump_job(content))
    return job


def hash_of(name: str) -> int:
    return 1000 * (1 + FILES.index(name))


def fates(output: Path, texts: dict[str, list[str]]) -> dict[str, list[Fate]]:
    """Return what became of each text; the release must be sound, and the other texts kept."""
    release = open_release(output)
    assert verify(release) == []
    rows = connect(release).execute(
        'SELECT source_id, outcome, reason FROM documents ORDER BY source_id, "offset"'
    )
    found: dict[str, list[Fate]] = {name: [] for name in FILES}
    for source, outcome, reason in rows.fetchall():
        found[source].append((outcome, reason))
    for name in FILES:
        assert Counter(found[name][len(texts[name]) :]) == {KEPT: 6}
    return {name: found[name][: len(texts[name])] for name in FILES}


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the detector fail for marked documents when their final text is searched."""
    whole = protect.detect

    def detect(texts: pa.Array, *arguments: Any, **options: Any) -> Detection:
        found = whole(texts, *arguments, **options)
        marked = np.array([MARK in (text or "") for text in texts.to_pylist()], dtype=bool)
        faults = np.where(marked, np.uint8(REASON_CODES[Reason.STAGE_ERROR]), found.faults)
        return Detection(found.spans, faults, found.unread)

    monkeypatch.setattr(protect, "detect", detect)


CLUSTERS = {
    "best": [letter(1, marked=True), letter(2, marked=True), letter(3)],
    "second": [letter(1, marked=True), edited(letter(2, marked=True)), letter(3)],
    "third": [letter(1, marked=True) + "\n", edited(letter(3)), edited(letter(2, marked=True))],
}
"""An exact cluster, a near cluster with an exact copy of a near one, and an unmarked cluster."""


def test_without_a_failure_the_best_copies_are_kept(tmp_path):
    job = write_job(tmp_path / "in", CLUSTERS)
    run_job(load_job(job), tmp_path / "out")
    assert fates(tmp_path / "out", CLUSTERS) == {
        "best": [KEPT, KEPT, KEPT],
        "second": [EXACT, NEAR, EXACT],
        "third": [EXACT, NEAR, NEAR],
    }


@pytest.mark.usefixtures("failing")
def test_a_failure_takes_the_survivor_and_its_copies_but_nothing_else(tmp_path):
    job = write_job(tmp_path / "in", CLUSTERS)
    summary = run_job(load_job(job), tmp_path / "out")
    assert fates(tmp_path / "out", CLUSTERS) == {
        "best": [FAILED, FAILED, KEPT],
        "second": [FAILED, FAILED, EXACT],
        "third": [FAILED, NEAR, FAILED],
    }
    assert summary["quarantined_by_reason"] == {"stage_error": 6}
    corpus = connect(open_release(tmp_path / "out"), with_corpus=True).sql(
        "SELECT text FROM corpus"
    )
    assert not any(MARK in text for (text,) in corpus.fetchall())


@pytest.mark.parametrize("copy", [letter(1, marked=True), edited(letter(1, marked=True))])
@pytest.mark.usefixtures("failing")
def test_the_outcome_does_not_depend_on_where_the_copy_lies(tmp_path, copy):
    """The copy in the same split as the survivor, or in another one."""
    for number, place in enumerate(("best", "third")):
        texts: dict[str, list[str]] = {name: [] for name in FILES}
        texts["best"].append(letter(1, marked=True))
        texts[place].append(copy)
        job = write_job(tmp_path / f"in{number}", texts)
        run_job(load_job(job), tmp_path / f"out{number}")
        found = fates(tmp_path / f"out{number}", texts)
        assert [fate for those in found.values() for fate in those] == [FAILED, FAILED], place


def test_a_detector_that_breaks_altogether_stops_the_run(tmp_path, monkeypatch):
    def broken(texts: pa.Array, *_: Any, **__: Any) -> Detection:
        raise ValueError(texts[0].as_py())

    monkeypatch.setattr(protect, "detect", broken)
    job = write_job(tmp_path / "in", CLUSTERS)
    with pytest.raises(StageError, match=r"finalize \d+: ValueError at") as caught:
        run_job(load_job(job), tmp_path / "out")
    assert "university-mail" not in str(caught.value)
    assert not (tmp_path / "out" / "CURRENT").exists()
