# SPDX-License-Identifier: Apache-2.0
"""A lock as an object: put if there is none, renewed while it is held, taken over when it is dead.

The holder puts the object again every quarter of `LEASE_SECONDS`, on the condition that it is still
its own. Another run that finds the object

- takes it over at once if its process ran on this machine and is gone;
- else watches it: a version that changes belongs to a living run, and the other gives up; one that
  does not change for the whole lease is dead, and is taken over on the condition that it still is
  that version. Only the watcher's own monotonic clock is asked, so no two clocks need to agree.

A holder that was paused for longer than the lease may have lost it without knowing: `check` asks
the store, and the pointer of a release moves only by a conditional put besides.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ...schemas.errors import MunimentError, ReleaseError

if TYPE_CHECKING:
    from .objects import ObjectStore

LEASE_SECONDS = 60.0
_LOOK_SECONDS = 1.0


class Lease:
    """Hold a lock object while a block runs.

    Args:
        store: The object store.
        location: The lock object.
        seconds: How long it may stay unrenewed before others may take it.
    """

    def __init__(self, store: ObjectStore, location: str, seconds: float = LEASE_SECONDS) -> None:
        self._store, self._location, self._seconds = store, location, seconds
        self._token = secrets.token_hex(16)
        self._version = ""
        self._lost = False
        self._stop = threading.Event()
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self._renew, daemon=True)

    def __enter__(self) -> Self:
        self._version = self._acquire()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        if not self._lost:
            self._store.remove(self._location)

    def check(self) -> None:
        """Renew the lease now, or raise because another run took it over.

        Raises:
            ReleaseError: The lease is lost.
        """
        self._renew_once()
        if self._lost:
            message = f"{self._location}: another run took the lock over; run again"
            raise ReleaseError(message)

    def _acquire(self) -> str:
        from .objects import Missed  # noqa: PLC0415  (each module needs the other)

        seen: str | None = None
        for _ in range(3):  # the object may go and come between two looks
            try:
                return self._put(seen)
            except Missed:
                seen = self._dead_version()
        message = f"{self._location}: other runs keep taking the lock; choose another --output"
        raise ReleaseError(message)

    def _put(self, seen: str | None) -> str:
        body = {
            "host": socket.gethostname(),
            "boot": _boot(),
            "pid": os.getpid(),
            "token": self._token,
            # So that each renewal is another version, whatever the store derives versions from.
            "renewed": secrets.token_hex(8),
        }
        with self._store.speaking(self._location):
            return self._store.put_if(self._location, json.dumps(body).encode(), seen)

    def _dead_version(self) -> str | None:
        """Return the version of a lock whose holder is dead, None if it is gone.

        Raises:
            ReleaseError: Its holder lives.
        """
        version = first = self._store.version(self._location)
        holder = self._holder()
        if first is None or holder is None or holder.get("token") == self._token:
            return first
        if holder.get("host") == socket.gethostname() and holder.get("boot") == _boot():
            if not _is_alive(holder.get("pid")):
                return first
            raise self._refusal(holder)
        end = time.monotonic() + self._seconds
        while version == first and time.monotonic() < end:
            time.sleep(min(_LOOK_SECONDS, self._seconds / 4))
            version = self._store.version(self._location)
        if version not in {first, None}:
            raise self._refusal(holder)
        return version

    def _holder(self) -> dict[str, Any] | None:
        try:
            found = json.loads(self._store.read(self._location))
        except (FileNotFoundError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def _refusal(self, holder: dict[str, Any]) -> ReleaseError:
        folder = self._location.rpartition("/")[0]
        pid, host = holder.get("pid"), holder.get("host")
        return ReleaseError(
            f"{folder}: locked by pid {pid!r} on {host!r}; wait for it or choose another --output"
        )

    def _renew(self) -> None:
        while not self._stop.wait(self._seconds / 4):
            try:
                self._renew_once()
            except MunimentError:
                continue  # the store may answer again before the lease ends; `check` asks last

    def _renew_once(self) -> None:
        from .objects import Missed  # noqa: PLC0415  (each module needs the other)

        with self._guard:
            if self._lost:
                return
            try:
                self._version = self._put(self._version)
            except Missed:
                # A put that is tried again after a lost answer finds its own success.
                found, holder = self._store.version(self._location), self._holder()
                self._lost = found is None or holder is None or holder["token"] != self._token
                self._version = found or ""


def _is_alive(pid: object) -> bool:
    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _boot() -> str:
    """Return what tells this start of the system, and its space of pids, from every other."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return f"{file.read().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""
