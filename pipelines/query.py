# SPDX-License-Identifier: Apache-2.0
"""Ask a release in SQL: views over its verified files, locked before the first statement runs.

Two ways lead in. Queries of our own (`run_named`, the card, `explain`) run in this process. SQL
that a user wrote (`run_query`) runs in a process of its own with a time limit, resource limits and
no right to write. DuckDB 2.0.0 accepts `WITH t AS (COPY ... TO '<a listed file>') SELECT ...` as a
plain SELECT and then overwrites the file if that path is allowed (measured; `test_query.py` holds
it). Two defences stand against that: `check_read_only` looks at the statement's tree, and the
process either gave up writing (`sandbox`) or reads through Arrow datasets without any allowed path.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from typing import IO, TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from ..schemas.errors import IntegrityError, MunimentError, QueryError
from ..schemas.restricted import RESTRICTED_TABLES
from ..schemas.tables import CORPUS, MANIFEST_TABLES, QUARANTINE
from ..schemas.tables_governance import BESIDE, WORKED_OUT
from .answers import FORMATS, write_answer
from .beside import side_tables
from .named_queries import NAMED_QUERIES, NamedQuery
from .release import open_release, release_ids
from .restricted import restricted_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .release import Release, ReleaseFile

TABLES = (*(spec.name for spec in MANIFEST_TABLES), QUARANTINE.name)
"""Tables of a release that every query sees; `corpus`, which holds the text, only on request."""

VIEWS = (*TABLES, *(spec.name for spec in (*WORKED_OUT, *BESIDE)))
"""Everything that every query sees: the tables, what is worked out, and what lies beside."""

BEFORE = "before"
"""Schema with the tables of an earlier release, where a query compares two."""

TIMEOUT = 30.0
"""Seconds a user's query may take (reference: reliability rule 9)."""

MEMORY = "2GB"
"""Memory DuckDB may use; it holds a group-by over 10 million documents (measured: 0.9 GB)."""

_EMPTY = {spec.name: spec.arrow().empty_table() for spec in RESTRICTED_TABLES}
_READ_NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
_SQL_IN_STRINGS = frozenset({"query", "json_execute_serialized_sql"})
"""Table functions that run a statement hidden in a string, where its tree cannot be seen."""

_GLOB = frozenset("*?[")


def connect(
    release: Release,
    *,
    verified: bool = True,
    with_corpus: bool = False,
    with_restricted: bool = False,
    native: bool = False,
    memory: str = MEMORY,
    before: Release | None = None,
) -> duckdb.DuckDBPyConnection:
    """Open an in-memory database with one view for each table of a release, and lock it.

    Args:
        release: The release.
        verified: Whether to prove size and sha256 of every file read before the first query.
        with_corpus: Whether `corpus` is a view too; it holds the text.
        with_restricted: Whether the restricted tables are views too; empty if they are not here.
        native: Let DuckDB open the listed files itself, which prunes by statistics and so looks
            up a document ten times faster; only for SQL of our own, or where nothing can be
            written.
        memory: Memory limit of DuckDB.
        before: An earlier release, whose tables become views `before.<table>`.

    Returns:
        A connection whose configuration can no longer be changed.

    Raises:
        IntegrityError: A table has no file, or a file is not what the manifest says.
    """
    names = (*TABLES, CORPUS.name) if with_corpus else TABLES
    files = [item for name in names for item in _parts(release, name)]
    restricted = restricted_files(release) if with_restricted else ()
    files += restricted
    release.bring(files)
    if verified:
        _prove(release, files)
    views = {name: _paths(release, name) for name in names}
    if before:
        if verified:
            _prove(before, [item for name in TABLES for item in _parts(before, name)])
        views |= {f"{BEFORE}.{name}": _paths(before, name) for name in TABLES}
    connection = duckdb.connect(":memory:")
    if before:
        connection.execute(f"CREATE SCHEMA {BEFORE}")
    for spec in RESTRICTED_TABLES if with_restricted else ():
        here = [item for item in restricted if item.table == spec.name]
        views[spec.name] = [str(release.path(item).absolute()) for item in here]
    every_path = [path for paths in views.values() for path in paths]
    native = native and not any(_GLOB & set(path) for path in every_path)
    for name, paths in views.items():
        if paths:
            _add_view(connection, name, paths, native=native)
        else:  # only of restricted tables is there sometimes no file
            connection.register(name, _EMPTY[name])
    for name, table in side_tables(release).items():
        connection.register(name, table)
    for spec in WORKED_OUT:
        place = resources.files(__package__).joinpath("views", f"{spec.name}.sql")
        connection.execute(f"CREATE VIEW {spec.name} AS {place.read_text('utf-8')}")
    _lock(connection, memory, every_path if native else [])
    return connection


