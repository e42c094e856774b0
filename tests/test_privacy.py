# SPDX-License-Identifier: Apache-2.0
"""What a corpus says is nowhere but in the corpus: hundreds of canaries, searched for everywhere.

Canaries stand in every field of good, duplicate, removed and broken records; jobs run as loudly
as they can, succeed and fail, in one process and in two. Then every file, every answer and every
log is searched. The search itself is proved first: it finds what was planted, and what leaks.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
import yaml
import zstandard

from canaries import Canaries, Search
from muniment.pipelines.cli import main
from muniment.pipelines.launch import places
from muniment.pipelines.query import VIEWS
from small_corpus import dump_job, edited, prose, write_corpus

MARK = "qxdetectorfails"
"""A document with this word makes the detector of the `detector` fault raise."""

FAULTS = """
import os
fault = os.environ.get("CANARY_FAULT")
if fault == "detector":
    from muniment.transforms.pii import detect as _  # the function hides its module's name
    import sys
    module = sys.modules["muniment.transforms.pii.detect"]
    whole = module._structured
    def failing(scanner, view, *rest):
        text = bytes(view.data[view.begin : view.end]).decode()
        if "MARK" in text:
            raise ValueError(text)
        return whole(scanner, view, *rest)
    module._structured = failing
elif fault == "disk":
    import errno
    left, whole = [60], os.fsync
    def full(descriptor):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.environ["CANARY_WORD"])
        return whole(descriptor)
    os.fsync = full
elif fault == "crash":
    def dying(*arguments):
        os.abort()
    import muniment.transforms.stage_units as module
    module.annotate = dying
elif fault and fault != "none":
    def failing(*arguments):
        raise ValueError("a document that says " + os.environ["CANARY_WORD"])
    if fault == "stage":
        import muniment.transforms.annotate as module
        module.canonical_text = failing
    else:
        import muniment.transforms.stage_units as module
        module.annotate = failing
