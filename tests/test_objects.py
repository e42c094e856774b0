# SPDX-License-Identifier: Apache-2.0
"""Object stores keep what a disk keeps: the same promises, the same bytes, the same answers."""

from __future__ import annotations

import glob
import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from muniment.pipelines.cli import main
from muniment.pipelines.commit import commit_release
from muniment.pipelines.plan import make_plan
from muniment.pipelines.release import open_release
from muniment.pipelines.run import run_job
from muniment.pipelines.verify import verify
from muniment.schemas.errors import InputError, IntegrityError, ReleaseError, StorageError
from muniment.schemas.job_file import load_job
from muniment.transforms import stage_units, storage
from muniment.transforms.reading import SplitReader, inspect_file, plan_splits
from muniment.transforms.run_state import Run
from muniment.transforms.stores import Held, Store, join, store_at
from muniment.transforms.stores.lease import Lease
from muniment.transforms.stores.objects import Missed, _regex
from muniment.transforms.stores.services import GoogleStore
from object_server import BUCKET, client, counted_requests, forget_clients, objects, server_process
from object_server import use_server as point_to
from test_stage_units import govern, write_job

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with server_process() as address:
        yield address


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give a plain client of an empty bucket, which every client of this process finds."""
    point_to(monkeypatch, server)
    forget_clients()
    s3 = client(server)
    s3.create_bucket(Bucket=BUCKET)
    for key in objects(s3):
        s3.delete_object(Bucket=BUCKET, Key=key)
    yield s3
    forget_clients()


@pytest.fixture(params=["disk", "s3"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give a folder on a disk and on an object store; what follows holds for both."""
    if request.param == "disk":
        return str(tmp_path / "base")
    request.getfixturevalue("bucket")
    return f"s3://{BUCKET}/base"


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


# What every store promises


def test_a_file_is_read_back_and_known_without_being_read(base: str) -> None:
    store = store_at(base)
    store.make_folder(base, private=True)
    facts = storage.write_bytes(join(base, "a"), b"some bytes")
    assert store.read(facts.path) == b"some bytes"
    assert store.read(facts.path, 4) == b"some"
    assert store.stat(facts.path).bytes == facts.bytes == 10
    assert store.intact(facts.path, facts.bytes, facts.sha256)
    assert not store.intact(facts.path, facts.bytes, "0" * 64)
    assert not store.intact(join(base, "missing"), 0, "")
    assert storage.sha256_file(facts.path) == facts.sha256


def test_missing_files_are_missing_and_missing_folders_are_empty(base: str) -> None:
    store = store_at(base)
    for call in (store.stat, store.read, store.open):
        with pytest.raises(FileNotFoundError):
            call(join(base, "missing"))
    assert not store.exists(join(base, "missing"))
    assert store.names(base) == store.tree(base) == []
    store.remove(join(base, "missing"))
    store.remove_tree(base)
    assert store.read_each([join(base, "missing")]) == [None]


def test_an_error_while_writing_leaves_nothing(base: str) -> None:
    store_at(base).make_folder(base)

    def write_half() -> None:
        with storage.replace_file(join(base, "file")) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert store_at(base).tree(base) == []


def test_folders_are_listed_flat_and_deep(base: str) -> None:
    store = store_at(base)
    store.make_folder(join(base, "x", "y"))
    for name in ("b", "a", "x/y/c"):
        storage.write_bytes(join(base, name), b"")
    assert [n for n in store.names(base) if n != "x"] == ["a", "b"]
    assert [n for n in store.tree(base) if n[-1] != "/"] == ["a", "b", "x/y/c"]
    store.remove_tree(join(base, "x"))
    assert store.tree(base) == ["a", "b"]


