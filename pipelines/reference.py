# SPDX-License-Identifier: Apache-2.0
"""Write the references that are generated from the models: `make docs`, or this module.

`examples/JOB.md` is a table of every field of a job file, `examples/job.reference.yaml` a job that
spells every field out, `examples/MANIFEST.md` a table of every column of a release, and
`examples/QUERIES.md` of every named query. A test holds all four equal to what this module makes.
"""

from __future__ import annotations

import functools
import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from ..schemas.fields import TableSpec
from ..schemas.job import MANDATORY_BY_KIND, Job
from ..schemas.job_file import model_in
from ..schemas.restricted import RESTRICTED_TABLES
from ..schemas.tables import ALL_TABLES, SCHEMA_VERSION
from ..schemas.tables_governance import BESIDE, WORKED_OUT
from .named_queries import NAMED_QUERIES

_WIDTH = 99

_BESIDE = (
    "Facts that a release cannot hold of itself, or that another table gives already. No digest of "
    "the release covers them."
)

_EXAMPLES: dict[str, Any] = {
    "name": "my-corpus",
    "sources[].name": "my-site",
    "sources[].kind": "crawl",
    "sources[].paths": ["data/*.jsonl.gz"],
    "sources[].licence": "unknown",
    "sources[].legal_basis": "tdm_art4",
    "sources[].origin": "worldwide",
    "sources[].collected.start": "2026-01-01",
    "sources[].collected.end": "2026-03-31",
    "sources[].crawler": "my-crawler/1.0",
    "sources[].reviewer": "data office",
    "sources[].trust_tier": "unverified",
    "sources[].illegal_sample.examined": 400,
    "sources[].illegal_sample.illegal": 3,
    "sources[].illegal_sample.reviewer": "data office",
    "sources[].illegal_sample.sampled": "2026-04-02",
    "deduplication.against[].release": "releases/2025",
    "lists[].name": "optout-domains",
    "lists[].kind": "domain",
    "lists[].path": "lists/optout-domains.txt",
    "lists[].request.id": "case-17",
    "lists[].request.kind": "takedown",
    "lists[].request.legal_ref": "GDPR Art. 17(1)",
    "lists[].request.received": "2026-03-01",
    "approval.approved_by": "legal",
    "approval.approved_on": "2026-03-01",
    "approval.policy_sha256": "0" * 64,
    "key_file": "key",
    "rights.lists": ["optout-domains"],
    "rights.snapshots[].kind": "robots",
    "rights.snapshots[].path": "snapshots/robots.parquet",
    "personal_data.recognisers[].name": "staff-number",
    "personal_data.recognisers[].patterns": ["\\bEMP-([0-9]{5})\\b"],
}
"""Values of mandatory fields, and of those that make the example one sound job."""


def render_job_reference() -> str:
    """Return a Markdown page with a table of every field: path, type, default, meaning."""
    lines = [
        "# The job file",
        "",
        "Made by `make docs` from `schemas/job.py`. Paths are relative to the job file and stay in",
        "its folder; unknown and repeated keys, anchors and tags are refused; only `true` and",
        "`false` are booleans; text that looks like a number needs quotes. `[]` stands for each",
        "entry of a list. A job with all fields is in [`job.reference.yaml`](job.reference.yaml).",
    ]
    for path, model in _models(Job, ""):
        summary = (model.__doc__ or "").strip().partition("\n")[0]
        lines += ["", f"## {f'`{path}`' if path else 'Top level'}", "", summary, ""]
        lines += ["| Field | Type | Default | Meaning |", "|---|---|---|---|"]
        lines += [_row(name, info, model) for name, info in model.model_fields.items()]
    lines += ["", "## What each kind of source must declare besides", ""]
    for kind, names in MANDATORY_BY_KIND.items():
        lines.append(f"- `{kind.value}`: {_one_of(list(names)) or 'nothing more'}")
    return "\n".join(lines) + "\n"


