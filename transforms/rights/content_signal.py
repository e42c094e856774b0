# SPDX-License-Identifier: Apache-2.0
"""Content-Signal: `search=yes, ai-train=no` in a group of robots.txt or as a header field.

Source: the Content Signals policy (https://contentsignals.org): `yes` and `no` grant and restrict;
a signal that is absent does neither.
"""

from __future__ import annotations

from collections.abc import Iterable

from .readings import MALFORMED, Reading, allow, deny, strictest

VERSION = "contentsignals-2025-09"

_VALUES = {"yes": allow(), "no": deny()}


def read_content_signal(values: Iterable[str]) -> Reading:
    """Read the signals of one group or response.

    Args:
        values: Values of its lines; with a conflict the most restrictive one counts.

    Returns:
        What they say of `ai-train`; silent where they do not name it.
    """
    readings = []
    for value in values:
        for part in value.split(","):
            name, equals, word = part.partition("=")
            if name.strip().lower() == "ai-train":
                known = _VALUES.get(word.strip().lower()) if equals else None
                readings.append(known or MALFORMED)
    return strictest(readings)
