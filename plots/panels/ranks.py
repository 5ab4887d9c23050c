"""Critical-difference diagram: average ranks, and searches that do not differ significantly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes

from experiments.analysis.statistics import Ranking
from plots.panels.style import MUTED_COLOR, REFERENCE_COLOR, AlgorithmStyle


def plot_ranks(axes: Axes, ranking: Ranking, styles: Mapping[str, AlgorithmStyle]) -> None:
    """Draw average ranks on a line, best to the left; a bar joins searches that do not differ significantly.

    The diagram of Demšar (JMLR 7, 2006, figure 1). The better half is labelled on the left, the others on the right. `styles` has
    the style of each of the ranking's labels.
    """
    count = len(ranking.labels)
    left = (count + 1) // 2
    series = ranking.alike()
    bars = 0.35 * len(series)
    bottom = bars + 0.6 + 0.7 * max(left, count - left)
    axes.set_xlim(0.9, count + 0.1)
    axes.set_ylim(bottom, -1.3)
    axes.set_xticks(range(1, count + 1))
    axes.xaxis.tick_top()
    axes.spines[:].set_visible(False)
    axes.spines["top"].set_visible(True)
    axes.spines["top"].set_position(("data", 0.0))
    axes.set_yticks([])

    for position, (label, rank) in enumerate(zip(ranking.labels, ranking.ranks, strict=True)):
        first_half = position < left
        row = bars + 0.6 + 0.7 * (position if first_half else count - 1 - position)
        end = axes.get_xlim()[0 if first_half else 1]
        style, color = styles[label], styles[label].color
        look: dict[str, Any] = {"color": color, "linewidth": style.linewidth, "alpha": style.opacity}
        axes.plot([rank, rank, end], [0.0, row, row], solid_joinstyle="miter", **look)
        axes.plot(rank, 0.0, style.marker, color=color, markersize=5, clip_on=False, zorder=3)
        axes.annotate(
            f"{label}  {rank:.2f}" if first_half else f"{rank:.2f}  {label}",
            (end, row), xytext=(-4 if first_half else 4, 0), textcoords="offset points", va="center",
            ha="right" if first_half else "left", annotation_clip=False,
            weight="bold" if style.emphasis > 1 else "normal",
        )  # fmt: skip
    for number, (first, last) in enumerate(series):
        height = 0.35 * (number + 1)
        ends = ranking.ranks[first] - 0.04, ranking.ranks[last] + 0.04
        axes.plot(ends, [height, height], color=REFERENCE_COLOR, linewidth=3.2, solid_capstyle="butt", zorder=2)
    axes.plot([1, 1 + ranking.critical_distance], [-1.0, -1.0], color=MUTED_COLOR, linewidth=1.2, marker="|", markersize=6)
    axes.annotate(
        f"critical distance {ranking.critical_distance:.2f}, n = {ranking.blocks}", (1 + ranking.critical_distance, -1.0),
        xytext=(6, 0), textcoords="offset points", va="center", color=MUTED_COLOR, fontsize="small",
    )  # fmt: skip
