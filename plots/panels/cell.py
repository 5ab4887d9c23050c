"""Drawing of a cell of the topology space as a graph."""

from __future__ import annotations

from matplotlib.axes import Axes

from benchmark_api.spaces import EDGES, OPERATIONS, Architecture
from plots.panels.style import MUTED_COLOR, OPERATION_COLORS, REFERENCE_COLOR

NODES = ((0.0, 0.0), (1.5, 1.0), (1.5, -1.0), (3.0, 0.0))
"""Where the input, both inner nodes and the output are."""

SHORT = {"none": "", "skip_connect": "skip", "nor_conv_1x1": "1×1", "nor_conv_3x3": "3×3", "avg_pool_3x3": "pool"}
"""What is written on an edge."""

LABEL_AT = {(3, 0): 0.3, (2, 1): 0.3}
"""How far along an edge its label is, for the two edges that cross; the others have it in the middle."""


def plot_cell(axes: Axes, architecture: Architecture) -> Axes:
    """Draw the four nodes, and every edge in the colour of its operation with its name; `none` is a dotted line.

    Args:
        axes: where to draw; loses its axes.
        architecture: the operation of each of `EDGES`.
    """
    for (target, source), choice in zip(EDGES, architecture, strict=True):
        name = OPERATIONS[choice]
        (x0, y0), (x1, y1) = NODES[source], NODES[target]
        arrow = {"color": OPERATION_COLORS[name], "shrinkA": 8, "shrinkB": 8}
        none = {"arrowstyle": "-", "linestyle": (0, (1, 2.5)), "linewidth": 0.9}
        arrow |= none if name == "none" else {"arrowstyle": "-|>", "linewidth": 1.8}
        axes.annotate("", (x1, y1), (x0, y0), arrowprops=arrow)
        at = LABEL_AT.get((target, source), 0.5)
        if SHORT[name]:
            axes.text(
                x0 + at * (x1 - x0), y0 + at * (y1 - y0), SHORT[name], ha="center", va="center", fontsize="small",
                color=REFERENCE_COLOR, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
            )  # fmt: skip
    for (x, y), name in zip(NODES, ("in", "1", "2", "out"), strict=True):
        axes.plot(x, y, "o", markersize=15, color="white", markeredgecolor=MUTED_COLOR)
        axes.text(x, y, name, ha="center", va="center", fontsize="x-small")
    axes.set_xlim(-0.4, 3.4)
    axes.set_ylim(-1.4, 1.4)
    axes.set_axis_off()
    return axes