@pytest.mark.parametrize(
    "pattern",
    ["*.jsonl", "**/*.jsonl", "x/*", "x/**", "?.jsonl", "[ab].jsonl", "x/y/c.jsonl", "**"],
)
def test_a_glob_finds_the_same_files_everywhere(bucket: Any, tmp_path: Path, pattern: str) -> None:
    names = ["a.jsonl", "b.jsonl", ".hidden.jsonl", "x/y/c.jsonl", "x/d.txt", "x/.h/e.jsonl"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
        bucket.put_object(Bucket=BUCKET, Key=f"in/{name}", Body=b"")
    there = [
        name
        for name in glob.glob(pattern, root_dir=tmp_path, recursive=True)
        if (tmp_path / name).is_file()
    ]
    remote = f"s3://{BUCKET}/in"
    assert store_at(remote).glob(remote, pattern) == sorted(there)
    whole = store_at(remote).glob("", f"{remote}/{pattern}")
    assert whole == [f"{remote}/{name}" for name in sorted(there)]


def test_regex_is_anchored_by_whole_names() -> None:
    import re

    assert re.fullmatch(_regex(["a.jsonl"]), "a.jsonl")
    assert not re.fullmatch(_regex(["a.jsonl"]), "aXjsonl")


def test_tables_come_back_mapped(base: str) -> None:
    store_at(base).make_folder(base)
    table = pa.table({"n": list(range(5000))})
    facts = storage.write_ipc(join(base, "t.arrow"), table.schema, table.to_batches(1000))
    assert storage.read_ipc(facts.path) == table
    assert [b.num_rows for b in storage.read_ipc_batches(facts.path, [4, 0])] == [1000, 1000]
    storage.link_or_copy(facts.path, join(base, "again.arrow"))
    assert storage.sha256_file(join(base, "again.arrow")) == facts.sha256


def test_a_copy_between_stores_is_the_same_file(bucket: Any, tmp_path: Path) -> None:
    facts = storage.write_bytes(tmp_path / "a", b"content")
    storage.link_or_copy(facts.path, f"s3://{BUCKET}/a")
    assert store_at(f"s3://{BUCKET}").intact(f"s3://{BUCKET}/a", facts.bytes, facts.sha256)
    storage.link_or_copy(f"s3://{BUCKET}/a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"content"
    assert objects(bucket) == {"a": b"content"}


# Pointers and locks


def test_of_two_runs_that_saw_the_same_pointer_one_moves_it(bucket: Any) -> None:
    place = f"s3://{BUCKET}/CURRENT"
    store = store_at(place)
    for seen in (None, "other"):
        before = store.version(place)
        store.swap(place, f"first after {seen}".encode(), before)
        with pytest.raises(ReleaseError, match="another run moved it"):
            store.swap(place, b"second", before)
        assert store.read(place) == f"first after {seen}".encode()
    # The answer to a put was lost, and it was tried again.
    store.swap(place, b"first after other", "an old version")
    assert list(objects(bucket)) == ["CURRENT"]


def test_a_lock_is_held_by_one(base: str) -> None:
    store = store_at(base)
    store.make_folder(base)
    place = join(base, ".lock")
    with store.locked(place) as held:
        held.check()
        with (
            pytest.raises(ReleaseError, match=f"locked by pid '?{os.getpid()}"),
            store.locked(place),
        ):
            pass
    with store.locked(place) as held:
        held.check()


def other_holder(store: Any, place: str, **known: Any) -> str:
    body = {"host": "elsewhere", "boot": "", "pid": 1, "token": "t"} | known
    version: str = store.put_if(place, json.dumps(body).encode(), store.version(place))
    return version


def test_the_lock_of_a_dead_process_is_taken_over_at_once(bucket: Any) -> None:
    place = f"s3://{BUCKET}/.lock"
    store = store_at(place)
    with Lease(store, place):
        mine = json.loads(store.read(place))
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    other_holder(store, place, host=mine["host"], boot=mine["boot"], pid=child)
    with Lease(store, place) as lease:
        lease.check()
    assert objects(bucket) == {}


def test_a_lock_that_nobody_renews_is_taken_over_after_its_lease(bucket: Any) -> None:
    place = f"s3://{BUCKET}/.lock"
    store = store_at(place)
    other_holder(store, place)
    start = time.monotonic()
    with Lease(store, place, seconds=1.0) as lease:
        assert time.monotonic() - start >= 1.0
        lease.check()
    assert objects(bucket) == {}


def test_a_lock_that_is_renewed_elsewhere_is_respected(bucket: Any) -> None:
    place = f"s3://{BUCKET}/.lock"
    store = store_at(place)
    other_holder(store, place)
    renewal = threading.Timer(0.5, lambda: other_holder(store, place, token="t2"))  # noqa: S106
    renewal.start()
    with (
        pytest.raises(ReleaseError, match="locked by pid 1 on 'elsewhere'"),
        Lease(store, place, 5.0),
    ):
        pass
    renewal.join()
    assert list(objects(bucket)) == [".lock"]


def test_a_holder_that_slept_too_long_notices(bucket: Any) -> None:
    place = f"s3://{BUCKET}/.lock"
    store = store_at(place)
    with Lease(store, place, seconds=600) as lease:
        lease.check()
        other_holder(store, place)
        with pytest.raises(ReleaseError, match="took the lock over"):
            lease.check()
    assert list(objects(bucket)) == [".lock"], "the lock of the other was removed"


# Inputs


def reread(place: str, **split: Any) -> list[str]:
    facts = inspect_file(place, fields={"text": "text"})
    texts = []
    for part in plan_splits([("s", "label", place, facts)], **split):
        for batch in SplitReader(part, {"text": "text"}):
            texts += batch["text"].to_pylist()
    return texts


def test_plain_and_parquet_files_are_read_in_ranges(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("muniment.transforms.stores.objects._BLOCK", 1000)
    texts = [f"text {n}" * (n % 7 + 1) for n in range(400)]
    lines = b"".join(json.dumps({"text": text}).encode() + b"\n" for text in texts)
    (tmp_path / "a.jsonl").write_bytes(lines)
    pq.write_table(pa.table({"text": texts}), tmp_path / "b.parquet", row_group_size=50)
    for name in ("a.jsonl", "b.parquet"):
        bucket.upload_file(str(tmp_path / name), BUCKET, name)
        place = f"s3://{BUCKET}/{name}"
        assert reread(place, target_bytes=2000) == texts
        local, remote = inspect_file(tmp_path / name), inspect_file(place)
        assert (local.sha256, local.bytes, local.parquet) == (
            remote.sha256, remote.bytes, remote.parquet,
        )  # fmt: skip
        assert remote.etag


def test_an_object_that_changed_after_the_plan_is_refused(bucket: Any) -> None:
    place = f"s3://{BUCKET}/a.jsonl"
    bucket.put_object(Bucket=BUCKET, Key="a.jsonl", Body=b'{"text": "a"}\n' * 100)
    facts = inspect_file(place)
    splits = plan_splits([("s", "label", place, facts)], target_bytes=200)
    assert len(splits) > 1
    bucket.put_object(Bucket=BUCKET, Key="a.jsonl", Body=b'{"text": "b"}\n' * 100)
    with pytest.raises(InputError, match="input_changed"):
        list(SplitReader(splits[1], {"text": "text"}))
    bucket.delete_object(Bucket=BUCKET, Key="a.jsonl")
    with pytest.raises(InputError, match="input_changed"):
        list(SplitReader(splits[1], {"text": "text"}))


# Releases


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_job(tmp_path_factory.mktemp("job") / "in")


@pytest.fixture(scope="module")
def local_release(job: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return the files of a run without any object store."""
    output = tmp_path_factory.mktemp("local")
    run_job(load_job(job), output)
    return files_of(output)


def without_times(files: dict[str, bytes]) -> dict[str, bytes]:
    timed = ("run.json", ".lock", "HISTORY")
    return {name: data for name, data in files.items() if not name.endswith(timed)}


def test_inputs_work_and_output_on_a_store_give_the_bytes_of_a_local_run(
    bucket: Any, job: Path, local_release: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    for path in job.parent.glob("*.jsonl"):
        bucket.upload_file(str(path), BUCKET, f"in/{path.name}")
    output = f"s3://{BUCKET}/out"
    with counted_requests() as counts:
        assert main(["run", str(job), "-o", output, "--inputs", f"s3://{BUCKET}/in"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["output"] == output
    assert without_times(objects(bucket, "out/")) == without_times(local_release)
    # 2 splits, 3 partitions, 33 files of the release; a bound on waste, not a measurement.
    assert counts.total() < 800, counts
    assert main(["verify", output]) == 0
    assert json.loads(capsys.readouterr().out)["verified"] is True
    sql = "SELECT count(*) AS n FROM documents WHERE outcome = 'kept'"
    assert main(["query", output, sql, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"n": summary["documents"]["kept"]}]
    assert main(["query", output, "--named", "funnel"]) == 0
    assert "dup_near" in capsys.readouterr().out
    assert main(["card", output]) == 0
    assert summary["release"] in capsys.readouterr().out
    release = open_release(output)
    kept = pq.read_table(release.parts("documents")[0], columns=["doc_id"])
    assert main(["explain", output, kept["doc_id"][0].as_py().hex()]) == 0
    assert "made-up-secret" not in json.dumps([str(data) for data in local_release.values()])
    for name, data in objects(bucket, "out/").items():
        assert b"made-up" not in data, name


def test_whoever_asks_about_releases_on_a_store_gets_the_answers_of_a_disk(
    bucket: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, remote, local = write_job(tmp_path / "in"), f"s3://{BUCKET}/out", tmp_path / "out"
    main(["keygen", "--signing", str(tmp_path / "signer")])
    first, _ = commit_release(*finished(path, remote), (), remote, REPORT, HELD)
    job = yaml.safe_load(path.read_text())
    job["sources"][0]["paths"] = ["one.jsonl"]
    path.write_text(yaml.safe_dump(job))
    second, _ = commit_release(*finished(path, remote), (), remote, REPORT, HELD)
    for release in (first, second):
        assert main(["sign", remote, "--release", release, "--key", str(tmp_path / "signer")]) == 0
    assert len(objects(bucket, f"out/attestations/{second}/")) == 1
    for name, data in objects(bucket, "out/").items():
        (local / name).parent.mkdir(parents=True, exist_ok=True)
        (local / name).write_bytes(data)
    listed = pq.read_table(open_release(local, snapshot=first).parts("documents"))
    gone = next(row for row in listed.to_pylist() if row["input_number"] == 1)["doc_id"].hex()
    both = pq.read_table(open_release(local).parts("documents"))["doc_id"][0].as_py().hex()
    key = ["--key-file", str(tmp_path / "in" / "key")]
    hosts = tmp_path / "hosts.txt"
    hosts.write_text("example.org\n")
    capsys.readouterr()
    for verb, *words in (
        ["explain", "OUT", both],
        ["explain", "OUT", gone, "--format", "json"],  # only the other release knows it
        ["prove", "OUT", both, *key],
        ["prove", "OUT", gone, "--release", first, "--table", "documents", *key],
        ["verify", "OUT", *key, "--trusted-key", str(tmp_path / "signer.pub")],
        ["diff", "OUT", first, second],
        ["whatif", "OUT", "--list", str(hosts)],
        ["card", "OUT", "--format", "html"],
        ["erase", "case-1", "OUT", "--document", both, *key],
        ["verify", "OUT", *key],
        ["explain", "OUT", both],
    ):
        answers = []
        for output in (remote, str(local)):
            code = main([verb, *(output if word == "OUT" else word for word in words)])
            answers.append((code, capsys.readouterr().out.replace(output, "OUT")))
        assert answers[0] == answers[1], verb
        assert answers[0][0] == 0, verb
        assert answers[0][1], verb
    assert "erased on request case-1" in answers[0][1]
    assert without_times(objects(bucket, "out/")) == without_times(files_of(local))


def test_a_job_file_on_a_store_brings_its_key_and_its_lists(
    bucket: Any, job: Path, local_release: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    place = f"s3://{BUCKET}/jobs/{job.name}"
    assert main(["run", place, "-o", f"s3://{BUCKET}/out"]) == 2
    assert capsys.readouterr().err == f"error: {place}: there is no such object\n"
    for path in job.parent.iterdir():
        if path.is_file():
            bucket.upload_file(str(path), BUCKET, f"jobs/{path.name}")
    assert main(["run", place, "-o", f"s3://{BUCKET}/out"]) == 0
    assert without_times(objects(bucket, "out/")) == without_times(local_release)
    plan = Run(make_plan(load_job(job), f"s3://{BUCKET}/other")).plan
    worker = Run(replace(plan, root=f"s3://{BUCKET}/jobs"))
    assert worker.keyring.key_id.hex() == plan.key_id
    assert os.stat(worker.path(plan.job.key_file)).st_mode & 0o077 == 0


class _Unlocked:
    def check(self) -> None:
        """Never lost."""


HELD: Held = _Unlocked()
REPORT = {"finished": "2026-01-01T00:00:00+00:00"}


def finished(job: Path, output: str) -> tuple[Run, list[Any], list[Any]]:
    """Run every stage on a work folder below an output; return what a commit takes."""
    run = Run(make_plan(load_job(job), join(output, ".work")))
    final = govern(run)
    return run, stage_units.finished(run, "annotate"), final


def test_units_on_a_store_are_not_done_again(
    bucket: Any, job: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = f"s3://{BUCKET}/out"
    _, _, first = finished(job, output)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(stage_units, "finalize_split", refuse)
    assert finished(job, output)[2] == first
    # An object of the same name and size that is not the one that was written.
    facts = first[0].outputs["documents"]
    bucket.put_object(Bucket=BUCKET, Key=facts.path.split("/", 3)[3], Body=b"x" * facts.bytes)
    with pytest.raises(Exception, match="AssertionError"):
        finished(job, output)


def test_damage_is_named_and_a_run_mends_it(
    bucket: Any, job: Path, local_release: dict[str, bytes]
) -> None:
    output = f"s3://{BUCKET}/out"
    run, annotated, final = finished(job, output)
    release_id, _ = commit_release(run, annotated, final, (), output, REPORT, HELD)
    folder = f"out/snapshots/{release_id}/"
    corpus = next(name for name in objects(bucket, folder) if name.startswith("corpus/"))
    bucket.put_object(Bucket=BUCKET, Key=folder + corpus, Body=b"damaged")
    bucket.put_object(Bucket=BUCKET, Key=folder + "manifest/evil.parquet", Body=b"x")
    bucket.delete_object(Bucket=BUCKET, Key=folder + "manifest/rules/part-00000.parquet")
    found = {(fault.file, fault.check) for fault in verify(open_release(output))}
    assert found == {
        (corpus, "digest"),
        ("manifest/evil.parquet", "extra-file"),
        ("manifest/rules/part-00000.parquet", "digest"),
    }
    assert commit_release(run, annotated, final, (), output, REPORT, HELD)[0] == release_id
    assert verify(open_release(output)) == []
    released = {n: d for n, d in objects(bucket, "out/").items() if not n.startswith(".work/")}
    assert without_times(released) == without_times(local_release)


def test_a_run_that_lost_its_lock_moves_nothing(bucket: Any, job: Path) -> None:
    output = f"s3://{BUCKET}/out"
    run, annotated, final = finished(job, output)

    class Lost:
        def check(self) -> None:
            raise ReleaseError("lost")

    with pytest.raises(ReleaseError, match="lost"):
        commit_release(run, annotated, final, (), output, REPORT, Lost())
    assert [name for name in objects(bucket, "out/") if not name.startswith(".work/")] == []


@pytest.mark.usefixtures("bucket")
@pytest.mark.long
def test_a_reader_sees_whole_releases_only(job: Path) -> None:
    """One release is current, another is put together and becomes current, again and again."""
    output = f"s3://{BUCKET}/out"
    first = finished(job, output)
    release_id, _ = commit_release(*first, (), output, REPORT, HELD)
    known = {release_id}
    stop, seen, wrong = threading.Event(), set(), []

    def read() -> None:
        while not stop.is_set():
            try:
                release = open_release(output)
                seen.add(release.id)
                release.bring(release.listed)
                wrong.extend(release.damage(item) for item in release.files("documents"))
            except (IntegrityError, ReleaseError) as error:
                wrong.append(str(error))

    reader = threading.Thread(target=read)
    reader.start()
    for threshold in (0.7, 0.9):
        near = {"num_perm": 128, "threshold": threshold}
        other = write_job(job.parent.parent / f"in{threshold}", deduplication={"near": near})
        known.add(commit_release(*finished(other, output), (), output, REPORT, HELD)[0])
        known.add(commit_release(*finished(job, output), (), output, REPORT, HELD)[0])
    stop.set()
    reader.join()
    assert set(wrong) <= {None}
    assert seen <= known
    assert len(known) == 5  # a release that comes back has another parent


# What cannot work is said in one line, before any work


def error_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main([*arguments]) == 2
    err = capsys.readouterr().err.strip()
    assert len(err.splitlines()) == 1, err
    return err


def test_a_missing_bucket_is_named(
    bucket: Any, job: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bucket
    told = error_of(capsys, "run", str(job), "-o", "s3://no-such-bucket/out")
    assert "s3://no-such-bucket" in told
    assert "create the bucket" in told
    assert "no-such-bucket" in error_of(capsys, "verify", "s3://no-such-bucket/out")
    empty = error_of(capsys, "verify", f"s3://{BUCKET}/out")
    assert f"s3://{BUCKET}/out: no release here" in empty


def test_missing_credentials_are_said_with_the_bucket(
    bucket: Any, job: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bucket
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    forget_clients()
    told = error_of(capsys, "run", str(job), "-o", f"s3://{BUCKET}/out")
    assert f"s3://{BUCKET}" in told
    assert "AWS_ACCESS_KEY_ID" in told


def test_a_store_that_does_not_answer_is_said(
    bucket: Any, job: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bucket
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    forget_clients()
    store = store_at("s3://x")
    store.system.retries = 1  # type: ignore[attr-defined]
    told = error_of(capsys, "run", str(job), "-o", f"s3://{BUCKET}/out")
    assert f"s3://{BUCKET}: the store failed" in told


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("hdfs://x/y", "supported are gs://, s3:// and local paths"),
        ("s3://user:secret@bucket/x", "credentials by the environment"),
        ("s3:///x", "expected s3://BUCKET/KEY"),
    ],
)
def test_a_location_that_cannot_be_used_is_refused_without_repeating_it(
    place: str, expected: str, job: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for told in (
        error_of(capsys, "run", str(job), "-o", place),
        error_of(capsys, "run", str(job), "--inputs", place),
        error_of(capsys, "query", place, "SELECT 1"),
    ):
        assert expected in told
        assert "secret" not in told


def test_a_missing_library_is_named_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    forget_clients()
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(StorageError, match=r"pip install muniment\[gs\]"):
        store_at("gs://bucket/x")
    forget_clients()


# Google's dialect, against what its documentation says; never run against the service


class _Generations:
    """Answers as the JSON API does: generations, and 412 where a condition does not hold."""

    _location = "https://storage.invalid"

    def __init__(self) -> None:
        self.generation = 0
        self.calls: list[tuple[str, str, dict[str, Any]]] = []

    def call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        self.calls.append((method, path, options))
        if int(options["ifGenerationMatch"]) != self.generation:
            error = RuntimeError("conditionNotMet")
            error.code = 412  # type: ignore[attr-defined]
            raise error
        self.generation += 1
        return {"generation": str(self.generation)}


def test_google_puts_on_the_condition_of_a_generation(monkeypatch: pytest.MonkeyPatch) -> None:
    system = _Generations()
    monkeypatch.setattr("fsspec.filesystem", lambda *_, **__: system)
    store = GoogleStore()
    first = store.put_if("gs://bucket/a/b", b"1", None)
    assert store.put_if("gs://bucket/a/b", b"2", first) == "2"
    for seen in (None, first):
        with pytest.raises(Missed):
            store.put_if("gs://bucket/a/b", b"3", seen)
    method, path, options = system.calls[0]
    assert (method, path) == ("POST", "https://storage.invalid/upload/storage/v1/b/bucket/o")
    assert options["name"] == "a/b"
    assert options["ifGenerationMatch"] == "0"


def test_both_stores_are_stores() -> None:
    assert issubclass(GoogleStore, Store)
