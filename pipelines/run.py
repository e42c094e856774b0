# SPDX-License-Identifier: Apache-2.0
"""Submit a job: plan, run, balance the books, release, report."""

from __future__ import annotations

import importlib
import logging
import os
import platform
import resource
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from threading import Timer
from typing import Any

import apache_beam as beam
import numpy as np

from ..schemas.job_file import LoadedJob
from ..transforms.merkle import merkle_root
from ..transforms.protect import publishable_name
from ..transforms.run_state import PLAN_FILE, Plan, Run, load_run, without_paths
from ..transforms.sha256 import DIGEST_BYTES
from ..transforms.stage_units import STAGES, finished
from ..transforms.stages import RunRef
from ..transforms.storage import make_private_folder, write_json
from ..transforms.stores import Location, join, store_at
from ..transforms.units import Marker
from .dataflow import (
    graph_facts,
    is_dataflow,
    only_submits,
    prepare_dataflow,
    send_nothing,
    sends_nothing,
    translate,
)
from .guards import check_approval, check_guards, policy_sha256
from .launch import beam_options, exchange_way, govern, run_graph
from .local_workers import LocalWorkers
from .plan import make_plan
from .release import LOCK_FILE, WORK_FOLDER

LOAD_COMMIT_AFTER = 1.0
"""Seconds after which the commit is loaded: by then the engine has started the workers, which would
else begin 0.3 s later."""

_LOG = logging.getLogger(__name__)


def describe_plan(
    loaded: LoadedJob, output: Location, beam_arguments: Sequence[str]
) -> dict[str, Any]:
    """Resolve a job and return its plan for people to read; touch nothing.

    Args:
        loaded: The job.
        output: Output folder; not created.
        beam_arguments: Flags for Beam.
    """
    options = beam_options(beam_arguments)
    plan = make_plan(loaded, join(output, WORK_FOLDER))
    run = Run(plan)
    way = exchange_way(plan, beam_arguments)
    graph = {}
    if is_dataflow(options):
        prepare_dataflow(options, plan.work)
        send_nothing(options)
        ref = RunRef(join(plan.work, PLAN_FILE), run.whole_fingerprint, way)
        translated = translate(govern(beam.Pipeline(options=options), plan, ref))
        graph = {"graph": graph_facts(translated)}
    return {
        "job": plan.job.name,
        "fingerprint": run.whole_fingerprint,
        "exchange": way,
        **graph,
        "stages": _stages(plan),
        "rules": [rule.facts.rule_id for rule in run.rules],
        "policy_sha256": policy_sha256(run),
        "inputs": list(plan.inputs),
        "splits": [
            without_paths(split) | {"fingerprint": plan.annotate_fingerprint(split)}
            for split in plan.splits
        ],
        "former_releases": sorted({part.release for part in plan.former}),
        "lists": list(plan.lists),
        "models": list(plan.models),
        "bands": {"bands": plan.bands, "rows": plan.rows},
        "key_id": plan.key_id,
    }


def _stages(plan: Plan) -> list[str]:
    absent: set[str] = set()
    if not plan.bands:
        absent |= {"propose", "connect", "join", "collect", "verify"}
    if not plan.addresses:
        absent |= {"elect", "identify", "introduce"}
    if not plan.samples:
        absent |= {"sample", "overlap", "weigh"}
    if not plan.passages:
        absent |= {"tally", "count"}
    return [stage for stage in STAGES if stage not in absent]


def run_job(
    loaded: LoadedJob,
    output: Location,
    beam_arguments: Sequence[str] = (),
    *,
    progress: bool | None = None,
    workers: LocalWorkers | None = None,
) -> dict[str, Any]:
    """Run a job to a release.

    Args:
        loaded: The job.
        output: Output folder, on a disk or an object store; holds the releases and, while a job
            runs, its private work folder.
        beam_arguments: Flags for Beam.
        progress: Whether to show a progress bar; None shows one on a terminal.
        workers: What local workers are forked from; by default it is started when needed.

    Returns:
        The summary that `muniment run` prints. Where the launcher must leave before the job ends (a
        Flex Template), it says that nothing is released yet: the same run again, locally, does that.

    Raises:
        MunimentError: Nothing was released; running the job again resumes it.
    """
    start = time.perf_counter()
    options = beam_options(beam_arguments)
    if sends_nothing(options):
        return describe_plan(loaded, output, beam_arguments)
    store = store_at(output)
    output = store.absolute(join(output))
    store.check(output)
    store.make_folder(output)
    with store.locked(join(output, LOCK_FILE)) as held:
        work = join(output, WORK_FOLDER)
        plan = make_plan(loaded, work)
        run = Run(plan)
        check_approval(run)
        make_private_folder(work)
        store.remove_torn(work)
        write_json(join(work, PLAN_FILE), plan.as_dict())
        load_run.cache_clear()  # its digest is not of places, and a former run's may be gone
        _ = run.snapshots  # written once here, mapped by every worker
        way = exchange_way(plan, beam_arguments)
        ref = RunRef(join(plan.work, PLAN_FILE), run.whole_fingerprint, way)
        with _reported(run, output):
            loading = Timer(LOAD_COMMIT_AFTER, _load_commit, [run])
            loading.daemon = True
            loading.start()
            try:
                with _shown(plan, show=progress):
                    run_graph(plan, ref, beam_arguments, workers)
            finally:
                loading.cancel()
            if only_submits(options):
                return {"submitted": run.whole_fingerprint, "output": output, "released": False}
            annotated, final, former = _final_markers(run)
            check_guards(plan, final, finished(run, "verify"))
            stages = stage_report(run)
            elapsed = time.perf_counter() - start
            report = {
                "finished": datetime.now(UTC).isoformat(timespec="seconds"),
                "seconds": round(elapsed, 3),
                "host": {"machine": platform.machine(), "cores": os.cpu_count()},
                "python": platform.python_version(),
                "exchange": way,
                "beam_arguments": list(beam_arguments),
                "peak_rss_bytes": peak_rss(),
                "stages": stages,
            }
            from .commit import commit_release  # noqa: PLC0415  (see _load_commit)

            release_id, totals = commit_release(run, annotated, final, former, output, report, held)
        if not plan.job.engine.keep_work:
            store.remove_tree(work)
    return {
        "release": release_id,
        "output": output,
        "documents": totals["documents"],
        "removed_by_reason": totals["removed_by_reason"],
        "quarantined_by_reason": totals["quarantined_by_reason"],
        "tokens": totals["tokens"],
        "bytes_in": totals["bytes_in"],
        "seconds": round(time.perf_counter() - start, 3),
        "peak_rss_bytes": peak_rss(),
        "stages": stages,
    }


