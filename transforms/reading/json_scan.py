# SPDX-License-Identifier: Apache-2.0
"""Lexical kernels of strict JSON (RFC 8259): strings, numbers and UTF-8, straight from bytes.

Every function here is compiled and reads a `uint8` buffer in which the record ends with a line
feed. A line feed is no legal byte of any token, so each scan stops there by itself and no bound is
checked in the inner loops. Faults are small private codes; `jsonl.FAULT_REASONS` maps them to
reasons outside the kernels, because compiled code is cached by this file's age and would
otherwise keep the numbers of an older enum.
"""

from __future__ import annotations

import numpy as np
from numba import njit

OK = 0
SYNTAX = 1
UTF8 = 2
SURROGATE = 3
NUMBER = 4
DEEP = 5
DUPLICATE = 6
LARGE = 7

QUOTE = 34
BACKSLASH = 92
LINE_FEED = 10

_PLAIN, _END, _ESCAPE, _CONTROL, _WIDE = range(5)

# What a byte inside a string means: RFC 8259 section 7 allows %x20-21 / %x23-5B / %x5D-10FFFF.
_CLASS = np.zeros(256, dtype=np.uint8)
_CLASS[:32] = _CONTROL
_CLASS[QUOTE] = _END
_CLASS[BACKSLASH] = _ESCAPE
_CLASS[128:] = _WIDE

# What `\x` stands for; 0 where `\x` is no escape.
_SIMPLE = np.zeros(256, dtype=np.uint8)
for _name, _value in zip(b'"\\/bfnrt', b'"\\/\b\f\n\r\t', strict=True):
    _SIMPLE[_name] = _value

_HEX = np.full(256, -1, dtype=np.int64)
_HEX[48:58] = np.arange(10)
_HEX[65:71] = np.arange(10, 16)
_HEX[97:103] = np.arange(10, 16)

MAX_NUMBER_DIGITS = 400
"""Digits a number may have: more than any float64 or 64-bit integer needs (case 43)."""

# The least magnitude that rounds to infinity in float64: 2^1024 - 2^970, 309 digits (IEEE 754).
_OVERFLOW = np.frombuffer(str(2**1024 - 2**970).encode(), dtype=np.uint8) - np.uint8(48)
_OVERFLOW_EXPONENT = 308


@njit(cache=True, nogil=True)
def _utf8_step(buf, i):  # type: ignore[no-untyped-def]
    """Return the length of the well-formed sequence at `i`, whose lead is >= 0x80, or 0.

    Unicode 16, table 3-7: rejects overlong forms, surrogates and code points above U+10FFFF.
    """
    b0 = buf[i]
    if b0 < 0xC2:
        return 0
    b1 = buf[i + 1]
    if b0 < 0xE0:
        return 2 if 0x80 <= b1 <= 0xBF else 0
    if b0 < 0xF0:
        low = 0xA0 if b0 == 0xE0 else 0x80
        high = 0x9F if b0 == 0xED else 0xBF
        if low <= b1 <= high and 0x80 <= buf[i + 2] <= 0xBF:
            return 3
        return 0
    if b0 < 0xF5:
        low = 0x90 if b0 == 0xF0 else 0x80
        high = 0x8F if b0 == 0xF4 else 0xBF
        if low <= b1 <= high and 0x80 <= buf[i + 2] <= 0xBF and 0x80 <= buf[i + 3] <= 0xBF:
            return 4
    return 0


@njit(cache=True, nogil=True)
def is_utf8(buf, start, end):  # type: ignore[no-untyped-def]
    """Return whether `buf[start:end]` is well-formed UTF-8."""
    i = start
    while i < end:
        b0 = buf[i]
        if b0 < 0x80:
            i += 1
            continue
        need = 2 if b0 < 0xE0 else (3 if b0 < 0xF0 else 4)
        if i + need > end:
            return False
        step = _utf8_step(buf, i)
        if step == 0:
            return False
        i += step
    return True


@njit(cache=True, nogil=True)
def _hex4(buf, i):  # type: ignore[no-untyped-def]
    """Return the value of the four hexadecimal digits at `i`, or -1."""
    value = 0
    for k in range(4):
        digit = _HEX[buf[i + k]]
        if digit < 0:
            return -1
        value = value * 16 + digit
    return value


