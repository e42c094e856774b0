# SPDX-License-Identifier: Apache-2.0
"""The project's secret key: loading it safely, deriving a key for each purpose.

Identifiers such as phone numbers are enumerable, so a plain hash of one is reversible; every hash
in a manifest is keyed, and each purpose has its own key, so tables cannot be joined by outsiders.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ..schemas.errors import KeyFileError

MIN_KEY_BYTES = 32
_MAX_KEY_BYTES = 4096


@dataclass(frozen=True)
class Keyring:
    """A master key and what is derived from it.

    Args:
        master: At least 32 secret bytes; never shown by `repr`.
    """

    master: bytes = field(repr=False)

    @property
    def key_id(self) -> bytes:
        """Return the public name of the key: the first 8 bytes of SHA-256('id' || key)."""
        return hashlib.sha256(b"id" + self.master).digest()[:8]

    def derive(self, purpose: str, length: int = 16) -> bytes:
        """Return the key of one purpose (HKDF-SHA256, RFC 5869, the purpose as its info).

        Args:
            purpose: Name of the purpose, with a version: `text-hash/v1`.
            length: Bytes wanted.
        """
        info = b"muniment/" + purpose.encode()
        return HKDF(hashes.SHA256(), length, salt=None, info=info).derive(self.master)


def load_key(path: str | Path) -> Keyring:
    """Load the master key from a file that only its owner can read.

    Args:
        path: File of at least 32 bytes with mode 0600 or stricter.

    Raises:
        KeyFileError: The file is missing, too short, too long, constant, or readable by others.
            The message never shows the key.
    """
    try:
        with open(path, "rb", opener=_open_without_waiting) as file:
            mode = os.fstat(file.fileno()).st_mode
            master = file.read(_MAX_KEY_BYTES + 1)
    except OSError as error:
        message = f"key file {path}: {error.strerror}; `muniment keygen {path}` makes one"
        raise KeyFileError(message) from None
    if not stat.S_ISREG(mode):
        raise KeyFileError(f"key file {path}: expected a regular file")
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeyFileError(
            f"key file {path}: others can read it (mode {stat.S_IMODE(mode):04o}); chmod 600 it"
        )
    if not MIN_KEY_BYTES <= len(master) <= _MAX_KEY_BYTES:
        raise KeyFileError(
            f"key file {path}: expected {MIN_KEY_BYTES} to {_MAX_KEY_BYTES} bytes, "
            f"got {min(len(master), _MAX_KEY_BYTES + 1)}"
        )
    if len(set(master)) < 8:  # 32 random bytes have fewer with a chance below 1e-36
        raise KeyFileError(f"key file {path}: the bytes are not random")
    return Keyring(master)


def _open_without_waiting(path: str, flags: int) -> int:
    """Open a file; a named pipe without a writer would else be waited for, for ever."""
    return os.open(path, flags | os.O_NONBLOCK)


def generate_key(path: str | Path) -> Keyring:
    """Write a new random key with mode 0600; never overwrite one.

    Raises:
        KeyFileError: The file exists or its folder does not.
    """
    master = os.urandom(MIN_KEY_BYTES)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise KeyFileError(f"key file {path}: {error.strerror}") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(master)
        file.flush()
        os.fsync(file.fileno())
    return Keyring(master)
