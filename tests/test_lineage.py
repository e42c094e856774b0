# SPDX-License-Identifier: Apache-2.0
"""OpenLineage events say what a run read, wrote and proved, and never stop it."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from muniment.pipelines.run import run_job
from muniment.schemas.errors import GateError
from muniment.schemas.job import Lineage
from muniment.schemas.job_file import LoadedJob, load_job
from small_corpus import release_digests, write_corpus

pytestmark = pytest.mark.slow


def reporting(job_file: Path, **lineage: str) -> LoadedJob:
    loaded = load_job(job_file)
    engine = loaded.job.engine.model_copy(update={"lineage": Lineage(**lineage)})
    return replace(loaded, job=loaded.job.model_copy(update={"engine": engine}))


def events_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def ran(small_job: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    output = tmp_path_factory.mktemp("lineage") / "out"
    return output, run_job(reporting(small_job, file="events.jsonl"), output)


@pytest.fixture(scope="module")
def events(small_job: Path, ran: tuple[Path, dict[str, Any]]) -> list[dict[str, Any]]:
    assert ran[0].exists()
    return events_of(small_job.parent / "events.jsonl")


def test_a_run_starts_reports_its_stages_and_completes(events: list[dict[str, Any]]):
    first, last = events[0], events[-1]
    assert (first["eventType"], last["eventType"]) == ("START", "COMPLETE")
    assert first["run"]["runId"] == last["run"]["runId"]
    stages = [event for event in events[1:-1] if event["eventType"] == "COMPLETE"]
    names = [event["job"]["name"].rpartition(".")[2] for event in stages]
    assert names[0] == "annotate"
    assert names[-2] in {"finalize", "settle"}
    assert names[-1] == "prove"
    assert {event["run"]["facets"]["parent"]["run"]["runId"] for event in stages} == {
        first["run"]["runId"]
    }


def test_counts_are_those_of_the_release(ran: tuple[Path, dict[str, Any]], events: Any):
    _, summary = ran
    last = events[-1]
    rows = [item["inputFacets"]["inputStatistics"]["rowCount"] for item in last["inputs"]]
    assert sum(rows) == summary["documents"]["read"]
    (corpus,) = last["outputs"]
    written = corpus["outputFacets"]["outputStatistics"]
    assert written["rowCount"] == summary["documents"]["kept"]
    assert written["size"] > 0
    assert corpus["facets"]["version"]["datasetVersion"] == summary["release"]


def test_books_and_gates_are_quality_assertions(events: list[dict[str, Any]]):
    (corpus,) = events[-2]["inputs"]
    tests = corpus["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert tests[0]["name"] == "books"
    assert len(tests) > 3
    assert all(test["success"] for test in tests)


def test_lineage_changes_no_byte_of_a_release(
    ran: tuple[Path, dict[str, Any]], small_release: tuple[Path, dict[str, Any]]
):
    assert release_digests(ran[0]) == release_digests(small_release[0])


def test_what_stops_a_run_is_reported(tmp_path: Path):
    job = reporting(write_corpus(tmp_path), file="events.jsonl")
    strict = job.job.deduplication.model_copy(update={"max_source_loss": 0.0})
    stopped = replace(job, job=job.job.model_copy(update={"deduplication": strict}))
    with pytest.raises(GateError) as caught:
        run_job(stopped, tmp_path / "out")
    last = events_of(tmp_path / "events.jsonl")[-1]
    assert last["eventType"] == "FAIL"
    assert last["run"]["facets"]["errorMessage"]["message"] == str(caught.value)


class Listener(BaseHTTPRequestHandler):
    heard: list[tuple[str, str | None, dict[str, Any]]] = []  # noqa: RUF012  (of the test's class)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.heard.append((self.path, self.headers["Authorization"], json.loads(body)))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_a_service_gets_the_events_and_a_dead_one_stops_nothing(
    small_job: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "planted-secret")
    with HTTPServer(("127.0.0.1", 0), Listener) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        run_job(reporting(small_job, url=url), tmp_path / "heard")
        server.shutdown()
    assert {path for path, _, _ in Listener.heard} == {"/api/v1/lineage"}
    assert {key for _, key, _ in Listener.heard} == {"Bearer planted-secret"}
    assert Listener.heard[-1][2]["eventType"] == "COMPLETE"
    run_job(reporting(small_job, url=url), tmp_path / "unheard")
    assert "lineage: an event could not be delivered" in caplog.text
    assert "planted-secret" not in caplog.text
