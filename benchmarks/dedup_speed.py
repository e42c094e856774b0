# SPDX-License-Identifier: Apache-2.0
"""Compare near-duplicate removal with others: same files, cores, shingles and bands, in one run.

    python benchmarks/dedup_speed.py mail|mixed|large [--source NAME] [--cores 2] [--part-mb 200]
        [--against datatrove ...] [--python datatrove=PATH ...]

muniment runs its dedup-only job, which also verifies each pair, writes its manifest and balances its
books; then, one after the other, datatrove its four MinHash stages (`datatrove_minhash.py`), and a
script written with rensa and one with datasketch (`library_minhash.py`). Each is timed as a whole
process, start-up included, and held to the same cores: the others start a worker for each,
muniment what it chooses within them. Where a corpus is much larger than `--part-mb`, the others
read a part of its files, evenly chosen, and the ratio is of bytes of text a second.

Each has an environment of its own, made in the cache from `requirements-NAME.txt`, off the clock;
`--python` names one that is there.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
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


@dataclass(frozen=True)
class Contender:
    """What muniment is compared with.

    Args:
        name: Its name; `requirements-NAME.txt` makes its environment.
        script: Its script here, and the options that only it takes. The script takes a folder,
            `--bands`, `--rows`, `--ngrams` and `--workers`, and prints one JSON object.
    """

    name: str
    script: tuple[str, ...]


CONTENDERS = (
    Contender("datatrove", ("datatrove_minhash.py",)),
    Contender("rensa", ("library_minhash.py", "--library", "rensa")),
    Contender("datasketch", ("library_minhash.py", "--library", "datasketch")),
)


def own_python(cache: Path, name: str) -> Path:
    """Return the Python of a contender's environment; make it in the cache if it is missing.

    Raises:
        BenchmarkError: Its packages cannot be installed.
    """
    requirements = HERE / f"requirements-{name}.txt"
    folder = cache / f"{name}-venv"
    python, marker = folder / "bin" / "python", folder / "requirements.txt"
    if marker.is_file() and marker.read_bytes() == requirements.read_bytes():
        return python
    print(f"making the environment of {name} in {folder} (once)", file=sys.stderr)
    venv.create(folder, with_pip=True, clear=True)
    install = ("-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(requirements))
    if subprocess.run([str(python), *install], check=False).returncode:
        raise BenchmarkError(f"{name} could not be installed; see above, or name one: --python")
    shutil.copyfile(requirements, marker)
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


def take_part(corpus: Corpus, limit: int, folder: Path) -> Path:
    """Return a folder with the corpus, or with links to enough of its files, evenly chosen.

    Args:
        corpus: The corpus.
        limit: Bytes of text that the part shall have at least.
        folder: Empty folder for the links.
    """
    whole = same_folder(corpus)
    if corpus.text_bytes <= 1.5 * limit:
        return whole
    paths = sorted(whole.rglob("*.parquet"))
    # The golden ratio's multiples are even over any number of them.
    order = sorted(range(len(paths)), key=lambda number: (number * 0.6180339887498949) % 1)
    size = 0
    for number in order:
        if size >= limit:
            break
        path = paths[number]
        (folder / f"{number:05d}-{path.name}").symlink_to(path)
        size += pc.sum(pc.binary_length(pq.read_table(path, columns=["text"])["text"])).as_py()
    return folder


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
    from muniment.schemas.deduplication import NearDuplicates

    return int(NearDuplicates.model_fields["shingle_size"].default)


def run_contender(
    contender: Contender,
    python: Path,
    folder: Path,
    bands: dict[str, int],
    workers: int,
    *options: str,
) -> tuple[Measured, dict[str, Any]]:
    """Run a contender; return what it cost and what it reports.

    Args:
        contender: Which.
        python: Python of its environment.
        folder: What it reads.
        bands: Bands and rows.
        workers: Processes at a time.
        options: More options of its script.

    Raises:
        BenchmarkError: It fails.
    """
    script, *own = contender.script
    command = [str(python), str(HERE / script), str(folder), *own]
    command += ["--bands", str(bands["bands"]), "--rows", str(bands["rows"])]
    command += ["--ngrams", str(shingle_size()), "--workers", str(workers), *options]
    measured = run_measured(command)
    if measured.code:
        raise BenchmarkError(f"{contender.name}: exit {measured.code}: {complaint(measured)}")
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


def compare(
    corpus: Corpus, settings: Settings, pythons: dict[str, Path], cores: int, part: int
) -> dict[str, Any]:
    """Run all of them and report.

    Args:
        corpus: What they read.
        settings: Whether to override guards from the start.
        pythons: Python of each contender's environment, by name; who is not here does not run.
        cores: Cores that this process is held to.
        part: Bytes of text that the others read at least.
    """
    with tempfile.TemporaryDirectory(prefix="muniment-bench-") as name:
        work = Path(name).resolve()
        (work / "warm").mkdir()
        (work / "part").mkdir()
        folder = take_part(corpus, part, work / "part")
        warm_up(corpus, settings, work / "warm")
        bands = bands_of(corpus, settings, work)
        ours = run_job(corpus, settings, work, work / "release")
        theirs = {
            contender.name: run_contender(contender, pythons[contender.name], folder, bands, cores)
            for contender in CONTENDERS
            if contender.name in pythons
        }
    return summarise(corpus, cores, bands, ours, theirs)


def summarise(
    corpus: Corpus,
    cores: int,
    bands: dict[str, int],
    ours: Finished,
    theirs: dict[str, tuple[Measured, dict[str, Any]]],
) -> dict[str, Any]:
    """Return the report of the runs.

    Args:
        corpus: What muniment read.
        cores: Cores that all were held to.
        bands: Bands and rows of all.
        ours: The run of muniment.
        theirs: By contender, what its process cost and what it printed.

    Raises:
        BenchmarkError: One read other documents than it was given.
    """
    counts = ours.summary["documents"]
    seconds = ours.measured.seconds
    our_speed = corpus.text_bytes / seconds
    report: dict[str, Any] = {
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
    }
    for name, (measured, said) in theirs.items():
        whole = said["text_bytes"] == corpus.text_bytes
        if whole and counts["read"] != said["documents"]:
            raise BenchmarkError(
                f"muniment read {counts['read']} documents, {name} {said['documents']}"
            )
        stages = {"stage_seconds": said["seconds"]} if "seconds" in said else {}
        report[name] = {
            **{key: said[key] for key in ("tool", "documents", "text_bytes", "kept", "tasks")},
            **cost(measured),
            **stages,
            "mb_per_s": round(said["text_bytes"] / 1e6 / measured.seconds, 3),
            "ratio": round(our_speed / (said["text_bytes"] / measured.seconds), 2),
            "ratio_without_its_start_up": round(
                our_speed / (said["text_bytes"] / said["total_seconds"]), 2
            ),
        }
    return report


def main(argv: Sequence[str] | None = None) -> int:
    """Read the command line, compare, print JSON."""
    names = [contender.name for contender in CONTENDERS]
    parser = parser_of((__doc__ or "").partition("\n")[0])
    parser.add_argument("--cores", type=int, default=2, help="to hold all to (default 2)")
    parser.add_argument("--part-mb", type=int, default=200, metavar="N",
                        help="10^6 bytes of text that the others read at least")  # fmt: skip
    parser.add_argument("--against", nargs="+", choices=names, default=names)
    parser.add_argument("--python", action="append", default=[], metavar="NAME=PATH",
                        help="Python, or folder, of a contender's environment")  # fmt: skip
    options = parser.parse_args(argv)
    settings = Settings(dedup_only=True, ner="off", override=options.override_guards)
    given = {name: Path(path) for name, _, path in (item.partition("=") for item in options.python)}
    try:
        corpus = open_corpus(options.cache, options.name, options.source)
        pythons = {}
        for name in options.against:
            python = given.get(name) or own_python(options.cache, name)
            pythons[name] = python / "bin" / "python" if python.is_dir() else python
        hold_to_cores(options.cores)
        report = compare(corpus, settings, pythons, options.cores, options.part_mb * 10**6)
    except (BenchmarkError, OSError) as error:
        print(f"dedup_speed.py: {error}", file=sys.stderr)
        return 2
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
