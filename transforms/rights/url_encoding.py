# SPDX-License-Identifier: Apache-2.0
"""Canonical spelling of what follows the host of a URL: port, path and query.

One table says which bytes stay, and one rule serves the compiled kernel and the slow path: bytes
that may not stand in a URL are percent-encoded, encoded unreserved characters are decoded, hex
digits are upper case (RFC 3986 section 6.2.2).
"""

from __future__ import annotations

import re

import numpy as np
from numba import njit
from numpy.typing import NDArray

_UNRESERVED = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"
# `'` is a sub-delimiter in RFC 3986, but the URL Standard encodes it in queries: always encoded.
_KEPT = _UNRESERVED + b"!$&()*+,;=:@/?"
_ENCODED = re.compile(rb"%([0-9A-Fa-f]{2})|(.)", re.DOTALL)
_SLASHES = re.compile(r"\\")
_DOT_SEGMENTS = {".": 1, "%2e": 1, "..": 2, ".%2e": 2, "%2e.": 2, "%2e%2e": 2}


def _table(members: bytes) -> NDArray[np.bool_]:
    table = np.zeros(256, np.bool_)
    table[list(members)] = True
    return table


_IS_KEPT, _IS_UNRESERVED = _table(_KEPT), _table(_UNRESERVED)
_HEX = np.full(256, -1, np.int8)
_HEX[list(b"0123456789")] = range(10)
_HEX[list(b"ABCDEF")] = _HEX[list(b"abcdef")] = range(10, 16)
_DIGITS = np.frombuffer(b"0123456789ABCDEF", np.uint8)
_SCHEME = np.frombuffer(b"http://", np.uint8)
_PERCENT, _SLASH, _QUESTION, _HASH, _COLON, _DOT, _BACKSLASH, _ZERO = (ord(c) for c in "%/?#:.\\0")
_BLANK = 0x20
_SLOW = -1


def canonical_rest(rest: str) -> str:
    """Return path and query in canonical spelling.

    Args:
        rest: What follows host and port, raw; the fragment is dropped.

    Returns:
        A path that begins with `/`, and `?query` if there is one.
    """
    path, _, query = rest.partition("#")[0].partition("?")
    out: list[str] = []
    segments = _SLASHES.sub("/", path).removeprefix("/").split("/")
    for at, segment in enumerate(segments):
        dots = _DOT_SEGMENTS.get(segment.lower(), 0)
        if dots == 2 and out:
            out.pop()
        if not dots:
            out.append(encode_part(segment))
        elif at == len(segments) - 1:
            out.append("")
    return "/" + "/".join(out) + ("?" + encode_part(query) if query else "")


def encode_part(text: str) -> str:
    """Return a part of a path or query with the percent-encoding of `canonical_rest`."""
    return _ENCODED.sub(_encode_one, text.encode("utf-8", "replace")).decode("ascii")


def _encode_one(match: re.Match[bytes]) -> bytes:
    if match[1]:
        byte = bytes((int(match[1], 16),))
        return byte if byte in _UNRESERVED else b"%" + match[1].upper()
    return match[0] if match[0] in _KEPT else b"%%%02X" % match[0][0]


@njit(cache=True, nogil=True)
def encode_plain_rest(  # type: ignore[no-untyped-def]
    data, rests, ends, codes, host_data, host_offsets, ports, out, places
):
    """Write the URL keys of rows whose rest needs no dot segments resolved.

    Args:
        data: uint8, the URLs.
        rests: int64 (n), where path, query and fragment start in data.
        ends: int64 (n), where each URL ends in data.
        codes: int64 (n), number of the host, -1: skip the row.
        host_data: uint8, normalised hosts.
        host_offsets: int64, offsets into host_data.
        ports: int32 (n), -1 for the default.
        out: uint8, large enough for every byte to become three.
        places: int64 (n), where each key starts in out.

    Returns:
        int64 (n), where each key ends in out; -1 where the slow path is needed or codes is -1.
    """
    key_ends = np.full(len(codes), _SLOW, np.int64)
    for row in range(len(codes)):
        code = codes[row]
        if code < 0:
            continue
        to = places[row]
        for byte in _SCHEME:
            out[to] = byte
            to += 1
        for at in range(host_offsets[code], host_offsets[code + 1]):
            out[to] = host_data[at]
            to += 1
        if ports[row] >= 0:
            to = _write_port(ports[row], out, to)
        at, end = rests[row], ends[row]
        while end > at and data[end - 1] <= _BLANK:
            end -= 1
        if at == end or data[at] != _SLASH:
            out[to] = _SLASH
            to += 1
        key_ends[row] = _write_rest(data, at, end, out, to)
    return key_ends


@njit(cache=True, nogil=True)
def _write_port(port, out, to):  # type: ignore[no-untyped-def]
    out[to] = _COLON
    scale = 1
    while port // scale >= 10:
        scale *= 10
    while scale > 0:
        to += 1
        out[to] = _ZERO + port // scale % 10
        scale //= 10
    return to + 1


@njit(cache=True, nogil=True)
def _write_rest(data, at, end, out, to):  # type: ignore[no-untyped-def]
    in_query = False
    while at < end and data[at] != _HASH:
        byte = data[at]
        if byte < _BLANK or (byte == _BACKSLASH and not in_query):
            return np.int64(_SLOW)  # tabs and line ends vanish; backslashes are slashes
        if byte == _QUESTION and not in_query:
            in_query = True
            if at + 1 == end or data[at + 1] == _HASH:
                break  # an empty query
        if (
            byte == _PERCENT
            and at + 2 < end
            and _HEX[data[at + 1]] >= 0
            and _HEX[data[at + 2]] >= 0
        ):
            byte = np.uint8(_HEX[data[at + 1]] * 16 + _HEX[data[at + 2]])
            at += 3
            kept = _IS_UNRESERVED[byte]
        else:
            at += 1
            kept = _IS_KEPT[byte]
        if byte == _DOT and not in_query and out[to - 1] == _SLASH:
            return np.int64(_SLOW)  # perhaps a dot segment
        if kept:
            out[to] = byte
            to += 1
        else:
            out[to] = _PERCENT
            out[to + 1] = _DIGITS[byte >> 4]
            out[to + 2] = _DIGITS[byte & 15]
            to += 3
    return np.int64(to)
