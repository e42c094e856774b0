# SPDX-License-Identifier: Apache-2.0
"""Names of authors, in the one spelling in which lists and records are compared.

A name is lower-cased, its accents, full stops, hyphens and apostrophes dropped (`J.K. Rowling-Émile`
is `j k rowling emile`), an address in `<...>` or `(...)` cut off, and `Doe, Jane` turned to
`jane doe`. A credit line is split at `;`, `|`, `&`, line ends and `and`. Where a comma may also
divide two names (`Jane Doe, John Roe`), both readings count. Namesakes are not told apart: a list of
authors fits works under a name, a list of kind `work` or `url` fits one author among namesakes.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

_TOO_BROAD = pa.array(
    [
        *("admin", "administrator", "anon", "anonymous", "author", "authors", "editor", "editors"),
        *("guest", "n a", "na", "none", "null", "staff", "team", "unknown", "user", "various"),
        *("various authors", "webmaster", "佚名", "匿名", "未知", "编辑", "管理员"),
    ]
)
"""Words that stand in author fields and name nobody."""

_BETWEEN = r"(?:[;|&\r\n]|\sand\s|、|；)"
_SPLIT = rf"\s*{_BETWEEN}\s*"
_TURNED = r"^(?P<last>[^,]*[^,\s])\s*,\s*(?P<first>[^,]*[^,\s])$"
_TWO_WORDS = r"\S\s+\S"


def credited_names(lines: pa.Array) -> tuple[NDArray[np.int64], pa.Array]:
    """Return every name that credit lines may hold.

    Args:
        lines: string array of n credit lines; null allowed.

    Returns:
        int64 row of each name, ascending, and the names as `normalise_authors` spells them.
    """
    flat, rows = _split(_folded(lines), np.arange(len(lines), dtype=np.int64), _SPLIT)
    whole = _turned(flat)
    pieces, piece_rows = _split(flat, rows, r"\s*[,，]\s*")
    # One word between commas is the half of a turned name: `Doe, Jane` does not name `jane`.
    full = pc.match_substring_regex(pieces, _TWO_WORDS)
    names = pa.concat_arrays([whole, _plain(pieces.filter(full))])
    own = np.concatenate([rows, piece_rows[full.to_numpy(zero_copy_only=False)]])
    order = np.argsort(own, kind="stable")
    return own[order], names.take(pa.array(order))


def normalise_authors(entries: pa.Array) -> tuple[pa.Array, NDArray[np.bool_]]:
    """Return entries of a list of authors as they are compared, and which name nobody.

    Args:
        entries: string array, one author each.

    Returns:
        string array, null where an entry is no name or several; bool mask of those too broad.
    """
    folded = _folded(entries)
    several = pc.match_substring_regex(folded, _BETWEEN)
    names = _turned(folded)
    bad = pc.or_(several, pc.less(pc.utf8_length(names), 2))
    names = pc.if_else(bad, pa.scalar(None, pa.string()), names)
    broad = pc.is_in(names, _TOO_BROAD)
    return names, broad.to_numpy(zero_copy_only=False)


def _folded(values: pa.Array) -> pa.Array:
    """Return the lines without case, accents, addresses and invisible characters."""
    values = pc.utf8_normalize(values.cast(pa.string()), "NFKD")
    values = pc.replace_substring_regex(values, r"[\p{Mn}\p{Cf}'’‘ʼ`]", "")
    values = pc.replace_substring_regex(values, r"<[^>]*>|\([^)]*\)|\[[^\]]*\]", " ")
    return pc.replace_substring_regex(pc.utf8_lower(values), "ß", "ss")


def _split(
    lines: pa.Array, rows: NDArray[np.int64], pattern: str
) -> tuple[pa.Array, NDArray[np.int64]]:
    lists = pc.split_pattern_regex(lines, pattern)
    parents = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)
    flat = pc.utf8_trim_whitespace(pc.list_flatten(lists))
    some = pc.greater(pc.utf8_length(flat), 1)
    return flat.filter(some), rows[parents[some.to_numpy(zero_copy_only=False)]]


def _turned(names: pa.Array) -> pa.Array:
    """Return `last, first` as `first last`, and all names plain."""
    return _plain(pc.replace_substring_regex(names, _TURNED, r"\2 \1"))


def _plain(names: pa.Array) -> pa.Array:
    """Return names of words with single blanks between them."""
    spaced = pc.replace_substring_regex(names, r"[\s.,_·‐‑–—-]+", " ")
    return pc.utf8_trim_whitespace(spaced)
