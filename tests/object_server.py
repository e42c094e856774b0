# SPDX-License-Identifier: Apache-2.0
"""A real S3-compatible server on loopback (moto), in this process or one of its own.

`in_process_server` is quick and shares the test's threads; `server_process` outlives kills of
whatever talks to it. Both give the environment that makes every client find it; credentials are
made up, because moto takes any.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest

BUCKET = "corpora"


def environment(address: str) -> dict[str, str]:
    """Return the variables by which every S3 client finds the server."""
    return {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "made-up-id",
        "AWS_SECRET_ACCESS_KEY": "made-up-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@contextmanager
def server_process() -> Iterator[str]:
    """Run `moto_server` until the block ends; give its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        latest = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{address}/moto-api/", timeout=1).close()  # noqa: S310  (loopback)
                break
            except OSError:
                assert process.poll() is None, "the server stopped at once"
                assert time.monotonic() < latest, "the server does not answer"
                time.sleep(0.1)
        yield address
    finally:
        process.kill()
        process.wait()


def client(address: str) -> Any:
    """Return a plain client, which knows nothing of muniment."""
    known = environment(address)
    return boto3.client(
        "s3",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id=known["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=known["AWS_SECRET_ACCESS_KEY"],
    )


def objects(s3: Any, prefix: str = "") -> dict[str, bytes]:
    """Return key to content of everything below a prefix, keys relative to it."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    return {
        key.removeprefix(prefix): s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        for key in keys
    }


@contextmanager
def counted_requests() -> Iterator[Counter[str]]:
    """Count the requests that this process sends through s3fs, by operation."""
    import s3fs.core

    counts: Counter[str] = Counter()
    before = s3fs.core.S3FileSystem._call_s3

    async def call(self: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        counts[method] += 1
        return await before(self, method, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(s3fs.core.S3FileSystem, "_call_s3", call)
        yield counts


def use_server(patch: pytest.MonkeyPatch, address: str) -> None:
    """Point every client of this process to a server."""
    for name, value in environment(address).items():
        patch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        patch.delenv(name, raising=False)


def forget_clients() -> None:
    """Forget clients of former servers: they are kept for the life of a process."""
    import fsspec

    from muniment.transforms.stores import places

    places._object_store.cache_clear()
    fsspec.filesystem("s3").clear_instance_cache()


def inherited(address: str) -> dict[str, str]:
    """Return the environment of a child process that shall find the server."""
    return {**os.environ, **environment(address)}
