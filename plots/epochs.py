"""One-shot search: test accuracy of the derived architecture against the epoch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from experiments.analysis import MIN_RUNS, bootstrap_mean_interval
from plots.style import MUTED_COLOR, Series, note


def plot_epochs(axes: Axes, series: Series, references: Mapping[str, float]) -> Axes:
    """Draw the mean over runs with its 95 % bootstrap interval; with fewer than `MIN_RUNS` runs every run by itself.

    Args:
        axes: where to draw.
        series: values [run, epoch], percent; the first epoch is 1.
        references: accuracies to compare with, percent, by what they are of.
    """
    epochs = np.arange(1, series.values.shape[1] + 1)
    color = series.style.color
    if len(series.values) < MIN_RUNS:
        for values in series.values:
            axes.plot(epochs, values, color=color, linewidth=1.0, drawstyle="steps-post")
            axes.plot(epochs[-1], values[-1], series.style.marker, color=color, markersize=4.5, clip_on=False)
    else:
        low, high = bootstrap_mean_interval(series.values)
        axes.fill_between(epochs, low, high, step="post", color=color, alpha=0.22, linewidth=0)
        axes.plot(epochs, series.values.mean(axis=0), color=color, drawstyle="steps-post")
    for name, accuracy in references.items():
        axes.axhline(accuracy, color=MUTED_COLOR, linewidth=0.8, linestyle=(0, (1, 2)), zorder=1)
        note(axes, f"{name} {accuracy:.2f}", (0, accuracy), ("axes fraction", "data"))
    axes.set_xlim(1, max(2, epochs[-1]))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.grid(True, axis="y")
    return axes
