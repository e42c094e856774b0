# SPDX-License-Identifier: Apache-2.0
"""Registrable domains by the Public Suffix List snapshot that ships with tldextract.

Only the ICANN section counts, as in tldextract's default: `alice.github.io` belongs to `github.io`.
The algorithm is the list's own (https://github.com/publicsuffix/list/wiki/Format): the longest
rule wins, an exception rule wins over all, and a host that no rule covers has its last label as
suffix. The network is never asked; `suffix_list_digest` says which snapshot was used.
"""

from __future__ import annotations

import functools
import hashlib
import pkgutil

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from ...schemas.errors import StageError
from .buffers import slice_strings, string_buffers
from .hosts import normalise_host
from .string_index import FNV_OFFSET, FNV_PRIME, StringIndex, build_index, find

_NORMAL, _WILDCARD, _EXCEPTION = 1, 2, 4
_ICANN_END = "// ===END ICANN DOMAINS==="
_DOT, _ZERO, _NINE, _BRACKET = (ord(c) for c in ".09[")


def registrable_domains(hosts: pa.Array) -> pa.Array:
    """Return the registrable domain (public suffix and one label more) of each host.

    Args:
        hosts: string array of hosts as `urls.parse_hosts` returns them; null allowed.

    Returns:
        string array; null for null, for IP addresses and for hosts that are public suffixes.
    """
    data, offsets, valid = string_buffers(hosts)
    index, kinds = _rules()
    starts = registrable_starts(index, kinds, data, offsets, valid)
    return slice_strings(data, starts, offsets[1:], starts >= 0)


def is_public_suffix(hosts: pa.Array) -> NDArray[np.bool_]:
    """Return a bool mask: True where a host is a public suffix (`com`, `co.uk`), not an address.

    Args:
        hosts: string array of normalised hosts.
    """
    data, offsets, valid = string_buffers(hosts)
    index, kinds = _rules()
    found = registrable_starts(index, kinds, data, offsets, valid)
    return np.asarray(valid & (found == _SUFFIX_ONLY))


def suffix_list_digest() -> str:
    """Return the sha256 of the Public Suffix List snapshot in use."""
    return hashlib.sha256(_snapshot()).hexdigest()


def _snapshot() -> bytes:
    text = pkgutil.get_data("tldextract", ".tld_set_snapshot")
    if not text:
        message = "public suffix list: expected the snapshot bundled with tldextract, found none"
        raise StageError(message)
    return text


@functools.cache
def _rules() -> tuple[StringIndex, NDArray[np.uint8]]:
    """Return the rules as an index of suffixes and the kinds of each (bits)."""
    kinds: dict[str, int] = {}
    for line in _snapshot().decode("utf-8").partition(_ICANN_END)[0].splitlines():
        rule = line.split("//", 1)[0].strip()
        if not rule:
            continue
        kind = _EXCEPTION if rule[0] == "!" else _WILDCARD if rule[:2] == "*." else _NORMAL
        name = normalise_host(rule.removeprefix("!").removeprefix("*."))
        if name:
            kinds[name] = kinds.get(name, 0) | kind
    index = build_index(pa.array(list(kinds), pa.string()), reverse=True)
    return index, np.fromiter(kinds.values(), np.uint8, len(kinds))


_NOTHING, _SUFFIX_ONLY = -1, -2


@njit(cache=True, nogil=True)
def registrable_starts(index, kinds, data, offsets, valid):  # type: ignore[no-untyped-def]
    """Return where in `data` each registrable domain starts; -1 null or address, -2 bare suffix."""
    starts = np.full(len(valid), _NOTHING, np.int64)
    for row in range(len(valid)):
        start, end = offsets[row], offsets[row + 1]
        if valid[row] and end > start and not _is_address(data, start, end):
            suffix = _suffix_start(index, kinds, data, start, end)
            starts[row] = _label_before(data, start, suffix)
    return starts


@njit(cache=True, nogil=True)
def _is_address(data, start, end):  # type: ignore[no-untyped-def]
    """A normalised host is an address if bracketed or if its last label is a number."""
    if data[start] == _BRACKET:
        return True
    at = end - 1
    while at >= start and data[at] != _DOT:
        if data[at] < _ZERO or data[at] > _NINE:
            return False
        at -= 1
    return True


@njit(cache=True, nogil=True)
def _suffix_start(index, kinds, data, start, end):  # type: ignore[no-untyped-def]
    """Return where the public suffix of `data[start:end]` starts."""
    state = FNV_OFFSET
    suffix = -1
    label = end
    under_wildcard = False
    for at in range(end - 1, start - 1, -1):
        state = (state ^ np.uint64(data[at])) * FNV_PRIME
        if at > start and data[at - 1] != _DOT:
            continue
        rule = find(index, state, data, at, end)
        kind = kinds[rule] if rule >= 0 else 0
        if kind & _EXCEPTION:
            return label
        if suffix < 0 or under_wildcard or kind & _NORMAL:
            suffix = at
        under_wildcard = (kind & _WILDCARD) != 0
        label = at
    return suffix


@njit(cache=True, nogil=True)
def _label_before(data, start, suffix):  # type: ignore[no-untyped-def]
    at = suffix - 1  # the dot
    while at > start and data[at - 1] != _DOT:
        at -= 1
    return at if at >= start and at < suffix - 1 else np.int64(_SUFFIX_ONLY)
