"""Base class of one-shot searches of the size space: warm-up, and a target for the FLOPs of the derived architecture."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from algorithms.one_shot.alpha import AlphaSearch, TemperedConfig, UpdatedConfig, outer_sum, unravel
from algorithms.one_shot.supernets import ForwardMode, SizeSupernet, WidthMasks
from algorithms.one_shot.task import Batch
from algorithms.one_shot.validation_pass import ValidationPassConfig, validation_pass
from benchmark_api.bounds import at_least, between, positive
from benchmark_api.spaces import Architecture
from benchmark_api.training.costs import space_costs


@dataclass(frozen=True)
class SizeConfig(UpdatedConfig):
    """Hyperparameters of searches of the size space."""

    warmup: Annotated[float, between(0, 1)] = 0.0
    """Share of epochs with random widths, at first mostly the full one, and without updates of alpha; NATS-Bench: 0 or 0.3."""

    flops_target: Annotated[float, positive] | None = None
    """Upper limit on the derived architecture's MACs, in millions; None for no limit, as in NATS-Bench."""

    cost_weight: Annotated[float, at_least(0)] = 1.0
    """Weight of |FLOPs / target - 1|, added to a loss in nats if there is a target."""


class SizeSearch(AlphaSearch):
    """A search of the size space, with alpha [layer, width].

    The stem and the first block share the first row of alpha, but sample from it independently.

    Raises:
        ValueError: no architecture is within the target of FLOPs.
    """

    space = "size"
    samples: ClassVar[bool] = False
    """Whether widths are drawn from probabilities, which must be finite then."""
    config: SizeConfig
    supernet: SizeSupernet

    def _start(self) -> None:
        super()._start()
        task, target = self.task, self.config.flops_target
        self.cost: Tensor | None = None  # FLOPs / target of every architecture, one axis for each decision
        if target is not None:
            flops = torch.tensor(space_costs(task.space, task.skeleton, task.dataset.image_shape[1]).flops / 1e6)
            if not (flops <= target).any():
                raise ValueError(f"no architecture has at most {target:g} million multiply-accumulates: {flops.min():g} and more")
            self.cost = (flops / target).reshape(task.space.cardinalities).to(self.device)

    # -- warm-up -------------------------------------------------------------------------------------------------------------

    @property
    def full_width(self) -> float:
        """Probability that a module has its full width in this epoch of the warm-up; 0 after it."""
        return max(0.0, 1.0 - self.progress / self.config.warmup) if self.config.warmup else 0.0

    @property
    def warming_up(self) -> bool:
        """Whether this epoch belongs to the warm-up."""
        return self.progress < self.config.warmup

    def _mode(self, purpose: str) -> ForwardMode:
        if not self.warming_up:
            return self._sample(purpose)
        return WidthMasks(self.drawn(purpose, self._random_masks))

    def _random_masks(self, draw: torch.Generator) -> Tensor:
        """Draw masks of a pass in the warm-up [module, channel]."""
        candidates = self.supernet.candidates
        full = torch.ones(candidates.shape[1])
        masks = []
        for _ in self.supernet.decisions:
            random = candidates[torch.randint(len(candidates), (), generator=draw)]
            masks.append(full if torch.rand((), generator=draw) < self.full_width else random)
        return torch.stack(masks)

    @abstractmethod
    def _sample(self, purpose: str) -> ForwardMode:
        """Sample the widths of a pass with the random numbers `drawn(purpose, …)`."""

    def _drawn_without_replacement(self, p: Tensor, count: int, purpose: str) -> Tensor:
        """Draw distinct choices [row, count] in proportion to p [row, choice].

        They are those of `torch.multinomial`, which divides by exponential numbers too; here these do not depend on p.
        """
        times = self.drawn(purpose, partial(exponential, p.shape))  # [row, choice]
        return (p / times.to(p)).topk(count, dim=1).indices

    def _end_epoch(self) -> None:
        if self.samples and not self.alpha.isfinite().all():
            raise RuntimeError("the probability tensor of the widths is not finite any more")

    def _architecture_step(self, training: Batch) -> None:
        if not self.warming_up:
            super()._architecture_step(training)

    # -- a target of FLOPs ---------------------------------------------------------------------------------------------------

    def _architecture_loss(self, validation: Batch) -> Tensor:
        loss = super()._architecture_loss(validation)
        return loss if self.cost is None else loss + self._distance(self.cost)

    def _distance(self, cost: Tensor) -> Tensor:
        """Return the weighted distance of the expected FLOPs from the target, |FLOPs / target - 1|."""
        expected = cost.to(self.alpha)
        for row in self.log_odds.softmax(dim=1):  # decisions are independent: average over one axis after the other
            expected = torch.tensordot(row, expected, dims=1)  # one axis less
        return self.config.cost_weight * (expected - 1).abs()

    def most_likely(self) -> Architecture:
        """Return the most probable architecture, of those within the target if there is one."""
        if self.cost is None:
            return super().most_likely()
        log_p = self.log_odds.detach().log_softmax(dim=1)  # [layer, width]
        total = torch.where(self.cost <= 1, outer_sum(log_p), -torch.inf)  # one axis for each decision
        return unravel(total.argmax(), total.shape)

    def selectable(self, decision: int) -> list[int]:
        """Return the widths of a layer with which an architecture within the target of FLOPs exists, given those decided."""
        choices = super().selectable(decision)
        if self.cost is None:
            return choices
        made = [self.decided.get(number, slice(None)) for number in range(self.cost.dim())]
        return [choice for choice in choices if (self.cost[(*made[:decision], choice, *made[decision + 1 :])] <= 1).any()]

    def candidates(self) -> list[Architecture]:
        """Return samples within the target of FLOPs, or the most probable architecture if none is."""
        within = [drawn for drawn in super().candidates() if self.cost is None or self.cost[drawn] <= 1]
        return within or [self.most_likely()]


def exponential(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Return standard exponential numbers."""
    return torch.empty(shape).exponential_(generator=generator)


@dataclass(frozen=True)
class TemperedSizeConfig(TemperedConfig, SizeConfig, ValidationPassConfig):
    """Hyperparameters of searches of the size space whose softmax has a falling temperature, which falls in a warm-up too."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.validation_pass and not self.warmup:
            raise ValueError(f"validation_pass is for the steps of a warm-up: warmup must be above 0, got {self.warmup}")


class TemperedSizeSearch(SizeSearch):
    """A search of the size space by gradients through a softmax whose temperature falls."""

    Config = TemperedSizeConfig
    config: TemperedSizeConfig

    def _architecture_step(self, training: Batch) -> None:
        if self.warming_up and self.config.validation_pass:
            validation_pass(self, self._mode("validation"), len(training[1]))
        else:
            super()._architecture_step(training)