""".replace("MARK", MARK)


@dataclass(frozen=True)
class Planted:
    """A job full of canaries.

    Args:
        job: The job file.
        shown: Words that the corpus may and must hold.
        cut: Words before and after the cut of a stream: the corpus may hold them.
        hidden: Words that nothing may hold.
        personal: Personal data that nothing may hold.
    """

    job: Path
    shown: Canaries
    cut: Canaries
    hidden: Canaries
    personal: Canaries

    def outside(self) -> Search:
        """Return the search for everything, in what is not the corpus."""
        words = [*self.shown.words, *self.cut.words, *self.hidden.words]
        return Search([*words, *self.personal.personal, MARK], self.personal.personal)

    def inside(self) -> Search:
        """Return the search for what not even the corpus may hold."""
        words = [*self.hidden.words, *self.personal.personal, MARK]
        return Search(words, self.personal.personal)


def plant(folder: Path, times: int = 1) -> Planted:
    """Write a job whose inputs hold canaries wherever an input can hold anything.

    Args:
        folder: Where to.
        times: How many times as many good records, cut records and rows as usual.
    """
    shown, cut, hidden, personal = (Canaries(seed) for seed in range(4))
    write_corpus(folder)
    kinds = (personal.email, personal.phone, personal.card, personal.resident)

    def text(n: int, words: Canaries) -> str:
        value, other = kinds[n % 4](), kinds[(n + 1) % 4]()
        return f"The {words.word()} of {value} is {words.word()}, see {other}. {prose(2000 + n)}"

    def record(n: int, words: Canaries = hidden, **changes: Any) -> dict[str, Any]:
        telling = f"?mail={personal.email()}#{hidden.word()}"
        return {
            "text": text(n, words),
            "id": f"{hidden.word()} {personal.email()}",
            "url": f"https://place{n}.example.org/{hidden.word()}{telling}",
            "title": f"On {words.word()}, by {personal.email()}",
            "author": hidden.name(),
            "date": f"{hidden.word()} 2024",
            "licence": f"{hidden.word()} licence",
            f"field {hidden.word()}": {
                f"key {personal.email()}": [hidden.word(), personal.phone()]
            },
        } | changes

    good = [record(n, shown) for n in range(30)]
    good += [record(10_000 + n, shown) for n in range(50 * (times - 1))]
    good += [
        record(n, shown, url=f"https://place.example.org/{shown.word()}") for n in range(30, 40)
    ]
    good += [  # credited by name, as the licence asks
        record(n, shown, licence="CC-BY-4.0", author=shown.name(), date="2024-03-02")
        for n in range(40, 50)
    ]
    hosts = [f"{personal.phone()}.example.net" for _ in range(4)]
    hosts += [f"www.{personal.phone()}.com", f"{personal.card()}.org"]
    good += [record(51 + n, shown, url=f"https://{host}/") for n, host in enumerate(hosts)]
    copied = {name: hidden.word() for name in ("id", "date")}
    unseen = hidden.word  # what is said in records that are not kept
    gone = [
        good[3] | copied | {"text": good[3]["text"] + "\n\n"},
        good[4] | copied | {"text": edited(good[4]["text"])},
        record(62, text=f"{unseen()} {prose(62)}", url="https://www.site3.example.org/x"),
        record(63, text=f"{unseen()} {' '.join(personal.resident() for _ in range(4))}"),
        record(64, text=f"{MARK} {unseen()} {personal.email()} {prose(64)}"),
        record(65, text=f"\u202e{personal.email()[::-1]}\u202c {unseen()} {prose(65)}"),
        record(66, id=hidden.word() * 200, text=f"{unseen()} {prose(66)}"),
        record(67, text=[unseen(), personal.email()]),
        record(68, text=7, note=unseen()),
        record(69, text=None, note=unseen()),
        {"note": f"{unseen()} {personal.card()}"},
        record(70, text="\ud800 " + unseen()),
        record(71, number=float("inf"), text=unseen()),
        record(72, deep=json.loads("[" * 70 + f'"{unseen()}"' + "]" * 70), text=unseen()),
        [unseen(), personal.email()],
        unseen(),
    ]
    lines = [json.dumps(item).encode() for item in [*good, *gone]]
    lines += [
        f'{{"text": "{unseen()} {personal.email()}'.encode(),
        f'{{"text": "{unseen()}", "text": "{personal.phone()}"}}'.encode(),
        f"{unseen()} {personal.resident()} is no JSON".encode(),
        b'{"text": "'
        + unseen().encode()
        + b' \xff\xfe", "id": "'
        + personal.email().encode()
        + b'"}',
    ]
    random.Random(5).shuffle(lines)
    (folder / "loud.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    stream = "\n".join(json.dumps(record(80 + n, cut)) for n in range(60 * times))
    packed = gzip.compress(stream.encode())
    (folder / "cut.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    name = f"by {personal.email()}.parquet"
    rows = range(20 * times)
    texts = [text(500 + n if times == 1 else 20_000 + n, shown) for n in rows]
    said = [hidden.word() for _ in rows] if times > 1 else [hidden.word()] * 20
    table = pa.table({"body": texts, hidden.word(): said, "n": rows})
    metadata = {f"note {hidden.word()}": personal.email()}
    pq.write_table(table.replace_schema_metadata(metadata), folder / name)
    content = yaml.safe_load((folder / "job.yaml").read_text())
    fields = {name: name for name in ("text", "id", "url", "title", "author", "date", "licence")}
    declared = {
        key: content["sources"][0][key]
        for key in ("kind", "licence", "legal_basis", "origin", "collected", "reviewer")
    }
    content["on_bad_file"] = "quarantine"
    content["sources"] = [
        {"name": "loud", "paths": ["loud.jsonl", "cut.jsonl.gz"], "fields": fields, **declared},
        {"name": "files", "paths": ["by*.parquet"], "fields": {"text": "body"}, **declared},
        *content["sources"],
    ]
    (folder / "job.yaml").write_text(dump_job(content))
    return Planted(folder / "job.yaml", shown, cut, hidden, personal)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    return plant(tmp_path_factory.mktemp("planted"))


@dataclass(frozen=True)
class Ran:
    """A run and everything it wrote anywhere.

    Args:
        everything: Folder with the output, the working directory, the place of temporary files,
            stdout and stderr of the run.
        code: Its exit code.
    """

    everything: Path
    code: int

    @property
    def output(self) -> Path:
        return self.everything / "out"

    def said(self, name: str) -> str:
        return (self.everything / name).read_text()


def run(planted: Planted, everything: Path, workers: int, fault: str, *flags: str) -> Ran:
    """Run the job as loudly as possible, with a fault planted in every process of it."""
    for name in ("out", "cwd", "tmp", "faults"):
        (everything / name).mkdir(parents=True)
    (everything / "faults" / "sitecustomize.py").write_text(FAULTS)
    paths = [str(everything / "faults"), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {
        "CANARY_FAULT": fault,
        "CANARY_WORD": planted.hidden.words[0],
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(everything / "tmp"),
    }
    command = [sys.executable, "-m", "muniment", "-vv", "run", str(planted.job), "--keep-work"]
    command += ["--output", str(everything / "out"), "--workers", str(workers), *flags]
    done = subprocess.run(
        command,
        cwd=everything / "cwd",
        env=environment,
        capture_output=True,
        check=False,
        timeout=300,
        umask=0,
    )
    (everything / "stdout").write_bytes(done.stdout)
    (everything / "stderr").write_bytes(done.stderr)
    (everything / "faults" / "sitecustomize.py").unlink()
    return Ran(everything, done.returncode)


@pytest.fixture(scope="module")
def alone(planted, tmp_path_factory) -> Ran:
    return run(planted, tmp_path_factory.mktemp("alone"), 1, "detector")


@pytest.fixture(scope="module")
def together(planted, tmp_path_factory) -> Ran:
    return run(planted, tmp_path_factory.mktemp("together"), 2, "detector")


@pytest.fixture(params=["alone", "together"])
def released(request) -> Ran:
    ran: Ran = request.getfixturevalue(request.param)
    assert ran.code == 0, ran.said("stderr")
    return ran


CORPUS = "out/snapshots/*/corpus/*"
STAGED_CORPUS = "out/.work/*/*.corpus*"
"""The same files, hard links of one another."""
PLAN = "out/.work/plan.json"
"""The one file that has to name the inputs as they are called, to open them."""
WORKER_LOG = "out/.work/worker.log"
"""What libraries print in a worker process: nothing is known of it, so it is private."""


# ---- the search can fail


def test_the_search_finds_what_was_planted(planted):
    found = set().union(*planted.outside().leaks(planted.job.parent).values())
    assert found >= {*planted.shown.words, *planted.hidden.words[:50], MARK}
    # What stood behind the cut of the stream was never written.
    assert len(found & set(planted.personal.personal)) > 300


def test_the_search_finds_a_leak_in_any_container(planted, tmp_path):
    word, value = planted.hidden.words[0], planted.personal.personal[0]
    table = pa.table({"list": [[{"name": word}]], "code": pa.array([word]).dictionary_encode()})
    pq.write_table(table, tmp_path / "leak.parquet", compression="zstd")
    with pa.ipc.new_file(tmp_path / "leak.arrow", table.schema) as file:
        file.write_table(table)
    (tmp_path / "leak.zst").write_bytes(zstandard.compress(word.encode()))
    (tmp_path / "leak.html").write_text("".join(f"&#{ord(char)};" for char in word))
    (tmp_path / "leak.json").write_text("".join(f"\\u{ord(char):04x}" for char in word))
    (tmp_path / "shout.log").write_text(word.upper())
    (tmp_path / "plain.sha256").write_text(hashlib.sha256(value.encode()).hexdigest())
    (tmp_path / word).mkdir()
    (tmp_path / "clean").write_text("nothing to see")
    found = planted.outside().leaks(tmp_path)
    assert set(found) == {path.name for path in tmp_path.iterdir()} - {"clean"}
    assert found.pop("plain.sha256") == {f"sha256 of {value}"}
    assert set(map(frozenset, found.values())) == {frozenset({word})}


# ---- released jobs


@pytest.mark.slow
@pytest.mark.model
def test_nothing_outside_the_corpus_holds_a_canary(planted, released):
    assert planted.outside().leaks(released.everything, but=(CORPUS, STAGED_CORPUS, PLAN)) == {}


@pytest.mark.slow
@pytest.mark.model
def test_the_corpus_holds_the_kept_words_and_nothing_personal(planted, released):
    corpus = next((released.output / "snapshots").glob("*/corpus"))
    assert planted.inside().leaks(corpus) == {}
    for name in ("*.parquet", "*.zst"):
        seen = Search(planted.shown.words).leaks(corpus, but=(name,)).values()
        assert set(planted.shown.words) == set().union(*seen)


@pytest.mark.slow
@pytest.mark.model
def test_every_planted_fate_was_met(released):
    summary = json.loads(released.said("stdout").splitlines()[-1])
    reasons = summary["removed_by_reason"] | summary["quarantined_by_reason"]
    assert set(reasons) >= {
        "dup_exact", "dup_near", "optout_domain", "pii_dense", "stage_error", "bidi_control",
        "bad_id", "wrong_type", "missing_field", "surrogate", "number_out_of_range", "too_deep",
        "not_an_object", "json_syntax", "duplicate_key", "invalid_utf8", "truncated_stream",
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.model
def test_no_answer_holds_a_canary(planted, alone, tmp_path, capfd):
    folder = str(alone.output)
    for table in VIEWS:
        assert main(["query", folder, f"FROM {table}", "--format", "json"]) == 0
    assert main(["query", folder, "SELECT * FROM corpus"]) == 2
    for form in ("md", "html"):
        assert main(["card", folder, "--format", form]) == 0
    assert main(["verify", folder]) == 0
    sql = "SELECT min(hex(doc_id)) AS id FROM documents GROUP BY reason"
    said = capfd.readouterr()
    assert main(["query", folder, sql, "--format", "json"]) == 0
    for row in json.loads(capfd.readouterr().out):
        assert main(["explain", folder, row["id"], "--format", "json"]) == 0
    assert main(["explain", folder, row["id"]]) == 0
    explained = capfd.readouterr()
    assert main(["-vv", "run", str(planted.job), "--dry-run", "-o", str(tmp_path / "no")]) == 0
    plan = capfd.readouterr()
    for text in (*said, *explained, plan.err):
        assert planted.outside().within(text.encode()) == set()
    # A plan names the files it found as they are; nothing else of it is the inputs' word.
    assert len(planted.outside().within(plan.out.encode())) <= 1


@pytest.mark.slow
@pytest.mark.model
def test_the_work_folder_is_its_owners_alone(released):
    work = released.output / ".work"
    modes = {
        str(path.relative_to(work)): oct(stat.S_IMODE(path.stat().st_mode))
        for path in [work, *work.rglob("*")]
    }
    # Parts that were released are hard links of public files.
    linked = {
        str(path.relative_to(work))
        for path in work.rglob("*")
        if path.is_file() and path.stat().st_nlink > 1
    }
    assert all(name.startswith(("finalize/", "settle/", "release/")) for name in linked)
    odd = {
        name: mode
        for name, mode in modes.items()
        if name not in linked and mode != ("0o700" if (work / name).is_dir() else "0o600")
    }
    assert odd == {}


# ---- failing jobs


def test_a_traceback_is_kept_without_its_words():
    trace = """Traceback (most recent call last):
  File "/a/stages.py", line 68, in _annotate
    return annotate("a text in the source")
           ^^^^^^^^
