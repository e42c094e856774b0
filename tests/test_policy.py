# SPDX-License-Identifier: Apache-2.0
"""The policy: each rule fires as it says, the first enforced one decides, shadow never does."""

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.schemas.job import Job
from muniment.schemas.reasons import (
    QUARANTINE_REASONS,
    REASON_CODES,
    REASON_WORDS,
    Reason,
)
from muniment.schemas.staged import ANNOTATIONS
from muniment.transforms.list_rules import list_column
from muniment.transforms.policy import (
    Verdict,
    judge,
    late_rules_of,
    policy_digest,
    rules_of,
)
from muniment.transforms.rules import Hits, Rule

SOURCE = {
    "name": "s",
    "kind": "other",
    "reviewer": "somebody",
    "paths": ["x"],
    "licence": "unknown",
    "legal_basis": "unknown",
    "origin": "worldwide",
    "collected": {"start": "2024-01-01", "end": "2024-01-01"},
}
LISTS = [
    {"name": "hosts", "kind": "domain", "path": "a"},
    {"name": "pages", "kind": "url", "path": "b"},
    {"name": "folders", "kind": "url_prefix", "path": "c"},
    {"name": "works", "kind": "content_hash", "path": "d"},
]
FINE: dict[str, Any] = {
    "empty": False,
    "no_url": False,
    "ambiguous_url": False,
    "licence": "MIT",
    "licence_allowed": True,
    "rights_state": "allow",
    "rights_reserved": False,
    "source_kind": "other",
    "lang": "en",
    "lang_score": 0.99,
    "toxicity": 0.01,
    "pii_sensitive": 0,
    "pii_minor": False,
    "pii_kinds": None,
}
EVERYTHING: dict[str, Any] = {
    "lists": LISTS,
    "rights": {
        "lists": ["hosts", "works", "pages", "folders"],
        "allow_licences": ["MIT"],
        "unknown_policy": "drop",
        "require_source": True,
    },
    "language": {"allow": ["de", "en", "zh"], "min_score": 0.5},
    "personal_data": {"operators": {"US_SSN": "drop"}, "unread": "remove"},
}
THRESHOLDS = {"de": 0.5, "en": 0.5, "zh": 0.9}


def job(**settings: Any) -> Job:
    return Job.model_validate({"name": "j", "key_file": "k", "sources": [SOURCE], **settings})


def rules(**settings: Any) -> tuple[Rule, ...]:
    return rules_of(job(**settings), THRESHOLDS)


def rule(rule_id: str, **settings: Any) -> Rule:
    """Return one rule of a job that has all of them, or of the job given."""
    return next(r for r in rules(**(settings or EVERYTHING)) if r.facts.rule_id == rule_id)


def signals(*rows: dict[str, Any]) -> pa.Table:
    """Return signals of documents that differ from a fine one as said."""
    names = [*FINE, *(list_column(item["name"]) for item in LISTS)]
    return pa.table(
        {
            name: pa.array(
                [row.get(name, FINE.get(name)) for row in rows],
                pa.int64() if name.startswith("list:") else ANNOTATIONS.field(name).type,
            )
            for name in names
        }
    )


def fires(which: Rule, *rows: dict[str, Any]) -> list[bool]:
    hits = which.fires(signals(*rows))
    assert hits.mask.dtype == bool
    for extra in (hits.score, hits.threshold, hits.entry):
        assert extra is None or len(extra) == len(rows)
    return hits.mask.tolist()


def words(verdict: Verdict) -> list[str | None]:
    return [REASON_WORDS[code] for code in verdict.reason]


# Each rule


def test_nothing_fires_on_a_fine_document() -> None:
    verdict = judge(rules(**EVERYTHING), signals({}))
    assert not any(hits.mask.any() for hits in verdict.hits)
    assert verdict.terminal.tolist() == [-1]
    assert verdict.reason.tolist() == [0]


def test_no_documents_are_judged_without_complaint() -> None:
    for none in (signals(), signals({}).schema.empty_table(), signals({}).slice(1)):
        verdict = judge(rules(**EVERYTHING), none)
        assert len(verdict.terminal) == len(verdict.reason) == 0


def test_empty_fires_on_white_space_only_text() -> None:
    assert fires(rule("empty"), {"empty": True}, {}) == [True, False]


