# SPDX-License-Identifier: Apache-2.0
"""Turn the finished parts of a run into a release, and make it current in one step.

    <work>/release/             small tables written
    snapshots/.staging-<pid>/   parts linked, run.json and MANIFEST.json written
    snapshots/<id>/             renamed; the id is the digest of MANIFEST.json
    (verified: files, schemas, books)
    CURRENT                     replaced
    HISTORY                     one line more

An object store cannot rename: there the parts are copied to `snapshots/<id>/` itself, MANIFEST.json
last, and CURRENT is put on the condition that nobody moved it meanwhile.

A reader sees the old release or the new one. A run that fails on the way leaves the old one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from .. import __version__
from ..schemas import tables, tables_sources
from ..schemas.errors import BooksError, IntegrityError, ReleaseError
from ..schemas.fields import TableSpec
from ..schemas.job_file import canonical_job
from ..schemas.reasons import QUARANTINE_REASONS
from ..schemas.restricted import RESTRICTED_TABLES
from ..schemas.tables_duplicates import FORMER_RELEASES, SUPERSEDED
from ..schemas.tables_governance import REQUESTS, RULES
from ..schemas.tables_rights import LISTS, SNAPSHOTS
from ..transforms.finalize import PRODUCT_TABLES
from ..transforms.leaves import ROOTED, Leaves, join_leaves
from ..transforms.outcomes import rules_in_force
from ..transforms.policy import policy_digest
from ..transforms.protect import publishable_name
from ..transforms.rules import RuleFacts
from ..transforms.run_state import Run
from ..transforms.storage import canonical_json, digest_of, write_json
from ..transforms.stores import Held, join, store_at
from ..transforms.tokens import TOKENIZER
from ..transforms.units import Marker
from .chain import HISTORY, history_with
from .erasure import ERASED
from .former_releases import former_rows, signature_parameters
from .gates import GateResult, check_gates, require_passed
from .metrics import metric_rows
from .release import BESIDE, FORMAT, current_id, manifest_bytes, open_release, release_ids
from .release_files import PUBLIC, ReleaseFiles
from .restricted import FOLDER
from .roots import ALGORITHM, leaves_path, root_entry
from .verify import verify


def commit_release(
    run: Run,
    annotated: Sequence[Marker],
    final: Sequence[Marker],
    former: Sequence[Marker],
    output: str,
    report: Any,
    held: Held,
) -> tuple[str, dict[str, Any]]:
    """Put a release together, prove it, and make it current.

    Args:
        run: The run.
        annotated: Markers of the `annotate` stage by number.
        final: Markers of the splits as they are to be released, by number.
        former: Markers of the parts of former releases, by number.
        output: Output folder.
        report: What goes into run.json: times and host facts.
        held: The lock of the output folder.

    Returns:
        The release id and the totals of its manifest.

    Raises:
        BooksError: Records in are not records out, or a file is not what it should be. Nothing
            becomes current.
        GateError: The release is sound, but failed a gate; it stays, and does not become current.
    """
    pointer = join(output, "CURRENT")
    seen = store_at(output).version(pointer)
    files = ReleaseFiles(join(run.plan.work, "release"))
    for marker in final:
        _take_parts(files, marker)
    totals = _totals(annotated, final)
    rules = rules_in_force(run.rules, run.job)
    _write_small_tables(run, files, annotated, totals, rules, final)
    _write_former(run, files, former)
    restricted = files.index_restricted(run)
    roots = _roots(run, files, final)
    manifest = _with_parent(
        _manifest(run, files, totals, rules) | {"restricted": restricted, "roots": roots}, output
    )
    release_id = hashlib.sha256(manifest).hexdigest()[:16]
    target = join(output, "snapshots", release_id)
    # A sound equal release stands, a damaged one is replaced.
    if not store_at(target).exists(join(target, "MANIFEST.json")) or _faults(output, release_id):
        if store_at(target).exists(join(target, ERASED)):
            raise IntegrityError(
                f"release {release_id} is damaged, and documents were erased from it: it is not made "
                "again from the inputs; see `muniment verify`, or take its folder away"
            )
        held.check()
        files.publish(target, manifest, report)
        with ThreadPoolExecutor(1) as beside:  # what gates say counts once the files are proved
            asked = beside.submit(_ask_gates, output, release_id, report)
            _prove(output, release_id)
        answers = asked.result()
    else:
        answers = _ask_gates(output, release_id, report)
    _pass_gates(output, release_id, report, answers)
    held.check()
    _note(output)  # a killed run may not have come to it
    store_at(output).swap(pointer, f"snapshots/{release_id}\n".encode(), seen, PUBLIC)
    _note(output)
    return release_id, totals


def _note(output: str) -> None:
    """Note beside CURRENT what it names now."""
    store, place = store_at(output), join(output, HISTORY)
    seen = store.version(place)
    pointer, history = store.read_each([join(output, "CURRENT"), place])
    said = history_with(history or b"", pointer or b"")
    if said is not None:
        store.swap(place, said, seen, PUBLIC)


def _part(marker: Marker) -> str:
    return f"part-{marker.number:05d}"


def _take_parts(files: ReleaseFiles, marker: Marker) -> None:
    part = _part(marker)
    for spec in PRODUCT_TABLES:
        folder = "" if spec is tables.QUARANTINE else "manifest/"
        path = f"{folder}{spec.name}/{part}.parquet"
        files.take(path, spec.name, marker.outputs[spec.name])
    for name, extension in (("corpus", "parquet"), ("corpus_jsonl", "jsonl.zst")):
        if name in marker.outputs:
            files.take(f"corpus/{part}.{extension}", "corpus", marker.outputs[name])
    for spec in RESTRICTED_TABLES:
        if spec.name in marker.outputs:
            path = f"{FOLDER}/{spec.name}/{part}.parquet"
            files.restrict(path, spec.name, marker.outputs[spec.name])


def _totals(annotated: Sequence[Marker], final: Sequence[Marker]) -> dict[str, Any]:
    """Add up what the reader and the final stage counted; the books compare it with the rows."""

    def total(markers: Sequence[Marker], name: str) -> int:
        return sum(int(marker.stats[name]) for marker in markers)

    reasons = _added(marker.stats["reasons"] for marker in final)
    quarantine = {reason.value for reason in QUARANTINE_REASONS}
    return {
        "documents": {
            "read": total(annotated, "records"),
            "kept": total(final, "kept"),
            "removed": total(final, "removed"),
            "quarantined": total(final, "quarantined"),
        },
        "tokens": {"in": total(final, "tokens_in"), "out": total(final, "tokens_out")},
        "bytes_in": total(annotated, "bytes_in"),
        "bytes_out": total(final, "bytes_out"),
        "removed_by_reason": {k: v for k, v in sorted(reasons.items()) if k not in quarantine},
        "quarantined_by_reason": {k: v for k, v in sorted(reasons.items()) if k in quarantine},
    }


def _write_small_tables(
    run: Run,
    files: ReleaseFiles,
    annotated: Sequence[Marker],
    totals: Mapping[str, Any],
    rules: Sequence[RuleFacts],
    final: Sequence[Marker],
) -> None:
    plan, job = run.plan, run.job
    files.write(tables.RUNS, _run_row(run, files, totals, rules), 1)
    _write_rows(files, tables_sources.INPUTS, _input_rows(run, annotated))
    _write_rows(files, tables_sources.PASSED_RECORDS, _passed_rows(run, annotated))
    _write_rows(
        files, tables_sources.SOURCES, [_source_row(run, source.name) for source in job.sources]
    )
    approval = _approval(run)
    _write_rows(files, RULES, [_rule_row(rule) | approval for rule in rules])
    matched = _added(marker.stats["list_matches"] for marker in final)
    _write_rows(files, LISTS, [_list_row(run, item, matched) for item in plan.lists])
    _write_rows(files, REQUESTS, _request_rows(run))
    wat = (
        {"kind": "wat", "rows": None, **item, "path": publishable_name(run, item["path"])}
        for item in plan.wat
    )
    for spec, facts in ((SNAPSHOTS, (*plan.snapshots, *wat)), (tables.MODELS, plan.models)):
        _write_rows(files, spec, [i | {"sha256": bytes.fromhex(i["sha256"])} for i in facts])
    _write_rows(files, tables.METRICS, metric_rows(run))


def _write_former(run: Run, files: ReleaseFiles, former: Sequence[Marker]) -> None:
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


def _roots(run: Run, files: ReleaseFiles, final: Sequence[Marker]) -> dict[str, Any]:
    """Write the leaves of the rooted tables; return what MANIFEST.json says of their roots."""
    entries = {}
    for spec in ROOTED:
        parts = sorted(final, key=_part)  # in the order of the rows
        written = [marker.outputs[f"{spec.name}_leaves"].path for marker in parts]
        leaves = join_leaves(Leaves.from_bytes(store_at(path).read(path)) for path in written)
        files.add(leaves_path(spec.name), leaves.salted.tobytes(), len(leaves.salted))
        entries[spec.name] = root_entry(leaves)
    return {"algorithm": ALGORITHM, "context": run.leaf_context, "tables": entries}


def _added(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
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


def _rule_row(rule: RuleFacts) -> dict[str, Any]:
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


def _manifest(
    run: Run, files: ReleaseFiles, totals: Mapping[str, Any], rules: Sequence[RuleFacts]
) -> dict[str, Any]:
    plan = run.plan
    return {
        "format": FORMAT,
        "schema_version": tables.SCHEMA_VERSION,
        "code_version": __version__,
        "job": json.loads(canonical_job(run.job)),
        "config_sha256": hashlib.sha256(canonical_job(run.job)).hexdigest(),
        "key_id": plan.key_id,
        "signatures": signature_parameters(run.job) if run.job.output.signatures else None,
        "models": list(plan.models),
        "lists": list(plan.lists),
        "snapshots": list(plan.snapshots),
        "rules": [_rule_row(rule) for rule in rules],
        "files": sorted(files.listed, key=lambda entry: entry["path"]),
        "totals": dict(totals),
    }


def _with_parent(manifest: Mapping[str, Any], output: str) -> bytes:
    """Return MANIFEST.json with the release that is current as its parent.

    A run that gives the current release once more gives the same bytes: its parent stays.
    """
    mirror = store_at(output).mirror(output)
    mirror.bring_like(BESIDE)
    there = Path(mirror.folder)
    current = current_id(there)
    links = {release_id: _link_to(there, release_id) for release_id in release_ids(there)}
    others = (links[name] for name in links if name != current)
    for parent in (None, _parent_of(there, current), *others):
        again = canonical_json({**manifest, "parent": parent})
        if current is None or hashlib.sha256(again).hexdigest()[:16] == current:
            return again
    return canonical_json({**manifest, "parent": links.get(current or "")})


def _parent_of(output: Path, release_id: str | None) -> Any:
    """Return what a release says of its parent, whose folder may be gone; None if it says nothing."""
    try:
        return json.loads(manifest_bytes(output, release_id or ""))["parent"]
    except (IntegrityError, ReleaseError, ValueError, KeyError):
        return None


def _link_to(output: Path, release_id: str) -> dict[str, str]:
    """Return what a release says of the one before it."""
    try:
        raw = manifest_bytes(output, release_id)
    except (IntegrityError, ReleaseError):
        raw = b""
    return {"release": release_id, "manifest_sha256": hashlib.sha256(raw).hexdigest()}


def _faults(output: str, release_id: str) -> list[str]:
    """Return what is wrong with a release that may not be current."""
    try:
        return [str(fault) for fault in verify(open_release(output, snapshot=release_id))]
    except (IntegrityError, ReleaseError) as error:
        return [str(error)]


def _prove(output: str, release_id: str) -> None:
    """Verify files, schemas and books of a release that is not current yet."""
    faults = _faults(output, release_id)
    if faults:
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        shown = "; ".join(faults[:3])
        raise BooksError(f"release {release_id} was not made current: {shown}{more}")


def _ask_gates(output: str, release_id: str, report: Mapping[str, Any]) -> list[GateResult]:
    release = open_release(output, snapshot=release_id)
    return check_gates(release, datetime.fromisoformat(report["finished"]).date())


def _pass_gates(
    output: str, release_id: str, report: Mapping[str, Any], results: Sequence[GateResult]
) -> None:
    """Write what the gates said beside the release.

    Raises:
        GateError: One failed.
    """
    gates = [result.as_dict() for result in results]
    write_json(
        join(output, "snapshots", release_id, "run.json"), {**report, "gates": gates}, PUBLIC
    )
    require_passed(open_release(output, snapshot=release_id), results)
