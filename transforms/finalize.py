# SPDX-License-Identifier: Apache-2.0
"""Finalize one split: read it again, decide, redact the survivors, write its part of the release.

Outputs: one Parquet part for each table that has rows by document, the corpus part, and on
request the corpus as jsonl.zst. `stats` hold the counts of the books, and the survivors that had
to be quarantined in the end (`fallen`), whose copies must follow them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..schemas import tables
from ..schemas.job import CorpusFormat
from ..schemas.personal_data import LinkScope
from ..schemas.reasons import REASON_CODES, Reason
from ..schemas.restricted import PII_LINKS, SIGNATURES
from ..schemas.staged import EXACT, NEAR, SAME_ADDRESS
from ..schemas.tables_duplicates import DUPLICATES
from ..schemas.tables_edits import CUTS, PII_STATS, SPANS
from ..schemas.tables_rights import RIGHTS_SIGNALS
from . import ledger
from .corpus_json import write_jsonl
from .exchange import Received, gather
from .former import signature_rows
from .hashing import canonical_text, siphash128
from .leaves import ROOTED, leaf_keys, leaves_of
from .outcomes import Fired, Outcomes, Relations, relate, resolve_outcomes
from .passages import Cut, original_places, shift_spans
from .pii import SPANS as FOUND
from .policy import late_rules_of
from .protect import protect_texts, scrub, withhold
from .reading import Split
from .refs import split_base, split_of
from .repeated_passages import Repeated, cut_repeated, repeated_of
from .run_state import Run
from .storage import CORPUS_PACKING, read_ipc, write_bytes
from .tokens import count_tokens
from .units import UnitOutputs

PRODUCT_TABLES = (
    tables.DOCUMENTS,
    tables.DECISIONS,
    DUPLICATES,
    SPANS,
    PII_STATS,
    CUTS,
    RIGHTS_SIGNALS,
    tables.QUARANTINE,
)
"""Tables with one part for each split; `corpus` is written beside them."""

_CUT_ROWS = pa.schema(
    [
        ("row", pa.int64()),
        *((field.name, field.type) for field in CUTS.arrow() if field.name != "doc_id"),
    ]
)

_ROWS_AGAIN = ("text", "url", "title", "author")


class Kept(NamedTuple):
    """The kept documents of one batch, or of a split.

    Args:
        row: Rows in the split, int64 `[k]`, ascending.
        tokens: Tokens of the final text, uint32 `[k]`.
        bytes: Its UTF-8 bytes, uint32 `[k]`.
        text_hash: Its keyed hash, uint64 `[k, 2]`.
        redacted: Spans replaced, uint32 `[k]`.
        spans: Spans found in them, `row` in the split, with `action`.
        cuts: Passages cut out of them, columns of `tables_edits.CUTS` with `row` in the split.
        fallen: Rows that are not kept after all, int64 `[f]`.
        faults: Why, uint8 `[f]`.
    """

    row: npt.NDArray[np.int64]
    tokens: npt.NDArray[np.uint32]
    bytes: npt.NDArray[np.uint32]
    text_hash: npt.NDArray[np.uint64]
    redacted: npt.NDArray[np.uint32]
    spans: pa.Table
    cuts: pa.Table
    fallen: npt.NDArray[np.int64]
    faults: npt.NDArray[np.uint8]


def finalize_split(
    run: Run,
    split: Split,
    annotations: str,
    staged_spans: str,
    staged_signals: str,
    received: Received,
    fallen: Collection[int],
    out: UnitOutputs,
) -> None:
    """Decide and write one split.

    Args:
        run: The run.
        split: The split.
        annotations: Its annotations.
        staged_spans: Structured personal data found in it.
        staged_signals: Rights signals of its documents.
        received: Answers of the exact and near stages.
        fallen: `doc_ref` of survivors of any split that had to be quarantined in the end.
        out: Where the parts go.
    """
    table = read_ipc(annotations)
    late = late_rules_of(run.job)
    relations, outcomes = decide_split(run, split, table, received, fallen)
    spans = read_ipc(staged_spans)
    repeated = repeated_of(received)
    parts: list[Kept] = []

    def texts() -> Iterator[pa.Table]:
        for part, corpus in _keep(run, split, table, relations, outcomes, spans, repeated, out):
            parts.append(part)
            yield corpus

    # The texts of a split pass by and are written; only numbers about them are held.
    written = out.write_parquet("corpus", tables.CORPUS.arrow(), texts(), CORPUS_PACKING)
    if CorpusFormat.JSONL_ZST in run.job.output.formats:
        out.keep("corpus_jsonl", write_jsonl(out.path("corpus", "jsonl.zst"), written.path))
    kept = _join(parts)
    if run.job.output.signatures:
        rows = signature_rows(run, split, table, relations, kept.row)
        out.write_parquet("signatures", SIGNATURES.arrow(), rows)
    facts = {rule.rule_id: rule for rule in late}
    dropped = kept.faults == REASON_CODES[Reason.PII_DROPPED]
    outcomes.add(Fired(facts["pii_dropped_late"], kept.fallen[dropped]))
    emptied = kept.faults == REASON_CODES[Reason.BOILERPLATE]
    outcomes.add(Fired(facts["boilerplate"], kept.fallen[emptied]))
    failed = ~(dropped | emptied)
    outcomes.add(Fired(facts["detector_failed"], kept.fallen[failed], reason=kept.faults[failed]))
    shortened, cuts = np.unique(kept.cuts["row"].to_numpy(), return_counts=True)
    outcomes.add(Fired(facts["cut"], shortened, spans=cuts))
    touched = kept.redacted > 0
    replaced = kept.redacted[touched].astype(np.int64)
    outcomes.add(Fired(facts["redact"], kept.row[touched], spans=replaced))
    with out.timed("write"):
        signals = read_ipc(staged_signals)
        _write(run, split, table, relations, outcomes, kept, spans, signals, out)
    codes = ledger.outcome_codes(outcomes)
    out.stats.update(
        zip(
            ("kept", "removed", "quarantined"),
            np.bincount(codes, minlength=3).tolist(),
            strict=True,
        )
    )
    out.stats.update(
        read=table.num_rows,
        tokens_in=int(table["tokens"].to_numpy().sum()),
        tokens_out=int(kept.tokens.sum()),
        bytes_out=int(kept.bytes.sum()),
        reasons=outcomes.counts(),
        list_matches=outcomes.list_matches(),
        near_removed=sum(
            outcomes.decided_by(rule) for rule in ("dup_near", "dup_contained", "dup_url")
        ),
        fallen=(kept.fallen + int(split_base(split))).tolist(),
        settled_for=sorted(fallen),
    )


def decide_split(
    run: Run, split: Split, annotations: pa.Table, received: Received, fallen: Collection[int]
) -> tuple[Relations, Outcomes]:
    """Decide what can be decided of a split without its final text.

    Args:
        run: The run.
        split: The split.
        annotations: All its records, by row.
        received: Answers of the exact and near stages.
        fallen: `doc_ref` of survivors of any split that had to be quarantined in the end.
    """
    exact, near = gather(received, "exact", EXACT, ["ref"]), gather(received, "near", NEAR, ["ref"])
    same_address = None
    if run.plan.addresses:
        same_address = gather(received, "same_address", SAME_ADDRESS, ["ref"])
    relations = relate(annotations, split_base(split), exact, near, same_address)
    thresholds = run.job.deduplication.near
    late = late_rules_of(run.job)
    return relations, resolve_outcomes(run.rules, late, annotations, relations, fallen, thresholds)


def witnesses(received: Received) -> set[int]:
    """Return the `doc_ref` of every witness that the copies of a split name."""
    named = gather(received, "near", NEAR, [])["partner"].drop_null().to_numpy()
    leaders = gather(received, "exact", EXACT, [])["leader"].to_numpy()
    versions = gather(received, "same_address", SAME_ADDRESS, [])["partner"].to_numpy()
    return set(np.concatenate([named, leaders, versions]).tolist())


def _keep(
    run: Run,
    split: Split,
    annotations: pa.Table,
    relations: Relations,
    outcomes: Outcomes,
    spans: pa.Table,
    repeated: Repeated,
    out: UnitOutputs,
) -> Iterator[tuple[Kept, pa.Table]]:
    """Read the split again, redact what is kept, and yield it with its corpus rows."""
    if not outcomes.kept.any():
        return
    span_row = spans["row"].to_numpy()
    batches = iter(run.reader(split, _ROWS_AGAIN, annotations))
    while True:
        with out.timed("reread"):
            batch = next(batches, None)
        if batch is None:
            return
        first = batch["row"][0].as_py()
        chosen = np.flatnonzero(outcomes.kept[first : first + batch.num_rows])
        if not len(chosen):
            continue
        rows = chosen + first
        own = spans.filter(pa.array(np.isin(span_row, rows)))
        place = pa.array(np.searchsorted(rows, own["row"].to_numpy()))
        own = own.set_column(0, FOUND.field("row"), place).cast(FOUND)
        known = annotations.take(pa.array(rows))
        with out.timed("redaction", batch.nbytes):
            kept = _keep_batch(
                run, split, _rows(batch, chosen), known, relations, rows, own, repeated
            )
        yield kept


def _rows(batch: pa.RecordBatch, chosen: npt.NDArray[np.int64]) -> pa.RecordBatch:
    """Return some rows, ascending; copy nothing where that is all of them."""
    return batch if len(chosen) == batch.num_rows else batch.take(pa.array(chosen))


def _keep_batch(
    run: Run,
    split: Split,
    batch: pa.RecordBatch,
    known: pa.Table,
    relations: Relations,
    rows: npt.NDArray[np.int64],
    staged: pa.Table,
    repeated: Repeated,
) -> tuple[Kept, pa.Table]:
    langs = known["lang"].combine_chunks()
    cut, documents = cut_repeated(
        run, batch["text"], split_base(split) + rows.astype(np.uint64), repeated
    )
    joined = np.bincount(cut.row, minlength=len(rows)) > 0
    safe = protect_texts(run, cut.texts, langs, shift_spans(staged, cut), joined)
    shortened = np.flatnonzero(joined)
    left = pc.binary_length(canonical_text(cut.texts.take(pa.array(shortened)))).to_numpy()
    safe.faults[shortened[left == 0]] = REASON_CODES[Reason.BOILERPLATE]
    fine = safe.faults == 0
    texts = safe.texts
    if not fine.all():
        pick = pa.array(np.flatnonzero(fine))
        texts, batch, known, langs = (
            texts.take(pick),
            batch.take(pick),
            known.take(pick),
            langs.take(pick),
        )
    redacted = safe.redacted[fine]
    changed = np.flatnonzero((redacted > 0) | joined[fine])
    tokens = known["tokens"].to_numpy().copy()
    tokens[changed] = count_tokens(canonical_text(texts.take(pa.array(changed))))
    credited = pc.match_substring(known["licence"].combine_chunks(), "CC-BY")
    corpus = ledger.table_of(
        tables.CORPUS,
        {
            "doc_id": ledger.ids(relations.ids[rows[fine]]),
            "text": texts,
            "source_id": split.source,
            "url": withhold(run, batch["url"], langs),
            "title": scrub(run, batch["title"], langs),
            "licence": known["licence"],
            "author": pc.if_else(credited, batch["author"], None),
            "lang": known["lang"],
            "published": known["published"],
            "tokens": tokens,
        },
        len(texts),
    )
    found = safe.spans.filter(pa.array(fine[safe.spans["row"].to_numpy()]))
    remain = fine[cut.row]
    kept = Kept(
        row=rows[fine],
        tokens=tokens,
        bytes=pc.binary_length(texts).to_numpy().astype(np.uint32),
        text_hash=siphash128(texts, run.text_key),
        redacted=redacted,
        spans=_placed(found, rows, cut),
        cuts=pa.table([rows[cut.row], cut.start, cut.end, documents], schema=_CUT_ROWS).filter(
            pa.array(remain)
        ),
        fallen=rows[~fine],
        faults=safe.faults[~fine],
    )
    return kept, corpus


def _placed(spans: pa.Table, rows: npt.NDArray[np.int64], cut: Cut) -> pa.Table:
    """Return spans by row in the split, at their places in the text as read."""
    row = spans["row"].to_numpy()
    for name in ("start", "end"):
        index = spans.schema.get_field_index(name)
        # The end of a span is one past its last character, wherever that was.
        past = int(name == "end")
        values = original_places(row, spans[name].to_numpy() - past, cut) + past
        field = spans.schema.field(name)
        spans = spans.set_column(index, field, pa.array(values).cast(field.type))
    return spans.set_column(0, FOUND.field("row"), pa.array(rows[row]))


def _join(batches: list[Kept]) -> Kept:
    """Join the batches of a split; an empty first one gives every column its type."""
    no_spans = FOUND.empty_table().append_column("action", pa.array([], pa.string()))
    empty = Kept(
        np.zeros(0, np.int64),
        np.zeros(0, np.uint32),
        np.zeros(0, np.uint32),
        np.zeros((0, 2), np.uint64),
        np.zeros(0, np.uint32),
        no_spans,
        _CUT_ROWS.empty_table(),
        np.zeros(0, np.int64),
        np.zeros(0, np.uint8),
    )
    joined: list[Any] = []
    for parts in zip(empty, *batches, strict=True):
        is_table = isinstance(parts[0], pa.Table)
        joined.append(pa.concat_tables(parts) if is_table else np.concatenate(parts))
    return Kept(*joined)


def _releases(run: Run, relations: Relations) -> pa.Array:
    """Return the former release of each record's witness; null where it is of this one."""
    names = pa.array([part.release for part in run.plan.former], pa.string())
    number = split_of(relations.partner_ref) - len(run.plan.splits)
    return names.take(pa.array(number, mask=number < 0))


