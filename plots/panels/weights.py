"""One-shot search: heat map of the architecture weights of each decision."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from benchmark_api.types import FloatArray, IntArray


def plot_weights(axes: Axes, weights: FloatArray, runs: IntArray, decisions: Sequence[str], choices: Sequence[str]) -> Axes:
    """Draw the weights as an annotated heat map, and a dot for each run that chose a choice.

    Colours span the map's own range: after a short search weights differ little.

    Args:
        axes: axes to draw on.
        weights: [decision, choice], mean over runs.
        runs: [decision, choice], number of runs that chose it.
        decisions: names of the rows.
        choices: names of the columns.
    """
    low, high = float(weights.min()), float(weights.max())
    decimals = 2 if high - low > 0.1 else 3
    axes.imshow(weights, cmap="Blues", vmin=low, vmax=high + 1e-9, aspect="auto")
    for (row, column), value in np.ndenumerate(weights):
        color = "white" if value - low > 0.6 * (high - low) > 0 else "black"
        axes.text(column, row, f"{value:.{decimals}f}", ha="center", va="center", fontsize="small", color=color)
        count = int(runs[row, column])
        if count:
            dots = "•" * count if count <= 5 else f"• {count}"
            axes.text(column, row + 0.43, dots, ha="center", va="bottom", fontsize=6, color=color)
    axes.set_xticks(range(len(choices)), choices, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(decisions)), decisions)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return axes
