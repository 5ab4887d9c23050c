"""Columns of reports: CSV, the text tables and their notes, and the HTML page are made from this one list.

A module that is imported as a plugin adds a column to all of them:

    COLUMNS.register(Column(name="test_median", title="median", value=lambda dataset, row: float(np.median(row.test_finals))))
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from benchmark_api.registry import Registry
from experiments.analysis.statistics import MIN_RUNS, Summary, interquartile_mean
from experiments.report import published
from experiments.report.numbers import NAN, DatasetReport, Row

Value = float | str
Measure = Callable[[DatasetReport, Row], Value]


def text_of(value: Value, form: str) -> str:
    """Text of a value; of a number in the form of a format specification, empty for NaN."""
    return value if isinstance(value, str) else "" if np.isnan(value) else f"{value:{form}}"


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of reports.

    Attributes:
        name: registry name, and header in CSV.
        value: of a row; a number that is NaN leaves the field empty.
        shown: the value in the text table, where it is not that of CSV.
        title: header in the text tables, with the unit; empty for a column of CSV only.
        table: the text table that has it: accuracies, or merits and costs.
        format: format specification of a number in the text tables.
        optimum: value in the row of the best architecture of the space.
        mean: value in the row of the space mean.
        note: explanation below the text table.
        csv: whether CSV has it.
    """

    name: str
    value: Measure
    shown: Measure | None = None
    title: str = ""
    table: Literal["accuracies", "merits"] = "merits"
    format: str = ".2f"
    optimum: Callable[[DatasetReport], Value] = lambda dataset: ""
    mean: Callable[[DatasetReport], Value] = lambda dataset: ""
    note: str = ""
    csv: bool = True

    def texts(self, dataset: DatasetReport) -> list[str]:
        """The fields of a text table: one for each row, then the optimum and the space mean."""
        values = [(self.shown or self.value)(dataset, row) for row in dataset.rows]
        values += [self.optimum(dataset), self.mean(dataset)]
        return [text_of(value, self.format) for value in values]


COLUMNS: Registry[Column] = Registry("report column")
"""All columns, in their order from left to right."""


def _setting(name: str) -> Measure:
    """Value of a field of the condition; empty for kinds of runs without it."""

    def value(_: DatasetReport, row: Row) -> Value:
        found = getattr(row.experiment, name) if name in row.experiment.kind.fields else None
        return "" if found is None else str(found)

    return value


def spread(summary: Summary) -> str:
    """Mean ± standard deviation as text."""
    return f"{summary.mean:.2f}" if np.isnan(summary.std) else f"{summary.mean:.2f} ± {summary.std:.2f}"


def _interval(_: DatasetReport, row: Row) -> str:
    return f"{row.test.low:.2f} to {row.test.high:.2f}" if row.test.runs >= MIN_RUNS else f"n < {MIN_RUNS}"


def _published(which: int, note: str = "") -> Column:
    """Published mean ± standard deviation of validation (0) or test (1), and ours minus theirs in standard errors."""

    def value(_: DatasetReport, row: Row) -> str:
        if row.published is None:
            return ""
        mean, std = row.published[0][2 * which : 2 * which + 2]
        apart = row.standard_errors()[which]
        return f"{mean:.2f} ± {std:.2f} ({'-' if np.isnan(apart) else f'{apart:+.1f}'})"

    return Column(
        name=f"published {('valid', 'test')[which]}",
        title="published (Δ/s.e.)",
        table="accuracies",
        csv=False,
        value=value,
        optimum=lambda dataset: published.OPTIMUM.get((dataset.table.space.name, dataset.dataset), (NAN, NAN))[which],
        note=note,
    )


_ACCURACIES = (
    *(Column(name=name, value=_setting(name)) for name in ("space", "dataset", "algorithm")),
    Column(name="seeds", title="n", table="accuracies", value=lambda _, row: str(row.test.runs)),
    Column(
        name="valid_mean",
        title="valid",
        table="accuracies",
        value=lambda _, row: row.valid.mean,
        shown=lambda _, row: spread(row.valid),
        optimum=lambda dataset: dataset.optimum[0],
        mean=lambda dataset: dataset.average[0],
    ),
    Column(name="valid_std", value=lambda _, row: row.valid.std),
    _published(
        0,
        note=f"Published: {published.SOURCE}, with ours minus theirs in standard errors of the difference. "
        "Its BOHB row is bohb-reference; bohb is the corrected algorithm and has no published row.",
    ),
    Column(
        name="test_mean",
        title="test",
        table="accuracies",
        value=lambda _, row: row.test.mean,
        shown=lambda _, row: spread(row.test),
        optimum=lambda dataset: dataset.optimum[1],
        mean=lambda dataset: dataset.average[1],
    ),
    Column(name="test_std", value=lambda _, row: row.test.std),
    Column(name="valid_low", value=lambda _, row: row.valid.low),
    Column(name="valid_high", value=lambda _, row: row.valid.high),
    Column(
        name="test_low",
        title="95 % interval of the mean",
        table="accuracies",
        value=lambda _, row: row.test.low,
        shown=_interval,
        note="95 % interval: percentile bootstrap of the mean test accuracy.",
    ),
    Column(name="test_high", value=lambda _, row: row.test.high),
    _published(1),
    Column(name="test_iqm", value=lambda _, row: interquartile_mean(row.test_finals)),
)


