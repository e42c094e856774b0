# SPDX-License-Identifier: Apache-2.0
"""What a release answers about rights signals, as counted by hand from the story of the fixture."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from muniment.pipelines.explain import explain, render_text
from muniment.pipelines.query import ask, connect
from muniment.pipelines.release import Release, open_release
from release_fixture import LISTED, Tables, doc_id, tables, write_release


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    output = tmp_path_factory.mktemp("story")
    made: Tables = tables()
    kept = next(row for row in made["documents"] if row["doc_id"] == doc_id(1))
    kept |= {"fetched_at": datetime(2025, 5, 1, tzinfo=UTC), "notice": "copyright"}
    later = dict(made["rights_signals"][-1])
    later |= {"doc_id": doc_id(1), "value": "deny", "status": "ok", "agent": "gptbot"}
    later |= {"asof": "latest", "applied": False, "documents": 1}
    made["rights_signals"].append(later)
    write_release(output, made)
    return open_release(output)


def test_the_signals_of_a_document_are_told_with_their_time(release: Release) -> None:
    with connect(release, native=True) as connection:
        (row,) = ask(connection, "signals", {"doc_id": doc_id(1).hex()})
    assert (row["protocol"], row["value"], row["agent"], row["asof"]) == (
        "robots", "deny", "gptbot", "latest",
    )  # fmt: skip
    text = render_text(explain(release, doc_id(1).hex()))
    assert "(recorded only) robots in robots_txt: deny to gptbot, seen 2025-06-01" in text
    listed = render_text(explain(release, doc_id(min(LISTED)).hex()))
    assert "* list in list_file: deny" in listed
    assert "deny by list" in listed


def test_protocols_and_marks_are_counted(release: Release) -> None:
    with connect(release, native=True) as connection:
        protocols = {(r["protocol"], r["status"]): r for r in ask(connection, "protocols", {})}
        assert protocols["list", "ok"]["decided"] == len(LISTED)
        assert protocols["robots", "silent"]["documents"] == 4
        marks = {row["source_id"]: row for row in ask(connection, "marks", {})}
        assert (marks["web"]["copyright_notices"], marks["web"]["noticed_kept"]) == (1, 1)
        (later,) = ask(connection, "later-denials", {})
        assert (later["protocol"], later["documents"]) == ("robots", 1)


def test_without_signals_the_answers_are_empty(tmp_path: Path) -> None:
    made = tables()
    made["rights_signals"] = []
    write_release(tmp_path, made)
    with connect(open_release(tmp_path), native=True) as connection:
        assert ask(connection, "protocols", {}) == []
        assert ask(connection, "later-denials", {}) == []
