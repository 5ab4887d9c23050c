"""Figures of what supernets know: rankings of architectures, compared with the table, between seeds and between epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from benchmark_api.tables.trials import nanmean
from benchmark_api.types import FloatArray
from experiments.analysis import rankings as measures
from experiments.analysis.statistics import MIN_RUNS, Distribution
from experiments.report import Ranked, epochs_of, over_epochs, ranked
from experiments.store import ONE_SHOT_RUNS, AnyExperiment, SupernetRanking
from plots.figures.groups import Entry, Group
from plots.figures.layout import (
    CHARACTER,
    COLUMNS,
    about_curves,
    explain,
    legend_below,
    name_axes,
    new_figure,
    panel_title,
)
from plots.panels.curves import plot_epochs
from plots.panels.final import plot_final
from plots.panels.heat_maps import plot_agreement
from plots.panels.scatter import plot_inherited
from plots.panels.style import Series

SHARE = 0.1
"""Share of the best and of the worst architectures whose overlap is drawn."""

Shown = Sequence[tuple[Entry, Ranked]]


def ranking_figures(group: Group, rankings: Sequence[SupernetRanking]) -> dict[str, Figure]:
    """All figures of the rankings on one dataset by the supernets of a group, by what they show.

    Of the rankings of an experiment those of the largest sample are shown, with the search's own batch normalisation.
    """
    usual = [ranking for ranking in rankings if ranking.batch_norm == "search"]
    found: list[tuple[Entry, list[Ranked]]] = []
    for entry in group.one_shot:
        of_entry = ranked(group.report.table, [ranking for ranking in usual if _ranked_by(entry.experiment, ranking)])
        complete = [epochs for epochs in over_epochs(of_entry) if epochs[-1].ranking.epoch is None]
        if complete:
            found.append((entry, max(complete, key=lambda epochs: epochs[-1].ranking.architectures)))
    last = [(entry, epochs[-1]) for entry, epochs in found]
    figures = {"ranking": ranking_figure(group, last), "ranking-measures": measures_figure(group, last)} if last else {}
    if several := [(entry, one) for entry, one in last if len(one.estimates) > 1]:
        figures["ranking-agreement"] = agreement_figure(group, several)
    if developing := [(entry, epochs) for entry, epochs in found if len(epochs) > 1]:
        figures["ranking-epochs"] = development_figure(group, developing)
    return figures


def _ranked_by(experiment: AnyExperiment, ranking: SupernetRanking) -> bool:
    """Whether a ranking is by the supernets of an experiment."""
    return all(getattr(experiment, name) == getattr(ranking, name) for name in ONE_SHOT_RUNS.fields)


def ranking_figure(group: Group, found: Shown) -> Figure:
    """Accuracy with the supernet's weights against the table's, a panel for each search: its supernet with the lowest seed."""
    title = f"{group.title}, how supernets rank architectures"
    figure, panels = new_figure(
        group.report.table, title, len(found), COLUMNS, (2.8, 2.6), 1.0, shown=group.experiments, look=group.look
    )
    for axes, (entry, one) in zip(panels, found, strict=True):
        tau, rho, _ = (float(values[0]) for values in one.correlations.values())
        plot_inherited(axes, one.estimates[0], one.truth, entry.style.color, tau, rho)
        axes.set_title(panel_title(f"{entry.name}, seed {one.ranking.seeds[0]}", 2.8), pad=16)
    across = "accuracy with the supernet's weights on x-valid [%]"
    name_axes(figure, across, f"{group.report.measure.accuracy} in the table [%]", _about(found))
    return figure


def measures_figure(group: Group, found: Shown) -> Figure:
    """Measures of the rankings by supernets, one panel for each; a row for each search, a point for each supernet."""
    values = {name: [of.get(name) for of in map(_measures, (one for _, one in found))] for name in _measures(found[0][1])}
    shown = {name: [of for of in rows if of is not None] for name, rows in values.items()}
    shown = {name: rows for name, rows in shown.items() if len(rows) == len(found) and not np.isnan(np.concatenate(rows)).any()}
    labels = [f"{entry.name}, n = {len(one.estimates)}" for entry, one in found]
    size = 2.4 + CHARACTER * max(map(len, labels)) / COLUMNS, 0.9 + 0.36 * len(found)
    title = f"{group.title}, measures of the rankings by supernets"
    figure, panels = new_figure(
        group.report.table, title, len(shown), COLUMNS, size, 0.7, shown=group.experiments, look=group.look
    )
    for number, (axes, (name, rows)) in enumerate(zip(panels, shown.items(), strict=True)):
        of_rows = zip(labels, found, rows, strict=True)
        plot_final(axes, [Series(label, entry.style, Distribution.of(of)) for label, (entry, _), of in of_rows])
        axes.set_xlabel(name)
        axes.tick_params(labelleft=number % COLUMNS == 0)
    explain(figure, f"points: supernets; bars: quartiles with the median; diamonds: mean with its interval; {_about(found)}")
    return figure


def _measures(one: Ranked) -> Mapping[str, FloatArray]:
    """Measures [supernet] by name, with the unit."""
    shown = {
        "Kendall's τ": one.correlations["Kendall's τ"],
        "sparse τ": one.correlations["sparse τ"],
        f"P@top {SHARE:.0%} [%]": 100 * one.each(partial(measures.precision_at_top, share=SHARE)),
        f"P@bottom {SHARE:.0%} [%]": 100 * one.each(partial(measures.precision_at_bottom, share=SHARE)),
        "accuracy of the estimated best [%]": one.each(partial(measures.top, number=1))[:, 1],
    }
    if len(one.estimates) > 1:
        shown["S-Tau, mean with the other seeds"] = nanmean(one.agreement)
    return shown


def agreement_figure(group: Group, found: Shown) -> Figure:
    """Heat map of S-Tau, one panel for each search: Kendall's tau between the rankings by its supernets of two seeds."""
    title = f"{group.title}, agreement of supernets of different seeds (S-Tau)"
    figure, panels = new_figure(
        group.report.table, title, len(found), COLUMNS, (2.8, 2.9), 0.8, shown=group.experiments, look=group.look
    )
    pairs = np.concatenate([measures.pairs_of(one.agreement) for _, one in found])
    limits = min(0.0, float(pairs.min())), 1.0
    for axes, (entry, one) in zip(panels, found, strict=True):
        image = plot_agreement(axes, one.agreement, list(map(str, one.ranking.seeds)), limits)
        mean = float(measures.pairs_of(one.agreement).mean())
        axes.set_title(panel_title(f"{entry.name}, mean {mean:.2f}", 2.8))
    figure.colorbar(image, ax=panels, label="Kendall's τ", shrink=0.8, aspect=30)
    name_axes(figure, "seed", "seed", f"Kendall's τ between two rankings of {_about(found)}")
    return figure


