"""Rankings of architectures by supernets, compared with the table and with each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt

from benchmark_api.tables.table import Table
from benchmark_api.types import BoolArray, FloatArray
from experiments.analysis import rankings as measures
from experiments.analysis.statistics import rank_correlation, summarize
from experiments.report.formatting import spread
from experiments.report.measures import Accuracies, look_up
from experiments.report.numbers import reading_order
from experiments.report.text import TextTable, markdown, title_of
from experiments.store import SupernetRanking

TOP, RANKED = (0.01, 0.05, 0.1), (0.001, 0.01, 0.05)
"""Shares of the estimated best architectures whose overlap with the true best, and whose ranks, are reported."""

BOTTOM = 0.1
"""Share of the estimated worst architectures whose overlap with the true worst is reported."""

BEST = (1, 3)
"""Numbers of the estimated best architectures of which the truly best one is reported."""

NORMALIZATIONS: Mapping[str, str] = {
    "search": "as the search evaluates",
    "batch": "statistics of the evaluated batch in all of them",
    "re-estimated": "statistics estimated anew for each architecture from training images",
}
"""Statistics of batch normalisations in words, by their names in `RankingCondition`."""


@dataclass(frozen=True, eq=False)
class Ranked:
    """Rankings of one sample of architectures by the supernets of an experiment.

    Attributes:
        ranking: the rankings.
        accuracies: accuracies of the table.
    """

    ranking: SupernetRanking
    accuracies: Accuracies

    @cached_property
    def estimates(self) -> FloatArray:
        """Accuracy with the weights of each supernet [supernet, architecture], percent."""
        return np.asarray(self.ranking.accuracy.reshape(len(self.ranking.seeds), -1))

    @cached_property
    def truth(self) -> FloatArray:
        """Accuracy after full training [architecture], percent."""
        return np.asarray(self.accuracies.reported[self.ranking.architecture[: self.ranking.offsets[1]]])

    @cached_property
    def constant(self) -> BoolArray:
        """Whether all architectures have the same accuracy [supernet], as after a training that failed."""
        return np.asarray(np.ptp(self.estimates, axis=1) == 0.0)

    @cached_property
    def correlations(self) -> dict[str, FloatArray]:
        """Values [supernet] of Kendall's tau-b, Spearman's rho and the sparse tau-b; 0 where all estimates are equal."""
        pairs = np.array([rank_correlation(estimate, self.truth) for estimate in self.estimates])
        values = {"Kendall's τ": pairs[:, 0], "Spearman's ρ": pairs[:, 1], "sparse τ": self.each(measures.sparse_tau)}
        return {name: np.where(self.constant, 0.0, of) for name, of in values.items()}

    @cached_property
    def intervals(self) -> list[npt.NDArray[np.float64]]:
        """95 % interval [2] of the mean over supernets of each of `correlations`, bootstrapped over architectures."""
        sparse = np.round(self.truth, measures.DECIMALS)
        samples = [
            measures.bootstrap_tau(self.estimates, self.truth),
            measures.bootstrap_rho(self.estimates, self.truth),
            measures.bootstrap_tau(self.estimates, sparse),
        ]
        known = [np.where(self.constant[:, None], 0.0, values) for values in samples]  # [supernet, sample]
        return [np.nanquantile(values.mean(axis=0), (0.025, 0.975)) for values in known]

    @cached_property
    def agreement(self) -> FloatArray:
        """Kendall's tau-b between every two supernets [supernet, supernet]: S-Tau; NaN on the diagonal, 0 for constant ones."""
        taus = measures.agreement(self.estimates)
        apart = ~np.eye(len(taus), dtype=bool)
        return np.where(apart & (self.constant | self.constant[:, None]), 0.0, taus)

    def each(self, measure: Callable[[FloatArray, FloatArray], float | tuple[float, float]]) -> FloatArray:
        """Values of a measure of estimate and truth [supernet] or [supernet, value]."""
        return np.array([measure(estimate, self.truth) for estimate in self.estimates])


