# SPDX-License-Identifier: Apache-2.0
"""Files on a disk: temp + flush + rename, and a lock that the system frees when its process dies."""

from __future__ import annotations

import errno
import fcntl
import glob
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from ...schemas.errors import ReleaseError
from .base import Sink, Stat, Store

TEMPORARY_PREFIX = ".tmp-"
STAGING_PREFIX = ".staging-"
_BLOCK = 1 << 20
_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
}


class LocalFile(FileIO):
    """An open file, unbuffered."""

    def pread(self, size: int, position: int, /) -> bytes:
        """Return up to `size` bytes at a position, none past the end."""
        return os.pread(self.fileno(), size, position)


class _Whole:
    """A local file stands for itself."""

    def __init__(self, path: str) -> None:
        self.path = path

    def fetch(self, start: int, end: int) -> None:
        """Do nothing: every byte is there."""


class _Itself:
    """A local folder stands for itself."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def bring(self, names: Iterable[str]) -> None:
        """Do nothing: every file is there."""

    def bring_like(self, pattern: re.Pattern[str]) -> None:
        """Do nothing: every file is there."""


class _Lock:
    """Held until the file is closed; the system never takes it away."""

    def check(self) -> None:
        """Do nothing."""


class LocalStore(Store):
    """Files on a POSIX file system."""

    poll_seconds = 0.5
    is_mapped = True

    def check(self, location: str) -> None:
        """Do nothing: a disk says what is wrong when it is used."""

    def absolute(self, location: str) -> str:
        """Return the absolute path, links unresolved."""
        return str(Path(location).absolute())

    def stat(self, location: str) -> Stat:
        """Return what the system knows of a file."""
        facts = os.stat(location)
        version = f"{facts.st_size}-{facts.st_mtime_ns}-{facts.st_ino}"
        kind = _KINDS.get(stat.S_IFMT(facts.st_mode), "special file")
        return Stat(facts.st_size, version, kind=kind, mtime_ns=facts.st_mtime_ns)

    def exists(self, location: str) -> bool:
        """Return whether a file or folder is there."""
        return os.path.exists(location)

    def names(self, folder: str) -> list[str]:
        """Return the names of the files in a folder, sorted; none if it is missing."""
        try:
            return sorted(os.listdir(folder))
        except FileNotFoundError:
            return []

    def tree(self, folder: str) -> list[str]:
        """Return everything below a folder; a folder ends in `/`, a link does not."""
        found = []
        for above, folders, files in os.walk(folder, followlinks=False):
            for name in [*folders, *files]:
                place = os.path.join(above, name)
                is_folder = os.path.isdir(place) and not os.path.islink(place)
                path = os.path.relpath(place, folder).replace(os.sep, "/")
                found.append(f"{path}/" if is_folder else path)
        return sorted(found)

    def glob(self, root: str, pattern: str) -> list[str]:
        """Return what a pattern matches, relative to `root`."""
        found = glob.glob(pattern, root_dir=root, recursive=True)
        is_folder = (os.path.isdir(os.path.join(root, name)) for name in found)
        return [
            f"{name.rstrip('/')}/" if folder else name
            for name, folder in zip(found, is_folder, strict=True)
        ]

    def read(self, location: str, limit: int = -1) -> bytes:
        """Return a small file, or its first `limit` bytes."""
        with open(location, "rb") as file:
            return file.read(limit)

    def read_each(self, locations: Iterable[str]) -> list[bytes | None]:
        """Return many small files, None for each that is missing."""

        def content(location: str) -> bytes | None:
            try:
                return self.read(location)
            except FileNotFoundError:
                return None

        return [content(location) for location in locations]

    def open(self, location: str) -> LocalFile:
        """Open a file unbuffered; should it be a pipe, opening it cannot hang."""
        return LocalFile(os.open(location, os.O_RDONLY | os.O_NONBLOCK), "rb")

    @contextmanager
    def localised(self, location: str) -> Iterator[str]:
        """Give the path itself."""
        yield location

    @contextmanager
    def excerpt(self, location: str) -> Iterator[_Whole]:
        """Give the path itself; every byte is there."""
        yield _Whole(location)

    def mirror(self, folder: str) -> _Itself:
        """Give the folder itself."""
        return _Itself(folder)

    def intact(self, location: str, size: int, sha256: str) -> bool:
        """Return whether a file is there with this size and digest; reads it."""
        try:
            with open(location, "rb") as file:
                if os.fstat(file.fileno()).st_size != size:
                    return False
                return hashlib.file_digest(file, "sha256").hexdigest() == sha256
        except OSError:
            return False

    def make_folder(self, folder: str, *, private: bool = False) -> None:
        """Create a folder; a private one has mode 0700 whatever the umask."""
        if private:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            os.chmod(folder, 0o700)
        else:
            os.makedirs(folder, exist_ok=True)

    @contextmanager
    def replace(self, location: str, mode: int = 0o600, *, flush: bool = True) -> Iterator[Sink]:
        """Write a temporary file beside the final name, flush it to disk, rename it.

        Its content is on disk then; its name is once the folder is flushed (`flush_folder`). The
        mode holds whatever the umask.
        """
        path = Path(location)
        temporary = path.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{path.name}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        try:
            with os.fdopen(descriptor, "wb", buffering=_BLOCK) as file:
                os.fchmod(file.fileno(), mode)
                sink = Sink(file)
                yield sink
                file.flush()
                if flush:
                    os.fsync(file.fileno())
                _check_size(file.fileno(), sink.bytes, location)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def flush_folder(self, folder: str) -> None:
        """Flush a folder's entries to disk."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def scratch(self, folder: str) -> str:
        """Return the folder itself."""
        return folder

    def log_file(self, location: str) -> str:
        """Create the file, private before a child's shell opens it, whatever the umask."""
        with self.replace(location):
            return location

    def adopt(self, source: str, target: str) -> bool:
        """Link a file; False where the file system cannot."""
        try:
            os.link(source, target)
        except OSError as error:
            if error.errno == errno.EEXIST:
                raise
            return False
        return True

    def remove(self, location: str) -> None:
        """Remove a file, if it is there."""
        Path(location).unlink(missing_ok=True)

    def remove_tree(self, folder: str) -> None:
        """Remove a folder and everything below it, if it is there."""
        if os.path.lexists(folder):
            shutil.rmtree(folder)

    def discard(self, folder: str, last: str) -> None:  # noqa: ARG002  (a rename needs no order)
        """Rename a folder to what the next `assemble` or `discard` removes, then remove it."""
        if os.path.lexists(folder):
            above, name = os.path.split(folder)
            leftover = os.path.join(above, f"{STAGING_PREFIX}removed-{name}")
            self.remove_tree(leftover)
            os.rename(folder, leftover)
            self.flush_folder(above)
            self.remove_tree(leftover)

    def remove_torn(self, folder: str) -> None:
        """Remove what a killed process was writing; finished files never have such a name."""
        for path in Path(folder).rglob(f"{TEMPORARY_PREFIX}*"):
            path.unlink(missing_ok=True)

    @contextmanager
    def assemble(self, folder: str, names: Collection[str], private: str) -> Iterator[str]:
        """Put the files into a staging folder beside the final one, then rename it."""
        target = Path(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        for leftover in target.parent.glob(f"{STAGING_PREFIX}*"):
            shutil.rmtree(leftover)
        staging = target.with_name(f"{STAGING_PREFIX}{os.getpid()}")
        for parent in {os.path.dirname(name) for name in names}:
            os.makedirs(staging / parent, exist_ok=True)
        yield str(staging)
        # Its parts come from a private folder.
        for path in [staging, *staging.rglob("*")]:
            is_public = path.relative_to(staging).parts[:1] != (private,)
            rights = (0o755, 0o644) if is_public else (0o700, 0o600)
            path.chmod(rights[0] if path.is_dir() else rights[1])
        for above in sorted({path.parent for path in staging.rglob("*")}):
            self.flush_folder(str(above))
        damaged = target.with_name(f"{STAGING_PREFIX}damaged-{target.name}")
        if target.exists():
            os.rename(target, damaged)
        os.rename(staging, target)
        self.flush_folder(str(target.parent))
        self.remove_tree(str(damaged))

    @contextmanager
    def locked(self, location: str) -> Iterator[_Lock]:
        """Hold a lock file; the system frees the lock of a dead process."""
        with open(location, "a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.seek(0)
                holder = file.read(20).strip() or "another process"
                message = (
                    f"{os.path.dirname(location)}: locked by pid {holder}; wait for it or choose "
                    "another --output"
                )
                raise ReleaseError(message) from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield _Lock()

    @contextmanager
    def claimed(self, location: str, *, wait: bool) -> Iterator[bool]:
        """Hold a file; the system frees it when the process ends."""
        descriptor = os.open(location, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
        finally:
            os.close(descriptor)

    def version(self, location: str) -> str | None:  # noqa: ARG002  (the lock vouches)
        """Return nothing to compare: the lock is enough on a disk."""
        return None

    def swap(self, location: str, data: bytes, seen: str | None, mode: int = 0o644) -> None:  # noqa: ARG002  (the lock vouches)
        """Replace a small file in one step; its name is on disk then.

        What a killed holder of the lock was writing in its place goes.
        """
        above, name = os.path.split(location)
        for torn in Path(above).glob(f"{TEMPORARY_PREFIX}*-{name}"):
            torn.unlink()
        with self.replace(location, mode) as file:
            file.write(data)
        self.flush_folder(above)


def _check_size(descriptor: int, size: int, location: str) -> None:
    """See that a file holds what was written."""
    if os.fstat(descriptor).st_size != size:
        raise OSError(errno.EIO, "the disk took less than it was given", location)
