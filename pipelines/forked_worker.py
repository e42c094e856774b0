# SPDX-License-Identifier: Apache-2.0
"""Beam's side of a forked worker: an environment of its own for the FnApiRunner.

Beam starts a local worker by a shell command, with a log server for each that listens on every
interface. This handler asks `LocalWorkers` for a fork instead, and starts no log server.
"""

from __future__ import annotations

from typing import Any

import grpc
from apache_beam.portability.api import endpoints_pb2
from apache_beam.runners.portability.fn_api_runner import worker_handlers
from apache_beam.runners.portability.fn_api_runner.worker_handlers import (
    GrpcWorkerHandler,
    WorkerHandler,
)
from apache_beam.transforms.environments import Environment
from google.protobuf import json_format, text_format

from .local_workers import LocalWorkers

_URN = "muniment:env:forked:v1"
_EVERYWHERE, _LOOPBACK = "[::]", "localhost"


class _LoopbackGrpc:
    """The module `grpc`, except that servers listen on the loopback address only."""

    def __getattr__(self, name: str) -> Any:
        """Return what the module has."""
        return getattr(grpc, name)

    @staticmethod
    def server(*arguments: Any, **options: Any) -> grpc.Server:
        """Return a server."""
        server = grpc.server(*arguments, **options)
        listen = server.add_insecure_port

        def add_insecure_port(address: str) -> int:
            return listen(address.replace(_EVERYWHERE, _LOOPBACK))

        server.add_insecure_port = add_insecure_port
        return server


def listen_on_loopback() -> None:
    """Keep the servers of the FnApiRunner off the network.

    Who reaches them may take a worker's part in a job, and Beam has no option for where they listen
    (2.77: control, data, state and logging are on every interface).
    """
    worker_handlers.grpc = _LoopbackGrpc()  # type: ignore[attr-defined]


@Environment.register_urn(_URN, None)
class _ForkedEnvironment(Environment):
    def to_runner_api_parameter(self, _context: Any) -> tuple[str, bytes]:
        """Return the URN; the runner is in this process, so there is nothing to send."""
        return _URN, b""

    @staticmethod
    def from_runner_api_parameter(
        _payload: bytes, capabilities: Any, artifacts: Any, hints: Any, _context: Any
    ) -> _ForkedEnvironment:
        """Return the environment of a graph that was translated."""
        return _ForkedEnvironment(capabilities, artifacts, hints)


class _ForkedWorkerHandler(GrpcWorkerHandler):
    workers: LocalWorkers

    def __init__(self, _payload: bytes, state: Any, provision: Any, server: Any) -> None:
        super().__init__(state, provision, server)

    def start_worker(self) -> None:
        """Ask for a worker that serves this handler."""
        address = endpoints_pb2.ApiServiceDescriptor(url=self.control_address)
        options = self.provision_info.provision_info.pipeline_options
        self.workers.fork(
            {
                "CONTROL_API_SERVICE_DESCRIPTOR": text_format.MessageToString(address),
                "PIPELINE_OPTIONS": json_format.MessageToJson(options),
                "WORKER_ID": self.worker_id,
            }
        )

    def stop_worker(self) -> None:
        """Nothing to do: a worker ends with its connection, and `LocalWorkers` waits for it."""


def forked_environment(workers: LocalWorkers) -> Environment:
    """Return the environment in which the FnApiRunner gets its workers from a process.

    Args:
        workers: The process they are forked from.
    """
    handler = type("ForkedWorkerHandler", (_ForkedWorkerHandler,), {"workers": workers})
    WorkerHandler.register_environment(_URN, bytes)(handler)
    return _ForkedEnvironment()
