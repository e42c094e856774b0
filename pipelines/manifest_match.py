# SPDX-License-Identifier: Apache-2.0
"""Which documents of a release a list would meet, from the manifest alone.

The manifest holds hosts, keyed hashes of addresses, licences and, in its restricted part, keyed
hashes of personal values: with these, lists of domains, addresses, licences and persons can be
compared. It holds no text and no names, so works, hashes of texts and authors need a run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import pyarrow as pa

from ..schemas.job_lists import ListKind
from ..transforms.hashing import hashes_to_ids, siphash128
from ..transforms.rights import match_domains, match_licences

if TYPE_CHECKING:
    import duckdb

    from ..transforms.rights import OptOutList


class Met(NamedTuple):
    """What a list meets.

    Args:
        doc_ids: Documents, kept or not, binary(16).
        unknown: What the manifest cannot tell, one sentence; None where the answer is complete.
    """

    doc_ids: pa.Array
    unknown: str | None


_NEEDS_RUN = {
    ListKind.CONTENT_HASH: "the manifest holds keyed hashes of texts only, which a list of plain "
    "hashes cannot be compared with: a run is needed",
    ListKind.WORK: "the manifest holds no text: how much of a work a document holds needs a run",
    ListKind.AUTHOR: "the manifest holds no authors: a run is needed",
    ListKind.URL_PREFIX: "the manifest holds no addresses, only hosts and keyed hashes: prefixes "
    "longer than a host need a run",
}


def meet(
    connection: duckdb.DuckDBPyConnection,
    lst: OptOutList | None,
    kind: ListKind,
    url_key: bytes | None,
) -> Met:
    """Find the documents of a release that a list covers.

    Args:
        connection: Views of the release; for persons with the restricted tables.
        lst: The list; None for works.
        kind: What its entries are.
        url_key: Key of address hashes, for lists of addresses.
    """
    if kind in _NEEDS_RUN or lst is None:
        return Met(_nothing(), _NEEDS_RUN[kind])
    if kind is ListKind.DOMAIN:
        hidden = _count(connection, "host IS NULL AND url_hash IS NOT NULL")
        unknown = f"{hidden} hosts are withheld for personal data" if hidden else None
        return Met(_by_value(connection, "host", lst), unknown)
    if kind is ListKind.LICENCE:
        return Met(_by_value(connection, "licence", lst), None)
    if kind is ListKind.URL:
        if url_key is None:
            return Met(_nothing(), "addresses are keyed hashes: give --key-file to compare them")
        texts = pa.array([lst.entry(int(number)) for number in lst.index.order], pa.string())
        wanted = hashes_to_ids(siphash128(texts, url_key))
        return Met(_where(connection, "documents", "url_hash", wanted), None)
    values = [bytes.fromhex(lst.entry(int(number))) for number in lst.index.order]
    return Met(
        _where(connection, "pii_links", "value_hmac", pa.array(values, pa.binary())),
        "links of personal values cover kept documents, as far as personal_data.links kept them",
    )


def arrow_rows(connection: duckdb.DuckDBPyConnection, sql: str) -> pa.Table:
    """Return the rows of a query as an Arrow table."""
    return cast("pa.Table", connection.sql(sql).to_arrow_table())


def _nothing() -> pa.Array:
    return pa.array([], pa.binary())


def _count(connection: duckdb.DuckDBPyConnection, condition: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM documents WHERE {condition}").fetchall()  # noqa: S608  (our own words)
    return int(row[0][0])


def _by_value(connection: duckdb.DuckDBPyConnection, column: str, lst: OptOutList) -> pa.Array:
    """Compare the distinct values of a column, so that ten million documents take a second."""
    sql = f"SELECT DISTINCT {column} AS value FROM documents WHERE {column} IS NOT NULL"  # noqa: S608  (our own words)
    values = arrow_rows(connection, sql)["value"].combine_chunks().cast(pa.string())
    match = match_domains if column == "host" else match_licences
    return _where(connection, "documents", column, values.filter(match(values, lst).is_valid()))


def _where(
    connection: duckdb.DuckDBPyConnection, table: str, column: str, wanted: pa.Array
) -> pa.Array:
    connection.register("wanted", pa.table({"value": wanted}))
    sql = f"SELECT DISTINCT doc_id FROM {table} WHERE {column} IN (SELECT value FROM wanted)"  # noqa: S608  (likewise)
    found = arrow_rows(connection, sql)["doc_id"].combine_chunks()
    connection.unregister("wanted")
    return found.cast(pa.binary())
