# SPDX-License-Identifier: Apache-2.0
"""Patterns of structured identifiers: a table. All are RE2, so every one takes linear time.

A row's regular expression matches wide; group 1 (else the whole match) is the value, its check
confirms it. In RE2 `\\b` is an ASCII word boundary and Han characters are no word characters, so
numbers glued to Chinese text are found. A cue (a word that says what the number is) stands inside
the expression, before or after the value; the gap between them holds no digit and no `[`, so that
a placeholder ends it and redacting twice changes nothing.

To add an identifier: one row here, one row in `entities`, one check in `validators` if it has a
check digit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from . import phones, validators
from .validators import Check, stdnum_check


@dataclass(frozen=True)
class Pattern:
    """One way to find one type of value.

    Args:
        detector: Name in the `detector` column.
        entity: A name of `entities.ENTITY`.
        regex: RE2 expression over UTF-8; group 1, if there is one, is the value.
        score: Probability-like confidence of a confirmed hit, in (0, 1].
        check: Confirms a hit or shortens it; None where the shape says enough.
        priority: Of overlapping hits the one with the higher priority names the type.
    """

    detector: str
    entity: str
    regex: str
    score: float
    check: Check | None = None
    priority: int = 50


GAP = r"[^0-9A-Za-z\[\n]{0,8}(?:(?i:is|was|are|no|nr|number|num|code|id|at|on|of|the|my|our)\b[^0-9A-Za-z\[\n]{0,4}){0,4}"
"""What may stand between a cue and its value: punctuation, blanks, a few small words."""

ZH_GAP = r"(?:号码|编号|账号|账户|帐号|号|证)?(?:\s|[:：是为，,（(「“\"'#=]){0,6}"
"""The same in Chinese."""

_NUM = r"(?:[+(]{0,2}[0-9][0-9 ().\-/]{4,22}[0-9])(?:\s?(?:x|ext\.?|#)\s?[0-9]{1,6})?"
_PHONE_CUE = (
    r"(?i:\b(?:(?:tele)?phone|tel|mobile|mob|cell(?:ular)?|fax|call(?:ing|ed)?|dial|whatsapp|sms|"
    r"text(?:ed)?|hotline|ring|reach(?:ed)?|contact|answering|answer|voicemail|landline|office|"
    r"t[ée]l[ée]phone|t[ée]l|portable|telefon|handy|mobil|telefonnummer|rufnummer|"
    r"tel[eé]fono|m[oó]vil|telefone|telefono|cellulare)(?:s|\b)"
    r"(?:\s?(?:number|num|no|nr|line))?"
    r"(?:\s(?:me|us|him|her|them|you|you|back|directly|again))?(?:\s(?:at|on|via|is|under))?)"
    r"[^0-9A-Za-z\[\n+(]{0,8}"
)
_ZH_PHONE_CUE = (
    r"(?:电话|手机|手机号|联系方式|联系人电话|热线|传真|座机|致电|拨打|来电|电話|手機|聯絡電話|固话|联络)"
    + ZH_GAP
)
_MONTH = (
    r"(?i:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|"
    r"oct(?:ober)?|nov(?:ember)?|dec(?:ember)?|januar|februar|m[äa]rz|mai|juni|juli|oktober|dezember|"
    r"janvier|f[ée]vrier|mars|avril|juin|juillet|ao[ûu]t|septembre|octobre|novembre|d[ée]cembre)\.?"
)
_DATE = (
    r"(?:[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}|"
    r"[0-9]{1,2}(?:st|nd|rd|th|er|\.)?(?:\s+of)?[ -]" + _MONTH + r",?[ -](?:19|20)[0-9]{2}|"
    + _MONTH
    + r"[ -][0-9]{1,2}(?:st|nd|rd|th)?,?[ -](?:19|20)[0-9]{2}|"
    r"(?:19|20)[0-9]{2}\s?年\s?[0-9]{1,2}\s?月(?:\s?[0-9]{1,2}\s?[日号])?|(?:19|20)[0-9]{6})"
)

_GENERAL: tuple[Pattern, ...] = (
    Pattern(
        "email",
        "EMAIL_ADDRESS",
        r"[0-9A-Za-zÀ-ɏ._%+'&=*~/#!-]+@(?:[0-9A-Za-zÀ-ɏ](?:[0-9A-Za-zÀ-ɏ_-]*[0-9A-Za-zÀ-ɏ])?\.)+[A-Za-z]{2,}",
        0.95,
        validators.email,
        80,
    ),
    Pattern(
        "phone:international",
        "PHONE_NUMBER",
        r"(?:\+|\b00)(?:[ (]{0,2}[1-9])[0-9 ().\-/]{5,20}[0-9](?:\s?(?:x|ext\.?)\s?[0-9]{1,6})?\b",
        0.85,
        phones.international,
        60,
    ),
    Pattern(
        "phone:nanp",
        "PHONE_NUMBER",
        r"(?:(?:\+|\b00|\b)1[ .-]?)?(?:\([0-9]{3}\) ?|\b[0-9]{3}[ .-])[0-9]{3}[ .-][0-9]{4}"
        r"(?:\s?(?:x|ext\.?|#)\s?[0-9]{1,6})?\b",
        0.7,
        phones.nanp,
    ),
    Pattern(
        "phone:gb",
        "PHONE_NUMBER",
        r"\(?\b0[1-9][0-9]{1,3}\)?[ -]?[0-9]{3,4}[ -]?[0-9]{3,4}\b|\b0[1-9][0-9]{2}[ -][0-9]{3}[ -][0-9]{2}[ -][0-9]{2}\b",
        0.65,
        phones.region_check("GB"),
    ),
    Pattern(
        "phone:de",
        "PHONE_NUMBER",
        r"\(?\b0[1-9][0-9]{1,4}\)?[ /-]{1,3}[0-9]{3,9}(?:[ -][0-9]{1,6}){0,3}\b",
        0.6,
        phones.region_check("DE"),
    ),
    Pattern(
        "phone:fr",
        "PHONE_NUMBER",
        r"\b0[1-9](?:[ .-]?[0-9]{2}){4}\b",
        0.65,
        phones.region_check("FR"),
    ),
    Pattern("phone:cue", "PHONE_NUMBER", _PHONE_CUE + "(" + _NUM + r")\b", 0.75, phones.after_cue),
    Pattern(
        "phone:label",
        "PHONE_NUMBER",
        r"(?:^|[\s,>:;(])(" + _NUM + r")[ \-–(,]{1,3}(?i:office|fax|mobile|cell|home|work|phone|tel)\b",
        0.75,
        phones.after_cue,
    ),
    Pattern(
        "phone:cn_mobile",
        "PHONE_NUMBER",
        r"(?:(?:\+|\b00)\(?86\)?[ -]?|\b86-?|\b|_)\(?(1[3-9][0-9]{9}|1[3-9][0-9][ -][0-9]{4}[ -][0-9]{4}"
        r"|1[3-9][0-9]{2}[ -][0-9]{3}[ -][0-9]{4})(?:\b|_)",
        0.85,
        phones.cn_mobile,
        60,
    ),
    Pattern(
        "phone:cn_landline",
        "PHONE_NUMBER",
        r"[(（]?\b0(?:10|2[0-9]|[3-9][0-9]{2})[)）]?[ -]?[2-9][0-9]{6,7}(?:-[0-9]{1,6})?\b",
        0.7,
        phones.region_check("CN"),
    ),
    Pattern("phone:zh_cue", "PHONE_NUMBER", _ZH_PHONE_CUE + "(" + _NUM + r")\b", 0.75, phones.after_cue),
    Pattern("ipv4", "IP_ADDRESS", r"\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b", 0.85, validators.ipv4_public, 60),
    Pattern(
        "ipv4:reserved", "IP_ADDRESS_RESERVED", r"\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b", 0.85,
        validators.ipv4_reserved, 60,
    ),
    Pattern(
        "ipv6", "IP_ADDRESS", r"(?:\b[0-9A-Fa-f]{1,4}:|::)(?:[0-9A-Fa-f]{0,4}:){1,7}[0-9A-Fa-f]{1,4}\b", 0.85,
        validators.ipv6_public, 60,
    ),
    Pattern(
        "ipv6:reserved", "IP_ADDRESS_RESERVED",
        r"(?:\b[0-9A-Fa-f]{1,4}:|::)(?:[0-9A-Fa-f]{0,4}:){1,7}[0-9A-Fa-f]{1,4}\b", 0.85,
        validators.ipv6_reserved, 60,
    ),
    Pattern(
        "mac", "MAC_ADDRESS",
        r"\b(?:(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{2}-){5}[0-9A-Fa-f]{2}|"
        r"(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4})\b",
        0.85, validators.mac, 70,
    ),
    Pattern(
        "iban", "IBAN_CODE", r"\b[A-Za-z]{2}[0-9]{2}(?:[ -]?[0-9A-Za-z]){11,30}\b", 0.95, validators.iban, 90,
    ),
    Pattern("card", "CREDIT_CARD", r"\b[0-9](?:[ -]?[0-9]){11,22}\b", 0.9, validators.card, 85),
    Pattern(
        "card:zh_cue", "CREDIT_CARD",
        r"(?:银行卡|储蓄卡|信用卡|借记卡|卡号|銀行卡|信用咭)" + ZH_GAP + r"([0-9](?:[ -]?[0-9]){14,18})\b", 0.8,
        validators.bank_account, 60,
    ),
    Pattern(
        "bank_account:cue", "BANK_ACCOUNT",
        r"(?:(?i:\b(?:bank account|account|acct|a/c|iban|konto|kontonummer|sort code and account)\b)" + GAP
        + r"|(?:银行账号|银行账户|银行帐号|开户账号|收款账号|对公账户|账号)(?:\s|[:：是为]){0,4})([0-9](?:[ -]?[0-9]){7,29})\b",
        0.6, validators.bank_account, 30,
    ),
    Pattern("bitcoin", "CRYPTO", r"\b[13LDTr][1-9A-HJ-NP-Za-km-z]{25,34}\b", 0.95, validators.base58check, 70),
    Pattern("bech32", "CRYPTO", r"\b(?i:bc1|ltc1|tb1)[02-9ac-hj-np-zAC-HJ-NP-Z]{11,87}\b", 0.95, validators.bech32, 70),
    Pattern("ethereum", "CRYPTO", r"\b0x[0-9A-Fa-f]{40}\b", 0.8, None, 70),
    Pattern(
        "birth:cue", "DATE_OF_BIRTH",
        r"(?i:\b(?:born|birth(?:day|date)?|date of birth|d\.?o\.?b\.?|geboren(?: am)?|geburtsdatum|n[ée]e? le|"
        r"date de naissance|fecha de nacimiento))(?i:[^0-9A-Za-z\[\n]{0,6}(?:(?:it'?s|is|was|on|the|my|in|are)\b[^0-9A-Za-z\[\n]{0,3}){0,4})("
        + _DATE + r")", 0.85, validators.birth_date, 70,
    ),
    Pattern(
        "birth:zh_cue", "DATE_OF_BIRTH", r"(?:出生日期|出生年月日?|出生于|出生|生日|生于|出生時間)(?:\s|[:：是为在]){0,4}(" + _DATE + ")",
        0.85, validators.birth_date, 70,
    ),
    Pattern("birth:zh_after", "DATE_OF_BIRTH", "(" + _DATE + r")(?:出生|生人|生[,，。;； ])", 0.8, validators.birth_date, 70),
)

_US_UK: tuple[Pattern, ...] = (
    Pattern("us_ssn", "US_SSN", r"\b([0-9]{3}-[0-9]{2}-[0-9]{4}|[0-9]{3} [0-9]{2} [0-9]{4})\b", 0.85, validators.ssn, 70),
    Pattern(
        "us_ssn:cue", "US_SSN",
        r"(?i:\b(?:ssn|social security|soc sec))(?i:\s(?:number|no|num))?" + GAP + r"([0-9]{3}[-. ]?[0-9]{2}[-. ]?[0-9]{4})\b",
        0.9, validators.ssn, 75,
    ),
    Pattern("us_itin", "US_ITIN", r"\b(9[0-9]{2}[- ][5-9][0-9][- ][0-9]{4})\b", 0.8, validators.itin, 72),
    Pattern(
        "us_itin:cue", "US_ITIN", r"(?i:\b(?:itin|taxpayer id(?:entification)?))" + GAP + r"(9[0-9]{2}[- ]?[5-9][0-9][- ]?[0-9]{4})\b",
        0.9, validators.itin, 76,
    ),
    Pattern(
        "passport:cue", "PASSPORT",
        r"(?i:\b(?:passport|reisepass|passeport|pasaporte))(?i:\s(?:number|no|nr|num)\b)?" + GAP + r"([A-Za-z]{0,2}[0-9]{6,9})\b",
        0.75, None, 65,
    ),
    Pattern(
        "licence:cue", "DRIVER_LICENCE",
        r"(?i:\b(?:driver'?s?|driving|drivers)\s?(?:licen[cs]e|lic|permit|id)|\bdl|f[üu]hrerschein|permis de conduire)"
        r"(?i:\s(?:number|no|nr|num|#))?" + GAP + r"([A-Za-z]{0,5}-?[0-9](?:[ -]?[0-9A-Za-z]){4,15})\b",
        0.75, validators.licence, 60,
    ),
    Pattern(
        "uk_nhs:cue", "UK_NHS", r"(?i:\b(?:nhs|national health))(?i:\s(?:number|no))?" + GAP + r"([0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4})\b",
        0.9, stdnum_check("gb.nhs"), 75,
    ),
    Pattern("uk_nhs", "UK_NHS", r"\b([0-9]{3} [0-9]{3} [0-9]{4})\b", 0.5, stdnum_check("gb.nhs"), 40),
    Pattern(
        "uk_nino", "UK_NINO",
        r"\b([A-CEGHJ-PR-TW-Za-ceghj-pr-tw-z][A-CEGHJ-NPR-TW-Za-ceghj-npr-tw-z][ -]?[0-9]{2}[ -]?[0-9]{2}[ -]?[0-9]{2}[ -]?[A-Da-d])\b",
        0.8, validators.nino, 70,
    ),
)


def _national(country: str, module: str, regex: str, cue: str | None, score: float) -> Pattern:
    body = f"\\b({regex})\\b"
    if cue:
        body = f"(?i:\\b(?:{cue}))(?i:\\s(?:number|no|nr|num)\\b)?" + GAP + f"({regex})\\b"
    return Pattern(f"stdnum:{country}", "NATIONAL_ID", body, score, stdnum_check(module), 68)


# Country, python-stdnum module, shape, cue (None where the check is strong enough alone), score.
_NATIONAL: tuple[Pattern, ...] = tuple(
    _national(*row)
    for row in (
        ("de", "de.idnr", r"[0-9]{2}[ ]?[0-9]{3}[ ]?[0-9]{3}[ ]?[0-9]{3}", "steuer-?id(?:entifikationsnummer)?|steuerliche identifikationsnummer|idnr|identifikationsnummer|tax id", 0.85),
        ("fr", "fr.nir", r"[12][ ]?[0-9]{2}[ ]?[0-9]{2}[ ]?[0-9][0-9AB][ ]?[0-9]{3}[ ]?[0-9]{3}[ ]?[0-9]{2}", None, 0.9),
        ("fr.nif", "fr.nif", r"[0-3][0-9][ ]?[0-9]{2}[ ]?[0-9]{3}[ ]?[0-9]{3}[ ]?[0-9]{3}", "num[ée]ro fiscal|nif|spi", 0.8),
        ("es.dni", "es.dni", r"[0-9]{8}-?[A-Za-z]", None, 0.75),
        ("es.nie", "es.nie", r"[XYZxyz]-?[0-9]{7}-?[A-Za-z]", None, 0.8),
        ("it", "it.codicefiscale", r"[A-Za-z]{6}[0-9LMNPQRSTUV]{2}[A-Za-z][0-9LMNPQRSTUV]{2}[A-Za-z][0-9LMNPQRSTUV]{3}[A-Za-z]", None, 0.9),
        ("pl", "pl.pesel", r"[0-9]{11}", "pesel", 0.9),
        ("nl", "nl.bsn", r"[0-9]{9}|[0-9]{4}\.[0-9]{2}\.[0-9]{3}", "bsn|burgerservicenummer|sofi-?nummer", 0.9),
        ("be", "be.nn", r"[0-9]{2}\.[0-9]{2}\.[0-9]{2}-[0-9]{3}\.[0-9]{2}", None, 0.9),
        ("be", "be.nn", r"[0-9]{11}", "rijksregisternummer|num[ée]ro national|nrn|niss", 0.9),
        ("se", "se.personnummer", r"(?:19|20)?[0-9]{6}[-+][0-9]{4}", None, 0.8),
        ("se", "se.personnummer", r"(?:19|20)?[0-9]{6}[0-9]{4}", "personnummer|pnr", 0.85),
        ("fi", "fi.hetu", r"[0-9]{6}[-+A-Fa-f][0-9]{3}[0-9A-Za-z]", None, 0.85),
        ("dk", "dk.cpr", r"[0-9]{6}-?[0-9]{4}", "cpr(?:-?nummer|-?nr)?|personnummer", 0.85),
        ("no", "no.fodselsnummer", r"[0-9]{6}[ ]?[0-9]{5}", "f[øo]dselsnummer|personnummer|fnr", 0.9),
        ("pt", "pt.nif", r"[0-9]{3}[ ]?[0-9]{3}[ ]?[0-9]{3}", "nif|contribuinte", 0.85),
        ("pt.cc", "pt.cc", r"[0-9]{8}[ ]?[0-9][ ]?[0-9A-Z]{2}[0-9]", None, 0.8),
        ("ie", "ie.pps", r"[0-9]{7}[A-Wa-w][A-IWa-iw]?", "pps[n]?", 0.85),
        ("at", "at.vnr", r"[0-9]{4}[ ]?[0-9]{6}", "sozialversicherungsnummer|svnr|versicherungsnummer|sv-?nummer", 0.85),
        ("ch", "ch.ssn", r"756\.[0-9]{4}\.[0-9]{4}\.[0-9]{2}", None, 0.9),
        ("cz", "cz.rc", r"[0-9]{6}/[0-9]{3,4}", None, 0.8),
        ("sk", "sk.rc", r"[0-9]{6}/?[0-9]{3,4}", "rodn[ée] [čc][íi]slo", 0.8),
        ("ro", "ro.cnp", r"[1-9][0-9]{12}", "cnp|cod numeric personal", 0.9),
        ("bg", "bg.egn", r"[0-9]{10}", "egn|егн", 0.85),
        ("hr", "hr.oib", r"[0-9]{11}", "oib", 0.85),
        ("ee", "ee.ik", r"[1-8][0-9]{10}", "isikukood", 0.85),
        ("lt", "lt.asmens", r"[1-8][0-9]{10}", "asmens kodas", 0.85),
        ("gr", "gr.amka", r"[0-9]{11}", "amka|αμκα", 0.85),
        ("si", "si.emso", r"[0-9]{13}", "em[šs]o", 0.85),
        ("in", "in_.aadhaar", r"[2-9][0-9]{3}[ -]?[0-9]{4}[ -]?[0-9]{4}", "aadhaar|uid|आधार", 0.85),
        ("in.pan", "in_.pan", r"[A-Z]{5}[0-9]{4}[A-Z]", None, 0.75),
        ("br", "br.cpf", r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}", None, 0.9),
        ("kr", "kr.rrn", r"[0-9]{6}-[1-8][0-9]{6}", None, 0.85),
        ("ca", "ca.sin", r"[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{3}", "sin|social insurance", 0.85),
        ("au", "au.tfn", r"[0-9]{3}[ ]?[0-9]{3}[ ]?[0-9]{2,3}", "tfn|tax file", 0.85),
        ("za", "za.idnr", r"[0-9]{13}", "id number|south african id|sa id", 0.8),
        ("tr", "tr.tckimlik", r"[1-9][0-9]{10}", "tckn|kimlik|t\\.?c\\.?", 0.8),
        ("mx", "mx.curp", r"[A-Z]{4}[0-9]{6}[HM][A-Z]{5}[0-9A-Z][0-9]", None, 0.9),
    )
)

_CHINA: tuple[Pattern, ...] = (
    Pattern(
        "cn_resident_id", "CN_RESIDENT_ID",
        r"(?:\b|_)([1-9][0-9]{5}[ -]?(?:18|19|20)[0-9]{2}[ -]?[0-9]{4}[ -]?[0-9]{3}[0-9Xx])(?:\b|_)", 0.97,
        validators.resident_id, 95,
    ),
    Pattern(
        "cn_resident_id_15:cue", "CN_RESIDENT_ID", r"(?:身份证|身份證|公民身份|证件)" + ZH_GAP + r"([1-9][0-9]{14})\b", 0.85,
        validators.resident_id_15, 90,
    ),
    Pattern("cn_uscc", "CN_USCC", r"\b([0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{10})\b", 0.85, validators.uscc, 60),
    Pattern(
        "cn_passport:cue", "PASSPORT", r"(?:护照|護照)" + ZH_GAP + r"([A-Za-z]{0,2}[0-9]{6,9})\b", 0.85, None, 65,
    ),
    Pattern("cn_passport", "PASSPORT", r"\b([EG][0-9]{8}|E[A-HJ-NP-Z][0-9]{7})\b", 0.55, None, 40),
    Pattern(
        "cn_permit:cue", "CN_TRAVEL_PERMIT",
        r"(?:通行证|回乡证|台胞证|来往大陆|往来港澳|居住证|军官证|通行證|台胞證|回鄉證)" + ZH_GAP + r"([A-Za-z]{0,2}[0-9]{7,11})\b",
        0.85, None, 66,
    ),
    Pattern("hk_id", "HK_ID", r"\b([A-Za-z]{1,2}[0-9]{6}[ ]?\([0-9Aa]\))", 0.85, validators.hk_id, 70),
    Pattern(
        "hk_id:cue", "HK_ID", r"(?:身份证|身份證|(?i:hkid|identity card))" + ZH_GAP + r"([A-Za-z]{1,2}[0-9]{6}[0-9Aa])\b", 0.85,
        validators.hk_id, 70,
    ),
    Pattern(
        "mo_id:cue", "MO_ID", r"(?:澳门|澳門|(?i:macau|macao))[^0-9\[\n]{0,24}([1578][0-9]{6}[ ]?\([0-9]\)|[1578]/[0-9]{6}/[0-9])", 0.8, None, 70,
    ),
    Pattern("tw_id", "TW_ID", r"\b([A-Z][1289][0-9]{8})\b", 0.75, validators.tw_id, 70),
    Pattern(
        "cn_plate", "VEHICLE_PLATE",
        r"([京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-Z][·.• -]?(?:[A-HJ-NP-Z0-9]{6}|[A-HJ-NP-Z0-9]{5}|"
        r"[A-HJ-NP-Z0-9]{4}[挂学警港澳使领]))(?:[^0-9A-Za-z]|$)", 0.85, validators.plate, 60,
    ),
    Pattern(
        "wechat:cue", "SOCIAL_ACCOUNT",
        r"(?:(?:微信|薇信|加微|加v|加V|(?i:\bvx|\bweixin|\bwx))(?:账号|帐号|号码|号|(?i:id))?|(?i:\bwechat(?:\s?(?:id|account|no))?\s?[:：]))"
        r"[ :：是为，]{0,4}([A-Za-z][0-9A-Za-z_-]{5,19})\b", 0.75, validators.account, 45,
    ),
    Pattern(
        "qq:cue", "SOCIAL_ACCOUNT", r"(?i:qq|扣扣|企鹅号)(?:群|账号|帐号|号码|号)?(?:\s|[:：是为，]){0,4}([1-9][0-9]{4,10})\b", 0.8, None, 55,
    ),
    Pattern(
        "account:zh_cue", "SOCIAL_ACCOUNT",
        r"(?:支付宝|微博|抖音|快手|陌陌|微信)(?:账号|帐号|账户|号码|号|(?i:id))(?:\s|[:：是为，]){0,4}([0-9A-Za-z][0-9A-Za-z_.-]{4,29})\b", 0.75, None, 40,
    ),
)

_SECRETS: tuple[Pattern, ...] = (
    Pattern(
        "private_key", "PRIVATE_KEY",
        r"-----BEGIN [0-9A-Z ]*PRIVATE KEY(?: BLOCK)?-----(?:(?s:.*?)-----END [0-9A-Z ]*PRIVATE KEY(?: BLOCK)?-----|[\s0-9A-Za-z+/=]*)",
        0.99, None, 99,
    ),
    Pattern("aws_key_id", "SECRET", r"\b(?:AKIA|ASIA|ABIA|ACCA|AROA|AIDA)[2-7A-Z]{16}\b", 0.95, None, 90),
    Pattern(
        "aws_secret:cue", "SECRET", r"(?i:aws.{0,20}(?:secret|key)[^0-9A-Za-z\n]{1,8})([0-9A-Za-z/+]{40})(?:[^0-9A-Za-z/+]|$)", 0.9,
        validators.token, 90,
    ),
    Pattern("github", "SECRET", r"\b(?:gh[opusr]_[0-9A-Za-z]{36,255}|github_pat_[0-9A-Za-z_]{22,255})\b", 0.99, None, 90),
    Pattern("gitlab", "SECRET", r"\bgl(?:pat|dt|rt|ptt|cbt|soat)-[0-9A-Za-z_-]{20,64}\b", 0.97, None, 90),
    Pattern("slack", "SECRET", r"\b(?:xox[abeoprs]-[0-9A-Za-z-]{10,250}|xapp-[0-9]-[0-9A-Za-z-]{10,200})\b", 0.97, None, 90),
    Pattern(
        "webhook", "SECRET",
        r"\bhttps://(?:hooks\.slack\.com/(?:services|workflows)/[0-9A-Za-z/_-]{20,}|discord(?:app)?\.com/api/webhooks/[0-9]+/[0-9A-Za-z_-]{20,}|"
        r"[a-z0-9.-]*webhook\.office\.com/[0-9A-Za-z@/_-]{20,})", 0.97, None, 90,
    ),
    Pattern("google_api", "SECRET", r"\bAIza[0-9A-Za-z_-]{35}", 0.97, None, 90),
    Pattern("google_oauth", "SECRET", r"\b(?:ya29\.[0-9A-Za-z_-]{20,}|GOCSPX-[0-9A-Za-z_-]{28})", 0.95, None, 90),
    Pattern("jwt", "SECRET", r"\beyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{4,}", 0.95, validators.jwt, 90),
    Pattern("stripe", "SECRET", r"\b(?:sk|rk|pk)_(?:live|test)_[0-9A-Za-z]{16,128}\b", 0.95, None, 90),
    Pattern("openai", "SECRET", r"\bsk-(?:proj-|svcacct-|admin-|ant-[a-z0-9]+-|or-v1-)?[0-9A-Za-z_-]{20,200}", 0.9, validators.token, 90),
    Pattern("huggingface", "SECRET", r"\bhf_[A-Za-z0-9]{30,40}\b", 0.95, None, 90),
    Pattern("npm", "SECRET", r"\bnpm_[0-9A-Za-z]{36}\b", 0.95, None, 90),
    Pattern("pypi", "SECRET", r"\bpypi-AgE[0-9A-Za-z_-]{50,}", 0.97, None, 90),
    Pattern("sendgrid", "SECRET", r"\bSG\.[0-9A-Za-z_-]{16,32}\.[0-9A-Za-z_-]{16,64}", 0.97, None, 90),
    Pattern("twilio", "SECRET", r"\b(?:SK|AC)[0-9a-f]{32}\b", 0.75, None, 80),
    Pattern("mailgun", "SECRET", r"\bkey-[0-9a-f]{32}\b", 0.85, None, 80),
    Pattern("telegram", "SECRET", r"\b[0-9]{8,10}:AA[0-9A-Za-z_-]{32,34}", 0.95, None, 90),
    Pattern("shopify", "SECRET", r"\bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}\b", 0.97, None, 90),
    Pattern("digitalocean", "SECRET", r"\bdo[opr]_v1_[0-9a-f]{64}\b", 0.97, None, 90),
    Pattern("azure_storage", "SECRET", r"AccountKey=([0-9A-Za-z+/=]{40,100})", 0.95, None, 90),
    Pattern("aliyun", "SECRET", r"\bLTAI[0-9A-Za-z]{12,26}\b", 0.9, None, 90),
    Pattern("tencent_cloud", "SECRET", r"\bAKID[0-9A-Za-z]{13,48}\b", 0.9, None, 90),
    Pattern("url_password", "SECRET", r"\b[A-Za-z][0-9A-Za-z+.-]{1,20}://[^\s:/@\[]{1,128}:([^\s/@\[]{3,128})@[0-9A-Za-z]", 0.9, None, 85),
    Pattern(
        "assigned", "SECRET",
        r"(?i:\b(?:[0-9a-z]{0,24}[_-])?(?:password|passwd|passphrase|pwd|secret|secret[_-]?key|api[_-]?key|apikey|access[_-]?key|access[_-]?token|"
        r"auth[_-]?token|client[_-]?secret|private[_-]?token)['\"]?\s{0,3}(?:=|:|:=|=>|is)\s{0,3}['\"]?)([^\s'\"<>,;\[\]{}()$]{8,200})", 0.7,
        validators.token, 60,
    ),
    Pattern("assigned:zh", "SECRET", r"(?:密码|口令|密钥|登录密码|支付密码)(?:\s|[:：是为]){1,4}([!-~]{6,64})", 0.65, None, 60),
)

PATTERNS: tuple[Pattern, ...] = _GENERAL + _US_UK + _NATIONAL + _CHINA + _SECRETS
"""Every built-in pattern of structured identifiers, addresses apart (see `addresses`)."""


def custom(name: str, regex: str, score: float = 0.8) -> Pattern:
    """Return a pattern of the user's own.

    Args:
        name: Its name; the detector column says `custom:<name>`.
        regex: An RE2 expression (no look-around, no back-reference); group 1 is the value if present.
        score: In (0, 1].

    Returns:
        The pattern, entity type `CUSTOM`.
    """
    return replace(Pattern("", "CUSTOM", regex, score), detector=f"custom:{name}", priority=65)
