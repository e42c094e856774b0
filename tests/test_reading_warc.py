# SPDX-License-Identifier: Apache-2.0
"""Crawls: which records are documents, where they lie, and what a broken one costs."""

from __future__ import annotations

import base64
import bz2
import gzip
import hashlib
import os
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muniment.schemas.errors import InputError
from muniment.schemas.reasons import REASON_WORDS
from muniment.transforms.reading import (
    Piece,
    ReadLimits,
    ReadTally,
    Split,
    SplitReader,
    inspect_file,
    plan_splits,
)
from muniment.transforms.reading.html_text import PageReader, nesting_cost
from muniment.transforms.reading.warc_frames import Frame, StreamFrames
from warc_builder import (
    DATE,
    INFO,
    PAGE,
    REQUEST,
    URL,
    http,
    members,
    page,
    record,
    response,
    sha1,
    wrapped,
)

SAMPLES = Path(os.environ.get("MUNIMENT_SHARED_DATA", "../shared/data")) / "warc"
SENTENCE = "It rained all day in the valley, and the river rose by a hand."


def read(
    path: Path, data: bytes | None = None, *, split_bytes: int = 1 << 30, **options: object
) -> tuple[list[dict[str, object]], list[ReadTally]]:
    """Return the rows of a file and what was tallied of each split."""
    if data is not None:
        path.write_bytes(data)
    splits = plan_splits(
        [("s", path.name, str(path), inspect_file(path))], target_bytes=split_bytes
    )
    rows, tallies = [], []
    for split in splits:
        reader = SplitReader(split, {"text": "text"}, **options)  # type: ignore[arg-type]
        for batch in reader:
            rows += batch.to_pylist()
        tallies += reader.tallies
    for row in rows:
        row["fault"] = REASON_WORDS[row["fault"]]
    return rows, tallies


def faults(path: Path, *records: bytes, **options: object) -> list[str | None]:
    """Return the fault of each document of a plain crawl."""
    rows, (tally,) = read(path, b"".join(records), **options)
    assert tally.bytes_accounted == tally.bytes_total == sum(map(len, records))
    return [row["fault"] for row in rows]


def test_a_response_becomes_a_document_with_everything_the_crawler_knew(tmp_path: Path) -> None:
    body = PAGE.replace(
        b"<title>",
        b'<meta name="robots" content="noai"><meta name="viewport" content="x">'
        b'<link rel="License" type="application/rsl+xml" href="/rsl.xml"><title>',
    )
    one = response(body, "X-Robots-Tag: noai", "Server: x", WARC_Payload_Digest=sha1(body))
    ((row,), (tally,)) = read(tmp_path / "a.warc", INFO + REQUEST + one)
    assert row["text"] == SENTENCE
    assert (row["url"], row["title"], row["fetched"]) == (URL, "Rain", DATE)
    assert row["id"] == "urn:uuid:292f457d-203c-42f2-a1b5-69a4dabefd4f"
    assert row["http_headers"] == "x-robots-tag: noai"
    assert row["html_meta"] == (
        'robots=noai\nlink=</rsl.xml>; rel="License"; type="application/rsl+xml"'
    )
    assert (row["offset"], row["length"]) == (len(INFO + REQUEST), len(one))
    assert tally.passed == {"warcinfo": (1, len(INFO)), "request": (1, len(REQUEST))}


def test_main_content_is_an_option(tmp_path: Path) -> None:
    body = PAGE.replace(b"<body>", b"<body><nav><a href=/>Home page of it all</a></nav>")
    path = tmp_path / "a.warc"
    assert read(path, response(body))[0][0]["text"] == SENTENCE
    assert "Home page" in read(path, html_text="all")[0][0]["text"]  # type: ignore[operator]


