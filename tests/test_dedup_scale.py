# SPDX-License-Identifier: Apache-2.0
"""Floods of documents through whole jobs: bounded memory, time that grows with the flood.

Each flood is a job in a process of its own with one worker, once with half of the documents and
once with all; peak memory and CPU seconds are those of the processes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from muniment.transforms import similarity_join
from muniment.transforms.bands import star_edges
from muniment.transforms.components import connect, spanning_forest
from muniment.transforms.keys import generate_key
from muniment.transforms.verification import DuplicateRole, verify_clusters
from test_dedup_attacks import prose, word

pytestmark = pytest.mark.long

BASE_BYTES = 2_000_000_000
"""What a job may take whatever it reads; with `BYTES_A_DOCUMENT`, the bar for `large`."""
BYTES_A_DOCUMENT = 300
MOST_GROWTH = 2.3
"""Times the CPU seconds that twice the documents may cost."""


MEASURED = """
import json, os, sys
child = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(child, 0)
with open(sys.argv[1], "w") as file:
    json.dump([usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024], file)
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""Runs a command and writes down what it took. In a small process of its own, because the peak memory
of a process is counted from that of the one which started it."""


def identical(n: int) -> Iterator[str]:
    text = " ".join(prose(1, 200))
    yield from [text] * n


def footers(n: int) -> Iterator[str]:
    footer = " ".join(prose(0, 60))
    draw = np.random.default_rng(3)
    words = [word(i) for i in range(200_000)]
    for own in draw.integers(0, len(words), (n, 40)):
        yield f"{' '.join([words[i] for i in own])} {footer}"


def one_token(n: int) -> Iterator[str]:
    """Half of them the same token with other signs around it, half of them all different."""
    for i in range(n // 2):
        yield f"yes{'!' * (i % 1000)}{'?' * (i // 1000)}"
        yield word(i)


def blank(n: int) -> Iterator[str]:
    blanks = ["", " ", "\n\n", "\t \N{NO-BREAK SPACE}", "\N{IDEOGRAPHIC SPACE}"]
    for i in range(n):
        yield blanks[i % len(blanks)]


@dataclass(frozen=True)
class Flood:
    """A job on many documents.

    Args:
        documents: Its documents.
        cpu_seconds: CPU seconds of its processes.
        peak_bytes: Peak resident memory of the largest of them.
        summary: What `muniment run` printed.
    """

    documents: int
    cpu_seconds: float
    peak_bytes: int
    summary: dict[str, Any]


def flood(texts: Callable[[int], Iterator[str]], n: int, folder: Path) -> Flood:
    """Write documents, run a dedup-only job on them, and measure it."""
    (folder / "in").mkdir(parents=True)
    table = pa.table({"text": pa.array(texts(n), pa.string())})
    pq.write_table(table, folder / "in" / "part.parquet", row_group_size=20_000)
    generate_key(folder / "muniment.key")
    job = {
        "name": "flood",
        "key_file": "muniment.key",
        "sources": [
            {
                "name": "flood",
                "paths": ["in/*.parquet"],
                "kind": "other",
                "reviewer": "somebody",
                "licence": "CC0-1.0",
                "legal_basis": "licence",
                "origin": "worldwide",
                "collected": {"start": "2024-01-01", "end": "2024-12-31"},
            }
        ],
        "language": {"enabled": False},
        "toxicity": {"enabled": False},
        "personal_data": {"enabled": False},
        "deduplication": {"override_guards": "a flood is what is tested"},
        "engine": {"workers": 1},
    }
    (folder / "job.yaml").write_text(json.dumps(job))
    command = [sys.executable, "-m", "muniment", "run", str(folder / "job.yaml")]
    ran = subprocess.run(
        [
            sys.executable,
            "-c",
            MEASURED,
            str(folder / "usage"),
            *command,
            "-o",
            str(folder / "out"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    cpu_seconds, peak_bytes = json.loads((folder / "usage").read_text())
    return Flood(n, cpu_seconds, peak_bytes, json.loads(ran.stdout))


FLOODS = [
    (identical, 100_000, {"dup_exact": 99_999}, 1),
    (footers, 100_000, {}, 100_000),
    (one_token, 1_000_000, {"dup_near": 499_999}, 500_001),
    (blank, 1_000_000, {"empty": 1_000_000}, 0),
]


@pytest.mark.parametrize(
    ("texts", "n", "removed", "kept"), FLOODS, ids=[texts.__name__ for texts, *_ in FLOODS]
)
def test_a_flood_takes_memory_and_time_by_the_document(
    texts: Callable[[int], Iterator[str]],
    n: int,
    removed: dict[str, int],
    kept: int,
    tmp_path: Path,
) -> None:
    half = flood(texts, n // 2, tmp_path / "half")
    whole = flood(texts, n, tmp_path / "whole")
    sys.stdout.write(  # for the report: pytest -s
        f"{texts.__name__}: {half.cpu_seconds:.1f} and {whole.cpu_seconds:.1f} CPU s, "
        f"{half.peak_bytes >> 20} and {whole.peak_bytes >> 20} MiB\n"
    )
    assert whole.summary["documents"]["kept"] == kept
    assert whole.summary["removed_by_reason"] | whole.summary["quarantined_by_reason"] == removed
    assert whole.peak_bytes < BASE_BYTES + BYTES_A_DOCUMENT * n
    assert whole.cpu_seconds < MOST_GROWTH * half.cpu_seconds


def alike(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the shingle sets of n texts, any two of which share .5 to .8 of their shingles.

    Each is 22 of the same 30 lines of 5 words, in order; a shingle has 5 words.
    """
    draw = np.random.default_rng(1)
    lines = draw.integers(0, 2**63, (30, 5)).astype(np.uint64)
    sets = []
    for _ in range(n):
        words = lines[np.sort(draw.permutation(30)[:22])].ravel()
        shingles = np.zeros(len(words) - 4, np.uint64)
        for k in range(5):
            shingles = shingles * np.uint64(6364136223846793005) + words[k : k + len(shingles)]
            shingles ^= shingles >> np.uint64(29)
        sets.append(np.unique(shingles * np.uint64(0x9E3779B97F4A7C15)))
    return np.cumsum([0, *map(len, sets)]), np.concatenate(sets)


