# SPDX-License-Identifier: Apache-2.0
"""The questions people ask of a release, each with a name and one tested SQL statement.

`NAMED_QUERIES` is the whole list; the statement of the query `by-source` is in
`queries/by-source.sql`. The card prints the name of the query behind each of its numbers, so
`muniment query --named by-source` shows where a number came from.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import TYPE_CHECKING

from ..schemas.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Mapping

Value = str | int | float | bytes


@dataclass(frozen=True)
class Arg:
    """One argument of a named query.

    Args:
        name: Its name; `$name` in the SQL.
        kind: What its text must be: `id` (32 hexadecimal digits), `count`, `number` or `word`.
        meaning: What it is, in a few words.
        default: Its value where none is given; None makes it mandatory.
    """

    name: str
    kind: str
    meaning: str
    default: str | None = None

    def parse(self, text: str) -> Value:
        """Return the value that a text stands for.

        Raises:
            QueryError: The text is not of this kind.
        """
        if self.kind == "id" and re.fullmatch(r"[0-9a-fA-F]{32}", text):
            return bytes.fromhex(text)
        if self.kind == "count" and re.fullmatch(r"[0-9]{1,9}", text):
            return int(text)
        if self.kind == "number" and re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
            return float(text)
        if self.kind == "word":
            return text
        raise QueryError(f"--arg {self.name}: expected {_KINDS[self.kind]}, got {text!r}")


_KINDS = {
    "id": "32 hexadecimal digits",
    "count": "a whole number",
    "number": "a number such as 0.05",
    "word": "a word",
}


@dataclass(frozen=True)
class NamedQuery:
    """One question with the SQL that answers it.

    Args:
        name: Short name, and the name of its file in `queries/`.
        question: The question, as a user would ask it.
        audience: Who asks: legal, compliance, engineer or researcher.
        args: Its arguments.
    """

    name: str
    question: str
    audience: str
    args: tuple[Arg, ...] = ()

    @cached_property
    def sql(self) -> str:
        """Return the statement; `$name` stands for an argument."""
        place = resources.files(__package__).joinpath("queries", f"{self.name}.sql")
        return place.read_text(encoding="utf-8")

    def bind(self, given: Mapping[str, str]) -> dict[str, Value]:
        """Return the value of every argument, from texts and defaults.

        Raises:
            QueryError: An argument is unknown, missing or malformed.
        """
        names = [arg.name for arg in self.args]
        unknown = sorted(set(given) - set(names))
        if unknown:
            takes = ", ".join(names) or "no arguments"
            raise QueryError(f"--arg {unknown[0]}: query {self.name!r} takes {takes}")
        values: dict[str, Value] = {}
        for arg in self.args:
            text = given.get(arg.name, arg.default)
            if text is None:
                raise QueryError(f"query {self.name!r} needs --arg {arg.name}=... ({arg.meaning})")
            values[arg.name] = arg.parse(text)
        return values


_DOC_ID = Arg("doc_id", "id", "id of a document")
_LIMIT = Arg("limit", "count", "most rows to show", "50")

NAMED_QUERIES: tuple[NamedQuery, ...] = (
    # What it is and whether it adds up
    NamedQuery("totals", "How large is the release?", "researcher"),
    NamedQuery("run", "With what was it made?", "engineer"),
    NamedQuery("books", "Is every record read kept, removed or quarantined?", "engineer"),
    NamedQuery("inputs", "What became of each input file?", "engineer"),
    NamedQuery("corpus-files", "What is in each file of the corpus?", "engineer"),
    NamedQuery("metrics", "What else was counted?", "engineer"),
    # Where it comes from and on which basis
    NamedQuery("sources", "What is declared about each source?", "legal"),
    NamedQuery("by-source", "How much came from each source, and how much stayed?", "compliance"),
    NamedQuery("public-datasets", "Which public data sets must be named (EU 2.1)?", "compliance"),
    NamedQuery("domains", "Which domains gave most of the corpus?", "researcher", (_LIMIT,)),
    NamedQuery(
        "domain",
        "What came from this domain or host, and on which basis?",
        "legal",
        (Arg("domain", "word", "domain or host name"),),
    ),
    NamedQuery("eu-domains", "Which domains must be named (EU 2.3, top 10 %)?", "compliance"),
    NamedQuery("eu-domains-sme", "Which domains must a small provider name?", "compliance"),
    NamedQuery(
        "concentration",
        "Which domains hold more than this share of the corpus?",
        "researcher",
        (Arg("share", "number", "share of the tokens", "0.05"),),
    ),
    NamedQuery("by-licence", "Under which licences is the corpus?", "legal"),
    NamedQuery("unknown-licence", "Which sources hold documents without a known licence?", "legal"),
    NamedQuery("rights", "How much do we not know about rights?", "compliance"),
    NamedQuery("unknowns", "Which share of the corpus is unknown in some respect?", "compliance"),
    NamedQuery("lists", "Which opt-out lists were used, and did their canaries pass?", "legal"),
    # What is in it
    NamedQuery("by-language", "In which languages is it?", "researcher"),
    NamedQuery("by-year", "Of which years is it?", "researcher"),
    NamedQuery("shares", "Which share has each language, licence, source, year?", "researcher"),
    # What was left out and why
    NamedQuery("funnel", "How many documents does each rule leave?", "engineer"),
    NamedQuery("reasons", "Why were documents removed or quarantined?", "compliance"),
    NamedQuery("why", "Why was this document removed or kept?", "legal", (_DOC_ID,)),
    NamedQuery("rules", "Which rules were in force, on which basis?", "compliance"),
    NamedQuery(
        "rule-off",
        "What would come back without this rule?",
        "researcher",
        (Arg("rule", "word", "rule id, see `rules`"),),
    ),
    NamedQuery(
        "near-threshold",
        "How many decisions were close?",
        "engineer",
        (Arg("margin", "number", "distance from the threshold", "0.02"),),
    ),
    NamedQuery("removal-by-language", "Do the rules remove more of a language?", "researcher"),
    NamedQuery("shadow", "What would the rules in shadow remove?", "engineer"),
    NamedQuery("quarantine", "What could not be judged?", "engineer"),
    NamedQuery("unexplained", "Which decisions lack their reason? (must be empty)", "engineer"),
    NamedQuery("leaks", "What was kept against a rule? (must be empty)", "compliance"),
    # Duplicates
    NamedQuery("duplicates", "How many copies were found?", "researcher"),
    NamedQuery("duplicate-clusters", "Which clusters are largest?", "engineer", (_LIMIT,)),
    NamedQuery("duplicate-cluster", "Which documents are copies of this one?", "legal", (_DOC_ID,)),
    NamedQuery("tainted", "What was kept that copies an opted-out document?", "legal"),
    NamedQuery("s-curve", "How likely is a pair of some similarity to be found?", "researcher"),
    NamedQuery("jaccard", "How similar were the copies?", "researcher"),
    # Personal data and safety
    NamedQuery("pii", "What personal data was found, and what is left?", "compliance"),
    NamedQuery("pii-grades", "How grave is the personal data found?", "compliance"),
    NamedQuery("toxicity", "Which languages were scored for toxicity?", "researcher"),
    NamedQuery("toxicity-sweep", "What would another toxicity threshold remove?", "researcher"),
    NamedQuery("models", "Which models measured?", "engineer"),
)
"""Every named query, grouped as `muniment query --list` shows them."""


def list_named() -> str:
    """Return the list of named queries as text: name, question, arguments."""
    width = max(len(query.name) for query in NAMED_QUERIES)
    lines = []
    for query in NAMED_QUERIES:
        args = " ".join(
            f"{arg.name}=..." if arg.default is None else f"[{arg.name}={arg.default}]"
            for arg in query.args
        )
        lines.append(f"{query.name:{width}}  {query.question} {args}".rstrip())
    return "\n".join(lines) + "\n"
