# SPDX-License-Identifier: Apache-2.0
"""Dataflow gets a graph whose every element has a coder, and a template that says what it takes.

What needs `apache-beam[gcp]` runs in `make cloud-test`; nothing here needs a network.
"""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest

from muniment.pipelines import cli
from muniment.pipelines.dataflow import MODEL_RAM, graph_facts, has_libraries, only_submits
from muniment.pipelines.launch import beam_options
from muniment.schemas.errors import JobError
from muniment.transforms.stages import GovernCorpus, RunRef

needs_gcp = pytest.mark.skipif(
    not has_libraries(), reason="needs apache-beam[gcp]: `make cloud-test`"
)

IMAGE = "europe-west4-docker.pkg.dev/some-project/muniment/muniment@sha256:" + "0" * 64
DATAFLOW = [
    "--runner=DataflowRunner",
    "--project=some-project",
    "--region=europe-west4",
    "--temp_location=gs://some-bucket/tmp",
    f"--sdk_container_image={IMAGE}",
]
EVERYTHING = {"near": True, "parts": True, "addresses": True, "passages": True}
FALLEN = "GovernCorpus/FinalizeSplits/Settle"


def facts_of(way: str, **settings: Any) -> dict[str, Any]:
    pipeline = beam.Pipeline(runner="FnApiRunner")
    ref = RunRef("gs://some-bucket/out/.work/plan.json", "0" * 64, way)
    splits = pipeline | "Splits" >> beam.Create([0, 1], reshuffle=False)
    _ = splits | "GovernCorpus" >> GovernCorpus(ref, **settings)
    return graph_facts(pipeline.to_runner_api())


@pytest.mark.parametrize("way", ["engine", "files"])
def test_every_collection_has_a_coder_that_pickles_nothing(way):
    assert facts_of(way, **EVERYTHING)["untyped"] == []


def test_shuffles_carry_record_batches_or_their_places_under_the_number_of_a_partition():
    engine, files = facts_of("engine", **EVERYTHING), facts_of("files", **EVERYTHING)
    assert len(engine["shuffles"]) > 10
    assert set(engine["shuffles"].values()) == {"TupleCoder[VarIntCoder, RecordBatchCoder]"}
    places = "TupleCoder[VarIntCoder, TupleCoder[StrUtf8Coder, StrUtf8Coder, VarIntCoder]]"
    assert set(files["shuffles"].values()) == {places}
    assert files["shuffles"].keys() == engine["shuffles"].keys()


def test_the_only_side_input_is_the_numbers_of_documents_that_fell():
    assert facts_of("engine", **EVERYTHING)["side_inputs"] == {FALLEN: "VarIntCoder"}


def test_stages_that_load_models_ask_for_memory_and_only_where_an_engine_heeds_it():
    assert facts_of("engine", **EVERYTHING)["hints"] == {}
    (hinted,) = facts_of("engine", **EVERYTHING, model_ram=MODEL_RAM)["hints"].values()
    assert {"GovernCorpus/AnnotateSplits/Annotate", "GovernCorpus/FinalizeSplits/Finalize"} <= set(
        hinted
    )
    assert not [name for name in hinted if "FindNearCopies" in name]


def test_flags_that_are_missing_are_named_before_beam_asks_the_network(monkeypatch):
    monkeypatch.setattr("muniment.pipelines.dataflow.has_libraries", lambda: True)
    with pytest.raises(JobError) as caught:
        beam_options(["--runner=DataflowRunner", "--temp_location=/tmp/here"])
    starts = [problem.partition(":")[0] for problem in caught.value.problems]
    assert starts == ["--project", "--region", "--sdk_container_image", "--temp_location"]


def test_without_the_libraries_the_user_is_told_which(monkeypatch):
    monkeypatch.setattr("muniment.pipelines.dataflow.has_libraries", lambda: False)
    with pytest.raises(JobError, match=r"pip install muniment\[dataflow\]"):
        beam_options(DATAFLOW)


