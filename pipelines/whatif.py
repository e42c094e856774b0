# SPDX-License-Identifier: Apache-2.0
"""What another list or setting would change, from the manifest of a release alone.

The rules are the job's own (`transforms.policy`): those that the change touches are asked again
about the signals in `documents`, all others stand as they are in `decisions`. A document's fate
also depends on its copies, and the manifest knows only some of these relations. So an answer says
what is sure, what may follow at most, and what cannot be told without a run; where nothing of the
last two is left, it is `exact`: what a run would give.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import yaml
from pydantic import ValidationError

from ..schemas.errors import QueryError
from ..schemas.job import Job
from ..schemas.job_lists import ListKind
from ..transforms.policy import judge, late_rules_of, rules_of
from ..transforms.rights import load_list
from ..transforms.rules import Rule
from .manifest_match import arrow_rows, meet
from .query import connect

if TYPE_CHECKING:
    import duckdb

    from .release import Release

SETTINGS = (
    "rights.unknown_policy",
    "rights.unknown_by_kind.",
    "language.allow",
    "language.min_score",
    "toxicity.mode",
    "toxicity.thresholds.",
)
"""Settings whose rules read nothing but signals that the manifest has; a dot at the end: any key."""

_BREAKDOWNS = {"source": "source_id", "language": "lang", "domain": "domain"}
_DOMAINS = 20
_COPIES = "'dup_exact', 'dup_near', 'dup_contained', 'dup_url'"


def whatif(
    release: Release,
    *,
    lists: Sequence[tuple[Path, ListKind]] = (),
    settings: Mapping[str, str] | None = None,
    url_key: bytes | None = None,
    verified: bool = True,
) -> dict[str, Any]:
    """Say what a release would be with more lists and other settings.

    Args:
        release: The release.
        lists: Lists to add, each with the kind of its entries.
        settings: Other settings, `toxicity.thresholds.en` to `.7` and so on, as YAML writes values.
        url_key: Key of address hashes, for lists of addresses.
        verified: Whether to prove every file read first.

    Returns:
        Keys: `release`, `exact`, `now` and `then` (documents and tokens kept), `removed`, `returned`
        and `open` (documents and tokens: sure to go, sure to come back, and what may come back at
        most), `by` (removed by source, language and domain), `unknown` (sentences). Numbers only.

    Raises:
        QueryError: A setting needs a run, or its value is not what the job file takes.
        ListError: A list cannot be used.
    """
    before = Job.model_validate(release.manifest["job"])
    after = _changed(before, settings or {})
    unknown: list[str] = []
    with connect(release, verified=verified, with_restricted=True) as connection:
        thresholds = _thresholds(connection)
        old, new = (
            rules_of(job, {**thresholds, **job.toxicity.thresholds} if thresholds else {})
            for job in (before, after)
        )
        stand = {rule.facts.rule_id: _said(rule) for rule in old}
        changed = [rule for rule in new if stand.get(rule.facts.rule_id) != _said(rule)]
        gone = set(stand) - {rule.facts.rule_id for rule in new}
        gone |= {rule.facts.rule_id for rule in changed}
        hits = _fired(connection, changed)
        denied = [pa.array([], pa.binary())]
        for path, kind in lists:
            lst = None if kind is ListKind.WORK else load_list(path, kind.value)  # type: ignore[arg-type]
            met = meet(connection, lst, kind, url_key)
            if met.unknown:
                unknown.append(f"{path.name}: {met.unknown}")
            hits.append(met.doc_ids)
            if kind is not ListKind.PERSON:
                denied.append(met.doc_ids)
        connection.register("hits", _ids(hits))
        connection.register("denied", _ids(denied))
        connection.register("gone", pa.table({"rule_id": pa.array(sorted(gone), pa.string())}))
        _work_out(connection, before)
        return _answer(release, connection, before, unknown)


def _changed(job: Job, settings: Mapping[str, str]) -> Job:
    content = job.model_dump(mode="json")
    for name, value in settings.items():
        if not any(
            name == known or (known[-1] == "." and name.startswith(known)) for known in SETTINGS
        ):
            known = ", ".join(item + ("*" if item[-1] == "." else "") for item in SETTINGS)
            raise QueryError(f"--set {name}: needs a run; the manifest alone answers {known}")
        *path, last = name.split(".")
        section = content
        for part in path:
            section = section[part]
        section[last] = yaml.safe_load(value)
    try:
        return Job.model_validate(content)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise QueryError(f"--set {place}: not a value that the job file takes") from None


def _said(rule: Rule) -> tuple[Any, ...]:
    facts = rule.facts
    return (facts.mode, facts.action, facts.reason, repr(facts.parameters))


def _thresholds(connection: duckdb.DuckDBPyConnection) -> dict[str, float]:
    """Return the toxicity thresholds in force, the models' own among them."""
    row = connection.execute(
        "SELECT json_extract(parameters, '$.thresholds') FROM rules WHERE rule_id = 'toxicity'"
    ).fetchall()  # all of them: an unfinished result would block what comes next
    found: dict[str, float] = yaml.safe_load(row[0][0]) if row else {}
    return found


