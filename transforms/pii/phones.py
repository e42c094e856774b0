# SPDX-License-Identifier: Apache-2.0
"""Phone numbers: shape first (RE2), then libphonenumber only on what has the shape.

libphonenumber's own matcher is never run over a text: it stops without a word after 65,535
candidates and costs milliseconds a kilobyte.
"""

from __future__ import annotations

import functools

import phonenumbers
import re2

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
    if _SURROGATE.search(data[start:end].tobytes().lstrip(b"+0")) is not None:
        return None
    if value.startswith("00"):
        if _DECIMALS.search(value) is not None:
            return None
        if value.replace(" ", "").isdigit() and _amid_numbers(data, start, end, either=True):
            return None
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


_SURROGATE = re2.compile(rb"\A[^0-9]{0,2}(?:1[^0-9]{0,2})?555[^0-9]{0,2}555[^0-9]{0,2}01[0-9]{2}\z")
"""555-01xx (kept for fiction) in area code 555 (never assigned): what `surrogates` writes. Other
555-01xx numbers are taken for real ones: texts that are no fiction hold them as well."""

_DECIMALS = re2.compile(r"\.[0-9]+ [0-9]+\.")
"""Numbers with decimals in a row: "001.94 045.86 247"."""

_PAIRED = ("DE", "FR")
"""Regions whose national format is nothing but short groups, as the rows of number tables are."""

_AMID_BEFORE = re2.compile(rb"[0-9]\.? \z")
_AMID_AFTER = re2.compile(rb"\A (?:00|[1-9][0-9.]*)(?:[\s,;]|\z)")


def _amid_numbers(data: Text, start: int, end: int, *, either: bool) -> bool:
    """Whether further numbers stand before and behind (or on either side): a row of a table."""
    before = _AMID_BEFORE.search(data[max(0, start - 3) : start]) is not None
    after = _AMID_AFTER.search(data[end : end + 12]) is not None
    return before or after if either else before and after


_LISTED_BEFORE, _LISTED_AFTER = re2.compile(rb"[0-9]{4}, ?\z"), re2.compile(rb"\A, ?[0-9]{4}")


def _listed(data: Text, start: int, end: int) -> bool:
    """Whether bare digits stand in the midst of a list of numbers with commas."""
    return (
        _LISTED_BEFORE.search(data[max(0, start - 6) : start]) is not None
        and _LISTED_AFTER.search(data[end : end + 6]) is not None
    )


_ADDRESS_PART = re2.compile(rb"(?:://|\?)[^\s\"'<>]*[/=]\z")
_PHONE_WORD = re2.compile(
    rb"(?i:tel|phone|fax|mob|cell|call|contact|sms|whatsapp|wa\.me)[^\s]{0,20}\z"
)


def _in_address(data: Text, start: int, end: int) -> bool:
    """Whether bare digits are a part of a web address whose name says nothing of a phone.

    Such are article numbers: an ISBN-10 has the shape of a French or British number.
    """
    before = data[max(0, start - 200) : start]
    if not before or before[-1] not in b"/=" or not bytes(data[start:end]).isdigit():
        return False
    return _ADDRESS_PART.search(before) is not None and _PHONE_WORD.search(before) is None


_HYPHENED = re2.compile(r"\A\(?0([0-9]+)\)?-[0-9]+\z")


@functools.lru_cache(maxsize=65_536)
def _split_elsewhere(value: str, region: str) -> bool:
    """Whether a number of two groups is not split where its area code ends, as numbers of parts.

    By DIN 5008 a hyphen stands before an extension only; where one does stand for the blank after
    the area code, that code is before it. "096400-0920" is no number of area 9640.
    """
    written = _HYPHENED.search(value)
    if written is None:
        return False
    number = phonenumbers.parse(value, region)
    return len(written[1]) != phonenumbers.length_of_national_destination_code(number)


_COUNTING = ("0123456789", "01234567890", "9876543210")


