# SPDX-License-Identifier: Apache-2.0
"""A whole job with operators, recognisers and links: each document's fate, and who may see what."""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from muniment.pipelines.card import render_card
from muniment.pipelines.query import ask, connect
from muniment.pipelines.release import Release, open_release
from muniment.pipelines.run import run_job
from muniment.pipelines.verify import verify
from muniment.schemas.job_file import load_job
from muniment.transforms.keys import load_key
from muniment.transforms.pii.keys import ValueHasher
from muniment.transforms.storage import sha256_file
from small_corpus import dump_job

pytestmark = [pytest.mark.slow, pytest.mark.model]

GARDEN = "The rest of this page tells how tomatoes grow in small gardens, and what they need. "
TEXTS = {
    "mail": "Please write to jane.roe@university-mail.org about the harvest of this year.",
    "address": "The server answered from 93.184.216.34 while the others were asleep at night.",
    "badge": "The door opened for badge EMP-12345 and for nobody else on that evening.",
    "secret": "The key was AKIAIOSFODNN7EXAMPLE and everybody could read it in the log.",
    "name": "Contact Barack Obama by phone at +1 415-555-0132 if the water does not run.",
    "minor": "Tim is 9 years old and his address is tim.roe@university-mail.org at school.",
    "dense": "SSN 141-01-9056, SSN 245-11-1003, SSN 316-40-2211 were found in the shed.",
    "plain": "Nothing in this text says anything about anybody, only about the weather.",
    "german": "Am Abend gingen sie durch den Garten und sprachen lange darüber, was im nächsten Jahr "
    "gesät werden soll und wer das Haus hütet, wenn alle anderen im Sommer verreist sind. Niemand "
    "wollte bleiben, denn der Sommer auf dem Land ist heiß, und das Wasser im Brunnen wird knapp.",
}
FATES = {
    "mail": ("kept", None, None),
    "address": ("kept", None, None),
    "badge": ("kept", None, None),
    "secret": ("removed", "pii_dropped", "pii_dropped"),
    "name": ("removed", "pii_dropped", "pii_dropped_late"),
    "minor": ("removed", "pii_minor", "pii_minor"),
    "dense": ("removed", "pii_dense", "pii_dense"),
    "plain": ("kept", None, None),
    "german": ("kept", None, None),
}
PERSONAL: dict[str, Any] = {
    "ner": "contact",
    "operators": {
        "EMAIL_ADDRESS": "surrogate",
        "IP_ADDRESS": "keep",
        "PERSON": "drop",
        "grade.secret": "drop",
        "CUSTOM": "mask",
    },
    "recognisers": [{"name": "badge", "version": "2", "patterns": [r"\bEMP-([0-9]{5})\b"]}],
}


