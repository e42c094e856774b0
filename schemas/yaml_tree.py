# SPDX-License-Identifier: Apache-2.0
"""Read a small, strict part of YAML: plain data, and the line of every value.

YAML has surprises that change meaning silently (`no` is false, `1.10` is 1.1, `12:30:45` is 45045,
of two equal keys the last wins) and features that a job never needs (anchors, whose expansion can
fill the memory, and tags, which name code). So the events of PyYAML's parser are turned into plain
data here: anchors, aliases, tags and repeated keys are refused, only `true` and `false` are
booleans, only plain decimal numbers are numbers, keys are text, and whatever else is written
without quotes is text.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

import yaml

MAX_PROBLEMS = 100
"""Problems that are listed; a file with more is not a job file that someone mistyped."""

_MAX_DEPTH = 32
"""Deepest nesting; the models need 5. Keeps a file of opening brackets from costing anything."""

_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,18})")
_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?")
_SHOWN = 60

Place = tuple[str | int, ...]
"""Keys and indices from the top of the file to a value."""


@dataclass
class Tree:
    """Plain data from a YAML file, the line of every value, and what was wrong on the way.

    Args:
        data: The value of the file: `None`, bool, int, float, str, or lists and dicts of them.
        lines: The line of every value, counted from 1.
        problems: Line and text of what was refused.
        spoilt: Places whose values say nothing, because they were refused.
    """

    data: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    problems: list[tuple[int, str]] = field(default_factory=list)
    spoilt: set[Place] = field(default_factory=set)

    def line(self, place: Place) -> int:
        """Return the line of a value, or of the nearest value around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    def is_spoilt(self, place: Place) -> bool:
        """Tell whether the value at a place, or one around it, was refused."""
        return any(place[:length] in self.spoilt for length in range(len(place) + 1))

    def add(self, place: Place, what: str) -> None:
        """Note a problem with the value at a place."""
        self.problems.append((self.line(place), f"{dotted(place)}: {what}" if place else what))

    def refuse(self, place: Place, line: int, what: str) -> None:
        """Note a problem on a line, and that the value at the place says nothing more."""
        self.spoilt.add(place)
        self.problems.append((line, f"{dotted(place)}: {what}" if place else what))


def read_yaml(text: str) -> Tree:
    """Turn a YAML text into plain data; no recursion, so no nesting can hurt.

    Args:
        text: The text of a file.

    Returns:
        The data and every problem. Where the text is not YAML at all, is nested too deeply or has
        more than `MAX_PROBLEMS` problems, reading stops there and `data` is `None`.
    """
    builder = _Builder()
    tree = builder.tree
    try:
        for event in yaml.parse(text, Loader=_PARSER):
            builder.take(event)
            if len(tree.problems) >= MAX_PROBLEMS:
                return Tree(None, {}, tree.problems, {()})
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return Tree(None, {}, [*tree.problems, (line, f"not YAML: {error.problem}")], {()})
    except yaml.reader.ReaderError as error:
        # The C parser counts bytes and the Python one characters: no line, rather than a wrong one.
        return Tree(None, {}, [(1, f"not YAML: {error.reason}")], {()})
    except _TooDeepError as error:
        message = f"expected at most {_MAX_DEPTH} levels of nesting"
        return Tree(None, {}, [*tree.problems, (error.args[0], message)], {()})
    return tree


def dotted(place: Place) -> str:
    """Write a place as people do: `sources[0].licence`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return "".join(parts).removeprefix(".")


def undotted(text: str) -> Place:
    """Read what `dotted` wrote."""
    words = re.findall(r"\[(\d+)\]|([^.\[\]]+)", text)
    return tuple(int(index) if index else word for index, word in words)


def show(value: Any) -> str:
    """Show a value of the file on one line, shortened and without control characters."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


class _TooDeepError(Exception):
    """The file nests deeper than any job; carries the line."""


@dataclass
class _Open:
    """A collection whose end has not come."""

    value: dict[str, Any] | list[Any]
    place: Place
    key: str | None = None  # of a mapping: the key that waits for its value


class _Builder:
    """Build plain data from parser events."""

    def __init__(self) -> None:
        self.tree = Tree()
        self._open: list[_Open] = []
        self._documents = 0

    def take(self, event: Any) -> None:
        """Take the next event."""
        line = event.start_mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self.tree.refuse((), line, "expected one document, got a second one")
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()
        elif isinstance(event, yaml.NodeEvent):
            top = self._open[-1] if self._open else None
            if top and isinstance(top.value, dict) and top.key is None:
                self._take_key(top, event, line)
            else:
                self._take_value(top, event, line)

    def _take_key(self, top: _Open, event: Any, line: int) -> None:
        key = str(event.value) if isinstance(event, yaml.ScalarEvent) else f"(line {line})"
        place = (*top.place, key)
        if not isinstance(event, yaml.ScalarEvent) or event.anchor or event.tag:
            self.tree.refuse(place, line, "expected a plain word as key")
        elif key in top.value:
            self.tree.refuse(place, line, f"used twice, first on line {self.tree.lines[place]}")
            key = f"{key} (line {line})"
            self.tree.spoilt.add((*top.place, key))
        top.key = key
        if isinstance(event, yaml.CollectionStartEvent):
            self._enter(event, {} if isinstance(event, yaml.MappingStartEvent) else [], place)

    def _take_value(self, top: _Open | None, event: Any, line: int) -> None:
        place: Place = ()
        if top:
            place = (
                *top.place,
                len(top.value) if isinstance(top.value, list) else str(top.key),
            )
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            self.tree.refuse(place, line, "too_many_aliases: anchors and aliases are not accepted")
        elif event.tag is not None:
            self.tree.refuse(place, line, f"tags are not accepted, got {show(event.tag)}")
        value: Any = None
        if isinstance(event, yaml.MappingStartEvent):
            value = {}
        elif isinstance(event, yaml.SequenceStartEvent):
            value = []
        elif isinstance(event, yaml.ScalarEvent):
            value = _scalar(event.value) if event.implicit[0] else event.value
        self.tree.lines[place] = line
        if top is None:
            self.tree.data = value
        elif isinstance(top.value, list):
            top.value.append(value)
        else:
            top.value[str(top.key)] = value
            top.key = None
        if isinstance(event, yaml.CollectionStartEvent):
            self._enter(event, value, place)

    def _enter(self, event: Any, value: dict[str, Any] | list[Any], place: Place) -> None:
        if len(self._open) == _MAX_DEPTH:
            raise _TooDeepError(event.start_mark.line + 1)
        self._open.append(_Open(value, place))


def _scalar(text: str) -> bool | int | float | str | None:
    """Return what a scalar without quotes means: the words and numbers of JSON, else text."""
    if text in ("", "~", "null"):
        return None
    if text in ("true", "false"):
        return text == "true"
    if _INTEGER.fullmatch(text):
        return int(text)
    if _NUMBER.fullmatch(text):
        return float(text)
    return text
