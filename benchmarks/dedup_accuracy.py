# SPDX-License-Identifier: Apache-2.0
"""Hold near-duplicate removal against the truth: all pairs, by exact Jaccard similarity.

    python benchmarks/dedup_accuracy.py mail|mixed|large [--source NAME] [--first ROWS] [--keys 40]
        [--datasketch DOCUMENTS] [--datatrove PATH]

Five questions, one JSON object:

truth       how many pairs of distinct texts there are at each similarity (`all_pairs.py`);
proposals   which of them muniment's bands propose, under several keys, beside what the S-curve
            promises; and datasketch's own index, with its own hashes of the same shingles;
parts       which documents contained in others the samples propose (`containment_recall.py`);
job         what a real dedup-only job removed: every similarity in its manifest is computed again
            from the texts, and the duplicates that it left are counted;
datatrove   the same of what datatrove keeps, with `--datatrove` and its Python.

`benchmarks/README.md` explains the numbers.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
from all_pairs import (
    CLASSES,
    Ints,
    Truth,
    all_pairs,
    best_kept,
    bucket_pairs,
    by_class,
    pair_jaccard,
)
from containment_recall import measure_parts
from corpus_job import KEY_FILE, BenchmarkError, Corpus, first_rows, open_corpus
from dedup_speed import CONTENDERS, run_contender, same_folder
from distinct_texts import NEAR, Texts, key_named, read_texts, sets_of
from end_to_end import Settings, parser_of, run_job

from muniment.pipelines.query import connect
from muniment.pipelines.release import open_release
from muniment.transforms.bands import band_hashes, choose_bands, star_edges
from muniment.transforms.components import connect as connect_edges
from muniment.transforms.keys import load_key
from muniment.transforms.minhash import sign

BANDS, ROWS = choose_bands(
    NEAR.threshold, NEAR.num_perm, NEAR.false_positive_weight, 1.0 - NEAR.false_positive_weight
)
DATASKETCH_SEEDS = 5
"""Its hashes have a seed instead of a key, and one seed says little: pairs share documents."""

MOST_PART_KEYS = 5
"""Keys under which proposals of parts are counted, at most: each samples every text again."""

Buckets = npt.NDArray[np.uint64]


def wilson(hits: int, n: int, z: float = 1.96) -> list[float]:
    """Return the 95 % Wilson interval of a share (Wilson 1927)."""
    p, q = hits / n, z * z / n
    middle, half = p + q / 2, z * math.sqrt(p * (1 - p) / n + q / (4 * n))
    low, high = (middle - half) / (1 + q), (middle + half) / (1 + q)
    return [round(max(low, 0.0), 4), round(min(high, 1.0), 4)]


def class_name(number: int) -> str:
    """Return the name of a class of similarity."""
    if number == CLASSES - 1:
        return "1"
    return f"{number / 10:.1f} to {(number + 1) / 10:.1f}"


def named(counts: npt.NDArray[np.generic]) -> dict[str, int]:
    """Return the counts of the classes that have any."""
    return {class_name(number): int(count) for number, count in enumerate(counts) if count}


def against_truth(truth: Truth, proposed: Sequence[npt.NDArray[np.float64]]) -> dict[str, Any]:
    """Compare proposals with the truth.

    Args:
        truth: All pairs.
        proposed: Similarities of the pairs proposed, one array for each key (or seed).
    """
    keys = len(proposed)
    found_by_key = np.array([by_class(similarity) for similarity in proposed])
    found = found_by_key.sum(axis=0)
    classes = {}
    for number, pairs in enumerate(truth.count.tolist()):
        if not pairs:
            continue
        recalls = found_by_key[:, number] / pairs
        recall, expected = float(recalls.mean()), float(truth.expected[number]) / pairs
        classes[class_name(number)] = {
            "pairs": pairs,
            "proposed": int(found[number]),
            "recall": round(recall, 5),
            "interval": wilson(int(found[number]), pairs * keys),
            "s_curve": round(expected, 5),
            "points_off": round(100 * (recall - expected), 2) + 0.0,  # no minus zero
            "standard_error_points": round(100 * float(recalls.std(ddof=1)) / math.sqrt(keys), 2)
            if keys > 1
            else None,
        }
    everything = int(found.sum())
    false = sum(int((similarity < NEAR.threshold).sum()) for similarity in proposed)
    similar = len(truth.jaccard) * keys
    return {
        "keys": keys,
        "proposed": everything,
        "below_threshold": false,
        "at_threshold": everything - false,
        "recall_at_threshold": round((everything - false) / similar, 5) if similar else None,
        "classes": classes,
    }


def bands_of(texts: Texts, key: bytes) -> tuple[Ints, Buckets]:
    """Return the distinct texts that have shingles, and the band hashes of each."""
    signatures, _ = sign(
        texts.distinct,
        num_perm=NEAR.num_perm,
        seed=NEAR.seed,
        shingle_size=NEAR.shingle_size,
        key=key,
    )
    rows = np.flatnonzero(np.diff(texts.sets.offsets))
    return rows, band_hashes(signatures[rows], BANDS, ROWS)


def components_of(documents: int, rows: Ints, buckets: Buckets) -> Ints:
    """Return the connected component of each document; those in no bucket are alone.

    Args:
        documents: How many there are.
        rows: The documents that are in buckets.
        buckets: Their band hashes.
    """
    refs = np.repeat(rows, buckets.shape[1]).astype(np.uint64)
    node, cluster = connect_edges(*star_edges(buckets.ravel(), refs))
    component = np.arange(documents)
    component[node.astype(np.int64)] = cluster.astype(np.int64)
    return component


def measure_muniment(texts: Texts, truth: Truth, keys: int) -> dict[str, Any]:
    """Measure which pairs muniment's bands propose, and which its components bring together."""
    proposed, together = [], 0
    for number in range(keys):
        key = key_named(b"%d" % number)
        rows, buckets = bands_of(texts, key)
        a, b = bucket_pairs(buckets)
        proposed.append(pair_jaccard(texts.sets, rows[a], rows[b]))
        component = components_of(len(texts.distinct), rows, buckets)
        together += int((component[truth.a] == component[truth.b]).sum())
    similar = len(truth.jaccard) * keys
    return against_truth(truth, proposed) | {
        # What is verified is a whole component, so the job compares more than what shares a band.
        "recall_at_threshold_by_component": round(together / similar, 5) if similar else None
    }


