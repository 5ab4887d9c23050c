"""DARTS-PT: DARTS whose operations are selected by perturbation of the supernet, with alpha trained, or left at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from algorithms.one_shot.config import OneShotConfig
from algorithms.one_shot.darts import DartsFirstOrder
from algorithms.one_shot.perturbation import Perturbation, PerturbationConfig
from algorithms.one_shot.search import OneShotSearch, register_one_shot
from algorithms.one_shot.supernets import ForwardMode
from benchmark_api.spaces import EDGES, OPERATIONS, Architecture
from benchmark_api.types import FloatArray


@register_one_shot
class DartsPt(DartsFirstOrder):
    """First-order DARTS, then algorithm 1 of the paper (`Perturbation`).

    Earlier epochs log the choices with the largest weights, those of DARTS.
    """

    name = "darts-pt"
    title = "DARTS-PT"
    paper = "Wang et al., Rethinking Architecture Selection in Differentiable NAS, ICLR 2021, arXiv 2108.04392"
    default_selection = Perturbation

    @dataclass(frozen=True)
    class Config(PerturbationConfig, DartsFirstOrder.Config):
        """Hyperparameters of DARTS-PT."""

    config: Config


@register_one_shot
class DartsPtFixed(OneShotSearch):
    """Section 5 of the paper: alpha is never updated, so that the selection alone finds an architecture.

    Alpha stays at its random start, which makes nearly equal weights, as in the authors' code.
    """

    name = "darts-pt-fixed"
    title = "DARTS-PT (fixed alpha)"
    paper = DartsPt.paper
    space = "topology"
    graphs = "mixed"
    default_selection = Perturbation
    digits: ClassVar = {"epochs": 12, "batch": 32, "rate": 0.1}

    @dataclass(frozen=True)
    class Config(PerturbationConfig, OneShotConfig):
        """Hyperparameters of DARTS-PT without architecture parameters."""

    config: Config

    def _start(self) -> None:
        drawn = torch.randn(len(EDGES), len(OPERATIONS), generator=self.draws["weights"])  # [edge, operation]
        self.alpha = (1e-3 * drawn).to(self.device)

    def _weight_mode(self) -> ForwardMode:
        return self.supernet.mixture(self.alpha.softmax(dim=1))

    def _evaluation_mode(self, architecture: Architecture) -> ForwardMode:
        return self._weight_mode()

    def architecture_weights(self) -> FloatArray:
        weights: FloatArray = self.alpha.double().softmax(dim=1).cpu().numpy()
        return weights
