# SPDX-License-Identifier: Apache-2.0
"""The command line on an object store: killed, run again, run twice, with worker processes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from object_server import BUCKET, client, inherited, objects, server_process
from small_corpus import release_digests

pytestmark = [pytest.mark.long, pytest.mark.model]

PATIENCE = 600  # seconds until a hanging run fails the test
KILLS = 20


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, Any]]:
    with server_process() as address:
        s3 = client(address)
        s3.create_bucket(Bucket=BUCKET)
        yield address, s3


def start(address: str, job: Path, folder: str, *flags: str) -> subprocess.Popen[bytes]:
    output = f"s3://{BUCKET}/{folder}"
    command = [sys.executable, "-m", "muniment", "run", str(job), "-o", output, *flags]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env=inherited(address),
    )


def released(s3: Any, folder: str, where: Path) -> Any:
    """Write what lies in an output folder to a disk, and return its digests."""
    for name, data in objects(s3, f"{folder}/").items():
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        (where / name).write_bytes(data)
    return release_digests(where)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_workers_share_a_remote_work_folder(server, small_job, small_release, tmp_path, workers):
    address, s3 = server
    process = start(address, small_job, f"w{workers}", "--workers", workers)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err.decode()
    assert released(s3, f"w{workers}", tmp_path) == release_digests(small_release[0])


def test_killed_twenty_times_it_gives_the_same_release(server, small_job, small_release, tmp_path):
    address, s3 = server
    draw = random.Random(KILLS)
    kills = attempt = 0
    while kills < KILLS:
        process = start(address, small_job, f"killed{attempt}", "--workers", "1")
        try:
            _, err = process.communicate(timeout=draw.uniform(2.0, 25.0))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            kills += 1
        else:
            assert process.returncode == 0, err.decode()
        if "" in objects(s3, f"killed{attempt}/CURRENT"):  # whatever it names is complete
            whole = released(s3, f"killed{attempt}", tmp_path / str(attempt))
            assert whole == release_digests(small_release[0])
            attempt += 1
    process = start(address, small_job, f"killed{attempt}", "--workers", "1")
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err.decode()
    whole = released(s3, f"killed{attempt}", tmp_path / str(attempt))
    assert whole == release_digests(small_release[0])


def test_of_two_runs_on_one_output_one_is_refused(server, small_job, small_release, tmp_path):
    address, s3 = server
    runs = [start(address, small_job, "two", "--workers", "1") for _ in range(2)]
    errors = [process.communicate(timeout=PATIENCE)[1].decode() for process in runs]
    codes = sorted(process.returncode for process in runs)
    # The second may also start when the first has ended.
    assert codes in ([0, 2], [0, 0]), errors
    if codes == [0, 2]:
        refused = next(e for e, p in zip(errors, runs, strict=True) if p.returncode)
        assert "locked by pid" in refused
        assert len(refused.strip().splitlines()) == 1
    assert released(s3, "two", tmp_path) == release_digests(small_release[0])
