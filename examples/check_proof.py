# SPDX-License-Identifier: Apache-2.0  # noqa: INP001  (a script)
"""Check a proof of `muniment prove` with nothing but Python: python check_proof.py PROOF ROOT."""

import hashlib
import json
import struct
import sys

PACKED = {"bool": "B", "int16": "h", "int32": "i", "int64": "q", "uint16": "H", "uint32": "I"}
PACKED |= {"uint64": "Q", "float": "f", "date32[day]": "i", "timestamp[ms, tz=UTC]": "q"}


def encode(value, kind):
    """Return the bytes of one value: 0 for null, else 1 and the value."""
    if value is None:
        return b"\0"
    if kind in PACKED:
        return b"\1" + struct.pack("<" + PACKED[kind], value)
    if kind.startswith("fixed_size_binary"):
        return b"\1" + bytes.fromhex(value)
    return b"\1" + struct.pack("<I", len(value.encode())) + value.encode()


def is_under(proof, root):
    """Tell whether every row of a proof is a leaf under a root."""
    columns = [f"{name} {kind}" for name, kind in proof["columns"]]
    tag = hashlib.sha256("\n".join([proof["table"], *columns]).encode()).digest()[:16]
    kinds = [kind for _, kind in proof["columns"]]
    for row in proof["rows"]:
        encoded = b"".join(map(encode, row["values"], kinds))
        node = hashlib.sha256(b"\0" + bytes.fromhex(row["salt"]) + tag + encoded).digest()
        index, last = row["index"], proof["leaves"] - 1
        for step in map(bytes.fromhex, row["path"]):
            while not index & 1 and index == last and last:  # no sibling here: up unchanged
                index, last = index >> 1, last >> 1
            pair = step + node if index & 1 else node + step
            node = hashlib.sha256(b"\1" + pair).digest()
            index, last = index >> 1, last >> 1
        if last or node.hex() != root:
            return False
    return bool(proof["rows"])


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        sys.exit(0 if is_under(json.load(file), sys.argv[2]) else "not under this root")
