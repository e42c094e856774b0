# SPDX-License-Identifier: Apache-2.0
"""Personal data: what is found, what is not, and what is left after redaction."""

from __future__ import annotations

import hashlib

import numpy as np
import phonenumbers
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.schemas.errors import JobError, KeyFileError, ModelError
from muniment.schemas.reasons import REASON_CODES, PiiGrade, Reason
from muniment.transforms.pii import (
    ENTITIES,
    ENTITY,
    SPANS,
    RedactionPolicy,
    apply_policy,
    custom,
    detect,
    detect_pii,
    document_counts,
    redact,
    span_actions,
)
from muniment.transforms.pii import detect as detect_function
from muniment.transforms.pii import scan as scan_module
from muniment.transforms.pii import shadow as shadow_module
from muniment.transforms.pii.keys import ValueHasher, derive_key
from muniment.transforms.pii.operators import replacement
from muniment.transforms.pii.patterns import PATTERNS
from muniment.transforms.pii.spans import Span, merge
from muniment.transforms.pii.surrogates import RANGES, surrogate

KEY = bytes(range(32))


def found(text: str, **options: object) -> list[tuple[str, str]]:
    """Return (entity type, the text of the span) of everything found in one text."""
    result = detect(pa.array([text]), pa.array(["en"]), key=KEY, **options)
    assert not result.faults.any()
    return [
        (span["entity_type"], text[span["start"] : span["end"]])
        for span in result.spans.to_pylist()
    ]


def redacted(text: str, policy: RedactionPolicy | None = None) -> str:
    texts, langs = pa.array([text]), pa.array(["en"])
    spans = detect_pii(texts, langs, key=KEY)
    return redact(texts, spans, policy or RedactionPolicy())[0].as_py()


