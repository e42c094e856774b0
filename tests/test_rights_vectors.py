# SPDX-License-Identifier: Apache-2.0
"""Golden vectors of every rights protocol: what its specification says of an input, malformed ones too.

Each row names the text it comes from. A verdict is `value/status`, or the value alone where the
status is `ok`; `silent` says nothing, which is not the same as `malformed`.
"""

import pytest

from muniment.schemas.rights import Protocol
from muniment.transforms.rights.ai_txt import AiTxt
from muniment.transforms.rights.aipref import read_content_usage
from muniment.transforms.rights.content_signal import read_content_signal
from muniment.transforms.rights.page import read_headers, read_tags
from muniment.transforms.rights.readings import SILENT
from muniment.transforms.rights.robots import RobotsFile, of_status
from muniment.transforms.rights.rsl import RslFile
from muniment.transforms.rights.tdmrep import TdmFile, combine, read_reservation
from muniment.transforms.rights.x_robots import read_directives


def verdict(reading):
    if reading.status == "silent":
        return "silent"
    return reading.value.value if reading.status == "ok" else f"{reading.value}/{reading.status}"


UNREAD = "unknown/malformed"

AIPREF = [
    # draft-ietf-aipref-attach-04, section 1.2
    (["train-ai=n"], "deny"),
    (["train-ai=y"], "allow"),
    # draft-ietf-aipref-vocab, section 6
    (["train-ai=y, search=n"], "allow"),
    (["search=n"], "silent"),
    # section 6.5.1: the last of a repeated key counts; labels are case-sensitive
    (["train-ai=n, train-ai=y"], "allow"),
    (["train-ai=y", "train-ai=n"], "deny"),
    (['train-ai=y, train-ai, search=n, search="n"'], UNREAD),
    (["train-ai"], UNREAD),
    (['train-ai="n"'], UNREAD),
    (["Train-AI=n"], UNREAD),
    (["train-ai=no"], UNREAD),
    # section 6.5.2: parameters are ignored
    (["train-ai;allow=n, train-ai=y"], "allow"),
    (['train-ai;has;parameters="?";'], UNREAD),
    (["train-ai=n;why=?1;at=@1659578233"], "deny"),
    # RFC 9651, sections 3.2 and 4.2.2
    (["a=(1 2.5 tok), train-ai=n"], "deny"),
    (["a=:cHJldGVuZA==:, b=-12, train-ai=n"], "deny"),
    (["train-ai=n,"], UNREAD),
    (["train-ai=n search=y"], UNREAD),
    (["train-ai=n, =y"], UNREAD),
    (["train-ai=n, b=1234567890123456"], UNREAD),
    (["train-ai=\u00ff"], UNREAD),
    ([""], "silent"),
    ([], "silent"),
]


@pytest.mark.parametrize(("values", "expected"), AIPREF)
def test_content_usage(values, expected):
    assert verdict(read_content_usage(values)) == expected


CONTENT_SIGNAL = [
    # contentsignals.org: yes and no; what is absent neither grants nor restricts
    (["search=yes,ai-train=no"], "deny"),
    (["search=yes, ai-train=yes"], "allow"),
    (["search=yes,ai-train=no,use=reference"], "deny"),
    (["search=yes"], "silent"),
    (["ai-train=n"], UNREAD),
    (["ai-train"], UNREAD),
    (["train-ai=no"], "silent"),
    (["ai-train=yes", "ai-train=no"], "deny"),
    ([""], "silent"),
]


@pytest.mark.parametrize(("values", "expected"), CONTENT_SIGNAL)
def test_content_signal(values, expected):
    assert verdict(read_content_signal(values)) == expected


TDM_VALUES = [
    # TDMRep, section 4.1: 0 and 1; other values are unset; =1 is CDSM art. 4(3)
    (["1"], "deny"),
    (["0"], "allow"),
    ([" 1 "], "deny"),
    (["0", "1"], "deny"),
    (["2"], UNREAD),
    (["true"], UNREAD),
    ([""], UNREAD),
    ([], "silent"),
]


