# SPDX-License-Identifier: Apache-2.0
"""Redact the survivors: find names where the job looks for them, replace, and look again.

Structured identifiers were found while measuring; here named-entity recognition runs on the kept
documents only, since it costs a hundred times more. After replacing, the changed texts are
searched once more: what still holds personal data, or could not be searched, is not kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..schemas.personal_data import NerScope
from ..schemas.reasons import REASON_CODES, Reason
from .pii import ENTITIES, apply_policy, detect, redact, span_actions
from .pii import SPANS as FOUND
from .run_state import Run

_KEPT_TYPES = [entity.name for entity in ENTITIES if entity.action == "keep"]


@dataclass(frozen=True)
class Protected:
    """Texts as they may be published.

    Args:
        texts: string `[n]`.
        spans: What was found, `row` in the batch, and an `action` column (`left` = not replaced).
        faults: uint8 `[n]`, reason codes; 0 = fine, any other must not be kept.
        redacted: Spans replaced in each text, uint32 `[n]`.
    """

    texts: pa.Array
    spans: pa.Table
    faults: npt.NDArray[np.uint8]
    redacted: npt.NDArray[np.uint32]


def protect_texts(
    run: Run,
    texts: pa.Array,
    langs: pa.Array,
    staged: pa.Table,
    joined: npt.NDArray[np.bool_] | None = None,
) -> Protected:
    """Redact a batch of texts that are to be kept.

    Args:
        run: The run.
        texts: string `[n]`.
        langs: Their languages.
        staged: Structured personal data found in them, schema `pii.SPANS`.
        joined: Texts out of which something was cut, bool `[n]`: what met may spell an identifier,
            so they are searched again in any case.
    """
    n = len(texts)
    settings = run.job.personal_data
    if not settings.enabled:
        nothing = FOUND.empty_table().append_column("action", pa.array([], pa.string()))
        none = np.zeros(n, dtype=np.uint32)
        return Protected(texts, nothing, np.zeros(n, dtype=np.uint8), none)
    spans, faults = staged, np.zeros(n, dtype=np.uint8)
    if settings.ner is not NerScope.OFF:
        found = detect(
            texts,
            langs,
            ner=settings.ner.value,  # type: ignore[arg-type]  # the model's own words
            entities=run.pii.entities,
            key=run.pii_key,
            models=run.pii_models,
            custom=run.pii.custom,
            known=staged,
        )
        spans, faults = found.spans, found.faults.copy()
    done = apply_policy(texts, spans, run.pii.policy)
    dropped = pc.and_(pc.is_null(done.texts), pc.is_valid(texts)).to_numpy(zero_copy_only=False)
    faults[dropped] = REASON_CODES[Reason.PII_DROPPED]
    replaced = spans["row"].to_numpy()[pc.not_equal(done.actions, "left").to_numpy(False)]
    redacted = np.bincount(replaced, minlength=n).astype(np.uint32)
    safe = done.texts
    changed = redacted > 0 if joined is None else (redacted > 0) | joined
    _search_again(run, safe, langs, np.flatnonzero(changed & ~dropped), faults)
    return Protected(safe, spans.append_column("action", done.actions), faults, redacted)


def _search_again(
    run: Run,
    safe: pa.Array,
    langs: pa.Array,
    changed: npt.NDArray[np.int64],
    faults: npt.NDArray[np.uint8],
) -> None:
    """Mark the changed texts in which structured personal data is still found."""
    if not len(changed):
        return
    rows = pa.array(changed)
    again = detect(
        safe.take(rows),
        langs.take(rows),
        ner="off",
        entities=run.pii.entities,
        key=run.pii_key,
        custom=run.pii.custom,
    )
    _, actions = span_actions(again.spans, run.pii.policy)
    counts = np.array([action != "left" for action in actions], np.bool_)
    residual = np.unique(again.spans["row"].to_numpy()[counts])
    faults[changed[residual]] = REASON_CODES[Reason.STAGE_ERROR]
    unread = again.faults != 0
    faults[changed[unread]] = again.faults[unread]


def scrub(run: Run, values: pa.Array, langs: pa.Array) -> pa.Array:
    """Return short strings (titles) with structured personal data replaced.

    Args:
        run: The run.
        values: string `[n]`, null where there is none.
        langs: Languages of their documents.
    """
    if not run.job.personal_data.enabled or values.null_count == len(values):
        return values
    found = detect(values, langs, ner="off", key=run.pii_key, custom=run.pii.custom)
    safe = redact(values, found.spans, run.pii.policy)
    return only_where(pa.array(found.faults == 0), safe)


def withhold(run: Run, values: pa.Array, langs: pa.Array) -> pa.Array:
    """Return addresses, null where one holds personal data: half an address leads nowhere.

    Args:
        run: The run.
        values: string `[n]`, null where there is none.
        langs: Languages of their documents.
    """
    if not run.job.personal_data.enabled or values.null_count == len(values):
        return values
    return only_where(pa.array(~holds_personal_data(run, values, langs)), values)


def withhold_hosts(run: Run, hosts: pa.Array) -> pa.Array:
    """Return host names, null where one holds personal data: the manifest holds none, ever.

    Args:
        run: The run.
        hosts: string `[n]`, null where there is none; each different one is searched once.
    """
    if hosts.null_count == len(hosts):
        return hosts
    encoded = hosts.dictionary_encode()
    names = encoded.dictionary
    asked = names.filter(_could_tell(names))
    if not len(asked):
        return hosts
    telling = asked.filter(pa.array(holds_personal_data(run, asked, pa.repeat("und", len(asked)))))
    return only_where(pc.invert(pc.is_in(names, telling)), names).take(encoded.indices)


def only_where(kept: pa.Array, values: pa.Array) -> pa.Array:
    """Return values, null where they are not kept, and none of the bytes of those.

    Arrow's `if_else` marks a value as null and leaves its bytes in the buffer, which an IPC file
    then holds.

    Args:
        kept: bool `[n]`, without nulls.
        values: string `[n]`.
    """
    rows = pa.array(np.arange(len(values)), mask=~kept.to_numpy(zero_copy_only=False))
    return values.take(rows)


def publishable_name(run: Run, name: str) -> str:
    """Return the name of a file with structured personal data replaced: the manifest holds none.

    Args:
        run: The run.
        name: Path as the manifest is to show it.
    """
    names = pa.array([name])
    if not _could_tell(names)[0].as_py():
        return name
    found = detect(names, pa.array(["und"]), ner="off", key=run.pii_key, custom=run.pii.custom)
    safe: str | None = redact(names, found.spans, run.pii.policy)[0].as_py()
    return "(withheld)" if found.faults[0] or safe is None else safe


def _could_tell(names: pa.Array) -> pa.Array:
    """Say which names of hosts and files need to be searched; the others are too plain.

    Of the identifiers in `pii.ENTITIES`, those of fewer than six digits need a blank, a sign or a
    letter beyond ASCII, four numbers with dots, or a long token.
    """
    plain = pc.match_substring_regex(names, r"^[A-Za-z0-9._/-]*$")
    marked = pc.match_substring_regex(names, r"([0-9]+\.){3}[0-9]|[A-Za-z0-9_]{20}")
    few = pc.less(pc.count_substring_regex(names, "[0-9]"), 6)
    return pc.invert(pc.and_(plain, pc.and_(few, pc.invert(marked))))


def holds_personal_data(run: Run, values: pa.Array, langs: pa.Array) -> npt.NDArray[np.bool_]:
    """Return whether each short string holds structured personal data, or cannot be searched.

    Args:
        run: The run.
        values: string `[n]`; a null holds none.
        langs: Languages of their documents.
    """
    found = detect(values, langs, ner="off", key=run.pii_key, custom=run.pii.custom)
    holds: npt.NDArray[np.bool_] = found.faults != 0
    kinds = found.spans["entity_type"].cast(pa.string())
    grave = pc.invert(pc.is_in(kinds, pa.array(_KEPT_TYPES))).to_numpy()
    holds[found.spans["row"].to_numpy()[grave]] = True
    return holds
