"""Rankings: accuracies of a sample of architectures with the weights of a trained supernet.

A ranking is derived from the last checkpoint of a one-shot run; a job of that kind subclasses `SupernetJob`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark_api.tables.table import Table
from benchmark_api.training.devices import enough_memory, find_device, one_thread
from benchmark_api.types import FloatArray
from experiments import store
from experiments.runs.one_shot import LESS_MEMORY, SupernetJob
from experiments.store import OneShotExperiment, RankingCondition


@dataclass(frozen=True, eq=False)
class RankingRun:
    """Inherited-weight accuracies [entry], percent, of architectures (official indices), with the supernet of the seed's run.

    The wall time is that of the evaluation.
    """

    seed: int
    wall_seconds: float
    architecture: npt.NDArray[np.int32]
    accuracy: FloatArray


def sample_architectures(table: Table, dataset: str, count: int, seed: int) -> npt.NDArray[np.int32]:
    """Draw architectures without replacement from those with a full training in the table; the sample is equal for all methods.

    Returns:
        Official indices [entry].

    Raises:
        ValueError: the table has fewer.
    """
    measured = np.flatnonzero((table.seeds(dataset, table.report_schedule) >= 0).any(axis=1))
    if not 2 <= count <= len(measured):
        raise ValueError(f"architectures must be 2 to the {len(measured):,} that the table has on {dataset}, got {count}")
    return np.random.default_rng(seed).choice(measured, count, replace=False).astype(np.int32)


def plan_ranking(
    experiment: OneShotExperiment, table: Table, results: Path, data: Path | None, *, again: bool = False, **sample: Any
) -> list[RankingJob]:
    """Return the rankings by an experiment's supernets that are not stored yet, one job for each existing checkpoint.

    Args:
        experiment: the finished runs.
        table: the table that architectures are drawn from.
        results: the results folder.
        data: folder of the data set's files; digits need none.
        again: remove stored rankings that other code made, so that they are made anew.
        sample: the fields of `RankingCondition` that are not those of the runs.

    Raises:
        StoreError: a stored ranking is damaged or out of place.
        ValueError: the table has fewer architectures, or the device cannot be used.
    """
    condition = RankingCondition(**{name: getattr(experiment, name) for name in store.ONE_SHOT_RUNS.fields}, **sample)
    sample_architectures(table, condition.dataset, condition.architectures, condition.sample_seed)
    find_device(condition.device)
    jobs = RankingJob.plan(condition, table, results, experiment.seeds.tolist(), data, again=again)
    return [job for job in jobs if job.checkpoint.exists()]


@dataclass(frozen=True)
class RankingJob(SupernetJob):
    """A ranking of architectures by the supernet of one run."""

    unit = "supernet"
    units = 1

    condition: RankingCondition

    def make(self) -> Iterator[int]:
        condition = self.condition
        with one_thread(), enough_memory(LESS_MEMORY):
            search = self.search(condition.device)
            search.load(self.checkpoint)
            indices = sample_architectures(self.open_table(), condition.dataset, condition.architectures, condition.sample_seed)
            started = time.perf_counter()
            architectures = map(search.task.space.architecture, indices.tolist())
            accuracy = search.inherited_accuracy(architectures, images=condition.images)
            run = RankingRun(self.seeds[0], time.perf_counter() - started, indices, accuracy)
            self.write(run, self.code_version, search.device)
            yield 1
