# SPDX-License-Identifier: Apache-2.0
"""Compare near-duplicate removal with datatrove: same files, cores, shingles, bands; one run.

    python benchmarks/dedup_vs_datatrove.py mail|mixed|large [--source NAME] [--cores 2]
        [--python PATH]

muniment runs its dedup-only job (it also measures language and rights, redacts nothing, verifies
each pair and writes its manifest), then datatrove runs its four MinHash stages
(`datatrove_minhash.py`), one after the other. Both are timed as whole processes, start-up
included, and held to the same cores: datatrove starts a worker for each, muniment what it chooses
within them. datatrove has an environment of its own; without `--python` it is made in the cache from
`requirements-datatrove.txt`, off the clock.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from corpus_job import BenchmarkError, Corpus, open_corpus, write_job
from end_to_end import (
    Finished,
    Settings,
    complaint,
    cost,
    muniment,
    parser_of,
    run_job,
    speed,
    warm_up,
)
from process_tree import Measured, run_measured

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements-datatrove.txt"


def datatrove_python(cache: Path) -> Path:
    """Return the Python of datatrove's own environment; make it in the cache if it is missing.

    Raises:
        BenchmarkError: Its packages cannot be installed.
    """
    folder = cache / "datatrove-venv"
    python, marker = folder / "bin" / "python", folder / "requirements.txt"
    if marker.is_file() and marker.read_bytes() == REQUIREMENTS.read_bytes():
        return python
    print(f"making datatrove's environment in {folder} (minutes, once)", file=sys.stderr)
    venv.create(folder, with_pip=True, clear=True)
    install = ("-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(REQUIREMENTS))
    if subprocess.run([str(python), *install], check=False).returncode:
        raise BenchmarkError("datatrove could not be installed; see above, or name one: --python")
    shutil.copyfile(REQUIREMENTS, marker)
    return python


def same_folder(corpus: Corpus) -> Path:
    """Return the folder that holds the corpus and nothing else, because datatrove reads folders.

    Raises:
        BenchmarkError: There is none.
    """
    chosen: set[str] = {source["name"] for source in corpus.sources}
    if chosen == {path.name for path in corpus.folder.iterdir() if path.is_dir()}:
        return corpus.folder
    if len(chosen) == 1:
        return corpus.folder / chosen.pop()
    raise BenchmarkError("datatrove reads one folder: give one --source, or none for all of them")


def bands_of(corpus: Corpus, settings: Settings, folder: Path) -> dict[str, int]:
    """Return the bands and rows that muniment chooses for the job.

    Raises:
        BenchmarkError: The job is not valid.
    """
    job = write_job(corpus, folder, dedup_only=settings.dedup_only, ner=settings.ner)
    release = str(folder / "release")
    planned = muniment("run", str(job), "--allow-outside", "--dry-run", "-o", release)
    if planned.code:
        raise BenchmarkError(f"muniment run --dry-run: {complaint(planned)}")
    bands: dict[str, int] = json.loads(planned.stdout)["bands"]
    return bands


def shingle_size() -> int:
    """Return the tokens of a shingle that muniment takes by default."""
    from muniment.schemas.job import NearDuplicates

    return int(NearDuplicates.model_fields["shingle_size"].default)


def run_datatrove(
    python: Path,
    folder: Path,
    bands: dict[str, int],
    workers: int,
    *,
    kept_ids: Path | None = None,
) -> tuple[Measured, dict[str, Any]]:
    """Run datatrove's stages; return what they cost and what they report.

    Args:
        python: Python of its environment.
        folder: What it reads.
        bands: Bands and rows.
        workers: Processes at a time.
        kept_ids: File for the ids of the documents that it keeps.

    Raises:
        BenchmarkError: They fail.
    """
    command = [str(python), str(HERE / "datatrove_minhash.py"), str(folder)]
    command += ["--bands", str(bands["bands"]), "--rows", str(bands["rows"])]
    command += ["--ngrams", str(shingle_size()), "--workers", str(workers)]
    command += ["--kept-ids", str(kept_ids)] if kept_ids else []
    measured = run_measured(command)
    if measured.code:
        raise BenchmarkError(f"datatrove: exit code {measured.code}: {complaint(measured)}")
    return measured, json.loads(measured.stdout.strip().splitlines()[-1])


def hold_to_cores(cores: int) -> None:
    """Hold this process, and so what it starts, to some of its cores.

    Raises:
        BenchmarkError: It has fewer.
    """
    mine = sorted(os.sched_getaffinity(0))
    if not 1 <= cores <= len(mine):
        raise BenchmarkError(f"expected 1 to {len(mine)} cores, which are here, got {cores}")
    os.sched_setaffinity(0, mine[:cores])


def compare(corpus: Corpus, settings: Settings, python: Path, cores: int) -> dict[str, Any]:
    """Run both and report.

    Args:
        corpus: What they read.
        settings: Whether to override guards from the start.
        python: Python of datatrove's environment.
        cores: Cores that this process is held to.
    """
    folder = same_folder(corpus)
    with tempfile.TemporaryDirectory(prefix="muniment-bench-") as name:
        work = Path(name).resolve()
        (work / "warm").mkdir()
        warm_up(corpus, settings, work / "warm")
        bands = bands_of(corpus, settings, work)
        ours = run_job(corpus, settings, work, work / "release")
    theirs, stages = run_datatrove(python, folder, bands, cores)
    return summarise(corpus, cores, bands, ours, theirs, stages)


def summarise(
    corpus: Corpus,
    cores: int,
    bands: dict[str, int],
    ours: Finished,
    theirs: Measured,
    stages: dict[str, Any],
) -> dict[str, Any]:
    """Return the report of two runs.

    Args:
        corpus: What they read.
        cores: Cores that both were held to.
        bands: Bands and rows of both.
        ours: The run of muniment.
        theirs: What datatrove's process cost.
        stages: What `datatrove_minhash.py` printed.

    Raises:
        BenchmarkError: The two did not read the same documents.
    """
    counts = ours.summary["documents"]
    if counts["read"] != stages["documents"]:
        raise BenchmarkError(
            f"muniment read {counts['read']} documents, datatrove {stages['documents']}"
        )
    seconds = ours.measured.seconds
    return {
        "corpus": corpus.name,
        "documents": corpus.documents,
        "text_bytes": corpus.text_bytes,
        "cores": cores,
        "shingle_size": shingle_size(),
        **bands,
        "muniment": {
            **cost(ours.measured),
            **speed(corpus, seconds),
            "kept": counts["kept"],
            "removed_by_reason": ours.summary["removed_by_reason"],
            "guard": ours.stopped_by,
        },
        "datatrove": {
            "tool": stages["tool"],
            **cost(theirs),
            **speed(corpus, theirs.seconds),
            "kept": stages["kept"],
            "tasks": stages["tasks"],
            "stage_seconds": stages["seconds"],
        },
        "ratio": round(theirs.seconds / seconds, 2),
        "ratio_to_stages_only": round(stages["total_seconds"] / seconds, 2),
        "cpu_ratio": round(theirs.cpu_seconds / ours.measured.cpu_seconds, 2),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Read the command line, compare, print JSON."""
    parser = parser_of((__doc__ or "").partition("\n")[0])
    parser.add_argument("--cores", type=int, default=2, help="to hold both to (default 2)")
    parser.add_argument("--python", type=Path, metavar="PATH",
                        help="Python, or folder, of an environment that has datatrove")  # fmt: skip
    options = parser.parse_args(argv)
    settings = Settings(dedup_only=True, ner="off", override=options.override_guards)
    try:
        corpus = open_corpus(options.cache, options.name, options.source)
        python = options.python or datatrove_python(options.cache)
        python = python / "bin" / "python" if python.is_dir() else python
        hold_to_cores(options.cores)
        report = compare(corpus, settings, python, options.cores)
    except (BenchmarkError, OSError) as error:
        print(f"dedup_vs_datatrove.py: {error}", file=sys.stderr)
        return 2
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
