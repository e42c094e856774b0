# SPDX-License-Identifier: Apache-2.0
"""Progress of a run, from the unit markers on disk: the same on every runner and after a resume."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ..transforms.run_state import Plan
from ..transforms.stores import store_at
from ..transforms.units import Workspace

_SHARES = {"annotate": 5, "screen": 1, "propose": 1, "collect": 1, "finalize": 4}
"""How much of the work of a split each stage is, roughly; only the bar depends on it."""


class ProgressBar:
    """Show on stderr how many units are done while a block runs.

    Args:
        plan: The plan of the run.
    """

    def __init__(self, plan: Plan) -> None:
        near = plan.bands > 0
        self._workspace = Workspace(plan.work)
        self._shares = {
            stage: share
            for stage, share in _SHARES.items()
            if near or stage not in {"propose", "collect"}
        }
        self._total = len(plan.numbers) * sum(self._shares.values())
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)
        self._progress = Progress(
            TextColumn("{task.description:<9}"),
            BarColumn(),
            TaskProgressColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task("annotate", total=self._total)

    def __enter__(self) -> Self:
        self._progress.start()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._progress.stop()

    def _poll(self) -> None:
        interval = store_at(self._workspace.root).poll_seconds
        while not self._stop.wait(interval):
            done, stage_now = 0, "annotate"
            for stage, share in self._shares.items():
                count = len(self._workspace.finished(stage))
                done += share * count
                stage_now = stage if count else stage_now
            self._progress.update(self._task, completed=done, description=stage_now)
