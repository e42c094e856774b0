# SPDX-License-Identifier: Apache-2.0
"""Exact copies: the leader is elected by priority, never by arrival; against a plain reference."""

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from muniment.schemas.reasons import ClusterRole
from muniment.schemas.staged import EXACT, IDENTITIES
from muniment.transforms.exact import group_exact, priorities
from muniment.transforms.hashing import hash_rows

KEY = bytes(range(16))
NONE, SURVIVOR, COPY, CONTEXT = 0, 1, 2, 4
BOTH = ((True, True), (True, False), (False, True), (False, False))


@dataclass(frozen=True)
class Doc:
    """One document; `text` and `identity` stand for both halves of their hashes."""

    ref: int
    text: int = 7
    identity: int | None = None
    priority: tuple[int, int] = (0, 0)
    eligible: bool = True
    denied: bool = False

    def row(self) -> dict[str, Any]:
        identity = 1000 + self.ref if self.identity is None else self.identity
        return {
            "text_hi": self.text,
            "text_lo": self.text % 2,
            "id_hi": self.text * 10_000 + identity,
            "id_lo": identity % 3,
            "ref": self.ref,
            "priority_hi": self.priority[0],
            "priority_lo": self.priority[1],
            "eligible": self.eligible and not self.denied,
            "denied": self.denied,
        }


def resolve(
    docs: list[Doc], *, remove: bool = True, deny_copies: bool = True
) -> dict[int, dict[str, Any]]:
    members = pa.Table.from_pylist([doc.row() for doc in docs], schema=IDENTITIES)
    answers = group_exact(members, KEY, remove=remove, deny_copies=deny_copies)
    answers.validate(full=True)
    assert answers.schema == EXACT
    refs = answers["ref"].to_pylist()
    assert refs == sorted(set(refs))
    return {row["ref"]: row for row in answers.to_pylist()}


def renamed(hi: int, lo: int, occurrence: int) -> tuple[int, int]:
    columns = [np.array([value], dtype=np.uint64) for value in (hi, lo, occurrence)]
    pair = hash_rows(columns, KEY)[0]
    return int(pair[0]), int(pair[1])


def reference(docs: list[Doc], *, remove: bool, deny_copies: bool) -> dict[int, dict[str, Any]]:
    """Say it document by document."""
    rows = [doc.row() for doc in sorted(docs, key=lambda doc: doc.ref)]
    answers: dict[int, dict[str, Any]] = {}
    for text in {row["text_hi"] for row in rows}:
        group = [row for row in rows if row["text_hi"] == text]
        if len(group) < 2:
            continue
        seen: dict[tuple[int, int], int] = {}
        final = {}
        for row in group:
            own = (row["id_hi"], row["id_lo"])
            times = seen.get(own, 0)
            seen[own] = times + 1
            final[row["ref"]] = renamed(*own, times) if times else own
        group.sort(
            key=lambda row: (
                not row["eligible"],
                row["priority_hi"],
                row["priority_lo"],
                final[row["ref"]],
                row["ref"],
            )
        )
        denied = [row["ref"] for row in group if row["denied"]]
        for row in group:
            ref = row["ref"]
            leader = group[0]["ref"] if remove else ref
            eligible = row["eligible"] and not (denied and deny_copies)
            named = final[denied[0]] if denied and not row["denied"] else (None, None)
            role = SURVIVOR if leader == ref else COPY
            answers[ref] = {
                "ref": ref,
                "id_hi": final[ref][0],
                "id_lo": final[ref][1],
                "leader": leader,
                "leader_id_hi": final[leader][0],
                "leader_id_lo": final[leader][1],
                "role": role if row["eligible"] else CONTEXT,
                "denied_partner_hi": named[0],
                "denied_partner_lo": named[1],
                "eligible": eligible,
                "denied": bool(denied) and not eligible if leader == ref else row["denied"],
                "followers": [r["ref"] for r in group[1:]] if remove and leader == ref else [],
            }
    return answers


