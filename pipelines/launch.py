# SPDX-License-Identifier: Apache-2.0
"""Run the graph of a job on an engine.

Locally that is Beam's FnApiRunner, named explicitly: the default runner first tries to download
another one. At Beam 2.77 its timed buffer flush can lose rows silently when worker threads or
processes are used, so the flush is switched off and `multi_threading` is never used; the books
would notice, but a wrong run is still a failed run.
"""

from __future__ import annotations

import argparse
import logging
import re
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, PipelineOptionsT

from ..schemas.errors import JobError, MunimentError, StageError
from ..schemas.job import ExchangeWay
from ..transforms.run_state import Plan
from ..transforms.stages import GovernCorpus, RunRef
from ..transforms.storage import write_bytes
from ..transforms.stores import join, store_at
from ..transforms.units import Workspace
from .dataflow import (
    MODEL_RAM,
    check_dataflow,
    is_dataflow,
    only_submits,
    prepare_dataflow,
)
from .flink import check_flink, flink_session, is_flink
from .local_workers import LocalWorkers, is_local, worker_count

WORKER_LOG = "worker.log"
ENGINE_LOG = "engine.log"

_PLACE = re.compile(r'( *File "[^"]*", line \d+, in \w+|[A-Za-z_][\w.]*(?=: |$))')
"""A line of a traceback that says where, or the class at the start of one that says what."""

_LOG = logging.getLogger(__name__)


def local_workers(plan: Plan) -> int:
    """Return how many local worker processes to use: 1 means inside this process."""
    count = worker_count(plan.job, (item["file_bytes"] for item in plan.inputs))
    return count if plan.job.engine.workers else min(count, len(plan.splits))


def exchange_way(plan: Plan, beam_arguments: Sequence[str]) -> str:
    """Return `files` or `engine`: what the job says, or what suits the runner."""
    way = plan.job.engine.exchange
    if way is not ExchangeWay.AUTO:
        return way.value
    mapped = store_at(plan.work).is_mapped  # what cannot be mapped is fetched once, not by each
    return "files" if mapped and is_local(beam_arguments) else "engine"


def run_graph(
    plan: Plan, ref: RunRef, beam_arguments: Sequence[str], workers: LocalWorkers | None = None
) -> None:
    """Run the graph to its end.

    Args:
        plan: The plan; already on disk at `ref.plan_path`.
        ref: What workers get.
        beam_arguments: Flags for Beam; with `--runner` the job goes to that runner.
        workers: What local workers are forked from; started here if it is needed and not given.

    Raises:
        MunimentError: What stopped the first unit that failed.
        StageError: The engine failed without a unit to blame.
    """
    workspace = Workspace(plan.work)
    workspace.forget_failures()
    try:
        with _quiet_engine():
            _submit(plan, ref, beam_arguments, workers)
    except MunimentError:
        raise
    except Exception as error:  # noqa: BLE001  (an engine may raise anything)
        # The engine wraps what a worker raises in text of its own; the note on disk is the error.
        failure = workspace.failure()
        if failure is not None:
            raise failure from None
        # Its words may hold document text: places and classes are kept, what they say is not.
        trace = join(plan.work, ENGINE_LOG)
        write_bytes(trace, places(traceback.format_exc()).encode())
        message = (
            f"the engine failed ({type(error).__name__}), or a worker process was killed; "
            f"run the job again to resume, or see {trace}"
        )
        raise StageError(message) from None


def places(trace: str) -> str:
    r"""Return a traceback without its words: files with lines and functions, classes of errors.

    >>> print(places('  File "a.py", line 3, in f\n    g(x)\nValueError: some text'), end="")
      File "a.py", line 3, in f
    ValueError
    """
    found = (match[1] for line in trace.splitlines() if (match := _PLACE.match(line)))
    return "".join(f"{line}\n" for line in found)


def _submit(
    plan: Plan, ref: RunRef, beam_arguments: Sequence[str], workers: LocalWorkers | None
) -> None:
    if not is_local(beam_arguments):
        options = beam_options(beam_arguments)
        if is_dataflow(options):
            prepare_dataflow(options, plan.work)
        with flink_session(options, plan.work) if is_flink(options) else nullcontext():
            result = govern(beam.Pipeline(options=options), plan, ref).run()
            if not only_submits(options):
                result.wait_until_finish()
        return
    count = local_workers(plan)
    _LOG.info("local runner: %d worker process(es), %d splits", count, len(plan.splits))
    options = beam_options([*beam_arguments, f"--direct_num_workers={count}"])
    if count == 1:
        if workers:
            workers.close(kill=True)
        runner = _local_runner(options, None)
        govern(beam.Pipeline(runner=runner, options=options), plan, ref).run().wait_until_finish()
        return
    ref = replace(ref, shared=True)
    with workers or LocalWorkers() as forked:
        log = store_at(plan.work).log_file(join(plan.work, WORKER_LOG))
        forked.prepare(ref.plan_path, ref.digest, log)
        runner = _local_runner(options, forked)
        govern(beam.Pipeline(runner=runner, options=options), plan, ref).run().wait_until_finish()


