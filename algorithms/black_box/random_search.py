"""Random search: the baseline that every other search has to beat."""

from __future__ import annotations

from algorithms.black_box.base import BlackBoxSearch, Query, register


@register
class RandomSearch(BlackBoxSearch):
    """Every decision drawn uniformly and independently, with replacement over architectures (as the reference does)."""

    name = "random"
    title = "RANDOM"
    paper = "Bergstra & Bengio, Random Search for Hyper-Parameter Optimization, JMLR 13, 2012"

    def _propose(self) -> Query:
        return Query(self.space.sample(self.rng))

    def _observe(self, query: Query, accuracy: float) -> None:
        """Nothing is learnt; the base class keeps the incumbent."""
