"""Data of the page's interactive figures and of its dialogs: what was reached over time and at the end, and what was found."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmark_api.tables.table import Table
from benchmark_api.types import FloatArray
from experiments.analysis.statistics import Distribution
from experiments.analysis.trajectories import anytime, time_grid
from experiments.report.measures import TEST
from experiments.report.names import full_title, same_for_all
from experiments.report.numbers import DatasetReport, Report, Row
from experiments.settings import dataset_title

POINTS = 120
"""Points in time of a curve on the page."""

SHOWN = 8
"""Maximum number of architectures of a method in its dialog."""


class Swatch(NamedTuple):
    """Look of a search on the page: a CSS colour, lengths of dashes and gaps in pixels (none: solid), and matplotlib's marker."""

    color: str
    dashes: Sequence[float]
    marker: str


PLAIN = Swatch("#777777", (), "o")
"""Look of a row without one."""

Swatches = Mapping[Row, Swatch]

Chart = dict[str, Any]
"""A figure in JSON values."""


def charts(report: Report, swatches: Swatches) -> list[Chart]:
    """Return the figures of a report as JSON values: for each data set, schedule and budget curves over time, for each data
    set the final accuracies."""
    hidden = same_for_all(report)
    found: list[Chart] = []
    for dataset in report.datasets:
        found += _curves(report, dataset, swatches, hidden)
        found.append(_finals(report, dataset, swatches, hidden))
    return found


def _curves(report: Report, dataset: DatasetReport, swatches: Swatches, hidden: Sequence[str]) -> list[Chart]:
    groups, figures = dataset.by_budget, []
    for (schedule, budget), rows in groups.items():
        times = time_grid([row.experiment for row in rows], POINTS)
        series = []
        for row in rows:
            reported = dataset.accuracies.reported_of(row.experiment)
            runs = Distribution.of(anytime(row.experiment, times, reported))
            low, high = (runs.mean, runs.mean) if runs.interval is None else runs.interval
            values = {"mean": _rounded(runs.mean), "low": _rounded(low), "high": _rounded(high)}
            series.append(_named(report, row, swatches, hidden) | values)
        several = f", {schedule} epochs, {budget:,.0f} s" if len(groups) > 1 else ""
        figures.append(
            {
                "kind": "curves",
                "title": f"{dataset_title(dataset.dataset)}{several}: {dataset.measure.accuracy} of the incumbent over time",
                "x": [float(f"{time:.5g}") for time in times],
                "xlabel": "simulated time [s]",
                "ylabel": f"{dataset.measure.accuracy} [%]",
                "optimum": round(dataset.optimum[1], 2),
                "series": series,
            }
        )
    return figures


def _finals(report: Report, dataset: DatasetReport, swatches: Swatches, hidden: Sequence[str]) -> Chart:
    series = []
    for row in dataset.rows:
        quartiles = np.percentile(row.finals, [0, 25, 50, 75, 100])
        reached = row.reached
        numbers = {"mean": reached.mean, "low": reached.low, "high": reached.high}
        values = {name: None if math.isnan(value) else round(value, 3) for name, value in numbers.items()}
        series.append(_named(report, row, swatches, hidden) | values | {"quartiles": _rounded(quartiles)})
    return {
        "kind": "finals",
        "title": f"{dataset_title(dataset.dataset)}: final {dataset.measure.accuracy}",
        "xlabel": f"{dataset.measure.accuracy} [%]",
        "optimum": round(dataset.optimum[1], 2),
        "series": series,
    }


def _named(report: Report, row: Row, swatches: Swatches, hidden: Sequence[str]) -> dict[str, Any]:
    swatch = swatches.get(row, PLAIN)
    return {
        "name": full_title(row.experiment, report.table, hidden),
        "runs": row.reached.runs,
        "color": swatch.color,
        "dash": " ".join(f"{length:g}" for length in swatch.dashes),
        "marker": swatch.marker,
    }


def _rounded(values: FloatArray) -> list[float | None]:
    return [None if math.isnan(value) else round(float(value), 3) for value in values]


# -- what was found --------------------------------------------------------------------------------------------------------------


def dialogs(report: Report) -> dict[str, Any]:
    """Return what each row found as JSON values, by the row's key: its best architecture, and those that most runs chose."""
    hidden = same_for_all(report)
    rows = {}
    for dataset in report.datasets:
        for row in dataset.rows:
            best, counts = row.best, Counter(row.chosen.tolist())
            listed = dict.fromkeys([best, *(index for index, _ in counts.most_common(SHOWN))])
            rows[key_of(report.table, dataset, row)] = {
                "title": f"{full_title(row.experiment, report.table, hidden)} on {dataset_title(dataset.dataset)}",
                "runs": row.reached.runs,
                "distinct": len(counts),
                "measure": "test" if dataset.measure is TEST else "",  # else the means over all trials are the same accuracies
                "table": report.table.fingerprint,
                "listed": [_architecture(dataset, index, counts[index]) for index in list(listed)[:SHOWN]],
            }
    return rows


def _architecture(dataset: DatasetReport, index: int, runs: int) -> dict[str, Any]:
    space = dataset.table.space
    return {
        "index": index,
        "text": space.to_string(space.architecture(index)),
        "runs": runs,
        "valid": round(float(dataset.accuracies.valid[index]), 2),
        "reported": round(float(dataset.accuracies.reported[index]), 2),
        "costs": {
            f"{name} [{dataset.metrics[name].unit}]" if dataset.metrics[name].unit else name: float(f"{value:.4g}")
            for name, value in dataset.costs_of(index).items()
        },
    }


def key_of(table: Table, dataset: DatasetReport, row: Row) -> str:
    """Return the key of a row on the page."""
    return f"{table.fingerprint[:12]}-{dataset.dataset}-{dataset.rows.index(row)}"
