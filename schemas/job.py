# SPDX-License-Identifier: Apache-2.0
"""What a job file may say: frozen models, unknown keys refused, every field described.

The descriptions below are the documentation: `muniment schema job` prints them, and the reference
in `docs/` is generated from them. Cross-field rules (what a source of some kind must declare, a
list that a rule names must exist) are in `check_job`, which returns every problem at once.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from .deduplication import Deduplication
from .job_governance import Approval, Gates
from .job_lists import ListFile, check_lists
from .job_model import JobModel, Name, Share
from .personal_data import PersonalData, check_personal_data
from .rights import AsOf, Protocol, Snapshot, UaPolicy
from .source_register import IllegalSample, TrustTier, sample_problems

LanguageCode = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]


class SourceKind(StrEnum):
    """Where data came from, in the terms of the EU public summary (sections 2.1 to 2.6)."""

    PUBLIC_DATASET = "public_dataset"
    LICENSED = "licensed"
    PRIVATE_THIRD_PARTY = "private_third_party"
    CRAWL = "crawl"
    USER = "user"
    SYNTHETIC = "synthetic"
    OTHER = "other"


class LegalBasis(StrEnum):
    """On which copyright basis a source is used."""

    PUBLIC_DOMAIN = "public_domain"
    LICENCE = "licence"
    CONTRACT = "contract"
    CONSENT = "consent"
    TDM_ART3 = "tdm_art3"
    TDM_ART4 = "tdm_art4"
    FAIR_USE_CLAIM = "fair_use_claim"
    OWN_CONTENT = "own_content"
    UNKNOWN = "unknown"


class PersonalDataBasis(StrEnum):
    """On which ground personal data in a source is processed."""

    NONE_DETECTED = "none_detected"
    CONSENT = "consent"
    SEPARATE_CONSENT = "separate_consent"
    PUBLIC_DISCLOSURE_PIPL27 = "public_disclosure_pipl27"
    LEGITIMATE_INTEREST = "legitimate_interest"
    LEGAL_DUTY = "legal_duty"
    UNKNOWN = "unknown"


class CollectionPeriod(JobModel):
    """When a source was collected; both days included."""

    start: date = Field(description="First day of collection (ISO 8601).")
    end: date = Field(description="Last day of collection (ISO 8601).")


class FieldMapping(JobModel):
    """Which input field fills which column; dots walk into nested objects."""

    text: str = Field("text", description="Field that holds the document's text; mandatory.")
    id: str | None = Field(None, description="Field with the source's own identifier (a string).")
    url: str | None = Field(None, description="Field with the address the document came from.")
    licence: str | None = Field(None, description="Field with the document's own licence.")
    date: str | None = Field(None, description="Field with its publication or fetch date.")
    author: str | None = Field(None, description="Field with its author; used to credit.")
    title: str | None = Field(None, description="Field with its title; copied to the corpus.")
    fetched: str | None = Field(
        None, description="Field with the time it was fetched (ISO 8601, UTC where no zone is)."
    )
    http_headers: str | None = Field(
        None, description="Field with its response headers, one `name: value` a line."
    )
    html_meta: str | None = Field(
        None,
        description="Field with its rights meta tags, one `name=content` a line; a link element "
        'is `link=<address>; rel="license"`.',
    )


class Source(JobModel):
    """One source of documents and what is declared about it."""

    name: Name = Field(description="Short name, unique in the job; the manifest's source id.")
    kind: SourceKind = Field(description="Kind of source, as the EU public summary groups them.")
    paths: tuple[str, ...] = Field(
        min_length=1, description="Files or globs, relative to the job file."
    )
    format: str = Field(
        "auto",
        pattern="^(auto|jsonl|parquet|warc|wet)$",
        description="`auto` looks at the bytes, whatever is named here is checked against them.",
    )
    html_text: str = Field(
        "main",
        pattern="^(main|all)$",
        description="Text to take from pages of a crawl: their main content, or all of it.",
    )
    wat: tuple[str, ...] = Field(
        (),
        description="WAT files or globs of the same crawl as the WET files in `paths`, one each and "
        "of the same name: headers, tags and links of their pages.",
    )
    fields: FieldMapping = Field(FieldMapping(), description="Input fields to columns.")
    licence: str = Field(
        description="SPDX licence of documents that carry none of their own, or `unknown`."
    )
    legal_basis: LegalBasis = Field(description="Copyright basis of the use.")
    personal_data_basis: PersonalDataBasis = Field(
        PersonalDataBasis.UNKNOWN, description="Ground for personal data in it."
    )
    origin: str = Field(
        min_length=2, description="Where it came from: ISO 3166 country codes, or `worldwide`."
    )
    collected: CollectionPeriod = Field(description="When it was collected.")
    uri: str | None = Field(None, description="Where it was obtained. Public data sets, crawls.")
    version: str | None = Field(None, description="Version as published. Public data sets.")
    publisher: str | None = Field(None, description="Who publishes it. Public data sets.")
    attribution: str | None = Field(
        None, description="Line that credits its rightsholders, as their licence asks for it."
    )
    crawler: str | None = Field(None, description="Name of the crawler. Crawls.")
    contract_ref: str | None = Field(
        None, description="Contract or permission. Licensed and private sources."
    )
    consent_doc: str | None = Field(None, description="Consent text shown. User data.")
    generator: str | None = Field(None, description="Generating model, version. Synthetic data.")
    reviewer: str | None = Field(None, description="Who reviewed the source before use.")
    trust_tier: TrustTier | None = Field(
        None, description="How far its publisher is trusted. Public and third-party data, crawls."
    )
    digest: str | None = Field(
        None,
        pattern="^[0-9a-f]{64}$",
        description="SHA-256 it must have: of its one file, or as `sources.digest` of a release.",
    )
    illegal_sample: IllegalSample | None = Field(
        None, description="What a review of a sample found; above 5 % it must not be used."
    )
    on_blacklisted: str = Field(
        "refuse",
        pattern="^(refuse|remove)$",
        description="Above 5 %: refuse the job, or record the source and remove all of it.",
    )
    rank: int = Field(
        100, ge=0, le=65535, description="Priority among duplicates: the lower one is kept."
    )
    observability: str = Field(
        "none",
        pattern="^(full|page_only|robots_only|none)$",
        description="How much of the rights signals this input could show.",
    )


class Rights(JobModel):
    """Opt-outs, takedowns and licences."""

    lists: tuple[Name, ...] = Field((), description="Names of the lists to apply, in order.")
    allow_licences: tuple[str, ...] = Field(
        (), description="SPDX licences to keep; empty keeps all. Expressions are understood."
    )
    unknown_policy: str = Field(
        "keep",
        pattern="^(keep|flag|drop)$",
        description="What to do when no signal decides; `flag` keeps and records a decision.",
    )
    unknown_by_kind: dict[SourceKind, Annotated[str, Field(pattern="^(keep|flag|drop)$")]] = Field(
        default_factory=dict, description="The same for sources of one kind."
    )
    snapshots: tuple[Snapshot, ...] = Field(
        (), description="Files of origins (robots.txt and the like) as they were fetched."
    )
    ua_policy: UaPolicy = Field(
        UaPolicy.ANY_TRAIN_AGENT,
        description="Whose rules count where a protocol names crawlers: those of the source's "
        "crawler, of `own_token`, of any crawler that collects for training, of any AI crawler.",
    )
    own_token: str | None = Field(
        None, pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="Product token of who uses the corpus."
    )
    asof: AsOf = Field(
        AsOf.BOTH,
        description="Which snapshot of an origin counts: the nearest not later than the document's "
        "fetch, the latest, or both (either can deny).",
    )
    record_only: tuple[Protocol, ...] = Field(
        (Protocol.AI_TXT, Protocol.NOTICE),
        description="Protocols whose signals are recorded and decide nothing.",
    )
    require_source: bool = Field(
        False, description="Quarantine documents without an address while a list is applied."
    )
    on_person: str = Field(
        "remove",
        pattern="^(remove|redact)$",
        description="What to do with a document that holds a listed person's identifier: remove "
        "it, or keep it where every such identifier in it is replaced.",
    )
    optout_copies: str = Field(
        "remove",
        pattern="^(remove|flag)$",
        description="What to do with near-duplicates of an opted-out or taken-down document.",
    )


class Language(JobModel):
    """Language identification with fastText lid.176."""

    enabled: bool = Field(True, description="Measure the language of every document.")
    allow: tuple[LanguageCode, ...] = Field((), description="Languages to keep; empty keeps all.")
    min_score: Share = Field(
        0.0, description="Least score of an allowed language; below, the document is removed."
    )


class Toxicity(JobModel):
    """Toxicity of the worst window, by the models that ship with muniment."""

    enabled: bool = Field(True, description="Measure toxicity where a model for the language is.")
    thresholds: dict[LanguageCode, Share] = Field(
        default_factory=dict,
        description="Score from which a document is removed; the model's own where not given.",
    )
    mode: str = Field(
        "enforce", pattern="^(enforce|shadow)$", description="`shadow` records, never removes."
    )


class Limits(JobModel):
    """Bounds on what one input may cost."""

    max_record_bytes: int = Field(64 << 20, ge=1024, description="Largest record (bytes).")
    max_depth: int = Field(64, ge=2, le=1000, description="Deepest nesting of a JSON record.")
    max_ratio: int = Field(1000, ge=2, description="Largest decompression ratio of a file.")
    max_file_bytes: int = Field(256 << 30, ge=1, description="Largest decompressed file (bytes).")


class CorpusFormat(StrEnum):
    """Formats the corpus can be written in."""

    PARQUET = "parquet"
    JSONL_ZST = "jsonl.zst"


class Output(JobModel):
    """What a release holds besides the manifest."""

    formats: tuple[CorpusFormat, ...] = Field(
        (CorpusFormat.PARQUET,),
        min_length=1,
        description="Corpus formats to write; parquet always.",
    )
    signatures: bool = Field(
        False,
        description="Keep what later jobs need to find copies of this release's documents "
        "(`deduplication.against`): keyed shingle sets, about as large as the text, under "
        "`restricted/`, which is not to be published.",
    )


class ExchangeWay(StrEnum):
    """How batches cross between units."""

    AUTO = "auto"
    FILES = "files"
    ENGINE = "engine"


class Lineage(JobModel):
    """Where OpenLineage events of a run go; nowhere by default. They hold no text."""

    namespace: str = Field(
        "muniment", min_length=1, max_length=200, description="Namespace of the run and its data."
    )
    file: str | None = Field(
        None, description="File to append the events to, a line each; relative to the job file."
    )
    url: str | None = Field(
        None,
        pattern=r"^https?://",
        description="Service to post them to; a key comes from OPENLINEAGE_API_KEY.",
    )


class Engine(JobModel):
    """How the job runs; nothing here changes the bytes of a release."""

    exchange: ExchangeWay = Field(
        ExchangeWay.AUTO, description="`files` locally, `engine` on a cluster, or chosen by runner."
    )
    workers: int = Field(0, ge=0, le=256, description="Local worker processes; 0 = one a core.")
    keep_work: bool = Field(False, description="Keep the work folder after the release.")
    lineage: Lineage = Field(Lineage(), description="OpenLineage events.")


MOST_PARTITIONS = 4096
"""Partitions are numbered by 16 bits or less, and each is a file or more of every sender."""


class Partitioning(JobModel):
    """Fixed numbers that shape the output; part of the job, never of the machine."""

    exchange_partitions: int = Field(
        0,
        ge=0,
        le=MOST_PARTITIONS,
        description="Partitions of each exchange; 0: one for each 64 MiB of input, at least 4.",
    )
    split_bytes: int = Field(
        32 << 20,
        ge=1 << 16,
        description="Bytes of input a split aims at; small files are read together up to an eighth. "
        "Parquet and plain JSONL are also cut after about 250,000 rows.",
    )


class Job(JobModel):
    """A whole job file."""

    name: Name = Field(description="Name of the corpus.")
    description: str = Field("", max_length=2000, description="One paragraph for the data card.")
    contact: str | None = Field(None, description="Who answers for the release.")
    sources: tuple[Source, ...] = Field(min_length=1, description="Where documents come from.")
    lists: tuple[ListFile, ...] = Field((), description="Opt-out and takedown lists.")
    requests: str | None = Field(
        None,
        description="Register of requests (`muniment request`); those that were verified are "
        "carried out like lists, in every run.",
    )
    key_file: str = Field(description="Secret key, relative to the job file; `muniment keygen`.")
    rights: Rights = Field(Rights(), description="Opt-outs, takedowns and licences.")
    language: Language = Field(Language(), description="Language identification.")
    toxicity: Toxicity = Field(Toxicity(), description="Toxicity.")
    personal_data: PersonalData = Field(PersonalData(), description="Personal data.")
    deduplication: Deduplication = Field(Deduplication(), description="Duplicates.")
    approval: Approval | None = Field(
        None, description="Who approved the rules; null releases under rules nobody approved."
    )
    gates: Gates = Field(Gates(), description="What must hold before a release becomes current.")
    limits: Limits = Field(Limits(), description="Bounds on hostile or broken input.")
    on_bad_file: str = Field(
        "fail",
        pattern="^(fail|quarantine)$",
        description="A damaged file stops the job, or its rest is quarantined.",
    )
    output: Output = Field(Output(), description="What a release holds.")
    partitioning: Partitioning = Field(Partitioning(), description="Fixed output-shaping numbers.")
    engine: Engine = Field(Engine(), description="How the job runs.")


MANDATORY_BY_KIND: dict[SourceKind, tuple[str, ...]] = {
    SourceKind.PUBLIC_DATASET: ("uri", "version", "publisher", "reviewer", "trust_tier"),
    SourceKind.LICENSED: ("contract_ref", "publisher", "reviewer"),
    SourceKind.PRIVATE_THIRD_PARTY: ("contract_ref", "publisher", "reviewer", "trust_tier"),
    SourceKind.CRAWL: ("crawler", "reviewer", "trust_tier"),
    SourceKind.USER: ("consent_doc", "reviewer"),
    SourceKind.SYNTHETIC: ("generator", "reviewer"),
    SourceKind.OTHER: ("reviewer",),
}
"""What each kind of source must declare besides the fields without a default.

