# SPDX-License-Identifier: Apache-2.0
"""Opt-out lists: what is refused at load, what matches, and that lists only ever add matches."""

import hashlib
import pickle

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.schemas.errors import ListError
from muniment.transforms.rights import (
    load_list,
    match_content,
    match_domains,
    match_readings,
    match_urls,
    match_values,
    open_list,
    parse_hosts,
    save_list,
    url_key,
)


@pytest.fixture
def make(tmp_path):
    def write_and_load(text, kind="domain", **options):
        path = tmp_path / "optout.txt"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_list(path, kind, **options)

    return write_and_load


def entries_of(lst):
    return [lst.entry(number) for number in sorted(lst.index.order)]


def matched(lst, *hosts):
    found = match_domains(pa.array(hosts, pa.string()), lst).to_pylist()
    return [None if number is None else lst.entry(number) for number in found]


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("example.com\nb.ex.com\n", ["example.com", "b.ex.com"]),
        ("\ufeffexample.com\r\n\r\n# note\n  b.ex.com  # why\n", ["example.com", "b.ex.com"]),
        ("EXAMPLE.com.\nexample.com\n", ["example.com"]),
        ("münchen.de\nxn--mnchen-3ya.de\n例子。中国", ["xn--mnchen-3ya.de", "xn--fsqu00a.xn--fiqs8s"]),
        ("0.0.0.0 ads.net\n127.0.0.1\ttracker.org x.tracker.org localhost\n::1 localhost\n",
         ["ads.net", "tracker.org", "x.tracker.org"]),
        ("! Title: rules\n||ads.net^\n||b.ads.org^\n", ["ads.net", "b.ads.org"]),
        ("*.example.com\n.example.org\n", ["example.com", "example.org"]),
        ('entry,source,date,reason\nexample.com,mail,2026-01-02,"a, b"\n# c\n\nb.org,,,\n',
         ["example.com", "b.org"]),
        ("source,Entry\nx,example.com\n", ["example.com"]),
        ("http://example.com/\nhttps://b.org\nc.org/\n", ["example.com", "b.org", "c.org"]),
        ("1.2.3.4\n0x7f.1\n[::1]\n", ["1.2.3.4", "127.0.0.1", "[::1]"]),
    ],
)  # fmt: skip
def test_every_format_is_read(make, text, entries):
    assert entries_of(make(text)) == entries


def test_entries_know_their_line(make):
    assert make("# a\nexample.com\n\nexample.com\nb.org\n").lines.tolist() == [2, 4, 5]
    assert make('entry,why\n"a.com","two\nlines"\nb.com,\n').lines.tolist() == [3, 4]


def test_a_list_says_what_it_is(make):
    lst = make("# version: 2026-11-01\nexample.com\n")
    assert (lst.kind, lst.name, lst.version, lst.entries) == ("domain", "optout", "2026-11-01", 1)
    assert len(lst.sha256) == 64
    assert make("example.com\n").version == make("example.com\n").sha256[:12]


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "\ufeff", "entry,source\n"])
def test_an_empty_list_is_refused(make, text):
    # Reliability case 59: an opt-out list that lost its content must not let everything through.
    with pytest.raises(ListError, match="empty_optout"):
        make(text)


@pytest.mark.parametrize(
    "entry", ["com", "co.uk", "*", "*.com", "||com^", "公司.cn", "ck", "new-tld"]
)
def test_an_entry_that_covers_too_much_is_refused(make, entry):
    with pytest.raises(ListError, match="too_broad: line 2"):
        make(f"example.com\n{entry}\n")


def test_a_public_suffix_can_be_forced(make):
    assert matched(make("gov\n", force=True), "a.b.gov", "gov", "nogov") == ["gov", "gov", None]


def test_a_match_everything_entry_is_refused_even_by_force(make):
    with pytest.raises(ListError, match="malformed: line 2"):
        make("example.com\n*\n", force=True)


@pytest.mark.parametrize(
    "entry",
    ["exa mple.com", "a|b.com", "example.com/path", "x@example.com", "%00.com", "example.com\\"],
)
def test_malformed_entries_refuse_the_list_or_are_reported(make, entry):
    text = f"example.com\n{entry}\nb.org\n"
    with pytest.raises(ListError, match="malformed: line 2") as error:
        make(text)
    assert entry not in str(error.value)
    lst = make(text, skip_malformed=True)
    assert (entries_of(lst), lst.malformed, lst.lines.tolist()) == (
        ["example.com", "b.org"], (2,), [1, 3],
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["domain", "url", "url_prefix", "content_hash", "licence"])
@pytest.mark.parametrize("entry", [b"m\xfcnchen.de", b"http://m\xfcnchen.de/\xe4"])
def test_an_entry_that_is_not_utf8_is_malformed(make, kind, entry):
    with pytest.raises(ListError, match="malformed: line 1:"):
        make(entry + b"\n", kind=kind)


