# SPDX-License-Identifier: Apache-2.0
"""Count what Python does for each document in a job: functions called, and lines run.

A loop over documents in Python runs a line or more for each document; a generator, a callback or
a method of each value is called for each. Kernels compiled by Numba and the C++ of Arrow do
neither. So where no line runs once for each document, no code in Python sees single documents: what
is left is work for each batch, file and unit, which weighs less the larger the corpus. What this cannot see is one call that turns a whole column into Python objects
(`tolist`, `to_pylist`): search the sources for those.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from corpus_job import Corpus, write_job

HOT_PATHS = {
    "reading": ("reading.",),
    "signature": ("minhash", "tokens", "bands", "buffers"),
    "hashing": ("hashing", "canonical"),
    "exchange": ("exchange", "arrow_coder", "storage"),
}
"""Paths that see every document, and the modules of `muniment.transforms` each is made of."""

BOUND = 0.5
"""How often a document the busiest line of a hot path may run. A loop over documents runs a line
once for each or more; work for each batch, of hundreds of documents, is far below."""

WORST = 12
"""Modules that are named in the report."""


class CallCounter:
    """Counts calls and lines in the modules of a package; `watching` switches it on.

    Args:
        package: Start of the names of the modules to watch.
    """

    def __init__(self, package: str) -> None:
        self.calls: Counter[str] = Counter()
        self.lines: Counter[tuple[str, int]] = Counter()
        self._package = package
        self._modules: dict[CodeType, str | None] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Count in this thread, and in every one that is started inside the block."""
        before = sys.gettrace()
        threading.settrace(self._enter)
        sys.settrace(self._enter)
        try:
            yield
        finally:
            sys.settrace(before)
            threading.settrace(before)

    def clear(self) -> None:
        """Forget what was counted."""
        self.calls.clear()
        self.lines.clear()

    def _enter(self, frame: FrameType, event: str, argument: Any) -> Any:  # noqa: ARG002
        code = frame.f_code
        if code not in self._modules:
            name = frame.f_globals.get("__name__", "")
            self._modules[code] = name if name.startswith(self._package) else None
        module = self._modules[code]
        if module is None:
            return None
        self.calls[module] += 1
        return self._line

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:  # noqa: ARG002
        if event == "line":
            module = self._modules[frame.f_code]
            self.lines[module or "", frame.f_lineno] += 1
        return self._line


def report(counter: CallCounter, documents: int) -> dict[str, Any]:
    """Return what was counted for each document, by hot path and by module.

    Args:
        counter: What was counted, in modules of `muniment`.
        documents: Documents read meanwhile.
    """

    def rates(modules: list[str]) -> dict[str, Any]:
        calls = sum(counter.calls[name] for name in modules)
        lines = {place: n for place, n in counter.lines.items() if place[0] in modules}
        (module, line), most = max(lines.items(), key=lambda item: item[1], default=(("", 0), 0))
        return {
            "calls_per_document": round(calls / documents, 4),
            "lines_per_document": round(sum(lines.values()) / documents, 4),
            "busiest_line": f"{short(module)}:{line}",
            "busiest_line_per_document": round(most / documents, 4),
        }

    paths = {
        path: rates([name for name in counter.calls if short(name).startswith(parts)])
        for path, parts in HOT_PATHS.items()
    }
    modules = {short(name): rates([name]) for name in counter.calls}
    worst = sorted(modules, key=lambda name: -modules[name]["lines_per_document"])[:WORST]
    return {
        "hot_paths": paths,
        "bound": BOUND,
        "columns_not_rows": all(
            path["busiest_line_per_document"] < BOUND for path in paths.values()
        ),
        "busiest_modules": {name: modules[name] for name in worst},
    }


def short(module: str) -> str:
    """Return a module's name in `muniment.transforms`; others keep their whole name."""
    return module.removeprefix("muniment.transforms.")


def profile_job(corpus: Corpus, *, dedup_only: bool, ner: str) -> dict[str, Any]:
    """Run a job twice in this process, with one worker, and count the second time.

    The first run loads compiled kernels and starts the engine, once a process. What is done once a
    run, such as loading a model, is counted: it weighs less the larger the corpus.

    Args:
        corpus: What it reads.
        dedup_only: Exact and near-duplicates only.
        ner: Where to look for names.
    """
    from muniment.pipelines.run import run_job
    from muniment.schemas.job_file import load_job

    counter = CallCounter("muniment.")
    with tempfile.TemporaryDirectory(prefix="muniment-bench-") as name:
        folder = Path(name).resolve()
        path = write_job(
            corpus, folder, dedup_only=dedup_only, ner=ner, workers=1, override="benchmark: profile"
        )
        loaded = load_job(path, allow_outside=True)
        # The engine keeps the threads of the first run for the second: watch both, count one.
        with counter.watching():
            run_job(loaded, folder / "first", progress=False)
            counter.clear()
            summary = run_job(loaded, folder / "counted", progress=False)
    documents = summary["documents"]["read"]
    head = {
        "corpus": corpus.name,
        "documents": documents,
        "text_bytes": corpus.text_bytes,
        "job": "dedup" if dedup_only else f"all, names {ner}",
    }
    return head | report(counter, documents)
