# SPDX-License-Identifier: Apache-2.0
"""The one exception tree of the package.

    MunimentError                 anything muniment raises on purpose
    ├── UserError        exit 2   something the user can mend; one line says what, where, what to do
    │   ├── JobError              the job file: every problem at once, each with its place
    │   ├── InputError            an input file is missing, unreadable, damaged or has changed
    │   ├── ListError             an opt-out, takedown or licence list cannot be used
    │   ├── ModelError            a model file is missing or is not the declared one
    │   ├── KeyFileError          the secret key is missing, weak or readable by others
    │   ├── ReleaseError          no release at this place, or not one this version can read
    │   ├── StorageError          an object store is unknown, refuses or cannot be reached
    │   └── QueryError            a query was refused or failed
    ├── BooksError       exit 3   records in are not records kept + removed + quarantined
    ├── GateError        exit 3   a release gate (loss guard, leakage, canary) stopped the commit
    ├── IntegrityError   exit 3   a file of a release is not what its manifest says
    └── StageError       exit 1   a defect or a resource limit inside a stage

Messages never hold document text: they name a place (file, offset, field), what was expected and
what came instead. Every class survives pickling, because workers raise them.
"""

from __future__ import annotations

from .printable import inert


class MunimentError(Exception):
    """Base of every error muniment raises on purpose; catch this to catch them all."""

    exit_code = 1


class UserError(MunimentError):
    """Something the user can mend: exit code 2 and one line on stderr."""

    exit_code = 2


class JobError(UserError):
    """The job file cannot be run; carries every problem, each with its place.

    Args:
        problems: One line each, `place: what was expected, what came`. Sorted by the caller.
    """

    def __init__(self, problems: list[str] | str) -> None:
        given = [problems] if isinstance(problems, str) else problems
        self.problems = [inert(problem) for problem in given]  # they may quote the job file
        super().__init__("; ".join(self.problems))

    def __reduce__(self) -> tuple[type[JobError], tuple[list[str]]]:
        return type(self), (self.problems,)


class InputError(UserError):
    """An input file is missing, unreadable, damaged or changed while it was read."""


class ListError(UserError):
    """An opt-out, takedown or licence list is empty, too broad or malformed."""


class ModelError(UserError):
    """A model is missing or its sha256 is not the declared one."""


class KeyFileError(UserError):
    """The key file is missing, too short, all zeros or readable by others."""


class ReleaseError(UserError):
    """There is no release at this place, or its version is unknown."""


class StorageError(UserError):
    """An object store is not supported, cannot be reached, or refuses."""


class QueryError(UserError):
    """A query was refused, failed, or ran past its limits."""


class BooksError(MunimentError):
    """Records in are not records kept + removed + quarantined."""

    exit_code = 3


class GateError(MunimentError):
    """A release gate stopped the commit."""

    exit_code = 3


class IntegrityError(MunimentError):
    """A file of a release is not what its manifest says."""

    exit_code = 3


class StageError(MunimentError):
    """A stage failed for a reason that is not the input's: a defect or a resource limit."""
