# SPDX-License-Identifier: Apache-2.0
"""Ten thousand canaries through every way in which a run can end; see `test_privacy`.

Values of all kinds stand in every field of every kind of record, plain and in sixteen disguises. The
job is released, dies in a worker, meets an error of a stage, of the engine and of the disk, is
refused by a gate, is killed and taken up again; each time every byte it left anywhere is searched.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from pii_disguises import DISGUISES

from muniment.pipelines.cli import main
from small_corpus import dump_job, prose
from test_crash import wait_for_unit
from test_privacy import CORPUS, MARK, PLAN, STAGED_CORPUS, Planted, Ran, plant, run

pytestmark = [pytest.mark.long, pytest.mark.model]

LEAST = 10_000
"""Planted values, of which as many are personal data as words; half would do."""
EACH = 6
"""Values of each kind in each disguise."""


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    """Plant twelve times as much as `test_privacy`, disguised values, and events of lineage."""
    made = plant(tmp_path_factory.mktemp("planted"), times=12)
    folder = made.job.parent
    kinds = (made.personal.email, made.personal.phone, made.personal.card, made.personal.resident)
    lines = []
    for number in range(EACH):
        for wear in DISGUISES.values():
            for kind in kinds:
                plain = kind()
                value = wear(plain)
                if unicodedata.normalize("NFC", value) == plain:
                    continue
                made.personal.personal.append(value.lower())
                text = f"Write to {value} today. {prose(50_000 + len(lines))}"
                lines.append({"text": text, "title": f"On {value}", "id": f"{number} {value}"})
    (folder / "disguised.jsonl").write_text(
        "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    )
    content = yaml.safe_load(made.job.read_text())
    loud = content["sources"][0]
    loud["paths"].append("disguised.jsonl")
    content["engine"] = content.get("engine", {}) | {"lineage": {"file": "../events/lineage.jsonl"}}
    (folder.parent / "events").mkdir(exist_ok=True)
    made.job.write_text(dump_job(content))
    return made


def everything_is_clean(planted: Planted, ran: Ran) -> None:
    """Assert that nothing but the corpus, and the plan that names files, holds a canary."""
    search = planted.outside()
    assert search.leaks(ran.everything, but=(CORPUS, STAGED_CORPUS, PLAN)) == {}
    assert search.leaks(planted.job.parent.parent / "events") == {}


def test_ten_thousand_are_planted_and_the_search_finds_them(planted: Planted) -> None:
    values = {*planted.shown.words, *planted.hidden.words, *planted.personal.personal}
    assert len(set(planted.personal.personal)) >= LEAST
    assert len(values) >= 2 * LEAST
    found = set().union(*planted.outside().leaks(planted.job.parent).values())
    assert found >= {*planted.shown.words, MARK}
    # Of some no literal is in the inputs: digests, what a cut stream lost, what JSON escapes.
    assert len(found & set(planted.personal.personal)) > 0.6 * LEAST
    assert len(found) > 1.5 * LEAST


@pytest.mark.parametrize("workers", [1, 2])
def test_a_release_holds_none(
    planted: Planted, tmp_path: Path, workers: int, capfd: pytest.CaptureFixture[str]
) -> None:
    ran = run(planted, tmp_path / "all", workers, "detector")
    assert ran.code == 0, ran.said("stderr")
    everything_is_clean(planted, ran)
    corpus = next((ran.output / "snapshots").glob("*/corpus"))
    assert planted.inside().leaks(corpus) == {}
    capfd.readouterr()
    folder = str(ran.output)
    for statement in (
        "SELECT CAST(host AS INTEGER) FROM documents",
        "SELECT CAST(title AS DATE) FROM documents",
        "SELECT error(coalesce(url, source_id)) FROM documents",
        "SELECT * FROM corpus",
        "FROM documents WHERE",
    ):
        assert main(["query", folder, statement]) in (0, 2)
    said = capfd.readouterr()
    for form in ("md", "html"):
        assert main(["card", folder, "--format", form]) == 0
    shown = capfd.readouterr()
    assert planted.outside().within("".join((*said, *shown)).encode()) == set()


@pytest.mark.parametrize("fault", ["stage", "engine", "disk", "crash"])
def test_a_run_that_fails_holds_none(planted: Planted, tmp_path: Path, fault: str) -> None:
    ran = run(planted, tmp_path / "all", 2, fault)
    assert ran.code not in (0, 2)
    assert not (ran.output / "CURRENT").exists()
    everything_is_clean(planted, ran)


def test_a_run_that_a_gate_refuses_holds_none(planted: Planted, tmp_path: Path) -> None:
    job = planted.job.with_name("refused.yaml")
    content = yaml.safe_load(planted.job.read_text()) | {"gates": {"signers": ["00" * 32]}}
    job.write_text(dump_job(content))
    refused = Planted(job, planted.shown, planted.cut, planted.hidden, planted.personal)
    ran = run(refused, tmp_path / "all", 1, "none")
    job.unlink()
    assert ran.code == 3, ran.said("stderr")
    everything_is_clean(planted, ran)


@pytest.mark.parametrize("stage", ["annotate", "finalize"])
def test_a_killed_run_and_the_one_after_it_hold_none(
    planted: Planted, tmp_path: Path, stage: str
) -> None:
    everything = tmp_path / "all"
    for name in ("out", "cwd", "tmp"):
        (everything / name).mkdir(parents=True)
    command = [sys.executable, "-m", "muniment", "-vv", "run", str(planted.job), "--keep-work"]
    with (everything / "stderr").open("wb") as errors:
        process = subprocess.Popen(
            [*command, "-o", str(everything / "out"), "--workers", "1"],
            cwd=everything / "cwd",
            env=os.environ | {"TMPDIR": str(everything / "tmp")},
            stdout=errors,
            stderr=errors,
            start_new_session=True,
        )
        wait_for_unit(process, everything / "out", stage)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    everything_is_clean(planted, Ran(everything, process.returncode))
    again = subprocess.run(
        [*command, "-o", str(everything / "out"), "--workers", "1"],
        cwd=everything / "cwd",
        env=os.environ | {"TMPDIR": str(everything / "tmp")},
        capture_output=True,
        check=False,
    )
    (everything / "again").write_bytes(again.stdout + again.stderr)
    assert again.returncode == 0, again.stderr.decode()
    everything_is_clean(planted, Ran(everything, 0))