ValueError: a document says
so on two lines

During handling of the above exception, another exception occurred:

  File "apache_beam/runners/common.py", line 1512, in apache_beam.runners.common.DoFn.process
RuntimeError
muniment.schemas.errors.StageError: words [while running 'Annotate']
"""
    assert places(trace).splitlines() == [
        '  File "/a/stages.py", line 68, in _annotate',
        "ValueError",
        '  File "apache_beam/runners/common.py", line 1512, in apache_beam',
        "RuntimeError",
        "muniment.schemas.errors.StageError",
    ]


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("fault", ["stage", "engine"])
def test_a_failing_job_says_nothing_of_the_text(planted, tmp_path, workers, fault):
    ran = run(planted, tmp_path / "all", workers, fault)
    assert ran.code == 1
    assert not (ran.output / "CURRENT").exists()
    errors = [line for line in ran.said("stderr").splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    log = ran.everything / WORKER_LOG
    assert not log.exists() or stat.S_IMODE(log.stat().st_mode) == 0o600
    assert planted.outside().leaks(ran.everything, but=(PLAN,)) == {}


@pytest.mark.slow
@pytest.mark.model
def test_a_damaged_input_is_named_without_its_content(planted, tmp_path, capfd):
    content = yaml.safe_load(planted.job.read_text())
    broken = {
        "a stream that ends early": {"on_bad_file": "fail"},
        "a column that is not there": {
            "sources": [{**content["sources"][1], "fields": {"text": "other"}}]
        },
        "a column of numbers": {"sources": [{**content["sources"][1], "fields": {"text": "n"}}]},
    }
    search = planted.outside()
    allowed = search.within(next(planted.job.parent.glob("by*")).name.encode())
    for name, changes in broken.items():
        job = planted.job.with_name("broken.yaml")
        job.write_text(dump_job(content | changes))
        code = main(["-vv", "run", str(job), "-o", str(tmp_path / name)])
        job.unlink()
        said = capfd.readouterr()
        assert code == 2, name
        assert len(said.err.strip().splitlines()) == 1, said.err
        assert search.within((said.out + said.err).encode()) <= allowed, name
