# SPDX-License-Identifier: Apache-2.0
"""Operators: what stands in place of a value, a pure function of (operator, type, keyed hash, shape).

No counter, no order of arrival: the same value gets the same replacement in every document, on
every worker, under the same key.
"""

from __future__ import annotations

from typing import get_args

from .entities import ENTITIES, ENTITY, Action
from .surrogates import surrogate, tag

OPERATORS: tuple[Action, ...] = get_args(Action)
"""What can be done with a span; `drop` is about the whole document."""

PLACEHOLDER = r"\[(?:" + "|".join(sorted({e.label for e in ENTITIES})) + r")(?::[a-p]{8,16})?\]"
"""RE2 expression of everything `placeholder` and `hash` write; detectors read over it."""

SHAPED: frozenset[Action] = frozenset(["mask", "surrogate"])
"""Operators whose output is no placeholder, so that what they wrote is searched again."""


def _mask(value: str) -> str:
    """Stars for letters and digits, the shape kept, so length and separators still show."""
    return "".join("*" if char.isalnum() else char for char in value) if value else ""


def placeholder(entity: str) -> str:
    """Return the typed placeholder of an entity type."""
    return f"[{ENTITY[entity].label}]"


def replacement(action: Action, entity: str, digest: bytes, value: str) -> str:
    """Return what stands in place of a value.

    Args:
        action: The operator; `drop` never gets here.
        entity: Entity type.
        digest: Its keyed hash, 16 bytes.
        value: The value; only its shape is used, by `mask` and by surrogates of addresses.

    Returns:
        The replacement. A surrogate of a type without a reserved range is a typed placeholder with
        a keyed tag, so that equal values stay equal.
    """
    if action == "placeholder":
        return placeholder(entity)
    if action == "hash":
        return f"[{ENTITY[entity].label}:{tag(digest, 8)}]"
    if action == "surrogate":
        made = surrogate(entity, digest, value)
        return f"[{ENTITY[entity].label}:{tag(digest, 4)}]" if made is None else made
    return _mask(value) if action == "mask" else value
