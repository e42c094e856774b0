# SPDX-License-Identifier: Apache-2.0
"""Inclusion proofs: show one row to somebody who knows only the root of a release.

A proof holds the rows of one document, their salts and their audit paths. Checking it takes the
standard library: `examples/check_proof.py` does in twenty lines what `check_proof` does here, and
a test holds them to the same answers.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..schemas.errors import InputError, IntegrityError, QueryError
from ..transforms.leaves import ROOTED, TAG_BYTES, leaves_of, salts_of
from ..transforms.merkle import LEAF, inclusion_path, root_of_path, sort_leaves
from .roots import keys_of
from .verify_roots import stored_leaves

if TYPE_CHECKING:
    from ..schemas.fields import TableSpec
    from ..transforms.keys import Keyring
    from .release import Release

PROOF_FORMAT = "muniment-proof-1"

_ID = re.compile(r"[0-9a-f]{32}")
_PROOF_LIMIT = 16 << 20
_FIXED = {
    "bool": "<B",
    "int16": "<h",
    "int32": "<i",
    "int64": "<q",
    "uint16": "<H",
    "uint32": "<I",
    "uint64": "<Q",
    "float": "<f",
    "date32[day]": "<i",
    "timestamp[ms, tz=UTC]": "<q",
}
"""How a value of a type is packed; other types are text, or bytes of a fixed width."""


def prove_rows(release: Release, table: str, doc_id: str, keyring: Keyring) -> dict[str, Any]:
    """Prove that the rows of a document are those of a release.

    Args:
        release: The release; what is read of it is proved first.
        table: A table with a root.
        doc_id: Id of the document, 32 hexadecimal digits.
        keyring: Key of the release.

    Returns:
        The proof, as JSON has it.

    Raises:
        QueryError: The id is malformed, or no row of the table has it.
        IntegrityError: The release is not what its manifest says.
    """
    spec = next(spec for spec in ROOTED if spec.name == table)
    if not _ID.fullmatch(doc_id):
        raise QueryError(
            f"expected a document id of 32 hexadecimal digits, got {len(doc_id)} characters"
        )
    keys = keys_of(release.manifest, keyring, table)
    rows = _rows_of(release, spec, bytes.fromhex(doc_id))
    if not len(rows):
        raise QueryError(f"no row of table {table} in release {release.id} has this document id")
    stored = stored_leaves(release, table)
    if stored is None:
        raise IntegrityError(f"release {release.id} has no leaves of table {table}")
    leaves = sort_leaves(stored)
    salted, salts = leaves_of(spec, rows, keys).salted, salts_of(spec, rows, keys)
    root = release.manifest["roots"]["tables"][table]["salted"]
    proof = {
        "format": PROOF_FORMAT,
        "release": release.id,
        "table": table,
        "leaves": len(leaves),
        "root": root,
        "columns": [[field.name, str(field.type)] for field in spec.arrow()],
        "rows": [
            {
                "values": _values(rows.slice(row, 1)),
                "salt": salts[row].tobytes().hex(),
                "index": index,
                "path": [step.hex() for step in inclusion_path(leaves, index)],
            }
            for row, index in enumerate(_find(leaves, digest.tobytes()) for digest in salted)
        ],
    }
    fault = check_proof(proof, root)
    if fault:
        raise IntegrityError(f"release {release.id}, table {table}: {fault}; run `muniment verify`")
    return proof


def _rows_of(release: Release, spec: TableSpec, doc_id: bytes) -> pa.Table:
    parts = []
    for item in release.files(spec.name):
        if damage := release.damage(item):
            raise IntegrityError(f"{item.path}: {damage}; run `muniment verify`")
        with release.content(item) as place:
            wanted = pc.field("doc_id") == pa.scalar(doc_id, pa.binary(16))
            parts.append(pq.read_table(place, filters=wanted))
    return pa.concat_tables(parts).combine_chunks()


def _find(leaves: Any, digest: bytes) -> int:
    """Return the place of a leaf among sorted ones; 0 where it is none, which the check refuses."""
    wanted = np.frombuffer(digest, np.uint8)
    found = np.flatnonzero((leaves[:, :8] == wanted[:8]).all(axis=1))
    matches = [int(place) for place in found if (leaves[place] == wanted).all()]
    return matches[0] if matches else 0


def _values(row: pa.Table) -> list[Any]:
    """Return the values of one row: numbers as they are stored, bytes in hexadecimal."""
    stored = {pa.date32(): pa.int32(), pa.timestamp("ms", "UTC"): pa.int64()}
    values = [
        column.cast(stored.get(column.type, column.type))[0].as_py() for column in row.columns
    ]
    return [value.hex() if isinstance(value, bytes) else value for value in values]


def read_proof(path: Path) -> dict[str, Any]:
    """Read a proof.

    Raises:
        InputError: The file is no proof.
    """
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(_PROOF_LIMIT))
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or content.get("format") != PROOF_FORMAT:
        raise InputError(f"{path}: expected a proof of format {PROOF_FORMAT}")
    return content


def check_proof(proof: Mapping[str, Any], root: str) -> str | None:
    """Check a proof against a root.

    Args:
        proof: What `prove_rows` returned; nothing of it is trusted.
        root: The root that was published, 64 hexadecimal digits.

    Returns:
        What is wrong, or None.
    """
    try:
        lines = [proof["table"], *(f"{name} {kind}" for name, kind in proof["columns"])]
        tag = hashlib.sha256("\n".join(lines).encode()).digest()[:TAG_BYTES]
        kinds = [kind for _, kind in proof["columns"]]
        for number, row in enumerate(proof["rows"]):
            encoded = b"".join(
                _encode(value, kind) for value, kind in zip(row["values"], kinds, strict=True)
            )
            said = bytes([LEAF]) + bytes.fromhex(row["salt"]) + tag + encoded
            leaf = hashlib.sha256(said).digest()
            path = [bytes.fromhex(step) for step in row["path"]]
            reached = root_of_path(leaf, row["index"], proof["leaves"], path)
            if reached is None or reached.hex() != root.lower():
                return f"row {number} is not under this root"
        return None if proof["rows"] else "it holds no row"
    except (KeyError, TypeError, ValueError, AttributeError, struct.error, OverflowError):
        return "it is malformed"


def _encode(value: Any, kind: str) -> bytes:
    if value is None:
        return b"\0"
    if kind in _FIXED:
        return b"\1" + struct.pack(_FIXED[kind], value)
    if kind.startswith("fixed_size_binary"):
        return b"\1" + bytes.fromhex(value)
    text = value.encode()
    return b"\1" + struct.pack("<I", len(text)) + text
