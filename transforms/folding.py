# SPDX-License-Identifier: Apache-2.0
"""Fold text to plain tokens, so that spelling tricks do not hide a word from a model.

The one normaliser of the toxicity models: training and scoring call the same function. It undoes
what people use against word filters (reliability case 76): letter case, compatibility forms
(fullwidth, mathematical, circled), accents, look-alike letters of other scripts, invisible
characters, HTML entities, digits and signs for letters (`sh1t`, `a$$`), spaced-out letters
(`s t u p i d`) and stretched ones (`stuuuupid`). Web addresses are left out, numbers become `0`,
and a token is kept at most twice in a row: tables and dumps are noise to a model of n-grams.
"""

from __future__ import annotations

import unicodedata
from functools import cache

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from .buffers import text_buffers

_DROP = 0
_SPACE = 32
_TABLE_SIZE = 0x20000
_MAX_TOKEN = 48  # longer runs (base64, hashes) are cut into pieces: linear work, bounded features

# Look-alikes that compatibility decomposition leaves alone, by shape; a small part of Unicode's
# confusables (UTS 39), enough for the Cyrillic, Greek and small-capital spellings seen in comments.
_LOOK_ALIKES = dict(
    zip(
        "авеһкмнорстухіѕјԁԛԝɡıłøđαβεικνορτυχωηаᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ",
        "abehkmhopctyxisjdqwgilodabeikvoptuxwnaabcdefghijklmnoprstuvwyz",
        strict=True,
    )
)
_KEPT_SIGNS = "*$@!|"  # read as letters inside a word (`f*ck`, `a$$`), as separators elsewhere
_APOSTROPHES = "'’‘ʼ`"
_LETTER_BLOCKS = ((0x1F150, 26), (0x1F170, 26), (0x1F1E6, 26))  # boxed and regional letters


def _folded(code: int) -> int:
    """Return what one code point becomes: itself, another one, `_SPACE` or `_DROP`."""
    char = chr(code)
    if 0xD800 <= code <= 0xDFFF:
        return _SPACE
    if char in _APOSTROPHES or unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return _DROP
    char = (unicodedata.normalize("NFKC", char).lower() or " ")[0]
    if ord(char) < 0x590 or 0x1E00 <= ord(char) < 0x2000:  # take accents off Latin, Greek, Cyrillic
        char = unicodedata.normalize("NFD", char)[0]
    char = _LOOK_ALIKES.get(char, char)
    if char in _KEPT_SIGNS or unicodedata.category(char)[0] in "LMN":
        return ord(char)
    return _SPACE


@cache
def _table() -> npt.NDArray[np.int32]:
    """Build the table of what each code point becomes, once per process (about 0.06 s)."""
    table = np.fromiter((_folded(code) for code in range(_TABLE_SIZE)), np.int32, _TABLE_SIZE)
    for start, count in _LETTER_BLOCKS:
        table[start : start + count] = np.arange(ord("a"), ord("a") + count)
    return table


def _build_leet() -> npt.NDArray[np.int32]:
    leet = np.zeros(128, np.int32)
    for sign, letter in zip("013457$@!|", "oieastsaii", strict=True):
        leet[ord(sign)] = ord(letter)
    return leet


_LEET = _build_leet()


@numba.njit(cache=True, nogil=True, inline="always")
def _is_letter(code: int) -> bool:
    return 97 <= code <= 122


@numba.njit(cache=True, nogil=True, inline="always")
def _is_single(code: int) -> bool:
    """Return whether a character is a token by itself: Han, Kana."""
    return 0x3040 <= code <= 0x30FF or 0x3400 <= code <= 0x9FFF or 0x20000 <= code < 0x40000


@numba.njit(cache=True, nogil=True)
def _is_number(token: npt.NDArray[np.int32], first: int, last: int) -> bool:
    for i in range(first, last):
        if not 48 <= token[i] <= 57:
            return False
    return True


@numba.njit(cache=True, nogil=True)
def _put(out: npt.NDArray[np.uint8], end: int, code: int) -> int:
    """Append one code point as UTF-8; return the new end."""
    if code < 0x80:
        out[end] = code
        return end + 1
    if code < 0x800:
        out[end] = 0xC0 | code >> 6
        out[end + 1] = 0x80 | code & 63
        return end + 2
    if code < 0x10000:
        out[end] = 0xE0 | code >> 12
        out[end + 1] = 0x80 | code >> 6 & 63
        out[end + 2] = 0x80 | code & 63
        return end + 3
    out[end] = 0xF0 | code >> 18
    out[end + 1] = 0x80 | code >> 12 & 63
    out[end + 2] = 0x80 | code >> 6 & 63
    out[end + 3] = 0x80 | code & 63
    return end + 4


