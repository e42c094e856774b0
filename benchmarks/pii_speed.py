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
redos       hostile inputs of n and 2n bytes: their times, and the ratio t(2n)/t(n), which is 2
            where time is linear.

CPU time is that of the process with all its threads, so it is a time on one core.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from muniment.transforms.pii import PiiModels, detect

KEY = bytes(range(32))
BATCH = 2_048
"""Texts a call, as a job's batches have."""
PARTS = ("structured", "names", "redos")

HOSTILE: dict[str, str] = {
    "domains": "a.",
    "half mails": "a@",
    "bad mails": "a@b.zz ",
    "digits": "1",
    "spaced digits": "1 ",
    "dashed digits": "12-34-",
    "brackets": "(",
    "country codes": "+1 ",
    "phones": "+44 20 7946 0958 ",
    "phone words": "phone ",
    "phone-like lines": "12 3456\n",
    "phone lists": "tel 123456, ",
    "addresses of hosts": "1.2.3.4 ",
    "bad cards": "4111 1111 1111 1112 ",
    "dashes": "-",
    "at": " at ",
    "dot": " dot ",
    "bracketed at": "a [at] b.",
    "entities": "&#64;",
    "open entities": "&#",
    "percent codes": "%40",
    "markup": "x<b>",
    "mixed case": "Aa1",
    "capitals": "Abc ",
    "streets": "10 Abc Street ",
    "house numbers": "12 Main ",
    "units": "Suite 1 ",
    "colons": "a:",
    "assignments": "password=",
    "key blocks": "-----BEGIN PRIVATE KEY-----",
    "tokens": "eyJ",
    "half URLs": "http://a:",
    "leet": "1O",
    "digit lines": "1\n",
    "births": "born on ",
    "roads": "路",
    "districts": "市区",
    "account words": "微信号",
    "full width": "１",
    "overrides": "\u202e",
    "look-alikes": "аa",
    "zero width": "\u200b",
    "marks": "\u0301",
    "placeholders": "[PHONE] ",
}
"""What is repeated to make each hostile input."""


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


def redos(size: int, repeats: int = 3) -> dict[str, Any]:
    """Measure hostile inputs of `size` and twice as many bytes, the best of some repeats."""
    rows = {}
    for name, unit in HOSTILE.items():
        times = []
        for length in (size, 2 * size):
            text = pa.array([unit * (length // len(unit.encode()))])
            runs = (cpu_seconds(lambda text=text: search(text, ENGLISH)) for _ in range(repeats))
            times.append(min(runs))
        # Below a millisecond the clock's own steps would make the ratio.
        rows[name] = {
            "ms": [round(1_000 * value, 2) for value in times],
            "ratio": round(times[1] / max(times[0], 1e-3), 2),
        }
    worst = max(rows, key=lambda name: rows[name]["ratio"])
    slowest = max(rows, key=lambda name: rows[name]["ms"][1])
    return {
        "bytes": [size, 2 * size],
        "worst_ratio": {"input": worst, **rows[worst]},
        "slowest": {"input": slowest, **rows[slowest]},
        "inputs": rows,
    }


ENGLISH = pa.array(["en"])


def main(arguments: list[str] | None = None) -> int:
    """Run the parts asked for and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--sample-mb", type=float, default=0.5, help="English text for `names`")
    parser.add_argument("--hostile-bytes", type=int, default=100_000)
    options = parser.parse_args(arguments)
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
    print(json.dumps(out, ensure_ascii=False, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
