# SPDX-License-Identifier: Apache-2.0
"""`/ai.txt` as Spawning publishes it: permissions by pattern, for all who train.

The grammar is that of robots.txt; patterns may name a kind of file (`*.txt`). Two other proposals
use the same file name, so a file without any rule of this grammar is malformed, not silent. Source:
https://site.spawning.ai/spawning-ai-txt (July 2023); as read by datadiligence 0.1.7.
"""

from __future__ import annotations

from .path_patterns import MAX_PATTERN, matches
from .readings import MALFORMED, SILENT, Reading, allow, cut, deny

VERSION = "spawning-2023-07"

MAX_FILE_BYTES = 500 << 10
"""As for robots.txt (RFC 9309, section 2.5)."""
MAX_RULES = 10_000

# The file a page is, for rules by kind of file: a page without a suffix is HTML.
_PAGE = ".html"


class AiTxt:
    """An `ai.txt` file.

    Args:
        body: Its bytes.
    """

    def __init__(self, body: bytes) -> None:
        self._rules: list[tuple[int, bool, str]] = []
        self._cut = len(body) > MAX_FILE_BYTES
        text = body[:MAX_FILE_BYTES].decode("utf-8", "replace")
        for line in text.replace("\r", "\n").split("\n"):
            field, colon, value = line.partition("#")[0].partition(":")
            word, pattern = field.strip().lower(), value.strip()
            if not colon or word not in ("allow", "disallow") or not pattern:
                continue
            if len(pattern) > MAX_PATTERN or len(self._rules) == MAX_RULES:
                self._cut = True
                continue
            self._rules.append((len(pattern), word == "disallow", pattern))

    def read(self, path: str) -> Reading:
        """Return what the file says of a path; the longest pattern wins, of equals the denial."""
        if not self._rules:
            return MALFORMED
        found = [
            (length, reserved)
            for length, reserved, pattern in self._rules
            if matches(pattern, path) or (pattern.startswith("*.") and _is_kind(pattern, path))
        ]
        if not found:
            return cut(SILENT) if self._cut else SILENT
        reading = deny() if max(found)[1] else allow()
        return cut(reading) if self._cut else reading


def _is_kind(pattern: str, path: str) -> bool:
    """Return whether a page is of the kind of file that `*.suffix` names."""
    name = path.partition("?")[0].rpartition("/")[2]
    suffix = "." + name.rpartition(".")[2].lower() if "." in name else _PAGE
    return suffix == pattern[1:].rstrip("$").lower()
