# SPDX-License-Identifier: Apache-2.0
"""Headers and tags that speak of rights travel as one bounded string a document."""

from hypothesis import given
from hypothesis import strategies as st

from muniment.transforms.rights.carriers import (
    MAX_CARRIER_BYTES,
    RIGHTS_HEADERS,
    RIGHTS_TAGS,
    header_lines,
    tag_lines,
)

_PAIRS = st.lists(st.tuples(st.sampled_from([*RIGHTS_HEADERS, *RIGHTS_TAGS, "Server"]), st.text()))


def test_only_what_speaks_of_rights_is_kept_in_the_order_received():
    headers = [("TDM-Reservation", "1"), ("Date", "x"), ("X-Robots-Tag", "noai"), ("Link", "<a>")]
    assert header_lines(headers) == "tdm-reservation: 1\nx-robots-tag: noai\nlink: <a>"
    assert tag_lines([("viewport", "x"), ("ROBOTS", "noai")]) == "robots=noai"
    assert header_lines([("Server", "x")]) == header_lines([]) == ""


def test_a_value_cannot_add_a_line():
    assert header_lines([("link", "a\r\ntdm-reservation: 0\x0b\x85\u2028b")]) == (
        "link: a tdm-reservation: 0 b"
    )


@given(_PAIRS)
def test_carriers_are_bounded_lines_of_known_names(pairs):
    for lines, between in ((header_lines(pairs), ": "), (tag_lines(pairs), "=")):
        names = {line.partition(between)[0] for line in lines.split("\n") if line}
        assert names <= RIGHTS_HEADERS | RIGHTS_TAGS
        assert len(lines.encode()) <= MAX_CARRIER_BYTES + 4


@given(st.text(min_size=1, max_size=3))
def test_what_was_cut_is_longer_than_the_limit(text):
    pairs = [("link", "é" + (text + "x") * MAX_CARRIER_BYTES)]
    assert MAX_CARRIER_BYTES < len(header_lines(pairs).encode()) <= MAX_CARRIER_BYTES + 4
