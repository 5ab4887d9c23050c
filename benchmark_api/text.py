"""Text in columns, for terminals."""

from __future__ import annotations

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]], separator: str = "  ") -> list[str]:
    """Return one line per row, with the cells of each column padded to the same width."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [separator.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
