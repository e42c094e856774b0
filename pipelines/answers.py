# SPDX-License-Identifier: Apache-2.0
"""Write the answer of a query: as a table to read, JSON, CSV or Parquet.

In every format but Parquet identifiers are lower-case hexadecimal, dates ISO 8601, and text from
the data is inert: control characters never reach a terminal, and a CSV cell never becomes a
spreadsheet formula.
"""

from __future__ import annotations

import csv
import io
import json
import math
import struct
import unicodedata
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import IO, TYPE_CHECKING, Any

from ..schemas.printable import inert

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

FORMATS = ("table", "json", "csv", "parquet")

_FETCH = 10_000  # rows held as Python objects at a time
_FORMULA = tuple("=+-@\t\r\n\0＝＋－＠")
"""First characters that spreadsheets may take for a formula (OWASP ASVS 1.2.10)."""


def write_answer(connection: duckdb.DuckDBPyConnection, fmt: str, out: IO[bytes]) -> None:
    """Write the result that a connection has ready.

    Args:
        connection: A connection on which a statement has just been executed.
        fmt: One of `FORMATS`.
        out: Stream to write to; text is UTF-8.
    """
    if fmt == "parquet":
        _write_parquet(connection, out)
        return
    description = connection.description or []
    names = [column[0] for column in description]
    single = [str(column[1]) == "FLOAT" for column in description]
    rows = _rows(connection, single)
    if fmt == "json":
        _write_json(names, rows, out)
    elif fmt == "csv":
        _write_csv(names, rows, out)
    else:
        _write_table(names, list(rows), out)


def plain(value: Any) -> Any:
    """Return a value of DuckDB as JSON has it: str, int, float, bool, None, list or dict."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, dict):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(item) for item in value]
    return str(value)


def shortest_float32(value: float) -> float:
    """Return the number with the fewest digits that is this float32.

    >>> shortest_float32(0.800000011920929)
    0.8
    """
    if not math.isfinite(value):
        return value
    for digits in range(6, 10):  # nine digits name every float32
        short = float(f"{value:.{digits}g}")
        if struct.pack("<f", short) == struct.pack("<f", value):
            return short
    return value


def _rows(connection: duckdb.DuckDBPyConnection, single: list[bool]) -> Iterator[list[Any]]:
    while batch := connection.fetchmany(_FETCH):
        for row in batch:
            yield [
                shortest_float32(value) if is_single and value is not None else plain(value)
                for value, is_single in zip(row, single, strict=True)
            ]


def _write_json(names: list[str], rows: Iterator[list[Any]], out: IO[bytes]) -> None:
    before = "[\n"
    for row in rows:
        line = json.dumps(dict(zip(names, row, strict=True)), allow_nan=False)
        out.write(f"{before}{line}".encode())
        before = ",\n"
    out.write(b"\n]\n" if before != "[\n" else b"[]\n")


def _write_csv(names: list[str], rows: Iterator[list[Any]], out: IO[bytes]) -> None:
    text = io.TextIOWrapper(out, "utf-8", newline="")
    writer = csv.writer(text)
    writer.writerow([_cell(name) for name in names])
    for row in rows:
        writer.writerow([_cell(value) for value in row])
    text.flush()
    text.detach()  # the stream stays open; it is the caller's


def _cell(value: Any) -> Any:
    if isinstance(value, (list, dict)):
        value = json.dumps(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and value.startswith(_FORMULA):
        return "'" + value
    return value


def _write_table(names: list[str], rows: list[list[Any]], out: IO[bytes]) -> None:
    cells = [[inert(name) for name in names], *([_shown(value) for value in row] for row in rows)]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    right = [
        bool(rows) and all(isinstance(value, (int, float, type(None))) for value in column)
        for column in (zip(*rows, strict=True) if rows else ([] for _ in names))
    ]
    lines = [_line(row, widths, right) for row in cells]
    lines.insert(1, "  ".join("-" * width for width in widths))
    out.write(("\n".join(lines) + f"\n({len(rows)} row{'' if len(rows) == 1 else 's'})\n").encode())


def _line(cells: list[str], widths: list[int], right: list[bool]) -> str:
    padded = [
        " " * (width - _width(cell)) + cell if to_right else cell + " " * (width - _width(cell))
        for cell, width, to_right in zip(cells, widths, right, strict=True)
    ]
    return "  ".join(padded).rstrip()


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, dict)):
        return inert(json.dumps(value, ensure_ascii=False))
    if isinstance(value, float):
        return f"{value:.6g}"
    return inert(str(value))


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def _write_parquet(connection: duckdb.DuckDBPyConnection, out: IO[bytes]) -> None:
    import pyarrow as pa  # noqa: PLC0415  (only this format needs it)
    import pyarrow.parquet as pq  # noqa: PLC0415

    reader: pa.RecordBatchReader = connection.to_arrow_reader(_FETCH * 10)
    sink = pa.PythonFile(out, mode="w")
    with pq.ParquetWriter(sink, reader.schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch)
