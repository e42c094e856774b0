# SPDX-License-Identifier: Apache-2.0
"""Dates as inputs write them: a real day or nothing, never a guess."""

from datetime import date

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.transforms.dates import parse_dates


def parsed(*values: str | None) -> list[date | None]:
    result = parse_dates(pa.array(values, pa.string()))
    assert result.type == pa.date32()
    return result.to_pylist()


@given(st.dates(), st.sampled_from(["", "T10:20:30Z", " 10:20", "T23:59:59.999+14:00"]))
def test_the_day_of_a_date_or_time_is_read_as_it_is_written(day: date, rest: str) -> None:
    assert parsed(day.isoformat() + rest) == [day]


@pytest.mark.parametrize(
    "value",
    ["2024-02-30", "2023-02-29", "1900-02-29", "2024-04-31", "2024-00-10", "2024-13-01",
     "2024-01-00", "2024-01-32", "0000-01-01"],
)  # fmt: skip
def test_a_day_that_does_not_exist_is_null_and_not_the_nearest_one(value: str) -> None:
    assert parsed(value) == [None]


@pytest.mark.parametrize(
    "value",
    [None, "", "yesterday", "2024", "2024-1-1", "01/02/2024", " 2024-01-01", "20240101",
     "２０２４-01-01", "-024-01-01", "1714521600"],
)  # fmt: skip
def test_what_is_not_iso_8601_is_null(value: str | None) -> None:
    assert parsed(value) == [None]


def test_one_bad_value_spoils_no_other_and_slices_are_respected() -> None:
    values = pa.array(["x", "2024-02-29", "2024-02-30", None, "1969-12-31", "x"])
    assert parse_dates(values.slice(1, 4)).to_pylist() == [
        date(2024, 2, 29), None, None, date(1969, 12, 31),
    ]  # fmt: skip
    assert parsed() == []


@given(st.lists(st.text(max_size=12) | st.none(), max_size=8))
def test_no_text_raises(values: list[str | None]) -> None:
    assert len(parsed(*values)) == len(values)
