"""TuNAS: widths sampled from a policy trained by REINFORCE, as masks on the channels of the widest layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn

from algorithms.one_shot.search import register_one_shot
from algorithms.one_shot.size_search import SizeConfig, SizeSearch
from algorithms.one_shot.supernets import ForwardMode, WidthMasks
from algorithms.one_shot.task import Batch
from benchmark_api.bounds import at_least, between


@register_one_shot
class TuNas(SizeSearch):
    """Sections 3 and 4 of the paper on the widths of NATS-Bench; the reward is the accuracy of a batch.

    With a target of FLOPs the reward is the paper's absolute reward (eq. 2): the distance from the target, on either side, is
    subtracted.
    """

    name = "tunas"
    title = "TuNAS"
    paper = "Bender et al., Can Weight Sharing Outperform Random Architecture Search? CVPR 2020, arXiv 2008.06120"
    samples = True
    digits: ClassVar = {"epochs": 18, "batch": 32, "rate": 0.1, "arch_rate": 0.01}

    @dataclass(frozen=True)
    class Config(SizeConfig):
        """Hyperparameters of TuNAS."""

        arch_decay: Annotated[float, at_least(0)] = 0.0
        """Weight decay of the architecture parameters."""

        cost_weight: Annotated[float, at_least(0)] = 0.1
        """Weight of |FLOPs / target - 1|, subtracted from an accuracy in [0, 1] if there is a target: -beta of the paper."""

        baseline_momentum: Annotated[float, between(0, 1, "[)")] = 0.95
        """Momentum of the moving average of the rewards."""

    config: Config

    def _start(self) -> None:
        super()._start()
        self.average = RewardAverage().to(self.device)
        self._parts["average"] = self.average

    def _draw(self, purpose: str) -> Tensor:
        """Sample a choice for each module [module, 1]."""
        p = self.supernet.of_modules(self.log_odds.detach().softmax(dim=1))  # [module, width]
        return self._drawn_without_replacement(p, 1, purpose)

    def _masks(self, drawn: Tensor) -> WidthMasks:
        return WidthMasks(self.supernet.constants(self.alpha)[0][drawn[:, 0]])  # [module, channel]

    def _sample(self, purpose: str) -> WidthMasks:
        return self._masks(self._draw(purpose))

    def _architecture_step(self, training: Batch) -> None:
        if self.warming_up:  # the baseline is updated, alpha is not
            batch = self.validation_batch(len(training[1]))
            self._advantage(batch, self._mode("architecture"), torch.zeros((), dtype=torch.float64, device=self.device))
        else:
            super()._architecture_step(training)

    def _architecture_loss(self, validation: Batch) -> Tensor:
        drawn = self._draw("architecture")
        advantage = self._advantage(validation, self._masks(drawn), self._distance_of(drawn))
        log_p = self.supernet.of_modules(self.log_odds.log_softmax(dim=1)).gather(1, drawn).sum()
        return -advantage.to(log_p) * log_p  # REINFORCE

    def _advantage(self, batch: Batch, mode: ForwardMode, distance: Tensor) -> Tensor:
        """Return the advantage of sampled widths on validation images, percent; `distance` is relative to an accuracy in [0, 1].

        The baseline already includes this reward, as in the reference.
        """
        images, labels = batch
        with torch.no_grad():
            accuracy = (self.logits(images, mode).argmax(dim=1) == labels).double().mean()
        reward = 100.0 * (accuracy - distance)  # eq. 2
        return reward - self.average.updated(reward, self.config.baseline_momentum)

    def _distance_of(self, drawn: Tensor) -> Tensor:
        """Return the last term of eq. 2: the weighted distance of the sampled widths' FLOPs from the target.

        The first choice [module, 1], of the stem, is ignored: a network's stem has the width of its first block.
        """
        if self.cost is None:
            return torch.zeros((), dtype=torch.float64, device=self.device)
        return self.config.cost_weight * (self.cost[tuple(drawn[1:])] - 1).abs()[0]


class RewardAverage(nn.Module):
    """Bias-corrected exponential moving average: the weights of all rewards so far sum to one."""

    total: Tensor
    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("total", torch.zeros((), dtype=torch.float64))
        self.register_buffer("weight", torch.zeros((), dtype=torch.float64))

    def updated(self, reward: Tensor, momentum: float) -> Tensor:
        """Add a reward and return the average."""
        self.total.mul_(momentum).add_((1 - momentum) * reward)
        self.weight.mul_(momentum).add_(1 - momentum)
        return self.total / self.weight
