# SPDX-License-Identifier: Apache-2.0
"""How headers and tags of a response that speak of rights travel with its record.

Both carriers are one string a document, one line a header or tag, so that equal ones are equal
strings and are parsed once. A missing carrier (null) says that this input could not show it; an
empty one that it was seen and holds nothing about rights. Readers of crawls write them with
`header_lines` and `tag_lines`; other sources map a field that holds the same lines.
"""

from __future__ import annotations

from collections.abc import Iterable

from .agents import ai_agents

RIGHTS_HEADERS = frozenset(
    {"content-signal", "content-usage", "link", "tdm-policy", "tdm-reservation", "x-robots-tag"}
)
"""Response headers that can hold a rights signal, lower case."""

RIGHTS_TAGS = frozenset(
    {
        "a",
        "content-signal",
        "content-usage",
        "copyright",
        "dc.rights",
        "dcterms.license",
        "dcterms.rights",
        "license",
        "licence",
        "link",
        "robots",
        "tdm-policy",
        "tdm-reservation",
        "tdm:policy",
        "tdm:reservation",
    }
)
"""Names of tags that can hold a rights signal: names of meta elements and of XMP properties
(`tdm:reservation` of PDF and EPUB), and `link` and `a` for elements with `rel`. Meta elements may
also be named after a crawler, as `robots` for that one."""

MAX_CARRIER_BYTES = 16 << 10
"""Longest carrier that is read to its end (UTF-8 bytes); of a longer one the rest is unknown.
Servers refuse header fields from 8 KiB on (Apache httpd LimitRequestFieldSize, nginx
large_client_header_buffers: 8 KiB); rights headers of one response have tens of bytes."""


def header_lines(headers: Iterable[tuple[str, str]]) -> str:
    r"""Return the carrier of the response headers that speak of rights.

    >>> header_lines([("X-Robots-Tag", " noai,\r\n noimageai"), ("Server", "x")])
    'x-robots-tag: noai, noimageai'

    Args:
        headers: (name, value) in the order received; a repeated header stays repeated.

    Returns:
        One `name: value` a line, names in lower case; longer than
        `MAX_CARRIER_BYTES`, by at most four bytes, where the rest was cut.
    """
    return _lines(headers, RIGHTS_HEADERS, ": ")


def tag_lines(tags: Iterable[tuple[str, str]]) -> str:
    r"""Return the carrier of the tags that speak of rights.

    >>> tag_lines([("ROBOTS", "noai"), ("viewport", "x"), ("link", '</l>; rel="license"')])
    'robots=noai\nlink=</l>; rel="license"'

    Args:
        tags: (name, content) in document order. A `link` or `a` element with a `rel` stands as
            name `link` or `a` and the value of a Link header: `<href>; rel="..."; type="..."`.

    Returns:
        One `name=content` a line, as `header_lines`.
    """
    return _lines(tags, RIGHTS_TAGS | ai_agents().keys(), "=")


def carrier_lines(carrier: str, between: str) -> list[tuple[str, str]]:
    """Return the (name, value) of each line of a carrier, names in lower case.

    Args:
        carrier: What `header_lines` or `tag_lines` wrote, or a field with such lines.
        between: `:` in headers, `=` in tags.
    """
    pairs = (line.partition(between) for line in carrier.replace("\r", "\n").split("\n"))
    return [(name.strip().lower(), " ".join(value.split())) for name, _, value in pairs]


def _lines(pairs: Iterable[tuple[str, str]], names: frozenset[str], between: str) -> str:
    kept = (
        f"{key}{between}{' '.join(value.split())}"
        for name, value in pairs
        if (key := name.strip().lower()) in names
    )
    data = "\n".join(kept).encode("utf-8", "replace")
    # Four bytes more hold at least one whole code point: what was cut stays longer than the limit.
    return data[: MAX_CARRIER_BYTES + 4].decode("utf-8", "ignore")