def measure_datasketch(texts: Texts, documents: int) -> dict[str, Any]:
    """Measure which pairs datasketch's index returns, fed with the same shingles.

    Args:
        texts: What was read.
        documents: Of how many distinct texts, the first ones: it is slow.
    """
    import datasketch

    rows = np.flatnonzero(np.diff(texts.sets.offsets))[:documents]
    sets = texts.sets.take(rows)
    started = time.perf_counter()
    proposed = []
    for seed in range(1, DATASKETCH_SEEDS + 1):
        index = datasketch.MinHashLSH(num_perm=NEAR.num_perm, params=(BANDS, ROWS))
        signatures = []
        for number in range(len(sets)):
            signature = datasketch.MinHash(num_perm=NEAR.num_perm, seed=seed)
            shingles = sets.values[sets.offsets[number] : sets.offsets[number + 1]].tolist()
            # A number stands for its shingle; datasketch hashes it by its default, SHA-1.
            signature.update_batch([value.to_bytes(8, "little") for value in shingles])
            index.insert(number, signature)
            signatures.append(signature)
        pairs = [
            (other, number)
            for number, signature in enumerate(signatures)
            for other in index.query(signature)
            if other < number
        ]
        a, b = np.array(pairs, np.int64).reshape(-1, 2).T
        proposed.append(pair_jaccard(sets, a, b))
    seconds = time.perf_counter() - started
    return {
        "tool": f"datasketch {datasketch.__version__}",
        "documents": len(sets),
        "seconds": round(seconds, 2),
        **against_truth(all_pairs(sets, BANDS, ROWS, NEAR.threshold), proposed),
    }


