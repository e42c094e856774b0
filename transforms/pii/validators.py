# SPDX-License-Identifier: Apache-2.0
"""Checks that confirm a hit: check digits, dates, ranges. One function per check.

A check gets the bytes of the shadow text and the hit's [start, end) and returns the confirmed
[start, end), which may be shorter, or None. Checks are total: they accept any bytes, cost at most
O(hit length), and never read the network.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import math
from collections import Counter
from collections.abc import Callable
from datetime import date
from functools import cache, lru_cache, partial

import re2
from stdnum import luhn

Text = memoryview
Span = tuple[int, int]
Check = Callable[[Text, int, int], Span | None]

# ISO 13616 registry, release 98: IBAN length by country.
_IBAN_LENGTH = {
    code: int(length)
    for length, codes in {
        "15": "NO",
        "16": "BE",
        "18": "DK FI FO GL NL",
        "19": "MK SI",
        "20": "AT BA EE KZ LT LU MN XK",
        "21": "CH HR LI LV",
        "22": "BG BH CR DE GB GE IE ME RS VA",
        "23": "AE GI IL IQ OM SO TL",
        "24": "AD CZ ES MD PK RO SA SE SK TN VG",
        "25": "LY PT ST",
        "26": "IS TR",
        "27": "BI DJ FR GR IT MC MR SM",
        "28": "AL AZ BY CY DO GT HU LB NI PL SV",
        "29": "BR EG PS QA UA",
        "30": "JO KW MU YE",
        "31": "MT SC",
        "32": "LC",
        "33": "RU",
    }.items()
    for code in codes.split()
}


def text_of(data: Text, start: int, end: int) -> str:
    """Return the bytes [start, end) as text."""
    return bytes(data[start:end]).decode("utf-8", "replace")


def digits_of(value: str) -> str:
    """Return the ASCII digits of a value."""
    return "".join(char for char in value if "0" <= char <= "9")


def plain_of(value: str) -> str:
    """Return the ASCII letters and digits of a value, in capitals."""
    return "".join(char for char in value if char.isascii() and char.isalnum()).upper()


def apart(data: Text, start: int, end: int) -> bool:
    """Whether a number stands alone: no further digit joined by a separator on either side."""
    if start >= 2 and data[start - 1] in b"-./_," and 48 <= data[start - 2] <= 57:
        return False
    return not (end + 1 < len(data) and data[end] in b"-./_," and 48 <= data[end + 1] <= 57)


def is_date(year: int, month: int, day: int) -> bool:
    """Whether this is a calendar day between 1880 and 2035 (a birth date)."""
    try:
        date(year, month, day)
    except ValueError:
        return False
    return 1880 <= year <= 2035


# ---------------------------------------------------------------- numbers of several countries


def card_network(digits: str) -> bool:
    """Whether the number begins with an issuer range of ISO/IEC 7812 and has a length it allows.

    Args:
        digits: 12 to 19 ASCII digits.

    Returns:
        True for Visa, Mastercard, American Express, Discover, JCB, Diners, UnionPay, Mir, and the
        Chinese debit ranges in use before UnionPay (95588, 622...).
    """
    n, two, four = len(digits), int(digits[:2]), int(digits[:4])
    return (
        (digits[0] == "4" and n in (13, 16, 19))
        or ((51 <= two <= 55 or 2221 <= four <= 2720) and n == 16)
        or (two in (34, 37) and n == 15)
        or ((four == 6011 or two == 65 or 6440 <= four <= 6499) and 16 <= n <= 19)
        or (3528 <= four <= 3589 and 16 <= n <= 19)
        or ((3000 <= four <= 3059 or two in (36, 38, 39)) and n in (14, 16))
        or (two in (62, 81) and 16 <= n <= 19)
        or (2200 <= four <= 2204 and n == 16)
        or (digits[:5] == "95588" and n == 19)
        or ((four in (5018, 5020, 5038, 5893, 6304, 6759) or 6761 <= four <= 6763) and n >= 12)
    )


def _card_groups(sizes: list[int]) -> bool:
    """Whether cards are written in groups of these sizes: fours, 4-6-5, 4-6-4, 6 and the rest.

    Groups of three digits, as in tables of numbers, are not. Line breaks may have joined fours.
    """
    fours = all(size % 4 == 0 for size in sizes[:-1])
    return fours or sizes[0] == 6 or (sizes[0] == 4 and sizes[1] in (6, 10, 11))


_FOURS_BEFORE = re2.compile(rb"(?:\A|[^0-9])((?:[0-9]{4} ){1,16})\z")
_FOURS = re2.compile(rb"\A[0-9]{4}(?: [0-9]{4})*")


def _rows_of_fours(data: Text, start: int, end: int) -> bool:
    """Whether groups of four digits go on beyond whole cards: a row of a table, or of years."""
    run = _FOURS.search(data[start : end + 80])
    if run is None or run.end() < 19:
        return False
    before = _FOURS_BEFORE.search(data[max(0, start - 80) : start])
    return (run.end() + 1 + (len(before[1]) if before is not None else 0)) % 20 != 0


def card(data: Text, start: int, end: int) -> Span | None:
    """Confirm a payment card number: issuer range, length and Luhn; the longest run of groups."""
    value = bytes(data[start:end])
    if start >= 2 and data[start - 1] == 46 and 48 <= data[start - 2] <= 57:
        return None  # Decimals.
    if _rows_of_fours(data, start, end):
        return None
    groups: list[tuple[int, int]] = []
    at = 0
    for part in value.replace(b"-", b" ").split(b" "):
        groups.append((at, at + len(part)))
        at += len(part) + 1
    if max(stop - first for first, stop in groups) < 3:
        return None
    for i, (first, _) in enumerate(groups):
        # Six groups at most: "4111 1111 1111 1111" has four, UnionPay's longest has five.
        for _, last in reversed(groups[i : i + 6]):
            digits = value[first:last].replace(b"-", b"").replace(b" ", b"").decode()
            if len(digits) < 12:
                break
            if (
                len(digits) <= 19
                and card_network(digits)
                and len(set(digits)) > 1
                and luhn.is_valid(digits)
                and _card_groups(
                    [stop - first for first, stop in groups[i : i + 6] if stop <= last]
                )
            ):
                return start + first, start + last
    return None


def luhn_digits(data: Text, start: int, end: int) -> Span | None:
    """Confirm a number of any length by its Luhn digit (ISO/IEC 7812-1 annex B)."""
    digits = digits_of(text_of(data, start, end))
    return (start, end) if len(set(digits)) > 1 and luhn.is_valid(digits) else None


def bank_account(data: Text, start: int, end: int) -> Span | None:
    """Confirm an account number after its cue: 8 to 30 digits, not all the same."""
    digits = digits_of(text_of(data, start, end))
    return (start, end) if 8 <= len(digits) <= 30 and len(set(digits)) > 1 else None


def iban(data: Text, start: int, end: int) -> Span | None:
    """Confirm an IBAN: the registry's length of its country and ISO 7064 mod 97-10."""
    country = text_of(data, start, start + 2).upper()
    need = _IBAN_LENGTH.get(country)
    if need is None:
        return None
    value, stop = "", start
    while stop < end and len(value) < need:
        char = chr(data[stop])
        if char.isascii() and char.isalnum():
            value += char.upper()
        stop += 1
    if len(value) < need or (stop < len(data) and stop < end and chr(data[stop]).isalnum()):
        return None
    number = "".join(str(int(char, 36)) for char in value[4:] + value[:4])
    return (start, stop) if int(number) % 97 == 1 else None


