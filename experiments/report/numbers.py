"""Numbers of a report: accuracies after full training looked up once, and what each experiment reached by them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from benchmark_api.tables.metrics import Metric
from benchmark_api.tables.table import Table
from benchmark_api.types import BoolArray, FloatArray, IntArray
from experiments.analysis.statistics import (
    MIN_RUNS,
    Comparison,
    Summary,
    compare_all,
    percentiles_of,
    rank_all,
    standard_errors_apart,
    summarize,
)
from experiments.analysis.trajectories import Readout, final_architectures, final_values, seconds_to_reach
from experiments.report import published
from experiments.report.measures import TEST, Accuracies, Measure, look_up
from experiments.store import KINDS, SAME_RESULT, AnyCondition, AnyExperiment, Experiment

NAN = float("nan")


@dataclass(frozen=True, eq=False)
class Row:
    """One experiment in a report; accuracies in percent.

    Attributes:
        experiment: its runs.
        label: the search and, in brackets, every setting that is not the default.
        chosen: [run], official index of the architecture that each run chose.
        finals: [run], accuracy of the chosen architecture by the report's measure, read off as the report's `readout` says.
        valid_finals: [run], its validation accuracy after full training; NaN where a run saw no trial of it, see
            `HeldOutTrials`.
        percentiles: [run], share of the space that is not better by the measure than the chosen architecture, percent.
        optimum: best reported accuracy of the space. It and the percentiles are of the architectures that the runs could choose,
            where they had limits.
        valid: summary of `valid_finals`.
        reached: summary of `finals`.
        rank: average rank among the black-box rows with at least `MIN_RUNS` runs, see `rank_all`; NaN for others.
        seconds_to_best: first time at which the median run had chosen an architecture with the best row's final median, see
            `seconds_to_reach`; the best row of the same kind.
        published: the paper's accuracies and number of runs, where it ran this search with these settings and measure;
            unofficial images, which the title and the label name, are compared too.
        transferred: whether the search ran on another data set, which the label names.
    """

    experiment: AnyExperiment
    label: str
    chosen: IntArray
    finals: FloatArray
    valid_finals: FloatArray
    percentiles: FloatArray
    optimum: float
    valid: Summary
    reached: Summary
    rank: float
    seconds_to_best: float
    published: tuple[published.Accuracy, int] | None
    transferred: bool

    @cached_property
    def optimism(self) -> Summary:
        """Validation accuracy minus reported accuracy, points: how much the trial that a run saw flatters its choice."""
        return summarize(self.valid_finals - self.finals)

    @property
    def best(self) -> int:
        """Architecture of the run with the best validation accuracy; the one most chosen where runs saw none."""
        if np.isnan(self.valid_finals).all():
            return int(Counter(self.chosen.tolist()).most_common(1)[0][0])
        return int(self.chosen[np.nanargmax(self.valid_finals)])

    def standard_errors(self) -> tuple[float, float]:
        """Mean validation and reported accuracy minus the published ones, in standard errors of the difference."""
        if self.published is None:
            return NAN, NAN
        paper, runs = self.published
        valid, test = (
            standard_errors_apart(ours.moments, (mean, std, runs))
            for ours, (mean, std) in ((self.valid, paper[:2]), (self.reached, paper[2:]))
        )
        return valid, test


@dataclass(frozen=True, eq=False)
class DatasetReport:
    """All experiments on one dataset of one table.

    Attributes:
        readout: how final values were read off, see `final_values`.
        accuracies: what was looked up, of every architecture.
        rows: one per experiment, those of the published table first.
        comparisons: of the final accuracies, every pair of rows.
    """

    table: Table
    dataset: str
    readout: Readout
    accuracies: Accuracies
    rows: tuple[Row, ...]
    comparisons: tuple[Comparison, ...] = field(repr=False)

    @property
    def measure(self) -> Measure:
        """What is reported."""
        return self.accuracies.measure

    @property
    def one_shot_rows(self) -> list[Row]:
        """Rows whose runs trained a network."""
        return [row for row in self.rows if not row.experiment.kind.simulated]

    @property
    def by_budget(self) -> dict[tuple[str, float], list[Row]]:
        """Black-box rows by schedule and budget: curves of one group share their times."""
        groups: dict[tuple[str, float], list[Row]] = {}
        for row in self.rows:
            if row.experiment.kind.simulated:
                groups.setdefault((row.experiment.schedule, row.experiment.budget), []).append(row)
        return groups

    @cached_property
    def optimum(self) -> tuple[float, float]:
        """Best validation and best reported accuracy of the space, each by itself."""
        return float(np.nanmax(self.accuracies.valid)), float(np.nanmax(self.accuracies.reported))

    @cached_property
    def average(self) -> tuple[float, float]:
        """Mean validation and reported accuracy over the space."""
        return float(np.nanmean(self.accuracies.valid)), float(np.nanmean(self.accuracies.reported))

    @cached_property
    def published_optimum(self) -> tuple[float, float] | None:
        """The paper's best validation and best reported accuracy, where it reports this measure after these epochs."""
        table = self.table
        return published.optimum(table.space.name, self.dataset, reported=table.report_schedule) if self.measure is TEST else None

    @cached_property
    def metrics(self) -> dict[str, Metric]:
        """Measured metrics of the architectures by name: of the reported training, and those that only the search's has."""
        keys = self.table.search_key(self.dataset), self.table.report_key(self.dataset)
        found = {name: metric for key in keys for name, metric in self.table.metrics(key).items()}
        return {name: metric for name, metric in found.items() if not np.isnan(self.table.tensor(metric.tensor)).all()}

    def costs(self, name: str) -> FloatArray:
        """Values [architecture] of one of `metrics`, in its unit."""
        return self.table.tensor(self.metrics[name].tensor)

    def costs_of(self, index: int) -> dict[str, float]:
        """Values of those `metrics` that an architecture has, by name."""
        values = {name: float(self.costs(name)[index]) for name in self.metrics}
        return {name: value for name, value in values.items() if not np.isnan(value)}