@pytest.mark.parametrize(
    ("kind", "made"),
    [
        ("revisit", record("revisit", http(b""), Content_Type="application/http")),
        ("metadata", record("metadata", b"x: y", Content_Type="application/warc-fields")),
        ("continuation", record("continuation", b"rest")),
        ("other_type", record("hologram", b"?")),
        ("http_status", wrapped(http(status="404 Not Found"))),
        ("http_status", wrapped(http(status="206 Partial Content"))),
        ("http_status", wrapped(http(status="301 Moved"))),
        ("media_type", wrapped(http(b"%PDF", media="application/pdf"))),
        ("media_type", wrapped(http(b"{}", media="application/json"))),
        ("media_type", record("response", b"1.2.3.4", Content_Type="text/dns")),
        ("not_web", record("resource", b"log", WARC_Target_URI="<metadata://x/wget.log>")),
        ("not_web", record("resource", b"log", WARC_Target_URI="file:///a b.png")),
    ],
)
def test_what_is_no_document_is_counted_by_kind(tmp_path: Path, kind: str, made: bytes) -> None:
    rows, (tally,) = read(tmp_path / "a.warc", made)
    assert rows == []
    assert tally.passed == {kind: (1, len(made))}
    assert tally.bytes_accounted == tally.bytes_total == len(made)


@pytest.mark.parametrize(
    ("fault", "made"),
    [
        ("truncated_record", response(WARC_Truncated="length")),
        ("truncated_record", response(WARC_Segment_Number="1")),
        ("digest_mismatch", response(WARC_Payload_Digest=sha1(b"other"))),
        ("digest_mismatch", response(WARC_Block_Digest=sha1(b"other"))),
        ("digest_mismatch", response(WARC_Payload_Digest="sha1:not base 32!")),
        ("digest_mismatch", response(WARC_Payload_Digest="sha256:" + "0" * 64)),
        ("corrupt_record", wrapped(b"no response at all")),
        ("corrupt_record", wrapped(b"")),
        ("corrupt_record", response().replace(b"WARC-Date", b"WARC-Target-URI: http://b/\r\nX", 1)),
        ("bad_id", response(WARC_Record_ID="<urn:" + "x" * 2000 + ">")),
        ("invalid_utf8", wrapped(http(bytes(range(128, 256)) * 9, media="text/plain"))),
        (
            "extraction_failed",
            wrapped(http(b"\x8f\x01\xff\xfe" * 9, "Content-Encoding: gzip")),
        ),
    ],
)
def test_a_document_that_cannot_be_trusted_is_a_fault(
    tmp_path: Path, fault: str, made: bytes
) -> None:
    assert faults(tmp_path / "a.warc", response(), made, response()) == [None, fault, None]


def test_digests_in_every_spelling_and_of_every_form_are_checked(tmp_path: Path) -> None:
    raw = hashlib.sha1(PAGE, usedforsecurity=False).digest()
    spelled = [
        sha1(PAGE),
        sha1(PAGE).lower(),
        "sha1:" + raw.hex(),
        "sha1:" + base64.b64encode(raw).decode(),
        "sha1:" + base64.urlsafe_b64encode(raw).decode(),
        "SHA-256:" + hashlib.sha256(PAGE).hexdigest(),
        "xxh3:00",
    ]
    fine = [response(WARC_Payload_Digest=label) for label in spelled]
    packed = gzip.compress(PAGE)
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(packed), packed)
    coded = ("Content-Encoding: gzip", "Transfer-Encoding: chunked")
    fine += [
        response(chunked, *coded, WARC_Payload_Digest=sha1(form))
        for form in (PAGE, packed, chunked)
    ]
    rows, _ = read(tmp_path / "a.warc", b"".join(fine))
    assert [row["fault"] for row in rows] == [None] * len(fine)
    assert {row["text"] for row in rows} == {SENTENCE}


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (PAGE, ("Transfer-Encoding: chunked",)),
        (PAGE, ("Content-Encoding: gzip",)),
        (PAGE, ("Content-Encoding: unheard-of",)),
    ],
)
def test_a_coding_that_was_removed_already_does_no_harm(
    tmp_path: Path, body: bytes, headers: tuple[str, ...]
) -> None:
    ((row,), _) = read(tmp_path / "a.warc", response(body, *headers))
    assert row["text"] == SENTENCE


