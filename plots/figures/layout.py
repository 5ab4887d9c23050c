"""Layout of figures: titles with the table's notice, grids of panels, and texts that fit their width."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark_api.tables.table import Table
from experiments.analysis.statistics import MIN_RUNS
from experiments.report import notice_of
from experiments.store import AnyExperiment
from plots.panels.style import MUTED_COLOR, drawable

COLUMNS = 3
"""Panels side by side."""

MIN_WIDTH = 5.6
"""Minimum width of a figure for titles and legends, inches."""

CHARACTER = 0.07
"""Approximate width of a character, inches."""

NO_BREAK = "\N{NO-BREAK SPACE}"

NARROWEST = 0.62
"""Narrowest panel in a figure of a given width, as a share of its usual width."""

LEGEND_LINE = 0.24
"""Height of a line of a legend, inches."""

USUAL_LINES = 4
"""Lines of legends for which `extra` of `new_figure` has room."""


@dataclass(frozen=True)
class Look:
    """How all figures of a report look, besides matplotlib's settings.

    Attributes:
        title: whether figures have their two lines of title; a paper has a caption instead.
        width: of every figure, inches; None: what the panels need.
        highlight: names of searches that stand out.
    """

    title: bool = True
    width: float | None = None
    highlight: Collection[str] = ()


USUAL = Look()
"""How figures look where nothing else is asked for."""


def check_width(width: float | None) -> float | None:
    """Return a width of figures in inches, or None.

    Raises:
        ValueError: it is narrower than a panel can be, or wider than a poster.
    """
    if width is not None and not 2.0 <= width <= 50.0:
        raise ValueError(f"--width {width}; expected 2 to 50 inches")
    return width


def new_figure(
    table: Table,
    title: str,
    panels: int,
    columns: int,
    size: tuple[float, float],
    extra: float,
    share: bool | Literal["y"] = False,
    shown: Iterable[AnyExperiment] = (),
    look: Look = USUAL,
) -> tuple[Figure, list[Axes]]:
    """Make a figure whose title carries the notice of its data, and its axes.

    Args:
        table: source of the figure's data.
        title: what the figure shows.
        panels: number of axes.
        columns: maximum number side by side.
        size: width and height of a panel, inches.
        extra: height of title and legend, inches.
        share: whether the panels share their axes, or the vertical one alone.
        shown: experiments in the figure; black-box searches, whose notice is the table's, may be left out.
        look: how the figure looks.
    """
    columns = min(columns, panels)
    if look.width is not None:
        columns = max(1, min(columns, int(look.width / (NARROWEST * size[0]))))
    rows = math.ceil(panels / columns)
    width = look.width or max(size[0] * columns, MIN_WIDTH)
    notice = notice_of(table, shown)
    lines = [*f"{table.space.name.capitalize()} space: {title}".split("\n"), *([notice] if notice else [])]
    lines = [drawable(line) for line in lines]
    heading = "\n".join(wrapped(line, width / 1.2) for line in lines)  # larger letters than elsewhere
    height = size[1] * min(1.0, width / (size[0] * columns)) * rows + extra
    if look.title:
        figure = Figure((width, height + 0.2 * heading.count("\n")), layout="constrained")
        figure.suptitle(heading, fontsize=10.5)
    else:
        figure = Figure((width, height - 0.2), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=share is True, sharey=bool(share)).ravel().tolist()
    for unused in axes[panels:]:
        unused.remove()
    for lowest in axes[panels - columns : panels]:
        lowest.tick_params(labelbottom=True)
    return figure, axes[:panels]


def wrapped(text: str, width: float) -> str:
    """Break a text into as few lines as fit a width in inches, none of them much shorter than the others."""
    most = int(width / CHARACTER)
    lines = len(textwrap.wrap(text, most))
    narrowest = min(most, max(1, len(text) // max(lines, 1), *map(len, text.split(" "))))  # breaks no word
    even = next((few for few in range(narrowest, most) if len(textwrap.wrap(text, few)) == lines), most)
    return textwrap.fill(text, even)


def panel_title(text: str, width: float) -> str:
    """Wrap the title of a panel that is so many inches wide, with its axis; after a comma rather than within a part that fits."""
    inner = 0.8 * width  # letters are larger than elsewhere
    parts = [part.replace(" ", NO_BREAK) if len(part) < int(inner / CHARACTER) else part for part in text.split(", ")]
    return wrapped(", ".join(parts), inner).replace(NO_BREAK, " ")


def legend_below(figure: Figure, handles: Mapping[str, Any], how: str) -> None:
    """Write a legend of handles by their names below the panels, in as many columns as fit, and an explanation above it.

    The figure becomes higher by what a long legend takes, so that the panels keep their height.
    """
    width = figure.get_figwidth()
    columns = max(1, int(width / (0.6 + CHARACTER * max(map(len, handles)))))
    legend = figure.legend(
        list(handles.values()), list(handles), loc="outside lower center", title=wrapped(how, width), title_fontsize="small",
        ncols=columns,
    )  # fmt: skip
    legend.get_title().set_multialignment("center")
    lines = math.ceil(len(handles) / columns) + wrapped(how, width).count("\n")
    figure.set_figheight(figure.get_figheight() + LEGEND_LINE * max(0, lines - USUAL_LINES))


def explain(figure: Figure, how: str) -> None:
    """Write an explanation below the panels."""
    figure.supxlabel(wrapped(how, figure.get_figwidth()), fontsize="small", color=MUTED_COLOR)


def name_axes(figure: Figure, across: str, up: str, how: str) -> None:
    """Name both axes for all panels, and write an explanation below."""
    figure.supxlabel(f"{across}\n{wrapped(how, figure.get_figwidth())}", fontsize="small")
    figure.supylabel(up, fontsize="small")


def name_epochs(panels: Sequence[Axes], up: str) -> None:
    """Name the epoch axis below the lowest panels, and the other axis for all panels."""
    for axes in panels[-COLUMNS:]:
        axes.set_xlabel("epoch")
    panels[0].figure.supylabel(up, fontsize="small")


def about_curves(few: bool) -> str:
    """Explanation of curves with bands; `few`: whether some have too few runs for a band."""
    how = "lines: mean over n runs; bands: 95 % bootstrap interval of the mean"
    return f"{how}; fewer than {MIN_RUNS} runs: each by itself" if few else how
