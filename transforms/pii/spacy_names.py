# SPDX-License-Identifier: Apache-2.0
"""Names and places in English: spaCy's recogniser, the list of names, and what neither may say.

The text is made quiet first (addresses, handles), only sentences that can hold a name are read, and
what a model trained on news takes for a person in manuals and chat is thrown out again.
"""

from __future__ import annotations

import importlib
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import re2

from .entity_parser import EntityParser
from .givennames import given_names, holds_name
from .places import COUNTRY


def _regex(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)


class SpacyRecogniser:
    """A spaCy pipeline reduced to its entity recogniser (twice the speed of the full one).

    Args:
        package: Import name of the pipeline package.
    """

    _EXCLUDE = ("tok2vec", "tagger", "parser", "attribute_ruler", "lemmatizer", "senter")
    # Labels of OntoNotes 5; organisations are not personal data and are left out.
    _LABELS: Mapping[str, str] = {
        "PERSON": "PERSON",
        "PER": "PERSON",
        "GPE": "LOCATION",
        "LOC": "LOCATION",
        "FAC": "LOCATION",
    }

    def __init__(self, package: str) -> None:
        self.name = f"spacy:{package}"
        with warnings.catch_warnings():
            # W095: trained with a patch release other than the installed one.
            warnings.simplefilter("ignore")
            nlp = importlib.import_module(package).load(exclude=list(self._EXCLUDE))
        self._entities = _entity_finder(nlp)

    def find(self, pieces: Sequence[str]) -> list[list[tuple[int, int, str]]]:
        """Return entities of each piece."""
        out: list[list[tuple[int, int, str]]] = []
        parts: list[tuple[int, int, str]] = []
        for number, piece in enumerate(pieces):
            read = _quiet(piece)
            # Written in small letters throughout, names are invisible to a model trained on news.
            if piece.islower():
                read = _titled(read)
            found = [(*match.span(), "LOCATION") for match in COUNTRY.finditer(piece)]
            found += [(start, end, "PERSON") for start, end in given_names(piece)]
            out.append(found)
            parts += [(number, start, read[start:end]) for start, end in _worth_reading(read)]
        small: dict[int, frozenset[str]] = {}
        entities = self._entities([part for _, _, part in parts])
        for (number, offset, part), reported in zip(parts, entities, strict=True):
            for first, last, kind in reported:
                label = self._LABELS.get(kind)
                if label is None:
                    continue
                start, end = _trim(part, first, last)
                written = pieces[number][offset + start : offset + end]
                if start < end and _plausible(written, label):
                    if label == "PERSON":
                        if number not in small:
                            small[number] = frozenset(_SMALL.findall(pieces[number]))
                        if _ordinary(written, small[number]):
                            continue
                        start = _with_title(part, start)
                    out[number].append((offset + start, offset + end, label))
        return [_merged(found) for found in out]


_PROBE = (
    "My name is Maria Garcia and I live in Berlin.",
    "  Dr. John Smith of Acme Corp. paid $3 million to\n\nUNICEF on 5 May 2020, said Anna.",
)


def _entity_finder(nlp: Any) -> Callable[[Sequence[str]], list[list[tuple[int, int, str]]]]:
    """Return what finds the entities of texts: compiled where that gives spaCy's own answers."""

    def own(texts: Sequence[str]) -> list[list[tuple[int, int, str]]]:
        return [
            [(entity.start_char, entity.end_char, entity.label_) for entity in doc.ents]
            for doc in nlp.pipe(texts, batch_size=64)
        ]

    try:
        quick = EntityParser(nlp).find
    except ValueError:
        return own
    return quick if quick(_PROBE) == own(_PROBE) else own


# Letters only: one way to match each, so linear.
_LETTERS = re.compile(r"[^\W\d_]+")
_SMALL = re.compile(r"\b[a-z]{2,}\b")


def _ordinary(value: str, small: frozenset[str]) -> bool:
    """Whether all words of a supposed name are also used in small letters in the same text.

    Headings and menus of manuals ("Choose Insert") are what a news-trained model takes for people.
    """
    words = [word.lower() for word in _LETTERS.findall(value)]
    return small.issuperset(words) and not holds_name(value)


