"""Whole figures: the panels of one table's experiments with their titles, legend and notice."""

from __future__ import annotations

import math
import textwrap
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from algorithms.black_box import BLACK_BOX
from benchmark_api.tables.table import Table
from benchmark_api.types import FloatArray
from experiments.analysis import MIN_RUNS, anytime, final_architectures, final_values, rank_all
from experiments.report import deviations, full_training_accuracy
from experiments.store import AnyExperiment, Experiment, OneShotExperiment
from plots.panels.anytime import plot_anytime
from plots.panels.correlation import plot_correlations, rank_correlations
from plots.panels.cost import SPACE_COLOR, plot_cost
from plots.panels.final import plot_final
from plots.panels.ranks import plot_ranks
from plots.panels.style import MUTED_COLOR, REFERENCE_COLOR, AlgorithmStyle, Series, reading_order, style_of

COLUMNS = 3
"""Panels side by side, one for each cell."""

MIN_WIDTH = 5.6
"""Inches; titles and legends need as much."""

CHARACTER = 0.07
"""About the width of a character, inches."""

TIMES = 400
"""Points in time at which a curve is computed."""

TIME_SPAN = 50
"""The time axis covers the budget down to one part in this many; what happens earlier decides nothing."""

DATASET_TITLES = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}


ExperimentT = TypeVar("ExperimentT", Experiment, OneShotExperiment)


@dataclass(frozen=True)
class Entry(Generic[ExperimentT]):
    """An experiment with the look it has in every figure.

    Attributes:
        experiment: its runs.
        name: the algorithm's title, with what tells it from its other configurations.
        style: colour, dashes and marker.
    """

    experiment: ExperimentT
    name: str
    style: AlgorithmStyle


@dataclass(frozen=True)
class Cell:
    """Experiments that can be compared with each other: of one dataset, schedule and budget.

    Attributes:
        dataset: the dataset.
        title: the dataset, and what tells the cell from another one of that dataset.
        slug: the same, for file names.
        entries: the experiments in reading order.
        one_shot: likewise those of one-shot searches, which spend no simulated time: they are in all cells of their dataset.
    """

    dataset: str
    title: str
    slug: str
    entries: Sequence[Entry[Experiment]]
    one_shot: Sequence[Entry[OneShotExperiment]] = ()

    @property
    def all_entries(self) -> Sequence[Entry[Any]]:
        """Those of both kinds."""
        return [*self.entries, *self.one_shot]


def cells(experiments: Sequence[Experiment], one_shot: Sequence[OneShotExperiment] = ()) -> list[Cell]:
    """Sort one table's experiments into cells; a configuration has the same name and style in all of them.

    A dataset with one-shot experiments alone is a cell without others.
    """
    trained = _one_shot_entries(one_shot)
    configurations: defaultdict[str, set[str]] = defaultdict(set)
    groups: defaultdict[tuple[str, str, float], list[Experiment]] = defaultdict(list)
    for experiment in experiments:
        configurations[experiment.algorithm].add(_configuration(experiment))
        groups[experiment.dataset, experiment.schedule, experiment.budget].append(experiment)
    datasets = [dataset for dataset, _, _ in groups]
    found = []
    for dataset, schedule, budget in sorted(groups, key=lambda group: (group[0].casefold(), *group)):
        title, slug = DATASET_TITLES.get(dataset, dataset), dataset
        if datasets.count(dataset) > 1:
            title, slug = f"{title}, {schedule} epochs, {budget:,.0f} s", f"{slug}-{schedule}-{budget:.0f}"
        entries = [_entry(e, configurations[e.algorithm]) for e in groups[dataset, schedule, budget]]
        entries.sort(key=lambda entry: (reading_order(entry.experiment.algorithm), entry.name))
        found.append(Cell(dataset, title, slug, entries, trained.get(dataset, ())))
    alone = sorted(trained.keys() - set(datasets), key=str.casefold)
    return found + [Cell(dataset, DATASET_TITLES.get(dataset, dataset), dataset, (), trained[dataset]) for dataset in alone]


