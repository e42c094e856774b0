# SPDX-License-Identifier: Apache-2.0
"""How places of files are written: local paths, and `scheme://bucket/key` on an object store."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

Location = str | os.PathLike[str]
"""A local path, or `scheme://bucket/key`."""


class Service(NamedTuple):
    """An object store that muniment can use.

    Args:
        library: The fsspec implementation.
        extra: Extra of muniment that installs it.
    """

    library: str
    extra: str


SERVICES = {"gs": Service("gcsfs", "gs"), "s3": Service("s3fs", "s3")}
"""Schemes of object stores. One more needs an fsspec implementation and a conditional put."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_PLACE = re.compile(r"[a-z0-9]+://[a-zA-Z0-9][a-zA-Z0-9._-]*(/[^\0]*)?")


def scheme_of(place: Location) -> str | None:
    """Return the scheme that a location names, in lower case, or None for a local path."""
    match = _SCHEME.match(os.fspath(place))
    return match[1].lower() if match else None


def remote_problem(place: Location) -> str | None:
    """Return what is wrong with a location that names a scheme, or None.

    What it says never repeats the location: people put credentials there.
    """
    text, scheme = os.fspath(place), scheme_of(place)
    if scheme is None:
        return None
    if scheme not in SERVICES:
        known = ", ".join(f"{name}://" for name in sorted(SERVICES))
        return f"unsupported scheme {scheme}://; supported are {known} and local paths"
    if "@" in text.split("/")[2]:
        return (
            f"a {scheme}:// location with credentials in it; write bucket and key only, and give "
            "credentials by the environment, in the cloud's own variables"
        )
    if not _PLACE.fullmatch(text):
        return f"expected {scheme}://BUCKET/KEY"
    return None
