# SPDX-License-Identifier: Apache-2.0
"""The line and URL levels of deduplication beside CCNet, dolma and datatrove, on the same files.

    python benchmarks/levels_beside.py mail|mixed [--dolma FOLDER] [--datatrove PYTHON]
        [--source NAME ...]

Lines: ours with `min_documents: 2` and `min_chars: 1`, so that every repeated line counts, against
a check of its own (plain Python, no hashes) and against what each tool cuts (`line_peers.py`). URLs:
documents that share a canonical address against documents that share the string, which is what the
tools compare. Prints one JSON object; `benchmarks/README.md` explains it.
"""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from corpus_job import BenchmarkError, Corpus, open_corpus
from end_to_end import parser_of

from muniment.schemas.staged import TALLIES
from muniment.transforms.passages import find_passages
from muniment.transforms.repeated_passages import find_repeated
from muniment.transforms.rights.urls import url_key

PEERS = Path(__file__).resolve().parent / "line_peers.py"
KEY = bytes(range(16))
WIDE = 1 << 32
_DECIMALS = re.compile(r"\d")

Lines = npt.NDArray[np.int64]


def columns_of(corpus: Corpus) -> pa.Table:
    """Read texts and addresses, in the order of sources and files."""
    paths = [
        path
        for source in corpus.sources
        for glob in source["paths"]
        for path in sorted(corpus.folder.glob(glob))
    ]
    parts = [pq.read_table(path, columns=["text", "url"]) for path in paths]
    return pa.concat_tables(parts, promote_options="default")


def line_numbers(texts: list[str], row: Lines, start: Lines) -> Lines:
    """Return document x 2^32 + line of each place, given by document and byte, both ascending."""
    out = np.empty(len(row), np.int64)
    last, position, line, data = -1, 0, 0, b""
    for i, (document, byte) in enumerate(zip(row.tolist(), start.tolist(), strict=True)):
        if document != last:
            last, position, line, data = document, 0, 0, texts[document].encode()
        line += data.count(b"\n", position, byte)
        position = byte
        out[i] = document * WIDE + line
    return out


def our_lines(texts: list[str], least: int, min_chars: int) -> tuple[Lines, int]:
    """Return the lines that muniment cuts, and their bytes."""
    found = find_passages(pa.array(texts, pa.large_string()), "line", min_chars=min_chars, key=KEY)
    order = np.lexsort([found.row, found.hash])
    said, row = found.hash[order], found.row[order]
    new = np.ones(len(said), bool)
    new[1:] = (said[1:] != said[:-1]) | (row[1:] != row[:-1])
    said, row = said[new], row[new]
    first = np.flatnonzero(np.append(True, said[1:] != said[:-1]))
    counts = np.diff(np.append(first, len(said)))
    tallies = pa.table(
        [said[first], counts.astype(np.uint32), row[first].astype(np.uint64)], schema=TALLIES
    )
    repeated = find_repeated(tallies, least)
    passage = repeated["passage"].to_numpy()
    at = np.minimum(np.searchsorted(passage, found.hash), max(len(passage) - 1, 0))
    chosen = np.zeros(len(found.hash), bool)
    if len(passage):
        chosen = passage[at] == found.hash
        chosen &= repeated["first"].to_numpy()[at] != found.row.astype(np.uint64)
    size = int((found.end - found.start)[chosen].sum())
    return line_numbers(texts, found.row[chosen], found.start[chosen]), size


def plain(line: str) -> str:
    """Say what a line says, as the definition puts it, in plain Python."""
    return _DECIMALS.sub("0", " ".join(unicodedata.normalize("NFC", line).split()).lower())


def checked_lines(texts: list[str]) -> tuple[Lines, set[int], Counter[str]]:
    """Return the lines to cut by definition, those that repeat in one document only, and counts.

    Returns:
        (lines equal to one of an earlier document; lines equal to an earlier one of the same
        document but of no earlier document; documents of each line).
    """
    first: dict[str, int] = {}
    cut, inside, documents = [], set(), Counter[str]()
    for document, text in enumerate(texts):
        here = set()
        for number, line in enumerate(text.split("\n")):
            said = plain(line)
            if not said:
                continue
            if first.setdefault(said, document) != document:
                cut.append(document * WIDE + number)
            elif said in here:
                inside.add(document * WIDE + number)
            here.add(said)
        documents.update(here)
    return np.array(cut, np.int64), inside, documents


def peer_lines(tool: str, work: Path, python: str, extra: Sequence[str]) -> Lines:
    """Run another tool on the file of documents; return the lines that it cuts.

    Raises:
        BenchmarkError: It fails.
    """
    out = work / f"{tool}.npy"
    command = [python, str(PEERS), tool, str(work / "documents" / "all.jsonl.gz"), str(out), *extra]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"{tool}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
    found: Lines = np.load(out)
    return found[:, 0] * WIDE + found[:, 1]