def region_check(region: str) -> Check:
    """Return the check of national numbers of one region: valid by its numbering plan.

    Args:
        region: ISO 3166-1 alpha-2 code, such as `GB`.

    Returns:
        A check.
    """

    def check(data: Text, start: int, end: int) -> Span | None:
        if not apart(data, start, end) or _in_address(data, start, end):
            return None
        value = _clean(data, start, end)
        if region in _PAIRED and ("  " in value or _amid_numbers(data, start, end, either=True)):
            return None
        if value.isdigit() and _listed(data, start, end):
            return None
        if (len(value) == 10 and value[5] == "-") or "".join(
            filter(str.isdigit, value)
        ) in _COUNTING:
            return None  # ZIP+4 of New England; the digits in order.
        if not _valid(value, region) or (region == "DE" and _split_elsewhere(value, region)):
            return None
        return start, end

    return check


def nanp(data: Text, start: int, end: int) -> Span | None:
    """Confirm a 3-3-4 number: it stands alone and has not one digit throughout."""
    digits = [byte for byte in bytes(data[start:end]) if 48 <= byte <= 57]
    if not apart(data, start, end) or len(set(digits)) == 1:
        return None
    if _SURROGATE.search(data[start:end]) is not None:
        return None
    # Blanks alone may part the columns of a table as well.
    blanks = not bytes(data[start:end]).strip(b"0123456789 ")
    return None if _amid_numbers(data, start, end, either=blanks) else (start, end)


_NAMED = re2.compile(rb"(?i:[a-z]_|[a-z]id=)\z")


def cn_mobile(data: Text, start: int, end: int) -> Span | None:
    """Confirm a mainland mobile number `1[3-9]` + 9 digits (MIIT numbering plan)."""
    if not apart(data, start, end):
        return None
    # "msgid=18090200013", "--==_Exmh_16073047980": numbers of messages.
    before = data[max(0, start - 24) : start]
    if _NAMED.search(before) is not None and _PHONE_WORD.search(before) is None:
        return None
    # `1234567.13800138000`, `1.13800138000e5` and the like are decimals.
    digits = [byte for byte in bytes(data[start:end]) if 48 <= byte <= 57]
    return (start, end) if len(set(digits[-9:])) > 1 else None


_DOTTED_NAME = re2.compile(rb"(?:[0-9A-Za-z]\.|[0-9]/)[a-z]+\.\z")
"""Parts of an identifier: "10.1016/j.cell.2004.55.658"."""


def after_cue(data: Text, start: int, end: int) -> Span | None:
    """Confirm a number after or before a cue word: 6 to 20 digits, no price, date or version."""
    if _DOTTED_NAME.search(data[max(0, start - 24) : start]) is not None:
        return None
    value = _clean(data, start, end)
    # Two blanks part two columns; "(24" after a number begins a remark.
    for break_ in ("  ", "("):
        cut = value.find(break_, 1)
        if cut > 0 and (break_ != "(" or ")" not in value[cut:]):
            head = value[:cut].rstrip(" .-/(")
            if sum(map(str.isdigit, head)) >= 6:
                value = head
    if _SURROGATE.search(value.lstrip("+").encode()) is not None:
        return None
    digits = [char for char in value if "0" <= char <= "9"]
    if not 6 <= len(digits) <= 20 or len(set(digits)) == 1 or _NO_PHONE.search(value):
        return None
    return start, start + len(value)


_NO_PHONE = re2.compile(
    r"\A(?:[0-9]+ )?[0-9]+\.[0-9]+\z|"  # "12.34567", "2000 69.99"
    r"\A(?:[0-9]{2}|(?:19|20)[0-9]{2})/(?:19|20)[0-9]{2}\z|"  # "97/2000"
    r"\A(?:(?:19|20)[0-9]{2}[-/.][0-9]{1,2}[-/.][0-9]{1,2}|"
    r"[0-9]{1,2}[-/.][0-9]{1,2}[-/.](?:19|20)[0-9]{2})\b"
)
"""Decimals, versions of programs named by years, dates."""


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
