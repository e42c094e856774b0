# SPDX-License-Identifier: Apache-2.0
"""SHA-256 blocks by the processor's own instructions, for kernels; x86 with SHA extensions only.

Four rounds are three instructions; the plain kernel of `sha256` takes six times as long. Numba
has no names for them, so the steps are given to LLVM by hand, in the order of the reference below.

Source: Intel SHA Extensions, white paper of July 2013, section "SHA256 flow".
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .processor import has_features

_WORDS = ir.VectorType(ir.IntType(32), 4)
_WORDS_POINTER = _WORDS.as_pointer()
_BYTES = ir.IntType(8).as_pointer()
_LONG = ir.IntType(64)
_NAME = "muniment_sha256_blocks"


def has_instructions() -> bool:
    """Return whether compiled code of this process may use them."""
    return has_features("sha", "sse4.1")


@intrinsic
def fold_blocks(_context: Any, state: Any, data: Any, _start: Any, _count: Any, rounds: Any) -> Any:
    """Fold consecutive blocks into a state.

    Args:
        state: Eight words, uint32 `[8]`; changed.
        data: Bytes, uint8 `[m]`.
        _start: Where the first block starts.
        _count: Blocks of 64 bytes.
        rounds: The 64 constants, uint32 `[64]`.
    """
    signature = types.void(state, data, types.int64, types.int64, rounds)
    return signature, _generate


def _generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    def pointer(number: int) -> Any:
        array = context.make_array(signature.args[number])(context, builder, arguments[number])
        return builder.bitcast(array.data, _BYTES)

    values = [pointer(0), pointer(1), arguments[2], arguments[3], pointer(4)]
    builder.call(_function(builder.module), values)
    return context.get_dummy_value()


def _function(module: Any) -> Any:
    """Return a function of its own, never inlined.

    These instructions have no AVX form: among code whose wide registers are in use each would take
    a hundred times as long. LLVM clears the registers before a call.
    """
    found = module.globals.get(_NAME)
    if found is not None:
        return found
    kind = ir.FunctionType(ir.VoidType(), [_BYTES, _BYTES, _LONG, _LONG, _BYTES])
    function = ir.Function(module, kind, _NAME)
    function.linkage = "internal"
    function.attributes.add("noinline")
    builder = ir.IRBuilder(function.append_basic_block())
    state, data, start, count, rounds = function.args

    def vector(base: Any, offset: Any) -> Any:
        return builder.bitcast(builder.gep(base, [offset]), _WORDS_POINTER)

    def at(number: int) -> Any:
        return ir.Constant(_LONG, number)

    low = builder.load(vector(state, at(0)), align=4)
    high = builder.load(vector(state, at(16)), align=4)
    abef = cgutils.alloca_once_value(builder, _shuffled(builder, low, high, (5, 4, 1, 0)))
    cdgh = cgutils.alloca_once_value(builder, _shuffled(builder, low, high, (7, 6, 3, 2)))
    with cgutils.for_range(builder, count) as loop:
        place = builder.add(start, builder.mul(loop.index, at(64)))
        block = [
            builder.load(vector(data, builder.add(place, at(16 * part))), align=1)
            for part in range(4)
        ]
        keys = [builder.load(vector(rounds, at(16 * part)), align=4) for part in range(16)]
        first, second = _fold(builder, builder.load(abef), builder.load(cdgh), block, keys)
        builder.store(first, abef)
        builder.store(second, cdgh)
    first, second = builder.load(abef), builder.load(cdgh)
    builder.store(_shuffled(builder, first, second, (3, 2, 7, 6)), vector(state, at(0)), align=4)
    builder.store(_shuffled(builder, first, second, (1, 0, 5, 4)), vector(state, at(16)), align=4)
    builder.ret_void()
    return function


def _fold(builder: Any, abef: Any, cdgh: Any, block: list[Any], keys: list[Any]) -> tuple[Any, Any]:
    """Fold one block: the state as it was, its sixteen words, the constants four at a time."""
    before = abef, cdgh
    words = [_called(builder, "llvm.bswap.v4i32", part) for part in block]
    for step, constants in enumerate(keys):
        if step >= len(block):
            sums = _called(builder, "llvm.x86.sha256msg1", words[-4], words[-3])
            sums = builder.add(sums, _shuffled(builder, words[-2], words[-1], (1, 2, 3, 4)))
            words.append(_called(builder, "llvm.x86.sha256msg2", sums, words[-1]))
        mixed = builder.add(words[step], constants)
        cdgh = _called(builder, "llvm.x86.sha256rnds2", cdgh, abef, mixed)
        mixed = _shuffled(builder, mixed, mixed, (2, 3, 0, 0))
        abef = _called(builder, "llvm.x86.sha256rnds2", abef, cdgh, mixed)
    return builder.add(abef, before[0]), builder.add(cdgh, before[1])


def _shuffled(builder: Any, low: Any, high: Any, lanes: tuple[int, ...]) -> Any:
    """Return four words of two vectors: 0 to 3 are those of the first, 4 to 7 of the second."""
    mask = ir.Constant(ir.VectorType(ir.IntType(32), 4), list(lanes))
    return builder.shuffle_vector(low, high, mask)


def _called(builder: Any, name: str, *values: Any) -> Any:
    kind = ir.FunctionType(_WORDS, [_WORDS] * len(values))
    function = cgutils.get_or_insert_function(builder.module, kind, name)
    return builder.call(function, values)
