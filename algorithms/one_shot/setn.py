"""SETN: weights are trained along uniform paths, alpha with all operations; the most probable candidates compete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from algorithms.one_shot.alpha import AlphaSearch, RelaxedConfig, outer_sum, unravel
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
    graphs = "one-hot"
    digits: ClassVar = {"epochs": 10, "batch": 32, "rate": 0.1, "arch_rate": 0.01}

    @dataclass(frozen=True)
    class Config(RelaxedConfig):
        """Hyperparameters of SETN."""

        candidates: Annotated[int, at_least(1)] = 100
        """Most probable architectures, each evaluated on one batch; the best is chosen."""

    config: Config
    supernet: TopologySupernet

    def _weight_mode(self) -> Paths:
        counts = self.task.space.cardinalities

        def uniform(draw: torch.Generator) -> Tensor:
            return torch.stack([torch.randint(count, (), generator=draw) for count in counts])[None]  # [1, edge]

        return self.supernet.sampled(self.drawn("architecture", uniform, on_host=not self.supernet.one_hot))

    def _evaluation_mode(self, architecture: Architecture) -> Paths:
        return self.supernet.along(architecture)

    def candidates(self) -> list[Architecture]:
        return self.most_probable(self.config.candidates)

    def most_probable(self, count: int) -> list[Architecture]:
        """Return the `count` architectures with the highest log p = sum of log softmax(alpha), the highest first.

        With another relaxation than softmax its weights replace the probabilities.
        """
        log_odds = self.log_odds.detach().double()
        log_p = log_odds.log_softmax(dim=1) if self.config.relaxation == "softmax" else self.relax(log_odds).log()
        total = outer_sum(log_p.cpu())  # [edge, operation] summed, one axis for each edge
        order = total.flatten().argsort(descending=True, stable=True)[:count]
        return [unravel(code, total.shape) for code in order]
