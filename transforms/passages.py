# SPDX-License-Identifier: Apache-2.0
"""Lines and paragraphs of texts: where they are, how they are recognised again, cutting them out.

Two passages are the same when they are equal after Unicode composition, with white space
collapsed, letters in lower case and every digit as 0: so page numbers and dates do not hide
boilerplate (Wenzek et al. 2020, "CCNet", section 3.1, recognises paragraphs that way; Dolma and
datatrove's line filters do too, without the digits).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from .buffers import text_buffers
from .canonical import canonical_text
from .hashing import siphash128

Ints = npt.NDArray[np.int64]


class Passages(NamedTuple):
    """The passages of some texts that are long enough, in order.

    Args:
        row: Text, int64 `[k]`, ascending.
        start: First byte in the text, int64 `[k]`.
        end: One past the last byte that goes with it, its line feed included, int64 `[k]`.
        hash: Keyed hash of what it says, uint64 `[k]`.
    """

    row: Ints
    start: Ints
    end: Ints
    hash: npt.NDArray[np.uint64]


@njit(cache=True, nogil=True)
def _is_blank(data: Any, start: int, end: int) -> bool:
    for i in range(start, end):
        if data[i] != 32 and (data[i] < 9 or data[i] > 13):
            return False
    return True


@njit(cache=True, nogil=True)
def _find(data: Any, offsets: Any, valid: Any, by_paragraph: Any, out: Any) -> int:
    """Write (text, first byte, one past the last, one past its line feed); return how many."""
    count = 0
    fill = out.shape[0] > 0
    for text in range(len(valid)):
        if not valid[text]:
            continue
        position, stop = offsets[text], offsets[text + 1]
        open_passage = False
        while position < stop:
            end = position
            while end < stop and data[end] != 10:
                end += 1
            after = min(end + 1, stop)
            if _is_blank(data, position, end):
                open_passage = False
            elif by_paragraph and open_passage:
                if fill:
                    out[count - 1, 2] = end
                    out[count - 1, 3] = after
            else:
                if fill:
                    out[count, 0] = text
                    out[count, 1] = position
                    out[count, 2] = end
                    out[count, 3] = after
                count += 1
                open_passage = True
            position = after
    return count


@njit(cache=True, nogil=True)
def _copy(data: Any, start: Any, end: Any, offsets: Any, out: Any) -> None:
    for i in range(len(start)):
        out[offsets[i] : offsets[i + 1]] = data[start[i] : end[i]]


def find_passages(texts: pa.Array, unit: str, *, min_chars: int, key: bytes) -> Passages:
    """Find the lines or paragraphs of texts.

    Args:
        texts: string or large_string `[n]`; a null has none.
        unit: `line`, or `paragraph`: lines without a blank one between them.
        min_chars: Characters from which a passage counts, after normalising.
        key: 16 bytes.

    Returns:
        The passages; blank lines belong to none.
    """
    data, offsets, valid = text_buffers(texts)
    by_paragraph = unit == "paragraph"
    count = _find(data, offsets, valid, by_paragraph, np.empty((0, 4), np.int64))
    found = np.empty((count, 4), np.int64)
    if count:
        _find(data, offsets, valid, by_paragraph, found)
    row, start, end, after = found.T
    sizes = np.zeros(count + 1, np.int64)
    np.cumsum(end - start, out=sizes[1:])
    values = np.empty(sizes[-1], np.uint8)
    _copy(data, start, end, sizes, values)
    said = _normal(
        pa.LargeStringArray.from_buffers(count, pa.py_buffer(sizes), pa.py_buffer(values))
    )
    long = pc.greater_equal(pc.utf8_length(said), min_chars).to_numpy(zero_copy_only=False)
    hashes = siphash128(said.filter(pa.array(long)), key)[:, 0]
    begin = offsets[row[long]]
    return Passages(row[long], start[long] - begin, after[long] - begin, hashes)


def _normal(passages: pa.Array) -> pa.Array:
    lower = pc.utf8_lower(pc.utf8_trim_whitespace(canonical_text(passages)))
    return pc.replace_substring_regex(lower, r"\p{Nd}", "0")


class Cut(NamedTuple):
    """Texts with passages cut out.

    Args:
        texts: `[n]`, the type of what was given.
        row: Text of each cut, int64 `[c]`, ascending.
        start: First code point of the cut in the text as it was, int64 `[c]`.
        end: One past the last one.
    """

    texts: pa.Array
    row: Ints
    start: Ints
    end: Ints


@njit(cache=True, nogil=True)
def _characters(data: Any, offsets: Any, row: Any, place: Any) -> Any:
    """Return the code point at which each byte position starts; rows and places ascend."""
    out = np.empty(len(row), np.int64)
    position, seen, last = 0, 0, -1
    for i in range(len(row)):
        if row[i] != last:
            last, seen, position = row[i], 0, offsets[row[i]]
        target = offsets[row[i]] + place[i]
        while position < target:
            if data[position] & 0xC0 != 0x80:
                seen += 1
            position += 1
        out[i] = seen
    return out


@njit(cache=True, nogil=True)
def _remove(
    data: Any, offsets: Any, row: Any, start: Any, end: Any, out_offsets: Any, out: Any
) -> None:
    cut, written = 0, 0
    for text in range(len(offsets) - 1):
        position = offsets[text]
        while cut < len(row) and row[cut] == text:
            stop = offsets[text] + start[cut]
            out[written : written + stop - position] = data[position:stop]
            written += stop - position
            position = offsets[text] + end[cut]
            cut += 1
        rest = offsets[text + 1] - position
        out[written : written + rest] = data[position : offsets[text + 1]]
        written += rest
        out_offsets[text + 1] = written


def cut_passages(texts: pa.Array, passages: Passages, chosen: npt.NDArray[np.bool_]) -> Cut:
    """Cut passages out of texts.

    Args:
        texts: string or large_string `[n]`.
        passages: Their passages, from `find_passages`.
        chosen: Which to cut, bool `[k]`.
    """
    row, start, end = (column[chosen] for column in passages[:3])
    if not len(row):
        return Cut(texts, row, start, end)
    data, offsets, valid = text_buffers(texts)
    both = np.column_stack([start, end]).ravel()
    points = _characters(data, offsets, np.repeat(row, 2), both).reshape(-1, 2)
    out = np.empty(offsets[-1] - offsets[0] - int((end - start).sum()), np.uint8)
    out_offsets = np.zeros(len(texts) + 1, np.int64)
    _remove(data, offsets, row, start, end, out_offsets, out)
    large = pa.LargeStringArray.from_buffers(
        len(texts), pa.py_buffer(out_offsets), pa.py_buffer(out)
    )
    left = pc.if_else(pa.array(valid), large, None).cast(texts.type)
    return Cut(left, row, points[:, 0], points[:, 1])


def shift_spans(spans: pa.Table, cut: Cut) -> pa.Table:
    """Move spans of texts to where they are after cutting; drop what was cut out.

    Args:
        spans: Columns `row`, `start` and `end` (code points), and others.
        cut: What was cut.

    Returns:
        The spans that are left, in the same order; of one that a cut went through, what is left.
    """
    if not len(cut.row):
        return spans
    row = spans["row"].to_numpy().astype(np.int64)
    start = _after(row, spans["start"].to_numpy().astype(np.int64), cut)
    end = _after(row, spans["end"].to_numpy().astype(np.int64), cut)
    moved = spans
    for name, values in (("start", start), ("end", end)):
        place = moved.schema.get_field_index(name)
        field = moved.schema.field(name)
        moved = moved.set_column(place, field, pa.array(values).cast(field.type))
    return moved.filter(pa.array(end > start))


def _after(row: Ints, place: Ints, cut: Cut) -> Ints:
    """Return where a place in the text as it was is after cutting."""
    lengths = cut.end - cut.start
    before = np.append(0, np.cumsum(lengths))
    first = np.searchsorted(cut.row, row)
    # Rows and starts ascend together: one search over both.
    at = _search(cut, row, place)
    gone = before[at] - before[first]
    last = np.maximum(at - 1, 0)
    inside = (at > first) & (place < cut.end[last])
    return place - gone + np.where(inside, cut.end[last] - place, 0)


def _search(cut: Cut, row: Ints, place: Ints) -> Ints:
    """Return how many cuts come before each place: in former rows, or starting at or before it."""
    wide = int(max(cut.start.max(initial=0), place.max(initial=0))) + 1
    found: Ints = np.searchsorted(cut.row * wide + cut.start, row * wide + place, side="right")
    return found


def original_places(row: Ints, place: Ints, cut: Cut) -> Ints:
    """Return where places in the texts after cutting were before; the inverse of moving spans.

    Args:
        row: Text of each place, int64 `[s]`.
        place: Code point in the text after cutting, int64 `[s]`.
        cut: What was cut.
    """
    if not len(cut.row):
        return place
    lengths = cut.end - cut.start
    before = np.append(0, np.cumsum(lengths))[:-1]
    first = np.searchsorted(cut.row, cut.row)
    # Where each cut stands in the text that is left.
    joint = cut.start - (before - before[first])
    at = _search(Cut(cut.texts, cut.row, joint, joint), row, place)
    begin = np.searchsorted(cut.row, row)
    total = np.append(0, np.cumsum(lengths))
    moved: Ints = place + total[at] - total[begin]
    return moved
