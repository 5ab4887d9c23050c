"""A task so small that an epoch of any one-shot search takes a fraction of a second, and settings that go with it."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from algorithms.one_shot import ONE_SHOT
from algorithms.one_shot.checkpoint import read
from algorithms.one_shot.config import OneShotConfig
from algorithms.one_shot.metrics import EPOCH_METRICS, EpochMetrics
from algorithms.one_shot.search import OneShotSearch
from algorithms.one_shot.task import Execution, Task
from benchmark_api.spaces import Architecture, SizeSpace, TopologySpace
from benchmark_api.training.datasets import Dataset, Split
from benchmark_api.training.networks import Skeleton

SMALL: dict[str, Any] = {
    "epochs": 2,
    "batch": 32,
    "eval_batch": 16,
    "candidates": 5,
    "updates": 2,
    "samples": 3,
    "tuning": 0.0,
    "flops_target": 0.015,  # of 0.003 to 0.03
    "parts": 2,  # of two channels
}


def dataset(train: int = 64, valid: int = 40) -> Dataset:
    """Noisy pictures of three classes, with all augmentation there is."""
    draw = torch.Generator().manual_seed(0)
    patterns = torch.rand(3, 2, 8, 8, generator=draw)
    splits = {}
    for name, count in (("train", train), ("x-valid", valid)):
        labels = torch.randint(3, (count,), generator=draw)
        splits[name] = Split(patterns[labels] + 0.2 * torch.randn(count, 2, 8, 8, generator=draw), labels)
    mean, std = torch.full((2, 1, 1), 0.5), torch.full((2, 1, 1), 0.35)
    return Dataset("patterns", 3, mean, std, flip=True, padding=1, splits=splits)


TASK = Task(TopologySpace(), dataset(), Skeleton(classes=3, input_channels=2, channels=2, cells=1))
SIZE_TASK = Task(SizeSpace((1, 2, 4), 5), TASK.dataset, Skeleton(classes=3, input_channels=2))


def task_for(search_class: type[OneShotSearch]) -> Task:
    """Return the task in a method's space."""
    return next(task for task in (TASK, SIZE_TASK) if search_class.searches(task.space))


def small(search_class: type[OneShotSearch], values: Mapping[str, Any]) -> OneShotConfig:
    """Return a method's configuration with some values; those of hyperparameters that it does not have are ignored."""
    fields = {field.name for field in dataclasses.fields(search_class.Config)}
    return search_class.Config(**{name: value for name, value in values.items() if name in fields})


def task_of(name: str) -> Task:
    """Return the task in the space of a registered method."""
    return task_for(ONE_SHOT[name])


def some_architecture(name: str) -> Architecture:
    """Return an architecture of a method's space, none of whose choices is the first."""
    return tuple(1 + number % (count - 1) for number, count in enumerate(task_of(name).space.cardinalities))


def config(name: str, **changes: Any) -> OneShotConfig:
    """Return the small settings of a method, some of them changed."""
    return small(ONE_SHOT[name], {**SMALL, **changes})


def make(name: str, seed: int = 0, execution: Execution | None = None, **changes: Any) -> OneShotSearch:
    """Return the small search of a registered method."""
    return ONE_SHOT[name](task_of(name), config(name, **changes), seed=seed, execution=execution)


def run(search: OneShotSearch) -> list[list[Any]]:
    """Train to the end; return the metrics of all epochs but times and memory, plain and comparable."""
    while search.epoch < search.config.epochs:
        search.train_epoch()
    return [plain(metrics) for metrics in search.metrics]


def plain(metrics: EpochMetrics) -> list[Any]:
    """Return the metrics of an epoch that are equal in equal runs, the number of the epoch and the architecture first."""
    measured = {metric.name for metric in EPOCH_METRICS if metric.measured}
    return [value for name, value in metrics.to_json().items() if name not in measured]


def state(search: OneShotSearch) -> dict[str, npt.NDArray[np.generic]]:
    """Return all arrays of a search's checkpoint."""
    with tempfile.TemporaryDirectory() as folder:
        search.save(Path(folder, "saved"))
        return {name: array.copy() for name, array in read(Path(folder, "saved"))[0].items()}
