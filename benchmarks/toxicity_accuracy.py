# SPDX-License-Identifier: Apache-2.0
"""Compute the published numbers of the shipped toxicity models again, as one JSON object.

Only data that the recipe holds out of training is used: `tsd_trial`, every tenth Davidson tweet,
COLD dev, the identity templates. Long clean documents are the descriptions and documentation of the
installed Python distributions, and what `--documents en=FOLDER zh=FOLDER` names. Proportions come
with n and a 95 % Wilson interval, AUC with a Hanley-McNeil interval.

    python benchmarks/toxicity_accuracy.py [--documents zh=FOLDER]
"""

from __future__ import annotations

import argparse
import csv
import gzip
import html
import importlib.metadata
import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from muniment.transforms.toxicity import ToxicityModels

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "infra" / "models"))
import train_toxicity as recipe  # the readers of the data, and what it holds out

Scores = npt.NDArray[np.float64]
Z = 1.959964  # the standard normal's 97.5 % point

LEET = str.maketrans("aioes", "@103$")
CYRILLIC = str.maketrans("aeopcxyi", "аеорсхуі")
FULLWIDTH = {code: code + 0xFEE0 for code in range(33, 127)}
OBFUSCATIONS: dict[str, Callable[[str], str]] = {
    "upper case": str.upper,
    "zero width": "\u200b".join,
    "look-alikes": lambda text: text.translate(CYRILLIC),
    "fullwidth": lambda text: text.translate(FULLWIDTH),
    "leet": lambda text: text.translate(LEET),
    "stretched": lambda text: re.sub(r"([aeiou])", r"\1\1\1\1", text),
    "dotted": lambda text: re.sub(r"(\w)(?=\w)", r"\1.", text),
    "starred": lambda text: re.sub(r"\b(\w)[aeiou](?=\w)", r"\1*", text),
    "entities": lambda text: "".join(f"&#{ord(char)};" for char in text),
}


