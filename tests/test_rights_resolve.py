# SPDX-License-Identifier: Apache-2.0
"""Signals resolve to one state: contract, else any denial, else any permission, else unknown."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from muniment.schemas.reasons import RightsObservability
from muniment.schemas.rights import Channel, Protocol, SignalStatus, SignalValue
from muniment.transforms.rights.readings import (
    MALFORMED,
    NOT_FETCHED,
    SILENT,
    TOO_LARGE,
    UNREACHABLE,
    Reading,
    allow,
    deny,
    licence_required,
)
from muniment.transforms.rights.resolve import Seen, code_of, observability, resolve, winners

ANSWERS = (allow(), deny(), licence_required(), SILENT, MALFORMED)
STATES = ("allow", "deny", "unknown")


def seen(protocol, *readings, channel=Channel.HTTP_HEADER, asof=None):
    return Seen(protocol, channel, np.array([code_of(r) for r in readings], np.uint8), asof)


def state(*signals, record_only=()):
    return resolve(signals, len(signals[0].codes), record_only).state_words().to_pylist()


def plain_rule(row):
    values = {reading.value for reading in row}
    if values & {SignalValue.DENY, SignalValue.LICENCE_REQUIRED}:
        return "deny"
    return "allow" if SignalValue.ALLOW in values else "unknown"


def test_any_denial_denies_else_any_permission_allows():
    rows = list(itertools.product(ANSWERS, repeat=3))
    protocols = (Protocol.CONTENT_USAGE, Protocol.CONTENT_SIGNAL, Protocol.RSL)
    signals = [
        seen(p, *column) for p, column in zip(protocols, zip(*rows, strict=True), strict=True)
    ]
    resolved = resolve(signals, len(rows))
    assert resolved.state_words().to_pylist() == [plain_rule(row) for row in rows]
    won = winners(signals, resolved)
    for number, row in enumerate(rows):
        named = [p.value for p, mask in zip(protocols, won, strict=True) if mask[number]]
        assert named == (
            [] if plain_rule(row) == "unknown" else [resolved.signal_words()[number].as_py()]
        )


def test_a_contract_overrides_and_is_named():
    contract = seen(Protocol.CONTRACT, SILENT, allow(), channel=Channel.SOURCE)
    signals = [contract, seen(Protocol.TDMREP, deny(), deny()), seen(Protocol.LIST, deny(), deny())]
    resolved = resolve(signals, 2)
    assert resolved.state_words().to_pylist() == ["deny", "allow"]
    assert resolved.signal_words().to_pylist() == ["list", "contract"]
    assert resolved.reserved.tolist() == [True, False]


def test_lists_and_licences_reserve_nothing_by_themselves():
    resolved = resolve([seen(Protocol.LIST, deny()), seen(Protocol.LICENCE, allow())], 1)
    assert resolved.state_words().to_pylist() == ["deny"]
    assert resolved.reserved.tolist() == [False]


def test_recorded_protocols_decide_nothing():
    notice = seen(Protocol.NOTICE, deny(), channel=Channel.TEXT)
    assert state(notice) == ["deny"]
    assert state(notice, record_only={Protocol.NOTICE}) == ["unknown"]
    tdm = seen(Protocol.TDMREP, deny())
    assert state(tdm, record_only={Protocol.TDMREP}) == ["unknown"]


def test_tdmrep_has_an_order_at_each_point_in_time():
    def file(asof, reading):
        return seen(Protocol.TDMREP, reading, channel=Channel.TDMREP_JSON, asof=asof)

    page = seen(Protocol.TDMREP, allow(), channel=Channel.HTML_META)
    assert state(file("both", deny())) == ["deny"]
    assert state(file("both", deny()), page) == ["allow"]
    assert state(file("fetch", allow()), file("latest", deny())) == ["deny"]
    assert state(file("fetch", deny()), file("latest", allow())) == ["deny"]
    signals = [file("both", deny()), page]
    assert [mask.tolist() for mask in winners(signals, resolve(signals, 1))] == [[False], [True]]


READINGS = st.sampled_from([*ANSWERS, TOO_LARGE, NOT_FETCHED, UNREACHABLE])
SIGNALS = st.lists(
    st.tuples(st.sampled_from(list(Protocol)[1:]), st.sampled_from(list(Channel)[:3]), READINGS),
    max_size=8,
)


def of(drawn):
    return [seen(protocol, reading, channel=channel) for protocol, channel, reading in drawn]


@given(SIGNALS, st.sampled_from(list(Protocol)[2:]))
def test_a_denial_more_only_ever_denies_more(drawn, protocol):
    before = resolve(of(drawn), 1)
    # A new protocol, or a weaker carrier, could not be told apart: TDMRep's carriers override.
    more = [*of(drawn), seen(protocol, deny(), channel=Channel.HTML_META)]
    after = resolve(more, 1)
    assert after.state_words().to_pylist() == ["deny"]
    assert after.reserved[0] >= before.reserved[0]


@given(SIGNALS, st.sampled_from(list(Protocol)[1:]), st.sampled_from(list(Channel)[:3]))
def test_what_cannot_be_read_never_turns_into_a_permission(drawn, protocol, channel):
    before = resolve(of(drawn), 1).state_words().to_pylist()
    for reading in (MALFORMED, TOO_LARGE, NOT_FETCHED):
        after = resolve([*of(drawn), seen(protocol, reading, channel=channel)], 1)
        assert after.state_words().to_pylist() in (before, ["unknown"])


@given(SIGNALS)
def test_a_permission_is_read_without_fault(drawn):
    assert all(r.status is SignalStatus.OK for _, _, r in drawn if r.value is SignalValue.ALLOW)
    faults = [(p, c, Reading(SignalValue.UNKNOWN, r.status)) for p, c, r in drawn]
    assert resolve(of(faults), 1).state_words().to_pylist() == ["unknown"]


def test_observability_tells_silence_from_blindness():
    page, robots = np.array([True, True, False, False]), np.array([True, False, True, False])
    expected = ["full", "page_only", "robots_only", "none"]
    assert observability(page, robots, RightsObservability.NONE).to_pylist() == expected
    declared = observability(page, robots, RightsObservability.ROBOTS_ONLY).to_pylist()
    assert declared == ["full", "full", "robots_only", "robots_only"]
