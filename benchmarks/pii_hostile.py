# SPDX-License-Identifier: Apache-2.0
"""Hostile texts for `pii_speed.py`: what an attacker writes to make a detector slow.

Every family is a function of a size in bytes. There are small pieces repeated; a long run before or
behind what ends a value; every kind of identifier and key with its cue, glued, cut short, with a
wrong check digit, and in every disguise; and what makes models slow (`NAMES`).
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Iterable

from pii_disguises import DISGUISES
from pii_identifiers import CHINESE, ENGLISH, Case, national, secrets

Family = Callable[[int], str]

UNITS = (
    "a. a@ a@b.zz| 1 1| 12-34- ( +1| +44|20|7946|0958| phone| 12|3456\n tel|123456,| 1.2.3.4| "
    "4111|1111|1111|1112| - |at| |dot| a|[at]|b. &#64; &# %40 x<b> Aa1 Abc| 10|Abc|Street| "
    "12|Main| Suite|1| a: ab: password= -----BEGIN|PRIVATE|KEY----- eyJ eyJa- http://a: 1O O "
    "1\n 1. 1- born|on| 路 市区 微信号 １ \u202e аa \u200b \u0301 [PHONE]| aged|9|a@b.com| "
    "name:|Ann| é\u202e \u202dab\u202c // :: 0x =\" '' .. ** `a <b> </b> |<b>1</b>| l| lO|"
)
"""Pieces that are repeated; a bar stands for a blank."""

RUNS = (
    'a. a- a A. 1 1. 1| 1- a@ a_ a= / é 路 a\n 1\n x|y| Ab| <b> %20 &#65; &amp; . " ( + [ :: 1: ab:'
)
ENDS = "@b.zz @b.com @ |at|b|dot|com x |5 号 Street @a.b.c.d.e.zz -----END|PRIVATE|KEY----- :pw@h \n\n1"
"""A run of one of the first stands before, and behind, one of the second."""

NAMES: tuple[str, ...] = tuple(
    "( . \" - / a aA 1 a. a- a/ a_ 's http://a.b/ @a #Anna :) Anna|Smith| AnnaSmith Anna,Smith, "
    "Anna\n Mr.| [PHONE]|Anna|Smith| ANNA|SMITH| anna|smith| \n | name:|Anna|Smith|regards,| "
    "anna@smith.org|Anna| 😀 & <b>Anna</b> $1 ... \xa0 I| Will| O' hi|anna| annaSmithMary "
    "#annasmithmaryjones RT|@a| (a)[b]{c} 路 王小明 姓名王小明 我叫王小明住在北京市海淀区 王· 王|".split(
        " "
    )
)
"""Pieces for the models of names, one giant word among them."""


USERS: dict[str, tuple[str, ...]] = {
    "a(?:[^b]*b)?": ("a", "ab", "ac"),
    "x[^y]*y|x": ("x", "xz"),
    "(?:a|b|ab)*c": ("a", "ab", "abc"),
    "(a*)*b": ("a", "ab"),
    r"\w+\s+\w+$": ("a", "a ", "ab\n"),
    "[a-z]{1,200}[0-9]{1,50}": ("a", "a1"),
    ".": ("a", "路"),
}
"""The worst expressions that a job file may have, and pieces that are hard for each."""


def repeated(unit: str) -> Family:
    """Return the family of one piece, a bar for a blank, repeated."""
    piece = unit.replace("|", " ")
    size = len(piece.encode())
    return lambda n: piece * max(1, n // size)


def around(run: str, end: str, *, behind: bool) -> Family:
    """Return the family of a run with an end behind or before it."""
    fill, stop = repeated(run), end.replace("|", " ")
    return (lambda n: fill(n) + stop) if behind else (lambda n: stop + fill(n))


def of_case(case: Case, rng: random.Random) -> dict[str, Family]:
    """Return the families of a kind of identifier."""
    value = case.make(rng)
    pieces = {
        "": f"{case.cue}{value} ",
        "lines": f"{case.cue}{value}\n",
        "glued": value,
        "cut": f"{case.cue}{value[:-1]} ",
        "cut, glued": value[:-1],
        "half": value[: len(value) // 2],
        "cue": case.cue,
    }
    if case.wrong is not None:
        wrong = case.wrong(rng)
        pieces |= {"wrong": f"{case.cue}{wrong} ", "wrong, glued": wrong}
    found = {
        f"{case.name} {how}".strip(): repeated(piece) for how, piece in pieces.items() if piece
    }

    def different(n: int) -> str:
        # No cache knows them.
        own, out, size = random.Random(3), [], 0
        while size < n:
            out.append(f"{case.cue}{case.make(own)} ")
            size += len(out[-1].encode())
        return "".join(out)

    slow = case.name.startswith("stdnum:")  # drawn by trial
    return found if slow else {**found, f"{case.name} different": different}


@functools.cache
def families() -> dict[str, Family]:
    """Return every family of structured detection by name."""
    rng = random.Random(1)
    out = {f"{unit!r}": repeated(unit) for unit in UNITS.split(" ") if unit}
    for run in RUNS.split(" "):
        for end in ENDS.split(" "):
            out[f"{run!r}... {end!r}"] = around(run, end, behind=True)
            out[f"{end!r} {run!r}..."] = around(run, end, behind=False)
    cases: Iterable[Case] = (*ENGLISH, *CHINESE, *national(), *secrets())
    for case in cases:
        out |= of_case(case, rng)
    for name, wear in DISGUISES.items():
        for value in ("jane.doe@example.com", "4111 1111 1111 1111", "138-0013-8000", "8.8.8.8"):
            out[f"{name} {value}"] = repeated(f"{wear(value)} ")
            out[f"{name} {value} glued"] = repeated(wear(value))
    return out


def medley(n: int, piece: int = 16_384) -> str:
    """Return a text of about n bytes in which all families follow one another."""
    out, size = [], 0
    while size < n:
        for make in families().values():
            out.append(make(piece))
            size += len(out[-1].encode())
            if size >= n:
                break
    return "\n".join(out)
