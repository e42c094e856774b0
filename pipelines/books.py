# SPDX-License-Identifier: Apache-2.0
"""The books: rules that the tables of a release must obey, each as SQL that finds what breaks it.

A statement of `BOOKS` returns one row for each breach, its first column the name or document id
of the row at fault; an empty answer means the rule holds. Beside the views of the release a
statement sees what `verify` adds: `totals(name, value)`, `promised_reasons(reason, documents)` and
`promised_words(name, value)` from MANIFEST.json, `vocabulary(reason, outcome)`, and
`corpus_rows(doc_id, tokens, out_file, out_row)`, read from the corpus files themselves.

The rules are invariants I2 (conservation by count), I3 (closed reasons) and I4 (witness) of the
reliability reference, and the promises that the column descriptions in `schemas.tables` make.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One rule of the books.

    Args:
        name: Name, a word with hyphens.
        file: Where a breach lies, a table's folder.
        detail: What was expected.
        sql: Statement that returns one row for each breach.
    """

    name: str
    file: str
    detail: str
    sql: str


_DOCUMENTS = "manifest/documents"
_DECISIONS = "manifest/decisions"
_DUPLICATES = "manifest/duplicates"

_TOTALS = (
    Check(
        "one-run",
        "manifest/runs",
        "expected exactly one row",
        "SELECT 'runs' FROM runs HAVING count(*) <> 1",
    ),
    Check(
        "run-identity",
        "manifest/runs",
        "the run and MANIFEST.json name different versions, jobs or keys",
        """
        WITH said AS (
            SELECT 'code_version' AS name, code_version AS value FROM runs
            UNION ALL SELECT 'config_sha256', lower(hex(config_sha256)) FROM runs
            UNION ALL SELECT 'key_id', lower(hex(key_id)) FROM runs
        )
        SELECT name FROM said FULL JOIN promised_words AS p USING (name)
        WHERE said.value IS DISTINCT FROM p.value ORDER BY name
        """,
    ),
    Check(
        "run-totals",
        "manifest/runs",
        "the run and the totals of MANIFEST.json differ",
        """
        WITH said AS (
            SELECT 'documents_read' AS name, documents_in AS value FROM runs
            UNION ALL SELECT 'documents_kept', documents_kept FROM runs
            UNION ALL SELECT 'documents_removed', documents_removed FROM runs
            UNION ALL SELECT 'documents_quarantined', documents_quarantined FROM runs
            UNION ALL SELECT 'tokens_in', tokens_in FROM runs
            UNION ALL SELECT 'tokens_out', tokens_out FROM runs
            UNION ALL SELECT 'bytes_in', bytes_in FROM runs
            UNION ALL SELECT 'bytes_out', bytes_out FROM runs
        )
        SELECT name FROM said FULL JOIN totals AS t USING (name)
        WHERE said.value IS DISTINCT FROM t.value ORDER BY name
        """,
    ),
    Check(
        "counted-totals",
        _DOCUMENTS,
        "what the rows add up to and the totals of MANIFEST.json differ",
        """
        WITH counted AS (
            SELECT
                coalesce(sum(documents), 0)::BIGINT AS documents_read,
                coalesce(sum(documents) FILTER (outcome = 'kept'), 0)::BIGINT AS documents_kept,
                coalesce(sum(documents) FILTER (outcome = 'removed'), 0)::BIGINT
                    AS documents_removed,
                coalesce(sum(documents) FILTER (outcome = 'quarantined'), 0)::BIGINT
                    AS documents_quarantined,
                coalesce(sum(tokens_in), 0)::BIGINT AS tokens_in,
                coalesce(sum(tokens_out), 0)::BIGINT AS tokens_out,
                coalesce(sum(bytes_out), 0)::BIGINT AS bytes_out,
                (SELECT coalesce(sum(stream_bytes), 0)::BIGINT FROM inputs) AS bytes_in
            FROM accounted
        ),
        said AS (UNPIVOT counted ON COLUMNS(*) INTO NAME name VALUE value)
        SELECT name FROM said FULL JOIN totals AS t USING (name)
        WHERE said.value IS DISTINCT FROM t.value ORDER BY name
        """,
    ),
    Check(
        "counted-reasons",
        _DOCUMENTS,
        "what the rows add up to and the reasons in MANIFEST.json differ",
        """
        WITH counted AS (
            SELECT reason, sum(documents) AS documents FROM accounted
            WHERE reason IS NOT NULL GROUP BY reason
        )
        SELECT coalesce(v.reason, 'a reason outside the vocabulary')
        FROM counted FULL JOIN promised_reasons AS p USING (reason)
        LEFT JOIN vocabulary AS v USING (reason)
        WHERE coalesce(counted.documents, 0) <> coalesce(p.documents, 0) ORDER BY reason
        """,
    ),
    Check(
        "input-records",
        _DOCUMENTS,
        "expected one row for each record that the reader counted in this file",
        """
        WITH counted AS (
            SELECT input_number, source_id, sum(documents) AS rows FROM accounted GROUP BY ALL
        )
        SELECT coalesce(i.path, 'input ' || input_number)
        FROM counted FULL JOIN inputs AS i USING (input_number, source_id)
        WHERE coalesce(i.records, -1) <> coalesce(counted.rows, 0)
            AND NOT (i.records = 0 AND counted.rows IS NULL)
        ORDER BY input_number
        """,
    ),
    Check(
        "input-bytes",
        _DOCUMENTS,
        "expected the records and the blank bytes to be all bytes of the file",
        """
        WITH counted AS (
            SELECT input_number, sum(length) AS stream, sum(bytes_in) AS texts
            FROM accounted GROUP BY input_number
        )
        SELECT i.path FROM inputs AS i LEFT JOIN counted AS c USING (input_number)
        WHERE (i.format = 'jsonl' AND i.stream_bytes <> coalesce(c.stream, 0) + i.blank_bytes)
            OR (i.format = 'parquet' AND i.stream_bytes <> coalesce(c.texts, 0))
        ORDER BY input_number
        """,
    ),
    Check(
        "known-source",
        "manifest/inputs",
        "expected a source that `sources` declares",
        "SELECT path FROM inputs ANTI JOIN sources USING (source_id) ORDER BY input_number",
    ),
)

