# SPDX-License-Identifier: Apache-2.0
"""From the `personal_data` section of a job to what detection and redaction take."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Iterable
from dataclasses import dataclass

from ...schemas.errors import JobError
from ...schemas.personal_data import PersonalData
from .credentials import CREDENTIALS
from .entities import ENTITIES, ENTITY, Action
from .pattern import Pattern
from .patterns import PATTERNS
from .presidio import presidio_patterns
from .recognisers import recogniser_patterns
from .redact import RedactionPolicy
from .secret_formats import RULES_VERSION


@dataclass(frozen=True)
class PiiSettings:
    """What a job wants of personal data, checked and compiled.

    Args:
        entities: Types to report, or None for all.
        custom: Rows besides the built-in ones: the job's recognisers, Presidio's on request.
        policy: What replaces what.
    """

    entities: tuple[str, ...] | None
    custom: tuple[Pattern, ...]
    policy: RedactionPolicy


def settings_of(section: PersonalData) -> PiiSettings:
    """Return the settings of a job.

    Raises:
        JobError: Entity types, recognisers or operators that are not what they should be; all of
            them are named.
    """
    problems = [
        f"personal_data.entities[{number}]: expected an entity type, got {name}"
        for number, name in enumerate(section.entities)
        if name not in ENTITY
    ]
    problems += [
        f"personal_data.operators.{key}: expected an entity type, `grade.<grade>` or `default`"
        for key in section.operators
        if key not in ENTITY and key != "default" and not key.startswith("grade.")
    ]
    custom: tuple[Pattern, ...] = ()
    try:
        custom = recogniser_patterns(section.recognisers)
    except JobError as error:
        problems += error.problems
    if problems:
        raise JobError(sorted(problems))
    if section.presidio:
        custom += presidio_patterns()
    words: dict[str, Action] = {key: operator.value for key, operator in section.operators.items()}
    policy = RedactionPolicy(
        {key: word for key, word in words.items() if key in ENTITY},
        section.min_score,
        {key.removeprefix("grade."): word for key, word in words.items() if key[:6] == "grade."},
        words.get("default"),
        frozenset(section.entities) or None,
        custom,
    )
    return PiiSettings(section.entities or None, custom, policy)


def recogniser_facts(section: PersonalData, version: str) -> list[dict[str, str]]:
    """Return the sets of recognisers that a job uses, as the manifest's `models` names them.

    Args:
        section: The job's section.
        version: Version of the package, which is that of the built-in patterns.
    """
    own = tuple(row for row in PATTERNS if row not in CREDENTIALS)
    facts = [
        _facts("pii-patterns", version, "Apache-2.0", own),
        _facts("secret-patterns", RULES_VERSION, "Apache-2.0", CREDENTIALS),
    ]
    if section.presidio:
        name = "presidio-analyzer"
        facts.append(_facts(name, importlib.metadata.version(name), "MIT", presidio_patterns()))
    for item in section.recognisers:
        rows = recogniser_patterns([item])
        facts.append(_facts(f"custom:{item.name}", item.version, "unknown", rows, item.context))
    return facts


def _facts(
    name: str, version: str, licence: str, rows: Iterable[Pattern], more: Iterable[str] = ()
) -> dict[str, str]:
    content = [
        [row.detector, row.entity, row.regex, row.score, row.priority, row.more or ""]
        for row in rows
    ]
    kinds = [[entity.name, entity.grade.value, entity.action] for entity in ENTITIES]
    text = json.dumps([content, list(more), kinds], ensure_ascii=True, separators=(",", ":"))
    return {
        "model": name,
        "version": version,
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "licence": licence,
        "task": "recogniser",
    }
