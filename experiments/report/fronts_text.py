"""Reports of fronts as text: Markdown, LaTeX and CSV."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from experiments.report.escape import csv_text
from experiments.report.formatting import mean_with_interval, span, spread
from experiments.report.fronts import MARGIN, FrontReport, FrontRow
from experiments.report.text import TextTable, comparison_matrix, latex, markdown, title_of


def front_tables(reports: Sequence[FrontReport]) -> list[TextTable]:
    """Tables of the reports of one table file: regrets of all, details, then a matrix of comparisons for each report."""
    matrices = [
        comparison_matrix(
            f"{name_of(report)}: probability that a run of the row has less regret of hypervolume than one of the column",
            [row.label for row in report.rows],
            report.comparisons,
        )
        for report in reports
        if len(report.rows) > 1
    ]
    return [_regrets(reports), _details(reports), *matrices]


def name_of(report: FrontReport) -> str:
    """Dataset and objectives of a report, e.g. "cifar10, latency@pixel3"."""
    return ", ".join((report.landscape.dataset, *report.landscape.objectives))


def _regrets(reports: Sequence[FrontReport]) -> TextTable:
    """Regrets of all searches (rows) on all landscapes (columns)."""
    labels = dict.fromkeys(row.label for report in reports for row in report.rows)
    rows = {(name_of(report), row.label): row for report in reports for row in report.rows}
    names = [name_of(report) for report in reports]
    runs = {label: {row.reached.runs for (_, of), row in rows.items() if of == label} for label in labels}
    lines: list[tuple[str, ...]] = [
        (
            label,
            span(runs[label]),
            *(mean_with_interval(rows[name, label].reached) if (name, label) in rows else "" for name in names),
        )
        for label in labels
    ]
    lines.append(("points of the exact front", "", *(str(len(report.landscape.exact)) for report in reports)))
    table = reports[0].landscape.table
    valued = " and ".join(dict.fromkeys(report.landscape.accuracy_name for report in reports))
    return TextTable(
        f"{table.space.name} space, regret of hypervolume to the exact front [%]: {title_of(table)}",
        ("algorithm", "n", *names),
        lines,
        [
            "Regret of hypervolume: what the front that a run found by the accuracies that it saw lacks of the hypervolume of "
            "the exact front, percent; mean over n runs with its 95 % bootstrap interval, at the end of the budget.",
            f"Architectures are valued by their {valued} after {table.report_schedule} epochs, mean over all trials, so that no "
            "front is better than the exact one. Objectives are scaled to the range of the exact front; the reference point lies "
            f"{100 * MARGIN:.0f} % behind its worst values.",
            "A search without objectives is judged by all architectures that it evaluated.",
        ],
    )


def _details(reports: Sequence[FrontReport]) -> TextTable:
    lines = []
    for report in reports:
        landscape = report.landscape
        about = landscape.dataset, " ".join(landscape.objectives)
        for row in report.rows:
            numbers = f"{_at_half(row):.2f}", f"{row.sizes.mean():.1f}", f"{row.found.mean():.1f}"
            lines.append((*about, row.label, str(row.reached.runs), spread(row.reached), *numbers))
        lines.append((*about, "exact front", "", "0.00", "", str(len(landscape.exact)), "100.0"))
    table = reports[0].landscape.table
    return TextTable(
        f"{table.space.name} space, found fronts: {title_of(table)}",
        ("dataset", "objectives", "algorithm", "n", "regret [%]", "at half the budget [%]", "points", "of the exact front [%]"),
        lines,
        [
            "Regret: of hypervolume, as above, mean ± standard deviation (ddof 1). Points: architectures on the front of a run, "
            "mean. Of the exact front: share of its points that are on the front of a run, mean.",
        ],
    )


def _at_half(row: FrontRow) -> float:
    return float(row.regrets(np.array([row.experiment.budget / 2])).mean())


_ABOUT: dict[str, Callable[[FrontReport, FrontRow], Any]] = {
    "space": lambda report, _: report.landscape.table.space.name,
    "dataset": lambda report, _: report.landscape.dataset,
    "objectives": lambda report, _: " ".join(report.landscape.objectives),
    "algorithm": lambda _, row: row.experiment.algorithm,
    "runs": lambda _, row: row.reached.runs,
}
_MEASURES: dict[str, Callable[[FrontReport, FrontRow], float]] = {
    "hypervolume_regret_mean": lambda _, row: row.reached.mean,
    "hypervolume_regret_std": lambda _, row: row.reached.std,
    "hypervolume_regret_low": lambda _, row: row.reached.low,
    "hypervolume_regret_high": lambda _, row: row.reached.high,
    "hypervolume_regret_half_budget": lambda _, row: _at_half(row),
    "front_points_mean": lambda _, row: float(row.sizes.mean()),
    "exact_front_found_mean": lambda _, row: float(row.found.mean()),
}
_SETTINGS: dict[str, Callable[[FrontReport, FrontRow], Any]] = {
    "exact_front_points": lambda report, _: len(report.landscape.exact),
    "measure": lambda report, _: report.landscape.accuracy_name,
    "schedule": lambda _, row: row.experiment.schedule,
    "budget": lambda _, row: row.experiment.budget,
    "noise": lambda _, row: row.experiment.noise,
    "hyperparameters": lambda _, row: row.experiment.hyperparameters,
    "table_fingerprint": lambda report, _: report.landscape.table.fingerprint,
}


def front_values(reports: Iterable[FrontReport]) -> dict[str, list[Any]]:
    """Return the columns of reports by name, with a value for each experiment and landscape; regrets and shares in percent."""
    rows = [(report, row) for report in reports for row in report.rows]
    columns = _ABOUT | _MEASURES | _SETTINGS
    return {name: [value(report, row) for report, row in rows] for name, value in columns.items()}


def _to_csv(reports: Iterable[FrontReport]) -> str:
    columns = front_values(reports)
    texts = [[f"{value:.4f}" for value in values] if name in _MEASURES else values for name, values in columns.items()]
    return csv_text([list(columns), *zip(*texts, strict=True)])


def _all_tables(write: Callable[[TextTable], str]) -> Callable[[Sequence[Sequence[FrontReport]]], str]:
    return lambda groups: "\n".join(write(table) for reports in groups for table in front_tables(reports))


FRONT_FORMATS: Mapping[str, Callable[[Sequence[Sequence[FrontReport]]], str]] = {
    "markdown": _all_tables(markdown),
    "latex": _all_tables(latex),
    "csv": lambda groups: _to_csv(report for reports in groups for report in reports),
}
"""Writers of reports of fronts, grouped by table, by format."""