_ROWS = (
    Check(
        "unique-id",
        _DOCUMENTS,
        "expected every id once",
        "SELECT doc_id FROM documents GROUP BY doc_id HAVING count(*) > 1 ORDER BY doc_id",
    ),
    Check(
        "one-place",
        _DOCUMENTS,
        "the record overlaps another one, or ends after the stream",
        """
        WITH placed AS (
            SELECT
                doc_id, input_number, "offset", "offset" + length AS past,
                lag("offset" + length) OVER place AS past_before,
                lag("offset") OVER place AS offset_before
            FROM documents
            WINDOW place AS (PARTITION BY input_number ORDER BY "offset")
        )
        SELECT doc_id FROM placed JOIN inputs AS i USING (input_number)
        WHERE "offset" = offset_before OR "offset" < past_before
            OR (i.format <> 'parquet' AND past > i.stream_bytes)
        ORDER BY input_number, "offset"
        """,
    ),
    Check(
        "closed-reason",
        _DOCUMENTS,
        "expected a known outcome, and a reason of its vocabulary exactly if not kept",
        """
        SELECT d.doc_id FROM documents AS d LEFT JOIN vocabulary AS v USING (reason)
        WHERE NOT (
            (d.outcome = 'kept' AND d.reason IS NULL)
            OR (d.outcome IN ('removed', 'quarantined') AND v.outcome IS NOT DISTINCT FROM d.outcome)
        )
        ORDER BY d.doc_id
        """,
    ),
    Check(
        "outputs",
        _DOCUMENTS,
        "expected a place in the corpus and a hash exactly if kept; no tokens or bytes out if not",
        """
        SELECT doc_id FROM documents
        WHERE (outcome = 'kept') <> (out_file IS NOT NULL)
            OR (outcome = 'kept') <> (out_row IS NOT NULL)
            OR (outcome = 'kept') <> (text_hash_out IS NOT NULL)
            OR (outcome = 'quarantined') <> (text_hash IS NULL)
            OR (outcome <> 'kept' AND (tokens_out > 0 OR bytes_out > 0))
        ORDER BY doc_id
        """,
    ),
    Check(
        "quarantine",
        "quarantine",
        "expected the quarantined documents, with the same place and reason",
        """
        SELECT coalesce(d.doc_id, q.doc_id) AS id
        FROM (SELECT * FROM documents WHERE outcome = 'quarantined') AS d
        FULL JOIN quarantine AS q ON q.doc_id = d.doc_id
        WHERE (d.input_number, d."offset", d.length, d.reason, d.source_id)
            IS DISTINCT FROM (q.input_number, q."offset", q.length, q.reason, q.source_id)
        ORDER BY id
        """,
    ),
    Check(
        "corpus-row",
        "corpus",
        "expected the kept documents, each at the file and row that `documents` names",
        """
        SELECT coalesce(d.doc_id, c.doc_id) AS id
        FROM (SELECT * FROM documents WHERE outcome = 'kept') AS d
        FULL JOIN corpus_rows AS c ON c.out_file = d.out_file AND c.out_row = d.out_row
        WHERE d.doc_id IS DISTINCT FROM c.doc_id OR d.tokens_out <> c.tokens
        ORDER BY id
        """,
    ),
)

