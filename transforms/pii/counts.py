# SPDX-License-Identifier: Apache-2.0
"""Counts per document, for the policy: how many identifiers of which grade, and minor cues."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ...schemas.reasons import PiiGrade
from .entities import ENTITY


@dataclass(frozen=True)
class DocumentPii:
    """Counts of one batch, one value per document.

    Args:
        total: int32[n], spans of any type, reserved addresses and bare place names left out.
        sensitive: int32[n], spans graded sensitive, minor or secret.
        distinct_sensitive: int32[n], the same by distinct value, so a repeated number counts once.
        secret: int32[n], spans graded secret.
        minor: bool[n], personal data stands near a cue that its subject is under 18.
    """

    total: npt.NDArray[np.int32]
    sensitive: npt.NDArray[np.int32]
    distinct_sensitive: npt.NDArray[np.int32]
    secret: npt.NDArray[np.int32]
    minor: npt.NDArray[np.bool_]


def document_counts(texts: pa.Array, spans: pa.Table) -> DocumentPii:
    """Count personal data per document.

    Args:
        texts: string or large_string[n].
        spans: What `detect` found in them.

    Returns:
        The counts; the policy compares them with its bounds (for example 3 sensitive or more).
    """
    rows = len(texts)
    kinds = spans["entity_type"].to_pylist()
    counted = np.array([ENTITY[kind].action != "keep" for kind in kinds], np.bool_)
    row = spans["row"].to_numpy()
    grade = spans["grade"].to_pylist()
    # The grade `minor` says whose the value is; how grave it is by itself, its type says.
    grave = np.array(
        [
            (ENTITY[kind].grade.value if word == PiiGrade.MINOR.value else word)
            != PiiGrade.GENERAL.value
            for word, kind in zip(grade, kinds, strict=True)
        ],
        np.bool_,
    )
    hidden = np.array([word == PiiGrade.SECRET.value for word in grade], np.bool_)

    def tally(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
        return np.bincount(row[mask], minlength=rows).astype(np.int32)

    distinct = np.zeros(rows, np.int32)
    if grave.any():
        pairs = (
            spans.select(["row", "value_hmac"])
            .filter(pa.array(grave))
            .group_by(["row", "value_hmac"])
            .aggregate([])
        )
        distinct = np.bincount(pairs["row"].to_numpy(), minlength=rows).astype(np.int32)
    minor = np.zeros(rows, np.bool_)
    minor[row[np.array([word == PiiGrade.MINOR.value for word in grade], np.bool_)]] = True
    return DocumentPii(tally(counted), tally(grave), distinct, tally(hidden), minor)


def document_kinds(rows: int, spans: pa.Table, min_score: float) -> pa.Array:
    """Return the kinds of personal data of each document, for the operators of the job.

    Args:
        rows: Number of documents.
        spans: What `detect` found in them.
        min_score: Spans scored lower are left out.

    Returns:
        string[rows], the different `type:grade` words in order, a blank between them; null where
        nothing was found.
    """
    spans = spans.filter(pc.greater_equal(spans["score"], pa.scalar(min_score, pa.float32())))
    if not len(spans):
        return pa.nulls(rows, pa.string())
    kinds = pc.binary_join_element_wise(
        spans["entity_type"].cast(pa.string()), spans["grade"].cast(pa.string()), ":"
    )
    found = pa.table({"row": spans["row"], "kind": kinds}).group_by(["row", "kind"]).aggregate([])
    found = found.sort_by([("row", "ascending"), ("kind", "ascending")])
    row = found["row"].to_numpy()
    offsets = np.searchsorted(row, np.arange(rows + 1)).astype(np.int32)
    lists = pa.ListArray.from_arrays(pa.array(offsets), found["kind"].combine_chunks())
    return pc.if_else(pa.array(np.diff(offsets) > 0), pc.binary_join(lists, " "), None)