_VERSION_BEFORE = re2.compile(
    r"(?i:(?:\A|[^0-9a-z])(?:versions?|vers?|v|releases?|revisions?|revs?|builds?|firmware|kernel|"
    r"sections?|sec|chapters?|chap|§)(?:\s(?:is|no|nr|number))?[.:#]?|,v|[<>=~]=|[+-][0-9]{4}\t|"
    r"[<>]{7}|版本|版|第)"
    r"\s{0,3}\z".encode()
)
"""What stands before the number of a version, a section or a chapter, or of a CVS revision, in the
heads of its diffs ("--- FILE<tab>DATE -0000<tab>1.91.2.7") and its conflicts (">>>>>>> 1.68.2.10")."""
_IP_BEFORE = re2.compile(
    r"(?i:(?:\A|[^a-z])(?:ip(?:v4|s)?|addr(?:ess)?|hosts?|hostname|servers?|nameservers?|dns|from[^a-z]{0,3}\z|"
    r"ping|gateway|router?|subnet|netmask|inet|proxy|login|clients?|peer)(?:[^a-z]|\z))|"
    r"://|地址|登录".encode()
)
"""Words near an IP address. They are whole words: "script" and "telist_ips.t" say nothing."""

_FILE_BEHIND = re2.compile(
    rb"(?i)\A[.-](?:tar|t?gz|tgz|zip|bz2|xz|7z|deb|rpm|exe|msi|dmg|pkg|apk|jar|whl|so|dll|iso|img|"
    rb"diff|patch|orig|dist|src|bin)\b"
)
"""Ends of names of files, before which stands a version ("libfoo-47.49.53.47.tar.gz")."""
_HEADING_AFTER = re2.compile(rb"\A(?:\.? +\pL|\.[^0-9])")


