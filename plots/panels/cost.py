"""Accuracy against cost over a whole space, with the architectures that an algorithm found."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from benchmark_api.types import FloatArray
from plots.panels.style import REFERENCE_COLOR, Series, note

LARGEST = 160.0
"""Area of the mark of an architecture that all runs chose, in square points."""

SPACE_COLOR = "#c0c0c0"


def pareto_front(cost: FloatArray, accuracy: FloatArray) -> npt.NDArray[np.int64]:
    """Indices of the architectures that no other one dominates: as cheap and better, or as good and cheaper.

    Args:
        cost: [architecture], lower is better; NaN counts as not measured.
        accuracy: [architecture], higher is better; NaN counts as not measured.

    Returns:
        Indices by rising cost. Of architectures equal in both, the one with the lowest index.
    """
    measured = np.flatnonzero(~np.isnan(cost) & ~np.isnan(accuracy))
    order = measured[np.lexsort((-accuracy[measured], cost[measured]))]  # a stable sort: the lowest index first on ties
    best_before = np.maximum.accumulate(np.concatenate(([-np.inf], accuracy[order])))[:-1]
    return order[accuracy[order] > best_before]


def plot_cost(axes: Axes, cost: FloatArray, accuracy: FloatArray, found: Series) -> Axes:
    """Draw every architecture of a space, the Pareto front, and the architectures that an algorithm's runs chose.

    The accuracy axis shows the better half of the space; runs that ended below it are counted. The area of a mark grows with
    the share of the runs that chose the architecture, from a smallest one that can be seen.

    Args:
        axes: where to draw.
        cost: [architecture].
        accuracy: [architecture], percent.
        found: values [run], the index of the architecture that each run chose.
    """
    axes.plot(cost, accuracy, ".", markersize=2.2, markeredgewidth=0, color=SPACE_COLOR, rasterized=True)
    front = pareto_front(cost, accuracy)
    axes.plot(cost[front], accuracy[front], color=REFERENCE_COLOR, linewidth=0.9, drawstyle="steps-post")
    architectures, runs = np.unique(found.values, return_counts=True)
    for count in np.unique(runs):  # marks of one size are drawn once in a file, and used as often as needed
        alike = architectures[runs == count]
        axes.plot(
            cost[alike], accuracy[alike], "o", markersize=np.sqrt(5 + LARGEST * count / runs.sum()), markeredgewidth=0,
            color=found.style.color, alpha=0.75, zorder=3,
        )  # fmt: skip
    low, high = float(np.nanmedian(accuracy)), float(np.nanmax(accuracy))
    axes.set_ylim(low, high + 0.05 * (high - low))
    below = int(runs[accuracy[architectures] < low].sum())
    if below:
        note(axes, f"▾ {below} below", (0, 0), ("axes fraction", "axes fraction"), color=found.style.color)
    axes.grid(True)
    return axes
