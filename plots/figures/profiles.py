"""Figure of methods over all data sets of a table: interquartile means and performance profiles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.analysis.aggregate import BEST_SCORE, performance_profile
from experiments.report import Report, Row
from experiments.report.aggregates import Aggregate
from plots.figures.groups import Group
from plots.figures.layout import CHARACTER, legend_below, new_figure
from plots.panels.profiles import Profile, lower_end, plot_estimates, plot_profiles
from plots.panels.style import AlgorithmStyle

THRESHOLDS = 200
"""Number of scores at which profiles are computed."""


def profiles_figure(report: Report, groups: Sequence[Group], methods: Sequence[Aggregate]) -> Figure:
    """Interquartile mean with its interval, and performance profile, of methods over all data sets of a report."""
    width = 3.6 + CHARACTER * max(len(method.title) for method in methods)
    sets = f"{len(report.datasets)} data sets" if len(report.datasets) > 1 else "one data set"
    size = width, 1.2 + max(2.0, 0.26 * len(methods))
    figure, (left, right) = new_figure(report.table, f"normalised accuracy over {sets}", 2, 2, size, 1.1, look=groups[0].look)
    estimates_panel(left, groups, methods)
    profiles_panel(right, groups, methods)
    handles, labels = right.get_legend_handles_labels()
    how = "0: mean of the space, 100: its best architecture; bars and bands: 95 % stratified bootstrap intervals"
    legend_below(figure, dict(zip(labels, handles, strict=True)), how)
    return figure


def estimates_panel(axes: Axes, groups: Sequence[Group], methods: Sequence[Aggregate]) -> None:
    """Draw the interquartile means of methods, which have their styles from some groups."""
    styles = _styles(groups)
    plot_estimates(axes, [(method.title, styles[method.rows[0]], method.iqm) for method in methods])
    axes.set_xlabel("interquartile mean")


def profiles_panel(axes: Axes, groups: Sequence[Group], methods: Sequence[Aggregate]) -> None:
    """Draw the performance profiles of methods, which have their styles from some groups."""
    styles = _styles(groups)
    estimates = [(one.title, styles[one.rows[0]], one.iqm) for one in methods]
    reached = min(float(np.quantile(method.scores, 0.05)) for method in methods)
    low = min(max(reached, 2 * lower_end(estimates) - BEST_SCORE), BEST_SCORE - 1)  # runs differ more than their means do
    thresholds = np.linspace(low, max(BEST_SCORE, *(method.scores.max() for method in methods)), THRESHOLDS)
    profiles = [Profile(one.title, styles[one.rows[0]], *performance_profile(one.scores, thresholds)) for one in methods]
    plot_profiles(axes, thresholds, profiles)
    axes.set_xlabel("normalised accuracy")
    axes.set_ylabel("share of runs above")


def _styles(groups: Sequence[Group]) -> dict[Row, AlgorithmStyle]:
    return {entry.row: entry.style for group in groups for entry in group.entries}
