# SPDX-License-Identifier: Apache-2.0
"""Parts of other documents: proposed with the recall that is promised, counted exactly."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.transforms.canonical import canonical_text
from muniment.transforms.containment import (
    LONGEST,
    MISSED,
    ONE_IN,
    OVERLAPS,
    PROBES,
    index_works,
    least_hits,
    pair_by_sample,
    probe_mask,
    proposal_recall,
    proposed_pairs,
    work_overlaps,
)
from muniment.transforms.minhash import shingle_hashes
from stage_runner import added, digests, documents, govern, planned
from test_stage_units import prose, write_job

KEY = bytes(range(16))
NUMBERS = st.sets(st.integers(0, 40), max_size=12)


def hashed(sets: list[set[int]]) -> tuple[Any, Any]:
    """Return sets of small numbers as sets of hashes."""
    spread = [sorted((n + 1) * 0x9E3779B97F4A7C15 % 2**64 for n in one) for one in sets]
    return np.cumsum([0, *map(len, spread)]), np.array(
        [h for one in spread for h in one], np.uint64
    )


# Samples


def test_a_sample_is_the_small_hashes_of_the_whole_set() -> None:
    texts = canonical_text(pa.array([prose(1), "", None, prose(2), "too short"]))
    offsets, hashes = shingle_hashes(texts, shingle_size=5, key=KEY)
    for one_in in (1, 2, 8, 1 << 20):
        found_offsets, found = shingle_hashes(texts, shingle_size=5, key=KEY, one_in=one_in)
        small = hashes <= (1 << 64) // one_in - 1
        assert found.tolist() == hashes[small].tolist()
        assert found_offsets.tolist() == [int(small[:end].sum()) for end in offsets]


def test_no_sample_is_one_in_nothing() -> None:
    with pytest.raises(ValueError, match=r"1 <= one_in < 2\^32, got 0"):
        shingle_hashes(pa.array(["a"]), shingle_size=5, key=KEY, one_in=0)


@pytest.mark.parametrize("threshold", [0.5, 0.8, 0.9, 1.0])
def test_hits_are_asked_for_that_a_part_at_the_threshold_has(threshold: float) -> None:
    needed = least_hits(threshold)
    assert len(needed) == PROBES + 1
    assert all(1 <= n <= max(probes, 1) for probes, n in enumerate(needed))
    assert list(needed) == sorted(needed)
    chances = np.random.default_rng(1).binomial(PROBES, threshold, 200_000)
    assert (chances < needed[PROBES]).mean() <= 2 * MISSED


def test_the_promised_recall_is_what_random_sets_give() -> None:
    generator, threshold, sizes = np.random.default_rng(7), 0.8, (40, 120)
    for size in sizes:
        for share in (0.4, 0.8, 1.0):
            hits = trials = 0
            for _ in range(3000):
                values = generator.random(size)
                kept = np.sort(values)[: int((values < 1 / ONE_IN).sum())][:PROBES]
                inside = generator.permutation(size) < round(share * size)
                found = int(inside[np.argsort(values)][: len(kept)].sum())
                hits += len(kept) > 0 and found >= least_hits(threshold)[len(kept)]
                trials += 1
            assert hits / trials == pytest.approx(proposal_recall(share, size, threshold), abs=0.03)
    assert proposal_recall(0.0, 100, threshold) == 0.0
    assert proposal_recall(1.0, 0, threshold) == 0.0
    assert proposal_recall(0.9, 1000, 0.9) >= 1 - 2 * MISSED


@given(st.lists(NUMBERS, max_size=8))
def test_probes_are_the_smallest_values_of_each_sample(sets: list[set[int]]) -> None:
    offsets, hashes = hashed([{n + 100 * k for n in one for k in range(3)} for one in sets])
    probe, probes = probe_mask(offsets)
    assert len(probe) == len(probes) == len(hashes)
    for i in range(len(sets)):
        own = slice(offsets[i], offsets[i + 1])
        assert hashes[own][probe[own]].tolist() == hashes[own][:PROBES].tolist()
        assert set(probes[own].tolist()) <= {min(offsets[i + 1] - offsets[i], PROBES)}


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 30), st.booleans()), unique_by=lambda e: e[:2]
    ),
    st.randoms(use_true_random=False),
)
def test_a_probe_is_paired_with_the_longest_documents_of_its_shingle(
    entries: list[tuple[int, int, bool]], shuffle: random.Random
) -> None:
    def pairs(rows: list[tuple[int, int, bool]]) -> list[tuple[int, int, int]]:
        hashes = np.array([row[0] for row in rows], np.uint64)
        refs = np.array([row[1] for row in rows], np.uint64)
        sizes = np.array([row[1] // 2 for row in rows], np.uint32)
        probe = np.array([row[2] for row in rows], bool)
        left, right = pair_by_sample(hashes, refs, sizes, probe)
        assert (hashes[left] == hashes[right]).all()
        triples = zip(hashes[left].tolist(), refs[left].tolist(), refs[right].tolist(), strict=True)
        return sorted(triples)

    expected = []
    for shingle in range(5):
        members = [row for row in entries if row[0] == shingle]
        members.sort(key=lambda row: (-(row[1] // 2), row[1]))
        expected += [
            (shingle, x[1], y[1])
            for x in members
            for y in members[:LONGEST]
            if x[2] and x[1] != y[1]
        ]
    assert pairs(entries) == sorted(expected)
    shuffle.shuffle(entries)
    assert pairs(entries) == sorted(expected)


def test_a_shingle_that_everybody_has_gives_a_pair_a_document_not_a_square() -> None:
    n = 100_000
    zeros, refs = np.zeros(n, np.uint64), np.arange(n, dtype=np.uint64)
    left, right = pair_by_sample(zeros, refs, np.ones(n, np.uint32), np.ones(n, bool))
    assert len(left) == n * LONGEST - LONGEST
    assert set(right.tolist()) == set(range(LONGEST))


def test_pairs_with_too_few_hits_are_not_proposed() -> None:
    needed = least_hits(0.9)[PROBES]
    contained = np.array([5] * (needed - 1) + [6] * needed, np.uint64)
    container = np.full(len(contained), 9, np.uint64)
    x, y = proposed_pairs(contained, container, np.full(len(contained), PROBES, np.uint8), 0.9)
    assert (x.tolist(), y.tolist()) == ([6], [9])


# Given works


@settings(max_examples=60)
@given(st.lists(NUMBERS, max_size=6), st.lists(NUMBERS, max_size=4))
def test_every_document_is_compared_with_every_work(
    sets: list[set[int]], works: list[set[int]]
) -> None:
    batch = work_overlaps(*hashed(sets), index_works(*hashed(works)))
    batch.validate(full=True)
    assert batch.schema == OVERLAPS
    found = {(row["document"], row["work"]): row for row in batch.to_pylist()}
    assert list(found) == sorted(found)
    expected = {
        (i, j): len(mine & theirs)
        for i, mine in enumerate(sets)
        for j, theirs in enumerate(works)
        if mine & theirs
    }
    assert {pair: row["common"] for pair, row in found.items()} == expected
    for (i, j), row in found.items():
        assert row["in_work"] == pytest.approx(row["common"] / len(sets[i]))
        assert row["of_work"] == pytest.approx(row["common"] / len(works[j]))
        assert row["jaccard"] == pytest.approx(row["common"] / len(sets[i] | works[j]))


def test_works_are_found_in_a_slice_of_sets() -> None:
    offsets, hashes = hashed([{1, 2}, {3, 4, 5}, {6}])
    found = work_overlaps(offsets[1:], hashes, index_works(*hashed([{3, 4}]))).to_pylist()
    assert [(row["document"], row["common"], row["of_work"]) for row in found] == [(0, 2, 1.0)]


# In a job


def write_parts(folder: Path, containment: float | None = 0.9) -> Path:
    """Write a job over a book, its chapters, a page that quotes one, and others."""
    path = write_job(folder, deduplication={"near": {"containment": containment}})
    chapters = [prose(500 + n) for n in range(6)]
    texts = {
        "book": " ".join(chapters),
        **{f"chapter{n}": text for n, text in enumerate(chapters)},
        "again": chapters[2].upper() + "!",  # the same words: a near copy of a part
        "quotes": f"{prose(600)} {prose(601)[:200]} {chapters[4]} {prose(602)}",
        "half": " ".join(prose(503).split()[:60] + prose(700).split()[:60]),
    }
    records = [{"id": name, "text": text} for name, text in texts.items()]
    (folder / "parts.jsonl").write_text("".join(json.dumps(item) + "\n" for item in records))
    return path


def test_parts_fall_and_wholes_stay(tmp_path: Path) -> None:
    before = govern(planned(write_parts(tmp_path / "off", None), tmp_path / "work0"))
    markers = govern(planned(write_parts(tmp_path / "in"), tmp_path / "work"))
    assert added(markers) == added(before) | {
        "dup_contained": 7,
        "dup_near": added(before)["dup_near"] - 1,
    }
    assert sum(marker.stats["near_removed"] for marker in markers) == added(markers)["dup_near"] + 7
    rows = {row["doc_id"]: row for row in documents(markers)}
    parts = pa.concat_tables(pq.read_table(marker.path("duplicates")) for marker in markers)
    copies = [row for row in parts.to_pylist() if row["role"] == "contained_copy"]
    assert len(copies) == 7
    (book,) = {row["partner_id"] for row in copies}
    assert rows[book]["outcome"] == "kept"
    assert rows[book]["tokens_in"] == 6 * 120
    for row in copies:
        assert rows[row["doc_id"]]["reason"] == "dup_contained"
        assert row["containment"] >= 0.9 > row["jaccard"]
        assert (row["method"], row["cluster_id"]) == ("containment", book)
    decisions = pa.concat_tables(pq.read_table(marker.path("decisions")) for marker in markers)
    said = [row for row in decisions.to_pylist() if row["rule_id"] == "dup_contained"]
    assert {(row["terminal"], row["partner_id"]) for row in said} == {(True, book)}
    assert {row["threshold"] for row in said} == {np.float32(0.9)}


def test_parts_are_the_same_however_the_batches_travel(tmp_path: Path) -> None:
    job = write_parts(tmp_path / "in")
    results = [
        digests(govern(planned(job, tmp_path / f"work{seed}"), way, seed))
        for seed, way in enumerate(("files", "engine", "files"))
    ]
    assert results[0] == results[1] == results[2]