def _one_shot_entries(experiments: Sequence[OneShotExperiment]) -> dict[str, list[Entry[OneShotExperiment]]]:
    """The entries of each dataset in reading order."""
    configurations: defaultdict[str, set[str]] = defaultdict(set)
    for experiment in experiments:
        configurations[experiment.algorithm].add(_configuration(experiment))
    entries: dict[str, list[Entry[OneShotExperiment]]] = {}
    for experiment in experiments:
        entries.setdefault(experiment.dataset, []).append(_entry(experiment, configurations[experiment.algorithm]))
    for of_dataset in entries.values():
        of_dataset.sort(key=lambda entry: (reading_order(entry.experiment.algorithm), entry.name))
    return entries


def _configuration(experiment: AnyExperiment) -> str:
    """What is not the default of an experiment, besides what makes its cell."""
    different = deviations(experiment, getattr(experiment, "schedule", "")).items()
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in different if name != "budget")


def _registry(one_shot: bool) -> Any:
    if not one_shot:
        return BLACK_BOX
    from algorithms.one_shot import ONE_SHOT  # PyTorch takes seconds to import

    return ONE_SHOT


def _entry(experiment: ExperimentT, configurations: Collection[str]) -> Entry[ExperimentT]:
    """Name and style of an experiment among all configurations of its algorithm; the default one has the first style."""
    one_shot = isinstance(experiment, OneShotExperiment)
    search: Any = _registry(one_shot).get(experiment.algorithm)
    name = search.title if search else experiment.algorithm
    own = _configuration(experiment)
    variants = ["", *sorted(set(configurations) - {""})]
    return Entry(experiment, f"{name}, {own}" if own else name, style_of(experiment.algorithm, variants.index(own)))


# -- figures ---------------------------------------------------------------------------------------------------------------


def anytime_figure(table: Table, all_cells: Sequence[Cell]) -> Figure:
    """Test accuracy of the incumbent against simulated time, one panel for each cell."""
    figure, panels = new_figure(table, "incumbent over simulated time", len(all_cells), COLUMNS, (4.2, 3.3), 1.3)
    handles: dict[str, Any] = {}
    for axes, cell in zip(panels, all_cells, strict=True):
        accuracy = full_training_accuracy(table, cell.dataset)[1]
        times = _times([entry.experiment for entry in cell.entries])
        series = [
            Series(_label(entry, all_cells), entry.style, anytime(entry.experiment, times, accuracy)) for entry in cell.entries
        ]
        plot_anytime(axes, times, series, float(np.nanmax(accuracy)))
        axes.set_title(cell.title)
        drawn, labels = axes.get_legend_handles_labels()
        handles |= dict(zip(labels, drawn, strict=True))
    how = "lines: mean over n runs; bands: 95 % bootstrap interval of the mean"
    if any(len(entry.experiment.seeds) < MIN_RUNS for cell in all_cells for entry in cell.entries):
        how += f"; fewer than {MIN_RUNS} runs: each by itself"
    width = figure.get_figwidth()
    legend = figure.legend(
        list(handles.values()), list(handles), loc="outside lower center", title=wrapped(how, width), title_fontsize="small",
        ncols=max(1, int(width / (0.6 + CHARACTER * max(map(len, handles))))),
    )  # fmt: skip
    legend.get_title().set_multialignment("center")
    return figure


