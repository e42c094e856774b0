# SPDX-License-Identifier: Apache-2.0
"""robots.txt: who may crawl, and what the groups say of training.

Groups and agents after RFC 9309; paths are judged by Protego, which gets longest match, `*` and `$`
right; Content-Usage (AIPREF), Content-Signal and License (RSL) lines, which it skips, are read here.
A file that does not forbid does not permit either: crawling and training are two questions
(draft-ietf-aipref-attach, section 3.1), so what robots.txt allows is silent on training.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from protego import Protego

from ...schemas.rights import SignalValue
from .aipref import read_usage_rule
from .content_signal import read_content_signal
from .path_patterns import MAX_PATTERN, matches
from .readings import (
    MALFORMED,
    NO_FILE,
    NOT_FETCHED,
    SILENT,
    UNREACHABLE,
    Reading,
    cut,
    deny,
    strictest,
)

VERSION = "rfc9309"

MAX_FILE_BYTES = 500 << 10
"""RFC 9309, section 2.5: parsers must read at least 500 KiB."""
MAX_RULES = 10_000
"""Rules of one group that are judged, and half of those of all groups; real files have hundreds,
some a few thousand. What a file holds beyond it makes it unknown, where it does not forbid."""

ANY = "*"

# Spellings that Google's parser accepts (google/robotstxt, robots.cc).
_FIELDS = {
    "user-agent": "agent",
    "useragent": "agent",
    "user agent": "agent",
    "allow": "allow",
    "disallow": "disallow",
    "dissallow": "disallow",
    "dissalow": "disallow",
    "disalow": "disallow",
    "diasllow": "disallow",
    "disallaw": "disallow",
    "content-usage": "usage",
    "content-signal": "signal",
    "license": "licence",
}
_NO_COLON = re.compile(r"(user[- ]?agent|allow|disallow)[ \t]+(.+)", re.IGNORECASE)
_AGENT_END = re.compile(r"[/*]")


class RobotsReadings(NamedTuple):
    """What a file says of one path.

    Attributes:
        robots: Whether it may be crawled: denied or silent.
        content_usage: What its Content-Usage rules say.
        content_signal: What its Content-Signal lines say.
        rsl: Whether it names a licence file, which then is to be fetched.
    """

    robots: Reading
    content_usage: Reading
    content_signal: Reading
    rsl: Reading


class _Block(NamedTuple):
    """Consecutive rules and the wanted agents they are for."""

    agents: set[str]
    lines: list[tuple[str, str]]


class _Group:
    """The rules for one agent: those of all its blocks.

    Args:
        lines: Rules as (kind, value).
        room: How many of them are read.
    """

    def __init__(self, lines: list[tuple[str, str]], room: int) -> None:
        self.rules: list[str] = []
        self.usage: list[tuple[str, Reading]] = []
        self.signals: list[str] = []
        self.cut = len(lines) > room
        self._crawl: Protego | None = None
        for kind, value in lines[:room]:
            if kind == "usage":
                self.usage.append(read_usage_rule(value))
            elif kind == "signal":
                self.signals.append(value)
            elif len(value) > MAX_PATTERN:
                self.cut = True
            else:
                self.rules.append(f"{kind}: {value}")

    def may_fetch(self, path: str) -> bool:
        """Return whether the path may be crawled."""
        if not self.rules:
            return True
        if self._crawl is None:
            self._crawl = Protego.parse("\n".join(["user-agent: *", *self.rules]))
        return self._crawl.can_fetch(path, ANY)

    def usage_of(self, path: str) -> Reading:
        """Return what the longest Content-Usage rules say; equal paths combine to the strictest."""
        found = [(len(where), reading) for where, reading in self.usage if matches(where, path)]
        longest = max((length for length, _ in found), default=0)
        return strictest(reading for length, reading in found if length == longest)


class RobotsFile:
    """A robots.txt file, for the agents that a policy asks about.

    Args:
        body: Its bytes.
        agents: Product tokens, lower case; `*` asks for the rules of everyone.
    """

    def __init__(self, body: bytes, agents: Sequence[str]) -> None:
        self._cut = len(body) > MAX_FILE_BYTES
        data = body[:MAX_FILE_BYTES]
        if self._cut:
            data = data[: max(data.rfind(b"\n"), data.rfind(b"\r")) + 1]
        lines = _lines(data.decode("utf-8-sig", "replace"))
        blocks, self._names_licence = _blocks(lines, {*agents, ANY})
        self._malformed = bool(data.strip()) and not lines
        # Agents with the same blocks are judged once, under the name of the first of them.
        asked: dict[tuple[int, ...], str] = {}
        known = set().union(*(block.agents for block in blocks))
        for named in dict.fromkeys(agent if agent in known else ANY for agent in agents):
            own = tuple(n for n, block in enumerate(blocks) if named in block.agents)
            if own:
                asked.setdefault(own, named)
        self._asked: list[tuple[str, _Group]] = []
        room = 2 * MAX_RULES
        for own, named in asked.items():
            group = _Group([line for n in own for line in blocks[n].lines], min(room, MAX_RULES))
            room -= len(group.rules) + len(group.usage) + len(group.signals)
            self._asked.append((named, group))

    @property
    def same_everywhere(self) -> bool:
        """Whether the file says the same of every path, so that one look does for the origin."""
        return all(
            not group.usage and set(group.rules) <= {"disallow: /"} for _, group in self._asked
        )

    def read(self, path: str) -> RobotsReadings:
        """Return what the file says of a path, path and query as `urls.url_key` spells them."""
        if self._malformed:
            return RobotsReadings(MALFORMED, MALFORMED, MALFORMED, SILENT)
        crawl, usage, signal = [], [], []
        for agent, group in self._asked:
            free = group.may_fetch(path)
            crawl.append(SILENT if free else deny(agent))
            # What may not be crawled has no preferences (draft-ietf-aipref-attach, section 3.1).
            usage.append(_named(group.usage_of(path) if free else SILENT, agent))
            signal.append(_named(read_content_signal(group.signals), agent))
        found = (strictest(crawl), strictest(usage), strictest(signal))
        if self._cut or any(group.cut for _, group in self._asked):
            found = (cut(found[0]), cut(found[1]), cut(found[2]))
        return RobotsReadings(*found, NOT_FETCHED if self._names_licence else SILENT)


def of_status(status: int | None, *, has_body: bool) -> Reading | None:
    """Return what the status of a request for robots.txt says; None if the body is to be read.

    4xx: there is no file, and nothing is forbidden; 5xx: all is forbidden (RFC 9309, sections
    2.3.1.3 and 2.3.1.4). A redirect that was not followed leaves the file unknown.

    Args:
        status: Status code; None where the snapshot has none.
        has_body: Whether the snapshot has a body.
    """
    if status is None:
        return None if has_body else UNREACHABLE
    if 200 <= status < 300:
        return None
    if 400 <= status < 500:
        return NO_FILE
    return UNREACHABLE._replace(value=SignalValue.DENY) if status >= 500 else UNREACHABLE


def _named(reading: Reading, agent: str) -> Reading:
    return reading if reading == SILENT else reading._replace(agent=agent)


def _lines(text: str) -> list[tuple[str, str]]:
    """Return the known lines as (kind, value), values free of characters that end a line."""
    found = []
    for line in text.replace("\r", "\n").split("\n"):
        rule = line.partition("#")[0]
        field, colon, value = rule.partition(":")
        kind = _FIELDS.get(" ".join(field.lower().split()))
        if kind is None or not colon:
            match = _NO_COLON.match(rule.strip())
            if match is None:
                continue
            kind, value = _FIELDS[match[1].lower()], match[2]
        found.append((kind, " ".join(value.split())))
    return found


def _blocks(lines: list[tuple[str, str]], wanted: set[str]) -> tuple[list[_Block], bool]:
    """Return the blocks of wanted agents, and whether a licence file is named.

    Rules before the first agent are no rules by the RFC; preferences there are taken for everyone.
    """
    blocks = [_Block({ANY}, [])]
    names_licence = in_agents = begun = False
    for kind, value in lines:
        if kind == "agent":
            if not in_agents:
                blocks.append(_Block(set(), []))
            in_agents = begun = True
            agent = value if value == ANY else _AGENT_END.split(value.lower())[0].strip()
            blocks[-1].agents.update({agent} & wanted)
        elif kind == "licence":
            names_licence = names_licence or bool(value)
        else:
            in_agents = False
            if value and (begun or kind in ("usage", "signal")):
                blocks[-1].lines.append((kind, value))
    # An agent that is named without rules has a group all the same; one block holds for none.
    preamble, *rest = blocks
    kept = [block for block in rest if block.agents]
    return ([preamble] if preamble.lines else []) + kept, names_licence
