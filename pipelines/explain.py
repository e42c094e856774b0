# SPDX-License-Identifier: Apache-2.0
"""Explain one document: what became of it, every rule that fired, and what would have changed it.

The explanation is a plain dict (what `--format json` prints); `render_text` makes it readable.
It names places, rules, scores and partners, never text of the document.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..schemas.errors import QueryError
from ..schemas.printable import inert
from ..schemas.reasons import Reason
from .answers import plain, shortest_float32
from .query import ask, connect
from .release import current_id, open_release, release_ids

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb

    from .release import Release

SHORTEST_PREFIX = 6
"""Hexadecimal digits from which the start of an id is accepted, if only one document has it."""

LONGEST = 32
"""Hexadecimal digits of a whole id."""

_HEX = re.compile(r"[0-9a-f]{6,32}")
_REMOVING = ("remove", "quarantine")
_ALLOWED = {
    Reason.LANGUAGE_NOT_ALLOWED: "lang",
    Reason.LICENCE_NOT_ALLOWED: "licence",
}
"""Reasons that say a value is not among those allowed, and the column with the value."""

_LATE = ("boilerplate", "pii_dropped_late")
"""Rules about what is found when the text of a survivor is read again."""

_OTHERWISE = {
    Reason.EMPTY: "it held text",
    Reason.SOURCE_BLACKLISTED: "the sample of source {source_id} did not condemn it",
    Reason.RIGHTS_RESERVED: "{rights_signal} did not reserve it",
    Reason.RIGHTS_UNKNOWN: "a signal allowed it",
    Reason.PII_DENSE: "less personal data were in it",
    Reason.PII_MINOR: "no personal data of a minor were in it",
    Reason.PII_DROPPED: "no identifier were in it of a type that drops the document",
    Reason.NAMES_UNREAD: "a model read names in language {lang}",
    Reason.BOILERPLATE: "a line of it stood in fewer documents",
}
"""What would have had to be otherwise, for rules without a score; columns of the document."""


def explain(
    release: Release,
    target: str,
    *,
    url_hasher: Callable[[str], bytes] | None = None,
    verified: bool = True,
) -> dict[str, Any]:
    """Explain what became of one document.

    Args:
        release: The release to look in.
        target: Id of the document, its start (6 or more digits, if unique), its address, or the
            keyed hash of its text, as in `documents.text_hash`.
        url_hasher: Gives the keyed hash of an address, as in `documents.url_hash`; without it
            only ids can be looked up.
        verified: Whether to prove every file read first.

    Returns:
        Keys: `release`, `document`, `place`, `corpus`, `source`, `decisions`, `rights_signals`,
        `counterfactual`, `duplicates`, `personal_data`, `spans`, `same_address` (or same text).
        Values are as JSON has them. Of a document that was erased only `release` and `erased`,
        with `request` and `day`.

    Raises:
        QueryError: No document is meant by the target, or more than one id starts so.
    """
    stone = _tombstone(release, target)
    if stone:
        return {"release": release.id, "erased": stone}
    with connect(release, verified=verified, native=True) as connection:
        doc_id, others = _find(connection, target, url_hasher)
        document = _one(connection, "SELECT * FROM documents WHERE doc_id = $1", [doc_id])
        decisions = [_shown(row) for row in ask(connection, "why", {"doc_id": doc_id.hex()})]
        return {
            "release": release.id,
            "document": document,
            "place": _place(connection, document),
            "corpus": _corpus_place(release, document),
            "source": _one(
                connection, "SELECT * FROM sources WHERE source_id = $1", [document["source_id"]]
            ),
            "decisions": decisions,
            "rights_signals": ask(connection, "signals", {"doc_id": doc_id.hex()}),
            "counterfactual": counterfactual(document, decisions, _late_rules(connection)),
            "duplicates": _rows(connection, "SELECT * FROM duplicates WHERE doc_id = $1", [doc_id]),
            "personal_data": _rows(
                connection,
                "SELECT * EXCLUDE (doc_id) FROM pii_stats WHERE doc_id = $1 ORDER BY ALL",
                [doc_id],
            ),
            "spans": _rows(
                connection,
                'SELECT * EXCLUDE (doc_id) FROM spans WHERE doc_id = $1 ORDER BY "start", "end"',
                [doc_id],
            ),
            "same_address": [other.hex() for other in others],
        }


def explain_everywhere(
    release: Release,
    target: str,
    *,
    url_hasher: Callable[[str], bytes] | None = None,
    verified: bool = True,
) -> dict[str, Any]:
    """Explain what became of one document in every release of the output folder.

    Args:
        release: The release to start from.
        target: As `explain`.
        url_hasher: As `explain`.
        verified: Whether to prove every file read first.

    Returns:
        What `explain` says of it in this release, or else in the first other one that has it;
        beside that `releases`: for each release what became of it there, or that it is unknown.

    Raises:
        QueryError: No release knows the document.
    """
    release.bring_beside()
    others = [
        open_release(release.origin, snapshot=release_id)
        for release_id in release_ids(release.output)
        if release_id != release.id
    ]
    current = current_id(release.output)
    first: dict[str, Any] | None = None
    failure: QueryError | None = None
    fates = []
    for one in (release, *others):
        found = None
        try:
            found = explain(one, target, url_hasher=url_hasher, verified=verified)
        except QueryError as error:
            failure = failure or error
        if found and (first is None or ("erased" in first and "erased" not in found)):
            first = found
        fates.append({"release": one.id, "current": one.id == current, **_fate(found)})
    if first is None:
        raise failure or QueryError("no release knows this document")
    return first | {"releases": sorted(fates, key=lambda fate: str(fate["release"]))}


def _fate(found: dict[str, Any] | None) -> dict[str, Any]:
    """Return the gist of an explanation."""
    if found is None:
        return dict.fromkeys(("outcome", "reason", "doc_id")) | {"rules": [], "kept_if": []}
    if "erased" in found:
        rules = [f"request {found['erased']['request']} on {found['erased']['day']}"]
        return {"outcome": "erased", "reason": None, "doc_id": None, "rules": rules, "kept_if": []}
    document = found["document"]
    return {
        "outcome": document["outcome"],
        "reason": document["reason"],
        "doc_id": document["doc_id"],
        "rules": [row["rule_id"] for row in found["decisions"]],
        "kept_if": found["counterfactual"]["kept_if"],
    }


def counterfactual(
    document: dict[str, Any], decisions: list[dict[str, Any]], late: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return what would have changed the outcome of a document.

    Args:
        document: Its row of `documents`.
        decisions: Its rows of `why`.
        late: Enforced rules of the release that only survivors are asked.

    Returns:
        `also_removed_by`: enforced rules beside the terminal one that fired, so that switching
        the terminal rule off would not have kept it. `kept_if`: one sentence for each enforced
        rule that fired; the document is kept only if all of them hold. `removed_if`: likewise for
        a kept document and the rules in shadow, of which one is enough. `not_asked`: rules that
        could still have removed it, had it come so far.
    """
    enforced = [row for row in decisions if row["mode"] == "enforce" and row["action"] in _REMOVING]
    shadow = [row for row in decisions if row["mode"] == "shadow" and row["action"] in _REMOVING]
    kept = document["outcome"] == "kept"
    came_so_far = kept or any(row["rule_id"] in late for row in enforced)
    return {
        "also_removed_by": [row["rule_id"] for row in enforced if not row["terminal"]],
        "kept_if": [] if kept else [_way_out(row, document) for row in enforced],
        "removed_if": [f"rule {row['rule_id']} were enforced" for row in shadow] if kept else [],
        "not_asked": [] if came_so_far else list(late),
    }


