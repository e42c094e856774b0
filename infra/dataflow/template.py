# SPDX-License-Identifier: Apache-2.0
"""Write `metadata.json`: the parameters of the Flex Template, taken from `muniment run` itself.

python infra/dataflow/template.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from muniment.pipelines.cli import run
from muniment.schemas.job import Job

PLACE = r"^gs://[a-z0-9][a-z0-9._-]+/.+$"
NOT_HERE = frozenset({"dry_run", "workers", "keep_work"})
"""Options that mean nothing to a job on Dataflow: it is not local, and is finished elsewhere."""

_PLACES = frozenset({"job", "output", "inputs"})
_OWN = {"output": "Folder on gs:// that holds the releases and, while a job runs, its work folder."}


def metadata() -> dict[str, Any]:
    """Return the metadata of the template, as Dataflow defines it."""
    fields = ", ".join(name for name, field in Job.model_fields.items() if field.is_required())
    job = {
        "name": "job",
        "label": "Job file",
        "helpText": "Job file on gs://, with its key, lists and snapshots in the same folder. It "
        f"must say {fields}; examples/JOB.md describes every field.",
        "regexes": [PLACE],
        "isOptional": False,
        "paramType": "TEXT",
    }
    options = [item for item in run.params if isinstance(item, click.Option)]
    return {
        "name": "muniment",
        "description": "Govern a training corpus: " + (run.help or "").partition("\n\n")[2].strip(),
        "streaming": False,
        "parameters": [job, *(_parameter(item) for item in options if item.name not in NOT_HERE)],
    }


def _parameter(option: click.Option) -> dict[str, Any]:
    name = option.name or ""
    regexes = [PLACE] if name in _PLACES else []
    if isinstance(option.type, click.Choice):
        regexes = [f"^({'|'.join(option.type.choices)})$"]
    elif option.is_flag:
        regexes = ["^(true|false)$"]
    return {
        "name": name,
        "label": name.replace("_", " ").capitalize(),
        "helpText": _OWN.get(name, option.help),
        "isOptional": name != "output",
        "paramType": "BOOLEAN" if option.is_flag else "TEXT",
        **({"regexes": regexes} if regexes else {}),
    }


def render() -> str:
    """Return `metadata.json`."""
    return json.dumps(metadata(), indent=2) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("metadata.json").write_text(render(), encoding="utf-8")