@numba.njit(cache=True, nogil=True)
def _entity(data: npt.NDArray[np.uint8], at: int, stop: int) -> tuple[int, int]:
    """Read an HTML entity at `&`: (code point, bytes), or (-1, 0) where there is none.

    A named entity counts as a space, or as nothing if it is invisible (`&shy;`, `&zwj;`, `&zwnj;`):
    no named entity for a plain letter exists.
    """
    i = at + 1
    if i < stop and data[i] == 35:  # &#
        i += 1
        base = 10
        if i < stop and (data[i] | 32) == 120:  # &#x
            base = 16
            i += 1
        code = 0
        first = i
        while i < stop and i < first + 8:
            byte = data[i]
            if 48 <= byte <= 57:
                code = code * base + byte - 48
            elif base == 16 and 97 <= (byte | 32) <= 102:
                code = code * base + (byte | 32) - 87
            else:
                break
            i += 1
        if i > first and i < stop and data[i] == 59 and code < 0x110000:
            return code, i + 1 - at
        return -1, 0
    while i < stop and i < at + 9 and (_is_letter(data[i] | 32) or 48 <= data[i] <= 57):
        i += 1
    if i > at + 2 and i < stop and data[i] == 59:
        invisible = data[at + 1] == 122 or (data[at + 1] == 115 and data[at + 2] == 104)
        return 0xAD if invisible else 32, i + 1 - at
    return -1, 0


@numba.njit(cache=True, nogil=True)
def _is_address(data: npt.NDArray[np.uint8], at: int, stop: int) -> bool:
    """Return whether `http://`, `https://` or `www.` starts here."""
    if stop - at < 8:
        return False
    if (data[at] | 32) == 119:
        prefix = (data[at + 1] | 32) == 119 and (data[at + 2] | 32) == 119
        return bool(prefix and data[at + 3] == 46)
    if (data[at] | 32) != 104 or (data[at + 1] | 32) != 116 or (data[at + 2] | 32) != 116:
        return False
    colon = at + 5 if (data[at + 4] | 32) == 115 else at + 4
    return bool(data[colon] == 58 and data[colon + 1] == 47 and data[colon + 2] == 47)


@numba.njit(cache=True, nogil=True)
def _unmask(
    token: npt.NDArray[np.int32], size: int, leet: npt.NDArray[np.int32]
) -> tuple[int, int]:
    """Undo signs and stretching in place; return the (first, last + 1) position that is left."""
    first = 0
    while first < size and token[first] == 42:
        first += 1
    if first > 0:  # stars around a word are emphasis, stars after letters (`f**k`, `f***`) a mask
        while size > first and token[size - 1] == 42:
            size -= 1
    # A sign between two letters, or `$` or `@` beside one, gives a disguise away (`sh1t`, `a$$`;
    # not `mp3`, `24h`): then every digit and `$` is a letter, other signs where a letter follows.
    leading = trailing = -1
    for i in range(first, size):
        if _is_letter(token[i]):
            leading = i if leading < 0 else leading
            trailing = i
    disguised = False
    for i in range(first, size):
        code = token[i]
        if code < 128 and leet[code] != 0 and leading >= 0:
            inside = leading < i < trailing
            disguised |= inside or code == 36 or (code == 64 and i < trailing)
    n = first
    for i in range(first, size):
        code = token[i]
        if code < 128 and leet[code] != 0:
            digit = 48 <= code <= 57
            if disguised and (digit or code == 36 or i < trailing):
                code = leet[code]
            elif not digit:
                continue
        token[n] = code
        n += 1
    size = n
    n = i = first
    while i < size:  # a vowel stretched to three or more becomes one, a consonant two (`ass`)
        code = token[i]
        run = i + 1
        while run < size and token[run] == code:
            run += 1
        kept = run - i
        if kept >= 3 and _is_letter(code):
            vowel = code == 97 or code == 101 or code == 105 or code == 111 or code == 117
            kept = 1 if vowel else 2
        for _ in range(kept):
            token[n] = code
            n += 1
        i = run
    return first, n


@numba.njit(cache=True, nogil=True)
def _release(loose: npt.NDArray[np.int32], count: int, out: npt.NDArray[np.uint8], end: int) -> int:
    """Write the single letters held back, three or more as one word; return the end of `out`."""
    for i in range(count):
        out[end] = loose[i]
        end += 1
        if count < 3 or i == count - 1:
            out[end] = 32
            end += 1
    return end


@numba.njit(cache=True, nogil=True)
def _repeats(out: npt.NDArray[np.uint8], start: int, end: int, floor: int) -> bool:
    """Return whether the token at `[start, end)` is the third of its kind in a row."""
    size = end - start + 1  # with the space before it
    if start - 2 * size < floor:
        return False
    if start - 2 * size > floor and out[start - 2 * size - 1] != 32:
        return False
    for i in range(start, end):
        if out[i] != out[i - size] or out[i] != out[i - 2 * size]:
            return False
    return bool(out[start - 1] == 32 and out[start - size - 1] == 32)


