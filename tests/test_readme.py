# SPDX-License-Identifier: Apache-2.0
"""What the README shows is true: its commands run, its job loads, its links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from muniment.schemas.job_file import load_job

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
TOKENS = MarkdownIt().parse(README)


def blocks(language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return [t.content for t in TOKENS if t.type == "fence" and t.info == language]


def commands(block: str) -> list[tuple[str, str]]:
    """Split a console block into (command, what it prints)."""
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    return [(part.partition("\n")[0], part.partition("\n")[2]) for part in parts]


def shape(text: str) -> str:
    """Return an output without what differs between machines: numbers, ids and spaces."""
    return re.sub(r"\s+", " ", re.sub(r"\b[0-9a-f]{8,}\b|\d[\d,.]*", "0", text)).strip()


def as_shown(shown: str, printed: str) -> bool:
    """Tell whether an output is what a block shows; a line `...` stands for any text."""
    pieces = [re.escape(shape(piece)) for piece in re.split(r"^\.\.\.$", shown, flags=re.MULTILINE)]
    return re.fullmatch(r".*".join(pieces), shape(printed), re.DOTALL) is not None


def test_outputs_are_compared_by_shape():
    assert as_shown("kept 1,023\n...\nend 0.5 s\n", "kept 7\nx\ny\nend 12.25 s\n")
    assert not as_shown("kept 1\n", "lost 1\n")


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.parametrize("block", blocks("console"), ids=lambda block: block.split("\n")[0])
def test_commands_run_and_print_what_is_shown(block, tmp_path):
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "NO_COLOR": "1",
    }
    for command, shown in commands(block):
        done = subprocess.run(  # noqa: S602  (the README is ours)
            command,
            shell=True,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        assert done.returncode == 0, f"{command}: {done.stderr[-2000:]}"
        assert not shown or as_shown(shown, done.stdout), f"{command} printed:\n{done.stdout}"


@pytest.mark.parametrize("block", blocks("yaml"), ids=lambda block: block.split("\n")[0])
def test_jobs_load(block, tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text(block)
    assert load_job(path).job.sources


def test_links_and_files_exist():
    inline = [child for token in TOKENS for child in token.children or ()]
    links = [str(child.attrs["href"]) for child in inline if child.type == "link_open"]
    assert links
    assert all((ROOT / link).exists() for link in links if "://" not in link)
    rows = re.findall(r"^\| `(\w+/)` \|[^|]*\| (.*) \|$", README, re.MULTILINE)
    named = [folder + name for folder, cell in rows for name in re.findall(r"`([^`]+)`", cell)]
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_make_command_that_is_named_exists():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"make (\w+)", README)) - {"mistakes", "lists"}
    assert named <= targets