def gain(dataset: DatasetReport, accuracy: float) -> float:
    """Relative improvement of a test accuracy over the space mean, percent (Yang et al., arXiv 1912.12522, section 3)."""
    return 100 * (accuracy / dataset.average[1] - 1)


def _published_number(name: str) -> Measure:
    return lambda _, row: getattr(row.published[0], name) if row.published else NAN


def _time_to_best(_: DatasetReport, row: Row) -> str:
    seconds, wall = row.seconds_to_best, "" if row.experiment.kind.simulated else " (wall time)"
    return "never" if np.isinf(seconds) else f"{seconds:,.0f}{wall}"


def _seconds(simulated: bool) -> Measure:
    """Mean cost of a run by the clock of its kind; NaN by the other one."""
    return lambda _, row: float(row.experiment.spent_seconds.mean()) if row.experiment.kind.simulated == simulated else NAN


_MERITS = (
    Column(
        name="test_regret",
        title="regret [points]",
        value=lambda dataset, row: dataset.optimum[1] - row.test.mean,
        optimum=lambda dataset: 0.0,
        mean=lambda dataset: dataset.optimum[1] - dataset.average[1],
        note="Regret: simple regret of the mean test accuracy, its distance to the best test accuracy of the space.",
    ),
    Column(
        name="test_percentile",
        title="percentile",
        value=lambda dataset, row: float(dataset.percentile[row.chosen].mean()),
        optimum=lambda dataset: 100.0,
        note="Percentile: share of the space that is not better on the test set than the chosen architecture, mean over runs.",
    ),
    Column(
        name="test_relative_improvement",
        title="gain over space mean [%]",
        value=lambda dataset, row: gain(dataset, row.test.mean),
        format="+.2f",
        optimum=lambda dataset: gain(dataset, dataset.optimum[1]),
        mean=lambda dataset: 0.0,
        note="Gain over space mean: relative improvement of the mean test accuracy over the mean of the space, which is the "
        "expectation of an architecture drawn at random.",
    ),
    Column(
        name="average_rank",
        title="average rank",
        value=lambda _, row: row.rank,
        note="Average rank: among the black-box rows of the dataset; a block is one run of each; 1 is best.",
    ),
    Column(
        name="seconds_to_best_median",
        title="time to best median [s]",
        value=lambda _, row: row.seconds_to_best,
        shown=_time_to_best,
        note="Time to best median: first time at which the median over runs was at least the final median of the best row of "
        "the same kind.",
    ),
    Column(
        name="mflops",
        title="MMACs",
        value=lambda dataset, row: float(dataset.table.flops(dataset.dataset)[row.chosen].mean()),
        format=".3g",
        note="MMACs: millions of multiply-accumulates of the chosen architecture on one image (FLOPs in NATS-Bench), mean over "
        "runs.",
    ),
    *(Column(name=f"published_{name}", value=_published_number(name)) for name in published.Accuracy._fields),
    Column(name="valid_standard_errors", value=lambda _, row: row.standard_errors()[0]),
    Column(name="test_standard_errors", value=lambda _, row: row.standard_errors()[1]),
    Column(name="valid_optimum", value=lambda dataset, _: dataset.optimum[0]),
    Column(name="test_optimum", value=lambda dataset, _: dataset.optimum[1]),
    Column(name="simulated_seconds", title="simulated time [s]", value=_seconds(simulated=True), format=",.0f"),
    Column(
        name="wall_seconds",
        title="wall time [s]",
        value=_seconds(simulated=False),
        format=",.0f",
        note="The cost of one-shot searches is measured wall time of training the supernet and deriving; the simulated time of "
        "black-box searches is the training time of all candidates. The two cannot be compared.",
    ),
    Column(name="peak_memory", value=lambda _, row: row.experiment.peak_memory),
)


_SETTINGS = (
    *("schedule", "budget", "charge", "repeats", "noise", "max_queries", "hyperparameters", "incumbent_rule"),
    *("execution", "setting", "table_title", "table_notice", "table_fingerprint"),
)

for _column in (
    *_ACCURACIES,
    *_MERITS,
    Column(name="protocol", value=lambda dataset, _: dataset.readout),
    *(Column(name=name, value=_setting(name)) for name in _SETTINGS),
):
    COLUMNS.register(_column)
