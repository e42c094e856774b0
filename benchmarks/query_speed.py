# SPDX-License-Identifier: Apache-2.0
"""Seconds of every named query on a manifest of any size.

    python benchmarks/query_speed.py --documents 1000000 [--keep DIR]

Makes the tables of a release by their real schemas, with the shares of outcomes, duplicates and
personal data that web corpora have, writes them as a job does, opens them as `muniment query` does
and times each query. Nothing is run as a job. Bars: every query under 1 s at 1 million documents,
under 10 s at 10 million.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from muniment.pipelines.named_queries import NAMED_QUERIES
from muniment.pipelines.query import connect
from muniment.pipelines.release import FORMAT, Release, open_release
from muniment.pipelines.restricted import INDEX
from muniment.schemas.fields import TableSpec
from muniment.schemas.restricted import PII_LINKS
from muniment.schemas.tables import ALL_TABLES, CORPUS, SCHEMA_VERSION
from muniment.transforms.storage import canonical_json, write_parquet

PART = 500_000
"""Documents of a part; a job's parts hold what a split of its input holds."""

SOURCES = ("crawl-a", "crawl-b", "wiki", "books", "forum", "mail")
KINDS = ("crawl", "crawl", "public_dataset", "licensed", "user", "licensed")
LANGS = ("en", "zh", "de", "fr", "es", "ja", "ru", "pt", "it", "nl", "pl", "und")
LICENCES = ("unknown", "CC-BY-4.0", "CC-BY-SA-4.0", "CC0-1.0", "MIT", "Apache-2.0")
REASONS = ("dup_near", "dup_exact", "optout_domain", "toxic", "language_not_allowed", "pii_dense")
RULES = ("dup_near", "dup_exact", "optout:list", "toxicity", "language", "pii_dense")
STAGES = ("deduplication", "deduplication", "rights", "toxicity", "language", "personal_data")
ENTITIES = ("EMAIL_ADDRESS", "PHONE_NUMBER", "PERSON", "IP_ADDRESS", "CN_ID")
SHARES = {"removed": 0.30, "quarantined": 0.001, "pii": 0.05, "near_threshold": 0.02}
HOSTS_FOR_DOCUMENT = 0.02
SIGNALS = (  # protocol, channel, value
    ("robots", "robots_txt", "allow"),
    ("robots", "robots_txt", "deny"),
    ("tdmrep", "http_header", "deny"),
    ("content_usage", "html_meta", "allow"),
    ("licence", "html_meta", "allow"),
)
SIGNAL_SHARES = (0.7, 0.1, 0.05, 0.05, 0.1)
FIRST_DAY = 1_700_000_000_000  # milliseconds
VALUES = 50_000
"""Persons whose identifiers stand in the documents of a part."""


def words(codes: np.ndarray, names: tuple[str, ...] | pa.Array, mask: Any = None) -> pa.Array:
    """Return words for codes; null where masked."""
    names = names if isinstance(names, pa.Array) else pa.array(names)
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32), mask=mask), names)


