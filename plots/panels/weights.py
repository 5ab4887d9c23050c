"""One-shot search: heat map of the probabilities that it gives the choices of each decision."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from benchmark_api.types import FloatArray


def plot_weights(
    axes: Axes, weights: FloatArray, chosen: npt.NDArray[np.integer], decisions: Sequence[str], choices: Sequence[str]
) -> Axes:
    """Draw the mean over runs of the probabilities as an annotated heat map, and how many runs chose what.

    Colours span the map's own range: after a short search probabilities differ little.

    Args:
        axes: where to draw.
        weights: [run, decision, choice]; rows sum to 1.
        chosen: [run, decision], the choice of each run.
        decisions: names of the rows.
        choices: names of the columns.
    """
    mean = weights.mean(axis=0)
    low, high = float(mean.min()), float(mean.max())
    decimals = 2 if high - low > 0.1 else 3
    axes.imshow(mean, cmap="Blues", vmin=low, vmax=high + 1e-9, aspect="auto")
    for (row, column), value in np.ndenumerate(mean):
        runs = int((chosen[:, row] == column).sum())
        color = "white" if value - low > 0.6 * (high - low) > 0 else "black"
        axes.text(column, row, f"{value:.{decimals}f}", ha="center", va="center", fontsize="small", color=color)
        if runs:
            axes.text(
                column, row + 0.43, "•" * runs if runs <= 5 else f"• {runs}", ha="center", va="bottom", fontsize=6, color=color
            )
    axes.set_xticks(range(len(choices)), choices, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(decisions)), decisions)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return axes
