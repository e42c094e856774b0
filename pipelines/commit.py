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
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

from .. import __version__
from ..schemas import tables
from ..schemas.errors import BooksError, IntegrityError, ReleaseError
from ..schemas.job_file import canonical_job
from ..schemas.reasons import QUARANTINE_REASONS
from ..schemas.restricted import RESTRICTED_TABLES
from ..transforms.finalize import PRODUCT_TABLES
from ..transforms.leaves import ROOTED, Leaves, join_leaves
from ..transforms.outcomes import rules_in_force
from ..transforms.rules import RuleFacts
from ..transforms.run_state import Run
from ..transforms.storage import canonical_json, write_json
from ..transforms.stores import Held, join, store_at
from ..transforms.units import Marker
from .chain import HISTORY, history_with
from .erasure import ERASED
from .former_releases import signature_parameters
from .gates import GateResult, check_gates, require_passed
from .release import (
    BESIDE,
    FORMAT,
    Release,
    current_id,
    manifest_bytes,
    open_release,
    release_ids,
)
from .release_files import PUBLIC, ReleaseFiles
from .restricted import FOLDER
from .roots import ALGORITHM, leaves_path, root_entry
from .small_tables import added, rule_row, write_former, write_small_tables
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
    write_small_tables(run, files, annotated, totals, rules, final)
    write_former(run, files, former)
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
        release, answers = asked.result()
    else:
        release, answers = _ask_gates(output, release_id, report)
    _pass_gates(release, answers, report)
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

    reasons = added(marker.stats["reasons"] for marker in final)
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
        "rules": [rule_row(rule) for rule in rules],
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


def _ask_gates(
    output: str, release_id: str, report: Mapping[str, Any]
) -> tuple[Release, list[GateResult]]:
    release = open_release(output, snapshot=release_id)
    return release, check_gates(release, datetime.fromisoformat(report["finished"]).date())


def _pass_gates(release: Release, results: Sequence[GateResult], report: Mapping[str, Any]) -> None:
    """Write what the gates said beside the release.

    Raises:
        GateError: One failed.
    """
    gates = [result.as_dict() for result in results]
    write_json(
        join(release.origin, "snapshots", release.id, "run.json"),
        {**report, "gates": gates},
        PUBLIC,
    )
    require_passed(release, results)
