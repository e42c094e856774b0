# SPDX-License-Identifier: Apache-2.0
"""Bytes of a release's manifest for each document: by table, and by column of a table.

    python benchmarks/manifest_size.py RELEASE [--columns TABLE]

Counts the files as they lie on disk. What a file costs beside its columns (footer with the field
documentation, page headers) stands as `(footer and pages)`; with small splits it is most of it.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from muniment.pipelines.release import open_release
from muniment.schemas.tables import MANIFEST_TABLES, QUARANTINE

if TYPE_CHECKING:
    from pathlib import Path

    from muniment.pipelines.release import Release

BAR_DOCUMENTS = 150
BAR_TOTAL = 400
"""Most bytes a document of the documents table, and of all tables (issue: ledger, bars)."""


def table_sizes(release: Release) -> dict[str, tuple[int, int]]:
    """Return rows and bytes of each manifest table."""
    return {
        spec.name: (
            sum(item.rows or 0 for item in release.files(spec.name)),
            sum(item.bytes for item in release.files(spec.name)),
        )
        for spec in (*MANIFEST_TABLES, QUARANTINE)
    }


def column_sizes(parts: list[Path]) -> Counter[str]:
    """Return the compressed bytes of each column of some Parquet files, the rest of them apart."""
    sizes: Counter[str] = Counter()
    for path in parts:
        with pq.ParquetFile(path) as file:
            metadata = file.metadata
            for group in range(metadata.num_row_groups):
                for place in range(metadata.num_columns):
                    column = metadata.row_group(group).column(place)
                    sizes[column.path_in_schema] += column.total_compressed_size
        sizes["(footer and pages)"] += path.stat().st_size
    sizes["(footer and pages)"] -= sizes.total() - sizes["(footer and pages)"]
    return sizes


def main() -> None:
    """Print the sizes of a release as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("release")
    parser.add_argument("--columns", metavar="TABLE", help="Also show the columns of this table.")
    arguments = parser.parse_args()
    release = open_release(arguments.release)
    documents = release.totals["documents"]["read"]
    tables = table_sizes(release)
    total = sum(size for _, size in tables.values())
    answer = {
        "documents": documents,
        "bytes_per_document": {
            name: round(size / documents, 2) for name, (_, size) in tables.items()
        },
        "total_bytes_per_document": round(total / documents, 2),
        "within_bars": bool(
            tables["documents"][1] <= BAR_DOCUMENTS * documents and total <= BAR_TOTAL * documents
        ),
    }
    if arguments.columns:
        sizes = column_sizes(release.parts(arguments.columns))
        answer["columns"] = {name: round(size / documents, 3) for name, size in sizes.most_common()}
    print(json.dumps(answer, indent=1))


if __name__ == "__main__":
    main()
