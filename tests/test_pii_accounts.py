# SPDX-License-Identifier: Apache-2.0
"""Accounts of social networks, where the text says so; and what else begins with an @."""

from __future__ import annotations

import pyarrow as pa
import pytest

from muniment.transforms.pii import RedactionPolicy, detect, redact

KEY = bytes(range(32))

ACCOUNTS = [
    ("Find me on Twitter: @jane_88k, thanks", "jane_88k"),
    ("IG @jane.doe for pictures", "jane.doe"),
    ("my handle is @jdoe42", "jdoe42"),
    ("Follow me @jdoe42!", "jdoe42"),
    ("follow us on instagram @little_bakery", "little_bakery"),
    ("RT @janedoe: so true", "janedoe"),
    ("@janedoe no worries", "janedoe"),
    ("so happy for you (@janedoe) :)", "janedoe"),
    ("love this " + "so " * 400 + "RT @janedoe: yes", "janedoe"),
    ("@ janedoe no worries", "janedoe"),
    ("the beach at @ jane_doe today", "jane_doe"),
    ("DM me at @janedoe please", "janedoe"),
    ("ask @janedoe on Mastodon", "janedoe"),
    ("Twitter handle: janedoe", "janedoe"),
    ("skype: jane_doe77", "jane_doe77"),
    ("her Discord username is jane_doe", "jane_doe"),
    ("see https://twitter.com/janedoe today", "janedoe"),
    ("https://www.twitter.com/janedoe/status/12345", "janedoe"),
    ("<a href='http://instagram.com/jane.doe/'>", "jane.doe"),
    ("https://www.linkedin.com/in/jane-doe-8a1b2", "jane-doe-8a1b2"),
    ("https://github.com/janedoe", "janedoe"),
    ("https://t.me/janedoe99.", "janedoe99"),
    ("https://www.tiktok.com/@jane.doe", "jane.doe"),
    ("https://bsky.app/profile/janedoe", "janedoe"),
]

NO_ACCOUNTS = [
    "@property\ndef name(self): ...",
    "import discord\n@client.event\nasync def on_ready(): ...",
    "npm install @actions/core",
    "GitHub: @actions/core is a package",
    "@Override public void run() {}",
    "@media (max-width: 600px) { }",
    "@charset 'utf-8'; @import url(x.css);",
    "@param name the name, @return nothing",
    "@article{doe2001, title={On}}",
    "meet @ noon, 3 apples @ 2 each",
    "user @ host",
    "lunch @ work, then the gym",
    "The class is annotated with @Deprecated, see @author there.",
    "a word " * 200 + "@janedoe and more",
    "follow @Component(selector) in the guide",
    "https://github.com/apache/beam",
    "https://twitter.com/share?url=x",
    "https://twitter.com/search?q=x and https://twitter.com/hashtag/x",
    "https://www.facebook.com/sharer.php?u=x",
    "https://netflix.com/browse https://foo-x.com/janedoe",
    "my twitter account is suspended",
    "Twitter: The company said so",
    "Twitter handle: none",
    "git@github.com:apache/beam.git",
]


def accounts(text: str) -> list[str]:
    """Return the accounts found in a text, without their @."""
    spans = detect(pa.array([text]), pa.array(["en"]), key=KEY).spans.to_pylist()
    return [
        text[span["start"] : span["end"]].lstrip("@ ")
        for span in spans
        if span["entity_type"] == "SOCIAL_ACCOUNT"
    ]


@pytest.mark.parametrize(("text", "value"), ACCOUNTS)
def test_an_account_that_the_text_calls_one_is_found_and_replaced_for_good(
    text: str, value: str
) -> None:
    assert accounts(text) == [value]
    texts = pa.array([text])
    once = redact(texts, detect(texts, pa.array(["en"]), key=KEY).spans, RedactionPolicy())
    assert value not in once[0].as_py()
    assert not len(detect(once, pa.array(["en"]), key=KEY).spans)


@pytest.mark.parametrize("text", NO_ACCOUNTS)
def test_an_at_sign_alone_makes_no_account(text: str) -> None:
    assert accounts(text) == []


def test_half_of_a_mail_address_is_no_account() -> None:
    assert accounts("Twitter or jane@example-mail.org") == []
    assert accounts("add me@bigmail.org please") == []
