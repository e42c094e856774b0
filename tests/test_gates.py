# SPDX-License-Identifier: Apache-2.0
"""Release gates: each is made to fail through what it guards against, and then nothing moves."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from muniment.pipelines.envelope import pre_authentication
from muniment.pipelines.gates import check_gates, require_passed
from muniment.pipelines.guards import check_approval
from muniment.pipelines.plan import make_plan
from muniment.pipelines.query import ask, connect
from muniment.pipelines.release import Release, open_release, release_ids
from muniment.pipelines.run import describe_plan, run_job
from muniment.schemas.errors import GateError, JobError
from muniment.schemas.job_file import load_job
from muniment.transforms.run_state import Run
from release_fixture import doc_id, tables, write_release
from small_corpus import dump_job, write_corpus

DAY = date(2025, 12, 1)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNER = KEY.public_key().public_bytes_raw().hex()


def states(release: Release, day: date = DAY) -> dict[str, str]:
    return {result.gate: result.state for result in check_gates(release, day)}


def failed(release: Release, day: date = DAY) -> list[str]:
    return [gate for gate, state in states(release, day).items() if state == "failed"]


def story(output: Path, change: Callable[[Any], object] = lambda _: None, **gates: Any) -> Release:
    made = tables()
    change(made)
    write_release(output, made, job={"name": "story", "gates": gates})
    return open_release(output)


def document(made: Any, number: int) -> dict[str, Any]:
    return next(row for row in made["documents"] if row["doc_id"] == doc_id(number))


def test_a_sound_release_passes_every_gate(tmp_path: Path):
    release = story(tmp_path)
    results = check_gates(release, DAY)
    require_passed(release, results)
    assert {result.question for result in results} >= {"Q11", "Q12", "Q23", "Q26", "Q27", "Q32"}
    assert states(release)["unsigned"] == "off"


def lose_a_document(made: Any) -> None:
    made["documents"].pop(0)


def lose_a_byte(made: Any) -> None:
    document(made, 1)["length"] -= 1


def lose_a_row_between_stages(made: Any) -> None:
    next(row for row in made["metrics"] if row["name"] == "rows_received")["value"] -= 1


def lose_a_reason(made: Any) -> None:
    made["decisions"] = [row for row in made["decisions"] if row["doc_id"] != doc_id(4)]


def keep_against_a_rule(made: Any) -> None:
    document(made, 4)["outcome"] = "kept"


def keep_what_a_request_takes_out(made: Any) -> None:
    document(made, 25)["outcome"] = "kept"


def miss_a_canary(made: Any) -> None:
    made["lists"][0]["canaries_passed"] -= 1


@pytest.mark.parametrize(
    ("change", "gates"),
    [
        (lose_a_document, {"books"}),
        (lose_a_byte, {"books"}),
        (lose_a_row_between_stages, {"books"}),
        (lose_a_reason, {"unexplained"}),
        (keep_against_a_rule, {"unexplained", "leaks"}),
        (keep_what_a_request_takes_out, {"unexplained", "leaks", "request-leaks"}),
        (miss_a_canary, {"stale-lists"}),
    ],
)
def test_a_gate_fails_on_what_it_guards_against(tmp_path: Path, change: Any, gates: set[str]):
    assert set(failed(story(tmp_path, change))) == gates


def test_lists_may_be_as_old_as_the_job_says(tmp_path: Path):
    release = story(tmp_path, max_list_age_days=30)
    assert failed(release, date(2025, 12, 1)) == []
    assert failed(release, date(2025, 12, 2)) == ["stale-lists"]
    assert failed(story(tmp_path / "none"), date(2099, 1, 1)) == []


def envelope(digest: str, key: Ed25519PrivateKey) -> str:
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "MANIFEST.json", "digest": {"sha256": digest}}],
        "predicateType": "https://example.org/release/v1",
    }
    payload = json.dumps(statement).encode()
    kind = "application/vnd.in-toto+json"
    signature = key.sign(pre_authentication(kind, payload))
    return json.dumps(
        {
            "payloadType": kind,
            "payload": base64.b64encode(payload).decode(),
            "signatures": [{"sig": base64.b64encode(signature).decode()}],
        }
    )


def sign(release: Release, key: Ed25519PrivateKey = KEY, digest: str | None = None) -> None:
    raw = (release.folder / "MANIFEST.json").read_bytes()
    folder = release.output / "attestations" / release.id
    folder.mkdir(parents=True, exist_ok=True)
    text = envelope(digest or hashlib.sha256(raw).hexdigest(), key)
    (folder / "release.json").write_text(text)


def test_where_signers_are_named_one_of_them_must_have_signed(tmp_path: Path):
    release = story(tmp_path, signers=[SIGNER])
    assert failed(release) == ["unsigned"]
    sign(release, Ed25519PrivateKey.from_private_bytes(bytes(32)))
    assert failed(release) == ["unsigned"]  # somebody else's key
    sign(release, digest="0" * 64)
    assert failed(release) == ["unsigned"]  # another release
    sign(release)
    assert failed(release) == []
    with connect(release, native=True) as connection:
        (row,) = connection.execute("SELECT signer FROM attestations").fetchall()
    assert row == (SIGNER,)


@pytest.mark.parametrize("junk", [b"", b"{", b"[]", b'{"payload": "e30="}', b"\xff" * 99])
def test_an_envelope_that_cannot_be_read_signs_nothing(tmp_path: Path, junk: bytes):
    release = story(tmp_path, signers=[SIGNER])
    sign(release)
    (release.output / "attestations" / release.id / "release.json").write_bytes(junk)
    assert failed(release) == ["unsigned"]


def test_the_chain_breaks_where_a_former_release_was_changed(tmp_path: Path):
    first = write_release(tmp_path, tables())
    raw = (tmp_path / "snapshots" / first / "MANIFEST.json").read_bytes()
    parent = {"release": first, "manifest_sha256": hashlib.sha256(raw).hexdigest()}
    write_release(tmp_path, tables(), parent=parent, job={"name": "second"})
    second = open_release(tmp_path)
    with connect(second, native=True) as connection:
        found = {row["release_id"]: row["state"] for row in ask(connection, "chain")}
    assert found == {first: "first", second.id: "intact"}
    assert failed(second) == []
    (tmp_path / "snapshots" / first / "MANIFEST.json").write_bytes(raw + b" ")
    assert failed(second) == ["chain"]


def write_job(path: Path, **changes: Any) -> Path:
    job = yaml.safe_load(path.read_text()) | changes
    other = path.with_name("changed.yaml")
    other.write_text(dump_job(job))
    return other


@pytest.mark.slow
@pytest.mark.model
def test_a_run_that_fails_a_gate_moves_nothing_says_why_and_is_recorded(tmp_path: Path):
    path = write_corpus(tmp_path / "corpus", near_enabled=False)
    job = yaml.safe_load(path.read_text())
    output = tmp_path / "out"

    # Q23: a list that is too old.
    lists = [{**item, "retrieved": "2020-01-01"} for item in job["lists"]]
    old = write_job(path, lists=lists, gates={"max_list_age_days": 7})
    with pytest.raises(GateError, match=r"failed gates: Q23 stale-lists \(2 rows\); see") as caught:
        run_job(load_job(old), output)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 3
    assert not (output / "CURRENT").exists()
    (refused,) = (output / "snapshots").glob("*/run.json")
    gates = {gate["gate"]: gate for gate in json.loads(refused.read_text())["gates"]}
    assert (gates["stale-lists"]["state"], gates["stale-lists"]["breaches"]) == ("failed", 2)
    assert gates["books"]["state"] == "passed"

    # Q27: unsigned; once it is signed, the same run becomes current.
    signed = write_job(path, gates={"signers": [SIGNER]})
    with pytest.raises(GateError, match="Q27 unsigned"):
        run_job(load_job(signed), output)
    (waiting,) = set(release_ids(output)) - {refused.parent.name}
    sign(open_release(output, snapshot=waiting))
    assert run_job(load_job(signed), output)["release"] == waiting
    current = (output / "CURRENT").read_text()
    assert open_release(output).manifest["parent"] is None

    # Q26: the release before was changed.
    manifest = output / "snapshots" / waiting / "MANIFEST.json"
    whole = manifest.read_bytes()
    manifest.write_bytes(whole.replace(b'"small"', b'"smell"'))
    with pytest.raises(GateError, match=r"Q26 chain \(1 row\)"):
        run_job(load_job(path), output)
    assert (output / "CURRENT").read_text() == current

    # Mended, the run passes and names its parent.
    manifest.write_bytes(whole)
    run_job(load_job(path), output)
    assert open_release(output).manifest["parent"] == {
        "release": waiting,
        "manifest_sha256": hashlib.sha256(whole).hexdigest(),
    }


def test_a_request_must_be_carried_out_by_a_list_that_is_applied(tmp_path: Path):
    path = write_corpus(tmp_path)
    job = yaml.safe_load(path.read_text())
    request = {
        "id": "case-1",
        "kind": "takedown",
        "legal_ref": "GDPR Art. 17(1)",
        "received": "2025-11-01",
    }
    lists = [{**item, "request": request} for item in job["lists"]]
    rights = {"lists": ["takedown"]}
    with pytest.raises(JobError) as caught:
        load_job(write_job(path, lists=lists, rights=rights))
    assert "lists[0].request: the list must be applied" in str(caught.value)
    assert "lists[1].request.id: 'case-1' is used twice" in str(caught.value)


def test_rules_that_were_approved_are_run_and_others_are_refused(tmp_path: Path):
    path = write_corpus(tmp_path, near_enabled=False)
    approval = {"approved_by": "legal", "approved_on": "2025-11-15"}
    digest = describe_plan(load_job(path), tmp_path / "out", ())["policy_sha256"]
    approved = load_job(write_job(path, approval=approval | {"policy_sha256": digest}))
    check_approval(Run(make_plan(approved, tmp_path / "work")))
    other = write_job(
        path, approval=approval | {"policy_sha256": digest}, language={"allow": ["de"]}
    )
    with pytest.raises(JobError, match=r"approval\.policy_sha256: legal approved rules"):
        run_job(load_job(other), tmp_path / "out")
