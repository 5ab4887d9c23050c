"""Whole figures: the panels of one table's experiments with their titles, legend and notice."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from algorithms import REGISTRY
from benchmark_api.table import Table
from experiments.analysis import anytime, final_architectures
from experiments.store import Experiment
from plots.anytime import plot_anytime
from plots.correlation import plot_correlations, rank_correlations
from plots.cost import plot_cost
from plots.final import plot_final
from plots.style import MUTED_COLOR, AlgorithmStyle, FloatArray, Series, reading_order, style_of

PANEL = (4.2, 3.1)
"""Width and height of a panel in inches."""

TIMES = 400
"""Points in time at which a curve is computed."""

SPAN = 50
"""The time axis covers the budget down to one part in this many."""


DATASET_TITLES = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}


@dataclass(frozen=True)
class Entry:
    """One experiment as the figures show it.

    Attributes:
        experiment: its runs.
        name: the algorithm's title, with what tells it from its other configurations.
        style: its look.
    """

    experiment: Experiment
    name: str
    style: AlgorithmStyle


@dataclass(frozen=True)
class Cell:
    """The experiments that can be compared: one data set, schedule and budget.

    Attributes:
        title: the data set, and whatever else tells the cell from others of the figure.
        slug: the same for a file name.
        dataset: the data set.
        budget: simulated seconds.
        entries: its experiments in the order of the registry.
    """

    title: str
    slug: str
    dataset: str
    budget: float
    entries: Sequence[Entry]


def configuration(experiment: Experiment) -> dict[str, Any]:
    """What an algorithm's experiments on one data set can differ in, besides seeds and budget."""
    return {
        **experiment.hyperparameters,
        "charge": experiment.charge,
        "repeats": experiment.repeats,
        "noise": experiment.noise,
        "max_queries": experiment.max_queries,
    }


def cells(experiments: Sequence[Experiment]) -> list[Cell]:
    """Sort one table's experiments into comparable cells; a configuration has the same name and style in all of them."""
    configurations: dict[str, list[dict[str, Any]]] = {}
    groups: dict[tuple[str, str, float], list[Experiment]] = {}
    for experiment in experiments:
        configurations.setdefault(experiment.algorithm, []).append(configuration(experiment))
        groups.setdefault((experiment.dataset, experiment.schedule, experiment.budget), []).append(experiment)
    datasets = [dataset for dataset, _, _ in groups]
    result = []
    for dataset, schedule, budget in sorted(groups):
        title, slug = DATASET_TITLES.get(dataset, dataset), dataset
        if datasets.count(dataset) > 1:
            title, slug = f"{title}, {schedule} epochs, {budget:,.0f} s", f"{slug}-{schedule}-{budget:.0f}"
        entries = [_entry(experiment, configurations[experiment.algorithm]) for experiment in groups[dataset, schedule, budget]]
        entries.sort(key=lambda entry: (reading_order(entry.experiment.algorithm), entry.name))
        result.append(Cell(title, slug, dataset, budget, entries))
    return result


def _entry(experiment: Experiment, configurations: Sequence[Mapping[str, Any]]) -> Entry:
    """Name and style of an experiment among all configurations of its algorithm."""
    own = configuration(experiment)
    search = REGISTRY.get(experiment.algorithm)
    details = [
        f"{key.replace('_', ' ')} {value}"
        for key, value in own.items()
        if any(other.get(key) != value for other in configurations)
    ]
    distinct = sorted({json.dumps(other, sort_keys=True) for other in configurations})
    variant = distinct.index(json.dumps(own, sort_keys=True))
    return Entry(
        experiment,
        ", ".join([search.title if search else experiment.algorithm, *details]),
        style_of(experiment.algorithm, variant),
    )


def _runs(name: str, all_cells: Sequence[Cell]) -> str:
    """How many runs the entries of a name have, over the cells of a figure."""
    counts = sorted({len(entry.experiment.seeds) for cell in all_cells for entry in cell.entries if entry.name == name})
    return f"n = {counts[0]}" if len(counts) == 1 else f"n = {counts[0]} to {counts[-1]}"


def _new_figure(
    table: Table, title: str, panels: int, columns: int, panel: tuple[float, float] = PANEL, share: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure with its title, the table's notice, and as many axes as there are panels."""
    columns = min(columns, panels)
    rows = math.ceil(panels / columns)
    width = panel[0] * columns
    figure = Figure((width, panel[1] * rows + 0.9), layout="constrained")
    heading = f"{table.space.name.capitalize()} space: {title}"
    figure.suptitle("\n".join([heading, *textwrap.wrap(table.notice, int(width * 15))]), fontsize=11)
    axes = figure.subplots(rows, columns, squeeze=False, sharex=share, sharey=share).ravel().tolist()
    for unused in axes[panels:]:
        unused.remove()
    return figure, axes[:panels]


def _add_legend(figure: Figure, panels: Sequence[Axes], note: str) -> None:
    """One legend under the figure for the labels of all panels, and a note on how to read it."""
    handles = {}
    for axes in panels:
        handles.update(
            {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True) if label not in handles}
        )
    figure.legend(
        handles.values(),
        handles.keys(),
        loc="outside lower center",
        ncols=max(1, int(figure.get_figwidth() / 2.1)),
        title=note,
        title_fontsize="small",
    )


