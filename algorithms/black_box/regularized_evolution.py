"""Regularized (aging) evolution: the oldest member of the population dies, not the worst."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from algorithms.black_box.base import BlackBoxSearch, Query, register
from benchmark_api.spaces import Architecture


@register
class RegularizedEvolution(BlackBoxSearch):
    """Algorithm 1 of the paper, with the population and tournament of NATS-Bench.

    The result is the best of the whole history, not of the last population.
    """

    name = "rea"
    title = "REA"
    paper = "Real et al., Regularized Evolution for Image Classifier Architecture Search, AAAI 2019, arXiv 1802.01548"

    @dataclass(frozen=True)
    class Config:
        """Hyperparameters of regularized evolution.

        Raises:
            ValueError: a value is out of range.
        """

        population_size: int = 10
        """Architectures alive at a time (P); the first P evaluations are random (within the budget, unlike the reference's)."""

        tournament_size: int = 3
        """Members drawn with replacement, the best of which becomes the parent (S)."""

        redraw: bool = False
        """Let a mutation draw the old choice again (a wasted evaluation). The reference does so on the size space only."""

        def __post_init__(self) -> None:
            if self.population_size < 1:
                raise ValueError(f"population_size must be at least 1, got {self.population_size}")
            if self.tournament_size < 1:
                raise ValueError(f"tournament_size must be at least 1, got {self.tournament_size}")

    config: Config

    def _start(self) -> None:
        self.population: deque[tuple[float, Architecture]] = deque(maxlen=self.config.population_size)  # oldest first

    def _propose(self) -> Query:
        if len(self.population) < self.config.population_size:
            return Query(self.space.sample(self.rng))
        return Query(self.space.mutate(self._tournament(), self.rng, redraw=self.config.redraw))

    def _tournament(self) -> Architecture:
        """The best of `tournament_size` members drawn uniformly with replacement; the first drawn on ties."""
        population, random = self.population, self.rng.random
        # A float times the size: five times as fast as Generator.integers, and uniform to 2^-53.
        drawn = [population[int(random() * len(population))] for _ in range(self.config.tournament_size)]
        return max(drawn, key=lambda member: member[0])[1]

    def _observe(self, query: Query, accuracy: float) -> None:
        self.population.append((accuracy, query.architecture))  # a full deque drops its oldest member
