"""Baselines: the row of a report that all others are compared with."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.analysis.statistics import Comparison, compare_against
from experiments.report.numbers import DatasetReport, Report, Row


def check_baseline(reports: Sequence[Report], name: str) -> None:
    """Check that a baseline has a row on some data set of some reports; tables have no tests on the others.

    Raises:
        ValueError: it has none, or several on one data set.
    """
    datasets = [dataset for report in reports for dataset in report.datasets]
    rows = [baseline_of(dataset, name) for dataset in datasets]  # of all: one may have several
    if not any(rows):
        labels = dict.fromkeys(row.label for dataset in datasets for row in dataset.rows)
        raise ValueError(f"no row is named {name!r}; expected one of {', '.join(map(repr, labels))}")


def baseline_of(dataset: DatasetReport, name: str) -> Row | None:
    """Return the row of a baseline on a data set, given the name of its search or the label of its configuration; None without.

    Raises:
        ValueError: several rows have the name.
    """
    found = [row for row in dataset.rows if row.label == name] or [row for row in dataset.rows if name in row.experiment.names]
    if len(found) > 1:
        rows = ", ".join(repr(row.label) for row in found)
        raise ValueError(f"several rows of {dataset.dataset} are named {name!r}; expected one of {rows}")
    return found[0] if found else None


def compared_with(dataset: DatasetReport, baseline: Row) -> dict[str, Comparison]:
    """Compare a baseline, the first of each comparison, with every other row of a data set, by the other rows' labels."""
    others = [(row.label, row.finals) for row in dataset.rows if row is not baseline]
    return {found.second: found for found in compare_against((baseline.label, baseline.finals), others)}
