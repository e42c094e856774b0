# SPDX-License-Identifier: Apache-2.0
"""The demo: a real corpus that every machine has after the install, governed start to finish."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ..schemas.job_file import load_job
from .card import render_card
from .demo_corpus import build_demo
from .release import open_release
from .run import run_job

CARDS = {"md": "DATA_CARD.md", "html": "data-card.html"}

_TRY = (
    "query {folder} \"SELECT source_id, count(*) AS kept FROM documents WHERE outcome = 'kept' "
    'GROUP BY source_id ORDER BY kept DESC LIMIT 10"',
    "query {folder} --named funnel",
    "explain {folder} {doc_id}",
)


def run_demo(folder: Path) -> dict[str, Any]:
    """Build the demo corpus, run its job, write the data card, and say what to try next.

    Args:
        folder: Gets `corpus/` (inputs, lists, key, job file), `release/` and the cards.

    Returns:
        The summary of the run.
    """
    _say(f"building a corpus from the installed Python packages in {folder / 'corpus'}")
    job = load_job(build_demo(folder / "corpus"))
    output = folder / "release"
    _say("running the job")
    summary = run_job(job, output)
    release = open_release(output)
    for form, name in CARDS.items():
        (folder / name).write_text(render_card(release, form), encoding="utf-8")
    _say(_told(summary))
    _say(f"data card: {folder / CARDS['md']} and {folder / CARDS['html']}")
    _say("try:")
    for line in _TRY:
        _say("  muniment " + line.format(folder=output, doc_id=_some_copy(output)))
    return summary


def _told(summary: dict[str, Any]) -> str:
    documents = summary["documents"]
    reasons = ", ".join(
        f"{reason} {count:,}"
        for reason, count in sorted(summary["removed_by_reason"].items(), key=lambda item: -item[1])
    )
    return (
        f"read {documents['read']:,}  kept {documents['kept']:,}  removed {documents['removed']:,} "
        f"({reasons})  quarantined {documents['quarantined']:,}  "
        f"in {summary['seconds']:.0f} s -> release {summary['release']}"
    )


def _some_copy(output: Path) -> str:
    """Return the id of a near-duplicate, whose explanation shows most."""
    from .query import ask, connect  # noqa: PLC0415

    rows = ask(connect(open_release(output)), "duplicate-clusters", {"limit": "1"})
    return rows[0]["cluster_id"].hex() if rows else "DOC_ID"


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
