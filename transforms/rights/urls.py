# SPDX-License-Identifier: Apache-2.0
"""Hosts, registrable domains and canonical keys of URLs, whole columns at a time.

Ordinary rows (`http(s)://host[:port]...` or `host.name/...`, plain ASCII host) are read by compiled
kernels. A host that needs IDNA or IPv4 treatment is normalised once per distinct spelling, a URL
whose authority holds anything unusual once per row, both by `hosts`, which follows the WHATWG URL
Standard.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit
from numpy.typing import NDArray

from .buffers import slice_strings, string_array, string_buffers
from .hosts import normalise_host, read_url
from .public_suffix import registrable_domains
from .url_encoding import canonical_rest, encode_plain_rest

HOSTS = pa.schema(
    [
        pa.field("host", pa.string()),
        pa.field("second_host", pa.string()),
        pa.field("domain", pa.string()),
        pa.field("ambiguous", pa.bool_(), nullable=False),
    ]
)
"""What `parse_hosts` yields, one row per URL."""

# What the scanner makes of a row.
_NULL, PLAIN, _HOST_ODD, _ODD = 0, 1, 2, 3
_NO_PORT = -1
_MAX_PORT = 65535
_HTTP, _HTTPS = 80, 443


def _host_bytes() -> NDArray[np.uint8]:
    """Classify bytes inside an authority: plain, in need of normalisation, or odd."""
    table = np.full(256, _ODD, np.uint8)
    table[128:] = _HOST_ODD
    for char in "!$&'()*+,;=`{}~\"%":
        table[ord(char)] = _HOST_ODD
    for char in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._":
        table[ord(char)] = PLAIN
    return table


HOST_BYTES = _host_bytes()
"""Kind of each byte inside an authority: `PLAIN`, or in need of a slower path."""
_SLASH, _QUESTION, _HASH, _COLON, _DOT = (ord(c) for c in "/?#:.")
_ZERO, _NINE, _UPPER_A, _UPPER_Z, _CASE = (ord(c) for c in "09AZ ")
_S = ord("s")
_HTTP_BYTES = np.frombuffer(b"http", np.uint8)


def parse_hosts(urls: pa.Array) -> pa.RecordBatch:
    """Read the host and the registrable domain of each URL.

    Args:
        urls: string array; null allowed. A value without a scheme that begins with a host name
            (`example.com/page`) is read as `http`.

    Returns:
        Record batch of schema `HOSTS`. `host` is lower-case ASCII (punycode), without trailing
        dots, port or user information, null if there is none. `second_host` is the other reading
        where URL parsers disagree (backslash, two `@`, impossible port); null otherwise.
        `domain` is the registrable domain of `host`, null for addresses. `ambiguous` is True
        where parsers disagree: keep such a row only if neither reading is opted out, or never.
    """
    data, offsets, valid = string_buffers(urls)
    kinds, starts, ends, _, _ = _scan(data, offsets, valid)
    codes, hosts = _distinct_hosts(data, kinds, starts, ends)
    seconds: dict[int, str] = {}
    ambiguous = np.zeros(len(kinds), np.bool_)
    extra: dict[str, int] = {}
    for row in np.flatnonzero(kinds == _ODD):
        reading = read_url(_text(data, offsets, row))
        if reading.host is not None:
            codes[row] = len(hosts) + extra.setdefault(reading.host, len(extra))
        if reading.second_host is not None:
            seconds[int(row)] = reading.second_host
        ambiguous[row] = reading.ambiguous
    hosts = pa.concat_arrays([hosts, pa.array(list(extra), pa.string())])
    indices = pa.array(codes, mask=codes < 0)
    columns = [
        hosts.take(indices),
        _sparse(seconds, len(kinds)),
        registrable_domains(hosts).take(indices),
        pa.array(ambiguous),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=HOSTS)


def url_key(urls: pa.Array) -> pa.Array:
    """Return the canonical spelling of each URL, the same for all spellings of one resource.

    `https` counts as `http`; the host is normalised; user information, the ports 80 and 443 (of
    whichever of the two schemes) and the fragment are dropped; dot segments are resolved, an
    empty path is `/`, an empty query is dropped; percent-encoding is that of RFC 3986 section
    6.2.2 (unreserved decoded, upper-case hex), and characters that no URL may hold are encoded.
    The order of query parameters is kept.

    Args:
        urls: string array; null allowed.

    Returns:
        string array; null where `parse_hosts` finds no host.
    """
    data, offsets, valid = string_buffers(urls)
    kinds, starts, ends, rests, ports = _scan(data, offsets, valid)
    codes, hosts = _distinct_hosts(data, kinds, starts, ends)
    host_data, host_offsets, _ = string_buffers(hosts)
    sizes = 16 + 3 * (offsets[1:] - rests)  # at most `http://`, `:65535`, `/`, and %XX a byte
    sizes[codes >= 0] += np.diff(host_offsets)[codes[codes >= 0]]
    sizes[codes < 0] = 0
    places = np.zeros(len(kinds) + 1, np.int64)
    np.cumsum(sizes, out=places[1:])
    out = np.empty(places[-1], np.uint8)
    key_ends = encode_plain_rest(
        data, rests, offsets[1:], codes, host_data, host_offsets, ports, out, places[:-1]
    )
    keys = slice_strings(out, places[:-1], key_ends, key_ends >= 0)
    slow: dict[int, str] = {}
    for row in np.flatnonzero((kinds == _ODD) | ((codes >= 0) & (key_ends < 0))):
        key = _key_of(_text(data, offsets, row))
        if key is not None:
            slow[int(row)] = key
    return pc.coalesce(keys, _sparse(slow, len(kinds))) if slow else keys


def _key_of(url: str) -> str | None:
    reading = read_url(url)
    if reading.host is None:
        return None
    scheme, port = reading.scheme, reading.port
    if scheme in ("http", "https"):
        scheme, port = "http", None if port in (_HTTP, _HTTPS) else port
    port_text = "" if port is None else f":{port}"
    return f"{scheme}://{reading.host}{port_text}{canonical_rest(reading.rest)}"


def _distinct_hosts(
    data: NDArray[np.uint8],
    kinds: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
) -> tuple[NDArray[np.int64], pa.Array]:
    """Return a code per row (-1: none or odd) and the normalised host of each code."""
    spelled = (kinds == PLAIN) | (kinds == _HOST_ODD)
    raw_offsets = np.zeros(len(kinds) + 1, np.int64)
    np.cumsum(np.where(spelled, ends - starts, 0), out=raw_offsets[1:])
    raw = np.empty(raw_offsets[-1], np.uint8)
    _copy_hosts(data, kinds, starts, raw_offsets, raw)
    encoded = string_array(raw, raw_offsets, spelled).dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    hosts = encoded.dictionary.cast(pa.string())
    odd_codes = np.unique(codes[kinds == _HOST_ODD])
    if len(odd_codes):
        odd = [normalise_host(host) for host in hosts.take(pa.array(odd_codes)).to_pylist()]
        is_odd = np.zeros(len(hosts), np.bool_)
        is_odd[odd_codes] = True
        hosts = pc.replace_with_mask(hosts, pa.array(is_odd), pa.array(odd, pa.string()))
        refused = hosts.is_null().to_numpy(zero_copy_only=False)
        codes[(codes >= 0) & refused[codes]] = -1
    return codes, hosts


def _text(data: NDArray[np.uint8], offsets: NDArray[np.int64], row: Any) -> str:
    return data[offsets[row] : offsets[row + 1]].tobytes().decode("utf-8", "replace")


def _sparse(values: dict[int, str], size: int) -> pa.Array:
    """Return a string array of `size`, null but for the given rows."""
    if not values:
        return pa.nulls(size, pa.string())
    codes = np.full(size, -1, np.int64)
    codes[list(values)] = np.arange(len(values))
    return pa.array(list(values.values()), pa.string()).take(pa.array(codes, mask=codes < 0))


@njit(cache=True, nogil=True)
def _scan(data, offsets, valid):  # type: ignore[no-untyped-def]
    """Find host, port and rest of `http(s)` rows; anything unusual before the path is odd."""
    size = len(valid)
    kinds = np.full(size, _NULL, np.uint8)
    starts = np.zeros(size, np.int64)
    ends = np.zeros(size, np.int64)
    rests = offsets[1:].copy()
    ports = np.full(size, _NO_PORT, np.int32)
    for row in range(size):
        if not valid[row]:
            continue
        kinds[row] = _ODD
        end = offsets[row + 1]
        start = _after_scheme(data, offsets[row], end)
        if start < 0 and _is_bare_host(data, offsets[row], end):
            start = offsets[row]
        stop, kind = _host_end(data, start, end)
        rest, port = _after_port(data, stop, end)
        while stop > start and data[stop - 1] == _DOT:
            stop -= 1
        if start < 0 or kind == _ODD or rest < 0 or stop == start:
            continue
        kinds[row] = kind if kind == _HOST_ODD else _last_label_kind(data, start, stop)
        starts[row], ends[row], rests[row], ports[row] = start, stop, rest, port
    return kinds, starts, ends, rests, ports


@njit(cache=True, nogil=True)
def _after_scheme(data, at, end):  # type: ignore[no-untyped-def]
    """Return where the authority starts, or -1 if the URL does not begin `http(s)://`."""
    if end - at < len(_HTTP_BYTES) + 4:  # an `s` and `://`
        return np.int64(-1)
    for place in range(len(_HTTP_BYTES)):
        if (data[at + place] | _CASE) != _HTTP_BYTES[place]:
            return np.int64(-1)
    at += len(_HTTP_BYTES)
    if (data[at] | _CASE) == _S:
        at += 1
    if data[at] == _COLON and data[at + 1] == _SLASH and data[at + 2] == _SLASH:
        return np.int64(at + 3)
    return np.int64(-1)


@njit(cache=True, nogil=True)
def _is_bare_host(data, at, end):  # type: ignore[no-untyped-def]
    """Return whether a plain host with a dot inside it comes first, and no scheme."""
    labels, in_label = 0, False
    while at < end and HOST_BYTES[data[at]] == PLAIN:
        labels += data[at] != _DOT and not in_label
        in_label = data[at] != _DOT
        at += 1
    return labels > 1 and (at == end or data[at] in (_SLASH, _QUESTION, _HASH))


@njit(cache=True, nogil=True)
def _host_end(data, at, end):  # type: ignore[no-untyped-def]
    """Return where the host ends and the worst kind of a byte in it."""
    kind = np.uint8(PLAIN)
    while 0 <= at < end:
        byte = data[at]
        if byte in (_SLASH, _QUESTION, _HASH, _COLON):
            break
        kind = max(kind, HOST_BYTES[byte])
        at += 1
    return at, kind


@njit(cache=True, nogil=True)
def _after_port(data, at, end):  # type: ignore[no-untyped-def]
    """Return where path, query and fragment start (-1: no valid port) and the unusual port."""
    if not 0 <= at < end or data[at] != _COLON:
        return np.int64(at), np.int64(_NO_PORT)
    at += 1
    first, port = at, 0
    while at < end and _ZERO <= data[at] <= _NINE and port <= _MAX_PORT:
        port = port * 10 + data[at] - _ZERO
        at += 1
    after = data[at] if at < end else _SLASH
    if port > _MAX_PORT or after not in (_SLASH, _QUESTION, _HASH):
        return np.int64(-1), np.int64(_NO_PORT)
    usual = at == first or port in (_HTTP, _HTTPS)
    return np.int64(at), np.int64(_NO_PORT if usual else port)


@njit(cache=True, nogil=True)
def _last_label_kind(data, start, stop):  # type: ignore[no-untyped-def]
    """A host whose last label begins with a digit may be an IPv4 number form."""
    last = stop - 1
    while last > start and data[last - 1] != _DOT:
        last -= 1
    return _HOST_ODD if _ZERO <= data[last] <= _NINE else PLAIN


@njit(cache=True, nogil=True)
def _copy_hosts(data, kinds, starts, offsets, out):  # type: ignore[no-untyped-def]
    """Copy hosts; plain ones in lower case, the others as they are."""
    for row in range(len(kinds)):
        for place in range(offsets[row + 1] - offsets[row]):
            byte = data[starts[row] + place]
            if kinds[row] == PLAIN and _UPPER_A <= byte <= _UPPER_Z:
                byte |= _CASE
            out[offsets[row] + place] = byte
