# SPDX-License-Identifier: Apache-2.0
"""Deduplication under attack and at scale: forged collisions, chains, floods, next to nothing.

`deduplicate` below is the way of a job through the kernels, without files and without Beam.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.schemas.staged import IDENTITIES
from muniment.transforms import similarity_join
from muniment.transforms.bands import band_hashes, choose_bands, s_curve, star_edges
from muniment.transforms.canonical import canonical_text
from muniment.transforms.components import connect
from muniment.transforms.exact import group_exact
from muniment.transforms.hashing import siphash128
from muniment.transforms.minhash import compute_signatures, shingle_hashes, sign
from muniment.transforms.verification import INDEX_FROM, DuplicateRole, verify_clusters

THRESHOLD, PERMUTATIONS, SEED, SIZE = 0.8, 128, 1, 5
BANDS, ROWS = choose_bands(THRESHOLD, PERMUTATIONS, 0.1, 0.9)
PUBLIC = bytes(16)
"""A key that everybody knows: as good as a public seed."""
SECRET = bytes(range(100, 116))
ALPHABET = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Outcome:
    """What became of some texts, by their positions; the first has the best priority.

    Args:
        exact: Leader of each exact copy.
        near: (partner, similarity) of each near copy.
        edges: Pairs that the bands connected.
        sent: Band hashes that were sent.
    """

    exact: dict[int, int]
    near: dict[int, tuple[int, float]]
    edges: list[tuple[int, int]]
    sent: int

    def kept(self, n: int) -> set[int]:
        return set(range(n)) - set(self.exact) - set(self.near)


def word(number: int) -> str:
    letters = ""
    while number or not letters:
        number, digit = divmod(number, 26)
        letters = ALPHABET[digit] + letters
    return f"w{letters}"


def prose(seed: int, count: int) -> list[str]:
    return [word(n) for n in random.Random(seed).choices(range(200_000), k=count)]


def signed(texts: list[str], key: bytes) -> Any:
    array = canonical_text(pa.array(texts, pa.string()))
    return sign(array, num_perm=PERMUTATIONS, seed=SEED, shingle_size=SIZE, key=key)


def sets_of(texts: list[str]) -> list[set[int]]:
    array = canonical_text(pa.array(texts, pa.string()))
    offsets, hashes = shingle_hashes(array, shingle_size=SIZE, key=SECRET)
    return [set(hashes[offsets[i] : offsets[i + 1]].tolist()) for i in range(len(texts))]


def jaccard(a: set[int], b: set[int]) -> float:
    return len(a & b) / len(a | b) if a | b else 0.0


def exact_copies(texts: list[str], key: bytes) -> dict[int, int]:
    """Group equal texts; the best of each group is the first."""
    n = len(texts)
    hashes = siphash128(canonical_text(pa.array(texts, pa.string())), key)
    numbers = np.arange(n, dtype=np.uint64)
    columns = {
        "text_hi": hashes[:, 0],
        "text_lo": hashes[:, 1],
        "id_hi": numbers,
        "id_lo": numbers,
        "ref": numbers,
        "priority_hi": numbers,
        "priority_lo": numbers,
        "eligible": np.ones(n, bool),
        "denied": np.zeros(n, bool),
    }
    members = pa.table([columns[name] for name in IDENTITIES.names], schema=IDENTITIES)
    groups = group_exact(members, key, remove=True, deny_copies=True)
    pairs = zip(groups["ref"].to_pylist(), groups["leader"].to_pylist(), strict=True)
    return {ref: leader for ref, leader in pairs if ref != leader}


def deduplicate(texts: list[str], key: bytes = SECRET) -> Outcome:
    """Do what a job does: exact groups, bands, components, verification."""
    exact = exact_copies(texts, key)
    signatures, tokens = signed(texts, key)
    ref = np.array([n for n in range(len(texts)) if n not in exact and tokens[n]], np.uint64)
    hashes = band_hashes(signatures[ref.astype(np.int64)], BANDS, ROWS)
    a, b = star_edges(hashes.ravel(), np.repeat(ref, BANDS))
    node, cluster = connect(a, b)
    array = canonical_text(pa.array(texts, pa.string())).take(pa.array(node))
    offsets, shingles = shingle_hashes(array, shingle_size=SIZE, key=key)
    verified = verify_clusters(
        cluster, node, [node], np.ones(len(node), bool), offsets, shingles, threshold=THRESHOLD
    ).rows
    near = {
        row["ref"]: (row["partner"], row["jaccard"])
        for row in verified.to_pylist()
        if row["role"] == DuplicateRole.NEAR
    }
    return Outcome(exact, near, list(zip(a.tolist(), b.tolist(), strict=True)), hashes.size)


# Forged collisions


def minima_passages(victim: list[str], key: bytes) -> list[list[str]]:
    """Return the passages of the victim that give the minima of its first band under a key."""
    windows = [victim[i : i + SIZE] for i in range(len(victim) - SIZE + 1)]
    texts = pa.array([" ".join(window) for window in windows])
    each = compute_signatures(texts, num_perm=PERMUTATIONS, seed=SEED, shingle_size=SIZE, key=key)
    return [windows[i] for i in sorted(set(each[:, :ROWS].argmin(axis=0).tolist()))]


def forge(victim: list[str], wanted: int, key: bytes) -> list[str]:
    """Write texts that share the victim's first bucket under a key, and little else with it.

    The victim's minima are copied, fillers of the attacker's own go between them, and what falls
    below a minimum is thrown away: one try in a few is left.
    """
    passages = minima_passages(victim, key)
    goal = signed([" ".join(victim)], key)[0][0, :ROWS]
    forged: list[str] = []
    seed = 0
    while len(forged) < wanted:
        tries = []
        for _ in range(1000):
            seed += 1
            draw = random.Random(seed)
            filler = prose(1_000_000 + seed, 60)
            order = draw.sample(passages, len(passages))
            parts = [part for i, p in enumerate(order) for part in (filler[6 * i : 6 * i + 6], p)]
            tries.append(" ".join(token for part in parts for token in part))
        agrees = (signed(tries, key)[0][:, :ROWS] == goal).all(axis=1)
        forged += [text for text, good in zip(tries, agrees, strict=True) if good]
    return forged[:wanted]


@pytest.fixture(scope="module")
def attack() -> tuple[str, list[str]]:
    victim = prose(7, 2000)
    return " ".join(victim), forge(victim, 1000, PUBLIC)


def test_a_thousand_forged_documents_do_not_meet_their_victim(attack: tuple[str, list[str]]):
    victim, forged = attack
    signatures, _ = signed([victim, *forged], SECRET)
    hashes = band_hashes(signatures, BANDS, ROWS)
    assert not (hashes[1:] == hashes[0]).any()  # not one bucket of not one document
    outcome = deduplicate([*forged, victim])  # the forgeries come first
    assert len(forged) not in {end for edge in outcome.edges for end in edge}
    assert outcome.near == outcome.exact == {}


def test_even_with_the_key_stolen_forged_documents_remove_nobody(attack: tuple[str, list[str]]):
    victim, forged = attack
    signatures, _ = signed([victim, *forged], PUBLIC)
    hashes = band_hashes(signatures, BANDS, ROWS)
    assert (hashes[1:, 0] == hashes[0, 0]).all()  # the forgery works where the key is known
    sets = sets_of([victim, *forged])
    assert max(jaccard(sets[0], other) for other in sets[1:]) < 0.01
    outcome = deduplicate([*forged, victim], PUBLIC)
    assert len(outcome.edges) >= len(forged)  # all proposed,
    assert outcome.near == outcome.exact == {}  # none believed


# Chains


def chain(links: int, length: int = 200, step: int = 15) -> list[str]:
    """Return texts of which each is near its neighbours only: .86, the next but one .73."""
    long = prose(3, length + step * links)
    return [" ".join(long[step * i : step * i + length]) for i in range(links)]


def test_a_chain_is_not_removed_by_transitivity() -> None:
    a, b, c = chain(3)
    sets = sets_of([a, b, c])
    assert jaccard(sets[0], sets[1]) > THRESHOLD > jaccard(sets[0], sets[2])
    outcome = deduplicate([a, b, c])
    assert outcome.near.keys() == {1}
    assert outcome.near[1][0] == 0
    middle_first = deduplicate([b, a, c])
    assert {ref: partner for ref, (partner, _) in middle_first.near.items()} == {1: 0, 2: 0}


@settings(deadline=None, max_examples=20)
@given(st.permutations(range(40)))
def test_whatever_the_order_of_a_chain_each_removal_names_a_kept_likeness(order: list[int]):
    links = chain(40)
    texts = [links[i] for i in order]
    sets = sets_of(texts)
    outcome = deduplicate(texts)
    kept = outcome.kept(len(texts))
    assert len(kept) >= 40 / 3  # a kept link answers for its two neighbours at most
    for ref, (partner, said) in outcome.near.items():
        assert partner in kept
        assert partner < ref  # the better of the two
        assert said == pytest.approx(jaccard(sets[ref], sets[partner]))
        assert jaccard(sets[ref], sets[partner]) >= THRESHOLD


# Floods: counts of work, not seconds


def test_identical_documents_send_one_of_them_on() -> None:
    n = 5000
    outcome = deduplicate([" ".join(prose(1, 40))] * n)
    assert outcome.exact == dict.fromkeys(range(1, n), 0)
    assert outcome.sent == BANDS
    assert outcome.edges == []


def test_copies_that_differ_in_case_are_near_and_connected_by_a_star() -> None:
    text = " ".join(prose(1, 40))
    draw = random.Random(5)
    texts = list({"".join(draw.choice((c, c.upper())) for c in text) for _ in range(2000)})
    outcome = deduplicate(texts)
    assert outcome.near == dict.fromkeys(range(1, len(texts)), (0, 1.0))
    assert len(outcome.edges) == BANDS * (len(texts) - 1)  # every bucket holds them all


def sharing_a_footer(n: int, own: int, footer: int) -> list[str]:
    end = " ".join(prose(0, footer))
    return [f"{' '.join(prose(i + 1, own))} {end}" for i in range(n)]


def test_documents_that_share_a_footer_all_stay() -> None:
    n = 10_000
    outcome = deduplicate(sharing_a_footer(n, 20, 30))
    assert outcome.kept(n) == set(range(n))
    assert len(outcome.edges) <= BANDS * (n - 1)


def comparisons(texts: list[str], monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Verify texts as one cluster; return how many pairs were met, and how many near copies."""
    count = SimpleNamespace(met=0)
    improve = similarity_join._improve.py_func

    def counted(*arguments: Any) -> None:
        count.met += 1
        improve(*arguments)

    # The kernels as plain Python, so that the call can be counted.
    monkeypatch.setattr(similarity_join, "_improve", counted)
    scan = similarity_join._scan_indexed.py_func
    n = len(texts)
    offsets, hashes = shingle_hashes(pa.array(texts), shingle_size=SIZE, key=SECRET)
    kind, partner = np.zeros(n, np.uint8), np.full(n, -1)
    scan(
        0,
        n,
        np.full(n, similarity_join.PROBE | similarity_join.INSERT, np.uint8),
        offsets[:-1],
        offsets[1:],
        hashes,
        THRESHOLD,
        similarity_join.NEVER,
        kind,
        partner,
        np.zeros(n),
        np.zeros(n),
    )
    monkeypatch.undo()
    return count.met, int((kind != similarity_join.NO_MATCH).sum())


