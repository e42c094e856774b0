# SPDX-License-Identifier: Apache-2.0
"""Erasing documents from releases: what is asked for is gone, and everything else is proved still."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import random
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

import faulty_disk
from faulty_disk import FAULTS, KILLED, Disk, can_have
from muniment.pipelines import run as running
from muniment.pipelines.card import render_card
from muniment.pipelines.cli import main
from muniment.pipelines.diff import compare_releases
from muniment.pipelines.envelope import public_hex
from muniment.pipelines.erase import erase
from muniment.pipelines.erasure import ERASED
from muniment.pipelines.explain import explain, explain_everywhere, render_text
from muniment.pipelines.proof import check_proof, prove_rows
from muniment.pipelines.query import ask, connect
from muniment.pipelines.release import Release, open_release
from muniment.pipelines.requests import add_request, move_request, to_erase
from muniment.pipelines.restricted import restricted_files
from muniment.pipelines.signatures import sign
from muniment.pipelines.verify import verify
from muniment.schemas.errors import IntegrityError, JobError, KeyFileError, QueryError
from muniment.schemas.job_file import load_job
from muniment.schemas.job_governance import RequestKind
from muniment.schemas.job_lists import ListKind
from muniment.schemas.register import RequestState
from muniment.transforms.keys import Keyring, load_key
from release_fixture import KEY, build_release, doc_id, tables, write_release
from test_faults import stages_by_hand
from test_stage_units import write_job

DAY = "2026-02-01"
GONE = (2, 5, 20)
"""One with redactions, a survivor that others are copies of, and one of another file."""


def erased(output: Path, numbers: Iterable[int] = GONE, request: str = "case-7") -> Release:
    ids = {doc_id(number) for number in numbers}
    erase(output, request, lambda _: ids, keyring=KEY, day=DAY)
    return open_release(output)


def rows_of(release: Release) -> dict[str, list[dict[str, Any]]]:
    """Return every row of every table that lies in the folder, listed or not."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(release.folder.rglob("*.parquet")):
        found.setdefault(path.parent.name, []).extend(pq.read_table(path).to_pylist())
    return found


def named(release: Release, keyring: Keyring | None = None) -> set[tuple[str, str]]:
    return {(fault.file, fault.check) for fault in verify(release, keyring)}


# What is left, and what is not


def test_every_row_of_the_documents_is_gone_and_every_other_row_is_there(copy: Release) -> None:
    before, after = rows_of(copy), rows_of(erased(copy.output))
    ids = {doc_id(number) for number in GONE}
    for table, rows in before.items():
        stays = [row for row in rows if row.get("doc_id") not in ids]
        assert after[table] == (rows if table == "superseded" else stays), table
    assert len(after["documents"]) == len(before["documents"]) - 3
    assert len(after["corpus"]) == len(before["corpus"]) - 3


def test_the_release_is_sound_with_and_without_its_key(copy: Release) -> None:
    release = erased(copy.output)
    assert verify(release) == []
    assert verify(release, KEY) == []
    assert release.id == copy.id


@settings(max_examples=8)
@given(st.lists(st.sets(st.integers(1, 30), min_size=1), min_size=1, max_size=3))
def test_any_documents_can_go_at_once_or_one_after_the_other(
    sound: Release, tmp_path_factory: pytest.TempPathFactory, groups: list[set[int]]
) -> None:
    output = tmp_path_factory.mktemp("any") / "out"
    shutil.copytree(sound.output, output)
    for number, group in enumerate(groups):
        release = erased(output, group, f"case-{number}")
    assert verify(release, KEY) == []
    assert release.erasure is not None
    everything = {n for group in groups for n in group}
    assert len(release.erasure.tombstones) == len(everything)
    assert {row["doc_id"] for row in rows_of(release)["documents"]} == {
        doc_id(number) for number in range(1, 31) if number not in everything
    }


