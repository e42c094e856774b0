# SPDX-License-Identifier: Apache-2.0
"""Keyed hashes are the reference SipHash, rows cannot be confused, ids sort as hashes do."""

import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.transforms import canonical
from muniment.transforms.hashing import (
    NULL_HASH,
    canonical_text,
    derive_key,
    hash_rows,
    hashes_to_ids,
    ids_to_hashes,
    siphash128,
)
from muniment.transforms.processor import packs_words

KEY = bytes(range(16))
MASK = (1 << 64) - 1
TEXTS = st.lists(st.none() | st.text(max_size=40), max_size=20)

# From the reference implementation's vectors: key 00..0f, input 00 01 .. of the given length.
VECTORS = {
    0: "a3817f04ba25a8e66df67214c7550293",
    1: "da87c1d86b99af44347659119b22fc45",
    2: "8177228da4a45dc7fca38bdef60affe4",
    7: "a1f1ebbed8dbc153c0b84aa61ff08239",
    8: "3b62a9ba6258f5610f83e264f31497b4",
    15: "5493e99933b0a8117e08ec0f97cfc3d9",
    16: "6ee2a4ca67b054bbfd3315bf85230577",
    62: "5853542321f567a005d547a4f04759bd",
    63: "5150d1772f50834a503e069a973fbd7c",
}


def _round(v0: int, v1: int, v2: int, v3: int) -> tuple[int, int, int, int]:
    def rotate(x: int, bits: int) -> int:
        return (x << bits | x >> (64 - bits)) & MASK

    v0, v2 = v0 + v1 & MASK, v2 + v3 & MASK
    v1, v3 = rotate(v1, 13) ^ v0, rotate(v3, 16) ^ v2
    v0, v2 = rotate(v0, 32) + v3 & MASK, v2 + v1 & MASK
    v1, v3 = rotate(v1, 17) ^ v2, rotate(v3, 21) ^ v0
    return v0, v1, rotate(v2, 32), v3


def plain_siphash128(data: bytes, key: bytes) -> list[int]:
    """SipHash-2-4 with 128 bits of output, in plain Python."""
    k0, k1 = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    v0, v1 = k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D ^ 0xEE
    v2, v3 = k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573
    padded = data + bytes(-(len(data) + 1) % 8) + bytes([len(data) & 0xFF])
    for i in range(0, len(padded), 8):
        word = int.from_bytes(padded[i : i + 8], "little")
        v3 ^= word
        for _ in range(2):
            v0, v1, v2, v3 = _round(v0, v1, v2, v3)
        v0 ^= word
    v2 ^= 0xEE
    out = []
    for mark in (0, 0xDD):
        v1 ^= mark
        for _ in range(4):
            v0, v1, v2, v3 = _round(v0, v1, v2, v3)
        out.append(v0 ^ v1 ^ v2 ^ v3)
    return out


def test_siphash128_is_the_reference_function() -> None:
    values = [bytes(range(n)) for n in VECTORS]
    hashes = siphash128(pa.array(values, pa.binary()), KEY)
    assert [row.astype("<u8").tobytes().hex() for row in hashes] == list(VECTORS.values())


@settings(deadline=None)  # the first call compiles
@given(TEXTS, st.binary(min_size=16, max_size=16), st.integers(0, 3), st.booleans())
def test_siphash128_reads_any_string_array(
    texts: list[str | None],
    key: bytes,
    skip: int,
    large: bool,  # noqa: FBT001
) -> None:
    array = pa.array(texts, pa.large_string() if large else pa.string())[skip:]
    expected = [
        [NULL_HASH] * 2 if text is None else plain_siphash128(text.encode(), key)
        for text in texts[skip:]
    ]
    assert siphash128(array, key).tolist() == expected


def test_siphash128_reads_chunks_fixed_size_binary_and_dictionaries() -> None:
    values = ["ab", "cd", "ab"]
    expected = siphash128(pa.array(values), KEY).tolist()
    raw = [value.encode() for value in values]
    assert siphash128(pa.chunked_array([values[:1], values[1:]]), KEY).tolist() == expected
    assert siphash128(pa.array(raw, pa.binary(2)), KEY).tolist() == expected
    assert siphash128(pa.array(values).dictionary_encode(), KEY).tolist() == expected


def test_siphash128_says_what_it_expected() -> None:
    with pytest.raises(ValueError, match="16 bytes, got 3"):
        siphash128(pa.array(["a"]), b"abc")
    with pytest.raises(TypeError, match="strings or bytes, got int64"):
        siphash128(pa.array([1]), KEY)


def test_derived_keys_differ_by_purpose_and_key() -> None:
    keys = {derive_key(KEY, "token"), derive_key(KEY, "shingle"), derive_key(bytes(16), "token")}
    assert len(keys) == 3
    assert all(len(key) == 16 for key in keys)