def beside(
    texts: list[str], ours: Lines, theirs: Lines, inside: set[int], exact: bool
) -> dict[str, Any]:
    """Compare what two tools cut.

    Args:
        texts: All documents.
        ours: Lines that muniment cuts.
        theirs: Lines that the other cuts.
        inside: Lines that repeat in their own document only.
        exact: Whether the other compares lines as they are: then a cut of one that no line before
            equals is the fault of its filter.
    """
    lines = [text.split("\n") for text in texts]
    blank = {x for x in theirs.tolist() if not plain(lines[x // WIDE][x % WIDE])}
    said = set(theirs.tolist()) - blank
    mine = set(ours.tolist())
    only = said - mine
    report = {
        "cut": len(said),
        "blank_lines_cut_too": len(blank),
        "of_these_ours": round(len(said & mine) / max(len(said), 1), 4),
        "of_ours_theirs": round(len(said & mine) / max(len(mine), 1), 4),
        "theirs_only": len(only),
        "theirs_only_repeats_in_its_own_document": len(only & inside),
        "theirs_only_other_spelling": len(only - inside),
        "ours_only": len(mine - said),
        "ours_only_without_letter_or_digit": sum(
            not any(map(str.isalnum, lines[x // WIDE][x % WIDE])) for x in mine - said
        ),
    }
    if exact:
        seen: set[str] = set()
        wrong = 0
        for document, parts in enumerate(lines):
            for number, line in enumerate(parts):
                wrong += document * WIDE + number in said and line not in seen
                seen.add(line)
        report["cut_though_no_line_before_is_equal"] = wrong
    return report


def compare_lines(
    texts: list[str], dolma: Path | None, datatrove: str | None, work: Path
) -> dict[str, Any]:
    """Compare the line level."""
    (work / "documents").mkdir()
    with gzip.open(work / "documents" / "all.jsonl.gz", "wt", encoding="utf-8") as file:
        for number, text in enumerate(texts):
            file.write(json.dumps({"id": str(number), "text": text, "source": "corpus"}) + "\n")
    ours, size = our_lines(texts, 2, 1)
    defined, inside, documents = checked_lines(texts)
    default, default_size = our_lines(texts, 10, 20)
    everything = sum(len(text.encode()) for text in texts)
    report: dict[str, Any] = {
        "documents": len(texts),
        "lines_that_are_not_blank": sum(
            bool(line.strip()) for t in texts for line in t.split("\n")
        ),
        "different_lines": len(documents),
        "ours": {
            "cut": len(ours),
            "share_of_bytes": round(size / everything, 4),
            "cut_by_definition": len(defined),
            "wrong": len(np.setdiff1d(ours, defined)),
            "missed": len(np.setdiff1d(defined, ours)),
            "cut_with_default_settings": len(default),
            "share_of_bytes_with_default_settings": round(default_size / everything, 4),
        },
    }
    peers: list[tuple[str, str, list[str]]] = [("ccnet", sys.executable, [])]
    peers += [("dolma", sys.executable, ["--dolma", str(dolma)])] if dolma else []
    peers += [("datatrove", datatrove, [])] if datatrove else []
    for tool, python, extra in peers:
        theirs = peer_lines(tool, work, python, extra)
        report[tool] = beside(texts, ours, theirs, inside, tool == "dolma")
    return report


def compare_urls(urls: pa.Array) -> dict[str, Any]:
    """Compare documents of one canonical address with documents of one string."""
    urls = urls.drop_null()
    keys = url_key(urls)
    pairs = (
        pa.table({"url": urls, "key": keys}).group_by("url").aggregate([("key", "count_distinct")])
    )
    spellings = (
        pa.table({"url": urls, "key": keys}).group_by("key").aggregate([("url", "count_distinct")])
    )
    return {
        "documents_with_url": len(urls),
        "different_strings": len(pc.unique(urls)),
        "different_addresses": len(pc.unique(keys)),
        "strings_with_two_addresses": int(
            pc.sum(pc.greater(pairs["key_count_distinct"], 1)).as_py() or 0
        ),
        "addresses_with_several_strings": int(
            pc.sum(pc.greater(spellings["url_count_distinct"], 1)).as_py() or 0
        ),
        "strings_that_differ_in_their_fragment_only": len(pc.unique(urls))
        - len(pc.unique(pc.replace_substring_regex(urls, r"#.*$", ""))),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Read the command line, compare, print JSON."""
    parser = parser_of((__doc__ or "").partition("\n")[0])
    parser.add_argument("--dolma", type=Path, metavar="FOLDER", help="dolma, as line_peers.py says")
    parser.add_argument("--datatrove", metavar="PYTHON", help="a Python that has datatrove")
    options = parser.parse_args(argv)
    try:
        corpus = open_corpus(options.cache, options.name, options.source)
        table = columns_of(corpus)
        texts = [text or "" for text in table["text"].to_pylist()]
        with tempfile.TemporaryDirectory(prefix="muniment-levels-") as name:
            lines = compare_lines(texts, options.dolma, options.datatrove, Path(name).resolve())
        urls = table["url"].combine_chunks()
        report = {"corpus": corpus.name, "lines": lines, "urls": compare_urls(urls)}
    except (BenchmarkError, OSError) as error:
        print(f"levels_beside.py: {error}", file=sys.stderr)
        return 2
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
