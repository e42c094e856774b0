# SPDX-License-Identifier: Apache-2.0
"""Generated identifiers with known spans: positives, and look-alikes that are none.

Used by `pii_accuracy.py --part identifiers --part secrets`. Values are drawn here (check digits by
python-stdnum or by trying), put into English and Chinese sentences, glued where Chinese text glues
them. A negative has the shape of its type and a wrong check digit, or lacks the word that would
say what it is.
"""

from __future__ import annotations

import importlib
import random
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from re import _parser as regex_parser  # type: ignore[attr-defined]
from typing import Any

from muniment.transforms.pii.national import SHAPES as NUMBERS
from muniment.transforms.pii.secret_formats import FORMATS

Make = Callable[[random.Random], str]

EN = ("The record says {cue}{value}, as before.", "{cue}{value}", "See ({cue}{value}) for more.")
ZH = ("请记下{cue}{value}谢谢", "他的{cue}{value}，请核对", "{cue}{value}")
_ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True)
class Case:
    """One kind of identifier.

    Args:
        name: Kind.
        entities: Types a detector may give it.
        cue: What stands before the value, with its blank.
        make: Draws a value.
        wrong: Draws a look-alike, or None where the look-alike is the value without its cue.
        carriers: Sentences.
    """

    name: str
    entities: frozenset[str]
    cue: str
    make: Make
    wrong: Make | None
    carriers: tuple[str, ...] = EN


def draw(regex: str, rng: random.Random) -> str:
    """Return a string that a simple expression matches: classes, counts, alternatives."""
    return _draw(regex_parser.parse(regex), rng)


def _draw(parsed: Any, rng: random.Random) -> str:
    return "".join(_token(str(kind), value, rng) for kind, value in parsed)


def _token(kind: str, value: Any, rng: random.Random) -> str:
    if kind == "LITERAL":
        return chr(value)
    if kind == "IN":
        return rng.choice(
            [
                chr(code)
                for name, part in value
                for code in (range(part[0], part[1] + 1) if str(name) == "RANGE" else [part])
            ]
        )
    if kind == "MAX_REPEAT":
        low, high, inner = value
        count = rng.randint(low, low + 8 if str(high) == "MAXREPEAT" else high)
        return "".join(_draw(inner, rng) for _ in range(count))
    if kind == "BRANCH":
        return _draw(rng.choice(value[1]), rng)
    if kind == "SUBPATTERN":
        return _draw(value[-1], rng)
    return ""  # a word boundary


@cache
def _accepts(module: str) -> Callable[[str], bool]:
    found = importlib.import_module(f"stdnum.{module}")
    return lambda value: bool(found.is_valid(value))


def stdnum_value(module: str, regex: str, *, valid: bool) -> Make:
    """Return what draws numbers of a shape that a python-stdnum module accepts, or refuses."""

    def make(rng: random.Random) -> str:
        for _ in range(400_000):
            value = draw(regex, rng)
            if _accepts(module)(value) is valid:
                return value
        msg = f"{module}: no number of this shape found"
        raise ValueError(msg)

    return make


def _ending(module: str, body: str, ends: str, rng: random.Random, *, valid: bool) -> str:
    options = [body + end for end in ends if _accepts(module)(body + end) is valid]
    return rng.choice(options) if options else ""


def ended(module: str, regex: str, ends: str = string.digits, *, valid: bool = True) -> Make:
    """Return what draws a body and puts the right, or a wrong, last character behind it."""

    def make(rng: random.Random) -> str:
        value = ""
        while not value:
            value = _ending(module, draw(regex, rng), ends, rng, valid=valid)
        return value

    return make


def shape(regex: str) -> Make:
    """Return what draws strings of a shape."""
    return lambda rng: draw(regex, rng)


def one_of(*values: str) -> Make:
    """Return what chooses among values."""
    return lambda rng: rng.choice(values)


def iban(rng: random.Random, *, valid: bool = True) -> str:
    """Draw an IBAN of Germany, the United Kingdom or France."""
    country, body = rng.choice(
        [("DE", r"[0-9]{18}"), ("GB", r"[A-Z]{4}[0-9]{14}"), ("FR", r"[0-9]{20}[0-9A-Z]{3}")]
    )
    text = draw(body, rng)
    number = "".join(str(int(char, 36)) for char in f"{text}{country}00")
    check = 98 - int(number) % 97
    if not valid:
        check = 2 + (check - 2 + rng.randint(1, 96)) % 97
    return f"{country}{check:02}{text}"