@pytest.mark.parametrize(
    ("charset", "declared", "meta"),
    [
        ("utf-8", "", ""),
        ("gbk", "; charset=GB2312", ""),
        ("gbk", "", "gb2312"),
        ("shift_jis", ";charset='Shift_JIS'", ""),
        ("windows-1251", "; charset=utf-8", "windows-1251"),
        ("utf-16", "", ""),
        ("big5", "; charset=unheard-of", "big5"),
    ],
)
def test_charsets_are_declared_in_many_places(
    tmp_path: Path, charset: str, declared: str, meta: str
) -> None:
    words = {
        "gbk": "这条河在雨后涨了一掌高，村里的人都来看",
        "shift_jis": "雨のあと川の水が増えて村の人が見に来た",
        "windows-1251": "После дождя река поднялась на ладонь",
        "big5": "這條河在雨後漲了一掌高，村里的人都來看",
    }.get(charset, "Nach dem Regen stieg der Fluß")
    html = f"<html><head><meta charset='{meta}'></head><body><p>{words}</p></body></html>"
    block = http(html.encode(charset), media="text/html" + declared)
    ((row,), _) = read(tmp_path / "a.warc", wrapped(block))
    assert row["text"] == words


def test_text_of_a_wet_file_cannot_show_headers_or_tags(tmp_path: Path) -> None:
    made = record("conversion", "Regen \u00fcber dem Tal".encode(), Content_Type="text/plain")
    path = tmp_path / "a.wet"
    ((row,), _) = read(path, INFO + made)
    assert inspect_file(path).format == "wet"
    assert (row["text"], row["url"]) == ("Regen \u00fcber dem Tal", URL)
    assert row["http_headers"] is None
    assert row["html_meta"] is None


def test_a_file_without_text_or_of_another_container_is_refused(tmp_path: Path) -> None:
    wat = record("metadata", b"{}", Content_Type="application/json")
    for data, problem in ((INFO + wat, "no_text"), (b"filedesc://x 0 1 2\n", "ARC")):
        (tmp_path / "a").write_bytes(gzip.compress(data))
        with pytest.raises(InputError, match=problem):
            inspect_file(tmp_path / "a")
    (tmp_path / "a").write_bytes(INFO + response())
    with pytest.raises(InputError, match="expected wet, its bytes say warc"):
        inspect_file(tmp_path / "a", format="wet")


@pytest.mark.parametrize("wrong", [-40, -2, -1, 1, 3, 500, 10**9])
def test_a_wrong_length_costs_that_record(tmp_path: Path, wrong: int) -> None:
    block = http()
    made = record("response", block, length=len(block) + wrong, Content_Type="application/http")
    limits = ReadLimits(max_record_bytes=2 << 30)
    found = faults(tmp_path / "a.warc", response(), made, response(), limits=limits)
    assert found == [None, "corrupt_record", None]


@pytest.mark.parametrize(
    "bad",
    [
        b"garbage\r\n\r\n",
        b"WARC/1.0\r\nWARC-Type: response\r\n\r\n\r\n\r\n",
        b"WARC/1.0\r\nWARC-Type: response\r\nContent-Length: -4\r\n\r\nabcd\r\n\r\n",
        b"WARC/1.0\r\nWARC-Type: response\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd\r\n\r\n",
        b"WARC/1.0\r\nContent-Length: 4\r\n\r\nabcd\r\n\r\n",
        b"WARC/1.0\r\nX: " + b"y" * 100_000 + b"\r\nContent-Length: 0\r\n\r\n\r\n\r\n",
    ],
)
def test_a_header_that_cannot_be_read_costs_that_record(tmp_path: Path, bad: bytes) -> None:
    assert faults(tmp_path / "a.warc", response(), bad, response()) == [
        None, "corrupt_record", None,
    ]  # fmt: skip


def test_superfluous_line_breaks_are_counted(tmp_path: Path) -> None:
    rows, (tally,) = read(tmp_path / "a.warc", response() + b"\r\n\n" + response() + b"\n")
    assert [row["fault"] for row in rows] == [None, None]
    assert tally.blank_bytes == 4
    assert tally.bytes_accounted == tally.bytes_total


