"""Figures of one-shot searches on one dataset of a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from benchmark_api.types import FloatArray
from experiments.analysis.cells import operation_counts
from experiments.analysis.statistics import MIN_RUNS, Distribution
from experiments.analysis.trajectories import by_epoch
from experiments.store import SupernetRanking
from plots.figures.groups import Entry, Group
from plots.figures.layout import COLUMNS, about_curves, explain, name_axes, name_epochs, new_figure, panel_title, wrapped
from plots.figures.rankings import ranking_figures
from plots.panels.curves import Reference, plot_epochs, plot_operations
from plots.panels.heat_maps import plot_weights
from plots.panels.style import DASHED, DOTTED, MUTED_COLOR, REFERENCE_COLOR, Series

DRAWN_CELLS = 3
"""Maximum number of runs of each search whose cells are drawn, those with the lowest seeds."""


def one_shot_figures(group: Group, rankings: Sequence[SupernetRanking]) -> Iterator[tuple[str, Figure]]:
    """Draw all figures of the one-shot searches on one dataset, each with what it shows; `rankings` are those on that dataset."""
    space = group.report.table.space
    yield "epochs", epochs_figure(group)
    if any(map(has_weights, group.one_shot)):
        yield "weights", weights_figure(group)
    if space.operation_colors:
        yield "operations", operations_figure(group)
    if space.drawable:
        yield "cells", cells_figure(group)
    yield from ranking_figures(group, rankings).items()


def epochs_figure(group: Group) -> Figure:
    """Looked-up accuracy of the derived architecture against the epoch, one panel for each search, as long as the search."""
    report, references = group.report, references_of(group)
    title = f"{group.title}, {report.measure.accuracy} of the architecture derived after each epoch"
    figure, panels = new_figure(
        group.report.table,
        title,
        len(group.one_shot),
        COLUMNS,
        (3.0, 2.3),
        1.0,
        share="y",
        shown=group.experiments,
        look=group.look,
    )
    for axes, entry in zip(panels, group.one_shot, strict=True):
        epochs_panel(axes, group, entry, references)
        axes.set_title(_panel_title(entry, 3.0))
    low = min(report.average[1], *(_lowest(group, entry) for entry in group.one_shot))
    panels[0].set_ylim(bottom=low - 0.1 * (report.optimum[1] - low))
    name_epochs(panels, f"{report.measure.accuracy} [%]")
    handles = [Line2D([], [], linewidth=0.9, color=color, linestyle=linestyle) for _, _, color, linestyle in references]
    names = [f"{name} {accuracy:.2f}" for name, accuracy, _, _ in references]
    few = any(entry.row.reached.runs < MIN_RUNS for entry in group.one_shot)
    how = wrapped(about_curves(few), figure.get_figwidth())
    figure.legend(handles, names, loc="outside lower center", ncols=len(names), title=how, title_fontsize="small")
    return figure


def references_of(group: Group) -> list[Reference]:
    """Accuracies that curves over epochs are compared with: the optimum, the mean of the space, and random search."""
    report = group.report
    return [
        Reference("optimum", report.optimum[1], REFERENCE_COLOR, DOTTED),
        Reference("space mean", report.average[1], MUTED_COLOR, DASHED),
        *(
            Reference(f"{entry.name}, mean", entry.row.reached.mean, entry.style.color, entry.style.linestyle)
            for entry in group.black_box
            if entry.experiment.algorithm == "random"
        ),
    ]


def epochs_panel(axes: Axes, group: Group, entry: Entry, references: Sequence[Reference]) -> None:
    """Draw the looked-up accuracy of the architecture that a one-shot search derived after each epoch."""
    accuracy = group.report.accuracies.reported[by_epoch(entry.experiment)]  # [run, epoch]
    plot_epochs(axes, Series(entry.name, entry.style, Distribution.of(accuracy)), references)


def _lowest(group: Group, entry: Entry) -> float:
    """Lowest accuracy that the second half of a search shows; earlier ones may leave the axis, which they would stretch."""
    accuracy = group.report.accuracies.reported[by_epoch(entry.experiment)]  # [run, epoch]
    late = accuracy[:, accuracy.shape[1] // 2 :]
    shown = late if len(late) < MIN_RUNS else late.mean(axis=0)
    return float(np.min(shown, where=np.isfinite(shown), initial=np.inf))


def operations_figure(group: Group) -> Figure:
    """Number of edges of the derived cell with each operation, against the epoch, one panel for each search."""
    space = group.report.table.space
    title = f"{group.title}, operations of the cell derived after each epoch"
    figure, panels = new_figure(
        group.report.table, title, len(group.one_shot), COLUMNS, (3.0, 2.1), 1.2, shown=group.experiments, look=group.look
    )
    for axes, entry in zip(panels, group.one_shot, strict=True):
        operations_panel(axes, group, entry)
        axes.set_title(_panel_title(entry, 3.0))
    name_epochs(panels, "edges, mean over runs")
    handles = [Patch(color=color, label=name) for name, color in space.operation_colors.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), columnspacing=1, handlelength=1.2)
    return figure


def operations_panel(axes: Axes, group: Group, entry: Entry) -> None:
    """Draw the operations of the cell that a one-shot search derived after each epoch, mean over runs."""
    space, indices = group.report.table.space, by_epoch(entry.experiment)
    counts = operation_counts([space.architecture(int(index)) for index in indices.ravel()], space.choices(0))
    plot_operations(axes, counts.reshape(*indices.shape, -1).mean(axis=0), space.operation_colors)


def weights_figure(group: Group) -> Figure:
    """Heat map of the architecture weights after the last epoch, one panel for each search that has some."""
    space = group.report.table.space
    entries = list(filter(has_weights, group.one_shot))
    width = 0.9 + 0.42 * max(space.cardinalities)
    height = 1.2 + 0.3 * len(space.cardinalities)
    title = f"{group.title}, architecture weights after the last epoch"
    figure, panels = new_figure(
        group.report.table, title, len(entries), COLUMNS, (width, height), 1.1, shown=group.experiments, look=group.look
    )
    maps = [_final_weights(group, entry) for entry in entries]
    limits = float(min(map(np.min, maps))), float(max(map(np.max, maps)))
    for axes, entry in zip(panels, entries, strict=True):
        image = weights_panel(axes, group, entry, limits)
        axes.set_title(_panel_title(entry, width))
    figure.colorbar(image, ax=panels, label="mean weight", shrink=0.8, aspect=30)
    name_axes(figure, "choice", "decision", "numbers: mean weight over n runs; dots: number of runs that chose this")
    return figure


def weights_panel(axes: Axes, group: Group, entry: Entry, limits: tuple[float, float] | None = None) -> AxesImage:
    """Draw the architecture weights of a one-shot search after its last epoch, in colours between two limits; by default those
    of these weights."""
    space, weights = group.report.table.space, _final_weights(group, entry)
    chosen = np.array([space.architecture(int(index)) for index in entry.row.chosen])  # [run, decision]
    runs = (chosen[:, :, None] == np.arange(weights.shape[1])).sum(axis=0)  # [decision, choice]
    shown = limits or (float(weights.min()), float(weights.max()))
    return plot_weights(axes, weights, runs, space.decision_names, space.choices(0), shown)


def _final_weights(group: Group, entry: Entry) -> FloatArray:
    """Mean over runs of the architecture weights after the last epoch [decision, choice]."""
    last = entry.experiment.columns["arch_weights"][entry.experiment.offsets[1:] - 1]  # [run, choices of all decisions]
    return np.asarray(last.mean(axis=0).reshape(len(group.report.table.space.cardinalities), -1))


def has_weights(entry: Entry) -> bool:
    return bool(np.ptp(entry.experiment.columns["arch_weights"]) > 0)


def cells_figure(group: Group) -> Figure:
    """Chosen cells as graphs: a row for each search, a column for each run."""
    space = group.report.table.space
    columns = min(DRAWN_CELLS, max(entry.row.reached.runs for entry in group.one_shot))
    title = f"{group.title}, cells found"
    figure, panels = new_figure(
        group.report.table,
        title,
        columns * len(group.one_shot),
        columns,
        (2.5, 1.75),
        1.0,
        shown=group.experiments,
        look=group.look,
    )
    for row, entry in enumerate(group.one_shot):
        for column in range(columns):
            axes = panels[row * columns + column]
            if column >= entry.row.reached.runs:
                axes.set_axis_off()
                continue
            index, seed = int(entry.row.chosen[column]), entry.experiment.seeds[column]
            space.draw(axes, space.architecture(index))
            name = panel_title(f"{entry.name}, seed {seed}", 2.5)
            axes.set_title(f"{name}\n{index}: {group.report.accuracies.reported[index]:.2f} %", fontsize=8.5)
    explain(figure, f"official index and {group.report.measure.accuracy}; dotted: none")
    return figure


def _panel_title(entry: Entry, width: float) -> str:
    return panel_title(f"{entry.name}, n = {entry.row.reached.runs}", width)
