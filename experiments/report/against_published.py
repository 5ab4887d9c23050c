"""One-shot searches beside published rows: difference, interval, and what differs besides the runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from experiments.analysis.statistics import Summary, welch_interval
from experiments.report import published
from experiments.report.formatting import spread, with_deviation, with_interval
from experiments.report.measures import TEST
from experiments.report.numbers import DatasetReport, Row
from experiments.store import SAME_RESULT

HEADER = ("dataset", "algorithm", "accuracy", "ours", "n", "published", "n", "difference [points]", "source", "what differs")


def comparison_lines(datasets: Sequence[DatasetReport]) -> list[tuple[str, ...]]:
    """Rows of the table of published results: one for each search, data set, accuracy and published row."""
    return [line for dataset in datasets for row in dataset.one_shot_rows for line in _lines(dataset, row)]


def _lines(dataset: DatasetReport, row: Row) -> Iterator[tuple[str, ...]]:
    for found in published.weight_sharing(dataset.table.space.name, dataset.dataset, row.experiment.algorithm):
        for name, ours, mean, std in _accuracies(dataset, row, found.accuracy):
            if np.isnan(mean) or np.isnan(ours.mean):
                continue
            runs = "" if found.runs is None else str(found.runs)
            both = spread(ours), str(ours.runs), with_deviation(mean, std), runs
            fields = (dataset.dataset, row.label, name, *both, _difference(ours, mean, std, found.runs), found.source)
            yield *fields, "; ".join(_differs(dataset, row, found)) or "nothing known"


def _accuracies(dataset: DatasetReport, row: Row, paper: published.Accuracy) -> list[tuple[str, Summary, float, float]]:
    """What can be compared: name, ours, and the published mean and standard deviation.

    Without test accuracies in the table, the reported mean over all trials is of the validation images.
    """
    valid, test = (paper.valid_mean, paper.valid_std), (paper.test_mean, paper.test_std)
    if dataset.measure is TEST:
        return [("valid", row.valid, *valid), ("test", row.reached, *test)]
    return [("valid", row.reached, *valid)]


def _difference(ours: Summary, mean: float, std: float, runs: int | None) -> str:
    """Ours minus theirs with its 95 % interval, where both spreads are known; published spreads are of ddof 0."""
    low = high = float("nan")
    if runs is not None and runs > 1 and not np.isnan(std) and ours.runs > 1:
        low, high = welch_interval(ours.moments, (mean, std * np.sqrt(runs / (runs - 1)), runs))
    return with_interval(ours.mean - mean, low, high, "+.2f")


def _differs(dataset: DatasetReport, row: Row, found: published.Row) -> Iterator[str]:
    """What is known to differ between our runs and the published ones."""
    if dataset.table.report_schedule != published.REPORT_SCHEDULE:
        yield f"accuracies after {dataset.table.report_schedule} epochs"
    if row.transferred:
        yield f"searched on {row.experiment.dataset} here"
    different = row.experiment.deviations(dataset.table).items()
    yield from (f"{name}={value}" for name, value in different if name not in SAME_RESULT)
    if found.protocol:
        yield found.protocol


def missing_datasets(datasets: Sequence[DatasetReport]) -> list[str]:
    """Data sets of the published rows that the table of some reports does not have."""
    return [name for name in published.DATASETS if datasets and name not in datasets[0].table.datasets]
