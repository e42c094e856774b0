# SPDX-License-Identifier: Apache-2.0
"""What a store of files promises, whether it is a disk or a bucket.

A *location* is a local path or `scheme://bucket/key`. Whatever the store:

- a file appears whole under its name or not at all (`replace`);
- a folder that `assemble` puts together is seen by nobody before it is complete;
- of two runs only one can hold a lock (`locked`), and of two that both believe to hold it only one
  can move a pointer (`swap`).
"""

from __future__ import annotations

import hashlib
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any, Protocol, Self

from ...schemas.locations import Location, scheme_of


def location_of(place: Location) -> str:
    """Return a location as text."""
    return os.fspath(place)


def join(base: Location, *names: str) -> str:
    """Return the location of something below another one.

    >>> join("s3://bucket/out", "snapshots", "CURRENT"), join("/tmp", "a/b")
    ('s3://bucket/out/snapshots/CURRENT', '/tmp/a/b')
    """
    return "/".join([location_of(base).rstrip("/"), *names])


def resolve(root: Location, written: str) -> str:
    """Return the location that is written relative to a root, or is complete by itself.

    >>> resolve("s3://b/in", "a.jsonl"), resolve("/in", "s3://b/a"), resolve("/in", "/tmp/a")
    ('s3://b/in/a.jsonl', 's3://b/a', '/tmp/a')
    """
    whole = scheme_of(written) is not None or os.path.isabs(written)
    return written if whole else join(root, written)


@dataclass(frozen=True)
class Stat:
    """What a store knows of a file without reading it.

    Args:
        bytes: Size.
        version: Changes whenever the content may have: size, time and inode, or an ETag.
        etag: The store's own name for these bytes; empty where it has none.
        kind: `file`, or what it is instead (`directory`, `pipe`, ...).
        mtime_ns: Time of last change, nanoseconds; 0 where only the version tells.
    """

    bytes: int
    version: str
    etag: str = ""
    kind: str = "file"
    mtime_ns: int = 0


class Sink:
    """A file being written; counts and hashes what passes.

    The digest is that of what was meant to be written, so a write that the system cuts short shows
    as a difference, and no file has to be read again.

    Args:
        file: Binary file to write to.
    """

    closed = False

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.bytes = 0

    def write(self, data: Any) -> int:
        """Write all of a bytes-like object."""
        self._digest.update(data)
        size = memoryview(data).nbytes
        self.bytes += size
        self._file.write(data)
        return size

    def tell(self) -> int:
        """Return the bytes written so far."""
        return self.bytes

    def flush(self) -> None:
        """Hand over what is buffered."""
        self._file.flush()

    @property
    def sha256(self) -> str:
        """SHA-256 of what was written, hexadecimal."""
        return self._digest.hexdigest()