def released(folder: Path, **personal: Any) -> Path:
    """Run the job and return its output folder."""
    folder.mkdir()
    records = [{"id": name, "text": f"{text} {GARDEN}{name}"} for name, text in TEXTS.items()]
    (folder / "a.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    (folder / "key").write_bytes(bytes(range(32)))
    (folder / "key").chmod(0o600)
    source = {
        "name": "s", "kind": "other", "reviewer": "somebody", "paths": ["a.jsonl"], "fields": {"id": "id"},
        "licence": "unknown", "legal_basis": "unknown", "origin": "worldwide",
        "collected": {"start": "2024-01-01", "end": "2024-01-01"},
    }  # fmt: skip
    job = {
        "name": "j",
        "key_file": "key",
        "sources": [source],
        "toxicity": {"enabled": False},
        "deduplication": {"near": {"enabled": False}},
        "personal_data": PERSONAL | personal,
    }
    (folder / "job.yaml").write_text(dump_job(job))
    run_job(load_job(folder / "job.yaml"), folder / "out")
    return folder / "out"


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return released(tmp_path_factory.mktemp("pii") / "in")


def names(release: Release) -> dict[bytes, str]:
    """Return the name of each document: they stand in the file in the order of `TEXTS`."""
    rows = connect(release).execute('SELECT doc_id FROM documents ORDER BY "offset"').fetchall()
    return {row[0]: name for row, name in zip(rows, TEXTS, strict=True)}


def test_every_document_meets_the_fate_that_the_operators_say(output: Path) -> None:
    release = open_release(output)
    found = connect(release).execute(
        """
        SELECT d.doc_id, d.outcome, d.reason, x.rule_id FROM documents AS d
        LEFT JOIN decisions AS x ON x.doc_id = d.doc_id AND x.terminal
        """
    )
    named = names(release)
    assert {named[row[0]]: row[1:] for row in found.fetchall()} == FATES
    assert verify(release) == []


def test_the_card_says_whose_names_no_model_read(output: Path) -> None:
    release = open_release(output)
    connection = connect(release)
    (unread,) = ask(connection, "names-unread")
    assert (unread["lang"], unread["documents"], unread["documents_kept"]) == ("de", 1, 1)
    (reach,) = ask(connection, "pii-reach")
    assert (reach["names"], reach["least_score"], reach["not_searched"]) == ("contact", 0.5, 0)
    assert reach["names_unread_kept"] == 1
    assert 0.1 < reach["names_unread_share"] < 0.6
    card = render_card(release, "md")
    assert "Languages whose names no model reads" in card
    assert "Names of persons looked for: contact" in card


def test_the_corpus_holds_what_the_operators_wrote(output: Path) -> None:
    release = open_release(output)
    rows = connect(release, with_corpus=True).execute("SELECT doc_id, text FROM corpus").fetchall()
    named = names(release)
    texts = {named[row[0]]: row[1] for row in rows}
    assert "@redacted.invalid about" in texts["mail"]
    assert "93.184.216.34" in texts["address"]
    assert "badge EMP-***** and" in texts["badge"]
    actions = connect(release).execute("SELECT doc_id, action, detector FROM spans").fetchall()
    assert {(named[doc], action, detector) for doc, action, detector in actions} == {
        ("mail", "surrogate", "email"),
        ("address", "left", "ipv4"),
        ("badge", "mask", "custom:badge@2"),
    }


def test_the_manifest_names_the_recognisers_with_version_and_digest(output: Path) -> None:
    rows = connect(open_release(output)).execute(
        "SELECT model, version, octet_length(sha256) FROM models WHERE task = 'recogniser'"
    )
    found = {row[0]: row[1:] for row in rows.fetchall()}
    assert found["custom:badge"] == ("2", 32)
    assert set(found) == {"pii-patterns", "secret-patterns", "custom:badge"}


def test_what_stays_is_linked_by_a_keyed_hash_in_the_restricted_part_only(output: Path) -> None:
    release = open_release(output)
    links = connect(release, with_restricted=True).execute(
        "SELECT doc_id, entity_type, value_hmac, action, key_id FROM pii_links"
    )
    ((doc, kind, digest, action, key_id),) = links.fetchall()
    assert (names(release)[doc], kind, action) == ("address", "IP_ADDRESS", "left")
    keyring = load_key(output.parent / "key")
    hasher = ValueHasher(keyring.derive("pii-link/v1", 32))
    assert digest == hasher("IP_ADDRESS", "ipv4", "93.184.216.34")
    assert key_id == keyring.key_id
    for path in release.folder.rglob("*"):
        if path.is_file() and "restricted" not in path.parts:
            assert digest not in path.read_bytes(), path
    with pytest.raises(Exception, match="pii_links"):
        connect(release).execute("SELECT * FROM pii_links")


def test_the_restricted_part_is_its_owners_alone(output: Path) -> None:
    place = open_release(output).folder / "restricted"
    for path in [place, *place.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path
    assert not any("restricted" in item.path for item in open_release(output).listed)


def copied(output: Path, tmp_path: Path) -> Release:
    shutil.copytree(output, tmp_path / "copy", ignore=shutil.ignore_patterns(".work"))
    return open_release(tmp_path / "copy")


def test_a_release_without_its_restricted_part_is_whole(output: Path, tmp_path: Path) -> None:
    release = copied(output, tmp_path)
    shutil.rmtree(release.folder / "restricted")
    assert verify(release) == []
    links = connect(release, with_restricted=True).execute("SELECT count(*) FROM pii_links")
    assert links.fetchone() == (0,)


@pytest.mark.parametrize("fault", ["readable", "changed", "missing", "extra", "index", "lie"])
def test_verify_watches_the_restricted_part(output: Path, tmp_path: Path, fault: str) -> None:
    release = copied(output, tmp_path)
    place = release.folder / "restricted"
    (part,) = (place / "pii_links").iterdir()
    if fault == "readable":
        part.chmod(0o644)
    elif fault == "changed":
        part.write_bytes(part.read_bytes()[:-1] + b"\0")
    elif fault == "missing":
        part.unlink()
    elif fault == "extra":
        (place / "notes").touch(0o600)
    elif fault == "index":
        (place / "RESTRICTED.json").unlink()
    else:
        index = json.loads((place / "RESTRICTED.json").read_bytes())
        index["files"][0]["sha256"] = hashlib.sha256(b"").hexdigest()
        (place / "RESTRICTED.json").write_text(json.dumps(index))
    (found,) = verify(release)
    assert found.file.startswith("restricted/")


def test_a_link_to_something_that_is_no_span_of_the_release_is_found(
    output: Path, tmp_path: Path
) -> None:
    """A consistent lie: every digest was made to fit."""
    release = copied(output, tmp_path)
    (part,) = (release.folder / "restricted" / "pii_links").iterdir()
    table = pq.read_table(part)
    later = pa.array([start + 1 for start in table["start"].to_pylist()], pa.uint32())
    pq.write_table(table.set_column(4, table.schema.field(4), later), part)
    index = release.folder / "restricted" / "RESTRICTED.json"
    listed = json.loads(index.read_bytes())
    listed["files"][0] |= {"sha256": sha256_file(part), "bytes": part.stat().st_size}
    index.write_text(json.dumps(listed))
    manifest = json.loads((release.folder / "MANIFEST.json").read_bytes())
    manifest["restricted"]["sha256"] = sha256_file(index)
    (release.folder / "MANIFEST.json").write_text(json.dumps(manifest))
    new = sha256_file(release.folder / "MANIFEST.json")[:16]
    release.folder.rename(release.folder.with_name(new))
    (found,) = verify(open_release(tmp_path / "copy", snapshot=new))
    assert found.check == "link-place"


def test_scope_off_keeps_no_link_and_scope_all_every_one(tmp_path: Path) -> None:
    off = open_release(released(tmp_path / "off", links="off", ner="off"))
    assert not (off.folder / "restricted").exists()
    assert off.manifest["restricted"] is None
    everything = {"links": "all", "links_reason": "erasure requests", "ner": "off"}
    full = open_release(released(tmp_path / "all", **everything, links_retention="2030-01-31"))
    rows = connect(full, with_restricted=True).execute("SELECT DISTINCT entity_type FROM pii_links")
    kinds = {row[0] for row in rows.fetchall()}
    assert kinds == {"EMAIL_ADDRESS", "IP_ADDRESS", "PHONE_NUMBER", "CUSTOM"}
    index = json.loads((full.folder / "restricted" / "RESTRICTED.json").read_bytes())
    assert (index["links"], index["reason"], index["delete_by"]) == (
        "all",
        "erasure requests",
        "2030-01-31",
    )
    assert verify(full) == []
