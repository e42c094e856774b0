# SPDX-License-Identifier: Apache-2.0
"""The deduplication benchmark: its truth is the truth, and it sees what is wrong.

Numbers are never tested here: only that they are about the right thing.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import dedup_accuracy
from all_pairs import Sets, all_pairs, best_kept, bucket_pairs, by_class, pair_jaccard
from corpus_job import BenchmarkError, open_corpus
from dedup_accuracy import left_behind, measure
from distinct_texts import Texts, read_texts, sets_of

GROUPS = st.lists(st.sets(st.integers(0, 12), max_size=8), max_size=12)


def numbered(groups: list[set[int]]) -> Sets:
    sizes = [len(group) for group in groups]
    values = [value for group in groups for value in sorted(group)]
    return Sets(np.cumsum([0, *sizes]), np.array(values, np.int64), 13)


def similarity(a: set[int], b: set[int]) -> float:
    return len(a & b) / len(a | b) if a | b else 0.0


class TestTruth:
    @settings(deadline=None)
    @given(GROUPS, st.sampled_from([0.1, 0.5, 0.8]))
    def test_every_pair_that_shares_anything_is_counted_once(
        self, groups: list[set[int]], floor: float
    ) -> None:
        pairs = {
            (i, j): similarity(groups[i], groups[j])
            for j in range(len(groups))
            for i in range(j)
            if groups[i] & groups[j]
        }
        truth = all_pairs(numbered(groups), 14, 9, floor)
        values = np.array(list(pairs.values()))
        assert truth.count.tolist() == by_class(values).tolist()
        assert truth.expected.sum() == pytest.approx((1 - (1 - values**9) ** 14).sum())
        listed = zip(truth.a.tolist(), truth.b.tolist(), truth.jaccard.tolist(), strict=True)
        assert {(a, b): j for a, b, j in listed} == {
            pair: j for pair, j in pairs.items() if j >= floor
        }

    @settings(deadline=None)
    @given(GROUPS, st.randoms())
    def test_merging_two_sets_says_the_same(self, groups: list[set[int]], draw: Any) -> None:
        a = [draw.randrange(len(groups)) for _ in groups]
        b = [draw.randrange(len(groups)) for _ in groups]
        found = pair_jaccard(numbered(groups), np.array(a, np.int64), np.array(b, np.int64))
        assert found.tolist() == [
            similarity(groups[i], groups[j]) for i, j in zip(a, b, strict=True)
        ]

    @settings(deadline=None)
    @given(GROUPS, st.randoms())
    def test_the_most_similar_kept_document_is_found(
        self, groups: list[set[int]], draw: Any
    ) -> None:
        kept = np.array([draw.random() < 0.5 for _ in groups], bool)
        best = best_kept(numbered(groups), kept).tolist()
        for number, group in enumerate(groups):
            others = [similarity(group, groups[k]) for k in np.flatnonzero(kept)]
            assert best[number] == (1.0 if kept[number] else max(others, default=0.0))

    def test_a_similarity_on_a_border_belongs_to_the_class_above(self) -> None:
        assert by_class(np.array([k / 10 for k in range(11)])).tolist() == [1] * 11

    def test_sets_of_some_documents_are_their_sets(self) -> None:
        taken = numbered([{1, 2}, set(), {3}, {4, 5, 6}]).take(np.array([3, 1, 0]))
        assert taken.offsets.tolist() == [0, 3, 3, 5]
        assert taken.values.tolist() == [4, 5, 6, 1, 2]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=12))
def test_documents_are_proposed_where_they_share_a_bucket_of_one_band(
    rows: list[tuple[int, int]],
) -> None:
    buckets = np.array(rows, np.uint64).reshape(-1, 2)
    a, b = bucket_pairs(buckets)
    expected = [
        (i, j)
        for i in range(len(rows))
        for j in range(i + 1, len(rows))
        if rows[i][0] == rows[j][0] or rows[i][1] == rows[j][1]
    ]
    assert list(zip(a.tolist(), b.tolist(), strict=True)) == expected


def test_the_wilson_interval_is_the_textbook_one() -> None:
    assert dedup_accuracy.wilson(81, 263) == [0.2553, 0.3662]  # Newcombe 1998, table I
    assert dedup_accuracy.wilson(0, 20) == [0.0, 0.1611]


# What a tool has done


def words(seed: int, count: int = 60) -> str:
    return " ".join(f"w{n}" for n in random.Random(seed).choices(range(5000), k=count))


def edited(text: str, place: int) -> str:
    """Change one of 60 words: 51 of 61 shingles stay."""
    parts = text.split()
    parts[place] = "otherwise"
    return " ".join(parts)


def judged(texts: list[str], kept: list[int]) -> dict[str, Any]:
    array = pa.array(texts)
    coded = array.dictionary_encode()
    sets = sets_of(coded.dictionary)
    what = Texts(
        [str(n) for n in range(len(texts))],
        {},
        coded.indices.to_numpy().astype(np.int64),
        coded.dictionary,
        sets,
    )
    mask = np.zeros(len(texts), bool)
    mask[kept] = True
    return left_behind(what, all_pairs(sets, 14, 9, 0.8), mask)


def test_a_right_removal_leaves_nothing_to_say() -> None:
    text = words(1)
    said = judged([text, edited(text, 30), text, words(2)], [0, 3])
    assert said["pairs_at_threshold"] == 1
    assert said["pairs_left"] == said["exact_copies_left"] == said["removed_unlike_all_kept"] == 0
    assert said["texts_removed"] == 1  # the third document's text is still there


def test_what_was_left_and_what_was_lost_is_seen() -> None:
    text = words(1)
    said = judged([text, edited(text, 30), text, words(2)], [0, 1, 2])
    assert said["pairs_left"] == 1
    assert said["pairs_left_by_class"] == {"0.8 to 0.9": 1}
    assert said["exact_copies_left"] == 1
    assert said["removed_unlike_all_kept"] == 1
    assert said["removed_unlike_all_kept_by_best"] == {"0.0 to 0.1": 1}


def test_a_manifest_that_lies_is_seen() -> None:
    text = words(1)
    array = pa.array([text, edited(text, 30), words(2), text + " more"])
    texts = Texts([], {}, np.array([0, 1, 2, 3, 0]), array, sets_of(array))
    true = np.float32(51 / 61)
    claims = [
        (1, 0, "near_copy", true),
        (3, 0, "near_copy", 0.95),  # 56 of 57
        (2, 0, "near_copy", 0.9),
        (4, 0, "exact_copy", 1.0),
        (3, 2, "exact_copy", 1.0),
    ]
    kept = np.array([True, False, False, False, False])
    said = dedup_accuracy._check_claims(texts, claims, kept)
    assert said["near_copies"] == 3
    assert said["scores_that_differ"] == 2
    assert said["false_removals"] == 2
    assert said["partners_not_kept"] == 1


# From files to the report


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with a corpus `mail` of 40 texts, 8 near copies, 3 exact copies, 2 row groups."""
    texts = [words(n) for n in range(40)]
    texts += [edited(words(n), 5 + n) for n in range(8)] + [f"{words(n)} " for n in range(3)]
    folder = tmp_path_factory.mktemp("cache") / "mail" / "parquet"
    (folder / "post").mkdir(parents=True)
    table = pa.table({"text": texts, "id": [f"m{n}" for n in range(len(texts))]})
    pq.write_table(table, folder / "post" / "part-00000.parquet", row_group_size=30)
    source = {
        "name": "post",
        "kind": "other",
        "reviewer": "somebody",
        "paths": ["post/part-*.parquet"],
        "format": "parquet",
        "fields": {"text": "text", "id": "id"},
        "licence": "CC0-1.0",
        "legal_basis": "own_content",
        "origin": "worldwide",
        "collected": {"start": "2026-01-01", "end": "2026-01-02"},
    }
    built = {"post": {"documents": len(texts), "text_bytes": sum(map(len, texts))}}
    described = {"corpus": "mail", "sources": [source], "built": built}
    (folder / "sources.json").write_text(json.dumps(described))
    return folder.parents[1]


