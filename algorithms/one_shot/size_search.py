"""What the weight-sharing searches of the size space have in common: warm-up, a target of FLOPs, and what is chosen."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor, nn

from algorithms.one_shot.search import AlphaConfig, AlphaSearch, Batch, TemperedConfig
from algorithms.one_shot.supernets.topology import SizeSupernet, WidthRule
from benchmark_api.spaces import Architecture
from benchmark_api.training.costs import space_costs


@dataclass(frozen=True)
class SizeConfig(AlphaConfig):
    """Hyperparameters of searches of the size space.

    Raises:
        ValueError: a value is out of range.
    """

    warmup: float = 0.0
    """Share of the epochs in which widths are random, first mostly the full one, and alpha rests; 0.3 for the "warm" results."""

    flops_target: float | None = None
    """Millions of multiply-accumulates that what is chosen may have; None for any number, as in NATS-Bench."""

    cost_weight: float = 1.0
    """Weight of |FLOPs / target - 1| beside a loss in nats, where there is a target."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.warmup <= 1:
            raise ValueError(f"warmup must be in [0, 1], got {self.warmup}")
        if self.flops_target is not None and not self.flops_target > 0:
            raise ValueError(f"flops_target must be positive, got {self.flops_target}")
        if not self.cost_weight >= 0:
            raise ValueError(f"cost_weight must be at least 0, got {self.cost_weight}")


class SizeSearch(AlphaSearch):
    """A search of the size space; alpha [layer, width] is as for `AlphaSearch`.

    The stem and the first block share the first row of alpha, but draw from it each for itself.

    Raises:
        ValueError: no architecture is within the target of FLOPs.
    """

    space = "size"
    config: SizeConfig
    supernet: SizeSupernet

    def _start(self) -> None:
        super()._start()
        task, target = self.task, self.config.flops_target
        self.decisions: list[int] = list(self.supernet.decisions)  # of each module
        self.cost: Tensor | None = None  # FLOPs of every architecture, target = 1, one axis for each decision
        if target is not None:
            flops = torch.tensor(space_costs(task.space, task.skeleton, task.dataset.image_shape[1]).flops / 1e6)
            if not (flops <= target).any():
                raise ValueError(f"no architecture has at most {target:g} million multiply-accumulates: {flops.min():g} and more")
            self.cost = (flops / target).reshape(task.space.cardinalities).to(self.device)

    # -- warm-up -------------------------------------------------------------------------------------------------------------

    @property
    def full_width(self) -> float:
        """The probability with which a module has its full width in this epoch of the warm-up; 0 after it."""
        return max(0.0, 1.0 - self.epoch / self.config.epochs / self.config.warmup) if self.config.warmup else 0.0

    @property
    def warming_up(self) -> bool:
        """Whether this epoch belongs to the warm-up."""
        return self.epoch / self.config.epochs < self.config.warmup

    def _rule(self, purpose: str) -> WidthRule:
        if not self.warming_up:
            return self._sample(purpose)
        draw, candidates = self.draws[purpose], self.supernet.candidates
        full = torch.ones(candidates.shape[1])
        masks = []
        for _ in self.decisions:
            random = candidates[torch.randint(len(candidates), (), generator=draw)]
            masks.append(full if torch.rand((), generator=draw) < self.full_width else random)
        return WidthRule(masks=torch.stack(masks))

    @abstractmethod
    def _sample(self, purpose: str) -> WidthRule:
        """Draw the widths of a pass; `purpose` names the draws."""

    def _weight_rule(self) -> WidthRule:
        return self._rule("architecture")

    def _evaluation_rule(self, architecture: Architecture) -> WidthRule:
        return self._rule("evaluation")

    def _architecture_rule(self) -> WidthRule:
        return self._rule("architecture")

    def _architecture_step(self, training: Batch) -> None:
        if not self.warming_up:
            super()._architecture_step(training)

    # -- a target of FLOPs ---------------------------------------------------------------------------------------------------

    def _architecture_gradient(self, training: Batch, validation: Batch) -> Tensor:
        images, labels = validation
        loss = nn.functional.cross_entropy(self._logits(images, self._architecture_rule()), labels)
        return torch.autograd.grad(loss + self._distance(), self.alpha)[0]

    def _distance(self) -> Tensor:
        """The weighted distance of the expected FLOPs from the target; a number without gradient where there is none."""
        if self.cost is None:
            return torch.zeros((), device=self.device)
        expected = self.cost.to(self.alpha)
        for row in self.alpha.softmax(dim=1):  # the rows are independent, so one axis after the other is averaged away
            expected = torch.tensordot(row, expected, dims=1)
        return self.config.cost_weight * (expected - 1).abs()

    def _choose(self) -> Architecture:
        """The most probable architecture, of those within the target where there is one."""
        if self.cost is None:
            return super()._choose()
        log_p = self.alpha.log_softmax(dim=1)
        total = reduce(lambda former, row: former.unsqueeze(-1) + row, log_p[1:], log_p[0])  # one axis for each decision
        best = int(torch.where(self.cost <= 1, total, -torch.inf).argmax())
        return tuple(int(choice) for choice in torch.unravel_index(torch.tensor(best), total.shape))


@dataclass(frozen=True)
class TemperedSizeConfig(TemperedConfig, SizeConfig):
    """Hyperparameters of searches of the size space with a softmax that grows sharper, in a warm-up too.

    Raises:
        ValueError: a value is out of range.
    """
