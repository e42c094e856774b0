# SPDX-License-Identifier: Apache-2.0
"""Where files live: every product read, write, listing, rename and lock goes through a `Store`.

Reading order: `base` (what a store promises), `local` (a POSIX file system), `objects` (an object
store without rename) with `services` (S3, Google Cloud Storage) and `lease` (its lock), `places`
(which store a location belongs to). Modules outside this package open no product file themselves,
so a store that fails on purpose (`use_local_store`) reaches every read and write of a run.
"""

from ...schemas.locations import Location
from .base import Excerpt, Held, Mirror, Sink, Stat, Store, StoredFile, join, location_of, resolve
from .places import store_at, use_local_store

__all__ = [
    "Excerpt",
    "Held",
    "Location",
    "Mirror",
    "Sink",
    "Stat",
    "Store",
    "StoredFile",
    "join",
    "location_of",
    "resolve",
    "store_at",
    "use_local_store",
]
