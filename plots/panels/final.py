"""Final accuracy: how the runs of every algorithm are distributed when the budget is spent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from benchmark_api.types import FloatArray
from experiments.analysis import MIN_RUNS, bootstrap_mean_interval
from plots.panels.style import MUTED_COLOR, REFERENCE_COLOR, Series, note

BINS = 60
"""Bins over the accuracy axis; the more runs a bin has, the higher its points spread."""

REACH = 4.0
"""How far down the axis goes: this many times the distance from the top to the median algorithm's median."""


def plot_final(axes: Axes, series: Sequence[Series], optimum: float | None = None, mean_of_space: float | None = None) -> Axes:
    """Draw one row for each algorithm: a point for every run, the quartiles, and the mean with its 95 % bootstrap interval.

    The points of a row pile up where runs end alike, so a row has the shape of the distribution without a smoothing that
    would hide how many runs end at the same few architectures. Runs far below the rest are counted at the left edge
    instead of stretching the axis. With fewer than `MIN_RUNS` runs there are points only.

    Args:
        axes: where to draw; the first series comes on top.
        series: values [run], percent.
        optimum: the best accuracy in the space, percent.
        mean_of_space: the mean accuracy over the space, percent; an arrow points to it where it lies outside the axis.
    """
    everything = np.concatenate([one.values for one in series])
    top = float(everything.max()) if optimum is None else optimum
    typical = float(np.median([np.median(one.values) for one in series]))
    low = max(float(everything.min()), top - REACH * (top - typical))
    margin = 0.04 * (top - low) or 0.5
    axes.set_xlim(low - margin, top + margin)

    for row, one in enumerate(series):
        color = one.style.color
        axes.scatter(
            one.values, row - 0.02 - 0.42 * _pile(one.values, *axes.get_xlim()),
            s=6 if len(one.values) >= MIN_RUNS else 22, color=color, alpha=0.5, linewidths=0, rasterized=True,
        )  # fmt: skip
        below = int(np.sum(one.values < low - margin))
        if below:
            note(axes, f"◂ {below} below", (0, row + 0.4), ("axes fraction", "data"), color=color)
        if len(one.values) >= MIN_RUNS:
            lower, median, upper = np.percentile(one.values, [25, 50, 75])
            axes.barh(row + 0.2, upper - lower, 0.2, left=lower, color=color, alpha=0.35)
            axes.vlines(median, row + 0.1, row + 0.3, color=color, linewidth=1.6)
            mean = float(one.values.mean())
            interval = bootstrap_mean_interval(one.values)
            axes.hlines(row + 0.2, *interval, color=REFERENCE_COLOR, linewidth=1.2, zorder=3)
            axes.plot(mean, row + 0.2, "D", color=REFERENCE_COLOR, markersize=3)

    if optimum is not None:
        axes.axvline(optimum, color=REFERENCE_COLOR, linewidth=0.9, linestyle=(0, (1, 2)))
        note(axes, f"optimum {optimum:.2f}", (optimum, 1), ("data", "axes fraction"), align="right")
    if mean_of_space is not None:
        text = f"space mean {mean_of_space:.2f}"
        if mean_of_space >= low - margin:
            axes.axvline(mean_of_space, color=MUTED_COLOR, linewidth=0.9, linestyle=(0, (5, 3)))
            note(axes, text, (mean_of_space, 1), ("data", "axes fraction"))
        else:
            note(axes, f"◂ {text}", (0, 1), ("axes fraction", "axes fraction"))
    axes.set_ylim(len(series) - 0.55, -0.6)
    axes.set_yticks(range(len(series)), [one.label for one in series])
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("final test accuracy [%]")
    axes.grid(True, axis="x")
    return axes


def _pile(values: FloatArray, low: float, high: float) -> FloatArray:
    """Heights [run] in [0, 1]: the runs of a bin spread evenly from 0 to the bin's share of the fullest bin."""
    bins = np.clip(((values - low) / (high - low) * BINS).astype(int), 0, BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    heights = np.zeros(len(values))
    for number in np.flatnonzero(counts):
        members = np.flatnonzero(bins == number)
        heights[members] = np.arange(len(members)) / counts.max()
    return heights
