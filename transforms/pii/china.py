# SPDX-License-Identifier: Apache-2.0
"""Rows for identifiers of mainland China, Hong Kong, Macao and Taiwan."""

from __future__ import annotations

from . import national_checks, validators
from .pattern import ZH_GAP, Pattern

CHINA: tuple[Pattern, ...] = (
    Pattern(
        "cn_resident_id",
        "CN_RESIDENT_ID",
        r"(?:\b|_)([1-9][0-9]{5}[ -]?(?:18|19|20)[0-9]{2}[ -]?[0-9]{4}[ -]?[0-9]"
        r"{3}[0-9Xx])(?:\b|_)",
        0.97,
        national_checks.resident_id,
        95,
    ),
    Pattern(
        "cn_resident_id_15:cue",
        "CN_RESIDENT_ID",
        r"(?:身份证|身份證|公民身份|证件)" + ZH_GAP + r"([1-9][0-9]{14})\b",
        0.85,
        national_checks.resident_id_15,
        90,
    ),
    Pattern(
        "cn_uscc",
        "CN_USCC",
        r"\b([0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{10})\b",
        0.85,
        national_checks.uscc,
        60,
    ),
    Pattern(
        "cn_passport:cue",
        "PASSPORT",
        r"(?:护照|護照)" + ZH_GAP + r"([A-Za-z]{0,2}[0-9]{6,9})\b",
        0.85,
        None,
        65,
    ),
    Pattern("cn_passport", "PASSPORT", r"\b([EG][0-9]{8}|E[A-HJ-NP-Z][0-9]{7})\b", 0.55, None, 40),
    Pattern(
        "cn_permit:cue",
        "CN_TRAVEL_PERMIT",
        r"(?:通行证|回乡证|台胞证|来往大陆|往来港澳|居住证|军官证|通行證|台胞證|回鄉證)"
        + ZH_GAP
        + r"([A-Za-z]{0,2}[0-9]{7,11})\b",
        0.85,
        None,
        66,
    ),
    Pattern(
        "hk_id",
        "HK_ID",
        r"\b([A-Za-z]{1,2}[0-9]{6}[ ]?\([0-9Aa]\))",
        0.85,
        national_checks.hk_id,
        70,
    ),
    Pattern(
        "hk_id:cue",
        "HK_ID",
        r"(?:身份证|身份證|(?i:hkid|identity card))" + ZH_GAP + r"([A-Za-z]{1,2}[0-9]{6}[0-9Aa])\b",
        0.85,
        national_checks.hk_id,
        70,
    ),
    Pattern(
        "mo_id:cue",
        "MO_ID",
        r"(?:澳门|澳門|(?i:macau|macao))[^0-9\[\n]{0,24}([1578][0-9]{6}[ ]?\([0-9]"
        r"\)|[1578]/[0-9]{6}/[0-9])",
        0.8,
        None,
        70,
    ),
    Pattern("tw_id", "TW_ID", r"\b([A-Z][1289][0-9]{8})\b", 0.75, national_checks.tw_id, 70),
    Pattern(
        "cn_plate",
        "VEHICLE_PLATE",
        r"([京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼]"
        r"[A-Z][·.• -]?(?:[A-HJ-NP-Z0-9]{6}|[A-HJ-NP-Z0-9]{5}|"
        r"[A-HJ-NP-Z0-9]{4}[挂学警港澳使领]))(?:[^0-9A-Za-z]|$)",
        0.85,
        national_checks.plate,
        60,
    ),
    Pattern(
        "wechat:cue",
        "SOCIAL_ACCOUNT",
        r"(?:(?:微信|薇信|加微|加v|加V)(?:账号|帐号|号码|号|(?i:id))?|"
        # The letters alone stand in base64 and web addresses too: a sign or a word must follow.
        r"(?i:\bvx|\bweixin|\bwx)(?:账号|帐号|号码|号|\s?(?i:id))?(?:\s?[:：]|号|\s|是|为)|"
        r"(?i:\bwechat(?:\s?(?:id|account|no))?\s?[:：]))"
        r"[ :：是为，]{0,4}([A-Za-z][0-9A-Za-z_-]{5,19})\b",
        0.75,
        validators.account,
        45,
    ),
    Pattern(
        "qq:cue",
        "SOCIAL_ACCOUNT",
        r"(?i:qq|扣扣|企鹅号)(?:群|账号|帐号|号码|号)?(?:\s|[:：是为，]){0,4}([1-9][0-9]{4,10})\b",
        0.8,
        None,
        55,
    ),
    Pattern(
        "account:zh_cue",
        "SOCIAL_ACCOUNT",
        r"(?:支付宝|微博|抖音|快手|陌陌|微信)(?:账号|帐号|账户|号码|号|(?i:id))(?:\s|[:：是为，]){0,"
        r"4}([0-9A-Za-z][0-9A-Za-z_.-]{4,29})\b",
        0.75,
        None,
        40,
    ),
)
"""Chinese identifiers; phones and cards are in `identifiers`, addresses in `addresses`."""
