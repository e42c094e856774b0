# SPDX-License-Identifier: Apache-2.0
"""How a table and its columns are declared: once, with type, unit, meaning and standard.

`docs/` tables, the Parquet field metadata and the card are generated from these declarations.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

ID = pa.binary(16)
"""Every identifier: 128 bits, never text."""

WORD = pa.dictionary(pa.int32(), pa.string())
"""A string column with few distinct values."""


@dataclass(frozen=True)
class Field:
    """One column of a manifest table.

    Args:
        name: Column name; the standard's term where one exists.
        type: Arrow type.
        meaning: One sentence, ending in a full stop.
        unit: Unit or range (`tokens`, `bytes`, `[0, 1]`), or None.
        standard: The standard or disclosure field it serves, or None.
        nullable: Whether null is a value; its meaning is then part of `meaning`.
        ascending: Whether values mostly grow from row to row; they are stored as differences.
        distinct: Whether values seldom repeat; they are stored without a dictionary.
    """

    name: str
    type: pa.DataType
    meaning: str
    unit: str | None = None
    standard: str | None = None
    nullable: bool = False
    ascending: bool = False
    distinct: bool = False

    def arrow(self) -> pa.Field:
        """Return the Arrow field, its documentation as field metadata."""
        metadata = {"meaning": self.meaning}
        if self.unit:
            metadata["unit"] = self.unit
        if self.standard:
            metadata["standard"] = self.standard
        if self.ascending:
            metadata["order"] = "ascending"
        if self.distinct:
            metadata["values"] = "distinct"
        return pa.field(self.name, self.type, nullable=self.nullable, metadata=metadata)


@dataclass(frozen=True)
class TableSpec:
    """One manifest table: a folder of Parquet files with one schema.

    Args:
        name: Folder and view name.
        meaning: One sentence: what one row is.
        fields: Columns in order.
    """

    name: str
    meaning: str
    fields: tuple[Field, ...]

    def arrow(self) -> pa.Schema:
        """Return the Arrow schema with the documentation as metadata."""
        return self._arrow

    @cached_property
    def _arrow(self) -> pa.Schema:
        return pa.schema([f.arrow() for f in self.fields], metadata={"table": self.name})
