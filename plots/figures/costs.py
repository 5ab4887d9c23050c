"""Figures of accuracy against cost: one metric with a panel for each search, and all metrics with a panel for each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmark_api.tables.fronts import pareto_front
from benchmark_api.tables.metrics import BUILT_IN
from benchmark_api.types import FloatArray, IntArray
from experiments.report import DatasetReport
from plots.figures.groups import Group, label_of
from plots.figures.layout import COLUMNS, legend_below, new_figure, panel_title
from plots.panels.scatter import SPACE_COLOR, count_below, plot_chosen, plot_space, plot_typical, show_typical
from plots.panels.style import MUTED_COLOR, REFERENCE_COLOR

NAMES = {"flops": "multiply-accumulates", "params": "parameters"}
"""Names on axes of metrics in millions."""

SAME = 0.999
"""Correlation of two metrics above which figures of both would be the same."""


def cost_figure(group: Group, metric: str) -> Figure:
    """Accuracy against one metric over the whole space, one panel for each search of a group."""
    report = group.report
    costs, label = _axis(group, metric)
    title = f"chosen architectures, {group.title}"
    figure, panels = new_figure(
        report.table, title, len(group.entries), 4, (2.5, 2.3), 1.1, share=True, shown=group.experiments, look=group.look
    )
    front, most = _front(group, metric), _most(group)
    for axes, entry in zip(panels, group.entries, strict=True):
        plot_space(axes, costs, report.accuracies.reported, front)
        plot_chosen(axes, costs, entry.row.chosen, entry.row.finals, entry.style, most)
        count_below(axes, entry.row.finals)
        axes.set_title(panel_title(label_of(entry, [group]), 2.2))
        if axes.xaxis.get_major_ticks(1)[0].label1.get_visible():
            axes.set_xlabel(label)
        if axes.yaxis.get_tick_params()["labelleft"]:
            axes.set_ylabel(f"{report.measure.accuracy} [%]")
    handles = _space_handles(group) | {"chosen (larger: by more runs)": _marker("o", MUTED_COLOR)}
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=len(handles))
    return figure


def fronts_figure(group: Group) -> Figure:
    """Accuracy against every metric of the table, with what the runs of each search chose; one panel for each metric."""
    report = group.report
    title = f"accuracy against cost, {group.title}"
    figure, panels = new_figure(
        report.table, title, len(report.metrics), COLUMNS, (3.3, 2.9), 1.4, shown=group.experiments, look=group.look
    )
    below: list[str] = []
    for number, (axes, metric) in enumerate(zip(panels, report.metrics, strict=True)):
        below = costs_panel(axes, group, metric)
        if number % COLUMNS == 0:
            axes.set_ylabel(f"{report.measure.accuracy} [%]")
    handles = _space_handles(group) | {
        label_of(entry, [group]): _marker(entry.style.marker, entry.style.color) for entry in group.entries
    }
    how = "markers: medians of the architectures chosen, lines between their quartiles"
    legend_below(figure, handles, f"{how}; below the axis: {'; '.join(below)}" if below else how)
    return figure


def costs_panel(axes: Axes, group: Group, metric: str) -> list[str]:
    """Draw the space against a metric, and what the runs of each search of a group chose.

    Returns:
        Names of the searches that are below the axis, with their medians.
    """
    costs, label = _axis(group, metric)
    plot_space(axes, costs, group.report.accuracies.reported, _front(group, metric), log=True)
    for entry in group.entries:
        plot_typical(axes, costs[entry.row.chosen], entry.row.finals, entry.style)
    low = show_typical(axes, [entry.row.finals for entry in group.entries])
    axes.set_xlabel(label)
    return [f"{entry.name}: {median:.2f}" for entry in group.entries if (median := float(np.median(entry.row.finals))) < low]


def _most(group: Group) -> int:
    """Largest number of runs of one search that chose the same architecture."""
    return max(int(np.bincount(entry.row.chosen).max()) for entry in group.entries)


def distinct_metrics(report: DatasetReport, names: Sequence[str]) -> list[str]:
    """Return the metrics of a dataset among some names, without those whose figure would be that of an earlier one: the
    correlation over the space exceeds `SAME`."""
    distinct: list[str] = []
    for name in names:
        if name in report.metrics:
            costs = [report.costs(other) for other in (name, *distinct)]
            known = ~np.isnan(costs).any(axis=0)
            if all(abs(np.corrcoef(costs[0][known], other[known])[0, 1]) <= SAME for other in costs[1:]):
                distinct.append(name)
    return distinct


def _space_handles(group: Group) -> dict[str, Line2D]:
    """Legend of what `plot_space` draws."""
    return {
        f"the {len(group.report.table):,} architectures{group.report.measure.of_space}": _marker(".", SPACE_COLOR),
        "Pareto front": Line2D([], [], linewidth=0.9, color=REFERENCE_COLOR),
    }


def _marker(marker: str, color: str) -> Line2D:
    return Line2D([], [], linestyle="", marker=marker, color=color)


def _axis(group: Group, name: str) -> tuple[FloatArray, str]:
    """Values [architecture] of a metric, and its name with the unit."""
    metric, costs = group.report.metrics[name], group.report.costs(name)
    if name not in NAMES or metric.unit != BUILT_IN[name]:
        better = ", more is better" if metric.direction == "maximize" else ""
        return costs, f"{name} [{metric.unit}]{better}" if metric.unit else f"{name}{better}"
    return (1e3 * costs, f"{NAMES[name]} [10³]") if np.nanmax(costs) < 0.1 else (costs, f"{NAMES[name]} [10⁶]")


def _front(group: Group, name: str) -> IntArray:
    """Indices of the Pareto front of accuracy against a metric, the best value of the metric first."""
    costs = group.report.costs(name)
    return pareto_front(-costs if group.report.metrics[name].direction == "maximize" else costs, group.report.accuracies.reported)