@pytest.mark.parametrize(
    ("name", "rule_id", "reason"),
    [
        ("hosts", "optout_domain:hosts", Reason.OPTOUT_DOMAIN),
        ("pages", "optout_url:pages", Reason.OPTOUT_URL),
        ("folders", "optout_url:folders", Reason.OPTOUT_URL),
        ("works", "takedown:works", Reason.TAKEDOWN),
    ],
)
def test_a_list_fires_where_an_entry_matched_and_names_the_entry(
    name: str, rule_id: str, reason: Reason
) -> None:
    own = rule(rule_id)
    hits = own.fires(signals({list_column(name): 0}, {}, {list_column(name): 41}))
    assert hits.mask.tolist() == [True, False, True]
    assert hits.entry is not None
    assert hits.entry.tolist() == [0, -1, 41]
    assert own.facts.reason is reason
    assert own.facts.list_id == name


def test_a_list_that_is_not_applied_has_no_rule() -> None:
    ids = {r.facts.rule_id for r in rules(lists=LISTS, rights={"lists": ["pages"]})}
    assert "optout_url:pages" in ids
    assert not any(other in rule_id for other in ("hosts", "works") for rule_id in ids)


def test_no_source_quarantines_documents_without_an_address_while_a_list_is_applied() -> None:
    own = rule("no_source")
    assert fires(own, {"no_url": True}, {}) == [True, False]
    assert own.facts.action == "quarantine"
    ids = [r.facts.rule_id for r in rules(rights={"require_source": True})]
    assert "no_source" not in ids


def test_an_ambiguous_address_is_quarantined_while_a_list_is_applied() -> None:
    own = rule("ambiguous_url")
    assert fires(own, {"ambiguous_url": True}, {}) == [True, False]
    assert own.facts.action == "quarantine"
    assert "ambiguous_url" not in [r.facts.rule_id for r in rules()]


def test_a_licence_fires_if_known_and_not_allowed() -> None:
    own = rule("licence_not_allowed")
    refused = {"licence": "GPL-3.0-only", "licence_allowed": False}
    unknown = {"licence": "unknown", "licence_allowed": False}
    assert fires(own, refused, unknown, {}) == [True, False, False]


def test_unknown_rights_fire_only_where_the_job_drops_them() -> None:
    states = [{"rights_state": state} for state in ("unknown", "allow", "deny")]
    assert fires(rule("rights_unknown"), *states) == [True, False, False]
    assert "rights_unknown" not in [r.facts.rule_id for r in rules()]


def test_unknown_rights_can_be_flagged_or_dropped_by_kind_of_source() -> None:
    flagged = rules(rights={"unknown_policy": "flag"})
    own = next(r for r in flagged if r.facts.rule_id == "rights_unseen")
    assert fires(own, {"rights_state": "unknown"}, {}) == [True, False]
    assert (own.facts.action, own.facts.reason) == ("flag", None)
    kept = rules(rights={"unknown_policy": "drop", "unknown_by_kind": {"other": "keep"}})
    assert not any(r.facts.rule_id.startswith("rights_un") for r in kept)


def test_language_fires_on_another_one_and_on_a_doubtful_one() -> None:
    own = rule("language")
    rows = [
        {"lang": "fr"}, {"lang": "zh"}, {"lang": "und", "lang_score": 0.0},
        {"lang_score": 0.49}, {"lang_score": 0.5},
    ]  # fmt: skip
    assert fires(own, *rows) == [True, False, True, True, False]
    hits = own.fires(signals(*rows))
    assert hits.score is not None
    assert hits.score.tolist() == pytest.approx([0.99, 0.99, 0.0, 0.49, 0.5])
    assert hits.threshold is not None
    assert hits.threshold.tolist() == [0.5] * 5


def test_a_least_score_alone_allows_every_language() -> None:
    own = rule("language", language={"min_score": 0.5})
    assert fires(own, {"lang": "fr"}, {"lang": "fr", "lang_score": 0.1}) == [False, True]
    assert "language" not in [r.facts.rule_id for r in rules()]
    off = {"enabled": False, "allow": ["en"]}
    assert "language" not in [r.facts.rule_id for r in rules(language=off)]


def test_toxicity_fires_from_the_threshold_of_the_language_and_never_without_a_score() -> None:
    own = rule("toxicity")
    rows = [
        {"toxicity": 0.5}, {"toxicity": 0.499}, {"lang": "zh", "toxicity": 0.6},
        {"lang": "zh", "toxicity": 0.95}, {"lang": "fr", "toxicity": 1.0}, {"toxicity": None},
    ]  # fmt: skip
    assert fires(own, *rows) == [True, False, False, True, False, False]
    hits = own.fires(signals(*rows))
    assert hits.score is not None
    assert np.isnan(hits.score[5])
    assert hits.threshold is not None
    assert np.isnan(hits.threshold[4])


