# SPDX-License-Identifier: Apache-2.0
"""Texts made quiet for a recogniser of names: what is noise to it blanked, every offset kept."""

from __future__ import annotations

import re

import re2

# Web addresses, handles and retweet marks: no names, and the model errs on the words around them.
_NOISE = re2.compile(r"https?://\S+|\bRT(?: @ ?\w+)?\b|\B@\w+|^@ \w+")


LONGEST = 64
"""Characters of a word that the model reads. spaCy's tokeniser takes affixes off one by one and looks
through the rest each time: a word of n brackets costs n squared (98 s for 32 kB, measured)."""


def _broken(text: str) -> str:
    """Blank the punctuation of words longer than `LONGEST`, then every so many characters of it."""
    if max(map(len, text.split()), default=0) <= LONGEST:
        return text

    def shortened(found: re.Match[str]) -> str:
        word = found.group()
        if len(word) <= LONGEST:
            return word
        words = _PUNCTUATION.sub(" ", word)
        return _UNBROKEN.sub(lambda run: run.group()[:-1] + " ", words)

    return _WORDS.sub(shortened, text)


_WORDS = re.compile(r"\S+")
_PUNCTUATION = re.compile(r"[^\w\s]")
_UNBROKEN = re.compile(rf"\S{{{LONGEST + 1}}}")


def quiet(text: str) -> str:
    """Blank what is noise to the model, and break giant words; offsets stay as they are."""
    if "@" not in text and "://" not in text and "RT" not in text:
        return _broken(text)
    out, done = [], 0
    for match in _NOISE.finditer(text):
        start, end = match.span()
        out += [text[done:start], " " * (end - start)]
        done = end
    return _broken("".join([*out, text[done:]]))
