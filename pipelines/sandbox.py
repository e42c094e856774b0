# SPDX-License-Identifier: Apache-2.0
"""Give up, for this process and for good, the right to write files and to reach the network.

Linux's Landlock (kernel 5.13; network from 6.7) lets a process without privileges restrict itself;
nothing that runs in it later can undo that. The process in which a user's SQL runs does so before
it loads the database, so that even a statement that the checks overlook cannot change a release.

Source: kernel documentation, userspace-api/landlock; the numbers are from linux/landlock.h.
"""

from __future__ import annotations

import ctypes
import struct
import sys

_CREATE_RULESET, _RESTRICT_SELF = 444, 446  # the same on every architecture
_VERSION_QUERY = 1
_NO_NEW_PRIVS = 38  # prctl

_EXECUTE = 1 << 0
_WRITE_FILE = 1 << 1
_REMOVE_OR_MAKE = 0b1_1111_1111_0000  # remove folder, remove file, and the seven ways to make one
_TRUNCATE = 1 << 14  # from ABI 3
_TCP = 0b11  # bind and connect, from ABI 4


def give_up_writing() -> bool:
    """Forbid this process to write, make, remove or execute any file, and to open TCP connections.

    Files that are open already stay usable. Call it before any thread starts: threads that run
    already keep their rights.

    Returns:
        Whether the kernel enforces it; False where there is no Landlock.
    """
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_QUERY)
    if version < 1:
        return False
    files = _EXECUTE | _WRITE_FILE | _REMOVE_OR_MAKE | (_TRUNCATE if version >= 3 else 0)
    rules = struct.pack("QQ", files, _TCP) if version >= 4 else struct.pack("Q", files)
    ruleset = libc.syscall(_CREATE_RULESET, rules, ctypes.c_size_t(len(rules)), 0)
    if ruleset < 0:
        return False
    # A ruleset without any rule allows nothing of what it handles.
    if libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return bool(libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0)
