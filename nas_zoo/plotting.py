"""Panels of results, each on matplotlib axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from plots.figures.black_box import anytime_panel, final_panel, rankable, ranking_of, ranks_panel
from plots.figures.costs import costs_panel
from plots.figures.groups import Group, groups_of, label_of

if TYPE_CHECKING:
    from nas_zoo.results import Results


class Plots:
    """Panels of results. Each method draws on axes, or on new ones, and returns them.

    Where results are of several datasets, schedules or budgets, `dataset` names the group by its title or its dataset.
    """

    def __init__(self, results: Results) -> None:
        self._results = results

    def anytime(self, ax: Axes | None = None, dataset: str | None = None) -> Axes:
        """Draw the mean accuracy of the incumbents over simulated time, with its 95 % bootstrap interval."""
        group, ax = self._group(dataset), _axes(ax)
        if not group.black_box:
            raise ValueError(f"no black-box search on {group.title}: one-shot searches spend no simulated time")
        anytime_panel(ax, group, [group])
        ax.legend()
        return ax

    def final(self, ax: Axes | None = None, dataset: str | None = None) -> Axes:
        """Draw the final accuracy of each run, with quartiles, means and their 95 % bootstrap intervals."""
        group, ax = self._group(dataset), _axes(ax)
        final_panel(ax, group, [label_of(entry, [group]) for entry in group.entries])
        return ax

    def ranks(self, ax: Axes | None = None, dataset: str | None = None) -> Axes:
        """Draw average ranks; bars join black-box searches that do not differ significantly.

        Raises:
            ValueError: fewer than two black-box searches have five runs.
        """
        group, ax = self._group(dataset), _axes(ax)
        if not rankable(group):
            raise ValueError(f"{group.title} has fewer than two black-box searches with five runs: there is nothing to rank")
        ranks_panel(ax, group, ranking_of(group))
        return ax

    def costs(self, metric: str = "flops", ax: Axes | None = None, dataset: str | None = None) -> Axes:
        """Draw accuracy against a metric: the space, its Pareto front, and what each search chose.

        Raises:
            ValueError: the table has no such metric.
        """
        group, ax = self._group(dataset), _axes(ax)
        if metric not in group.report.metrics:
            raise ValueError(f"unknown metric {metric!r}; the table has {', '.join(group.report.metrics) or 'none'}")
        costs_panel(ax, group, metric)
        ax.set_ylabel(f"{group.report.measure.accuracy} [%]")
        ax.set_title(group.title)
        return ax

    def _group(self, dataset: str | None) -> Group:
        """Return the group that is asked for, or the only one.

        Raises:
            ValueError: there is no such group, or there are several.
        """
        groups = [group for report in self._results.reports for group in groups_of(report)]
        found = [group for group in groups if dataset in (None, group.title, group.report.dataset)]
        if len(found) != 1:
            asked = "there is no" if not found else "there are several:"
            titles = ", ".join(group.title for group in (found or groups)) or "no results"
            raise ValueError(f"{asked} group of results for dataset={dataset!r}; expected one of {titles}")
        return found[0]


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    _, made = plt.subplots(layout="constrained")
    return made
