# SPDX-License-Identifier: Apache-2.0
"""A job file is refused with every problem at once, each with its line (reliability 53 to 57)."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from muniment.schemas.errors import JobError
from muniment.schemas.job import Job
from muniment.schemas.job_file import MAX_JOB_BYTES, canonical_job, is_inside, load_job
from muniment.schemas.yaml_tree import MAX_PROBLEMS, dotted, read_yaml, undotted

GOOD = """\
name: corpus
key_file: key
sources:
  - name: web
    kind: crawl
    paths: [data/*.jsonl]
    licence: unknown
    legal_basis: tdm_art4
    origin: worldwide
    collected: {start: 2026-01-01, end: 2026-03-31}
    crawler: ours/1.0
    reviewer: somebody
    trust_tier: unverified
"""


@pytest.fixture
def problems(tmp_path):
    """Return the problems of a job text as (line, text); none if it is sound."""

    def problems(text: str | bytes, **options: bool) -> list[tuple[int, str]]:
        path = tmp_path / "job.yaml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        try:
            load_job(path, **options)
        except JobError as error:
            split = [re.split(r":(\d+)?:? ", line, maxsplit=1) for line in error.problems]
            return [(int(line or 0), text) for _, line, text in split]
        return []

    return problems


def test_sound_job_loads_with_root_and_digest(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text(GOOD)
    loaded = load_job(path)
    assert loaded.job.sources[0].crawler == "ours/1.0"
    assert loaded.job.sources[0].collected.start.isoformat() == "2026-01-01"
    assert loaded.root == tmp_path.resolve()
    assert len(loaded.sha256) == 64


def test_missing_mandatory_fields_are_all_named_with_their_meaning(problems):
    text = GOOD.replace("    licence: unknown\n", "").replace("    crawler: ours/1.0\n", "")
    found = problems(text)
    assert [line for line, _ in found] == [4, 4]
    assert found[0][1] == "sources[0].crawler: a source of kind crawl must declare it"
    assert found[1][1].startswith("sources[0].licence: missing, but mandatory. SPDX licence")


def test_every_problem_is_reported_at_once(problems):
    text = GOOD.replace("licence:", "licenec:") + (
        "name: again\n"
        "language: {min_score: .nan, allow: [en, english]}\n"
        "deduplication:\n"
        "  max_cluster: -1\n"
        "  near: {threshold: 1.5, bands: 4}\n"
        "toxicity: &t {enabled: yes}\n"
        "output: !!python/object/apply:os.system [id]\n"
    )
    assert problems(text) == [
        (4, "sources[0].licence: missing, but mandatory. SPDX licence of documents that carry "
            "none of their own, or `unknown`."),
        (7, "sources[0].licenec: unknown key; did you mean `licence`?"),
        (14, "name: used twice, first on line 1"),
        (15, 'language.allow[1]: expected text like ^[a-z]{2,3}$, got "english"'),
        (15, 'language.min_score: expected number, got ".nan"'),
        (17, "deduplication.max_cluster: expected greater than or equal to 2, got -1"),
        (18, "deduplication.near.bands: unknown key"),
        (18, "deduplication.near.threshold: expected less than 1, got 1.5"),
        (19, "toxicity: too_many_aliases: anchors and aliases are not accepted"),
        (20, "output: tags are not accepted, got "
             '"tag:yaml.org,2002:python/object/apply:os.system"'),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("language: {enabled: yes}", 'language.enabled: expected true or false, got "yes"'),
        ("language: {enabled: NO}", 'language.enabled: expected true or false, got "NO"'),
        ("language: {enabled: 1}", "language.enabled: expected true or false, got 1"),
        ("language: {min_score: '0.5'}", 'language.min_score: expected number, got "0.5"'),
        ("language: {min_score: 1e999}", "language.min_score:"),
        ("description: 1.10", "description: expected string, got 1.1; put it in quotes"),
        ("engine: {workers: 12:30:45}", 'engine.workers: expected integer, got "12:30:45"'),
        ("engine: {workers: 1.0}", "engine.workers: expected integer, got 1.0"),
        ("engine: {workers: 0x10}", 'engine.workers: expected integer, got "0x10"'),
        ("engine: {workers: 010}", 'engine.workers: expected integer, got "010"'),
        ("engine: {workers: 1_000}", 'engine.workers: expected integer, got "1_000"'),
        ("engine: {workers: [1]}", "engine.workers: expected integer, got a list"),
        ("on_bad_file: ignore", 'on_bad_file: expected one of fail, quarantine, got "ignore"'),
        ("engine: []", "engine: expected object, got a list"),
        ("<<: {name: x}", "<<: unknown key"),
        ("? [name]\n: x", "(line 14): expected a plain word as key"),
        ("rights: {lists: [nowhere]}", "rights.lists[0]: no list is called 'nowhere'; known"),
    ],
)
def test_surprises_of_yaml_are_errors_with_their_line(problems, line, problem):
    found = problems(f"{GOOD}{line}\n")
    assert len(found) == 1
    assert found[0][0] == 14
    assert found[0][1].startswith(problem)


def test_norwegian_is_a_language_not_false(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text(GOOD + "language: {allow: [no, on]}\ntoxicity: {thresholds: {no: 0.5}}\n")
    job = load_job(path).job
    assert job.language.allow == ("no", "on")
    assert job.toxicity.thresholds == {"no": 0.5}


def test_alias_bomb_is_refused_before_it_expands(problems):
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 8))
    found = problems(bomb)
    assert any("too_many_aliases" in text for _, text in found)
    assert len(found) <= MAX_PROBLEMS + 1


@pytest.mark.parametrize(
    "text",
    ["[" * 500_000, "{a: " * 100_000, "- " * 300_000, "a: 1\n" * 150_000, "\t" * 1000],
    ids=["brackets", "braces", "dashes", "repeated keys", "tabs"],
)
def test_hostile_shapes_are_refused(problems, text):
    assert 1 <= len(problems(text)) <= MAX_PROBLEMS + 1


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "expected a mapping"),
        (b"just words", "expected a mapping"),
        (b"name: \xff", "expected UTF-8, got byte 0xff"),
        (b"name: \x00", "not YAML"),
        (b"a: b: c", "not YAML"),
        (b"a: 1\n---\nb: {c: [1]}\n", "expected one document"),
        (b"#" * (MAX_JOB_BYTES + 1), f"expected at most {MAX_JOB_BYTES} bytes"),
    ],
)
def test_what_is_no_job_file_is_refused(problems, data, problem):
    assert any(problem in text for _, text in problems(data))


def test_unreadable_places_are_named_and_do_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, message in (("none", "No such file"), ("pipe", "regular"), (".", "directory")):
        with pytest.raises(JobError, match=message):
            load_job(tmp_path / name)


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("../data.jsonl", "path_outside_root"),
        ("data/../../x.jsonl", "path_outside_root"),
        ("data/*/../../../x", "path_outside_root"),
        ("/etc/passwd", "path_outside_root"),
        ("~/data.jsonl", "path_outside_root"),
        ("$HOME/data.jsonl", "path_outside_root"),
        ("link/data.jsonl", "path_outside_root"),
        ("link/*.jsonl", "path_outside_root"),
        ("s3://bucket/data", "remote_refused"),
        ("gs://bucket/data", "remote_refused"),
        ("http://host/data", "remote_refused"),
        ("file:///data", "remote_refused"),
        ('""', "expected a path"),
    ],
)
@pytest.mark.parametrize("place", ["sources[0].paths[0]", "key_file", "lists[0].path"])
def test_paths_stay_in_the_folder_of_the_job(problems, tmp_path, place, path, word):
    (tmp_path / "link").symlink_to("/")
    text = GOOD + "lists: [{name: a, kind: url, path: list.txt}]\n"
    old = {"key_file": "key_file: key", "sources[0].paths[0]": "data/*.jsonl"}
    text = text.replace(old.get(place, "list.txt"), "key_file: " * (place == "key_file") + path)
    found = problems(text)
    assert len(found) == 1
    assert found[0][1].startswith(f"{place}: ")
    assert word in found[0][1]