@dataclass(frozen=True, eq=False)
class Report:
    """All experiments on one table.

    Attributes:
        readout: how final values were read off, see `final_values`.
        datasets: one for each dataset with results, in the table's order.
    """

    table: Table
    readout: Readout
    datasets: tuple[DatasetReport, ...]

    @property
    def rows(self) -> list[Row]:
        """Rows of all datasets."""
        return [row for dataset in self.datasets for row in dataset.rows]

    @property
    def experiments(self) -> list[AnyExperiment]:
        """Experiments of all rows."""
        return [row.experiment for row in self.rows]


def notice_of(table: Table, experiments: Iterable[AnyExperiment]) -> str:
    """Return the table's notice and the cautions of some experiments, for titles; empty for none."""
    return "; ".join(dict.fromkeys(filter(None, (table.notice, *(experiment.caution for experiment in experiments)))))


def make_report(
    table: Table, experiments: Sequence[AnyExperiment], readout: Readout = "step", report_on: Collection[str] = ()
) -> Report:
    """Report experiments of one table, each on its data set, and on some others too (transfer), where the table has them.

    Raises:
        ValueError: the table lacks a full-training accuracy of a chosen architecture, or as for `final_values`.
    """
    here = {
        dataset: [
            *sorted((e for e in experiments if e.dataset == dataset), key=reading_order),
            *sorted((e for e in experiments if e.dataset != dataset and dataset in report_on), key=reading_order),
        ]
        for dataset in table.datasets
    }
    datasets = [_dataset_report(table, dataset, found, readout) for dataset, found in here.items() if found]
    return Report(table, readout, tuple(datasets))


def reading_order(condition: AnyCondition) -> tuple[int, int, str, str]:
    """Sort key of experiments: by kind, and within a kind the published ones first."""
    order = list(published.TOPOLOGY)
    known = order.index(condition.algorithm) if condition.algorithm in order else len(order)
    return list(KINDS).index(condition.kind_name), known, condition.algorithm, condition.hyperparameters