def test_documents_are_found_again_by_file_row_group_and_row(cache: Path) -> None:
    texts = read_texts(open_corpus(cache, "mail"))
    assert [place for _, place in texts.place] == [*range(30), *(1 << 32 | n for n in range(21))]
    assert len(texts.distinct) == 48
    assert texts.text[48:].tolist() == [0, 1, 2]
    assert len(texts.sets) == 48


@pytest.mark.slow
@pytest.mark.model
def test_a_whole_measurement(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def keep_first_forty(*arguments: Any) -> tuple[None, dict[str, Any]]:
        assert arguments[-2] == "--kept-ids"
        Path(arguments[-1]).write_text(json.dumps([f"m{n}" for n in range(40)]))
        return None, {"tool": "stand-in"}

    monkeypatch.setattr(dedup_accuracy, "run_contender", keep_first_forty)
    report = measure(
        open_corpus(cache, "mail"),
        tmp_path,
        keys=2,
        datasketch_documents=20,
        datatrove=Path("python"),
    )
    job = report["job"]
    assert report["documents"] == 51
    assert report["truth"]["pairs_at_threshold"] == 8
    # Which of two equal texts leads depends on the job's key, and so whether a copy of it counts
    # as exact or near; and a pair in a thousand is not proposed.
    assert job["documents_kept"] == 40 + job["pairs_left"]
    assert job["exact_copies"] + job["near_copies"] == 51 - job["documents_kept"]
    assert job["scores_that_differ"] == job["false_removals"] == job["partners_not_kept"] == 0
    assert job["removals_without_a_claim"] == job["pairs_left_in_one_component"] == 0
    assert report["datatrove"]["documents_kept"] == 40
    assert report["datatrove"]["pairs_left"] == report["datatrove"]["removed_unlike_all_kept"] == 0
    assert report["proposals"]["datasketch"]["documents"] == 20
    muniment = report["proposals"]["muniment"]
    assert muniment["keys"] == 2
    assert muniment["classes"]["0.8 to 0.9"]["pairs"] == 8
    json.dumps(report)


def test_documents_that_share_an_id_cannot_be_told_apart_for_datatrove() -> None:
    texts: Any = SimpleNamespace(ids=["a", "a"])
    nothing: Any = None
    with pytest.raises(BenchmarkError, match="some ids are there twice"):
        dedup_accuracy.measure_datatrove(texts, nothing, nothing, Path("python"), Path())


def test_a_corpus_that_is_not_built_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dedup_accuracy.main(["mail", "--cache", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("dedup_accuracy.py: no corpus mail in ")
    assert said.err.count("\n") == 1