@pytest.mark.parametrize(("values", "expected"), TDM_VALUES)
def test_tdm_reservation_in_headers_and_tags(values, expected):
    assert verdict(read_reservation(values)) == expected


TDM_FILES = [
    # TDMRep, section 6: array of rules, the first that matches counts
    ('[{"location": "/", "tdm-reservation": 1}]', "/a", "deny"),
    ('[{"location": "/directory-a/*", "tdm-reservation": 0}]', "/directory-a/b", "allow"),
    ('[{"location": "/a*/file.html", "tdm-reservation": 1}]', "/ab/file.html", "deny"),
    ('[{"location": "/a", "tdm-reservation": 0}, {"location": "/", "tdm-reservation": 1}]', "/a", "allow"),
    ('[{"location": "/", "tdm-reservation": 1}, {"location": "/a", "tdm-reservation": 0}]', "/a", "deny"),
    ('[{"location": "/*.html$", "tdm-reservation": 1}]', "/a.html?x", "silent"),
    ('[{"location": "/", "tdm-reservation": 1, "tdm-policy": "https://p.example/"}]', "/", "deny"),
    # malformed: unknown, and never permission
    ('[{"location": "/", "tdm-reservation": 2}]', "/", UNREAD),
    ('[{"location": "/", "tdm-reservation": true}]', "/", UNREAD),
    ('[{"location": "/"}]', "/", UNREAD),
    ('[{"tdm-reservation": 0}, {"location": "/", "tdm-reservation": 0}]', "/", UNREAD),
    ('[{"tdm-reservation": 0}, {"location": "/", "tdm-reservation": 1}]', "/", "deny"),
    ('{"location": "/", "tdm-reservation": 0}', "/", UNREAD),
    ('[{"location": "/", "tdm-reservation": 0}', "/", UNREAD),
    ("<!doctype html>", "/", UNREAD),
    ("[" * 5000, "/", UNREAD),
    ("", "/", UNREAD),
    ("[]", "/", "silent"),
    (" " * (1 << 20) + "[]", "/", "unknown/too_large"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "path", "expected"), TDM_FILES, ids=range(len(TDM_FILES)))
def test_tdmrep_json(body, path, expected):
    assert verdict(TdmFile(body.encode()).read(path)) == expected


@pytest.mark.parametrize(
    ("file", "header", "document", "expected"),
    [
        # TDMRep, section 5: file < header < document; absence never resets
        ("1", None, None, "deny"),
        ("1", "0", None, "allow"),
        ("1", "0", "1", "deny"),
        ("0", None, "1", "deny"),
        ("1", None, "2", "deny"),
        ("0", None, "2", UNREAD),
        ("0", "x", "0", "allow"),
        (None, None, None, "silent"),
    ],
)
def test_tdm_carriers_have_an_order(file, header, document, expected):
    parts = [
        SILENT if part is None else read_reservation([part]) for part in (file, header, document)
    ]
    assert verdict(combine(*parts)) == expected


X_ROBOTS = [
    (["noai, noimageai"], "deny"),
    (["NoAI"], "deny"),
    (["noimageai"], "silent"),
    (["noindex, nofollow"], "silent"),
    (["gptbot: noai"], "deny"),
    (["otherbot: noai"], "silent"),
    (["otherbot: noindex, noai"], "silent"),
    (["unavailable_after: 25 Jun 2010 15:00:00 PST, noai"], "deny"),
    (["noml"], "deny"),
    (["all"], "silent"),
    ([":::,,,"], "silent"),
]


@pytest.mark.parametrize(("values", "expected"), X_ROBOTS)
def test_x_robots(values, expected):
    assert verdict(read_directives(values, {"gptbot", "*"})) == expected


