# SPDX-License-Identifier: Apache-2.0
"""What compiled kernels need in memory, loaded before the first of them is called."""

from __future__ import annotations

import importlib
import sys
import threading


def load_compiler() -> None:
    """Load what the first call of any kernel loads, but not SciPy.

    Numba looks for SciPy to call its linear algebra, which no kernel here does; that import takes
    0.17 s of the 0.35 s (measured on numba 0.68). SciPy cannot be imported meanwhile, so where there
    are other threads the first kernel loads it all.
    """
    if threading.active_count() > 1:
        return
    hidden = {"scipy", "scipy.linalg"} - set(sys.modules)
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: cannot be imported
    try:
        importlib.import_module("numba.np.arraymath")
    finally:
        for name in hidden:
            del sys.modules[name]