def test_to_erase_again_changes_nothing(copy: Release) -> None:
    before = contents(erased(copy.output).folder)
    assert erase(copy.output, "x", lambda _: {doc_id(5)}, keyring=KEY, day=DAY)["documents"] == 0
    assert contents(copy.folder) == before


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_roots_and_proofs_of_other_documents_stay_valid(copy: Release) -> None:
    root = copy.manifest["roots"]["tables"]["documents"]["salted"]
    old = prove_rows(copy, "documents", doc_id(6).hex(), KEY)
    release = erased(copy.output)
    new = prove_rows(release, "documents", doc_id(6).hex(), KEY)
    assert new == old
    assert check_proof(new, root) is None
    with pytest.raises(QueryError, match="no row"):
        prove_rows(release, "documents", doc_id(5).hex(), KEY)


def test_places_in_the_corpus_are_those_of_the_files_that_are_left(copy: Release) -> None:
    release = erased(copy.output)
    for number in (1, 11, 15, 19, 21, 28):
        place = explain(release, doc_id(number).hex())["corpus"]
        row = pq.read_table(release.folder / place["file"]).to_pylist()[place["row"]]
        assert row["doc_id"] == doc_id(number)


# What is said of it


def test_explain_says_on_which_request_and_day_and_nothing_else(
    sound: Release, copy: Release
) -> None:
    release = erased(copy.output)
    answer = explain(release, doc_id(5).hex())
    assert answer == {"release": release.id, "erased": {"request": "case-7", "day": DAY}}
    assert "erased on request case-7 on 2026-02-01" in render_text(answer)
    raw = (release.folder / ERASED).read_text()
    for number in GONE:  # who does not have the id does not learn it
        assert doc_id(number).hex() not in raw
    assert explain(sound, doc_id(5).hex())["document"]["outcome"] == "kept"


def test_explain_tells_of_a_release_that_still_has_it(copy: Release) -> None:
    write_release(copy.output, tables(), job={"name": "later"})
    later = open_release(copy.output)
    erase(copy.output, "c", lambda _: {doc_id(5)}, keyring=KEY, day=DAY, only=[copy.id])
    answer = explain_everywhere(open_release(copy.output, snapshot=copy.id), doc_id(5).hex())
    assert answer["release"] == later.id
    assert {fate["outcome"] for fate in answer["releases"]} == {"kept", "erased"}
    assert "erased by request c on 2026-02-01" in render_text(answer)


def test_queries_the_card_and_the_difference_know_it(copy: Release) -> None:
    build_release(copy.output.parent / "whole")
    release = erased(copy.output)
    with connect(release) as connection:
        ((request, day, documents),) = (row.values() for row in ask(connection, "erasures"))
    assert (request, day.isoformat(), documents) == ("case-7", DAY, 3)
    card = render_card(release, "md")
    assert DAY in card
    assert "case-7" not in card, "what is published names days, no request"
    difference = compare_releases(open_release(copy.output.parent / "whole"), release)
    assert [(row["reason"], row["documents"]) for row in difference["left"]] == [
        ("erased", 2),
        ("erased", 1),
    ]
    assert (difference["old"]["erased"], difference["new"]["erased"]) == (0, 3)


# What verify names


def forge(release: Release, change: Callable[[dict[str, Any]], Any]) -> Release:
    content = json.loads((release.folder / ERASED).read_text())
    change(content)
    (release.folder / ERASED).write_text(json.dumps(content))
    return open_release(release.output)


def test_an_old_part_that_is_still_here_is_named(sound: Release, copy: Release) -> None:
    release = erased(copy.output)
    old = "manifest/documents/part-00000.parquet"
    shutil.copy(sound.folder / old, release.folder / old)
    assert named(release, KEY) == {(old, "erased")}


