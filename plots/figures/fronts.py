"""Figures of found fronts: hypervolume against simulated time, and attainment surfaces with the exact front."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.analysis.fronts import attainment_surfaces
from experiments.analysis.statistics import MIN_RUNS, Distribution
from experiments.analysis.trajectories import time_grid
from experiments.report import FrontReport, FrontRow
from experiments.report.names import full_title
from experiments.settings import dataset_title
from plots.figures.black_box import TIMES
from plots.figures.layout import COLUMNS, USUAL, Look, about_curves, legend_below, new_figure
from plots.panels.curves import plot_anytime
from plots.panels.scatter import SPACE_COLOR, plot_attainment, plot_space
from plots.panels.style import REFERENCE_COLOR, AlgorithmStyle, Series, style_of

COSTS = 400
"""Values of the cost at which an attainment surface is computed."""

BANDS = 6
"""Most searches whose attainment surfaces have bands: more would hide each other."""

SHARES = (0.75, 0.5, 0.25)
"""Shares of the runs whose surfaces are the lower end of the band, the line, and the upper end."""


def hypervolume_figure(reports: Sequence[FrontReport], look: Look = USUAL) -> Figure:
    """Hypervolume of the found fronts, relative to the exact front, against simulated time; a panel for each report."""
    table = reports[0].landscape.table
    figure, panels = new_figure(table, "hypervolume of the found fronts", len(reports), COLUMNS, (4.2, 3.3), 1.3, look=look)
    handles: dict[str, Any] = {}
    for axes, report in zip(panels, reports, strict=True):
        hypervolume_panel(axes, report, look)
        drawn, labels = axes.get_legend_handles_labels()
        handles |= dict(zip(labels, drawn, strict=True))
    legend_below(figure, handles, about_curves(few=any(row.reached.runs < MIN_RUNS for report in reports for row in report.rows)))
    return figure


def hypervolume_panel(axes: Axes, report: FrontReport, look: Look = USUAL) -> None:
    """Draw the hypervolume of the fronts of a report over time."""
    times = time_grid([row.experiment for row in report.rows], TIMES)
    styles = _styles(report, look)
    series = [Series(_label(report, row), styles[row.label], Distribution.of(100.0 - row.regrets(times))) for row in report.rows]
    plot_anytime(axes, times, series, 100.0)
    axes.set_ylabel("hypervolume [% of the exact front's]")
    axes.set_title(_title(report))


def attainment_figure(reports: Sequence[FrontReport], look: Look = USUAL) -> Figure:
    """What shares of the runs attained at most at a cost, over the space and the exact front; reports of one metric only."""
    table = reports[0].landscape.table
    figure, panels = new_figure(
        table, "attainment surfaces of the found fronts", len(reports), COLUMNS, (4.2, 3.3), 1.3, look=look
    )
    handles: dict[str, Line2D] = {}
    for axes, report in zip(panels, reports, strict=True):
        handles |= attainment_panel(axes, report, look)
    bands = "; bands: by one quarter to three quarters of them" if any(len(report.rows) <= BANDS for report in reports) else ""
    legend_below(figure, handles, f"lines: attained by half of the runs{bands}")
    return figure


def attainment_panel(axes: Axes, report: FrontReport, look: Look = USUAL) -> dict[str, Line2D]:
    """Draw the attainment surfaces of a report of one metric over the space and the exact front; return the legend by names."""
    landscape, styles = report.landscape, _styles(report, look)
    handles = {
        f"the {len(landscape.table):,} architectures": Line2D([], [], linestyle="", marker=".", color=SPACE_COLOR),
        "exact front": Line2D([], [], linewidth=0.9, color=REFERENCE_COLOR),
    }
    plot_space(axes, landscape.costs, landscape.accuracy, landscape.exact[::-1], log=True)
    for row in report.rows:
        style = styles[row.label]
        _plot_surface(axes, report, row, style)
        handles[_label(report, row)] = Line2D([], [], color=style.color, linestyle=style.linestyle)
    axes.set_xlabel(_cost_label(report))
    axes.set_ylabel(f"{landscape.accuracy_name} [%]")
    axes.set_title(_title(report))
    return handles


def _plot_surface(axes: Axes, report: FrontReport, row: FrontRow, style: AlgorithmStyle) -> None:
    landscape = report.landscape
    fronts = [(landscape.costs[front], landscape.accuracy[front]) for front in row.fronts]
    costs = np.unique(np.concatenate([cost for cost, _ in fronts]))
    if len(costs) > COSTS:
        costs = costs[np.linspace(0, len(costs) - 1, COSTS).astype(int)]
    surfaces, band = attainment_surfaces(fronts, costs, SHARES), len(report.rows) <= BANDS
    plot_attainment(axes, costs, surfaces, style.color, style.linestyle, band)


def _label(report: FrontReport, row: FrontRow) -> str:
    title = full_title(row.experiment, report.landscape.table, ("objectives", *same_in_all(report)))
    return f"{title}, n = {row.reached.runs}"


def same_in_all(report: FrontReport) -> list[str]:
    """Settings that all experiments of a report share: labels leave them out."""
    rows = [row.experiment for row in report.rows]
    return [name for name in ("budget", "schedule", "noise") if len({getattr(row, name) for row in rows}) == 1]


def _cost_label(report: FrontReport) -> str:
    landscape = report.landscape
    (name,) = landscape.objectives
    metric = landscape.metrics[name]
    sign = "−" if metric.direction == "maximize" else ""
    return f"{sign}{name} [{metric.unit}]" if metric.unit else f"{sign}{name}"


def _title(report: FrontReport) -> str:
    return ", ".join((dataset_title(report.landscape.dataset), *report.landscape.objectives))


def _styles(report: FrontReport, look: Look) -> dict[str, AlgorithmStyle]:
    """Styles by label: variants of one search differ."""
    variants: Counter[str] = Counter()
    styles = {}
    for row in report.rows:
        algorithm = row.experiment.algorithm
        styles[row.label] = style_of(algorithm, variants[algorithm], look.highlight)
        variants[algorithm] += 1
    return styles
