# SPDX-License-Identifier: Apache-2.0
"""The JSON kernel: what is a record, which fault has which name, what its strings become."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from muniment.schemas.reasons import Reason
from muniment.transforms.reading import ReadLimits
from muniment.transforms.reading.jsonl import (
    FAULT_REASONS,
    LineParser,
    field_paths,
    string_column,
)

FIELDS = {"text": "text", "id": "id", "url": "metadata.url", "title": "title"}
LIMITS = ReadLimits(max_keys=64)


def parse(data: bytes, fields=FIELDS, limits=LIMITS):
    """Return `(fault or None, {column: value})` of each line, all in one block."""
    if not data:
        return []
    block = np.frombuffer(bytearray(data + b"\n"), dtype=np.uint8)
    paths = field_paths(fields)
    parser = LineParser(paths, limits)
    found, pos = [], 0
    while pos < len(data):
        parsed = parser.parse(block, pos, len(data))
        columns = {c: string_column(block, parsed, s).to_pylist() for c, s in paths.columns.items()}
        for row, fault in enumerate(parsed.faults):
            found.append((FAULT_REASONS[fault], {c: v[row] for c, v in columns.items()}))
        pos = parsed.after
    return found


def fault_of(line: bytes, **kwargs):
    ((fault, _),) = parse(line, **kwargs)
    return fault


def has_lone_surrogate(value) -> bool:
    if isinstance(value, str):
        return any("\ud800" <= c <= "\udfff" for c in value)
    if isinstance(value, dict):
        return any(map(has_lone_surrogate, [*value, *value.values()]))
    return isinstance(value, list) and any(map(has_lone_surrogate, value))


def judge(line: bytes):
    """The oracle: Python's json, made strict. Return `(possible faults, record or None)`."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return {Reason.INVALID_UTF8}, None
    pending = set()

    def pairs(items):
        if len({key for key, _ in items}) < len(items):
            pending.add(Reason.DUPLICATE_KEY)
        if any(has_lone_surrogate(part) for item in items for part in item):
            pending.add(Reason.SURROGATE)
        return dict(items)

    def integer(digits):
        if len(digits.lstrip("-")) > 400 or not -(2**63) <= int(digits) < 2**64:
            pending.add(Reason.NUMBER_OUT_OF_RANGE)
        return 0

    def decimal(digits):
        if len(digits.lstrip("-")) > 400 or math.isinf(float(digits)):
            pending.add(Reason.NUMBER_OUT_OF_RANGE)
        return 0.0

    def constant(_):
        pending.add(Reason.NUMBER_OUT_OF_RANGE)

    try:
        value = json.loads(
            text,
            object_pairs_hook=pairs,
            parse_int=integer,
            parse_float=decimal,
            parse_constant=constant,
        )
    except ValueError:
        return {Reason.JSON_SYNTAX}, None
    if not isinstance(value, dict):
        return {Reason.NOT_AN_OBJECT}, None
    metadata = value.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        pending.add(Reason.WRONG_TYPE)
    if pending:
        return pending, None
    if "text" not in value:
        return {Reason.MISSING_FIELD}, None
    if not isinstance(value["text"], str):
        return {Reason.WRONG_TYPE}, None
    ident = value.get("id")
    if ident is not None and not (isinstance(ident, str) and len(ident.encode()) <= 1024):
        return {Reason.BAD_ID}, None
    record = {
        "text": value["text"],
        "id": ident,
        "url": (metadata or {}).get("url"),
        "title": value.get("title"),
    }
    if any(v is not None and not isinstance(v, str) for v in record.values()):
        return {Reason.WRONG_TYPE}, None
    return {None}, record


def check_against_oracle(line: bytes) -> None:
    found = parse(line)
    if not line.strip(b" \t\r"):
        assert found == []
        return
    ((fault, values),) = found
    faults, record = judge(line)
    assert fault in faults, line
    assert values == (record or dict.fromkeys(FIELDS)), line


NAMES = st.sampled_from(["text", "id", "metadata", "url", "title", "a", "te\u0078t", "é", "", "😀"])
STRINGS = st.text(max_size=12) | st.text(st.characters(categories=["Cs", "Cc", "Lo"]), max_size=4)
NUMBERS = (
    st.integers()
    | st.floats()
    | st.sampled_from([2**63, -(2**63), -(2**63) - 1, 2**64 - 1, 2**64, 10**400])
)
SCALARS = st.none() | st.booleans() | NUMBERS | STRINGS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=6) | st.builds(
    lambda text, more: {"text": text, **more}, STRINGS, st.dictionaries(NAMES, STRINGS, max_size=4)
)