def left_behind(texts: Texts, truth: Truth, kept: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Judge what a tool has kept and removed, by the distinct texts.

    Args:
        texts: What was read.
        truth: All pairs.
        kept: bool[documents].
    """
    copies = np.bincount(texts.text[kept], minlength=len(texts.distinct))
    stays = copies > 0
    both = stays[truth.a] & stays[truth.b]
    some = np.diff(texts.sets.offsets) > 0
    removed = ~stays & some
    best = best_kept(texts.sets, stays)[removed]
    wrong = best[best < NEAR.threshold]
    return {
        "documents_kept": int(kept.sum()),
        "exact_copies_left": int((copies[stays & some] - 1).sum()),
        "pairs_at_threshold": len(truth.jaccard),
        "pairs_left": int(both.sum()),
        "pairs_left_by_class": named(by_class(truth.jaccard[both])),
        "texts_in_pairs_left": len(np.unique(np.append(truth.a[both], truth.b[both]))),
        "texts_removed": int(removed.sum()),
        "removed_unlike_all_kept": len(wrong),
        "removed_unlike_all_kept_by_best": named(by_class(wrong)),
    }


def measure_job(
    texts: Texts, truth: Truth, corpus: Corpus, work: Path, *, override: bool
) -> dict[str, Any]:
    """Run the dedup-only job and compute again, from the texts, all that its manifest claims."""
    settings = Settings(dedup_only=True, ner="off", override=override)
    done = run_job(corpus, settings, work, work / "release")
    connection = connect(open_release(work / "release"))
    documents = connection.execute(
        """SELECT doc_id, sha256, "offset", outcome, reason
        FROM documents JOIN inputs USING (input_number)"""
    ).fetchall()
    at = {row[0]: texts.place[row[1], row[2]] for row in documents}
    kept = np.zeros(len(texts.text), np.bool_)
    kept[[at[row[0]] for row in documents if row[3] == "kept"]] = True
    claims = connection.execute(
        "SELECT doc_id, partner_id, role, jaccard FROM duplicates WHERE role LIKE '%_copy'"
    ).fetchall()
    copies = {row[0]: row[2] for row in claims}
    unexplained = sum(
        copies.get(row[0]) != {"dup_near": "near_copy", "dup_exact": "exact_copy"}[row[4]]
        for row in documents
        if row[4] in ("dup_near", "dup_exact")
    )
    key = load_key(work / KEY_FILE).derive("shingle/v1")
    component = components_of(len(texts.distinct), *bands_of(texts, key))
    stays = np.bincount(texts.text[kept], minlength=len(texts.distinct)) > 0
    both = stays[truth.a] & stays[truth.b]
    return {
        "guard": done.stopped_by,
        "removed_by_reason": done.summary["removed_by_reason"],
        **_check_claims(texts, [(at[c[0]], at[c[1]], c[2], c[3]) for c in claims], kept),
        "removals_without_a_claim": unexplained,
        # Not proposed at all is what the S-curve allows; proposed and left would be a defect.
        "pairs_left_in_one_component": int((component[truth.a] == component[truth.b])[both].sum()),
        **left_behind(texts, truth, kept),
    }


def _check_claims(
    texts: Texts, claims: Sequence[tuple[int, int, str, float]], kept: npt.NDArray[np.bool_]
) -> dict[str, int]:
    """Compute again what the manifest says of each copy: (document, partner, role, jaccard)."""
    a, b = np.array([claim[:2] for claim in claims], np.int64).reshape(-1, 2).T
    near = np.array([claim[2] == "near_copy" for claim in claims], np.bool_)
    said = np.array([claim[3] for claim in claims], np.float32)
    true = pair_jaccard(texts.sets, texts.text[a], texts.text[b])
    # Scores are rounded up to float32, so that one at its threshold still reads so.
    rounded = true.astype(np.float32)
    low = rounded.astype(np.float64) < true
    rounded[low] = np.nextafter(rounded[low], np.float32(2.0))
    return {
        "near_copies": int(near.sum()),
        "exact_copies": int((~near).sum()),
        "false_removals": int((near & (true < NEAR.threshold)).sum())
        + int((~near & (texts.text[a] != texts.text[b])).sum()),
        "scores_that_differ": int((near & (rounded != said)).sum()),
        "partners_not_kept": int((~kept[b]).sum()),
    }


def measure_datatrove(
    texts: Texts, truth: Truth, corpus: Corpus, python: Path, work: Path
) -> dict[str, Any]:
    """Run datatrove's four stages and judge what they keep by the same truth.

    Raises:
        BenchmarkError: Its run fails, or ids do not name documents.
    """
    number = {name: place for place, name in enumerate(texts.ids)}
    if len(number) < len(texts.ids):
        raise BenchmarkError("datatrove tells documents by id, and some ids are there twice")
    shape, file = {"bands": BANDS, "rows": ROWS}, work / "kept.json"
    _, report = run_contender(
        CONTENDERS[0], python, same_folder(corpus), shape, 2, "--kept-ids", str(file)
    )
    kept = np.zeros(len(texts.text), np.bool_)
    kept[[number[name] for name in json.loads(file.read_text())]] = True
    # It reads every number as 0: what it then takes for a copy is one by its own measure.
    folded = sets_of(pc.replace_substring_regex(texts.distinct, r"\d+", "0"))
    stays = np.bincount(texts.text[kept], minlength=len(texts.distinct)) > 0
    unlike = best_kept(folded, stays) < NEAR.threshold
    return {
        "tool": report["tool"],
        **left_behind(texts, truth, kept),
        "removed_unlike_all_kept_numbers_aside": int(unlike[np.diff(folded.offsets) > 0].sum()),
    }


def measure(
    corpus: Corpus,
    work: Path,
    *,
    keys: int,
    datasketch_documents: int,
    datatrove: Path | None,
    override: bool = False,
) -> dict[str, Any]:
    """Measure all four.

    Args:
        corpus: What is read.
        work: Empty folder for the job.
        keys: Keys under which proposals are counted.
        datasketch_documents: Distinct texts given to datasketch; 0 leaves it out.
        datatrove: Python of datatrove's environment; None leaves it out.
        override: Whether the job overrides the guards from the start.
    """
    texts = read_texts(corpus)
    started = time.perf_counter()
    truth = all_pairs(texts.sets, BANDS, ROWS, NEAR.threshold)
    seconds = time.perf_counter() - started
    proposals = {"muniment": measure_muniment(texts, truth, keys)}
    if datasketch_documents:
        proposals["datasketch"] = measure_datasketch(texts, datasketch_documents)
    parts = measure_parts(texts, min(keys, MOST_PART_KEYS))
    report = {
        "corpus": corpus.name,
        "documents": len(texts.text),
        "distinct_texts": len(texts.distinct),
        "texts_with_shingles": int((np.diff(texts.sets.offsets) > 0).sum()),
        "shingle_size": NEAR.shingle_size,
        "threshold": NEAR.threshold,
        "bands": BANDS,
        "rows": ROWS,
        "truth": {
            "seconds": round(seconds, 2),
            "pairs_that_share_a_shingle": int(truth.count.sum()),
            "pairs_at_threshold": len(truth.jaccard),
        },
        "proposals": proposals,
        "parts": parts,
        "job": measure_job(texts, truth, corpus, work, override=override),
    }
    if datatrove:
        report["datatrove"] = measure_datatrove(texts, truth, corpus, datatrove, work)
    return report


def main(argv: Sequence[str] | None = None) -> int:
    """Read the command line, measure, print JSON."""
    parser = parser_of((__doc__ or "").partition("\n")[0])
    parser.add_argument("--first", type=int, default=0, metavar="ROWS",
                        help="read the first rows of each source only")  # fmt: skip
    parser.add_argument("--keys", type=int, default=40, metavar="N",
                        help="keys to count proposals under (default 40)")  # fmt: skip
    parser.add_argument("--datasketch", type=int, default=6_000, metavar="DOCUMENTS",
                        help="distinct texts to give to datasketch (default 6000; 0: none)")  # fmt: skip
    parser.add_argument("--datatrove", type=Path, metavar="PATH",
                        help="Python, or folder, of an environment that has datatrove")  # fmt: skip
    options = parser.parse_args(argv)
    python: Path | None = options.datatrove
    if python and python.is_dir():
        python = python / "bin" / "python"
    try:
        corpus = open_corpus(options.cache, options.name, options.source)
        with tempfile.TemporaryDirectory(prefix="muniment-bench-") as name:
            work = Path(name).resolve()
            (work / "data").mkdir()
            if options.first:
                corpus = first_rows(corpus, work / "data", options.first)
            report = measure(
                corpus,
                work,
                keys=options.keys,
                datasketch_documents=options.datasketch,
                datatrove=python,
                override=options.override_guards,
            )
    except (BenchmarkError, OSError) as error:
        print(f"dedup_accuracy.py: {error}", file=sys.stderr)
        return 2
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
