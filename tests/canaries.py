# SPDX-License-Identifier: Apache-2.0
"""Canaries: values that are found again wherever they leak to, and the search for them.

`Canaries` makes them (deterministic, each one once), `leaks` looks for them in every file of a
folder: in the raw bytes, in decompressed streams, in every string or binary value of Parquet and
Arrow files, and behind escapes. Plain digests of personal data count as leaks: whoever has a list
of telephone numbers can turn them back.
"""

from __future__ import annotations

import hashlib
import html
import io
import random
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

_RESIDENT_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # GB 11643-1999
_START, _STEP = 8, 1 << 20


@dataclass
class Canaries:
    """A source of canaries that remembers what it gave.

    Args:
        seed: Equal seeds give equal canaries.
    """

    seed: int = 0
    words: list[str] = field(default_factory=list)
    personal: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def _letters(self, count: int) -> str:
        return "".join(self._random.choices("bcdfghjklmnpqrstvwxyz", k=count))

    def word(self) -> str:
        """Return a word that no text holds by chance."""
        self.words.append("qx" + self._letters(12))
        return self.words[-1]

    def name(self) -> str:
        """Return a first and a last name."""
        first, last = self.word(), self.word()
        return f"{first.capitalize()} {last.capitalize()}"

    def email(self) -> str:
        """Return an e-mail address; its local part is the canary."""
        self.personal.append("qx" + self._letters(10))
        return f"{self.personal[-1]}@university-mail.org"

    def phone(self) -> str:
        """Return a Chinese mobile number."""
        return self._number("138" + self._digits(8))

    def card(self) -> str:
        """Return a card number with a right Luhn digit."""
        body = "4539" + self._digits(11)
        total = sum(sum(divmod(int(c) * (2 - n % 2), 10)) for n, c in enumerate(body))
        return self._number(body + str(-total % 10))

    def resident(self) -> str:
        """Return a Chinese resident number with a right check digit (ISO 7064)."""
        body = (
            f"11010119{self._random.randint(60, 99)}0{self._random.randint(1, 9)}1{self._digits(1)}"
        )
        body += f"{self._digits(3)}"
        total = sum(w * int(c) for w, c in zip(_RESIDENT_WEIGHTS, body, strict=True))
        return self._number(body + "10x98765432"[total % 11].upper())

    def _digits(self, count: int) -> str:
        return "".join(self._random.choices("0123456789", k=count))

    def _number(self, value: str) -> str:
        self.personal.append(value.lower())
        return value


class Search:
    """A search for some canaries.

    Args:
        canaries: What to look for, in lower case.
        digests: Values whose plain digests are looked for too.
    """

    def __init__(self, canaries: list[str], digests: list[str] = ()) -> None:  # type: ignore[assignment]
        needles = {value.encode() for value in canaries}
        needles |= {value.encode("utf-16-le") for value in canaries}
        self._names = {needle: needle for needle in needles}
        for value in digests:
            for algorithm in ("md5", "sha1", "sha256"):
                digest = hashlib.new(algorithm, value.encode())
                name = f"{algorithm} of {value}".encode()
                self._names |= {digest.digest().lower(): name, digest.hexdigest().encode(): name}
        self._by_start: dict[int, list[bytes]] = {}
        for needle in self._names:
            assert len(needle) >= _START, "a canary this short is found by chance"
            self._by_start.setdefault(int.from_bytes(needle[:_START]), []).append(needle)
        self._starts = np.array(sorted(self._by_start), np.uint64)

    def within(self, data: bytes) -> set[str]:
        """Return the canaries in some bytes.

        Their first bytes are looked up at every place at once: an expression of 10^5 alternatives
        would be read a hundred times slower.
        """
        data = data.lower()
        found: set[bytes] = set()
        for at in range(0, max(0, len(data) - _START + 1), _STEP):
            block = np.frombuffer(data[at : at + _STEP + _START - 1], np.uint8)
            size = len(block) - _START + 1
            keys = np.zeros(size, np.uint64)
            for place in range(_START):
                keys = (keys << np.uint64(8)) | block[place : place + size]
            known = np.searchsorted(self._starts, keys).clip(max=max(0, len(self._starts) - 1))
            hits = np.flatnonzero(self._starts[known] == keys) if len(self._starts) else ()
            for hit in hits:
                for needle in self._by_start[int(keys[hit])]:
                    if data.startswith(needle, at + int(hit)):
                        found.add(self._names[needle])
        return {name.replace(b"\0", b"").decode() for name in found}

    def leaks(self, folder: Path, *, but: tuple[str, ...] = ()) -> dict[str, set[str]]:
        """Return the canaries in each file below a folder, by path; nothing for clean files.

        Args:
            folder: Where to look; names of files and folders are looked at too.
            but: Globs of paths to leave out.
        """
        found = {}
        for path in sorted(folder.rglob("*")):
            if any(path.relative_to(folder).match(pattern) for pattern in but):
                continue
            seen = self.within(path.name.encode())
            if path.is_file():
                for view in views(path.name, path.read_bytes()):
                    seen |= self.within(view)
            if seen:
                found[str(path.relative_to(folder))] = seen
        return found


def views(name: str, data: bytes) -> Iterator[bytes]:
    """Yield the bytes of a file, and what is inside if it is a container."""
    yield data
    if name.endswith(".zst"):
        yield zstandard.ZstdDecompressor().stream_reader(data).read()
    elif name.endswith(".gz"):
        yield zlib.decompressobj(wbits=31).decompress(data)  # as far as it goes
    elif data[:4] == b"PAR1" and data[-4:] == b"PAR1":
        yield _table_bytes(pq.read_table(io.BytesIO(data)))
    elif data[:6] == b"ARROW1":
        yield _table_bytes(pa.ipc.open_file(data).read_all())
    else:
        text = data.decode("utf-8", "replace")
        yield html.unescape(text).encode()
        if "\\u" in text:
            # Not `unicode_escape`: it complains of what is no escape, such as a pattern's `\\d`.
            yield _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text).encode("utf-8", "replace")


_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")


def _table_bytes(table: pa.Table) -> bytes:
    pieces = [str(table.schema.metadata).encode(), *(name.encode() for name in table.column_names)]
    for column in table.columns:
        for chunk in column.chunks:
            pieces += _values(chunk)
    return b"\0".join(pieces)


def _values(array: pa.Array) -> list[bytes]:
    """Return every string and binary value in an array, nested ones included."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        return _values(array.dictionary)
    if pa.types.is_struct(kind):
        return [value for child in array.flatten() for value in _values(child)]
    if pa.types.is_nested(kind):
        return _values(array.flatten())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return [value.encode() for value in array.drop_null().to_pylist()]
    is_binary = pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind)
    return array.drop_null().to_pylist() if is_binary or pa.types.is_large_binary(kind) else []