def final_figure(table: Table, all_cells: Sequence[Cell]) -> Figure:
    """Distribution over runs of the test accuracy when the budget is spent, one panel for each cell."""
    same_rows = len({tuple(entry.name for entry in cell.all_entries) for cell in all_cells}) == 1
    labels = [[_label(entry, all_cells if same_rows else [cell]) for entry in cell.all_entries] for cell in all_cells]
    labels_width = CHARACTER * max(len(label) for of_cell in labels for label in of_cell)
    width = 3.2 + labels_width / (min(COLUMNS, len(all_cells)) if same_rows else 1)
    height = 1.0 + 0.36 * max(len(cell.all_entries) for cell in all_cells)
    figure, panels = new_figure(table, "accuracy when the budget is spent", len(all_cells), COLUMNS, (width, height), 0.7)
    for number, (axes, cell) in enumerate(zip(panels, all_cells, strict=True)):
        accuracy = full_training_accuracy(table, cell.dataset)[1]
        series = [
            Series(label, entry.style, final_values(entry.experiment, accuracy))
            for label, entry in zip(labels[number], cell.all_entries, strict=True)
        ]
        plot_final(axes, series, float(np.nanmax(accuracy)), float(np.nanmean(accuracy)))
        axes.set_title(cell.title, pad=16)
        axes.tick_params(labelleft=not (same_rows and number % COLUMNS))
    how = "points: runs; bars: quartiles with the median; diamonds: mean with its 95 % bootstrap interval"
    if any(cell.one_shot for cell in all_cells):
        how += "; one-shot searches: after their last epoch, whatever that cost"
    figure.supxlabel(wrapped(how, figure.get_figwidth()), fontsize="small", color=MUTED_COLOR)
    return figure


def rankable(cell: Cell) -> bool:
    """Whether a cell has at least two black-box searches with enough runs to be ranked."""
    return sum(len(entry.experiment.seeds) >= MIN_RUNS for entry in cell.entries) >= 2