STRUCTURED = [
    ("EMAIL_ADDRESS", "Write to {} now.", "jane.doe@example.com"),
    ("EMAIL_ADDRESS", "邮箱是{}或者", "zhang@example.com"),
    ("EMAIL_ADDRESS", "{}", "JASON@JEEPWORLD.COM"),
    ("PHONE_NUMBER", "Call {} today", "+44 20 7946 0958"),
    ("PHONE_NUMBER", "Call {} today", "(415) 555-0132"),
    ("PHONE_NUMBER", "They are not answering at {}.", "92 34 70"),
    ("PHONE_NUMBER", "Mobile {}.", "07911 123456"),
    ("PHONE_NUMBER", "ring {} please", "030/23125 999"),
    ("PHONE_NUMBER", "au {} svp", "01 42 68 53 00"),
    ("PHONE_NUMBER", "联系电话{}谢谢", "13800138000"),
    ("PHONE_NUMBER", "座机{}谢谢", "010-62785001"),
    ("IP_ADDRESS", "login from {} today", "86.231.85.193"),
    ("IP_ADDRESS", "login from {} today", "2a00:1450:4009:80b::200e"),
    ("IP_ADDRESS_RESERVED", "see {} here", "192.168.17.44"),
    ("IP_ADDRESS_RESERVED", "see {} here", "203.0.113.77"),
    ("IP_ADDRESS_RESERVED", "see {} here", "2001:db8::17"),
    ("MAC_ADDRESS", "nic {} up", "3c:22:fb:4d:10:9a"),
    ("MAC_ADDRESS_RESERVED", "nic {} up", "00-00-5E-00-53-9A"),
    ("IBAN_CODE", "IBAN {} and more", "GB82 WEST 1234 5698 7654 32"),
    ("IBAN_CODE", "iban {}", "de89370400440532013000"),
    ("CREDIT_CARD", "card {} exp 12/27", "4111 1111 1111 1111"),
    ("CREDIT_CARD", "卡号{}谢谢", "6222021234567890128"),
    ("CRYPTO", "send to {} now", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
    ("CRYPTO", "send to {} now", "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"),
    ("US_SSN", "Here's my SSN: {}", "141-01-9056"),
    ("US_ITIN", "ITIN {}", "912-71-1234"),
    ("PASSPORT", "my passport number is {}", "C01234567"),
    ("DRIVER_LICENCE", "My driver's license number is {}", "U62928788557186"),
    ("UK_NHS", "NHS number {}", "943 476 5919"),
    ("UK_NINO", "his NI is {}", "AB 12 34 56 C"),
    ("NATIONAL_ID", "codice {} ok", "RSSMRA85T10A562S"),
    ("NATIONAL_ID", "num {} ok", "2 95 10 99 126 111 93"),
    ("NATIONAL_ID", "PESEL: {}", "44051401359"),
    ("NATIONAL_ID", "CPF {} ok", "390.533.447-05"),
    # Cues in letters beyond ASCII, which are no word characters to RE2.
    ("NATIONAL_ID", "ЕГН {} на", "7523169263"),
    ("NATIONAL_ID", "ο ΑΜΚΑ: {} του", "01013099997"),
    ("NATIONAL_ID", "आधार {} है", "2341 2341 2346"),
    ("DATE_OF_BIRTH", "She was born on {} in", "12/15/1995"),
    ("DATE_OF_BIRTH", "born on {} in", "March 3rd, 1984"),
    ("DATE_OF_BIRTH", "出生日期：{}，", "1990年1月12日"),
    ("STREET_ADDRESS", "I live at {} now", "221B Baker Street"),
    ("STREET_ADDRESS", "wohnt in der {} seit", "Hauptstraße 12, 10115 Berlin"),
    ("STREET_ADDRESS", "au {} depuis", "12 bis rue de la Paix, 75002 Paris"),
    ("STREET_ADDRESS", "地址：{}。", "北京市海淀区中关村大街27号1101室"),
    ("POSTAL_CODE", "in {} there", "SW1A 1AA"),
    ("CN_RESIDENT_ID", "身份证号{}已", "11010519491231002X"),
    ("CN_RESIDENT_ID", "身份证{}已", "110105491231002"),
    ("CN_USCC", "代码{}的", "91350100M000100Y43"),
    ("PASSPORT", "护照号{}的", "EA1234567"),
    ("CN_TRAVEL_PERMIT", "港澳通行证号码C{}", "12345678"),
    ("HK_ID", "HKID {} ok", "A123456(3)"),
    ("TW_ID", "號碼{}是", "A123456789"),
    ("VEHICLE_PLATE", "车牌{}的", "京A·12345"),
    ("SOCIAL_ACCOUNT", "微信号：{}，", "wxid_88zhang"),
    ("SOCIAL_ACCOUNT", "加我QQ{}吧", "123456789"),
    ("SOCIAL_ACCOUNT", "Follow me on Twitter @{} now", "jane_88k"),
    ("SECRET", "key {} leaked", "AKIAIOSFODNN7EXAMPLE"),
    ("SECRET", "token {} leaked", "ghp_" + "a1B2" * 9),
    ("SECRET", "key {} leaked", "AIza" + "Sy0_-" * 7),
    ("SECRET", "password: {}", "h7Kq-92pLw!x"),
    ("SECRET", "jwt {} end", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmN"),
]


@pytest.mark.parametrize(("entity", "carrier", "value"), STRUCTURED)
def test_structured_value_is_found_and_replaced(entity: str, carrier: str, value: str) -> None:
    text = carrier.format(value)
    hits = found(text)
    assert any((kind == entity and value in span) or span in value for kind, span in hits), hits
    if ENTITY[entity].action != "keep":
        assert value not in redacted(text)


def test_every_type_that_is_found_by_itself_has_a_golden_case() -> None:
    found_elsewhere = {"PERSON", "LOCATION", "UNJUDGED", "CUSTOM", "PRIVATE_KEY", "BANK_ACCOUNT"}
    found_elsewhere |= {"MO_ID"}  # benchmarks/pii_identifiers.py
    assert {entity.name for entity in ENTITIES} - found_elsewhere == {row[0] for row in STRUCTURED}
    assert all(entity.validator and entity.source for entity in ENTITIES)


@pytest.mark.parametrize("carrier", ["{}", "（{}）", "号{}的", "\n{}\n", "x {} y", "“{}”"])
@pytest.mark.parametrize(
    "value", ["11010519491231002X", "13800138000", "jane@example.com", "4111111111111111"]
)
def test_value_is_found_exactly_whatever_stands_around_it(carrier: str, value: str) -> None:
    assert value in [span for _, span in found(carrier.format(value))]


def test_private_key_block_is_removed_whole_even_without_its_end() -> None:
    body = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\nabc+/=\n"
    assert redacted(body + "-----END RSA PRIVATE KEY-----\nbye") == "[PRIVATE-KEY]\nbye"
    assert "MIIE" not in redacted(body)


LOOK_ALIKES = [
    "ISBN 978-3-16-148410-0",
    "version 1.2.3.4 of it",
    "Policy 3.6.1.1 says",
    "2024-05-06T07:08:09Z",
    "20240506070809",
    "1700000000000",
    "4111111111111112",
    "110105194912310021",
    "666-12-3456",
    "d41d8cd98f00b204e9800998ecf8427e",
    "550e8400-e29b-41d4-a716-446655440000",
    "order 0712345678",
    "订单号6222021234567890128",
    "fingerprint 92:57:02:97:5e:80:e0:1a:11:22",
    "icon-12@2x.png",
    "pages 123-4567",
    "password = get_password()",
    "the password is required",
    "12:30:45",
    "std::abs(1)",
    "$1,234,567.89",
    "during 2021 and string 4",
    "5 of the way",
]


@pytest.mark.parametrize("text", LOOK_ALIKES)
def test_look_alike_is_left_alone(text: str) -> None:
    assert found(text) == []
    assert redacted(text) == text


DISGUISED = [
    "１３８００１３８０００",
    "١٣٨٠٠١٣٨٠٠٠",
    "138\u200b0013\u200d8000",
    "138\u00ad00138000",
    "138\u20110013\u20118000",
    "jаnе@ехаmрlе.соm",
    "j\u0301ane@example.com",
    "jane&#64;example&#46;com",
    "jane&amp;#64;example.com",
    "jane%40example%2Ecom",
    "jane [at] example (dot) com",
    "jane at example dot com",
    "ja**ne@**example.com",
    "jane@<b>example</b>.com",
    "4111.1111.1111.1111",
    "1 3 8 0 0 1 3 8 0 0 0",
    "13800\n138000",
    "138OO1380OO",
]


@pytest.mark.parametrize("value", DISGUISED)
def test_disguised_value_is_found_in_full(value: str) -> None:
    text = f"联系 {value} 谢谢"
    assert redacted(text) in ("联系 [PHONE] 谢谢", "联系 [EMAIL] 谢谢", "联系 [CARD] 谢谢")


def test_value_behind_a_bidi_override_faults_the_document_and_leaves_nothing() -> None:
    texts = pa.array(["ok", "\u202emoc.elpmaxe@enaj\u202c", "\u2067שלום\u2069"])
    langs = pa.array(["en"] * 3)
    result = detect(texts, langs, key=KEY)
    assert result.faults.tolist() == [0, REASON_CODES[Reason.BIDI_CONTROL], 0]
    out = redact(texts, detect_pii(texts, langs, key=KEY), RedactionPolicy())
    assert out.to_pylist() == ["ok", "[WITHHELD]", "\u2067שלום\u2069"]


def test_a_detector_that_raises_faults_its_document_only() -> None:
    def broken(_data: memoryview, _start: int, _end: int) -> None:
        raise RuntimeError

    pattern = custom("broken", r"boom")
    object.__setattr__(pattern, "check", broken)
    result = detect(pa.array(["a", "boom"]), pa.array(["en"] * 2), key=KEY, custom=[pattern])
    assert result.faults.tolist() == [0, REASON_CODES[Reason.STAGE_ERROR]]


@pytest.mark.parametrize(
    ("text", "hides"),
    [
        ("出生日期：\u202e81-70-8791\u202c谢谢", True),
        ("US passport number \u202e06803480V\u202c, as before", True),
        ("number \u202e06803480V\u202c, as before", False),
        ("US passport number\u202e is in the drawer\u202c. 06803480V", False),
    ],
)
def test_an_override_is_read_with_the_cue_before_it(text: str, hides: bool) -> None:  # noqa: FBT001
    result = detect(pa.array([text]), pa.array(["en"]), key=KEY)
    assert result.faults.tolist() == [REASON_CODES[Reason.BIDI_CONTROL] if hides else 0]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("8.8.7.1", False),  # as the number of a version
        ("８．８．７．１", False),  # a heading in full width
        ("𝟖.𝟖.𝟕.𝟏", True),
        ("8\u200d.\u200d8\u200d.\u200d2\u200d.\u200d8", True),
        ("8%2E8%2E3%2E2", True),
        ("8.8<b>.7.</b>15", True),
    ],
)
def test_an_address_in_disguise_is_no_version(text: str, found: bool) -> None:  # noqa: FBT001
    spans = detect(pa.array([f"see {text} there"]), pa.array(["en"]), key=KEY).spans
    assert spans["entity_type"].to_pylist() == ["IP_ADDRESS"] * found


