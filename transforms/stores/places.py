# SPDX-License-Identifier: Apache-2.0
"""Which store a location belongs to."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from ...schemas.errors import StorageError
from ...schemas.locations import SERVICES, Location, remote_problem, scheme_of
from .base import Store
from .local import LocalStore

_disks: list[Store] = [LocalStore()]


def store_at(place: Location) -> Store:
    """Return the store that a location belongs to.

    Raises:
        StorageError: No store has this scheme, its library is not installed, or the location holds
            credentials.
    """
    scheme = scheme_of(place)
    if scheme is None:
        return _disks[-1]
    problem = remote_problem(place)
    if problem is not None:
        raise StorageError(problem)
    return _object_store(scheme, os.getpid())


@lru_cache
def _object_store(scheme: str, _process: int) -> Store:
    """Return the store of this process: connections and their threads do not survive a fork."""
    service = SERVICES[scheme]
    try:
        importlib.import_module(service.library)
    except ImportError:
        message = (
            f"{scheme}:// needs {service.library}, which is not installed; "
            f"run `pip install muniment[{service.extra}]`"
        )
        raise StorageError(message) from None
    from .services import STORES  # noqa: PLC0415  (fsspec takes 60 ms that a local run saves)

    return STORES[scheme]()


@contextmanager
def use_local_store(store: Store) -> Iterator[None]:
    """Let another store stand for the disk while a block runs: one that fails on purpose, say.

    It holds for this process; worker processes have their own.
    """
    _disks.append(store)
    try:
        yield
    finally:
        _disks.remove(store)
