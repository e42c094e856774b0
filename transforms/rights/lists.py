# SPDX-License-Identifier: Apache-2.0
"""Opt-out and takedown lists: read strictly, indexed flat, matched exactly.

A list that cannot do its work is refused when it is loaded, never skipped in silence: an empty
file, an entry that would match everything, an entry that cannot be read, a canary that the list
misses. Entries go through the same normaliser as the records, so no spelling evades them.
"""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ...schemas.errors import ListError
from ..written_once import mapped, written_once
from .authors import credited_names
from .buffers import string_buffers
from .licences import denied_part
from .list_entries import KINDS, ListKind, normalise_entries
from .list_formats import read_lines
from .string_index import (
    StringIndex,
    build_index,
    entry_text,
    frozen_index,
    longest_prefixes,
    longest_suffixes,
)
from .urls import parse_hosts, url_key

_SHOWN = 10


@dataclass(frozen=True)
class OptOutList:
    """A list ready to match, in flat read-only arrays.

    Entries are numbered from 0 in file order. A repetition keeps its number and is never the match.

    Args:
        kind: What the entries are.
        name: File name without its suffix.
        sha256: Digest of the file as it was read.
        version: What the file says of itself (`# version:`), else the first 12 digits of sha256.
        lines: uint32 (n), line of the file each entry came from.
        malformed: Lines that could not be read, when they were to be skipped.
        canaries: Canaries that were checked: (must match, value).
        index: The normalised entries.
    """

    kind: ListKind
    name: str
    sha256: str
    version: str
    lines: NDArray[np.uint32]
    malformed: tuple[int, ...]
    canaries: tuple[tuple[bool, str], ...]
    index: StringIndex

    @property
    def entries(self) -> int:
        """Number of distinct entries."""
        return len(self.index.order)

    def entry(self, number: int) -> str:
        """Return the normalised text of an entry."""
        return entry_text(self.index, number)


def load_list(
    path: str | Path,
    kind: ListKind,
    *,
    force: bool = False,
    skip_malformed: bool = False,
) -> OptOutList:
    """Read, check and index a list file.

    Args:
        path: File in any of the formats of `list_formats`.
        kind: What the entries are: `domain` (matches the host and all below it), `url` (exact),
            `url_prefix` (see `match_urls`), `content_hash` (sha256 in hex), `licence` (SPDX or a
            usual name), `author` (see `authors`), `person` (keyed hash of an identifier, in hex).
        force: Whether an entry may be a public suffix (`com`, `co.uk`). `*` never may.
        skip_malformed: Whether lines that cannot be read are skipped and reported in
            `OptOutList.malformed`; otherwise they refuse the list.

    Returns:
        The list, its canaries checked.

    Raises:
        ListError: `empty_optout`, `too_broad`, `malformed` or `canary_failed`; or no such file.
    """
    path = Path(path)
    if kind not in KINDS:
        raise ListError(f"{path.name}: expected a list kind among {', '.join(KINDS)}, got {kind!r}")
    digest = hashlib.sha256()
    parts: list[pa.Array] = []
    lines: list[NDArray[np.uint32]] = []
    broad_lines: list[NDArray[np.uint32]] = []
    refused_lines: list[NDArray[np.uint32]] = []
    directives: list[tuple[str, str]] = []
    try:
        with path.open("rb") as file:
            for found in read_lines(file, digest):
                entries, broad = normalise_entries(found.entries, kind)
                refused = entries.is_null().to_numpy(zero_copy_only=False)
                parts.append(entries.drop_null() if refused.any() else entries)
                lines.append(found.lines[~refused])
                broad_lines.append(found.lines[broad])
                refused_lines.append(found.lines[refused])
                directives.extend(found.directives)
    except OSError as error:
        raise ListError(f"{path}: cannot be read ({error.strerror})") from None
    except csv.Error:
        raise ListError(f"{path.name}: malformed: expected CSV, as its header says") from None
    malformed = _joined(refused_lines)
    _check_lines(path, _joined(broad_lines), "too_broad", forced=force)
    _check_lines(path, malformed, "malformed", forced=skip_malformed)
    if not any(map(len, parts)):
        raise ListError(
            f"{path.name}: empty_optout: expected at least one entry, found none; "
            "remove the list from the job if nothing is opted out"
        )
    entries = pa.concat_arrays(parts)
    del parts  # a list of millions: its text is not needed twice beside its index
    sha256 = digest.hexdigest()
    versions = [value for name, value in directives if name == "version"]
    loaded = OptOutList(
        kind=kind,
        name=path.stem,
        sha256=sha256,
        version=versions[0] if versions else sha256[:12],
        lines=_joined(lines),
        malformed=tuple(malformed.tolist()),
        canaries=tuple((n == "canary+", value) for n, value in directives if n != "version"),
        index=build_index(entries, reverse=kind == "domain"),
    )
    _check_canaries(path, loaded)
    return loaded


