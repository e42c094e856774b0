# SPDX-License-Identifier: Apache-2.0
"""Outcomes: one last word on every record; a copy falls only while its witness stands."""

from collections.abc import Collection
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from muniment.schemas.job import Job
from muniment.schemas.reasons import REASON_CODES, REASON_WORDS, ClusterRole, Reason
from muniment.schemas.staged import ANNOTATIONS, EXACT, NEAR
from muniment.transforms.outcomes import (
    READ_FAULT,
    Fired,
    Outcomes,
    Relations,
    relate,
    resolve_outcomes,
)
from muniment.transforms.policy import IsEmpty, late_rules_of
from muniment.transforms.rules import RuleFacts

BASE = np.uint64(5 << 32)
CONTAINED_AT = 0.9
FILL = {
    pa.bool_(): False,
    pa.string(): "unknown",
    pa.float32(): 0.0,
    pa.uint8(): 0,
}


def annotations(*rows: dict[str, Any]) -> pa.Table:
    full = [
        {field.name: None if field.nullable else FILL.get(field.type, 0) for field in ANNOTATIONS}
        | {"row": number, "id_hi": 100 + number, "id_lo": number}
        | row
        for number, row in enumerate(rows)
    ]
    return pa.Table.from_pylist(full, schema=ANNOTATIONS)


def exact(*rows: dict[str, Any]) -> pa.Table:
    """Answers of the exact stage; `row` and `leader` are rows of this split."""
    full = []
    for row in rows:
        ref, leader = int(BASE) + row["row"], int(BASE) + row.get("leader", row["row"])
        full.append(
            {
                "ref": ref,
                "id_hi": row.get("id", 100 + row["row"]),
                "id_lo": row["row"],
                "leader": leader,
                "leader_id_hi": 100 + row.get("leader", row["row"]),
                "leader_id_lo": row.get("leader", row["row"]),
                "role": int(row.get("role", ClusterRole.SURVIVOR)),
                "denied_partner_hi": row.get("denied"),
                "denied_partner_lo": row.get("denied"),
                "eligible": True,
                "denied": False,
                "followers": [int(BASE) + n for n in row.get("followers", [])],
            }
        )
    return pa.Table.from_pylist(full, schema=EXACT)


def near(*rows: dict[str, Any]) -> pa.Table:
    """Answers of the near stage; `partner` is a `doc_ref` anywhere."""
    full = []
    for row in rows:
        partner = row.get("partner")
        full.append(
            {
                "ref": int(BASE) + row["row"],
                "role": int(row["role"]),
                "cluster_hi": 900,
                "cluster_lo": 901,
                "partner": partner,
                "partner_hi": None if partner is None else 900,
                "partner_lo": None if partner is None else 901,
                "jaccard": row.get("jaccard"),
                "containment": row.get("containment"),
                "denied_partner_hi": row.get("denied"),
                "denied_partner_lo": row.get("denied"),
                "denied_jaccard": row.get("denied_jaccard"),
                "denied_containment": row.get("denied_containment"),
            }
        )
    return pa.Table.from_pylist(full, schema=NEAR)


def job(**settings: Any) -> Job:
    source = {
        "name": "s", "kind": "other", "reviewer": "somebody", "paths": ["x"], "licence": "unknown", "origin": "worldwide",
        "legal_basis": "unknown", "collected": {"start": "2024-01-01", "end": "2024-01-01"},
    }  # fmt: skip
    return Job.model_validate({"name": "j", "key_file": "k", "sources": [source], **settings})


def resolve(
    table: pa.Table,
    exact_rows: pa.Table | None = None,
    near_rows: pa.Table | None = None,
    *,
    fallen: Collection[int] = (),
    copies: str = "remove",
) -> tuple[Outcomes, Relations]:
    relations = relate(
        table,
        BASE,
        EXACT.empty_table() if exact_rows is None else exact_rows,
        NEAR.empty_table() if near_rows is None else near_rows,
    )
    asked = job(
        rights={"optout_copies": copies}, deduplication={"near": {"containment": CONTAINED_AT}}
    )
    late, thresholds = late_rules_of(asked), asked.deduplication.near
    return resolve_outcomes((IsEmpty(),), late, table, relations, fallen, thresholds), relations


def reasons(outcomes: Outcomes) -> list[str | None]:
    return [REASON_WORDS[code] for code in outcomes.reason]


def fired(outcomes: Outcomes, rule_id: str) -> list[Fired]:
    return [item for item in outcomes.fired if item.facts.rule_id == rule_id and len(item.row)]


# Records by themselves


def test_a_record_that_nothing_says_anything_of_is_kept() -> None:
    outcomes, relations = resolve(annotations({}, {}))
    assert reasons(outcomes) == [None, None]
    assert outcomes.kept.tolist() == [True, True]
    assert outcomes.terminal.tolist() == [-1, -1]
    assert relations.ids.tolist() == [[100, 0], [101, 1]]
    assert relations.role.tolist() == [0, 0]