def test_more_candidates_than_the_cap_fault_the_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_module, "CAP", 50)
    texts = pa.array(["4111 1111 1111 1112 " * 100, "mail a@example.com"])
    result = detect(texts, pa.array(["en"] * 2), key=KEY)
    assert result.faults.tolist() == [REASON_CODES[Reason.DETECTOR_CAP], 0]
    assert result.spans["row"].to_pylist() == [1]


def test_real_numbers_behind_many_phone_like_tokens_are_found() -> None:
    junk = "12 3456\n" * 20_000
    hits = found(junk + "call +1 415-555-0132")
    assert ("PHONE_NUMBER", "+1 415-555-0132") in hits


def test_phones_of_every_region_are_found() -> None:
    """libphonenumber's own examples: all with their country code, after a cue 95 in 100 without."""
    kinds = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE)
    numbers = [
        phonenumbers.example_number_for_type(region, kind)
        for region in sorted(phonenumbers.SUPPORTED_REGIONS)
        for kind in kinds
    ]
    written = phonenumbers.PhoneNumberFormat
    for form, cue, share in (
        (written.INTERNATIONAL, "Reach us: ", 1.0),
        (written.E164, "Reach us: ", 1.0),
        (written.NATIONAL, "Phone: ", 0.95),
    ):
        values = [phonenumbers.format_number(number, form) for number in numbers if number]
        texts = pa.array([f"{cue}{value} today" for value in values])
        spans = detect(texts, pa.array(["en"] * len(texts)), key=KEY).spans.to_pylist()
        whole = {
            span["row"]
            for span in spans
            if span["start"] <= len(cue) and span["end"] >= len(cue) + len(values[span["row"]])
        }
        assert len(values) > 450
        assert len(whole) >= share * len(values), form


