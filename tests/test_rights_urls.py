# SPDX-License-Identifier: Apache-2.0
"""Hosts and keys of URLs: evasions are seen through, parsers' disagreements are reported."""

import pyarrow as pa
import pytest
import tldextract
from hypothesis import example, given, settings
from hypothesis import strategies as st

from muniment.transforms.rights.hosts import DEFAULT_PORTS, normalise_host, read_url
from muniment.transforms.rights.public_suffix import is_public_suffix, registrable_domains
from muniment.transforms.rights.urls import HOSTS, _key_of, parse_hosts, url_key


def hosts_of(*urls):
    return parse_hosts(pa.array(urls, pa.string())).to_pydict()


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "https://EXAMPLE.com./",
        "http://example.com../",
        "http://example.com:443/x",
        "http://user@example.com/",
        "http://user:password@example.com:8080/",
        "http://example。com/",
        "http://ｅｘａｍｐｌｅ．ｃｏｍ/",
        "http://%65xample.com/",
        "http://example%2Ecom/",
        "http://exa\tmple.com/",
        "ht\ntp://exam\r\nple.com/",
        "  http://example.com  ",
        "http:example.com",
        "http:/example.com/",
        "http:///example.com/",
        "http:\\\\example.com\\",
        "http://exam\u00adple.com/",
        "//example.com/x",
        "example.com",
        "example.com/x?u=http://evil.net",
        "example.com:80/x",
        "ftp://example.com/",
        "wss://example.com/",
    ],
)
def test_every_spelling_of_a_host_reads_the_same(url):
    # Reliability case 79.
    row = hosts_of(url)
    assert row["host"] == ["example.com"]
    assert row["domain"] == ["example.com"]
    assert row["ambiguous"] == [False]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://notexample.com/", "notexample.com"),
        ("http://example.com.evil.net/", "example.com.evil.net"),
        ("http://evil.net/?u=example.com", "evil.net"),
        ("http://evil.net#@example.com", "evil.net"),
        ("http://evil.net/@example.com", "evil.net"),
        ("http://example.com@evil.net/", "evil.net"),
    ],
)
def test_a_host_named_elsewhere_in_the_url_is_not_the_host(url, host):
    # Reliability case 80.
    assert hosts_of(url) == {
        "host": [host],
        "second_host": [None],
        "domain": [host.removeprefix("example.com.")],
        "ambiguous": [False],
    }


@pytest.mark.parametrize(
    ("url", "host", "second"),
    [
        ("https://example.com\\@evil.com/", "example.com", "evil.com"),
        ("https://evil.com\\@example.com/", "evil.com", "example.com"),
        ("http://a@example.com@evil.com/", "evil.com", "example.com"),
        ("http://a@example.com:80@evil.com/", "evil.com", "example.com"),
        ("http://example.com:99999/", None, "example.com"),
        ("http://example.com:80x/", None, "example.com"),
    ],
)
def test_both_readings_are_given_where_parsers_disagree(url, host, second):
    # Reliability case 81.
    row = hosts_of(url)
    assert (row["host"], row["second_host"]) == ([host], [second])
    assert row["ambiguous"] == [True]


def test_ports_of_any_length_are_read():
    assert hosts_of(f"http://a.com:{'0' * 5000}80/")["host"] == ["a.com"]
    assert hosts_of(f"http://u@a.com:{'0' * 5000}80/")["host"] == ["a.com"]
    assert hosts_of(f"http://u@a.com:{'9' * 5000}/")["second_host"] == ["a.com"]


def test_a_second_at_sign_is_ambiguous_even_without_a_second_host():
    assert hosts_of("http://a@@evil.com/")["ambiguous"] == [True]


