# SPDX-License-Identifier: Apache-2.0
"""The canonical text behind exact deduplication: copies that differ only in layout become equal.

Unicode composition is decided by the quick check of UAX #15 (section 9) straight from the bytes;
almost all text passes. Only what does not (loose combining marks) goes through `unicodedata`, as
Python strings. Arrow's own `utf8_normalize` is not used: in version 25 its NFC decomposes.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from .buffers import (
    CODE_POINTS,
    BoolArray,
    CharacterTables,
    build_tables,
    changing_characters,
    decode,
    load,
    load_word,
    store_word,
    text_buffers,
    trailing_zeros,
)
from .processor import pack_word, packs_words

_UNSURE = 255  # NFC_Quick_Check is No or Maybe; below it, the canonical combining class


@cache
def _composition_tables() -> CharacterTables:
    """Build the table of combining classes and unsure characters, once per process."""
    characters = changing_characters()
    entries = np.zeros(CODE_POINTS, np.uint32)
    codes = np.fromiter(map(ord, characters), np.uint32)
    entries[codes] = np.fromiter(map(unicodedata.combining, characters), np.uint32)
    entries[0x1161:0x1176] = entries[0x11A8:0x11C3] = _UNSURE  # Jamo
    for character, parts in zip(
        characters, map(unicodedata.decomposition, characters), strict=True
    ):
        if not parts or parts[0] == "<":
            continue
        if unicodedata.normalize("NFC", character) != character:
            entries[ord(character)] = _UNSURE
        elif " " in parts:
            entries[int(parts.split()[1], 16)] = _UNSURE
    return build_tables(entries)


@njit(cache=True, nogil=True)
def _is_composed(data: Any, offsets: Any, valid: Any, t1: Any, t2: Any) -> Any:
    """Tell which values are surely in NFC (UAX #15, section 9)."""
    n = len(valid)
    out = np.ones(n, np.bool_)
    # Bytes from 0xCC on begin the characters from U+0300 on; none below combines or decomposes.
    ones = np.uint64(0x0101010101010101)
    for i in range(n):
        position, end = offsets[i], offsets[i + 1]
        last = np.uint32(0)
        while valid[i] and position < end:
            if position + 8 <= end and not load_word(data, position) & (ones << np.uint64(7)):
                position += 8
                last = np.uint32(0)
                continue
            if data[position] < 0xCC:
                position += 1
                last = np.uint32(0)
                continue
            if 0xE4 <= data[position] <= 0xE9:  # U+4000 to U+9FFF: none combines or decomposes
                position += 3
                last = np.uint32(0)
                continue
            code, width = decode(data, position, end)
            position += width
            entry = np.uint32(0)
            if code >= 0:
                entry = t2[np.int64(t1[code >> 8]) << 8 | code & 0xFF]
            if entry == _UNSURE or 0 < entry < last:
                out[i] = False
                break
            last = entry
    return out


@njit(cache=True, nogil=True)
def _after_spaces(data: Any, position: int, end: int) -> int:
    """Return where the run of White_Space characters at `position` ends."""
    while position < end:
        first = data[position]
        if first == 0x20 or 0x09 <= first <= 0x0D:
            position += 1
        elif first == 0xC2 and position + 1 < end:  # U+0085, U+00A0
            if data[position + 1] != 0x85 and data[position + 1] != 0xA0:
                break
            position += 2
        elif 0xE1 <= first <= 0xE3 and position + 2 < end:
            code = (
                np.int64(first & 0x0F) << 12
                | np.int64(data[position + 1] & 0x3F) << 6
                | np.int64(data[position + 2] & 0x3F)
            )
            few = code == 0x1680 or code == 0x2028 or code == 0x2029 or code == 0x202F
            if not (few or 0x2000 <= code <= 0x200A or code == 0x205F or code == 0x3000):
                break
            position += 3
        else:
            break
    return position


@njit(cache=True, nogil=True)
def _zero_bytes(word: Any) -> Any:
    """Return the high bit of each zero byte of a word (exact: no carry crosses a byte)."""
    low = np.uint64(0x7F7F7F7F7F7F7F7F)
    return ~(((word & low) + low) | word | low)


@njit(cache=True, nogil=True)
def _pack_native(text: Any, drop: Any) -> Any:
    return pack_word(text, ~((drop >> np.uint64(7)) * np.uint64(0xFF)))


@njit(cache=True, nogil=True)
def _pack_plain(text: Any, drop: Any) -> Any:
    if drop == 0:
        return text
    packed, kept = np.uint64(0), np.uint64(0)
    for byte in range(0, 64, 8):
        stays = ~drop >> np.uint64(byte + 7) & np.uint64(1)
        packed |= (text >> np.uint64(byte) & np.uint64(0xFF)) * stays << kept
        kept += np.uint64(8) * stays
    return packed


_pack = _pack_native if packs_words() else _pack_plain
"""Drop the bytes of a word whose high bits are set in `drop` (source code: 1.9 GB/s against 1.1)."""


@njit(cache=True, nogil=True)
def _collapse_spaces(data: Any, offsets: Any, valid: Any) -> Any:
    """Copy each value, runs of white space as one space; eight bytes at a time where it can.

    ASCII takes no branch that depends on the text: where its lines end nobody can foresee.
    """
    n = len(valid)
    ones = np.uint64(0x0101010101010101)
    high, blanks = ones << np.uint64(7), ones << np.uint64(5)
    out = np.empty(offsets[n] - offsets[0] + 8, np.uint8)
    out_offsets = np.zeros(n + 1, np.int64)
    used = np.int64(0)
    for i in range(n):
        first = used
        position, end = offsets[i], offsets[i + 1]
        after_space = np.uint64(0x80)  # so a leading space is a repeated one
        while valid[i] and position < end:
            text = load(data, position, end)
            low = text & ~high
            space = (low + ones * np.uint64(0x77)) & ~(low + ones * np.uint64(0x72)) & ~text & high
            text ^= (text ^ blanks) & ((space >> np.uint64(7)) * np.uint64(0xFF))  # 0x09 to 0x0D
            space |= _zero_bytes(text ^ blanks)
            other = np.uint64(0)  # what may begin a space of several bytes
            if text & high:
                other = _zero_bytes(text ^ (ones * np.uint64(0xC2)))
                other |= _zero_bytes((text & (ones * np.uint64(0xFC))) ^ (ones * np.uint64(0xE0)))
            drop = space & (space << np.uint64(8) | after_space)  # a space after a space
            if other == 0 and position + 8 <= end:
                store_word(out, used, _pack(text, drop))
                used += 8 - np.int64(((drop >> np.uint64(7)) * ones) >> np.uint64(56))
                position += 8
                after_space = space >> np.uint64(56)
                continue
            for byte in range(min(trailing_zeros(other) >> 3, end - position)):
                out[used] = np.uint8(text >> np.uint64(8 * byte))
                used += np.int64(~drop >> np.uint64(8 * byte + 7) & np.uint64(1))
                position += 1
                after_space = space >> np.uint64(8 * byte) & np.uint64(0x80)
            if position < end:
                here = position
                position = _after_spaces(data, position, end)
                if position == here:
                    out[used] = data[position]
                    used += 1
                    position += 1
                    after_space = np.uint64(0)
                else:
                    if not after_space:
                        out[used] = 0x20
                        used += 1
                    after_space = np.uint64(0x80)
        if used > first and after_space:
            used -= 1
        out_offsets[i + 1] = used
    return out[:used], out_offsets


def _compose(lines: pa.Array) -> pa.Array:
    """Compose lines, of which most need it not: nothing combines with the line feed between two."""
    loose = ~_is_composed(*text_buffers(lines), *_composition_tables())
    mended = [unicodedata.normalize("NFC", line) for line in lines.filter(loose).to_pylist()]
    return pc.replace_with_mask(lines, pa.array(loose), pa.array(mended, pa.large_string()))


def canonical_text(texts: pa.Array) -> pa.Array:
    """Normalise text for exact deduplication.

    Canonical composition (Unicode NFC), then every run of White_Space characters (Unicode
    PropList: ASCII ones, U+0085, U+00A0, U+1680, U+2000-200A, U+2028, U+2029, U+202F, U+205F,
    U+3000) becomes one space, and none is left at either end. Case and punctuation stay.

    Args:
        texts: n strings, nulls allowed.

    Returns:
        large_string, n values; null stays null.
    """
    texts = texts.cast(pa.large_string())
    composed: BoolArray = _is_composed(*text_buffers(texts), *_composition_tables())
    if not composed.all():
        loose = pa.array(~composed)
        lines = pc.split_pattern(texts.filter(loose), "\n")
        mended = pa.ListArray.from_arrays(lines.offsets, _compose(lines.values))
        texts = pc.replace_with_mask(
            texts, loose, pc.binary_join(mended, pa.scalar("\n", pa.large_string()))
        )
    data, offsets, valid = text_buffers(texts)
    out, out_offsets = _collapse_spaces(data, offsets, valid)
    mask = None if valid.all() else pa.array(valid).buffers()[1]
    return pa.LargeStringArray.from_buffers(
        len(texts), pa.py_buffer(out_offsets), pa.py_buffer(out), mask
    )
