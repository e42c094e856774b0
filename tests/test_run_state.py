# SPDX-License-Identifier: Apache-2.0
"""The plan on disk and what workers load from it: nothing secret, nothing stale."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from muniment.pipelines.plan import make_plan
from muniment.schemas.errors import KeyFileError, ListError, StageError
from muniment.schemas.job_file import load_job
from muniment.transforms.run_state import PLAN_FILE, Plan, Run, load_run
from muniment.transforms.storage import write_json

KEY = bytes(range(80, 112))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.jsonl").write_text('{"text": "one"}\n{"text": "two"}\n')
    (tmp_path / "hosts.txt").write_text("example.org\n")
    (tmp_path / "unused.txt").write_text("example.com\n")
    (tmp_path / "key").write_bytes(KEY)
    (tmp_path / "key").chmod(0o600)
    return tmp_path


def plan_of(folder: Path, work: str = "work", **settings: Any) -> Plan:
    source = {
        "name": "s", "kind": "other", "reviewer": "somebody", "paths": ["a.jsonl"], "licence": "unknown",
        "legal_basis": "unknown", "origin": "worldwide",
        "collected": {"start": "2024-01-01", "end": "2024-01-01"},
    }  # fmt: skip
    lists = [
        {"name": "hosts", "kind": "domain", "path": "hosts.txt"},
        {"name": "unused", "kind": "domain", "path": "unused.txt"},
    ]
    job = {
        "name": "j",
        "key_file": "key",
        "sources": [source],
        "lists": lists,
        "rights": {"lists": ["hosts"]},
        "personal_data": {"ner": "off"},
    }
    (folder / "job.yaml").write_text(yaml.safe_dump(job | settings))
    return make_plan(load_job(folder / "job.yaml"), folder / work)


def test_a_plan_survives_its_json(folder: Path) -> None:
    plan = plan_of(folder)
    again = Plan.from_dict(json.loads(json.dumps(plan.as_dict())))
    assert again == plan
    assert again.whole_fingerprint == plan.whole_fingerprint


def test_a_plan_holds_no_secret(folder: Path) -> None:
    written = json.dumps(plan_of(folder).as_dict())
    assert KEY.hex() not in written
    assert KEY.decode() not in written
    assert Run(plan_of(folder)).keyring.key_id.hex() in written


def test_nothing_is_touched_by_planning(folder: Path) -> None:
    plan_of(folder)
    assert not (folder / "work").exists()


# Fingerprints


def test_where_a_job_runs_and_how_does_not_change_its_fingerprint(folder: Path) -> None:
    plan = plan_of(folder)
    elsewhere = plan_of(folder, work="other/work", engine={"workers": 7, "exchange": "engine"})
    assert elsewhere.whole_fingerprint == plan.whole_fingerprint


def _change_input(folder: Path) -> dict[str, Any]:
    (folder / "a.jsonl").write_text('{"text": "one"}\n{"text": "too"}\n')
    return {}


def _change_list(folder: Path) -> dict[str, Any]:
    (folder / "hosts.txt").write_text("example.net\n")
    return {}


def _change_key(folder: Path) -> dict[str, Any]:
    (folder / "key").write_bytes(KEY[::-1])
    return {}


MEASURES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "input": _change_input,
    "list": _change_list,
    "key": _change_key,
    "applied lists": lambda _: {"rights": {"lists": ["hosts", "unused"]}},
    "allowed licences": lambda _: {"rights": {"lists": ["hosts"], "allow_licences": ["MIT"]}},
    "language": lambda _: {"language": {"enabled": False}},
    "toxicity": lambda _: {"toxicity": {"enabled": False}},
    "personal data": lambda _: {"personal_data": {"enabled": False}},
    "entities": lambda _: {"personal_data": {"ner": "off", "entities": ["EMAIL_ADDRESS"]}},
    "recognisers": lambda _: {
        "personal_data": {"ner": "off", "recognisers": [{"name": "a", "patterns": ["b"]}]}
    },
    "signature": lambda _: {"deduplication": {"near": {"num_perm": 64}}},
    "shingles": lambda _: {"deduplication": {"near": {"shingle_size": 3}}},
    "bands": lambda _: {"deduplication": {"near": {"threshold": 0.5}}},
    "limits": lambda _: {"limits": {"max_depth": 5}},
}
DECIDES: dict[str, dict[str, Any]] = {
    "languages": {"language": {"allow": ["en"], "min_score": 0.4}},
    "toxicity": {"toxicity": {"thresholds": {"en": 0.4}}},
    "shadow": {"toxicity": {"mode": "shadow"}},
    "personal data": {"personal_data": {"ner": "off", "max_sensitive": 9}},
    "operator": {"personal_data": {"ner": "off", "operators": {"default": "mask"}}},
    "exact copies": {"deduplication": {"exact": False}},
    "guards": {"deduplication": {"max_cluster": 7}},
    "unknown rights": {"rights": {"lists": ["hosts"], "unknown_policy": "drop"}},
    "description": {"description": "Another one."},
    "partitions": {"partitioning": {"exchange_partitions": 2}},
}


@pytest.mark.parametrize("name", MEASURES)
def test_what_changes_a_measurement_changes_the_fingerprint_of_the_split(
    folder: Path, name: str
) -> None:
    before = plan_of(folder)
    after = plan_of(folder, **MEASURES[name](folder))
    assert after.whole_fingerprint != before.whole_fingerprint
    assert after.annotate_fingerprint(after.splits[0]) != before.annotate_fingerprint(
        before.splits[0]
    )


@pytest.mark.parametrize("name", DECIDES)
def test_what_only_decides_does_not_have_the_text_measured_again(folder: Path, name: str) -> None:
    before = plan_of(folder)
    after = plan_of(folder, **DECIDES[name])
    assert after.whole_fingerprint != before.whole_fingerprint
    assert after.annotate_fingerprint(after.splits[0]) == before.annotate_fingerprint(
        before.splits[0]
    )


# What workers load


def test_a_worker_loads_the_plan_once(folder: Path) -> None:
    plan = plan_of(folder)
    write_json(folder / PLAN_FILE, plan.as_dict())
    run = load_run(str(folder / PLAN_FILE), plan.whole_fingerprint)
    assert run.plan == plan
    assert load_run(str(folder / PLAN_FILE), plan.whole_fingerprint) is run


def test_a_plan_that_was_replaced_meanwhile_is_refused(folder: Path) -> None:
    before = plan_of(folder)
    after = plan_of(folder, deduplication={"exact": False})
    write_json(folder / PLAN_FILE, after.as_dict())
    with pytest.raises(StageError, match="changed while the job was running"):
        load_run(str(folder / PLAN_FILE), before.whole_fingerprint)
    assert load_run(str(folder / PLAN_FILE), after.whole_fingerprint).plan == after


def test_a_worker_with_other_code_takes_no_part_and_says_so(folder: Path) -> None:
    plan = replace(plan_of(folder), code_digest="0" * 64)
    write_json(folder / PLAN_FILE, plan.as_dict())
    with pytest.raises(StageError, match="other code than the launcher"):
        load_run(str(folder / PLAN_FILE), plan.whole_fingerprint)
    assert "other code than the launcher" in str(Run(plan).workspace.failure())


def test_only_applied_lists_are_loaded_and_only_as_planned(folder: Path) -> None:
    plan = plan_of(folder)
    planned = (folder / "hosts.txt").read_text()
    (folder / "hosts.txt").write_text("example.net\n")
    with pytest.raises(ListError, match=r"list hosts.txt: the file changed"):
        _ = Run(plan).lists
    (folder / "hosts.txt").write_text(planned)
    assert [name for name, _, _ in Run(plan).lists] == ["hosts"]
    # Indexed once under the planned digest, it is what every worker gets, whatever becomes of it.
    (folder / "hosts.txt").write_text("example.net\n")
    assert Run(plan).lists[0][2].sha256 == hashlib.sha256(planned.encode()).hexdigest()


def test_another_key_than_the_planned_one_is_refused(folder: Path) -> None:
    plan = plan_of(folder)
    (folder / "key").write_bytes(KEY[::-1])
    with pytest.raises(KeyFileError, match="planned"):
        _ = Run(plan).text_key


def test_each_purpose_has_a_key_of_its_own(folder: Path) -> None:
    run = Run(plan_of(folder))
    keys = {run.text_key, run.shingle_key, run.url_key, run.pii_key[:16]}
    assert len(keys) == 4
    assert len(run.pii_key) == 32


def test_the_plan_finds_sources_and_inputs(folder: Path) -> None:
    plan = plan_of(folder)
    assert plan.source("s").name == "s"
    assert plan.input_numbers(plan.splits[0]) == [0]


def test_there_is_a_partition_for_each_64_mebibytes_of_input(folder: Path) -> None:
    assert plan_of(folder).partitions == 4
    assert plan_of(folder, partitioning={"exchange_partitions": 3}).partitions == 3
    with (folder / "a.jsonl").open("ab") as file:
        file.truncate(5 * (64 << 20) + 1)  # blank from here on, and no block of the disk
    assert plan_of(folder).partitions == 6
