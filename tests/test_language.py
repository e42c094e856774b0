# SPDX-License-Identifier: Apache-2.0
"""What language a text is in, from a bounded sample of it."""

from __future__ import annotations

import pickle

import fasttext
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.schemas.errors import ModelError, StageError
from muniment.transforms import language
from muniment.transforms.language import LanguageModel, sample_text
from muniment.transforms.models import bundled_model

SENTENCES = {
    "en": "All human beings are born free and equal in dignity and rights.",
    "de": "Alle Menschen sind frei und gleich an Würde und Rechten geboren.",
    "fr": "Tous les êtres humains naissent libres et égaux en dignité et en droits.",
    "es": "Todos los seres humanos nacen libres e iguales en dignidad y derechos.",
    "ru": "Все люди рождаются свободными и равными в своем достоинстве и правах.",
    "ja": "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
    "ar": "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق.",
    "ko": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
}


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return LanguageModel(bundled_model("lid.176"))


def test_sentences_of_many_languages_are_named_by_their_iso_code(model: LanguageModel) -> None:
    found = model.identify(pa.array(SENTENCES.values()))
    assert found["lang"].to_pylist() == list(SENTENCES)
    assert found.schema == pa.schema({"lang": pa.string(), "lang_score": pa.float32()})
    assert min(found["lang_score"].to_pylist()) > 0.6


def test_simplified_and_traditional_chinese_are_both_zh(model: LanguageModel) -> None:
    texts = ["人人生而自由,在尊严和权利上一律平等。", "人人生而自由,在尊嚴和權利上一律平等。"]
    assert model.identify(pa.array(texts))["lang"].to_pylist() == ["zh", "zh"]


def test_upper_case_does_not_change_the_language(model: LanguageModel) -> None:
    shouted = [text.upper() for text in SENTENCES.values()]
    assert model.identify(pa.array(shouted))["lang"].to_pylist() == list(SENTENCES)


def test_a_text_without_letters_is_undetermined_with_score_0(model: LanguageModel) -> None:
    found = model.identify(pa.array([None, "", "  \n\t", "123 + 456 = 579 !!!"]))
    assert found["lang"].to_pylist() == ["und"] * 4
    assert found["lang_score"].to_pylist() == [0.0] * 4


def test_no_texts_give_no_rows_of_the_same_schema(model: LanguageModel) -> None:
    found = model.identify(pa.array([], pa.string()))
    assert found.num_rows == 0
    assert found.schema == model.identify(pa.array(["a"])).schema


def test_two_texts_are_two_results(model: LanguageModel) -> None:
    found = model.identify(pa.array([SENTENCES["fr"], SENTENCES["de"]]))
    assert found["lang"].to_pylist() == ["fr", "de"]


def test_slices_and_large_strings_give_the_same_as_plain_arrays(model: LanguageModel) -> None:
    texts = pa.array([None, *SENTENCES.values()])
    whole = model.identify(texts)
    assert model.identify(texts.slice(3)).equals(whole.slice(3))
    assert model.identify(texts.cast(pa.large_string())).equals(whole)


def test_a_row_does_not_depend_on_its_neighbours(model: LanguageModel) -> None:
    texts = list(SENTENCES.values())
    alone = [model.identify(pa.array([text])).to_pylist()[0] for text in texts]
    assert model.identify(pa.array(texts)).to_pylist() == alone


def test_scores_are_rounded_so_that_machines_agree(model: LanguageModel) -> None:
    for score in model.identify(pa.array(SENTENCES.values()))["lang_score"].to_pylist():
        assert 0 <= score <= 1
        assert score * 10_000 == pytest.approx(round(score * 10_000), abs=1e-2)


def test_labels_and_scores_are_those_of_the_fasttext_library(model: LanguageModel) -> None:
    library = fasttext.load_model(str(model.model.path))
    texts = [
        f"{a}\n{b}" for a in SENTENCES.values() for b in [*SENTENCES.values(), "", "X", "吾輩"]
    ]
    found = model.identify(pa.array(texts), sample_chars=80)
    samples = pc.utf8_lower(sample_text(pa.array(texts), sample_chars=80))
    for lang, score, sample in zip(*found, samples, strict=True):
        labels, scores = library.predict(sample.as_py())
        assert lang.as_py() == labels[0].removeprefix("__label__")
        assert score.as_py() == pytest.approx(min(scores[0], 1), abs=1.01e-4)


def test_chinese_languages_and_han_without_kana_are_zh(model: LanguageModel) -> None:
    library = fasttext.load_model(str(model.model.path))
    texts = {"東京都": "ja", "你哋喺邊度呀,我哋而家去食飯": "yue"}
    assert [library.predict(text)[0][0][len("__label__") :] for text in texts] == [*texts.values()]
    assert model.identify(pa.array(list(texts)))["lang"].to_pylist() == ["zh", "zh"]
    assert model.identify(pa.array(["東京都へ"]))["lang"].to_pylist() == ["ja"]


def test_a_score_that_is_no_number_stops_the_stage(
    model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    for label, score in ((0, np.nan), (-1, 0.0)):
        found = np.array([label], np.int32), np.array([score])
        monkeypatch.setattr(language, "best_labels", lambda *_, found=found: found)
        with pytest.raises(StageError, match=r"lid\.176"):
            model.identify(pa.array(["a"]))


def test_a_model_without_languages_is_refused() -> None:
    with pytest.raises(ModelError, match="hierarchical softmax"):
        LanguageModel(bundled_model("toxicity_en"))


def test_a_foreign_header_does_not_decide_a_long_document(model: LanguageModel) -> None:
    header = "Copyright notice. " * 5
    body = SENTENCES["de"] * 100
    assert model.identify(pa.array([header + body]))["lang"].to_pylist() == ["de"]


def test_a_model_pickles_as_its_declaration(model: LanguageModel) -> None:
    again = pickle.loads(pickle.dumps(model))
    assert again.model == model.model


def test_the_sample_is_the_beginning_and_the_middle() -> None:
    assert sample_text(pa.array(["abcdefghijklmnop"]), sample_chars=4).to_pylist() == ["ab ij"]
    assert sample_text(pa.array(["abc"]), sample_chars=10).to_pylist() == ["abc"]
    assert sample_text(pa.array(["a\nb\tc"]), sample_chars=10).to_pylist() == ["a b c"]


def test_a_sample_needs_two_characters() -> None:
    with pytest.raises(ValueError, match="at least 2, got 1"):
        sample_text(pa.array(["a"]), sample_chars=1)


@given(st.lists(st.none() | st.text(max_size=60), max_size=8), st.integers(2, 30))
def test_a_sample_is_one_valid_line_of_bounded_length(
    texts: list[str | None], sample_chars: int
) -> None:
    found = sample_text(pa.array(texts, pa.string()), sample_chars=sample_chars)
    found.validate(full=True)
    for text, sample in zip(texts, found.to_pylist(), strict=True):
        assert len(sample) <= sample_chars + 1
        assert "\n" not in sample
        if text is None or len(text) <= sample_chars // 2:
            assert sample == "".join(max(char, " ") for char in text or "")
