# SPDX-License-Identifier: Apache-2.0
"""Bands are datasketch's choice, hashes are salted and even, stars connect what buckets do."""

import numpy as np
import pytest
from datasketch import MinHashLSH
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.transforms.bands import (
    band_hashes,
    choose_bands,
    s_curve,
    star_edges,
)

RNG = np.random.default_rng(3)


@pytest.mark.parametrize("threshold", [0.35, 0.5, 0.7, 0.8, 0.83, 0.9])
@pytest.mark.parametrize("num_perm", [32, 64, 100])
@pytest.mark.parametrize("weight", [0.1, 0.3, 0.5])
def test_choose_bands_is_datasketchs_optimiser(
    threshold: float, num_perm: int, weight: float
) -> None:
    theirs = MinHashLSH(threshold=threshold, num_perm=num_perm, weights=(weight, 1 - weight))
    assert choose_bands(threshold, num_perm, weight, 1 - weight) == (theirs.b, theirs.r)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0, 64, 0.5, 0.5), "0 < threshold < 1, got 0.0"),
        ((1.0, 64, 0.5, 0.5), "0 < threshold < 1, got 1.0"),
        ((0.8, 1, 0.5, 0.5), "num_perm >= 2, got 1"),
        ((0.8, 64, 0.5, 0.6), "sum to 1, got 0.5 and 0.6"),
        ((0.86, 16, 0.9, 0.1), "at least 2 bands, got 1 at threshold 0.86"),
    ],
)
def test_choose_bands_refuses_what_makes_no_sense(
    arguments: tuple[float, int, float, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        choose_bands(*arguments)


def test_s_curve_is_the_probability_that_any_band_agrees() -> None:
    assert s_curve(9, 13, [0.0, 1.0]).tolist() == [0.0, 1.0]
    assert s_curve(1, 1, [0.25, 0.5]).tolist() == [0.25, 0.5]
    curve = s_curve(14, 8, np.linspace(0, 1, 101))
    assert (np.diff(curve) >= 0).all()
    assert curve[80] == pytest.approx(1 - (1 - 0.8**8) ** 14)


def test_documents_share_a_band_hash_exactly_where_they_share_the_band() -> None:
    signatures = RNG.integers(0, 2, (200, 12)).astype(np.uint32)  # few values: many agreements
    hashes = band_hashes(signatures, 5, 2)
    for band in range(5):
        rows = signatures[:, 2 * band : 2 * band + 2]
        same = (rows[:, None] == rows[None]).all(axis=2)
        assert ((hashes[:, None, band] == hashes[None, :, band]) == same).all()


def test_bands_never_share_a_bucket_and_order_of_rows_counts() -> None:
    signatures = np.array([[1, 2, 1, 2, 2, 1]], np.uint32)
    assert len(set(band_hashes(signatures, 3, 2)[0].tolist())) == 3
    assert band_hashes(signatures, 1, 2)[0, 0] != band_hashes(signatures[:, [1, 0]], 1, 2)[0, 0]


def test_top_bits_of_band_hashes_are_even_even_for_small_signatures() -> None:
    signatures = np.arange(64_000, dtype=np.uint32).reshape(-1, 1)
    counts = np.bincount((band_hashes(signatures, 1, 1)[:, 0] >> np.uint64(58)).astype(int))
    assert len(counts) == 64
    assert abs(counts - 1000).max() < 6 * 1000**0.5


def test_bands_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="<= 8 values, got 3 x 3"):
        band_hashes(np.zeros((1, 8), np.uint32), 3, 3)


ENTRIES = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), max_size=40)


@settings(deadline=None)
@given(ENTRIES, st.randoms())
def test_every_bucket_is_a_star_around_its_smallest_member(
    entries: list[tuple[int, int]], random: object
) -> None:
    expected = []
    for bucket in sorted({h for h, _ in entries}):
        members = sorted({ref for h, ref in entries if h == bucket})
        expected += [(members[0], member) for member in members[1:]]
    shuffled = list(entries)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    for given_order in (entries, shuffled):
        columns = np.array(given_order, np.uint64).reshape(-1, 2)
        a, b = star_edges(columns[:, 0], columns[:, 1])
        assert list(zip(a.tolist(), b.tolist(), strict=True)) == expected


def test_a_bucket_of_any_size_gives_one_edge_a_member() -> None:
    refs = np.arange(100_000, dtype=np.uint64)
    a, b = star_edges(np.zeros(100_000, np.uint64), refs[::-1])
    assert (a == 0).all()
    assert (b == refs[1:]).all()


def test_empty_input_is_fine() -> None:
    nothing = np.zeros(0, np.uint64)
    assert band_hashes(np.zeros((0, 8), np.uint32), 2, 4).shape == (0, 2)
    assert [len(side) for side in star_edges(nothing, nothing)] == [0, 0]
