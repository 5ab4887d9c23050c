"""Rank correlations between datasets, schedules and splits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from benchmark_api.types import FloatArray


def plot_correlations(axes: Axes, correlations: FloatArray, labels: Sequence[str]) -> Axes:
    """Draw an annotated heat map of `rank_correlations`.

    Args:
        axes: axes to draw on.
        correlations: [measurement, measurement], in [-1, 1], NaN where there is none.
        labels: names of the measurements.
    """
    lowest = min(0.0, float(np.nanmin(correlations)))
    axes.imshow(correlations, cmap="Blues", vmin=lowest, vmax=1.0)
    for (row, column), value in np.ndenumerate(correlations):
        if not np.isnan(value):
            dark = (value - lowest) > 0.6 * (1.0 - lowest)
            axes.text(column, row, f"{value:.3f}", ha="center", va="center", fontsize="small", color="white" if dark else "black")
    axes.set_xticks(range(len(labels)), labels, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(labels)), labels)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return axes
