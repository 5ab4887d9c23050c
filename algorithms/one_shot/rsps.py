"""RSPS: random search with parameter sharing. Random paths are trained; the best of some random candidates is chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from torch import Tensor

from algorithms.one_shot.search import OneShotSearch, register_one_shot
from algorithms.one_shot.selection import BestOfN
from algorithms.one_shot.supernets import Paths, TopologySupernet
from algorithms.one_shot.task import Batch
from algorithms.one_shot.validation_pass import ValidationPassConfig, validation_pass
from benchmark_api.bounds import at_least
from benchmark_api.spaces import EDGES, NONE, OPERATIONS, Architecture
from benchmark_api.types import FloatArray


@register_one_shot
class Rsps(OneShotSearch):
    """Random search with weight sharing on the cell of NATS-Bench; as in the reference, each cell of each pass has its own path.

    There is no architecture step; the reference's pass over a validation batch in its place is an option.
    """

    name = "rsps"
    title = "RSPS"
    paper = "Li & Talwalkar, Random Search and Reproducibility for Neural Architecture Search, UAI 2019, arXiv 1902.07638"
    space = "topology"
    default_selection = BestOfN
    graphs = "one-hot"
    digits: ClassVar = {"epochs": 18, "batch": 32, "rate": 0.1}

    @dataclass(frozen=True)
    class Config(ValidationPassConfig):
        """Hyperparameters of RSPS."""

        candidates: Annotated[int, at_least(1)] = 100
        """Architectures drawn uniformly without replacement, each evaluated on one batch; the best is chosen."""

    config: Config
    supernet: TopologySupernet

    def _weight_mode(self) -> Paths:
        return self._random_paths("architecture")

    def _architecture_step(self, training: Batch) -> None:
        if self.config.validation_pass:
            validation_pass(self, self._random_paths("validation"), len(training[1]))

    def _evaluation_mode(self, architecture: Architecture) -> Paths:
        return self._random_paths("evaluation")

    def _random_paths(self, purpose: str) -> Paths:
        cells = self.supernet.cells

        def paths(draw: torch.Generator) -> Tensor:
            return torch.tensor([random_path(draw) for _ in range(cells)])  # [cell, edge]

        return self.supernet.sampled(self.drawn(purpose, paths, on_host=not self.supernet.one_hot))

    def architecture_weights(self) -> FloatArray:
        return np.full((len(EDGES), len(OPERATIONS)), 1 / len(OPERATIONS))

    def candidates(self) -> list[Architecture]:
        space = self.task.space
        indices = torch.randperm(len(space), generator=self.draws["evaluation"])[: self.config.candidates]
        return [space.architecture(index) for index in indices.tolist()]


def random_path(generator: torch.Generator) -> Architecture:
    """Sample the operations of one cell; those of a node's edges are drawn uniformly until one of them is not `none`."""
    path: list[int] = []
    for incoming in (1, 2, 3):
        drawn = [NONE]
        while all(choice == NONE for choice in drawn):
            drawn = torch.randint(len(OPERATIONS), (incoming,), generator=generator).tolist()
        path += drawn
    return tuple(path)
