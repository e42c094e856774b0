# SPDX-License-Identifier: Apache-2.0
"""Read the few numbers of a Parquet footer that must be known before a library parses it.

Parsers recurse along the schema: a footer of a few hundred kilobytes that nests 50,000 groups ends
the process (measured with pyarrow 25), and one of 5,000 takes minutes. So the shape of the schema
is measured here first, without recursion, from the Thrift compact encoding (parquet-format's
`parquet.thrift` and Thrift's `thrift-compact-protocol.md`).
"""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator
from typing import NamedTuple

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)

# Field numbers in parquet.thrift.
_FILE_SCHEMA = 2
_ELEMENT_CHILDREN = 5
_PAGE_UNCOMPRESSED, _PAGE_COMPRESSED = 2, 3

# Structures of a footer nest four levels; a deeper one is no footer.
_MAX_STRUCT_DEPTH = 16


class _Compact:
    """A cursor over Thrift compact data; raises `ValueError` or `IndexError` on nonsense."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._pos = 0

    @property
    def position(self) -> int:
        """Bytes read so far."""
        return self._pos

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._data[self._pos]
            self._pos += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise ValueError

    def integer(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def fields(self) -> Iterator[tuple[int, int]]:
        """Yield `(field number, type)` of a struct; the caller takes or skips each value."""
        number = 0
        while True:
            byte = self._data[self._pos]
            self._pos += 1
            if byte == 0:
                return
            number = number + (byte >> 4) if byte >> 4 else self.integer()
            yield number, byte & 0x0F

    def list_header(self) -> tuple[int, int]:
        """Return `(size, element type)`; each element has a byte at least."""
        byte = self._data[self._pos]
        self._pos += 1
        size = byte >> 4
        if size == 15:
            size = self._varint()
        if size > len(self._data) - self._pos:
            raise ValueError
        return size, byte & 0x0F

    def skip(self, kind: int, depth: int = 0) -> None:
        """Step over one value."""
        if depth > _MAX_STRUCT_DEPTH:
            raise ValueError
        if kind in (_I16, _I32, _I64):
            self._varint()
        elif kind == _BYTE:
            self._pos += 1
        elif kind == _DOUBLE:
            self._pos += 8
        elif kind == _BINARY:
            length = self._varint()
            self._pos += length
        elif kind in (_LIST, _SET):
            size, element = self.list_header()
            for _ in range(size):
                # Unlike a field, a boolean in a list takes a byte.
                self.skip(_BYTE if element in (_TRUE, _FALSE) else element, depth + 1)
        elif kind == _STRUCT:
            for _, inner in self.fields():
                self.skip(inner, depth + 1)
        elif kind not in (_TRUE, _FALSE):
            raise ValueError


_EXTENSION = b"ARROW:extension:name"


def _base64_shapes(needle: bytes) -> tuple[bytes, ...]:
    """Return what `needle` looks like inside base64, at each of its three alignments."""
    shapes = []
    for before in range(3):
        text = base64.b64encode(bytes(before) + needle)
        # The first and last characters also hold bits of the neighbours.
        first = -(-before * 8 // 6)
        last = (before + len(needle)) * 8 // 6
        shapes.append(text[first:last])
    return tuple(shapes)


_EXTENSION_SHAPES = (_EXTENSION, *_base64_shapes(_EXTENSION))


def has_extension_type(footer: bytes) -> bool:
    """Return whether the Arrow schema in a footer names an extension type.

    The schema is base64 text somewhere in the footer. It is searched, not parsed: already opening
    the file with pyarrow, even for its metadata only, runs the registered types' own code
    (measured with pyarrow 25).
    """
    return any(shape in footer for shape in _EXTENSION_SHAPES)


def schema_shape(footer: bytes, most: int) -> tuple[int, int]:
    """Return `(elements, depth)` of the schema in a footer, counting at most `most` elements.

    Args:
        footer: The Thrift compact bytes of `FileMetaData`.
        most: Elements after which counting stops, so that a hostile footer costs little.

    Raises:
        ValueError: This is no footer.
    """
    cursor = _Compact(footer)
    try:
        for number, kind in cursor.fields():
            if number == _FILE_SCHEMA and kind == _LIST:
                return _measure(cursor, most)
            cursor.skip(kind)
    except IndexError:
        pass
    raise ValueError


def _measure(cursor: _Compact, most: int) -> tuple[int, int]:
    size, _ = cursor.list_header()
    open_children: list[int] = []
    deepest = 0
    for _ in itertools.repeat(None, min(size, most)):
        children = 0
        for number, kind in cursor.fields():
            if number == _ELEMENT_CHILDREN and kind == _I32:
                children = cursor.integer()
            else:
                cursor.skip(kind)
        deepest = max(deepest, len(open_children))
        if open_children:
            open_children[-1] -= 1
        if children > 0:
            open_children.append(children)
        while open_children and open_children[-1] == 0:
            open_children.pop()
    return size, deepest


class PageSizes(NamedTuple):
    """Sizes that a page header claims (bytes).

    Attributes:
        header: The header itself.
        uncompressed: The page.
        compressed: The page as it is stored.
    """

    header: int
    uncompressed: int
    compressed: int


def page_sizes(header: bytes) -> PageSizes:
    """Return the sizes that a page header claims.

    Args:
        header: The first bytes of the page, 128 or more.

    Raises:
        ValueError: This is no page header.
    """
    cursor = _Compact(header)
    sizes = {}
    try:
        for number, kind in cursor.fields():
            if number in (_PAGE_UNCOMPRESSED, _PAGE_COMPRESSED) and kind == _I32:
                sizes[number] = cursor.integer()
            else:
                cursor.skip(kind)
        return PageSizes(cursor.position, sizes[_PAGE_UNCOMPRESSED], sizes[_PAGE_COMPRESSED])
    except (IndexError, KeyError):
        raise ValueError from None
