"""Local search: hill climbing over changes of one decision, restarted from a random architecture at each local optimum."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from algorithms.black_box.base import BlackBoxSearch, Evaluation, Query, SearchFinished, register
from benchmark_api.spaces import Architecture, SearchSpace


@register
class LocalSearch(BlackBoxSearch):
    """Algorithm 1 of the paper, repeated until the budget ends.

    The centre moves to its best neighbour while that is better. No architecture is evaluated twice: its first accuracy counts.
    """

    name = "local-search"
    title = "LOCAL"
    paper = "White et al., Exploring the Loss Landscape in Neural Architecture Search, UAI 2021, arXiv 2005.02960"

    @dataclass(frozen=True)
    class Config:
        """Hyperparameters of local search."""

        first_improvement: bool = False
        """Move to the first neighbour that is better (in random order), not to the best of all neighbours."""

    config: Config

    def _start(self) -> None:
        self._scores: dict[Architecture, float] = {}  # percent
        self._center: Architecture | None = None  # None: a random start comes next
        self._neighbors: list[Architecture] = []  # of the centre
        self._unseen: list[Architecture] = []  # neighbours not evaluated yet

    def _propose(self) -> Query:
        if self._center is None:
            return Query(unseen(self.space, self._scores, self.rng, self.name))  # Algorithm 1, step 1
        return Query(self._unseen.pop())  # step 2: evaluate all neighbours

    def _observe(self, query: Query, evaluation: Evaluation) -> None:
        self._scores[query.architecture] = score = evaluation.score
        if self._center is None or (self.config.first_improvement and score > self._scores[self._center]):
            self._move(query.architecture)
        while self._center is not None and not self._unseen:
            best = max(self._neighbors, key=self._scores.__getitem__, default=self._center)
            if self._scores[best] > self._scores[self._center]:
                self._move(best)  # step 2: move to the best neighbour
            else:  # step 3: a local optimum
                self._center = None

    def _move(self, center: Architecture) -> None:
        self._center = center
        self._neighbors = list(self.space.neighbors(center))
        unseen = [neighbor for neighbor in self._neighbors if neighbor not in self._scores]
        # In random order: a budget that ends in the middle of a neighbourhood then favours no decision.
        self._unseen = [unseen[i] for i in self.rng.permutation(len(unseen)).tolist()]


def unseen(space: SearchSpace, seen: Collection[Architecture], rng: np.random.Generator, name: str) -> Architecture:
    """Draw an architecture that a search of this name has not evaluated yet.

    Raises:
        SearchFinished: there is none.
    """
    if len(seen) == len(space):
        raise SearchFinished(f"{name}: all {len(space):,} architectures are evaluated")
    while (architecture := space.sample(rng)) in seen:
        pass
    return architecture
