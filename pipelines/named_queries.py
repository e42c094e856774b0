# SPDX-License-Identifier: Apache-2.0
"""The questions people ask of a release, each with a name and one tested SQL statement.

`NAMED_QUERIES` is the whole list; the statement of the query `by-source` is in
`queries/by-source.sql`. The card prints the name of the query behind each of its numbers, so
`muniment query --named by-source` shows where a number came from.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from importlib import resources
from typing import TYPE_CHECKING

from ..schemas.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Mapping

Value = str | int | float | bytes | date


@dataclass(frozen=True)
class Arg:
    """One argument of a named query.

    Args:
        name: Its name; `$name` in the SQL.
        kind: What its text must be: `id` (32 hexadecimal digits), `count`, `number`, `date` or
            `word`.
        meaning: What it is, in a few words.
        default: Its value where none is given, `today` for this day; None makes it mandatory.
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
        if self.kind == "date":
            try:
                return datetime.now(UTC).date() if text == "today" else date.fromisoformat(text)
            except ValueError:
                pass
        if self.kind == "word":
            return text
        raise QueryError(f"--arg {self.name}: expected {_KINDS[self.kind]}, got {text!r}")


_KINDS = {
    "id": "32 hexadecimal digits",
    "count": "a whole number",
    "number": "a number such as 0.05",
    "date": "a date such as 2026-01-31, or today",
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
        number: Its number among the questions that a release must answer, `Q01` to `Q32`.
        gate: Condition that a row of the answer meets if it must stop a release; None for queries
            that stop nothing.
        compares: Whether it compares with an earlier release: the parent, or `--arg before=ID`.
        restricted: Whether it reads restricted tables; it answers nothing where they are not.
        everywhere: Whether it is asked of every release of the folder, not of one.
    """

    name: str
    question: str
    audience: str
    args: tuple[Arg, ...] = ()
    number: str = ""
    gate: str | None = None
    compares: bool = False
    restricted: bool = False
    everywhere: bool = False

    @cached_property
    def sql(self) -> str:
        """Return the statement; `$name` stands for an argument."""
        place = resources.files(__package__).joinpath("queries", f"{self.name}.sql")
        return place.read_text(encoding="utf-8")

    @property
    def header(self) -> str:
        """Return the comment that its file starts with: number, question, arguments."""
        number = f"{self.number} " if self.number else ""
        args = ", ".join(f"${arg.name} ({arg.meaning})" for arg in self.args) or "none"
        words = f"{number}{self.name}: {self.question} Args: {args}."
        return "".join(f"-- {line}\n" for line in textwrap.wrap(words, 96))

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
_DAY = Arg("asof", "date", "the day to judge from", "today")
_SMALL = Arg("k", "count", "least documents of a group that is shown", "11")
_REQUEST = Arg("request", "word", "request id, see table requests")

NAMED_QUERIES: tuple[NamedQuery, ...] = (
    # What it is and whether it adds up
    NamedQuery("totals", "How large is the release?", "researcher"),
    NamedQuery("run", "With what was it made?", "engineer"),
    NamedQuery(
        "books",
        "Does what was read add up, by record, byte and token?",
        "engineer",
        number="Q11",
        gate="difference <> 0",
    ),
    NamedQuery("inputs", "What became of each input file?", "engineer"),
    NamedQuery("corpus-files", "What is in each file of the corpus?", "engineer"),
    NamedQuery("metrics", "What else was counted?", "engineer"),
    NamedQuery(
        "energy",
        "How much energy did it take (estimated from CPU time)?",
        "compliance",
        (
            Arg("watts", "number", "power of one busy core", "12"),
            Arg("pue", "number", "overhead of the data centre", "1.67"),
            Arg("grams", "number", "g CO2e of a kWh", "475"),
        ),
        number="Q30",
    ),
    # Where it comes from and on which basis
    NamedQuery("sources", "What is declared about each source?", "legal"),
    NamedQuery("by-source", "How much came from each source, and how much stayed?", "compliance"),
    NamedQuery(
        "public-datasets",
        "Which public data sets must be named (EU 2.1)?",
        "compliance",
        number="Q10",
    ),
    NamedQuery("domains", "Which domains gave most of the corpus?", "researcher", (_LIMIT,)),
    NamedQuery(
        "domain",
        "What came from this domain or host, and on which basis?",
        "legal",
        (Arg("domain", "word", "domain or host name"),),
        number="Q02",
    ),
    NamedQuery(
        "eu-domains",
        "Which domains must be named (EU 2.3, top 10 %)?",
        "compliance",
        number="Q08",
    ),
    NamedQuery(
        "eu-domains-sme", "Which domains must a small provider name?", "compliance", number="Q09"
    ),
    NamedQuery(
        "concentration",
        "Which domains hold more than this share of the corpus?",
        "researcher",
        (Arg("share", "number", "share of the tokens", "0.05"),),
        number="Q28",
    ),
    NamedQuery("by-licence", "Under which licences is the corpus?", "legal"),
    NamedQuery(
        "credits", "Who is credited for how many tokens, in which words?", "legal", number="Q07"
    ),
    NamedQuery(
        "unknown-licence",
        "Which sources hold documents without a known licence?",
        "legal",
        number="Q31",
    ),
    NamedQuery(
        "illegal-sources",
        "Which sources have too much illegal content, by their samples?",
        "compliance",
        number="Q19",
        gate="too_much AND NOT blacklisted",
    ),
    NamedQuery("rights", "How much do we not know about rights?", "compliance", number="Q17"),
    NamedQuery("protocols", "What did each protocol say, and how often did it decide?", "legal"),
    NamedQuery(
        "signals",
        "Which rights signals does this document have, which decided, when was it seen?",
        "legal",
        (_DOC_ID,),
    ),
    NamedQuery(
        "later-denials",
        "Which documents in the corpus does a later file of their site reserve?",
        "legal",
        number="Q18",
    ),
    NamedQuery(
        "marks",
        "Which sources hold texts with a copyright or reservation notice, or marked as generated?",
        "compliance",
    ),
    NamedQuery("unknowns", "Which share of the corpus is unknown in some respect?", "compliance"),
    # Lists and requests
    NamedQuery("lists", "Which opt-out lists were used, and did their canaries pass?", "legal"),
    NamedQuery(
        "stale-lists",
        "Which lists are too old, or missed a canary? (must be empty)",
        "engineer",
        (_DAY, Arg("days", "count", "most days since it was retrieved", "7")),
        number="Q23",
        gate="true",
    ),
    NamedQuery(
        "request",
        "Which documents does this request meet, and which of them were kept?",
        "legal",
        (_REQUEST,),
        number="Q03",
    ),
    NamedQuery("overdue", "Which requests are overdue?", "compliance", (_DAY,), number="Q25"),
    NamedQuery(
        "request-leaks",
        "What was kept that a request takes out? (must be empty)",
        "compliance",
        number="Q32",
        gate="true",
    ),
    NamedQuery(
        "erasures",
        "What was erased from this release since it was made, on which request, and when?",
        "compliance",
    ),
    # What is in it
    NamedQuery("by-language", "In which languages is it?", "researcher"),
    NamedQuery("by-year", "Of which years is it?", "researcher"),
    NamedQuery(
        "shares",
        "Which share has each language, licence, source, year?",
        "researcher",
        number="Q05",
    ),
    # What was left out and why
    NamedQuery("funnel", "How many documents does each rule leave?", "engineer", number="Q13"),
    NamedQuery("reasons", "Why were documents removed or quarantined?", "compliance"),
    NamedQuery("why", "Why was this document removed or kept?", "legal", (_DOC_ID,), number="Q01"),
    NamedQuery("rules", "Which rules were in force, on which basis?", "compliance"),
    NamedQuery(
        "rule-off",
        "What would come back without this rule?",
        "researcher",
        (Arg("rule", "word", "rule id, see `rules`"),),
        number="Q14",
    ),
    NamedQuery(
        "near-threshold",
        "How many decisions were close?",
        "engineer",
        (Arg("margin", "number", "distance from the threshold", "0.02"),),
        number="Q29",
    ),
    NamedQuery(
        "removal-by-language",
        "Do the rules remove more of a language?",
        "researcher",
        number="Q16",
    ),
    NamedQuery("shadow", "What would the rules in shadow remove?", "engineer"),
    NamedQuery("quarantine", "What could not be judged?", "engineer"),
    NamedQuery(
        "unexplained",
        "Which decisions lack their reason? (must be empty)",
        "engineer",
        number="Q12",
        gate="true",
    ),
    NamedQuery(
        "leaks",
        "What was kept against a rule? (must be empty)",
        "compliance",
        number="Q12",
        gate="true",
    ),
    # Releases
    NamedQuery(
        "changes",
        "What became of documents that fared otherwise before, and why?",
        "engineer",
        (_LIMIT,),
        number="Q24",
        compares=True,
    ),
    NamedQuery(
        "chain",
        "Is each release as it was when the next was made?",
        "compliance",
        number="Q26",
        gate="in_line AND state = 'broken'",
    ),
    NamedQuery(
        "unsigned",
        "Which releases has none of the signers signed?",
        "compliance",
        number="Q27",
        gate="is_this",
    ),
    NamedQuery("gates", "Which gates did the release meet?", "compliance"),
    # Duplicates
    NamedQuery("duplicates", "How many copies were found?", "researcher"),
    NamedQuery("duplicate-clusters", "Which clusters are largest?", "engineer", (_LIMIT,)),
    NamedQuery("duplicate-cluster", "Which documents are copies of this one?", "legal", (_DOC_ID,)),
    NamedQuery(
        "tainted", "What was kept that copies an opted-out document?", "legal", number="Q04"
    ),
    NamedQuery("s-curve", "How likely is a pair of some similarity to be found?", "researcher"),
    NamedQuery("jaccard", "How similar were the copies?", "researcher"),
    # Personal data and safety
    NamedQuery(
        "pii", "What personal data was found, and what is left?", "compliance", number="Q22"
    ),
    NamedQuery(
        "person",
        "In which kept documents of which releases is this person's identifier (by keyed hash)?",
        "compliance",
        (Arg("value", "id", "keyed hash of the identifier, as in pii_links"),),
        number="Q06",
        restricted=True,
        everywhere=True,
    ),
    NamedQuery("pii-grades", "How grave is the personal data found?", "compliance"),
    NamedQuery(
        "reasons-published",
        "What may be published of why documents left?",
        "compliance",
    ),
    NamedQuery(
        "funnel-published",
        "What may be published of how many documents each rule leaves?",
        "compliance",
    ),
    NamedQuery(
        "shadow-published",
        "What may be published of what the rules in shadow would remove?",
        "compliance",
    ),
    NamedQuery(
        "lists-published",
        "What may be published of the opt-out lists that were used?",
        "compliance",
    ),
    NamedQuery(
        "erasures-published",
        "What may be published of what was erased since the release was made?",
        "compliance",
    ),
    NamedQuery(
        "pii-published",
        "What of the personal-data counts may be published?",
        "compliance",
        (_SMALL,),
    ),
    NamedQuery("pii-reach", "How far was personal data looked for, and where not?", "compliance"),
    NamedQuery(
        "names-unread",
        "In which languages did no model read the names of persons?",
        "compliance",
    ),
    NamedQuery(
        "pii-grades-published",
        "What of the counts by grade may be published?",
        "compliance",
        (_SMALL,),
    ),
    NamedQuery("toxicity", "Which languages were scored for toxicity?", "researcher"),
    NamedQuery(
        "toxicity-sweep",
        "What would another toxicity threshold remove?",
        "researcher",
        number="Q15",
    ),
    NamedQuery("models", "Which models measured?", "engineer"),
    # Review by people
    NamedQuery(
        "draw-sample",
        "Which documents should a reviewer look at (stratified; save it in samples/)?",
        "compliance",
        (
            Arg("purpose", "word", "content, residual_pii or another word"),
            Arg("documents", "count", "size of the sample", "4000"),
        ),
    ),
    NamedQuery(
        "reviewed",
        "Do the reviewed documents pass (GB/T 45652: 4000 of them, 96 % clean)?",
        "compliance",
        number="Q20",
    ),
    NamedQuery(
        "residual",
        "How much of a fault is left, from the samples?",
        "researcher",
        (Arg("label", "word", "the fault", "pii"),),
        number="Q21",
    ),
)
"""Every named query, grouped as `muniment query --list` shows them."""


def list_named() -> str:
    """Return the list of named queries as text: name, question, number, arguments."""
    width = max(len(query.name) for query in NAMED_QUERIES)
    lines = []
    for query in NAMED_QUERIES:
        args = [
            f"{arg.name}=..." if arg.default is None else f"[{arg.name}={arg.default}]"
            for arg in query.args
        ]
        args += ["[before=parent]"] if query.compares else []
        words = [f"{query.name:{width}}  {query.number:3}  {query.question}", *args]
        lines.append(" ".join(words))
    return "\n".join(lines) + "\n"
