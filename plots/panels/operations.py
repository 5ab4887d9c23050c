"""One-shot search: operations of the derived cell against the epoch; shows a collapse to skip connections."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from benchmark_api.types import FloatArray


def plot_operations(axes: Axes, counts: FloatArray, colors: Mapping[str, str]) -> None:
    """Draw the number of edges with each operation [epoch, operation], mean over runs, as a stacked bar for each epoch."""
    epochs = np.arange(1, len(counts) + 1)
    bottom = np.zeros(len(counts))
    for number, (name, color) in enumerate(colors.items()):
        axes.bar(epochs, counts[:, number], 1.0, bottom=bottom, color=color, linewidth=0, label=name)
        bottom += counts[:, number]
    axes.set_xlim(0.5, len(counts) + 0.5)
    axes.set_ylim(0, round(counts[0].sum()))  # edges of the cell
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
