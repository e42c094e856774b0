# SPDX-License-Identifier: Apache-2.0
"""Measure takedown of given works: planted copies and parts that are found, strangers that are not.

    python benchmarks/takedown_recall.py [mixed] [--works 20] [--keys 5]

Works are long documents of the corpus, `--works` of each source. `planted`: of each work near copies
at Jaccard .9, .8 and .7, a chapter, an edited chapter and a page that quotes it are made, each just
above its threshold, and looked for under several keys; `recall` has its 95 % Wilson interval beside
what the sample promises. `strangers`: every document of the *other* sources is compared with the
works; each hit is printed with the shingles shared, none of which is by chance if the texts share
that run of words.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from corpora import default_cache
from corpus_job import Corpus, open_corpus
from dedup_accuracy import wilson

from muniment.transforms.containment import index_works
from muniment.transforms.hashing import canonical_text
from muniment.transforms.minhash import shingle_hashes
from muniment.transforms.works import MIN_SHARED, ONE_IN, Works, match_works

_SIZE = 5
_SHARE = 0.3
_LEAST_WORDS, _MOST_WORDS = 400, 4000
_JACCARD = (0.9, 0.8, 0.7)


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("corpus", nargs="?", default="mixed")
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--works", type=int, default=20, help="works of each source")
    parser.add_argument("--keys", type=int, default=5, help="keys to hash with")
    args = parser.parse_args()
    corpus = open_corpus(args.cache, args.corpus)
    works = {source["name"]: choose(corpus, source, args.works) for source in corpus.sources}
    works = {name: texts for name, texts in works.items() if texts}
    texts = [text for own in works.values() for text in own]
    report = {
        "corpus": corpus.name,
        "works": len(texts),
        "share": _SHARE,
        "planted": planted(texts, args.keys),
        "strangers": strangers(corpus, works),
    }
    print(json.dumps(report, indent=2))


def batches(corpus: Corpus, source: dict[str, Any]) -> Iterator[pa.Array]:
    """Yield the normalised texts of a source."""
    for path in source["paths"]:
        for file in sorted(corpus.folder.glob(path)):
            for batch in pq.ParquetFile(file).iter_batches(2000, columns=["text"]):
                yield canonical_text(batch["text"])


def choose(corpus: Corpus, source: dict[str, Any], count: int) -> list[str]:
    """Return distinct texts of a source of a middling length, the same ones each time."""
    found: set[str] = set()
    for texts in batches(corpus, source):
        size = pc.count_substring(texts, " ")
        fits = pc.and_(pc.greater(size, _LEAST_WORDS), pc.less(size, _MOST_WORDS))
        found.update(texts.filter(fits).to_pylist()[:count])
        if len(found) >= 5 * count:
            break
    return random.Random(1).sample(sorted(found), min(count, len(found)))


def hashed(texts: list[str], key: bytes) -> tuple[Any, Any]:
    """Return the shingle sets of texts."""
    return shingle_hashes(canonical_text(pa.array(texts)), shingle_size=_SIZE, key=key)


def works_of(texts: list[str], key: bytes) -> Works:
    """Return texts as works."""
    return Works("works", "", len(texts), index_works(*hashed(texts, key)))


def edit(text: str, jaccard: float, rng: random.Random) -> str:
    """Return the text with so many words replaced that its similarity is just above `jaccard`."""
    words = text.split(" ")
    shingles = len(words) - _SIZE + 1
    # Of n shingles x lost on both sides leave (n - x) / (n + x).
    budget = int(shingles * (1 - jaccard) / (1 + jaccard)) // _SIZE
    for place in rng.sample(range(len(words)), max(budget - 1, 1)):
        words[place] = f"other{rng.randrange(10**9)}"
    return " ".join(words)


def variants(texts: list[str]) -> dict[str, list[str]]:
    """Return what is planted of each work, in the order of the works."""
    rng = random.Random(2)
    made: dict[str, list[str]] = {
        f"jaccard_{j}": [edit(t, j, rng) for t in texts] for j in _JACCARD
    }
    made["chapter"] = [part(text, 0.3, rng) for text in texts]
    made["edited_chapter"] = [edit(part(text, 0.5, rng), 0.3, rng) for text in texts]
    hosts = [*texts[len(texts) // 2 :], *texts[: len(texts) // 2]]
    made["quoted_0.3"] = [
        f"{shuffled(host, rng)} {part(text, 0.32, rng)} {shuffled(host, rng)}"
        for text, host in zip(texts, hosts, strict=True)
    ]
    return made


def part(text: str, share: float, rng: random.Random) -> str:
    """Return a run of words that is a share of a text."""
    words = text.split(" ")
    length = int(len(words) * share) + _SIZE
    start = rng.randrange(max(len(words) - length, 1))
    return " ".join(words[start : start + length])


def shuffled(text: str, rng: random.Random) -> str:
    """Return the words of a text in another order: real words, nobody's work."""
    words = text.split(" ")
    rng.shuffle(words)
    return " ".join(words)


