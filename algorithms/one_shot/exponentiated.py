"""Exponentiated gradient: the update of probabilities that stays on the simplex (GAEA)."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

FLOOR = 1e-5
"""Smallest probability before a row is divided by its sum, as in the code of GAEA's authors."""

LIMIT = 10.0
"""Largest exponent of a step: gradients of searches that sample choices have the inverse of a probability as a factor."""


def exponentiated(theta: Tensor, gradient: Tensor, rate: float, floor: float = FLOOR) -> Tensor:
    """Return probabilities [..., choice] after a step of the exponentiated gradient: mirror descent with the entropy.

    Source: Li et al., Geometry-Aware Gradient Algorithms for NAS, ICLR 2021, arXiv 2004.07802, algorithm 1. The floor is that of
    the authors' code, the limit of the exponent is ours.
    """
    raised = (theta * (-rate * gradient).clamp(-LIMIT, LIMIT).exp()).clamp(min=floor)
    return raised / raised.sum(dim=-1, keepdim=True)


class ExponentiatedGradient(torch.optim.Optimizer):
    """Optimizer of parameters that are probabilities along their last axis; it has no state."""

    def __init__(self, parameters: Iterable[nn.Parameter], rate: float, floor: float = FLOOR) -> None:
        super().__init__(parameters, {"lr": rate, "floor": floor})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """Update the parameters by their gradients."""
        for group in self.param_groups:
            for theta in group["params"]:
                theta.copy_(exponentiated(theta, theta.grad, group["lr"], group["floor"]))
