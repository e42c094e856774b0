# SPDX-License-Identifier: Apache-2.0
"""Every system call of a run goes wrong once: nothing torn is seen, and the next run mends it.

The run is the whole of `run_job` (plan, stages, commit) with the stages called by hand instead of
by an engine, over an output that holds a release of another job. `make test-long` injects every
fault at every call; `make test` a fixed sample of them.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import faulty_disk
from faulty_disk import FAULTS, KILLED, Disk, can_have
from muniment.pipelines import plan as planning
from muniment.pipelines import run as running
from muniment.pipelines.chain import HISTORY
from muniment.pipelines.garbage import collect_garbage
from muniment.pipelines.release import open_release
from muniment.pipelines.verify import verify
from muniment.schemas.errors import MunimentError
from muniment.schemas.job_file import LoadedJob, load_job
from muniment.transforms import stage_units
from muniment.transforms.run_state import Run
from small_corpus import release_digests
from stage_runner import govern
from test_stage_units import edited, prose, refuse, write_job

pytestmark = pytest.mark.slow

SAMPLE = 16
"""Points of `make test`, spread over all of them."""


PARTS = 20


def write_small_job(folder: Path) -> LoadedJob:
    """Write eight documents, one of each fate, and a job with one split and one partition."""
    path = write_job(folder, partitioning={"exchange_partitions": 1, "split_bytes": 1 << 16})
    texts = [prose(1), prose(1), edited(prose(1)), prose(2), prose(3), " ", prose(4)]
    lines = [json.dumps({"id": str(n), "text": text}) for n, text in enumerate(texts)]
    (folder / "one.jsonl").write_text("\n".join([*lines, '{"text":']) + "\n")
    (folder / "two.jsonl").unlink()
    return load_job(path)


@dataclass(frozen=True)
class World:
    """An output with a release, the job whose run is disturbed, and what it gives undisturbed."""

    job: LoadedJob
    before: Path
    old: str
    digests: dict[str, str]
    calls: tuple[str, ...]
    folder: Path


def stages_by_hand(plan: Any, *_: object) -> None:
    govern(Run(plan))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Make the old release and the new one; count the calls of the new one."""
    folder = tmp_path_factory.mktemp("faults")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "run_graph", stages_by_hand)
        job = write_small_job(folder / "in")
        (folder / "in" / "one.jsonl").rename(folder / "in" / "later")
        (folder / "in" / "first.jsonl").write_text(json.dumps({"text": prose(9)}) + "\n")
        running.run_job(job, folder / "before", progress=False)
        (folder / "in" / "first.jsonl").unlink()
        (folder / "in" / "later").rename(folder / "in" / "one.jsonl")
        shutil.copytree(folder / "before", folder / "clean")
        with faulty_disk.used(Disk()) as disk:
            running.run_job(job, folder / "clean", progress=False)
        old = (folder / "before" / "CURRENT").read_text().strip()
        yield World(
            job,
            folder / "before",
            old,
            release_digests(folder / "clean"),
            tuple(disk.calls),
            folder,
        )


def disturbed(world: World, output: Path, disk: Disk) -> str:
    """Run the job on a disk that fails once; return how it ended: `done`, `failed` or `killed`."""

    def attempt() -> str:
        with faulty_disk.used(disk):
            try:
                running.run_job(world.job, output, progress=False)
            except (OSError, MunimentError):
                return "failed"
        return "done"

    if disk.fault != "kill":
        return attempt()
    child = os.fork()
    if child == 0:
        try:
            os._exit({"done": 0, "failed": 1}[attempt()])
        finally:
            os._exit(3)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return {0: "done", KILLED: "killed"}[code]


def check_point(world: World, at: int, fault: str) -> None:
    """Inject one fault; look at what a reader sees; run again."""
    output = world.folder / f"{fault}-{at}"
    shutil.copytree(world.before, output)
    disk = Disk(at, fault)
    end = disturbed(world, output, disk)
    say = f"{fault} at call {at} ({world.calls[at - 1]}): {end}"
    assert fault != "short" or end == "done", say
    current = (output / "CURRENT").read_text().strip()
    if current == world.old:
        assert end != "done", say
        assert digests_of(output / current) == digests_of(world.before / world.old), say
    else:
        assert release_digests(output) == world.digests, say
    if end != "done" or at % 16 == 0:
        running.run_job(world.job, output, progress=False)
    assert release_digests(output) == world.digests, say
    assert verify(open_release(output)) == [] if at % 64 == 0 else True
    assert digests_of(output / world.old) == digests_of(world.before / world.old), say
    left = {path.name for path in (output, output / "snapshots") for path in path.iterdir()}
    ours = {"CURRENT", "HISTORY", ".lock", "snapshots", Path(current).name, Path(world.old).name}
    new = Path((output / "CURRENT").read_text().strip()).name
    assert left <= {*ours, new}, f"{say}; left behind: {sorted(left - ours - {new})}"
    shutil.rmtree(output)


def digests_of(snapshot: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(snapshot)): path.read_bytes()
        for path in sorted(snapshot.rglob("*"))
        if path.is_file()
    }


