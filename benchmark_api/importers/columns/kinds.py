"""Kinds of cells: what a column may hold, how it is converted, and how rows that do not fit are refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

CellT = TypeVar("CellT")

MAX_SCHEDULE = 10_000
"""Largest number of epochs of a schedule; a table holds a value for each."""

SPLITS = ("train", "x-valid", "x-test", "ori-test")
"""Splits of NATS-Bench."""

SHOWN = 5
"""Rows that a message numbers; it counts the others."""


@dataclass(frozen=True)
class Kind:
    """A kind of number.

    Attributes:
        low: smallest value.
        high: largest value.
        whole: whether it must be an integer.
    """

    low: float = -math.inf
    high: float = math.inf
    whole: bool = False

    @property
    def expected(self) -> str:
        """What a value must be, for messages."""
        noun = "an integer" if self.whole else "a finite number"
        if math.isfinite(self.high):
            return f"{noun} from {self.low:.0f} to {self.high:.0f}"
        return noun + (f", at least {self.low:.0f}" if math.isfinite(self.low) else "")

    def convert(self, cell: object, scale: float = 1.0) -> float:
        """Return a cell as a number times the scale; NaN for None, empty text and NaN.

        Raises:
            ValueError: it is no number, or out of range; the message says what is expected.
        """
        if cell is None or cell == "":
            return math.nan
        try:
            if isinstance(cell, bool) or not isinstance(cell, str | int | float):
                raise TypeError
            value = float(cell) * scale
        except (OverflowError, TypeError, ValueError):
            raise ValueError(f"expected {self.expected}") from None
        fits = self.low <= value <= self.high and math.isfinite(value) and (value.is_integer() or not self.whole)
        if not fits and value == value:
            raise ValueError(f"expected {self.expected}")
        return value


NUMBERS = {
    "schedule": Kind(1, MAX_SCHEDULE, whole=True),
    "epoch": Kind(0, MAX_SCHEDULE, whole=True),
    "trial": Kind(0, 2**31 - 1, whole=True),
    "accuracy": Kind(0, 100),
    "loss": Kind(0),
    "training_seconds": Kind(0),
    "epoch_seconds": Kind(0),
    "pass_seconds": Kind(0),
    "params": Kind(0),
    "flops": Kind(0),
    "latency": Kind(0),
    "metric": Kind(),
}
"""Kinds of all numbers in a mapping, by field; "metric" is any other metric."""


def dataset_key(cell: object) -> str:
    """Return a dataset key, e.g. "cifar10-valid".

    Raises:
        ValueError: it cannot be part of a tensor's name.
    """
    if not isinstance(cell, str) or not cell.isprintable() or not 0 < len(cell) <= 64 or "/" in cell or cell == "metrics":
        raise ValueError('expected the key of a data set, e.g. "cifar10"')
    return cell


def split_name(cell: object) -> str:
    """Return a split: one of `SPLITS`, or "valid" or "test", which `split_of` turns into one for a dataset.

    Raises:
        ValueError: another text.
    """
    if cell not in (*SPLITS, "valid", "test"):
        raise ValueError(f"expected one of {', '.join(SPLITS)}, valid, test")
    return str(cell)


def split_of(dataset: str, split: str) -> str:
    """Return the split that NATS-Bench calls "valid" or "test" of a dataset key; other splits stay as they are."""
    test = "ori-test" if dataset in ("cifar10", "cifar10-valid") else "x-test"
    return {"valid": "x-valid", "test": test}.get(split, split)


def converted(
    source: str, rows: Iterable[int], cells: Iterable[object], convert: Callable[[object], CellT], field: str
) -> list[CellT]:
    """Return the converted cells of rows.

    Args:
        source: name of the file, for messages.
        rows: numbers of the rows.
        cells: one for each row.
        convert: raises a ValueError that says what is expected.
        field: name of what the cells hold, for messages.

    Raises:
        ValueError: cells that cannot be converted, with the numbers of their rows.
    """
    cells = list(cells)
    try:
        return [convert(cell) for cell in cells]
    except ValueError:
        bad = [(row, cell) for row, cell in zip(rows, cells, strict=True) if _error(convert, cell)]
    raise refusal(source, [row for row, _ in bad], f"{field} {short(bad[0][1])}: {_error(convert, bad[0][1])}")


def _error(convert: Callable[[object], object], cell: object) -> str:
    """Return the message of a cell that cannot be converted, empty for one that can."""
    try:
        convert(cell)
    except ValueError as error:
        return str(error)
    return ""


def refusal(source: str, rows: Sequence[int], what: str) -> ValueError:
    """Return a ValueError of one line that names the file and numbers the rows, counted from 1 without a header."""
    shown = ", ".join(f"{row:,}" for row in rows[:SHOWN])
    more = f" and {len(rows) - SHOWN:,} more" if len(rows) > SHOWN else ""
    return ValueError(f"{source}: row{'s' if len(rows) > 1 else ''} {shown}{more}: {what}")


def short(cell: object) -> str:
    """Return a cell for a message: one line of printable text."""
    text = ascii(cell)
    return text if len(text) <= 60 else f"{text[:57]}..."