def test_a_file_that_ends_within_a_record_has_a_truncated_one(tmp_path: Path) -> None:
    whole = response()
    for cut in (1, 30, len(whole) - 200):
        found = faults(tmp_path / "a.warc", response(), whole[: len(whole) - 4 - cut])
        assert found in ([None, "truncated_record"], [None, "corrupt_record"])
    # Without its last line breaks it is complete.
    assert faults(tmp_path / "b.warc", whole[:-4]) == [None]


def test_a_record_over_the_limit_is_stepped_over(tmp_path: Path) -> None:
    limits = ReadLimits(max_record_bytes=200_000)
    large = response(b"<p>" + b"word " * 100_000)
    packed = response(gzip.compress(b"x" * 300_000), "Content-Encoding: gzip")
    for data in (response() + large + packed + response(), members(response(), large, response())):
        rows, (tally,) = read(tmp_path / "a.warc", data, limits=limits)
        assert rows[1]["fault"] == "too_large"
        assert (rows[0]["fault"], rows[-1]["fault"]) == (None, None)
        assert tally.bytes_accounted == tally.bytes_total


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, zstandard.compress])
def test_compressed_as_a_whole_places_count_in_the_stream(tmp_path: Path, pack: object) -> None:
    data = INFO + response() + response(page(1))
    rows, (tally,) = read(tmp_path / "a", pack(data), split_bytes=100)  # type: ignore[operator]
    assert [row["offset"] for row in rows] == [len(INFO), len(INFO + response())]
    assert tally.bytes_total == len(data)


# Crawls with one gzip member a record


