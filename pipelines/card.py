# SPDX-License-Identifier: Apache-2.0
"""The data card: what `card_sections` asks for, answered by named queries, as Markdown or HTML.

Data are values, never templates: the templates ship with the package, HTML is escaped by default,
Markdown by `escape_markdown` on everything that a template prints, and characters that could
reorder or hide text are made visible in both. The HTML is one file without script or remote
address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from importlib import resources
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup, escape

from ..schemas.errors import UserError
from ..schemas.printable import inert
from .answers import plain, shortest_float32
from .card_parts import Facts, Listing, Section
from .card_sections import SECTIONS
from .query import ask, connect

if TYPE_CHECKING:
    from .release import Release

FORMATS = ("md", "html")
NONE = "\N{EN DASH}"
"""What stands where there is no value."""

_SHARES = frozenset(
    (
        "share share_kept share_unknown removal_rate chance licence_unknown rights_unobservable "
        "rights_unknown language_unknown toxicity_unmeasured domain_unknown date_unknown"
    ).split()
)
_UNGROUPED = frozenset({"year", "schema_version", "version"})
"""Whole numbers that are names, not counts: 2024, never 2,024."""

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Cell:
    """One value on the card, with the place in a named query that it came from.

    Args:
        text: The value as it is shown.
        query: Named query.
        row: Row of its answer, from 0.
        column: Column of its answer.
        amount: The value as a number, or None if it is none.
        bar: Length of its bar in per cent, or None.
    """

    text: str
    query: str
    row: int
    column: str
    amount: float | None = None
    bar: float | None = None


@dataclass(frozen=True)
class ShownFacts:
    """Labels with one cell each."""

    query: str
    items: tuple[tuple[str, Cell], ...]


@dataclass(frozen=True)
class ShownListing:
    """A table as the templates need it.

    Args:
        spec: What was asked for.
        columns: Heading of each column that has a value, and whether it holds numbers.
        silent: Headings of the columns without any value.
        rows: Cells of the rows shown.
        total: How many rows the query has in all.
        points: Curve as points of an SVG polyline, or empty.
    """

    spec: Listing
    columns: tuple[tuple[str, bool], ...]
    silent: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: Cell
    points: str


@dataclass(frozen=True)
class ShownSection:
    """A section with its parts answered."""

    spec: Section
    parts: tuple[ShownFacts | ShownListing, ...]


def render_card(release: Release, fmt: str = "md", *, verified: bool = True) -> str:
    """Return the data card of a release.

    Args:
        release: The release.
        fmt: `md` or `html`.
        verified: Whether to prove every file read first.

    Raises:
        UserError: The format is unknown.
        IntegrityError: A file is not what the manifest says.
    """
    if fmt not in FORMATS:
        raise UserError(f"expected a card format of {', '.join(FORMATS)}, got {fmt!r}")
    job = release.manifest.get("job")
    job = job if isinstance(job, dict) else {}
    sections = answer_sections(release, verified=verified)
    template = _environment(fmt).get_template(f"card.{fmt}.j2")
    return template.render(
        name=_word(job.get("name")) or "unnamed",
        description=_word(job.get("description")),
        contact=_word(job.get("contact")),
        release_id=release.id,
        sections=sections,
        outcomes=_outcomes(sections),
        verified=verified,
    )


def answer_sections(release: Release, *, verified: bool = True) -> tuple[ShownSection, ...]:
    """Return every section of the card with its queries answered; each query runs once."""
    answers: dict[str, Rows] = {}
    with connect(release, verified=verified, native=True) as connection:
        for section in SECTIONS:
            for part in section.parts:
                if part.query not in answers:
                    answers[part.query] = ask(connection, part.query)
    return tuple(
        ShownSection(section, tuple(_answer(part, answers[part.query]) for part in section.parts))
        for section in SECTIONS
    )


def show(column: str, value: Any) -> str:
    """Return a value as the card shows it.

    >>> show("documents_in", 1234567), show("share", 0.25), show("share", 0.00001)
    ('1,234,567', '25.0 %', '<0.1 %')
    """
    if value is None or value == "":
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value) if column in _UNGROUPED else f"{value:,}"
    if isinstance(value, float):
        return _percent(value) if column in _SHARES else f"{shortest_float32(value):.3g}"
    if isinstance(value, date):
        return value.isoformat()
    return inert(str(plain(value)))


def escape_markdown(text: str) -> str:
    """Return text that a CommonMark or GitHub parser shows as it is, and never acts on.

    Args:
        text: One line; characters that are not printable must have been made visible.
    """
    escaped = re.sub(r"([\\`*_{}\[\]<>#|~&!$])", r"\\\1", text)
    # What would begin a list, a rule or a heading if a line began with it.
    escaped = re.sub(r"\A(\s*)(?=[-+=])|\A(\s*\d+)(?=[.)](?:\s|$))", r"\1\2\\", escaped)
    # What would become a link by itself (GitHub's autolinks).
    return re.sub(r"(?i)(\bwww)\.|:(?=//)", lambda m: f"{m[1]}\\." if m[1] else "\\:", escaped)


def _percent(share: float) -> str:
    """Return a share in per cent; what is not nothing is never shown as nothing, nor as all."""
    if 0 < share < 0.001:
        return "<0.1 %"
    if 0.999 < share < 1:
        return ">99.9 %"
    return f"{100 * share:.1f} %"


def _answer(part: Facts | Listing, rows: Rows) -> ShownFacts | ShownListing:
    if isinstance(part, Facts):
        first = rows[0] if rows else {}
        return ShownFacts(
            part.query,
            tuple(
                (label, _cell(part.query, 0, column, first.get(column)))
                for column, label in part.columns
            ),
        )
    highest = max((float(row[part.bar] or 0) for row in rows), default=0.0) if part.bar else 0.0
    every = [
        (heading, [_cell(part.query, at, name, row[name], highest if name == part.bar else 0.0)
                   for at, row in enumerate(rows[: part.limit])])
        for name, heading in part.columns
    ]  # fmt: skip
    said = [(heading, cells) for heading, cells in every if any(c.text != NONE for c in cells)]
    return ShownListing(
        part,
        tuple((heading, any(c.amount is not None for c in cells)) for heading, cells in said),
        tuple(heading for heading, cells in every if cells and all(c.text == NONE for c in cells)),
        tuple(zip(*(cells for _, cells in said), strict=True)),
        Cell(f"{len(rows):,}", part.query, len(rows), "(rows)", float(len(rows))),
        _points(part, rows),
    )


def _points(part: Listing, rows: Rows) -> str:
    """Return two columns of shares as points of an SVG polyline, 200 wide and 100 high."""
    if not part.curve or not rows:
        return ""
    across, up = part.curve
    least = float(rows[0][across])
    return " ".join(
        f"{200 * (float(row[across]) - least) / (1 - least):.1f},{100 - 100 * float(row[up]):.1f}"
        for row in rows
    )


def _cell(query: str, row: int, column: str, value: Any, highest: float = 0.0) -> Cell:
    numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
    numeric = numeric and column not in _UNGROUPED
    amount = float(value) if numeric else None
    bar = round(100 * amount / highest, 1) if amount is not None and highest > 0 else None
    return Cell(show(column, value), query, row, column, amount, bar)


def _outcomes(sections: tuple[ShownSection, ...]) -> list[tuple[str, Cell, float]]:
    """Return kept, removed and quarantined as (name, cell, share in per cent) for the first bar."""
    facts = next(
        part
        for section in sections
        for part in section.parts
        if isinstance(part, ShownFacts) and part.query == "totals"
    )
    cells = {cell.column: cell for _, cell in facts.items}
    read = cells["documents_in"].amount or 1.0
    return [
        (name, cells[f"documents_{name}"], 100 * (cells[f"documents_{name}"].amount or 0) / read)
        for name in ("kept", "removed", "quarantined")
    ]


def _word(value: object) -> str:
    return inert(value).strip() if isinstance(value, str) else ""


def _environment(fmt: str) -> jinja2.Environment:
    folder = resources.files(__package__).joinpath("templates")
    name = f"card.{fmt}.j2"
    loader = jinja2.DictLoader({name: folder.joinpath(name).read_text(encoding="utf-8")})
    environment = jinja2.Environment(
        loader=loader,
        autoescape=fmt == "html",  # noqa: S701  (Markdown: `finalize` escapes all that is printed)
        finalize=None if fmt == "html" else _finalize_markdown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["prose"] = _prose_html if fmt == "html" else _Own
    return environment


class _Own(str):
    """Text of our own, printed in Markdown as it is."""

    __slots__ = ()


def _finalize_markdown(value: object) -> str:
    return value if isinstance(value, _Own) else escape_markdown(str(value))


def _prose_html(text: str) -> Markup:
    """Return prose of our own with its `code` marked up."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704
