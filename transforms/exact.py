# SPDX-License-Identifier: Apache-2.0
"""Exact duplicates: groups of equal normalised text, and the final identifiers.

A group elects one leader: eligible members first, then the declared priority, then the doc_id;
never arrival order. The leader alone goes on to the near stage and answers for its followers.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..schemas.reasons import ClusterRole
from ..schemas.staged import EXACT
from .hashing import hash_rows

U64s = npt.NDArray[np.uint64]

NO_FORMER = np.uint64(0xFFFFFFFFFFFFFFFF)
"""Beyond the `doc_ref` of every document."""


def priorities(
    rights_rank: npt.NDArray[np.uint8],
    licence_unknown: npt.NDArray[np.bool_],
    source_rank: int,
    tokens: npt.NDArray[np.uint32],
    published: npt.NDArray[np.int32],
) -> tuple[U64s, U64s]:
    """Pack the declared priority of representatives into two integers; smaller is better.

    Order: rights (allow, unknown, deny), a known licence, the source's rank, more tokens, the
    earlier date.

    Args:
        rights_rank: 0 allow, 1 unknown, 2 deny; `[n]`.
        licence_unknown: Whether no licence is known; `[n]`.
        source_rank: Rank of the source, in [0, 65535].
        tokens: Tokens; `[n]`.
        published: Days since 1970, the greatest int32 where unknown; `[n]`.
    """
    high = (
        (rights_rank.astype(np.uint64) << np.uint64(56))
        | (licence_unknown.astype(np.uint64) << np.uint64(48))
        | np.uint64(source_rank << 32)
        | (np.uint64(0xFFFFFFFF) - tokens.astype(np.uint64))
    )
    low = (published.astype(np.int64) + (1 << 31)).astype(np.uint64)
    return high, low


def group_exact(
    members: pa.Table,
    key: bytes,
    *,
    remove: bool,
    deny_copies: bool,
    former_base: np.uint64 = NO_FORMER,
) -> pa.Table:
    """Resolve the exact groups of one partition.

    Args:
        members: Rows of `schemas.staged.IDENTITIES`, in any order; every document of a group is
            in the same partition.
        key: Key of document identifiers, 16 bytes.
        remove: Whether groups elect a leader; else every document leads itself.
        deny_copies: Whether a denied member makes its whole group ineligible.
        former_base: The least `ref` of a document of a former release: its identifier stays.

    Returns:
        Rows of `schemas.staged.EXACT` sorted by `ref`, for groups of two or more only.
    """
    columns = {name: members[name].to_numpy() for name in members.column_names}
    grouped = _in_groups(columns["text_hi"], columns["text_lo"])
    columns = {name: values[grouped] for name, values in columns.items()}
    if not len(columns["ref"]):
        return EXACT.empty_table()
    columns["id_hi"], columns["id_lo"] = _number_occurrences(columns, key, former_base)
    last_to_first = ("ref", "id_lo", "id_hi", "priority_lo", "priority_hi")
    order = np.lexsort(
        [
            *(columns[name] for name in last_to_first),
            ~columns["eligible"],
            columns["text_lo"],
            columns["text_hi"],
        ]
    )
    columns = {name: values[order] for name, values in columns.items()}
    text_hi, text_lo = columns["text_hi"], columns["text_lo"]
    n = len(text_hi)
    first = np.empty(n, dtype=bool)
    first[0] = True
    first[1:] = (text_hi[1:] != text_hi[:-1]) | (text_lo[1:] != text_lo[:-1])
    text = np.cumsum(first) - 1
    denied_at = _first_true(columns["denied"], text, text[-1] + 1)[text]
    tainted = denied_at >= 0
    partner = np.where(tainted, denied_at, 0)
    if not remove:
        first[:] = True
    starts = np.flatnonzero(first)
    group = np.cumsum(first) - 1
    leader = starts[group]
    eligible = columns["eligible"].copy()
    if deny_copies:
        eligible &= ~tainted
    role = np.where(
        columns["eligible"],
        np.where(leader == np.arange(n), ClusterRole.SURVIVOR, ClusterRole.EXACT_COPY),
        ClusterRole.CONTEXT,
    ).astype(np.uint8)
    untouched = ~tainted | columns["denied"]
    sizes = np.diff(np.append(starts, n))
    follower_counts = np.where(first, sizes[group] - 1, 0)
    table = pa.table(
        [
            columns["ref"],
            columns["id_hi"],
            columns["id_lo"],
            columns["ref"][leader],
            columns["id_hi"][leader],
            columns["id_lo"][leader],
            role,
            pa.array(columns["id_hi"][partner], mask=untouched),
            pa.array(columns["id_lo"][partner], mask=untouched),
            eligible,
            np.where(first, tainted & ~eligible, columns["denied"]),
            pa.ListArray.from_arrays(
                pa.array(np.append(0, np.cumsum(follower_counts)).astype(np.int32)),
                pa.array(columns["ref"][~first]),
            ),
        ],
        schema=EXACT,
    )
    return table.sort_by("ref")


def _in_groups(high: U64s, low: U64s) -> npt.NDArray[np.int64]:
    """Return the rows whose 128-bit value occurs at least twice."""
    order = np.lexsort((low, high))
    if len(order) < 2:
        return order[:0]
    high, low = high[order], low[order]
    same = (high[1:] == high[:-1]) & (low[1:] == low[:-1])
    member = np.zeros(len(order), dtype=bool)
    member[1:] |= same
    member[:-1] |= same
    return order[member]


def _number_occurrences(
    columns: dict[str, npt.NDArray[np.uint64]], key: bytes, former_base: np.uint64
) -> tuple[U64s, U64s]:
    """Return identifiers that tell records apart which are equal in source, id and text."""
    high, low = columns["id_hi"].copy(), columns["id_lo"].copy()
    order = np.lexsort((columns["ref"], low, high))
    order = order[columns["ref"][order] < former_base]
    n = len(order)
    if not n:
        return high, low
    new = np.empty(n, dtype=bool)
    new[0] = True
    new[1:] = (high[order][1:] != high[order][:-1]) | (low[order][1:] != low[order][:-1])
    start = np.maximum.accumulate(np.where(new, np.arange(n), 0))
    occurrence = np.arange(n) - start
    again = order[occurrence > 0]
    if len(again):
        numbers = occurrence[occurrence > 0].astype(np.uint64)
        renamed = hash_rows([high[again], low[again], numbers], key)
        high[again], low[again] = renamed[:, 0], renamed[:, 1]
    return high, low


def _first_true(
    flags: npt.NDArray[np.bool_], group: npt.NDArray[np.int64], groups: int
) -> npt.NDArray[np.int64]:
    """Return the first row with the flag in each group; -1 where there is none."""
    found = np.full(groups, -1, dtype=np.int64)
    rows = np.flatnonzero(flags)[::-1]
    found[group[rows]] = rows
    return found
