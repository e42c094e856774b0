# SPDX-License-Identifier: Apache-2.0
"""Imports run one way: schemas <- transforms <- pipelines; inside the package they are relative."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = {"schemas": ROOT / "schemas", "transforms": ROOT / "transforms"}
ROOMS["pipelines"] = ROOT / "pipelines"
MAY_IMPORT = {
    "schemas": {"schemas"},
    "transforms": {"schemas", "transforms"},
    "pipelines": {"schemas", "transforms", "pipelines"},
}
SCHEMA_LIBRARIES = {"pyarrow", "pydantic", "pydantic_core", "yaml"}
LIGHT = ("query", "card", "release", "verify", "explain", "named_queries", "reference")
"""Modules of `pipelines` that must start without Beam: people wait for them at a prompt."""

MODULES = [
    (room, path)
    for room, folder in ROOMS.items()
    for path in sorted(folder.rglob("*.py"))
    if "__pycache__" not in path.parts
]
NAMES = [str(path.relative_to(ROOT)) for _, path in MODULES]


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield every imported module as (dots before it, name)."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from ((0, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.module:
                yield node.level, node.module
            else:
                yield from ((node.level, name.name) for name in node.names)


@pytest.mark.parametrize(("room", "path"), MODULES, ids=NAMES)
def test_rooms_import_only_the_rooms_below(room, path):
    depth = len(path.relative_to(ROOT).parts)  # dots that reach the import root `muniment`
    reached = {name.split(".")[0] for level, name in imports(path) if level == depth}
    assert reached <= MAY_IMPORT[room] | {"__version__"}
    assert all(level <= depth for level, _ in imports(path))


@pytest.mark.parametrize("path", [path for _, path in MODULES], ids=NAMES)
def test_imports_inside_the_package_are_relative(path):
    absolute = {name.split(".")[0] for level, name in imports(path) if level == 0}
    assert not absolute & {"muniment", "schemas", "transforms", "pipelines", "infra", "tests"}


@pytest.mark.parametrize(
    "path", [path for room, path in MODULES if room == "schemas"], ids=lambda path: path.name
)
def test_schemas_import_only_the_standard_library_arrow_pydantic_and_yaml(path):
    absolute = {name.split(".")[0] for level, name in imports(path) if level == 0}
    assert absolute <= set(sys.stdlib_module_names) | SCHEMA_LIBRARIES


def test_light_modules_start_without_beam():
    names = [name for name in LIGHT if (ROOT / "pipelines" / f"{name}.py").exists()]
    code = "import sys\n" + "\n".join(f"import muniment.pipelines.{name}" for name in names)
    code += "\nprint(sorted({'apache_beam', 'spacy', 'presidio_analyzer'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd="/"
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_no_module_loads_code_from_data():
    """Pickle, eval and friends turn data into code (reliability case 123)."""
    refused = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "torch"}
    for _, path in MODULES:
        names = {name.split(".")[0] for level, name in imports(path) if level == 0}
        assert not names & refused, path
        calls = (node for node in ast.walk(ast.parse(path.read_bytes())))
        called = {n.func.id for n in calls if isinstance(n, ast.Call) and hasattr(n.func, "id")}
        assert not called & {"eval", "exec"}, path
