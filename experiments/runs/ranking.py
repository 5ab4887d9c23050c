"""Rankings: accuracies of a sample of architectures with the weights of a trained supernet.

A ranking is derived from a checkpoint of a one-shot run, the last one or one that was kept; a job of that kind subclasses
`SupernetJob`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from algorithms.one_shot.inherited import Normalization, inherited_accuracy
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


@lru_cache(maxsize=1)
def population(table: Table, dataset: str, drawn_from: str) -> npt.NDArray[np.int32]:
    """Return the architectures that samples are drawn from: those with a full training in the table, as official indices [entry].

    Args:
        table: the table.
        dataset: one of its datasets.
        drawn_from: "architectures" for all, "classes" for the first one of each isomorphism class.
    """
    measured = np.flatnonzero((table.seeds(dataset, table.report_schedule) >= 0).any(axis=1))
    if drawn_from == "classes":
        space = table.space
        classes = [space.index(space.canonical(space.architecture(index))) for index in measured.tolist()]
        measured = measured[np.sort(np.unique(classes, return_index=True)[1])]
    return measured.astype(np.int32)


def sample_architectures(
    table: Table, dataset: str, count: int, seed: int, drawn_from: str = "architectures"
) -> npt.NDArray[np.int32]:
    """Draw architectures of the `population` without replacement; the sample is equal for all methods.

    Returns:
        Official indices [entry].

    Raises:
        ValueError: the population is smaller.
    """
    known = population(table, dataset, drawn_from)
    if not 2 <= count <= len(known):
        what = "that the table has" if drawn_from == "architectures" else "classes that the table has"
        raise ValueError(f"architectures must be 2 to the {len(known):,} {what} on {dataset}, got {count}")
    return np.random.default_rng(seed).choice(known, count, replace=False)


def ranking_conditions(
    experiment: OneShotExperiment, table: Table, architectures: int | None, epochs: int = 1, **options: Any
) -> list[RankingCondition]:
    """Return the conditions of rankings by an experiment's supernets, one for each of the last epochs.

    Args:
        experiment: the runs.
        table: the table that architectures are drawn from.
        architectures: size of the sample; None for the whole population.
        epochs: number of epochs.
        options: the other fields of `RankingCondition` that are not those of the runs.

    Raises:
        ValueError: the runs have fewer epochs, or the table has fewer architectures.
    """
    total = experiment.config_values()["epochs"]
    if not 1 <= epochs <= total:
        raise ValueError(f"epochs must be 1 to the {total} of {experiment.label(table)}, got {epochs}")
    if architectures is None:
        architectures = len(population(table, experiment.dataset, options["drawn_from"]))
    facts = {name: getattr(experiment, name) for name in store.ONE_SHOT_RUNS.fields}
    last = RankingCondition(**facts, architectures=architectures, **options)
    sample_architectures(table, last.dataset, architectures, last.sample_seed, last.drawn_from)
    return [*(replace(last, epoch=epoch) for epoch in range(total - epochs + 1, total)), last]


@dataclass(frozen=True)
class RankingJob(SupernetJob):
    """A ranking of architectures by the supernet of one run."""

    unit = "supernet"
    units = 1

    condition: RankingCondition

    def check(self) -> None:
        """Raise ValueError where the device cannot be used."""
        find_device(self.condition.device)

    @property
    def checkpoint(self) -> Path:
        epoch = self.condition.epoch
        return super().checkpoint if epoch is None else store.kept_supernet_path(self.run_path, epoch)

    def make(self) -> Iterator[int]:
        condition = self.condition
        with one_thread(), enough_memory(LESS_MEMORY):
            search = self.search(condition.device)
            search.load(self.checkpoint)
            sample = condition.architectures, condition.sample_seed, condition.drawn_from
            indices = sample_architectures(self.open_table(), condition.dataset, *sample)
            started = time.perf_counter()
            architectures = map(search.task.space.architecture, indices.tolist())
            normalization = cast(Normalization, condition.batch_norm)
            accuracy = inherited_accuracy(search, architectures, condition.images, normalization)
            run = RankingRun(self.seeds[0], time.perf_counter() - started, indices, accuracy)
            self.write(run, self.code_version, search.device)
            yield 1