def render_manifest_reference() -> str:
    """Return a Markdown page with a table of every column of every table of a release."""
    lines = [
        "# The tables of a release",
        "",
        "Made by `make docs` from `schemas/tables.py`. `muniment query` shows each as a view of",
        f"its name. Version {SCHEMA_VERSION}; a reader refuses a release of another version.",
    ]
    for table in ALL_TABLES:
        lines += _table_lines(table)
    lines += ["", "# Restricted tables", "", *_restricted_words()]
    for table in RESTRICTED_TABLES:
        lines += _table_lines(table)
    lines += ["", "# Views beside the tables", "", _BESIDE]
    for table in (*WORKED_OUT, *BESIDE):
        lines += _table_lines(table)
    return "\n".join(lines) + "\n"


def render_query_reference() -> str:
    """Return a Markdown page with every named query, and the questions an audit asks in order."""
    lines = [
        "# The named queries",
        "",
        "Made by `make docs` from `pipelines/named_queries.py`; the SQL is in `pipelines/queries/`.",
        "`muniment query DIR --named why --arg doc_id=...` answers; `--release ID` asks another",
        "release than the current one. A query marked *gate* stops a release while its answer",
        "breaks the condition: the run ends with exit code 3 and one line, `CURRENT` does not move,",
        "and `run.json` of the release that was refused holds what each gate said.",
        "",
        "| No. | Query | Question | Arguments | Gate |",
        "|---|---|---|---|---|",
    ]
    for query in sorted(NAMED_QUERIES, key=lambda item: (not item.number, item.number)):
        args = [
            f"`{arg.name}`: {arg.meaning}" + (f" ({arg.default})" if arg.default else "")
            for arg in query.args
        ]
        args += ["`before`: release to compare with (the parent)"] if query.compares else []
        gate = f"`{query.gate}`" if query.gate else ""
        cells = [query.number, f"`{query.name}`", query.question, "; ".join(args), gate]
        lines.append(_table_row(cells))
    return "\n".join(lines) + "\n"


def render_job_yaml() -> str:
    """Return a job file that spells every field out, each under its description."""
    head = [
        "# Every field of a job file. Mandatory fields hold examples, the others their defaults;",
        "# leave those out. Made by `make docs` from schemas/job.py; JOB.md has the types.",
        "",
    ]
    return "\n".join([*head, *_yaml(Job, "", 0)]) + "\n"


def _restricted_words() -> list[str]:
    return textwrap.wrap(
        "Under `restricted/`, readable by their owner only, and never to be published: "
        "pseudonymous personal data, signatures of documents. `muniment query --with-restricted` shows them; a release "
        "without the folder is whole. `personal_data.links` and "
        "`output.signatures` say what they hold.",
        _WIDTH,
    )


def _table_lines(table: TableSpec) -> list[str]:
    lines = ["", f"## `{table.name}`", "", table.meaning, ""]
    lines += ["| Column | Type | Unit | Meaning | Standard |", "|---|---|---|---|---|"]
    for column in table.fields:
        null = ", null allowed" if column.nullable else ""
        kind = _arrow_type(column.type) + null
        cells = (f"`{column.name}`", kind, column.unit, column.meaning, column.standard)
        lines.append(_table_row([cell or "" for cell in cells]))
    return lines


def write_references(folder: Path) -> None:
    """Write the references into a folder.

    Args:
        folder: Where to write; must exist.
    """
    (folder / "JOB.md").write_text(render_job_reference(), encoding="utf-8")
    (folder / "QUERIES.md").write_text(render_query_reference(), encoding="utf-8")
    (folder / "MANIFEST.md").write_text(render_manifest_reference(), encoding="utf-8")
    (folder / "job.reference.yaml").write_text(render_job_yaml(), encoding="utf-8")


def _models(model: type[BaseModel], path: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield a model and those inside it with their paths, in the order of the fields."""
    yield path, model
    for name, info in model.model_fields.items():
        inner = model_in(info.annotation)
        if inner is not None:
            brackets = "[]" if _is_list(info) else ""
            yield from _models(inner, f"{path}.{name}{brackets}".removeprefix("."))


def _row(name: str, info: FieldInfo, model: type[BaseModel]) -> str:
    inner = model_in(info.annotation)
    if inner is None:
        kind = _field_type(model, name)
    else:
        kind = "list of sections" if _is_list(info) else "section"
    if info.is_required():
        default = "mandatory"
    elif inner is not None and not _is_list(info) and info.default is not None:
        default = "see there"
    else:
        default = f"`{_value(_default(info))}`"
    return _table_row([f"`{name}`", kind, default, info.description or ""])


def _table_row(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _arrow_type(kind: pa.DataType) -> str:
    """Name an Arrow type as SQL users know it; a dictionary is how words are stored."""
    return str(kind.value_type if pa.types.is_dictionary(kind) else kind)


@functools.cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def _field_type(model: type[BaseModel], name: str) -> str:
    schema = _schema(model)
    return _type(schema["properties"][name], schema.get("$defs", {}))


def _type(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    """Say in words what a JSON schema accepts."""
    if "$ref" in schema:
        return _type(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        return " or ".join(_type(option, definitions) for option in schema["anyOf"])
    if "enum" in schema:
        return _one_of(schema["enum"])
    kind = schema.get("type")
    if kind == "array":
        return f"list of {_type(schema['items'], definitions)}"
    if kind == "object":
        (entry,) = schema.get(
            "patternProperties", {"": schema.get("additionalProperties")}
        ).values()
        return f"mapping of names to {_type(entry, definitions)}"
    if kind == "string":
        pattern = schema.get("pattern", "")
        if pattern.startswith("^(") and pattern.endswith(")$"):
            return _one_of(pattern[2:-2].split("|"))
        return "date" if schema.get("format") == "date" else "text"
    if kind in ("integer", "number"):
        return ("whole number" if kind == "integer" else "number") + _bounds(schema)
    return {"boolean": "`true`, `false`", "null": "`null`"}[str(kind)]


def _bounds(schema: dict[str, Any]) -> str:
    words = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {schema[word]:g}" for word, sign in words.items() if word in schema]
    exact = [item.replace("e+", "e") for item in bounds]
    return f" {', '.join(exact)}" if exact else ""


def _one_of(words: list[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _is_list(info: FieldInfo) -> bool:
    return getattr(info.annotation, "__origin__", None) is tuple


def _default(info: FieldInfo) -> Any:
    return to_jsonable_python(info.get_default(call_default_factory=True, validated_data={}))


def _value(value: Any) -> str:
    """Write a value so that the reader takes it for the same value: JSON is YAML."""
    return json.dumps(value, ensure_ascii=False)


def _yaml(model: type[BaseModel], path: str, depth: int) -> Iterator[str]:
    """Yield the lines of one section."""
    indent = "  " * depth
    for number, (name, info) in enumerate(model.model_fields.items()):
        if depth == 0 and number:
            yield ""
        inner = model_in(info.annotation)
        described = f"{info.description or ''}{'' if inner else _choices(model, name)}"
        yield from textwrap.wrap(
            described, _WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# "
        )
        place = f"{path}.{name}".removeprefix(".")
        if inner is None:
            yield f"{indent}{name}: {_value(_example(place, info))}"
            continue
        if info.default is None:
            yield f"{indent}{name}: null"
            yield from (f"{indent}# {line}" for line in [f"{name}:", *_yaml(inner, place, 1)])
            continue
        yield f"{indent}{name}:"
        if not _is_list(info):
            yield from _yaml(inner, place, depth + 1)
            continue
        yield f"{indent}  -"
        yield from _yaml(inner, f"{place}[]", depth + 2)


def _choices(model: type[BaseModel], name: str) -> str:
    """Return the words a field accepts, where it accepts no others."""
    kind = _field_type(model, name)
    return f" One of {kind}." if kind.startswith("`") and kind != "`true`, `false`" else ""


def _example(place: str, info: FieldInfo) -> Any:
    if place in _EXAMPLES:
        return _EXAMPLES[place]
    if info.is_required():
        raise KeyError(f"{place}: a mandatory field needs an entry in _EXAMPLES")
    return _default(info)


if __name__ == "__main__":
    write_references(Path(sys.argv[1]))
