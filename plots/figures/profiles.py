"""Figure of methods over all data sets of a table: interquartile means and performance profiles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from experiments.analysis.aggregate import BEST_SCORE, performance_profile
from experiments.report import Report
from experiments.report.aggregates import Aggregate
from plots.figures.groups import Group
from plots.figures.layout import CHARACTER, legend_below, new_figure
from plots.panels.profiles import Profile, plot_estimates, plot_profiles

THRESHOLDS = 200
"""Number of scores at which profiles are computed."""


def profiles_figure(report: Report, groups: Sequence[Group], methods: Sequence[Aggregate]) -> Figure:
    """Interquartile mean with its interval, and performance profile, of methods over all data sets of a report."""
    styles = {entry.row: entry.style for group in groups for entry in group.entries}
    ordered = [(method, styles[method.rows[0]]) for method in methods]
    width = 3.6 + CHARACTER * max(len(method.title) for method in methods)
    sets = f"{len(report.datasets)} data sets" if len(report.datasets) > 1 else "one data set"
    size = width, 1.2 + max(2.0, 0.26 * len(methods))
    figure, (left, right) = new_figure(report.table, f"normalised accuracy over {sets}", 2, 2, size, 1.1, look=groups[0].look)
    plot_estimates(left, [(method.title, style, method.iqm) for method, style in ordered])
    left.set_xlabel("interquartile mean")
    low = min(np.quantile(method.scores, 0.05) for method, _ in ordered)
    thresholds = np.linspace(low, max(BEST_SCORE, *(method.scores.max() for method, _ in ordered)), THRESHOLDS)
    plot_profiles(
        right,
        thresholds,
        [Profile(method.title, style, *performance_profile(method.scores, thresholds)) for method, style in ordered],
    )
    right.set_xlabel("normalised accuracy")
    right.set_ylabel("share of runs above")
    handles, labels = right.get_legend_handles_labels()
    how = "0: mean of the space, 100: its best architecture; bars and bands: 95 % stratified bootstrap intervals"
    legend_below(figure, dict(zip(labels, handles, strict=True)), how)
    return figure