def render_text(explanation: dict[str, Any]) -> str:
    """Return an explanation as text for a terminal."""
    if "erased" in explanation:
        return _render_erased(explanation)
    document, place = explanation["document"], explanation["place"]
    why = f": {document['reason']}" if document["reason"] else ""
    lines = [
        f"document   {document['doc_id']}",
        f"outcome    {document['outcome']}{why}",
        f"release    {explanation['release']}",
        f"source     {document['source_id']} ({_basis(explanation['source'])})",
        f"read from  {place['path']}, {place['where']}",
    ]
    if explanation["corpus"]:
        corpus = explanation["corpus"]
        lines.append(f"kept in    {corpus['file']}, row {corpus['row']}")
    facts = (
        ("host", document["host"]),
        ("licence", f"{document['licence']} (seen in: {document['licence_evidence']})"),
        ("rights", _rights(document)),
        ("language", f"{document['lang']} {_number(document['lang_score'])}"),
        ("toxicity", _number(document["toxicity"]) or "not measured"),
        ("tokens", f"{document['tokens_in']} read, {document['tokens_out']} kept"),
    )
    lines += [f"{name:10} {value}" for name, value in facts if value is not None]
    lines += ["", "rules that fired" if explanation["decisions"] else "no rule fired"]
    for row in explanation["decisions"]:
        lines += _decision_lines(row)
    signals = [_signal_line(row) for row in explanation["rights_signals"]]
    lines += _section("rights signals (* decided)", signals)
    lines += _section("duplicates", [_duplicate_line(row) for row in explanation["duplicates"]])
    lines += _section(
        "personal data",
        [
            f"{row['entity_type']} ({row['grade']}): {row['n_found']} found, "
            f"{row['n_redacted']} replaced"
            for row in explanation["personal_data"]
        ],
    )
    change = explanation["counterfactual"]
    also = [f"rule {rule} would have removed it too" for rule in change["also_removed_by"]]
    joined = "kept only if all of these held" if len(change["kept_if"]) > 1 else "kept if"
    lines += _section("what would have changed it", also)
    lines += _section(joined, change["kept_if"])
    lines += _section("then these rules, which only survivors are asked", change["not_asked"])
    lines += _section("removed if", change["removed_if"])
    lines += _section("where it lay", [_span_line(row) for row in explanation["spans"]])
    fates = [_fate_line(fate) for fate in explanation.get("releases", ())]
    lines += _section("in every release (* current)", fates if len(fates) > 1 else [])
    lines += _section("other documents of this address or text", explanation["same_address"])
    return "\n".join(inert(line) for line in lines) + "\n"


