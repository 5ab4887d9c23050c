"""Interface of supernets. The file of a space registers the space's supernet with `@build_supernet.register`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import singledispatch
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from benchmark_api.spaces import Architecture, SearchSpace
from benchmark_api.training.networks import Skeleton, initialize


class ForwardMode:
    """Base class of forward modes: what one pass of a supernet computes, e.g. a sampled path or a weighted sum of all choices."""


class Supernet(nn.Module, ABC):
    """A network that holds all candidates of a space.

    Attributes:
        captured: whether training steps are captured, so that passes must have the same operations each time.
    """

    captured = False

    def capture(self) -> None:
        """Let training passes have the same operations each time."""
        self.captured = True

    @abstractmethod
    def forward(self, images: Tensor, mode: Any) -> Tensor:
        """Return the logits [image, class] under one of the supernet's forward modes."""

    @abstractmethod
    def along(self, architecture: Architecture) -> ForwardMode:
        """Return the mode that computes a single architecture."""

    @abstractmethod
    def mixture(self, weights: Tensor) -> ForwardMode:
        """Return the mode that computes all choices, weighted by `weights` [decision, choice] and summed."""

    def decide(self, mode: Any, choices: Mapping[int, int]) -> ForwardMode:
        """Return a forward mode that computes one choice, unweighted, for some decisions, and the others as a mode does.

        Args:
            mode: the mode.
            choices: choice of each decision that is made.

        Raises:
            ValueError: the class of supernets does not override this.
        """
        raise ValueError(f"a selection that makes decisions one by one needs the method `decide` of {type(self).__name__}")

    def compile_parts(self) -> None:
        """Compile the parts that compute the same at every training step."""


def one_hot_rows(weights: Tensor, choices: Mapping[int, int]) -> Tensor:
    """Return weights [decision, choice] with one-hot rows, to which no gradient flows, for the decisions that are made."""
    hot = torch.eye(weights.shape[1], dtype=weights.dtype, device=weights.device)
    return torch.stack([hot[choices[number]] if number in choices else row for number, row in enumerate(weights)])


SupernetT = TypeVar("SupernetT", bound=Supernet)


@singledispatch
def build_supernet(space: SearchSpace, skeleton: Skeleton, track_running_stats: bool = False) -> Supernet:
    """Build the supernet of a space, dispatched on the space's class.

    With `track_running_stats`, cells use running statistics at evaluation; otherwise always the batch's.

    Raises:
        ValueError: no supernet is registered for the space, or the skeleton does not fit it.
    """
    raise ValueError(f"no supernet for {space!r}; the file that defines a space registers one with @build_supernet.register")


def initialized(make: Callable[[], SupernetT], generator: torch.Generator, device: torch.device | str = "cpu") -> SupernetT:
    """Make a supernet on a device and draw its initial weights, on the generator's device, so that they are equal on all.

    `make` runs under PyTorch's meta device, so that nothing is drawn from the global generator. Constants of the supernet that
    are not weights must name their device.
    """
    with torch.device("meta"):
        supernet = make()
    supernet.to_empty(device=device)
    initialize(supernet, generator)
    return supernet
