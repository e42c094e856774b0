# SPDX-License-Identifier: Apache-2.0
"""`explain` tells what became of a document, why, and what would have changed it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from muniment.pipelines.explain import (
    counterfactual,
    explain,
    explain_everywhere,
    render_text,
)
from muniment.pipelines.release import Release, open_release
from muniment.schemas.errors import QueryError
from muniment.schemas.reasons import QUARANTINE_REASONS, Reason
from release_fixture import STORY, build_release, doc_id, tables, write_release

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    output = tmp_path_factory.mktemp("story")
    build_release(output)
    return open_release(output)


def explained(release: Release, number: int) -> dict[str, Any]:
    return explain(release, doc_id(number).hex())


@pytest.mark.parametrize("story", STORY, ids=lambda story: str(story[0]))
def test_every_document_of_the_story_is_explained(release: Release, story: tuple[Any, ...]) -> None:
    number, outcome, reason, host, *_ = story
    found = explained(release, number)
    assert found["document"]["outcome"] == outcome
    assert found["document"]["host"] == host
    terminal = [row["reason"] for row in found["decisions"] if row["terminal"]]
    assert terminal == ([reason] if reason else [])
    assert (found["corpus"] is not None) == (outcome == "kept")
    assert json.loads(json.dumps(found)) == found
    assert f"outcome    {outcome}" in render_text(found)


def test_a_rule_is_given_with_its_meaning_its_basis_and_its_list_entry(release: Release) -> None:
    first = explained(release, 3)["decisions"][0]
    assert first["rule_id"] == "optout"
    assert first["meaning"] == "Opted-out places leave."
    assert first["basis"] == "EU 2019/790 Art. 4(3)"
    assert (first["list_id"], first["list_version"], first["list_entry"]) == ("optouts", "1", 7)


def test_a_document_that_two_rules_remove_is_kept_only_if_both_change(release: Release) -> None:
    found = explained(release, 3)["counterfactual"]
    assert found == {
        "also_removed_by": ["toxicity"],
        "kept_if": [
            "optout: entry 7 of list optouts were not there",
            "toxicity: the threshold were above 0.9 (it was 0.7)",
        ],
        "removed_if": [],
        "not_asked": [],
    }
    assert "kept only if all of these held" in render_text(explained(release, 3))


@pytest.mark.parametrize(
    ("number", "way_out"),
    [
        (4, "toxicity: the threshold were above 0.92 (it was 0.7)"),
        (7, "near-duplicate: the threshold were above 0.91 (it was 0.8)"),
        (30, "near-duplicate: the threshold were above 0.8 (it was 0.8)"),
        # A language fires below its threshold, so the way out is the other way round.
        (8, "language: the threshold were at most 0.3 (it was 0.5)"),
        (6, f"exact-duplicate: document {doc_id(5).hex()} were not there"),
        (26, "licence: licence GPL-3.0-only were allowed"),
        (14, "not-empty: it held text"),
        (9, "strict-reader: it could be judged"),
    ],
)
def test_the_way_out_fits_the_rule(release: Release, number: int, way_out: str) -> None:
    assert explained(release, number)["counterfactual"]["kept_if"] == [way_out]


@pytest.mark.parametrize("reason", [r for r in Reason if r not in QUARANTINE_REASONS])
@pytest.mark.parametrize("evidence", ["score", "list", "partner", "none"])
def test_every_reason_has_a_way_out_that_is_more_than_no_rule(
    release: Release, reason: Reason, evidence: str
) -> None:
    """Whatever evidence a rule gives; without any, what would have had to be otherwise."""
    document = explained(release, 4)["document"] | {"rights_signal": "tdmrep"}
    row = dict.fromkeys(("score", "threshold", "list_id", "list_entry", "partner_id"))
    row |= {"rule_id": "r", "mode": "enforce", "action": "remove", "terminal": True}
    row |= {
        "score": {"score": 0.7, "threshold": 0.6},
        "list": {"list_id": "optouts", "list_entry": 3},
        "partner": {"partner_id": "ab" * 16},
        "none": {},
    }[evidence] | {"reason": reason.value}
    (way,) = counterfactual(document, [row])["kept_if"]
    always_scored = {Reason.TOXIC, Reason.DUP_NEAR, Reason.DUP_CONTAINED}
    always_listed = {
        *(Reason.OPTOUT_DOMAIN, Reason.OPTOUT_URL, Reason.OPTOUT_AUTHOR, Reason.OPTOUT_DUP),
        *(Reason.TAKEDOWN, Reason.ERASURE, Reason.DUP_EXACT, Reason.DUP_URL),
    }
    if evidence != "none" or reason not in always_scored | always_listed:
        assert "the rule were off" not in way
    assert "{" not in way


def test_rules_that_only_survivors_are_asked_are_named(tmp_path: Path) -> None:
    made = tables()
    made["rules"].append(made["rules"][0] | {"rule_id": "boilerplate", "action": "remove"})
    write_release(tmp_path, made)
    release = open_release(tmp_path)
    assert explained(release, 4)["counterfactual"]["not_asked"] == ["boilerplate"]
    assert "only survivors are asked" in render_text(explained(release, 4))
    assert explained(release, 1)["counterfactual"]["not_asked"] == []


def test_a_copy_of_an_opted_out_document_has_two_ways_out() -> None:
    row = {
        "rule_id": "optout_dup",
        "mode": "enforce",
        "action": "remove",
        "terminal": True,
        "score": 0.85,
        "threshold": 0.8,
        "list_id": None,
        "list_entry": None,
        "partner_id": "ab" * 16,
        "reason": "optout_dup",
    }
    (way,) = counterfactual({"outcome": "removed"}, [row])["kept_if"]
    assert way == (
        f"optout_dup: document {'ab' * 16} were not opted out, or the threshold were above 0.85 "
        "(it was 0.8)"
    )


def test_a_rule_in_shadow_says_what_it_would_have_done(release: Release) -> None:
    assert explained(release, 18)["counterfactual"] == {
        "also_removed_by": [],
        "kept_if": [],
        "removed_if": ["rule toxicity-zh were enforced"],
        "not_asked": [],
    }
    # Removed anyway: the shadow changes nothing.
    assert explained(release, 10)["counterfactual"]["removed_if"] == []


def test_a_duplicate_names_its_partner_and_score(release: Release) -> None:
    (row,) = explained(release, 7)["duplicates"]
    assert (row["role"], row["partner_id"], row["jaccard"]) == (
        "near_copy",
        doc_id(5).hex(),
        0.91,
    )
    assert "copies an opted-out document" in render_text(explained(release, 17))


def test_personal_data_is_counted_by_type(release: Release) -> None:
    (row,) = explained(release, 2)["personal_data"]
    assert (row["entity_type"], row["n_found"], row["n_redacted"]) == ("EMAIL", 2, 2)
    assert "EMAIL (general): 2 found, 2 replaced" in render_text(explained(release, 2))


def test_the_place_is_an_offset_in_a_stream_or_a_row_of_a_row_group(release: Release) -> None:
    assert explained(release, 7)["place"]["offset"] == 6000
    assert explained(release, 7)["place"]["where"] == "1000 bytes at offset 6000"
    assert (
        explained(release, 28)["place"]["where"] == "1000 bytes at offset 1000 of the stream in gz"
    )
    place = explained(release, 26)["place"]
    assert (place["path"], place["row_group"], place["row"]) == ("wiki.parquet", 1, 2)


def test_a_kept_document_says_where_it_is_in_the_corpus(release: Release) -> None:
    assert explained(release, 2)["corpus"] == {"file": "corpus/part-00000.parquet", "row": 1}


def test_the_start_of_an_id_is_enough_if_it_is_unique(release: Release, tmp_path: Path) -> None:
    assert explain(release, "0A0A0A")["document"]["doc_id"] == doc_id(10).hex()
    made = tables()
    made["documents"][0]["doc_id"] = doc_id(2)[:-1] + b"\0"
    write_release(tmp_path, made)
    with pytest.raises(QueryError, match="more than one document id starts with 020202"):
        explain(open_release(tmp_path), "020202")


def test_an_address_is_found_by_its_keyed_hash(release: Release) -> None:
    def hasher(url: str) -> bytes:
        assert url == "https://www.a.example/1"
        return bytes([101]) * 16

    found = explain(release, "https://www.a.example/1", url_hasher=hasher)
    assert found["document"]["doc_id"] == doc_id(1).hex()
    assert found["same_address"] == []


def test_an_address_with_several_documents_names_the_others(tmp_path: Path) -> None:
    made = tables()
    for row in made["documents"][:3]:
        row["url_hash"] = bytes([7]) * 16
    write_release(tmp_path, made)
    found = explain(
        open_release(tmp_path), "https://a.example/", url_hasher=lambda _: bytes([7]) * 16
    )
    assert found["document"]["doc_id"] == doc_id(1).hex()
    assert found["same_address"] == [doc_id(2).hex(), doc_id(3).hex()]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("ff" * 16, "no document of this release has this id, address or text"),
        ("https://a.example/", "give the key file"),
        ("0102", "expected an address, or the 6 to 32 first digits"),
        ("' OR 1=1 --", "expected an address"),
    ],
)
def test_a_target_that_means_no_document_is_an_error(
    release: Release, target: str, message: str
) -> None:
    with pytest.raises(QueryError, match=message):
        explain(release, target)


def test_hostile_words_are_shown_not_obeyed(tmp_path: Path) -> None:
    made = tables()
    made["documents"][0]["host"] = "a\x1b[31m\u202egnp.example"
    write_release(tmp_path, made)
    text = render_text(explain(open_release(tmp_path), doc_id(1).hex()))
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_a_text_is_found_by_its_keyed_hash(tmp_path: Path) -> None:
    made = tables()
    for row in made["documents"][4:6]:
        row["text_hash"] = bytes([9]) * 16
    made["documents"][8]["text_hash"] = None
    write_release(tmp_path, made)
    found = explain(open_release(tmp_path), "09" * 16)
    assert found["document"]["doc_id"] == doc_id(9).hex()  # an id goes before a hash
    made["documents"][4]["text_hash"] = made["documents"][5]["text_hash"] = b"\xee" * 16
    write_release(tmp_path / "b", made)
    found = explain(open_release(tmp_path / "b"), "ee" * 16)
    assert found["document"]["doc_id"] == doc_id(5).hex()
    assert found["same_address"] == [doc_id(6).hex()]


def test_every_release_of_the_folder_is_asked(tmp_path: Path) -> None:
    first = write_release(tmp_path, tables())
    made = tables()
    made["documents"] = [row for row in made["documents"] if row["doc_id"] != doc_id(4)]
    second = write_release(tmp_path, made)
    found = explain_everywhere(open_release(tmp_path), doc_id(4).hex())
    assert found["release"] == first
    assert {fate["release"]: fate["outcome"] for fate in found["releases"]} == {
        first: "removed",
        second: None,
    }
    assert (
        "toxicity: the threshold were above 0.92 (it was 0.7)"
        in found["releases"][sorted((first, second)).index(first)]["kept_if"]
    )
    text = render_text(found)
    assert f"- {first} removed: toxic by toxicity" in text
    assert f"- * {second} does not know it" in text
    with pytest.raises(QueryError, match="no document"):
        explain_everywhere(open_release(tmp_path), "ee" * 16)


def test_evidence_is_given_by_offset(release: Release) -> None:
    found = explained(release, 2)
    places = [(row["start"], row["end"]) for row in found["spans"]]
    assert places == sorted(places)
    for row in found["spans"]:
        assert f"{row['entity_type']} at {row['start']} to {row['end']}" in render_text(found)
    assert places
