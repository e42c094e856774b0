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
    day = pc.utf8_slice_codeunits(values, 0, 10)
    shaped = pc.match_substring_regex(day, r"^\d{4}-\d{2}-\d{2}$")
    plain = pc.if_else(shaped, day, None)
    time = pc.strptime(plain, format="%Y-%m-%d", unit="s", error_is_null=True)
    found = time.cast(pa.date32())
    # The C library reads 30 February as 1 March; no calendar of ours has a year 0.
    exists = pc.and_(pc.equal(found.cast(pa.string()), day), pc.greater(pc.year(found), 0))
    return pc.if_else(exists, found, None)