AI_TXT = [
    # Spawning, July 2023
    ("User-Agent: *\nDisallow: /\nDisallow: *\n", "/a", "deny"),
    ("User-Agent: *\nDisallow: *.txt\nAllow: /\n", "/notes.txt", "deny"),
    ("User-Agent: *\nDisallow: *.html\nAllow: /\n", "/page", "deny"),
    ("User-Agent: *\nAllow: *.txt\nDisallow: *.jpg\n", "/notes.txt", "allow"),
    ("User-Agent: *\nDisallow: *.jpg\n", "/notes.txt", "silent"),
    ("# an agents.json pointer\nversion: 1\n", "/", UNREAD),
    ("", "/", UNREAD),
]


@pytest.mark.parametrize(("body", "path", "expected"), AI_TXT)
def test_ai_txt(body, path, expected):
    assert verdict(AiTxt(body.encode()).read(path)) == expected


def rsl(inner, attributes='xmlns="https://rslstandard.org/rsl"'):
    return f"<rsl {attributes}>{inner}</rsl>"


def content(inner, url="/"):
    return f'<content url="{url}"><license>{inner}</license></content>'


PERMITS, PROHIBITS = '<permits type="usage">{}</permits>', '<prohibits type="usage">{}</prohibits>'
RSL = [
    # RSL 1.0, examples of the specification and of the files that sites serve
    (rsl(content(PROHIBITS.format("ai-all"))), "/a", "deny"),
    (rsl(content(PROHIBITS.format("ai-train"))), "/a", "deny"),
    (rsl(content(PERMITS.format("search"))), "/a", "deny"),
    (rsl(content(PERMITS.format("all"))), "/a", "allow"),
    (rsl(content(PERMITS.format("search ai-train") + '<payment type="free"/>')), "/", "allow"),
    (rsl(content(PERMITS.format("search,ai-train"))), "/", "allow"),
    (rsl(content(PERMITS.format("ai-train") + '<payment type="attribution"/>')), "/", "allow"),
    (rsl(content(PERMITS.format("ai-train") + '<payment type="purchase"/>')), "/", "licence_required"),
    (rsl(content('<payment type="subscription"/>')), "/", "licence_required"),
    (rsl(content(PERMITS.format("all") + PROHIBITS.format("ai-train"))), "/", "deny"),
    (rsl(content('<permits type="geo">EU</permits>')), "/", "silent"),
    (rsl(content(PROHIBITS.format("ai-all"), "/news/*")), "/sport/1", "silent"),
    (rsl(content(PROHIBITS.format("ai-all"), "https://e.com/news/*")), "/news/1", "deny"),
    (rsl(content(PERMITS.format("all")) + content(PROHIBITS.format("all"), "/x")), "/x", "deny"),
    # malformed and hostile
    (rsl(content(PERMITS.format("all")), 'xmlns="https://other.example"'), "/", UNREAD),
    ('<!DOCTYPE x [<!ENTITY a "all">]>' + rsl(content(PERMITS.format("&a;"))), "/", UNREAD),
    (rsl(content(PERMITS.format("all")))[:-3], "/", UNREAD),
    (rsl(""), "/", UNREAD),
    (rsl("<a>" * 40 + "</a>" * 40), "/", UNREAD),
    ("", "/", UNREAD),
    (" " * (1 << 20) + rsl(content(PERMITS.format("all"))), "/", "unknown/too_large"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "path", "expected"), RSL, ids=range(len(RSL)))
def test_rsl(body, path, expected):
    assert verdict(RslFile(body.encode()).read(path)) == expected


