# SPDX-License-Identifier: Apache-2.0
"""Keyed hashes of personal values, one key per entity type: outsiders cannot join tables.

`value_hmac = HMAC-SHA256(HKDF-SHA256(master, info="pii-link/v1/" + type), normalised value)[:16]`.
Identifiers are enumerable (there are 7e9 Chinese mobile numbers), so no unkeyed hash is ever made.
"""

from __future__ import annotations

import hmac
import unicodedata

from ...schemas.errors import KeyFileError
from .phones import e164

HMAC_BYTES = 16
"""128 bits of the HMAC are kept: RFC 2104 section 5 allows half of the digest."""


def derive_key(master: bytes, label: str) -> bytes:
    """Derive a 32-byte key by HKDF-SHA256 (RFC 5869), no salt, one block.

    Args:
        master: At least 32 bytes of secret key.
        label: What the key is for; different labels give independent keys.

    Returns:
        32 bytes.

    Raises:
        KeyFileError: The master key is shorter than 32 bytes or all zeros.
    """
    if len(master) < 32 or not any(master):
        msg = (
            f"key: expected 32 bytes or more, not all zero, got {len(master)}; make a new key file"
        )
        raise KeyFileError(msg)
    pseudo_random = hmac.digest(bytes(32), master, "sha256")
    return hmac.digest(pseudo_random, label.encode() + b"\x01", "sha256")


def normalise_value(entity: str, detector: str, value: str) -> str:
    """Return the one spelling under which a value is hashed.

    Args:
        entity: Entity type.
        detector: Detector, which tells the region of a phone number.
        value: The value as the shadow text has it.

    Returns:
        E.164 for phones, lower case for mail, capitals and digits without separators for numbers,
        case-folded words with single blanks for names and places.
    """
    value = unicodedata.normalize("NFKC", value)
    if entity == "PHONE_NUMBER":
        region = detector.partition(":")[2][:2].upper()
        return e164(value, {"NA": "US", "CN": "CN", "GB": "GB", "DE": "DE", "FR": "FR"}.get(region))
    if entity == "EMAIL_ADDRESS":
        return value.lower()
    if entity in ("PERSON", "LOCATION", "STREET_ADDRESS"):
        return " ".join(value.casefold().split())
    if entity in ("SECRET", "PRIVATE_KEY", "CRYPTO", "CUSTOM", "DATE_OF_BIRTH"):
        return value.strip()
    return "".join(char for char in value if char.isalnum()).upper()


class ValueHasher:
    """Hashes values under per-type keys.

    Args:
        master: The project's secret key, at least 32 bytes.
    """

    def __init__(self, master: bytes) -> None:
        self._master = master
        self._keys: dict[str, bytes] = {}
        self._key("PERSON")

    def _key(self, entity: str) -> bytes:
        if entity not in self._keys:
            self._keys[entity] = derive_key(self._master, "pii-link/v1/" + entity)
        return self._keys[entity]

    def __call__(self, entity: str, detector: str, value: str) -> bytes:
        """Return 16 bytes: the keyed hash of a value."""
        normal = normalise_value(entity, detector, value)
        return hmac.digest(self._key(entity), normal.encode("utf-8", "replace"), "sha256")[
            :HMAC_BYTES
        ]