# Web addresses, handles and retweet marks: no names, and the model errs on the words around them.
_NOISE = _regex(r"https?://\S+|\bRT(?: @ ?\w+)?\b|\B@\w+|^@ \w+")


def _quiet(text: str) -> str:
    """Blank what is noise to the model; offsets stay as they are."""
    if "@" not in text and "://" not in text and "RT" not in text:
        return text
    out, done = [], 0
    for match in _NOISE.finditer(text):
        start, end = match.span()
        out += [text[done:start], " " * (end - start)]
        done = end
    return "".join([*out, text[done:]])


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


_SENTENCE_END = _regex(r"[.!?][\"')\]]*\s+|\n+")
# Words that begin sentences, and are no names (the most frequent openers of English prose).
_OPENERS = (
    "The|This|That|These|Those|There|Then|They|Their|It|Its|He|She|We|You|"
    "Your|My|Our|His|Her|An?|And|But|Or|So|If|In|On|"
    "At|As|Of|To|For|From|By|With|Without|When|While|Where|What|Which|Who|"
    "Why|How|Not|No|Yes|Now|Here|Also|All|Any|Some|"
    "Most|Many|Much|More|Each|Every|Both|Such|One|Two|Three|Other|Another|"
    "After|Before|Since|Until|Because|Although|Though|"
    "However|Therefore|Thus|Is|Are|Was|Were|Be|Been|Do|Does|Did|Don|Can|"
    "Could|Will|Would|Should|May|Might|Must|Have|Has|Had|"
    "Let|Please|Just|Only|Even|Still|Yet|Maybe|Perhaps|Well|Oh|Note|See|"
    "Use|Get|Go|Make|Set|Add|Click|Select|Choose|Press|"
    "Open|Enter|Type|Return|Returns|Read|Write|Try|First|Second|Next|Last|"
    "New|Once|Than|Like|Too|Very|Unless|During|"
    "Instead|Otherwise|Specify|Specifies|Check|Show|Start|Stop|Run|Create|"
    "Remove|Change|Given|Default|True|False|None"
)
# A capitalised word that is not the first, or a first one that is not a common opener.
_CANDIDATE = _regex(r"\S\s+[\"'(\[]*\p{Lu}\p{L}|\p{Lu}[\p{L}'’.-]*\p{L}[/-]\p{Lu}|^\W*\p{Lu}\p{L}")
_OPENER = _regex(rf"^\W*(?:{_OPENERS})\b[^\p{{Lu}}]*(?:\bI\b[^\p{{Lu}}]*)*$")


def _worth_reading(text: str) -> list[tuple[int, int]]:
    """Return the runs of sentences in which a name can be: half of ordinary prose has none.

    Names are capitalised words; the model sees the sentences around a name only where they are
    read too, which changes few results (measured: `pii_accuracy.py --part english`).
    """
    out: list[tuple[int, int]] = []
    start = 0
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    for end in (*ends, len(text)):
        sentence = text[start:end]
        if _CANDIDATE.search(sentence) and not _OPENER.search(sentence):
            if out and out[-1][1] == start:
                out[-1] = (out[-1][0], end)
            else:
                out.append((start, end))
        start = end
    return out


def _titled(text: str) -> str:
    """Capitalise every word; lengths stay as they are, so offsets do."""
    upper = text.title()
    return upper if len(upper) == len(text) else text


_TITLES = _regex(r"(?i:\b(?:mr|mrs|ms|miss|mx|dr|prof|sir|herr|frau|mme|sr|sra))\.?\s{1,2}\z")


def _with_title(text: str, start: int) -> int:
    """Return where the name begins with its form of address."""
    match = _TITLES.search(text[max(0, start - 8) : start])
    return start if match is None else start - (min(8, start) - match.start())


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
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


def _plausible(value: str, label: str) -> bool:
    """Whether an entity can be a name, as it is written.

    It has a letter; a person's has no digit, @ or slash, and a capital unless a word of it is on
    the list of names (of the persons that the model sees in a manual, 36 % are commands such as
    `dpkg`, all of them in small letters).
    """
    if len(value) < 2 or not any(char.isalpha() for char in value):
        return False
    if label != "PERSON":
        return True
    if any(char.isdigit() or char in "@/\\_<>{}=#" for char in value):
        return False
    return not value.islower() or holds_name(value)