def test_url_bomb_hides_nothing() -> None:
    assert found("a." * 25_000 + " jane@example.com") == [("EMAIL_ADDRESS", "jane@example.com")]


@pytest.mark.parametrize("filler", ["lorem ipsum ", "中文文本", "x"])
def test_value_in_a_long_document_is_found_once_wherever_a_piece_ends(
    filler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shadow_module, "PIECE_BYTES", 400)
    monkeypatch.setattr(shadow_module, "PIECE_OVERLAP", 200)
    for at in range(150, 460, 7):
        head = (filler * at)[:at]
        text = head + " jane@example.com " + filler * 60
        assert found(text) == [("EMAIL_ADDRESS", "jane@example.com")]


def test_spans_are_typed_sorted_and_disjoint() -> None:
    texts = pa.array(["b@example.com a@example.com", None, "", "card 4111111111111111"])
    table = detect_pii(texts, pa.array(["en"] * 4), key=KEY)
    assert table.schema.equals(SPANS)
    assert table["row"].to_pylist() == [0, 0, 3]
    assert table["start"].to_pylist() == [0, 14, 5]
    assert set(table["grade"].to_pylist()) == {PiiGrade.GENERAL.value, PiiGrade.SENSITIVE.value}


def test_sliced_and_large_arrays_give_the_same() -> None:
    whole = pa.array(["no", "a@example.com", "电话13800138000", "x"])
    langs = pa.array(["en"] * 4)
    plain = detect_pii(whole[1:3], langs[1:3], key=KEY)
    large = detect_pii(whole.cast(pa.large_string())[1:3], langs[1:3], key=KEY)
    assert plain.equals(large)
    assert plain["row"].to_pylist() == [0, 1]
    chunked = pa.chunked_array([whole[1:2], whole[2:3]])
    assert detect_pii(chunked, langs[1:3], key=KEY).equals(plain)


