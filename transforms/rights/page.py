# SPDX-License-Identifier: Apache-2.0
"""What the headers and tags of one response say of training, and under which licence it says to be.

Equal carriers are parsed once; see `carriers` for what they hold.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

from ...schemas.rights import Protocol
from .aipref import read_content_usage
from .carriers import MAX_CARRIER_BYTES, carrier_lines
from .content_signal import read_content_signal
from .readings import NOT_FETCHED, SILENT, Reading, cut, strictest
from .tdmrep import read_reservation
from .x_robots import read_directives

_LINK = re.compile(r"<([^<>]*)>((?:\s*;\s*[\w*-]+(?:\s*=\s*(?:\"[^\"]*\"|[^\s;,\"]+))?)*)")
_PARAMETER = re.compile(r";\s*(rel|type)\s*=\s*(?:\"([^\"]*)\"|([^\s;,\"]+))", re.IGNORECASE)
_RSL_TYPE = "application/rsl+xml"
_LICENCE_TAGS = ("dc.rights", "dcterms.license", "dcterms.rights", "license", "licence")


class PageReadings(NamedTuple):
    """What one carrier says.

    Attributes:
        signals: Protocol to reading; protocols that are silent are left out.
        licences: Licences it names: addresses or names, as written.
    """

    signals: dict[Protocol, Reading]
    licences: tuple[str, ...]


def read_headers(carrier: str, agents: Collection[str]) -> PageReadings:
    """Read the response headers of a document.

    Args:
        carrier: As `carriers.header_lines` writes it.
        agents: Product tokens, lower case, whose rules count.
    """
    lines, whole = _within(carrier, ":")
    links = _licence_links(value for name, value in lines if name == "link")
    signals = {
        Protocol.TDMREP: read_reservation(_values(lines, "tdm-reservation")),
        Protocol.CONTENT_USAGE: read_content_usage(_values(lines, "content-usage")),
        Protocol.CONTENT_SIGNAL: read_content_signal(_values(lines, "content-signal")),
        Protocol.X_ROBOTS: read_directives(_values(lines, "x-robots-tag"), agents),
        Protocol.RSL: NOT_FETCHED if any(rsl for _, rsl in links) else SILENT,
    }
    return _page(signals, [address for address, rsl in links if not rsl], whole=whole)


def read_tags(carrier: str, agents: Collection[str]) -> PageReadings:
    """Read the tags of a document.

    Args:
        carrier: As `carriers.tag_lines` writes it.
        agents: Product tokens, lower case, whose rules count.
    """
    lines, whole = _within(carrier, "=")
    links = _licence_links(value for name, value in lines if name in ("link", "a"))
    directives = [
        value if name == "robots" else ", ".join(f"{name}: {word}" for word in value.split(","))
        for name, value in lines
        if name == "robots" or name in agents
    ]
    signals = {
        Protocol.TDMREP: read_reservation(_values(lines, "tdm-reservation", "tdm:reservation")),
        Protocol.CONTENT_USAGE: read_content_usage(_values(lines, "content-usage")),
        Protocol.CONTENT_SIGNAL: read_content_signal(_values(lines, "content-signal")),
        Protocol.X_ROBOTS: read_directives(directives, agents),
        Protocol.RSL: NOT_FETCHED if any(rsl for _, rsl in links) else SILENT,
    }
    named = [address for address, rsl in links if not rsl]
    return _page(signals, named + _values(lines, *_LICENCE_TAGS), whole=whole)


def _within(carrier: str, between: str) -> tuple[list[tuple[str, str]], bool]:
    """Return the lines of a carrier, and whether all of it was read."""
    data = carrier.encode("utf-8", "replace")
    if len(data) <= MAX_CARRIER_BYTES:
        return carrier_lines(carrier, between), True
    # The last line may be cut in the middle of a word.
    return carrier_lines(data[:MAX_CARRIER_BYTES].decode("utf-8", "ignore"), between)[:-1], False


def _page(
    signals: dict[Protocol, Reading], licences: Iterable[str], *, whole: bool
) -> PageReadings:
    if not whole:
        signals = {protocol: cut(reading) for protocol, reading in signals.items()}
        licences = ()
    stated = {protocol: reading for protocol, reading in signals.items() if reading != SILENT}
    return PageReadings(stated, tuple(dict.fromkeys(name for name in licences if name)))


def _values(lines: list[tuple[str, str]], *names: str) -> list[str]:
    return [value for name, value in lines if name in names]


def _licence_links(values: Iterable[str]) -> list[tuple[str, bool]]:
    """Return the target of each link to a licence (RFC 8288), and whether it is an RSL file."""
    found = []
    for value in values:
        for target, parameters in _LINK.findall(value):
            facts = {
                name.lower(): (quoted or bare).lower()
                for name, quoted, bare in _PARAMETER.findall(parameters)
            }
            if "license" in facts.get("rel", "").split():
                found.append((target.strip(), facts.get("type", "") == _RSL_TYPE))
    return found


def merge(first: Reading | None, second: Reading | None) -> Reading:
    """Return the stricter of two readings, either of which may be missing."""
    return strictest(reading for reading in (first, second) if reading is not None)
