# SPDX-License-Identifier: Apache-2.0
"""Which documents contained in others the samples propose, against all pairs counted exactly.

A pair is ordered: x is contained in y by the share of the shingles of x that y has. The truth is
every such pair from `FLOOR` on, by an inverted index over whole sets; the proposals are those of
`muniment.transforms.containment` as a job makes them, under several keys.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from all_pairs import CLASSES, Ints, _postings, class_of
from distinct_texts import NEAR, Texts, key_named
from numba import njit

from muniment.transforms.containment import (
    ONE_IN,
    pair_by_sample,
    probe_mask,
    proposal_recall,
    proposed_pairs,
)
from muniment.transforms.minhash import shingle_hashes

THRESHOLD = 0.9
FLOOR = 0.3


@njit(cache=True, nogil=True)
def _contained(offsets: Any, values: Any, kinds: int, floor: float) -> Any:
    """Return (x, y, decile) of every ordered pair from the floor on, by x and y."""
    n = len(offsets) - 1
    starts, documents = _postings(offsets, values, kinds)
    common = np.zeros(n, np.int32)
    found_x, found_y, decile = [np.int64(0)], [np.int64(0)], [np.int64(0)]
    for x in range(n):
        met = [np.int32(0)]
        for k in range(offsets[x], offsets[x + 1]):
            for at in range(starts[values[k]], starts[values[k] + 1]):
                y = documents[at]
                if common[y] == 0:
                    met.append(y)
                common[y] += 1
        size = offsets[x + 1] - offsets[x]
        met[1:] = sorted(met[1:])
        for y in met[1:]:
            share = common[y] / size
            common[y] = 0
            if share >= floor and y != x:
                found_x.append(np.int64(x))
                found_y.append(np.int64(y))
                decile.append(np.int64(class_of(share)))
    return np.array(found_x[1:]), np.array(found_y[1:]), np.array(decile[1:])


def _proposed(texts: Texts, key: bytes) -> Ints:
    """Return the pairs that the samples propose under a key, as x << 32 | y, ascending."""
    size = NEAR.shingle_size
    offsets, hashes = shingle_hashes(texts.distinct, shingle_size=size, key=key, one_in=ONE_IN)
    probe, probes = probe_mask(offsets)
    refs = np.repeat(np.arange(len(offsets) - 1, dtype=np.uint64), np.diff(offsets))
    # Shingles stand in for tokens: only the order of documents by length matters.
    lengths = np.diff(texts.sets.offsets).astype(np.uint32)[refs.astype(np.int64)]
    left, right = pair_by_sample(hashes, refs, lengths, probe)
    x, y = proposed_pairs(refs[left], refs[right], probes[left], THRESHOLD)
    return (x << np.uint64(32) | y).astype(np.int64)


def measure_parts(texts: Texts, keys: int) -> dict[str, Any]:
    """Measure recall by decile of containment, by pair and by contained text.

    Args:
        texts: What was read.
        keys: Keys under which proposals are counted.
    """
    sets = texts.sets
    x, y, decile = _contained(sets.offsets, sets.values, sets.kinds, FLOOR)
    pairs = x << np.int64(32) | y
    sizes = np.diff(sets.offsets)
    hits, whole = np.zeros(len(pairs)), 0.0
    best = np.zeros(len(sets), np.int64)
    np.maximum.at(best, x, decile)
    parts = best >= int(THRESHOLD * 10)
    for number in range(keys):
        found = np.isin(pairs, _proposed(texts, key_named(b"part%d" % number)))
        hits += found
        reached = np.zeros(len(sets), bool)
        reached[x[found & (decile >= int(THRESHOLD * 10))]] = True
        whole += float((reached & parts).sum())
    classes = {}
    for number in range(CLASSES):
        mine = decile == number
        if not mine.any():
            continue
        share = min((number + 0.5) / 10, 1.0)
        kinds, counts = np.unique(sizes[x[mine]], return_counts=True)
        promised = [proposal_recall(share, int(size), THRESHOLD) for size in kinds]
        classes[f"{number / 10:.1f}"] = {
            "pairs": int(mine.sum()),
            "recall": round(float(hits[mine].mean()) / keys, 5),
            "promised": round(float(np.average(promised, weights=counts)), 5),
        }
    return {
        "threshold": THRESHOLD,
        "keys": keys,
        "classes": classes,
        "texts_contained": int(parts.sum()),
        "texts_proposed_with_a_container": round(whole / keys / max(int(parts.sum()), 1), 5),
    }
