"""SETN: weights are trained along uniform paths, alpha with all operations; the most probable candidates compete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch

from algorithms.one_shot.alpha import AlphaConfig, AlphaSearch
from algorithms.one_shot.search import register_one_shot
from algorithms.one_shot.selection import BestOfN
from algorithms.one_shot.supernets import Paths, TopologySupernet
from benchmark_api.bounds import at_least
from benchmark_api.spaces import Architecture


@register_one_shot
class Setn(AlphaSearch):
    """Stochastic training and template network of the paper, on the cell of NATS-Bench.

    Each step samples one path shared by all cells; as in the reference it may contain only `none`.
    """

    name = "setn"
    title = "SETN"
    paper = "Dong & Yang, One-Shot Neural Architecture Search via Self-Evaluated Template Network, ICCV 2019, arXiv 1910.05733"
    space = "topology"
    default_selection = BestOfN

    @dataclass(frozen=True)
    class Config(AlphaConfig):
        """Hyperparameters of SETN."""

        candidates: Annotated[int, at_least(1)] = 100
        """Most probable architectures, each evaluated on one batch; the best is chosen."""

    digits: ClassVar = {"epochs": 10, "batch": 32, "rate": 0.1, "arch_rate": 0.01}
    config: Config
    supernet: TopologySupernet

    def _weight_mode(self) -> Paths:
        draw = self.draws["architecture"]
        return self.supernet.along(
            tuple(int(torch.randint(choices, (), generator=draw)) for choices in self.task.space.cardinalities)
        )

    def _evaluation_mode(self, architecture: Architecture) -> Paths:
        return self.supernet.along(architecture)

    def candidates(self) -> list[Architecture]:
        return self.most_probable(self.config.candidates)

    def most_probable(self, count: int) -> list[Architecture]:
        """Return the `count` architectures with the highest log p = sum of log softmax(alpha), the highest first."""
        log_p = self.alpha.detach().double().log_softmax(dim=1).cpu().numpy()  # [edge, operation]
        total = np.zeros(())
        for of_decision in log_p:
            total = np.add.outer(total, of_decision)  # one axis more for each decision
        order = np.argsort(-total.ravel(), kind="stable")[:count]
        return [tuple(map(int, np.unravel_index(code, total.shape))) for code in order]
