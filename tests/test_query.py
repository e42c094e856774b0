# SPDX-License-Identifier: Apache-2.0
"""The query layer: what the named queries answer, and what user SQL can never do."""

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

from muniment.pipelines import named_queries, query
from muniment.pipelines.answers import inert, plain, shortest_float32, write_answer
from muniment.pipelines.named_queries import NAMED_QUERIES, list_named
from muniment.pipelines.query import VIEWS, ask, check_read_only, connect, run_named, run_query
from muniment.pipelines.release import Release, open_release
from muniment.schemas.errors import IntegrityError, QueryError, ReleaseError
from release_fixture import build_release, doc_id, tables, write_release

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


# --- opening a release ------------------------------------------------------------------------


def test_an_empty_folder_holds_no_release(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="no release here; run `muniment run"):
        open_release(tmp_path)


def test_a_missing_folder_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="no such folder"):
        open_release(tmp_path / "nowhere")


@pytest.mark.parametrize("line", ["", "snapshots/../etc\n", "snapshots/0000\n", "x" * 200])
def test_a_pointer_that_is_not_one_plain_line_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "CURRENT").write_text(line)
    with pytest.raises(IntegrityError, match="expected one line"):
        open_release(tmp_path)


def test_a_pointer_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "CURRENT").symlink_to("/etc/passwd")
    with pytest.raises(ReleaseError, match="not a link"):
        open_release(tmp_path)


def test_a_snapshot_is_named_by_its_id_only(tmp_path: Path) -> None:
    build_release(tmp_path)
    with pytest.raises(ReleaseError, match="16 hexadecimal digits"):
        open_release(tmp_path, snapshot="../../etc")
    with pytest.raises(ReleaseError, match="no release 0000000000000000"):
        open_release(tmp_path, snapshot="0" * 16)


def test_an_older_snapshot_can_be_opened_by_its_id(tmp_path: Path) -> None:
    first = build_release(tmp_path)
    second = write_release(tmp_path, tables(), parent=first)
    assert open_release(tmp_path).id == second
    assert open_release(tmp_path, snapshot=first).id == first


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_schema_version_is_refused_not_half_read(tmp_path: Path, version: object) -> None:
    write_release(tmp_path, tables(), schema_version=version)
    with pytest.raises(ReleaseError, match="unsupported_version"):
        open_release(tmp_path)


@pytest.mark.parametrize(
    "path", ["../x", "/etc/passwd", "a/../b", "a//b", "a\\b", "", ".hidden", "MANIFEST.json"]
)
def test_a_manifest_cannot_list_a_file_outside_the_release(tmp_path: Path, path: str) -> None:
    entry = {"path": path, "table": None, "bytes": 1, "rows": None, "sha256": "0" * 64}
    write_release(tmp_path, tables(), files=[entry])
    with pytest.raises(IntegrityError, match="not a file entry inside the release"):
        open_release(tmp_path)


def test_a_file_reached_through_a_link_is_refused(tmp_path: Path) -> None:
    build_release(tmp_path)
    release = open_release(tmp_path)
    folder = release.folder / "manifest"
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IntegrityError, match="manifest"):
        connect(release)


def test_a_changed_manifest_no_longer_fits_its_folder(tmp_path: Path) -> None:
    build_release(tmp_path)
    manifest = open_release(tmp_path).folder / "MANIFEST.json"
    manifest.write_text(manifest.read_text().replace('"read": 30', '"read": 31'))
    with pytest.raises(IntegrityError, match="changed after the release"):
        open_release(tmp_path)


# --- named queries: answers counted by hand from the story --------------------------------------

