# SPDX-License-Identifier: Apache-2.0
"""A sketch never says that two sets differ by more than they do."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.transforms.buffers import bits_set
from muniment.transforms.parity_sketch import (
    fill_sketches,
    folded_to_two,
    keep_close,
    sketch_words,
)

SPREAD = 0x9E3779B97F4A7C15  # makes small numbers look like hashes
SETS = st.sets(st.integers(1, 2000), max_size=300)


def sketched(sets: list[set[int]]) -> tuple[np.ndarray, np.ndarray]:
    hashes = [sorted(value * SPREAD % 2**64 for value in one) for one in sets]
    ends = np.cumsum([0, *map(len, sets)])
    offsets, sketches = fill_sketches(
        ends[:-1], ends[1:], np.array([h for one in hashes for h in one], np.uint64)
    )
    assert np.diff(offsets).tolist() == [sketch_words(len(one)) for one in sets]
    return offsets, sketches


def differ(x: set[int], y: set[int], most: int) -> bool:
    offsets, sketches = sketched([x, y])
    others = np.array([1], np.uint32)
    return keep_close(sketches, offsets, 0, others, np.array([float(most)]), 1) == 0


@settings(deadline=None)
@given(SETS, SETS)
def test_two_words_tell_no_more_than_the_sketches_they_are_folded_from(
    x: set[int], y: set[int]
) -> None:
    offsets, sketches = sketched([x, y])
    folded = [folded_to_two(sketches[offsets[k] : offsets[k + 1]]) for k in range(2)]
    different = sum(bits_set(np.uint64(a ^ b)) for a, b in zip(*folded, strict=True))
    assert different <= len(x ^ y)
    assert differ(x, y, different - 1)


def test_those_that_may_be_close_move_to_the_front_in_their_order() -> None:
    mine, far = set(range(100)), set(range(1000, 1100))
    near = [set(range(k, 100 + k)) for k in (1, 2, 3)]
    offsets, sketches = sketched([mine, near[0], far, near[1], far, near[2]])
    others = np.array([5, 4, 3, 2, 1], np.uint32)
    kept = keep_close(sketches, offsets, 0, others, np.full(5, 6.0), 5)
    assert others[:kept].tolist() == [5, 3, 1]


@settings(deadline=None)
@given(SETS, SETS, st.integers(0, 600))
def test_sets_that_differ_by_few_are_never_said_to_differ_by_more(
    x: set[int], y: set[int], most: int
) -> None:
    if len(x ^ y) <= most:
        assert not differ(x, y, most)


@settings(deadline=None)
@given(SETS)
def test_equal_sets_do_not_differ(x: set[int]) -> None:
    assert not differ(x, x, 0)


def test_sets_well_below_a_threshold_are_told_apart() -> None:
    x, y = (
        set(range(1, 107)),
        set(range(24, 130)),
    )  # similarity .64; at .8 they differ by 23 at most
    assert differ(x, y, 23)
    assert not differ(x, y, 46)