def save_list(loaded: OptOutList, folder: str | Path) -> None:
    """Write a list as plain arrays that `open_list` maps, so that workers share one copy.

    Args:
        loaded: The list.
        folder: New or empty folder.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in _ARRAYS:
        np.save(folder / f"{name}.npy", getattr(loaded.index, name))
    np.save(folder / "lines.npy", loaded.lines)
    about = {name: getattr(loaded, name) for name in _ABOUT}
    (folder / "list.json").write_text(json.dumps(about, sort_keys=True), "utf-8")


def open_list(folder: str | Path) -> OptOutList:
    """Map a list that `save_list` wrote; nothing is read until it is matched.

    Args:
        folder: The folder.
    """
    folder = Path(folder)
    about = json.loads((folder / "list.json").read_text("utf-8"))
    arrays = [mapped(folder / f"{name}.npy") for name in _ARRAYS]
    about["malformed"] = tuple(about["malformed"])
    about["canaries"] = tuple((must, value) for must, value in about["canaries"])
    return OptOutList(**about, lines=mapped(folder / "lines.npy"), index=frozen_index(*arrays))


def share_list(
    path: str | Path, kind: ListKind, folder: Path, *, sha256: str, force: bool = False
) -> OptOutList:
    """Map a list from a folder that all workers of a machine share, indexing it first if nobody has.

    So a list of millions is in memory once a machine, however many workers match with it.

    Args:
        path: The list file.
        kind: What the entries are.
        folder: Folder of the run.
        sha256: Digest that was planned with.
        force: As in `load_list`.

    Raises:
        ListError: As `load_list`, or the file changed since the job was planned.
    """

    def write(staging: Path) -> None:
        loaded = load_list(path, kind, force=force)
        if loaded.sha256 != sha256:
            raise ListError(f"list {Path(path).name}: the file changed after the job was planned")
        save_list(loaded, staging)

    return open_list(written_once(folder, f"{kind}-{sha256[:32]}", write))


_ARRAYS = ("data", "offsets", "hashes", "order", "buckets")
_ABOUT = ("kind", "name", "sha256", "version", "malformed", "canaries")


def match_domains(hosts: pa.Array, lst: OptOutList) -> pa.Array:
    """Return the entry that covers each host: the longest of its suffixes that is listed.

    Entry `b.ex.com` covers `b.ex.com` and `a.b.ex.com`, not `ex.com` and not `notb.ex.com`.

    Args:
        hosts: string array of hosts as `urls.parse_hosts` returns them; null allowed.
        lst: A list of kind `domain`.

    Returns:
        int64 array of entry numbers; null where no entry covers the host.
    """
    _expect(lst, "domain")
    return _numbers(longest_suffixes(lst.index, *string_buffers(hosts)))


def match_readings(parsed: pa.RecordBatch, lst: OptOutList) -> pa.Array:
    """Return the entry that covers either reading of each URL's host, the first reading first.

    Args:
        parsed: What `urls.parse_hosts` returned.
        lst: A list of kind `domain`.

    Returns:
        int64 array of entry numbers; null where no entry covers a reading.
    """
    found = match_domains(parsed.column("host"), lst)
    seconds = parsed.column("second_host")
    if seconds.null_count == len(seconds):
        return found
    return pc.coalesce(found, match_domains(seconds, lst))


def match_urls(url_keys: pa.Array, lst: OptOutList) -> pa.Array:
    """Return the entry that covers each URL.

    A `url` entry covers the URL with the same key. A `url_prefix` entry covers the URLs of its own
    host whose key it begins, where it ends at a boundary: the end of the key, or before or after
    `/`, `?`, `&`, or after `=`. So `ex.com/blog` covers `/blog`, `/blog/1` and `/blog?p=1`, not
    `/blogger`; `ex.com/blog/` covers what lies below only. The longest entry wins.

    Args:
        url_keys: string array as `urls.url_key` returns it; null allowed.
        lst: A list of kind `url` or `url_prefix`.

    Returns:
        int64 array of entry numbers; null where no entry covers the URL.
    """
    _expect(lst, "url", "url_prefix")
    return _numbers(longest_prefixes(lst.index, *string_buffers(url_keys), lst.kind == "url"))


def match_content(texts: pa.Array, lst: OptOutList) -> pa.Array:
    """Return the entry that is the sha256 of each text.

    Args:
        texts: string array, in the form that the list's hashes were taken of; null allowed.
        lst: A list of kind `content_hash`.

    Returns:
        int64 array of entry numbers; null where no entry is equal.
    """
    _expect(lst, "content_hash")
    data, offsets, valid = string_buffers(texts)
    view = data.data
    # hashlib reads the buffer in place and uses the processor's SHA instructions: one call a text.
    digests = [
        hashlib.sha256(view[start:end]).hexdigest()
        for start, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)
    ]
    return match_values(pa.array(digests, pa.string(), mask=~valid), lst)


def match_licences(licences: pa.Array, lst: OptOutList) -> pa.Array:
    """Return the entry that leaves no way to use a document under each licence.

    Args:
        licences: string array of SPDX expressions as `licences.normalise_licences` returns them.
        lst: A list of kind `licence`.

    Returns:
        int64 array of entry numbers; null where a way is left, or the licence is not known.
    """
    _expect(lst, "licence")

    def listed(licence: str) -> int | None:
        number: int | None = match_values(pa.array([licence], pa.string()), lst)[0].as_py()
        return number

    encoded = licences.dictionary_encode()
    numbers = [denied_part(licence, listed) for licence in encoded.dictionary.to_pylist()]
    return pa.array(numbers, pa.int64()).take(encoded.indices)


def match_authors(lines: pa.Array, lst: OptOutList) -> pa.Array:
    """Return the first entry that names an author of each document.

    Args:
        lines: string array of credit lines, as the input has them; null allowed.
        lst: A list of kind `author`.

    Returns:
        int64 array of entry numbers; null where none is named.
    """
    _expect(lst, "author")
    rows, names = credited_names(lines)
    return first_entries(rows, match_values(names, lst), len(lines))


def first_entries(rows: NDArray[np.int64], entries: pa.Array, count: int) -> pa.Array:
    """Return the first entry found for each row.

    Args:
        rows: int64 `[k]`, ascending.
        entries: int64 `[k]`, null where nothing was found.
        count: Number of rows.
    """
    some = entries.is_valid().to_numpy(zero_copy_only=False)
    found = np.full(count, -1, np.int64)
    found[rows[some][::-1]] = entries.drop_null().to_numpy()[::-1]
    return _numbers(found)


def match_values(values: pa.Array, lst: OptOutList) -> pa.Array:
    """Return the entry equal to each value.

    Args:
        values: string array: for `content_hash` sha256 in lower-case hex, for `licence` the
            expression as `licences.normalise_licences` returns it, for `author` a name as
            `authors.credited_names` does, for `person` a keyed hash in hex; null allowed.
        lst: A list of one of these kinds.

    Returns:
        int64 array of entry numbers; null where no entry is equal.
    """
    _expect(lst, "content_hash", "licence", "author", "person")
    return _numbers(longest_prefixes(lst.index, *string_buffers(values), True))


def _joined(parts: list[NDArray[np.uint32]]) -> NDArray[np.uint32]:
    return np.concatenate([np.empty(0, np.uint32), *parts])


def _expect(lst: OptOutList, *kinds: ListKind) -> None:
    if lst.kind not in kinds:
        expected = " or ".join(kinds)
        raise ListError(f"{lst.name}: expected a list of kind {expected}, got {lst.kind}")


def _numbers(found: NDArray[np.int64]) -> pa.Array:
    return pa.array(found, mask=found < 0)


def _check_lines(path: Path, lines: NDArray[np.uint32], problem: str, *, forced: bool) -> None:
    if forced or not len(lines):
        return
    shown = ", ".join(str(line) for line in lines[:_SHOWN])
    more = f" and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    advice = {
        "too_broad": "expected domains below a public suffix; correct them or allow broad entries",
        "malformed": "expected entries of the declared kind; correct them or skip malformed lines",
    }[problem]
    raise ListError(f"{path.name}: {problem}: line {shown}{more}: {advice}")


def _check_canaries(path: Path, loaded: OptOutList) -> None:
    if not loaded.canaries:
        return
    values = pa.array([value for _, value in loaded.canaries], pa.string())
    if loaded.kind == "domain":
        found = match_readings(parse_hosts(values), loaded)
    elif loaded.kind in ("url", "url_prefix"):
        found = match_urls(url_key(values), loaded)
    elif loaded.kind == "author":
        found = match_authors(values, loaded)
    else:
        found = match_values(normalise_entries(values, loaded.kind)[0], loaded)
    matched = found.is_valid().to_pylist()
    failed = [at for at, (must, _) in enumerate(loaded.canaries, 1) if must != matched[at - 1]]
    if failed:
        numbers = ", ".join(map(str, failed))
        raise ListError(
            f"{path.name}: canary_failed: canary {numbers} of {len(matched)}: expected canary+ "
            "to match and canary- not to; the list does not do what its writer meant"
        )
