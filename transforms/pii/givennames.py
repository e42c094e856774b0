# SPDX-License-Identifier: Apache-2.0
"""People's names by list: what a news-trained model misses in chat, small letters and capitals.

The list is `person_names.txt` beside this module; its head names the sources. Names that are also
words, places or months count only before a known surname. Measured beside spaCy md on WNUT17
(train) and the Broad Twitter Corpus: see `benchmarks/pii_accuracy.py --part names`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import re2

LIST = Path(__file__).with_name("person_names.txt")

# Forms of address: whoever follows in capitals is a person.
_ADDRESS = "mr mrs ms miss mx dr prof sir dj mc pm vj sgt sen gov rev feat ft featuring"
_ADDRESS_LONG = "pastor president senator uncle auntie aunt captain"
# Whoever is greeted by a listed name is a person, even if the name is also a word.
_GREETING = "hi hey hello dear thanks thx cheers"
# A capitalised word after a given name that makes it a place, a firm or a title.
_NOT_PERSON = frozenset(
    (
        "Street St Avenue Road Lane Drive Park Hill River Lake County City Airport University "
        "College School Hospital Island Islands Company Inc Ltd LLC Corp Bank Group Hotel Club Day "
        "Church Center Centre Award Prize Cup Stadium Bridge Square Castle Palace Bay Beach Valley "
        "Mountain Museum Institute Foundation"
    ).split()
)
_REACH = 60
"""Characters after a listed word that are looked at, so that a text of names costs linear time."""
# Words of letters only: one way to match each, so linear.
_WORD = re.compile(r"[^\W\d_]{2,}")
_CAMEL = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def _regex(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)


_SURNAME = _regex(
    r"[ ](?:(?:de|da|van|von|der|la|bin|al)[ ])?(\p{Lu}['’]?\p{L}(?:[\p{L}'’-]*\p{L})?)"
)
_ADDRESSED = _regex(r"[ ]?\.?[ ](\p{Lu}\p{L}+(?:[ ]\p{Lu}[\p{L}'’-]+)?)")
_GREETED = _regex(r"[ ]?,?[ ](\p{L}+)")
_HASHTAG = _regex(r"#(\p{L}{4,40})")


class NameList:
    """The names by how sure they are.

    Args:
        path: Sections `[lower]`, `[sure]`, `[clear]`, `[ambiguous]`, `[surname]`, `[family]`, each
            of names in small letters; lines that begin with `#` are comments.
    """

    def __init__(self, path: Path) -> None:
        parts: dict[str, set[str]] = {}
        section = ""
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("["):
                section = line.strip("[]")
            elif not line.startswith("#"):
                parts.setdefault(section, set()).update(line.split())
        frequent = parts["lower"] | parts["sure"]
        self.given = frequent | parts["clear"]
        self.ambiguous = parts["ambiguous"]
        self.family = parts["family"] | parts["surname"] | self.given
        # One look-up a word decides; the kind says what else must hold.
        kinds = {name.capitalize(): "ambiguous" for name in parts["ambiguous"]}
        kinds |= {name.capitalize(): "name" for name in self.given | parts["surname"]}
        kinds |= {name.upper(): "shouted" for name in frequent if len(name) > 2}
        kinds |= dict.fromkeys(parts["lower"], "whispered")
        for word in _GREETING.split():
            kinds |= dict.fromkeys((word, word.capitalize(), word.upper()), "greeting")
        for word in (*_ADDRESS.split(), *_ADDRESS_LONG.split()):
            kinds[word.capitalize()] = "address"
        kinds |= {word.upper(): "address" for word in _ADDRESS.split()}
        self.kinds = kinds
        self.frequent = frequent


@cache
def name_list() -> NameList:
    """Return the packaged list, read once per process."""
    return NameList(LIST)


def holds_name(text: str) -> bool:
    """Whether a known given name or surname is among the words of a text, in any case."""
    known = name_list()
    return any(word.lower() in known.family for word in _WORD.findall(text))


def given_names(text: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of names on the list, with the surnames after them, in order."""
    known = name_list()
    kinds = known.kinds
    done = 0
    for match in _WORD.finditer(text):
        kind = kinds.get(match.group())
        if kind is None or match.start() < done:
            continue
        span = _name_at(text, match.start(), match.end(), kind, known)
        if span is not None:
            done = span[1]
            yield span
    if "#" in text:
        yield from _hashtags(text, known)


def _name_at(text: str, start: int, end: int, kind: str, known: NameList) -> tuple[int, int] | None:
    """Return the name that begins at a listed word, or None if its surroundings forbid it."""
    if _inside(text, start, end):
        return None
    if kind == "address":
        named = _ADDRESSED.match(text[end : end + _REACH])
        return None if named is None else (end + named.start(1), end + named.end(1))
    if kind == "greeting":
        return _greeted(text, end, known)
    if kind == "whispered":
        if "-" in text[max(0, start - 1) : end + 1]:
            return None
        follower = _WORD.match(text, end + 1) if text[end : end + 1] == " " else None
        if follower is not None and follower.group() in known.family:
            end = follower.end()
        return start, end
    return _with_surnames(text, start, end, kind, known)


def _with_surnames(
    text: str, start: int, end: int, kind: str, known: NameList
) -> tuple[int, int] | None:
    """Return the name with the capitalised words after it: any one, then listed ones."""
    trusted = kind == "name"
    for _ in range(2):
        match = _SURNAME.match(text[end : end + _REACH])
        if match is None:
            break
        word = match.group(1).removesuffix("'s").removesuffix("\u2019s")
        if word in _NOT_PERSON:
            return None
        if not trusted and word.lower() not in known.family:
            break
        end += match.start(1) + len(word)
        trusted, kind = False, "name"
    return None if kind == "ambiguous" else (start, end)


def _inside(text: str, start: int, end: int) -> bool:
    """Whether a word is part of a path, an address, an identifier or markup."""
    before, after = text[max(0, start - 1) : start], text[end : end + 2]
    if before and before in "@/\\_&=<%$+#":
        return True
    if before == "." and text[max(0, start - 2) : start - 1].isalnum():
        return True
    if not after:
        return False
    return after[0] in "@/\\_=(" or (after[0] == "." and after[1:].isalnum())


def _greeted(text: str, end: int, known: NameList) -> tuple[int, int] | None:
    """Return the listed name after a greeting; a name that is also a word only in capitals."""
    match = _GREETED.match(text[end : end + _REACH])
    if match is None:
        return None
    name = match.group(1)
    if name.lower() in known.given or (name.istitle() and name.lower() in known.ambiguous):
        return end + match.start(1), end + match.end(1)
    return None


def _hashtags(text: str, known: NameList) -> Iterator[tuple[int, int]]:
    """Yield hashtags made of a frequent given name and more, as #AnnaSmith, #annasmith."""
    for match in _HASHTAG.finditer(text):
        tag = match.group(1)
        words = [word.lower() for word in _CAMEL.findall(tag)]
        if any(word in known.frequent for word in words if len(word) > 3) or (
            len(words) == 1 and _run_together(words[0], known)
        ):
            yield match.span(1)


def _run_together(word: str, known: NameList) -> bool:
    """Whether a word in small letters is a frequent given name and a surname in one."""
    return any(
        word[:cut] in known.frequent and word[cut:] in known.family
        for cut in range(3, len(word) - 3)
    )
