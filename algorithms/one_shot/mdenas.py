"""MdeNAS with shared weights: each epoch trains one sampled path, and its validation accuracy moves the distribution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import nn

from algorithms.multinomial import Multinomial, MultinomialConfig
from algorithms.one_shot.config import OneShotConfig
from algorithms.one_shot.search import OneShotSearch, register_one_shot
from algorithms.one_shot.supernets import ForwardMode
from algorithms.one_shot.task import VALIDATION
from benchmark_api.bounds import between
from benchmark_api.types import FloatArray


@register_one_shot
class MdeNasOneShot(OneShotSearch):
    """Multinomial distribution learning by the epochs of a supernet. The derived architecture is the most probable one."""

    name = "mdenas-one-shot"
    title = "MdeNAS (one-shot)"
    paper = "Zheng et al., Multinomial Distribution Learning for Effective NAS, ICCV 2019, arXiv 1905.07529"
    space = "topology"
    graphs = "mixed"  # the path of an epoch is a constant of its graph
    digits: ClassVar = {"epochs": 100, "batch": 32, "rate": 0.1}

    @dataclass(frozen=True)
    class Config(MultinomialConfig, OneShotConfig):
        """Hyperparameters of MdeNAS."""

        warmup: Annotated[float, between(0, 1)] = 0.0
        """Share of epochs that train all operations equally often, whatever their probabilities, which stay as they are."""

    config: Config

    def _start(self) -> None:
        cardinalities = self.task.space.cardinalities
        self.distribution = Multinomial(cardinalities, self.config)
        self.path = torch.zeros(len(cardinalities), dtype=torch.int64)  # of the latest epoch [edge]
        self.orders = torch.zeros(len(cardinalities), max(cardinalities), dtype=torch.int64)  # of a warm-up [edge, epoch]
        state = nn.Module()  # it has the memory of the arrays, so a checkpoint has them
        for name in ("theta", "counts", "accuracies"):
            state.register_buffer(name, torch.from_numpy(getattr(self.distribution, name)))
        state.register_buffer("path", self.path)
        state.register_buffer("orders", self.orders)
        self._parts["distribution"] = state

    @property
    def warming_up(self) -> bool:
        """Whether this epoch belongs to the warm-up."""
        return self.progress < self.config.warmup

    def _train(self) -> tuple[float, float]:
        draw = self.draws["architecture"]
        if self.warming_up:
            position = self.epoch % self.orders.shape[1]
            if position == 0:
                self.orders.copy_(torch.stack([torch.randperm(len(order), generator=draw) for order in self.orders]))
            self.path.copy_(self.orders[:, position])
        else:
            uniforms = torch.rand(len(self.path), dtype=torch.float64, generator=draw)
            self.path.copy_(torch.tensor(self.distribution.at(uniforms.numpy())))
        return super()._train()

    def _weight_mode(self) -> ForwardMode:
        return self.supernet.along(tuple(self.path.tolist()))

    @torch.no_grad()
    def _end_epoch(self) -> None:
        if self.warming_up:
            return
        path, data, correct = tuple(self.path.tolist()), self.task.dataset, torch.zeros((), device=self.device)
        for images, labels in data.batches(VALIDATION, self.config.eval_batch):  # in order: nothing is drawn
            correct += (self.logits(images, self.supernet.along(path)).argmax(dim=1) == labels).sum()
        self.distribution.learn(path, float(correct) / len(data.split(VALIDATION)))

    def architecture_weights(self) -> FloatArray:
        return self.distribution.theta.copy()
