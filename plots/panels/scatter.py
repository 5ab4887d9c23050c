"""Accuracy of many architectures: against their cost, and against the accuracy with a supernet's weights."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from benchmark_api.types import FloatArray, IntArray
from plots.panels.style import REFERENCE_COLOR, note

LARGEST = 160.0
"""Area of the marker of an architecture that all runs chose, in square points."""

SPACE_COLOR = "#c0c0c0"


def plot_cost(axes: Axes, cost: FloatArray, accuracy: FloatArray, front: IntArray, chosen: IntArray, color: str) -> None:
    """Draw every architecture of a space, the Pareto front, and the architectures that the runs of a search chose.

    The accuracy axis shows the better half of the space; runs that ended below it are counted. The area of a marker grows with
    the share of the runs that chose the architecture, from a visible minimum.

    Args:
        axes: axes to draw on.
        cost: [architecture].
        accuracy: [architecture], percent.
        front: indices of the Pareto front by rising cost.
        chosen: [run], index of the architecture that each run chose.
        color: colour of the search.
    """
    axes.plot(cost, accuracy, ".", markersize=2.2, markeredgewidth=0, color=SPACE_COLOR, rasterized=True)
    axes.plot(cost[front], accuracy[front], color=REFERENCE_COLOR, linewidth=0.9, drawstyle="steps-post")
    architectures, runs = np.unique(chosen, return_counts=True)
    for count in np.unique(runs):  # a file stores markers of one size once
        alike = architectures[runs == count]
        size = np.sqrt(5 + LARGEST * count / runs.sum())
        axes.plot(cost[alike], accuracy[alike], "o", markersize=size, markeredgewidth=0, color=color, alpha=0.75, zorder=3)
    low, high = float(np.nanmedian(accuracy)), float(np.nanmax(accuracy))
    axes.set_ylim(low, high + 0.05 * (high - low))
    below = int(runs[accuracy[architectures] < low].sum())
    if below:
        note(axes, f"▾ {below} below", (0, 0), color=color)
    axes.grid(True)


def plot_inherited(axes: Axes, inherited: FloatArray, trained: FloatArray, color: str, tau: float, rho: float) -> None:
    """Draw the accuracies [architecture] with inherited weights and after full training, percent, and their rank correlations."""
    axes.plot(inherited, trained, ".", markersize=3.5, markeredgewidth=0, color=color, alpha=0.7)
    note(axes, f"τ = {tau:.2f}, ρ = {rho:.2f}", (0, 1))
    axes.grid(True)
