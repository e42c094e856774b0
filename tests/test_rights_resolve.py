# SPDX-License-Identifier: Apache-2.0
"""Signals resolve to one state: contract, else any denial, else any permission, else unknown."""

import itertools

import pyarrow as pa
import pytest

from muniment.schemas.errors import StageError
from muniment.transforms.rights import allow_where, deny_where, resolve_rights, resolve_signals
from muniment.transforms.rights.resolve import RESOLVED

_VALUES = ("allow", "deny", "unknown", None)


def plain_rule(values):
    return "deny" if "deny" in values else "allow" if "allow" in values else "unknown"


def test_any_denial_denies_else_any_permission_allows():
    rows = list(itertools.product(_VALUES, repeat=3))
    names = ("optout_domain", "licence", "http_header")
    signals = {
        name: pa.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)
    }
    resolved = resolve_signals(signals)
    assert resolved.schema == RESOLVED
    assert resolved.column("rights_state").to_pylist() == [plain_rule(row) for row in rows]
    for row, signal in zip(rows, resolved.column("deciding_signal").to_pylist(), strict=True):
        state = plain_rule(row)
        assert signal == (names[row.index(state)] if state != "unknown" else None)


def test_a_contract_overrides_and_is_named():
    signals = {"optout_domain": pa.array(["deny", "deny", None])}
    resolved = resolve_signals(signals, pa.array([None, "contract-7", "contract-7"])).to_pydict()
    assert resolved["rights_state"] == ["deny", "allow", "allow"]
    assert resolved["deciding_signal"] == ["optout_domain", "contract", "contract"]


def test_observability_tells_silence_from_blindness():
    page = pa.array(["unknown", "unknown", None, None])
    robots = pa.array(["unknown", None, "allow", None])
    resolved = resolve_signals({"http_header": page, "robots": robots, "licence": robots})
    assert resolved.column("rights_observability").to_pylist() == [
        "full", "page_only", "robots_only", "none",
    ]  # fmt: skip
    assert (
        resolve_signals({"licence": page}).column("rights_observability").to_pylist()
        == ["none"] * 4
    )


def test_masks_become_signals():
    mask = pa.array([True, False, None])
    assert deny_where(mask).to_pylist() == ["deny", "unknown", None]
    assert allow_where(mask).to_pylist() == ["allow", "unknown", None]


def test_the_short_form_follows_the_same_rule():
    denied, allowed = (
        pa.array([True, True, False, False, None]),
        pa.array([True, False, True, None, False]),
    )
    states = ["deny", "deny", "allow", "unknown", "unknown"]
    assert resolve_rights(denied=denied, allowed=allowed).to_pylist() == states
    assert (
        resolve_rights(denied=denied, allowed=allowed, contract=True).to_pylist() == ["allow"] * 5
    )
    some = pa.array([True, False, False, None, True])
    assert resolve_rights(denied=denied, allowed=allowed, contract=some).to_pylist() == [
        "allow", "deny", "allow", "unknown", "allow",
    ]  # fmt: skip


def test_undeclared_signals_and_values_are_defects():
    with pytest.raises(StageError, match="at least one signal"):
        resolve_signals({})
    with pytest.raises(StageError, match="got 'rumour'"):
        resolve_signals({"rumour": pa.array(["allow"])})
    with pytest.raises(StageError, match="expected allow, deny, unknown or null"):
        resolve_signals({"licence": pa.array(["Allow"])})
