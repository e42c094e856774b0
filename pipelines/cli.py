# SPDX-License-Identifier: Apache-2.0
"""The command line: few verbs, data on stdout, logs on stderr, user errors in one line.

Exit codes: 0 done, 1 a defect, 2 the user can mend it, 3 books, gates or integrity.
"""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from .. import __version__
from ..schemas.errors import JobError, MunimentError

_BEAM_FLAGS = {"ignore_unknown_options": True, "allow_extra_args": True}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="muniment")
@click.option("-v", "--verbose", count=True, help="Say more on stderr; twice for debugging.")
def cli(verbose: int) -> None:
    """Govern a training corpus: run a job, query its manifest, write its data card."""
    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    logging.basicConfig(stream=sys.stderr, level=logging.ERROR, format="%(levelname)s %(message)s")
    logging.getLogger("muniment").setLevel(level)


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, sort_keys=True))


@cli.command(context_settings=_BEAM_FLAGS)
@click.argument("job", type=click.Path(path_type=Path))
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("release"),
    show_default=True,
    help="Folder that holds the releases.",
)
@click.option("--dry-run", is_flag=True, help="Print the resolved plan and touch nothing.")
@click.option("--allow-outside", is_flag=True, help="Accept paths outside the job file's folder.")
@click.option("--workers", type=click.IntRange(1, 256), help="Local worker processes.")
@click.option("--exchange", type=click.Choice(["auto", "files", "engine"]), help="Shuffle.")
@click.option("--keep-work", is_flag=True, help="Keep the private work folder.")
@click.pass_context
def run(
    context: click.Context,
    job: Path,
    output: Path,
    dry_run: bool,
    allow_outside: bool,
    workers: int | None,
    exchange: str | None,
    keep_work: bool,
) -> None:
    """Run the job file JOB; flags that muniment does not know go to Beam.

    Shows a progress bar on a terminal and prints one JSON summary on stdout.
    """
    from ..schemas.job import ExchangeWay  # noqa: PLC0415  (each verb loads what it needs)
    from ..schemas.job_file import load_job  # noqa: PLC0415
    from .run import describe_plan, run_job  # noqa: PLC0415

    loaded = load_job(job, allow_outside=allow_outside)
    engine = loaded.job.engine.model_copy(
        update={
            name: value
            for name, value in (
                ("workers", workers),
                ("exchange", ExchangeWay(exchange) if exchange else None),
                ("keep_work", keep_work or None),
            )
            if value is not None
        }
    )
    loaded = replace(loaded, job=loaded.job.model_copy(update={"engine": engine}))
    if dry_run:
        click.echo(json.dumps(describe_plan(loaded, output, context.args), indent=1))
        return
    _print_json(run_job(loaded, output, context.args))


@cli.command()
@click.argument("path", type=click.Path(path_type=Path))
def keygen(path: Path) -> None:
    """Write a new secret key to PATH, readable by its owner only."""
    from ..transforms.keys import generate_key  # noqa: PLC0415

    _print_json({"key_file": str(path), "key_id": generate_key(path).key_id.hex()})


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    try:
        cli.main(arguments, prog_name="muniment", standalone_mode=False)
    except JobError as error:
        for problem in error.problems:
            click.echo(f"error: {problem}", err=True)
        return error.exit_code
    except MunimentError as error:
        click.echo(f"error: {error}", err=True)
        return error.exit_code
    except click.exceptions.Exit as stop:
        return int(stop.exit_code)
    except click.Abort:
        return 130
    except click.ClickException as error:
        error.show()
        return 2
    return 0
