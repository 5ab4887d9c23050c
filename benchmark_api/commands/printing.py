"""Opening and printing for the commands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark_api.text import shown

if TYPE_CHECKING:  # imported by the commands that need it: `--help` starts without NumPy
    from benchmark_api.spaces import SearchSpace
    from benchmark_api.tables.checks import Check
    from benchmark_api.tables.table import Table


def open_table(path: Path) -> Table:
    """Return the table of a file, or an embedded one by its name."""
    from benchmark_api.tables.table import Table

    return Table(path)


def architecture_index(space: SearchSpace, text: str) -> int:
    """Return the official index that a text stands for: an index, or a string.

    Raises:
        ValueError: it is neither an index of the space nor a string of an architecture.
    """
    return space.index(space.architecture(int(text)) if text.isascii() and text.isdecimal() else space.from_string(text))


def megabytes(path: Path, digits: int = 1) -> str:
    """Return the size of a file as text."""
    return f"{path.stat().st_size / 1e6:,.{digits}f} MB"


def print_check(table: Table, check: Check) -> None:
    """Print the statistics of a table and those of a benchmark.

    Raises:
        ValueError: they differ, or the table cannot be the benchmark for another reason.
    """
    statistics = list(check.statistics(table))
    print(check.title)
    rows = [[s.name, f"{s.found:.6g}", f"{s.expected:g}", "" if s.agrees else "differs"] for s in statistics]
    print_rows(["statistic", "found", "expected", ""], rows)
    if differing := [s.name for s in statistics if not s.agrees]:
        raise ValueError(f"{table.path} is not {check.name}: it differs in {', '.join(differing)}")


def print_rows(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows below a header, with the cells of each column padded to the same width; each row is one line."""
    lines = [[*map(shown, cells)] for cells in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  " + "  ".join(map(str.ljust, line, widths)).rstrip())


def print_line(text: object) -> None:
    """Print a text with names from files or of files as one line."""
    print(shown(str(text)))
