"""Panels of results, each on matplotlib axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from experiments.analysis.statistics import MIN_RUNS
from experiments.report import FrontReport, Report, aggregates
from experiments.report.aggregates import Aggregate
from experiments.settings import dataset_title
from plots.figures.black_box import anytime_panel, final_panel, rankable, ranking_of, ranks_panel
from plots.figures.costs import costs_panel
from plots.figures.fronts import attainment_panel, hypervolume_panel
from plots.figures.groups import Entry, Group, groups_of, label_of
from plots.figures.one_shot import epochs_panel, has_weights, operations_panel, references_of, weights_panel
from plots.figures.profiles import estimates_panel, profiles_panel

if TYPE_CHECKING:
    from nas_zoo.results import Results


Found = TypeVar("Found")


class Plots:
    """Panels of results, those of the figures of `nas-zoo plots`. Each method draws on axes, or on new ones, and returns them.

    Where results are of several datasets, schedules or budgets, `dataset` names the group by its title or its dataset; where
    they are of several tables, `table` names one by its title or the name of its file.
    """

    def __init__(self, results: Results) -> None:
        self._results = results

    # -- on one dataset ----------------------------------------------------------------------------------------------------------

    def anytime(self, ax: Axes | None = None, dataset: str | None = None) -> Axes:
        """Draw the mean accuracy of the incumbents over simulated time, with its 95 % bootstrap interval."""
        group = self._group(dataset)
        if not group.black_box:
            raise ValueError(f"no black-box search on {group.title}: one-shot searches spend no simulated time")
        ax = _axes(ax)
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
        group = self._group(dataset)
        if not rankable(group):
            raise ValueError(f"{group.title} has fewer than two black-box searches with five runs: there is nothing to rank")
        ax = _axes(ax)
        ranks_panel(ax, group, ranking_of(group))
        return ax

    def costs(self, metric: str = "flops", ax: Axes | None = None, dataset: str | None = None) -> Axes:
        """Draw accuracy against a metric: the space, its Pareto front, and medians and quartiles of what each search chose.

        Raises:
            ValueError: the table has no such metric.
        """
        group = self._group(dataset)
        if metric not in group.report.metrics:
            raise ValueError(f"unknown metric {metric!r}; the table has {', '.join(group.report.metrics) or 'none'}")
        ax = _axes(ax)
        costs_panel(ax, group, metric)
        ax.set_ylabel(f"{group.report.measure.accuracy} [%]")
        ax.set_title(group.title)
        ax.legend(handles=[_point(entry, group) for entry in group.entries])
        return ax

    # -- on all datasets of a table ----------------------------------------------------------------------------------------------

    def iqm(self, ax: Axes | None = None, table: str | None = None) -> Axes:
        """Draw the interquartile mean of normalised accuracy over all datasets of each search, with its 95 % interval.

        0 is the mean of the space, 100 its best architecture; intervals are by the stratified bootstrap.

        Raises:
            ValueError: no search has five runs on every dataset of the table.
        """
        report, methods = self._aggregates(table)
        ax = _axes(ax)
        estimates_panel(ax, groups_of(report), methods)
        return ax

    def profile(self, ax: Axes | None = None, table: str | None = None) -> Axes:
        """Draw the performance profile of each search: the share of runs above each normalised accuracy, with its 95 % interval.

        Raises:
            ValueError: as for `iqm`.
        """
        report, methods = self._aggregates(table)
        ax = _axes(ax)
        profiles_panel(ax, groups_of(report), methods)
        ax.legend()
        return ax

    # -- searches with several objectives ----------------------------------------------------------------------------------------

    def hypervolume(self, *objectives: str, ax: Axes | None = None, dataset: str | None = None) -> Axes:
        """Draw the hypervolume of the fronts found over simulated time, percent of the exact front's.

        Args:
            *objectives: metrics besides accuracy; by default those of the searches with several objectives.
            ax: the axes.
            dataset: the dataset, where results are of several.

        Raises:
            ValueError: no search has found a front of these objectives, or several have different ones.
        """
        report = self._fronts(objectives, dataset)
        ax = _axes(ax)
        hypervolume_panel(ax, report)
        ax.legend()
        return ax

    def attainment(self, *objectives: str, ax: Axes | None = None, dataset: str | None = None) -> Axes:
        """Draw what a quarter, a half and three quarters of the runs attained at most at a cost, and the exact front.

        Args:
            *objectives: the one metric besides accuracy; by default that of the searches with several objectives.
            ax: the axes.
            dataset: the dataset, where results are of several.

        Raises:
            ValueError: as for `hypervolume`, or there are two metrics or more.
        """
        _check_one_metric(objectives)  # before hypervolumes of several, which need a package
        report = self._fronts(objectives, dataset)
        _check_one_metric(report.landscape.objectives)
        ax = _axes(ax)
        handles = attainment_panel(ax, report)
        ax.legend(list(handles.values()), list(handles))
        return ax

    # -- one-shot searches -------------------------------------------------------------------------------------------------------

    def epochs(self, search: str | None = None, ax: Axes | None = None, dataset: str | None = None) -> Axes:
        """Draw the accuracy, after full training, of the architecture that a one-shot search derived after each epoch.

        `search` is its name or title, where results are of several one-shot searches.
        """
        group, entry = self._one_shot(search, dataset)
        ax = _axes(ax)
        references = references_of(group)
        epochs_panel(ax, group, entry, references)
        lines = [Line2D([], [], linewidth=0.9, color=one.color, linestyle=one.linestyle) for one in references]
        ax.legend(lines, [f"{one.name} {one.accuracy:.2f}" for one in references])
        _name(ax, group, entry, "epoch", f"{group.report.measure.accuracy} [%]")
        return ax

    def operations(self, search: str | None = None, ax: Axes | None = None, dataset: str | None = None) -> Axes:
        """Draw the operations of the cell that a one-shot search derived after each epoch; `search` is as for `epochs`.

        Raises:
            ValueError: the architectures of the space are no cells of operations.
        """
        group, entry = self._one_shot(search, dataset)
        if not group.report.table.space.operation_colors:
            raise ValueError(f"the {group.report.table.space.name} space has no operations to count")
        ax = _axes(ax)
        operations_panel(ax, group, entry)
        ax.legend()
        _name(ax, group, entry, "epoch", "edges, mean over runs")
        return ax

    def weights(self, search: str | None = None, ax: Axes | None = None, dataset: str | None = None) -> Axes:
        """Draw the architecture weights of a one-shot search after its last epoch, mean over runs; `search` is as for `epochs`.

        Raises:
            ValueError: the search has no architecture weights.
        """
        group, entry = self._one_shot(search, dataset)
        if not has_weights(entry):
            raise ValueError(f"{entry.name} has no architecture weights")
        ax = _axes(ax)
        image = weights_panel(ax, group, entry)
        ax.figure.colorbar(image, ax=ax, label="mean weight")
        _name(ax, group, entry, "choice", "decision")
        return ax

    # -- what is asked for -------------------------------------------------------------------------------------------------------

    def _group(self, dataset: str | None) -> Group:
        """Return the group that is asked for, or the only one.

        Raises:
            ValueError: there is no such group, or there are several.
        """
        groups = [group for report in self._results.reports for group in groups_of(report)]
        found = [group for group in groups if dataset in (None, group.title, group.report.dataset)]
        return _only(found, groups, f"results for dataset={dataset!r}", lambda group: group.title)

    def _aggregates(self, table: str | None) -> tuple[Report, Sequence[Aggregate]]:
        """Return the report of a table, or the only one, and its searches over all datasets."""
        reports = self._results.reports
        found = [report for report in reports if table in (None, report.table.title, report.table.path.stem)]
        report = _only(found, reports, f"results for table={table!r}", lambda report: report.table.path.stem)
        if not (methods := aggregates(report)):
            raise ValueError(f"no search has {MIN_RUNS} runs on every dataset of {report.table.title}; expected at least one")
        return report, methods

    def _fronts(self, objectives: tuple[str, ...], dataset: str | None) -> FrontReport:
        """Return the report of fronts that is asked for, or the only one."""
        reports = [report for of_table in self._results.front_reports(*objectives) for report in of_table]
        names = {id(report): f"{report.landscape.dataset}: {', '.join(report.landscape.objectives)}" for report in reports}
        found = [
            report for report in reports if dataset in (None, report.landscape.dataset, dataset_title(report.landscape.dataset))
        ]
        return _only(found, reports, f"fronts for dataset={dataset!r}", lambda report: names[id(report)])

    def _one_shot(self, search: str | None, dataset: str | None) -> tuple[Group, Entry]:
        """Return a one-shot search, or the only one, and its group."""
        group = self._group(dataset)
        found = [entry for entry in group.one_shot if search in (None, entry.experiment.algorithm, entry.row.label, entry.name)]
        return group, _only(
            found, group.one_shot, f"one-shot results for search={search!r} on {group.title}", lambda entry: entry.row.label
        )


def _only(found: Sequence[Found], every: Sequence[Found], what: str, name: Callable[[Found], str]) -> Found:
    """Return the only one found.

    Raises:
        ValueError: there is none, or there are several; the message names what there is.
    """
    if len(found) != 1:
        asked = "there are several" if found else "there are no"
        raise ValueError(f"{asked} {what}; expected one of {', '.join(map(name, found or every)) or 'no results'}")
    return found[0]


def _name(axes: Axes, group: Group, entry: Entry, across: str, up: str) -> None:
    """Write the title of a one-shot search's panel, and what its axes are."""
    axes.set_title(f"{group.title}: {entry.name}, n = {entry.row.reached.runs}")
    axes.set_xlabel(across)
    axes.set_ylabel(up)


def _point(entry: Entry, group: Group) -> Line2D:
    """Entry of a legend for what a search chose."""
    style = entry.style
    return Line2D([], [], linestyle="", marker=style.marker, color=style.color, label=label_of(entry, [group]))


def _check_one_metric(objectives: Sequence[str]) -> None:
    if len(objectives) > 1:
        raise ValueError(f"attainment surfaces are of accuracy and one metric, got {', '.join(objectives)}; name one of them")


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    _, made = plt.subplots(layout="constrained")
    return made
