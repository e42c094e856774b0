# SPDX-License-Identifier: Apache-2.0
"""The rules of the policy about personal data: what a document as a whole may not hold."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..schemas.personal_data import MinorAction, NerScope, PersonalData, UnreadAction
from ..schemas.reasons import Reason
from .pii import PiiModels, RedactionPolicy, settings_of
from .rules import Hits, Rule, RuleFacts, column

KIND_SEPARATOR = " "
"""Between the `type:grade` words of the signal `pii_kinds`."""


@dataclass(frozen=True)
class HoldsManyIdentifiers:
    """Remove documents with many sensitive identifiers.

    Args:
        facts: Facts.
        most: Sensitive identifiers from which the rule fires.
    """

    facts: RuleFacts
    most: int

    def fires(self, signals: pa.Table) -> Hits:
        """Fire on the count of different values."""
        count = column(signals, "pii_sensitive").astype(np.float32)
        threshold = np.full(len(count), self.most, dtype=np.float32)
        return Hits(count >= threshold, count, threshold)


@dataclass(frozen=True)
class ConcernsMinors:
    """Remove (or flag) documents with personal data near a cue that its subject is under 18."""

    facts: RuleFacts

    def fires(self, signals: pa.Table) -> Hits:
        """Fire where such a cue stands near personal data."""
        return Hits(column(signals, "pii_minor"))


@dataclass(frozen=True)
class LeavesNamesUnread:
    """Flag (or remove) documents in a language whose names no model reads.

    Args:
        facts: Facts.
        read: Languages with a model.
    """

    facts: RuleFacts
    read: tuple[str, ...]

    def fires(self, signals: pa.Table) -> Hits:
        """Fire on every other language, and where the language is not known."""
        lang = signals["lang"].combine_chunks()
        codes = pc.utf8_lower(pc.replace_substring_regex(lang.cast(pa.string()), "-.*$", ""))
        known = pc.fill_null(pc.is_in(codes, pa.array(self.read)), False)
        return Hits(pc.invert(known).to_numpy(zero_copy_only=False))


@dataclass(frozen=True)
class HoldsDroppedType:
    """Remove documents that hold a type or grade whose operator is `drop`.

    Args:
        facts: Facts.
        policy: Operators by type and grade.
    """

    facts: RuleFacts
    policy: RedactionPolicy

    def fires(self, signals: pa.Table) -> Hits:
        """Fire where one of the kinds found is to be dropped; asked once for each combination."""
        kinds = signals["pii_kinds"].combine_chunks().dictionary_encode()
        drops = [
            any(
                self.policy.action(*kind.split(":")) == "drop"
                for kind in found.split(KIND_SEPARATOR)
            )
            for found in kinds.dictionary.to_pylist()
        ]
        hit = pa.array(drops, pa.bool_()).take(kinds.indices)
        return Hits(pc.fill_null(hit, False).to_numpy(zero_copy_only=False))


_PII_DENSE = RuleFacts(
    "pii_dense",
    "personal_data",
    "pii_sensitive",
    "Removes documents with many different sensitive identifiers.",
    "GB/T 35273-2020; PIPL 28, 31",
    Reason.PII_DENSE,
)
_PII_MINOR = RuleFacts(
    "pii_minor",
    "personal_data",
    "pii_minor",
    "Removes documents with personal data near a cue that its subject is under 18.",
    "PIPL 28, 31; GB/T 35273-2020 5.4; GDPR 8; COPPA",
    Reason.PII_MINOR,
)
_NAMES_UNREAD = RuleFacts(
    "names_unread",
    "personal_data",
    "lang",
    "Finds documents in a language whose names no model reads.",
    "Fail closed or say so: names of persons are personal data in every language (GDPR 4(1))",
    Reason.NAMES_UNREAD,
)
_PII_DROPPED = RuleFacts(
    "pii_dropped",
    "personal_data",
    "pii_kinds",
    "Removes documents that hold a type or grade of personal data whose operator is `drop`.",
    "Job file: personal_data.operators",
    Reason.PII_DROPPED,
)
_PII_DROPPED_LATE = replace(
    _PII_DROPPED,
    rule_id="pii_dropped_late",
    signal="spans",
    meaning="Removes documents in which a type whose operator is `drop` was found only with names.",
)
_DETECTOR_FAILED = RuleFacts(
    "detector_failed",
    "personal_data",
    "pii_fault",
    "Quarantines documents that a personal-data detector could not finish, and the copies that "
    "named them.",
    "Fail closed: what was not searched is not kept",
    Reason.STAGE_ERROR,
    action="quarantine",
)
_REDACT = RuleFacts(
    "redact",
    "personal_data",
    "spans",
    "Replaces personal data in kept documents.",
    "GDPR 5(1)(c); PIPL 6; GB/T 37964",
    None,
    action="transform",
)


def pii_rules(section: PersonalData) -> tuple[Rule, ...]:
    """Return the rules that look at the structured personal data of one document, in order."""
    if not section.enabled:
        return ()
    most = section.max_sensitive
    rules: list[Rule] = [
        HoldsManyIdentifiers(replace(_PII_DENSE, parameters={"max_sensitive": most}), most)
    ]
    if section.minors is MinorAction.REMOVE:
        rules.append(ConcernsMinors(_PII_MINOR))
    else:
        rules.append(ConcernsMinors(replace(_PII_MINOR, action="flag", reason=None)))
    if section.ner is not NerScope.OFF:
        read = tuple(sorted(PiiModels.DEFAULT))
        facts = replace(_NAMES_UNREAD, parameters={"read": list(read)})
        if section.unread is UnreadAction.FLAG:
            facts = replace(facts, action="flag", reason=None)
        rules.append(LeavesNamesUnread(facts, read))
    policy = settings_of(section).policy
    if policy.drops:
        facts = replace(_PII_DROPPED, parameters={"operators": _operators(section)})
        rules.append(HoldsDroppedType(facts, policy))
    return tuple(rules)


def late_pii_rules(section: PersonalData) -> tuple[RuleFacts, ...]:
    """Return the facts of the rules that need the final text, in order."""
    operators = {"operators": _operators(section)}
    redaction = {
        **operators,
        "min_score": section.min_score,
        "ner": section.ner.value,
    }
    mode = "enforce" if section.enabled else "off"
    return (
        _DETECTOR_FAILED,
        replace(_PII_DROPPED_LATE, mode=mode, parameters=operators),
        replace(_REDACT, mode=mode, parameters=redaction),
    )


def _operators(section: PersonalData) -> dict[str, str]:
    return {key: operator.value for key, operator in sorted(section.operators.items())}
