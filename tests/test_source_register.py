# SPDX-License-Identifier: Apache-2.0
"""The source register: what a source must declare, and what keeps it out of a corpus."""

from __future__ import annotations

import csv
import hashlib
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from muniment.pipelines.gates import check_gates
from muniment.pipelines.plan import make_plan
from muniment.pipelines.query import ask, connect
from muniment.pipelines.release import open_release
from muniment.schemas.errors import InputError, JobError
from muniment.schemas.job import MANDATORY_BY_KIND, Job, SourceKind, check_job
from muniment.schemas.job_file import load_job
from muniment.schemas.reasons import REASON_WORDS
from muniment.schemas.tables_governance import SAMPLES
from muniment.transforms.policy import judge, rules_of
from release_fixture import build_release, doc_id
from small_corpus import dump_job, write_corpus

DECLARED: dict[str, Any] = {
    "name": "s",
    "kind": "other",
    "paths": ["a.jsonl"],
    "licence": "unknown",
    "legal_basis": "unknown",
    "origin": "worldwide",
    "collected": {"start": "2024-01-01", "end": "2024-12-31"},
    "reviewer": "somebody",
}
BLACKLISTED = "source_blacklisted"
SAMPLE = {"examined": 400, "illegal": 3, "reviewer": "somebody", "sampled": "2026-01-02"}


def problems(**source: Any) -> list[str]:
    """Return what is wrong with a job of one source."""
    return check_job(
        Job.model_validate({"name": "j", "key_file": "k", "sources": [DECLARED | source]})
    )


@pytest.mark.parametrize("kind", SourceKind)
def test_a_source_is_refused_with_the_list_of_all_it_lacks(kind: SourceKind) -> None:
    bare = dict.fromkeys(MANDATORY_BY_KIND[kind])
    assert problems(kind=kind.value, **bare) == sorted(
        f"sources[0].{name}: a source of kind {kind.value} must declare it" for name in bare
    )
    full = dict.fromkeys(bare, "given") | (
        {"trust_tier": "community"} if "trust_tier" in bare else {}
    )
    assert problems(kind=kind.value, **full) == []


def test_a_basis_needs_its_paper() -> None:
    assert problems(legal_basis="contract") == [
        "sources[0].contract_ref: legal basis `contract` needs its reference"
    ]
    assert problems(legal_basis="consent") == [
        "sources[0].consent_doc: legal basis `consent` needs its text"
    ]


@pytest.mark.parametrize(
    ("illegal", "refused"), [(0, False), (20, False), (21, True), (400, True), (401, True)]
)
def test_a_source_with_more_than_five_percent_illegal_content_is_refused(
    illegal: int,
    refused: bool,  # noqa: FBT001 - a table of cases
) -> None:
    found = problems(illegal_sample=SAMPLE | {"illegal": illegal})
    assert bool(found) is refused
    if refused:
        assert found[0].startswith("sources[0].illegal_sample: ")


def test_a_sample_has_at_least_a_hundred_documents(tmp_path: Path) -> None:
    job = yaml.safe_load(write_corpus(tmp_path).read_text())
    job["sources"][0]["illegal_sample"] = SAMPLE | {"examined": 99}
    (tmp_path / "job.yaml").write_text(dump_job(job))
    with pytest.raises(JobError, match=r"illegal_sample\.examined"):
        load_job(tmp_path / "job.yaml")


def test_of_a_blacklisted_source_that_is_recorded_nothing_is_kept() -> None:
    clean = DECLARED | {"name": "clean"}
    bad = DECLARED | {"illegal_sample": SAMPLE | {"illegal": 90}, "on_blacklisted": "remove"}
    record = {
        "name": "j",
        "key_file": "k",
        "sources": [clean, bad],
        "toxicity": {"enabled": False},
        "personal_data": {"enabled": False},
    }
    job = Job.model_validate(record)
    assert check_job(job) == []
    rules = [rule for rule in rules_of(job, {}) if rule.facts.signal in {"empty", BLACKLISTED}]
    signals = pa.table(
        {
            "empty": [False, False],
            BLACKLISTED: [False, True],
        }
    )
    verdict = judge(rules, signals)
    assert [REASON_WORDS[code] for code in verdict.reason] == [None, BLACKLISTED]
    # A job without such a source has no such rule.
    without = Job.model_validate(record | {"sources": [clean]})
    assert BLACKLISTED not in {rule.facts.rule_id for rule in rules_of(without, {})}


def test_a_source_with_another_digest_than_the_reviewed_one_is_refused(tmp_path: Path) -> None:
    path = write_corpus(tmp_path / "in")
    job = yaml.safe_load(path.read_text())
    mail = next(source for source in job["sources"] if source["name"] == "mail")
    web = next(source for source in job["sources"] if source["name"] == "web")
    of_files = sorted((name, (tmp_path / "in" / name).read_bytes()) for name in web["paths"])
    hexes = [hashlib.sha256(data).hexdigest() for _, data in of_files]
    mail["digest"] = hashlib.sha256((tmp_path / "in/mail.parquet").read_bytes()).hexdigest()
    web["digest"] = hashlib.sha256("\n".join(hexes).encode()).hexdigest()
    path.write_text(dump_job(job))
    make_plan(load_job(path), tmp_path / "work")
    with (tmp_path / "in/web.jsonl").open("a") as stream:
        stream.write('{"text": "one more"}\n')
    with pytest.raises(InputError, match="source web: digest: expected"):
        make_plan(load_job(path), tmp_path / "work")


def test_q19_samples_after_use_can_stop_a_release(tmp_path: Path) -> None:
    build_release(tmp_path)
    release = open_release(tmp_path)

    def gate() -> str:
        results = check_gates(release, date(2026, 1, 1))
        return next(result.state for result in results if result.gate == "illegal-sources")

    assert gate() == "passed"
    (tmp_path / "samples").mkdir()
    with (tmp_path / "samples/review.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, SAMPLES.arrow().names)
        writer.writeheader()
        for number, label in ((1, "illegal"), (2, "clean"), (19, "clean"), (20, "")):
            writer.writerow(
                {
                    "release_id": release.id,
                    "doc_id": doc_id(number).hex(),
                    "purpose": "illegal",
                    "stratum": "all",
                    "inclusion": 1.0,
                    "reviewer": "a",
                    "label": label,
                    "items": "",
                    "labelled": "2026-01-01",
                }
            )
    assert gate() == "failed"
    with connect(release, native=True) as connection:
        rows = [tuple(row.values())[:5] for row in ask(connection, "illegal-sources")]
    assert rows == [("web", "after use", 1, 2, 0.5), ("wiki", "after use", 0, 1, 0.0)]
