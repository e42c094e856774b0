# SPDX-License-Identifier: Apache-2.0
"""What-if: an answer from the manifest is what a run gives, or says that it cannot tell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from muniment.pipelines.cli import main
from muniment.pipelines.release import open_release
from muniment.pipelines.whatif import whatif
from muniment.schemas.errors import QueryError
from muniment.schemas.job_lists import ListKind
from muniment.transforms.keys import load_key
from small_corpus import dump_job, write_corpus
from stage_runner import documents, govern, planned

pytestmark = [pytest.mark.slow, pytest.mark.model]


def governed(folder: Path, change: Any) -> dict[str, int]:
    """Return what a run with a changed job keeps."""
    job = write_corpus(folder / "in")
    content = yaml.safe_load(job.read_text())
    change(content)
    job.write_text(dump_job(content))
    rows = [
        row for row in documents(govern(planned(job, folder / "work"))) if row["outcome"] == "kept"
    ]
    return {"documents": len(rows), "tokens": sum(row["tokens_out"] for row in rows)}


def test_a_list_takes_what_a_run_with_it_takes(
    small_release: Any, small_job: Path, tmp_path: Path
) -> None:
    """Copies of the listed documents under other addresses go with them, in both."""
    listed = tmp_path / "new.txt"
    listed.write_text("".join(f"https://site5.example.org/{n}\n" for n in (5, 85, 95)))
    key = load_key(small_job.parent / "key").derive("url-hash/v1")
    chosen = [(listed, ListKind.URL)]
    answer = whatif(open_release(small_release[0]), lists=chosen, url_key=key)

    def add(content: dict[str, Any]) -> None:
        content["lists"].append({"name": "new", "kind": "url", "path": "new.txt"})
        content["rights"]["lists"].append("new")
        (tmp_path / "in" / "new.txt").write_text(listed.read_text())

    assert answer["exact"], answer["unknown"]
    assert answer["removed"]["documents"] == 3
    assert answer["then"] == governed(tmp_path, add)
    assert [row["value"] for row in answer["by"]["source"]] == ["web"]
    assert sum(row["tokens"] for row in answer["by"]["language"]) == answer["removed"]["tokens"]


def test_a_setting_changes_what_a_run_with_it_changes(small_release: Any, tmp_path: Path) -> None:
    release = open_release(small_release[0])
    answer = whatif(
        release, settings={"toxicity.thresholds.en": "0.02", "language.min_score": "0.2"}
    )

    def change(content: dict[str, Any]) -> None:
        content["toxicity"] = {"thresholds": {"en": 0.02}}
        content["language"] = {"min_score": 0.2}

    found = governed(tmp_path, change)
    least, most = answer["then"], {k: v + answer["open"][k] for k, v in answer["then"].items()}
    assert answer["removed"]["documents"] > 0
    for name, value in found.items():
        assert least[name] <= value <= most[name]
    assert answer["exact"] == (answer["open"]["documents"] == 0)


def test_nothing_changes_where_nothing_is_changed(small_release: Any) -> None:
    release = open_release(small_release[0])
    answer = whatif(release, settings={"rights.unknown_policy": "drop"})
    assert answer["then"] == answer["now"]
    assert answer["now"]["documents"] == small_release[1]["documents"]["kept"]


def test_what_needs_a_run_is_said(
    small_release: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release = open_release(small_release[0])
    with pytest.raises(QueryError, match="needs a run"):
        whatif(release, settings={"deduplication.near.threshold": "0.7"})
    with pytest.raises(QueryError, match="not a value"):
        whatif(release, settings={"language.min_score": "much"})
    (tmp_path / "authors.txt").write_text("Jane Doe\n")
    words = ["--list", str(tmp_path / "authors.txt"), "--kind", "author"]
    assert main(["whatif", str(small_release[0]), *words]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert not answer["exact"]
    assert "authors" in answer["unknown"][0]
    assert main(["whatif", str(small_release[0])]) == 2
