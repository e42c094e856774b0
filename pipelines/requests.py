# SPDX-License-Identifier: Apache-2.0
"""Requests at the door: taken into the register, listed, matched with releases, answered."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ..schemas.errors import JobError, ListError, QueryError
from ..schemas.job_governance import RequestKind
from ..schemas.job_lists import ListKind
from ..schemas.register import (
    APPLIED,
    Case,
    Opening,
    RequestState,
    append_event,
    due_day,
    read_register,
)
from ..transforms.keys import load_key
from ..transforms.pii.keys import ValueHasher
from ..transforms.rights import load_list
from ..transforms.works import load_works
from .manifest_match import Met, meet
from .query import ask, connect

if TYPE_CHECKING:
    import duckdb

    from .release import Release

FOLDER = "requests"
"""Folder beside the register that holds what each request selects."""

SHOWN = 100
"""Documents that `match` names at most."""


def hash_identifier(value: str, entity: str, key_file: Path) -> str:
    """Return the keyed hash of an identifier of a person, as runs compute it.

    Args:
        value: The identifier; a phone number with its country code.
        entity: Its type, EMAIL_ADDRESS and so on.
        key_file: The project's secret key.

    Raises:
        JobError: The value is empty, or a phone number without `+` and its country code.
        KeyFileError: The key cannot be used.
    """
    value = value.strip()
    if not value or "\n" in value:
        raise JobError("standard input: expected one identifier on one line")
    if entity == "PHONE_NUMBER" and not value.startswith("+"):
        raise JobError("standard input: expected a phone number with + and its country code")
    hasher = ValueHasher(load_key(key_file).derive("pii-link/v1", 32))
    return hasher(entity, "", value).hex()


def add_request(
    register: Path,
    case_id: str,
    *,
    kind: RequestKind,
    selector: ListKind,
    legal_ref: str,
    content: bytes,
    suffix: str = ".txt",
    received: date | None = None,
    due: date | None = None,
) -> Case:
    """Take a request into the register, and what it selects into a list file of its own.

    Args:
        register: The register.
        case_id: Case number; never a name.
        kind: What is asked for.
        selector: What the entries are.
        legal_ref: Law or contract.
        content: The entries, or works.
        suffix: `.jsonl` for several works in one file.
        received: Day it was received; today by default.
        due: Last day to answer; by kind where not given.

    Raises:
        ListError: The entries cannot be used: nothing is written then.
        JobError: The register is damaged, or has the case already.
    """
    if case_id in read_register(register):
        raise JobError(f"{register}: request {case_id} is in it already")
    day = received or datetime.now(UTC).date()
    relative = f"{FOLDER}/{case_id}{suffix}"
    opening = Opening(
        kind=kind,
        legal_ref=legal_ref,
        received=day,
        due=due or due_day(kind, day),
        selector=selector,
        path=relative,
    )
    place = register.parent / relative
    place.parent.mkdir(mode=0o700, exist_ok=True)
    with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    try:
        check_selector(place, selector)
        now = datetime.now(UTC).replace(microsecond=0)
        return append_event(register, case_id, RequestState.RECEIVED, now, opening)
    except (JobError, ListError):
        place.unlink()
        raise


def check_selector(place: Path, selector: ListKind) -> None:
    """Refuse a list file that a job would refuse."""
    if selector is ListKind.WORK:
        load_works(place, key=bytes(16), shingle_size=5)
    else:
        load_list(place, selector.value)  # type: ignore[arg-type]  # works: above


def move_request(register: Path, case_id: str, state: RequestState) -> Case:
    """Append that a request has come to a state."""
    if case_id not in read_register(register):
        raise JobError(f"{register}: there is no request {case_id}")
    return append_event(register, case_id, state, datetime.now(UTC).replace(microsecond=0))


def case_facts(case: Case, today: date) -> dict[str, Any]:
    """Return a request as a line of `request list`."""
    opening = case.opening
    return {
        "id": case.id,
        "state": case.state.value,
        "kind": opening.kind.value,
        "selector": opening.selector.value,
        "legal_ref": opening.legal_ref,
        "received": opening.received.isoformat(),
        "due": opening.due.isoformat(),
        "days_left": (opening.due - today).days if case.closed is None else None,
        "overdue": case.overdue(today),
        "closed": case.closed.isoformat() if case.closed else None,
    }


def match_request(
    register: Path, case_id: str, releases: Sequence[Release], *, url_key: bytes | None = None
) -> dict[str, Any]:
    """Return which documents of releases a request meets, from their manifests alone.

    Args:
        register: The register.
        case_id: The request.
        releases: Releases to look in.
        url_key: Key of address hashes, for requests that name addresses.

    Returns:
        `request`, and for each release: `release`, `applied` (whether it carried the request out),
        `documents`, `kept`, `tokens` (kept), `doc_ids` (at most `SHOWN` kept ones), `unknown`.

    Raises:
        JobError: There is no such request.
    """
    case = read_register(register).get(case_id)
    if case is None:
        raise JobError(f"{register}: there is no request {case_id}")
    kind = case.opening.selector
    place = register.parent / case.opening.path
    lst = None if kind is ListKind.WORK else load_list(place, kind.value)  # type: ignore[arg-type]
    answers = []
    for release in releases:
        with connect(release, with_restricted=kind is ListKind.PERSON) as connection:
            applied = _applied(connection, case_id)
            met = meet(connection, lst, kind, url_key) if applied is None else Met(applied, None)
            answers.append(
                {
                    "release": release.id,
                    "applied": applied is not None,
                    **_sizes(connection, met.doc_ids),
                    "unknown": met.unknown,
                }
            )
    return {"request": case_id, "state": case.state.value, "releases": answers}


def _applied(connection: duckdb.DuckDBPyConnection, case_id: str) -> pa.Array | None:
    """Return the documents that a release met when it carried out a request; None if it did not."""
    known = connection.execute(
        "SELECT 1 FROM requests WHERE request_id = $id", {"id": case_id}
    ).fetchall()
    if not known:
        return None
    rows = ask(connection, "request", {"request": case_id})
    return pa.array(sorted({row["doc_id"] for row in rows}), pa.binary())


def to_erase(
    register: Path, case_id: str, releases: Sequence[Release], *, url_key: bytes | None = None
) -> tuple[dict[str, set[bytes]], dict[str, str]]:
    """Return the kept documents that a request takes out of releases that are made already.

    They are those that the manifest shows the request to meet, those that any of the releases met
    when it carried the request out (a document has one id in all of them), and kept copies of
    either: the text is theirs too. Documents that were left out anyway hold no text.

    Args:
        register: The register.
        case_id: A request that was verified.
        releases: The releases.
        url_key: Key of address hashes, for requests that name addresses.

    Returns:
        Document ids by release, and by release what its manifest cannot tell.

    Raises:
        JobError: There is no such request, or it is not to be carried out.
        QueryError: No manifest can tell what the request meets.
    """
    case = read_register(register).get(case_id)
    if case is None or case.state not in APPLIED:
        state = f"is {case.state.value}" if case else "is not in it"
        raise JobError(f"{register}: request {case_id} {state}; expected one that was verified")
    kind, place = case.opening.selector, register.parent / case.opening.path
    lst = None if kind is ListKind.WORK else load_list(place, kind.value)  # type: ignore[arg-type]
    everywhere: set[bytes] = set()
    found: dict[str, set[bytes]] = {}
    unknown: dict[str, str] = {}
    carried_out = False
    for release in releases:
        with connect(release, with_restricted=kind is ListKind.PERSON) as connection:
            applied = _applied(connection, case_id)
            if applied is not None:
                carried_out = True
                everywhere.update(applied.to_pylist())
                continue
            met = meet(connection, lst, kind, url_key)
            found[release.id] = set(met.doc_ids.to_pylist())
            if met.unknown:
                unknown[release.id] = met.unknown
    if unknown and not carried_out and not any(found.values()):
        raise QueryError(
            f"request {case_id}: {next(iter(unknown.values()))}; run the job with the request first, "
            "then erase: what it met there is erased from the releases before it"
        )
    for release in releases:
        with connect(release, verified=False) as connection:
            wanted = pa.array(sorted(found.get(release.id, set()) | everywhere), pa.binary())
            connection.register("wanted", pa.table({"doc_id": wanted}))
            rows = connection.execute(_KEPT_WITH_COPIES).fetchall()
            found[release.id] = {bytes(doc_id) for (doc_id,) in rows}
    return found, unknown


_KEPT_WITH_COPIES = """
    WITH copied AS (
        FROM wanted
        UNION
        SELECT partner_id FROM duplicates SEMI JOIN wanted USING (doc_id)
        WHERE role IN ('exact_copy', 'near_copy') AND partner_release IS NULL
    )
    SELECT doc_id FROM documents SEMI JOIN copied USING (doc_id)
    WHERE outcome = 'kept' ORDER BY doc_id
"""


def _sizes(connection: duckdb.DuckDBPyConnection, ids: pa.Array) -> dict[str, Any]:
    connection.register("met", pa.table({"doc_id": ids}))
    rows = connection.execute(
        "SELECT doc_id, tokens_out FROM documents SEMI JOIN met USING (doc_id) "
        "WHERE outcome = 'kept' ORDER BY doc_id"
    ).fetchall()
    return {
        "documents": len(ids),
        "kept": len(rows),
        "tokens": sum(tokens for _, tokens in rows),
        "doc_ids": [bytes(doc_id).hex() for doc_id, _ in rows[:SHOWN]],
    }