@numba.njit(cache=True, nogil=True)
def _fold(
    offsets: npt.NDArray[np.int64],
    data: npt.NDArray[np.uint8],
    table: npt.NDArray[np.int32],
    leet: npt.NDArray[np.int32],
    out_offsets: npt.NDArray[np.int64],
    out: npt.NDArray[np.uint8],
) -> None:
    """Fold every row of a string array; `out` needs twice the input's bytes and one a row."""
    token = np.empty(_MAX_TOKEN + 1, np.int32)
    loose = np.empty(_MAX_TOKEN + 1, np.int32)
    end = 0
    for row in range(len(offsets) - 1):
        out_offsets[row] = end
        at, stop = offsets[row], offsets[row + 1]
        size = n_loose = 0
        blanks = 0  # since the last token
        glue = 0  # what stands between the letters held back: a sign (1) or a blank (2)
        while at <= stop:
            code = 32  # the end of a row is a separator
            width = 1
            if at < stop:
                byte = data[at]
                if byte < 0x80:
                    code = byte & 0x7F
                elif byte < 0xE0:
                    code = (byte & 31) << 6 | data[at + 1] & 63
                    width = 2
                elif byte < 0xF0:
                    code = (byte & 15) << 12 | (data[at + 1] & 63) << 6 | data[at + 2] & 63
                    width = 3
                else:
                    code = (
                        (byte & 7) << 18
                        | (data[at + 1] & 63) << 12
                        | (data[at + 2] & 63) << 6
                        | data[at + 3] & 63
                    )
                    width = 4
                if byte == 38:
                    entity, length = _entity(data, at, stop)
                    if length > 0:
                        code, width = entity, length
                elif size == 0 and _is_address(data, at, stop):
                    while at + width < stop and 32 < data[at + width] < 127:
                        width += 1
                    code = 32
            at += width
            blank = code == 32 or 9 <= code <= 13
            if code < len(table):
                code = table[code]
            elif code >= 0x40000:
                code = 0  # tags and private use: invisible or meaningless
            if code == 0:
                continue
            single = _is_single(code)
            if code != 32 and not single:
                token[size] = code
                size += 1
                if size < _MAX_TOKEN:
                    continue
            if size > 0:
                first, last = _unmask(token, size, leet)
                size = 0
                gap = 0
                if n_loose > 0:
                    gap = 3 if blanks > 1 else 2 if blanks == 1 else 1
                blanks = 0
                if last - first == 1 and _is_letter(token[first]):
                    # `s p a c e d` and `d.o.t.t.e.d` letters are one word, as long as what stands
                    # between them is of one kind.
                    if gap == 3 or (n_loose > 1 and gap != glue) or n_loose == _MAX_TOKEN:
                        end = _release(loose, n_loose, out, end)
                        n_loose = 0
                    glue = gap
                    loose[n_loose] = token[first]
                    n_loose += 1
                elif last > first:
                    end = _release(loose, n_loose, out, end)
                    n_loose = 0
                    begin = end
                    if _is_number(token, first, last):
                        token[first] = 48
                        last = first + 1
                    for i in range(first, last):
                        end = _put(out, end, token[i])
                    if _repeats(out, begin, end, out_offsets[row]):
                        end = begin
                    else:
                        out[end] = 32
                        end += 1
            if code == 32:
                blanks += blank
            if single or at > stop:
                end = _release(loose, n_loose, out, end)
                n_loose = 0
            if single:
                begin = end
                end = _put(out, end, code)
                if _repeats(out, begin, end, out_offsets[row]):
                    end = begin
                else:
                    out[end] = 32
                    end += 1
        if end > out_offsets[row]:
            end -= 1  # no space after the last token
    out_offsets[len(offsets) - 1] = end


def string_buffers(
    texts: pa.Array,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Return the offsets (`n + 1` int64) and bytes of a string array, without copying the bytes.

    Args:
        texts: `string` or `large_string`, of any offset; a null counts as an empty string.

    Returns:
        Offsets into the bytes, and the whole data buffer.

    Raises:
        TypeError: The array is of another type.
    """
    if texts.null_count:
        texts = texts.fill_null("")  # the bytes under a null may be anything
    data, offsets, _ = text_buffers(texts)
    return offsets, data


def fold_text(texts: pa.Array) -> pa.Array:
    """Fold texts to lower-case tokens with one space between them.

    Args:
        texts: `string` or `large_string`, length n; null is folded as empty.

    Returns:
        `large_string` of length n without nulls. Han and Kana characters are tokens by themselves;
        a text of separators only is empty. At most twice as many bytes as the input.
    """
    offsets, data = string_buffers(texts)
    rows = len(offsets) - 1
    out = np.empty(2 * int(offsets[-1] - offsets[0]) + rows + 8, np.uint8)
    out_offsets = np.empty(rows + 1, np.int64)
    _fold(offsets, data, _table(), _LEET, out_offsets, out)
    data_out = pa.py_buffer(out[: out_offsets[-1]].copy())
    return pa.Array.from_buffers(
        pa.large_string(), rows, [None, pa.py_buffer(out_offsets), data_out]
    )
