"""DARTS, first and second order: all operations at once, weighted by a softmax that is trained by gradient descent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn

from algorithms.one_shot.alpha import AlphaSearch, RelaxedConfig
from algorithms.one_shot.search import register_one_shot
from algorithms.one_shot.task import Batch
from benchmark_api.bounds import positive
from benchmark_api.spaces import NONE
from benchmark_api.types import FloatArray


@register_one_shot
class DartsFirstOrder(AlphaSearch):
    """Algorithm 1 of the paper with xi = 0: alpha descends the gradient of the validation loss at the current weights.

    `AlphaSearch` has the mixture of eq. 2 and the alternating steps. In each iteration the weights are updated first, then alpha,
    as in the reference; the paper has the opposite order.
    """

    name = "darts-v1"
    title = "DARTS (1st)"
    paper = "Liu et al., DARTS: Differentiable Architecture Search, ICLR 2019, arXiv 1806.09055"
    space = "topology"
    digits: ClassVar = {"epochs": 12, "batch": 32, "rate": 0.1, "arch_rate": 0.01}

    @dataclass(frozen=True)
    class Config(RelaxedConfig):
        """Hyperparameters of first-order DARTS."""

        choose_none: bool = True
        """Whether `none` can be chosen, as in the reference; in section 2.4 of the paper it cannot."""

    config: Config

    def selectable_weights(self) -> FloatArray:
        weights = self.architecture_weights()  # [edge, operation]
        if not self.config.choose_none:
            weights[:, NONE] = 0.0  # section 2.4
        return weights


@register_one_shot
class DartsSecondOrder(DartsFirstOrder):
    """Algorithm 1 with xi = the learning rate: the gradient of the validation loss one step of the weights ahead.

    Passes at other weights than the network's leave running statistics unchanged.
    """

    name = "darts-v2"
    title = "DARTS (2nd)"
    digits: ClassVar = {"epochs": 5, "arch_rate": 0.01}

    @dataclass(frozen=True)
    class Config(DartsFirstOrder.Config):
        """Hyperparameters of second-order DARTS."""

        perturbation: Annotated[float, positive] = 0.01
        """Step of the finite difference in eq. 8: epsilon is this divided by the norm of its vector."""

    config: Config

    def _architecture_gradient(self, training: Batch, validation: Batch) -> Tensor:
        config = self.config
        xi: float = self.optimizer.param_groups[0]["lr"]
        names, w = zip(*self.supernet.named_parameters(), strict=True)
        statistics = dict(self.supernet.named_buffers())

        def loss(weights: Sequence[Tensor], batch: Batch) -> Tensor:
            """L(weights, alpha)."""
            state = dict(zip(names, weights, strict=True)) | {name: buffer.clone() for name, buffer in statistics.items()}
            return nn.functional.cross_entropy(self.logits(batch[0], self._mode("architecture"), state), batch[1])

        # w' is the result of one more optimizer step from w (section 2.3), without Nesterov's look-ahead.
        gradient = torch.autograd.grad(loss(w, training), w, materialize_grads=True)
        momentum = (config.momentum * self.optimizer.state[parameter]["momentum_buffer"] for parameter in w)
        ahead = [
            (of_w - xi * (of_momentum + of_gradient + config.decay * of_w)).detach().requires_grad_()
            for of_w, of_momentum, of_gradient in zip(w, momentum, gradient, strict=True)
        ]
        direct, *vector = torch.autograd.grad(loss(ahead, validation), (self.alpha, *ahead), materialize_grads=True)
        epsilon = config.perturbation / torch.stack([part.square().sum() for part in vector]).sum().sqrt()
        above, below = (
            torch.autograd.grad(loss([a.detach() + step * b for a, b in zip(w, vector, strict=True)], training), self.alpha)[0]
            for step in (epsilon, -epsilon)
        )
        product = (above - below) / (2 * epsilon)  # eq. 8: second derivatives times the vector, by a central difference around w
        return direct - xi * product  # eq. 7: [edge, operation]
