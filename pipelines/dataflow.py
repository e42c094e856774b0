# SPDX-License-Identifier: Apache-2.0
"""Submit to Google Cloud Dataflow: what its flags must say, and what the graph looks like there.

Beam asks the network for what a flag leaves open, and waits two minutes for an answer; here the
flags are checked first. `graph_facts` reads the translated graph, so that a job can be looked at
without a project, a network or an account.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
from apache_beam.coders import Coder
from apache_beam.coders.coders import FastPrimitivesCoder, PickleCoder
from apache_beam.options.pipeline_options import (
    DebugOptions,
    GoogleCloudOptions,
    PipelineOptions,
    SetupOptions,
    StandardOptions,
    TestOptions,
    WorkerOptions,
)
from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.pipeline_context import PipelineContext

from ..schemas.errors import JobError
from ..schemas.locations import scheme_of
from ..transforms.units import fingerprint

MODEL_RAM = "4GB"
"""What a worker that loads the models asks for: the largest process of the job on `mixed` took
0.9 GB (`benchmarks/end_to_end.py mixed`), and a full split of 32 MiB with its copies needs more."""

_GCS = "gs"
_NEEDS = (
    ("project", GoogleCloudOptions, "the project that pays"),
    ("region", GoogleCloudOptions, "where the workers run, such as europe-west4"),
    ("temp_location", GoogleCloudOptions, "a gs:// folder for Beam itself"),
    ("sdk_container_image", WorkerOptions, "the image of infra/dataflow/, by digest"),
)


def is_dataflow(options: PipelineOptions) -> bool:
    """Return whether the job goes to Dataflow."""
    return options.view_as(StandardOptions).runner == "DataflowRunner"


def has_libraries() -> bool:
    """Return whether what Beam needs to talk to Dataflow is installed."""
    try:
        importlib.metadata.distribution("google-cloud-dataflow-client")
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def check_dataflow(options: PipelineOptions) -> None:
    """Check the flags for Dataflow, and set those that a muniment job always has.

    Raises:
        JobError: A flag is missing, or the libraries are.
    """
    if not is_dataflow(options):
        return
    if not has_libraries():
        raise JobError(
            [
                "--runner=DataflowRunner: needs apache-beam[gcp]; run `pip install muniment[dataflow]`"
            ]
        )
    problems = [
        f"--{flag}: missing, but Dataflow needs it: {what}"
        for flag, group, what in _NEEDS
        if not getattr(options.view_as(group), flag)
    ]
    google = options.view_as(GoogleCloudOptions)
    for flag in ("temp_location", "staging_location"):
        place = getattr(google, flag)
        if place and scheme_of(place) != _GCS:
            problems.append(f"--{flag}: expected gs://BUCKET/FOLDER, got {place}")
    if problems:
        raise JobError(problems)
    if not google.staging_location:
        google.staging_location = google.temp_location
    options.view_as(SetupOptions).sdk_location = "container"  # nothing is installed at start
    debug = options.view_as(DebugOptions)
    # A thread is a unit with its memory: Dataflow would run twelve of them in a process.
    debug.number_of_worker_harness_threads = debug.number_of_worker_harness_threads or 1


def prepare_dataflow(options: PipelineOptions, work: str) -> None:
    """Name the job after its work folder: Dataflow refuses a second one of a name while one runs.

    Args:
        options: Beam's options.
        work: Private folder of the run.

    Raises:
        JobError: The work folder is where workers cannot reach it.
    """
    if scheme_of(work) != _GCS:
        raise JobError([f"--output: Dataflow's workers need gs://BUCKET/FOLDER, got {work}"])
    google = options.view_as(GoogleCloudOptions)
    google.job_name = google.job_name or f"muniment-{fingerprint(work)[:16]}"


def only_submits(options: PipelineOptions) -> bool:
    """Return whether the launcher must leave once the graph is made: that of a Flex Template."""
    return bool(options.view_as(GoogleCloudOptions).template_location)


def send_nothing(options: PipelineOptions) -> None:
    """Let a pipeline be translated only, without the network: before it is even constructed."""
    options.view_as(TestOptions).dry_run = True


def sends_nothing(options: PipelineOptions) -> bool:
    """Return whether Beam's own `--dry_run` was given."""
    return is_dataflow(options) and bool(options.view_as(TestOptions).dry_run)


def translate(pipeline: beam.Pipeline) -> beam_runner_api_pb2.Pipeline:
    """Return the graph as Dataflow would get it.

    Args:
        pipeline: A pipeline for Dataflow whose options `send_nothing`.
    """
    pipeline.run()
    translated: beam_runner_api_pb2.Pipeline = getattr(pipeline.runner, "proto_pipeline")  # noqa: B009
    return translated


def graph_facts(graph: beam_runner_api_pb2.Pipeline) -> dict[str, Any]:
    """Return what matters of a graph before it runs.

    Args:
        graph: A portable pipeline.

    Returns:
        `steps`: number of leaf transforms. `shuffles`: name and coder of what each GroupByKey
        takes. `side_inputs`: name and coder of each. `untyped`: collections of ours whose coder may
        pickle.
        `images`: container images. `hints`: stages with a resource hint, by its name.
    """
    transforms, components = graph.components.transforms, graph.components
    coders = PipelineContext(components).coders

    def coder(collection: str) -> Coder:
        return coders.get_by_id(components.pcollections[collection].coder_id)

    leaves = [item for item in transforms.values() if not item.subtransforms]
    group = common_urns.primitives.GROUP_BY_KEY.urn
    shuffles = {
        item.unique_name: str(coder(next(iter(item.inputs.values()))))
        for item in leaves
        if item.spec.urn == group
    }
    sides: dict[str, str] = {}
    for item in leaves:
        if item.spec.urn == common_urns.primitives.PAR_DO.urn:
            body = beam_runner_api_pb2.ParDoPayload.FromString(item.spec.payload)
            for name in body.side_inputs:
                sides[item.unique_name] = str(coder(item.inputs[name]))
    environments = components.environments
    hints: dict[str, list[str]] = {}
    for item in leaves:
        for urn in environments[item.environment_id].resource_hints if item.environment_id else ():
            hints.setdefault(urn, []).append(item.unique_name)
    return {
        "steps": len(leaves),
        "shuffles": dict(sorted(shuffles.items())),
        "side_inputs": dict(sorted(sides.items())),
        "untyped": sorted(
            item.unique_name
            for name, item in components.pcollections.items()
            if any(
                isinstance(part, FastPrimitivesCoder | PickleCoder) for part in _parts(coder(name))
            )
        ),
        "images": sorted(
            {
                beam_runner_api_pb2.DockerPayload.FromString(item.payload).container_image
                for item in environments.values()
                if item.urn == common_urns.environments.DOCKER.urn
            }
        ),
        "hints": {urn: sorted(names) for urn, names in sorted(hints.items())},
    }


def _parts(coder: Coder) -> Iterator[Coder]:
    """Give a coder and those inside it."""
    yield coder
    for part in coder._get_component_coders():  # noqa: SLF001  (there is no public way)
        yield from _parts(part)
