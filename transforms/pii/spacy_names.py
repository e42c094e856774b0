# SPDX-License-Identifier: Apache-2.0
"""Names and places in English: spaCy's recogniser, the list of names, and what neither may say.

The text is made quiet first (addresses, handles); what a model trained on news makes of manuals and
chat is then judged beside the list of names (`name_judge`).
"""

from __future__ import annotations

import importlib
import json
import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import re2

from .entity_parser import EntityParser, Reading
from .givennames import given_names, holds_name
from .name_candidates import plausible, trim
from .name_judge import WEIGHTS, NameJudge
from .places import COUNTRY
from .quiet import quiet


def _regex(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)


class SpacyRecogniser:
    """A spaCy pipeline reduced to its entity recogniser, and what decides on its persons.

    Args:
        package: Import name of the pipeline package.
        judge: Whether the judge trained for the pipeline decides, if there is one.
    """

    _EXCLUDE = ("tok2vec", "tagger", "parser", "attribute_ruler", "lemmatizer", "senter")

    def __init__(self, package: str, *, judge: bool = True) -> None:
        self.name = f"spacy:{package}"
        with warnings.catch_warnings():
            # W095: trained with a patch release other than the installed one.
            warnings.simplefilter("ignore")
            self.nlp = importlib.import_module(package).load(exclude=list(self._EXCLUDE))
        self._read = _reader(self.nlp)
        self._judge = _judge(package, self.nlp) if judge else None

    def read(self, pieces: Sequence[str]) -> list[Reading]:
        """Return what the recogniser alone says of each piece."""
        # Written in small letters throughout, names are invisible to a model trained on news.
        return self._read(
            [_titled(quiet(piece)) if piece.islower() else quiet(piece) for piece in pieces]
        )

    def find(self, pieces: Sequence[str]) -> list[list[tuple[int, int, str]]]:
        """Return persons and places of each piece."""
        out = []
        for piece, reading in zip(pieces, self.read(pieces), strict=True):
            text = quiet(piece)
            if self._judge is None or not len(reading.leads):
                persons = _by_rule(text, reading)
            else:
                persons = [(item.start, item.end) for item in self._judge.persons(piece, reading)]
            found = [(*match.span(), "LOCATION") for match in COUNTRY.finditer(piece)]
            found += [(_with_title(text, start), end, "PERSON") for start, end in persons]
            for first, last, label in reading.entities:
                start, end = trim(text, first, last)
                if label in _PLACES and end - start > 1:
                    found.append((start, end, "LOCATION"))
            out.append(_merged(found))
        return out


# Labels of OntoNotes 5; organisations are not personal data and are left out.
_PERSONS = frozenset(["PERSON", "PER"])
_PLACES = frozenset(["GPE", "LOC", "FAC"])


def _by_rule(text: str, reading: Reading) -> list[tuple[int, int]]:
    """Return the names of a text where no judge was trained for the pipeline."""
    small = frozenset(_SMALL.findall(text))
    out = list(given_names(text))
    for first, last, label in reading.entities:
        start, end = trim(text, first, last)
        written = text[start:end]
        if label in _PERSONS and plausible(written) and not _ordinary(written, small):
            out.append((start, end))
    return out


def _judge(package: str, nlp: Any) -> NameJudge | None:
    """Return the judge trained for a pipeline, if there is one."""
    if json.loads(WEIGHTS.read_text(encoding="utf-8"))["pipeline"] != package:
        return None
    try:
        return NameJudge(nlp)
    except ValueError:
        return None


_PROBE = (
    "My name is Maria Garcia and I live in Berlin.",
    "  Dr. John Smith of Acme Corp. paid $3 million to\n\nUNICEF on 5 May 2020, said Anna.",
)


def _reader(nlp: Any) -> Callable[[Sequence[str]], list[Reading]]:
    """Return what reads texts: compiled where that gives spaCy's own answers."""

    def own(texts: Sequence[str]) -> list[Reading]:
        nothing = np.empty(0, np.int64), np.empty(0, np.float32)
        return [
            Reading([(e.start_char, e.end_char, e.label_) for e in doc.ents], *nothing)
            for doc in nlp.pipe(texts, batch_size=64)
        ]

    try:
        quick = EntityParser(nlp).read
    except ValueError:
        return own
    same = [read.entities for read in quick(_PROBE)] == [read.entities for read in own(_PROBE)]
    return quick if same else own


# Letters only: one way to match each, so linear.
_LETTERS = re.compile(r"[^\W\d_]+")
_SMALL = re.compile(r"\b[a-z]{2,}\b")


def _ordinary(value: str, small: frozenset[str]) -> bool:
    """Whether all words of a supposed name are also used in small letters in the same text.

    Headings and menus of manuals ("Choose Insert") are what a news-trained model takes for people.
    """
    words = [word.lower() for word in _LETTERS.findall(value)]
    return small.issuperset(words) and not holds_name(value)


def _merged(found: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Join overlapping persons into one span; the other spans stay as they are."""
    out = [span for span in found if span[2] != "PERSON"]
    joined: list[tuple[int, int, str]] = []
    for start, end, label in sorted(span for span in found if span[2] == "PERSON"):
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]), label)
        else:
            joined.append((start, end, label))
    return out + joined


def _titled(text: str) -> str:
    """Capitalise every word; lengths stay as they are, so offsets do."""
    upper = text.title()
    return upper if len(upper) == len(text) else text


_TITLES = _regex(r"(?i:\b(?:mr|mrs|ms|miss|mx|dr|prof|sir|herr|frau|mme|sr|sra))\.?\s{1,2}\z")


def _with_title(text: str, start: int) -> int:
    """Return where the name begins with its form of address."""
    match = _TITLES.search(text[max(0, start - 8) : start])
    return start if match is None else start - (min(8, start) - match.start())
