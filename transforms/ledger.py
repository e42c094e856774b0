# SPDX-License-Identifier: Apache-2.0
"""Turn what was measured and decided into the rows of the manifest; pure Arrow in and out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..schemas.fields import ID, TableSpec
from ..schemas.personal_data import LinkScope
from ..schemas.reasons import REASON_WORDS, ClusterRole, PiiGrade
from ..schemas.restricted import PII_LINKS
from ..schemas.tables import (
    DECISIONS,
    DOCUMENTS,
    QUARANTINE,
)
from ..schemas.tables_duplicates import DUPLICATES
from ..schemas.tables_edits import CUTS, PII_STATS, SPANS
from ..schemas.tables_rights import RIGHTS_SIGNALS
from .hashing import hashes_to_ids
from .list_rules import NO_ENTRY
from .outcomes import COPY_ROLES, Fired, Outcomes, Relations
from .pii import ENTITIES

_OUTCOME_WORDS = pa.array(["kept", "removed", "quarantined"])
_ROLE_WORDS = pa.array(
    [None, "survivor", "exact_copy", "near_copy", "context", "contained_copy", "address_copy"]
)
_METHODS = pa.array(["exact", "minhash", "containment", "url"])
_GRADES = pa.array([grade.value for grade in PiiGrade])


def table_of(spec: TableSpec, columns: dict[str, Any], rows: int) -> pa.Table:
    """Build a table as declared; scalars fill their column.

    Args:
        spec: The table.
        columns: Column name to an array `[rows]`, or to one value for all rows.
        rows: Number of rows.
    """
    schema = spec.arrow()
    arrays = []
    for field in schema:
        value = columns[field.name]
        if isinstance(value, (str, int, bool, float, bytes)) or value is None:
            plain = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
            value = pa.repeat(pa.scalar(value, plain), rows)
        elif isinstance(value, np.ndarray):
            value = pa.array(value)
        arrays.append(value if value.type == field.type else value.cast(field.type))
    return pa.table(arrays, schema=schema)


def ids(pairs: npt.NDArray[np.uint64], valid: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """Return 128-bit identifiers as binary(16); null where not valid."""
    array = hashes_to_ids(pairs)
    return array if valid is None else pc.if_else(pa.array(valid), array, None)


def words(codes: npt.NDArray[Any], vocabulary: pa.Array) -> pa.Array:
    """Return a word column for codes that index a vocabulary."""
    return vocabulary.take(pa.array(codes))


@dataclass(frozen=True)
class Written:
    """What is known of the kept documents once their final text is.

    Args:
        row: Rows of the kept documents in the split, int64 `[k]`, ascending.
        tokens: Tokens of the final text, uint32 `[k]`.
        bytes: Its UTF-8 bytes, uint32 `[k]`.
        text_hash: Its keyed hash, uint64 `[k, 2]`.
        redacted: Spans replaced, uint32 `[k]`.
        file: Corpus file.
    """

    row: npt.NDArray[np.int64]
    tokens: npt.NDArray[np.uint32]
    bytes: npt.NDArray[np.uint32]
    text_hash: npt.NDArray[np.uint64]
    redacted: npt.NDArray[np.uint32]
    file: str


def outcome_codes(outcomes: Outcomes) -> npt.NDArray[np.int8]:
    """Return 0 kept, 1 removed, 2 quarantined for each record."""
    actions = [fired.facts.action == "quarantine" for fired in outcomes.fired]
    quarantines = np.array([*actions, False])[outcomes.terminal]
    return np.where(outcomes.kept, 0, np.where(quarantines, 2, 1)).astype(np.int8)


def document_rows(
    annotations: pa.Table,
    relations: Relations,
    outcomes: Outcomes,
    written: Written,
    spans: pa.Table,
    source_id: str,
    input_numbers: pa.Int32Array,
) -> pa.Table:
    """Return the `documents` rows of a split.

    Args:
        annotations: All records, by row.
        relations: Duplicates.
        outcomes: Outcomes.
        written: Final texts of the kept ones.
        spans: Personal data found, with `row` and `grade`.
        source_id: Source of the split.
        input_numbers: File of each record.
    """
    n = annotations.num_rows
    found = np.bincount(spans["row"].to_numpy(), minlength=n)

    def spread(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        whole = np.zeros((n, *values.shape[1:]), dtype=values.dtype)
        whole[written.row] = values
        return whole

    kept = outcomes.kept
    in_cluster = relations.role != ClusterRole.NONE
    codes = outcome_codes(outcomes)
    url_known = pc.is_valid(annotations["url_hi"]).to_numpy()
    columns = {
        name: annotations[name]
        for name in DOCUMENTS.arrow().names
        if name in annotations.column_names
    }
    columns |= {
        "source_id": source_id,
        "input_number": input_numbers,
        "doc_id": ids(relations.ids),
        "outcome": words(codes, _OUTCOME_WORDS),
        "reason": words(outcomes.reason, pa.array(REASON_WORDS)),
        "url_hash": ids(_halves(annotations, "url"), url_known),
        "tokens_in": annotations["tokens"],
        "tokens_out": spread(written.tokens),
        "bytes_in": annotations["bytes"],
        "bytes_out": spread(written.bytes),
        "text_hash": ids(_halves(annotations, "text"), codes != 2),
        "text_hash_out": ids(spread(written.text_hash), kept),
        "pii_found": found,
        "pii_redacted": spread(written.redacted),
        "pii_grade": highest_grade(spans, n),
        "cluster_id": ids(relations.cluster, in_cluster),
        "out_file": pc.if_else(pa.array(kept), written.file, None),
        "out_row": pa.array(spread(np.arange(len(written.row), dtype=np.uint32)), mask=~kept),
    }
    return table_of(DOCUMENTS, columns, n)


def _halves(table: pa.Table, name: str) -> npt.NDArray[np.uint64]:
    halves = (pc.fill_null(table[f"{name}_{half}"], 0).to_numpy() for half in ("hi", "lo"))
    return np.column_stack(list(halves))


def highest_grade(spans: pa.Table, n: int) -> pa.Array:
    """Return the highest grade found in each record; null where nothing was found."""
    grade = pc.index_in(spans["grade"].cast(pa.string()), _GRADES).to_numpy()
    highest = np.full(n, -1, dtype=np.int64)
    np.maximum.at(highest, spans["row"].to_numpy(), grade)
    return _GRADES.take(pa.array(highest, mask=highest < 0))


def decision_rows(relations: Relations, outcomes: Outcomes) -> pa.Table:
    """Return the `decisions` rows of a split: every rule that fired, by record and order."""
    pieces = [
        _decisions_of(number, fired, relations, outcomes)
        for number, fired in enumerate(outcomes.fired)
        if len(fired.row)
    ]
    if not pieces:
        return DECISIONS.arrow().empty_table()
    table = pa.concat_tables(pieces)
    row = table["row"].to_numpy()
    order = np.argsort(row, kind="stable")
    row = row[order]
    new = np.append(True, row[1:] != row[:-1])
    seq = np.arange(len(row)) - np.maximum.accumulate(np.where(new, np.arange(len(row)), 0))
    table = table.drop_columns("row").take(pa.array(order))
    place = DECISIONS.arrow().get_field_index("seq")
    table = table.set_column(place, DECISIONS.arrow().field(place), pa.array(seq).cast(pa.uint16()))
    return table.unify_dictionaries()


def _decisions_of(number: int, fired: Fired, relations: Relations, outcomes: Outcomes) -> pa.Table:
    facts, rows = fired.facts, fired.row
    count = len(rows)
    reason: Any = facts.reason.value if facts.reason else None
    if fired.reason is not None:
        reason = words(fired.reason, pa.array(REASON_WORDS))
    entry = fired.entry
    columns: dict[str, Any] = {
        "doc_id": ids(relations.ids[rows]),
        "seq": 0,
        "stage": facts.stage,
        "rule_id": facts.rule_id,
        "rule_version": facts.version,
        "mode": facts.mode,
        "action": facts.action,
        "terminal": outcomes.terminal[rows] == number,
        "reason": reason,
        "score": _floats(fired.score),
        "threshold": _floats(fired.threshold),
        "list_id": facts.list_id,
        "list_entry": None if entry is None else pa.array(entry, mask=entry == NO_ENTRY),
        "partner_id": None if fired.partner is None else ids(fired.partner),
        "n_spans": None if fired.spans is None else pa.array(fired.spans),
    }
    table = table_of(DECISIONS, columns, count)
    return table.append_column("row", pa.array(rows))


def _floats(values: npt.NDArray[np.float32] | None) -> Any:
    return None if values is None else pa.array(values, mask=np.isnan(values))


def methods(relations: Relations, rows: npt.NDArray[np.int64]) -> pa.Array:
    """Return how each of some records was related to its witness."""
    role = relations.role[rows]
    method = np.where(role == ClusterRole.CONTAINED_COPY, 2, relations.near[rows])
    method[role == ClusterRole.ADDRESS_COPY] = 3
    return words(method.astype(np.int8), _METHODS)


def duplicate_rows(
    relations: Relations, outcomes: Outcomes, releases: pa.Array | None = None
) -> pa.Table:
    """Return the `duplicates` rows of a split.

    Args:
        relations: Duplicates.
        outcomes: Outcomes.
        releases: Former release that holds the witness of each record, null where this one does.

    A copy is called one only if its witness decided its fate or would have: members that another
    rule removed are context, and so are copies of opted-out documents.
    """
    method = methods(relations, np.arange(len(relations.role)))
    role = relations.role.copy()
    copies = np.isin(role, COPY_ROLES)
    named = np.zeros(len(role), dtype=bool)
    for fired in outcomes.fired:
        if fired.facts.rule_id in {"dup_url", "dup_exact", "dup_near", "dup_contained"}:
            named[fired.row] = True
    role[copies & ~named] = ClusterRole.CONTEXT
    role[(role == ClusterRole.SURVIVOR) & ~outcomes.kept] = ClusterRole.CONTEXT
    rows = np.flatnonzero(role != ClusterRole.NONE)
    role = role[rows]
    copies = np.isin(role, COPY_ROLES)
    named_in = pa.nulls(len(rows), pa.string())
    if releases is not None:
        named_in = pc.if_else(pa.array(copies), releases.take(pa.array(rows)), None)
    columns = {
        "cluster_id": ids(relations.cluster[rows]),
        "doc_id": ids(relations.ids[rows]),
        "role": words(role, _ROLE_WORDS),
        "partner_id": ids(relations.partner[rows], copies),
        "jaccard": pc.if_else(pa.array(copies), scores(relations.jaccard[rows]), None),
        "containment": pc.if_else(pa.array(copies), scores(relations.containment[rows]), None),
        "method": method.take(pa.array(rows)),
        "partner_release": named_in,
        "tainted": relations.denied[rows],
    }
    return table_of(DUPLICATES, columns, len(rows))


def scores(values: npt.NDArray[np.float32]) -> pa.Array:
    """Return scores as Arrow has them: null where there is none."""
    return pa.array(values, mask=np.isnan(values))


def span_rows(spans: pa.Table, relations: Relations) -> pa.Table:
    """Return the `spans` rows: places and types, by record and place.

    Args:
        spans: Columns row, start, end, entity_type, grade, score, detector, action.
        relations: Identifiers of the records.
    """
    columns = {name: spans[name] for name in SPANS.arrow().names if name in spans.column_names}
    columns["doc_id"] = ids(relations.ids[spans["row"].to_numpy()])
    return table_of(SPANS, columns, spans.num_rows)


def cut_rows(cuts: pa.Table, relations: Relations) -> pa.Table:
    """Return the rows of `cuts`.

    Args:
        cuts: Passages cut out of kept documents, `row` in the split.
        relations: Final identifiers.
    """
    columns: dict[str, Any] = {name: cuts[name] for name in ("start", "end", "documents")}
    columns["doc_id"] = ids(relations.ids[cuts["row"].to_numpy()])
    return table_of(CUTS, columns, cuts.num_rows)


def _plain(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return words as strings: chunks may have different dictionaries."""
    return values.cast(pa.string()) if pa.types.is_dictionary(values.type) else values


