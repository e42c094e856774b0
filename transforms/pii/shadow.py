# SPDX-License-Identifier: Apache-2.0
"""Shadow text: what a document says once its disguises are taken off, with the way back.

Detectors never read the original of a document that could hide something. They read its shadow:
UTF-8 bytes in which full-width, mathematical and other compatibility forms are NFKC-folded, all
decimal digits are ASCII, dashes and spaces are plain, format characters and combining marks are
gone, and Cyrillic and Greek look-alikes are Latin where they stand among Latin letters or digits.
`starts[b]` is the code point of the original from which shadow byte `b` came, so a hit maps back.

Documents of plain ASCII are their own shadow: no copy, no map.
"""

from __future__ import annotations

import functools
import unicodedata
from dataclasses import dataclass

import numba as nb
import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]

FLAG_NON_ASCII = 1
"""The document holds a byte above 0x7f: it is folded."""
FLAG_BIDI = 2
"""The document holds U+202A..202E or U+2066..2069 (case 62 of the reliability catalogue)."""

_LIMIT = 0x20000
"""Code points above the two first planes never fold (except format characters, dropped below)."""
_DROP = 0
_KEEP = -1

# Unicode TS 39 confusables, the subset of Cyrillic, Greek, Armenian and Latin letters whose glyph
# is that of one ASCII letter in common fonts. Applied only in words that hold ASCII letters, digits
# or "@" and no other Cyrillic or Greek letter.
_LOOK_ALIKES = dict(
    zip(
        "АВЕЅІЈКМНОРСТХУҮаеорсухіјѕһԁԛԝҽӏΑΒΕΖΗΙΚΜΝΟΡΤΥΧαονρικυχѵցհոսօıɑɡ",
        "ABESIJKMHOPCTXYYaeopcyxijshdqweLABEZHIKMNOPTYXaovpikuxvghnsoiag",
        strict=True,
    )
)
_DASHES = (
    "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d\u2043\u02d7\u06d4\u2796\u30fc"
)


@functools.cache
def _fold_tables() -> tuple[I32, I32, U8]:
    """Return (first, count, bytes): the UTF-8 replacement of each code point.

    Returns:
        first: int32[131072]; -1 keep as it is, else the offset of the replacement in `bytes`.
        count: int32[131072]; replacement length in bytes, 0 = dropped; -2 = look-alike, which is
            replaced only beside ASCII letters or digits.
        bytes: uint8; all replacements end to end.
    """
    first = np.full(_LIMIT, _KEEP, np.int32)
    count = np.zeros(_LIMIT, np.int32)
    pool = bytearray()

    def put(code: int, text: str) -> None:
        raw = text.encode()
        first[code], count[code] = len(pool), len(raw)
        pool.extend(raw)

    for code in range(0x80, _LIMIT):
        if 0x3400 <= code <= 0x9FFF or 0xAC00 <= code <= 0xD7A3 or 0xD800 <= code <= 0xF8FF:
            continue
        char = chr(code)
        category = unicodedata.category(char)
        if category in ("Cf", "Mn", "Me") or char in "\u115f\u1160\u3164\uffa0\u034f":
            put(code, "")
        elif category == "Nd":
            put(code, str(unicodedata.digit(char)))
        elif char in _DASHES:
            put(code, "-")
        elif category == "Zs" or char in "\u2028\u2029\x85":
            put(code, " ")
        elif char in _LOOK_ALIKES:
            put(code, _LOOK_ALIKES[char])
        elif char in "\u3002\u2024\u00b7\u30fb\uff61":
            continue
        else:
            folded = unicodedata.normalize("NFKC", char)
            if folded != char:
                plain = "".join(c for c in folded if unicodedata.category(c) not in ("Mn", "Me"))
                put(code, plain.replace("\u2212", "-").replace("\u2013", "-"))
    # FULLWIDTH and one-dot-leader full stops stand for "." in addresses and numbers.
    for char in "\u2024\uff0e\u06d4":
        put(ord(char), ".")
    return first, count, np.frombuffer(bytes(pool), np.uint8)


@functools.cache
def _look_alike_flags() -> npt.NDArray[np.bool_]:
    flags = np.zeros(_LIMIT, np.bool_)
    flags[[ord(char) for char in _LOOK_ALIKES]] = True
    return flags


@nb.njit(cache=True, nogil=True)
def _classify(data: U8, offsets: I64) -> U8:
    flags = np.zeros(len(offsets) - 1, np.uint8)
    for row in range(len(flags)):
        seen = 0
        i, end = offsets[row], offsets[row + 1]
        while i < end:
            if data[i] & 0x80:
                seen |= 1
                if data[i] == 0xE2 and i + 2 < end:
                    second, third = data[i + 1], data[i + 2]
                    if (second == 0x80 and 0xAA <= third <= 0xAE) or (
                        second == 0x81 and 0xA6 <= third <= 0xA9
                    ):
                        seen |= 2
            i += 1
        flags[row] = seen
    return flags


