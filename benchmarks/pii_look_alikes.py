# SPDX-License-Identifier: Apache-2.0
"""Numbers and tokens that look like personal data and are none: 150 kinds, English and Chinese.

Books, papers, commits, versions, times, orders, parts, places, dumps, constants, logs, code, tables.
Those of `version4_low` have the shape of an address and nothing that says otherwise.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable

from pii_disguises import digits, luhn_complete, resident_id


def _hex(r: random.Random, n: int) -> str:
    return f"{r.getrandbits(4 * n):0{n}x}"


def _doi(r: random.Random) -> str:
    journal = r.choice(["j.", "s", "", ""]) + r.choice(["cell", "nature", "physrev", "acs", "tcs"])
    return f"10.{r.randint(1000, 9999)}/{journal}.{r.randint(1990, 2025)}.{digits(r, 2)}.{digits(r, 3)}"


def _wrong_end(rng: random.Random, value: str, alphabet: str) -> str:
    """Return the value with another check character than the right one."""
    return value[:-1] + rng.choice([char for char in alphabet if char != value[-1]])


LOOK_ALIKES: dict[str, Callable[[random.Random], str]] = {
    "isbn13": lambda r: f"978-{r.randint(0, 9)}-{digits(r, 3)}-{digits(r, 5)}-{r.randint(0, 9)}",
    "isbn10": lambda r: f"{r.randint(0, 9)}-{digits(r, 3)}-{digits(r, 5)}-{r.randint(0, 9)}",
    "isbn13_plain": lambda r: "978" + digits(r, 10),
    "md5": lambda r: f"{r.getrandbits(128):032x}",
    "sha256": lambda r: f"{r.getrandbits(256):064x}",
    "uuid": lambda r: "-".join(f"{r.getrandbits(4 * k):0{k}x}" for k in (8, 4, 4, 4, 12)),
    "version": lambda r: (
        f"version {r.randint(0, 30)}.{r.randint(0, 30)}.{r.randint(0, 99)}.{r.randint(0, 99)}"
    ),
    "version3": lambda r: f"v{r.randint(0, 30)}.{r.randint(0, 30)}.{r.randint(0, 999)}",
    "timestamp": lambda r: (
        f"20{r.randint(10, 29)}-{r.randint(1, 12):02}-{r.randint(1, 28):02}"
        f"T{r.randint(0, 23):02}:{r.randint(0, 59):02}:{r.randint(0, 59):02}Z"
    ),
    "timestamp_plain": lambda r: (
        f"20{r.randint(10, 29)}{r.randint(1, 12):02}{r.randint(1, 28):02}"
        f"{r.randint(0, 23):02}{r.randint(0, 59):02}{r.randint(0, 59):02}"
    ),
    "epoch": lambda r: str(r.randint(1_500_000_000, 1_799_999_999)),
    "epoch_ms": lambda r: str(r.randint(1_500_000_000_000, 1_799_999_999_999)),
    "order": lambda r: f"order {digits(r, 10)}",
    "order_long": lambda r: f"order no. {r.randint(1, 9)}{digits(r, 17)}",
    "order_amazon": lambda r: f"{digits(r, 3)}-{digits(r, 7)}-{digits(r, 7)}",
    "order_zh": lambda r: f"订单号{r.randint(1, 9)}{digits(r, 15)}",
    "invoice": lambda r: f"INV-{r.randint(2010, 2026)}-{digits(r, 6)}",
    "tracking": lambda r: (
        "1Z" + "".join(r.choice("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in range(16))
    ),
    "decimal": lambda r: f"{r.randint(0, 9)}.{digits(r, 12)}",
    "money": lambda r: f"${r.randint(1, 999)},{digits(r, 3)},{digits(r, 3)}.{digits(r, 2)}",
    "date": lambda r: f"{r.randint(1, 12)}/{r.randint(1, 28)}/{r.randint(1990, 2026)}",
    "range": lambda r: f"pages {r.randint(1, 999)}-{r.randint(1000, 9999)}",
    "bad_card": lambda r: _wrong_end(r, luhn_complete("4" + digits(r, 14)), "0123456789"),
    "bad_resident_id": lambda r: _wrong_end(r, resident_id(r), "0123456789X"),
    "bad_ssn": lambda r: f"{r.choice(['000', '666'])}-{digits(r, 2)}-{digits(r, 4)}",
    "bad_ip": lambda r: (
        f"{r.randint(256, 999)}.{r.randint(0, 255)}.{r.randint(0, 255)}.{r.randint(0, 255)}"
    ),
    "hex_colour": lambda r: f"#{r.getrandbits(24):06x}",
    "time": lambda r: f"{r.randint(0, 23):02}:{r.randint(0, 59):02}:{r.randint(0, 59):02}",
    "coordinate": lambda r: f"{r.uniform(-90, 90):.6f}, {r.uniform(-180, 180):.6f}",
    "asset": lambda r: f"icon-{digits(r, 2)}@2x.png",
    "isbn_labelled": lambda r: f"ISBN 978{digits(r, 10)}",
    "isbn_zh": lambda r: f"书号：978-7-{digits(r, 3)}-{digits(r, 5)}-{digits(r, 1)}",
    "issn": lambda r: f"ISSN {digits(r, 4)}-{digits(r, 4)}",
    "git_short": lambda r: f"commit {_hex(r, 7)}",
    "git_40": lambda r: _hex(r, 40),
    "git_range": lambda r: f"{_hex(r, 12)}..{_hex(r, 12)}",
    "svn": lambda r: f"r{digits(r, 7)}",
    "semver": lambda r: (
        f"{r.randint(0, 40)}.{r.randint(0, 40)}.{r.randint(0, 99)}-rc.{r.randint(1, 9)}+build.{digits(r, 6)}"
    ),
    "version4_low": lambda r: (
        f"{r.randint(1, 20)}.{r.randint(0, 30)}.{r.randint(0, 255)}.{r.randint(0, 255)}"
    ),
    "version4_chrome": lambda r: (
        f"Chrome/{r.randint(60, 130)}.0.{r.randint(1000, 6999)}.{r.randint(10, 250)}"
    ),
    "version4_win": lambda r: f"Windows 10.0.{r.randint(10000, 22000)}.{r.randint(1, 999)}",
    "version_release": lambda r: (
        f"release {r.randint(1, 9)}.{r.randint(0, 99)}.{r.randint(0, 99)}.{r.randint(0, 255)}"
    ),
    "version_driver": lambda r: f"driver 31.0.{r.randint(15, 101)}.{r.randint(1000, 5999)}",
    "version_pkg": lambda r: (
        f"libfoo-{r.randint(1, 60)}.{r.randint(0, 60)}.{r.randint(0, 60)}.{r.randint(0, 60)}.tar.gz"
    ),
    "version_v": lambda r: (
        f"v{r.randint(1, 60)}.{r.randint(0, 60)}.{r.randint(0, 60)}.{r.randint(0, 255)}"
    ),
    "version_oid": lambda r: (
        f"1.3.6.1.4.1.{r.randint(1, 9999)}.{r.randint(1, 9)}.{r.randint(1, 9)}"
    ),
    "asn_section": lambda r: (
        f"section {r.randint(1, 40)}.{r.randint(1, 40)}.{r.randint(1, 40)}.{r.randint(1, 40)}"
    ),
    "ts_ms": lambda r: (
        f"20{r.randint(10, 29)}-{r.randint(1, 12):02}-{r.randint(1, 28):02} {r.randint(0, 23):02}:{r.randint(0, 59):02}:{r.randint(0, 59):02}.{digits(r, 6)}"
    ),
    "ts_tz": lambda r: (
        f"{r.randint(1, 28)}/Mar/20{r.randint(10, 29)}:{r.randint(0, 23):02}:{r.randint(0, 59):02}:{r.randint(0, 59):02} +0{r.randint(0, 9)}00"
    ),
    "ts_ns": lambda r: f"{r.randint(15, 17)}{digits(r, 17)}",
    "ts_compact": lambda r: (
        f"20{r.randint(10, 29)}{r.randint(1, 12):02}{r.randint(1, 28):02}-{r.randint(0, 23):02}{r.randint(0, 59):02}{r.randint(0, 59):02}"
    ),
    "ts_zh": lambda r: (
        f"20{r.randint(10, 29)}年{r.randint(1, 12)}月{r.randint(1, 28)}日{r.randint(0, 23)}时{r.randint(0, 59)}分"
    ),
    "epoch_label": lambda r: f"timestamp: {r.randint(1500000000, 1799999999)}",
    "order_hash": lambda r: f"#{digits(r, 9)}",
    "order_dash": lambda r: f"Order {digits(r, 3)}-{digits(r, 4)}-{digits(r, 5)}",
    "part": lambda r: f"P/N {digits(r, 6)}-{digits(r, 3)}",
    "part_3": lambda r: f"{digits(r, 2)}-{digits(r, 5)}-{digits(r, 3)}",
    "part_en": lambda r: f"part number {digits(r, 3)}-{digits(r, 5)}-{digits(r, 2)}",
    "part_alpha": lambda r: (
        f"{r.choice('ABCDEF')}{r.choice('XYZ')}{digits(r, 4)}-{digits(r, 3)}{r.choice('KLM')}"
    ),
    "sku": lambda r: f"SKU: {digits(r, 8)}",
    "ean": lambda r: f"EAN {digits(r, 13)}",
    "upc": lambda r: f"{digits(r, 1)} {digits(r, 5)} {digits(r, 5)} {digits(r, 1)}",
    "barcode_zh": lambda r: f"条形码69{digits(r, 11)}",
    "order_zh2": lambda r: f"订单编号：{digits(r, 18)}",
    "flow_zh": lambda r: f"流水号{digits(r, 20)}",
    "express_zh": lambda r: f"快递单号SF{digits(r, 13)}",
    "doc_zh": lambda r: f"国发〔20{digits(r, 2)}〕{r.randint(1, 99)}号",
    "std_zh": lambda r: f"GB/T {digits(r, 5)}-20{digits(r, 2)}",
    "patent_zh": lambda r: f"专利号ZL20{digits(r, 2)}1{digits(r, 7)}.{digits(r, 1)}",
    "model_zh": lambda r: f"型号{r.choice('ABEG')}{digits(r, 8)}",
    "price_zh": lambda r: f"价格{digits(r, 5)}.{digits(r, 2)}元",
    "amount_zh": lambda r: f"总计1{r.randint(3, 9)}{digits(r, 9)}元",
    "pop_zh": lambda r: f"播放量1{r.randint(3, 9)}{digits(r, 9)}次",
    "id_zh": lambda r: f"编号1{r.randint(3, 9)}{digits(r, 9)}",
    "bytes": lambda r: f"1{r.randint(3, 9)}{digits(r, 9)} bytes",
    "views": lambda r: f"{digits(r, 3)},{digits(r, 3)},{digits(r, 3)} views",
    "doi": _doi,
    "arxiv": lambda r: f"arXiv:{r.randint(10, 25)}{r.randint(1, 12):02}.{digits(r, 5)}",
    "pmid": lambda r: f"PMID: {digits(r, 8)}",
    "pubmed": lambda r: f"PMC{digits(r, 7)}",
    "cve": lambda r: f"CVE-20{digits(r, 2)}-{digits(r, 5)}",
    "rfc": lambda r: f"RFC {digits(r, 4)}",
    "bug": lambda r: f"bug {digits(r, 7)}",
    "coord": lambda r: f"{r.uniform(0, 90):.6f}, -{r.uniform(0, 180):.6f}",
    "coord_int": lambda r: f"({digits(r, 3)}.{digits(r, 3)}, {digits(r, 3)}.{digits(r, 4)})",
    "dms": lambda r: (
        f"{r.randint(0, 89)}°{r.randint(0, 59):02}'{r.randint(0, 59):02}.{digits(r, 2)}\" N"
    ),
    "wkt": lambda r: (
        f"POINT({r.randint(100, 179)}.{digits(r, 4)} {r.randint(10, 89)}.{digits(r, 4)})"
    ),
    "utm": lambda r: f"17T {digits(r, 6)} {digits(r, 7)}",
    "hexdump": lambda r: f"{_hex(r, 8)}  " + " ".join(_hex(r, 2) for _ in range(16)),
    "hexdump_od": lambda r: (
        f"{digits(r, 7)} " + " ".join(f"{r.randint(0, 65535):06o}" for _ in range(8))
    ),
    "hexaddr": lambda r: f"0x{_hex(r, 16)}",
    "hexcol": lambda r: ":".join(_hex(r, 2).upper() for _ in range(20)),
    "fingerprint16": lambda r: ":".join(_hex(r, 2) for _ in range(16)),
    "decdump": lambda r: " ".join(str(r.randint(0, 255)) for _ in range(12)),
    "pi": lambda _: "3.14159265358979323846264338327950288",
    "e": lambda _: "2.718281828459045235360287",
    "const": lambda r: f"0.{digits(r, 30)}",
    "sci": lambda r: f"{digits(r, 1)}.{digits(r, 10)}e-{digits(r, 2)}",
    "mersenne": lambda r: str(r.getrandbits(90)),
    "fraction": lambda r: f"{digits(r, 6)}/{digits(r, 6)}",
    "log_pid": lambda r: (
        f"[{digits(r, 5)}.{digits(r, 6)}] usb {r.randint(1, 9)}-{r.randint(1, 9)}: device"
    ),
    "log_thread": lambda r: f"thread 1{r.randint(3, 9)}{digits(r, 9)}",
    "log_java": lambda r: f"20{digits(r, 2)}-01-02 03:04:05,{digits(r, 3)} INFO [{digits(r, 4)}]",
    "log_size": lambda r: f"size={digits(r, 10)} time={digits(r, 4)}ms",
    "log_mem": lambda r: f"{digits(r, 10)}-{digits(r, 10)}",
    "log_req": lambda r: f"req_id={digits(r, 11)}",
    "code_id": lambda r: f"id = {digits(r, 10)};",
    "code_const": lambda r: f"const int X = {digits(r, 10)};",
    "code_seed": lambda r: f"seed(1{r.randint(3, 9)}{digits(r, 9)})",
    "code_arr": lambda r: "{" + ", ".join(digits(r, 10) for _ in range(6)) + "}",
    "code_mod": lambda r: f"% {r.choice(['1000000007', '998244353', '2147483647'])}",
    "code_uuid": lambda r: (
        f"{{{_hex(r, 8)}-{_hex(r, 4)}-4{_hex(r, 3)}-a{_hex(r, 3)}-{_hex(r, 12)}}}"
    ),
    "code_3": lambda r: f"({digits(r, 3)}, {digits(r, 3)}, {digits(r, 4)})",
    "json_id": lambda r: f'{{"id": {r.randint(10**17, 10**18 - 1)}}}',
    "tweet_id": lambda r: f"status/{r.randint(10**18, 2 * 10**18)}",
    "url_id": lambda r: f"https://site.example/item/{r.randint(10**9, 10**10 - 1)}",
    "url_q": lambda r: f"https://site.example/?p={r.randint(10**10, 10**11 - 1)}",
    "css": lambda r: f"margin: {digits(r, 3)}px {digits(r, 3)}px {digits(r, 4)}px",
    "svg": lambda r: "M " + " ".join(f"{digits(r, 3)}.{digits(r, 2)}" for _ in range(8)),
    "svg_int": lambda r: "points=" + " ".join(f"{digits(r, 3)},{digits(r, 3)}" for _ in range(6)),
    "table3": lambda r: "  ".join(digits(r, r.randint(3, 6)) for _ in range(6)),
    "table_sp": lambda r: " ".join(digits(r, 4) for _ in range(6)),
    "table_344": lambda r: f"{digits(r, 3)} {digits(r, 3)} {digits(r, 4)} {digits(r, 3)}",
    "table_tab": lambda r: "\t".join(digits(r, r.randint(3, 7)) for _ in range(6)),
    "table_pipe": lambda r: " | ".join(digits(r, 4) for _ in range(5)),
    "table_dash": lambda r: f"{digits(r, 3)}-{digits(r, 3)}",
    "csv": lambda r: ",".join(digits(r, r.randint(4, 8)) for _ in range(6)),
    "year_range": lambda r: f"{r.randint(1900, 1999)}-{r.randint(2000, 2030)}",
    "years": lambda r: " ".join(str(r.randint(1900, 2030)) for _ in range(6)),
    "matrix_csv": lambda r: ", ".join(f"{digits(r, 1)}.{digits(r, 4)}" for _ in range(6)),
    "score": lambda r: f"{r.randint(0, 9)}-{r.randint(0, 9)}, {r.randint(0, 9)}-{r.randint(0, 9)}",
    "lotto": lambda r: "-".join(f"{r.randint(1, 49):02}" for _ in range(6)),
    "cas": lambda r: f"CAS {digits(r, 5)}-{digits(r, 2)}-{digits(r, 1)}",
    "chess": lambda _: "1. e4 e5 2. Nf3 Nc6",
    "nsn": lambda r: f"{digits(r, 4)}-{digits(r, 2)}-{digits(r, 3)}-{digits(r, 4)}",
    "vin": lambda r: "1HGCM82633A" + digits(r, 6),
    "imei": lambda r: f"IMEI {digits(r, 15)}",
    "flight": lambda r: f"flight {r.choice(['BA', 'LH', 'CA'])}{digits(r, 4)}",
    "mime": lambda r: f"boundary=----=_Part_{digits(r, 6)}_{digits(r, 10)}.{digits(r, 13)}",
    "msgid": lambda r: f"Message-Id {digits(r, 14)}.{_hex(r, 8).upper()}",
    "uucode": lambda r: (
        "M"
        + "".join(
            r.choice(string.ascii_uppercase + '0123456789!"#$%&()*+,-./:;<=>?') for _ in range(60)
        )
    ),
    "b64": lambda r: "".join(
        r.choice(string.ascii_letters + string.digits + "+/") for _ in range(76)
    ),
    "ratio": lambda r: f"{digits(r, 3)}:{digits(r, 3)}:{digits(r, 4)}",
    "ports": lambda r: f"0.0.0.0:{digits(r, 5)}",
    "mask": lambda _: "255.255.255.0",
    "decorator": lambda r: (
        f"@{r.choice(['property', 'override', 'Test', 'media', 'angular/core'])}"
    ),
    "npm": lambda r: f"@types/node@{r.randint(1, 20)}.{r.randint(0, 20)}.{r.randint(0, 20)}",
    "ssh": lambda _: "git@github.com:org/repo.git",
    "img2x": lambda _: "logo@2x.png",
    "scp": lambda r: f"user@host:/srv/{digits(r, 6)}",
}