def pii_rows(spans: pa.Table, relations: Relations) -> pa.Table:
    """Return the `pii_stats` rows: counts by record, type and detector.

    Args:
        spans: Columns row, entity_type, grade, detector, action; `left` was not replaced.
        relations: Identifiers of the records.
    """
    keys = ["row", "entity_type", "grade", "detector", "action"]
    plain = pa.table([_plain(spans[key]) for key in keys], names=keys)
    counted = plain.group_by(keys).aggregate([([], "count_all")])
    counted = counted.sort_by([(key, "ascending") for key in keys])
    left = pc.is_in(counted["action"], pa.array(["left", "not_kept"]))
    columns = {name: counted[name] for name in keys[1:]}
    columns |= {
        "doc_id": ids(relations.ids[counted["row"].to_numpy()]),
        "n_found": counted["count_all"],
        "n_redacted": pc.if_else(left, 0, counted["count_all"]),
    }
    return table_of(PII_STATS, columns, counted.num_rows)


def link_rows(spans: pa.Table, relations: Relations, scope: LinkScope, key_id: bytes) -> pa.Table:
    """Return the restricted `pii_links` rows.

    Args:
        spans: Columns row, start, end, entity_type, value_hmac, action of the kept documents.
        relations: Identifiers of the records.
        scope: `residual`: what stays in the corpus of types that are personal data; `all`: these
            and all that was replaced.
        key_id: Public name of the key.
    """
    personal = pa.array([entity.name for entity in ENTITIES if entity.action != "keep"])
    chosen = pc.is_in(_plain(spans["entity_type"]), personal)
    if scope is LinkScope.RESIDUAL:
        chosen = pc.and_(chosen, pc.equal(_plain(spans["action"]), "left"))
    rows = spans.filter(chosen)
    columns = {name: rows[name] for name in PII_LINKS.arrow().names if name in rows.column_names}
    columns |= {"doc_id": ids(relations.ids[rows["row"].to_numpy()]), "key_id": key_id}
    return table_of(PII_LINKS, columns, rows.num_rows)


