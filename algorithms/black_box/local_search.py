"""Local search: hill climbing over one-decision changes, started again from a random architecture at a local optimum."""

from __future__ import annotations

from dataclasses import dataclass

from algorithms.black_box.base import BlackBoxSearch, Query, SearchFinished, register
from benchmark_api.spaces import Architecture


@register
class LocalSearch(BlackBoxSearch):
    """Algorithm 1 of the paper, repeated until the budget ends.

    The centre moves to its best neighbour while that is better. No architecture is evaluated twice: one that was met before
    counts with the accuracy it had then.
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
        self._accuracies: dict[Architecture, float] = {}  # percent
        self._center: Architecture | None = None  # None: a random start is due
        self._neighbors: list[Architecture] = []  # of the centre
        self._unseen: list[Architecture] = []  # neighbours still to be evaluated

    def _propose(self) -> Query:
        if self._center is None:
            return Query(self._random_unseen())
        return Query(self._unseen.pop())

    def _observe(self, query: Query, accuracy: float) -> None:
        self._accuracies[query.architecture] = accuracy
        if self._center is None or (self.config.first_improvement and accuracy > self._accuracies[self._center]):
            self._move(query.architecture)
        while self._center is not None and not self._unseen:
            best = max(self._neighbors, key=self._accuracies.__getitem__, default=self._center)
            if self._accuracies[best] > self._accuracies[self._center]:
                self._move(best)
            else:  # a local optimum
                self._center = None

    def _move(self, center: Architecture) -> None:
        self._center = center
        self._neighbors = list(self.space.neighbors(center))
        unseen = [neighbor for neighbor in self._neighbors if neighbor not in self._accuracies]
        # In random order: a budget that ends in the middle of a neighbourhood then favours no decision.
        self._unseen = [unseen[i] for i in self.rng.permutation(len(unseen)).tolist()]

    def _random_unseen(self) -> Architecture:
        if len(self._accuracies) == len(self.space):
            raise SearchFinished(f"{self.name}: all {len(self.space):,} architectures are evaluated")
        while (architecture := self.space.sample(self.rng)) in self._accuracies:
            pass
        return architecture
