"""Columns of reports: CSV, the text tables and their notes, and the HTML page are made from this one list.

A module that is imported as a plugin adds a column to all of them:

    COLUMNS.register(Column(name="median", title="median", value=lambda dataset, row: float(np.median(row.finals))))
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Concatenate, Literal, ParamSpec

import numpy as np

from benchmark_api.registry import Registry
from experiments.analysis.statistics import MIN_RUNS, interquartile_mean
from experiments.report import published
from experiments.report.formatting import spread, with_deviation, with_interval
from experiments.report.measures import HELD_OUT, MEASURES, Measure
from experiments.report.numbers import NAN, DatasetReport, Row

Value = float | str
OfRow = Callable[[DatasetReport, Row], Value]
OfDataset = Callable[[DatasetReport], Value]
P = ParamSpec("P")


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
        better: which values are better; the best one is bold in a table for a paper. Empty: neither.
        csv: whether CSV has it.
        csv_last: whether it follows all others in CSV, so that columns of earlier versions keep their places.
    """

    name: str
    value: OfRow
    shown: OfRow | None = None
    title: str = ""
    table: Literal["accuracies", "merits"] = "merits"
    format: str = ".2f"
    optimum: OfDataset = lambda dataset: ""
    mean: OfDataset = lambda dataset: ""
    note: str = ""
    better: Literal["higher", "lower", ""] = ""
    csv: bool = True
    csv_last: bool = False

    def texts(self, dataset: DatasetReport) -> list[str]:
        """The fields of a text table: one for each row, then the optimum and the space mean."""
        values = [(self.shown or self.value)(dataset, row) for row in dataset.rows]
        values += [self.optimum(dataset), self.mean(dataset)]
        return [text_of(value, self.format) for value in values]


COLUMNS: Registry[Column] = Registry("report column", texts=("title", "note"))
"""All columns, in their order from left to right."""


def _measured(
    name: str,
    value: OfRow,
    *,
    shown: OfRow | None = None,
    optimum: OfDataset = lambda dataset: "",
    mean: OfDataset = lambda dataset: "",
    title: str = "",
    note: str = "",
    **options: Any,
) -> list[Column]:
    """A column for each measure, with values on the datasets that are reported by it; title and note may name its attributes."""
    return [
        Column(
            name=f"{measure.prefix}_{name}",
            value=_reported_by(measure, value),
            shown=_reported_by(measure, shown or value),
            optimum=_reported_by(measure, optimum),
            mean=_reported_by(measure, mean),
            title=title.format(measure=measure),
            note=note.format(measure=measure),
            csv_last=measure is HELD_OUT,
            **options,
        )
        for measure in MEASURES
    ]


def _reported_by(
    measure: Measure, value: Callable[Concatenate[DatasetReport, P], Value]
) -> Callable[Concatenate[DatasetReport, P], Value]:
    """A value on the datasets that are reported by a measure, an empty field on others."""

    def found(dataset: DatasetReport, /, *row: P.args, **named: P.kwargs) -> Value:
        return value(dataset, *row, **named) if dataset.measure is measure else ""

    return found


def _setting(name: str) -> OfRow:
    """Value of a field of the condition; empty for kinds of runs without it."""

    def value(_: DatasetReport, row: Row) -> Value:
        found = getattr(row.experiment, name) if name in row.experiment.kind.fields else None
        return "" if found is None else str(found)

    return value


def _interval(_: DatasetReport, row: Row) -> str:
    return f"{row.reached.low:.2f} to {row.reached.high:.2f}" if row.reached.runs >= MIN_RUNS else f"n < {MIN_RUNS}"


def _optimism(_: DatasetReport, row: Row) -> str:
    optimism = row.optimism
    if np.isnan(optimism.mean):  # the runs saw no trial
        return ""
    return with_interval(optimism.mean, optimism.low, optimism.high, "+.2f")


