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
        self.average = RewardAverage()
        self._parts["average"] = self.average

    def _draw(self, purpose: str) -> Tensor:
        """Sample a choice for each module [module, 1]."""
        p = self.log_odds.detach().softmax(dim=1)[self.supernet.decisions].cpu()  # [module, width]
        return torch.multinomial(p, 1, generator=self.draws[purpose])

    def _sample(self, purpose: str) -> WidthMasks:
        return WidthMasks(self.supernet.candidates[self._draw(purpose)[:, 0]])  # [module, channel]

    def _architecture_step(self, training: Batch) -> None:
        if self.warming_up:  # the baseline is updated, alpha is not
            self._advantage(self.validation_batch(len(training[1])), self._mode("architecture"), 0.0)
        else:
            super()._architecture_step(training)

    def _architecture_loss(self, validation: Batch) -> Tensor:
        drawn = self._draw("architecture")
        mode = WidthMasks(self.supernet.candidates[drawn[:, 0]])  # [module, channel]
        advantage = self._advantage(validation, mode, self._distance_of(drawn[:, 0].tolist()))
        log_p = self.log_odds.log_softmax(dim=1)[self.supernet.decisions].gather(1, drawn.to(self.device)).sum()
        return -advantage * log_p  # REINFORCE

    def _advantage(self, batch: Batch, mode: ForwardMode, distance: float) -> float:
        """Return the advantage of sampled widths on validation images, percent; `distance` is relative to an accuracy in [0, 1].

        The baseline already includes this reward, as in the reference.
        """
        images, labels = batch
        with torch.no_grad():
            accuracy = (self.logits(images, mode).argmax(dim=1) == labels).double().mean()
        reward = 100.0 * (float(accuracy) - distance)  # eq. 2
        return reward - self.average.updated(reward, self.config.baseline_momentum)

    def _distance_of(self, choices: list[int]) -> float:
        """Return the last term of eq. 2: the weighted distance of the sampled widths' FLOPs from the target.

        The first choice, of the stem, is ignored: a network's stem has the width of its first block.
        """
        return 0.0 if self.cost is None else self.config.cost_weight * abs(float(self.cost[tuple(choices[1:])]) - 1)


class RewardAverage(nn.Module):
    """Bias-corrected exponential moving average: the weights of all rewards so far sum to one."""

    total: Tensor
    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("total", torch.zeros((), dtype=torch.float64))
        self.register_buffer("weight", torch.zeros((), dtype=torch.float64))

    def updated(self, reward: float, momentum: float) -> float:
        """Add a reward and return the average."""
        self.total.mul_(momentum).add_((1 - momentum) * reward)
        self.weight.mul_(momentum).add_(1 - momentum)
        return float(self.total / self.weight)