_VERSION_TOP, _HEADING_TOP = 16, 32
"""Octets below these could count versions and sections; in the corpora here the numbers of
sections of handbooks reach 15."""


SCOPES = ("public", "private", "documentation", "reserved")
"""What an address may be; only public ones are replaced."""

_DOCUMENTATION = tuple(
    ipaddress.ip_network(block)
    for block in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20")
)
"""RFC 5737, RFC 3849, RFC 9637."""
_PRIVATE = tuple(
    ipaddress.ip_network(block)
    for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)
"""RFC 1918, RFC 4193."""


@lru_cache(maxsize=4_096)
def _scope_of(value: str) -> str | None:
    """Return the scope of an address by the IANA registries; None: it is no address.

    `public` is globally reachable, `private` and `documentation` are as above, `reserved` is every other special purpose (RFC 6890: loopback, link-local, multicast, ...).
    """
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return None
    if any(address.version == block.version and address in block for block in _DOCUMENTATION):
        return "documentation"
    if any(address.version == block.version and address in block for block in _PRIVATE):
        return "private"
    return "public" if address.is_global and not address.is_multicast else "reserved"


def _ipv4(data: Text, start: int, end: int, *, scope: str, disguised: bool = False) -> Span | None:
    value = text_of(data, start, end)
    if _scope_of(value) != scope:
        return None
    # A dot and a digit on either side: a longer dotted number, so no address.
    if start >= 2 and data[start - 1] == 46 and 48 <= data[start - 2] <= 57:
        return None
    if end + 1 < len(data) and data[end] == 46 and 48 <= data[end + 1] <= 57:
        return None
    if disguised:
        return start, end
    if _FILE_BEHIND.search(data[end : end + 10]) is not None:
        return None
    before = data[max(0, start - 40) : start]
    if _VERSION_BEFORE.search(before) is not None:
        return None
    octets = [int(part) for part in value.split(".")]
    top = max(octets)
    if top >= _HEADING_TOP or octets[0] == 10:
        return start, end
    # The shape of section and version numbers ("Policy 3.6.1.1"): only where a word on the line
    # says IP. Of all addresses one in 65,000 is like that. 10/8 is private and never replaced.
    if top < _VERSION_TOP and len(set(octets)) > 1:
        line = bytes(before).rpartition(b"\n")[2]
        if _IP_BEFORE.search(line) is None:
            return None
    # "12.2.2.3. Creating the Container"
    heads = start == 0 or data[start - 1] == 10
    return None if heads and _HEADING_AFTER.search(data[end : end + 8]) else (start, end)


def _ipv6(data: Text, start: int, end: int, *, scope: str) -> Span | None:
    value = bytes(data[start:end])
    if (start and data[start - 1] == 58) or (end < len(data) and data[end] == 58):
        return None  # A piece of a longer fingerprint.
    if not any(48 <= byte <= 57 for byte in value) or sum(map(bool, value.split(b":"))) < 3:
        return None
    return (start, end) if _scope_of(text_of(data, start, end)) == scope else None


