# SPDX-License-Identifier: Apache-2.0
"""Screening: what a split says of its documents to the exact stage."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.schemas.staged import ANNOTATIONS, IDENTITIES
from muniment.transforms.exact import priorities
from muniment.transforms.exchange import gather, parcels_of
from muniment.transforms.policy import IsEmpty
from muniment.transforms.refs import top_bits
from muniment.transforms.screen import SCREENED, screen_split
from muniment.transforms.storage import read_ipc, write_ipc
from muniment.transforms.units import UnitOutputs

RANK = 42
FILL: dict[Any, Any] = {pa.bool_(): False, pa.string(): "unknown", pa.float32(): 0.0}


def screen(folder: Path, *rows: dict[str, Any]) -> tuple[pa.Table, dict[int, list[int]]]:
    """Screen split 2; return what is kept of it, and the refs sent to each of 4 partitions."""
    full = [
        {f.name: None if f.nullable else FILL.get(f.type, 0) for f in ANNOTATIONS}
        | {"row": number, "text_hi": number << 62}
        | row
        for number, row in enumerate(rows)
    ]
    table = pa.Table.from_pylist(full, schema=ANNOTATIONS)
    write_ipc(folder / "annotations", ANNOTATIONS, table.to_batches())
    run: Any = SimpleNamespace(
        rules=(IsEmpty(),),
        plan=SimpleNamespace(
            source=lambda _: SimpleNamespace(rank=RANK), addresses=False, partitions=4
        ),
    )
    out = UnitOutputs(folder, 2)
    screen_split(
        run,
        SimpleNamespace(number=2, source="s"),
        str(folder / "annotations"),
        out,  # type: ignore[arg-type]
    )
    sent = {
        partition: gather([tuple(parcel)], "identities", IDENTITIES, ["ref"])["ref"].to_pylist()
        for partition, parcel in parcels_of(out.files["identities"].path)
    }
    screened = read_ipc(out.files["screened"].path)
    assert screened.schema == SCREENED
    return screened, sent


def test_every_document_is_sent_to_the_partition_of_its_text(tmp_path: Path) -> None:
    screened, sent = screen(tmp_path, {}, {}, {"fault": 9}, {})
    base = 2 << 32
    assert screened["ref"].to_pylist() == [base, base + 1, base + 3]  # what has a text
    assert sent == {0: [base], 1: [base + 1], 3: [base + 3]}


def test_a_removed_document_goes_on_but_is_not_eligible(tmp_path: Path) -> None:
    screened, sent = screen(tmp_path, {"empty": True}, {})
    assert screened["eligible"].to_pylist() == [False, True]
    assert sum(map(len, sent.values())) == 2


def test_only_a_denied_document_taints_its_copies(tmp_path: Path) -> None:
    states = [{"rights_state": state} for state in ("deny", "unknown", "allow")]
    screened, _ = screen(tmp_path, *states)
    assert screened["denied"].to_pylist() == [True, False, False]


def test_the_priority_is_that_of_rights_licence_rank_length_and_date(tmp_path: Path) -> None:
    rows = [
        {"rights_state": "allow", "licence": "MIT", "tokens": 9, "published": 100},
        {"rights_state": "deny", "licence": "unknown", "tokens": 7},
    ]
    screened, _ = screen(tmp_path, *rows)
    high, low = priorities(
        np.array([0, 2], np.uint8),
        np.array([False, True]),
        RANK,
        np.array([9, 7], np.uint32),
        np.array([100, 2**31 - 1], np.int32),
    )
    assert screened["priority_hi"].to_pylist() == high.tolist()
    assert screened["priority_lo"].to_pylist() == low.tolist()


def test_a_split_without_documents_sends_nothing(tmp_path: Path) -> None:
    for rows in ([], [{"fault": 3}]):
        screened, sent = screen(tmp_path, *rows)
        assert screened.num_rows == 0
        assert sent == {}


@given(st.integers(0, 2**64 - 1), st.integers(1, 4096))
def test_a_partition_is_the_top_bits_of_the_hash_scaled(value: int, partitions: int) -> None:
    (number,) = top_bits(np.array([value], np.uint64), partitions)
    assert number == (value >> 48) * partitions // 2**16
    assert 0 <= number < partitions


@pytest.mark.parametrize("partitions", [1, 3, 16, 4096])
def test_every_partition_gets_its_share(partitions: int) -> None:
    values = np.arange(2**16, dtype=np.uint64) << np.uint64(48)
    counts = np.bincount(top_bits(values, partitions), minlength=partitions)
    assert len(counts) == partitions
    assert counts.max() - counts.min() <= 1
