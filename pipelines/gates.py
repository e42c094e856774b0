# SPDX-License-Identifier: Apache-2.0
"""Gates: questions whose answer can stop a finished release from becoming current.

A gate is a named query with a condition (`NamedQuery.gate`) that no row of its answer may meet.
What each gate said is written to the release's run.json, where the view `gates` shows it; a
release that fails one stays where it is, proved and complete, and CURRENT does not move.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..schemas.errors import GateError
from .named_queries import NAMED_QUERIES
from .query import connect

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from .named_queries import NamedQuery
    from .release import Release

NO_LIMIT = "999999999"
"""Days that no list reaches."""


@dataclass(frozen=True)
class GateResult:
    """What one gate said.

    Args:
        gate: Named query.
        question: Its number.
        state: passed, failed, or off.
        breaches: Rows of the answer that break it.
    """

    gate: str
    question: str
    state: str
    breaches: int

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-able copy."""
        return asdict(self)


def check_gates(release: Release, day: date) -> list[GateResult]:
    """Ask every gate of a release whose files were proved.

    Args:
        release: The release; it need not be current.
        day: The day from which the age of lists counts.
    """
    settings = release.manifest["job"].get("gates") or {}
    with connect(release, verified=False, native=True) as connection:
        results = []
        for query in NAMED_QUERIES:
            if query.gate is None:
                continue
            if query.name == "unsigned" and not settings.get("signers"):
                results.append(GateResult(query.name, query.number, "off", 0))
                continue
            values = query.bind(_arguments(query, settings, day))
            sql = f"SELECT count(*) FROM ({query.sql}) WHERE {query.gate}"  # noqa: S608  (our own)
            (breaches,) = connection.execute(sql, values).fetchone() or (0,)
            state = "failed" if breaches else "passed"
            results.append(GateResult(query.name, query.number, state, breaches))
    return results


def _arguments(query: NamedQuery, settings: Mapping[str, Any], day: date) -> dict[str, str]:
    if query.name != "stale-lists":
        return {}
    days = settings.get("max_list_age_days")
    return {"asof": day.isoformat(), "days": NO_LIMIT if days is None else str(days)}


def require_passed(release: Release, results: Sequence[GateResult]) -> None:
    """Stop a release that failed a gate.

    Raises:
        GateError: Names every failed gate, and how to see the rows at fault.
    """
    failed = [result for result in results if result.state == "failed"]
    if failed:
        named = ", ".join(
            f"{result.question} {result.gate} ({result.breaches} row"
            f"{'' if result.breaches == 1 else 's'})"
            for result in failed
        )
        raise GateError(
            f"release {release.id} was not made current; failed gates: {named}; see `muniment query "
            f"{release.output} --release {release.id} --named {failed[0].gate}`"
        )
