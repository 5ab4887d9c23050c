"""Interface of supernets, and their registration by space.

A file with a new space registers the space's supernet:

    @build_supernet.register
    def _(space: ChainSpace, skeleton: Skeleton, track_running_stats: bool = False) -> ChainSupernet:
        return ChainSupernet(space, skeleton)
"""

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

    Args:
        space: the space.
        skeleton: layers around the candidates.
        track_running_stats: whether evaluation uses running statistics in the cells; False: always the batch's.

    Raises:
        ValueError: no supernet is registered for the space, or the skeleton does not fit it.
    """
    raise ValueError(f"no supernet for {space!r}; the file that defines a space registers one with @build_supernet.register")


def initialized(make: Callable[[], SupernetT], generator: torch.Generator, device: torch.device | str = "cpu") -> SupernetT:
    """Make a supernet and draw its initial weights.

    `make` runs under PyTorch's meta device, so that nothing is drawn from the global generator. Constants of the supernet that
    are not weights must name their device.

    Args:
        make: e.g. a call of `build_supernet`.
        generator: source of the weights; they are drawn on its device, so that they are equal on all others.
        device: device of the result.
    """
    with torch.device("meta"):
        supernet = make()
    supernet.to_empty(device=device)
    initialize(supernet, generator)
    return supernet
