# SPDX-License-Identifier: Apache-2.0
"""A whole job over WARC cut in parts, WET with WAT, Parquet and JSONL, with a snapshot of robots.txt files.

All are governed alike and in the same bytes, and each shows what can be seen of its rights.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from muniment.pipelines.card import render_card, show
from muniment.pipelines.query import connect
from muniment.pipelines.release import open_release
from muniment.pipelines.run import run_job
from muniment.pipelines.verify import verify
from muniment.schemas.errors import InputError
from muniment.schemas.job_file import load_job
from small_corpus import dump_job, prose, release_digests, write_corpus
from warc_builder import INFO, REQUEST, RESPONSE_ID, about, http, members, record, response, wrapped

pytestmark = [pytest.mark.slow, pytest.mark.model]

PAGES = 90
ROBOTS = ("https://site1.example.org", "https://site2.example.org", "https://columns.example")


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
    about_text = {"Content_Type": "text/plain", "WARC_Refers_To": f"<{RESPONSE_ID}>"}
    text = record("conversion", prose(600).encode(), **about_text)
    (folder / "text.warc.wat").write_bytes(INFO + about({"Server": "x"}))
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
        {**declared, "name": "text", "paths": ["text.warc.wet"], "wat": ["*.wat"]},
        {**declared, "name": "lines", "paths": ["lines.jsonl"]},
        {
            **declared,
            "name": "columns",
            "paths": ["columns.parquet"],
            "fields": {"text": "text", "url": "url"},
        },
    ]
    hosts = ["columns.example", "unseen.example"]
    columns = {"text": [prose(810), prose(811)], "url": [f"https://{host}/a" for host in hosts]}
    pq.write_table(pa.table(columns), folder / "columns.parquet")
    seen = datetime(2024, 5, 1, tzinfo=UTC)
    robots = {"origin": list(ROBOTS), "fetched": [seen] * 3, "status": [200] * 3}
    body = ["User-agent: *\nAllow: /"] * 3
    pq.write_table(pa.table({**robots, "body": body}), folder / "robots.parquet")
    job["rights"]["snapshots"] = [{"kind": "robots", "path": "robots.parquet"}]
    lines = [{"text": prose(number)} for number in (7, 820)]
    (folder / "lines.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    job["partitioning"] = {"split_bytes": 1 << 16}
    job["toxicity"] = job["personal_data"] = {"enabled": False}
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

    assert summary["documents"]["read"] == PAGES + 1 + 1 + 2 + 1 + 2
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
    ) == [
        ("jsonl", "none", True, 0),
        ("parquet", "none", False, 0),
        ("warc", "gzip", True, 0),
        ("wet", "none", True, 2),
    ]
    kept = "SELECT text, title FROM corpus WHERE url = 'https://site1.example.org/1'"
    assert rows(kept) == [(prose(1), "1")]
    # Headers and tags of a response can be seen, a file of robots rules where a snapshot has one.
    seen = "SELECT DISTINCT source_id, host, rights_observability FROM documents"
    crawled = {f"https://site{n}.example.org" for n in range(9)}
    assert set(rows(f"{seen} WHERE outcome <> 'quarantined'")) == {
        *(("crawl", url[8:], "full" if url in ROBOTS else "page_only") for url in crawled),
        ("crawl", "reserved.example", "page_only"),
        ("columns", "columns.example", "robots_only"),
        ("columns", "unseen.example", "none"),
        ("lines", None, "none"),
        ("text", "example.org", "page_only"),
    }
    ((share,),) = rows(
        "SELECT sum(tokens_out) FILTER (source_id = 'lines' OR host = 'unseen.example')"
        " / sum(tokens_out) FROM documents"
    )
    assert 0.02 < float(str(share)) < 0.1
    line = f"No rights signal could be seen: {show('share', share)}"
    assert line in render_card(release).replace("*", "")
    assert rows("SELECT kind, path, rows FROM snapshots ORDER BY 1") == [
        ("robots", "robots.parquet", 3),
        ("wat", "text.warc.wat", None),
    ]
    noai = "SELECT DISTINCT rights_state FROM documents WHERE domain = 'reserved.example'"
    assert rows(noai) == [("deny",)]


@pytest.mark.long
def test_a_crawl_gives_the_same_bytes_for_any_number_of_workers(tmp_path: Path) -> None:
    loaded = load_job(write_crawl(tmp_path / "in"))
    for workers in (1, 3):
        engine = loaded.job.engine.model_copy(update={"workers": workers})
        again = replace(loaded, job=loaded.job.model_copy(update={"engine": engine}))
        run_job(again, tmp_path / str(workers))
    assert release_digests(tmp_path / "1") == release_digests(tmp_path / "3")


def test_a_crawl_needs_no_mapping_of_fields(tmp_path: Path) -> None:
    path = write_crawl(tmp_path / "in")
    job = yaml.safe_load(path.read_text())
    job["sources"][0]["fields"] = {"text": "body"}
    path.write_text(dump_job(job))
    with pytest.raises(InputError, match="leave `fields` out"):
        run_job(load_job(path), tmp_path / "out")