def _published(which: int, note: str = "") -> Column:
    """Published mean ± standard deviation of validation (0) or test (1), and ours minus theirs in standard errors."""

    def value(_: DatasetReport, row: Row) -> str:
        if row.published is None:
            return ""
        mean, std = row.published[0][2 * which : 2 * which + 2]
        apart = row.standard_errors()[which]
        shown = "-" if np.isnan(apart) else f"{round(apart, 1) + 0.0:+.1f}"  # -0.04 is +0.0
        return f"{with_deviation(mean, std)} ({shown})"

    return Column(
        name=f"published {('valid', 'test')[which]}",
        title="published (Δ/s.e.)",
        table="accuracies",
        csv=False,
        value=value,
        optimum=lambda dataset: (dataset.published_optimum or (NAN, NAN))[which],
        note=note,
    )


_ACCURACIES = (
    Column(name="space", value=_setting("space")),
    Column(name="dataset", value=lambda dataset, _: dataset.dataset),
    Column(name="algorithm", value=_setting("algorithm")),
    Column(name="seeds", title="n", table="accuracies", value=lambda _, row: str(row.reached.runs)),
    Column(
        name="valid_mean",
        title="valid",
        table="accuracies",
        value=lambda _, row: row.valid.mean,
        shown=lambda _, row: spread(row.valid),
        optimum=lambda dataset: dataset.optimum[0],
        mean=lambda dataset: dataset.average[0],
        better="higher",
    ),
    Column(name="valid_std", value=lambda _, row: row.valid.std),
    _published(
        0,
        note=f"Published: {published.SOURCE}, with ours minus theirs in standard errors of the difference. "
        "Its BOHB row is bohb-reference; bohb is the corrected algorithm and has no published row.",
    ),
    *_measured(
        "mean",
        lambda _, row: row.reached.mean,
        title="{measure.title}",
        table="accuracies",
        shown=lambda _, row: spread(row.reached),
        optimum=lambda dataset: dataset.optimum[1],
        mean=lambda dataset: dataset.average[1],
        better="higher",
    ),
    *_measured("std", lambda _, row: row.reached.std),
    Column(name="valid_low", value=lambda _, row: row.valid.low),
    Column(name="valid_high", value=lambda _, row: row.valid.high),
    *_measured(
        "low",
        lambda _, row: row.reached.low,
        title="95 % interval of the mean",
        table="accuracies",
        shown=_interval,
        note="95 % interval: percentile bootstrap of the mean {measure.accuracy}.",
    ),
    *_measured("high", lambda _, row: row.reached.high),
    _published(1),
    *_measured("iqm", lambda _, row: interquartile_mean(row.finals)),
)

_OPTIMISM = (
    Column(
        name="seen_minus_held_out_mean",
        title="seen − held-out [points]",
        table="accuracies",
        value=_reported_by(HELD_OUT, lambda _, row: row.optimism.mean),
        shown=_reported_by(HELD_OUT, _optimism),
        note="Seen − held-out: how much the trial that the run saw flatters the chosen architecture (the winner's curse), mean "
        "over runs with its 95 % bootstrap interval.",
        csv_last=True,
    ),
    Column(name="seen_minus_held_out_low", value=_reported_by(HELD_OUT, lambda _, row: row.optimism.low), csv_last=True),
    Column(name="seen_minus_held_out_high", value=_reported_by(HELD_OUT, lambda _, row: row.optimism.high), csv_last=True),
)


def gain(dataset: DatasetReport, accuracy: float) -> float:
    """Relative improvement of an accuracy over the space mean, percent (Yang et al., arXiv 1912.12522, section 3)."""
    return 100 * (accuracy / dataset.average[1] - 1)


def _published_number(name: str) -> OfRow:
    return lambda _, row: getattr(row.published[0], name) if row.published else NAN


def _time_to_best(_: DatasetReport, row: Row) -> str:
    seconds, wall = row.seconds_to_best, "" if row.experiment.kind.simulated else " (wall time)"
    return "never" if np.isinf(seconds) else f"{seconds:,.0f}{wall}"


def _seconds(simulated: bool) -> OfRow:
    """Mean cost of a run by the clock of its kind; NaN by the other one."""
    return lambda _, row: float(row.experiment.spent_seconds.mean()) if row.experiment.kind.simulated == simulated else NAN