@nb.njit(cache=True, nogil=True)
def _decode(data: U8, i: int) -> tuple[int, int]:
    """Return (code point, size in bytes) of the character at byte i of valid UTF-8."""
    lead = int(data[i])
    if lead < 0x80:
        return lead, 1
    if lead < 0xE0:
        size, code = 2, lead & 0x1F
    elif lead < 0xF0:
        size, code = 3, lead & 0x0F
    else:
        size, code = 4, lead & 0x07
    for k in range(1, size):
        code = (code << 6) | (int(data[i + k]) & 0x3F)
    return code, size


_NO_LATIN, _LATIN, _FOREIGN = 0, 1, 2


@nb.njit(cache=True, nogil=True)
def _joins(code: int) -> bool:
    """Whether an ASCII character can stand inside a word of an address or number: % + - . : _."""
    return code == 37 or code == 43 or code == 45 or code == 46 or code == 58 or code == 95


@nb.njit(cache=True, nogil=True)
def _alnum(code: int) -> bool:
    """Whether an ASCII character is a letter, a digit or @."""
    return 48 <= code <= 57 or 64 <= code <= 90 or 97 <= code <= 122


@nb.njit(cache=True, nogil=True)
def _rest_of_word(
    data: U8, i: int, end: int, look: npt.NDArray[np.bool_], first: I32, pool: U8
) -> tuple[int, int]:
    """Read on from byte i to the end of the word: return that end, and what the word holds.

    A word in Cyrillic or Greek script stays; look-alikes amid ASCII letters or digits are Latin.
    """
    kind = _NO_LATIN
    while i < end:
        code, size = _decode(data, i)
        if code < 0x80:
            if _alnum(code):
                kind = _LATIN
            elif not _joins(code):
                return i, kind
        elif code >= look.shape[0] or not look[code]:
            if 0x370 <= code <= 0x58F:
                return i, _FOREIGN
            folds = code < first.shape[0] and first[code] >= 0
            if folds and first[code] < len(pool) and pool[first[code]] == 32:
                return i, kind
            if not folds and code >= 0x250:
                return i, kind
        i += size
    return i, kind


@nb.njit(cache=True, nogil=True)
def _fold(
    data: U8,
    begin: int,
    end: int,
    first: I32,
    count: I32,
    pool: U8,
    look: npt.NDArray[np.bool_],
    out: U8,
    starts: I32 | None,
) -> int:
    """Fold one document; return the number of shadow bytes written (starts gets one more)."""
    i, n, char = begin, 0, 0
    # What stands before byte i in its word, and how far the word after it has been read.
    latin, foreign, disguised, read_to = False, False, False, begin
    while i < end:
        lead = data[i]
        if lead < 0x80:
            if _alnum(lead):
                latin = True
            elif not _joins(lead):
                latin, foreign = False, False
            out[n] = lead
            if starts is not None:
                starts[n] = char
            n += 1
            i += 1
            char += 1
            continue
        if 0xE4 <= lead <= 0xE9:
            # U+4000 to U+9FFF: Han, which never folds.
            latin, foreign = False, False
            for k in range(3):
                out[n + k] = data[i + k]
                if starts is not None:
                    starts[n + k] = char
            n += 3
            i += 3
            char += 1
            continue
        code, size = _decode(data, i)
        replaced = code < first.shape[0] and first[code] >= 0
        if replaced and look[code]:
            if i >= read_to:
                read_to, kind = _rest_of_word(data, i, end, look, first, pool)
                disguised = not foreign and kind != _FOREIGN and (latin or kind == _LATIN)
            replaced = disguised
        if 0x370 <= code <= 0x58F:
            foreign = foreign or not replaced
        elif code >= 0x3000:
            latin, foreign = False, False
        if 0xE0000 <= code <= 0xE0FFF:
            replaced = True
            code = 0x200B
        if replaced:
            for k in range(count[code]):
                out[n] = pool[first[code] + k]
                if starts is not None:
                    starts[n] = char
                n += 1
        else:
            for k in range(size):
                out[n] = data[i + k]
                if starts is not None:
                    starts[n] = char
                n += 1
        i += size
        char += 1
    if starts is not None:
        starts[n] = char
    return n


@nb.njit(cache=True, nogil=True)
def _room(data: U8, begin: int, end: int, count: I32) -> int:
    """Return an upper bound of the shadow's size in bytes."""
    room, i = 0, begin
    while i < end:
        lead = data[i]
        if lead < 0x80:
            room += 1
            i += 1
            continue
        if 0xE4 <= lead <= 0xE9:
            room += 3
            i += 3
            continue
        code, size = _decode(data, i)
        grown = count[code] if code < count.shape[0] else 0
        room += max(grown, size)
        i += size
    return room


