# SPDX-License-Identifier: Apache-2.0
"""Finding structured identifiers in one document: a set prefilter, then exact patterns on its hits.

One RE2 set says in a single pass which patterns occur in the document at all (500 MB/s here); only
those run, and only their hits meet a check. RE2 is an automaton: no input costs more than linear.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import re2

from ...schemas.errors import JobError
from .disguise import TRIGGERS
from .operators import PLACEHOLDER
from .pattern import Pattern
from .shadow import View

SET_SIZE = 20
"""Expressions in one RE2 set. Neighbours in the tables are alike and share states. One set of all
150 builds states ten times slower on new text than sets of 20, and is hardly faster after."""

GROUP_BYTES = 4_096
"""Documents asked about in one call; larger groups hit more often than they save calls."""

CAP = 1_000_000
"""Steps that one pattern may take in one document; past it the document is quarantined. A candidate
costs a step (`PHONE_STEPS` where libphonenumber may judge it), one more for each `STEP_BYTES`
read, and `HIT_STEPS` where it is a value. A step takes five microseconds, so a pattern costs a
document seconds, and a document has 200,000 values of a pattern at most."""
TOTAL_CAP = 5 * CAP
"""Steps that all patterns together may take in one document: half a minute's work."""
PHONE_STEPS, HIT_STEPS = 10, 5
STEP_BYTES = 1_024

DENSE = 512
"""Candidates in one piece of text after which the rest of it is read in windows: an expression such
as `a([^b]*b)?` looks for its end from each of its hits, and finds the window's."""
WINDOW, WINDOW_OVERLAP = 8_192, 2_048
"""Bytes of a window, and what two windows share. A value that reaches the end of its window is read
in a larger one."""

_WORD = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


_GUARDED = frozenset(
    [
        "PHONE_NUMBER",
        "CREDIT_CARD",
        "CN_USCC",
        "NATIONAL_ID",
        "TW_ID",
        "UK_NHS",
        "PASSPORT",
        "VEHICLE_PLATE",
        "POSTAL_CODE",
    ]
)
_NOT_PERSONAL = (
    r"(?:(?i:order|invoice|isbn|issn|ean|gtin|doi|tracking|serial|sku|part|"
    r"item|model|ticket|case|refs?|reference|transaction|"
    r"version|build|bug|issue|commit|patent|batch|lot|po|epoch|timestamp|boundary|"
    r"thread|pid|tid|seed|size|offset|length|bytes|hash|session|request|req|trace|span|node)"
    r"(?:[\s_-]?(?i:no|number|num|nr|id|code))?|"
    r"(?:订单|单号|流水|快递|运单|发票|版本|产品|型号|批次|批号|序列|交易|工单|訂單|编号|編號|条形码|总计|合计|"
    r"总额|金额|价格|总价|销量|播放量|浏览量|阅读量|点击量|总数|数量)(?:号|号码|编号|單號|为|约|达)?)"
    r"[\s.:：#=(\[-]{0,3}\z"
)
"""Words that say, right before a number, that it numbers a thing and not a person."""
_COUNTED = (
    r"\A(?:\s?(?i:bytes|[kmgt]i?b|bits|rows|records|items|users|views|hits|times|downloads|lines|"
    r"dollars|euros?|usd|eur|rmb|cny|yuan|ms|ns|seconds)\b|"
    r"元|字节|字節|美元|毫秒|[次个個條条人亿億万萬件页頁行](?:[\s，。、；：,.;:)）]|\z))"
)
"""Units that say, right behind bare digits, that they are an amount (of 13 digits at most)."""


class Hit(NamedTuple):
    """A confirmed value, in bytes of the view."""

    start: int
    end: int
    pattern: Pattern


class Found(NamedTuple):
    """What the prefilter says of a text.

    Args:
        patterns: Numbers of the patterns that occur, ascending.
        disguised: Whether a disguise of several characters occurs.
        sets: Numbers of the sets whose members these are; no part of the text hits any other.
    """

    patterns: list[int]
    disguised: bool
    sets: tuple[int, ...] = ()


NOTHING = Found([], disguised=False)
"""The answer for most texts."""


class DetectorCapError(Exception):
    """A detector met more candidates than its cap, or ran out of its memory: fail closed."""


def _options(memory: int) -> re2.Options:
    options = re2.Options()
    options.max_mem = memory
    options.log_errors = False
    return options


Steps = dict[int, int]
"""Steps that each expression took in one document, by its number."""


class _Row(NamedTuple):
    pattern: Pattern
    guarded: bool


