# SPDX-License-Identifier: Apache-2.0
"""Merkle trees over sorted leaf hashes, and proofs that a leaf is in one.

The tree is that of Certificate Transparency (RFC 6962, section 2.1): a leaf is the SHA-256 of 0x00
and its content, a node that of 0x01 and its children, and the left subtree of n leaves holds the
largest power of two below n. The leaves are sorted, so the root does not depend on the order of
the rows or on how they lie in files.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from .sha256 import DIGEST_BYTES, hash_pairs

LEAF, NODE = 0x00, 0x01
EMPTY_ROOT = hashlib.sha256(b"").digest()
"""Root of no leaf (RFC 6962, section 2.1)."""

_AT_ONCE = 1 << 16
"""Nodes that one thread hashes in one call."""

Digests = npt.NDArray[np.uint8]


def sort_leaves(leaves: Digests) -> Digests:
    """Return leaf hashes in ascending order of their bytes.

    Args:
        leaves: Leaf hashes, uint8 `[n, 32]`.

    Returns:
        The same rows sorted, uint8 `[n, 32]`.
    """
    words = np.ascontiguousarray(leaves).view(">u8").astype(np.uint64)
    order = np.argsort(words[:, 0])
    first = words[order, 0]
    if (first[1:] == first[:-1]).any():  # equal rows, or one chance in 10^5 for 10^7 leaves
        order = np.lexsort(words.T[::-1])
    return leaves[order]


def merkle_root(leaves: Digests) -> bytes:
    """Return the root over sorted leaf hashes, 32 bytes.

    Args:
        leaves: Leaf hashes in the order of the tree, uint8 `[n, 32]`.
    """
    top = deque(_levels(leaves), maxlen=1)
    return top[0][0].tobytes() if top else EMPTY_ROOT


def inclusion_path(leaves: Digests, index: int) -> list[bytes]:
    """Return the audit path of one leaf, from its sibling up (RFC 6962, section 2.1.1).

    Args:
        leaves: Leaf hashes in the order of the tree, uint8 `[n, 32]`.
        index: Place of the leaf.

    Raises:
        IndexError: There is no such leaf.
    """
    if not 0 <= index < len(leaves):
        message = f"expected a leaf below {len(leaves)}, got {index}"
        raise IndexError(message)
    path = []
    for level in _levels(leaves):
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling].tobytes())
        index //= 2
    return path


def root_of_path(leaf: bytes, index: int, size: int, path: Iterable[bytes]) -> bytes | None:
    """Return the root that an audit path leads to, None if it has the wrong length.

    Source: RFC 9162, section 2.1.3.2.

    Args:
        leaf: Leaf hash, 32 bytes.
        index: Its place among the sorted leaves.
        size: Leaves of the tree.
        path: Audit path from the leaf up.
    """
    if not 0 <= index < size:
        return None
    node, last = leaf, size - 1
    for sibling in path:
        if last == 0:
            return None
        if index & 1 or index == last:
            node = hashlib.sha256(bytes([NODE]) + sibling + node).digest()
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            node = hashlib.sha256(bytes([NODE]) + node + sibling).digest()
        index, last = index >> 1, last >> 1
    return node if last == 0 else None


def _levels(leaves: Digests) -> Iterator[Digests]:
    """Yield every level of the tree from the leaves to the root; nothing for no leaf."""
    level = np.ascontiguousarray(leaves)
    if not len(level):
        return
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        while True:
            yield level
            if len(level) == 1:
                return
            pairs, odd = divmod(len(level), 2)
            above = np.empty((pairs + odd, DIGEST_BYTES), np.uint8)
            left, right = level[0 : 2 * pairs : 2], level[1 : 2 * pairs : 2]
            cuts = range(0, pairs, _AT_ONCE)
            hashed = pool.map(
                lambda at, a=left, b=right: hash_pairs(
                    NODE, a[at : at + _AT_ONCE], b[at : at + _AT_ONCE]
                ),
                cuts,
            )
            for at, part in zip(cuts, hashed, strict=True):
                above[at : at + len(part)] = part
            if odd:  # the last node has no sibling and moves up as it is
                above[-1] = level[-1]
            level = above
