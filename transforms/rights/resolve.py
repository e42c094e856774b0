# SPDX-License-Identifier: Apache-2.0
"""From the rights signals of a document to one rights state, by the stated rule.

Any denial denies; otherwise any permission allows; otherwise the state is unknown (IETF AIPREF
vocabulary, "Combining"; CDSM directive article 4). A contract overrides the signals and is named
by its reference. Signals are columns, so that a new protocol is a new column, not a new rule.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ...schemas.errors import StageError
from ...schemas.reasons import RightsObservability, RightsState

DENY, ALLOW, SILENT = RightsState.DENY.value, RightsState.ALLOW.value, RightsState.UNKNOWN.value

SIGNAL_CHANNELS: dict[str, str] = {
    "optout_domain": "list",
    "optout_url": "list",
    "licence": "record",
    "http_header": "page",
    "html_meta": "page",
    "robots": "robots",
    "tdmrep_file": "robots",
}
"""Where each signal is seen. `page`: the response itself; `robots`: a file of the origin."""

CONTRACT = "contract"
"""Name of the deciding signal where a contract overrides."""

_WORD = pa.dictionary(pa.int32(), pa.string())
RESOLVED = pa.schema(
    [
        pa.field("rights_state", _WORD, nullable=False),
        pa.field("rights_observability", _WORD, nullable=False),
        pa.field("deciding_signal", _WORD),
    ]
)
"""What `resolve_signals` yields, one row per document."""


def deny_where(mask: pa.Array) -> pa.Array:
    """Return a signal: `deny` where the mask is True, silent (`unknown`) elsewhere.

    Args:
        mask: bool array; null counts as not observable and stays null.
    """
    return pc.if_else(mask, DENY, SILENT)


def allow_where(mask: pa.Array) -> pa.Array:
    """Return a signal: `allow` where the mask is True, silent (`unknown`) elsewhere.

    Args:
        mask: bool array; null counts as not observable and stays null.
    """
    return pc.if_else(mask, ALLOW, SILENT)


def resolve_rights(
    *, denied: pa.Array, allowed: pa.Array, contract: bool | pa.Array = False
) -> pa.Array:
    """Resolve what is known of each document to one state: contract, else denial, else permission.

    Args:
        denied: bool array, True where any signal denies; null counts as False.
        allowed: bool array, True where any signal allows; null counts as False.
        contract: Whether a contract covers the documents: one value for all, or a bool array.

    Returns:
        string array without nulls: `allow`, `deny` or `unknown`.
    """
    state = pc.if_else(pc.fill_null(allowed, False), ALLOW, SILENT)
    state = pc.if_else(pc.fill_null(denied, False), DENY, state)
    if isinstance(contract, bool):
        return pa.repeat(ALLOW, len(state)) if contract else state
    return pc.if_else(pc.fill_null(contract, False), ALLOW, state)


def resolve_signals(
    signals: Mapping[str, pa.Array], contract_refs: pa.Array | None = None
) -> pa.RecordBatch:
    """Resolve the signals of each document to one state.

    Args:
        signals: Signal name (a key of `SIGNAL_CHANNELS`) to a string array, one value per
            document: `allow`, `deny`, `unknown` (seen, and silent or unreadable), or null (could
            not be seen in this input). The order is the order of precedence for
            `deciding_signal` only; the state does not depend on it.
        contract_refs: string array of contract references, null where there is no contract.

    Returns:
        Record batch of schema `RESOLVED`: the state; how much of the page and origin signals the
        input could show; and the first signal that decided, null where the state is unknown.

    Raises:
        StageError: A signal is not declared, has another length, or holds another value.
    """
    if not signals:
        raise StageError("rights: expected at least one signal, got none")
    names = [*signals, CONTRACT]
    codes = np.stack([_codes(name, values) for name, values in signals.items()])
    size = codes.shape[1]
    denied, allowed = codes == _DENY, codes == _ALLOW
    deny, allow = denied.any(axis=0), allowed.any(axis=0)
    state = np.where(deny, _DENY, np.where(allow, _ALLOW, _SILENT))
    deciding = np.where(deny, denied.argmax(axis=0), allowed.argmax(axis=0))
    if contract_refs is not None:
        under_contract = contract_refs.is_valid().to_numpy(zero_copy_only=False)
        state = np.where(under_contract, _ALLOW, state)
        deciding = np.where(under_contract, len(signals), deciding)
    seen = {
        channel: _seen(codes, [SIGNAL_CHANNELS[name] == channel for name in signals], size)
        for channel in ("page", "robots")
    }
    observability = np.where(seen["page"], 2, 0) + np.where(seen["robots"], 1, 0)
    columns = [
        _words(state, _STATES),
        _words(observability, _OBSERVABILITY),
        _words(deciding, names, mask=state == _SILENT),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=RESOLVED)


_STATES = (ALLOW, DENY, SILENT)
_ALLOW, _DENY, _SILENT, _UNSEEN = 0, 1, 2, -1
_OBSERVABILITY = tuple(
    o.value
    for o in (
        RightsObservability.NONE,
        RightsObservability.ROBOTS_ONLY,
        RightsObservability.PAGE_ONLY,
        RightsObservability.FULL,
    )
)


def _codes(name: str, values: pa.Array) -> NDArray[np.int32]:
    if name not in SIGNAL_CHANNELS:
        expected = ", ".join(SIGNAL_CHANNELS)
        raise StageError(f"rights: expected a signal among {expected}, got {name!r}")
    if pa.types.is_dictionary(values.type):
        values = values.cast(pa.string())
    codes = pc.index_in(values, pa.array(_STATES))
    if codes.null_count != values.null_count:
        raise StageError(f"rights: signal {name}: expected allow, deny, unknown or null")
    return np.asarray(codes.fill_null(_UNSEEN))


def _seen(codes: NDArray[np.int32], rows: list[bool], size: int) -> NDArray[np.bool_]:
    return (codes[rows] != _UNSEEN).any(axis=0) if any(rows) else np.zeros(size, np.bool_)


def _words(
    codes: NDArray[np.int64],
    words: tuple[str, ...] | list[str],
    mask: NDArray[np.bool_] | None = None,
) -> pa.Array:
    return pa.DictionaryArray.from_arrays(
        pa.array(codes.astype(np.int32), mask=mask), pa.array(words)
    )
