"""Whole figures of one-shot searches: the panels of one dataset of a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from benchmark_api.tables.table import Table
from experiments.analysis import MIN_RUNS, by_epoch, final_architectures, final_values, operation_counts
from experiments.report import full_training_accuracy, ranked
from experiments.store import ONE_SHOT_RUNS, OneShotExperiment, SupernetRanking
from plots.panels.epochs import Reference, plot_epochs
from plots.panels.inherited import plot_inherited
from plots.panels.operations import plot_operations
from plots.figures.black_box import COLUMNS, Cell, Entry, new_figure, wrapped
from plots.panels.style import MUTED_COLOR, REFERENCE_COLOR, Series
from plots.panels.weights import plot_weights

DRAWN_CELLS = 3
"""Cells are drawn of so many runs of each search, those with the lowest seeds."""


def one_shot_figures(table: Table, cell: Cell, rankings: Sequence[SupernetRanking]) -> dict[str, Figure]:
    """All figures of the one-shot searches on one dataset, by what they show.

    Args:
        table: the table.
        cell: the dataset's experiments; at least one is of a one-shot search.
        rankings: by supernets, on that dataset.
    """
    figures = {"epochs": epochs_figure(table, cell)}
    if any(np.ptp(entry.experiment.arch_weights) > 0 for entry in cell.one_shot):
        figures["weights"] = weights_figure(table, cell)
    if table.space.operation_colors:
        figures["operations"] = operations_figure(table, cell)
    if table.space.drawable:
        figures["cells"] = cells_figure(table, cell)
    if rankings:
        figures["ranking"] = ranking_figure(table, cell, rankings)
    return figures


def epochs_figure(table: Table, cell: Cell) -> Figure:
    """Looked-up test accuracy of the derived architecture against the epoch, one panel for each search."""
    test = full_training_accuracy(table, cell.dataset)[1]
    references = [
        Reference("optimum", float(np.nanmax(test)), REFERENCE_COLOR, (0, (1, 2))),
        Reference("space mean", float(np.nanmean(test)), MUTED_COLOR, (0, (5, 3))),
    ]
    for entry in cell.entries:
        if entry.experiment.algorithm == "random":
            mean = float(final_values(entry.experiment, test).mean())
            references.append(Reference(f"{entry.name}, mean", mean, entry.style.color, entry.style.linestyle))
    title = f"{cell.title}, test accuracy of the architecture derived after each epoch"
    figure, panels = new_figure(table, title, len(cell.one_shot), COLUMNS, (3.0, 2.3), 1.0, share=True)
    for axes, trained in zip(panels, cell.one_shot, strict=True):
        plot_epochs(axes, Series(trained.name, trained.style, test[by_epoch(trained.experiment)]), references)
        axes.set_title(_panel_title(trained, 3.0))
    panels[0].set_xlim(0.5, max(by_epoch(trained.experiment).shape[1] for trained in cell.one_shot) + 0.5)
    _label_epochs(panels)
    figure.supylabel("test accuracy [%]", fontsize="small")
    how = "lines: mean over n runs; bands: 95 % bootstrap interval of the mean"
    if any(len(trained.experiment.seeds) < MIN_RUNS for trained in cell.one_shot):
        how += f"; fewer than {MIN_RUNS} runs: each by itself"
    handles = [Line2D([], [], linewidth=0.9, color=color, linestyle=linestyle) for _, _, color, linestyle in references]
    names = [f"{name} {accuracy:.2f}" for name, accuracy, _, _ in references]
    how = wrapped(how, figure.get_figwidth())
    figure.legend(handles, names, loc="outside lower center", ncols=len(names), title=how, title_fontsize="small")
    return figure


def operations_figure(table: Table, cell: Cell) -> Figure:
    """How many edges of the derived cell have each operation, against the epoch, one panel for each search."""
    title = f"{cell.title}, operations of the cell derived after each epoch"
    figure, panels = new_figure(table, title, len(cell.one_shot), COLUMNS, (3.0, 2.1), 1.2)
    for axes, entry in zip(panels, cell.one_shot, strict=True):
        indices = by_epoch(entry.experiment)
        counts = operation_counts([table.space.architecture(int(index)) for index in indices.ravel()])
        plot_operations(axes, counts.reshape(*indices.shape, -1), table.space.operation_colors)
        axes.set_title(_panel_title(entry, 3.0))
    _label_epochs(panels)
    figure.supylabel("edges, mean over runs", fontsize="small")
    handles = [Patch(color=color, label=name) for name, color in table.space.operation_colors.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def weights_figure(table: Table, cell: Cell) -> Figure:
    """Heat map of the architecture weights after the last epoch, one panel for each search that has some."""
    space = table.space
    entries = [entry for entry in cell.one_shot if np.ptp(entry.experiment.arch_weights) > 0]
    width = 0.9 + 0.42 * max(space.cardinalities)
    height = 1.2 + 0.3 * len(space.cardinalities)
    title = f"{cell.title}, architecture weights after the last epoch"
    figure, panels = new_figure(table, title, len(entries), COLUMNS, (width, height), 1.1)
    for axes, entry in zip(panels, entries, strict=True):
        experiment = entry.experiment
        last = experiment.offsets[1:] - 1
        weights = experiment.arch_weights[last].reshape(len(last), len(space.cardinalities), -1)
        chosen = np.array([space.architecture(int(index)) for index in final_architectures(experiment)])
        plot_weights(axes, weights, chosen, space.decision_names, space.choices(0))
        axes.set_title(_panel_title(entry, width))
    _annotate(figure, "choice", "decision", "numbers: mean probability over n runs; dots: as many runs chose this")
    return figure


def cells_figure(table: Table, cell: Cell) -> Figure:
    """The cells that runs found, as graphs: a row for each search, a column for each run."""
    columns = min(DRAWN_CELLS, max(len(entry.experiment.seeds) for entry in cell.one_shot))
    test = full_training_accuracy(table, cell.dataset)[1]
    title = f"{cell.title}, cells found"
    figure, panels = new_figure(table, title, columns * len(cell.one_shot), columns, (2.5, 1.75), 1.0)
    for row, entry in enumerate(cell.one_shot):
        chosen = final_architectures(entry.experiment)
        for column in range(columns):
            axes = panels[row * columns + column]
            if column >= len(chosen):
                axes.set_axis_off()
                continue
            index = int(chosen[column])
            table.space.draw(axes, table.space.architecture(index))
            seed = entry.experiment.seeds[column]
            axes.set_title(f"{entry.name}, seed {seed}\n{index}: {test[index]:.2f} %", fontsize=8.5)
    _annotate(figure, "", "", "official index and test accuracy; dotted: none")
    return figure


def ranking_figure(table: Table, cell: Cell, rankings: Sequence[SupernetRanking]) -> Figure:
    """Accuracy with the supernet's weights against the table's, a panel for each search: its supernet with the lowest seed."""
    found = [(entry, ranking) for entry in cell.one_shot for ranking in rankings if _ranked_by(entry.experiment, ranking)]
    title = f"{cell.title}, how supernets rank architectures"
    figure, panels = new_figure(table, title, len(found), COLUMNS, (2.8, 2.6), 1.0)
    for axes, (entry, ranking) in zip(panels, found, strict=True):
        inherited, test, (tau, rho) = ranked(table, ranking)[0]
        plot_inherited(axes, inherited, test, entry.style, tau, rho)
        axes.set_title(wrapped(f"{entry.name}, seed {ranking.seeds[0]}", 2.8), pad=16)
    sizes = " or ".join(str(size) for size in sorted({ranking.architectures for _, ranking in found}))
    across, up = "accuracy with the supernet's weights on x-valid [%]", "test accuracy in the table [%]"
    _annotate(figure, across, up, f"{sizes} random architectures")
    return figure


def _ranked_by(experiment: OneShotExperiment, ranking: SupernetRanking) -> bool:
    """Whether a ranking is by the supernets of an experiment."""
    return all(getattr(experiment, name) == getattr(ranking, name) for name in ONE_SHOT_RUNS.fields)


def _panel_title(entry: Entry[OneShotExperiment], width: float) -> str:
    return wrapped(f"{entry.name}, n = {len(entry.experiment.seeds)}", width)


def _label_epochs(panels: Sequence[Axes]) -> None:
    """Name the epoch axis below the lowest panels."""
    for axes in panels[-COLUMNS:]:
        axes.set_xlabel("epoch")


def _annotate(figure: Figure, across: str, up: str, how: str = "") -> None:
    """Name both axes for all panels, and say below how to read them."""
    below = wrapped(how, figure.get_figwidth()) if how else ""
    figure.supxlabel("\n".join(line for line in (across, below) if line), fontsize="small")
    figure.supylabel(up, fontsize="small")
