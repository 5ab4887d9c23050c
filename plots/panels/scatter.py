"""Accuracy of many architectures: against their cost, and against the accuracy with a supernet's weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from benchmark_api.types import FloatArray, IntArray
from plots.panels.style import REFERENCE_COLOR, AlgorithmStyle, note

LARGEST = 160.0
"""Area of the marker of the architecture that most runs chose, in square points."""

LOG_RATIO = 10.0
"""Ratio of the largest to the smallest cost from which a cost axis is logarithmic."""

REACH = 4.0
"""Lower end of an accuracy axis, see `show_typical`."""

SPACE_COLOR = "#c0c0c0"


def plot_space(axes: Axes, cost: FloatArray, accuracy: FloatArray, front: IntArray, log: bool = False) -> None:
    """Draw every architecture of a space and the Pareto front; the axes show the better half of the space.

    Args:
        axes: axes to draw on.
        cost: [architecture], NaN where not measured.
        accuracy: [architecture], percent.
        front: indices of the Pareto front, the best cost first.
        log: make the cost axis logarithmic where costs of the better half differ by more than `LOG_RATIO`.
    """
    axes.plot(cost, accuracy, ".", markersize=2.2, markeredgewidth=0, color=SPACE_COLOR, rasterized=True)
    axes.plot(cost[front], accuracy[front], color=REFERENCE_COLOR, linewidth=0.9, drawstyle="steps-post")
    low, high = float(np.nanmedian(accuracy)), float(np.nanmax(accuracy))
    axes.set_ylim(low, high + 0.05 * (high - low))
    measured = ~np.isnan(cost)
    better = measured & (accuracy >= low)
    shown = cost[better if better.any() else measured]
    _show_costs(axes, float(shown.min()), float(shown.max()), log)
    axes.grid(True)


def _show_costs(axes: Axes, first: float, last: float, log: bool) -> None:
    """Limit the cost axis to values between two, with a margin; see `plot_space` for `log`."""
    if not (log and first > 0 and last > LOG_RATIO * first):
        margin = 0.05 * (last - first) or 0.5
        axes.set_xlim(first - margin, last + margin)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        return
    axes.set_xscale("log")
    factor = (last / first) ** 0.05
    axes.set_xlim(first / factor, last * factor)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def plot_chosen(axes: Axes, cost: FloatArray, chosen: IntArray, accuracy: FloatArray, style: AlgorithmStyle, most: int) -> None:
    """Draw the architectures that the runs of a search chose, each at the mean accuracy of these runs.

    The area of a marker grows with the number of runs that chose the architecture, from a visible minimum.

    Args:
        axes: axes to draw on.
        cost: [architecture].
        chosen: [run], index of the architecture that each run chose.
        accuracy: [run], percent.
        style: style of the search.
        most: number of runs that an architecture with a marker of the area `LARGEST` has.
    """
    architectures, of_run, runs = np.unique(chosen, return_inverse=True, return_counts=True)
    means = np.bincount(of_run, accuracy) / runs
    for count in np.unique(runs):  # a file stores markers of one size once
        alike = runs == count
        size = np.sqrt(8 + LARGEST * count / most)
        look = {"markersize": size, "markeredgewidth": 0, "color": style.color, "alpha": 0.75 * style.opacity, "zorder": 3}
        axes.plot(cost[architectures[alike]], means[alike], style.marker, **look)
    low, high = axes.get_ylim()
    axes.set_ylim(low, max(high, float(means.max()) + 0.02 * (high - low)))  # held-out trials may exceed the space's best mean


def plot_typical(axes: Axes, cost: FloatArray, accuracy: FloatArray, style: AlgorithmStyle) -> None:
    """Draw what the runs of a search chose as a marker at the medians, with lines between the quartiles of cost and accuracy.

    Args:
        axes: axes to draw on.
        cost: [run], of the architecture that each run chose; NaN where not measured.
        accuracy: [run], percent.
        style: style of the search.
    """
    if np.isnan(cost).all():
        return
    (left, x, right), (low, y, high) = np.nanpercentile(cost, [25, 50, 75]), np.percentile(accuracy, [25, 50, 75])
    look: dict[str, Any] = {"color": style.color, "linewidth": 0.9 * style.linewidth, "alpha": 0.8 * style.opacity, "zorder": 3}
    axes.plot([left, right], [y, y], "-", **look)
    axes.plot([x, x], [low, high], "-", **look)
    look = {"color": style.color, "alpha": style.opacity, "zorder": 4, "markeredgecolor": "white", "markeredgewidth": 0.5}
    axes.plot(x, y, style.marker, markersize=7.0, **look)


def show_typical(axes: Axes, accuracies: Sequence[FloatArray]) -> float:
    """Limit the accuracy axis of `plot_space` to what most searches reached, from accuracies [search][run], percent.

    The lower end is `REACH` times as far from the top as the median search's median, or the lowest quartile if that is higher.

    Returns:
        The lower end.
    """
    bottom, top = axes.get_ylim()
    medians = [float(np.median(of)) for of in accuracies]
    lowest = min(float(np.percentile(of, 25)) for of in accuracies)
    top = max(top, *(float(np.percentile(of, 75)) for of in accuracies))
    low = max(lowest, top - REACH * (top - float(np.median(medians))), bottom)
    span = top - low or 1.0
    axes.set_ylim(low - 0.05 * span, top + 0.02 * span)
    return float(axes.get_ylim()[0])


def plot_attainment(axes: Axes, cost: FloatArray, quartiles: FloatArray, color: str, linestyle: Any, band: bool = True) -> None:
    """Draw what half of the runs of a search attained, and a band between what three quarters and one quarter of them did.

    Args:
        axes: axes to draw on.
        cost: [cost], ascending.
        quartiles: accuracy that 75, 50 and 25 % of the runs attained at no more than a cost [3, cost], percent; -inf for none.
        color: colour of the search.
        linestyle: line style of the search.
        band: whether to draw the band.
    """
    low, middle, high = np.where(np.isinf(quartiles), np.nan, quartiles)
    if band:
        axes.fill_between(cost, np.where(np.isnan(low), 0.0, low), high, step="post", color=color, alpha=0.18, linewidth=0)
    axes.plot(cost, middle, color=color, linestyle=linestyle, linewidth=1.2, drawstyle="steps-post", zorder=3)


def count_below(axes: Axes, accuracy: FloatArray) -> None:
    """Write how many of the runs ended at an accuracy [run] below the axis."""
    if below := int((accuracy < axes.get_ylim()[0]).sum()):
        text = f"▾ {below} of {len(accuracy)} runs below"
        axes.annotate(
            text, (0, 0), xytext=(3, 3), xycoords="axes fraction", textcoords="offset points", fontsize="small",
            color=REFERENCE_COLOR, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0, "alpha": 0.85}, zorder=4,
        )  # fmt: skip


def plot_inherited(axes: Axes, inherited: FloatArray, trained: FloatArray, color: str, tau: float, rho: float) -> None:
    """Draw the accuracies [architecture] with inherited weights and after full training, percent, and their rank correlations."""
    axes.plot(inherited, trained, ".", markersize=3.5, markeredgewidth=0, color=color, alpha=0.7)
    note(axes, f"τ = {tau:.2f}, ρ = {rho:.2f}", (0, 1))
    axes.grid(True)
