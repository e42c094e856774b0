# SPDX-License-Identifier: Apache-2.0
"""The process that local workers are forked from, and the workers: Beam's, but quiet.

Run by `LocalWorkers`, which says on stdin what to load and, line by line, whom to serve; each fork
is answered with a byte on stdout. Workers say nothing of the text: what Beam logs of an exception
would repeat the document that caused it. And they end with their launcher: those of a stopped
launcher would else go on until they next try to reach it.
"""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping

from apache_beam.runners.worker import sdk_worker_main

from ..transforms import stages  # noqa: F401  (what a worker is sent refers to it)
from ..transforms.annotate import warm, warm_tables
from ..transforms.code_digest import code_digest
from ..transforms.compiled import load_compiler
from ..transforms.run_state import load_run
from .sampling import sample_often

_PDEATHSIG = 1  # prctl, from linux/prctl.h


def main() -> None:
    """Load what the plan needs, then fork a worker for each line, until stdin ends."""
    _end_with_parent()
    answers = os.dup(1)
    os.dup2(2, 1)
    faulthandler.enable()  # of a crash: places only
    logging.disable(logging.CRITICAL)
    sys.excepthook = lambda kind, _error, _trace: _note(kind)
    threading.excepthook = lambda arguments: _note(arguments.exc_type)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # a pool outlives many workers: leave no zombies
    sample_often()
    load_compiler()
    code_digest()  # of what was just imported, whatever is installed later
    _load(warm_tables)
    for line in sys.stdin.buffer:
        message = json.loads(line)
        if "plan" in message:
            _prepare(message["plan"], message["digest"], message["log"])
        elif os.fork() == 0:
            os.close(answers)
            _serve(message["environment"])
        else:
            os.write(answers, b"\n")
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
    os._exit(0)  # tearing the interpreter down takes 0.4 s more


def _prepare(plan_path: str, digest: str, log: str) -> None:
    """Send what is printed to the log; load the run, and everything that measuring needs."""
    file = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    _load(lambda: warm(load_run(plan_path, digest)))
    gc.freeze()  # what is shared stays shared: no collection touches it
    gc.enable()


def _load(what: Callable[[], None]) -> None:
    try:
        what()
    except Exception as error:  # noqa: BLE001  (a worker will meet it again, and report it)
        _note(type(error))


def _serve(environment: Mapping[str, str]) -> None:
    """Serve the launcher until it is done; never return."""
    _end_with_parent()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.update(environment)
    # Beam prints the traceback of a failing element; the launcher gets it through the engine.
    with open(os.devnull, "w") as sys.stderr:
        try:
            sdk_worker_main.main(sys.argv)
        except BaseException as error:  # noqa: BLE001  (nothing may return into the loop above)
            _note(type(error))
            os._exit(1)
    os._exit(0)


def _end_with_parent() -> None:
    """Ask the system to kill this process when the one that started it is gone, where it can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _note(kind: type[BaseException]) -> None:
    """Name the class of an error that nothing caught; units note where theirs happened."""
    os.write(2, f"{kind.__name__}\n".encode())
