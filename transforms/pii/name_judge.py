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
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .entity_parser import Reading
from .givennames import name_list
from .name_candidates import NO_TALK, Candidate, Talk, candidates
from .name_words import Words
from .quiet import quiet

WEIGHTS = Path(__file__).with_name("name_judge.json")
"""What the model learned."""

_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[^\s\w]|_")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_CAMEL = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_SMALL = re.compile(r"\b[a-z]{2,}\b")
_HANDLE = re.compile(r"@ ?(\w+)")
_LEAD = 12.0
"""A lead beyond this says no more."""
_WORDS = 4
"""Words of which the vectors count: first and last of the candidate, the one before, after."""
_LONGEST = 24
"""Letters of a hashtag in which a name is looked for."""
_FAR = 5.0
"""A likeness beyond this says no more (logit)."""
_SHORT = 2
"""Letters up to which a word is not looked for elsewhere."""
_HANDLES = 10_000
"""Characters of handles in which words are looked for, so that a text of handles costs linear time."""
_STRETCHED = re.compile(r"(.)\1\1")


class Judged(NamedTuple):
    """What is known of a candidate.

    Args:
        candidate: The candidate.
        facts: Name and value of what is known of it.
        words: The words whose vectors count, empty where there is none.
        talk: Whether people talk near it.
    """

    candidate: Candidate
    facts: list[tuple[str, float]]
    words: tuple[str, str, str, str]
    talk: bool


def judged(raw: str, reading: Reading, known: Words) -> Iterator[Judged]:
    """Yield the candidates of a text in order, with what is known of each.

    Args:
        raw: The text.
        reading: What the recogniser says of it.
        known: What the pipeline teaches of words.
    """
    text = quiet(raw)
    tokens = [match.span() for match in _TOKEN.finditer(text)]
    talk = Talk(raw)
    found = candidates(text, reading, tokens, known, talk)
    if not found:
        return
    begins, ends = [token[0] for token in tokens], [token[1] for token in tokens]
    style = _style(text)
    small = frozenset(_SMALL.findall(text))
    handles = " ".join(dict.fromkeys(_HANDLE.findall(raw)))[:_HANDLES].lower() if "@" in raw else ""
    spelled = [
        _WORD.findall(text[one.start : one.end]) or [text[one.start : one.end]] for one in found
    ]
    named = _named(found, spelled)
    starts = reading.starts
    for candidate, words in zip(found, spelled, strict=True):
        start, end = candidate.start, candidate.end
        first, after = bisect_right(ends, start), bisect_left(begins, end)
        low, high = np.searchsorted(starts, (start, end)).tolist()
        lead = float(reading.leads[low:high].max()) if high > low else -_LEAD
        before = text[slice(*tokens[first - 1])] if first else ""
        follower = text[slice(*tokens[after])] if after < len(tokens) else ""
        facts = [
            *_own_facts(candidate, words, max(-_LEAD, min(_LEAD, lead)) / _LEAD, style),
            *_word_facts(words, known),
            *_beside("before", before),
            *_beside("after", follower),
        ]
        shape = _shape(words[0])
        if first == 0 or before in tuple(".!?"):
            facts.append("first in a sentence")
        if text[start - 1 : start] == "#":
            facts += _hashtag_facts(text[start:end])
        lower = [word.lower() for word in words]
        if shape != "small" and small.issuperset(lower):
            facts.append("also in small letters")
        if follower in ("'s", "’s"):
            facts.append("possessive")
        own = _surely_named(candidate, words)
        if any(named[word] > own for word in lower):
            facts += ["named elsewhere", f"named elsewhere {shape}"]
        told = talk.near(start, end)
        facts += _talk_facts(told, candidate, words)
        if handles and any(len(word) > _SHORT and word in handles for word in lower):
            facts.append("in a handle")
        yield Judged(
            candidate,
            [fact if isinstance(fact, tuple) else (fact, 1.0) for fact in facts],
            (words[0], words[-1], before, follower),
            told != NO_TALK,
        )