def _render_erased(explanation: dict[str, Any]) -> str:
    stone = explanation["erased"]
    lines = [
        f"outcome    erased on request {stone['request']} on {stone['day']}",
        f"release    {explanation['release']}",
    ]
    fates = [_fate_line(fate) for fate in explanation.get("releases", ())]
    lines += _section("in every release (* current)", fates if len(fates) > 1 else [])
    return "\n".join(inert(line) for line in lines) + "\n"


def _tombstone(release: Release, target: str) -> dict[str, str] | None:
    """Return on which request and day a document was erased; None if it was not."""
    digits = target.strip().lower()
    if release.erasure is None or len(digits) != LONGEST or not _HEX.fullmatch(digits):
        return None
    stone = release.erasure.stone(bytes.fromhex(digits))
    return {"request": stone.request, "day": stone.day} if stone else None


def _find(
    connection: duckdb.DuckDBPyConnection,
    target: str,
    url_hasher: Callable[[str], bytes] | None,
) -> tuple[bytes, list[bytes]]:
    """Return the id that a target means, and the other ids at the same address or text."""
    digits = target.strip().lower()
    if _HEX.fullmatch(digits):
        low, high = digits.ljust(32, "0"), digits.ljust(32, "f")
        found = connection.execute(
            "SELECT doc_id FROM documents WHERE doc_id BETWEEN $1 AND $2 ORDER BY doc_id LIMIT 2",
            [bytes.fromhex(low), bytes.fromhex(high)],
        ).fetchall()
        if not found and len(digits) == len(low):
            found = connection.execute(
                'SELECT doc_id FROM documents WHERE text_hash = $1 ORDER BY input_number, "offset"',
                [bytes.fromhex(digits)],
            ).fetchall()
        elif len(found) > 1 and len(digits) < len(low):
            raise QueryError(f"more than one document id starts with {digits}; give more digits")
    elif "://" not in target:
        raise QueryError(
            f"expected an address, or the {SHORTEST_PREFIX} to 32 first digits of a document id"
        )
    elif url_hasher is None:
        raise QueryError("an address is looked up by its keyed hash; give the key file of the run")
    else:
        found = connection.execute(
            'SELECT doc_id FROM documents WHERE url_hash = $1 ORDER BY input_number, "offset"',
            [url_hasher(target)],
        ).fetchall()
    if not found:
        raise QueryError("no document of this release has this id, address or text")
    first, *others = [row[0] for row in found]
    return first, others


