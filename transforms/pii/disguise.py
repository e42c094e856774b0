# SPDX-License-Identifier: Apache-2.0
"""Disguises that span several characters: entities, percent codes, `[at]`, markup, spelled digits.

`shadow` folds single characters. This module rewrites a view where a disguise of several
characters occurs, and keeps the way back to the original. Three kinds of view come out: the
*decoded* and the *spelled* one, which every pattern reads, and the *joined* one, in which digits split by blanks,
dots or line breaks stand together; only detectors with a check digit read that one, as
joining makes numbers that nobody wrote.
"""

from __future__ import annotations

import html
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

import numpy as np
import re2

from .shadow import View, fold

_ROUNDS = 3
"""Nested encodings (`&amp;#64;`) are peeled this many times; deeper ones hold no values."""

MARGIN = 320
"""Bytes around a disguise that are scanned again: a value with its cue is shorter."""

_TAG = (
    r"</?(?:b|i|u|em|strong|span|wbr|font|code|mark|sup|sub|small|a|tt|s|"
    r"nobr)(?:\s[^<>]{0,120})?/?>|<!--[^<>]{0,120}-->"
)
# Entities that can stand for a character of a value: ASCII, Latin-1, Greek, Cyrillic and Arabic
# letters and digits, blanks, dashes, format characters, Han, full-width and mathematical forms.
# Quotes, ellipses and emoji, which fill ordinary pages, are none of these.
_ENTITY = (
    r"&#0*(?:[0-9][0-9]?[0-9]?|1[0-9]{3}|8(?:19[2-9]|20[0-9]|21[0-3]|28[89])"
    r"|[1-6][0-9]{4}|12[01][0-9]{3});|"
    r"&#[xX][0-9A-Fa-f]{1,6};|&(?:commat|period|lowbar|hyphen|dash|shy|zwj|"
    r"zwnj|num|plus|colon|sol);|"
    r"&amp;(?:#|[a-z]{2,8};)|[0-9]&(?:nbsp|ensp|emsp|thinsp|ndash|mdash|minus);"
)
_RULES: tuple[tuple[str, str], ...] = (
    ("entity", _ENTITY),
    ("percent", r"(?:%[0-9A-Fa-f]{2})+"),
    (
        "at",
        (
            r"[0-9A-Za-z](\s{0,2}[\[({<【（]\s{0,2}(?i:at|@|arroba|chez|艾特)\s{0,2}[\])}>】）]\s{0,2}|"
            r"[ \t]{0,2}(?:#|艾特|\(a\)|\[a\])[ \t]{0,2})[0-9A-Za-z][0-9A-Za-z-]*"
            r"(?:\s{0,2}(?:\.|[\[({<【（]\s{0,2}(?i:dot|\.|punkt|point|punto|点)\s{0,"
            r"2}[\])}>】）]|\s(?i:dot)\s|点)\s{0,2})[A-Za-z]"
        ),
    ),
    (
        "dot",
        (
            r"[0-9A-Za-z](\s{0,2}[\[({<【（]\s{0,2}(?i:dot|\.|punkt|point|punto|点)"
            r"\s{0,2}[\])}>】）]\s{0,2})[0-9A-Za-z]"
        ),
    ),
    (
        "words",
        (
            r"\b[0-9A-Za-z_+-]+(?:(?:\.| (?i:dot) )[0-9A-Za-z_+-]+)* (?i:at)"
            r" [0-9A-Za-z-]+(?: (?i:dot) [0-9A-Za-z-]+)+\b"
        ),
    ),
    (
        "blank",
        r"[0-9A-Za-z](\s?@\s)[0-9A-Za-z-]+\.[A-Za-z]|[0-9A-Za-z](\s@\s?)[0-9A-Za-z-]+\.[A-Za-z]",
    ),
    (
        "markup",
        # Inside a word; tags also beside the blanks and brackets of a number.
        r"[0-9A-Za-z@._+:~-]((?:\*{1,3}|~~|`|\\|" + _TAG + r")+)[0-9A-Za-z@._+:~-]|"
        r"[0-9A-Za-z\p{Han}]((?:" + _TAG + r")+)[0-9A-Za-z\p{Han}]|"
        r"[0-9][ ():/-]{0,2}((?:" + _TAG + r")+)[ (/-]{0,2}[0-9A-Za-z\p{Han}]|"
        r"[0-9A-Za-z\p{Han}][ ():/·-]{0,2}((?:" + _TAG + r")+)[ (/-]{0,2}[0-9]",
    ),
)
_SPELLED = r"(?:\b|\+)[0-9OoIlSsB](?:[ .|()/-]{0,2}[0-9OoIlSsB]){8,}[Xx]?\b"
"""Digits among letters that look like digits, nine at least."""
_MARKS = (r"\.", "/", "_", r"\|", "·", r" \. ", " / ")
_JOINS: tuple[tuple[str, str], ...] = (
    ("spaced", r"\b[0-9](?:[ .·_/*-]{1,3}[0-9]){7,29}(?:[ .-]{0,2}[Xx])?\b"),
    ("broken", r"[0-9](?:[ \t|>-]{0,4}\r?\n[ \t|>]{0,8})[0-9]"),
    (
        "dotted",
        r"\b(?:"
        + "|".join(rf"[0-9]{{3,6}}(?:{mark}[0-9]{{3,6}}){{2,4}}" for mark in _MARKS)
        + r")[Xx]?\b",
    ),
)
_LEET_LETTERS = b"OoIl|SsB"
_LEET = bytes.maketrans(_LEET_LETTERS, b"00111558")


