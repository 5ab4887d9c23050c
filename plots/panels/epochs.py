"""One-shot search: test accuracy of the derived architecture against the epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from plots.panels.style import Series


class Reference(NamedTuple):
    """An accuracy to compare with, percent, and its look."""

    name: str
    accuracy: float
    color: str
    linestyle: Any


def plot_epochs(axes: Axes, series: Series, references: Sequence[Reference]) -> Axes:
    """Draw the mean over runs with its 95 % bootstrap interval; few runs, which have no interval, one by one.

    Args:
        axes: axes to draw on.
        series: values [run, epoch], percent; the first epoch is 1.
        references: horizontal lines.
    """
    values, interval, color = series.runs.values, series.runs.interval, series.style.color
    epochs = np.arange(1, values.shape[1] + 1)
    if interval is None:
        for of_run in values:
            axes.plot(epochs, of_run, color=color, linewidth=1.0, drawstyle="steps-mid")
            axes.plot(epochs[-1], of_run[-1], series.style.marker, color=color, markersize=4.5, clip_on=False)
    else:
        axes.fill_between(epochs, interval[0], interval[1], step="mid", color=color, alpha=0.22, linewidth=0)
        axes.plot(epochs, series.runs.mean, color=color, drawstyle="steps-mid")
    for _, accuracy, of_reference, linestyle in references:
        axes.axhline(accuracy, color=of_reference, linewidth=0.9, linestyle=linestyle, zorder=1)
    axes.set_xlim(0.5, epochs[-1] + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.grid(True, axis="y")
    return axes
