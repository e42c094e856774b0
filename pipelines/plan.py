# SPDX-License-Identifier: Apache-2.0
"""Resolve a job to a plan: which files, splits, lists, models and key; touch nothing."""

from __future__ import annotations

import importlib.metadata
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from .. import __version__
from ..schemas.errors import InputError, JobError, ListError
from ..schemas.job import MOST_PARTITIONS, FieldMapping, Job, Source
from ..schemas.job_file import LoadedJob, is_inside
from ..schemas.job_lists import ListFile, ListKind
from ..schemas.locations import scheme_of
from ..schemas.personal_data import NerScope
from ..transforms.bands import choose_bands
from ..transforms.code_digest import code_digest
from ..transforms.keys import load_key
from ..transforms.models import ModelFile, bundled_models, verify_model
from ..transforms.pii import PiiModels, recogniser_facts, settings_of
from ..transforms.reading import (
    CRAWL_FORMATS,
    FileFacts,
    ReadLimits,
    check_same_types,
    inspect_file,
    plan_splits,
    printable,
    wat_label,
)
from ..transforms.rights import check_allowed, load_list, normalise_licences
from ..transforms.rights.snapshots import describe_snapshot
from ..transforms.run_state import Plan
from ..transforms.storage import digest_of
from ..transforms.stores import Location, location_of, resolve, store_at
from ..transforms.works import load_works
from .former_releases import former_parts

_LOOKS_AT_ONCE = 8
"""Input files looked at at a time: what an object store answers takes longer than it costs."""


_PARTITION_BYTES = 64 << 20
"""Input for each partition of an exchange: what it gets is less, and `gather` holds it twice."""


def make_plan(loaded: LoadedJob, work: Location) -> Plan:
    """Resolve and check everything a job names, before any work starts.

    Args:
        loaded: The job and its folder.
        work: Private folder of the run; not created here.

    Raises:
        UserError: Something the job names is missing, damaged or not what it should be.
    """
    job = loaded.job
    keyring = load_key(loaded.root / job.key_file)
    job = _in_order(_with_spdx(job))
    settings_of(job.personal_data)
    files = _inspect(loaded, job)
    splits = plan_splits(
        files,
        target_bytes=job.partitioning.split_bytes,
    )
    inputs = [
        {
            "input_number": number,
            "source_id": source,
            "path": label,
            "format": facts.format,
            "codec": facts.codec,
            "sha256": facts.sha256,
            "file_bytes": facts.bytes,
        }
        for number, (source, label, _, facts) in enumerate(files)
    ]
    models, thresholds = _models(job)
    near = job.deduplication.near
    weight = near.false_positive_weight
    bands, rows = (
        choose_bands(near.threshold, near.num_perm, weight, 1 - weight) if near.enabled else (0, 0)
    )
    return Plan(
        job=job,
        root=loaded.origin or str(loaded.root),
        work=store_at(work).absolute(location_of(work)),
        code_digest=code_digest(),
        key_id=keyring.key_id.hex(),
        inputs=tuple(inputs),
        splits=tuple(splits),
        lists=tuple(_lists(loaded, job)),
        models=tuple(models),
        toxicity_thresholds=thresholds,
        bands=bands,
        rows=rows,
        partitions=_partitions(job, sum(facts.bytes for *_, facts in files)),
        snapshots=tuple(_snapshots(loaded, job)),
        wat=tuple(_wat_files(loaded, job, files)),
        former=former_parts(loaded, job, keyring.key_id.hex(), len(splits)),
    )


