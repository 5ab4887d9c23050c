"""MdeNAS on a table: sample architectures, and move probability from choices that are worse to those that are better."""

from __future__ import annotations

from algorithms.black_box.base import BlackBoxSearch, Evaluation, Query, register
from algorithms.multinomial import Multinomial, MultinomialConfig


@register
class MdeNas(BlackBoxSearch):
    """Multinomial distribution learning with the accuracy of a full training in place of an epoch of shared weights.

    The result is the best architecture of the history, not the most probable one at the end. Sequential, as the authors' code.
    """

    name = "mdenas"
    title = "MdeNAS"
    paper = "Zheng et al., Multinomial Distribution Learning for Effective NAS, ICCV 2019, arXiv 1905.07529"
    Config = MultinomialConfig
    config: MultinomialConfig

    def _start(self) -> None:
        self.distribution = Multinomial(self.space.cardinalities, self.config)

    def _propose(self) -> Query:
        return Query(self.distribution.at(self.rng.random(len(self.space.cardinalities))))

    def _observe(self, query: Query, evaluation: Evaluation) -> None:
        self.distribution.learn(query.architecture, max(evaluation.score, 0.0))  # 0, the lowest, for a failed evaluation
