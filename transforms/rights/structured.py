# SPDX-License-Identifier: Apache-2.0
"""Dictionaries of structured fields (RFC 9651, section 4.2.2), strictly, in one pass.

Only what a preference needs is kept of a value: the text of a token. Anything else that is well
formed is `None`; anything that is not well formed fails the whole field, as the RFC demands.
"""

from __future__ import annotations

import re

_KEY = re.compile(r"[a-z*][a-z0-9_.*-]*")
_TOKEN = re.compile(r"[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*")
_NUMBER = re.compile(r"-?(?:\d{1,12}\.\d{1,3}|\d{1,15})(?![\d.])")
_STRING = re.compile(r'"(?:[ !#-\[\]-~]|\\["\\])*"')
_BYTES = re.compile(r":[A-Za-z0-9+/=]*:")
_BOOLEAN = re.compile(r"\?[01]")
_DATE = re.compile(r"@-?\d{1,15}(?![\d.])")
_DISPLAY = re.compile(r'%"(?:[ !#-$&-~]|%[0-9a-f]{2})*"')
_OTHERS = (_NUMBER, _STRING, _BYTES, _BOOLEAN, _DATE, _DISPLAY)
_SPACES = re.compile(r" *")
_OWS = re.compile(r"[ \t]*")


def parse_dictionary(text: str) -> dict[str, str | None] | None:
    """Parse a field value as a dictionary.

    >>> parse_dictionary('train-ai=n, search;q=1, x="n"')
    {'train-ai': 'n', 'search': None, 'x': None}

    Args:
        text: The field value; several header lines joined by commas.

    Returns:
        Key to the text of its token, None for a value that is no token; of a repeated key the
        last value counts. None if the text is no dictionary.
    """
    text = text.strip(" ")
    found: dict[str, str | None] = {}
    at = 0
    while at < len(text):
        key = _KEY.match(text, at)
        if key is None:
            return None
        at = key.end()
        value: str | None = None
        if text[at : at + 1] == "=":
            item = _member(text, at + 1)
            if item is None:
                return None
            at, value = item
        end = _parameters(text, at)
        if end is None:
            return None
        found.pop(key[0], None)
        found[key[0]] = value
        at = _end(_OWS, text, end)
        if at == len(text):
            return found
        if text[at] != ",":
            return None
        at = _end(_OWS, text, at + 1)
        if at == len(text):
            return None  # a trailing comma
    return found


def _member(text: str, at: int) -> tuple[int, str | None] | None:
    """Return the end of an item or inner list, and its text if it is a token."""
    if text[at : at + 1] != "(":
        return _bare_item(text, at)
    at += 1
    while True:
        at = _end(_SPACES, text, at)
        if text[at : at + 1] == ")":
            return at + 1, None
        item = _bare_item(text, at)
        end = None if item is None else _parameters(text, item[0])
        if end is None or text[end : end + 1] not in (" ", ")"):
            return None
        at = end


def _bare_item(text: str, at: int) -> tuple[int, str | None] | None:
    if token := _TOKEN.match(text, at):
        return token.end(), token[0]
    for shape in _OTHERS:
        if match := shape.match(text, at):
            return match.end(), None
    return None


def _parameters(text: str, at: int) -> int | None:
    """Return the end of the parameters that start here; None if they are malformed."""
    while text[at : at + 1] == ";":
        key = _KEY.match(text, _end(_SPACES, text, at + 1))
        if key is None:
            return None
        at = key.end()
        if text[at : at + 1] == "=":
            item = _bare_item(text, at + 1)
            if item is None:
                return None
            at = item[0]
    return at


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return at if match is None else match.end()
