# SPDX-License-Identifier: Apache-2.0
"""AI crawlers by class, and whose rules count under a policy.

The table is `ai_agents.csv` beside this module; its head names the sources. To maintain it: take a
newer version of a source, add what is new, keep what is gone (old snapshots name old crawlers).
"""

from __future__ import annotations

import csv
import functools
import hashlib
from pathlib import Path

from ...schemas.errors import StageError
from ...schemas.rights import UaPolicy

TABLE = Path(__file__).with_name("ai_agents.csv")

CLASSES = ("train", "search", "user")
"""Collects for training or data sets; for answering searches; fetches what a user asks for."""


@functools.cache
def ai_agents() -> dict[str, str]:
    """Return the class of each AI crawler by its product token, lower case.

    Raises:
        StageError: The table is damaged.
    """
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    agents = {row["agent"].lower(): row["class"] for row in rows}
    if not agents or not set(agents.values()) <= set(CLASSES):
        raise StageError(f"{TABLE.name}: expected agents of class {', '.join(CLASSES)}; reinstall")
    return agents


def table_digest() -> str:
    """Return the sha256 of the table."""
    return hashlib.sha256(TABLE.read_bytes()).hexdigest()


def agents_of(policy: UaPolicy, *, crawler: str | None, own_token: str | None) -> tuple[str, ...]:
    """Return the product tokens whose rules count, lower case, sorted; `*` stands for everyone.

    Args:
        policy: `crawler_only`: who fetched the source; `own_token`: who uses the corpus;
            `any_train_agent`: anyone who collects for training, so that a site that reserves
            against one trainer reserves against all; `any_ai_agent`: any AI crawler.
        crawler: Crawler of the source, with or without a version.
        own_token: Product token of who uses the corpus.
    """
    own = [token.lower() for token in (own_token, _token(crawler)) if token]
    if policy is UaPolicy.CRAWLER_ONLY:
        return (_token(crawler).lower() or "*",)
    if policy is UaPolicy.OWN_TOKEN:
        return ((own_token or "*").lower(),)
    train_only = policy is UaPolicy.ANY_TRAIN_AGENT
    named = [name for name, kind in ai_agents().items() if kind == "train" or not train_only]
    return tuple(sorted({*named, *own, "*"}))


def _token(crawler: str | None) -> str:
    return (crawler or "").partition("/")[0].strip()
