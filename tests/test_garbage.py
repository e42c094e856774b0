# SPDX-License-Identifier: Apache-2.0
"""`muniment gc`: what no release needs goes on request, everything else stays as it is."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

import faulty_disk
from faulty_disk import KILLED, Disk
from muniment.pipelines.cli import main
from muniment.pipelines.garbage import collect_garbage
from muniment.pipelines.query import ask, connect
from muniment.pipelines.release import open_release, release_ids
from muniment.pipelines.verify import verify
from muniment.schemas.errors import ReleaseError
from muniment.transforms.stores import store_at
from release_fixture import tables, write_release

CHANGING = {"rename", "replace", "rmtree", "unlink", "makedirs", "fsync"}


def released(output: Path, count: int) -> list[str]:
    """Write releases, each the parent of the next; return their ids."""
    ids: list[str] = []
    for number in range(count):
        parent = None
        if ids:
            raw = open_release(output, snapshot=ids[-1])
            parent = {"release": raw.id, "manifest_sha256": manifest_digest(output, raw.id)}
        ids.append(write_release(output, tables(), number=number, parent=parent))
    return ids


def manifest_digest(output: Path, release_id: str) -> str:
    place = output / "snapshots" / release_id / "MANIFEST.json"
    return hashlib.sha256(place.read_bytes()).hexdigest()


def everything(output: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(output)): path.read_bytes()
        for path in sorted(output.rglob("*"))
        if path.is_file()
    }


def litter(output: Path) -> None:
    """Leave what killed runs leave."""
    for path in (".work/annotate/00000.json", "snapshots/.staging-77/corpus/part-00000.parquet"):
        (output / path).parent.mkdir(parents=True, exist_ok=True)
        (output / path).write_bytes(b"12345")
    (output / ".tmp-77-CURRENT").write_bytes(b"1")


def paths(report: dict[str, Any]) -> set[str]:
    return {item["path"] for item in report["items"]}


def test_by_default_nothing_is_touched_and_everything_is_said(tmp_path: Path) -> None:
    ids = released(tmp_path, 4)
    litter(tmp_path)
    before = everything(tmp_path)
    report = collect_garbage(tmp_path)
    assert everything(tmp_path) == before
    assert not report["removed"]
    old = {f"snapshots/{release_id}" for release_id in ids[:2]}
    assert paths(report) == old | {".work", "snapshots/.staging-77", ".tmp-77-CURRENT"}
    assert report["bytes"] == sum(
        len(data) for name, data in before.items() if any(name.startswith(p) for p in paths(report))
    )


@pytest.mark.parametrize("keep", [1, 2, 3, 9])
def test_the_newest_releases_stay_whole(tmp_path: Path, keep: int) -> None:
    ids = released(tmp_path, 4)
    litter(tmp_path)
    collect_garbage(tmp_path, keep=keep, remove=True)
    assert set(release_ids(tmp_path)) == set(ids[-keep:])
    assert verify(open_release(tmp_path)) == []
    assert not list(tmp_path.rglob(".tmp-*")) + list(tmp_path.rglob(".staging-*"))
    assert not (tmp_path / ".work").exists()
    assert collect_garbage(tmp_path, keep=keep)["items"] == []


def test_what_is_signed_and_what_it_goes_back_to_stays_unless_asked_for(tmp_path: Path) -> None:
    ids = released(tmp_path, 4)
    envelope = tmp_path / "attestations" / ids[1] / "signature.json"
    envelope.parent.mkdir(parents=True)
    envelope.write_text("{}")
    collect_garbage(tmp_path, keep=1, remove=True)
    assert set(release_ids(tmp_path)) == {ids[0], ids[1], ids[3]}
    collect_garbage(tmp_path, keep=1, signed=True, remove=True)
    assert release_ids(tmp_path) == [ids[3]]
    assert envelope.exists()


def test_a_release_that_did_not_become_current_goes(tmp_path: Path) -> None:
    ids = released(tmp_path, 3)
    (tmp_path / "CURRENT").write_text(f"snapshots/{ids[1]}\n")
    assert paths(collect_garbage(tmp_path)) == {f"snapshots/{ids[2]}"}


def test_the_chain_says_that_a_parent_is_gone_and_does_not_break(tmp_path: Path) -> None:
    released(tmp_path, 3)
    collect_garbage(tmp_path, keep=2, remove=True)
    with connect(open_release(tmp_path)) as connection:
        states = {row["state"] for row in ask(connection, "chain")}
    assert states == {"parent gone", "intact"}


@pytest.mark.parametrize("pointer", [None, "snapshots/../x\n", "snapshots/0123456789abcdef\n"])
def test_without_a_sound_current_release_nothing_goes(tmp_path: Path, pointer: str | None) -> None:
    released(tmp_path, 3)
    (tmp_path / "CURRENT").unlink()
    if pointer:
        (tmp_path / "CURRENT").write_text(pointer)
    before = everything(tmp_path)
    assert main(["gc", str(tmp_path), "--keep", "1", "--remove"]) in {2, 3}
    assert everything(tmp_path) == before


def test_nothing_goes_while_a_run_is_going_on(tmp_path: Path) -> None:
    released(tmp_path, 3)
    with store_at(tmp_path).locked(str(tmp_path / ".lock")), pytest.raises(ReleaseError):
        collect_garbage(tmp_path, keep=1, remove=True)
    assert len(release_ids(tmp_path)) == 3


def test_a_link_is_removed_and_not_followed(tmp_path: Path) -> None:
    released(tmp_path / "out", 1)
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "file").write_text("stays")
    (tmp_path / "out" / "snapshots" / ".staging-1").mkdir()
    (tmp_path / "out" / "snapshots" / ".staging-1" / "link").symlink_to(tmp_path / "else")
    collect_garbage(tmp_path / "out", remove=True)
    assert (tmp_path / "else" / "file").read_text() == "stays"
    assert not (tmp_path / "out" / "snapshots" / ".staging-1").exists()


def test_the_command_line_prints_what_it_found(tmp_path: Path, capsys: Any) -> None:
    ids = released(tmp_path, 2)
    assert main(["gc", str(tmp_path), "--keep", "1"]) == 0
    assert paths(json.loads(capsys.readouterr().out)) == {f"snapshots/{ids[0]}"}


def test_killed_at_any_call_it_leaves_whole_releases_and_is_finished_by_the_next_call(
    tmp_path: Path,
) -> None:
    before = tmp_path / "before"
    ids = released(before, 3)
    litter(before)
    shutil.copytree(before, tmp_path / "counted")
    with faulty_disk.used(Disk()) as disk:
        collect_garbage(tmp_path / "counted", keep=1, remove=True)
    changing = [at for at, call in enumerate(disk.calls, 1) if call in CHANGING]
    assert len(changing) > 10
    for at in changing:
        output = tmp_path / str(at)
        shutil.copytree(before, output)
        child = os.fork()
        if child == 0:
            with faulty_disk.used(Disk(at, "kill")):
                collect_garbage(output, keep=1, remove=True)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == KILLED
        for release_id in release_ids(output):
            folder = f"snapshots/{release_id}"
            assert everything(output / folder) == everything(before / folder)
        collect_garbage(output, keep=1, remove=True)
        assert release_ids(output) == ids[-1:]
        assert sorted(path.name for path in output.iterdir()) == [".lock", "CURRENT", "snapshots"]
        assert len(list((output / "snapshots").iterdir())) == 1
