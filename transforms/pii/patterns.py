# SPDX-License-Identifier: Apache-2.0
"""The pattern table: every built-in way to find a value, in the order in which hits are listed.

All rows are RE2, so every one takes linear time. A row's expression matches wide; group 1 (else the
whole match) is the value, its check confirms it. In RE2 a word boundary is an ASCII one and Han
characters are no word characters, so numbers glued to Chinese text are found. A cue (a word that
says what the number is) stands inside the expression, before or after the value; the gap between
them holds no digit and no `[`, so that a placeholder ends it and redacting twice changes nothing.

To add an identifier: one row in a table, one in `entities`, one check in `validators` if it has a
check digit.
"""

from __future__ import annotations

from .accounts import ACCOUNTS
from .addresses import ADDRESSES
from .china import CHINA
from .credentials import CREDENTIALS
from .identifiers import GENERAL, US_UK
from .national import NATIONAL
from .pattern import Pattern

PATTERNS: tuple[Pattern, ...] = (
    *GENERAL,
    *US_UK,
    *NATIONAL,
    *CHINA,
    *ACCOUNTS,
    *CREDENTIALS,
    *ADDRESSES,
)
"""Every built-in pattern."""
