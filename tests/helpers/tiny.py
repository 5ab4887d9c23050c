"""A task so small that an epoch of any weight-sharing search takes a fraction of a second, and settings that go with it."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch

from algorithms.one_shot import ONE_SHOT
from algorithms.one_shot.metrics import EpochMetrics
from algorithms.one_shot.search import OneShotConfig, OneShotSearch
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
    "flops_target": 0.015,  # of 0.003 to 0.03
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


def task_of(name: str) -> Task:
    """The task in a method's space."""
    return TASK if ONE_SHOT[name].space == "topology" else SIZE_TASK


def some_architecture(name: str) -> Architecture:
    """An architecture of a method's space, all of whose choices are not the first."""
    return tuple(1 + number % (count - 1) for number, count in enumerate(task_of(name).space.cardinalities))


def config(name: str, **changes: Any) -> OneShotConfig:
    """The small settings of a method, of which some may be changed."""
    fields = {field.name for field in dataclasses.fields(ONE_SHOT[name].Config)}
    return ONE_SHOT[name].Config(**{key: value for key, value in SMALL.items() if key in fields} | changes)


def make(name: str, seed: int = 0, execution: Execution | None = None, **changes: Any) -> OneShotSearch:
    return ONE_SHOT[name](task_of(name), config(name, **changes), seed=seed, execution=execution)


def run(search: OneShotSearch) -> list[list[Any]]:
    """Train to the end; all figures of all epochs but times and memory, plain and comparable."""
    while search.epoch < search.config.epochs:
        search.train_epoch()
    return [plain(figures) for figures in search.metrics]


def plain(figures: EpochMetrics) -> list[Any]:
    measured = ("train_seconds", "derive_seconds", "peak_memory")
    values = {**dataclasses.asdict(figures), "arch_weights": figures.arch_weights.tolist()}
    return [value for name, value in values.items() if name not in measured]
