# SPDX-License-Identifier: Apache-2.0
"""What the verbs of the command line share: the folder that may be left out, JSON, error lines."""

from __future__ import annotations

import json
from typing import Any

import click

RELEASE = "release"
"""Folder of a release where none is given."""


def folder_and(words: tuple[str, ...], count: int, what: str) -> tuple[str, tuple[str, ...]]:
    """Split `[DIR] WORD...`: the folder may be left out."""
    if len(words) not in {count, count + 1}:
        message = f"expected [DIR]{' and ' + what if count else ''}, got {len(words)} arguments"
        raise click.UsageError(message)
    if len(words) > count:
        return words[0], words[1:]
    return RELEASE, words


def print_json(value: Any) -> None:
    """Print a value as one line of JSON on stdout."""
    click.echo(json.dumps(value, ensure_ascii=False, sort_keys=True))


def say(problem: str) -> None:
    """Say on stderr what is wrong, in one line."""
    click.echo(f"error: {problem}", err=True)