@st.composite
def json_lines(draw) -> bytes:
    """A line that is mostly JSON: dumped in some way, then perhaps damaged."""
    value = draw(OBJECTS | VALUES)
    ascii_only = draw(st.booleans())
    text = json.dumps(value, ensure_ascii=ascii_only, separators=draw(st.sampled_from(SEPARATORS)))
    line = bytearray(text.encode("utf-8", "surrogatepass"))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(line)))
        action = draw(st.sampled_from(["cut", "insert", "repeat", "drop"]))
        if action == "cut":
            del line[at:]
        elif action == "drop":
            del line[at : at + 1]
        elif action == "repeat":
            line[at:at] = line[at : at + draw(st.integers(1, 30))]
        else:
            line[at:at] = draw(st.sampled_from(INSERTS))
    return bytes(line).replace(b"\n", b" ")


SEPARATORS = [(",", ":"), (", ", " : "), ("\t,\r", ":\t")]
INSERTS = [
    b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"0", b"-", b".", b"e", b"E+", b"1e309",
    b"NaN", b"-Infinity", b"true", b"nul", b"\\u", b"\\ud800", b"\\udc00", b"\\uD83D\\uDE00",
    b"\x00", b"\x1f", b"\x7f", b"\x80", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
    b"\xe4\xb8\xad", b"\xe2\x80\xa8", b'"a":1,', b'"\\u0061":1,', b"\xef\xbb\xbf", b"//", b"'",
]  # fmt: skip
TOKENS = st.lists(st.sampled_from([*INSERTS, b" ", b'"text":"x"', b'"id":"1"']), max_size=12)


@settings(max_examples=500, deadline=None)
@given(json_lines())
@example(b'{"text":"a","text":"b"}')
@example(b'{"text":"a","t\\u0065xt":"b"}')
@example(b'{"text":"a","x":{"k":1,"\\u006b":2}}')
@example(b'{"text":"a","x":-9223372036854775809}')
@example(b'{"text":"a","x":1.7976931348623158e308}')
@example(b'{"text":"a","x":1.7976931348623159e308}')
@example(b'{"text":"a","metadata":{"url":null}}')
@example(b'{"text":"a","metadata":[{"url":"u"}]}')
def test_it_judges_every_line_as_a_strict_python_json_does(line):
    check_against_oracle(line)


@settings(max_examples=200, deadline=None)
@given(TOKENS.map(b"".join))
def test_it_judges_token_soup_as_a_strict_python_json_does(line):
    check_against_oracle(line)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"")))
def test_it_judges_any_bytes_as_a_strict_python_json_does(line):
    check_against_oracle(line)


@settings(max_examples=200, deadline=None)
@given(
    st.from_regex(r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
    | st.integers(17976931348623150, 17976931348623165).map("{}e292".format)
    | st.integers(2**1024 - 2**971, 2**1024).map("{}.0".format)
    | st.integers(2**1024 - 2**971, 2**1024).map("0.000{}e312".format)
    | st.integers(0, 420).map(lambda zeros: "1" + "0" * zeros + ".5e-120")
)
@example(f"{2**1024 - 2**970}.0")
@example(f"{2**1024 - 2**970 - 1}.9")
@example("0e999999999999")
@example("1e-999999999999")
def test_numbers_are_out_of_range_exactly_where_float64_and_64_bit_integers_end(number):
    check_against_oracle(b'{"text":"t","n":%b}' % number.encode())


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40), st.booleans())
def test_strings_come_out_as_they_went_in(text, ascii_only):
    line = json.dumps({"text": text, "id": "1"}, ensure_ascii=ascii_only).encode()
    ((fault, values),) = parse(line)
    assert fault is None
    assert values["text"] == text


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": "a"', Reason.JSON_SYNTAX),
        (b'{"text": "a",}', Reason.JSON_SYNTAX),
        (b'{"text": "a"} x', Reason.JSON_SYNTAX),
        (b'{"text": "a"}{"text": "b"}', Reason.JSON_SYNTAX),
        (b"{'text': 'a'}", Reason.JSON_SYNTAX),
        (b'{"text": "a\tb"}', Reason.JSON_SYNTAX),
        (b'{"text": "\\x41"}', Reason.JSON_SYNTAX),
        (b'{"text": "a", "n": 01}', Reason.JSON_SYNTAX),
        (b'{"text": "a", "n": 1.}', Reason.JSON_SYNTAX),
        (b'{"text": "a", "n": .5}', Reason.JSON_SYNTAX),
        (b'{"text": "a", "n": +1}', Reason.JSON_SYNTAX),
        (b'{"text": "a", "n": TRUE}', Reason.JSON_SYNTAX),
        (b'{"text": "a"}\x00', Reason.JSON_SYNTAX),
    ],
)
def test_case_37_a_broken_line_is_json_syntax(line, reason):
    assert fault_of(line) is reason


