# SPDX-License-Identifier: Apache-2.0
"""SIGKILL in the middle, run again: the same bytes, and finished work is not done again."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from muniment.pipelines.run import LOCK_FILE
from small_corpus import release_digests

pytestmark = [pytest.mark.slow, pytest.mark.model]

PATIENCE = 120  # seconds until a hanging run fails the test


def start(job: Path, output: Path, *flags: str) -> subprocess.Popen[bytes]:
    """Start a run in a process group of its own."""
    command = [sys.executable, "-m", "muniment", "run", str(job), "-o", str(output), *flags]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )


def end(process: subprocess.Popen[bytes]) -> None:
    """Reap a killed run and close its pipes."""
    process.wait()
    process.stdout.close()
    process.stderr.close()


def wait_for_unit(process: subprocess.Popen[bytes], output: Path, stage: str) -> None:
    """Wait until the first unit of a stage is done."""
    latest = time.monotonic() + PATIENCE
    while not list((output / ".work" / stage).glob("[0-9]*.json")):
        assert process.poll() is None, process.stderr.read().decode()
        assert time.monotonic() < latest, f"no unit of {stage} finished"
        time.sleep(0.01)


@pytest.mark.parametrize("stage", ["annotate", "group", "finalize"])
def test_a_killed_run_is_finished_by_the_next_one(small_job, small_release, tmp_path, stage):
    process = start(small_job, tmp_path, "--workers", "1")
    wait_for_unit(process, tmp_path, stage)
    os.killpg(process.pid, signal.SIGKILL)
    end(process)
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "CURRENT").exists()
    done = {path: path.stat().st_mtime_ns for path in (tmp_path / ".work").glob("*/[0-9]*.json")}
    assert done
    again = start(small_job, tmp_path, "--workers", "1", "--keep-work")
    out, err = again.communicate(timeout=PATIENCE)
    assert again.returncode == 0, err.decode()
    assert json.loads(out)["documents"]["read"] > 0
    assert release_digests(tmp_path) == release_digests(small_release[0])
    assert {path: path.stat().st_mtime_ns for path in done} == done, "finished work was redone"


def test_workers_do_not_outlive_a_killed_run(small_job, small_release, tmp_path):
    process = start(small_job, tmp_path, "--workers", "2")
    wait_for_unit(process, tmp_path, "annotate")
    process.kill()
    end(process)
    latest = time.monotonic() + PATIENCE
    while members(process.pid):
        assert time.monotonic() < latest, "worker processes are still there"
        time.sleep(0.2)
    again = start(small_job, tmp_path, "--workers", "2")
    _, err = again.communicate(timeout=PATIENCE)
    assert again.returncode == 0, err.decode()
    assert release_digests(tmp_path) == release_digests(small_release[0])


def test_a_killed_worker_fails_the_run_and_leaves_no_release(small_job, small_release, tmp_path):
    process = start(small_job, tmp_path, "--workers", "2")
    wait_for_unit(process, tmp_path, "annotate")
    victims = members(process.pid) - {process.pid}
    os.kill(max(victims), signal.SIGKILL)
    _, err = process.communicate(timeout=PATIENCE)
    if process.returncode == 0:  # it had nothing left to do
        assert release_digests(tmp_path) == release_digests(small_release[0])
        return
    assert process.returncode == 1
    assert len(err.decode().strip().splitlines()) == 1
    assert not (tmp_path / "CURRENT").exists()


def members(group: int) -> set[int]:
    """Return the living processes of a process group."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == group and fields[0] != "Z":
                found.add(int(entry.name))
    return found


def test_a_run_refuses_an_output_that_another_one_holds(small_job, tmp_path):
    with open(tmp_path / LOCK_FILE, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4711")
        lock.flush()
        refused = start(small_job, tmp_path, "--workers", "1")
        _, err = refused.communicate(timeout=PATIENCE)
    assert refused.returncode == 2
    assert "locked by pid 4711" in err.decode()
    assert sorted(path.name for path in tmp_path.iterdir()) == [LOCK_FILE]