ATTACH = """User-Agent: *
Allow: /
Disallow: /never/
Content-Usage: / train-ai=n
Content-Usage: /ai-ok/ train-ai=y

User-Agent: ExampleBot
Allow: /
Content-Usage: / train-ai=y
"""
ROBOTS = [
    # draft-ietf-aipref-attach-04, section 3.4: the table of the example, and its second group
    (ATTACH, "*", "/test", ("silent", "deny", "silent")),
    (ATTACH, "*", "/never/test", ("deny", "silent", "silent")),
    (ATTACH, "*", "/ai-ok/test", ("silent", "allow", "silent")),
    (ATTACH, "examplebot", "/test", ("silent", "allow", "silent")),
    # section 3.1: equal paths in conflict combine to the strictest
    ("User-agent: *\nContent-Usage: / train-ai=y\nContent-Usage: / train-ai=n", "*", "/", ("silent", "deny", "silent")),
    ("User-agent: *\nContent-Usage: train-ai=n", "*", "/", ("silent", "deny", "silent")),
    ("User-agent: *\nContent-Usage: / Train-AI=n", "*", "/", ("silent", UNREAD, "silent")),
    # Cloudflare's managed file
    ("User-Agent: *\nContent-signal: search=yes,ai-train=no\nAllow: /\n\nUser-agent: GPTBot\nDisallow: /", "*", "/", ("silent", "silent", "deny")),
    ("Content-Signal: ai-train=no\nUser-agent: *\nAllow: /", "*", "/", ("silent", "silent", "deny")),
    # RFC 9309, section 2.2.1: tokens without case, several agents a group, groups of one agent join
    ("user-agent: GPTBOT\ndisallow: /", "gptbot", "/", ("deny", "silent", "silent")),
    ("User-agent: GPTBot/1.2\nDisallow: /", "gptbot", "/", ("deny", "silent", "silent")),
    ("User-agent: a\nUser-agent: gptbot\nDisallow: /", "gptbot", "/", ("deny", "silent", "silent")),
    ("User-agent: gptbot\nAllow: /\nUser-agent: x\nDisallow: /\nUser-agent: gptbot\nDisallow: /p", "gptbot", "/p", ("deny", "silent", "silent")),
    ("User-agent: gptbot-news\nDisallow: /", "gptbot", "/", ("silent", "silent", "silent")),
    ("User-agent: *\nDisallow: /\nUser-agent: gptbot\nDisallow:", "gptbot", "/", ("silent", "silent", "silent")),
    # section 2.2.2: the longest match counts, of equals Allow; section 2.2.3: `*` and `$`
    ("User-agent: *\nDisallow: /\nAllow: /p", "*", "/page", ("silent", "silent", "silent")),
    ("User-agent: *\nDisallow: /p\nAllow: /p", "*", "/page", ("silent", "silent", "silent")),
    ("User-agent: *\nDisallow: *.gif$", "*", "/a/b.gif", ("deny", "silent", "silent")),
    ("User-agent: *\nDisallow: /a%3cd.html", "*", "/a%3Cd.html", ("deny", "silent", "silent")),
    # section 5.1: comments, a byte order mark, other line ends, spellings that parsers accept
    ("\ufeffUser-agent: * # all\r\rDisallow: /x # y\r", "*", "/x", ("deny", "silent", "silent")),
    ("Useragent *\nDissallow: /", "*", "/", ("deny", "silent", "silent")),
    ("User-agent: *\nDisallow: /a\u2028Allow: /a", "*", "/a%20Allow:%20/a", ("deny", "silent", "silent")),
    ("Disallow: /", "*", "/", ("silent", "silent", "silent")),
    ("<html><body>Not found</body></html>", "*", "/", (UNREAD, UNREAD, UNREAD)),
    ("", "*", "/", ("silent", "silent", "silent")),
]  # fmt: skip


@pytest.mark.parametrize(("body", "agent", "path", "expected"), ROBOTS, ids=range(len(ROBOTS)))
def test_robots_txt(body, agent, path, expected):
    readings = RobotsFile(body.encode(), [agent]).read(path)
    found = (readings.robots, readings.content_usage, readings.content_signal)
    assert tuple(map(verdict, found)) == expected