_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def bitcoin(rng: random.Random, *, valid: bool = True) -> str:
    """Draw a Bitcoin address of the first kind (BIP 13)."""
    import hashlib

    raw = b"\0" + rng.randbytes(20)
    check = hashlib.sha256(hashlib.sha256(raw).digest()).digest()[:4]
    number = int.from_bytes(raw + (check if valid else rng.randbytes(4)), "big")
    text = ""
    while number:
        number, digit = divmod(number, 58)
        text = _BASE58[digit] + text
    return "1" + text


def resident_id(valid: bool) -> Make:
    """Return what draws Chinese resident ids."""
    body = (
        r"(?:110105|310115|440305|330106)(?:19[5-9][0-9]|200[0-9])"
        r"(?:0[1-9]|1[0-2])(?:0[1-9]|1[0-9]|2[0-8])[0-9]{3}"
    )
    return ended("iso7064.mod_11_2", body, "0123456789X", valid=valid)


def tw_id(valid: bool) -> Make:
    """Return what draws Taiwan identity numbers."""
    letters = "ABCDEFGHJKLMNPQRSTUVXYWZIO"

    def make(rng: random.Random) -> str:
        value = draw(r"[A-Z][12][0-9]{7}", rng)
        number = letters.index(value[0]) + 10
        total = number // 10 + number % 10 * 9
        total += sum(int(c) * w for c, w in zip(value[1:], range(8, 0, -1), strict=True))
        last = -total % 10
        return value + str(last if valid else (last + rng.randint(1, 9)) % 10)

    return make


def hk_id(valid: bool) -> Make:
    """Return what draws Hong Kong identity numbers."""

    def make(rng: random.Random) -> str:
        value = draw(r"[A-Z][0-9]{6}", rng)
        total = 9 * 36 + 8 * (ord(value[0]) - 55)
        total += sum(int(c) * w for c, w in zip(value[1:], range(7, 1, -1), strict=True))
        right = "0123456789A"[-total % 11]
        return f"{value}({right if valid else rng.choice('0123456789A'.replace(right, ''))})"

    return make


def luhn(regex: str, *, valid: bool = True) -> Make:
    """Return what draws numbers with the right, or a wrong, Luhn digit."""
    return ended("luhn", regex, valid=valid)


_CARD = r"(?:4[0-9]{14}|5[1-5][0-9]{13}|622[0-9]{15})"
_NAMES_EN = "Maple|Oak|Highland|Station|Victoria|Park|Mill|Church|Elm|Sunset"
_ADDRESSES = {
    "us": (
        rf"[1-9][0-9]{{1,3}} (?:{_NAMES_EN}) (?:Street|Avenue|Road|Drive|Lane), "
        r"(?:Springfield, IL|Portland, OR|Austin, TX|Denver, CO) [1-9][0-9]{4}"
    ),
    "uk": rf"[1-9][0-9]? (?:{_NAMES_EN}) (?:Street|Road|Lane|Close), (?:Leeds LS1 4AP|London SW1A 1AA|York YO1 7HH)",
    "de": r"(?:Hauptstraße|Bahnhofstraße|Lindenweg|Goethestr\.|Schillerplatz) [1-9][0-9]?, (?:10115 Berlin|80331 München|50667 Köln)",
    "fr": r"[1-9][0-9]? (?:rue de la Paix|avenue Victor Hugo|boulevard Voltaire|place de la République), (?:75002 Paris|69003 Lyon|13001 Marseille)",
}
_CN_ADDRESS = (
    r"(?:北京市海淀区|上海市浦东新区|广东省深圳市南山区|浙江省杭州市西湖区|四川省成都市武侯区)"
    r"(?:中关村|世纪|科苑|人民|文三|天府)(?:路|大道|街)[1-9][0-9]{0,2}号(?:[1-9]栋[1-9][0-9]{2}室)?"
)
_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_BIRTH = rf"(?:(?:0[1-9]|1[0-2])/(?:0[1-9]|1[0-9]|2[0-8])/19[4-9][0-9]|(?:{_MONTHS}) [1-9], 19[4-9][0-9]|19[4-9][0-9]-0[1-9]-1[0-9])"