class StoredFile(Protocol):
    """A stored file that is open for reading."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, none at the end."""

    def readinto(self, view: memoryview, /) -> int | None:
        """Fill the start of `view`."""

    def seek(self, position: int, /) -> int:
        """Go to a position."""

    def pread(self, size: int, position: int, /) -> bytes:
        """Return up to `size` bytes at a position, none past the end."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...


class Excerpt(Protocol):
    """A local file that stands for a stored one: bytes are there once they were fetched."""

    path: str

    def fetch(self, start: int, end: int) -> None:
        """Make the bytes `[start, end)` readable at their own offsets."""


class Mirror(Protocol):
    """A local folder with the layout of a stored one; files are there once they were brought."""

    folder: str

    def bring(self, names: Iterable[str]) -> None:
        """Make some files readable here; what is missing there stays missing here."""

    def bring_like(self, pattern: re.Pattern[str]) -> None:
        """Make those files readable here whose whole path matches."""


class Held(Protocol):
    """A lock that is held."""

    def check(self) -> None:
        """Raise if the lock was lost meanwhile.

        Raises:
            ReleaseError: Another run took it over.
        """


class Store(ABC):
    """Files by location. Missing files raise FileNotFoundError, other faults OSError.

    `poll_seconds` is how often it is fair to list a folder while waiting; `is_mapped` says whether
    files can be mapped into memory where they lie.
    """

    poll_seconds: float
    is_mapped: bool

    # What is there

    @abstractmethod
    def check(self, location: str) -> None:
        """Fail early, with one line, where nothing could be read or written.

        Raises:
            StorageError: The store cannot be reached, or refuses.
        """

    @abstractmethod
    def absolute(self, location: str) -> str:
        """Return a location that means the same to every process."""

    @abstractmethod
    def stat(self, location: str) -> Stat:
        """Return what is known of a file."""

    @abstractmethod
    def exists(self, location: str) -> bool:
        """Return whether a file or folder is there."""

    @abstractmethod
    def names(self, folder: str) -> list[str]:
        """Return the names of the files in a folder, sorted; none if it is missing."""

    @abstractmethod
    def tree(self, folder: str) -> list[str]:
        """Return the paths of everything below a folder, sorted; a folder's ends in `/`."""

    @abstractmethod
    def glob(self, root: str, pattern: str) -> list[str]:
        """Return the files that a pattern matches, relative to `root`; rules of `glob.glob`.

        Folders that match are in it too, with a `/` at the end.
        """

    # Reading

    @abstractmethod
    def read(self, location: str, limit: int = -1) -> bytes:
        """Return a small file, or its first `limit` bytes."""

    @abstractmethod
    def read_each(self, locations: Iterable[str]) -> list[bytes | None]:
        """Return many small files, None for each that is missing."""

    @abstractmethod
    def open(self, location: str) -> StoredFile:
        """Open a file to read it from its start, or in ranges, unbuffered."""

    @abstractmethod
    def localised(self, location: str) -> AbstractContextManager[str]:
        """Give a local path with the content of a file; what is mapped there outlives the block."""

    @abstractmethod
    def excerpt(self, location: str) -> AbstractContextManager[Excerpt]:
        """Give a local path that will hold the ranges of a file that are fetched."""

    @abstractmethod
    def mirror(self, folder: str) -> Mirror:
        """Give a local folder that stands for a stored one, for as long as it is referred to."""

    @abstractmethod
    def intact(self, location: str, size: int, sha256: str) -> bool:
        """Return whether a file is there with this size and digest."""

    # Writing

    @abstractmethod
    def make_folder(self, folder: str, *, private: bool = False) -> None:
        """Create a folder and those above it; a private one only its owner can enter."""

    @abstractmethod
    def replace(
        self, location: str, mode: int = 0o600, *, flush: bool = True
    ) -> AbstractContextManager[Sink]:
        """Open a file that takes its name only when the block ends without an error.

        Its content survives a power cut then, unless it is not to be flushed.
        """

    @abstractmethod
    def flush_folder(self, folder: str) -> None:
        """Make the names in a folder survive a power cut."""

    @abstractmethod
    def scratch(self, folder: str) -> str:
        """Return a private local folder for what is derived and mapped: the folder, or a stand-in."""

    @abstractmethod
    def log_file(self, location: str) -> str:
        """Return a private local file that child processes of this machine can append to."""

    @abstractmethod
    def adopt(self, source: str, target: str) -> bool:
        """Give an immutable file a second name without reading it; False where that cannot be."""

    @abstractmethod
    def remove(self, location: str) -> None:
        """Remove a file, if it is there."""

    @abstractmethod
    def remove_tree(self, folder: str) -> None:
        """Remove a folder and everything below it, if it is there."""

    def discard(self, folder: str, last: str) -> None:
        """Remove a folder that is seen whole or not at all by who looks for its last file.

        A kill on the way leaves a folder that can be discarded again.

        Args:
            folder: The folder.
            last: Name of the file in it that readers look for first.
        """
        for name in self.tree(folder):
            if name != last and not name.endswith("/"):
                self.remove(join(folder, name))
        self.remove(join(folder, last))
        self.remove_tree(folder)

    @abstractmethod
    def remove_torn(self, folder: str) -> None:
        """Remove below a folder what a killed process was writing."""

    # Together

    @abstractmethod
    def assemble(
        self, folder: str, names: Collection[str], private: str
    ) -> AbstractContextManager[str]:
        """Put a folder together that nobody sees before it is complete.

        Args:
            folder: Its final location; a folder that is there already is replaced.
            names: Paths of all its files. The last file written must be the one that readers look
                for first: where nothing can be renamed, it is what makes the others count.
            private: Folder of it that only its owner may enter, where the store has such.

        Returns:
            A context that yields where to write.
        """

    @abstractmethod
    def locked(self, location: str) -> AbstractContextManager[Held]:
        """Hold a lock file.

        Raises:
            ReleaseError: Another run holds it.
        """

    @contextmanager
    def claimed(self, location: str, *, wait: bool) -> Iterator[bool]:  # noqa: ARG002  (see below)
        """Hold a file among the processes of this machine, as long as this one lives.

        A store without locks that end with their holder lets everybody in.

        Args:
            location: The file; created if missing.
            wait: Whether to wait for another process that holds it.

        Returns:
            A context that yields whether it is held: False if another process holds it.
        """
        yield True

    @abstractmethod
    def version(self, location: str) -> str | None:
        """Return the version of a small file, for `swap`; None if it is not there."""

    @abstractmethod
    def swap(self, location: str, data: bytes, seen: str | None, mode: int = 0o644) -> None:
        """Replace a small file in one step, if it still has the version that was seen.

        Raises:
            ReleaseError: Another run replaced it.
        """
