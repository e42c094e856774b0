# SPDX-License-Identifier: Apache-2.0
"""Erase documents from releases that are made already: their text, and their rows in every table.

For each release, in this order: parts without the rows are written beside the old ones, ERASED.json
is replaced, the old parts are removed. A reader sees all of an erasure or nothing of it; after a
kill `verify` names what is left over, and the same call again finishes. Nothing is written in
place, so what other releases share with this one stays.

What an erasure does not touch: MANIFEST.json, roots, leaves and signatures; what the rows of other
documents say of them (the keyed id of a partner); backups, and blocks that a disk has not used again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..schemas.errors import IntegrityError
from ..schemas.restricted import RESTRICTED_TABLES
from ..schemas.tables import ALL_TABLES, CORPUS, DOCUMENTS
from ..schemas.tables_duplicates import SUPERSEDED
from ..transforms.corpus_json import write_jsonl
from ..transforms.keys import Keyring
from ..transforms.leaves import ROOTED
from ..transforms.storage import (
    CORPUS_PACKING,
    MANIFEST_PACKING,
    canonical_json,
    write_json,
    write_parquet,
)
from ..transforms.stores import Location, Store, join, store_at
from .erasure import (
    ERASED,
    FORMAT,
    ErasedFile,
    Erasure,
    is_after_erasure,
    path_after,
    tombstone_name,
)
from .erasure_seal import seal_of
from .release import LOCK_FILE, Release, ReleaseFile, open_release, release_ids
from .restricted import is_restricted, restricted_files

if TYPE_CHECKING:
    from pathlib import Path

Select = Callable[[Release], Iterable[bytes]]

_PUBLIC, _PRIVATE = 0o644, 0o600
_TABLES = {
    spec.name: spec
    for spec in (*ALL_TABLES, *RESTRICTED_TABLES)
    # Its documents are those of another release.
    if spec is not SUPERSEDED and "doc_id" in {field.name for field in spec.fields}
}
_WITHHELD = ("input_number", "source_id", "outcome", "reason")
_SUMS = ("length", "tokens_in", "tokens_out", "bytes_in", "bytes_out")


@dataclass(frozen=True)
class _Part:
    """A part that rows are to leave: where they lie in it now, and lay when it was made."""

    item: ReleaseFile
    ids: pa.Array
    rows: np.ndarray[Any, Any]
    before: np.ndarray[Any, Any]


def erase(
    output: Location,
    request: str,
    select: Select,
    *,
    keyring: Keyring,
    day: str,
    only: Sequence[str] = (),
) -> dict[str, Any]:
    """Erase documents from the releases of an output folder.

    Args:
        output: The output folder.
        request: Request that asks for it; the tombstones name it.
        select: Gives the ids of the documents to erase in a release.
        keyring: Key of the releases; seals what was done.
        day: Day that the tombstones name, ISO 8601.
        only: Ids of the releases to erase from; all by default.

    Returns:
        `request`, `documents` (erased in all), and `releases`: for each its id, the documents
        erased, and the rows by table.

    Raises:
        ReleaseError: There is no such release, or a run is going on.
        IntegrityError: A release is damaged; nothing was erased from it.
        KeyFileError: A release was made with another key.
    """
    store = store_at(output)
    output = store.absolute(join(output))
    there = open_release(output)
    there.bring_beside()
    with store.locked(join(output, LOCK_FILE)) as held:
        releases = [open_release(output, snapshot=id_) for id_ in only or release_ids(there.output)]
        seals = [seal_of(release, keyring) for release in releases]  # all keys, before anything
        answers, total = [], 0
        for release, seal in zip(releases, seals, strict=True):
            _tidy(store, release)
            held.check()
            rows = _erase_from(store, release, request, set(select(release)), day, seal)
            documents = rows.get(DOCUMENTS.name, 0)
            total += documents
            answers.append({"release": release.id, "documents": documents, "rows": rows})
    return {"request": request, "documents": total, "releases": answers}


def _erase_from(
    store: Store,
    release: Release,
    request: str,
    ids: set[bytes],
    day: str,
    seal: Callable[[bytes], str],
) -> dict[str, int]:
    """Erase documents from one release; return the rows that left, by table."""
    parts = list(_parts_with(release, ids)) if ids else []
    if not parts:
        return {}
    folder = join(release.origin, "snapshots", release.id)
    number = 1 + (release.erasure.content["number"] if release.erasure else 0)
    files = [_write_anew(folder, part, number) for part in parts]
    files += list(_lines_anew(folder, release, parts, number))
    content = _record(release, parts, files, request, day, number)
    for above in sorted({file.path.rpartition("/")[0] for file in files}):
        store.flush_folder(join(folder, above))
    write_json(join(folder, ERASED), content | {"seal": seal(canonical_json(content))}, _PUBLIC)
    _tidy(store, open_release(release.origin, snapshot=release.id))
    counts: dict[str, int] = {}
    for part in parts:
        table = str(part.item.table)
        counts[table] = counts.get(table, 0) + len(part.rows)
    return counts


def _tidy(store: Store, release: Release) -> None:
    """Remove the parts that erased rows were in, and what a killed erasure was writing."""
    folder = join(release.origin, "snapshots", release.id)
    listed = {item.path for item in (*release.listed, *restricted_files(release))}
    old = set(release.erasure.files) if release.erasure else set()
    gone = [
        path
        for path in store.tree(folder)
        if path not in listed and (path in old or is_after_erasure(path))
    ]
    for path in gone:
        store.remove(join(folder, path))
    for above in sorted({path.rpartition("/")[0] for path in gone}):
        store.flush_folder(join(folder, above))
    store.remove_torn(folder)


def _parts_with(release: Release, ids: set[bytes]) -> Iterator[_Part]:
    """Yield the parts that hold rows of some documents; each is proved before."""
    wanted = pa.array(sorted(ids), pa.binary())
    for item in (*release.listed, *restricted_files(release)):
        if item.table not in _TABLES or not item.path.endswith(".parquet"):
            continue
        with release.content(item) as place:
            if damage := release.difference(place, item):
                raise IntegrityError(f"{item.path}: {damage}; nothing was erased from it")
            column = pq.read_table(place, columns=["doc_id"]).column("doc_id").combine_chunks()
        column = pa.chunked_array([column.cast(pa.binary())]).combine_chunks()
        rows = np.flatnonzero(pc.is_in(column, wanted).to_numpy(zero_copy_only=False))
        if len(rows):
            yield _Part(item, column.take(pa.array(rows)), rows, _numbers(item)[rows])


def _numbers(item: ReleaseFile) -> np.ndarray[Any, Any]:
    """Return the numbers that the rows of a part had when the release was made."""
    return np.delete(np.arange((item.rows or 0) + len(item.removed)), list(item.removed))


def _write_anew(folder: str, part: _Part, number: int) -> ErasedFile:
    item, spec = part.item, _TABLES[str(part.item.table)]
    path = path_after(item.was, number)
    facts = write_parquet(
        join(folder, path),
        spec.arrow(),
        _others(join(folder, item.path), part.rows),
        CORPUS_PACKING if spec is CORPUS else MANIFEST_PACKING,
        _PRIVATE if is_restricted(path) else _PUBLIC,
    )
    removed = tuple(sorted({*item.removed, *part.before.tolist()}))
    return ErasedFile(item.was, path, facts.bytes, facts.rows or 0, facts.sha256, removed)


def _others(place: str, rows: np.ndarray[Any, Any]) -> Iterator[pa.Table]:
    """Yield a part without some of its rows, one row group at a time."""
    first = 0
    with (
        store_at(place).localised(place) as local,
        pq.ParquetFile(local, page_checksum_verification=True) as parts,
    ):
        for group in range(parts.num_row_groups):
            table = parts.read_row_group(group)
            inside = rows[(rows >= first) & (rows < first + len(table))] - first
            stays = np.ones(len(table), np.bool_)
            stays[inside] = False
            yield table.filter(pa.array(stays))
            first += len(table)


def _lines_anew(
    folder: str, release: Release, parts: Sequence[_Part], number: int
) -> Iterator[ErasedFile]:
    """Write the JSON lines anew of each corpus part that rows leave."""
    leaving = {part.item.was: part for part in parts if part.item.table == CORPUS.name}
    for item in release.files(CORPUS.name):
        part = leaving.get(item.was.removesuffix(".jsonl.zst") + ".parquet")
        if part is None or item.was == part.item.was:
            continue
        path = path_after(item.was, number)
        source = join(folder, path_after(part.item.was, number))
        facts = write_jsonl(join(folder, path), source, _PUBLIC)
        removed = tuple(sorted({*item.removed, *part.before.tolist()}))
        yield ErasedFile(item.was, path, facts.bytes, facts.rows or 0, facts.sha256, removed)


def _record(
    release: Release,
    parts: Sequence[_Part],
    files: Sequence[ErasedFile],
    request: str,
    day: str,
    number: int,
) -> dict[str, Any]:
    """Return what ERASED.json is to say, without its seal."""
    before = release.erasure or Erasure({}, (), (), {}, "", "")
    after = {**before.files, **{file.was: file for file in files}}
    stones = [asdict(stone) for stone in before.tombstones]
    leaves = _leaves_of(release, parts)
    known = {stone["document"] for stone in stones}
    stones += [
        {"document": name, "request": request, "day": day, "leaves": leaves[name]}
        for name in sorted({tombstone_name(id_) for part in parts for id_ in _ids(part)} - known)
    ]
    return {
        "format": FORMAT,
        "release": release.id,
        "number": number,
        "files": [asdict(after[was]) for was in sorted(after)],
        "tombstones": stones,
        "withheld": _withheld(release, parts, before),
    }


def _ids(part: _Part) -> list[bytes]:
    found: list[bytes] = part.ids.to_pylist()
    return found


def _leaves_of(release: Release, parts: Sequence[_Part]) -> dict[str, dict[str, list[int]]]:
    """Return, by tombstone, where the rows of a document stand among the leaves of each table."""
    leaves: dict[str, dict[str, list[int]]] = {}
    for part in parts:
        for id_ in _ids(part):
            leaves.setdefault(tombstone_name(id_), {spec.name: [] for spec in ROOTED})
    for spec in ROOTED:
        first = 0
        starts = {}
        for item in release.files(spec.name):
            starts[item.path] = first
            first += (item.rows or 0) + len(item.removed)
        for part in parts:
            if part.item.table == spec.name:
                for id_, row in zip(_ids(part), part.before.tolist(), strict=True):
                    places = leaves[tombstone_name(id_)][spec.name]
                    places.append(starts[part.item.path] + row)
    return {
        name: {table: sorted(places) for table, places in by_table.items()}
        for name, by_table in leaves.items()
    }


def _withheld(release: Release, parts: Sequence[_Part], before: Erasure) -> list[dict[str, Any]]:
    """Add up what the rows of `documents` that leave counted, and those that left before."""
    groups = {tuple(entry[name] for name in _WITHHELD): dict(entry) for entry in before.withheld}
    for part in parts:
        if part.item.table == DOCUMENTS.name:
            with release.content(part.item) as place:
                for row in _counted(place, part.rows):
                    key = tuple(row[name] for name in _WITHHELD)
                    group = groups.setdefault(
                        key,
                        {**dict(zip(_WITHHELD, key, strict=True)), "documents": 0}
                        | dict.fromkeys(_SUMS, 0),
                    )
                    group["documents"] += 1
                    for name in _SUMS:
                        group[name] += row[name]
    return [groups[key] for key in sorted(groups, key=lambda key: tuple(map(str, key)))]


def _counted(place: Path, rows: np.ndarray[Any, Any]) -> list[dict[str, Any]]:
    table = pq.read_table(place, columns=[*_WITHHELD, *_SUMS])
    found: list[dict[str, Any]] = table.take(pa.array(rows)).to_pylist()
    return found