def _case(name: str, entities: str, cue: str, make: Make, wrong: Make | None, *sets: str) -> Case:
    return Case(name, frozenset(entities.split()), cue, make, wrong, sets or EN)


ENGLISH: tuple[Case, ...] = (
    _case("email", "EMAIL_ADDRESS", "", shape(r"[a-z]{3,9}\.[a-z]{3,9}[0-9]{0,2}@(?:gmail\.com|web\.de|yahoo\.co\.uk|[a-z]{5,9}\.org)"), shape(r"[a-z]{3,9}@[a-z]{3,9}\.(?:jpg|png|local7|x1)")),
    _case("phone_us", "PHONE_NUMBER", "", shape(r"(?:\+1 |1-)?(?:\([2-9][0-9]{2}\) |[2-9][0-9]{2}-)[2-9][0-9]{2}-[0-9]{4}"), shape(r"[0-9]{4}-[0-9]{2}-[0-9]{5}")),
    _case("phone_uk", "PHONE_NUMBER", "", shape(r"(?:\+44 20 7[0-9]{3} [0-9]{4}|020 7[0-9]{3} [0-9]{4}|07[4578][0-9]{2} [0-9]{6})"), shape(r"[0-9]{2} [0-9]{4} [0-9]{3}")),
    _case("phone_de", "PHONE_NUMBER", "", shape(r"(?:\+49 30 [2-9][0-9]{6}|030/[2-9][0-9]{6}|0171 [2-9][0-9]{6})"), None),
    _case("phone_fr", "PHONE_NUMBER", "", shape(r"(?:\+33 [1-5] (?:[2-9][0-9] ){3}[2-9][0-9]|0[1-5] (?:[2-9][0-9] ){3}[2-9][0-9])"), None),
    _case("ipv4", "IP_ADDRESS", "address ", shape(r"(?:8[1-9]|9[1-9]|20[4-8])\.[1-9][0-9]\.2[0-4][0-9]\.[1-9][0-9]"), shape(r"version [1-9]\.[0-9]\.[0-9]\.[0-9]")),
    _case("ipv6", "IP_ADDRESS", "", shape(r"2a0[0-9]:[1-9a-f]{4}:[1-9a-f]{4}::[1-9a-f]{3}"), shape(r"(?:std::[a-z]{3}|[0-9]{2}:[0-9]{2}:[0-9]{2})")),
    _case("mac", "MAC_ADDRESS", "", shape(r"[0-9a-f]{2}(?::[0-9][a-f]){5}"), shape(r"[0-9a-f]{2}(?::[0-9][a-f]){9}")),
    _case("iban", "IBAN_CODE", "", iban, lambda r: iban(r, valid=False)),
    _case("card", "CREDIT_CARD", "", luhn(_CARD), luhn(_CARD, valid=False)),
    _case("bitcoin", "CRYPTO", "", bitcoin, lambda r: bitcoin(r, valid=False)),
    _case("ethereum", "CRYPTO", "", shape(r"0x[0-9a-f]{40}"), shape(r"0x[0-9a-f]{8}")),
    _case("us_ssn", "US_SSN", "", shape(r"[1-5][0-9][1-9]-[1-9][0-9]-[1-9][0-9]{3}"), shape(r"(?:000|666)-[1-9][0-9]-[1-9][0-9]{3}")),
    _case("us_itin", "US_ITIN", "", shape(r"9[0-9]{2}-7[0-9]-[0-9]{4}"), shape(r"9[0-9]{2}-[0-4][0-9]-[0-9]{4}")),
    _case("us_passport", "PASSPORT", "US passport number ", shape(r"[0-9]{9}|[A-Z][0-9]{8}"), None),
    _case("us_licence", "DRIVER_LICENCE", "driver's license no. ", shape(r"[A-Z][0-9]{7,12}"), None),
    _case("uk_nhs", "UK_NHS", "NHS number ", ended("gb.nhs", r"[4-7][0-9]{8}"), ended("gb.nhs", r"[4-7][0-9]{8}", valid=False)),
    _case("uk_nino", "UK_NINO", "", shape(r"[ABCEHJ][ABCEHJ] [0-9]{2} [0-9]{2} [0-9]{2} [A-D]"), shape(r"(?:BG|GB|ZZ)[0-9]{6}[A-D]")),
    _case("birth", "DATE_OF_BIRTH", "born on ", shape(_BIRTH), None),
    _case("postal_uk", "POSTAL_CODE STREET_ADDRESS", "", shape(r"(?:SW1A|EC1A|M1|LS2|CF10) [1-9][A-B][A-B]"), shape(r"(?:QQ|ZZ)[0-9] [0-9]{2}")),
    *(
        _case(f"address_{country}", "STREET_ADDRESS POSTAL_CODE", "", shape(regex), None)
        for country, regex in _ADDRESSES.items()
    ),
)  # fmt: skip
"""Identifiers in English sentences."""

