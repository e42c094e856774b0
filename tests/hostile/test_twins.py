# SPDX-License-Identifier: Apache-2.0
"""Twins: the same attack with the defence off succeeds, so the test with it on proves something.

A `Defence` is one attack: it returns whether the attack got through. `off` takes the defence away
by replacing one name of the product. With the defence it must not get through; without it must.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import regex
import yaml
import zstandard

from muniment.pipelines import answers, query, release, verify
from muniment.pipelines.release import open_release
from muniment.schemas import job_file, yaml_tree
from muniment.schemas.errors import MunimentError
from muniment.transforms import hashing, keys
from muniment.transforms.pii import recognisers
from muniment.transforms.reading import (
    ReadLimits,
    SplitReader,
    inspect_file,
    parquet,
    plan_splits,
    splits,
)
from muniment.transforms.rights import lists
from muniment.transforms.storage import write_bytes
from muniment.transforms.stores import local
from release_fixture import build_release
from test_job_file import GOOD
from test_query import WRITING

Off = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Defence:
    """An attack, and how its defence is taken away.

    Args:
        case: Number in the catalogue.
        attack: Returns whether it got through.
        off: Takes the defence away.
    """

    case: int
    attack: Callable[[Path], bool]
    off: Off

    def __str__(self) -> str:
        return f"{self.case}-{self.attack.__name__}"


def passes(attempt: Callable[[], object]) -> bool:
    """Return whether something is done without a refusal."""
    try:
        attempt()
    except MunimentError:
        return False
    return True


def load_text(folder: Path, text: str) -> bool:
    path = folder / "job.yaml"
    path.write_text(text)
    return passes(lambda: job_file.load_job(path))


KNOBS: dict[str, Any] = {
    "ratio": 100,
    "key": hashlib.sha256(b"secret").digest()[:16],
    "bound": True,
}
"""Defences that are a parameter: greatest ratio of a bomb, secret key, values bound to queries."""


# The attacks: each returns whether it got through


def bomb(folder: Path) -> bool:
    """Case 29: a file that unpacks to much more than it is."""
    path = folder / "bomb.zst"
    path.write_bytes(zstandard.compress(b"\n" * (24 << 20)))
    (split,) = plan_splits([("s", "bomb", str(path), inspect_file(path))])
    limits = ReadLimits(max_ratio=KNOBS["ratio"], ratio_floor_bytes=1 << 20)
    return passes(lambda: list(SplitReader(split, {"text": "text"}, limits=limits)))


def extension(folder: Path) -> bool:
    """Case 33: a Parquet file whose schema names a type that could run code."""
    field = pa.field("text", pa.string(), metadata={"ARROW:extension:name": "any"})
    path = folder / "a.parquet"
    pq.write_table(pa.table([pa.array(["a"])], schema=pa.schema([field])), path)
    return passes(lambda: inspect_file(path))


def aliases(folder: Path) -> bool:
    """Case 53: one level of the alias bomb."""
    return load_text(folder, GOOD.replace("licence: unknown", "licence: &a unknown"))


def outside(folder: Path) -> bool:
    """Case 57: an input outside the folder of the job."""
    return load_text(folder, GOOD.replace("data/*.jsonl", "../data.jsonl"))


def back_reference(folder: Path) -> bool:  # noqa: ARG001  (every attack takes a folder)
    """Case 58: an expression that takes exponential time where it is allowed."""
    return recognisers.regex_fault(r"(a+)+\1$") is None


def everything(folder: Path) -> bool:
    """Case 59: a list entry that would remove every site of a top-level domain."""
    path = folder / "list.txt"
    path.write_text("com\nexample.org\n")
    return passes(lambda: lists.load_list(path, "domain"))


def open_key(folder: Path) -> bool:
    """Case 60: a key that everybody on the machine can read."""
    path = folder / "key"
    path.write_bytes(bytes(range(32)))
    path.chmod(0o644)
    return passes(lambda: keys.load_key(path))


def world_readable(folder: Path) -> bool:
    """Case 97: under umask 0 a work file that others can read."""
    before = os.umask(0)
    try:
        write_bytes(folder / "file", b"text")
    finally:
        os.umask(before)
    return bool(stat.S_IMODE((folder / "file").stat().st_mode) & 0o077)


def guessed(folder: Path) -> bool:  # noqa: ARG001
    """Case 98: telephone numbers found from their hashes by trying them all."""
    real = {f"+1212555{n:04d}" for n in range(0, 10_000, 700)}
    stored = {bytes(item) for item in hashing.siphash128(pa.array(sorted(real)), KNOBS["key"])}
    candidates = pa.array([f"+1212555{n:04d}" for n in range(10_000)])
    guesses = hashing.siphash128(candidates, bytes(16))  # the attacker has no key
    return any(bytes(item) in stored for item in guesses)


def formula(folder: Path) -> bool:  # noqa: ARG001
    """Case 102: a cell that a spreadsheet would compute."""
    out = io.BytesIO()
    words = ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "\uff1d1"]
    with duckdb.connect() as connection:
        connection.execute("SELECT unnest($1) AS word", [words])
        answers.write_answer(connection, "csv", out)
    cells = [row[0] for row in csv.reader(io.StringIO(out.getvalue().decode(), newline=""))][1:]
    assert [cell.lstrip("'") for cell in cells] == words
    return any(cell[:1] in "=+-@\t\r\uff1d" for cell in cells)


def forged_line(folder: Path) -> bool:
    """Case 103: a file name that writes a line of its own to the log."""
    name = "x\nERROR forged\x1b[31m.jsonl"
    (folder / name).write_bytes(b"PK\x03\x04" + bytes(100))
    try:
        inspect_file(folder / name)
    except MunimentError as error:
        return not str(error).isprintable()
    raise AssertionError


def injected(folder: Path) -> bool:
    """Case 107: a value that ends the text it stands in, and adds a condition that is true."""
    build_release(folder)
    with query.connect(open_release(folder)) as connection:
        value = "' OR 1=1 --"
        if KNOBS["bound"]:
            return bool(query.ask(connection, "domain", {"domain": value}))
        # What a helper without bound values would do.
        sql = f"SELECT * FROM documents WHERE domain = '{value}'"  # noqa: S608  (the attack)
        connection.execute(sql)
        return bool(connection.fetchall())


def overwrites(folder: Path) -> bool:
    """Cases 108 and 110: a SELECT that writes a file of the release."""
    build_release(folder)
    opened = open_release(folder)
    file = opened.parts("runs")[0]
    before = file.read_bytes()
    sql = WRITING[1].format(file=file)
    with query.connect(opened, native=True) as connection:
        if passes(lambda: query.check_read_only(connection, sql)):
            connection.execute(sql)
    return file.read_bytes() != before


def changed_file(folder: Path) -> bool:
    """Case 111: a file of a release with one bit changed, and nobody who says so."""
    build_release(folder)
    opened = open_release(folder)
    file = opened.parts("rules")[0]
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)
    return not verify.verify(opened)


def changed_manifest(folder: Path) -> bool:
    """Case 111: another manifest under the name of the old one."""
    build_release(folder)
    opened = open_release(folder)
    place = opened.folder / "MANIFEST.json"
    content = json.loads(place.read_bytes())
    content["totals"]["documents"]["kept"] += 1
    place.write_text(json.dumps(content))
    SEEN.clear()
    SEEN.add(opened.id)
    return passes(lambda: open_release(folder))


# The defences, off


def set_name(owner: Any, name: str, value: Any) -> Off:
    return lambda patch: patch.setattr(owner, name, value)


def set_knob(name: str, value: Any) -> Off:
    return lambda patch: patch.setitem(KNOBS, name, value)


def open_files(patch: pytest.MonkeyPatch) -> None:
    """Create files as a program does that thinks of no one."""

    class System:
        def __getattr__(self, name: str) -> Any:
            return getattr(os, name)

        def open(self, path: Any, flags: int, _mode: int = 0) -> int:
            return os.open(path, flags, 0o666)

        def fchmod(self, descriptor: int, mode: int) -> None:
            """Do nothing."""

    patch.setattr(local, "os", System())


def without_anchors_check(patch: pytest.MonkeyPatch) -> None:
    real = yaml_tree.Tree.refuse

    def refuse(tree: Any, place: Any, line: int, what: str) -> None:
        if not what.startswith("too_many_aliases"):
            real(tree, place, line, what)

    patch.setattr(yaml_tree.Tree, "refuse", refuse)


def with_any_engine(patch: pytest.MonkeyPatch) -> None:
    """Compile expressions with an engine that goes back."""

    def fault(expression: str) -> str | None:
        return None if regex.compile(expression) else ""

    patch.setattr(recognisers, "regex_fault", fault)


def nothing_broad(patch: pytest.MonkeyPatch) -> None:
    real = lists.normalise_entries

    def normalise(entries: pa.Array, kind: Any) -> Any:
        found, broad = real(entries, kind)
        return found, broad & False

    patch.setattr(lists, "normalise_entries", normalise)


def any_mode(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(keys.stat, "S_IRWXG", 0)
    patch.setattr(keys.stat, "S_IRWXO", 0)


def any_digest(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(release.Release, "difference", staticmethod(lambda _place, _item: None))
    patch.setattr(verify, "_content", lambda _place, _item: (None, None))
    patch.setattr(verify, "_check_books", lambda _release: [])


def any_name(patch: pytest.MonkeyPatch) -> None:
    """Believe the folder's name without computing the digest."""

    class Digest:
        def __init__(self, _data: bytes) -> None:
            pass

        def hexdigest(self) -> str:
            return next(iter(SEEN))

    class Hashing:
        sha256 = Digest

    patch.setattr(release, "hashlib", Hashing)


