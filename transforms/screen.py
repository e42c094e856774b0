# SPDX-License-Identifier: Apache-2.0
"""Screen one split: apply the rules that look at one document, and send identities onward.

A document that a rule removes still goes on, marked ineligible, so that its copies are found; it
can never be the reason to remove another one. Outputs: `screened` and the parcels `identities`
(or first `addresses`, where one document of each address is to stay: `same_address`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..schemas.reasons import RightsState
from ..schemas.staged import ADDRESSES, IDENTITIES, U64, required
from .exact import priorities
from .exchange import write_parcels
from .list_rules import denies_copies
from .policy import judge
from .reading import Split
from .refs import split_base, top_bits
from .run_state import Run
from .storage import read_ipc
from .units import UnitOutputs

SCREENED = pa.schema(
    [
        required("ref", U64),
        required("priority_hi", U64),
        required("priority_lo", U64),
        required("eligible", pa.bool_()),
        required("denied", pa.bool_()),
    ]
)
"""How good a representative each document is; faulty records are not in it."""

_NO_DATE = np.iinfo(np.int32).max
_RIGHTS_RANK = {RightsState.ALLOW: 0, RightsState.UNKNOWN: 1, RightsState.DENY: 2}


def screen_split(run: Run, split: Split, annotations: str, out: UnitOutputs) -> None:
    """Apply the rules of one document to a split.

    Args:
        run: The run.
        split: The split.
        annotations: Its annotations.
        out: Where the outputs go.
    """
    table = read_ipc(annotations)
    table = table.filter(pc.equal(table["fault"], 0))
    verdict = judge(run.rules, table)
    state = table["rights_state"]
    rank = np.zeros(table.num_rows, dtype=np.uint8)
    for value, number in _RIGHTS_RANK.items():
        rank[pc.equal(state, value.value).to_numpy()] = number
    high, low = priorities(
        rank,
        pc.equal(table["licence"], "unknown").to_numpy(),
        run.plan.source(split.source).rank,
        table["tokens"].to_numpy(),
        pc.fill_null(table["published"].cast(pa.int32()), _NO_DATE).to_numpy(),
    )
    # A contract may allow what a protocol reserves, but not what a request takes down.
    denied = rank == _RIGHTS_RANK[RightsState.DENY]
    for rule, hits in zip(run.rules, verdict.hits, strict=True):
        if denies_copies(rule.facts):
            denied = denied | hits.mask
    ref = split_base(split) | table["row"].to_numpy().astype(np.uint64)
    columns = {
        "ref": ref,
        "priority_hi": high,
        "priority_lo": low,
        "eligible": verdict.reason == 0,
        "denied": denied,
    }
    screened = pa.table([columns[name] for name in SCREENED.names], schema=SCREENED)
    out.write_ipc("screened", SCREENED, screened.to_batches())
    if run.plan.addresses:
        _send_addresses(run, table, screened, out)
    else:
        send_identities(run, table, screened, out)


def _columns(spec: pa.Schema, table: pa.Table, screened: pa.Table) -> dict[str, npt.NDArray[Any]]:
    sides = {name: screened if name in SCREENED.names else table for name in spec.names}
    return {name: side[name].to_numpy() for name, side in sides.items()}


def send_identities(run: Run, table: pa.Table, screened: pa.Table, out: UnitOutputs) -> None:
    """Send the identities of the documents of a split.

    Args:
        run: The run.
        table: Annotations of its documents, faulty ones left out.
        screened: Rows of `SCREENED` for them.
        out: Where the parcels go.
    """
    columns = _columns(IDENTITIES, table, screened)
    identities = pa.table(list(columns.values()), schema=IDENTITIES)
    partition = top_bits(columns["text_hi"], run.plan.partitions)
    write_parcels(out, "identities", IDENTITIES, identities, partition)


def _send_addresses(run: Run, table: pa.Table, screened: pa.Table, out: UnitOutputs) -> None:
    some = pc.is_valid(table["url_hi"])
    table, screened = table.filter(some), screened.filter(some)
    date = pc.fill_null(table["published"].cast(pa.int32()), np.iinfo(np.int32).min)
    place = table.schema.get_field_index("published")
    columns = _columns(ADDRESSES, table.set_column(place, "published", date), screened)
    addresses = pa.table(list(columns.values()), schema=ADDRESSES)
    partition = top_bits(columns["url_hi"], run.plan.partitions)
    write_parcels(out, "addresses", ADDRESSES, addresses, partition)
