"""RSPS: random search with parameter sharing. Random paths are trained; the best of some random candidates is chosen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from algorithms.one_shot.search import FloatArray, OneShotConfig, OneShotSearch, register_one_shot
from algorithms.one_shot.supernets.topology import Rule, Supernet
from benchmark_api.spaces import EDGES, OPERATIONS, Architecture

NONE = OPERATIONS.index("none")


@register_one_shot
class Rsps(OneShotSearch):
    """Random search with weight sharing on the cell of NATS-Bench; each cell of each pass has a path of its own, as there.

    There is no architecture step; the reference's pass over a validation batch, which only logs, is left out.
    """

    name = "rsps"
    title = "RSPS"
    paper = "Li & Talwalkar, Random Search and Reproducibility for Neural Architecture Search, UAI 2019, arXiv 1902.07638"
    space = "topology"

    @dataclass(frozen=True)
    class Config(OneShotConfig):
        """Hyperparameters of RSPS.

        Raises:
            ValueError: a value is out of range.
        """

        candidates: int = 100
        """Architectures drawn uniformly, without replacement, of which the best on a batch each is chosen."""

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.candidates < 1:
                raise ValueError(f"candidates must be at least 1, got {self.candidates}")

    config: Config
    supernet: Supernet

    def _weight_rule(self) -> Rule:
        return self._random_paths("architecture")

    def _evaluation_rule(self, architecture: Architecture) -> Rule:
        return self._random_paths("evaluation")

    def _random_paths(self, purpose: str) -> Rule:
        return Rule(paths=[random_path(self.draws[purpose]) for _ in range(self.supernet.cells)])

    def architecture_weights(self) -> FloatArray:
        return np.full((len(EDGES), len(OPERATIONS)), 1 / len(OPERATIONS))

    def _choose(self) -> Architecture:
        space = self.task.space
        indices = torch.randperm(len(space), generator=self.draws["evaluation"])[: self.config.candidates]
        return self._best([space.architecture(index) for index in indices.tolist()])


def random_path(generator: torch.Generator) -> Architecture:
    """The operations of one cell: those of a node's edges are drawn uniformly until one of them is not `none`."""
    path: list[int] = []
    for incoming in (1, 2, 3):
        drawn = [NONE]
        while all(choice == NONE for choice in drawn):
            drawn = torch.randint(len(OPERATIONS), (incoming,), generator=generator).tolist()
        path += drawn
    return tuple(path)
