# SPDX-License-Identifier: Apache-2.0
"""Build a real corpus from what every installation has: its Python distributions.

One document is one file: the long description of a distribution, a licence, a notice, a README or
other documentation; one source is one distribution, and licence, author and address are what its
metadata says. It has what real corpora have: licence texts that are near-duplicates of each other,
e-mail addresses, names, missing and sloppy licence declarations. No network is used, and the same
environment gives the same bytes, apart from the secret key.
"""

from __future__ import annotations

import bz2
import email.utils
import gzip
import hashlib
import importlib.metadata
import lzma
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
import zstandard

from ..schemas.job_file import load_job
from ..transforms.hashing import canonical_text
from ..transforms.keys import generate_key
from ..transforms.rights.licences import normalise_licences

MAX_FILE_BYTES = 1 << 20
"""Larger files are left out: they are generated lists of third-party notices."""

PERIOD = {"start": "2003-01-01", "end": "2026-11-21"}
"""Declared collection period: from the first package index to the day the lock was made. File
times are no evidence here: installers set them to the time of the installation."""

OPTOUT_DOMAINS = ("arthurdejong.org", "dnspython.org")
OPTOUT_URLS = ("https://github.com/python/typing_extensions",)
OPTOUT_PREFIXES = ("https://github.com/certifi/",)
TAKEN_DOWN = ("tqdm/licenses/LICENCE", "pathspec/licenses/LICENSE")
"""What the example lists name: distributions under licences that few others use, because copies of
a document that was opted out are removed with it. Of these, dnspython's licence and pathspec's
have copies in other distributions; an opted-out MIT licence would take most of the corpus along."""

_DOC = re.compile(
    r"(licen[cs]e|copying|notice|authors|readme|changes|history|privacy)", re.IGNORECASE
)
_PROSE = {".md", ".rst"}
_PLAIN = {"", ".txt", ".apache", ".bsd", ".mit", ".psf", ".apache2"}
_TEST_FOLDERS = {"test", "tests", "testing", "testdata"}
_ADDRESS_LABELS = ("homepage", "home", "source", "repository", "documentation")
_COLUMNS = ("id", "text", "url", "licence", "author", "title", "date")
_SCHEMA = pa.schema([(name, pa.string()) for name in _COLUMNS])

Record = dict[str, str | None]


@dataclass(frozen=True)
class DemoSource:
    """One distribution as a source: its documents and what its metadata declares."""

    name: str
    version: str
    url: str | None
    licence: str
    publisher: str
    records: tuple[Record, ...]


def build_demo(folder: Path) -> Path:
    """Write the corpus, the example lists, a key and the job file.

    Args:
        folder: Where to write; made if it is not there. A key that is there is kept.

    Returns:
        The job file, `folder/job.yaml`; it has been read back and is valid.
    """
    sources = installed_sources()
    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / "lists").mkdir(exist_ok=True)
    files = [_write_source(folder / "data", number, item) for number, item in enumerate(sources)]
    lists = _write_lists(folder / "lists", sources)
    if not (folder / "key").exists():
        generate_key(folder / "key")
    job = folder / "job.yaml"
    job.write_text(_job_text(sources, files, lists), encoding="utf-8")
    load_job(job)
    return job


def installed_sources() -> list[DemoSource]:
    """Return the installed distributions that ship documents, sorted by name."""
    found: dict[str, DemoSource] = {}
    for distribution in importlib.metadata.distributions():
        metadata = distribution.metadata  # parsed anew at every access
        name = re.sub(r"[-_.]+", "-", metadata["Name"]).lower()
        # The first on the path is the one that is imported; muniment is not its own evidence.
        if name in found or name == "muniment":
            continue
        source = _read_distribution(name, distribution, metadata)
        if source.records:
            found[name] = source
    return [found[name] for name in sorted(found)]


