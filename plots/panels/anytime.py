"""Anytime performance: test accuracy of the incumbent against simulated time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from benchmark_api.types import FloatArray
from experiments.analysis import MIN_RUNS, bootstrap_mean_interval
from plots.panels.style import REFERENCE_COLOR, Series, note

SETTLED = 0.05
"""Share of the time span after which every mean lies inside the axes; what is lower before that may leave them."""


def plot_anytime(axes: Axes, times: FloatArray, series: Sequence[Series], optimum: float | None = None) -> Axes:
    """Draw the mean over runs of the incumbent's accuracy with its 95 % bootstrap interval, as right-continuous steps.

    The mean is drawn where every run has a value: before the last run's first evaluation, and after the first run's end, it
    would be a mean over fewer runs than the legend says. With fewer than `MIN_RUNS` runs every run is drawn by itself.

    Args:
        axes: where to draw.
        times: [time], simulated seconds, ascending and positive; the time axis is logarithmic.
        series: values [run, time], percent, NaN before the first evaluation and after the end of a run.
        optimum: the best accuracy in the space, percent.
    """
    settled = times >= times[0] + SETTLED * (times[-1] - times[0])
    lowest, highest = np.inf, -np.inf if optimum is None else optimum
    for one in series:
        mean = one.values.mean(axis=0)  # NaN where a run has no value
        color, linestyle = one.style.color, one.style.linestyle
        if len(one.values) < MIN_RUNS:
            for run, values in enumerate(one.values):
                label = one.label if run == 0 else None
                axes.plot(times, values, color=color, linestyle=linestyle, drawstyle="steps-post", linewidth=0.8, label=label)
                end = np.flatnonzero(~np.isnan(values))[-1:]
                axes.plot(times[end], values[end], one.style.marker, color=color, markersize=4, clip_on=False)
            highest = max(highest, float(np.nanmax(one.values, initial=highest)))
        else:
            complete = ~np.isnan(mean)
            interval = np.full((2, len(times)), np.nan)
            interval[:, complete] = bootstrap_mean_interval(one.values[:, complete])
            axes.fill_between(times, interval[0], interval[1], step="post", color=color, alpha=0.22, linewidth=0)
            axes.plot(times, mean, color=color, linestyle=linestyle, drawstyle="steps-post", label=one.label)
            highest = max(highest, float(np.nanmax(interval, initial=highest)))
        lowest = min(lowest, float(np.nanmin(mean[settled], initial=lowest)))

    if optimum is not None:
        axes.axhline(optimum, color=REFERENCE_COLOR, linewidth=0.9, linestyle=(0, (1, 2)))
        note(axes, f"optimum {optimum:.2f}", (0, optimum), ("axes fraction", "data"))
    if np.isfinite(lowest):
        axes.set_ylim(lowest - 0.06 * (highest - lowest), highest + 0.08 * (highest - lowest))
    axes.set_xscale("log")
    axes.set_xlim(times[0], times[-1])
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: f"{seconds:,.0f}" if seconds >= 1 else f"{seconds:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("simulated time [s]")
    axes.set_ylabel("test accuracy of the incumbent [%]")
    axes.grid(True, axis="y")
    return axes