CHINESE: tuple[Case, ...] = (
    _case("resident_id", "CN_RESIDENT_ID", "", resident_id(valid=True), resident_id(valid=False), *ZH),
    _case("resident_id_15", "CN_RESIDENT_ID", "身份证", shape(r"310115[5-9][0-9](?:0[1-9]|1[0-2])[01][1-9][0-9]{3}"), None, *ZH),
    _case("uscc", "CN_USCC", "", ended("cn.uscc", r"91310115[0-9A-HJ-NPQRTUWXY]{9}", "0123456789ABCDEFGHJKLMNPQRTUWXY"), ended("cn.uscc", r"91310115[0-9A-HJ-NPQRTUWXY]{9}", "0123456789ABCDEFGHJKLMNPQRTUWXY", valid=False), *ZH),
    _case("mobile", "PHONE_NUMBER", "", shape(r"1[3-9][0-9]{9}|\+86 1[3-9][0-9]{9}|1[3-9][0-9]-[0-9]{4}-[0-9]{4}"), shape(r"1[012][0-9]{9}"), *ZH),
    _case("landline", "PHONE_NUMBER", "", shape(r"(?:010|021|0755|028)-[2-8][0-9]{7}"), None, *ZH),
    _case("passport", "PASSPORT", "护照号", shape(r"E[A-H][0-9]{7}|G[0-9]{8}"), None, *ZH),
    _case("permit_hk_macao", "CN_TRAVEL_PERMIT", "港澳通行证", shape(r"C[A-H]?[0-9]{7,8}"), None, *ZH),
    _case("permit_home", "CN_TRAVEL_PERMIT", "回乡证号", shape(r"[HM][0-9]{10}"), None, *ZH),
    _case("permit_tw", "CN_TRAVEL_PERMIT", "台胞证", shape(r"[0-9]{8}"), None, *ZH),
    _case("hk_id", "HK_ID", "", hk_id(valid=True), hk_id(valid=False), *ZH),
    _case("mo_id", "MO_ID", "澳门身份证", shape(r"[1578][0-9]{6}\([0-9]\)"), None, *ZH),
    _case("tw_id", "TW_ID", "", tw_id(valid=True), tw_id(valid=False), *ZH),
    _case("bank_card", "CREDIT_CARD", "", luhn(r"62[0-9]{16}"), luhn(r"62[0-9]{16}", valid=False), *ZH),
    _case("plate", "VEHICLE_PLATE", "", shape(r"[京沪粤浙苏川][A-F]·?[0-9]{5}|[京沪粤浙苏川][A-F][DF][0-9]{5}"), None, *ZH),
    _case("wechat", "SOCIAL_ACCOUNT", "微信号：", shape(r"wx_[0-9]{4,8}[a-z]|[a-z]{4,8}[0-9]{2,6}"), None, *ZH),
    _case("qq", "SOCIAL_ACCOUNT", "QQ：", shape(r"[1-9][0-9]{5,9}"), None, *ZH),
    _case("alipay", "SOCIAL_ACCOUNT PHONE_NUMBER EMAIL_ADDRESS", "支付宝账号：", shape(r"[a-z]{3,8}[0-9]{3,5}"), None, *ZH),
    _case("address", "STREET_ADDRESS", "", shape(_CN_ADDRESS), None, *ZH),
    _case("postal_code", "POSTAL_CODE STREET_ADDRESS", "邮编：", shape(r"(?:100|200|510|310)0[0-9]{2}"), None, *ZH),
    _case("birth", "DATE_OF_BIRTH", "出生日期：", shape(r"19[4-9][0-9]年[1-9]月1[0-9]日|19[4-9][0-9]-0[1-9]-1[0-9]"), None, *ZH),
)  # fmt: skip
"""Identifiers in Chinese sentences, glued."""


