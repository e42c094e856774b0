# SPDX-License-Identifier: Apache-2.0
"""Which lines another tool cuts as repeated: one tool on one file, in that tool's environment.

    python line_peers.py ccnet|dolma|datatrove DOCUMENTS.jsonl.gz OUT.npy [--dolma FOLDER]

`DOCUMENTS` has one `{"id", "text", "source"}` a line, below a folder named `documents`; `OUT` gets
int64 rows (document, line), lines counted by line feeds. dolma is its own compiled deduper, found
in the folder that `pip install --no-deps --target FOLDER dolma` made, so that none of its other
requirements is needed; datatrove is its own signature and finder steps; CCNet cannot be installed
any more, its rule is written down here.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import importlib.machinery
import importlib.util
import json
import re
import struct
import sys
import tempfile
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

# Characters that CCNet throws away before it compares (cc_net/text_normalizer.py, UNICODE_PUNCT):
# by code points, since several look alike. Control characters go too.
_CCNET_SIGNS = "".join(
    map(
        chr,
        [
            *(0xFF0C, 0x3002, 0x3001, 0x201E, 0x201D, 0x201C, 0xAB, 0xBB, 0xFF11, 0x300D, 0x300C),
            *(0x300A, 0x300B, 0xB4, 0x2236, 0xFF1A, 0xFF1F, 0xFF01, 0xFF08, 0xFF09, 0xFF1B),
            *(0x2013, 0x2014, 0xFF0E, 0xFF5E, 0x2019, 0x2026, 0x2501, 0x3008, 0x3009, 0x3010),
            *(0x3011, 0xFF05, 0x25BA, *range(32), *range(127, 160)),
        ],
    )
)
_CCNET_DROPS = str.maketrans("", "", _CCNET_SIGNS)
_DIGIT = re.compile(r"\d")

Cuts = list[tuple[int, int]]


def read(path: Path) -> Iterator[str]:
    """Yield the texts of a file of documents."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)["text"]


def ccnet(path: Path) -> Cuts:
    """Cut what CCNet cuts: every line seen before, anywhere (Wenzek et al. 2020, section 3.1)."""
    seen: set[bytes] = set()
    cuts = []
    for document, text in enumerate(read(path)):
        for number, line in enumerate(text.split("\n")):
            said = _DIGIT.sub("0", line.strip().lower()).translate(_CCNET_DROPS)
            mark = hashlib.sha1(said.encode(), usedforsecurity=False).digest()[:8]
            if mark in seen:
                cuts.append((document, number))
            seen.add(mark)
    return cuts


def dolma(path: Path, package: Path, work: Path) -> Cuts:
    """Run dolma's deduper on paragraphs, which are lines to it, with a Bloom filter."""
    (binary,) = (package / "dolma").glob("dolma.*.so")
    loader = importlib.machinery.ExtensionFileLoader("dolma", str(binary))
    module: Any = importlib.util.module_from_spec(
        importlib.util.spec_from_loader("dolma", loader)  # type: ignore[arg-type]
    )
    loader.exec_module(module)
    config = {
        "documents": [str(path)],
        "work_dir": {"input": str(work / "in"), "output": str(work / "out")},
        "processes": 1,
        "dedupe": {
            "name": "lines",
            "paragraphs": {"attribute_name": "repeated"},
            "skip_empty": True,
            "min_length": 0,
            "min_words": 0,
            "num_partitions": 1,
            "partition_index": 0,
            "file_partition": False,
            "document_dir": "documents",
        },
        "bloom_filter": {
            "file": str(work / "bloom"),
            "size_in_bytes": 0,
            "read_only": False,
            "estimated_doc_count": sum(text.count("\n") + 1 for text in read(path)),
            "desired_false_positive_rate": 1e-4,
        },
    }
    module.deduper_entrypoint(json.dumps(config))
    cuts = []
    told = path.parent.parent / "attributes" / "lines" / path.name
    with gzip.open(told, "rt", encoding="utf-8") as lines:
        for document, (text, line) in enumerate(zip(read(path), lines, strict=True)):
            feeds = [match.start() for match in re.finditer("\n", text)]
            for start, _, _ in json.loads(line)["attributes"]["repeated"]:
                cuts.append((document, bisect_left(feeds, start)))
    return cuts


def datatrove(path: Path, work: Path) -> Cuts:
    """Run datatrove's sentence deduplication on single lines."""
    from datatrove.data import Document
    from datatrove.pipeline.dedup.sentence_dedup import (
        SentDedupConfig,
        SentenceDedupSignature,
        SentenceFindDedups,
    )

    settings = SentDedupConfig(n_sentences=1, split_sentences=False)
    documents = (Document(text=text, id=str(i)) for i, text in enumerate(read(path)))
    SentenceDedupSignature(str(work / "signatures"), config=settings).run(documents)
    SentenceFindDedups(str(work / "signatures"), str(work / "found"), config=settings).run()
    found = [
        pair
        for file in sorted((work / "found").rglob("*.c4_dup"))
        for pair in struct.iter_unpack("<IH", file.read_bytes())
    ]
    places: dict[int, list[int]] = {}
    for document, piece in sorted(found):
        places.setdefault(document, []).append(piece)
    cuts = []
    for document, text in enumerate(read(path)):
        if document not in places:
            continue
        feed, feeds = 0, []
        for piece in text.splitlines(keepends=True):  # it splits at more than line feeds
            feeds.append(feed)
            feed += piece.count("\n")
        cuts += [(document, feeds[piece]) for piece in places[document]]
    return cuts


def main() -> int:
    """Run one tool."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("tool", choices=("ccnet", "dolma", "datatrove"))
    parser.add_argument("documents", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--dolma", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    path = options.documents.resolve()
    with tempfile.TemporaryDirectory(prefix="line-peers-") as name:
        if options.tool == "ccnet":
            cuts = ccnet(path)
        elif options.tool == "dolma":
            cuts = dolma(path, options.dolma, Path(name))
        else:
            cuts = datatrove(path, Path(name))
    np.save(options.out, np.array(sorted(set(cuts)), np.int64).reshape(-1, 2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