def test_entities_chooses_types_and_refuses_unknown_ones() -> None:
    assert found("a@example.com 13800138000", entities=["PHONE_NUMBER"]) == [
        ("PHONE_NUMBER", "13800138000")
    ]
    with pytest.raises(JobError, match="MAIL"):
        found("x", entities=["MAIL"])


def test_custom_pattern_is_re2_or_refused_with_its_name() -> None:
    staff = custom("staff", r"\bEMP-([0-9]{5})\b")
    assert found("id EMP-12345.", custom=[staff]) == [("CUSTOM", "12345")]
    with pytest.raises(JobError, match="custom:look"):
        found("x", custom=[custom("look", r"(?<!a)b")])


def test_ner_without_models_is_refused_before_any_work() -> None:
    with pytest.raises(ModelError, match="contact"):
        detect(pa.array(["x"]), pa.array(["en"]), ner="contact", key=KEY)


def test_same_value_has_the_same_hash_in_every_spelling_and_another_under_another_key() -> None:
    texts = pa.array(["+86 138 0013 8000", "13800138000", "１３８００１３８０００", "13900139000"])
    langs = pa.array(["zh"] * 4)
    hashes = detect_pii(texts, langs, key=KEY)["value_hmac"].to_pylist()
    assert hashes[0] == hashes[1] == hashes[2] != hashes[3]
    other = detect_pii(texts, langs, key=bytes(range(1, 33)))["value_hmac"].to_pylist()
    assert not set(hashes) & set(other)


def test_hash_keys_differ_by_type_and_weak_keys_are_refused() -> None:
    hasher = ValueHasher(KEY)
    assert hasher("US_SSN", "d", "1") != hasher("IBAN_CODE", "d", "1")
    assert derive_key(KEY, "a") != derive_key(KEY, "b")
    for weak in (b"short", bytes(32)):
        with pytest.raises(KeyFileError):
            ValueHasher(weak)


def test_overlapping_hits_become_their_union() -> None:
    low = Span(0, 10, "PHONE_NUMBER", "a", 0.6, 50, "")
    high = Span(5, 14, "CREDIT_CARD", "b", 0.9, 85, "")
    apart = Span(14, 20, "PERSON", "c", 0.8, 20, "")
    assert merge([apart, high, low]) == merge([low, high, apart])
    assert [(s.start, s.end, s.entity) for s in merge([apart, high, low])] == [
        (0, 14, "CREDIT_CARD"),
        (14, 20, "PERSON"),
    ]


@pytest.mark.parametrize("action", ["placeholder", "mask", "hash", "surrogate"])
def test_redacting_twice_changes_nothing(action: str) -> None:
    names = [entity.name for entity in ENTITIES if entity.action != "keep"]
    policy = RedactionPolicy(dict.fromkeys(names, action))
    text = (
        "jane@example.com, +1 415-555-0132, 8.8.8.8 (IP), SSN 141-01-9056, 身份证11010519491231002X"
    )
    once = redacted(text, policy)
    assert redacted(once, policy) == once
    assert "jane" not in once
    assert "0132" not in once


CUES = (
    "{}",
    "passport {}, ok",
    "电话：{}",
    "卡号{}",
    "account no. {}",
    "password: {}",
    "NHS {} 12",
)


def left_over(texts: list[str]) -> list[str]:
    """Return the texts in which something is found that redaction replaces by default."""
    result = detect(pa.array(texts), pa.array(["en"] * len(texts)), key=KEY)
    return [
        texts[span["row"]]
        for span in result.spans.to_pylist()
        if ENTITY[span["entity_type"]].action != "keep"
    ]


@pytest.mark.parametrize("action", ["placeholder", "hash"])
def test_no_placeholder_is_found_again(action: str) -> None:
    digests = [bytes([number] * 16) for number in (0x12, 0x00, 0x99, 0xAB, 0x5F)]
    texts = [
        carrier.format(replacement(action, entity.name, digest, "value"))
        for entity in ENTITIES
        for digest in digests
        for carrier in CUES
    ]
    assert left_over(texts) == []