TRUTH: dict[str, list[tuple[object, ...]]] = {
    # scope, name, read, kept, removed, quarantined, difference
    "books": [
        ("run", "story", 30, 15, 12, 3, 0),
        ("source", "mail", 4, 2, 1, 1, 0),
        ("source", "web", 18, 7, 9, 2, 0),
        ("source", "wiki", 8, 6, 2, 0, 0),
        ("input", "web/a.jsonl", 10, 3, 6, 1, 0),
        ("input", "web/b.jsonl", 8, 4, 3, 1, 0),
        ("input", "wiki.parquet", 8, 6, 2, 0, 0),
        ("input", "mail.jsonl.gz", 4, 2, 1, 1, 0),
    ],
    # lang, documents_in, documents_kept, tokens_in, tokens_out, share
    "by-language": [
        ("en", 17, 9, 2150, 1148, 1148 / 1998),
        ("zh", 5, 4, 700, 600, 600 / 1998),
        ("de", 3, 2, 300, 250, 250 / 1998),
        ("fr", 1, 0, 100, 0, 0.0),
        ("und", 1, 0, 0, 0, 0.0),
    ],
    # licence, documents_kept, said_by_document, said_by_source, tokens_out, share
    "by-licence": [
        ("CC-BY-SA-4.0", 6, 0, 6, 1200, 1200 / 1998),
        ("unknown", 6, 0, 0, 498, 498 / 1998),
        ("CC-BY-4.0", 2, 2, 0, 200, 200 / 1998),
        ("CC0-1.0", 1, 1, 0, 100, 100 / 1998),
    ],
    # source_id, kind, legal_basis, in, kept, removed, quarantined, tokens_in, tokens_out, share
    "by-source": [
        ("wiki", "public_dataset", "licence", 8, 6, 2, 0, 1600, 1200, 1200 / 1998),
        ("web", "crawl", "tdm_art4", 18, 7, 9, 2, 1500, 698, 698 / 1998),
        ("mail", "licensed", "contract", 4, 2, 1, 1, 200, 100, 100 / 1998),
    ],
    # reasons: outcome, reason, documents, tokens, share
    "reasons": [
        ("removed", "dup_near", 2, 150, 2 / 15),
        ("removed", "dup_exact", 1, 100, 1 / 15),
        ("removed", "empty", 1, 0, 1 / 15),
        ("removed", "language_not_allowed", 1, 100, 1 / 15),
        ("removed", "licence_not_allowed", 1, 200, 1 / 15),
        ("removed", "optout_domain", 1, 100, 1 / 15),
        ("removed", "optout_dup", 1, 100, 1 / 15),
        ("removed", "optout_url", 1, 100, 1 / 15),
        ("removed", "pii_dense", 1, 100, 1 / 15),
        ("removed", "takedown", 1, 200, 1 / 15),
        ("removed", "toxic", 1, 100, 1 / 15),
        ("quarantined", "detector_cap", 1, 50, 1 / 15),
        ("quarantined", "json_syntax", 1, 0, 1 / 15),
        ("quarantined", "too_large", 1, 0, 1 / 15),
    ],
    # observability, state, documents_kept, tokens_out, share
    "rights": [
        ("full", "allow", 6, 1200, 1200 / 1998),
        ("page_only", "unknown", 4, 398, 398 / 1998),
        ("page_only", "allow", 3, 300, 300 / 1998),
        ("none", "unknown", 2, 100, 100 / 1998),
    ],
    # licence, unobservable, rights unknown, language, toxicity, domain, date
    "unknowns": [
        tuple(part / 1998 for part in (498, 100, 498, 0, 250, 100, 1300)),
    ],
    # role, method, documents, tokens, clusters, least, mean, tainted
    "duplicates": [
        ("context", "minhash", 2, 200, 1, 0.95, 0.95, 1),
        ("near_copy", "minhash", 2, 150, 2, 0.8, 0.855, 0),
        ("survivor", "minhash", 2, 150, 2, None, None, 0),
        ("exact_copy", "exact", 1, 100, 1, 1.0, 1.0, 0),
    ],
    # grade, documents_in, documents_kept, removed_as_dense, found, redacted_in_kept
    "pii-grades": [
        ("sensitive", 1, 0, 1, 4, 0),
        ("general", 1, 1, 0, 2, 2),
        ("none", 25, 14, 0, 0, 0),
    ],
    # type, grade, detector, action, documents, found, in kept, redacted, left
    "pii": [
        ("CN_ID", "sensitive", "pattern@1", "left", 1, 4, 0, 0, 0),
        ("EMAIL", "general", "pattern@1", "placeholder", 1, 2, 2, 2, 0),
    ],
    # reason, stage, source_id, records, bytes
    "quarantine": [
        ("detector_cap", "pii", "mail", 1, 1000),
        ("json_syntax", "read", "web", 1, 1000),
        ("too_large", "read", "web", 1, 1000),
    ],
    # source_id, documents_kept, documents_unknown, tokens_unknown, share_unknown
    "unknown-licence": [
        ("mail", 2, 2, 100, 1.0),
        ("web", 7, 4, 398, 398 / 698),
        ("wiki", 6, 0, 0, 0.0),
    ],
    # rule_id, reason, documents, only_here, tokens
    "shadow": [("toxicity-zh", "toxic", 2, 1, 100)],
    # source_id, publisher, version, uri, tokens_in, share
    "public-datasets": [
        ("wiki", "Wiki Example", "2025-01", "https://wiki.example/dump", 1600, 1.0)
    ],
    # rank, domain, documents_in, tokens_in, tokens_out: the first of 7 crawled domains
    "eu-domains": [(1, "a.example", 4, 400, 198)],
    "eu-domains-sme": [(1, "a.example", 4, 400, 198)],
    # lang, documents_in, removed, removal_rate, commonest_reason (the first by name of equals)
    "removal-by-language": [
        ("fr", 1, 1, 1.0, "language_not_allowed"),
        ("und", 1, 1, 1.0, "empty"),
        ("en", 17, 8, 8 / 17, "dup_exact"),
        ("de", 3, 1, 1 / 3, "dup_near"),
        ("zh", 5, 1, 1 / 5, "optout_url"),
    ],
    # out_file, documents, tokens, text_bytes
    "corpus-files": [
        ("corpus/part-00000.parquet", 7, 698, 3500),
        ("corpus/part-00001.parquet", 8, 1300, 6500),
    ],
    "tainted": [],
    "unexplained": [],
    "leaks": [],
    "metrics": [("bands_capped", "", 3.0, "buckets")],
}


