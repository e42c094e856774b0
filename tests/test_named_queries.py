# SPDX-License-Identifier: Apache-2.0
"""What the named queries answer: truth that a person counted from the story of the fixture."""

from __future__ import annotations

import io
from pathlib import Path

import duckdb
import pytest

from muniment.pipelines import named_queries
from muniment.pipelines.named_queries import NAMED_QUERIES, list_named
from muniment.pipelines.query import ask, check_read_only, connect, run_named
from muniment.pipelines.release import Release, open_release
from muniment.schemas.errors import QueryError
from release_fixture import build_release, doc_id


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    output = tmp_path_factory.mktemp("story")
    build_release(output)
    return open_release(output)


@pytest.fixture(scope="module")
def connection(release: Release) -> duckdb.DuckDBPyConnection:
    return connect(release, native=True)


TRUTH: dict[str, list[tuple[object, ...]]] = {
    "erasures": [],  # test_erase.py has some
    # scope, name, unit, read, kept, removed, quarantined, other, difference
    "books": [
        # 22 records of 1000 bytes in streams and 8 texts of 1000 bytes in Parquet
        ("run", "story", "bytes", 30_000, 15_000, 12_000, 3_000, 0, 0),
        ("run", "story", "records", 30, 15, 12, 3, 0, 0),
        # of 15 kept, 2 of mail with 50 tokens, 7 of web with 100, 6 of wiki with 200
        ("run", "story", "tokens", 3300, 2000, 1250, 50, 0, 0),
        ("source", "mail", "bytes", 4000, 2000, 1000, 1000, 0, 0),
        ("source", "mail", "records", 4, 2, 1, 1, 0, 0),
        ("source", "web", "bytes", 18_000, 7000, 9000, 2000, 0, 0),
        ("source", "web", "records", 18, 7, 9, 2, 0, 0),
        ("source", "wiki", "bytes", 8000, 6000, 2000, 0, 0, 0),
        ("source", "wiki", "records", 8, 6, 2, 0, 0, 0),
        ("input", "web/a.jsonl", "bytes", 10_000, 3000, 6000, 1000, 0, 0),
        ("input", "web/a.jsonl", "records", 10, 3, 6, 1, 0, 0),
        ("input", "web/b.jsonl", "bytes", 8000, 4000, 3000, 1000, 0, 0),
        ("input", "web/b.jsonl", "records", 8, 4, 3, 1, 0, 0),
        ("input", "wiki.parquet", "bytes", 8000, 6000, 2000, 0, 0, 0),
        ("input", "wiki.parquet", "records", 8, 6, 2, 0, 0, 0),
        ("input", "mail.jsonl.gz", "bytes", 4000, 2000, 1000, 1000, 0, 0),
        ("input", "mail.jsonl.gz", "records", 4, 2, 1, 1, 0, 0),
        ("stage", "screen to group: identities", "rows", 28, 0, 0, 0, 28, 0),
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
    # names, least score, kept unread, share, not searched: the rules of the fixture say no scope
    "pii-reach": [(None, None, 0, 0.0, 1)],
    "names-unread": [],
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
    # grade, documents_in, documents_kept, removed_for_it, found, redacted_in_kept
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
    # rule_id, mode, threshold, decisions, near
    "near-threshold": [
        ("near-duplicate", "enforce", 0.8, 2, 1),
        ("toxicity-zh", "shadow", 0.7, 2, 1),
        ("language", "enforce", 0.5, 1, 0),
        ("optout-copy", "enforce", 0.8, 1, 0),
        ("pii-dense", "enforce", 3.0, 1, 0),
        ("toxicity", "enforce", 0.7, 2, 0),
    ],
    "metrics": [
        ("bands_capped", "", 3.0, "buckets", None, None, None, None, None),
        ("rows_received", "screen to group: identities", 28.0, "rows", *[None] * 5),
        ("rows_sent", "screen to group: identities", 28.0, "rows", *[None] * 5),
    ],
    # party, licence, licence_url, attribution, contract, documents_kept, tokens_out, share
    "credits": [
        (
            "Wiki Example",
            "CC-BY-SA-4.0",
            "https://spdx.org/licenses/CC-BY-SA-4.0.html",
            "Wiki Example, https://wiki.example/dump, CC-BY-SA-4.0",
            None,
            6,
            1200,
            1200 / 1998,
        ),
        ("web", "unknown", None, None, None, 4, 398, 398 / 1998),
        (
            "web",
            "CC-BY-4.0",
            "https://spdx.org/licenses/CC-BY-4.0.html",
            "CC-BY-4.0",
            None,
            2,
            200,
            200 / 1998,
        ),
        ("mail", "unknown", None, None, "contract 7", 2, 100, 100 / 1998),
        (
            "web",
            "CC0-1.0",
            "https://spdx.org/licenses/CC0-1.0.html",
            "CC0-1.0",
            None,
            1,
            100,
            100 / 1998,
        ),
    ],
    "request-leaks": [],
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
    with (
        connect(release, before=release, with_restricted=True) as arrow,
        connect(release, native=True, before=release, with_restricted=True) as parquet,
    ):
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
