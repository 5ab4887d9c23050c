"""Names of experiments in figures, in tables for a paper and on the page."""

from __future__ import annotations

from collections.abc import Collection

from benchmark_api.tables.table import Table
from experiments.report.numbers import Report
from experiments.store import AnyCondition


def search_title(condition: AnyCondition) -> str:
    """Return the title of a condition's search, e.g. "BOHB"; its name where the search is not known here."""
    search = condition.search_class()
    return search.title if search else condition.algorithm


def settings_of(condition: AnyCondition, table: Table | None, without: Collection[str] = ()) -> str:
    """Return the settings of a condition that are not the defaults as text, e.g. "population size 20"; empty for none.

    Args:
        condition: the condition.
        table: as for `AnyCondition.deviations`.
        without: names of settings to leave out.
    """
    different = condition.deviations(table).items()
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in different if name not in without)


def full_title(condition: AnyCondition, table: Table | None, without: Collection[str] = ()) -> str:
    """Return the title of a condition's search and, after a comma, its `settings_of`."""
    return ", ".join(filter(None, (search_title(condition), settings_of(condition, table, without))))


def same_for_all(report: Report) -> list[str]:
    """Return the settings that all black-box rows of each data set share: the caption has them, and no row."""
    hidden = []
    for name in ("budget", "schedule", "noise"):
        values = [{getattr(row.experiment, name) for row in of.rows if row.experiment.kind.simulated} for of in report.datasets]
        if all(len(of_set) <= 1 for of_set in values):
            hidden.append(name)
    return hidden
