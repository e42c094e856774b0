# SPDX-License-Identifier: Apache-2.0
"""Every numbered case has a test that exists, or a written reason why it has none."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
CASES = [*range(1, 76), *range(94, 113)]
SECURITY = {29, 33, 53, 54, 57, 58, 59, 60, *range(96, 99), 100, 102, 103, 107, 108, 110, 111}
"""Cases where somebody attacks: each needs a twin, a test in which the defence is off."""


def rows() -> dict[int, list[str]]:
    """Return the cells of the index by case number."""
    found: dict[int, list[str]] = {}
    for line in (HERE / "INDEX.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if cells[0].strip("| ").isdigit():
            number = int(cells[0].strip("| "))
            assert number not in found, f"case {number} stands twice"
            found[number] = cells[1:]
    return found


@cache
def functions(path: Path) -> frozenset[str]:
    """Return the names of the test functions of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)
    )


def references(cell: str) -> list[tuple[Path, str]]:
    """Return the tests that a cell names, as `file::function`."""
    named = re.findall(r"`([a-z_/0-9]+)(?:\.py)?::([A-Za-z_0-9]+)`", cell)
    return [(HERE.parent / f"{file}.py", function) for file, function in named]


def test_no_case_is_missing() -> None:
    assert sorted(rows()) == CASES


@pytest.mark.parametrize("case", CASES)
def test_a_case_names_tests_that_exist_or_says_why_there_is_none(case: int) -> None:
    what, tests, *_ = rows()[case]
    assert what
    named = references(tests)
    assert named or (tests.startswith("none: ") and len(tests) > 20), tests
    for file, function in named:
        assert function in functions(file), f"{file.name} has no {function}"


@pytest.mark.parametrize("case", sorted(SECURITY))
def test_a_security_case_has_a_twin_without_the_defence(case: int) -> None:
    twins = references(rows()[case][2])
    assert twins, f"case {case} names no twin"
    for file, function in twins:
        assert function in functions(file), f"{file.name} has no {function}"
