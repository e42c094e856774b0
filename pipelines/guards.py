# SPDX-License-Identifier: Apache-2.0
"""Guards: what stops a run before it starts, or a finished one before it becomes a release.

Rules that somebody approved are known by their digest; a job with other rules is refused.

A template shared by a whole source can make near-duplicate removal swallow it (one public
pipeline kept 2 of 859,092 documents of a source). Verified removals make that rare, and these
bounds make it loud. An override needs a reason and is recorded in the manifest.
"""

from __future__ import annotations

from collections import Counter

from ..schemas.errors import GateError, JobError
from ..transforms.outcomes import rules_in_force
from ..transforms.policy import policy_digest
from ..transforms.run_state import Plan, Run
from ..transforms.units import Marker


def policy_sha256(run: Run) -> str:
    """Return the digest of the rules in force, which an approval names."""
    return policy_digest(rules_in_force(run.rules, run.job))


def check_approval(run: Run) -> None:
    """Refuse to run under other rules than the approved ones.

    Raises:
        JobError: The job names an approval, of other rules.
    """
    digest, approval = policy_sha256(run), run.job.approval
    if approval and approval.policy_sha256 != digest:
        message = (
            f"approval.policy_sha256: {approval.approved_by} approved rules "
            f"{approval.policy_sha256[:16]}..., this job has {digest[:16]}...; have them approved"
        )
        raise JobError([message])


def check_guards(plan: Plan, final: list[Marker], verified: list[Marker]) -> None:
    """Stop a run whose removal of duplicates looks like an accident.

    Args:
        plan: The plan.
        final: The markers of the splits as they will be released.
        verified: The markers of the `verify` stage.

    Raises:
        GateError: A source loses too much, or a cluster is too large; names the worst.
    """
    settings = plan.job.deduplication
    if settings.override_guards:
        return
    read: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    for marker in final:
        source = plan.splits[marker.number].source
        read[source] += marker.stats["read"]
        lost[source] += marker.stats["near_removed"]
    sizes = sorted(
        (size for marker in verified for size in marker.stats["largest_clusters"]), reverse=True
    )[:10]
    problems = [
        f"source {source} would lose {lost[source]} of {read[source]} records "
        f"(more than max_source_loss = {settings.max_source_loss})"
        for source in sorted(read)
        if lost[source] > settings.max_source_loss * read[source] and lost[source] >= 10
    ]
    allowed = max(settings.max_cluster, sum(read.values()) // 100)
    if sizes and sizes[0] > allowed:
        problems.append(f"a cluster holds {sizes[0]} documents (more than {allowed})")
    if problems:
        raise GateError(
            f"duplicates: {'; '.join(problems)}; largest clusters: {sizes}. Nothing was "
            "released. Raise the bound, or set deduplication.override_guards to a reason."
        )
