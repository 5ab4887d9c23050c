"""Several objectives: the base class of searches for a Pareto front, dominance, non-dominated sorting, crowding distances.

All objectives are losses, of which less is better: the validation error in percent, then the metrics of `objectives`, negated
where more is better. A failed evaluation, and one whose metric is not measured, has infinite losses: it is on no front.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from operator import le
from typing import Generic, TypeVar

import numpy as np

from algorithms.black_box.base import BlackBoxSearch, Evaluation
from benchmark_api.bounds import Bounded
from benchmark_api.spaces import Architecture
from benchmark_api.types import BoolArray, FloatArray, IntArray

Losses = tuple[float, ...]
Member = tuple[Losses, Architecture]
ItemT = TypeVar("ItemT")


class MissingMetric(ValueError):
    """A search has an objective that is no metric of the table; the message has those of the table."""


@dataclass(frozen=True)
class ObjectivesConfig(Bounded):
    """Hyperparameters of all searches with several objectives."""

    objectives: tuple[str, ...] = ("params",)
    """Metrics of the table that are objectives besides the validation error, e.g. latency@pixel3 params."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.objectives or len(set(self.objectives)) < len(self.objectives):
            raise ValueError(f"objectives must be one or more different metrics, got {self.objectives!r}")


class MultiObjectiveSearch(BlackBoxSearch):
    """A search with several objectives.

    Attributes:
        front: the front of all evaluations so far.

    Raises:
        MissingMetric: an objective is no metric of the table.
    """

    needs = frozenset({"costs"})
    incumbent_rule = "front"

    config: ObjectivesConfig

    def _start(self) -> None:
        self.front: Front[Architecture] = Front()
        known, objectives = self.directions, self.config.objectives
        if known is not None and (unknown := [name for name in objectives if name not in known]):
            raise MissingMetric(f"{self.name}: no metric {unknown[0]!r}; the table has {', '.join(known) or 'none'}")
        self._signs = [-1.0 if (known or {}).get(name) == "maximize" else 1.0 for name in objectives]

    def losses(self, evaluation: Evaluation) -> Losses:
        """Return the objectives of an evaluation, less is better; a failed one may lack costs."""
        failed = (math.inf,) * (1 + len(self._signs))
        if math.isinf(evaluation.score):
            return failed
        costs = [sign * evaluation.costs[name] for sign, name in zip(self._signs, self.config.objectives, strict=True)]
        found = (100.0 - evaluation.score, *costs)
        return found if all(map(math.isfinite, found)) else failed


class Front(Generic[ItemT]):
    """Evaluations that no other one dominates (an archive): losses and what has them, in the order of evaluation."""

    def __init__(self) -> None:
        self.members: list[tuple[Losses, ItemT]] = []

    def add(self, losses: Losses, item: ItemT) -> bool:
        """Add an evaluation that no member dominates or equals, drop members that it dominates; return whether it was added."""
        if math.isinf(losses[0]) or any(all(map(le, other, losses)) for other, _ in self.members):
            return False
        self.members = [member for member in self.members if not all(map(le, losses, member[0]))]
        self.members.append((losses, item))
        return True


def non_dominated_ranks(losses: FloatArray) -> IntArray:
    """Return the number of the front of each member, 0 for members that nobody dominates.

    This is fast-non-dominated-sort (Deb et al., IEEE Transactions on Evolutionary Computation 6(2), 2002, section III-A). It is
    part of the method, so it is here; `moocore.pareto_rank` takes a tenth of the time for 20 members (12 to 122 microseconds).

    Args:
        losses: [member, objective].
    """
    no_worse = np.all(losses[:, None] <= losses, axis=2)  # [p, q]
    dominates: BoolArray = no_worse & ~no_worse.T  # p ≺ q; row p is the set S_p
    count = dominates.sum(axis=0)  # n_q, the number of members that dominate q
    ranks = np.full(len(losses), -1)
    front = np.flatnonzero(count == 0)  # F_1
    rank = 0
    while front.size:
        ranks[front] = rank
        count -= dominates[front].sum(axis=0)  # "for each q in S_p: n_q = n_q - 1"
        rank += 1
        front = np.flatnonzero((count == 0) & (ranks < 0))  # Q, the next front
    return ranks


def crowding_distances(losses: FloatArray) -> FloatArray:
    """Return crowding-distance-assignment (section III-B of the same paper) of the members of one front.

    Infinite for the ends of each objective; 0 for failed evaluations.

    Args:
        losses: [member, objective]; all of them are finite, or none is.
    """
    distances = np.zeros(len(losses))
    if not np.isfinite(losses).all():
        return distances
    for values in losses.T:  # "for each objective m"
        order = np.argsort(values, kind="stable")
        distances[order[[0, -1]]] = np.inf
        if span := values[order[-1]] - values[order[0]]:  # f_m^max - f_m^min; all are equal if it is 0
            distances[order[1:-1]] += (values[order[2:]] - values[order[:-2]]) / span
    return distances


def crowded_order(losses: FloatArray) -> IntArray:
    """Return positions of members, best first, by the crowded-comparison operator ≺_n: by rank, then the less crowded one.

    Ties stay in their order.

    Args:
        losses: [member, objective].
    """
    ranks, distances = non_dominated_ranks(losses), np.empty(len(losses))
    for rank in range(ranks.max(initial=-1) + 1):
        distances[ranks == rank] = crowding_distances(losses[ranks == rank])
    return np.lexsort((-distances, ranks))
