# SPDX-License-Identifier: Apache-2.0
"""The memory of Arrow text as compiled kernels see it: bytes, offsets, characters, tables.

Words are read and written as the machine holds them: little-endian machines only, as Arrow's own
buffers are on x86-64 and ARM64.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

UInt64Array = npt.NDArray[np.uint64]
BoolArray = npt.NDArray[np.bool_]


class TextBuffers(NamedTuple):
    """The memory of a string or binary array, in the one form that the compiled kernels take.

    Attributes:
        data: uint8, the values' bytes (of the parent buffer: not cut to the slice), read-only.
        offsets: int64[n + 1], value i is `data[offsets[i]:offsets[i + 1]]`.
        valid: bool[n], False where the value is null.
    """

    data: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]
    valid: BoolArray


def text_buffers(texts: pa.Array | pa.ChunkedArray) -> TextBuffers:
    """Expose the buffers of a string or binary array without copying its bytes.

    Args:
        texts: string, large_string, binary or large_binary; slices and nulls are fine. Other
            layouts (fixed size binary, views, dictionaries, chunks) are converted first.

    Returns:
        The bytes, the offsets as int64 and the validity.

    Raises:
        TypeError: The array holds something other than strings or bytes.
    """
    if isinstance(texts, pa.ChunkedArray):
        texts = pa.concat_arrays(texts.chunks) if texts.num_chunks else pa.array([], texts.type)
    kind = texts.type
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        width: type[np.signedinteger[Any]] = np.int32
    elif pa.types.is_large_string(kind) or pa.types.is_large_binary(kind):
        width = np.int64
    else:
        try:
            return text_buffers(texts.cast(pa.large_binary()))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            message = f"expected an array of strings or bytes, got {kind}; cast it to pa.string()"
            raise TypeError(message) from None
    _, offset_buffer, data_buffer = texts.buffers()
    n = len(texts)
    if n == 0:
        offsets = np.zeros(1, np.int64)
    else:
        raw = np.frombuffer(offset_buffer, width)
        offsets = raw[texts.offset : texts.offset + n + 1].astype(np.int64)
    if data_buffer is None or data_buffer.size == 0:
        data = np.zeros(0, np.uint8)
    else:
        data = np.frombuffer(data_buffer, np.uint8)
    # Arrow memory may or may not be writable, and Numba compiles each kind apart: show one kind.
    data.flags.writeable = False
    if texts.null_count:
        valid = np.asarray(texts.is_valid().to_numpy(zero_copy_only=False))
    else:
        valid = np.ones(n, np.bool_)
    return TextBuffers(data, offsets, valid)


@intrinsic
def _load_word(typingctx: Any, data: Any, index: Any) -> Any:  # noqa: ARG001
    """Read 8 bytes of a uint8 array from any position as one little-endian uint64, unchecked."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, args[0])
        position = builder.gep(array.data, [args[1]])
        word = builder.bitcast(position, ir.IntType(64).as_pointer())
        return builder.load(word, align=1)

    return types.uint64(data, types.intp), codegen


