"""Supernet of a search in a stack: it asks for its passes instead of computing them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from algorithms.one_shot.search import OneShotSearch
from algorithms.one_shot.supernets.base import ForwardMode, Supernet
from algorithms.one_shot.supernets.stacked import Evaluator, StackedSupernet
from algorithms.one_shot.turns import Ask
from benchmark_api.spaces import Architecture


@dataclass(frozen=True)
class Forward:
    """Request for a pass; the answer is a `Row`.

    Attributes:
        images: [image, channel, height, width].
        mode: forward mode.
        weights: weights as a vector.
        numbers: numbers of the mode that gradients may flow to; None if there are none.
        statistics: running statistics as a vector, updated in training.
        passes: number of passes that have updated them.
        training: whether normalisations are in training mode.
        gradients: whether gradients of the weights, and of the numbers, are needed.
    """

    images: Tensor
    mode: ForwardMode
    weights: Tensor
    numbers: Tensor | None
    statistics: Tensor
    passes: Tensor
    training: bool
    gradients: tuple[bool, bool]


@dataclass(frozen=True)
class Row:
    """A pass, as a row of the joint pass that computed it.

    Attributes:
        logits: [image, class].
        joint: the joint pass, which computes the gradients; None where none are needed.
        number: number of the row.
    """

    logits: Tensor
    joint: Any
    number: int


@dataclass(frozen=True)
class Backward:
    """Request for the gradients of a pass; the answer is the gradients of weights and numbers, None for those not needed.

    Attributes:
        row: the pass.
        gradient: gradient of its logits [image, class].
        gradients: whether gradients of the weights, and of the numbers, are needed.
    """

    row: Row
    gradient: Tensor
    gradients: tuple[bool, bool]


@dataclass(frozen=True)
class Clock:
    """Request for the wall time in seconds, divided by the number of searches."""


@dataclass(frozen=True)
class Repetition:
    """Request to compute functions some times, as `algorithms.one_shot.graphs.repeated` does; the answer is None."""

    functions: Sequence[Callable[[], None]]
    times: int


Request = Forward | Backward | Clock | Repetition


class _Pass(torch.autograd.Function):
    """A pass that another thread computes."""

    @staticmethod
    def forward(ctx: Any, ask: Ask, request: Forward, weights: Tensor, numbers: Tensor | None) -> Tensor:
        ctx.ask, ctx.row = ask, ask(request)
        logits: Tensor = ctx.row.logits
        return logits

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, None, Tensor | None, Tensor | None]:
        weights, numbers = ctx.ask(Backward(ctx.row, gradient, ctx.needs_input_grad[2:]))
        return None, None, weights, numbers


class Member(Supernet):
    """Supernet of a search in a stack, with its weights as one parameter.

    The original supernet shares the memory of the weights and of the running statistics, so both are always up to date. All other
    attributes are those of the original.

    Args:
        supernet: the original.
        network: the stacked supernet of the stack.
        size: height and width of the images.

    Attributes:
        ask: asks for a pass, or its gradients; set before the first pass.
    """

    weights: Tensor
    statistics: Tensor
    passes: Tensor
    ask: Ask

    def __init__(self, supernet: Supernet, network: StackedSupernet, size: tuple[int, int]) -> None:
        super().__init__()
        self.__dict__["original"] = supernet  # not as a submodule: its parameters are not additional ones
        self.network, self.size = network, size
        self.weights = self.__dict__["own_weights"] = nn.Parameter(network.weights.join(dict(supernet.named_parameters())))
        self.register_buffer("statistics", network.statistics.join(dict(supernet.named_buffers())))
        self.register_buffer("passes", torch.zeros((), dtype=torch.int64))
        self._evaluator: tuple[object, Evaluator | None] = None, None

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.__dict__["original"], name)

    def forward(self, images: Tensor, mode: ForwardMode) -> Tensor:
        """Return the logits [image, class]."""
        numbers = self.network.numbers(mode)
        if not torch.is_grad_enabled():
            gradients = False, False
            logits = None if self.training or numbers is not None else self._evaluated(images, mode)
            if logits is not None:
                return logits
        else:
            gradients = self.weights.requires_grad, numbers is not None and numbers.requires_grad
        detached = None if numbers is None else numbers.detach()
        request = Forward(images, mode, self.weights.detach(), detached, self.statistics, self.passes, self.training, gradients)
        if any(gradients):
            return _Pass.apply(self.ask, request, self.weights, numbers)  # type: ignore[no-any-return, no-untyped-call]
        row: Row = self.ask(request)
        return row.logits

    def _evaluated(self, images: Tensor, mode: ForwardMode) -> Tensor | None:
        """Return the logits under a mode without numbers by the evaluator of the current weights; None if there is none."""
        if self.weights is not self.__dict__["own_weights"]:  # others, for one pass
            return None
        version = self.weights._version, self.statistics._version
        if self._evaluator[0] != version:
            self._evaluator = version, self.network.evaluator(self.__dict__["original"], self.size)
        evaluate = self._evaluator[1]
        return None if evaluate is None else evaluate(images, mode)

    def along(self, architecture: Architecture) -> ForwardMode:
        """Return the mode that computes a single architecture."""
        mode: ForwardMode = self.__dict__["original"].along(architecture)
        return mode

    def mixture(self, weights: Tensor) -> ForwardMode:
        """Return the mode that computes all choices, weighted and summed."""
        mode: ForwardMode = self.__dict__["original"].mixture(weights)
        return mode

    def decide(self, mode: ForwardMode, choices: Mapping[int, int]) -> ForwardMode:
        """Return the mode with some decisions made."""
        decided: ForwardMode = self.__dict__["original"].decide(mode, choices)
        return decided


@contextmanager
def membership(search: OneShotSearch, network: StackedSupernet) -> Iterator[Member]:
    """Let a search use a `Member` as its supernet while the context lasts."""
    supernet, optimizer = search.supernet, search.optimizer
    parameters = dict(supernet.named_parameters())
    _, height, width = search.task.dataset.image_shape
    member = Member(supernet, network, (height, width))
    of_member = search.sgd([member.__dict__["own_weights"]])
    if optimizer.state:
        buffers = {name: optimizer.state[parameter]["momentum_buffer"] for name, parameter in parameters.items()}
        of_member.state[member.weights]["momentum_buffer"] = network.weights.join(buffers)
    with search.trained_with(member, of_member, lambda: member.ask(Clock())):
        yield member
    for name, view in network.weights.views(of_member.state[member.weights]["momentum_buffer"], parameters):
        optimizer.state[parameters[name]]["momentum_buffer"] = view
    for name, buffer in supernet.named_buffers():
        if network.counts(name):
            buffer += member.passes
