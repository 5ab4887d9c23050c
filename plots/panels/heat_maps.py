"""Annotated heat maps: rank correlations of measurements, and architecture weights of decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from benchmark_api.types import FloatArray, IntArray

MOST_NUMBERS = 7
"""Most rows of a matrix of runs that has its numbers written in it."""


NONE_COLOR = "#e4e4e4"
"""Colour where there is no value; white is the lowest one."""


def plot_correlations(axes: Axes, correlations: FloatArray, labels: Sequence[str]) -> None:
    """Draw `rank_correlations` [measurement, measurement], in [-1, 1], NaN where there is none."""
    _plot_heat_map(axes, correlations, (min(0.0, float(np.nanmin(correlations))), 1.0), 3, labels, labels, "equal")


def plot_agreement(axes: Axes, correlations: FloatArray, labels: Sequence[str], limits: tuple[float, float]) -> AxesImage:
    """Draw a symmetric matrix of correlations [run, run], NaN on its diagonal, as colours between two limits.

    Few runs are labelled and have their numbers; of many, only the first, the middle and the last are labelled. Returns the
    image, for a bar.
    """
    count = len(labels)
    axes.set_facecolor(NONE_COLOR)
    if count <= MOST_NUMBERS:
        return _plot_heat_map(axes, correlations, limits, 2, labels, labels, "equal")
    image = axes.imshow(correlations, cmap="Blues", vmin=limits[0], vmax=limits[1], aspect="equal")
    ticks = [0, count // 2, count - 1]
    axes.set_xticks(ticks, [labels[tick] for tick in ticks])
    axes.set_yticks(ticks, [labels[tick] for tick in ticks])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return image


def plot_weights(
    axes: Axes,
    weights: FloatArray,
    runs: IntArray,
    decisions: Sequence[str],
    choices: Sequence[str],
    limits: tuple[float, float],
) -> AxesImage:
    """Draw the mean weights over runs [decision, choice], and a dot for each of the runs [decision, choice] that chose a choice.

    Colours span the range between two limits, which all maps of a figure share. Returns the image, for a bar.
    """
    image = _plot_heat_map(axes, weights, limits, 2 if np.ptp(weights) > 0.1 else 3, decisions, choices, "auto")
    for row, column in np.argwhere(runs):
        count = int(runs[row, column])
        dots = "•" * count if count <= 5 else f"• {count}"
        color = _ink(weights[row, column], limits)
        axes.text(column, row + 0.43, dots, ha="center", va="bottom", fontsize=6, color=color)
    return image


def _plot_heat_map(
    axes: Axes,
    values: FloatArray,
    limits: tuple[float, float],
    decimals: int,
    rows: Sequence[str],
    columns: Sequence[str],
    aspect: Literal["equal", "auto"],
) -> AxesImage:
    """Draw values [row, column] as colours between two limits, and as numbers."""
    image = axes.imshow(values, cmap="Blues", vmin=limits[0], vmax=limits[1] + 1e-9, aspect=aspect)
    for row, column in np.argwhere(~np.isnan(values)):
        value = values[row, column]
        text = f"{value:.{decimals}f}"
        axes.text(column, row, text, ha="center", va="center", fontsize="small", color=_ink(value, limits))
    axes.set_xticks(range(len(columns)), columns, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return image


def _ink(value: float, limits: tuple[float, float]) -> str:
    """Colour of a text that is readable on the colour of a value."""
    low, high = limits
    return "white" if value - low > 0.6 * (high - low) else "black"
