# SPDX-License-Identifier: Apache-2.0
"""The demo corpus is real, is the same each time, and shows every kind of removal."""

from __future__ import annotations

import gzip
import hashlib
import stat
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from muniment.pipelines import demo_corpus
from muniment.schemas.job_file import load_job
from muniment.transforms.hashing import canonical_text


@pytest.fixture(scope="module")
def sources() -> list[demo_corpus.DemoSource]:
    return demo_corpus.installed_sources()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    demo_corpus.build_demo(folder)
    return folder


def test_every_distribution_is_a_source_with_text_and_unique_identifiers(sources):
    names = [source.name for source in sources]
    assert names == sorted(set(names))
    assert {"numpy", "pyarrow", "apache-beam"} <= set(names)
    assert "muniment" not in names
    identifiers = [record["id"] for source in sources for record in source.records]
    assert len(identifiers) == len(set(identifiers)) > 200
    assert all(record["text"] for source in sources for record in source.records)


def test_metadata_becomes_licence_author_and_address(sources):
    numpy = next(source for source in sources if source.name == "numpy")
    assert numpy.url == "https://numpy.org"
    assert numpy.licence.startswith("BSD-3-Clause")
    assert "Travis" in numpy.publisher
    assert {record["id"] for record in numpy.records} >= {"numpy/METADATA"}
    assert not any("@" in source.publisher for source in sources)


def test_job_is_valid_and_declares_every_source(folder, sources):
    job = load_job(folder / "job.yaml").job
    assert [source.name for source in job.sources] == [source.name for source in sources]
    assert all((folder / path).is_file() for source in job.sources for path in source.paths)
    assert {item.kind.value for item in job.lists} == {
        "domain",
        "url",
        "url_prefix",
        "content_hash",
    }


def test_every_reader_path_is_exercised(folder):
    suffixes = {"".join(path.suffixes[-2:]) for path in (folder / "data").iterdir()}
    ends = {".jsonl", ".jsonl.gz", ".jsonl.zst", ".jsonl.bz2", ".jsonl.xz", ".parquet"}
    assert all(any(suffix.endswith(end) for suffix in suffixes) for end in ends)


def test_files_hold_the_records(folder, sources):
    job = load_job(folder / "job.yaml").job
    for source, declared in zip(sources, job.sources, strict=True):
        path = folder / declared.paths[0]
        if path.suffix == ".parquet":
            assert pq.read_table(path).to_pylist() == list(source.records)
        elif path.suffix == ".gz":
            lines = gzip.decompress(path.read_bytes()).splitlines()
            assert [orjson.loads(line) for line in lines] == list(source.records)


def test_key_is_secret_and_kept(folder):
    key = folder / "key"
    before = key.read_bytes()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    demo_corpus.build_demo(folder)
    assert key.read_bytes() == before


def test_same_environment_same_bytes(folder, tmp_path):
    demo_corpus.build_demo(tmp_path)
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "key":
            again = tmp_path / path.relative_to(folder)
            assert again.read_bytes() == path.read_bytes(), path.name


def test_every_list_entry_names_a_document_that_is_there(sources):
    urls = {source.url for source in sources if source.url}
    identifiers = {record["id"] for source in sources for record in source.records}
    for domain in demo_corpus.OPTOUT_DOMAINS:
        assert any(url.split("/")[2].endswith(domain) for url in urls), domain
    assert set(demo_corpus.OPTOUT_URLS) <= urls
    for prefix in demo_corpus.OPTOUT_PREFIXES:
        assert any(url.startswith(prefix) for url in urls), prefix
    assert set(demo_corpus.TAKEN_DOWN) <= identifiers


def test_takedown_entries_are_hashes_of_the_canonical_text(folder, sources):
    taken = [
        record["text"]
        for source in sources
        for record in source.records
        if record["id"] in demo_corpus.TAKEN_DOWN
    ]
    expected = {
        hashlib.sha256(text.encode()).hexdigest()
        for text in canonical_text(pa.array(taken)).to_pylist()
    }
    lines = (folder / "lists/takedowns.txt").read_text().splitlines()
    assert {line for line in lines if not line.startswith("#")} == expected