_EXPLAINED = (
    Check(
        "terminal-decision",
        _DECISIONS,
        "expected exactly one terminal decision if removed or quarantined, none if kept",
        """
        WITH terminal AS (
            SELECT doc_id, count(*) AS n FROM decisions WHERE terminal GROUP BY doc_id
        )
        SELECT coalesce(d.doc_id, t.doc_id) AS id
        FROM documents AS d FULL JOIN terminal AS t ON t.doc_id = d.doc_id
        WHERE coalesce(t.n, 0) <> (CASE WHEN d.outcome IN ('removed', 'quarantined') THEN 1 ELSE 0 END)
        ORDER BY id
        """,
    ),
    Check(
        "terminal-reason",
        _DECISIONS,
        "expected the terminal decision to be enforced and to give the document's reason",
        """
        SELECT doc_id FROM decisions AS x JOIN documents AS d USING (doc_id)
        WHERE x.terminal AND (
            x.reason IS DISTINCT FROM d.reason
            OR x.mode <> 'enforce'
            OR x.action IS DISTINCT FROM
                CASE d.outcome WHEN 'removed' THEN 'remove' WHEN 'quarantined' THEN 'quarantine' END
        )
        ORDER BY doc_id
        """,
    ),
    Check(
        "kept-against-rule",
        _DECISIONS,
        "the document is kept although an enforced rule removes it",
        """
        SELECT doc_id FROM decisions AS x JOIN documents AS d USING (doc_id)
        WHERE d.outcome = 'kept' AND x.mode = 'enforce' AND x.action IN ('remove', 'quarantine')
        ORDER BY doc_id
        """,
    ),
    Check(
        "decision-order",
        _DECISIONS,
        "expected each number of a document's decisions once",
        "SELECT doc_id FROM decisions GROUP BY doc_id, seq HAVING count(*) > 1 ORDER BY doc_id",
    ),
    Check(
        "known-document",
        _DECISIONS,
        "expected a document of this release",
        "SELECT DISTINCT doc_id FROM decisions ANTI JOIN documents USING (doc_id) ORDER BY doc_id",
    ),
    Check(
        "known-rule",
        _DECISIONS,
        "expected a rule and version that `rules` declares",
        """
        SELECT DISTINCT x.rule_id FROM decisions AS x
        ANTI JOIN rules AS r ON r.rule_id = x.rule_id AND r.version = x.rule_version
        ORDER BY x.rule_id
        """,
    ),
    Check(
        "known-list",
        _DECISIONS,
        "expected a list that `lists` declares",
        """
        SELECT DISTINCT list_id FROM decisions ANTI JOIN lists USING (list_id)
        WHERE list_id IS NOT NULL ORDER BY list_id
        """,
    ),
)

