# SPDX-License-Identifier: Apache-2.0
"""A pool of worker processes for Flink and other portable runners (`--environment_type=EXTERNAL`).

Run as `python -m muniment.pipelines.worker_pool --port 50000` beside every TaskManager: it forks
a worker whenever the engine asks for one. Beam has such a pool too. This one listens on the
loopback address unless told otherwise; its workers are those of a local run, so nothing that they
or a library log reaches the engine, and they end with the pool.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

import grpc
from apache_beam.portability.api import (
    beam_fn_api_pb2,
    beam_fn_api_pb2_grpc,
    beam_provision_api_pb2,
    beam_provision_api_pb2_grpc,
)
from google.protobuf import json_format, text_format

from ..schemas.errors import StageError
from .local_workers import LocalWorkers

_PROVISION_SECONDS = 60
_THREADS = 4


class WorkerPool(beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolServicer):
    """Fork workers for an engine.

    Stopping one is nothing to do: a worker ends with its connection to the engine. Its name would
    not tell which one to stop, either: every TaskManager calls its first worker `1-1`.
    """

    def __init__(self) -> None:
        self._workers = LocalWorkers()
        self._lock = threading.Lock()

    def StartWorker(  # noqa: N802  (Beam's name)
        self, request: beam_fn_api_pb2.StartWorkerRequest, _context: grpc.ServicerContext
    ) -> beam_fn_api_pb2.StartWorkerResponse:
        """Fork a worker that serves the engine at the address it gives."""
        try:
            environment = {
                "WORKER_ID": request.worker_id,
                "CONTROL_API_SERVICE_DESCRIPTOR": text_format.MessageToString(
                    request.control_endpoint
                ),
                "PIPELINE_OPTIONS": _options(request.provision_endpoint.url, request.worker_id),
            }
            self._fork(environment)
        except (grpc.RpcError, OSError, StageError) as error:
            return beam_fn_api_pb2.StartWorkerResponse(error=type(error).__name__)
        return beam_fn_api_pb2.StartWorkerResponse()

    def StopWorker(  # noqa: N802  (Beam's name)
        self, _request: beam_fn_api_pb2.StopWorkerRequest, _context: grpc.ServicerContext
    ) -> beam_fn_api_pb2.StopWorkerResponse:
        """Acknowledge."""
        return beam_fn_api_pb2.StopWorkerResponse()

    def _fork(self, environment: dict[str, str]) -> None:
        with self._lock:
            try:
                self._workers.fork(environment)
            except StageError:  # what workers are forked from was killed
                self._workers.close()
                self._workers = LocalWorkers()
                self._workers.fork(environment)


def _options(address: str, worker_id: str) -> str:
    """Ask the engine for the options of the pipeline, as JSON."""
    if not address:
        return "{}"
    with grpc.insecure_channel(address) as channel:
        answer = beam_provision_api_pb2_grpc.ProvisionServiceStub(channel).GetProvisionInfo(
            beam_provision_api_pb2.GetProvisionInfoRequest(),
            timeout=_PROVISION_SECONDS,
            metadata=(("worker_id", worker_id),),
        )
    return json.dumps(json_format.MessageToDict(answer.info.pipeline_options))


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve engines until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    options = parser.parse_args(arguments)
    server = grpc.server(ThreadPoolExecutor(_THREADS))
    beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(WorkerPool(), server)
    try:
        server.add_insecure_port(f"{options.host}:{options.port}")
    except RuntimeError:
        parser.error(f"cannot listen on {options.host}:{options.port}; is the port taken?")
    server.start()
    stopped = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    stopped.wait()
    os._exit(0)  # workers end with this process


if __name__ == "__main__":
    main()