def test_robots_txt_beyond_its_limit_forbids_or_is_unknown():
    long = "User-agent: *\nDisallow: /x\n" + "# padding\n" * 60_000 + "Disallow: /y\n"
    file = RobotsFile(long.encode(), ["*"])
    assert verdict(file.read("/x").robots) == "deny"
    assert verdict(file.read("/y").robots) == "unknown/too_large"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        # RFC 9309, section 2.3.1: 4xx leaves all open, 5xx closes all, redirects must be followed
        (200, None), (404, "unknown/no_file"), (403, "unknown/no_file"),
        (503, "deny/unreachable"), (301, "unknown/unreachable"), (None, "unknown/unreachable"),
    ],
)  # fmt: skip
def test_robots_txt_that_was_not_served(status, expected):
    reading = of_status(status, has_body=False)
    assert (None if reading is None else verdict(reading)) == expected


def test_robots_txt_names_a_licence_file():
    # RSL 1.0, section 4.4
    file = RobotsFile(b"License: https://e.com/license.xml\nUser-agent: *\nAllow: /", ["*"])
    assert verdict(file.read("/").rsl) == "unknown/not_fetched"


HEADERS = [
    ("content-usage: train-ai=n", {Protocol.CONTENT_USAGE: "deny"}),
    ("content-usage: search=y\ncontent-usage: train-ai=n", {Protocol.CONTENT_USAGE: "deny"}),
    ("Content-Signal: ai-train=no\nX-Robots-Tag: noai", {Protocol.CONTENT_SIGNAL: "deny", Protocol.X_ROBOTS: "deny"}),
    ("tdm-reservation: 1\ntdm-policy: https://e.com/p", {Protocol.TDMREP: "deny"}),
    ('link: <https://e.com/l.xml>; rel="license"; type="application/rsl+xml"', {Protocol.RSL: "unknown/not_fetched"}),
    ("link: <https://e.com/next>; rel=next", {}),
    ("link: <" * 1000, {}),
    ("nonsense", {}),
    ("", {}),
]  # fmt: skip


@pytest.mark.parametrize(("carrier", "expected"), HEADERS, ids=range(len(HEADERS)))
def test_response_headers(carrier, expected):
    page = read_headers(carrier, ["*"])
    assert {protocol: verdict(reading) for protocol, reading in page.signals.items()} == expected


TAGS = [
    ("robots=noai, noimageai", {Protocol.X_ROBOTS: "deny"}),
    ("gptbot=noai", {Protocol.X_ROBOTS: "deny"}),
    ("robots=noindex", {}),
    ("tdm-reservation=1", {Protocol.TDMREP: "deny"}),
    ("tdm:reservation=1", {Protocol.TDMREP: "deny"}),
    ("tdm-reservation=yes", {Protocol.TDMREP: UNREAD}),
    ('link=</license.xml>; rel="license"; type="application/rsl+xml"', {Protocol.RSL: "unknown/not_fetched"}),
]  # fmt: skip


@pytest.mark.parametrize(("carrier", "expected"), TAGS, ids=range(len(TAGS)))
def test_tags(carrier, expected):
    page = read_tags(carrier, ["gptbot", "*"])
    assert {protocol: verdict(reading) for protocol, reading in page.signals.items()} == expected


def test_a_page_names_its_licence():
    link = (
        'link=<https://creativecommons.org/licenses/by/4.0/>; rel="license"\na=<x>; rel="nofollow"'
    )
    assert read_tags(link, []).licences == ("https://creativecommons.org/licenses/by/4.0/",)
    assert read_headers("link: <https://l.example>; rel=license", []).licences == (
        "https://l.example",
    )
    assert read_tags("dc.rights=CC BY 4.0", []).licences == ("CC BY 4.0",)


def test_a_carrier_that_was_cut_can_reserve_but_not_permit():
    padding = "\nlink: <" + "x" * 20_000
    assert (
        verdict(read_headers("tdm-reservation: 1" + padding, []).signals[Protocol.TDMREP]) == "deny"
    )
    cut = read_headers("tdm-reservation: 0" + padding, []).signals
    assert verdict(cut[Protocol.TDMREP]) == "unknown/too_large"