def test_a_faulty_record_keeps_its_own_reason_and_no_rule_looks_at_it() -> None:
    fault = REASON_CODES[Reason.INVALID_UTF8]
    outcomes, _ = resolve(annotations({}, {"fault": fault, "empty": True}, {"empty": True}))
    assert reasons(outcomes) == [None, "invalid_utf8", "empty"]
    assert outcomes.fired[outcomes.terminal[1]].facts is READ_FAULT
    (empty,) = fired(outcomes, "empty")
    assert empty.row.tolist() == [2]  # rows of the split, faulty records counted


def test_no_records_are_resolved_without_complaint() -> None:
    outcomes, _ = resolve(annotations())
    assert len(outcomes.reason) == 0
    assert outcomes.counts() == {}


# Exact copies


def test_an_exact_copy_is_removed_and_names_its_leader() -> None:
    outcomes, relations = resolve(
        annotations({}, {}, {}),
        exact(
            {"row": 0, "leader": 2, "role": ClusterRole.EXACT_COPY},
            {"row": 2, "followers": [0], "id": 777},
        ),
    )
    assert reasons(outcomes) == ["dup_exact", None, None]
    (duplicate,) = fired(outcomes, "dup_exact")
    assert duplicate.row.tolist() == [0]
    assert duplicate.score is not None
    assert duplicate.score.tolist() == [1.0]
    assert duplicate.partner is not None
    assert duplicate.partner.tolist() == [[102, 2]]
    assert relations.role.tolist() == [ClusterRole.EXACT_COPY, 0, ClusterRole.SURVIVOR]
    assert relations.ids.tolist() == [[100, 0], [101, 1], [777, 2]]  # the final ones
    assert relations.near.tolist() == [False] * 3


def test_who_leads_only_itself_is_in_no_cluster() -> None:
    _, relations = resolve(annotations({}), exact({"row": 0}))
    assert relations.role.tolist() == [ClusterRole.NONE]


def test_what_a_rule_removed_is_not_called_a_copy_too() -> None:
    outcomes, _ = resolve(
        annotations({"empty": True}),
        exact({"row": 0, "leader": 9, "role": ClusterRole.EXACT_COPY}),
    )
    assert reasons(outcomes) == ["empty"]
    assert fired(outcomes, "dup_exact") == []


# Near copies


def test_a_near_copy_is_removed_with_its_similarity_and_the_threshold() -> None:
    outcomes, relations = resolve(
        annotations({}),
        near_rows=near({"row": 0, "role": ClusterRole.NEAR_COPY, "partner": 77, "jaccard": 0.9}),
    )
    assert reasons(outcomes) == ["dup_near"]
    (duplicate,) = fired(outcomes, "dup_near")
    assert duplicate.score is not None
    assert duplicate.score.tolist() == [np.float32(0.9)]
    assert duplicate.threshold is not None
    assert duplicate.threshold.tolist() == [np.float32(0.8)]
    assert relations.partner_ref.tolist() == [77]
    assert relations.near.tolist() == [True]
    assert relations.cluster.tolist() == [[900, 901]]


def test_the_near_stage_overrides_the_exact_one() -> None:
    copy = exact({"row": 0, "leader": 9, "role": ClusterRole.EXACT_COPY})
    moved = near({"row": 0, "role": ClusterRole.NEAR_COPY, "partner": 77, "jaccard": 0.9})
    outcomes, relations = resolve(annotations({}), copy, moved)
    assert reasons(outcomes) == ["dup_near"]
    assert relations.partner.tolist() == [[900, 901]]
    assert relations.jaccard.tolist() == [np.float32(0.9)]


def test_an_exact_copy_that_the_near_stage_repeats_stays_one() -> None:
    copy = exact({"row": 0, "leader": 9, "role": ClusterRole.EXACT_COPY})
    again = near(
        {"row": 0, "role": ClusterRole.EXACT_COPY, "partner": 9, "jaccard": 1.0,
         "denied": 66, "denied_jaccard": 0.85}
    )  # fmt: skip
    outcomes, relations = resolve(annotations({}), copy, again, copies="flag")
    assert reasons(outcomes) == ["dup_exact"]
    assert relations.near.tolist() == [False]
    assert relations.jaccard.tolist() == [1.0]
    (flagged,) = fired(outcomes, "optout_dup")
    assert flagged.partner is not None
    assert flagged.partner.tolist() == [[66, 66]]


# Copies of opted-out documents


