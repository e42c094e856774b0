# SPDX-License-Identifier: Apache-2.0
"""Shadow text: disguises come off, and every shadow byte leads back to its place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.transforms.pii.disguise import Rewritten, decoded, joined, spelled
from muniment.transforms.pii.shadow import FLAG_BIDI, FLAG_NON_ASCII, View, classify, fold, fold_all


def buffers(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    raw = [text.encode() for text in texts]
    offsets = np.cumsum([0, *map(len, raw)]).astype(np.int64)
    return np.frombuffer(b"".join(raw), np.uint8), offsets


def shadow(text: str) -> View:
    data, offsets = buffers([text])
    return fold(data, 0, int(offsets[1]))


def words(view: View | None) -> str:
    assert view is not None
    return bytes(view.data[view.begin : view.end]).decode()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("１２３＠ａ．ｃｏｍ", "123@a.com"),
        ("١٢٣ ۴۵ ९", "123 45 9"),
        ("𝟏𝟐𝟑", "123"),
        ("a\u200bb\u200dc\u00add\ufeff", "abcd"),
        ("a\u00a0b\u2009c", "a b c"),
        ("1–2—3−4‑5", "1-2-3-4-5"),
        ("pаypаl@ехample.com", "paypal@example.com"),
        ("привет, сосна", "привет, сосна"),
        ("яна@test", "яна@test"),
        ("e\u0301", "e"),
        ("中文，不变。", "中文,不变。"),
        ("ﬁ ①", "fi 1"),
    ],
)
def test_fold(text: str, says: str) -> None:
    assert words(shadow(text)) == says


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a&#64;b&amp;#x40;c", "a@b@c"),
        ("a%40b%2Ecom", "a@b.com"),
        ("joe [at] host (dot) com", "joe@host.com"),
        ("joe at host dot co dot uk", "joe@host.co.uk"),
        ("jo**e@h**ost", "joe@host"),
        ("jo<b>e</b>@host", "joe@host"),
        ("077<b>83 </b>754360", "07783 754360"),
        ("30 <b>Elm</b> Road", "30 Elm Road"),
        ("a <b>good</b> day", "a <b>good</b> day"),
        ("广东省<b>深圳市</b>", "广东省深圳市"),
        ("&#27993;&#69;", "浙E"),
    ],
)
def test_decoded(text: str, says: str) -> None:
    rewritten = decoded(shadow(text))
    assert words(rewritten.view if rewritten else shadow(text)) == says


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("4lll llll", "4lll llll"),
        ("l38OO13800O", "13800138000"),
        ("l38O5l6Oll4", "13805160114"),
        ("4l4-l2-l4Ol", "414-12-1401"),
        ("+44 2O 79O4 2378", "+44 20 7904 2378"),
        ("o 192.168.0.0", "o 192.168.0.0"),
        ("loss or lOss Ills", "loss or lOss Ills"),
    ],
)
def test_spelled(text: str, says: str) -> None:
    rewritten = spelled(shadow(text))
    assert words(rewritten.view if rewritten else shadow(text)) == says


def test_joined() -> None:
    def words(rewritten: Rewritten | None) -> str:
        assert rewritten is not None
        return bytes(rewritten.view.data).decode()

    assert words(joined(shadow("1 3 8 0 0 1 3 8 0 0 0 end"))) == "13800138000 end"
    assert words(joined(shadow("4111.1111.1111.1111"))) == "4111111111111111"
    assert words(joined(shadow("13800\n138000"))) == "13800138000"
    assert joined(shadow("nothing 12 34")) is None


@given(st.text(max_size=60))
@settings(max_examples=150, deadline=None)
def test_every_byte_leads_back(text: str) -> None:
    view = shadow(text)
    assert view.starts is not None
    assert len(view.starts) == view.end + 1
    assert np.all(np.diff(view.starts) >= 0)
    assert view.starts[-1] == len(text)
    bytes(view.data).decode()


@given(st.text(alphabet="ab&#64;%40[at]. l1O0\n中é", max_size=60))
@settings(max_examples=150, deadline=None)
def test_rewritten_views_keep_the_way_back(text: str) -> None:
    base = shadow(text)
    for rewritten in (decoded(base), joined(base)):
        for view in rewritten.windows() if rewritten else ():
            assert view.starts is not None
            assert len(view.starts) == view.end + 1
            assert np.all(np.diff(view.starts) >= 0)
            start, end = view.original(0, view.end)
            assert (start, end) <= (end, len(text))


@given(st.lists(st.text(max_size=20), max_size=6))
@settings(max_examples=100, deadline=None)
def test_the_batch_shadow_is_the_documents_shadows(texts: list[str]) -> None:
    data, offsets = buffers(texts)
    flags = classify(data, offsets)
    whole, places = fold_all(data, offsets, flags)
    for row, text in enumerate(texts):
        expected = words(shadow(text)) if flags[row] & FLAG_NON_ASCII else text
        assert bytes(whole[places[row] : places[row + 1]]).decode() == expected + "\n"


def test_classify() -> None:
    data, offsets = buffers(["plain", "é", "", "\u202eabc", "a\u2066b"])
    both = FLAG_NON_ASCII | FLAG_BIDI
    assert classify(data, offsets).tolist() == [0, FLAG_NON_ASCII, 0, both, both]