def govern(pipeline: beam.Pipeline, plan: Plan, ref: RunRef) -> beam.Pipeline:
    """Return the pipeline with the graph of a job in it.

    Args:
        pipeline: An empty pipeline.
        plan: The plan.
        ref: What workers get.
    """
    model_ram = MODEL_RAM if is_dataflow(pipeline.options) else ""
    _ = (
        pipeline
        | "Splits" >> beam.Create(plan.by_size, reshuffle=False)  # they are spread afterwards
        | "GovernCorpus"
        >> GovernCorpus(
            ref,
            near=plan.bands > 0,
            parts=plan.samples,
            addresses=plan.addresses,
            passages=plan.passages,
            model_ram=model_ram,
        )
    )
    return pipeline


def beam_options(arguments: Sequence[str]) -> PipelineOptions:
    """Return Beam's options for the flags that muniment does not know itself.

    Raises:
        JobError: Beam does not know a flag either, and would ignore it without a word; or a flag
            is missing.
    """
    parser = argparse.ArgumentParser(allow_abbrev=False, add_help=False)
    for group in PipelineOptions.__subclasses__():
        # Beam has no public list of its flags.
        group._add_argparse_args(parser)  # type: ignore[arg-type]  # noqa: SLF001
    unknown = [flag for flag in parser.parse_known_args(list(arguments))[1] if flag[0] == "-"]
    if unknown:
        raise JobError([f"{flag}: neither muniment nor Beam knows this flag" for flag in unknown])
    options = _Options(list(arguments))
    check_flink(options)
    check_dataflow(options)
    return options


class _Options(PipelineOptions):
    """Options that make each view of them once.

    Building the graph asks for 300, and Beam makes a parser of flags for each (2.77): half of what
    the graph costs. All views share their values anyway.
    """

    def view_as(self, cls: type[PipelineOptionsT]) -> PipelineOptionsT:
        """Return these options as those of a group."""
        views = self.__dict__.setdefault("_views", {})  # Beam lets only options be set
        if cls not in views:
            views[cls] = super().view_as(cls)
        view: PipelineOptionsT = views[cls]
        return view


@contextmanager
def _quiet_engine() -> Iterator[None]:
    """Keep what the engine says off stderr: tracebacks and messages may hold document text."""
    before, known, root = threading.excepthook, set(threading.enumerate()), logging.getLogger()
    left: set[threading.Thread] | None = None  # not known yet: all that start meanwhile

    def note(arguments: threading.ExceptHookArgs) -> None:
        thread = arguments.thread
        if thread in known or (left is not None and thread not in left):
            before(arguments)
        else:
            _LOG.debug("thread failure: %s", arguments.exc_type.__name__)

    threading.excepthook = note
    # Beam logs through its own loggers, and what a job service says through the root itself.
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
    root.addFilter(_nothing)
    try:
        yield
    finally:
        root.removeFilter(_nothing)
        left = set(threading.enumerate()) - known
        if not left:  # a thread that reads from a job server which was killed fails a moment later
            threading.excepthook = before


def _nothing(_record: logging.LogRecord) -> bool:
    return False


def _local_runner(
    options: PipelineOptions, workers: LocalWorkers | None
) -> beam.runners.runner.PipelineRunner:
    """Return the FnApiRunner: inside this process, or with worker processes of its own."""
    from apache_beam.portability.api import beam_provision_api_pb2  # noqa: PLC0415
    from apache_beam.runners.portability.fn_api_runner import (  # noqa: PLC0415
        fn_runner,
        worker_handlers,
    )
    from apache_beam.runners.portability.portable_runner import JobServiceHandle  # noqa: PLC0415

    from .forked_worker import forked_environment, listen_on_loopback  # noqa: PLC0415
    from .sampling import sample_often  # noqa: PLC0415

    # Without this a timer thread flushes a buffer that the worker is writing to, and rows vanish.
    worker_handlers.DATA_BUFFER_TIME_LIMIT_MS = 0
    listen_on_loopback()
    sample_often()
    encoded = JobServiceHandle.encode_pipeline_options(options.get_all_options())
    provision = beam_provision_api_pb2.ProvisionInfo(pipeline_options=encoded)
    return fn_runner.FnApiRunner(
        default_environment=forked_environment(workers) if workers else None,
        provision_info=fn_runner.ExtendedProvisionInfo(provision),
    )
