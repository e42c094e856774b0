# SPDX-License-Identifier: Apache-2.0
"""The corpus as JSON lines: one object a line, every text as it was, the same bytes each time."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.schemas.tables import CORPUS
from muniment.transforms import corpus_json
from muniment.transforms.ledger import table_of
from muniment.transforms.storage import (
    CORPUS_PACKING,
    FileFacts,
    sha256_file,
    write_parquet,
)

TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)


def corpus(texts: list[str], **columns: Any) -> pa.Table:
    known: dict[str, Any] = {
        "doc_id": pa.array([n.to_bytes(16, "big") for n in range(len(texts))], pa.binary(16)),
        "text": pa.array(texts, pa.string()),
        "source_id": "web",
        "url": None,
        "title": None,
        "licence": "unknown",
        "author": None,
        "lang": "en",
        "published": None,
        "tokens": 3,
    }
    return table_of(CORPUS, known | columns, len(texts))


def write_jsonl(path: Path, table: pa.Table) -> FileFacts:
    """Write a corpus part, then the lines of it."""
    part = path.with_name(path.name + ".parquet")
    write_parquet(part, CORPUS.arrow(), [table], CORPUS_PACKING)
    return corpus_json.write_jsonl(path, part)


def lines(path: Path) -> list[dict[str, Any]]:
    content = zstandard.ZstdDecompressor().stream_reader(path.read_bytes()).read()
    assert not content or content.endswith(b"\n")
    return [json.loads(line) for line in content.split(b"\n")[:-1]]


def test_a_line_holds_the_columns_of_the_corpus_in_readable_form(tmp_path: Path) -> None:
    table = corpus(
        ["Some text."],
        url=pa.array(["https://example.org/"]),
        title=pa.array(["A title"]),
        published=pa.array([date(2024, 2, 29)]),
        licence="CC-BY-4.0",
    )
    facts = write_jsonl(tmp_path / "c.jsonl.zst", table)
    (line,) = lines(tmp_path / "c.jsonl.zst")
    assert list(line) == [field.name for field in CORPUS.fields]
    assert line == {
        "doc_id": "0" * 32,
        "text": "Some text.",
        "source_id": "web",
        "url": "https://example.org/",
        "title": "A title",
        "licence": "CC-BY-4.0",
        "author": None,
        "lang": "en",
        "published": "2024-02-29",
        "tokens": 3,
    }
    assert facts.rows == 1
    assert facts.bytes == (tmp_path / "c.jsonl.zst").stat().st_size
    assert facts.sha256 == sha256_file(tmp_path / "c.jsonl.zst")


@settings(max_examples=60)
@given(st.lists(TEXTS, max_size=5))
def test_every_text_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    path = tmp_path_factory.mktemp("corpus") / "c.jsonl.zst"
    write_jsonl(path, corpus(texts))
    assert [line["text"] for line in lines(path)] == texts


@pytest.mark.parametrize(
    "text",
    ["a\0b", "line\nfeed\r\n", "\u2028\u2029", '"quoted" \\ back', "\x01\x1f\x7f\x85", "\U0001f600",
     "\ufeffmark", "</script>", ""],
)  # fmt: skip
def test_awkward_characters_neither_break_a_line_nor_get_lost(tmp_path: Path, text: str) -> None:
    write_jsonl(tmp_path / "c", corpus([text, "after"]))
    assert [line["text"] for line in lines(tmp_path / "c")] == [text, "after"]


def test_rows_keep_their_order_across_blocks_and_slices(tmp_path: Path) -> None:
    count = 2 * CORPUS_PACKING.rows + 10
    table = corpus([f"text {n}" for n in range(count)])
    facts = write_jsonl(tmp_path / "c", pa.concat_tables([table.slice(0, 7), table.slice(7)]))
    assert facts.rows == count
    found = lines(tmp_path / "c")
    assert [line["text"] for line in found] == table["text"].to_pylist()
    assert [int(line["doc_id"], 16) for line in found] == list(range(count))
    write_jsonl(tmp_path / "part", table.slice(count - 3))
    assert lines(tmp_path / "part") == found[-3:]


def test_the_same_rows_give_the_same_bytes_with_a_checksum(tmp_path: Path) -> None:
    table = corpus(["one", "two"])
    digests = {write_jsonl(tmp_path / name, table).sha256 for name in "ab"}
    assert len(digests) == 1
    content = bytearray((tmp_path / "a").read_bytes())
    assert zstandard.get_frame_parameters(bytes(content)).has_checksum
    content[-1] ^= 1
    with pytest.raises(zstandard.ZstdError):
        zstandard.ZstdDecompressor().stream_reader(bytes(content)).read()


def test_no_rows_make_an_empty_stream(tmp_path: Path) -> None:
    assert write_jsonl(tmp_path / "c", corpus([])).rows == 0
    assert lines(tmp_path / "c") == []


def test_a_damaged_part_is_noticed_and_writes_nothing(tmp_path: Path) -> None:
    part = tmp_path / "part.parquet"
    write_parquet(part, CORPUS.arrow(), [corpus(["text " * 50] * 9)], CORPUS_PACKING)
    content = bytearray(part.read_bytes())
    column = pq.read_metadata(part).row_group(0).column(1)
    content[column.data_page_offset + column.total_compressed_size - 1] ^= 1
    part.write_bytes(content)
    with pytest.raises(OSError, match=r"CRC|checksum"):
        corpus_json.write_jsonl(tmp_path / "c", part)
    assert [path.name for path in tmp_path.iterdir()] == ["part.parquet"]
