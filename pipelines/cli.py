# SPDX-License-Identifier: Apache-2.0
"""The command line: few verbs, data on stdout, logs on stderr, user errors in one line.

Exit codes: 0 done, 1 a defect, 2 the user can mend it, 3 books, gates or integrity, 130 and 143
stopped by SIGINT and SIGTERM.
"""

from __future__ import annotations

import atexit
import gc
import json
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import click

from .. import __version__
from ..schemas.errors import JobError, MunimentError
from ..schemas.locations import scheme_of
from .cli_proof import PROOF_COMMANDS
from .cli_requests import REQUEST_COMMANDS
from .cli_words import RELEASE, folder_and, print_json, say

if TYPE_CHECKING:
    from ..schemas.job_file import LoadedJob

_BEAM_FLAGS = {"ignore_unknown_options": True, "allow_extra_args": True}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="muniment")
@click.option("-v", "--verbose", count=True, help="Say more on stderr; twice for debugging.")
def cli(verbose: int) -> None:
    """Govern a training corpus: run a job, query its manifest, write its data card."""
    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    logging.basicConfig(stream=sys.stderr, level=logging.ERROR, format="%(levelname)s %(message)s")
    logging.getLogger("muniment").setLevel(level)


@contextmanager
def _ending_at_signals() -> Iterator[None]:
    """Let SIGINT and SIGTERM end the process at once, with one line and exit code 130 or 143.

    Nothing has to be tidied: what is finished is on disk under its final name, the next run
    removes what is torn, the system frees the lock, and workers end with this process. Unwinding
    would wait for the engine's threads, which do not stop when asked.
    """

    def leave(number: int, _frame: FrameType | None) -> None:
        show_cursor = "\33[?25h\r\33[K" if sys.stderr.isatty() else ""
        name = signal.Signals(number).name
        os.write(2, f"{show_cursor}error: stopped by {name}; run again to resume\n".encode())
        os._exit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    before = {number: signal.signal(number, leave) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _pairs(values: tuple[str, ...]) -> dict[str, str]:
    """Read `name=value` arguments."""
    split = [value.partition("=") for value in values]
    for name, equals, _ in split:
        if not equals:
            message = f"--arg: expected NAME=VALUE, got {name!r}"
            raise click.UsageError(message)
    return {name: value for name, _, value in split}


def _url_hasher(key_file: Path) -> Callable[[str], bytes]:
    """Return what the run did to addresses: canonical form, then a keyed hash."""
    import pyarrow as pa  # noqa: PLC0415

    from ..transforms.hashing import hashes_to_ids, siphash128  # noqa: PLC0415
    from ..transforms.keys import load_key  # noqa: PLC0415
    from ..transforms.rights import url_key  # noqa: PLC0415

    key = load_key(key_file).derive("url-hash/v1")

    def hash_url(url: str) -> bytes:
        hashes = siphash128(url_key(pa.array([url], pa.string())), key)
        return bytes(hashes_to_ids(hashes)[0].as_py())

    return hash_url


def _text_hash(text_file: Path, key_file: Path) -> str:
    """Return the keyed hash of a text as a run makes it, hexadecimal."""
    import pyarrow as pa  # noqa: PLC0415

    from ..schemas.errors import InputError  # noqa: PLC0415
    from ..transforms.hashing import canonical_text, hashes_to_ids, siphash128  # noqa: PLC0415
    from ..transforms.keys import load_key  # noqa: PLC0415

    try:
        text = pa.array([text_file.read_bytes().decode()], pa.string())
    except UnicodeDecodeError:
        raise InputError(f"{text_file}: expected UTF-8") from None
    hashes = siphash128(canonical_text(text), load_key(key_file).derive("text-hash/v1"))
    return str(hashes_to_ids(hashes)[0].as_py().hex())


@cli.command(context_settings=_BEAM_FLAGS)
@click.argument("job")
@click.option(
    "--output",
    "-o",
    default=RELEASE,
    show_default=True,
    metavar="DIR",
    help="Folder that holds the releases: local, s3:// or gs://.",
)
@click.option(
    "--inputs",
    metavar="DIR",
    help="What the sources' paths are relative to, local, s3:// or gs://; default: the job's folder.",
)
@click.option("--dry-run", is_flag=True, help="Print the resolved plan and touch nothing.")
@click.option("--allow-outside", is_flag=True, help="Accept paths outside the job file's folder.")
@click.option("--workers", type=click.IntRange(1, 256), help="Local worker processes.")
@click.option("--exchange", type=click.Choice(["auto", "files", "engine"]), help="Shuffle.")
@click.option("--keep-work", is_flag=True, help="Keep the private work folder.")
@click.pass_context
@_ending_at_signals()
def run(
    context: click.Context,
    *,
    job: str,
    output: str,
    inputs: str | None,
    dry_run: bool,
    allow_outside: bool,
    workers: int | None,
    exchange: str | None,
    keep_work: bool,
) -> None:
    """Run the job file JOB, local or on s3:// or gs://; flags muniment does not know go to Beam.

    Shows a progress bar on a terminal and prints one JSON summary on stdout.
    """
    changes = {"workers": workers, "exchange": exchange, "keep_work": keep_work or None}
    with _opened(job, inputs, allow_outside=allow_outside) as loaded:
        _run(_with_engine(loaded, changes), output, context.args, dry_run=dry_run)


@contextmanager
def _opened(job: str, inputs: str | None, *, allow_outside: bool) -> Iterator[LoadedJob]:
    from ..schemas.job_file import load_job  # noqa: PLC0415  (each verb loads what it needs)

    if scheme_of(job) is None:
        yield load_job(job, inputs=inputs, allow_outside=allow_outside)
        return
    from .job_folder import remote_job  # noqa: PLC0415  (stores are slow to load)

    with remote_job(job, inputs=inputs, allow_outside=allow_outside) as loaded:
        yield loaded


def _with_engine(loaded: LoadedJob, changes: dict[str, Any]) -> LoadedJob:
    from ..schemas.job import ExchangeWay  # noqa: PLC0415

    update = {name: value for name, value in changes.items() if value is not None}
    if "exchange" in update:
        update["exchange"] = ExchangeWay(update["exchange"])
    engine = loaded.job.engine.model_copy(update=update)
    return replace(loaded, job=loaded.job.model_copy(update={"engine": engine}))


def _run(loaded: LoadedJob, output: str, beam_arguments: list[str], *, dry_run: bool) -> None:
    from .local_workers import start_workers  # noqa: PLC0415

    forked = None if dry_run else start_workers(loaded, beam_arguments)
    gc.disable()  # imports make no garbage, and are a tenth faster without its collection
    from ..transforms.compiled import load_compiler  # noqa: PLC0415
    from .run import describe_plan, run_job  # noqa: PLC0415  (slow; workers load meanwhile)

    load_compiler()
    gc.enable()

    if dry_run:
        click.echo(json.dumps(describe_plan(loaded, output, beam_arguments), indent=1))
        return
    print_json(run_job(loaded, output, beam_arguments, workers=forked))


@cli.command()
@click.argument("words", nargs=-1, metavar="[DIR] [SQL]")
@click.option("--named", metavar="NAME", help="Run a named query instead of SQL.")
@click.option("--arg", "pairs", multiple=True, metavar="NAME=VALUE", help="Argument of it.")
@click.option("--list", "listing", is_flag=True, help="List the named queries.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv", "parquet"]),
    default="table",
    show_default=True,
    help="Form of the answer.",
)
@click.option("--with-corpus", is_flag=True, help="Make the kept texts a view, `corpus`.")
@click.option("--release", "release_id", metavar="ID", help="Another release than the current one.")
@click.option(
    "--with-restricted",
    is_flag=True,
    help="Make the restricted tables views too (`pii_links`: pseudonymous personal data).",
)
def query(
    *,
    words: tuple[str, ...],
    release_id: str | None,
    named: str | None,
    pairs: tuple[str, ...],
    listing: bool,
    form: str,
    with_corpus: bool,
    with_restricted: bool,
) -> None:
    """Ask the manifest of the release in DIR with SQL (DuckDB) or a named query.

    Tables are views by their names: documents, decisions, duplicates, sources and so on.
    """
    from .named_queries import list_named  # noqa: PLC0415
    from .query import run_named, run_query  # noqa: PLC0415
    from .release import open_release  # noqa: PLC0415

    if listing:
        click.echo(list_named())
        return
    folder, rest = folder_and(words, 0 if named else 1, "SQL")
    release = open_release(folder, snapshot=release_id)
    if named:
        run_named(release, named, _pairs(pairs), form)
        return
    run_query(release, rest[0], fmt=form, with_corpus=with_corpus, with_restricted=with_restricted)


