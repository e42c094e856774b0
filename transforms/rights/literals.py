# SPDX-License-Identifier: Apache-2.0
"""Where strings hold any of many literals: one table look-up a byte, whatever the number of them.

The automaton of Aho and Corasick (CACM 18(6), 1975) over UTF-8 bytes, ASCII letters without case:
a prefilter for expressions that would each pass over every text.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from .buffers import string_buffers

_NEAR = 64
"""Bytes within which literals count as one hit, so that there are few however dense they are."""


class Automaton(NamedTuple):
    """Compiled literals.

    Attributes:
        table: uint32 `[256 * states]`: after a byte in a state, at `state + byte`, the next state in
            the upper bits, as a multiple of 256, and below them the groups of which a literal ends.
        longest: Bytes of the longest literal.
    """

    table: NDArray[np.uint32]
    longest: int


class Hits(NamedTuple):
    """Places where literals end, in the order of the texts.

    Attributes:
        row: Text, int64 `[k]`, ascending.
        end: Byte of the text behind the literal, int64 `[k]`, ascending in a text. More literals
            may end up to 64 bytes further on; they are no hits of their own.
        groups: Groups of all of them, a bit each, uint8 `[k]`.
    """

    row: NDArray[np.int64]
    end: NDArray[np.int64]
    groups: NDArray[np.uint8]


def build_automaton(*groups: Sequence[str]) -> Automaton:
    """Compile groups of literals, up to eight.

    Args:
        groups: What to look for, lower case; a group is a bit of the answer.

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
    flat = (table << np.uint32(8) | np.array(final, np.uint32)[table]).astype(np.uint32).ravel()
    return Automaton(flat, max(len(item.encode()) for group in groups for item in group))


def find_literals(texts: pa.Array, automaton: Automaton) -> Hits:
    """Return where literals end.

    Args:
        texts: string array; null allowed.
        automaton: What to look for.
    """
    row, end, groups = _scan(*string_buffers(texts), *automaton)
    order = np.lexsort((end, row))
    return Hits(row[order], end[order], groups[order])


def lines_around(
    texts: pa.Array, row: NDArray[np.int64], end: NDArray[np.int64], reach: int
) -> tuple[NDArray[np.int64], pa.Array]:
    """Return the parts of lines around hits; those that touch are one.

    Args:
        texts: The texts that were searched.
        row: Text of each hit, as `find_literals` returns it, int64 `[k]`.
        end: Its end, int64 `[k]`.
        reach: Bytes on each side of a literal; a character that they cut stays whole.

    Returns:
        The text of each part, int64 `[p]`, ascending, and the parts, string `[p]`.
    """
    data, offsets, _ = string_buffers(texts)
    row, start, stop = _parts(data, offsets, row, end, reach)
    pieces = [data[a:b] for a, b in zip(start.tolist(), stop.tolist(), strict=True)]
    bounds = np.zeros(len(row) + 1, np.int32)
    np.cumsum(stop - start, out=bounds[1:])
    joined = np.concatenate([np.empty(0, np.uint8), *pieces])
    buffers = [None, pa.py_buffer(bounds), pa.py_buffer(joined)]
    return row, pa.Array.from_buffers(pa.string(), len(row), buffers)


@njit(cache=True, nogil=True)
def _advance(data, table, begin, quarter, step, steps, states):  # type: ignore[no-untyped-def]
    """Go on in four quarters of a text at once, so that one's look-up does not wait for another's.

    Returns the step after which a literal has ended in one of them, or `steps`, and the states.
    """
    low = np.uint32(255)
    a, b, c, d = states
    while step < steps:
        at = np.uint64(begin + step)
        a = table[np.uint64(a & ~low) + data[at]]
        b = table[np.uint64(b & ~low) + data[at + quarter]]
        c = table[np.uint64(c & ~low) + data[at + np.uint64(2) * quarter]]
        d = table[np.uint64(d & ~low) + data[at + np.uint64(3) * quarter]]
        step += 1
        if (a | b | c | d) & low:
            break
    return step, (a, b, c, d)


@njit(cache=True, nogil=True)
def _scan(data, offsets, valid, table, longest):  # type: ignore[no-untyped-def]
    row, end, groups = np.empty(16, np.int64), np.empty(16, np.int64), np.empty(16, np.uint8)
    count = 0
    low, state, last = np.uint32(255), np.zeros(4, np.uint32), np.zeros(4, np.int64)
    for text in range(len(valid)):
        if not valid[text]:
            continue
        begin = offsets[text]
        size = offsets[text + 1] - begin
        quarter = size // 4
        last[:] = -1
        for part in range(4):  # what would be its state had it begun with the text
            state[part] = 0
            first = begin + part * quarter
            for at in range(max(begin, first - longest + 1), first):
                state[part] = table[(state[part] & ~low) + data[at]]
        states = state[0], state[1], state[2], state[3]
        step = 0
        while step < size - 3 * quarter:
            if step < quarter:
                step, states = _advance(
                    data, table, begin, np.uint64(quarter), step, quarter, states
                )
            else:  # the last part has up to three bytes more
                rest = table[(states[3] & ~low) + data[begin + 3 * quarter + step]]
                step, states = step + 1, (np.uint32(0), np.uint32(0), np.uint32(0), rest)
            for part in range(4):
                seen = np.uint8(states[part] & low)
                if not seen:
                    continue
                place = part * quarter + step
                if last[part] >= 0 and place - end[last[part]] <= _NEAR:
                    groups[last[part]] |= seen
                    continue
                if count == len(row):
                    row = np.concatenate((row, row))
                    end = np.concatenate((end, end))
                    groups = np.concatenate((groups, groups))
                row[count], end[count], groups[count] = text, place, seen
                last[part] = count
                count += 1
    return row[:count], end[:count], groups[:count]


@njit(cache=True, nogil=True)
def _parts(data, offsets, rows, ends, reach):  # type: ignore[no-untyped-def]
    """Return text, start and end (in `data`) of the parts of lines around hits."""
    row, start, end = np.empty_like(rows), np.empty_like(rows), np.empty_like(rows)
    count = 0
    for hit in range(len(rows)):
        first, past = offsets[rows[hit]], offsets[rows[hit] + 1]
        place = first + ends[hit]
        begin = place
        while begin > max(first, place - reach) and data[begin - 1] != 10:
            begin -= 1
        while begin > first and data[begin] & 0xC0 == 0x80:
            begin -= 1
        # Literals up to `_NEAR` further on belong to the hit, on whatever line they are.
        stop = min(past, place + _NEAR)
        while stop < min(past, place + _NEAR + reach) and data[stop] != 10:
            stop += 1
        while stop < past and data[stop] & 0xC0 == 0x80:
            stop += 1
        if count and row[count - 1] == rows[hit] and begin <= end[count - 1]:
            end[count - 1] = stop
            continue
        row[count], start[count], end[count] = rows[hit], begin, stop
        count += 1
    return row[:count], start[:count], end[:count]
