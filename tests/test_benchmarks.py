# SPDX-License-Identifier: Apache-2.0
"""The end-to-end benchmarks: what they run, what they count, what they report.

Numbers are never tested here: only that they are about the right thing.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import dedup_speed
import end_to_end
from call_counts import CallCounter, report
from corpus_job import BenchmarkError, first_rows, open_corpus, write_job
from end_to_end import Settings, by_stage, outside_stages, run_job, slowest_step
from process_tree import Measured, run_measured

from muniment.schemas.job_file import load_job

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
WORDS = "the lion and the mouse met again near a quiet river under old trees".split()


def lay_out(cache: Path, sources: dict[str, list[str]]) -> Path:
    """Write a corpus `mail` as `corpora.py` lays it out."""
    folder = cache / "mail" / "parquet"
    declared, built = [], {}
    for name, texts in sources.items():
        (folder / name).mkdir(parents=True)
        table = pa.table({"text": texts, "id": [f"{name}/{n}" for n in range(len(texts))]})
        pq.write_table(table, folder / name / "part-00000.parquet", write_page_checksum=True)
        declared.append(
            {
                "name": name,
                "kind": "other",
                "reviewer": "somebody",
                "paths": [f"{name}/part-*.parquet"],
                "format": "parquet",
                "fields": {"text": "text", "id": "id"},
                "licence": "CC0-1.0",
                "legal_basis": "own_content",
                "origin": "worldwide",
                "collected": {"start": "2026-01-01", "end": "2026-01-02"},
            }
        )
        built[name] = {"documents": len(texts), "text_bytes": sum(map(len, texts))}
    described = {"corpus": "mail", "sources": declared, "built": built}
    (folder / "sources.json").write_text(json.dumps(described))
    return cache


def different(name: str) -> list[str]:
    """Return 30 short texts that share a few words."""
    return [f"{' '.join(WORDS[n % 7 :])} {name} {n} {n * n}" for n in range(30)]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with a corpus `mail` of two sources."""
    texts = {name: different(name) for name in ("north", "south")}
    return lay_out(tmp_path_factory.mktemp("cache"), texts)