def test_of_texts_that_all_resemble_each_other_no_removal_is_wrong_and_the_work_is_bounded() -> (
    None
):
    n = 20_000
    offsets, hashes = alike(n)
    rows, bounded = verify_clusters(
        np.zeros(n, np.uint64),
        np.arange(n, dtype=np.uint64),
        [np.arange(n)],
        np.ones(n, np.uint8),
        offsets,
        hashes,
        threshold=0.8,
    )
    assert bounded  # so the bound is what is tested
    role, partner = np.asarray(rows["role"]), rows["partner"].to_pylist()
    near = np.flatnonzero(role == DuplicateRole.NEAR)
    assert len(near)
    for x in near.tolist():
        mine = set(hashes[offsets[x] : offsets[x + 1]].tolist())
        theirs = set(hashes[offsets[partner[x]] : offsets[partner[x] + 1]].tolist())
        assert len(mine & theirs) / len(mine | theirs) >= 0.8
        assert role[partner[x]] == DuplicateRole.SURVIVOR


@pytest.mark.parametrize("containment", [None, 0.9])
@pytest.mark.parametrize("threshold", [0.7, 0.75])
def test_among_texts_that_all_resemble_each_other_the_index_finds_what_comparing_all_finds(
    threshold: float, containment: float | None
) -> None:
    n = 500
    offsets, hashes = alike(n)
    draw = np.random.default_rng(4)
    whole = draw.random(n) < 0.5  # the others lose some of their shingles: sizes differ
    stays = np.repeat(whole, np.diff(offsets)) | (draw.random(len(hashes)) < 0.8)
    ends = np.append(0, np.cumsum(stays))[offsets]
    found = [
        verify_clusters(
            np.zeros(n, np.uint64),
            np.arange(n, dtype=np.uint64),
            [np.arange(n)],
            np.ones(n, np.uint8),
            ends,
            hashes[stays],
            threshold=threshold,
            containment_threshold=containment,
            index_from=index_from,
        )
        for index_from in (1, n + 1)
    ]
    assert found[0].bounded == 0
    assert found[0].rows.equals(found[1].rows)
    assert len(set(found[0].rows["role"].to_pylist())) > 1


def test_twice_as_many_texts_that_all_resemble_each_other_cost_twice_as_much() -> None:
    offsets, hashes = alike(100_000)

    def seconds(n: int) -> float:
        start = time.process_time()
        verify_clusters(
            np.zeros(n, np.uint64),
            np.arange(n, dtype=np.uint64),
            [np.arange(n)],
            np.ones(n, np.uint8),
            offsets[: n + 1],
            hashes[: offsets[n]],
            threshold=0.8,
        )
        return time.process_time() - start

    seconds(1000)  # compiles
    half, whole = (min(seconds(n) for _ in range(3)) for n in (50_000, 100_000))
    sys.stdout.write(f"alike: {half:.2f} and {whole:.2f} CPU s\n")
    assert whole < MOST_GROWTH * half


def test_a_bucket_of_a_million_is_a_star_and_connects_what_all_pairs_connect() -> None:
    n = 1_000_000
    refs = np.random.default_rng(5).permutation(n).astype(np.uint64)
    a, b = star_edges(np.zeros(n, np.uint64), refs)
    assert len(a) == n - 1
    assert (a == 0).all()
    root, node = spanning_forest(a, b)
    assert len(node) == n - 1
    assert (root == 0).all()
    few = refs[:300]  # all pairs, where there are few enough to write down
    x, y = (side.ravel() for side in np.meshgrid(few, few))
    star = connect(*star_edges(np.zeros(len(few), np.uint64), few))
    assert [side.tolist() for side in connect(x, y)] == [side.tolist() for side in star]


def test_a_bound_that_is_reached_keeps_and_never_removes_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    n = 400
    offsets, hashes = alike(n)
    scan = similarity_join._scan_indexed.py_func

    def near_with(bound: int) -> set[int]:
        monkeypatch.setattr(similarity_join, "MOST_LOOKED_UP", bound)
        kind = np.zeros(n, np.uint8)
        scan(
            0,
            n,
            np.full(n, similarity_join.PROBE | similarity_join.INSERT, np.uint8),
            offsets[:-1],
            offsets[1:],
            hashes,
            0.7,
            similarity_join.NEVER,
            kind,
            np.full(n, -1),
            np.zeros(n),
            np.zeros(n),
        )
        return set(np.flatnonzero(kind).tolist())

    found = [len(near_with(bound)) for bound in (0, 8, 1 << 30)]
    assert found[0] == 0
    assert found == sorted(found)
    assert found[1] < found[2]
