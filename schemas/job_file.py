# SPDX-License-Identifier: Apache-2.0
"""Read a job file: every problem at once, each with its file and line.

Three layers look at it and none stops the next: the YAML (`yaml_tree`), the models (`job.Job`, as
strict JSON: texts become dates and enum members, but never numbers or booleans), and what single
fields cannot show (`job.check_job`, and paths that leave the folder of the job file).
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from .errors import JobError
from .job import MANDATORY_BY_KIND, Job, SourceKind, check_job
from .locations import Location, remote_problem, scheme_of
from .register import read_register, register_lists
from .yaml_tree import MAX_PROBLEMS, Place, Tree, read_yaml, show, undotted

MAX_JOB_BYTES = 1 << 20
"""Largest job file; a thousand declared sources take about 600 kB."""

_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|file:|data:")
_GLOB = re.compile(r"[*?\[]")
_CHOICE = re.compile(r"\^\((\w[\w.|]*)\)\$")


@dataclass(frozen=True)
class LoadedJob:
    """A valid job and where it came from.

    Args:
        job: The job.
        path: The job file.
        root: Its folder, symbolic links resolved; paths in the job are relative to it.
        sha256: Hex digest of the bytes of the file.
        inputs: What the sources' paths are relative to: `root`, or another folder, which may be on
            an object store.
        allow_outside: Whether paths may leave `root` and `inputs`.
        origin: Where workers find what is in `root`: `root` itself, or the folder on an object store
            that it is a copy of.
    """

    job: Job
    path: Path
    root: Path
    sha256: str
    inputs: str
    allow_outside: bool = False
    origin: str = ""


def load_job(
    path: str | Path, *, inputs: Location | None = None, allow_outside: bool = False
) -> LoadedJob:
    """Read and check a job file; return the job, or name every problem.

    Whether inputs, lists and the key exist is checked where they are opened, not here.

    Args:
        path: The job file: UTF-8, at most `MAX_JOB_BYTES`.
        inputs: What the sources' paths are relative to; the folder of the job file by default.
        allow_outside: Accept paths that leave that folder, those on object stores among them.

    Raises:
        JobError: The file cannot be read, or the job has problems: up to `MAX_PROBLEMS` lines
            `file:line: place: what was expected, what came`.
    """
    path = Path(path)
    root = Path(os.path.realpath(path)).parent
    base = _inputs_root(root, inputs)
    data = _read_bytes(path)
    tree = read_yaml(_decode(path, data))
    job = _validate(tree)
    if job is not None:
        job = _with_requests(job, root)
        for problem in check_job(job):
            place, _, what = problem.partition(": ")
            tree.add(undotted(place), what)
        _check_paths(job, root, base, tree, allow_outside=allow_outside)
    if job is None or tree.problems:
        problems = sorted(set(tree.problems))
        lines = [f"{path}:{line}: {text}" for line, text in problems[:MAX_PROBLEMS]]
        if len(problems) > MAX_PROBLEMS:
            lines.append(f"{path}: and {len(problems) - MAX_PROBLEMS} problems more")
        raise JobError(lines)
    return LoadedJob(job, path, root, hashlib.sha256(data).hexdigest(), base, allow_outside)


def _with_requests(job: Job, root: Path) -> Job:
    """Return the job with the lists that carry out the requests of its register.

    Raises:
        JobError: There is no register, or it cannot be read.
    """
    if job.requests is None:
        return job
    problem = path_problem(job.requests, root)
    if problem is not None:
        raise JobError(f"requests: {problem}")
    register = root / job.requests
    if not register.is_file():
        raise JobError(f"{register}: No such file; `muniment request add` makes a register")
    lists = register_lists(job.requests, tuple(read_register(register).values()))
    names = (*job.rights.lists, *(item.name for item in lists))
    rights = job.rights.model_copy(update={"lists": names})
    return job.model_copy(update={"lists": (*job.lists, *lists), "rights": rights})


def _inputs_root(root: Path, inputs: Location | None) -> str:
    if inputs is None:
        return str(root)
    problem = remote_problem(inputs)
    if problem is not None:
        raise JobError(f"--inputs: {problem}")
    return os.path.realpath(inputs) if scheme_of(inputs) is None else os.fspath(inputs)


def canonical_job(job: Job) -> bytes:
    """Return the canonical JSON of a job: the bytes behind `config_sha256`.

    Keys are sorted, defaults are written out, and `engine` is left out, because it changes no byte
    of a release.
    """
    content = job.model_dump(mode="json", exclude={"engine"})
    text = json.dumps(
        content,
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    )
    return text.encode()


def is_inside(path: str | Path, root: Path) -> bool:
    """Tell whether a path, its symbolic links resolved, lies in a folder.

    Args:
        path: A path; one that a glob found, say. Relative paths are relative to `root`.
        root: A folder, already resolved.
    """
    return Path(os.path.realpath(root / path)).is_relative_to(root)


def path_problem(
    written: str, root: Path, *, allow_outside: bool = False, remote: bool = False
) -> str | None:
    """Return what is wrong with a path of a job file, or `None`.

    Args:
        written: A path or glob as written. Of a glob, the part before the first wildcard is
            resolved; check what it finds with `is_inside`.
        root: The folder of the job file, resolved.
        allow_outside: Accept paths that leave `root`.
        remote: Whether it may lie on an object store, which is outside.
    """
    if remote and scheme_of(written) is not None:
        problem = remote_problem(written)
        if problem is None and not allow_outside:
            problem = "expected a path in the folder of the job file; run with --allow-outside"
        return f"remote_refused: {problem}" if problem else None
    if _REMOTE.match(written):
        return f"remote_refused: expected a local path, got {show(written)}; fetch it first"
    if not written or "\0" in written:
        return f"expected a path, got {show(written)}"
    if written.startswith("~") or "$" in written:
        return f"path_outside_root: `~` and variables are not expanded, got {show(written)}"
    if allow_outside:
        return None
    parts = Path(written).parts
    fixed = next((n for n, part in enumerate(parts) if _GLOB.search(part)), len(parts))
    if ".." in parts[fixed:] or not is_inside(Path(*parts[:fixed]), root):
        return (
            "path_outside_root: expected a path in the folder of the job file, got "
            f"{show(written)}; move it there, or run with --allow-outside"
        )
    return None


def _read_bytes(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe must not hang the start
        with os.fdopen(descriptor, "rb") as file:
            regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
            data = file.read(MAX_JOB_BYTES + 1) if regular else b""
    except OSError as error:
        raise JobError(f"{path}: {error.strerror}; expected a job file") from None
    if not regular:
        raise JobError(f"{path}: expected a regular file")
    if len(data) > MAX_JOB_BYTES:
        raise JobError(f"{path}: expected at most {MAX_JOB_BYTES} bytes, got more")
    return data


def _decode(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = data[error.start]
        raise JobError(f"{path}:{line}: expected UTF-8, got byte 0x{byte:02x}") from None


def _validate(tree: Tree) -> Job | None:
    """Check the data against the models; add each problem to the tree."""
    if not isinstance(tree.data, dict):
        if not tree.is_spoilt(()):
            tree.problems.append((1, "expected a mapping with `name`, `sources` and `key_file`"))
        return None
    try:
        return Job.model_validate_json(json.dumps(tree.data), strict=True)
    except ValidationError as error:
        for item in error.errors(include_url=False):
            place = tuple(part for part in item["loc"] if part != "[key]")
            # A list whose every item was refused is not "too short" besides.
            is_echo = item["type"] == "too_short" and bool(item["input"])
            if not is_echo and not tree.is_spoilt(place):
                tree.add(place, _explain(dict(item), place))
            if len(tree.problems) > MAX_PROBLEMS:
                break
    _add_undeclared(tree)
    return None


def _explain(item: dict[str, Any], place: Place) -> str:
    """Say in one line what was expected and what came."""
    kind, got = item["type"], item["input"]
    if kind == "missing":
        described = _fields_at(place[:-1]).get(str(place[-1]), "")
        return f"missing, but mandatory. {described}".rstrip()
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(str(place[-1]), _fields_at(place[:-1]), n=1)
        return "unknown key" + (f"; did you mean `{near[0]}`?" if near else "")
    if kind == "string_pattern_mismatch":
        choice = _CHOICE.fullmatch(item["ctx"]["pattern"])
        words = choice[1].replace("|", ", ") if choice else f"text like {item['ctx']['pattern']}"
        return f"expected {'one of ' if choice else ''}{words}, got {show(got)}"
    expected = re.sub(r"^\w+ should (be (a valid |an? )?)?", "", item["msg"])
    if kind == "bool_type":
        expected = "true or false"
    hint = "; put it in quotes" if kind == "string_type" and isinstance(got, int | float) else ""
    return f"expected {expected}, got {show(got)}{hint}"


def _add_undeclared(tree: Tree) -> None:
    """Name what sources must declare by their kind, although other fields are wrong too."""
    sources = tree.data.get("sources")
    for number, source in enumerate(sources if isinstance(sources, list) else ()):
        kind = source.get("kind") if isinstance(source, dict) else None
        if not isinstance(kind, str) or kind not in tuple(SourceKind):
            continue
        for name in MANDATORY_BY_KIND[SourceKind(kind)]:
            place: Place = ("sources", number, name)
            if source.get(name) is None and not tree.is_spoilt(place):
                tree.add(place, f"a source of kind {kind} must declare it")


def _fields_at(place: Place) -> dict[str, str]:
    """Return the fields of the model at a place of the file, with their descriptions."""
    model: type[BaseModel] | None = Job
    for part in place:
        if isinstance(part, str) and model is not None:
            info = model.model_fields.get(part)
            model = model_in(info.annotation) if info else None
    fields = model.model_fields if model is not None else {}
    return {name: info.description or "" for name, info in fields.items()}


def model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the model in an annotation such as `tuple[Source, ...]`, or `None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(model_in, getattr(annotation, "__args__", ()))), None)


def _check_paths(job: Job, root: Path, inputs: str, tree: Tree, *, allow_outside: bool) -> None:
    own: list[tuple[Place, str]] = [(("key_file",), job.key_file)]
    own += [(("lists", n, "path"), item.path) for n, item in enumerate(job.lists)]
    own += [
        (("rights", "snapshots", n, "path"), item.path)
        for n, item in enumerate(job.rights.snapshots)
    ]
    read: list[tuple[Place, str]] = []
    for number, source in enumerate(job.sources):
        for name, paths in (("paths", source.paths), ("wat", source.wat)):
            read += [(("sources", number, name, n), path) for n, path in enumerate(paths)]
    base = root if scheme_of(inputs) else Path(inputs)
    checked = [
        (place, path_problem(path, root, allow_outside=allow_outside)) for place, path in own
    ]
    checked += [
        (place, path_problem(path, base, allow_outside=allow_outside, remote=True))
        for place, path in read
    ]
    for place, problem in checked:
        if problem is not None:
            tree.add(place, problem)
