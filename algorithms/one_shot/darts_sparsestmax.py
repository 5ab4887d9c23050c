"""DARTS with sparsestmax: the weights of a mixture become sparse in the course of the search, and one-hot in its last epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from algorithms.one_shot.alpha import AlphaConfig, AlphaSearch
from algorithms.one_shot.relaxations import rising, sparsestmax
from algorithms.one_shot.search import register_one_shot
from benchmark_api.bounds import between


@register_one_shot
class DartsSparsestmax(AlphaSearch):
    """First-order DARTS (`darts-v1`) with sparsestmax in place of the softmax, and with a radius that rises over the epochs."""

    name = "darts-sparsestmax"
    title = "DARTS (sparsestmax)"
    paper = "Shao et al., SSN: Learning Sparse Switchable Normalization via SparsestMax, CVPR 2019, arXiv 1903.03793"
    space = "topology"

    @dataclass(frozen=True)
    class Config(AlphaConfig):
        """Hyperparameters of DARTS with sparsestmax."""

        radius: Annotated[float, between(0, 1)] = 0.9
        """Radius of sparsestmax in the last epoch; it rises linearly from 0. Five choices are one-hot from 0.894 on."""

    config: Config

    def relax(self, alpha: Tensor) -> Tensor:
        return sparsestmax(alpha, rising(self.config.radius, self.epoch, self.config.epochs))  # [edge, operation]
