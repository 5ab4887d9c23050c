"""Numbers of a report: full-training accuracies looked up once, and what each experiment reached by them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from benchmark_api.tables.table import Table
from benchmark_api.types import BoolArray, FloatArray, IntArray
from experiments.analysis.statistics import MIN_RUNS, Comparison, Summary, compare_all, rank_all, standard_errors_apart, summarize
from experiments.analysis.trajectories import Readout, final_architectures, final_values, seconds_to_reach
from experiments.report import published
from experiments.report.lookup import full_training_accuracy
from experiments.store import KINDS, SAME_RESULT, AnyCondition, AnyExperiment

NAN = float("nan")


@dataclass(frozen=True, eq=False)
class Row:
    """One experiment in a report; accuracies in percent.

    Attributes:
        experiment: its runs.
        label: the search and, in brackets, every setting that is not the default.
        chosen: [run], official index of the architecture that each run chose.
        test_finals: [run], full-training test accuracy, read off as the report's `readout` says.
        valid: summary of the full-training validation accuracies.
        test: summary of `test_finals`.
        rank: average rank among the black-box rows with at least `MIN_RUNS` runs, see `rank_all`; NaN for others.
        seconds_to_best: first time at which the median run had chosen an architecture with the best row's final median test
            accuracy, see `seconds_to_reach`; the best row of the same kind.
        published: the paper's accuracies and number of runs, where it ran this search with these settings; unofficial images,
            which the title and the label name, are compared too.
    """

    experiment: AnyExperiment
    label: str
    chosen: IntArray
    test_finals: FloatArray
    valid: Summary
    test: Summary
    rank: float
    seconds_to_best: float
    published: tuple[published.Accuracy, int] | None

    def standard_errors(self) -> tuple[float, float]:
        """Validation and test mean minus the published ones, in standard errors of the difference."""
        if self.published is None:
            return NAN, NAN
        paper, runs = self.published
        valid, test = (
            standard_errors_apart(ours.mean, ours.std, ours.runs, *theirs, runs)
            for ours, theirs in ((self.valid, paper[:2]), (self.test, paper[2:]))
        )
        return valid, test


@dataclass(frozen=True, eq=False)
class DatasetReport:
    """All experiments on one dataset of one table.

    Attributes:
        readout: how final values were read off, see `final_values`.
        valid: [architecture], validation accuracy after full training, percent; see `full_training_accuracy`.
        test: [architecture], test accuracy after full training, percent.
        rows: one per experiment, those of the published table first.
        comparisons: of the test accuracies, every pair of rows.
    """

    table: Table
    dataset: str
    readout: Readout
    valid: FloatArray
    test: FloatArray
    rows: tuple[Row, ...]
    comparisons: tuple[Comparison, ...] = field(repr=False)

    @property
    def one_shot_rows(self) -> list[Row]:
        """Rows whose runs trained a network."""
        return [row for row in self.rows if not row.experiment.kind.simulated]

    @cached_property
    def optimum(self) -> tuple[float, float]:
        """Best validation and best test accuracy of the space, each by itself."""
        return float(np.nanmax(self.valid)), float(np.nanmax(self.test))

    @cached_property
    def average(self) -> tuple[float, float]:
        """Mean validation and test accuracy over the space."""
        return float(np.nanmean(self.valid)), float(np.nanmean(self.test))

    @cached_property
    def percentile(self) -> FloatArray:
        """Share of the space that is not better on the test set [architecture], percent; NaN where not measured."""
        table, schedule = self.table, self.table.report_schedule
        return table.rank_percentile(np.arange(len(table)), self.dataset, schedule, table.test_split(self.dataset, schedule))


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


def make_report(table: Table, experiments: Sequence[AnyExperiment], readout: Readout = "step") -> Report:
    """Report experiments of one table.

    Raises:
        ValueError: the table lacks a full-training accuracy of a chosen architecture, or as for `final_values`.
    """
    here = {dataset: sorted((e for e in experiments if e.dataset == dataset), key=reading_order) for dataset in table.datasets}
    datasets = [_dataset_report(table, dataset, found, readout) for dataset, found in here.items() if found]
    return Report(table, readout, tuple(datasets))


def reading_order(condition: AnyCondition) -> tuple[int, int, str, str]:
    """Sort key of experiments: by kind, and within a kind the published ones first."""
    order = list(published.TOPOLOGY)
    known = order.index(condition.algorithm) if condition.algorithm in order else len(order)
    return list(KINDS).index(condition.kind_name), known, condition.algorithm, condition.hyperparameters


def _dataset_report(table: Table, dataset: str, experiments: Sequence[AnyExperiment], readout: Readout) -> DatasetReport:
    valid, test = full_training_accuracy(table, dataset)
    ddof = 0 if readout == "reference" else 1
    finals = [final_values(experiment, test, readout) for experiment in experiments]  # [experiment][run]
    medians = [(experiment.kind.name, float(np.median(values))) for experiment, values in zip(experiments, finals, strict=True)]
    rows = []
    for experiment, test_finals, rank in zip(experiments, finals, _ranks(experiments, finals), strict=True):
        target = max(median for kind, median in medians if kind == experiment.kind.name)
        chosen, valid_finals = final_architectures(experiment), final_values(experiment, valid, readout)
        _check_measured(table, experiment, chosen, np.isnan(valid_finals) | np.isnan(test_finals))
        default = experiment.deviations(table.search_schedule).keys() <= {*SAME_RESULT, "images"}
        rows.append(
            Row(
                experiment=experiment,
                label=experiment.label(table.search_schedule),
                chosen=chosen,
                test_finals=test_finals,
                valid=summarize(valid_finals, ddof),
                test=summarize(test_finals, ddof),
                rank=rank,
                seconds_to_best=seconds_to_reach(experiment, test, target),
                published=published.find(table.space.name, dataset, experiment.algorithm) if default else None,
            )
        )
    comparisons = compare_all([(row.label, row.test_finals) for row in rows])
    return DatasetReport(table, dataset, readout, valid, test, tuple(rows), tuple(comparisons))


def _check_measured(table: Table, experiment: AnyExperiment, chosen: IntArray, unknown: BoolArray) -> None:
    """Raise where the architecture that a run chose [run] has no full-training accuracy."""
    if unknown.any():
        raise ValueError(
            f"{table.path}: no full-training accuracy on {experiment.dataset} of architecture {chosen[unknown][0]}, "
            f"chosen by {experiment.algorithm} with seed {experiment.seeds[unknown][0]}"
        )


def _ranks(experiments: Sequence[AnyExperiment], finals: Sequence[FloatArray]) -> list[float]:
    """Average ranks among the black-box experiments with enough runs; NaN for the others."""
    ranked = [i for i, e in enumerate(experiments) if e.kind.simulated and len(finals[i]) >= MIN_RUNS]
    ranks = {}
    if len(ranked) > 1:
        ranking = rank_all([(str(i), finals[i]) for i in ranked])
        ranks = dict(zip(map(int, ranking.labels), ranking.ranks, strict=True))
    return [ranks.get(i, NAN) for i in range(len(experiments))]
