"""SETN: weights learn along uniformly drawn paths, the architecture with all operations; its most probable candidates compete."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from algorithms.one_shot.search import AlphaConfig, AlphaSearch, register_one_shot
from algorithms.one_shot.supernets.topology import Rule, Supernet
from benchmark_api.spaces import Architecture


@register_one_shot
class Setn(AlphaSearch):
    """The paper's method on the cell of NATS-Bench. A step has one path for all cells, in which all may be `none`, as there."""

    name = "setn"
    title = "SETN"
    paper = "Dong & Yang, One-Shot Neural Architecture Search via Self-Evaluated Template Network, ICCV 2019, arXiv 1910.05733"
    space = "topology"

    @dataclass(frozen=True)
    class Config(AlphaConfig):
        """Hyperparameters of SETN.

        Raises:
            ValueError: a value is out of range.
        """

        candidates: int = 100
        """Most probable architectures, of which the best on a batch each is chosen."""

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.candidates < 1:
                raise ValueError(f"candidates must be at least 1, got {self.candidates}")

    config: Config
    supernet: Supernet

    def _weight_rule(self) -> Rule:
        draw = self.draws["architecture"]
        return self.supernet.along(
            tuple(int(torch.randint(choices, (), generator=draw)) for choices in self.task.space.cardinalities)
        )

    def _evaluation_rule(self, architecture: Architecture) -> Rule:
        return self.supernet.along(architecture)

    def most_probable(self, count: int) -> list[Architecture]:
        """So many architectures with the highest probability, the highest first: of log p = sum of log softmax(alpha)."""
        log_p = self.alpha.detach().double().log_softmax(dim=1).cpu().numpy()
        total = np.zeros(())
        for of_decision in log_p:
            total = np.add.outer(total, of_decision)
        order = np.argsort(-total.ravel(), kind="stable")[:count]
        return [tuple(map(int, np.unravel_index(code, total.shape))) for code in order]

    def _choose(self) -> Architecture:
        return self._best(self.most_probable(self.config.candidates))
