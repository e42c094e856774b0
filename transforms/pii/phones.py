# SPDX-License-Identifier: Apache-2.0
"""Phone numbers: shape first (RE2), then libphonenumber only on what has the shape.

libphonenumber's own matcher is never run over a text: it stops without a word after 65,535
candidates and costs milliseconds a kilobyte.
"""

from __future__ import annotations

import functools

import phonenumbers

from .validators import Check, Span, Text, apart


@functools.lru_cache(maxsize=65_536)
def _valid(value: str, region: str | None) -> bool:
    """Whether libphonenumber calls `value` valid in `region` (None: it has a country code)."""
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return False
    if region is None:
        # Numbers kept for fiction (555-01xx) and new ranges are possible, not valid: still found.
        return phonenumbers.is_possible_number(number)
    return phonenumbers.is_valid_number(number)


def _clean(data: Text, start: int, end: int) -> str:
    return bytes(data[start:end]).decode("utf-8", "replace")


def international(data: Text, start: int, end: int) -> Span | None:
    """Confirm a number with its country code: possible by length (ITU-T E.164)."""
    value = _clean(data, start, end)
    if value.startswith("00"):
        if start and data[start - 1] in b".,-/":
            return None  # The end of a decimal.
        value = "+" + value[2:]
    while not _valid(value, None):
        # A later group may belong to something else: "+44 20 7946 0958 2024".
        cut = max(value.rfind(" "), value.rfind("-"), value.rfind("."), value.rfind("/"))
        if cut < 8:
            return None
        end -= len(value) - cut
        value = value[:cut]
    return start, end


_COUNTING = ("0123456789", "01234567890", "9876543210")


def region_check(region: str) -> Check:
    """Return the check of national numbers of one region: valid by its numbering plan.

    Args:
        region: ISO 3166-1 alpha-2 code, such as `GB`.

    Returns:
        A check.
    """

    def check(data: Text, start: int, end: int) -> Span | None:
        if not apart(data, start, end):
            return None
        value = _clean(data, start, end)
        if (len(value) == 10 and value[5] == "-") or "".join(
            filter(str.isdigit, value)
        ) in _COUNTING:
            return None  # ZIP+4 of New England; the digits in order.
        return (start, end) if _valid(value, region) else None

    return check


def nanp(data: Text, start: int, end: int) -> Span | None:
    """Confirm a 3-3-4 number: it stands alone and has not one digit throughout."""
    digits = [byte for byte in bytes(data[start:end]) if 48 <= byte <= 57]
    return (start, end) if apart(data, start, end) and len(set(digits)) > 1 else None


def cn_mobile(data: Text, start: int, end: int) -> Span | None:
    """Confirm a mainland mobile number `1[3-9]` + 9 digits (MIIT numbering plan)."""
    if not apart(data, start, end):
        return None
    # `1234567.13800138000`, `1.13800138000e5` and the like are decimals.
    digits = [byte for byte in bytes(data[start:end]) if 48 <= byte <= 57]
    return (start, end) if len(set(digits[-9:])) > 1 else None


def after_cue(data: Text, start: int, end: int) -> Span | None:
    """Confirm a local number after or before a cue word: 6 to 15 digits, and not a date or time."""
    value = _clean(data, start, end)
    digits = [char for char in value if "0" <= char <= "9"]
    return (start, end) if 6 <= len(digits) <= 20 and len(set(digits)) > 1 else None


def e164(value: str, region: str | None) -> str:
    """Return the E.164 form for the keyed hash, or the bare digits where it has none.

    Args:
        value: The number as written in the shadow text.
        region: Region of its detector, or None.

    Returns:
        `+` and digits, or digits.
    """
    if value.startswith("00"):
        value = "+" + value[2:]
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return "".join(char for char in value if "0" <= char <= "9")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
