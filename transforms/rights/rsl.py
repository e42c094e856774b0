# SPDX-License-Identifier: Apache-2.0
"""RSL: licence terms for crawlers, as an XML file that robots.txt, a header or a page names.

Source: Really Simple Licensing 1.0 (December 2025), https://rslstandard.org/rsl: `content` by path
pattern, `license` with `permits`, `prohibits` and `payment`. Where several licences cover a path the
most restrictive statement on training counts; a use that licences list and training is not among
them is not permitted; a payment other than `free` and `attribution` asks for a licence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.parsers import expat

from .hosts import read_url
from .path_patterns import MAX_PATTERN, matches
from .readings import (
    MALFORMED,
    SILENT,
    TOO_LARGE,
    Reading,
    allow,
    deny,
    licence_required,
    strictest,
)

VERSION = "rsl-1.0"

NAMESPACE = "https://rslstandard.org/rsl"
MAX_FILE_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_RULES = 10_000

_TRAINING = {"all", "ai-all", "ai-train", "train-ai", "train-genai"}
_UNPAID = {"free", "attribution"}
_WORDS = re.compile(r"[^\s,]+")


class _Licence:
    """One `license` element."""

    def __init__(self) -> None:
        self.permits: set[str] | None = None
        self.prohibits: set[str] = set()
        self.payments: list[str] = []

    def reading(self) -> Reading:
        """Return what it says of training."""
        if self.prohibits & _TRAINING:
            return deny()
        if self.permits is not None and not self.permits & _TRAINING:
            return SILENT  # it is about other uses; the file as a whole decides
        if any(kind not in _UNPAID for kind in self.payments):
            return licence_required()
        return allow() if self.permits else SILENT


class RslFile:
    """An RSL file.

    Args:
        body: Its bytes.
    """

    def __init__(self, body: bytes) -> None:
        self._contents: list[tuple[str, Reading]] = []
        self._fault: Reading | None = None
        if len(body) > MAX_FILE_BYTES:
            self._fault = TOO_LARGE
            return
        reader = _Reader()
        try:
            reader.parse(body)
        except (expat.ExpatError, _RefusedError, ValueError, LookupError):
            self._fault = MALFORMED
            return
        self._contents = [(where, _joined(licences)) for where, licences in reader.contents]

    def read(self, path: str) -> Reading:
        """Return what the file says of a path, path and query as `urls.url_key` spells them."""
        if self._fault is not None:
            return self._fault
        return strictest(reading for where, reading in self._contents if matches(where, path))


def _joined(licences: Iterable[_Licence]) -> Reading:
    found = list(licences)
    reading = strictest(licence.reading() for licence in found)
    listed = any(licence.permits for licence in found)
    return deny() if reading == SILENT and listed else reading


class _RefusedError(Exception):
    """The file holds what no RSL file needs and parsers are attacked with."""


class _Reader:
    """Collects the licences of each content element."""

    def __init__(self) -> None:
        self.contents: list[tuple[str, list[_Licence]]] = []
        self._open: list[str] = []
        self._words: list[str] | None = None
        self._kind = ""

    def parse(self, body: bytes) -> None:
        """Parse a file; entities and document types are refused unread."""
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartDoctypeDeclHandler = _refuse
        parser.EntityDeclHandler = _refuse
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.Parse(body, True)
        if not self.contents:
            raise _RefusedError

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(" ")[2]
        self._open.append(name)
        if len(self._open) > MAX_DEPTH or len(self.contents) > MAX_RULES:
            raise _RefusedError
        if len(self._open) == 1 and (name != "rsl" or tag.partition(" ")[0] != NAMESPACE):
            raise _RefusedError
        if name == "content":
            self.contents.append((_pattern(attributes.get("url", "/")), []))
        elif name == "license" and self.contents:
            self.contents[-1][1].append(_Licence())
        elif name in ("permits", "prohibits"):
            self._words, self._kind = [], attributes.get("type", "usage")
        elif name == "payment" and self.contents and self.contents[-1][1]:
            self.contents[-1][1][-1].payments.append(attributes.get("type", "").strip().lower())

    def _text(self, text: str) -> None:
        if self._words is not None:
            self._words.append(text)

    def _end(self, _tag: str) -> None:
        name = self._open.pop()
        if name in ("permits", "prohibits") and self._words is not None:
            words = {word.lower() for word in _WORDS.findall("".join(self._words))}
            if self._kind == "usage" and self.contents and self.contents[-1][1]:
                licence = self.contents[-1][1][-1]
                if name == "permits":
                    licence.permits = (licence.permits or set()) | words
                else:
                    licence.prohibits |= words
            self._words = None


def _refuse(*_declaration: object) -> None:
    raise _RefusedError


def _pattern(url: str) -> str:
    """Return the path pattern of a content element; an address of the site stands for its path."""
    url = url.strip()
    if len(url) > MAX_PATTERN:
        return "*"
    if not url.startswith(("/", "*")):
        url = read_url(url).rest or "/"
    return url if url.startswith(("/", "*")) else f"/{url}"
