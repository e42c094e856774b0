# SPDX-License-Identifier: Apache-2.0
"""What the launcher of a Flex Template runs: its parameters become a `muniment run`.

The launcher hands over `--job=gs://...`, `--output=gs://...` and so on, and Dataflow's own flags.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from muniment.pipelines.cli import main, run

FLAGS = frozenset(
    item.name for item in run.params if isinstance(item, click.Option) and item.is_flag
)
OPTIONS = {
    item.name: item.opts[0]
    for item in run.params
    if isinstance(item, click.Option) and item.name is not None
}


def command_of(arguments: Sequence[str]) -> list[str]:
    """Return the command line of `muniment` for the arguments that a template launcher gives.

    >>> command_of(["--job=gs://b/job.yaml", "--allow_outside=true", "--region=europe-west4"])
    ['run', 'gs://b/job.yaml', '--allow-outside', '--region=europe-west4']
    """
    job: list[str] = []
    rest: list[str] = []
    for argument in arguments:
        name, equals, value = argument.removeprefix("--").partition("=")
        if name == "job" and equals:
            job = [value]
        elif name in FLAGS and equals:
            rest += [OPTIONS[name]] if value.lower() == "true" else []
        elif name in OPTIONS and equals:
            rest.append(f"{OPTIONS[name]}={value}")
        else:
            rest.append(argument)
    return ["run", *job, *rest]


if __name__ == "__main__":
    sys.exit(main(command_of(sys.argv[1:])))