def _options() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    return options


def _compile(rules: tuple[tuple[str, str], ...]) -> tuple[object, dict[str, object]]:
    found = re2.Set.SearchSet(_options())
    for _, regex in rules:
        found.Add(regex.encode())
    found.Compile()
    return found, {name: re2.compile(regex.encode(), _options()) for name, regex in rules}


_RULE_SET, _RULE = _compile(_RULES)
_JOIN_SET, _JOIN = _compile(_JOINS)
_ANY_TAG = re2.compile(_TAG.encode(), _options())
_NEAR = 64
"""Bytes around markup inside a value in which other tags are taken off as well."""
_LEET_WORD = re2.compile(_SPELLED.encode(), _options())
_LEET_PART = re2.compile(rb"[0-9OoIl|SsB]+", _options())

TRIGGERS: tuple[str, ...] = (*(regex for _, regex in _RULES + _JOINS), _SPELLED)
"""RE2 expressions one of which occurs in every document that `decoded`, `spelled` or `joined`
changes."""

Edit = tuple[int, int, bytes]


def _rewrite(view: View, edits: list[Edit]) -> View:
    """Return a view with byte ranges replaced; edits are in order and do not overlap."""
    size = view.end - view.begin
    starts = np.arange(size + 1, dtype=np.int32) if view.starts is None else view.starts
    pieces, marks, at = [], [], view.begin
    for start, end, new in edits:
        pieces += [bytes(view.data[at:start]), new]
        first = starts[start - view.begin]
        marks += [starts[at - view.begin : start - view.begin], np.full(len(new), first, np.int32)]
        at = end
    pieces.append(bytes(view.data[at : view.end]))
    marks.append(starts[at - view.begin :])
    data = b"".join(pieces)
    return View(memoryview(data), 0, len(data), np.concatenate(marks))


def _places(view: View, edits: list[Edit]) -> list[int]:
    if view.starts is None:
        return [start - view.begin for start, _, _ in edits]
    return [int(view.starts[start - view.begin]) for start, _, _ in edits]


def _folded(text: bytes) -> bytes:
    """Return decoded bytes as the shadow has them (valid UTF-8, or nothing)."""
    clean = text.decode("utf-8", "ignore").replace("\x00", " ").encode()
    if clean.isascii():
        return clean
    return bytes(fold(np.frombuffer(clean, np.uint8), 0, len(clean)).data)


def _matches(regexp: object, view: View) -> Iterator[object]:
    position = view.begin
    while True:
        match = regexp.search(view.data[: view.end], position, view.end)  # type: ignore[attr-defined]
        if match is None:
            return
        yield match
        # Step to the last byte: it may be the first of the next disguise ("a.b.c").
        position = max(match.end() - 1, match.start() + 1)


def _edits(name: str, view: View) -> list[Edit]:
    edits: list[Edit] = []
    at = view.begin
    for match in _matches(_RULE[name], view):
        start, end = match.span(0)  # type: ignore[attr-defined]
        if start < at and name in ("entity", "percent", "words"):
            continue
        raw = bytes(view.data[start:end])
        if name == "entity":
            new = [(start, end, _folded(html.unescape(raw.decode()).encode()))]
        elif name == "percent":
            new = [(start, end, _folded(unquote_to_bytes(raw)))]
        elif name == "words":
            plain = re2.sub(rb"(?i) at ", b"@", re2.sub(rb"(?i) dot ", b".", raw))
            new = [(start, end, plain)]
        else:
            groups = match.groups()  # type: ignore[attr-defined]
            number = next(i for i, group in enumerate(groups, 1) if group is not None)
            start, end = match.span(number)  # type: ignore[attr-defined]
            new = [(start, end, {"at": b"@", "dot": b".", "blank": b"@", "markup": b""}[name])]
        if new[0][0] >= at:
            edits += new
            at = end
    return _with_tags(view, edits) if name == "markup" else edits


