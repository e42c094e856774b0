# SPDX-License-Identifier: Apache-2.0
"""The command line as scripts call it: what it prints where, its exit codes, how it is stopped.

Data on stdout, one line on stderr for each thing the user can mend, no traceback ever. Exit codes:
0 done, 1 a defect, 2 the user can mend it, 3 books, gates or integrity, 130 and 143 stopped.
"""

from __future__ import annotations

import fcntl
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from muniment.pipelines import cli
from muniment.pipelines.cli import main
from muniment.pipelines.run import LOCK_FILE
from small_corpus import dump_job, release_digests, write_corpus

SUMMARY = {
    "release",
    "output",
    "documents",
    "removed_by_reason",
    "tokens",
    "bytes_in",
    "seconds",
    "stages",
}
"""Keys that callers rely on; there may be more."""

PATIENCE = 120  # seconds until a hanging run fails the test


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def released(job: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("released")
    assert main(["run", str(job), "--output", str(output)]) == 0
    return output


def changed(job: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Write a variant of a job beside it."""
    content = yaml.safe_load(job.read_text())
    change(content)
    path = job.with_name("changed.yaml")
    path.write_text(dump_job(content))
    return path


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> list[str]:
    """Run a command that must be refused; return its lines on stderr, all of them errors."""
    assert main([str(argument) for argument in arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    lines = said.err.splitlines()
    assert lines
    assert all(line.startswith("error: ") for line in lines)
    return lines


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.stat().st_size)
        for path in folder.rglob("*")
    }


# ---- run


@pytest.mark.slow
@pytest.mark.model
def test_run_prints_one_json_object_on_the_last_line(job, tmp_path, capsys):
    assert main(["run", str(job), "--output", str(tmp_path), "--exchange", "engine"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    (line,) = said.out.splitlines()
    summary = json.loads(line)
    assert set(summary) >= SUMMARY
    assert (tmp_path / "CURRENT").read_text().strip() == f"snapshots/{summary['release']}"
    assert summary["output"] == str(tmp_path)
    documents = summary["documents"]
    assert set(documents) == {"read", "kept", "removed", "quarantined"}
    assert documents["read"] == sum(documents.values()) - documents["read"]
    assert sum(summary["removed_by_reason"].values()) == documents["removed"]
    assert set(summary["tokens"]) == {"in", "out"}
    assert summary["bytes_in"] > 0
    assert summary["seconds"] > 0
    for stage in ("annotate", "group", "verify", "finalize"):
        assert set(summary["stages"][stage]) == {
            *("seconds", "cpu_seconds", "bytes"),
            *("units", "files", "written", "sent", "sent_bytes"),
        }
    assert not (tmp_path / ".work").exists()


def test_a_dry_run_prints_the_plan_and_touches_nothing(job, tmp_path, capsys):
    before = listing(job.parent)
    assert main(["run", str(job), "-o", str(tmp_path / "out"), "--dry-run"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert set(plan) >= {"fingerprint", "stages", "inputs", "splits", "lists", "models", "rules"}
    assert [item["path"] for item in plan["inputs"]] == [
        "mail.parquet",
        "packed.jsonl.gz",
        "web.jsonl",
    ]
    assert listing(job.parent) == before
    assert list(tmp_path.iterdir()) == []


def test_flags_that_muniment_does_not_know_go_to_beam(job, tmp_path, capsys, monkeypatch):
    seen = []

    def describe(_loaded: Any, _output: Path, arguments: list[str]) -> dict[str, Any]:
        seen.extend(arguments)
        return {}

    monkeypatch.setattr("muniment.pipelines.run.describe_plan", describe)
    flags = ["--runner=FlinkRunner", "--flink_master=localhost:8081"]
    assert main(["run", str(job), "--dry-run", *flags, "-o", str(tmp_path)]) == 0
    assert seen == flags
    capsys.readouterr()


def test_a_flag_that_beam_does_not_know_either_is_refused(job, tmp_path, capsys):
    (line,) = refused(capsys, "run", job, "--no-such-flag", "-o", tmp_path / "out")
    assert "--no-such-flag" in line
    assert not (tmp_path / "out").exists()


def test_a_missing_job_is_one_line(tmp_path, capsys):
    (line,) = refused(capsys, "run", tmp_path / "none.yaml")
    assert "none.yaml: No such file or directory" in line


def test_every_problem_of_a_job_file_is_a_line(job, capsys):
    def spoil(content: dict[str, Any]) -> None:
        content["nmae"] = content.pop("name")
        content["sources"][0]["rank"] = -1
        content["deduplication"]["near"]["threshold"] = 1.5
        del content["sources"][1]["licence"]

    path = changed(job, spoil)
    lines = refused(capsys, "run", path)
    assert len(lines) == 5
    assert all(str(path) in line for line in lines)
    for word in ("nmae", "name", "rank", "threshold", "licence"):
        assert any(word in line for line in lines)


def spoil_input(content: dict[str, Any]) -> None:
    content["sources"][0]["paths"] = ["nowhere*.jsonl"]


def spoil_language(content: dict[str, Any]) -> None:
    content["toxicity"] = {"thresholds": {"xx": 0.5}}


def spoil_list(content: dict[str, Any]) -> None:
    content["lists"][0]["path"] = "empty.txt"


def spoil_key(content: dict[str, Any]) -> None:
    content["key_file"] = "weak"


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (spoil_input, "nowhere*.jsonl"),
        (spoil_language, "toxicity.thresholds.xx"),
        (spoil_list, "empty.txt: empty_optout"),
        (spoil_key, "weak: the bytes are not random"),
    ],
)
def test_what_a_job_names_is_looked_at_before_any_work(job, tmp_path, capsys, spoil, named):
    (job.parent / "empty.txt").write_text("# nothing\n")
    (job.parent / "weak").write_bytes(bytes(32))
    (job.parent / "weak").chmod(0o600)
    (line,) = refused(capsys, "run", changed(job, spoil), "-o", tmp_path / "out")
    assert named in line
    assert not (tmp_path / "out" / ".work").exists()


@pytest.mark.slow
@pytest.mark.model
def test_a_damaged_input_stops_the_job_and_is_named(job, tmp_path, capsys):
    whole = (job.parent / "packed.jsonl.gz").read_bytes()
    (job.parent / "torn.jsonl.gz").write_bytes(whole[:-9])

    def tear(content: dict[str, Any]) -> None:
        content["sources"][0]["paths"] = ["torn.jsonl.gz"]

    (line,) = refused(capsys, "run", changed(job, tear), "-o", tmp_path)
    assert "torn.jsonl.gz" in line
    assert "truncated_stream" in line
    assert not (tmp_path / "CURRENT").exists()


def test_an_output_in_use_is_refused(job, tmp_path, capsys):
    with open(tmp_path / LOCK_FILE, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4711")
        lock.flush()
        (line,) = refused(capsys, "run", job, "-o", tmp_path)
    assert "locked by pid 4711" in line


def test_an_output_that_cannot_be_made_is_refused(job, tmp_path, capsys):
    (tmp_path / "file").touch()
    (line,) = refused(capsys, "run", job, "-o", tmp_path / "file" / "out")
    assert str(tmp_path / "file") in line


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["card", "--format", "pdf"], ["query", "a", "b", "c"], ["explain"], []],
)
def test_wrong_arguments_are_one_line_that_says_where_help_is(capsys, arguments):
    (line,) = refused(capsys, *arguments)
    assert line.endswith("--help")


def test_a_defect_is_one_line_without_what_the_exception_says(capsys, monkeypatch, tmp_path):
    def broken(_path: Path) -> None:
        raise ValueError("words of a document")

    monkeypatch.setattr("muniment.transforms.keys.generate_key", broken)
    assert main(["keygen", str(tmp_path / "key")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "ValueError at test_cli.py:" in line
    assert "words" not in line


# ---- the other verbs


@pytest.mark.slow
@pytest.mark.model
def test_query_prints_a_json_array_of_objects(released, capfd):
    sql = "SELECT outcome, count(*) AS n FROM documents GROUP BY ALL ORDER BY ALL"
    assert main(["query", str(released), sql, "--format", "json"]) == 0
    rows = json.loads(capfd.readouterr().out)
    assert [row["outcome"] for row in rows] == ["kept", "quarantined", "removed"]
    assert all(set(row) == {"outcome", "n"} for row in rows)
    assert main(["query", str(released), "--named", "funnel", "--format", "json"]) == 0
    assert isinstance(json.loads(capfd.readouterr().out), list)
    assert main(["query", "--list"]) == 0
    assert "funnel" in capfd.readouterr().out


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.parametrize(
    "sql", ["SELECT", "DROP TABLE documents", "SELECT * FROM read_text('/etc/hosts')"]
)
def test_query_refuses_in_one_line(released, capfd, sql):
    (line,) = refused(capfd, "query", released, sql)
    assert "Traceback" not in line


@pytest.mark.slow
@pytest.mark.model
def test_explain_prints_json_for_an_id_and_for_an_address(job, released, capfd):
    sql = "SELECT hex(doc_id) AS id FROM documents WHERE reason = 'optout_domain' LIMIT 1"
    assert main(["query", str(released), sql, "--format", "json"]) == 0
    (row,) = json.loads(capfd.readouterr().out)
    assert main(["explain", str(released), row["id"], "--format", "json"]) == 0
    answer = json.loads(capfd.readouterr().out)
    assert answer["document"]["doc_id"] == row["id"].lower()
    assert answer["document"]["reason"] == "optout_domain"
    key, address = str(job.parent / "key"), "https://site3.example.org/3"
    command = ["explain", str(released), address, "--key-file", key, "--format", "json"]
    assert main(command) == 0
    assert json.loads(capfd.readouterr().out)["document"]["reason"] == "optout_domain"
    (line,) = refused(capfd, "explain", released, address)
    assert "key file" in line


@pytest.mark.slow
@pytest.mark.model
def test_verify_names_the_file_in_which_one_byte_is_wrong(released, capsys):
    assert main(["verify", str(released)]) == 0
    assert json.loads(capsys.readouterr().out)["verified"] is True
    part = next(released.glob("snapshots/*/manifest/documents/part-00000.parquet"))
    whole = part.read_bytes()
    part.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    try:
        assert main(["verify", str(released)]) == 3
    finally:
        part.write_bytes(whole)
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert "manifest/documents/part-00000.parquet: digest" in line
    assert main(["verify", str(released)]) == 0


def test_a_folder_without_a_release_is_refused(tmp_path, capsys):
    for verb in (["verify"], ["card"], ["query"], ["explain"]):
        more = {"query": ["SELECT 1"], "explain": ["abcdef"]}.get(verb[0], [])
        (line,) = refused(capsys, *verb, tmp_path, *more)
        assert str(tmp_path) in line


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.parametrize(("form", "start"), [("md", "# "), ("html", "<!DOCTYPE html>")])
def test_the_card_goes_to_stdout_or_to_a_file(released, tmp_path, capsys, form, start):
    assert main(["card", str(released), "--format", form]) == 0
    printed = capsys.readouterr().out
    assert start.lower() in printed[:300].lower()
    target = tmp_path / f"card.{form}"
    assert main(["card", str(released), "--format", form, "-o", str(target)]) == 0
    assert target.read_text() == printed
    assert capsys.readouterr().out == ""
    (line,) = refused(capsys, "card", released, "-o", tmp_path / "none" / "card")
    assert "none/card" in line


def test_keygen_never_overwrites(tmp_path, capsys):
    path = tmp_path / "key"
    assert main(["keygen", str(path)]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"key_file", "key_id"}
    assert path.stat().st_mode & 0o777 == 0o600
    key = path.read_bytes()
    (line,) = refused(capsys, "keygen", path)
    assert "File exists" in line
    assert path.read_bytes() == key


@pytest.mark.parametrize("what", ["job", "manifest"])
def test_schema_prints_a_reference(capsys, what):
    assert main(["schema", what]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("#")
    assert ("key_file" if what == "job" else "text_hash_out") in printed


@pytest.mark.parametrize("verb", sorted(cli.cli.commands))
def test_every_command_has_help(capsys, verb):
    assert main([verb, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: muniment {verb}")


def test_the_whole_command_has_help_and_a_version(capsys):
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(f"  {verb} " in printed for verb in cli.cli.commands)
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("muniment, version ")


# ---- stopped


def living(group: int) -> list[int]:
    """Return the living processes of a process group."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(int(entry.name))
    return found


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.parametrize(
    ("number", "workers", "stage"),
    [(signal.SIGTERM, 2, "annotate"), (signal.SIGINT, 2, "plan"), (signal.SIGINT, 1, "annotate")],
)
def test_a_stopped_run_ends_at_once_with_its_workers_and_can_be_resumed(
    job, released, tmp_path, number, workers, stage
):
    command = [sys.executable, "-m", "muniment", "run", str(job), "-o", str(tmp_path)]
    process = subprocess.Popen(
        [*command, "--workers", str(workers)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    wanted = "plan.json" if stage == "plan" else f"{stage}/[0-9]*.json"
    latest = time.monotonic() + PATIENCE
    while not list((tmp_path / ".work").glob(wanted)):
        assert process.poll() is None
        assert time.monotonic() < latest
        time.sleep(0.01)
    process.send_signal(number)  # to the launcher alone, as a service manager does
    out, err = process.communicate(timeout=5)
    assert process.returncode == 128 + number
    assert out == ""
    assert err == f"error: stopped by {number.name}; run again to resume\n"
    latest = time.monotonic() + 5
    while living(process.pid):
        assert time.monotonic() < latest, "workers are still there"
        time.sleep(0.05)
    assert not (tmp_path / "CURRENT").exists()
    assert main(["run", str(job), "-o", str(tmp_path)]) == 0
    assert release_digests(tmp_path) == release_digests(released)


def test_handlers_are_put_back(job, tmp_path, capsys):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert main(["run", str(job), "--dry-run", "-o", str(tmp_path)]) == 0
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    capsys.readouterr()
