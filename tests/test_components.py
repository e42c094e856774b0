# SPDX-License-Identifier: Apache-2.0
"""Components are exact, named by their smallest node, and do not depend on the order of edges."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.transforms.components import connect, spanning_forest

EDGES = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=40)


def columns(edges: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    array = np.array(edges, np.uint64).reshape(-1, 2)
    return array[:, 0], array[:, 1]


def plain_clusters(edges: list[tuple[int, int]]) -> dict[int, int]:
    """Relabel until nothing changes."""
    label = {node: node for edge in edges for node in edge}
    changed = True
    while changed:
        changed = False
        for x, y in edges:
            low = min(label[x], label[y])
            changed |= label[x] != low or label[y] != low
            label[x] = label[y] = low
    return label


@settings(deadline=None)
@given(EDGES)
def test_connect_agrees_with_relabelling(edges: list[tuple[int, int]]) -> None:
    node, cluster = connect(*columns(edges))
    assert node.tolist() == sorted(plain_clusters(edges))
    assert dict(zip(node.tolist(), cluster.tolist(), strict=True)) == plain_clusters(edges)


@settings(deadline=None)
@given(EDGES, st.randoms())
def test_order_and_direction_of_edges_do_not_matter(
    edges: list[tuple[int, int]], random: object
) -> None:
    other = [(y, x) for x, y in edges]
    random.shuffle(other)  # type: ignore[attr-defined]
    for mine, theirs in zip(connect(*columns(edges)), connect(*columns(other)), strict=True):
        assert mine.tolist() == theirs.tolist()


@settings(deadline=None)
@given(EDGES, st.integers(1, 5))
def test_forests_of_parts_join_to_the_same_components(
    edges: list[tuple[int, int]], parts: int
) -> None:
    forests = [spanning_forest(*columns(edges[part::parts])) for part in range(parts)]
    joined = [np.concatenate(side) for side in zip(*forests, strict=True)]
    assert all((root < node).all() for root, node in forests)
    assert all(len(set(node.tolist())) == len(node) for _, node in forests)
    expected = {
        n: c
        for n, c in plain_clusters(edges).items()
        if any(n in edge and edge[0] != edge[1] for edge in edges)
    }
    node, cluster = connect(*joined)
    assert dict(zip(node.tolist(), cluster.tolist(), strict=True)) == expected


def test_a_long_chain_is_one_component() -> None:
    chain = np.arange(200_000, dtype=np.uint64)
    shuffled = np.random.default_rng(1).permutation(199_999)
    _, cluster = connect(chain[1:][shuffled], chain[:-1][shuffled])
    assert (cluster == 0).all()


def test_the_largest_references_survive() -> None:
    top = np.array([2**64 - 1, 2**64 - 2], np.uint64)
    node, cluster = connect(top[:1], top[1:])
    assert node.tolist() == [2**64 - 2, 2**64 - 1]
    assert cluster.tolist() == [2**64 - 2] * 2


def test_empty_input_is_fine() -> None:
    nothing = np.zeros(0, np.uint64)
    assert [len(side) for side in connect(nothing, nothing)] == [0, 0]
    assert [len(side) for side in spanning_forest(nothing, nothing)] == [0, 0]


@pytest.mark.long
def test_ten_million_edges_are_exact_in_both_ways_of_the_exchange(repository):
    script = repository / "benchmarks" / "components.py"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(report["exchange"], report["exact"]) for report in reports] == [
        ("files", True),
        ("engine", True),
    ]
    assert done.returncode == 0