def points(world: World) -> list[tuple[int, str]]:
    """Return every call with every fault that it can have."""
    return [
        (at, fault)
        for at, call in enumerate(world.calls, 1)
        for fault in FAULTS
        if can_have(call, fault)
    ]


def test_a_sample_of_faults(world: World) -> None:
    for at, fault in random.Random(SAMPLE).sample(points(world), SAMPLE):
        check_point(world, at, fault)


@pytest.mark.long
@pytest.mark.parametrize("part", range(PARTS))
def test_every_fault_at_every_call(world: World, part: int) -> None:
    every = points(world)
    assert len(every) >= 2000, len(every)
    for at, fault in every[part::PARTS]:
        check_point(world, at, fault)


# Single faults, each by its name


def renames(world: World) -> list[int]:
    """Return the calls that give a file its name; the last two move CURRENT and note that."""
    return [at for at, call in enumerate(world.calls, 1) if call == "replace"]


def test_killed_after_the_pointer_moved_nothing_is_amiss_and_the_next_run_notes_it(
    world: World, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    shutil.copytree(world.before, output)
    assert disturbed(world, output, Disk(renames(world)[-1], "kill")) == "killed"
    new = Path((output / "CURRENT").read_text().strip()).name
    assert (output / "CURRENT").read_text().strip() != world.old
    assert verify(open_release(output)) == []
    assert new not in (output / HISTORY).read_text()
    running.run_job(world.job, output, progress=False)
    assert (output / HISTORY).read_text().endswith(f" snapshots/{new}\n")


def test_killed_before_the_pointer_moves_the_next_run_only_commits(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out"
    shutil.copytree(world.before, output)
    assert disturbed(world, output, Disk(renames(world)[-2], "kill")) == "killed"
    assert (output / "CURRENT").read_text().strip() == world.old
    assert verify(open_release(output)) == []
    for unit in ("annotate_split", "screen_split", "group_exact", "finalize_split"):
        monkeypatch.setattr(stage_units, unit, refuse)
    running.run_job(world.job, output, progress=False)
    assert release_digests(output) == world.digests


def test_a_pointer_that_was_set_back_is_named_and_mended_by_the_next_run(
    world: World, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    shutil.copytree(world.folder / "clean", output)
    new = (output / "CURRENT").read_text()
    (output / "CURRENT").write_text(f"{world.old}\n")
    (fault,) = verify(open_release(output))
    assert (fault.file, fault.check) == ("CURRENT", "rolled-back")
    assert Path(new.strip()).name in fault.detail
    running.run_job(world.job, output, progress=False)
    assert (output / "CURRENT").read_text() == new
    assert verify(open_release(output)) == []


def test_work_of_other_code_is_done_again(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Markers that another version left are there, and none is taken for this one's."""
    output = tmp_path / "out"
    keeping = world.job.job.engine.model_copy(update={"keep_work": True})
    job = replace(world.job, job=world.job.job.model_copy(update={"engine": keeping}))
    with monkeypatch.context() as other:
        other.setattr(planning, "code_digest", lambda: "0" * 64)
        running.run_job(job, output, progress=False)
    markers = {path: path.stat().st_ino for path in (output / ".work").glob("*/[0-9]*.json")}
    assert markers
    running.run_job(job, output, progress=False)
    assert not [path for path, inode in markers.items() if path.stat().st_ino == inode]


def test_a_folder_in_the_way_of_a_release_is_replaced(world: World, tmp_path: Path) -> None:
    output = tmp_path / "out"
    shutil.copytree(world.folder / "clean", output)
    new = output / (output / "CURRENT").read_text().strip()
    shutil.rmtree(new)
    (new / "corpus").mkdir(parents=True)
    (new / "corpus" / "stranger").write_text("not of this release")
    (output / "CURRENT").write_text(f"{world.old}\n")
    running.run_job(world.job, output, progress=False)
    assert release_digests(output) == world.digests


@pytest.mark.usefixtures("world")  # the stages are called by hand
def test_a_run_over_fewer_inputs_leaves_no_former_file_in_sight(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    job = write_small_job(folder)
    more = (folder / "one.jsonl").read_text().replace("a", "e")
    (folder / "more.jsonl").write_text(more * 3)  # too large to be read with the other one
    running.run_job(job, tmp_path / "out", progress=False)
    assert len(open_release(tmp_path / "out").parts("documents")) == 2
    (folder / "more.jsonl").unlink()
    running.run_job(job, tmp_path / "out", progress=False)
    release = open_release(tmp_path / "out")
    assert len(release.parts("documents")) == 1
    assert verify(release) == []


def test_a_release_whose_parent_was_collected_is_given_again(world: World, tmp_path: Path) -> None:
    output = tmp_path / "out"
    shutil.copytree(world.folder / "clean", output)
    collect_garbage(output, keep=1, remove=True)
    assert not (output / world.old).exists()
    running.run_job(world.job, output, progress=False)
    assert release_digests(output) == world.digests
