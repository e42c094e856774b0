# SPDX-License-Identifier: Apache-2.0
"""WAT files: what they say of the pages of a WET file, joined to its texts."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import pytest

from muniment.pipelines.plan import make_plan
from muniment.schemas.errors import InputError
from muniment.schemas.job_file import load_job
from muniment.transforms.reading import ReadLimits, WatPages, inspect_file, wat_label
from small_corpus import dump_job
from stage_runner import documents, govern, planned
from warc_builder import DATE, INFO, URL, about, members, record, wat_record
from warc_builder import RESPONSE_ID as ID

SAMPLES = Path(os.environ.get("MUNIMENT_SHARED_DATA", "../shared/data")) / "warc"


def pages(folder: Path, *records: bytes) -> WatPages:
    path = folder / "a.warc.wat.gz"
    path.write_bytes(members(INFO, *records))
    found = inspect_file(path, format="wat")
    facts = {"location": str(path), "path": path.name, "codec": found.codec, "sha256": found.sha256}
    return WatPages.open(facts, folder / "taken", ReadLimits())


def test_headers_tags_and_links_of_a_page_are_taken(tmp_path: Path) -> None:
    markup = {
        "Head": {
            "Metas": [{"name": "robots", "content": "noai"}, {"property": "og:title", "content": "x"}],
            "Link": [
                {"path": "LINK@/href", "url": "/rsl.xml", "rel": "license", "type": "application/rsl+xml"},
                {"path": "LINK@/href", "url": "/a.css", "rel": "stylesheet"},
            ],
        },
        "Links": [
            {"path": "A@/href", "url": "https://creativecommons.org/licenses/by/4.0/", "rel": "license"},
            {"path": "IMG@/src", "url": "/a.png"},
        ],
    }  # fmt: skip
    found = pages(tmp_path, about({"X-Robots-Tag": "noai", "Server": "x"}, markup))
    assert found.find(ID, "", "") == (
        "x-robots-tag: noai",
        'robots=noai\nlink=</rsl.xml>; rel="license"; type="application/rsl+xml"\n'
        'a=<https://creativecommons.org/licenses/by/4.0/>; rel="license"',
    )
    # The second time it comes from the work folder.
    (tmp_path / "a.warc.wat.gz").unlink()
    (taken,) = (tmp_path / "taken").iterdir()
    facts = {"sha256": taken.stem}
    again = WatPages.open(facts, tmp_path / "taken", ReadLimits())
    assert again.find(ID, "", "") == found.find(ID, "", "")


def test_a_page_is_found_by_its_record_or_by_address_and_time(tmp_path: Path) -> None:
    found = pages(tmp_path, about({"tdm-reservation": "1"}))
    wanted = ("tdm-reservation: 1", None)
    assert found.find(ID, "https://other.example/", DATE) == wanted
    assert found.find("urn:uuid:another", URL, DATE) == wanted
    assert found.find("urn:uuid:another", URL, "2024-05-19T00:00:00Z") == (None, None)
    assert found.find("", "https://other.example/", DATE) == (None, None)


def test_a_repeated_header_stays_repeated_and_no_member_hides_another(tmp_path: Path) -> None:
    twice = about({"X-Robots-Tag": ["noai", "noindex"]}, url="http://a/", page="urn:a")
    hidden = about({"x": 1}, url="http://b/", page="urn:b").replace(
        b'{"x": 1}', b'{"X-Robots-Tag":"noai","X-Robots-Tag":"all"}'
    )
    hidden = wat_record(hidden.partition(b"\r\n\r\n")[2].rstrip(), "http://b/", "urn:b")
    found = pages(tmp_path, twice, hidden)
    assert found.find("urn:a", "", "") == ("x-robots-tag: noai\nx-robots-tag: noindex", None)
    assert found.find("urn:b", "", "") == ("x-robots-tag: noai\nx-robots-tag: all", None)


@pytest.mark.parametrize(
    "broken",
    [
        about({"X-Robots-Tag": "all"}, kind="request"),
        wat_record(b"{"),
        wat_record(b"[" * 100_000),
        wat_record(b"[1]"),
        wat_record(b'{"Envelope": {"WARC-Header-Metadata": {"WARC-Type": "response"}}}'),
        about("not an object"),
        about({}, ["not an object"]),
        about({}, {"Head": {"Metas": ["not an object"]}}),
    ],
)
def test_what_cannot_be_read_shows_nothing(tmp_path: Path, broken: bytes) -> None:
    assert pages(tmp_path, broken).find(ID, URL, DATE) == (None, None)


def test_records_that_differ_on_a_page_say_nothing_of_it(tmp_path: Path) -> None:
    said = [about({"tdm-reservation": value}) for value in ("1", "0", "1")]
    assert pages(tmp_path, *said).find(ID, URL, DATE) == (None, None)
    assert pages(tmp_path, said[0], said[2]).find(ID, URL, DATE) == ("tdm-reservation: 1", None)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.warc.wat.gz"
    path.write_bytes(gzip.compress(INFO + about({}))[:-9])
    facts = {"location": str(path), "path": path.name, "codec": "gzip", "sha256": ""}
    with pytest.raises(InputError, match=r"truncated_stream|corrupt_stream"):
        WatPages.open(facts, tmp_path / "taken", ReadLimits())
    path.write_bytes(gzip.compress(INFO + about({})))
    with pytest.raises(InputError, match="input_changed"):
        WatPages.open(facts, tmp_path / "taken", ReadLimits())


def test_files_are_paired_by_name() -> None:
    assert wat_label("a/b.wet.d/CC-7.warc.wet.gz") == "CC-7.warc.wat.gz"
    assert wat_label("CC-7.warc.gz") is None


# A job


def write_job(folder: Path, wat: list[str]) -> Path:
    texts = [
        ("https://reserved.example/", "urn:r", "A page whose headers reserve it."),
        ("https://free.example/", "urn:f", "A page that says nothing of rights."),
        ("https://unknown.example/", "urn:u", "A page that the other file does not have."),
    ]
    made = [
        record(
            "conversion", text.encode(), Content_Type="text/plain", WARC_Target_URI=url,
            WARC_Record_ID=f"<urn:text:{page}>", WARC_Refers_To=f"<{page}>",
        )
        for url, page, text in texts
    ]  # fmt: skip
    (folder / "x.warc.wet.gz").write_bytes(members(INFO, *made))
    known = [
        about({"TDM-Reservation": "1"}, {"Head": {}}, url=texts[0][0], page="urn:r"),
        about({}, {"Head": {}}, url=texts[1][0], page="urn:f"),
    ]
    (folder / "x.warc.wat.gz").write_bytes(members(INFO, *known))
    (folder / "y.warc.wat.gz").write_bytes(members(INFO, *known))
    (folder / "key").write_bytes(bytes(range(32)))
    (folder / "key").chmod(0o600)
    off = {"enabled": False}
    job: dict[str, Any] = {
        "name": "j", "key_file": "key", "language": off, "toxicity": off, "personal_data": off,
        "deduplication": {"near": off},
        "sources": [{
            "name": "s", "kind": "crawl", "paths": ["x.warc.wet.gz"], "wat": wat, "crawler": "b",
            "licence": "unknown", "legal_basis": "tdm_art4", "origin": "worldwide",
            "collected": {"start": "2024-05-01", "end": "2024-05-31"}, "reviewer": "somebody",
            "trust_tier": "unverified",
        }],
    }  # fmt: skip
    path = folder / "job.yaml"
    path.write_text(dump_job(job))
    return path


def test_texts_of_a_wet_file_get_the_signals_of_its_wat_file(tmp_path: Path) -> None:
    run = planned(write_job(tmp_path, ["x.warc.wat.gz"]), tmp_path / "work")
    seen = {
        row["host"]: (row["rights_observability"], row["rights_state"], row["reason"])
        for row in documents(govern(run))
    }
    assert seen == {
        "reserved.example": ("page_only", "deny", "rights_reserved"),
        "free.example": ("page_only", "unknown", None),
        "unknown.example": ("none", "unknown", None),
    }


@pytest.mark.parametrize("wat", [["y.warc.wat.gz"], ["*.wat.gz"]])
def test_a_wat_file_without_its_wet_file_is_refused(tmp_path: Path, wat: list[str]) -> None:
    path = write_job(tmp_path, wat)
    with pytest.raises(InputError, match="do not pair"):
        make_plan(load_job(path), tmp_path / "work")


def test_another_wat_file_is_another_run(tmp_path: Path) -> None:
    path = write_job(tmp_path, ["x.warc.wat.gz"])
    before = make_plan(load_job(path), tmp_path / "work")
    (tmp_path / "x.warc.wat.gz").write_bytes(members(INFO, about({})))
    after = make_plan(load_job(path), tmp_path / "work")
    assert before.whole_fingerprint != after.whole_fingerprint
    (split,) = before.splits
    assert before.annotate_fingerprint(split) != after.annotate_fingerprint(split)


@pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"{SAMPLES} is not there: development data")
def test_the_sample_is_about_a_request_and_shows_nothing(tmp_path: Path) -> None:
    path = SAMPLES / "whirlwind.warc.wat.gz"
    found = inspect_file(path, format="wat")
    facts = {"location": str(path), "path": path.name, "codec": found.codec, "sha256": found.sha256}
    whole = WatPages.open(facts, tmp_path, ReadLimits())
    address = "https://an.wikipedia.org/wiki/Escopete"
    assert whole.find("", address, DATE) == (None, None)
