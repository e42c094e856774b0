# SPDX-License-Identifier: Apache-2.0
"""The rules of opt-out and takedown lists: which column each reads, and what it decides."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..schemas.job import Job
from ..schemas.job_lists import ListFile, ListKind
from ..schemas.reasons import Reason
from .rules import Hits, Rule, RuleFacts, column

NO_ENTRY = -1


@dataclass(frozen=True)
class OnList:
    """Remove documents that match an opt-out or takedown list.

    Args:
        facts: Facts; `signal` names an int64 column of entry numbers, null where none matches.
    """

    facts: RuleFacts

    def fires(self, signals: pa.Table) -> Hits:
        """Fire where an entry matched."""
        entry = pc.fill_null(signals[self.facts.signal], NO_ENTRY).to_numpy()
        return Hits(entry != NO_ENTRY, entry=entry)


@dataclass(frozen=True)
class HoldsWork:
    """Remove documents that hold, or are, a part of a work to be taken down.

    Args:
        facts: Facts; `signal` names an int64 column of entry numbers, null where none matches.
        score: Name of the float32 column of scores.
        threshold: Least score.
    """

    facts: RuleFacts
    score: str
    threshold: float

    def fires(self, signals: pa.Table) -> Hits:
        """Fire where a work was found."""
        entry = pc.fill_null(signals[self.facts.signal], NO_ENTRY).to_numpy()
        threshold = np.full(len(entry), self.threshold, dtype=np.float32)
        return Hits(entry != NO_ENTRY, signals[self.score].to_numpy(), threshold, entry)


@dataclass(frozen=True)
class HoldsIdentifier:
    """Remove documents with an identifier of a listed person, or those where it would stay.

    Args:
        facts: Facts; `signal` names an int64 column of entry numbers, null where none matches.
        staying: Name of the bool column that says whether redaction leaves the identifier; None
            where all such documents are removed.
    """

    facts: RuleFacts
    staying: str | None

    def fires(self, signals: pa.Table) -> Hits:
        """Fire where an entry matched."""
        entry = pc.fill_null(signals[self.facts.signal], NO_ENTRY).to_numpy()
        mask = entry != NO_ENTRY
        return Hits(
            mask if self.staying is None else mask & column(signals, self.staying), entry=entry
        )


def list_column(list_id: str) -> str:
    """Return the name of the signal column of a list."""
    return f"list:{list_id}"


def score_column(list_id: str) -> str:
    """Return the name of the column of how much of a work a document holds."""
    return f"score:{list_id}"


def staying_column(list_id: str) -> str:
    """Return the name of the column of whether an identifier would stay in the text."""
    return f"staying:{list_id}"


def denies_copies(facts: RuleFacts) -> bool:
    """Return whether copies of what a rule removes must go too: works, not what names a person."""
    return facts.list_id is not None and facts.reason is not Reason.ERASURE


_LIST_REASON = {
    ListKind.DOMAIN: (Reason.OPTOUT_DOMAIN, "rights", "host is on a domain opt-out list"),
    ListKind.URL: (Reason.OPTOUT_URL, "rights", "address is on an opt-out list"),
    ListKind.URL_PREFIX: (Reason.OPTOUT_URL, "rights", "address starts with a listed prefix"),
    ListKind.CONTENT_HASH: (Reason.TAKEDOWN, "takedown", "text is on a takedown list"),
    ListKind.LICENCE: (Reason.LICENCE_NOT_ALLOWED, "rights", "licence is listed"),
    ListKind.AUTHOR: (Reason.OPTOUT_AUTHOR, "rights", "author is on an opt-out list"),
    ListKind.WORK: (Reason.TAKEDOWN, "takedown", "text holds, or is, a part of a listed work"),
    ListKind.PERSON: (Reason.ERASURE, "takedown", "text holds an identifier of a listed person"),
}

_TAKEDOWNS = {ListKind.CONTENT_HASH, ListKind.WORK, ListKind.PERSON}
"""Kinds that decide before opt-outs: the graver reason is the one that is given."""


def list_rules(job: Job) -> list[Rule]:
    """Return the rules of the lists that a job applies, takedowns first.

    Args:
        job: The job.
    """
    lists = {item.name: item for item in job.lists}
    chosen = [lists[name] for name in job.rights.lists]
    rules: list[Rule] = []
    for item in sorted(chosen, key=lambda item: item.kind not in _TAKEDOWNS):
        rules += _rules_of(item, redact=job.rights.on_person == "redact")
    return rules


def _rules_of(item: ListFile, *, redact: bool) -> list[Rule]:
    """Return the rules of one list."""
    facts = _list_facts(item.name, item.kind)
    if item.kind is ListKind.WORK:
        facts = replace(facts, parameters={**facts.parameters, "share": item.share})
        return [HoldsWork(facts, score_column(item.name), item.share)]
    if item.kind is ListKind.PERSON and redact:
        meets = replace(
            facts,
            rule_id=f"person_redacted:{item.name}",
            meaning="Flags documents in which a listed person's identifiers are replaced.",
            reason=None,
            action="flag",
        )
        return [
            HoldsIdentifier(facts, staying_column(item.name)),
            HoldsIdentifier(meets, None),
        ]
    return [OnList(facts)]


def _list_facts(name: str, kind: ListKind) -> RuleFacts:
    reason, stage, meaning = _LIST_REASON[kind]
    return RuleFacts(
        f"{reason.value}:{name}",
        stage,
        list_column(name),
        f"Removes documents whose {meaning}.",
        "Directive (EU) 2019/790 Art. 4(3); GPAI Code of Practice, copyright 1.3; PIPL 47",
        reason,
        parameters={"list": name},
        list_id=name,
    )
