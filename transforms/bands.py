# SPDX-License-Identifier: Apache-2.0
"""Locality-sensitive hashing: bands of signatures propose pairs, nothing more.

A signature of b x r values is cut into b bands of r rows; two documents are proposed when they
agree on a whole band, which happens with probability 1 - (1 - s^r)^b at similarity s (Leskovec,
Rajaraman and Ullman, "Mining of Massive Datasets", section 3.4). A proposal removes nobody:
`verification.py` does, on true similarities.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from .buffers import UInt64Array


@cache
def choose_bands(
    threshold: float, num_perm: int, fp_weight: float, fn_weight: float
) -> tuple[int, int]:
    """Choose the bands and rows that datasketch's optimiser chooses.

    It minimises fp_weight x the area under the S-curve below the threshold + fn_weight x the area
    over it above the threshold, over all bands x rows <= num_perm. datasketch integrates with
    scipy's adaptive quadrature; the S-curve is a polynomial of degree bands x rows, so that
    Gauss-Legendre quadrature with num_perm / 2 + 1 points is exact, and needs no scipy.

    Args:
        threshold: Jaccard similarity in (0, 1) from which pairs should be proposed.
        num_perm: Values in a signature, at least 2.
        fp_weight: Weight of false positives in [0, 1]; costs time only, pairs are verified.
        fn_weight: Weight of false negatives; the weights sum to 1.

    Returns:
        (bands, rows).

    Raises:
        ValueError: A parameter is out of its range.
    """
    if not 0.0 < threshold < 1.0:
        message = f"expected 0 < threshold < 1, got {threshold}"
        raise ValueError(message)
    if num_perm < 2:
        message = f"expected num_perm >= 2, got {num_perm}"
        raise ValueError(message)
    if min(fp_weight, fn_weight) < 0.0 or abs(fp_weight + fn_weight - 1.0) > 1e-9:
        message = f"expected two weights >= 0 that sum to 1, got {fp_weight} and {fn_weight}"
        raise ValueError(message)
    below, above = _areas(0.0, threshold, num_perm), _areas(threshold, 1.0, num_perm)
    error = fp_weight * below + fn_weight * ((1.0 - threshold) - above)
    bands, rows = np.unravel_index(np.nanargmin(error), error.shape)
    if bands < 1:
        message = (
            f"expected a choice of at least 2 bands, got 1 at threshold {threshold} with "
            f"{num_perm} permutations; take more permutations or a lower threshold"
        )
        raise ValueError(message)
    return int(bands) + 1, int(rows) + 1


def _areas(low: float, high: float, num_perm: int) -> npt.NDArray[np.float64]:
    """Return the area under each S-curve between two similarities.

    Returns:
        float64[num_perm, num_perm] by (bands - 1, rows - 1); NaN where bands x rows > num_perm.
    """
    points, weights = np.polynomial.legendre.leggauss(num_perm // 2 + 1)
    middle, half = (high + low) / 2, (high - low) / 2
    similarity = middle + half * points
    areas = np.full((num_perm, num_perm), np.nan)
    for rows in range(1, num_perm + 1):
        most = num_perm // rows
        curves = 1.0 - (1.0 - similarity**rows) ** np.arange(1, most + 1)[:, None]
        areas[:most, rows - 1] = half * (curves @ weights)
    return areas


def s_curve(bands: int, rows: int, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the probability that a pair is proposed, by its Jaccard similarity.

    Args:
        bands: Number of bands.
        rows: Rows in a band.
        points: Similarities in [0, 1].

    Returns:
        float64, the shape of `points`: 1 - (1 - s^rows)^bands.
    """
    similarity = np.asarray(points, np.float64)
    return np.asarray(1.0 - (1.0 - similarity**rows) ** bands, np.float64)


@njit(cache=True, nogil=True)
def _band_hashes(signatures: Any, bands: int, rows: int) -> Any:
    n = signatures.shape[0]
    out = np.empty((n, bands), np.uint64)
    for i in range(n):
        for band in range(bands):
            h = np.uint64(band + 1) * np.uint64(0x9E3779B97F4A7C15)
            for row in range(band * rows, (band + 1) * rows):
                # MurmurHash3's 64-bit finaliser: a bijection in which every bit reaches every bit.
                h ^= np.uint64(signatures[i, row])
                h ^= h >> np.uint64(33)
                h *= np.uint64(0xFF51AFD7ED558CCD)
                h ^= h >> np.uint64(33)
                h *= np.uint64(0xC4CEB9FE1A85EC53)
                h ^= h >> np.uint64(33)
            out[i, band] = h
    return out


def band_hashes(signatures: npt.NDArray[np.uint32], bands: int, rows: int) -> UInt64Array:
    """Hash each band of each signature to 64 bits.

    The band's number salts its hash, so bands never meet each other's buckets, and the top bits
    are uniform, so partitions are even. Not keyed: the signatures are. Leave out documents
    without tokens (`minhash.EMPTY_MINIMUM`) first, they would share every bucket.

    Args:
        signatures: uint32[n, num_perm].
        bands: At least 1.
        rows: At least 1; bands x rows <= num_perm, values beyond are unused.

    Returns:
        uint64[n, bands].

    Raises:
        ValueError: The bands do not fit the signatures.
    """
    width = signatures.shape[1]
    if bands < 1 or rows < 1 or bands * rows > width:
        message = f"expected 1 <= bands x rows <= {width} values, got {bands} x {rows}"
        raise ValueError(message)
    hashes: UInt64Array = _band_hashes(signatures, bands, rows)
    return hashes


@njit(cache=True, nogil=True)
def _is_shared(values: Any) -> Any:
    """Tell which values occur more than once. They are hashes, so their low bits are uniform."""
    n = len(values)
    bits = 4
    while (1 << bits) < 2 * n:
        bits += 1
    last = np.uint64((1 << bits) - 1)
    held = np.empty(1 << bits, np.uint64)
    count = np.zeros(1 << bits, np.uint8)
    slots = np.empty(n, np.int64)
    for i in range(n):
        slot = values[i] & last
        while count[slot] and held[slot] != values[i]:
            slot = (slot + np.uint64(1)) & last
        held[slot] = values[i]
        count[slot] = min(count[slot] + 1, 2)
        slots[i] = slot
    shared = np.empty(n, np.bool_)
    for i in range(n):
        shared[i] = count[slots[i]] > 1
    return shared


def star_edges(band_hash: UInt64Array, doc_ref: UInt64Array) -> tuple[UInt64Array, UInt64Array]:
    """Connect the members of every bucket to its smallest member.

    A bucket of m members gives m - 1 edges, not m^2, and its connected component is the same: a
    bucket of any size is fine, there is no cap to reach and nothing to cut.

    Args:
        band_hash: uint64[n], the bucket of each entry.
        doc_ref: uint64[n], the document of each entry.

    Returns:
        (a, b), uint64 each: a[i] < b[i], sorted by (bucket, b), the same for any input order.
    """
    shared = _is_shared(band_hash)  # most buckets hold one document: they need no sorting
    band_hash, doc_ref = band_hash[shared], doc_ref[shared]
    order = np.lexsort((doc_ref, band_hash))
    h, ref = band_hash[order], doc_ref[order]
    new = np.ones(len(h), np.bool_)
    new[1:] = h[1:] != h[:-1]
    head = np.maximum.accumulate(np.where(new, np.arange(len(h)), 0)) if len(h) else order
    a = ref[head]
    keep = a != ref
    keep[1:] &= new[1:] | (ref[1:] != ref[:-1])  # an entry given twice is one edge
    return a[keep], ref[keep]