def fake_muniment(monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """Put a few lines of Python in the place of muniment; `arguments` and `job` are defined."""
    head = "import json, pathlib, sys\narguments = sys.argv[1:]\n"
    head += "job = json.loads(pathlib.Path(arguments[1]).read_text())\n"
    monkeypatch.setattr(end_to_end, "MUNIMENT", (sys.executable, "-c", head + body))


class TestCorpus:
    def test_a_corpus_that_is_not_built_names_the_command_that_builds_it(self, tmp_path):
        with pytest.raises(BenchmarkError, match=r"run `python benchmarks/corpora.py mixed` first"):
            open_corpus(tmp_path, "mixed")

    def test_one_source_counts_its_own_documents_only(self, cache):
        whole, part = open_corpus(cache, "mail"), open_corpus(cache, "mail", ["south"])
        assert (whole.name, whole.documents) == ("mail", 60)
        assert (part.name, part.documents) == ("mail/south", 30)
        assert part.text_bytes < whole.text_bytes

    def test_an_unknown_source_is_answered_with_the_known_ones(self, cache):
        with pytest.raises(BenchmarkError, match="no source east; it has north, south"):
            open_corpus(cache, "mail", ["east"])

    def test_the_job_file_is_valid_and_reads_the_corpus_where_it_lies(self, cache, tmp_path):
        corpus = open_corpus(cache, "mail")
        path = write_job(corpus, tmp_path, dedup_only=True, ner="off", workers=2, override="why")
        job = load_job(path, allow_outside=True).job
        assert [source.paths[0] for source in job.sources] == [
            str(corpus.folder / "north/part-*.parquet"),
            str(corpus.folder / "south/part-*.parquet"),
        ]
        assert not job.language.enabled
        assert not job.toxicity.enabled
        assert not job.personal_data.enabled
        assert job.deduplication.exact
        assert job.deduplication.near.enabled
        assert job.deduplication.override_guards == "why"
        assert job.engine.workers == 2

    def test_the_governed_job_measures_everything_and_heeds_the_guards(self, cache, tmp_path):
        path = write_job(open_corpus(cache, "mail"), tmp_path, dedup_only=False, ner="all")
        job = load_job(path, allow_outside=True).job
        assert job.toxicity.enabled
        assert job.personal_data.enabled
        assert job.personal_data.ner == "all"
        assert job.deduplication.override_guards is None

    def test_the_first_rows_are_a_corpus_with_the_same_sources(self, cache, tmp_path):
        small = first_rows(open_corpus(cache, "mail"), tmp_path, rows=4)
        assert small.documents == 8
        assert [source["name"] for source in small.sources] == ["north", "south"]
        assert pq.read_metadata(tmp_path / "south" / "part-0.parquet").num_rows == 4


class TestProcessTree:
    def test_output_and_exit_code_are_kept(self):
        script = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
        measured = run_measured([sys.executable, "-c", script])
        assert (measured.code, measured.stdout, measured.stderr) == (3, "out\n", "err\n")

    def test_memory_of_children_is_in_the_sum_and_the_largest_is_one_process(self):
        hold = "import time; block = bytearray(60_000_000); time.sleep(0.6)"
        script = f"import subprocess, sys; s = [sys.executable, '-c', {hold!r}];"
        script += "[p.wait() for p in [subprocess.Popen(s), subprocess.Popen(s)]]"
        # In a process of its own: a child begins as a copy of its parent, and the system counts
        # that copy's size, here that of the whole test run.
        outer = f"import sys; sys.path = {sys.path!r}; from process_tree import run_measured;"
        outer += f"m = run_measured([sys.executable, '-c', {script!r}], interval=0.02);"
        outer += "print(m.processes, m.rss_sum, m.rss_largest)"
        told = subprocess.run([sys.executable, "-c", outer], capture_output=True, check=True)
        processes, rss_sum, rss_largest = map(int, told.stdout.split())
        assert processes == 3
        assert rss_sum > 120_000_000
        assert 60_000_000 < rss_largest < rss_sum

    def test_cpu_of_a_child_that_nobody_waits_for_is_counted(self):
        spin = "import time\nwhile time.process_time() < 0.5: pass"
        script = "import os, subprocess, sys\n"
        script += f"p = subprocess.Popen([sys.executable, '-c', {spin!r}])\n"
        script += "while subprocess.os.waitid(os.P_PID, p.pid, os.WEXITED | os.WNOWAIT) is None: 1"
        measured = run_measured([sys.executable, "-c", script], interval=0.02)
        assert measured.cpu_seconds > 0.4

    def test_a_signal_is_a_negative_code(self):
        script = "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"
        assert run_measured([sys.executable, "-c", script]).code == -15


class TestGuards:
    STOPS = """
if "override_guards" not in job.get("deduplication", {}):
    print("error: near-duplicates: source north would lose 9; set deduplication.override_guards",
          file=sys.stderr)
    sys.exit(3)
print(json.dumps({"reason": job["deduplication"]["override_guards"]}))
"""

    def test_a_run_that_a_guard_stops_is_run_again_with_the_override_recorded(
        self, cache, tmp_path, monkeypatch
    ):
        fake_muniment(monkeypatch, self.STOPS + "pathlib.Path(arguments[-1]).mkdir()")
        output = tmp_path / "release"
        output.mkdir()
        done = run_job(open_corpus(cache, "mail"), Settings(), tmp_path, output)
        assert done.stopped_by is not None
        assert "source north would lose 9" in done.stopped_by
        assert done.summary["reason"] == end_to_end.OVERRIDE

    def test_overridden_from_the_start_nothing_is_stopped(self, cache, tmp_path, monkeypatch):
        fake_muniment(monkeypatch, self.STOPS)
        corpus, settings = open_corpus(cache, "mail"), Settings(override=True)
        assert run_job(corpus, settings, tmp_path, tmp_path / "release").stopped_by is None

    @pytest.mark.parametrize("code", [1, 2, 3])
    def test_any_other_failure_is_an_error_with_its_message(
        self, cache, tmp_path, monkeypatch, code
    ):
        fake_muniment(monkeypatch, f"print('error: broken', file=sys.stderr); sys.exit({code})")
        with pytest.raises(BenchmarkError, match=f"exit code {code}: broken"):
            run_job(open_corpus(cache, "mail"), Settings(), tmp_path, tmp_path / "release")

    def test_a_folder_with_a_former_run_is_refused(self, cache, tmp_path):
        (tmp_path / ".work").mkdir()
        with pytest.raises(BenchmarkError, match="expected an empty folder"):
            run_job(open_corpus(cache, "mail"), Settings(), tmp_path, tmp_path)


STAGES = {
    "annotate": {"seconds": 5.0, "cpu_seconds": 4.0, "bytes": 0},
    "annotate.language": {"seconds": 2.0, "cpu_seconds": 1.0, "bytes": 9},
    "annotate.signature": {"seconds": 2.0, "cpu_seconds": 2.5, "bytes": 9},
    "screen": {"seconds": 1.0, "cpu_seconds": 0.5, "bytes": 0},
    "join": {"seconds": 0.0, "cpu_seconds": 0.0, "bytes": 0},
}


class TestReport:
    def test_the_rate_of_a_stage_is_the_text_of_the_corpus_by_its_cpu(self, cache):
        corpus = open_corpus(cache, "mail")
        stages = by_stage(corpus, STAGES)
        assert stages["screen"]["mb_per_cpu_second"] == round(corpus.text_bytes / 1e6 / 0.5, 1)
        assert stages["join"]["mb_per_cpu_second"] is None

    def test_the_slowest_step_is_a_step_and_not_the_stage_around_it(self):
        assert slowest_step(STAGES, 10.0) == {"step": "annotate.signature", "job_to_step": 4.0}

    def test_steps_are_not_taken_off_twice(self):
        assert outside_stages(STAGES, 10.0) == 5.5


def looped(values: list[str]) -> list[int]:
    return [len(value) for value in values]


def at_once(values: list[str]) -> int:
    return sum(map(len, values))


class TestCallCounts:
    def count(self, function: Any, values: list[str]) -> CallCounter:
        counter = CallCounter(__name__)
        with counter.watching():
            function(values)
        return counter

    def test_a_comprehension_over_documents_shows(self):
        assert max(self.count(looped, ["a"] * 100).lines.values()) >= 100

    def test_work_on_the_whole_column_does_not(self):
        counter = self.count(at_once, ["a"] * 100)
        assert counter.calls[__name__] == 1
        assert max(counter.lines.values()) == 1

    def test_nothing_is_counted_outside_the_block_or_the_package(self):
        counter = self.count(at_once, [])
        counted = counter.calls.total()
        looped(["a"] * 10)
        with counter.watching():
            json.dumps({"a": 1})
        assert counter.calls.total() == counted

    def test_a_line_that_runs_for_each_document_fails_the_verdict(self):
        counter = CallCounter("muniment.")
        for module in ("reading.parquet", "minhash", "hashing", "exchange"):
            counter.calls[f"muniment.transforms.{module}"] = 4
            counter.lines[f"muniment.transforms.{module}", 7] = 4
        assert report(counter, 1000)["columns_not_rows"]
        counter.lines["muniment.transforms.minhash", 8] = 1000
        found = report(counter, 1000)
        assert not found["columns_not_rows"]
        assert found["hot_paths"]["signature"]["busiest_line"] == "minhash:8"
        assert found["hot_paths"]["signature"]["lines_per_document"] == 1.004


class TestComparison:
    OURS = Measured(0, "", "", 2.0, 3.0, 10, 5, 3)
    THEIRS = Measured(0, "", "", 30.0, 40.0, 10, 5, 3)

    def summarise(self, cache: Path, read: int, part: int = 1) -> dict[str, Any]:
        counts = {"read": 60, "kept": 50, "removed": 10, "quarantined": 0}
        finished = end_to_end.Finished(
            self.OURS, {"documents": counts, "removed_by_reason": {"dup_near": 10}}, None
        )
        corpus = open_corpus(cache, "mail")
        said = {"documents": read, "kept": 52, "tasks": 2, "tool": "datatrove 1"}
        said |= {"seconds": {"signature": 20.0}, "total_seconds": 20.0}
        said |= {"text_bytes": corpus.text_bytes // part}
        return dedup_speed.summarise(
            corpus, 2, {"bands": 14, "rows": 9}, finished, {"datatrove": (self.THEIRS, said)}
        )

    def test_the_ratio_is_of_whole_processes_and_the_work_alone_stands_beside_it(self, cache):
        found = self.summarise(cache, 60)
        theirs = found["datatrove"]
        assert (theirs["ratio"], theirs["ratio_without_its_start_up"]) == (15.0, 10.0)
        assert (found["bands"], found["rows"], found["shingle_size"]) == (14, 9, 5)
        assert found["muniment"]["kept"] == 50
        assert found["datatrove"]["kept"] == 52

    def test_a_ratio_over_a_part_is_of_bytes_a_second(self, cache):
        theirs = self.summarise(cache, 6, part=10)["datatrove"]
        assert theirs["ratio"] == pytest.approx(150, rel=0.01)

    def test_a_part_is_links_to_enough_files_of_the_corpus(self, cache, tmp_path):
        whole = open_corpus(cache, "mail")
        assert dedup_speed.take_part(whole, whole.text_bytes, tmp_path) == whole.folder
        assert dedup_speed.take_part(whole, 1, tmp_path) == tmp_path
        (link,) = tmp_path.iterdir()
        assert link.resolve().is_relative_to(whole.folder)

    def test_runs_over_different_documents_are_not_compared(self, cache):
        with pytest.raises(BenchmarkError, match="muniment read 60 documents, datatrove 59"):
            self.summarise(cache, 59)

    def test_more_cores_than_there_are_cannot_be_compared(self):
        with pytest.raises(BenchmarkError, match=r"which are here, got 100000"):
            dedup_speed.hold_to_cores(100_000)

    def test_datatrove_gets_a_folder_that_holds_just_the_chosen_sources(self, cache):
        same_folder = dedup_speed.same_folder
        whole = open_corpus(cache, "mail")
        assert same_folder(whole) == whole.folder
        assert same_folder(open_corpus(cache, "mail", ["north"])) == whole.folder / "north"


def run_script(cache: Path, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, str(BENCHMARKS / "end_to_end.py"), "mail", "--cache", str(cache)]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.slow
def test_a_whole_job_is_run_verified_and_reported(cache, tmp_path):
    found = run_script(cache, "--only", "dedup", "--output", str(tmp_path / "release"))
    assert found["counts"]["read"] == found["documents"] == 60
    assert sum(found["counts"].values()) == 120  # read = kept + removed + quarantined
    assert found["books"]["verified"]
    assert found["guard"] is None
    assert found["cpu_seconds"] > 0
    assert found["peak_rss_sum_bytes"] >= found["peak_rss_largest_bytes"] > 50_000_000
    assert "annotate.signature" in found["stages"]
    assert (tmp_path / "release" / "CURRENT").exists()


@pytest.mark.slow
def test_a_real_guard_that_stops_the_job_is_named_and_overridden(tmp_path):
    pages = [f"{' '.join(f'word{n}' for n in range(300))} page {n}" for n in range(40)]
    lay_out(tmp_path, {"pages": pages})
    found = run_script(tmp_path, "--only", "dedup")
    assert "source pages would lose 39 of 40" in found["guard"]
    assert found["guards_overridden"]
    assert found["counts"] == {"read": 40, "kept": 1, "removed": 39, "quarantined": 0}


@pytest.mark.slow
def test_the_profile_names_every_hot_path(cache):
    found = run_script(cache, "--only", "dedup", "--profile")
    assert found["documents"] == 60
    assert set(found["hot_paths"]) == {"reading", "signature", "hashing", "exchange"}
    assert all(path["calls_per_document"] > 0 for path in found["hot_paths"].values())