def test_paths_may_leave_the_folder_when_allowed_but_never_the_machine(problems):
    outside = GOOD.replace("data/*.jsonl", "/data/*.jsonl")
    assert problems(outside, allow_outside=True) == []
    remote = GOOD.replace("data/*.jsonl", "s3://data/x")
    assert "remote_refused" in problems(remote)[0][1]
    assert problems(remote, allow_outside=True) == []
    for place in ("http://data/x", "ftp://data/x", "s3://user:secret@data/x"):
        found = problems(GOOD.replace("data/*.jsonl", place), allow_outside=True)
        assert "remote_refused" in found[0][1]
        assert "secret" not in found[0][1]
    key = GOOD.replace("key_file: key", "key_file: s3://data/key")
    assert "remote_refused" in problems(key, allow_outside=True)[0][1]


def test_links_inside_the_folder_are_fine(tmp_path):
    root = tmp_path.resolve()
    (root / "real").mkdir()
    (root / "alias").symlink_to("real")
    (root / "out").symlink_to(root.parent)
    assert is_inside("alias/file", root)
    assert not is_inside("out/file", root)


def test_errors_show_no_control_characters_and_are_short(problems):
    text = GOOD.replace("crawl\n", '"' + "\\e[31m\\u202e" + "x" * 5000 + '"\n')
    ((_, found),) = problems(text)
    assert found.isprintable()
    assert len(found) < 300


def test_canonical_job_ignores_layout_and_engine(tmp_path):
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text(GOOD)
    lines = GOOD.splitlines()
    second.write_text(
        "# other order\nengine: {workers: 7}\nlanguage: {enabled: true}\n"
        + "\n".join([*lines[2:], *lines[:2]])
    )
    one, two = load_job(first), load_job(second)
    assert canonical_job(one.job) == canonical_job(two.job)
    assert one.sha256 != two.sha256
    assert Job.model_validate_json(canonical_job(one.job), strict=True) == one.job
    changed = one.job.model_copy(update={"name": "other"})
    assert canonical_job(changed) != canonical_job(one.job)


@given(
    st.lists(
        st.one_of(st.integers(0, 50), st.text("abc_", min_size=1, max_size=5)), max_size=6
    ).map(tuple)
)
def test_places_are_written_and_read_back(place: tuple[Any, ...]):
    assert undotted(dotted(place)) == place


_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**9), 10**9), st.text(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(_VALUES)
def test_what_a_yaml_writer_quotes_is_read_as_it_was(value: Any):
    """Quoted or not, text that needs no quotes in YAML 1.1 is never taken for something else."""
    tree = read_yaml(yaml.safe_dump(value, allow_unicode=True, default_style=None))
    anchors = any("aliases" in text for _, text in tree.problems)
    assert anchors or (tree.problems == [] and tree.data == value)


def test_deep_job_paths_resolve_relative_to_the_file(tmp_path):
    (tmp_path / "deep").mkdir()
    path = tmp_path / "deep" / "job.yaml"
    path.write_text(GOOD)
    (tmp_path / "job.yaml").symlink_to(path)
    assert load_job(tmp_path / "job.yaml").root == Path(os.path.realpath(path)).parent