@pytest.mark.parametrize("entity", sorted(RANGES))
def test_a_surrogate_standing_alone_is_nobodys(entity: str) -> None:
    digests = [hashlib.sha256(bytes([n])).digest()[:16] for n in range(200)]
    made = [surrogate(entity, digest, "::1" if n % 2 else "1") for n, digest in enumerate(digests)]
    assert made == [surrogate(entity, d, "::1" if n % 2 else "1") for n, d in enumerate(digests)]
    assert len(set(made)) > 60
    assert left_over([f"it is {value} here" for value in made]) == []


def spans_over(texts: list[str], values: list[tuple[str, bytes, int, int]]) -> pa.Table:
    """Return spans as a detector would: (type, keyed hash, start, end) by text."""
    return pa.table(
        {
            "row": pa.array(range(len(texts)), pa.int64()),
            "start": pa.array([start for _, _, start, _ in values], pa.int32()),
            "end": pa.array([end for _, _, _, end in values], pa.int32()),
            "entity_type": [kind for kind, _, _, _ in values],
            "grade": [ENTITY[kind].grade.value for kind, _, _, _ in values],
            "score": pa.array([0.9] * len(texts), pa.float32()),
            "detector": ["d"] * len(texts),
            "value_hmac": pa.array([digest for _, digest, _, _ in values], pa.binary(16)),
        }
    )


def test_a_surrogate_after_a_cue_that_would_find_it_becomes_a_placeholder() -> None:
    texts, values = [], []
    for entity in ENTITIES:
        for carrier in CUES:
            start = carrier.index("{")
            texts.append(carrier.format("value"))
            digest = hashlib.sha256(texts[-1].encode()).digest()[:16]
            values.append((entity.name, digest, start, start + 5))
    policy = RedactionPolicy({entity.name: "surrogate" for entity in ENTITIES})
    done = apply_policy(pa.array(texts), spans_over(texts, values), policy)
    assert left_over(done.texts.to_pylist()) == []
    assert set(done.actions.to_pylist()) == {"surrogate", "placeholder"}
    for text, (kind, _, _, _), action in zip(
        done.texts.to_pylist(), values, done.actions.to_pylist(), strict=True
    ):
        assert (f"[{ENTITY[kind].label}]" in text) == (action == "placeholder")


def test_an_operator_is_the_types_else_the_grades_else_the_default() -> None:
    policy = RedactionPolicy(
        {"EMAIL_ADDRESS": "mask"}, grades={"sensitive": "hash"}, default="surrogate"
    )
    assert policy.action("EMAIL_ADDRESS") == "mask"
    assert policy.action("US_SSN") == "hash"
    assert policy.action("PHONE_NUMBER") == "surrogate"
    assert policy.action("PHONE_NUMBER", "sensitive") == "hash"
    assert policy.action("LOCATION") == policy.action("IP_ADDRESS_RESERVED") == "keep"
    assert RedactionPolicy({"LOCATION": "hash"}).action("LOCATION") == "hash"
    with pytest.raises(JobError) as caught:
        RedactionPolicy({"NOPE": "mask"}, grades={"grave": "mask"}, default="burn")
    assert len(caught.value.problems) == 3


def test_a_dropped_type_leaves_nothing_of_its_document() -> None:
    texts, langs = pa.array(["a@example.com", "SSN 141-01-9056, a@example.com", "ok"]), ["en"] * 3
    spans = detect_pii(texts, pa.array(langs), key=KEY)
    out = redact(texts, spans, RedactionPolicy(grades={"sensitive": "drop"}))
    assert out.to_pylist() == ["[EMAIL]", None, "ok"]


def test_replacement_depends_on_type_and_value_only() -> None:
    policy = RedactionPolicy({"EMAIL_ADDRESS": "hash"})
    first = redacted("jane@example.com", policy)
    assert redacted("x JANE@example.com", policy) == "x " + first
    assert first != redacted("john@example.com", policy)


def test_rows_without_spans_pass_as_they_are() -> None:
    texts = pa.array(["plain", None, "a@example.com", "长文本"])
    spans = detect_pii(texts, pa.array(["en"] * 4), key=KEY)
    out = redact(texts, spans, RedactionPolicy())
    assert out.to_pylist() == ["plain", None, "[EMAIL]", "长文本"]
    assert redact(texts, spans.slice(0, 0), RedactionPolicy()) is texts


