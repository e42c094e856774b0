# SPDX-License-Identifier: Apache-2.0
"""The files of a release while it is put together: taken over, written, listed, published."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..schemas.fields import TableSpec
from ..transforms.ledger import table_of
from ..transforms.run_state import Run
from ..transforms.storage import FileFacts, link_or_copy, write_bytes, write_json, write_parquet
from ..transforms.stores import join, store_at
from .restricted import FOLDER, INDEX
from .restricted_index import index_of

PUBLIC = 0o644
_LINKS_AT_ONCE = 8


class ReleaseFiles:
    """The files of a release while it is put together.

    Args:
        folder: Where small tables are written, in the private work folder.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.listed: list[dict[str, Any]] = []
        self.restricted: list[dict[str, Any]] = []
        self._places: dict[str, str] = {}
        store_at(folder).make_folder(folder, private=True)

    def take(self, path: str, table: str, facts: FileFacts) -> None:
        """Take over a part that a unit wrote."""
        self._places[path] = facts.path
        self.listed.append(facts.as_dict() | {"path": path, "table": table})

    def restrict(self, path: str, table: str, facts: FileFacts) -> None:
        """Take over a part that is not to be published."""
        self.take(path, table, facts)
        self.restricted.append(self.listed.pop())

    def index_restricted(self, run: Run) -> dict[str, Any] | None:
        """Write the index of the restricted part; return what MANIFEST.json says of it."""
        if not self.restricted:
            return None
        facts = write_bytes(join(self.folder, "RESTRICTED.json"), index_of(self.restricted, run))
        self._places[INDEX] = facts.path
        return {"path": INDEX, "sha256": facts.sha256}

    def write(self, spec: TableSpec, columns: Mapping[str, Any], rows: int) -> None:
        """Write a table that has one part."""
        place = join(self.folder, f"{spec.name}.parquet")
        facts = write_parquet(place, spec.arrow(), [table_of(spec, dict(columns), rows)])
        self.take(f"manifest/{spec.name}/part-00000.parquet", spec.name, facts)

    def add(self, path: str, content: bytes, rows: int) -> None:
        """Write a file that is no table."""
        facts = write_bytes(join(self.folder, path.replace("/", "-")), content)
        self._places[path] = facts.path
        self.listed.append(facts.as_dict() | {"path": path, "table": None, "rows": rows})

    def publish(self, folder: str, manifest: bytes, report: object) -> None:
        """Put everything into a folder that nobody sees before it is complete.

        Args:
            folder: Final folder.
            manifest: Content of MANIFEST.json; written last, because it makes the others count.
            report: Content of run.json.
        """
        with store_at(folder).assemble(
            folder, [*self._places, "run.json", "MANIFEST.json"], FOLDER
        ) as staging:
            with ThreadPoolExecutor(_LINKS_AT_ONCE) as pool:
                targets = [join(staging, path) for path in self._places]
                list(pool.map(link_or_copy, self._places.values(), targets))
            write_json(join(staging, "run.json"), report, PUBLIC)
            write_bytes(join(staging, "MANIFEST.json"), manifest, PUBLIC)
