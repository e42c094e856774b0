# SPDX-License-Identifier: Apache-2.0
"""Speed of personal-data detection, and that no input makes it slow.

    python benchmarks/pii_speed.py FOLDER [--sample-mb 0.5] [--part NAME ...]

FOLDER holds Parquet files with columns `text` and `lang`. Parts, all of them unless named; one
JSON object is printed at the end:

structured  every text, names off: megabytes (10^6 bytes of UTF-8) a second of CPU time, first pass
            (the automata are built on the way) and second, and what the first call of a process
            costs.
names       a sample of the English texts, evenly spread: scopes `off`, `contact` and `all`, and
            presidio-analyzer with the same spaCy model on the same texts in the same run.
redos       2,000 families of hostile texts (`pii_hostile.py`) of n and 2n bytes: seconds a megabyte,
            and the ratio t(2n)/t(n), which is 2 where time is linear; the slowest up to 4 MB.
large       documents of 64 MB: English and Chinese prose, hostile ones; seconds and memory. `--one
            KIND SCOPE BYTES` measures one of them in this process.

CPU time is that of the process with all its threads, so it is a time on one core.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pii_hostile import NAMES, USERS, Family, families, medley, repeated
from pii_identifiers import CHINESE as CASES_ZH
from pii_identifiers import ENGLISH as CASES_EN

from muniment.schemas.reasons import REASON_WORDS
from muniment.transforms.pii import PiiModels, RedactionPolicy, custom, detect, redact

KEY = bytes(range(32))
BATCH = 2_048
"""Texts a call, as a job's batches have."""
PARTS = ("structured", "names", "redos", "large")