def test_a_copy_of_a_denied_document_is_removed_for_that_and_for_nothing_else() -> None:
    outcomes, _ = resolve(
        annotations({}, {}),
        exact(
            {"row": 0, "followers": [1], "denied": 55},
            {"row": 1, "leader": 0, "role": ClusterRole.EXACT_COPY, "denied": 55},
        ),
    )
    assert reasons(outcomes) == ["optout_dup", "optout_dup"]
    (taint,) = fired(outcomes, "optout_dup")
    assert taint.score is not None
    assert taint.score.tolist() == [1.0, 1.0]
    assert taint.partner is not None
    assert taint.partner.tolist() == [[55, 55]] * 2
    assert fired(outcomes, "dup_exact") == []  # its leader is not kept: no witness


def test_a_flagged_copy_of_a_denied_document_is_kept_and_told() -> None:
    tainted = near(
        {"row": 0, "role": ClusterRole.SURVIVOR, "denied": 55, "denied_jaccard": 0.83},
    )
    outcomes, relations = resolve(annotations({}), near_rows=tainted, copies="flag")
    assert reasons(outcomes) == [None]
    (flag,) = fired(outcomes, "optout_dup")
    assert flag.facts.action == "flag"
    assert flag.score is not None
    assert flag.score.tolist() == [np.float32(0.83)]
    assert relations.denied.tolist() == [True]


def test_a_near_answer_without_a_denied_partner_leaves_the_exact_one() -> None:
    _, relations = resolve(
        annotations({}),
        exact({"row": 0, "followers": [3], "denied": 55}),
        near({"row": 0, "role": ClusterRole.SURVIVOR}),
        copies="flag",
    )
    assert relations.denied.tolist() == [True]
    assert relations.denied_partner.tolist() == [[55, 55]]


# Witnesses that fell


def test_copies_of_a_fallen_survivor_are_quarantined_with_it() -> None:
    table = annotations({}, {}, {})
    copies = exact({"row": 0, "leader": 9, "role": ClusterRole.EXACT_COPY})
    more = near(
        {"row": 1, "role": ClusterRole.NEAR_COPY, "partner": 77, "jaccard": 0.9},
        {"row": 2, "role": ClusterRole.NEAR_COPY, "partner": 78, "jaccard": 0.9},
    )
    outcomes, _ = resolve(table, copies, more, fallen={77, int(BASE) + 9})
    assert reasons(outcomes) == ["stage_error", "stage_error", "dup_near"]
    assert outcomes.counts() == {"dup_near": 1, "stage_error": 2}
    assert outcomes.decided_by("detector_failed") == 2


def test_who_is_no_copy_does_not_fall_with_row_0() -> None:
    outcomes, _ = resolve(annotations({}, {}), fallen={0, int(BASE)})
    assert reasons(outcomes) == [None, None]


# The rule of the first word


ACTIONS = ("remove", "quarantine", "transform", "flag")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(ACTIONS),
            st.sampled_from(["enforce", "shadow", "off"]),
            st.sampled_from([Reason.TOXIC, Reason.DUP_NEAR, Reason.EMPTY]),
            st.sets(st.integers(0, 4)),
        ),
        max_size=6,
    )
)
def test_the_first_rule_that_acts_decides_and_nothing_changes_its_word(
    drawn: list[tuple[str, str, Reason, set[int]]],
) -> None:
    outcomes = Outcomes(np.zeros(5, np.uint8), np.full(5, -1, np.int16), [])
    expected: list[tuple[int, Reason | None]] = [(-1, None)] * 5
    for number, (action, mode, reason, rows) in enumerate(drawn):
        facts = RuleFacts(f"r{number}", "s", "x", "Y.", "z", reason, action=action, mode=mode)
        outcomes.add(Fired(facts, np.array(sorted(rows), dtype=np.int64)))
        for row in rows:
            if action in {"remove", "quarantine"} and mode == "enforce" and expected[row][0] < 0:
                expected[row] = (number, reason)
    assert outcomes.terminal.tolist() == [number for number, _ in expected]
    assert reasons(outcomes) == [reason and reason.value for _, reason in expected]
    assert len(outcomes.fired) == len(drawn)
    assert sum(outcomes.counts().values()) == int((~outcomes.kept).sum())
    decided = [outcomes.decided_by(f"r{number}") for number in range(len(drawn))]
    assert sum(decided) == int((~outcomes.kept).sum())


def test_list_matches_are_counted_whoever_decided() -> None:
    outcomes = Outcomes(np.zeros(3, np.uint8), np.full(3, -1, np.int16), [])
    for name in ("a", "b"):
        facts = RuleFacts(name, "rights", "x", "Y.", "z", Reason.OPTOUT_URL, list_id=name)
        outcomes.add(Fired(facts, np.array([0, 1])))
    assert outcomes.list_matches() == {"a": 2, "b": 2}
    assert outcomes.decided_by("b") == 0