@intrinsic
def _store_word(typingctx: Any, data: Any, index: Any, word: Any) -> Any:  # noqa: ARG001
    """Write a uint64 to 8 bytes of a uint8 array, lowest byte first, unchecked."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, args[0])
        position = builder.gep(array.data, [args[1]])
        target = builder.bitcast(position, ir.IntType(64).as_pointer())
        builder.store(args[2], target, align=1)
        return context.get_dummy_value()

    return types.void(data, types.intp, types.uint64), codegen


@njit(cache=True, nogil=True)
def load_tail(data: Any, index: int, end: int) -> Any:
    """Read up to 8 bytes before `end` as one little-endian uint64; what is missing is zero."""
    word = np.uint64(0)
    for i in range(min(end - index, 8)):
        word |= np.uint64(data[index + i]) << np.uint64(8 * i)
    return word


@njit(cache=True, nogil=True)
def bits_set(word: Any) -> Any:
    """Count the bits of a word (compiled to the processor's instruction where it has one)."""
    pairs = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    fours = (pairs & np.uint64(0x3333333333333333)) + (
        (pairs >> np.uint64(2)) & np.uint64(0x3333333333333333)
    )
    bytes_ = (fours + (fours >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((bytes_ * np.uint64(0x0101010101010101)) >> np.uint64(56))


@intrinsic
def _trailing_zeros(typingctx: Any, word: Any) -> Any:  # noqa: ARG001
    """Count the zero bits below the lowest one bit of a uint64 (64 for zero), as int64."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), codegen


# Compiled code calls them without the typing context, which a type checker cannot know.
load_word: Any = _load_word
store_word: Any = _store_word
trailing_zeros: Any = _trailing_zeros


@njit(cache=True, nogil=True)
def load(data: Any, position: int, end: int) -> Any:
    """Read the 8 bytes at `position` as `load_word` does, zero from `end` on."""
    return load_word(data, position) if position + 8 <= end else load_tail(data, position, end)


@njit(cache=True, nogil=True)
def decode(data: Any, position: int, end: int) -> Any:
    """Return (code point, bytes); malformed UTF-8 (Unicode 3.9, D92) is (-1, 1)."""
    first = np.int64(data[position])
    if first < 0x80:
        return first, 1
    if first < 0xE0:
        if first < 0xC2 or position + 1 >= end or data[position + 1] & 0xC0 != 0x80:
            return -1, 1
        return (first & 0x1F) << 6 | np.int64(data[position + 1] & 0x3F), 2
    if first < 0xF0:
        if position + 2 >= end:
            return -1, 1
        second, third = np.int64(data[position + 1]), np.int64(data[position + 2])
        code = (first & 0x0F) << 12 | (second & 0x3F) << 6 | third & 0x3F
        good = second & 0xC0 == 0x80 and third & 0xC0 == 0x80
        if not good or code < 0x800 or 0xD800 <= code <= 0xDFFF:
            return -1, 1
        return code, 3
    if position + 3 >= end:
        return -1, 1
    second, third = np.int64(data[position + 1]), np.int64(data[position + 2])
    fourth = np.int64(data[position + 3])
    code = (first & 0x0F) << 18 | (second & 0x3F) << 12 | (third & 0x3F) << 6 | fourth & 0x3F
    good = second & 0xC0 == 0x80 and third & 0xC0 == 0x80 and fourth & 0xC0 == 0x80
    if not good or code < 0x10000 or code > 0x10FFFF:
        return -1, 1
    return code, 4


class CharacterTables(NamedTuple):
    """A number for every code point, in two stages, as the kernels take it.

    Attributes:
        stage1: uint16[0x1100], code point >> 8 to a block number.
        stage2: uint32[blocks * 256], block * 256 + (code point & 255) to an entry.
    """

    stage1: npt.NDArray[np.uint16]
    stage2: npt.NDArray[np.uint32]


CODE_POINTS = 0x110000


def build_tables(entries: npt.NDArray[np.uint32]) -> CharacterTables:
    """Store a number for every code point in two stages: equal blocks of 256 once.

    Args:
        entries: uint32[0x110000], by code point.

    Returns:
        The tables.
    """
    blocks: dict[bytes, int] = {}
    rows = entries.reshape(-1, 256)
    stage1 = [blocks.setdefault(row.tobytes(), len(blocks)) for row in rows]
    return CharacterTables(np.array(stage1, np.uint16), np.frombuffer(b"".join(blocks), np.uint32))


@cache
def changing_characters() -> list[str]:
    """Return every character that can have case, a combining class or a decomposition.

    Planes 2 and 3 hold Han, of which compatibility ideographs decompose; planes 4 to 13 hold
    nothing, 15 and 16 are private use.
    """
    return list(map(chr, (*range(0x20000), *range(0x2F800, 0x30000), *range(0xE0000, 0xE1000))))