def _dataset_report(table: Table, dataset: str, experiments: Sequence[AnyExperiment], readout: Readout) -> DatasetReport:
    accuracies = look_up(table, dataset)
    finals = [final_values(experiment, accuracies.reported_of(experiment), readout) for experiment in experiments]
    medians = [(experiment.kind.name, float(np.median(values))) for experiment, values in zip(experiments, finals, strict=True)]
    rows = []
    for experiment, of_runs, rank in zip(experiments, finals, _ranks(dataset, experiments, finals), strict=True):
        target = max(median for kind, median in medians if kind == experiment.kind.name)
        rows.append(_row(table, accuracies, experiment, readout, of_runs, rank, target))
    comparisons = compare_all([(row.label, row.finals) for row in rows])
    return DatasetReport(table, dataset, readout, accuracies, tuple(rows), tuple(comparisons))


def _row(
    table: Table,
    accuracies: Accuracies,
    experiment: AnyExperiment,
    readout: Readout,
    finals: FloatArray,
    rank: float,
    target: float,
) -> Row:
    """Row of an experiment with these final accuracies [run] and rank; `target` is the best final median of its kind."""
    reported, ddof = accuracies.reported_of(experiment), 0 if readout == "reference" else 1
    chosen, valid_finals = final_architectures(experiment), final_values(experiment, accuracies.valid_of(experiment), readout)
    transferred = experiment.dataset != accuracies.dataset
    _check_measured(table, accuracies, experiment, chosen, finals)
    could_choose = _could_choose(table, experiment)
    choice = accuracies.reported[could_choose]
    whole = not transferred and bool(could_choose.all())
    return Row(
        experiment=experiment,
        label=f"{experiment.label(table)}, searched on {experiment.dataset}" if transferred else experiment.label(table),
        chosen=chosen,
        finals=finals,
        valid_finals=valid_finals,
        percentiles=percentiles_of(final_values(experiment, reported), choice),
        optimum=float(np.nanmax(choice)),
        valid=summarize(valid_finals, ddof),
        reached=summarize(finals, ddof),
        rank=rank,
        seconds_to_best=seconds_to_reach(experiment, reported, target),
        published=_published(table, accuracies.measure, experiment) if whole else None,
        transferred=transferred,
    )


def _could_choose(table: Table, experiment: AnyExperiment) -> BoolArray:
    """Whether each architecture [architecture] is within the limits of an experiment, and has a trial that it could see."""
    if not isinstance(experiment, Experiment):
        return np.ones(len(table), dtype=bool)
    return table.search_view(experiment.dataset, experiment.schedule).allowed(experiment.limits)


def _published(table: Table, measure: Measure, experiment: AnyExperiment) -> tuple[published.Accuracy, int] | None:
    """The paper's accuracies and number of runs, where it ran this search with these settings and measure."""
    if measure is not TEST or not experiment.deviations(table).keys() <= {*SAME_RESULT, "images"}:
        return None
    named = table.space.name, experiment.dataset, experiment.algorithm
    return published.find(*named, searched=experiment.schedule, reported=table.report_schedule)


def _check_measured(
    table: Table, accuracies: Accuracies, experiment: AnyExperiment, chosen: IntArray, finals: FloatArray
) -> None:
    """Raise where the architecture that a run chose [run] has no full-training accuracy."""
    unknown = np.isnan(finals) | np.isnan(accuracies.valid[chosen])
    if unknown.any():
        raise ValueError(
            f"{table.path}: no {accuracies.measure.missing} on {accuracies.dataset} of architecture {chosen[unknown][0]}, "
            f"chosen by {experiment.algorithm} with seed {experiment.seeds[unknown][0]}"
        )


def _ranks(dataset: str, experiments: Sequence[AnyExperiment], finals: Sequence[FloatArray]) -> list[float]:
    """Average ranks among the black-box experiments on a data set with enough runs; NaN for the others."""
    ranked = [i for i, e in enumerate(experiments) if e.kind.simulated and e.dataset == dataset and len(finals[i]) >= MIN_RUNS]
    ranks = {}
    if len(ranked) > 1:
        ranking = rank_all([(str(i), finals[i]) for i in ranked])
        ranks = dict(zip(map(int, ranking.labels), ranking.ranks, strict=True))
    return [ranks.get(i, NAN) for i in range(len(experiments))]