@dataclass(frozen=True)
class _Compiled:
    """An expression and the rows of the tables that share it, as those of an address's scopes do."""

    regexp: Any
    group: int
    more: Any
    cost: int
    rows: list[_Row]

    def confirmed(self, data: memoryview, start: int, end: int) -> Hit | None:
        """Return the hit of the first row whose check confirms a candidate."""
        for pattern, guarded in self.rows:
            found = (start, end) if pattern.check is None else pattern.check(data, start, end)
            if found is not None and not (guarded and _numbers_a_thing(data, *found)):
                return Hit(found[0], found[1], pattern)
        return None


_BEFORE = re2.compile(_NOT_PERSONAL.encode(), _options(8 << 20))


_BEHIND = re2.compile(_COUNTED.encode(), _options(8 << 20))


def _numbers_a_thing(data: memoryview, start: int, end: int) -> bool:
    if _BEFORE.search(data[max(0, start - 40) : start]) is not None:
        return True
    amount = end - start <= 13 and bytes(data[start:end]).isdigit()
    return amount and _BEHIND.search(data[end : end + 16]) is not None


_LABEL = re2.compile(b"\\A(?:" + PLACEHOLDER.encode() + b")", _options(8 << 20))


def _in_placeholder(data: memoryview, start: int, end: int) -> bool:
    """Whether a match begins inside a placeholder: its label is no cue ("[PHONE] 600 601")."""
    return (
        start > 0
        and data[start - 1] == _BRACKET
        and _LABEL.search(data[start - 1 : max(end, start + 48)]) is not None
    )


_BRACKET = ord("[")


def _further(data: memoryview, own: _Compiled, hit: Hit, out: list[Hit]) -> int:
    """Add the values of a list that follow a hit; return the end of the last."""
    check, at = hit.pattern.check, hit.end
    while own.more is not None and check is not None:
        match = own.more.search(data[at : at + 64])
        confirmed = match and check(data, at + match.start(1), at + match.end(1))
        if not confirmed:
            break
        out.append(Hit(confirmed[0], confirmed[1], hit.pattern))
        at = confirmed[1]
    return at


def _after_run(data: memoryview, start: int, limit: int) -> int:
    """Return the place behind the first run of letters and digits at or after byte `start`."""
    at = start
    while at < limit and data[at] not in _WORD:
        at += 1
    while at < limit and data[at] in _WORD:
        at += 1
    return max(at, start + 1)


_BOUNDED = re.compile(r"(?<!\\)\{([0-9]+),([0-9]+)\}")


def _relaxed(regex: str) -> bytes:
    """Return an expression that matches wherever `regex` does, with far fewer automaton states.

    A bounded repeat costs a state per count, and a set multiplies the states of its members. Upper
    bounds do not matter to a prefilter, so `{0,n}` becomes `*` and `{m,n}` becomes `{m,}`.
    """
    return _BOUNDED.sub(
        lambda bound: "*" if bound[1] == "0" else f"{{{bound[1]},}}", regex
    ).encode()


def _set_of(gates: Sequence[bytes]) -> Any:
    """Return a compiled set; its member 0 is a sentinel, the others are numbered from 1.

    The sentinel matches at the end of every text, so its absence means that the automaton failed.
    """
    found = re2.Set.SearchSet(_options(64 << 20))
    for gate in (rb"\z", *gates):
        found.Add(gate)
    found.Compile()
    return found