def test_a_language_whose_names_no_model_reads_is_flagged_or_removed() -> None:
    rows = [{"lang": code} for code in ("en", "zh", "zh-Hant", "de", "und")]
    flags = rule("names_unread", personal_data={"unread": "flag"})
    assert fires(flags, *rows) == [False, False, False, True, True]
    assert (flags.facts.action, flags.facts.reason) == ("flag", None)
    removes = rule("names_unread", personal_data={"unread": "remove"})
    assert fires(removes, *rows) == [False, False, False, True, True]
    assert (removes.facts.action, removes.facts.reason) == ("remove", Reason.NAMES_UNREAD)
    without = rules(personal_data={"ner": "off", "unread": "remove"})
    assert "names_unread" not in {one.facts.rule_id for one in without}


def test_personal_data_fires_on_the_count_and_on_a_minor() -> None:
    own = rule("pii_dense")
    rows = [{"pii_sensitive": 2}, {"pii_sensitive": 3}, {"pii_minor": True}]
    assert fires(own, *rows) == [False, True, False]
    assert fires(rule("pii_minor"), *rows) == [False, False, True]
    flagged = rule("pii_minor", personal_data={"minors": "flag"})
    assert (flagged.facts.action, flagged.facts.reason) == ("flag", None)
    stricter = rule("pii_dense", personal_data={"max_sensitive": 1})
    assert fires(stricter, {"pii_sensitive": 1}, {}) == [True, False]
    off = rules(personal_data={"enabled": False})
    assert "pii_dense" not in [r.facts.rule_id for r in off]


# Which one decides


BAD: dict[str, dict[str, Any]] = {
    "empty": {"empty": True},
    "takedown:works": {"list:works": 1},
    "optout_domain:hosts": {"list:hosts": 1},
    "optout_url:pages": {"list:pages": 1},
    "optout_url:folders": {"list:folders": 1},
    "no_source": {"no_url": True},
    "ambiguous_url": {"ambiguous_url": True},
    "licence_not_allowed": {"licence": "GPL-3.0-only", "licence_allowed": False},
    "rights_reserved": {"rights_state": "deny", "rights_reserved": True},
    "rights_unknown": {"rights_state": "unknown"},
    "language": {"lang_score": 0.1},
    "toxicity": {"toxicity": 0.8},
    "pii_dense": {"pii_sensitive": 9},
    "pii_minor": {"pii_minor": True},
    "names_unread": {"lang": "de"},
    "pii_dropped": {"pii_kinds": "EMAIL_ADDRESS:general US_SSN:sensitive"},
}
"""Rules in the order they decide, and signals on which each one alone fires."""


def test_rules_stand_in_the_order_of_the_checks() -> None:
    assert [r.facts.rule_id for r in rules(**EVERYTHING)] == list(BAD)


@pytest.mark.parametrize("rule_id", list(BAD))
def test_a_rule_that_fires_alone_decides(rule_id: str) -> None:
    policy = rules(**EVERYTHING)
    verdict = judge(policy, signals(BAD[rule_id]))
    fired = [r.facts.rule_id for r, hits in zip(policy, verdict.hits, strict=True) if hits.mask[0]]
    assert fired == [rule_id]
    decided = policy[verdict.terminal[0]].facts
    assert decided.rule_id == rule_id
    assert verdict.reason.tolist() == [REASON_CODES[decided.reason]] if decided.reason else False


@given(st.lists(st.sets(st.sampled_from(list(BAD))), max_size=6))
def test_the_first_enforced_rule_decides_and_all_that_fired_are_told(
    rows: list[set[str]],
) -> None:
    policy = rules(**EVERYTHING)
    verdict = judge(policy, signals(*(_merged(names) for names in rows)))
    order = list(BAD)
    for number, names in enumerate(rows):
        fired = {
            r.facts.rule_id
            for r, hits in zip(policy, verdict.hits, strict=True)
            if hits.mask[number]
        }
        assert fired == names
        first = min((order.index(name) for name in names), default=-1)
        assert verdict.terminal[number] == first
        reason = policy[first].facts.reason if names else None
        assert words(verdict)[number] == (reason.value if reason else None)


def _merged(names: set[str]) -> dict[str, Any]:
    return {key: value for name in sorted(names) for key, value in BAD[name].items()}


def test_takedown_decides_before_opt_out() -> None:
    verdict = judge(rules(**EVERYTHING), signals({"list:hosts": 3, "list:works": 4}))
    assert words(verdict) == ["takedown"]