def test_a_csv_that_is_none_is_malformed(make):
    with pytest.raises(ListError, match="malformed: expected CSV"):
        make("entry,why\n" + "x" * 200_000 + ",y\n")


def test_lists_longer_than_a_block_keep_their_line_numbers(make, monkeypatch):
    monkeypatch.setattr("muniment.transforms.rights.list_formats._BLOCK", 16)
    monkeypatch.setattr("muniment.transforms.rights.list_formats._CSV_ROWS", 2)
    lines = [f"site{number}.com" if number % 3 else "# comment" for number in range(50)]
    expected = [number for number in range(50) if number % 3]
    lst = make("\ufeff" + "\n".join(lines))
    assert (lst.lines - 1).tolist() == expected
    assert entries_of(lst) == [f"site{number}.com" for number in expected]
    table = make("# version: 4\nentry,why\n" + "\n".join(f"{line},x" for line in lines))
    assert entries_of(table) == entries_of(lst)
    assert (table.lines - 3).tolist() == expected
    assert table.version == "4"


def test_a_list_that_is_not_there_or_of_no_kind(make, tmp_path):
    with pytest.raises(ListError, match="cannot be read"):
        load_list(tmp_path / "absent.txt", "domain")
    with pytest.raises(ListError, match="expected a list kind among domain"):
        make("example.com\n", kind="domains")
    with pytest.raises(ListError, match="expected a list of kind url or url_prefix, got domain"):
        match_urls(pa.array(["http://a.com/"]), make("example.com\n"))


def test_domains_match_the_host_and_everything_below_it(make):
    lst = make("example.com\nb.ex.com\na.b.ex.com\n")
    assert matched(
        lst, "example.com", "www.example.com", "notexample.com", "example.com.evil.net",
        "ex.com", "b.ex.com", "x.b.ex.com", "a.b.ex.com", "x.a.b.ex.com", "com", "", None,
    ) == ["example.com", "example.com", None, None,
          None, "b.ex.com", "b.ex.com", "a.b.ex.com", "a.b.ex.com", None, None, None]  # fmt: skip


def test_either_reading_of_an_ambiguous_url_matches(make):
    lst = make("example.com\n")
    parsed = parse_hosts(pa.array(["https://example.com\\@evil.com/", "https://evil.com\\@example.com/",
                                   "http://a@example.com@evil.com/", "http://evil.com/"]))  # fmt: skip
    assert match_readings(parsed, lst).to_pylist() == [0, 0, 0, None]


def test_urls_match_exactly_whatever_their_spelling(make):
    lst = make("http://ex.com/a?q=1\nex.com/B\n", kind="url")
    urls = ["https://EX.com/a?q=1#x", "http://ex.com/a", "http://ex.com/a?q=1&r=2", "http://ex.com/B",
            "http://ex.com/b", "http://www.ex.com/B", None]  # fmt: skip
    assert match_urls(url_key(pa.array(urls)), lst).to_pylist() == [
        0,
        None,
        None,
        1,
        None,
        None,
        None,
    ]


def test_prefixes_match_at_boundaries_and_the_longest_wins(make):
    lst = make("http://ex.com/blog\nex.com/blog/2020/*\nex.com/?id=\nsite.org\n", kind="url_prefix")
    cases = {
        "http://ex.com/blog": 0,
        "https://ex.com/blog/": 0,
        "http://ex.com/blog?p=1": 0,
        "http://ex.com/blogger": None,
        "http://ex.com/blog/2020": 0,
        "http://ex.com/blog/2020/1": 1,
        "http://ex.com/?id=7": 2,
        "http://ex.com/": None,
        "http://site.org": 3,
        "http://site.org/any/thing?q": 3,
        "http://www.site.org/": None,
        "http://site.org:8080/": None,
    }
    assert match_urls(url_key(pa.array(list(cases))), lst).to_pylist() == list(cases.values())


@pytest.mark.parametrize("entry", ["http://com/", "co.uk", "*", "http://"])
def test_a_prefix_of_everything_is_refused(make, entry):
    with pytest.raises(ListError, match="too_broad"):
        make(f"{entry}\n", kind="url_prefix")


def test_content_is_taken_down_by_its_sha256(make):
    digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    lst = make(f"sha256:{digest.upper()}\n", kind="content_hash")
    assert match_content(pa.array(["x", "hello", None, "hello "])[1:], lst).to_pylist() == [
        0,
        None,
        None,
    ]
    assert match_values(pa.array([digest, None]), lst).to_pylist() == [0, None]
    with pytest.raises(ListError, match="malformed"):
        make("abcdef\n", kind="content_hash")


