"""Figures of all searches on one table: over time, when the budget is spent, ranks, and correlations in the table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark_api.tables.table import Table
from benchmark_api.types import FloatArray
from experiments.analysis.statistics import MIN_RUNS, Distribution, Ranking, rank_all, rank_correlations
from experiments.analysis.trajectories import anytime, time_grid
from experiments.report import look_up
from experiments.settings import dataset_title
from plots.figures.groups import Entry, Group, label_of
from plots.figures.layout import CHARACTER, COLUMNS, USUAL, Look, about_curves, explain, legend_below, new_figure
from plots.panels.curves import plot_anytime
from plots.panels.final import plot_final
from plots.panels.heat_maps import plot_correlations
from plots.panels.ranks import plot_ranks
from plots.panels.style import Series

TIMES = 400
"""Points in time at which a curve is computed."""


def anytime_figure(groups: Sequence[Group]) -> Figure:
    """Reported accuracy of the incumbent against simulated time, one panel for each group."""
    figure, panels = new_figure(
        groups[0].report.table, "incumbent over simulated time", len(groups), COLUMNS, (4.2, 3.3), 1.3, look=groups[0].look
    )
    handles: dict[str, Any] = {}
    for axes, group in zip(panels, groups, strict=True):
        anytime_panel(axes, group, groups)
        drawn, labels = axes.get_legend_handles_labels()
        handles |= dict(zip(labels, drawn, strict=True))
    how = about_curves(few=any(entry.row.reached.runs < MIN_RUNS for group in groups for entry in group.black_box))
    legend_below(figure, handles, how)
    return figure


def anytime_panel(axes: Axes, group: Group, groups: Sequence[Group]) -> None:
    """Draw the curves of a group; the labels have the number of runs in all groups of a figure."""
    times = time_grid([entry.experiment for entry in group.black_box], TIMES)
    series = [Series(label_of(entry, groups), entry.style, _curves(group, entry, times)) for entry in group.black_box]
    plot_anytime(axes, times, series, group.report.optimum[1])
    axes.set_ylabel(f"{group.report.measure.accuracy} of the incumbent [%]")
    axes.set_title(group.title)


def _curves(group: Group, entry: Entry, times: FloatArray) -> Distribution:
    """Reported accuracy of the incumbents of an entry's runs at some times."""
    return Distribution.of(anytime(entry.experiment, times, group.report.accuracies.reported_of(entry.experiment)))


def final_figure(groups: Sequence[Group]) -> Figure:
    """Distribution over runs of the reported accuracy when the budget is spent, one panel for each group."""
    same_rows = len({tuple(entry.name for entry in group.entries) for group in groups}) == 1
    labels = [[label_of(entry, groups if same_rows else [group]) for entry in group.entries] for group in groups]
    labels_width = CHARACTER * max(len(label) for of_group in labels for label in of_group)
    width = 3.2 + labels_width / (min(COLUMNS, len(groups)) if same_rows else 1)
    height = 1.0 + 0.36 * max(len(group.entries) for group in groups)
    title = "accuracy when the budget is spent"
    shown = [experiment for group in groups for experiment in group.experiments]
    figure, panels = new_figure(
        groups[0].report.table, title, len(groups), COLUMNS, (width, height), 0.7, shown=shown, look=groups[0].look
    )
    below = 0
    for number, (axes, group) in enumerate(zip(panels, groups, strict=True)):
        below += final_panel(axes, group, labels[number])
        axes.tick_params(labelleft=not (same_rows and number % COLUMNS))
    how = "points: runs; bars: quartiles with the median; diamonds: mean with its 95 % bootstrap interval"
    if below:
        how += "; below: runs that end left of the axis"
    if any(group.one_shot for group in groups):
        how += "; one-shot searches: after their last epoch, whatever that cost"
    explain(figure, how)
    return figure


def final_panel(axes: Axes, group: Group, labels: Sequence[str]) -> int:
    """Draw the final accuracies of the entries of a group, under their labels; return the number of runs below the axis."""
    series = [
        Series(label, entry.style, Distribution.of(entry.row.finals)) for label, entry in zip(labels, group.entries, strict=True)
    ]
    below = plot_final(axes, series, group.report.optimum[1], group.report.average[1])
    axes.set_xlabel(f"final {group.report.measure.accuracy} [%]")
    axes.set_title(group.title, pad=16)
    return below


def rankable(group: Group) -> bool:
    """Whether a group has at least two black-box searches with enough runs to be ranked."""
    return sum(entry.row.reached.runs >= MIN_RUNS for entry in group.black_box) >= 2


def ranks_figure(groups: Sequence[Group]) -> Figure:
    """Critical-difference diagram of the black-box searches, one panel for each group; all must be `rankable`."""
    rankings = [ranking_of(group) for group in groups]
    height = 1.1 + 0.3 * max((len(ranking.labels) + 1) // 2 + len(ranking.alike()) / 2 for ranking in rankings)
    title = "average rank when the budget is spent, 1 is best"
    figure, panels = new_figure(groups[0].report.table, title, len(rankings), 2, (6.4, height), 0.9, look=groups[0].look)
    for axes, group, ranking in zip(panels, groups, rankings, strict=True):
        ranks_panel(axes, group, ranking)
    how = "a bar joins searches that do not differ significantly (Nemenyi's test, 5 %); a block is one run of each, n blocks"
    explain(figure, how)
    return figure


def ranking_of(group: Group) -> Ranking:
    """Rank the black-box searches of a group that have enough runs; it must be `rankable`."""
    return rank_all([(entry.name, entry.row.finals) for entry in group.black_box if entry.row.reached.runs >= MIN_RUNS])


def ranks_panel(axes: Axes, group: Group, ranking: Ranking) -> None:
    """Draw the average ranks of the searches of a group."""
    plot_ranks(axes, ranking, {entry.name: entry.style for entry in group.black_box})
    p = "" if math.isnan(ranking.p) else f", Friedman's test p {'< 0.001' if ranking.p < 0.001 else f'= {ranking.p:.3f}'}"
    axes.set_title(group.title + p, loc="left")


def correlation_figure(table: Table, look: Look = USUAL) -> Figure:
    """Rank correlations between the accuracies of all datasets and schedules: validation, and the test set where there is one."""
    measurements = {}
    for dataset in table.datasets:
        title = dataset_title(dataset)
        key = table.search_key(dataset)
        for schedule in table.schedules(key):
            if "x-valid" in table.splits(key, schedule):
                measurements[f"{title}, {schedule} ep., valid"] = table.mean_accuracy(key, schedule, "x-valid")
        if table.has_test(dataset):
            measurements[f"{title}, {table.report_schedule} ep., test"] = look_up(table, dataset).reported
    side = 1.9 + 0.5 * len(measurements)
    title = f"rank correlation, {len(table):,} architectures\nSpearman's ρ below the diagonal, Kendall's τ above"
    figure, (axes,) = new_figure(table, title, 1, 1, (side, side), 0.1, look=look)
    plot_correlations(axes, rank_correlations(np.array(list(measurements.values()))), list(measurements))
    return figure
