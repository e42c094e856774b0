# SPDX-License-Identifier: Apache-2.0
"""The policy: one ordered tuple of rules turns signals into one decision for each document.

Annotators only measure; nothing but this module decides. Each rule is a small frozen object that
reads columns of the annotations and says on which rows it fires. Every rule is asked about every
document, so the manifest shows all that fired; the first enforced one in order is terminal. The
order is the order of the checks: rights, takedown, language, safety, personal data, duplicates.

To add a rule: write a class with `fires`, add it to `rules_of`, add its `Reason`, add a test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..schemas.deduplication import AddressCopies, PassageUnit, RepeatedPassages
from ..schemas.job import Job
from ..schemas.reasons import REASON_CODES, Reason, RightsState
from ..schemas.source_register import MAX_ILLEGAL_SHARE
from .list_rules import list_rules
from .pii_rules import late_pii_rules, pii_rules
from .rules import Hits, Rule, RuleFacts, column, holds
from .units import fingerprint

_EMPTY = RuleFacts(
    "empty",
    "read",
    "empty",
    "Removes documents whose text is empty or white space.",
    "Nothing to train on; an empty text would also match every other one.",
    Reason.EMPTY,
)


@dataclass(frozen=True)
class IsEmpty:
    """Remove documents whose text is white space."""

    facts: RuleFacts = _EMPTY

    def fires(self, signals: pa.Table) -> Hits:
        """Fire on empty text."""
        return Hits(column(signals, "empty"))


@dataclass(frozen=True)
class HasFlag:
    """Remove or quarantine documents for which an annotator raised a flag.

    Args:
        facts: Facts; `signal` names a bool column.
    """

    facts: RuleFacts

    def fires(self, signals: pa.Table) -> Hits:
        """Fire where the flag is set."""
        return Hits(column(signals, self.facts.signal))


@dataclass(frozen=True)
class LicenceNotAllowed:
    """Remove documents with a known licence that the job does not allow."""

    facts: RuleFacts

    def fires(self, signals: pa.Table) -> Hits:
        """Fire on a known licence outside the allow-list."""
        known = holds(pc.not_equal(signals["licence"], "unknown"))
        return Hits(known & ~column(signals, "licence_allowed"))


@dataclass(frozen=True)
class RightsUnknown:
    """Remove or flag documents of which no right is known.

    Args:
        facts: Facts.
        kinds: Kinds of source it is for.
    """

    facts: RuleFacts
    kinds: tuple[str, ...]

    def fires(self, signals: pa.Table) -> Hits:
        """Fire where the rights state is unknown."""
        unknown = holds(pc.equal(signals["rights_state"], RightsState.UNKNOWN.value))
        return Hits(unknown & holds(pc.is_in(signals["source_kind"], pa.array(self.kinds))))


@dataclass(frozen=True)
class LanguageNotAllowed:
    """Remove documents outside the allowed languages, or of doubtful language.

    Args:
        facts: Facts.
        allow: Languages to keep.
        min_score: Least score.
    """

    facts: RuleFacts
    allow: tuple[str, ...]
    min_score: float

    def fires(self, signals: pa.Table) -> Hits:
        """Fire on another language, or a score below the least one."""
        score = column(signals, "lang_score")
        doubtful = score < np.float32(self.min_score)
        foreign = np.zeros(len(score), dtype=bool)
        if self.allow:
            foreign = ~holds(pc.is_in(signals["lang"], pa.array(self.allow)))
        threshold = np.full(len(score), self.min_score, dtype=np.float32)
        return Hits(foreign | doubtful, score, threshold)


@dataclass(frozen=True)
class IsToxic:
    """Remove documents whose worst window scores at or above the language's threshold.

    Args:
        facts: Facts.
        thresholds: Language to threshold.
    """

    facts: RuleFacts
    thresholds: tuple[tuple[str, float], ...]

    def fires(self, signals: pa.Table) -> Hits:
        """Fire at or above the threshold; never without a score."""
        score = signals["toxicity"].to_numpy()
        threshold = np.full(len(score), np.nan, dtype=np.float32)
        for language, value in self.thresholds:
            threshold[holds(pc.equal(signals["lang"], language))] = value
        return Hits(score >= threshold, score, threshold)


# What the manifest says of each rule; the job's own settings are added when it is put in force.

_SOURCE_BLACKLISTED = RuleFacts(
    "source_blacklisted",
    "rights",
    "source_blacklisted",
    "Removes all documents of a source whose sample had too much illegal content.",
    "TC260-003; GB/T 45654-2025: above 5 % a source must not be used",
    Reason.SOURCE_BLACKLISTED,
    parameters={"max_illegal_share": MAX_ILLEGAL_SHARE},
)
_NO_SOURCE = RuleFacts(
    "no_source",
    "rights",
    "no_url",
    "Quarantines documents without an address while a list is applied.",
    "An opt-out cannot be honoured for a document whose place is unknown.",
    Reason.NO_SOURCE,
    action="quarantine",
)
_AMBIGUOUS_URL = RuleFacts(
    "ambiguous_url",
    "rights",
    "ambiguous_url",
    "Quarantines documents whose address parsers read differently.",
    "Claroty/Snyk, Exploiting URL parsing confusion, 2022",
    Reason.AMBIGUOUS_URL,
    action="quarantine",
)
_LICENCE_NOT_ALLOWED = RuleFacts(
    "licence_not_allowed",
    "rights",
    "licence",
    "Removes documents under a licence that the job does not allow.",
    "Job file; SPDX licence list",
    Reason.LICENCE_NOT_ALLOWED,
)
_RIGHTS_RESERVED = RuleFacts(
    "rights_reserved",
    "rights",
    "rights_reserved",
    "Removes documents whose training use is reserved by a machine-readable signal, or needs a "
    "licence that nobody holds.",
    "Directive (EU) 2019/790 Art. 4(3); GPAI Code of Practice, copyright 1.3; RFC 9309; AIPREF",
    Reason.RIGHTS_RESERVED,
)
_RIGHTS_UNSEEN = RuleFacts(
    "rights_unseen",
    "rights",
    "rights_state",
    "Flags documents of which no right is known.",
    "Job file: rights.unknown_policy = flag",
    None,
    action="flag",
)
_RIGHTS_UNKNOWN = RuleFacts(
    "rights_unknown",
    "rights",
    "rights_state",
    "Removes documents of which no right is known.",
    "Job file: rights.unknown_policy = drop",
    Reason.RIGHTS_UNKNOWN,
)
_LANGUAGE = RuleFacts(
    "language",
    "language",
    "lang",
    "Removes documents outside the allowed languages.",
    "Job file; Joulin et al. 2016, lid.176",
    Reason.LANGUAGE_NOT_ALLOWED,
)
_TOXICITY = RuleFacts(
    "toxicity",
    "toxicity",
    "toxicity",
    "Removes documents whose worst window is toxic.",
    "Model card of the toxicity models; thresholds chosen on their dev sets",
    Reason.TOXIC,
)
_OPTOUT_DUP = RuleFacts(
    "optout_dup",
    "deduplication",
    "tainted",
    "Removes copies of opted-out or taken-down documents, under whatever address.",
    "An opt-out that leaves the copies in is not honoured (BigCode opt-out-v2 #98)",
    Reason.OPTOUT_DUP,
)
_DUP_URL = RuleFacts(
    "dup_url",
    "deduplication",
    "url_hash",
    "Removes all but one of the documents with the same canonical address.",
    "Soldaini et al. 2024, Dolma: pages crawled again; RFC 3986 6.2.2",
    Reason.DUP_URL,
)
_DUP_EXACT = RuleFacts(
    "dup_exact",
    "deduplication",
    "text_hash",
    "Removes all but one of the documents with the same normalised text.",
    "Lee et al. 2022, Deduplicating training data",
    Reason.DUP_EXACT,
)
_DUP_NEAR = RuleFacts(
    "dup_near",
    "deduplication",
    "jaccard",
    "Removes documents whose true Jaccard with a surviving one reaches the threshold.",
    "Broder 1997; LSH proposes, full shingle sets decide",
    Reason.DUP_NEAR,
)
_DUP_CONTAINED = RuleFacts(
    "dup_contained",
    "deduplication",
    "containment",
    "Removes documents whose shingles are nearly all in one surviving longer document.",
    "Broder 1997; sampled shingles propose, full shingle sets decide",
    Reason.DUP_CONTAINED,
)


_BOILERPLATE = RuleFacts(
    "boilerplate",
    "deduplication",
    "passages",
    "Removes documents of which nothing is left when repeated lines or paragraphs are cut out.",
    "Wenzek et al. 2020 (CCNet), section 3.1; Soldaini et al. 2024 (Dolma), section 3",
    Reason.BOILERPLATE,
)
_CUT = RuleFacts(
    "cut",
    "deduplication",
    "passages",
    "Cuts repeated lines or paragraphs out of kept documents.",
    "Wenzek et al. 2020 (CCNet), section 3.1; Soldaini et al. 2024 (Dolma), section 3",
    None,
    action="transform",
)


def rules_of(job: Job, toxicity_thresholds: dict[str, float]) -> tuple[Rule, ...]:
    """Return the rules of a job that look at one document, in the order they decide.

    Args:
        job: The job.
        toxicity_thresholds: Language to threshold, the models' own or the job's.
    """
    rights, language = job.rights, job.language
    rules: list[Rule] = [IsEmpty()]
    samples = (source.illegal_sample for source in job.sources)
    if any(sample is not None and sample.condemns for sample in samples):
        rules.append(HasFlag(_SOURCE_BLACKLISTED))
    rules += list_rules(job)
    if rights.lists and rights.require_source:
        rules.append(HasFlag(_NO_SOURCE))
    if rights.lists:
        rules.append(HasFlag(_AMBIGUOUS_URL))
    if rights.allow_licences:
        allow = {"allow": list(rights.allow_licences)}
        rules.append(LicenceNotAllowed(replace(_LICENCE_NOT_ALLOWED, parameters=allow)))
    how = rights.model_dump(mode="json", include={"ua_policy", "own_token", "asof", "record_only"})
    rules.append(HasFlag(replace(_RIGHTS_RESERVED, parameters=how)))
    rules += _unknown_rules(job)
    if language.enabled and (language.allow or language.min_score > 0):
        bounds = {"allow": list(language.allow), "min_score": language.min_score}
        facts = replace(_LANGUAGE, parameters=bounds)
        rules.append(LanguageNotAllowed(facts, language.allow, language.min_score))
    if job.toxicity.enabled:
        thresholds = {"thresholds": toxicity_thresholds}
        facts = replace(_TOXICITY, mode=job.toxicity.mode, parameters=thresholds)
        rules.append(IsToxic(facts, tuple(sorted(toxicity_thresholds.items()))))
    rules += pii_rules(job.personal_data)
    return tuple(rules)


def _unknown_rules(job: Job) -> list[Rule]:
    """Return the rules for documents that no signal decides, by what sources of their kind get."""
    rights = job.rights
    chosen: dict[str, list[str]] = {"drop": [], "flag": []}
    for kind in sorted({source.kind for source in job.sources}):
        chosen.get(rights.unknown_by_kind.get(kind, rights.unknown_policy), []).append(kind.value)
    return [
        RightsUnknown(replace(facts, parameters={"kinds": kinds}), tuple(kinds))
        for facts, kinds in ((_RIGHTS_UNKNOWN, chosen["drop"]), (_RIGHTS_UNSEEN, chosen["flag"]))
        if kinds
    ]


def late_rules_of(job: Job) -> tuple[RuleFacts, ...]:
    """Return the facts of the rules that need the whole corpus or the final text, in order."""
    near = job.deduplication.near
    similarity = {
        "threshold": near.threshold,
        "shingle_size": near.shingle_size,
        "num_perm": near.num_perm,
    }
    return (
        replace(_OPTOUT_DUP, action="remove" if job.rights.optout_copies == "remove" else "flag"),
        replace(
            _DUP_URL,
            mode=_mode(on=job.deduplication.url is not AddressCopies.OFF),
            parameters={"keep": job.deduplication.url.value},
        ),
        replace(_DUP_EXACT, mode=_mode(on=job.deduplication.exact)),
        replace(_DUP_NEAR, mode=_mode(on=near.enabled), parameters=similarity),
        replace(
            _DUP_CONTAINED,
            mode=_mode(on=near.enabled and near.containment is not None),
            parameters={"containment": near.containment, "shingle_size": near.shingle_size},
        ),
        *_passage_rules(job.deduplication.passages),
        *late_pii_rules(job.personal_data),
    )


def _passage_rules(passages: RepeatedPassages) -> tuple[RuleFacts, ...]:
    mode = _mode(on=passages.unit is not PassageUnit.OFF)
    parameters = passages.model_dump(mode="json")
    return tuple(replace(facts, mode=mode, parameters=parameters) for facts in (_BOILERPLATE, _CUT))


def _mode(*, on: bool) -> str:
    return "enforce" if on else "off"


def policy_digest(facts: Sequence[RuleFacts]) -> str:
    """Return the digest of the rules in force."""
    return fingerprint(
        [
            [rule.rule_id, rule.version, rule.action, rule.mode, rule.parameters, rule.reason]
            for rule in facts
        ]
    )


@dataclass(frozen=True)
class Verdict:
    """What the rules say of a batch.

    Args:
        hits: One `Hits` for each rule, in order.
        terminal: Index of the deciding rule, int16 `[n]`; -1 where none removes.
        reason: Code of its reason, uint8 `[n]`; 0 where none.
    """

    hits: tuple[Hits, ...]
    terminal: npt.NDArray[np.int16]
    reason: npt.NDArray[np.uint8]


def judge(rules: Sequence[Rule], signals: pa.Table) -> Verdict:
    """Ask every rule about every row; the first enforced one that fires is terminal.

    Args:
        rules: Rules in order.
        signals: Annotations, `n` rows.
    """
    n = signals.num_rows
    terminal = np.full(n, -1, dtype=np.int16)
    reason = np.zeros(n, dtype=np.uint8)
    judged: list[Hits] = []
    for index, rule in enumerate(rules):
        hits = rule.fires(signals)
        judged.append(hits)
        facts = rule.facts
        if facts.mode == "enforce" and facts.reason is not None:
            first = hits.mask & (terminal < 0)
            terminal[first] = index
            reason[first] = REASON_CODES[facts.reason]
    return Verdict(tuple(judged), terminal, reason)