IPV4 = {scope: partial(_ipv4, scope=scope) for scope in SCOPES}
IPV6 = {scope: partial(_ipv6, scope=scope) for scope in SCOPES}
"""Checks by scope."""
ipv4_disguised = partial(_ipv4, scope="public", disguised=True)
"""The check of addresses that are written in disguise: nobody disguises a version."""


_MAC_RESERVED = ("00005E0053", "01005E", "3333", "0180C2")
"""For documentation (RFC 7042 section 2.1.2), and groups of stations: IP multicast (RFC 1112,
RFC 2464), bridges (IEEE 802.1D)."""


def _mac(data: Text, start: int, end: int, *, scope: str) -> Span | None:
    """Confirm a MAC address: not all zeros, not broadcast, not a byte of a longer colon list.

    `private` ones have the bit of local administration (IEEE 802c); of `reserved` see above.
    """
    value = plain_of(text_of(data, start, end))
    if (start and data[start - 1] in b":-") or (end < len(data) and data[end] in b":-"):
        return None
    if value.isdigit() and data[start + 2] == 45:
        # One address in 280 has no letter; of two-digit numbers with dashes, the draws of lotteries.
        before = text_of(data, max(0, start - 24), start).lower()
        if not any(word in before for word in ("mac", "ether", "hw", "物理")):
            return None
    if len(set(value)) == 1:
        return None
    if value.startswith(_MAC_RESERVED):
        found = "reserved"
    else:
        found = "private" if int(value[:2], 16) & 2 else "public"
    return (start, end) if found == scope else None


mac_public = partial(_mac, scope="public")
mac_private = partial(_mac, scope="private")
mac_reserved = partial(_mac, scope="reserved")


# ---------------------------------------------------------------- crypto addresses

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def base58check(data: Text, start: int, end: int) -> Span | None:
    """Confirm a base58 address by its double SHA-256 checksum (Bitcoin, Tron, Litecoin, ...)."""
    value, number = text_of(data, start, end), 0
    for char in value:
        index = _BASE58.find(char)
        if index < 0:
            return None
        number = number * 58 + index
    if number.bit_length() > 200:
        return None
    raw = number.to_bytes(25, "big")
    digest = hashlib.sha256(hashlib.sha256(raw[:-4]).digest()).digest()
    return (start, end) if digest[:4] == raw[-4:] else None


def bech32(data: Text, start: int, end: int) -> Span | None:
    """Confirm a bech32 or bech32m address (BIP 173, BIP 350)."""
    value = text_of(data, start, end).lower()
    prefix, _, rest = value.rpartition("1")
    alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    if any(char not in alphabet for char in rest):
        return None
    symbols = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    check = 1
    for symbol in symbols + [alphabet.index(char) for char in rest]:
        top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ symbol
        for i, factor in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= factor if top >> i & 1 else 0
    return (start, end) if check in (1, 0x2BC830A3) else None


# ---------------------------------------------------------------- secrets


def token(data: Text, start: int, end: int) -> Span | None:
    """Confirm a secret after a cue: letters and digits mixed, Shannon entropy of 3 bits or more.

    The bound is that of detect-secrets' hex detector (limit 3.0); words and `changeme` fail it.
    """
    value = text_of(data, start, end)
    counts = Counter(value)
    entropy = -sum(n / len(value) * math.log2(n / len(value)) for n in counts.values())
    mixed = any(c.isdigit() for c in value) and any(c.isalpha() for c in value)
    name = value.replace("_", "").replace(".", "").isalnum() and sum(map(str.isdigit, value)) < 3
    if ("_" in value or "." in value) and name:
        return None  # An identifier of a program: `password = utf8_decode`.
    return (start, end) if mixed and entropy >= 3.0 else None


_EXAMPLE_PASSWORDS = frozenset(
    """password passwd passphrase pass passwort kennwort motdepasse mdp contraseña contrasenya clau
    senha lösenord passord adgangskode wachtwoord salasana hasło heslo jelszó parola şifre пароль
    katasandi secret pwd pw token xxx xxxx xxxxx xxxxxx 密码 密碼 パスワード 비밀번호""".split()
)
"""Words for a password that stand for one in manuals: `smb://user:password@server`."""


