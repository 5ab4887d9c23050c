"""Searches with a matrix of architecture parameters, and the relaxations that make weights of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import reduce
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor, nn

from algorithms.one_shot.config import OneShotConfig
from algorithms.one_shot.exponentiated import ExponentiatedGradient
from algorithms.one_shot.relaxations import rising, sparsemax, sparsestmax
from algorithms.one_shot.search import OneShotSearch
from algorithms.one_shot.supernets.base import ForwardMode
from algorithms.one_shot.task import VALIDATION, Batch
from benchmark_api.bounds import at_least, between, positive, unstored_default
from benchmark_api.spaces import Architecture
from benchmark_api.types import FloatArray


@dataclass(frozen=True)
class ArchitectureConfig(OneShotConfig, ABC):
    """Hyperparameters of searches with a matrix of architecture parameters, alpha [decision, choice]."""

    @property
    def on_simplex(self) -> bool:
        """Whether alpha is the weights of the choices themselves, whose rows sum to one."""
        return False

    @abstractmethod
    def optimizer(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Return the optimizer of the architecture parameters."""

    def relaxed(self, alpha: Tensor, epoch: int) -> Tensor:
        """Return the weights of the choices [decision, choice] in an epoch, counted from 0."""
        return alpha if self.on_simplex else alpha.softmax(dim=1)