def test_hash_rows_keeps_columns_apart() -> None:
    rows = {("a", "bc"), ("ab", "c"), ("abc", ""), ("abc", None), ("", "abc"), (None, "abc")}
    first, second = (pa.array(column, pa.string()) for column in zip(*rows, strict=True))
    assert len(set(map(tuple, hash_rows([first, second], KEY).tolist()))) == len(rows)


def test_hash_rows_takes_numbers_and_former_hashes() -> None:
    names = pa.array(["x", "x", "y"])
    numbers = np.array([1, 2, 1], np.uint64)
    once = hash_rows([names, numbers, siphash128(names, KEY)], KEY)
    again = hash_rows([names, numbers, siphash128(names, KEY)], KEY)
    assert once.tolist() == again.tolist()
    assert len({tuple(row) for row in once.tolist()}) == 3


def test_hash_rows_refuses_ragged_columns() -> None:
    with pytest.raises(ValueError, match=r"got lengths \[1, 2\]"):
        hash_rows([pa.array(["a"]), pa.array(["a", "b"])], KEY)
    with pytest.raises(ValueError, match="one or more columns"):
        hash_rows([], KEY)


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.tuples(st.integers(0, MASK), st.integers(0, MASK)), max_size=20))
def test_ids_and_hashes_convert_both_ways_and_sort_alike(pairs: list[tuple[int, int]]) -> None:
    hashes = np.array(pairs, np.uint64).reshape(-1, 2)
    ids = hashes_to_ids(hashes)
    assert ids.type == pa.binary(16)
    assert ids_to_hashes(ids).tolist() == hashes.tolist()
    assert ids_to_hashes(ids[1:]).tolist() == hashes[1:].tolist()
    assert (
        sorted(ids.to_pylist())
        == hashes_to_ids(np.array(sorted(pairs), np.uint64).reshape(-1, 2)).to_pylist()
    )


def test_ids_with_nulls_are_refused() -> None:
    with pytest.raises(ValueError, match="1 nulls"):
        ids_to_hashes(pa.array([None], pa.binary(16)))


SPACES = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
LAYOUT = st.text(
    st.sampled_from(
        SPACES + "ab\x00\x1c\u200b中ée\u0301\u0323が\u304b\u3099\u0921\u093c가\u11a8ãâ\U0001f600"
    )
    | st.characters(codec="utf-8"),
    max_size=60,
)


@pytest.mark.parametrize("way", ["plain", "native"])
@given(word=st.binary(min_size=8, max_size=8), dropped=st.sets(st.integers(0, 7)))
def test_both_ways_to_drop_bytes_of_a_word_leave_the_others_together(
    way: str, word: bytes, dropped: set[int]
) -> None:
    if way == "native" and not packs_words():
        pytest.skip("this processor cannot pack words")
    pack = {"plain": canonical._pack_plain, "native": canonical._pack_native}[way]
    drop = sum(0x80 << 8 * place for place in dropped)
    packed = int(pack(np.uint64(int.from_bytes(word, "little")), np.uint64(drop)))
    rest = bytes(byte for place, byte in enumerate(word) if place not in dropped)
    assert packed.to_bytes(8, "little")[: len(rest)] == rest


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.none() | LAYOUT, max_size=10), st.integers(0, 2))
def test_canonical_text_composes_and_collapses_white_space(
    texts: list[str | None], skip: int
) -> None:
    def canonical(text: str) -> str:
        for space in SPACES:
            text = text.replace(space, " ")
        return " ".join(word for word in unicodedata.normalize("NFC", text).split(" ") if word)

    expected = [None if text is None else canonical(text) for text in texts[skip:]]
    result = canonical_text(pa.array(texts, pa.string())[skip:])
    result.validate(full=True)
    assert result.type == pa.large_string()
    assert result.to_pylist() == expected


@pytest.mark.parametrize(
    "text",
    [
        "e\u0301t\u0323\u0307\n\u0301e\n\n\u1112\u1161\u11ab",
        "plain\nline\n\u212b",
        "q\u0307\u0323",
        "\uf900\n",
    ],
)
def test_what_is_loose_on_one_line_is_composed(text: str) -> None:
    expected = " ".join(unicodedata.normalize("NFC", text).split())
    texts = pa.array(["é\n1", None, text, "z"], pa.string())
    assert canonical_text(texts).to_pylist() == ["é 1", None, expected, "z"]


def test_empty_input_is_fine() -> None:
    nothing = pa.array([], pa.string())
    assert siphash128(nothing, KEY).shape == (0, 2)
    assert hash_rows([nothing, np.zeros((0, 2), np.uint64)], KEY).shape == (0, 2)
    assert len(hashes_to_ids(np.zeros((0, 2), np.uint64))) == 0
    assert len(canonical_text(nothing)) == 0
