# SPDX-License-Identifier: Apache-2.0
"""The same job through Beam's portable job service and muniment's pool of worker processes.

It proves pickling, coders and staging before any cluster sees them: the job service knows nothing
of this process, and the workers import muniment from where it is installed.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from small_corpus import release_digests

pytestmark = [pytest.mark.slow, pytest.mark.model]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return int(probe.getsockname()[1])


@contextmanager
def service(module: str, *flags: str, port: int) -> Iterator[None]:
    """Run a Beam service until the block ends; its process group goes with it."""
    command = [sys.executable, "-m", module, *flags]
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        latest = time.monotonic() + 60
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("localhost", port)) == 0:
                    break
            assert process.poll() is None, f"{module} stopped at once"
            assert time.monotonic() < latest, f"{module} does not answer"
            time.sleep(0.1)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def portable_flags(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    jobs, workers = free_port(), free_port()
    staging = str(tmp_path_factory.mktemp("staging"))
    runners = "apache_beam.runners"
    with (
        service(
            f"{runners}.portability.local_job_service_main",
            f"--port={jobs}",
            f"--staging_dir={staging}",
            port=jobs,
        ),
        service("muniment.pipelines.worker_pool", f"--port={workers}", port=workers),
    ):
        yield [
            "--runner=PortableRunner",
            f"--job_endpoint=localhost:{jobs}",
            "--environment_type=EXTERNAL",
            f"--environment_config=localhost:{workers}",
        ]


@pytest.mark.parametrize("way", ["engine", "files"])
def test_the_portable_runner_gives_the_same_release(
    small_job, small_release, portable_flags, tmp_path, way
):
    command = [sys.executable, "-m", "muniment", "run", str(small_job), "-o", str(tmp_path)]
    done = subprocess.run(
        [*command, "--exchange", way, *portable_flags],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert release_digests(tmp_path) == release_digests(small_release[0])
