# SPDX-License-Identifier: Apache-2.0
"""Rows for mail, phones, network addresses, cards, accounts, birth dates, and US and UK numbers."""

from __future__ import annotations

from collections.abc import Mapping

from . import national_checks, phones, validators
from .national_checks import stdnum_check
from .pattern import GAP, ZH_GAP, Pattern
from .validators import Check

_NUM = r"(?:(?:[+(]{0,2}|\+ )[0-9][0-9 ().\-/]{4,22}[0-9])(?:\s?(?:x|ext\.?|#)\s?[0-9]{1,6})?"
_PHONE_CUE = (
    r"(?i:\b(?:(?:tele)?phone|tel|mobile|mob|cell(?:ular)?|fax|call(?:ing|ed)?|dial|whatsapp|sms|"
    r"text(?:ed)?\s(?:me|us|him|her|them|back|at|on|to|your|my)\b|hotline|ring|reach(?:ed)?|"
    r"contact|answering|answer|voicemail|landline|"
    r"office(?:\s(?:tel|phone|number|no|at|on)\b|\s{0,2}[:#])|"
    r"t[ée]l[ée]phone|t[ée]l|portable|telefon|handy|mobil|telefonnummer|rufnummer|"
    r"tel[eé]fono|m[oó]vil|telefone|telefono|cellulare)(?:s|\b)"
    r"(?:\s?(?:number|num|no|nr|line))?"
    r"(?:\s(?:me|us|him|her|them|you|you|back|directly|again))?(?:\s(?:at|on|via|is|under))?)"
    r"[^0-9A-Za-z\[\n+(]{0,8}"
)
_MORE = (
    r"\A(?:[ \t]{2,}|[ \t]{0,3}(?:\r?\n[ \t]{0,3})?(?:[,/;、，；|&+]|(?i:or|and|oder|und|ou|et)\b|或者?|和)"
    r"[ \t]{0,3})(" + _NUM + r")\b"
)
"""A further number of a list: "Phone: 031 772 54 31, (0)707 53 57 57"."""
_ZH_PHONE_CUE = (
    r"(?:电话|手机|手机号|联系方式|联系人电话|热线|传真|座机|致电|拨打|来电|电話|電話|手機|聯絡電話|固话|联络|전화|팩스)"
    + ZH_GAP
)
_MONTH = (
    r"(?i:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|"
    r"aug(?:ust)?|sept?(?:ember)?|"
    r"oct(?:ober)?|nov(?:ember)?|dec(?:ember)?|januar|februar|m[äa]rz|mai|"
    r"juni|juli|oktober|dezember|"
    r"janvier|f[ée]vrier|mars|avril|juin|juillet|ao[ûu]t|septembre|octobre|novembre|d[ée]cembre)\.?"
)
_DATE = (
    r"(?:[0-9]{1,4}[-/. ][0-9]{1,2}[-/. ][0-9]{1,4}|"
    r"[0-9]{1,2}(?:st|nd|rd|th|er|\.)?(?:\s+of)?[ -]"
    + _MONTH
    + r",?[ -](?:19|20)[0-9]{2}|"
    + _MONTH
    + r"[ -][0-9]{1,2}(?:st|nd|rd|th)?,?[ -](?:19|20)[0-9]{2}|"
    r"(?:19|20)[0-9]{2}\s?年\s?[0-9]{1,2}\s?月(?:\s?[0-9]{1,2}\s?[日号])?|(?:19|20)[0-9]{6})"
)

_MAC = (
    r"\b(?:(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{2}-){5}[0-9A-Fa-f]{2}|"
    r"(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4})\b"
)


_IPV4 = r"\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b"
IPV4_DISGUISED = "ipv4:disguised"
"""The detector whose hits count only where they do not stand in the text as they are."""


def _addresses(name: str, regex: str, checks: Mapping[str, Check]) -> list[Pattern]:
    """Return a row for each scope of an address; they share one gate of the prefilter."""
    return [
        Pattern(
            name if scope == "public" else f"{name}:{scope}",
            "IP_ADDRESS" if scope == "public" else "IP_ADDRESS_RESERVED",
            regex,
            0.85,
            check,
            60,
        )
        for scope, check in checks.items()
    ]


