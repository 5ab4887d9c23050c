"""Scores over several data sets: performance profiles, and aggregate values with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from benchmark_api.types import FloatArray
from experiments.analysis.aggregate import Estimate
from plots.panels.curves import MARKS
from plots.panels.final import REACH
from plots.panels.style import MUTED_COLOR, REFERENCE_COLOR, AlgorithmStyle


class Profile(NamedTuple):
    """Performance profile of a search: its name, style, shares [threshold] and the ends of their intervals [2, threshold]."""

    label: str
    style: AlgorithmStyle
    shares: FloatArray
    interval: FloatArray


def plot_profiles(axes: Axes, thresholds: FloatArray, profiles: Sequence[Profile]) -> None:
    """Draw the share of runs with scores above each threshold [threshold] with its 95 % interval."""
    apart = max(1, len(thresholds) // MARKS)
    for number, (label, style, shares, interval) in enumerate(profiles):
        axes.fill_between(thresholds, *interval, color=style.color, alpha=0.15 * style.opacity, linewidth=0)
        axes.plot(
            thresholds, shares, label=label, color=style.color, linestyle=style.linestyle, linewidth=style.linewidth,
            marker=style.marker, markersize=4.0, markevery=(int(number / len(profiles) * apart), apart), alpha=style.opacity,
        )  # fmt: skip
    axes.set_xlim(thresholds[0], thresholds[-1])
    axes.set_ylim(0.0, 1.02)
    axes.grid(True)


def plot_estimates(axes: Axes, estimates: Sequence[tuple[str, AlgorithmStyle, Estimate]]) -> None:
    """Draw a value with its 95 % interval for each search, the first at the top.

    The axis is as in `plot_final`: a value far below the others stands as a number at its left end.
    """
    low, last = lower_end(estimates), max(one.high for *_, one in estimates)
    margin = 0.05 * (last - low) or 0.5
    for row, (_, style, (value, left, right)) in enumerate(estimates):
        if value < low - margin:
            axes.text(low - margin, row, f" ◂ {value:.1f}", va="center", color=MUTED_COLOR, fontsize="small")
            continue
        axes.barh(row, right - left, 0.5, left=left, color=style.color, alpha=0.5 * style.opacity)
        axes.plot(value, row, style.marker, color=REFERENCE_COLOR, markersize=4.5)
    axes.set_xlim(low - margin, last + margin)
    axes.set_ylim(len(estimates) - 0.5, -0.5)
    axes.set_yticks(range(len(estimates)), [label for label, _, _ in estimates])
    axes.tick_params(axis="y", length=0)
    axes.grid(True, axis="x")


def lower_end(estimates: Sequence[tuple[str, AlgorithmStyle, Estimate]]) -> float:
    """Lower end of an axis of values: the lowest of those at most `REACH` times as far from the top as the median one."""
    highest, median = max(one.high for *_, one in estimates), float(np.median([one.value for *_, one in estimates]))
    reached = highest - REACH * (highest - median)
    return max(min(one.low for *_, one in estimates if one.value >= reached), reached)