@pytest.mark.parametrize(
    ("host", "normal"),
    [
        ("münchen.de", "xn--mnchen-3ya.de"),
        ("MÜNCHEN.de", "xn--mnchen-3ya.de"),
        ("mu\u0308nchen.de", "xn--mnchen-3ya.de"),
        ("faß.de", "xn--fa-hia.de"),
        ("例子。中国", "xn--fsqu00a.xn--fiqs8s"),
        ("☃.net", "xn--n3h.net"),
        ("XN--MNCHEN-3YA.de", "xn--mnchen-3ya.de"),
        ("①②.com", "12.com"),
        ("a_b.example", "a_b.example"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("0177.0.0.01", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0X7F000001.", "127.0.0.1"),
        ("１２７．０．０．１", "127.0.0.1"),
        ("0x7f..", "0.0.0.127"),
        ("256.256.256.256", None),
        ("1.2.3.4.5", None),
        ("1.2.3.08", None),
        ("a.1", None),
        ("1.a", "1.a"),
        ("9" * 5000, None),
        ("0" * 4999 + "1", "0.0.0.1"),
        ("0x" + "0" * 5000 + "7f000001", "127.0.0.1"),
        ("ü" * 5000, None),
        ("[::1]", "[::1]"),
        ("[2001:DB8:0:0:1:0:0:1]", "[2001:db8::1:0:0:1]"),
        ("[10:0:5:0:0:6:7:8]", "[10:0:5::6:7:8]"),
        ("[::ffff:1.2.3.4]", "[::ffff:102:304]"),
        ("[1:0:0:2::]", "[1:0:0:2::]"),
        ("[fe80::1%25eth0]", None),
        ("[::1", None),
        ("exa mple.com", None),
        ("a%00b.com", None),
        ("a%2Fb.com", None),
        ("a／b.com", None),
        ("%ff.com", None),
        ("a|b", None),
        (".", None),
        ("", None),
    ],
)
def test_hosts_follow_the_url_standard(host, normal):
    assert normalise_host(host) == normal


@pytest.mark.parametrize(
    "value",
    ["", " ", "no url", "urn:isbn:0451450523", "mailto:a@example.com", "file:///etc/hosts",
     "data:text/plain,http://example.com/", "http://", "http:///", "user@example.com",
     "/relative/example.com", "#example.com", "tel:123", "javascript:alert(1)//example.com"],
)  # fmt: skip
def test_what_is_no_web_address_has_no_host(value):
    assert hosts_of(value)["host"] == [None]
    assert url_key(pa.array([value])).to_pylist() == [None]


_AWKWARD = st.sampled_from(
    ["http://", "HTTPS://", "ftp://", "//", "\\", "@", "@@", ":", "80", "443", "8080", ".", "..",
     "。", "/", "/./", "/../", "?", "#", "%", "%2e", "%41", "%e4", "%7E", "xn--", "a", "Example",
     "com", "co.uk", "ck", "ü", "中", "١", "0x7f", "1", "[::1]", " ", "\t", "\n", "\x00", "'", "|",
     "\u200d", "~", "=", "&", "*", "\U0001f600", "%2f", "%25", "+"]
)  # fmt: skip
_URLS = st.lists(_AWKWARD, max_size=9).map("".join) | st.text(max_size=30)
_HTTP = st.builds("http://{}.com{}".format, st.text("aB1-._ü%", max_size=6), _URLS)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.none() | _URLS | _HTTP, max_size=40))
@example(["a.b", "a.", ".a", "a..b/", ".a.b.?x", "a.b:80", "a.b@c", "a.1", "1.2.3.4/x", "a_b.c#"])
@example(["http://a.com:80", "https://a.com:443/", "http://a.com:", "http://a.com:081?x"])
@example(["http://a.com/.", "http://a.com/..?", "http://a.com/%2e%2E/b", "http://a.com?/../"])
def test_the_compiled_path_agrees_with_the_plain_one(urls):
    array = pa.array(urls, pa.string())
    parsed = parse_hosts(array)
    readings = [None if url is None else read_url(url) for url in urls]
    assert parsed.column("host").to_pylist() == [r and r.host for r in readings]
    assert parsed.column("second_host").to_pylist() == [r and r.second_host for r in readings]
    assert parsed.column("ambiguous").to_pylist() == [bool(r and r.ambiguous) for r in readings]
    keys = url_key(array)
    assert keys.to_pylist() == [None if url is None else _key_of(url) for url in urls]
    assert url_key(keys).to_pylist() == keys.to_pylist()


