"""GAEA: the weights of a mixture are trained themselves, by an exponentiated gradient on the simplex."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from operator import itemgetter
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor, nn

from algorithms.one_shot.alpha import AlphaSearch, ArchitectureConfig
from algorithms.one_shot.exponentiated import FLOOR, ExponentiatedGradient
from algorithms.one_shot.search import register_one_shot
from algorithms.one_shot.task import VALIDATION
from benchmark_api.bounds import at_least, between, positive
from benchmark_api.spaces import NONE, Architecture
from benchmark_api.types import FloatArray


@register_one_shot
class Gaea(AlphaSearch):
    """GAEA DARTS: algorithm 1 of the paper on the mixture of DARTS, with one or two levels of optimisation.

    Alpha is theta of the paper, the weights of the operations that can be chosen [edge, operation].
    """

    name = "gaea"
    title = "GAEA"
    paper = "Li et al., Geometry-Aware Gradient Algorithms for Neural Architecture Search, ICLR 2021, arXiv 2004.07802"
    space = "topology"
    digits: ClassVar = {"epochs": 12, "batch": 32, "rate": 0.1}
    presets: ClassVar = {"paper": {"epochs": 25, "cosine_epochs": 50, "batch": 64, "rate": 0.025, "decay": 3e-4}}

    @dataclass(frozen=True)
    class Config(ArchitectureConfig):
        """Hyperparameters of GAEA."""

        level: Literal["single", "bilevel"] = "single"
        """Images that theta is trained on: another training batch (the paper's ERM), or a validation batch."""

        eta: Annotated[float, positive] = 0.1
        """Step size of the exponentiated gradient."""

        floor: Annotated[float, between(0, 1, "()")] = FLOOR
        """Smallest weight of an operation before those of an edge are divided by their sum."""

        choose_none: bool = False
        """Whether `none` is an operation of the supernet, and can be chosen; in the paper it is not."""

        cosine_epochs: Annotated[int, at_least(1)] | None = None
        """Length of the cosine schedule, of which the search is the first part (the paper's: 25 of 50); None: `epochs`."""

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.horizon < self.epochs:
                raise ValueError(f"cosine_epochs must be at least epochs ({self.epochs}), got {self.cosine_epochs}")

        @property
        def on_simplex(self) -> bool:
            return True

        @property
        def horizon(self) -> int:
            return self.cosine_epochs or self.epochs

        def optimizer(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
            return ExponentiatedGradient(parameters, self.eta, self.floor)

    config: Config

    def _start(self) -> None:
        super()._start()
        self._validated: tuple[float, float] | None = None  # loss and accuracy of the epoch's supernet

    def _initial(self, *shape: int) -> Tensor:
        edges, operations = shape
        return super()._initial(edges, operations if self.config.choose_none else operations - 1)

    def relax(self, alpha: Tensor) -> Tensor:
        if self.config.choose_none:
            return alpha
        return torch.cat([alpha[:, :NONE], alpha.new_zeros(len(alpha), 1), alpha[:, NONE:]], dim=1)  # [edge, operation]

    @property
    def architecture_split(self) -> str:
        return VALIDATION if self.config.level == "bilevel" else "train"

    # -- of two levels, the architecture of the epoch with the best supernet -----------------------------------------------------

    def _end_epoch(self) -> None:
        self._validated = super()._validate(()) if self.config.level == "bilevel" else None

    def _validate(self, architecture: Architecture) -> tuple[float, float]:
        validated, self._validated = self._validated, None
        return validated or super()._validate(architecture)

    def selectable_weights(self) -> FloatArray:
        """Return the weights [edge, operation]: of two levels, those of the epoch with the highest validation accuracy so far."""
        latest = self.architecture_weights()
        if self.config.level == "single":
            return latest
        epochs = [(metrics.valid_accuracy, metrics.arch_weights) for metrics in self.metrics]
        if self._validated is not None:
            epochs.append((self._validated[1], latest))
        return max(epochs, key=itemgetter(0), default=(0.0, latest))[1]
