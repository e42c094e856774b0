# SPDX-License-Identifier: Apache-2.0
"""Roots, signatures and proofs of a release: what is changed is named, and nothing else is."""

from __future__ import annotations

import base64
import hashlib
import json
import runpy
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.pipelines.cli import main
from muniment.pipelines.envelope import (
    generate_signing_key,
    load_signing_key,
    pre_authentication,
    public_hex,
    read_public_key,
    seal,
    signer_of,
)
from muniment.pipelines.proof import check_proof, prove_rows
from muniment.pipelines.release import Release, open_release
from muniment.pipelines.signatures import check_signatures, sign
from muniment.pipelines.verify import verify
from muniment.schemas.errors import KeyFileError, QueryError
from muniment.schemas.tables import DOCUMENTS
from muniment.transforms.keys import Keyring
from muniment.transforms.leaves import encode_rows, leaf_keys, leaves_of
from release_fixture import KEY, doc_id, tables, write_release

if TYPE_CHECKING:
    from collections.abc import Callable

PART = "manifest/documents/part-00001.parquet"
"""Documents 19 to 30."""

CHECK = Path(__file__).parents[1] / "examples" / "check_proof.py"


@pytest.fixture(scope="module")
def signer() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


# --- rows ------------------------------------------------------------------------------------------


def _rewrite(release: Release, change: Callable[[list[dict[str, Any]]], Any]) -> list[str]:
    """Change the rows of a part, and return what `verify` says with the key."""
    place = release.folder / PART
    rows = pq.read_table(place).to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, DOCUMENTS.arrow()), place, compression="zstd")
    faults = verify(release, KEY)
    assert (faults[0].file, faults[0].check) == (PART, "digest")
    return [f"{fault.check} {fault.file} {fault.row.split(',')[0]}" for fault in faults[1:]]


def test_a_sound_release_has_sound_roots(sound: Release) -> None:
    assert verify(sound, KEY) == []


def test_a_changed_row_is_named_and_nothing_else(copy: Release) -> None:
    named = _rewrite(copy, lambda rows: rows[3].update(toxicity=0.125))
    assert named == [f"changed-row {PART} row 3"]
    fault = verify(copy, KEY)[1]
    assert fault.row == f"row 3, document {doc_id(22).hex()}"


def test_a_removed_row_is_named(copy: Release) -> None:
    assert _rewrite(copy, lambda rows: rows.pop(0)) == [
        "removed-row proof/documents.leaves leaf 18"
    ]


def test_an_added_row_is_named(copy: Release) -> None:
    named = _rewrite(copy, lambda rows: rows.append(rows[-1] | {"doc_id": doc_id(99)}))
    assert named == [f"added-row {PART} row 12"]


def test_a_row_that_stands_twice_is_named_once(copy: Release) -> None:
    assert _rewrite(copy, lambda rows: rows.append(rows[0])) == [f"added-row {PART} row 12"]


def test_rows_in_another_order_have_the_same_root(copy: Release) -> None:
    assert _rewrite(copy, lambda rows: rows.reverse()) == []


def test_a_root_that_is_not_that_of_the_leaves_is_named(sound: Release, tmp_path: Path) -> None:
    roots = json.loads(json.dumps(sound.manifest["roots"]))
    roots["tables"]["decisions"]["salted"] = "00" * 32
    roots["tables"]["documents"]["comparable"] = "00" * 32
    write_release(tmp_path, tables(), roots=roots)
    forged = open_release(tmp_path)
    assert [fault.file for fault in verify(forged)] == ["proof/decisions.leaves"]
    roots["tables"]["decisions"] = sound.manifest["roots"]["tables"]["decisions"]
    write_release(tmp_path / "b", tables(), roots=roots)
    forged = open_release(tmp_path / "b")
    assert verify(forged) == []  # without the key nobody can tell
    assert [(fault.file, fault.check) for fault in verify(forged, KEY)] == [
        ("MANIFEST.json", "root")
    ]


def test_the_key_of_another_release_is_refused(sound: Release) -> None:
    with pytest.raises(KeyFileError, match="was made with key"):
        verify(sound, Keyring(bytes(range(32))))


