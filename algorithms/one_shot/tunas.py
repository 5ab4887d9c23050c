"""TuNAS: widths drawn from a policy that learns by REINFORCE, with masks that share the channels of the widest layer."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from algorithms.one_shot.search import Batch, register_one_shot
from algorithms.one_shot.size_search import SizeConfig, SizeSearch
from algorithms.one_shot.supernets.topology import WidthRule


@register_one_shot
class TuNas(SizeSearch):
    """Sections 3 and 4 of the paper on the widths of NATS-Bench; the reward is the accuracy of a batch.

    With a target of FLOPs the reward is the paper's absolute one: it falls by the distance from the target on either side.
    """

    name = "tunas"
    title = "TuNAS"
    paper = "Bender et al., Can Weight Sharing Outperform Random Architecture Search? CVPR 2020, arXiv 2008.06120"

    @dataclass(frozen=True)
    class Config(SizeConfig):
        """Hyperparameters of TuNAS.

        Raises:
            ValueError: a value is out of range.
        """

        arch_decay: float = 0.0
        """Weight decay of the architecture's parameters."""

        cost_weight: float = 0.1
        """Weight of |FLOPs / target - 1| beside an accuracy from 0 to 1, where there is a target: -beta of the paper."""

        baseline_momentum: float = 0.95
        """Weight of the past in the moving average of the rewards."""

        def __post_init__(self) -> None:
            super().__post_init__()
            if not 0 <= self.baseline_momentum < 1:
                raise ValueError(f"baseline_momentum must be in [0, 1), got {self.baseline_momentum}")

    config: Config

    def _start(self) -> None:
        super()._start()
        self.average = RewardAverage()
        self._parts["average"] = self.average

    def _draw(self, purpose: str) -> Tensor:
        """The choice of each module [module, 1]."""
        p = self.alpha.detach().softmax(dim=1)[self.decisions].cpu()
        return torch.multinomial(p, 1, generator=self.draws[purpose])

    def _sample(self, purpose: str) -> WidthRule:
        return WidthRule(masks=self.supernet.candidates[self._draw(purpose)[:, 0]])

    def _architecture_step(self, training: Batch) -> None:
        if self.warming_up:  # the baseline learns, alpha does not
            self._reward(self._validation_batch(len(training[1])), self._rule("architecture"), 0.0)
        else:
            super()._architecture_step(training)

    def _architecture_gradient(self, training: Batch, validation: Batch) -> Tensor:
        drawn = self._draw("architecture")
        rule = WidthRule(masks=self.supernet.candidates[drawn[:, 0]])
        advantage = self._reward(validation, rule, self._distance_of(drawn[:, 0].tolist()))
        log_p = self.alpha.log_softmax(dim=1)[self.decisions].gather(1, drawn.to(self.device)).sum()
        return torch.autograd.grad(-advantage * log_p, self.alpha)[0]

    def _reward(self, batch: Batch, rule: WidthRule, distance: float) -> float:
        """The reward of a rule, percent, less the baseline, which contains it already, as in the reference [Q]."""
        images, labels = batch
        with torch.no_grad():
            accuracy = (self._logits(images, rule).argmax(dim=1) == labels).double().mean()
        reward = 100.0 * (float(accuracy) - distance)
        return reward - self.average.updated(reward, self.config.baseline_momentum)

    def _distance_of(self, choices: list[int]) -> float:
        """Eq. 2, its last term: the weighted distance from the target of the FLOPs of what was drawn.

        The stem is no decision of its own: a network has the first block's width there.
        """
        return 0.0 if self.cost is None else self.config.cost_weight * abs(float(self.cost[tuple(choices[1:])]) - 1)


class RewardAverage(nn.Module):
    """A moving average without the bias of its start: weights of the past sum to one."""

    total: Tensor
    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("total", torch.zeros((), dtype=torch.float64))
        self.register_buffer("weight", torch.zeros((), dtype=torch.float64))

    def updated(self, reward: float, momentum: float) -> float:
        """The average with a new reward."""
        self.total.mul_(momentum).add_((1 - momentum) * reward)
        self.weight.mul_(momentum).add_(1 - momentum)
        return float(self.total / self.weight)