def proportion(hits: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Return a share with n and its Wilson interval."""
    n = len(hits)
    if n == 0:
        return {"value": None, "n": 0}
    p = float(hits.mean())
    centre = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z * np.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
    return {
        "value": round(p, 4),
        "n": n,
        "ci95": [round(centre - half, 4), round(centre + half, 4)],
    }


def auc(labels: npt.NDArray[np.int64], scores: Scores) -> dict[str, Any]:
    """Return the area under the ROC curve with n and its interval (Hanley and McNeil 1982)."""
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    p = int(labels.sum())
    n = len(labels) - p
    a = float((ranks[labels == 1].sum() - p * (p + 1) / 2) / (p * n))
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    variance = (a * (1 - a) + (p - 1) * (q1 - a * a) + (n - 1) * (q2 - a * a)) / (p * n)
    half = Z * np.sqrt(variance)
    return {"value": round(a, 4), "n": p + n, "ci95": [round(a - half, 4), round(a + half, 4)]}


class Judge:
    """Scores texts of one language and compares with its threshold."""

    def __init__(self, models: ToxicityModels, language: str) -> None:
        self.models = models
        self.language = language
        self.threshold = models.models[language].threshold or 0.5

    def scores(self, texts: list[str]) -> Scores:
        """Return the score of each text."""
        langs = pa.array([self.language] * len(texts), pa.string())
        found = self.models.score(pa.array(texts, pa.large_string()), langs)["toxicity"]
        return found.to_numpy(zero_copy_only=False).astype(np.float64)

    def flagged(self, texts: list[str]) -> npt.NDArray[np.bool_]:
        """Return which texts reach the threshold."""
        return np.asarray(self.scores(texts) >= np.float32(self.threshold))

    def accuracy(self, rows: list[recipe.Row]) -> dict[str, Any]:
        """Return AUC, precision, recall and false-positive rate on labelled rows."""
        labels = np.array([label for _, label in rows])
        scores = self.scores([text for text, _ in rows])
        hits = scores >= np.float32(self.threshold)
        return {
            "auc": auc(labels, scores),
            "precision": proportion(labels[hits] == 1),
            "recall": proportion(hits[labels == 1]),
            "false_positive_rate": proportion(hits[labels == 0]),
        }


def identity_rates(judge: Judge, path: Path) -> dict[str, Any]:
    """Return the false-positive rate of each identity term on its non-toxic template sentences."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    terms = {row["phrase"].split(" ", 1)[1] for row in rows if row["template"] == "verb_adj"}
    by_length = sorted(terms, key=lambda term: (-len(term), term))
    clean = [row["phrase"] for row in rows if row["toxicity"] == "nontoxic"]
    flagged = judge.flagged(clean)
    hits: dict[str, list[bool]] = {}
    for phrase, hit in zip(clean, flagged, strict=True):
        term = next((term for term in by_length if term in phrase), None)
        if term is not None:
            hits.setdefault(term, []).append(bool(hit))
    rates = {term: proportion(np.array(found)) for term, found in sorted(hits.items())}
    labelled = [(row["phrase"], int(row["toxicity"] == "toxic")) for row in rows]
    return {"overall": judge.accuracy(labelled), "false_positive_rate_by_group": rates}


def installed_documents() -> list[str]:
    """Return the long descriptions and documentation files of the installed distributions."""
    texts = []
    for distribution in importlib.metadata.distributions():
        metadata = distribution.metadata
        texts.append(str(metadata.get_payload()) if metadata else "")
        for file in distribution.files or ():
            if file.suffix in {".rst", ".md"}:
                path = Path(str(distribution.locate_file(file)))
                if path.is_file():
                    texts.append(path.read_text(encoding="utf-8", errors="replace"))
    return sorted({text for text in texts if len(text) > 1000})


def folder_documents(folder: Path) -> list[str]:
    """Return the texts of a folder; tags are taken off `.html`."""
    texts = []
    for path in sorted(folder.rglob("*")):
        if path.suffix in {".html", ".txt", ".md", ".rst"} and path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            if path.suffix == ".html":
                text = re.sub(r"(?s)<(script|style).*?</\1>|<[^>]*>", " ", text)
                text = html.unescape(text)
            if len(text) > 1000:
                texts.append(text)
    return texts


def diluted(toxic: list[str], clean: list[str], size: int) -> list[str]:
    """Put each toxic text into the middle of `size` characters of clean text."""
    pool = "\n".join(clean)
    found = []
    for number, text in enumerate(toxic):
        start = number * 7919 % max(1, len(pool) - size)
        around = pool[start : start + size]
        found.append(f"{around[: size // 2]}\n{text}\n{around[size // 2 :]}")
    return found


def main() -> None:
    """Print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", nargs="*", default=[], metavar="LANG=FOLDER")
    args = parser.parse_args()
    folder = recipe.shared_data()
    if not folder.is_dir():
        raise SystemExit(f"{folder}: missing; set MUNIMENT_SHARED_DATA")
    models = ToxicityModels()
    en, zh = Judge(models, "en"), Judge(models, "zh")
    posts = list(recipe.matched_pairs(recipe.read_spans(folder, "tsd_trial.csv")))
    tweets = recipe.read_davidson(folder, held_out=True)
    comments = recipe.read_cold(folder, "dev.csv")
    toxic = [text for text, label in posts if label]
    documents = {"en": installed_documents(), "zh": []}
    for item in args.documents:
        language, _, place = item.partition("=")
        documents[language] = documents[language] + folder_documents(Path(place))
    # Only documents that are not flagged by themselves can show whether dilution hides a sentence.
    calm = [
        text
        for text, hit in zip(documents["en"], en.flagged(documents["en"]), strict=True)
        if not hit
    ]
    found = [text for text, hit in zip(toxic, en.flagged(toxic), strict=True) if hit][:100]
    plain = [text for text, label in tweets if label]
    loud = [text for text, hit in zip(plain, en.flagged(plain), strict=True) if hit][:100]
    identity = folder / "identity_bias"
    started = time.process_time()
    en.scores(documents["en"])
    seconds = time.process_time() - started
    size = sum(len(text.encode()) for text in documents["en"])
    result = {
        "models": {
            m.name: {"sha256": m.sha256, "threshold": m.threshold} for m in models.models.values()
        },
        "en": {
            "tsd_trial": en.accuracy(posts),
            "davidson_held_out": en.accuracy(tweets),
            "recall_obfuscated": {
                "none": proportion(en.flagged(toxic)),
                **{
                    name: proportion(en.flagged([change(text) for text in toxic]))
                    for name, change in OBFUSCATIONS.items()
                },
            },
            "still_found_in_100_kB": {
                "posts": proportion(en.flagged(diluted(found, calm, 100_000))),
                "tweets": proportion(en.flagged(diluted(loud, calm, 100_000))),
            },
            "long_clean_documents_flagged": proportion(en.flagged(documents["en"])),
            "identity": identity_rates(en, identity / "en_sentence_templates.csv.gz"),
        },
        "zh": {
            "cold_dev": zh.accuracy(comments),
            "long_clean_documents_flagged": proportion(zh.flagged(documents["zh"])),
            "identity": identity_rates(zh, identity / "zh-cn_sentence_templates.csv.gz"),
        },
        "speed": {"mb_per_cpu_second": round(size / 1e6 / seconds, 1), "mb": round(size / 1e6, 2)},
    }
    print(json.dumps(result, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