def _with_tags(view: View, edits: list[Edit]) -> list[Edit]:
    """Return the edits with those that take off the other tags near them: `30 <b>Elm</b> Road`."""
    ends = [end for _, end, _ in edits]
    out = list(edits)
    for match in _matches(_ANY_TAG, view):
        start, end = match.span(0)  # type: ignore[attr-defined]
        at = bisect_left(ends, start - _NEAR)
        near = edits[at:][:1] + edits[bisect_left(ends, start) :][:1]
        if any(low - _NEAR <= end for low, _, _ in near) and not any(
            low < end and start < high for low, high, _ in near
        ):
            out.append((start, end, b""))
    return sorted(out)


@dataclass(frozen=True)
class Rewritten:
    """A view with disguises undone, and where.

    Args:
        view: The whole document.
        places: Code points of the original at which something was undone.
    """

    view: View
    places: list[int]

    def windows(self) -> list[View]:
        """Return the pieces of the view in which something was undone, `MARGIN` bytes around it.

        The rest of the document reads as before, so it need not be scanned again.
        """
        view, starts = self.view, self.view.starts
        if starts is None or view.end <= 4 * MARGIN:
            return [view]
        at = np.unique(np.searchsorted(starts, np.array(self.places, np.int32)))
        cuts = np.flatnonzero(np.diff(at) > 2 * MARGIN)
        out, last = [], 0
        for low, high in zip(
            at[np.concatenate(([0], cuts + 1))].tolist(),
            at[np.concatenate((cuts, [len(at) - 1]))].tolist(),
            strict=True,
        ):
            begin = max(last, low - MARGIN)
            end = min(view.end, high + MARGIN)
            # Cut where no value can be: at a blank, if one is near.
            while begin > last and view.data[begin - 1] > 32 and low - begin < 2 * MARGIN:
                begin -= 1
            while end < view.end and view.data[end] > 32 and end - high < 2 * MARGIN:
                end += 1
            out.append(View(view.data[begin:end], 0, end - begin, starts[begin : end + 1]))
            last = begin
        return out


def decoded(view: View) -> Rewritten | None:
    """Return the view with entities, percent codes, `[at]`, `(dot)` and inline markup undone.

    Args:
        view: A document's shadow.

    Returns:
        The rewritten view, or None if no such disguise occurs.
    """
    before, places = view, []
    for _ in range(_ROUNDS):
        numbers = _RULE_SET.Match(view.data[view.begin : view.end])  # type: ignore[attr-defined]
        changed = False
        for number in sorted(numbers or ()):
            edits = _edits(_RULES[number][0], view)
            if edits:
                places += _places(view, edits)
                view, changed = _rewrite(view, edits), True
        if not changed:
            break
    return None if view is before else Rewritten(view, places)


def spelled(view: View) -> Rewritten | None:
    """Return the view with letters that stand for digits replaced by them (`l38OOl38OOO`).

    Of nine characters or more that are such digits or letters, a quarter must be digits; where
    signs part them, half: no word, version or row of a table is that.

    Args:
        view: A document's shadow, decoded or not.

    Returns:
        The rewritten view, or None if no such number occurs.
    """
    edits: list[Edit] = []
    at = view.begin
    for match in _matches(_LEET_WORD, view):
        start, end = match.span(0)  # type: ignore[attr-defined]
        raw = bytes(view.data[start:end])
        digits = sum(48 <= byte <= 57 for byte in raw)
        letters = sum(byte in _LEET_LETTERS for byte in raw)
        least = letters if any(sign in raw for sign in b" .()/") else letters / 3
        if start < at or digits < least:
            continue
        at = end
        for word in _LEET_PART.finditer(raw):
            low, high = word.span()
            # One letter between blanks is a word ("o 192.168.0.0"), but not behind a plus.
            apart = high - low == 1 and raw[high : high + 1] in b" ." and raw[:low] != b"+"
            if not apart and not word.group().isdigit():
                edits.append((start + low, start + high, word.group().translate(_LEET)))
    return Rewritten(_rewrite(view, edits), _places(view, edits)) if edits else None


def joined(view: View) -> Rewritten | None:
    """Return the view with split or misspelled digits joined.

    Args:
        view: A document's shadow, decoded or not.

    Returns:
        The rewritten view, or None if no such number occurs.
    """
    numbers = _JOIN_SET.Match(view.data[view.begin : view.end])  # type: ignore[attr-defined]
    before, places = view, []
    for number in sorted(numbers or ()):
        name = _JOINS[number][0]
        edits: list[Edit] = []
        at = view.begin
        for match in _matches(_JOIN[name], view):
            start, end = match.span(0)  # type: ignore[attr-defined]
            if start < at:
                if name != "broken":
                    continue
                start = at
            raw = bytes(view.data[start:end])
            if name == "broken":
                edits.append((start + 1, end - 1, b""))
                at = end - 1
            else:
                edits.append((start, end, bytes(b for b in raw if chr(b).isalnum())))
                at = end
        if edits:
            places += _places(view, edits)
            view = _rewrite(view, edits)
    return None if view is before else Rewritten(view, places)