def test_salted_leaves_differ_between_runs_and_comparable_ones_do_not(sound: Release) -> None:
    rows = pq.read_table(sound.folder / PART)
    one, two = (leaves_of(DOCUMENTS, rows, leaf_keys(KEY, "documents", run)) for run in "ab")
    assert not (one.salted == two.salted).all(axis=1).any()
    assert (one.comparable == two.comparable).all()


def test_rows_are_encoded_without_regard_to_slices_and_dictionaries(sound: Release) -> None:
    rows = pq.read_table(sound.folder / PART)
    again = pa.Table.from_pylist(rows.to_pylist(), DOCUMENTS.arrow())
    data, places = encode_rows(DOCUMENTS, rows)
    tail, _ = encode_rows(DOCUMENTS, again.slice(5))
    assert data[places[5] :].tobytes() == tail.tobytes()


# --- proofs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["documents", "decisions"])
def test_a_proof_is_checked_by_the_root_alone_and_by_twenty_lines_of_python(
    sound: Release, table: str
) -> None:
    independent = runpy.run_path(str(CHECK))["is_under"]
    root = sound.manifest["roots"]["tables"][table]["salted"]
    for number in (3, 6, 7, 10):
        proof = json.loads(json.dumps(prove_rows(sound, table, doc_id(number).hex(), KEY)))
        assert proof["rows"]
        assert check_proof(proof, root) is None
        assert independent(proof, root)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_proof_with_anything_changed_proves_nothing(sound: Release, data: st.DataObject) -> None:
    independent = runpy.run_path(str(CHECK))["is_under"]
    proof = prove_rows(sound, "documents", doc_id(5).hex(), KEY)
    root = proof["root"]
    row = proof["rows"][0]
    what = data.draw(st.sampled_from(["value", "salt", "index", "path", "column", "table", "root"]))
    if what == "value":
        place = data.draw(st.integers(0, len(row["values"]) - 1))
        row["values"][place] = None if row["values"][place] is not None else 1
    elif what == "salt":
        row["salt"] = "00" * 16
    elif what == "index":
        row["index"] = data.draw(st.integers(0, 29).filter(lambda index: index != row["index"]))
    elif what == "path":
        row["path"][data.draw(st.integers(0, len(row["path"]) - 1))] = "00" * 32
    elif what == "column":
        proof["columns"][0][0] = "other"
    elif what == "table":
        proof["table"] = "decisions"
    else:
        root = "00" * 32
    assert check_proof(proof, root) is not None
    try:
        assert not independent(proof, root)
    except (TypeError, AttributeError, IndexError):
        assert what == "value"  # a number where text was


def test_proofs_are_of_one_document_only(sound: Release) -> None:
    with pytest.raises(QueryError, match="no row of table documents"):
        prove_rows(sound, "documents", "ff" * 16, KEY)


# --- signatures ------------------------------------------------------------------------------------


def test_what_is_signed_is_the_example_of_the_dsse_specification() -> None:
    signed = pre_authentication("http://example.com/HelloWorld", b"hello world")
    assert signed == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_keys_are_private_files_and_never_overwritten(tmp_path: Path) -> None:
    public = generate_signing_key(tmp_path / "signer")
    assert (tmp_path / "signer").stat().st_mode & 0o777 == 0o600
    assert read_public_key(str(tmp_path / "signer.pub")) == read_public_key(public) == public
    assert public_hex(load_signing_key(tmp_path / "signer")) == public
    with pytest.raises(KeyFileError, match="exists"):
        generate_signing_key(tmp_path / "signer")
    (tmp_path / "signer").chmod(0o640)
    with pytest.raises(KeyFileError, match="others can read it"):
        load_signing_key(tmp_path / "signer")


def test_a_signed_release_is_sound(copy: Release, signer: Ed25519PrivateKey) -> None:
    place = sign(copy, signer)
    statement = json.loads((copy.output / place).read_bytes())
    assert statement["payloadType"] == "application/vnd.in-toto+json"
    assert verify(copy, trusted=[public_hex(signer)]) == []


