# SPDX-License-Identifier: Apache-2.0
"""Deduplication in whole jobs, on the engine: parts of works, released, verified and explained."""

from pathlib import Path

import pytest

from muniment.pipelines.explain import explain, render_text
from muniment.pipelines.query import connect
from muniment.pipelines.release import Release, open_release
from muniment.pipelines.run import run_job
from muniment.pipelines.verify import verify
from muniment.schemas.job_file import load_job
from test_containment import write_parts

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Release:
    output = tmp_path_factory.mktemp("parts")
    run_job(load_job(write_parts(output / "in")), output / "out")
    return open_release(output / "out")


def test_a_release_without_parts_of_other_documents_is_sound(parts: Release) -> None:
    assert verify(parts) == []
    found = connect(parts).execute(
        "SELECT reason, count(*) FROM documents WHERE outcome = 'removed' GROUP BY 1 ORDER BY 1"
    )
    assert found.fetchall() == [("dup_contained", 7), ("dup_exact", 6), ("dup_near", 12)]


def test_a_part_is_explained_by_the_whole(parts: Release, tmp_path: Path) -> None:
    doc_id, partner = (
        connect(parts)
        .execute("SELECT doc_id, partner_id FROM duplicates WHERE method = 'containment' LIMIT 1")
        .fetchall()[0]
    )
    told = explain(parts, doc_id.hex())
    assert told["duplicates"][0]["partner_id"] == partner.hex()
    text = render_text(told)
    assert f"contained_copy in cluster {partner.hex()}, found by containment" in text
    assert "of its shingles are there" in text
    assert any("dup_contained" in line for line in told["counterfactual"]["kept_if"])
