"""Files of costs: CSV (also compressed by gzip) or Parquet, one row for each architecture, one column for each metric."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmark_api.spaces import SearchSpace
from benchmark_api.text import shown
from benchmark_api.types import FloatArray

MAX_BYTES = 1 << 26
"""Largest file that is read, and largest text that a compressed one may hold."""

EMPTY = ("", "nan", "na", "n/a", "null", "none")
"""Cells without a value, in lower case."""


@dataclass(frozen=True)
class Costs:
    """Metrics of architectures, as a file states them.

    Attributes:
        source: name of the file, and the first digits of its SHA-256.
        values: [architecture] by the metric's name; NaN where not measured.
        left_out: columns without a number.
    """

    source: str
    values: Mapping[str, FloatArray]
    left_out: tuple[str, ...]


def read_costs(
    path: Path, space: SearchSpace, columns: Mapping[str, str] | None = None, missing: Collection[float] = ()
) -> Costs:
    """Return the metrics in a file. Its column `index` (official index) or `arch` (official string) names the architecture.

    Rows may be in any order, and need not be of all architectures. Messages count them from 1, without header and empty lines.

    Args:
        path: a Parquet file, or CSV with a header.
        space: the space of the architectures.
        columns: names of metrics by the columns to take; None for all that have numbers, under their own names.
        missing: numbers that mean "not measured", such as -1.

    Raises:
        FileNotFoundError: no such file.
        ValueError: an architecture is unknown or there twice, a cell is not a finite number, or a name cannot be a metric's.
    """
    content = _content(path)
    cells = _parquet(path, content, len(space)) if content.startswith(b"PAR1") else _csv(path, content, len(space))
    indices = _architectures(path, cells, space)
    names = _names(path, [*cells], columns)
    found: dict[str, FloatArray] = {}
    left_out: list[str] = []
    for column, name in names.items():
        numbers, wrong = _numbers(cells[column], missing)
        if columns is None and all(map(math.isnan, numbers)):
            left_out.append(column)
        elif wrong:
            raise ValueError(
                f"{path.name}, {_rows(wrong)}, column {column!r}: {cells[column][wrong[0] - 1]!r} is not a finite number; "
                "expected one, or an empty cell where not measured"
            )
        elif all(map(math.isnan, numbers)):
            raise ValueError(f"{path.name}: column {column!r} has no number; expected one at least")
        else:
            found[name] = np.full(len(space), np.nan)
            found[name][indices] = numbers
    if not found:
        raise ValueError(f"{path.name} has no numbers but those of the architectures; its columns are {', '.join(cells)}")
    return Costs(f"{shown(path.name)}, SHA-256 {hashlib.sha256(content).hexdigest()[:16]}", found, tuple(left_out))


# -- files -----------------------------------------------------------------------------------------------------------------


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path.name} has {path.stat().st_size:,} bytes; expected at most {MAX_BYTES:,}")
    return path.read_bytes()


def _csv(path: Path, content: bytes, most: int) -> dict[str, list[Any]]:
    """Return the cells of each column of a CSV file, as text."""
    try:
        if content.startswith(b"\x1f\x8b"):
            content = gzip.GzipFile(fileobj=io.BytesIO(content)).read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ValueError(f"more than {MAX_BYTES:,} bytes of text")
        lines = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        header = [name.strip() for name in next(lines, [])]
        rows = list(islice(filter(None, lines), most + 1))
    except (EOFError, OSError, ValueError, csv.Error) as error:
        raise ValueError(f"{path.name} is neither Parquet nor CSV in UTF-8: {error}") from error
    _check_size(path, header, len(rows), most)
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise ValueError(f"{path.name}, row {number}: {len(row)} cells; expected {len(header)}, as in the header")
    return {name: [row[column] for row in rows] for column, name in enumerate(header)}


def _parquet(path: Path, content: bytes, most: int) -> dict[str, list[Any]]:
    """Return the cells of each column of a Parquet file."""
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(content))
        header, rows = file.schema_arrow.names, file.metadata.num_rows
        columns = [column.to_pylist() for column in file.read().columns] if rows <= most else []
    except (OSError, pyarrow.ArrowException) as error:
        raise ValueError(f"{path.name} is a damaged Parquet file: {str(error).splitlines()[0]}") from error
    _check_size(path, header, rows, most)
    return dict(zip(header, columns, strict=True))


def _check_size(path: Path, header: Sequence[str], rows: int, most: int) -> None:
    twice = [name for number, name in enumerate(header) if name in header[:number]]
    if twice:
        raise ValueError(f"{path.name} has more than one column {twice[0]!r}; expected different names")
    if not 1 <= rows <= most:
        raise ValueError(f"{path.name} has {rows:,} rows; expected one for each architecture, of which the space has {most:,}")


# -- cells -----------------------------------------------------------------------------------------------------------------


def _architectures(path: Path, cells: Mapping[str, list[Any]], space: SearchSpace) -> list[int]:
    """Return the official index of each row's architecture."""
    readers = {"index": _index, "arch": _of_string}
    columns = [name for name in readers if name in cells]
    if not columns:
        raise ValueError(f"{path.name} has no column 'index' or 'arch' that names the architecture; it has {', '.join(cells)}")
    rows: dict[int, int] = {}
    for number, row in enumerate(zip(*(cells[name] for name in columns), strict=True), 1):
        try:
            found = [readers[name](cell, space) for name, cell in zip(columns, row, strict=True)]
        except ValueError as error:
            raise ValueError(f"{path.name}, row {number}: {str(error).splitlines()[0]}") from error
        if len({*found}) > 1:
            raise ValueError(f"{path.name}, row {number}: index {found[0]}, but arch is that of {found[1]}; expected the same")
        if found[0] in rows:
            raise ValueError(f"{path.name}: rows {rows[found[0]]} and {number} are both of architecture {found[0]}; expected one")
        rows[found[0]] = number
    return [*rows]


