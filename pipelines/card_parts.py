# SPDX-License-Identifier: Apache-2.0
"""What a section of the data card is made of; `card_sections` says which there are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Facts:
    """Single values of a query's first row, each with a label.

    Args:
        query: Named query.
        columns: Pairs of column and label.
    """

    query: str
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Listing:
    """Rows of a query as a table.

    Args:
        query: Named query.
        title: Caption.
        columns: Pairs of column and heading.
        limit: Most rows shown; the card says how many there are.
        bar: Column drawn as a bar as well, or None.
        empty: Sentence for a query without rows.
        curve: Pair of columns to draw as a curve, or None.
    """

    query: str
    title: str
    columns: tuple[tuple[str, str], ...]
    limit: int = 20
    bar: str | None = None
    empty: str = "None."
    curve: tuple[str, str] | None = None


@dataclass(frozen=True)
class Section:
    """One section of the card.

    Args:
        title: Heading.
        anchor: Name of the section in the page's address.
        prose: Paragraphs, without numbers about the data.
        parts: Facts and listings.
        warnings: Sentences said out loud, as a list after the parts.
    """

    title: str
    anchor: str
    prose: tuple[str, ...]
    parts: tuple[Facts | Listing, ...]
    warnings: tuple[str, ...] = ()


def columns(text: str) -> tuple[tuple[str, str], ...]:
    """Return `column: heading; column: heading` as pairs."""
    pairs = (item.split(": ", 1) for item in text.split("; "))
    return tuple((column, heading) for column, heading in pairs)
