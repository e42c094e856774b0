# SPDX-License-Identifier: Apache-2.0
"""Personal data in real pages: what only looks like it, lists of it, and nothing left behind."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.transforms.pii import ENTITY, RedactionPolicy, detect, redact

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import pii_speed

KEY = bytes(range(32))
ENGLISH = pa.array(["en"])


def values(text: str) -> list[str]:
    """Return what would be replaced in a text."""
    spans = detect(pa.array([text]), ENGLISH, key=KEY).spans.to_pylist()
    return [
        text[span["start"] : span["end"]]
        for span in spans
        if ENTITY[span["entity_type"]].action != "keep"
    ]


def redacted(text: str) -> str:
    texts = pa.array([text])
    return redact(texts, detect(texts, ENGLISH, key=KEY).spans, RedactionPolicy())[0].as_py()


NOT_PERSONAL = [
    # Headings after a word for a secret.
    "4.2.9. 管理员密码\n4.2.10. 创建第一个用户",
    "OpenPGP 签名密钥\nSelect your key from the list",
    "修改既有的帐号或密码\n8.4.4. 帐号禁用",
    "选择该密钥。OpenPGP",
    # Words for a password, not one.
    "smb://user:password@server/printer",
    "smb://utilisateur:motdepasse@serveur/imprimante",
    # A list of parts: German numbers by their digits, not split where the area code ends.
    "(MAKER)\n096400-0920\n096400-0143\n096540-0080\n",
    # Versions, revisions, numbers of sections.
    "retrieving revision 1.115.2.11",
    "retrieving revision 61.7.20.33\nretrieving revision 61.7.20.34",
    "telist_ips.t,v\nretrieving revision 1.1.2.2",
    "and of a description: 3.1.4.2",
    "see the text.\n12.2.2.3. Creating the Container",
    "(siehe Abschnitt 14.3.4.2, „Pakete prüfen“)",
    "\n17.20.2.3 Virtual domains",
    "kernel 21.44.6.18",
    "--- white_ips.t\t24 Sep 2002 18:51:38 -0000\t61.91.20.7",
    "> >>>>>>> 1.68.2.10",
    "from the package of that name; see 14.3.4.2 – Auditing",
    # Tables of numbers, decimals, draws, dumps.
    'Modeline "800x600" 36 800 824 896 1024 600 601 603 625',
    "-1.49410383304834\n2.39148041275001\n-0.409911360506096",
    "1 468 334 604\n1 468 334 606\n1 468 334 666",
    "response:\n01 01 00 00 00 00 00 00 00 00",
    "drew the lucky numbers 37-13-34-85-56-42",
    "Angabe 01.01.2000 14:00 zu der Zahl",
    # Words that are cues elsewhere.
    "Microsoft Office 97/2000 compatible encryption",
    "Microsoft Office 2000 69.99!",
    'the text "000123" becomes the number',
    '=TEXT(12.34567;"###.##")',
    # Articles and messages in addresses of pages.
    "http://shop.example/tg/detail/-/0596003161/ref=no",
    "http://shop.example/?product_id=0735613788&partner=65",
    "http://list.example/unsub.php?msgid=18090200013",
    "--==_Exmh_16073047980--",
    # Measures and machines are no streets, packages no flats, codes no postcodes.
    "about 6 million square feet",
    "a 45 minute drive",
    "a 10 GB hard drive, 10.0 GB hard drive, ATA/100 Apple Drive",
    "opp til 2 TiB større disker",
    "I have a working apt 0.5.4 package",
    "XML Spy Suite 4.4",
    "deliver mail to 40 of them, disconnect",
    "port, address 00 10 5a 3e 0e 48, IRQ 5",
    "on the block 7 AM CT tomorrow",
    "x32 CD-RW / 8x DVD-ROM Combo Drive",
    "--= Multipart Boundary 0802010258",
    "PlayStation 3 BD Remote Control",
    "fuchsia\nFF00FF\nlavender\nE6E6FA",
    "JVC XV-S502SL, Stylus C60SU",
    "in <the\n# falcot.example> comment",
    "/wXphNIh7Bs2+eB9ERAujuqi6 tn.jsp?t=e9iqjsn6.wxb5wqn6&p",
    "黄金日搜盡崖窟\n馬蹄路南村有社",
]


@pytest.mark.parametrize("text", NOT_PERSONAL)
def test_what_only_looks_like_personal_data_is_left_alone(text: str) -> None:
    assert values(text) == []


STILL_FOUND = [
    ("密码：h7Kq92pLw", "h7Kq92pLw"),
    ("密码是hunter22", "hunter22"),
    ("登录密码 h7Kq92pLwX", "h7Kq92pLwX"),
    ("ftp://jane:tr0ub4dor@host.example/", "tr0ub4dor"),
    ("login from 1.1.2.2", "1.1.2.2"),
    ("nameserver 9.9.9.9", "9.9.9.9"),
    ("seen at 86.231.85.193. Then", "86.231.85.193"),
    ("text me at 555 0132", "555 0132"),
    ("erreichbar unter 06221-123456 am Abend", "06221-123456"),
    ("Office: 020 7946 0958", "020 7946 0958"),
    ("https://x.example/?phone=13800138000", "13800138000"),
    ("contact_13800138000_x", "13800138000"),
    ("I live at 12 Baker Street, London W1U 6TN", "12 Baker Street, London W1U 6TN"),
    ("in Fife, KY11 1JX, Scotland", "KY11 1JX"),
    ("London SW1A1AA", "SW1A1AA"),
    ("MAC 37-13-34-85-56-42", "37-13-34-85-56-42"),
    ("4111 1111 1111\n1111", "4111 1111 1111\n1111"),
    ("文의 전화 02-2613-1470", "02-2613-1470"),
    ("vx：jane_88k", "jane_88k"),
]


@pytest.mark.parametrize(("text", "value"), STILL_FOUND)
def test_the_real_thing_beside_it_is_still_found(text: str, value: str) -> None:
    assert value in values(text)


LISTS = [
    ("Phone: (0)31 772 5431, (0)707 53 57 57", ["(0)31 772 5431", "(0)707 53 57 57"]),
    ("Fax: +91 11 463 3506, 462 3320", ["+91 11 463 3506", "462 3320"]),
    ("Tel : 852-24218309      852-24259526", ["852-24218309", "852-24259526"]),
    ("电话：83502440、83502441；83502442", ["83502440", "83502441", "83502442"]),
    ("call 555 0132 or 555 0133", ["555 0132", "555 0133"]),
    ("Call 800-215-4490 (24 hours)", ["800-215-4490"]),
]


@pytest.mark.parametrize(("text", "numbers"), LISTS)
def test_every_number_of_a_list_is_found_at_once(text: str, numbers: list[str]) -> None:
    assert values(text) == numbers


@pytest.mark.parametrize("behind", ["600 601 603", ", 462 3320", "-24259526", ": 83502441"])
def test_the_label_of_a_placeholder_is_no_cue(behind: str) -> None:
    assert values(f"36 800 [PHONE]{behind}") == []
    assert values(f"密码：[SECRET]\n[PASSWORD] 密钥 [SECRET]{behind}") == []


IDENTIFIERS = [
    "jane@example.com",
    "13800138000",
    "11010519491231002X",
    "4111 1111 1111 1111",
    "+1 415-555-0132",
    "(0)31 772 5431",
    "852-24259526",
    "462 3320",
    "GB82WEST12345698765432",
    "86.231.85.193",
    "1.1.2.2",
    "141-01-9056",
    "SW1A 1AA",
    "12 Baker Street",
    "h7Kq92pLw",
    "1990-01-12",
    "600 601 603",
]
CUES = ["", "Tel: ", "Phone ", "电话", "密码：", "password=", "born on ", "address: ", "ip ", "QQ"]
SEPARATORS = [
    ", ",
    " / ",
    ";",
    "、",
    " or ",
    "和",
    "-",
    " ",
    "   ",
    "\n",
    "|",
    ".",
    " (",
    ") ",
    "[",
    "#",
]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(CUES), st.sampled_from(IDENTIFIERS), st.sampled_from(SEPARATORS)),
        min_size=1,
        max_size=8,
    )
)
def test_nothing_is_found_in_a_redacted_list(parts: list[tuple[str, str, str]]) -> None:
    assert values(redacted("".join(cue + value + gap for cue, value, gap in parts))) == []


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 10**7).map(str), min_size=1, max_size=12), st.sampled_from(" -./"))
def test_nothing_is_found_in_a_redacted_row_of_numbers(numbers: list[str], gap: str) -> None:
    assert values(redacted("Tel " + gap.join(numbers))) == []


def test_speed_benchmark_reports_rates_and_ratios(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = {"text": ["a@example.com", "no", "电话13800138000"], "lang": ["en", "en", "zh"]}
    pq.write_table(pa.table(rows), tmp_path / "part.parquet")
    assert pii_speed.main([str(tmp_path), "--part", "structured"]) == 0
    out = json.loads(capsys.readouterr().out)
    assert out["structured"]["documents"] == 3
    assert out["structured"]["spans"] == 2
    assert out["structured"]["mb_per_s"] > 0
    sizes: list[int] = []
    row = pii_speed.timed(lambda text: sizes.append(len(text)), pii_speed.repeated("ab|"), (30, 60))
    assert sizes == [30, 30, 60, 60]
    assert len(row["ms"]) == 2
    assert row["ratio"] is None
    rows = {"a": row, "b": {**row, "s_per_mb": 9.0}}
    assert list(pii_speed.worst(rows, "s_per_mb", 1)) == ["b"]


def test_speed_sample_is_english_spread_and_bounded() -> None:
    texts = pa.array(["x" * 1_000] * 100 + ["中" * 1_000] * 100, pa.large_string())
    langs = pa.array(["en"] * 100 + ["zh"] * 100)
    chosen = pii_speed.sample(texts, langs, 0.01)
    assert len(chosen) == 10
    assert set(chosen.to_pylist()) == {"x" * 1_000}


@pytest.mark.parametrize(
    "text",
    [
        "总计19993754788元",
        "播放量13142814247次，",
        "编号13383080723",
        "15152007073 bytes",
        "thread 17768741473",
        "seed(13475823466)",
        "req_id=15344606619",
        "libfoo-47.49.53.47.tar.gz",
        "10.2826/j.cell.2004.55.658",
        "58811  021384  417  517703  594  7375",
        "2805 5579 5666 6459 2045 6333",
        "M 128.65 141.10 159.30 001.94 045.86 247.46",
        "{5766521096, 2119158906, 0883204509, 8543954976}",
        "git@github.com:org/repo.git",
    ],
)
def test_numbers_of_things_in_code_tables_and_amounts_are_nobodys(text: str) -> None:
    spans = detect(pa.array([f"see {text} there"]), pa.array(["en"]), key=KEY).spans
    assert spans["entity_type"].to_pylist() == []


@pytest.mark.parametrize(
    "text",
    ["13142814247次日来电", "13142814247个人电话", "4111 1111 1111 1111", "4111 1111 1111 1111 5555 5555 5555 4444", "me@github.com: hello", "git@example.com said", "415 555 2671"],
)  # fmt: skip
def test_and_what_is_like_them_is_still_found(text: str) -> None:
    assert detect(pa.array([f"see {text} there"]), pa.array(["en"]), key=KEY).spans.num_rows