def ranks_figure(table: Table, all_cells: Sequence[Cell]) -> Figure:
    """Critical-difference diagram of the black-box searches, one panel for each cell; all must be `rankable`."""
    rankings = []
    for cell in all_cells:
        accuracy = full_training_accuracy(table, cell.dataset)[1]
        entries = [entry for entry in cell.entries if len(entry.experiment.seeds) >= MIN_RUNS]
        ranking = rank_all([(entry.name, final_values(entry.experiment, accuracy)) for entry in entries])
        rankings.append((cell, ranking, {entry.name: entry.style for entry in entries}))
    height = 1.1 + 0.3 * max((len(ranking.labels) + 1) // 2 + len(ranking.alike()) / 2 for _, ranking, _ in rankings)
    figure, panels = new_figure(table, "average rank when the budget is spent", len(rankings), 2, (6.4, height), 0.9)
    for axes, (cell, ranking, styles) in zip(panels, rankings, strict=True):
        plot_ranks(axes, ranking, styles)
        p = "" if math.isnan(ranking.p) else f", Friedman's test p {'< 0.001' if ranking.p < 0.001 else f'= {ranking.p:.3f}'}"
        axes.set_title(cell.title + p, loc="left")
    how = "a bar joins what does not differ significantly (Nemenyi's test, 5 %); a block is one run of each, n blocks"
    figure.supxlabel(wrapped(how, figure.get_figwidth()), fontsize="small", color=MUTED_COLOR)
    return figure


def cost_figure(table: Table, cell: Cell, cost: Literal["flops", "params"]) -> Figure:
    """Test accuracy against FLOPs or parameters over the whole space, one panel for what each algorithm of a cell found."""
    costs = table.flops(cell.dataset) if cost == "flops" else table.params(cell.dataset)
    small = np.nanmax(costs) < 0.1
    costs, power = (1e3 * costs, "10³") if small else (costs, "10⁶")
    label = f"FLOPs [{power} multiply-accumulates]" if cost == "flops" else f"parameters [{power}]"
    figure, panels = new_figure(table, f"what was found, {cell.title}", len(cell.all_entries), 4, (2.5, 2.3), 1.1, share=True)
    accuracy = full_training_accuracy(table, cell.dataset)[1]
    for axes, entry in zip(panels, cell.all_entries, strict=True):
        plot_cost(axes, costs, accuracy, Series(entry.name, entry.style, final_architectures(entry.experiment)))
        axes.set_title(wrapped(_label(entry, [cell]), 2.2))
        if axes.xaxis.get_tick_params()["labelbottom"]:
            axes.set_xlabel(label)
        if axes.yaxis.get_tick_params()["labelleft"]:
            axes.set_ylabel("test accuracy [%]")
    legend = {
        f"the {len(table):,} architectures": Line2D([], [], linestyle="", marker=".", color=SPACE_COLOR),
        "Pareto front": Line2D([], [], linewidth=0.9, color=REFERENCE_COLOR),
        "chosen (larger: by more runs)": Line2D([], [], linestyle="", marker="o", color=MUTED_COLOR),
    }
    figure.legend(list(legend.values()), list(legend), loc="outside lower center", ncols=len(legend))
    return figure


def correlation_figure(table: Table) -> Figure:
    """Rank correlations between the validation and test accuracies of all datasets and schedules."""
    measurements = {}
    for dataset in table.datasets:
        title = DATASET_TITLES.get(dataset, dataset)
        key = table.search_key(dataset)
        for schedule in table.schedules(key):
            if "x-valid" in table.splits(key, schedule):
                measurements[f"{title}, {schedule} ep., valid"] = table.mean_accuracy(key, schedule, "x-valid")
        measurements[f"{title}, {table.report_schedule} ep., test"] = full_training_accuracy(table, dataset)[1]
    side = 1.9 + 0.5 * len(measurements)
    title = f"rank correlation, {len(table):,} architectures\nSpearman's ρ below the diagonal, Kendall's τ above"
    figure, (axes,) = new_figure(table, title, 1, 1, (side, side), 0.1)
    plot_correlations(axes, rank_correlations(np.array(list(measurements.values()))), list(measurements))
    return figure


def _times(experiments: Sequence[Experiment]) -> FloatArray:
    """Points in time [time] for the curves of a cell, simulated seconds."""
    end = max(e.budget if math.isfinite(e.budget) else float(e.seconds.max()) for e in experiments)
    first = min(float(e.seconds[e.offsets[:-1]].min()) for e in experiments)  # no run has an incumbent before
    return np.geomspace(min(max(first, end / TIME_SPAN), end / 2), end, TIMES)


def _label(entry: Entry[Any], all_cells: Sequence[Cell]) -> str:
    """An entry's name and how many runs entries of its name have in some cells."""
    entries = [other for cell in all_cells for other in cell.all_entries]
    runs = sorted({len(other.experiment.seeds) for other in entries if other.name == entry.name})
    return f"{entry.name}, n = {runs[0]}" if len(runs) == 1 else f"{entry.name}, n = {runs[0]} to {runs[-1]}"


def wrapped(text: str, width: float) -> str:
    """The text in lines that fit a width in inches."""
    return textwrap.fill(text, int(width / CHARACTER))


def new_figure(
    table: Table, title: str, panels: int, columns: int, size: tuple[float, float], extra: float, share: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure with a title that carries the table's notice, and its axes.

    Args:
        table: what the figure is made from.
        title: what the figure shows.
        panels: number of axes.
        columns: at most so many side by side.
        size: width and height of a panel, inches.
        extra: height of title and legend, inches.
        share: whether the panels share their axes.
    """
    columns = min(columns, panels)
    rows = math.ceil(panels / columns)
    width = max(size[0] * columns, MIN_WIDTH)
    heading = f"{table.space.name.capitalize()} space: {title}"
    if table.notice:
        heading += "\n" + wrapped(table.notice, width / 1.2)  # larger letters than elsewhere
    figure = Figure((width, size[1] * rows + extra + 0.2 * heading.count("\n")), layout="constrained")
    figure.suptitle(heading, fontsize=10.5)
    axes = figure.subplots(rows, columns, squeeze=False, sharex=share, sharey=share).ravel().tolist()
    for unused in axes[panels:]:
        unused.remove()
    for lowest in axes[panels - columns : panels]:
        lowest.tick_params(labelbottom=True)
    return figure, axes[:panels]
