# SPDX-License-Identifier: Apache-2.0
"""Compare two releases: what left, what came, why, and which rules, lists and models changed.

A document is the same in both if source, own id or address, and text are, under one key. Why it
left is what the newer release says: its reason, rule and list, or that the input has it no more.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..schemas.printable import inert
from .answers import plain
from .query import BEFORE, connect

if TYPE_CHECKING:
    import duckdb

    from .release import Release

MEMORY = "8GB"
MOST = 50
"""Rows of each table of the text and Markdown forms; JSON has all."""

_DIMENSIONS = {"source": "source_id", "licence": "licence", "language": "lang"}
_COUNTS = """
    count(*) FILTER (outcome = 'kept') AS documents,
    coalesce(sum(tokens_out), 0)::BIGINT AS tokens
"""
_BOTH = """
    CREATE TEMP TABLE moved AS
    SELECT
        coalesce(a.source_id, b.source_id) AS source,
        a.outcome AS was, a.reason AS was_reason, b.outcome AS now, b.reason AS now_reason,
        a.tokens_out AS tokens_before, b.tokens_out AS tokens_now,
        b.doc_id AS doc_id,
        b.doc_id IS NULL AND sha256(a.doc_id) IN (SELECT document FROM erasures) AS erased
    FROM before.documents AS a FULL JOIN documents AS b USING (doc_id)
    WHERE (a.outcome, a.reason, a.text_hash_out) IS DISTINCT FROM
          (b.outcome, b.reason, b.text_hash_out)
"""
_LEFT = """
    SELECT m.source,
           coalesce(m.now_reason, if(m.erased, 'erased', 'not in the input')) AS reason, x.rule_id AS rule,
           x.list_id AS list, count(*) AS documents, coalesce(sum(tokens), 0)::BIGINT AS tokens
    FROM (SELECT *, tokens_before AS tokens FROM moved
          WHERE was = 'kept' AND now IS DISTINCT FROM 'kept') AS m
    LEFT JOIN (SELECT doc_id, rule_id, list_id FROM decisions WHERE terminal) AS x USING (doc_id)
    GROUP BY ALL ORDER BY documents DESC, m.source, reason, rule, list
"""
_CAME = """
    SELECT source, CASE WHEN was IS NULL THEN 'new in the input' ELSE was_reason END
           AS reason_before, count(*) AS documents, coalesce(sum(tokens), 0)::BIGINT AS tokens
    FROM (SELECT *, tokens_now AS tokens FROM moved
          WHERE now = 'kept' AND was IS DISTINCT FROM 'kept')
    GROUP BY ALL ORDER BY documents DESC, source, reason_before
"""
_OTHERWISE = """
    SELECT source, coalesce(was_reason, 'not in the input') AS reason_before,
           coalesce(now_reason, 'not in the input') AS reason, count(*) AS documents
    FROM moved WHERE was IS DISTINCT FROM 'kept' AND now IS DISTINCT FROM 'kept'
    GROUP BY ALL ORDER BY documents DESC, source, reason_before, reason
"""
_EDITED = """
    SELECT source, count(*) AS documents, sum(tokens_before)::BIGINT AS tokens_before,
           sum(tokens_now)::BIGINT AS tokens
    FROM moved WHERE was = 'kept' AND now = 'kept' GROUP BY ALL ORDER BY documents DESC, source
