"""Drawings of single architectures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark_api.spaces.base import SearchSpace

if TYPE_CHECKING:  # matplotlib takes half a second to import
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_architecture(axes: Axes, space: SearchSpace, index: int) -> None:
    """Draw the architecture with an official index as a graph on empty axes.

    Raises:
        ValueError: the index is out of range, or the space has no drawing.
    """
    if not space.drawable:
        raise ValueError(f"the {space.name} space has no drawing: it defines no method draw")
    space.draw(axes, space.architecture(index))


def architecture_figure(space: SearchSpace, index: int) -> Figure:
    """Return a figure of 3.6 x 2.4 inches with the drawing of an architecture; errors are those of `draw_architecture`."""
    from matplotlib.figure import Figure

    figure = Figure((3.6, 2.4))
    draw_architecture(figure.add_axes((0.0, 0.0, 1.0, 1.0)), space, index)
    return figure
