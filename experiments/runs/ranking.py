"""Rankings: accuracies of a sample of architectures with the weights of a trained supernet.

A ranking is derived from the last checkpoint of a one-shot run; a job of that kind subclasses `SupernetJob`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmark_api.tables.table import Table
from benchmark_api.training.devices import enough_memory, find_device, one_thread
from experiments import store
from experiments.runs.one_shot import LESS_MEMORY, SupernetJob, version_of
from experiments.store import OneShotExperiment, RankingCondition


@dataclass(frozen=True, eq=False)
class RankingRun:
    """Inherited-weight accuracies of a sample of architectures, with the supernet of one run.

    Attributes:
        seed: seed of the run.
        wall_seconds: wall time of the evaluation.
        architecture: official index [entry].
        accuracy: accuracy with the weights of the supernet [entry], percent.
    """

    seed: int
    wall_seconds: float
    architecture: npt.NDArray[np.int32]
    accuracy: npt.NDArray[np.float64]


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
    experiment: OneShotExperiment,
    table: Table,
    results: Path,
    *,
    architectures: int,
    sample_seed: int,
    images: int | None,
    device: str,
    root: Path | None,
) -> list[RankingJob]:
    """Return the rankings by an experiment's supernets that are not stored yet, one job for each existing checkpoint.

    Args:
        experiment: the finished runs.
        table: the table that architectures are drawn from.
        results: the results folder.
        architectures: size of the sample.
        sample_seed: seed of the sample.
        images: number of images of x-valid to evaluate on; None for all.
        device: PyTorch's name of the device.
        root: folder of the data set's files; digits need none.

    Raises:
        StoreError: a stored ranking is damaged or out of place.
        ValueError: the table has fewer architectures, or the device cannot be used.
    """
    sample_architectures(table, experiment.dataset, architectures, sample_seed)
    find_device(device)
    condition = RankingCondition(
        **{name: getattr(experiment, name) for name in store.ONE_SHOT_RUNS.fields},
        architectures=architectures,
        sample_seed=sample_seed,
        images=images,
        device=device,
    )
    missing = store.missing_pieces(store.stored_seeds(results, condition), experiment.seeds.tolist(), block=1)
    config, path, version = condition.config(), table.path.resolve(), version_of(condition, table)
    root = root and root.absolute()
    pieces = [RankingJob(condition, config, seeds, path, version, root, results=results) for seeds in missing]
    return [piece for piece in pieces if piece.checkpoint.exists()]


@dataclass(frozen=True)
class RankingJob(SupernetJob):
    """A ranking of architectures by the supernet of one run."""

    unit = "supernet"

    condition: RankingCondition

    @property
    def units(self) -> int:
        return 1

    def make(self) -> Iterator[int]:
        condition = self.condition
        with one_thread(), enough_memory(LESS_MEMORY):
            search = self.search(condition.device)
            search.load(self.checkpoint)
            indices = sample_architectures(self.open_table(), condition.dataset, condition.architectures, condition.sample_seed)
            started = time.perf_counter()
            space = search.task.space
            accuracy = search.inherited_accuracy([space.architecture(index) for index in indices], images=condition.images)
            run = RankingRun(self.seeds[0], time.perf_counter() - started, indices, np.asarray(accuracy, dtype=np.float64))
            table_path = str(self.table_path)
            store.write_piece(self.results, condition, [run], self.code_version, table_path, self.machine(search))
            yield 1