def test_a_flipped_bit_in_a_new_part_is_named(copy: Release) -> None:
    release = erased(copy.output)
    (part,) = (item.path for item in release.files("documents") if "00001" in item.path)
    raw = bytearray((release.folder / part).read_bytes())
    raw[len(raw) // 2] ^= 1
    (release.folder / part).write_bytes(raw)
    assert (part, "digest") in named(release)


def test_a_row_more_that_is_gone_under_a_forged_record_is_named(copy: Release) -> None:
    """Somebody without the key writes a part anew and makes every count fit."""
    release = erased(copy.output)
    (item,) = (item for item in release.files("decisions"))
    rows = pq.read_table(release.folder / item.path)
    pq.write_table(rows.slice(1), release.folder / item.path, compression="zstd")
    raw = (release.folder / item.path).read_bytes()

    def fit(content: dict[str, Any]) -> None:
        (entry,) = (e for e in content["files"] if e["path"] == item.path)
        first = min(set(range(len(rows))) - set(entry["removed"]))
        entry |= {"bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
        entry |= {"rows": entry["rows"] - 1, "removed": sorted([*entry["removed"], first])}
        leaves = content["tombstones"][0]["leaves"]["decisions"]
        leaves[:] = sorted([*leaves, first])

    forged = forge(release, fit)
    assert (ERASED, "seal") in named(forged, KEY)
    assert ("manifest/decisions", "terminal-decision") in named(forged)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["tombstones"].pop(),
        lambda content: content["tombstones"][0]["leaves"]["documents"].clear(),
        lambda content: content["withheld"].pop(),
        lambda content: content["files"][0]["removed"].append(25),
        lambda content: content["tombstones"][0].update(document="0" * 64),
        lambda content: content["tombstones"][0].update(request="another"),
        lambda content: content["tombstones"][0].update(day="2026-02-02"),
    ],
)
def test_a_record_that_says_something_else_is_named(
    copy: Release, change: Callable[[dict[str, Any]], Any]
) -> None:
    forged = forge(erased(copy.output), change)
    assert (ERASED, "seal") in named(forged, KEY)


def test_a_tombstone_of_a_document_that_is_here_is_named(copy: Release) -> None:
    release = erased(copy.output)
    name = hashlib.sha256(doc_id(1)).hexdigest()
    forged = forge(release, lambda content: content["tombstones"][0].update(document=name))
    assert ("manifest/documents", "erased") in named(forged)


@pytest.mark.parametrize("raw", ["", "{}", "[]", '{"format": "muniment-erased-1"}', "[" * 10_000])
def test_a_record_that_is_none_is_refused(copy: Release, raw: str) -> None:
    release = erased(copy.output)
    (release.folder / ERASED).write_text(raw)
    with pytest.raises(IntegrityError, match=ERASED):
        open_release(copy.output)


def test_without_its_record_the_release_is_damaged(copy: Release) -> None:
    release = erased(copy.output)
    (release.folder / ERASED).unlink()
    assert ("manifest/documents/part-00000.parquet", "digest") in named(open_release(copy.output))


def test_the_key_of_another_project_erases_nothing(copy: Release) -> None:
    before = contents(copy.folder)
    with pytest.raises(KeyFileError, match="made with key"):
        erase(copy.output, "c", lambda _: {doc_id(5)}, keyring=Keyring(bytes(32)), day=DAY)
    assert contents(copy.folder) == before


def test_what_is_damaged_is_not_written_anew(copy: Release) -> None:
    part = copy.path(copy.files("documents")[0])
    part.write_bytes(part.read_bytes()[:-1] + b"x")
    with pytest.raises(IntegrityError, match="nothing was erased"):
        erased(copy.output)
    assert not (copy.folder / ERASED).exists()


def test_a_signature_over_the_release_stays_and_the_erasure_is_signed_beside_it(
    copy: Release,
) -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    trusted = [public_hex(key)]
    sign(copy, key)
    release = erased(copy.output)
    (fault,) = verify(release, KEY, trusted)
    assert (fault.file, fault.check) == (f"snapshots/{release.id}/{ERASED}", "signature")
    sign(release, key)
    assert verify(release, KEY, trusted) == []
    (fault,) = verify(erased(copy.output, [21]), KEY, trusted)  # each erasure is signed
    assert fault.file.endswith(ERASED)