def planted(texts: list[str], keys: int) -> dict[str, Any]:
    """Look for what was planted, under several keys; what is below the threshold does not count."""
    found: dict[str, Any] = {}
    for name, copies in variants(texts).items():
        hits = cases = 0
        promised = 0.0
        for number in range(keys):
            key = random.Random(number).randbytes(16)
            works = works_of(texts, key)
            common, score = truth(copies, texts, key)
            counts = (common >= MIN_SHARED) & (score >= np.float32(_SHARE))
            entry, _ = match_works(
                canonical_text(pa.array(copies)), works, key=key, shingle_size=_SIZE, share=_SHARE
            )
            hit = entry.is_valid().to_numpy(zero_copy_only=False)
            hits += int((hit & counts).sum())
            cases += int(counts.sum())
            promised += float((1 - (1 - 1 / ONE_IN) ** common[counts]).sum())
        found[name] = {
            "n": cases,
            "found": hits,
            "recall": round(hits / cases, 5),
            "interval": wilson(hits, cases),
            "promised": round(promised / cases, 5),
        }
    return found


def truth(copies: list[str], texts: list[str], key: bytes) -> tuple[Any, Any]:
    """Return shingles shared and score of each copy and its work, by plain sets."""
    (a, own), (b, whole) = hashed(copies, key), hashed(texts, key)
    common = np.array(
        [
            len(np.intersect1d(own[a[n] : a[n + 1]], whole[b[n] : b[n + 1]], assume_unique=True))
            for n in range(len(texts))
        ]
    )
    return common, common / np.minimum(np.diff(a), np.diff(b))


def strangers(corpus: Corpus, works: dict[str, list[str]]) -> dict[str, Any]:
    """Compare the documents of every source with the works of all others."""
    key = random.Random(99).randbytes(16)
    compared, hits = 0, []
    for source in corpus.sources:
        others = [text for name, own in works.items() if name != source["name"] for text in own]
        owners = [name for name, own in works.items() if name != source["name"] for _ in own]
        index = works_of(others, key)
        for texts in batches(corpus, source):
            compared += len(texts)
            entry, score = match_works(texts, index, key=key, shingle_size=_SIZE, share=_SHARE)
            rows = np.flatnonzero(entry.is_valid().to_numpy(zero_copy_only=False))
            for row in rows.tolist():
                work = others[entry[row].as_py()]
                common, _ = truth([texts[row].as_py()], [work], key)
                hits.append(
                    {
                        "work_of": owners[entry[row].as_py()],
                        "document_of": source["name"],
                        "shared": int(common[0]),
                        "score": round(score[row].as_py(), 3),
                    }
                )
    return {"documents": compared, "hits": len(hits), "pairs": hits[:50]}


if __name__ == "__main__":
    main()
