# SPDX-License-Identifier: Apache-2.0
"""Write the index of the restricted part of a release; see `restricted` for what reads it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..transforms.run_state import Run
from ..transforms.storage import canonical_json, make_private_folder, write_bytes
from .release import FORMAT
from .restricted import FOLDER, INDEX


def write_index(
    folder: Path, listed: Sequence[Mapping[str, Any]], run: Run
) -> dict[str, Any] | None:
    """Make the restricted part of a staged release private, and index it.

    Args:
        folder: The staged release.
        listed: Entries of its restricted files, as MANIFEST.json has them for the others.
        run: The run; the index says its key, scope, reason and retention.

    Returns:
        What MANIFEST.json says of it, or None without restricted files.
    """
    if not listed:
        return None
    place = folder / FOLDER
    for path in [place, *place.rglob("*")]:
        if path.is_dir():
            make_private_folder(path)
        else:
            path.chmod(0o600)
    files = sorted(listed, key=lambda entry: str(entry["path"]))
    raw = canonical_json({"format": FORMAT, **_facts(run), "files": files})
    write_bytes(folder / INDEX, raw)
    return {"path": INDEX, "sha256": hashlib.sha256(raw).hexdigest()}


def _facts(run: Run) -> dict[str, Any]:
    personal = run.job.personal_data
    until = personal.links_retention
    return {
        "key_id": run.plan.key_id,
        "links": personal.links.value,
        "reason": personal.links_reason,
        "delete_by": until.isoformat() if until else None,
    }
