# SPDX-License-Identifier: Apache-2.0
"""The verbs `request` and `whatif` of the command line."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..schemas.errors import QueryError
from ..schemas.job_governance import RequestKind
from ..schemas.job_lists import ListKind
from ..schemas.register import RequestState
from .cli_words import RELEASE, print_json

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_SELECTOR_BYTES = 256 << 20

_REGISTER = click.option(
    "--register",
    type=click.Path(path_type=Path),
    default=Path("requests.jsonl"),
    show_default=True,
    help="Register, beside the job file.",
)
_KEY = click.option(
    "--key-file",
    "-k",
    type=click.Path(path_type=Path),
    help="Secret key; needed to compare addresses.",
)


def _words(kinds: Any) -> click.Choice[str]:
    return click.Choice([item.value for item in kinds])


def _day(_context: click.Context, _parameter: click.Parameter, value: str | None) -> date | None:
    try:
        return date.fromisoformat(value) if value else None
    except ValueError:
        message = f"expected a day as YYYY-MM-DD, got {value!r}"
        raise click.BadParameter(message) from None


def _url_key(key_file: Path | None) -> bytes | None:
    from ..transforms.keys import load_key  # noqa: PLC0415  (each verb loads what it needs)

    return load_key(key_file).derive("url-hash/v1") if key_file else None


@click.group()
def request() -> None:
    """Keep the register of requests: takedowns, opt-outs, erasures."""


@request.command("hash")
@click.option(
    "--key-file", "-k", type=click.Path(path_type=Path), required=True, help="Secret key."
)
@click.option(
    "--type", "-t", "entity", required=True, help="EMAIL_ADDRESS, PHONE_NUMBER and so on."
)
def hash_value(key_file: Path, entity: str) -> None:
    """Print the keyed hash of the identifier on standard input, for a list of persons.

    The identifier is read from standard input only, so it stays out of the shell's history.
    """
    from .requests import hash_identifier  # noqa: PLC0415

    click.echo(hash_identifier(sys.stdin.readline(), entity, key_file))


@request.command()
@click.argument("case")
@click.argument("selectors", type=click.Path(path_type=Path, allow_dash=True))
@_REGISTER
@click.option("--kind", type=_words(RequestKind), required=True, help="What is asked for.")
@click.option("--selector", type=_words(ListKind), required=True, help="What the entries are.")
@click.option("--legal-ref", required=True, help="Law or contract it rests on; never a person.")
@click.option("--received", callback=_day, help="Day it was received; default today.")
@click.option("--due", callback=_day, help="Last day to answer; default by kind.")
def add(
    *,
    case: str,
    selectors: Path,
    register: Path,
    kind: str,
    selector: str,
    legal_ref: str,
    received: date | None,
    due: date | None,
) -> None:
    """Take request CASE into the register; SELECTORS (a file, - for stdin) says what it is about."""
    from .requests import add_request, case_facts  # noqa: PLC0415

    stdin = str(selectors) == "-"
    content = sys.stdin.buffer.read(_MAX_SELECTOR_BYTES) if stdin else selectors.read_bytes()
    found = add_request(
        register,
        case,
        kind=RequestKind(kind),
        selector=ListKind(selector),
        legal_ref=legal_ref,
        content=content,
        suffix=".jsonl" if selectors.suffix == ".jsonl" else ".txt",
        received=received,
        due=due,
    )
    print_json(case_facts(found, datetime.now(UTC).date()))


def _moving(name: str, states: dict[str, RequestState], text: str) -> Callable[..., None]:
    @request.command(name, help=text)
    @click.argument("case")
    @_REGISTER
    @click.option(
        "--state", type=click.Choice(list(states)), default=next(iter(states)), show_default=True
    )
    def move(case: str, register: Path, state: str) -> None:
        from .requests import case_facts, move_request  # noqa: PLC0415

        found = move_request(register, case, states[state])
        print_json(case_facts(found, datetime.now(UTC).date()))

    return move


def _states(*states: RequestState) -> dict[str, RequestState]:
    return {state.value: state for state in states}


_moving(
    "mark",
    _states(RequestState.VERIFIED, RequestState.EXECUTED),
    "Note that request CASE was verified (jobs carry it out from now on) or executed.",
)
_moving(
    "close",
    _states(RequestState.ANSWERED, RequestState.REJECTED),
    "Note that request CASE was answered or rejected.",
)


@request.command("list")
@_REGISTER
@click.option("--overdue", is_flag=True, help="Only open requests whose last day has passed.")
@click.option("--asof", callback=_day, help="Day to judge from; default today.")
def list_cases(*, register: Path, overdue: bool, asof: date | None) -> None:
    """Print the requests of the register, one JSON object a line."""
    from ..schemas.register import read_register  # noqa: PLC0415
    from .requests import case_facts  # noqa: PLC0415

    today = asof or datetime.now(UTC).date()
    for case in read_register(register).values():
        if case.overdue(today) or not overdue:
            print_json(case_facts(case, today))


@request.command()
@click.argument("case")
@click.argument("folder", metavar="[DIR]", default=RELEASE)
@_REGISTER
@_KEY
def match(case: str, folder: str, register: Path, key_file: Path | None) -> None:
    """Say which documents of all releases in DIR request CASE meets, from their manifests alone."""
    from .release import open_release, release_ids  # noqa: PLC0415
    from .requests import match_request  # noqa: PLC0415

    newest = open_release(folder)
    newest.bring_beside()
    releases = [open_release(folder, snapshot=name) for name in release_ids(newest.output)]
    print_json(match_request(register, case, releases, url_key=_url_key(key_file)))


@click.command()
@click.argument("folder", metavar="[DIR]", default=RELEASE)
@click.option(
    "--list", "lists", multiple=True, type=click.Path(path_type=Path), help="List to add."
)
@click.option(
    "--kind",
    type=_words(ListKind),
    default=ListKind.DOMAIN.value,
    show_default=True,
    help="What the entries of the lists are.",
)
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="Setting to change.")
@_KEY
def whatif(
    folder: str, lists: tuple[Path, ...], kind: str, pairs: tuple[str, ...], key_file: Path | None
) -> None:
    """Say what the release in DIR would be with another list or setting, without a run.

    Answers from the manifest alone, and says what it cannot tell.
    """
    from .release import open_release  # noqa: PLC0415
    from .whatif import whatif as work_out  # noqa: PLC0415

    settings = dict(pair.partition("=")[::2] for pair in pairs)
    if not lists and not settings:
        raise QueryError("expected --list FILE or --set NAME=VALUE")
    chosen = [(path, ListKind(kind)) for path in lists]
    answer = work_out(
        open_release(folder), lists=chosen, settings=settings, url_key=_url_key(key_file)
    )
    print_json(answer)


@click.command()
@click.argument("case")
@click.argument("folder", metavar="[DIR]", default=RELEASE)
@_REGISTER
@click.option(
    "--key-file",
    "-k",
    type=click.Path(path_type=Path),
    required=True,
    help="Secret key of the releases; seals what is erased.",
)
@click.option(
    "--document",
    "documents",
    multiple=True,
    metavar="DOC_ID",
    help="Document to erase, whatever the register says; may be given more than once.",
)
@click.option(
    "--release",
    "only",
    multiple=True,
    metavar="ID",
    help="Erase from this release only; may be given more than once. Default: from all.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be erased and touch nothing.")
def erase(
    *,
    case: str,
    folder: str,
    register: Path,
    key_file: Path,
    documents: tuple[str, ...],
    only: tuple[str, ...],
    dry_run: bool,
) -> None:
    """Erase what request CASE of the register is about from the releases in DIR made already.

    The text and every row of these documents go; roots, signatures and the proofs of all other
    documents stay valid, and `verify` accepts exactly what is gone. It cannot be undone.
    """
    from ..transforms.keys import load_key  # noqa: PLC0415
    from .erase import erase as erase_documents  # noqa: PLC0415
    from .release import open_release, release_ids  # noqa: PLC0415
    from .requests import to_erase  # noqa: PLC0415

    keyring = load_key(key_file)
    newest = open_release(folder)
    newest.bring_beside()
    releases = [open_release(folder, snapshot=name) for name in only or release_ids(newest.output)]
    ids = {_document(word) for word in documents}
    found = {release.id: ids for release in releases}
    unknown: dict[str, str] = {}
    if not ids:
        url_key = keyring.derive("url-hash/v1")
        found, unknown = to_erase(register, case, releases, url_key=url_key)
    if dry_run:
        named = {name: sorted(id_.hex() for id_ in ids) for name, ids in found.items()}
        print_json({"request": case, "documents": named, "unknown": unknown})
        return
    done = erase_documents(
        folder,
        case,
        lambda release: found[release.id],
        keyring=keyring,
        day=datetime.now(UTC).date().isoformat(),
        only=[release.id for release in releases],
    )
    print_json(done | {"unknown": unknown})


def _document(word: str) -> bytes:
    if len(word) != 32 or set(word.lower()) - set("0123456789abcdef"):
        raise QueryError(f"--document: expected an id of 32 hexadecimal digits, got {word!r}")
    return bytes.fromhex(word)


REQUEST_COMMANDS: tuple[click.Command, ...] = (request, whatif, erase)
"""The verbs of this module."""
