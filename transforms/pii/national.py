# SPDX-License-Identifier: Apache-2.0
"""Rows for national identity and tax numbers that python-stdnum validates."""

from __future__ import annotations

from typing import NamedTuple

from .national_checks import stdnum_check
from .pattern import GAP, Pattern


class Shape(NamedTuple):
    """A national number.

    Args:
        country: ISO 3166-1 code in small letters; a country's further numbers add their name.
        module: python-stdnum's module that validates it.
        regex: How it is written.
        cue: What must stand before it; None where the check is strong enough alone.
        score: Confidence of a confirmed hit.
    """

    country: str
    module: str
    regex: str
    cue: str | None
    score: float


def _national(country: str, module: str, regex: str, cue: str | None, score: float) -> Pattern:
    body = f"\\b({regex})\\b"
    if cue:
        body = f"(?i:{_begun(cue)})(?i:\\s(?:number|no|nr|num)\\b)?" + GAP + f"({regex})\\b"
    # A cue and a check outweigh what else the digits could be, such as a card.
    priority = 86 if cue else 68
    return Pattern(f"stdnum:{country}", "NATIONAL_ID", body, score, stdnum_check(module), priority)


def _begun(cue: str) -> str:
    """Return an expression for a cue where a word begins; to RE2 only ASCII letters make words."""
    words = cue.split("|")
    native = [word for word in words if not word[0].isascii()]
    ascii_words = "|".join(word for word in words if word[0].isascii())
    return "|".join([rf"\b(?:{ascii_words})", *(rf"\B{word}" for word in native)])