def test_a_shadow_rule_is_recorded_and_never_decides() -> None:
    policy = rules(**EVERYTHING, toxicity={"mode": "shadow"})
    verdict = judge(policy, signals({"toxicity": 0.9}, {"toxicity": 0.9, "pii_sensitive": 9}))
    shadow = [r.facts.rule_id for r in policy].index("toxicity")
    assert policy[shadow].facts.mode == "shadow"
    assert verdict.hits[shadow].mask.tolist() == [True, True]
    assert words(verdict) == [None, "pii_dense"]


@given(st.lists(st.sets(st.sampled_from(list(BAD))), max_size=6), st.sampled_from(LISTS), st.data())
def test_adding_a_list_entry_only_adds_removals(
    rows: list[set[str]], item: dict[str, str], data: st.DataObject
) -> None:
    before = [_merged(names) for names in rows]
    name = list_column(item["name"])
    after = [
        {**row, name: 7} if name not in row and data.draw(st.booleans()) else row for row in before
    ]
    policy = rules(**EVERYTHING)
    first = judge(policy, signals(*before)).reason
    second = judge(policy, signals(*after)).reason
    lists = {REASON_CODES[r] for r in (Reason.OPTOUT_DOMAIN, Reason.OPTOUT_URL, Reason.TAKEDOWN)}
    for old, new, was, now in zip(first, second, before, after, strict=True):
        assert new != 0 or old == 0  # nothing comes back
        if was == now:
            assert old == new  # and nobody else's document is touched
        elif old != new:
            assert new in lists


# What the manifest says of them


def test_every_rule_says_what_it_does_on_what_basis() -> None:
    for facts in (
        *(r.facts for r in rules(**EVERYTHING)),
        *late_rules_of(job(**EVERYTHING)),
    ):
        assert facts.meaning.endswith(".")
        assert facts.basis
        assert facts.mode in {"enforce", "shadow", "off"}
        assert facts.action in {"remove", "quarantine", "transform", "flag"}
        assert (facts.reason is None) == (facts.action in {"transform", "flag"})
        if facts.reason:
            quarantines = facts.action == "quarantine"
            assert quarantines == (facts.reason in QUARANTINE_REASONS)


def test_rule_ids_are_unique() -> None:
    ids = [r.facts.rule_id for r in rules(**EVERYTHING)]
    ids += [facts.rule_id for facts in late_rules_of(job())]
    assert len(set(ids)) == len(ids)


def test_late_rules_follow_the_job() -> None:
    on = {facts.rule_id: facts for facts in late_rules_of(job())}
    assert list(on) == [
        "optout_dup",
        "dup_url",
        "dup_exact",
        "dup_near",
        "dup_contained",
        "boilerplate",
        "cut",
        "detector_failed",
        "pii_dropped_late",
        "redact",
    ]
    assert on["optout_dup"].action == "remove"
    assert {name for name in on if on[name].mode != "enforce"} == {
        "boilerplate",
        "cut",
        "dup_contained",
        "dup_url",
    }
    parts = {
        "deduplication": {
            "near": {"containment": 0.9},
            "url": "newest",
            "passages": {"unit": "line"},
        }
    }
    assert {facts.mode for facts in late_rules_of(job(**parts))} == {"enforce"}
    off = {
        facts.rule_id: facts
        for facts in late_rules_of(
            job(
                rights={"optout_copies": "flag"},
                deduplication={"exact": False, "near": {"enabled": False}},
                personal_data={"enabled": False},
            )
        )
    }
    assert off["optout_dup"].action == "flag"
    assert {off[name].mode for name in ("dup_exact", "dup_near", "redact")} == {"off"}
    assert off["detector_failed"].mode == "enforce"


def test_the_digest_of_the_policy_changes_with_what_decides_only() -> None:
    facts = [r.facts for r in rules(**EVERYTHING)]
    digest = policy_digest(facts)
    assert digest == policy_digest([r.facts for r in rules(**EVERYTHING)])
    assert digest == policy_digest([replace(facts[0], meaning="Said otherwise."), *facts[1:]])
    assert digest != policy_digest(facts[::-1])
    for change in ({"mode": "shadow"}, {"version": 2}, {"parameters": {"x": 1}}):
        assert digest != policy_digest([replace(facts[0], **change), *facts[1:]])  # type: ignore[arg-type]


def test_hits_hold_nothing_by_default() -> None:
    hits = Hits(np.zeros(2, dtype=bool))
    assert (hits.score, hits.threshold, hits.entry) == (None, None, None)
