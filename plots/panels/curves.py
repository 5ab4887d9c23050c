"""Searches over time: the incumbent's accuracy against simulated time; accuracy and operations against the epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from benchmark_api.types import FloatArray, IntArray
from plots.panels.style import DOTTED, REFERENCE_COLOR, Series, note

SETTLED = 0.05
"""Share of the time span after which means lie inside the axes, but for those of `REACH`; lower values before that may not."""

REACH = 1.6
"""Lower end of the accuracy axis: this many times the distance from the top to the lowest value of the median search."""

MARKS = 6
"""Markers on a line."""

WIDE = 1_000_000
"""Simulated seconds from which a time axis has thousands of seconds, so that its labels do not meet."""


def plot_anytime(axes: Axes, times: FloatArray, series: Sequence[Series], optimum: float | None = None) -> None:
    """Draw the mean over runs of the incumbent's accuracy with its 95 % bootstrap interval, as right-continuous steps.

    The mean is drawn where every run has a value: before the last run's first evaluation, and after the first run's end, it
    would be a mean over fewer runs than the legend says. Few runs, which have no interval, are drawn one by one.

    Args:
        axes: axes to draw on.
        times: [time], simulated seconds, ascending and positive; the time axis is logarithmic.
        series: values [run, time], percent, NaN before the first evaluation and after the end of a run.
        optimum: the best accuracy in the space, percent.
    """
    settled = times >= times[0] + SETTLED * (times[-1] - times[0])
    lowest, highest = [], -np.inf if optimum is None else optimum
    for number, one in enumerate(series):
        _plot_curves(axes, times, one, "post", one.style.linestyle, first_mark=number / len(series))
        drawn = one.runs.values if one.runs.interval is None else one.runs.interval
        highest = max(highest, float(np.nanmax(drawn, initial=highest)))
        if not np.isnan(one.runs.mean[settled]).all():
            lowest.append(float(np.nanmin(one.runs.mean[settled])))
    if optimum is not None:
        axes.axhline(optimum, color=REFERENCE_COLOR, linewidth=0.9, linestyle=DOTTED)
        note(axes, f"optimum {optimum:.2f}", (0, optimum), ("axes fraction", "data"))
    if lowest:
        low = max(min(lowest), highest - REACH * (highest - float(np.median(lowest))))
        axes.set_ylim(low - 0.06 * (highest - low), highest + 0.08 * (highest - low))
        _name_those_below(axes, series)
    axes.set_xscale("log")
    axes.set_xlim(times[0], times[-1])
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    unit, name = (1000.0, "1,000 s") if times[-1] >= WIDE else (1.0, "s")
    axes.xaxis.set_major_formatter(FuncFormatter(partial(_in_units, unit)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(f"simulated time [{name}]")
    axes.grid(True, axis="y")


def _name_those_below(axes: Axes, series: Sequence[Series]) -> None:
    """Name the searches whose curves end below the axes, with the mean that they end at."""
    below = 0
    for one in series:
        known = one.runs.mean[~np.isnan(one.runs.mean)]
        if len(known) and known[-1] < axes.get_ylim()[0]:
            note(axes, f"{one.label.partition(', n =')[0]} {known[-1]:.2f} ▾", (1, 0.07 * below), align="right")
            below += 1


def _in_units(unit: float, seconds: float, _: int) -> str:
    time = seconds / unit
    return f"{time:,.0f}" if time >= 1 else f"{time:g}"


class Reference(NamedTuple):
    """An accuracy to compare with, percent, and its look."""

    name: str
    accuracy: float
    color: str
    linestyle: Any


def plot_epochs(axes: Axes, series: Series, references: Sequence[Reference], first: int = 1) -> None:
    """Draw values [run, epoch] as `plot_anytime` does, from the epoch `first` on; references are horizontal lines."""
    epochs = np.arange(first, first + series.runs.values.shape[1])
    _plot_curves(axes, epochs, series, "mid", "-")
    for _, accuracy, color, linestyle in references:
        axes.axhline(accuracy, color=color, linewidth=0.9, linestyle=linestyle, zorder=1)
    axes.grid(True, axis="y")
    _show_epochs(axes, int(epochs[-1]))


def plot_operations(axes: Axes, counts: FloatArray, colors: Mapping[str, str]) -> None:
    """Draw the number of edges with each operation [epoch, operation], mean over runs, as a stacked bar for each epoch."""
    bottom = np.zeros(len(counts))
    for (name, color), edges in zip(colors.items(), counts.T, strict=True):
        axes.bar(np.arange(1, len(counts) + 1), edges, 1.0, bottom=bottom, color=color, linewidth=0, label=name)
        bottom += edges
    axes.set_ylim(0, round(counts[0].sum()))  # edges of the cell
    _show_epochs(axes, len(counts))


def _show_epochs(axes: Axes, epochs: int) -> None:
    axes.set_xlim(0.5, epochs + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def _plot_curves(
    axes: Axes,
    across: FloatArray | IntArray,
    one: Series,
    step: Literal["mid", "post"],
    linestyle: Any,
    first_mark: float = 0.5,
) -> None:
    """Draw the mean of one search with its interval, or each run with a marker at its end, as steps.

    `first_mark` is the place of the first of `MARKS` markers of the mean, as a share of the distance between two.
    """
    style, interval = one.style, one.runs.interval
    color = style.color
    look: dict[str, Any] = {"color": color, "linestyle": linestyle, "drawstyle": f"steps-{step}", "alpha": style.opacity}
    look["zorder"] = 2 + style.emphasis
    if interval is not None:
        apart = max(1, len(across) // MARKS)
        look |= {"marker": style.marker, "markersize": 4.0, "markevery": (int(first_mark * apart), apart)}
        axes.fill_between(across, interval[0], interval[1], step=step, color=color, alpha=0.18 * style.opacity, linewidth=0)
        axes.plot(across, one.runs.mean, label=one.label, linewidth=style.linewidth, **look)
        return
    for run, values in enumerate(one.runs.values):
        axes.plot(across, values, linewidth=0.65 * style.linewidth, label=one.label if run == 0 else None, **look)
        end = np.flatnonzero(~np.isnan(values))[-1:]
        axes.plot(across[end], values[end], style.marker, color=color, markersize=4.2, clip_on=False)
