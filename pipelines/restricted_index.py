# SPDX-License-Identifier: Apache-2.0
"""The index of the restricted part of a release; see `restricted` for what reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..transforms.run_state import Run
from ..transforms.storage import canonical_json
from .release import FORMAT


def index_of(listed: Sequence[Mapping[str, Any]], run: Run) -> bytes:
    """Return the index of the restricted part of a release.

    Args:
        listed: Entries of its restricted files, as MANIFEST.json has them for the others.
        run: The run; the index says its key, scope, reason and retention.
    """
    files = sorted(listed, key=lambda entry: str(entry["path"]))
    return canonical_json({"format": FORMAT, **_facts(run), "files": files})


def _facts(run: Run) -> dict[str, Any]:
    personal = run.job.personal_data
    until = personal.links_retention
    return {
        "key_id": run.plan.key_id,
        "links": personal.links.value,
        "reason": personal.links_reason,
        "delete_by": until.isoformat() if until else None,
    }