SEEN: set[str] = set()

DEFENCES = (
    Defence(29, bomb, set_knob("ratio", 1 << 30)),
    Defence(33, extension, set_name(parquet, "has_extension_type", lambda _footer: False)),
    Defence(53, aliases, without_anchors_check),
    Defence(57, outside, set_name(job_file, "path_problem", lambda *_, **__: None)),
    Defence(58, back_reference, with_any_engine),
    Defence(59, everything, nothing_broad),
    Defence(60, open_key, any_mode),
    Defence(97, world_readable, open_files),
    Defence(98, guessed, set_knob("key", bytes(16))),
    Defence(102, formula, set_name(answers, "_FORMULA", ())),
    Defence(103, forged_line, set_name(splits, "printable", str)),
    Defence(107, injected, set_knob("bound", False)),
    Defence(108, overwrites, set_name(query, "_unsafe", lambda _tree: None)),
    Defence(110, overwrites, set_name(query, "_unsafe", lambda _tree: None)),
    Defence(111, changed_file, any_digest),
    Defence(111, changed_manifest, any_name),
)


@pytest.mark.parametrize("defence", DEFENCES, ids=str)
def test_the_attack_fails(defence: Defence, tmp_path: Path) -> None:
    assert not defence.attack(tmp_path)


@pytest.mark.parametrize("defence", DEFENCES, ids=str)
def test_without_the_defence_the_attack_gets_through(
    defence: Defence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    defence.off(monkeypatch)
    assert defence.attack(tmp_path)


def test_case_54_a_loader_that_obeys_tags_runs_code(tmp_path: Path) -> None:
    """The twin: the job file's reader refuses what PyYAML's unsafe loader carries out."""
    canary = tmp_path / "canary"
    line = f"description: !!python/object/apply:os.mkdir [{canary}]\n"
    assert not load_text(tmp_path, GOOD + line)
    assert not canary.exists()
    yaml.unsafe_load(line)
    assert canary.exists()


def test_case_99_values_are_linkable_under_one_key_only() -> None:
    values = pa.array(["jane.roe@example.org"])
    one, other = (hashing.siphash128(values, bytes([n]) * 16).tolist() for n in (1, 2))
    assert one == hashing.siphash128(values, bytes([1]) * 16).tolist()
    assert one != other


def test_case_94_keys_are_grouped_by_keyed_hashes_whatever_pythons_hash_says() -> None:
    """Strings that collide in Python's `hash` with seed 0 are as far apart as any others."""
    crowd = pa.array([str(n * (2**61 - 1)) for n in range(20_000)])
    found = hashing.siphash128(crowd, KNOBS["key"])
    assert len({bytes(item) for item in found}) == len(crowd)
    tops = [int(item[0]) >> 56 for item in found]
    assert max(tops.count(top) for top in set(tops)) < 4 * len(crowd) / 256
