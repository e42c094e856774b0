# SPDX-License-Identifier: Apache-2.0
"""`diff` tells what left, what came and why, and counts it as SQL over both releases would."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from muniment.pipelines.cli import main
from muniment.pipelines.diff import compare_releases, render
from muniment.pipelines.release import Release, open_release
from release_fixture import STORY, build_release, doc_id, tables, write_release

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the story, and a later release in which five documents fare otherwise."""
    folder = tmp_path_factory.mktemp("two")
    build_release(folder)
    made = tables()
    rows = {row["doc_id"]: row for row in made["documents"]}
    gone = rows[doc_id(1)]
    gone |= {"outcome": "removed", "reason": "toxic", "tokens_out": 0, "text_hash_out": None}
    made["decisions"].append(
        made["decisions"][0]
        | {"doc_id": doc_id(1), "rule_id": "toxicity", "terminal": True, "list_id": None}
    )
    rows[doc_id(4)] |= {"outcome": "kept", "reason": None, "tokens_out": 100}
    rows[doc_id(5)]["text_hash_out"] = bytes(16)
    rows[doc_id(8)]["reason"] = "toxic"
    made["documents"] = [row for row in made["documents"] if row["doc_id"] != doc_id(11)]
    rules = [{"rule_id": "toxicity", "version": 1, "parameters": '{"threshold": 0.5}'}]
    write_release(folder, made, rules=rules, code_version="0.2.0")
    return folder


@pytest.fixture(scope="module")
def releases(output: Path) -> tuple[Release, Release]:
    new = open_release(output)
    (old,) = {path.name for path in (output / "snapshots").iterdir()} - {new.id}
    return open_release(output, snapshot=old), new


@pytest.fixture(scope="module")
def difference(releases: tuple[Release, Release]) -> dict[str, Any]:
    return compare_releases(*releases)


def test_what_left_has_the_reason_of_the_new_release(difference: dict[str, Any]) -> None:
    left = [tuple(row.values()) for row in difference["left"]]
    assert left == [
        ("web", "not in the input", None, None, 1, 100),
        ("web", "toxic", "toxicity", None, 1, _tokens(1)),
    ]


def _tokens(number: int) -> int:
    return next(
        row["tokens_out"] for row in tables()["documents"] if row["doc_id"] == doc_id(number)
    )


def test_what_came_has_the_reason_it_was_left_out_for(difference: dict[str, Any]) -> None:
    assert [tuple(row.values()) for row in difference["came"]] == [("web", "toxic", 1, 100)]


def test_other_changes_stand_apart(difference: dict[str, Any]) -> None:
    assert [(row["source"], row["documents"]) for row in difference["edited"]] == [("web", 1)]
    assert [tuple(row.values()) for row in difference["otherwise"]] == [
        ("web", "language_not_allowed", "toxic", 1)
    ]


def test_counts_by_language_are_those_of_the_rows(difference: dict[str, Any]) -> None:
    kept = [story for story in STORY if story[1] == "kept"]
    for row in difference["by"]["language"]:
        word = row["language"]
        assert row["documents_before"] == sum(story[6] == word for story in kept)
    (chinese,) = (row for row in difference["by"]["language"] if row["language"] == "zh")
    assert chinese["documents"] == chinese["documents_before"] - 1


def test_changed_rules_and_settings_are_named(difference: dict[str, Any]) -> None:
    assert {row["what"] for row in difference["changed"]["rules"]} == {
        "toxicity.parameters",
        "toxicity.version",
    }
    (code,) = difference["changed"]["settings"]
    assert code == {"what": "code_version", "before": "0.1.0", "now": "0.2.0"}


def test_a_release_does_not_differ_from_itself(releases: tuple[Release, Release]) -> None:
    same = compare_releases(releases[0], releases[0])
    assert same["equal_tables"] == ["decisions", "documents"]
    assert not any(same[name] for name in ("left", "came", "edited", "otherwise"))
    assert not any(same["changed"].values())


@pytest.mark.parametrize("form", ["text", "md"])
def test_the_readable_forms_show_every_part(difference: dict[str, Any], form: str) -> None:
    shown = render(difference, form)
    assert ("## What left" if form == "md" else "WHAT LEFT") in shown
    assert "toxicity" in shown


def test_the_command_line_takes_ids_of_one_folder_or_two_folders(
    output: Path, releases: tuple[Release, Release], capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = (release.id for release in releases)
    assert main(["diff", str(output), old, new, "--format", "json"]) == 0
    one = json.loads(capsys.readouterr().out)
    assert (one["old"]["release"], one["new"]["release"]) == (old, new)
    assert main(["diff", str(output), str(output), "--format", "md"]) == 0
    assert "nothing" in capsys.readouterr().out
    assert main(["diff", str(output)]) == 2
