"""DARTS, first and second order: all operations at once, weighted by a softmax that learns by gradient descent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from algorithms.one_shot.search import AlphaConfig, AlphaSearch, Batch, register_one_shot
from algorithms.one_shot.supernets.topology import Rule, Supernet, WidthRule
from benchmark_api.spaces import OPERATIONS, Architecture


@dataclass(frozen=True)
class DartsConfig(AlphaConfig):
    """Hyperparameters of DARTS.

    Raises:
        ValueError: a value is out of range.
    """

    choose_none: bool = True
    """Whether `none` can be chosen, as in the reference; in section 2.4 of the paper it cannot."""


@register_one_shot
class DartsFirstOrder(AlphaSearch):
    """Algorithm 1 of the paper with xi = 0: the gradient of the validation loss with the weights as they are.

    In each iteration the weights make their step first, then the architecture, as in the reference; the paper has it the other
    way round.
    """

    name = "darts-v1"
    title = "DARTS (1st)"
    paper = "Liu et al., DARTS: Differentiable Architecture Search, ICLR 2019, arXiv 1806.09055"
    space = "topology"

    Config = DartsConfig
    config: DartsConfig

    def _weight_rule(self) -> Rule | WidthRule:
        return self._architecture_rule()  # eq. 2

    def _evaluation_rule(self, architecture: Architecture) -> Rule | WidthRule:
        return self._architecture_rule()

    def _choose(self) -> Architecture:
        if self.config.choose_none:
            return super()._choose()
        some = self.alpha.clone()
        some[:, OPERATIONS.index("none")] = -torch.inf
        return tuple(some.argmax(dim=1).tolist())


@register_one_shot
class DartsSecondOrder(DartsFirstOrder):
    """Algorithm 1 with xi = the learning rate: the gradient of the validation loss at weights that are one step ahead.

    Passes that only look ahead leave running statistics as they are.
    """

    name = "darts-v2"
    title = "DARTS (2nd)"

    @dataclass(frozen=True)
    class Config(DartsConfig):
        """Hyperparameters of second-order DARTS.

        Raises:
            ValueError: a value is out of range.
        """

        perturbation: float = 0.01
        """How far apart from w the finite difference of eq. 8 is taken: epsilon is this divided by the norm of its vector."""

        def __post_init__(self) -> None:
            super().__post_init__()
            if not self.perturbation > 0:
                raise ValueError(f"perturbation must be positive, got {self.perturbation}")

    config: Config
    supernet: Supernet

    def _architecture_gradient(self, training: Batch, validation: Batch) -> Tensor:
        xi: float = self.optimizer.param_groups[0]["lr"]
        config = self.config
        names, w = zip(*self.supernet.named_parameters(), strict=True)
        statistics = dict(self.supernet.named_buffers())

        def loss(weights: Sequence[Tensor], batch: Batch) -> Tensor:
            """L(weights, alpha)."""
            state = dict(zip(names, weights, strict=True)) | {name: buffer.clone() for name, buffer in statistics.items()}
            return nn.functional.cross_entropy(self._logits(batch[0], self._architecture_rule(), state), batch[1])

        # w' is what a step of the optimizer would make of w (section 2.3), without Nesterov's look-ahead.
        gradient = torch.autograd.grad(loss(w, training), w)
        momentum = (config.momentum * self.optimizer.state[parameter]["momentum_buffer"] for parameter in w)
        ahead = [
            (of_w - xi * (of_momentum + of_gradient + config.decay * of_w)).detach().requires_grad_()
            for of_w, of_momentum, of_gradient in zip(w, momentum, gradient, strict=True)
        ]
        direct, *vector = torch.autograd.grad(loss(ahead, validation), (self.alpha, *ahead))
        # Eq. 8: the second derivatives times the vector, from two gradients a little to both sides of w.
        epsilon = config.perturbation / torch.stack([part.square().sum() for part in vector]).sum().sqrt()
        above, below = (
            torch.autograd.grad(loss([a.detach() + step * b for a, b in zip(w, vector, strict=True)], training), self.alpha)[0]
            for step in (epsilon, -epsilon)
        )
        product = (above - below) / (2 * epsilon)
        return direct - xi * product  # eq. 7