def _index(cell: Any, space: SearchSpace) -> int:
    text = str(cell).strip()
    if not (text.isascii() and text.isdecimal() and int(text) < len(space)):
        raise ValueError(f"index {text!r}; expected a whole number from 0 to {len(space) - 1}")
    return int(text)


def _of_string(cell: Any, space: SearchSpace) -> int:
    return space.index(space.from_string(str(cell).strip()))


def _names(path: Path, header: Sequence[str], columns: Mapping[str, str] | None) -> dict[str, str]:
    """Return the name of the metric of each column to take."""
    known = [name for name in header if name not in ("index", "arch")]
    for column in columns or ():
        if column not in known:
            raise ValueError(f"{path.name} has no column {column!r} of a metric; it has {', '.join(known) or 'none'}")
    names = {name: name for name in known} if columns is None else dict(columns)
    if "" in names.values():
        raise ValueError(f"{path.name}: column {1 + [*header].index('')} has no name; expected one, or a choice of others")
    if len({*names.values()}) < len(names):
        raise ValueError(f"{path.name}: two columns become one metric, of {', '.join(names.values())}")
    return names


def _numbers(cells: Sequence[Any], missing: Collection[float]) -> tuple[list[float], list[int]]:
    """Return the numbers of a column, NaN where there is none, and the rows whose cells are not finite numbers."""
    numbers, wrong = [], []
    for row, cell in enumerate(cells, 1):
        number = math.nan if _empty(cell) else _number(cell)
        if not _empty(cell) and not math.isfinite(number):
            wrong.append(row)
        numbers.append(math.nan if number in missing else number)
    return numbers, wrong


def _empty(cell: Any) -> bool:
    return cell is None or cell != cell or (isinstance(cell, str) and cell.strip().lower() in EMPTY)


def _number(cell: Any) -> float:
    """Return the number in a cell, or NaN if it is none."""
    if isinstance(cell, bool) or (isinstance(cell, str) and "_" in cell):  # float("1_000") is 1000
        return math.nan
    try:
        return float(cell)
    except (OverflowError, TypeError, ValueError):
        return math.nan


def _rows(rows: Sequence[int]) -> str:
    """Return the first of some rows, and how many more there are."""
    return f"row {rows[0]}" + (f" and {len(rows) - 1} more" if len(rows) > 1 else "")
