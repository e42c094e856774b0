# SPDX-License-Identifier: Apache-2.0
"""The data card: real numbers, each from the query named beside it, and nothing hostile alive."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from muniment.pipelines import card
from muniment.pipelines.card import escape_markdown, render_card, show
from muniment.pipelines.card_parts import Facts
from muniment.pipelines.card_sections import SECTIONS
from muniment.pipelines.query import ask, connect, find_named
from muniment.pipelines.release import Release, open_release
from muniment.schemas.errors import IntegrityError, UserError
from muniment.schemas.printable import inert
from release_fixture import Tables, build_release, tables, write_release

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    output = tmp_path_factory.mktemp("story")
    build_release(output)
    return open_release(output)


class Page(HTMLParser):
    """A parsed card: its cells, its other text, and everything that could act."""

    VOID = frozenset({"meta", "rect", "path", "polyline"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.cells: list[tuple[str, int, str, str]] = []
        self.prose: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        self.close()
        assert not self._open, "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append((tag, dict(attrs)))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        tag, attrs = self._open[-1] if self._open else ("", {})
        if "data-query" in attrs:
            place = (attrs["data-query"], int(attrs["data-row"] or 0), attrs["data-column"])
            self.cells.append((*place, data))  # type: ignore[arg-type]
        elif tag != "style" and data.strip():
            self.prose.append(data.strip())


# --- numbers ----------------------------------------------------------------------------------------


def test_every_number_of_the_html_card_is_the_cell_of_the_query_it_names(release: Release) -> None:
    page = Page(render_card(release, "html"))
    assert len(page.cells) > 400
    with connect(release, native=True) as connection:
        answers = {query: ask(connection, query) for query, *_ in page.cells}
        for query, row, column, text in page.cells:
            rows = answers[query]
            expected = f"{len(rows):,}" if column == "(rows)" else show(column, rows[row][column])
            assert text == expected, (query, row, column)


def test_no_number_stands_outside_such_a_cell(release: Release) -> None:
    page = Page(render_card(release, "html"))
    allowed = {
        release.id,
        "story",
        "Thirty documents.",
        "99th percentile",
        "Large public data sets (EU summary, section 2.1)",
        "0.5",  # ends of the curve's axis: cells of the table beside it
        "1",
    }
    named = {text for text in page.prose if re.search(r"\d", text)} - allowed
    own = " ".join(sentence for section in SECTIONS for sentence in section.prose)
    assert {text for text in named if text not in own} <= {
        "SHA-256",
        "SHA-256 of the job",
        "SHA-256 of the rules",
        "SHA-256 over the inputs",
    }


def test_the_markdown_card_shows_the_same_values_in_the_same_order(release: Release) -> None:
    html = [text for *_, text in Page(render_card(release, "html")).cells]
    markdown = render_card(release, "md")
    place = 0
    for text in html[3:]:  # the first three stand in the bar that Markdown does not have
        found = markdown.find(escape_markdown(text), place)
        assert found >= 0, text
        place = found


def test_every_part_of_the_card_names_its_query_in_both_formats(release: Release) -> None:
    markdown, html = render_card(release, "md"), render_card(release, "html")
    for section in SECTIONS:
        for part in section.parts:
            assert f"(query: `{part.query}`" in markdown
            assert f"query: <code>{part.query}</code>" in html
            assert find_named(part.query).sql


def test_the_sections_ask_only_for_columns_that_the_queries_have(release: Release) -> None:
    with connect(release, native=True) as connection:
        for section in SECTIONS:
            for part in section.parts:
                ask(connection, part.query)
                named = find_named(part.query)
                connection.execute(named.sql, named.bind({}))
                columns = {column[0] for column in connection.description or ()}
                assert {column for column, _ in part.columns} <= columns
                if not isinstance(part, Facts) and part.bar:
                    assert part.bar in {column for column, _ in part.columns}


def test_a_changed_release_changes_the_card(tmp_path: Path) -> None:
    made = tables()
    made["documents"][0]["tokens_out"] += 1000
    made["runs"][0]["tokens_out"] += 1000
    write_release(tmp_path, made)
    text = render_card(open_release(tmp_path), "md")
    assert "Tokens kept, after redaction: 2,998" in text
    assert "1,998" not in text


def test_the_card_is_the_same_every_time(release: Release) -> None:
    for fmt in card.FORMATS:
        assert render_card(release, fmt) == render_card(release, fmt)


def test_what_is_not_known_is_said_out_loud(release: Release) -> None:
    text = render_card(release, "md")
    assert "- No known licence: 24.9 %" in text
    assert "- No rights signal could be seen: 5.0 %" in text
    assert "- Toxicity not measured: 12.5 %" in text
    assert "This corpus is not claimed to be free of personal data" in text
    assert re.search(r"\| fr \| 1 \| 0 \| 0 \| – \|", text), "a language without a toxicity model"


def test_an_empty_release_has_a_card_too(tmp_path: Path) -> None:
    made: Tables = {name: [] for name in tables()}
    made["runs"] = [
        {
            name: 0 if isinstance(value, int) else value
            for name, value in tables()["runs"][0].items()
        }
    ]
    write_release(tmp_path, made)
    release = open_release(tmp_path)
    text = render_card(release, "md")
    assert "Documents read: 0" in text
    assert "No personal data was found." in text
    assert "No list was applied." in text
    Page(render_card(release, "html"))


def test_a_long_table_is_cut_and_says_so(tmp_path: Path) -> None:
    made = tables()
    template = made["sources"][0]
    made["sources"] += [template | {"source_id": f"more{number:03}"} for number in range(60)]
    write_release(tmp_path, made)
    release = open_release(tmp_path)
    assert "(query: `sources`; 40 of 63 rows)" in render_card(release, "md")
    assert ("sources", 63, "(rows)", "63") in Page(render_card(release, "html")).cells


def test_columns_without_any_value_are_named_not_shown(release: Release) -> None:
    assert (
        "No value in any row: Generator, Reviewed by, Trust, Examined before use, Illegal among them."
        in render_card(release, "md")
    )


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("documents_in", 1234567, "1,234,567"),
        ("year", 2024, "2024"),
        ("share", 0.0, "0.0 %"),
        ("share", 0.0004, "<0.1 %"),
        ("share", 0.99996, ">99.9 %"),
        ("share", 1.0, "100.0 %"),
        ("jaccard", 0.800000011920929, "0.8"),
        ("sha256", b"\xab\xcd", "abcd"),
        ("anything", None, "–"),
        ("tainted", True, "yes"),
    ],
)
def test_values_are_shown_for_people(column: str, value: object, text: str) -> None:
    assert show(column, value) == text


def test_an_unknown_format_is_refused(release: Release) -> None:
    with pytest.raises(UserError, match="expected a card format of md, html, got 'pdf'"):
        render_card(release, "pdf")


def test_a_card_is_not_made_from_damaged_files(tmp_path: Path) -> None:
    build_release(tmp_path)
    release = open_release(tmp_path)
    place = release.parts("documents")[1]
    place.write_bytes(place.read_bytes()[:-1] + b"?")
    with pytest.raises(IntegrityError, match=r"manifest/documents/part-00001\.parquet"):
        render_card(release)


# --- hostile words (cases 100 and 101) --------------------------------------------------------------

HARMLESS = {
    *("html", "head", "meta", "title", "style", "body", "header", "nav", "main", "section"),
    *("footer", "h1", "h2", "p", "a", "span", "i", "div", "code", "dl", "dt", "dd", "ul", "li"),
    *("table", "caption", "thead", "tbody", "tr", "th", "td"),
    *("svg", "rect", "path", "polyline", "text"),
}
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "[x](javascript:alert(1))",
    "![x](https://evil.invalid/x.png)",
    "](data:text/html,x)",
    "<https://evil.invalid>",
    "https://evil.invalid/path",
    "www.evil.invalid",
    "a | b | c",
    "`code` ``` fence",
    "**bold** _em_ ~~gone~~",
    "# heading",
    "---",
    "- item",
    "> quote",
    "&lt;b&gt; &#60;",
    "line\nbreak\r\n\n# new",
    "\u202egnp.exe",
    "\x1b[31mred",
    "nul\0byte",
    "{{ 7*7 }}",
    "{% for x in [1] %}x{% endfor %}",
    "{# gone #}",
    "${7*7}",
    "{0.__class__}",
    "%(x)s",
    "\\",
    "$x^2$",
    "==SUM(A1)",
]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """Return a release whose sources, rules, lists and documents speak every hostile word."""
    made = tables()
    source, rule, listed = made["sources"][0], made["rules"][0], made["lists"][0]
    for number, word in enumerate(HOSTILE):
        made["sources"].append(source | {"source_id": f"x{number}", "publisher": word, "uri": word})
        made["rules"].append(rule | {"rule_id": f"x{number}", "basis": word, "parameters": word})
        made["lists"].append(listed | {"list_id": word, "version": word})
        document = made["documents"][number % 30]
        document.update(licence=word, domain=word, lang=word)
    output = tmp_path_factory.mktemp("hostile")
    write_release(output, made)
    return open_release(output)


@pytest.fixture(scope="module")
def answered(hostile: Release) -> tuple[card.ShownSection, ...]:
    return card.answer_sections(hostile)


def rendered(hostile: Release, answered: tuple[card.ShownSection, ...], word: str, fmt: str) -> str:
    """Return the hostile card with a word as the name, description and contact of the job."""
    job = {"name": word, "description": word, "contact": word}
    release = dataclasses.replace(hostile, manifest={**hostile.manifest, "job": job})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(card, "answer_sections", lambda *_, **__: answered)
        return render_card(release, fmt)


@pytest.mark.parametrize("word", HOSTILE)
def test_hostile_words_are_inert_in_html(
    hostile: Release, answered: tuple[card.ShownSection, ...], word: str
) -> None:
    page = Page(rendered(hostile, answered, word, "html"))
    assert {tag for tag, _ in page.tags} <= HARMLESS
    for _, attrs in page.tags:
        assert not any(name.startswith("on") for name in attrs)
        assert all((attrs.get(name) or "#").startswith("#") for name in ("href", "src"))
    shown = inert(word)
    places = {(query, column) for query, _, column, text in page.cells if text == shown}
    assert {("sources", "publisher"), ("rules", "basis"), ("lists-published", "list_id")} <= places
    assert shown.strip() in page.prose, "the name, literally"


@pytest.mark.parametrize("word", HOSTILE)
def test_hostile_words_are_plain_text_in_markdown(
    hostile: Release, answered: tuple[card.ShownSection, ...], word: str
) -> None:
    blocks = commonmark().parse(rendered(hostile, answered, word, "md"))
    kinds = {block.type for block in blocks}
    assert not kinds & {"html_block", "fence", "code_block", "hr", "blockquote_open"}
    assert "ordered_list_open" not in kinds
    inner = [child for block in blocks for child in block.children or ()]
    assert {child.type for child in inner} <= {"text", "code_inline", "softbreak", "text_special"}
    cells = [
        "".join(child.content for child in block.children or ())
        for block in blocks
        if block.type == "inline"
    ]
    shown = inert(word).strip()
    assert cells.count(shown) >= 4, "publisher, address, list, and description, literally"
    assert f"{shown}: data card" in cells
    rows = [block for block in blocks if block.type == "tr_open"]
    assert len(rows) == len(
        [line for line in rendered(hostile, answered, "x", "md").splitlines() if line[:1] == "|"]
    ) - sum(block.type == "table_open" for block in blocks), "no word breaks a table"


def commonmark() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": True}).enable("table").enable("strikethrough")


@given(st.text(max_size=60))
def test_escaped_text_parses_back_to_itself(text: str) -> None:
    shown = inert(text).strip()
    parser = commonmark()
    (_, inline, _, *_) = [*parser.parse(f"x {escape_markdown(shown)} x"), None, None, None]
    assert inline is not None
    assert "".join(child.content for child in inline.children or ()) == f"x {shown} x"
    assert {child.type for child in inline.children or ()} <= {"text", "text_special"}


def test_the_html_card_is_one_file_without_script_or_remote_address(release: Release) -> None:
    html = render_card(release, "html")
    page = Page(html)
    assert not {"script", "iframe", "link", "object", "embed", "form", "img"} & {
        tag for tag, _ in page.tags
    }
    for tag, attrs in page.tags:
        for name, value in attrs.items():
            if tag != "meta":
                assert "//" not in (value or ""), name
    style = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src 'none'" in html


def test_without_the_defence_the_same_word_is_alive(
    hostile: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: with escaping off, a hostile publisher becomes an element."""
    real = card._environment

    def bare(fmt: str) -> Any:
        environment = real(fmt)
        environment.autoescape = False
        return environment

    monkeypatch.setattr(card, "_environment", bare)
    assert "<script>alert(1)</script>" in render_card(hostile, "html")