def test_a_footer_costs_verification_no_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = sharing_a_footer(4 * INDEX_FROM, 20, 30)  # similarity .37: 7,875 pairs to avoid
    assert comparisons(texts, monkeypatch) == (0, 0)


def test_copies_cost_verification_one_comparison_each(monkeypatch: pytest.MonkeyPatch) -> None:
    n = 4 * INDEX_FROM
    assert comparisons([" ".join(prose(1, 40))] * n, monkeypatch) == (n - 1, n - 1)


# Next to nothing


def test_one_token_is_a_document_like_any_other() -> None:
    n = 5000
    texts = [word(i) for i in range(n)]
    assert deduplicate(texts).kept(n) == set(range(n))
    outcome = deduplicate(["Yes", "yes!", " Yes ", "no"])
    assert outcome.exact == {2: 0}
    assert outcome.near == {1: (0, 1.0)}


def test_a_flood_of_one_token_is_one_document() -> None:
    n = 5000
    outcome = deduplicate([f"yes{'!' * i}" for i in range(n)])
    assert outcome.near == dict.fromkeys(range(1, n), (0, 1.0))


def test_documents_shorter_than_a_shingle_match_only_the_same_tokens() -> None:
    texts = ["one two three", "one two", "one two three four", "Three two one", "one, two: THREE"]
    outcome = deduplicate(texts)
    assert outcome.near == {4: (0, 1.0)}
    assert outcome.exact == {}


