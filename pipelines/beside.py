# SPDX-License-Identifier: Apache-2.0
"""Facts beside a release, as tables: other releases, signatures, times, gates, reviews.

    <output>/snapshots/<id>/MANIFEST.json, run.json    releases, stages, gates
    <output>/HISTORY                                   releases: when each became current
    <output>/snapshots/<id>/ERASED.json                erasures
    <output>/attestations/<id>/*.json                  attestations: DSSE envelopes
    <output>/samples/*.csv                             samples: what reviewers found

No digest covers these files, so a file of the first two kinds that cannot be read gives nulls or
no row; a sample that cannot be read is an error, because a reviewer must mend it.
"""

from __future__ import annotations

import csv
import hashlib
import json
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ..schemas import tables_governance as beside
from ..schemas.errors import IntegrityError, QueryError, ReleaseError
from .chain import became_current, run_report
from .envelope import payload_of, signer_of, statement_of
from .release import current_id, manifest_bytes, release_ids
from .signatures import envelopes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ..schemas.fields import TableSpec
    from .release import Release

SAMPLES_FOLDER = "samples"


def side_tables(release: Release) -> dict[str, pa.Table]:
    """Return the tables of `schemas.tables_governance.BESIDE` for a release, by name.

    Raises:
        QueryError: A file of reviewed samples is malformed.
    """
    release.bring_beside()
    report = run_report(release.output, release.id)
    rows: tuple[tuple[TableSpec, list[dict[str, Any]]], ...] = (
        (beside.RELEASES, list(_releases(release))),
        (beside.ATTESTATIONS, list(_attestations(release))),
        (beside.STAGES, _stages(report)),
        (beside.GATES, _gates(report)),
        (beside.ERASURES, _erasures(release)),
        (
            beside.WITHHELD,
            [dict(row) for row in release.erasure.withheld] if release.erasure else [],
        ),
        (beside.SAMPLES, list(_samples(release.output))),
    )
    return {spec.name: pa.Table.from_pylist(found, spec.arrow()) for spec, found in rows}


def _releases(release: Release) -> Iterator[dict[str, Any]]:
    current, moved = current_id(release.output), became_current(release.output)
    for release_id in release_ids(release.output):
        try:
            raw = manifest_bytes(release.output, release_id)
        except (IntegrityError, ReleaseError):
            raw = b""
        sha256 = hashlib.sha256(raw).hexdigest()
        content: Any = {}
        if sha256.startswith(release_id):
            content = json.loads(raw)
        parent = content.get("parent") or {}
        totals = content.get("totals", {})
        report = run_report(release.output, release_id)
        yield {
            "release_id": release_id,
            "manifest_sha256": sha256,
            "parent_id": parent.get("release"),
            "parent_sha256": parent.get("manifest_sha256"),
            "is_current": release_id == current,
            "is_this": release_id == release.id,
            "finished": _time(report.get("finished")),
            "became_current": _time(moved.get(release_id)),
            "documents_kept": totals.get("documents", {}).get("kept"),
            "tokens_out": totals.get("tokens", {}).get("out"),
        }


def _time(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None


def _attestations(release: Release) -> Iterator[dict[str, Any]]:
    gates = release.manifest.get("job", {}).get("gates") or {}
    signers = [str(signer) for signer in gates.get("signers", ())]
    for release_id in release_ids(release.output):
        for path, envelope in envelopes(release.output, release_id):
            content = statement_of(payload_of(envelope or {}))
            signer = signer_of(envelope or {}, signers)
            for subject in content.get("subject", ()):
                yield {
                    "release_id": release_id,
                    "subject_sha256": str(subject["digest"].get("sha256", "")),
                    "predicate_type": str(content.get("predicateType", "")),
                    "signer": signer,
                    "file": path,
                }


def _stages(report: dict[str, Any]) -> list[dict[str, Any]]:
    stages = report.get("stages")
    if not isinstance(stages, dict):
        return []
    return [
        {
            "stage": name,
            "seconds": float(entry.get("seconds", 0)),
            "cpu_seconds": float(entry.get("cpu_seconds", 0)),
            "bytes": int(entry.get("bytes", 0)),
        }
        for name, entry in stages.items()
        if isinstance(entry, dict)
    ]


def _gates(report: dict[str, Any]) -> list[dict[str, Any]]:
    gates = report.get("gates")
    names = beside.GATES.arrow().names
    if not isinstance(gates, list):
        return []
    return [{name: entry[name] for name in names} for entry in gates if set(names) <= set(entry)]


def _erasures(release: Release) -> list[dict[str, Any]]:
    return [
        {
            "document": stone.document,
            "request_id": stone.request,
            "erased_on": date.fromisoformat(stone.day),
            "rows": sum(len(leaves) for leaves in stone.leaves.values()),
        }
        for stone in (release.erasure.tombstones if release.erasure else ())
    ]


def _samples(output: Path) -> Iterator[dict[str, Any]]:
    names = beside.SAMPLES.arrow().names
    for path in sorted((output / SAMPLES_FOLDER).glob("*.csv")):
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            if reader.fieldnames is None or set(names) - set(reader.fieldnames):
                raise QueryError(f"{path}: expected the columns {', '.join(names)}")
            for line, row in enumerate(reader, start=2):
                try:
                    yield _sample(row)
                except (ValueError, KeyError, TypeError, AttributeError):
                    raise QueryError(
                        f"{path}, line {line}: expected an id of 32 hexadecimal digits, a chance "
                        "in (0, 1], a whole number of items and an ISO date"
                    ) from None


def _sample(row: dict[str, str]) -> dict[str, Any]:
    doc_id, inclusion = bytes.fromhex(row["doc_id"]), float(row["inclusion"])
    items = int(row["items"]) if row["items"] else None
    if len(doc_id) != 16 or not 0 < inclusion <= 1 or (items is not None and items < 0):
        raise ValueError
    return {
        "release_id": row["release_id"],
        "doc_id": doc_id,
        "purpose": row["purpose"],
        "stratum": row["stratum"],
        "inclusion": inclusion,
        "reviewer": row["reviewer"] or None,
        "label": row["label"].strip().lower() or None,
        "items": items,
        "labelled": date.fromisoformat(row["labelled"]) if row["labelled"] else None,
    }
