# SPDX-License-Identifier: Apache-2.0
"""Signatures are datasketch's, value by value; shingle sets are keyed, sorted and exact."""

import numpy as np
import pyarrow as pa
import pytest
from datasketch import MinHash
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.transforms.hashing import derive_key
from muniment.transforms.minhash import (
    EMPTY_MINIMUM,
    compute_signatures,
    permutations,
    shingle_hashes,
    sign,
)
from muniment.transforms.tokens import count_tokens

KEY = bytes(range(16))
MASK = (1 << 64) - 1

WORD = st.sampled_from(["a", "b", "c", "Word", "été", "unbelievably", "東京", "слово", "数据"])
TEXT = st.lists(WORD, max_size=30).map(" ".join)
TEXTS = st.lists(st.none() | TEXT, max_size=8)


def _round(v0: int, v1: int, v2: int, v3: int) -> tuple[int, int, int, int]:
    def rotate(x: int, bits: int) -> int:
        return (x << bits | x >> (64 - bits)) & MASK

    v0, v2 = v0 + v1 & MASK, v2 + v3 & MASK
    v1, v3 = rotate(v1, 13) ^ v0, rotate(v3, 16) ^ v2
    v0, v2 = rotate(v0, 32) + v3 & MASK, v2 + v1 & MASK
    v1, v3 = rotate(v1, 17) ^ v2, rotate(v3, 21) ^ v0
    return v0, v1, rotate(v2, 32), v3


def plain_siphash13(data: bytes, key: bytes) -> int:
    """SipHash-1-3 with 64 bits of output, in plain Python."""
    k0, k1 = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    v0, v1 = k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D
    v2, v3 = k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573
    padded = data + bytes(-(len(data) + 1) % 8) + bytes([len(data) & 0xFF])
    for i in range(0, len(padded), 8):
        word = int.from_bytes(padded[i : i + 8], "little")
        v0, v1, v2, v3 = _round(v0, v1, v2, v3 ^ word)
        v0 ^= word
    v2 ^= 0xFF
    for _ in range(3):
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    return v0 ^ v1 ^ v2 ^ v3


def token_code(token: str) -> bytes:
    """Return the code of a folded token, as `tokens.py` specifies it."""
    raw = token.encode()
    if len(raw) <= 7:
        return raw.ljust(7, b"\0") + bytes([len(raw)])
    return (plain_siphash13(raw, derive_key(KEY, "token")) | 1 << 63).to_bytes(8, "little")


def plain_shingles(tokens: list[str], size: int) -> list[int]:
    codes = [token_code(token) for token in tokens]
    size = min(size, len(codes))
    shingles = [codes[i : i + size] for i in range(len(codes) - size + 1)] if codes else []
    return sorted({plain_siphash13(b"".join(s), derive_key(KEY, "shingle")) for s in shingles})


def sets_of(texts: pa.Array, size: int) -> list[list[int]]:
    offsets, hashes = shingle_hashes(texts, shingle_size=size, key=KEY)
    assert offsets[0] == 0
    assert offsets[-1] == len(hashes)
    return [hashes[offsets[i] : offsets[i + 1]].tolist() for i in range(len(texts))]


@settings(deadline=None)
@given(
    st.lists(
        st.lists(
            st.sampled_from(["a", "be", "sevenby", "eightbyt", "longertoken", "é" * 9]), max_size=12
        ),
        max_size=5,
    ),
    st.integers(1, 6),
)
def test_shingle_hashes_are_what_the_docstring_says(documents: list[list[str]], size: int) -> None:
    texts = pa.array([" ".join(tokens) for tokens in documents], pa.string())
    assert sets_of(texts, size) == [plain_shingles(tokens, size) for tokens in documents]


@settings(deadline=None)
@given(TEXTS, st.integers(1, 200), st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(0, 2))
def test_signatures_are_datasketchs(
    texts: list[str | None], num_perm: int, seed: int, size: int, skip: int
) -> None:
    array = pa.array(texts, pa.string())[skip:]
    signatures = compute_signatures(array, num_perm=num_perm, seed=seed, shingle_size=size, key=KEY)
    assert signatures.dtype == np.uint32
    assert signatures.shape == (len(array), num_perm)
    for row, hashes in zip(signatures, sets_of(array, size), strict=True):
        theirs = MinHash(
            num_perm=num_perm, seed=seed, scheme="affine32", hashfunc=lambda h: h & 0xFFFFFFFF
        )
        theirs.update_batch(hashes)
        assert row.tolist() == theirs.hashvalues.tolist()


