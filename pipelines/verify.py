# SPDX-License-Identifier: Apache-2.0
"""Check a release against its own manifest: every file, every schema, and the books.

Files come first: size, sha256, row count, schema, nothing missing, nothing extra. Only if they
are intact are roots and books worth checking; the books are SQL over the files (`BOOKS`): each
statement returns the rows that break one rule, and an empty answer means that the rule holds.
A fault names a file, a row and a check; never what the row says.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..schemas.errors import IntegrityError
from ..schemas.printable import inert
from ..schemas.reasons import QUARANTINE_REASONS, Outcome, Reason
from ..schemas.restricted import RESTRICTED_TABLES
from ..schemas.tables import ALL_TABLES, CORPUS
from ..transforms.stores import join, store_at
from .books import BOOKS
from .chain import check_current
from .erasure import ERASED
from .faults import Fault
from .query import connect
from .release import UNLISTED
from .restricted import INDEX, open_to_others, restricted_files
from .signatures import check_signatures

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import duckdb

    from ..transforms.keys import Keyring
    from .release import Release, ReleaseFile

MOST_ROWS = 20
"""Rows named for each broken rule; how many there are in all is always said."""

_MEMORY = "4GB"
_WORDS = ("code_version", "config_sha256", "key_id")
_TABLES = {spec.name: spec for spec in (*ALL_TABLES, *RESTRICTED_TABLES)}


def verify(
    release: Release, keyring: Keyring | None = None, trusted: Sequence[str] = ()
) -> list[Fault]:
    """Check everything that a release says of itself.

    Args:
        release: An opened release, so its manifest is proved already.
        keyring: Its key; with it every row is held against the Merkle roots, and named.
        trusted: Public ed25519 keys (hexadecimal); where given, one must have signed the release.

    Returns:
        Faults in the order of the files, then of the checks; empty when the release is sound.
    """
    from .erasure_seal import check_erasure  # noqa: PLC0415  (rarely needed)
    from .verify_roots import check_leaves, check_rows  # noqa: PLC0415  (compiled: slow to load)

    try:
        restricted = restricted_files(release)
    except IntegrityError as error:
        return [Fault(INDEX, "", "restricted", str(error).removeprefix(f"{INDEX}: "))]
    faults = [*_check_listing(release, restricted), *_check_files(release, restricted)]
    faults += check_erasure(release, restricted, keyring)
    roots = list(check_leaves(release)) if not faults else []
    rows = list(check_rows(release, keyring)) if keyring and not roots else []
    signed = check_signatures(release, trusted) if trusted else []
    return [*(faults or roots or _check_books(release)), *rows, *signed, *check_current(release)]


def _check_listing(release: Release, restricted: tuple[ReleaseFile, ...]) -> Iterator[Fault]:
    """Yield what lies in the folder unlisted, tables without a file, and open restricted files."""
    listed = {item.path for item in (*release.listed, *restricted)}
    listed |= {INDEX} if restricted else set()
    folders = {path[: place + 1] for path in listed for place in _slashes(path)}
    erased = release.erasure.files if release.erasure else {}
    for path in _walk(release):
        if path in erased:
            detail = f"rows were erased from it, see {ERASED}; erase again to remove it"
            yield Fault(path, "", "erased", detail)
        elif path not in listed and path not in UNLISTED and path not in folders:
            yield Fault(path, "", "extra-file", "the manifest does not list it")
    for name in (spec.name for spec in ALL_TABLES):
        if not release.files(name):
            yield Fault("MANIFEST.json", "", "missing-table", f"no file of table {name} is listed")
    for path in open_to_others(release):
        detail = "others than its owner can reach it; expected mode 0600, folders 0700"
        yield Fault(path, "", "restricted", detail)


def _slashes(path: str) -> list[int]:
    return [place for place, char in enumerate(path) if char == "/"]


def _walk(release: Release) -> list[str]:
    """Return everything below the release folder; a folder ends in `/`, a link does not."""
    return store_at(release.origin).tree(join(release.origin, "snapshots", release.id))


def _check_files(release: Release, restricted: tuple[ReleaseFile, ...]) -> list[Fault]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        checked = pool.map(lambda item: _check_file(release, item), (*release.listed, *restricted))
        return [fault for fault in checked if fault]


def _check_file(release: Release, item: ReleaseFile) -> Fault | None:
    try:
        with release.content(item) as place:
            damage = release.difference(place, item)
            rows, schema = (None, None) if damage else _content(place, item)
    except IntegrityError as error:
        damage, rows, schema = str(error).removeprefix(f"{item.path}: "), None, None
    except (pa.ArrowException, OSError):
        return Fault(item.path, "", "unreadable", "not a file of the kind its name says")
    if damage:
        return Fault(item.path, "", "digest", damage)
    if rows is not None and rows != item.rows:
        return Fault(item.path, "", "row-count", f"manifest says {item.rows}, file holds {rows}")
    if schema is not None and item.table is not None:
        if item.table not in _TABLES:
            return Fault(item.path, "", "unknown-table", "no table of this schema version")
        if not schema.equals(_TABLES[item.table].arrow(), check_metadata=False):
            return Fault(item.path, "", "schema", "columns are not those declared for the table")
    return None


def _content(place: Path, item: ReleaseFile) -> tuple[int | None, pa.Schema | None]:
    """Return the rows (or lines) and the schema of a file, None for what it does not have."""
    if item.path.endswith(".parquet"):
        with pq.ParquetFile(place) as parquet:
            return parquet.metadata.num_rows, parquet.schema_arrow
    if item.path.endswith(".jsonl.zst"):
        lines = 0
        with pa.input_stream(str(place), compression="zstd") as stream:
            while chunk := stream.read(1 << 20):
                lines += chunk.count(b"\n")
        return lines, None
    return None, None


def _check_books(release: Release) -> list[Fault]:
    faults = []
    # Our own SQL over files that were proved a moment ago.
    with connect(
        release, verified=False, with_restricted=True, native=True, memory=_MEMORY
    ) as connection:
        _add_promises(connection, release)
        connection.register("corpus_rows", _corpus_rows(release))
        for check in BOOKS:
            rows = connection.execute(check.sql).fetchall()
            faults += [
                Fault(check.file, _name(row[0]), check.name, check.detail)
                for row in rows[:MOST_ROWS]
            ]
            if len(rows) > MOST_ROWS:
                more = f"{check.detail} (and {len(rows) - MOST_ROWS} rows more)"
                faults.append(Fault(check.file, "", check.name, more))
    return faults


def _name(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else inert(str(value)[:200])


def _corpus_rows(release: Release) -> pa.Table:
    """Return id and tokens of every row of the corpus, with file and row as it was released."""
    parts = []
    for item in release.files(CORPUS.name):
        if item.path.endswith(".parquet"):
            with release.content(item) as place:
                part = pq.read_table(place, columns=["doc_id", "tokens"], memory_map=False)
            numbers = np.delete(np.arange(len(part) + len(item.removed)), list(item.removed))
            parts.append(
                part.append_column("out_file", pa.repeat(item.was, len(part))).append_column(
                    "out_row", pa.array(numbers.astype(np.uint32))
                )
            )
    return pa.concat_tables(parts)


def _add_promises(connection: duckdb.DuckDBPyConnection, release: Release) -> None:
    """Add what the manifest promises, and the closed vocabulary, as tables for the books."""
    totals = release.totals
    numbers = {
        **{f"documents_{name}": value for name, value in _group(totals, "documents").items()},
        **{f"tokens_{name}": value for name, value in _group(totals, "tokens").items()},
        "bytes_in": totals.get("bytes_in"),
        "bytes_out": totals.get("bytes_out"),
    }
    reasons = _group(totals, "removed_by_reason") | _group(totals, "quarantined_by_reason")
    words = {name: release.manifest.get(name) for name in _WORDS}
    vocabulary = {
        reason.value: (
            Outcome.QUARANTINED.value if reason in QUARANTINE_REASONS else Outcome.REMOVED.value
        )
        for reason in Reason
    }
    number, word = pa.int64(), pa.string()
    for table, (key, value, kind), rows in (
        ("totals", ("name", "value", number), numbers),
        ("promised_reasons", ("reason", "documents", number), reasons),
        ("promised_words", ("name", "value", word), words),
        ("vocabulary", ("reason", "outcome", word), vocabulary),
    ):
        columns = [pa.array(rows.keys(), word), pa.array(rows.values(), kind)]
        connection.register(table, pa.table(columns, [key, value]))


def _group(totals: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = totals.get(name)
    return dict(value) if isinstance(value, dict) else {}