def ranked(table: Table, rankings: Sequence[SupernetRanking]) -> list[Ranked]:
    """Rankings on one table with what it has of their architectures, in reading order."""
    accuracies = {ranking.dataset: look_up(table, ranking.dataset) for ranking in rankings}
    return [Ranked(ranking, accuracies[ranking.dataset]) for ranking in sorted(rankings, key=reading_order)]


def over_epochs(found: Sequence[Ranked]) -> list[list[Ranked]]:
    """Rankings that differ in nothing but the epoch of their supernets, by ascending epoch.

    An epoch is left out where supernets were not kept that ranked after the last one.
    """
    groups: dict[object, list[Ranked]] = {}
    for one in found:
        groups.setdefault(replace(one.ranking.condition, epoch=None), []).append(one)
    ascending = [sorted(group, key=_epoch) for group in groups.values()]
    return [[one for one in group if set(one.ranking.seeds) == set(group[-1].ranking.seeds)] for group in ascending]


def epochs_of(group: Sequence[Ranked]) -> list[int]:
    """Numbers of epochs after which the supernets of some rankings were taken [ranking]."""
    return list(map(_epoch, group))


def ranking_tables(table: Table, rankings: Sequence[SupernetRanking]) -> str:
    """What supernets know of the architectures of one table, as Markdown.

    Rank correlations, what is found of the best and the worst architectures, the agreement of supernets of several seeds, and of
    several epochs where there are some.
    """
    groups = over_epochs(ranked(table, rankings))
    last = [group[-1] for group in groups if group[-1].ranking.epoch is None]
    about = title_of(table, rankings)
    tables = [
        _correlations(table, last, about),
        _ends(table, last, about),
        _agreement(table, [one for one in last if len(one.estimates) > 1], about),
        _epochs(table, [group for group in groups if len(group) > 1], about),
    ]
    return "\n".join(markdown(text) for text in tables if text.rows)


def _epoch(of: Ranked) -> int:
    return int(of.ranking.config_values()["epochs"]) if of.ranking.epoch is None else of.ranking.epoch


def _named(table: Table, one: Ranked) -> tuple[str, str, str]:
    """Data set, search, and number of supernets."""
    return one.ranking.dataset, one.ranking.label(table), str(len(one.estimates))


def _correlations(table: Table, found: Sequence[Ranked], about: str) -> TextTable:
    rows = []
    for one in found:
        ranking = one.ranking
        size = f"{ranking.architectures}{' classes' if ranking.drawn_from == 'classes' else ''}"
        images = "all" if ranking.images is None else str(ranking.images)
        values = [
            f"{spread(summarize(of))} ({low:.2f} to {high:.2f})"
            for of, (low, high) in zip(one.correlations.values(), one.intervals, strict=True)
        ]
        rows.append((*_named(table, one), size, images, *values, f"{ranking.wall_seconds.mean():,.0f}"))
    header = ("dataset", "algorithm", "n", "architectures", "images", "Kendall's τ", "Spearman's ρ", "sparse τ", "wall time [s]")
    accuracies = " or ".join(dict.fromkeys(one.accuracies.measure.accuracy for one in found))
    normalization = " or ".join(dict.fromkeys(NORMALIZATIONS[one.ranking.batch_norm] for one in found))
    note = (
        "Rank correlation between the accuracy on x-valid with the weights of a trained supernet and the table's "
        f"{accuracies} after {table.report_schedule} epochs, over the same random architectures; mean ± standard "
        "deviation (ddof 1) over n supernets; in brackets the 95 % interval of the mean by a percentile bootstrap over "
        f"architectures ({measures.RESAMPLES} samples). Kendall's τ is τ-b; sparse τ: with the table's accuracy rounded to "
        f"{10**-measures.DECIMALS:g} %; 0 where a supernet gives all architectures the same accuracy. Batch normalisations: "
        f"{normalization}."
    )
    return TextTable(f"ranking by supernets, {about}", header, rows, [note])


