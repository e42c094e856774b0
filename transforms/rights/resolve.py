# SPDX-License-Identifier: Apache-2.0
"""From the rights signals of documents to one rights state each, by the stated rule.

Within a protocol its own precedence holds. Across protocols any denial denies; otherwise any
permission allows; otherwise the state is unknown (IETF AIPREF vocabulary, "Combining Preferences";
Directive (EU) 2019/790, article 4). What may be used under a licence that nobody holds is denied. A
contract overrides the signals ("More Specific Instructions" there) and is named by its reference.
What could not be read is unknown, never a permission.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...schemas.reasons import RightsObservability, RightsState
from ...schemas.rights import Channel, Protocol, SignalStatus, SignalValue
from .readings import SILENT, STATUSES, VALUES, Reading
from .tdmrep import combine

PROTOCOLS = tuple(Protocol)

_SHIFT = 3
_STATUS = (1 << _SHIFT) - 1
_ALLOW, _LICENCE, _DENY = (
    VALUES.index(value)
    for value in (SignalValue.ALLOW, SignalValue.LICENCE_REQUIRED, SignalValue.DENY)
)
_STATES = (RightsState.UNKNOWN, RightsState.ALLOW, RightsState.DENY, RightsState.DENY)
"""The state for each value of the strictest signal, in the order of `SignalValue`."""

_OBSERVABILITY = (
    RightsObservability.NONE,
    RightsObservability.ROBOTS_ONLY,
    RightsObservability.PAGE_ONLY,
    RightsObservability.FULL,
)
"""By `2 * page + robots`: what of them the input could show."""


def code_of(reading: Reading) -> int:
    """Return a reading as a small number; larger values are stricter, its status below."""
    return VALUES.index(reading.value) << _SHIFT | STATUSES.index(reading.status)


def value_part(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the positions in `readings.VALUES`."""
    return np.right_shift(codes, np.uint8(_SHIFT))


