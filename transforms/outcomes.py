# SPDX-License-Identifier: Apache-2.0
"""The last word on every record of a split: its outcome, its reason, every rule that fired.

Pure arrays in and out. What the rules say of a document alone comes from `policy.judge`; what the
whole corpus says of it (copies, copies of opted-out documents) from the exact and near stages.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..schemas.deduplication import NearDuplicates
from ..schemas.job import Job
from ..schemas.reasons import REASON_CODES, REASON_WORDS, ClusterRole, Reason
from .policy import Verdict, judge, late_rules_of
from .rules import Bools, Rule, RuleFacts

U64s = npt.NDArray[np.uint64]
U8s = npt.NDArray[np.uint8]


COPY_ROLES = (
    ClusterRole.EXACT_COPY,
    ClusterRole.NEAR_COPY,
    ClusterRole.CONTAINED_COPY,
    ClusterRole.ADDRESS_COPY,
)
"""Roles of documents that are removed because of a witness."""


@dataclass(frozen=True)
class Relations:
    """What the exact and near stages say of each record of a split.

    Args:
        ids: Final doc_id, uint64 `[n, 2]`.
        cluster: Cluster, the doc_id of its survivor, uint64 `[n, 2]`; read only where `role` is
            set.
        role: `ClusterRole`, uint8 `[n]`.
        near: Whether the relation was found by MinHash (else by equal text), bool `[n]`.
        partner_ref: Witness as `doc_ref`, `[n]`; read only for copies.
        partner: Witness as doc_id, uint64 `[n, 2]`, likewise.
        jaccard: True Jaccard with the witness, float32 `[n]`, NaN without one.
        containment: Share of its own shingles that the witness has, likewise.
        denied: Whether it copies an opted-out or taken-down document, bool `[n]`.
        denied_partner: That document, uint64 `[n, 2]`.
        denied_jaccard: True Jaccard with it, float32 `[n]`.
        denied_containment: Share of its own shingles that it has, float32 `[n]`; NaN where the
            Jaccard reaches its threshold.
    """

    ids: U64s
    cluster: U64s
    role: U8s
    near: Bools
    partner_ref: U64s
    partner: U64s
    jaccard: npt.NDArray[np.float32]
    containment: npt.NDArray[np.float32]
    denied: Bools
    denied_partner: U64s
    denied_jaccard: npt.NDArray[np.float32]
    denied_containment: npt.NDArray[np.float32]


def relate(
    annotations: pa.Table,
    base: np.uint64,
    exact: pa.Table,
    near: pa.Table,
    same_address: pa.Table | None = None,
) -> Relations:
    """Lay the answers of the exact and near stages beside the records of a split.

    What the near stage says of a document overrides what the exact stage said, because it names
    the witness that survives in the end.

    Args:
        annotations: All records, by row.
        base: `doc_ref` of row 0.
        exact: Answers `schemas.staged.EXACT` for this split.
        near: Answers `schemas.staged.NEAR` for this split.
        same_address: Answers `schemas.staged.SAME_ADDRESS` for it, if addresses are looked at: its
            documents are out of the competition that the other answers tell of.
    """
    n = annotations.num_rows
    ids = np.column_stack([annotations["id_hi"].to_numpy(), annotations["id_lo"].to_numpy()])
    relations = Relations(
        ids=ids,
        cluster=np.zeros((n, 2), dtype=np.uint64),
        role=np.zeros(n, dtype=np.uint8),
        near=np.zeros(n, dtype=bool),
        partner_ref=np.zeros(n, dtype=np.uint64),
        partner=np.zeros((n, 2), dtype=np.uint64),
        jaccard=np.full(n, np.nan, dtype=np.float32),
        containment=np.full(n, np.nan, dtype=np.float32),
        denied=np.zeros(n, dtype=bool),
        denied_partner=np.zeros((n, 2), dtype=np.uint64),
        denied_jaccard=np.full(n, np.nan, dtype=np.float32),
        denied_containment=np.full(n, np.nan, dtype=np.float32),
    )
    _lay_exact(relations, exact, (exact["ref"].to_numpy() - base).astype(np.int64))
    _lay_near(relations, near, (near["ref"].to_numpy() - base).astype(np.int64))
    if same_address is not None:
        row = (same_address["ref"].to_numpy() - base).astype(np.int64)
        relations.role[row] = ClusterRole.ADDRESS_COPY
        relations.partner_ref[row] = same_address["partner"].to_numpy()
        relations.partner[row] = relations.cluster[row] = _pair(same_address, "partner")
        relations.jaccard[row] = relations.containment[row] = np.nan
    return relations


def _pair(table: pa.Table, name: str) -> U64s:
    columns = (pc.fill_null(table[f"{name}_{half}"], 0).to_numpy() for half in ("hi", "lo"))
    return np.column_stack(list(columns))


def _lay_exact(relations: Relations, exact: pa.Table, row: npt.NDArray[np.int64]) -> None:
    relations.ids[row] = _pair(exact, "id")
    role = exact["role"].to_numpy()
    followers = pc.list_value_length(exact["followers"]).to_numpy()
    alone = (role == ClusterRole.SURVIVOR) & (followers == 0)
    relations.role[row] = np.where(alone, ClusterRole.NONE, role)
    relations.cluster[row] = _pair(exact, "leader_id")
    copies = role == ClusterRole.EXACT_COPY
    relations.partner_ref[row] = exact["leader"].to_numpy()
    relations.partner[row] = _pair(exact, "leader_id")
    relations.jaccard[row[copies]] = 1.0
    relations.containment[row[copies]] = 1.0
    denied = pc.is_valid(exact["denied_partner_hi"]).to_numpy()
    relations.denied[row] = denied
    relations.denied_partner[row] = _pair(exact, "denied_partner")
    relations.denied_jaccard[row[denied]] = 1.0


def _lay_near(relations: Relations, near: pa.Table, row: npt.NDArray[np.int64]) -> None:
    role = near["role"].to_numpy()
    relations.role[row] = role
    relations.near[row] = role != ClusterRole.EXACT_COPY
    relations.cluster[row] = _pair(near, "cluster")
    copies = np.isin(role, COPY_ROLES)
    relations.partner_ref[row] = pc.fill_null(near["partner"], 0).to_numpy()
    relations.partner[row] = _pair(near, "partner")
    for name, values in (("jaccard", relations.jaccard), ("containment", relations.containment)):
        values[row] = near[name].to_numpy()
        values[row[~copies]] = np.nan
    denied = pc.is_valid(near["denied_partner_hi"]).to_numpy()
    tainted = row[denied]
    relations.denied[tainted] = True
    relations.denied_partner[tainted] = _pair(near, "denied_partner")[denied]
    relations.denied_jaccard[tainted] = near["denied_jaccard"].to_numpy()[denied]
    relations.denied_containment[tainted] = near["denied_containment"].to_numpy()[denied]


@dataclass(frozen=True)
class Fired:
    """One rule and the records it fired on.

    Args:
        facts: The rule.
        row: Records, int64 `[k]`, ascending.
        score: float32 `[k]`, NaN = none.
        threshold: float32 `[k]`, NaN = none.
        entry: List entry, int64 `[k]`, -1 = none.
        partner: doc_id of a partner, uint64 `[k, 2]`, or None.
        spans: Spans replaced, int64 `[k]`, or None.
        reason: Reason by record, uint8 `[k]`, or None for the rule's own.
    """

    facts: RuleFacts
    row: npt.NDArray[np.int64]
    score: npt.NDArray[np.float32] | None = None
    threshold: npt.NDArray[np.float32] | None = None
    entry: npt.NDArray[np.int64] | None = None
    partner: U64s | None = None
    spans: npt.NDArray[np.int64] | None = None
    reason: U8s | None = None


@dataclass(frozen=True)
class Outcomes:
    """What became of each record, and why.

    Args:
        reason: Code of the terminal reason, uint8 `[n]`; 0 = kept.
        terminal: Index in `fired` of the deciding rule, int16 `[n]`; -1 = kept.
        fired: Every rule that fired, in the order of the policy.
    """

    reason: U8s
    terminal: npt.NDArray[np.int16]
    fired: list[Fired]

    @property
    def kept(self) -> Bools:
        """Whether each record is kept, bool `[n]`."""
        return self.reason == 0

    def counts(self) -> dict[str, int]:
        """Return the number of records by terminal reason."""
        codes, counts = np.unique(self.reason[self.reason > 0], return_counts=True)
        words = (REASON_WORDS[code] or "" for code in codes)
        return dict(zip(words, counts.tolist(), strict=True))

    def list_matches(self) -> dict[str, int]:
        """Return the number of records that each list matched."""
        return {fired.facts.list_id: len(fired.row) for fired in self.fired if fired.facts.list_id}

    def decided_by(self, rule_id: str) -> int:
        """Return how many records a rule decided."""
        numbers = [n for n, fired in enumerate(self.fired) if fired.facts.rule_id == rule_id]
        return int(np.isin(self.terminal, numbers).sum())

    def add(self, fired: Fired) -> None:
        """Record a rule that fired; if it acts, it decides records that nothing decided before."""
        self.fired.append(fired)
        facts = fired.facts
        if facts.action not in {"remove", "quarantine"} or facts.mode != "enforce":
            return
        undecided = self.reason[fired.row] == 0
        rows = fired.row[undecided]
        self.terminal[rows] = len(self.fired) - 1
        if fired.reason is not None:
            self.reason[rows] = fired.reason[undecided]
        elif facts.reason is not None:
            self.reason[rows] = REASON_CODES[facts.reason]


READ_FAULT = RuleFacts(
    "read",
    "read",
    "fault",
    "Quarantines records that cannot be read as the job declares, or whose text a detector could "
    "not search.",
    "RFC 8259, RFC 3629; fail closed",
    Reason.STAGE_ERROR,
    action="quarantine",
)
"""The rule behind faults found while reading and measuring; each record has its own reason."""


def rules_in_force(rules: tuple[Rule, ...], job: Job) -> list[RuleFacts]:
    """Return the facts of every rule of a job, in the order in which they decide."""
    return [READ_FAULT, *(rule.facts for rule in rules), *late_rules_of(job)]


def resolve_outcomes(
    rules: tuple[Rule, ...],
    late: tuple[RuleFacts, ...],
    annotations: pa.Table,
    relations: Relations,
    fallen: Collection[int],
    near: NearDuplicates,
) -> Outcomes:
    """Decide every record of a split, as far as it can be decided without its final text.

    Args:
        rules: Rules that look at one document, in order.
        late: Facts of the rules that need the corpus, as `policy.late_rules_of` returns.
        annotations: All records, by row.
        relations: What the exact and near stages say of them.
        fallen: `doc_ref` of survivors elsewhere that had to be quarantined in the end: copies that
            named them as witness are quarantined too, since no witness is left.
        near: Thresholds, for the record.
    """
    n = annotations.num_rows
    outcomes = Outcomes(np.zeros(n, dtype=np.uint8), np.full(n, -1, dtype=np.int16), [])
    fault = annotations["fault"].to_numpy()
    faulty = np.flatnonzero(fault)
    outcomes.add(Fired(READ_FAULT, faulty, reason=fault[faulty]))
    clean = np.flatnonzero(fault == 0)
    table = annotations.filter(pc.equal(annotations["fault"], 0))
    verdict = judge(rules, table)
    _add_verdict(outcomes, rules, verdict, clean)
    by_id = {facts.rule_id: facts for facts in late}
    _add_relations(outcomes, by_id, relations, fallen, near)
    return outcomes


def _add_verdict(
    outcomes: Outcomes, rules: tuple[Rule, ...], verdict: Verdict, clean: npt.NDArray[np.int64]
) -> None:
    for rule, hits in zip(rules, verdict.hits, strict=True):
        chosen = np.flatnonzero(hits.mask)
        parts: dict[str, Any] = {
            name: None if (values := getattr(hits, name)) is None else values[chosen]
            for name in ("score", "threshold", "entry")
        }
        outcomes.add(Fired(rule.facts, clean[chosen], **parts))


def _add_relations(
    outcomes: Outcomes,
    late: dict[str, RuleFacts],
    relations: Relations,
    fallen: Collection[int],
    near: NearDuplicates,
) -> None:
    contained_at = np.float32(near.containment or np.nan)
    rows = np.flatnonzero(outcomes.kept & relations.denied)
    share = relations.denied_containment[rows]
    outcomes.add(
        Fired(
            late["optout_dup"],
            rows,
            score=np.where(np.isnan(share), relations.denied_jaccard[rows], share),
            threshold=np.where(np.isnan(share), np.float32(near.threshold), contained_at),
            partner=relations.denied_partner[rows],
        )
    )
    # Copies of a denied document have no witness that is kept: nothing is said of them as copies.
    eligible = outcomes.kept
    orphaned = np.isin(relations.partner_ref, np.fromiter(fallen, dtype=np.uint64))
    nothing = np.full(len(eligible), np.nan, dtype=np.float32)
    for name, role, scores, threshold in (
        ("dup_url", ClusterRole.ADDRESS_COPY, nothing, np.nan),
        ("dup_exact", ClusterRole.EXACT_COPY, relations.jaccard, 1.0),
        ("dup_near", ClusterRole.NEAR_COPY, relations.jaccard, near.threshold),
        ("dup_contained", ClusterRole.CONTAINED_COPY, relations.containment, contained_at),
    ):
        copies = eligible & (relations.role == role)
        rows = np.flatnonzero(copies & ~orphaned)
        outcomes.add(
            Fired(
                late[name],
                rows,
                score=scores[rows],
                threshold=np.full(len(rows), threshold, dtype=np.float32),
                partner=relations.partner[rows],
            )
        )
        outcomes.add(Fired(late["detector_failed"], np.flatnonzero(copies & orphaned)))
