"""The lines of the bench, and how a figure is measured.

It is the median of some repeats, in which ours and the counterpart take turns.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """What repeated measurements gave, in the unit of their row."""

    median: float
    low: float
    high: float
    repeats: int

    @classmethod
    def of(cls, samples: Sequence[float]) -> Figure:
        """The figure of at least one sample."""
        return cls(statistics.median(samples), min(samples), max(samples), len(samples))

    def text(self, unit: str) -> str:
        """The median, and half the range where there are several repeats."""
        spread = f" ± {50 * (self.high - self.low) / self.median:.0f} %" if self.repeats > 1 else ""
        return f"{self.median:,.4g} {unit}{spread}"


@dataclass(frozen=True)
class Row:
    """One line of the bench.

    Attributes:
        what: what was measured; no two rows have the same.
        unit: of ours and the counterpart's figure; of rates ("runs/s") more is better, of all others less.
        ours: this project's figure.
        other: the counterpart's, measured in turn with ours; None where there is none.
        counterpart: what the counterpart is.
    """

    what: str
    unit: str
    ours: Figure
    other: Figure | None = None
    counterpart: str = ""

    @property
    def timed(self) -> bool:
        """Whether a slower machine makes the figure worse; it does not need more memory."""
        return self.unit not in ("B", "kB", "MB")

    @property
    def rate(self) -> bool:
        """Whether more is better."""
        return self.unit.endswith(("/s", "/min"))

    @property
    def best(self) -> Figure:
        """The best of our repeats alone."""
        return Figure.of([self.ours.high if self.rate else self.ours.low])

    def gain(self, better: Figure, than: Figure) -> float:
        """How many times better one figure is than another."""
        ratio = than.median / better.median
        return 1 / ratio if self.rate else ratio

    def cells(self) -> list[str]:
        """The row of the printed table."""
        if self.other is None:
            return [self.what, self.ours.text(self.unit), "", "", ""]
        ratio = f"{self.gain(self.ours, self.other):,.2f}×"
        return [self.what, self.ours.text(self.unit), self.other.text(self.unit), ratio, self.counterpart]


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        repeats: of each figure.
        queries: warm queries of a repeat, a hundredth of them to the package, and a thousandth that are cold.
        runs: of a sweep; a quarter of them by the command as a whole.
        brackets: of `bohb-reference` beside hpbandster.
        records: that the package reads beside the importer.
        stack: channels of the first block that the builder trains together.
        layers: of the made-up large space, which has 5 to the power of them candidates.
    """

    repeats: int = 5
    queries: int = 20_000
    runs: int = 2_000
    brackets: int = 75  # 500 evaluations: a little more than the budget of cifar10 pays for
    records: int = 500
    stack: int = 128
    layers: int = 10


QUICK = Effort(repeats=1, queries=1_000, runs=50, brackets=1, records=10, stack=4, layers=4)


Measure = Callable[[], float]
"""Measures something once, in the unit of its row."""


def seconds(action: Callable[[], object], calls: int = 1) -> float:
    """The seconds that one of some calls takes on average."""
    start = time.perf_counter()
    for _ in range(calls):
        action()
    return (time.perf_counter() - start) / calls


def in_turn(repeats: int, *measures: Measure) -> list[Figure]:
    """The figure of each measure, all measured once in every repeat."""
    samples = [[measure() for measure in measures] for _ in range(repeats)]
    return [Figure.of(of_measure) for of_measure in zip(*samples, strict=True)]


def measured(what: str, unit: str, repeats: int, ours: Measure, other: Measure, counterpart: str) -> Row:
    """A row of two figures, measured in turn."""
    figure, beside = in_turn(repeats, ours, other)
    return Row(what, unit, figure, beside, counterpart)
