# SPDX-License-Identifier: Apache-2.0
"""Measure opt-out lists: load time and memory of a large list, URLs matched a second on one core.

    python benchmarks/list_speed.py [--entries 2000000] [--urls 1000000] [--list FILE]

Prints one JSON object. The list is made of `--entries` domains by a fixed rule, or read from FILE;
one URL in twenty is covered by it. Every figure is measured in its own process where memory is
concerned, after the kernels are compiled.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from muniment.transforms.rights import (
    OptOutList,
    load_list,
    match_readings,
    match_urls,
    open_list,
    parse_hosts,
    save_list,
    url_key,
)

_SUFFIXES = ("com", "net", "org", "co.uk", "de", "info", "com.br", "xyz")
_BATCH = 50_000
_COVERED = 20


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--entries", type=int, default=2_000_000, help="size of the made list")
    parser.add_argument("--urls", type=int, default=1_000_000, help="number of URLs to match")
    parser.add_argument("--hosts", type=int, default=200_000, help="number of distinct hosts")
    parser.add_argument("--list", type=Path, help="domain list to read instead of making one")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = args.list or make_list(Path(folder) / "domains.txt", args.entries)
        warm_up(Path(folder) / "small.txt")
        context = multiprocessing.get_context("spawn")
        with context.Pool(1, maxtasksperchild=1) as pool:
            loading = pool.apply(measure_load, (path,))
            mapping = pool.apply(measure_open, (path, Path(folder) / "mapped"))
        report = {"python": platform.python_version(), "machine": platform.machine()}
        report |= {"file_bytes": path.stat().st_size, "load": loading, "open_mapped": mapping}
        report["match"] = measure_match(load_list(path, "domain", **_LENIENT), args)
    print(json.dumps(report, indent=2))


_LENIENT: dict[str, Any] = {"force": True, "skip_malformed": True}


def make_list(path: Path, entries: int) -> Path:
    """Write a list of domains that differ in every part, one a line."""
    with path.open("w", encoding="ascii") as out:
        for number in range(entries):
            out.write(domain(number) + "\n")
    return path


def domain(number: int) -> str:
    """Return a domain of ordinary length, a fixed function of its number."""
    mixed = number * 2_654_435_761 % 2**40
    return f"site-{mixed:x}{'abcdefgh'[number % 8] * (number % 5)}.{_SUFFIXES[mixed % 8]}"


def warm_up(path: Path) -> None:
    """Compile the kernels (or load them from Numba's cache) before anything is timed."""
    path.write_text("example.com\n")
    lst = load_list(path, "domain")
    urls = pa.array(["http://a.example.com/x", "http://ü.example/", None])
    match_readings(parse_hosts(urls), lst)
    path.write_text("http://example.com/x\n")
    match_urls(url_key(urls), load_list(path, "url_prefix"))


def measure_load(path: Path) -> dict[str, float]:
    """Load a list in a fresh process; memory is what the load added to the process's peak."""
    warm_up(path.with_name("small-load.txt"))
    before = _peak_rss()
    start = time.perf_counter()
    lst = load_list(path, "domain", **_LENIENT)
    seconds = time.perf_counter() - start
    held = sum(array.nbytes for array in (*lst.index[:5], lst.lines))
    return {
        "entries": lst.entries,
        "seconds": round(seconds, 2),
        "peak_added_mb": round((_peak_rss() - before) / 1e6, 1),
        "held_mb": round(held / 1e6, 1),
    }


def measure_open(path: Path, folder: Path) -> dict[str, float]:
    """Save a list and map it again."""
    save_list(load_list(path, "domain", **_LENIENT), folder)
    start = time.perf_counter()
    lst = open_list(folder)
    return {"entries": lst.entries, "seconds": round(time.perf_counter() - start, 4)}


def measure_match(lst: OptOutList, args: argparse.Namespace) -> dict[str, float]:
    """Parse and match URLs in batches on one core."""
    pa.set_cpu_count(1)
    rng = np.random.default_rng(7)
    picks = rng.zipf(1.3, args.urls) % args.hosts
    listed = [
        lst.entry(int(number)) for number in rng.choice(lst.index.order, args.hosts // _COVERED)
    ]
    hosts = [
        f"www.{listed[number // _COVERED]}"
        if number % _COVERED == 0
        else f"news{number}.example.org"
        for number in range(args.hosts)
    ]
    urls = pa.array(
        f"https://{hosts[pick]}/2024/{row % 12}/an-article-title-{row}.html?utm=x%20y"
        for row, pick in enumerate(picks)
    )
    batches = [urls[at : at + _BATCH] for at in range(0, len(urls), _BATCH)]
    found, parsing, matching, keying = 0, 0.0, 0.0, 0.0
    for batch in batches:
        start = time.process_time()
        parsed = parse_hosts(batch)
        middle = time.process_time()
        numbers = match_readings(parsed, lst)
        end = time.process_time()
        url_key(batch)
        keying += time.process_time() - end
        parsing, matching = parsing + middle - start, matching + end - middle
        found += len(numbers) - numbers.null_count
    return {
        "urls": len(urls),
        "covered": found,
        "parse_us": round(1e6 * parsing / len(urls), 3),
        "match_us": round(1e6 * matching / len(urls), 3),
        "parse_and_match_urls_a_second": round(len(urls) / (parsing + matching)),
        "url_key_us": round(1e6 * keying / len(urls), 3),
    }


def _peak_rss() -> float:
    """Return this process's peak resident memory in bytes (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


if __name__ == "__main__":
    main()
