# SPDX-License-Identifier: Apache-2.0
"""Turn the files of a package into documents: e-mails, web pages, help pages, poems, source code.

Every reader is a pure function `(path, content) -> documents`: `path` is the file's place inside
the package's base folder, `content` its bytes. Readers return only what the file itself says;
address and licence that hold for a whole package are filled in by `corpora.py`. Standard library
only, so a worker process starts fast.
"""

from __future__ import annotations

import email
import json
import re
from datetime import UTC
from email.header import decode_header, make_header
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.message import Message

    Reader = Callable[[str, bytes], list["Document"]]


class Document(NamedTuple):
    """One document of a benchmark corpus; the fields are the columns of the files.

    Args:
        id: Stable, path-like identifier, unique within its source.
        text: Clean text.
        url: Address, or None where the file names none.
        licence: SPDX expression, or None where the file names none.
        date: ISO 8601 date or UTC time, or None.
        lang: BCP 47 tag, or None.
        title: Title, or None.
    """

    id: str
    text: str
    url: str | None = None
    licence: str | None = None
    date: str | None = None
    lang: str | None = None
    title: str | None = None


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Tags that start a new line, tags whose content nobody reads as text, and the names (class, id or
# role) under which the generators of our packages put menus: Publican, javadoc, rustdoc, mdBook,
# Sphinx, Quickbook.
_BLOCK = _words(
    "address article aside blockquote body br caption center dd details div dl dt figcaption "
    "figure footer h1 h2 h3 h4 h5 h6 header hr li main ol p pre section summary table tr ul"
)
_SILENT = _words(
    "aside button footer form header label nav noscript script select style svg template"
)
_MENU = _words(
    "banner docnav line-numbers menu navigation sidebar spirit-nav src-line-numbers wy-nav-side"
)
_VOID = _words("area base br col embed hr img input link meta source track wbr")


class Page(NamedTuple):
    """What a web page says: its text, and title and canonical address from its head."""

    text: str
    title: str | None
    url: str | None


class _PageParser(HTMLParser):
    """Collects lines of text; a skipped element ends where its own tag name is balanced again."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[str] = []
        self.title = ""
        self.url: str | None = None
        self._line: list[str] = []
        self._skipped_tag = ""
        self._depth = 0
        self._pre = 0
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._depth:
            self._depth += tag == self._skipped_tag
            return
        if tag == "link":
            named = dict(attrs)
            if named.get("rel") == "canonical":
                self.url = named.get("href")
        if tag in _VOID:
            if tag in _BLOCK:
                self._end_line()
            return
        if tag in _SILENT or any(
            name in ("class", "id", "role") and value and not _MENU.isdisjoint(value.split())
            for name, value in attrs
        ):
            self._skipped_tag, self._depth = tag, 1
        elif tag == "title":
            self._in_title = not self.title
        elif tag in _BLOCK:
            self._end_line()
            self._pre += tag == "pre"
        elif tag in ("td", "th"):
            self._line.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if self._depth:
            self._depth -= tag == self._skipped_tag
        elif tag == "title":
            self._in_title = False
        elif tag in _BLOCK:
            self._end_line()
            self._pre = max(0, self._pre - (tag == "pre"))

    def handle_data(self, data: str) -> None:
        if self._depth:
            return
        if self._in_title:
            self.title += data
        else:
            self._line.append(data)

    def close(self) -> None:
        super().close()
        self._end_line()

    def _end_line(self) -> None:
        joined = "".join(self._line)
        self._line.clear()
        if self._pre:
            self.lines += [line.rstrip() for line in joined.strip("\n").split("\n")]
        elif line := " ".join(joined.split()):
            self.lines.append(line)


def html_page(markup: str) -> Page:
    """Return the readable text of a web page, one block a line, menus left out.

    Args:
        markup: HTML or XHTML; faults are read as a browser would, never raised.

    Returns:
        Text (lines of `<pre>` unchanged), title, canonical address.
    """
    parser = _PageParser()
    parser.feed(markup)
    parser.close()
    return Page("\n".join(parser.lines).strip(), " ".join(parser.title.split()) or None, parser.url)


def decode(content: bytes) -> str:
    """Return the text of bytes of unstated encoding: UTF-8, or else Windows-1252."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("windows-1252", errors="replace")


def read_mail(path: str, content: bytes) -> list[Document]:
    """Read one e-mail: the plain text of its body, else the text of its HTML part; no headers."""
    message = email.message_from_bytes(content)
    bodies: dict[str, list[str]] = {"text/plain": [], "text/html": []}
    for part in message.walk():
        if part.get_content_type() in bodies and part.get_filename() is None:
            bodies[part.get_content_type()].append(_mail_part(part))
    text = "\n".join(bodies["text/plain"]).strip()
    if not text:
        text = "\n".join(html_page(markup).text for markup in bodies["text/html"]).strip()
    # `group/00001.<md5 of the e-mail>`, as the corpus itself names it.
    return [
        Document(
            path.removesuffix(".txt"),
            text.replace("\r\n", "\n"),
            date=_mail_date(message),
            title=_mail_subject(message),
        )
    ]


def _mail_part(part: Message) -> str:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    try:
        return payload.decode(part.get_content_charset() or "utf-8")
    except (LookupError, UnicodeError):  # spam names encodings that do not exist or do not hold
        return decode(payload)


def _mail_date(message: Message) -> str | None:
    try:
        moment = parsedate_to_datetime(str(message["date"]))
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        if moment.year < 1000:  # RFC 5322, 4.3: three digits count from 1900
            moment = moment.replace(year=moment.year + 1900)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _mail_subject(message: Message) -> str | None:
    raw = str(message["subject"] or "")
    try:
        raw = str(make_header(decode_header(raw)))
    except (LookupError, ValueError):
        raw = raw.encode("utf-8", "replace").decode()
    return " ".join(raw.split()) or None


def read_handbook(path: str, content: bytes) -> list[Document]:
    """Read one page of the Debian handbook; the folder is the language, the head has the URL."""
    page = html_page(decode(content))
    return [Document(path, page.text, url=page.url, lang=path.partition("/")[0], title=page.title)]


def read_libreoffice(path: str, content: bytes) -> list[Document]:
    """Read one page of LibreOffice's help; the folder is the language."""
    page = html_page(decode(content))
    return [Document(path, page.text, lang=path.partition("/")[0], title=page.title)]


def read_web(path: str, content: bytes) -> list[Document]:
    """Read one English page; pages under Sphinx's `translations/xx_YY/` say their language."""
    page = html_page(decode(content))
    found = re.match(r"translations/([a-z]{2})_([A-Z]{2})/", path)
    lang = "en"
    if found:
        # The kernel calls its Spanish folder sp_SP, which is no language tag.
        lang = "es-ES" if found[1] == "sp" else f"{found[1]}-{found[2]}"
    return [Document(path, page.text, lang=lang, title=page.title)]


_MALLARD = "{http://projectmallard.org/1.0/}"
_MALLARD_LINES = _words(
    "title subtitle desc cite p screen code tr example note list item steps terms tree"
)


def read_mallard(path: str, content: bytes) -> list[Document]:
    """Read one Mallard help page of GNOME: `<locale>/<book>/<page>.page`, dated by its revisions.

    Credits (names and addresses of translators) are part of `<info>` and are left out, as in the
    running text of the rendered page.
    """
    root = ET.fromstring(content)  # noqa: S314  (from a package whose hash was checked)
    locale, book, name = path.split("/")
    # Locales are POSIX names; `C` is the untranslated text, `sr@latin` Serbian in Latin script.
    lang = "en" if locale == "C" else locale.replace("@latin", "-Latn").replace("_", "-")
    dates = [item.get("date", "") for item in root.iterfind(f".//{_MALLARD}revision")]
    title = root.findtext(f"{_MALLARD}title")
    page, locale = name.removesuffix(".page"), "en" if locale == "C" else locale
    return [
        Document(
            path,
            _mallard_text(root),
            url=f"https://help.gnome.org/users/{book}/stable/{page}.html.{locale}",
            date=max(dates, default="") or None,
            lang=lang,
            title=" ".join(title.split()) or None if title else None,
        )
    ]


def _mallard_text(root: ET.Element) -> str:
    pieces: list[str] = []

    def walk(element: ET.Element) -> None:
        tag = element.tag.rpartition("}")[2]
        if tag not in ("info", "media"):
            line = tag in _MALLARD_LINES
            pieces.extend(("\n",) if line else ())
            pieces.append(re.sub(r"\s+", " ", element.text or ""))
            for child in element:
                walk(child)
            pieces.extend(("\n",) if line else ())
        pieces.append(re.sub(r"\s+", " ", element.tail or ""))

    walk(root)
    lines = (" ".join(line.split()) for line in "".join(pieces).split("\n"))
    return "\n".join(line for line in lines if line)


def read_poems(path: str, content: bytes) -> list[Document]:
    """Read a file of Chinese poems: title, author and lines of each, all Tang or Song."""
    poems = json.loads(content)
    return [
        Document(
            f"{path}#{poem['id']}",
            "\n".join([poem["title"], poem["author"], *poem["paragraphs"]]),
            lang="zh",
            title=poem["title"],
        )
        for poem in poems
    ]


_SPDX_TAG = re.compile(r"SPDX-License-Identifier:\s*([^\n*/]+)")
_SPDX_OLD = re.compile(r"\b((?:L|A)?GPL-\d\.\d)(\+?)(?![\w.+-])")


def read_code(path: str, content: bytes) -> list[Document]:
    """Read one source file; its licence is the SPDX tag in its first 2,000 characters, if any.

    Deprecated identifiers (`GPL-2.0`, `GPL-2.0+`), which most of the kernel still uses, become
    the current ones (SPDX licence list 3.0: `-only`, `-or-later`).
    """
    text = decode(content)
    tag = _SPDX_TAG.search(text, 0, 2000)
    licence = None
    if tag:
        licence = _SPDX_OLD.sub(
            lambda old: f"{old[1]}-{'or-later' if old[2] else 'only'}", " ".join(tag[1].split())
        )
        # `(A OR B)`: brackets around the whole expression say nothing.
        if licence.startswith("(") and licence.find(")") == len(licence) - 1:
            licence = licence[1:-1]
    return [Document(path, text, licence=licence)]