@st.composite
def documents(draw: st.DrawFn) -> list[Doc]:
    refs = draw(st.lists(st.integers(0, 2**40), unique=True, max_size=12))
    return [
        Doc(
            ref,
            draw(st.integers(0, 3)),
            draw(st.integers(0, 2)),
            (draw(st.integers(0, 1)), draw(st.integers(0, 1))),
            draw(st.booleans()),
            draw(st.integers(0, 5)) == 0,
        )
        for ref in refs
    ]


# Against the reference


@given(documents(), st.sampled_from(BOTH), st.randoms(use_true_random=False))
def test_groups_are_resolved_as_the_reference_does_in_any_order_of_arrival(
    docs: list[Doc], options: tuple[bool, bool], shuffle: random.Random
) -> None:
    remove, deny_copies = options
    expected = reference(docs, remove=remove, deny_copies=deny_copies)
    shuffle.shuffle(docs)
    assert resolve(docs, remove=remove, deny_copies=deny_copies) == expected


@given(documents(), st.randoms(use_true_random=False))
def test_every_document_of_a_group_is_told_once_and_has_an_id_of_its_own(
    docs: list[Doc], shuffle: random.Random
) -> None:
    answers = resolve(docs)
    texts = [doc.text for doc in docs]
    assert set(answers) == {doc.ref for doc in docs if texts.count(doc.text) > 1}
    ids = [(row["id_hi"], row["id_lo"]) for row in answers.values()]
    assert len(set(ids)) == len(ids)
    followers = [ref for row in answers.values() for ref in row["followers"]]
    leaders = {row["leader"] for row in answers.values()}
    assert sorted(followers) == sorted(set(answers) - leaders)
    shuffle.shuffle(docs)
    assert resolve(docs) == answers


# Who leads


def test_documents_without_a_copy_are_not_told_anything() -> None:
    assert resolve([Doc(1, text=1), Doc(2, text=2)]) == {}
    assert resolve([Doc(1)]) == {}
    assert resolve([]) == {}


def test_the_leader_is_the_best_by_priority_and_not_the_first_to_arrive() -> None:
    docs = [Doc(1, priority=(5, 0)), Doc(2, priority=(3, 9)), Doc(3, priority=(3, 1))]
    for order in (docs, docs[::-1]):
        answers = resolve(order)
        assert {row["leader"] for row in answers.values()} == {3}
        assert [answers[ref]["role"] for ref in (1, 2, 3)] == [COPY, COPY, SURVIVOR]
        assert answers[3]["followers"] == [2, 1]


def test_of_equal_priority_the_smaller_identifier_leads_and_not_the_smaller_place() -> None:
    answers = resolve([Doc(1, identity=9), Doc(2, identity=4)])
    assert answers[1]["leader"] == answers[2]["leader"] == 2


def test_a_document_that_a_rule_removes_never_leads_one_that_can_be_kept() -> None:
    answers = resolve([Doc(1, priority=(0, 0), eligible=False), Doc(2, priority=(9, 9))])
    assert answers[1]["leader"] == 2
    assert answers[1]["role"] == CONTEXT
    assert answers[2]["role"] == SURVIVOR
    assert answers[2]["eligible"]


def test_halves_of_a_hash_count_only_together() -> None:
    rows = [Doc(1).row(), Doc(2).row(), Doc(3).row()]
    rows[1]["text_lo"] += 1
    rows[2]["text_hi"] += 1
    members = pa.Table.from_pylist(rows, schema=IDENTITIES)
    assert group_exact(members, KEY, remove=True, deny_copies=True).num_rows == 0


# Occurrence numbers