def test_members_are_cut_anywhere_and_give_the_same_documents(tmp_path: Path) -> None:
    records = [INFO, *(response(page(k), WARC_Target_URI=f"http://e.org/{k}") for k in range(80))]
    data = members(*records)
    path = tmp_path / "a.warc.gz"
    whole, (tally,) = read(path, data)
    assert tally.bytes_total == len(data) > 3 * (64 << 10)
    assert [row["offset"] for row in whole][:2] == [
        len(gzip.compress(INFO, mtime=0)),
        len(members(*records[:2])),
    ]
    for row, made in zip(whole, records[1:], strict=True):
        place = slice(row["offset"], row["offset"] + row["length"])  # type: ignore[operator]
        assert gzip.decompress(data[place]) == made
    for parts in (2, 3):
        rows, tallies = read(path, split_bytes=len(data) // parts)
        assert len(tallies) >= parts
        assert sum(t.bytes_accounted for t in tallies) == len(data)
        for row, expected in zip(rows, whole, strict=True):
            assert {**row, "row": 0} == {**expected, "row": 0}


def test_records_inside_a_record_are_not_taken_for_records(tmp_path: Path) -> None:
    inner = members(*(response(page(k), WARC_Target_URI="http://forged/") for k in range(4)))
    store = zlib.compressobj(0, wbits=31)
    outer = wrapped(http(inner, media="application/gzip"))
    stored = store.compress(outer) + store.flush()
    rest = members(*(response(page(k)) for k in range(60)))
    path = tmp_path / "a.warc.gz"
    rows, _ = read(path, members(INFO) + stored + rest, split_bytes=20_000)
    assert len(rows) == 60
    assert {row["url"] for row in rows} == {URL}


def test_a_file_made_to_be_read_in_two_ways_is_refused(tmp_path: Path) -> None:
    # Deflate puts a header of five bytes between stored blocks. The forged member declares an extra
    # field (RFC 1952, 2.3.1.1) that takes in those five bytes and is long enough for the chain.
    first = b"\0" + (65535).to_bytes(2, "little") + b"\0\0"
    member = gzip.compress(response(page(1, 200), WARC_Target_URI="http://forged/"), mtime=0)
    forged = member[:3] + b"\x04" + member[4:10] + b"\xff\xff" + b"\0" * (65535 - 5) + member[10:]
    outer = wrapped(http(forged, media="application/gzip"))
    second = b"\x01" + (len(outer) - 65535).to_bytes(2, "little")
    second += (~(len(outer) - 65535) & 0xFFFF).to_bytes(2, "little")
    stored = gzip.compress(b"")[:10] + first + outer[:65535] + second + outer[65535:]
    stored += zlib.crc32(outer).to_bytes(4, "little") + len(outer).to_bytes(4, "little")
    assert gzip.decompress(stored) == outer
    head, tail = members(INFO, response()), members(*(response(page(k)) for k in range(80)))
    path = tmp_path / "a.warc.gz"
    path.write_bytes(head + stored + tail)
    facts = inspect_file(path)
    place = 0, facts.bytes, facts.bytes, facts.sha256
    whole = Piece("a", str(path), "warc", "gzip", *place)
    cut = len(head) + 20
    parts = [replace(whole, end=cut), replace(whole, start=cut)]
    seen = []
    for part in (whole, *reversed(parts)):
        split = Split(0, "s", (part,))
        reader = SplitReader(split, {"text": "text"}, on_bad_file="quarantine")
        if part is parts[0]:
            # What comes after the forged start is the next split's; this one finds out first.
            with pytest.raises(InputError, match="ambiguous_members"):
                list(reader)
        else:
            seen.append({url for batch in reader for url in batch["url"].to_pylist()})
    assert seen == [{URL}, {"http://forged/", None}]


def test_a_damaged_member_costs_the_rest_of_its_split_only(tmp_path: Path) -> None:
    records = [response(page(k), WARC_Target_URI=f"http://e.org/{k}") for k in range(120)]
    data = bytearray(members(*records))
    data[len(data) // 2] ^= 0xFF
    path = tmp_path / "a.warc.gz"
    with pytest.raises(InputError, match="corrupt_stream"):
        read(path, bytes(data))
    rows, tallies = read(path, split_bytes=len(data) // 4, on_bad_file="quarantine")
    assert sum(t.bytes_accounted for t in tallies) == len(data)
    assert sum(row["fault"] == "corrupt_stream" for row in rows) == 1
    good = [row["url"] for row in rows if row["fault"] is None]
    assert 80 < len(good) < 120
    assert len(set(good)) == len(good)


def test_a_member_must_hold_one_record(tmp_path: Path) -> None:
    two = gzip.compress(response() + response())
    rows, (tally,) = read(tmp_path / "a", members(*[INFO] * 900, response()) + two)
    assert [row["fault"] for row in rows] == [None, "corrupt_record"]
    assert tally.bytes_accounted == tally.bytes_total


def test_a_bomb_among_members_is_not_unpacked(tmp_path: Path) -> None:
    bomb = gzip.compress(response(b"\0" * 30_000_000))
    limits = ReadLimits(max_record_bytes=1 << 20, ratio_floor_bytes=4 << 20, max_ratio=100)
    data = members(*[INFO] * 900, response()) + bomb + members(response())
    rows, (tally,) = read(tmp_path / "a", data, limits=limits, on_bad_file="quarantine")
    assert [row["fault"] for row in rows] == [None, "decompression_limit"]
    assert tally.bytes_accounted == tally.bytes_total == len(data)


# Pages


def test_a_page_that_is_too_deep_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    deep = [b"<div>" * 20_000, b"<a><b><div></a>" * 9000, b"<blockquote>" * 50_000]
    for body in deep:
        assert faults(tmp_path / "a.warc", response(body), response()) == ["too_deep", None]


def test_tags_that_close_themselves_do_not_nest() -> None:
    def cost(page: bytes) -> int:
        return nesting_cost(np.frombuffer(page, dtype=np.uint8))

    assert cost(b"<div><p><br><IMG src=x><div></div></DIV><span>") == 1 + 2 + 1
    assert cost(b"<ul>" + b"<li>x" * 1000 + b"</ul>") == 1
    assert cost(b"<script>'<div><div>'</script><!-- <div><div> --><div>") == 1
    assert cost(b"<h1></h1><h2>a < b</h2><") == 2
    assert cost(b"") == 0


def test_a_page_that_takes_too_long_or_kills_the_parser_costs_that_page() -> None:
    slow = b"<p " + b" ".join(b"a%d=1" % k for k in range(60_000)) + b">x"
    with PageReader(main_content=True, seconds=0.3) as pages:
        assert pages.read(slow, "", is_html=True) == "extraction_failed"
        found = pages.read(PAGE, "", is_html=True)
        assert isinstance(found, tuple)
        assert found.text == SENTENCE


def test_tags_are_found_wherever_they_stand_however_many_there_are() -> None:
    head = (
        b"<meta name=k content=v>" * 3000 + b"<noscript><meta name=robots content=noai></noscript>"
    )
    body = b"<p><meta name=tdm-reservation content=1>" + b"<a rel=nofollow href=/>x</a> " * 3000
    licence = b"<a rel='nofollow LICENSE' href=/l>license</a>"
    html = b"<html><head>" + head + b"</head><body>" + body + licence + b"</body></html>"
    # One second: a list of so many elements, taken one by one, takes a minute (resiliparse 2.0.1).
    with PageReader(main_content=False, seconds=1.0) as pages:
        found = pages.read(html, "", is_html=True)
    assert isinstance(found, tuple)
    assert found.tags[:2] == [("k", "v")] * 2
    assert found.tags[3000:] == [
        ("robots", "noai"),
        ("tdm-reservation", "1"),
        ("a", '</l>; rel="nofollow LICENSE"'),
    ]


@pytest.mark.long
def test_a_large_page_is_read_in_bounded_time() -> None:
    large = b"<p>" + b"word and <b>word</b> " * 200_000
    with PageReader(main_content=True) as pages:
        found = pages.read(large, "", is_html=True)
    assert isinstance(found, tuple)
    assert len(found.text) > 2_000_000


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_whatever_the_bytes_records_tile_them(data: st.DataObject) -> None:
    pieces = [INFO, response(), b"\r\n\r\n", b"WARC/1.0\r\n", b"x" * 50, response()[:90]]
    made = b"".join(data.draw(st.lists(st.sampled_from(pieces), max_size=6)))
    noise = data.draw(st.binary(max_size=20))
    place = data.draw(st.integers(0, len(made)))
    made = made[:place] + noise + made[place:]

    class Source:
        first = 0
        rest = memoryview(made)

        def read_into(self, view: memoryview) -> int:
            count = min(len(view), len(self.rest), data.draw(st.integers(1, 500)))
            view[:count] = self.rest[:count]
            self.rest = self.rest[count:]
            return count

    frames = StreamFrames(Source(), 10_000)
    found: list[Frame] = list(frames)
    place = 0
    for frame in found:
        assert made[place : frame.offset].strip(b"\r\n") == b""
        place = frame.offset + frame.length
    assert made[place:].strip(b"\r\n") == b""
    assert sum(frame.length for frame in found) + frames.blank == len(made) == frames.received


# The samples of the development data

EXPECTED: dict[str, list[str | None]] = {
    "warcio_example.warc": [None],
    "warcio_example.warc.gz": [None],
    "warcio_example-bad-non-chunked.warc.gz": [None],
    "warcio_example-bad.warc.gz.bad": [None],
    "warcio_example-digest.warc": [],
    "warcio_example-iana.org-chunked.warc": [None],
    "warcio_example-resource.warc.gz": [None],
    "warcio_example-space-in-target-uri.warc.gz": [],
    # The length is two bytes short, and the second one byte.
    "warcio_example-trunc.warc": ["corrupt_record"],
    "warcio_example-wrong-chunks.warc.gz": ["corrupt_record"],
    "warcio_example-wget-bad-target-uri.warc.gz": [None],
    "warcio_post-test.warc.gz": [],
    "whirlwind.warc.gz": [None],
    "whirlwind.warc.wet.gz": [None],
}


@pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"{SAMPLES} is not there: development data")
@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_samples(name: str) -> None:
    rows, tallies = read(SAMPLES / name)
    assert [row["fault"] for row in rows] == EXPECTED[name]
    assert all(tally.bytes_accounted == tally.bytes_total for tally in tallies)
    assert not any("<" in str(row["url"]) for row in rows)


@pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"{SAMPLES} is not there: development data")
@pytest.mark.parametrize(
    "name", ["warcio_bad.arc", "warcio_example-space-in-url.arc", "warcio_example.arc.gz"]
)
def test_the_older_arc_format_is_refused_by_name(name: str) -> None:
    with pytest.raises(InputError, match="its bytes are ARC"):
        inspect_file(SAMPLES / name)
