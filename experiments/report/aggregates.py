"""Methods over all data sets of a table: rliable's measures of normalised accuracies, see `experiments.analysis.aggregate`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from benchmark_api.types import FloatArray
from experiments.analysis.aggregate import (
    RESAMPLES,
    Estimate,
    estimate,
    iqm,
    normalised,
    optimality_gap,
    probability_of_improvement,
)
from experiments.analysis.statistics import MIN_RUNS
from experiments.report.baseline import baseline_of
from experiments.report.escape import csv_text
from experiments.report.formatting import with_interval
from experiments.report.names import full_title, same_for_all
from experiments.report.numbers import Report, Row
from experiments.report.text import TextTable, latex, markdown, title_of
from experiments.settings import dataset_title


@dataclass(frozen=True, eq=False)
class Aggregate:
    """A method over all data sets of a report.

    Attributes:
        title: of the method.
        rows: its row on each data set.
        scores: [data set, run], 0 for the mean of the space and 100 for its best architecture.
    """

    title: str
    rows: Sequence[Row]
    scores: FloatArray

    @cached_property
    def iqm(self) -> Estimate:
        """Interquartile mean of the scores."""
        return estimate(iqm, self.scores)

    @cached_property
    def optimality_gap(self) -> Estimate:
        """Mean distance of the scores to the best one."""
        return estimate(optimality_gap, self.scores)

    def improvement(self, other: Aggregate) -> Estimate:
        """Probability that a run of this method is better than one of another on the same data set."""
        return estimate(probability_of_improvement, self.scores, other.scores)


@lru_cache(maxsize=4)  # figure, table and summary of a report need the same estimates, which take seconds
def aggregates(report: Report) -> tuple[Aggregate, ...]:
    """Aggregate the methods of a report that have at least `MIN_RUNS` runs on each of its data sets, the best first."""
    hidden = same_for_all(report)
    found: dict[tuple[str, str], dict[str, Row]] = {}
    for dataset in report.datasets:
        for row in dataset.rows:
            if row.reached.runs >= MIN_RUNS:
                key = row.experiment.kind.name, full_title(row.experiment, report.table, hidden)
                found.setdefault(key, {})[dataset.dataset] = row
    averages = [dataset.average[1] for dataset in report.datasets]
    optima = [dataset.optimum[1] for dataset in report.datasets]
    every = [
        Aggregate(title, list(rows.values()), normalised([row.finals for row in rows.values()], averages, optima))
        for (_, title), rows in found.items()
        if len(rows) == len(report.datasets)
    ]
    return tuple(sorted(every, key=lambda of: -of.iqm.value))


def aggregate_table(report: Report, baseline: str | None = None) -> TextTable:
    """Table of the aggregates of a report.

    Args:
        report: the report.
        baseline: search, or label of a configuration, that the others' probability of improvement is over; None: without it.

    Raises:
        ValueError: no method has enough runs on every data set, or the baseline has too few on one.
    """
    every = aggregates(report)
    if not every:
        raise ValueError(f"no method has {MIN_RUNS} runs on every data set of {report.table.title}; expected at least one")
    header = ["method", "n", "IQM (95 % interval)", "optimality gap (95 % interval)"]
    notes = [
        f"Normalised accuracy over {_sets(report)}: 0 for the mean of the space, 100 for its best architecture. IQM: "
        "interquartile mean over the runs of all data sets; optimality gap: mean distance to 100. Intervals: percentile "
        f"bootstrap, {RESAMPLES} resamples, runs resampled within each data set (Agarwal et al., NeurIPS 2021).",
    ]
    reference = _reference(report, every, baseline) if baseline else None
    if reference:
        header.append(f"P(better than {reference.title})")
        notes.append(f"P: probability that a run is better than one of {reference.title} on the same data set; ties count half.")
    rows = []
    for one in every:
        runs = str(one.scores.shape[1])
        fields = [one.title, runs, with_interval(*one.iqm, ".1f"), with_interval(*one.optimality_gap, ".1f")]
        if reference:
            fields.append("" if one is reference else with_interval(*one.improvement(reference)))
        rows.append(fields)
    title = f"{report.table.space.name} space, all data sets: {title_of(report.table, report.experiments)}"
    return TextTable(title, header, rows, notes)


def _sets(report: Report) -> str:
    return ", ".join(dataset_title(dataset.dataset) for dataset in report.datasets)


def _reference(report: Report, every: Sequence[Aggregate], baseline: str) -> Aggregate | None:
    """Aggregate of a baseline; None without a row of it."""
    row = baseline_of(report.datasets[0], baseline)
    if row is None:
        return None
    found = [one for one in every if one.rows[0] is row]
    if not found:
        few = f"{baseline!r} has fewer than {MIN_RUNS} runs on a data set of {report.table.title}"
        raise ValueError(f"{few}; expected a baseline with as many on all of them")
    return found[0]


def _to_csv(tables: Sequence[TextTable]) -> str:
    return "".join(csv_text([("table", *table.header), *((table.title, *row) for row in table.rows)]) for table in tables)


AGGREGATE_FORMATS: Mapping[str, Callable[[Sequence[TextTable]], str]] = {
    "markdown": lambda tables: "\n".join(map(markdown, tables)),
    "latex": lambda tables: "\n".join(map(latex, tables)),
    "csv": _to_csv,
}
"""Writers of aggregate tables, by format."""
