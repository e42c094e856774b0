# SPDX-License-Identifier: Apache-2.0
"""Path patterns as robots.txt and its relatives write them: `*` for anything, a final `$` anchors.

Source: RFC 9309, section 2.2.3. Matching is linear in path and pattern, whatever they hold.
"""

from __future__ import annotations

import functools

from .url_encoding import encode_part

MAX_PATTERN = 2048
"""Longest pattern that is matched (characters); longer ones match nothing and are reported.
Crawlers must accept addresses of 2,083 (robots.txt parsers of Google and Bing cut there)."""


@functools.lru_cache(maxsize=65536)
def _compiled(pattern: str) -> tuple[tuple[str, ...], bool]:
    anchored = pattern.endswith("$")
    body = pattern[:-1] if anchored else pattern
    return tuple(encode_part(part) for part in body.split("*")), anchored


def matches(pattern: str, path: str) -> bool:
    """Return whether a pattern covers a path.

    >>> matches("/a/*.txt$", "/a/b/c.txt"), matches("/a", "/b")
    (True, False)

    Args:
        pattern: Pattern of at most `MAX_PATTERN` characters.
        path: Path and query as `urls.url_key` spells them.
    """
    if len(pattern) > MAX_PATTERN:
        return False
    parts, anchored = _compiled(pattern)
    first, *rest = parts
    if not path.startswith(first):
        return False
    at = len(first)
    if not rest:
        return not anchored or at == len(path)
    for part in rest[:-1]:
        found = path.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    last = rest[-1]
    if anchored:
        return len(path) - len(last) >= at and path.endswith(last)
    return path.find(last, at) >= 0
