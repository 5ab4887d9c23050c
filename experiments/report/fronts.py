"""Numbers of searches with several objectives: the hypervolume of the fronts that runs found, and its regret to the exact front.

A run chooses its front by the accuracies that it saw. The architectures on it are valued by the table: by the mean over trials
of the reported accuracy. So no front is better than the exact one. (By the mean over the trials that a run did not see, which
reports of one accuracy give, the noise of a trial could exceed the exact front.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from benchmark_api.tables.fronts import non_dominated
from benchmark_api.tables.metrics import Metric
from benchmark_api.tables.table import Table
from benchmark_api.types import FloatArray, IntArray
from experiments.analysis.fronts import area, front_steps, hypervolume
from experiments.analysis.statistics import Comparison, Summary, compare_all, summarize
from experiments.report.measures import TEST, Measure, look_up
from experiments.report.numbers import reading_order
from experiments.store import Experiment

MARGIN = 0.1
"""How far the reference point lies behind the worst values of the exact front, as a share of its range in each objective."""

Objectives = tuple[str, ...]
"""Names of the metrics that are objectives besides accuracy."""


@dataclass(frozen=True, eq=False)
class Landscape:
    """Losses of every architecture of a dataset by some objectives, and their exact front.

    Attributes:
        table: the table.
        dataset: the dataset.
        objectives: names of the metrics that are objectives besides accuracy.
        measure: what the accuracy is.
        losses: [architecture, objective], 100 minus the reported accuracy in percent, then the metrics in the table's units,
            negated where more is better; NaN where not measured.
        exact: indices of the exact front, the most accurate first.
    """

    table: Table
    dataset: str
    objectives: Objectives
    measure: Measure
    losses: FloatArray
    exact: IntArray

    @classmethod
    def of(cls, table: Table, dataset: str, objectives: Objectives) -> Landscape:
        """Look up a landscape; its metrics are those of searches with the table's search schedule.

        Raises:
            ValueError: there is no such metric, or the table lacks full-training accuracies.
        """
        accuracies, view = look_up(table, dataset), table.search_view(dataset)
        if unknown := [name for name in objectives if name not in view.costs]:
            raise ValueError(f"no metric {unknown[0]!r} of {dataset}; {table.path.name} has {', '.join(view.costs) or 'none'}")
        signs = [-1.0 if view.directions[name] == "maximize" else 1.0 for name in objectives]
        costs = [sign * view.costs[name] for sign, name in zip(signs, objectives, strict=True)]
        losses = np.stack((100.0 - accuracies.reported, *costs), axis=1, dtype=np.float64)
        return cls(table, dataset, objectives, accuracies.measure, losses, non_dominated(losses))

    def relative_hypervolume(self, architectures: IntArray) -> float:
        """Hypervolume of some architectures as a share of that of the exact front, percent.

        Objectives are scaled so that the exact front reaches from 0 to 1 in each; the reference point is 1 + `MARGIN` in all.
        """
        return 100.0 * self._hypervolume(architectures) / self._exact_hypervolume

    @cached_property
    def _exact_hypervolume(self) -> float:
        return self._hypervolume(self.exact)

    def _hypervolume(self, architectures: IntArray) -> float:
        if len(self.objectives) == 1:
            return area([self._points[index] for index in architectures.tolist()], 1.0 + MARGIN, 1.0 + MARGIN)
        return hypervolume(self._scaled[architectures], self._reference)

    @cached_property
    def _reference(self) -> FloatArray:
        return np.full(self.losses.shape[1], 1.0 + MARGIN)

    @cached_property
    def _scaled(self) -> FloatArray:
        best, worst = self.losses[self.exact].min(axis=0), self.losses[self.exact].max(axis=0)
        scaled: FloatArray = (self.losses - best) / np.where(worst > best, worst - best, 1.0)
        return scaled

    @cached_property
    def _points(self) -> list[list[float]]:
        """The same as plain lists [architecture][objective]: a report asks for the fronts of each step of each run."""
        points: list[list[float]] = self._scaled.tolist()
        return points

    @property
    def metrics(self) -> dict[str, Metric]:
        """Metrics of searches on the dataset by name."""
        key, schedule = self.table.search_key(self.dataset), self.table.search_schedule
        return self.table.metrics(self.dataset, schedule) | self.table.metrics(key, schedule)

    @property
    def costs(self) -> FloatArray:
        """Values [architecture] of the first of `objectives`, less is better: negative where more of the metric is."""
        return self.losses[:, 1]

    @property
    def accuracy_name(self) -> str:
        """What the accuracy is: a mean over all trials, also where reports of one accuracy give held-out trials."""
        return "test accuracy" if self.measure is TEST else "validation accuracy"

    @property
    def accuracy(self) -> FloatArray:
        """Reported accuracy [architecture], percent."""
        return 100.0 - self.losses[:, 0]

    def seen_by(self, experiment: Experiment) -> FloatArray:
        """Losses of all entries of an experiment as its runs saw them [entry, objective]."""
        losses = self.losses[experiment.architecture]
        losses[:, 0] = 100.0 - experiment.accuracy
        return losses


@dataclass(frozen=True, eq=False)
class FrontRow:
    """One experiment in a report of fronts.

    Attributes:
        experiment: its runs.
        label: the search and, in brackets, every setting that is not the default, but for the objectives.
        changes: [run][step], simulated seconds at which the run's front changed, and the regret of its hypervolume from then on,
            percent of the exact front's.
        fronts: [run][point], architectures on the front of each run at the budget.
        found: [run], share of the exact front whose losses are those of an architecture on the run's front, percent.
    """

    experiment: Experiment
    label: str
    changes: list[tuple[FloatArray, FloatArray]]
    fronts: list[IntArray]
    found: FloatArray

    @classmethod
    def of(cls, landscape: Landscape, experiment: Experiment) -> FrontRow:
        """Compute the row of an experiment."""
        changes: list[tuple[FloatArray, FloatArray]] = []
        fronts: list[IntArray] = []
        of_entries = experiment.architecture
        for steps in front_steps(experiment, landscape.seen_by(experiment)):
            found = [of_entries[step.entries] for step in steps]
            regrets = [100.0 - landscape.relative_hypervolume(architectures) for architectures in found]
            changes.append((np.array([step.seconds for step in steps]), np.array(regrets)))
            fronts.append(np.unique(found[-1]) if found else np.empty(0, dtype=np.int64))
        exact = set(map(tuple, landscape.losses[landscape.exact].tolist()))
        hits = [len(exact & set(map(tuple, landscape.losses[front].tolist()))) for front in fronts]
        label = experiment.label(landscape.table, without=("objectives",))
        return cls(experiment, label, changes, fronts, 100.0 * np.array(hits) / len(exact))

    def regrets(self, times: FloatArray) -> FloatArray:
        """Regret of the hypervolume of each run at times in simulated seconds [run, time], percent; 100 without a front."""
        curves = np.full((len(self.changes), len(times)), 100.0)
        for curve, (seconds, regrets) in zip(curves, self.changes, strict=True):
            past = np.searchsorted(seconds, times, side="right")
            curve[past > 0] = regrets[past[past > 0] - 1]
        return curves

    @cached_property
    def finals(self) -> FloatArray:
        """Regret of the hypervolume of each run at its budget [run], percent."""
        return self.regrets(np.array([self.experiment.budget]))[:, 0]

    @cached_property
    def reached(self) -> Summary:
        """Summary of `finals`."""
        return summarize(self.finals)

    @property
    def sizes(self) -> IntArray:
        """Number of architectures on the front of each run [run]."""
        return np.array([len(front) for front in self.fronts])


@dataclass(frozen=True, eq=False)
class FrontReport:
    """All black-box experiments on one landscape.

    Attributes:
        landscape: losses and exact front.
        rows: one per experiment; those with one objective, whose evaluations have a front as well, first.
        comparisons: of the negative final regrets, every pair of rows.
    """

    landscape: Landscape
    rows: tuple[FrontRow, ...]
    comparisons: tuple[Comparison, ...] = field(repr=False)


def front_reports(table: Table, experiments: Sequence[Experiment], given: Sequence[Objectives] = ()) -> list[FrontReport]:
    """Report the fronts of black-box experiments of one table, by dataset and objectives.

    Args:
        table: their table.
        experiments: the experiments.
        given: report these objectives; by default those of the searches that have some.

    Raises:
        ValueError: there is no such metric, or the table lacks full-training accuracies.
    """
    reports = []
    for dataset in table.datasets:
        here = sorted((e for e in experiments if e.dataset == dataset), key=_order)
        searched = [names for e in here if (names := objectives_of(e)) is not None]
        for objectives in dict.fromkeys(given or searched):
            if found := [e for e in here if objectives_of(e) in (None, objectives)]:
                landscape = Landscape.of(table, dataset, objectives)
                rows = [FrontRow.of(landscape, experiment) for experiment in found]
                comparisons = compare_all([(row.label, -row.finals) for row in rows])
                reports.append(FrontReport(landscape, tuple(rows), tuple(comparisons)))
    return reports


def objectives_of(experiment: Experiment) -> Objectives | None:
    """Metrics that are objectives of an experiment's search; None for a search with one objective."""
    return tuple(experiment.config_values()["objectives"]) if experiment.finds_fronts else None


def _order(experiment: Experiment) -> tuple[bool, tuple[int, int, str, str]]:
    return experiment.finds_fronts, reading_order(experiment)
