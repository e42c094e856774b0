# SPDX-License-Identifier: Apache-2.0
"""The host of a URL, one URL at a time: the slow and complete path behind `urls.parse_hosts`.

The first reading is the one browsers and crawlers share: the WHATWG URL Standard
(https://url.spec.whatwg.org/#host-parsing) with UTS #46 non-transitional processing from the
`idna` package. The second is RFC 3986's, where the two disagree: parsers that disagree about the
host are how a filter is passed (reliability case 81), so both readings are reported.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

import idna

DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21}
"""Special schemes of the URL Standard and their default ports (`file` has no network host)."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_STRIPPED = "".join(map(chr, range(0x21)))
_REMOVED = str.maketrans("", "", "\t\n\r")
# https://url.spec.whatwg.org/#forbidden-domain-code-point
_FORBIDDEN = re.compile(r"[\x00-\x20#%/:<>?@\[\\\]^|\x7f]")
_NOT_BARE = re.compile(r"[ @]")
_ZERO_RUN = re.compile(r"\b0(?::0)+\b")
_JOINERS = "\u200c\u200d"
_MAX_PORT = 65535
_IPV4_DIGITS = 11


class UrlReading(NamedTuple):
    """What a URL says, read both ways.

    Attributes:
        scheme: Lower-case scheme, `http` where the URL had none; empty if it is no URL.
        host: Host by the URL Standard without trailing dots, or None if there is none.
        port: Port that is not the scheme's default, or None.
        rest: Path, query and fragment, raw.
        second_host: Host of the other reading where it differs from `host`, else None.
        ambiguous: Whether parsers disagree about the host.
    """

    scheme: str
    host: str | None
    port: int | None
    rest: str
    second_host: str | None
    ambiguous: bool


_NO_URL = UrlReading("", None, None, "", None, ambiguous=False)


def normalise_host(host: str) -> str | None:
    """Return a host as lower-case ASCII, or None if the URL Standard refuses it.

    Args:
        host: Host as written in a URL: percent-encoding, U-labels, full-width forms, IPv4 number
            forms and `[IPv6]` are understood. No port, no user information.

    Returns:
        Punycode domain without trailing dots, dotted-quad IPv4 address, or `[IPv6]`.
    """
    if host.startswith("["):
        return _ipv6(host[1:-1]) if host.endswith("]") else None
    if "%" in host:
        host = unquote_to_bytes(host).decode("utf-8", "replace")
    # Trailing dots go first, so that no spelling of a name is left that reads as a number later.
    ascii_host = (_to_ascii(host) or "").rstrip(".")
    if not ascii_host or _FORBIDDEN.search(ascii_host):
        return None
    return _ipv4(ascii_host) if _ends_in_number(ascii_host) else ascii_host


def read_url(url: str) -> UrlReading:
    """Split a URL into scheme, host, port and rest, by both readings.

    A value without a scheme is read as `http` when it begins with a host name that has a dot
    (`example.com/page`, `//example.com`, `example.com:8080`). `file`, `urn`, `mailto` and the like
    have no host.

    Args:
        url: The URL as it came with the record.
    """
    text = url.strip(_STRIPPED).translate(_REMOVED)
    match = _SCHEME.match(text)
    scheme, after = (match[1].lower(), text[match.end() :]) if match else ("", text)
    if scheme in DEFAULT_PORTS:
        after = after.lstrip("/\\")
        stops = "/\\?#"
    elif scheme and after.startswith("//") and scheme != "file":
        after = after[2:]
        stops = "/?#"
    elif _is_bare_host(text, scheme):
        scheme, after, stops = "http", text.lstrip("/\\"), "/\\?#"
    else:
        return _NO_URL
    end = _first_of(after, stops)
    authority, rest = after[:end], after[end:]
    host, port = _host_and_port(authority.rpartition("@")[2], scheme)
    second, doubtful = _second_reading(authority, after, scheme)
    if host is None and second is None:
        # Only the port is at fault: lenient parsers read the host all the same.
        second = normalise_host(_split_port(authority.rpartition("@")[2])[0])
    if second == host:
        second = None
    return UrlReading(scheme, host, port, rest, second, doubtful or second is not None)


def _second_reading(authority: str, after: str, scheme: str) -> tuple[str | None, bool]:
    """Return the host of the other reading, and whether the URL is doubtful even without one."""
    if authority.count("@") > 1:
        # The URL Standard splits at the last `@`, older parsers at the first.
        middle = authority.partition("@")[2].partition("@")[0]
        return normalise_host(_split_port(middle)[0]), True
    generic = after[: _first_of(after, "/?#")]
    if "\\" in generic:
        # RFC 3986 knows no backslash: `example.com\@evil.com` has the host `evil.com`.
        return _host_and_port(generic.rpartition("@")[2], scheme)[0], False
    return None, False


