# SPDX-License-Identifier: Apache-2.0
"""Numbers about a run that no other table of its release gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..transforms.bands import s_curve
from ..transforms.stage_units import exchange_counts, finished

if TYPE_CHECKING:
    from ..transforms.run_state import Run


def metric_rows(run: Run) -> list[dict[str, Any]]:
    """Return the `metrics` rows of a finished run.

    What was sent between stages, the chance that a pair of copies is proposed (the S-curve of the
    bands), and how many documents were compared with as many others as they may be.
    """
    rows = [
        {"name": f"rows_{side}", "slice": place, "value": float(count), "unit": "rows"}
        for place, *counts in exchange_counts(run)
        for side, count in zip(("sent", "received"), counts, strict=True)
    ]
    if not run.plan.bands:
        return rows
    points = np.round(np.arange(0.1, 1.01, 0.1), 1)
    chances = s_curve(run.plan.bands, run.plan.rows, points)
    rows += [
        {
            "name": "dedup_proposed",
            "slice": f"jaccard={point:.1f}",
            "value": round(float(chance), 6),
            "unit": "probability",
        }
        for point, chance in zip(points, chances, strict=True)
    ]
    bounded = sum(marker.stats["bounded"] for marker in finished(run, "verify"))
    rows.append(
        {"name": "dedup_bounded", "slice": "", "value": float(bounded), "unit": "documents"}
    )
    return rows
