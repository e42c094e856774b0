# SPDX-License-Identifier: Apache-2.0
"""Presidio's recognisers as rows: behind the prefilter, with their scores, below our own."""

from __future__ import annotations

import pyarrow as pa
import pytest
import re2

from muniment.transforms.pii import ENTITY, detect

pytest.importorskip("presidio_analyzer")

from muniment.transforms.pii.presidio import ENTITY_TYPES, presidio_patterns

KEY = bytes(range(32))


def test_rows_are_re2_known_types_and_the_same_each_time() -> None:
    rows = presidio_patterns()
    assert len(rows) > 20
    assert presidio_patterns() is rows
    for row in rows:
        re2.compile(row.regex.encode())
        assert row.detector.startswith("presidio:")
        assert row.entity in ENTITY
        assert 0.5 <= row.score <= 1.0
    assert set(ENTITY_TYPES.values()) <= set(ENTITY)


def test_presidio_adds_types_and_does_not_rename_ours() -> None:
    texts = pa.array(
        ["DEA number AB1234563", "mail jane@example.com", "NRIC S1234567D", "S1234567D"]
    )
    spans = detect(
        texts, pa.array(["en"] * 4), key=KEY, custom=presidio_patterns()
    ).spans.to_pylist()
    assert [(s["row"], s["entity_type"], s["detector"].split(":")[0]) for s in spans] == [
        (0, "NATIONAL_ID", "presidio"),
        (1, "EMAIL_ADDRESS", "email"),
        (2, "NATIONAL_ID", "presidio"),
        (3, "NATIONAL_ID", "presidio"),
    ]


def test_rows_can_be_chosen_by_entity() -> None:
    chosen = presidio_patterns(("SG_NRIC_FIN",))
    assert chosen
    assert all("Sg" in row.detector for row in chosen)
