# SPDX-License-Identifier: Apache-2.0
"""Manifest rows: exactly the declared columns, one row a record, nulls where the tables say so."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.schemas.reasons import REASON_CODES, ClusterRole, PiiGrade, Reason
from muniment.schemas.staged import ANNOTATIONS
from muniment.schemas.tables import (
    DECISIONS,
    DOCUMENTS,
    PII_STATS,
    QUARANTINE,
    RULES,
    SPANS,
)
from muniment.schemas.tables_duplicates import DUPLICATES
from muniment.transforms.ledger import (
    Written,
    decision_rows,
    document_rows,
    duplicate_rows,
    highest_grade,
    ids,
    outcome_codes,
    pii_rows,
    quarantine_rows,
    span_rows,
    table_of,
)
from muniment.transforms.outcomes import READ_FAULT, Fired, Outcomes, Relations
from muniment.transforms.rules import RuleFacts

SOURCE_ID = "web"
FILES = pa.array([4, 4, 5, 5], pa.int32())
"""Input file of each record."""
TOXIC = RuleFacts("toxicity", "toxicity", "toxicity", "Removes.", "Card", Reason.TOXIC, version=3)
OPTOUT = RuleFacts("o:hosts", "rights", "x", "R.", "b", Reason.OPTOUT_DOMAIN, list_id="hosts")
EXACT = RuleFacts("dup_exact", "deduplication", "x", "R.", "b", Reason.DUP_EXACT)
NEAR = RuleFacts("dup_near", "deduplication", "x", "R.", "b", Reason.DUP_NEAR)
REDACT = RuleFacts("redact", "personal_data", "x", "R.", "b", None, action="transform")
SHADOW = RuleFacts("shadow", "toxicity", "x", "R.", "b", Reason.TOXIC, mode="shadow")


def doc_id(n: int) -> bytes:
    """Return the identifier that `relations` gives record `n`."""
    return bytes(ids(relations(n + 1).ids)[n].as_py())


def relations(n: int, **columns: Any) -> Relations:
    known = {
        "ids": np.array([[100 + k, k] for k in range(n)], dtype=np.uint64).reshape(-1, 2),
        "cluster": np.zeros((n, 2), np.uint64),
        "role": np.zeros(n, np.uint8),
        "near": np.zeros(n, bool),
        "partner_ref": np.zeros(n, np.uint64),
        "partner": np.zeros((n, 2), np.uint64),
        "jaccard": np.full(n, np.nan, np.float32),
        "denied": np.zeros(n, bool),
        "denied_partner": np.zeros((n, 2), np.uint64),
        "denied_jaccard": np.full(n, np.nan, np.float32),
        "containment": np.full(n, np.nan, np.float32),
        "denied_containment": np.full(n, np.nan, np.float32),
    }
    return Relations(**(known | {name: np.asarray(value) for name, value in columns.items()}))


def outcomes(n: int, *fired: Fired) -> Outcomes:
    made = Outcomes(np.zeros(n, np.uint8), np.full(n, -1, np.int16), [])
    for item in fired:
        made.add(item)
    return made


def at(*rows: int) -> Any:
    return np.array(rows, dtype=np.int64)


def annotations(n: int, **columns: list[Any]) -> pa.Table:
    fill: dict[Any, Any] = {pa.bool_(): False, pa.string(): "unknown", pa.float32(): 0.5}
    table = {
        field.name: columns.get(
            field.name, [None if field.nullable else fill.get(field.type, 0)] * n
        )
        for field in ANNOTATIONS
    }
    return pa.table(table, schema=ANNOTATIONS)


def spans(*rows: tuple[int, str, str, str, str]) -> pa.Table:
    """Return spans of (row, type, grade, detector, action)."""
    names = ("row", "entity_type", "grade", "detector", "action")
    columns = list(zip(*rows, strict=True)) if rows else [[] for _ in names]
    types = (pa.int64(), *[pa.string()] * 4)
    table = pa.table(
        {name: pa.array(list(c), t) for name, c, t in zip(names, columns, types, strict=True)}
    )
    n = table.num_rows
    for name, kind in (("start", pa.uint32()), ("end", pa.uint32()), ("score", pa.float32())):
        table = table.append_column(name, pa.array(range(n), pa.int64()).cast(kind))
    return table


def written(rows: list[int], **columns: Any) -> Written:
    k = len(rows)
    known = {
        "row": at(*rows),
        "tokens": np.full(k, 7, np.uint32),
        "bytes": np.full(k, 42, np.uint32),
        "text_hash": np.array([[9, row] for row in rows], np.uint64).reshape(-1, 2),
        "redacted": np.zeros(k, np.uint32),
        "file": "corpus/part-00002.parquet",
    }
    return Written(**(known | columns))


# Building a table


def test_a_table_has_exactly_the_declared_columns_and_types() -> None:
    columns = {
        "rule_id": pa.array(["a", "b"]),
        "version": 1,
        "stage": "read",
        "mode": "enforce",
        "action": "remove",
        "reason": None,
        "signal": "x",
        "parameters": "{}",
        "meaning": pa.array(["A.", "B."]),
        "basis": "b",
        "approved_by": None,
        "approved_on": None,
        "more": "is ignored",
    }
    table = table_of(RULES, columns, 2)
    assert table.schema.equals(RULES.arrow(), check_metadata=True)
    assert table["rule_id"].to_pylist() == ["a", "b"]
    assert table["stage"].to_pylist() == ["read", "read"]
    assert table["reason"].to_pylist() == [None, None]
    assert table_of(RULES, columns | {"rule_id": pa.array([], pa.string()),
                                      "meaning": pa.array([], pa.string())}, 0).num_rows == 0  # fmt: skip
    with pytest.raises(KeyError):
        table_of(RULES, {"rule_id": "a"}, 1)


def test_a_number_that_does_not_fit_its_column_is_an_error_and_never_wraps() -> None:
    columns = dict.fromkeys((field.name for field in RULES.fields), "x") | {"version": 1 << 20}
    with pytest.raises(pa.ArrowInvalid):
        table_of(RULES, columns, 1)


def test_identifiers_are_16_bytes_or_null() -> None:
    pairs = np.array([[1, 2], [3, 4]], np.uint64)
    assert ids(pairs).type == pa.binary(16)
    assert len(set(ids(pairs).to_pylist())) == 2
    assert ids(pairs, np.array([True, False])).to_pylist()[1] is None


# documents


def test_every_record_has_one_documents_row_whatever_became_of_it() -> None:
    n = 4
    fault = REASON_CODES[Reason.INVALID_UTF8]
    result = outcomes(
        n,
        Fired(READ_FAULT, at(3), reason=np.array([fault], np.uint8)),
        Fired(TOXIC, at(1)),
    )
    table = document_rows(
        annotations(
            n,
            fault=[0, 0, 0, fault],
            url_hi=[1, None, 3, None],
            url_lo=[1, None, 3, None],
            tokens=[10, 20, 30, 0],
            host=["a.example", None, None, None],
        ),
        relations(n),
        result,
        written([0, 2], tokens=np.array([8, 30], np.uint32), redacted=np.array([2, 0], np.uint32)),
        spans((0, "EMAIL", "general", "d", "placeholder"), (0, "X", "minor", "d", "mask"),
              (1, "EMAIL", "general", "d", "not_kept")),
        SOURCE_ID,
        FILES[:n],
    )  # fmt: skip
    table.validate(full=True)
    assert table.schema.equals(DOCUMENTS.arrow(), check_metadata=True)
    rows = table.to_pylist()
    assert [row["doc_id"] for row in rows] == [doc_id(k) for k in range(n)]
    assert [row["outcome"] for row in rows] == ["kept", "removed", "kept", "quarantined"]
    assert [row["reason"] for row in rows] == [None, "toxic", None, "invalid_utf8"]
    assert [row["tokens_out"] for row in rows] == [8, 0, 30, 0]
    assert [row["bytes_out"] for row in rows] == [42, 0, 42, 0]
    assert [row["out_row"] for row in rows] == [0, None, 1, None]
    assert [row["out_file"] for row in rows] == [
        "corpus/part-00002.parquet", None, "corpus/part-00002.parquet", None,
    ]  # fmt: skip
    assert [row["text_hash_out"] is None for row in rows] == [False, True, False, True]
    assert [row["text_hash"] is None for row in rows] == [False, False, False, True]
    assert [row["url_hash"] is None for row in rows] == [False, True, False, True]
    assert [row["pii_found"] for row in rows] == [2, 1, 0, 0]
    assert [row["pii_redacted"] for row in rows] == [2, 0, 0, 0]
    assert [row["pii_grade"] for row in rows] == ["minor", "general", None, None]
    assert [row["cluster_id"] for row in rows] == [None] * n
    assert {row["source_id"] for row in rows} == {"web"}
    assert [row["input_number"] for row in rows] == [4, 4, 5, 5]


def test_a_record_that_a_rule_quarantined_has_no_text_hash_either() -> None:
    failed = RuleFacts("f", "rights", "x", "Q.", "b", Reason.NO_SOURCE, action="quarantine")
    table = document_rows(
        annotations(2),
        relations(2),
        outcomes(2, Fired(failed, at(0))),
        written([1]),
        spans(),
        SOURCE_ID,
        FILES[:2],
    )
    assert table["outcome"].to_pylist() == ["quarantined", "kept"]
    assert [value is None for value in table["text_hash"].to_pylist()] == [True, False]


def test_no_records_make_an_empty_documents_part() -> None:
    nothing = annotations(0), relations(0), outcomes(0), written([]), spans()
    table = document_rows(*nothing, SOURCE_ID, FILES[:0])
    assert table.schema.equals(DOCUMENTS.arrow())
    assert table.num_rows == 0


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from(list(PiiGrade))), max_size=9))
def test_the_grade_of_a_record_is_the_gravest_one_found(found: list[tuple[int, PiiGrade]]) -> None:
    order = list(PiiGrade)
    table = spans(*((row, "T", grade.value, "d", "left") for row, grade in found))
    expected = []
    for row in range(5):
        own = [order.index(grade) for at_row, grade in found if at_row == row]
        expected.append(order[max(own)].value if own else None)
    assert highest_grade(table, 5).to_pylist() == expected


def test_outcome_codes_tell_kept_removed_and_quarantined_apart() -> None:
    result = outcomes(3, Fired(TOXIC, at(0)), Fired(READ_FAULT, at(0, 2)))
    assert outcome_codes(result).tolist() == [1, 0, 2]
    assert outcome_codes(outcomes(2)).tolist() == [0, 0]
    assert outcome_codes(outcomes(0)).tolist() == []


# decisions


def test_every_rule_that_fired_has_a_row_by_record_and_order() -> None:
    result = outcomes(
        3,
        Fired(OPTOUT, at(2), entry=at(17)),
        Fired(SHADOW, at(1, 2)),
        Fired(
            TOXIC,
            at(1, 2),
            score=np.array([0.9, np.nan], np.float32),
            threshold=np.array([0.5, 0.5], np.float32),
        ),
        Fired(REDACT, at(0), spans=at(4)),
    )
    table = decision_rows(relations(3), result)
    table.validate(full=True)
    assert table.schema.equals(DECISIONS.arrow(), check_metadata=True)
    rows = table.to_pylist()
    assert [(row["doc_id"], row["seq"], row["rule_id"], row["terminal"]) for row in rows] == [
        (doc_id(0), 0, "redact", False),
        (doc_id(1), 0, "shadow", False),
        (doc_id(1), 1, "toxicity", True),
        (doc_id(2), 0, "o:hosts", True),
        (doc_id(2), 1, "shadow", False),
        (doc_id(2), 2, "toxicity", False),
    ]
    redact, shadow, toxic, optout, _, silent = rows
    assert (redact["n_spans"], redact["reason"], redact["action"]) == (4, None, "transform")
    assert shadow["mode"] == "shadow"
    assert (toxic["score"], toxic["threshold"]) == (pytest.approx(0.9), 0.5)
    assert toxic["rule_version"] == 3
    assert (optout["list_id"], optout["list_entry"]) == ("hosts", 17)
    assert silent["score"] is None  # no number was measured
    assert silent["partner_id"] is None


def test_no_decisions_make_an_empty_part() -> None:
    for result in (outcomes(2), outcomes(2, Fired(TOXIC, at()))):
        table = decision_rows(relations(2), result)
        assert table.num_rows == 0
        assert table.schema.equals(DECISIONS.arrow())


@given(st.lists(st.sets(st.integers(0, 5)), min_size=1, max_size=6))
def test_exactly_one_decision_is_terminal_for_each_record_that_is_not_kept(
    fired: list[set[int]],
) -> None:
    facts = [RuleFacts(f"r{n}", "s", "x", "Y.", "z", Reason.TOXIC) for n in range(len(fired))]
    result = outcomes(
        6, *(Fired(rule, at(*sorted(rows))) for rule, rows in zip(facts, fired, strict=True))
    )
    rows = decision_rows(relations(6), result).to_pylist()
    assert len(rows) == sum(map(len, fired))
    terminal = [row["doc_id"] for row in rows if row["terminal"]]
    assert sorted(terminal) == sorted(doc_id(row) for row in set().union(*fired))
    assert all(row["seq"] == 0 for row in rows if row["terminal"])


# duplicates


def test_members_of_clusters_are_listed_with_their_witness() -> None:
    n = 4
    near = relations(
        n,
        role=np.array(
            [ClusterRole.SURVIVOR, ClusterRole.EXACT_COPY, ClusterRole.NEAR_COPY, 0], np.uint8
        ),
        near=[True, False, True, False],
        cluster=np.array([[100, 0]] * n, np.uint64),
        partner=np.array([[100, 0]] * n, np.uint64),
        jaccard=np.array([np.nan, 1.0, 0.9, np.nan], np.float32),
    )
    result = outcomes(n, Fired(EXACT, at(1)), Fired(NEAR, at(2)))
    table = duplicate_rows(near, result)
    table.validate(full=True)
    assert table.schema.equals(DUPLICATES.arrow(), check_metadata=True)
    rows = table.to_pylist()
    assert [row["doc_id"] for row in rows] == [doc_id(0), doc_id(1), doc_id(2)]
    assert [row["role"] for row in rows] == ["survivor", "exact_copy", "near_copy"]
    assert [row["partner_id"] for row in rows] == [None, doc_id(0), doc_id(0)]
    assert [row["jaccard"] for row in rows] == [None, 1.0, pytest.approx(0.9)]
    assert [row["method"] for row in rows] == ["minhash", "exact", "minhash"]
    assert {row["cluster_id"] for row in rows} == {doc_id(0)}


def test_who_was_decided_by_another_rule_is_context_and_names_no_witness() -> None:
    roles = [ClusterRole.SURVIVOR, ClusterRole.EXACT_COPY, ClusterRole.NEAR_COPY]
    removed = outcomes(3, Fired(TOXIC, at(0, 1, 2)))
    found = relations(
        3,
        role=np.array(roles, np.uint8),
        jaccard=np.array([np.nan, 1.0, 0.9], np.float32),
        denied=[False, True, False],
    )
    rows = duplicate_rows(found, removed).to_pylist()
    assert [row["role"] for row in rows] == ["context"] * 3
    assert [row["partner_id"] for row in rows] == [None] * 3
    assert [row["jaccard"] for row in rows] == [None] * 3
    assert [row["tainted"] for row in rows] == [False, True, False]
    assert duplicate_rows(relations(2), outcomes(2)).num_rows == 0


# personal data and quarantine


def test_personal_data_is_counted_by_record_type_and_detector() -> None:
    table = pii_rows(
        spans(
            (2, "EMAIL", "general", "regex/1", "placeholder"),
            (0, "PHONE", "general", "regex/1", "left"),
            (2, "EMAIL", "general", "regex/1", "placeholder"),
            (2, "EMAIL", "general", "ner/1", "placeholder"),
            (1, "PHONE", "general", "regex/1", "not_kept"),
        ),
        relations(3),
    )
    assert table.schema.equals(PII_STATS.arrow(), check_metadata=True)
    found = [
        (row["doc_id"], row["entity_type"], row["detector"], row["n_found"], row["n_redacted"])
        for row in table.to_pylist()
    ]
    assert found == [
        (doc_id(0), "PHONE", "regex/1", 1, 0),
        (doc_id(1), "PHONE", "regex/1", 1, 0),
        (doc_id(2), "EMAIL", "ner/1", 1, 1),
        (doc_id(2), "EMAIL", "regex/1", 2, 2),
    ]
    assert pii_rows(spans(), relations(0)).num_rows == 0


def test_spans_name_places_and_types_only() -> None:
    table = span_rows(spans((1, "EMAIL", "general", "regex/1", "mask")), relations(2))
    assert table.schema.equals(SPANS.arrow(), check_metadata=True)
    assert table["doc_id"].to_pylist() == [doc_id(1)]
    assert set(table.column_names) == {
        "doc_id", "start", "end", "entity_type", "grade", "score", "detector", "action",
    }  # fmt: skip


def test_quarantine_says_why_where_and_which_stage_gave_up() -> None:
    fault = REASON_CODES[Reason.JSON_SYNTAX]
    failed = RuleFacts(
        "f", "personal_data", "x", "Q.", "b", Reason.STAGE_ERROR, action="quarantine"
    )
    result = outcomes(
        3,
        Fired(READ_FAULT, at(0), reason=np.array([fault], np.uint8)),
        Fired(TOXIC, at(1)),
        Fired(failed, at(1, 2)),
    )
    known = annotations(3, offset=[0, 50, 99], length=[50, 49, 1])
    table = quarantine_rows(known, relations(3), result, SOURCE_ID, FILES[:3])
    assert table.schema.equals(QUARANTINE.arrow(), check_metadata=True)
    found = [
        (
            row["doc_id"],
            row["input_number"],
            row["offset"],
            row["length"],
            row["reason"],
            row["stage"],
        )
        for row in table.to_pylist()
    ]
    assert found == [
        (doc_id(0), 4, 0, 50, "json_syntax", "read"),
        (doc_id(2), 5, 99, 1, "stage_error", "personal_data"),
    ]
    nothing = annotations(0), relations(0), outcomes(0)
    assert quarantine_rows(*nothing, SOURCE_ID, FILES[:0]).num_rows == 0
