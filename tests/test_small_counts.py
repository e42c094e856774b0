# SPDX-License-Identifier: Apache-2.0
"""Counts of personal data that are published speak of k documents or more, or say nothing (I20)."""

from __future__ import annotations

from collections import defaultdict
from importlib import resources
from typing import Any

import duckdb
import numpy as np
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


# Why documents left, by rule and by reason: both tables stand on one card.

PERSONS = ("pii_minor", "pii_dense", "erasure")
OTHERS = ("dup_near", "toxic", "optout_domain")
Left = dict[tuple[str, str], int]
"""Documents by rule and reason."""


def connected(left: Left) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:")
    connection.execute(
        "CREATE TABLE documents (doc_id INT, outcome TEXT, reason TEXT, tokens_in INT, tokens_out INT)"
    )
    connection.execute(
        "CREATE TABLE decisions (doc_id INT, rule_id TEXT, reason TEXT, terminal BOOL, mode TEXT, "
        "action TEXT)"
    )
    connection.execute(
        "CREATE TABLE rules (rule_id TEXT, version INT, action TEXT, meaning TEXT, stage TEXT)"
    )
    count = sum(left.values())
    connection.execute(
        f"CREATE TABLE runs AS SELECT {count + 9} AS documents_in, 999999 AS tokens_in"
    )
    first = 0
    for (rule, reason), n in left.items():
        connection.execute("INSERT INTO rules VALUES (?, 1, 'remove', 'what', 's')", [rule])
        numbers = [first, first + n]
        connection.execute(
            "INSERT INTO documents SELECT unnest(range(?, ?)), 'removed', ?, 7, 0",
            [*numbers, reason],
        )
        connection.execute(
            "INSERT INTO decisions SELECT unnest(range(?, ?)), ?, ?, true, 'enforce', 'remove'",
            [*numbers, rule, reason],
        )
        first += n
    view = resources.files("muniment.pipelines").joinpath("views", "published_groups.sql")
    connection.execute(f"CREATE VIEW published_groups AS {view.read_text('utf-8')}")
    return connection


def equations(left: Left) -> tuple[list[set[tuple[str, str]]], bool]:
    """Return of which rules the card says a number together, and whether it says nothing of some."""
    with connected(left) as connection:
        groups = connection.execute(
            "SELECT rule_id, reason, shown_reason, shown_rule, silent FROM published_groups"
        ).fetchall()
        known: list[set[tuple[str, str]]] = [set(left)]
        for query, column, place in (
            ("reasons-published", "reason", 2),
            ("funnel-published", "rule_id", 3),
        ):
            cursor = connection.execute(find_named(query).sql)
            names = [item[0] for item in cursor.description or ()]
            for row in cursor.fetchall():
                told = dict(zip(names, row, strict=True))
                members = {(g[0], g[1]) for g in groups if g[place] == told[column]}
                if members and told["documents"] is not None:
                    assert told["documents"] == sum(left[member] for member in members)
                    known.append(members)
        return known, any(group[4] for group in groups)


def can_be_worked_out(wanted: set[tuple[str, str]], known: list[Any], left: Left) -> bool:
    rules = sorted(left)
    matrix = np.array([[rule in members for rule in rules] for members in known], float)
    row = np.array([[rule in wanted for rule in rules]], float)
    rank = np.linalg.matrix_rank
    return bool(rank(np.vstack([matrix, row])) == rank(matrix))


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(
        st.tuples(st.sampled_from("abc"), st.sampled_from((*PERSONS, *OTHERS))),
        st.integers(1, 30),
        min_size=1,
        max_size=6,
    )
)
def test_no_reason_and_no_rule_about_fewer_than_k_persons_can_be_worked_out(drawn: Left) -> None:
    left = {(f"{reason}:{rule}", reason): n for (rule, reason), n in drawn.items()}
    known, silent = equations(left)
    if silent:  # hardly anything left at all, and the total of what left is a fact of the card
        return
    for reason in PERSONS:
        rules = {rule for rule in left if rule[1] == reason}
        if rules and sum(left[rule] for rule in rules) < K:
            assert not can_be_worked_out(rules, known, left)
        for rule in rules:
            if left[rule] < K:
                assert not can_be_worked_out({rule}, known, left)


def test_large_groups_and_other_reasons_are_told_as_they_are() -> None:
    left = {("pii_dense", "pii_dense"): 11, ("toxicity", "toxic"): 2, ("near", "dup_near"): 40}
    known, silent = equations(left)
    assert not silent
    assert all(can_be_worked_out({rule}, known, left) for rule in left)


@pytest.mark.parametrize(("matched", "told"), [((3, 40), (None, None, 2)), ((11, 0), (11, 0, 2))])
def test_lists_of_persons_tell_all_or_nothing(
    matched: tuple[int, int], told: tuple[int | None, ...]
) -> None:
    connection = duckdb.connect(":memory:")
    connection.execute(
        "CREATE TABLE lists (list_id TEXT, kind TEXT, documents_matched INT, canaries INT, "
        "canaries_passed INT)"
    )
    for name, kind, count in (
        ("a", "person", matched[0]),
        ("b", "author", matched[1]),
        ("c", "url", 2),
    ):
        connection.execute("INSERT INTO lists VALUES (?, ?, ?, 0, 0)", [name, kind, count])
    rows = connection.execute(find_named("lists-published").sql).fetchall()
    assert tuple(row[2] for row in rows) == told
