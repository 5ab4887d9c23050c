"""Rows of CSV, Parquet, JSON, JSON lines and pickles, in blocks of columns. A file's size in memory is bounded throughout."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple, TextIO, cast

from benchmark_api import unpickle
from benchmark_api.importers.columns.kinds import refusal, short
from benchmark_api.importers.columns.mapping import NAME, Format
from benchmark_api.jobs.files import regular

ROWS = 1 << 16
"""Rows of a block."""

LINE_LIMIT = 1 << 20
"""Characters of a line of CSV or JSON lines."""

DOCUMENT_LIMIT = 256 << 20
"""Unpacked bytes of a JSON document or a file of pickles."""

ENDINGS: Mapping[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".pkl": "pickle",
    ".pickle": "pickle",
    ".p": "pickle",
}
"""Formats by the end of a file's name; ".gz" may follow that of text."""


class Absent:
    """Type of `ABSENT`: the content of a cell that a row does not have."""


ABSENT = Absent()


class Block(NamedTuple):
    """Some rows of a file."""

    first: int  # number of the first row, counted from 1 without a header
    length: int
    columns: dict[str, list[Any]]  # cells by column; None where there is nothing


def format_of(source: Path) -> Format | None:
    """Return the format that the end of a file's name stands for, None for another end."""
    return ENDINGS.get(Path(source.name.lower().removesuffix(".gz")).suffix)


def read_blocks(source: Path, kind: Format, columns: Mapping[str, bool]) -> Iterator[Block]:
    """Yield the rows of a file.

    Args:
        source: the file.
        kind: its format.
        columns: those to read, and whether the file must have each.

    Raises:
        ValueError: a column is missing, or the file is damaged or too large; the message names the file.
    """
    with _readable(source):
        match kind:
            case "csv" | "tsv":
                yield from _csv_blocks(source, "," if kind == "csv" else "\t", columns)
            case "parquet":
                yield from _parquet_blocks(source, columns)
            case "jsonl":
                yield from _row_blocks(source, _json_lines(source), columns)
            case "json":
                yield from _row_blocks(source, _rows_of(source, _json_document(source), columns), columns)
            case "pickle":
                yield from _row_blocks(source, _pickled_rows(source, columns), columns)


@contextmanager
def _readable(source: Path) -> Iterator[None]:
    """Turn the errors of all readers into ValueErrors that name the file."""
    try:
        yield
    except (csv.Error, gzip.BadGzipFile, zlib.error, EOFError, RecursionError, UnicodeError) as error:
        raise ValueError(f"{source}: damaged: {' '.join(str(error).split())[:200] or type(error).__name__}") from error


@contextmanager
def _text_of(source: Path) -> Iterator[TextIO]:
    with gzip.open(regular(source), "rb") if source.name.lower().endswith(".gz") else open(regular(source), "rb") as file:
        yield io.TextIOWrapper(cast(IO[bytes], file), encoding="utf-8-sig", newline="")


def _lines(source: Path) -> Iterator[str]:
    with _text_of(source) as file:
        while line := file.readline(LINE_LIMIT + 1):
            if len(line) > LINE_LIMIT:
                raise ValueError(f"{source}: a line of more than {LINE_LIMIT:,} characters")
            yield line


def _check_columns(source: Path, found: Iterable[str], columns: Mapping[str, bool]) -> None:
    present = list(found)
    for column, required in columns.items():
        if required and column not in present:
            listed = ", ".join(present[:20]) + (f" and {len(present) - 20} more" if len(present) > 20 else "")
            raise ValueError(f"{source}: no column {column!r}; it has {listed or 'none'}")


# -- tables ------------------------------------------------------------------------------------------------------------------


def _csv_blocks(source: Path, delimiter: str, columns: Mapping[str, bool]) -> Iterator[Block]:
    rows = csv.reader(_lines(source), delimiter=delimiter, strict=True)
    header = next(rows, [])
    if repeated := [name for name in dict.fromkeys(header) if header.count(name) > 1]:
        raise ValueError(f"{source}: two columns are named {repeated[0]!r}")
    _check_columns(source, header, columns)
    positions = {column: header.index(column) for column in columns if column in header}
    filled = (row for row in rows if row)
    first = 1
    while block := list(islice(filled, ROWS)):
        if ragged := [first + number for number, row in enumerate(block) if len(row) != len(header)]:
            raise refusal(str(source), ragged, f"expected {len(header)} cells, got {len(block[ragged[0] - first])}")
        yield Block(first, len(block), {column: [row[place] for row in block] for column, place in positions.items()})
        first += len(block)


