"""Final accuracy: distribution over the runs of every search when the budget is spent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from benchmark_api.types import FloatArray
from plots.panels.style import DASHED, DOTTED, MUTED_COLOR, REFERENCE_COLOR, Series, note

BINS = 60
"""Bins over the accuracy axis; the more runs a bin has, the higher its points spread."""

REACH = 4.0
"""Lower end of the axis: this many times the distance from the top to the median search's median."""


def plot_final(axes: Axes, series: Sequence[Series], optimum: float | None = None, mean_of_space: float | None = None) -> int:
    """Draw one row for each search: a point for every run, the quartiles, and the mean with its 95 % bootstrap interval.

    The points of a row pile up where runs end alike, so a row has the shape of the distribution without a smoothing that
    would hide how many runs end at the same few architectures. Runs far below the rest would stretch the axis: their number
    stands at the end of the row, with the mean where the axis does not reach it. Few runs, which have no interval, are
    points only.

    Args:
        axes: axes to draw on; the first series is at the top.
        series: values [run], percent.
        optimum: the best accuracy in the space, percent.
        mean_of_space: the mean accuracy over the space, percent; an arrow points to it where it lies outside the axis.

    Returns:
        Number of runs below the axis.
    """
    everything = np.concatenate([one.runs.values for one in series])
    top = max(float(everything.max()), -np.inf if optimum is None else optimum)  # held-out trials may exceed the optimum
    typical = float(np.median([one.runs.quartiles[1] for one in series]))
    low = max(float(everything.min()), top - REACH * (top - typical))
    margin = 0.04 * (top - low) or 0.5
    left = low - margin
    axes.set_xlim(left, top + margin)
    below = sum(_row(axes, row, one, left) for row, one in enumerate(series))
    if optimum is not None:
        axes.axvline(optimum, color=REFERENCE_COLOR, linewidth=0.9, linestyle=DOTTED)
        note(axes, f"optimum {optimum:.2f}", (optimum, 1), ("data", "axes fraction"), align="right")
    if mean_of_space is not None:
        text = f"space mean {mean_of_space:.2f}"
        if mean_of_space >= left:
            axes.axvline(mean_of_space, color=MUTED_COLOR, linewidth=0.9, linestyle=DASHED)
            note(axes, text, (mean_of_space, 1), ("data", "axes fraction"))
        else:
            note(axes, f"◂ {text}", (0, 1))
    axes.set_ylim(len(series) - 0.55, -0.6)
    axes.set_yticks(range(len(series)), [one.label for one in series])
    axes.tick_params(axis="y", length=0)
    axes.grid(True, axis="x")
    return below


def _row(axes: Axes, row: int, one: Series, left: float) -> int:
    """Draw the runs of one search; `left` is the lower end of the axis. Return the number of runs below it."""
    values, interval, color = one.runs.values, one.runs.interval, one.style.color
    axes.scatter(
        values, row - 0.02 - 0.42 * _pile(values, *axes.get_xlim()),
        s=22 if interval is None else 6, color=color, alpha=0.5 * one.style.opacity, linewidths=0, rasterized=True,
    )  # fmt: skip
    if below := int(np.sum(values < left)):
        text = f"{below} below" if one.runs.mean >= left else f"{below} below\nmean {one.runs.mean:.2f}"
        axes.annotate(
            text, (1, row), xytext=(4, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
            va="center", color=MUTED_COLOR, fontsize="small", annotation_clip=False,
        )  # fmt: skip
    if interval is not None:
        lower, median, upper = one.runs.quartiles
        axes.barh(row + 0.2, upper - lower, 0.2, left=lower, color=color, alpha=0.35)
        axes.vlines(median, row + 0.1, row + 0.3, color=color, linewidth=1.6)
        axes.hlines(row + 0.2, *interval, color=REFERENCE_COLOR, linewidth=1.2, zorder=3)
        axes.plot(float(one.runs.mean), row + 0.2, "D", color=REFERENCE_COLOR, markersize=3)
    return below


def _pile(values: FloatArray, low: float, high: float) -> FloatArray:
    """Heights [run] in [0, 1]: the runs of a bin spread evenly from 0 to the bin's share of the fullest bin."""
    bins = np.clip(((values - low) / (high - low) * BINS).astype(int), 0, BINS - 1)
    order, counts, heights = np.argsort(bins, kind="stable"), np.bincount(bins), np.empty(len(bins))
    heights[order] = np.arange(len(bins)) - (np.cumsum(counts) - counts)[bins[order]]  # runs before it in its bin
    return np.asarray(heights / counts.max())