_WITNESSED = (
    Check(
        "duplicate-witness",
        _DUPLICATES,
        "expected a kept survivor of the same cluster as partner of a removed copy",
        """
        SELECT d.doc_id FROM documents AS d
        LEFT JOIN duplicates AS u ON u.doc_id = d.doc_id
        LEFT JOIN duplicates AS w ON w.doc_id = u.partner_id AND w.cluster_id = u.cluster_id
        LEFT JOIN documents AS k ON k.doc_id = w.doc_id
        WHERE d.reason IN ('dup_exact', 'dup_near', 'dup_contained')
            AND u.partner_release IS NULL
            AND NOT coalesce(w.role = 'survivor' AND k.outcome = 'kept', false)
            AND NOT coalesce(sha256(u.partner_id) IN (SELECT document FROM erasures), false)
        ORDER BY d.doc_id
        """,
    ),
    Check(
        "former-witness",
        _DUPLICATES,
        "expected a former release that was compared with and keeps its documents",
        """
        SELECT doc_id FROM duplicates AS u
        LEFT JOIN former_releases AS f ON f.release_id = u.partner_release
        WHERE u.partner_release IS NOT NULL AND f.keep IS DISTINCT FROM 'old' ORDER BY doc_id
        """,
    ),
    Check(
        "superseded",
        "manifest/superseded",
        "expected a kept document as successor, and a former release that gives way to new ones",
        """
        SELECT s.doc_id FROM superseded AS s
        LEFT JOIN documents AS d ON d.doc_id = s.successor_id
        LEFT JOIN former_releases AS f ON f.release_id = s.release_id
        WHERE f.keep IS DISTINCT FROM 'new' OR (
            d.outcome IS DISTINCT FROM 'kept'
            AND NOT coalesce(sha256(s.successor_id) IN (SELECT document FROM erasures), false)
        )
        ORDER BY s.doc_id
        """,
    ),
    Check(
        "superseded-count",
        "manifest/former_releases",
        "expected as many superseded documents as there are rows",
        """
        SELECT release_id FROM former_releases
        LEFT JOIN (
            SELECT release_id, count(*) AS n FROM superseded GROUP BY release_id
        ) USING (release_id)
        WHERE superseded IS DISTINCT FROM coalesce(n, 0) ORDER BY release_id
        """,
    ),
    Check(
        "address-version",
        _DUPLICATES,
        "expected another document of the same address that was not removed for its address",
        """
        SELECT d.doc_id FROM documents AS d
        LEFT JOIN duplicates AS u ON u.doc_id = d.doc_id
        LEFT JOIN documents AS k ON k.doc_id = u.partner_id
        WHERE d.reason = 'dup_url' AND NOT coalesce(
            k.doc_id <> d.doc_id AND k.url_hash = d.url_hash AND (
                k.outcome = 'kept'
                OR k.reason IN ('dup_exact', 'dup_near', 'dup_contained', 'optout_dup')
                OR k.outcome = 'quarantined'
            ),
            false
        )
            AND NOT coalesce(sha256(u.partner_id) IN (SELECT document FROM erasures), false)
        ORDER BY d.doc_id
        """,
    ),
    Check(
        "duplicate-score",
        _DUPLICATES,
        "expected a true Jaccard, or containment, at or above the threshold",
        """
        SELECT d.doc_id FROM documents AS d JOIN duplicates AS u USING (doc_id), runs
        WHERE (d.reason = 'dup_near' AND NOT coalesce(u.jaccard >= runs.dedup_threshold, false))
            OR (
                d.reason = 'dup_contained'
                AND NOT coalesce(u.containment >= runs.dedup_containment, false)
            )
        ORDER BY d.doc_id
        """,
    ),
    Check(
        "duplicate-partner",
        _DECISIONS,
        "expected the partner that `duplicates` names",
        """
        SELECT d.doc_id FROM documents AS d
        JOIN decisions AS x ON x.doc_id = d.doc_id AND x.terminal
        LEFT JOIN duplicates AS u ON u.doc_id = d.doc_id
        WHERE d.reason IN ('dup_url', 'dup_exact', 'dup_near', 'dup_contained')
            AND x.partner_id IS DISTINCT FROM u.partner_id
        ORDER BY d.doc_id
        """,
    ),
    Check(
        "duplicate-survivor",
        _DUPLICATES,
        "expected a survivor to be a kept document",
        """
        SELECT doc_id FROM duplicates LEFT JOIN documents AS d USING (doc_id)
        WHERE role = 'survivor' AND d.outcome IS DISTINCT FROM 'kept' ORDER BY doc_id
        """,
    ),
    Check(
        "duplicate-cluster",
        _DUPLICATES,
        "expected `documents` and `duplicates` to name the same cluster, each document once",
        """
        WITH members AS (
            SELECT doc_id, min(cluster_id) AS cluster_id, count(*) AS n
            FROM duplicates GROUP BY doc_id
        )
        SELECT coalesce(d.doc_id, m.doc_id) AS id
        FROM documents AS d FULL JOIN members AS m ON m.doc_id = d.doc_id
        WHERE d.cluster_id IS DISTINCT FROM m.cluster_id OR m.n > 1 ORDER BY id
        """,
    ),
    Check(
        "personal-data",
        "manifest/pii_stats",
        "expected the spans that `documents` counts, and no more replaced than found",
        """
        WITH counted AS (
            SELECT doc_id, sum(n_found) AS found, sum(n_redacted) AS redacted
            FROM pii_stats GROUP BY doc_id
        )
        SELECT coalesce(d.doc_id, c.doc_id) AS id
        FROM documents AS d FULL JOIN counted AS c ON c.doc_id = d.doc_id
        WHERE d.pii_found IS DISTINCT FROM coalesce(c.found, 0)
            OR d.pii_redacted IS DISTINCT FROM coalesce(c.redacted, 0)
            OR d.pii_redacted > d.pii_found
            OR (d.pii_found > 0) <> (d.pii_grade IS NOT NULL)
        ORDER BY id
        """,
    ),
    Check(
        "span-place",
        "manifest/spans",
        "expected a span of a kept document that ends after it starts",
        """
        SELECT DISTINCT s.doc_id FROM spans AS s
        LEFT JOIN documents AS d ON d.doc_id = s.doc_id
        WHERE d.outcome IS DISTINCT FROM 'kept' OR s."start" >= s."end" ORDER BY s.doc_id
        """,
    ),
    Check(
        "link-place",
        "restricted/pii_links",
        "expected a span of this release, under the key of the run",
        """
        SELECT DISTINCT l.doc_id FROM pii_links AS l
        LEFT JOIN spans AS s
            ON (s.doc_id, s."start", s."end") = (l.doc_id, l."start", l."end"), runs
        WHERE (s.entity_type, s.action, runs.key_id)
            IS DISTINCT FROM (l.entity_type, l.action, l.key_id)
        ORDER BY l.doc_id
        """,
    ),
)

_WITH_DOC_ID = (
    *("documents", "decisions", "duplicates", "spans", "pii_stats", "cuts", "rights_signals"),
    *("quarantine", "corpus_rows", "pii_links", "signatures"),
)

_IDS = " UNION ALL ".join(f"SELECT doc_id FROM {name}" for name in _WITH_DOC_ID)  # noqa: S608

_ERASED = (
    Check(
        "erased",
        _DOCUMENTS,
        "expected no row of a document that has a tombstone",
        f"""
        SELECT DISTINCT doc_id FROM ({_IDS}) WHERE (SELECT count(*) FROM erasures) > 0
            AND sha256(doc_id) IN (SELECT document FROM erasures)
        ORDER BY doc_id
        """,  # noqa: S608  (our own words)
    ),
)

BOOKS: tuple[Check, ...] = (*_TOTALS, *_ROWS, *_EXPLAINED, *_WITNESSED, *_ERASED)
"""Every rule, in the order in which `verify` reports breaches."""
