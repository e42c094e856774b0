# SPDX-License-Identifier: Apache-2.0
"""Which strings hold some of many literals: one table look-up a byte, whatever the number of them.

The automaton of Aho and Corasick (CACM 18(6), 1975) over UTF-8 bytes, ASCII letters without case:
a prefilter for expressions that would each pass over every text.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from .buffers import string_buffers


def build_automaton(*groups: Sequence[str]) -> NDArray[np.uint32]:
    """Compile groups of literals, up to eight.

    Args:
        groups: What to look for, lower case; a group is a bit of the answer.

    Returns:
        uint32 (256 * states): after a byte in a state, at `state + byte`, the next state in the
        upper bits, as a multiple of 256, and below them the groups of which a literal ends there.

    Raises:
        ValueError: There are more than eight groups.
    """
    if len(groups) > 8:
        message = f"expected up to 8 groups of literals, got {len(groups)}"
        raise ValueError(message)
    step: list[dict[int, int]] = [{}]
    final = [0]
    for bit, literals in enumerate(groups):
        for literal in literals:
            state = 0
            for byte in literal.encode():
                if byte not in step[state]:
                    step[state][byte] = len(step)
                    step.append({})
                    final.append(0)
                state = step[state][byte]
            final[state] |= 1 << bit
    table = np.zeros((len(step), 256), np.uint32)
    back = [0] * len(step)
    queue = deque([0])
    while queue:
        state = queue.popleft()
        table[state] = table[back[state]] if state else 0
        for byte, after in step[state].items():
            back[after] = int(table[state, byte]) if state else 0
            final[after] |= final[back[after]]
            table[state, byte] = after
            queue.append(after)
    table[:, ord("A") : ord("Z") + 1] = table[:, ord("a") : ord("z") + 1]
    return (table << np.uint32(8) | np.array(final, np.uint32)[table]).astype(np.uint32).ravel()


def literal_groups(texts: pa.Array, automaton: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """Return the groups of which each text holds a literal, a bit each; 0 for null.

    Args:
        texts: string array.
        automaton: What `build_automaton` returned.
    """
    return np.asarray(_scan(*string_buffers(texts), automaton))


@njit(cache=True, nogil=True)
def _scan(data, offsets, valid, table):  # type: ignore[no-untyped-def]
    found = np.zeros(len(valid), np.uint8)
    groups = np.uint32(255)
    for row in range(len(valid)):
        if not valid[row]:
            continue
        state = np.uint32(0)
        seen = np.uint32(0)
        for at in range(offsets[row], offsets[row + 1]):
            state = table[np.uint32(state & ~groups) + np.uint32(data[at])]
            seen |= state
        found[row] = seen & groups
    return found
