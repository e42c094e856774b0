# SPDX-License-Identifier: Apache-2.0
"""What the processor has that compiled kernels can use, beyond what every machine has."""

from __future__ import annotations

from typing import Any

import llvmlite.binding
import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_WORD = ir.IntType(64)

_SLOW_PACKING = ("znver1", "znver2", "bdver4")
"""Processors that pack a word bit by bit in microcode."""


def has_features(*names: str) -> bool:
    """Return whether compiled code of this process may use some features, as LLVM names them."""
    if numba.config.CPU_NAME or numba.config.CPU_FEATURES is not None:
        return False  # Numba was told to compile for another processor
    features = llvmlite.binding.get_host_cpu_features()
    return all(features.get(name) for name in names)


def packs_words() -> bool:
    """Return whether `pack_word` can be used and is fast."""
    return has_features("bmi2") and llvmlite.binding.get_host_cpu_name() not in _SLOW_PACKING


@intrinsic
def pack_word(_context: Any, _word: Any, _keep: Any) -> Any:
    """Move some bits of a word together, to its low end (PEXT of BMI2).

    Args:
        _word: The word, uint64.
        _keep: The bits to move, uint64.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        kind = ir.FunctionType(_WORD, [_WORD, _WORD])
        return builder.call(
            builder.module.declare_intrinsic("llvm.x86.bmi.pext.64", (), kind), arguments
        )

    return types.uint64(types.uint64, types.uint64), codegen