@needs_gcp
@pytest.mark.parametrize("dry", ["--dry-run", "--dry_run=true"])
def test_the_whole_graph_is_translated_offline(small_job, capsys, dry):
    flags = [str(small_job), dry, "-o", "gs://some-bucket/out", *DATAFLOW]
    assert cli.main(["run", *flags]) == 0
    plan = json.loads(capsys.readouterr().out)
    graph = plan["graph"]
    assert plan["exchange"] == "engine"
    assert graph["images"] == [IMAGE]
    assert list(graph["hints"]) == ["beam:resources:min_ram_bytes:v1"]
    # Dataflow's translation itself declares what becomes a side input to be of any type.
    assert list(graph["side_inputs"]) == [FALLEN]
    assert [re.sub(r"^\d+", "", name) for name in graph["untyped"]] == [
        "GovernCorpus/FinalizeSplits/Finalize.None"
    ]


@needs_gcp
def test_an_output_that_workers_cannot_reach_is_refused(small_job, tmp_path, capsys):
    assert cli.main(["run", str(small_job), "--dry-run", "-o", str(tmp_path), *DATAFLOW]) == 2
    assert "--output: Dataflow's workers need gs://" in capsys.readouterr().err


# The template


def script(repository: Path, name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, repository / f"infra/dataflow/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_template_describes_the_options_of_muniment_run(repository):
    kept = (repository / "infra/dataflow/metadata.json").read_text()
    assert kept == script(repository, "template").render(), "run infra/dataflow/template.py"


def test_every_parameter_of_the_template_becomes_an_option(repository):
    command_of = script(repository, "launcher").command_of
    names = [
        item["name"] for item in json.loads(script(repository, "template").render())["parameters"]
    ]
    given = [f"--{name}=true" for name in names]
    command = command_of([*given, "--template_location=gs://b/t"])
    assert command[:2] == ["run", "true"]
    known = {option for item in cli.run.params for option in item.opts}
    assert {word.partition("=")[0] for word in command[2:-1]} <= known
    assert command[-1] == "--template_location=gs://b/t"
    assert "--allow-outside" not in command_of(["--job=gs://b/j", "--allow_outside=false"])


def test_lock_image_and_manifests_have_one_version_of_beam(repository):
    def first(path: str, pattern: str) -> str:
        found = re.search(pattern, (repository / path).read_text(), re.MULTILINE)
        assert found, path
        return found[1]

    assert {
        first("requirements.lock", r"^apache-beam==([\d.]+)"),
        first("infra/dataflow/requirements.in", r"^apache-beam\[gcp\]==([\d.]+)"),
        first("infra/dataflow/requirements.lock", r"^apache-beam(?:\[gcp\])?==([\d.]+)"),
        first("infra/dataflow/Dockerfile", r"^ARG BEAM_VERSION=([\d.]+)"),
        first("infra/dataflow/README.md", r"Beam ([\d.]+\d)"),
        first("infra/kubernetes/job-server.yaml", r"job_server:([\d.]+)"),
        first("pyproject.toml", r"apache-beam\[gcp\]==([\d.]+)"),
    } == {beam.__version__}


def test_the_image_installs_by_hash_and_runs_as_nobody_in_particular(repository):
    text = (repository / "infra/dataflow/Dockerfile").read_text()
    assert "--require-hashes" in text
    assert re.search(r"^USER (?!0|root)\d+", text, re.MULTILINE)
    assert "FLEX_TEMPLATE_PYTHON_PY_FILE" in text
    lines = (repository / "infra/dataflow/requirements.lock").read_text().splitlines()
    pinned = [number for number, line in enumerate(lines) if re.match(r"[a-z0-9].*==", line)]
    assert len(pinned) > 100
    assert all("--hash=sha256:" in lines[number + 1] for number in pinned)


def test_the_script_is_sound_and_says_how_to_use_it(repository):
    path = repository / "infra/dataflow/submit.sh"
    assert subprocess.run(["bash", "-n", path], check=False).returncode == 0  # noqa: S607
    done = subprocess.run(["bash", path], capture_output=True, text=True, check=False)  # noqa: S607
    assert done.returncode == 2
    assert done.stderr.startswith("usage: submit.sh image")


def test_the_launcher_of_a_template_leaves_once_the_graph_is_made():
    assert not only_submits(beam_options([]))
    assert only_submits(beam_options(["--template_location=gs://some-bucket/template"]))