GENERAL: tuple[Pattern, ...] = (
    Pattern(
        "email",
        "EMAIL_ADDRESS",
        r"[0-9A-Za-zÀ-ɏ._%+'&=*~/#!-]{1,64}@(?:[0-9A-Za-zÀ-ɏ](?:[0-9A-Za-zÀ-ɏ_-]"
        r"*[0-9A-Za-zÀ-ɏ])?\.)+[A-Za-z]{2,}",
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
        _MORE,
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
        r"\(?\b0[1-9][0-9]{1,3}\)?[ -]?[0-9]{3,4}[ -]?[0-9]{3,4}\b|\b0[1-9][0-9]"
        r"{2}[ -][0-9]{3}[ -][0-9]{2}[ -][0-9]{2}\b",
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
        # One separator throughout: "096400-0920" numbers a part.
        r"\b0[1-9](?:(?:[0-9]{2}){4}|(?: [0-9]{2}){4}|(?:\.[0-9]{2}){4}|(?:-[0-9]{2}){4})\b",
        0.65,
        phones.region_check("FR"),
    ),
    Pattern(
        "phone:cue",
        "PHONE_NUMBER",
        _PHONE_CUE + "(" + _NUM + r")\b",
        0.75,
        phones.after_cue,
        50,
        _MORE,
    ),
    Pattern(
        "phone:label",
        "PHONE_NUMBER",
        r"(?:^|[\s,>:;(])("
        + _NUM
        + r")[ \-–(,]{1,3}(?i:office|fax|mobile|cell|home|work|phone|tel)\b",
        0.75,
        phones.after_cue,
    ),
    Pattern(
        "phone:cn_mobile",
        "PHONE_NUMBER",
        r"(?:(?:\+|\b00)\(?86\)?[ -]?|\b86-?|\b|_)\(?(1[3-9][0-9]{9}|1[3-9][0-9]"
        r"[ -][0-9]{4}[ -][0-9]{4}"
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
    Pattern(
        "phone:zh_cue",
        "PHONE_NUMBER",
        _ZH_PHONE_CUE + "(" + _NUM + r")\b",
        0.75,
        phones.after_cue,
        50,
        _MORE,
    ),
    *_addresses("ipv4", _IPV4, validators.IPV4),
    # Behind the others, which leave it what has the shape of a version.
    Pattern(IPV4_DISGUISED, "IP_ADDRESS", _IPV4, 0.7, validators.ipv4_disguised, 60),
    *_addresses(
        "ipv6",
        r"(?:\b[0-9A-Fa-f]{1,4}:|::)(?:[0-9A-Fa-f]{0,4}:){1,7}[0-9A-Fa-f]{1,4}\b",
        validators.IPV6,
    ),
    Pattern("mac", "MAC_ADDRESS", _MAC, 0.85, validators.mac_public, 70),
    Pattern("mac:private", "MAC_ADDRESS", _MAC, 0.85, validators.mac_private, 70),
    Pattern("mac:reserved", "MAC_ADDRESS_RESERVED", _MAC, 0.85, validators.mac_reserved, 70),
    Pattern(
        "iban",
        "IBAN_CODE",
        r"\b[A-Za-z]{2}[0-9]{2}(?:[ -]?[0-9A-Za-z]){11,30}\b",
        0.95,
        validators.iban,
        90,
    ),
    Pattern(
        "card",
        "CREDIT_CARD",
        r"\b(?:[0-9]{12,19}|[0-9]{6}[ -][0-9]{10,13}|[0-9]{3,8}(?:[ -][0-9]{3,"
        r"8}){2,5}(?:[ -][0-9]{1,2})?)\b",
        0.9,
        validators.card,
        85,
    ),
    Pattern(
        "card:zh_cue",
        "CREDIT_CARD",
        r"(?:银行卡|储蓄卡|信用卡|借记卡|卡号|銀行卡|信用咭)"
        + ZH_GAP
        + r"([0-9](?:[ -]?[0-9]){14,18})\b",
        0.8,
        validators.bank_account,
        60,
    ),
    Pattern(
        "bank_account:cue",
        "BANK_ACCOUNT",
        r"(?:(?i:\b(?:bank account|account|acct|a/c|iban|konto|kontonummer|"
        r"sort code and account)\b)" + GAP + r"|(?:银行账号|银行账户|银行帐号|开户账号|"
        r"收款账号|对公账户|账号)(?:\s|[:：是为]){0,4})([0-9](?:[ -]?[0-9]){7,29})\b",
        0.6,
        validators.bank_account,
        30,
    ),
    Pattern(
        "bitcoin",
        "CRYPTO",
        r"\b[13LDTr][1-9A-HJ-NP-Za-km-z]{25,34}\b",
        0.95,
        validators.base58check,
        70,
    ),
    Pattern(
        "bech32",
        "CRYPTO",
        r"\b(?i:bc1|ltc1|tb1)[02-9ac-hj-np-zAC-HJ-NP-Z]{11,87}\b",
        0.95,
        validators.bech32,
        70,
    ),
    Pattern("ethereum", "CRYPTO", r"\b0x[0-9A-Fa-f]{40}\b", 0.8, None, 70),
    Pattern(
        "birth:cue",
        "DATE_OF_BIRTH",
        r"(?i:\b(?:born|birth(?:day|date)?|date of birth|d\.?o\.?b\.?|"
        r"geboren(?: am)?|geburtsdatum|n[ée]e? le|"
        r"date de naissance|fecha de nacimiento))(?i:[^0-9A-Za-z\[\n]{0,"
        r"6}(?:(?:it'?s|is|was|on|the|my|in|are)\b[^0-9A-Za-z\[\n]{0,3}){0,4})(" + _DATE + r")",
        0.85,
        validators.birth_date,
        70,
    ),
    Pattern(
        "birth:zh_cue",
        "DATE_OF_BIRTH",
        r"(?:出生日期|出生年月日?|出生于|出生|生日|生于|出生時間)(?:\s|[:：是为在]){0,4}("
        + _DATE
        + ")",
        0.85,
        validators.birth_date,
        70,
    ),
    Pattern(
        "birth:zh_after",
        "DATE_OF_BIRTH",
        "(" + _DATE + r")(?:出生|生人|生[,，。;； ])",
        0.8,
        validators.birth_date,
        70,
    ),
)
"""Identifiers of no one country."""

US_UK: tuple[Pattern, ...] = (
    Pattern(
        "us_ssn",
        "US_SSN",
        r"\b([0-9]{3}-[0-9]{2}-[0-9]{4}|[0-9]{3} [0-9]{2} [0-9]{4})\b",
        0.85,
        national_checks.ssn,
        70,
    ),
    Pattern(
        "us_ssn:cue",
        "US_SSN",
        r"(?i:\b(?:ssn|social security|soc sec))(?i:\s(?:number|no|num))?"
        + GAP
        + r"([0-9]{3}[-. ]?[0-9]{2}[-. ]?[0-9]{4})\b",
        0.9,
        national_checks.ssn,
        75,
    ),
    Pattern(
        "us_itin",
        "US_ITIN",
        r"\b(9[0-9]{2}[- ][5-9][0-9][- ][0-9]{4})\b",
        0.8,
        national_checks.itin,
        72,
    ),
    Pattern(
        "us_itin:cue",
        "US_ITIN",
        r"(?i:\b(?:itin|taxpayer id(?:entification)?))"
        + GAP
        + r"(9[0-9]{2}[- ]?[5-9][0-9][- ]?[0-9]{4})\b",
        0.9,
        national_checks.itin,
        76,
    ),
    Pattern(
        "passport:cue",
        "PASSPORT",
        r"(?i:\b(?:passport|reisepass|passeport|pasaporte))(?i:\s(?:number|no|nr|num)\b)?"
        + GAP
        + r"([A-Za-z]{0,2}[0-9]{6,9})\b",
        0.75,
        None,
        65,
    ),
    Pattern(
        "licence:cue",
        "DRIVER_LICENCE",
        r"(?i:\b(?:driver'?s?|driving|drivers)\s?(?:licen[cs]e|lic|permit|id)|"
        r"\bdl|f[üu]hrerschein|permis de conduire)"
        r"(?i:\s(?:number|no|nr|num|#))?"
        + GAP
        + r"([A-Za-z]{0,5}-?[0-9](?:[ -]?[0-9A-Za-z]){4,15})\b",
        0.75,
        validators.licence,
        60,
    ),
    Pattern(
        "uk_nhs:cue",
        "UK_NHS",
        r"(?i:\b(?:nhs|national health))(?i:\s(?:number|no))?"
        + GAP
        + r"([0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4})\b",
        0.9,
        stdnum_check("gb.nhs"),
        75,
    ),
    Pattern(
        "uk_nhs", "UK_NHS", r"\b([0-9]{3} [0-9]{3} [0-9]{4})\b", 0.5, stdnum_check("gb.nhs"), 40
    ),
    Pattern(
        "uk_nino",
        "UK_NINO",
        r"\b([A-CEGHJ-PR-TW-Za-ceghj-pr-tw-z][A-CEGHJ-NPR-TW-Za-ceghj-npr-tw-z]"
        r"[ -]?[0-9]{2}[ -]?[0-9]{2}[ -]?[0-9]{2}[ -]?[A-Da-d])\b",
        0.8,
        national_checks.nino,
        70,
    ),
)
"""Identifiers of the United States and the United Kingdom."""
