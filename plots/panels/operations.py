"""One-shot search: which operations the derived cell has, against the epoch. A collapse to skip connections is seen here."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator


def plot_operations(axes: Axes, counts: npt.NDArray[np.integer], colors: Mapping[str, str]) -> Axes:
    """Draw the mean over runs of the number of edges that have each operation, stacked; one bar for each epoch.

    Args:
        axes: where to draw.
        counts: [run, epoch, operation].
        colors: colour of each operation, by name.
    """
    mean = counts.mean(axis=0)  # [epoch, operation]
    epochs = np.arange(1, len(mean) + 1)
    bottom = np.zeros(len(mean))
    for number, (name, color) in enumerate(colors.items()):
        axes.bar(epochs, mean[:, number], 1.0, bottom=bottom, color=color, linewidth=0, label=name)
        bottom += mean[:, number]
    axes.set_xlim(0.5, len(mean) + 0.5)
    axes.set_ylim(0, int(counts[0, 0].sum()))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    return axes