Source: EU AI Act Art. 53(1)(d) template, sections 2.1 to 2.6; GB/T 45652 draft, 6.1 (record of the
source: organisation with contract or licence, service with authorisation, generator with version);
TC260-003 (a source is reviewed before it is used). The digest of a source is measured, not declared.
"""


def check_job(job: Job) -> list[str]:
    """Return the problems that single fields cannot show, each with its place, sorted.

    Args:
        job: A job whose fields are valid one by one.

    Returns:
        Lines `place: what was expected, what came`; empty when the job is sound.
    """
    problems: list[str] = []
    for number, source in enumerate(job.sources):
        place = f"sources[{number}]"
        problems += [
            f"{place}.{name}: a source of kind {source.kind.value} must declare it"
            for name in MANDATORY_BY_KIND[source.kind]
            if getattr(source, name) is None
        ]
        if source.collected.end < source.collected.start:
            problems.append(
                f"{place}.collected: end {source.collected.end} is before start "
                f"{source.collected.start}"
            )
        if source.legal_basis is LegalBasis.CONTRACT and source.contract_ref is None:
            problems.append(f"{place}.contract_ref: legal basis `contract` needs its reference")
        if source.legal_basis is LegalBasis.CONSENT and source.consent_doc is None:
            problems.append(f"{place}.consent_doc: legal basis `consent` needs its text")
        problems += sample_problems(place, source.illegal_sample, source.on_blacklisted)
    problems += _repeated("sources", [source.name for source in job.sources])
    problems += _repeated("lists", [item.name for item in job.lists])
    known = {item.name for item in job.lists}
    problems += [
        f"rights.lists[{number}]: no list is called {name!r}; known are {sorted(known)}"
        for number, name in enumerate(job.rights.lists)
        if name not in known
    ]
    if job.rights.ua_policy is UaPolicy.OWN_TOKEN and job.rights.own_token is None:
        problems.append("rights.own_token: ua_policy `own_token` needs it")
    problems += check_personal_data(job.personal_data)
    problems += check_lists(job.lists, job.rights.lists, searched=job.personal_data.enabled)
    return sorted(problems)


def _repeated(place: str, names: list[str]) -> list[str]:
    return [
        f"{place}[{number}].name: {name!r} is used twice"
        for number, name in enumerate(names)
        if name in names[:number]
    ]
