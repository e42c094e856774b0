# SPDX-License-Identifier: Apache-2.0
"""What ships is what is in the tree, under one name, with the same bytes each time."""

from __future__ import annotations

import fnmatch
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import muniment

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUPTOOLS = PROJECT["tool"]["setuptools"]
MAX_LINES = 500
IGNORED = {"__pycache__", ".ruff_cache", ".mypy_cache"}


def folder_of(package: str) -> Path:
    """Return where a package lives in the tree."""
    mapping = SETUPTOOLS["package-dir"]
    parts = package.split(".")
    for length in range(len(parts), 0, -1):
        mapped = mapping.get(".".join(parts[:length]))
        if mapped:
            return ROOT.joinpath(mapped, *parts[length:])
    raise AssertionError(package)


def tree_files() -> list[Path]:
    """Return every file of the package in the tree, caches left out."""
    return [
        path
        for folder in SETUPTOOLS["package-dir"].values()
        for path in sorted((ROOT / folder).rglob("*"))
        if path.is_file() and not IGNORED & set(path.parts)
    ]


def test_every_package_of_the_tree_is_listed():
    found = {"muniment"}
    for name in ("pipelines", "schemas", "transforms"):
        for path in (ROOT / name).rglob("__init__.py"):
            found.add(".".join(("muniment", *path.relative_to(ROOT).parts[:-1])))
    assert set(SETUPTOOLS["packages"]) == found
    assert SETUPTOOLS["packages"] == sorted(SETUPTOOLS["packages"])


def test_every_folder_with_modules_is_a_package():
    packages = {folder_of(package) for package in SETUPTOOLS["packages"]}
    assert {path.parent for path in tree_files() if path.suffix == ".py"} <= packages


def test_every_data_file_ships():
    patterns = [
        str(folder_of(package).relative_to(ROOT) / pattern)
        for package, globs in SETUPTOOLS["package-data"].items()
        for pattern in globs
    ]
    data = [str(path.relative_to(ROOT)) for path in tree_files() if path.suffix != ".py"]
    forgotten = [name for name in data if not any(fnmatch.fnmatch(name, p) for p in patterns)]
    assert forgotten == []
    unused = [pattern for pattern in patterns if not fnmatch.filter(data, pattern)]
    assert unused == []


@pytest.mark.parametrize(
    "path",
    [path for path in tree_files() if path.suffix == ".py"],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_module_has_licence_and_docstring_and_is_short(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# SPDX-License-Identifier: Apache-2.0"
    assert lines[1].startswith(('"""', 'r"""'))
    assert len(lines) < MAX_LINES


def test_version_is_that_of_the_package():
    assert re.fullmatch(r"\d+\.\d+\.\d+", muniment.__version__)
    assert SETUPTOOLS["dynamic"]["version"]["attr"] == "muniment.__version__"


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_lock_pins_everything_with_hashes_and_names_no_host(name):
    text = (ROOT / name).read_text()
    pins = re.findall(r"^([A-Za-z0-9._-]+)==(\S+) \\$", text, re.MULTILINE)
    blocks = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(pins) == len(blocks) > 60
    assert all("--hash=sha256:" in block for block in blocks)
    assert not re.search(r"https?://|--index|--find-links|--trusted-host|file://|/tmp|/opt", text)


def test_the_locks_agree_and_hold_what_is_asked_for():
    pins = {
        name: dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+) \\$", text, re.MULTILINE))
        for name in ("requirements.lock", "requirements-dev.lock")
        for text in [(ROOT / name).read_text()]
    }
    assert pins["requirements.lock"].items() <= pins["requirements-dev.lock"].items()
    for part in ("", "-dev"):
        lines = (ROOT / f"requirements{part}.in").read_text().splitlines()
        wanted = {found[0].lower() for line in lines if (found := re.match(r"[\w.-]+", line))}
        assert wanted <= {name.lower() for name in pins[f"requirements{part}.lock"]}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory) -> list[Path]:
    """Build the wheel twice, in two copies of the tree."""
    pytest.importorskip("setuptools", minversion="80")
    built = []
    for number in (1, 2):
        copy = tmp_path_factory.mktemp(f"tree{number}")
        for name in ("infra", "pipelines", "schemas", "transforms"):
            ignore = shutil.ignore_patterns(*IGNORED)
            shutil.copytree(ROOT / name, copy / name, ignore=ignore)
        for name in ("pyproject.toml", "requirements.in", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, copy / name)
        code = "from setuptools import build_meta; build_meta.build_wheel('dist')"
        environment = {**os.environ, "SOURCE_DATE_EPOCH": "1704067200", "PYTHONWARNINGS": "ignore"}
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=copy,
            env=environment,
            check=True,
            capture_output=True,
        )
        built += (copy / "dist").glob("*.whl")
    return built


@pytest.mark.slow
def test_two_builds_have_the_same_bytes(wheels):
    first, second = (hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in wheels)
    assert first == second


@pytest.mark.slow
def test_wheel_holds_the_tree_under_one_name(wheels):
    names = set(zipfile.ZipFile(wheels[0]).namelist())
    version = muniment.__version__
    assert {name.split("/")[0] for name in names} == {
        "muniment",
        f"muniment-{version}.dist-info",
    }
    expected = set()
    for path in tree_files():
        relative = path.relative_to(ROOT)
        inside = Path("muniment", *relative.parts)
        if relative.parts[:2] == ("infra", "package"):
            inside = Path("muniment", *relative.parts[2:])
        expected.add(str(inside))
    assert {name for name in names if name.startswith("muniment/")} == expected
