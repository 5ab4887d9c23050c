"""Checks of tables: whether a table has the published statistics of a benchmark that it should be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from benchmark_api.registry import Registry
from benchmark_api.spaces import SizeSpace
from benchmark_api.tables.table import Table


@dataclass(frozen=True)
class Statistic:
    """A statistic of a table, and what it is of the benchmark; equal to about the last published digit."""

    name: str
    found: float
    expected: float
    tolerance: float

    @property
    def agrees(self) -> bool:
        """Whether the table has the expected value."""
        return abs(self.found - self.expected) <= self.tolerance


@dataclass(frozen=True)
class Check:
    """A check of tables.

    Attributes:
        name: name in the registry.
        title: what is compared.
        statistics: yields the statistics of a table; raises ValueError if the table cannot be the benchmark for another reason.
    """

    name: str
    title: str
    statistics: Callable[[Table], Iterator[Statistic]]


CHECKS: Registry[Check] = Registry("check")


def _nats_size(table: Table) -> Iterator[Statistic]:
    """Yield statistics of all 32,768 architectures of the size space, trained on cifar10 for 90 epochs."""
    from scipy.stats import spearmanr  # half a second

    from benchmark_api.training.costs import space_costs  # imports PyTorch
    from benchmark_api.training.networks import Skeleton

    space = SizeSpace()
    if table.space != space:
        raise ValueError(f"{table.path}: not of the size space with eight widths and five layers: {table.space.spec()}")
    key = table.report_key("cifar10")
    accuracy = table.mean_accuracy(key, "90", table.test_split(key, "90"))
    measured = int((~np.isnan(accuracy)).sum())
    yield Statistic("architectures", measured, len(table), 0)
    if measured < len(table):
        return
    yield Statistic("mean", float(accuracy.mean()), 91.0855, 1e-4)
    yield Statistic("standard deviation", float(accuracy.std(ddof=1)), 1.2723, 1e-4)
    yield Statistic("minimum", float(accuracy.min()), 79.79, 0.005)
    yield Statistic("maximum", float(accuracy.max()), 93.65, 0.005)
    yield Statistic("median", float(np.median(accuracy)), 91.31, 0.005)
    widths = [sum(space.channels(space.architecture(index))) for index in range(len(space))]
    params = space_costs(space, Skeleton(classes=10), 32).params
    yield Statistic("ρ with the sum of widths", float(spearmanr(accuracy, widths).statistic), 0.9253, 1e-4)
    yield Statistic("ρ with params", float(spearmanr(accuracy, params).statistic), 0.8721, 1e-4)


CHECKS.register(
    Check(
        "nats-size",
        "NATS-Bench size space: cifar10, test accuracy after 90 epochs, percent; ρ is Spearman's rank correlation",
        _nats_size,
    )
)
