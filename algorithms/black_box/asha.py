"""ASHA: successive halving in which a worker never waits for a rung to end.

An architecture is promoted as soon as it is among the best that its rung has so far; where none is, the lowest rung grows.
Quotations are of Algorithm 2 of the paper (arXiv 1810.05934).
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from heapq import heappop, heappush
from itertools import pairwise

from algorithms.black_box.base import BlackBoxSearch, Evaluation, Query, register
from algorithms.black_box.hyperband import HalvingConfig, rung_epochs
from benchmark_api.spaces import Architecture

Result = tuple[float, int, Architecture]
"""Minus the score, the number of the result, the architecture: ordered from the best to the worst, the earlier one on ties."""


class Rung:
    """Results after trainings of one length, and which of them are promoted.

    Attributes:
        epochs: length of the trainings.
    """

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self._results: list[Result] = []  # sorted
        self._rest: list[Result] = []  # neither promoted nor failed, a heap

    def add(self, score: float, number: int, architecture: Architecture) -> None:
        """Add a result with its score, percent, -inf for a failed training."""
        result = -score, number, architecture
        insort(self._results, result)
        if score > -math.inf:
            heappush(self._rest, result)

    def promote(self, eta: int) -> Architecture | None:
        """Return the best architecture of the top 1/eta that is not promoted yet, and promote it; None where all are."""
        candidates = len(self._results) // eta  # "top_k(rung k, |rung k|/η)"
        # All results before the best of the rest are promoted or failed: it is a candidate if these are fewer.
        if self._rest and bisect_left(self._results, self._rest[0]) < candidates:
            return heappop(self._rest)[2]  # "promotable[0]"
        return None


@register
class ASHA(BlackBoxSearch):
    """Asynchronous successive halving, for any number of workers.

    Raises:
        ValueError: a hyperparameter is out of range, or `min_epochs` exceeds the schedule.
    """

    name = "asha"
    title = "ASHA"
    paper = "Li et al., A System for Massively Parallel Hyperparameter Tuning, MLSys 2020, arXiv 1810.05934"
    Config = HalvingConfig
    needs = frozenset({"fidelities"})
    max_pending = None
    config: HalvingConfig

    def _start(self) -> None:
        self._rungs = list(map(Rung, self.training_epochs(self.config, self.max_epochs)))
        self._rung_of = {rung.epochs: rung for rung in self._rungs}

    @classmethod
    def training_epochs(cls, config: HalvingConfig, max_epochs: int) -> list[int]:
        return rung_epochs(config.min_epochs, max_epochs, config.eta)

    def _propose(self) -> Query:  # "get_job()"
        for rung, above in reversed([*pairwise(self._rungs)]):  # "for k = ⌊log_η(R/r)⌋ − s − 1, …, 1, 0"
            architecture = rung.promote(self.config.eta)
            if architecture is not None:
                return Query(architecture, above.epochs)
        return Query(self.space.sample(self.rng), self._rungs[0].epochs)  # "If not, grow bottom rung."

    def _observe(self, query: Query, evaluation: Evaluation) -> None:
        rung = self._rung_of[query.epochs or self.max_epochs]
        rung.add(evaluation.score, self._told, query.architecture)  # "Update configuration θ in rung k with loss l."
