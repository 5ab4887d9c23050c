"""GDAS: one operation per edge, sampled by the Gumbel-max trick, with the gradient of a softmax."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from algorithms.one_shot.alpha import AlphaSearch, TemperedConfig
from algorithms.one_shot.search import register_one_shot
from algorithms.one_shot.supernets import Paths, TopologySupernet


@register_one_shot
class Gdas(AlphaSearch):
    """Differentiable model sampling (section 3.2 of the paper) on the cell of NATS-Bench.

    Every forward pass samples one architecture shared by all cells, at evaluation too. The sample depends on alpha: unless steps
    are captured, the host waits for it, to compute its operations alone.
    """

    name = "gdas"
    title = "GDAS"
    paper = "Dong & Yang, Searching for a Robust Neural Architecture in Four GPU Hours, CVPR 2019, arXiv 1910.04465"
    space = "topology"
    digits: ClassVar = {"epochs": 18, "batch": 32, "rate": 0.1, "arch_rate": 0.01}
    graphs = "one-hot"
    Config = TemperedConfig
    config: TemperedConfig
    supernet: TopologySupernet

    def _mode(self, purpose: str) -> Paths:
        """Sample h, a one-hot vector per edge, with the gradient of the softmax p at temperature tau."""
        gumbel = self.drawn(purpose, partial(gumbel_noise, self.alpha.shape)).to(self.alpha)  # [edge, operation]
        p = ((self.log_odds.log_softmax(dim=1) + gumbel) / self.config.tau(self.epoch)).softmax(dim=1)  # [edge, operation]
        chosen = p.argmax(dim=1, keepdim=True)  # Gumbel-max trick of section 3.2: [edge, 1]
        one_hot = torch.zeros_like(p).scatter(1, chosen, 1.0)  # [edge, operation]
        h = one_hot - p.detach() + p  # straight-through: value one-hot, gradient of p
        return self.supernet.sampled(chosen.t(), weights=h)


def gumbel_noise(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Return standard Gumbel noise, -log of exponential draws; all of it is drawn again if a number is not finite."""
    while True:
        noise = -torch.empty(shape).exponential_(generator=generator).log()
        if noise.isfinite().all():
            return noise
