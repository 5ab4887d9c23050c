"""Weight sharing: accuracy with the supernet's weights against the table's, architecture by architecture."""

from __future__ import annotations

from matplotlib.axes import Axes

from benchmark_api.types import FloatArray
from plots.panels.style import AlgorithmStyle, note


def plot_inherited(axes: Axes, inherited: FloatArray, trained: FloatArray, style: AlgorithmStyle, tau: float, rho: float) -> Axes:
    """Draw a point for every architecture, and the rank correlation.

    Args:
        axes: where to draw.
        inherited: [architecture], percent, with the weights of the supernet.
        trained: [architecture], percent, after full training.
        style: of the search that trained the supernet.
        tau: Kendall's.
        rho: Spearman's.
    """
    axes.plot(inherited, trained, ".", markersize=3.5, markeredgewidth=0, color=style.color, alpha=0.7)
    note(axes, f"τ = {tau:.2f}, ρ = {rho:.2f}", (0, 1), ("axes fraction", "axes fraction"))
    axes.grid(True)
    return axes