class Scanner:
    """Compiled patterns of one process.

    Args:
        patterns: Rows of the pattern tables, and the user's own.

    Attributes:
        priorities: Priority by detector; rows of one detector have the same.

    Raises:
        JobError: An expression is not RE2; the message names the detector.
    """

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        problems = []
        self._compiled: list[_Compiled] = []
        shared: dict[tuple[str, str | None], _Compiled] = {}
        relaxed: dict[bytes, list[int]] = {}
        for pattern in patterns:
            # A cue of its own, or a country code, outweighs the word before the number.
            guarded = pattern.entity in _GUARDED and not pattern.detector.endswith(
                ("cue", ":label", ":international")
            )
            own = shared.get((pattern.regex, pattern.more))
            if own is not None:
                own.rows.append(_Row(pattern, guarded))
                continue
            try:
                regexp = re2.compile(pattern.regex.encode(), _options(64 << 20))
            except re2.error:
                problems.append(
                    f"pii pattern {pattern.detector}: expected an RE2 expression (no look-around, "
                    "no back-reference), got one that RE2 refuses: rewrite it"
                )
                continue
            more = pattern.more and re2.compile(pattern.more.encode(), _options(8 << 20))
            cost = PHONE_STEPS if pattern.entity == "PHONE_NUMBER" else 1
            own = _Compiled(regexp, min(regexp.groups, 1), more, cost, [_Row(pattern, guarded)])
            shared[pattern.regex, pattern.more] = own
            relaxed.setdefault(_relaxed(pattern.regex), []).append(len(self._compiled))
            self._compiled.append(own)
        if problems:
            raise JobError(sorted(problems))
        self.priorities = {row.detector: row.priority for row in patterns}
        gates, self._rows = list(relaxed), list(relaxed.values())
        self._triggers = len(gates)
        gates += [_relaxed(trigger) for trigger in TRIGGERS]
        self._rows += [[] for _ in TRIGGERS]
        self._sets = [
            _set_of(gates[first : first + SET_SIZE]) for first in range(0, len(gates), SET_SIZE)
        ]

    def which(self, text: memoryview, sets: Collection[int] | None = None) -> Found:
        """Say which patterns occur in a text.

        Args:
            text: Shadow bytes.
            sets: Numbers of the sets to ask; None for all.

        Returns:
            Their numbers, ascending, and whether a disguise of several characters occurs.

        Raises:
            DetectorCapError: An automaton ran out of memory.
        """
        found: list[int] = []
        asked = range(len(self._sets)) if sets is None else sets
        hit = []
        for one in asked:
            numbers = self._sets[one].Match(text)
            if not numbers or 0 not in numbers:
                raise DetectorCapError
            if len(numbers) > 1:
                hit.append(one)
                found += [one * SET_SIZE + number - 1 for number in numbers if number]
        if not found:
            return NOTHING
        patterns = [row for gate in found for row in self._rows[gate]]
        return Found(sorted(patterns), any(gate >= self._triggers for gate in found), tuple(hit))

    def suspects(
        self, data: memoryview, offsets: Sequence[int]
    ) -> Iterator[tuple[int, Found | None]]:
        """Yield the documents in which any pattern or disguise occurs, and which.

        Short documents are asked about together: most texts hold nothing, and one call of the
        automaton over 4 kB costs less than fifty calls.

        Args:
            data: Shadow bytes of documents end to end, a line feed after each.
            offsets: Their offsets, one more than documents.

        Yields:
            (document number, what occurs); None for what occurs where an automaton failed.
        """
        row, rows = 0, len(offsets) - 1
        while row < rows:
            last = row + 1
            while last < rows and offsets[last + 1] - offsets[row] <= GROUP_BYTES:
                last += 1
            try:
                found = self.which(data[offsets[row] : offsets[last]])
                if last == row + 1:
                    if found is not NOTHING:
                        yield row, found
                elif found is not NOTHING:
                    for one in range(row, last):
                        own = self.which(data[offsets[one] : offsets[one + 1]], found.sets)
                        if own is not NOTHING:
                            yield one, own
            except DetectorCapError:
                for one in range(row, last):
                    yield one, None
            row = last

    def hits(self, view: View, steps: Steps) -> list[Hit]:
        """Return the confirmed hits of one view, by expression, overlaps included.

        Args:
            view: What is read.
            steps: What the document has cost so far; brought up to date.

        Raises:
            DetectorCapError: More than `CAP` steps of one expression.
        """
        return self.exact(view, self.which(view.data[view.begin : view.end]).patterns, steps)

    def exact(self, view: View, numbers: Sequence[int], steps: Steps) -> list[Hit]:
        """Return the confirmed hits of the expressions with these numbers, as `hits` does."""
        out: list[Hit] = []
        total = TOTAL_CAP - sum(steps.values())
        for number in numbers:
            spent = steps.get(number, 0)
            left = min(CAP - spent, total)
            used = left - self._exact(view, self._compiled[number], left, out)
            steps[number] = spent + used
            total -= used
        return out

    @staticmethod
    def _exact(view: View, own: _Compiled, left: int, out: list[Hit]) -> int:
        """Add the hits of one expression; return how many steps are left."""
        position, limit, met = view.begin, view.end, 0
        text = view.data[:limit]
        while True:
            match = own.regexp.search(text, position, limit)
            if match is None and limit == view.end:
                return left
            if match is None:
                position = max(position, limit - WINDOW_OVERLAP)
                limit = min(view.end, position + WINDOW)
                continue
            if match.end() == limit < view.end:
                limit = min(view.end, limit + max(WINDOW, limit - match.start()))
                continue
            left -= own.cost + (match.end() - position) // STEP_BYTES
            if left < 0:
                raise DetectorCapError
            start, end = match.span(own.group)
            if start < 0 or (own.group and _in_placeholder(text, match.start(), end)):
                position = max(match.end() if start < 0 else start, position + 1)
            elif (hit := own.confirmed(text, start, end)) is None:
                # Try again behind the first run of letters and digits of the refused value.
                position = _after_run(text, start, view.end)
            else:
                out.append(hit)
                left -= HIT_STEPS
                position = max(_further(text, own, hit, out), start + 1)
            met += 1
            if met == DENSE or (met > DENSE and position + WINDOW_OVERLAP > limit):
                limit = max(position, min(view.end, position + WINDOW))