def test_ten_thousand_random_urls_raise_nothing():
    count = 0

    @settings(max_examples=100, deadline=None, database=None)
    @given(st.lists(_URLS | _HTTP, min_size=100, max_size=100))
    def parse(urls):
        nonlocal count
        count += len(urls)
        parsed = parse_hosts(pa.array(urls, pa.string()))
        assert parsed.schema == HOSTS
        parsed.validate(full=True)
        for host in parsed.column("host").drop_null().to_pylist():
            assert host.isascii()
            assert host == host.lower()
            assert normalise_host(host) == host

    parse()
    assert count >= 10_000


@pytest.mark.parametrize("cast", [pa.string(), pa.large_string(), pa.string_view()])
def test_any_string_array_is_read_whatever_its_offset(cast):
    urls = pa.array(["http://skipped.org", None, "http://a.example.com/x", "bad", "http://ü.com"])
    sliced = urls.cast(cast)[1:]
    assert parse_hosts(sliced).column("host").to_pylist() == [
        None, "a.example.com", None, "xn--tda.com",
    ]  # fmt: skip
    assert url_key(sliced).to_pylist()[1] == "http://a.example.com/x"
    assert parse_hosts(urls.cast(cast)[:0]).num_rows == 0
    assert len(url_key(urls.cast(cast)[:0])) == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://ex.com/a/b?q=1",
        "https://EX.com:443/a/b?q=1#top",
        "http://user@ex.com:80/a/./b?q=1",
        "http://ex.com/a/c/../b?q=1",
        "http://ex.com/%61/b?q=%31",
        "http://ex.com\\a\\b?q=1",
        "http://ex.com/a/%2e/b?q=1",
        " http://ex.com/a/b?q=1\n",
        "ex.com/a/b?q=1",
    ],
)
def test_every_spelling_of_a_url_has_one_key(url):
    assert url_key(pa.array([url])).to_pylist() == ["http://ex.com/a/b?q=1"]


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("http://ex.com", "http://ex.com/"),
        ("http://ex.com?", "http://ex.com/"),
        ("http://ex.com?a", "http://ex.com/?a"),
        ("http://ex.com:8080/", "http://ex.com:8080/"),
        ("http://ex.com/a%2fb", "http://ex.com/a%2Fb"),
        ("http://ex.com/ä b", "http://ex.com/%C3%A4%20b"),
        ("http://ex.com/100%", "http://ex.com/100%25"),
        ("http://ex.com/../../a", "http://ex.com/a"),
        ("http://ex.com/a/..", "http://ex.com/"),
        ("http://ex.com/a?b=../c", "http://ex.com/?b=../c".replace("/?", "/a?")),
        ("ftp://ex.com/a", "ftp://ex.com/a"),
        ("http://ex.com/A", "http://ex.com/A"),
    ],
)
def test_keys_keep_what_matters(url, key):
    assert url_key(pa.array([url])).to_pylist() == [key]


_LABEL = st.sampled_from(
    ["www", "a", "example", "com", "uk", "co", "ck", "kawasaki", "jp", "city", "org", "github",
     "io", "xn--p1ai", "xn--fiqs8s", "internal", "bd", "kobe", "compute", "amazonaws"]
)  # fmt: skip


def test_registrable_domains_are_those_of_tldextract():
    extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)

    @settings(max_examples=300, deadline=None, database=None)
    @given(st.lists(_LABEL, min_size=1, max_size=6).map(".".join))
    def compare(host):
        expected = extract(host).top_domain_under_public_suffix or None
        if extract(host).suffix:  # where no rule applies tldextract gives up, the list says `*`
            assert registrable_domains(pa.array([host])).to_pylist() == [expected]

    compare()


def test_wildcard_and_exception_rules():
    hosts = pa.array(["a.b.ck", "b.ck", "www.ck", "a.www.ck", "x.city.kobe.jp", "y.x.kobe.jp"])
    assert registrable_domains(hosts).to_pylist() == [
        "a.b.ck", None, "www.ck", "www.ck", "city.kobe.jp", "y.x.kobe.jp",
    ]  # fmt: skip


def test_public_suffixes_are_known_and_addresses_are_none():
    hosts = pa.array(["com", "co.uk", "example.com", "127.0.0.1", "[::1]", "unknown-suffix", None])
    assert is_public_suffix(hosts).tolist() == [True, True, False, False, False, True, False]


def test_default_ports_are_those_of_the_url_standard():
    assert DEFAULT_PORTS == {"http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21}
