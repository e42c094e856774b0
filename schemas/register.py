# SPDX-License-Identifier: Apache-2.0
"""The register of requests: what was asked, when, until when, and what came of it.

A file of JSON lines beside the job, only ever appended to. Each line is an event of one request and
names the SHA-256 of the line before it, so a line that is changed or lost is noticed. The register
says nothing of who asked: it holds a case number, the law, days, and the name of a list file with
what is to leave (addresses, hashes, keyed hashes of identifiers; see `lists[].kind`). The file of
the case stays with whoever handles it.

A job that names its register (`requests`) applies every request that was verified, in every run,
answered or not: what was taken down once stays out.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import AwareDatetime, Field, ValidationError

from .errors import JobError
from .job_governance import Request, RequestKind
from .job_lists import ListFile, ListKind
from .job_model import JobModel, Name

_FIRST = "0" * 64
_NOBODY = r"^[^@]{2,200}$"

DAYS_BY_KIND: dict[RequestKind, int] = {
    RequestKind.TDM_OPTOUT: 14,
    RequestKind.TAKEDOWN: 14,
    RequestKind.AUTHOR_OPTOUT: 14,
    RequestKind.ERASURE: 30,
    RequestKind.RECTIFICATION: 30,
    RequestKind.OBJECTION: 30,
    RequestKind.WITHDRAWAL: 30,
}
"""Days to answer. Personal data: GDPR Art. 12(3), one month; GB/T 35273-2020 8.7, 30 days. Works:
no law gives days (Digital Services Act Art. 16(6) and the GPAI Code of Practice, copyright 1.5, say
timely and in reasonable time); two weeks is this project's own choice, `due` sets another."""


class RequestState(StrEnum):
    """How far a request has come."""

    RECEIVED = "received"
    VERIFIED = "verified"
    EXECUTED = "executed"
    ANSWERED = "answered"
    REJECTED = "rejected"


NEXT: dict[RequestState, tuple[RequestState, ...]] = {
    RequestState.RECEIVED: (RequestState.VERIFIED, RequestState.REJECTED),
    RequestState.VERIFIED: (RequestState.EXECUTED, RequestState.REJECTED),
    RequestState.EXECUTED: (RequestState.ANSWERED,),
    RequestState.ANSWERED: (),
    RequestState.REJECTED: (),
}
"""The states that may follow each state."""

APPLIED = (RequestState.VERIFIED, RequestState.EXECUTED, RequestState.ANSWERED)
"""States in which a job carries a request out."""


class Opening(JobModel):
    """What is said of a request when it comes in."""

    kind: RequestKind = Field(description="What is asked for.")
    legal_ref: Annotated[str, Field(pattern=_NOBODY)] = Field(
        description="Law or contract it rests on, with article; never a person."
    )
    received: date = Field(description="Day it was received.")
    due: date = Field(description="Last day to answer.")
    selector: ListKind = Field(description="What the entries of the list are.")
    path: str = Field(
        pattern=r"^[A-Za-z0-9._/-]+$", description="List, relative to the register's folder."
    )


class Event(JobModel):
    """One line of a register."""

    at: AwareDatetime = Field(description="When the line was written.")
    id: Name = Field(description="Case number.")
    state: RequestState = Field(description="State from now on.")
    opening: Opening | None = Field(None, description="The request; of the first event only.")
    before: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the line before.")


@dataclass(frozen=True)
class Case:
    """A request as the events of the register leave it.

    Args:
        id: Case number.
        opening: What was said when it came in.
        state: Its state.
        verified: Day it was verified, or None.
        closed: Day it was answered or rejected, or None.
    """

    id: str
    opening: Opening
    state: RequestState
    verified: date | None = None
    closed: date | None = None

    def overdue(self, today: date) -> bool:
        """Return whether it is open although its last day has passed."""
        return self.closed is None and self.opening.due < today


def due_day(kind: RequestKind, received: date) -> date:
    """Return the last day to answer a request of a kind."""
    return received + timedelta(days=DAYS_BY_KIND[kind])


def read_register(path: Path) -> dict[str, Case]:
    """Return the requests of a register by case number, in the order they came in.

    Args:
        path: The register; one that does not exist is empty.

    Raises:
        JobError: A line cannot be read, was changed, or says what cannot follow.
    """
    return _replay(path, _lines(path))


def append_event(
    path: Path, case_id: str, state: RequestState, at: datetime, opening: Opening | None = None
) -> Case:
    """Append an event to a register, on disk before this returns.

    Args:
        path: The register; made where it does not exist, readable by its owner only.
        case_id: Case number.
        state: State from now on.
        at: Time of the event.
        opening: The request, for `received`.

    Returns:
        The request as it is now.

    Raises:
        JobError: The register is damaged, or the event cannot follow what it holds.
    """
    lines = _lines(path)
    before = hashlib.sha256(lines[-1]).hexdigest() if lines else _FIRST
    event = Event(at=at, id=case_id, state=state, opening=opening, before=before)
    line = event.model_dump_json(exclude_none=True).encode()
    cases = _replay(path, [*lines, line])  # refused before anything is written
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as file:
        file.write(line + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return cases[case_id]


def register_lists(register: str, cases: Sequence[Case]) -> list[ListFile]:
    """Return the lists that carry out the requests of a register that are to be applied.

    Args:
        register: Path of the register as the job file names it.
        cases: Its requests.
    """
    folder = PurePosixPath(register).parent
    return [
        ListFile(
            name=case.id,
            kind=case.opening.selector,
            path=str(folder / case.opening.path),
            request=Request(
                id=case.id,
                kind=case.opening.kind,
                legal_ref=case.opening.legal_ref,
                received=case.opening.received,
                verified=case.verified,
                due=case.opening.due,
                closed=case.closed,
            ),
        )
        for case in cases
        if case.state in APPLIED
    ]


def _lines(path: Path) -> list[bytes]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    if content and not content.endswith(b"\n"):
        raise JobError(f"{path}: the last line is cut off; it was never acknowledged: remove it")
    return content.splitlines()


def _replay(path: Path, lines: Sequence[bytes]) -> dict[str, Case]:
    cases: dict[str, Case] = {}
    before = _FIRST
    for number, line in enumerate(lines, 1):
        place = f"{path}:{number}"
        try:
            event = Event.model_validate(json.loads(line))
        except (ValueError, ValidationError, RecursionError):
            raise JobError(f"{place}: expected an event of a request as JSON") from None
        if event.before != before:
            raise JobError(f"{place}: a line before it was changed or lost since it was written")
        before = hashlib.sha256(line).hexdigest()
        cases[event.id] = _after(place, cases.get(event.id), event)
    return cases


def _after(place: str, case: Case | None, event: Event) -> Case:
    """Return the request after an event."""
    if case is None:
        if event.state is not RequestState.RECEIVED or event.opening is None:
            raise JobError(
                f"{place}: request {event.id}: expected `received` with the request first"
            )
        return Case(event.id, event.opening, event.state)
    if event.opening is not None or event.state not in NEXT[case.state]:
        allowed = ", ".join(NEXT[case.state]) or "nothing"
        raise JobError(
            f"{place}: request {event.id} is {case.state}: expected {allowed} next, got {event.state}"
        )
    day = event.at.date()
    if event.state is RequestState.VERIFIED:
        return replace(case, state=event.state, verified=day)
    ends = event.state in (RequestState.ANSWERED, RequestState.REJECTED)
    return replace(case, state=event.state, closed=day if ends else None)
