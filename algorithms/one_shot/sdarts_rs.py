"""SDARTS-RS: DARTS whose weights are trained with randomly perturbed mixtures, which smooths the validation loss around alpha."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated

import torch
from torch import Tensor

from algorithms.one_shot.darts import DartsFirstOrder
from algorithms.one_shot.search import register_one_shot
from algorithms.one_shot.supernets import ForwardMode
from benchmark_api.bounds import between


@register_one_shot
class SdartsRs(DartsFirstOrder):
    """Random smoothing (section 4.1 of the paper): the weights descend the loss at a random point around the mixture.

    The step of alpha is that of first-order DARTS, with the mixture itself.
    """

    name = "sdarts-rs"
    title = "SDARTS-RS"
    paper = "Chen & Hsieh, Stabilizing Differentiable Architecture Search via Perturbation, ICML 2020, arXiv 2002.05283"

    @dataclass(frozen=True)
    class Config(DartsFirstOrder.Config):
        """Hyperparameters of SDARTS-RS."""

        epsilon: Annotated[float, between(0, 1)] = 0.3
        """Largest perturbation of a weight after the last epoch."""

        epsilon_min: Annotated[float, between(0, 1)] = 0.03
        """Largest perturbation of a weight in the first epoch; it grows linearly."""

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.epsilon_min > self.epsilon:
                raise ValueError(f"epsilon_min must be at most epsilon ({self.epsilon}), got {self.epsilon_min}")

    config: Config

    def _weight_mode(self) -> ForwardMode:
        config = self.config
        # The tuning of a perturbation-based selection uses the final epsilon, as in the code of DARTS-PT.
        share = 1.0 if self.decided else self.progress
        epsilon = config.epsilon_min + (config.epsilon - config.epsilon_min) * share
        p = self.relax(self.alpha.detach())  # [decision, choice]
        noise = self.drawn("architecture", partial(uniform, p.shape, epsilon)).to(p)
        return self.supernet.mixture(on_simplex(p + noise))


def uniform(shape: torch.Size, epsilon: float, generator: torch.Generator) -> Tensor:
    """Return numbers drawn uniformly from [-epsilon, epsilon], on the CPU."""
    return epsilon * (2 * torch.rand(shape, generator=generator) - 1)


def on_simplex(x: Tensor) -> Tensor:
    """Return the rows of x, clipped to [0, 1] and divided by their sums; a row without a positive number: its highest one is 1.

    As in the authors' code (xiangning-chen/SmoothDARTS); it is not the nearest point of the simplex.
    """
    clipped = x.clamp(0, 1)
    highest = torch.zeros_like(x).scatter(-1, x.argmax(dim=-1, keepdim=True), 1.0)
    clipped = torch.where(clipped.sum(dim=-1, keepdim=True) > 0, clipped, highest)
    return clipped / clipped.sum(dim=-1, keepdim=True)