def status_part(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the positions in `readings.STATUSES`."""
    return np.bitwise_and(codes, np.uint8(_STATUS))


@dataclass(frozen=True)
class Seen:
    """What one protocol says in one channel, for the documents of a batch.

    Args:
        protocol: Who speaks.
        channel: Where it was seen.
        codes: uint8 (n), readings as `code_of` writes them.
        asof: `fetch`, `latest` or `both` for files of origins; None for what came with a document.
        agents: Product tokens, int32 (n) into `agent_words`; -1 where none.
        agent_words: The tokens.
        rows: Rows of the snapshot store, int64 (n), -1 where none; None for what is no file.
        by_source: Whether all documents got it from their source.
        applied: Whether it may decide; a snapshot of another time than the policy's is recorded.
    """

    protocol: Protocol
    channel: Channel
    codes: NDArray[np.uint8]
    asof: str | None = None
    agents: NDArray[np.int32] | None = None
    agent_words: Sequence[str] = ()
    rows: NDArray[np.int64] | None = None
    by_source: bool = False
    applied: bool = True


@dataclass(frozen=True)
class Resolved:
    """What the signals of the documents of a batch come to.

    Args:
        state: Positions in the rights states by strictest value, uint8 (n).
        deciding: Position in `PROTOCOLS` of the deciding protocol, int16 (n); -1 where none.
        reserved: Whether a signal that is on no list denies, bool (n).
        values: uint8 (protocols, n), the strictest value of each protocol.
    """

    state: NDArray[np.uint8]
    deciding: NDArray[np.int16]
    reserved: NDArray[np.bool_]
    values: NDArray[np.uint8] = field(repr=False)

    def state_words(self) -> pa.Array:
        """Return `allow`, `deny` or `unknown`, string (n)."""
        return pa.array([state.value for state in _STATES]).take(pa.array(self.state))

    def signal_words(self) -> pa.Array:
        """Return the name of the deciding protocol, null where the state is unknown."""
        words = pa.array([protocol.value for protocol in PROTOCOLS])
        return words.take(pa.array(self.deciding, mask=self.deciding < 0))


def resolve(seen: Sequence[Seen], size: int, record_only: Collection[Protocol] = ()) -> Resolved:
    """Resolve the signals of each document.

    Args:
        seen: Signals, in any order.
        size: Number of documents.
        record_only: Protocols that decide nothing.
    """
    values = np.zeros((len(PROTOCOLS), size), np.uint8)
    for signal in seen:
        if signal.protocol is Protocol.TDMREP or not signal.applied:
            continue
        if signal.protocol not in record_only:
            row = values[PROTOCOLS.index(signal.protocol)]
            np.maximum(row, value_part(signal.codes), out=row)
    if Protocol.TDMREP not in record_only:
        values[PROTOCOLS.index(Protocol.TDMREP)] = _tdmrep(seen, size)
    state = values.max(axis=0, initial=0)
    deciding = np.where(state > 0, values.argmax(axis=0), -1).astype(np.int16)
    own = [n for n, p in enumerate(PROTOCOLS) if p not in (Protocol.LIST, Protocol.LICENCE)]
    reserved = values[own].max(axis=0, initial=0) >= _LICENCE
    contract = PROTOCOLS.index(Protocol.CONTRACT)
    covered = values[contract] > 0
    state[covered], deciding[covered], reserved[covered] = _ALLOW, contract, False
    return Resolved(state, deciding, reserved, values)


def _tdmrep(seen: Sequence[Seen], size: int) -> NDArray[np.uint8]:
    """Return the values of TDMRep: its carriers have an order, at each point in time."""
    values = np.zeros(size, np.uint8)
    if not any(signal.protocol is Protocol.TDMREP for signal in seen):
        return values
    silent = code_of(SILENT)

    def carrier(channel: Channel, times: Collection[str | None]) -> NDArray[np.uint8]:
        codes = np.full(size, silent, np.uint8)
        for signal in seen:
            fits = signal.channel is channel and signal.asof in times
            if signal.protocol is Protocol.TDMREP and signal.applied and fits:
                codes = np.where(signal.codes == silent, codes, signal.codes)
        return codes

    header, document = (carrier(c, (None,)) for c in (Channel.HTTP_HEADER, Channel.HTML_META))
    for time in ("fetch", "latest"):
        file = carrier(Channel.TDMREP_JSON, (time, "both"))
        stacked = np.stack([file, header, document])
        distinct, place = np.unique(stacked, axis=1, return_inverse=True)
        joined = [
            code_of(combine(*(_reading(code) for code in codes))) for codes in distinct.T.tolist()
        ]
        codes = np.array(joined, np.uint8)[place.reshape(-1)] if size else values
        np.maximum(values, value_part(codes), out=values)
    return values


def _reading(code: int) -> Reading:
    return Reading(SignalValue(VALUES[code >> _SHIFT]), SignalStatus(STATUSES[code & _STATUS]))


def observability(
    page: NDArray[np.bool_], robots: NDArray[np.bool_], declared: RightsObservability
) -> pa.Array:
    """Return how much of the rights signals could be seen of each document.

    Args:
        page: Whether headers or tags of the response could be seen, bool (n).
        robots: Whether a snapshot of its origin's robots.txt could, bool (n).
        declared: What the source declares could be seen when it was made.
    """
    known = _OBSERVABILITY.index(declared)
    codes = (np.where(page, 2, 0) + np.where(robots, 1, 0)) | known
    return pa.array([word.value for word in _OBSERVABILITY]).take(pa.array(codes))


def winners(seen: Sequence[Seen], resolved: Resolved) -> list[NDArray[np.bool_]]:
    """Return for each signal where it is the one that decided, bool (n) each.

    Of the channels of the deciding protocol the first with its value; documents before headers
    before files, as protocols have it.
    """
    taken = resolved.deciding < 0
    own = np.zeros(len(taken), np.uint8)
    some = np.flatnonzero(~taken)
    own[some] = resolved.values[resolved.deciding[some], some]
    won: dict[int, NDArray[np.bool_]] = {}
    for number in sorted(range(len(seen)), key=lambda n: _CHANNEL_ORDER.index(seen[n].channel)):
        signal = seen[number]
        decides = resolved.deciding == PROTOCOLS.index(signal.protocol)
        mask = ~taken & decides & (value_part(signal.codes) == own) & signal.applied
        won[number] = mask
        taken = taken | mask
    return [won[number] for number in range(len(seen))]


_CHANNEL_ORDER = (
    Channel.HTML_META,
    Channel.HTTP_HEADER,
    *(c for c in Channel if c not in (Channel.HTML_META, Channel.HTTP_HEADER)),
)
