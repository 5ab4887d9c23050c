"""One-shot search: which operations the derived cell has, against the epoch. A collapse to skip connections is seen here."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from benchmark_api.spaces import EDGES, OPERATIONS
from plots.panels.style import OPERATION_COLORS


def plot_operations(axes: Axes, counts: npt.NDArray[np.integer]) -> Axes:
    """Draw the mean over runs of the number of edges that have each operation, stacked; one bar for each epoch.

    Args:
        axes: where to draw.
        counts: [run, epoch, operation], operations in the order of `OPERATIONS`.
    """
    mean = counts.mean(axis=0)  # [epoch, operation]
    epochs = np.arange(1, len(mean) + 1)
    bottom = np.zeros(len(mean))
    for number, name in enumerate(OPERATIONS):
        axes.bar(epochs, mean[:, number], 1.0, bottom=bottom, color=OPERATION_COLORS[name], linewidth=0, label=name)
        bottom += mean[:, number]
    axes.set_xlim(0.5, len(mean) + 0.5)
    axes.set_ylim(0, len(EDGES))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    return axes