# Killed, failed, and run again


def check_point(before: Path, after: dict[str, bytes], at: int, fault: str, output: Path) -> None:
    shutil.copytree(before, output)
    ids = {doc_id(number) for number in GONE}

    def attempt() -> None:
        with faulty_disk.used(Disk(at, fault)):
            erase(output, "case-7", lambda _: ids, keyring=KEY, day=DAY)

    if fault == "kill":
        child = os.fork()
        if child == 0:
            attempt()
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == KILLED
    else:
        with contextlib.suppress(OSError):
            attempt()
    release = open_release(output)
    gone = release.erasure is not None
    with connect(release) as connection:  # every file that is read is proved
        (count,) = connection.execute("SELECT count(*) FROM documents").fetchone() or (0,)
    assert count == (27 if gone else 30)
    assert {check for _, check in named(release, KEY)} <= {"extra-file", "erased"}
    erase(output, "case-7", lambda _: ids, keyring=KEY, day=DAY)
    assert contents(open_release(output).folder) == after
    shutil.rmtree(output)


def all_points(sound: Release, folder: Path) -> tuple[dict[str, bytes], list[tuple[int, str]]]:
    shutil.copytree(sound.output, folder / "counted")
    with faulty_disk.used(Disk()) as disk:
        release = erased(folder / "counted")
    calls = enumerate(disk.calls, 1)
    every = [(at, fault) for at, call in calls for fault in FAULTS if can_have(call, fault)]
    return contents(release.folder), every


def test_a_sample_of_faults(sound: Release, tmp_path: Path) -> None:
    after, every = all_points(sound, tmp_path)
    for at, fault in random.Random(5).sample(every, 12):
        check_point(sound.output, after, at, fault, tmp_path / f"{fault}-{at}")


@pytest.mark.long
def test_every_fault_at_every_call(sound: Release, tmp_path: Path) -> None:
    after, every = all_points(sound, tmp_path)
    assert len(every) > 300
    for at, fault in every:
        check_point(sound.output, after, at, fault, tmp_path / f"{fault}-{at}")


# A real run: JSON lines, signatures, links; the same job is not made again from its inputs


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "run_graph", stages_by_hand)
        job = write_job(
            folder / "in",
            output={"formats": ["parquet", "jsonl.zst"], "signatures": True},
            partitioning={"exchange_partitions": 1},
        )
        running.run_job(load_job(job), folder / "out", progress=False)
    return job, folder / "out"