def _ends(table: Table, found: Sequence[Ranked], about: str) -> TextTable:
    """Table of the best and the worst architectures; without columns for shares of less than one architecture."""
    columns: dict[str, list[str]] = {}
    for one in found:
        for title, text in _of_ends(one):
            columns.setdefault(title, []).append(text)
    filled = {title: texts for title, texts in columns.items() if any(texts)}
    rows = [(*_named(table, one), *texts) for one, *texts in zip(found, *filled.values(), strict=True)]
    note = (
        "P@top K: part of the K best by the supernet that is among the K truly best, K of a random ranking; P@bottom K: of the "
        "worst. BR / WR@K: best and worst true rank among the K best by the supernet, in percent of the sample. Top-n rank and "
        "top-n: true rank (1 is best) and accuracy of the truly best among the n best by the supernet. Ties are broken by the "
        "random order of the sample. Means, with ± standard deviation (ddof 1), over n supernets."
    )
    title = f"the best and the worst architectures by supernets, {about}"
    return TextTable(title, ("dataset", "algorithm", "n", *filled), rows, [note])


def _of_ends(one: Ranked) -> Iterator[tuple[str, str]]:
    """Columns of `_ends` for the rankings of one experiment: title and text."""
    for share in TOP:
        yield f"P@top {share:.0%} [%]", spread(summarize(100 * one.each(partial(measures.precision_at_top, share=share))))
    bottom = 100 * one.each(partial(measures.precision_at_bottom, share=BOTTOM))
    yield f"P@bottom {BOTTOM:.0%} [%]", spread(summarize(bottom))
    for share in RANKED:
        best, worst = 100 * one.each(partial(measures.best_and_worst_rank, share=share)).mean(axis=0)
        yield f"BR / WR@{100 * share:g} % [%]", "" if np.isnan(best) else f"{best:.1f} / {worst:.1f}"
    for number in BEST:
        rank, accuracy = one.each(partial(measures.top, number=number)).T
        yield f"top-{number} rank", f"{rank.mean():.1f}"
        yield f"top-{number} [%]", spread(summarize(accuracy))


def _agreement(table: Table, found: Sequence[Ranked], about: str) -> TextTable:
    rows = []
    for one in found:
        pairs = measures.pairs_of(one.agreement)
        rows.append((*_named(table, one), str(len(pairs)), spread(summarize(pairs)), f"{pairs.min():.2f} to {pairs.max():.2f}"))
    note = (
        "S-Tau: Kendall's τ-b between the rankings by two supernets that differ in their seeds; mean ± standard deviation "
        "(ddof 1) and range over all pairs."
    )
    header = ("dataset", "algorithm", "n", "pairs", "S-Tau", "range")
    return TextTable(f"agreement of supernets of different seeds, {about}", header, rows, [note])


def _epochs(table: Table, groups: Sequence[Sequence[Ranked]], about: str) -> TextTable:
    rows = []
    for group in groups:
        estimates = np.stack([one.estimates for one in group], axis=1)  # [run, epoch, architecture]
        truth = group[-1].truth
        taus = np.array([[rank_correlation(of_epoch, truth)[0] for of_epoch in run] for run in estimates])  # [run, epoch]
        successive = np.array([measures.consecutive_tau(run) for run in estimates])  # [run, epoch - 1]
        pairs = np.array([measures.pairs_of(measures.agreement(run)) for run in estimates])  # [run, pair]
        epochs = epochs_of(group)
        rows.append(
            (
                *_named(table, group[-1]),
                f"{epochs[0]} to {epochs[-1]}",
                f"{taus.mean():.2f} ± {taus.std(axis=1, ddof=1).mean():.2f}",
                f"{taus.min(axis=1).mean():.2f} to {taus.max(axis=1).mean():.2f}",
                f"{successive.mean():.2f}",
                f"{pairs.mean():.2f}",
            )
        )
    note = (
        "Rankings by the supernet of one run after its last epochs; all numbers are means over n runs. With the table: Kendall's "
        "τ-b, mean ± standard deviation (ddof 1) and range over epochs. Successive, any two: τ-b between the rankings after two "
        "epochs."
    )
    header = ("dataset", "algorithm", "n", "epochs", "τ with the table", "range", "τ of successive epochs", "τ of any two epochs")
    return TextTable(f"rankings over the last epochs, {about}", header, rows, [note])
