"""Pareto local search: evaluate the neighbours of the members of the front until all of them are explored, then restart."""

from __future__ import annotations

from dataclasses import dataclass

from algorithms.black_box.base import Evaluation, Query, register
from algorithms.black_box.local_search import unseen
from algorithms.black_box.objectives import MultiObjectiveSearch, ObjectivesConfig
from benchmark_api.spaces import Architecture
from benchmark_api.spaces.base import below


@register
class ParetoLocalSearch(MultiObjectiveSearch):
    """Pareto local search of the paper, restarted, with the front kept, at each Pareto local optimum set.

    No architecture is evaluated twice: its first losses count.
    """

    name = "mo-local-search"
    title = "MO-LOCAL"
    paper = "Paquete et al., Pareto Local Optimum Sets in the Biobjective TSP, LNEMS 535, 2004, doi 10.1007/978-3-642-17144-4_7"

    @dataclass(frozen=True)
    class Config(ObjectivesConfig):
        """Hyperparameters of Pareto local search."""

    config: Config

    def _start(self) -> None:
        super()._start()
        self._evaluated: set[Architecture] = set()
        self._explored: set[Architecture] = set()  # members of the front whose neighbours are evaluated, or about to be
        self._next: list[Architecture] = []  # neighbours to evaluate

    def _propose(self) -> Query:
        while not self._next:
            unexplored = [architecture for _, architecture in self.front.members if architecture not in self._explored]
            if not unexplored:  # a Pareto local optimum set
                return Query(unseen(self.space, self._evaluated, self.rng, self.name))
            self._explore(
                unexplored[below(len(unexplored), self.rng)]
            )  # "choose a non-visited solution of the archive at random"
        return Query(self._next.pop())

    def _explore(self, member: Architecture) -> None:
        self._explored.add(member)
        fresh = [neighbor for neighbor in self.space.neighbors(member) if neighbor not in self._evaluated]
        # In random order: a budget that ends in the middle of a neighbourhood then favours no decision.
        self._next = [fresh[i] for i in self.rng.permutation(len(fresh)).tolist()]

    def _observe(self, query: Query, evaluation: Evaluation) -> None:
        self._evaluated.add(query.architecture)
        self.front.add(self.losses(evaluation), query.architecture)  # "update the archive"
