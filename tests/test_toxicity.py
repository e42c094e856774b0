# SPDX-License-Identifier: Apache-2.0
"""How toxic a text is: at its worst window, whatever its spelling and length (cases 76-78)."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import pickle
import re
import struct
import subprocess
import sys
from pathlib import Path

import fasttext
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.schemas.errors import ModelError, StageError
from muniment.transforms import toxicity
from muniment.transforms.fasttext_linear import LinearModel, load_linear, max_scores
from muniment.transforms.folding import fold_text
from muniment.transforms.models import bundled_model
from muniment.transforms.toxicity import ToxicityModels

INSULT = "You are a stupid worthless idiot and a fucking piece of shit"
CALM = "The function returns a list of the files that were found in the given folder"


@pytest.fixture(scope="module")
def models() -> ToxicityModels:
    return ToxicityModels()


def score(models: ToxicityModels, text: str | None, lang: str = "en") -> float | None:
    found = models.score(pa.array([text], pa.string()), pa.array([lang]))
    value: float | None = found["toxicity"].to_pylist()[0]
    return value


def threshold(lang: str = "en") -> float:
    value = bundled_model(f"toxicity_{lang}").threshold
    assert value is not None
    return value


@functools.cache
def english() -> LinearModel:
    return load_linear(bundled_model("toxicity_en").path, "1")


def folded(text: str) -> str:
    value: str = fold_text(pa.array([text])).to_pylist()[0]
    return value


def test_insults_are_above_the_threshold_and_calm_text_far_below(models: ToxicityModels) -> None:
    assert score(models, INSULT) >= threshold()
    assert score(models, CALM) < 0.1
    assert score(models, "你们这些傻逼都去死", "zh") >= threshold("zh")
    assert score(models, "今天天气很好，我们一起去公园散步吧", "zh") < 0.1


def test_a_language_without_a_model_has_no_score(models: ToxicityModels) -> None:
    langs = pa.array(["fr", None, "und", "en"])
    found = models.score(pa.array([INSULT] * 4), langs)
    assert found["toxicity"].is_null().to_pylist() == [True, True, True, False]
    assert found["toxicity_model"].to_pylist() == [None, None, None, "toxicity_en@1"]
    assert found["toxicity"].type == pa.float32()


def test_an_empty_text_scores_0(models: ToxicityModels) -> None:
    for text in (None, "", " \n ", "?!", "https://example.org/path"):
        assert score(models, text) == 0.0


def test_texts_and_languages_must_be_as_many(models: ToxicityModels) -> None:
    with pytest.raises(ValueError, match="got 1 for 2 texts"):
        models.score(pa.array(["a", "b"]), pa.array(["en"]))


@pytest.mark.parametrize(
    "disguise",
    [
        str.upper,
        "\u200b".join,
        lambda text: text.translate({code: code + 0xFEE0 for code in range(33, 127)}),
        lambda text: text.translate(str.maketrans("aeopcxyi", "аеорсхуі")),
        lambda text: text.translate(str.maketrans("aios", "@10$")),
        lambda text: re.sub("([aeiou])", r"\1\1\1\1", text),
        lambda text: re.sub(r"(\w)(?=\w)", r"\1.", text),
        lambda text: "".join(f"&#{ord(char)};" for char in text),
    ],
    ids=["case", "invisible", "fullwidth", "look-alike", "leet", "stretched", "dotted", "entities"],
)
def test_spelling_tricks_do_not_hide_an_insult(models: ToxicityModels, disguise: object) -> None:
    assert callable(disguise)
    assert score(models, disguise(INSULT)) >= threshold()


def test_an_insult_in_100_kb_of_calm_text_is_seen(models: ToxicityModels) -> None:
    calm = f"{CALM}. " * 650
    assert len(calm) > 50_000
    assert score(models, calm * 2) < threshold()
    assert score(models, f"{calm}{INSULT}. {calm}") >= threshold()


def test_an_insult_at_the_very_end_of_a_long_text_is_seen(models: ToxicityModels) -> None:
    assert score(models, f"{CALM}. " * 3000 + INSULT) >= threshold()


def test_a_row_depends_neither_on_its_neighbours_nor_on_the_layout(
    models: ToxicityModels,
) -> None:
    texts = pa.array([INSULT, None, CALM, "你们这些傻逼", "x"])
    langs = pa.array(["en", "en", "en", "zh", "fr"])
    whole = models.score(texts, langs)
    for row in range(len(texts)):
        assert models.score(texts[row : row + 1], langs[row : row + 1]).equals(whole[row : row + 1])
    assert models.score(texts.cast(pa.large_string()), langs).equals(whole)


def test_models_pickle_as_their_declarations(models: ToxicityModels) -> None:
    again = pickle.loads(pickle.dumps(models))
    assert again.models == models.models


def test_a_changed_model_is_refused(tmp_path: Path) -> None:
    model = bundled_model("toxicity_en")
    copy = tmp_path / "m.ftz"
    copy.write_bytes(model.path.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(ModelError, match="expected sha256"):
        ToxicityModels({"en": dataclasses.replace(model, path=copy)})


def test_another_kind_of_fasttext_model_is_refused() -> None:
    with pytest.raises(ModelError, match="two-label"):
        ToxicityModels({"en": bundled_model("lid.176")})


def test_a_score_that_is_no_number_stops_the_stage(
    models: ToxicityModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toxicity, "max_scores", lambda *_, **__: np.array([np.nan]))
    with pytest.raises(StageError, match="toxicity_en@1"):
        score(models, INSULT)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_compiled_score_is_fasttexts_own(lang: str) -> None:
    path = bundled_model(f"toxicity_{lang}").path
    reference = fasttext.load_model(str(path))
    linear = load_linear(path, "1")
    texts = [INSULT, CALM, "a", "xyzzyqwert", "你们这些傻逼都去死", "naïve 中文 mixed f**k 100%"]
    for text in texts:
        tokens = folded(text)
        labels, values = reference.predict(tokens)
        expected = values[0] if labels[0] == "__label__1" else 1 - values[0]
        found = max_scores(linear, pa.array([tokens]), window=1000, stride=1000)[0]
        assert found == pytest.approx(expected, abs=3e-5)


@given(st.lists(st.sampled_from(["you", "idiot", "the", "qwert", "好"]), min_size=1, max_size=12))
def test_the_maximum_is_over_windows_scored_alone(tokens: list[str]) -> None:
    linear = english()
    cuts = range(0, max(1, len(tokens) - 2), 2)
    starts = [first for first in cuts if first == 0 or first + 2 < len(tokens)]
    windows = pa.array([" ".join(tokens[first : first + 4]) for first in starts])
    alone = max_scores(linear, windows, window=4, stride=2)
    whole = max_scores(linear, pa.array([" ".join(tokens)]), window=4, stride=2)
    assert whole[0] == pytest.approx(alone.max(), abs=1e-9)


def test_windows_leave_no_token_out() -> None:
    linear = english()
    with pytest.raises(ValueError, match="stride 5 and window 4"):
        max_scores(linear, pa.array(["a"]), window=4, stride=5)


def test_a_cut_off_model_file_is_refused(tmp_path: Path) -> None:
    data = bundled_model("toxicity_en").path.read_bytes()
    for size in (0, 10, 60, 5_000, len(data) // 2, len(data) - 8):
        path = tmp_path / "cut.ftz"
        path.write_bytes(data[:size])
        with pytest.raises(ModelError, match="two-label"):
            load_linear(path, "1")


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    data = bundled_model("toxicity_en").path.read_bytes()
    path = tmp_path / "nan.ftz"
    path.write_bytes(data[:-4] + struct.pack("<f", float("nan")))
    with pytest.raises(ModelError, match="two-label"):
        load_linear(path, "1")


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("You are a Stüpid Sh1t!", "you are a stupid shit"),
        ("a$$hole @sshole b!tch h0e", "asshole asshole bitch hoe"),
        ("mp3 24h 1st 2002 C3", "mp3 24h 1st 0 c3"),
        ("s t u p i d boy, s.t.u.p.i.d m.a.n", "stupid boy stupid man"),
        ("stuuuupid asssss", "stupid ass"),
        ("f**k f*** **bold** *", "f**k f*** bold"),
        ("don't can’t", "dont cant"),
        ("sh\u00adit fu&shy;ck &#115;hit &#x66;uck a&amp;b", "shit fuck shit fuck a b"),
        ("ｆｕｃｋ 𝓼𝓱𝓲𝓽 🅵🆄🅲🅺", "fuck shit fuck"),
        ("see https://x.y/z?q=1 or www.x.y/z now", "see or now"),
        ("0 1 2 3 4 no no no", "0 0 no no"),
        ("你是傻.逼ma？ 𠀀", "你 是 傻 逼 ma 𠀀"),
        ("", ""),
    ],
)
def test_folding(text: str, tokens: str) -> None:
    assert folded(text) == tokens


@given(st.lists(st.none() | st.text(max_size=80), max_size=6))
def test_folding_gives_clean_tokens_row_by_row(texts: list[str | None]) -> None:
    found = fold_text(pa.array(texts, pa.string()))
    found.validate(full=True)
    for text, tokens in zip(texts, found.to_pylist(), strict=True):
        assert tokens == " ".join(tokens.split())
        assert fold_text(pa.array([text], pa.string())).to_pylist() == [tokens]
        assert len(tokens.encode()) <= 2 * len((text or "").encode())


def test_folding_takes_strings_only() -> None:
    with pytest.raises(TypeError, match="int64"):
        fold_text(pa.array([1]))


def test_the_model_card_is_about_the_shipped_models() -> None:
    for lang in ("en", "zh"):
        model = bundled_model(f"toxicity_{lang}")
        card = (model.path.parent / "MODEL_CARD.md").read_text(encoding="utf-8")
        assert model.sha256 in card
        assert f" {model.threshold} |" in card


def test_the_published_accuracy_holds() -> None:
    root = Path(__file__).resolve().parents[1]
    data = Path(os.environ.get("MUNIMENT_SHARED_DATA", root.parent / "shared" / "data"))
    if not (data / "toxicity_en").is_dir():
        pytest.skip(f"no development data at {data}: set MUNIMENT_SHARED_DATA")
    script = root / "benchmarks" / "toxicity_accuracy.py"
    done = subprocess.run([sys.executable, script], check=True, capture_output=True, cwd=root)
    found = json.loads(done.stdout)
    assert found["en"]["tsd_trial"]["auc"]["value"] >= 0.86
    assert found["zh"]["cold_dev"]["auc"]["value"] >= 0.86
    assert found["en"]["long_clean_documents_flagged"]["value"] <= 0.02
    recalls = {name: item["value"] for name, item in found["en"]["recall_obfuscated"].items()}
    assert min(recalls.values()) >= recalls["none"] - 0.10
