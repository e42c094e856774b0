# SPDX-License-Identifier: Apache-2.0
"""A disk that fails on purpose at the n-th system call of the local store.

The store's own code runs; what it calls (`os`, `open`, `shutil`, paths, open files) is replaced by
stand-ins that count. At call n one thing happens, once:

    eio     the call raises EIO
    enospc  the call raises ENOSPC, where it would need room
    eacces  the call raises EACCES, where it names a path
    short   a write takes half of what it is given and says so, which is its right
    lost    a write takes half of what it is given and says it took all
    kill    the process ends without another instruction (in a child)

What Arrow and DuckDB map by path is read past the seam; nothing of the product is written so.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path, PosixPath
from typing import Any

from muniment.transforms.stores import local

FAULTS = ("eio", "enospc", "eacces", "short", "lost", "kill")
KILLED = 137

_NAMES_A_PATH = {
    "open",
    "replace",
    "rename",
    "link",
    "unlink",
    "makedirs",
    "chmod",
    "stat",
    "rmtree",
}
_NEEDS_ROOM = {"open", "write", "fsync", "link", "makedirs", "replace", "rename"}
_COUNTED = {
    *("open", "fsync", "fchmod", "fstat", "replace", "rename", "link", "unlink", "makedirs"),
    *("chmod", "listdir", "stat", "walk", "close"),
}


class Disk:
    """Counts calls; at call `at` the fault happens, if that call can have it.

    Args:
        at: Number of the call, from 1; 0 for a disk that only counts.
        fault: One of `FAULTS`.
    """

    def __init__(self, at: int = 0, fault: str = "eio") -> None:
        self.at, self.fault = at, fault
        self.calls: list[str] = []
        self.happened: str | None = None
        self._lock = threading.Lock()

    def tick(self, name: str) -> bool:
        """Count a call; return whether a write is to go wrong."""
        with self._lock:
            self.calls.append(name)
            if len(self.calls) != self.at or not can_have(name, self.fault):
                return False
            self.happened = name
        if self.fault == "kill":
            os._exit(KILLED)
        if self.fault.startswith("e"):
            number = getattr(errno, self.fault.upper())
            raise OSError(number, os.strerror(number))
        return True

    def counted(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that counts before it does what it does."""

        def call(*args: Any, **kwargs: Any) -> Any:
            self.tick(name)
            return function(*args, **kwargs)

        return call


def can_have(call: str, fault: str) -> bool:
    """Return whether a fault makes sense at a call."""
    if fault in ("short", "lost"):
        return call == "write"
    where = {"enospc": _NEEDS_ROOM, "eacces": _NAMES_A_PATH}
    return call in where.get(fault, {call})


def _file_of(disk: Disk, base: type[FileIO]) -> type[FileIO]:
    class CountedFile(base):  # type: ignore[misc, valid-type]
        def write(self, data: Any) -> int:
            view = memoryview(data).cast("B")
            if not disk.tick("write"):
                return int(super().write(view))
            # A write of one byte cannot be halved: it takes none, as one that is interrupted.
            taken = super().write(view[: len(view) // 2])
            return len(view) if disk.fault == "lost" else max(int(taken), 0) or self._all(view)

        def _all(self, view: memoryview) -> int:
            return int(super().write(view))

        def read(self, size: int | None = -1) -> bytes:
            disk.tick("read")
            return bytes(super().read(-1 if size is None else size))

        def readall(self) -> bytes:
            disk.tick("read")
            return bytes(super().readall())

        def readinto(self, buffer: Any) -> int | None:
            disk.tick("read")
            found: int | None = super().readinto(buffer)
            return found

        def pread(self, size: int, position: int, /) -> bytes:
            disk.tick("read")
            return os.pread(self.fileno(), size, position)

    return CountedFile


def _system(disk: Disk, file: type[FileIO]) -> Any:
    class System:
        def __getattr__(self, name: str) -> Any:
            value = getattr(os, name)
            return disk.counted(name, value) if name in _COUNTED else value

        def fdopen(self, descriptor: int, mode: str, buffering: int = -1) -> Any:
            return io.BufferedWriter(file(descriptor, mode), buffering)  # type: ignore[arg-type]

    return System()


def _opener(disk: Disk, file: type[FileIO]) -> Callable[..., Any]:
    def opened(path: str, mode: str) -> Any:
        disk.tick("open")
        if mode != "rb":  # the lock file
            return open(path, mode, encoding="ascii")
        return io.BufferedReader(file(path, "rb"))  # type: ignore[arg-type]

    return opened


def _path(disk: Disk) -> type[Path]:
    class CountedPath(PosixPath):
        unlink = disk.counted("unlink", PosixPath.unlink)
        chmod = disk.counted("chmod", PosixPath.chmod)
        mkdir = disk.counted("makedirs", PosixPath.mkdir)

    return CountedPath


@contextmanager
def used(disk: Disk) -> Iterator[Disk]:
    """Let the local store of this process work on a disk that counts."""

    class Tree:
        rmtree = staticmethod(disk.counted("rmtree", shutil.rmtree))

    file = _file_of(disk, FileIO)
    stand_ins = {
        "os": _system(disk, file),
        "open": _opener(disk, file),
        "shutil": Tree,
        "Path": _path(disk),
        "LocalFile": _file_of(disk, local.LocalFile),
    }
    before = {name: getattr(local, name) for name in stand_ins if hasattr(local, name)}
    vars(local).update(stand_ins)
    try:
        yield disk
    finally:
        for name in stand_ins:
            delattr(local, name)
        vars(local).update(before)