def check_read_only(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Refuse all SQL but one statement that reads: SELECT, WITH, FROM, DESCRIBE, SHOW, SUMMARIZE.

    Raises:
        QueryError: The text does not parse, holds another number of statements, or could write.
    """
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise QueryError(f"the SQL does not parse: {first_line(error)}") from None
    if len(statements) != 1:
        raise QueryError(f"expected one SQL statement, got {len(statements)}")
    if statements[0].type != duckdb.StatementType.SELECT:
        kind = statements[0].type.name
        raise QueryError(f"expected a statement that reads (SELECT, WITH, DESCRIBE), got {kind}")
    (tree,) = connection.execute("SELECT json_serialize_sql($1)", [sql]).fetchone() or ("{}",)
    try:
        fault = _unsafe(json.loads(tree))
    except RecursionError:
        fault = "nesting too deep to check"
    if fault:
        raise QueryError(f"expected a statement that only reads, got {fault}")


def run_query(
    release: Release,
    sql: str,
    params: Mapping[str, Any] | Sequence[Any] | None = None,
    fmt: str = "table",
    out: IO[bytes] | None = None,
    *,
    with_corpus: bool = False,
    with_restricted: bool = False,
    verified: bool = True,
    timeout: float = TIMEOUT,
    memory: str = MEMORY,
) -> None:
    """Run SQL that a user wrote, in a process of its own, and write the answer.

    Nothing is written unless the whole answer is there.

    Args:
        release: The release to ask.
        sql: One statement that reads; `?` and `$name` stand for parameters.
        params: Their values.
        fmt: One of `answers.FORMATS`.
        out: Where to write; None is standard output.
        with_corpus: Whether `corpus`, which holds the text, is a view too.
        with_restricted: Whether the restricted tables are views too.
        verified: Whether to prove every file read first.
        timeout: Seconds the query may take.
        memory: Memory limit of DuckDB.

    Raises:
        QueryError: The SQL was refused, failed, or ran past a limit.
        IntegrityError: A file is not what the manifest says.
    """
    _check_format(fmt)
    names = (*TABLES, CORPUS.name) if with_corpus else TABLES
    release.bring_beside()
    release.bring(restricted_files(release) if with_restricted else ())
    release.bring([item for name in names for item in release.files(name)])
    request = json.dumps(
        {
            "output": str(release.output),
            "snapshot": release.id,
            "sql": sql,
            "params": _encode(params),
            "format": fmt,
            "with_corpus": with_corpus,
            "with_restricted": with_restricted,
            "verified": verified,
            "memory": memory,
            "timeout": timeout,
        }
    )
    # -P: no module is ever taken from the working folder.
    command = [sys.executable, "-P", "-m", f"{__package__}.query_worker"]
    with tempfile.TemporaryFile() as answer, tempfile.TemporaryFile() as errors:
        with subprocess.Popen(  # noqa: S603  (our own interpreter and module; SQL goes by stdin)
            command, stdin=subprocess.PIPE, stdout=answer, stderr=errors, start_new_session=True
        ) as process:
            try:
                process.communicate(request.encode(), timeout=timeout)
            except subprocess.TimeoutExpired:
                raise QueryError(
                    f"the query ran past {timeout:g} s and was stopped; narrow it"
                ) from None
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
        if process.returncode != 0:
            errors.seek(0)
            raise _failure(process.returncode, errors.read(1 << 16))
        answer.seek(0)
        shutil.copyfileobj(answer, out or sys.stdout.buffer, 1 << 20)


def run_named(
    release: Release,
    name: str,
    args: Mapping[str, str] | None = None,
    fmt: str = "table",
    out: IO[bytes] | None = None,
    *,
    verified: bool = True,
) -> None:
    """Run a named query and write the answer.

    Args:
        release: The release to ask.
        name: Name of the query, see `NAMED_QUERIES`.
        args: Its arguments as text, as `--arg name=value` gives them.
        fmt: One of `answers.FORMATS`.
        out: Where to write; None is standard output.
        verified: Whether to prove every file read first.

    Raises:
        QueryError: No such query, or an argument is missing, unknown or malformed.
        IntegrityError: A file is not what the manifest says.
    """
    _check_format(fmt)
    query = find_named(name)
    given = dict(args or {})
    before = _before(release, given.pop("before", None)) if query.compares else None
    values = query.bind(given)
    asked = [release]
    if query.everywhere:
        asked = [open_release(release.output, snapshot=id_) for id_ in release_ids(release.output)]
    answers = []
    for one in asked:
        with connect(
            one,
            verified=verified,
            native=True,
            before=before,
            with_restricted=query.restricted,
        ) as connection:
            if not query.everywhere:
                connection.execute(query.sql, values)
                write_answer(connection, fmt, out or sys.stdout.buffer)
                return
            rows = connection.sql(query.sql, params=values).to_arrow_table()
            answers.append(rows.add_column(0, "release_id", pa.repeat(one.id, rows.num_rows)))
    with duckdb.connect(":memory:") as connection:
        connection.register("answer", pa.concat_tables(answers))
        connection.execute("FROM answer")
        write_answer(connection, fmt, out or sys.stdout.buffer)


def _before(release: Release, release_id: str | None) -> Release:
    """Return the release that a query compares with: the one named, or the parent.

    Raises:
        QueryError: There is none.
    """
    parent = release.manifest.get("parent") or {}
    wanted = release_id or parent.get("release")
    if not wanted:
        raise QueryError("this release has none before it; name one with --arg before=ID")
    return open_release(release.origin, snapshot=wanted)


def ask(
    connection: duckdb.DuckDBPyConnection, name: str, args: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """Return the rows of a named query as dicts, column name to value."""
    query = find_named(name)
    connection.execute(query.sql, query.bind(args or {}))
    columns = [column[0] for column in connection.description or ()]
    return [dict(zip(columns, row, strict=True)) for row in connection.fetchall()]


def find_named(name: str) -> NamedQuery:
    """Return the named query of this name.

    Raises:
        QueryError: There is none.
    """
    for query in NAMED_QUERIES:
        if query.name == name:
            return query
    known = ", ".join(query.name for query in NAMED_QUERIES)
    raise QueryError(f"no query is called {name!r}; known are {known}")


def first_line(error: Exception) -> str:
    """Return what a DuckDB error says in one line of printable characters.

    Only errors about the statement itself are quoted; the others may hold a value from a table.
    """
    about_sql = (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException)
    if isinstance(error, duckdb.OutOfMemoryException):
        return "it needs more memory than its limit"
    if isinstance(error, duckdb.PermissionException):
        return "files, the network and settings are out of its reach"
    if not isinstance(error, about_sql):
        return f"{type(error).__name__} while it ran"
    line = str(error).split("\n", 1)[0][:300]
    return "".join(char if char.isprintable() else "?" for char in line)


def _parts(release: Release, table: str) -> list[ReleaseFile]:
    parts = [item for item in release.files(table) if item.path.endswith(".parquet")]
    if not parts:
        raise IntegrityError(f"MANIFEST.json: the release lists no Parquet file of table {table}")
    return parts


def _paths(release: Release, table: str) -> list[str]:
    return [str(path.absolute()) for path in release.parts(table)]


def _prove(release: Release, files: list[ReleaseFile]) -> None:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for item, damage in zip(files, pool.map(release.damage, files), strict=True):
            if damage:
                raise IntegrityError(f"{item.path}: {damage}; run `muniment verify`")


def _add_view(
    connection: duckdb.DuckDBPyConnection, name: str, paths: list[str], *, native: bool
) -> None:
    if native:
        listed = ", ".join(_quoted(path) for path in paths)
        connection.execute(f"CREATE VIEW {name} AS FROM read_parquet([{listed}])")
    else:
        import pyarrow.dataset  # noqa: PLC0415  (80 ms that a native connection saves)

        plain = name.replace(".", "_")
        connection.register(plain, pyarrow.dataset.dataset(paths, format="parquet"))
        if plain != name:
            connection.execute(f"CREATE VIEW {name} AS FROM {plain}")


def _lock(connection: duckdb.DuckDBPyConnection, memory: str, allowed: list[str]) -> None:
    connection.execute(f"SET memory_limit = {_quoted(memory)}")
    connection.execute(f"SET allowed_paths = [{', '.join(_quoted(path) for path in allowed)}]")
    for setting in (
        "parquet_metadata_cache = true",  # each statement reads the same files
        "max_temp_directory_size = '0MB'",
        "python_enable_replacements = false",
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        "allow_community_extensions = false",
        "enable_external_access = false",
        "lock_configuration = true",  # last: from here on nothing can be unlocked
    ):
        connection.execute(f"SET {setting}")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _unsafe(node: object) -> str | None:
    """Return what in a serialised statement could write or hides SQL in a string, or None."""
    if isinstance(node, list):
        return next((fault for item in node if (fault := _unsafe(item))), None)
    if not isinstance(node, dict):
        return None
    if node.get("error") is True:
        return "one that cannot be checked"
    kind = node.get("type")
    if isinstance(kind, str) and kind.endswith("_NODE") and kind not in _READ_NODES:
        return kind.removesuffix("_NODE").removesuffix("_QUERY")
    if str(node.get("function_name")).lower() in _SQL_IN_STRINGS:
        return "SQL inside a string"
    return _unsafe(list(node.values()))


def _check_format(fmt: str) -> None:
    if fmt not in FORMATS:
        raise QueryError(f"expected a format of {', '.join(FORMATS)}, got {fmt!r}")


def _encode(params: Mapping[str, Any] | Sequence[Any] | None) -> Any:
    """Return parameters as JSON values; bytes become `{"hex": ...}`."""
    if params is None:
        return None
    if isinstance(params, dict):
        return {name: _encode_value(value) for name, value in params.items()}
    return [_encode_value(value) for value in params]


def _encode_value(value: object) -> object:
    return {"hex": value.hex()} if isinstance(value, bytes) else value


def _failure(code: int, raw: bytes) -> MunimentError:
    try:
        report = json.loads(raw.decode().rsplit("\n", 2)[-2])
        known: dict[str, type[MunimentError]] = {
            "QueryError": QueryError,
            "IntegrityError": IntegrityError,
        }
        return known[report["error"]](report["message"])
    except (ValueError, LookupError, TypeError):
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return QueryError(f"the query's process was stopped ({how}); it may need too much memory")