def _write(
    run: Run,
    split: Split,
    annotations: pa.Table,
    relations: Relations,
    outcomes: Outcomes,
    kept: Kept,
    staged: pa.Table,
    signals: pa.Table,
    out: UnitOutputs,
) -> None:
    numbers = pa.array(run.plan.input_numbers(split), pa.int32()).take(
        annotations["file"].combine_chunks()
    )
    others = staged.filter(pa.array(~outcomes.kept[staged["row"].to_numpy()]))
    others = others.set_column(0, FOUND.field("row"), others["row"].cast(pa.int64())).cast(FOUND)
    others = others.append_column("action", pa.repeat("not_kept", others.num_rows))
    spans = pa.concat_tables([kept.spans.unify_dictionaries(), others], promote_options="default")
    written = ledger.Written(
        kept.row,
        kept.tokens,
        kept.bytes,
        kept.text_hash,
        kept.redacted,
        f"corpus/part-{split.number:05d}.parquet",
    )
    rows = {
        "documents": ledger.document_rows(
            annotations, relations, outcomes, written, spans, split.source, numbers
        ),
        "decisions": ledger.decision_rows(relations, outcomes),
        "duplicates": ledger.duplicate_rows(relations, outcomes, _releases(run, relations)),
        "spans": ledger.span_rows(kept.spans, relations),
        "pii_stats": ledger.pii_rows(spans, relations),
        "cuts": ledger.cut_rows(kept.cuts, relations),
        "rights_signals": ledger.signal_rows(signals, relations, split.source),
        "quarantine": ledger.quarantine_rows(
            annotations, relations, outcomes, split.source, numbers
        ),
    }
    for spec in PRODUCT_TABLES:
        out.write_parquet(spec.name, spec.arrow(), [rows[spec.name]])
    for spec in ROOTED:
        leaves = leaves_of(
            spec, rows[spec.name], leaf_keys(run.keyring, spec.name, run.leaf_context)
        )
        name = f"{spec.name}_leaves"
        out.keep(name, write_bytes(out.path(name, "bin"), leaves.to_bytes()))
    scope = run.job.personal_data.links
    if scope is not LinkScope.OFF:
        links = ledger.link_rows(kept.spans, relations, scope, bytes.fromhex(run.plan.key_id))
        if links.num_rows:
            out.write_parquet(PII_LINKS.name, PII_LINKS.arrow(), [links])
