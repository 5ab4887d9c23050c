"""Random search, the baseline of all others."""

from __future__ import annotations

from algorithms.black_box.base import BlackBoxSearch, Evaluation, Query, register


@register
class RandomSearch(BlackBoxSearch):
    """Independent draws from the uniform distribution over architectures, with replacement (as in the reference)."""

    name = "random"
    title = "RANDOM"
    paper = "Bergstra & Bengio, Random Search for Hyper-Parameter Optimization, JMLR 13, 2012"
    max_pending = None

    def _propose(self) -> Query:
        return Query(self.space.sample(self.rng))

    def _observe(self, query: Query, evaluation: Evaluation) -> None:
        """Learn nothing; the base class keeps the incumbent."""