SHAPES: tuple[Shape, ...] = tuple(
    Shape(*row)
    for row in (
        (
            "de",
            "de.idnr",
            r"[0-9]{2}[ ]?[0-9]{3}[ ]?[0-9]{3}[ ]?[0-9]{3}",
            (
                "steuer-?id(?:entifikationsnummer)?|steuerliche identifikationsnummer|"
                "idnr|identifikationsnummer|tax id"
            ),
            0.85,
        ),
        (
            "fr",
            "fr.nir",
            r"[12][ ]?[0-9]{2}[ ]?[0-9]{2}[ ]?[0-9][0-9AB][ ]?[0-9]{3}[ ]?[0-9]{3}[ ]?[0-9]{2}",
            None,
            0.9,
        ),
        (
            "fr.nif",
            "fr.nif",
            r"[0-3][0-9][ ]?[0-9]{2}[ ]?[0-9]{3}[ ]?[0-9]{3}[ ]?[0-9]{3}",
            "num[ée]ro fiscal|nif|spi",
            0.8,
        ),
        ("es.dni", "es.dni", r"[0-9]{8}-?[A-Za-z]", None, 0.75),
        ("es.nie", "es.nie", r"[XYZxyz]-?[0-9]{7}-?[A-Za-z]", None, 0.8),
        (
            "it",
            "it.codicefiscale",
            (
                r"[A-Za-z]{6}[0-9LMNPQRSTUV]{2}[A-Za-z][0-9LMNPQRSTUV]{2}[A-Za-z]"
                r"[0-9LMNPQRSTUV]{3}[A-Za-z]"
            ),
            None,
            0.9,
        ),
        ("pl", "pl.pesel", r"[0-9]{11}", "pesel", 0.9),
        (
            "nl",
            "nl.bsn",
            r"[0-9]{9}|[0-9]{4}\.[0-9]{2}\.[0-9]{3}",
            "bsn|burgerservicenummer|sofi-?nummer",
            0.9,
        ),
        ("be", "be.nn", r"[0-9]{2}\.[0-9]{2}\.[0-9]{2}-[0-9]{3}\.[0-9]{2}", None, 0.9),
        ("be", "be.nn", r"[0-9]{11}", "rijksregisternummer|num[ée]ro national|nrn|niss", 0.9),
        ("se", "se.personnummer", r"(?:19|20)?[0-9]{6}[-+][0-9]{4}", None, 0.8),
        ("se", "se.personnummer", r"(?:19|20)?[0-9]{6}[0-9]{4}", "personnummer|pnr", 0.85),
        ("fi", "fi.hetu", r"[0-9]{6}[-+A-Fa-f][0-9]{3}[0-9A-Za-z]", None, 0.85),
        ("dk", "dk.cpr", r"[0-9]{6}-?[0-9]{4}", "cpr(?:-?nummer|-?nr)?|personnummer", 0.85),
        (
            "no",
            "no.fodselsnummer",
            r"[0-9]{6}[ ]?[0-9]{5}",
            "f[øo]dselsnummer|personnummer|fnr",
            0.9,
        ),
        ("pt", "pt.nif", r"[0-9]{3}[ ]?[0-9]{3}[ ]?[0-9]{3}", "nif|contribuinte", 0.85),
        ("pt.cc", "pt.cc", r"[0-9]{8}[ ]?[0-9][ ]?[0-9A-Z]{2}[0-9]", None, 0.8),
        ("ie", "ie.pps", r"[0-9]{7}[A-Wa-w][A-IWa-iw]?", "pps[n]?", 0.85),
        (
            "at",
            "at.vnr",
            r"[0-9]{4}[ ]?[0-9]{6}",
            "sozialversicherungsnummer|svnr|versicherungsnummer|sv-?nummer",
            0.85,
        ),
        ("ch", "ch.ssn", r"756\.[0-9]{4}\.[0-9]{4}\.[0-9]{2}", None, 0.9),
        ("cz", "cz.rc", r"[0-9]{6}/[0-9]{3,4}", None, 0.8),
        ("sk", "sk.rc", r"[0-9]{6}/?[0-9]{3,4}", "rodn[ée] [čc][íi]slo", 0.8),
        ("ro", "ro.cnp", r"[1-9][0-9]{12}", "cnp|cod numeric personal", 0.9),
        ("bg", "bg.egn", r"[0-9]{10}", "egn|егн", 0.85),
        ("hr", "hr.oib", r"[0-9]{11}", "oib", 0.85),
        ("ee", "ee.ik", r"[1-8][0-9]{10}", "isikukood", 0.85),
        ("lt", "lt.asmens", r"[1-8][0-9]{10}", "asmens kodas", 0.85),
        ("gr", "gr.amka", r"[0-9]{11}", "amka|αμκα", 0.85),
        ("si", "si.emso", r"[0-9]{13}", "em[šs]o", 0.85),
        ("in", "in_.aadhaar", r"[2-9][0-9]{3}[ -]?[0-9]{4}[ -]?[0-9]{4}", "aadhaar|uid|आधार", 0.85),
        ("in.pan", "in_.pan", r"[A-Z]{5}[0-9]{4}[A-Z]", None, 0.75),
        ("br", "br.cpf", r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}", None, 0.9),
        ("kr", "kr.rrn", r"[0-9]{6}-[1-8][0-9]{6}", None, 0.85),
        ("ca", "ca.sin", r"[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{3}", "sin|social insurance", 0.85),
        ("au", "au.tfn", r"[0-9]{3}[ ]?[0-9]{3}[ ]?[0-9]{2,3}", "tfn|tax file", 0.85),
        ("za", "za.idnr", r"[0-9]{13}", "id number|south african id|sa id", 0.8),
        ("tr", "tr.tckimlik", r"[1-9][0-9]{10}", "tckn|kimlik|t\\.?c\\.?", 0.8),
        ("mx", "mx.curp", r"[A-Z]{4}[0-9]{6}[HM][A-Z]{5}[0-9A-Z][0-9]", None, 0.9),
    )
)
"""National numbers of persons."""

NATIONAL: tuple[Pattern, ...] = tuple(_national(*shape) for shape in SHAPES)
"""Their rows."""
