# SPDX-License-Identifier: Apache-2.0
"""Fuzz targets: total functions over anything that comes from outside.

Each target takes any input, may refuse it with an error of muniment's own and must keep its
invariants. `make test` draws a few hundred examples, always the same; `make test-long` many more at
random, and prints what reproduces a failure.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.schemas.errors import InputError, JobError
from muniment.schemas.job_file import load_job
from muniment.schemas.yaml_tree import read_yaml
from muniment.transforms.reading import SplitReader, inspect_file, plan_splits
from muniment.transforms.rights import parse_hosts, url_key
from test_card import test_escaped_text_parses_back_to_itself as markdown
from test_job_file import GOOD
from test_pii_shadow import test_every_byte_leads_back as shadow

FEW, MANY = 150, 20_000

PACKERS = [bytes, gzip.compress, bz2.compress, lzma.compress, zstandard.compress]
FRAGMENTS = [
    *(b'{"text": "a"}\n', b'{"text":', b'"', b"\\", b"\\ud800", b"\xff", b"\0", b"\n", b"\r\n"),
    *(b"[", b"{", b"}", b"1e999", b"\xef\xbb\xbf", b"PAR1", b"WARC/1.0\r\n", b"\x1f\x8b", b"BZh9"),
    *(b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"PK\x03\x04", b" " * 300),
]
FILES = st.builds(
    lambda parts, pack, cut, tail: pack(b"".join(parts))[: cut or None] + tail,
    st.lists(st.sampled_from(FRAGMENTS) | st.binary(max_size=12), max_size=30),
    st.sampled_from(PACKERS),
    st.just(0) | st.integers(1, 200),
    st.binary(max_size=8),
)


def reader(data: bytes) -> None:
    """A file is refused as an input, or its records and blank bytes tile it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "any")
        path.write_bytes(data)
        fields = {"text": "text"}
        try:
            found = plan_splits([("s", "any", str(path), inspect_file(path, fields=fields))])
        except InputError as error:
            said, found = str(error), []
        else:
            said = "accepted"
        assert said.isprintable()
        for split in found:
            taken = SplitReader(split, fields, on_bad_file="quarantine")
            rows = [row for batch in taken for row in batch.to_pylist()]
            assert taken.tallies[0].records == len(rows)
            assert taken.tallies[0].bytes_accounted == taken.tallies[0].bytes_total
            assert all((row["text"] is None) == bool(row["fault"]) for row in rows)


HOSTILE_URL = [
    *("http://", "HTTPS:", "//", "\\", "@", ":", "80", "example.com", "%65", "。", ".", "xn--"),
    *("[::1]", "?", "#", "/../", "\t", "\n", "é", "1.2.3", "0x7f", "\u202e", "\0", "％"),
]
URLS = st.lists(
    st.text(max_size=30) | st.lists(st.sampled_from(HOSTILE_URL), max_size=8).map("".join),
    max_size=8,
)


def urls(values: list[str]) -> None:
    """Addresses have a key and hosts or none; neighbours, slices and a second time change nothing."""
    array = pa.array([None, *values], pa.string())
    whole = url_key(array)
    hosts = parse_hosts(array)
    assert len(whole) == hosts.num_rows == len(array)
    assert whole[0].as_py() is None
    assert url_key(array.slice(1)).to_pylist() == whole.to_pylist()[1:]
    assert parse_hosts(array.slice(1)).to_pylist() == hosts.to_pylist()[1:]
    keys = whole.drop_null()
    assert url_key(keys).to_pylist() == keys.to_pylist()


HOSTILE_YAML = [
    *GOOD.splitlines(keepends=True),
    *("- ", "? ", ": ", "&a ", "*a", "!!int ", "|\n ", "{", "[", "}", "]", "\t", "'", '"', "<<: "),
    *("---\n", "%YAML 1.2\n", "#", "\n  ", "\u2028", "a"),
]
YAML = st.text(max_size=80) | st.lists(st.sampled_from(HOSTILE_YAML), max_size=25).map("".join)


def yaml_loader(text: str) -> None:
    """A job is loaded or refused with lines that can be printed; only plain data comes out."""
    tree = read_yaml(text)
    json.dumps(tree.data)  # no object of any other kind
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "job.yaml")
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            load_job(path)
        except JobError as error:
            problems = error.problems
        else:
            problems = ["sound"]
    assert problems
    assert all(line.isprintable() for line in problems)


TARGETS: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], None]]] = {
    "reader": (FILES, reader),
    "addresses": (URLS, urls),
    "shadow text": (st.text(max_size=200), shadow.hypothesis.inner_test),
    "job file": (YAML, yaml_loader),
    "Markdown": (st.text(max_size=200), markdown.hypothesis.inner_test),
}


def fuzz(name: str, chosen: settings) -> None:
    inputs, check = TARGETS[name]

    @chosen
    @given(inputs)
    def holds(value: Any) -> None:
        check(value)

    holds()


@pytest.mark.parametrize("name", TARGETS)
def test_some_inputs(name: str) -> None:
    fuzz(name, settings(max_examples=FEW))


@pytest.mark.long
@pytest.mark.parametrize("name", TARGETS)
def test_many_inputs(name: str) -> None:
    fuzz(name, settings(max_examples=MANY, derandomize=False, print_blob=True))
