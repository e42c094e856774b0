# SPDX-License-Identifier: Apache-2.0
"""Fourteen disguises and two more of every kind of value, with known spans; see `pii_accuracy.py`."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Iterable, Iterator

from pii_identifiers import Case


def luhn_complete(body: str) -> str:
    """Append the Luhn check digit."""
    total = 0
    for place, char in enumerate(reversed(body)):
        digit = int(char) * (2 if place % 2 == 0 else 1)
        total += digit - 9 if digit > 9 else digit
    return body + str(-total % 10)


def resident_id(rng: random.Random) -> str:
    """Make a valid Chinese resident id."""
    area = rng.choice(["110105", "310115", "440305", "330106", "510107", "320102", "610113"])
    born = f"{rng.randint(1950, 2010)}{rng.randint(1, 12):02}{rng.randint(1, 28):02}"
    body = f"{area}{born}{rng.randint(0, 999):03}"
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return body + "10X98765432"[sum(int(c) * w for c, w in zip(body, weights, strict=True)) % 11]


def digits(rng: random.Random, n: int) -> str:
    """Return n random digits."""
    return "".join(rng.choice("0123456789") for _ in range(n))


def _digit_block(first: int) -> Callable[[str], str]:
    return lambda v: "".join(chr(first + int(c)) if c.isascii() and c.isdigit() else c for c in v)


def _combining(value: str) -> str:
    return "".join(c + ("\u0301" if c.isalnum() else "") for c in value)


def _between(extra: str) -> Callable[[str], str]:
    return extra.join


_TWINS = str.maketrans("aeopcyxi", "аеорсухі")

DISGUISES: dict[str, Callable[[str], str]] = {
    "fullwidth": lambda v: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in v),
    "arabic_indic": _digit_block(0x0660),
    "mathematical": _digit_block(0x1D7CE),
    "zero_width_space": _between("\u200b"),
    "zero_width_joiner": _between("\u200d"),
    "soft_hyphen": _between("\u00ad"),
    "no_break_space": lambda v: (
        v.replace(" ", "\u00a0").replace("-", "\u00a0")
        if any(c.isdigit() for c in v) and "@" not in v and ":" not in v
        else v
    ),
    "en_dash": lambda v: v.replace("-", "\u2013"),
    "look_alikes": lambda v: v.translate(_TWINS),
    "combining": _combining,
    "html_entities": lambda v: "".join(f"&#{ord(c)};" for c in v),
    "percent": lambda v: "".join(c if c.isalnum() else f"%{ord(c):02X}" for c in v),
    "at_dot": lambda v: v.replace("@", " [at] ").replace(".", " (dot) ") if "@" in v else v,
    "bidi_override": lambda v: "\u202e" + v[::-1] + "\u202c",
    "leet": lambda v: (
        v.replace("0", "O").replace("1", "l")
        if not any(c.isalpha() for c in v) and sum(map(str.isdigit, v)) >= 9
        else v
    ),
    "markup": lambda v: f"{v[:3]}<b>{v[3:6]}</b>{v[6:]}",
}


def disguised(n: int) -> Iterator[tuple[str, str, list[str], list[tuple[int, int, str]]]]:
    """Yield (disguise, kind of value, texts, spans), up to n texts each.

    Values that a disguise does not change are left out.
    """
    rng = random.Random(13)
    values: dict[str, Callable[[], str]] = {
        "email": lambda: f"jane.doe{digits(rng, 2)}@example.com",
        "us_phone": lambda: f"{rng.randint(201, 989)}-555-{digits(rng, 4)}",
        "card": lambda: luhn_complete("4" + digits(rng, 14)),
        "ssn": lambda: f"{rng.randint(100, 665)}-{rng.randint(10, 99)}-{rng.randint(1000, 9999)}",
        "iban": lambda: "GB82WEST12345698765432",
        "ipv4": lambda: f"8.8.{rng.randint(1, 254)}.{rng.randint(1, 254)}",
        "cn_mobile": lambda: "138" + digits(rng, 8),
        "resident_id": lambda: resident_id(rng),
    }
    for name, wear in DISGUISES.items():
        for kind, make in values.items():
            texts, gold = [], []
            for _ in range(n):
                plain = make()
                value = wear(plain)
                if unicodedata.normalize("NFC", value) == plain:
                    continue
                head, tail = rng.choice([("Write to ", " today."), ("请联系", "谢谢")])
                texts.append(head + value + tail)
                gold.append((len(head), len(head) + len(value), kind))
            if texts:
                yield name, kind, texts, gold


def disguised_cases(
    cases: Iterable[Case], n: int
) -> Iterator[tuple[str, str, list[str], list[tuple[int, int, str]]]]:
    """Yield the same for kinds of identifiers whose value alone is disguised, their cue is not.

    Hyphens of keys are not replaced by blanks: they are part of the key, and it would be none.
    """
    rng = random.Random(29)
    for case in cases:
        for name, wear in DISGUISES.items():
            if name == "no_break_space" and not case.entities.isdisjoint(("SECRET", "PRIVATE_KEY")):
                continue
            texts, gold = [], []
            for number in range(n):
                plain = case.make(rng)
                value = wear(plain)
                if unicodedata.normalize("NFC", value) == plain:
                    continue
                carrier = case.carriers[number % len(case.carriers)]
                head, _, tail = carrier.partition("{cue}{value}")
                head += case.cue
                texts.append(head + value + tail)
                gold.append((len(head), len(head) + len(value), case.name))
            if texts:
                yield name, case.name, texts, gold
