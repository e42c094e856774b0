# SPDX-License-Identifier: Apache-2.0
"""What an entry of a list may be, for each kind of list."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit
from numpy.typing import NDArray

from .authors import normalise_authors
from .buffers import string_array, string_buffers
from .hosts import read_url
from .licences import UNKNOWN, normalise_licences
from .public_suffix import is_public_suffix
from .urls import HOST_BYTES, PLAIN, parse_hosts, url_key

ListKind = Literal["domain", "url", "url_prefix", "content_hash", "licence", "author", "person"]
KINDS: tuple[ListKind, ...] = get_args(ListKind)
"""What the entries of a list are, and so what they are matched with."""

_HASH = r"^(?:sha256:)?(?P<hash>[0-9a-f]{64})$"
_KEYED = r"^[0-9a-f]{32}$"
_WHOLE_HOST = "^[a-z]+://[^/]+/$"
_EVERYTHING = pa.array(["*", "*.*", "*.", ".", "/", "http://", "https://"])
_NONE = pa.scalar(None, pa.string())
_DOT, _ZERO, _NINE, _UPPER_A, _UPPER_Z, _CASE = (ord(c) for c in ".09AZ ")


def normalise_entries(entries: pa.Array, kind: ListKind) -> tuple[pa.Array, NDArray[np.bool_]]:
    """Return entries as they are matched, and which of them would cover too much.

    Args:
        entries: string array of candidates as `list_formats.read_lines` returns them.
        kind: What the entries are.

    Returns:
        string array, null where an entry is malformed; bool mask, True where it is too broad.
    """
    # What was no UTF-8 cannot be matched: malformed, whatever the kind.
    entries = pc.if_else(pc.match_substring(entries, "\ufffd"), "", entries)
    everything = pc.is_in(entries, _EVERYTHING).to_numpy(zero_copy_only=False)
    if kind == "domain":
        hosts = _entry_hosts(entries)
        return hosts, everything | is_public_suffix(hosts)
    if kind in ("url", "url_prefix"):
        trimmed = pc.replace_substring_regex(entries, r"/\*$", "/")
        starred = pc.match_substring(trimmed, "*") if kind == "url_prefix" else None
        keys = url_key(trimmed)
        if starred is not None:
            keys = pc.if_else(starred, _NONE, keys)
        broad = everything
        if kind == "url_prefix":
            whole_host = pc.match_substring_regex(keys, _WHOLE_HOST)
            hosts = pc.if_else(whole_host, parse_hosts(keys).column("host"), _NONE)
            broad = broad | is_public_suffix(hosts)
        return keys, broad
    if kind == "content_hash":
        lower = pc.utf8_lower(entries)
        found = pc.extract_regex(lower, _HASH)
        return pc.struct_field(found, "hash"), everything
    if kind == "author":
        names, broad = normalise_authors(entries)
        return names, everything | broad
    if kind == "person":
        lower = pc.utf8_lower(entries)
        return pc.if_else(pc.match_substring_regex(lower, _KEYED), lower, _NONE), everything
    licences = normalise_licences(entries).column("licence")
    return pc.if_else(pc.equal(licences, UNKNOWN), _NONE, licences), everything


def _entry_hosts(entries: pa.Array) -> pa.Array:
    """Return the host of each domain entry, null where it is none."""
    data, offsets, valid = string_buffers(entries)
    lower, plain = _lower_plain_hosts(data, offsets)
    hosts = string_array(lower, offsets - offsets[0], valid)
    if plain.all():
        return hosts
    odd = pa.array(~plain)
    texts = entries.filter(odd).to_pylist()
    return pc.replace_with_mask(hosts, odd, pa.array(map(_entry_host, texts), hosts.type))


def _entry_host(text: str) -> str | None:
    """Read an entry that is not simply an ASCII host name; a path would be lost, so it is refused."""
    if any(char in text for char in "@\\*"):
        return None
    reading = read_url(text if "://" in text else f"http://{text}")
    return reading.host if reading.rest in ("", "/") else None


@njit(cache=True, nogil=True)
def _lower_plain_hosts(data, offsets):  # type: ignore[no-untyped-def]
    """Return the strings in lower case, and which are ASCII host names as they stand."""
    lower = np.empty(offsets[-1] - offsets[0], np.uint8)
    plain = np.ones(len(offsets) - 1, np.bool_)
    for row in range(len(plain)):
        start, end = offsets[row], offsets[row + 1]
        starts_label = True
        last_label_digit = True
        for at in range(start, end):
            byte = data[at]
            plain[row] = plain[row] and HOST_BYTES[byte] == PLAIN
            if starts_label:
                last_label_digit = _ZERO <= byte <= _NINE
            starts_label = byte == _DOT
            lower[at - offsets[0]] = byte | _CASE if _UPPER_A <= byte <= _UPPER_Z else byte
        # A trailing dot, an IPv4 number form or nothing at all: the slow path knows.
        plain[row] = plain[row] and not starts_label and not last_label_digit
    return lower, plain