def _partitions(job: Job, file_bytes: int) -> int:
    """Return into how many partitions each exchange goes."""
    fitting = -(-file_bytes // _PARTITION_BYTES)
    return job.partitioning.exchange_partitions or min(max(fitting, 4), MOST_PARTITIONS)


def _with_spdx(job: Job) -> Job:
    """Return the job with the licences of its sources in SPDX spelling.

    Raises:
        JobError: A licence is not one that SPDX knows; write `unknown` then.
    """
    names = [source.licence for source in job.sources]
    spelled = normalise_licences(pa.array(names, pa.string()))["licence"].to_pylist()
    problems = [
        f"sources[{number}].licence: expected an SPDX expression or `unknown`, got {name!r}"
        for number, (name, found) in enumerate(zip(names, spelled, strict=True))
        if found == "unknown" and name != "unknown"
    ]
    try:
        if job.rights.allow_licences:
            check_allowed(job.rights.allow_licences)
    except ListError as error:
        problems.append(f"rights.allow_licences: {error}")
    if problems:
        raise JobError(problems)
    sources = tuple(
        source.model_copy(update={"licence": licence})
        for source, licence in zip(job.sources, spelled, strict=True)
    )
    return job.model_copy(update={"sources": sources})


def _in_order(job: Job) -> Job:
    """Return the job with what it lists in any order sorted: it is the same job, byte for byte.

    The order of `rights.lists` stays: it decides which list a removal names.
    """
    sources = (
        source.model_copy(
            update={name: tuple(sorted(set(getattr(source, name)))) for name in ("paths", "wat")}
        )
        for source in job.sources
    )
    return job.model_copy(
        update={
            "sources": tuple(sorted(sources, key=lambda source: source.name)),
            "lists": tuple(sorted(job.lists, key=lambda item: item.name)),
            "rights": job.rights.model_copy(
                update={
                    "snapshots": tuple(
                        sorted(job.rights.snapshots, key=lambda item: (item.kind.value, item.path))
                    )
                }
            ),
        }
    )


def _inspect(loaded: LoadedJob, job: Job) -> list[tuple[str, str, str, FileFacts]]:
    """Find and inspect the files of every source, in canonical order (source, label)."""
    limits = ReadLimits(**job.limits.model_dump())
    found: list[tuple[str, str, str, FileFacts]] = []
    with ThreadPoolExecutor(_LOOKS_AT_ONCE) as pool:
        for source in job.sources:
            labels = _expand(loaded, source.name, source.paths)
            places = [resolve(loaded.inputs, label) for label in labels]
            look = partial(
                inspect_file,
                format=source.format,  # type: ignore[arg-type]  # the model allows these words only
                fields=source.fields.model_dump(exclude_none=True),
                limits=limits,
            )
            own: list[tuple[str, FileFacts]] = []
            # In order, so that of several files that are wrong always the same one is named.
            for label, place, facts in zip(labels, places, pool.map(look, places), strict=True):
                shown = printable(label)
                if facts.format in CRAWL_FORMATS and source.fields != FieldMapping():
                    raise InputError(
                        f"source {source.name}: fields: {shown} is a crawl file, whose fields are "
                        "known; leave `fields` out"
                    )
                own.append((shown, facts))
                found.append((source.name, shown, place, facts))
            check_same_types(own)
            _check_digest(source, [facts.sha256 for _, facts in sorted(own)])
    return sorted(found, key=lambda item: item[:2])


def _check_digest(source: Source, files: list[str]) -> None:
    """Refuse a source that is not the one that was declared."""
    if source.digest is None or files == [source.digest]:
        return
    found = digest_of(files).hex()
    if found != source.digest:
        raise InputError(
            f"source {source.name}: digest: expected {source.digest}, its {len(files)} files have "
            f"{found}; use the files that were reviewed, or review these"
        )


def _wat_files(
    loaded: LoadedJob, job: Job, files: list[tuple[str, str, str, FileFacts]]
) -> list[dict[str, Any]]:
    """Return the facts of the WAT files, each beside its WET file; refuse what has no partner."""
    found = []
    for source in job.sources:
        if not source.wat:
            continue
        labels = _expand(loaded, source.name, source.wat)
        wet = [
            label for name, label, _, facts in files if (name, facts.format) == (source.name, "wet")
        ]
        partners = {wat_label(label): label for label in wet}
        names = [label.rpartition("/")[2] for label in labels]
        if sorted(names) != sorted(filter(None, partners)) or len(partners) != len(wet):
            raise InputError(
                f"source {source.name}: wat: expected one WAT file for each of its {len(wet)} WET "
                f"files, x.warc.wat.gz beside x.warc.wet.gz, got {len(names)} that do not pair "
                "with them; put what has no partner in a source of its own"
            )
        for label, name in zip(labels, names, strict=True):
            location = resolve(loaded.inputs, label)
            facts = inspect_file(location, format="wat")
            own = {"source_id": source.name, "path": printable(label), "wet": partners[name]}
            found.append(own | {"location": location, "codec": facts.codec, "sha256": facts.sha256})
    return found


def _expand(loaded: LoadedJob, source: str, patterns: tuple[str, ...]) -> list[str]:
    """Return the files a source's globs find, each once, sorted; relative where the glob is."""
    labels: set[str] = set()
    for pattern in patterns:
        root = loaded.inputs if scheme_of(pattern) is None else pattern
        matches = store_at(root).glob(loaded.inputs, pattern)
        if not matches:
            raise InputError(
                f"source {source}: no file matches {printable(pattern)!r} in {loaded.inputs}"
            )
        labels.update(matches)
    files = sorted(label for label in labels if not label.endswith("/"))
    if not files:
        raise InputError(f"source {source}: its paths match folders only; name the files")
    for label in files:
        place = resolve(loaded.inputs, label)
        inside = scheme_of(place) is not None or is_inside(place, Path(loaded.inputs))
        if not inside and not loaded.allow_outside:
            raise InputError(
                f"{printable(label)}: path_outside_root: it leads out of the job file's folder"
            )
    return files


def _lists(loaded: LoadedJob, job: Job) -> list[dict[str, Any]]:
    return [
        {
            "list_id": item.name,
            "kind": item.kind.value,
            "licence": item.licence,
            "retrieved": item.retrieved.isoformat() if item.retrieved else None,
            **_list_facts(loaded, job, item),
        }
        for item in job.lists
    ]


def _list_facts(loaded: LoadedJob, job: Job, item: ListFile) -> dict[str, Any]:
    """Load a list to see that it can be used, and return what the manifest says of it."""
    named = None if item.version == "unversioned" else item.version
    path = loaded.root / item.path
    if item.kind is ListKind.WORK:
        key = load_key(loaded.root / job.key_file).derive("shingle/v1")
        works = load_works(path, key=key, shingle_size=job.deduplication.near.shingle_size)
        own = {"version": named or works.sha256[:12], "sha256": works.sha256}
        return {**own, "entries": works.entries, "canaries": 0}
    entries = load_list(path, item.kind.value, force=item.force)  # type: ignore[arg-type]  # works: above
    own = {"version": named or entries.version, "sha256": entries.sha256}
    return {**own, "entries": len(entries.lines), "canaries": len(entries.canaries)}


def _snapshots(loaded: LoadedJob, job: Job) -> list[dict[str, Any]]:
    """Return the facts of the snapshot tables, in canonical order."""
    facts = []
    for item in sorted(set(job.rights.snapshots), key=lambda item: (item.kind.value, item.path)):
        if not loaded.allow_outside and not is_inside(item.path, loaded.root):
            raise InputError(
                f"{printable(item.path)}: path_outside_root: it leads out of the job file's folder"
            )
        found = describe_snapshot(loaded.root / item.path)
        facts.append({"kind": item.kind.value, "path": item.path, **found})
    return facts


def _models(job: Job) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Return the facts of the models that will measure, and the toxicity thresholds."""
    facts: list[dict[str, Any]] = []
    thresholds: dict[str, float] = {}
    for model in bundled_models():
        task = "language" if model.name == "lid.176" else "toxicity"
        enabled = job.language.enabled if task == "language" else job.toxicity.enabled
        if not enabled:
            continue
        verify_model(model)
        facts.append(_model_facts(model, task))
        if task == "toxicity" and model.threshold is not None:
            thresholds |= dict.fromkeys(model.languages, model.threshold)
    unknown = sorted(set(job.toxicity.thresholds) - set(thresholds))
    if unknown and job.toxicity.enabled:
        raise JobError(
            [f"toxicity.thresholds.{code}: there is no toxicity model for it" for code in unknown]
        )
    if job.toxicity.enabled:
        thresholds |= job.toxicity.thresholds
    if job.personal_data.enabled:
        facts += recogniser_facts(job.personal_data, __version__)
    if job.personal_data.enabled and job.personal_data.ner is not NerScope.OFF:
        facts += [
            {
                "model": info.name,
                "version": info.version,
                "sha256": info.sha256,
                "licence": _licence_of(info.name),
                "task": "ner",
            }
            for info in PiiModels.describe()
        ]
    return facts, thresholds


def _model_facts(model: ModelFile, task: str) -> dict[str, Any]:
    return {
        "model": model.name,
        "version": model.version,
        "sha256": model.sha256,
        "licence": model.licence,
        "task": task,
    }


def _licence_of(distribution: str) -> str:
    """Return what the metadata of an installed distribution says of its licence."""
    metadata = importlib.metadata.metadata(distribution)
    named = (metadata[name] for name in ("License-Expression", "License") if name in metadata)
    return next(filter(None, named), "unknown")
