"""Multi-objective regularized evolution: aging evolution whose tournaments compare by fronts and crowding."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from algorithms.black_box.base import Evaluation, Query, register
from algorithms.black_box.objectives import Member, MultiObjectiveSearch, ObjectivesConfig, crowded_order
from benchmark_api.bounds import at_least
from benchmark_api.spaces import Architecture
from benchmark_api.spaces.base import below


@register
class MultiObjectiveEvolution(MultiObjectiveSearch):
    """Regularized evolution (Algorithm 1 of arXiv 1802.01548) for several objectives, as in Syne Tune.

    Members of a tournament are compared by the rank of their fronts in the population; unlike in Syne Tune, the less crowded one
    wins on ties (the crowded-comparison operator of NSGA-II). Several evaluations may be pending, as in `rea`.
    """

    name = "mo-rea"
    title = "MO-REA"
    paper = "Salinas et al., Syne Tune: A Library for Large Scale Hyperparameter Tuning, AutoML-Conf 2022, after arXiv 1802.01548"
    max_pending = None

    @dataclass(frozen=True)
    class Config(ObjectivesConfig):
        """Hyperparameters of multi-objective regularized evolution."""

        population_size: Annotated[int, at_least(1)] = 20
        """Architectures alive at a time (P); the first P evaluations are random."""

        tournament_size: Annotated[int, at_least(1)] = 5
        """Members drawn with replacement, the best of which becomes the parent (S)."""

    config: Config

    def _start(self) -> None:
        super()._start()
        self.population: deque[Member] = deque(maxlen=self.config.population_size)  # oldest first

    def _propose(self) -> Query:
        if len(self.population) < self.config.population_size:  # Algorithm 1: "while |population| < P"
            return Query(self.space.sample(self.rng))
        return Query(self.space.mutate(self._tournament(), self.rng))  # "child.arch <- MUTATE(parent.arch)"

    def _tournament(self) -> Architecture:
        """Return the best of `tournament_size` members drawn uniformly with replacement."""
        order = crowded_order(np.array([losses for losses, _ in self.population]))
        drawn = min(below(len(order), self.rng) for _ in range(self.config.tournament_size))
        return self.population[int(order[drawn])][1]  # "parent <- highest-accuracy model in sample"

    def _observe(self, query: Query, evaluation: Evaluation) -> None:
        losses = self.losses(evaluation)
        self.front.add(losses, query.architecture)
        # "add child to right of population; remove dead from left": a full deque drops its oldest member.
        self.population.append((losses, query.architecture))