def cpu_seconds(work: Callable[[], Any]) -> float:
    """Return the CPU seconds of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def read(folder: Path) -> tuple[pa.Array, pa.Array]:
    """Return the texts of a folder's Parquet files and their languages.

    Raises:
        SystemExit: There is no Parquet file.
    """
    files = sorted(folder.rglob("*.parquet"))
    if not files:
        msg = f"{folder}: expected Parquet files, found none: build a corpus with corpora.py"
        raise SystemExit(msg)
    tables = [pq.read_table(file, columns=["text", "lang"]) for file in files]
    table = pa.concat_tables(tables)
    return tuple(
        pa.concat_arrays(column.cast(pa.large_string()).chunks)
        for column in (table["text"], table["lang"])
    )


def megabytes(texts: pa.Array) -> float:
    """Return the size of texts in 10^6 bytes of UTF-8."""
    return (pc.sum(pc.binary_length(texts)).as_py() or 0) / 1e6


def search(texts: pa.Array, langs: pa.Array, **options: Any) -> int:
    """Detect batch by batch; return the number of spans."""
    return sum(
        detect(texts.slice(at, BATCH), langs.slice(at, BATCH), key=KEY, **options).spans.num_rows
        for at in range(0, len(texts), BATCH)
    )


def structured(texts: pa.Array, langs: pa.Array) -> dict[str, Any]:
    """Measure structured identifiers on every text."""
    first_call = cpu_seconds(lambda: search(pa.array(["a@b.example é 你"]), pa.array(["en"])))
    size = megabytes(texts)
    spans = 0

    def whole() -> None:
        nonlocal spans
        spans = search(texts, langs)

    passes = [cpu_seconds(whole) for _ in range(2)]
    return {
        "documents": len(texts),
        "megabytes": round(size, 3),
        "spans": spans,
        "first_call_cpu_seconds": round(first_call, 3),
        "mb_per_s_first_pass": rate(size, passes[0]),
        "mb_per_s": rate(size, passes[1]),
    }


def rate(size: float, seconds: float) -> float:
    """Return megabytes a second, four digits."""
    return float(f"{size / max(seconds, 1e-9):.4g}")


def sample(texts: pa.Array, langs: pa.Array, limit: float) -> pa.Array:
    """Return English texts spread evenly over the corpus, `limit` megabytes or a little less."""
    english = texts.filter(
        pc.fill_null(pc.equal(pc.utf8_slice_codeunits(langs, 0, 2), "en"), False)
    )
    step = max(1, int(megabytes(english) / limit))
    spread = english.take(pa.array(range(0, len(english), step)))
    sizes = pc.cumulative_sum(pc.cast(pc.binary_length(spread), pa.int64()))
    return spread.filter(pc.less_equal(sizes, int(limit * 1e6)))


def presidio_engine() -> Any:
    """Return vanilla presidio-analyzer with the spaCy pipeline that muniment uses."""
    os.environ["TLDEXTRACT_PUBLIC_SUFFIX_LIST_URLS"] = ""
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    configuration = {
        "nlp_engine_name": "spacy",
        "models": [{"lang_code": "en", "model_name": PiiModels.DEFAULT["en"]}],
    }
    provider = NlpEngineProvider(nlp_configuration=configuration)
    return AnalyzerEngine(nlp_engine=provider.create_engine())


def names(texts: pa.Array, langs: pa.Array, limit: float) -> dict[str, Any]:
    """Measure the scopes and Presidio on one sample, each warmed on a few texts before."""
    chosen = sample(texts, langs, limit)
    size, english = megabytes(chosen), pa.array(["en"] * len(chosen))
    out: dict[str, Any] = {"documents": len(chosen), "megabytes": round(size, 3)}
    if not len(chosen):
        return out
    models = PiiModels.load(languages=["en"])
    for scope in ("off", "contact", "all"):
        options = {"ner": scope} if scope == "off" else {"ner": scope, "models": models}
        search(chosen.slice(0, 8), english.slice(0, 8), **options)
        work = cpu_seconds(lambda options=options: search(chosen, english, **options))
        out[f"{scope}_mb_per_s"] = rate(size, work)
    engine, plain = presidio_engine(), chosen.to_pylist()
    engine.analyze(plain[0][:1_000], language="en")
    work = cpu_seconds(lambda: [engine.analyze(text, language="en") for text in plain])
    out["presidio_mb_per_s"] = rate(size, work)
    for scope in ("off", "contact", "all"):
        out[f"{scope}_times_presidio"] = rate(out[f"{scope}_mb_per_s"], out["presidio_mb_per_s"])
    return out


def timed(work: Callable[[str], Any], make: Family, sizes: Sequence[int]) -> dict[str, Any]:
    """Return milliseconds at some sizes, the last one's seconds a megabyte, the largest ratio.

    The best of two; where a ratio looks superlinear, of five.
    """
    texts = [make(size) for size in sizes]
    best = [min(cpu_seconds(lambda text=text: work(text)) for _ in range(2)) for text in texts]
    # Below five milliseconds the clock's own steps and first times would make the ratio.
    pairs = [(i, i + 1) for i in range(len(sizes) - 1) if best[i] >= FLOOR]
    for low, high in pairs:
        if best[high] / best[low] > SUSPECT:
            for place in (low, high):
                again = (cpu_seconds(lambda place=place: work(texts[place])) for _ in range(3))
                best[place] = min(best[place], *again)
    ratio = max((best[high] / best[low] for low, high in pairs), default=None)
    return {
        "ms": [round(1_000 * value, 1) for value in best],
        "s_per_mb": round(best[-1] * 1e6 / sizes[-1], 3),
        "ratio": ratio and round(ratio, 2),
    }


FLOOR, SUSPECT = 0.005, 2.3


def worst(rows: dict[str, dict[str, Any]], by: str, count: int) -> dict[str, dict[str, Any]]:
    """Return the rows that are largest in a column."""
    names = sorted(rows, key=lambda name: rows[name][by] or 0, reverse=True)[:count]
    return {name: rows[name] for name in names}


def redos(size: int) -> dict[str, Any]:
    """Measure hostile texts; sizes double, so a linear time gives ratios of 2.

    `structured`: every family at `size` / 2 and `size`, then the slowest at sizes up to 64 times as
    large. `names`: texts for the models, both scopes. `recognisers`: a job's own expressions.
    `replaced`: masks and surrogates for texts of nothing but values, searched again until nothing
    is left.
    """
    models = PiiModels.load()

    def structured_of(text: str) -> None:
        detect(pa.array([text]), ENGLISH, key=KEY)

    def replaced(text: str) -> None:
        texts = pa.array([text])
        for default in ("mask", "surrogate"):
            redact(texts, detect(texts, ENGLISH, key=KEY).spans, RedactionPolicy(default=default))

    structured_of("a@b.example é 你")
    rows = {
        name: timed(structured_of, make, (size // 2, size)) for name, make in families().items()
    }
    longer = [size * factor for factor in (8, 16, 32, 64)]
    slow = {
        name: timed(structured_of, families()[name], longer) for name in worst(rows, "s_per_mb", 8)
    }
    named = {}
    for scope in ("contact", "all"):
        for lang in ("en", "zh"):
            options = {"ner": scope, "models": models, "key": KEY}
            for unit in NAMES:
                named[f"{scope} {lang} {unit!r}"] = timed(
                    lambda text, lang=lang, options=options: detect(
                        pa.array([text]), pa.array([lang]), **options
                    ),
                    repeated(unit),
                    (size // 8, size // 4),
                )
    users = {
        f"{regex} {piece!r}": timed(
            lambda text, regex=regex: detect(
                pa.array([text]), ENGLISH, key=KEY, custom=[custom("user", regex)]
            ),
            repeated(piece),
            (size, 2 * size, 4 * size),
        )
        for regex, pieces in USERS.items()
        for piece in pieces
    }
    values = [case for case in (*CASES_EN, *CASES_ZH) if not case.name.startswith("stdnum:")]
    undone = {
        case.name: timed(replaced, families()[f"{case.name} different"], (size, 2 * size))
        for case in values
    }
    measured = {
        "structured": rows, "longer": slow, "names": named, "recognisers": users, "replaced": undone
    }  # fmt: skip
    return {
        part: {
            "texts": len(found),
            "worst_ratio": worst(found, "ratio", 3),
            "slowest": worst(found, "s_per_mb", 3),
        }
        for part, found in measured.items()
    }


ENGLISH = pa.array(["en"])


def document(kind: str, texts: pa.Array, langs: pa.Array, size: int) -> tuple[str, str]:
    """Return a document of `size` bytes and its language: `english`, `chinese`, or hostile.

    Hostile ones: `medley`, all families after one another, and the name of any family.
    """
    if kind in ("english", "chinese"):
        lang = kind[:2].replace("ch", "zh")
        own = texts.filter(pc.fill_null(pc.starts_with(langs, lang), False))
        joined = "\n\n".join(own.to_pylist()).encode()
        whole = joined * (1 + size // len(joined))
        return whole[:size].decode("utf-8", "ignore"), lang
    return (medley(size) if kind == "medley" else families()[kind](size)), "en"


def large(folder: Path, size: int) -> dict[str, Any]:
    """Measure documents of `size` bytes, names off, around contacts and everywhere.

    Each in a process of its own: seconds of CPU, seconds, largest resident set in 10^9 bytes, spans,
    and the reason why it is quarantined, if it is.
    """
    out = {}
    for kind in LARGE:
        for scope in ("off", "contact", "all"):
            command = [sys.executable, __file__, str(folder), "--one", kind, scope, str(size)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            out[f"{kind} {scope}"] = json.loads(done.stdout)
    return out


LARGE = ("english", "chinese", "medley", "phone_us different", "'a@b.zz|'", "'1.'", "'name:|Ann|'")


def one(folder: Path, kind: str, scope: str, size: int) -> dict[str, Any]:
    """Detect and redact in one large document, and say what it cost this process."""
    text, lang = document(kind, *read(folder), size)
    texts, langs = pa.array([text], pa.large_string()), pa.array([lang])
    del text
    options = {} if scope == "off" else {"models": PiiModels.load(languages=[lang])}
    before, start, clock = peak_rss(), time.process_time(), time.perf_counter()
    found = detect(texts, langs, ner=scope, key=KEY, **options)  # type: ignore[arg-type]
    if not found.faults[0]:
        redact(texts, found.spans, RedactionPolicy())
    return {
        "bytes": pc.binary_length(texts)[0].as_py(),
        "cpu_seconds": round(time.process_time() - start, 1),
        "seconds": round(time.perf_counter() - clock, 1),
        "rss_gb_before": before,
        "rss_gb": peak_rss(),
        "spans": found.spans.num_rows,
        "quarantined": REASON_WORDS[found.faults[0]] if found.faults[0] else None,
    }


def peak_rss() -> float:
    """Return the largest resident set of this process so far, in 10^9 bytes."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024 / 1e9, 2)


def main(arguments: list[str] | None = None) -> int:
    """Run the parts asked for and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--sample-mb", type=float, default=0.5, help="English text for `names`")
    parser.add_argument("--hostile-bytes", type=int, default=65_536)
    parser.add_argument("--large-bytes", type=int, default=64_000_000)
    parser.add_argument("--one", nargs=3, metavar=("KIND", "SCOPE", "BYTES"))
    options = parser.parse_args(arguments)
    if options.one:
        kind, scope, size = options.one
        print(json.dumps(one(options.folder, kind, scope, int(size)), ensure_ascii=False))
        return 0
    parts = options.part or PARTS
    out: dict[str, Any] = {}
    if {"structured", "names"} & set(parts):
        texts, langs = read(options.folder)
        if "structured" in parts:
            out["structured"] = structured(texts, langs)
        if "names" in parts:
            out["names"] = names(texts, langs, options.sample_mb)
    if "redos" in parts:
        out["redos"] = redos(options.hostile_bytes)
    if "large" in parts:
        out["large"] = large(options.folder, options.large_bytes)
    print(json.dumps(out, ensure_ascii=False, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
