"""GDAS: one operation of each edge, drawn by the Gumbel-max trick, with the gradient of a softmax."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from algorithms.one_shot.search import AlphaSearch, TemperedConfig, register_one_shot
from algorithms.one_shot.supernets.topology import Rule, Supernet
from benchmark_api.spaces import Architecture


@register_one_shot
class Gdas(AlphaSearch):
    """Differentiable model sampling. Each pass draws one architecture for all cells, also when it is only evaluated."""

    name = "gdas"
    title = "GDAS"
    paper = "Dong & Yang, Searching for a Robust Neural Architecture in Four GPU Hours, CVPR 2019, arXiv 1910.04465"
    space = "topology"

    Config = TemperedConfig
    config: TemperedConfig
    supernet: Supernet

    @property
    def tau(self) -> float:
        """The temperature of the epoch that comes next, or is under way."""
        return self.config.tau(self.epoch)

    def _weight_rule(self) -> Rule:
        return self._sample("architecture")

    def _evaluation_rule(self, architecture: Architecture) -> Rule:
        return self._sample("evaluation")

    def _architecture_rule(self) -> Rule:
        return self._sample("architecture")

    def _sample(self, purpose: str) -> Rule:
        """h is a one-hot sample by the Gumbel-max trick, its gradient that of the softmax p at temperature tau."""
        gumbel = gumbel_noise(self.alpha.shape, self.draws[purpose]).to(self.alpha)
        p = ((self.alpha.log_softmax(dim=1) + gumbel) / self.tau).softmax(dim=1)
        chosen = p.argmax(dim=1)
        h = nn.functional.one_hot(chosen, p.shape[1]) - p.detach() + p
        return Rule(weights=h, paths=[tuple(chosen.tolist())] * self.supernet.cells)


def gumbel_noise(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Standard Gumbel noise, -log of exponential draws; all of it is drawn again if a number is not finite."""
    while True:
        noise = -torch.empty(shape).exponential_(generator=generator).log()
        if noise.isfinite().all():
            return noise