def ids(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return random identifiers, bytes of shape `[n, 16]`."""
    return rng.integers(0, 256, size=(n, 16), dtype=np.uint8)


def binary(values: np.ndarray, mask: np.ndarray | None = None) -> pa.Array:
    """Return 16-byte rows as identifiers; null where masked."""
    raw = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), len(values), [None, pa.py_buffer(np.ascontiguousarray(values))]
    )
    return raw if mask is None else pa.compute.if_else(pa.array(mask), None, raw)


def fill(spec: TableSpec, n: int, **columns: Any) -> pa.Table:
    """Return a table as declared; a column that is not given is null, or empty where it must not."""
    arrays = []
    for field in spec.arrow():
        value = columns.get(field.name)
        plain = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if value is None:
            empty = {pa.string(): "", pa.bool_(): False, pa.binary(32): bytes(32)}.get(plain, 0)
            empty = {pa.binary(16): bytes(16), pa.binary(8): bytes(8)}.get(plain, empty)
            value = pa.repeat(pa.scalar(None if field.nullable else empty, plain), n)
        elif isinstance(value, (str, int, float, bool)):
            value = pa.repeat(pa.scalar(value, plain), n)
        elif isinstance(value, np.ndarray):
            value = pa.array(value)
        arrays.append(value if value.type == field.type else value.cast(field.type))
    return pa.table(arrays, schema=spec.arrow())


def make_part(number: int, n: int, hosts: int) -> dict[str, pa.Table]:
    """Return the rows of one part by table."""
    rng = np.random.default_rng(number)
    own = ids(rng, n)
    draw = rng.random(n)
    removed = draw < SHARES["removed"]
    quarantined = draw > 1 - SHARES["quarantined"]
    kept = ~(removed | quarantined)
    cause = rng.choice(len(REASONS), n, p=(0.4, 0.3, 0.1, 0.05, 0.1, 0.05))
    source = rng.integers(0, len(SOURCES), n)
    tokens = rng.lognormal(6, 1, n).astype(np.uint32) + 1
    host = (rng.zipf(1.3, n) % hosts).astype(np.int32)
    names = pa.array([f"h{k}.site{k // 3}.example" for k in range(hosts)])
    domains = pa.array([f"site{k}.example" for k in range(hosts // 3 + 1)])
    found = np.where(rng.random(n) < SHARES["pii"], rng.integers(1, 5, n), 0)
    clustered = (removed & (cause < 2)) | (kept & (rng.random(n) < 0.1))
    survivors = np.flatnonzero(kept & clustered)
    leader = survivors[rng.integers(0, len(survivors), n)]
    leader[survivors] = survivors
    fetched = FIRST_DAY + rng.integers(0, 10**10, n)
    values = ids(np.random.default_rng(0), VALUES)
    state = np.where(removed & (cause == 2), 1, rng.choice([0, 2], n))
    reason = np.where(quarantined, len(REASONS), cause)
    documents = fill(
        _TABLES["documents"],
        n,
        doc_id=binary(own),
        source_id=words(source, SOURCES),
        input_number=number,
        offset=np.arange(n, dtype=np.uint64) * 1000,
        length=np.full(n, 1000, np.uint64),
        outcome=words(
            np.where(kept, 0, np.where(removed, 1, 2)), ("kept", "removed", "quarantined")
        ),
        reason=words(reason, (*REASONS, "too_large"), kept),
        url_hash=binary(ids(rng, n)),
        host=words(host, names),
        domain=words(host // 3, domains),
        fetched_at=pa.array(fetched).cast(pa.timestamp("ms", "UTC")),
        published=pa.array(rng.integers(12_000, 20_000, n).astype(np.int32)).cast(pa.date32()),
        licence=words(rng.choice(len(LICENCES), n), LICENCES),
        licence_evidence=words(rng.integers(0, 3, n), ("none", "document", "source")),
        rights_state=words(state, ("allow", "deny", "unknown")),
        rights_observability=words(source % 4, ("none", "page_only", "robots_only", "full")),
        lang=words(rng.choice(len(LANGS), n), LANGS),
        lang_score=rng.random(n, dtype=np.float32),
        toxicity=pa.array(rng.beta(0.5, 8, n).astype(np.float32), mask=rng.random(n) < 0.3),
        tokens_in=tokens,
        tokens_out=np.where(kept, tokens, 0).astype(np.uint32),
        bytes_in=tokens * 5,
        bytes_out=np.where(kept, tokens * 5, 0).astype(np.uint32),
        text_hash=binary(ids(rng, n), quarantined),
        text_hash_out=binary(ids(rng, n), ~kept),
        pii_found=found.astype(np.uint32),
        pii_redacted=np.where(kept, found, 0).astype(np.uint32),
        pii_grade=words(found % 2, ("general", "sensitive"), found == 0),
        cluster_id=binary(own[leader], ~clustered),
        out_file=words(np.zeros(n), (f"corpus/part-{number:05d}.parquet",), ~kept),
        out_row=pa.array((np.cumsum(kept) - 1).astype(np.uint32), mask=~kept),
    )
    copies = np.flatnonzero(clustered & removed)
    members = np.flatnonzero(clustered)
    duplicates = fill(
        _TABLES["duplicates"],
        len(members),
        cluster_id=binary(own[leader[members]]),
        doc_id=binary(own[members]),
        role=words(
            np.where(kept[members], 0, 1 + (cause[members] == 0)),
            ("survivor", "exact_copy", "near_copy"),
        ),
        partner_id=binary(own[leader[members]], kept[members]),
        jaccard=pa.array(rng.uniform(0.8, 1, len(members)).astype(np.float32), mask=kept[members]),
        method=words((cause[members] == 0).astype(int), ("exact", "minhash")),
    )
    out = np.flatnonzero(~kept)
    extra = np.flatnonzero(removed & (rng.random(n) < 0.1))
    row = np.concatenate([out, extra])
    first = np.arange(len(row)) < len(out)
    code = np.where(first, np.where(quarantined[row], len(RULES), cause[row]), 3)
    listed = code == 2
    decisions = fill(
        _TABLES["decisions"],
        len(row),
        doc_id=binary(own[row]),
        seq=(~first).astype(np.uint16),
        stage=words(code, (*STAGES, "read")),
        rule_id=words(code, (*RULES, "read")),
        rule_version=1,
        mode="enforce",
        action=words(quarantined[row].astype(int), ("remove", "quarantine")),
        terminal=first,
        reason=words(code, (*REASONS, "too_large")),
        score=pa.array(rng.uniform(0.7, 1, len(row)).astype(np.float32), mask=code > 3),
        threshold=pa.array(np.full(len(row), 0.8, np.float32), mask=code > 3),
        list_id=words(np.zeros(len(row)), ("optout",), ~listed),
        list_entry=pa.array(rng.integers(0, 10_000, len(row)), mask=~listed),
        partner_id=binary(own[leader[row]], code > 1),
    )
    personal = np.flatnonzero(found)
    pii_stats = fill(
        _TABLES["pii_stats"],
        len(personal),
        doc_id=binary(own[personal]),
        entity_type=words(personal % len(ENTITIES), ENTITIES),
        grade=words(found[personal] % 2, ("general", "sensitive")),
        detector="pattern@1",
        n_found=found[personal].astype(np.uint32),
        n_redacted=np.where(kept[personal], found[personal], 0).astype(np.uint32),
        action="placeholder",
    )
    spanned = personal[kept[personal]]
    spans = fill(
        _TABLES["spans"],
        len(spanned),
        doc_id=binary(own[spanned]),
        start=(spanned % 1000).astype(np.uint32),
        end=(spanned % 1000 + 12).astype(np.uint32),
        entity_type=words(spanned % len(ENTITIES), ENTITIES),
        grade="general",
        detector="pattern@1",
        action="placeholder",
    )
    pii_links = fill(
        PII_LINKS,
        len(spanned),
        entity_type=words(spanned % len(ENTITIES), ENTITIES),
        value_hmac=binary(values[rng.integers(0, VALUES, len(spanned))]),
        doc_id=binary(own[spanned]),
        start=(spanned % 1000).astype(np.uint32),
        end=(spanned % 1000 + 12).astype(np.uint32),
        action="placeholder",
    )
    lost = np.flatnonzero(quarantined)
    quarantine = fill(
        _TABLES["quarantine"],
        len(lost),
        doc_id=binary(own[lost]),
        source_id=words(source[lost], SOURCES),
        input_number=number,
        offset=lost.astype(np.uint64) * 1000,
        length=np.full(len(lost), 1000, np.uint64),
        reason="too_large",
        stage="read",
    )
    return {
        "documents": documents,
        "decisions": decisions,
        "duplicates": duplicates,
        "spans": spans,
        "pii_stats": pii_stats,
        "pii_links": pii_links,
        "rights_signals": signal_rows(rng, own, source, host, names, fetched),
        "quarantine": quarantine,
        "_copies": copies,
    }


def signal_rows(
    rng: np.random.Generator,
    own: np.ndarray,
    source: np.ndarray,
    host: np.ndarray,
    names: pa.Array,
    fetched: np.ndarray,
) -> pa.Table:
    """Return what was seen of the crawled documents: a file of the site each, some of them a page."""
    crawled = np.flatnonzero(source < 2)
    row = np.concatenate([crawled, crawled[rng.random(len(crawled)) < 0.2]])
    kind = rng.choice(len(SIGNALS), len(row), p=SIGNAL_SHARES)
    protocols, channels, values = (tuple(sorted({s[i] for s in SIGNALS})) for i in range(3))
    codes = [
        np.array([places.index(signal[i]) for signal in SIGNALS])[kind]
        for i, places in enumerate((protocols, channels, values))
    ]
    later = rng.random(len(row)) < 0.1
    return fill(
        _TABLES["rights_signals"],
        len(row),
        doc_id=binary(own[row]),
        source_id=words(source[row], SOURCES),
        host=words(host[row], names),
        protocol=words(codes[0], protocols),
        channel=words(codes[1], channels),
        version="1",
        value=words(codes[2], values),
        status="ok",
        observed_at=pa.array(fetched[row] + np.where(later, 10**9, -(10**6))).cast(
            pa.timestamp("ms", "UTC")
        ),
        applied=True,
        winner=np.arange(len(row)) < len(crawled),
        documents=np.ones(len(row), np.uint32),
    )


_TABLES = {spec.name: spec for spec in ALL_TABLES}


def small_tables(documents: int, parts: int) -> dict[str, pa.Table]:
    """Return the tables with a few rows."""
    day = pa.array([20_000] * len(SOURCES), pa.int32()).cast(pa.date32())
    return {
        "runs": fill(
            _TABLES["runs"],
            1,
            job_name="synthetic",
            dedup_bands=14,
            dedup_rows=8,
            dedup_threshold=0.8,
            documents_in=documents,
            tokens_in=documents * 600,
            tokens_out=documents * 400,
        ),
        "inputs": fill(
            _TABLES["inputs"],
            parts,
            input_number=np.arange(parts, dtype=np.int32),
            source_id=words(np.zeros(parts), SOURCES),
            path=pa.array([f"part-{number}.jsonl" for number in range(parts)]),
            format="jsonl",
            records=PART,
            stream_bytes=PART * 1000,
        ),
        "sources": fill(
            _TABLES["sources"],
            len(SOURCES),
            source_id=pa.array(SOURCES),
            kind=pa.array(KINDS),
            legal_basis="licence",
            collected_from=day,
            collected_to=day,
        ),
        "rules": fill(
            _TABLES["rules"], len(RULES), rule_id=pa.array(RULES), version=1, stage=pa.array(STAGES)
        ),
        "lists": fill(_TABLES["lists"], 1, list_id="optout", kind="domain", request_id="case-1"),
        "requests": fill(
            _TABLES["requests"], 1, request_id="case-1", list_id="optout", selector_kind="domain"
        ),
    }


def make_release(output: Path, documents: int) -> Release:
    """Write a release of a number of documents; return it."""
    stage = output / "stage"
    files: list[dict[str, Any]] = []
    restricted: list[dict[str, Any]] = []

    def write(path: str, name: str, table: pa.Table) -> None:
        (stage / path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = write_parquet(stage / path, table.schema, [table])
        into = restricted if name == PII_LINKS.name else files
        into.append(facts.as_dict() | {"path": path, "table": name})

    starts = range(0, documents, PART)
    for number, start in enumerate(starts):
        hosts = max(10, int(documents * HOSTS_FOR_DOCUMENT))
        for name, table in make_part(number, min(PART, documents - start), hosts).items():
            if not name.startswith("_"):
                folder = {"quarantine": "", PII_LINKS.name: "restricted/"}.get(name, "manifest/")
                write(f"{folder}{name}/part-{number:05d}.parquet", name, table)
    small = small_tables(documents, len(starts))
    for name, spec in _TABLES.items():
        if name in small or not any(item["table"] == name for item in files):
            folder = "" if name == CORPUS.name else "manifest/"
            table = small.get(name, spec.arrow().empty_table())
            write(f"{folder}{name}/part-00000.parquet", name, table)
    index = canonical_json({"format": FORMAT, "files": restricted})
    (stage / INDEX).write_bytes(index)
    raw = canonical_json(
        {
            "format": FORMAT,
            "schema_version": SCHEMA_VERSION,
            "job": {"name": "synthetic"},
            "restricted": {"path": INDEX, "sha256": hashlib.sha256(index).hexdigest()},
            "files": sorted(files, key=lambda item: item["path"]),
            "totals": {"documents": {"read": documents, "kept": 0}},
            "parent": None,
        }
    )
    release_id = hashlib.sha256(raw).hexdigest()[:16]
    (stage / "MANIFEST.json").write_bytes(raw)
    (output / "snapshots").mkdir()
    stage.rename(output / "snapshots" / release_id)
    (output / "CURRENT").write_text(f"snapshots/{release_id}\n")
    return open_release(output)


def time_queries(release: Release) -> list[dict[str, Any]]:
    """Return seconds, CPU seconds and rows of each named query, slowest first."""
    with connect(release, native=True) as connection:
        (doc_id,) = connection.execute(
            "SELECT doc_id FROM duplicates WHERE role = 'near_copy' LIMIT 1"
        ).fetchone() or (bytes(16),)
    samples = {"id": doc_id.hex(), "word": "optout:list"}
    value = ids(np.random.default_rng(0), 1).tobytes()
    given = {"domain": "site7.example", "request": "case-1", "purpose": "content"}
    given["value"] = value.hex()
    timings = []
    for query in NAMED_QUERIES:
        values = {
            arg.name: given.get(arg.name, samples.get(arg.kind, "1"))
            for arg in query.args
            if arg.default is None
        }
        before = release if query.compares else None
        with connect(
            release,
            verified=False,
            native=True,
            before=before,
            with_restricted=query.restricted,
        ) as connection:
            wall, cpu = time.perf_counter(), _cpu()
            rows = len(connection.execute(query.sql, query.bind(values)).fetchall())
            timings.append(
                {
                    "query": query.name,
                    "seconds": round(time.perf_counter() - wall, 3),
                    "cpu_seconds": round(_cpu() - cpu, 3),
                    "rows": rows,
                }
            )
    return sorted(timings, key=lambda item: -item["seconds"])


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Print the seconds of every query as JSON, slowest first."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="Folder to make the release in, or to find it.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        output = arguments.keep or Path(folder)
        if (output / "CURRENT").exists():
            release = open_release(output)
        else:
            output.mkdir(parents=True, exist_ok=True)
            release = make_release(output, arguments.documents)
        started = time.perf_counter()
        connect(release, native=True).close()
        opened = time.perf_counter() - started
        timings = time_queries(release)
    print(
        json.dumps(
            {
                "documents": release.totals["documents"]["read"],
                "manifest_bytes": sum(item.bytes for item in release.listed),
                "open_and_prove_seconds": round(opened, 3),
                "slowest_seconds": timings[0]["seconds"],
                "queries": timings,
            }
        ).replace('{"query"', '\n{"query"')
    )


if __name__ == "__main__":
    main()
