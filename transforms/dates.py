# SPDX-License-Identifier: Apache-2.0
"""Publication dates as inputs write them."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


def parse_dates(values: pa.Array) -> pa.Array:
    """Return the day of each ISO 8601 date or time; null where there is none to read.

    Args:
        values: Strings `[n]`; only the first ten characters count (`2024-05-01T...`).

    Returns:
        date32 `[n]`. A day that does not exist is null, never the nearest one.
    """
    if values.null_count == len(values):
        return pa.nulls(len(values), pa.date32())
    day = pc.utf8_slice_codeunits(values, 0, 10)
    shaped = pc.match_substring_regex(day, r"^\d{4}-\d{2}-\d{2}$")
    plain = pc.if_else(shaped, day, None)
    time = pc.strptime(plain, format="%Y-%m-%d", unit="s", error_is_null=True)
    found = time.cast(pa.date32())
    # The C library reads 30 February as 1 March; no calendar of ours has a year 0.
    exists = pc.and_(pc.equal(found.cast(pa.string()), day), pc.greater(pc.year(found), 0))
    return pc.if_else(exists, found, None)


def parse_times(values: pa.Array) -> pa.Array:
    """Return the second of each ISO 8601 time; null where there is none to read.

    Args:
        values: Strings `[n]`: a date with `T` or a space and a time, fractions and the zone
            optional; without a zone it is UTC. A date alone is its first second.

    Returns:
        timestamp[s, UTC] `[n]`. A time that does not exist is null.
    """
    if values.null_count == len(values):
        return pa.nulls(len(values), pa.timestamp("s", "UTC"))
    parts = pc.extract_regex(
        values,
        r"^(?P<day>\d{4}-\d{2}-\d{2})(?:[Tt ](?P<time>\d{2}:\d{2}(?::\d{2})?)(?:\.\d+)?"
        r" ?(?:[Zz]|(?P<sign>[+-])(?P<hours>\d{2}):?(?P<minutes>\d{2}))?)?$",
    )
    fields = {name: pc.struct_field(parts, name) for name in ("time", "sign", "hours", "minutes")}
    clock = pc.if_else(pc.equal(pc.utf8_length(fields["time"]), 0), "00:00:00", fields["time"])
    full = pc.if_else(
        pc.equal(pc.utf8_length(clock), 5), pc.binary_join_element_wise(clock, "00", ":"), clock
    )
    day = parse_dates(pc.struct_field(parts, "day"))
    time = pc.strptime(full, format="%H:%M:%S", unit="s", error_is_null=True)
    shift = [
        pc.if_else(pc.equal(fields[name], ""), "0", fields[name]).cast(pa.int64())
        for name in ("hours", "minutes")
    ]
    offset = pc.add(pc.multiply(shift[0], 3600), pc.multiply(shift[1], 60))
    offset = pc.if_else(pc.equal(fields["sign"], "-"), pc.negate(offset), offset)
    midnight = day.cast(pa.timestamp("s")).cast(pa.int64())
    in_day = pc.subtract(
        time.cast(pa.int64()), pc.floor_temporal(time, unit="day").cast(pa.int64())
    )
    seconds = pc.subtract(pc.add(midnight, in_day), offset)
    return seconds.cast(pa.timestamp("s", "UTC"))