def test_punctuation_is_no_likeness() -> None:
    texts = ["...", "!!!", "?", "—", "  ", "", "\N{PILE OF POO}", "..."]
    outcome = deduplicate(texts)
    assert outcome.exact == {7: 0, 5: 4}  # the same signs, and nothing at all twice
    assert outcome.near == {}
    assert outcome.sent == 0


def test_chinese_without_spaces_is_compared_by_characters() -> None:
    text = "".join(random.Random(2).choices([chr(c) for c in range(0x4E00, 0x5600)], k=300))
    changed = text[:150] + "\N{CJK UNIFIED IDEOGRAPH-9F8D}" + text[151:]
    outcome = deduplicate([text, changed, text[::-1]])
    assert outcome.near.keys() == {1}
    assert outcome.near[1][1] == pytest.approx(291 / 301)


# Another key


def test_another_key_changes_nothing_but_what_the_s_curve_leaves_to_chance() -> None:
    sure = 0.95  # 1 - s_curve: one pair in a million
    assert 1 - s_curve(BANDS, ROWS, sure) < 1e-6
    texts, bases = [], 60
    for base in range(bases):
        original = prose(base, 200)
        texts.append(" ".join(original))
        for edits in (1, 2, 3, 4, 5, 8, 20):  # similarities from .95 down to .33
            copy = list(original)
            for i in range(edits):
                copy[5 + (200 // edits - 1) * i] = f"changed{i}"
            texts.append(" ".join(copy))
        texts.append(" ".join(original) + "\n")
    sets = sets_of(texts)
    per_base = len(texts) // bases
    likeness = [
        jaccard(sets[n], sets[n - n % per_base]) if n % per_base else 0.0 for n in range(len(texts))
    ]
    outcomes = [deduplicate(texts, bytes([number]) * 16) for number in range(12)]
    kept = [outcome.kept(len(texts)) for outcome in outcomes]
    always, ever = set.intersection(*kept), set.union(*kept)
    copies = {n for n in range(len(texts)) if n % per_base == per_base - 1}
    for outcome in outcomes:
        assert set(outcome.exact) == copies
    assert {n for n, value in enumerate(likeness) if value >= sure} & ever == set()
    assert {n for n in range(len(texts)) if n % per_base == 0} <= always
    chance = ever - always
    assert chance  # keys do differ
    best = {n: max(jaccard(sets[n], sets[k]) for k in range(n - n % per_base, n)) for n in chance}
    assert all(THRESHOLD <= value < sure for value in best.values())
