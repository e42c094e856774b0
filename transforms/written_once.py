# SPDX-License-Identifier: Apache-2.0
"""Folders of derived arrays that one worker writes and all workers of a machine map."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .storage import make_private_folder


def written_once(folder: Path, name: str, write: Callable[[Path], None]) -> Path:
    """Return a folder that `write` filled, by this process or another one; its owner's alone.

    Args:
        folder: Folder that all workers share.
        name: Name that stands for the content: a digest of what it is made from.
        write: Fills a new folder; whoever comes first wins, and all would write the same bytes.
    """
    target = folder / name
    if not target.exists():
        make_private_folder(folder)
        staging = Path(tempfile.mkdtemp(prefix="writing-", dir=folder))
        try:
            write(staging)
            for path in staging.rglob("*"):
                path.chmod(0o700 if path.is_dir() else 0o600)
            os.rename(staging, target)
        except OSError:
            if not target.exists():  # else another worker was faster, with the same bytes
                raise
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return target


def mapped(path: Path) -> NDArray[Any]:
    """Map an array read-only; an empty one cannot be mapped and is read.

    Args:
        path: File that `numpy.save` wrote.
    """
    loaded = np.load(path, mmap_mode="r")
    array = np.asarray(loaded)
    array.setflags(write=False)
    return array
