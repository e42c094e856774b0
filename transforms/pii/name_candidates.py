# SPDX-License-Identifier: Apache-2.0
"""Words that could be a person's name, for `name_judge` to decide on.

They are the entities of a recogniser, the names of the list, and words beside them that are
capitalised, listed, tagged (#annasmith), or used as names are.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any, NamedTuple

import re2

from .entity_parser import Reading
from .givennames import given_names, holds_name, name_list
from .name_words import Words

_THINGS = frozenset("PERSON ORG GPE LOC FAC NORP PRODUCT WORK_OF_ART EVENT LAW LANGUAGE".split())
"""Labels of OntoNotes 5 that name something; the others are numbers and times."""
_NEVER = re.compile(r"[\d@/\\_<>{}=#]")
"""Characters that no name has."""
_LIKE = 0.0
"""Likeness to listed names above which a word in small letters is a candidate (logit)."""
_LIKE_LISTED = -4.0
"""The same for words that are on the list as names and words both, such as `rose` and `will`."""


def _regex(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)


# Capitalised words in a row, as a name is written.
_CAPITALISED = _regex(r"\p{Lu}[\p{L}'’.-]*\p{L}(?: \p{Lu}[\p{L}'’.-]*\p{L})*")


_LEAST = 3
"""Letters that a word in small letters has at least to be a candidate unlisted."""
_TALK = re.compile(
    r"\bI\b(?![/.]| ?[=<+;,)])|\bi(?=['’]?m\b| [a-z])|\b(?i:me|my|he|him|his|she|her)\b"
    r"|(?:\A|(?<=[^\n*] ))[@#] ?\w"
)
"""Words and marks of text in which people talk, of themselves or of others."""
_REACH = 120
"""Characters around a word in which they are looked for: about a message."""
NO_TALK = "nothing"
"""What `Talk.near` says where nobody talks."""


class Candidate(NamedTuple):
    """Words that may be a name.

    Args:
        start: First character.
        end: After the last.
        label: The recogniser's label, or empty.
        listed: Whether the list of names has it.
    """

    start: int
    end: int
    label: str
    listed: bool


class Talk:
    """Where in a text people talk.

    Args:
        text: The text, handles and all.
    """

    def __init__(self, text: str) -> None:
        found = [(match.start(), match.group()[0] in "@#") for match in _TALK.finditer(text)]
        self._tags = [at for at, is_tag in found if is_tag]
        self._persons = [at for at, is_tag in found if not is_tag]

    def near(self, start: int, end: int) -> str:
        """Return what stands near a word: pronouns of persons, tags (# and @), both, `NO_TALK`."""
        low, high = start - _REACH, end + _REACH
        said = [
            kind
            for kind, places in (("persons", self._persons), ("tags", self._tags))
            if (at := bisect_left(places, low)) < len(places) and places[at] < high
        ]
        return " ".join(said) or NO_TALK


def plausible(value: str) -> bool:
    """Whether a text can be a person's name, as it is written.

    It has letters, no digit, @ or slash, and a capital unless a word of it is on the list of names
    (of the persons that a model sees in a manual, 36 % are commands such as `dpkg`, all of them in
    small letters).
    """
    return _written_as_a_name(value) and (not value.islower() or holds_name(value))


def _written_as_a_name(value: str) -> bool:
    return len(value) > 1 and _NEVER.search(value) is None and any(char.isalpha() for char in value)


def trim(text: str, start: int, end: int) -> tuple[int, int]:
    """Cut blanks, quotes, a possessive and whatever follows a line break off an entity."""
    value = text[start:end]
    end = start + len(value.split("\n")[0]) if value.strip("\n") == value else end
    while start < end and not (text[start].isalnum()):
        start += 1
    while start < end and not (text[end - 1].isalnum() or text[end - 1] == "."):
        end -= 1
    if text[start:end].endswith(("'s", "\u2019s")):
        end -= 2
    return start, end


def candidates(
    text: str, reading: Reading, tokens: list[tuple[int, int]], known: Words, talk: Talk
) -> list[Candidate]:
    """Return what could be a name, in order and disjoint.

    Args:
        text: The text, in which web addresses and handles are blanked.
        reading: What the recogniser says of it.
        tokens: Where its words and marks are.
        known: What the pipeline teaches of words.
        talk: Where people talk in the text.
    """
    spans = [*_entities(text, reading)]
    spans += [Candidate(start, end, "", listed=True) for start, end in given_names(text)]
    out: list[Candidate] = []
    for span in sorted(spans):
        if out and span.start < out[-1].end:
            last_one = out[-1]
            out[-1] = Candidate(
                last_one.start,
                max(last_one.end, span.end),
                last_one.label or span.label,
                last_one.listed or span.listed,
            )
        else:
            out.append(span)
    return sorted([*out, *_others(text, tokens, out, known, talk)])


def _entities(text: str, reading: Reading) -> Iterator[Candidate]:
    """Yield the recogniser's entities; of one with a digit or mark in it, its capitalised words."""
    for first, last, label in reading.entities:
        if label not in _THINGS:
            continue
        start, end = trim(text, first, last)
        value = text[start:end]
        if _written_as_a_name(value):
            if plausible(value):
                yield Candidate(start, end, label, listed=False)
            continue
        for match in _CAPITALISED.finditer(value):
            low, high = start + match.start(), start + match.end()
            if _NEVER.search(text[max(0, low - 1) : high + 1]) is None:
                yield Candidate(low, high, label, listed=False)


def _others(
    text: str,
    tokens: list[tuple[int, int]],
    taken: list[Candidate],
    known: Words,
    talk: Talk,
) -> Iterator[Candidate]:
    """Yield runs of words between the candidates so far that could be names by themselves."""
    place, run, capital = 0, (0, 0), False
    for start, end in tokens:
        while place < len(taken) and taken[place].end <= start:
            place += 1
        word = text[start:end]
        free = place == len(taken) or taken[place].start >= end
        if free and len(word) > 1 and word.isidentifier():
            tag = len(word) > 3 and text[start - 1 : start] == "#"
            if (
                tag
                or word[0].isupper()
                or _alone(word, known)
                or (_unheard(word, known) and talk.near(start, end) != NO_TALK)
            ):
                if run[1] and text[run[1] : start] == " " and word[0].isupper() == capital:
                    run = run[0], end
                else:
                    if run[1]:
                        yield Candidate(*run, "", listed=False)
                    run, capital = (start, end), word[0].isupper()
                continue
        if run[1]:
            yield Candidate(*run, "", listed=False)
        run = (0, 0)
    if run[1]:
        yield Candidate(*run, "", listed=False)


def _alone(word: str, known: Words) -> bool:
    """Whether a word in small letters is a listed name, surely or where it is used as names are."""
    listed = name_list()
    if word not in listed.ambiguous:
        return word in listed.family
    return (known.likeness(word) or 0.0) > _LIKE_LISTED


def _unheard(word: str, known: Words) -> bool:
    """Whether a word in small letters may be anyone where people talk: unknown, or like a name.

    Elsewhere it may be a command.
    """
    if len(word) < _LEAST or not word.isalpha():
        return False
    likeness = known.likeness(word)
    return likeness is None or likeness > _LIKE
