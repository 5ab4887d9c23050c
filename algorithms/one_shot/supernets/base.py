"""Interface of supernets. The file of a space registers the space's supernet with `@build_supernet.register`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import singledispatch
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from benchmark_api.spaces import Architecture, SearchSpace
from benchmark_api.training.networks import Skeleton, initialize


class ForwardMode:
    """Base class of forward modes: what one pass of a supernet computes, e.g. a sampled path or a weighted sum of all choices."""


class Supernet(nn.Module, ABC):
    """A network that holds all candidates of a space."""

    @abstractmethod
    def forward(self, images: Tensor, mode: Any) -> Tensor:
        """Return the logits [image, class] under one of the supernet's forward modes."""

    @abstractmethod
    def along(self, architecture: Architecture) -> ForwardMode:
        """Return the mode that computes a single architecture."""

    @abstractmethod
    def mixture(self, weights: Tensor) -> ForwardMode:
        """Return the mode that computes all choices, weighted by `weights` [decision, choice] and summed."""

    def compile_parts(self) -> None:
        """Compile the parts that compute the same at every training step."""


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
