# SPDX-License-Identifier: Apache-2.0
"""The tables of a release that have few rows: run, inputs, sources, rules, lists and the like."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import pyarrow as pa

from .. import __version__
from ..schemas import tables, tables_sources
from ..schemas.fields import TableSpec
from ..schemas.job_file import canonical_job
from ..schemas.tables_duplicates import FORMER_RELEASES, SUPERSEDED
from ..schemas.tables_governance import REQUESTS, RULES
from ..schemas.tables_rights import LISTS, SNAPSHOTS
from ..transforms.policy import policy_digest
from ..transforms.protect import publishable_name
from ..transforms.rules import RuleFacts
from ..transforms.run_state import Run
from ..transforms.storage import digest_of
from ..transforms.tokens import TOKENIZER
from ..transforms.units import Marker
from .former_releases import former_rows
from .metrics import metric_rows
from .release_files import ReleaseFiles


def write_small_tables(
    run: Run,
    files: ReleaseFiles,
    annotated: Sequence[Marker],
    totals: Mapping[str, Any],
    rules: Sequence[RuleFacts],
    final: Sequence[Marker],
) -> None:
    """Write every table that has one part, but those of former releases.

    Args:
        run: The run.
        files: Where they go.
        annotated: Markers of the `annotate` stage by number.
        totals: Totals of the manifest.
        rules: Rules in force.
        final: Markers of the splits as they are to be released, by number.
    """
    plan, job = run.plan, run.job
    files.write(tables.RUNS, _run_row(run, files, totals, rules), 1)
    _write_rows(files, tables_sources.INPUTS, _input_rows(run, annotated))
    _write_rows(files, tables_sources.PASSED_RECORDS, _passed_rows(run, annotated))
    _write_rows(
        files, tables_sources.SOURCES, [_source_row(run, source.name) for source in job.sources]
    )
    approval = _approval(run)
    _write_rows(files, RULES, [rule_row(rule) | approval for rule in rules])
    matched = added(marker.stats["list_matches"] for marker in final)
    _write_rows(files, LISTS, [_list_row(run, item, matched) for item in plan.lists])
    _write_rows(files, REQUESTS, _request_rows(run))
    wat = (
        {"kind": "wat", "rows": None, **item, "path": publishable_name(run, item["path"])}
        for item in plan.wat
    )
    for spec, facts in ((SNAPSHOTS, (*plan.snapshots, *wat)), (tables.MODELS, plan.models)):
        _write_rows(files, spec, [i | {"sha256": bytes.fromhex(i["sha256"])} for i in facts])
    _write_rows(files, tables.METRICS, metric_rows(run))


def write_former(run: Run, files: ReleaseFiles, former: Sequence[Marker]) -> None:
    """Write which releases were compared with, and which of their documents are superseded."""
    for marker in former:
        path = f"manifest/superseded/part-{marker.number:05d}.parquet"
        files.take(path, SUPERSEDED.name, marker.outputs["superseded"])
    _write_rows(files, FORMER_RELEASES, former_rows(run.plan, former))
    if not former:
        _write_rows(files, SUPERSEDED, [])


def _write_rows(files: ReleaseFiles, spec: TableSpec, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a small table given row by row."""
    schema = spec.arrow()
    plain = {
        field.name: pa.array(
            [row.get(field.name) if field.nullable else row[field.name] for row in rows],
            field.type.value_type if pa.types.is_dictionary(field.type) else field.type,
        )
        for field in schema
    }
    files.write(spec, plain, len(rows))