def national() -> Iterator[Case]:
    """Yield a case for each national number that python-stdnum validates, each way it is written."""
    for number, row in enumerate(NUMBERS):
        yield Case(
            f"stdnum:{row.country}" + ("" if row.cue is None else " after its cue"),
            frozenset(["NATIONAL_ID"]),
            "" if row.cue is None else draw(row.cue, random.Random(number)) + " ",
            stdnum_value(row.module, row.regex, valid=True),
            stdnum_value(row.module, row.regex, valid=False),
        )


def secrets() -> Iterator[Case]:
    """Yield a case for each provider's key format, and some beside the formats."""
    for provider, regex in FORMATS:
        yield Case(f"key:{provider}", frozenset(["SECRET"]), "", shape(regex), None)
    for name, regex in (
        ("aws", r"(?:AKIA|ASIA)[2-7A-Z]{16}"),
        ("github", r"gh[opusr]_[0-9A-Za-z]{36}"),
        ("gitlab", r"glpat-[0-9A-Za-z]{20}"),
        ("slack", r"xoxb-[0-9]{11}-[0-9]{11}-[0-9A-Za-z]{24}"),
        ("stripe", r"sk_live_[0-9A-Za-z]{24}"),
        ("google", r"AIza[0-9A-Za-z]{35}"),
        ("openai", r"sk-proj-[0-9A-Za-z]{48}"),
        ("npm", r"npm_[0-9A-Za-z]{36}"),
        ("sendgrid", r"SG\.[0-9A-Za-z]{22}\.[0-9A-Za-z]{43}"),
        ("telegram", r"[0-9]{9}:AA[0-9A-Za-z]{33}"),
    ):
        yield Case(f"key:{name}", frozenset(["SECRET"]), "", shape(regex), None)
    assigned = shape(r"[a-z]{3}[0-9]{2}[A-Z]{3}[0-9][a-z]{4}")
    yield Case("password", frozenset(["SECRET"]), "password: ", assigned, None)
    yield Case("password_zh", frozenset(["SECRET"]), "密码：", assigned, None, ZH)
    block = shape(
        r"-----BEGIN RSA PRIVATE KEY-----\n(?:[0-9A-Za-z+/]{64}\n){3}-----END RSA PRIVATE KEY-----"
    )
    yield Case("private_key", frozenset(["PRIVATE_KEY"]), "", block, None)


SECRET_LOOK_ALIKES: dict[str, Make] = {
    "git_sha": shape(r"commit [0-9a-f]{40}"),
    "md5": shape(r"[0-9a-f]{32}"),
    "sha256": shape(r"sha256:[0-9a-f]{64}"),
    "uuid": shape(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "css": shape(r"sk-[a-z]{4,8}-[a-z]{4,8}"),
    "package": one_of("npm_config_registry", "hf_transfer", "sk-learn", "glpat-token", "gsk_model"),
    "placeholder": one_of("password: changeme", "api_key = YOUR_API_KEY", "token: <token>"),
    "code": one_of("password = get_password()", "secret = os.environ", "token = next(tokens)"),
    "public_key": shape(r"ssh-rsa AAAAB3NzaC1yc2EA[0-9A-Za-z]{60}"),
    "image": shape(r"data:image/png;base64,iVBORw0KGgo[0-9A-Za-z]{60}"),
    "camel": shape(r"[a-z]{4,8}[A-Z][a-z]{4,8}[A-Z][a-z]{4,8}"),
    "version": shape(r"v[0-9]\.[0-9]{1,2}\.[0-9]{1,2}-[a-z]{4}[0-9]"),
}
"""What has the look of a key and is none."""
