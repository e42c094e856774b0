# SPDX-License-Identifier: Apache-2.0
"""What each object store says in its own words: versions, metadata, conditional puts.

Credentials, endpoints and regions come from the environment, by each library's own rules
(`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`, `AWS_PROFILE`, `GOOGLE_APPLICATION_CREDENTIALS`, an
instance's role, ...); muniment neither reads nor passes nor logs any.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import fsspec

from .base import Stat
from .objects import Missed, ObjectStore

_DIGEST = "sha256"


def _code(error: BaseException | None) -> str:
    """Return the store's own code of an error that a library translated."""
    while error is not None:
        response = getattr(error, "response", None)
        if isinstance(response, dict):
            return str(response.get("Error", {}).get("Code", ""))
        error = error.__cause__
    return ""


class S3Store(ObjectStore):
    """Amazon S3, and what speaks its protocol with conditional writes (RFC 9110 `If-Match`).

    Source: Amazon S3 user guide, "Conditional writes" (If-None-Match 2024-08, If-Match 2024-11).
    """

    def __init__(self) -> None:
        super().__init__("s3", fsspec.filesystem("s3", use_listings_cache=False))

    def _split(self, location: str) -> dict[str, str]:
        bucket, _, key = location.partition("://")[2].partition("/")
        return {"Bucket": bucket, "Key": key}

    def head(self, location: str) -> tuple[Stat, str]:
        """Return what is known of an object, and the SHA-256 in its metadata."""
        with self.speaking(location):
            found: dict[str, Any] = self.system.call_s3("head_object", **self._split(location))
        etag = str(found["ETag"])
        digest = str(found.get("Metadata", {}).get(_DIGEST, ""))
        changed = int(found["LastModified"].timestamp()) * 10**9
        return Stat(int(found["ContentLength"]), etag, etag, mtime_ns=changed), digest

    def put(self, location: str, path: str, sha256: str) -> None:
        """Put a local file, with its SHA-256 as metadata."""
        self.system.put_file(path, location, Metadata={_DIGEST: sha256})

    def put_if(self, location: str, data: bytes, seen: str | None) -> str:
        """Put a small object if it is the version that was seen."""
        condition = {"IfNoneMatch": "*"} if seen is None else {"IfMatch": seen}
        try:
            found = self.system.call_s3(
                "put_object", Body=data, **condition, **self._split(location)
            )
        except OSError as error:
            # 404: If-Match on an object that is gone; 409: two conditional puts at the same time.
            lost = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}
            if _code(error) in lost or (seen and isinstance(error, FileNotFoundError)):
                raise Missed from None
            raise
        return str(found["ETag"])

    def access_hint(self) -> str:
        """Return what to do about missing or wrong credentials."""
        return (
            "give credentials by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE or an "
            "instance role, and allow them to list, get, put and delete there"
        )


class GoogleStore(ObjectStore):
    """Google Cloud Storage; a version is an object's generation.

    Source: Cloud Storage documentation, "Request preconditions".
    """

    def __init__(self) -> None:
        super().__init__("gs", fsspec.filesystem("gs", use_listings_cache=False))

    def head(self, location: str) -> tuple[Stat, str]:
        """Return what is known of an object, and the SHA-256 in its metadata."""
        with self.speaking(location):
            found: dict[str, Any] = self.system.info(location, refresh=True)
        if found.get("type") != "file":
            raise FileNotFoundError(location)
        generation = str(found["generation"])
        digest = str((found.get("metadata") or {}).get(_DIGEST, ""))
        return Stat(int(found["size"]), generation, generation), digest

    def put(self, location: str, path: str, sha256: str) -> None:
        """Put a local file, with its SHA-256 as metadata."""
        self.system.put_file(path, location, metadata={_DIGEST: sha256})

    def put_if(self, location: str, data: bytes, seen: str | None) -> str:
        """Put a small object if its generation is the one that was seen; 0 stands for none."""
        bucket, _, key = location.partition("://")[2].partition("/")
        # The base address is private there, and moves with STORAGE_EMULATOR_HOST.
        address = f"{self.system._location}/upload/storage/v1/b/{quote(bucket)}/o"  # noqa: SLF001
        try:
            found: dict[str, Any] = self.system.call(
                "POST",
                address,
                name=key,
                uploadType="media",
                ifGenerationMatch=seen or "0",
                data=data,
                json_out=True,
            )
        except Exception as error:
            if str(getattr(error, "code", "")) in {"409", "412"}:
                raise Missed from None
            raise
        return str(found["generation"])

    def access_hint(self) -> str:
        """Return what to do about missing or wrong credentials."""
        return (
            "give credentials by GOOGLE_APPLICATION_CREDENTIALS or a service account, and allow "
            "them to list, get, create and delete objects there"
        )


STORES: dict[str, type[S3Store | GoogleStore]] = {"gs": GoogleStore, "s3": S3Store}