def test_text_signatures_and_json_lines_are_gone_from_a_real_release(
    made: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, output = made[0], tmp_path / "out"
    shutil.copytree(made[1], output)
    release = open_release(output)
    first = pq.read_table(release.parts("corpus")[0]).slice(3, 1).to_pylist()[0]
    wanted, text = first["doc_id"], first["text"]
    keyring = load_key(job.parent / "key")
    done = erase(output, "case-1", lambda _: {wanted}, keyring=keyring, day=DAY)
    rows = done["releases"][0]["rows"]
    assert {"documents": 1, "corpus": 1, "signatures": 1}.items() <= rows.items()
    release = open_release(output)
    assert verify(release, keyring) == []
    lines = [
        json.loads(line)
        for item in release.files("corpus")
        if item.path.endswith(".jsonl.zst")
        for line in io.TextIOWrapper(
            zstandard.ZstdDecompressor().stream_reader(release.path(item).read_bytes()), "utf-8"
        )
    ]
    texts = pq.read_table(release.parts("corpus"))["text"].to_pylist()
    assert sorted(line["text"] for line in lines) == sorted(texts)
    assert text not in texts
    assert len(texts) == release.totals["documents"]["kept"] - 1
    private = [item for item in restricted_files(release) if item.removed]
    assert [item.table for item in private] == ["signatures"]
    assert (release.folder / private[0].path).stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr(running, "run_graph", stages_by_hand)
    assert running.run_job(load_job(job), output, progress=False)["release"] == release.id
    assert open_release(output).erasure == release.erasure
    damaged = release.path(release.files("documents")[0])
    damaged.write_bytes(b"")
    with pytest.raises(IntegrityError, match="not made again"):
        running.run_job(load_job(job), output, progress=False)


# Requests


def ask_for(register: Path, selector: ListKind, content: bytes, *, verified: bool = True) -> None:
    add_request(
        register,
        "case-7",
        kind=RequestKind.ERASURE,
        selector=selector,
        legal_ref="GDPR Art. 17",
        content=content,
    )
    if verified:
        move_request(register, "case-7", RequestState.VERIFIED)


def test_a_request_takes_what_it_meets_and_kept_copies_of_it(
    sound: Release, tmp_path: Path
) -> None:
    register = tmp_path / "requests.jsonl"
    # Documents 6 and 7 were left out as copies of 5, which still holds their text.
    ask_for(register, ListKind.DOMAIN, b"c.example\n")
    found, unknown = to_erase(register, "case-7", [sound])
    assert found == {sound.id: {doc_id(5), doc_id(11), doc_id(12)}}
    assert unknown == {}


def test_a_request_that_is_not_verified_erases_nothing(sound: Release, tmp_path: Path) -> None:
    register = tmp_path / "requests.jsonl"
    ask_for(register, ListKind.DOMAIN, b"c.example\n", verified=False)
    with pytest.raises(JobError, match="is received; expected one that was verified"):
        to_erase(register, "case-7", [sound])
    with pytest.raises(JobError, match="is not in it"):
        to_erase(register, "case-8", [sound])


def test_what_no_manifest_can_tell_needs_a_run_and_then_goes_from_all_releases(
    copy: Release, tmp_path: Path
) -> None:
    register = tmp_path / "requests.jsonl"
    ask_for(register, ListKind.CONTENT_HASH, b"ab" * 32 + b"\n")
    with pytest.raises(QueryError, match="run the job with the request first"):
        to_erase(register, "case-7", [copy])
    # The next release met document 5 by its text, and left it out.
    later = tables()
    request = next(row for row in later["requests"] if row["request_id"] == "case-1")
    request["request_id"] = "case-7"
    met = next(row for row in later["decisions"] if row.get("list_id") == request["list_id"])
    met["doc_id"] = doc_id(5)
    write_release(copy.output, later)
    found, _ = to_erase(register, "case-7", [copy, open_release(copy.output)])
    assert found[copy.id] == {doc_id(5)}


def test_the_command_line_says_what_it_would_do_does_it_and_verifies(
    copy: Release, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, register = tmp_path / "key", tmp_path / "requests.jsonl"
    key.touch(mode=0o600)
    key.write_bytes(KEY.master)
    ask_for(register, ListKind.DOMAIN, b"wiki.example\n")
    words = ["erase", "case-7", str(copy.output), "--register", str(register), "-k", str(key)]
    assert main([*words, "--dry-run"]) == 0
    plan = json.loads(capsys.readouterr().out)["documents"][copy.id]
    assert plan == [doc_id(number).hex() for number in range(19, 25)]
    assert not (copy.folder / ERASED).exists()
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["documents"] == 6
    assert main(["verify", str(copy.output), "--key-file", str(key)]) == 0
    assert json.loads(capsys.readouterr().out)["erased"] == 6
    assert main([*words, "--document", doc_id(27).hex()]) == 0
    assert main([*words, "--document", "27"]) == 2
    assert main(["explain", str(copy.output), doc_id(27).hex()]) == 0
    assert "erased on request case-7" in capsys.readouterr().out
