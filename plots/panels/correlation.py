"""Rank correlation: does one dataset, schedule or split order the architectures as another does?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from benchmark_api.types import FloatArray
from experiments.analysis import rank_correlation


def rank_correlations(accuracies: FloatArray) -> FloatArray:
    """Spearman's rho below the diagonal, Kendall's tau-b above it, NaN on it.

    Args:
        accuracies: [measurement, architecture]; a pair is compared over the architectures that both have measured.

    Returns:
        [measurement, measurement]; NaN where fewer than two architectures are shared or all of them tie.
    """
    correlations = np.full((len(accuracies),) * 2, np.nan)
    for row in range(len(accuracies)):
        for column in range(row):
            shared = ~np.isnan(accuracies[[row, column]]).any(axis=0)
            pair = accuracies[row, shared], accuracies[column, shared]
            correlations[column, row], correlations[row, column] = rank_correlation(*pair)
    return correlations


def plot_correlations(axes: Axes, correlations: FloatArray, labels: Sequence[str]) -> Axes:
    """Draw an annotated heat map of `rank_correlations`.

    Args:
        axes: where to draw.
        correlations: [measurement, measurement], in [-1, 1], NaN where there is none.
        labels: the measurements' names.
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
