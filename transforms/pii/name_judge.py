# SPDX-License-Identifier: Apache-2.0
"""Which of the words that could be a person's name are one: a linear model over what is known.

Candidates are the entities of a recogniser, the names of the list, and capitalised or listed words
beside them. What speaks for and against each (the recogniser's label and lead, the list, capitals,
word vectors of the name and its neighbours) is weighed by `name_judge.json`, which
`infra/models/train_names.py` makes; its card says from what. Measured on the half not trained on:
`benchmarks/pii_accuracy.py --part names`.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .entity_parser import Reading
from .givennames import given_names, holds_name, name_list

WEIGHTS = Path(__file__).with_name("name_judge.json")
"""What the model learned."""

_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[^\s\w]|_")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_CAMEL = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_SMALL = re.compile(r"\b[a-z]{2,}\b")
_THINGS = frozenset("PERSON ORG GPE LOC FAC NORP PRODUCT WORK_OF_ART EVENT LAW LANGUAGE".split())
"""Labels of OntoNotes 5 that name something; the others are numbers and times."""
_LEAD = 12.0
"""A lead beyond this says no more."""
_WORDS = 4
"""Words of which the vectors count: first and last of the candidate, the one before, after."""
_LONGEST = 24
"""Letters of a hashtag in which a name is looked for."""


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


class Judged(NamedTuple):
    """What is known of a candidate.

    Args:
        candidate: The candidate.
        facts: Name and value of what is known of it.
        words: The words whose vectors count, empty where there is none.
    """

    candidate: Candidate
    facts: list[tuple[str, float]]
    words: tuple[str, str, str, str]


def plausible(value: str) -> bool:
    """Whether a text can be a person's name, as it is written.

    It has letters, no digit, @ or slash, and a capital unless a word of it is on the list of names
    (of the persons that a model sees in a manual, 36 % are commands such as `dpkg`, all of them in
    small letters).
    """
    if len(value) < 2 or not any(char.isalpha() for char in value):
        return False
    if any(char.isdigit() or char in "@/\\_<>{}=#" for char in value):
        return False
    return not value.islower() or holds_name(value)


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


def judged(text: str, reading: Reading) -> Iterator[Judged]:
    """Yield the candidates of a text in order, with what is known of each.

    Args:
        text: The text, in which web addresses and handles are blanked.
        reading: What the recogniser says of it.
    """
    tokens = [match.span() for match in _TOKEN.finditer(text)]
    candidates = _candidates(text, reading, tokens)
    if not candidates:
        return
    begins, ends = [token[0] for token in tokens], [token[1] for token in tokens]
    upper, lower = sum(map(str.isupper, text)), sum(map(str.islower, text))
    style = "mixed"
    if upper <= 0.03 * (upper + lower):
        style = "lower"
    elif upper > 0.6 * (upper + lower):
        style = "upper"
    small = frozenset(_SMALL.findall(text))
    starts = reading.starts
    for candidate in candidates:
        start, end = candidate.start, candidate.end
        if not plausible(text[start:end]):
            continue
        first, after = bisect_right(ends, start), bisect_left(begins, end)
        low, high = np.searchsorted(starts, (start, end)).tolist()
        lead = float(reading.leads[low:high].max()) if high > low else -_LEAD
        before = text[slice(*tokens[first - 1])] if first else ""
        follower = text[slice(*tokens[after])] if after < len(tokens) else ""
        words = _WORD.findall(text[start:end]) or [text[start:end]]
        facts = [
            *_own_facts(candidate, words, max(-_LEAD, min(_LEAD, lead)) / _LEAD, style),
            *_beside("before", before),
            *_beside("after", follower),
        ]
        shape = _shape(words[0])
        if first == 0 or before in tuple(".!?"):
            facts.append("first in a sentence")
        if text[start - 1 : start] == "#":
            facts += _hashtag_facts(text[start:end])
        if shape != "small" and all(word.lower() in small for word in words):
            facts.append("also in small letters")
        if follower in ("'s", "’s"):
            facts.append("possessive")
        yield Judged(
            candidate,
            [fact if isinstance(fact, tuple) else (fact, 1.0) for fact in facts],
            (words[0], words[-1], before, follower),
        )


def _candidates(text: str, reading: Reading, tokens: list[tuple[int, int]]) -> list[Candidate]:
    """Return entities, listed names, and capitalised or listed words beside them; disjoint."""
    spans: list[Candidate] = []
    for first, last, label in reading.entities:
        start, end = trim(text, first, last)
        if label in _THINGS and start < end:
            spans.append(Candidate(start, end, label, listed=False))
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
    return sorted([*out, *_others(text, tokens, out)])


def _others(
    text: str, tokens: list[tuple[int, int]], taken: list[Candidate]
) -> Iterator[Candidate]:
    """Yield runs of capitalised or listed words between the candidates found otherwise."""
    known = name_list()
    place, run, capital = 0, (0, 0), False
    for start, end in tokens:
        while place < len(taken) and taken[place].end <= start:
            place += 1
        word = text[start:end]
        free = place == len(taken) or taken[place].start >= end
        tag = len(word) > 3 and text[start - 1 : start] == "#"
        if free and len(word) > 1 and word[0].isalpha():
            low = word.lower()
            if tag or word[0].isupper() or low in known.family or low in known.ambiguous:
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


@lru_cache(maxsize=50_000)
def _kinds(word: str) -> tuple[str, ...]:
    """Return how the list of names knows a word, the surest kind first."""
    known, low = name_list(), word.lower()
    out = []
    if low in known.frequent:
        out.append("frequent")
    elif low in known.given:
        out.append("clear")
    if low in known.ambiguous:
        out.append("ambiguous")
    if low in known.family and low not in known.given:
        out.append("family")
    return tuple(out) or ("none",)


def _shape(word: str) -> str:
    """Return how a word is written."""
    if word.islower():
        return "small"
    if word.isupper():
        return "capitals"
    return "title" if word[:1].isupper() and word[1:].islower() else "mixed"


def _own_facts(
    candidate: Candidate, words: list[str], lead: float, style: str
) -> list[str | tuple[str, float]]:
    """Return what a candidate's own words say."""
    label, size = candidate.label or "none", min(len(words), 4)
    first, last = _shape(words[0]), _shape(words[-1])
    start, end = _kinds(words[0]), _kinds(words[-1])
    group = label if label in ("PERSON", "none") else "other"
    facts: list[str | tuple[str, float]] = [
        "any",
        f"label {label}",
        f"label {label} listed {candidate.listed}",
        f"label {label} words {size}",
        f"words {size}",
        f"first {first}",
        f"last {last}",
        f"text {style}",
        f"first {first} text {style}",
        f"letters {min(len(words[0]), 8)}",
        ("lead", lead),
        ("lead above", max(lead, 0.0)),
        (f"lead label {group}", lead),
        (f"lead first {start[0]}", lead),
    ]
    for kind in start:
        facts += [f"first {kind}", f"first {kind} {first}", f"first {kind} label {label}"]
    for kind in end:
        facts += [f"last {kind}", f"last {kind} label {label}"]
    if size > 1:
        facts.append(f"{start[0]} to {end[0]}")
    return facts


