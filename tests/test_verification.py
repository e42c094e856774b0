# SPDX-License-Identifier: Apache-2.0
"""Removal by true similarity to a survivor, and by nothing else; against a brute-force reference."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.transforms.verification import VERIFIED, DuplicateRole, verify_clusters

SURVIVOR, NEAR, CONTAINED = DuplicateRole.SURVIVOR, DuplicateRole.NEAR, DuplicateRole.CONTAINED
CONTEXT, TAINTED = DuplicateRole.CONTEXT, DuplicateRole.TAINTED
SPREAD = 0x9E3779B97F4A7C15  # makes small numbers look like hashes


@dataclass(frozen=True)
class Member:
    """One document of a cluster; smaller priority is better."""

    shingles: set[int] = field(default_factory=set)
    priority: tuple[int, int] = (0, 0)
    cluster: int = 0
    eligible: bool = True
    denied: bool = False


def verify(
    members: list[Member], threshold: float = 0.8, refs: list[int] | None = None, **options: Any
) -> dict[int, dict[str, Any]]:
    """Call `verify_clusters` and return its rows by ref, which is the position by default."""
    sets = [sorted((s + 1) * SPREAD % 2**64 for s in member.shingles) for member in members]
    batch = verify_clusters(
        np.array([member.cluster for member in members], np.uint64),
        np.array(range(len(members)) if refs is None else refs, np.uint64),
        np.array([member.priority for member in members], np.uint64).reshape(-1, 2),
        np.array([member.eligible for member in members], bool),
        np.cumsum([0, *map(len, sets)]),
        np.array([h for hashes in sets for h in hashes], np.uint64),
        threshold=threshold,
        denied=np.array([member.denied for member in members], bool),
        **options,
    )
    batch.validate(full=True)
    assert batch.schema == VERIFIED
    rows = batch.to_pylist()
    assert [row["ref"] for row in rows] == sorted(range(len(members)) if refs is None else refs)
    return {row["ref"]: row for row in rows}


def brute_force(
    members: list[Member],
    refs: list[int],
    threshold: float,
    containment: float | None,
    remove_tainted: bool,  # noqa: FBT001
) -> dict[int, tuple[DuplicateRole, int | None, int | None]]:
    """Compare every pair: (role, partner, denied partner) by ref."""

    def jaccard(a: set[int], b: set[int]) -> float:
        return len(a & b) / len(a | b) if a and b else 0.0

    out: dict[int, tuple[DuplicateRole, int | None, int | None]] = {}
    survivors: list[int] = []
    ranked = sorted(range(len(members)), key=lambda i: (*members[i].priority, refs[i]))
    for i in ranked:
        me = members[i]
        if me.denied or not me.eligible:
            out[refs[i]] = (CONTEXT, None, None)
            continue
        peers = [j for j in ranked if members[j].cluster == me.cluster]
        denied = [
            (jaccard(me.shingles, members[j].shingles), -rank, refs[j])
            for rank, j in enumerate(peers)
            if members[j].denied
        ]
        best = max(denied, default=(0.0, 0, 0))
        taint = best[2] if best[0] >= threshold else None
        if taint is not None and remove_tainted:
            out[refs[i]] = (TAINTED, None, taint)
            continue
        near, contained = [], []
        for rank, j in enumerate(peers):
            if j in survivors:
                common = len(me.shingles & members[j].shingles)
                near.append((jaccard(me.shingles, members[j].shingles), -rank, refs[j]))
                contained.append((common / max(len(me.shingles), 1), -rank, refs[j]))
        nearest, within = max(near, default=(0.0, 0, 0)), max(contained, default=(0.0, 0, 0))
        if nearest[0] >= threshold:
            out[refs[i]] = (NEAR, nearest[2], taint)
        elif containment is not None and within[0] >= containment:
            out[refs[i]] = (CONTAINED, within[2], taint)
        else:
            survivors.append(i)
            out[refs[i]] = (SURVIVOR, None, taint)
    return out


@st.composite
def clusters(draw: st.DrawFn) -> list[Member]:
    """Members cut from a few templates with a few changes: many pairs near every threshold."""
    universe = draw(st.sampled_from([4, 12, 40]))
    shingle_sets = st.sets(st.integers(0, universe), max_size=universe)
    templates = draw(st.lists(shingle_sets, min_size=1, max_size=3))
    members = draw(
        st.lists(
            st.builds(
                lambda template, change, keep, *rest: Member((template ^ change) & keep, *rest),
                st.sampled_from(templates),
                st.sets(st.integers(0, universe), max_size=3),
                st.sampled_from([set(range(universe + 1)), set(range(universe // 2))]),
                st.tuples(st.integers(0, 1), st.integers(0, 2)),
                st.integers(0, 1),
                st.sampled_from([True, True, True, False]),
                st.sampled_from([False] * 5 + [True]),
            ),
            max_size=24,
        )
    )
    return list(members)


@settings(deadline=None, max_examples=120)
@given(
    clusters(),
    st.sampled_from([0.25, 0.5, 0.7, 0.8, 1.0]),
    st.sampled_from([None, 0.6, 0.9, 1.0]),
    st.booleans(),
    st.randoms(),
)
def test_both_searches_agree_with_brute_force(
    members: list[Member],
    threshold: float,
    containment: float | None,
    remove_tainted: bool,  # noqa: FBT001
    random: Any,
) -> None:
    refs = random.sample(range(100), len(members))
    expected = brute_force(members, refs, threshold, containment, remove_tainted)
    options = {"containment_threshold": containment, "remove_tainted": remove_tainted}
    for index_from in (1, 1000):  # always the index, never the index
        rows = verify(members, threshold, refs, index_from=index_from, **options)
        assert {
            ref: (row["role"], row["partner"], row["denied_partner"]) for ref, row in rows.items()
        } == expected
    by_ref = dict(zip(refs, members, strict=True))
    for ref, row in rows.items():
        mine = by_ref[ref].shingles
        if row["partner"] is not None:
            theirs = by_ref[row["partner"]].shingles
            assert row["jaccard"] == pytest.approx(len(mine & theirs) / len(mine | theirs))
            assert row["containment"] == pytest.approx(len(mine & theirs) / len(mine))
            assert expected[row["partner"]][0] == SURVIVOR
        assert row["tainted"] == (row["denied_partner"] is not None)


@settings(deadline=None)
@given(clusters(), st.randoms())
def test_the_order_of_rows_does_not_matter(members: list[Member], random: Any) -> None:
    refs = list(range(len(members)))
    shuffled = random.sample(refs, len(refs))
    assert verify(members, 0.5, refs) == verify([members[i] for i in shuffled], 0.5, shuffled)


def test_best_priority_survives_and_scores_are_reported() -> None:
    rows = verify([Member(set(range(10)), (1, 0)), Member(set(range(9)), (0, 7))])
    assert (rows[0]["role"], rows[0]["partner"]) == (NEAR, 1)
    assert rows[0]["jaccard"] == pytest.approx(0.9)
    assert rows[0]["containment"] == pytest.approx(0.9)
    assert (rows[1]["role"], rows[1]["partner"], rows[1]["jaccard"]) == (SURVIVOR, None, None)


def test_a_chain_is_not_removed_by_transitivity() -> None:
    a, b, c = set(range(100)), set(range(10, 110)), set(range(20, 120))
    rows = verify([Member(a, (0, 0)), Member(b, (1, 0)), Member(c, (2, 0))])  # A~B, B~C, not A~C
    assert [rows[i]["role"] for i in range(3)] == [SURVIVOR, NEAR, SURVIVOR]


def test_a_member_that_another_rule_removes_is_no_witness() -> None:
    rows = verify([Member({1, 2, 3}, (0, 0), eligible=False), Member({1, 2, 3}, (1, 0))])
    assert [rows[i]["role"] for i in range(2)] == [CONTEXT, SURVIVOR]


def test_a_copy_of_a_denied_page_is_tainted_and_no_witness() -> None:
    page = set(range(20))
    members = [
        Member(page, (5, 0), denied=True),
        Member(page | {99}, (0, 0)),
        Member(page | {99, 98, 97, 96, 95, 94}, (1, 0)),  # 21/26 to the copy, 20/26 to the page
        Member(set(range(40, 60)), (2, 0)),
    ]
    removed = verify(members, 0.8)
    assert [removed[i]["role"] for i in range(4)] == [CONTEXT, TAINTED, SURVIVOR, SURVIVOR]
    assert removed[1]["denied_partner"] == 0
    assert removed[1]["denied_jaccard"] == pytest.approx(20 / 21)
    flagged = verify(members, 0.8, remove_tainted=False)
    assert [flagged[i]["role"] for i in range(4)] == [CONTEXT, SURVIVOR, NEAR, SURVIVOR]
    assert [flagged[i]["tainted"] for i in range(4)] == [False, True, False, False]


def test_a_chapter_is_contained_in_its_book_but_not_the_book_in_its_chapter() -> None:
    book, chapter = set(range(100)), set(range(30))
    kept = verify([Member(book, (0, 0)), Member(chapter, (1, 0))], containment_threshold=0.9)
    assert (kept[1]["role"], kept[1]["partner"]) == (CONTAINED, 0)
    assert kept[1]["containment"] == 1.0
    other = verify([Member(book, (1, 0)), Member(chapter, (0, 0))], containment_threshold=0.9)
    assert [other[i]["role"] for i in range(2)] == [SURVIVOR, SURVIVOR]


def test_empty_sets_match_nothing() -> None:
    rows = verify([Member(), Member(), Member({1})], 0.1, containment_threshold=0.1)
    assert [rows[i]["role"] for i in range(3)] == [SURVIVOR] * 3


def test_clusters_do_not_meet() -> None:
    rows = verify([Member({1, 2}, cluster=1), Member({1, 2}, cluster=2)])
    assert [rows[i]["role"] for i in range(2)] == [SURVIVOR, SURVIVOR]


def test_a_score_at_the_threshold_still_reads_so_as_float32() -> None:
    rows = verify([Member(set(range(10))), Member(set(range(7)))], 0.7)  # 0.7 is above float32's
    assert rows[1]["role"] == NEAR
    assert rows[1]["jaccard"] >= 0.7


def test_a_forged_cluster_of_strangers_loses_nobody() -> None:
    members = [Member(set(range(100 * i, 100 * i + 100)) | set(range(8))) for i in range(1, 1001)]
    assert {row["role"] for row in verify(members).values()} == {SURVIVOR}


def test_a_hundred_thousand_copies_leave_one() -> None:
    n = 100_000
    hashes = np.tile(np.arange(1, 6, dtype=np.uint64) * np.uint64(SPREAD), n)
    hashes.reshape(n, 5).sort(axis=1)
    batch = verify_clusters(
        np.zeros(n, np.uint64),
        np.arange(n, dtype=np.uint64),
        [],
        np.ones(n, bool),
        np.arange(n + 1) * 5,
        hashes,
        threshold=0.8,
    )
    assert batch["role"].to_pylist() == [SURVIVOR] + [NEAR] * (n - 1)
    assert set(batch["partner"].to_pylist()[1:]) == {0}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 0.0}, "0 < threshold <= 1, got 0.0"),
        ({"threshold": 1.1}, "0 < threshold <= 1, got 1.1"),
        ({"containment_threshold": 0.0}, "0 < containment_threshold <= 1 or None, got 0.0"),
    ],
)
def test_thresholds_out_of_range_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        verify([Member({1})], **options)


def test_ragged_columns_are_refused() -> None:
    one = np.zeros(1, np.uint64)
    with pytest.raises(ValueError, match=r"expected 1 rows in every column.*'eligible': 2"):
        verify_clusters(one, one, [one], np.ones(2, bool), np.array([0, 0]), one[:0], threshold=0.5)


def test_empty_input_is_fine() -> None:
    assert verify([]) == {}
