# SPDX-License-Identifier: Apache-2.0
"""Near-duplicates unit by unit: who is proposed, who is connected, who answers for whom."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.schemas.job import Job
from muniment.schemas.reasons import ClusterRole
from muniment.schemas.staged import BANDS, CANDIDATES, EXACT, MEMBERSHIPS, NEAR
from muniment.transforms.exchange import gather, parcels_of, write_parcels
from muniment.transforms.near import (
    connect_partition,
    join_forests,
    propose_split,
    verify_partition,
)
from muniment.transforms.units import UnitOutputs

SURVIVOR, EXACT_COPY = int(ClusterRole.SURVIVOR), int(ClusterRole.EXACT_COPY)
NEAR_COPY, CONTEXT = int(ClusterRole.NEAR_COPY), int(ClusterRole.CONTEXT)
SPLIT = 1 << 32
TEN = frozenset(range(10))


def run_with(copies: str = "remove", threshold: float = 0.8) -> Any:
    job = Job.model_validate(
        {
            "name": "test",
            "key_file": "key",
            "sources": [
                {
                    "name": "s",
                    "kind": "other",
                    "reviewer": "somebody",
                    "paths": ["x"],
                    "licence": "unknown",
                    "legal_basis": "unknown",
                    "origin": "worldwide",
                    "collected": {"start": "2024-01-01", "end": "2024-01-01"},
                }
            ],
            "rights": {"optout_copies": copies},
            "deduplication": {"near": {"threshold": threshold}},
        }
    )
    plan = SimpleNamespace(partitions=4, former=(), splits=(), former_base=np.uint64(2**64 - 1))
    return SimpleNamespace(job=job, plan=plan)


def parcels(paths: Sequence[str]) -> dict[int, list[tuple[str, str, int]]]:
    """Group the parcels of some files by partition, as the engine does."""
    groups: dict[int, list[tuple[str, str, int]]] = {}
    for path in paths:
        for partition, parcel in parcels_of(path):
            groups.setdefault(partition, []).append(tuple(parcel))
    return groups


def sent(folder: Path, name: str, schema: pa.Schema, columns: Sequence[Any]) -> list[Any]:
    """Return what arrives if one unit sends these rows to partition 0."""
    out = UnitOutputs(folder, 0)
    table = pa.table(columns, schema=schema)
    write_parcels(out, name, schema, table, np.zeros(table.num_rows, dtype=np.int64))
    return parcels([out.files[name].path]).get(0, [])


# Verifying


@dataclass(frozen=True)
class Candidate:
    """A candidate; smaller priority is better, `id` is its doc_id."""

    ref: int
    shingles: frozenset[int] = TEN
    priority: int = 0
    eligible: bool = True
    denied: bool = False
    followers: tuple[int, ...] = ()
    cluster: int = 1

    @property
    def id(self) -> tuple[int, int]:
        return 500 - self.ref % SPLIT, self.ref


@dataclass
class Verified:
    """What a `verify` unit said."""

    answers: dict[int, dict[str, Any]]
    partitions: dict[int, list[int]]
    stats: dict[str, Any] = field(default_factory=dict)


def verify(folder: Path, candidates: Sequence[Candidate], **job: Any) -> Verified:
    columns = [
        [item.cluster for item in candidates],
        [item.ref for item in candidates],
        [item.id[0] for item in candidates],
        [item.id[1] for item in candidates],
        [item.priority for item in candidates],
        [0 for _ in candidates],
        [item.eligible and not item.denied for item in candidates],
        [item.denied for item in candidates],
        [list(item.followers) for item in candidates],
        [sorted(item.shingles) for item in candidates],
    ]
    out = UnitOutputs(folder, 9)
    verify_partition(run_with(**job), sent(folder, "candidates", CANDIDATES, columns), out)
    groups = parcels([out.files["near"].path])
    tables = {number: gather(values, "near", NEAR, ["ref"]) for number, values in groups.items()}
    rows = [row for table in tables.values() for row in table.to_pylist()]
    assert len({row["ref"] for row in rows}) == len(rows)
    return Verified(
        {row["ref"]: row for row in rows},
        {number: table["ref"].to_pylist() for number, table in tables.items()},
        out.stats,
    )


def pair(row: dict[str, Any], name: str) -> tuple[int | None, int | None]:
    return row[f"{name}_hi"], row[f"{name}_lo"]


def test_a_near_copy_names_the_survivor_and_the_true_similarity(tmp_path: Path) -> None:
    best = Candidate(1, TEN)
    copy = Candidate(SPLIT + 2, TEN | {10}, priority=1)
    said = verify(tmp_path, [best, copy])
    row = said.answers[copy.ref]
    assert (row["role"], row["partner"]) == (NEAR_COPY, best.ref)
    assert pair(row, "partner") == pair(row, "cluster") == best.id
    assert row["jaccard"] == pytest.approx(10 / 11)
    assert pair(row, "denied_partner") == (None, None)
    survivor = said.answers[best.ref]
    assert (survivor["role"], survivor["partner"], survivor["jaccard"]) == (SURVIVOR, None, None)
    assert pair(survivor, "cluster") == best.id
    assert said.partitions == {0: [best.ref], 1: [copy.ref]}  # each split is told its own
    assert said.stats["largest_clusters"] == [2]
    assert said.stats["candidates"] == 2


def test_candidates_that_resemble_nobody_are_not_told_anything(tmp_path: Path) -> None:
    said = verify(tmp_path, [Candidate(1, TEN), Candidate(2, frozenset(range(5, 15)), 1)])
    assert said.answers == {}
    assert said.stats["largest_clusters"] == []


def test_the_threshold_is_inclusive(tmp_path: Path) -> None:
    pair_at_half = [Candidate(1, frozenset(range(3))), Candidate(2, frozenset(range(1, 4)), 1)]
    assert verify(tmp_path, pair_at_half, threshold=0.5).answers[2]["role"] == NEAR_COPY
    assert verify(tmp_path, pair_at_half, threshold=0.51).answers == {}


def test_nobody_is_removed_by_transitivity(tmp_path: Path) -> None:
    chain = [
        Candidate(1, frozenset(range(20))),
        Candidate(2, frozenset(range(2, 22)), 1),  # 18 of 22 with the first
        Candidate(
            3, frozenset(range(4, 24)), 2
        ),  # 18 of 22 with the second, 16 of 24 with the first
    ]
    said = verify(tmp_path, chain)
    assert said.answers[2]["partner"] == 1
    assert 3 not in said.answers


def test_who_cannot_be_kept_is_no_witness(tmp_path: Path) -> None:
    said = verify(tmp_path, [Candidate(1, eligible=False), Candidate(2, TEN | {10}, 1)])
    assert said.answers == {}


def test_followers_of_a_near_copy_become_near_copies_of_its_survivor(tmp_path: Path) -> None:
    best = Candidate(1, TEN)
    copy = Candidate(2, TEN | {10}, 1, followers=(SPLIT + 7, 8))
    said = verify(tmp_path, [best, copy])
    told = {key: value for key, value in said.answers[2].items() if key != "ref"}
    for ref in copy.followers:
        row = said.answers[ref]
        assert {key: value for key, value in row.items() if key != "ref"} == told
    assert said.partitions == {0: [1, 2, 8], 1: [SPLIT + 7]}
    assert said.stats["largest_clusters"] == [4]


def test_followers_of_a_survivor_stay_what_they_are(tmp_path: Path) -> None:
    said = verify(tmp_path, [Candidate(1, TEN, followers=(5, 6)), Candidate(2, TEN | {10}, 1)])
    assert set(said.answers) == {1, 2}  # the exact stage has told 5 and 6 already


def test_a_copy_of_a_denied_document_falls_with_its_followers(tmp_path: Path) -> None:
    denied = Candidate(1, TEN, denied=True)
    copy = Candidate(2, TEN | {10}, 1, followers=(5,))
    said = verify(tmp_path, [denied, copy])
    for ref in (2, 5):
        row = said.answers[ref]
        assert row["role"] == CONTEXT
        assert pair(row, "denied_partner") == denied.id
        assert row["denied_jaccard"] == pytest.approx(10 / 11)
        assert row["partner"] is None
    assert 1 not in said.answers


def test_a_flagged_copy_of_a_denied_document_survives_and_its_followers_stay_copies_of_it(
    tmp_path: Path,
) -> None:
    denied = Candidate(1, TEN, denied=True)
    copy = Candidate(2, TEN | {10}, 1, followers=(5,))
    said = verify(tmp_path, [denied, copy], copies="flag")
    assert said.answers[2]["role"] == SURVIVOR
    assert pair(said.answers[2], "denied_partner") == denied.id
    follower = said.answers[5]
    assert (follower["role"], follower["partner"], follower["jaccard"]) == (EXACT_COPY, 2, 1.0)
    assert pair(follower, "partner") == pair(follower, "cluster") == copy.id
    assert pair(follower, "denied_partner") == denied.id


def test_a_tainted_survivor_is_no_witness(tmp_path: Path) -> None:
    denied = Candidate(1, frozenset(range(20)), denied=True)
    tainted = Candidate(2, frozenset(range(2, 22)), 1)
    other = Candidate(3, frozenset(range(4, 24)), 2)  # resembles the tainted one only
    said = verify(tmp_path, [denied, tainted, other])
    assert said.answers[2]["role"] == CONTEXT
    assert 3 not in said.answers
    flagged = verify(tmp_path, [denied, tainted, other], copies="flag")
    assert flagged.answers[3]["partner"] == 2


def test_clusters_do_not_mix(tmp_path: Path) -> None:
    said = verify(tmp_path, [Candidate(1, cluster=1), Candidate(2, cluster=2)])
    assert said.answers == {}


def test_nothing_to_verify_is_fine(tmp_path: Path) -> None:
    out = UnitOutputs(tmp_path, 0)
    verify_partition(run_with(), [], out)
    assert parcels([out.files["near"].path]) == {}
    assert out.stats["largest_clusters"] == []


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(
            st.frozensets(st.integers(0, 7), max_size=6), st.integers(0, 2), st.booleans(),
            st.sampled_from([False, False, True]), st.integers(0, 2), st.integers(0, 1),
        ),
        max_size=8,
    ),
    st.sampled_from(["remove", "flag"]),
    st.randoms(use_true_random=False),
)  # fmt: skip
def test_every_answer_is_true_and_does_not_depend_on_arrival(
    tmp_path_factory: pytest.TempPathFactory,
    drawn: list[tuple[frozenset[int], int, bool, bool, int, int]],
    copies: str,
    shuffle: random.Random,
) -> None:
    candidates = [
        Candidate(
            10 * n, shingles, priority, eligible, denied,
            tuple(range(10 * n + 1, 10 * n + 1 + followers)), cluster,
        )
        for n, (shingles, priority, eligible, denied, followers, cluster) in enumerate(drawn)
    ]  # fmt: skip
    said = verify(tmp_path_factory.mktemp("a"), candidates, copies=copies, threshold=0.5)
    leader = {ref: item for item in candidates for ref in (item.ref, *item.followers)}
    for ref, row in said.answers.items():
        own = leader[ref]
        if row["partner"] is not None:
            witness = leader[row["partner"]]
            assert said.answers[witness.ref]["role"] == SURVIVOR
            assert pair(row, "partner") == pair(row, "cluster") == witness.id
            assert row["role"] == (EXACT_COPY if witness is own else NEAR_COPY)
            both = len(own.shingles | witness.shingles)
            true = len(own.shingles & witness.shingles) / both if both else 1.0
            assert row["jaccard"] == pytest.approx(1.0 if witness is own else true)
            assert row["jaccard"] >= 0.5
        if row["denied_partner_hi"] is not None:
            assert pair(row, "denied_partner") in {item.id for item in candidates if item.denied}
            assert row["denied_jaccard"] >= 0.5
    for item in candidates:
        row = said.answers.get(item.ref)
        if row and row["role"] == NEAR_COPY:
            assert set(item.followers) <= set(said.answers)
    shuffle.shuffle(candidates)
    again = verify(tmp_path_factory.mktemp("b"), candidates, copies=copies, threshold=0.5)
    assert again == said


# Proposing


def test_a_split_sends_the_bands_of_all_but_the_followers_of_exact_groups(tmp_path: Path) -> None:
    schema = pa.schema([("row", pa.uint32()), ("bands", pa.list_(pa.uint64(), 2))])
    bands = [[1, 2**63], [3, 2**63 + 1], [5, 6]]
    out = UnitOutputs(tmp_path, 3)
    table = pa.table([[0, 1, 4], bands], schema=schema)
    staged = out.write_ipc("staged", schema, table.to_batches())
    base = 3 * SPLIT
    empty: list[Any] = [None]
    exact = sent(
        tmp_path,
        "exact",
        EXACT,
        [
            [base + 1, base + 4], [0, 0], [0, 0], [base + 4, base + 4], [0, 0], [0, 0],
            [EXACT_COPY, SURVIVOR], empty * 2, empty * 2, [True, True], [False, False],
            [[], [base + 1]],
        ],
    )  # fmt: skip
    split: Any = SimpleNamespace(number=3)
    propose_split(run_with(), split, staged.path, exact, out)
    groups = parcels([out.files["bands"].path])
    found = {
        number: gather(values, "bands", BANDS, ["band", "ref"]).to_pylist()
        for number, values in groups.items()
    }
    assert found == {
        0: [
            {"band": 1, "ref": base},
            {"band": 5, "ref": base + 4},
            {"band": 6, "ref": base + 4},
        ],
        2: [{"band": 2**63, "ref": base}],  # partitions go by the top bits
    }


def test_a_split_without_documents_sends_nothing(tmp_path: Path) -> None:
    schema = pa.schema([("row", pa.uint32()), ("bands", pa.list_(pa.uint64(), 2))])
    out = UnitOutputs(tmp_path, 3)
    staged = out.write_ipc("staged", schema, [])
    split: Any = SimpleNamespace(number=3)
    propose_split(run_with(), split, staged.path, [], out)
    assert parcels([out.files["bands"].path]) == {}


# Connecting and joining


def joined(folder: Path, buckets: dict[int, list[tuple[int, int]]]) -> dict[int, int]:
    """Run `connect` for each partition of (band, ref) rows, then `join`; return the clusters."""
    paths = []
    for number, rows in buckets.items():
        columns = [[band for band, _ in rows], [ref for _, ref in rows]]
        own = folder / str(number)
        own.mkdir()
        out = UnitOutputs(folder, number)
        connect_partition(sent(own, "bands", BANDS, columns), out)
        paths.append(out.files["edges"].path)
    received = parcels(paths)
    assert set(received) <= {0}  # all forests go to the one joiner
    out = UnitOutputs(folder, 99)
    join_forests(received.get(0, []), out)
    clusters: dict[int, int] = {}
    for number, values in parcels([out.files["memberships"].path]).items():
        for row in gather(values, "memberships", MEMBERSHIPS, ["ref"]).to_pylist():
            assert row["ref"] >> 32 == number
            clusters[row["ref"]] = row["cluster"]
    return clusters


def test_documents_that_share_a_band_are_one_cluster_across_partitions(tmp_path: Path) -> None:
    buckets = {
        0: [(1, 10), (1, SPLIT + 2), (2, 30)],
        1: [(9, SPLIT + 2), (9, 40), (8, 50), (8, 60)],
        2: [],
    }
    assert joined(tmp_path, buckets) == {10: 10, SPLIT + 2: 10, 40: 10, 50: 50, 60: 50}


def test_bands_of_one_document_make_no_cluster(tmp_path: Path) -> None:
    assert joined(tmp_path, {0: [(1, 10), (2, 20), (2, 20)], 1: []}) == {}


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 12)), max_size=15))
def test_clusters_are_the_connected_components(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int]]
) -> None:
    name = {ref: ref for _, ref in rows}
    for _ in name:
        for band, ref in rows:
            least = min(name[other] for same, other in rows if same == band)
            name[ref] = min(name[ref], least)
    found = {ref: root for ref, root in name.items() if list(name.values()).count(root) > 1}
    buckets = {number: [row for row in rows if row[0] % 2 == number] for number in (0, 1)}
    assert joined(tmp_path_factory.mktemp("join"), buckets) == found
