# SPDX-License-Identifier: Apache-2.0
"""The same inputs give the same bytes, whatever surrounds the run and however it is interrupted.

One release of a tiny corpus is the reference; each dimension is one run that must give its bytes.
The stages are called by hand (`stage_runner`); workers and both ways of the exchange on the engine
itself are in `test_end_to_end` and `test_portable`.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import faulty_disk
from faulty_disk import Disk
from muniment.pipelines import run as running
from muniment.pipelines.garbage import collect_garbage
from muniment.pipelines.query import ask, connect
from muniment.pipelines.release import open_release
from muniment.pipelines.verify import verify
from muniment.schemas.errors import MunimentError
from muniment.schemas.job_file import LoadedJob, load_job
from muniment.transforms.run_state import Run
from small_corpus import release_digests
from stage_runner import govern
from test_faults import digests_of, stages_by_hand, write_small_job
from test_stage_units import write_job

pytestmark = pytest.mark.long

RUN_BY_HAND = """
import os, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
os.umask({umask})
from muniment.pipelines import run as running
from muniment.schemas.job_file import load_job
from test_faults import stages_by_hand
running.run_graph = stages_by_hand
running.run_job(load_job(Path({job!r})), Path({output!r}), progress=False)
"""

SURROUNDINGS: dict[str, dict[str, Any]] = {
    "everything at once": {
        "PYTHONHASHSEED": "4711",
        "LC_ALL": "tr_TR.UTF-8",
        "TZ": "Pacific/Chatham",
        "umask": 0o077,
        "cwd": "/",
    },
    "hash seed": {"PYTHONHASHSEED": "1"},
    "locale": {"LC_ALL": "C", "LANG": "de_DE.UTF-8"},
    "time zone": {"TZ": "America/St_Johns"},
    "open umask": {"umask": 0},
    "one core for Arrow": {"OMP_NUM_THREADS": "1", "ARROW_NUM_THREADS": "1"},
    "no UTF-8 mode": {"PYTHONUTF8": "0", "LC_ALL": "POSIX"},
}


@pytest.fixture(scope="module")
def by_hand() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "run_graph", stages_by_hand)
        yield


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory, by_hand: None) -> tuple[LoadedJob, Path]:  # noqa: ARG001
    """Return a job and the output of an undisturbed run of it."""
    folder = tmp_path_factory.mktemp("reference")
    job = write_small_job(folder / "in")
    running.run_job(job, folder / "out", progress=False)
    return job, folder / "out"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if number == 0 else pytest.mark.long)
        for number, name in enumerate(SURROUNDINGS)
    ],
)
def test_the_surroundings_change_no_byte(
    reference: tuple[LoadedJob, Path], tmp_path: Path, name: str
) -> None:
    job, output = reference
    given = dict(SURROUNDINGS[name])
    code = RUN_BY_HAND.format(
        tests=str(Path(__file__).parent),
        umask=given.pop("umask", 0o022),
        job=str(job.root / "job.yaml"),
        output=str(tmp_path / "out"),
    )
    cwd = given.pop("cwd", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env={**os.environ, **given},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert release_digests(tmp_path / "out") == release_digests(output)


@pytest.mark.parametrize(("way", "seed"), [("engine", 0), ("files", 7), ("engine", 11)])
def test_exchange_and_order_of_arrival_change_no_byte(
    reference: tuple[LoadedJob, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    seed: int,
) -> None:
    job, output = reference
    monkeypatch.setattr(running, "run_graph", lambda plan, *_: govern(Run(plan), way, seed))
    running.run_job(job, tmp_path / "out", progress=False)
    assert release_digests(tmp_path / "out") == release_digests(output)


LAYOUTS = ["one file", "eight files", "reversed", "packed"]


@pytest.mark.usefixtures("by_hand")
def test_the_layout_of_the_inputs_changes_no_kept_text(tmp_path: Path) -> None:
    """Case 19: which text of a family stays may not depend on files; its copies are equal."""
    job = write_job(tmp_path / "in")
    lines = sorted(
        line
        for path in sorted((tmp_path / "in").glob("*.jsonl"))
        for line in path.read_text().splitlines()
    )
    found = []
    for layout in LAYOUTS:
        folder = tmp_path / layout
        shutil.copytree(tmp_path / "in", folder)
        for path in folder.glob("*.jsonl"):
            path.unlink()
        records = list(reversed(lines)) if layout == "reversed" else lines
        parts = 8 if layout == "eight files" else 1
        for number in range(parts):
            data = "".join(f"{line}\n" for line in records[number::parts]).encode()
            if layout == "packed":
                data = gzip.compress(data)
            (folder / f"{number}.jsonl").write_bytes(data)
        running.run_job(load_job(folder / job.name), tmp_path / f"{layout} out", progress=False)
        release = open_release(tmp_path / f"{layout} out")
        tables = [pq.read_table(part, columns=["text"]) for part in release.parts("corpus")]
        found.append(sorted(t for table in tables for t in table["text"].to_pylist()))
    assert found[0]
    assert all(texts == found[0] for texts in found[1:])


# Any history of runs, kills, queries, tampering and collection


class Histories(RuleBasedStateMachine):
    """Whatever happens, CURRENT names a whole release, or what was tampered with is named."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="muniment-histories-"))
        self.output = self.folder / "out"
        self.patch = pytest.MonkeyPatch()
        self.tampered: Path | None = None
        self.made: dict[str, dict[str, bytes]] = {}

    @initialize()
    def start(self) -> None:
        self.patch.setattr(running, "run_graph", stages_by_hand)
        self.jobs = [write_small_job(self.folder / f"in{n}") for n in range(2)]
        text = json.dumps({"text": "another document that stays alone"}) + "\n"
        (self.folder / "in1" / "one.jsonl").write_text(text * 2)

    @rule(which=st.integers(0, 1))
    def run(self, which: int) -> None:
        """A run mends what is damaged in the release that it gives again."""
        release = running.run_job(self.jobs[which], self.output, progress=False)["release"]
        content = digests_of(self.output / "snapshots" / release)
        content.pop("run.json")
        assert self.made.setdefault(release, content) == content
        self.tampered = None

    @rule(which=st.integers(0, 1), at=st.integers(1, 600), fault=st.sampled_from(["eio", "enospc"]))
    def fail(self, which: int, at: int, fault: str) -> None:
        with faulty_disk.used(Disk(at, fault)):
            try:
                running.run_job(self.jobs[which], self.output, progress=False)
            except (OSError, MunimentError):
                return
        self.tampered = None

    @rule(which=st.integers(0, 1), at=st.integers(1, 700))
    def die(self, which: int, at: int) -> None:
        child = os.fork()
        if child == 0:
            try:
                with faulty_disk.used(Disk(at, "kill")):
                    running.run_job(self.jobs[which], self.output, progress=False)
                os._exit(0)
            finally:
                os._exit(3)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in {0, faulty_disk.KILLED}
        if code == 0:
            self.tampered = None

    def current(self) -> Path | None:
        pointer = self.output / "CURRENT"
        return self.output / pointer.read_text().strip() if pointer.exists() else None

    @precondition(lambda self: self.current() and not self.tampered)
    @rule()
    def ask(self) -> None:
        with connect(open_release(self.output)) as connection:
            assert ask(connection, "books")

    @precondition(lambda self: self.current())
    @rule(keep=st.integers(1, 3))
    def collect(self, keep: int) -> None:
        before = self.current()
        collect_garbage(self.output, keep=keep, remove=True)
        assert self.current() == before
        assert not (self.output / ".work").exists()

    @precondition(lambda self: self.current() and not self.tampered)
    @rule(draw=st.randoms(use_true_random=False))
    def tamper(self, draw: random.Random) -> None:
        files = sorted((self.current() or self.output).glob("*/**/*.parquet"))
        self.tampered = draw.choice(files)
        raw = bytearray(self.tampered.read_bytes())
        raw[draw.randrange(len(raw))] ^= 1
        os.chmod(self.tampered, 0o644)
        other = self.tampered.with_name("other")
        other.write_bytes(raw)  # the work folder may hold the same file under a second name
        other.replace(self.tampered)

    @invariant()
    def current_is_whole_or_the_damage_is_named(self) -> None:
        current = self.current()
        if current is None:
            return
        faults = verify(open_release(self.output))
        if self.tampered and self.tampered.is_relative_to(current):
            named = str(self.tampered.relative_to(current))
            assert {fault.file for fault in faults} <= {named}
        else:
            assert faults == []

    def teardown(self) -> None:
        self.patch.undo()
        shutil.rmtree(self.folder)


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=3, stateful_step_count=6)


class LongHistories(Histories):
    """More of them."""


TestLongHistories = pytest.mark.long(LongHistories.TestCase)
TestLongHistories.settings = settings(max_examples=20, stateful_step_count=20)