def test_licence_lists_hold_spdx(make):
    lst = make("MIT License\nCC BY-NC 4.0\n", kind="licence")
    assert match_values(pa.array(["CC-BY-NC-4.0", "MIT", "Apache-2.0"]), lst).to_pylist() == [
        1,
        0,
        None,
    ]


def test_canaries_are_checked_when_the_list_is_loaded(make):
    good = "# canary+: http://www.example.com/page\n# canary-: http://notexample.com\nexample.com\n"
    assert make(good).canaries == (
        (True, "http://www.example.com/page"), (False, "http://notexample.com"),
    )  # fmt: skip
    with pytest.raises(ListError, match="canary_failed: canary 1 of 2"):
        make(good.replace("\nexample.com\n", "\nexample.org\n"))
    with pytest.raises(ListError, match="canary_failed: canary 2 of 2"):
        make(good + "notexample.com\n")
    with pytest.raises(ListError, match="canary_failed"):
        make("# canary+: http://ex.com/blogger\nhttp://ex.com/blog\n", kind="url_prefix")


def test_a_list_survives_pickling_and_mapping(make, tmp_path):
    lst = make("# version: 3\n# canary+: http://b.org\nexample.com\nb.org\n")
    save_list(lst, tmp_path / "mapped")
    for other in (pickle.loads(pickle.dumps(lst)), open_list(tmp_path / "mapped")):
        assert matched(other, "a.b.org", "c.org") == ["b.org", None]
        assert (other.version, other.canaries, other.sha256) == (
            lst.version,
            lst.canaries,
            lst.sha256,
        )


_LABELS = st.sampled_from(["a", "b", "example", "ex", "notexample", "www", "x1", "ü"])
_DOMAINS = st.builds("{}.{}".format, st.lists(_LABELS, min_size=1, max_size=3).map(".".join),
                     st.sampled_from(["com", "org", "co.uk"]))  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(_DOMAINS, min_size=1), _DOMAINS, st.lists(_DOMAINS, min_size=1))
def test_an_added_entry_only_ever_adds_matches(tmp_path_factory, listed, added, hosts):
    path = tmp_path_factory.mktemp("lists") / "optout.txt"
    parsed = parse_hosts(pa.array([f"http://{host}/" for host in hosts]))
    path.write_text("\n".join(listed))
    before = match_readings(parsed, load_list(path, "domain"))
    path.write_text("\n".join([*listed, added]))
    after = match_readings(parsed, load_list(path, "domain"))
    assert all(new.is_valid for old, new in zip(before, after, strict=True) if old.is_valid)


_PAGES = st.builds("https://{}/{}".format, _DOMAINS, st.lists(_LABELS, max_size=3).map("/".join))


@pytest.mark.parametrize("kind", ["url", "url_prefix"])
@settings(max_examples=60, deadline=None)
@given(listed=st.lists(_PAGES, min_size=1), added=_PAGES, pages=st.lists(_PAGES, min_size=1))
def test_an_added_address_only_ever_adds_matches(tmp_path_factory, kind, listed, added, pages):
    path = tmp_path_factory.mktemp("lists") / "optout.txt"
    keys = url_key(pa.array([*pages, added]))
    path.write_text("\n".join(listed))
    before = match_urls(keys, load_list(path, kind, force=True))
    path.write_text("\n".join([*listed, added]))
    after = match_urls(keys, load_list(path, kind, force=True))
    assert all(new.is_valid for old, new in zip(before, after, strict=True) if old.is_valid)
    assert after[-1].is_valid


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1), st.text(min_size=1))
def test_an_added_content_hash_only_ever_adds_matches(tmp_path_factory, listed, added):
    path = tmp_path_factory.mktemp("lists") / "optout.txt"
    texts = pa.array([added, "another text"])
    digests = [digest.hex() for digest in listed]
    path.write_text("\n".join(digests))
    before = match_content(texts, load_list(path, "content_hash"))
    path.write_text("\n".join([*digests, hashlib.sha256(added.encode()).hexdigest()]))
    after = match_content(texts, load_list(path, "content_hash"))
    assert all(new.is_valid for old, new in zip(before, after, strict=True) if old.is_valid)
    assert after[0].is_valid


@settings(max_examples=60, deadline=None)
@given(st.lists(_DOMAINS, min_size=1, max_size=30), st.lists(_DOMAINS, min_size=1, max_size=30))
def test_matching_is_the_plain_definition(tmp_path_factory, listed, hosts):
    path = tmp_path_factory.mktemp("lists") / "optout.txt"
    path.write_text("\n".join(listed))
    lst = load_list(path, "domain")
    entries = entries_of(lst)
    normal = parse_hosts(pa.array([f"http://{host}/" for host in hosts])).column("host")
    expected = [
        max((e for e in entries if host == e or host.endswith("." + e)), key=len, default=None)
        for host in normal.to_pylist()
    ]
    assert matched(lst, *normal.to_pylist()) == expected
