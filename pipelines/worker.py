# SPDX-License-Identifier: Apache-2.0
"""A local worker process: Beam's, but it says nothing of the text, and ends with its launcher.

Run as `python -m muniment.pipelines.worker` by the launcher. Without the first, what Beam logs of
an exception would repeat the document that caused it; without the second, the workers of a stopped
launcher would go on until they next try to reach it.
"""

from __future__ import annotations

import ctypes
import faulthandler
import logging
import os
import signal
import sys
import threading

from apache_beam.runners.worker import sdk_worker_main

_PDEATHSIG = 1  # prctl, from linux/prctl.h


def main() -> None:
    """Serve the launcher whose address is in the environment, until it is done."""
    _end_with_launcher()
    faulthandler.enable()  # of a crash: places only
    logging.disable(logging.CRITICAL)
    sys.excepthook = lambda kind, _error, _trace: _note(kind)
    threading.excepthook = lambda arguments: _note(arguments.exc_type)
    # Beam prints the traceback of a failing element; the launcher gets it through the engine.
    with open(os.devnull, "w") as sys.stderr:
        sdk_worker_main.main(sys.argv)
    # What is done is on disk and acknowledged; tearing the interpreter down takes 0.4 s more.
    os._exit(0)


def _end_with_launcher() -> None:
    """Ask the system to kill this process when the one that started it is gone, where it can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _note(kind: type[BaseException]) -> None:
    """Name the class of an error that nothing caught; units note where theirs happened."""
    os.write(2, f"{kind.__name__}\n".encode())


if __name__ == "__main__":
    main()