@dataclass(frozen=True)
class AlphaConfig(ArchitectureConfig):
    """Hyperparameters of searches whose architecture parameters are trained by Adam."""

    arch_rate: Annotated[float, positive] = 3e-4
    """Step size of Adam."""

    arch_betas: tuple[Annotated[float, between(0, 1, "[)")], Annotated[float, between(0, 1, "[)")]] = (0.5, 0.999)
    """Decays of Adam's averages of the gradients and of the squared gradients."""

    arch_decay: Annotated[float, at_least(0)] = 1e-3
    """Weight decay of the architecture parameters."""

    arch_eps: Annotated[float, positive] = 1e-8
    """Added by Adam to the root of the squared gradients."""

    def optimizer(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Return the optimizer of the architecture parameters; the decay is part of its gradient."""
        return torch.optim.Adam(parameters, self.arch_rate, self.arch_betas, self.arch_eps, self.arch_decay)


@dataclass(frozen=True)
class UpdatedConfig(AlphaConfig):
    """Hyperparameters of searches whose choices have the probabilities softmax(alpha), with a choice of the update."""

    arch_update: Annotated[Literal["adam", "exponentiated"], unstored_default] = "adam"
    """Update of the architecture: Adam's, or GAEA's exponentiated gradient of step size `arch_rate` (GAEA: 0.1)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in fields(self):
            value = getattr(self, field.name)
            if self.on_simplex and field.name in ("arch_betas", "arch_decay", "arch_eps") and value != field.default:
                raise ValueError(
                    f"{field.name} is for the update by Adam: expected {field.default} with exponentiated, got {value}"
                )

    @property
    def on_simplex(self) -> bool:
        return self.arch_update == "exponentiated"

    def optimizer(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return ExponentiatedGradient(parameters, self.arch_rate) if self.on_simplex else super().optimizer(parameters)


@dataclass(frozen=True)
class RelaxedConfig(UpdatedConfig):
    """Hyperparameters of searches that mix all choices, with a choice of the relaxation."""

    relaxation: Annotated[Literal["softmax", "sigmoid", "sparsemax", "sparsestmax"], unstored_default] = "softmax"
    """How the weights of choices are computed from alpha; sigmoid: each by itself."""

    radius: Annotated[float, between(0, 1), unstored_default] = 0.9
    """Radius of sparsestmax in the last epoch; it rises linearly from 0. Five choices are one-hot from 0.894 on."""

    def __post_init__(self) -> None:
        super().__post_init__()
        usual = {field.name: field.default for field in fields(RelaxedConfig)}
        if self.radius != usual["radius"] and self.relaxation != "sparsestmax":
            raise ValueError(f"radius is for the relaxation sparsestmax, got {self.radius} with {self.relaxation}")
        if self.on_simplex and self.relaxation != "softmax":
            raise ValueError(f"exponentiated updates train the weights themselves: expected softmax, got {self.relaxation}")

    def relaxed(self, alpha: Tensor, epoch: int) -> Tensor:
        match self.relaxation:
            case "sigmoid":
                return alpha.sigmoid()
            case "sparsemax":
                return sparsemax(alpha)
            case "sparsestmax":
                return sparsestmax(alpha, rising(self.radius, epoch, self.epochs))
        return super().relaxed(alpha, epoch)


@dataclass(frozen=True)
class TemperedConfig(UpdatedConfig):
    """Hyperparameters of searches whose softmax has a falling temperature."""

    tau_max: Annotated[float, positive] = 10.0
    """Temperature of the softmax in the first epoch."""

    tau_min: Annotated[float, positive] = 0.1
    """Temperature in the last epoch; it falls linearly."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tau_min > self.tau_max:
            raise ValueError(f"tau_min must be at most tau_max, got {self.tau_min} and {self.tau_max}")

    def tau(self, epoch: int) -> float:
        """Return the temperature of an epoch, counted from 0; that of the last one after it."""
        return self.tau_max - (self.tau_max - self.tau_min) * min(epoch, self.epochs - 1) / max(self.epochs - 1, 1)


class AlphaSearch(OneShotSearch):
    """A search with architecture parameters alpha [decision, choice], relaxed to weights of the choices.

    By default weights and alpha are trained in turn with all choices mixed by their weights, each on its own batch: the weights
    descend the training loss, alpha the validation loss.

    Raises:
        ValueError: the decisions of the space differ in their number of choices.
    """

    space = "any"
    graphs: ClassVar[Literal["", "mixed", "one-hot"]] = "mixed"
    digits: ClassVar = {"epochs": 12, "batch": 32, "rate": 0.1, "arch_rate": 0.01}

    config: ArchitectureConfig

    def _start(self) -> None:
        decisions, choices = len(self.task.space.cardinalities), max(self.task.space.cardinalities)
        if min(self.task.space.cardinalities) < choices:
            raise ValueError(f"{self.name} needs as many choices for every decision, got {self.task.space.cardinalities}")
        self.alpha = nn.Parameter(self._initial(decisions, choices).to(self.device))  # [decision, choice]
        self.arch_optimizer = self._on_device(self.config.optimizer([self.alpha]))
        self._parts |= {"alpha": nn.ParameterList([self.alpha]), "adam": self.arch_optimizer}

    def _on_device(self, optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
        """Let Adam's step be one operation on CUDA devices and in captured steps; its counter of steps is then on the device."""
        if isinstance(optimizer, torch.optim.Adam) and (self.device.type == "cuda" or self.execution.graphs):
            for settings in (optimizer.defaults, *optimizer.param_groups):
                settings.update(fused=True, capturable=self.device.type == "cuda")
        return optimizer

    def _initial(self, *shape: int) -> Tensor:
        """Return architecture parameters of a shape at the start: equal weights, but for small random numbers off the simplex."""
        if self.config.on_simplex:
            return torch.full(shape, 1 / shape[-1])
        return 1e-3 * torch.randn(shape, generator=self.draws["weights"])

    def relax(self, alpha: Tensor) -> Tensor:
        """Return the weights of the choices [decision, choice] for alpha; by default as the configuration says, a softmax."""
        return self.config.relaxed(alpha, self.epoch)

    @property
    def log_odds(self) -> Tensor:
        """Numbers whose softmax is the probabilities of the choices [decision, choice]; for searches that sample choices."""
        return self.alpha.log() if self.config.on_simplex else self.alpha

    @property
    def architecture_split(self) -> str:
        """Split whose images alpha is trained on."""
        return VALIDATION

    def _mode(self, purpose: str) -> ForwardMode:
        """Forward mode of the next pass; its random numbers, if any, are `drawn(purpose, …)`."""
        return self.supernet.mixture(self.relax(self.alpha))

    def _weight_mode(self) -> ForwardMode:
        return self._mode("architecture")

    def _evaluation_mode(self, architecture: Architecture) -> ForwardMode:
        return self._mode("evaluation")

    def _architecture_loss(self, validation: Batch) -> Tensor:
        """Return the loss that alpha descends, on a validation batch."""
        images, labels = validation
        return nn.functional.cross_entropy(self.logits(images, self._mode("architecture")), labels)

    def _architecture_gradient(self, training: Batch, validation: Batch) -> Tensor:
        """Return the gradient that alpha descends [decision, choice]; `training` is the batch of the weights' latest update."""
        with fixed(self.optimizer.param_groups[0]["params"]):  # of the weights
            loss = self._architecture_loss(validation)
        return torch.autograd.grad(loss, self.alpha)[0]

    def _architecture_step(self, training: Batch) -> None:
        batch = self.validation_batch(len(training[1]), self.architecture_split)
        self.alpha.grad = self._architecture_gradient(training, batch)
        self.arch_optimizer.step()

    def architecture_weights(self) -> FloatArray:
        weights: FloatArray = self.relax(self.alpha.detach().double()).cpu().numpy()
        return weights


@contextmanager
def fixed(parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """Compute passes without gradients of some parameters while the context lasts."""
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


def outer_sum(rows: Tensor) -> Tensor:
    """Return the sums of one entry of each row of a matrix, with one axis for each row."""
    return reduce(lambda total, row: total.unsqueeze(-1) + row, rows.unbind())


def unravel(code: Tensor, shape: torch.Size) -> Architecture:
    """Return the architecture of a flat index into an array with one axis for each decision."""
    return tuple(int(choice) for choice in torch.unravel_index(code, shape))
