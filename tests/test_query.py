# SPDX-License-Identifier: Apache-2.0
"""SQL of users: what it can ask, in which formats, and what it can never do."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.pipelines import query
from muniment.pipelines.answers import plain, shortest_float32, write_answer
from muniment.pipelines.query import VIEWS, check_read_only, connect, run_query
from muniment.pipelines.release import Release, open_release
from muniment.schemas.errors import IntegrityError, QueryError
from muniment.schemas.printable import inert
from release_fixture import build_release, doc_id

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    output = tmp_path_factory.mktemp("story")
    build_release(output)
    return open_release(output)


@pytest.fixture(scope="module")
def connection(release: Release) -> duckdb.DuckDBPyConnection:
    return connect(release, native=True)


@pytest.fixture
def locked(release: Release) -> Iterator[duckdb.DuckDBPyConnection]:
    """Return a connection as the process of a user query has it."""
    with connect(release) as connection:
        yield connection


def answer(release: Release, sql: str, **options: object) -> list[dict[str, object]]:
    out = io.BytesIO()
    run_query(release, sql, options.pop("params", None), "json", out, **options)  # type: ignore[arg-type]
    return json.loads(out.getvalue())


def test_every_table_but_the_corpus_is_a_view(locked: duckdb.DuckDBPyConnection) -> None:
    assert [row[0] for row in locked.execute("SHOW TABLES").fetchall()] == sorted(VIEWS)


def test_the_corpus_is_a_view_only_on_request(release: Release) -> None:
    with connect(release) as locked, pytest.raises(duckdb.CatalogException):
        locked.execute("SELECT text FROM corpus")
    with connect(release, with_corpus=True) as locked:
        assert locked.execute("SELECT count(text) FROM corpus").fetchall() == [(15,)]


def test_json_is_an_array_of_objects_with_ids_in_hex_and_dates_in_iso(release: Release) -> None:
    sql = "SELECT doc_id, published, toxicity, reason FROM documents WHERE doc_id = $id"
    assert answer(release, sql, params={"id": doc_id(1)}) == [
        {
            "doc_id": "01" * 16,
            "published": "2001-01-01",
            "toxicity": 0.01,
            "reason": None,
        }
    ]
    assert written("json", "SELECT 1 WHERE false") == b"[]\n"


def test_parameters_can_be_a_list_or_a_mapping(release: Release) -> None:
    assert answer(release, "SELECT ? + ? AS n", params=[1, 2]) == [{"n": 3}]
    assert answer(release, "SELECT $a AS a", params={"a": "' OR 1=1"}) == [{"a": "' OR 1=1"}]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1",
        "WITH t AS (SELECT 1 AS x) SELECT * FROM t;",
        "FROM runs",
        "DESCRIBE documents",
        "DESCRIBE SELECT * FROM documents",
        "SUMMARIZE runs",
        "SHOW TABLES",
        "VALUES (1)",
        "SELECT * EXCLUDE (lang) FROM documents WHERE lang IN (SELECT lang FROM documents)",
        "SELECT 1 UNION ALL SELECT 2",
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 3) FROM t",
        "SELECT 'COPY x TO y; DROP TABLE z' AS text",
    ],
)
def test_statements_that_only_read_are_accepted(
    locked: duckdb.DuckDBPyConnection, statement: str
) -> None:
    check_read_only(locked, statement)
    assert locked.execute(statement).fetchall()


WRITING = [
    "COPY documents TO '{file}'",
    "WITH t AS (COPY (SELECT 1) TO '{file}' (use_tmp_file false)) SELECT * FROM t",
    "SELECT * FROM (WITH t AS (COPY (SELECT 1) TO '{file}' (use_tmp_file false)) FROM t)",
    "FROM query('WITH t AS (COPY (SELECT 1) TO ''{file}'' (use_tmp_file false)) FROM t')",
    "FROM json_execute_serialized_sql(json_serialize_sql("
    "'WITH t AS (COPY (SELECT 1) TO ''{file}'' (use_tmp_file false)) FROM t'))",
    "FROM JSON_EXECUTE_SERIALIZED_SQL(json_serialize_sql('SELECT 1'))",
    "WITH t AS (INSERT INTO documents VALUES (1) RETURNING 1) SELECT * FROM t",
    "WITH t AS (DELETE FROM documents RETURNING 1) SELECT * FROM t",
    "CREATE TABLE t AS SELECT 1",
    "DROP VIEW documents",
    "EXPORT DATABASE '{folder}'",
    "ATTACH '{folder}/x.db'",
    "INSTALL httpfs",
    "LOAD json",
    "SET memory_limit = '100GB'",
    "RESET lock_configuration",
    "CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')",
    "SET VARIABLE x = 1",
    "PREPARE p AS SELECT 1",
    "COPY documents FROM '{file}'",
    "IMPORT DATABASE '{folder}'",
    "CALL enable_logging('QueryLog', storage = 'file')",
    "PRAGMA version",
    "CALL pragma_version()",
    "BEGIN",
    "EXPLAIN ANALYZE SELECT 1",
    "SELECT 1; SELECT 2",
    "",
    "-- nothing",
    "SELEC 1",
]
READING_ELSEWHERE = [
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('{file}')",
    "SELECT * FROM read_parquet('{file}')",
    "SELECT * FROM '{file}'",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM 'https://example.invalid/x.parquet'",
    "SELECT * FROM parquet_metadata('{file}')",
    "SELECT * FROM read_text('{file}/../../../MANIFEST.json')",
    "SELECT * FROM read_csv_auto('/etc/passwd')",
    "SELECT * FROM read_ndjson_objects('/proc/self/environ')",
    "SELECT * FROM query_table('{file}')",
    "SELECT * FROM which_secret('s3://bucket/x', 's3')",
    "SELECT * FROM duckdb_extensions()",
    "SELECT * FROM sqlite_scan('/etc/passwd', 'x')",
    "SELECT * FROM arrow_scan(1, 2, 3)",
    "SELECT * FROM read_json('/proc/self/environ')",
    "SELECT getenv('HOME')",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM request",  # a local variable of the process: no replacement scan
]

# What a connection without the check would run, in memory and without effect on any file.
HARMLESS = {
    "FROM JSON_EXECUTE_SERIALIZED_SQL(json_serialize_sql('SELECT 1'))",
    "SET VARIABLE x = 1",
    "PREPARE p AS SELECT 1",
    "CREATE TABLE t AS SELECT 1",
    "LOAD json",
    "PRAGMA version",
    "CALL pragma_version()",
    "BEGIN",
    "EXPLAIN ANALYZE SELECT 1",
    "SELECT 1; SELECT 2",
    "",
    "-- nothing",
    "DROP VIEW documents",
}


@pytest.mark.parametrize("sql", WRITING)
def test_a_statement_that_could_write_is_refused_before_it_runs(
    release: Release, locked: duckdb.DuckDBPyConnection, sql: str
) -> None:
    with pytest.raises(QueryError):
        check_read_only(locked, placed(release, sql))


@pytest.mark.parametrize("sql", WRITING + READING_ELSEWHERE)
def test_even_unchecked_no_statement_reaches_a_file_or_a_setting(
    release: Release, locked: duckdb.DuckDBPyConnection, sql: str
) -> None:
    before = state(release)
    try:
        if duckdb.extract_statements(placed(release, sql)):
            locked.execute(placed(release, sql)).fetchall()
    except duckdb.Error:
        refused = True
    else:
        refused = False
    assert refused or sql in HARMLESS
    assert state(release) == before
    assert locked.execute("SELECT current_setting('lock_configuration')").fetchall() == [(True,)]


WITHOUT_WRITING = """
import sys
from muniment.pipelines.sandbox import give_up_writing
if not give_up_writing():
    sys.exit(77)