def _load_commit(run: Run) -> None:
    """Load what a commit needs, kernels and DuckDB, while the workers work."""
    importlib.import_module(".commit", __package__)
    merkle_root(np.zeros((2, DIGEST_BYTES), np.uint8))
    for item in run.plan.inputs:  # the first that has to be searched loads the detectors
        publishable_name(run, item["path"])


def _shown(plan: Plan, *, show: bool | None) -> AbstractContextManager[object]:
    """Return what shows the progress of a block, if it is to be shown; None looks at stderr."""
    if not (sys.stderr.isatty() if show is None else show):
        return nullcontext()
    from .progress import ProgressBar  # noqa: PLC0415  (its library is slow to import)

    return ProgressBar(plan)


def _reported(run: Run, output: str) -> AbstractContextManager[None]:
    """Return what reports a block to a lineage service, if the job names one."""
    settings = run.plan.job.engine.lineage
    if settings.file is None and settings.url is None:
        return nullcontext()
    from .lineage import reported  # noqa: PLC0415  (its client is slow to import)

    return reported(run, output)


def _final_markers(run: Run) -> tuple[list[Marker], list[Marker], list[Marker]]:
    """Return the markers of annotations, of splits as they are to be released, of former parts.

    A split whose witnesses fell was written again, by this run's `settle` stage.
    """
    numbers = [split.number for split in run.plan.splits]
    annotated = [run.workspace.marker("annotate", number) for number in numbers]
    final = {number: run.workspace.marker("finalize", number) for number in run.plan.numbers}
    fallen = sorted(ref for marker in final.values() for ref in marker.stats["fallen"])
    for marker in finished(run, "settle"):
        if set(marker.stats["settled_for"]).issubset(fallen) and fallen:
            final[marker.number] = marker
    former = [final[part.number] for part in run.plan.former]
    return annotated, [final[number] for number in numbers], former


def stage_report(run: Run) -> dict[str, dict[str, float]]:
    """Add up what each stage cost; its steps stand as `stage.step`.

    Seconds are summed over workers. What a resumed run did not do again still counts.

    Returns:
        By stage or step: `seconds`, `cpu_seconds`, `bytes` read. By stage also `units`, `files`
        written without the markers, `written` (their bytes), `sent` (rows to other stages) and
        `sent_bytes` (of the files that hold those rows).
    """
    report: dict[str, dict[str, float]] = {}
    for stage in STAGES:
        for marker in finished(run, stage):
            parcels = marker.stats.get("sent", {})
            counts = {
                "units": 1,
                "files": len(marker.outputs),
                "written": sum(facts.bytes for facts in marker.outputs.values()),
                "sent": sum(parcels.values()),
                "sent_bytes": sum(
                    facts.bytes for name, facts in marker.outputs.items() if name in parcels
                ),
            }
            totals = report.setdefault(stage, {"seconds": 0.0, "cpu_seconds": 0.0, "bytes": 0})
            for name, number in counts.items():
                totals[name] = totals.get(name, 0) + number
            for step, (seconds, cpu, size) in marker.timings.items():
                name = stage if step == "total" else f"{stage}.{step}"
                entry = report.setdefault(name, {"seconds": 0.0, "cpu_seconds": 0.0, "bytes": 0})
                entry["seconds"] += seconds
                entry["cpu_seconds"] += cpu
                entry["bytes"] += size
    for name, entry in report.items():
        if not entry["bytes"] and "." not in name:
            entry["bytes"] = report.get(f"{name}.read", entry)["bytes"]
        for key in ("seconds", "cpu_seconds"):
            entry[key] = round(entry[key], 4)
    return report


def peak_rss() -> int:
    """Return the largest resident set so far of this process or of one of its workers (bytes)."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(kind).ru_maxrss for kind in kinds) * 1024
