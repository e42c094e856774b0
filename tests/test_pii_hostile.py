# SPDX-License-Identifier: Apache-2.0
"""No text makes detection cost more than linear time, and none of 64 MB costs too much.

Time is CPU time, ratios have room for a busy machine, and every bound is several times what is
measured (`benchmarks/pii_speed.py --part redos --part large`).
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from pii_hostile import NAMES, USERS, families, medley, repeated

from muniment.schemas.reasons import REASON_CODES, Reason
from muniment.transforms.pii import PiiModels, RedactionPolicy, custom, detect, redact
from muniment.transforms.pii import scan as scan_module
from muniment.transforms.pii.minors import near_minor_cue
from muniment.transforms.pii.quiet import LONGEST, quiet

KEY = bytes(range(32))
EN = pa.array(["en"])
SLOWEST = 60e-6
"""CPU seconds a byte; measured: up to 10e-6, before the mends of it 80e-6 at 64 kB, growing."""


def seconds(work: object, *arguments: object, **options: object) -> float:
    start = time.process_time()
    work(*arguments, **options)  # type: ignore[operator]
    return time.process_time() - start


# ---- what keeps it linear, one by one


def test_a_pattern_that_looks_far_ahead_is_read_in_windows() -> None:
    """`a([^b]*b)?` finds each a, and looks for a b to the end of the text."""
    text = "a" * 70_000
    spans = detect(pa.array([text]), EN, key=KEY, custom=[custom("far", "a(?:[^b]*b)?")]).spans
    assert spans.num_rows == len(text)
    # A value that goes on beyond its window is whole all the same.
    text = "x " * 600 + "x" + "-" * 20_000 + " end"
    found = detect(pa.array([text]), EN, key=KEY, custom=[custom("far", "x-*")]).spans.to_pylist()
    assert max(span["end"] - span["start"] for span in found) == 20_001


def test_all_patterns_of_a_document_share_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "4111 1111 1111 1112 8.8.8.8 a@b.com 138-0013-8000 " * 20
    assert detect(pa.array([text]), EN, key=KEY).faults.tolist() == [0]
    monkeypatch.setattr(scan_module, "TOTAL_CAP", 400)
    faults = detect(pa.array([text, "a@b.com"]), pa.array(["en"] * 2), key=KEY).faults
    assert faults.tolist() == [REASON_CODES[Reason.DETECTOR_CAP], 0]


def test_pieces_of_a_long_document_share_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_module, "CAP", 3_000)
    text = ("4111 1111 1111 1112 " + "word " * 30) * 4_000
    assert detect(pa.array([text]), EN, key=KEY).faults.tolist() == [
        REASON_CODES[Reason.DETECTOR_CAP]
    ]


def test_giant_words_are_broken_and_nothing_moves() -> None:
    for text in ("(" * 500, "a" * 500, "John,Smith;" * 40, "ab " * 100):
        calm = quiet(text)
        assert len(calm) == len(text)
        assert max(map(len, calm.split()), default=0) <= LONGEST
    assert quiet("short (words) stay.") == "short (words) stay."


def test_minor_cues_are_near_as_before() -> None:
    text = "aged 9 " + "x" * 200 + " one " + "y" * 400 + " aged 10 "
    places = [(8, 10), (190, 195), (460, 470), (440, 445), (len(text), len(text))]
    assert near_minor_cue(text, places) == [True, False, True, False, True]
    assert near_minor_cue("nobody", [(0, 1)]) == [False]


# ---- the sweep


@pytest.mark.long
def test_no_family_of_hostile_texts_costs_more_than_linear_time() -> None:
    """2,000 families; the slowest are measured again at eight times the size."""
    detect(pa.array(["a@b.example é 你"]), EN, key=KEY)
    size = 24_000
    costs = {
        name: seconds(detect, pa.array([make(size)]), EN, key=KEY) / size
        for name, make in families().items()
    }
    assert {name: cost for name, cost in costs.items() if cost > SLOWEST} == {}
    for name in sorted(costs, key=costs.__getitem__, reverse=True)[:25]:
        large = families()[name](8 * size)
        assert seconds(detect, pa.array([large]), EN, key=KEY) < 8 * size * SLOWEST, name


@pytest.mark.long
def test_what_is_replaced_is_searched_again_in_linear_time() -> None:
    for default in ("mask", "surrogate", "placeholder"):
        policy = RedactionPolicy(default=default)  # type: ignore[arg-type]
        for unit in ("138-0013-8000 ", "a@b.com ", "4111 1111 1111 1111 ", "account 85212345678 "):
            texts = pa.array([unit * (100_000 // len(unit))])
            spans = detect(texts, EN, key=KEY).spans
            assert seconds(redact, texts, spans, policy) < 100_000 * SLOWEST, (default, unit)


@pytest.mark.long
@pytest.mark.parametrize("regex", sorted(USERS))
def test_no_expression_of_a_job_costs_more_than_linear_time(regex: str) -> None:
    for piece in USERS[regex]:
        text = pa.array([piece * (300_000 // len(piece.encode()))])
        options = {"key": KEY, "custom": [custom("user", regex)]}
        assert seconds(detect, text, EN, **options) < 300_000 * SLOWEST, piece


@pytest.mark.long
@pytest.mark.model
@pytest.mark.parametrize("scope", ["contact", "all"])
def test_no_text_makes_the_models_of_names_slower_than_linear(scope: str) -> None:
    models = PiiModels.load()
    size = 16_000
    for lang in ("en", "zh"):
        for unit in NAMES:
            text = pa.array([repeated(unit)(size)])
            options = {"ner": scope, "key": KEY, "models": models}
            spent = seconds(detect, text, pa.array([lang]), **options)
            assert spent < size * 200e-6, (lang, unit)


# ---- 64 MB

LARGE = 64_000_000
MEASURE = """
import json, resource, sys, time
import pyarrow as pa
from muniment.transforms.pii import PiiModels, RedactionPolicy, detect, redact
text = open(sys.argv[1], encoding="utf-8").read()
scope, lang = sys.argv[2:]
models = PiiModels.load(languages=[lang])
texts = pa.array([text], pa.large_string())
del text
start = time.process_time()
found = detect(texts, pa.array([lang]), ner=scope, key=bytes(range(32)), models=models)
if not found.faults[0]:
    redact(texts, found.spans, RedactionPolicy())
