# SPDX-License-Identifier: Apache-2.0
"""Notices in six languages are flagged, AIGC labels read, agents classed; hostile input costs little."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.schemas.rights import SignalValue, UaPolicy
from muniment.transforms.rights.agents import agents_of, ai_agents
from muniment.transforms.rights.ai_txt import AiTxt
from muniment.transforms.rights.aigc import find_labels
from muniment.transforms.rights.aipref import read_content_usage
from muniment.transforms.rights.content_signal import read_content_signal
from muniment.transforms.rights.licence_tags import text_licences
from muniment.transforms.rights.literals import build_automaton, find_literals
from muniment.transforms.rights.marks import find_marks
from muniment.transforms.rights.notices import (
    _COPYRIGHTS,
    _RESERVATIONS,
    NOTICES,
    find_notices,
)
from muniment.transforms.rights.page import read_headers, read_tags
from muniment.transforms.rights.robots import RobotsFile
from muniment.transforms.rights.rsl import RslFile
from muniment.transforms.rights.tdmrep import TdmFile
from muniment.transforms.rights.x_robots import read_directives

RESERVED = [
    "This content may not be used to train machine learning models.",
    "Use for text and data mining is expressly reserved under Article 4 of Directive 2019/790.",
    "We prohibit AI training on our articles.",
    "Die Nutzung für Text und Data Mining im Sinne von § 44b UrhG ist vorbehalten.",
    "La fouille de textes et de données est interdite.",
    "L'éditeur s'oppose à la fouille de textes et de données.",
    "Queda reservada la minería de textos y datos: todos los derechos se reservan.",
    "未经书面许可，不得将本文用于训练人工智能模型。",
    "本網站內容禁止用於訓練模型。",
    "当サイトの文章をAIの学習に利用することを禁止します。",
]
CLAIMED = [
    "© 2024 Example Ltd",
    "Copyright (c) 2019, the authors",
    "All rights reserved.",
    "Alle Rechte vorbehalten.",
    "Tous droits réservés.",
    "Todos los derechos reservados.",
    "版权所有，未经许可禁止转载。",
    "無断転載を禁じます。",
]
PLAIN = [
    "The train may not be late.",
    "Gold mining is a hard trade.",
    "The museum is closed; no entry.",
    "训练有素的运动员。",
    "学習に利用する教材です。",
    "A right reserved seat.",
    None,
    "",
]


def notices_in(texts: pa.Array) -> list[str | None]:
    return find_notices(texts, find_marks(texts)).to_pylist()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("// SPDX-License-Identifier: GPL-2.0", "GPL-2.0"),
        ("/* (c) 2020 A\n SPDX-License-Identifier: MIT OR X */ int a; /* (c) 2021 */", "MIT OR X"),
        (
            "SPDX-License-Identifier: MIT\n" * 3 + "x" * 3000 + "\nSPDX-License-Identifier:MIT",
            "MIT",
        ),
        ("SPDX-License-Identifier: MIT\n" + "x" * 3000 + "\nSPDX-License-Identifier: X", None),
        ("(c) SPDX-License-Identifier: MIT # SPDX-License-Identifier: Zlib", None),
        ("SPDX-License-Identifier: " + "é" * 300, "é" * 200),
        ("spdx-license-identifier: MIT", None),
        ("SPDX-License-Identifier:\nMIT", None),
        ("", None),
        (None, None),
    ],
)
def test_a_licence_tag_holds_to_the_end_of_its_line_and_tags_must_agree(text, named):
    texts = pa.array(["before", text, "after"], pa.string())[1:]
    assert text_licences(texts, find_marks(texts)).to_pylist() == [named, None]


def test_notices_are_flagged_in_six_languages():
    rows = [(text, "reservation") for text in RESERVED] + [(text, "copyright") for text in CLAIMED]
    rows += [(text, None) for text in PLAIN]
    found = notices_in(pa.array([text for text, _ in rows]))
    assert list(zip([text for text, _ in rows], found, strict=True)) == rows
    assert notices_in(pa.array(["a", "© 2020 B", "c"])[1:]) == ["copyright", None]


@given(st.lists(st.text(alphabet="abcé©", max_size=40) | st.none(), max_size=6))
def test_the_automaton_finds_what_a_search_finds(texts):
    groups = ("ab", "b©"), ("éc", "cc", "b")
    literals = [(word.encode(), bit) for bit, words in enumerate(groups) for word in words]
    hits = find_literals(pa.array(texts, pa.string()), build_automaton(*groups))
    for row, text in enumerate(texts):
        raw, own = (text or "").encode(), hits.row == row
        ends = {
            at + len(word): bit
            for at in range(len(raw))
            for word, bit in literals
            if raw.startswith(word, at)
        }
        assert set(hits.end[own].tolist()) <= set(ends)
        assert min(hits.end[own], default=None) == min(ends, default=None)
        found = int(np.bitwise_or.reduce(hits.groups[own], initial=0))
        assert found == sum(
            any(word in raw for word, of in literals if of == bit) << bit for bit in range(2)
        )


_PIECES = st.sampled_from(
    [
        *RESERVED,
        *CLAIMED,
        *(text for text in PLAIN if text),
        "é" * 300,
        "\n",
        " ",
        "x" * 700,
        "(c)",
        "©",
    ]
)


@given(st.lists(_PIECES, max_size=6), st.integers(0, 40))
def test_searching_around_literals_finds_what_searching_whole_texts_finds(pieces, cut):
    text = "".join(pieces)[cut:]
    found = notices_in(pa.array(["before", text]))[1]
    assert found == next(
        (
            word
            for word, patterns in zip(NOTICES, (_RESERVATIONS, _COPYRIGHTS), strict=True)
            if pc.match_substring_regex(pa.array([text]), "|".join(patterns), ignore_case=True)[
                0
            ].as_py()
        ),
        None,
    )


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("---\nAIGC:\n  Label: '1'\n  ContentProducer: p\n---\ntext", "generated"),
        ('---\ntitle: t\nAIGC: {"Label": "2", "ProduceID": "x"}\n---\ntext', "possibly_generated"),
        ("\ufeff---\nAIGC:\n  ContentProducer: p\n  Label: 3\n---\n", "suspected"),
        ("---\nAIGC:\n  Label: generated\n---\n", "labelled"),
        ("---\ntitle: t\n---\nAIGC:\n  Label: '1'\n", None),
        ("AIGC:\n  Label: '1'\n", None),
        ("---" + "\n" * 9000 + "AIGC:\n  Label: '1'\n", None),
        (None, None),
    ],
)
def test_the_aigc_label_is_read_from_front_matter(text, mark):
    # GB 45438-2025, annex E
    assert find_labels(pa.array(["x", text])).to_pylist() == [None, mark]


def test_agents_are_classed_and_a_policy_says_whose_rules_count():
    agents = ai_agents()
    assert len(agents) > 70
    assert agents["gptbot"] == agents["ccbot"] == agents["google-extended"] == "train"
    assert (agents["oai-searchbot"], agents["chatgpt-user"]) == ("search", "user")
    names = {"crawler": "MyCrawler/2.1", "own_token": "OurBot"}
    assert agents_of(UaPolicy.CRAWLER_ONLY, **names) == ("mycrawler",)
    assert agents_of(UaPolicy.CRAWLER_ONLY, crawler=None, own_token=None) == ("*",)
    assert agents_of(UaPolicy.OWN_TOKEN, **names) == ("ourbot",)
    trainers = set(agents_of(UaPolicy.ANY_TRAIN_AGENT, **names))
    assert {"gptbot", "mycrawler", "ourbot", "*"} <= trainers
    assert "oai-searchbot" in set(agents_of(UaPolicy.ANY_AI_AGENT, **names)) - trainers


GARBAGE = st.binary(max_size=300) | st.text(max_size=200).map(str.encode)


@given(GARBAGE)
def test_what_cannot_be_read_never_permits(data):
    text = data.decode("latin-1")
    readings = [
        read_content_usage([text]) if "train-ai=y" not in text else None,
        read_content_signal([text]) if "yes" not in text.lower() else None,
        read_directives([text], ["*"]),
        TdmFile(data).read("/") if b"0" not in data else None,
        RslFile(data).read("/"),
        AiTxt(data).read("/") if b"llow" not in data.lower() else None,
        *RobotsFile(data, ["*"]).read("/x"),
        *read_headers(text, ["*"]).signals.values(),
        *read_tags(text, ["*"]).signals.values(),
    ]
    for reading in readings:
        assert reading is None or reading.value is not SignalValue.ALLOW


def test_hostile_robots_txt_costs_little():
    agents = tuple(ai_agents())
    many = "".join(f"User-agent: {agent}\n" for agent in agents) + "Disallow: /*a*b*c*d\n" * 9_000
    file = RobotsFile(many.encode(), agents)
    assert file.read("/" + "abc" * 500).robots.status != "ok"
    repeated = "User-agent: gptbot\n" * 20_000 + "Allow: /\n" * 10_000
    assert RobotsFile(repeated.encode(), agents).read("/x").robots.value is SignalValue.UNKNOWN