@pytest.mark.parametrize("line", [b"[]", b'"x"', b"null", b"1", b"true", b'[{"text":"a"}]'])
def test_case_38_a_line_that_is_no_object_is_named_so(line):
    assert fault_of(line) is Reason.NOT_AN_OBJECT


def test_case_39_missing_text_and_text_of_another_type_are_told_apart():
    assert fault_of(b"{}") is Reason.MISSING_FIELD
    assert fault_of(b'{"Text":"a"}') is Reason.MISSING_FIELD
    for value in (b"1", b"1.5", b"[]", b"{}", b"null", b"true"):
        assert fault_of(b'{"text":%b}' % value) is Reason.WRONG_TYPE


@pytest.mark.parametrize(
    "raw",
    [b"\xff", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xed\xa0\x80", b"\xf0\x80\x80\x80", b"\xf4\x90\x80\x80",
     b"\xe4\xb8", b"\xc3", b"\x80"],
)  # fmt: skip
def test_case_41_invalid_utf8_costs_its_own_line_only(raw):
    good = b'{"text":"ok"}\n'
    found = parse(good + b'{"text":"' + raw + b'"}\n' + good)
    assert [fault for fault, _ in found] == [None, Reason.INVALID_UTF8, None]


def test_invalid_utf8_wins_over_a_syntax_error_before_it():
    assert fault_of(b'{"text" "a\xff"}') is Reason.INVALID_UTF8
    assert fault_of(b"[" * 100 + b"\xff") is Reason.INVALID_UTF8


def test_case_42_a_lone_surrogate_anywhere_is_a_fault_and_a_pair_is_not():
    for lone in (
        b'"\\ud800"',
        b'"\\udc00"',
        b'"\\ud800x"',
        b'"\\ud800\\ud800"',
        b'"\\ude00\\ud83d"',
    ):
        assert fault_of(b'{"text":%b}' % lone) is Reason.SURROGATE
        assert fault_of(b'{"text":"t","other":[{"deep":%b}]}' % lone) is Reason.SURROGATE
    assert parse(b'{"text":"\\uD83D\\ude00"}')[0][1]["text"] == "😀"


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" + "0" * 5000, str(2**64)]
)
def test_case_43_numbers_out_of_range_are_named_so(number):
    line = f'{{"text":"t","n":{number}}}'.encode()
    assert fault_of(line) is Reason.NUMBER_OUT_OF_RANGE


def test_case_43_nesting_is_bounded_and_a_deep_bomb_is_cheap():
    def nested(depth):
        return b'{"text":"t","n":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"

    assert fault_of(nested(64)) is None
    assert fault_of(nested(65)) is Reason.TOO_DEEP
    assert fault_of(nested(100_000)) is Reason.TOO_DEEP
    assert fault_of(b'{"a":' * 100_000) is Reason.TOO_DEEP


def test_case_44_duplicate_keys_are_found_at_every_level_however_spelled():
    assert fault_of(b'{"text":"a","text":"a"}') is Reason.DUPLICATE_KEY
    assert fault_of(b'{"text":"a","t\\u0065\\u0078t":"a"}') is Reason.DUPLICATE_KEY
    assert fault_of(b'{"text":"a","x":[{"k":1,"k":1}]}') is Reason.DUPLICATE_KEY
    assert fault_of(b'{"text":"a","x":{"text":"a"},"y":{"text":1}}') is None
    many = ",".join(f'"k{i}":{i}' for i in range(40))
    assert fault_of(f'{{"text":"a",{many}}}'.encode()) is None
    assert fault_of(f'{{"text":"a",{many},"\\u006b7":0}}'.encode()) is Reason.DUPLICATE_KEY


def test_more_open_keys_than_the_limit_are_too_large():
    line = json.dumps({"text": "t", **{str(i): i for i in range(64)}}).encode()
    assert fault_of(line) is Reason.TOO_LARGE
    assert fault_of(line, limits=ReadLimits()) is None
    siblings = json.dumps({"text": "t", "l": [{str(i): i} for i in range(200)]}).encode()
    assert fault_of(siblings) is None