@cli.command()
@click.argument("words", nargs=-1, metavar="[DIR] DOC_ID|URL|TEXT_HASH")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
@click.option(
    "--key-file", type=click.Path(path_type=Path), help="Secret key; needed for a URL or a text."
)
@click.option("--text", "text_file", type=click.Path(path_type=Path), help="Look up this text.")
@click.option(
    "--release", "release_id", metavar="ID", help="This release only; default: every one."
)
def explain(
    words: tuple[str, ...],
    form: str,
    key_file: Path | None,
    text_file: Path | None,
    release_id: str | None,
) -> None:
    """Say what became of a document, which rules fired, and what would have changed it.

    All releases of the folder are asked; the current one is told in full.
    """
    from .explain import explain as explain_one  # noqa: PLC0415
    from .explain import explain_everywhere, render_text  # noqa: PLC0415
    from .release import open_release  # noqa: PLC0415

    folder, rest = folder_and(words, 0 if text_file else 1, "DOC_ID or URL")
    if text_file and not key_file:
        raise click.UsageError("--text: a text is looked up by its keyed hash; give --key-file")
    hasher = _url_hasher(key_file) if key_file else None
    target = _text_hash(text_file, key_file) if text_file and key_file else rest[0]
    release = open_release(folder, snapshot=release_id)
    ask = explain_one if release_id else explain_everywhere
    answer = ask(release, target, url_hasher=hasher)
    if form == "json":
        print_json(answer)
    else:
        click.echo(render_text(answer))


