"""NSGA-II: a genetic algorithm whose survivors are the best fronts, and on the last of these the least crowded members."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from algorithms.black_box.base import Evaluation, Query, register
from algorithms.black_box.objectives import Member, MultiObjectiveSearch, ObjectivesConfig, crowded_order
from benchmark_api.bounds import at_least, between
from benchmark_api.spaces import Architecture
from benchmark_api.spaces.base import below

ATTEMPTS = 100
"""Children drawn for a proposal; the last one is evaluated again if all have been evaluated before."""


@register
class NSGA2(MultiObjectiveSearch):
    """The main loop of section III-C of the paper, with the operators of its binary strings on strings of choices.

    Several evaluations may be pending: a generation ends when as many results have arrived as the population has members.
    Differences: small populations, one child of each crossover, and no architecture is evaluated twice while there are others.
    """

    name = "nsga2"
    title = "NSGA-II"
    paper = (
        "Deb et al., A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II, IEEE TEVC 6(2), 2002, doi 10.1109/4235.996017"
    )
    max_pending = None

    @dataclass(frozen=True)
    class Config(ObjectivesConfig):
        """Hyperparameters of NSGA-II."""

        population_size: Annotated[int, at_least(1)] = 20
        """Parents of a generation, and its children (N)."""

        crossover_probability: Annotated[float, between(0, 1)] = 0.9
        """Probability that a child has two parents (p_c)."""

        mutations: Annotated[float, at_least(0)] = 1.0
        """Expected number of decisions that a mutation changes: p_m times the number of decisions."""

    config: Config

    def _start(self) -> None:
        super()._start()
        self.parents: list[Member] = []  # P_t, best first by ≺_n; empty during the first generation
        self.children: list[Member] = []  # Q_t
        self._evaluated: set[Architecture] = set()

    def _propose(self) -> Query:
        for _ in range(ATTEMPTS):
            architecture = self._child() if self.parents else self.space.sample(self.rng)  # "a random parent population P_0"
            if architecture not in self._evaluated:
                break
        self._evaluated.add(architecture)
        return Query(architecture)

    def _child(self) -> Architecture:
        """Return a new member of Q_t: "make-new-pop"."""
        child = self._tournament()
        if self.rng.random() < self.config.crossover_probability:
            point, other = 1 + below(max(len(child) - 1, 1), self.rng), self._tournament()
            child = child[:point] + other[point:]  # single-point crossover
        for decision in np.flatnonzero(self.rng.random(len(child)) < self.config.mutations / len(child)).tolist():
            child = self._changed(child, decision)
        return child

    def _tournament(self) -> Architecture:
        """Return the better of two parents drawn with replacement: binary tournament selection by ≺_n."""
        return self.parents[min(below(len(self.parents), self.rng), below(len(self.parents), self.rng))][1]

    def _changed(self, architecture: Architecture, decision: int) -> Architecture:
        """Return an architecture with another choice in a decision: bitwise mutation, of a string of choices."""
        choices = self.space.cardinalities[decision]
        choice = (architecture[decision] + 1 + below(max(choices - 1, 1), self.rng)) % choices
        return (*architecture[:decision], choice, *architecture[decision + 1 :])

    def _observe(self, query: Query, evaluation: Evaluation) -> None:
        losses = self.losses(evaluation)
        self.front.add(losses, query.architecture)
        self.children.append((losses, query.architecture))
        if len(self.children) == self.config.population_size:
            union = self.parents + self.children  # R_t = P_t ∪ Q_t
            order = crowded_order(np.array([losses for losses, _ in union]))
            self.parents = [union[i] for i in order[: self.config.population_size].tolist()]  # P_{t+1}
            self.children = []