def password(data: Text, start: int, end: int) -> Span | None:
    """Confirm the password of a URL: not the word for one."""
    value = text_of(data, start, end).strip("*<>{}$%_-.").lower()
    return (start, end) if value and value not in _EXAMPLE_PASSWORDS else None


def password_zh(data: Text, start: int, end: int) -> Span | None:
    """Confirm a password behind its Chinese cue: a sign assigns it, or it looks like a token."""
    before = bytes(data[max(0, start - 6) : start]).rstrip(b" \t")
    if before.endswith((b":", b"=", "是".encode(), "为".encode(), "為".encode())):
        return password(data, start, end)
    return token(data, start, end)


def licence(data: Text, start: int, end: int) -> Span | None:
    """Confirm a licence number after its cue: at least 5 digits, no lower-case word in it."""
    value = text_of(data, start, end)
    lower = any(
        value[i : i + 3].isalpha() and value[i : i + 3].islower() for i in range(len(value))
    )
    return (start, end) if len(digits_of(value)) >= 5 and not lower else None


def account(data: Text, start: int, end: int) -> Span | None:
    """Confirm an account name after its cue: it has a digit, "-" or "_", or a colon before it."""
    value = text_of(data, start, end)
    named = (
        bytes(data[max(0, start - 4) : start])
        .rstrip()
        .endswith((b":", "是".encode(), "为".encode()))
    )
    return (start, end) if named or any(c.isdigit() or c in "_-" for c in value) else None


def jwt(data: Text, start: int, end: int) -> Span | None:
    """Confirm a JSON web token: its first part decodes to a JSON object."""
    head = bytes(data[start:end]).split(b".")[0]
    try:
        decoded = base64.urlsafe_b64decode(head + b"=" * (-len(head) % 4))
    except ValueError:
        return None
    return (start, end) if decoded[:1] == b"{" else None


# ---------------------------------------------------------------- dates, mail


def birth_date(data: Text, start: int, end: int) -> Span | None:
    """Confirm the numbers of a birth date: some order of year, month, day is a calendar day."""
    parts, digits = [], ""
    for char in text_of(data, start, end) + " ":
        if "0" <= char <= "9":
            digits += char
        elif digits:
            parts.append(int(digits))
            digits = ""
    if len(parts) == 1 and parts[0] >= 18_000_000:
        parts = [parts[0] // 10_000, parts[0] // 100 % 100, parts[0] % 100]
    if len(parts) < 3:
        return (start, end) if parts else None
    a, b, c = parts[:3]
    orders = ((a, b, c), (c, b, a), (c, a, b), (1900 + c, a, b), (1900 + c, b, a))
    return (start, end) if any(is_date(*order) for order in orders) else None


@cache
def _top_level_domains() -> frozenset[str]:
    from tldextract.tldextract import TLDExtract  # noqa: PLC0415 (slow import, on first use only)

    bundled = TLDExtract(suffix_list_urls=(), cache_dir=None)
    return frozenset(suffix.rpartition(".")[2] for suffix in bundled.tlds)


_WORD_BYTES = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def email(data: Text, start: int, end: int) -> Span | None:
    """Confirm a mail address: RFC 5321 lengths, a top-level domain of the bundled list."""
    value = bytes(data[start:end])
    if start and chr(data[start - 1]).isalnum() and chr(value[0]).isalnum():
        # Cut by the length of a local part: begin at its next word.
        rest = value[len(value) - len(value.lstrip(_WORD_BYTES)) :]
        if not rest.startswith(b"@"):
            start, value = end - len(rest), rest
    if value.startswith(b"git@") and bytes(data[end : end + 1]) == b":":
        return None  # "git@github.com:organisation/repository", of nobody.
    local, _, domain = value.rpartition(b"@")
    stripped = local.lstrip(b".'-/=&*")
    start += len(local) - len(stripped)
    local = stripped
    labels = domain.decode("utf-8", "replace").lower().split(".")
    while len(labels) > 1 and labels[-1] not in _top_level_domains():
        # "joe@example.com.Please": a sentence went on without a space.
        end -= len(labels.pop().encode()) + 1
    if len(labels) < 2 or not local or len(local) > 64 or len(domain) > 253:
        return None
    return None if b".." in local or local.endswith(b".") else (start, end)
