# SPDX-License-Identifier: Apache-2.0
"""Connected components of the proposed pairs: exact, and the same for any order of edges.

Each partition reduces its edges to a spanning forest (at most one edge a node), and one reducer
connects the forests. Union-find with path halving (Tarjan and van Leeuwen, "Worst-case analysis
of set union algorithms", 1984), always linking to the smaller root, so that a root is its
component's smallest node.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .buffers import UInt64Array


@njit(cache=True, nogil=True)
def _roots(n: int, a: Any, b: Any) -> Any:
    parent = np.arange(n)
    for i in range(len(a)):
        x, y = a[i], b[i]
        while parent[x] != x:
            parent[x] = parent[parent[x]]
            x = parent[x]
        while parent[y] != y:
            parent[y] = parent[parent[y]]
            y = parent[y]
        if x < y:
            parent[y] = x
        else:
            parent[x] = y
    for x in range(n):  # parents are smaller: theirs are final before they are needed
        parent[x] = parent[parent[x]]
    return parent


def connect(a: UInt64Array, b: UInt64Array) -> tuple[UInt64Array, UInt64Array]:
    """Find the connected component of every node.

    Args:
        a: uint64[m], one end of each edge.
        b: uint64[m], the other end; loops and repeats are fine.

    Returns:
        (node, cluster), uint64 each: every node once, ascending, and the smallest node of its
        component.
    """
    nodes, index = np.unique(np.concatenate([a, b]).astype(np.uint64), return_inverse=True)
    roots = _roots(len(nodes), index[: len(a)], index[len(a) :])
    return nodes, nodes[roots]


def spanning_forest(a: UInt64Array, b: UInt64Array) -> tuple[UInt64Array, UInt64Array]:
    """Reduce edges to the fewest that connect the same nodes: stars around each smallest node.

    Args:
        a: uint64[m], one end of each edge.
        b: uint64[m], the other end.

    Returns:
        (root, node), uint64 each: root < node, ascending by node. A node whose only edges are
        loops is left out.
    """
    node, cluster = connect(a, b)
    keep = node != cluster
    return cluster[keep], node[keep]