def signal_rows(signals: pa.Table, relations: Relations, source_id: str) -> pa.Table:
    """Return the `rights_signals` rows of a split: of documents by row, then of origins and sources.

    Args:
        signals: Schema `schemas.staged.SIGNALS_SEEN`.
        relations: Identifiers of the records.
        source_id: Source of the split.
    """
    of_documents = pc.is_valid(signals["row"])
    own = signals.filter(of_documents)
    row = own["row"].to_numpy()
    own = own.take(pa.array(np.argsort(row, kind="stable")))
    others = signals.filter(pc.invert(of_documents)).drop_columns("row")
    keys = [name for name in others.column_names if name != "documents"]
    others = others.group_by(keys).aggregate([("documents", "sum")])
    others = others.sort_by([(key, "ascending") for key in keys])
    names = [name for name in RIGHTS_SIGNALS.arrow().names if name in own.column_names]
    tables = []
    for part, ref in ((own, own["row"].to_numpy()), (others, None)):
        columns = {
            name: part[name if name in part.column_names else "documents_sum"] for name in names
        }
        columns["doc_id"] = pa.nulls(part.num_rows, ID) if ref is None else ids(relations.ids[ref])
        columns["source_id"] = source_id
        tables.append(table_of(RIGHTS_SIGNALS, columns, part.num_rows))
    return pa.concat_tables(tables).unify_dictionaries()


def quarantine_rows(
    annotations: pa.Table,
    relations: Relations,
    outcomes: Outcomes,
    source_id: str,
    input_numbers: pa.Int32Array,
) -> pa.Table:
    """Return the `quarantine` rows of a split: why, where and how large."""
    rows = np.flatnonzero(outcome_codes(outcomes) == 2)
    stages = pa.array([fired.facts.stage for fired in outcomes.fired] or ["read"])
    columns = {
        "doc_id": ids(relations.ids[rows]),
        "source_id": source_id,
        "input_number": input_numbers.take(pa.array(rows)),
        "offset": annotations["offset"].take(pa.array(rows)),
        "length": annotations["length"].take(pa.array(rows)),
        "reason": words(outcomes.reason[rows], pa.array(REASON_WORDS)),
        "stage": words(outcomes.terminal[rows], stages),
    }
    return table_of(QUARANTINE, columns, len(rows))
