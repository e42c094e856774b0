# SPDX-License-Identifier: Apache-2.0
"""What a job of 10^8 and more documents would take, from what a measured one took for each document.

    python benchmarks/end_to_end.py mixed --override-guards > measured.json
    python benchmarks/scaling.py measured.json --keep     # infra/scaling.json and infra/SCALING.md

Every number is a measured constant for a document times documents, or a setting; nothing is fitted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any

INFRA = Path(__file__).resolve().parent.parent / "infra"
KEPT = INFRA / "scaling.json"
PAGE = INFRA / "SCALING.md"
BEGIN, END = "<!-- begin: benchmarks/scaling.py -->\n", "<!-- end: benchmarks/scaling.py -->\n"

DOCUMENTS = (10**8, 10**9, 10**10)
PRICE = 0.05
"""US dollars for a core-hour, an assumption: change it with --price."""
SPLIT_BYTES = 32 << 20
"""The default of `partitioning.split_bytes`."""
PARTITION_BYTES = 64 << 20
"""What a partition should hold: `gather` has it in memory twice, sorted and not."""
MOST_PARTITIONS = 4096
"""The largest `partitioning.exchange_partitions`."""
JOIN_BYTES_AN_EDGE = 173
"""Peak of `join`: 1.73 GB for 10^7 edges, `benchmarks/components.py --edges 10000000`."""

_BY_SPLIT = ("annotate", "screen", "identify", "introduce", "propose", "sample", "weigh", "collect",
             "finalize", "settle")  # fmt: skip
_KEPT = ("corpus", "documents", "text_bytes", "job", "machine", "cpu_seconds", "peak_rss_sum_bytes",
         "peak_rss_largest_bytes", "cpu_seconds_outside_stages", "stages")  # fmt: skip
_COUNTS = ("cpu_seconds", "units", "files", "written", "sent", "sent_bytes")


def constants(measured: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a benchmark's JSON the table needs.

    Args:
        measured: What `end_to_end.py` printed.
    """
    kept = {name: measured[name] for name in _KEPT}
    kept["stages"] = {
        name: {count: entry[count] for count in _COUNTS}
        for name, entry in measured["stages"].items()
        if "." not in name
    }
    return kept


def project(measured: Mapping[str, Any], documents: int, price: float = PRICE) -> dict[str, float]:
    """Return what a corpus like the measured one would take.

    Args:
        measured: As `constants` returns it.
        documents: Number of documents.
        price: US dollars for a core-hour.

    Returns:
        `text_bytes`, `splits`, `partitions`, `shuffled_bytes`, `widest_bytes` (the largest exchange)
        and its `partition_bytes`, `work_bytes`, `files`, `join_bytes` (memory of that one unit),
        `core_hours`, `dollars`.
    """
    share = documents / measured["documents"]
    stages = measured["stages"]
    splits = ceil(measured["text_bytes"] * share / SPLIT_BYTES)
    widest = max(entry["sent_bytes"] for entry in stages.values()) * share
    partitions = min(MOST_PARTITIONS, max(16, ceil(widest / PARTITION_BYTES)))
    files = 0.0
    for name, entry in stages.items():
        units = splits if name in _BY_SPLIT else 1 if name == "join" else partitions
        # A marker beside the files; a stage that few splits need, such as settle, is no more here.
        files += (entry["files"] / max(entry["units"], 1) + 1) * units
    edges = sum(stages[name]["sent"] for name in ("connect", "weigh") if name in stages) * share
    # Start-up and the commit are in it as if they grew with the documents: an upper bound.
    seconds = measured["cpu_seconds"] * share
    return {
        "text_bytes": measured["text_bytes"] * share,
        "splits": splits,
        "partitions": partitions,
        "shuffled_bytes": sum(entry["sent_bytes"] for entry in stages.values()) * share,
        "widest_bytes": widest,
        "partition_bytes": widest / partitions,
        "work_bytes": sum(entry["written"] for entry in stages.values()) * share,
        "files": files,
        "join_bytes": edges * JOIN_BYTES_AN_EDGE,
        "core_hours": seconds / 3600,
        "dollars": seconds / 3600 * price,
    }


