# SPDX-License-Identifier: Apache-2.0
"""What `verify` names: one thing of a release that is not as its manifest says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One thing that is not as the manifest says.

    Args:
        file: File or table, as a path below the release folder.
        row: Row or document the fault is at; empty where it is the file as a whole.
        check: Name of the check, a word with hyphens.
        detail: What was expected and what was found; counts and digests only.
    """

    file: str
    row: str
    check: str
    detail: str

    def __str__(self) -> str:
        """Return the fault as one line."""
        place = f"{self.file}: {self.row}" if self.row else self.file
        return f"{place}: {self.check}: {self.detail}"
