# SPDX-License-Identifier: Apache-2.0
"""A whole job over crawls: WARC cut in parts, WET and JSONL, governed alike and in the same bytes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from muniment.pipelines.query import connect
from muniment.pipelines.release import open_release
from muniment.pipelines.run import run_job
from muniment.pipelines.verify import verify
from muniment.schemas.errors import InputError
from muniment.schemas.job_file import load_job
from small_corpus import dump_job, prose, release_digests, write_corpus
from warc_builder import INFO, REQUEST, http, members, record, response, wrapped

pytestmark = [pytest.mark.slow, pytest.mark.model]

PAGES = 90


def html(number: int) -> bytes:
    return f"<html><head><title>{number}</title></head><body><p>{prose(number)}</p></body>".encode()


def write_crawl(folder: Path) -> Path:
    """Write a crawl, its WET file and a copy of one page as JSONL; return the job file."""
    path = write_corpus(folder, near_enabled=True)
    job = yaml.safe_load(path.read_text())
    address = "https://site{}.example.org/{}"
    records = [INFO]
    for number in range(PAGES):
        url = address.format(number % 9, number)
        records += [REQUEST, response(html(number), WARC_Target_URI=url)]
    reserved = {"WARC_Target_URI": "https://reserved.example/"}
    records.append(response(html(700), "tdm-reservation: 1", **reserved))
    records.append(response(html(500), WARC_Payload_Digest="sha1:" + "A" * 32))
    records.append(wrapped(http(status="404 Not Found")))
    (folder / "crawl.warc.gz").write_bytes(members(*records))
    text = record("conversion", prose(600).encode(), Content_Type="text/plain")
    (folder / "text.warc.wet").write_bytes(INFO + text + b"\r\n")
    declared = {
        "kind": "crawl",
        "crawler": "ExampleBot/1.0",
        "reviewer": "somebody",
        "trust_tier": "unverified",
        "licence": "unknown",
        "legal_basis": "tdm_art4",
        "origin": "worldwide",
        "collected": {"start": "2024-05-18", "end": "2024-05-31"},
    }
    job["sources"] = [
        {**declared, "name": "crawl", "paths": ["crawl.warc.gz"]},
        {**declared, "name": "text", "paths": ["text.warc.wet"]},
        {**declared, "name": "lines", "paths": ["lines.jsonl"]},
    ]
    (folder / "lines.jsonl").write_text(json.dumps({"text": prose(7)}) + "\n")
    job["partitioning"] = {"split_bytes": 1 << 16}
    job["deduplication"]["max_source_loss"] = 1.0
    path.write_text(dump_job(job))
    return path


def test_a_crawl_is_governed_like_any_other_source(tmp_path: Path) -> None:
    path = write_crawl(tmp_path / "in")
    loaded = load_job(path)
    summary = run_job(loaded, tmp_path / "out")
    release = open_release(tmp_path / "out")
    assert verify(release) == []
    connection = connect(release, with_corpus=True)

    def rows(sql: str) -> list[tuple[object, ...]]:
        return connection.execute(sql).fetchall()

    assert summary["documents"]["read"] == PAGES + 1 + 1 + 2
    assert summary["quarantined_by_reason"] == {"digest_mismatch": 1}
    removed = {"dup_exact": 1, "optout_domain": 10, "rights_reserved": 1}
    assert summary["removed_by_reason"] == removed
    assert rows("SELECT source_id, reason FROM documents WHERE reason = 'dup_exact'") == [
        ("lines", "dup_exact")
    ]
    assert rows("SELECT source_id, kind, records FROM passed_records ORDER BY ALL") == [
        ("crawl", "http_status", 1),
        ("crawl", "request", PAGES),
        ("crawl", "warcinfo", 1),
        ("text", "warcinfo", 1),
    ]
    assert rows(
        "SELECT format, codec, stream_bytes = file_bytes, blank_bytes FROM inputs ORDER BY 1"
    ) == [("jsonl", "none", True, 0), ("warc", "gzip", True, 0), ("wet", "none", True, 2)]
    kept = "SELECT text, title FROM corpus WHERE url = 'https://site1.example.org/1'"
    assert rows(kept) == [(prose(1), "1")]
    # Headers and tags of a response can be seen; of WET and plain lines there is nothing to see.
    seen = (
        "SELECT DISTINCT source_id, rights_observability FROM documents "
        "WHERE outcome <> 'quarantined' ORDER BY ALL"
    )
    assert rows(seen) == [("crawl", "page_only"), ("lines", "none"), ("text", "none")]
    noai = "SELECT DISTINCT rights_state FROM documents WHERE domain = 'reserved.example'"
    assert rows(noai) == [("deny",)]

    # One split instead of several, on one worker: the same documents and texts.
    engine = loaded.job.engine.model_copy(update={"workers": 1})
    again = replace(loaded, job=loaded.job.model_copy(update={"engine": engine}))
    run_job(again, tmp_path / "again")
    assert release_digests(tmp_path / "again") == release_digests(tmp_path / "out")


def test_a_crawl_needs_no_mapping_of_fields(tmp_path: Path) -> None:
    path = write_crawl(tmp_path / "in")
    job = yaml.safe_load(path.read_text())
    job["sources"][0]["fields"] = {"text": "body"}
    path.write_text(dump_job(job))
    with pytest.raises(InputError, match="leave `fields` out"):
        run_job(load_job(path), tmp_path / "out")