def anytime_figure(table: Table, all_cells: Sequence[Cell]) -> Figure:
    """Test accuracy of the incumbent against simulated time, one panel for each cell."""
    figure, panels = _new_figure(table, "incumbent over simulated time", len(all_cells), columns=3)
    for axes, cell in zip(panels, all_cells, strict=True):
        accuracy = reported_accuracy(table, cell.dataset)
        times = np.geomspace(cell.budget / SPAN, cell.budget, TIMES)
        series = [
            Series(f"{entry.name} ({_runs(entry.name, all_cells)})", entry.style, anytime(entry.experiment, times, accuracy))
            for entry in cell.entries
        ]
        plot_anytime(axes, times, series, float(np.nanmax(accuracy)))
        axes.set_title(cell.title)
    _add_legend(figure, panels, "lines: mean over n runs; bands: 95 % bootstrap interval of the mean")
    return figure


def final_figure(table: Table, all_cells: Sequence[Cell]) -> Figure:
    """The distribution over runs of the final test accuracy, one panel for each cell."""
    figure, panels = _new_figure(table, "accuracy when the budget is spent", len(all_cells), columns=3)
    same_rows = len({tuple(entry.name for entry in cell.entries) for cell in all_cells}) == 1
    for number, (axes, cell) in enumerate(zip(panels, all_cells, strict=True)):
        accuracy = reported_accuracy(table, cell.dataset)
        series = [
            Series(
                f"{entry.name}\n{_runs(entry.name, all_cells if same_rows else [cell])}",
                entry.style,
                accuracy[final_architectures(entry.experiment)],
            )
            for entry in cell.entries
        ]
        plot_final(axes, series, float(np.nanmax(accuracy)), float(np.nanmean(accuracy)))
        axes.set_title(cell.title, pad=16)
        if same_rows and number % 3:
            axes.tick_params(labelleft=False)
    figure.supxlabel(
        "points: runs; bars: quartiles with the median; diamonds: mean with its 95 % bootstrap interval",
        fontsize="small", color=MUTED_COLOR,
    )  # fmt: skip
    return figure


def cost_figure(table: Table, cell: Cell, cost: Literal["flops", "params"]) -> Figure:
    """Test accuracy against FLOPs or parameters over the space, one panel for what each algorithm of a cell found."""
    costs, label = {
        "flops": (table.flops(cell.dataset), "FLOPs [M multiply-accumulates]"),
        "params": (table.params(cell.dataset), "parameters [M]"),
    }[cost]
    title = f"what was found, {cell.title}"
    figure, panels = _new_figure(table, title, len(cell.entries), columns=4, panel=(2.6, 2.4), share=True)
    accuracy = reported_accuracy(table, cell.dataset)
    for axes, entry in zip(panels, cell.entries, strict=True):
        found = final_architectures(entry.experiment)
        plot_cost(axes, costs, accuracy, Series(entry.name, entry.style, found))
        axes.set_title(f"{entry.name}\n({_runs(entry.name, [cell])})")
    figure.supxlabel(label)
    figure.supylabel("test accuracy [%]")
    return figure


def correlation_figure(table: Table) -> Figure:
    """Rank correlations between validation and test accuracies of all data sets and schedules."""
    measurements = {}
    for dataset in table.datasets:
        title = DATASET_TITLES.get(dataset, dataset)
        searched = table.search_key(dataset)
        for schedule in table.schedules(searched):
            if "x-valid" in table.splits(searched, schedule):
                measurements[f"{title}, {schedule} ep., valid"] = table.mean_accuracy(searched, schedule, "x-valid")
        measurements[f"{title}, {table.report_schedule} ep., test"] = reported_accuracy(table, dataset)
    size = 2.0 + 0.5 * len(measurements)
    figure, (axes,) = _new_figure(table, "rank correlation", 1, columns=1, panel=(size, size - 0.9))
    plot_correlations(axes, rank_correlations(np.array(list(measurements.values()))), list(measurements))
    axes.set_title("Spearman's ρ below the diagonal, Kendall's τ above")
    return figure


def reported_accuracy(table: Table, dataset: str) -> FloatArray:
    """Test accuracy [architecture] after full training, mean over trials, percent: what is reported."""
    return table.mean_accuracy(dataset, table.report_schedule, table.test_split(dataset, table.report_schedule))