def added(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Add up counts by name."""
    total: dict[str, int] = {}
    for part in counts:
        for name, count in part.items():
            total[name] = total.get(name, 0) + count
    return total


def _run_row(
    run: Run, files: ReleaseFiles, totals: Mapping[str, Any], rules: Sequence[RuleFacts]
) -> dict[str, Any]:
    plan, dedup = run.plan, run.job.deduplication
    documents, tokens = totals["documents"], totals["tokens"]
    return {
        "job_name": run.job.name,
        "code_version": __version__,
        "schema_version": tables.SCHEMA_VERSION,
        "config_sha256": hashlib.sha256(canonical_job(run.job)).digest(),
        "policy_sha256": bytes.fromhex(policy_digest(rules)),
        "inputs_sha256": digest_of(item["sha256"] for item in plan.inputs),
        "key_id": bytes.fromhex(plan.key_id),
        "tokenizer": TOKENIZER,
        "dedup_bands": plan.bands,
        "dedup_rows": plan.rows,
        "dedup_threshold": dedup.near.threshold,
        "dedup_containment": dedup.near.containment if plan.samples else None,
        "guard_override": dedup.override_guards,
        "documents_in": documents["read"],
        "documents_kept": documents["kept"],
        "documents_removed": documents["removed"],
        "documents_quarantined": documents["quarantined"],
        "tokens_in": tokens["in"],
        "tokens_out": tokens["out"],
        "bytes_in": totals["bytes_in"],
        "bytes_out": totals["bytes_out"],
        "outputs_sha256": digest_of(
            item["sha256"] for item in files.listed if item["table"] == tables.CORPUS.name
        ),
    }


def _input_rows(run: Run, annotated: Sequence[Marker]) -> list[dict[str, Any]]:
    """Return what the reader counted of each file, all its splits together."""
    tallied = ("stream_bytes", "blank_bytes", "records")
    counts = {item["input_number"]: dict.fromkeys(tallied, 0) for item in run.plan.inputs}
    for marker in annotated:
        for number, own in _by_file(run, marker):
            for name in tallied:
                counts[number][name] += own[name]
    return [
        {
            **item,
            "path": publishable_name(run, item["path"]),
            "sha256": bytes.fromhex(item["sha256"]),
            **counts[item["input_number"]],
        }
        for item in run.plan.inputs
    ]


def _by_file(run: Run, marker: Marker) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the number of each file of an annotated split, and what the reader counted of it."""
    numbers = run.plan.input_numbers(run.plan.splits[marker.number])
    return zip(numbers, marker.stats["files"], strict=True)


def _passed_rows(run: Run, annotated: Sequence[Marker]) -> list[dict[str, Any]]:
    """Return what the reader counted of records that are no documents, by file and kind."""
    counts: dict[tuple[int, str, str], list[int]] = {}
    for marker in annotated:
        source = run.plan.splits[marker.number].source
        for number, own in _by_file(run, marker):
            for kind, (records, size) in own["passed"].items():
                count = counts.setdefault((number, source, kind), [0, 0])
                count[0] += records
                count[1] += size
    return [
        {
            "input_number": number,
            "source_id": source,
            "kind": kind,
            "records": records,
            "bytes": size,
        }
        for (number, source, kind), (records, size) in sorted(counts.items())
    ]


def _source_row(run: Run, name: str) -> dict[str, Any]:
    source = run.plan.source(name)
    sample = source.illegal_sample
    record = source.model_dump(mode="python")
    digests = [item["sha256"] for item in run.plan.inputs if item["source_id"] == name]
    return record | {
        "source_id": name,
        "kind": source.kind.value,
        "licence_default": source.licence,
        "legal_basis": source.legal_basis.value,
        "personal_data_basis": source.personal_data_basis.value,
        "trust_tier": source.trust_tier.value if source.trust_tier else None,
        "illegal_n": sample.examined if sample else None,
        "illegal_k": sample.illegal if sample else None,
        "blacklisted": sample is not None and sample.condemns,
        "collected_from": source.collected.start,
        "collected_to": source.collected.end,
        "digest": digest_of(digests),
    }


def rule_row(rule: RuleFacts) -> dict[str, Any]:
    """Return a rule as `rules` and MANIFEST.json show it."""
    return {
        "rule_id": rule.rule_id,
        "version": rule.version,
        "stage": rule.stage,
        "mode": rule.mode,
        "action": rule.action,
        "reason": rule.reason.value if rule.reason else None,
        "signal": rule.signal,
        "parameters": json.dumps(rule.parameters, sort_keys=True, ensure_ascii=False),
        "meaning": rule.meaning,
        "basis": rule.basis,
    }


def _approval(run: Run) -> dict[str, Any]:
    """Return who approved the rules and when; None where nobody did."""
    approval = run.job.approval
    return {name: getattr(approval, name, None) for name in ("approved_by", "approved_on")}


def _request_rows(run: Run) -> list[dict[str, Any]]:
    """Return the requests that the lists of the job carry out."""
    return [
        {
            "request_id": item.request.id,
            "kind": item.request.kind.value,
            "list_id": item.name,
            "selector_kind": item.kind.value,
            "legal_ref": item.request.legal_ref,
            "received": item.request.received,
            "verified": item.request.verified,
            "due": item.request.last_day,
            "closed": item.request.closed,
        }
        for item in run.job.lists
        if item.request
    ]


def _list_row(run: Run, item: Mapping[str, Any], matched: Mapping[str, int]) -> dict[str, Any]:
    requests = {declared.name: declared.request for declared in run.job.lists}
    request = requests[item["list_id"]]
    return {
        **item,
        "sha256": bytes.fromhex(item["sha256"]),
        "retrieved": date.fromisoformat(item["retrieved"]) if item["retrieved"] else None,
        "canaries_passed": item["canaries"],
        "documents_matched": matched.get(item["list_id"], 0),
        "request_id": request.id if request else None,
    }
