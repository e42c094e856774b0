# SPDX-License-Identifier: Apache-2.0
"""Measure the reader of crawls on one core: WARC files in, JSON with MB/s out, step by step.

    python benchmarks/crawl_speed.py [FILE.warc.gz] [--pages 2000] [--profile]

Without a file, a crawl is made of the one real page of the development data, each copy under its own
address and with its own words, one gzip member a record. Rates are megabytes (10^6 bytes) of
decompressed records per CPU second; the CPU time of the process that parses the pages counts too.
"""

from __future__ import annotations

import argparse
import cProfile
import gzip
import hashlib
import json
import os
import platform
import pstats
import resource
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fastwarc.warc import ArchiveIterator

from muniment.transforms.reading import ReadLimits, SplitReader, inspect_file, plan_splits
from muniment.transforms.reading.gzip_members import MemberFrames
from muniment.transforms.reading.warc_record import WebPage, judge_record
from muniment.transforms.stores import store_at

SAMPLE = (
    Path(os.environ.get("MUNIMENT_SHARED_DATA", "../shared/data")) / "warc" / "whirlwind.warc.gz"
)


def cpu_seconds() -> float:
    """Return the CPU time of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in used)


def make_crawl(path: Path, pages: int) -> None:
    """Write a crawl of copies of the sample page."""
    block = next(
        record.reader.read()
        for record in ArchiveIterator(SAMPLE.open("rb"), parse_http=False)
        if record.headers["WARC-Type"] == "response"
    )
    with path.open("wb") as file:
        for number in range(pages):
            own = hashlib.sha256(str(number).encode()).hexdigest().encode()
            body = block.replace(b"Escopete", own)
            head = (
                f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: https://e.org/{number}\r\n"
                "WARC-Date: 2024-05-18T01:58:10Z\r\nContent-Type: application/http\r\n"
                f"WARC-Block-Digest: sha1:{hashlib.sha1(body, usedforsecurity=False).hexdigest()}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n"
            )
            file.write(gzip.compress(head.encode() + body + b"\r\n\r\n", 6, mtime=0))


def frames(path: Path) -> Iterator[int]:
    """Yield the bytes of each record: decompression and framing only."""
    with store_at(path).open(str(path)) as file:
        size = path.stat().st_size
        for frame in MemberFrames(file, 0, size, size, ReadLimits()):
            yield len(frame.block)


def pages(path: Path) -> Iterator[int]:
    """Yield the bytes of each page: HTTP and digests too."""
    with store_at(path).open(str(path)) as file:
        size = path.stat().st_size
        for frame in MemberFrames(file, 0, size, size, ReadLimits()):
            found = judge_record(frame, 64 << 20)
            yield len(found.body) if isinstance(found, WebPage) else 0


def documents(path: Path, html_text: str) -> Iterator[int]:
    """Yield the documents of each batch: the whole reader."""
    facts = inspect_file(path)
    for split in plan_splits([("s", path.name, str(path), facts)], target_bytes=1 << 40):
        for batch in SplitReader(split, {"text": "text"}, html_text=html_text):  # type: ignore[arg-type]
            yield batch.num_rows


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--pages", type=int, default=2000)
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = given.file or Path(folder) / "crawl.warc.gz"
        if given.file is None:
            make_crawl(path, given.pages)
        size = sum(frames(path))
        steps = {
            "decompress_and_frame": lambda: sum(frames(path)),
            "http_and_digests": lambda: sum(pages(path)),
            "text_main": lambda: sum(documents(path, "main")),
            "text_all": lambda: sum(documents(path, "all")),
        }
        rates = {}
        for name, step in steps.items():
            before = cpu_seconds()
            step()
            rates[name] = round(size / 1e6 / (cpu_seconds() - before), 1)
        if given.profile:
            profile = cProfile.Profile()
            profile.runcall(steps["text_main"])
            pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(15)
    print(json.dumps({"python": platform.python_version(), "bytes": size, "mb_per_cpu_s": rates}))


if __name__ == "__main__":
    main()