@pytest.mark.parametrize("name", sorted(TRUTH))
def test_a_named_query_answers_what_was_counted_by_hand(
    connection: duckdb.DuckDBPyConnection, name: str
) -> None:
    rows = [tuple(row.values()) for row in ask(connection, name)]
    assert len(rows) == len(TRUTH[name])
    for row, truth in zip(rows, TRUTH[name], strict=True):
        assert row == tuple(
            pytest.approx(value, rel=1e-6) if isinstance(value, float) else value for value in truth
        )


def test_the_funnel_goes_from_everything_read_to_what_is_kept(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    rows = ask(connection, "funnel")
    assert [(row["rule_id"], row["documents"], row["documents_left"]) for row in rows] == [
        ("read", 0, 30),
        ("strict-reader", 2, 28),
        ("detector-guard", 1, 27),
        ("not-empty", 1, 26),
        ("optout", 2, 24),
        ("takedown", 1, 23),
        ("licence", 1, 22),
        ("language", 1, 21),
        ("toxicity", 1, 20),
        ("pii-dense", 1, 19),
        ("exact-duplicate", 1, 18),
        ("near-duplicate", 2, 16),
        ("optout-copy", 1, 15),
    ]
    assert {row["rule_id"]: row["also_hit"] for row in rows if row["also_hit"]} == {"toxicity": 1}
    assert rows[-1]["tokens_left"] == 2000  # 1998 kept and the 2 redacted


def test_totals_are_those_of_the_story(connection: duckdb.DuckDBPyConnection) -> None:
    (row,) = ask(connection, "totals")
    assert (row["documents_in"], row["documents_kept"]) == (30, 15)
    assert (row["tokens_in"], row["tokens_out"]) == (3300, 1998)
    assert (row["sources"], row["inputs"], row["languages"], row["domains"]) == (3, 4, 3, 6)
    assert row["published_from"].isoformat() == "2001-01-01"
    assert row["published_to"].isoformat() == "2018-01-01"


def test_why_gives_the_terminal_rule_first_and_every_other_that_fired(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    rows = ask(connection, "why", {"doc_id": doc_id(3).hex()})
    assert [(row["rule_id"], row["terminal"], row["list_entry"]) for row in rows] == [
        ("optout", True, 7),
        ("toxicity", False, None),
    ]
    assert rows[0]["basis"] == "EU 2019/790 Art. 4(3)"


def test_a_rule_switched_off_brings_back_only_what_no_other_rule_removes(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    assert sum(row["documents"] for row in ask(connection, "rule-off", {"rule": "toxicity"})) == 1
    # Document 3 is opted out and toxic: it stays out. Document 13 comes back.
    assert sum(row["documents"] for row in ask(connection, "rule-off", {"rule": "optout"})) == 1


def test_a_domain_is_found_by_its_name_and_by_its_host(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    by_domain = ask(connection, "domain", {"domain": "bad.example"})
    by_host = ask(connection, "domain", {"domain": "x.bad.example"})
    assert by_domain == by_host
    assert [(row["outcome"], row["reason"]) for row in by_host] == [("removed", "optout_domain")]


def test_a_cluster_is_found_from_any_of_its_members(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    for member in (5, 6, 7):
        rows = ask(connection, "duplicate-cluster", {"doc_id": doc_id(member).hex()})
        assert [row["doc_id"] for row in rows] == [doc_id(5), doc_id(6), doc_id(7)]


def test_the_s_curve_is_one_minus_every_band_missing(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    chance = {float(row["jaccard"]): row["chance"] for row in ask(connection, "s-curve")}
    assert chance[0.8] == pytest.approx(1 - (1 - 0.8**8) ** 16)
    assert chance[1.0] == 1.0


def test_shares_of_each_dimension_add_up_to_the_whole(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    rows = ask(connection, "shares")
    for dimension in ("language", "licence", "source", "year"):
        assert sum(row["share"] for row in rows if row["dimension"] == dimension) == pytest.approx(
            1
        )


def test_every_named_query_runs_alike_over_arrow_and_over_parquet(release: Release) -> None:
    samples = {"id": doc_id(5).hex(), "word": "toxicity"}
    with connect(release) as arrow, connect(release, native=True) as parquet:
        for named in NAMED_QUERIES:
            args = {arg.name: samples[arg.kind] for arg in named.args if arg.default is None}
            assert ask(arrow, named.name, args) == ask(parquet, named.name, args), named.name


def test_every_statement_belongs_to_a_named_query_and_only_reads(release: Release) -> None:
    folder = Path(named_queries.__file__).with_name("queries")
    assert sorted(path.stem for path in folder.glob("*.sql")) == sorted(
        named.name for named in NAMED_QUERIES
    )
    with connect(release, native=True) as connection:
        for named in NAMED_QUERIES:
            check_read_only(connection, named.sql)


def test_the_list_names_every_query_with_its_question() -> None:
    lines = list_named().splitlines()
    assert len(lines) == len(NAMED_QUERIES)
    assert any(line.startswith("why ") and "doc_id=..." in line for line in lines)


@pytest.mark.parametrize(
    ("name", "args", "message"),
    [
        ("nope", {}, "no query is called 'nope'; known are"),
        ("why", {}, r"needs --arg doc_id=\.\.\. \(id of a document\)"),
        ("why", {"doc_id": "xyz"}, "expected 32 hexadecimal digits"),
        ("books", {"doc_id": "xyz"}, "takes no arguments"),
        ("domains", {"limit": "-1"}, "expected a whole number"),
        ("concentration", {"share": "1e9"}, "expected a number"),
    ],
)
def test_a_wrong_name_or_argument_is_explained(
    release: Release, name: str, args: dict[str, str], message: str
) -> None:
    with pytest.raises(QueryError, match=message):
        run_named(release, name, args, "json", io.BytesIO())


@pytest.mark.parametrize(
    "value",
    ["' OR 1=1 --", "'; DROP TABLE documents; --", '"', "\0", "\u2018 OR 1=1", "$rule", "%", "\\"],
)
def test_an_argument_is_always_a_value_never_sql(
    connection: duckdb.DuckDBPyConnection, value: str
) -> None:
    assert ask(connection, "domain", {"domain": value}) == []
    everything = ask(connection, "rule-off", {"rule": value})
    assert everything == [], "no document is removed by a rule of this name alone"


# --- SQL of users -------------------------------------------------------------------------------


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
    "SELECT * FROM read_json('/proc/self/environ')",
    "SELECT getenv('HOME')",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM request",  # a local variable of the process: no replacement scan
]

# What a connection without the check would run, in memory and without effect on any file.
HARMLESS = {
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


def test_the_process_of_a_user_query_refuses_likewise(release: Release) -> None:
    before = state(release)
    for sql in (WRITING[1], WRITING[3], READING_ELSEWHERE[1]):
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


def test_without_the_defence_a_select_overwrites_the_manifest(tmp_path: Path) -> None:
    """The twin: an allowed path is enough for DuckDB, and the statement counts as a SELECT."""
    build_release(tmp_path)
    release = open_release(tmp_path)
    file = release.parts("runs")[0]
    before = file.read_bytes()
    sql = WRITING[1].format(file=file)
    assert duckdb.extract_statements(sql)[0].type == duckdb.StatementType.SELECT
    with connect(release, native=True) as connection:
        connection.execute(sql)
    assert file.read_bytes() != before


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


# --- formats ------------------------------------------------------------------------------------


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


# --- start ---------------------------------------------------------------------------------------


def test_the_reading_side_never_loads_beam_or_the_models() -> None:
    code = (
        "import sys; from muniment.pipelines import card, explain, query, query_worker, verify; "
        "heavy = {'apache_beam', 'spacy', 'numba', 'presidio_analyzer', 'fasttext', 'pandas'}; "
        "loaded = {name.split('.')[0] for name in sys.modules}; "
        "kernels = [name for name in sys.modules if name.startswith('muniment.transforms')]; "
        "print(sorted(heavy & loaded) + kernels)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert shown.stdout.strip() == "[]"


def test_every_view_is_a_table_of_the_schema(connection: duckdb.DuckDBPyConnection) -> None:
    for name in VIEWS:
        described = connection.execute(f"DESCRIBE {name}").fetchall()
        declared = {spec.name: spec for spec in query.MANIFEST_TABLES} | {
            "quarantine": query.QUARANTINE
        }
        assert [row[0] for row in described] == [field.name for field in declared[name].fields]