def _late_rules(connection: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    """Return the enforced rules that can remove a document and that only survivors are asked."""
    rows = connection.execute(
        "SELECT rule_id FROM rules WHERE mode = 'enforce' AND action = 'remove' ORDER BY rule_id"
    ).fetchall()
    return tuple(rule for (rule,) in rows if rule in _LATE)


def _place(connection: duckdb.DuckDBPyConnection, document: dict[str, Any]) -> dict[str, Any]:
    """Return where a document was read: file with digest, and offset or row group and row."""
    source = _one(
        connection, "SELECT * FROM inputs WHERE input_number = $1", [document["input_number"]]
    )
    offset, length = document["offset"], document["length"]
    place = {"path": source["path"], "sha256": source["sha256"], "format": source["format"]}
    if source["format"] == "parquet":
        group, row = offset >> 32, offset & 0xFFFFFFFF
        place |= {"row_group": group, "row": row, "where": f"row group {group}, row {row}"}
    else:
        place |= {"offset": offset, "length": length}
        place["where"] = f"{length} bytes at offset {offset}"
        if source["codec"] not in (None, "none"):
            place["where"] += f" of the stream in {source['codec']}"
    return place


def _corpus_place(release: Release, document: dict[str, Any]) -> dict[str, Any] | None:
    """Return where a kept document lies in the corpus; rows before it may have been erased."""
    if document["outcome"] != "kept":
        return None
    file, row = document["out_file"], document["out_row"]
    after = release.erasure.files.get(file) if release.erasure else None
    if after:
        file, row = after.path, row - sum(removed < row for removed in after.removed)
    return {"file": file, "row": row}


def _way_out(row: dict[str, Any], document: dict[str, Any]) -> str:
    """Return how one enforced rule would not have fired."""
    rule, score, threshold = row["rule_id"], row["score"], row["threshold"]
    below = score is not None and threshold is not None and score < threshold
    if row["list_id"]:
        way = f"entry {row['list_entry']} of list {row['list_id']} were not there"
    elif row["reason"] == Reason.OPTOUT_DUP and row["partner_id"]:
        way = f"document {row['partner_id']} were not opted out"
        if score is not None and threshold is not None and score < 1:
            way += f", or the threshold were above {_number(score)} (it was {_number(threshold)})"
    elif row["partner_id"] and (score is None or score >= 1):  # no threshold lets exact copies in
        way = f"document {row['partner_id']} were not there"
    elif row["reason"] in _ALLOWED and not below:
        column = _ALLOWED[row["reason"]]
        way = f"{column} {document[column]} were allowed"
    elif score is not None and threshold is not None:
        bound = f"at most {_number(score)}" if below else f"above {_number(score)}"
        way = f"the threshold were {bound} (it was {_number(threshold)})"
    elif row["reason"] in _OTHERWISE:
        way = _OTHERWISE[row["reason"]].format(**document)
    else:
        way = "the rule were off" if row["action"] == "remove" else "it could be judged"
    return f"{rule}: {way}"


def _decision_lines(row: dict[str, Any]) -> list[str]:
    mark = "*" if row["terminal"] else "-"
    head = f"  {mark} {row['rule_id']} v{row['rule_version']}, {row['mode']}: {row['action']}"
    if row["reason"]:
        head += f" as {row['reason']}"
    lines = [head]
    if row["score"] is not None:
        bound = f", threshold {_number(row['threshold'])}" if row["threshold"] is not None else ""
        lines.append(f"      score {_number(row['score'])}{bound}")
    if row["list_id"]:
        snapshot = f" (sha256 {row['list_sha256'][:16]}...)" if row["list_sha256"] else ""
        lines.append(
            f"      list {row['list_id']} {row['list_version'] or ''}{snapshot}, "
            f"entry {row['list_entry']}"
        )
    if row["partner_id"]:
        lines.append(f"      partner {row['partner_id']}")
    if row["n_spans"] is not None:
        lines.append(f"      {row['n_spans']} spans replaced")
    if row["meaning"]:
        lines.append(f"      {row['meaning']} Basis: {row['basis'].rstrip('.')}.")
    return lines


def _rights(document: dict[str, Any]) -> str:
    """Return the rights state, what decided it, and how much could be seen."""
    by = f" by {document['rights_signal']}" if document["rights_signal"] else ""
    return f"{document['rights_state']}{by} (signals: {document['rights_observability']})"


def _signal_line(row: dict[str, Any]) -> str:
    """Return what one signal said, where and when it was seen, and whether it decided."""
    mark = "* " if row["winner"] else "" if row["applied"] else "(recorded only) "
    whose = f" to {row['agent']}" if row["agent"] else ""
    line = f"{mark}{row['protocol']} in {row['channel']}: {row['value']}{whose}"
    if row["status"] != "ok":
        line += f", {row['status']}"
    seen = f", seen {row['observed_at']}" if row["observed_at"] else ""
    return line + seen + (f", snapshot as of {row['asof']}" if row["asof"] else "")


def _duplicate_line(row: dict[str, Any]) -> str:
    line = f"{row['role']} in cluster {row['cluster_id']}, found by {row['method']}"
    if row["partner_id"]:
        line += f", compared with {row['partner_id']}"
    if row["partner_release"]:
        line += f" of release {row['partner_release']}"
    if row["jaccard"] is not None:
        line += f", Jaccard {_number(row['jaccard'])}"
    if row["method"] == "containment" and row["containment"] is not None:
        line += f", {_number(row['containment'])} of its shingles are there"
    return line + (", copies an opted-out document" if row["tainted"] else "")


def _span_line(row: dict[str, Any]) -> str:
    """Return where an identifier was found; offsets count code points of the text as read."""
    place = f"{row['entity_type']} at {row['start']} to {row['end']}"
    return f"{place}: {row['action']} ({row['detector']}, {_number(row['score'])})"


def _fate_line(fate: dict[str, Any]) -> str:
    mark = "* " if fate["current"] else ""
    why = f": {fate['reason']}" if fate["reason"] else ""
    rules = f" by {', '.join(fate['rules'])}" if fate["rules"] else ""
    return f"{mark}{fate['release']} {fate['outcome'] or 'does not know it'}{why}{rules}"


def _section(title: str, items: list[str]) -> list[str]:
    return ["", title, *(f"  - {item}" for item in items)] if items else []


def _basis(source: dict[str, Any]) -> str:
    return f"{source['kind']}, basis: {source['legal_basis']}" if source else "not declared"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _one(connection: duckdb.DuckDBPyConnection, sql: str, values: list[Any]) -> dict[str, Any]:
    rows = _rows(connection, sql, values)
    return rows[0] if rows else {}


def _rows(
    connection: duckdb.DuckDBPyConnection, sql: str, values: list[Any]
) -> list[dict[str, Any]]:
    connection.execute(sql, values)
    columns = [column[0] for column in connection.description or ()]
    return [_shown(dict(zip(columns, row, strict=True))) for row in connection.fetchall()]


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as JSON has it; scores are stored as float32 and shown as short as they are."""
    return {
        name: shortest_float32(value) if isinstance(value, float) else plain(value)
        for name, value in row.items()
    }
