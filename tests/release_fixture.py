# SPDX-License-Identifier: Apache-2.0
"""A small release whose every number can be checked by hand: 30 documents, 3 sources, 4 files.

`STORY` tells what became of each document; `TRUTH` in the tests was counted from it by a person.
`build_release` writes it to disk; `write_release` writes any tables, so that a test can tell a
consistent lie (rows changed, digests made to fit) and see it found.

    web   crawl, page_only    web/a.jsonl   documents 1-10, web/b.jsonl 11-18, 100 tokens each
    wiki  public data set     wiki.parquet  documents 19-26,                   200 tokens each
    mail  licensed            mail.jsonl.gz documents 27-30,                    50 tokens each

A document that was quarantined by the reader has no tokens; of document 2, two tokens are redacted.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from muniment.pipelines.roots import ALGORITHM, leaves_path, root_entry
from muniment.schemas.tables import ALL_TABLES, CORPUS, SCHEMA_VERSION
from muniment.transforms.keys import Keyring
from muniment.transforms.leaves import ROOTED, join_leaves, leaf_keys, leaves_of

if TYPE_CHECKING:
    from pathlib import Path

Rows = list[dict[str, Any]]
Tables = dict[str, Rows]

KEY = Keyring(hashlib.sha256(b"fixture").digest())
TABLES = {spec.name: spec for spec in ALL_TABLES}


def doc_id(number: int) -> bytes:
    """Return the id of document `number`: the byte repeated, so that it can be read in a test."""
    return bytes([number]) * 16


# number, outcome, reason, host, licence, evidence, lang, toxicity
STORY: tuple[tuple[Any, ...], ...] = (
    (1, "kept", None, "www.a.example", "CC-BY-4.0", "document", "en", 0.01),
    (2, "kept", None, "www.a.example", "unknown", "none", "en", 0.02),
    (3, "removed", "optout_domain", "x.bad.example", "unknown", "none", "en", 0.90),
    (4, "removed", "toxic", "a.example", "unknown", "none", "en", 0.92),
    (5, "kept", None, "b.example", "CC0-1.0", "document", "en", 0.03),
    (6, "removed", "dup_exact", "c.example", "unknown", "none", "en", 0.03),
    (7, "removed", "dup_near", "c.example", "unknown", "none", "en", 0.04),
    (8, "removed", "language_not_allowed", "f.example", "unknown", "none", "fr", None),
    (9, "quarantined", "json_syntax", None, "unknown", "none", "und", None),
    (10, "removed", "pii_dense", "a.example", "unknown", "none", "en", 0.05),
    (11, "kept", None, "c.example", "CC-BY-4.0", "document", "zh", 0.06),
    (12, "kept", None, "c.example", "unknown", "none", "zh", 0.07),
    (13, "removed", "optout_url", "d.example", "unknown", "none", "zh", 0.08),
    (14, "removed", "empty", "d.example", "unknown", "none", "und", None),
    (15, "kept", None, "d.example", "unknown", "none", "en", 0.69),
    (16, "quarantined", "too_large", None, "unknown", "none", "und", None),
    (17, "removed", "optout_dup", "e.example", "unknown", "none", "en", 0.10),
    (18, "kept", None, "e.example", "unknown", "none", "en", 0.11),
    (19, "kept", None, "wiki.example", "CC-BY-SA-4.0", "source", "en", 0.01),
    (20, "kept", None, "wiki.example", "CC-BY-SA-4.0", "source", "en", 0.01),
    (21, "kept", None, "wiki.example", "CC-BY-SA-4.0", "source", "en", 0.01),
    (22, "kept", None, "wiki.example", "CC-BY-SA-4.0", "source", "zh", 0.01),
    (23, "kept", None, "wiki.example", "CC-BY-SA-4.0", "source", "zh", 0.01),
    (24, "kept", None, "wiki.example", "CC-BY-SA-4.0", "source", "de", None),
    (25, "removed", "takedown", "wiki.example", "CC-BY-SA-4.0", "source", "en", 0.01),
    (26, "removed", "licence_not_allowed", "wiki.example", "GPL-3.0-only", "document", "en", 0.01),
    (27, "kept", None, None, "unknown", "none", "de", None),
    (28, "kept", None, None, "unknown", "none", "en", 0.02),
    (29, "quarantined", "detector_cap", None, "unknown", "none", "en", 0.03),
    (30, "removed", "dup_near", None, "unknown", "none", "de", None),
)

RULE_OF = {
    "json_syntax": "strict-reader",
    "too_large": "strict-reader",
    "detector_cap": "detector-guard",
    "empty": "not-empty",
    "optout_domain": "optout",
    "optout_url": "optout",
    "takedown": "takedown",
    "licence_not_allowed": "licence",
    "language_not_allowed": "language",
    "toxic": "toxicity",
    "pii_dense": "pii-dense",
    "dup_exact": "exact-duplicate",
    "dup_near": "near-duplicate",
    "optout_dup": "optout-copy",
}

# rule, stage, mode, action, meaning, basis
POLICY = (
    ("strict-reader", "read", "enforce", "quarantine", "Records must parse.", "RFC 8259"),
    ("detector-guard", "pii", "enforce", "quarantine", "A detector must finish.", "fail closed"),
    ("not-empty", "read", "enforce", "remove", "Text must not be empty.", "definition"),
    ("optout", "rights", "enforce", "remove", "Opted-out places leave.", "EU 2019/790 Art. 4(3)"),
    ("takedown", "rights", "enforce", "remove", "Taken-down texts leave.", "GDPR Art. 17"),
    ("licence", "rights", "enforce", "remove", "Licences must be allowed.", "policy"),
    ("language", "language", "enforce", "remove", "Languages must be allowed.", "policy"),
    ("toxicity", "toxicity", "enforce", "remove", "Toxic texts leave.", "model card"),
    ("pii-dense", "pii", "enforce", "remove", "Sensitive lists leave.", "GB/T 35273"),
    ("exact-duplicate", "dedup", "enforce", "remove", "Exact copies leave.", "definition"),
    ("near-duplicate", "dedup", "enforce", "remove", "Near copies leave.", "Broder 1997"),
    ("optout-copy", "dedup", "enforce", "remove", "Copies of opted-out texts leave.", "policy"),
    ("redact", "pii", "enforce", "transform", "Personal data is replaced.", "GDPR Art. 25"),
    ("toxicity-zh", "toxicity", "shadow", "remove", "A new model on trial.", "model card"),
)

# Rules that fired beside the terminal one, and rules without a reason:
# number, rule, mode, action, reason, score, threshold, spans
BESIDE: tuple[tuple[Any, ...], ...] = (
    (3, "toxicity", "enforce", "remove", "toxic", 0.90, 0.7, None),
    (2, "redact", "enforce", "transform", None, None, None, 2),
    (10, "toxicity-zh", "shadow", "remove", "toxic", 0.75, 0.7, None),
    (18, "toxicity-zh", "shadow", "remove", "toxic", 0.71, 0.7, None),
)

SCORES = {4: (0.92, 0.7), 7: (0.91, 0.8), 8: (0.30, 0.5), 10: (4.0, 3.0), 17: (0.95, 0.8)}
SCORES[30] = (0.8, 0.8)
LISTED = {3: ("optouts", 7), 13: ("optout-urls", 2), 25: ("takedowns", 1)}
PARTNERS = {6: (5, None), 7: (5, 0.91), 17: (3, 0.95), 30: (27, 0.8)}

INPUTS = (
    ("web", "web/a.jsonl", "jsonl", "none", range(1, 11)),
    ("web", "web/b.jsonl", "jsonl", "none", range(11, 19)),
    ("wiki", "wiki.parquet", "parquet", "none", range(19, 27)),
    ("mail", "mail.jsonl.gz", "jsonl", "gz", range(27, 31)),
)
RECORD_BYTES = 1000


def tables() -> Tables:
    """Return the rows of every table of the story, the corpus included."""
    made: Tables = {name: [] for name in TABLES}
    _documents(made)
    _decisions(made)
    _duplicates(made)
    _personal_data(made)
    _declarations(made)
    return made


def _place(number: int) -> tuple[int, str, int, int]:
    """Return input number, source, offset and length of a document."""
    for input_number, (source, path, _, _, numbers) in enumerate(INPUTS):
        if number in numbers:
            row = number - numbers[0]
            if path.endswith(".parquet"):  # row groups of 5
                return input_number, source, (row // 5) << 32 | row % 5, 0
            return input_number, source, row * RECORD_BYTES, RECORD_BYTES
    raise AssertionError(number)


def _documents(made: Tables) -> None:
    out_rows = {"corpus/part-00000.parquet": 0, "corpus/part-00001.parquet": 0}
    clusters = {5: 5, 6: 5, 7: 5, 3: 3, 17: 3, 27: 27, 30: 27}
    for number, outcome, reason, host, licence, evidence, lang, toxicity in STORY:
        input_number, source, offset, length = _place(number)
        kept, read = outcome == "kept", reason not in ("json_syntax", "too_large")
        tokens = {"web": 100, "wiki": 200, "mail": 50}[source] if read else 0
        tokens = 0 if reason == "empty" else tokens
        redacted = 2 if number == 2 else 0
        out_file = f"corpus/part-0000{int(source != 'web')}.parquet" if kept else None
        made["documents"].append(
            {
                "doc_id": doc_id(number),
                "source_id": source,
                "input_number": input_number,
                "offset": offset,
                "length": length,
                "outcome": outcome,
                "reason": reason,
                "url_hash": bytes([100 + number]) * 16 if host else None,
                "host": host,
                "domain": ".".join(host.split(".")[-2:]) if host else None,
                "published": date(2000 + number, 1, 1) if source == "web" and read else None,
                "licence": licence,
                "licence_evidence": evidence,
                "rights_state": "deny"
                if number in LISTED
                else "allow"
                if evidence != "none"
                else "unknown",
                "rights_signal": "list"
                if number in LISTED
                else "licence"
                if evidence != "none"
                else None,
                "rights_observability": {"web": "page_only", "wiki": "full", "mail": "none"}[
                    source
                ],
                "lang": lang,
                "lang_score": 0.3 if number == 8 else 0.0 if lang == "und" else 0.99,
                "toxicity": toxicity,
                "tokens_in": tokens,
                "tokens_out": tokens - redacted if kept else 0,
                "bytes_in": tokens * 5,
                "bytes_out": tokens * 5 if kept else 0,
                "text_hash": None
                if outcome == "quarantined"
                else bytes([200]) + bytes([number]) * 15,
                "text_hash_out": bytes([201]) + bytes([number]) * 15 if kept else None,
                "pii_found": {2: 2, 10: 4}.get(number, 0),
                "pii_redacted": redacted,
                "pii_grade": {2: "general", 10: "sensitive"}.get(number),
                "cluster_id": doc_id(clusters[number]) if number in clusters else None,
                "out_file": out_file,
                "out_row": out_rows[out_file] if out_file else None,
            }
        )
        if out_file:
            out_rows[out_file] += 1
            made["corpus"].append(_corpus_row(made["documents"][-1], number))
        if outcome == "quarantined":
            made["quarantine"].append(
                {
                    "doc_id": doc_id(number),
                    "source_id": source,
                    "input_number": input_number,
                    "offset": offset,
                    "length": length,
                    "reason": reason,
                    "stage": "pii" if reason == "detector_cap" else "read",
                }
            )


def _corpus_row(document: dict[str, Any], number: int) -> dict[str, Any]:
    return {
        "doc_id": document["doc_id"],
        "text": f"the text of document {number}",
        "source_id": document["source_id"],
        "url": f"https://{document['host']}/{number}" if document["host"] else None,
        "title": None,
        "licence": document["licence"],
        "author": None,
        "lang": document["lang"],
        "published": document["published"],
        "tokens": document["tokens_out"],
    }


def _decisions(made: Tables) -> None:
    stages = {rule: stage for rule, stage, *_ in POLICY}
    for number, outcome, reason, *_ in STORY:
        rows = []
        if reason is not None:
            score, threshold = SCORES.get(number, (None, None))
            list_id, entry = LISTED.get(number, (None, None))
            partner, _ = PARTNERS.get(number, (None, None))
            rows.append(
                {
                    "rule_id": RULE_OF[reason],
                    "mode": "enforce",
                    "action": "quarantine" if outcome == "quarantined" else "remove",
                    "terminal": True,
                    "reason": reason,
                    "score": score,
                    "threshold": threshold,
                    "list_id": list_id,
                    "list_entry": entry,
                    "partner_id": doc_id(partner) if partner else None,
                    "n_spans": None,
                }
            )
        for other, rule, mode, action, why, score, threshold, spans in BESIDE:
            if other == number:
                rows.append(
                    {
                        "rule_id": rule,
                        "mode": mode,
                        "action": action,
                        "terminal": False,
                        "reason": why,
                        "score": score,
                        "threshold": threshold,
                        "n_spans": spans,
                    }
                )
        for seq, row in enumerate(rows):
            common = {"doc_id": doc_id(number), "seq": seq, "rule_version": 1}
            made["decisions"].append(common | row | {"stage": stages[row["rule_id"]]})


def _duplicates(made: Tables) -> None:
    # cluster, member, role, partner, jaccard, method, tainted
    for cluster, member, role, partner, jaccard, method, tainted in (
        (5, 5, "survivor", None, None, "minhash", False),
        (5, 6, "exact_copy", 5, 1.0, "exact", False),
        (5, 7, "near_copy", 5, 0.91, "minhash", False),
        (3, 3, "context", None, None, "minhash", False),
        (3, 17, "context", 3, 0.95, "minhash", True),
        (27, 27, "survivor", None, None, "minhash", False),
        (27, 30, "near_copy", 27, 0.8, "minhash", False),
    ):
        made["duplicates"].append(
            {
                "cluster_id": doc_id(cluster),
                "doc_id": doc_id(member),
                "role": role,
                "partner_id": doc_id(partner) if partner else None,
                "jaccard": jaccard,
                "containment": jaccard,
                "method": method,
                "tainted": tainted,
            }
        )


def _personal_data(made: Tables) -> None:
    for number, entity, grade, found, redacted, action in (
        (2, "EMAIL", "general", 2, 2, "placeholder"),
        (10, "CN_ID", "sensitive", 4, 0, "left"),
    ):
        made["pii_stats"].append(
            {
                "doc_id": doc_id(number),
                "entity_type": entity,
                "grade": grade,
                "detector": "pattern@1",
                "n_found": found,
                "n_redacted": redacted,
                "action": action,
            }
        )
    made["spans"] += [
        {
            "doc_id": doc_id(2),
            "start": start,
            "end": start + 10,
            "entity_type": "EMAIL",
            "grade": "general",
            "score": 1.0,
            "detector": "pattern@1",
            "action": "placeholder",
        }
        for start in (5, 40)
    ]


def _declarations(made: Tables) -> None:
    digest = hashlib.sha256(b"fixture").digest()
    common = {
        "uri": None,
        "version": None,
        "publisher": None,
        "attribution": None,
        "crawler": None,
        "contract_ref": None,
        "consent_doc": None,
        "generator": None,
        "reviewer": None,
        "trust_tier": None,
        "illegal_n": None,
        "illegal_k": None,
        "blacklisted": False,
        "personal_data_basis": "unknown",
        "origin": "worldwide",
        "collected_from": date(2020, 1, 1),
        "collected_to": date(2025, 12, 31),
        "rank": 100,
        "digest": digest,
        "licence_default": "unknown",
    }
    made["sources"] += [
        common
        | {
            "source_id": "web",
            "kind": "crawl",
            "crawler": "examplebot",
            "legal_basis": "tdm_art4",
            "observability": "page_only",
        },
        common
        | {
            "source_id": "wiki",
            "kind": "public_dataset",
            "uri": "https://wiki.example/dump",
            "version": "2025-01",
            "publisher": "Wiki Example",
            "legal_basis": "licence",
            "licence_default": "CC-BY-SA-4.0",
            "observability": "full",
            "rank": 10,
        },
        common
        | {
            "source_id": "mail",
            "kind": "licensed",
            "contract_ref": "contract 7",
            "legal_basis": "contract",
            "observability": "none",
        },
    ]
    made["inputs"] += [
        {
            "input_number": number,
            "source_id": source,
            "path": path,
            "format": kind,
            "codec": codec,
            "sha256": digest,
            "file_bytes": 500 * len(numbers),
            "stream_bytes": RECORD_BYTES * len(numbers) if kind == "jsonl" else 8000,
            "blank_bytes": 0,
            "records": len(numbers),
        }
        for number, (source, path, kind, codec, numbers) in enumerate(INPUTS)
    ]
    made["rules"] += [
        {
            "rule_id": rule,
            "version": 1,
            "stage": stage,
            "mode": mode,
            "action": action,
            "reason": None,
            "signal": stage,
            "parameters": "{}",
            "meaning": meaning,
            "basis": basis,
            "approved_by": "legal",
            "approved_on": date(2025, 11, 15),
        }
        for rule, stage, mode, action, meaning, basis in POLICY
    ]
    made["lists"] += [
        {
            "list_id": name,
            "kind": kind,
            "version": "1",
            "sha256": digest,
            "licence": "CC0-1.0",
            "retrieved": date(2025, 11, 1),
            "entries": 10,
            "canaries": 2,
            "canaries_passed": 2,
            "documents_matched": 1,
            "request_id": {"takedowns": "case-1", "optouts": "case-2"}.get(name),
        }
        for name, kind in (
            ("optouts", "domain"),
            ("optout-urls", "url"),
            ("takedowns", "content_hash"),
        )
    ]
    made["models"] += [
        {"model": name, "version": "1", "sha256": digest, "licence": "MIT", "task": task}
        for name, task in (("lid.176", "language"), ("toxicity-en", "toxicity"))
    ]
    made["rights_signals"] += [
        _signal(number, "list", "list_file", "deny", winner=True) for number in sorted(LISTED)
    ]
    seen = {"status": "silent", "observed_at": datetime(2025, 6, 1, tzinfo=UTC), "asof": "both"}
    made["rights_signals"].append(
        _signal(None, "robots", "robots_txt", "unknown", documents=4)
        | seen
        | {"host": "a.example.com", "agent": None, "snapshot_sha256": digest}
    )
    made["snapshots"].append(
        {"kind": "robots", "path": "robots.parquet", "sha256": digest, "rows": 9}
    )
    made["requests"] += [
        {
            "request_id": request,
            "kind": kind,
            "list_id": list_id,
            "selector_kind": selector,
            "legal_ref": law,
            "received": date(2025, 11, 1),
            "verified": date(2025, 11, 2),
            "due": date(2025, 12, 1),
            "closed": closed,
        }
        for request, kind, list_id, selector, law, closed in (
            ("case-1", "takedown", "takedowns", "content_hash", "GDPR Art. 17(1)", None),
            (
                "case-2",
                "tdm_optout",
                "optouts",
                "domain",
                "EU 2019/790 Art. 4(3)",
                date(2025, 11, 9),
            ),
        )
    ]
    made["former_releases"].append(
        {"release_id": "0" * 16, "keep": "new", "documents": 9, "superseded": 1}
    )
    made["superseded"].append(
        {
            "release_id": "0" * 16,
            "doc_id": doc_id(77),
            "successor_id": doc_id(5),
            "method": "minhash",
            "jaccard": 0.9,
            "containment": 0.95,
        }
    )
    made["metrics"] += [
        {"name": "bands_capped", "slice": "", "value": 3.0, "unit": "buckets"},
        {
            "name": "rows_sent",
            "slice": "screen to group: identities",
            "value": 28.0,
            "unit": "rows",
        },
        {
            "name": "rows_received",
            "slice": "screen to group: identities",
            "value": 28.0,
            "unit": "rows",
        },
    ]
    documents = made["documents"]
    made["runs"].append(
        {
            "job_name": "story",
            "code_version": "0.1.0",
            "schema_version": SCHEMA_VERSION,
            "config_sha256": digest,
            "policy_sha256": digest,
            "inputs_sha256": digest,
            "key_id": KEY.key_id,
            "tokenizer": "words@1",
            "dedup_bands": 16,
            "dedup_rows": 8,
            "dedup_threshold": 0.8,
            "guard_override": None,
            "documents_in": 30,
            "documents_kept": 15,
            "documents_removed": 12,
            "documents_quarantined": 3,
            "tokens_in": sum(row["tokens_in"] for row in documents),
            "tokens_out": sum(row["tokens_out"] for row in documents),
            "bytes_in": sum(row["stream_bytes"] for row in made["inputs"]),
            "bytes_out": sum(row["bytes_out"] for row in documents),
            "outputs_sha256": digest,
        }
    )


def _signal(
    number: int | None,
    protocol: str,
    channel: str,
    value: str,
    *,
    winner: bool = False,
    documents: int = 1,
) -> dict[str, Any]:
    """Return one rights signal of a document, or of an origin."""
    return {
        "doc_id": None if number is None else doc_id(number),
        "source_id": "web",
        "protocol": protocol,
        "channel": channel,
        "version": "1",
        "value": value,
        "status": "ok",
        "applied": True,
        "winner": winner,
        "documents": documents,
    }


def write_release(output: Path, made: Tables, **manifest: Any) -> str:
    """Write tables as a release whose digests fit; return its id.

    Args:
        output: Output folder.
        made: Rows by table name.
        manifest: Keys of MANIFEST.json to set otherwise.
    """
    stage = output / "snapshots" / "stage"
    stage.mkdir(parents=True)
    files = []
    for name in TABLES:
        if name == CORPUS.name:
            web = [row for row in made[name] if row["source_id"] == "web"]
            rest = [row for row in made[name] if row["source_id"] != "web"]
            parts = [("corpus/part-00000.parquet", web), ("corpus/part-00001.parquet", rest)]
        elif name == "quarantine":
            parts = [("quarantine/part-00000.parquet", made[name])]
        elif name == "documents":  # two parts, so that order and union are tested
            parts = [
                ("manifest/documents/part-00000.parquet", made[name][:18]),
                ("manifest/documents/part-00001.parquet", made[name][18:]),
            ]
        else:
            parts = [(f"manifest/{name}/part-00000.parquet", made[name])]
        for path, rows in parts:
            files.append(_write_part(stage, path, name, rows))
    roots = _write_roots(stage, files)
    runs, documents = made["runs"][0], made["documents"]
    content = {
        "format": "muniment-release",
        "schema_version": SCHEMA_VERSION,
        "code_version": "0.1.0",
        "job": {"name": "story", "description": "Thirty documents.", "contact": None},
        "config_sha256": hashlib.sha256(b"fixture").hexdigest(),
        "key_id": KEY.key_id.hex(),
        "roots": roots,
        "models": [],
        "lists": [],
        "rules": [],
        "files": files,
        "totals": {
            "documents": {
                "read": runs["documents_in"],
                "kept": runs["documents_kept"],
                "removed": runs["documents_removed"],
                "quarantined": runs["documents_quarantined"],
            },
            "tokens": {"in": runs["tokens_in"], "out": runs["tokens_out"]},
            "bytes_in": runs["bytes_in"],
            "bytes_out": runs["bytes_out"],
            "removed_by_reason": _tally(documents, "removed"),
            "quarantined_by_reason": _tally(documents, "quarantined"),
        },
        "parent": None,
    }
    text = json.dumps(content | manifest, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
    raw = text.encode()
    release_id = hashlib.sha256(raw).hexdigest()[:16]
    (stage / "MANIFEST.json").write_bytes(raw)
    (stage / "run.json").write_text("{}\n")
    stage.rename(output / "snapshots" / release_id)
    (output / "CURRENT").write_text(f"snapshots/{release_id}\n")
    return release_id


def _write_part(stage: Path, path: str, table: str, rows: Rows) -> dict[str, Any]:
    place = stage / path
    place.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, TABLES[table].arrow()), place, compression="zstd")
    raw = place.read_bytes()
    return {
        "path": path,
        "table": table,
        "bytes": len(raw),
        "rows": len(rows),
        "sha256": hashlib.sha256(raw).hexdigest(),
    }


def _write_roots(stage: Path, files: list[dict[str, Any]]) -> dict[str, Any]:
    """Write the leaves of the rooted tables, list them, and return the roots."""
    entries = {}
    for spec in ROOTED:
        parts = [stage / item["path"] for item in files if item["table"] == spec.name]
        keys = leaf_keys(KEY, spec.name, "fixture")
        leaves = join_leaves(leaves_of(spec, pq.read_table(part), keys) for part in parts)
        path, raw = leaves_path(spec.name), leaves.salted.tobytes()
        (stage / path).parent.mkdir(exist_ok=True)
        (stage / path).write_bytes(raw)
        facts = {"bytes": len(raw), "rows": len(leaves.salted)}
        sha256 = hashlib.sha256(raw).hexdigest()
        files.append({"path": path, "table": None, "sha256": sha256, **facts})
        entries[spec.name] = root_entry(leaves)
    return {"algorithm": ALGORITHM, "context": "fixture", "tables": entries}


def _tally(documents: Rows, outcome: str) -> dict[str, int]:
    reasons = [row["reason"] for row in documents if row["outcome"] == outcome and row["reason"]]
    return {reason: reasons.count(reason) for reason in sorted(set(reasons))}


def build_release(output: Path) -> str:
    """Write the release of the story; return its id."""
    return write_release(output, tables())
