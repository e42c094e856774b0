# SPDX-License-Identifier: Apache-2.0
"""Merkle trees: SHA-256 as hashlib has it, roots and paths as RFC 6962 defines them."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.transforms import sha256
from muniment.transforms.merkle import (
    EMPTY_ROOT,
    inclusion_path,
    merkle_root,
    root_of_path,
    sort_leaves,
)
from muniment.transforms.sha256 import hash_slices
from muniment.transforms.sha256_native import has_instructions

INPUTS = (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
)  # fmt: skip
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
"""Test vectors of the reference implementation of RFC 6962 (certificate-transparency,
merkle_tree_test: the roots of the first 1 to 8 inputs)."""


def _digests(items: list[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(items), np.uint8).reshape(-1, 32)


def _leaves(count: int) -> list[bytes]:
    return [hashlib.sha256(b"\0" + bytes.fromhex(text)).digest() for text in INPUTS[:count]]


def _naive_root(leaves: list[bytes]) -> bytes:
    if len(leaves) <= 1:
        return leaves[0] if leaves else hashlib.sha256(b"").digest()
    cut = 1 << (len(leaves) - 1).bit_length() - 1
    pair = _naive_root(leaves[:cut]) + _naive_root(leaves[cut:])
    return hashlib.sha256(b"\1" + pair).digest()


def _naive_path(leaves: list[bytes], index: int) -> list[bytes]:
    if len(leaves) == 1:
        return []
    cut = 1 << (len(leaves) - 1).bit_length() - 1
    if index < cut:
        return [*_naive_path(leaves[:cut], index), _naive_root(leaves[cut:])]
    return [*_naive_path(leaves[cut:], index - cut), _naive_root(leaves[:cut])]


@given(st.lists(st.binary(max_size=300), max_size=40))
def test_digests_are_those_of_hashlib(items: list[bytes]) -> None:
    offsets = np.cumsum([0, *(len(item) for item in items)]).astype(np.int64)
    found = hash_slices(np.frombuffer(b"".join(items), np.uint8).copy(), offsets)
    assert [row.tobytes() for row in found] == [hashlib.sha256(item).digest() for item in items]


@pytest.mark.parametrize("way", ["plain", "native"])
@given(blocks=st.lists(st.binary(min_size=64, max_size=64), max_size=5), before=st.integers(0, 3))
def test_both_ways_to_fold_blocks_give_the_digest_of_hashlib(
    way: str, blocks: list[bytes], before: int
) -> None:
    if way == "native" and not has_instructions():
        pytest.skip("this processor has no instructions for SHA-256")
    message = b"".join(blocks)
    ending = b"\x80" + bytes(55) + (8 * len(message)).to_bytes(8, "big")
    data = np.frombuffer(bytes(before) + message + ending, np.uint8).copy()
    state = sha256._START.copy()
    fold = {"plain": sha256._fold_plain, "native": sha256._fold_native}[way]
    fold(state, np.empty(64, np.uint32), data, before, len(blocks) + 1)
    assert state.astype(">u4").tobytes() == hashlib.sha256(message).digest()


def test_where_numba_compiles_for_another_processor_the_plain_way_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("numba.config.CPU_NAME", "generic")
    assert not has_instructions()


@pytest.mark.parametrize("count", range(1, 9))
def test_roots_of_the_published_vectors(count: int) -> None:
    assert merkle_root(_digests(_leaves(count))).hex() == ROOTS[count - 1]


def test_the_root_of_no_leaf_is_the_hash_of_nothing() -> None:
    assert merkle_root(np.empty((0, 32), np.uint8)) == EMPTY_ROOT == hashlib.sha256(b"").digest()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 200), st.data())
def test_roots_and_paths_are_those_of_the_recursive_definition(
    size: int, data: st.DataObject
) -> None:
    leaves = [hashlib.sha256(bytes([number])).digest() for number in range(size)]
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_path(_digests(leaves), index)
    root = _naive_root(leaves)
    assert merkle_root(_digests(leaves)) == root
    assert path == _naive_path(leaves, index)
    assert root_of_path(leaves[index], index, size, path) == root


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 60), st.data())
def test_a_changed_path_place_or_leaf_does_not_lead_to_the_root(
    size: int, data: st.DataObject
) -> None:
    leaves = [hashlib.sha256(bytes([number])).digest() for number in range(size)]
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_path(_digests(leaves), index)
    root = merkle_root(_digests(leaves))
    step = data.draw(st.integers(0, len(path) - 1))
    broken = [*path[:step], bytes(32), *path[step + 1 :]]
    assert root_of_path(leaves[index], index, size, broken) != root
    assert root_of_path(leaves[index], index, size, path[:-1]) != root
    assert root_of_path(leaves[index], index, size, [*path, bytes(32)]) != root
    assert root_of_path(leaves[index - 1], index, size, path) != root
    assert root_of_path(leaves[index], size, size, path) is None


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=30))
def test_leaves_are_sorted_by_their_bytes(items: list[bytes]) -> None:
    again = [*items, *(item[:8] + bytes(24) for item in items[:3])]  # equal beginnings
    assert [row.tobytes() for row in sort_leaves(_digests(again))] == sorted(again)
