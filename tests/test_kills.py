# SPDX-License-Identifier: Apache-2.0
"""The real command line: killed twenty times, run twice at once, read while it commits."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from muniment.pipelines import run as running
from muniment.pipelines.query import ask, connect
from muniment.pipelines.release import open_release
from muniment.schemas.errors import MunimentError
from small_corpus import release_digests
from test_faults import stages_by_hand, write_small_job

PATIENCE = 600  # seconds until a hanging run fails the test
KILLS = 20
COMMITS = 10


def start(job: Path, output: Path, *flags: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "muniment", "run", str(job), "-o", str(output), *flags]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )


@pytest.mark.long
@pytest.mark.model
def test_killed_twenty_times_it_gives_the_same_release(
    small_job: Path, small_release: Any, tmp_path: Path
) -> None:
    """Of each kill: what CURRENT names is whole. The moments are drawn over a whole run."""
    draw = random.Random(KILLS)
    output = tmp_path / "out"
    kills, longest = 0, 10.0
    while kills < KILLS:
        process = start(small_job, output, "--workers", str(1 + kills % 2))
        try:
            _, err = process.communicate(timeout=draw.uniform(1.0, longest))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            kills += 1
            longest *= 1.2
        else:
            assert process.returncode == 0, err.decode()
        if (output / "CURRENT").exists():
            assert release_digests(output) == release_digests(small_release[0])
            shutil.rmtree(output)
            longest = max(10.0, longest / 2)
    process = start(small_job, output, "--workers", "1")
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err.decode()
    assert release_digests(output) == release_digests(small_release[0])
    left = sorted(path.name for path in output.iterdir())
    assert left == [".lock", "CURRENT", "HISTORY", "snapshots"]


@pytest.mark.long
@pytest.mark.model
def test_of_two_runs_on_one_output_one_is_refused(
    small_job: Path, small_release: Any, tmp_path: Path
) -> None:
    runs = [start(small_job, tmp_path, "--workers", "1") for _ in range(2)]
    errors = [process.communicate(timeout=PATIENCE)[1].decode() for process in runs]
    codes = sorted(process.returncode for process in runs)
    assert codes in ([0, 2], [0, 0]), errors  # the second may start when the first has ended
    if codes == [0, 2]:
        refused = next(e for e, p in zip(errors, runs, strict=True) if p.returncode)
        assert "locked by pid" in refused
        assert len(refused.strip().splitlines()) == 1
    assert release_digests(tmp_path) == release_digests(small_release[0])


@pytest.mark.long
def test_a_reader_sees_whole_releases_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader opens, proves and queries without a pause while releases follow each other."""
    monkeypatch.setattr(running, "run_graph", stages_by_hand)
    jobs = [write_small_job(tmp_path / f"in{n}") for n in range(2)]
    (tmp_path / "in1" / "one.jsonl").write_text('{"text": "one document only, it stays"}\n')
    output = tmp_path / "out"
    expected = {running.run_job(jobs[0], output, progress=False)["release"]: 8}
    stop, seen, wrong = threading.Event(), [], []

    def read() -> None:
        while not stop.is_set():
            try:
                release = open_release(output)
                wrong.extend(filter(None, map(release.damage, release.listed)))
                with connect(release) as connection:
                    (row,) = connection.execute("SELECT count(*) FROM documents").fetchall()
                    books = ask(connection, "books")
                seen.append((release.id, row[0], bool(books)))
            except MunimentError as error:
                wrong.append(str(error))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(1, COMMITS):
            done = running.run_job(jobs[number % 2], output, progress=False)
            expected[done["release"]] = done["documents"]["read"]
    finally:
        stop.set()
        reader.join()
    assert wrong == []
    assert {release for release, *_ in seen} <= set(expected)
    assert all(count == expected[release] for release, count, _ in seen)
    assert len({release for release, *_ in seen}) > 1