def _worker_seconds(_: DatasetReport, row: Row) -> float:
    return float(row.experiment.worker_seconds.mean()) if row.experiment.kind.simulated else NAN


def _where_there_are_workers(dataset: DatasetReport, row: Row) -> float:
    """Worker time of a row where some row of its dataset has several workers."""
    several = any(getattr(other.experiment, "workers", 1) > 1 for other in dataset.rows)
    return _worker_seconds(dataset, row) if several else NAN


_MERITS = (
    *_measured(
        "regret",
        lambda _, row: row.optimum - row.reached.mean,
        title="regret{measure.mark} [points]",
        optimum=lambda dataset: 0.0,
        mean=lambda dataset: dataset.optimum[1] - dataset.average[1],
        note="Regret: simple regret of the mean {measure.accuracy}, its distance to {measure.best}.",
        better="lower",
    ),
    *_measured(
        "percentile",
        lambda _, row: float(row.percentiles.mean()),
        title="percentile{measure.mark}",
        optimum=lambda dataset: 100.0,
        note="Percentile: share of the space {measure.below}, mean over runs.",
        better="higher",
    ),
    *_measured(
        "relative_improvement",
        lambda dataset, row: gain(dataset, row.reached.mean),
        title="gain over space mean [%]",
        format="+.2f",
        optimum=lambda dataset: gain(dataset, dataset.optimum[1]),
        mean=lambda dataset: 0.0,
        note="Gain over space mean: relative improvement of the mean {measure.accuracy} over the mean of the space, which is the "
        "expectation of an architecture drawn at random.",
        better="higher",
    ),
    Column(
        name="average_rank",
        title="average rank",
        value=lambda _, row: row.rank,
        note="Average rank: among the black-box rows of the dataset; a block is one run of each; 1 is best.",
        better="lower",
    ),
    Column(
        name="seconds_to_best_median",
        title="time to best median [s]",
        value=lambda _, row: row.seconds_to_best,
        shown=_time_to_best,
        note="Time to best median: first time at which the median over runs was at least the final median of the best row of "
        "the same kind.",
        better="lower",
    ),
    Column(
        name="mflops",
        title="MMACs",
        value=lambda dataset, row: float(dataset.costs("flops")[row.chosen].mean()) if "flops" in dataset.metrics else NAN,
        format=".3g",
        note="MMACs: millions of multiply-accumulates of the chosen architecture on one image (FLOPs in NATS-Bench), mean over "
        "runs.",
    ),
    *(Column(name=f"published_{name}", value=_published_number(name)) for name in published.Accuracy._fields),
    Column(name="valid_standard_errors", value=lambda _, row: row.standard_errors()[0]),
    Column(name="test_standard_errors", value=lambda _, row: row.standard_errors()[1]),
    Column(name="valid_optimum", value=lambda dataset, _: dataset.optimum[0]),
    *_measured("optimum", lambda dataset, _: dataset.optimum[1]),
    Column(name="simulated_seconds", title="simulated time [s]", value=_seconds(simulated=True), format=",.0f"),
    Column(
        name="worker_seconds",
        title="worker time [s]",
        value=_worker_seconds,
        shown=_where_there_are_workers,
        format=",.0f",
        note="Worker time: simulated time that workers were busy, in sum over all workers of a run, until the budget was spent. "
        "Simulated time is that of the clock that they share.",
        csv_last=True,
    ),
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


def _notice(_: DatasetReport, row: Row) -> str:
    """Return the table's notice and the caution of the results folder."""
    return "; ".join(filter(None, (row.experiment.table_notice, row.experiment.folder_caution)))


for _column in (
    *_ACCURACIES,
    *_OPTIMISM,
    *_MERITS,
    Column(name="protocol", value=lambda dataset, _: dataset.readout),
    *(Column(name=name, value=_notice if name == "table_notice" else _setting(name)) for name in _SETTINGS),
    Column(name="workers", value=_setting("workers"), csv_last=True),
    Column(name="measure", value=lambda dataset, _: dataset.measure.name, csv_last=True),
    Column(name="searched_on", value=_setting("dataset"), csv_last=True),
):
    COLUMNS.register(_column)
