"""Regularized (aging) evolution: the oldest member of the population is removed, not the worst."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from operator import itemgetter
from typing import Annotated

from algorithms.black_box.base import BlackBoxSearch, Evaluation, Query, register
from benchmark_api.bounds import Bounded, at_least
from benchmark_api.spaces import Architecture

_SCORE = itemgetter(0)


@register
class RegularizedEvolution(BlackBoxSearch):
    """Algorithm 1 of the paper, with the population and tournament of NATS-Bench.

    The result is the best of the whole history, not of the last population. Several evaluations may be pending, as on the
    paper's asynchronous workers: members age in the order in which their results arrive.
    """

    name = "rea"
    title = "REA"
    paper = "Real et al., Regularized Evolution for Image Classifier Architecture Search, AAAI 2019, arXiv 1802.01548"
    max_pending = None

    @dataclass(frozen=True)
    class Config(Bounded):
        """Hyperparameters of regularized evolution."""

        population_size: Annotated[int, at_least(1)] = 10
        """Architectures alive at a time (P); the first P evaluations are random (within the budget, unlike the reference's)."""

        tournament_size: Annotated[int, at_least(1)] = 3
        """Members drawn with replacement, the best of which becomes the parent (S)."""

        redraw: bool = False
        """Let a mutation draw the old choice again (a wasted evaluation). The reference does so on the size space only."""

    config: Config

    def _start(self) -> None:
        self.population: deque[tuple[float, Architecture]] = deque(maxlen=self.config.population_size)  # scores, oldest first

    def _propose(self) -> Query:
        if len(self.population) < self.config.population_size:  # Algorithm 1: "while |population| < P"
            return Query(self.space.sample(self.rng))
        return Query(self.space.mutate(self._tournament(), self.rng, redraw=self.config.redraw))  # "child.arch <- MUTATE(...)"

    def _tournament(self) -> Architecture:
        """Return the best of `tournament_size` members drawn uniformly with replacement; the first drawn on ties."""
        population, size, random = self.population, len(self.population), self.rng.random
        # A float times the size: five times as fast as Generator.integers, and uniform to 2^-53.
        drawn = [population[int(random() * size)] for _ in range(self.config.tournament_size)]
        return max(drawn, key=_SCORE)[1]  # "parent <- highest-accuracy model in sample"

    def _observe(self, query: Query, evaluation: Evaluation) -> None:
        # "add child to right of population; remove dead from left": a full deque drops its oldest member.
        self.population.append((evaluation.score, query.architecture))
