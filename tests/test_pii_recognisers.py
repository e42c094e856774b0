# SPDX-License-Identifier: Apache-2.0
"""Recognisers and operators from the job file: what is accepted, what is refused and how it acts."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from muniment.schemas.errors import JobError
from muniment.schemas.personal_data import PersonalData, check_personal_data
from muniment.schemas.reasons import PiiGrade
from muniment.transforms.pii import detect, recogniser_facts, redact, settings_of

KEY = bytes(range(32))
STAFF = {"name": "staff", "patterns": [r"\bEMP-([0-9]{5})\b"]}


def section(**settings: Any) -> PersonalData:
    return PersonalData.model_validate(settings)


def found(text: str, **settings: Any) -> list[tuple[str, str, str, str]]:
    """Return (type, grade, detector, value) of what the settings of a job find in a text."""
    pii = settings_of(section(**settings))
    result = detect(
        pa.array([text]), pa.array(["en"]), key=KEY, entities=pii.entities, custom=pii.custom
    )
    assert not result.faults.any()
    return [
        (s["entity_type"], s["grade"], s["detector"], text[s["start"] : s["end"]])
        for s in result.spans.to_pylist()
    ]


def test_a_recogniser_finds_its_value_under_its_name_version_and_grade() -> None:
    plain = found("id EMP-12345.", recognisers=[STAFF])
    assert plain == [("CUSTOM", "sensitive", "custom:staff@1", "12345")]
    typed = {**STAFF, "version": "7b", "entity": "BANK_ACCOUNT", "grade": "secret"}
    assert found("id EMP-12345.", recognisers=[typed]) == [
        ("BANK_ACCOUNT", "secret", "custom:staff@7b", "12345")
    ]


@pytest.mark.parametrize(
    "text", ["ＥＭＰ－１２３４５", "EMP\u200b-12345", "EMP&#45;12345", "编号EMP-12345号"]
)
def test_a_recogniser_reads_the_text_without_its_disguise(text: str) -> None:
    assert [hit[0] for hit in found(text, recognisers=[STAFF])] == ["CUSTOM"]


def test_context_words_must_stand_near_in_any_case() -> None:
    own = {"name": "badge", "patterns": [r"\b([0-9]{5})\b"], "context": ["Badge", "工号"]}
    assert found("my BADGE is 12345", recognisers=[own]) != []
    assert found("12345 是我的工号", recognisers=[own]) != []
    assert found("the number 12345", recognisers=[own]) == []
    assert found("badge " + "x " * 80 + "12345", recognisers=[own]) == []


@pytest.mark.parametrize(
    ("validator", "good", "bad"),
    [
        ("luhn", "79927398713", "79927398714"),
        ("stdnum:de.idnr", "36574261809", "36574261890"),
        ("stdnum:luhn", "79927398713", "79927398714"),
        ("date", "19900112", "19901312"),
    ],
)
def test_a_validator_confirms_hits(validator: str, good: str, bad: str) -> None:
    own = {"name": "n", "patterns": [r"#([0-9]+)#"], "validator": validator}
    assert found(f"#{good}#", recognisers=[own]) != []
    assert found(f"#{bad}#", recognisers=[own]) == []


BAD = {
    "look-behind": ({"patterns": ["(?<!a)b"]}, "look-around"),
    "look-ahead": ({"patterns": ["a(?=b)"]}, "look-around"),
    "back-reference": ({"patterns": [r"(a)\1"]}, "back-references"),
    "syntax": ({"patterns": ["(a"]}, "RE2"),
    "too many repeats": ({"patterns": ["(?:[^x]{1,100}){1,100}"]}, "RE2"),
    "too large": ({"patterns": [r"(?:\pL\pN){1,200}"]}, "instructions"),
    "matches nothing": ({"patterns": ["a*"]}, "at least one character"),
    "validator": ({"validator": "crc"}, "validator"),
    "stdnum module": ({"validator": "stdnum:de.none"}, "validator"),
    "stdnum escape": ({"validator": "stdnum:os.path"}, "validator"),
    "entity": ({"entity": "NOPE"}, "entity"),
}


@pytest.mark.parametrize("case", sorted(BAD))
def test_what_cannot_be_used_is_refused_with_its_place_before_any_work(case: str) -> None:
    changes, word = BAD[case]
    with pytest.raises(JobError, match=rf"personal_data\.recognisers\[1\].*{word}"):
        settings_of(section(recognisers=[STAFF, {**STAFF, "name": "b", **changes}]))


@pytest.mark.parametrize(
    "changes",
    [
        {"patterns": []},
        {"patterns": ["a" * 2001]},
        {"patterns": ["a"] * 21},
        {"score": 1.5},
        {"name": "No Blank"},
        {"grade": "grave"},
        {"colour": "red"},
    ],
)
def test_sizes_and_words_are_bounded(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        section(recognisers=[{**STAFF, **changes}])


def test_every_problem_of_the_section_is_told_at_once() -> None:
    with pytest.raises(JobError) as caught:
        settings_of(
            section(
                entities=["NOPE"],
                operators={"NEITHER": "mask", "EMAIL_ADDRESS": "mask"},
                recognisers=[{**STAFF, "patterns": ["("]}],
            )
        )
    assert len(caught.value.problems) == 3
    assert check_personal_data(section(recognisers=[STAFF, STAFF], links="all")) == [
        "personal_data.recognisers[1].name: 'staff' is used twice",
        "personal_data.links_reason: missing; `links: all` keeps an index of persons that the "
        "corpus no longer names, so say why",
    ]


@pytest.mark.parametrize("operators", [{"mail": "mask"}, {"grade.grave": "mask"}, {"default": "x"}])
def test_an_unknown_operator_or_key_is_refused_by_the_job_model(operators: Any) -> None:
    with pytest.raises(ValidationError):
        section(operators=operators)


def test_operators_of_the_job_act_by_type_grade_and_default() -> None:
    settings = section(
        operators={"EMAIL_ADDRESS": "surrogate", "grade.sensitive": "drop", "default": "mask"}
    )
    texts = pa.array(["a@example.com +1 415-555-0132", "SSN 141-01-9056"])
    pii = settings_of(settings)
    spans = detect(texts, pa.array(["en"] * 2), key=KEY).spans
    mail, dropped = redact(texts, spans, pii.policy).to_pylist()
    assert mail.endswith("@redacted.invalid +* ***-***-****")
    assert dropped is None


def test_presidio_is_reached_from_the_job_and_its_explanation_kept() -> None:
    pytest.importorskip("presidio_analyzer")
    (hit,) = found("aadhaar 2341 2341 2346 ok", presidio=True, entities=["NATIONAL_ID"])
    assert hit[0] == "NATIONAL_ID"
    detectors = {row.detector for row in settings_of(section(presidio=True)).custom}
    assert any(name.startswith("presidio:") and name.count(":") == 2 for name in detectors)


def test_the_manifest_names_every_set_with_version_and_digest() -> None:
    facts = recogniser_facts(section(recognisers=[{**STAFF, "version": "3"}]), "9.9")
    assert [(item["model"], item["version"]) for item in facts[::2]] == [
        ("pii-patterns", "9.9"),
        ("custom:staff", "3"),
    ]
    assert facts[1]["model"] == "secret-patterns"
    changed = recogniser_facts(section(recognisers=[{**STAFF, "context": ["x"]}]), "9.9")
    assert changed[2]["sha256"] != facts[2]["sha256"]
    assert {len(item["sha256"]) for item in facts} == {64}


def test_personal_data_near_a_minor_cue_is_graded_minor_but_a_secret_stays_one() -> None:
    text = "Tim, 9 years old, a@example.com, SSN 141-01-9056, key AKIAIOSFODNN7EXAMPLE"
    grades = {kind: grade for kind, grade, _, _ in found(text)}
    assert grades == {
        "EMAIL_ADDRESS": PiiGrade.MINOR,
        "US_SSN": PiiGrade.MINOR,
        "SECRET": PiiGrade.SECRET,
    }
