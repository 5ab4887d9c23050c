"""What searches found: the best architecture of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from benchmark_api.tables.table import Table
from experiments.report.names import full_title
from experiments.report.numbers import DatasetReport, Report, Row
from experiments.store import AnyExperiment


@dataclass(frozen=True)
class Found:
    """The architecture of the run with the best validation accuracy, or the one most chosen where runs saw none (`Row.best`).

    Attributes:
        dataset: the dataset searched on.
        algorithm: registry name of the search.
        title: title of the search with the settings that are not the defaults.
        index: official index of the architecture.
        architecture: its official string.
        runs: number of runs that chose it.
        of_runs: number of runs.
        seed: seed of the run.
        valid: its validation accuracy after full training, percent: mean over trials, or of the trial that the run saw.
        reported: its accuracy by the report's measure, percent: mean over trials, or over those that the run did not see.
        measure: the measure: "test accuracy" or "held-out trials".
        costs: values of the table's metrics, e.g. params and flops in millions.
        table: the table.
        experiment: the runs.
    """

    dataset: str
    algorithm: str
    title: str
    index: int
    architecture: str
    runs: int
    of_runs: int
    seed: int
    valid: float
    reported: float
    measure: str
    costs: Mapping[str, float]
    table: Table = field(repr=False)
    experiment: AnyExperiment = field(repr=False, compare=False)


def found(report: Report) -> list[Found]:
    """Return what each row of a report found, dataset by dataset."""
    return [_of_row(report.table, dataset, row) for dataset in report.datasets for row in dataset.rows]


def _of_row(table: Table, dataset: DatasetReport, row: Row) -> Found:
    index, saw_none = row.best, bool(np.isnan(row.valid_finals).all())
    chose = np.flatnonzero(row.chosen == index)  # [run]
    run = int(chose[0]) if saw_none else int(np.nanargmax(row.valid_finals))
    return Found(
        dataset=dataset.dataset,
        algorithm=row.experiment.algorithm,
        title=full_title(row.experiment, table),
        index=index,
        architecture=table.space.to_string(table.space.architecture(index)),
        runs=len(chose),
        of_runs=len(row.chosen),
        seed=int(row.experiment.seeds[run]),
        valid=float(dataset.accuracies.valid[index] if saw_none else row.valid_finals[run]),
        reported=float(row.finals[run]),
        measure=dataset.measure.name,
        costs=dataset.costs_of(index),
        table=table,
        experiment=row.experiment,
    )
