# SPDX-License-Identifier: Apache-2.0
"""The process in which one user's query runs: limits first, then the release, then the SQL.

Where the kernel can forbid all writing (see `sandbox`), the database opens the listed files
itself; elsewhere it gets Arrow datasets and no file at all.

`query.run_query` starts it, sends one JSON request on standard input and reads the answer from
standard output; a failure is one JSON line on standard error and exit code 2.
"""

from __future__ import annotations

import json
import math
import resource
import signal
import sys
from typing import Any

from .sandbox import give_up_writing

ADDRESS_SPACE = 16 << 30
"""Bytes of address space: DuckDB and Arrow reserve several GiB that they never touch."""

ANSWER_BYTES = 4 << 30
"""Largest answer, and largest file that this process could write anywhere."""


def main() -> int:
    """Run the query on standard input; return the exit code."""
    request = json.load(sys.stdin)
    _limit(request["timeout"])
    cannot_write = give_up_writing()
    # Imported only now: no thread that they start escapes the limits.
    import duckdb  # noqa: PLC0415

    from ..schemas.errors import MunimentError, QueryError  # noqa: PLC0415
    from .answers import write_answer  # noqa: PLC0415
    from .query import check_read_only, connect, first_line  # noqa: PLC0415
    from .release import open_release  # noqa: PLC0415

    try:
        release = open_release(request["output"], snapshot=request["snapshot"])
        with connect(
            release,
            verified=request["verified"],
            with_corpus=request["with_corpus"],
            with_restricted=request["with_restricted"],
            native=cannot_write,
            memory=request["memory"],
        ) as connection:
            check_read_only(connection, request["sql"])
            try:
                connection.execute(request["sql"], _decode(request["params"]))
                write_answer(connection, request["format"], sys.stdout.buffer)
                sys.stdout.buffer.flush()
            except duckdb.Error as error:
                raise QueryError(f"the query failed: {first_line(error)}") from None
            except MemoryError:
                raise QueryError("the query needs more memory than its limit") from None
            except OSError:
                raise QueryError(f"the answer is larger than {ANSWER_BYTES >> 30} GiB") from None
    except MunimentError as error:
        known = "IntegrityError" if error.exit_code == 3 else "QueryError"
        json.dump({"error": known, "message": str(error)}, sys.stderr)
        sys.stderr.write("\n")
        return 2
    return 0


def _limit(timeout: float) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a too large answer is an error, not a death
    cpu = math.ceil(timeout) * 64  # the clock of the parent is the real limit
    for limit, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_AS, ADDRESS_SPACE),
        (resource.RLIMIT_FSIZE, ANSWER_BYTES),
    ):
        resource.setrlimit(limit, (value, value))


def _decode(params: Any) -> Any:
    if isinstance(params, list):
        return [_decode_value(value) for value in params]
    if isinstance(params, dict):
        return {name: _decode_value(value) for name, value in params.items()}
    return params


def _decode_value(value: object) -> object:
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else value


if __name__ == "__main__":
    sys.exit(main())
