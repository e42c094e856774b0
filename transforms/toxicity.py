# SPDX-License-Identifier: Apache-2.0
"""Measure the toxicity of texts: the highest score of any window, by a model for each language.

Text is folded (`folding`), cut into overlapping windows, and scored by the fastText models that
this project trains (`infra/models`). The maximum is kept, so a toxic sentence stays visible in a
long benign document (reliability case 77). A score is a signal, not a decision: the threshold of
each model is in its declaration, its measurement in `MODEL_CARD.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..schemas.errors import StageError
from .fasttext_linear import load_linear, max_scores
from .folding import fold_text
from .models import ModelFile, bundled_models, verify_model

CUTS: Mapping[str, tuple[int, int, int]] = MappingProxyType(
    {"en": (24, 12, 40), "zh": (48, 24, 60)}
)
"""Window and stride in tokens (words, Chinese characters), and the features a window counts as
having at least. Measured on held-out data at 1 % of long clean documents flagged: longer windows
hide a toxic tweet in a document (24/12 finds .81 of them, 40/10 .54), shorter ones miss toxic posts
alone (recall .50 with 16/4, .55 with 24/12); the last number raises AUC on short texts, for Chinese
identity sentences from .64 to .80."""

_POSITIVE = "1"
_DECIMALS = 4  # float sums in another order differ by 1e-7; four decimals make scores equal


def bundled_toxicity_models() -> dict[str, ModelFile]:
    """Return the bundled toxicity models by language (ISO 639-1).

    Raises:
        ModelError: The package data is missing.
    """
    return {
        language: model
        for model in bundled_models()
        if model.name.startswith("toxicity_")
        for language in model.languages
    }


class ToxicityModels:
    """Verified toxicity models in memory, one a language; pickles as its declarations.

    Args:
        models: The model of each language (ISO 639-1); the bundled ones if not given.

    Raises:
        ModelError: A file is missing, is not the declared one, or is no two-label model.
    """

    def __init__(self, models: Mapping[str, ModelFile] | None = None) -> None:
        self.models = dict(
            sorted((bundled_toxicity_models() if models is None else models).items())
        )
        self._linear = {}
        for language, model in self.models.items():
            verify_model(model)
            self._linear[language] = load_linear(model.path, _POSITIVE)

    def __reduce__(self) -> tuple[type[ToxicityModels], tuple[dict[str, ModelFile]]]:
        return type(self), (self.models,)

    def score(self, texts: pa.Array, langs: pa.Array) -> pa.RecordBatch:
        """Score each text with the model of its language.

        Args:
            texts: `string` or `large_string`, length n; null counts as empty.
            langs: `string`, length n: ISO 639-1 codes, as `LanguageModel.identify` gives them.

        Returns:
            `toxicity` (float32): the highest probability of any window in [0, 1], rounded to 1e-4,
            0 for a text without words, null where no model has the language; `toxicity_model`
            (dictionary of string): `name@version` of the model, null likewise. Both of length n.

        Raises:
            ValueError: The two arrays differ in length.
            StageError: A score is not a number (reliability case 78).
        """
        if len(texts) != len(langs):
            msg = f"expected one language a text, got {len(langs)} for {len(texts)} texts"
            raise ValueError(msg)
        scores = np.zeros(len(texts), np.float32)
        codes = np.full(len(texts), -1, np.int8)
        names = [f"{model.name}@{model.version}" for model in self.models.values()]
        for code, (language, linear) in enumerate(self._linear.items()):
            chosen = pc.fill_null(pc.equal(langs, language), fill_value=False)
            rows = np.flatnonzero(chosen.to_numpy(zero_copy_only=False))
            if not len(rows):
                continue
            window, stride, least = CUTS.get(language, CUTS["en"])
            tokens = fold_text(texts.filter(chosen))
            found = max_scores(linear, tokens, window=window, stride=stride, least=least)
            if not np.isfinite(found).all():
                msg = f"model {names[code]}: expected scores in [0, 1], got a value that is none"
                raise StageError(msg)
            scores[rows] = np.round(np.clip(found, 0.0, 1.0), _DECIMALS)
            codes[rows] = code
        unknown = codes < 0
        return pa.record_batch(
            {
                "toxicity": pa.array(scores, pa.float32(), mask=unknown),
                "toxicity_model": pa.DictionaryArray.from_arrays(
                    pa.array(codes, pa.int8(), mask=unknown), pa.array(names, pa.string())
                ),
            }
        )
