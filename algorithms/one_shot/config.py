"""Hyperparameters that all one-shot searches have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from benchmark_api.bounds import Bounded, at_least, between, positive


@dataclass(frozen=True)
class OneShotConfig(Bounded):
    """Hyperparameters that all one-shot searches have; the defaults are those of NATS-Bench."""

    epochs: Annotated[int, at_least(1)] = 100
    """Length of the search E."""

    batch: Annotated[int, at_least(1)] = 64
    """Images of a training batch, and of its validation batch; the last batch of an epoch may be smaller."""

    eval_batch: Annotated[int, at_least(1)] = 512
    """Images of an evaluation batch."""

    rate: Annotated[float, positive] = 0.025
    """Initial learning rate; that of epoch e is rate_min + (rate - rate_min) / 2 * (1 + cos(pi * e / E))."""

    rate_min: Annotated[float, at_least(0)] = 0.001
    """Final learning rate of the cosine schedule."""

    momentum: Annotated[float, between(0, 1, "()")] = 0.9
    """Nesterov momentum."""

    decay: Annotated[float, at_least(0)] = 5e-4
    """Weight decay of all weights."""

    batch_norm: Literal["batch", "running"] = "batch"
    """Batch-norm statistics of cells at evaluation: of the batch, or running ones. Strongly affects results."""

    @property
    def horizon(self) -> int:
        """Length of the cosine schedule, epochs."""
        return self.epochs

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rate_min > self.rate:
            raise ValueError(f"rate_min must be at most rate ({self.rate}), got {self.rate_min}")
