# SPDX-License-Identifier: Apache-2.0
"""What a job file says of its opt-out and takedown lists."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from .job_governance import Request
from .job_model import JobModel, Name


class ListKind(StrEnum):
    """What the entries of a list are, and so what of a document they are compared with."""

    DOMAIN = "domain"
    URL = "url"
    URL_PREFIX = "url_prefix"
    CONTENT_HASH = "content_hash"
    LICENCE = "licence"
    AUTHOR = "author"
    WORK = "work"
    PERSON = "person"


class ListFile(JobModel):
    """One opt-out or takedown list."""

    name: Name = Field(description="Short name, unique in the job; decisions cite it.")
    kind: ListKind = Field(
        description="What an entry is: a domain (with all below it), an address, the beginning of "
        "one, a SHA-256 of a text, an SPDX licence, an author's name, a whole work of which no copy "
        "or part is to be kept, or the keyed hash of an identifier of a person (`muniment request "
        "hash`)."
    )
    path: str = Field(
        description="File, relative to the job file; for works JSONL with `text`, a text file, or "
        "a folder of either."
    )
    share: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        0.3,
        description="Works only: share of the work found in a document, or of a document found in "
        "the work, from which it is taken down (of shingles; at least 32 of them).",
    )
    version: str = Field("unversioned", description="Version as its publisher names it.")
    licence: str = Field("unknown", description="Licence of the list itself.")
    retrieved: date | None = Field(None, description="Day it was retrieved.")
    force: bool = Field(False, description="Accept entries as broad as a public suffix.")
    request: Request | None = Field(
        None, description="The request that this list carries out; null for a general list."
    )


def check_lists(lists: Sequence[ListFile], applied: Sequence[str], *, searched: bool) -> list[str]:
    """Return the problems of lists that single fields cannot show, each with its place.

    Args:
        lists: The lists of a job.
        applied: Names of those that are applied.
        searched: Whether personal data is looked for.
    """
    problems = [
        f"lists[{number}].kind: a list of persons needs personal_data.enabled: only what is "
        "detected can be compared"
        for number, item in enumerate(lists)
        if item.kind is ListKind.PERSON and not searched
    ]
    asked = [(number, item) for number, item in enumerate(lists) if item.request]
    problems += [
        f"lists[{number}].request: the list must be applied, name it in rights.lists"
        for number, item in asked
        if item.name not in applied
    ]
    names = [item.request.id for _, item in asked if item.request]
    return problems + [
        f"lists[{asked[place][0]}].request.id: {name!r} is used twice"
        for place, name in enumerate(names)
        if name in names[:place]
    ]
