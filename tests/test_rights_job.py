# SPDX-License-Identifier: Apache-2.0
"""Rights signals in a job: seen, resolved, recorded with their time, and decided on."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from muniment.schemas.errors import InputError
from muniment.transforms.rights.snapshots import NO_TIME, describe_snapshot, open_snapshots
from stage_runner import documents, govern, planned

DAY = {n: datetime(2025, 1, n, tzinfo=UTC) for n in range(1, 29)}
FIELDS = {name: name for name in ("id", "url", "licence", "fetched", "http_headers", "html_meta")}


def document(name: str, host: str, **values: Any) -> dict[str, Any]:
    words = f"{name} says of {host} what nobody else says, in words of its own: "
    text = words + " ".join(f"{name}{n}" for n in range(40))
    fetched = "2025-01-10T12:00:00Z"
    return {"id": name, "url": f"https://{host}/{name}", "text": text, "fetched": fetched} | values


DOCUMENTS = [
    document("open", "free.example", http_headers="", html_meta=""),
    document("usage", "free.example", http_headers="content-usage: train-ai=n", html_meta=""),
    document("signal", "free.example", http_headers="content-signal: ai-train=yes", html_meta=""),
    document("broken", "free.example", http_headers="content-usage: Train-AI=y", html_meta=""),
    document("noai", "free.example", html_meta="robots=noai"),
    document("page_over_file", "tdm.example", html_meta="tdm-reservation=0"),
    document("file", "tdm.example"),
    document("later", "turned.example"),
    document("down", "down.example"),
    document("path", "partly.example", url="https://partly.example/private/x"),
    document("path_free", "partly.example", url="https://partly.example/public/x"),
    document("blind", "unseen.example"),
    document("nowhere", "", url=None, fetched=None),
    document("cc", "free.example", html_meta='link=<https://creativecommons.org/licenses/by/4.0/>; rel="license"'),
    document("claims", "free.example", licence="CC0-1.0", html_meta="license=CC-BY-4.0"),
    document("licence_file", "paid.example"),
    document("notice", "free.example", text="Text. This work may not be used to train AI models. " + "x y z " * 9),
    document("label", "free.example", text="---\nAIGC:\n  Label: '1'\n---\n" + "machine words " * 9),
]  # fmt: skip
ROBOTS = [
    ("https://free.example", DAY[1], 200, "User-agent: *\nAllow: /"),
    ("https://tdm.example", DAY[1], 404, None),
    ("https://turned.example", DAY[1], 200, "User-agent: *\nAllow: /"),
    ("https://turned.example", DAY[20], 200, "User-agent: GPTBot\nDisallow: /"),
    ("https://down.example", DAY[1], 503, None),
    ("https://partly.example:443", DAY[1], 200, "User-agent: CCBot\nDisallow: /private/"),
    ("http://paid.example", DAY[1], 200, "License: /l.xml\nUser-agent: *\nAllow: /"),
]
TDMREP = [("https://tdm.example", DAY[1], 200, '[{"location": "/", "tdm-reservation": 1}]')]
RSL = [(
    "https://paid.example", DAY[2], 200,
    '<rsl xmlns="https://rslstandard.org/rsl"><content url="/"><license><permits type="usage">all'
    '</permits><payment type="purchase"/></license></content></rsl>',
)]  # fmt: skip


def write_snapshot(path: Path, rows: list[tuple[Any, ...]], **columns: Any) -> None:
    names = ("origin", "fetched", "status", "body")
    table = {
        name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)
    }
    pq.write_table(pa.table(table | columns), path)


def write_job(folder: Path, rights: Mapping[str, Any], **source: Any) -> Path:
    folder.mkdir(exist_ok=True)
    lines = "".join(json.dumps(record) + "\n" for record in DOCUMENTS)
    (folder / "in.jsonl").write_text(lines)
    for name, rows in (("robots", ROBOTS), ("tdmrep", TDMREP), ("rsl", RSL)):
        write_snapshot(folder / f"{name}.parquet", rows)
    (folder / "key").write_bytes(bytes(range(32)))
    (folder / "key").chmod(0o600)
    kinds = ("robots", "tdmrep", "rsl")
    snapshots = [{"kind": kind, "path": f"{kind}.parquet"} for kind in kinds]
    job = {
        "name": "j",
        "key_file": "key",
        "sources": [
            {
                "name": "s", "kind": "other", "paths": ["in.jsonl"], "fields": FIELDS,
                "licence": "unknown", "legal_basis": "tdm_art4", "origin": "worldwide",
                "collected": {"start": "2025-01-01", "end": "2025-01-15"},
                "reviewer": "somebody", **source,
            }
        ],
        "rights": {"snapshots": snapshots, **rights},
        "language": {"enabled": False},
        "toxicity": {"enabled": False},
        "personal_data": {"enabled": False},
        "deduplication": {"near": {"enabled": False}},
        "partitioning": {"exchange_partitions": 2},
    }  # fmt: skip
    path = folder / "job.yaml"
    path.write_text(yaml.safe_dump(job))
    return path


class Outcome:
    """A governed job: its documents by name, and their signals."""

    def __init__(self, folder: Path, rights: Mapping[str, Any], **source: Any) -> None:
        markers = govern(planned(write_job(folder / "in", rights, **source), folder / "work"))
        rows = sorted(documents(markers), key=lambda row: row["offset"])
        names = [record["id"] for record in DOCUMENTS]
        self.rows = dict(zip(names, rows, strict=True))
        self.names = {row["doc_id"]: name for name, row in self.rows.items()}
        tables = [pq.read_table(marker.path("rights_signals")) for marker in markers]
        self.signals = pa.concat_tables(tables).to_pylist()

    def states(self) -> dict[str, tuple[str, str | None]]:
        return {n: (row["rights_state"], row["rights_signal"]) for n, row in self.rows.items()}

    def of(self, name: str) -> list[dict[str, Any]]:
        return [row for row in self.signals if self.names.get(row["doc_id"]) == name]


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return Outcome(tmp_path_factory.mktemp("strict"), {})


def test_every_document_gets_the_state_its_signals_come_to(strict: Outcome) -> None:
    assert strict.states() == {
        "open": ("unknown", None),
        "usage": ("deny", "content_usage"),
        "signal": ("allow", "content_signal"),
        "broken": ("unknown", None),
        "noai": ("deny", "x_robots"),
        "page_over_file": ("allow", "tdmrep"),
        "file": ("deny", "tdmrep"),
        "later": ("deny", "robots"),
        "down": ("deny", "robots"),
        "path": ("deny", "robots"),
        "path_free": ("unknown", None),
        "blind": ("unknown", None),
        "nowhere": ("unknown", None),
        "cc": ("allow", "licence"),
        "claims": ("unknown", None),
        "licence_file": ("deny", "rsl"),
        "notice": ("unknown", None),
        "label": ("unknown", None),
    }
    removed = {name for name, row in strict.rows.items() if row["reason"] == "rights_reserved"}
    assert removed == {n for n, (state, _) in strict.states().items() if state == "deny"}


def test_each_signal_is_recorded_with_its_time_and_the_winner(strict: Outcome) -> None:
    for name, (state, protocol) in strict.states().items():
        winners = [row for row in strict.of(name) if row["winner"]]
        assert [row["protocol"] for row in winners] == ([] if state == "unknown" else [protocol])
    (usage,) = strict.of("usage")
    assert (usage["channel"], usage["value"], usage["status"]) == ("http_header", "deny", "ok")
    assert usage["observed_at"] == datetime(2025, 1, 10, 12, tzinfo=UTC)
    (later,) = strict.of("later")
    assert (later["asof"], later["observed_at"], later["agent"]) == ("latest", DAY[20], "gptbot")
    assert len(later["snapshot_sha256"]) == 32
    (broken,) = strict.of("broken")
    assert (broken["value"], broken["status"]) == ("unknown", "malformed")
    page, file = sorted(strict.of("page_over_file"), key=lambda row: row["channel"])
    assert (page["value"], page["winner"], file["value"], file["winner"]) == (
        "allow", True, "deny", False,
    )  # fmt: skip
    assert sorted(row["status"] for row in strict.of("licence_file")) == ["not_fetched", "ok"]
    (notice,) = strict.of("notice")
    assert (notice["value"], notice["applied"]) == ("deny", False)


def test_files_that_say_nothing_are_recorded_once_an_origin(strict: Outcome) -> None:
    origins = {
        (row["host"], row["status"], row["documents"])
        for row in strict.signals
        if row["doc_id"] is None and row["protocol"] == "robots"
    }
    assert origins == {
        ("free.example", "silent", 9),
        ("tdm.example", "no_file", 2),
        ("turned.example", "silent", 1),
        ("partly.example", "silent", 1),
        ("paid.example", "silent", 1),
    }


def test_what_could_be_seen_is_told_apart_from_what_was_silent(strict: Outcome) -> None:
    seen = {name: row["rights_observability"] for name, row in strict.rows.items()}
    assert seen["open"] == seen["noai"] == "full"
    assert seen["file"] == seen["down"] == "robots_only"
    assert seen["blind"] == seen["nowhere"] == "none"


def test_marks_in_the_text_are_flags(strict: Outcome) -> None:
    assert {n: row["notice"] for n, row in strict.rows.items() if row["notice"]} == {
        "notice": "reservation"
    }
    assert {n: r["synthetic_mark"] for n, r in strict.rows.items() if r["synthetic_mark"]} == {
        "label": "generated"
    }
    assert strict.rows["notice"]["outcome"] == strict.rows["label"]["outcome"] == "kept"
    licences = {n: (r["licence"], r["licence_evidence"]) for n, r in strict.rows.items()}
    assert licences["cc"] == ("CC-BY-4.0", "link")
    assert licences["claims"] == ("unknown", "none")  # conflicting claims are never upgraded
    assert strict.rows["open"]["fetched_at"] == datetime(2025, 1, 10, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rights", "expected"),
    [
        ({"asof": "fetch"}, {"later": "unknown", "path": "deny", "file": "deny"}),
        ({"asof": "latest"}, {"later": "deny"}),
        ({"ua_policy": "own_token", "own_token": "OurBot"}, {"later": "unknown", "path": "unknown", "noai": "deny"}),
        ({"ua_policy": "own_token", "own_token": "ccbot"}, {"later": "unknown", "path": "deny"}),
        ({"record_only": ["robots", "tdmrep", "rsl", "x_robots"]}, {"down": "unknown", "file": "unknown", "noai": "unknown", "usage": "deny"}),
        ({"record_only": []}, {"notice": "deny"}),
    ],
)  # fmt: skip
def test_policies_decide_which_signals_count(
    tmp_path: Path, rights: dict[str, Any], expected: dict[str, str]
) -> None:
    states = Outcome(tmp_path, rights).states()
    assert {name: states[name][0] for name in expected} == expected


def test_what_a_later_file_says_is_recorded_where_it_does_not_count(tmp_path: Path) -> None:
    result = Outcome(tmp_path, {"asof": "fetch"})
    (row,) = result.of("later")
    assert (row["value"], row["applied"], row["winner"]) == ("deny", False, False)
    assert row["observed_at"] > result.rows["later"]["fetched_at"]
    assert result.rows["later"]["outcome"] == "kept"


def test_a_contract_overrides_and_is_named(tmp_path: Path) -> None:
    result = Outcome(tmp_path, {}, contract_ref="contract 7", legal_basis="contract")
    assert set(result.states().values()) == {("allow", "contract")}
    (row,) = [row for row in result.signals if row["protocol"] == "contract"]
    assert (row["doc_id"], row["channel"], row["documents"]) == (None, "source", len(DOCUMENTS))
    assert row["winner"]
    assert {row["outcome"] for row in result.rows.values()} == {"kept"}


# Snapshot tables


def test_snapshots_are_joined_by_origin_and_time(tmp_path: Path) -> None:
    path = tmp_path / "robots.parquet"
    write_snapshot(path, ROBOTS)
    digest = describe_snapshot(path)["sha256"]
    store = open_snapshots([path], [digest], tmp_path / "work")
    again = open_snapshots([path], [digest], tmp_path / "work")
    assert len(list((tmp_path / "work").iterdir())) == 1

    def find(origin: str | None, when: datetime | None) -> list[int | None]:
        time = np.array([NO_TIME if when is None else int(when.timestamp())])
        rows = [row[0] for row in again.find(pa.array([origin], pa.string()), time)]
        return [None if row < 0 else int(store.times[row]) for row in rows]

    one, twenty = (int(DAY[n].timestamp()) for n in (1, 20))
    assert find("https://turned.example", DAY[10]) == [one, twenty]
    assert find("https://turned.example", DAY[20]) == [twenty, twenty]
    assert find("https://turned.example", None) == [twenty, twenty]
    assert find("https://turned.example", datetime(2024, 1, 1, tzinfo=UTC)) == [None, twenty]
    assert find("https://paid.example", DAY[10]) == [one, one]  # the other scheme stands in
    assert find("https://partly.example", DAY[10]) == [one, one]
    assert find("https://turned.example:8443", DAY[10]) == [None, None]
    assert find(None, DAY[10]) == [None, None]


def test_snapshot_tables_that_are_not_what_they_say_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "robots.parquet"
    pq.write_table(pa.table({"origin": ["https://a.example"]}), path)
    with pytest.raises(InputError, match="expected a column fetched"):
        describe_snapshot(path)
    write_snapshot(path, ROBOTS, digest=["0" * 64] * len(ROBOTS))
    with pytest.raises(InputError, match="sha256 of `body`"):
        open_snapshots([path], [describe_snapshot(path)["sha256"]], tmp_path / "work")
    with pytest.raises(InputError, match="changed after the job was planned"):
        open_snapshots([path], ["0" * 64], tmp_path / "work")
    assert not list((tmp_path / "work").iterdir())
