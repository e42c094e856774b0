# SPDX-License-Identifier: Apache-2.0
"""Origins of URLs (scheme, host, port), and the path within them, whole columns at a time."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from .urls import url_key

_PREFIX = "http://"


def url_origins(urls: pa.Array, keys: pa.Array | None = None) -> tuple[pa.Array, pa.Array]:
    """Return the origin and the path of each URL.

    Args:
        urls: string array; null allowed. What has no scheme is read as `http`.
        keys: Their `url_key`, if it is known.

    Returns:
        Two string arrays: `https://host[:port]`, the scheme's usual port left out, and path with
        query in canonical spelling; null for what is not http or https.
    """
    keys = url_key(urls) if keys is None else keys
    is_web = pc.fill_null(pc.starts_with(keys, _PREFIX), False)
    rest = pc.utf8_slice_codeunits(pc.if_else(is_web, keys, None), len(_PREFIX))
    host = pc.replace_substring_regex(rest, "/.*", "")
    path = pc.replace_substring_regex(rest, "^[^/]*", "")
    secure = pc.match_substring_regex(urls, r"^[\x00-\x20]*https:", ignore_case=True)
    scheme = pc.if_else(pc.fill_null(secure, False), "https://", _PREFIX)
    origin = pc.binary_join_element_wise(scheme, host, "")
    nothing = pa.scalar(None, pa.string())
    return pc.if_else(is_web, origin, nothing), pc.if_else(is_web, path, nothing)


def other_scheme(origins: pa.Array) -> pa.Array:
    """Return the same hosts under the other of http and https; null where a port is named."""
    named = pc.match_substring_regex(origins, r"^https?://(\[[^\]]*\]|[^:\[]*):[0-9]+$")
    swapped = pc.if_else(
        pc.starts_with(origins, "https:"),
        pc.replace_substring(origins, "https:", "http:", max_replacements=1),
        pc.replace_substring(origins, "http:", "https:", max_replacements=1),
    )
    return pc.if_else(named, pa.scalar(None, pa.string()), swapped)
