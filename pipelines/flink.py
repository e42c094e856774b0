# SPDX-License-Identifier: Apache-2.0
"""Submit to a Flink cluster: Beam's job server for the time of a run, and no job left behind.

Beam would fetch the job server from the network, and leave it running if the launcher dies. Here
the jar is given (`--flink_job_server_jar`), what it logs goes to the private work folder, and the
system ends it with the launcher. A job goes on in the cluster without its launcher, so the next run
of the same output folder, which holds its lock, cancels it first.
"""

from __future__ import annotations

import ctypes
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    GoogleCloudOptions,
    JobServerOptions,
    PipelineOptions,
    PortableOptions,
    StandardOptions,
)

from ..schemas.errors import JobError, StageError
from ..transforms.stores import join, store_at
from ..transforms.units import fingerprint

JOB_SERVER_LOG = "job-server.log"
_START_SECONDS = 120
_CANCEL_SECONDS = 60
_ASK_SECONDS = 10
_GONE_SECONDS = 5
"""How long a process may take to end after its connections did."""
_KEEP_WORKERS_MILLIS = 60_000
"""How long a TaskManager keeps workers that have nothing to do: without it every stage of the job
starts new ones, which load every model again."""
_EMBEDDED = ("[local]", "[auto]", "[collection]")
_ENDED = frozenset({"FINISHED", "FAILED", "CANCELED", "SUSPENDED"})

# It lives too short for the optimising compiler. Beam reads private fields of the collections that
# options are made of; Java 17 asks for the last flag.
_JVM = (
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "--add-opens=java.base/java.util=ALL-UNNAMED",
)


def is_flink(options: PipelineOptions) -> bool:
    """Return whether the job goes to a Flink cluster."""
    return options.view_as(StandardOptions).runner == "FlinkRunner"


def check_flink(options: PipelineOptions) -> None:
    """Check what the flags for Flink leave open.

    Raises:
        JobError: Beam would fetch a job server from the network, or there is no Java to run it.
    """
    flink = options.view_as(FlinkRunnerOptions)
    if not is_flink(options) or options.view_as(PortableOptions).job_endpoint:
        return
    jar = flink.flink_job_server_jar
    if not jar:
        message = (
            "--flink_job_server_jar: expected the path of Beam's job server for Flink "
            f"{flink.flink_version}, since nothing is downloaded; or --job_endpoint=HOST:PORT of "
            "one that runs; see infra/flink/README.md"
        )
        raise JobError([message])
    if not Path(jar).is_file():
        raise JobError([f"--flink_job_server_jar: {jar}: there is no such file"])
    java = options.view_as(JobServerOptions).job_server_java_launcher
    if shutil.which(java) is None:
        raise JobError([f"{java}: not found; the job server needs Java 17"])


@contextmanager
def flink_session(options: PipelineOptions, work: str) -> Iterator[None]:
    """Run a job server while a job is submitted and runs; set `options` to use it.

    Args:
        options: Beam's options.
        work: Private folder of the run; its path names the job.

    Raises:
        StageError: The job server does not come up or dies, or an earlier job cannot be cancelled.
    """
    name = f"muniment-{fingerprint(work)[:16]}"
    options.view_as(GoogleCloudOptions).job_name = name
    master = options.view_as(FlinkRunnerOptions).flink_master
    if master not in _EMBEDDED:
        _cancel_jobs(master if "://" in master else f"http://{master}", name)
    portable = options.view_as(PortableOptions)
    portable.environment_cache_millis = portable.environment_cache_millis or _KEEP_WORKERS_MILLIS
    if portable.job_endpoint:
        yield
        return
    process, port = _start_job_server(options, work)
    try:
        portable.job_endpoint = f"localhost:{port}"
        yield
    except grpc.RpcError:  # the connection to it broke
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GONE_SECONDS)
        code = process.poll()
        if code is None:
            raise
        ended = f"was killed (signal {-code})" if code < 0 else f"ended (exit code {code})"
        log = store_at(work).log_file(join(work, JOB_SERVER_LOG))
        message = f"Flink's job server {ended}; run the job again to resume, or see {log}"
        raise StageError(message) from None
    finally:
        process.kill()
        process.wait()


def _start_job_server(options: PipelineOptions, work: str) -> tuple[subprocess.Popen[bytes], int]:
    server, flink = options.view_as(JobServerOptions), options.view_as(FlinkRunnerOptions)
    port = server.job_port or _free_port()
    log = store_at(work).log_file(join(work, JOB_SERVER_LOG))
    artifacts = server.artifacts_dir or f"{log}.artifacts"
    command = [
        server.job_server_java_launcher, *_JVM, *server.job_server_jvm_properties,
        "-jar", flink.flink_job_server_jar, f"--flink-master={flink.flink_master}",
        "--job-host=localhost", f"--job-port={port}", f"--artifact-port={server.artifact_port}",
        f"--expansion-port={server.expansion_port}", f"--artifacts-dir={artifacts}",
    ]  # fmt: skip
    with open(log, "ab") as output:
        process = subprocess.Popen(  # noqa: S603  (the command that the user asked for)
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=_end_with_launcher,  # noqa: PLW1509  (one call, safe after a fork)
        )
    latest = time.monotonic() + _START_SECONDS
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("localhost", port)) == 0:
                return process, port
        if process.poll() is not None or time.monotonic() > latest:
            process.kill()
            process.wait()
            raise StageError(f"Flink's job server does not come up; see {log}")
        time.sleep(0.1)


_LIBC = ctypes.CDLL(None)
_PDEATHSIG = 1  # prctl, from linux/prctl.h


def _end_with_launcher() -> None:
    if sys.platform == "linux":
        _LIBC.prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return int(probe.getsockname()[1])


def _cancel_jobs(master: str, name: str) -> None:
    """Cancel what a launcher that died left running under our name; wait until it has ended."""
    latest = time.monotonic() + _CANCEL_SECONDS
    while True:
        jobs = _ask(f"{master}/jobs/overview")["jobs"]
        left = [job for job in jobs if job["name"] == name and job["state"] not in _ENDED]
        if not left:
            return
        if time.monotonic() > latest:
            raise StageError(f"Flink job {name}: still running; cancel it, then run again")
        for job in left:
            if job["state"] != "CANCELLING":
                _ask(f"{master}/jobs/{job['jid']}?mode=cancel", method="PATCH")
        time.sleep(0.5)


def _ask(url: str, method: str = "GET") -> Any:
    try:
        request = urllib.request.Request(url, method=method)  # noqa: S310  (the user's cluster)
        with urllib.request.urlopen(request, timeout=_ASK_SECONDS) as answer:  # noqa: S310
            return json.load(answer)
    except (OSError, ValueError, urllib.error.HTTPError) as error:
        message = f"Flink at {url.partition('/jobs')[0]}: no answer ({type(error).__name__})"
        raise StageError(message) from None