def _fired(connection: duckdb.DuckDBPyConnection, rules: Sequence[Rule]) -> list[pa.Array]:
    """Return the documents that changed rules remove."""
    acting = [
        rule for rule in rules if rule.facts.reason is not None and rule.facts.mode == "enforce"
    ]
    if not acting:
        return []
    signals = arrow_rows(
        connection,
        """
        SELECT d.doc_id, d.licence, d.rights_state, s.kind AS source_kind, d.lang, d.lang_score,
            d.toxicity
        FROM documents AS d JOIN sources AS s USING (source_id)
        WHERE d.text_hash IS NOT NULL
        """,
    )
    texts = ("licence", "rights_state", "source_kind", "lang")
    for name in texts:
        place = signals.schema.get_field_index(name)
        signals = signals.set_column(place, name, signals[name].cast(pa.string()))
    removed = pa.array(judge(acting, signals).reason > 0)
    return [signals["doc_id"].combine_chunks().cast(pa.binary()).filter(removed)]


def _ids(parts: Sequence[pa.Array]) -> pa.Table:
    joined = pa.concat_arrays([pa.array([], pa.binary()), *parts])
    return pa.table({"doc_id": pc.unique(joined)})


def _work_out(connection: duckdb.DuckDBPyConnection, job: Job) -> None:
    """Fill the tables `fallen`, `back`, `won` and `hidden` with documents."""
    copies_go = job.rights.optout_copies == "remove"
    late = ", ".join(f"'{facts.rule_id}'" for facts in late_rules_of(job))
    # A removal that stands: by a rule that is not touched and needs nothing but the document.
    connection.execute(
        f"""
        CREATE TEMP TABLE early AS
        SELECT DISTINCT doc_id FROM decisions
        WHERE mode = 'enforce' AND action IN ('remove', 'quarantine')
            AND rule_id NOT IN ({late}) AND rule_id NOT IN (SELECT rule_id FROM gone);
        -- One text is one document to deduplication: equal ones are denied together.
        CREATE TEMP TABLE same_text AS
        SELECT doc_id, text_hash FROM documents
        WHERE text_hash IN (SELECT text_hash FROM documents SEMI JOIN denied USING (doc_id));
        CREATE TEMP TABLE hidden AS
        SELECT doc_id FROM same_text WHERE text_hash NOT IN (
            SELECT text_hash FROM documents WHERE outcome = 'kept' AND text_hash IS NOT NULL
        );
        CREATE TEMP TABLE lost AS
        SELECT doc_id FROM documents SEMI JOIN hits USING (doc_id) WHERE outcome = 'kept';
        -- Copies of what is denied: equal texts, and what a denied document was a copy of.
        CREATE TEMP TABLE tainted AS
        SELECT d.doc_id FROM documents AS d
        WHERE {copies_go} AND d.outcome = 'kept' AND d.doc_id NOT IN (SELECT doc_id FROM lost) AND (
            d.doc_id IN (SELECT doc_id FROM same_text)
            OR d.doc_id IN (
                SELECT partner_id FROM decisions SEMI JOIN same_text USING (doc_id)
                WHERE rule_id IN ('dup_exact', 'dup_near') AND terminal
            )
        );
        CREATE TEMP TABLE fallen AS FROM lost UNION ALL FROM tainted;
        -- Copies whose witness goes, and which nothing else removes.
        CREATE TEMP TABLE back AS
        SELECT x.doc_id FROM decisions AS x JOIN fallen AS w ON w.doc_id = x.partner_id
        WHERE x.terminal AND x.rule_id IN ({_COPIES})
            AND x.doc_id NOT IN (FROM hits) AND x.doc_id NOT IN (FROM early)
            AND NOT ({copies_go} AND x.partner_id IN (SELECT doc_id FROM same_text));
        CREATE TEMP TABLE won AS
        SELECT DISTINCT x.doc_id FROM decisions AS x JOIN gone USING (rule_id)
        WHERE x.terminal AND x.doc_id NOT IN (FROM hits) AND x.doc_id NOT IN (FROM early);
        """  # noqa: S608  (our own words)
    )


