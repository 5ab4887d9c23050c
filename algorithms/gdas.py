"""GDAS: one operation of each edge, drawn by the Gumbel-max trick, with the gradient of a softmax."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from algorithms.one_shot import AlphaConfig, AlphaSearch, register_one_shot
from algorithms.supernet import Rule, Supernet
from benchmark_api.spaces import Architecture


@register_one_shot
class Gdas(AlphaSearch):
    """Differentiable model sampling. Each pass draws one architecture for all cells, also when it is only evaluated."""

    name = "gdas"
    title = "GDAS"
    paper = "Dong & Yang, Searching for a Robust Neural Architecture in Four GPU Hours, CVPR 2019, arXiv 1910.04465"
    space = "topology"

    @dataclass(frozen=True)
    class Config(AlphaConfig):
        """Hyperparameters of GDAS.

        Raises:
            ValueError: a value is out of range.
        """

        tau_max: float = 10.0
        """Temperature of the softmax in the first epoch."""

        tau_min: float = 0.1
        """Temperature in the last epoch; in between it falls linearly."""

        def __post_init__(self) -> None:
            super().__post_init__()
            if not 0 < self.tau_min <= self.tau_max:
                raise ValueError(f"tau_min must be positive and tau_max not below it, got {self.tau_min} and {self.tau_max}")

    config: Config
    supernet: Supernet

    @property
    def tau(self) -> float:
        """The temperature of the epoch that comes next, or is under way."""
        config = self.config
        return config.tau_max - (config.tau_max - config.tau_min) * self.epoch / max(config.epochs - 1, 1)

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
