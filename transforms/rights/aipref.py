# SPDX-License-Identifier: Apache-2.0
"""Content-Usage: the IETF AI preferences, as a header field and as a rule of robots.txt.

Sources: draft-ietf-aipref-attach-04 (sections 2 and 3), draft-ietf-aipref-vocab (sections 6 and
7). Both are drafts: the version says which text was followed.
"""

from __future__ import annotations

from collections.abc import Sequence

from .readings import MALFORMED, SILENT, Reading, allow, deny
from .structured import parse_dictionary

VERSION = "draft-ietf-aipref-attach-04"

_CATEGORY = "train-ai"
_PREFERENCES = {"y": allow(), "n": deny()}


def read_content_usage(values: Sequence[str]) -> Reading:
    """Read a preference expression.

    Args:
        values: Values of the header lines of one response, in order; they are one dictionary.

    Returns:
        What it says of training. A value that is not the token `y` or `n` is unknown, and so is
        an expression that is no dictionary: labels are case-sensitive.
    """
    if not values:
        return SILENT
    found = parse_dictionary(", ".join(values))
    if found is None:
        return MALFORMED
    if _CATEGORY not in found:
        return SILENT
    return _PREFERENCES.get(found[_CATEGORY] or "", MALFORMED)


def read_usage_rule(value: str) -> tuple[str, Reading]:
    """Read the value of a Content-Usage rule of robots.txt.

    Args:
        value: `[/path ]expression`; the draft's path is optional in files that are served.

    Returns:
        The path pattern (`/` where none is given) and what the rule says of it.
    """
    path, expression = "/", value
    if value.startswith("/"):
        path, _, expression = value.replace("\t", " ").partition(" ")
    return path, read_content_usage([expression.strip()])