def _signature_faults(release: Release, signer: Ed25519PrivateKey) -> list[str]:
    return [
        f"{Path(fault.file).name}: {fault.detail}"
        for fault in check_signatures(release, [public_hex(signer)])
    ]


def test_a_missing_signature_and_one_of_somebody_else_are_named(
    copy: Release, signer: Ed25519PrivateKey
) -> None:
    missing = [f"{copy.id}: no trusted key signed this release"]
    assert _signature_faults(copy, signer) == missing
    sign(copy, Ed25519PrivateKey.from_private_bytes(bytes(32)))
    assert _signature_faults(copy, signer) == missing


def test_a_swapped_signature_is_named(copy: Release, signer: Ed25519PrivateKey) -> None:
    place = copy.output / sign(copy, signer)
    envelope = json.loads(place.read_bytes())
    other = seal({"subject": []}, signer)
    envelope["signatures"] = other["signatures"]
    place.write_text(json.dumps(envelope))
    assert _signature_faults(copy, signer)[0] == (
        f"{place.name}: bears the name of a trusted key that did not sign it"
    )


def test_a_signature_over_another_release_is_named(
    copy: Release, signer: Ed25519PrivateKey, tmp_path: Path
) -> None:
    other = write_release(tmp_path / "other", tables(), code_version="9.9")
    moved = sign(open_release(tmp_path / "other"), signer)
    name = Path(moved).name
    target = copy.output / "attestations" / copy.id
    target.mkdir(parents=True)
    shutil.copy(tmp_path / "other" / moved, target / name)
    assert other != copy.id
    assert (
        _signature_faults(copy, signer)[0]
        == f"{name}: speaks of other files than release {copy.id}"
    )


def test_the_chain_is_checked_to_its_first_release(
    signer: Ed25519PrivateKey, tmp_path: Path
) -> None:
    output = tmp_path / "chain"
    first = write_release(output, tables())
    raw = (output / "snapshots" / first / "MANIFEST.json").read_bytes()

    parent = {"release": first, "manifest_sha256": hashlib.sha256(raw).hexdigest()}
    write_release(output, tables(), parent=parent)
    second = open_release(output)
    sign(second, signer)
    assert _signature_faults(second, signer) == [f"{first}: no trusted key signed this release"]
    sign(open_release(output, snapshot=first), signer)
    assert _signature_faults(second, signer) == []
    (output / "snapshots" / first / "MANIFEST.json").write_bytes(raw + b" ")
    assert _signature_faults(second, signer) == [
        "MANIFEST.json: not the manifest that the release after it names as its parent's"
    ]


@given(st.binary(max_size=60), st.integers(0, 511))
def test_a_flipped_bit_of_a_signature_is_no_signature(payload: bytes, bit: int) -> None:

    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    envelope = seal({"subject": [], "note": payload.hex()}, key)
    assert signer_of(envelope, [public_hex(key)]) == public_hex(key)
    raw = bytearray(base64.b64decode(envelope["signatures"][0]["sig"]))
    raw[bit // 8] ^= 1 << bit % 8
    envelope["signatures"][0]["sig"] = base64.b64encode(raw).decode()
    assert signer_of(envelope, [public_hex(key)]) is None


def test_the_command_line_signs_proves_and_verifies(
    copy: Release, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, output = tmp_path / "key", str(copy.output)
    key.touch(mode=0o600)
    key.write_bytes(KEY.master)
    signer = str(tmp_path / "signer")
    assert main(["keygen", "--signing", signer]) == 0
    assert main(["verify", output, "--trusted-key", f"{signer}.pub"]) == 3
    assert main(["sign", output, "--key", signer]) == 0
    assert main(["verify", output, "--trusted-key", f"{signer}.pub", "--key-file", str(key)]) == 0
    capsys.readouterr()
    assert main(["prove", output, doc_id(3).hex(), "--key-file", str(key)]) == 0
    proof = tmp_path / "proof.json"
    proof.write_text(capsys.readouterr().out)
    root = copy.manifest["roots"]["tables"]["documents"]["salted"]
    assert main(["verify-proof", str(proof), "--root", root]) == 0
    assert main(["verify-proof", str(proof), "--root", "00" * 32]) == 3
    assert "not under this root" in capsys.readouterr().err