@pytest.mark.parametrize("tokens", [511, 512, 513, 515, 516, 517, 2000])
def test_long_documents_lose_no_shingle_between_blocks(tokens: int) -> None:
    words = [f"w{i}" for i in range(tokens)]
    (hashes,) = sets_of(pa.array([" ".join(words)]), 5)
    assert len(hashes) == tokens - 4
    assert hashes == plain_shingles(words, 5)
    theirs = MinHash(num_perm=16, seed=7, scheme="affine32", hashfunc=lambda h: h & 0xFFFFFFFF)
    theirs.update_batch(hashes)
    ours, counts = sign(pa.array([" ".join(words)]), num_perm=16, seed=7, shingle_size=5, key=KEY)
    assert ours[0].tolist() == theirs.hashvalues.tolist()
    assert counts.tolist() == [tokens]


@settings(deadline=None)
@given(TEXTS)
def test_sign_counts_tokens_on_the_way(texts: list[str | None]) -> None:
    array = pa.array(texts, pa.string())
    _, counts = sign(array, num_perm=4, seed=1, shingle_size=5, key=KEY)
    assert counts.tolist() == count_tokens(array).tolist()


def test_documents_without_tokens_have_no_shingles_and_the_empty_signature() -> None:
    texts = pa.array(["", None, " .,!? ", "\u3000\u200b"])
    assert sets_of(texts, 5) == [[], [], [], []]
    signatures = compute_signatures(texts, num_perm=8, seed=1, shingle_size=5, key=KEY)
    assert (signatures == EMPTY_MINIMUM).all()


def test_documents_shorter_than_a_shingle_have_one() -> None:
    short, same, other, repeated = sets_of(pa.array(["a b", "A  b.", "a b c", "x " * 9000]), 5)
    assert short == same
    assert len(short) == len(other) == len(repeated) == 1
    assert short != other


def test_layout_case_and_punctuation_do_not_matter_but_order_does() -> None:
    first, second, third = sets_of(
        pa.array(
            [
                "One, two; three\nfour FIVE six",
                "one two three four five six",
                "six five four three two one",
            ]
        ),
        5,
    )
    assert first == second
    assert not set(first) & set(third)


def test_another_key_changes_every_shingle_and_no_set_size() -> None:
    texts = pa.array(["one two three four five six seven eight"])
    sets = [shingle_hashes(texts, shingle_size=3, key=key)[1].tolist() for key in (KEY, bytes(16))]
    assert len(sets[0]) == len(sets[1]) == 6
    assert not set(sets[0]) & set(sets[1])


def test_estimates_follow_true_similarity() -> None:
    rng = np.random.default_rng(5)
    words = [f"w{i}" for i in range(400)]
    for kept in (0.5, 0.8, 0.95):
        other = words[: int(400 * kept)] + [f"v{i}" for i in rng.integers(0, 9999, 100)]
        texts = pa.array([" ".join(words), " ".join(other)])
        a, b = (set(hashes) for hashes in sets_of(texts, 5))
        x, y = compute_signatures(texts, num_perm=2048, seed=1, shingle_size=5, key=KEY)
        # Six standard errors of a proportion over 2048 permutations.
        assert abs((x == y).mean() - len(a & b) / len(a | b)) < 6 * 0.5 / 2048**0.5


@pytest.mark.parametrize("seed", [0, 1, 7, 2**32 - 1])
@pytest.mark.parametrize("num_perm", [1, 16, 128, 257])
def test_permutations_are_datasketch_s_own(num_perm: int, seed: int) -> None:
    theirs = MinHash(num_perm=num_perm, seed=seed, scheme="affine32").permutations
    ours = permutations(num_perm, seed)
    assert all((mine == other).all() for mine, other in zip(ours, theirs, strict=True))


def test_permutations_are_odd_and_cached_by_seed() -> None:
    a, b = permutations(128, 1)
    assert a.dtype == b.dtype == np.uint32
    assert (a & 1).all()
    assert permutations(128, 1)[0] is a
    assert (permutations(128, 2)[0] != a).any()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"shingle_size": 0}, "1 <= shingle_size <= 64 tokens, got 0"),
        ({"shingle_size": 65}, "got 65"),
        ({"num_perm": 0}, "1 <= num_perm <= 4096, got 0"),
        ({"key": b"short"}, "16 bytes, got 5"),
    ],
)
def test_parameters_out_of_range_are_refused(changed: dict[str, object], message: str) -> None:
    good = {"num_perm": 8, "seed": 1, "shingle_size": 5, "key": KEY}
    with pytest.raises(ValueError, match=message):
        compute_signatures(pa.array(["a"]), **{**good, **changed})  # type: ignore[arg-type]


def test_empty_input_is_fine() -> None:
    nothing = pa.array([], pa.string())
    offsets, hashes = shingle_hashes(nothing, shingle_size=5, key=KEY)
    assert offsets.tolist() == [0]
    assert len(hashes) == 0
    signatures, counts = sign(nothing, num_perm=8, seed=1, shingle_size=5, key=KEY)
    assert signatures.shape == (0, 8)
    assert counts.shape == (0,)