def _read_distribution(
    name: str, distribution: importlib.metadata.Distribution, metadata: Any
) -> DemoSource:
    url = _address(metadata)
    people = _people(metadata)
    licence = _licence_as_given(metadata)
    texts = dict(_documents(name, distribution))
    if description := metadata.get("Description"):
        texts[f"{name}/METADATA"] = description
    records = tuple(
        {
            "id": identifier,
            "text": text,
            "url": url,
            "licence": licence,
            "author": people,
            "title": f"{metadata['Name']}: {identifier.rpartition('/')[2]}",
            "date": None,
        }
        for identifier, text in sorted(texts.items())
    )
    return DemoSource(
        name, metadata["Version"], url, _spdx(licence), people or "not declared", records
    )


def _documents(
    name: str, distribution: importlib.metadata.Distribution
) -> Iterable[tuple[str, str]]:
    """Yield the identifier and text of every document that a distribution ships."""
    for file in distribution.files or ():
        inside = file.parts[0].endswith((".dist-info", ".egg-info"))
        suffix = file.suffix.lower()
        is_document = suffix in _PROSE or (suffix in _PLAIN and _DOC.search(file.name))
        if not is_document or ".." in file.parts or _TEST_FOLDERS & set(file.parts):
            continue
        try:
            path = Path(str(distribution.locate_file(file)))
            if path.is_symlink() or not 0 < path.stat().st_size <= MAX_FILE_BYTES:
                continue
            text = path.read_bytes().decode("utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        named = inside or re.sub(r"[-_.]+", "-", file.parts[0]).lower() == name
        yield "/".join((name, *file.parts[named:])), text


def _address(metadata: Any) -> str | None:
    """Return the home page of a distribution, else its repository or documentation."""
    labelled = {}
    for item in metadata.get_all("Project-URL") or ():
        label, _, url = item.partition(",")
        labelled[re.sub(r"\W", "", label).lower()] = url.strip()
    for url in (metadata.get("Home-page"), *(labelled.get(label) for label in _ADDRESS_LABELS)):
        if url and url.startswith(("https://", "http://")):
            return str(url)
    return next((url for url in labelled.values() if url.startswith("https://")), None)


def _people(metadata: Any) -> str | None:
    """Return the names of the authors, else of the maintainers, without their addresses."""
    for role in ("Author", "Maintainer"):
        addresses = email.utils.getaddresses([metadata.get(f"{role}-email") or ""])
        names = metadata.get(role) or ", ".join(name for name, _ in addresses if name)
        if names and "@" not in names:
            return str(names)
    return None


def _licence_as_given(metadata: Any) -> str | None:
    """Return what a distribution says about its licence, in the field that says it best."""
    if expression := metadata.get("License-Expression"):
        return str(expression)
    words = metadata.get("License")
    if words and "\n" not in words and len(words) <= 100:
        return str(words)
    classifiers = metadata.get_all("Classifier") or ()
    names = [item.rpartition(" :: ")[2] for item in classifiers if item.startswith("License ::")]
    return "; ".join(names) or None


def _spdx(licence: str | None) -> str:
    """Return the SPDX licence that the words name, else `unknown`."""
    read = normalise_licences(pa.array([licence], pa.string()))
    return str(read.column("licence")[0].as_py())


def _write_source(folder: Path, number: int, source: DemoSource) -> str:
    """Write the documents of a source; the first ones as JSON lines, so that readers differ."""
    if number >= 2 * len(_JSONL):
        name = f"{source.name}.parquet"
        pq.write_table(pa.Table.from_pylist(list(source.records), _SCHEMA), folder / name)
        return name
    suffix = tuple(_JSONL)[number % len(_JSONL)]
    lines = b"".join(orjson.dumps(record) + b"\n" for record in source.records)
    name = f"{source.name}{suffix}"
    (folder / name).write_bytes(_JSONL[suffix](lines))
    return name


_JSONL: Mapping[str, Callable[[bytes], bytes]] = {
    ".jsonl": lambda data: data,
    ".jsonl.gz": lambda data: gzip.compress(data, mtime=0),
    ".jsonl.zst": lambda data: zstandard.ZstdCompressor(write_checksum=True).compress(data),
    ".jsonl.bz2": bz2.compress,
    ".jsonl.xz": lzma.compress,
}


def _write_lists(folder: Path, sources: list[DemoSource]) -> list[dict[str, Any]]:
    """Write one example list of each kind; return how the job declares them."""
    texts = [
        str(record["text"])
        for source in sources
        for record in source.records
        if record["id"] in TAKEN_DOWN
    ]
    hashes = [
        hashlib.sha256(text.encode()).hexdigest()
        for text in canonical_text(pa.array(texts, pa.string())).to_pylist()
    ]
    entries: tuple[tuple[str, str, str, Iterable[str]], ...] = (
        (
            "optout-domains",
            "domain",
            "hosts that opted out, with their sub-domains",
            OPTOUT_DOMAINS,
        ),
        ("optout-urls", "url", "addresses that opted out", OPTOUT_URLS),
        ("optout-prefixes", "url_prefix", "parts of sites that opted out", OPTOUT_PREFIXES),
        (
            "takedowns",
            "content_hash",
            "SHA-256 of texts to take down: NFC, white space runs as one space, UTF-8",
            sorted(set(hashes)),
        ),
    )
    declared = []
    for name, kind, meaning, items in entries:
        lines = [f"# Example list: {meaning}.", *items]
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        path = f"lists/{name}.txt"
        declared.append({"name": name, "kind": kind, "path": path, "version": "example"})
    return declared


_HEADER = """\
# A real corpus: the descriptions, licences and documentation of the Python distributions that are
# installed here. `muniment demo` wrote this file; every field is described in examples/JOB.md.
"""


def _job_text(sources: list[DemoSource], files: list[str], lists: list[dict[str, Any]]) -> str:
    """Return the text of the job file."""
    job = {
        "name": "demo",
        "description": "Descriptions, licences and documentation of installed Python distributions.",
        "key_file": "key",
        "rights": {"lists": [item["name"] for item in lists]},
        "language": {"allow": ["en"]},
        "toxicity": {},
        "personal_data": {"ner": "contact"},
        # Licence texts are copies of each other by nature: a distribution of three files may well
        # lose two of them, which would be an alarm in a corpus of any other kind.
        "deduplication": {"max_source_loss": 1.0},
        "output": {"formats": ["parquet", "jsonl.zst"]},
        "lists": lists,
        "sources": [_declare(item, file) for item, file in zip(sources, files, strict=True)],
    }
    text = _HEADER + yaml.safe_dump(job, sort_keys=False, allow_unicode=True, width=100)
    return _comment(text)


def _declare(source: DemoSource, file: str) -> dict[str, Any]:
    """Return how the job declares a distribution."""
    columns = {name: name for name in ("id", "url", "licence", "author", "title", "date")}
    return {
        "name": source.name[:64],
        "kind": "public_dataset",
        "paths": [f"data/{file}"],
        "fields": columns,
        "licence": source.licence,
        "legal_basis": "unknown" if source.licence == "unknown" else "licence",
        "origin": "worldwide",
        "collected": dict(PERIOD),
        "uri": source.url or f"urn:pypi:{source.name}",
        "version": source.version,
        "publisher": source.publisher,
        "reviewer": "none: a demonstration",
        "trust_tier": "community",
    }


_COMMENTS = {
    "key_file:": "secret; made here with mode 0600, keep it out of version control",
    "  allow:": "other languages are removed; leave it out to keep all",
    "rights:": "`allow_licences: [MIT, Apache-2.0]` would keep only those licences",
    "  max_source_loss:": "licence texts are copies of each other; the default, 0.5, would stop",
}


def _comment(text: str) -> str:
    """Put the comments above their lines; the YAML writer has none."""
    lines = []
    for line in text.splitlines():
        for start, comment in _COMMENTS.items():
            if line.startswith(start):
                indent = line[: len(line) - len(line.lstrip())]
                lines.append(f"{indent}# {comment}")
        lines.append(line)
    return "\n".join(lines) + "\n"
