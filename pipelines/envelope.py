# SPDX-License-Identifier: Apache-2.0
"""Signed statements: DSSE envelopes around in-toto statements, with ed25519 keys kept offline.

A key pair is two small files: the private key (PKCS #8, PEM, mode 0600) and beside it `.pub` with
the public key, 64 hexadecimal digits, as `gates.signers` of a job has them.

Source: DSSE v1 (secure-systems-lab/dsse, protocol.md and envelope.md); in-toto Statement v1.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..schemas.errors import KeyFileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"

_PUBLIC = re.compile(r"[0-9a-f]{64}")
_KEY_LIMIT = 1 << 12


def pre_authentication(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that a DSSE signature signs.

    >>> pre_authentication("t", b"abc")
    b'DSSEv1 1 t 3 abc'
    """
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def seal(statement: Mapping[str, Any], key: Ed25519PrivateKey) -> dict[str, Any]:
    """Sign a statement.

    Args:
        statement: An in-toto statement.
        key: The signer's key.

    Returns:
        The envelope, ready to be written as JSON.
    """
    payload = json.dumps(statement, sort_keys=True, separators=(",", ":")).encode()
    signature = key.sign(pre_authentication(PAYLOAD_TYPE, payload))
    return {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [
            {"keyid": key_name(public_hex(key)), "sig": base64.b64encode(signature).decode()}
        ],
    }


def payload_of(envelope: Mapping[str, Any]) -> bytes:
    """Return the payload of an envelope, empty where it is malformed."""
    return _base64(envelope.get("payload"))


def statement_of(payload: bytes) -> dict[str, Any]:
    """Return an in-toto statement whose subjects are objects with digests, or nothing."""
    try:
        value = json.loads(payload)
        sound = all(isinstance(subject["digest"], dict) for subject in value["subject"])
    except (ValueError, RecursionError, TypeError, KeyError):
        return {}
    return value if sound else {}


def signer_of(envelope: Mapping[str, Any], signers: Iterable[str]) -> str | None:
    """Return the first of some public keys (hexadecimal) that signed an envelope."""
    signatures = envelope.get("signatures")
    if not isinstance(signatures, list):
        return None
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  (slow, rarely needed)
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PublicKey,
    )

    signed = pre_authentication(str(envelope.get("payloadType")), payload_of(envelope))
    for signer in signers:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signer))
        for signature in signatures:
            given = _base64(signature.get("sig")) if isinstance(signature, dict) else b""
            try:
                key.verify(given, signed)
            except InvalidSignature:
                continue
            return signer
    return None


def claimed_names(envelope: Mapping[str, Any]) -> set[str]:
    """Return the names of the keys that an envelope says it is signed with; a hint, no proof."""
    signatures = envelope.get("signatures")
    listed = signatures if isinstance(signatures, list) else []
    return {str(item.get("keyid")) for item in listed if isinstance(item, dict)}


def key_name(public: str) -> str:
    """Return the short name of a public key: 16 digits of the SHA-256 of its 32 bytes."""
    return hashlib.sha256(bytes.fromhex(public)).hexdigest()[:16]


def public_hex(key: Ed25519PrivateKey) -> str:
    """Return the public key of a private one as 64 hexadecimal digits."""
    return key.public_key().public_bytes_raw().hex()


def generate_signing_key(path: str | Path) -> str:
    """Write a new key pair, PATH (mode 0600) and PATH.pub; never overwrite one.

    Returns:
        The public key, hexadecimal.

    Raises:
        KeyFileError: A file exists or the folder does not.
    """
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PrivateKey,
    )

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = public_hex(key)
    for place, content, mode in (
        (path, private, 0o600),
        (f"{path}.pub", f"{public}\n".encode(), 0o644),
    ):
        try:
            descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        except OSError as error:
            raise KeyFileError(f"key file {place}: {error.strerror}") from None
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    return public


def load_signing_key(path: str | Path) -> Ed25519PrivateKey:
    """Load a private signing key from a file that only its owner can read.

    Raises:
        KeyFileError: It is missing, readable by others, or no ed25519 key; it is never shown.
    """
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PrivateKey,
    )
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        with Path(path).open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            raw = file.read(_KEY_LIMIT)
    except OSError as error:
        hint = f"`muniment keygen --signing {path}` makes one"
        raise KeyFileError(f"key file {path}: {error.strerror}; {hint}") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeyFileError(f"key file {path}: others can read it; chmod 600 it")
    expected = f"key file {path}: expected an ed25519 private key (PKCS #8, PEM, no password)"
    try:
        key = load_pem_private_key(raw, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # their words may quote the file
        raise KeyFileError(expected) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(expected)
    return key


def read_public_key(given: str) -> str:
    """Return a public key from 64 hexadecimal digits or from a file that holds them.

    Raises:
        KeyFileError: It is neither.
    """
    text = given.strip().lower()
    if not _PUBLIC.fullmatch(text):
        try:
            with Path(given).open("rb") as file:
                text = file.read(_KEY_LIMIT).decode("ascii", "replace").strip().lower()
        except OSError as error:
            raise KeyFileError(f"public key {given}: {error.strerror}") from None
    if not _PUBLIC.fullmatch(text):
        raise KeyFileError(f"public key {given}: expected 64 hexadecimal digits")
    return text


def _base64(text: object) -> bytes:
    try:
        return base64.b64decode(str(text), validate=True)
    except (binascii.Error, ValueError):
        return b""
