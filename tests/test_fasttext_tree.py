# SPDX-License-Identifier: Apache-2.0
"""The compiled labels are fastText's own: the library, run on the same files, is the oracle."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import fasttext
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from muniment.schemas.errors import ModelError
from muniment.transforms.fasttext_file import read_fasttext
from muniment.transforms.fasttext_tree import TreeModel, best_labels, load_tree
from muniment.transforms.models import bundled_model

PATH = bundled_model("lid.176").path
SCRIPTS = "az àÿ αω ая את ءي अह กฮ ぁん ァン 一龥 가힣 აჰ ԱՖ ሀፐ 😀😿 \U00020000\U000200ff"


class Oracle:
    """The library with one model: (label, probability) of each line."""

    def __init__(self, path: Path) -> None:
        self._model = fasttext.load_model(str(path))

    def __call__(self, lines: list[str]) -> tuple[list[str], list[float]]:
        # One call a line: given a list, fasttext-predict 0.9.2.4 returns the labels alone.
        found = [self._model.predict(line) for line in lines]
        return [labels[0][len("__label__") :] for labels, _ in found], [p[0] for _, p in found]


@pytest.fixture(scope="module")
def model() -> TreeModel:
    return load_tree(PATH)


@pytest.fixture(scope="module")
def oracle() -> Oracle:
    return Oracle(PATH)


def assert_equal(model: TreeModel, oracle: Oracle, lines: list[str]) -> None:
    labels, scores = best_labels(model, pa.array(lines, pa.string()))
    expected_labels, expected_scores = oracle(lines)
    assert [model.labels[label] for label in labels] == expected_labels
    np.testing.assert_allclose(scores, expected_scores, rtol=0, atol=1e-5)


def test_lines_of_words_of_all_languages(model: TreeModel, oracle: Oracle) -> None:
    choose = random.Random(1)
    words = [word.decode() for word in read_fasttext(PATH).words]
    lines = []
    for _ in range(2000):
        line = choose.choices(words, k=choose.randint(1, 40))
        for _ in range(choose.randint(0, 10)):  # most words of a text are not known ones
            at = choose.randrange(len(line))
            line[at] = choose.choice([line[at][::-1], line[at] * 2, line[at][1:], "-" + line[at]])
        lines.append(choose.choice([" ", " ", "", "  ", "\t", "\r\v\f "]).join(line))
    assert_equal(model, oracle, lines)


def test_lines_of_letters_of_many_scripts(model: TreeModel, oracle: Oracle) -> None:
    choose = random.Random(2)
    alphabets = [[chr(c) for c in range(ord(s[0]), ord(s[-1]) + 1)] for s in SCRIPTS.split()]
    lines = []
    for _ in range(2000):
        letters = [*choose.choice(alphabets), *choose.choice(alphabets), " ", " ", ".", "7"]
        lines.append("".join(choose.choices(letters, k=choose.randint(1, 300))))
    assert_equal(model, oracle, lines)


@pytest.mark.parametrize(
    "line",
    [
        "",
        " ",
        "a",
        "字",
        "\u0627",
        "\x7f",
        "\x00",
        "a\x00b",
        "\x01\x02 \x1f\x85",
        "\u00a0a\u3000b\u2028c",
        "x" * 100_000,
        "的" * 30_000,
        "e\u0301" * 500,
        "\u0301 \u200d",
        "bonjour </s> guten tag wie geht es",
        "</s>",
        "</s></s> x",
        "__label__de the cat",
        "__label__nothing le chat",
        "__label__",
        "__label_ _label__de",
        "<a> <> > <",
    ],
)
def test_odd_lines(model: TreeModel, oracle: Oracle, line: str) -> None:
    assert_equal(model, oracle, [line])


@given(st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]))))
@example([])
def test_any_lines(model: TreeModel, oracle: Oracle, lines: list[str]) -> None:
    assert_equal(model, oracle, lines)


def test_a_line_end_counts_as_a_space_and_a_null_as_empty(model: TreeModel) -> None:
    labels, scores = best_labels(model, pa.array(["le chat\nnoir", "le chat noir", None, ""]))
    assert labels[0] == labels[1]
    assert labels[2] == labels[3]
    assert scores[0] == scores[1]
    assert scores[2] == scores[3]


def test_a_line_depends_neither_on_its_neighbours_nor_on_the_layout(model: TreeModel) -> None:
    lines = pa.array(["x", None, "the cat", "le chat", "die Katze", "猫"])
    whole = best_labels(model, lines)
    for found in (
        best_labels(model, lines[2:5]),
        best_labels(model, lines[2:5].cast("large_utf8")),
    ):
        np.testing.assert_array_equal(found, np.array(whole)[:, 2:5])


def write_model(
    path: Path, counts: list[int], *, minn: int, maxn: int, loss: int = 1, seed: int = 0
) -> None:
    """Write a small model that is not quantised, with random vectors, as fastText writes it."""
    draw = np.random.default_rng(seed)
    words, bucket, dim = ["</s>", "a", "bc", "déf", "猫"], 100, 4
    entries = [(word, 9, 0) for word in words]
    entries += [(f"__label__{i}", count, 1) for i, count in enumerate(counts)]
    data = struct.pack("<2i", 793712314, 12)
    data += struct.pack("<12id", dim, 5, 5, 1, 5, 1, loss, 3, bucket, minn, maxn, 100, 1e-4)
    data += struct.pack("<3i2q", len(entries), len(words), len(counts), 99, -1)
    for word, count, kind in entries:
        data += word.encode() + b"\0" + struct.pack("<qb", count, kind)
    for rows in (len(words) + bucket, len(counts)):
        matrix = draw.normal(scale=3, size=(rows, dim)).astype("<f4")
        data += struct.pack("<?2q", False, rows, dim) + matrix.tobytes()
    path.write_bytes(data)


@pytest.mark.parametrize(("minn", "maxn"), [(0, 0), (1, 1), (2, 3), (3, 6)])
@pytest.mark.parametrize(
    "counts", [[2, 1], [5, 5], [1] * 7, [8, 4, 2, 1, 1], [9, 9, 5, 5, 5, 4, 1, 1], [7] * 64]
)
def test_any_tree_is_built_as_fasttext_builds_it(
    tmp_path: Path, counts: list[int], minn: int, maxn: int
) -> None:
    path = tmp_path / "m.bin"
    lines = [
        "",
        "a",
        "bc a",
        "xyz déf 猫",
        "abc def ghi",
        "猫猫 猫",
        "</s> a",
        "__label__1 bc",
        "zz",
    ]
    for seed in range(3):
        write_model(path, counts, minn=minn, maxn=maxn, seed=seed)
        assert_equal(load_tree(path), Oracle(path), lines)


def test_another_kind_of_model_is_refused(tmp_path: Path) -> None:
    write_model(tmp_path / "softmax.bin", [2, 1], minn=2, maxn=3, loss=3)
    write_model(tmp_path / "label.bin", [1], minn=2, maxn=3)
    for path in (*tmp_path.iterdir(), bundled_model("toxicity_en").path):
        with pytest.raises(ModelError, match="hierarchical softmax"):
            load_tree(path)


def test_a_cut_off_file_is_refused(tmp_path: Path) -> None:
    data = PATH.read_bytes()
    path = tmp_path / "cut.ftz"
    for size in (0, 10, 60, 5_000, 200_000, len(data) // 2, len(data) - 8):
        path.write_bytes(data[:size])
        with pytest.raises(ModelError, match="hierarchical softmax"):
            load_tree(path)


def test_values_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "nan.ftz"
    path.write_bytes(PATH.read_bytes()[:-4] + struct.pack("<f", float("nan")))
    with pytest.raises(ModelError, match="hierarchical softmax"):
        load_tree(path)
