# SPDX-License-Identifier: Apache-2.0
"""Checks of national identifiers: US, UK, China, Hong Kong, Taiwan; python-stdnum's."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache

from stdnum.exceptions import ValidationError

from .validators import Check, Span, Text, apart, digits_of, is_date, plain_of, text_of

_CN_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
# GB/T 2260 province codes, with 81-83 (GB 11643 residence permits of HK, Macao, Taiwan).
_CN_PROVINCES = frozenset(
    [
        "11",
        "12",
        "13",
        "14",
        "15",
        "21",
        "22",
        "23",
        "31",
        "32",
        "33",
        "34",
        "35",
        "36",
        "37",
        "41",
        "42",
        "43",
        "44",
        "45",
        "46",
        "50",
        "51",
        "52",
        "53",
        "54",
        "61",
        "62",
        "63",
        "64",
        "65",
        "71",
        "81",
        "82",
        "83",
    ]
)


def ssn(data: Text, start: int, end: int) -> Span | None:
    """Confirm a US social security number: areas 001-665, 667-899; no zero group or serial."""
    digits = digits_of(text_of(data, start, end))
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    if area in ("000", "666") or area[0] == "9" or group == "00" or serial == "0000":
        return None
    # Numbers the SSA has cancelled because they were printed in advertising.
    return None if digits in ("078051120", "219099999") else (start, end)


def itin(data: Text, start: int, end: int) -> Span | None:
    """Confirm a US ITIN: 9xx, group 50-65, 70-88, 90-92 or 94-99 (IRS)."""
    digits = digits_of(text_of(data, start, end))
    group = int(digits[3:5])
    allowed = 50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 92 or 94 <= group <= 99
    return (start, end) if digits[0] == "9" and allowed else None


def nino(data: Text, start: int, end: int) -> Span | None:
    """Confirm a UK national insurance number: the prefix is one that is issued."""
    prefix = text_of(data, start, start + 2).upper()
    return None if prefix in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ") else (start, end)


@cache
def _stdnum(module: str) -> Callable[[str], bool]:
    """Return `is_valid` of a python-stdnum module, total: what it raises counts as False."""
    found = importlib.import_module(f"stdnum.{module}")

    def valid(value: str) -> bool:
        try:
            return bool(found.is_valid(value))
        except (ValidationError, ValueError, KeyError, IndexError, TypeError):
            return False

    return valid


def stdnum_valid(module: str, value: str) -> bool:
    """Whether a python-stdnum module, named by its dotted name below `stdnum`, accepts a value."""
    return _stdnum(module)(value)


def stdnum_check(module: str) -> Check:
    """Return the check of one python-stdnum module.

    Args:
        module: Dotted name below `stdnum`, such as `de.idnr`.

    Returns:
        A check that confirms what the module calls valid.
    """

    def check(data: Text, start: int, end: int) -> Span | None:
        value = text_of(data, start, end).upper()
        digits = digits_of(value)
        # One digit throughout is a made-up number; codes that are mostly letters have few digits.
        if (len(digits) > 5 and len(set(digits)) < 2) or not apart(data, start, end):
            return None
        return (start, end) if _stdnum(module)(value) else None

    return check


def resident_id(data: Text, start: int, end: int) -> Span | None:
    """Confirm a Chinese resident id: province, birth date, ISO 7064 mod 11-2 (GB 11643-1999)."""
    value = plain_of(text_of(data, start, end))
    if len(value) != 18 or value[:2] not in _CN_PROVINCES:
        return None
    if not is_date(int(value[6:10]), int(value[10:12]), int(value[12:14])):
        return None
    total = sum(int(char) * weight for char, weight in zip(value[:17], _CN_WEIGHTS, strict=True))
    return (start, end) if "10X98765432"[total % 11] == value[17] else None


def resident_id_15(data: Text, start: int, end: int) -> Span | None:
    """Confirm the 15-digit resident id of before 1999: province and birth date, no check digit."""
    value = plain_of(text_of(data, start, end))
    if len(value) != 15 or value[:2] not in _CN_PROVINCES:
        return None
    born = is_date(1900 + int(value[6:8]), int(value[8:10]), int(value[10:12]))
    return (start, end) if born else None


def uscc(data: Text, start: int, end: int) -> Span | None:
    """Confirm a social credit code: registrar, check character; not a failed resident id."""
    value = text_of(data, start, end)
    if value.isdigit() and is_date(int(value[6:10]), int(value[10:12]), int(value[12:14])):
        return None
    issuer = value[0] in "159ANY" and value[1] in "1234569"
    return (start, end) if issuer and _stdnum("cn.uscc")(value) else None


def hk_id(data: Text, start: int, end: int) -> Span | None:
    """Confirm a Hong Kong identity card number by its mod 11 check character."""
    value = plain_of(text_of(data, start, end))
    letters, digits, last = value[:-7], value[-7:-1], value[-1]
    padded = letters.rjust(2)
    total = sum(
        weight * (36 if char == " " else ord(char) - 55)
        for weight, char in zip((9, 8), padded, strict=True)
    )
    total += sum(weight * int(char) for weight, char in zip(range(7, 1, -1), digits, strict=True))
    total += 10 if last == "A" else int(last)
    return (start, end) if total % 11 == 0 else None


def tw_id(data: Text, start: int, end: int) -> Span | None:
    """Confirm a Taiwan identity number by its check digit (also resident certificates, 8 or 9)."""
    value = plain_of(text_of(data, start, end))
    letter = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(value[0]) + 10
    total = letter // 10 + letter % 10 * 9
    total += sum(int(c) * w for c, w in zip(value[1:], (8, 7, 6, 5, 4, 3, 2, 1, 1), strict=True))
    return (start, end) if total % 10 == 0 else None


def plate(data: Text, start: int, end: int) -> Span | None:
    """Confirm a Chinese plate: at least one digit, and no longer run of letters and digits."""
    value = text_of(data, start, end)
    return (start, end) if any("0" <= char <= "9" for char in value[2:]) else None