def _parquet_blocks(source: Path, columns: Mapping[str, bool]) -> Iterator[Block]:
    from pyarrow import ArrowException, parquet  # a fifth of a second

    first = 1
    try:
        with parquet.ParquetFile(regular(source)) as file:
            header = file.schema_arrow.names
            _check_columns(source, header, columns)
            for batch in file.iter_batches(batch_size=ROWS, columns=[column for column in columns if column in header]):
                yield Block(first, batch.num_rows, batch.to_pydict())
                first += batch.num_rows
    except (ArrowException, OSError) as error:
        raise ValueError(f"{source}: damaged: {' '.join(str(error).split())[:200]}") from error


# -- objects -----------------------------------------------------------------------------------------------------------------


def _row_blocks(source: Path, rows: Iterable[Any], columns: Mapping[str, bool]) -> Iterator[Block]:
    """Yield rows that are objects. A column is a name, or a path of names and positions such as "90.test-accuracy"."""
    rows, first, found = iter(rows), 1, dict[str, None]()
    names: list[str] = []
    while block := list(islice(rows, ROWS)):
        if wrong := [first + number for number, row in enumerate(block) if not isinstance(row, dict)]:
            raise refusal(str(source), wrong, f"expected an object, got {type(block[wrong[0] - first]).__name__}")
        names = names or [str(name) for name in block[0]]
        cells = {column: [_cell(row, column) for row in block] for column in columns}
        present = {column: some for column, some in cells.items() if any(cell is not ABSENT for cell in some)}
        found |= dict.fromkeys(present)
        yield Block(first, len(block), {c: [None if cell is ABSENT else cell for cell in some] for c, some in present.items()})
        first += len(block)
    if missing := [column for column, required in columns.items() if required and column not in found]:
        _check_columns(source, [*found, *names], {missing[0]: True})


def _cell(row: Any, path: str) -> Any:
    """Return the value at a path in nested objects and lists, `ABSENT` if there is none."""
    if isinstance(row, dict):
        for name in (path, int(path)) if path.isdecimal() else (path,):
            if name in row:
                return row[name]
    head, dot, rest = path.partition(".")
    if dot:
        inner = _cell(row, head)
        return ABSENT if inner is ABSENT else _cell(inner, rest)
    if isinstance(row, list | tuple) and path.isdecimal() and int(path) < len(row):
        return row[int(path)]
    return ABSENT


def _rows_of(source: Path, document: Any, columns: Mapping[str, bool]) -> Iterator[Any]:
    """Yield the rows of a document: a list of rows, an object of rows by name, an object of columns, or one row."""
    if isinstance(document, list):
        yield from document
        return
    if not isinstance(document, dict):
        raise ValueError(f"{source}: expected an object or a list, got {type(document).__name__}")
    found = {name: cells for name in columns if name != NAME and (cells := _cell(document, name)) is not ABSENT}
    if not found:
        for name, row in document.items():
            yield {**row, NAME: name} if isinstance(row, dict) else row
    elif all(isinstance(cells, dict) for cells in found.values()):  # as pandas writes it: columns of cells by row
        for name in next(iter(found.values())):
            yield {NAME: name, **{column: cells.get(name) for column, cells in found.items()}}
    elif all(isinstance(cells, list) for cells in found.values()):
        if len({len(cells) for cells in found.values()}) > 1:
            listed = ", ".join(f"{column} {len(cells)}" for column, cells in found.items())
            raise ValueError(f"{source}: columns of different lengths: {listed}")
        for cells in zip(*found.values(), strict=True):
            yield dict(zip(found, cells, strict=True))
    else:
        yield document


def _json_lines(source: Path) -> Iterator[Any]:
    for number, line in enumerate(_lines(source), 1):
        if line.strip():
            try:
                yield json.loads(line, object_pairs_hook=_object)
            except ValueError as error:
                raise ValueError(f"{source}: line {number:,}: {error}") from error


def _json_document(source: Path) -> Any:
    with _text_of(source) as file:
        text = file.read(DOCUMENT_LIMIT + 1)
    if len(text) > DOCUMENT_LIMIT:
        raise ValueError(f"{source}: more than {DOCUMENT_LIMIT >> 20} MiB of JSON; JSON lines may be longer")
    try:
        return json.loads(text, object_pairs_hook=_object)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON. Raises ValueError if it has a name twice, where Python's default forgets the first."""
    content = dict(pairs)
    if len(content) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        raise ValueError(f"an object has the name {short(counts.most_common(1)[0][0])} twice")
    return content


def _pickled_rows(source: Path, columns: Mapping[str, bool]) -> Iterator[Any]:
    """Yield the rows of a document in one pickle, or a row for each of several pickles."""
    contents = unpickle.load_stream(source, DOCUMENT_LIMIT)
    first = next(contents)
    second = next(contents, ABSENT)
    if second is ABSENT:
        yield from _rows_of(source, first, columns)
        return
    yield first
    yield second
    yield from contents
