"""Single-DARTS: weights and architecture descend the gradients of one loss on the same batch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from algorithms.one_shot.darts import DartsFirstOrder
from algorithms.one_shot.search import register_one_shot
from algorithms.one_shot.task import VALIDATION, Batch
from benchmark_api.training.datasets import Split


@register_one_shot
class SingleDarts(DartsFirstOrder):
    """DARTS with one level: one batch and one backward pass for both updates, which are made from the same point."""

    name = "single-darts"
    title = "Single-DARTS"
    paper = "Hou et al., Single-DARTS: Towards Stable Architecture Search, ICCV Workshops 2021, arXiv 2108.08128"

    @dataclass(frozen=True)
    class Config(DartsFirstOrder.Config):
        """Hyperparameters of Single-DARTS."""

        images: Literal["half", "all"] = "half"
        """Images to train on: those that the other methods train weights on, or these and the validation images."""

    config: Config

    def _start(self) -> None:
        super()._start()
        if self.config.images == "all":
            splits = self.task.dataset.splits
            parts = splits["train"], splits[VALIDATION]
            both = Split(torch.cat([part.images for part in parts]), torch.cat([part.labels for part in parts]))
            self.task = replace(self.task, dataset=replace(self.task.dataset, splits={**splits, "train": both}))

    def weight_step(self, batch: Batch) -> Tensor:
        self.arch_optimizer.zero_grad()
        return super().weight_step(batch)  # its backward pass reaches alpha too

    def _architecture_step(self, training: Batch) -> None:
        self.arch_optimizer.step()  # by the gradient from before the step of the weights
