# SPDX-License-Identifier: Apache-2.0
"""A small corpus with a known fate for every record, and the job that governs it.

Two sources, three files (plain JSONL, gzip, Parquet), two lists, every kind of duplicate, and
records that cannot be read. `EXPECTED` is written by hand from `write_corpus`.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

WORDS = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in ("n", "r", "st", "ld")]

EXPECTED = {
    "kept": None,  # all the others
    "dup_exact": 20,
    "dup_near": 19,
    "optout_domain": 12,
    "optout_dup": 4,
    "takedown": 1,
    "empty": 2,
    "json_syntax": 1,
    "not_an_object": 1,
    "missing_field": 1,
    "wrong_type": 1,
}


def prose(seed: int, words: int = 120) -> str:
    """Return a text of its own for each seed."""
    chosen = random.Random(seed).choices(WORDS, k=words)
    return " ".join(chosen).capitalize() + "."


def edited(text: str) -> str:
    """Return the text with one word changed: Jaccard of 5-word shingles above .9."""
    words = text.split()
    words[len(words) // 2] = "otherwise"
    return " ".join(words)


def write_corpus(folder: Path, *, near_enabled: bool = True, ner: str = "off") -> Path:
    """Write inputs, lists, key and job file; return the job file.

    Args:
        folder: Where to.
        near_enabled: Whether near-duplicates are looked for.
        ner: Scope of named-entity recognition.
    """
    folder.mkdir(parents=True, exist_ok=True)
    taken = prose(990)
    web = [
        {"text": prose(n), "id": f"w{n}", "url": f"https://site{n % 10}.example.org/{n}"}
        for n in range(120)
    ]  # twelve of them on site3, which is opted out
    web += [
        {"text": " ", "id": "blank"},
        {"text": "", "id": "nothing"},
        {"text": taken, "id": "taken", "url": "https://elsewhere.example.net/work"},
    ]
    # Copies of opted-out documents under another address: found through their clusters.
    web += [
        {"text": prose(n), "id": f"c{n}", "url": f"https://copy.example.com/{n}"} for n in (3, 13)
    ]
    lines = [json.dumps(record) for record in web]
    broken = ['{"text": "cut off', "[1, 2]", '{"id": "no text"}', '{"text": 7}']
    (folder / "web.jsonl").write_text("\n".join([*lines[:40], *broken, *lines[40:]]) + "\n")

    exact = [{"text": prose(n) + "\n\n", "id": f"e{n}"} for n in range(20) if n % 10 != 3]
    exact += [{"text": prose(n), "id": f"e{n}"} for n in (40, 41)]
    near = [{"text": edited(prose(n)), "id": f"n{n}"} for n in range(60, 80)]
    near[13]["text"] = prose(500)  # 63 copies an opted-out document; 73 would be one more
    near += [{"text": edited(prose(45)), "id": "n45"}]
    packed = [json.dumps(record) for record in exact + near]
    with gzip.open(folder / "packed.jsonl.gz", "wt") as file:
        file.write("\n".join(packed) + "\n")

    mail = [
        "Dear colleague, please write to jane.roe@university-mail.org before the meeting on "
        "the fourth floor of the library, thank you. " + prose(700, 30),
        "The server answers at 93.184.216.34 and nowhere else, says the manual. " + prose(701, 30),
        edited(prose(23)),  # a near copy of an opted-out document
        *(prose(n) for n in range(800, 850)),
    ]
    table = pa.table({"body": mail, "name": [f"m{n}" for n in range(len(mail))]})
    pq.write_table(table, folder / "mail.parquet", row_group_size=16)

    (folder / "optout.txt").write_text("# opted out\nsite3.example.org\n")
    digest = hashlib.sha256(taken.encode()).hexdigest()
    (folder / "takedown.txt").write_text(f"{digest}\n")
    key = folder / "key"
    key.write_bytes(hashlib.sha256(b"tests only").digest())
    key.chmod(0o600)
    declared = {
        "kind": "other",
        "reviewer": "somebody",
        "licence": "CC0-1.0",
        "legal_basis": "licence",
        "origin": "worldwide",
        "collected": {"start": "2024-01-01", "end": "2024-12-31"},
    }
    job = {
        "name": "small",
        "key_file": "key",
        "sources": [
            {
                "name": "web",
                "paths": ["web.jsonl", "packed.jsonl.gz"],
                "fields": {"text": "text", "id": "id", "url": "url"},
                "rank": 1,
                **declared,
            },
            {
                "name": "mail",
                "paths": ["mail.parquet"],
                "fields": {"text": "body", "id": "name"},
                "rank": 2,
                **declared,
            },
        ],
        "lists": [
            {"name": "optout", "kind": "domain", "path": "optout.txt"},
            {"name": "takedown", "kind": "content_hash", "path": "takedown.txt"},
        ],
        "rights": {"lists": ["optout", "takedown"]},
        "personal_data": {"ner": ner},
        "deduplication": {"near": {"enabled": near_enabled}},
        "partitioning": {"exchange_partitions": 4, "split_bytes": 65536},
        "output": {"formats": ["parquet", "jsonl.zst"]},
    }
    path = folder / "job.yaml"
    path.write_text(dump_job(job))
    return path


def dump_job(job: Any) -> str:
    """Return a job as YAML without anchors, which job files refuse."""
    return yaml.safe_dump(json.loads(json.dumps(job)), sort_keys=False)


def release_digests(output: Path) -> dict[str, str]:
    """Return the sha256 of every file of the current release but run.json, by path."""
    release = output / (output / "CURRENT").read_text().strip()
    return {
        str(path.relative_to(release)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(release.rglob("*"))
        if path.is_file() and path.name != "run.json"
    }
