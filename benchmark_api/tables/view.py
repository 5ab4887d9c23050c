"""A search's view of a table: what a search may see."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from benchmark_api.spaces import SearchSpace
from benchmark_api.tables.metrics import Direction, Limits, within
from benchmark_api.tables.schema import check_numbers
from benchmark_api.types import BoolArray, FloatArray, IntArray

MAX_LISTED = 12
"""Largest number of epochs that a message lists."""


def listed(epochs: Iterable[int]) -> str:
    """Return lengths of trainings as text, for messages."""
    texts = [*map(str, epochs)]
    return ", ".join(texts[:MAX_LISTED]) + (" ..." if len(texts) > MAX_LISTED else "")


@dataclass(frozen=True)
class ValidationView:
    """Search's view of a table: validation accuracies, training times and costs, but no test accuracy.

    Attributes:
        space: the search space.
        dataset: the dataset searched on, e.g. "cifar10".
        key: the dataset key of the accuracies, e.g. "cifar10-valid".
        schedule: the schedule's name.
        schedule_epochs: its length in epochs.
        epochs: the 0-based epochs with stored validation accuracies, ascending.
        accuracy: [architecture, trial, len(epochs)], percent, NaN where there is none.
        seeds: [architecture, trial], ascending, -1 where there is no trial.
        train_seconds: [architecture, trial], one training epoch; NaN where not measured.
        validation_seconds: [architecture, trial], one pass over the validation set; 0 in a table that did not measure it.
        costs: metrics [architecture] by name, e.g. params, flops and latency, in the table's units; none that is NaN only.
        directions: whether less or more of each of `costs` is better, by name.
    """

    space: SearchSpace
    dataset: str
    key: str
    schedule: str
    schedule_epochs: int
    epochs: tuple[int, ...]
    accuracy: FloatArray
    seeds: IntArray
    train_seconds: FloatArray
    validation_seconds: FloatArray
    costs: Mapping[str, FloatArray] = field(default_factory=dict)
    directions: Mapping[str, Direction] = field(default_factory=dict)

    @property
    def lengths(self) -> tuple[int, ...]:
        """Lengths of the trainings that have validation accuracies, epochs, ascending."""
        return tuple(epoch + 1 for epoch in self.epochs)

    @cached_property
    def trials(self) -> list[int]:
        """Number of trials [architecture]."""
        counts: list[int] = (self.seeds >= 0).sum(axis=1).tolist()
        return counts

    @cached_property
    def measured(self) -> BoolArray:
        """Whether each architecture [architecture] has a trial."""
        return np.asarray((self.seeds >= 0).any(axis=1))

    @property
    def gaps(self) -> str:
        """What a table of some architectures means for a search, in words; empty where all have a trial."""
        count = np.count_nonzero(self.measured)
        if count == len(self.space):
            return ""
        where = f"{count:,} of {len(self.space):,} architectures have a trial of {self.key}/{self.schedule}"
        return f"{where}; proposals of others are rejected, free of charge"

    def check(self) -> None:
        """Check all numbers that a search may see. A run trusts them: this is for those who plan runs, once.

        Raises:
            ValueError: an accuracy is none, a time is not positive, or no training has a time.
        """
        stem = f"{self.key}/{self.schedule}"
        check_numbers(f"{stem}/x-valid/accuracy", self.accuracy)
        check_numbers(f"{stem}/train/seconds", self.train_seconds)
        check_numbers(f"{stem}/x-valid/seconds", self.validation_seconds)
        if np.isnan(self.train_seconds).all():
            raise ValueError(f"{stem} has no training times (train/seconds), so that no clock would move")
        gone = self.seeds < 0
        if (gone[:, :-1] & ~gone[:, 1:]).any():
            raise ValueError(f"{stem}/seeds has a trial after one that does not exist (-1); expected those at the end")

    @property
    def shortest_query(self) -> float:
        """Seconds of the shortest training that any query can ask for."""
        return float(self.lengths[0] * np.nanmin(self.train_seconds) + np.nanmin(self.validation_seconds))

    @property
    def mean_query(self) -> float:
        """Seconds of a full training and an evaluation, mean over architectures and trials; NaN without times."""
        if np.isnan(self.train_seconds).all() or np.isnan(self.validation_seconds).all():
            return math.nan
        with np.errstate(over="ignore", invalid="ignore"):  # numbers of a damaged table, which `check` refuses
            means = (np.nanmean(seconds, dtype=np.float64) for seconds in (self.train_seconds, self.validation_seconds))
            train, validation = map(float, means)
        return self.schedule_epochs * train + validation

    def allowed(self, limits: Limits) -> BoolArray:
        """Whether each architecture [architecture] has a trial, and metrics within limits; one without a metric is not within.

        Raises:
            ValueError: there is no such metric, or no architecture is within the limits.
        """
        allowed = self.measured.copy()
        for name, limit in limits.items():
            if name not in self.costs:
                raise ValueError(f"no metric {name!r} of {self.key}/{self.schedule}; it has {', '.join(self.costs) or 'none'}")
            allowed &= within(self.costs[name], limit)
        if not allowed.any():
            raise ValueError(f"no architecture of {self.key}/{self.schedule} is within the limits of {', '.join(limits)}")
        return allowed