@njit(cache=True, nogil=True)
def scan_string(buf, i):  # type: ignore[no-untyped-def]
    r"""Check the string whose opening quote is at `i - 1`.

    Returns:
        `(after, length, fault)`: the position after the closing quote, the length in bytes once
        unescaped, and `OK`, `SURROGATE` (a lone `\uD800`-`\uDFFF`; the string is otherwise well
        formed), `SYNTAX` or `UTF8`; for the last two `after` is where the fault is.
    """
    start = i
    saved = 0
    fault = OK
    while True:
        kind = _CLASS[buf[i]]
        while kind == _PLAIN:
            i += 1
            kind = _CLASS[buf[i]]
        if kind == _WIDE:
            lead = buf[i]
            while lead >= 0x80:
                # The two common shapes in line: six times as fast on Chinese text (measured).
                if 0xE1 <= lead <= 0xEF and lead != 0xED:
                    step = 3 if buf[i + 1] & 0xC0 == 0x80 and buf[i + 2] & 0xC0 == 0x80 else 0
                elif 0xC2 <= lead < 0xE0:
                    step = 2 if buf[i + 1] & 0xC0 == 0x80 else 0
                else:
                    step = _utf8_step(buf, i)
                if step == 0:
                    return i, 0, UTF8
                i += step
                lead = buf[i]
        elif kind == _END:
            return i + 1, i - start - saved, fault
        elif kind == _CONTROL:
            return i, 0, SYNTAX
        elif _SIMPLE[buf[i + 1]] != 0:
            saved += 1
            i += 2
        elif buf[i + 1] == 117:  # u
            value = _hex4(buf, i + 2)
            if value < 0:
                return i, 0, SYNTAX
            if value < 0x80:
                saved += 5
            elif value < 0x800:
                saved += 4
            else:
                saved += 3
            i += 6
            if 0xD800 <= value <= 0xDFFF:
                paired = value < 0xDC00 and buf[i] == BACKSLASH and buf[i + 1] == 117
                low = _hex4(buf, i + 2) if paired else -1
                if 0xDC00 <= low <= 0xDFFF:
                    saved += 5
                    i += 6
                else:
                    fault = SURROGATE
        else:
            return i, 0, SYNTAX


@njit(cache=True, nogil=True)
def unescape(buf, start, end, out, pos):  # type: ignore[no-untyped-def]
    """Write the unescaped bytes of a checked string body to `out[pos:]`; return the new `pos`."""
    i = start
    while i < end:
        byte = buf[i]
        if byte != BACKSLASH:
            out[pos] = byte
            pos += 1
            i += 1
            continue
        simple = _SIMPLE[buf[i + 1]]
        if simple != 0:
            out[pos] = simple
            pos += 1
            i += 2
            continue
        value = _hex4(buf, i + 2)
        i += 6
        if 0xD800 <= value < 0xDC00 and i + 6 <= end and buf[i] == BACKSLASH and buf[i + 1] == 117:
            low = _hex4(buf, i + 2)
            if 0xDC00 <= low <= 0xDFFF:
                value = 0x10000 + ((value - 0xD800) << 10) + (low - 0xDC00)
                i += 6
        if value < 0x80:
            out[pos] = value
            pos += 1
        elif value < 0x800:
            out[pos] = 0xC0 | (value >> 6)
            out[pos + 1] = 0x80 | (value & 0x3F)
            pos += 2
        elif value < 0x10000:
            out[pos] = 0xE0 | (value >> 12)
            out[pos + 1] = 0x80 | ((value >> 6) & 0x3F)
            out[pos + 2] = 0x80 | (value & 0x3F)
            pos += 3
        else:
            out[pos] = 0xF0 | (value >> 18)
            out[pos + 1] = 0x80 | ((value >> 12) & 0x3F)
            out[pos + 2] = 0x80 | ((value >> 6) & 0x3F)
            out[pos + 3] = 0x80 | (value & 0x3F)
            pos += 4
    return pos


@njit(cache=True, nogil=True)
def _is_word(buf, i, word):  # type: ignore[no-untyped-def]
    """Return whether `word` (a `uint8` array) stands at `i`; stops at the first other byte."""
    for k in range(word.size):
        if buf[i + k] != word[k]:
            return False
    return True


_TRUE, _FALSE, _NULL, _NAN, _INFINITY = (
    np.frombuffer(word, dtype=np.uint8)
    for word in (b"true", b"false", b"null", b"NaN", b"Infinity")
)


