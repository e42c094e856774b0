# SPDX-License-Identifier: Apache-2.0
"""Tokens as the module's docstring specifies them, against a plain Python tokeniser."""

import re
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.transforms import tokens
from muniment.transforms.buffers import changing_characters, text_buffers
from muniment.transforms.hashing import key_halves
from muniment.transforms.tokens import character_tables, count_tokens, fill_tokens

KEY = bytes(range(16))
SINGLE = (
    r"[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\u1b00-\u1b7f\u3005-\u3007"
    r"\u3021-\u3029\u3031-\u3035\u3038-\u303c\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\ua48f"
    r"\ua980-\ua9ff\uaa60-\uaadf\uf900-\ufaff\uff66-\uff9f\U00011700-\U0001174f"
    r"\U00016fe0-\U00018dff\U0001aff0-\U0001b2ff\U00020000-\U0003ffff]"
)


def fold(character: str) -> str:
    """Fold one character to one character."""
    for folded in (character.casefold(), character.lower()):
        if len(folded) == 1:
            return folded
    return character


def plain_tokens(text: str) -> list[str]:
    """Tokenise with Python strings, as the docstring says."""
    out: list[str] = []
    running = single = False
    for character in text:
        category = unicodedata.category(character)
        if category == "Cf":
            continue
        if category[0] not in "LMN" and character != "_":
            running = False
            continue
        alone = category[0] != "M" and re.match(SINGLE, character) is not None
        if not running or alone or (single and category[0] != "M"):
            out.append("")
            single = alone
        running = True
        out[-1] += fold(character)
    return out


def kernel_tokens(text: bytes, words: list[str], room: int = 512, behind: bytes = b"") -> list[str]:
    """Run the kernel on one text; name each code by the word among `words` that has it.

    `behind` is in its buffer, but belongs to the next text.
    """
    tables, halves = character_tables(), key_halves(KEY)
    out = np.zeros(room, np.uint64)

    def codes(raw: bytes, behind: bytes = b"") -> list[int]:
        data = text_buffers(pa.array([raw + behind], pa.binary())).data
        position, found = 0, []
        while position < len(raw):
            count, position = fill_tokens(data, position, len(raw), *halves, *tables, out, 0)
            found += out[:count].tolist()
        return found

    names = {}
    for word in words:
        (code,) = codes(word.encode())
        assert names.setdefault(code, word) == word
    return [names[code] for code in codes(text, behind)]


def docstring_table() -> list[tuple[str, str, list[str]]]:
    rows = []
    for line in (tokens.__doc__ or "").splitlines():
        cells = re.match(r"^    ([A-Z][a-z]+) {2,}(\S.*?) {2,}(\S.*\|.*|\S+)$", line)
        if cells and not line.startswith("    Script"):
            rows.append((cells[1], cells[2], cells[3].split(" | ")))
    return rows


def test_docstring_table_has_twelve_scripts() -> None:
    assert len(docstring_table()) >= 12


@pytest.mark.parametrize(("script", "text", "expected"), docstring_table())
def test_docstring_examples_hold(script: str, text: str, expected: list[str]) -> None:
    assert plain_tokens(text) == expected, script
    assert kernel_tokens(text.encode(), expected) == expected, script


ALPHABET = (
    "abcXYZ019_ .,'-\n\t@[`{/:\x7f\x00\xad\u200b\u200d\ufeffé\u00df\u1e9eİıſKςΣσЖж\u0301\u0345"
    "ͅא\u05b8ب١हि\u094d한글東京カー゛\u3099ｶアあ。、ท\u0e35\u0e48ลាភស\u17d2ကེཀⅣ②ﬁＡａ𝔸𐐀\U00020000\U000e0100\u2028“”€😀"
)
TEXT = st.text(
    st.sampled_from(ALPHABET) | st.sampled_from("abcdefgh ") | st.characters(codec="utf-8"),
    max_size=60,
)


