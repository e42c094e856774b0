# SPDX-License-Identifier: Apache-2.0
"""What every worker needs to know of a run: the plan on disk, and what is loaded from it.

The launcher writes `<work>/plan.json`; DoFns carry only its path, so they pickle to a few bytes
and the key never travels. Keys, lists and models are loaded once in a process, on first use.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ..schemas.deduplication import AddressCopies, PassageUnit
from ..schemas.errors import KeyFileError, ModelError, StageError
from ..schemas.job import Job, Source
from ..schemas.job_file import canonical_job
from ..schemas.job_lists import ListKind
from ..schemas.rights import SnapshotKind
from .code_digest import code_digest
from .keys import Keyring, load_key
from .language import LanguageModel
from .models import ModelFile, bundled_model, verify_model
from .pii import PiiModels, PiiSettings, settings_of
from .policy import rules_of
from .reading import Piece, ReadLimits, Split, SplitReader, WatPages
from .rights import OptOutList, share_list
from .rights.files import FileReader
from .rights.signals import file_readers
from .rights.snapshots import SnapshotStore, open_snapshots
from .rules import Rule
from .storage import digest_of
from .stores import Mirror, store_at
from .toxicity import ToxicityModels
from .units import Workspace, fingerprint
from .works import Works, open_works

PLAN_FILE = "plan.json"
SNAPSHOT_FOLDER = "snapshots"
LIST_FOLDER = "lists"
WAT_FOLDER = "wat"


@dataclass(frozen=True)
class FormerPart:
    """A file of signatures of a former release: to deduplication, one more split.

    Args:
        number: Number after those of the splits.
        release: Release id.
        label: Path below that release.
        path: Where it is.
        sha256: Its digest.
        rows: Its documents.
        stays: Whether its documents stay and new copies go, or the other way round.
    """

    number: int
    release: str
    label: str
    path: str
    sha256: str
    rows: int
    stays: bool


@dataclass(frozen=True)
class Plan:
    """Everything that was resolved before the run started; nothing in it is secret.

    Args:
        job: The job.
        root: Folder of the job file; on an object store, every process brings its files to itself.
        work: Private folder of the run.
        code_digest: Digest of the code and the libraries that shape the output.
        key_id: Public name of the key, hexadecimal.
        inputs: Facts of each input file, in canonical order.
        splits: Splits, numbered from 0 in canonical order.
        lists: Facts of each list, in the job's order; `sha256` and `entries` among them.
        models: Facts of each model that measures.
        toxicity_thresholds: Language to threshold.
        bands: Bands of a signature; 0 = no near-duplicates.
        rows: Rows of a band.
        partitions: Partitions of each exchange.
        snapshots: Facts of each snapshot table: `kind`, `path`, `sha256`, `rows`.
        former: Parts of the former releases to compare with, numbered on from the splits.
        wat: WAT files: `source_id`, `path` and `wet` (labels), `location`, `codec` and `sha256`.
    """

    job: Job
    root: str
    work: str
    code_digest: str
    key_id: str
    inputs: tuple[dict[str, Any], ...]
    splits: tuple[Split, ...]
    lists: tuple[dict[str, Any], ...]
    models: tuple[dict[str, Any], ...]
    toxicity_thresholds: dict[str, float]
    bands: int
    rows: int
    partitions: int
    snapshots: tuple[dict[str, Any], ...] = ()
    former: tuple[FormerPart, ...] = ()
    wat: tuple[dict[str, Any], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-able copy."""
        record = {name: getattr(self, name) for name in self.__dataclass_fields__}
        record["job"] = self.job.model_dump(mode="json")
        for name in ("splits", "former"):
            record[name] = [asdict(part) for part in getattr(self, name)]
        return record

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Plan:
        """Return the plan of a JSON-able copy."""
        values = dict(record)
        values["job"] = Job.model_validate(record["job"])
        values["splits"] = tuple(map(Split.from_dict, record["splits"]))
        values["former"] = tuple(FormerPart(**part) for part in record["former"])
        for name in ("inputs", "lists", "models", "snapshots", "wat"):
            values[name] = tuple(record[name])
        return cls(**values)

    @cached_property
    def _input_numbers(self) -> dict[tuple[str, str], int]:
        return {(item["source_id"], item["path"]): item["input_number"] for item in self.inputs}

    def input_numbers(self, split: Split) -> list[int]:
        """Return the number of the file of each piece of a split."""
        return [self._input_numbers[split.source, piece.label] for piece in split.pieces]

    @cached_property
    def _wat_files(self) -> dict[tuple[str, str], dict[str, Any]]:
        return {(item["source_id"], item["wet"]): item for item in self.wat}

    def wat_of(self, source: str, label: str) -> dict[str, Any] | None:
        """Return the facts of the WAT file beside an input file, if there is one."""
        return self._wat_files.get((source, label))

    def source(self, name: str) -> Source:
        """Return the declaration of a source."""
        return next(source for source in self.job.sources if source.name == name)

    @property
    def addresses(self) -> bool:
        """Whether one document of each address is to stay."""
        return self.job.deduplication.url is not AddressCopies.OFF

    @property
    def samples(self) -> bool:
        """Whether documents contained in others are looked for."""
        return bool(self.bands) and self.job.deduplication.near.containment is not None

    @property
    def passages(self) -> bool:
        """Whether lines or paragraphs that repeat are looked for."""
        return self.job.deduplication.passages.unit is not PassageUnit.OFF

    @property
    def whole_fingerprint(self) -> str:
        """Digest of everything that can change a release."""
        record = self.as_dict()
        del record["work"], record["root"], record["job"]["engine"]
        record["splits"] = [without_paths(split) for split in self.splits]
        for item in record["former"]:
            del item["path"]
        record["wat"] = [{**item, "location": None} for item in self.wat]
        return fingerprint(record)

    @property
    def numbers(self) -> range:
        """Numbers of the splits and of the former parts after them."""
        return range(len(self.splits) + len(self.former))

    @property
    def by_size(self) -> list[int]:
        """Numbers of the former parts, then of the splits, largest first: the order of work.

        What is left for the end should be small, so that workers end together.
        """
        pieces = [(split, piece) for split in self.splits for piece in split.pieces]
        cut = Counter((split.source, piece.label) for split, piece in pieces)
        sizes = Counter[int]()
        for split, piece in pieces:
            sizes[split.number] -= piece.file_bytes // cut[split.source, piece.label]
        own = len(self.splits)
        return [*self.numbers[own:], *sorted(self.numbers[:own], key=lambda n: (sizes[n], n))]

    def part(self, number: int) -> Split | FormerPart:
        """Return the split or former part of a number."""
        own = len(self.splits)
        return self.splits[number] if number < own else self.former[number - own]

    @property
    def former_base(self) -> np.uint64:
        """The least `doc_ref` of a document of a former release."""
        return np.uint64(len(self.splits) << 32)

    def annotate_fingerprint(self, split: Split | FormerPart) -> str:
        """Digest of everything that can change the annotations of one split.

        Thresholds and policies are not in it: changing one does not read the text again.
        """
        if isinstance(split, FormerPart):
            return fingerprint(self.whole_fingerprint, split.number)
        job, source = self.job, self.source(split.source)
        near = job.deduplication.near
        return fingerprint(
            self.code_digest,
            self.key_id,
            without_paths(split),
            source.model_dump(mode="json"),
            job.limits.model_dump(mode="json"),
            job.on_bad_file,
            job.language.enabled,
            job.toxicity.enabled,
            job.personal_data.model_dump(
                mode="json", include={"enabled", "entities", "min_score", "presidio", "recognisers"}
            ),
            [item for item in self.lists if item["list_id"] in job.rights.lists],
            [item.share for item in job.lists if item.kind is ListKind.WORK],
            [job.personal_data.model_dump(mode="json")]
            if any(item.kind is ListKind.PERSON for item in job.lists)
            else None,
            job.rights.model_dump(
                mode="json",
                include={"allow_licences", "ua_policy", "own_token", "asof", "record_only"},
            ),
            self.snapshots,
            [(self.wat_of(split.source, p.label) or {}).get("sha256") for p in split.pieces],
            self.models,
            [near.num_perm, near.shingle_size, near.seed, self.bands, self.rows, self.samples],
            [job.deduplication.passages.unit.value, job.deduplication.passages.min_chars],
        )


