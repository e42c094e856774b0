# SPDX-License-Identifier: Apache-2.0
"""Tokens, straight from UTF-8 bytes: no Python string is ever made.

What a token is
---------------
A *word* is a maximal run of word characters (Unicode general categories L* letters, M* marks,
N* numbers, and the underscore), case-folded with Unicode's simple folding (one character to one
character, locale-free). In scripts that are written without spaces between words, each *character*
with the marks that follow it is a token of its own: Han, Hiragana, Katakana, Thai, Lao, Khmer,
Myanmar, Tibetan, Tai Le, New Tai Lue, Tai Tham, Tai Viet, Ahom, Javanese, Balinese, Yi, Tangut
and Nushu. Format characters (category Cf: soft hyphen, zero-width space and joiners, bidirectional
controls, byte-order mark) are passed over: they neither end a token nor belong to it, so a hidden
hyphen does not hide a copy. Everything else, malformed UTF-8 included, ends a token.

    Script       Text             Tokens
    -----------  ---------------  -------------------------
    Latin        Don't STOP_2     don | t | stop_2
    Latin        naïve Straße     naïve | straße
    Greek        Ὀδυσσεύς         ὀδυσσεύσ
    Cyrillic     ЖЁЛТЫЙ дом       жёлтый | дом
    Armenian     Բարեւ            բարեւ
    Hebrew       שָׁלוֹם עולם        שָׁלוֹם | עולם
    Arabic       كتاب ١٢٣         كتاب | ١٢٣
    Devanagari   हिन्दी भाषा          हिन्दी | भाषा
    Hangul       한국어 문서         한국어 | 문서
    Han          東京abc大学        東 | 京 | abc | 大 | 学
    Kana         カメラを買う        カ | メ | ラ | を | 買 | う
    Thai         ที่นี่              ที่ | นี่
    Khmer        ភាសា             ភា | សា

Text is taken as it is: composed and decomposed letters differ, so normalise first (NFC) where
that matters. The character data is that of the running Python (`UNICODE_VERSION`, to be recorded
with every signature).

Inside the kernels a token is a 64-bit *code*. The UTF-8 bytes of the folded token, if at most 7,
are their own code, with their number in the top byte. Longer ones are hashed with SipHash-1-3 under
the key derived for "token", and the top bit is set, which no short one has. SipHash is a
pseudorandom function and its reduced rounds are those that Rust and Python use for hash tables, so
nobody without the key can choose tokens that collide. Codes are never given away: `minhash.py`
hashes them again, under another key, before anything is written.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from .ascii_tokens import absorb, fill_ascii, finish
from .buffers import (
    CODE_POINTS,
    CharacterTables,
    build_tables,
    changing_characters,
    decode,
    load,
    text_buffers,
    trailing_zeros,
)
from .hashing import sip_start

UNICODE_VERSION = unicodedata.unidata_version
"""Version of the character data in use."""

TOKENIZER = f"muniment-words/1 unicode/{UNICODE_VERSION}"
"""Name and version of the rules above; recorded with whatever counts or compares tokens."""

# Classes of characters, in the low three bits of a table entry; the rest is what to add to the
# code point to fold it, modulo 2^21.
_BREAK, _WORD, _MARK, _SINGLE, _SKIP = range(5)

_ASSIGNED = ((0, 0x40000), (0xE0000, 0xE1000))
"""What can be more than a break: planes 4 to 13 hold nothing, 15 and 16 are private use."""

_SINGLE_BLOCKS = (
    (0x0E00, 0x0FFF),  # Thai, Lao, Tibetan
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x1950, 0x19DF),  # Tai Le, New Tai Lue
    (0x1A20, 0x1AAF),  # Tai Tham
    (0x1B00, 0x1B7F),  # Balinese
    (0x3005, 0x3007),  # Han iteration mark, closing mark, zero
    (0x3021, 0x3029),  # Hangzhou numerals
    (0x3031, 0x3035),  # Kana repeat marks
    (0x3038, 0x303C),  # Hangzhou numerals, Masu mark
    (0x3041, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),  # Katakana extensions
    (0x3400, 0x4DBF),  # Han extension A
    (0x4E00, 0x9FFF),  # Han
    (0xA000, 0xA48F),  # Yi
    (0xA980, 0xA9FF),  # Javanese, Myanmar extended-B
    (0xAA60, 0xAADF),  # Myanmar extended-A, Tai Viet
    (0xF900, 0xFAFF),  # Han compatibility
    (0xFF66, 0xFF9F),  # Katakana, half width
    (0x11700, 0x1174F),  # Ahom
    (0x16FE0, 0x18DFF),  # Tangut, Nushu marks
    (0x1AFF0, 0x1B2FF),  # Kana supplements, Nushu
    (0x20000, 0x3FFFF),  # Han extensions B and later
)


@cache
def character_tables() -> CharacterTables:
    """Build the table of classes and foldings, once per process (about 0.05 s)."""
    characters = changing_characters()
    entries = np.full(CODE_POINTS, _BREAK, np.uint32)
    for start, end in _ASSIGNED:
        categories = map(unicodedata.category, map(chr, range(start, end)))
        entries[start:end] = np.fromiter(map(_kind, categories), np.uint32, end - start)
    entries[ord("_")] = _WORD
    for first, last in _SINGLE_BLOCKS:
        block = entries[first : last + 1]
        block[block == _WORD] = _SINGLE
    for character, folded in zip(characters, map(str.casefold, characters), strict=True):
        if folded != character and entries[ord(character)] in (_WORD, _SINGLE, _MARK):
            entries[ord(character)] |= _folding(character, folded) << 3
    return build_tables(entries)


@cache
def _kind(category: str) -> int:
    """Return the class of a general category."""
    if category == "Cf":
        return _SKIP
    return {"L": _WORD, "M": _MARK, "N": _WORD}.get(category[0], _BREAK)


def _folding(character: str, folded: str) -> int:
    """Return what to add to a code point to fold it, modulo 2^21."""
    if len(folded) != 1:  # full folding needs several characters; lower case is the simple one
        folded = character.lower()
    return (ord(folded) - ord(character)) % (1 << 21) if len(folded) == 1 else 0


@njit(cache=True, nogil=True)
def _encode(code: Any) -> Any:
    """Return (UTF-8 bytes of a code point, first byte lowest; how many)."""
    last = (code & 0x3F) | 0x80
    if code < 0x80:
        return np.uint64(code), 1
    if code < 0x800:
        return np.uint64(code >> 6 | 0xC0 | last << 8), 2
    before = (code >> 6 & 0x3F) | 0x80
    if code < 0x10000:
        return np.uint64(code >> 12 | 0xE0 | before << 8 | last << 16), 3
    second = (code >> 12 & 0x3F) | 0x80
    return np.uint64(code >> 18 | 0xF0 | second << 8 | before << 16 | last << 24), 4


@njit(cache=True, nogil=True)
def _fill_other(
    data: Any, position: int, end: int, k0: Any, k1: Any, t1: Any, t2: Any, out: Any, count: int
) -> Any:
    """Do what `fill_tokens` does, character by character, until a one-byte break is passed."""
    v0, v1, v2, v3 = sip_start(k0, k1)
    word, length, single = np.uint64(0), np.int64(0), False
    going = True
    while going:
        code, width = decode(data, position, end) if position < end else (np.int64(-1), 1)
        entry = np.uint32(0)
        if code >= 0:
            entry = t2[np.int64(t1[code >> 8]) << 8 | code & 0xFF]
        kind = entry & np.uint32(7)
        if kind == _SKIP:
            position += width
            continue
        if length and (kind == _BREAK or kind == _SINGLE or (single and kind != _MARK)):
            out[count] = word | np.uint64(length) << np.uint64(56)
            if length >= 8:
                out[count] = finish(v0, v1, v2, v3, out[count]) | np.uint64(1 << 63)
                v0, v1, v2, v3 = sip_start(k0, k1)
            count += 1
            word, length, single = np.uint64(0), np.int64(0), False
            going = count < len(out)
            if not going:
                break
        if kind == _BREAK:
            position += width
            going = width > 1
            continue
        single = single or kind == _SINGLE
        delta = np.int64(entry >> np.uint32(3))
        if delta:
            encoded, size = _encode((code + delta) & 0x1FFFFF)
        else:
            size = width
            mask = (np.uint64(1) << np.uint64(8 * width)) - np.uint64(1)
            encoded = load(data, position, end) & mask
        position += width
        used = length & 7
        word |= encoded << np.uint64(8 * used)
        if used + size >= 8:
            v0, v1, v2, v3 = absorb(v0, v1, v2, v3, word)
            word = encoded >> np.uint64(8 * (8 - used)) if used + size > 8 else np.uint64(0)
        length += size
    return count, position


@njit(cache=True, nogil=True)
def _fill_singles(
    data: Any, position: int, end: int, t1: Any, t2: Any, out: Any, count: int
) -> Any:
    """Do what `fill_tokens` does for a run of three-byte characters that are tokens of their own.

    It goes on over three-byte breaks and stops before anything else, and before a character that
    the next one may belong to: so Chinese costs one look at each character.
    """
    pending = np.uint64(0)
    while position + 3 <= end and count < len(out):
        word = load(data, position, end) & np.uint64(0xFFFFFF)
        kind = np.uint32(_MARK)
        if word & np.uint64(0xC0C0F0) == np.uint64(0x8080E0):
            code = np.int64(
                (word & np.uint64(0x0F)) << np.uint64(12)
                | (word >> np.uint64(8) & np.uint64(0x3F)) << np.uint64(6)
                | word >> np.uint64(16) & np.uint64(0x3F)
            )
            if code >= 0x800 and code >> 11 != 0x1B:  # neither overlong nor a surrogate
                kind = t2[np.int64(t1[code >> 8]) << 8 | code & 0xFF]  # a folding is no kind
        elif word & np.uint64(0x80) == 0:
            kind = np.uint32(_WORD)
        if pending and kind != _MARK and kind != _SKIP:
            out[count] = pending
            count += 1
            pending = np.uint64(0)
        if kind == _SINGLE and not pending:
            pending = word | np.uint64(3) << np.uint64(56)
        elif kind != _BREAK:
            break
        position += 3
    if pending:
        position -= 3
    return count, position


@njit(cache=True, nogil=True)
def _ascii_words(text: Any) -> Any:
    """Mark the ASCII word characters among 8 bytes, and lower their case.

    Returns:
        (high bit of each byte that is a word character, the 8 bytes in lower case).
    """
    high = np.uint64(0x8080808080808080)
    ones = np.uint64(0x0101010101010101)
    low = text & ~high
    lowered = low | (ones * np.uint64(0x20))
    # Sums stay within their byte: 7 bits plus at most 0x80.
    letter = (lowered + ones * np.uint64(0x80 - 0x61)) & ~(lowered + ones * np.uint64(0x80 - 0x7B))
    digit = (low + ones * np.uint64(0x80 - 0x30)) & ~(low + ones * np.uint64(0x80 - 0x3A))
    underscore = high - (low ^ (ones * np.uint64(0x5F)))
    word = (letter | digit | underscore) & ~text & high
    return word, text | ((letter & ~text & high) >> np.uint64(2))


@njit(cache=True, nogil=True)
def fill_tokens(
    data: Any, position: int, end: int, k0: Any, k1: Any, t1: Any, t2: Any, out: Any, count: int
) -> Any:
    """Write the codes of the tokens from `position` on to `out[count:]`, until it is full.

    ASCII goes by blocks of 64 bytes. Between other characters eight bytes are classified at once;
    whatever touches a non-ASCII byte is left to `_fill_other`.

    Returns:
        (tokens now in `out`, position to go on from); all is read when that is `end`.
    """
    high = np.uint64(0x8080808080808080)
    while position < end and count < len(out):
        text = load(data, position, end)
        if not text & high:
            here = position
            count, position = fill_ascii(data, position, end, k0, k1, out, count)
            if position > here:
                continue
        word, lowered = _ascii_words(text)
        if not word & np.uint64(0x80):
            if text & np.uint64(0x80):
                here = position
                if text & np.uint64(0xF0) == np.uint64(0xE0):
                    count, position = _fill_singles(data, position, end, t1, t2, out, count)
                if position == here:
                    count, position = _fill_other(data, position, end, k0, k1, t1, t2, out, count)
            else:
                position += trailing_zeros(word | text & high) >> 3
            continue
        start = position
        stop = ~word & high
        if stop == 0:
            v0, v1, v2, v3 = sip_start(k0, k1)
            while stop == 0:
                v0, v1, v2, v3 = absorb(v0, v1, v2, v3, lowered)
                position += 8
                text = load(data, position, end)
                word, lowered = _ascii_words(text)
                stop = ~word & high
        bits = np.uint64(trailing_zeros(stop) - 7)  # 8 x word characters before the stop
        if (text >> bits) & np.uint64(0x80):
            count, position = _fill_other(data, start, end, k0, k1, t1, t2, out, count)
        else:
            before = (np.uint64(1) << bits) - np.uint64(1)
            length = position - start + np.int64(bits >> np.uint64(3))
            tail = (lowered & before) | np.uint64(length) << np.uint64(56)
            if length >= 8:
                tail = finish(v0, v1, v2, v3, tail) | np.uint64(1 << 63)
            # On to the next word character of these 8 bytes, or past them.
            position += trailing_zeros((word | text & high) & ~before) >> 3
            out[count] = tail
            count += 1
    return count, min(position, end)


@njit(cache=True, nogil=True)
def _count(data: Any, offsets: Any, valid: Any, t1: Any, t2: Any) -> Any:
    n = len(valid)
    counts = np.zeros(n, np.uint32)
    buffer = np.empty(1024, np.uint64)
    zero = np.uint64(0)
    for i in range(n):
        position, end = offsets[i], offsets[i + 1]
        while valid[i] and position < end:
            filled, position = fill_tokens(data, position, end, zero, zero, t1, t2, buffer, 0)
            counts[i] += np.uint32(filled)
    return counts


def count_tokens(texts: pa.Array) -> npt.NDArray[np.uint32]:
    """Count the tokens of each text.

    Args:
        texts: n strings; a null has none.

    Returns:
        uint32[n].
    """
    counts: npt.NDArray[np.uint32] = _count(*text_buffers(texts), *character_tables())
    return counts
