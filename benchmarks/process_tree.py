# SPDX-License-Identifier: Apache-2.0
"""Run a command and measure what it cost, with every process it starts: time, CPU, memory."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass

import psutil

INTERVAL = 0.1
"""Seconds between two looks at the processes; one look costs about 2 ms."""


@dataclass(frozen=True)
class Measured:
    """What a command gave and what it cost.

    Args:
        code: Exit code; negative is the signal that ended it.
        stdout: What it printed.
        stderr: What it complained about.
        seconds: Wall seconds from its start to its end, interpreter start and imports included.
        cpu_seconds: User and system seconds of all its processes.
        rss_sum: Largest sum of resident sets at one time (bytes). A page that two processes share
            counts twice, so it is an upper bound.
        rss_largest: Largest resident set of one process (bytes).
        processes: Most processes at one time.
    """

    code: int
    stdout: str
    stderr: str
    seconds: float
    cpu_seconds: float
    rss_sum: int
    rss_largest: int
    processes: int


class Peaks:
    """The most that was seen of a process and its descendants."""

    def __init__(self) -> None:
        self.rss_sum = self.rss_largest = self.processes = 0
        self._cpu: dict[tuple[int, float], float] = {}

    def look(self, pid: int) -> None:
        """Take note of every process that lives now."""
        sizes = []
        try:
            root = psutil.Process(pid)
            alive = [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        for process in alive:
            try:
                with process.oneshot():
                    cpu, size = process.cpu_times(), process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
            sizes.append(size)
            self._cpu[process.pid, process.create_time()] = cpu.user + cpu.system
        self.rss_sum = max(self.rss_sum, sum(sizes))
        self.rss_largest = max(self.rss_largest, *sizes, 0)
        self.processes = max(self.processes, len(sizes))

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds of all processes, as of the last look at each."""
        return sum(self._cpu.values())


def _end_of(pid: int) -> tuple[float, int, resource.struct_rusage]:
    """Wait for the end of a process; return when it was, its status and what it used."""
    _, status, usage = os.wait4(pid, 0)
    return time.perf_counter(), status, usage


def run_measured(command: Sequence[str], interval: float = INTERVAL) -> Measured:
    """Run a command to its end and measure its process tree.

    Args:
        command: Program and arguments.
        interval: Seconds between two looks at its processes.

    Returns:
        What it gave and cost. The system's own account of the command is exact, but leaves out
        children that nobody waited for; the samples have those, but miss the last interval. The
        larger of the two is reported.
    """
    # The first of several runs compiles what an installed package has compiled already.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    with (
        tempfile.TemporaryFile() as stdout,
        tempfile.TemporaryFile() as stderr,
        ThreadPoolExecutor(1) as beside,
    ):
        peaks, started = Peaks(), time.perf_counter()
        process = subprocess.Popen(list(command), stdout=stdout, stderr=stderr, env=environment)
        end = beside.submit(_end_of, process.pid)
        try:
            while wait([end], interval).not_done:
                peaks.look(process.pid)
        except BaseException:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
            os.kill(process.pid, signal.SIGKILL)  # not `process.kill`, which would wait for it too
            raise
        finally:
            ended, status, usage = end.result()
            process.returncode = os.waitstatus_to_exitcode(status)
        seconds = ended - started
        stdout.seek(0)
        stderr.seek(0)
        largest = max(peaks.rss_largest, usage.ru_maxrss * 1024)
        return Measured(
            code=process.returncode,
            stdout=stdout.read().decode(errors="replace"),
            stderr=stderr.read().decode(errors="replace"),
            seconds=seconds,
            cpu_seconds=max(peaks.cpu_seconds, usage.ru_utime + usage.ru_stime),
            rss_sum=max(peaks.rss_sum, largest),
            rss_largest=largest,
            processes=max(peaks.processes, 1),
        )
