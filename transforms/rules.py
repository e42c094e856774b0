# SPDX-License-Identifier: Apache-2.0
"""What a rule of the policy is: facts for the manifest, and where it fires."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..schemas.reasons import Reason

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Hits:
    """Where a rule fired.

    Args:
        mask: bool `[n]`.
        score: What was compared, float32 `[n]` (NaN = none), or None.
        threshold: What it was compared with, float32 `[n]`, or None.
        entry: Number of the list entry, int64 `[n]` (-1 = none), or None.
    """

    mask: Bools
    score: Floats | None = None
    threshold: Floats | None = None
    entry: Ints | None = None


@dataclass(frozen=True)
class RuleFacts:
    """What the manifest says of a rule.

    Args:
        rule_id: Short name, stable across versions.
        stage: Stage it belongs to.
        signal: Column it reads.
        meaning: What it does, one sentence.
        basis: Law, standard, paper or measurement behind it.
        reason: Reason it gives, or None for rules that do not remove.
        action: `remove`, `quarantine`, `transform` or `flag`.
        mode: `enforce`, or `shadow`: recorded, never acts.
        version: Raised whenever the rule decides differently on equal signals.
        parameters: Settings, JSON-able.
        list_id: List it applies, or None.
    """

    rule_id: str
    stage: str
    signal: str
    meaning: str
    basis: str
    reason: Reason | None
    action: str = "remove"
    mode: str = "enforce"
    version: int = 1
    parameters: dict[str, Any] = field(default_factory=dict)
    list_id: str | None = None


class Rule(Protocol):
    """A rule: facts for the manifest, and where it fires."""

    @property
    def facts(self) -> RuleFacts:
        """What the manifest says of it."""
        ...

    def fires(self, signals: pa.Table) -> Hits:
        """Say on which rows it fires; no Python object for each row."""
        ...


def column(signals: pa.Table, name: str) -> npt.NDArray[Any]:
    """Return a column without nulls as NumPy."""
    return signals[name].to_numpy()


def holds(values: pa.ChunkedArray) -> Bools:
    """Return a bool column as NumPy, null as false."""
    return pc.fill_null(values, False).to_numpy()
