"""MS-DARTS: the weights of DARTS are trained at mixtures shifted by a mean shift, to where the training loss is high."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from algorithms.one_shot.darts import DartsFirstOrder
from algorithms.one_shot.sdarts_rs import on_simplex, uniform
from algorithms.one_shot.search import register_one_shot
from algorithms.one_shot.supernets import ForwardMode
from algorithms.one_shot.task import Batch
from benchmark_api.bounds import at_least, between, positive


@register_one_shot
class MsDarts(DartsFirstOrder):
    """First-order DARTS after a warm-up, with a shifted mixture in the steps of the weights.

    The paper's text was not available; this follows the authors' code, aaron851113/MS-DARTS (attacker/perturb_ms.py).
    """

    name = "ms-darts"
    title = "MS-DARTS"
    paper = "Hsieh et al., MS-DARTS: Mean-Shift Based Differentiable Architecture Search, 2021, arXiv 2108.09996"

    @dataclass(frozen=True)
    class Config(DartsFirstOrder.Config):
        """Hyperparameters of MS-DARTS."""

        epsilon: Annotated[float, between(0, 1)] = 0.25
        """Largest perturbation of a weight after the last epoch; it grows linearly from a tenth of this."""

        samples: Annotated[int, at_least(1)] = 3
        """Random points around the mixture whose loss is computed for a shift (N)."""

        shifts: Annotated[int, at_least(1)] = 2
        """Shifts before each step of the weights (T)."""

        bandwidth: Annotated[float, positive] = 1.0
        """Standard deviation of the Gaussian kernel of the distance between mixtures (h)."""

        warmup: Annotated[float, between(0, 1)] = 0.05
        """Share of epochs, at the start, without steps of alpha."""

    config: Config

    def weight_step(self, batch: Batch) -> Tensor:
        self._shifted = self.shifted(self.relax(self.alpha.detach()), batch)
        return super().weight_step(batch)

    def _weight_mode(self) -> ForwardMode:
        return self.supernet.mixture(self._shifted)

    def _architecture_step(self, training: Batch) -> None:
        if self.progress >= self.config.warmup:
            super()._architecture_step(training)

    @torch.no_grad()
    def shifted(self, a: Tensor, batch: Batch) -> Tensor:
        """Return a mixture [decision, choice] after the mean shifts on a training batch; rows need not sum to one.

        The network is in evaluation mode meanwhile, so that no statistics change.
        """
        images, labels = batch
        config = self.config
        epsilon = config.epsilon * (0.1 + 0.9 * (1.0 if self.decided else self.progress))  # final in a tuning
        self.supernet.eval()
        for _ in range(config.shifts):
            noises, log_weights = [], []
            for _ in range(config.samples):
                noise = self.drawn("architecture", partial(uniform, a.shape, epsilon)).to(a)  # [decision, choice]
                c = on_simplex(a + noise)
                loss = cross_entropy(self.logits(images, self.supernet.mixture(c)), labels)
                noises.append(noise)
                log_weights.append(loss - 0.5 * ((a - c).norm() / config.bandwidth).square())  # log of omega k, up to a constant
            v = torch.stack(log_weights).softmax(dim=0).to(a)  # omega k / sum of omega k: [sample]
            # The mean of the points before they were clipped, as in the code; with an epsilon of 0 it is a, to the bit.
            a = a + torch.tensordot(v, torch.stack(noises), dims=1)
        self.supernet.train()
        return a
