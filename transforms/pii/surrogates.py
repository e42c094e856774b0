# SPDX-License-Identifier: Apache-2.0
"""Surrogates: values that look like their type and can be nobody's, chosen by the keyed hash.

Each is from a range that its registry reserves for documentation or never issues, or carries a
check digit that is wrong, so that no detector takes it for a real one. Types without such a range
(names, addresses, numbers known by their context only) have none; `operators` writes a typed
placeholder with a keyed tag instead.
"""

from __future__ import annotations

from collections.abc import Callable

from .national_checks import hk_id, resident_id, stdnum_valid
from .validators import Check, base58check, card

_LETTERS = bytes.maketrans(b"0123456789abcdef", b"abcdefghijklmnop")
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_PLAIN = "ACDEFHJKMNPRTUVWX"
"""Letters that no disguise takes for a digit."""
_USCC = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def tag(digest: bytes, size: int) -> str:
    """Return the first bytes of a digest as letters a to p: no digit, so no detector matches it."""
    return digest[:size].hex().encode().translate(_LETTERS).decode()


class _Draw:
    """Numbers drawn from a digest, one after the other."""

    def __init__(self, digest: bytes) -> None:
        self._left = int.from_bytes(digest, "big")

    def below(self, bound: int) -> int:
        self._left, number = divmod(self._left, bound)
        return number

    def digits(self, count: int) -> str:
        return "".join(str(self.below(10)) for _ in range(count))


def _refused(check: Check, body: str, ends: str, close: str = "") -> str:
    """Return `body` with the first end that a check refuses: a wrong check digit."""
    for end in ends:
        value = (body + end + close).encode()
        if check(memoryview(value), 0, len(value)) is None:
            return body + end + close
    msg = "surrogate: every check digit was accepted"
    raise AssertionError(msg)


def _email(_draw: _Draw, digest: bytes, _value: str) -> str:
    return f"user-{tag(digest, 4)}@redacted.invalid"


def _phone(draw: _Draw, _digest: bytes, _value: str) -> str:
    return f"555-555-01{draw.digits(2)}"


def _address(draw: _Draw, _digest: bytes, value: str) -> str:
    if ":" in value:
        return f"2001:db8:{draw.below(65_535) + 1:x}::{draw.below(65_535) + 1:x}"
    block = ("192.0.2", "198.51.100", "203.0.113")[draw.below(3)]
    return f"{block}.{draw.below(254) + 1}"


def _mac(draw: _Draw, _digest: bytes, _value: str) -> str:
    return f"00:00:5e:00:53:{draw.below(256):02x}"


def _iban(draw: _Draw, _digest: bytes, _value: str) -> str:
    return f"XX00{draw.digits(18)}"


def _card(draw: _Draw, _digest: bytes, _value: str) -> str:
    return _refused(card, f"0000{draw.digits(11)}", "01")


def _wallet(draw: _Draw, _digest: bytes, _value: str) -> str:
    # 21 digits of base 58 hold the whole digest.
    body = "".join(_BASE58[draw.below(58)] for _ in range(21)).rjust(32, "z")
    return _refused(base58check, f"1{body}", "12")


def _ssn(draw: _Draw, _digest: bytes, _value: str) -> str:
    return f"000-{draw.below(99) + 1:02}-{draw.below(9_999) + 1:04}"


def _itin(draw: _Draw, _digest: bytes, _value: str) -> str:
    return f"9{draw.digits(2)}-0{draw.digits(1)}-{draw.digits(4)}"


def _nhs(draw: _Draw, _digest: bytes, _value: str) -> str:
    body = f"999{draw.digits(6)}"
    return next(body + end for end in "01" if not stdnum_valid("gb.nhs", body + end))


def _nino(draw: _Draw, _digest: bytes, _value: str) -> str:
    return f"QQ{draw.digits(6)}{'ABCD'[draw.below(4)]}"


def _resident_id(draw: _Draw, _digest: bytes, _value: str) -> str:
    born = f"{1900 + draw.below(100)}{draw.below(12) + 1:02}{draw.below(28) + 1:02}"
    return _refused(resident_id, f"99{draw.digits(4)}{born}{draw.digits(3)}", "01")


def _credit_code(draw: _Draw, _digest: bytes, _value: str) -> str:
    body = "90990000" + "".join(_USCC[draw.below(31)] for _ in range(9))
    return next(body + end for end in "01" if not stdnum_valid("cn.uscc", body + end))


def _hk_id(draw: _Draw, _digest: bytes, _value: str) -> str:
    letter = _PLAIN[draw.below(len(_PLAIN))]
    return _refused(hk_id, f"{letter}{draw.digits(6)}(", "01", ")")


def _mo_id(draw: _Draw, _digest: bytes, _value: str) -> str:
    return f"9{draw.digits(6)}({draw.digits(1)})"


def _tw_id(draw: _Draw, _digest: bytes, _value: str) -> str:
    return f"{_PLAIN[draw.below(len(_PLAIN))]}0{draw.digits(8)}"


RANGES: dict[str, tuple[Callable[[_Draw, bytes, str], str], str]] = {
    "EMAIL_ADDRESS": (_email, "domain of RFC 2606 section 2: .invalid never resolves"),
    "PHONE_NUMBER": (
        _phone,
        "555-01xx, kept for fiction, in area code 555, never assigned (NANPA)",
    ),
    "IP_ADDRESS": (_address, "RFC 5737 for version 4, RFC 3849 for version 6"),
    "MAC_ADDRESS": (_mac, "RFC 7042 section 2.1.2: documentation"),
    "IBAN_CODE": (_iban, "country XX (user-assigned in ISO 3166-1), in no IBAN registry entry"),
    "CREDIT_CARD": (_card, "issuer 0000 (ISO/IEC 7812), wrong Luhn digit"),
    "CRYPTO": (_wallet, "base58 with a wrong checksum"),
    "US_SSN": (_ssn, "area 000, never issued (SSA POMS RM 10201)"),
    "US_ITIN": (_itin, "groups 00 to 09, never issued (IRS Pub. 1915)"),
    "UK_NHS": (_nhs, "999 range kept for tests, wrong check digit"),
    "UK_NINO": (_nino, "prefix QQ, never issued (HMRC NIM39110)"),
    "CN_RESIDENT_ID": (_resident_id, "province 99 (not in GB/T 2260), wrong check character"),
    "CN_USCC": (_credit_code, "registrar 90 (not in GB 32100), wrong check character"),
    "HK_ID": (_hk_id, "wrong check digit"),
    "MO_ID": (_mo_id, "first digit 9, not issued"),
    "TW_ID": (_tw_id, "second digit 0, not issued"),
}
"""Entity type to what makes its surrogate, and the range that it is from."""


def surrogate(entity: str, digest: bytes, value: str) -> str | None:
    """Return a value of the type's reserved range.

    Args:
        entity: Entity type.
        digest: Keyed hash of the value, 16 bytes; equal hashes give equal surrogates.
        value: The value; only whether an address is of version 6 is read from it.

    Returns:
        The surrogate, or None where the type has no reserved range.
    """
    made = RANGES.get(entity)
    return None if made is None else made[0](_Draw(digest), digest, value)
