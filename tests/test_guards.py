# SPDX-License-Identifier: Apache-2.0
"""Guards: a run that loses too much of a source, or finds too large a cluster, is not released."""

from types import SimpleNamespace
from typing import Any

import pytest

from muniment.pipelines.guards import check_guards
from muniment.schemas.deduplication import Deduplication
from muniment.schemas.errors import GateError
from muniment.transforms.units import Marker


def check(
    splits: list[tuple[str, int, int]], clusters: list[list[int]] | None = None, **settings: Any
) -> None:
    """Check splits of (source, records read, removed as near-duplicates)."""
    plan: Any = SimpleNamespace(
        job=SimpleNamespace(deduplication=Deduplication(**settings)),
        splits=[SimpleNamespace(source=source) for source, _, _ in splits],
    )
    final = [
        Marker("finalize", number, "f", {}, {"read": read, "near_removed": lost}, {})
        for number, (_, read, lost) in enumerate(splits)
    ]
    verified = [
        Marker("verify", number, "f", {}, {"largest_clusters": sizes}, {})
        for number, sizes in enumerate(clusters or [])
    ]
    check_guards(plan, final, verified)


def test_a_usual_run_passes() -> None:
    check([("web", 1000, 300), ("books", 50, 0)], [[20, 3], [7]])
    check([])


def test_a_source_may_lose_half_and_no_more() -> None:
    check([("web", 1000, 500)])
    with pytest.raises(GateError, match="source web would lose 501 of 1000 records"):
        check([("web", 1000, 501)])


def test_a_source_is_looked_at_as_a_whole_and_not_split_by_split() -> None:
    check([("web", 100, 100), ("web", 900, 0)])
    with pytest.raises(GateError, match="source web would lose 60 of 110"):
        check([("web", 100, 55), ("books", 1000, 0), ("web", 10, 5)])


def test_one_source_cannot_hide_behind_another() -> None:
    with pytest.raises(GateError, match="source books") as caught:
        check([("web", 100_000, 0), ("books", 20, 19)])
    assert "source web" not in str(caught.value)


def test_a_handful_of_copies_in_a_tiny_source_is_no_accident() -> None:
    check([("notes", 12, 9)])


def test_the_bound_is_the_jobs() -> None:
    check([("web", 100, 80)], max_source_loss=0.8)
    with pytest.raises(GateError, match=r"max_source_loss = 0\.1"):
        check([("web", 100, 11)], max_source_loss=0.1)


def test_a_large_cluster_stops_a_run_and_the_largest_are_named() -> None:
    check([("web", 10_000, 0)], [[1000]])
    with pytest.raises(GateError, match="a cluster holds 1001 documents") as caught:
        check([("web", 10_000, 0)], [[12, 4], [1001, 9]])
    assert "largest clusters: [1001, 12, 9, 4]" in str(caught.value)
    with pytest.raises(GateError, match="holds 6"):
        check([("web", 10, 0)], [[6]], max_cluster=5)


def test_in_a_large_corpus_a_cluster_may_hold_one_percent() -> None:
    check([("web", 1_000_000, 0)], [[10_000]])
    with pytest.raises(GateError, match="holds 10001"):
        check([("web", 1_000_000, 0)], [[10_001]])


def test_every_problem_is_named_at_once_with_what_to_do() -> None:
    with pytest.raises(GateError) as caught:
        check([("a", 100, 90), ("b", 100, 90)], [[5000]])
    message = str(caught.value)
    for part in ("source a", "source b", "5000", "Nothing was released", "override_guards"):
        assert part in message
    assert caught.value.exit_code == 3


def test_a_reason_overrides() -> None:
    check([("a", 100, 99)], [[5000]], override_guards="reviewed by hand, ticket 12")
