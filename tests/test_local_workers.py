# SPDX-License-Identifier: Apache-2.0
"""Local workers: when there are any, that they are forks, and that they end with their launcher."""

from __future__ import annotations

import ipaddress
import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest
from apache_beam.runners.portability.fn_api_runner import worker_handlers
from apache_beam.runners.worker import statesampler
from apache_beam.utils.counters import CounterFactory

from muniment.pipelines.launch import _local_runner, _quiet_engine, beam_options
from muniment.pipelines.local_workers import (
    SMALL_JOB_BYTES,
    LocalWorkers,
    start_workers,
    worker_count,
)
from muniment.schemas.errors import StageError
from muniment.schemas.job import Job
from muniment.schemas.job_file import LoadedJob, load_job
from small_corpus import write_corpus

pytestmark = pytest.mark.slow


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedJob:
    return load_job(write_corpus(tmp_path))


def with_workers(loaded: LoadedJob, workers: int) -> Job:
    engine = loaded.job.engine.model_copy(update={"workers": workers})
    return loaded.job.model_copy(update={"engine": engine})


def test_small_jobs_run_in_one_process_and_others_on_every_core(loaded: LoadedJob):
    cores = len(os.sched_getaffinity(0))
    assert worker_count(with_workers(loaded, 0), [SMALL_JOB_BYTES]) == 1
    assert worker_count(with_workers(loaded, 0), [SMALL_JOB_BYTES, 1]) == cores
    assert worker_count(with_workers(loaded, 3), [1]) == 3


def test_no_process_is_started_for_a_small_job_or_another_runner(loaded: LoadedJob):
    assert start_workers(loaded, []) is None
    assert start_workers(loaded, ["--runner=FlinkRunner"]) is None


def test_workers_end_with_the_process_they_were_forked_from():
    workers = LocalWorkers()
    nowhere = 'url: "localhost:9"'
    for number in range(2):
        workers.fork(
            {"CONTROL_API_SERVICE_DESCRIPTOR": nowhere, "WORKER_ID": str(number)}
            | {"PIPELINE_OPTIONS": "{}"}
        )
    parent = psutil.Process(workers.pid)
    deadline = time.monotonic() + 60
    while len(children := parent.children()) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(children) == 2
    workers.close(kill=True)
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive


def test_no_worker_can_be_forked_from_a_process_that_has_ended():
    """Beam would wait for the worker for ever."""
    for signalled in (signal.SIGSTOP, signal.SIGKILL):  # ended with the request, or before it
        workers = LocalWorkers()
        os.kill(workers.pid, signalled)
        end = threading.Timer(1, os.kill, [workers.pid, signal.SIGKILL])
        if signalled == signal.SIGSTOP:
            end.start()
        else:
            psutil.Process(workers.pid).wait(timeout=10)
        with pytest.raises(StageError, match="has ended"):
            workers.fork({})
        workers.close(kill=True)


def test_the_servers_of_the_local_runner_listen_on_the_loopback_address_only():
    """Hostile case 126: nobody on the network may take a worker's part."""
    _local_runner(beam_options([]), None)
    server = worker_handlers.GrpcServer(None, None, None)
    try:
        listening = {
            connection.laddr.port: connection.laddr.ip
            for connection in psutil.Process().net_connections(kind="inet")
            if connection.status == psutil.CONN_LISTEN
        }
        ports = {server.control_port, server.data_port, server.state_port, server.logging_port}
        assert len(ports) == 4
        # A socket of both families shows 127.0.0.1 as ::ffff:127.0.0.1.
        found = {ipaddress.ip_address(listening[port].removeprefix("::ffff:")) for port in ports}
        assert all(address.is_loopback for address in found)
    finally:
        server.close()


def test_a_bundle_ends_within_milliseconds_of_its_work():
    """Its end waits until a thread of Beam's has looked once more, 200 ms apart by default."""
    _local_runner(beam_options([]), None)
    assert statesampler.StateSampler("", CounterFactory()).sampling_period_ms <= 20


def test_a_thread_of_the_engine_that_fails_after_it_says_nothing(capsys):
    go = threading.Event()

    def fail() -> None:
        go.wait()
        raise RuntimeError("some text of a document")

    own, other = threading.Thread(target=fail), threading.Thread(target=fail)
    before = threading.excepthook
    threading.excepthook = threading.__excepthook__
    try:
        with _quiet_engine():
            own.start()
        other.start()
        go.set()
        own.join()
        other.join()
    finally:
        threading.excepthook = before
    assert capsys.readouterr().err.count("Exception in thread") == 1