def _beside(side: str, token: str) -> list[str]:
    """Return what the token before or after a candidate says."""
    if not token[:1].isalnum():
        return [f"{side} {token}"]
    if not token[0].isalpha():
        return [f"{side} digit"]
    return [f"{side} {_shape(token)}", *(f"{side} {kind}" for kind in _kinds(token))]


def _hashtag_facts(tag: str) -> list[str]:
    """Return what the parts of a hashtag say."""
    known, word = name_list(), tag.lower()[:_LONGEST]
    parts = [part.lower() for part in _CAMEL.findall(tag)]
    named = any(part in known.frequent for part in parts if len(part) > 3)
    begins = any(word[:cut] in known.frequent for cut in range(4, len(word) - 2))
    both = any(
        word[:cut] in known.frequent and word[cut:] in known.family
        for cut in range(3, len(word) - 2)
    )
    return [
        "hashtag",
        f"hashtag named {named}",
        f"hashtag begins {begins}",
        f"hashtag both {both}",
        f"hashtag parts {min(3, len(parts))}",
    ]


class NameJudge:
    """The linear model, with the word vectors of a pipeline.

    Args:
        nlp: The pipeline whose vectors it was trained on.
        weights: File of the weights.

    Raises:
        ValueError: The pipeline has other vectors than the weights are for.
    """

    def __init__(self, nlp: Any, weights: Path = WEIGHTS) -> None:
        learned = json.loads(weights.read_text(encoding="utf-8"))
        self.threshold: float = learned["threshold"]
        self._facts: dict[str, float] = learned["facts"]
        self._vectors = WordVectors(nlp)
        directions = np.array(learned["vectors"], np.float32)
        if directions.shape != (_WORDS, self._vectors.table.shape[1]):
            msg = "name judge: expected the word vectors it was trained on, got others"
            raise ValueError(msg)
        # What each word of the vocabulary adds in each place.
        self._adds: list[list[float]] = (self._vectors.table @ directions.T).tolist()

    def score(self, item: Judged) -> float:
        """Return the logit that a candidate is a person's name."""
        total = 0.0
        for name, value in item.facts:
            total += self._facts.get(name, 0.0) * value
        for place, word in enumerate(item.words):
            row = self._vectors.row(word) if word else -1
            if row >= 0:
                total += self._adds[row][place]
        return total

    def persons(self, text: str, reading: Reading) -> list[Candidate]:
        """Return the candidates of a text that are names.

        Args:
            text: The text, in which web addresses and handles are blanked.
            reading: What the recogniser says of it.
        """
        return [
            item.candidate for item in judged(text, reading) if self.score(item) > self.threshold
        ]


class WordVectors:
    """The word vectors of a pipeline, of length one.

    Args:
        nlp: The pipeline.

    Attributes:
        table: float32 `[rows, width]`.
    """

    def __init__(self, nlp: Any) -> None:
        from spacy.strings import get_string_id  # noqa: PLC0415 (heavy)

        self._rows: dict[int, int] = dict(nlp.vocab.vectors.key2row)
        self._identify = get_string_id
        table = np.asarray(nlp.vocab.vectors.data, np.float32)
        length = np.linalg.norm(table, axis=1, keepdims=True)
        self.table = table / np.maximum(length, np.float32(1e-6))

    def row(self, word: str) -> int:
        """Return the row of a word, or of its small letters; -1 if neither is known."""
        row = self._rows.get(self._identify(word), -1)
        return row if row >= 0 else self._rows.get(self._identify(word.lower()), -1)