def _answer(
    release: Release, connection: duckdb.DuckDBPyConnection, job: Job, unknown: list[str]
) -> dict[str, Any]:
    def size(table: str, tokens: str) -> dict[str, int]:
        sql = f"SELECT count(*), coalesce(sum({tokens}), 0) FROM documents SEMI JOIN {table} USING (doc_id)"  # noqa: S608
        (row,) = connection.execute(sql).fetchall()
        return {"documents": int(row[0]), "tokens": int(row[1])}

    removed, open_copies = size("fallen", "tokens_out"), size("back", "tokens_in")
    returned, alone = size("won", "tokens_in"), not job.deduplication.exact
    near = job.deduplication.near.enabled
    if open_copies["documents"]:
        unknown.append(
            f"{open_copies['documents']} copies of documents that go may come back: which of them "
            "resemble each other, or another document that goes, needs a run"
        )
    if returned["documents"] and (near or not alone):
        unknown.append(
            f"{returned['documents']} documents that no rule removes any more were not compared "
            "with the kept ones: which of them are copies needs a run"
        )
        open_copies = {name: open_copies[name] + returned[name] for name in returned}
        returned = {"documents": 0, "tokens": 0}
    elif returned["documents"]:
        unknown.append("tokens of documents that come back are counted before redaction")
    hidden = size("hidden", "tokens_in")["documents"]
    if hidden and near and job.rights.optout_copies == "remove":
        unknown.append(
            f"{hidden} listed documents are removed already for other reasons: near copies of them "
            "that were kept would go too, and need a run"
        )
    now = size("(SELECT doc_id FROM documents WHERE outcome = 'kept')", "tokens_out")
    then = {name: now[name] - removed[name] + returned[name] for name in now}
    return {
        "release": release.id,
        "exact": not unknown,
        "now": now,
        "then": then,
        "removed": removed,
        "returned": returned,
        "open": open_copies,
        "by": {name: _by(connection, column) for name, column in _BREAKDOWNS.items()},
        "unknown": unknown,
    }


def _by(connection: duckdb.DuckDBPyConnection, column: str) -> list[dict[str, Any]]:
    rows = connection.execute(
        f"""
        SELECT {column}, count(*), sum(tokens_out) FROM documents SEMI JOIN fallen USING (doc_id)
        GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {_DOMAINS}
        """  # noqa: S608  (our own words)
    ).fetchall()
    return [
        {"value": value, "documents": int(count), "tokens": int(tokens)}
        for value, count, tokens in rows
    ]