def test_redact_refuses_spans_that_do_not_fit() -> None:
    spans = detect_pii(pa.array(["a@example.com"]), pa.array(["en"]), key=KEY)
    with pytest.raises(ValueError, match="outside"):
        redact(pa.array(["a"]), spans, RedactionPolicy())


def test_policy_reports_every_unknown_word() -> None:
    with pytest.raises(JobError) as caught:
        RedactionPolicy({"NOPE": "mask", "PERSON": "burn"})
    assert len(caught.value.problems) == 2


def test_document_counts_grade_and_minor_cues() -> None:
    texts = pa.array(
        [
            "SSN 141-01-9056 and again 141-01-9056",
            "Tim, 9 years old, a@example.com",
            "1@example.com 今年9岁" + "。" * 400 + "王",
            "nothing",
        ]
    )
    counts = document_counts(texts, detect_pii(texts, pa.array(["en"] * 4), key=KEY))
    assert counts.total.tolist() == [2, 1, 1, 0]
    assert counts.sensitive.tolist() == [2, 0, 0, 0]
    assert counts.distinct_sensitive.tolist() == [1, 0, 0, 0]
    assert counts.minor.tolist() == [False, True, True, False]


def test_every_pattern_names_a_known_type() -> None:
    assert {pattern.entity for pattern in PATTERNS} <= set(ENTITY)
    assert len({entity.label for entity in ENTITIES}) == len(ENTITIES)


VALUES = [
    "jane@example.com",
    "13800138000",
    "11010519491231002X",
    "4111 1111 1111 1111",
    "+1 415-555-0132",
    "GB82WEST12345698765432",
]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(VALUES), st.text(max_size=20)), max_size=6))
def test_spans_lie_in_the_text_and_a_second_pass_finds_nothing(parts: list[str]) -> None:
    text = " ".join(parts)
    texts, langs = pa.array([text]), pa.array(["en"])
    result = detect_function(texts, langs, key=KEY)
    starts, ends = result.spans["start"].to_numpy(), result.spans["end"].to_numpy()
    assert np.all(starts < ends)
    assert np.all(ends[:-1] <= starts[1:])
    assert len(ends) == 0 or ends[-1] <= len(text)
    out = redact(texts, detect_pii(texts, langs, key=KEY), RedactionPolicy())
    again = detect_pii(out, langs, key=KEY)
    left = {kind for kind in again["entity_type"].to_pylist() if ENTITY[kind].action != "keep"}
    assert not left


OPERATORS = ["placeholder", "mask", "hash", "surrogate"]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from(CUES), st.sampled_from([*VALUES, *DISGUISED])).map(
                lambda pair: pair[0].format(pair[1])
            ),
            st.text(max_size=12),
        ),
        max_size=5,
    ),
    st.dictionaries(
        st.sampled_from([entity.name for entity in ENTITIES]), st.sampled_from(OPERATORS)
    ),
    st.sampled_from(OPERATORS),
)
def test_redaction_is_total_and_idempotent_whatever_the_operators(
    parts: list[str], actions: dict[str, str], default: str
) -> None:
    policy = RedactionPolicy(actions, default=default)
    texts, langs = pa.array([" ".join(parts)]), pa.array(["en"])
    once = redact(texts, detect_pii(texts, langs, key=KEY), policy)
    again = detect_pii(once, langs, key=KEY)
    assert set(span_actions(again, policy)[1]) <= {"left"}
    assert redact(once, again, policy).equals(once)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=30), st.sampled_from(VALUES), st.text(max_size=30))
def test_a_batch_gives_what_its_documents_give_alone(before: str, value: str, after: str) -> None:
    texts = [before, f"{before} {value} {after}", after, value]
    batch = detect(pa.array(texts), pa.array(["en"] * 4), key=KEY).spans.to_pylist()
    for row, text in enumerate(texts):
        alone = detect(pa.array([text]), pa.array(["en"]), key=KEY).spans.to_pylist()
        assert [dict(span, row=0) for span in batch if span["row"] == row] == alone
