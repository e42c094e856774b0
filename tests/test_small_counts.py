# SPDX-License-Identifier: Apache-2.0
"""Counts of personal data that are published speak of k documents or more, or say nothing (I20)."""

from __future__ import annotations

from collections import defaultdict

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.pipelines.query import find_named

KINDS = ("EMAIL_ADDRESS", "US_SSN", "PHONE_NUMBER", "IP_ADDRESS")
K = 11
TOGETHER = "(smaller groups)"

Found = list[tuple[int, str]]


def published(found: Found, k: int = K) -> dict[str, int | None]:
    """Return documents by type as the card shows them, of pairs of document and type."""
    connection = duckdb.connect(":memory:")
    connection.execute("CREATE TABLE documents (doc_id INT, outcome TEXT)")
    connection.execute(
        "CREATE TABLE pii_stats (doc_id INT, entity_type TEXT, grade TEXT, action TEXT, "
        "n_found INT, n_redacted INT)"
    )
    for document in {document for document, _ in found}:
        connection.execute("INSERT INTO documents VALUES (?, 'kept')", [document])
    for document, kind in found:
        row = [document, kind, "general", "placeholder", 1, 1]
        connection.execute("INSERT INTO pii_stats VALUES (?, ?, ?, ?, ?, ?)", row)
    query = find_named("pii-published")
    rows = connection.execute(query.sql, query.bind({"k": str(k)})).fetchall()
    return {row[0]: row[3] for row in rows}


def test_large_groups_are_shown_as_they_are() -> None:
    found = [(n, "EMAIL_ADDRESS") for n in range(11)] + [(n, "US_SSN") for n in range(30)]
    assert published(found) == {"EMAIL_ADDRESS": 11, "US_SSN": 30}


def test_a_small_group_stands_with_the_smallest_other_one_so_the_total_tells_nothing() -> None:
    found = [(n, "US_SSN") for n in range(3)]
    found += [(100 + n, "IP_ADDRESS") for n in range(20)]
    found += [(200 + n, "EMAIL_ADDRESS") for n in range(40)]
    assert published(found) == {TOGETHER: 23, "EMAIL_ADDRESS": 40}


def test_what_is_too_small_altogether_says_nothing() -> None:
    assert published([(1, "US_SSN"), (2, "EMAIL_ADDRESS")]) == {TOGETHER: None}
    one_person = [(1, f"KIND{n}") for n in range(20)]
    assert published(one_person) == {TOGETHER: None}


@settings(max_examples=40, deadline=None)
@given(st.sets(st.tuples(st.integers(0, 40), st.sampled_from(KINDS))))
def test_no_number_and_no_difference_from_a_total_speaks_of_fewer_than_k(
    pairs: set[tuple[int, str]],
) -> None:
    documents: dict[str, set[int]] = defaultdict(set)
    for document, kind in pairs:
        documents[kind].add(document)
    shown = published(sorted(pairs))
    hidden = [kind for kind in documents if kind not in shown]
    assert all(count is None or count >= K for count in shown.values())
    for kind in set(shown) - {TOGETHER}:
        assert shown[kind] == len(documents[kind])
    if hidden:
        # One equation for all that stands together: it never has a single unknown that is small.
        together = set().union(*(documents[kind] for kind in hidden))
        assert shown[TOGETHER] == (len(together) if len(together) >= K else None)
        assert len(hidden) > 1 or len(together) < K


@pytest.mark.parametrize("name", ["pii-published", "pii-grades-published"])
def test_the_bound_is_that_of_the_reference_unless_another_is_asked_for(name: str) -> None:
    assert find_named(name).bind({}) == {"k": K}
