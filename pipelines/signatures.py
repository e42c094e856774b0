# SPDX-License-Identifier: Apache-2.0
"""Sign a release, and check who signed it and the releases it goes back to.

    <output>/attestations/<release id>/<name of the key>.dsse.json

The subjects of the statement are MANIFEST.json, every file that it lists, and ERASED.json where
rows were erased since; a signature over the release stays valid then. Its predicate says release, parent, Merkle roots and totals. The private key stays offline: only `sign` reads it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..schemas.errors import IntegrityError, ReleaseError
from ..transforms.stores import join, store_at
from .envelope import (
    STATEMENT_TYPE,
    claimed_names,
    key_name,
    payload_of,
    public_hex,
    seal,
    signer_of,
    statement_of,
)
from .erasure import ERASED, read_erasure
from .faults import Fault
from .release import manifest_bytes, release_ids

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from .release import Release

ATTESTATIONS_FOLDER = "attestations"
PREDICATE_TYPE = "urn:muniment:release:v1"

ENVELOPE_LIMIT = 512 << 20
"""Bytes of an envelope that is read: a third more than the largest manifest."""

_PUBLIC_MODE = 0o644


def statement(release: Release) -> dict[str, Any]:
    """Return what a signer says of a release."""
    manifest = release.manifest
    raw = manifest_bytes(release.output, release.id)
    files = [("MANIFEST.json", hashlib.sha256(raw).hexdigest())]
    files += [(entry["path"], entry["sha256"]) for entry in manifest["files"]]
    if release.erasure:
        files.append((ERASED, release.erasure.sha256))
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": sha256}} for name, sha256 in files],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "release": release.id,
            "parent": manifest.get("parent"),
            "roots": manifest.get("roots"),
            "totals": manifest["totals"],
            "config_sha256": manifest["config_sha256"],
            "code_version": manifest["code_version"],
            "key_id": manifest["key_id"],
        },
    }


def sign(release: Release, key: Ed25519PrivateKey) -> str:
    """Sign a release that was verified; return where the envelope lies below the output folder."""
    signer = key_name(public_hex(key))
    path = f"{ATTESTATIONS_FOLDER}/{release.id}/{signer}.dsse.json"
    store_at(release.origin).make_folder(join(release.origin, ATTESTATIONS_FOLDER, release.id))
    from ..transforms.storage import write_json  # noqa: PLC0415  (only signing writes)

    write_json(join(release.origin, path), seal(statement(release), key), _PUBLIC_MODE)
    return path


def envelopes(output: Path, release_id: str) -> Iterator[tuple[str, Any]]:
    """Yield path and content of the envelopes of a release; None for what is no JSON object."""
    for path in sorted((output / ATTESTATIONS_FOLDER / release_id).glob("*.json")):
        name = f"{ATTESTATIONS_FOLDER}/{release_id}/{path.name}"
        content = None
        if path.is_file() and not path.is_symlink() and path.stat().st_size <= ENVELOPE_LIMIT:
            try:
                content = json.loads(path.read_bytes())
            except (OSError, ValueError, RecursionError):
                content = None
        yield name, content if isinstance(content, dict) else None


def check_signatures(release: Release, trusted: Sequence[str]) -> list[Fault]:
    """Check the signatures of a release and of those it goes back to.

    Args:
        release: The release.
        trusted: Public keys, hexadecimal.

    Returns:
        Faults: an envelope that is none, that speaks of something else, or that bears the name of
        a trusted key which did not sign it; a release that no trusted key signed; a link of the
        chain that is broken. A parent that was taken away ends the chain.
    """
    release.bring_beside()
    faults: list[Fault] = []
    seen: set[str] = set()
    link: Mapping[str, Any] | None = {"release": release.id}
    while link and link.get("release") not in seen:
        release_id = str(link["release"])
        seen.add(release_id)
        if release_id not in release_ids(release.output):
            break
        manifest, sha256 = _manifest(release.output, release_id)
        said = link.get("manifest_sha256")
        if manifest is None or said not in {None, sha256}:
            place = f"snapshots/{release_id}/MANIFEST.json"
            detail = "not the manifest that the release after it names as its parent's"
            faults.append(Fault(place, "", "chain", detail))
            break
        erased = _erased_sha256(release.output, release_id)
        faults += _check_envelopes(release.output, release_id, sha256, erased, manifest, trusted)
        link = manifest.get("parent")
    return faults


def _manifest(output: Path, release_id: str) -> tuple[dict[str, Any] | None, str]:
    try:
        raw = manifest_bytes(output, release_id)
    except (IntegrityError, ReleaseError):
        return None, ""
    sha256 = hashlib.sha256(raw).hexdigest()
    return (json.loads(raw) if sha256.startswith(release_id) else None), sha256


def _erased_sha256(output: Path, release_id: str) -> str | None:
    try:
        erasure = read_erasure(output / "snapshots" / release_id)
    except IntegrityError:
        return ""  # no signature is over that
    return erasure.sha256 if erasure else None


def _check_envelopes(
    output: Path,
    release_id: str,
    sha256: str,
    erased: str | None,
    manifest: Mapping[str, Any],
    trusted: Sequence[str],
) -> Iterator[Fault]:
    names = {key_name(key) for key in trusted}
    files = {"MANIFEST.json": sha256} | {item["path"]: item["sha256"] for item in manifest["files"]}
    signed, signed_erasure = False, erased is None
    for path, envelope in envelopes(output, release_id):
        content = statement_of(payload_of(envelope or {}))
        if envelope is None or not content:
            yield Fault(path, "", "signature", "not a DSSE envelope of an in-toto statement")
            continue
        signer = signer_of(envelope, trusted)
        if signer is None and names & claimed_names(envelope):
            yield Fault(
                path, "", "signature", "bears the name of a trusted key that did not sign it"
            )
            continue
        said = {item.get("name"): item["digest"].get("sha256") for item in content["subject"]}
        over_erasure = said.pop(ERASED, None)  # an earlier one is no fault
        if said.get("MANIFEST.json") != sha256 or any(
            files.get(name) != digest for name, digest in said.items()
        ):
            yield Fault(path, "", "signature", f"speaks of other files than release {release_id}")
            continue
        signed = signed or signer is not None
        signed_erasure = signed_erasure or (signer is not None and over_erasure == erased)
    if not signed:
        place = f"{ATTESTATIONS_FOLDER}/{release_id}"
        yield Fault(place, "", "signature", "no trusted key signed this release")
    if not signed_erasure:
        place = f"snapshots/{release_id}/{ERASED}"
        detail = "no trusted key signed what was erased; check it and run `muniment sign` again"
        yield Fault(place, "", "signature", detail)
