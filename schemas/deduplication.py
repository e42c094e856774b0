# SPDX-License-Identifier: Apache-2.0
"""What a job file may say of duplicates: documents, their versions, and what repeats inside them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from .job_model import JobModel, Share


class NearDuplicates(JobModel):
    """MinHash near-duplicates, verified by true Jaccard."""

    enabled: bool = Field(True, description="Look for near-duplicates.")
    threshold: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(
        0.8, description="Jaccard similarity of shingle sets from which a copy is removed."
    )
    containment: Annotated[float, Field(gt=0.0, le=1.0)] | None = Field(
        None,
        description="Share of a document's shingles found in one longer document from which it is "
        "removed (a chapter of a book, a page quoted whole), 0.9 being a good value; null, the "
        "default, keeps such parts.",
    )
    num_perm: int = Field(128, ge=16, le=1024, description="Permutations of a signature.")
    shingle_size: int = Field(5, ge=1, le=32, description="Tokens in a shingle.")
    seed: int = Field(1, ge=0, description="Seed of datasketch's permutations.")
    false_positive_weight: Share = Field(
        0.1,
        description="Weight of candidates below the threshold when bands are chosen; verification "
        "removes them, so only their cost counts.",
    )


class AddressCopies(StrEnum):
    """Which of the documents of one address stays."""

    OFF = "off"
    FIRST = "first"
    NEWEST = "newest"


class FormerRelease(JobModel):
    """A former release to compare with; it must hold signatures (`output.signatures`)."""

    release: str = Field(description="Output folder of its run, relative to the job file.")
    snapshot: str | None = Field(
        None, pattern="^[0-9a-f]{16}$", description="Its release id; null takes the current one."
    )
    keep: str = Field(
        "old",
        pattern="^(old|new)$",
        description="Which of two copies stays: `old` removes the new document; `new` keeps it and "
        "records that it supersedes the old one (table `superseded`).",
    )


class PassageUnit(StrEnum):
    """What is compared below the document."""

    OFF = "off"
    LINE = "line"
    PARAGRAPH = "paragraph"


class RepeatedPassages(JobModel):
    """Boilerplate: lines or paragraphs that stand in many of the documents that are left."""

    unit: PassageUnit = Field(
        PassageUnit.OFF,
        description="`line`, or `paragraph`: lines without a blank one between them. Letter case, "
        "digits and white space do not tell two apart.",
    )
    min_documents: int = Field(
        10, ge=2, description="Documents from which a passage is cut out of all of them."
    )
    min_chars: int = Field(
        20, ge=1, description="Shorter passages stay: they repeat by chance (characters)."
    )
    keep_first: bool = Field(
        True, description="Leave it in the first document, in the order of sources and files."
    )


class Deduplication(JobModel):
    """Exact and near duplicates, in former releases too; versions of an address; boilerplate."""

    against: tuple[FormerRelease, ...] = Field(
        (), description="Former releases whose documents new ones are compared with."
    )

    url: AddressCopies = Field(
        AddressCopies.OFF,
        description="Of documents with the same canonical address keep one: the `first` by "
        "declared priority (rights, licence, source rank, length, date), or the `newest` by date.",
    )
    exact: bool = Field(True, description="Remove exact copies (after normalising white space).")
    near: NearDuplicates = Field(NearDuplicates(), description="Near-duplicates.")
    passages: RepeatedPassages = Field(
        RepeatedPassages(), description="Lines or paragraphs to cut out of documents."
    )
    max_source_loss: Share = Field(
        0.5,
        description="Stop before the release if near-duplicates, parts of other documents and "
        "copies of one address are more of a source than this.",
    )
    max_cluster: int = Field(
        1000, ge=2, description="Stop before the release if a near-duplicate cluster is larger."
    )
    override_guards: str | None = Field(
        None, description="Reason to release although a guard stops; recorded in the manifest."
    )
