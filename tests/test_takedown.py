# SPDX-License-Identifier: Apache-2.0
"""Takedown and suppression: every selector in a job, the copies it takes along, and its limits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.schemas.errors import JobError, ListError
from muniment.schemas.job_file import load_job
from muniment.transforms.containment import index_works
from muniment.transforms.hashing import canonical_text
from muniment.transforms.keys import load_key
from muniment.transforms.minhash import shingle_hashes
from muniment.transforms.pii.keys import ValueHasher
from muniment.transforms.rights import load_list, match_authors, match_licences, match_values
from muniment.transforms.works import MIN_SHARED, Works, load_works, match_works, open_works
from small_corpus import dump_job, prose
from stage_runner import documents, govern, planned

KEY = bytes(range(16))
MAIL = "mary.major@university-mail.org"
WORK = prose(7000, 400)
OTHER = prose(7001, 300)


def part(text: str, first: int, last: int) -> str:
    return " ".join(text.split()[first:last])


def edited(text: str, every: int) -> str:
    return " ".join(
        f"changed{n}" if n % every == 0 else word for n, word in enumerate(text.split(), 1)
    )


RECORDS: dict[str, tuple[dict[str, Any], str | None]] = {
    "whole": ({"text": WORK}, "takedown"),
    "near": ({"text": edited(WORK, 100)}, "takedown"),
    "chapter": ({"text": part(WORK, 100, 180)}, "takedown"),
    "quotes": ({"text": f"{prose(1)} {part(WORK, 0, 200)} {prose(2)}"}, "takedown"),
    "cites": ({"text": f"{prose(3)} {part(WORK, 0, 30)} {prose(4)}"}, None),
    "second": ({"text": OTHER.upper()}, "takedown"),
    "hers": ({"text": prose(10), "author": "Doe, Jane"}, "optout_author"),
    "shared": ({"text": prose(11), "author": "A. Roe; JANE DOE <j@d.org>"}, "optout_author"),
    "namesake": ({"text": prose(12), "author": "Jane Doering"}, None),
    "copied": ({"text": prose(10)}, "optout_dup"),
    "closed": ({"text": prose(13), "licence": "GPL-3.0-only"}, "licence_not_allowed"),
    "choice": ({"text": prose(14), "licence": "GPL-3.0-only OR MIT"}, None),
    "both": ({"text": prose(15), "licence": "GPL-3.0-only AND MIT"}, "licence_not_allowed"),
    "person": ({"text": f"Write to {MAIL.upper()} today, she says. {prose(16)}"}, "erasure"),
    "somebody": ({"text": f"Write to someone.else@university-mail.org. {prose(17)}"}, None),
    # A copy without the identifier names nobody: it is no copy of a denied work.
    "unnamed": ({"text": f"Write to her today, she says. {prose(16)}"}, None),
    "free": ({"text": prose(18)}, None),
}
"""Records, and the reason for which each is removed."""


def write_takedown(folder: Path, source: dict[str, Any] | None = None, **rights: Any) -> Path:
    """Write a job with a list of every new kind; return the job file."""
    folder.mkdir(exist_ok=True)
    lines = (json.dumps({"id": name, **record}) for name, (record, _) in RECORDS.items())
    (folder / "in.jsonl").write_text("".join(f"{line}\n" for line in lines))
    (folder / "key").write_bytes(KEY * 2)
    (folder / "key").chmod(0o600)
    (folder / "works.jsonl").write_text(
        "".join(json.dumps({"text": t}) + "\n" for t in (WORK, OTHER))
    )
    (folder / "authors.txt").write_text("# canary+: Doe, Jane\n# canary-: Jane Roe\nJane Doe\n")
    (folder / "licences.txt").write_text("GNU GPLv3\nGPL-3.0-only\n")
    hasher = ValueHasher(load_key(folder / "key").derive("pii-link/v1", 32))
    (folder / "persons.txt").write_text(hasher("EMAIL_ADDRESS", "email", MAIL).hex() + "\n")
    kinds = {"works": "work", "authors": "author", "licences": "licence", "persons": "person"}
    paths = {"works": "works.jsonl"}
    job = {
        "name": "takedown",
        "key_file": "key",
        "sources": [
            {
                "name": "s",
                "kind": "other",
                "paths": ["in.jsonl"],
                "fields": {"text": "text", "id": "id", "author": "author", "licence": "licence"},
                "licence": "CC0-1.0",
                "legal_basis": "public_domain",
                "origin": "worldwide",
                "collected": {"start": "2024-01-01", "end": "2024-12-31"},
                "reviewer": "somebody",
                **(source or {}),
            }
        ],
        "lists": [
            {"name": name, "kind": kind, "path": paths.get(name, f"{name}.txt")}
            for name, kind in kinds.items()
        ],
        "rights": {"lists": list(kinds), **rights},
        "language": {"enabled": False},
        "toxicity": {"enabled": False},
        "personal_data": {"ner": "off"},
        "deduplication": {"max_source_loss": 1.0},
        "partitioning": {"exchange_partitions": 2, "split_bytes": 65536},
    }
    (folder / "job.yaml").write_text(dump_job(job))
    return folder / "job.yaml"


@pytest.fixture(scope="module")
def governed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("takedown")
    run = planned(write_takedown(folder / "in"), folder / "work")
    return run, govern(run)


def test_every_selector_takes_what_it_names_and_its_copies_and_nothing_else(governed: Any) -> None:
    _, markers = governed
    found = [row["reason"] for row in documents(markers)]
    assert dict(zip(RECORDS, found, strict=True)) == {
        name: reason for name, (_, reason) in RECORDS.items()
    }


def test_a_decision_cites_the_list_the_entry_and_the_score(governed: Any) -> None:
    _, markers = governed
    names = {row["doc_id"]: name for name, row in zip(RECORDS, documents(markers), strict=True)}
    rows = pa.concat_tables([pq.read_table(marker.path("decisions")) for marker in markers])
    works = {names[row["doc_id"]]: row for row in rows.to_pylist() if row["list_id"] == "works"}
    assert {name: row["list_entry"] for name, row in works.items()} == {
        "whole": 0, "near": 0, "chapter": 0, "quotes": 0, "second": 1,
    }  # fmt: skip
    assert works["whole"]["score"] == 1.0
    assert works["quotes"]["score"] == pytest.approx(0.5, abs=0.02)
    assert {row["threshold"] for row in works.values()} == {np.float32(0.3)}
    assert {row["rule_id"] for row in works.values()} == {"takedown:works"}


def test_nothing_of_a_work_or_a_person_is_written_but_keyed_hashes(governed: Any) -> None:
    run, _ = governed
    needles = [MAIL.encode(), MAIL.upper().encode(), part(WORK, 100, 104).encode()]
    work = Path(run.plan.work)
    files = [p for p in work.rglob("*") if p.is_file() and not p.name.startswith("corpus")]
    assert len(list((work / "scratch").rglob("*.npy")) or files) > 0
    assert not [p.name for p in files if any(needle in p.read_bytes() for needle in needles)]


def test_a_contract_allows_what_protocols_reserve_but_not_what_is_taken_down(
    tmp_path: Path,
) -> None:
    """The source is in the public domain, as it says: its copies of works go all the same."""
    run = planned(write_takedown(tmp_path / "in", {"legal_basis": "public_domain"}), tmp_path / "w")
    reasons = dict(zip(RECORDS, (row["reason"] for row in documents(govern(run))), strict=True))
    assert (reasons["hers"], reasons["copied"]) == ("optout_author", "optout_dup")


def test_a_person_may_be_replaced_instead_where_nothing_of_them_stays(tmp_path: Path) -> None:
    path = write_takedown(tmp_path / "in", on_person="redact")
    run = planned(path, tmp_path / "work")
    markers = govern(run)
    reasons = dict(zip(RECORDS, (row["reason"] for row in documents(markers)), strict=True))
    assert reasons["person"] is None
    assert MAIL.upper() not in str(pq.read_table(markers[0].path("corpus"))["text"].to_pylist())
    path.write_text(
        path.read_text().replace("ner: 'off'", "ner: 'off'\n  operators: {default: keep}")
    )
    kept = govern(planned(path, tmp_path / "again"))
    reasons = dict(zip(RECORDS, (row["reason"] for row in documents(kept)), strict=True))
    assert reasons["person"] == "erasure"


def test_lists_of_persons_need_personal_data_to_be_looked_for(tmp_path: Path) -> None:
    path = write_takedown(tmp_path / "in")
    path.write_text(path.read_text().replace("ner: 'off'", "enabled: false"))
    with pytest.raises(JobError, match=r"personal_data\.enabled"):
        load_job(path)


# Works


def works_of(*texts: str) -> Works:
    sets = shingle_hashes(canonical_text(pa.array(texts)), shingle_size=5, key=KEY)
    return Works("w", "0" * 64, len(texts), index_works(*sets))


def score(text: str, works: Works, share: float = 0.3) -> tuple[int | None, float | None]:
    texts = canonical_text(pa.array([None, text]))
    entry, value = match_works(texts, works, key=KEY, shingle_size=5, share=share)
    assert entry[0].as_py() is None
    return entry[1].as_py(), value[1].as_py()


def test_a_score_is_the_larger_share_exactly() -> None:
    works = works_of(WORK, OTHER)
    text = f"{part(OTHER, 0, 104)} {prose(5, 300)}"
    entry, value = score(text, works)
    assert entry == 1
    assert value == np.float32(100 / 296)
    assert score(text, works, share=0.34) == (None, None)


def test_a_few_shared_words_are_nobodys_work() -> None:
    works = works_of(WORK)
    for words, found in ((MIN_SHARED + 3, None), (MIN_SHARED + 4, 0)):
        assert score(part(WORK, 0, words), works)[0] == found


@pytest.mark.parametrize(
    ("content", "problem"),
    [("", "empty_optout"), ('{"text": "too short"}\n', "too_broad: work 1"),
     ('{"text": 7}\n', "malformed: line 1"), ('\n{"body": "x"}\n', "malformed: line 2"),
     ("[]\n", "malformed: line 1"), ('{"text": "\\ud800"}\n', "malformed: line 1")],
)  # fmt: skip
def test_works_that_cannot_be_told_apart_are_refused(
    tmp_path: Path, content: str, problem: str
) -> None:
    path = tmp_path / "works.jsonl"
    path.write_text(content)
    with pytest.raises(ListError, match=problem):
        load_works(path, key=KEY, shingle_size=5)


def test_works_may_lie_in_a_folder_and_are_mapped_by_all_workers(tmp_path: Path) -> None:
    folder = tmp_path / "works"
    folder.mkdir()
    with pytest.raises(ListError, match="empty_optout"):
        load_works(folder, key=KEY, shingle_size=5)
    (folder / "b.txt").write_text(OTHER)
    (folder / "a.jsonl").write_text(json.dumps({"text": WORK}))
    loaded = load_works(folder, key=KEY, shingle_size=5)
    how = {"sha256": loaded.sha256, "key": KEY, "shingle_size": 5}
    opened = [open_works(folder, tmp_path / "shared", **how) for _ in range(2)]
    for works in (loaded, *opened):
        assert works.entries == 2
        assert score(OTHER, works) == (1, 1.0)
    with pytest.raises(ListError, match="changed after the job was planned"):
        open_works(folder, tmp_path / "shared", **{**how, "sha256": "1" * 64})
    with pytest.raises(ListError, match="cannot be read"):
        load_works(tmp_path / "nowhere.txt", key=KEY, shingle_size=5)


# An added entry only ever adds matches, whatever the kind of list

WORDS = st.sampled_from(["Jane Doe", "Doe, Jane", "john roe", "J. Roe", "Émile Zola", "anna"])
LICENCES = st.sampled_from(["MIT", "GPL-3.0-only", "Apache-2.0", "CC-BY-4.0"])
EXPRESSIONS = st.recursive(
    LICENCES,
    lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from(["AND", "OR"]), inner),
    max_leaves=4,
)
HASHES = st.sampled_from([f"{n:032x}" for n in range(6)])
MATCHERS = {
    "author": (WORDS, st.lists(WORDS, max_size=3).map("; ".join), match_authors),
    "licence": (LICENCES, EXPRESSIONS, match_licences),
    "person": (HASHES, HASHES, match_values),
}


@pytest.mark.parametrize("kind", sorted(MATCHERS))
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_an_added_entry_only_ever_adds_matches(
    tmp_path_factory: pytest.TempPathFactory, kind: str, data: st.DataObject
) -> None:
    entry, value, match = MATCHERS[kind]
    listed = data.draw(st.lists(entry, min_size=1, max_size=4))
    values = pa.array(data.draw(st.lists(value, min_size=1, max_size=6)), pa.string())
    path = tmp_path_factory.mktemp("lists") / "list.txt"
    found = []
    for lines in (listed, [*listed, data.draw(entry)]):
        path.write_text("\n".join(lines))
        found.append(match(values, load_list(path, kind)).is_valid().to_numpy(False))
    assert not (found[0] & ~found[1]).any()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 350), min_size=1, max_size=3), st.integers(0, 350))
def test_an_added_work_only_ever_adds_takedowns(starts: list[int], added: int) -> None:
    works = [part(WORK, start, start + 45) for start in starts]
    texts = canonical_text(pa.array([part(WORK, n, n + 50) for n in range(0, 350, 25)]))
    found = [
        match_works(texts, works_of(*some), key=KEY, shingle_size=5, share=0.4)[0].is_valid()
        for some in (works, [*works, part(WORK, added, added + 45)])
    ]
    assert not (found[0].to_numpy(False) & ~found[1].to_numpy(False)).any()
