# SPDX-License-Identifier: Apache-2.0
"""`noai` in X-Robots-Tag headers and robots meta tags.

Sources: the directive as DeviantArt published it (November 2022) and datadiligence reads it;
`noml` as Mojeek published it (https://noml.info). `noimageai` is about images: seen, and silent on
text. `noindex` is about search and is not read as a word on training.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from .readings import SILENT, Reading, deny, strictest

VERSION = "noai-2022-11"

_RESERVES = {"noai", "noml"}
# Directives with a value of their own after a colon: what stands before it is no agent.
_VALUED = {"max-snippet", "max-image-preview", "max-video-preview", "unavailable_after"}


def read_directives(values: Sequence[str], agents: Collection[str]) -> Reading:
    """Read the directives of one response or page.

    Args:
        values: Contents of its headers (`[agent:] directive, ...`) or `robots` meta tags.
        agents: Product tokens, lower case, whose directives count; those without an agent
            always do.

    Returns:
        A denial where `noai` applies; silent otherwise.
    """
    return strictest(_read(value, agents) for value in values)


def _read(value: str, agents: Collection[str]) -> Reading:
    agent: str | None = None
    for part in value.split(","):
        head, colon, rest = part.partition(":")
        name, word = head.strip().lower(), head.strip().lower()
        if colon and name not in _VALUED:
            # An agent holds for the directives that follow it, up to the next agent.
            agent, word = name, rest.strip().lower()
        if word in _RESERVES and (agent is None or agent in agents):
            return deny(agent)
    return SILENT