def test_case_45_separators_and_controls_inside_strings_stay_as_they_are():
    text = "nul \0 bell \a c1 \x85 ls \u2028 ps \u2029 cr \r crlf \r\n bom \ufeff end"
    ((fault, values),) = parse(json.dumps({"text": text}, ensure_ascii=False).encode() + b"\r")
    assert fault is None
    assert values["text"] == text


@pytest.mark.parametrize("value", [b"1", b"[]", b"{}", b"true", b'"' + b"x" * 1025 + b'"'])
def test_case_47_an_id_that_is_no_short_string_is_bad_id(value):
    assert fault_of(b'{"text":"t","id":%b}' % value) is Reason.BAD_ID


def test_case_47_an_absent_or_null_id_is_no_fault_and_length_counts_unescaped_bytes():
    assert parse(b'{"text":"t","id":null}') == parse(b'{"text":"t"}')
    assert fault_of(b'{"text":"t","id":"%b"}' % (b"\\u0061" * 1024)) is None
    assert fault_of(b'{"text":"t","id":"%b"}' % (b"\\u00e9" * 513)) is Reason.BAD_ID


def test_case_49_unknown_fields_and_their_order_change_nothing():
    one = parse(b'{"extra":{"text":1,"id":[2]},"title":"T","id":"7","text":"t"}')
    assert one == parse(b'{"text":"t","id":"7","title":"T"}')


def test_a_dotted_path_goes_into_objects_and_never_into_other_values():
    assert parse(b'{"text":"t","metadata":{"x":1,"url":"u"}}')[0][1]["url"] == "u"
    assert parse(b'{"text":"t","metadata":null}')[0][1]["url"] is None
    assert fault_of(b'{"text":"t","metadata":"u"}') is Reason.WRONG_TYPE
    assert fault_of(b'{"text":"t","metadata":{"url":5}}') is Reason.WRONG_TYPE
    nested = {"text": "a.b.c", "url": "a.b.u"}
    assert parse(b'{"a":{"b":{"c":"deep","u":"x"}}}', fields=nested)[0][1]["text"] == "deep"
    assert fault_of(b'{"a":{"b":null}}', fields=nested) is Reason.MISSING_FIELD


def test_two_columns_may_come_from_one_field():
    ((_, values),) = parse(
        b'{"text":"t","link":"u"}', {"text": "text", "url": "link", "id": "link"}
    )
    assert values == {"text": "t", "url": "u", "id": "u"}


def test_blank_lines_are_no_records_but_their_bytes_are_counted():
    data = b'\n \t\r\n{"text":"a"}\n\n  '
    parsed = LineParser(field_paths(FIELDS), LIMITS).parse(
        np.frombuffer(bytearray(data + b"\n"), dtype=np.uint8), 0, len(data)
    )
    assert parsed.lines.tolist() == [[5, 13]]
    assert parsed.blank_bytes == 8
    assert parsed.after == len(data)


def test_a_batch_ends_at_the_row_limit_or_before_the_text_limit():
    data = b"".join(b'{"text":"%b"}\n' % (b"x" * n) for n in (10, 10, 10, 50, 1))
    block = np.frombuffer(bytearray(data), dtype=np.uint8)

    def sizes(limits):
        parser, pos, rows = LineParser(field_paths(FIELDS), limits), 0, []
        while pos < len(data):
            parsed = parser.parse(block, pos, len(data))
            rows.append(len(parsed.faults))
            pos = parsed.after
        return rows

    assert sizes(ReadLimits(batch_rows=2)) == [2, 2, 1]
    assert sizes(ReadLimits(batch_text_bytes=25)) == [2, 1, 1, 1]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"id": "id"}, "expected an input field for text"),
        ({"text": "a..b"}, "expected names joined by dots"),
        ({"text": ""}, "expected names joined by dots"),
    ],
)
def test_a_mapping_that_cannot_work_is_refused_at_once(fields, message):
    with pytest.raises(ValueError, match=message):
        field_paths(fields)


def test_limits_must_be_positive():
    with pytest.raises(ValueError, match="max_depth: expected a positive number, got 0"):
        ReadLimits(max_depth=0)


def test_a_block_without_its_last_line_feed_is_refused_before_a_kernel_sees_it():
    parser = LineParser(field_paths(FIELDS), LIMITS)
    for data in (b'{"text":"a"}', b'{"text":"a"} '):
        with pytest.raises(ValueError, match="expected a line feed at 11 or 12, got none"):
            parser.parse(np.frombuffer(data, dtype=np.uint8), 0, 12)
