# SPDX-License-Identifier: Apache-2.0
"""Files on an object store: no rename, no lock and no folder, but whole puts and conditional ones.

- A file is written to an unnamed local file first and put in one request (in parts beyond 100 MiB),
  with its SHA-256 as metadata; nobody sees half of it, and a killed process leaves nothing behind.
- A folder is complete when its last file is there; readers look for that one first.
- A pointer moves by a put on the condition that it is still the version that was seen.

Work files and Parquet ranges are fetched into unnamed local files and mapped there: their disk
space is free again when the last mapping of them goes.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import tempfile
import weakref
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from fnmatch import translate
from typing import IO, Any, TypeVar

from ...schemas.errors import ReleaseError, StorageError
from .base import Sink, Stat, Store, join
from .lease import Lease

T = TypeVar("T")

_BLOCK = 4 << 20
"""Bytes that one ranged read fetches at least: at 100 MB/s and 30 ms a request, the request then
costs less than the bytes do (S3's own guidance is 8 to 16 MB ranges for throughput)."""

_AT_ONCE = 8
_OWN_FILES = "/proc/self/fd"


class Missed(Exception):  # noqa: N818  (an answer of the store, not an error)
    """The condition of a put did not hold."""


class RangedFile(io.RawIOBase):
    """A stored object, read in ranges of at least `_BLOCK` bytes.

    Args:
        fetch: Returns the bytes `[start, end)`.
        size: Size of the object.
    """

    def __init__(self, fetch: Callable[[int, int], bytes], size: int) -> None:
        self._fetch, self._size = fetch, size
        self._at = self._first = 0
        self._held = memoryview(b"")

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def seek(self, position: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a position; nothing is fetched."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = base + position
        return self._at

    def pread(self, size: int, position: int, /) -> bytes:
        """Return up to `size` bytes at a position, none past the end."""
        self.seek(position)
        return self.read(size) or b""

    def readinto(self, view: Any, /) -> int:
        """Fill `view`, or its start where the object ends."""
        room = memoryview(view).cast("B")
        filled = 0
        while filled < len(room) and self._at < self._size:
            offset = self._at - self._first
            if not 0 <= offset < len(self._held):
                end = min(self._at + max(len(room) - filled, _BLOCK), self._size)
                self._first, offset = self._at, 0
                self._held = memoryview(self._fetch(self._at, end))
                if not self._held:
                    break
            piece = self._held[offset : offset + len(room) - filled]
            room[filled : filled + len(piece)] = piece
            filled += len(piece)
            self._at += len(piece)
        return filled


class _Excerpt:
    """An unnamed local file of the object's size that holds the ranges fetched so far."""

    def __init__(self, file: IO[bytes], path: str, fetch: Callable[[int, int], bytes]) -> None:
        self.path = path
        self._file, self._fetch = file, fetch

    def fetch(self, start: int, end: int) -> None:
        """Fetch the bytes `[start, end)`."""
        if end > start:
            os.pwrite(self._file.fileno(), self._fetch(start, end), start)


class _Copies:
    """A private temporary folder with copies of objects; removed when nobody refers to it."""

    def __init__(self, store: ObjectStore, origin: str) -> None:
        self._store, self._origin = store, origin
        self.folder = tempfile.mkdtemp(prefix="muniment-")
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        os.makedirs(os.path.join(self.folder, "snapshots"))

    def bring(self, names: Iterable[str]) -> None:
        """Copy the objects that are not here yet, several at once."""

        def copy(name: str) -> None:
            self._store.copy_out(join(self._origin, name), self.folder, name)

        missing = [name for name in names if not os.path.exists(os.path.join(self.folder, name))]
        self._store.at_once(copy, missing)

    def bring_like(self, pattern: re.Pattern[str]) -> None:
        """Copy those objects whose whole path matches."""
        self.bring(name for name in self._store.tree(self._origin) if pattern.fullmatch(name))


class ObjectStore(Store):
    """Objects by `scheme://bucket/key`; subclasses speak one service's dialect.

    Args:
        scheme: The scheme.
        system: The fsspec file system.
    """

    poll_seconds = 5.0
    is_mapped = False

    def __init__(self, scheme: str, system: Any) -> None:
        self.scheme = scheme
        self.system = system

    # The dialect

    @abstractmethod
    def head(self, location: str) -> tuple[Stat, str]:
        """Return what is known of an object, and the SHA-256 in its metadata."""

    @abstractmethod
    def put(self, location: str, path: str, sha256: str) -> None:
        """Put a local file, with its SHA-256 as metadata."""

    @abstractmethod
    def put_if(self, location: str, data: bytes, seen: str | None) -> str:
        """Put a small object if it is the version that was seen (None: if there is none).

        Returns:
            The version that was put.

        Raises:
            Missed: Another version is there.
        """

    @abstractmethod
    def access_hint(self) -> str:
        """Return what to do about missing or wrong credentials, without any of them."""

    # Errors

    @contextmanager
    def speaking(self, location: str) -> Iterator[None]:
        """Turn what the libraries raise into one line that names the bucket and what to do."""
        try:
            yield
        except (FileNotFoundError, StorageError, Missed):
            raise
        except PermissionError:
            raise self._refused(location, "access denied", self.access_hint()) from None
        except OSError as error:
            kind = type(error).__name__
            hint = "check the address, the network and the service, then run again"
            raise self._refused(location, f"the store failed ({kind})", hint) from None
        except Exception as error:
            if type(error).__module__.split(".")[0] not in _LIBRARIES:
                raise
            name = type(error).__name__
            hint = self.access_hint() if "redential" in name or "Token" in name else ""
            hint = hint or "check the address, the network and the service, then run again"
            raise self._refused(location, f"the store failed ({name})", hint) from None

    def _refused(self, location: str, what: str, hint: str) -> StorageError:
        return StorageError(f"{self.bucket(location)}: {what}; {hint}")

    def bucket(self, location: str) -> str:
        """Return the bucket of a location, with its scheme."""
        return "/".join(location.split("/")[:3])

    def check(self, location: str) -> None:
        """Look at the bucket; without credentials or bucket nothing would work."""
        bucket = self.bucket(location)
        with self.speaking(location):
            try:
                self.system.ls(f"{bucket}/muniment-probe/", refresh=True)
            except FileNotFoundError:
                try:
                    self.system.info(bucket)
                except FileNotFoundError:
                    hint = "create the bucket, or correct its name"
                    raise self._refused(location, "there is no such bucket", hint) from None

    # What is there

    def absolute(self, location: str) -> str:
        """Return the location: it is the same for everyone."""
        return location.rstrip("/")

    def stat(self, location: str) -> Stat:
        """Return what the store knows of an object."""
        return self.head(location)[0]

    def exists(self, location: str) -> bool:
        """Return whether an object is there."""
        try:
            self.head(location)
        except FileNotFoundError:
            return False
        return True

    def names(self, folder: str) -> list[str]:
        """Return the names of the objects right below a prefix, sorted."""
        return [name for name in self.tree(folder) if "/" not in name]

    def tree(self, folder: str) -> list[str]:
        """Return the keys below a prefix, relative to it, sorted."""
        prefix = folder.rstrip("/") + "/"
        bare = prefix.partition("://")[2]
        with self.speaking(folder):
            try:
                found = self.system.find(prefix, refresh=True)
            except FileNotFoundError:
                return []
        return sorted(str(name)[len(bare) :] for name in found if str(name).startswith(bare))

    def glob(self, root: str, pattern: str) -> list[str]:
        """Return the objects that a pattern matches, as `glob.glob` would if keys were files."""
        whole = "://" in pattern
        parts = (pattern.split("://")[1] if whole else pattern).split("/")
        fixed = next((n for n, part in enumerate(parts) if _WILD.search(part)), len(parts) - 1)
        fixed = max(fixed, 1) if whole else fixed
        above = "/".join(parts[:fixed])
        base = f"{self.scheme}://{above}" if whole else "/".join(filter(None, [root, above]))
        wanted = re.compile(_regex(parts[fixed:]))
        shown = f"{self.scheme}://{above}" if whole else above
        return [
            f"{shown}/{name}" if shown else name
            for name in self.tree(base)
            if not name.endswith("/") and wanted.fullmatch(name)
        ]

    # Reading

    def read(self, location: str, limit: int = -1) -> bytes:
        """Return a small object, or its first `limit` bytes, in one request."""
        with self.speaking(location):
            content: bytes = self.system.cat_file(location)
        return content if limit < 0 else content[:limit]

    def read_each(self, locations: Iterable[str]) -> list[bytes | None]:
        """Return many small objects, several at once; None for each that is missing."""

        def content(location: str) -> bytes | None:
            try:
                return self.read(location)
            except FileNotFoundError:
                return None

        return self.at_once(content, list(locations))

    def at_once(self, call: Callable[[str], T], locations: list[str]) -> list[T]:
        """Call for every location, several at once; return the answers in order."""
        if len(locations) < 2:
            return [call(location) for location in locations]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(call, locations))

    def _fetch(self, location: str, start: int, end: int) -> bytes:
        with self.speaking(location):
            content: bytes = self.system.cat_file(location, start=start, end=end)
        return content

    def open(self, location: str) -> RangedFile:
        """Open an object to read it in ranges."""
        size = self.stat(location).bytes
        return RangedFile(lambda start, end: self._fetch(location, start, end), size)

    @contextmanager
    def localised(self, location: str) -> Iterator[str]:
        """Fetch an object into an unnamed local file."""
        with _unnamed() as (_, path), self.speaking(location):
            self.system.get_file(location, path)
            yield path

    @contextmanager
    def excerpt(self, location: str) -> Iterator[_Excerpt]:
        """Give an unnamed local file of the same size, empty until ranges are fetched."""
        size = self.stat(location).bytes
        with _unnamed() as (file, path):
            os.ftruncate(file.fileno(), size)

            def fetch(start: int, end: int) -> bytes:
                return self._fetch(location, max(start, 0), min(end, size))

            yield _Excerpt(file, path, fetch)

    def mirror(self, folder: str) -> _Copies:
        """Give a private temporary folder."""
        return _Copies(self, folder)

    def copy_out(self, location: str, folder: str, name: str) -> None:
        """Copy an object to a place below a local folder, whole or not at all."""
        descriptor, temporary = tempfile.mkstemp(prefix=".", dir=folder)
        os.close(descriptor)
        try:
            with self.speaking(location):
                self.system.get_file(location, temporary)
        except FileNotFoundError:
            os.unlink(temporary)
            return
        above = folder
        for part in name.split("/")[:-1]:
            above = os.path.join(above, part)
            os.makedirs(above, mode=0o700, exist_ok=True)
        os.replace(temporary, os.path.join(folder, name))

    def intact(self, location: str, size: int, sha256: str) -> bool:
        """Compare size and the digest that was put with the object; nothing is read.

        Objects are put whole and cannot be changed in place: another content is another object,
        without this digest. A release is read to its last byte before it becomes current.
        """
        try:
            found, digest = self.head(location)
        except FileNotFoundError:
            return False
        return found.bytes == size and digest == sha256

    # Writing

    def make_folder(self, folder: str, *, private: bool = False) -> None:
        """Do nothing: there are no folders, and who may read is the bucket's policy."""

    @contextmanager
    def replace(
        self,
        location: str,
        mode: int = 0o600,  # noqa: ARG002  (the bucket's policy says who may read)
        *,
        flush: bool = True,  # noqa: ARG002  (an acknowledged put is durable)
    ) -> Iterator[Sink]:
        """Write an unnamed local file, then put it."""
        with _unnamed() as (file, path):
            sink = Sink(file)
            yield sink
            file.flush()
            with self.speaking(location):
                self.put(location, path, sink.sha256)

    def flush_folder(self, folder: str) -> None:
        """Do nothing: an acknowledged put is durable."""

    def scratch(self, folder: str) -> str:  # noqa: ARG002  (each process has its own)
        """Return a temporary folder of this process, removed at its end."""
        place = tempfile.mkdtemp(prefix="muniment-")
        weakref.finalize(self, shutil.rmtree, place, ignore_errors=True)
        return place

    def log_file(self, location: str) -> str:  # noqa: ARG002  (nothing appends to an object)
        """Create a private local file; it is left for who looks after a crash."""
        descriptor, path = tempfile.mkstemp(prefix="muniment-worker-", suffix=".log")
        os.close(descriptor)
        return path

    def adopt(self, source: str, target: str) -> bool:
        """Copy an object inside the store; no byte passes through this machine."""
        if not source.startswith(f"{self.scheme}://"):
            return False
        with self.speaking(target):
            self.system.cp_file(source, target)
        return True

    def remove(self, location: str) -> None:
        """Remove an object, if it is there."""
        with self.speaking(location):
            try:
                self.system.rm_file(location)
            except FileNotFoundError:
                return

    def remove_tree(self, folder: str) -> None:
        """Remove every object below a prefix."""
        places = [join(folder, name) for name in self.tree(folder)]
        if places:
            with self.speaking(folder):
                self.system.rm(places)

    def remove_torn(self, folder: str) -> None:
        """Do nothing: a put is whole, and what was never put has no name."""

    # Together

    @contextmanager
    def assemble(self, folder: str, names: Collection[str], private: str) -> Iterator[str]:
        """Write to the folder itself; what is there besides is removed in the end."""
        del private  # who may read is the bucket's policy, by prefix
        yield folder
        for name in sorted(set(self.tree(folder)).difference(names)):
            self.remove(join(folder, name))

    @contextmanager
    def locked(self, location: str) -> Iterator[Lease]:
        """Hold a lease on an object (see `lease`)."""
        with Lease(self, location) as lease:
            yield lease

    def version(self, location: str) -> str | None:
        """Return the version of an object, None if it is not there."""
        try:
            return self.stat(location).version
        except FileNotFoundError:
            return None

    def swap(self, location: str, data: bytes, seen: str | None, mode: int = 0o644) -> None:  # noqa: ARG002  (no modes)
        """Put an object if it is still the version that was seen."""
        try:
            with self.speaking(location):
                self.put_if(location, data, seen)
        except Missed:
            # A put that is tried again after a lost answer finds its own success.
            if self.version(location) is None or self.read(location) != data:
                message = f"{location}: another run moved it meanwhile; run again"
                raise ReleaseError(message) from None


_LIBRARIES = {"aiobotocore", "aiohttp", "botocore", "gcsfs", "google", "s3fs"}
_WILD = re.compile(r"[*?\[]")


def _regex(parts: list[str]) -> str:
    """Return the pattern of `glob.glob(recursive=True)`: `**` is any folders, none hidden.

    >>> bool(re.fullmatch(_regex(["**", "*.jsonl"]), "a/b/c.jsonl"))
    True
    >>> bool(re.fullmatch(_regex(["*.jsonl"]), ".hidden.jsonl"))
    False
    """
    found = []
    for number, part in enumerate(parts):
        is_last = number == len(parts) - 1
        if part == "**":
            found.append(r"(?:[^./][^/]*/)*" + (r"[^./][^/]*" if is_last else ""))
            continue
        # A wildcard stops at `/` and does not begin a hidden name.
        inner = translate(part).removeprefix("(?s:").removesuffix(r")\Z").replace(".*", "[^/]*")
        hidden = r"(?!\.)" if part[:1] in {"*", "?", "["} else ""
        found.append(hidden + inner + ("" if is_last else "/"))
    return "".join(found)


@contextmanager
def _unnamed() -> Iterator[tuple[IO[bytes], str]]:
    """Give a local file without a name, and a path by which this process can open it.

    What is mapped from it stays valid when the block ends. Where the system has no such paths the
    file has a name until then.
    """
    if os.path.isdir(_OWN_FILES):
        with tempfile.TemporaryFile() as file:
            yield file, f"{_OWN_FILES}/{file.fileno()}"
    else:
        with tempfile.NamedTemporaryFile() as named:
            yield named, named.name