def without_paths(split: Split) -> dict[str, Any]:
    """Return a split as a dict, without where its files are on this machine."""
    record = asdict(split)
    for piece in record["pieces"]:
        del piece["path"]
    return record


class Run:
    """A plan with what workers load from it.

    Args:
        plan: The plan.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.job = plan.job
        self.workspace = Workspace(plan.work)
        self.whole_fingerprint = plan.whole_fingerprint
        self._wat: tuple[str, WatPages | None] = "", None
        self._file_readers: dict[tuple[str, ...], dict[SnapshotKind, FileReader]] = {}

    def path(self, relative: str) -> Path:
        """Return a local path with a file that the job file names: the key, a list, a snapshot."""
        self._beside.bring([relative])
        return Path(self._beside.folder) / relative

    @cached_property
    def _beside(self) -> Mirror:
        return store_at(self.plan.root).mirror(self.plan.root)

    @cached_property
    def keyring(self) -> Keyring:
        """The secret key.

        Raises:
            KeyFileError: It cannot be used, or is not the one that was planned with.
        """
        path = self.path(self.job.key_file)
        keyring = load_key(path)
        if keyring.key_id.hex() != self.plan.key_id:
            message = (
                f"key file {path}: the job was planned with key {self.plan.key_id}, this is "
                f"{keyring.key_id.hex()}; give every worker the same one"
            )
            raise KeyFileError(message)
        return keyring

    @cached_property
    def text_key(self) -> bytes:
        """Key of text hashes and document identifiers."""
        return self.keyring.derive("text-hash/v1")

    @cached_property
    def shingle_key(self) -> bytes:
        """Key of shingle hashes; the same for all releases that are to be compared."""
        return self.keyring.derive("shingle/v1")

    @cached_property
    def url_key(self) -> bytes:
        """Key of address hashes."""
        return self.keyring.derive("url-hash/v1")

    @cached_property
    def pii_key(self) -> bytes:
        """Master key of personal-data hashes; the detector derives one for each type."""
        return self.keyring.derive("pii-link/v1", 32)

    @cached_property
    def leaf_context(self) -> str:
        """What tells the salted leaves of this run from those of others: its job and its inputs."""
        job = hashlib.sha256(canonical_job(self.job)).hexdigest()
        return digest_of([job, *(item["sha256"] for item in self.plan.inputs)]).hex()

    @cached_property
    def limits(self) -> ReadLimits:
        """Bounds on reading."""
        return ReadLimits(**self.job.limits.model_dump())

    def reader(
        self,
        split: Split,
        columns: tuple[str, ...] | None = None,
        annotations: pa.Table | None = None,
    ) -> SplitReader:
        """Return a reader of a split, as the job wants it read.

        Args:
            split: The split.
            columns: Value columns to fill; all that the source maps by default.
            annotations: Annotations of the split, if it was read before.
        """
        source = self.plan.source(split.source)
        return SplitReader(
            split,
            source.fields.model_dump(exclude_none=True),
            limits=self.limits,
            columns=columns,
            files=None if annotations is None else annotations["file"].to_numpy(),
            on_bad_file=self.job.on_bad_file,  # type: ignore[arg-type]  # the model's own words
            html_text=source.html_text,  # type: ignore[arg-type]  # likewise
            wat=partial(self._wat_pages, source.name) if columns is None else None,
        )

    def _wat_pages(self, source: str, piece: Piece) -> WatPages | None:
        """Return what the WAT file beside a file says; the last one stays in memory."""
        facts = self.plan.wat_of(source, piece.label)
        if facts is None:
            return None
        if facts["sha256"] != self._wat[0]:
            folder = Path(self._scratch, WAT_FOLDER)
            self._wat = facts["sha256"], WatPages.open(facts, folder, self.limits)
        return self._wat[1]

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """Rules that look at one document."""
        return rules_of(self.job, self.plan.toxicity_thresholds)

    @cached_property
    def lists(self) -> tuple[tuple[str, ListKind, OptOutList], ...]:
        """Applied lists of entries as (name, kind, list), mapped from the work folder.

        Raises:
            ListError: A list is not the one that was planned with.
        """
        planned = {item["list_id"]: item["sha256"] for item in self.plan.lists}
        loaded = []
        for item in self.job.lists:
            if item.name not in self.job.rights.lists or item.kind is ListKind.WORK:
                continue
            entries = share_list(
                self.path(item.path),
                item.kind.value,  # type: ignore[arg-type]  # works are read otherwise
                Path(self._scratch, LIST_FOLDER),
                sha256=planned[item.name],
                force=item.force,
            )
            loaded.append((item.name, item.kind, entries))
        return tuple(loaded)

    @cached_property
    def works(self) -> tuple[tuple[str, float, Works], ...]:
        """Applied lists of works as (name, least share, works).

        Raises:
            ListError: A work is not the one that was planned with.
        """
        planned = {item["list_id"]: item["sha256"] for item in self.plan.lists}
        return tuple(
            (
                item.name,
                item.share,
                open_works(
                    self.path(item.path),
                    Path(self._scratch, LIST_FOLDER),
                    sha256=planned[item.name],
                    key=self.shingle_key,
                    shingle_size=self.job.deduplication.near.shingle_size,
                ),
            )
            for item in self.job.lists
            if item.name in self.job.rights.lists and item.kind is ListKind.WORK
        )

    @cached_property
    def _scratch(self) -> str:
        return store_at(self.plan.work).scratch(self.plan.work)

    @cached_property
    def snapshots(self) -> dict[SnapshotKind, SnapshotStore]:
        """Snapshot tables by kind, mapped from the work folder.

        Raises:
            InputError: A table is not the one that was planned with.
        """
        stores = {}
        for kind in SnapshotKind:
            own = [item for item in self.plan.snapshots if item["kind"] == kind.value]
            if own:
                paths = [self.path(item["path"]) for item in own]
                folder = Path(self._scratch, SNAPSHOT_FOLDER, kind.value)
                stores[kind] = open_snapshots(paths, [item["sha256"] for item in own], folder)
        return stores

    def file_readers(self, agents: tuple[str, ...]) -> dict[SnapshotKind, FileReader]:
        """Return the readers of the snapshots for some crawlers; they keep what they parsed."""
        if agents not in self._file_readers:
            self._file_readers[agents] = file_readers(self.snapshots, agents)
        return self._file_readers[agents]

    def _model(self, name: str) -> ModelFile:
        """Return a bundled model.

        Raises:
            ModelError: It is not the one that was planned with, or its file is damaged.
        """
        planned = next(item["sha256"] for item in self.plan.models if item["model"] == name)
        model = bundled_model(name)
        if model.sha256 != planned:
            message = f"model {name}: planned with sha256 {planned}, this worker has {model.sha256}"
            raise ModelError(message)
        verify_model(model)
        return model

    @cached_property
    def language_model(self) -> LanguageModel:
        """The language model, its digest verified."""
        return LanguageModel(self._model("lid.176"))

    @cached_property
    def toxicity_models(self) -> ToxicityModels:
        """The toxicity models, their digests verified."""
        names = [item["model"] for item in self.plan.models if item["task"] == "toxicity"]
        models = [self._model(name) for name in names]
        return ToxicityModels({code: model for model in models for code in model.languages})

    @cached_property
    def pii(self) -> PiiSettings:
        """What is looked for and what is done about it."""
        return settings_of(self.job.personal_data)

    @cached_property
    def pii_models(self) -> PiiModels:
        """The named-entity models."""
        return PiiModels.load()


@lru_cache(maxsize=4)
def load_run(plan_path: str, digest: str) -> Run:
    """Load a run once in a process.

    Args:
        plan_path: The plan on disk.
        digest: Fingerprint of the plan; tells successive plans at one path apart.

    Raises:
        StageError: The plan is another one by now, or was made by other code than this.
    """
    run = Run(Plan.from_dict(json.loads(store_at(plan_path).read(plan_path))))
    if run.whole_fingerprint != digest:
        message = f"plan {plan_path}: changed while the job was running"
        raise StageError(message)
    if run.plan.code_digest != code_digest():
        failure = StageError(
            "a worker has other code than the launcher: install the same muniment and libraries "
            "everywhere, and start the worker pools again"
        )
        run.workspace.note_failure("load", 0, failure)  # the engine would not say it so clearly
        raise failure
    return run