def _is_bare_host(text: str, scheme: str) -> bool:
    if text.startswith(("//", "\\\\")):
        return True
    if scheme and "." not in scheme:
        return False
    name, colon, after = text[: _first_of(text, "/\\?#")].partition(":")
    looks_like_host = "." in name.strip(".") and not _NOT_BARE.search(name)
    return looks_like_host and (not colon or after.isdecimal())


def _first_of(text: str, stops: str) -> int:
    return min((at for at in map(text.find, stops) if at >= 0), default=len(text))


def _split_port(text: str) -> tuple[str, str]:
    """Split `host:port` at the first colon outside brackets."""
    bracket = text.find("]") if text.startswith("[") else -1
    colon = text.find(":", bracket + 1)
    return (text, "") if colon < 0 else (text[:colon], text[colon + 1 :])


def _host_and_port(text: str, scheme: str) -> tuple[str | None, int | None]:
    host, digits = _split_port(text)
    if not digits:
        return normalise_host(host), None
    significant = digits.lstrip("0") or "0"
    if not digits.isascii() or not digits.isdigit() or len(significant) > len(str(_MAX_PORT)):
        return None, None
    port = int(significant)
    if port > _MAX_PORT:
        return None, None
    return normalise_host(host), None if port == DEFAULT_PORTS.get(scheme) else port


def _to_ascii(domain: str) -> str | None:
    """UTS #46 ToASCII with the URL Standard's flags (no STD3, no hyphen or length checks)."""
    if domain.isascii():
        # Punycode as it comes is not judged: resolvers do not either, and browsers accept it.
        return domain.lower()
    try:
        labels = idna.uts46_remap(domain, std3_rules=False).split(".")
        for label in labels:
            _check_label(label)
    except (UnicodeError, ValueError, OverflowError):
        return None
    return ".".join(
        label if label.isascii() else "xn--" + label.encode("punycode").decode("ascii")
        for label in labels
    )


def _check_label(label: str) -> None:
    """Raise UnicodeError if a mapped label is not valid (UTS #46 section 4.1)."""
    if label.startswith("xn--"):
        decoded = label[4:].encode("ascii").decode("punycode")
        # A label that decodes to ASCII, or is not its own mapping, has a second spelling: refused.
        if decoded.isascii() or idna.uts46_remap(decoded, std3_rules=False) != decoded:
            raise UnicodeError
        label = decoded
    if label.isascii():
        return
    if unicodedata.category(label[0]).startswith("M"):
        raise UnicodeError
    for at, char in enumerate(label):
        if char in _JOINERS and not idna.valid_contextj(label, at):
            raise UnicodeError
    idna.check_bidi(label)


def _ends_in_number(host: str) -> bool:
    last = host.rpartition(".")[2]
    return last.isdigit() or _ipv4_number(last) is not None


def _ipv4_number(text: str) -> int | None:
    """Return a decimal, octal (`0..`) or hexadecimal (`0x..`) IPv4 part, or None."""
    if text[:2] == "0x":
        digits, base = text[2:] or "0", 16
    elif len(text) > 1 and text[0] == "0":
        digits, base = text[1:], 8
    else:
        digits, base = text, 10
    if not digits or any(c not in "0123456789abcdef"[:base] for c in digits):
        return None
    # 32 bits are at most eleven octal digits: what is longer is too large, and int() has its limits.
    significant = digits.lstrip("0") or "0"
    return int(significant, base) if len(significant) <= _IPV4_DIGITS else 1 << 32


def _ipv4(host: str) -> str | None:
    """Return the dotted quad of any IPv4 number form (`127.1`, `0x7f000001`), or None."""
    labels = host.split(".")
    numbers = [_ipv4_number(label) for label in labels]
    if len(numbers) > 4:
        return None
    address = 0
    for place, number in enumerate(numbers):
        last = place == len(numbers) - 1
        if number is None or number >= 256 ** (5 - len(numbers) if last else 1):
            return None
        address += number if last else number << 8 * (3 - place)
    return str(ipaddress.IPv4Address(address))


def _ipv6(text: str) -> str | None:
    """Return `[IPv6]` compressed as the URL Standard does, always in hexadecimal."""
    if "%" in text:
        return None
    try:
        words = ipaddress.IPv6Address(text).exploded.split(":")
    except ValueError:
        return None
    pieces = ":".join(word.lstrip("0") or "0" for word in words)
    runs = list(_ZERO_RUN.finditer(pieces))
    if runs:
        start, end = max((run.span() for run in runs), key=lambda span: span[1] - span[0])
        pieces = pieces[:start].rstrip(":") + "::" + pieces[end:].lstrip(":")
    return f"[{pieces}]"