import duckdb
connection = duckdb.connect(":memory:")
try:
    connection.execute(sys.argv[1])
except duckdb.Error:
    sys.exit(3)
"""


def test_where_the_kernel_forbids_writing_no_statement_writes(tmp_path: Path) -> None:
    """No check and no setting of DuckDB stands in the way here; only the kernel does."""
    build_release(tmp_path)
    release = open_release(tmp_path)
    before = state(release)
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_WRITING, placed(release, WRITING[1])], check=False
    )
    if done.returncode == 77:
        pytest.skip("this kernel has no Landlock; user queries read through Arrow here")
    assert done.returncode == 3
    assert state(release) == before


def test_the_process_of_a_user_query_refuses_likewise(release: Release) -> None:
    before = state(release)
    text = "SELECT text FROM read_parquet('{folder}/corpus/part-00000.parquet')"
    for sql in (WRITING[1], WRITING[3], READING_ELSEWHERE[0], text):
        with pytest.raises(QueryError):
            answer(release, placed(release, sql))
    assert state(release) == before


def placed(release: Release, sql: str) -> str:
    return sql.format(file=release.parts("documents")[0], folder=release.folder)


def state(release: Release) -> list[tuple[str, int, str]]:
    """Return name, modification time and digest of everything in the output folder."""
    return sorted(
        (str(path), path.lstat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in release.output.rglob("*")
        if path.is_file()
    )


@pytest.mark.parametrize("number", [1, 4], ids=["in a WITH", "in a serialised statement"])
def test_without_the_defence_a_select_overwrites_the_manifest(tmp_path: Path, number: int) -> None:
    """The twin: an allowed path is enough for DuckDB, and the statement counts as a SELECT."""
    build_release(tmp_path)
    release = open_release(tmp_path)
    file = release.parts("runs")[0]
    before = file.read_bytes()
    sql = WRITING[number].format(file=file)
    assert duckdb.extract_statements(sql)[0].type == duckdb.StatementType.SELECT
    with connect(release, native=True) as connection:
        connection.execute(sql)
    assert file.read_bytes() != before


@pytest.mark.parametrize("sql", ["(" * 50_000 + "1" + ")" * 50_000, "- " * 100_000 + "1"])
def test_a_statement_too_deep_to_check_is_refused(release: Release, sql: str) -> None:
    with pytest.raises(QueryError, match="does not parse"):
        answer(release, f"SELECT {sql}")


def test_a_query_that_never_ends_is_stopped(release: Release) -> None:
    started = time.monotonic()
    with pytest.raises(QueryError, match="ran past 2 s"):
        answer(
            release,
            "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT sum(n) FROM t",
            timeout=2,
        )
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT repeat('x', 10000000000)",
        "SELECT list(a.range ORDER BY hash(a.range)) FROM range(100000000) AS a",
    ],
)
def test_a_query_that_wants_too_much_memory_fails_and_says_so(release: Release, sql: str) -> None:
    with pytest.raises(QueryError, match=r"memory|failed|ran past"):
        answer(release, sql, memory="200MB", timeout=10)


def test_an_error_about_a_value_never_quotes_the_value(release: Release) -> None:
    with pytest.raises(QueryError) as caught:
        answer(release, "SELECT CAST(text AS INTEGER) FROM corpus", with_corpus=True)
    assert "document" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_damaged_file_is_named_before_any_row_is_read(tmp_path: Path) -> None:
    build_release(tmp_path)
    release = open_release(tmp_path)
    file = release.parts("rules")[0]
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)
    with pytest.raises(
        IntegrityError, match=r"manifest/rules/part-00000\.parquet: expected sha256"
    ):
        run_query(release, "SELECT 1", fmt="json", out=io.BytesIO())


def test_every_view_is_a_table_of_the_schema(connection: duckdb.DuckDBPyConnection) -> None:
    for name in VIEWS:
        described = connection.execute(f"DESCRIBE {name}").fetchall()
        specs = (*query.MANIFEST_TABLES, query.QUARANTINE, *query.WORKED_OUT, *query.BESIDE)
        declared = {spec.name: spec for spec in specs}
        assert [row[0] for row in described] == [field.name for field in declared[name].fields]


# --- formats --------------------------------------------------------------------------------------


def written(fmt: str, sql: str, values: dict[str, object] | None = None) -> bytes:
    out = io.BytesIO()
    with duckdb.connect(":memory:") as connection:
        connection.execute(sql, values or {})
        write_answer(connection, fmt, out)
    return out.getvalue()


def test_csv_cells_never_become_formulas() -> None:
    hostile = ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "＝1", 'a"b', "a,b", "plain"]
    raw = written("csv", "SELECT unnest($v) AS text, -5 AS number", {"v": hostile})
    rows = list(csv.reader(io.StringIO(raw.decode(), newline="")))
    assert rows[0] == ["text", "number"]
    assert [row[0] for row in rows[1:]] == [f"'{text}" for text in hostile[:7]] + hostile[7:]
    assert {row[1] for row in rows[1:]} == {"-5"}


def test_a_table_shows_control_characters_instead_of_obeying_them() -> None:
    text = written("table", "SELECT $v AS v", {"v": "a\x1b[31mred\u202egnp\n"}).decode()
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "a\\x1b[31mred\\u202egnp\\n" in text


def test_a_table_lines_up_wide_characters() -> None:
    sql = "SELECT * FROM (VALUES ('中文', 1), ('abcd', 22)) AS t(word, n)"
    assert written("table", sql).decode().splitlines() == [
        "word   n",
        "----  --",
        "中文   1",
        "abcd  22",
        "(2 rows)",
    ]


def test_parquet_gives_the_rows_with_their_types(release: Release) -> None:
    out = io.BytesIO()
    run_query(
        release, "SELECT doc_id, tokens_in FROM documents ORDER BY doc_id", None, "parquet", out
    )
    table = pq.read_table(pa.BufferReader(out.getvalue()))
    assert table.column("doc_id").to_pylist() == [doc_id(number) for number in range(1, 31)]
    assert pa.types.is_unsigned_integer(table.schema.field("tokens_in").type)


def test_an_unknown_format_is_refused(release: Release) -> None:
    with pytest.raises(QueryError, match="table, json, csv, parquet"):
        run_query(release, "SELECT 1", fmt="xml")


def test_nothing_is_written_when_a_query_fails_half_way(release: Release) -> None:
    out = io.BytesIO()
    sql = "SELECT CASE WHEN range = 50000 THEN error('x') ELSE 1 END FROM range(60000)"
    with pytest.raises(QueryError):
        run_query(release, sql, None, "json", out)
    assert out.getvalue() == b""


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_the_shortest_float32_is_the_same_float32(value: float) -> None:
    packed = pa.array([shortest_float32(value)], pa.float32())
    assert packed.to_pylist() == [value]


@given(st.text())
def test_inert_text_is_printable_and_plain_text_is_left_alone(text: str) -> None:
    assert inert(text).isprintable()
    if text.isprintable():
        assert inert(text) == text


def test_plain_values_are_what_json_has() -> None:
    values = [b"\x01", None, True, float("nan"), {b"\x01": [1.5]}]
    assert json.loads(json.dumps([plain(value) for value in values])) == [
        "01",
        None,
        True,
        None,
        {"01": [1.5]},
    ]


# --- start ----------------------------------------------------------------------------------------


def test_the_reading_side_never_loads_beam_or_the_models() -> None:
    code = (
        "import sys; from muniment.pipelines import card, explain, query, query_worker, verify; "
        "heavy = {'apache_beam', 'spacy', 'numba', 'presidio_analyzer', 'fasttext', 'pandas'}; "
        "loaded = {name.split('.')[0] for name in sys.modules}; "
        "kernels = [name for name in sys.modules if name.startswith('muniment.transforms.') "
        "and '.stores' not in name]; "
        "print(sorted(heavy & loaded) + kernels)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert shown.stdout.strip() == "[]"
