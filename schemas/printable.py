# SPDX-License-Identifier: Apache-2.0
"""Text from outside that is shown on a terminal or in a message must not steer it."""

from __future__ import annotations


def inert(text: str) -> str:
    """Return text with every character that could steer a terminal or reorder it made visible."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )
