# SPDX-License-Identifier: Apache-2.0
"""The generated references are up to date, complete and true."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from muniment.pipelines import reference
from muniment.pipelines.named_queries import NAMED_QUERIES
from muniment.schemas.job import Job
from muniment.schemas.job_file import load_job, model_in
from muniment.schemas.tables import ALL_TABLES


def all_fields(model: type[BaseModel]) -> list[tuple[type[BaseModel], str]]:
    found = []
    for name, info in model.model_fields.items():
        found.append((model, name))
        inner = model_in(info.annotation)
        found += all_fields(inner) if inner else []
    return found


def test_examples_are_what_the_models_say(repository: Path, tmp_path: Path):
    reference.write_references(tmp_path)
    for path in sorted(tmp_path.iterdir()):
        kept = repository / "examples" / path.name
        assert kept.read_text() == path.read_text(), f"{path.name}: run `make docs`"


def test_every_field_is_described_and_in_both_references():
    table, text = reference.render_job_reference(), reference.render_job_yaml()
    for model, name in all_fields(Job):
        described = model.model_fields[name].description
        assert described, name
        assert described.endswith((".", ")")), name
        assert f"| `{name}` |" in table
        assert f"{name}:" in text


def test_every_column_of_every_table_is_in_the_reference():
    text = reference.render_manifest_reference()
    for table in ALL_TABLES:
        assert f"## `{table.name}`" in text
        for column in table.fields:
            assert column.meaning.endswith((".", ")")), (table.name, column.name)
            assert f"| `{column.name}` |" in text


def test_every_named_query_is_in_the_reference_with_its_number_and_arguments():
    text = reference.render_query_reference()
    for query in NAMED_QUERIES:
        line = next(line for line in text.splitlines() if f"| `{query.name}` |" in line)
        assert line.startswith(f"| {query.number} |")
        assert all(f"`{arg.name}`" in line for arg in query.args)


def test_reference_job_is_valid_and_holds_the_defaults(repository: Path):
    job = load_job(repository / "examples" / "job.reference.yaml").job
    assert job.personal_data.recognisers[0].name == "staff-number"
    personal = job.personal_data.model_copy(update={"recognisers": ()})
    duplicates = job.deduplication.model_copy(update={"against": ()})
    job = job.model_copy(update={"personal_data": personal, "deduplication": duplicates})
    for name, info in Job.model_fields.items():
        if not info.is_required() and name not in ("lists", "rights"):
            assert getattr(job, name) == info.get_default(call_default_factory=True), name