spent = time.process_time() - start
rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps([spent, rss, found.spans.num_rows, int(found.faults[0])]))
"""
PROSE = {
    "en": "The gardener wrote to {n}@example.org that tomatoes want sun, and that row {n} is dry. " + "Nobody answered her letter before the autumn came, when rain fell on the hills. " * 60,
    "zh": "园丁写信到{n}@example.org说番茄需要阳光。" + "秋天来临之前没有人回信，那时雨落在山上，河水慢慢涨了起来。" * 60,
}  # fmt: skip


@pytest.mark.long
@pytest.mark.model
@pytest.mark.parametrize("scope", ["contact", "all"])
@pytest.mark.parametrize("kind", ["en", "zh", "hostile"])
def test_a_document_of_64_mb_takes_two_minutes_and_2_gb_at_most(
    tmp_path: Path, kind: str, scope: str
) -> None:
    """Processor seconds stand for seconds; scope `all` reads 4 million characters or quarantines."""
    if kind == "hostile":
        text = medley(LARGE)
    else:
        size = len(PROSE[kind].encode())
        text = "\n".join(PROSE[kind].format(n=n) for n in range(LARGE // size))
    (tmp_path / "text").write_text(text, encoding="utf-8")
    lang = "zh" if kind == "zh" else "en"
    command = [sys.executable, "-c", MEASURE, str(tmp_path / "text"), scope, lang]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    spent, rss, spans, fault = map(float, done.stdout.strip("[]\n").split(","))
    assert spent < 120
    assert rss < 2e9
    assert fault == (
        REASON_CODES[Reason.DETECTOR_CAP] if kind == "hostile" or scope == "all" else 0
    )
    assert spans > 1_000 or fault
