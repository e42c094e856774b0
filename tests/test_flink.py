# SPDX-License-Identifier: Apache-2.0
"""A job on a real Flink cluster: equal bytes, and nine faults that leave nothing half done.

`make flink-test` gets the jars and runs this. By hand: `python infra/flink/jars.py FOLDER`, then
`MUNIMENT_FLINK_JARS=FOLDER pytest -m long tests/test_flink.py`; without Java 17 or the jars it
skips.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from canaries import Canaries, Search
from small_corpus import release_digests

pytestmark = [pytest.mark.long, pytest.mark.model]

WAIT_SECONDS = 600


@pytest.fixture(scope="module")
def jars() -> Path:
    folder = os.environ.get("MUNIMENT_FLINK_JARS")
    if not folder:
        pytest.skip("MUNIMENT_FLINK_JARS: not set; run `make flink-test`")
    if shutil.which("java") is None:
        pytest.skip("java: not found; Flink needs Java 17")
    if not (Path(folder) / "job-server.jar").is_file():
        pytest.skip(f"{folder}: no job-server.jar; run `python infra/flink/jars.py {folder}`")
    return Path(folder)


@pytest.fixture(scope="module")
def cluster(jars, repository, tmp_path_factory) -> Iterator[object]:
    sys.path.insert(0, str(repository / "infra" / "flink"))
    from cluster import Cluster

    running = Cluster(tmp_path_factory.mktemp("cluster"))
    jar = jars / "job-server.jar"
    running.start(jars / "flink", task_managers=2, slots=2, python=sys.executable, jar=jar)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def flags(cluster, jars) -> list[str]:
    return [*cluster.flags(parallelism=2), f"--flink_job_server_jar={jars / 'job-server.jar'}"]


def start(job: Path, output: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "muniment", "run", str(job), "-o", str(output), *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def finish(launcher: subprocess.Popen[str]) -> tuple[int, str]:
    try:
        _, said = launcher.communicate(timeout=WAIT_SECONDS)
    finally:
        launcher.kill()
    return launcher.returncode, said


def children(pid: int) -> list[int]:
    """Return the processes that a process started, oldest first."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(path.parent.name))
    return sorted(found)


def wait_for(what: Callable[[], object], launcher: subprocess.Popen[str]) -> object:
    latest = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < latest:
        if found := what():
            return found
        if launcher.poll() is not None:
            pytest.fail(f"the job ended before its fault: {launcher.communicate()[1]}")
        time.sleep(0.02)
    pytest.fail("the job did not come so far")


def varint(data: bytes) -> int:
    return sum((byte & 127) << 7 * place for place, byte in enumerate(data))


def counters(cluster) -> Counter[tuple[str, str]]:
    """Return muniment's counters of the job that ended last, as Flink shows them."""
    jobs = [job for job in cluster.ask("jobs/overview")["jobs"] if job["state"] == "FINISHED"]
    latest = max(jobs, key=lambda job: job["end-time"])["jid"]
    (found,) = cluster.ask(f"jobs/{latest}/accumulators")["user-task-accumulators"]
    total: Counter[tuple[str, str]] = Counter()
    for item in json.loads(found["value"])["metrics"]["attempted"]:
        namespace, name = item["labels"].get("NAMESPACE", ""), item["labels"].get("NAME", "")
        if namespace.startswith("muniment."):
            total[namespace, name] += varint(base64.b64decode(item["payload"]))
    return total


@pytest.mark.parametrize("way", ["engine", "files"])
def test_a_flink_cluster_gives_the_same_release(
    small_job, small_release, cluster, flags, tmp_path, way
):
    code, said = finish(start(small_job, tmp_path, "--exchange", way, *flags))
    assert code == 0, said
    assert release_digests(tmp_path) == release_digests(small_release[0])
    release = tmp_path / (tmp_path / "CURRENT").read_text().strip()
    assert json.loads((release / "run.json").read_text())["exchange"] == way
    documents = json.loads((release / "MANIFEST.json").read_text())["totals"]["documents"]
    counted = counters(cluster)
    assert counted["muniment.annotate", "records"] == documents["read"]
    for outcome in ("kept", "removed", "quarantined"):
        assert counted["muniment.finalize", outcome] == documents[outcome]


def test_the_default_exchange_is_the_engines(small_job, flags, tmp_path):
    dry = [sys.executable, "-m", "muniment", "run", str(small_job), "--dry-run", *flags]
    done = subprocess.run(dry, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert json.loads(done.stdout)["exchange"] == "engine"


def kill_task_manager(cluster, _launcher) -> None:
    os.kill(cluster.pid("task-manager-0"), signal.SIGKILL)


def kill_worker(cluster, launcher) -> None:
    (forks,) = children(cluster.pid("worker-pool"))
    workers = wait_for(lambda: children(forks), launcher)
    os.kill(workers[0], signal.SIGKILL)


def kill_job_server(_cluster, launcher) -> None:
    (server,) = wait_for(lambda: children(launcher.pid), launcher)
    os.kill(server, signal.SIGKILL)


@pytest.mark.parametrize("stage", ["annotate", "propose", "finalize"])
@pytest.mark.parametrize("kill", [kill_task_manager, kill_worker, kill_job_server])
def test_a_fault_leaves_nothing_half_done_and_the_next_run_completes_it(
    small_job, small_release, cluster, flags, tmp_path, stage, kill
):
    launcher = start(small_job, tmp_path, *flags)
    units = tmp_path / ".work" / stage
    wait_for(lambda: list(units.glob("[0-9]*.json")), launcher)
    kill(cluster, launcher)
    code, said = finish(launcher)
    if kill is kill_task_manager:
        cluster.start_task_manager(0)
    if code:
        assert len(said.splitlines()) == 1, said
        assert said.startswith(
            "error: Flink's job server was killed"
            if kill is kill_job_server
            else "error: the engine failed"
        )
        assert not (tmp_path / "CURRENT").exists()
        code, said = finish(start(small_job, tmp_path, *flags))
        assert code == 0, said
    assert release_digests(tmp_path) == release_digests(small_release[0])


def words(canaries: Canaries) -> str:
    return " ".join(canaries.word() for _ in range(30))


def test_no_log_of_the_cluster_holds_document_text(small_job, cluster, flags, tmp_path):
    canaries = Canaries(seed=6)
    folder = tmp_path / "corpus"
    shutil.copytree(small_job.parent, folder)
    lines = [
        json.dumps({"text": f"{words(canaries)} {canaries.email()}", "id": f"c{n}"})
        for n in range(40)
    ]
    torn = f'{{"text": "{words(canaries)}'  # cannot be read
    (folder / "web.jsonl").write_text("\n".join([*lines, torn]) + "\n")
    job = yaml.safe_load((folder / "job.yaml").read_text())
    job["deduplication"]["override_guards"] = "a test"
    (folder / "job.yaml").write_text(yaml.safe_dump(job))
    code, said = finish(start(folder / "job.yaml", tmp_path / "out", "--keep-work", *flags))
    assert code == 0, said
    search = Search([*canaries.words, *canaries.personal])
    assert search.within(lines[0].encode()), "the search finds what is there"
    jars = ("*.jar", "blob_p-*")  # Beam's own code, 5 GB of it after a dozen jobs
    assert not search.leaks(cluster.folder, but=jars)
    assert not search.within((tmp_path / "out" / ".work" / "job-server.log").read_bytes())
