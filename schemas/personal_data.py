# SPDX-License-Identifier: Apache-2.0
"""What a job file may say of personal data: what is looked for, and what is done about it."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from .job_model import JobModel, Name, Share
from .reasons import PiiGrade

EntityName = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{1,63}$")]
OperatorKey = Annotated[
    str,
    Field(pattern=r"^(?:default|grade\.(?:general|sensitive|minor|secret)|[A-Z][A-Z0-9_]{1,63})$"),
]


class NerScope(StrEnum):
    """Where named-entity recognition looks."""

    OFF = "off"
    CONTACT = "contact"
    ALL = "all"


class Operator(StrEnum):
    """What is done with a span of personal data."""

    PLACEHOLDER = "placeholder"
    MASK = "mask"
    HASH = "hash"
    SURROGATE = "surrogate"
    DROP = "drop"
    KEEP = "keep"


class LinkScope(StrEnum):
    """Which spans the restricted table of keyed links covers."""

    OFF = "off"
    RESIDUAL = "residual"
    ALL = "all"


class MinorAction(StrEnum):
    """What becomes of documents with personal data near a cue that its subject is under 18."""

    REMOVE = "remove"
    FLAG = "flag"


class UnreadAction(StrEnum):
    """What becomes of documents in a language whose names no model reads."""

    FLAG = "flag"
    REMOVE = "remove"


class Recogniser(JobModel):
    """One recogniser of the job's own: patterns, and what confirms a hit."""

    name: Name = Field(description="Name; the detector column says `custom:<name>@<version>`.")
    version: Name = Field("1", description="Version; raise it whenever the patterns change.")
    patterns: tuple[Annotated[str, Field(min_length=1, max_length=2000)], ...] = Field(
        min_length=1,
        max_length=20,
        description="RE2 expressions (no look-around, no back-references) over the text with "
        "disguises removed; group 1, if there is one, is the value.",
    )
    context: tuple[Annotated[str, Field(min_length=1, max_length=64)], ...] = Field(
        (),
        max_length=100,
        description="Words of which one must stand within 100 bytes of the value, in any case; "
        "empty: none needed.",
    )
    score: Share = Field(0.8, description="Confidence of a confirmed hit.")
    entity: EntityName = Field("CUSTOM", description="Entity type that it finds.")
    grade: PiiGrade | None = Field(None, description="Grade; that of the entity type if not given.")
    validator: str | None = Field(
        None,
        max_length=64,
        description="Check that confirms a hit: luhn, card, iban, email, resident_id, uscc, "
        "date, entropy, or `stdnum:<module>` of python-stdnum, such as stdnum:de.idnr.",
    )


class PersonalData(JobModel):
    """Detection and redaction of personal data."""

    enabled: bool = Field(True, description="Detect and redact personal data.")
    ner: NerScope = Field(
        NerScope.CONTACT,
        description="Names: not at all, around other identifiers and contact cues, or everywhere.",
    )
    unread: UnreadAction = Field(
        UnreadAction.FLAG,
        description="Documents in a language whose names no model reads (all but English and "
        "Chinese, while `ner` is on): recorded only, or removed.",
    )
    entities: tuple[EntityName, ...] = Field(
        (), description="Entity types to find; empty finds all."
    )
    recognisers: tuple[Recogniser, ...] = Field(
        (), max_length=50, description="Recognisers of the job's own."
    )
    presidio: bool = Field(
        False, description="Use presidio-analyzer's pattern recognisers too, behind the same set."
    )
    operators: dict[OperatorKey, Operator] = Field(
        default_factory=dict,
        description="What is done with a span, by entity type, by `grade.<grade>`, or by "
        "`default`; the most specific one counts. `drop` removes the whole document.",
    )
    max_sensitive: int = Field(
        3,
        ge=1,
        description="Sensitive identifiers from which a whole document is removed "
        "(GB/T 35273 practice; see the grade table).",
    )
    minors: MinorAction = Field(
        MinorAction.REMOVE,
        description="Personal data near a cue that its subject is under 18: remove the document, "
        "or record it only.",
    )
    min_score: Share = Field(0.5, description="Least score of a span that is redacted.")
    links: LinkScope = Field(
        LinkScope.RESIDUAL,
        description="Keyed links of values, in `restricted/`: none, of what stays in the corpus, "
        "or of everything found in kept documents.",
    )
    links_reason: str | None = Field(
        None,
        min_length=10,
        max_length=500,
        description="Why values that were replaced are linked; `links: all` needs it.",
    )
    links_retention: date | None = Field(
        None, description="Day on which the links are to be deleted (ISO 8601)."
    )


def check_personal_data(section: PersonalData) -> list[str]:
    """Return the problems that single fields of the section cannot show, each with its place."""
    problems = []
    names = [item.name for item in section.recognisers]
    problems += [
        f"personal_data.recognisers[{number}].name: {name!r} is used twice"
        for number, name in enumerate(names)
        if name in names[:number]
    ]
    if section.links is LinkScope.ALL and section.links_reason is None:
        problems.append(
            "personal_data.links_reason: missing; `links: all` keeps an index of persons that the "
            "corpus no longer names, so say why"
        )
    return problems
