# SPDX-License-Identifier: Apache-2.0
"""Lines and paragraphs are found, recognised again, and cut out with every offset accounted for."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.transforms.passages import (
    cut_passages,
    find_passages,
    original_places,
    shift_spans,
)

KEY = bytes(range(16))
TEXTS = st.lists(st.text("ab1é漢 \n\t\r", max_size=40), max_size=6)


def find(texts: list[str | None], unit: str = "line", min_chars: int = 1):
    return find_passages(pa.array(texts, pa.string()), unit, min_chars=min_chars, key=KEY)


def said(texts: list[str], unit: str) -> list[str]:
    found = find(texts, unit)
    return [
        texts[row].encode()[start:end].decode()
        for row, start, end in zip(found.row, found.start, found.end, strict=True)
    ]


def test_lines_and_paragraphs():
    text = "one\ntwo\n \t\nthree\n\n\nfour"
    assert said([text], "line") == ["one\n", "two\n", "three\n", "four"]
    assert said([text], "paragraph") == ["one\ntwo\n", "three\n", "four"]


def test_no_text_has_no_passage():
    assert len(find([None, "", "\n \n"]).row) == 0
    assert len(find([]).row) == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Page 12 of 90", "PAGE 07 of 31"),
        ("  spaced   out ", "spaced out"),
        ("caf\u00e9", "cafe\u0301"),
        ("第１２页", "第３４页"),
    ],
)
def test_digits_case_spaces_and_composition_do_not_tell_passages_apart(one: str, other: str):
    a, b = find([one, other]).hash
    assert a == b


def test_other_words_do():
    a, b, c = find(["terms of use", "terms of us", "use of terms"]).hash
    assert len({a, b, c}) == 3


def test_short_passages_do_not_count():
    assert said(["a\nlong enough"], "line") == ["a\n", "long enough"]
    assert len(find(["a\nlong enough"], min_chars=5).row) == 1


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_slices_are_read_where_they_are(kind: pa.DataType):
    whole = pa.array(["left out", "one\ntwo", None, "three"], kind)
    found = find_passages(whole.slice(1), "line", min_chars=1, key=KEY)
    assert found.row.tolist() == [0, 0, 2]
    assert found.start.tolist() == [0, 4, 0]
    left = cut_passages(whole.slice(1), found, np.array([True, False, True]))
    assert left.texts.to_pylist() == ["two", None, ""]
    assert left.texts.type == kind


@given(TEXTS, st.data())
def test_what_is_cut_and_what_is_left_make_the_text(texts: list[str], data: st.DataObject):
    found = find(texts, data.draw(st.sampled_from(["line", "paragraph"])))
    k = len(found.row)
    chosen = np.array(data.draw(st.lists(st.booleans(), min_size=k, max_size=k)), bool)
    cut = cut_passages(pa.array(texts, pa.string()), found, chosen)
    for number, (text, left) in enumerate(zip(texts, cut.texts.to_pylist(), strict=True)):
        mine = cut.row == number
        rest, position = "", 0
        for start, end in zip(cut.start[mine], cut.end[mine], strict=True):
            rest, position = rest + text[position:start], end
        assert left == rest + text[position:]


@given(TEXTS, st.data())
def test_every_place_that_is_left_is_found_again(texts: list[str], data: st.DataObject):
    found = find(texts)
    k = len(found.row)
    chosen = np.array(data.draw(st.lists(st.booleans(), min_size=k, max_size=k)), bool)
    cut = cut_passages(pa.array(texts, pa.string()), found, chosen)
    left = cut.texts.to_pylist()
    row = np.repeat(np.arange(len(left)), [len(text) for text in left])
    place = np.concatenate([np.arange(len(text)) for text in [*left, ""]])
    back = original_places(row, place, cut)
    assert [texts[r][p] for r, p in zip(row, back, strict=True)] == [
        left[r][p] for r, p in zip(row, place, strict=True)
    ]
    spans = pa.table({"row": row, "start": back, "end": back + 1, "kind": place})
    moved = shift_spans(spans, cut)
    assert moved["start"].to_pylist() == place.tolist()
    assert moved["kind"].to_pylist() == place.tolist()


def test_a_span_that_was_cut_is_gone_and_one_that_reaches_over_keeps_its_rest():
    texts = pa.array(["keep me\ncut me out\nkeep too"])
    found = find(texts.to_pylist())
    cut = cut_passages(texts, found, np.array([False, True, False]))
    spans = pa.table({"row": [0, 0, 0], "start": [0, 8, 5], "end": [4, 11, 12]})
    moved = shift_spans(spans, cut)
    assert moved.select(["start", "end"]).to_pylist() == [
        {"start": 0, "end": 4},
        {"start": 5, "end": 8},
    ]