def test_records_equal_in_everything_are_told_apart_by_place_not_by_arrival() -> None:
    docs = [Doc(ref, identity=5) for ref in (30, 10, 20)]
    answers = resolve(docs)
    own = (docs[0].row()["id_hi"], docs[0].row()["id_lo"])
    ids = {ref: (row["id_hi"], row["id_lo"]) for ref, row in answers.items()}
    assert ids == {10: own, 20: renamed(*own, 1), 30: renamed(*own, 2)}
    assert resolve(docs[::-1]) == answers


def test_an_identifier_that_occurs_once_is_left_alone() -> None:
    docs = [Doc(1, identity=5), Doc(2, identity=6)]
    answers = resolve(docs)
    assert [answers[doc.ref]["id_hi"] for doc in docs] == [doc.row()["id_hi"] for doc in docs]


def test_without_removal_every_document_leads_itself_but_is_numbered() -> None:
    answers = resolve([Doc(1, identity=5), Doc(2, identity=5)], remove=False)
    assert [answers[ref]["leader"] for ref in (1, 2)] == [1, 2]
    assert [answers[ref]["role"] for ref in (1, 2)] == [SURVIVOR, SURVIVOR]
    assert [answers[ref]["followers"] for ref in (1, 2)] == [[], []]
    assert answers[1]["id_hi"] != answers[2]["id_hi"]


# Opted-out documents


def test_a_denied_member_taints_its_whole_group() -> None:
    docs = [Doc(1), Doc(2, denied=True), Doc(3, text=8), Doc(4, text=8)]
    answers = resolve(docs)
    assert not answers[1]["eligible"]
    assert answers[1]["denied"]  # and so its near-duplicates are found in the next stage
    assert answers[1]["denied_partner_hi"] == answers[2]["id_hi"]
    assert answers[2]["denied_partner_hi"] is None
    assert answers[3]["eligible"]
    assert not answers[3]["denied"]
    assert answers[3]["denied_partner_hi"] is None


def test_copies_of_a_denied_document_may_be_flagged_only() -> None:
    answers = resolve([Doc(1), Doc(2, denied=True)], deny_copies=False)
    assert answers[1]["eligible"]
    assert not answers[1]["denied"]
    assert answers[1]["denied_partner_hi"] == answers[2]["id_hi"]


def test_a_denied_member_taints_its_group_even_if_copies_are_not_removed_as_such() -> None:
    answers = resolve([Doc(1), Doc(2, denied=True)], remove=False)
    assert not answers[1]["eligible"]
    assert answers[1]["denied"]
    assert answers[1]["denied_partner_hi"] == answers[2]["id_hi"]


# Priority


def packed(
    rights: int,
    unknown: bool,  # noqa: FBT001  (one part of a key)
    rank: int,
    tokens: int,
    day: int,
) -> tuple[int, int]:
    high, low = priorities(
        np.array([rights], np.uint8),
        np.array([unknown]),
        rank,
        np.array([tokens], np.uint32),
        np.array([day], np.int32),
    )
    assert high.dtype == low.dtype == np.uint64
    return int(high[0]), int(low[0])


PARTS = st.tuples(
    st.integers(0, 2),
    st.booleans(),
    st.integers(0, 65535),
    st.integers(0, 2**32 - 1),
    st.integers(-(2**31), 2**31 - 1),
)


@given(PARTS, PARTS)
def test_priority_is_rights_licence_rank_length_date_in_this_order(
    a: tuple[int, bool, int, int, int], b: tuple[int, bool, int, int, int]
) -> None:
    def plainly(part: tuple[int, bool, int, int, int]) -> tuple[int, ...]:
        rights, unknown, rank, tokens, day = part
        return rights, unknown, rank, -tokens, day

    assert (packed(*a) < packed(*b)) == (plainly(a) < plainly(b))


def test_roles_are_the_ones_the_tables_name() -> None:
    assert (NONE, SURVIVOR, COPY, CONTEXT) == (
        ClusterRole.NONE, ClusterRole.SURVIVOR, ClusterRole.EXACT_COPY, ClusterRole.CONTEXT,
    )  # fmt: skip