@settings(deadline=None)
@given(TEXT, st.sampled_from([1, 2, 3, 512]))
def test_kernel_agrees_with_plain_python(text: str, room: int) -> None:
    expected = plain_tokens(text)
    assert kernel_tokens(text.encode(), sorted(set(expected)), room) == expected


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(["A", "b_", "9z[", "@`{/:^", "İé", "中", "Abcdefg", "hIjklmno"]) | TEXT
    ),
    st.sampled_from(["", " ", "-", ". "]),
    st.sampled_from([b"and on it goes", "é".encode(), b" "]),
)
def test_blocks_of_text_have_the_tokens_that_plain_python_finds(
    words: list[str], between: str, behind: bytes
) -> None:
    text = between.join(words)
    expected = plain_tokens(text)
    found = kernel_tokens(text.encode(), sorted(set(expected)), behind=behind * 72)
    assert found == expected


@settings(deadline=None)
@given(st.lists(st.none() | TEXT, max_size=8), st.integers(0, 3))
def test_counts_agree_with_plain_python(texts: list[str | None], skip: int) -> None:
    expected = [len(plain_tokens(text or "")) for text in texts[skip:]]
    assert count_tokens(pa.array(texts, pa.string())[skip:]).tolist() == expected


@settings(deadline=None, max_examples=300)
@given(st.lists(st.binary(max_size=24), max_size=6))
def test_malformed_utf8_ends_a_token_and_never_reads_beyond(values: list[bytes]) -> None:
    def replaced(raw: bytes) -> str:
        # Every byte that is not part of a well-formed sequence is a break.
        return raw.decode("utf-8", "surrogateescape").translate(
            dict.fromkeys(range(56448, 56576), " ")
        )

    # Values lie side by side in one buffer: reading beyond one would join it to the next.
    expected = [len(plain_tokens(replaced(raw))) for raw in values]
    assert count_tokens(pa.array(values, pa.binary())).tolist() == expected


@pytest.mark.parametrize(
    "raw",
    [
        b"\xc3",
        b"\xe4\xb8",
        b"\xf0\x9f\x98",
        b"\xc0\x80",
        b"\xe0\x80\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xff",
        b"\x80",
    ],
)
def test_each_kind_of_malformed_utf8_is_a_break(raw: bytes) -> None:
    assert kernel_tokens(b"left" + raw + b"right", ["left", "right"]) == ["left", "right"]
    assert kernel_tokens(raw, []) == []


def test_long_tokens_differ_by_any_byte_and_by_key() -> None:
    words = ["abcdefgh", "abcdefgi", "abcdefghabcdefgh", "abcdefghabcdefgj", "a" * 300, "a" * 301]
    assert kernel_tokens(" ".join(words).encode(), words) == words


def test_a_million_letters_are_one_token() -> None:
    assert count_tokens(pa.array(["x" * 1_000_000, "x " * 500_000])).tolist() == [1, 500_000]


def test_tables_agree_with_unicodedata_over_all_planes() -> None:
    stage1, stage2 = character_tables()
    for code in (0x41, 0x5F, 0x4E2D, 0x0E01, 0x1F600, 0x10FFFF, 0xE0001, 0x50000, 0xF0000):
        entry = int(stage2[int(stage1[code >> 8]) << 8 | code & 0xFF])
        category = unicodedata.category(chr(code))
        assert (entry & 7 == 0) == (category[0] not in "LMN" and category != "Cf" and code != 0x5F)


def test_no_other_character_has_case_a_combining_class_or_a_decomposition() -> None:
    others = set(map(chr, range(0x110000))).difference(changing_characters())
    assert not any(map(unicodedata.combining, others))
    assert not any(map(unicodedata.decomposition, others))
    assert others == set(map(str.casefold, others))


def test_empty_input_is_fine() -> None:
    assert count_tokens(pa.array([], pa.string())).shape == (0,)
    assert count_tokens(pa.array([None, ""], pa.string())).tolist() == [0, 0]
