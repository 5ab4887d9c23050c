"""One-shot search: test accuracy of the derived architecture against the epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from experiments.analysis import MIN_RUNS, bootstrap_mean_interval
from plots.panels.style import Series


class Reference(NamedTuple):
    """An accuracy to compare with, percent, and its look."""

    name: str
    accuracy: float
    color: str
    linestyle: Any


def plot_epochs(axes: Axes, series: Series, references: Sequence[Reference]) -> Axes:
    """Draw the mean over runs with its 95 % bootstrap interval; with fewer than `MIN_RUNS` runs every run by itself.

    Args:
        axes: where to draw.
        series: values [run, epoch], percent; the first epoch is 1.
        references: lines across.
    """
    epochs = np.arange(1, series.values.shape[1] + 1)
    color = series.style.color
    if len(series.values) < MIN_RUNS:
        for values in series.values:
            axes.plot(epochs, values, color=color, linewidth=1.0, drawstyle="steps-mid")
            axes.plot(epochs[-1], values[-1], series.style.marker, color=color, markersize=4.5, clip_on=False)
    else:
        low, high = bootstrap_mean_interval(series.values)
        axes.fill_between(epochs, low, high, step="mid", color=color, alpha=0.22, linewidth=0)
        axes.plot(epochs, series.values.mean(axis=0), color=color, drawstyle="steps-mid")
    for _, accuracy, of_reference, linestyle in references:
        axes.axhline(accuracy, color=of_reference, linewidth=0.9, linestyle=linestyle, zorder=1)
    axes.set_xlim(0.5, epochs[-1] + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.grid(True, axis="y")
    return axes
