# SPDX-License-Identifier: Apache-2.0
"""Boilerplate is counted over what is left, cut out by frequency, and recorded by offsets."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from muniment.pipelines.explain import explain
from muniment.pipelines.query import connect
from muniment.pipelines.release import Release, open_release
from muniment.pipelines.run import run_job
from muniment.pipelines.verify import verify
from muniment.schemas.job import ExchangeWay
from muniment.schemas.job_file import load_job
from muniment.schemas.staged import TALLIES
from muniment.transforms.keys import generate_key
from muniment.transforms.repeated_passages import find_repeated
from small_corpus import prose, release_digests

FOOTER = "Subscribe to our newsletter, volume {} of this year."
MAIL = "Questions? Write to help.desk@widgets-company.com at any time."


def page(number: int) -> str:
    body = f"{prose(number)}\n{prose(500 + number)}"
    return (
        f"{body}\n{FOOTER.format(number + 10)}\n{MAIL}\nLast words of page {prose(900 + number, 9)}"
    )


def write_pages(folder: Path, **passages: Any) -> Path:
    """Write 12 pages with two lines in common, three copies of a thirteenth, and one all footer."""
    folder.mkdir(parents=True)
    texts = [page(number) for number in range(12)]
    texts += [f"{prose(77)}\n{prose(78)}"] * 3
    texts.append(f"{FOOTER.format(99)}\n\n{MAIL}\n")
    lines = [json.dumps({"text": text, "id": f"p{n}"}) for n, text in enumerate(texts)]
    (folder / "pages.jsonl").write_text("\n".join(lines) + "\n")
    generate_key(folder / "key")
    source = {"name": "pages", "kind": "other", "paths": ["pages.jsonl"], "fields": {"id": "id"}}
    source |= {"licence": "CC0-1.0", "legal_basis": "public_domain", "origin": "worldwide"}
    source |= {"collected": {"start": "2024-01-01", "end": "2024-01-02"}}
    source |= {"uri": "https://example.org/pages", "version": "1", "publisher": "Example"}
    source |= {"reviewer": "Test", "trust_tier": "official"}
    job = {
        "name": "pages",
        "key_file": "key",
        "sources": [source],
        "language": {"enabled": False},
        "toxicity": {"enabled": False},
        "personal_data": {"ner": "off"},
        "deduplication": {"passages": passages, "max_source_loss": 1.0},
    }
    (folder / "job.yaml").write_text(yaml.safe_dump(job))
    return folder / "job.yaml"


def released(folder: Path, **passages: Any) -> Release:
    run_job(load_job(write_pages(folder / "in", **passages)), folder / "out")
    return open_release(folder / "out")


def corpus_of(release: Release) -> list[str]:
    parts = sorted((release.folder / "corpus").glob("*.parquet"))
    return pa.concat_tables([pq.read_table(path) for path in parts])["text"].to_pylist()


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return released(tmp_path_factory.mktemp("cut"), unit="line", keep_first=False)


@pytest.mark.slow
class TestRelease:
    def test_repeated_lines_are_gone_and_all_others_are_there(self, cut: Release):
        texts = corpus_of(cut)
        assert len(texts) == 13
        assert not any("newsletter" in text or "Questions" in text for text in texts)
        wanted = {f"{prose(n)}\n{prose(500 + n)}\nLast words of page " for n in range(12)}
        assert wanted == {text[: text.index("Last") + 19] for text in texts if "Last" in text}

    def test_the_release_is_sound(self, cut: Release):
        assert verify(cut) == []

    def test_what_was_cut_is_recorded_by_offsets_in_the_text_as_read(self, cut: Release):
        found = connect(cut).execute(
            """SELECT "start", "end", c.documents FROM cuts AS c JOIN documents USING (doc_id)
            WHERE "offset" = 0 ORDER BY 1"""
        )
        places = found.fetchall()
        assert [page(0)[start:end] for start, end, _ in places] == [
            FOOTER.format(10) + "\n",
            MAIL + "\n",
        ]
        assert [documents for *_, documents in places] == [13, 13]

    def test_copies_of_a_page_do_not_make_it_boilerplate(self, cut: Release):
        assert f"{prose(77)}\n{prose(78)}" in corpus_of(cut)

    def test_a_document_of_nothing_else_is_removed_and_explained(self, cut: Release):
        ((doc_id,),) = (
            connect(cut)
            .execute("SELECT doc_id FROM documents WHERE reason = 'boilerplate'")
            .fetchall()
        )
        told = explain(cut, doc_id.hex())
        assert told["document"]["reason"] == "boilerplate"

    def test_personal_data_in_a_cut_line_is_gone_with_it(self, cut: Release):
        assert connect(cut).execute("SELECT count(*) FROM spans").fetchall() == [(0,)]

    def test_the_first_document_may_keep_its_lines(self, tmp_path: Path):
        texts = corpus_of(released(tmp_path, unit="line", min_documents=13))
        assert sum("newsletter" in text for text in texts) == 1
        assert "newsletter" in next(text for text in texts if prose(0) in text)

    def test_passages_in_fewer_documents_stay(self, tmp_path: Path):
        release = released(tmp_path, unit="paragraph", min_documents=14, keep_first=False)
        assert sum("newsletter" in text for text in corpus_of(release)) == 13
        assert connect(release).execute("SELECT count(*) FROM cuts").fetchall() == [(0,)]

    def test_workers_and_exchange_change_no_byte(self, cut: Release, tmp_path: Path):
        loaded = load_job(cut.folder.parents[2] / "in" / "job.yaml")
        update = {"exchange": ExchangeWay.ENGINE, "workers": 2}
        engine = loaded.job.engine.model_copy(update=update)
        again = replace(loaded, job=loaded.job.model_copy(update={"engine": engine}))
        run_job(again, tmp_path / "again")
        assert release_digests(tmp_path / "again") == release_digests(cut.folder.parents[1])


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5), st.integers(0, 9)), max_size=12),
    st.integers(2, 12),
)
def test_counts_over_splits_are_counts_over_the_corpus(
    rows: list[tuple[int, int, int]], least: int
):
    ordered = sorted(set(rows), key=lambda row: (row[0], row[2]))
    table = pa.table([np.array(c) for c in zip(*ordered, strict=True)] or [[], [], []],
                     names=["passage", "documents", "first"])  # fmt: skip
    found = find_repeated(table.cast(TALLIES), least).to_pylist()
    for said in {row[0] for row in ordered}:
        mine = [row for row in ordered if row[0] == said]
        total = sum(row[1] for row in mine)
        answers = [row for row in found if row["passage"] == said]
        if total < least:
            assert answers == []
            continue
        assert [row["asked_by"] for row in answers] == [row[2] for row in mine]
        assert {row["documents"] for row in answers} == {total}
        assert {row["first"] for row in answers} == {min(row[2] for row in mine)}