def development_figure(group: Group, found: Sequence[tuple[Entry, Sequence[Ranked]]]) -> Figure:
    """Measures of the rankings against the epoch of the supernet, one panel for each measure, a line for each search."""
    drawn = ("Kendall's τ", f"P@top {SHARE:.0%} [%]", f"P@bottom {SHARE:.0%} [%]")
    title = f"{group.title}, rankings by supernets against the epoch"
    figure, panels = new_figure(
        group.report.table, title, len(drawn), COLUMNS, (3.2, 2.6), 1.3, shown=group.experiments, look=group.look
    )
    first, last = np.inf, 0
    for entry, of_epochs in found:
        runs, epochs = len(of_epochs[-1].estimates), epochs_of(of_epochs)
        first, last = min(first, epochs[0]), max(last, epochs[-1])
        for axes, name in zip(panels, drawn, strict=True):
            values = np.stack([_measures(one)[name] for one in of_epochs], axis=1)  # [run, epoch]
            label = f"{entry.name}, n = {runs}"
            plot_epochs(axes, Series(label, entry.style, Distribution.of(values)), [], first=epochs[0])
    for axes, name in zip(panels, drawn, strict=True):
        axes.set_xlim(first - 0.5, last + 0.5)
        axes.set_xlabel("epoch")
        axes.set_title(name)
    handles, labels = panels[0].get_legend_handles_labels()
    few = any(len(of_epochs[-1].estimates) < MIN_RUNS for _, of_epochs in found)
    how = f"{about_curves(few)}; {_about([(entry, of_epochs[-1]) for entry, of_epochs in found])}"
    legend_below(figure, dict(zip(labels, handles, strict=True)), how)
    return figure


def _about(found: Shown) -> str:
    """The samples of architectures in words."""
    sizes = {f"{one.ranking.architectures:,} random {one.ranking.drawn_from}": None for _, one in found}
    return " or ".join(sizes)
