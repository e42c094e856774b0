# SPDX-License-Identifier: Apache-2.0
"""Documents of one address: the page crawled again, of which one version stays.

The address is the canonical one (`rights.url_key`, as a keyed hash). Versions are chosen before
texts are compared, so that no text is removed for the sake of a version that is removed itself:

    screen    (split)      the addresses of its documents, by address
    elect     (partition)  which version stays, to both splits
    identify  (split)      the others are out: identities, by text hash
    introduce (split)      the final identifiers of those that stay, to their copies

A version that stays may still turn out to be a copy of another page; then that page stands for the
address. Only a version that nothing else removes can be chosen.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..schemas.deduplication import AddressCopies
from ..schemas.staged import ADDRESSES, EXACT, SAME_ADDRESS, VERSIONS
from .exchange import Received, gather, write_parcels
from .reading import Split
from .refs import split_base, split_of
from .run_state import FormerPart, Run
from .screen import SCREENED, send_identities
from .storage import read_ipc
from .units import UnitOutputs


def choose_versions(addresses: pa.Table, keep: AddressCopies) -> pa.Table:
    """Choose the version of each address that stays.

    Args:
        addresses: Rows of `schemas.staged.ADDRESSES`, in any order; every document of an address
            must be there. Only eligible ones take part.
        keep: `FIRST` keeps the best by declared priority, `NEWEST` the latest by its date (those
            without one come last), of equal ones again the best by priority.

    Returns:
        Rows of `schemas.staged.VERSIONS` by `ref`: each other version, and the one that stays.
    """
    table = addresses.filter(addresses["eligible"])
    columns = {name: table[name].to_numpy() for name in ADDRESSES.names}
    age = np.zeros(table.num_rows, dtype=np.int64)
    if keep is AddressCopies.NEWEST:
        age = -columns["published"].astype(np.int64)
    names = ("ref", "id_lo", "id_hi", "priority_lo", "priority_hi")
    order = np.lexsort(
        [*(columns[name] for name in names), age, columns["url_lo"], columns["url_hi"]]
    )
    high, low, ref = (columns[name][order] for name in ("url_hi", "url_lo", "ref"))
    new = np.ones(len(ref), dtype=bool)
    new[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
    first = np.maximum.accumulate(np.where(new, np.arange(len(ref)), 0))
    versions = pa.table([ref[~new], ref[first][~new]], schema=VERSIONS)
    return versions.sort_by("ref")


def elect_partition(run: Run, received: Received, out: UnitOutputs) -> None:
    """Choose versions in one partition of addresses; tell both splits of each pair."""
    keep = run.job.deduplication.url
    versions = choose_versions(gather(received, "addresses", ADDRESSES, []), keep)
    ref, stays = versions["ref"].to_numpy(), versions["stays"].to_numpy()
    twice = pa.concat_tables([versions, versions])
    splits = np.concatenate([split_of(ref), split_of(stays)])
    elsewhere = np.append(np.ones(len(ref), bool), split_of(ref) != split_of(stays))
    write_parcels(out, "versions", VERSIONS, twice.filter(pa.array(elsewhere)), splits[elsewhere])


def _versions(received: Received) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    table = gather(received, "versions", VERSIONS, ["ref"])
    return table["ref"].to_numpy(), table["stays"].to_numpy()


def identify_split(
    run: Run,
    annotations: str,
    screened: str,
    received: Received,
    out: UnitOutputs,
) -> None:
    """Take other versions out of the competition, and send the identities of a split."""
    table = read_ipc(screened)
    others, _ = _versions(received)
    eligible = table["eligible"].to_numpy() & ~np.isin(table["ref"].to_numpy(), others)
    place = SCREENED.get_field_index("eligible")
    table = table.set_column(place, SCREENED.field("eligible"), pa.array(eligible))
    out.write_ipc("screened", SCREENED, table.to_batches())
    known = read_ipc(annotations)
    send_identities(run, known.filter(pc.equal(known["fault"], 0)), table, out)


def introduce_split(
    split: Split | FormerPart, annotations: str, received: Received, out: UnitOutputs
) -> None:
    """Tell the other versions of the documents of a split that stay who these are."""
    base = split_base(split)
    ref, stays = _versions(received)
    mine = split_of(stays) == split.number
    ref, stays = ref[mine], stays[mine]
    known = read_ipc(annotations).take(pa.array((stays - base).astype(np.int64)))
    high, low = (known[name].to_numpy().copy() for name in ("id_hi", "id_lo"))
    groups = gather(received, "exact", EXACT, ["ref"])
    renamed = groups["ref"].to_numpy()
    at = np.searchsorted(renamed, stays)
    found = np.flatnonzero(at < len(renamed))
    found = found[renamed[at[found]] == stays[found]]
    high[found] = groups["id_hi"].to_numpy()[at[found]]
    low[found] = groups["id_lo"].to_numpy()[at[found]]
    rows = pa.table([ref, stays, high, low], schema=SAME_ADDRESS)
    write_parcels(out, "same_address", SAME_ADDRESS, rows, split_of(ref))
