"""Figure of methods over all data sets of a table: interquartile means and performance profiles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from experiments.analysis.aggregate import BEST_SCORE, performance_profile
from experiments.report import Report
from experiments.report.aggregates import Aggregate
from plots.figures.layout import CHARACTER, USUAL, Look, legend_below, new_figure
from plots.panels.profiles import Profile, plot_estimates, plot_profiles
from plots.panels.style import style_of

THRESHOLDS = 200
"""Number of scores at which profiles are computed."""


def profiles_figure(report: Report, methods: Sequence[Aggregate], look: Look = USUAL) -> Figure:
    """Interquartile mean with its interval, and performance profile, of the methods of a report over all its data sets."""
    variants: Counter[str] = Counter()
    styles = []
    for method in sorted(methods, key=lambda method: method.title):
        algorithm = method.rows[0].experiment.algorithm
        styles.append((method, style_of(algorithm, variants[algorithm], look.highlight)))
        variants[algorithm] += 1
    ordered = sorted(styles, key=lambda entry: -entry[0].iqm.value)
    width = 3.6 + CHARACTER * max(len(method.title) for method in methods)
    sets = f"{len(report.datasets)} data sets" if len(report.datasets) > 1 else "one data set"
    size = width, 1.2 + max(2.0, 0.26 * len(methods))
    figure, (left, right) = new_figure(report.table, f"normalised accuracy over {sets}", 2, 2, size, 1.1, look=look)
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
