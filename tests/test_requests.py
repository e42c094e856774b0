# SPDX-License-Identifier: Apache-2.0
"""Requests: a register that only grows, what a job makes of it, and which releases a request meets."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from muniment.pipelines.cli import main
from muniment.pipelines.query import connect
from muniment.pipelines.release import open_release
from muniment.pipelines.requests import add_request, match_request, move_request
from muniment.schemas.errors import JobError, ListError
from muniment.schemas.job_file import load_job
from muniment.schemas.job_governance import RequestKind
from muniment.schemas.job_lists import ListKind
from muniment.schemas.register import (
    DAYS_BY_KIND,
    NEXT,
    RequestState,
    append_event,
    read_register,
)
from muniment.transforms.keys import load_key
from small_corpus import dump_job, write_corpus
from stage_runner import documents, govern, planned

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def asked(register: Path, case: str, content: bytes = b"site5.example.org\n", **what: Any) -> None:
    told = {
        "kind": RequestKind.TDM_OPTOUT,
        "selector": ListKind.DOMAIN,
        "legal_ref": "EU 2019/790 Art. 4(3)",
        "received": date(2026, 3, 1),
    }
    add_request(register, case, content=content, **(told | what))


def test_a_request_goes_from_received_to_answered(tmp_path: Path) -> None:
    register = tmp_path / "requests.jsonl"
    asked(register, "case-1")
    for state in (RequestState.VERIFIED, RequestState.EXECUTED, RequestState.ANSWERED):
        move_request(register, "case-1", state)
    case = read_register(register)["case-1"]
    assert case.state is RequestState.ANSWERED
    assert None not in (case.verified, case.closed)
    assert case.opening.due == date(2026, 3, 15)
    assert (tmp_path / case.opening.path).read_bytes() == b"site5.example.org\n"
    assert register.stat().st_mode & 0o077 == 0


def test_every_kind_has_its_days_and_every_state_what_follows() -> None:
    assert set(DAYS_BY_KIND) == set(RequestKind)
    assert set(NEXT) == set(RequestState)
    assert DAYS_BY_KIND[RequestKind.ERASURE] == 30


def test_what_cannot_follow_is_refused_and_not_written(tmp_path: Path) -> None:
    register = tmp_path / "requests.jsonl"
    asked(register, "case-1")
    before = register.read_bytes()
    with pytest.raises(JobError, match="received: expected verified, rejected next, got answered"):
        move_request(register, "case-1", RequestState.ANSWERED)
    with pytest.raises(JobError, match="in it already"):
        asked(register, "case-1")
    with pytest.raises(JobError, match="no request case-2"):
        move_request(register, "case-2", RequestState.VERIFIED)
    with pytest.raises(JobError, match="expected `received`"):
        append_event(register, "case-2", RequestState.VERIFIED, NOW)
    with pytest.raises(ListError, match="too_broad"):
        asked(register, "case-3", b"com\n")
    assert register.read_bytes() == before
    assert [path.name for path in (tmp_path / "requests").iterdir()] == ["case-1.txt"]


def test_a_register_shows_that_it_was_changed(tmp_path: Path) -> None:
    register = tmp_path / "requests.jsonl"
    for n in range(3):
        asked(register, f"case-{n}")
    whole = register.read_bytes()
    lines = whole.splitlines(keepends=True)
    for spoilt, problem in (
        (whole.replace(b"2026-03-15", b"2027-03-15", 1), ":2: a line before it was changed"),
        (lines[0] + lines[2], ":2: a line before it was changed"),
        (whole[:-9], "cut off"),
        (b"{}\n", ":1: expected an event"),
    ):
        register.write_bytes(spoilt)
        with pytest.raises(JobError, match=problem):
            read_register(register)


def test_the_asker_cannot_be_named_by_an_address(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="legal_ref"):
        asked(tmp_path / "requests.jsonl", "case-1", legal_ref="jane@doe.org asks")


def with_register(folder: Path) -> Path:
    job = write_corpus(folder)
    content = yaml.safe_load(job.read_text())
    job.write_text(dump_job({**content, "requests": "requests.jsonl"}))
    return job


def test_a_job_carries_out_what_was_verified_and_nothing_before(tmp_path: Path) -> None:
    job = with_register(tmp_path / "in")
    register = job.parent / "requests.jsonl"
    with pytest.raises(JobError, match=r"requests.jsonl: No such file"):
        load_job(job)
    asked(register, "case-5")
    asked(register, "case-6", b"site6.example.org\n")
    assert [item.name for item in load_job(job).job.lists] == ["optout", "takedown"]
    move_request(register, "case-5", RequestState.VERIFIED)
    loaded = load_job(job).job
    assert loaded.rights.lists == ("optout", "takedown", "case-5")
    assert loaded.lists[-1].request is not None
    assert loaded.lists[-1].request.verified is not None
    rows = documents(govern(planned(job, tmp_path / "work")))
    hosts = {row["host"]: row["reason"] for row in rows if row["host"]}
    assert hosts["site5.example.org"] == "optout_domain"
    assert hosts["site6.example.org"] != "optout_domain"


@pytest.mark.slow
@pytest.mark.model
def test_a_request_is_matched_with_releases_from_their_manifests(
    small_release: Any, small_job: Path, tmp_path: Path
) -> None:
    release = open_release(small_release[0])
    register = tmp_path / "requests.jsonl"
    asked(register, "domain")
    asked(register, "url", b"https://SITE1.example.org:443/21\n", selector=ListKind.URL)
    asked(register, "licence", b"CC0-1.0\n", selector=ListKind.LICENCE)
    asked(register, "author", b"Jane Doe\n", selector=ListKind.AUTHOR)
    asked(register, "person", b"0" * 32 + b"\n", selector=ListKind.PERSON)
    key = load_key(small_job.parent / "key").derive("url-hash/v1")
    found = {
        case: match_request(register, case, [release], url_key=key)["releases"][0]
        for case in read_register(register)
    }
    with connect(release) as connection:
        sql = "SELECT lower(hex(doc_id)) FROM documents WHERE host = 'site5.example.org'"
        kept = connection.execute(f"{sql} AND outcome = 'kept' ORDER BY 1").fetchall()
    assert found["domain"]["documents"] == 12
    assert [(doc_id,) for doc_id in found["domain"]["doc_ids"]] == kept
    assert found["domain"]["kept"] == len(kept)
    assert (found["url"]["documents"], found["url"]["unknown"]) == (1, None)
    assert found["licence"]["kept"] == small_release[1]["documents"]["kept"]
    assert "needs" in found["author"]["unknown"] or "run" in found["author"]["unknown"]
    assert found["person"]["documents"] == 0
    assert not any(answer["applied"] for answer in found.values())
    (blind,) = match_request(register, "url", [release])["releases"]
    assert "--key-file" in blind["unknown"]


def test_the_command_line_keeps_a_register(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key").write_bytes(bytes(range(32)))
    (tmp_path / "key").chmod(0o600)

    class Stdin:
        def readline(self) -> str:
            return "Mary.Major@Example.org\n"

    monkeypatch.setattr("sys.stdin", Stdin())
    assert main(["request", "hash", "-k", "key", "-t", "EMAIL_ADDRESS"]) == 0
    digest = capsys.readouterr().out
    (tmp_path / "who.txt").write_text(digest)
    told = ["--kind", "erasure", "--selector", "person", "--legal-ref", "GDPR Art. 17(1)"]
    told += ["--received", "2026-01-02"]
    assert main(["request", "add", "case-9", "who.txt", *told]) == 0
    assert main(["request", "mark", "case-9"]) == 0
    capsys.readouterr()
    for day, count in (("2026-02-01", 0), ("2026-02-02", 1)):
        assert main(["request", "list", "--overdue", "--asof", day]) == 0
        assert len(capsys.readouterr().out.splitlines()) == count
    assert main(["request", "close", "case-9", "--state", "rejected"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "rejected"
    assert main(["request", "add", "case-10", "none.txt", *told]) == 2
    assert "mary" not in "".join(
        p.read_text().lower() for p in tmp_path.rglob("*.*") if p.is_file()
    )
