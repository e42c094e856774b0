# SPDX-License-Identifier: Apache-2.0
"""Removal by true similarity to a survivor, and by nothing else; against a brute-force reference."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.transforms.verification import VERIFIED, DuplicateRole, Standing, verify_clusters

SURVIVOR, NEAR, CONTAINED = DuplicateRole.SURVIVOR, DuplicateRole.NEAR, DuplicateRole.CONTAINED
CONTEXT, TAINTED = DuplicateRole.CONTEXT, DuplicateRole.TAINTED
COMPETING = Standing.COMPETING
SPREAD = 0x9E3779B97F4A7C15  # makes small numbers look like hashes


@dataclass(frozen=True)
class Member:
    """One document of a cluster; smaller priority is better."""

    shingles: set[int] = field(default_factory=set)
    priority: tuple[int, int] = (0, 0)
    cluster: int = 0
    standing: Standing = COMPETING
    denied: bool = False


def verify(
    members: list[Member], threshold: float = 0.8, refs: list[int] | None = None, **options: Any
) -> dict[int, dict[str, Any]]:
    """Call `verify_clusters` and return its rows by ref, which is the position by default."""
    sets = [sorted((s + 1) * SPREAD % 2**64 for s in member.shingles) for member in members]
    batch, bounded = verify_clusters(
        np.array([member.cluster for member in members], np.uint64),
        np.array(range(len(members)) if refs is None else refs, np.uint64),
        np.array([member.priority for member in members], np.uint64).reshape(-1, 2),
        np.array([member.standing for member in members], np.uint8),
        np.cumsum([0, *map(len, sets)]),
        np.array([h for hashes in sets for h in hashes], np.uint64),
        threshold=threshold,
        denied=np.array([member.denied for member in members], bool),
        **options,
    )
    batch.validate(full=True)
    assert batch.schema == VERIFIED
    assert bounded == 0
    rows = batch.to_pylist()
    assert [row["ref"] for row in rows] == sorted(range(len(members)) if refs is None else refs)
    return {row["ref"]: row for row in rows}


def jaccard(a: set[int], b: set[int]) -> float:
    return len(a & b) / len(a | b) if a and b else 0.0


def share(a: set[int], b: set[int]) -> float:
    return len(a & b) / len(a) if a else 0.0


def brute_force(
    members: list[Member],
    refs: list[int],
    threshold: float,
    containment: float | None,
    remove_tainted: bool,  # noqa: FBT001
) -> dict[int, tuple[DuplicateRole, int | None, int | None]]:
    """Compare every pair: (role, partner, denied partner) by ref."""
    ranked = sorted(range(len(members)), key=lambda i: (*members[i].priority, refs[i]))
    never = 2.0
    parts = never if containment is None else containment

    def best(
        i: int, others: list[int], near_at: float, part_at: float
    ) -> tuple[DuplicateRole, int] | None:
        mine = members[i]
        peers = [j for j in others if members[j].cluster == mine.cluster]
        for role, score, bound in ((NEAR, jaccard, near_at), (CONTAINED, share, part_at)):
            found = [
                (score(mine.shingles, members[j].shingles), -place, j)
                for place, j in enumerate(peers)
            ]
            top = max(found, default=(0.0, 0, 0))
            if top[0] >= bound:
                return role, top[2]
        return None

    denied = [i for i in ranked if members[i].denied]
    standing = {i: Standing.NONE if members[i].denied else members[i].standing for i in ranked}
    taints = {}
    for i in ranked:
        if standing[i] == COMPETING and (hit := best(i, denied, threshold, parts)):
            taints[i] = hit[1]
    out: dict[int, tuple[DuplicateRole, int | None]] = dict.fromkeys(ranked, (CONTEXT, None))
    competing = [i for i in ranked if standing[i] == COMPETING]
    if remove_tainted:
        out |= dict.fromkeys(taints, (TAINTED, None))
        competing = [i for i in competing if i not in taints]
    fixed = [i for i in ranked if standing[i] == Standing.FIXED]
    last = [i for i in ranked if standing[i] == Standing.LAST]
    survivors = list(fixed)
    for i in competing:
        out[i] = best(i, survivors, threshold, never) or (SURVIVOR, None)
        survivors += [i] if out[i][0] == SURVIVOR else []
    by_size = sorted(survivors[len(fixed) :], key=lambda i: -len(members[i].shingles))
    survivors = list(fixed)
    for i in by_size:
        out[i] = best(i, survivors, never, parts) or (SURVIVOR, None)
        survivors += [i] if out[i][0] == SURVIVOR else []
    orphans = [i for i in competing if out[i][0] == NEAR and out[out[i][1] or 0][0] == CONTAINED]
    survivors = [i for i in ranked if i in survivors]
    for i in orphans:
        out[i] = best(i, survivors, threshold, parts) or (SURVIVOR, None)
        survivors += [i] if out[i][0] == SURVIVOR else []
    for i in last:
        out[i] = best(i, survivors, threshold, parts) or (CONTEXT, None)
    out |= dict.fromkeys(fixed, (SURVIVOR, None))
    return {
        refs[i]: (
            role,
            None if partner is None else refs[partner],
            refs[taints[i]] if i in taints else None,
        )
        for i, (role, partner) in out.items()
    }


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
                st.sampled_from([COMPETING] * 4 + list(Standing)),
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
    rows = verify([Member({1, 2, 3}, (0, 0), standing=Standing.NONE), Member({1, 2, 3}, (1, 0))])
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


@pytest.mark.parametrize("best", [0, 1])
def test_a_chapter_falls_and_its_book_stays_whichever_has_the_better_priority(best: int) -> None:
    book, chapter = set(range(100)), set(range(30))
    rows = verify(
        [Member(book, (best, 0)), Member(chapter, (1 - best, 0))], containment_threshold=0.9
    )
    assert (rows[0]["role"], rows[0]["partner"]) == (SURVIVOR, None)
    assert (rows[1]["role"], rows[1]["partner"]) == (CONTAINED, 0)
    assert rows[1]["containment"] == 1.0
    assert rows[1]["jaccard"] == pytest.approx(0.3)


def test_a_part_of_a_part_names_the_whole() -> None:
    members = [Member(set(range(n)), (n, 0)) for n in (20, 100, 40)]
    rows = verify(members, containment_threshold=1.0)
    assert [rows[i]["partner"] for i in range(3)] == [1, None, 1]


def test_a_copy_of_a_chapter_is_judged_again_when_the_chapter_has_fallen() -> None:
    book, chapter = set(range(100)), set(range(40))
    inside, mostly = chapter - {5}, chapter | set(range(200, 209))
    members = [Member(chapter, (0, 0)), Member(inside, (1, 0)), Member(mostly, (1, 1))]
    alone = verify(members, containment_threshold=0.9)
    assert [alone[i]["partner"] for i in range(3)] == [None, 0, 0]
    rows = verify([*members, Member(book, (2, 0))], containment_threshold=0.9)
    assert [rows[i]["role"] for i in range(4)] == [CONTAINED, CONTAINED, SURVIVOR, SURVIVOR]
    assert [rows[i]["partner"] for i in range(3)] == [3, 3, None]


def test_a_part_of_a_denied_work_is_tainted() -> None:
    rows = verify(
        [Member(set(range(100)), denied=True), Member(set(range(20)), (1, 0))],
        containment_threshold=0.9,
    )
    assert (rows[1]["role"], rows[1]["denied_partner"]) == (TAINTED, 0)
    assert rows[1]["denied_containment"] == 1.0


def test_what_has_been_published_stays_and_what_comes_last_judges_nobody() -> None:
    page = set(range(10))
    old = Member(page, (9, 9), standing=Standing.FIXED)
    rows = verify([Member(page | {10}, (0, 0)), old, old])
    assert [(rows[i]["role"], rows[i]["partner"]) for i in range(3)] == [
        (NEAR, 1), (SURVIVOR, None), (SURVIVOR, None),
    ]  # fmt: skip
    last = Member(page, (0, 0), standing=Standing.LAST)
    rows = verify([Member(page | {10}, (1, 0)), last, last])
    assert [(rows[i]["role"], rows[i]["partner"]) for i in range(3)] == [
        (SURVIVOR, None), (NEAR, 0), (NEAR, 0),
    ]  # fmt: skip


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
    batch, bounded = verify_clusters(
        np.zeros(n, np.uint64),
        np.arange(n, dtype=np.uint64),
        [],
        np.ones(n, bool),
        np.arange(n + 1) * 5,
        hashes,
        threshold=0.8,
    )
    assert bounded == 0
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
    with pytest.raises(ValueError, match=r"expected 1 rows in every column.*'standing': 2"):
        verify_clusters(one, one, [one], np.ones(2, bool), np.array([0, 0]), one[:0], threshold=0.5)


def test_empty_input_is_fine() -> None:
    assert verify([]) == {}
