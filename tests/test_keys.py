# SPDX-License-Identifier: Apache-2.0
"""The secret key: refused when weak or readable by others, never shown, one key a purpose."""

import hashlib
import os
import pickle
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from muniment.schemas.errors import KeyFileError, UserError
from muniment.transforms.keys import MIN_KEY_BYTES, Keyring, generate_key, load_key

GOOD = bytes(range(64, 96))


def key_file(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = folder / "key"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_a_generated_key_loads_and_has_mode_0600_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        made = generate_key(tmp_path / "key")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert (tmp_path / "key").stat().st_size == MIN_KEY_BYTES
    assert load_key(tmp_path / "key") == made


def test_generating_never_overwrites_a_key(tmp_path: Path) -> None:
    path = key_file(tmp_path, GOOD)
    with pytest.raises(KeyFileError, match="exists"):
        generate_key(path)
    assert path.read_bytes() == GOOD
    with pytest.raises(KeyFileError):
        generate_key(tmp_path / "no such folder" / "key")


def test_two_generated_keys_differ(tmp_path: Path) -> None:
    assert generate_key(tmp_path / "a").master != generate_key(tmp_path / "b").master


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_key_that_only_its_owner_can_read_is_accepted(tmp_path: Path, mode: int) -> None:
    assert load_key(key_file(tmp_path, GOOD, mode)).master == GOOD


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o660, 0o601, 0o777])
def test_a_key_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(KeyFileError, match=f"{mode:04o}.*chmod 600"):
        load_key(key_file(tmp_path, GOOD, mode))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "got 0"),
        (GOOD[:31], "got 31"),
        (bytes(5000), "got 4097"),
        (bytes(32), "not random"),
        (b"\xff" * 32, "not random"),
        (b"0" * 64, "not random"),
        (b"changeme" * 4, "not random"),
    ],
    ids=["empty", "short", "long", "zeros", "ones", "example constant", "example word"],
)
def test_a_weak_key_is_refused_and_the_message_does_not_show_it(
    tmp_path: Path, content: bytes, expected: str
) -> None:
    path = key_file(tmp_path, content)
    with pytest.raises(KeyFileError, match=expected) as caught:
        load_key(path)
    assert isinstance(caught.value, UserError)
    assert caught.value.exit_code == 2
    message = str(caught.value)
    assert str(path) in message
    assert not content or content.hex() not in message
    assert not content or content.decode("latin-1") not in message


def test_a_missing_key_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="muniment keygen"):
        load_key(tmp_path / "nowhere")


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError):
        load_key(tmp_path)
    with pytest.raises(KeyFileError, match="regular file"):
        load_key("/dev/zero")
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(KeyFileError, match="regular file"):
        load_key(tmp_path / "pipe")


def test_the_key_is_never_shown_by_repr_or_str() -> None:
    keyring = Keyring(GOOD)
    for shown in (repr(keyring), str(keyring), f"{keyring}"):
        assert GOOD.decode() not in shown
        assert GOOD.hex() not in shown
        assert "master" not in shown


def test_the_public_name_of_a_key_is_as_documented() -> None:
    assert Keyring(GOOD).key_id == hashlib.sha256(b"id" + GOOD).digest()[:8]
    assert Keyring(GOOD).key_id != Keyring(GOOD[::-1]).key_id


def test_each_purpose_has_its_own_key_by_hkdf() -> None:
    keyring = Keyring(GOOD)
    derived = {
        purpose: keyring.derive(purpose)
        for purpose in ("text-hash/v1", "url-hash/v1", "shingle/v1")
    }
    assert len(set(derived.values())) == 3
    assert GOOD[:16] not in derived.values()
    assert keyring.key_id not in derived.values()
    expected = HKDF(hashes.SHA256(), 16, None, b"muniment/text-hash/v1").derive(GOOD)
    assert derived["text-hash/v1"] == expected
    assert len(keyring.derive("pii-link/v1", 32)) == 32
    assert pickle.loads(pickle.dumps(keyring)).derive("shingle/v1") == derived["shingle/v1"]