"""
_PARTS = {
    "left": ("What left", _LEFT),
    "came": ("What came", _CAME),
    "edited": ("Kept in both with another text", _EDITED),
    "otherwise": ("Left out in both, for another reason", _OTHERWISE),
}
_NAMED = {"rules": ("rule_id",), "lists": ("list_id",), "models": ("task", "model")}
"""Lists of MANIFEST.json that are compared entry by entry, and what names an entry."""


def compare_releases(old: Release, new: Release, *, verified: bool = True) -> dict[str, Any]:
    """Compare two releases.

    Args:
        old: The earlier one.
        new: The later one; they need not lie in one folder.
        verified: Whether to prove every file read first.

    Returns:
        `old`, `new`: release and totals. `same_key`: whether documents could be matched at all.
        `equal_tables`: rooted tables with the same rows. `by`: documents and tokens kept before
        and now, by source, licence and language; by reason those left out. `left`, `came`,
        `edited`, `otherwise`: groups of documents. `changed`: rules, lists, models, job, code.
    """
    with connect(new, verified=verified, native=True, before=old, memory=MEMORY) as connection:
        connection.execute(_BOTH)
        return {
            "old": _facts(old),
            "new": _facts(new),
            "same_key": old.manifest.get("key_id") == new.manifest.get("key_id"),
            "equal_tables": _equal_tables(old, new),
            "by": {name: _by(connection, name) for name in (*_DIMENSIONS, "reason")},
            **{name: _rows(connection, sql) for name, (_, sql) in _PARTS.items()},
            "changed": _changed(old.manifest, new.manifest),
        }


def render(difference: Mapping[str, Any], form: str) -> str:
    """Return a comparison as text or Markdown.

    Args:
        difference: What `compare_releases` returned.
        form: `text` or `md`.
    """
    lines = _heading(
        f"From release {difference['old']['release']} to {difference['new']['release']}", 1, form
    )
    if not difference["same_key"]:
        lines += [
            "The releases have different keys: no document of one can be found in the other.",
            "",
        ]
    for title, rows in _tables(difference):
        lines += [*_heading(title, 2, form), *_table(rows, form), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _tables(difference: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[Mapping[str, Any]]]]:
    totals = [
        {"": name, "before": difference["old"][name], "now": difference["new"][name]}
        for name in ("read", "kept", "removed", "quarantined", "erased", "tokens_out")
    ]
    yield "Totals", totals
    for name, (title, _) in _PARTS.items():
        yield title, difference[name]
    for name, rows in difference["by"].items():
        changed = [
            row
            for row in rows
            if row["documents"] != row["documents_before"] or row["tokens"] != row["tokens_before"]
        ]
        yield f"By {name}, where it changed", changed
    for name, rows in difference["changed"].items():
        yield f"Changed {name}", rows


def _facts(release: Release) -> dict[str, Any]:
    totals = release.totals
    return {
        "release": release.id,
        "code_version": release.manifest.get("code_version"),
        **totals["documents"],
        "erased": len(release.erasure.tombstones) if release.erasure else 0,
        "tokens_out": totals["tokens"]["out"],
    }


def _equal_tables(old: Release, new: Release) -> list[str]:
    if old.manifest.get("key_id") != new.manifest.get("key_id") or old.erasure or new.erasure:
        return []
    before, now = (
        (release.manifest.get("roots") or {}).get("tables", {}) for release in (old, new)
    )
    return sorted(
        name
        for name in set(before) & set(now)
        if before[name]["comparable"] == now[name]["comparable"]
    )


def _by(connection: duckdb.DuckDBPyConnection, name: str) -> list[dict[str, Any]]:
    """Return documents and tokens before and now by one column; by reason, those left out."""
    if name == "reason":
        column, where = "reason", "WHERE reason IS NOT NULL"
        counts = "count(*) AS documents, coalesce(sum(tokens_in), 0)::BIGINT AS tokens"
    else:
        column, where, counts = _DIMENSIONS[name], "", _COUNTS
    sides = [
        f"SELECT {column} AS word, {counts} FROM {table} {where} GROUP BY ALL"  # noqa: S608  (ours)
        for table in (f"{BEFORE}.documents", "documents")
    ]
    sql = f"""
        SELECT word AS {name},
               coalesce(a.documents, 0) AS documents_before, coalesce(b.documents, 0) AS documents,
               coalesce(a.tokens, 0) AS tokens_before, coalesce(b.tokens, 0) AS tokens
        FROM ({sides[0]}) AS a FULL JOIN ({sides[1]}) AS b USING (word)
        ORDER BY greatest(a.documents, b.documents) DESC, word
    """  # noqa: S608  (our own words)
    return _rows(connection, sql)


def _rows(connection: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    connection.execute(sql)
    columns = [column[0] for column in connection.description or ()]
    return [
        {name: plain(value) for name, value in zip(columns, row, strict=True)}
        for row in connection.fetchall()
    ]


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return what changed in MANIFEST.json: entries by name, fields of the job by path."""
    changed = {
        kind: _entries(_by_name(old.get(kind), names), _by_name(new.get(kind), names))
        for kind, names in _NAMED.items()
    }
    settings = [
        dict(
            _fields("", {"job": manifest.get("job"), "code_version": manifest.get("code_version")})
        )
        for manifest in (old, new)
    ]
    return changed | {"settings": _entries(*settings)}


def _by_name(entries: object, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the fields of each entry of a list, by the entry's name and the field's."""
    listed = entries if isinstance(entries, list) else []
    found: dict[str, Any] = {}
    for entry in listed:
        name = "/".join(str(entry.get(part)) for part in names)
        found |= _fields(name, {key: value for key, value in entry.items() if key not in names})
    return found


def _fields(path: str, value: object) -> Iterator[tuple[str, Any]]:
    """Yield every value inside a JSON object with its path; lists count as one value."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _fields(f"{path}.{key}" if path else str(key), item)
    else:
        yield path, value


def _entries(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"what": path, "before": before.get(path), "now": now.get(path)}
        for path in sorted({*before, *now})
        if before.get(path) != now.get(path)
    ]


def _heading(title: str, level: int, form: str) -> list[str]:
    return [f"{'#' * level} {title}" if form == "md" else title.upper(), ""]


def _table(rows: Sequence[Mapping[str, Any]], form: str) -> list[str]:
    from .card import escape_markdown  # noqa: PLC0415  (its templates are slow to load)

    if not rows:
        return ["nothing"]
    cells = [list(rows[0]), *([_shown(value) for value in row.values()] for row in rows[:MOST])]
    more = [f"and {len(rows) - MOST} rows more"] if len(rows) > MOST else []
    if form == "md":
        lines = [f"| {' | '.join(escape_markdown(cell) for cell in row)} |" for row in cells]
        rule = "|".join("---" for _ in cells[0])
        return [lines[0], f"|{rule}|", *lines[1:], *(["", *more] if more else [])]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    padded = (
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )
    return [*padded, *more]


def _shown(value: object) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return inert(text if len(text) <= 120 else f"{text[:117]}...")