@njit(cache=True, nogil=True)
def scan_word(buf, i):  # type: ignore[no-untyped-def]
    """Check `true`, `false` or `null` at `i`, and the non-JSON `NaN` and `Infinity`.

    Returns:
        `(after, fault)`: `NUMBER` for the two that are no JSON but numbers elsewhere.
    """
    first = buf[i]
    if first == 116 and _is_word(buf, i, _TRUE):
        return i + 4, OK
    if first == 102 and _is_word(buf, i, _FALSE):
        return i + 5, OK
    if first == 110 and _is_word(buf, i, _NULL):
        return i + 4, OK
    if first == 78 and _is_word(buf, i, _NAN):
        return i + 3, NUMBER
    if first == 73 and _is_word(buf, i, _INFINITY):
        return i + 8, NUMBER
    return i, SYNTAX


@njit(cache=True, nogil=True)
def _overflows(buf, start, end, point, exponent):  # type: ignore[no-untyped-def]
    """Return whether the decimal in `buf[start:end]` times 10**exponent rounds to infinity.

    `point` is the position of its decimal point (`end` without one).
    """
    lead = start
    while lead < end and (buf[lead] == 48 or buf[lead] == 46):
        lead += 1
    if lead == end:
        return False  # zero
    scale = (point - lead - 1 if lead < point else point - lead) + exponent
    if scale != _OVERFLOW_EXPONENT:
        return scale > _OVERFLOW_EXPONENT
    k = 0
    for i in range(lead, end):
        if buf[i] == 46:
            continue
        if k == _OVERFLOW.size:
            break
        digit = buf[i] - 48
        if digit != _OVERFLOW[k]:
            return digit > _OVERFLOW[k]
        k += 1
    for rest in range(k, _OVERFLOW.size):
        if _OVERFLOW[rest] != 0:
            return False
    return True


@njit(cache=True, nogil=True)
def _exceeds_64_bits(buf, start, end, negative):  # type: ignore[no-untyped-def]
    """Return whether the integer digits `buf[start:end]` are outside [-2^63, 2^64 - 1]."""
    if end - start != 19 and end - start != 20:
        return end - start > 20
    value = np.uint64(0)
    for i in range(start, end):
        digit = np.uint64(buf[i] - 48)
        if value > np.uint64(1844674407370955161) or (
            value == np.uint64(1844674407370955161) and digit > np.uint64(5)
        ):
            return True
        value = value * np.uint64(10) + digit
    return negative and value > np.uint64(1 << 63)


@njit(cache=True, nogil=True)
def scan_number(buf, i):  # type: ignore[no-untyped-def]
    """Check the number at `i` (a digit or a minus sign).

    Returns:
        `(after, fault)`: `NUMBER` for an integer beyond 64 bits, a decimal that rounds to
        infinity, one of more than `MAX_NUMBER_DIGITS` digits, and `-Infinity`.
    """
    negative = buf[i] == 45
    if negative:
        i += 1
        if buf[i] == 73 and _is_word(buf, i, _INFINITY):
            return i + 8, NUMBER
    start = i
    if buf[i] == 48:
        i += 1
    elif 49 <= buf[i] <= 57:
        while 48 <= buf[i] <= 57:
            i += 1
    else:
        return i, SYNTAX
    point = i
    whole = True
    if buf[i] == 46:
        whole = False
        i += 1
        if not 48 <= buf[i] <= 57:
            return i, SYNTAX
        while 48 <= buf[i] <= 57:
            i += 1
    end = i
    exponent = 0
    if buf[i] == 101 or buf[i] == 69:
        whole = False
        i += 1
        minus = buf[i] == 45
        if minus or buf[i] == 43:
            i += 1
        if not 48 <= buf[i] <= 57:
            return i, SYNTAX
        while 48 <= buf[i] <= 57:
            # Saturates far beyond what MAX_NUMBER_DIGITS digits can bring back into range.
            exponent = min(exponent * 10 + (buf[i] - 48), 1_000_000)
            i += 1
        if minus:
            exponent = -exponent
    if i - start > MAX_NUMBER_DIGITS:
        return i, NUMBER
    if whole:
        return i, NUMBER if _exceeds_64_bits(buf, start, end, negative) else OK
    return i, NUMBER if _overflows(buf, start, end, point, exponent) else OK