@nb.njit(cache=True, nogil=True)
def _fold_all(
    data: U8,
    offsets: I64,
    flags: U8,
    first: I32,
    count: I32,
    pool: U8,
    look: npt.NDArray[np.bool_],
) -> tuple[U8, I64]:
    total = 0
    for row in range(len(flags)):
        size = offsets[row + 1] - offsets[row]
        total += 1 + (_room(data, offsets[row], offsets[row + 1], count) if flags[row] else size)
    out = np.empty(total, np.uint8)
    ends = np.zeros(len(flags) + 1, np.int64)
    n = 0
    for row in range(len(flags)):
        begin, end = offsets[row], offsets[row + 1]
        if flags[row]:
            n += _fold(data, begin, end, first, count, pool, look, out[n:], None)
        else:
            out[n : n + end - begin] = data[begin:end]
            n += end - begin
        out[n] = 10
        n += 1
        ends[row + 1] = n
    return out[:n], ends


@dataclass(frozen=True)
class View:
    """What detectors read of one document.

    Args:
        data: Bytes (UTF-8); the document is `data[begin:end]`.
        begin: First byte.
        end: Byte after the last.
        starts: int32[end - begin + 1], code point in the original of each byte, or None where
            byte and code point offsets are the same.
    """

    data: memoryview
    begin: int
    end: int
    starts: I32 | None

    def original(self, begin: int, end: int) -> tuple[int, int]:
        """Return the code points [start, end) of the original that bytes [begin, end) came from.

        The end takes in characters that the shadow dropped after the value (a combining mark).
        """
        if self.starts is None:
            return begin - self.begin, end - self.begin
        last = end - self.begin
        stop = int(self.starts[last])
        limit = len(self.starts) - 1
        while last < limit and self.starts[last] == self.starts[last - 1]:
            last += 1
            stop = int(self.starts[last])
        return int(self.starts[begin - self.begin]), stop


PIECE_BYTES = 65_536
"""Longer documents are scanned in pieces, so that a hit costs a second pass over its piece only."""
PIECE_OVERLAP = 8_192
"""Bytes that two pieces share: more than any value but a private key of 16,384 bits."""


def pieces(view: View) -> list[View]:
    """Cut a long view into overlapping pieces, between words.

    Args:
        view: A document's shadow.

    Returns:
        The view itself if it is short, else pieces whose `original` gives places in the document.
    """
    if view.end - view.begin <= PIECE_BYTES + PIECE_OVERLAP:
        return [view]
    out, begin = [], view.begin
    while True:
        end = min(begin + PIECE_BYTES + PIECE_OVERLAP, view.end)
        begin, end = _cut(view, begin), _cut(view, end)
        low, high = begin - view.begin, end - view.begin
        if view.starts is None:
            starts = np.arange(low, high + 1, dtype=np.int32)
        else:
            starts = view.starts[low : high + 1]
        out.append(View(view.data[begin:end], 0, end - begin, starts))
        if end == view.end:
            return out
        begin = end - PIECE_OVERLAP


def _cut(view: View, at: int) -> int:
    """Return a place at or shortly before byte `at` where no word or character is cut in two."""
    if at in (view.begin, view.end):
        return at
    for place in range(at, max(view.begin, at - PIECE_OVERLAP // 2), -1):
        before, after = view.data[place - 1], view.data[place]
        if before <= 32 or (before >= 0x80 and after >= 0xC0):
            return place
    return at


def classify(data: U8, offsets: I64) -> U8:
    """Say of each document whether it needs a shadow.

    Args:
        data: uint8, the texts end to end (UTF-8).
        offsets: int64[n + 1], byte offsets of the documents in `data`.

    Returns:
        uint8[n], the `FLAG_*` bits.
    """
    return _classify(data, offsets)


def fold(data: U8, begin: int, end: int) -> View:
    """Return the shadow of one document with non-ASCII characters.

    Args:
        data: uint8 (UTF-8).
        begin: First byte of the document.
        end: Byte after the last.

    Returns:
        Its view; `starts` is always set.
    """
    first, count, pool = _fold_tables()
    # No code point grows more than 11-fold in bytes under NFKC (U+FDFA: 3 to 33 bytes).
    room = _room(data, begin, end, count)
    out = np.empty(room, np.uint8)
    starts = np.empty(room + 1, np.int32)
    n = _fold(data, begin, end, first, count, pool, _look_alike_flags(), out, starts)
    return View(memoryview(out[:n].data), 0, n, starts[: n + 1])


def fold_all(data: U8, offsets: I64, flags: U8) -> tuple[U8, I64]:
    """Return the shadows of all documents end to end, a line feed after each.

    The line feed keeps a value at the edge of one document apart from the next. What this gives is
    for the prefilter; `fold` gives one document with its way back.

    Args:
        data: uint8, the texts end to end (UTF-8).
        offsets: int64[n + 1].
        flags: uint8[n], from `classify`.

    Returns:
        uint8 shadow bytes; int64[n + 1] offsets of the documents in them (line feeds included).
    """
    return _fold_all(
        data, offsets, flags & np.uint8(FLAG_NON_ASCII), *_fold_tables(), _look_alike_flags()
    )