def size(number: float) -> str:
    """Return bytes with a decimal unit, three digits.

    >>> size(1234567), size(8.1e13)
    ('1.23 MB', '81 TB')
    """
    for unit, scale in (("PB", 1e15), ("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if number >= scale:
            return f"{number / scale:.3g} {unit}"
    return f"{number:.3g} B"


def rounded(number: float) -> str:
    """Return a count with three digits that mean something.

    >>> rounded(1234567), rounded(12)
    ('1,230,000', '12')
    """
    digits = max(0, len(str(int(number))) - 3)
    return f"{round(number, -digits):,.0f}"


_ROWS = (
    ("text", "text_bytes", size),
    ("splits of 32 MiB", "splits", rounded),
    ("core-hours", "core_hours", rounded),
    ("dollars at {price} a core-hour", "dollars", rounded),
    ("through shuffles, all stages", "shuffled_bytes", size),
    ("largest exchange", "widest_bytes", size),
    ("`exchange_partitions` for 64 MiB each, at most 4,096", "partitions", rounded),
    ("a partition of the largest exchange then", "partition_bytes", size),
    ("work folder, parts of the release among it", "work_bytes", size),
    ("files in it", "files", rounded),
    ("memory of the unit `join`", "join_bytes", size),
)


def table(measured: Mapping[str, Any], price: float = PRICE) -> str:
    """Return both tables as Markdown: what was measured, and what follows.

    Args:
        measured: As `constants` returns it.
        price: US dollars for a core-hour.
    """
    number, text = measured["documents"], measured["text_bytes"]
    lines = [
        f"Measured: `{measured['corpus']}`, {number:,} documents, {size(text)} of text, job "
        f'"{measured["job"]}", {measured["machine"]["cores"]} cores; '
        f"{measured['cpu_seconds']:.0f} CPU seconds, {measured['cpu_seconds_outside_stages']:.0f} "
        f"of them outside stages; {size(measured['peak_rss_largest_bytes'])} in the largest process.",
        "",
        "| stage | CPU, us a document | rows sent a document | bytes sent a document | bytes written a document |",
        "|---|---|---|---|---|",
    ]
    for name, entry in measured["stages"].items():
        cells = (
            entry["cpu_seconds"] / number * 1e6,
            entry["sent"] / number,
            entry["sent_bytes"] / number,
            entry["written"] / number,
        )
        lines.append(f"| {name} | " + " | ".join(f"{cell:,.3g}" for cell in cells) + " |")
    found = [project(measured, documents, price) for documents in DOCUMENTS]
    heads = [f"10^{len(str(documents)) - 1} documents" for documents in DOCUMENTS]
    lines += ["", f"| | {' | '.join(heads)} |", "|---|---|---|---|"]
    for label, key, shown in _ROWS:
        cells_shown = " | ".join(shown(item[key]) for item in found)
        lines.append(f"| {label.format(price=f'{price:.2f}')} | {cells_shown} |")
    return "\n".join(lines) + "\n"


def with_table(page: str, tables: str) -> str:
    """Return a page with the tables between its marks."""
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + tables + END + rest.partition(END)[2]


def main(argv: Sequence[str] | None = None) -> int:
    """Read a benchmark's JSON; print the tables, or keep them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("measured", type=Path, nargs="?", default=KEPT)
    parser.add_argument("--price", type=float, default=PRICE, help="dollars for a core-hour")
    parser.add_argument("--keep", action="store_true", help="write infra/scaling.json, SCALING.md")
    options = parser.parse_args(argv)
    measured = constants(json.loads(options.measured.read_text()))
    tables = table(measured, options.price)
    if options.keep:
        KEPT.write_text(json.dumps(measured, indent=1) + "\n")
        PAGE.write_text(with_table(PAGE.read_text(), tables))
    print(tables, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