def _talk_facts(told: str, candidate: Candidate, words: list[str]) -> list[str]:
    """Return whether people talk near a candidate, beside what it looks like."""
    return [
        f"near {told}",
        f"near {told} first {_shape(words[0])}",
        f"near {told} label {candidate.label or 'none'}",
        f"near {told} {_kinds(words[0])[0]}",
    ]


def _style(text: str) -> str:
    """Return whether a text is written in small letters, in capitals, or mixed."""
    upper, lower = sum(map(str.isupper, text)), sum(map(str.islower, text))
    if upper <= 0.03 * (upper + lower):
        return "lower"
    return "upper" if upper > 0.6 * (upper + lower) else "mixed"


def _surely_named(candidate: Candidate, words: list[str]) -> bool:
    """Whether a candidate is a name for itself: what shares a word with it is one more easily."""
    return candidate.listed or (candidate.label == "PERSON" and len(words) > 1)


def _named(found: Sequence[Candidate], spelled: Sequence[list[str]]) -> Counter[str]:
    """Return how many candidates that surely are names have each word, in small letters."""
    return Counter(
        word.lower()
        for candidate, words in zip(found, spelled, strict=True)
        if _surely_named(candidate, words)
        for word in set(words)
        if len(word) > _SHORT
    )


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


@lru_cache(maxsize=50_000)
def _given_within(word: str) -> str:
    """Return how a word holds a frequent given name: as its beginning, end, or not at all."""
    frequent = name_list().frequent
    if any(word[:cut] in frequent for cut in range(4, len(word))):
        return "begins with a name"
    if any(word[cut:] in frequent for cut in range(1, len(word) - 3)):
        return "ends with a name"
    return "holds no name"


def _word_facts(words: list[str], known: Words) -> list[str | tuple[str, float]]:
    """Return whether a candidate's words are used, and spelled, as listed names are."""
    facts: list[str | tuple[str, float]] = []
    shape, listed = _shape(words[0]), name_list()
    for place, word in (("first", words[0]), ("last", words[-1])):
        low, likeness = word.lower(), known.likeness(word)
        if likeness is None:
            within = _given_within(low[:_LONGEST])
            facts += [
                f"{place} unknown",
                f"{place} unknown {shape}",
                f"{place} unknown stretched {_STRETCHED.search(low) is not None}",
                f"{place} unknown {within} {shape}",
            ]
        else:
            level = _level(likeness)
            facts += [
                (f"{place} like", level),
                (f"{place} like {shape}", level),
                (f"{place} like above", max(level, 0.0)),
                (f"{place} like above {shape}", max(level, 0.0)),
            ]
        if low not in listed.family and low not in listed.ambiguous:
            level, kind = _level(known.spelled(low)), "unknown" if likeness is None else "like"
            facts += [
                (f"{place} spelled {kind}", level),
                (f"{place} spelled {kind} {_shape(word)}", level),
            ]
    return facts


def _level(logit: float) -> float:
    """Return a logit from -1 to 1: beyond, it says no more."""
    return max(-_FAR, min(_FAR, logit)) / _FAR


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
        self.threshold_talk: float = learned["threshold_talk"]
        self._facts: dict[str, float] = learned["facts"]
        self._known = Words(nlp, learned["likeness"], learned["spelling"])
        directions = np.array(learned["vectors"], np.float32)
        if directions.shape != (_WORDS, self._known.table.shape[1]):
            msg = "name judge: expected the word vectors it was trained on, got others"
            raise ValueError(msg)
        # What each word of the vocabulary adds in each place.
        self._adds: list[list[float]] = (self._known.table @ directions.T).tolist()

    def score(self, item: Judged) -> float:
        """Return the logit that a candidate is a person's name."""
        total = 0.0
        for name, value in item.facts:
            total += self._facts.get(name, 0.0) * value
        for place, word in enumerate(item.words):
            row = self._known.row(word) if word else -1
            if row >= 0:
                total += self._adds[row][place]
        return total

    def persons(self, text: str, reading: Reading) -> list[Candidate]:
        """Return the candidates of a text that are names.

        Args:
            text: The text.
            reading: What the recogniser says of it.
        """
        return [
            item.candidate
            for item in judged(text, reading, self._known)
            if self.score(item) > (self.threshold_talk if item.talk else self.threshold)
        ]
