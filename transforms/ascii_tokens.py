# SPDX-License-Identifier: Apache-2.0
"""Tokens of ASCII text, 64 bytes at a time; what they are says `tokens`.

Where words begin and end is read off a mask with a bit for each byte, so finding the next one waits
neither for the text before it nor for a branch that nobody can foresee: the length of a word.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from .buffers import bits_set, load_word, trailing_zeros
from .hashing import sip_round, sip_start

_BLOCK = 64
_REACH = _BLOCK + 8  # bytes that may be looked at: a word may be loaded from any place of a block
_MOST = _BLOCK // 2  # tokens of a block: there is a byte between two
_MASK = ir.IntType(64)
_BYTES = ir.VectorType(ir.IntType(8), _BLOCK)


@intrinsic
def _masks(typingctx: Any, data: Any, index: Any) -> Any:  # noqa: ARG001
    """Return which of the 64 bytes at a place are ASCII word characters, and which are not ASCII."""

    def every(value: int) -> Any:
        return ir.Constant(_BYTES, [value] * _BLOCK)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, args[0])
        place = builder.bitcast(builder.gep(array.data, [args[1]]), _BYTES.as_pointer())
        text = builder.load(place, align=1)
        lowered = builder.or_(text, every(0x20))
        letter = builder.icmp_unsigned("<", builder.sub(lowered, every(ord("a"))), every(26))
        digit = builder.icmp_unsigned("<", builder.sub(text, every(ord("0"))), every(10))
        underscore = builder.icmp_unsigned("==", text, every(ord("_")))
        word = builder.or_(builder.or_(letter, digit), underscore)
        wide = builder.icmp_signed("<", text, every(0))
        masks = [builder.bitcast(bits, _MASK) for bits in (word, wide)]
        return context.make_tuple(builder, signature.return_type, masks)

    return types.UniTuple(types.uint64, 2)(data, types.intp), codegen


@njit(cache=True, nogil=True)
def absorb(v0: Any, v1: Any, v2: Any, v3: Any, word: Any) -> Any:
    """Take 8 bytes of a token into the state of its hash."""
    v3 ^= word
    v0, v1, v2, v3 = sip_round(v0, v1, v2, v3)
    v0 ^= word
    return v0, v1, v2, v3


@njit(cache=True, nogil=True)
def finish(v0: Any, v1: Any, v2: Any, v3: Any, tail: Any) -> Any:
    """Return the hash of a token from its state and what is left of it, its length on top."""
    v0, v1, v2, v3 = absorb(v0, v1, v2, v3, tail)
    v2 ^= np.uint64(0xFF)
    for _ in range(3):
        v0, v1, v2, v3 = sip_round(v0, v1, v2, v3)
    return v0 ^ v1 ^ v2 ^ v3


@njit(cache=True, nogil=True)
def _start(data: Any, position: int, size: int, length: int) -> Any:
    """Return `size` bytes of a token, up to 7, in lower case, and its length in the top byte."""
    ones = np.uint64(0x0101010101010101)
    text = load_word(data, position) & ((np.uint64(1) << np.uint64(8 * size)) - np.uint64(1))
    return _lower(text, ones) | np.uint64(length) << np.uint64(56)


@njit(cache=True, nogil=True)
def _lower(text: Any, ones: Any) -> Any:
    """Lower the case of word characters, and of nothing else but zeros.

    A to Z alone have bit 6 and, with one added, not bit 5: an underscore has both.
    """
    capital = text & (ones << np.uint64(6)) & ~((text + ones) << np.uint64(1))
    return text | capital >> np.uint64(1)


@njit(cache=True, nogil=True)
def _hash(data: Any, position: int, length: int, k0: Any, k1: Any) -> Any:
    """Return the code of a token of 8 bytes or more."""
    ones = np.uint64(0x0101010101010101)
    v0, v1, v2, v3 = sip_start(k0, k1)
    left = length
    while left >= 8:
        v0, v1, v2, v3 = absorb(v0, v1, v2, v3, _lower(load_word(data, position), ones))
        position += 8
        left -= 8
    return finish(v0, v1, v2, v3, _start(data, position, left, length)) | np.uint64(1 << 63)


@njit(cache=True, nogil=True)
def fill_ascii(data: Any, position: int, end: int, k0: Any, k1: Any, out: Any, count: int) -> Any:
    """Write the codes of ASCII tokens from `position` on to `out[count:]`, as far as it is easy.

    It stops before a token that no ASCII break ends, a character that is not ASCII, the last bytes
    of `data` and where `out` may not have room.

    Returns:
        (tokens now in `out`, position to go on from).
    """
    one = np.uint64(1)
    while position < end and position + _REACH <= len(data) and count + _MOST <= len(out):
        words, wide = _masks(data, position)
        if end - position < _BLOCK:  # what is behind the text ends its last token
            inside = (one << np.uint64(end - position)) - one
            words &= inside
            wide &= inside
        ascii_only = ~wide & (wide - one)  # up to the first byte that is not
        words &= ascii_only
        starts = words & ~(words << one)
        stops = ~words & (words << one) & ascii_only
        whole = bits_set(stops)
        long = words & (words >> one)  # where eight word characters begin
        long &= long >> np.uint64(2)
        long &= starts & (long >> np.uint64(4))
        rest = starts
        for token in range(count, count + whole):
            first = trailing_zeros(rest)
            length = trailing_zeros(stops) - first
            rest &= rest - one
            stops &= stops - one
            out[token] = _start(data, position + first, length & 7, length)
        if rest:
            long &= (rest & ~rest + one) - one
        while long:
            first = trailing_zeros(long)
            token = count + bits_set(starts & ((one << np.uint64(first)) - one))
            length = trailing_zeros(~words >> np.uint64(first))
            out[token] = _hash(data, position + first, length, k0, k1)
            long &= long - one
        count += whole
        if rest:
            first = trailing_zeros(rest)
            position += first
            if wide or not first:
                break
        elif wide:
            position += trailing_zeros(wide)
            break
        else:
            position += _BLOCK
    return count, min(position, end)
