# SPDX-License-Identifier: Apache-2.0
"""The page on scale says what its script computes from what was measured."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from muniment.schemas.job import Partitioning


@pytest.fixture(scope="module")
def scaling(repository: Path) -> Any:
    spec = importlib.util.spec_from_file_location("scaling", repository / "benchmarks/scaling.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def measured(repository: Path) -> dict[str, Any]:
    return json.loads((repository / "infra/scaling.json").read_text())


def test_the_tables_on_the_page_are_those_of_the_script(scaling, measured, repository):
    page = (repository / "infra/SCALING.md").read_text()
    assert page == scaling.with_table(page, scaling.table(measured)), (
        "run benchmarks/scaling.py --keep"
    )
    assert page.count(scaling.BEGIN) == page.count(scaling.END) == 1


def test_ten_times_the_documents_take_ten_times_the_bytes_and_hours(scaling, measured):
    less, more = scaling.project(measured, 10**8), scaling.project(measured, 10**9)
    for name in ("text_bytes", "shuffled_bytes", "work_bytes", "join_bytes", "core_hours"):
        assert more[name] == pytest.approx(10 * less[name])
    assert more["dollars"] == pytest.approx(more["core_hours"] * scaling.PRICE)
    same = scaling.project(measured, measured["documents"])
    assert same["text_bytes"] == measured["text_bytes"]
    assert same["core_hours"] * 3600 == pytest.approx(measured["cpu_seconds"])
    assert same["work_bytes"] == sum(s["written"] for s in measured["stages"].values())


def test_partitions_hold_what_they_should_until_there_are_no_more(scaling, measured):
    for documents in scaling.DOCUMENTS:
        found = scaling.project(measured, documents)
        assert (
            found["partition_bytes"] <= scaling.PARTITION_BYTES
            or found["partitions"] == scaling.MOST_PARTITIONS
        )


def test_settings_are_those_of_the_job_model(scaling):
    fields = Partitioning.model_fields
    assert fields["split_bytes"].default == scaling.SPLIT_BYTES
    bounds = {getattr(item, "le", None) for item in fields["exchange_partitions"].metadata}
    assert scaling.MOST_PARTITIONS in bounds
