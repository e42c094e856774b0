# SPDX-License-Identifier: Apache-2.0
"""The line of releases: CURRENT that was set back is named, one that never moved is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from muniment.pipelines.chain import HISTORY, check_known
from muniment.pipelines.cli import main
from muniment.pipelines.query import connect
from muniment.pipelines.release import open_release
from muniment.pipelines.verify import verify
from release_fixture import tables, write_release

REFUSED = {"gates": [{"gate": "books", "question": "Q11", "state": "failed", "breaches": 1}]}
DAY = "2026-01-31T12:00:00+00:00"


def line(output: Path, count: int, *noted: int) -> list[str]:
    """Write releases that go back to each other, and those that became current into HISTORY."""
    ids: list[str] = []
    for number in range(count):
        parent = {"release": ids[-1], "manifest_sha256": ""} if ids else None
        ids.append(write_release(output, tables(), parent=parent, job={"name": f"n{number}"}))
    lines = [f"{DAY} snapshots/{ids[number]}\n" for number in noted]
    (output / HISTORY).write_text("".join(lines))
    return ids


def point(output: Path, release_id: str) -> list[tuple[str, str]]:
    """Set CURRENT; return the faults that `verify` finds."""
    (output / "CURRENT").write_text(f"snapshots/{release_id}\n")
    return [(fault.file, fault.check) for fault in verify(open_release(output))]


def test_a_pointer_set_back_to_any_former_release_is_named(tmp_path: Path) -> None:
    first, second, third = line(tmp_path, 3, 0, 1, 2)
    assert point(tmp_path, third) == []
    assert point(tmp_path, second) == [("CURRENT", "rolled-back")]
    assert point(tmp_path, first) == [("CURRENT", "rolled-back")]


def test_it_is_named_also_where_the_newer_release_was_taken_away(tmp_path: Path) -> None:
    first, second = line(tmp_path, 2, 0, 1)
    (tmp_path / "snapshots" / second).rename(tmp_path / "away")
    assert point(tmp_path, first) == [("CURRENT", "rolled-back")]


def test_former_releases_themselves_are_sound(tmp_path: Path) -> None:
    first, _ = line(tmp_path, 2, 0, 1)
    assert verify(open_release(tmp_path, snapshot=first)) == []


def test_a_release_that_never_became_current_says_nothing(tmp_path: Path) -> None:
    first, _ = line(tmp_path, 2, 0)  # refused by a gate, or its run was killed
    assert point(tmp_path, first) == []


def test_a_run_killed_before_it_was_noted_says_nothing(tmp_path: Path) -> None:
    _, second = line(tmp_path, 2, 0)
    assert point(tmp_path, second) == []


def test_going_back_on_purpose_is_a_line_more(tmp_path: Path) -> None:
    first, _ = line(tmp_path, 2, 0, 1, 0)
    assert point(tmp_path, first) == []


def test_an_older_release_that_was_never_noted_is_named(tmp_path: Path) -> None:
    first, *_ = line(tmp_path, 3, 1, 2)
    assert point(tmp_path, first) == [("CURRENT", "rolled-back")]


def test_a_pointer_to_a_refused_release_is_named(tmp_path: Path) -> None:
    _, second = line(tmp_path, 2, 0)
    (tmp_path / "snapshots" / second / "run.json").write_text(json.dumps(REFUSED))
    assert point(tmp_path, second) == [("CURRENT", "refused")]


def test_a_current_release_that_fails_a_gate_by_its_age_is_still_current(tmp_path: Path) -> None:
    (only,) = line(tmp_path, 1, 0)
    (tmp_path / "snapshots" / only / "run.json").write_text(json.dumps(REFUSED))
    assert point(tmp_path, only) == []


def test_a_history_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (only,) = line(tmp_path, 1, 0)
    (tmp_path / HISTORY).write_text(f"yesterday snapshots/{only}\n")
    assert point(tmp_path, only) == [(HISTORY, "history")]


def test_an_id_noted_elsewhere_holds_where_the_history_was_taken_away(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = line(tmp_path, 2, 0, 1)
    assert list(check_known(open_release(tmp_path), first)) == []
    (tmp_path / HISTORY).unlink()
    assert point(tmp_path, first) == []
    assert [fault.check for fault in check_known(open_release(tmp_path), second)] == ["rolled-back"]
    assert main(["verify", str(tmp_path), "--known", second]) == 3
    assert f"does not go back to {second}" in capsys.readouterr().err
    assert main(["verify", str(tmp_path), "--known", first]) == 0


def test_a_parent_that_was_collected_is_still_known_by_its_id(tmp_path: Path) -> None:
    first, _ = line(tmp_path, 2, 0, 1)
    (tmp_path / "snapshots" / first).rename(tmp_path / "away")
    assert list(check_known(open_release(tmp_path), first)) == []


def test_when_a_release_became_current_can_be_asked(tmp_path: Path) -> None:
    line(tmp_path, 2, 0)
    with connect(open_release(tmp_path)) as connection:
        rows = connection.execute(
            "SELECT is_current, became_current IS NOT NULL FROM releases ORDER BY ALL"
        ).fetchall()
    assert rows == [(False, True), (True, False)]
