# SPDX-License-Identifier: Apache-2.0
"""`verify` finds every way to change a release, and nothing in a sound one.

Two kinds of change: bytes that no longer fit the manifest (anybody can see that), and a consistent
lie, where rows are changed and every digest is made to fit; that one the books must find.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.pipelines.books import BOOKS
from muniment.pipelines.release import Release, ReleaseFile, open_release
from muniment.pipelines.verify import Fault, _content, verify
from muniment.schemas.errors import IntegrityError
from release_fixture import TABLES, build_release, doc_id, tables, write_release

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_a_sound_release_has_no_fault(sound: Release) -> None:
    assert verify(sound) == []


# --- bytes -----------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_flipped_bit_of_any_file_is_named(sound: Release, data: st.DataObject) -> None:
    item = data.draw(st.sampled_from(sound.listed))
    place = sound.path(item)
    raw = place.read_bytes()
    bit = data.draw(st.integers(0, 8 * len(raw) - 1))
    changed = bytearray(raw)
    changed[bit // 8] ^= 1 << bit % 8
    try:
        place.write_bytes(changed)
        assert [(fault.file, fault.check) for fault in verify(sound)] == [(item.path, "digest")]
    finally:
        place.write_bytes(raw)


def test_a_missing_file_is_named(copy: Release) -> None:
    (copy.folder / "manifest/decisions/part-00000.parquet").unlink()
    assert verify(copy) == [
        Fault("manifest/decisions/part-00000.parquet", "", "digest", "the file is missing")
    ]


@pytest.mark.parametrize(
    "path", ["note.txt", "corpus/part-99999.parquet", "manifest/documents/.hidden", "new/x"]
)
def test_an_extra_file_is_named(copy: Release, path: str) -> None:
    (copy.folder / path).parent.mkdir(exist_ok=True)
    (copy.folder / path).write_text("x")
    named = [(fault.file, fault.check) for fault in verify(copy)]
    assert (path, "extra-file") in named
    assert all(path.startswith(file) for file, _ in named)


def test_a_file_replaced_by_a_link_to_its_own_bytes_is_named(copy: Release) -> None:
    place = copy.path(copy.files("rules")[0])
    place.rename(copy.output / "elsewhere.parquet")
    place.symlink_to(copy.output / "elsewhere.parquet")
    assert [fault.detail for fault in verify(copy)] == ["expected a plain file"]


def test_a_truncated_file_is_named_with_its_sizes(copy: Release) -> None:
    place = copy.path(copy.files("runs")[0])
    size = place.stat().st_size
    place.write_bytes(place.read_bytes()[:-1])
    assert [fault.detail for fault in verify(copy)] == [f"expected {size} bytes, found {size - 1}"]


def test_times_of_the_run_may_differ(copy: Release) -> None:
    (copy.folder / "run.json").write_text('{"seconds": 7}')
    assert verify(copy) == []


def test_swapped_files_are_named(copy: Release) -> None:
    first, second = (copy.path(item) for item in copy.files("documents"))
    first.rename(first.with_name("swap"))
    second.rename(first)
    first.with_name("swap").rename(second)
    assert {fault.file for fault in verify(copy)} == {item.path for item in copy.files("documents")}


def test_a_pointer_rolled_back_to_a_release_with_another_manifest_is_refused(copy: Release) -> None:
    (copy.folder).rename(copy.output / "snapshots" / ("0" * 16))
    (copy.output / "CURRENT").write_text("snapshots/" + "0" * 16 + "\n")
    with pytest.raises(IntegrityError, match="expected a digest"):
        open_release(copy.output)


# --- a manifest that lies consistently -----------------------------------------------------------------


def lie(tmp_path: Path, change: Callable[[dict[str, list[dict[str, Any]]]], object]) -> Release:
    """Return a release whose tables were changed before its digests were made."""
    made = tables()
    change(made)
    write_release(tmp_path, made)
    return open_release(tmp_path)


def document(made: dict[str, list[dict[str, Any]]], number: int) -> dict[str, Any]:
    return next(row for row in made["documents"] if row["doc_id"] == doc_id(number))


def drop(made: dict[str, list[dict[str, Any]]], table: str, number: int) -> None:
    made[table] = [row for row in made[table] if row["doc_id"] != doc_id(number)]


def of(made: dict[str, list[dict[str, Any]]], table: str, number: int) -> dict[str, Any]:
    return next(row for row in made[table] if row["doc_id"] == doc_id(number))


LIES: dict[str, tuple[Callable[[dict[str, list[dict[str, Any]]]], object], set[str]]] = {
    "a document is dropped": (
        lambda made: drop(made, "documents", 8),
        {"counted-totals", "input-records", "input-bytes", "terminal-decision", "known-document"},
    ),
    "a quarantined record is dropped everywhere": (
        lambda made: [drop(made, table, 9) for table in ("documents", "decisions", "quarantine")],
        {"counted-totals", "input-records", "input-bytes"},
    ),
    "a reason is changed": (
        lambda made: document(made, 4).update(reason="empty"),
        {"terminal-reason"},
    ),
    "a reason is not of the vocabulary": (
        lambda made: document(made, 4).update(reason="because"),
        {"closed-reason", "terminal-reason"},
    ),
    "a reason is missing": (
        lambda made: document(made, 4).update(reason=None),
        {"closed-reason", "terminal-reason"},
    ),
    "a kept document has a reason": (
        lambda made: document(made, 1).update(reason="toxic"),
        {"closed-reason", "counted-reasons"},
    ),
    "an outcome is unknown": (
        lambda made: document(made, 4).update(outcome="lost"),
        {
            "closed-reason",
            "counted-totals",
            "counted-reasons",
            "terminal-decision",
            "terminal-reason",
        },
    ),
    "a decision is dropped": (
        lambda made: drop(made, "decisions", 4),
        {"terminal-decision"},
    ),
    "a decision is not terminal any more": (
        lambda made: of(made, "decisions", 13).update(terminal=False),
        {"terminal-decision"},
    ),
    "a rule in shadow decides": (
        lambda made: of(made, "decisions", 13).update(mode="shadow"),
        {"terminal-reason"},
    ),
    "a shadow decision becomes enforced on a kept document": (
        lambda made: of(made, "decisions", 18).update(mode="enforce"),
        {"kept-against-rule"},
    ),
    "a decision names an unknown rule": (
        lambda made: of(made, "decisions", 4).update(rule_id="whim"),
        {"known-rule"},
    ),
    "a decision names an unknown list": (
        lambda made: of(made, "decisions", 3).update(list_id="rumour"),
        {"known-list"},
    ),
    "a decision speaks of an unknown document": (
        lambda made: of(made, "decisions", 2).update(doc_id=doc_id(99)),
        {"known-document"},
    ),
    "an id is used twice": (
        lambda made: document(made, 8).update(doc_id=doc_id(4)),
        {"unique-id", "terminal-decision", "terminal-reason", "known-document"},
    ),
    "two records overlap": (
        lambda made: document(made, 8).update(offset=6500),
        {"one-place"},
    ),
    "a record lies behind the end of its stream": (
        lambda made: document(made, 10).update(offset=9001),
        {"one-place"},
    ),
    "a record moves to another file": (
        lambda made: document(made, 8).update(input_number=1, offset=9_000_000),
        {"input-records", "input-bytes", "one-place"},
    ),
    "tokens are added": (
        lambda made: document(made, 1).update(tokens_out=101),
        {"counted-totals", "corpus-row"},
    ),
    "a removed document claims tokens": (
        lambda made: document(made, 4).update(tokens_out=1),
        {"outputs", "counted-totals"},
    ),
    "a kept document has no place": (
        lambda made: document(made, 1).update(out_file=None, out_row=None),
        {"outputs", "corpus-row"},
    ),
    "two documents change places in the corpus": (
        lambda made: (document(made, 1).update(out_row=1), document(made, 2).update(out_row=0)),
        {"corpus-row"},
    ),
    "the corpus holds a document more": (
        lambda made: made["corpus"].append(of(made, "corpus", 1) | {"doc_id": doc_id(4)}),
        {"corpus-row"},
    ),
    "the corpus lacks its last document": (
        lambda made: drop(made, "corpus", 28),
        {"corpus-row"},
    ),
    "quarantine hides a record": (
        lambda made: drop(made, "quarantine", 16),
        {"quarantine"},
    ),
    "quarantine gives another reason": (
        lambda made: of(made, "quarantine", 16).update(reason="bad_id"),
        {"quarantine"},
    ),
    "a copy names a removed witness": (
        lambda made: [
            of(made, table, 7).update(partner_id=doc_id(6)) for table in ("duplicates", "decisions")
        ],
        {"duplicate-witness"},
    ),
    "a copy is below the threshold": (
        lambda made: of(made, "duplicates", 30).update(jaccard=0.79),
        {"duplicate-score"},
    ),
    "a copy has no score": (
        lambda made: of(made, "duplicates", 30).update(jaccard=None),
        {"duplicate-score"},
    ),
    "a copy names a release that was not compared with": (
        lambda made: of(made, "duplicates", 7).update(partner_release="1" * 16),
        {"former-witness"},
    ),
    "a copy names a release that gave way": (
        lambda made: of(made, "duplicates", 7).update(partner_release="0" * 16),
        {"former-witness"},
    ),
    "a superseded document has a successor that was removed": (
        lambda made: of(made, "superseded", 77).update(successor_id=doc_id(7)),
        {"superseded"},
    ),
    "a superseded document is not counted": (
        lambda made: made["former_releases"][0].update(superseded=2),
        {"superseded-count"},
    ),
    "a version names a page of another address": (
        lambda made: document(made, 7).update(reason="dup_url"),
        {"address-version", "terminal-reason"},
    ),
    "decision and duplicates name different partners": (
        lambda made: of(made, "decisions", 7).update(partner_id=doc_id(27)),
        {"duplicate-partner"},
    ),
    "a survivor was not kept": (
        lambda made: of(made, "duplicates", 3).update(role="survivor"),
        {"duplicate-survivor"},
    ),
    "a copy is not among the duplicates": (
        lambda made: drop(made, "duplicates", 6),
        {"duplicate-witness", "duplicate-partner", "duplicate-cluster"},
    ),
    "documents and duplicates name different clusters": (
        lambda made: document(made, 6).update(cluster_id=doc_id(27)),
        {"duplicate-cluster"},
    ),
    "a copy of an address has another address than what stays": (
        lambda made: [
            of(made, table, 7).update(reason="dup_url") for table in ("documents", "decisions")
        ],
        {"address-version"},
    ),
    "personal data is not counted": (
        lambda made: drop(made, "pii_stats", 10),
        {"personal-data"},
    ),
    "more is replaced than was found": (
        lambda made: of(made, "pii_stats", 2).update(n_redacted=3),
        {"personal-data"},
    ),
    "a span lies in a removed document": (
        lambda made: of(made, "spans", 2).update(doc_id=doc_id(4)),
        {"span-place"},
    ),
    "a record is one byte shorter than what was read": (
        lambda made: document(made, 8).update(length=999),
        {"input-bytes"},
    ),
    "the reader counted one record more": (
        lambda made: made["inputs"][0].update(records=11),
        {"input-records"},
    ),
    "a file belongs to an undeclared source": (
        lambda made: made["sources"].pop(),
        {"known-source"},
    ),
    "the run claims more kept documents": (
        lambda made: made["runs"][0].update(documents_kept=16, documents_removed=11),
        {"counted-totals"},
    ),
    "there are two runs": (
        lambda made: made["runs"].append(dict(made["runs"][0])),
        {"one-run"},
    ),
    "the run has another key": (
        lambda made: made["runs"][0].update(key_id=bytes(8)),
        {"run-identity"},
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_the_books_find_a_consistent_lie(tmp_path: Path, name: str) -> None:
    change, expected = LIES[name]
    found = {fault.check for fault in verify(lie(tmp_path, change))}
    assert found == expected


def test_every_rule_of_the_books_has_a_lie_that_breaks_it() -> None:
    broken = set().union(*(expected for _, expected in LIES.values()))
    tested_below = {"run-totals", "decision-order"}
    tested_below |= {"link-place"}  # test_pii_release.py
    tested_below |= {"erased"}  # test_erase.py
    assert {check.name for check in BOOKS} - broken == tested_below


def test_totals_that_the_run_does_not_share_are_found(tmp_path: Path) -> None:
    totals = {
        "documents": {"read": 31, "kept": 15, "removed": 12, "quarantined": 3},
        "tokens": {"in": 3300, "out": 1998},
        "bytes_in": 30000,
        "bytes_out": 10000,
        "removed_by_reason": {},
        "quarantined_by_reason": {},
    }
    write_release(tmp_path, tables(), totals=totals)
    named = {(fault.check, fault.row) for fault in verify(open_release(tmp_path))}
    assert ("run-totals", "documents_read") in named
    assert ("counted-reasons", "toxic") in named


def test_two_decisions_with_one_number_are_found(tmp_path: Path) -> None:
    def change(made: dict[str, list[dict[str, Any]]]) -> None:
        for row in made["decisions"]:
            row["seq"] = 0

    rows = {fault.row for fault in verify(lie(tmp_path, change)) if fault.check == "decision-order"}
    assert rows == {doc_id(3).hex(), doc_id(10).hex()}


def test_a_table_with_another_schema_is_found(tmp_path: Path, monkeypatch: Any) -> None:
    class Loose:
        def arrow(self) -> pa.Schema:
            return declared.append(pa.field("extra", pa.string()))

    declared = TABLES["models"].arrow()
    made = tables()
    for row in made["models"]:
        row["extra"] = "x"
    with monkeypatch.context() as patch:
        patch.setitem(TABLES, "models", Loose())
        write_release(tmp_path, made)
    assert [fault.check for fault in verify(open_release(tmp_path))] == ["schema"]


def test_a_wrong_row_count_in_the_manifest_is_found(tmp_path: Path, monkeypatch: Any) -> None:
    real = pq.write_table
    monkeypatch.setattr(
        "release_fixture.pq.write_table",
        lambda table, place, **options: real(
            table.slice(0, 1) if "spans" in str(place) else table, place, **options
        ),
    )
    build_release(tmp_path)
    (fault,) = verify(open_release(tmp_path))
    assert str(fault) == (
        "manifest/spans/part-00000.parquet: row-count: manifest says 2, file holds 1"
    )


def test_lines_of_a_compressed_corpus_are_counted(copy: Release) -> None:
    place = copy.folder / "corpus" / "part-00000.jsonl.zst"
    with pa.output_stream(str(place), compression="zstd") as stream:
        stream.write(b'{"text": "a"}\n{"text": "b"}\n')
    path = "corpus/part-00000.jsonl.zst"
    item = ReleaseFile(path, "corpus", place.stat().st_size, 3, "0" * 64, path)
    assert _content(place, item) == (2, None)


def test_many_breaches_are_summed_up_not_listed_without_end(tmp_path: Path) -> None:
    def change(made: dict[str, list[dict[str, Any]]]) -> None:
        for row in made["documents"]:
            row["source_id"] = "elsewhere"

    faults = verify(lie(tmp_path, change))
    assert len(faults) < 60


def test_a_fault_never_quotes_what_a_row_says(tmp_path: Path) -> None:
    secret = "SECRET-VALUE"  # noqa: S105

    def change(made: dict[str, list[dict[str, Any]]]) -> None:
        document(made, 4).update(reason=secret, host=secret, licence=secret)

    release = lie(tmp_path, change)
    texts = [str(fault) for fault in verify(release)]
    assert texts
    assert not any(secret in text for text in texts)
