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
from test_same_address import write_versions

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


def test_a_part_is_explained_by_the_whole(parts: Release) -> None:
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


def test_a_page_crawled_again_is_released_once(tmp_path: Path) -> None:
    run_job(load_job(write_versions(tmp_path / "in", "newest")), tmp_path / "out")
    release = open_release(tmp_path / "out")
    assert verify(release) == []
    ((doc_id, partner),) = (
        connect(release)
        .execute(
            """SELECT u.doc_id, u.partner_id FROM duplicates AS u JOIN documents USING (doc_id)
            WHERE u.method = 'url' AND published = DATE '2024-01-01'"""
        )
        .fetchall()
    )
    told = explain(release, doc_id.hex())
    assert told["document"]["reason"] == "dup_url"
    assert told["counterfactual"]["kept_if"] == [
        f"dup_url: document {partner.hex()} were not there"
    ]
