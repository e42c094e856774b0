# SPDX-License-Identifier: Apache-2.0
"""What `muniment run --runner=FlinkRunner` asks for before it starts anything."""

from __future__ import annotations

import sys

import grpc
import pytest

from muniment.pipelines.flink import flink_session, is_flink
from muniment.pipelines.launch import beam_options
from muniment.schemas.errors import JobError, StageError

FLINK = ["--runner=FlinkRunner", "--flink_master=localhost:8081"]


def problem(flags: list[str]) -> str:
    with pytest.raises(JobError) as caught:
        beam_options([*FLINK, *flags])
    (line,) = caught.value.problems
    return line


def test_without_a_jar_the_user_is_told_and_nothing_is_downloaded():
    line = problem([])
    assert line.startswith("--flink_job_server_jar: expected the path")
    assert "nothing is downloaded" in line
    assert "\n" not in line


def test_a_jar_that_is_not_there_is_named(tmp_path):
    assert problem([f"--flink_job_server_jar={tmp_path}/no.jar"]).endswith("there is no such file")


def test_a_missing_java_is_named(tmp_path):
    jar = tmp_path / "job-server.jar"
    jar.write_bytes(b"")
    flags = [f"--flink_job_server_jar={jar}", "--job_server_java_launcher=no-such-java"]
    assert problem(flags) == "no-such-java: not found; the job server needs Java 17"


def test_a_job_server_that_runs_elsewhere_needs_no_jar():
    assert is_flink(beam_options([*FLINK, "--job_endpoint=localhost:8099"]))


def test_other_runners_need_no_jar():
    assert not is_flink(beam_options(["--runner=PortableRunner", "--job_endpoint=localhost:8099"]))


def test_the_command_line_says_it_in_one_line(small_job, tmp_path, capsys):
    from muniment.pipelines.cli import main

    assert main(["run", str(small_job), "-o", str(tmp_path / "out"), *FLINK]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: --flink_job_server_jar")
    assert not (tmp_path / "out" / "CURRENT").exists()


def test_a_job_server_that_is_killed_is_named(tmp_path):
    launcher = tmp_path / "java"
    launcher.write_text(
        f"#!{sys.executable}\n"
        "import signal, socket, sys\n"
        "(port,) = (int(a[11:]) for a in sys.argv if a.startswith('--job-port='))\n"
        "listening = socket.create_server(('localhost', port))\n"
        "listening.accept()\n"  # who asks whether it has come up
        "signal.raise_signal(signal.SIGKILL)\n"
    )
    launcher.chmod(0o755)
    options = beam_options(
        [
            "--runner=FlinkRunner",
            f"--flink_job_server_jar={launcher}",
            f"--job_server_java_launcher={launcher}",
        ]
    )
    with (
        pytest.raises(StageError, match=r"^Flink's job server was killed \(signal 9\); run the"),
        flink_session(options, str(tmp_path)),
    ):
        raise grpc.RpcError