@cli.command(name="gc")
@click.argument("folder", metavar="[DIR]", default=RELEASE)
@click.option(
    "--keep",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    help="Releases to keep: the current one and those it goes back to.",
)
@click.option("--signed", is_flag=True, help="Let signed releases, and their parents, go too.")
@click.option("--remove", is_flag=True, help="Remove what was found; else it is only listed.")
def collect(folder: str, *, keep: int, signed: bool, remove: bool) -> None:
    """List what no release in DIR needs: old releases, leftovers of killed runs; remove on request.

    The current release always stays.
    """
    from .garbage import collect_garbage  # noqa: PLC0415

    print_json(collect_garbage(folder, keep=keep, signed=signed, remove=remove))


@cli.command()
@click.argument("folder", metavar="[DIR]", default=RELEASE)
@click.option("--format", "form", type=click.Choice(["md", "html"]), default="md")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="File; default stdout.")
def card(folder: str, form: str, output: Path | None) -> None:
    """Write the data card of the release in DIR: every number with the query behind it."""
    from .card import render_card  # noqa: PLC0415
    from .release import open_release  # noqa: PLC0415

    text = render_card(open_release(folder), form)
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")


@cli.command()
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo-out"),
    show_default=True,
    help="Folder for the corpus, the release and the card.",
)
@_ending_at_signals()
def demo(output: Path) -> None:
    """Govern the documents of the installed Python packages, start to finish; no network."""
    from .demo import run_demo  # noqa: PLC0415

    print_json(run_demo(output))


@cli.command()
@click.argument("what", type=click.Choice(["job", "manifest"]))
def schema(what: str) -> None:
    """Print the reference of the job file, or of the manifest's tables, as Markdown."""
    from .reference import render_job_reference, render_manifest_reference  # noqa: PLC0415

    click.echo(render_job_reference() if what == "job" else render_manifest_reference(), nl=False)


for _command in (*PROOF_COMMANDS, *REQUEST_COMMANDS):
    cli.add_command(_command)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    try:
        cli.main(arguments, prog_name="muniment", standalone_mode=False)
    except JobError as error:
        for problem in error.problems:
            say(problem)
        return error.exit_code
    except MunimentError as error:
        say(str(error))
        return error.exit_code
    except click.exceptions.Exit as stop:
        return int(stop.exit_code)
    except click.Abort:
        return 130
    except click.ClickException as error:
        say(_usage_problem(error))
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        return 1
    except OSError as error:
        say(f"{error.filename or 'input or output'}: {error.strerror}")
        return 2
    except Exception as error:  # noqa: BLE001  (its words may hold document text)
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(frame.filename).name}:{frame.lineno}"
        say(f"a defect in muniment: {type(error).__name__} at {place}; please report it")
        return 1
    return 0


def run_and_leave() -> NoReturn:
    """Run the command line, then end the process without tearing the interpreter down.

    What is registered to be done at the end is done, and everything said is flushed. Taking apart
    all that was imported would cost 0.4 s more.
    """
    code = main()
    atexit._run_exitfuncs()  # noqa: SLF001  (there is no public name for it)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code)


def _usage_problem(error: click.ClickException) -> str:
    """Return what was wrong with the arguments, in one line."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    hint = f"; see {context.command_path} --help" if context else ""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return f"expected a command{hint}"
    return " ".join(error.format_message().rstrip(".").split()) + hint
