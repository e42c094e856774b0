# SPDX-License-Identifier: Apache-2.0
"""The process in which pages are parsed: one page after another, each within its own CPU time.

Parsers of HTML are large native code and quadratic in places: 100 kB of `<div>` keep resiliparse
2.0.1 busy for 12 s, 300 kB of misnested tags for minutes. A page that takes too long, or takes the
process down, costs that page. `html_text` starts this file as a script, so it imports nothing of
the package and starts in milliseconds.

A request is a header `REQUEST` and two byte strings: charset, page. An answer is a header `ANSWER`
and three: text, title, and tags as a JSON list of [name, content].
"""

from __future__ import annotations

import codecs
import json
import resource
import signal
import struct
import sys
from collections.abc import Iterator
from typing import BinaryIO

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5
from resiliparse.parse.html import ElementNode, HTMLTree, Node

REQUEST = struct.Struct("<BdIQ")
"""Mode, CPU seconds, bytes of the charset, bytes of the page."""

ANSWER = struct.Struct("<BQQQ")
"""State, bytes of text, title and tags."""

MAIN, WHOLE, PLAIN = range(3)
"""Modes: main content of a page, all of its text, plain text."""

DONE, FAILED, UNDECODABLE = range(3)
"""States of an answer."""

MEMORY = 3 << 30
"""Bytes of address space: a page of 64 MiB needs 1.3 GiB (measured, nested paragraphs)."""

_MOST_REPLACED = 0.1
"""Share of characters that cannot be decoded from which a page is no text in any charset tried.
Own choice: pages with single damaged bytes have below 0.001, text in a wrong charset above 0.3."""

_LICENCE_LINKS = 'link[rel*="license" i], a[rel*="license" i]'

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def decode(data: bytes, declared: str, *, is_html: bool) -> str | None:
    """Return the characters of a page, or None if they cannot be told.

    Order: byte order mark, declared charset, `<meta charset>`, detection; then the first of them
    with damaged bytes replaced (WHATWG Encoding: U+FFFD). A charset that does not fit is no reason
    to lose a page: many servers declare UTF-8 for everything.
    """
    first = ""
    for name in _charsets(data, declared, is_html=is_html):
        try:
            return data.decode(name).removeprefix("\ufeff")
        except UnicodeDecodeError:
            first = first or name
    text = data.decode(first or "utf-8", "replace")
    return None if text.count("\ufffd") > _MOST_REPLACED * len(text) else text


def _charsets(data: bytes, declared: str, *, is_html: bool) -> Iterator[str]:
    """Yield the charsets to try; detection costs as much as parsing and comes last."""
    for mark, name in _BOMS:
        if data.startswith(mark):
            yield name
            return
    known = map_encoding_to_html5(declared, False) if declared else None
    if known:
        yield known
    yield detect_encoding(data, from_html_meta=is_html) or "utf-8"
    yield detect_encoding(data) or "utf-8"


def extract(data: bytes, charset: str, mode: int) -> tuple[int, str, str, list[list[str]]]:
    """Return state, text, title and the tags that can speak of rights."""
    decoded = decode(data, charset, is_html=mode != PLAIN)
    if decoded is None:
        return UNDECODABLE, "", "", []
    if mode == PLAIN:
        return DONE, decoded, "", []
    tree = HTMLTree.parse(decoded)
    text = extract_plain_text(tree, main_content=mode == MAIN, alt_texts=False)
    return DONE, text, tree.title or "", _tags(tree)


def _tags(tree: HTMLTree) -> list[list[str]]:
    tags: list[list[str]] = []
    if tree.document is None:
        return tags
    for element in _metas(tree):
        attribute = element.getattr
        name = attribute("name") or attribute("property") or attribute("http-equiv") or ""
        tags.append([name, attribute("content") or ""])
    for element in tree.document.query_selector_all(_LICENCE_LINKS):
        attribute = element.getattr
        if "license" in (rel := attribute("rel") or "").lower().split():
            tag = element.tag or ""
            tags.append([tag, licence_tag(tag, attribute("href"), rel, attribute("type"))])
    return tags


def _metas(tree: HTMLTree) -> Iterator[ElementNode]:
    """Yield the meta elements, those of the head node by node.

    Each step through a list of found elements costs as much as all steps before it (resiliparse
    2.0.1: 40 elements 6 ms, 600 1.2 s, the text of such a page 1.4 ms), so such lists are kept short.
    """
    node: Node | None = tree.head
    above: list[Node] = []
    while node is not None:
        if isinstance(node, ElementNode) and node.tag == "meta":
            yield node
        if (inner := node.first_child) is not None:
            above.append(node)
            node = inner
            continue
        while above and node.next is None:
            node = above.pop()
        node = node.next if above else None
    assert tree.document is not None  # noqa: S101 - the caller looked
    yield from tree.document.query_selector_all("body meta")


def licence_tag(tag: str, href: str | None, rel: str, kind: str | None) -> str:
    """Return a `link` or `a` element as the value of a Link header."""
    value = f'<{_plain(href)}>; rel="{_plain(rel)}"'
    return f'{value}; type="{_plain(kind)}"' if tag == "link" and kind else value


def _plain(value: str | None) -> str:
    """Return an attribute without the characters that delimit it in a Link header."""
    return " ".join((value or "").replace(">", "").replace('"', "").split())


def main() -> None:
    """Answer requests until standard input ends."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while head := requests.read(REQUEST.size):
        mode, seconds, charset_bytes, page_bytes = REQUEST.unpack(head)
        charset = requests.read(charset_bytes).decode("ascii", "replace")
        page = requests.read(page_bytes)
        # Nobody handles the signal: the process ends, and with it the page.
        signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            state, text, title, tags = extract(page, charset, mode)
        except BaseException:  # noqa: BLE001  (a panic in the native code is no Exception)
            state, text, title, tags = FAILED, "", "", []
        signal.setitimer(signal.ITIMER_PROF, 0)
        del page
        _answer(answers, state, text, title, json.dumps(tags))


def _answer(answers: BinaryIO, state: int, *parts: str) -> None:
    data = [part.encode("utf-8", "replace") for part in parts]
    answers.write(ANSWER.pack(state, *map(len, data)) + b"".join(data))
    answers.flush()


if __name__ == "__main__":
    main()
