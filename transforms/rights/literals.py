# SPDX-License-Identifier: Apache-2.0
"""Which strings hold one of many literals: one table look-up a byte, whatever the number of them.

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


def build_automaton(literals: Sequence[str]) -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
    """Compile literals.

    Args:
        literals: What to look for, lower case.

    Returns:
        next: uint16 (states, 256), the state after a byte; final: bool (states), whether a literal
        ends there.
    """
    step: list[dict[int, int]] = [{}]
    final = [False]
    for literal in literals:
        state = 0
        for byte in literal.encode():
            if byte not in step[state]:
                step[state][byte] = len(step)
                step.append({})
                final.append(False)
            state = step[state][byte]
        final[state] = True
    table = np.zeros((len(step), 256), np.uint16)
    back = [0] * len(step)
    queue = deque([0])
    while queue:
        state = queue.popleft()
        table[state] = table[back[state]] if state else 0
        for byte, after in step[state].items():
            back[after] = int(table[state, byte]) if state else 0
            final[after] = final[after] or final[back[after]]
            table[state, byte] = after
            queue.append(after)
    table[:, ord("A") : ord("Z") + 1] = table[:, ord("a") : ord("z") + 1]
    return table, np.array(final)


def holds_literal(
    texts: pa.Array, automaton: tuple[NDArray[np.uint16], NDArray[np.bool_]]
) -> NDArray[np.bool_]:
    """Return whether each text holds one of the literals; False for null.

    Args:
        texts: string array.
        automaton: What `build_automaton` returned.
    """
    return np.asarray(_scan(*string_buffers(texts), *automaton))


@njit(cache=True, nogil=True)
def _scan(data, offsets, valid, table, final):  # type: ignore[no-untyped-def]
    found = np.zeros(len(valid), np.bool_)
    for row in range(len(valid)):
        if not valid[row]:
            continue
        state = np.uint16(0)
        for at in range(offsets[row], offsets[row + 1]):
            state = table[state, data[at]]
            if final[state]:
                found[row] = True
                break
    return found
