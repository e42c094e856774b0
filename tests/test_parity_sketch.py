# SPDX-License-Identifier: Apache-2.0
"""A sketch never says that two sets differ by more than they do."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.transforms.parity_sketch import differ_by_more, fill_sketches, sketch_words

SPREAD = 0x9E3779B97F4A7C15  # makes small numbers look like hashes
SETS = st.sets(st.integers(1, 2000), max_size=300)


def differ(x: set[int], y: set[int], most: int) -> bool:
    hashes = [sorted(value * SPREAD % 2**64 for value in side) for side in (x, y)]
    ends = np.cumsum([0, len(x), len(y)])
    offsets, sketches = fill_sketches(
        ends[:-1], ends[1:], np.array([h for side in hashes for h in side], np.uint64)
    )
    words = [sketch_words(len(side)) for side in (x, y)]
    assert np.diff(offsets).tolist() == words
    return differ_by_more(sketches, offsets[0], words[0], offsets[1], words[1], most)


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
